"""Promise: a stream is read as the catalog asks, and what was not read whole removes nothing."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from inventory_providers.contract import Form
from inventory_providers.errors import (
    ConfigError,
    Denied,
    Malformed,
    OutputError,
    ScratchError,
    Stopped,
    Unavailable,
)
from inventory_providers.times import rfc3339
from tap_inventory import command_line
from tap_inventory.tap import LOG
from tap_inventory.writer import BUFFER
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
    from collections.abc import Iterator
    from pathlib import Path

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
    house.declare(declared(FIRST, Row, "sku", KEY, replication_key=KEY))
    chosen = catalog(house)
    chosen["streams"][0].pop("key_properties")
    metadata(chosen, FIRST)["table-key-properties"] = [KEY, "sku"]
    (schema,) = of_kind(house.run(catalog=chosen), "SCHEMA")
    assert schema["key_properties"] == [KEY, "sku"]


@pytest.mark.parametrize("place", ["entry", "metadata"])
@pytest.mark.parametrize("key", [[KEY], ["sku", KEY], ["none"]])
def test_another_key_is_a_wrong_catalog(house: House, place: str, key: list[str]) -> None:
    chosen = catalog(house)
    if place == "entry":
        chosen["streams"][0]["key_properties"] = key
    else:
        del chosen["streams"][0]["key_properties"]
        metadata(chosen, FIRST)["table-key-properties"] = key
    with pytest.raises(ConfigError, match=f"{FIRST} has the key sku"):
        house.run(catalog=chosen)
    assert house.asked == []


def _places(node: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    yield way
    steps = node if isinstance(node, dict) else range(len(node) if isinstance(node, list) else 0)
    for step in steps:
        yield from _places(node[step], *way, step)


@pytest.mark.parametrize("wrong", [None, 5, [[]], {"x": 5}], ids=str)
def test_whatever_stands_in_a_catalog_it_is_obeyed_or_refused(
    house: House, tmp_path: Path, wrong: Any
) -> None:
    path = tmp_path / "catalog.json"
    discovered = catalog(house)
    for *way, last in list(_places(discovered))[1:]:
        chosen = copy.deepcopy(discovered)
        reduce(getitem, way, chosen)[last] = wrong
        path.write_text(json.dumps(chosen))
        with contextlib.suppress(ConfigError):
            house.run(catalog=command_line._catalog(str(path)))


@pytest.mark.parametrize("key", [[KEY], {"x": KEY}])
def test_a_replication_key_that_is_no_text_is_a_wrong_catalog(house: House, key: Any) -> None:
    chosen = catalog(house)
    chosen["streams"][0]["replication_key"] = key
    with pytest.raises(ConfigError, match=f"replication key is {KEY}"):
        house.run(catalog=chosen)


def test_the_key_of_a_stream_that_is_formed_is_found_in_its_rows(house: House) -> None:
    house.declare(declared(FIRST, Row, "sku", formed=True))
    chosen = catalog(house)
    chosen["streams"][0]["key_properties"] = ["sku", KEY]
    house.delivers[FIRST] = [page({"sku": "a", KEY: None}, by=None, form=Form(("sku",)))]
    (schema,) = of_kind(house.run(catalog=chosen), "SCHEMA")
    assert schema["key_properties"] == ["sku"]


def test_a_stream_that_nobody_has_is_a_wrong_catalog_where_it_is_selected(house: House) -> None:
    chosen = catalog(house)
    chosen["streams"].append({"tap_stream_id": "gone_stream", "schema": {"properties": {}}})
    with pytest.raises(ConfigError, match="gone_stream is selected") as caught:
        house.run(catalog=chosen)
    assert caught.value.exit_code == 2
    assert house.asked == []
    unselected = [{"breadcrumb": [], "metadata": {"selected": False}}]
    chosen["streams"][-1]["metadata"] = unselected
    assert [each["sku"] for each in records(house.run(catalog=chosen))] == ["a"]


@pytest.mark.parametrize("selected", [True, False])
def test_a_stream_whose_provider_is_not_configured_is_a_warning(
    house: House, caplog: pytest.LogCaptureFixture, selected: bool
) -> None:
    house.declare(declared(OTHER, Row, "sku"), room="other")
    chosen = json.loads(house.tap({"other": CONFIG[ROOM]}).catalog_json_text)
    metadata(chosen, OTHER)["selected"] = selected
    with caplog.at_level(logging.WARNING):
        messages = house.run(catalog=chosen)
    assert house.read == [(FIRST,)]
    assert {each["stream"] for each in of_kind(messages, "SCHEMA")} == {FIRST}
    said = [line for line in caplog.messages if OTHER in line and "not configured" in line]
    assert len(said) == selected


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


# ---- rows that say when they were read -----------------------------------------------------------


class Timed(BaseModel):
    sku: str
    level: int
    synced_at: datetime


def timed(house: House, *levels: int) -> Page:
    """Rows that say when they were read, as a provider without dates of its own has them."""
    now = house.clock.now()
    found = [
        {"sku": str(number), "level": level, "synced_at": rfc3339(now)}
        for number, level in enumerate(levels)
    ]
    return page(*found, by=None, bookmark=now)


@pytest.fixture
def by_the_read(house: House) -> None:
    house.declare(declared(FIRST, Timed, "sku", replication_key="synced_at"))


@pytest.mark.usefixtures("by_the_read")
def test_rows_that_say_when_they_were_read_come_again_within_the_overlap(house: House) -> None:
    """The time of the read tells no version from another: 3 may have been 5 in between."""
    messages, emitted = house.run(state={}), []
    for level in (3, 5, 3, 3):
        house.clock.step(60)
        house.delivers[FIRST] = [timed(house, level)]
        messages = house.run(state=state(messages))
        emitted += [each["level"] for each in records(messages)]
        assert "overlap" not in bookmark(messages, FIRST)
    assert emitted == [3, 5, 3, 3]


@pytest.mark.usefixtures("by_the_read")
def test_a_version_that_comes_back_after_a_run_was_cut_off_is_emitted(house: House) -> None:
    house.delivers[FIRST] = [timed(house, 3)]
    first = house.run()
    house.clock.step(60)
    house.delivers[FIRST] = [timed(house, 5), Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=state(first))
    second = house.messages
    house.clock.step(60)
    house.delivers[FIRST] = [timed(house, 3)]
    assert [each["level"] for each in records(house.run(state=state(second)))] == [3]


@pytest.mark.usefixtures("by_the_read")
def test_fingerprints_that_an_older_version_left_hide_no_such_row(house: House) -> None:
    house.delivers[FIRST] = [timed(house, 3)]
    first = state(house.run())
    line = house.delivers[FIRST][0].lines[0]  # type: ignore[index, union-attr]
    first["bookmarks"][FIRST]["overlap"] = [hashlib.blake2b(line, digest_size=8).hexdigest()]
    second = house.run(state=first)
    assert len(records(second)) == 1
    assert "overlap" not in bookmark(second, FIRST)


# ---- fingerprints and runs that are cut off ------------------------------------------------------


def version(house: House, level: str, *, minutes: float = 1) -> Page:
    """One row, in one of its versions, all of the same date."""
    at = house.clock.now() - timedelta(minutes=minutes)
    return page({"sku": "a", "level": level, KEY: rfc3339(at)}, by=KEY, bookmark=at)


def versions_of(messages: list[dict[str, Any]]) -> list[str]:
    return [each["level"] for each in records(messages)]


# So much that it is not held back until the run is cut off.
BIG = "B" * BUFFER


class Leveled(BaseModel):
    sku: str
    level: str
    changed_at: datetime | None


@pytest.fixture
def leveled(house: House) -> None:
    house.declare(declared(FIRST, Leveled, "sku", replication_key=KEY))


@pytest.mark.usefixtures("leveled")
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@pytest.mark.parametrize("error", [Unavailable("gone"), ZeroDivisionError(), Stopped(15)])
def test_a_version_that_was_overtaken_in_a_run_that_was_cut_off_is_emitted_again(
    house: House, method: str, error: BaseException
) -> None:
    chosen = catalog(house)
    house.delivers[FIRST] = [version(house, "A")]
    first = house.run(catalog=chosen)
    metadata(chosen, FIRST)["replication-method"] = method
    house.delivers[FIRST] = [version(house, BIG), error]
    with pytest.raises(type(error)):
        house.run(catalog=chosen, state=state(first))
    second = house.messages
    assert versions_of(second) == [BIG]
    metadata(chosen, FIRST)["replication-method"] = "INCREMENTAL"
    house.delivers[FIRST] = [version(house, "A")]
    assert versions_of(house.run(catalog=chosen, state=state(second))) == ["A"]


@pytest.mark.usefixtures("leveled")
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_a_state_without_the_old_fingerprints_goes_out_before_the_first_new_row(
    house: House, method: str
) -> None:
    chosen = catalog(house)
    house.delivers[FIRST] = [version(house, "A")]
    first = house.run(catalog=chosen)
    assert "overlap" in bookmark(first, FIRST)
    metadata(chosen, FIRST)["replication-method"] = method
    house.delivers[FIRST] = [version(house, "B", minutes=2)]
    second = house.run(catalog=chosen, state=state(first))
    assert kinds(second)[:4] == ["STATE", "SCHEMA", "STATE", "RECORD"]
    before = dict(bookmark(first, FIRST))
    assert bookmark(second[:1], FIRST) == before, "the SDK repeats what it was given"
    del before["overlap"]
    assert bookmark(second[:3], FIRST) == before, "nothing else of it changed"


@pytest.mark.usefixtures("leveled")
def test_where_nothing_is_new_the_fingerprints_stay(house: House) -> None:
    house.delivers[FIRST] = [version(house, "A")]
    first = house.run()
    house.delivers[FIRST] = [version(house, "A"), Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=state(first))
    assert "RECORD" not in kinds(house.messages)
    assert bookmark(house.messages, FIRST) == bookmark(first, FIRST)
    house.delivers[FIRST] = [version(house, "A")]
    assert records(house.run(state=state(house.messages))) == []


@pytest.mark.usefixtures("leveled")
def test_a_connection_test_keeps_the_fingerprints(house: House) -> None:
    house.delivers[FIRST] = [version(house, "A")]
    first = state(house.run())
    for chosen in (catalog(house), full_table(house)):
        tap = house.tap(catalog=chosen, state=first)
        house.watch(tap.test_connections)
        assert tap.state["bookmarks"][FIRST]["overlap"] == first["bookmarks"][FIRST]["overlap"]


# ---- scope ---------------------------------------------------------------------------------------


class Scoped:
    """A stream of which the settings can ask for more than the usual."""

    def __init__(self, house: House) -> None:
        self.house, self.scope, self.last = house, ["x 1"], dict[str, Any]()
        house.declare(declared(FIRST, Row, "sku", replication_key=KEY, scope=lambda _: self.scope))

    def run(self, *scope: str, wrong: Exception | None = None) -> bool:
        """Whether a run with this scope asks for everything."""
        self.scope = list(scope)
        self.house.delivers[FIRST] = [rows(self.house, "a", hours=0), *([wrong] if wrong else [])]
        self.house.clock.step(60)
        try:
            self.house.run(state=self.last)
        except Unavailable:
            assert wrong
        self.last = state(self.house.messages)
        return self.house.asked[-1].lower_bound is None


def test_what_the_settings_ask_for_besides_makes_one_read_a_full_one(house: House) -> None:
    scoped = Scoped(house)
    steps = [("x 1",), ("x 1",), ("x 1", "x 2"), ("x 1", "x 2"), ("x 2",), ("x 2",), ("x 1", "x 2")]
    assert [scoped.run(*step) for step in steps] == [True, False, True, False, False, False, True]
    assert bookmark(house.messages, FIRST)["scope"] == ["x 1", "x 2"]


def test_such_a_read_that_fails_stays_due(house: House) -> None:
    scoped = Scoped(house)
    scoped.run("x 1")
    assert scoped.run("x 1", "x 2", wrong=Unavailable("gone"))
    assert scoped.run("x 1", "x 2", wrong=Unavailable("gone"))
    assert scoped.run("x 1", "x 2")
    assert not scoped.run("x 1", "x 2")


def test_such_a_read_repeats_what_is_known_and_asks_from_the_start_date_on(house: House) -> None:
    scoped = Scoped(house)
    house.delivers[FIRST] = [rows(house, "a")]
    first = house.run()
    scoped.scope = ["x 1", "x 2"]
    second = house.run({"start_date": "2026-01-01T00:00:00Z"}, state=state(first))
    assert [each["sku"] for each in records(second)] == ["a"]
    assert house.asked[1].full
    assert house.asked[1].lower_bound == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_state_from_before_there_were_scopes_is_read_in_full_once(house: House) -> None:
    scoped = Scoped(house)
    scoped.last = OLD
    assert scoped.run("x 1")
    assert not scoped.run("x 1")


# ---- what ends one stream, and what ends all -----------------------------------------------------


def test_a_temporary_file_that_cannot_be_written_ends_one_stream(
    house: House, two_rooms: dict[str, Any]
) -> None:
    house.delivers[FIRST] = [ScratchError("the temporary file cannot be written: full")]
    with pytest.raises(ScratchError) as caught:
        house.run(two_rooms)
    assert house.read == [(FIRST,), (SECOND,), (OTHER,)]
    assert [each["sku"] for each in records(house.messages)] == [SECOND, OTHER]
    assert str(caught.value).startswith(f"{FIRST}: the temporary file")
    assert caught.value.exit_code == 10


class Once(io.StringIO):
    """A standard output that is full just once, at a RECORD, and takes everything after it."""

    is_full = False

    def write(self, text: str) -> int:
        if '"RECORD"' in text and not self.is_full:
            self.is_full = True
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_standard_output_that_fails_ends_everything_and_nothing_follows(
    house: House, two_rooms: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A STATE would speak of rows that never arrived."""
    out, tap = Once(), house.tap(two_rooms)
    monkeypatch.setattr("sys.stdout", out)
    with pytest.raises(OutputError, match="No space left") as caught:
        tap.sync_all()
    assert out.is_full
    assert not isinstance(caught.value, ScratchError)
    assert house.read == [(FIRST,)]
    assert kinds([json.loads(line) for line in out.getvalue().splitlines()]) == ["SCHEMA"]
    assert house.session.closed


def test_a_standard_output_that_was_closed_ends_everything_and_nothing_follows(
    house: House, two_rooms: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tap = house.tap(two_rooms)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)

        def leave(_: Any) -> list[Page]:
            os.close(reading)
            return [rows(house, "a")]

        house.delivers[FIRST] = leave
        with pytest.raises(OutputError, match="closed the pipe"):
            tap.sync_all()
    assert house.read == [(FIRST,)]
    assert house.session.closed


# ---- what is said of failures --------------------------------------------------------------------


def test_streams_are_named_also_where_an_error_names_its_provider(
    house: House, two_rooms: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.delivers[FIRST] = [Unavailable("gone.", place=ROOM)]
    house.delivers[SECOND] = [Malformed("broken.", place=ROOM)]
    house.delivers[OTHER] = [Malformed("broken.")]
    told: list[str] = []
    # As they are said: the first of them is made longer at the end.
    monkeypatch.setattr(LOG, "error", lambda text, *parts: told.append(text % parts))
    with pytest.raises(Unavailable) as caught:
        house.run(two_rooms)
    assert f"gone (failed too: {SECOND}, {OTHER}). " in str(caught.value)
    assert [line.partition(". ")[0] for line in told] == [
        f"{FIRST}: {ROOM}: gone",
        f"{SECOND}: {ROOM}: broken",
        f"{OTHER}: broken",
    ]
    assert ".." not in str(caught.value) + " ".join(told)


@pytest.mark.parametrize("properties", [{}, {"changed_at": {"type": ["string", "null"]}}])
def test_a_catalog_with_too_few_properties_gets_those_of_the_key(
    house: House, properties: dict[str, Any]
) -> None:
    house.delivers[FIRST] = [rows(house, "1")]
    entries = catalog(house)
    for entry in entries["streams"]:
        entry["schema"]["properties"] = dict(properties)
    messages = house.run(catalog=entries)
    schema = next(m for m in of_kind(messages, "SCHEMA") if m["stream"] == FIRST)
    assert schema["key_properties"] == ["sku"]
    assert "sku" in schema["schema"]["properties"]
    assert [record["sku"] for record in records(messages)] == ["1"]
