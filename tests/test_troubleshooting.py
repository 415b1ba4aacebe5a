"""Promise: the two pages for operators say what the code says."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inventory_providers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


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
