"""Rows by key, the newest version of each, on disk when there are many."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from io import BufferedRandom
from typing import TYPE_CHECKING, Generic, TypeVar

from inventory_providers.errors import ScratchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

M = TypeVar("M")

IN_MEMORY = 32 * 1024 * 1024


def no_room(error: OSError) -> ScratchError:
    """What a temporary file that cannot be written means."""
    return ScratchError(f"the temporary file cannot be written: {error.strerror}")


class Scratch(BufferedRandom):
    """A file without a name, mode 0600, gone with the process.

    Closing it never fails: what could not be written by then is wanted by nobody.

    Raises:
        ScratchError: it cannot be made.
    """

    def __init__(self) -> None:
        try:
            super().__init__(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise no_room(error) from None

    def close(self) -> None:
        """Let go of it."""
        with suppress(OSError):
            super().close()


class Spool(Generic[M]):
    """Lines of bytes under a key, each with a small mark; memory is bounded but for the keys.

    Setting a key again replaces its line; iteration is in the order in which keys first came. What
    does not fit into memory goes to a file without a name, mode 0600, gone with the process.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._room = in_memory
        # A line, or where it stands in the file: offset and length.
        self._lines: dict[str, tuple[bytes | tuple[int, int], M]] = {}
        self._file: Scratch | None = None
        self._end = 0
        self._closed = False

    def __enter__(self) -> Spool[M]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def mark(self, key: str) -> M | None:
        """What was stored with a key."""
        place = self._lines.get(key)
        return None if place is None else place[1]

    def get(self, key: str) -> bytes | None:
        """The line of a key."""
        place = self._lines.get(key)
        return None if place is None else self._read(place[0])

    def put(self, key: str, line: bytes, mark: M) -> None:
        """Keep this line as the newest of its key."""
        if self._closed:
            raise ValueError("the spool is closed")
        self._room -= len(line)
        self._lines[key] = (line if self._room >= 0 else self._to_file(line), mark)

    def _to_file(self, line: bytes) -> tuple[int, int]:
        if self._file is None:
            self._file = Scratch()
        try:
            self._file.seek(self._end)
            self._file.write(line)
        except OSError as error:
            raise no_room(error) from None
        self._end += len(line)
        return self._end - len(line), len(line)

    def __iter__(self) -> Iterator[tuple[bytes, M]]:
        for place, mark in self._lines.values():
            yield self._read(place), mark

    def _read(self, place: bytes | tuple[int, int]) -> bytes:
        if isinstance(place, bytes):
            return place
        assert self._file is not None
        try:
            # What was put last may be on its way to the disk only now.
            self._file.seek(place[0])
            return self._file.read(place[1])
        except OSError as error:
            raise no_room(error) from None
