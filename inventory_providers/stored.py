"""A JSON document in a file, larger than memory should be: its great arrays are read in pieces.

The file holds one object. Arrays that the caller names stay where they are and are read as often
as wanted, some rows at a time; everything else is decoded at once. What counts as JSON, and how
exact numbers are, is decided by `jsonio`, piece by piece.

A piece is cut where `[` + piece + `]` is JSON. That is no guess: a reader of JSON that has come so
far from the array's beginning stands between two of its elements, whatever follows.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import IO, TYPE_CHECKING, Any

from inventory_providers.jsonio import NotJson, loads, parse_constant, parse_fraction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

PIECE = 256 * 1024
# A row, or anything else that is no great array, may be so large.
LARGEST = 8 * 1024 * 1024
# Where a row that has objects inside ends is found by trying from the right.
TRIES = 4
GLANCE = 16 * 1024

_BLANK = re.compile(rb"[ \t\n\r]*")
_decoder = json.JSONDecoder(parse_float=parse_fraction, parse_constant=parse_constant)


class Rows:
    """One great array of a stored document. `len` is the number of its elements."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[tuple[int, int]] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, begin: int, end: int, count: int) -> None:
        """So many elements more stand there in the file."""
        self._length += count
        # What was found one by one is put together to pieces.
        if self._places and end - self._places[-1][0] <= PIECE:
            begin = self._places.pop()[0]
        self._places.append((begin, end))

    def pieces(self) -> Iterator[bytes]:
        """The array as several smaller ones, each the text of one, in order."""
        for begin, end in self._places:
            self._file.seek(begin)
            yield b"[" + self._file.read(end - begin) + b"]"

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces():
            yield from loads(piece)


def load(
    file: IO[bytes],
    arrays: Collection[str],
    see: Callable[[str, list[Any]], None] = lambda _name, _rows: None,
) -> Any:
    """The document, with `Rows` in place of those of its top-level members that `arrays` names.

    `see` is shown the elements of these arrays, some at a time, while they are checked.

    Raises:
        NotJson: it is none, or something in it is too large.
    """
    window = _Window(file, 0)
    if window.peek() != b"{":
        return window.value()
    document = _members(window, arrays, see)
    if window.peek():
        raise NotJson("something follows the document")
    return document


def _members(
    window: _Window, arrays: Collection[str], see: Callable[[str, list[Any]], None]
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    window.take()
    if window.peek() == b"}":
        window.take()
        return document
    while True:
        if window.peek() != b'"':
            raise NotJson("a name is missing")
        name = window.value()
        if window.take() != b":":
            raise NotJson("a colon is missing")
        is_great = name in arrays and window.peek() == b"["
        document[name] = _array(window, name, see) if is_great else window.value()
        separator = window.take()
        if separator == b"}":
            return document
        if separator != b",":
            raise NotJson("a comma is missing")


def _array(window: _Window, name: str, see: Callable[[str, list[Any]], None]) -> Rows:
    rows = Rows(window.file)
    window.take()
    if window.peek() == b"]":
        window.take()
        return rows
    separator = b","
    while separator == b",":
        window.peek()
        begin = window.place
        found = window.many()
        rows.add(begin, window.place, len(found))
        see(name, found)
        separator = window.take()
    if separator != b"]":
        raise NotJson("a comma is missing")
    return rows


class _Window:
    """The part of the file that is looked at. `place` is where in the file it begins."""

    def __init__(self, file: IO[bytes], place: int) -> None:
        self.file = file
        self._buffer = b""
        self._at = 0
        self._next = place
        self._patience = place
        self._fill()

    @property
    def place(self) -> int:
        """Where in the file the next byte stands."""
        return self._next - len(self._buffer) + self._at

    def _fill(self) -> bool:
        """Read on; false at the end of the file."""
        # Several readers share the file: each knows its own place.
        self.file.seek(self._next)
        more = self.file.read(PIECE)
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        self._next += len(more)
        return bool(more)

    def peek(self) -> bytes:
        """The next byte that is not blank; empty at the end."""
        while True:
            blank = _BLANK.match(self._buffer, self._at)
            assert blank is not None
            self._at = blank.end()
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._fill():
                return b""

    def take(self) -> bytes:
        """The next byte that is not blank, which is then behind us."""
        byte = self.peek()
        self._at += 1 if byte else 0
        return byte

    def value(self) -> Any:
        """The value that comes next."""
        end = self._end_of_value()
        text = self._buffer[self._at : end]
        self._at = end
        return loads(text)

    def many(self) -> list[Any]:
        """The next elements of an array: as many as end in sight, at least one."""
        found = self._in_sight() if self.place >= self._patience else None
        if found is not None:
            return found
        return [self.value()]

    def _in_sight(self) -> list[Any] | None:
        if len(self._buffer) - self._at < PIECE:
            self._fill()
        end = len(self._buffer)
        for _ in range(TRIES):
            end = self._buffer.rfind(b"},", self._at, end)
            found = None if end < 0 else _elements(self._buffer[self._at : end + 1])
            if found is not None:
                self._at = end + 1
                return found
        # The array's end may be in sight: one by one until there is something new to see.
        self._patience = self.place + PIECE // 2
        return None

    def _end_of_value(self) -> int:
        self.peek()
        size = GLANCE
        while True:
            end = self._glance(size)
            if end is not None:
                return end
            if self._at + size < len(self._buffer):
                size *= 8
            elif size > LARGEST or not self._fill():
                break
        # At the end of the file a number may end without anything behind it.
        end = self._glance(size, is_end=True)
        if end is None:
            raise NotJson("cut off, or too large in one piece")
        return end

    def _glance(self, size: int, *, is_end: bool = False) -> int | None:
        """Where the value ends, if that is certain from so many bytes."""
        part = self._buffer[self._at : self._at + size]
        try:
            text, _ = codecs.utf_8_decode(part, "strict", False)  # noqa: FBT003
            _, length = _decoder.raw_decode(text)
        except UnicodeDecodeError:
            raise NotJson("not valid UTF-8") from None
        except RecursionError:
            raise NotJson("nested too deeply") from None
        except NotJson:
            raise
        except json.JSONDecodeError:
            return None
        except ValueError:
            raise NotJson("a number has too many digits") from None
        if length == len(text) and not is_end:
            return None  # a number could go on
        return self._at + len(text[:length].encode())


def _elements(text: bytes) -> list[Any] | None:
    try:
        found: list[Any] = loads(b"[" + text + b"]")
    except NotJson:
        return None
    return found
