"""Promises of Amazon's levels: what is sellable, what is inbound, and what is left without it."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import levels
from inventory_providers.amazon_fba import PROVIDER, wire
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import loads
from inventory_providers.levels import Level
from tests.inventory_providers.amazon_fba import examples

if TYPE_CHECKING:
    from inventory_providers.contract import Record

US = "ATVPDKIKX0DER"
PLACE = wire.Place(US, "Marketplace", US)
STATIC = json.loads(examples.STATIC_ANSWER)["payload"]["inventorySummaries"]
EXAMPLE = STATIC[2]
INBOUND = ("inboundWorkingQuantity", "inboundShippedQuantity", "inboundReceivingQuantity")
FORMS = st.integers(0, 10**6) | st.decimals(0, 10**6, places=4) | st.none()


def record(raw: dict[str, Any] | None = None, **changes: Any) -> Record:
    """A row of the static example, as its line in the source stream has it."""
    made: Record = loads(wire.to_row({**(raw or EXAMPLE), **changes}, PLACE).line)
    return made | {"synced_at": "2026-03-01T12:00:00Z"}


def level_of(**changes: Any) -> Level:
    return wire.to_level(record(**changes))


def detailed(**changes: Any) -> Level:
    return level_of(inventoryDetails={**EXAMPLE["inventoryDetails"], **changes})


def test_the_row_of_the_static_example() -> None:
    assert level_of() == Level(
        US,
        sku="Silicon Power 32GB",
        provider_item_id="B00T9QONN6",
        product_name=EXAMPLE["productName"],
        on_hand=66,
        available=66,
        reserved=0,
        incoming=21,
        updated_at="2018-03-31T23:40:39Z",
    )


def test_two_skus_of_the_example_that_share_an_item_have_levels_of_their_own() -> None:
    made = [wire.to_level(record(raw)) for raw in STATIC[:2]]
    assert [(level.sku, level.provider_item_id) for level in made] == [
        ("EMTEC 1 GB", "B0020MLK00"),
        ("EMTEC-SdCard-reader", "B0020MLK00"),
    ]
    assert [(level.on_hand, level.incoming, level.updated_at) for level in made] == [
        (0, 0, None),
        (0, 0, None),
    ]


def test_the_source_is_the_stream_of_the_room_and_no_place_is_a_sum() -> None:
    assert levels.source(PROVIDER) is PROVIDER.streams[0]
    assert not PROVIDER.sums


@pytest.mark.parametrize("item", [None, ""])
def test_an_item_without_an_id_has_its_sku_for_one(item: Any) -> None:
    assert level_of(fnSku=item).provider_item_id == "Silicon Power 32GB"


@pytest.mark.parametrize("name", INBOUND)
def test_without_one_inbound_quantity_neither_incoming_nor_on_hand_is_known(name: str) -> None:
    level = detailed(**{name: None})
    assert (level.incoming, level.on_hand, level.available) == (None, None, 66)


def test_without_the_total_what_is_on_hand_is_not_known() -> None:
    level = level_of(totalQuantity=None)
    assert (level.on_hand, level.incoming) == (None, 21)


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({"fulfillableQuantity": None}, "available"),
        ({"reservedQuantity": None}, "reserved"),
        ({"reservedQuantity": {"totalReservedQuantity": None}}, "reserved"),
        ({"reservedQuantity": {}}, "reserved"),
    ],
)
def test_what_the_provider_does_not_say_is_null(changes: dict[str, Any], quantity: str) -> None:
    assert getattr(detailed(**changes), quantity) is None


@pytest.mark.parametrize("details", [None, {}])
def test_without_details_only_the_names_are_known(details: Any) -> None:
    level = level_of(inventoryDetails=details, lastUpdatedTime="", productName=None)
    assert level == Level(US, sku="Silicon Power 32GB", provider_item_id="B00T9QONN6")


def test_units_that_cannot_be_sold_are_on_hand_and_not_available() -> None:
    level = level_of(totalQuantity=90)
    assert (level.on_hand, level.available) == (69, 66)


def test_nothing_is_said_of_backorders_and_of_what_the_place_is_called() -> None:
    level = level_of(stores=["A store"])
    assert (level.backordered, level.location_name) == (None, None)


def test_the_place_is_the_marketplace_that_was_asked_for() -> None:
    level = wire.to_level(record() | {"marketplace_id": "A2EUQ1WTGCTBG2", "granularity_id": US})
    assert level.location_id == "A2EUQ1WTGCTBG2"


@given(st.tuples(FORMS, FORMS, FORMS), FORMS)
def test_sums_and_differences_are_exact_and_only_made_of_what_is_known(
    inbound: tuple[Any, ...], total: Any
) -> None:
    row = record()
    names = ("inbound_working_quantity", "inbound_shipped_quantity", "inbound_receiving_quantity")
    row["inventory_details"] |= dict(zip(names, inbound, strict=True))
    level = wire.to_level(row | {"total_quantity": total})
    incoming = None if None in inbound else sum(map(Fraction, inbound))
    assert level.incoming == incoming
    assert level.on_hand == (
        None if total is None or incoming is None else Fraction(total) - incoming
    )


def test_a_sum_that_no_number_of_sensible_length_holds_is_refused_with_its_row() -> None:
    row = record() | {"total_quantity": Decimal("1e-9999")}
    with pytest.raises(Malformed, match=r"Silicon Power 32GB.*too many digits"):
        wire.to_level(row)
