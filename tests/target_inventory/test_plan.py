"""Promise: the plan is every record against the live levels, and can be read back as input."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from inventory_providers import registry
from inventory_providers.contract import Change, Wish
from inventory_providers.errors import InputError
from inventory_providers.jsonio import loads
from target_inventory.changeset import ChangeSet, Wanted, line_of
from target_inventory.plan import Plan, Planned, Planner, read_line
from tests.inventory_providers.fakes import NOON
from tests.target_inventory.singer import STREAM
from tests.target_inventory.test_changeset import LIVE, ROOM, WRITE, _plan, item


def make(record: Any, live: dict[str, Any] | None = None) -> Plan:
    return _plan([record], {"a": LIVE if live is None else live})


def test_a_wish_that_stands_there_is_unchanged() -> None:
    made = make(item(inv_lvl=3, inv_on=True))
    assert (made.unchanged, made.changes, made.letters) == (1, [], [])


@pytest.mark.parametrize("live", [Decimal("3.0"), Decimal(3), 3])
def test_numbers_are_compared_as_numbers(live: Any) -> None:
    assert make(item(inv_lvl=3), LIVE | {"inv_lvl": live}).unchanged == 1


def test_a_change_knows_what_stands_there_and_what_differs() -> None:
    (planned,) = make(item(inv_lvl=5, inv_warn=1, operator_id=4)).changes
    assert (planned.change.before, planned.change.after) == (LIVE, LIVE | {"inv_lvl": 5})
    assert (planned.change.asked, planned.change.extra) == ({"inv_lvl": 5}, {"operator_id": "4"})
    assert planned.change.fields == ("inv_lvl",)
    assert [one.record for one in planned.wanted] == [item(inv_lvl=5, inv_warn=1, operator_id=4)]


def test_an_unknown_item_is_rejected() -> None:
    made = _plan([item("b", inv_lvl=5)], {"a": LIVE})
    (letter,) = made.letters
    assert "dn_sku_id" in letter.reason
    assert (letter.live, letter.record, made.changes) == (None, item("b", inv_lvl=5), [])


def test_another_level_than_expected_is_rejected_with_both_numbers() -> None:
    made = make(item(inv_lvl=5, expected_inv_lvl=4))
    (letter,) = made.letters
    assert "4" in letter.reason
    assert "3" in letter.reason
    assert (letter.live, made.changes) == (LIVE, [])


def test_what_stands_there_already_is_unchanged_whatever_was_expected() -> None:
    """Carried out once more, a plan that was carried out is not wrong."""
    made = make(item(inv_lvl=3, expected_inv_lvl=4))
    assert (made.letters, made.unchanged) == ([], 1)


def test_a_negative_live_level_that_comes_back_is_unchanged() -> None:
    assert make(item(inv_lvl=-2), LIVE | {"inv_lvl": -2}).unchanged == 1


def test_a_negative_live_level_that_comes_back_with_another_change_is_not_sent() -> None:
    (planned,) = make(item(inv_lvl=-2, inv_warn=6), LIVE | {"inv_lvl": -2}).changes
    assert planned.change.fields == ("inv_warn",)


@pytest.mark.parametrize("name", ["inv_lvl", "inv_warn", "inv_reorder_to"])
def test_a_level_below_zero_is_rejected(name: str) -> None:
    made = make(item() | {name: -1})
    assert (len(made.letters), made.changes) == (1, [])


@pytest.mark.parametrize("on", [True, False])
def test_tracking_is_part_of_a_change_only_where_the_record_says_so(on: bool) -> None:
    (planned,) = make(item(inv_lvl=5), LIVE | {"inv_on": on}).changes
    assert "inv_on" not in planned.change.fields
    assert "inv_on" not in planned.change.asked
    assert (planned.change.before or {})["inv_on"] is on


def test_a_value_that_the_provider_does_not_have_yet_is_a_change() -> None:
    (planned,) = make(item(inv_warn=0), LIVE | {"inv_warn": None}).changes
    assert planned.change.fields == ("inv_warn",)


def test_changes_come_in_the_order_of_the_records_that_decided_them() -> None:
    records = [item("b", inv_lvl=1), item("c", inv_lvl=2), item(inv_lvl=5), item("b", inv_lvl=7)]
    made = _plan(records, dict.fromkeys("abc", LIVE))
    assert [planned.change.key for planned in made.changes] == [("c",), ("a",), ("b",)]


@pytest.mark.parametrize(
    ("stands", "levels", "sent"),
    [
        (3, [10, 5, 10], 10),
        (10, [10, 5, 10], None),
        (5, [10, 5], None),
        (3, [10, 3], None),
        (3, [10, 5, 3, 4], 4),
    ],
)
def test_what_stands_there_decides_and_not_what_was_sent_before(
    stands: int, levels: list[int], sent: int | None
) -> None:
    records = [item(inv_lvl=level) for level in levels]
    made = _plan(records, {"a": LIVE | {"inv_lvl": stands}})
    assert [(planned.change.after or {})["inv_lvl"] for planned in made.changes] == (
        [] if sent is None else [sent]
    )
    assert made.unchanged == (len(records) if sent is None else 0)


@pytest.mark.parametrize(
    ("live", "told"), [(None, "none"), (True, "true"), (Decimal("2.50"), "2.50")]
)
def test_a_live_value_is_told_in_words_of_the_input(live: Any, told: str) -> None:
    name = "inv_on" if live is True else "inv_lvl"
    expected = False if live is True else 4
    (letter,) = make(item(inv_warn=5) | {f"expected_{name}": expected}, LIVE | {name: live}).letters
    assert letter.reason.endswith(f"but it is {told}")


def test_what_an_earlier_run_has_left_is_no_record() -> None:
    """It is neither counted as unchanged nor the last word."""
    changes = ChangeSet(NOON)
    for value in (3, 9):
        wish = Wish(("a",), {"inv_lvl": value})
        changes.first(ROOM.name, Wanted(-1, WRITE, wish, line_of(item(inv_lvl=value))))
    changes.add(ROOM.name, WRITE, item(inv_lvl=3))
    made = Planner().make(changes.items(ROOM.name), {("a",): LIVE})
    assert (made.changes, made.unchanged) == ([], 1)


# ---- what newer records have decided -------------------------------------------------------------


def _with_letter(record: Any, newer: set[str], *later: Any) -> Plan:
    changes = ChangeSet(NOON)
    changes.add(ROOM.name, WRITE, record, letter="then")
    for one in later:
        changes.add(ROOM.name, WRITE, one)
    asked: list[Any] = []

    def told(key: Any, letter: str) -> set[str]:
        asked.append((key, letter))
        return newer

    made = Planner(newer=told).make(
        changes.items(ROOM.name), {("a",): LIVE}, watched=frozenset({("a",)})
    )
    assert asked == [(("a",), "then")]
    return made


def test_a_letter_of_which_all_is_overtaken_is_counted_and_no_more() -> None:
    made = _with_letter(item(inv_lvl=5), {"inv_lvl", "inv_warn"})
    assert (made.superseded, made.changes, made.unchanged, made.letters) == (1, [], 0, [])
    assert made.decided == {}


def test_a_letter_of_which_a_part_is_overtaken_sets_the_rest() -> None:
    made = _with_letter(item(inv_lvl=5, inv_warn=8), {"inv_lvl"})
    (planned,) = made.changes
    assert (planned.change.asked, made.superseded) == ({"inv_warn": 8}, 0)


def test_a_letter_that_is_overtaken_is_not_judged_by_what_it_expected() -> None:
    made = _with_letter(item(inv_lvl=5, expected_inv_lvl=99), {"inv_lvl"})
    assert (made.superseded, made.letters) == (1, [])


def test_records_behind_a_letter_are_carried_out() -> None:
    made = _with_letter(item(inv_lvl=5), {"inv_lvl"}, item(inv_lvl=6))
    assert [planned.change.asked for planned in made.changes] == [{"inv_lvl": 6}]


def test_only_items_that_have_a_letter_are_watched() -> None:
    changes = ChangeSet(NOON)
    level, warn = {"inv_lvl": LIVE["inv_lvl"]}, {"inv_warn": LIVE["inv_warn"]}
    for record in (item(**level), item("b", **level), item(**warn), item(**level)):
        changes.add(ROOM.name, WRITE, record)
    levels = {("a",): LIVE, ("b",): LIVE}
    made = Planner().make(changes.items(ROOM.name), levels, watched=frozenset({("a",)}))
    assert made.decided == {("a",): {"inv_lvl": 4, "inv_warn": 3}}


def test_what_is_yet_to_be_written_has_decided_nothing() -> None:
    changes = ChangeSet(NOON)
    changes.add(ROOM.name, WRITE, item(inv_lvl=LIVE["inv_lvl"] + 1))
    made = Planner().make(changes.items(ROOM.name), {("a",): LIVE}, watched=frozenset({("a",)}))
    assert (made.decided, len(made.changes)) == ({}, 1)


def test_a_record_that_is_rejected_decides_nothing() -> None:
    changes = ChangeSet(NOON)
    changes.add(ROOM.name, WRITE, item(inv_lvl=5, expected_inv_lvl=99))
    made = Planner().make(changes.items(ROOM.name), {("a",): LIVE}, watched=frozenset({("a",)}))
    assert (made.decided, len(made.letters)) == ({}, 1)


# ---- what happens once ---------------------------------------------------------------------------

ADD = registry.writes()["amazon_fba_add_inventory"][1]
CREATE = registry.writes()["amazon_fba_create_inventory_item"][1]
DELETE = registry.writes()["amazon_fba_delete_inventory_item"][1]
SHOES = {"marketplace_id": "ATVPDKIKX0DER", "seller_sku": "SHOES"}
KEY = ("ATVPDKIKX0DER", "SHOES")
UNITS = "fulfillable_quantity"


def _add(quantity: int, event: str) -> tuple[Any, Any]:
    return ADD, {**SHOES, "quantity": quantity, "idempotency_key": event}


CREATED = (CREATE, {**SHOES, "product_name": "Shoes"})
DELETED = (DELETE, SHOES)


def _happen(*given: tuple[Any, Any], units: int | None = 3, **known: Any) -> Plan:
    changes = ChangeSet(NOON)
    for write, record in given:
        changes.add("amazon_fba", write, record)
    assert not changes.letters
    levels = {} if units is None else {KEY: {UNITS: units}}
    return Planner(**known).make(changes.items("amazon_fba"), levels)


def _steps(made: Plan) -> list[tuple[str, Any, Any]]:
    """Each write with the units before and after it."""

    def units(level: Any) -> Any:
        return None if level is None else level[UNITS]

    changes = ((planned.write.effect, planned.change) for planned in made.changes)
    return [(effect, units(change.before), units(change.after)) for effect, change in changes]


def test_each_addition_is_a_request_of_its_own_and_builds_on_the_one_before() -> None:
    made = _happen(_add(2, "a"), _add(5, "b"))
    assert _steps(made) == [("add", 3, 5), ("add", 5, 10)]
    assert [planned.change.event for planned in made.changes] == ["a", "b"]


def test_an_addition_that_comes_twice_is_made_once() -> None:
    made = _happen(_add(2, "a"), _add(2, "a"))
    assert (_steps(made), made.unchanged, made.letters) == ([("add", 3, 5)], 1, [])


def test_an_addition_that_was_made_in_an_earlier_run_is_not_made_again() -> None:
    made = _happen(
        _add(2, "a"),
        _add(2, "b"),
        event=lambda _key, event: ("done", {"quantity": 2}) if event == "a" else None,
    )
    assert (_steps(made), made.unchanged) == ([("add", 3, 5)], 1)


@pytest.mark.parametrize("status", ["refused", "withdrawn", "replaced"])
def test_an_addition_that_was_not_made_may_be_made_now(status: Any) -> None:
    made = _happen(_add(2, "a"), event=lambda *_: (status, {"quantity": 7}))
    assert _steps(made) == [("add", 3, 5)]


def test_an_addition_of_which_nobody_knows_is_not_made_behind_anybodys_back() -> None:
    made = _happen(_add(2, "a"), event=lambda *_: ("unknown", {"quantity": 2}))
    (letter,) = made.letters
    assert (made.changes, "idempotency_key" in letter.reason) == ([], True)


def test_a_key_that_comes_back_with_another_quantity_is_rejected() -> None:
    made = _happen(_add(2, "a"), _add(3, "a"))
    assert _steps(made) == [("add", 3, 5)]
    assert [letter.record["quantity"] for letter in made.letters] == [3]
    before = _happen(_add(3, "a"), event=lambda *_: ("done", {"quantity": 2}))
    assert (before.changes, len(before.letters)) == ([], 1)


def test_an_item_may_come_be_filled_and_go_in_one_input() -> None:
    made = _happen(CREATED, _add(2, "a"), DELETED, units=None)
    assert _steps(made) == [("create", None, 0), ("add", 0, 2), ("delete", 2, None)]


@pytest.mark.parametrize(
    ("given", "units", "effects"),
    [
        ([CREATED], 3, []),
        ([DELETED], None, []),
        ([DELETED, DELETED], 3, ["delete"]),
        ([CREATED, CREATED, DELETED], 0, ["delete"]),
    ],
)
def test_what_is_there_already_or_gone_already_is_unchanged(
    given: list[Any], units: int | None, effects: list[str]
) -> None:
    made = _happen(*given, units=units)
    assert [planned.write.effect for planned in made.changes] == effects
    assert made.unchanged == len(given) - len(effects)


def test_nothing_is_added_to_what_is_not_there() -> None:
    made = _happen(_add(2, "a"), DELETED, _add(2, "b"), units=None)
    assert [letter.record["idempotency_key"] for letter in made.letters] == ["a", "b"]
    assert "seller_sku" in made.letters[0].reason
    assert made.changes == []


# ---- lines ---------------------------------------------------------------------------------------


def test_there_is_one_line_per_changed_field() -> None:
    made = make(item(inv_lvl=5, inv_warn=1, inv_on=False))
    assert [json.loads(line) for line in made.lines()] == [
        {
            "stream": STREAM,
            "key": {"dn_sku_id": "a"},
            "field": field,
            "before": before,
            "after": after,
        }
        for field, before, after in [("inv_on", True, False), ("inv_lvl", 3, 5)]
    ]


def test_a_line_is_a_line_whatever_the_key() -> None:
    key = 'a\n"b"\u2028\x00'
    made = _plan([item(key, inv_lvl=5)], {key: LIVE})
    (line,) = made.lines()
    assert line.count(b"\n") == 1
    assert json.loads(line)["key"] == {"dn_sku_id": key}


def test_fractions_at_the_provider_are_told_exactly() -> None:
    made = make(item(inv_lvl=5), LIVE | {"inv_lvl": Decimal("0.1000000000000000000001")})
    (line,) = made.lines()
    assert b'"before":0.1000000000000000000001,' in line


def test_what_happens_once_has_its_record_in_the_line() -> None:
    made = _happen(CREATED, _add(2, "a"), DELETED, units=None)
    lines = [json.loads(line) for line in made.lines()]
    assert [(line["field"], line["before"], line["after"]) for line in lines] == [
        ("product_name", None, "Shoes"),
        (UNITS, 0, 2),
        (UNITS, 2, None),
    ]
    assert [line["record"] for line in lines] == [CREATED[1], _add(2, "a")[1], DELETED[1]]
    assert {tuple(line["key"].values()) for line in lines} == {KEY}


# ---- lines as input ------------------------------------------------------------------------------

LINE = {"stream": "s", "key": {"k": "a"}, "field": "n", "before": 1, "after": 2}


def test_a_line_is_a_record_and_what_has_to_hold() -> None:
    assert read_line(LINE) == ("s", {"k": "a", "n": 2, "expected_n": 1}, {"n": 1})


def test_a_line_from_nothing_expects_that_there_is_still_nothing() -> None:
    assert read_line(LINE | {"before": None}) == ("s", {"k": "a", "n": 2}, {"n": None})


def test_a_line_that_has_its_record_is_that_record_if_nothing_has_moved() -> None:
    record = {"k": "a", "x": 1}
    assert read_line(LINE | {"record": record}) == ("s", record, {"n": 1})
    assert read_line(LINE | {"record": record, "before": None}) == ("s", record, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": None},
        {"stream": 5},
        {"key": None},
        {"key": "a"},
        {"key": []},
        {"field": None},
        {"field": 5},
        {"record": "a"},
        {"record": []},
    ],
    ids=str,
)
def test_what_only_looks_like_a_line_is_broken_input(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a line of a plan"):
        read_line(LINE | wrong)


@pytest.mark.parametrize("record", [item(inv_lvl=5), item(inv_lvl=5, inv_warn=4, inv_on=False)])
def test_the_lines_of_a_plan_ask_for_the_same_again(record: Any) -> None:
    made = make(record)
    changes = ChangeSet(NOON)
    for text in made.lines():
        stream, again, expected = read_line(loads(text))
        assert stream == STREAM
        changes.add(ROOM.name, WRITE, again, expected=expected)
    (planned,) = Planner().make(changes.items(ROOM.name), {("a",): LIVE}).changes
    assert planned.change == made.changes[0].change


def test_letters_of_a_planned_change_ask_for_all_that_its_records_asked() -> None:
    records = [item(inv_lvl=5, inv_warn=9), item(inv_lvl=6)]
    (planned,) = _plan(records, {"a": LIVE}).changes
    assert planned.number == 2
    letters = planned.rejected("no", LIVE | {"inv_lvl": 7})
    assert [letter.record for letter in letters] == records
    assert {(letter.stream, letter.reason, letter.key) for letter in letters} == {
        (STREAM, "no", ("a",))
    }
    assert [letter.live for letter in letters] == [LIVE | {"inv_lvl": 7}] * 2
    assert [letter.live for letter in planned.rejected("no")] == [LIVE] * 2


def test_the_letter_of_an_item_that_was_not_there_shows_nothing() -> None:
    (planned,) = _happen(CREATED, units=None).changes
    assert isinstance(planned, Planned)
    assert isinstance(planned.change, Change)
    assert [letter.live for letter in planned.rejected("no")] == [None]
