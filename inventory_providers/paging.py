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

# Answers that come sooner than this are worked on longer than waited for: threads would only be in
# each other's way.
WORTH_WAITING = 0.02


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """What stands at an offset, and how many rows the provider says there are in all.

    `seconds` is how long the answer took.
    """

    rows: Sequence[R]
    total: int | None
    seconds: float = 1.0


@dataclass(slots=True)
class _Pass:
    """What one pass saw: the keys by position, and how the pages fitted together."""

    totals: set[int | None] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    joins: bool = True
    twins: int = 0
    ended: bool = False

    @property
    def stood_still(self) -> bool:
        """Every page joins the one before, and every announced position was read."""
        return self.joins and self.totals == {len(self.keys)}

    @property
    def proves(self) -> bool:
        """Nothing can be missing: no key stands at two positions, but for twins in one answer.

        Without this last condition rows that tie could change places so that pages join by chance.
        """
        return self.stood_still and len(set(self.keys)) + self.twins == len(self.keys)


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
        passes: list[_Pass] = []
        for number in range(self._passes):
            before = self._distinct
            passes.append(self._one_pass(number))
            if passes[-1].proves or self._united(passes, brought=self._distinct - before):
                self._report_twins(name, passes[-1])
                return
            LOG.info("%s: the list moved while it was read; reading it again", name)
        total = max((one for one in passes[-1].totals if one is not None), default="no total")
        raise Malformed(
            f"incomplete: {self._distinct} rows found, {total} announced, after "
            f"{self._passes} passes",
            place=name,
            advice="Run again when the list is quieter; the bookmark stays",
        )

    def _united(self, passes: list[_Pass], *, brought: int) -> bool:
        """Whether all passes together have every row, though none alone proves it."""
        last = passes[-1]
        if len(passes) == 1 or len(last.totals) != 1:
            return False
        final = len(passes) == self._passes
        if final and all(one.stood_still and one.keys == last.keys for one in passes):
            return True  # the same in every pass: keys that occur twice, far apart
        (total,) = last.totals
        enough = last.joins if total is None else self._distinct >= total
        return enough and (brought == 0 or final)

    def _report_twins(self, name: str, last: _Pass) -> None:
        if last.stood_still and (twins := len(last.keys) - len(set(last.keys))):
            LOG.warning("%s: %d rows have a key that occurs twice; the last one wins", name, twins)

    def _one_pass(self, number: int) -> _Pass:
        seen = _Pass()
        # Other borders in each pass: rows that tie across one border do not tie across the next.
        limit = self._limit - number * self._limit // (self._passes + 1)
        first = self._fetch(0, limit)
        self._take(first, seen, asked=limit)
        step = len(first.rows)
        if step and first.total is not None and step < first.total:
            # A first page shorter than asked means that the provider cuts: ask for what it gives.
            size = step if 1 < step < limit else self._limit
            offsets = range(step - 1, first.total - 1, max(size - 1, 1))
            for pages in self._ranges(offsets, size, first.total):
                for page in pages:
                    self._take(page, seen, asked=size)
        self._beyond(seen)
        return seen

    def _beyond(self, seen: _Pass) -> None:
        """Go on from where the total, or a missing one, left off, until nothing more comes."""
        while not seen.ended:
            page = self._fetch(max(len(seen.keys) - 1, 0), self._limit)
            if len(page.rows) > 1 or page.total is not None or not seen.keys:
                self._take(page, seen, asked=self._limit)
                continue
            # One row: the last one again, if the list stands still. Is there really no other?
            seen.joins &= [self._key(row) for row in page.rows] == seen.keys[-1:]
            seen.totals.add(page.total)
            self._keep_all(page)
            rest = self._fetch(len(seen.keys), self._limit)
            seen.ended = not rest.rows
            seen.joins &= seen.ended
            seen.totals.add(rest.total)
            seen.keys += [self._key(row) for row in rest.rows]
            self._keep_all(rest)

    def _ranges(self, offsets: range, size: int, total: int) -> Iterator[list[Slice[R]]]:
        # The second answer tells how long answers take: the first had to connect.
        second = self._range(offsets[0], size, total)
        yield second
        slow = second[0].seconds > WORTH_WAITING
        parallel = self._parallel if slow else 1
        yield from self._in_parallel(offsets[1:], size, total, parallel)

    def _in_parallel(
        self, offsets: Iterable[int], size: int, total: int, parallel: int
    ) -> Iterator[list[Slice[R]]]:
        if parallel == 1:
            yield from (self._range(offset, size, total) for offset in offsets)
            return
        pool = ThreadPoolExecutor(parallel)
        waiting: deque[Future[list[Slice[R]]]] = deque()
        try:
            for offset in offsets:
                waiting.append(pool.submit(self._range, offset, size, total))
                if len(waiting) > parallel:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Not waited for: when one request failed, the others end with the session.
            pool.shutdown(wait=False, cancel_futures=True)

    def _range(self, offset: int, size: int, total: int) -> list[Slice[R]]:
        """The pages from `offset` on that make up `size` rows, however short each one is."""
        end = min(offset + size, total)
        pages: list[Slice[R]] = []
        while offset < end - 1 or not pages:
            page = self._fetch(offset, size)
            pages.append(page)
            if len(page.rows) <= 1:
                break
            offset += len(page.rows) - 1
        return pages

    def _take(self, page: Slice[R], seen: _Pass, *, asked: int) -> None:
        keys = [self._key(row) for row in page.rows]
        seen.totals.add(page.total)
        seen.twins += len(keys) - len(set(keys))
        # A page that is not full is the end of the list, where pages are full as a rule.
        seen.ended = not keys or (page.total is not None and len(keys) < asked)
        if seen.keys:
            seen.joins &= keys[:1] == seen.keys[-1:]
            keys = keys[1:]
        seen.keys += keys
        self._keep_all(page)

    def _keep_all(self, page: Slice[R]) -> None:
        self._distinct += sum(self._keep(row) for row in page.rows)
