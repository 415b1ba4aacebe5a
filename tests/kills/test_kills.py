"""Promise: a run that is killed or stopped anywhere loses nothing and does nothing twice.

The short version; `python -m tests.kills` is the long one.
"""

from __future__ import annotations

import signal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, get_args

import pytest

from tests.kills import table, trials
from tests.kills.cases import Additions, Levels
from tests.kills.killed import Strike, When
from tests.kills.trials import at_step, every_step, randoms, shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kills.cases import Case
    from tests.kills.killed import Step
    from tests.kills.trials import Tally, Theatre

pytestmark = pytest.mark.processes

KILLS, TERMS = 12, 6


def _is_right(tally: Tally, note: Callable[[str, str], None]) -> None:
    note("figures", tally.line())
    print(tally.line())  # noqa: T201 - the figures belong to the outcome
    assert tally.wrong == []


def test_w01_killed_at_every_step_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_property: Callable[[str, str], None]
) -> None:
    kinds: list[tuple[Callable[[Path], Case], Step]] = [
        (Additions, "commit"),
        (Levels, "commit"),
        (Levels, "request"),
    ]
    jobs = [
        partial(every_step, make=make, step=step, when=when)
        for make, step in kinds
        for when in get_args(When)
    ]
    tally = shared(tmp_path, jobs)
    _is_right(tally, record_property)
    # Making the tables, what is intended, then two for each request.
    assert tally.counts["steps"] >= 2 * (2 + 2 * 5) + 2 * 4 + 2 * 3


def test_w02_killed_or_stopped_at_any_moment_nothing_is_lost_or_done_twice(
    tmp_path: Path, record_property: Callable[[str, str], None]
) -> None:
    jobs = [
        partial(randoms, number=signal.SIGKILL, wanted=KILLS, seeds=count(1)),
        partial(randoms, number=signal.SIGTERM, wanted=TERMS, seeds=count(1001)),
    ]
    tally = shared(tmp_path, jobs)
    _is_right(tally, record_property)
    assert tally.counts["kills"] >= KILLS
    assert tally.counts["terms"] >= TERMS


# ---- what the trials find ------------------------------------------------------------------------


def test_state_that_comes_out_first_is_found(theatre: Theatre) -> None:
    tally = at_step(theatre, Levels, Strike(1, "before", "request"), defect="state first")
    assert tally.counts["lost"] >= Levels.count


def test_a_journal_that_is_not_looked_at_is_found(theatre: Theatre) -> None:
    """With tokens of chance: the provider tells one addition from the next by them alone."""
    strikes = [Strike(number, "before", "commit") for number in range(3, 7)]
    tallies = [at_step(theatre, Additions, strike, defect="no journal") for strike in strikes]
    assert any(tally.counts["doubled"] for tally in tallies), [each.wrong for each in tallies]


def test_a_run_that_is_never_ended_is_right(theatre: Theatre) -> None:
    for make in trials.LARGE:
        assert 0 < trials.usual_seconds(theatre, make) < 30


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_knows_a_test_by_its_name_and_its_mark(request: pytest.FixtureRequest) -> None:
    item = request.node
    assert table.rows_of(item) == []
    item.add_marker(pytest.mark.fault("W03", "W05"))
    assert table.rows_of(item) == ["W03", "W05"]


def test_the_table_says_what_was_not_run(request: pytest.FixtureRequest) -> None:
    report = pytest.TestReport(
        "tests/a.py::test_b", ("", 0, ""), {}, "passed", None, "call", [], 0.0, 0, 0,
        user_properties=[("faults", "W03 W05"), ("figures", "7 of 7")],
    )  # fmt: skip
    lines = list(table.lines([("passed", report), ("failed", report)]))
    assert [line for line in lines if line.startswith("W03")] == [
        f"W03  {table.ROWS['W03']:<36} 1 passed, 1 failed"
    ]
    assert "     7 of 7" in lines
    assert sum("not run" in line for line in lines) == len(table.ROWS) - 2
    assert list(table.lines([])) == []
