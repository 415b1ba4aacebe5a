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

from inventory_providers.jsonio import NotJson, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

PIECE = 256 * 1024
# A row, or anything else that is no great array, may be so large.
LARGEST = 8 * 1024 * 1024
# So much is looked at first to find the end of one value.
GLANCE = 4 * 1024

_BLANK = re.compile(rb"[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_NUMBER = re.compile(r"[-+.0-9eE]*")
# How an element that begins so ends before a comma; of a number nothing but the comma is known.
_ENDS = {b"{": b"},", b"[": b"],", b'"': b'",'}


def _nothing(_: str) -> None:
    """Numbers are judged by `jsonio`, when they have come whole."""


_finder = json.JSONDecoder(parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing)


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
        NotJson: it is none, something in it is too large, or one of the arrays is named twice (any
            other member may be: the last one counts, as everywhere).
    """
    window = _Window(file, 0)
    is_object = window.peek() == b"{"
    document = _members(window, arrays, see) if is_object else window.value()
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
        if name in arrays and name in document:
            raise NotJson("a list is named twice")
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
        self._reach(PIECE)
        for find in (self._likely_end, self._certain_end):
            end = find()
            if found := _elements(self._buffer[self._at : end]):
                self._at = end
                return found
        return [self.value()]

    def _likely_end(self) -> int:
        """Where the last element ends that ends in sight, if it has nothing like itself inside."""
        ending = _ENDS.get(self._buffer[self._at : self._at + 1], b",")
        place = self._buffer.rfind(ending, self._at)
        return self._at if place < 0 else place + len(ending) - 1

    def _certain_end(self) -> int:
        """The same for whatever the elements are, more slowly."""
        text = self._text(len(self._buffer))
        begin = end = 0
        while (stop := _find_end(text, begin)) and (comma := _COMMA.match(text, stop)):
            begin, end = comma.end(), stop
        return self._at + len(text[:end].encode())

    def _reach(self, size: int) -> bool:
        """Have so many bytes in sight; false where the file ends before."""
        while len(self._buffer) - self._at < size:
            if not self._fill():
                return False
        return True

    def _end_of_value(self) -> int:
        self.peek()
        size = min(GLANCE, LARGEST)
        while True:
            is_end = not self._reach(size)
            end = self._glance(size, is_end=is_end)
            if end is not None:
                return end
            if is_end:
                raise NotJson("broken or cut off")
            if size == LARGEST:
                raise NotJson(f"broken, or larger than {LARGEST // 2**20} MiB in one piece")
            size = min(size * 8, LARGEST)

    def _glance(self, size: int, *, is_end: bool) -> int | None:
        """Where the value ends, if that is certain from so many bytes."""
        text = self._text(size, is_end=is_end)
        end = _find_end(text, 0)
        digits = _NUMBER.match(text)
        if digits and digits.end() == len(text) and not is_end:
            return None  # a number could go on
        return None if end is None else self._at + len(text[:end].encode())

    def _text(self, size: int, *, is_end: bool = False) -> str:
        """So many of the bytes in sight, without a character that is cut at their end."""
        part = self._buffer[self._at : self._at + size]
        try:
            return codecs.utf_8_decode(part, "strict", is_end)[0]
        except UnicodeDecodeError:
            raise NotJson("not valid UTF-8") from None


def _find_end(text: str, begin: int) -> int | None:
    """Where the value ends that begins there; None where it does not end."""
    try:
        return _finder.raw_decode(text, begin)[1]
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except json.JSONDecodeError:
        return None


def _elements(text: bytes) -> list[Any] | None:
    try:
        found: list[Any] = loads(b"[" + text + b"]")
    except NotJson:
        return None
    return found
