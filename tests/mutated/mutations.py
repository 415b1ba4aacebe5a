"""Good inputs, and what can be wrong with them. One seed, one input."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.mutated.provider import US

if TYPE_CHECKING:
    from collections.abc import Callable

DECO = "deconetwork_inventory"
CREATE, ADD, DELETE = (
    "amazon_fba_create_inventory_item",
    "amazon_fba_add_inventory",
    "amazon_fba_delete_inventory_item",
)
# JSON that no encoder of ours would write, put in for a text with this mark.
MARK = "\ue000"
RAW = (
    "-5", "5.5", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "-0", "-0.0", "5.0", "1e2",
    "2147483647", "2147483648", "-1", "1" + "0" * 30, "9" * 5000, "1e-400", "true", "false", "null",
    "[]", "{}", '""', '" 5 "', '"1,000"', '"5"', '"\\u0000"', '"\\ud83d"', '"\\u202e"', "[5]",
    '{"a":5}', "[" * 100_000 + "]" * 100_000, '"' + "x" * 70_000 + '"',
    "01", "0x10",
)  # fmt: skip
# Not yet: a STATE message that has one of these, and nesting that only just can be read.
NO_NUMBERS = ("1e400", "-1e400", "NaN", "Infinity", "-Infinity")
DEEP = "[" * 600 + "]" * 600
BYTES = (
    b"\0", b"\xff", b"\xc3", b"\x80", b"\n", b"\r", b"\r\n", b'"', b"{", b"}", b"[", b"\\", b",",
    b":", b" ", b"9", b"-", b".", b"e", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"null",
)  # fmt: skip


@dataclass
class Line:
    """One line without its end. `was` is the message before it was touched."""

    data: bytes
    was: dict[str, Any] | None = None
    touched: bool = False


@dataclass
class Input:
    """What goes in. `lost` are messages that are gone, `moved` says that the order changed."""

    lines: list[Line]
    lost: list[dict[str, Any]] = field(default_factory=list)
    moved: bool = False
    start: bytes = b""
    ends: bytes = b"\n"
    last: bytes = b"\n"

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.start + self.ends.join(line.data for line in self.lines) + self.last

    def numbers(self) -> list[int]:
        """Of each line, the number of its first line in the input."""
        found, number = [], 1
        for line in self.lines:
            found.append(number)
            number += line.data.count(b"\n") + 1
        return found


def good_input(seed: int) -> Input:
    """The input of a seed with nothing wrong with it."""
    return Input([_line(message) for message in good(random.Random(seed))])


def make(seed: int) -> Input:
    """The input of a seed, with one to four things wrong with it."""
    dice, made = random.Random(f"wrong {seed}"), good_input(seed)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        mutation = dice.choice(_MUTATIONS)
        mutation(made, dice)
    return made


def schema() -> bytes:
    """The SCHEMA message of the levels."""
    return _line(_schema(DECO, "dn_sku_id")).data


# ---- what is good --------------------------------------------------------------------------------


def good(dice: random.Random) -> list[dict[str, Any]]:
    """Messages that are all carried out."""
    kinds: list[Callable[[random.Random], list[dict[str, Any]]]] = [_levels, _additions, _plan]
    chosen = dice.sample(kinds, dice.choice((1, 1, 2)))
    messages = [message for kind in chosen for message in kind(dice)]
    messages.append({"type": "STATE", "value": {"bookmarks": {"n": dice.randint(1, 9)}}})
    return messages


def _levels(dice: random.Random) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [_schema(DECO, "dn_sku_id")]
    for number in range(4):
        record: dict[str, Any] = {"dn_sku_id": _key(number), "inv_lvl": dice.randint(30, 99)}
        if dice.random() < 0.3:
            record["inv_warn"] = dice.randint(4, 9)
        if dice.random() < 0.2:
            record |= {"product_name": "Name \u00e9", "product_size": {"name": "L"}}
        messages.append(_record(DECO, record))
    messages.append(_record(DECO, {"dn_sku_id": _key(0), "inv_lvl": dice.randint(30, 99)}))
    if dice.random() < 0.4:
        messages.insert(3, {"type": "STATE", "value": {"bookmarks": {"n": 0}}})
        messages.append({"type": "ACTIVATE_VERSION", "stream": DECO, "version": 1})
    return messages


def _additions(dice: random.Random) -> list[dict[str, Any]]:
    def item(sku: str, **more: Any) -> dict[str, Any]:
        return {"marketplace_id": US, "seller_sku": sku, **more}

    return [
        *(_schema(name, "marketplace_id", "seller_sku") for name in (CREATE, ADD, DELETE)),
        _record(CREATE, item("NEW", product_name="A name")),
        _record(ADD, item("NEW", quantity=dice.randint(1, 50), idempotency_key="k1")),
        _record(ADD, item("SKU/1", quantity=dice.randint(1, 50), idempotency_key="k2")),
        _record(ADD, item("SKU/1", quantity=dice.randint(1, 50), idempotency_key="k3")),
        _record(DELETE, item("SKU/2")),
    ]


def _plan(dice: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "stream": DECO,
            "key": {"dn_sku_id": _key(number)},
            "field": "inv_lvl",
            "before": 10 + number,
            "after": dice.randint(30, 99),
        }
        for number in range(4, 7)
    ]


def _key(number: int) -> str:
    return f"19617_{1378 + number}"


def _schema(stream: str, *keys: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}}
    return {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(keys)}


def _record(stream: str, record: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": record}


def _line(message: dict[str, Any]) -> Line:
    return Line(json.dumps(message, ensure_ascii=False).encode(), message)


# ---- what goes wrong -----------------------------------------------------------------------------


def _value(made: Input, dice: random.Random) -> None:
    """A value becomes another, or is gone, or has another name, or comes twice."""
    records = [line for line in made.lines if line.was and "record" in line.was]
    line = dice.choice(records if records and dice.random() < 0.7 else made.lines)
    message = json.loads(json.dumps(line.was))
    places = list(_places(message))
    if line in records:
        # Mostly in the record: what is wrong with the message stops the reading.
        places = list(_places(message["record"])) or places
    if not places:
        return
    holder, name = dice.choice(places)
    act, raw = dice.randrange(8), dice.choice(RAW)
    if act < 5 or isinstance(holder, list):
        holder[name] = MARK + raw
    elif act == 5:
        del holder[name]
    elif act == 6:
        holder[dice.choice(("", "Type", "record ", "inv_lvl", "quantity"))] = holder.pop(name)
    else:
        holder[MARK] = [name, raw]
    line.data, line.touched = _text(message).encode("utf-8", "surrogatepass"), True


def _places(node: Any) -> Any:
    if isinstance(node, dict):
        for name, value in node.items():
            yield node, name
            yield from _places(value)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield node, number
            yield from _places(value)


def _text(node: Any) -> str:
    """JSON, with raw text where a mark stands, and names that come twice."""
    if isinstance(node, dict):
        parts = []
        for name, value in node.items():
            if name == MARK:
                parts.append(f"{json.dumps(value[0])}:{value[1]}")
            else:
                parts.append(f"{json.dumps(name)}:{_text(value)}")
        return "{" + ",".join(parts) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if isinstance(node, str) and node.startswith(MARK):
        return node[1:]
    return json.dumps(node)


def _bytes(made: Input, dice: random.Random) -> None:
    """Some bytes of a line are others, more or fewer."""
    line = dice.choice(made.lines)
    data = bytearray(line.data)
    for _ in range(dice.choice((1, 1, 2, 5))):
        place = dice.randrange(len(data) + 1)
        act = dice.randrange(4)
        if act == 0:
            data[place:place] = dice.choice(BYTES)
        elif act == 1:
            del data[place : place + dice.randint(1, 4)]
        elif act == 2:
            data[place : place + 1] = dice.choice(BYTES)
        elif place < len(data):
            data[place] ^= 1 << dice.randrange(8)
    line.data, line.touched = bytes(data), True


def _token(made: Input, dice: random.Random) -> None:
    """A piece of a line stands somewhere else, too."""
    line, other = dice.choice(made.lines), dice.choice(made.lines)
    begin = dice.randrange(len(other.data) + 1)
    piece = other.data[begin : begin + dice.randint(1, 20)]
    place = dice.randrange(len(line.data) + 1)
    line.data, line.touched = line.data[:place] + piece + line.data[place:], True


def _cut(made: Input, dice: random.Random) -> None:
    """A line has lost its end."""
    line = dice.choice(made.lines)
    line.data, line.touched = line.data[: dice.randrange(len(line.data) + 1)], True


def _truncate(made: Input, dice: random.Random) -> None:
    """The input ends early, in a line."""
    number = dice.randrange(len(made.lines))
    made.lost += [line.was for line in made.lines[number:] if line.was]
    del made.lines[number + 1 :]
    _cut(Input(made.lines[number:]), dice)
    made.last = b""


def _drop(made: Input, dice: random.Random) -> None:
    """A line is missing."""
    if len(made.lines) > 1:
        line = made.lines.pop(dice.randrange(len(made.lines)))
        made.lost += [line.was] if line.was else []


def _double(made: Input, dice: random.Random) -> None:
    """A line comes twice."""
    number = dice.randrange(len(made.lines))
    line = made.lines[number]
    made.lines.insert(number + 1, Line(line.data, line.was, line.touched))


def _swap(made: Input, dice: random.Random) -> None:
    """Two lines have changed places."""
    one, other = (dice.randrange(len(made.lines)) for _ in range(2))
    made.lines[one], made.lines[other] = made.lines[other], made.lines[one]
    made.moved = True


def _join(made: Input, dice: random.Random) -> None:
    """Two lines have become one."""
    if len(made.lines) < 2:
        return
    number = dice.randrange(len(made.lines) - 1)
    line, gone = made.lines[number], made.lines.pop(number + 1)
    line.data, line.touched = line.data + gone.data, True
    made.lost += [gone.was] if gone.was else []


def _insert(made: Input, dice: random.Random) -> None:
    """A line that is no message."""
    junk = (b"null", b"[]", b"garbage", b"{}", b'{"type":"RECORD"}', b'{"type":"BATCH"}', b"\xff")
    data = dice.choice((*junk, bytes(dice.randrange(256) for _ in range(30))))
    made.lines.insert(dice.randrange(len(made.lines) + 1), Line(data, None, touched=True))


def _form(made: Input, dice: random.Random) -> None:
    """What Singer readers have to put up with: nothing may be missing afterwards."""
    act = dice.randrange(4)
    if act == 0:
        made.ends, made.last = b"\r\n", b"\r\n"
    elif act == 1:
        made.start = b"\xef\xbb\xbf"
    elif act == 2:
        made.last = b""
    else:
        made.lines.insert(dice.randrange(len(made.lines) + 1), Line(dice.choice((b"", b" \t"))))


# Most of the time the line stays JSON: behind one that is not, nothing is read.
_MUTATIONS = (
    *[_value] * 12, _bytes, _bytes, _token, _cut, _truncate, _drop, _double, _double, _swap, _swap,
    _join, _insert, _form, _form,
)  # fmt: skip
