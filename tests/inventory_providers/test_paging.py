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
from inventory_providers.paging import WORTH_WAITING, OffsetWalk, Slice

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
        OffsetWalk(self.fetch, key=str.strip, keep=self.keep, limit=limit, parallel=parallel).run(
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


@pytest.mark.parametrize(("total", "passes"), [("right", 1), ("none", 2)])
@pytest.mark.parametrize("limit", [2, 3, 5])
@pytest.mark.parametrize("count", range(2, 13))
def test_a_list_that_stands_still_is_read_once_or_twice_if_nobody_says_how_long_it_is(
    count: int, limit: int, total: str, passes: int
) -> None:
    world = World(rows(count), total=total)
    world.walk(limit)
    assert max(map(world.asked.count, world.asked)) == passes


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
    assert "after 5 passes" in str(caught.value)


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
    running, met, too_many = 0, threading.Event(), threading.Event()

    def fetch(offset: int, limit: int) -> Slice[str]:
        nonlocal running
        with lock:
            running += 1
            together.append(running)
            if running == 3:
                met.set()
            if running == 4:
                too_many.set()
        # The first two go alone. What does not come is not waited for again and again.
        if len(together) > 2 and not met.wait(timeout=5):
            met.set()
        if 2 < len(together) < 8:
            too_many.wait(timeout=0.05)
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


# ---- several passes together ---------------------------------------------------------------------


@dataclass
class Views:
    """A list as it stands at each request, one letter a row; the last one stays."""

    seen: list[str]
    total: int | None = 6
    asked: list[tuple[int, int]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)

    def fetch(self, offset: int, limit: int) -> Slice[str]:
        view = self.seen[min(len(self.asked), len(self.seen) - 1)]
        self.asked.append((offset, limit))
        return Slice(view[offset : offset + limit], self.total)

    def keep(self, key: str) -> bool:
        new = key not in self.kept
        self.kept.add(key)
        return new

    def walk(self, passes: int = 5) -> None:
        OffsetWalk(self.fetch, key=str, keep=self.keep, limit=3, passes=passes).run("a_stream")

    @property
    def passes(self) -> int:
        """How many there were: each begins at the beginning."""
        return [offset for offset, _ in self.asked].count(0)


# The pages at 2 and 4 show a row that ties with another one in the place of c, or of f.
WHOLE, NO_JOIN, NO_F = "abcdef", "abdcef", "fbcdea"


def test_two_passes_that_bring_the_same_rows_are_enough_if_all_were_announced() -> None:
    views = Views([WHOLE, NO_JOIN, WHOLE] * 2)
    views.walk()
    assert (views.kept, views.passes) == (set(WHOLE), 2)


def test_after_a_pass_that_brought_a_new_row_there_is_another_one() -> None:
    views = Views([WHOLE, WHOLE, NO_F, WHOLE, NO_JOIN, WHOLE, WHOLE, "acbdef", WHOLE])
    views.walk()
    assert (views.kept, views.passes) == (set(WHOLE), 3)


def test_the_last_pass_may_bring_new_rows() -> None:
    views = Views([WHOLE, WHOLE, NO_F, WHOLE, NO_JOIN, WHOLE])
    views.walk(passes=2)
    assert (views.kept, views.passes) == (set(WHOLE), 2)


def test_a_page_that_does_not_join_is_not_forgiven_for_those_that_do() -> None:
    # Two rows go and two come between the first and the second page: d is in neither.
    views = Views([WHOLE, "cdefgh"])
    views.walk()
    assert views.kept >= set("cdefgh")


def test_a_key_that_occurs_twice_in_one_answer_needs_no_second_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    views = Views(["aabcde"])
    with caplog.at_level(logging.INFO, "inventory.paging"):
        views.walk()
    assert (views.kept, len(views.asked)) == (set("abcde"), 3)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_the_total_that_is_told_is_the_last_one() -> None:
    views = Views([WHOLE])

    def fetch(offset: int, limit: int) -> Slice[str]:
        page = views.fetch(offset, limit)
        return Slice(page.rows, 6 + views.passes)

    walk = OffsetWalk(fetch, key=str, keep=views.keep, limit=3, passes=3)
    with pytest.raises(Malformed, match="6 rows found, 9 announced, after 3 passes"):
        walk.run("a_stream")


def test_a_total_that_comes_with_the_empty_answer_only_is_believed() -> None:
    views = Views([WHOLE], total=None)

    def fetch(offset: int, limit: int) -> Slice[str]:
        page = views.fetch(offset, limit)
        return Slice(page.rows, None if page.rows else 9)

    walk = OffsetWalk(fetch, key=str, keep=views.keep, limit=3)
    with pytest.raises(Malformed, match="6 rows found, 9 announced"):
        walk.run("a_stream")


def test_a_key_that_occurs_twice_far_apart_in_every_pass_is_believed_after_the_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    views = Views(["abcdea"])
    with caplog.at_level(logging.INFO, "inventory.paging"):
        views.walk()
    assert views.kept == set("abcde")
    assert max(limit for _, limit in views.asked) == 3
    assert [record.getMessage() for record in caplog.records] == [
        *["a_stream: the list moved while it was read; reading it again"] * 4,
        "a_stream: 1 rows have a key that occurs twice; the last one wins",
    ]


def test_passes_that_differ_are_no_proof_of_a_key_that_occurs_twice() -> None:
    views = Views(["abcdea"] * 3 + ["abcdeb"] * 3)
    with pytest.raises(Malformed, match="5 rows found, 6 announced, after 2 passes"):
        views.walk(passes=2)


def test_a_list_that_is_read_again_is_mentioned_and_its_end_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    views = Views(["abcde"])
    with caplog.at_level(logging.INFO, "inventory.paging"), pytest.raises(Malformed) as caught:
        views.walk(passes=2)
    assert [record.getMessage() for record in caplog.records] == [
        "a_stream: the list moved while it was read; reading it again"
    ] * 2
    assert str(caught.value) == (
        "a_stream: incomplete: 5 rows found, 6 announced, after 2 passes. "
        "Run again when the list is quieter; the bookmark stays"
    )


def test_a_list_that_never_joins_and_has_no_total_is_refused() -> None:
    views = Views([WHOLE, NO_JOIN] * 30, total=None)
    with pytest.raises(Malformed, match="6 rows found, no total announced, after 5 passes"):
        views.walk()


# ---- several requests at once --------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [2, 3])
@pytest.mark.parametrize(
    ("seconds", "at_once"), [(0.0, False), (WORTH_WAITING, False), (WORTH_WAITING * 1.01, True)]
)
def test_quick_answers_are_asked_for_one_after_the_other(
    seconds: float, parallel: int, *, at_once: bool
) -> None:
    world, strangers = World(rows(50)), set()

    def fetch(offset: int, limit: int) -> Slice[str]:
        strangers.add(threading.current_thread() is not threading.main_thread())
        page = world.fetch(offset, limit)
        return Slice(page.rows, page.total, seconds)

    OffsetWalk(fetch, key=str, keep=world.keep, limit=5, parallel=parallel).run("a_stream")
    assert (True in strangers) == at_once


def test_without_a_word_about_it_requests_go_one_after_the_other() -> None:
    threads = set()

    def fetch(offset: int, limit: int) -> Slice[str]:
        threads.add(threading.current_thread())
        return Slice(WHOLE[offset : offset + limit], len(WHOLE))

    OffsetWalk(fetch, key=str, keep=bool, limit=2).run("a_stream")
    assert threads == {threading.main_thread()}


def test_an_error_does_not_wait_for_the_requests_that_are_in_flight() -> None:
    world, inside, release = World(rows(60)), threading.Event(), threading.Event()
    came_back = []

    def fetch(offset: int, limit: int) -> Slice[str]:
        if offset == 8:
            inside.wait(timeout=5)
            raise Malformed("no")
        if offset == 12:
            inside.set()
            release.wait(timeout=5)
            came_back.append(offset)
        return world.fetch(offset, limit)

    walk = OffsetWalk(fetch, key=str, keep=world.keep, limit=5, parallel=2)
    with pytest.raises(Malformed, match="no"):
        walk.run("a_stream")
    assert came_back == []
    release.set()


def test_pages_that_are_shorter_than_the_first_one_are_joined_without_a_detour() -> None:
    world = World(rows(20))

    def fetch(offset: int, limit: int) -> Slice[str]:
        world.cut = 2 if offset else None
        return world.fetch(offset, limit)

    OffsetWalk(fetch, key=str, keep=world.keep, limit=5).run("a_stream")
    assert world.missing() == set()
    assert world.asked == [(0, 5), *((offset, 5) for offset in range(4, 19))]
