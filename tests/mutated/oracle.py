"""What must hold of a run over a mutated input. It shares no code with the target."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from target_inventory.reader import DEEPEST
from tests.mutated.mutations import ADD, CREATE, DECO, DELETE
from tests.mutated.provider import NAMES, Seller, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.mutated.mutations import Input, Line
    from tests.mutated.provider import Sent

LARGEST = 2**31 - 1
STREAMS = {DECO, CREATE, ADD, DELETE}


class Ran(NamedTuple):
    """How a run ended: its exit code, what it gave out, and where its error says that it is."""

    code: int
    out: bytes
    place: str
    trace: str


def judge(made: Input, ran: Ran, shop: Shop, seller: Seller) -> Iterator[str]:
    """What is wrong, a line each."""
    if ran.code not in {0, 2, 7} or ran.trace:
        yield f"it ended with {ran.code} ({ran.place}): {ran.trace}"
        return
    yield from _insane(made, [*shop.sent, *seller.sent])
    yield from _acknowledged(made, ran.out)
    stopped = re.fullmatch(r"input line (\d+)", ran.place)
    if ran.code == 2 and not stopped:
        yield from _refused(made, [*shop.sent, *seller.sent])
        return
    until = int(stopped[1]) if stopped else None
    yield from _blocked(made, until)
    done = [
        line
        for line, number in zip(made.lines, made.numbers(), strict=True)
        if until is None or number < until
    ]
    yield from _missing(made, done, shop, seller)


# ---- nothing insane on the wire ------------------------------------------------------------------


def _insane(made: Input, sent: Sequence[Sent]) -> Iterator[str]:
    asked = _asked(made)
    for one in sent:
        if one.name in {*NAMES, "quantity"}:
            least = 1 if one.name == "quantity" else 0
            whole = re.fullmatch(r"0|[1-9]\d{0,9}", one.text)
            if not whole or not least <= int(one.text) <= LARGEST:
                yield f"{one.name} {one.text[:40]!r} was sent"
            elif (one.key, one.name, int(one.text)) not in asked:
                yield f"{one.name} {one.text} of {one.key} was sent, and no line asks for it"
        elif one.name == "inv_on" and one.text not in {"true", "false"}:
            yield f"inv_on {one.text[:40]!r} was sent"
        elif one.name == "deleted" and (one.key, "deleted", 0) not in asked:
            yield f"{one.key} was deleted, and no line asks for it"


def _asked(made: Input) -> set[tuple[tuple[str, ...], str, int]]:
    """All that any line may mean, before and after it was touched."""
    return {
        one
        for line in made.lines
        for message in (*_parsed(line.data), *([line.was] if line.was else []))
        for one in _wanted(message)
    }


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    """The objects in what a line has become: more than one where a line end was put into it."""
    for part in data.split(b"\n"):
        text = part.strip(b" \t\r").removeprefix(b"\xef\xbb\xbf")
        try:
            found = json.loads(text.decode(), parse_float=Decimal)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _wanted(message: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str, int]]:
    for key, record in _records(message):
        if message.get("stream") == DELETE:
            yield key, "deleted", 0
        for name in (*NAMES, "quantity"):
            value = record.get(name)
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                exact = Decimal(value)
                if exact.is_finite() and abs(exact) <= LARGEST and exact == int(exact):
                    yield key, name, int(exact)


def _records(message: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The record of a message, or what a line of a plan asks for, with its item."""
    record = message.get("record")
    if isinstance(record, dict):
        yield from ((key, record) for key in _keys(record))
    key, name = message.get("key"), message.get("field")
    if isinstance(key, dict) and isinstance(name, str):
        record = {**key, name: message.get("after")}
        yield from ((key, record) for key in _keys(record))


def _keys(record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if isinstance(record.get("dn_sku_id"), str):
        yield (record["dn_sku_id"],)
    pair = (record.get("marketplace_id"), record.get("seller_sku"))
    if all(isinstance(part, str) for part in pair):
        yield pair  # type: ignore[misc]  # both are text


# ---- what comes out ------------------------------------------------------------------------------


def _acknowledged(made: Input, out: bytes) -> Iterator[str]:
    if not out:
        return
    states = [
        message.get("value")
        for line in made.lines
        for message in _parsed(line.data)
        if message.get("type") == "STATE"
    ]
    lines = out.decode().splitlines()
    if len(lines) != 1 or json.loads(lines[0], parse_float=Decimal) not in states:
        yield "a STATE came out that is in no line"


# ---- one bad record never blocks the rest --------------------------------------------------------


def _refused(made: Input, sent: Sequence[Sent]) -> Iterator[str]:
    """The run was refused as a whole: only for a stream that is not known, before any write."""
    if sent:
        yield "it was refused as a whole, and something was written"
    named = [
        message.get("stream")
        for line in made.lines
        if line.touched
        for message in _parsed(line.data)
        if message.get("type") == "SCHEMA" or "type" not in message
    ]
    if not any(isinstance(name, str) and name not in STREAMS for name in named):
        yield "it was refused as a whole, and no line names another stream"


def _blocked(made: Input, until: int | None) -> Iterator[str]:
    """It stopped at a line: that must be no message at all, or a record whose SCHEMA is bad."""
    if until is None or made.moved or any(map(_is_schema, _touched(made))):
        return
    numbers = made.numbers()
    (at,) = [line for line, number in zip(made.lines, numbers, strict=True) if number <= until][-1:]
    if not at.touched:
        yield f"it stopped at line {until}, which is good"
    elif at.data.count(b"[") > DEEPEST:
        return  # absurd nesting is no line of any tap, whatever type it claims to have
    elif b"\n" not in at.data and any(map(_is_a_record, _parsed(at.data))):
        yield f"it stopped at line {until}, where only a record is bad"


def _is_a_record(message: dict[str, Any]) -> bool:
    record, stream = message.get("record"), message.get("stream")
    whole = isinstance(record, dict) and isinstance(stream, str)
    return message.get("type") == "RECORD" and whole and stream in STREAMS


def _touched(made: Input) -> Iterator[dict[str, Any]]:
    """All messages that were changed or taken out, before and after."""
    yield from made.lost
    for line in made.lines:
        if line.touched:
            yield from [line.was] if line.was else []
            yield from _parsed(line.data)


def _is_schema(message: dict[str, Any]) -> bool:
    return message.get("type") == "SCHEMA"


def _missing(made: Input, done: Sequence[Line], shop: Shop, seller: Seller) -> Iterator[str]:
    """Good records of items that no bad line speaks of are carried out."""
    tainted = {key for message in _touched(made) for key, _ in _records(message)}
    levels, units = Shop(None).levels, dict(Seller(None).levels)
    events: set[str] = set()
    keys: set[tuple[str, ...]] = set()
    for line in done:
        for key, record in [] if line.was is None or line.touched else _records(line.was):
            if key not in tainted:
                keys.add(key)
                stream = (line.was or {})["stream"]
                if stream == DECO:
                    levels[key[0]] |= {name: record[name] for name in NAMES if name in record}
                else:
                    _carry_out(stream, key[1], record, units, events)
    if made.moved:
        # In another order an addition may come before the creation, and is rejected.
        keys = {key for key in keys if key[-1] != "NEW"}
    for key in sorted(keys):
        want: Any = levels.get(key[0]) if len(key) == 1 else units.get(key[1])
        have: Any = shop.levels.get(key[0]) if len(key) == 1 else seller.levels.get(key[1])
        if want != have:
            yield f"{key} holds {have}, not {want}"


def _carry_out(
    stream: str, sku: str, record: dict[str, Any], units: dict[str, int], events: set[str]
) -> None:
    if stream == CREATE:
        units.setdefault(sku, 0)
    elif stream == DELETE:
        units.pop(sku, None)
    elif record["idempotency_key"] not in events:
        events.add(record["idempotency_key"])
        units[sku] = units.get(sku, 0) + record["quantity"]
