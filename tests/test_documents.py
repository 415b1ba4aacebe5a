"""Promise: each sentence of a provider's document leads to a place that is there.

The pages in docs/documents have a table each: what the document says, and what meets it, which is
`path/file.py::symbol`, a sandbox switch that leaves it open, or `not used:` with the reason.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from inventory_providers import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "documents"
HEAD = ["the document says", "met by"]

SYMBOL = re.compile(r"([\w./]+)::([\w.]*)")
SWITCHES = re.compile(
    r"\bswitch(?:es)?\s+(\w+\.\w+(?:(?:,| and|, and)\s+\w+\.\w+)*)", re.IGNORECASE
)
NOT_USED = re.compile(r"not used: \S+ .+")

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="the sources are not here")


class Row(NamedTuple):
    """One sentence, and what meets it, without the marks for code."""

    says: str
    met_by: str


def rows(page: str) -> list[Row]:
    """The rows of every table with our heading."""
    found: list[Row] = []
    inside = False
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.replace("`", ""))[1:-1]]
        inside = line.startswith("|") and (inside or cells == HEAD)
        if inside and cells != HEAD and set("".join(cells)) - set("-: "):
            found.append(Row(*cells))
    return found


def symbols(text: str) -> list[tuple[str, str]]:
    """Every file and name in it that a text refers to."""
    return [(match[1], match[2].rstrip(".")) for match in SYMBOL.finditer(text)]


def switches(text: str) -> list[str]:
    """Every switch that a text names, with its room."""
    plain = text.replace("`", "")
    return [
        name for match in SWITCHES.finditer(plain) for name in re.findall(r"\w+\.\w+", match[1])
    ]


def is_met(row: Row) -> bool:
    """Whether the second column has one of the three forms."""
    if row.met_by.startswith("not used"):
        return NOT_USED.fullmatch(row.met_by) is not None
    return bool(symbols(row.met_by) or switches(row.met_by))


@cache
def names_of(path: str) -> frozenset[str]:
    """What a module defines: `name`, and `Class.member`. Nothing, if there is no such file."""
    file = ROOT / path
    if file.suffix != ".py" or not file.is_file():
        return frozenset()
    return frozenset(_names(ast.parse(file.read_text(encoding="utf-8")), ""))


def _names(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for each in node.body:
        for name in _defined(each):
            yield prefix + name
        if isinstance(each, ast.ClassDef):
            yield from _names(each, f"{prefix}{each.name}.")


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        if target is not None:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


@cache
def switches_of(room: str) -> frozenset[str]:
    """The switches of a room's stand-in."""
    sandbox = import_module(f"inventory_providers.{room}.sandbox").Sandbox
    return frozenset(f"{room}.{name}" for name in sandbox.switches)


def text_of(provider: str) -> str:
    return (PAGES / f"{provider}.md").read_text(encoding="utf-8")


every_provider = pytest.mark.parametrize("provider", registry.PROVIDER_NAMES)


@every_provider
def test_each_document_has_a_page_with_every_sentence_and_what_is_not_known(provider: str) -> None:
    page = text_of(provider)
    assert page.startswith("# ")
    assert len(rows(page)) > 20
    assert "\n## What is not known\n" in page


@every_provider
def test_each_sentence_is_met_by_a_symbol_or_a_switch_or_not_used_for_a_reason(
    provider: str,
) -> None:
    assert [row for row in rows(text_of(provider)) if not row.says or not is_met(row)] == []


@every_provider
def test_each_symbol_that_a_page_names_is_there(provider: str) -> None:
    told = symbols(text_of(provider).replace("`", " "))
    assert [f"{path}::{name}" for path, name in told if name not in names_of(path)] == []


@every_provider
def test_each_switch_that_a_page_names_is_there(provider: str) -> None:
    told = set(switches(text_of(provider)))
    assert sorted(told - switches_of(provider)) == []


def test_every_page_is_that_of_a_provider() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} <= set(registry.PROVIDER_NAMES)


# ---- the checks themselves -----------------------------------------------------------------------

PAGE = """# A page

| the document says | met by |
|---|---|
| "a \\| b" | `tests/test_documents.py::Row.says`; switch `shop.loud` |
| nothing | `not used: nobody asks` |

| other | table |
|---|---|
| x | y |
"""


def test_just_our_tables_are_read() -> None:
    assert rows(PAGE) == [
        Row('"a \\| b"', "tests/test_documents.py::Row.says; switch shop.loud"),
        Row("nothing", "not used: nobody asks"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "tests/test_documents.py::Row",
        "a/b.py::c, where it is set",
        "switch shop.loud",
        "not used: one question is enough",
    ],
)
def test_the_three_forms(text: str) -> None:
    assert is_met(Row("x", text))


@pytest.mark.parametrize(
    "text", ["", "somewhere", "not used", "not used:", "not used: -", "switch", "tests/x.py"]
)
def test_nothing_else_is_one(text: str) -> None:
    assert not is_met(Row("x", text))


def test_what_is_there_is_found_and_nothing_else() -> None:
    names = names_of("tests/test_documents.py")
    assert {"Row", "Row.says", "rows", "SYMBOL", "every_provider"} <= names
    assert not {"Row.gone", "gone", "says", "ast", "re.compile"} & names
    assert names_of("tests/gone.py") == names_of("docs") == frozenset()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("switch `shop.a`", ["shop.a"]),
        ("`switch shop.a`", ["shop.a"]),
        ("Switches `shop.a`, `shop.b` and `shop.c`.", ["shop.a", "shop.b", "shop.c"]),
        ("switch\n  `shop.a`: on", ["shop.a"]),
        ("`shop.api_url` is a setting", []),
    ],
)
def test_switches_are_found_however_they_are_written(text: str, named: list[str]) -> None:
    assert switches(text) == named
