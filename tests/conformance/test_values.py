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

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.harness import Harness, Result

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")

formats = jsonschema.FormatChecker(formats=[])


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or DATE_TIME.fullmatch(value) is not None


@formats.checks("date")
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None


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
    "empty": "",
    "blank": "  two  ",
    "not normal": "e\u0301 \u00e9",
}


def _differs(value: Any, wire: Any) -> bool:
    if wire is None or value is None:
        return value is not wire
    return isinstance(value, str) or Decimal(value) != Decimal(str(wire))


def test_t26_numbers_arrive_digit_by_digit(reader: Harness, reading: str) -> None:
    name = reader.shape.number
    rows = {reader.key(reader.put(n, **{name: v})): v for n, v in enumerate(NUMBERS.values())}
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    read = {reader.key(r): r[name] for r in _read_by_a_target(result, reader.stream.name)}
    wrong = {str(v): read[key] for key, v in rows.items() if _differs(read[key], v)}
    assert not wrong


def test_t26_a_negative_zero_without_a_fraction_is_zero(reader: Harness) -> None:
    name = reader.shape.number
    reader.inject("edit", edit=_replaced(name, b"-0"), times=None)
    values = [r[name] for r in _read_by_a_target(reader.run(), reader.stream.name)]
    assert values.count(0) > 0


def test_t26_text_arrives_character_by_character(reader: Harness, reading: str) -> None:
    name = reader.shape.text
    rows = {reader.key(reader.put(n, **{name: v})): v for n, v in enumerate(TEXTS.values())}
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    read = {reader.key(r): r[name] for r in _read_by_a_target(result, reader.stream.name)}
    assert {key: read[key] for key in rows} == rows


def _replaced(field: str, token: bytes) -> Callable[[bytes], bytes]:
    """Puts `token` in place of the first number of this field in a body."""
    pattern = re.compile(rb'("%s":\s*)-?\d+' % field.encode())
    return lambda body: pattern.sub(lambda match: match[1] + token, body, count=1)


TOKENS = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "5,000 digits": b"7" * 5000,
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "text": b'"many"',
    "NaN as text": b'"NaN"',
    "1e400 as text": b'"1e400"',
    "boolean": b"true",
    "list": b"[3]",
    "hexadecimal": b"0x10",
    "leading zero": b"007",
    "two": b"1 2",
}


def _assert_not_read(reader: Harness, result: Result) -> None:
    assert result.code == 4
    assert not result.has_bookmark
    values = [record[reader.shape.number] for record in result.records(reader.stream.name)]
    assert None not in values
    assert b"\xef\xbf\xbd" not in result.out
    assert b"ufffd" not in result.out


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_t27_a_number_that_is_none_is_not_read(reader: Harness, token: bytes) -> None:
    reader.inject("edit", edit=_replaced(reader.shape.number, token), times=None)
    _assert_not_read(reader, reader.run())


@pytest.mark.parametrize("token", [b"NaN", b"1e400"])
def test_t27_an_incremental_read_refuses_it_too(reader: Harness, token: bytes) -> None:
    reader.inject("edit", edit=_replaced(reader.shape.number, token), skip=1, times=None)
    result = reader.run(reader.state_since())
    assert result.code == 4
    reader.assert_recovers(result, reader.state_since())


@pytest.mark.parametrize(
    "octets", [b"\xff", b"\xc3(", b"\xed\xa0\xbd", b"\xc0\xaf"], ids=lambda octets: octets.hex()
)
def test_t27_text_that_is_not_utf_8_is_not_read(reader: Harness, octets: bytes) -> None:
    pattern = re.compile(rb'("%s":\s*")' % reader.shape.text.encode())

    def spoilt(body: bytes) -> bytes:
        return pattern.sub(lambda match: match[1] + octets, body, count=1)

    reader.inject("edit", edit=spoilt, times=None)
    _assert_not_read(reader, reader.run())


@pytest.mark.processes
@pytest.mark.parametrize("name", ["NaN", "nested"])
def test_t27_the_command_refuses_it_too(tap: Harness, name: str) -> None:
    tap.inject("edit", edit=_replaced(tap.shape.number, TOKENS[name]), times=None)
    assert tap.run(process=True).code == 4


KEYS: dict[str, Any] = {"missing": ..., "null": None, "number": 12345, "empty": "", "list": []}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_t28_a_row_without_its_key_is_named(reader: Harness, reading: str, key: Any) -> None:
    row = reader.shape.other(reader.some_row(), 77)
    field = reader.stream.primary_key[-1]
    row |= {field: key}
    if key is ...:
        del row[field]
    reader.room.put(reader.stream.name, row)
    result = reader.run(reader.start(reading))
    assert result.code == 4
    assert reader.stream.name in result.last_line
    assert str(row[reader.shape.named_by]) in result.last_line


@pytest.mark.processes
def test_t28_the_command_names_it_too(reader: Harness) -> None:
    row = reader.shape.other(reader.some_row(), 77) | {reader.stream.primary_key[-1]: None}
    reader.room.put(reader.stream.name, row)
    result = reader.run(process=True)
    assert result.code == 4
    assert reader.stream.name in result.last_line


def test_t28_of_two_rows_with_one_key_the_last_one_wins(reader: Harness, reading: str) -> None:
    row = reader.some_row()
    later = row | {reader.shape.number: 4711}
    if reader.shape.date is not None:
        later[reader.shape.date] = "2025-12-31T00:00:00"
    reader.room.put(reader.stream.name, later)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    key = reader.key(row)
    versions = [r for r in result.records(reader.stream.name) if reader.key(r) == key]
    assert versions[-1][reader.shape.number] == 4711
    assert result.warned("twice")


def test_t28_of_two_equal_dates_the_last_one_wins(reader: Harness, reading: str) -> None:
    row = reader.some_row()
    reader.room.put(reader.stream.name, row | {reader.shape.number: 4711})
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    key = reader.key(row)
    versions = [r for r in result.records(reader.stream.name) if reader.key(r) == key]
    assert versions[-1][reader.shape.number] == 4711
    assert result.warned("twice")


def _nasty_rows(reader: Harness) -> None:
    """Everything that a row may look like within the document."""
    row, shape = reader.some_row(), reader.shape
    keys = set(reader.stream.primary_key)
    reader.put(1, **{name: None for name in row if name not in keys})
    bare = shape.other(row, 2)
    reader.room.put(
        reader.stream.name, {name: value for name, value in bare.items() if name in keys}
    )
    reader.put(3, **{"not_documented": {"a": [1]}, shape.number: "76.5", shape.text: ""})


def test_every_record_is_as_its_schema_says(reader: Harness, reading: str) -> None:
    _nasty_rows(reader)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    schema = schema_files.published(reader.stream.name)
    validator = jsonschema.Draft202012Validator(schema, format_checker=formats)
    records = result.records(reader.stream.name)
    assert len(records) >= 300
    for record in records:
        plain = json.loads(json.dumps(record, default=float))
        assert not list(validator.iter_errors(plain))
        _assert_complete(record, schema, reader.stream.name)


def _assert_complete(record: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    assert record.keys() == schema["properties"].keys(), where
    for name, part in schema["properties"].items():
        if "properties" in part and record[name] is not None:
            _assert_complete(record[name], part, f"{where}.{name}")


def test_the_schema_message_is_the_published_schema(reader: Harness) -> None:
    messages = reader.run().messages
    (message,) = [m for m in messages if m["type"] == "SCHEMA"]
    published = schema_files.published(reader.stream.name)
    assert message["key_properties"] == list(reader.stream.primary_key)
    assert message["schema"]["properties"] == published["properties"]
    expected = [reader.stream.replication_key] if reader.stream.replication_key else None
    assert message.get("bookmark_properties") == expected
