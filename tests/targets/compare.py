"""What a target holds against what the tap sent: rows, columns and values.

Values are compared as what they mean: numbers as decimals, times as instants, nested values as
JSON. What a target is known to change is a `DIFFERENCES` by name; a page says which target has it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Record = dict[str, Any]
Key = tuple[Any, ...]


def loads(text: str | bytes) -> Any:
    """JSON, its numbers exact."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@dataclass
class Table:
    """A stream as it was sent: every record in order, also when one replaces another."""

    key: tuple[str, ...]
    properties: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    def by_key(self, records: Iterable[Record] | None = None) -> dict[Key, list[Record]]:
        """The records of each key in order; without records, those that were sent."""
        found: dict[Key, list[Record]] = defaultdict(list)
        for record in self.records if records is None else records:
            found[self._key_of(record)].append(record)
        return found

    def without_records(self) -> Table:
        """The same stream where a run brings nothing of it."""
        return Table(self.key, self.properties)

    def _key_of(self, record: Record) -> Key:
        # Some formats cannot tell an empty text from none; in a key there is no none.
        parts = (meaning(record.get(name), self.properties[name]) for name in self.key)
        return tuple("" if part is None else part for part in parts)


@dataclass
class Found:
    """A stream as the target holds it; `text` where everything is text, as in a CSV file."""

    columns: set[str] = field(default_factory=set)
    rows: list[Record] = field(default_factory=list)
    text: bool = False


def tables(lines: Iterable[bytes]) -> dict[str, Table]:
    """The streams that Singer messages carry; of several SCHEMA messages the last one holds."""
    found: dict[str, Table] = {}
    for message in map(loads, lines):
        if message["type"] == "SCHEMA":
            sent = found.get(message["stream"], Table((), {})).records
            properties = message["schema"]["properties"]
            found[message["stream"]] = Table(tuple(message["key_properties"]), properties, sent)
        elif message["type"] == "RECORD":
            found[message["stream"]].records.append(message["record"])
    return found


def last_state(lines: Iterable[bytes]) -> Any:
    """The value of the last STATE message; None where there is none."""
    states = [m["value"] for m in map(loads, lines) if m["type"] == "STATE"]
    return states[-1] if states else None


# ---- values --------------------------------------------------------------------------------------


def meaning(value: Any, part: dict[str, Any], *, text: bool = False) -> Any:
    """A value as what its schema says it is; a value that cannot be that stays as it is.

    With `text` it was written to a format of text, where nothing and an empty text are the same.
    """
    if value is None or (text and value == ""):
        return None
    try:
        return _READERS[_kind(part)](value)
    except (ValueError, InvalidOperation):
        return value


def _kind(part: dict[str, Any]) -> str:
    named = part["type"]
    kinds = [named] if isinstance(named, str) else [kind for kind in named if kind != "null"]
    return str(part.get("format", kinds[0]))


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    # Columns without a zone hold UTC.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: Any) -> Any:
    return value if isinstance(value, bool) else Decimal(str(value))


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _nested(value: Any) -> Any:
    return _exact(loads(value) if isinstance(value, str) else value)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return _number(value) if isinstance(value, int | float) else value


_READERS: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: value,
    "date-time": _instant,
    "date": date.fromisoformat,
    "integer": _number,
    "number": _number,
    "boolean": _truth,
    "object": _nested,
    "array": _nested,
}


def _is_null_for_empty(sent: Any, found: Any) -> bool:
    return sent == "" and found is None


def _is_double(sent: Any, found: Any) -> bool:
    return isinstance(sent, Decimal) and found == Decimal(repr(float(sent)))


def _is_escaped(sent: Any, found: Any) -> bool:
    if not isinstance(sent, str):
        return False
    return bool(found == "".join(json.dumps(one)[1:-1] if one < " " else one for one in sent))


def _is_python(sent: Any, found: Any) -> bool:
    if not isinstance(sent, dict | list) or not isinstance(found, str):
        return False
    try:
        return bool(_exact(ast.literal_eval(_DECIMAL.sub(r"\1", found))) == sent)
    except (ValueError, SyntaxError):
        return False


_DECIMAL = re.compile(r"Decimal\('([^']*)'\)")

DIFFERENCES: dict[str, Callable[[Any, Any], bool]] = {
    "empty text is null": _is_null_for_empty,
    "numbers are doubles": _is_double,
    "line breaks are escaped": _is_escaped,
    "nested as Python shows it": _is_python,
}


def difference(sent: Any, found: Any, allowed: Collection[str]) -> str | None:
    """How a value differs: "" where it does not, a name of `allowed`, or None for anything else."""
    if sent == found and isinstance(sent, bool) == isinstance(found, bool):
        return ""
    return next((name for name in allowed if DIFFERENCES[name](sent, found)), None)


# ---- tables --------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """What came of a stream at a target: counts as (expected, found), and what is wrong."""

    rows: tuple[int, int] = (0, 0)
    columns: tuple[int, int] = (0, 0)
    known: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def values(self) -> str:
        """The values in a word, with what is known to arrive differently."""
        if self.wrong:
            return f"{len(self.wrong)} WRONG"
        return ", ".join(["ok", *(f"{n} x {name}" for name, n in sorted(self.known.items()))])


def compare(table: Table, found: Found, *, upserts: bool, allowed: Collection[str]) -> Verdict:
    """Rows, columns and values of a stream; a target that upserts holds each key once, the newest.

    Columns that a target adds begin with `_sdc_`.
    """
    sent = table.by_key()
    wanted = {key: records[-1:] if upserts else records for key, records in sent.items()}
    there = table.by_key(found.rows)
    verdict = Verdict(
        rows=(sum(map(len, wanted.values())), len(found.rows)),
        columns=(len(table.properties), len(table.properties.keys() & found.columns)),
    )
    added = {name for name in found.columns if not name.startswith("_sdc_")}
    for name in sorted(table.properties.keys() ^ added):
        verdict.wrong.append(f"column {name}: {'not sent' if name in added else 'not there'}")
    for key in sorted(wanted.keys() | there.keys(), key=str):
        rows = there.get(key, [])
        if len(rows) != (due := len(wanted.get(key, []))):
            verdict.wrong.append(f"{key}: {due} rows expected, {len(rows)} found")
            continue
        for record, row in zip(wanted[key], rows, strict=True):
            for name, sent, held in _pairs(table, record, row, text=found.text):
                _note(verdict, f"{key}: {name}", sent, held, difference(sent, held, allowed))
    return verdict


def _pairs(
    table: Table, record: Record, row: Record, *, text: bool
) -> Iterator[tuple[str, Any, Any]]:
    """Each column that is there, and what its value means on either side."""
    for name in table.properties.keys() & row.keys():
        part = table.properties[name]
        yield name, meaning(record.get(name), part), meaning(row[name], part, text=text)


def _note(verdict: Verdict, where: str, sent: Any, held: Any, how: str | None) -> None:
    if how is None:
        verdict.wrong.append(f"{where} is {held!r}, sent was {sent!r}")
    elif how:
        verdict.known[how] += 1


def changed(before: Table, after: Table) -> int:
    """How many keys a later run brings that are new or hold something else."""
    old = {key: records[-1] for key, records in before.by_key().items()}
    return sum(old.get(key) != records[-1] for key, records in after.by_key().items())


def together(first: Table, second: Table) -> Table:
    """What two runs have sent, one after the other."""
    return Table(second.key, second.properties, [*first.records, *second.records])
