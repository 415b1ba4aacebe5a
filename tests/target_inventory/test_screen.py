"""Promise: what a person at a terminal sees is true, short, and harms nobody's terminal."""

from __future__ import annotations

import io
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.contract import Change
from target_inventory import screen
from target_inventory.plan import Planned
from tests.target_inventory.singer import STREAM
from tests.target_inventory.test_changeset import LIVE, WRITE
from tests.target_inventory.test_plan import CREATED, DELETED, _add, _happen

# ---- the table -----------------------------------------------------------------------------------


def _shown(changes: list[Planned], capsys: pytest.CaptureFixture[str]) -> str:
    screen.show(changes, "DecoNetwork: 1 changes")
    out, err = capsys.readouterr()
    assert out == "", "standard output is for messages"
    return err


def _planned(key: str = "a", before: Any = 3, after: Any = 5, field: str = "inv_lvl") -> Planned:
    level = LIVE | {field: before}
    return Planned(WRITE, Change((key,), level, level | {field: after}), [])


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
    planned = _planned(key)
    (row,) = planned.cells()
    assert all(cell.isprintable() for cell in screen._cells(planned, *row))


def test_a_long_plan_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown([_planned(f"item-{n}") for n in range(100)], capsys)
    assert text.count("item-") == 40
    assert "60 more" in text
    assert "plan_path" in text


def test_a_long_key_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown([_planned("x" * 300)], capsys)
    assert text.count("x") == 300


def test_as_many_rows_as_fit_are_shown_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    text = _shown([_planned(f"item-{n}") for n in range(screen.ROWS_SHOWN)], capsys)
    assert text.count("item-") == screen.ROWS_SHOWN
    assert "more" not in text


def test_what_comes_is_filled_and_goes_is_shown_step_by_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = _happen(CREATED, _add(2, "a"), _add(5, "b"), DELETED, units=None)
    rows = [
        screen._cells(planned, *cells)[2:] for planned in made.changes for cells in planned.cells()
    ]
    assert rows == [
        ("product_name", "none", "Shoes", ""),
        ("fulfillable_quantity", "0", "2", "+2"),
        ("fulfillable_quantity", "2", "7", "+5"),
        ("fulfillable_quantity", "7", "none", ""),
    ]
    assert "SHOES" in _shown(made.changes, capsys)


def test_an_addition_to_a_level_that_nobody_knows_shows_what_is_added() -> None:
    (planned,) = _happen(_add(2, "a"), units=0).changes
    level = {"fulfillable_quantity": None}
    change = Change(planned.change.key, level, level, {"quantity": 2}, event="a")
    unknown = Planned(planned.write, change, planned.wanted)
    (row,) = unknown.cells()
    assert screen._cells(unknown, *row)[2:] == ("quantity", "none", "2", "")


def test_without_a_standard_error_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    screen.show([_planned()], "DecoNetwork: 1 changes")
    with screen.Progress(5) as progress:
        progress.advance(1)


# ---- progress ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Something that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def _advance(total: int, monkeypatch: pytest.MonkeyPatch, err: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    with screen.Progress(total) as progress:
        progress.advance(2)
        if progress._bar is not None:
            progress._bar.refresh()
    return err.getvalue()


def test_on_a_terminal_one_sees_how_far_it_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2/5" in _advance(5, monkeypatch, Terminal())


@pytest.mark.parametrize(("total", "err"), [(5, io.StringIO()), (0, Terminal())])
def test_anywhere_else_and_for_nothing_there_is_no_bar(
    total: int, err: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _advance(total, monkeypatch, err) == ""


def test_the_bar_is_gone_when_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(ValueError, match="no"), screen.Progress(5) as progress:
        raise ValueError("no")
    assert progress._bar.finished or not progress._bar.live.is_started
