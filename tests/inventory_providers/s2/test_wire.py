"""Promises of the mapping between S2's document and our records."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inventory_providers import schema_files, times
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps, loads
from inventory_providers.once import Reader
from inventory_providers.records import camel
from inventory_providers.s2 import PROVIDER, wire
from tests.inventory_providers.s2.examples import OVERVIEW_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

EXAMPLE = loads(OVERVIEW_ANSWER.encode())
READERS: dict[str, Callable[[], Reader[wire.Row]]] = {
    "warehouses": wire.warehouses,
    "products": wire.products,
    "items": wire.ItemReader,
}
MODELS: dict[str, type[BaseModel]] = {
    "warehouses": wire.WarehouseRecord,
    "products": wire.ProductRecord,
    "items": wire.ItemRecord,
}
STREAMS = dict(zip(READERS, PROVIDER.streams, strict=True))
OAKVILLE = "9cae310d-c440-4d78-bdc0-bf306ec33888"


def rows(name: str, *raw: Any) -> list[wire.Row]:
    return list(READERS[name]().rows(dumps(raw)))


def record(name: str, raw: Any) -> dict[str, Any]:
    (row,) = rows(name, raw)
    found: dict[str, Any] = loads(row.line)
    return found


def documented(name: str) -> list[dict[str, Any]]:
    return [record(name, raw) for raw in EXAMPLE[name]]


def item(**level: Any) -> dict[str, Any]:
    """The first item of the document, with changes."""
    first = EXAMPLE["items"][0]
    return {**first, "level": {**first["level"], **level}}


# ---- the document's example ----------------------------------------------------------------------


def test_the_warehouses_of_the_document() -> None:
    first, second = documented("warehouses")
    assert first == {
        "id": OAKVILLE,
        "organization": {
            "id": "e8b021f4-9ab3-4fc2-af71-f35930759888",
            "name": "test organization",
            "created_at": "2024-04-01T14:09:14.732646Z",
            "updated_at": "2024-04-09T21:15:15.615765Z",
        },
        "name": "test warehouse",
        "address": {
            "name": "GDI",
            "company": "",
            "address1": "test warehouse Rd Unit 3",
            "address2": "",
            "city": "Oakville",
            "state": "ON",
            "postal_code": "L6L 2X8",
            "country_id": "CA",
            "phone": "",
            "email": "",
        },
        "dropshipper": True,
        "fulfillment_center": True,
        "rma_center": True,
        "unit_system": "METRIC",
        "created_at": "2024-04-01T14:18:10.903581Z",
        "updated_at": "2024-04-01T14:18:10.903581Z",
    }
    assert second["organization"]["name"] == "Sellersoft"
    assert second["address"]["company"] == "Ventmere"


def test_the_products_of_the_document() -> None:
    first, *others = documented("products")
    assert first == {
        "id": "3775cc37-30e7-4579-a58e-c9adda6fa888",
        "organization": {
            "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
            "name": "test organization",
            "created_at": "2024-03-05T22:17:23.520948Z",
            "updated_at": "2024-04-09T21:15:15.615765Z",
        },
        "sku": "test",
        "brand": {
            "id": "e0cbbf33-cbea-4867-9fd9-5d72f22c2321",
            "name": "Sony",
            "name_normalized": "sony",
            "created_at": "2024-06-04T03:16:22.617577Z",
        },
        "gtin": "7045557638888",
        "name": "Test Product",
        "remarks": "test.",
        "image_main": (
            "95d73baf-76ba-4bea-86ac-1534c5e5d4aa/2024-04-23/avatar/"
            "听雨__24_x_26.25__PFPWig_4_YXKT59pJLuoIk82VgaF.jpg"
        ),
        "package_length_mm": Decimal("33.27078"),
        "package_width_mm": Decimal("64.29312"),
        "package_height_mm": Decimal("96.57682"),
        "shipping_weight_kg": Decimal("76.44365"),
        "case_unit": "EACH",
        "case_pack": 2,
        "case_length_mm": Decimal("34.340958"),
        "case_width_mm": Decimal("20.323586"),
        "case_height_mm": Decimal("12.659683"),
        "case_weight_kg": Decimal("0.35708416"),
        "condition": "NEW",
        "serial_number_required": True,
        "expiry_date_required": True,
        "unknown": False,
        "created_at": "2024-06-04T03:16:22.617577Z",
        "updated_at": "2024-06-04T03:31:28.192345Z",
        "other_ids": "[]",
    }
    assert [other["sku"] for other in others] == [
        "MX03-N-BLUE",
        "SKU-GREY",
        "TEST-BLACK",
        "S600-LIGHT-GRAY",
    ]
    for other in others:
        assert (other["remarks"], other["image_main"]) == ("", "")
        assert (other["brand"]["name"], other["brand"]["name_normalized"]) == ("", "")
        assert other["case_length_mm"] == 0
    assert others[2]["gtin"] == "871160888"
    assert others[2]["case_pack"] == 0


def test_the_items_of_the_document() -> None:
    found = [
        (r["product_id"], r["available"], r["incoming"], r["reserved"], r["updated_at"])
        for r in documented("items")
    ]
    assert found == [
        ("f4053402-e79b-45c2-8621-377d28060888", 0, 0, -13, "2024-06-03T03:40:41.743844Z"),
        ("440352eb-241a-4cac-834f-e0980ffc888", 11, 0, -7, "2024-06-03T03:40:41.743844Z"),
        ("bab7c35b-2ecb-4b40-be82-8dc1e0a86171", 17, 0, -7, "2024-06-04T05:53:31.054574Z"),
        ("4d5ab278-86f3-4237-993b-b16a19360b41", 9, 0, 0, "2024-04-01T15:06:00.817191Z"),
        ("3775cc37-30e7-4579-a58e-c9adda6fa888", 0, 0, -2, "2024-06-04T05:53:31.054574Z"),
    ]
    assert {r["warehouse_id"] for r in documented("items")} == {OAKVILLE}


def test_every_item_of_the_document_comes_although_three_of_five_match_no_product() -> None:
    known = {product["id"] for product in documented("products")}
    strangers = [each for each in documented("items") if each["product_id"] not in known]
    assert len(strangers) == 3
    assert sum(each["available"] for each in strangers) == 37
    assert sum(each["available"] for each in documented("items")) == 37
    assert {len(each["product_id"]) for each in strangers} == {35, 36}


@pytest.mark.parametrize("name", READERS)
def test_the_records_of_the_document_fit_the_published_schema_and_the_model(name: str) -> None:
    schema = schema_files.published(STREAMS[name].name)
    for found in documented(name):
        plain = json.loads(dumps(found))
        jsonschema.validate(plain, schema)
        MODELS[name].model_validate(plain)


def snake(raw: Any) -> Any:
    """The names of the document in a row as those of a record."""
    if not isinstance(raw, dict):
        return raw
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in n): raw[n] for n in raw}


@pytest.mark.parametrize("name", ["warehouses", "products"])
def test_every_property_of_the_document_is_in_the_record_and_no_other(name: str) -> None:
    for raw, found in zip(EXAMPLE[name], documented(name), strict=True):
        assert found.keys() == snake(raw).keys()
        for part, value in raw.items():
            if isinstance(value, dict):
                assert found[snake({part: 0}).popitem()[0]].keys() == snake(value).keys()


def test_every_property_of_an_item_is_in_the_record_and_no_other() -> None:
    for raw, found in zip(EXAMPLE["items"], documented("items"), strict=True):
        assert found.keys() == {"warehouse_id"} | snake(raw["level"]).keys()


def test_the_example_is_nothing_to_report(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for name in READERS:
            documented(name)
    assert not caplog.records


# ---- what was not sent ---------------------------------------------------------------------------

CASES = [(name, field) for name in READERS for field in MODELS[name].model_fields]
KEYS = {
    ("warehouses", "id"),
    ("products", "id"),
    ("items", "warehouse_id"),
    ("items", "product_id"),
}
OTHERS = [case for case in CASES if case not in KEYS]


def without(name: str, field: str) -> dict[str, Any]:
    raw = loads(dumps(EXAMPLE[name][0]))
    del (raw["level"] if name == "items" else raw)[camel(field)]
    return dict(raw)


def with_null(name: str, field: str) -> dict[str, Any]:
    raw = loads(dumps(EXAMPLE[name][0]))
    (raw["level"] if name == "items" else raw)[camel(field)] = None
    return dict(raw)


@pytest.mark.parametrize(("name", "field"), OTHERS)
@pytest.mark.parametrize("change", [without, with_null])
def test_what_was_not_sent_is_null_never_zero_or_empty(
    name: str, field: str, change: Callable[[str, str], dict[str, Any]]
) -> None:
    found = record(name, change(name, field))
    expected = documented(name)[0]
    assert found == {**expected, field: None}


@pytest.mark.parametrize("name", ["warehouses", "products"])
def test_parts_are_complete_where_nothing_stands_in_them(name: str) -> None:
    parts = {field for field, value in documented(name)[0].items() if isinstance(value, dict)}
    bare = {"id": "x", **{camel(part): {} for part in parts}}
    found = record(name, bare)
    assert parts
    for part in parts:
        assert found[part] == dict.fromkeys(documented(name)[0][part])


def test_an_item_with_nothing_but_its_key() -> None:
    assert record("items", {"warehouseId": "w", "level": {"productId": "p"}}) == {
        "warehouse_id": "w",
        "product_id": "p",
        "available": None,
        "incoming": None,
        "reserved": None,
        "updated_at": None,
    }


# ---- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["warehouses", "products"])
@pytest.mark.parametrize(
    ("key", "state"),
    [(..., "missing"), (None, "empty"), ("", "empty"), (5, "not text"), ([], "not text")],
    ids=str,
)
def test_a_row_without_its_id_is_named(name: str, key: Any, state: str) -> None:
    raw = {**EXAMPLE[name][0], "id": key}
    if key is ...:
        del raw["id"]
    reader = READERS[name]()
    for read in (reader.keys, reader.rows):
        with pytest.raises(Malformed) as caught:
            list(read(dumps([raw])))
        assert caught.value.message == f"id is {state} in the row with name {raw['name']!r}"


def keyless(name: str, key: Any) -> dict[str, Any]:
    changed = {**EXAMPLE["items"][0], "level": dict(EXAMPLE["items"][0]["level"])}
    place = changed["level"] if name == "productId" else changed
    place[name] = key
    if key is ...:
        del place[name]
    return changed


@pytest.mark.parametrize("name", ["warehouseId", "productId"])
@pytest.mark.parametrize(
    ("key", "state"),
    [(..., "missing"), (None, "empty"), ("", "empty"), (5, "not text"), ({}, "not text")],
    ids=str,
)
def test_an_item_without_a_part_of_its_key_is_named_by_the_other(
    name: str, key: Any, state: str
) -> None:
    raw = keyless(name, key)
    other = OAKVILLE if name == "productId" else "f4053402-e79b-45c2-8621-377d28060888"
    good = item(productId="another")
    for read in (wire.ItemReader().keys, wire.ItemReader().rows):
        with pytest.raises(Malformed, match=f"{name} is {state} in the row with .*{other}"):
            list(read(dumps([good, raw])))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"warehouseId": "w"}, "level is missing in the item with warehouseId 'w'"),
        ({"warehouseId": "w", "level": None}, "level is missing in the item with warehouseId 'w'"),
        ({"warehouseId": "w", "level": 3}, "level is no object in the item with warehouseId 'w'"),
        ({"level": []}, "level is no object in the item with warehouseId None"),
        ({}, "level is missing in the item with warehouseId None"),
        ([], "a row is not an object"),
        (None, "a row is not an object"),
        ("item", "a row is not an object"),
    ],
    ids=json.dumps,
)
def test_an_item_without_a_level_is_named(raw: Any, message: str) -> None:
    for read in (wire.ItemReader().keys, wire.ItemReader().rows):
        with pytest.raises(Malformed) as caught:
            list(read(dumps([raw])))
        assert caught.value.message == message


@pytest.mark.parametrize("name", READERS)
def test_the_key_of_a_row_is_its_primary_key(name: str) -> None:
    reader = READERS[name]()
    piece = dumps(EXAMPLE[name])
    keys = [tuple(found[part] for part in STREAMS[name].primary_key) for found in documented(name)]
    assert [row.key for row in reader.rows(piece)] == keys
    assert list(reader.keys(piece)) == keys


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["available", "incoming", "reserved"])
@pytest.mark.parametrize(
    ("raw", "written"),
    [
        (b"0", b"0"),
        (b"-13", b"-13"),
        (b"-0", b"0"),
        (b"-0.0", b"-0.0"),
        (b"1.50", b"1.50"),
        (b"12345678901234567.8901", b"12345678901234567.8901"),
        (b"9007199254740993", b"9007199254740993"),
        (b"9007199254740993.0", b"9007199254740993.0"),
        (b"9223372036854775808", b"9223372036854775808"),
        (b"18446744073709551617", b"18446744073709551617"),
        (b"1" + b"0" * 400, b"1" + b"0" * 400),
        (b'"76.0000"', b"76"),
        (b'"-7"', b"-7"),
        (b'""', b"null"),
        (b"null", b"null"),
    ],
)
def test_a_quantity_arrives_digit_by_digit(field: str, raw: bytes, written: bytes) -> None:
    level = b'{"productId":"p","%b":%b}' % (field.encode(), raw)
    (row,) = wire.ItemReader().rows(b'[{"warehouseId":"w","level":%b}]' % level)
    assert b'"%b":%b' % (field.encode(), written) in row.line
    loads(row.line)


@pytest.mark.parametrize("raw", [True, [], {}, "many", "1,000", "NaN", "1e400", "0x10"], ids=str)
def test_a_quantity_that_is_none_is_named_with_its_row(raw: Any) -> None:
    with pytest.raises(Malformed) as caught:
        rows("items", item(available=raw))
    assert "level.available" in caught.value.message
    assert OAKVILLE in caught.value.message
    assert "f4053402-e79b-45c2-8621-377d28060888" in caught.value.message


@pytest.mark.parametrize(
    ("name", "path", "raw"),
    [
        ("warehouses", "name", {}),
        ("warehouses", "dropshipper", "maybe"),
        ("warehouses", "address", "Oakville"),
        ("warehouses", "createdAt", "soon"),
        ("products", "casePack", "a dozen"),
        ("products", "shippingWeightKg", True),
        ("products", "brand", ["Sony"]),
        ("products", "unknown", 2),
        ("products", "updatedAt", 1718069402),
        ("products", "gtin", True),
    ],
)
def test_a_wrong_value_is_named_with_its_row(name: str, path: str, raw: Any) -> None:
    key = EXAMPLE[name][0]["id"]
    with pytest.raises(Malformed) as caught:
        rows(name, {**EXAMPLE[name][0], path: raw})
    assert caught.value.message.startswith(f"row {key}: {path} is ")


@pytest.mark.parametrize(
    "raw",
    [[], [{"type": "ASIN", "ids": ["B0", None, Decimal("1.50")]}], {}, "one", "cut \ud83d", 5],
    ids=repr,
)
def test_other_ids_stay_as_they_came(raw: Any) -> None:
    found = record("products", {**EXAMPLE["products"][0], "otherIds": raw})["other_ids"]
    assert isinstance(found, str)
    assert loads(found.encode()) == raw


@pytest.mark.parametrize("gtin", ["007045557638", "871160888", ""])
def test_a_gtin_is_text(gtin: str) -> None:
    assert record("products", {**EXAMPLE["products"][0], "gtin": gtin})["gtin"] == gtin


@pytest.mark.parametrize("word", ["PALLET", "", "each"])
def test_words_other_than_those_of_the_example_are_kept(word: str) -> None:
    raw = {**EXAMPLE["products"][0], "caseUnit": word, "condition": word}
    found = record("products", raw)
    assert (found["case_unit"], found["condition"]) == (word, word)


@pytest.mark.parametrize(
    "text", ["cut \ud83d", "a\x00b", "\U0001f455", "\u05d7\u202eabc\u202c", "\u2028", "e\u0301"]
)
@pytest.mark.parametrize(("name", "field"), [("warehouses", "name"), ("products", "sku")])
def test_text_arrives_character_by_character(name: str, field: str, text: str) -> None:
    assert record(name, {**EXAMPLE[name][0], field: text})[field] == text


@pytest.mark.parametrize("key", ["cut \ud83d", "\U0001f455", "x" * 1000, " "])
def test_an_id_need_not_be_a_uuid(key: str) -> None:
    raw = {"warehouseId": key, "level": {"productId": key}}
    assert rows("items", raw)[0].key == (key, key)
    assert record("items", raw)["product_id"] == key


@pytest.mark.parametrize("raw", [None, ""])
def test_no_time_is_null_never_the_epoch(raw: Any) -> None:
    (row,) = rows("items", item(updatedAt=raw))
    assert row.moment is None
    assert loads(row.line)["updated_at"] is None


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("2024-06-03T03:40:41.743844Z", "2024-06-03T03:40:41.743844Z"),
        ("2024-06-03T03:40:41.000000Z", "2024-06-03T03:40:41Z"),
        ("2024-06-03T03:40:41.000001Z", "2024-06-03T03:40:41.000001Z"),
        ("2024-06-03T03:40:41Z", "2024-06-03T03:40:41Z"),
        ("2024-06-03T03:40:41.5Z", "2024-06-03T03:40:41.500000Z"),
        ("2024-06-03T05:40:41.743844+02:00", "2024-06-03T03:40:41.743844Z"),
        ("2024-06-03T03:40:41.743844", "2024-06-03T03:40:41.743844Z"),
        ("2024-06-03 03:40:41.743844Z", "2024-06-03T03:40:41.743844Z"),
        ("2024-W23-1T03:40:41.743844Z", "2024-06-03T03:40:41.743844Z"),
    ],
)
def test_a_time_keeps_its_microseconds(raw: str, written: str) -> None:
    (row,) = rows("items", item(updatedAt=raw))
    assert loads(row.line)["updated_at"] == written
    assert row.moment == times.parse(written)


@pytest.mark.parametrize("raw", ["soon", "2024-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", 5])
def test_a_time_that_is_none_is_named_with_its_row(raw: Any) -> None:
    with pytest.raises(Malformed, match=r"level\.updatedAt is ") as caught:
        rows("items", item(updatedAt=raw))
    assert OAKVILLE in caught.value.message


# ---- what the document does not know -------------------------------------------------------------


def test_unknown_properties_of_an_item_are_left_out_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = wire.ItemReader()
    odd = {**item(onHold=3), "note": "x"}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found = [loads(row.line) for row in reader.rows(dumps([item(), odd]))]
    assert found[0] == found[1] == documented("items")[0]
    said = [entry.getMessage() for entry in caplog.records]
    prefix = "s2_inventory_items: left out, not in the document: "
    assert sorted(said) == [f"{prefix}level.onHold", f"{prefix}note"]


def test_a_property_beside_the_level_is_never_taken_for_one_of_the_level() -> None:
    raw = {"warehouseId": "w", "available": 5, "productId": "x", "level": {"productId": "p"}}
    found = record("items", raw)
    assert (found["product_id"], found["available"]) == ("p", None)
    raw = {"warehouseId": "w", "level": {"productId": "p", "warehouseId": "x", "available": 1}}
    assert record("items", raw)["warehouse_id"] == "w"


@pytest.mark.parametrize("name", ["warehouses", "products"])
def test_unknown_properties_of_parts_are_reported_too(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    raw = {**EXAMPLE[name][0], "brandNew": 1, "organization": {"id": "x", "vat": 2}}
    with caplog.at_level(logging.WARNING):
        found = record(name, raw)
    assert found.keys() == documented(name)[0].keys()
    assert "brandNew" in caplog.text
    assert "organization.vat" in caplog.text


# ---- the quick way and the other -----------------------------------------------------------------

texts = st.text(max_size=6) | st.sampled_from(
    ["", "5", "76.0000", "NaN", "1e400", "cut \ud83d", "p", OAKVILLE]
)
when = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}") | st.sampled_from(
    ["", "soon", "2024-W23-1T03:40:41.743844Z", "2024-06-03", "2024-06-03T05:40:41+02:00"]
)
numbers = (
    st.integers(-20, 20)
    | st.integers()
    | st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400])
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts | when,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
usual_levels = st.fixed_dictionaries(
    {"productId": st.text(min_size=1, max_size=4)},
    optional={
        "available": numbers,
        "incoming": st.none() | numbers,
        "reserved": st.integers(),
        "updatedAt": st.none() | when,
    },
)
odd_levels = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("productId", "available", "incoming", "reserved", "updatedAt", "new", "level"), anything
    ),
)
usual_items = st.fixed_dictionaries(
    {"warehouseId": st.text(min_size=1, max_size=4), "level": usual_levels}
)
odd_items = st.fixed_dictionaries(
    {}, optional={"warehouseId": anything, "level": odd_levels | anything, "available": anything}
)


def outcome(read: Callable[[], Any]) -> Any:
    try:
        return [(row.key, loads(row.line), row.moment) for row in read()]
    except Malformed as error:
        return error.message


def other_way(piece: bytes) -> Any:
    """What the plain functions make of the items."""
    reader = wire.ItemReader()
    return outcome(lambda: Reader.rows(reader, piece))


@given(st.lists(usual_items | odd_items, max_size=3))
@example([{"warehouseId": "w", "available": 5, "level": {"productId": "p"}}])
@example([{"warehouseId": "w", "level": {"productId": "p", "updatedAt": ""}}])
@example([{"warehouseId": "w", "level": {"productId": "p", "available": "5"}}])
@example([{"warehouseId": "", "level": {"productId": "p"}}])
def test_both_ways_make_the_same_of_any_items(items: list[Any]) -> None:
    piece = dumps(items)
    found = outcome(lambda: wire.ItemReader().rows(piece))
    assert found == other_way(piece)
    if not isinstance(found, str):
        assert list(wire.ItemReader().keys(piece)) == [key for key, _, _ in found]


@given(usual_items | odd_items)
@example({"warehouseId": "w", "level": {"productId": "p", "available": Decimal("1.0")}})
@example({"warehouseId": "w", "level": {"productId": "p", "updatedAt": "2024-06-03"}})
def test_what_the_quick_way_takes_the_other_takes_the_same_way(raw: Any) -> None:
    """It refuses more: numbers that are text or have a fraction, half characters, new names."""
    piece = dumps([raw])
    try:
        quick = [wire._quickly(one) for one in wire._items.decode(piece)]
    except wire._NOT_PLAIN:
        return
    assert other_way(piece) == outcome(lambda: quick)


def test_items_as_documented_go_the_quick_way() -> None:
    quick = [wire._quickly(one) for one in wire._items.decode(dumps(EXAMPLE["items"]))]
    assert [loads(row.line) for row in quick] == documented("items")


@given(st.lists(odd_items | usual_items, min_size=1, max_size=3))
def test_any_item_arrives_exactly_or_its_row_is_named(items: list[Any]) -> None:
    found = outcome(lambda: wire.ItemReader().rows(dumps(items)))
    if isinstance(found, str):
        assert any(word in found for word in ("row ", "item "))
        return
    for raw, (_, made, moment) in zip(items, found, strict=True):
        level = raw["level"]
        assert made["warehouse_id"] == raw["warehouseId"]
        assert made["product_id"] == level["productId"]
        for name in ("available", "incoming", "reserved"):
            sent = level.get(name)
            is_sent = sent is not None and str(sent).strip()
            assert made[name] == (Decimal(sent) if is_sent else None)
        sent = level.get("updatedAt") or None
        assert made["updated_at"] == (sent and times.rfc3339(times.parse(sent)))
        assert moment == (times.parse(sent) if sent else None)


@given(
    st.sampled_from([case for case in OTHERS if case[0] != "items"]),
    anything,
)
def test_any_value_of_any_property_arrives_or_row_and_property_are_named(
    case: tuple[str, str], value: Any
) -> None:
    name, field = case
    raw = {**EXAMPLE[name][0], camel(field): value}
    try:
        found = record(name, raw)
    except Malformed as error:
        start = f"row {EXAMPLE[name][0]['id']}: {camel(field)}"
        assert error.message.startswith(start)  # noqa: PT017
        return
    expected = documented(name)[0]
    assert found.keys() == expected.keys()
    assert {**found, field: None} == {**expected, field: None}
    if value is None:
        assert found[field] is None
    schema = schema_files.published(STREAMS[name].name)
    jsonschema.validate(json.loads(json.dumps(found, default=float)), schema)
