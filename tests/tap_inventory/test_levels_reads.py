"""Promise: of one read a stream and its levels lose nothing, and repeat nothing."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import levels
from inventory_providers.contract import Form
from inventory_providers.errors import ConfigError, Denied, Malformed, Unavailable
from inventory_providers.levels import Level
from inventory_providers.times import rfc3339
from tests.tap_inventory.house import (
    ROOM,
    declared,
    kinds,
    metadata,
    of_kind,
    page,
    records,
    settings,
    state,
)
from tests.tap_inventory.shop import (
    BOTH,
    DAY,
    KEY,
    LEVELS,
    OTHER,
    OTHERS,
    STOCK,
    VERSIONS,
    Row,
    Shop,
    activated,
    full_table,
    level_records,
    only,
    own,
    parts,
    schemas,
    select,
    skus,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_providers.contract import Stream
    from tests.tap_inventory.house import House


# ---- bookmarks -----------------------------------------------------------------------------------


def test_the_state_has_a_bookmark_for_each_provider_by_the_key_of_its_source(
    house: House, shop: Shop, other: Shop
) -> None:
    told = parts(state(house.run(BOTH)))
    assert told.keys() == {ROOM, OTHER}
    for name, one, sku in ((ROOM, shop, "c"), (OTHER, other, "y")):
        assert told[name]["replication_key"] == KEY
        assert told[name]["replication_key_value"] == rfc3339(one.rows[sku][1] or DAY)  # type: ignore[arg-type]
        assert told[name]["full_read_at"]


@pytest.mark.parametrize("dated", [True, False])
def test_a_second_run_emits_only_what_changed_in_both(house: House, dated: bool) -> None:
    shop = Shop(house, dated=dated)
    house.declare(shop.stream())
    shop.put("a", "b", "c")
    house.clock.step(3600)
    first = house.run()
    shop.put("b", units=2)
    second = house.run(state=state(first))
    assert skus(second, STOCK) == skus(second, LEVELS) == ["b"]
    assert [one["available"] for one in level_records(second)] == [2]
    assert shop.asked[1].lower_bound is not None
    assert not shop.asked[1].full


def test_rows_of_the_overlap_are_repeated_in_neither(house: House, shop: Shop) -> None:
    first = house.run()
    assert shop.asked[0].lookback
    second = house.run(state=state(first))
    assert records(second) == []
    assert parts(state(second))[ROOM]["overlap"] == state(second)["bookmarks"][STOCK]["overlap"]


def test_newly_selected_levels_get_the_whole_stock_and_the_source_repeats_nothing(
    house: House, shop: Shop
) -> None:
    first = own(house)
    house.days(1)
    shop.put("b", units=2)
    second = house.run(state=state(first))
    assert shop.asked[1].lower_bound is None
    assert sorted(skus(second, LEVELS)) == list("abc")
    assert skus(second, STOCK) == ["b"]


def test_a_newly_selected_source_gets_its_whole_stock_and_the_levels_repeat_nothing(
    house: House, shop: Shop
) -> None:
    first = only(house)
    house.days(1)
    shop.put("b", units=2)
    second = house.run(state=state(first))
    assert shop.asked[1].lower_bound is None
    assert sorted(skus(second, STOCK)) == list("abc")
    assert skus(second, LEVELS) == ["b"]


@pytest.mark.parametrize("first", [own, only])
def test_rows_without_a_time_go_to_both(
    house: House, shop: Shop, first: Callable[..., list[dict[str, Any]]]
) -> None:
    """Some rooms bring them in every read, since nothing tells whether they changed."""
    shop.put("u", undated=True)
    before = first(house)
    second = house.run(state=state(before))
    assert sorted(set(skus(second, STOCK)) & set(skus(second, LEVELS))) == ["u"]


@pytest.mark.parametrize("first", [own, only])
def test_where_no_row_has_a_time_both_get_all_and_it_counts_for_both(
    house: House, first: Callable[..., list[dict[str, Any]]]
) -> None:
    shop = Shop(house, dated=False)
    house.declare(shop.stream(full_refresh=True))
    shop.put("a", "b", "c")
    before = state(first(house))
    house.days(2)
    after = house.run(state=before)
    assert shop.asked[1].lower_bound is None
    assert skus(after, STOCK) == skus(after, LEVELS) == list("abc")
    told = state(after)["bookmarks"][STOCK]["full_read_at"]
    assert told == parts(state(after))[ROOM]["full_read_at"] == rfc3339(house.clock.now())


def test_both_go_on_from_the_earlier_bookmark_and_each_takes_what_is_new_to_it(
    house: House, shop: Shop
) -> None:
    first = state(house.run())
    house.days(1)
    shop.put("b", units=2)
    second = state(own(house, state=first))
    house.days(1)
    shop.put("c", units=3)
    third = house.run(state=second)
    assert shop.asked[2].since == shop.asked[1].since
    assert not shop.asked[2].full
    assert skus(third, STOCK) == ["c"]
    assert skus(third, LEVELS) == ["b", "c"]


def test_a_full_refresh_that_is_due_for_one_is_made_and_repeats_nothing_of_the_other(
    house: House, shop: Shop
) -> None:
    house.declare(shop.stream(full_refresh=True))
    first = state(own(house))
    house.days(4)
    second = state(only(house, state=first))
    house.days(4)
    third = house.run(state=second)
    assert shop.asked[2].full
    assert skus(third, STOCK) == list("abc")
    assert skus(third, LEVELS) == []
    marks = parts(state(third))[ROOM]["full_read_at"], parts(second)[ROOM]["full_read_at"]
    assert marks[0] == marks[1], "its own is not due before its time"
    assert state(third)["bookmarks"][STOCK]["full_read_at"] == rfc3339(house.clock.now())


@pytest.mark.parametrize("first", [own, only])
def test_a_full_refresh_repeats_all_of_one_also_where_the_other_is_newly_selected(
    house: House, shop: Shop, first: Callable[..., list[dict[str, Any]]]
) -> None:
    house.declare(shop.stream(full_refresh=True))
    house.days(1)
    shop.put("c", units=2)
    before = state(first(house))
    house.days(8)
    messages = house.run(state=before)
    assert skus(messages, STOCK) == skus(messages, LEVELS) == list("abc"), "beyond the overlap"


def test_a_full_refresh_that_is_due_for_both_is_made_once(house: House, shop: Shop) -> None:
    house.declare(shop.stream(full_refresh=True))
    first = state(house.run())
    house.days(8)
    second = house.run(state=first)
    assert skus(second, STOCK) == skus(second, LEVELS) == list("abc")
    assert len(shop.asked) == 2


def test_start_date_is_handed_on_and_no_bound_where_one_wants_none(
    house: House, shop: Shop
) -> None:
    start = {"start_date": "2026-01-01T00:00:00Z"}
    house.run(start)
    house.run(start, catalog=full_table(house, LEVELS))
    told = [one.start and rfc3339(one.start) for one in shop.asked]
    assert told == [start["start_date"], None]


def test_a_full_refresh_setting_of_zero_reads_everything_for_both(house: House, shop: Shop) -> None:
    house.declare(shop.stream(full_refresh=True))
    config = settings(full_refresh_days=0)
    first = house.run(config)
    second = house.run(config, state=state(first))
    assert skus(second, STOCK) == skus(second, LEVELS) == list("abc")


def test_a_row_that_was_stored_late_comes_to_both(house: House, shop: Shop) -> None:
    first = state(house.run())
    late = house.clock.now() - timedelta(seconds=30)
    shop.rows["late"] = 5, late
    second = house.run(state=first)
    assert skus(second, STOCK) == skus(second, LEVELS) == ["late"]


@pytest.mark.parametrize("first", [own, only])
def test_the_overlap_includes_its_first_moment_also_in_a_read_of_everything(
    house: House, shop: Shop, first: Callable[..., list[dict[str, Any]]]
) -> None:
    before = first(house)
    latest = shop.rows["c"][1]
    assert latest is not None
    shop.rows["first"] = 5, latest - shop.asked[0].lookback
    shop.rows["before"] = 5, latest - shop.asked[0].lookback - timedelta(seconds=1)
    messages = house.run(state=state(before))
    assert shop.asked[1].lower_bound is None
    known = STOCK if first is own else LEVELS
    assert skus(messages, known) == ["first"]


# ---- FULL_TABLE ----------------------------------------------------------------------------------


def test_levels_of_a_source_that_is_a_full_table_come_in_full_and_have_no_bookmark(
    house: House, shop: Shop
) -> None:
    house.declare(shop.stream(incremental=False))
    first = house.run()
    second = house.run(state=state(first))
    for messages in (first, second):
        assert skus(messages, STOCK) == skus(messages, LEVELS) == list("abc")
        assert parts(state(messages)) == {}
    assert [one.since for one in shop.asked] == [None, None]


def test_they_follow_where_the_catalog_asks_for_changes_of_the_source(
    house: House, shop: Shop
) -> None:
    house.declare(shop.stream(incremental=False))
    chosen = full_table(house, STOCK, "INCREMENTAL")
    first = house.run(catalog=chosen)
    assert parts(state(first))[ROOM]["replication_key_value"]
    assert records(house.run(catalog=chosen, state=state(first))) == []


def test_they_follow_also_a_source_that_is_not_selected(house: House, shop: Shop) -> None:
    first = state(house.run())
    chosen = select(full_table(house, STOCK), LEVELS)
    second = house.run(catalog=chosen, state=first)
    assert skus(second, LEVELS) == list("abc")
    left = dict(parts(first)[ROOM])
    del left["overlap"]
    assert parts(state(second))[ROOM] == left, "the fingerprints are overtaken"
    assert shop.asked[1].since is None


def test_levels_as_a_full_table_leave_the_source_as_it_is(house: House, shop: Shop) -> None:
    first = house.run()
    house.days(1)
    shop.put("b", units=2)
    second = house.run(catalog=full_table(house, LEVELS), state=state(first))
    assert shop.asked[1].lower_bound is None
    assert shop.asked[1].lookback == shop.asked[0].lookback, "rooms cap the bookmark by it"
    assert sorted(skus(second, LEVELS)) == list("abc")
    assert skus(second, STOCK) == ["b"]
    assert "ACTIVATE_VERSION" not in kinds(second)


def test_a_full_table_activates_its_version_when_every_source_was_read(
    house: House,
    shop: Shop,
    other: Shop,
) -> None:
    chosen = json.loads(house.tap(BOTH).catalog_json_text)
    metadata(chosen, LEVELS)["replication-method"] = "FULL_TABLE"
    messages = house.run(BOTH | VERSIONS, catalog=select(chosen, STOCK, LEVELS))
    assert activated(messages) == [LEVELS]
    (version,) = {one["version"] for one in of_kind(messages, "ACTIVATE_VERSION")}
    told = [one for one in of_kind(messages, "RECORD") if one["stream"] == LEVELS]
    assert {one["version"] for one in told} == {version}
    assert {one["record"]["provider"] for one in told} == {ROOM, OTHER}
    assert [one["type"] for one in messages if one["type"] != "STATE"][-1] == "ACTIVATE_VERSION"


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("chosen", [(STOCK, LEVELS), (LEVELS,)])
def test_one_source_that_failed_activates_nothing(
    house: House, shop: Shop, other: Shop, broken: int, chosen: tuple[str, ...]
) -> None:
    entries = json.loads(house.tap(BOTH).catalog_json_text)
    metadata(entries, LEVELS)["replication-method"] = "FULL_TABLE"
    (shop, other)[broken].wrong = Unavailable("gone")
    with pytest.raises(Unavailable):
        house.run(BOTH | VERSIONS, catalog=select(entries, *chosen))
    assert activated(house.messages) == []


@pytest.mark.parametrize("more", [{}, {"incremental": False}])
def test_nothing_is_activated_unless_the_catalog_asks_for_a_full_table(
    house: House, shop: Shop, more: dict[str, Any]
) -> None:
    house.declare(shop.stream(**more))
    messages = house.run(VERSIONS)
    assert LEVELS not in activated(messages)
    told = [one for one in of_kind(messages, "RECORD") if one["stream"] == LEVELS]
    assert not any("version" in one for one in told)


def test_an_alias_is_what_is_activated(house: House, shop: Shop) -> None:
    maps = {"stream_maps": {LEVELS: {"__alias__": "stock"}}}
    messages = house.run(VERSIONS | maps, catalog=full_table(house, LEVELS))
    assert activated(messages) == ["stock"]


# ---- failures ------------------------------------------------------------------------------------

WRONG = [Unavailable("gone"), Malformed("broken"), Denied("no", advice="Check it")]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: type(one).__name__)
def test_a_read_that_fails_fails_both_and_is_told_once(
    house: House, shop: Shop, caplog: pytest.LogCaptureFixture, wrong: Exception
) -> None:
    first = state(house.run())
    house.days(1)
    shop.put("a", units=2)
    shop.wrong = wrong
    cause = str(wrong).partition(".")[0]
    with caplog.at_level(logging.ERROR), pytest.raises(type(wrong)) as caught:
        house.run(state=first)
    assert str(caught.value).startswith(f"{STOCK}: {cause} (failed too: {LEVELS} ({ROOM}))")
    assert caplog.text.count(f": {cause}.") == 1
    assert state(house.messages) == first
    assert len(shop.asked) == 2, "and it is not tried again for the levels"


def test_a_read_for_the_levels_alone_is_named_by_them(house: House, shop: Shop) -> None:
    shop.wrong = Unavailable("gone")
    with pytest.raises(Unavailable) as caught:
        only(house)
    assert str(caught.value).startswith(f"{LEVELS} ({ROOM}): gone")
    assert "failed too" not in str(caught.value)


@pytest.mark.parametrize("chosen", [(STOCK, OTHERS, LEVELS), (LEVELS,)])
def test_one_source_that_fails_leaves_the_others_complete(
    house: House, shop: Shop, other: Shop, chosen: tuple[str, ...]
) -> None:
    shop.wrong = Unavailable("gone")
    entries = select(json.loads(house.tap(BOTH).catalog_json_text), *chosen)
    with pytest.raises(Unavailable):
        house.run(BOTH, catalog=entries)
    assert skus(house.messages, LEVELS, OTHER) == list("xy")
    assert "replication_key_value" in parts(state(house.messages))[OTHER]
    assert (len(shop.asked), len(other.asked)) == (1, 1)
    shop.wrong = None
    rerun = house.run(BOTH, catalog=entries, state=state(house.messages))
    assert "c" in skus(rerun, LEVELS, ROOM)
    assert skus(rerun, LEVELS, OTHER) == []


def test_a_refused_sign_in_leaves_the_provider_alone_and_names_all(
    house: House, shop: Shop
) -> None:
    first = f"{ROOM}_a"
    house.declare(declared(first, Row, "sku"), shop.stream())
    house.delivers[first] = [Denied("no", advice="Check it")]
    with pytest.raises(Denied) as caught:
        house.run()
    assert house.read == [(first,)]
    assert str(caught.value) == f"{first}: no (failed too: {STOCK}, {LEVELS} ({ROOM})). Check it"


def test_a_row_of_which_no_level_can_be_made_fails_the_read(house: House, shop: Shop) -> None:
    def refuse(record: dict[str, Any]) -> list[Level]:
        if record["sku"] == "c":
            raise Malformed("row c has no place")
        return [Level("all", sku=record["sku"])]

    shop.of = refuse
    with pytest.raises(Malformed) as caught:
        house.run()
    assert str(caught.value).startswith(f"{LEVELS} ({ROOM}): row c has no place")
    assert f"failed too: {STOCK}" in str(caught.value)
    second = rfc3339(shop.rows["b"][1] or house.clock.now())
    marks = [state(house.messages)["bookmarks"][STOCK], parts(state(house.messages))[ROOM]]
    assert [one["replication_key_value"] for one in marks] == [second] * 2, "that of page one"


def test_what_was_delivered_before_counts_for_both(house: House, shop: Shop) -> None:
    shop.wrong = Unavailable("gone")
    with pytest.raises(Unavailable):
        house.run()
    assert skus(house.messages, STOCK) == skus(house.messages, LEVELS) == ["a", "b"]
    shop.wrong = None
    house.clock.step(3600)
    rerun = house.run(state=state(house.messages))
    assert rerun_is_complete(rerun)


def rerun_is_complete(messages: list[dict[str, Any]]) -> bool:
    return "c" in skus(messages, STOCK) and "c" in skus(messages, LEVELS)


# ---- STATE ---------------------------------------------------------------------------------------


def test_the_old_fingerprints_of_both_go_before_the_first_new_row(house: House, shop: Shop) -> None:
    first = state(house.run())
    shop.put("a", units=2)
    messages = house.run(state=first)
    assert kinds(messages)[:4] == ["STATE", "SCHEMA", "STATE", "RECORD"]
    between = messages[2]["value"]
    assert "overlap" not in json.dumps(between)
    marks = between["bookmarks"][STOCK], parts(between)[ROOM]
    before = first["bookmarks"][STOCK], parts(first)[ROOM]
    assert [one["replication_key_value"] for one in marks] == [
        one["replication_key_value"] for one in before
    ]


def test_a_state_speaks_only_of_rows_that_both_have_written(house: House, shop: Shop) -> None:
    numbers = [f"{number:04}" for number in range(1500)]
    shop.rows = {}
    shop.put(*numbers)
    moments = {number: shop.rows[number][1] for number in numbers}
    written: dict[str, set[str]] = {STOCK: set(), LEVELS: set()}
    count = 0
    for message in house.run():
        if message["type"] == "RECORD":
            written[message["stream"]].add(message["record"]["sku"])
        elif message["type"] == "STATE" and message["value"]:
            marks = {STOCK: message["value"]["bookmarks"].get(STOCK, {})}
            marks[LEVELS] = parts(message["value"]).get(ROOM, {})
            for stream, mark in marks.items():
                value = mark.get("replication_key_value", "")
                due = {one for one, at in moments.items() if at and rfc3339(at) <= value}
                assert due <= written[stream]
            count += 1
    assert count >= 3, "it is told on the way"


def test_a_state_with_a_wrong_time_for_the_levels_is_refused(house: House, shop: Shop) -> None:
    raw = state(house.run())
    parts(raw)[ROOM]["replication_key_value"] = "2099-01-01T00:00:00Z"
    with pytest.raises(ConfigError, match=rf"{LEVELS}.*future"):
        house.run(state=raw)
    assert len(shop.asked) == 1


def test_the_levels_of_a_provider_that_is_not_configured_stay_in_the_state(
    house: House,
    shop: Shop,
    other: Shop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = state(house.run(BOTH))
    with caplog.at_level(logging.WARNING):
        second = state(house.run(state=first))
    assert parts(second)[OTHER] == parts(first)[OTHER]
    assert len(other.asked) == 1
    (warning,) = [line for line in caplog.messages if "which is not configured" in line]
    assert OTHER in warning


def test_one_that_has_become_a_full_table_is_no_stranger_to_the_state(
    house: House, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    first = state(house.run())
    house.declare(shop.stream(incremental=False))
    with caplog.at_level(logging.WARNING):
        house.run(state=first)
    assert "not configured" not in caplog.text


# ---- sources that are formed by their rows, and sources with parts -------------------------------

FOUND = Form(("sku", "units"), ("note",))


def formed(house: House, shop: Shop) -> Stream:
    """The shop's stream, with a key that is found in the rows."""
    stream = shop.stream(formed=True, replication_key=None)
    rows = [{"sku": sku, "units": 1, KEY: None, "note": "n"} for sku in "ab"]
    house.delivers[STOCK] = [page(*rows, by=None, form=FOUND)]
    return stream


def test_the_form_of_the_rows_is_the_business_of_the_source_alone(house: House, shop: Shop) -> None:
    house.declare(formed(house, shop))
    messages = house.run()
    told = {one["stream"]: one["key_properties"] for one in of_kind(messages, "SCHEMA")}
    assert told == {STOCK: ["sku", "units"], LEVELS: list(levels.PRIMARY_KEY)}
    assert schemas(messages) == [STOCK, LEVELS]
    assert skus(messages, LEVELS) == ["a", "b"]


def test_a_source_that_is_not_selected_is_given_no_schema_and_no_key(
    house: House, shop: Shop
) -> None:
    house.declare(formed(house, shop))
    messages = only(house)
    assert schemas(messages) == [LEVELS]
    assert STOCK not in state(messages)["bookmarks"]
    assert house.asked[-1].key == ()


def test_the_key_that_the_source_had_is_told_to_the_room_also_for_the_levels(
    house: House, shop: Shop
) -> None:
    house.declare(formed(house, shop))
    first = state(house.run())
    only(house, state=first)
    assert house.asked[-1].key == FOUND.key


class Markets(Shop):
    """A shop that reports the same rows in each of its markets."""

    def stream(self, *markets: str, **more: Any) -> Stream:
        return super().stream(partitions=lambda _: [{"market": one} for one in markets], **more)

    def __call__(self, request: Any) -> Any:
        wrong = self.wrong if request.partition["market"] == "B" else None
        pages = super().__call__(request)
        return pages if self.wrong is None or wrong is not None else self._pages(request)


@pytest.fixture
def markets(house: House) -> Markets:
    made = Markets(house)
    house.declare(made.stream("A", "B"))
    made.put("a", "b", "c")
    return made


@pytest.mark.usefixtures("markets")
@pytest.mark.parametrize("run", ["all", "only"])
def test_each_part_of_a_source_is_read_once_and_has_a_bookmark_of_its_own(
    house: House, run: str
) -> None:
    messages = only(house) if run == "only" else house.run()
    assert house.read == [(STOCK, "A"), (STOCK, "B")]
    assert skus(messages, LEVELS) == list("abcabc")
    assert parts(state(messages)).keys() == {f"{ROOM} A", f"{ROOM} B"}
    assert parts(state(messages))[f"{ROOM} A"]["context"] == {"provider": ROOM, "market": "A"}


def test_a_part_that_fails_keeps_both_bookmarks_and_stops_no_other(
    house: House, markets: Markets
) -> None:
    first = state(house.run())
    house.days(1)
    markets.put("a", units=2)
    markets.wrong = Unavailable("gone")
    with pytest.raises(Unavailable) as caught:
        house.run(state=first)
    assert str(caught.value).startswith(f"{STOCK} (B): gone (failed too: {LEVELS} ({ROOM}, B))")
    second = state(house.messages)
    old, new = parts(first), parts(second)
    assert new[f"{ROOM} B"] == old[f"{ROOM} B"]
    assert new[f"{ROOM} A"]["replication_key_value"] > old[f"{ROOM} A"]["replication_key_value"]
    markets.wrong = None
    assert skus(house.run(state=second), LEVELS) == ["a"]


def test_where_a_source_has_several_parts_a_warning_says_once_that_they_share_stock(
    house: House, markets: Markets, caplog: pytest.LogCaptureFixture
) -> None:
    def warned() -> int:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            house.run()
        return len([line for line in caplog.messages if "never sum" in line])

    assert warned() == 1
    house.declare(markets.stream("A"))
    assert warned() == 0


def test_without_the_levels_nothing_is_said_of_shared_stock(
    house: House,
    markets: Markets,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        own(house)
    assert "never sum" not in caplog.text
