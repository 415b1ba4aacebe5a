"""Promise: records in a row come to what they would do one after the other; none is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import registry, spool
from target_inventory import plan
from target_inventory.changeset import ChangeSet
from tests.target_inventory.singer import STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from inventory_providers.contract import Record

WRITE = registry.writes()[STREAM][1]
LIVE = {"inv_on": True, "inv_lvl": 3, "inv_warn": 1, "inv_reorder_to": 9}


def changeset(*records: Any) -> ChangeSet:
    """These records, in this order."""
    made = ChangeSet(WRITE)
    for record in records:
        made.add(record)
    return made


def item(key: str = "a", **values: Any) -> Record:
    return {"dn_sku_id": key, **values}


def wishes(*records: Any) -> dict[str, dict[str, Any]]:
    return {wish.key: dict(wish.fields) for wish, _ in changeset(*records).wishes()}


def test_the_later_value_of_each_field_wins() -> None:
    found = wishes(
        item(inv_lvl=1, inv_warn=5), item("b", inv_lvl=7), item(inv_lvl=2), item(inv_reorder_to=8)
    )
    assert found == {"a": {"inv_lvl": 2, "inv_warn": 5, "inv_reorder_to": 8}, "b": {"inv_lvl": 7}}


def test_null_takes_nothing_back() -> None:
    assert wishes(item(inv_lvl=1, inv_warn=5), item(inv_lvl=None, inv_warn=6)) == {
        "a": {"inv_lvl": 1, "inv_warn": 6}
    }


def test_items_come_in_the_order_in_which_they_were_first_spoken_of() -> None:
    made = changeset(*[item(key, inv_lvl=1) for key in "cabca"])
    assert list(made.keys) == ["c", "a", "b"]
    assert [wish.key for wish, _ in made.wishes()] == ["c", "a", "b"]
    assert made.read == 5


def test_the_later_operator_goes_along() -> None:
    made = changeset(
        item(inv_lvl=1, operator_login="ann", operator_id=1), item(inv_lvl=2, operator_login="bob")
    )
    ((wish, _),) = made.wishes()
    assert wish.extra == {"operator_id": "1", "operator_login": "bob"}


def test_numbers_stay_exact_through_the_spool() -> None:
    made = changeset(item(inv_lvl=Decimal("5.0"), shelf=Decimal("0.10")))
    ((wish, record),) = made.wishes()
    assert (wish.fields["inv_lvl"], record["shelf"]) == (5, Decimal("0.10"))


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, Decimal("1e400"), float("nan")])
def test_a_field_that_is_not_written_may_hold_any_number(number: Any) -> None:
    ((wish, _),) = changeset(item(inv_lvl=5, shelf=number)).wishes()
    assert wish.fields == {"inv_lvl": 5}


def test_what_does_not_fit_into_memory_comes_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (50,))
    made = changeset(*[item(f"k{n % 100}", inv_lvl=n) for n in range(300)])
    assert [wish.fields["inv_lvl"] for wish, _ in made.wishes()] == list(range(200, 300))
    made.close()


# ---- rejected records ----------------------------------------------------------------------------


def test_a_rejected_record_becomes_a_letter_and_leaves_the_others_alone() -> None:
    wrong = item(inv_lvl="5")
    made = changeset(item(inv_lvl=1), wrong, item(inv_warn=2))
    assert {wish.key: wish.fields for wish, _ in made.wishes()} == {
        "a": {"inv_lvl": 1, "inv_warn": 2}
    }
    (letter,) = made.letters
    assert (letter.stream, letter.record) == (STREAM, wrong)
    assert "inv_lvl" in letter.reason


@pytest.mark.parametrize("value", [None, [], "x", 5, True])
def test_what_is_no_object_becomes_a_letter(value: Any) -> None:
    made = changeset(value)
    assert (len(made.letters), list(made.keys)) == (1, [])


def _plan(records: Iterable[Any], live: Mapping[str, Any]) -> plan.Plan:
    return plan.make(changeset(*records), live)


def _after(made: plan.Plan) -> dict[str, dict[str, Any]]:
    return {p.change.key: dict(p.change.after) for p in made.changes}


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
    fed_back = wishes(*[json.loads(json.dumps(letter.record)) for letter in made.letters])
    assert fed_back == {"a": {"inv_warn": 4, "inv_lvl": 5}}


# ---- expected levels -----------------------------------------------------------------------------


def test_an_expected_level_may_be_the_one_that_an_earlier_record_sets() -> None:
    records = [item(inv_lvl=10, expected_inv_lvl=3), item(inv_lvl=20, expected_inv_lvl=10)]
    assert _after(_plan(records, {"a": LIVE})) == {"a": {"inv_lvl": 20}}


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


def _one_after_the_other(record: Any, live: dict[str, Any]) -> None:
    """What a record alone would do to its item."""
    made = _plan([record], live)
    for planned in made.changes:
        live[planned.change.key] |= planned.change.after


@settings(max_examples=80, deadline=None)
@given(st.lists(records.filter(lambda r: "expected_inv_lvl" not in r), max_size=8))
def test_without_expectations_all_at_once_is_one_after_the_other(rows: list[Any]) -> None:
    live = {key: dict(LIVE) for key in "ab"}
    made = _plan(rows, live)
    for planned in made.changes:
        live[planned.change.key] |= planned.change.after
    expected = {key: dict(LIVE) for key in "ab"}
    for row in rows:
        _one_after_the_other(row, expected)
    assert live == expected


@settings(max_examples=80, deadline=None)
@given(st.lists(records, max_size=5))
def test_with_expectations_nothing_is_written_that_would_not_have_been(rows: list[Any]) -> None:
    """A chain may be refused as a whole; it never does more than its records one by one."""
    live = {key: dict(LIVE) for key in "ab"}
    reachable = {key: [dict(LIVE)] for key in "ab"}
    for row in rows:
        _one_after_the_other(row, live)
        for key in "ab":
            reachable[key].append(dict(live[key]))
    start = {key: dict(LIVE) for key in "ab"}
    for planned in _plan(rows, start).changes:
        key = planned.change.key
        assert start[key] | planned.change.after in reachable[key]
