"""Walks over lists that move while they are read.

An offset says nothing about which row stands there: a row that goes shifts all behind it, and rows
that tie under the sort order may come in another order each time. So one pass proves something only
when neighbouring pages join: each page begins with the last row of the one before. Passes that do
not join are repeated and their rows united.
"""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from inventory_providers.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

R = TypeVar("R")

LOG = logging.getLogger("inventory.paging")


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """What stands at an offset, and how many rows the provider says there are in all."""

    rows: Sequence[R]
    total: int | None


@dataclass(slots=True)
class _Pass:
    """What one pass saw."""

    totals: set[int | None] = field(default_factory=set)
    positions: int = 0
    joins: bool = True

    @property
    def proves(self) -> bool:
        """The list stood still, and every position of it was read."""
        return self.joins and len(self.totals) == 1 and self.totals == {self.positions}


class OffsetWalk(Generic[R]):
    """Reads a whole list by offset, up to `parallel` requests at once.

    `fetch(offset, limit)` answers with a `Slice`; `key` names a row; `keep` takes each row and says
    whether its key is new. Rows come in no promised order, and more than once.
    """

    def __init__(
        self,
        fetch: Callable[[int, int], Slice[R]],
        *,
        key: Callable[[R], str],
        keep: Callable[[R], bool],
        limit: int,
        parallel: int = 1,
        passes: int = 5,
    ) -> None:
        self._fetch, self._key, self._keep = fetch, key, keep
        self._limit, self._parallel, self._passes = limit, parallel, passes
        self._distinct = 0

    def run(self, name: str) -> None:
        """Read until it is certain that nothing is missing.

        Raises:
            Malformed: it never is; the message has both numbers.
        """
        seen = _Pass()
        for number in range(self._passes):
            before = self._distinct
            seen = self._one_pass(number)
            if seen.proves or self._united(seen, brought=self._distinct - before, number=number):
                self._report_twice(name, seen)
                return
            LOG.info("%s: the list moved while it was read; reading it again", name)
        total = max((total for total in seen.totals if total is not None), default="no total")
        raise Malformed(
            f"incomplete: {self._distinct} rows found, {total} announced, after "
            f"{self._passes} passes. Run again when the shop is quieter",
            place=name,
        )

    def _united(self, seen: _Pass, *, brought: int, number: int) -> bool:
        """Whether all passes together have every row, though this one alone proves nothing."""
        if number == 0 or len(seen.totals) != 1:
            return False
        (total,) = seen.totals
        settled = brought == 0 or number == self._passes - 1
        return settled and (brought == 0 if total is None else self._distinct >= total)

    def _report_twice(self, name: str, seen: _Pass) -> None:
        if seen.proves and (twice := seen.positions - self._distinct) > 0:
            LOG.warning("%s: %d rows have a key that occurs twice; the last one wins", name, twice)

    def _one_pass(self, number: int) -> _Pass:
        seen = _Pass()
        # Other borders in each pass: rows that tie across one border do not tie across the next.
        first_limit = self._limit - number * self._limit // (self._passes + 1)
        first = self._fetch(0, first_limit)
        last = self._take(first.rows, seen, joined_to=None)
        seen.totals.add(first.total)
        step = len(first.rows)
        if first.total is None:
            self._until_empty(step, last, seen)
        elif step and step < first.total:
            self._ranges(step, first.total, last, seen, cut=step < first_limit)
        return seen

    def _until_empty(self, offset: int, last: str | None, seen: _Pass) -> None:
        while last is not None:
            page = self._fetch(offset - 1, self._limit)
            seen.totals.add(page.total)
            if len(page.rows) <= 1:
                return
            last = self._take(page.rows, seen, joined_to=last)
            offset += len(page.rows) - 1

    def _ranges(self, start: int, total: int, last: str | None, seen: _Pass, *, cut: bool) -> None:
        # A first page shorter than asked means that the provider cuts: ask for what it gives.
        size = start if cut and start > 1 else self._limit
        offsets = range(start - 1, total - 1, max(size - 1, 1))
        for pages in self._in_parallel(offsets, size, total):
            for page in pages:
                seen.totals.add(page.total)
                last = self._take(page.rows, seen, joined_to=last)

    def _in_parallel(
        self, offsets: Iterable[int], size: int, total: int
    ) -> Iterator[list[Slice[R]]]:
        if self._parallel == 1:
            yield from (self._range(offset, size, total) for offset in offsets)
            return
        pool = ThreadPoolExecutor(self._parallel)
        waiting: deque[Future[list[Slice[R]]]] = deque()
        try:
            for offset in offsets:
                waiting.append(pool.submit(self._range, offset, size, total))
                if len(waiting) > self._parallel:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Not waited for: when one request failed, the others are of no use.
            pool.shutdown(wait=False, cancel_futures=True)

    def _range(self, offset: int, size: int, total: int) -> list[Slice[R]]:
        """The pages from `offset` on that make up `size` rows, however short each one is."""
        end = min(offset + size, total)
        pages: list[Slice[R]] = []
        while offset < end - 1 or not pages:
            page = self._fetch(offset, end - offset)
            pages.append(page)
            if len(page.rows) <= 1:
                break
            offset += len(page.rows) - 1
        return pages

    def _take(self, rows: Sequence[R], seen: _Pass, *, joined_to: str | None) -> str | None:
        keys = [self._key(row) for row in rows]
        if joined_to is not None:
            seen.joins &= bool(keys) and keys[0] == joined_to
            seen.positions -= bool(keys)
        seen.positions += len(keys)
        self._distinct += sum(self._keep(row) for row in rows)
        return keys[-1] if keys else joined_to
