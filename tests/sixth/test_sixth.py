"""Promise: a new provider is one folder and one word; the one suite says whether it is right."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEW = "pocketstock"
# What tools leave behind.
NOT_SOURCES = shutil.ignore_patterns(".*", "build", "dist", "output", "__pycache__")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not (ROOT / "scripts" / "generate.py").is_file(),
        reason="this is no checkout: there are no sources that a room could be added to",
    ),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with a sixth room: its folder, and its name in the registry."""
    root = tmp_path_factory.mktemp("sixth") / "house"
    shutil.copytree(ROOT, root, ignore=NOT_SOURCES)
    shutil.copytree(HERE / NEW, root / "inventory_providers" / NEW)
    registry = root / "inventory_providers" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    with_name, count = re.subn(r"(PROVIDER_NAMES[^()]*= \()", rf'\1"{NEW}", ', text)
    assert count == 1
    registry.write_text(with_name, encoding="utf-8")
    return root


def _python(house: Path, *args: str) -> str:
    """What a command says in the house; its packages come before those that are installed."""
    environment = {"PYTHONPATH": str(house), "PATH": "", "HOME": str(house)}
    done = subprocess.run(
        [sys.executable, *args],
        cwd=house,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def test_the_commands_of_the_page_are_those_that_are_run_here() -> None:
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    assert block.splitlines() == [
        "$ uv run python scripts/generate.py",
        "$ uv run pytest tests/conformance -k <name>",
    ]


def test_a_sixth_provider_passes_the_suite_unchanged(house: Path) -> None:
    where = _python(house, "-c", "import tap_inventory; print(tap_inventory.__file__)")
    assert Path(where.strip()).is_relative_to(house)
    written = _python(house, "scripts/generate.py")
    assert f"schemas/{NEW}_items.json" in written
    suite = ("-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/conformance")
    said = _python(house, *suite, "-k", NEW)
    assert int(re.findall(r"(\d+) passed", said)[-1]) > 150
    rows = re.findall(rf"^(T\d\d)  {NEW} +(.*)", said, re.MULTILINE)
    assert len(rows) == 30
    assert [row for row, state in rows if not re.match(r"\d+ passed$|not applicable", state)] == []
