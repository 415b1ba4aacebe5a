"""Promises of the mapping between SoStocked's columns and our records."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inventory_providers import schema_files
from inventory_providers.errors import ConfigError, Malformed
from inventory_providers.jsonio import loads
from inventory_providers.sostocked import wire
from inventory_providers.sostocked.settings import SoStockedSettings
from inventory_providers.sostocked.wire import Converter, Layout, Table
from tests.inventory_providers.sostocked.examples import (
    BREAKDOWN_FILE,
    COLUMNS,
    LIVE_TOTALS,
    REQUESTS,
)

KINDS = (wire.INVENTORY, wire.SNAPSHOTS, wire.WAREHOUSES)
KIND_OF = {
    "current view": wire.INVENTORY,
    "snapshot": wire.SNAPSHOTS,
    "breakdown": wire.WAREHOUSES,
}
LABELS = {column["id"]: column.get("text", "") for column in COLUMNS}
FIXED = {"account_id": "48213"}

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.stream)


def settings(**more: Any) -> SoStockedSettings:
    least = {
        "bearer_token": "wire-token",
        "client_id": "wire-client",
        "client_secret": "wire-secret",
        "account_id": "48213",
        "view_id": 316582,
    }
    return SoStockedSettings.model_validate(least | more)


def converted(
    cells: dict[str, Any], *, kind: wire.Kind = wire.INVENTORY, is_json: bool = False
) -> dict[str, Any]:
    """The record of one row, with a SKU where none is given."""
    cells = cells if cells.keys() & {"area_skus", "SKU"} else {"area_skus": "BW-1", **cells}
    table = Table(tuple(cells), [list(cells.values())], is_json)
    (row,) = Converter(kind, FIXED).sheet(table).rows
    record: dict[str, Any] = loads(row.line)
    return record


# ---- the request ---------------------------------------------------------------------------------


def test_the_columns_are_the_documents_in_its_words_and_order() -> None:
    def without_show(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: column[key] for key in column if key != "show"} for column in columns]

    assert len(wire.COLUMNS) == 115
    assert without_show(wire.COLUMNS) == without_show(COLUMNS)
    assert {column["show"] for column in wire.COLUMNS} == {0, 1}


def test_what_identifies_a_row_and_every_quantity_with_a_label_is_asked_for() -> None:
    assert {*wire.IDENTITY[:3], *wire.EXTENSIONS, "warehouses", "area_inv_updated_at"} <= {
        *wire.SHOWN
    }
    assert {*wire.IDS} >= wire.NUMBERS
    assert wire.NUMBERS - {*wire.SHOWN} == {"product_total_annual_sales"}


@pytest.mark.parametrize("name", KIND_OF)
def test_the_request_is_the_documents(name: str) -> None:
    path, document = REQUESTS[name]
    kind = KIND_OF[name]
    day = None
    if document["snapshot_date"]:
        day = wire.date.fromisoformat(document["snapshot_date"])
    made = wire.request_body(settings(), kind, page=1, day=day)
    assert kind.paths[0] == path
    assert made.keys() == document.keys()
    del made["columns"]
    assert made == {key: document[key] for key in made}
    assert [type(made[key]) for key in ("with_inactive", "page")] == [int, int]


def test_all_products_are_asked_for_in_both_places_that_hide_them() -> None:
    made = wire.request_body(settings(with_inactive=True), wire.INVENTORY, page=3, per_page=7)
    assert (made["with_inactive"], made["filters"]) == (1, [])
    assert (made["page"], made["per_page"]) == (3, 7)


# ---- headers -------------------------------------------------------------------------------------


def test_every_label_and_every_id_is_found_and_they_do_not_collide() -> None:
    assert [wire.column_of(label) for label in LABELS.values()] == list(LABELS)
    assert [wire.column_of(name) for name in LABELS] == list(LABELS)


@pytest.mark.parametrize("name", LIVE_TOTALS)
def test_a_live_total_in_a_label_may_be_any(name: str) -> None:
    label = LABELS[name].replace(LIVE_TOTALS[name], "-1,234.56 ")
    assert label != LABELS[name]
    assert wire.column_of(label) == name
    assert wire.column_of(f"-1,234.56  {wire.plain(label)}") == name
    assert wire.column_of(wire.plain(label)) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Inbound to FBA", "area_inv_inbound"),
        ("inbound_to_fba", "inbound_to_fba"),
        ("Inbound to Amazon ETA", "inbound_to_fba"),
        ("Days Left (FBA + Warehouse)", "days_left_fba_warehouse"),
        (" Days  Left\u00a0(FBA + Warehouse)\n", "days_left_fba_warehouse"),
        ("fba available stock", "area_inv_stock"),
        ("", "product_total_annual_sales"),
        ("7 Day Velocity", "product_calculation_velocity_7"),
        ("Warehouse Stock", "warehouses"),
        ("Warehouse", None),
        ("Marketplace", None),
        ("Inbound_to_FBA", None),
        ("7 Warehouse Stock", None),
    ],
)
def test_a_header_is_known_by_its_label_or_its_id_never_by_its_slug(
    header: str, name: str | None
) -> None:
    assert wire.column_of(header) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Warehouse", "warehouse"),
        ("Lead-Time (days)", "lead_time_days"),
        ("<b>12</b> Open POs", "open_pos"),
        ("3PL", "column_3pl"),
        ("\u5728\u5eab", "column"),
        ("x" * 80, "x" * wire.LONGEST_SLUG),
    ],
)
def test_a_slug_is_a_name_that_a_schema_can_have(header: str, name: str) -> None:
    assert wire.slug(header) == name


def test_a_column_that_nobody_knows_is_passed_on_under_its_own_slug() -> None:
    layout = Layout(wire.INVENTORY, ["SKU", "Warehouse", "Area SKUs", "Bin", "Bin", "BIN "])
    assert layout.extras == ("warehouse", "area_skus_2", "bin", "bin_2", "bin_3")
    assert converted({"SKU": "a", "Bin": "7", "Bin 2": ""})["bin"] == "7"


def test_the_market_and_the_warehouse_may_have_columns_of_their_own() -> None:
    layout = Layout(wire.WAREHOUSES, ["ASIN", "Marketplace", "Warehouse"])
    assert layout.names == ["area_asins", "marketplace", "warehouse"]
    assert layout.extras == ()


@pytest.mark.parametrize(
    "names", [(), ("GET /x",), ("null",), ("Warehouse", "Marketplace"), ("a;b",)]
)
def test_an_answer_without_a_known_column_is_no_export(names: tuple[str, ...]) -> None:
    with pytest.raises(Malformed, match="no export"):
        Layout(wire.WAREHOUSES, names)


def test_two_columns_with_one_name_are_refused() -> None:
    with pytest.raises(Malformed, match="two columns of the answer are area_skus"):
        Layout(wire.INVENTORY, ["SKU", "ASIN", "area_skus"])


def test_a_view_without_sku_and_asin_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="no SKU or ASIN column") as caught:
        Layout(wire.INVENTORY, ["Product Name", "FBA Available Stock"])
    assert "sostocked.view_id" in str(caught.value)
    Layout(wire.INVENTORY, ["SKU"])
    Layout(wire.INVENTORY, ["ASIN"])


# ---- cells ---------------------------------------------------------------------------------------


def test_the_file_that_is_known() -> None:
    header, *rows = csv.reader(io.StringIO(BREAKDOWN_FILE))
    sheet = Converter(wire.WAREHOUSES, FIXED).sheet(Table(tuple(header), rows))
    first, second, third = (loads(row.line) for row in sheet.rows)
    assert {key: value for key, value in first.items() if value is not None} == {
        "account_id": "48213",
        "product_name": "Widget, Blue",
        "area_asins": "B000000001",
        "area_skus": "BW-1",
        "area_fn_skus": "X0001",
        "marketplace": "US",
        "warehouse": "Amazon AWD",
        "warehouses": 1204,
        "area_inv_stock": 310,
        "area_inv_inbound": 46129,
        "area_forecast_velocity_adj": Decimal("12.5"),
        "product_total_lost_sales": Decimal("2456.41"),
    }
    assert (second["warehouse"], second["warehouses"]) == ("ShipBob GA", 88)
    assert (third["warehouse"], third["warehouses"], third["area_inv_stock"]) == (None, None, 0)
    assert (sheet.extras, sheet.odd) == ((), {})


@kinds
@given(columns=st.sets(st.sampled_from(wire.IDS), max_size=20))
def test_every_property_is_in_every_record_and_null_where_it_did_not_come(
    kind: wire.Kind, columns: set[str]
) -> None:
    cells = {"area_asins": "B1"} | dict.fromkeys(columns, "5")
    record = converted(cells | {"area_skus": "s"}, kind=kind)
    assert record.keys() == kind.model.model_fields.keys()
    came = {name for name, value in record.items() if value is not None}
    assert came == {*columns, "area_asins", "area_skus", "account_id"}


@kinds
def test_records_fit_the_published_schema(kind: wire.Kind) -> None:
    schema = schema_files.published(kind.stream)
    everything = dict.fromkeys(kind.model.model_fields, "1.5")
    fixed = FIXED | ({"snapshot_date": "2025-01-01"} if kind is wire.SNAPSHOTS else {})
    names = tuple(name for name in everything if name not in fixed)
    table = Table(names, [["1.5"] * len(names)])
    (row,) = Converter(kind, fixed).sheet(table).rows
    record = json.loads(row.line)
    jsonschema.validate(record, schema)
    assert {name for name, value in record.items() if isinstance(value, float)} == wire.NUMBERS


@kinds
def test_descriptions_are_the_documents_labels_without_html(kind: wire.Kind) -> None:
    told = {name: field.description for name, field in kind.model.model_fields.items()}
    assert told["area_inv_stock"] == "FBA Available Stock"
    assert told["product_total_lost_sales"] == "Total Lost Sales"
    assert told["product_total_annual_sales"] == "Product total annual sales"
    assert all(text and "<" not in text for text in told.values())


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,204", 1204),
        ("1,234,567.50", Decimal("1234567.50")),
        ("-1,204", -1204),
        ("0", 0),
        ("007", 7),
        (" 12.5 ", Decimal("12.5")),
        ("76.0000", 76),
        ("0.1", Decimal("0.1")),
        ("9007199254740993", 2**53 + 1),
        ("18446744073709551617", 2**64 + 1),
        ("8.5E+2", 850),
        ("", None),
        ("  ", None),
        ("NaN", None),
    ],
)
def test_a_quantity_in_a_cell_is_exact(cell: str, number: Any) -> None:
    assert converted({"area_inv_stock": cell})["area_inv_stock"] == number


@pytest.mark.parametrize(
    "cell", ["1,5", "12,34", "1.204,5", "$5", "5 pcs", "many", "1e400", "Infinity", "9" * 5000, "-"]
)
def test_a_cell_that_is_no_number_is_null_and_counted_never_zero(cell: str) -> None:
    table = Table(("SKU", "FBA Available Stock"), [["a", cell], ["b", cell], ["c", "5"]])
    sheet = Converter(wire.INVENTORY, FIXED).sheet(table)
    assert [loads(row.line)["area_inv_stock"] for row in sheet.rows] == [None, None, 5]
    assert sheet.odd == {"area_inv_stock": 2}


@pytest.mark.parametrize("cell", ["8.50038E+11", " a ", "1,204", "a\nb", "BW-1\nBW-2", "0", "nan"])
def test_text_in_a_cell_stays_as_it_is(cell: str) -> None:
    record = converted({"product_upc_barcode": cell, "area_skus": cell})
    assert record["product_upc_barcode"] == record["area_skus"] == cell


@pytest.mark.parametrize("cell", ["", " ", "\t", "NaN"])
def test_a_blank_cell_is_null(cell: str) -> None:
    assert converted({"notes": cell})["notes"] is None


@given(st.text())
@example("a\x00b")
@example('",":null"product_name":null')
def test_any_text_arrives_exactly_or_is_blank(text: str) -> None:
    found = converted({"notes": text})["notes"]
    assert found == (text if text.strip() and text != "NaN" else None)


@given(st.text() | st.decimals().map(str) | st.integers().map("{:,}".format))
def test_any_cell_of_a_quantity_is_that_number_or_null_and_counted(text: str) -> None:
    table = Table(("SKU", "area_inv_stock"), [["a", text]])
    sheet = Converter(wire.INVENTORY, FIXED).sheet(table)
    number = loads(sheet.rows[0].line)["area_inv_stock"]
    if number is None:
        assert sheet.odd == ({} if text.strip() in {"", "NaN"} else {"area_inv_stock": 1})
    else:
        assert number == Decimal(text.replace(",", ""))


# ---- JSON rows -----------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(json_values)
@example("cut \ud83d")
@example([{"area_type": 1, "area_id": 5, "area_name": "UK", "values": ["B0XXXXXXXX"]}])
def test_any_json_value_of_a_text_column_arrives_exactly(value: Any) -> None:
    found = converted({"area_skus": "a", "notes": value}, is_json=True)["notes"]
    if value is None or isinstance(value, str):
        assert found == value
    elif isinstance(value, bool | list | dict):
        assert loads(found.encode()) == value
    else:
        assert found == str(value)


@given(json_values)
@example("1,204")
@example("")
def test_any_json_value_of_a_quantity_arrives_exactly_or_not_at_all(value: Any) -> None:
    row = {"area_skus": "BW-1", "product_name": "Widget", "area_inv_stock": value}
    if isinstance(value, bool | list | dict) or (isinstance(value, str) and not is_number(value)):
        with pytest.raises(Malformed, match=r"Widget.*area_inv_stock"):
            converted(row, is_json=True)
        return
    blank = value is None or (isinstance(value, str) and not value.strip())
    expected = None if blank else Decimal(str(value).replace(",", ""))
    assert converted(row, is_json=True)["area_inv_stock"] == expected


def is_number(text: str) -> bool:
    try:
        return wire.cell_number(text, "") is not None or not text.strip()
    except Malformed:
        return False


@pytest.mark.parametrize("value", ["many", "NaN", "1e400", True, [3], {}])
def test_a_json_quantity_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(Malformed, match="area_inv_stock"):
        converted({"area_skus": "a", "area_inv_stock": value}, is_json=True)


def test_rows_without_anything_in_them_are_no_export() -> None:
    with pytest.raises(Malformed, match="no export"):
        Converter(wire.INVENTORY, FIXED).sheet(Table((), [[]], is_json=True))
    assert Converter(wire.INVENTORY, FIXED).sheet(Table((), [], is_json=True)).rows == []


# ---- what tells rows apart -----------------------------------------------------------------------


@given(st.lists(st.sampled_from(["", "a", "b", "a,b", '"', "\\"]), min_size=14, max_size=14))
def test_rows_have_one_identity_exactly_when_all_parts_of_a_key_are_equal(cells: list[str]) -> None:
    table = Table(wire.IDENTITY, [cells[:7], cells[7:]])
    first, second = Converter(wire.WAREHOUSES, FIXED).sheet(table).rows
    assert (first.identity == second.identity) == (cells[:7] == cells[7:])
