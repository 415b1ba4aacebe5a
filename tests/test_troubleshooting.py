"""Promise: the two pages for operators say what the code says, and their commands work."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inventory_providers import errors, registry
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tap_inventory import tap
from target_inventory import settings
from target_inventory.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Canaries

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OPERATING, TROUBLE = DOCS / "operating.md", DOCS / "troubleshooting.md"
PACKAGES = ("inventory_providers", "tap_inventory", "target_inventory")
STOPPED = {130, 143}
# Stands for what a message fills in; no message has it otherwise.
BLANK = "\ufffc"
# Shorter, it is a frame that others fill in, and means nothing by itself.
FEWEST = 7

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the sources are not here")


# ---- what the code says --------------------------------------------------------------------------


def templates(node: ast.AST) -> Iterator[str]:
    """The messages that an expression may come to, with blanks for what is filled in."""
    if isinstance(node, ast.Constant):
        yield re.sub(r"%[sd]|%\.0f|\{\w+\}", BLANK, str(node.value))
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else BLANK for part in node.values
        )
    elif isinstance(node, ast.IfExp):
        yield from (*templates(node.body), *templates(node.orelse))


def fixed(message: str) -> str:
    """What is always said, whatever is filled in."""
    return message.replace(BLANK, "").strip()


def kinds() -> dict[str, int]:
    """Every class of error with its exit code."""
    found, waiting = {}, [errors.InventoryError]
    for name in ("target_inventory.reader", "target_inventory.sku_map"):
        import_module(name)
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind.exit_code
        waiting += kind.__subclasses__()
    # It becomes a message of the settings.
    return found | {"PydanticCustomError": errors.ConfigError.exit_code}


@cache
def sources() -> list[ast.Module]:
    """All that can say something to a user; stand-ins of providers cannot."""
    files = [file for name in PACKAGES for file in (ROOT / name).rglob("*.py")]
    kept = [file for file in files if "sandbox" not in f"{file.relative_to(ROOT)}"]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in kept]


@cache
def raised() -> dict[int, set[str]]:
    """The messages that are raised as they stand, by exit code."""
    known = kinds()
    found: dict[int, set[str]] = {code: set() for code in known.values()}
    for node in (node for source in sources() for node in ast.walk(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            code = known.get(node.func.id)
            message = node.args[1 if node.func.id == "PydanticCustomError" else 0 :][:1]
            if code is not None and message:
                found[code] |= {one for one in templates(message[0]) if len(fixed(one)) >= FEWEST}
    return found


@cache
def written() -> frozenset[str]:
    """Every text in the code."""
    nodes = (node for source in sources() for node in ast.walk(source))
    return frozenset(one for node in nodes for one in templates(node))


# ---- what the pages say --------------------------------------------------------------------------


def sections() -> dict[tuple[int, ...], list[str]]:
    """The quoted messages by the exit codes of their section."""
    text = TROUBLE.read_text(encoding="utf-8")
    found: dict[tuple[int, ...], list[str]] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        head = re.match(r"(\d[\d, ]*):", part)
        codes = tuple(int(code) for code in head[1].split(",")) if head else ()
        cells = re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE)
        quoted = [
            quote for cell in cells for quote in re.findall(r"``? ?(.+?) ?``?(?=,|$| )", cell)
        ]
        found.setdefault(codes, []).extend(quoted)
    return found


@cache
def pattern(quoted: str) -> re.Pattern[str]:
    """A quoted message; its dots stand for what is filled in."""
    return re.compile(re.escape(quoted).replace(re.escape("..."), ".*"))


def fits(quoted: str, template: str) -> bool:
    """Whether a quoted message is this one."""
    return pattern(quoted).fullmatch(template) is not None


def quoted_everywhere() -> list[str]:
    return [quoted for quotes in sections().values() for quoted in quotes]


def test_every_message_that_is_explained_is_one_of_the_code() -> None:
    assert len(quoted_everywhere()) > 100
    unknown = [
        quoted
        for quoted in quoted_everywhere()
        if not any(fits(quoted, template) for template in written())
    ]
    assert unknown == []


def test_every_message_of_the_code_is_explained_under_its_exit_code() -> None:
    missing = {
        code: sorted(
            message
            for message in messages
            if not any(fits(one, message) for codes in by if code in codes for one in by[codes])
        )
        for by in [sections()]
        for code, messages in raised().items()
    }
    assert {code: found for code, found in missing.items() if found} == {}


def test_a_message_that_nobody_says_would_be_found() -> None:
    assert not any(fits("the moon is not as documented", one) for one in written())
    assert not any(fits("cannot read ...: never", one) for one in written())
    assert fits("cannot read ...: ...", f"cannot read {BLANK}: {BLANK}")


def test_a_quoted_message_says_more_than_dots() -> None:
    short = [one for one in quoted_everywhere() if len(fixed(one.replace("...", BLANK))) < FEWEST]
    assert short == []


CODES = {0, *kinds().values(), *STOPPED}


def codes_of(page: Path) -> set[int]:
    """The exit codes of a page's table of them."""
    rows = re.findall(r"^\| ([\d, ]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(code) for row in rows for code in row.split(",")}


def test_every_exit_code_is_covered() -> None:
    assert {code for codes in sections() for code in codes} == CODES - {0}
    assert codes_of(OPERATING) == CODES
    assert codes_of(ROOT / "README.md") == CODES


# ---- names ---------------------------------------------------------------------------------------


def names_of_settings() -> set[str]:
    """With and without the name of their object."""
    found: set[str] = set()
    for schema in (tap.config_schema(), settings.config_schema()):
        for name, part in schema["properties"].items():
            inner = part.get("properties", {})
            found |= {name, *inner, *(f"{name}.{each}" for each in inner)}
    return found


def other_names() -> set[str]:
    """What else has a name of this form: streams, their columns, what a report counts."""
    streams = registry.every_stream()
    columns = {name for stream in streams.values() for name in stream.model.model_fields}
    writes = {stream for stream, _ in registry.writes().items()}
    return {*streams, *columns, *writes, *Report.__dataclass_fields__}


SINGER = {
    "stream_maps",
    "batch_config",
    "key_properties",
    "emit_activate_version_messages",
    "source_sku",
    "target_sku",
    "idempotency_key",
    "expected_inv_lvl",
    "seller_sku",
    "marketplace_id",
    "operator_id",
}


def unknown_names(text: str) -> set[str]:
    """Names in back quotes that are no setting, stream or column."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+|[a-z0-9_]+\.[a-z_]+)`", prose))
    files = {name for name in named if name.endswith((".json", ".jsonl", ".html", ".sh"))}
    return named - names_of_settings() - other_names() - SINGER - files


@pytest.mark.parametrize("page", [OPERATING, TROUBLE], ids=lambda page: page.stem)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert unknown_names(text) == set()
    assert unknown_names(f"{text} `max_moons` `guards.max_moons` `guards.max_delta`") == {
        "max_moons",
        "guards.max_moons",
    }


# ---- commands ------------------------------------------------------------------------------------


def steps(page: Path) -> list[tuple[str, str]]:
    """Each command of the console blocks with what is shown after it."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in found)]


@pytest.fixture
def shop() -> Iterator[SandboxServer]:
    clock = Clock()
    with SandboxServer(rooms(clock, 120), clock=clock) as server:
        yield server


@pytest.mark.processes
@pytest.mark.parametrize("page", [OPERATING, TROUBLE], ids=lambda page: page.stem)
def test_the_commands_do_what_is_shown(
    shop: SandboxServer, page: Path, tmp_path: Path, canaries: Canaries
) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / "scripts").symlink_to(ROOT / "scripts")
    ran = 0
    for command, shown in steps(page):
        if command.startswith("cat "):
            (folder / command.removeprefix("cat ")).write_text(
                shown.replace("http://127.0.0.1:8765", shop.url)
            )
            continue
        done = _in_a_shell(command, folder)
        canaries.saw("stderr", done.stderr)
        canaries.saw("stdout", done.stdout)
        assert (done.returncode, shown) == (0, done.stdout), done.stderr
        ran += "inventory" in command or "pipeline" in command
    assert ran >= (9 if page == OPERATING else 2)
    if page == OPERATING:
        _must_have_done_its_day(shop, folder)


def _in_a_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    ours = ("TAP_", "TARGET_", "LOGLEVEL")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=kept | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _must_have_done_its_day(shop: SandboxServer, folder: Path) -> None:
    assert (folder / "shop.dead-letters.jsonl").read_bytes() == b""
    (line,) = [json.loads(line) for line in (folder / "back.jsonl").read_text().splitlines()]
    assert (line["key"], line["before"]) == ({"dn_sku_id": "19617_1380"}, 5)
    assert "19617_1380" in (folder / "plan.html").read_text()
    assert json.loads((folder / "planned.json").read_text())["planned"] == 1
    published = json.loads((folder / "published.json").read_text())
    assert (published["unknown"], published["guards"]) == (0, [])
    levels = shop.room("deconetwork").rows("deconetwork_inventory")
    assert levels["19617_1380",]["inv_lvl"] != line["before"]
    assert (folder / "state.json").stat().st_size > 0
