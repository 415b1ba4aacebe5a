"""Promise: each part of a stream has its own bookmark, and fails alone."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from inventory_providers.errors import ConfigError, Denied, Malformed, Unavailable
from inventory_providers.times import rfc3339
from tests.tap_inventory.house import (
    bookmark,
    catalog,
    declared,
    kinds,
    metadata,
    of_kind,
    page,
    records,
    settings,
)

if TYPE_CHECKING:
    from inventory_providers.contract import Page, ReadRequest
    from tests.tap_inventory.house import House

ITEMS = "deconetwork_items"
KEY = "synced_at"
HOUR = timedelta(hours=1)
OLD = "2026-02-01T00:00:00Z"


class Item(BaseModel):
    market: str
    sku: str
    level: int | None
    synced_at: datetime | None


def items(*parts: str, **more: Any) -> Any:
    return declared(
        ITEMS,
        Item,
        "market",
        "sku",
        replication_key=KEY,
        partitions=lambda _: [{"market": part} for part in parts],
        **more,
    )


def row(market: str, sku: str, at: datetime, level: int = 1) -> dict[str, Any]:
    return {"market": market, "sku": sku, "level": level, KEY: rfc3339(at)}


class Markets:
    """What each part delivers: one row, dated an hour ago, or what `wrong` has for it."""

    def __init__(self, house: House, *parts: str, **more: Any) -> None:
        self.at = house.clock.now() - HOUR
        self.wrong: dict[str, BaseException] = {}
        house.declare(items(*parts, **more))
        house.delivers[ITEMS] = self

    def __call__(self, request: ReadRequest) -> list[Page | BaseException]:
        market = request.partition["market"]
        first = page(row(market, "1", self.at), by=KEY, bookmark=self.at)
        return [self.wrong[market]] if market in self.wrong else [first]


def stored(**parts: str) -> dict[str, Any]:
    """A state with these bookmarks."""
    made = [
        {"context": {"market": part}, "replication_key": KEY, "replication_key_value": value}
        for part, value in parts.items()
    ]
    return {"bookmarks": {ITEMS: {"partitions": made}}}


def values(messages: list[dict[str, Any]]) -> dict[str, str | None]:
    """The bookmark of each part in the last state."""
    return {
        part["context"]["market"]: part.get("replication_key_value")
        for part in bookmark(messages, ITEMS)["partitions"]
    }


def test_each_part_is_read_in_the_order_of_the_settings(house: House) -> None:
    Markets(house, "B", "A", "C")
    messages = house.run()
    assert house.read == [(ITEMS, "B"), (ITEMS, "A"), (ITEMS, "C")]
    assert [each["market"] for each in records(messages)] == ["B", "A", "C"]
    assert kinds(messages).count("SCHEMA") == 1


def test_each_part_has_a_bookmark_of_its_own_and_goes_on_from_it(house: House) -> None:
    markets = Markets(house, "A", "B")
    last = house.run(state=stored(A=OLD))
    assert [rfc3339(asked.since) if asked.since else None for asked in house.asked] == [OLD, None]
    assert values(last) == dict.fromkeys("AB", rfc3339(markets.at))
    house.run(state=of_kind(last, "STATE")[-1]["value"])
    assert [asked.since for asked in house.asked[2:]] == [markets.at] * 2


def test_state_follows_each_part(house: House) -> None:
    Markets(house, "A", "B")
    messages = house.run()
    assert kinds(messages) == ["SCHEMA", "RECORD", "STATE", "RECORD", "STATE"]
    assert [
        [part["context"]["market"] for part in one["value"]["bookmarks"][ITEMS]["partitions"]]
        for one in of_kind(messages, "STATE")
    ] == [["A"], ["A", "B"]]


@pytest.mark.parametrize("broken", ["A", "B", "C"])
def test_a_part_that_fails_is_named_keeps_its_bookmark_and_stops_no_other(
    house: House, broken: str
) -> None:
    markets = Markets(house, "A", "B", "C")
    markets.wrong[broken] = Unavailable("gone")
    with pytest.raises(Unavailable) as caught:
        house.run(state=stored(A=OLD, B=OLD, C=OLD))
    assert str(caught.value).startswith(f"{ITEMS} ({broken}): gone")
    new = rfc3339(markets.at)
    assert values(house.messages) == {"A": new, "B": new, "C": new} | {broken: OLD}
    assert len(house.asked) == 3


def test_every_part_that_fails_is_named(house: House) -> None:
    markets = Markets(house, "A", "B", "C")
    markets.wrong = {"A": Malformed("broken"), "C": Unavailable("gone")}
    with pytest.raises(Malformed) as caught:
        house.run()
    assert str(caught.value).startswith(f"{ITEMS} (A): broken (failed too: {ITEMS} (C))")


def test_what_a_part_delivered_before_it_failed_counts(house: House) -> None:
    at = house.clock.now() - 2 * HOUR
    house.declare(items("A"))
    house.delivers[ITEMS] = [
        page(row("A", "1", at), by=KEY, bookmark=at),
        page(row("A", "2", at + HOUR), by=KEY),
        Unavailable("gone"),
    ]
    with pytest.raises(Unavailable):
        house.run()
    assert [each["sku"] for each in records(house.messages)] == ["1", "2"]
    assert values(house.messages) == {"A": rfc3339(at)}


def test_the_bookmark_of_a_part_that_is_no_longer_configured_is_kept(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    markets = Markets(house, "A")
    with caplog.at_level(logging.WARNING):
        messages = house.run(state=stored(A=OLD, GONE=OLD))
    assert values(messages) == {"A": rfc3339(markets.at), "GONE": OLD}
    assert house.read == [(ITEMS, "A")]
    (warning,) = [line for line in caplog.messages if "not configured" in line]
    assert "GONE" in warning


def test_a_state_with_one_part_twice_is_refused_before_anything_is_asked(house: House) -> None:
    Markets(house, "A")
    twice = stored(A=OLD)
    twice["bookmarks"][ITEMS]["partitions"] *= 2
    with pytest.raises(ConfigError, match=r"partitions\[1\] has the context of an earlier one"):
        house.run(state=twice)
    assert house.asked == []


def test_a_bookmark_of_another_replication_key_is_not_used_and_its_part_stays_known(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    markets = Markets(house, "A")
    other = stored(A=OLD)
    other["bookmarks"][ITEMS]["partitions"][0]["replication_key"] = "changed_at"
    with caplog.at_level(logging.WARNING):
        messages = house.run(state=other)
    assert "another replication key" in caplog.text
    assert house.asked[0].since is None
    assert values(messages) == {"A": rfc3339(markets.at)}
    house.run(state=of_kind(messages, "STATE")[-1]["value"])
    assert house.asked[1].since == markets.at


def test_each_part_is_read_in_full_when_its_own_time_has_come(house: House) -> None:
    markets = Markets(house, "A", "B", full_refresh=True)
    markets.wrong["B"] = Unavailable("gone")
    config = settings(full_refresh_days=1)
    with pytest.raises(Unavailable):
        house.run(config)
    markets.wrong = {}
    first = of_kind(house.messages, "STATE")[-1]["value"]
    second = of_kind(house.run(config, state=first), "STATE")[-1]["value"]
    house.run(config, state=second)
    house.days(1)
    house.run(config, state=second)
    everything = [asked.lower_bound is None for asked in house.asked]
    assert everything == [True, True, False, True, False, False, True, True]


def test_rows_of_the_overlap_are_repeated_in_no_part(house: House) -> None:
    Markets(house, "A", "B")
    first = house.run()
    assert len(records(first)) == 2
    assert records(house.run(state=of_kind(first, "STATE")[-1]["value"])) == []


def test_a_refused_sign_in_leaves_the_other_parts_alone_and_names_them(house: House) -> None:
    markets = Markets(house, "A", "B", "C")
    markets.wrong["B"] = Denied("no", advice="Check it")
    with pytest.raises(Denied) as caught:
        house.run(state=stored(C=OLD))
    assert house.read == [(ITEMS, "A"), (ITEMS, "B")]
    assert str(caught.value) == f"{ITEMS} (B): no (failed too: {ITEMS} (C)). Check it"
    assert values(house.messages) == {"C": OLD, "A": rfc3339(markets.at), "B": None}


def test_a_refusal_of_one_part_only_leaves_the_others_in_peace(house: House) -> None:
    markets = Markets(house, "A", "B", "C")
    markets.wrong["A"] = Denied("not this one", partly=True)
    with pytest.raises(Denied) as caught:
        house.run()
    assert [part for _, part in house.read] == ["A", "B", "C"]
    assert str(caught.value).startswith(f"{ITEMS} (A): not this one")
    assert "failed too" not in str(caught.value)


@pytest.mark.parametrize("broken", [None, "A", "B"])
def test_a_full_table_of_parts_is_complete_when_every_part_is(
    house: House, broken: str | None
) -> None:
    markets = Markets(house, "A", "B")
    chosen = catalog(house)
    metadata(chosen, ITEMS)["replication-method"] = "FULL_TABLE"
    if broken:
        markets.wrong[broken] = Unavailable("gone")
    config = {"emit_activate_version_messages": True}
    try:
        house.run(config, catalog=chosen, state=stored(A=OLD))
    except Unavailable:
        assert broken
    assert [part for _, part in house.read] == ["A", "B"]
    assert [asked.since for asked in house.asked] == [None, None]
    assert kinds(house.messages).count("ACTIVATE_VERSION") == (0 if broken else 1)
    assert values(house.messages)["A"] == OLD


def test_a_connection_test_asks_each_part_for_one_row(house: House) -> None:
    Markets(house, "A", "B")
    house.tap().test_connections()
    assert [(asked.partition["market"], asked.limit) for asked in house.asked] == [
        ("A", 1),
        ("B", 1),
    ]
