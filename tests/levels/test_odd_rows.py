"""Promise: no row is lost and nothing is made up, however odd a row is."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.paths import changed
from tests.conformance.subject import traits_of
from tests.levels import truth
from tests.levels.bench import Bench, levels

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.traits import Shape
    from tests.levels.truth import Levels


def _for(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bench", names, indirect=True)


def _some(bench: Bench) -> Row:
    """A row of the source to make others of."""
    return deepcopy(next(iter(bench.room.rows(bench.source).values())))


def _put(bench: Bench, *rows: Row) -> None:
    for row in rows:
        bench.room.put(bench.source, row)


def _read(bench: Bench) -> Levels:
    """What a run tells; it must be the truth."""
    found = levels(bench.good(truth.STREAM))
    assert found == bench.truth()
    return found


def _of(found: Levels, item: str) -> dict[tuple[str, ...], Any]:
    """The levels with this SKU or item id."""
    return {key[2:]: values for key, values in found.items() if item in key[3:]}


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


# ---- all -----------------------------------------------------------------------------------------

_IN_ONE_ROW = _for("s2", "shipstream", "deconetwork", "amazon_fba")


def _shape(bench: Bench) -> Shape:
    return traits_of(bench.room.name).streams[bench.source]


@pytest.mark.parametrize("quantity", [2**53 + 1, -1, 0])
def test_a_quantity_is_told_to_the_last_digit(bench: Bench, quantity: int) -> None:
    path = _QUANTITY.get(bench.room.name) or _shape(bench).number
    assert path
    row = _shape(bench).other(_some(bench), 1)
    _put(bench, changed(row, {path[1]: quantity}))
    found = [value for values in _read(bench).values() for value in values.values()]
    assert quantity in found


_QUANTITY = {"sostocked": ("on_hand", "warehouses")}


def test_a_text_is_told_to_the_last_letter(bench: Bench) -> None:
    text = 'Gr\u00f6\u00dfe "XL"\t\u8896 \U0001f9e6\u202e\\'
    path = _shape(bench).text
    if path is None:
        pytest.skip(f"The rows of {bench.source} have no name of a product.")
    _put(bench, changed(_shape(bench).other(_some(bench), 1), {path[1]: text}))
    assert text in [values["product_name"] for values in _read(bench).values()]


@_IN_ONE_ROW
def test_a_row_that_comes_twice_has_one_level(bench: Bench) -> None:
    path = _shape(bench).number
    assert path
    row = _shape(bench).other(_some(bench), 1)
    _put(bench, *(changed(row, {path[1]: quantity}) for quantity in (5, 6)))
    _read(bench)


# ---- DecoNetwork ---------------------------------------------------------------------------------


@_for("deconetwork")
def test_items_without_a_sku_are_told_apart_by_their_ids(bench: Bench) -> None:
    row = _some(bench)
    skus: list[dict[str, Any]] = [{"sku": ""}, {"sku": None}, {}, {"sku": row["sku"]}]
    del row["sku"]
    _put(bench, *(row | sku | {"dn_sku_id": f"9_{n}"} for n, sku in enumerate(skus)))
    found = {key[4]: key[3] for key in _read(bench) if key[4].startswith("9_")}
    assert found == {"9_0": "9_0", "9_1": "9_1", "9_2": "9_2", "9_3": skus[3]["sku"]}


@_for("deconetwork")
@pytest.mark.parametrize(
    "odd",
    [
        {"inv_on": False},
        {"inv_on": None},
        {"inv_lvl": None},
        {"inv_lvl": -2},
        {"inv_lvl": 2.5},
        {"inv_on_order_total": None},
        {"inv_last_modified": None},
        {"inv_last_modified": ""},
        {"product_name": None},
    ],
    ids=str,
)
def test_an_odd_row_of_deconetwork_is_told_as_it_is(bench: Bench, odd: Row) -> None:
    _put(bench, _some(bench) | odd | {"dn_sku_id": "9_1"})
    assert len(_of(_read(bench), "9_1")) == 1


# ---- ShipStream ----------------------------------------------------------------------------------

_PARTS = ("processed", "putaway", "available", "allocated", "reserved", "picked")


@_for("shipstream")
@pytest.mark.parametrize("turn", [("on_hand", "present"), ("numbers", "fractions")], ids=str)
@pytest.mark.parametrize("unreceived", [False, True])
def test_each_form_of_shipstreams_quantities_is_read(
    bench: Bench, turn: tuple[str, str], unreceived: bool
) -> None:
    bench.room.turn(*turn)
    bench.room.turn("unreceived", unreceived)
    assert any(values["incoming"] for values in _read(bench).values())


@_for("shipstream")
@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("how", ["null", "absent"])
def test_a_part_that_shipstream_does_not_tell_makes_no_sum(
    bench: Bench, part: str, how: str
) -> None:
    row = _some(bench) | {"sku": "odd"}
    for each in (row, row["detailed"][0]):
        del each[f"qty_{part}"]
        each.update({f"qty_{part}": None} if how == "null" else {})
    _put(bench, row)
    found = _of(_read(bench), "odd")
    assert [found[place, "odd", "odd"]["on_hand"] is None for place in "0123"] == [
        True,
        True,
        False,
        False,
    ]


@_for("shipstream")
@pytest.mark.parametrize("detailed", [None, [], ...], ids=["null", "empty", "absent"])
def test_a_sku_without_warehouses_has_its_sums(bench: Bench, detailed: Any) -> None:
    row = _some(bench) | {"sku": "odd", "detailed": detailed}
    if detailed is ...:
        del row["detailed"]
    _put(bench, row)
    assert list(_of(_read(bench), "odd")) == [("0", "odd", "odd")]


@_for("shipstream")
@pytest.mark.parametrize("how", ["null", "absent", "the sums'"])
def test_a_warehouse_that_cannot_be_told_apart_is_left_out_and_named(
    bench: Bench, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    row = _some(bench) | {"sku": "odd-one"}
    first = row["detailed"][0]
    del first["warehouse_id"]
    first |= {"absent": {}, "null": {"warehouse_id": None}}.get(how, {"warehouse_id": "0"})
    _put(bench, row)
    found = _of(_read(bench), "odd-one")
    assert {place for place, *_ in found} == {"0", "2", "3"}
    assert len([text for text in _warnings(caplog) if "odd-one" in text]) == 1


@_for("shipstream")
def test_a_warehouse_that_is_there_twice_is_left_out_and_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    row = _some(bench) | {"sku": "odd-one"}
    row["detailed"].append(row["detailed"][1] | {"qty_available": "5.0000"})
    _put(bench, row)
    assert {place for place, *_ in _of(_read(bench), "odd-one")} == {"0", "1", "3"}
    assert len([text for text in _warnings(caplog) if "odd-one" in text]) == 1


@_for("shipstream")
def test_a_warehouse_with_a_number_for_an_id_is_the_one_with_the_text(bench: Bench) -> None:
    row = _some(bench) | {"sku": "odd"}
    row["detailed"][0]["warehouse_id"] = 1
    _put(bench, row)
    assert {place for place, *_ in _of(_read(bench), "odd")} == {"0", "1", "2", "3"}


# ---- Amazon --------------------------------------------------------------------------------------


@_for("amazon_fba")
def test_a_sku_in_two_marketplaces_has_a_level_in_each(bench: Bench) -> None:
    places: dict[str, set[str]] = {}
    for key in _read(bench):
        places.setdefault(key[3], set()).add(key[2])
    assert {"ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"} in places.values()


@_for("amazon_fba")
@pytest.mark.parametrize(
    "odd",
    [
        {"fnSku": None},
        {"fnSku": ""},
        {"totalQuantity": None},
        {"inventoryDetails": None},
        {"inventoryDetails": {}},
        {"inventoryDetails": {"inboundWorkingQuantity": 1, "inboundShippedQuantity": 2}},
        {"inventoryDetails": {"reservedQuantity": {}}},
        {"lastUpdatedTime": ""},
        {"lastUpdatedTime": None},
        {"productName": None},
    ],
    ids=str,
)
def test_an_odd_row_of_amazon_is_told_as_it_is(bench: Bench, odd: Row) -> None:
    _put(bench, _some(bench) | odd | {"sellerSku": "odd"})
    assert len(_of(_read(bench), "odd")) == 1


@_for("amazon_fba")
def test_a_sku_of_amazon_with_two_rows_has_the_level_of_the_last(bench: Bench) -> None:
    rows = ({"fnSku": "X001", "totalQuantity": 5}, {"fnSku": "X002", "totalQuantity": 6})
    _put(bench, *(_some(bench) | each | {"sellerSku": "odd"} for each in rows))
    assert list(_of(_read(bench), "odd")) == [("ATVPDKIKX0DER", "odd", "X002")]


@_for("amazon_fba")
@pytest.mark.parametrize("sku", [None, ""])
def test_a_row_of_amazon_without_a_sku_ends_the_levels_as_it_ends_its_stream(
    bench: Bench, sku: str | None
) -> None:
    _put(bench, _some(bench) | {"sellerSku": sku, "asin": "B0BROKEN00"})
    own, levels_only = bench.run(bench.source), bench.run(truth.STREAM)
    assert own.code == levels_only.code == 4
    assert "B0BROKEN00" in levels_only.last_line


# ---- S2 ------------------------------------------------------------------------------------------


def _item(bench: Bench, product: str, **level: Any) -> Row:
    row = _some(bench)
    return row | {"level": row["level"] | {"productId": product} | level}


@_for("s2")
def test_items_of_unknown_products_are_told_and_counted_in_one_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    dangling = [f"0e7a11b2-91c4-4d6f-8e53-00000000000{n}" for n in range(3)]
    _put(bench, *(_item(bench, product, available=5) for product in dangling))
    unknown = {key[4]: key[3] for key, values in _read(bench).items() if not values["product_name"]}
    assert unknown.keys() >= {*dangling}
    assert all(sku == item for item, sku in unknown.items())
    naming = [text for text in _warnings(caplog) if any(item in text for item in unknown)]
    assert len(naming) == 1
    assert str(len(unknown)) in naming[0].split()


@_for("s2")
def test_a_quantity_reserved_above_zero_is_told_as_it_is_and_reported_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    known = [row["id"] for row in bench.room.rows("s2_products").values()][:2]
    warehouse = "0b6eaafa-565f-4989-b3d5-98e871f9e888"
    _put(bench, *(_item(bench, each, reserved=4) | {"warehouseId": warehouse} for each in known))
    found = _read(bench)
    assert {found[key]["reserved"] for key in found if key[2] == warehouse} == {4}
    assert len([text for text in _warnings(caplog) if "reserved" in text]) == 1


@_for("s2")
@pytest.mark.parametrize("sign", ["negative", "positive"])
def test_s2_reserves_the_same_units_under_either_sign(bench: Bench, sign: str) -> None:
    bench.room.turn("reserved_sign", sign)
    shown = bench.good(bench.source).records(bench.source)
    found = levels(bench.good(truth.STREAM))
    told = {(key[2], key[4]): values["reserved"] for key, values in found.items()}
    assert told == {(r["warehouse_id"], r["product_id"]): abs(r["reserved"]) for r in shown}


@_for("s2")
@pytest.mark.parametrize("missing", ["available", "reserved", "incoming", "updatedAt"])
def test_what_s2_does_not_tell_of_an_item_is_null(bench: Bench, missing: str) -> None:
    _put(bench, _item(bench, "odd", **{missing: None}))
    assert len(_of(_read(bench), "odd")) == 1


@_for("s2")
@pytest.mark.parametrize("sku", ["", None])
def test_a_product_of_s2_without_a_sku_keeps_its_name(bench: Bench, sku: str | None) -> None:
    product = next(iter(bench.room.rows("s2_products").values()))
    bench.room.put("s2_products", product | {"id": "odd", "sku": sku, "name": "Odd"})
    _put(bench, _item(bench, "odd"))
    ((key, values),) = _of(_read(bench), "odd").items()
    assert (key[1], values["product_name"]) == ("odd", "Odd")


@_for("s2")
def test_an_item_in_an_unknown_warehouse_has_a_place_without_a_name(bench: Bench) -> None:
    _put(bench, _item(bench, "odd") | {"warehouseId": "nowhere"})
    ((key, values),) = _of(_read(bench), "odd").items()
    assert (key[0], values["location_name"]) == ("nowhere", None)


# ---- SoStocked -----------------------------------------------------------------------------------

_WIDGET = {"area_asins": "B0ODD00001", "area_skus": "ODD-1", "area_fn_skus": "X0ODD00001"}


def _widget(bench: Bench, market: str, stock: Any, **more: Any) -> Row:
    place = {"areas": market, "marketplace": market, "warehouse": "Amazon AWD"}
    return _some(bench) | _WIDGET | place | {"warehouses": stock} | more


@_for("sostocked")
def test_a_product_in_two_markets_is_in_a_warehouse_once(bench: Bench) -> None:
    _put(bench, _widget(bench, "US", 7), _widget(bench, "CA", 7))
    ((key, values),) = _of(_read(bench), "ODD-1").items()
    assert (key, values["on_hand"]) == (("Amazon AWD", "ODD-1", "B0ODD00001"), 7)


@_for("sostocked")
def test_markets_that_disagree_leave_the_quantity_open_with_one_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(2):
        ids = {"area_skus": f"ODD-{n}", "area_asins": f"B0ODD0000{n}", "area_fn_skus": f"X0ODD{n}"}
        _put(bench, *(_widget(bench, m, s, **ids) for m, s in (("US", 7), ("CA", 8), ("MX", 7))))
    table = dict(map(truth.told, bench.good(truth.STREAM).records(truth.STREAM)))
    assert table == bench.truth()
    assert [v["on_hand"] for n in range(2) for v in _of(table, f"ODD-{n}").values()] == [None] * 2
    naming = [text for text in _warnings(caplog) if "ODD" in text]
    assert len(naming) == 1
    assert "2" in naming[0].split()


@_for("sostocked")
def test_a_market_that_does_not_tell_the_quantity_takes_none_away(bench: Bench) -> None:
    _put(bench, _widget(bench, "US", 7), _widget(bench, "CA", None))
    table = dict(map(truth.told, bench.good(truth.STREAM).records(truth.STREAM)))
    assert table == bench.truth()
    assert [values["on_hand"] for values in _of(table, "ODD-1").values()] == [7]


@_for("sostocked")
@pytest.mark.parametrize(
    ("blank", "item"),
    [
        (("area_skus",), "B0ODD00001"),
        (("area_asins",), "X0ODD00001"),
        (("area_fn_skus", "area_asins"), "ODD-1"),
        (("area_asins", "area_skus"), "X0ODD00001"),
        (("warehouse",), "B0ODD00001"),
    ],
    ids=str,
)
@pytest.mark.parametrize("how", [None, ""])
def test_a_cell_of_sostocked_that_is_blank_loses_no_row(
    bench: Bench, blank: tuple[str, ...], item: str, how: str | None
) -> None:
    _put(bench, _widget(bench, "US", 7, **dict.fromkeys(blank, how)))
    (key,) = _of(_read(bench), item)
    assert key[2] == item


@_for("sostocked")
@pytest.mark.parametrize("stock", ["NaN", "see notes", None, "", "1,204", 0, "2.5"], ids=str)
def test_a_quantity_of_sostocked_is_a_number_or_not_there(bench: Bench, stock: Any) -> None:
    _put(bench, _widget(bench, "US", stock))
    (values,) = _of(_read(bench), "ODD-1").values()
    assert values["on_hand"] == truth.number(stock)


@_for("sostocked")
@pytest.mark.parametrize("stocks", [(7, 7), (1, 2)])
def test_two_labels_of_a_product_in_one_market_leave_the_quantity_open(
    bench: Bench, stocks: tuple[int, int]
) -> None:
    for stock, label in zip(stocks, "12", strict=True):
        _put(bench, _widget(bench, "US", stock, area_fn_skus=f"X{label}"))
    table = dict(map(truth.told, bench.good(truth.STREAM).records(truth.STREAM)))
    assert [values["on_hand"] for values in _of(table, "ODD-1").values()] == [None]


@_for("sostocked")
def test_a_product_with_another_label_in_each_market_is_in_a_warehouse_once(bench: Bench) -> None:
    for market in ("US", "CA"):
        _put(bench, _widget(bench, market, 7, area_fn_skus=f"X-{market}"))
    assert [values["on_hand"] for values in _of(_read(bench), "ODD-1").values()] == [7]


@_for("sostocked")
@pytest.mark.parametrize("cells", ["thousands", "blank_market", "blank_warehouse", "stacked_skus"])
@pytest.mark.parametrize("body", ["csv", "json_rows"])
def test_odd_cells_of_sostocked_change_no_quantity(bench: Bench, cells: str, body: str) -> None:
    bench.room.turn("body", body)
    bench.room.turn("cells", [cells])
    assert any(values["on_hand"] for values in _read(bench).values())


@_for("sostocked")
@pytest.mark.parametrize("column", ["sku", "asin"])
def test_a_view_without_a_column_of_the_key_gives_the_levels_all_the_same(
    bench: Bench, column: str
) -> None:
    bench.room.turn("missing_columns", column)
    assert any(values["on_hand"] for values in _read(bench).values())
