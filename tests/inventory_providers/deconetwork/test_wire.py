"""Promises of the mapping between DecoNetwork's document, our records and what is written."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import schema_files, values
from inventory_providers.contract import Change, Wish
from inventory_providers.deconetwork import wire
from inventory_providers.errors import Malformed, Rejected
from inventory_providers.jsonio import loads
from tests.inventory_providers.deconetwork.examples import FIND_ANSWER

(EXAMPLE,) = json.loads(FIND_ANSWER)["inventories"]
LIVE = {"inv_on": True, "inv_lvl": 3, "inv_warn": 2, "inv_reorder_to": 3}


def converted(**changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = loads(wire.to_row({**EXAMPLE, **changes}).line)
    return record


def test_the_row_of_the_document() -> None:
    assert converted() == {
        "product_id": "19617",
        "product_code": "5170",
        "product_name": "ComfortSoft 50/50 Cotton/Poly T Shirt",
        "supplier": "Sanmar",
        "sku": "312033",
        "vendor_sku": "312033",
        "dn_sku_id": "19617_1378",
        "dn_vsku_id": "1064_1378",
        "product_size": {"option_id": "2", "name": "Medium", "code": "M", "sub_sizes": "[]"},
        "product_color": {"id": "35345", "name": "White"},
        "inv_on": True,
        "inv_lvl": 3,
        "inv_warn": 2,
        "inv_reorder_to": 3,
        "inv_on_order_po": 4,
        "inv_on_order_stk": 1,
        "inv_on_order_total": 5,
        "inv_last_modified": "2018-10-01T00:00:00Z",
    }


def test_the_record_of_the_document_fits_the_published_schema_and_the_model() -> None:
    jsonschema.validate(converted(), schema_files.published("deconetwork_inventory"))
    wire.InventoryRecord.model_validate(converted())


def test_every_property_of_the_document_is_in_the_record() -> None:
    assert converted().keys() == EXAMPLE.keys() == wire.DOCUMENTED


@pytest.mark.parametrize("name", [name for name in EXAMPLE if name != "dn_sku_id"])
def test_what_was_not_sent_is_null_never_zero(name: str) -> None:
    without = {key: value for key, value in EXAMPLE.items() if key != name}
    record = loads(wire.to_row(without).line)
    assert record.keys() == EXAMPLE.keys()
    assert record[name] is None
    assert converted(**{name: None})[name] is None


def test_a_field_that_is_not_in_the_document_is_left_out() -> None:
    assert "brand_new" not in converted(brand_new=1)


@pytest.mark.parametrize("date", [None, ""])
def test_no_date_is_null_never_the_epoch(date: Any) -> None:
    row = wire.to_row({**EXAMPLE, "inv_last_modified": date})
    assert row.modified is None
    assert loads(row.line)["inv_last_modified"] is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (-4, -4),
        ("76.0000", 76),
        (Decimal("0.1"), Decimal("0.1")),
        (2**63 + 1, 2**63 + 1),
        ("", None),
    ],
)
def test_quantities_are_exact(raw: Any, expected: Any) -> None:
    assert converted(inv_lvl=raw)["inv_lvl"] == expected


def test_sub_sizes_stay_as_they_came() -> None:
    sub_sizes = [{"a": 1, "b": [None, "x"]}]
    size = {**EXAMPLE["product_size"], "sub_sizes": sub_sizes}
    assert json.loads(converted(product_size=size)["product_size"]["sub_sizes"]) == sub_sizes


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"dn_sku_id": None},
        {"dn_sku_id": ""},
        {"dn_sku_id": 19617},
        {"dn_sku_id": []},
        [],
        None,
        "x",
        "",
        5,
    ],
    ids=str,
)
def test_a_row_without_its_key_is_named(row: Any) -> None:
    with pytest.raises(Malformed) as caught:
        wire.key_of({**row, "product_id": "77"} if isinstance(row, dict) else row)
    if isinstance(row, dict):
        assert "dn_sku_id" in str(caught.value)
        assert "77" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inv_lvl", "many"),
        ("inv_lvl", []),
        ("inv_on", "maybe"),
        ("product_size", []),
        ("product_color", "White"),
        ("inv_last_modified", "soon"),
        ("inv_last_modified", 5),
        ("sku", {}),
    ],
)
def test_a_wrong_value_is_named_with_its_row(name: str, value: Any) -> None:
    with pytest.raises(Malformed) as caught:
        wire.to_row({**EXAMPLE, name: value})
    assert name in str(caught.value)
    assert "19617_1378" in str(caught.value)


# ---- what is written -----------------------------------------------------------------------------


def test_the_taps_own_record_is_a_wish() -> None:
    wish = wire.to_wish(converted())
    assert wish.key == ("19617_1378",)
    assert wish.fields == LIVE
    assert (wish.expected, wish.extra, wish.event) == ({}, {}, None)


rows_of_the_shop = st.fixed_dictionaries(
    {
        "dn_sku_id": st.text("0123456789_", min_size=1),
        "inv_on": st.none() | st.booleans(),
        "inv_lvl": st.none() | st.integers(-100, 10**9),
        "inv_warn": st.none() | st.integers(0, 10**9),
        "inv_reorder_to": st.none() | st.integers(0, 10**9),
        "inv_last_modified": st.sampled_from([None, "", "2018-10-01T00:00:00"]),
        "sku": st.none() | st.text(max_size=5),
    }
)


@given(rows_of_the_shop)
def test_any_record_of_the_tap_is_accepted_and_equals_the_live_level(raw: dict[str, Any]) -> None:
    record = loads(wire.to_row(raw).line)
    live = wire.level_of(raw)
    try:
        wish = wire.to_wish(record)
    except Rejected:
        assert all(value is None for value in live.values())
        return
    change = Change(wish.key, before=live, after={**live, **wish.fields})
    assert change.is_none
    wire.check_change(change)


def test_null_means_leave_it() -> None:
    wish = wire.to_wish({"dn_sku_id": "a", "inv_lvl": 5, "inv_warn": None, "inv_on": None})
    assert wish.fields == {"inv_lvl": 5}


@pytest.mark.parametrize("name", ["inv_on", *wire.NUMBERS])
def test_every_field_that_can_be_written_can_be_expected(name: str) -> None:
    value = False if name == "inv_on" else 7
    wish = wire.to_wish({"dn_sku_id": "a", "inv_lvl": 5, f"expected_{name}": value})
    assert wish.expected == {name: value}


@pytest.mark.parametrize("value", ["true", 1, 0, [], Decimal(1)])
def test_an_expected_flag_is_a_flag(value: Any) -> None:
    with pytest.raises(Rejected, match="expected_inv_on"):
        wire.to_wish({"dn_sku_id": "a", "inv_lvl": 5, "expected_inv_on": value})


def test_expected_and_operator_go_along() -> None:
    wish = wire.to_wish(
        {
            "dn_sku_id": "a",
            "inv_lvl": 5,
            "expected_inv_lvl": 7,
            "operator_id": 12,
            "operator_login": "bob123",
        }
    )
    assert wish.expected == {"inv_lvl": 7}
    assert wish.extra == {"operator_id": "12", "operator_login": "bob123"}


BAD_QUANTITIES: dict[str, Any] = {
    "-5": -5,
    "5.5": Decimal("5.5"),
    "5.5 as float": 5.5,
    "NaN": Decimal("NaN"),
    "NaN as float": float("nan"),
    "sNaN": Decimal("sNaN"),
    "inf": Decimal("Infinity"),
    "inf as float": float("inf"),
    "-inf": float("-inf"),
    "true": True,
    "false": False,
    "empty text": "",
    "padded text": " 5 ",
    "1,000": "1,000",
    "text": "5",
    "[]": [],
    "{}": {},
    "[5]": [5],
    "10^30": 10**30,
    "1e30": Decimal("1e30"),
    "2^31": 2**31,
}


def checked(record: dict[str, Any]) -> Wish:
    """What the target does with a record before anything is sent."""
    wish = wire.to_wish(record)
    before = {**dict.fromkeys(wire.WRITABLE), **LIVE}
    wire.check_change(Change(wish.key, before, {**before, **wish.fields}, wish.fields))
    return wish


@pytest.mark.parametrize("field", wire.NUMBERS)
@pytest.mark.parametrize("name", BAD_QUANTITIES)
def test_a_bad_quantity_is_rejected(name: str, field: str) -> None:
    value = BAD_QUANTITIES[name]
    with pytest.raises(Rejected) as caught:
        checked({"dn_sku_id": "a", field: value})
    assert field in str(caught.value)


@pytest.mark.parametrize("field", wire.NUMBERS)
@pytest.mark.parametrize("value", [None, ...])
def test_a_missing_quantity_alone_is_nothing_to_write(field: str, value: Any) -> None:
    record = {"dn_sku_id": "a"} | ({} if value is ... else {field: value})
    with pytest.raises(Rejected, match="nothing to write"):
        wire.to_wish(record)


@pytest.mark.parametrize("value", [1, 0, "true", "on", [], Decimal(1)])
def test_a_bad_flag_is_rejected(value: Any) -> None:
    with pytest.raises(Rejected, match="inv_on"):
        wire.to_wish({"dn_sku_id": "a", "inv_on": value})


@pytest.mark.parametrize("key", [None, "", "  ", 5, [], {}, True, ...])
def test_a_bad_key_is_rejected(key: Any) -> None:
    with pytest.raises(Rejected, match="dn_sku_id"):
        wire.to_wish({"inv_lvl": 5} | ({} if key is ... else {"dn_sku_id": key}))


@pytest.mark.parametrize("value", ["7", True, [], "x", float("nan"), Decimal("NaN")])
def test_a_bad_expectation_is_rejected(value: Any) -> None:
    with pytest.raises(Rejected, match="expected_inv_lvl"):
        wire.to_wish({"dn_sku_id": "a", "inv_lvl": 5, "expected_inv_lvl": value})


@pytest.mark.parametrize("name", wire.OPERATOR)
@pytest.mark.parametrize("value", ["", " ", True, [], {}, 1.5])
def test_a_bad_operator_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(Rejected, match=name):
        wire.to_wish({"dn_sku_id": "a", "inv_lvl": 5, name: value})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(
    st.fixed_dictionaries(
        {"dn_sku_id": st.just("a") | anything},
        optional={
            name: anything | st.integers(-10, 10)
            for name in (*wire.WRITABLE, *wire.OPERATOR, "expected_inv_lvl", "sku")
        },
    )
)
def test_whatever_comes_only_whole_numbers_of_a_shop_pass(record: dict[str, Any]) -> None:
    try:
        wish = checked(record)
    except Rejected:
        return
    assert wish.fields.keys() <= set(wire.WRITABLE)
    for name, value in wish.fields.items():
        if name in wire.NUMBERS:
            assert type(value) is int
            assert 0 <= value <= values.MOST_UNITS
        else:
            assert type(value) is bool
    for text in wish.extra.values():
        assert type(text) is str


def test_a_level_below_zero_that_already_stands_there_is_no_change() -> None:
    wire.check_change(Change(("a",), before={"inv_lvl": -4}, after={"inv_lvl": -4}))
