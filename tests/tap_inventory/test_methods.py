"""Promise: a stream is read as the catalog asks, and what was not read whole removes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from inventory_providers.errors import ConfigError, Denied, Malformed, Unavailable
from inventory_providers.times import rfc3339
from tests.tap_inventory.house import (
    CONFIG,
    ROOM,
    bookmark,
    catalog,
    declared,
    kinds,
    metadata,
    of_kind,
    page,
    records,
    state,
)

if TYPE_CHECKING:
    from inventory_providers.contract import Page
    from tests.tap_inventory.house import House

FIRST, SECOND, OTHER = "deconetwork_first", "deconetwork_second", "other_only"
KEY = "changed_at"
HOUR = timedelta(hours=1)
VERSIONS = {"emit_activate_version_messages": True}
OLD = {
    "bookmarks": {FIRST: {"replication_key": KEY, "replication_key_value": "2026-02-01T00:00:00Z"}}
}


class Row(BaseModel):
    sku: str
    changed_at: datetime | None


def rows(house: House, *skus: str, hours: float = 1) -> Page:
    at = house.clock.now() - hours * HOUR
    return page(*({"sku": sku, KEY: rfc3339(at)} for sku in skus), by=KEY, bookmark=at)


def full_table(house: House, stream: str = FIRST) -> dict[str, Any]:
    """A catalog that asks for it where Meltano and others write it."""
    chosen = catalog(house)
    metadata(chosen, stream)["replication-method"] = "FULL_TABLE"
    return chosen


@pytest.fixture(autouse=True)
def _first(house: House) -> None:
    house.declare(declared(FIRST, Row, "sku", replication_key=KEY))
    house.delivers[FIRST] = [rows(house, "a")]


# ---- FULL_TABLE and INCREMENTAL ------------------------------------------------------------------


def test_full_table_in_the_metadata_reads_everything_and_moves_no_bookmark(house: House) -> None:
    chosen = full_table(house)
    assert chosen["streams"][0]["replication_method"] == "INCREMENTAL", "as discovered"
    messages = house.run(catalog=chosen, state=OLD)
    assert (house.asked[0].since, house.asked[0].lower_bound) == (None, None)
    assert [each["sku"] for each in records(messages)] == ["a"]
    assert state(messages) == OLD


def test_a_stream_that_is_incremental_only_on_request_is_read_in_full(house: House) -> None:
    house.declare(declared(FIRST, Row, "sku", replication_key=KEY, incremental=False))
    assert catalog(house)["streams"][0]["replication_method"] == "FULL_TABLE"
    messages = house.run(state=OLD)
    assert house.asked[0].since is None
    assert state(messages) == OLD


def test_such_a_stream_is_incremental_where_the_metadata_ask_for_it(house: House) -> None:
    house.declare(declared(FIRST, Row, "sku", replication_key=KEY, incremental=False))
    chosen = catalog(house)
    metadata(chosen, FIRST)["replication-method"] = "INCREMENTAL"
    first = house.run(catalog=chosen)
    assert bookmark(first, FIRST)["replication_key_value"]
    assert records(house.run(catalog=chosen, state=state(first))) == []
    assert house.asked[1].since == house.clock.now() - HOUR


def test_the_metadata_may_ask_for_what_is_so_already(house: House) -> None:
    chosen = catalog(house)
    metadata(chosen, FIRST)["replication-method"] = "INCREMENTAL"
    assert bookmark(house.run(catalog=chosen), FIRST)["replication_key_value"]


@pytest.mark.parametrize("method", ["LOG_BASED", "full_table", "x", ["FULL_TABLE"], 5])
def test_a_method_that_there_is_not_is_a_wrong_catalog(house: House, method: Any) -> None:
    chosen = catalog(house)
    metadata(chosen, FIRST)["replication-method"] = method
    with pytest.raises(ConfigError, match=f"{FIRST} cannot be read .*FULL_TABLE"):
        house.run(catalog=chosen)
    assert house.asked == []


@pytest.mark.parametrize("place", ["entry", "metadata"])
def test_another_replication_key_is_a_wrong_catalog(house: House, place: str) -> None:
    chosen = catalog(house)
    chosen["streams"][0]["replication_key"] = "sku" if place == "entry" else None
    metadata(chosen, FIRST)["replication-key"] = "sku"
    with pytest.raises(ConfigError, match=f"replication key is {KEY}"):
        house.run(catalog=chosen)


def test_a_catalog_without_keys_and_methods_is_read_as_declared(house: House) -> None:
    chosen = catalog(house)
    for name in ("replication_key", "replication_method", "key_properties"):
        chosen["streams"][0].pop(name)
    chosen["streams"][0]["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
    (schema,) = of_kind(house.run(catalog=chosen, state=OLD), "SCHEMA")
    assert house.asked[0].since is not None
    assert schema["key_properties"] == ["sku"]


def test_a_key_may_stand_in_the_metadata(house: House) -> None:
    chosen = catalog(house)
    chosen["streams"][0].pop("key_properties")
    metadata(chosen, FIRST)["table-key-properties"] = ["sku", KEY]
    (schema,) = of_kind(house.run(catalog=chosen), "SCHEMA")
    assert schema["key_properties"] == ["sku", KEY]


# ---- ACTIVATE_VERSION ----------------------------------------------------------------------------


def versions(house: House, **kwargs: Any) -> list[str]:
    """The messages of a run with versions, STATE left out."""
    try:
        house.run(VERSIONS, **kwargs)
    finally:
        told = [kind for kind in kinds(house.messages) if kind != "STATE"]
    return told


def test_a_full_table_that_was_read_to_its_end_activates_its_version(house: House) -> None:
    told = versions(house, catalog=full_table(house))
    assert told == ["SCHEMA", "RECORD", "ACTIVATE_VERSION"]
    (activated,) = of_kind(house.messages, "ACTIVATE_VERSION")
    assert activated["stream"] == FIRST
    assert {each["version"] for each in of_kind(house.messages, "RECORD")} == {activated["version"]}


def test_an_empty_full_table_activates_its_version_too(house: House) -> None:
    house.delivers[FIRST] = []
    assert versions(house, catalog=full_table(house)) == ["SCHEMA", "ACTIVATE_VERSION"]


@pytest.mark.parametrize("pages", [0, 1])
def test_one_that_failed_activates_nothing(house: House, pages: int) -> None:
    house.delivers[FIRST] = [*[rows(house, "a")] * pages, Malformed("broken")]
    with pytest.raises(Malformed):
        versions(house, catalog=full_table(house))
    assert "ACTIVATE_VERSION" not in kinds(house.messages)


def test_an_incremental_read_activates_nothing(house: House) -> None:
    assert versions(house) == ["SCHEMA", "RECORD"]
    assert "version" not in of_kind(house.messages, "RECORD")[0]


def test_without_the_setting_there_are_no_versions(house: House) -> None:
    messages = house.run(catalog=full_table(house))
    assert kinds(messages) == ["SCHEMA", "RECORD", "STATE"]
    assert "version" not in of_kind(messages, "RECORD")[0]


def test_a_connection_test_activates_nothing(house: House) -> None:
    """It reads one row: a target that took it for everything would remove the others."""
    tap = house.tap(VERSIONS, catalog=full_table(house))
    assert "ACTIVATE_VERSION" not in kinds(house.watch(tap.test_connections))


@pytest.mark.parametrize("method", ["FULL_TABLE", "INCREMENTAL"])
def test_a_read_of_some_rows_ends_with_a_state_whoever_starts_it(house: House, method: str) -> None:
    """A host may sync a stream alone, as the SDK's own suite does."""
    chosen = catalog(house)
    metadata(chosen, FIRST)["replication-method"] = method
    (stream,) = house.tap(catalog=chosen).streams.values()
    assert kinds(house.watch(stream.sync)) == ["SCHEMA", "RECORD", "STATE"]


def test_an_alias_is_what_is_activated(house: House) -> None:
    maps = {"stream_maps": {FIRST: {"__alias__": "stock"}}}
    messages = house.run(VERSIONS | maps, catalog=full_table(house))
    assert {message["stream"] for message in messages if "stream" in message} == {"stock"}
    assert "ACTIVATE_VERSION" in kinds(messages)


# ---- refused sign-ins ----------------------------------------------------------------------------


@pytest.fixture
def two_rooms(house: House) -> dict[str, Any]:
    """Two streams of one provider, one of another; the configuration for both."""
    plain = [declared(name, Row, "sku") for name in (FIRST, SECOND, OTHER)]
    house.declare(*plain[:2])
    house.declare(plain[2], room="other")
    house.delivers |= {name: [rows(house, name)] for name in (FIRST, SECOND, OTHER)}
    return {"other": CONFIG[ROOM]}


def test_after_a_refused_sign_in_the_provider_is_not_asked_again(
    house: House, two_rooms: dict[str, Any]
) -> None:
    house.delivers[FIRST] = [Denied("wrong password", advice="Check it")]
    with pytest.raises(Denied) as caught:
        house.run(two_rooms | VERSIONS)
    assert house.read == [(FIRST,), (OTHER,)]
    assert str(caught.value) == f"{FIRST}: wrong password (failed too: {SECOND}). Check it"
    assert [each["sku"] for each in records(house.messages)] == [OTHER]
    assert [one["stream"] for one in of_kind(house.messages, "ACTIVATE_VERSION")] == [OTHER]


def test_a_refusal_of_one_stream_only_stops_no_other(
    house: House, two_rooms: dict[str, Any]
) -> None:
    house.delivers[FIRST] = [Denied("not this list", partly=True)]
    with pytest.raises(Denied, match="not this list"):
        house.run(two_rooms)
    assert house.read == [(FIRST,), (SECOND,), (OTHER,)]
    assert [each["sku"] for each in records(house.messages)] == [SECOND, OTHER]


@pytest.mark.parametrize("error", [Unavailable("gone"), Malformed("broken"), ConfigError("wrong")])
def test_any_other_failure_stops_no_other_stream(
    house: House, two_rooms: dict[str, Any], error: Exception
) -> None:
    house.delivers[FIRST] = [error]
    with pytest.raises(type(error), match=FIRST):
        house.run(two_rooms)
    assert house.read == [(FIRST,), (SECOND,), (OTHER,)]


# ---- marks ---------------------------------------------------------------------------------------


class Timed(BaseModel):
    sku: str
    level: int
    synced_at: datetime


def timed(house: House, *levels: int, marked: bool = True) -> Page:
    """Rows that say when they were read, as a provider without dates of its own has them."""
    now = house.clock.now()
    found = [
        {"sku": str(number), "level": level, "synced_at": rfc3339(now)}
        for number, level in enumerate(levels)
    ]
    marks = [b"%d %d" % mark for mark in enumerate(levels)] if marked else ()
    return page(*found, by="synced_at", bookmark=now, marks=marks)


def test_rows_that_say_when_they_were_read_are_not_repeated_unchanged(house: House) -> None:
    house.declare(declared(FIRST, Timed, "sku", replication_key="synced_at"))
    house.delivers[FIRST] = lambda _: [timed(house, 1, 2)]
    first = house.run()
    assert len(records(first)) == 2
    house.clock.step(60)
    second = house.run(state=state(first))
    assert records(second) == []
    house.clock.step(60)
    house.delivers[FIRST] = lambda _: [timed(house, 1, 7)]
    third = house.run(state=state(second))
    assert [(each["sku"], each["level"]) for each in records(third)] == [("1", 7)]


def test_what_was_not_repeated_is_still_known_in_the_run_after(house: House) -> None:
    house.declare(declared(FIRST, Timed, "sku", replication_key="synced_at"))
    house.delivers[FIRST] = lambda _: [timed(house, 1)]
    messages = house.run()
    for _ in range(4):
        house.clock.step(200)
        messages = house.run(state=state(messages))
        assert records(messages) == []


def test_without_marks_the_line_itself_tells(house: House) -> None:
    house.declare(declared(FIRST, Timed, "sku", replication_key="synced_at"))
    house.delivers[FIRST] = lambda _: [timed(house, 1, marked=False)]
    first = house.run()
    house.clock.step(60)
    assert len(records(house.run(state=state(first)))) == 1
