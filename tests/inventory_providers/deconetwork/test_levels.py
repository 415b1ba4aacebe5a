"""Promises of DecoNetwork's levels: one place, the site; what is not tracked is not known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import levels
from inventory_providers.deconetwork import PROVIDER, api, wire
from inventory_providers.deconetwork.settings import DecoNetworkSettings
from inventory_providers.jsonio import loads
from inventory_providers.levels import Level
from tests.inventory_providers.deconetwork import examples
from tests.inventory_providers.fakes import environment

if TYPE_CHECKING:
    from inventory_providers.contract import Record

(EXAMPLE,) = json.loads(examples.FIND_ANSWER)["inventories"]
SITE = "shop.secure-decoration.com"


def record(**changes: Any) -> Record:
    """The row of the document, as its line in the source stream has it."""
    made: Record = loads(wire.to_row(EXAMPLE | changes).line)
    return made


def level_of(**changes: Any) -> Level:
    return wire.to_level(record(**changes), SITE)


def test_the_row_of_the_document() -> None:
    assert level_of() == Level(
        SITE,
        sku="312033",
        provider_item_id="19617_1378",
        product_name="ComfortSoft 50/50 Cotton/Poly T Shirt",
        on_hand=3,
        available=3,
        incoming=5,
        updated_at="2018-10-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://Shop.Secure-Decoration.com/", SITE),
        ("https://shop.secure-decoration.com:8443", f"{SITE}:8443"),
    ],
)
def test_the_place_is_the_host_of_the_site(url: str, site: str) -> None:
    settings = DecoNetworkSettings.model_validate(
        {"api_url": url, "username": "fred123", "password": "password123"}
    )
    session = api.connect(settings, environment())
    made = api.levels(session)
    (level,) = made.of(record())
    session.close()
    assert level.location_id == site
    assert made.observed_at is None
    assert session.requests == 0


def test_the_source_is_the_stream_of_the_room() -> None:
    assert levels.source(PROVIDER) is PROVIDER.streams[0]
    assert not PROVIDER.sums


@pytest.mark.parametrize("tracked", [False, None])
def test_the_level_of_a_sku_that_is_not_tracked_is_not_known(tracked: bool | None) -> None:
    level = level_of(inv_on=tracked)
    assert (level.on_hand, level.available, level.incoming) == (None, None, 5)


@pytest.mark.parametrize("wire_value", [None, ""])
def test_what_the_provider_does_not_say_is_null(wire_value: Any) -> None:
    names = ("inv_lvl", "inv_on_order_total", "inv_last_modified")
    level = level_of(**dict.fromkeys(names, wire_value))
    assert (level.on_hand, level.available, level.incoming) == (None, None, None)
    assert level.updated_at is None


def test_what_the_document_does_not_know_is_null_and_never_0() -> None:
    level = level_of(inv_lvl=0)
    assert (level.on_hand, level.available) == (0, 0)
    assert (level.reserved, level.backordered, level.location_name) == (None, None, None)


@pytest.mark.parametrize("sku", [None, ""])
def test_a_sku_that_is_not_told_is_empty_and_the_row_is_kept(sku: Any) -> None:
    level = level_of(sku=sku, product_name=None)
    assert (level.sku, level.provider_item_id) == ("", "19617_1378")
    assert level.product_name is None


@given(
    level=st.none() | st.integers(-(10**20), 10**20) | st.decimals(-100, 100, places=4),
    tracked=st.booleans() | st.none(),
)
def test_a_level_is_the_number_of_the_row_digit_by_digit(level: Any, tracked: bool | None) -> None:
    made = wire.to_level(record() | {"inv_lvl": level, "inv_on": tracked}, SITE)
    assert made.on_hand is made.available
    assert made.on_hand == (level if tracked else None)
