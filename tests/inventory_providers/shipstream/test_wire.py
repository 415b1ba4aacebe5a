"""Promises of what ShipStream's rows become: everything exactly, or an error that names it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import schema_files
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps, loads
from inventory_providers.shipstream import PROVIDER, wire
from tests.inventory_providers.shipstream import examples

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SYNCED = {"synced_at": "2026-03-01T12:00:00Z"}
LISTED = json.loads(examples.LIST_ANSWER)["result"]
SINCE_2025 = json.loads(examples.LIST_RESULT_SINCE_2025)
DETAILED = json.loads(examples.DETAILED_ANSWER)["result"]
LOTS = json.loads(examples.LOTS_ANSWER)["result"]["results"]

QUANTITIES = (
    "qty_expected",
    "qty_processed",
    "qty_putaway",
    "qty_available",
    "qty_allocated",
    "qty_reserved",
    "qty_picked",
    "qty_advertised",
    "qty_on_hand",
)


def row_of_list(raw: Any, warehouse: str = "0") -> wire.Row:
    (row,) = wire.inventory(warehouse, NOW).rows(dumps([raw]))
    return row


def row_of_detailed(raw: Any) -> wire.Row:
    (row,) = wire.detailed(NOW).rows(dumps([raw]))
    return row


def listed(raw: Any, warehouse: str = "0") -> dict[str, Any]:
    record: dict[str, Any] = loads(row_of_list(raw, warehouse).line)
    return record


def detailed(raw: Any) -> dict[str, Any]:
    record: dict[str, Any] = loads(row_of_detailed(raw).line)
    return record


def lot(raw: Any) -> dict[str, Any]:
    record: dict[str, Any] = loads(wire.Lots().row(raw)[1])
    return record


CONVERT: dict[str, tuple[Callable[[Any], dict[str, Any]], dict[str, Any]]] = {
    wire.INVENTORY: (listed, LISTED[0]),
    wire.DETAILED: (detailed, DETAILED[0]),
    wire.LOTS: (lot, LOTS[0]),
}
streams = pytest.mark.parametrize("stream", CONVERT)


# ---- the examples of the documents ---------------------------------------------------------------


def test_a_listed_row_of_the_document() -> None:
    assert listed(LISTED[0]) == {
        "sku": "BlueWidget-1",
        "warehouse_id": "0",
        "qty_expected": 0,
        "qty_processed": 0,
        "qty_putaway": 50,
        "qty_available": 22,
        "qty_allocated": 5,
        "qty_reserved": 16,
        "qty_picked": 1,
        "qty_backordered": 0,
        "qty_advertised": 22,
        "qty_on_hand": None,
        **SYNCED,
    }


@pytest.mark.parametrize("place", [0, 1])
def test_the_form_of_today_differs_from_the_documents_by_what_is_on_hand_only(place: int) -> None:
    on_hand = listed(SINCE_2025[place])
    assert on_hand == listed(LISTED[place]) | {"qty_on_hand": (94, 2)[place]}
    in_it = ("processed", "putaway", "available", "allocated", "reserved", "picked")
    assert on_hand["qty_on_hand"] == sum(on_hand[f"qty_{name}"] for name in in_it)


def test_a_detailed_row_of_the_document() -> None:
    nothing = dict.fromkeys(QUANTITIES, 0) | {"qty_on_hand": None}
    assert detailed(DETAILED[0]) == {
        "sku": "BlueWidget-1",
        **nothing,
        "qty_available": 8,
        "qty_picked": 2,
        "qty_advertised": 8,
        "qty_backordered": 0,
        "detailed": [
            nothing
            | {"warehouse_id": "1", "qty_available": 8, "qty_picked": 2, "qty_advertised": 8},
            nothing | {"warehouse_id": "2"},
            nothing | {"warehouse_id": "3"},
        ],
        **SYNCED,
    }


def test_the_lots_of_the_document() -> None:
    assert [wire.Lots().row(raw)[0] for raw in LOTS] == [1, 2]
    assert lot(LOTS[0]) == {
        "lot_id": "1",
        "lot_number": "2018-07-09",
        "origination_date": "2018-07-09",
        "expiration_date": "2019-04-07",
        "is_active": "1",
        "group_value": "2018-07-09",
        "created_at": "2018-07-09T19:58:23Z",
        "sku": "product1",
        "name": "product 1",
        "locations": ["location 1"],
        "qty_putaway": 0,
        "qty_available": 76,
        "qty_reserved": 0,
    }
    assert lot(LOTS[1])["locations"] == []


def test_a_lot_as_the_list_of_properties_has_it() -> None:
    """Numbers where the example has text, and other values."""
    raw = {
        "lot_id": 25,
        "is_active": 1,
        "lot_number": "AB190405ZZ9Z",
        "created_at": "2018-07-09T18:51:34+00:00",
        "locations": ["location A", "location B"],
        "qty_putaway": "1.0000",
        "qty_available": "55.0000",
    }
    assert lot(raw) == dict.fromkeys(LOTS[0]) | {
        "lot_id": "25",
        "is_active": "1",
        "lot_number": "AB190405ZZ9Z",
        "created_at": "2018-07-09T18:51:34Z",
        "locations": ["location A", "location B"],
        "qty_putaway": 1,
        "qty_available": 55,
    }


@streams
def test_the_records_of_the_document_fit_the_published_schema_and_the_model(stream: str) -> None:
    (model,) = [one.model for one in PROVIDER.streams if one.name == stream]
    convert, example = CONVERT[stream]
    record = convert(example)
    jsonschema.validate(record, schema_files.published(stream))
    model.model_validate(record)
    assert record.keys() == model.model_fields.keys()


# ---- what was not sent ---------------------------------------------------------------------------


@streams
def test_what_was_not_sent_is_null_never_zero(stream: str) -> None:
    convert, example = CONVERT[stream]
    key = "lot_id" if stream == wire.LOTS else "sku"
    for name in example.keys() - {key}:
        without = {other: value for other, value in example.items() if other != name}
        record = convert(without)
        assert record.keys() == convert(example).keys()
        assert record[name] is None
        assert convert({**example, name: None}) == record


@streams
def test_a_bare_key_is_enough(stream: str) -> None:
    convert, _ = CONVERT[stream]
    record = convert({"lot_id": "7"} if stream == wire.LOTS else {"sku": "x"})
    told = {name for name, value in record.items() if value is not None}
    assert told <= {"sku", "lot_id", "warehouse_id", "synced_at"}


def test_a_single_warehouse_has_no_backordered_units() -> None:
    raw = {name: value for name, value in LISTED[1].items() if name != "qty_backordered"}
    record = listed(raw, "2")
    assert (record["warehouse_id"], record["qty_backordered"]) == ("2", None)
    assert row_of_list(raw, "2").key == ("BlueWidget-5", "2")
    assert all("qty_backordered" not in part for part in detailed(DETAILED[0])["detailed"])


def test_an_empty_list_of_warehouses_is_none_and_stays_one() -> None:
    assert detailed({"sku": "x", "detailed": []})["detailed"] == []
    assert detailed({"sku": "x", "detailed": None})["detailed"] is None


@pytest.mark.parametrize("date", [None, ""])
def test_no_date_is_null(date: Any) -> None:
    raw = {**LOTS[0], "expiration_date": date, "created_at": date}
    assert (lot(raw)["expiration_date"], lot(raw)["created_at"]) == (None, None)


# ---- the other name of qty_expected --------------------------------------------------------------


def test_expected_units_may_be_called_unreceived() -> None:
    raw = {name: value for name, value in LISTED[1].items() if name != "qty_expected"}
    assert listed({**raw, "qty_unreceived": "40.0000"}) == listed(LISTED[1])
    part = {"warehouse_id": "1", "qty_unreceived": 3}
    assert detailed({"sku": "x", "detailed": [part]})["detailed"][0]["qty_expected"] == 3


def test_the_old_name_counts_where_both_are_there(caplog: pytest.LogCaptureFixture) -> None:
    assert listed({**LISTED[1], "qty_unreceived": 7})["qty_expected"] == 40
    assert not caplog.records


# ---- exact values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (22, 22),
        ("8", 8),
        ("22.0000", 22),
        ("2.5000", Decimal("2.5")),
        (Decimal("2.5000"), Decimal("2.5")),
        ("-0.0000", 0),
        ("0.1", Decimal("0.1")),
        ("9007199254740993.0000", 2**53 + 1),
        (2**63 + 1, 2**63 + 1),
        ("", None),
    ],
)
def test_quantities_are_exact_in_every_form(raw: Any, expected: Any) -> None:
    assert listed({**LISTED[0], "qty_available": raw})["qty_available"] == expected
    parts = [{"warehouse_id": "1", "qty_picked": raw}]
    assert detailed({"sku": "x", "detailed": parts})["detailed"][0]["qty_picked"] == expected
    assert lot({**LOTS[0], "qty_reserved": raw})["qty_reserved"] == expected


@given(st.decimals(-(10**12), 10**12, places=4), st.sampled_from(["text", "number"]))
def test_no_fraction_of_a_quantity_is_lost(quantity: Decimal, form: str) -> None:
    raw = str(quantity) if form == "text" else quantity
    line = row_of_list({**LISTED[0], "qty_available": raw}).line
    assert Decimal(json.loads(line, parse_float=str, parse_int=str)["qty_available"]) == quantity


@pytest.mark.parametrize("raw", [25, "25"])
def test_ids_are_text(raw: Any) -> None:
    assert lot({**LOTS[0], "lot_id": raw})["lot_id"] == "25"
    parts = [{"warehouse_id": raw}]
    assert detailed({"sku": "x", "detailed": parts})["detailed"][0]["warehouse_id"] == "25"


@pytest.mark.parametrize("text", ["é", "\u202e", "\U0001f600", "\x00", "\ud83d", 'a"b\\c\n'])
def test_text_arrives_as_it_is(text: str) -> None:
    line = json.dumps([{"sku": text}]).encode()
    (row,) = wire.inventory("0", NOW).rows(line)
    assert json.loads(row.line)["sku"] == text
    assert json.loads(wire.Lots().row({"lot_id": "1", "name": text})[1])["name"] == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(-99, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def _is_quantity(value: Any) -> bool:
    if isinstance(value, bool | list | dict) or "_" in str(value):
        return False
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False


def outcome(convert: Callable[[Any], dict[str, Any]], raw: Any) -> dict[str, Any] | str:
    """The record, or what the message says."""
    try:
        return convert(raw)
    except Malformed as error:
        return str(error)


@pytest.mark.parametrize("name", QUANTITIES)
@given(value=json_values)
def test_a_quantity_arrives_exactly_or_is_named(name: str, value: Any) -> None:
    found = outcome(listed, {"sku": "BlueWidget-1", name: value})
    if isinstance(found, str):
        assert not _is_quantity(value)
        assert name in found
        assert "BlueWidget-1" in found
    elif value is None or not str(value).strip():
        assert found[name] is None
    else:
        assert found[name] == Decimal(value)


@given(name=st.sampled_from(sorted(LOTS[0].keys() - {"lot_id"})), value=json_values)
def test_a_property_of_a_lot_arrives_or_is_named(name: str, value: Any) -> None:
    found = outcome(lot, {"lot_id": "77", name: value})
    if isinstance(found, str):
        assert value is not None
        assert name in found
        assert "77" in found
        return
    jsonschema.validate(json.loads(json.dumps(found, default=float)), SCHEMA_OF_LOTS)
    if isinstance(value, str) and name in {"sku", "name", "lot_number", "group_value"}:
        assert found[name] == value
    elif value is not None and str(value).strip():
        assert found[name] is not None


SCHEMA_OF_LOTS = schema_files.published(wire.LOTS)


@given(value=st.none() | json_values)
def test_the_parts_of_a_detailed_row_arrive_or_are_named(value: Any) -> None:
    found = outcome(detailed, {"sku": "BlueWidget-1", "detailed": value})
    if isinstance(found, str):
        assert value is not None
        assert "detailed" in found
        assert "BlueWidget-1" in found
    else:
        came = found["detailed"]
        assert (None if came is None else len(came)) == (None if value is None else len(value))


# ---- what is wrong is named ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("qty_available", "many"),
        ("qty_available", "NaN"),
        ("qty_available", "1_000"),
        ("qty_available", "1,000"),
        ("qty_available", True),
        ("qty_available", []),
        ("qty_picked", {}),
        ("detailed", {}),
        ("detailed", "none"),
        ("detailed", [[]]),  # what PHP makes of an object without properties
        ("detailed", [5]),
        ("detailed", [{"qty_picked": "x"}]),
        ("detailed", [{"warehouse_id": True}]),
    ],
)
def test_a_wrong_value_of_a_product_is_named_with_its_row(name: str, value: Any) -> None:
    with pytest.raises(Malformed) as caught:
        row_of_detailed({**DETAILED[0], name: value})
    assert name in str(caught.value)
    assert "BlueWidget-1" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created_at", "soon"),
        ("created_at", 5),
        ("expiration_date", "0000-00-00"),
        ("expiration_date", "2019-04-07T00:00:00+00:00"),
        ("locations", {}),
        ("locations", "location 1"),
        ("locations", [{}]),
        ("is_active", True),
        ("name", []),
        ("qty_reserved", "1e999"),
    ],
)
def test_a_wrong_value_of_a_lot_is_named_with_its_row(name: str, value: Any) -> None:
    with pytest.raises(Malformed) as caught:
        lot({**LOTS[0], "lot_id": "77", name: value})
    assert name in str(caught.value)
    assert "77" in str(caught.value)


@pytest.mark.parametrize("broken", [..., None, "", 25, [], {}, True], ids=str)
@pytest.mark.parametrize("convert", [row_of_list, row_of_detailed])
def test_a_product_without_its_key_is_named(convert: Any, broken: Any) -> None:
    row = {**LISTED[0], "sku": broken, "qty_available": 4711}
    if broken is ...:
        del row["sku"]
    with pytest.raises(Malformed, match=r"sku is .* 4711"):
        convert(row)


@pytest.mark.parametrize(
    "broken", [..., None, "", "x", "1.0", "-1", "²", "9" * 5000, 1.5, [], {}, True], ids=str
)
def test_a_lot_without_its_key_is_named(broken: Any) -> None:
    row = {**LOTS[0], "lot_id": broken, "lot_number": "AB190405ZZ9Z"}
    if broken is ...:
        del row["lot_id"]
    with pytest.raises(Malformed, match=r"lot_id is .*AB190405ZZ9Z"):
        lot(row)


@pytest.mark.parametrize("row", [[], None, "x", 5], ids=str)
def test_what_is_no_row_is_refused(row: Any) -> None:
    for convert in (row_of_list, row_of_detailed, lot):
        with pytest.raises(Malformed, match="not an object"):
            convert(row)


@given(st.text(max_size=6))
def test_a_count_is_a_whole_number_or_none_at_all(text: str) -> None:
    number = wire.whole(text)
    is_number = text != "" and set(text) <= set("0123456789")
    assert number == (int(text) if is_number else None)


# ---- what the document does not know -------------------------------------------------------------


def test_what_is_not_documented_is_left_out_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = wire.detailed(NOW)
    raw = {"sku": "x", "brand_new": 1, "detailed": [{"qty_lost": 2}]}
    with caplog.at_level(logging.WARNING):
        rows = [*reader.rows(dumps([raw, raw]))]
    assert loads(rows[0].line) == detailed({"sku": "x", "detailed": [{}]})
    said = [record.getMessage() for record in caplog.records]
    assert len([one for one in said if "brand_new" in one]) == 1
    assert len([one for one in said if "detailed[].qty_lost" in one]) == 1


# ---- rows and their keys -------------------------------------------------------------------------


def test_rows_that_were_read_at_two_times_differ_by_the_time_alone() -> None:
    later = NOW.replace(hour=13)
    pairs = [
        (wire.inventory("0", NOW), wire.inventory("0", later), LISTED[0]),
        (wire.detailed(NOW), wire.detailed(later), DETAILED[0]),
    ]
    for one, other, raw in pairs:
        (first,), (second,) = one.rows(dumps([raw])), other.rows(dumps([raw]))
        assert loads(first.line)["synced_at"] == "2026-03-01T12:00:00Z"
        assert loads(second.line) == loads(first.line) | {"synced_at": "2026-03-01T13:00:00Z"}


def test_the_keys_are_found_without_the_rows() -> None:
    piece = dumps(LISTED)
    assert [*wire.inventory("2", NOW).keys(piece)] == [("BlueWidget-1", "2"), ("BlueWidget-5", "2")]
    assert [*wire.detailed(NOW).keys(piece)] == [("BlueWidget-1",), ("BlueWidget-5",)]
