"""Rows by key, the newest version of each, on disk when there are many."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

M = TypeVar("M")

IN_MEMORY = 32 * 1024 * 1024


class _Place(NamedTuple):
    offset: int
    length: int


class Spool(Generic[M]):
    """Lines of bytes under a key, each with a small mark; memory is bounded but for the keys.

    Setting a key again replaces its line; iteration is in the order in which keys first came. The
    file, if one is needed, has no name and mode 0600, and is gone with the process.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115
        self._places: dict[str, tuple[_Place, M]] = {}
        self._end = 0

    def __enter__(self) -> Spool[M]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def mark(self, key: str) -> M | None:
        """What was stored with a key."""
        place = self._places.get(key)
        return None if place is None else place[1]

    def put(self, key: str, line: bytes, mark: M) -> None:
        """Keep this line as the newest of its key."""
        self._file.seek(self._end)
        self._file.write(line)
        self._places[key] = (_Place(self._end, len(line)), mark)
        self._end += len(line)

    def __iter__(self) -> Iterator[tuple[bytes, M]]:
        for place, mark in self._places.values():
            self._file.seek(place.offset)
            yield self._file.read(place.length), mark
