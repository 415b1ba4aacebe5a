"""Promise: a probe is the stream's own record with one thing changed, and its outcome is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import schema_files
from tests.targets import probes
from tests.targets.compare import Found, last_state, tables
from tests.targets.targets import TARGETS, Place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.targets.compare import Table


def lines(stream: str, **values: Any) -> list[bytes]:
    schema = schema_files.published(stream)
    record = dict.fromkeys(schema["properties"]) | dict.fromkeys(schema["required"], "x") | values
    said = [
        {"type": "SCHEMA", "stream": "other", "schema": schema, "key_properties": ["x"]},
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema,
            "key_properties": schema["required"],
        },
        {"type": "RECORD", "stream": stream, "record": record},
        {"type": "STATE", "value": {"bookmarks": {}}},
    ]
    return [json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in said]


def sent(name: str) -> tuple[Table, Table]:
    """What the stream has, and what the probe makes of it."""
    stream, _ = probes.PROBES[name]
    values = {"detailed": [{"warehouse_id": "1"}]} if stream.endswith("_detailed") else {}
    said = lines(stream, **values)
    made = probes.messages(name, said)
    assert last_state(made) is None
    return tables(said)[stream], tables(made)[stream]


@pytest.mark.parametrize("name", probes.PROBES)
def test_each_probe_changes_one_property_of_one_item(name: str) -> None:
    plain, made = sent(name)
    (before,) = plain.records
    changes = {
        key
        for record in made.records
        for key in before.keys() | record.keys()
        if before.get(key, ...) != record.get(key, ...)
    }
    assert len(changes) == 1
    assert len(made.by_key()) == 1


def test_a_long_number_is_sent_in_all_its_digits() -> None:
    made = probes.messages("a number with 21 digits", lines("inventory_levels"))
    assert b'"on_hand": 12345678901234567.8901,' in made[1]


def test_the_outcome_is_told_in_the_words_of_the_page() -> None:
    _, made = sent("empty text")
    (row,) = made.records
    columns = set(made.properties)

    def outcome(*rows: dict[str, Any], without: str = "") -> str:
        return probes.outcome(made, Found(columns - {without}, list(rows)), upserts=True)

    assert outcome(row) == "as sent"
    assert outcome(row | {"product_name": None}) == "empty text is null"
    assert outcome(row | {"product_name": " "}) == "changed"
    assert outcome(row, row) == "changed"
    assert outcome(row, without="product_name") == "no column"
    assert outcome() == "lost"
    assert probes.outcome(made, None, upserts=True) == "lost"


FILES = {
    "target-jsonl": ('{"a": 1}\n', '{"b": 0.10}\n'),
    "meltanolabs-target-csv": ("a\r\n1\r\n", "b\r\n0.10\r\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_two_runs_are_read_one_after_the_other(name: str, tmp_path: Path) -> None:
    target = next(one for one in TARGETS if one.name == name)
    end = "jsonl" if name == "target-jsonl" else "csv"
    for number, content in enumerate(FILES[name]):
        (tmp_path / f"s2_products-20260101T00000{number}.{end}").write_text(content)
    found = target.read(Place(tmp_path, "s", tmp_path, None))
    assert found.keys() == {"s2_products"}
    assert found["s2_products"].columns == {"a", "b"}
    assert [str(value) for row in found["s2_products"].rows for value in row.values()] == [
        "1",
        "0.10",
    ]
