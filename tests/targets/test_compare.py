"""Promise: what is not the same is found, and what is the same is never called different."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.targets.compare import (
    DIFFERENCES,
    Found,
    Table,
    Verdict,
    changed,
    compare,
    difference,
    last_state,
    meaning,
    tables,
    together,
)

PROPERTIES = {
    "sku": {"type": "string"},
    "level": {"type": ["number", "null"]},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "places": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
}
ROW = {"sku": "a", "level": Decimal(3), "at": "2026-01-02T03:04:05Z", "places": ["x"]}


def table(*records: dict[str, Any]) -> Table:
    return Table(("sku",), PROPERTIES, list(records))


def found(*rows: dict[str, Any], text: bool = False) -> Found:
    return Found({*PROPERTIES, "_sdc_batched_at"}, list(rows), text=text)


def verdict_on(sent: Table, there: Found, *, upserts: bool = True, allowed: Any = ()) -> Verdict:
    return compare(sent, there, upserts=upserts, allowed=allowed)


def test_the_same_in_the_forms_of_a_database_is_the_same() -> None:
    row = {"sku": "a", "level": 3.0, "at": "2026-01-02 03:04:05", "places": '["x"]'}
    verdict = verdict_on(table(ROW), found(row | {"_sdc_batched_at": "2026-01-02"}))
    assert (verdict.rows, verdict.columns, verdict.values) == ((1, 1), (4, 4), "ok")


def test_the_same_in_a_csv_file_is_the_same() -> None:
    row = {"sku": "a", "level": "3", "at": "2026-01-02 04:04:05+01:00", "places": ""}
    assert verdict_on(table(ROW | {"places": None}), found(row, text=True)).wrong == []


@pytest.mark.parametrize(
    "other",
    [
        {"level": 4},
        {"level": None},
        {"level": True},
        {"level": "many"},
        {"at": "2026-01-02T03:04:05+05:30"},
        {"places": ["x", "x"]},
        {"places": '["y"]'},
        {"places": "['x']"},
        {"sku": "b"},
    ],
    ids=str,
)
def test_each_value_that_differs_is_found(other: dict[str, Any]) -> None:
    assert verdict_on(table(ROW), found(ROW | other)).wrong != []


def test_a_row_that_is_lost_and_one_that_nobody_sent_are_found() -> None:
    lost = verdict_on(table(ROW, ROW | {"sku": "b"}), found(ROW))
    assert (lost.rows, len(lost.wrong)) == ((2, 1), 1)
    added = verdict_on(table(ROW), found(ROW, ROW | {"sku": "b"}))
    assert (added.rows, len(added.wrong)) == ((1, 2), 1)


def test_a_column_that_is_lost_and_one_that_nobody_sent_are_found() -> None:
    there = found({name: value for name, value in ROW.items() if name != "level"})
    there.columns = {"sku", "at", "places", "colour"}
    verdict = verdict_on(table(ROW), there)
    assert verdict.columns == (4, 3)
    assert verdict.wrong == ["column colour: not sent", "column level: not there"]


def test_who_upserts_holds_the_newest_alone_and_who_appends_holds_all_in_order() -> None:
    new = ROW | {"level": Decimal(9)}
    both = together(table(ROW), table(new))
    assert verdict_on(both, found(new)).wrong == []
    assert verdict_on(both, found(ROW)).wrong != []
    assert verdict_on(both, found(ROW, new)).wrong != []
    assert verdict_on(both, found(ROW, new), upserts=False).wrong == []
    assert verdict_on(both, found(new, ROW), upserts=False).wrong != []
    assert verdict_on(both, found(new), upserts=False).wrong != []


EXAMPLES = {
    "empty text is null": ("", None, "a"),
    "numbers are doubles": (Decimal(2**53 + 1), Decimal(2**53), Decimal(2**53 + 2)),
    "line breaks are escaped": ('a\n"\\', 'a\\n"\\', 'a\n"'),
    "nested as Python shows it": ({"a": Decimal("1.5")}, "{'a': Decimal('1.5')}", "{'a': 1}"),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_is_known_to_differ_is_allowed_by_name_and_nothing_beside_it(name: str) -> None:
    sent, there, wrong = EXAMPLES[name]
    assert difference(sent, there, [name]) == name
    assert difference(sent, there, [other for other in DIFFERENCES if other != name]) is None
    assert difference(sent, wrong, DIFFERENCES) is None
    assert difference(sent, sent, DIFFERENCES) == ""


def test_what_is_allowed_is_counted() -> None:
    verdict = verdict_on(
        table(ROW | {"sku": ""}),
        found(ROW | {"sku": "", "level": "3", "places": '["x"]'}, text=True),
        allowed=["empty text is null"],
    )
    assert verdict.values == "ok, 1 x empty text is null"


def test_a_later_run_that_changes_nothing_is_told_from_one_that_does() -> None:
    assert changed(table(ROW), table(ROW)) == 0
    assert changed(table(ROW), table(ROW).without_records()) == 0
    assert changed(table(ROW), table(ROW | {"level": 4}, ROW | {"sku": "b"})) == 2


def test_singer_messages_become_tables() -> None:
    schema = {"properties": PROPERTIES}
    lines = [
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["sku"]},
        {"type": "RECORD", "stream": "s", "record": {"sku": "a", "level": 1.10}},
        {"type": "STATE", "value": {"bookmarks": {}}},
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["sku", "at"]},
    ]
    said = [json.dumps(line).encode() for line in lines]
    assert tables(said) == {
        "s": Table(("sku", "at"), PROPERTIES, [{"sku": "a", "level": Decimal("1.1")}])
    }
    assert last_state(said) == {"bookmarks": {}}
    assert last_state(said[:2]) is None


NUMBER, NESTED = {"type": ["number", "null"]}, {"type": ["object", "null"]}
TEXT = st.text(max_size=5)
LEAF = st.none() | st.booleans() | st.integers() | TEXT
JSON = LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(TEXT, LEAF, max_size=3)


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_means_the_same_as_a_number_and_as_text(number: int | Decimal) -> None:
    assert meaning(number, NUMBER) == meaning(str(number), NUMBER, text=True) == Decimal(number)


@given(st.dictionaries(TEXT, JSON, max_size=3))
def test_a_nested_value_means_the_same_as_json_and_python_is_told_from_it(value: Any) -> None:
    sent = meaning(value, NESTED)
    assert meaning(json.dumps(value), NESTED) == sent
    assert difference(sent, repr(value), ["nested as Python shows it"]) is not None
