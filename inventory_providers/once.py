"""Every row of a great array once: of those with one key the last, however many rows there are."""

from __future__ import annotations

import logging
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from inventory_providers.jsonio import loads
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from inventory_providers.stored import Rows

LOG = logging.getLogger("inventory.once")

PARTS = 64


class Keyed(Protocol):
    """A row as it will be emitted."""

    @property
    def key(self) -> Hashable:
        """Its primary key."""
        ...


R = TypeVar("R", bound=Keyed)


class Reader(Generic[R]):
    """The rows of an array, piece by piece: `keys` alone, or whole `rows`.

    Raises:
        Malformed: a row has no key, or a value that cannot be carried over; it is named.
    """

    def __init__(self, key: Callable[[Any], Hashable], row: Callable[[Any], R]) -> None:
        self._key, self._row = key, row

    def keys(self, piece: bytes) -> Iterator[Hashable]:
        """The primary key of each row of a JSON list."""
        return map(self._key, loads(piece))

    def rows(self, piece: bytes) -> Iterator[R]:
        """Each row of a JSON list as a record."""
        return map(self._row, loads(piece))


def all_rows(rows: Rows, reader: Reader[R]) -> Iterator[R]:
    """The rows as they stand there."""
    for piece in rows.pieces():
        yield from reader.rows(piece)


def each_once(rows: Rows, reader: Reader[R], *, name: str) -> Iterator[R]:
    """The rows; of those with one key the last, when all others have come. `name` is for the log.

    The keys are looked at before the first row is handed out. Of each, eight bytes are kept, and
    of each that occurs twice its last row.
    """
    twins = _twins(rows, reader)
    if not twins:
        yield from all_rows(rows, reader)
        return
    last: dict[Hashable, R] = {}
    replaced, example = 0, None
    for row in all_rows(rows, reader):
        if hash(row.key) not in twins:
            yield row
            continue
        if row.key in last:
            replaced, example = replaced + 1, row.key
        last[row.key] = row
    yield from last.values()
    if replaced:
        LOG.warning(
            "%s: a key occurs twice, such as %s: the last row wins, rows left out: %d",
            name,
            one_line(example),
            replaced,
        )


def _twins(rows: Rows, reader: Reader[R]) -> set[int]:
    """The hashes that occur more than once, mostly because a key does."""
    # Sorting makes objects of the numbers: a part of them at a time.
    parts = [array("q") for _ in range(PARTS)]
    for piece in rows.pieces():
        for key in reader.keys(piece):
            number = hash(key)
            parts[number % PARTS].append(number)
    return {one for part in parts for one, following in pairwise(sorted(part)) if one == following}
