"""Changes the code in small ways, one at a time, and counts the changes that the tests notice.

    python3 scripts/mutate.py                    every module of the list
    python3 scripts/mutate.py paging redaction   these only

Needs Python 3.11 or newer and nothing else. mutmut works on a copy of the tree in `build/mutate`.
Ends with 1 if a module's score is below 85 %. The score is of the changes that can be noticed: what
`docs/mutation.md` lists as a change of nothing, with a reason, is not counted, nor is the case of
SQL.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

ROOT = bootstrap.ROOT
BUILD = ROOT / "build" / "mutate"
PAGE = ROOT / "docs" / "mutation.md"
TOOL = "mutmut==3.8.1"
LEAST_PERCENT = 85.0
PROCESSES = "2"

MODULES = {
    "inventory_providers/paging.py": ("tests/inventory_providers/test_paging.py",),
    "inventory_providers/redaction.py": ("tests/inventory_providers/test_redaction.py",),
    "target_inventory/journal.py": ("tests/target_inventory/test_journal.py",),
    "target_inventory/guards.py": ("tests/target_inventory/test_guards.py",),
}

COPIED = (
    "inventory_providers",
    "tap_inventory",
    "target_inventory",
    "tests",
    "schemas",
    "pyproject.toml",
    "README.md",
)
# Variables of whoever calls that would let the tests see another Python than the one under test.
FOREIGN = ("PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS")

# mutmut leaves decorated functions alone. Of these two kinds the decorator is written as the
# assignment that it stands for.
UNDECORATED = ("property", "contextmanager")

# A failing example is enough: nobody reads the smallest one, and looking for it takes minutes.
UNSHRUNK = """\
import hypothesis

hypothesis.settings.register_profile(
    "unshrunk",
    deadline=None,
    derandomize=True,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
"""

SHOW = """\
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant

module, *names = sys.argv[1:]
print(json.dumps([get_diff_for_mutant(name, path=module) for name in names]))
"""

SETTINGS = """
[tool.mutmut]
source_paths = ["inventory_providers", "tap_inventory", "target_inventory"]
only_mutate = ["{module}"]
also_copy = ["schemas", "README.md", "unshrunk.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = [
    "-p", "no:cacheprovider", "-p", "unshrunk", "--hypothesis-profile", "unshrunk",
]
use_git_change_detection = false
timeout_multiplier = 5
"""


WORDS = "SELECT|UPDATE|INSERT|VALUES|PRAGMA|BEGIN|COMMIT|ROLLBACK|FROM|WHERE|AND|IN"
SQL = re.compile(rf'^- .*".*\b({WORDS})\b')
QUOTED = re.compile(r"'[^']*'")


class Change(NamedTuple):
    """One change of the code: the function, and the lines that went (-) and came (+)."""

    place: str
    lines: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """Whether all it changes is the case of SQL, which has none outside its quotes."""
        if len(self.lines) != 2 or not SQL.search(self.lines[0]):
            return False
        old, new = (line[2:] for line in self.lines)
        return old.casefold() == new.casefold() and QUOTED.findall(old) == QUOTED.findall(new)


class Score(NamedTuple):
    """What became of all changes of one module."""

    module: str
    mutants: int
    killed: int
    timeouts: int
    equivalent: int
    survivors: list[Change]

    @property
    def percent(self) -> float:
        """Noticed, of those that can be."""
        return 100 * self.killed / max(self.mutants - self.equivalent, 1)

    @property
    def passes(self) -> bool:
        """Whether enough were noticed; a module without a mutant was not tested at all."""
        return self.mutants > 0 and self.percent >= LEAST_PERCENT


def main() -> int:
    """Test the modules that were asked for; 0 when each has its score."""
    stems = {Path(module).stem: module for module in MODULES}
    asked = sys.argv[1:] or list(stems)
    if unknown := [name for name in asked if name not in stems]:
        sys.exit(f"no such module: {', '.join(unknown)}; there are {', '.join(stems)}")
    commands = _environment()
    scores = [_mutate(commands, stems[name]) for name in asked]
    print(
        f"\n{'module':<36}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'survived':>10}{'score':>9}"
    )
    for score in scores:
        print(
            f"{score.module:<36}{score.mutants:>8}{score.killed:>8}{score.equivalent:>12}"
            f"{len(score.survivors):>10}{score.percent:>7.1f} %"
        )
    return 0 if all(score.passes for score in scores) else 1


def _environment() -> Path:
    commands = bootstrap.environment(BUILD / "python", groups=("dev",))
    uv = BUILD / "python-uv" / "bin" / "uv"
    bootstrap.run(uv, "pip", "install", "--quiet", "--python", commands / "python", TOOL)
    return commands


def _mutate(commands: Path, module: str) -> Score:
    begin = time.monotonic()
    print(f"-- {module} ...", end=" ", flush=True)
    folder = _copy(module)
    done = _mutmut(commands, folder, "run", "--max-children", PROCESSES)
    if done.returncode:
        print(done.stdout[-4000:])
        sys.exit(f"mutmut failed with exit code {done.returncode}")
    score = _score(commands, folder, module)
    print(f"{time.monotonic() - begin:.0f} s", flush=True)
    print(
        f"{score.mutants} mutants, {score.killed} killed ({score.timeouts} by the clock), "
        f"{score.equivalent} equivalent, {len(score.survivors)} survived: {score.percent:.1f} %"
    )
    for survivor in score.survivors:
        print(f"\n`{survivor.place}`:", *survivor.lines, sep="\n")
    return score


def _copy(module: str) -> Path:
    """The tree as it is now, and mutmut's settings for one module in it."""
    folder = BUILD / Path(module).stem
    shutil.rmtree(folder, ignore_errors=True)
    # Python takes a folder of PYTHONPATH for missing for ever if it is when it starts.
    (folder / "mutants").mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / name)
    source = folder / module
    source.write_text(_undecorated(source.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "unshrunk.py").write_text(UNSHRUNK, encoding="utf-8")
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS.format(module=module, tests=list(MODULES[module])))
    return folder


def _undecorated(source: str) -> str:
    lines = source.splitlines()
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and [ast.unparse(each) for each in node.decorator_list] in [[name] for name in UNDECORATED]
    ]
    for node in sorted(found, key=lambda node: node.lineno, reverse=True):
        (decorator,) = node.decorator_list
        assignment = f"{node.name} = {ast.unparse(decorator)}({node.name})"
        assert node.end_lineno is not None
        lines.insert(node.end_lineno, " " * node.col_offset + assignment)
        del lines[decorator.lineno - 1]
    return "\n".join(lines) + "\n"


def _mutmut(commands: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if name not in FOREIGN}
    return subprocess.run(
        [str(commands / "mutmut"), *arguments],
        cwd=folder,
        # Processes that the tests start find the same code; sets have the same order each time.
        env=kept | {"PYTHONPATH": str(folder / "mutants"), "PYTHONHASHSEED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _score(commands: Path, folder: Path, module: str) -> Score:
    listed = _mutmut(commands, folder, "results", "--all", "true").stdout
    status = dict(re.findall(r"^ +(\S+): (.+)$", listed, re.MULTILINE))
    killed = [name for name, word in status.items() if word in {"killed", "timeout"}]
    left = [name for name in status if name not in killed]
    alive = _changes(commands, folder, module, left)
    known = known_equivalents()
    survivors = [change for change in alive if not change.is_nothing and change not in known]
    timeouts = sum(word == "timeout" for word in status.values())
    equivalent = len(alive) - len(survivors)
    return Score(module, len(status), len(killed), timeouts, equivalent, survivors)


def _changes(commands: Path, folder: Path, module: str, names: list[str]) -> list[Change]:
    """What each mutant changes. All in one process: `mutmut show` takes a second for each."""
    shown = subprocess.run(
        [str(commands / "python"), "-c", SHOW, module, *names],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    ).stdout
    return [_change(*one) for one in zip(names, json.loads(shown), strict=True)]


def _change(name: str, diff: str) -> Change:
    lines = re.findall(r"^([-+])(?![-+]{2} )\s*(.*)$", diff, re.MULTILINE)
    module, _, mangled = name.rpartition(".")
    function = re.sub(r"^x_?|__mutmut_\d+$", "", mangled).replace("ǁ", ".").lstrip(".")
    place = f"{module.rpartition('.')[2]}.{function}"
    return Change(place, tuple(f"{sign} {text}".rstrip() for sign, text in lines))


def known_equivalents() -> set[Change]:
    """The changes of nothing that the page lists, each block under its function and its reason."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    block = re.compile(r"^`([\w.]+)`: [^`]*?\n\n?```diff\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
    return {
        Change(place, tuple(line.strip() for line in one.splitlines()))
        for place, changes in block.findall(page)
        for one in changes.split("\n\n")
    }


if __name__ == "__main__":
    sys.exit(main())
