"""Promises of the walk over pages: every row, each once, or an error."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps
from inventory_providers.sostocked import walk
from inventory_providers.sostocked.walk import Mark, Walk
from inventory_providers.sostocked.wire import IDENTITY, Row, Sheet
from inventory_providers.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable


def row(name: str, stock: int = 5) -> Row:
    identity = dumps([name, *[""] * (len(IDENTITY) - 1)]).decode()
    return Row(identity, dumps({"sku": name, "stock": stock}))


@dataclass
class Listing:
    """A provider's list; `before` runs before each answer and may change it."""

    rows: list[Row]
    cap: int = 10_000
    ignores_page: bool = False
    totals: bool = False
    pages: bool = False
    before: Callable[[Listing], None] = lambda _: None
    asked: list[tuple[int, int]] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)

    def fetch(self, page: int, per_page: int) -> Sheet:
        self.before(self)
        self.asked.append((page, per_page))
        size = min(per_page, self.cap)
        start = 0 if self.ignores_page else (page - 1) * size
        rows = self.rows if self.ignores_page else self.rows[start : start + size]
        total = len(self.rows) if self.totals else None
        pages = -(-len(self.rows) // size) if self.pages else None
        return Sheet(list(rows), (), frozenset(), self.odd, total, pages)


def read(listing: Listing) -> list[bytes]:
    """The lines that a walk over this list gives."""
    with Spool[Mark]() as spool:
        walking = Walk(listing.fetch, spool, name="stream")
        walking.run()
        lines = [line for line, _ in walking.rows()]
        assert walking.is_empty == (not lines)
    return lines


def lines_of(rows: list[Row]) -> list[bytes]:
    return [one.line for one in rows]


def some(count: int) -> list[Row]:
    return [row(f"sku {number:05}") for number in range(count)]


def test_one_page_is_read_once_and_the_next_one_is_looked_at() -> None:
    listing = Listing(some(249))
    assert read(listing) == lines_of(listing.rows)
    assert listing.asked == [(1, 250), (2, 250)]


def test_no_rows_are_no_rows() -> None:
    listing = Listing([])
    assert read(listing) == []
    assert listing.asked == [(1, 250)]


def test_a_short_page_is_not_the_end() -> None:
    listing = Listing(some(95), cap=10)
    assert read(listing) == lines_of(listing.rows)


def test_a_server_that_ignores_the_page_is_asked_twice() -> None:
    listing = Listing(some(700), ignores_page=True)
    assert read(listing) == lines_of(listing.rows)
    assert len(listing.asked) == 2


def test_it_is_known_by_its_rows_also_when_their_order_or_a_quantity_changes() -> None:
    def sell(listing: Listing) -> None:
        stock = 5 - len(listing.asked)
        listing.rows = [row("b"), row("a", stock)] if stock % 2 else [row("a", stock), row("b")]

    listing = Listing([], ignores_page=True, before=sell)
    assert sorted(read(listing)) == lines_of([row("a", stock=4), row("b")])
    assert len(listing.asked) == 2


def test_the_number_of_pages_saves_the_look_at_the_next_one() -> None:
    listing = Listing(some(20), pages=True)
    assert read(listing) == lines_of(listing.rows)
    assert len(listing.asked) == 1


def test_a_total_that_stands_still_and_is_reached_is_proof() -> None:
    listing = Listing(some(600), pages=True, totals=True)
    assert read(listing) == lines_of(listing.rows)
    assert len(listing.asked) == 3


@pytest.mark.parametrize("count", [0, 20, 600])
def test_a_list_that_is_shorter_than_its_total_is_read_once_more_and_refused(count: int) -> None:
    listing = Listing(some(count))
    fetch = listing.fetch
    with Spool[Mark]() as spool, pytest.raises(Malformed, match="incomplete") as caught:
        Walk(
            lambda page, size: fetch(page, size)._replace(total=count + 12), spool, name="stream"
        ).run()
    assert f"{count} rows found, {count + 12} announced" in str(caught.value)
    assert [page for page, _ in listing.asked].count(1) == 2


@given(st.integers(0, 80), st.integers(1, 30), st.booleans(), st.booleans())
def test_a_list_that_stands_still_is_read_whole(
    count: int, cap: int, totals: bool, pages: bool
) -> None:
    listing = Listing(some(count), cap=cap, totals=totals, pages=pages)
    assert read(listing) == lines_of(listing.rows)


@pytest.mark.parametrize("count", [250, 251])
def test_full_pages_are_proven_by_a_second_walk(count: int) -> None:
    listing = Listing(some(count))
    assert read(listing) == lines_of(listing.rows)
    pages = [1, 2, 3] if count > 250 else [1, 2]
    assert [page for page, _ in listing.asked] == pages * 2


@given(st.randoms(use_true_random=False), st.integers(2, 40), st.integers(5, 60), st.booleans())
def test_rows_that_come_and_go_take_no_other_with_them(
    dice: random.Random, size: int, count: int, totals: bool
) -> None:
    moves = 2

    def move(listing: Listing) -> None:
        nonlocal moves
        if not moves or not listing.asked or dice.random() < 0.4:
            return
        moves -= 1
        if dice.random() < 0.5:
            del listing.rows[dice.randrange(len(listing.rows))]
        else:
            listing.rows.append(row(f"sku {dice.randrange(count):05} more {moves}"))
            listing.rows.sort()

    listing = Listing(some(count), totals=totals, before=move)
    with patch.multiple(walk, PER_PAGE=size, OTHER_BORDERS=0):
        try:
            found = read(listing)
        except Malformed:
            return  # said, not lost
    assert set(found) >= set(lines_of(listing.rows)) & set(lines_of(some(count)))
    assert len(found) == len(set(found))


def test_seven_rows_that_vanish_after_the_first_page() -> None:
    def vanish(listing: Listing) -> None:
        if len(listing.asked) == 1:
            del listing.rows[:7]

    listing = Listing(some(300), before=vanish)
    assert sorted(read(listing)) == lines_of(listing.rows)
    assert len(listing.rows) == 293


def shuffle_ties(dice: random.Random) -> Callable[[Listing], None]:
    """Three rows each have one name, and come in another order with each answer."""

    def shuffle(listing: Listing) -> None:
        listing.rows.sort(key=lambda one: (int(one.identity[6:11]) // 3, dice.random()))

    return shuffle


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("totals", [True, False])
def test_rows_that_tie_over_a_border_are_all_found(seed: int, totals: bool) -> None:
    listing = Listing(some(900), totals=totals, before=shuffle_ties(random.Random(seed)))
    assert sorted(read(listing)) == sorted(lines_of(some(900)))


def test_a_row_that_stands_on_two_pages_is_dropped_and_counted() -> None:
    listing = Listing(some(60))

    def fetch(page: int, per_page: int) -> Sheet:
        del per_page
        begin = max((page - 1) * 20 - 1, 0)
        rows = listing.rows[begin : page * 20] if page <= 3 else []
        return Sheet(rows, (), frozenset(), Counter())

    with Spool[Mark]() as spool:
        walking = Walk(fetch, spool, name="stream")
        walking.run()
        assert [line for line, _ in walking.rows()] == lines_of(listing.rows)
        assert walking.dropped == 2


def test_a_list_that_is_suddenly_empty_has_to_be_so_twice() -> None:
    def vanish(listing: Listing) -> None:
        if len(listing.asked) == 3:
            listing.rows = []

    listing = Listing(some(300), before=vanish)
    assert read(listing) == []
    assert [page for page, _ in listing.asked] == [1, 2, 3, 1, 1]


def test_equal_rows_of_one_page_are_one_row() -> None:
    listing = Listing([row("a"), row("b"), row("a")], totals=True)
    with Spool[Mark]() as spool:
        walking = Walk(listing.fetch, spool, name="stream")
        walking.run()
        assert [line for line, _ in walking.rows()] == lines_of([row("a"), row("b")])
        assert walking.dropped == 1


@pytest.mark.parametrize("place", [1, 250, 270])
def test_two_rows_that_nothing_tells_apart_are_refused_with_an_example(place: int) -> None:
    rows = some(300)
    rows.insert(place, row("sku 00000", stock=99))
    with pytest.raises(Malformed, match="ASIN 'sku 00000'"):
        read(Listing(rows))


def test_a_row_that_was_sold_while_it_moved_to_the_next_page_has_its_newest_version() -> None:
    def sell(listing: Listing) -> None:
        if len(listing.asked) == 1:
            listing.rows.insert(0, row("new"))
            listing.rows[250] = row("sku 00249", stock=4)

    listing = Listing(some(300), before=sell)
    assert sorted(read(listing)) == sorted(lines_of(listing.rows))


def test_a_list_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert walk.MOST_PAGES == 10_000
    monkeypatch.setattr(walk, "MOST_PAGES", 50)
    listing = Listing([])

    def endless(one: Listing) -> None:
        one.rows = [row(str(len(one.asked) * 10 + number)) for number in range(10)]

    listing.ignores_page, listing.before = True, endless
    with pytest.raises(Malformed, match="more than 50 pages"):
        read(listing)
    assert len(listing.asked) == 50


def test_a_list_that_never_settles_is_refused() -> None:
    def replace_all(listing: Listing) -> None:
        if listing.asked and listing.asked[-1][0] == 3:
            listing.rows = [row(f"{len(listing.asked)} {number}") for number in range(300)]

    with pytest.raises(Malformed, match=r"incomplete: .* in 5 walks"):
        read(Listing(some(300), before=replace_all))


def test_cells_that_became_null_are_counted_once_however_often_they_are_read() -> None:
    listing = Listing(some(300), odd=Counter(area_inv_stock=2))
    with Spool[Mark]() as spool:
        walking = Walk(listing.fetch, spool, name="stream")
        walking.run()
        assert walking.odd == {"area_inv_stock": 4}
