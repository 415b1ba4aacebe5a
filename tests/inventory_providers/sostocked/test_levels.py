"""Promises of SoStocked's levels: the stock in a warehouse is one, in however many markets."""

from __future__ import annotations

import csv
import io
import itertools
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import levels
from inventory_providers.contract import ReadRequest
from inventory_providers.jsonio import loads
from inventory_providers.levels import Level
from inventory_providers.sostocked import PROVIDER, api, wire
from inventory_providers.sostocked.settings import SoStockedSettings
from tests.inventory_providers.fakes import environment
from tests.inventory_providers.shop import Says, Shop
from tests.inventory_providers.sostocked.examples import BREAKDOWN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from inventory_providers.contract import LevelsOf, Record

INVENTORY, SNAPSHOTS, WAREHOUSES = PROVIDER.streams
ACCOUNT = {
    "bearer_token": "a token of the shop",
    "client_id": "the id of a client",
    "client_secret": "the secret of a client",
    "account_id": "4711",
    "view_id": 316582,
}


def records(file: str = BREAKDOWN_FILE) -> list[Record]:
    """The rows of a file, as the lines of the source stream have them."""
    names, *rows = csv.reader(io.StringIO(file))
    sheet = wire.Converter(wire.WAREHOUSES, {"account_id": "4711"}).sheet(
        wire.Table(tuple(names), rows)
    )
    return [loads(row.line) for row in sheet.rows]


def row(**changes: Any) -> Record:
    """A row of the US market; `units` stands for its stock in the warehouse."""
    known = {"area_fn_skus": "X0001", "areas": "US", "marketplace": None, "warehouse": "Amazon AWD"}
    changes["warehouses"] = changes.pop("units", 88)
    return records()[0] | known | changes


def levels_of(rows: Iterable[Record]) -> list[Level]:
    made = wire.Levels()
    return [level for each in rows for level in made.of(each)]


def latest(found: Iterable[Level]) -> dict[tuple[str, str, str], Any]:
    """What stands in a table at the end: the last of each key."""
    return {
        (level.location_id, level.sku, level.provider_item_id): level.on_hand for level in found
    }


# ---- one row -------------------------------------------------------------------------------------


def test_the_rows_of_a_breakdown_file() -> None:
    named = {"sku": "BW-1", "provider_item_id": "B000000001", "product_name": "Widget, Blue"}
    assert levels_of(records()) == [
        Level("Amazon AWD", "Amazon AWD", **named, on_hand=1204),
        Level("ShipBob GA", "ShipBob GA", **named, on_hand=88),
        Level("all", **named),
    ]


def test_the_source_is_the_breakdown_by_warehouses_and_no_place_is_a_sum() -> None:
    assert levels.source(PROVIDER) is WAREHOUSES
    assert not PROVIDER.sums


def test_no_other_quantity_than_that_of_the_warehouse_is_used() -> None:
    numbers = dict.fromkeys(wire.NUMBERS - {"warehouses"}, 7)
    (level,) = levels_of([row(units=None) | numbers])
    quantities = ("on_hand", "available", "reserved", "incoming", "backordered", "updated_at")
    assert {getattr(level, name) for name in quantities} == {None}


@pytest.mark.parametrize("units", [0, 88])
def test_none_is_told_as_none_and_not_as_unknown(units: int) -> None:
    (level,) = levels_of([row(units=units)])
    assert level.on_hand == units


@pytest.mark.parametrize("warehouse", [None, "", "  "])
def test_a_product_without_a_warehouse_is_in_all(warehouse: str | None) -> None:
    (level,) = levels_of([row(warehouse=warehouse)])
    assert (level.location_id, level.location_name) == ("all", None)


@pytest.mark.parametrize(
    ("missing", "item"),
    [
        ((), "B000000001"),
        (("area_asins",), "X0001"),
        (("area_asins", "area_fn_skus"), "BW-1"),
        (("area_asins", "area_fn_skus", "area_skus"), "Widget, Blue"),
    ],
)
@pytest.mark.parametrize("blank", [None, ""])
def test_an_item_is_named_by_the_best_that_there_is(
    missing: tuple[str, ...], item: str, blank: str | None
) -> None:
    (level,) = levels_of([row(**dict.fromkeys(missing, blank))])
    assert level.provider_item_id == item
    assert level.sku == ("" if "area_skus" in missing else "BW-1")


@pytest.mark.parametrize("blank", [None, ""])
def test_a_row_that_names_no_product_gives_no_level(blank: str | None) -> None:
    names = ("area_asins", "area_fn_skus", "area_skus", "product_name")
    assert levels_of([row(**dict.fromkeys(names, blank))]) == []


def test_an_fn_sku_that_comes_later_or_in_one_market_alone_makes_no_other_item() -> None:
    found = levels_of([row(area_fn_skus=None), row(areas="MX", area_fn_skus="X0001")])
    assert [level.provider_item_id for level in found] == ["B000000001"]


def test_products_without_any_id_are_kept_apart_by_their_names() -> None:
    unnamed = {"area_asins": "", "area_skus": "", "area_fn_skus": None}
    found = levels_of([row(product_name=name, units=5, **unnamed) for name in ("One", "Two")])
    assert latest(found) == {("Amazon AWD", "", "One"): 5, ("Amazon AWD", "", "Two"): 5}


# ---- several rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("market", ["areas", "marketplace"])
def test_one_stock_under_several_markets_is_one_level(market: str) -> None:
    names = {"areas": None, "marketplace": None}
    rows = [row(**names | {market: name}) for name in ("US", "CA", "MX")]
    assert [level.on_hand for level in levels_of(rows)] == [88]


def test_the_same_product_in_another_warehouse_is_another_level() -> None:
    assert len(levels_of([row(), row(warehouse="ShipBob GA")])) == 2


def test_a_row_that_says_nothing_of_the_stock_does_not_disagree() -> None:
    early = levels_of([row(units=None), row(areas="CA"), row(areas="MX")])
    late = levels_of([row(), row(areas="CA", units=None)])
    assert [level.on_hand for level in early] == [None, 88]
    assert [level.on_hand for level in late] == [88]


def test_where_rows_disagree_the_level_comes_again_as_not_known() -> None:
    rows = [row(units=units, areas=area) for units, area in ((88, "US"), (87, "CA"), (88, "MX"))]
    found = levels_of(rows)
    assert [level.on_hand for level in found] == [88, None]
    assert len(latest(found)) == 1


def test_two_rows_of_one_market_are_two_products_and_not_one_stock() -> None:
    found = levels_of([row(), row(area_fn_skus="X0002")])
    assert [level.on_hand for level in found] == [88, None]


def test_disagreement_is_counted_in_one_warning_with_an_example(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = wire.Levels()
    for sku, area, units in itertools.product(("A-1", "A-2", "A-3"), ("US", "CA", "MX"), (1,)):
        tuple(made.of(row(area_skus=sku, areas=area, units=units + (area == "CA" and sku > "A-1"))))
    made.report()
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "2 products" in warning.getMessage()
    assert "SKU A-2 in Amazon AWD" in warning.getMessage()


STOCK = st.none() | st.integers(0, 3)
SOME = st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["", "W1", "W2"]))
ROWS = st.dictionaries(st.tuples(SOME, st.sampled_from(["US", "CA", "MX"])), STOCK)


@given(ROWS)
def test_in_the_end_a_level_is_what_all_its_rows_say(told: dict[Any, int | None]) -> None:
    """Whatever the order; a level comes at most three times: unknown, known, in doubt."""
    rows = [
        row(area_skus=sku, area_asins="", area_fn_skus="", warehouse=place, areas=area, units=units)
        for ((sku, place), area), units in told.items()
    ]
    found = levels_of(rows)
    said: dict[Any, set[int]] = {}
    for ((sku, place), _), units in told.items():
        said.setdefault((place or "all", sku, sku), set()).update({units} - {None})
    wanted = {key: next(iter(units)) if len(units) == 1 else None for key, units in said.items()}
    assert latest(found) == wanted
    assert len(found) <= 3 * len(wanted)


# ---- a read --------------------------------------------------------------------------------------


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(Says(body=BREAKDOWN_FILE.replace('"1,204"', "89").encode())) as it:
        yield it


@pytest.fixture
def session(shop: Shop) -> Iterator[api.SoStocked]:
    settings = SoStockedSettings.model_validate({**ACCOUNT, "api_url": shop.url})
    it = api.connect(settings, environment())
    yield it
    it.close()


def read(session: api.SoStocked) -> list[Level]:
    """As a run does it: the levels are asked for when the first row has come."""
    found: list[Level] = []
    made: LevelsOf | None = None
    for page in WAREHOUSES.read(session, ReadRequest()):
        for line in page.lines:
            made = made or api.levels(session)
            found += made.of(loads(line))
    return found


def in_doubt(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [one.getMessage() for one in caplog.records]
    return [text for text in said if "do not agree" in text]


def test_levels_cost_no_request(shop: Shop, session: api.SoStocked) -> None:
    list(WAREHOUSES.read(session, ReadRequest()))
    without = len(shop.asked)
    assert [level.on_hand for level in read(session)] == [89, 88, None]
    assert len(shop.asked) == 2 * without


def test_each_read_says_at_its_end_of_how_many_products_it_is_in_doubt(
    shop: Shop, session: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    twice = BREAKDOWN_FILE + '"Widget, Blue",B000000001,BW-1,X0001,CA,ShipBob GA,87,310,,,\n'
    shop.answers = [Says(body=twice.encode())]
    for number in (1, 2):
        read(session)
        assert len(in_doubt(caplog)) == number
    assert "1 products" in in_doubt(caplog)[0]


def test_a_read_whose_levels_nobody_wants_has_no_doubt(
    session: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    read(session)
    list(WAREHOUSES.read(session, ReadRequest()))
    assert not in_doubt(caplog)
