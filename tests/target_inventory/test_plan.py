"""Promise: the plan says what will be written, and harms nobody's terminal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.contract import Change
from target_inventory import plan
from target_inventory.plan import Planned
from tests.target_inventory.singer import STREAM
from tests.target_inventory.test_changeset import LIVE, WRITE, changeset, item


def make(record: Any, live: dict[str, Any] | None = None) -> plan.Plan:
    return plan.make(changeset(record), {"a": LIVE if live is None else live})


def test_a_wish_that_stands_there_is_unchanged() -> None:
    made = make(item(inv_lvl=3, inv_on=True))
    assert (made.unchanged, made.changes, made.letters) == (1, [], [])


@pytest.mark.parametrize("live", [Decimal("3.0"), Decimal(3), 3])
def test_numbers_are_compared_as_numbers(live: Any) -> None:
    assert make(item(inv_lvl=3), LIVE | {"inv_lvl": live}).unchanged == 1


def test_a_change_knows_what_stands_there_and_what_differs() -> None:
    (planned,) = make(item(inv_lvl=5, inv_warn=1, operator_id=4)).changes
    assert (planned.change.before, planned.change.after["inv_lvl"]) == (LIVE, 5)
    assert planned.change.extra == {"operator_id": "4"}
    assert planned.change.fields == ("inv_lvl",)
    assert planned.records == [item(inv_lvl=5, inv_warn=1, operator_id=4)]


def test_an_unknown_item_is_rejected() -> None:
    made = plan.make(changeset(item("b", inv_lvl=5)), {"a": LIVE})
    (letter,) = made.letters
    assert "dn_sku_id" in letter.reason
    assert (letter.live, letter.record, made.changes) == (None, item("b", inv_lvl=5), [])


def test_another_level_than_expected_is_rejected_with_both_numbers() -> None:
    made = make(item(inv_lvl=5, expected_inv_lvl=4))
    (letter,) = made.letters
    assert "4" in letter.reason
    assert "3" in letter.reason
    assert (letter.live, made.changes) == (LIVE, [])


def test_an_expected_level_is_checked_though_the_wanted_one_stands_there() -> None:
    assert make(item(inv_lvl=3, expected_inv_lvl=4)).letters


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
    assert "inv_on" not in planned.change.after
    assert planned.change.before["inv_on"] is on


def test_a_value_that_the_provider_does_not_have_yet_is_a_change() -> None:
    (planned,) = make(item(inv_warn=0), LIVE | {"inv_warn": None}).changes
    assert planned.change.fields == ("inv_warn",)


def test_the_records_letters_come_first() -> None:
    made = plan.make(changeset(item(inv_lvl="x"), item("b", inv_lvl=1)), {"a": LIVE})
    assert [letter.record["dn_sku_id"] for letter in made.letters] == ["a", "b"]


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
    key = 'a\n"b"\u2028\ud83d\x00'
    made = plan.make(changeset(item(key, inv_lvl=5)), {key: LIVE})
    (line,) = made.lines()
    assert line.count(b"\n") == 1
    assert json.loads(line)["key"] == {"dn_sku_id": key}


def test_fractions_at_the_provider_are_told_exactly() -> None:
    made = make(item(inv_lvl=5), LIVE | {"inv_lvl": Decimal("0.1000000000000000000001")})
    (line,) = made.lines()
    assert b'"before":0.1000000000000000000001,' in line


# ---- the table -----------------------------------------------------------------------------------


def _shown(changes: list[Planned], capsys: pytest.CaptureFixture[str]) -> str:
    plan.show(changes, "DecoNetwork: 1 changes")
    out, err = capsys.readouterr()
    assert out == "", "standard output is for messages"
    return err


def _planned(key: str = "a", before: Any = 3, after: Any = 5, field: str = "inv_lvl") -> Planned:
    return Planned(WRITE, Change(key, LIVE | {field: before}, {field: after}), [{}])


@pytest.mark.parametrize(
    ("before", "after", "field", "cells"),
    [
        (3, 5, "inv_lvl", ["3", "5", "+2"]),
        (5, 0, "inv_lvl", ["5", "0", "-5"]),
        (-2, 0, "inv_lvl", ["-2", "0", "+2"]),
        (None, 4, "inv_lvl", ["none", "4"]),
        (Decimal("2.5"), 4, "inv_lvl", ["2.5", "4", "+1.5"]),
        (True, False, "inv_on", ["true", "false"]),
        (None, True, "inv_on", ["none", "true"]),
    ],
)
def test_a_row_shows_before_after_and_the_difference(
    before: Any, after: Any, field: str, cells: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = _shown([_planned(before=before, after=after, field=field)], capsys)
    row = next(line for line in text.splitlines() if field in line)
    words = [word for word in row.replace("│", " ").replace("┃", " ").split() if word != "a"]
    assert words == [STREAM, field, *cells]


HARMFUL = [
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "a\rb",
    "a\nb",
    "\u202eabc",
    "\u009b31m",
    "\x00",
    "\x7f",
    "\u2028",
    "\ud83d",
]


@pytest.mark.parametrize("key", HARMFUL)
def test_control_characters_of_a_key_do_not_reach_the_terminal(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _shown([_planned(f"<{key}>")], capsys)
    bad = {character for character in key if not character.isprintable()}
    assert bad
    assert not bad & set(text) - {"\n"}
    row = next(line for line in text.splitlines() if "<" in line)
    assert ">" in row, "the key broke its row"
    assert "?" in row


@pytest.mark.parametrize(
    "key",
    ["[red]a[/red]", "[/]", "[link=http://x]a[/link]", "a\\[b]", "[bold", ":warning:", ":x:1"],
)
def test_markup_in_a_key_is_shown_as_it_is(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert key in _shown([_planned(key)], capsys)


@settings(max_examples=80, deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_any_key_can_be_shown(key: str) -> None:
    cells = plan._cells(_planned(key), "inv_lvl")
    assert all(cell.isprintable() for cell in cells)


def test_a_long_plan_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown([_planned(f"item-{n}") for n in range(100)], capsys)
    assert text.count("item-") == 40
    assert "60 more" in text
    assert "plan_path" in text


def test_a_long_key_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown([_planned("x" * 300)], capsys)
    assert text.count("x") == 300
