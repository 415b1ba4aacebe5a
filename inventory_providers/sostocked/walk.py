"""A walk over pages by number, repeated until it is certain that no row is missing.

A page number says nothing about which rows stand there: a row that goes moves all behind it, and
rows that tie under the sort order may change places between two answers. One answer that holds
everything is proof; so is a total that stands still and is reached. Without either, full pages are
proven by a second walk that meets the same rows in the same order.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.errors import Malformed
from inventory_providers.jsonio import loads
from inventory_providers.sostocked.wire import NAME, PER_PAGE
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_providers.sostocked.wire import Row, Sheet
    from inventory_providers.spool import Spool

LOG = logging.getLogger(f"inventory.{NAME}")

MOST_PAGES = 10_000
MOST_WALKS = 5
# Borders that lie elsewhere in each walk: rows that tie across one do not tie across the next.
OTHER_BORDERS = 17


class Mark(NamedTuple):
    """What is kept beside a row: the walk and the content it was last met with."""

    walk: int
    content: int
    identity: str
    extras: tuple[str, ...]


@dataclass(slots=True)
class _Seen:
    """What one walk saw. `rows` counts a row again on each page that it stands on.

    `twins` are equal rows on one page, `again` rows that an earlier page had, too, and `differing`
    those of them with another content. `largest` is the number of rows of the largest page, and
    `is_whole` says that one answer had everything.
    """

    number: int
    pages: int = 0
    rows: int = 0
    twins: int = 0
    again: int = 0
    largest: int = 0
    is_whole: bool = False
    brought: int = 0
    totals: set[int | None] = field(default_factory=set)
    differing: set[tuple[str, int, int]] = field(default_factory=set)
    odd: Counter[str] = field(default_factory=Counter)
    prints: set[bytes] = field(default_factory=set)
    order: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, sheet: Sheet, prints: set[bytes]) -> None:
        """Count in a page that is no repetition."""
        self.prints |= prints
        self.pages += 1
        self.largest = max(self.largest, len(sheet.rows))
        self.odd += sheet.odd
        for row in sheet.rows:
            self.order.update(row.identity.encode() + b"\n")

    def same_order(self, other: _Seen) -> bool:
        """Whether both walks met the same rows in the same order."""
        return bool(self.order.digest() == other.order.digest())

    @property
    def total(self) -> int | None:
        """The total that every answer gave."""
        return next(iter(self.totals)) if len(self.totals) == 1 else None

    @property
    def has_totals(self) -> bool:
        """Whether any answer gave one."""
        return bool(self.totals - {None})


class Walk:
    """Reads an export whole into `spool`.

    `fetch(page, per_page)` gives one page. Rows of one identity are one row, of which the last
    version wins. `odd` counts the cells that had to become null, by column, and `dropped` the rows
    that came twice.
    """

    def __init__(
        self, fetch: Callable[[int, int], Sheet], spool: Spool[Mark], *, name: str
    ) -> None:
        self._fetch, self._spool, self._name = fetch, spool, name
        self._only: int | None = None
        self._per_page = self._cap = PER_PAGE
        self._has_said = False
        self.odd: Counter[str] = Counter()
        self.dropped = 0

    def run(self) -> None:
        """Read until nothing can be missing.

        Raises:
            Malformed: rows are missing for certain, or after many walks still perhaps; or two
                different rows cannot be told apart.
        """
        last: _Seen | None = None
        for number in range(MOST_WALKS):
            seen = self._one(number)
            _must_differ(seen, last)
            if self._is_complete(seen, last):
                self.odd, self.dropped = seen.odd, seen.twins + seen.again
                return
            if _is_short(seen, last, len(self._spool)):
                break
            if number or seen.again:
                LOG.info("%s: the list moves while it is read; reading it again", self._name)
            if seen.again:
                self._per_page -= OTHER_BORDERS
            last = seen
        total = "no total" if seen.total is None else str(seen.total)
        raise Malformed(
            f"incomplete: {len(self._spool)} rows found, {total} announced, in {number + 1} walks",
            advice="Run again when the list is quieter; the bookmark stays",
        )

    def rows(self) -> Iterator[tuple[bytes, Mark]]:
        """What was found, in the order in which it first came."""
        for line, mark in self._spool:
            if self._only is None or mark.walk == self._only:
                yield line, mark

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows."""
        return next(self.rows(), None) is None

    def _one(self, number: int) -> _Seen:
        seen, before = _Seen(number), len(self._spool)
        for page in range(1, MOST_PAGES + 1):
            if self._is_last(page, seen):
                break
        else:
            raise Malformed(f"more than {MOST_PAGES} pages")
        # A page that is full is perhaps the first of two, the other of which went meanwhile.
        seen.is_whole |= seen.pages == 1 and seen.largest < min(self._cap, self._per_page)
        if seen.pages > 1:
            self._cap = min(self._cap, seen.largest)
        seen.brought = len(self._spool) - before
        return seen

    def _is_last(self, page: int, seen: _Seen) -> bool:
        """Read a page, and say whether another one need not be asked for."""
        sheet = self._fetch(page, self._per_page)
        if sheet.rows or page == 1:
            seen.totals.add(sheet.total)
        if not sheet.rows:
            return True
        prints = _fingerprints(sheet)
        is_repeated = bool(seen.prints & prints)
        self._keep(sheet, seen, is_repeated=is_repeated)
        if is_repeated:
            self._say_repeated(page)
            seen.is_whole = seen.pages == 1 and not self._is_cut(seen)
            return True
        seen.add(sheet, prints)
        return sheet.pages is not None and page >= sheet.pages

    def _is_cut(self, seen: _Seen) -> bool:
        """Whether the only page may have ended where we asked it to."""
        if seen.largest != self._per_page:
            return False
        if seen.number:
            raise Malformed("the first rows come whatever page is asked for")
        self._per_page -= OTHER_BORDERS
        return True

    def _keep(self, sheet: Sheet, seen: _Seen, *, is_repeated: bool) -> None:
        here: dict[str, int] = {}
        for row in sheet.rows:
            content = hash(row.line)
            if row.identity in here:
                if here[row.identity] != content:
                    raise not_unique(row.identity)
                seen.twins += not is_repeated
                continue
            here[row.identity] = content
            if not is_repeated:
                self._count(row, content, seen)
            mark = Mark(seen.number, content, row.identity, sheet.extras)
            self._spool.put(row.identity, row.line, mark)

    def _count(self, row: Row, content: int, seen: _Seen) -> None:
        seen.rows += 1
        known = self._spool.mark(row.identity)
        if known is not None and known.walk == seen.number:
            seen.again += 1
            if known.content != content:
                seen.differing.add((row.identity, known.content, content))

    def _say_repeated(self, page: int) -> None:
        if not self._has_said:
            self._has_said = True
            LOG.info("%s: page %d repeats an earlier one; there are no more", self._name, page)

    def _is_complete(self, seen: _Seen, last: _Seen | None) -> bool:
        if _proves(seen, last):
            # This walk alone has everything; what only an earlier one had is gone.
            self._only = seen.number
            return True
        return last is not None and self._is_united(seen, last)

    def _is_united(self, seen: _Seen, last: _Seen) -> bool:
        """Whether all walks together have every row, though none alone proves it."""
        found = len(self._spool)
        # One that went would make up for one that was missed, unless both walks saw as many.
        if (seen.rows, seen.totals) != (last.rows, last.totals):
            return False
        if seen.has_totals and seen.total is None:
            return False
        is_settled = not seen.brought or seen.number == MOST_WALKS - 1
        if seen.total is not None:
            wanted, is_enough = seen.total - seen.twins, found >= seen.total - seen.twins
        else:
            # Rows may stand twice in every walk, wherever the borders are.
            wanted, is_enough = seen.rows, True
        # More than wanted are some that went, behind which others may have moved unseen.
        is_quiet = not seen.brought and not last.brought and seen.number > 1
        return (found == wanted and is_settled) or (is_enough and is_quiet)


def _fingerprints(sheet: Sheet) -> set[bytes]:
    """What tells a page from others, whatever the order of its rows.

    Of more than one row also without the quantities: a server that ignores the page number gives
    the same rows again, and one of them may have been sold meanwhile.
    """
    kinds = [b"".join(sorted(_hash(row.line) for row in sheet.rows))]
    if len(sheet.rows) > 1:
        kinds.append("\n".join(sorted(row.identity for row in sheet.rows)).encode())
    return {_hash(kind) for kind in kinds}


def _hash(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _proves(seen: _Seen, last: _Seen | None) -> bool:
    if seen.again:
        return False
    if seen.has_totals:
        return seen.total is not None and seen.rows + seen.twins >= seen.total
    # Nothing at all, where something was before, has to come twice.
    return seen.is_whole or (seen.same_order(last) if last else not seen.pages)


def _is_short(seen: _Seen, last: _Seen | None, found: int) -> bool:
    """Whether a list that stands still has fewer rows than it says."""
    quiet = last is not None and not seen.brought and not seen.again
    return quiet and seen.total is not None and found + seen.twins < seen.total


def _must_differ(seen: _Seen, last: _Seen | None) -> None:
    """Refuse two rows of one identity that are there in two walks; else it was one that moved."""
    for identity, *_ in seen.differing & (last.differing if last else set()):
        raise not_unique(identity)


def not_unique(identity: str) -> Malformed:
    """Two different rows that no key tells apart."""
    asin, sku, *more = loads(identity.encode())
    rest = one_line(", ".join(part for part in more if part))
    return Malformed(
        f"two different rows have the same key, such as ASIN {asin!r}, SKU {sku!r} ({rest})",
        advice="Show the market, the FN SKU and the product name in the view, or set another one",
    )
