"""Promise: records in a row come to what they would do one after the other; none is lost."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import registry, spool
from inventory_providers.times import rfc3339
from target_inventory.changeset import ChangeSet, Wanted, line_of
from target_inventory.plan import Plan, Planner
from tests.inventory_providers.fakes import NOON
from tests.target_inventory.singer import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inventory_providers.contract import Record

ROOM, WRITE = registry.writes()[STREAM]
LIVE = {"inv_on": True, "inv_lvl": 3, "inv_warn": 1, "inv_reorder_to": 9}


def changeset(*records: Any, max_age_seconds: int | None = None) -> ChangeSet:
    """These records, in this order."""
    made = ChangeSet(NOON, max_age_seconds)
    for record in records:
        made.add(ROOM.name, WRITE, record)
    return made


def item(key: str = "a", **values: Any) -> Record:
    return {"dn_sku_id": key, **values}


def wanted(*records: Any) -> dict[str, dict[str, Any]]:
    """The fields that these records come to, item by item."""
    return _after(_plan(records, dict.fromkeys("abc", LIVE)))


def test_the_later_value_of_each_field_wins() -> None:
    found = wanted(
        item(inv_lvl=1, inv_warn=5), item("b", inv_lvl=7), item(inv_lvl=2), item(inv_reorder_to=8)
    )
    assert found == {"a": {"inv_lvl": 2, "inv_warn": 5, "inv_reorder_to": 8}, "b": {"inv_lvl": 7}}


def test_null_takes_nothing_back() -> None:
    assert wanted(item(inv_lvl=1, inv_warn=5), item(inv_lvl=None, inv_warn=6)) == {
        "a": {"inv_lvl": 1, "inv_warn": 6}
    }


def test_items_come_in_the_order_in_which_they_were_first_spoken_of() -> None:
    made = changeset(*[item(key, inv_lvl=1) for key in "cabca"])
    assert set(made.keys(ROOM.name)) == {("c",), ("a",), ("b",)}
    items = [(key, [one.number for one in of_it]) for (key,), of_it in made.items(ROOM.name)]
    assert items == [("c", [1, 4]), ("a", [2, 5]), ("b", [3])]
    assert made.read == 5


def test_each_provider_has_its_own_items() -> None:
    made = changeset(item(inv_lvl=1))
    made.add("another", WRITE, item("b", inv_lvl=2))
    assert [key for key, _ in made.items(ROOM.name)] == [("a",)]
    assert [key for key, _ in made.items("another")] == [("b",)]
    assert (list(made.keys("none")), list(made.items("none"))) == ([], [])


def test_what_an_earlier_run_has_left_comes_before_all_records() -> None:
    made = changeset(item("b", inv_lvl=1), item(inv_lvl=2))
    for value in (7, 8):
        wish = WRITE.parse(item(inv_lvl=value))
        made.first(ROOM.name, Wanted(-1, WRITE, wish, line_of(item(inv_lvl=value))))
    items = {
        key: [(one.number, one.wish.fields["inv_lvl"]) for one in of_it]
        for (key,), of_it in made.items(ROOM.name)
    }
    assert items == {"a": [(-1, 7), (-1, 8), (2, 2)], "b": [(1, 1)]}
    assert list(items) == ["a", "b"]
    assert made.read == 2


def test_what_a_plan_expects_is_added_to_what_the_record_expects() -> None:
    made = ChangeSet(NOON)
    record = item(inv_lvl=5, expected_inv_lvl=3)
    made.add(ROOM.name, WRITE, record, expected={"inv_warn": None}, letter="then")
    ((_, [one]),) = made.items(ROOM.name)
    assert one.wish.expected == {"inv_lvl": 3, "inv_warn": None}
    assert (one.letter, one.record) == ("then", record)


def test_the_later_operator_goes_along() -> None:
    records = [
        item(inv_lvl=1, operator_login="ann", operator_id=1),
        item(inv_lvl=2, operator_login="bob"),
    ]
    (planned,) = _plan(records, {"a": LIVE}).changes
    assert planned.change.asked == {"inv_lvl": 2}
    assert planned.change.extra == {"operator_id": "1", "operator_login": "bob"}


def test_numbers_stay_exact_through_the_spool() -> None:
    record = item(inv_lvl=Decimal("5.0"), shelf=Decimal("0.10"))
    (planned,) = _plan([record], {"a": LIVE}).changes
    assert planned.change.asked == {"inv_lvl": 5}
    (kept,) = planned.wanted
    assert kept.record == record


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, Decimal("1e400"), float("nan")])
def test_a_field_that_is_not_written_may_hold_any_number(number: Any) -> None:
    assert wanted(item(inv_lvl=5, shelf=number)) == {"a": {"inv_lvl": 5}}


def test_what_does_not_fit_into_memory_comes_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (50,))
    made = changeset(*[item(f"k{n % 100}", inv_lvl=n) for n in range(300)])
    items = list(made.items(ROOM.name))
    levels = [[one.wish.fields["inv_lvl"] for one in of_it] for _, of_it in items]
    assert levels == [[n, n + 100, n + 200] for n in range(100)]
    made.close()


# ---- rejected records ----------------------------------------------------------------------------


def test_a_rejected_record_becomes_a_letter_and_leaves_the_others_alone() -> None:
    wrong = item(inv_lvl="5")
    made = _plan([item(inv_lvl=1), wrong, item(inv_warn=2)], {"a": LIVE})
    assert _after(made) == {"a": {"inv_lvl": 1, "inv_warn": 2}}
    (letter,) = made.letters
    assert (letter.stream, letter.record, letter.key) == (STREAM, wrong, ("a",))
    assert "inv_lvl" in letter.reason


@pytest.mark.parametrize("key", [None, "", 5, ["a"], ...])
def test_a_letter_that_names_no_item_is_about_none(key: Any) -> None:
    (letter,) = changeset({"inv_lvl": 5} | ({} if key is ... else {"dn_sku_id": key})).letters
    assert letter.key == (("",) if key == "" else None)


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_what_is_no_object_becomes_a_letter(value: Any) -> None:
    made = changeset(value)
    assert (len(made.letters), list(made.keys(ROOM.name))) == (1, [])


def _plan(records: Iterable[Any], live: Mapping[str, Any]) -> Plan:
    """The plan, with the letters of both in it."""
    made = changeset(*records)
    plan = Planner().make(made.items(ROOM.name), {(key,): level for key, level in live.items()})
    plan.letters[:0] = made.letters
    return plan


def _after(made: Plan) -> dict[str, dict[str, Any]]:
    """What is set, item by item."""
    changes = (planned.change for planned in made.changes)
    return {
        change.key[0]: {name: (change.after or {})[name] for name in change.fields}
        for change in changes
    }


def test_a_later_record_that_is_refused_does_not_take_an_earlier_one_with_it() -> None:
    made = _plan([item(inv_lvl=5, inv_warn=4), item(inv_lvl=-5)], {"a": LIVE})
    assert [letter.record for letter in made.letters] == [item(inv_lvl=-5)]
    assert _after(made) == {"a": {"inv_lvl": 5, "inv_warn": 4}}


def test_an_earlier_record_that_is_refused_does_not_take_a_later_one_with_it() -> None:
    made = _plan([item(inv_warn=-4), item(inv_lvl=5)], {"a": LIVE})
    assert [letter.record for letter in made.letters] == [item(inv_warn=-4)]
    assert _after(made) == {"a": {"inv_lvl": 5}}


def test_the_letters_of_an_unknown_item_hold_everything_that_was_wanted() -> None:
    made = _plan([item(inv_warn=4, inv_lvl=1), item(inv_lvl=5)], {})
    fed_back = wanted(*[json.loads(json.dumps(letter.record)) for letter in made.letters])
    assert fed_back == {"a": {"inv_warn": 4, "inv_lvl": 5}}


# ---- expected levels -----------------------------------------------------------------------------


def test_an_expected_level_may_be_the_one_that_an_earlier_record_sets() -> None:
    records = [item(inv_lvl=10, expected_inv_lvl=3), item(inv_lvl=20, expected_inv_lvl=10)]
    made = _plan(records, {"a": LIVE})
    assert _after(made) == {"a": {"inv_lvl": 20}}
    assert [one.record for one in made.changes[0].wanted] == records


def test_a_chain_whose_beginning_is_not_as_expected_writes_nothing() -> None:
    records = [item(inv_lvl=10, expected_inv_lvl=4), item(inv_lvl=20, expected_inv_lvl=10)]
    made = _plan(records, {"a": LIVE})
    assert (_after(made), made.unchanged) == ({}, 0)
    assert made.letters


def test_a_link_that_does_not_fit_is_rejected_alone() -> None:
    wrong = item(inv_lvl=20, expected_inv_lvl=3)
    made = _plan([item(inv_lvl=10), wrong], {"a": LIVE})
    assert [letter.record for letter in made.letters] == [wrong]
    assert _after(made) == {"a": {"inv_lvl": 10}}


def test_an_expected_level_counts_though_an_earlier_record_set_something_else() -> None:
    records = [item(inv_warn=2), item(inv_lvl=10, expected_inv_lvl=4)]
    made = _plan(records, {"a": LIVE})
    assert "inv_lvl" not in _after(made).get("a", {})
    assert made.letters


def test_a_later_record_without_an_expectation_is_written_whatever_stands_there() -> None:
    made = _plan([item(inv_lvl=10, expected_inv_lvl=4), item(inv_lvl=20)], {"a": LIVE})
    assert _after(made)["a"]["inv_lvl"] == 20


@pytest.mark.parametrize(
    "first",
    [
        item(inv_warn=7, inv_lvl=10, expected_inv_lvl=4),
        item(inv_warn=7, expected_inv_lvl=4),
    ],
)
def test_the_other_fields_of_a_record_whose_expectation_fails_are_not_written(first: Any) -> None:
    made = _plan([first, item(inv_lvl=20)], {"a": LIVE})
    assert "inv_warn" not in _after(made).get("a", {})


# ---- freshness -----------------------------------------------------------------------------------

HOUR = 3600


def _observed(seconds_ago: float, **more: Any) -> Record:
    moment = NOON - timedelta(seconds=seconds_ago)
    return item(inv_lvl=5, observed_at=rfc3339(moment), **more)


@pytest.mark.parametrize(
    ("seconds_ago", "kept"),
    [(-60, True), (0, True), (HOUR, True), (HOUR + 0.000001, False), (HOUR + 1, False)],
)
def test_a_record_may_be_just_as_old_as_it_says(seconds_ago: float, kept: bool) -> None:
    made = changeset(_observed(seconds_ago), max_age_seconds=HOUR)
    assert (list(made.keys(ROOM.name)) == [("a",)]) == kept
    assert [letter.key for letter in made.letters] == ([] if kept else [("a",)])
    assert all("max_age_seconds" in letter.reason for letter in made.letters)


@pytest.mark.parametrize(
    "observed",
    ["2026-03-01T13:30:00+02:00", "2026-03-01T06:30:00-05:00", "2026-03-01T11:30:00.5Z"],
)
def test_the_zone_of_the_moment_counts(observed: str) -> None:
    record = item(inv_lvl=5, observed_at=observed)
    assert not changeset(record, max_age_seconds=1800).letters
    assert changeset(record, max_age_seconds=1799).letters


def test_a_record_that_does_not_say_when_is_as_fresh_as_its_input() -> None:
    made = changeset(item(inv_lvl=5), item(inv_lvl=6, observed_at=None), max_age_seconds=0)
    assert not made.letters


@pytest.mark.parametrize("value", ["yesterday", "", 5, True, [], {}, float("nan"), "2026-13-01"])
def test_a_moment_that_is_none_makes_a_letter(value: Any) -> None:
    made = changeset(item(inv_lvl=5, observed_at=value), max_age_seconds=HOUR)
    (letter,) = made.letters
    assert "observed_at" in letter.reason


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_at_the_ends_of_the_calendar_does_not_break_it(value: str) -> None:
    made = changeset(item(inv_lvl=5, observed_at=value), max_age_seconds=HOUR)
    assert len(made.letters) + len(made.keys(ROOM.name)) == 1


@pytest.mark.parametrize("value", ["1999-01-01T00:00:00Z", "yesterday", 5])
def test_nobody_asks_for_the_moment_where_no_age_is_set(value: Any) -> None:
    assert not changeset(item(inv_lvl=5, observed_at=value)).letters


# ---- in general ----------------------------------------------------------------------------------

levels = st.none() | st.integers(0, 4)
records = st.fixed_dictionaries(
    {"dn_sku_id": st.sampled_from("ab")},
    optional={
        "inv_lvl": levels,
        "inv_warn": levels,
        "inv_on": st.none() | st.booleans(),
        "expected_inv_lvl": levels,
    },
)


def _carry_out(made: Plan, live: dict[str, dict[str, Any]]) -> None:
    for key, values in _after(made).items():
        live[key] |= values


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=8))
def test_all_at_once_is_one_after_the_other(rows: list[Any]) -> None:
    at_once = {key: dict(LIVE) for key in "ab"}
    made = _plan(rows, at_once)
    _carry_out(made, at_once)
    expected = {key: dict(LIVE) for key in "ab"}
    letters = []
    for row in rows:
        alone = _plan([row], expected)
        letters += [letter.record for letter in alone.letters]
        _carry_out(alone, expected)
    assert at_once == expected
    assert sorted(map(str, letters)) == sorted(str(letter.record) for letter in made.letters)


@settings(max_examples=80, deadline=None)
@given(st.lists(records, max_size=8))
def test_every_record_is_in_a_change_or_in_a_letter_or_makes_no_difference(
    rows: list[Any],
) -> None:
    made = _plan(rows, {"a": LIVE})
    told = [letter.record for letter in made.letters]
    told += [one.record for planned in made.changes for one in planned.wanted]
    spoken_of = {row["dn_sku_id"] for row in rows}
    changed = {planned.change.key[0] for planned in made.changes}
    quiet = [row for row in rows if row["dn_sku_id"] in spoken_of - changed and row not in told]
    assert sorted(map(str, told + quiet)) == sorted(map(str, rows))
    assert all(row["dn_sku_id"] == "a" for row in quiet), "of an unknown item every record is told"
    assert made.unchanged == len(quiet)
