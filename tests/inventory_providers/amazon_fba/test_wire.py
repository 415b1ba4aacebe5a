"""Promises of the mapping between Amazon's inventory summaries and our records."""

from __future__ import annotations

import json
from copy import deepcopy
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import schema_files
from inventory_providers.amazon_fba import PROVIDER, wire
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import loads
from tests.inventory_providers.amazon_fba import examples
from tests.inventory_providers.amazon_fba.model import MODEL

US = "ATVPDKIKX0DER"
PLACE = wire.Place(US, "Marketplace", US)
(STREAM,) = PROVIDER.streams
STATIC = json.loads(examples.STATIC_ANSWER)["payload"]["inventorySummaries"]
EXAMPLE = STATIC[2]
FUTURE = json.loads(examples.FUTURE_SUPPLY)
BLOCKS = ("reservedQuantity", "researchingQuantity", "unfulfillableQuantity")


def converted(raw: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = loads(wire.to_row({**(raw or EXAMPLE), **changes}, PLACE).line)
    return record


def detailed(**changes: Any) -> dict[str, Any]:
    details: dict[str, Any] = converted(
        inventoryDetails={**EXAMPLE["inventoryDetails"], **changes}
    )["inventory_details"]
    return details


NOTHING_RESERVED = {
    "total_reserved_quantity": 0,
    "pending_customer_order_quantity": 0,
    "pending_transshipment_quantity": 0,
    "fc_processing_quantity": 0,
}
NOTHING_UNFULFILLABLE = {
    "total_unfulfillable_quantity": 0,
    "customer_damaged_quantity": 0,
    "warehouse_damaged_quantity": 0,
    "distributor_damaged_quantity": 0,
    "carrier_damaged_quantity": 0,
    "defective_quantity": 0,
    "expired_quantity": 0,
}


def test_the_row_of_the_static_example() -> None:
    assert converted() == {
        "asin": "B00T9QONN6",
        "fn_sku": "B00T9QONN6",
        "seller_sku": "Silicon Power 32GB",
        "condition": "NewItem",
        "inventory_details": {
            "fulfillable_quantity": 66,
            "inbound_working_quantity": 21,
            "inbound_shipped_quantity": 0,
            "inbound_receiving_quantity": 0,
            "reserved_quantity": NOTHING_RESERVED,
            "researching_quantity": {
                "total_researching_quantity": 0,
                "researching_quantity_breakdown": [
                    {"name": "researchingQuantityInShortTerm", "quantity": 0},
                    {"name": "researchingQuantityInMidTerm", "quantity": 0},
                    {"name": "researchingQuantityInLongTerm", "quantity": 0},
                ],
            },
            "unfulfillable_quantity": NOTHING_UNFULFILLABLE,
            "future_supply_quantity": None,
        },
        "last_updated_time": "2018-03-31T23:40:39Z",
        "product_name": (
            "Silicon Power 32GB up to 85MB/s MicroSDHC UHS-1 Class10, Elite Flash Memory Card with "
            "Adaptor (SP032GBSTHBU1V20SP)"
        ),
        "total_quantity": 87,
        "stores": None,
        "marketplace_id": US,
        "granularity_type": "Marketplace",
        "granularity_id": US,
    }


@pytest.mark.parametrize("raw", STATIC[:2], ids=lambda raw: raw["sellerSku"])
def test_an_item_never_touched_has_no_time_and_an_empty_breakdown(raw: dict[str, Any]) -> None:
    record = converted(raw)
    assert record["last_updated_time"] is None
    researching = record["inventory_details"]["researching_quantity"]
    assert researching == {"total_researching_quantity": 0, "researching_quantity_breakdown": []}
    assert (record["asin"], record["fn_sku"]) == ("B0020MLK00", "B0020MLK00")


def test_the_future_supply_that_no_document_names() -> None:
    assert detailed(**FUTURE)["future_supply_quantity"] == {
        "reserved_future_supply_quantity": 0,
        "future_supply_buyable_quantity": 30,
    }


@pytest.mark.parametrize("raw", STATIC, ids=lambda raw: raw["sellerSku"])
def test_the_rows_of_the_example_fit_the_published_schema_and_the_model(
    raw: dict[str, Any],
) -> None:
    record = converted(raw) | {"synced_at": "2026-03-01T12:00:00Z"}
    jsonschema.validate(record, schema_files.generate(STREAM))
    wire.SummaryRecord.model_validate(record)
    assert record.keys() == wire.SummaryRecord.model_fields.keys()


# ---- every property ------------------------------------------------------------------------------


def documented(name: str, path: str = "") -> dict[str, str]:
    """The paths of a definition's properties, with their types, from the official model."""
    found: dict[str, str] = {}
    for key, raw in MODEL["definitions"][name]["properties"].items():
        part = raw
        while "$ref" in part:
            part = MODEL["definitions"][part["$ref"].rpartition("/")[2]]
        kind = part.get("type", "object")
        found[path + key] = kind
        if kind == "object":
            found |= documented(raw["$ref"].rpartition("/")[2], f"{path}{key}.")
    return found


PROPERTIES = documented("InventorySummary") | {
    "inventoryDetails.futureSupplyQuantity": "object",
    "inventoryDetails.futureSupplyQuantity.reservedFutureSupplyQuantity": "integer",
    "inventoryDetails.futureSupplyQuantity.futureSupplyBuyableQuantity": "integer",
}
FULL = deepcopy(EXAMPLE)
FULL["inventoryDetails"] |= FUTURE
FULL["stores"] = ["Sample Store"]


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The row with another value at a path; `...` takes the property away."""
    head, _, rest = path.partition(".")
    changed_one = changed(raw[head], rest, value) if rest else value
    kept = {key: old for key, old in raw.items() if key != head}
    return kept if changed_one is ... else kept | {head: changed_one}


def at(record: dict[str, Any], path: str) -> Any:
    found: Any = record
    for name in path.split("."):
        found = found[snake(name)]
    return found


def snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


def test_the_official_model_and_ours_have_the_same_properties() -> None:
    assert len(PROPERTIES) > 30
    record = converted(FULL)
    for path in PROPERTIES:
        assert at(record, path) is not None
    names = {snake(path) for path in PROPERTIES if "." not in path}
    assert names == wire.InventorySummary.model_fields.keys()


@pytest.mark.parametrize("value", [None, ...], ids=["null", "missing"])
@pytest.mark.parametrize("path", [path for path in PROPERTIES if path != "sellerSku"])
def test_what_was_not_sent_is_null_never_zero(path: str, value: Any) -> None:
    record = converted(changed(FULL, path, value))
    assert at(record, path) is None
    assert record.keys() == converted(FULL).keys()


def test_a_block_that_is_empty_has_every_property_null() -> None:
    details = detailed(**{name: {} for name in BLOCKS})
    assert details["reserved_quantity"] == dict.fromkeys(NOTHING_RESERVED)
    assert details["unfulfillable_quantity"] == dict.fromkeys(NOTHING_UNFULFILLABLE)
    assert details["researching_quantity"] == {
        "total_researching_quantity": None,
        "researching_quantity_breakdown": None,
    }


def test_an_entry_of_the_breakdown_has_both_properties() -> None:
    block = {"researchingQuantityBreakdown": [{"quantity": 3}, {"name": "x"}, None]}
    researching = detailed(researchingQuantity=block)["researching_quantity"]
    assert researching["researching_quantity_breakdown"] == [
        {"name": None, "quantity": 3},
        {"name": "x", "quantity": None},
        None,
    ]


QUANTITIES = [path for path, kind in PROPERTIES.items() if kind == "integer"]


@pytest.mark.parametrize("path", QUANTITIES)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (-4, -4),
        (2**63 + 1, 2**63 + 1),
        ("76.0000", 76),
        (Decimal("0.1"), Decimal("0.1")),
        ("", None),
    ],
)
def test_quantities_are_exact(path: str, raw: Any, expected: Any) -> None:
    assert at(converted(changed(FULL, path, raw)), path) == expected


@pytest.mark.parametrize(
    "sku",
    [
        "two words",
        "comma,inside",
        "slash/inside",
        "percent%20inside",
        "plus+inside",
        "hash#inside",
        "ampersand&inside",
        "5\" x 7' frame",
        "Größe-Ł-袖",
        "trailing blank ",
        "a\x00b",
        "\ud83d",
    ],
    ids=ascii,
)
def test_a_sku_stays_as_it_is(sku: str) -> None:
    raw = {**EXAMPLE, "sellerSku": sku}
    assert wire.key_of(raw) == sku
    assert converted(raw)["seller_sku"] == sku


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-09-26T14:15:32Z", "2024-09-26T14:15:32Z"),
        ("2024-09-26T16:15:32+02:00", "2024-09-26T14:15:32Z"),
        ("2024-09-26T14:15:32.5Z", "2024-09-26T14:15:32.500000Z"),
        ("", None),
        (None, None),
    ],
)
def test_times_are_in_one_form_and_in_utc(text: str | None, expected: str | None) -> None:
    assert converted(lastUpdatedTime=text)["last_updated_time"] == expected


# ---- what cannot be carried over -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("asin", {}),
        ("condition", True),
        ("lastUpdatedTime", "soon"),
        ("lastUpdatedTime", 5),
        ("totalQuantity", "many"),
        ("totalQuantity", True),
        ("totalQuantity", [1]),
        ("stores", "Sample Store"),
        ("stores", [{}]),
        ("inventoryDetails", []),
        ("inventoryDetails.fulfillableQuantity", "many"),
        ("inventoryDetails.reservedQuantity", 7),
        ("inventoryDetails.reservedQuantity.fcProcessingQuantity", {}),
        ("inventoryDetails.researchingQuantity.researchingQuantityBreakdown", {}),
        ("inventoryDetails.researchingQuantity.researchingQuantityBreakdown", [7]),
        ("inventoryDetails.futureSupplyQuantity", "none"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(path: str, value: Any) -> None:
    with pytest.raises(Malformed) as caught:
        converted(changed(FULL, path, value))
    assert path in str(caught.value)
    assert "Silicon Power 32GB" in str(caught.value)


def test_a_wrong_value_in_the_breakdown_is_named() -> None:
    block = {"researchingQuantityBreakdown": [{"name": "x", "quantity": "many"}]}
    with pytest.raises(Malformed, match=r"researchingQuantityBreakdown\.quantity"):
        detailed(researchingQuantity=block)


@pytest.mark.parametrize(
    "row", [{}, {"sellerSku": None}, {"sellerSku": ""}, {"sellerSku": 5}, [], None, "x"], ids=str
)
def test_a_row_without_its_key_has_none_and_can_be_described(row: Any) -> None:
    assert wire.key_of(row) is None
    raw = row | {"asin": "B00T9QONN6", "fnSku": "X001"} if isinstance(row, dict) else row
    told = wire.described(raw)
    assert told if not isinstance(row, dict) else ("B00T9QONN6" in told and "X001" in told)


def test_what_no_document_names_is_left_out_and_told() -> None:
    raw = deepcopy(FULL)
    raw["brandNew"] = 1
    raw["inventoryDetails"]["alsoNew"] = {"a": 1}
    raw["inventoryDetails"]["reservedQuantity"]["newToo"] = 1
    breakdown = raw["inventoryDetails"]["researchingQuantity"]["researchingQuantityBreakdown"]
    breakdown[1]["newest"] = 1
    row = wire.to_row(raw, PLACE)
    assert row.unknown == {
        "brandNew",
        "inventoryDetails.alsoNew",
        "inventoryDetails.reservedQuantity.newToo",
        "inventoryDetails.researchingQuantity.researchingQuantityBreakdown.newest",
    }
    assert loads(row.line) == converted(FULL)
    assert wire.to_row(FULL, PLACE).unknown == frozenset()


# ---- whatever comes ------------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(st.sampled_from([path for path in PROPERTIES if path != "sellerSku"]), anything)
def test_any_value_arrives_exactly_or_is_refused_by_name(path: str, value: Any) -> None:
    try:
        record = converted(changed(FULL, path, value))
    except Malformed as error:
        assert path in str(error)  # noqa: PT017 - which of the two comes is not known
        return
    found, kind = at(record, path), PROPERTIES[path]
    is_blank = isinstance(value, str) and not value.strip()
    if value is None or (is_blank and kind == "integer"):
        assert found is None
    elif kind == "integer":
        assert Decimal(found) == Decimal(value)
    elif kind == "string" and path != "lastUpdatedTime":
        assert found == str(value)
    jsonschema.validate(
        json.loads(json.dumps(record, default=float)), schema_files.generate(STREAM)
    )


optional_numbers = st.none() | st.integers(-(10**6), 10**6)


@given(
    st.fixed_dictionaries(
        {"sellerSku": st.text(min_size=1)},
        optional={
            "asin": st.none() | st.text(max_size=5),
            "lastUpdatedTime": st.sampled_from(["", None, "2018-03-31T23:40:39Z"]),
            "totalQuantity": optional_numbers,
            "stores": st.none() | st.lists(st.text(max_size=5), max_size=2),
            "inventoryDetails": st.none()
            | st.fixed_dictionaries(
                {},
                optional={
                    "fulfillableQuantity": optional_numbers,
                    "reservedQuantity": st.none()
                    | st.fixed_dictionaries(
                        {}, optional={"fcProcessingQuantity": optional_numbers}
                    ),
                },
            ),
        },
    )
)
def test_the_fast_way_and_the_slow_one_say_the_same(raw: dict[str, Any]) -> None:
    fast, slow = wire._to_row_fast(raw, PLACE), wire._to_row_slowly(raw, PLACE)
    assert loads(fast.line) == loads(slow.line)
    assert list(loads(fast.line)) == list(loads(slow.line))
    assert fast[1:] == slow[1:]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<p>",
        b"null",
        b"[]",
        b"{}",
        b'{"errors":[]}',
        b'{"errors":[1]}',
        b'{"errors":{}}',
        b'{"message":"no"}',
    ],
)
def test_a_body_without_errors_says_nothing(body: bytes) -> None:
    assert wire.failure_of(body) is None


def test_the_errors_of_an_answer_are_told_on_one_line() -> None:
    body = b'{"errors":[{"code":"A","message":"b\\nc","details":"d"},{"code":"E"},{}]}'
    failure = wire.failure_of(body)
    assert failure == (("A", "E"), "d ", "A: b c d; E")
