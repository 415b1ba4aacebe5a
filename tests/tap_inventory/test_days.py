"""Promise: a stream of days goes on from the day after its bookmark, and skips none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from inventory_providers.errors import ConfigError, Unavailable
from tests.tap_inventory.house import (
    bookmark,
    declared,
    kinds,
    of_kind,
    page,
    records,
    settings,
)

if TYPE_CHECKING:
    from inventory_providers.contract import Page
    from tests.tap_inventory.house import House

DAYS = "deconetwork_snapshots"
TODAY = date(2026, 3, 1)  # the day of the stand-in clock, whose hour is twelve


class Snapshot(BaseModel):
    day: date
    sku: str
    level: int | None


@pytest.fixture(autouse=True)
def _days(house: House) -> None:
    house.declare(declared(DAYS, Snapshot, "day", "sku", replication_key="day"))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def of_day(number: int, skus: int = 2) -> Page:
    """The rows of the day so many days ago."""
    day = TODAY - timedelta(days=number)
    rows = [{"day": day.isoformat(), "sku": str(sku), "level": number} for sku in range(skus)]
    return page(*rows, by="day", bookmark=midnight(day))


def since(value: Any) -> dict[str, Any]:
    return {"bookmarks": {DAYS: {"replication_key": "day", "replication_key_value": value}}}


def test_the_bookmark_is_stored_as_a_day_and_asked_for_as_its_beginning(house: House) -> None:
    house.delivers[DAYS] = [of_day(1)]
    messages = house.run()
    assert bookmark(messages, DAYS)["replication_key_value"] == "2026-02-28"
    house.run(state=of_kind(messages, "STATE")[-1]["value"])
    assert [asked.since for asked in house.asked] == [None, datetime(2026, 2, 28, tzinfo=UTC)]


def test_the_schema_says_that_it_is_a_day(house: House) -> None:
    schema = house.run()[0]
    assert schema["schema"]["properties"]["day"]["format"] == "date"
    assert schema["bookmark_properties"] == ["day"]


def test_state_follows_each_day(house: House) -> None:
    house.delivers[DAYS] = [of_day(3), of_day(2, skus=0), of_day(1)]
    messages = house.run()
    assert kinds(messages)[:6] == ["SCHEMA", "RECORD", "RECORD", "STATE", "STATE", "RECORD"]
    told = [one["value"]["bookmarks"][DAYS] for one in of_kind(messages, "STATE")]
    assert [one["replication_key_value"] for one in told][:3] == [
        "2026-02-26",
        "2026-02-27",
        "2026-02-28",
    ]


def test_a_part_of_a_day_is_no_day(house: House) -> None:
    house.delivers[DAYS] = [of_day(2), replace(of_day(1), bookmark=None), Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run()
    assert len(records(house.messages)) == 4
    assert bookmark(house.messages, DAYS)["replication_key_value"] == "2026-02-27"


def test_a_day_that_fails_is_where_the_next_run_goes_on(house: House) -> None:
    house.delivers[DAYS] = [of_day(3), Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=since("2026-02-20"))
    last = of_kind(house.messages, "STATE")[-1]["value"]
    house.delivers[DAYS] = []
    house.run(state=last)
    assert house.asked[-1].since == datetime(2026, 2, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-01T00:00:00Z",
        "2026-02-01T00:00:00",
        "2026-02-01 00:00",
        "yesterday",
        "2026-02-30",
        "01.02.2026",
        "",
        None,
        20260201,
        ["2026-02-01"],
        "2026-03-01",
        "2026-03-02",
        "2099-01-01",
    ],
)
def test_what_is_no_day_or_is_not_over_is_refused_before_anything_is_asked(
    house: House, value: Any
) -> None:
    with pytest.raises(ConfigError, match=rf"bookmarks\.{DAYS}\.replication_key_value") as caught:
        house.run(state=since(value))
    assert caught.value.exit_code == 2
    assert house.asked == []


@pytest.mark.parametrize("value", ["2026-02-28", "2026-02-27", "1999-12-31"])
def test_any_day_that_is_over_is_taken(house: House, value: str) -> None:
    house.run(state=since(value))
    assert house.asked[0].since == midnight(date.fromisoformat(value))


def test_an_overlap_of_seconds_brings_no_day_forward(house: House) -> None:
    """It is for clocks that run ahead. A day is over or not."""
    with pytest.raises(ConfigError, match="future"):
        house.run(settings(lookback_seconds=86_400), state=since("2026-03-02"))


def test_a_day_that_was_delivered_leaves_no_fingerprints(house: House) -> None:
    house.delivers[DAYS] = [of_day(1)]
    messages = house.run(settings(lookback_seconds=0))
    assert "overlap" not in bookmark(messages, DAYS)


def test_with_an_overlap_a_day_that_comes_again_unchanged_is_not_repeated(house: House) -> None:
    house.delivers[DAYS] = [of_day(1)]
    config = settings(lookback_seconds=86_400)
    first = house.run(config)
    assert len(records(first)) == 2
    assert records(house.run(config, state=of_kind(first, "STATE")[-1]["value"])) == []
