"""Promises of the repository itself. Skipped where only the wheel is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    not (ROOT / "scripts").is_dir(), reason="this is no checkout: only the tests are here"
)

TEXTS = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".cfg", ".ini", ".txt", ".sh", ""}
# Other people's folders, and what tools leave behind.
SKIPPED = {"build", "dist", "output", "__pycache__"}

# Put together here, so that this file does not find itself.
PATHS = [f"/{name}" for name in ("work/", "tmp/w", "root/", "home/", "Users/")]
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("test", "pypi"))]


def texts() -> Iterator[Path]:
    """Every text file that people wrote here; the lock file is a tool's."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and (not name.startswith(".") or name in {".ci", ".github"})
        ]
        for name in names:
            file = Path(folder) / name
            if file.suffix in TEXTS and name not in {"LICENSE", ".gitignore"}:
                yield file


def finds(words: list[str], text: str) -> list[str]:
    """The words that stand in a text, not as a part of a longer path or name."""
    return [word for word in words if re.search(rf"(?<![\w.]){re.escape(word)}", text)]


@pytest.mark.parametrize("words", [PATHS, HOSTS], ids=["paths", "hosts"])
def test_nothing_of_one_machine_or_registry_is_written_down(words: list[str]) -> None:
    found = {
        str(file.relative_to(ROOT)): hits
        for file in texts()
        if (hits := finds(words, file.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_search_would_find() -> None:
    assert finds(PATHS, f"see {PATHS[0]}main and {PATHS[2]}x") == [PATHS[0], PATHS[2]]
    assert finds(HOSTS, f"https://{HOSTS[0]}/simple") == [HOSTS[0]]
    assert len(list(texts())) > 50


@pytest.mark.processes
def test_what_is_generated_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def project() -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    return found


def test_the_version_is_the_newest_of_the_changelog() -> None:
    changelog = ROOT / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("no changelog yet")
    versions = re.findall(r"^## \[?(\d[^\s\]]*)", changelog.read_text("utf-8"), re.MULTILINE)
    assert versions[:1] == [project()["version"]]


def test_the_commands_of_the_readme_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^\$ python3 (scripts/\S+)", readme, re.MULTILINE)
    assert commands[:2] == ["scripts/demo.py", "scripts/check.py"]
    for script in commands:
        assert (ROOT / script).is_file()


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    runner = ROOT / ".ci" / "run"
    lines = runner.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[-1] == "exec python3 scripts/check.py"
    assert os.access(runner, os.X_OK)


@pytest.mark.parametrize(
    "name",
    ["check", "bootstrap", "demo", "targets_check", "airflow_check"],
)
def test_what_runs_before_anything_is_installed_needs_nothing(name: str) -> None:
    source = (ROOT / "scripts" / f"{name}.py").read_text("utf-8")
    found = re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)
    assert not set(found) - {*sys.stdlib_module_names, "bootstrap"}


def test_every_schema_belongs_to_a_stream() -> None:
    from inventory_providers import registry

    names = {file.stem for file in (ROOT / "schemas").glob("*.json")}
    assert names == set(registry.every_stream())
