"""Promises of ShipStream's levels: one for the whole SKU, one for each warehouse, no guess."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import levels
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps, loads
from inventory_providers.levels import Level
from inventory_providers.shipstream import PROVIDER, wire
from tests.inventory_providers.shipstream import examples

if TYPE_CHECKING:
    from inventory_providers.contract import Record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DETAILED = json.loads(examples.DETAILED_ANSWER)["result"]
SINCE_2025 = json.loads(examples.LIST_RESULT_SINCE_2025)
PROMISED = ("qty_allocated", "qty_reserved", "qty_picked")
SIX = ("qty_processed", "qty_putaway", "qty_available", *PROMISED)
FORMS = st.integers(0, 10**6) | st.decimals(0, 10**6, places=4) | st.none()


def record(**changes: Any) -> Record:
    """The first row of the document, as its line in the source stream has it."""
    (row,) = wire.detailed(NOW).rows(dumps([DETAILED[0] | changes]))
    made: Record = loads(row.line)
    return made


def levels_of(**changes: Any) -> list[Level]:
    return list(wire.Levels().of(record(**changes)))


def whole(**changes: Any) -> Level:
    return levels_of(**changes)[0]


def part(warehouse: Any, **changes: Any) -> dict[str, Any]:
    return DETAILED[0]["detailed"][0] | {"warehouse_id": warehouse} | changes


def test_the_rows_of_the_document_are_a_sum_and_its_three_warehouses() -> None:
    made = wire.Levels()
    rows = wire.detailed(NOW).rows(dumps(DETAILED))
    nothing = {"on_hand": 0, "available": 0, "reserved": 0, "incoming": 0}
    one, five = ({"sku": sku, "provider_item_id": sku} for sku in ("BlueWidget-1", "BlueWidget-5"))
    ten = {"on_hand": 10, "available": 8, "reserved": 2, "incoming": 0}
    most = {"on_hand": 99, "available": 98, "reserved": 1, "incoming": 0}
    assert [level for row in rows for level in made.of(loads(row.line))] == [
        Level("0", **one, **ten, backordered=0),
        Level("1", **one, **ten),
        Level("2", **one, **nothing),
        Level("3", **one, **nothing),
        Level("0", **five, **most, backordered=0),
        Level("1", **five, **most),
        Level("2", **five, **nothing),
        Level("3", **five, **nothing),
    ]


@pytest.mark.parametrize(("row", "told"), [(SINCE_2025[0], 94), (SINCE_2025[1], 2)])
def test_what_the_provider_says_is_on_hand_is_what_its_six_parts_are(
    row: dict[str, Any], told: int
) -> None:
    assert whole(**row).on_hand == whole(**row | {"qty_on_hand": None}).on_hand == told


def test_what_the_provider_says_is_on_hand_is_believed() -> None:
    assert whole(qty_on_hand="95.0000").on_hand == 95
    assert whole(qty_on_hand="0.0000").on_hand == 0


def test_the_sum_of_all_warehouses_is_declared_as_one() -> None:
    assert {whole().location_id} == PROVIDER.sums
    assert levels.source(PROVIDER) is PROVIDER.streams[1]


@pytest.mark.parametrize("name", SIX)
def test_without_one_of_its_parts_the_stock_on_hand_is_not_known(name: str) -> None:
    assert whole(**{name: None}).on_hand is None


@pytest.mark.parametrize("name", PROMISED)
def test_without_one_of_its_parts_what_is_reserved_is_not_known(name: str) -> None:
    level = whole(**{name: None})
    assert (level.reserved, level.available) == (None, 8)


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("qty_available", "available"),
        ("qty_expected", "incoming"),
        ("qty_backordered", "backordered"),
    ],
)
@pytest.mark.parametrize("wire_value", [None, ""])
def test_what_the_provider_does_not_say_is_null(name: str, quantity: str, wire_value: Any) -> None:
    assert getattr(whole(**{name: wire_value}), quantity) is None


def test_backordered_units_belong_to_no_warehouse() -> None:
    first, *others = levels_of(qty_backordered="5.0000")
    assert first.backordered == 5
    assert {level.backordered for level in others} == {None}


@pytest.mark.parametrize("detailed", [None, []])
def test_a_row_without_warehouses_gives_the_sum_alone(detailed: Any) -> None:
    assert [level.location_id for level in levels_of(detailed=detailed)] == ["0"]


@pytest.mark.parametrize(
    "untold",
    [
        [part(None)],
        [part("")],
        [None],
        [part("0")],
        [part("1"), part("1", qty_available="3.0000")],
        [part(1), part("1")],
    ],
    ids=["null", "empty", "no object", "the id of the sum", "twice", "twice in two forms"],
)
def test_a_warehouse_that_cannot_be_told_apart_is_left_out_and_the_others_are_not(
    untold: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = wire.Levels()
    for sku in ("A-1", "A-2"):
        row = record(sku=sku, detailed=[*untold, part("2")])
        assert [level.location_id for level in made.of(row)] == ["0", "2"]
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "A-1" in warning.getMessage()


def test_each_read_says_for_itself_what_it_left_out(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        levels_of(detailed=[part(None)])
    assert len(caplog.records) == 2


def test_warehouses_that_are_told_apart_are_no_reason_for_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len(levels_of()) == 4
    assert not caplog.records


def _exactly(parts: list[Any]) -> Any:
    return None if None in parts else sum(map(Fraction, parts))


@given(st.fixed_dictionaries(dict.fromkeys((*SIX, "qty_expected", "qty_backordered"), FORMS)))
def test_sums_are_exact_and_only_made_of_what_is_known(parts: dict[str, Any]) -> None:
    level = whole(**parts, detailed=[])
    assert level.on_hand == _exactly([parts[name] for name in SIX])
    assert level.reserved == _exactly([parts[name] for name in PROMISED])
    assert (level.available, level.incoming) == (parts["qty_available"], parts["qty_expected"])
    assert level.backordered == parts["qty_backordered"]


def test_a_sum_keeps_every_digit() -> None:
    level = whole(qty_allocated="0.1", qty_reserved="1" + "0" * 40, qty_picked="0.02")
    assert level.reserved == Decimal("1" + "0" * 40 + ".12")


def test_a_sum_that_no_number_of_sensible_length_holds_is_refused_with_its_row() -> None:
    row = record() | {"qty_picked": Decimal("1e-9999")}
    with pytest.raises(Malformed, match=r"BlueWidget-1.*too many digits"):
        list(wire.Levels().of(row))


@given(st.lists(st.sampled_from(["0", "1", "2", "", None]).map(part), max_size=6))
def test_no_two_levels_of_a_sku_are_in_one_place(parts: list[Any]) -> None:
    places = [level.location_id for level in levels_of(detailed=parts)]
    assert places[0] == "0"
    assert len(set(places)) == len(places)
    assert all(places)
