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


def wanted(*records: Any) -> dict[str, dict[str, Any]]:
    """The fields that these records come to, item by item."""
    live = dict.fromkeys("abc", LIVE)
    return {p.change.key: dict(p.change.after) for p in _plan(records, live).changes}


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
    assert list(made.keys) == ["c", "a", "b"]
    assert [(key, len(of_it)) for key, of_it in made.items()] == [("c", 2), ("a", 2), ("b", 1)]
    assert made.read == 5


def test_the_later_operator_goes_along() -> None:
    records = [
        item(inv_lvl=1, operator_login="ann", operator_id=1),
        item(inv_lvl=2, operator_login="bob"),
    ]
    (planned,) = _plan(records, {"a": LIVE}).changes
    assert planned.change.extra == {"operator_id": "1", "operator_login": "bob"}


def test_numbers_stay_exact_through_the_spool() -> None:
    record = item(inv_lvl=Decimal("5.0"), shelf=Decimal("0.10"))
    (planned,) = _plan([record], {"a": LIVE}).changes
    assert planned.change.after == {"inv_lvl": 5}
    (kept,) = planned.records
    assert kept == record


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, Decimal("1e400"), float("nan")])
def test_a_field_that_is_not_written_may_hold_any_number(number: Any) -> None:
    assert wanted(item(inv_lvl=5, shelf=number)) == {"a": {"inv_lvl": 5}}


def test_what_does_not_fit_into_memory_comes_back_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", (50,))
    made = changeset(*[item(f"k{n % 100}", inv_lvl=n) for n in range(300)])
    levels = [[one.wish.fields["inv_lvl"] for one in of_it] for _, of_it in made.items()]
    assert levels == [[n, n + 100, n + 200] for n in range(100)]
    made.close()


# ---- rejected records ----------------------------------------------------------------------------


def test_a_rejected_record_becomes_a_letter_and_leaves_the_others_alone() -> None:
    wrong = item(inv_lvl="5")
    made = _plan([item(inv_lvl=1), wrong, item(inv_warn=2)], {"a": LIVE})
    assert _after(made) == {"a": {"inv_lvl": 1, "inv_warn": 2}}
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
    fed_back = wanted(*[json.loads(json.dumps(letter.record)) for letter in made.letters])
    assert fed_back == {"a": {"inv_warn": 4, "inv_lvl": 5}}


# ---- expected levels -----------------------------------------------------------------------------


def test_an_expected_level_may_be_the_one_that_an_earlier_record_sets() -> None:
    records = [item(inv_lvl=10, expected_inv_lvl=3), item(inv_lvl=20, expected_inv_lvl=10)]
    made = _plan(records, {"a": LIVE})
    assert _after(made) == {"a": {"inv_lvl": 20}}
    assert made.changes[0].records == records


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


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=8))
def test_all_at_once_is_one_after_the_other(rows: list[Any]) -> None:
    at_once = {key: dict(LIVE) for key in "ab"}
    made = _plan(rows, at_once)
    for planned in made.changes:
        at_once[planned.change.key] |= planned.change.after
    expected = {key: dict(LIVE) for key in "ab"}
    letters = []
    for row in rows:
        alone = _plan([row], expected)
        letters += [letter.record for letter in alone.letters]
        for planned in alone.changes:
            expected[planned.change.key] |= planned.change.after
    assert at_once == expected
    assert sorted(map(str, letters)) == sorted(str(letter.record) for letter in made.letters)


@settings(max_examples=80, deadline=None)
@given(st.lists(records, max_size=8))
def test_every_record_is_in_a_change_or_in_a_letter_or_makes_no_difference(
    rows: list[Any],
) -> None:
    made = _plan(rows, {"a": LIVE})
    told = [letter.record for letter in made.letters]
    told += [record for planned in made.changes for record in planned.records]
    spoken_of = {row["dn_sku_id"] for row in rows}
    changed = {planned.change.key for planned in made.changes}
    quiet = [row for row in rows if row["dn_sku_id"] in spoken_of - changed and row not in told]
    assert sorted(map(str, told + quiet)) == sorted(map(str, rows))
    assert all(row["dn_sku_id"] == "a" for row in quiet), "of an unknown item every record is told"
