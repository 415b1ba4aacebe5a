"""Single records with something in them that not every target can take."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.targets.compare import DIFFERENCES, compare, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.targets.compare import Found, Record, Table, Verdict

KEPT, REFUSED, LOST, SPARSE, CHANGED = "as sent", "refused", "lost", "no column", "changed"

Edit = dict[str, Any]


def _set(**values: Any) -> Callable[[Record], list[Edit]]:
    return lambda record: [record | values]


def _without(name: str) -> Callable[[Record], list[Edit]]:
    return lambda record: [{key: value for key, value in record.items() if key != name}]


def _twice(record: Record) -> list[Edit]:
    return [record | {"on_hand": 1}, record | {"on_hand": 2}]


# What it is, the stream whose first record is taken, and what is made of that.
PROBES: dict[str, tuple[str, Callable[[Record], list[Edit]]]] = {
    "quotes, commas, lines, backslashes, emoji": (
        "inventory_levels",
        _set(product_name="a \"b\", \\c\\ 'd'\n\te\r\nü 😀;"),
    ),
    "NUL in a text": ("inventory_levels", _set(product_name="a\0b")),
    "empty text": ("inventory_levels", _set(product_name="")),
    "empty text in a key": ("inventory_levels", _set(sku="")),
    "a property is missing": ("inventory_levels", _without("product_name")),
    "one key twice": ("inventory_levels", _twice),
    "9007199254740993 units": ("inventory_levels", _set(on_hand=2**53 + 1)),
    "a number with 21 digits": (
        "inventory_levels",
        _set(on_hand=Decimal("12345678901234567.8901")),
    ),
    "quotes inside a nested value": (
        "deconetwork_inventory",
        _set(product_color={"id": "1", "name": 'it\'s "white"'}),
    ),
    "a fraction inside a nested value": (
        "shipstream_inventory_detailed",
        lambda record: [
            record | {"detailed": [record["detailed"][0] | {"qty_on_hand": Decimal("1.25")}]}
        ],
    ),
    "year 9999": ("inventory_levels", _set(updated_at="9999-12-31T23:59:59.999999Z")),
}


def messages(name: str, lines: Iterable[bytes]) -> list[bytes]:
    """The input of a probe, from the stream's own SCHEMA and first record."""
    stream, edit = PROBES[name]
    told = [line for line in lines if f'"stream":"{stream}"'.encode() in line[:200]]
    schema = next(line for line in told if b'"SCHEMA"' in line[:40])
    record = tables([schema, next(line for line in told if b'"RECORD"' in line[:40])])[stream]
    edited = edit(record.records[0])
    return [schema, *(_message(stream, each) for each in edited)]


def _message(stream: str, record: Edit) -> bytes:
    # Decimals as the numbers that they are, in all their digits.
    held: dict[str, str] = {}

    def exact(value: Any) -> str:
        held[f'"number {len(held)}"'] = str(value)
        return f"number {len(held) - 1}"

    line = json.dumps({"type": "RECORD", "stream": stream, "record": record}, default=exact)
    for mark, number in held.items():
        line = line.replace(mark, number)
    return line.encode() + b"\n"


def outcome(table: Table, found: Found | None, *, upserts: bool) -> str:
    """What became of a probe that its target did not refuse, in the words of the page."""
    if found is None or not found.rows:
        return LOST
    verdict = compare(table, found, upserts=upserts, allowed=DIFFERENCES)
    return _word(verdict)


def _word(verdict: Verdict) -> str:
    if any(not what.startswith("column ") for what in verdict.wrong):
        return CHANGED
    return SPARSE if verdict.wrong else ", ".join(sorted(verdict.known)) or KEPT
