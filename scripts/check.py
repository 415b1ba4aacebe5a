"""Runs every check: format, lint, types, docs, tests, and the tests again on the built wheel.

    python3 scripts/check.py            everything
    python3 scripts/check.py --quick    without the wheel

Needs Python 3.11 or newer and nothing else. What it installs goes into `build/`; a virtual
environment of yours is not touched. Ends at the first check that fails, with all that it said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

ROOT = bootstrap.ROOT
BUILD = ROOT / "build"
# Variables of whoever calls that would let the tests see another Python than the one under test.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS")


class Step(NamedTuple):
    """One check: a command, and where it runs."""

    name: str
    command: tuple[str | Path, ...]
    folder: Path = ROOT
    env: dict[str, str] = {}  # noqa: RUF012 - a tuple's default, never written to


def main() -> int:
    """Run the checks in order; 0 when all of them passed."""
    begin = time.monotonic()
    print("-- environment ...", end=" ", flush=True)
    commands = bootstrap.environment(BUILD / "check", groups=("dev",))
    print(f"{time.monotonic() - begin:.1f} s", flush=True)
    checks = _on_the_sources(commands)
    passed = all(map(_passes, checks)) and ("--quick" in sys.argv or _on_the_wheel())
    verdict = "all checks passed" if passed else "FAILED"
    print(f"{verdict} in {time.monotonic() - begin:.0f} s", flush=True)
    return 0 if passed else 1


def _on_the_sources(commands: Path) -> tuple[Step, ...]:
    return (
        Step("format", (commands / "ruff", "format", "--check")),
        Step("lint", (commands / "ruff", "check")),
        Step("types", (commands / "mypy", "--strict")),
        Step("docs", (commands / "python", "scripts/generate.py", "--check")),
        Step("tests", _pytest(commands)),
    )


# On the wheel: what needs every module, every data file and the commands as they are installed.
ON_THE_WHEEL = (
    "tests/conformance/test_configuration.py",
    "tests/conformance/test_schemas.py",
    "tests/conformance/test_standard.py",
    "tests/inventory_providers/test_registry.py",
    "tests/tap_inventory",
    "tests/target_inventory/test_page.py",
    "tests/target_inventory/test_processes.py",
    "tests/target_inventory/test_sdk_suite.py",
    "tests/target_inventory/test_settings.py",
    "tests/target_inventory/test_writing.py",
    "tests/test_isolation.py",
    "tests/test_walls.py",
)


def _pytest(commands: Path, *places: str) -> tuple[str | Path, ...]:
    return (commands / "python", "-m", "pytest", "-n", "2", *places)


def _on_the_wheel() -> bool:
    """The tests on the built wheel, in a place from which the sources cannot be seen."""
    with tempfile.TemporaryDirectory(prefix="check-") as name:
        folder = Path(name)
        for part in ("tests", "pyproject.toml", "README.md"):
            _copy(ROOT / part, folder / part)
        return all(_passes(step) for step in _wheel_steps(folder))


def _wheel_steps(folder: Path) -> tuple[Step, ...]:
    uv = BUILD / "check-uv" / "bin" / "uv"
    home = BUILD / "check-wheel"
    python = home / "bin" / "python"
    here = {"UV_PROJECT_ENVIRONMENT": str(home)}
    sync = ("sync", "--frozen", "--all-groups", "--no-install-project", "--no-python-downloads")
    wheels = folder / "wheels"
    install = ("pip", "install", "--quiet", "--no-deps", "--reinstall", "--python", python)
    places = (
        "import sys, inventory_providers, tap_inventory, target_inventory as target; "
        "places = {m.__file__ for m in (inventory_providers, tap_inventory, target)}; "
        "sys.exit(not all('site-packages' in place for place in places))"
    )
    return (
        Step("wheel", (uv, "build", "--quiet", "--wheel", "--out-dir", wheels)),
        Step("wheel environment", (uv, *sync, "--python", sys.executable), env=here),
        Step(
            "wheel installed",
            (uv, *install, "--find-links", wheels, "--no-index", "singer-inventory"),
        ),
        Step("wheel, not the sources", (python, "-c", places), folder),
        Step("tests on the wheel", _pytest(python.parent, *ON_THE_WHEEL), folder),
    )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _passes(step: Step) -> bool:
    print(f"-- {step.name} ...", end=" ", flush=True)
    begin = time.monotonic()
    done = subprocess.run(
        [str(part) for part in step.command],
        cwd=step.folder,
        env=_environment() | step.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    print(f"{time.monotonic() - begin:.1f} s", flush=True)
    said = done.stdout.rstrip()
    if done.returncode:
        print(said)
        print(f"-- {step.name}: failed with exit code {done.returncode}", flush=True)
    elif said:
        print(said.splitlines()[-1], flush=True)
    return done.returncode == 0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in FOREIGN}


if __name__ == "__main__":
    sys.exit(main())
