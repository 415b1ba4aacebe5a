"""Values arrive as they were sent, or not at all (T26 to T28); records are as published."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from singer_sdk.singerlib.encoding.simple import SimpleSingerReader

from inventory_providers import schema_files
from tests.conformance.paths import at, changed, emptied, last_name, same

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row
    from tests.conformance.harness import Harness, Result

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")

formats = jsonschema.FormatChecker(formats=[])


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None


@formats.checks("date")
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


@pytest.fixture(autouse=True)
def _in_json(request: pytest.FixtureRequest) -> None:
    """Values are sent as JSON, also by a provider that has another form besides."""
    for name in {"tap", "reader"} & set(request.fixturenames):
        harness: Harness = request.getfixturevalue(name)
        harness.turn(harness.traits.json)


def _read_by_a_target(result: Result, stream: str) -> list[dict[str, Any]]:
    """The records as the SDK's reader hands them to a target."""
    reader = SimpleSingerReader()
    messages = [reader.deserialize_json(line.decode()) for line in result.out.splitlines()]
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


NUMBERS: dict[str, Any] = {
    "0.1": 0.1,
    "0.30000000000000004": 0.30000000000000004,
    "76.0000": "76.0000",
    "2^53+1": 2**53 + 1,
    "2^63": 2**63,
    "-2^63": -(2**63),
    "-0": -0.0,
    "0": 0,
    "null": None,
    "1e-7": 1e-7,
}
TEXTS = {
    "emoji": "shirt \U0001f455\U0001f1fa\U0001f1e6",
    "RTL": "\u05d7\u05d5\u05dc\u05e6\u05d4 \u202eabc\u202c \u0642\u0645\u064a\u0635",
    "NUL": "a\x00b",
    "lone surrogate": "cut \ud83d",
    "controls": "a\tb\nc\x1f\x7f\u2028d",
    "quotes": "3/4\" \\ <b>'&amp;'",
    "blank": "  two  ",
    "not normal": "e\u0301 \u00e9",
}


def _differs(value: Any, wire: Any) -> bool:
    if wire is None or value is None:
        return value is not wire
    return isinstance(value, str) or Decimal(value) != Decimal(str(wire))


def test_t26_numbers_arrive_digit_by_digit(reader: Harness, reading: str) -> None:
    here, there = reader.number()
    state = reader.start(reading)
    rows = reader.put_all(there, NUMBERS.values())
    result = reader.run(state)
    assert result.code == 0, result.last_line
    read = {reader.key(r): at(r, here) for r in _read_by_a_target(result, reader.stream.name)}
    assert {str(value): read[key] for key, value in rows if _differs(read[key], value)} == {}


def test_t26_text_arrives_character_by_character(reader: Harness, reading: str) -> None:
    here, there = reader.text()
    state = reader.start(reading)
    rows = reader.put_all(there, TEXTS.values())
    result = reader.run(state)
    assert result.code == 0, result.last_line
    read = {reader.key(r): at(r, here) for r in _read_by_a_target(result, reader.stream.name)}
    assert [(key, read[key]) for key, _ in rows] == rows


class _Replaced:
    """Puts a token in place of the first number but zero that stands under a name in a body."""

    def __init__(self, path: str, token: bytes) -> None:
        number = rb'("%s":\s*)(-?[1-9][0-9]*(?:\.[0-9]+)?|"-?[1-9][0-9.,]*")' % last_name(path)
        self._pattern, self._token = re.compile(number), token
        self.done = False

    def __call__(self, body: bytes) -> bytes:
        body, count = self._pattern.subn(lambda found: found[1] + self._token, body, count=1)
        self.done |= count > 0
        return body


def test_t26_a_negative_zero_without_a_fraction_is_zero(reader: Harness) -> None:
    here, there = reader.number()
    before = [at(record, here) for record in reader.run().records(reader.stream.name)]
    reader.inject("edit", edit=_Replaced(there, b"-0"), times=None)
    after = [at(record, here) for record in _read_by_a_target(reader.run(), reader.stream.name)]
    assert after.count(0) > before.count(0)


TOKENS = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "1e400": b"1e400",
    "5,000 digits": b"7" * 5000,
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "text": b'"many"',
    "NaN as text": b'"NaN"',
    "1e400 as text": b'"1e400"',
    "boolean": b"true",
    "list": b"[3]",
    "two": b"1 2",
}


def _assert_not_read(reader: Harness, result: Result) -> None:
    assert result.code == 4, result.last_line
    reader.subject.assert_earned(result)
    assert b"\xef\xbf\xbd" not in result.out
    assert b"ufffd" not in result.out


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_t27_a_number_that_is_none_is_not_read(reader: Harness, token: bytes) -> None:
    edit = _Replaced(reader.number()[1], token)
    reader.inject("edit", edit=edit, times=None)
    result = reader.run()
    assert edit.done
    if result.code == 0 and result.warned(reader.number()[0]):
        return  # in cells that hold anything it is null, and said
    _assert_not_read(reader, result)
    nulls = [at(record, reader.number()[0]) for record in result.records(reader.stream.name)]
    assert None not in nulls


@pytest.mark.parametrize("token", [b"NaN", b"1e400"])
def test_t27_an_incremental_read_refuses_it_too(reader: Harness, token: bytes) -> None:
    reader.need_changes()
    state = reader.start("incremental")
    edit = _Replaced(reader.number()[1], token)
    reader.inject("edit", edit=edit, times=None)
    result = reader.run(state)
    assert edit.done
    assert result.code == 4
    reader.assert_recovers(result, state)


@pytest.mark.parametrize(
    "octets", [b"\xff", b"\xc3(", b"\xed\xa0\xbd", b"\xc0\xaf"], ids=lambda octets: octets.hex()
)
def test_t27_text_that_is_not_utf_8_is_not_read(reader: Harness, octets: bytes) -> None:
    pattern = re.compile(rb'("%s":\s*")' % last_name(reader.text()[1]))

    def spoilt(body: bytes) -> bytes:
        return pattern.sub(lambda match: match[1] + octets, body, count=1)

    reader.inject("edit", edit=spoilt, times=None)
    _assert_not_read(reader, reader.run())


KEYS: dict[str, Any] = {"missing": ..., "null": None, "empty": "", "list": []}


def _with_key(reader: Harness, key: Any) -> Row:
    """A row that has this for a key."""
    row = changed(reader.shape.other(reader.some_row(), 77), {reader.shape.key: key})
    reader.room.put(reader.stream.name, row)
    return row


def _assert_named(reader: Harness, result: Result, row: Row) -> None:
    assert result.code == 4, result.last_line
    assert reader.stream.name in result.last_line
    assert str(at(row, reader.shape.named_by)) in result.last_line


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_t28_a_row_without_its_key_is_named(reader: Harness, reading: str, key: Any) -> None:
    state = reader.start(reading)
    row = _with_key(reader, key)
    _assert_named(reader, reader.run(state), row)


def test_t28_a_number_for_a_key_is_text_or_refused(reader: Harness, reading: str) -> None:
    state = reader.start(reading)
    row = _with_key(reader, 12345)
    result = reader.run(state)
    if result.code:
        _assert_named(reader, result, row)
    else:
        assert [key for key in reader.keys(result) if "12345" in key] != []
        reader.subject.assert_no_duplicates(result)


def _other_level(row: Row, path: str) -> Row:
    return changed(row, {path: "4711" if isinstance(at(row, path), str) else 4711})


@pytest.mark.parametrize("date", ["later", "equal"])
def test_t28_of_two_rows_with_one_key_the_last_one_wins(
    reader: Harness, reading: str, date: str
) -> None:
    if date == "later":
        reader.date()
    state = reader.start(reading)
    key, row = next(iter(reader.rows().items()))
    here, there = next(iter(reader.shape.levels.items()))
    second = _other_level(row, there)
    if date == "later":
        second = changed(second, {reader.date(): "2025-12-31T00:00:00Z"})
    reader.room.put(reader.stream.name, second)
    result = reader.run(state)
    assert result.code == 0, result.last_line
    versions = [r for r in result.records(reader.stream.name) if reader.key(r) == key]
    assert same(at(versions[-1], here), 4711)
    assert result.warned("twice")


def _nasty_rows(reader: Harness) -> None:
    """Everything that a row may look like within the document."""
    for n, drop in enumerate((False, True)):
        before = reader.rows().keys()
        row = reader.shape.other(reader.some_row(), n)
        reader.room.put(reader.stream.name, row)
        (key, *_) = reader.rows().keys() - before
        reader.room.put(reader.stream.name, emptied(row, key, drop=drop))
    odd = {there: "76.5" for _, there in filter(None, [reader.shape.number])}
    odd |= {there: "" for _, there in filter(None, [reader.shape.text])}
    reader.put(3, not_documented={"a": [1]}, **odd)


def test_every_record_is_as_its_schema_says(reader: Harness, reading: str) -> None:
    state = reader.start(reading)
    _nasty_rows(reader)
    result = reader.run(state)
    assert result.code == 0, result.last_line
    (message,) = result.of("SCHEMA", reader.stream.name)
    schema = message["schema"]
    validator = jsonschema.Draft202012Validator(schema, format_checker=formats)
    records = result.records(reader.stream.name)
    assert len(records) >= len(reader.rows())
    for record in records:
        plain = json.loads(json.dumps(record, default=float))
        assert not list(validator.iter_errors(plain))
        _assert_complete(record, schema, reader.stream.name)


def _assert_complete(value: Any, schema: dict[str, Any], where: str) -> None:
    if "properties" in schema and value is not None:
        assert value.keys() == schema["properties"].keys(), where
        for name, part in schema["properties"].items():
            _assert_complete(value[name], part, f"{where}.{name}")
    for item in value or () if "items" in schema else ():
        _assert_complete(item, schema["items"], f"{where}[]")


def test_the_schema_message_is_the_published_schema(reader: Harness) -> None:
    result = reader.run()
    (message,) = result.of("SCHEMA", reader.stream.name)
    published = schema_files.published(reader.stream.name)["properties"]
    said = message["schema"]["properties"]
    key = message["key_properties"]
    if reader.stream.formed:
        # The key, and columns that the document does not name, are found in the rows.
        assert said.keys() >= published.keys() >= set(key)
        assert all(said[name]["type"] == "string" for name in key)
    else:
        assert said == published
        assert key == list(reader.stream.primary_key)
    expected = [reader.stream.replication_key] if reader.stream.replication_key else None
    assert message.get("bookmark_properties") == expected
