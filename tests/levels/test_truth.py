"""The second witness, held against the documents' examples: the numbers here are worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import levels, registry
from inventory_providers.amazon_fba.shelf import DOCUMENTED as AMAZON
from inventory_providers.deconetwork.sandbox import DOCUMENTED as DECONETWORK
from inventory_providers.s2.shelf import DOCUMENTED as S2
from inventory_providers.shipstream.shelf import DETAILED, Style, detailed_widgets
from tests.levels import truth
from tests.test_walls import imports_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inventory_providers.sandbox.room import Key, Row
    from tests.levels.truth import Levels, Values

SETTINGS: dict[str, dict[str, Any]] = {
    "sostocked": {"account_id": "4711"},
    "s2": {
        "api_url": "https://api.s2sell.io",
        "organization_id": "95d73baf-76ba-4bea-86ac-1534c5e5d4aa",
    },
    "shipstream": {"api_url": "https://your-company.shipstream.app/api/jsonrpc", "username": "us"},
    "deconetwork": {"api_url": "https://Shop.secure-decoration.com"},
    "amazon_fba": {"client_id": "amzn1.application-oa2-client.x"},
}
OAKVILLE = "9cae310d-c440-4d78-bdc0-bf306ec33888"
US, CA = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"


def _of(provider: str, streams: Mapping[str, Mapping[Key, Row]], **more: Any) -> Levels:
    return truth.expected(provider, streams.__getitem__, SETTINGS[provider] | more)


def _one(provider: str, row: Row, key: Key = ("",)) -> tuple[Key, Values]:
    (found,) = _of(provider, {truth.SOURCES[provider]: {key: row}}).items()
    return found


def _quantities(values: Values) -> list[Any]:
    return [values[name] for name in truth.QUANTITIES]


def test_every_source_is_the_one_that_the_room_declares() -> None:
    declared = {room.name: levels.source(room) for room in registry.providers()}
    assert {name: found and found.name for name, found in declared.items()} == truth.SOURCES


def test_the_properties_are_those_that_are_published() -> None:
    assert levels.LevelRecord.model_fields.keys() == truth.PROPERTIES
    assert (truth.STREAM, truth.KEY) == (levels.STREAM, levels.PRIMARY_KEY)


def test_deconetwork_has_three_on_hand_and_five_on_order() -> None:
    key, values = _one("deconetwork", DECONETWORK)
    site = "shop.secure-decoration.com"
    assert key == ("deconetwork", site, site, "312033", "19617_1378")
    assert _quantities(values) == [3, 3, None, 5, None]
    assert values["updated_at"] == datetime(2018, 10, 1, tzinfo=UTC)
    assert values["product_name"] == "ComfortSoft 50/50 Cotton/Poly T Shirt"


@pytest.mark.parametrize("tracked", [False, None])
def test_deconetwork_says_nothing_of_what_it_does_not_count(tracked: bool | None) -> None:
    _, values = _one("deconetwork", DECONETWORK | {"inv_on": tracked})
    assert _quantities(values) == [None, None, None, 5, None]


def _keyed(rows: Iterable[Row], *key: str) -> dict[Key, Row]:
    return {tuple(str(row[name]) for name in key): row for row in rows}


def _widgets() -> dict[str, dict[Key, Row]]:
    rows = [good.row(DETAILED, Style()) for good in detailed_widgets()]
    return {truth.SOURCES["shipstream"]: _keyed(rows, "sku")}


def test_shipstream_has_a_row_of_sums_and_one_for_each_warehouse() -> None:
    found = {key[2:]: _quantities(values) for key, values in _of("shipstream", _widgets()).items()}
    one, five = ("BlueWidget-1",) * 2, ("BlueWidget-5",) * 2
    assert found == {
        ("0", *one): [10, 8, 2, 0, 0],
        ("1", *one): [10, 8, 2, 0, None],
        ("2", *one): [0, 0, 0, 0, None],
        ("3", *one): [0, 0, 0, 0, None],
        ("0", *five): [99, 98, 1, 0, 0],
        ("1", *five): [99, 98, 1, 0, None],
        ("2", *five): [0, 0, 0, 0, None],
        ("3", *five): [0, 0, 0, 0, None],
    }
    assert {key[:2] for key in _of("shipstream", _widgets())} == {
        ("shipstream", "us@your-company.shipstream.app")
    }


# As published since April 2025.
NOW: Row = {
    "sku": "BlueWidget-1",
    "qty_expected": "0.0000",
    "qty_processed": "0.0000",
    "qty_putaway": "50.0000",
    "qty_available": "22.0000",
    "qty_allocated": "5.0000",
    "qty_reserved": "16.0000",
    "qty_picked": "1.0000",
    "qty_backordered": "0.0000",
    "qty_advertised": "22.0000",
    "qty_on_hand": "94.0000",
}


def test_shipstreams_word_for_what_is_on_hand_goes_before_a_sum() -> None:
    assert _quantities(_one("shipstream", NOW)[1]) == [94, 22, 22, 0, 0]
    assert _quantities(_one("shipstream", NOW | {"qty_on_hand": "95"})[1])[0] == 95
    summed = {name: value for name, value in NOW.items() if name != "qty_on_hand"}
    assert _quantities(_one("shipstream", summed)[1])[0] == 94


@pytest.mark.parametrize("part", ["qty_allocated", "qty_reserved", "qty_picked"])
def test_shipstreams_sums_are_unknown_where_a_part_is(part: str) -> None:
    row = NOW | {part: None, "qty_on_hand": None}
    assert _quantities(_one("shipstream", row)[1]) == [None, 22, None, 0, 0]


def test_amazons_inbound_units_are_not_on_hand() -> None:
    rows: dict[Key, Row] = {(US, row["sellerSku"]): row for row in AMAZON}
    streams = {truth.SOURCES["amazon_fba"]: rows}
    found = {key[2:]: values for key, values in _of("amazon_fba", streams).items()}
    assert {key: _quantities(values) for key, values in found.items()} == {
        (US, "EMTEC 1 GB", "B0020MLK00"): [0, 0, 0, 0, None],
        (US, "EMTEC-SdCard-reader", "B0020MLK00"): [0, 0, 0, 0, None],
        (US, "Silicon Power 32GB", "B00T9QONN6"): [66, 66, 0, 21, None],
    }
    times = [values["updated_at"] for values in found.values()]
    assert times == [None, None, datetime(2018, 3, 31, 23, 40, 39, tzinfo=UTC)]


@pytest.mark.parametrize("gone", ["fnSku", "inventoryDetails", "totalQuantity"])
def test_what_amazon_leaves_out_is_not_made_up(gone: str) -> None:
    row = {name: value for name, value in AMAZON[2].items() if name != gone}
    key, values = _one("amazon_fba", row, (CA, row["sellerSku"]))
    assert key[2:4] == (CA, "Silicon Power 32GB")
    assert key[4] == ("Silicon Power 32GB" if gone == "fnSku" else "B00T9QONN6")
    assert (
        _quantities(values)
        == {
            "fnSku": [66, 66, 0, 21, None],
            "inventoryDetails": [None] * 5,
            "totalQuantity": [None, 66, 0, 21, None],
        }[gone]
    )


def _s2(*items: Row) -> Levels:
    streams = {name: _keyed(S2[name], "id") for name in ("s2_products", "s2_warehouses")}
    keyed: dict[Key, Row] = {
        (each["warehouseId"], each["level"]["productId"]): each for each in items
    }
    return _of("s2", streams | {truth.SOURCES["s2"]: keyed})


def test_s2_has_five_items_of_which_two_are_of_known_products() -> None:
    found = _s2(*S2[truth.SOURCES["s2"]])
    assert {key[2:]: [v["available"], v["reserved"]] for key, v in found.items()} == {
        (OAKVILLE, "TEST-BLACK", "f4053402-e79b-45c2-8621-377d28060888"): [0, 13],
        (OAKVILLE, "440352eb-241a-4cac-834f-e0980ffc888", "440352eb-241a-4cac-834f-e0980ffc888"): [
            11,
            7,
        ],
        (
            OAKVILLE,
            "bab7c35b-2ecb-4b40-be82-8dc1e0a86171",
            "bab7c35b-2ecb-4b40-be82-8dc1e0a86171",
        ): [17, 7],
        (
            OAKVILLE,
            "4d5ab278-86f3-4237-993b-b16a19360b41",
            "4d5ab278-86f3-4237-993b-b16a19360b41",
        ): [9, 0],
        (OAKVILLE, "test", "3775cc37-30e7-4579-a58e-c9adda6fa888"): [0, 2],
    }
    assert {key[1] for key in found} == {"95d73baf-76ba-4bea-86ac-1534c5e5d4aa"}
    assert {v["location_name"] for v in found.values()} == {"test warehouse"}
    names = [v["product_name"] for v in found.values()]
    assert names == ["SKU Black", None, None, None, "Test Product"]
    assert all(v["on_hand"] is None and v["backordered"] is None for v in found.values())
    assert all(v["incoming"] == 0 for v in found.values())
    first = found["s2", SETTINGS["s2"]["organization_id"], OAKVILLE, *_black()]
    assert first["updated_at"] == datetime(2024, 6, 3, 3, 40, 41, 743844, tzinfo=UTC)


def _black() -> tuple[str, str]:
    return "TEST-BLACK", "f4053402-e79b-45c2-8621-377d28060888"


def test_s2_keeps_a_reserved_quantity_that_is_above_zero() -> None:
    item = S2[truth.SOURCES["s2"]][0]
    (values,) = _s2(item | {"level": item["level"] | {"reserved": 4}}).values()
    assert values["reserved"] == 4


# A breakdown file's rows: the labels are known, the numbers made.
WIDGET: Row = {
    "product_name": "Widget, Blue",
    "area_asins": "B000000001",
    "area_skus": "BW-1",
    "area_fn_skus": "X0001",
    "marketplace": "US",
    "warehouse": "Amazon AWD",
    "warehouses": "1,204",
    "area_inv_stock": "310",
    "area_inv_inbound": "46129",
}


def _sostocked(*rows: Row) -> dict[Key, list[Any]]:
    numbered: dict[Key, Row] = {(str(n),): row for n, row in enumerate(rows)}
    found = _of("sostocked", {truth.SOURCES["sostocked"]: numbered})
    return {key[2:]: _quantities(values) for key, values in found.items()}


def test_sostocked_counts_a_product_once_in_each_warehouse_and_no_fba_stock() -> None:
    rows = (
        WIDGET,
        WIDGET | {"warehouse": "ShipBob GA", "warehouses": "88"},
        WIDGET | {"marketplace": "CA"},
        WIDGET | {"marketplace": "MX", "warehouse": None, "warehouses": None},
    )
    assert _sostocked(*rows) == {
        ("Amazon AWD", "BW-1", "B000000001"): [1204, None, None, None, None],
        ("ShipBob GA", "BW-1", "B000000001"): [88, None, None, None, None],
        ("all", "BW-1", "B000000001"): [None] * 5,
    }


def test_sostocked_rows_that_disagree_say_nothing_of_the_quantity() -> None:
    other = WIDGET | {"marketplace": "CA", "warehouses": "1,205"}
    assert _sostocked(WIDGET, other) == {("Amazon AWD", "BW-1", "B000000001"): [None] * 5}


@pytest.mark.parametrize(
    ("gone", "item"),
    [
        (("area_asins",), ("BW-1", "X0001")),
        (("area_fn_skus", "area_asins"), ("BW-1", "BW-1")),
        (("area_asins", "area_skus"), ("X0001", "X0001")),
        (("area_skus",), ("B000000001", "B000000001")),
    ],
)
def test_a_product_of_sostocked_is_known_by_what_there_is(
    gone: tuple[str, ...], item: tuple[str, str]
) -> None:
    (key,) = _sostocked(WIDGET | dict.fromkeys(gone))
    assert key == ("Amazon AWD", *item)


@pytest.mark.parametrize("provider", truth.SOURCES)
def test_an_account_can_be_given_a_name(provider: str) -> None:
    streams: dict[str, dict[Key, Row]] = {
        truth.SOURCES["deconetwork"]: {("",): DECONETWORK},
        truth.SOURCES["shipstream"]: {("",): NOW},
        truth.SOURCES["amazon_fba"]: {(US, "x"): AMAZON[0]},
        truth.SOURCES["sostocked"]: {("",): WIDGET},
        truth.SOURCES["s2"]: {("",): S2[truth.SOURCES["s2"]][0]},
        "s2_products": {},
        "s2_warehouses": {},
    }
    (key,) = {key[:2] for key in _of(provider, streams, account="mine")}
    assert key == (provider, "mine")


@pytest.mark.parametrize(
    ("sent", "quantity"),
    [(3, 3), ("8.0000", 8), ("2.5", Decimal("2.5")), ("1,204", 1204), (0, 0), ("", None)],
)
def test_a_quantity_is_read_in_each_of_its_forms(sent: Any, quantity: Any) -> None:
    assert truth.number(sent) == quantity


@pytest.mark.parametrize("sent", [None, "NaN", "Infinity", "see notes"])
def test_what_is_no_number_is_no_quantity(sent: Any) -> None:
    assert truth.number(sent) is None


def test_the_second_witness_knows_nothing_of_what_the_first_one_reads_with() -> None:
    assert truth.__file__
    source = Path(truth.__file__).read_text(encoding="utf-8")
    ours = {each.whom for each in imports_of(source, truth.__name__) if "inventory" in each.whom}
    assert all(name.startswith("inventory_providers.sandbox.") for name in ours), ours
