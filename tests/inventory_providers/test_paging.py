"""Promise: a walk that returns has every row that was there all the time; else it says so."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inventory_providers.errors import Malformed
from inventory_providers.paging import OffsetWalk, Slice

TIE = "one sort key for all"


@dataclass
class World:
    """A list that can be asked by offset and that moves between two requests.

    `changes[n]` happens before request n: a positive number adds a row at that place, a negative
    one takes a row away. `dice` shuffles rows that tie before each request.
    """

    rows: list[tuple[Any, str]]
    changes: list[list[int]] = field(default_factory=list)
    dice: random.Random | None = None
    cut: int | None = None
    total: str = "right"
    requests: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)
    stable: set[str] = field(default_factory=set)
    kept: dict[str, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.stable = {key for _, key in self.rows}
        self._new = 0

    def fetch(self, offset: int, limit: int) -> Slice[str]:
        with self._lock:
            if self.requests < len(self.changes):
                for change in self.changes[self.requests]:
                    self._change(change)
            self.requests += 1
            assert self.requests < 5000, "this walk never ends"
            self.asked.append((offset, limit))
            if self.dice is not None:
                self.rows.sort(key=lambda row: (row[0], self.dice.random()))  # type: ignore[union-attr]
            size = min(limit, self.cut or limit)
            page = [key for _, key in self.rows[offset : offset + size]]
            return Slice(page, self._said())

    def _change(self, change: int) -> None:
        if change >= 0:
            self._new += 1
            place = change % (len(self.rows) + 1)
            self.rows.insert(place, (TIE, f"new {self._new}"))
        elif self.rows:
            _, key = self.rows.pop(change % len(self.rows))
            self.stable.discard(key)

    def _said(self) -> int | None:
        n = len(self.rows)
        return {"right": n, "none": None, "more": n + 1, "less": max(n - 1, 0)}[self.total]

    def keep(self, key: str) -> bool:
        self.kept[key] = self.kept.get(key, 0) + 1
        return self.kept[key] == 1

    def walk(self, limit: int, parallel: int = 1) -> None:
        OffsetWalk(self.fetch, key=str, keep=self.keep, limit=limit, parallel=parallel).run(
            "a_stream"
        )

    def missing(self) -> set[str]:
        return self.stable - self.kept.keys()


def rows(count: int, *, keys: int | None = None) -> list[tuple[Any, str]]:
    """So many rows under so many sort keys."""
    return sorted((f"{n % keys:04d}" if keys else TIE, f"row {n:04d}") for n in range(count))


# ---- a list that stands still --------------------------------------------------------------------


@pytest.mark.parametrize("total", ["right", "none"])
@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("cut", [None, 3, 1])
@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 6, 9, 10, 50])
def test_every_row_of_a_list_that_stands_still(
    count: int, cut: int | None, parallel: int, total: str
) -> None:
    world = World(rows(count), cut=cut, total=total)
    if cut == 1:
        # Pages of one row can never join: refusing is right, returning short is not.
        returns_only_with_everything(world, 5, parallel)
        return
    world.walk(5, parallel)
    assert world.missing() == set()


def test_one_pass_is_enough_when_it_proves_itself() -> None:
    world = World(rows(100))
    world.walk(10)
    assert world.requests <= 12


def test_never_more_than_the_limit_is_asked_for() -> None:
    world = World(rows(57), total="right")
    world.walk(10, parallel=3)
    assert max(limit for _, limit in world.asked) <= 10


def test_a_provider_that_cuts_the_limit_is_asked_for_what_it_gives() -> None:
    world = World(rows(200), cut=20)
    world.walk(100)
    assert world.missing() == set()
    assert world.requests <= 15


# ---- a list that moves ---------------------------------------------------------------------------

changes = st.lists(st.lists(st.integers(min_value=-30, max_value=30), max_size=2), max_size=40)


def returns_only_with_everything(world: World, limit: int, parallel: int = 1) -> None:
    try:
        world.walk(limit, parallel)
    except Malformed as error:
        assert "a_stream" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert world.missing() == set()


@settings(max_examples=400, deadline=None)
@given(
    count=st.integers(min_value=0, max_value=25),
    limit=st.integers(min_value=2, max_value=7),
    changes=changes,
    total=st.sampled_from(["right", "none"]),
    cut=st.none() | st.integers(min_value=2, max_value=4),
)
@example(  # rows go in the middle of two passes, and nobody says how many there are
    count=16,
    limit=2,
    changes=[[]] * 4 + [[-1], [-1, -1], [-1, -1], [-4, -4]] + [[]] * 7 + [[-4, -4]],
    total="none",
    cut=None,
)
def test_rows_that_come_and_go(
    count: int, limit: int, changes: list[list[int]], total: str, cut: int | None
) -> None:
    """The order of what stays does not change: rows only come and go."""
    returns_only_with_everything(World(rows(count), changes, total=total, cut=cut), limit)


@settings(max_examples=400, deadline=None)
@given(
    count=st.integers(min_value=0, max_value=25),
    keys=st.integers(min_value=1, max_value=8),
    limit=st.integers(min_value=2, max_value=7),
    seed=st.integers(min_value=0, max_value=10**6),
    total=st.just("right"),
)
def test_rows_that_tie_come_in_another_order_each_time(
    count: int, keys: int, limit: int, seed: int, total: str
) -> None:
    """No row comes or goes. (Both at once leave no trace; nobody could tell.)"""
    world = World(rows(count, keys=keys), dice=random.Random(seed), total=total)
    returns_only_with_everything(world, limit)


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(min_value=0, max_value=40),
    limit=st.integers(min_value=2, max_value=7),
    changes=changes,
    parallel=st.integers(min_value=2, max_value=4),
)
def test_rows_that_come_and_go_while_several_requests_are_in_flight(
    count: int, limit: int, changes: list[list[int]], parallel: int
) -> None:
    returns_only_with_everything(World(rows(count), changes), limit, parallel)


def test_a_list_that_shrinks_once_is_read_again_and_found_complete() -> None:
    world = World(rows(30), changes=[[], [], [-30]])
    world.walk(5)
    assert world.missing() == set()
    assert world.requests > 8, "one pass cannot know"


def test_a_list_that_never_stands_still_is_refused_with_both_numbers() -> None:
    world = World(rows(30), changes=[[-1, -30, 3]] * 1000)
    with pytest.raises(Malformed) as caught:
        world.walk(5)
    assert "announced" in str(caught.value)
    assert "passes" in str(caught.value)


# ---- totals that lie -----------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("count", [1, 4, 5, 6, 30])
def test_a_total_that_promises_more_rows_than_there_are(count: int, parallel: int) -> None:
    world = World(rows(count), total="more")
    with pytest.raises(Malformed, match=f"{count} rows found, {count + 1} announced"):
        world.walk(5, parallel)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=30), st.integers(min_value=2, max_value=7))
def test_a_total_that_promises_fewer_rows_hides_none(count: int, limit: int) -> None:
    returns_only_with_everything(World(rows(count), total="less"), limit)


# ---- keys that occur twice -----------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_key_that_occurs_twice_is_reported(
    caplog: pytest.LogCaptureFixture, parallel: int
) -> None:
    doubled = [*rows(20), (TIE, "row 0003")]
    doubled.sort()
    world = World(doubled)
    with caplog.at_level(logging.WARNING, "inventory.paging"):
        world.walk(5, parallel)
    assert world.missing() == set()
    assert [record for record in caplog.records if "twice" in record.getMessage()]


def test_a_list_without_doubles_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "inventory.paging"):
        World(rows(23)).walk(5)
        World(rows(23), dice=random.Random(1)).walk(5)
    assert caplog.records == []


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [1, 4])
def test_an_error_of_one_request_ends_the_walk(parallel: int) -> None:
    world = World(rows(100))

    def fetch(offset: int, limit: int) -> Slice[str]:
        if offset > 20:
            raise Malformed("no")
        return world.fetch(offset, limit)

    walk = OffsetWalk(fetch, key=str, keep=world.keep, limit=5, parallel=parallel)
    with pytest.raises(Malformed, match="no"):
        walk.run("a_stream")


def test_several_requests_are_in_flight_and_no_more_than_allowed() -> None:
    world, together, lock = World(rows(200)), [], threading.Lock()
    running, met = 0, threading.Event()

    def fetch(offset: int, limit: int) -> Slice[str]:
        nonlocal running
        with lock:
            running += 1
            together.append(running)
            if running == 3:
                met.set()
        if offset:
            met.wait(timeout=5)
        page = world.fetch(offset, limit)
        with lock:
            running -= 1
        return page

    OffsetWalk(fetch, key=str, keep=world.keep, limit=10, parallel=3).run("a_stream")
    assert max(together) == 3
    assert world.missing() == set()


def test_the_world_of_these_tests_moves() -> None:
    world = World(rows(3), changes=[[-3], [0]])
    assert world.fetch(0, 9).rows == ["row 0001", "row 0002"]
    assert world.fetch(0, 9).rows == ["new 1", "row 0001", "row 0002"]
    assert world.stable == {"row 0001", "row 0002"}


# ---- cases that random search finds rarely -------------------------------------------------------


def test_a_last_page_of_one_row_counts_though_nobody_said_how_many_there_are() -> None:
    first_of_five_goes, first_of_four_goes = [-5], [-4]
    world = World(
        rows(5), [[], [], [], first_of_five_goes, [], [], first_of_four_goes], total="none"
    )
    returns_only_with_everything(world, 2)
