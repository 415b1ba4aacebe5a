"""Singer lines from standard input or a file: tolerant of form, bounded, and never logged."""

from __future__ import annotations

import codecs
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from inventory_providers.errors import InputError
from inventory_providers.jsonio import NotJson, loads_leniently

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A line is one record. The largest real ones are some kilobytes.
LONGEST = 16 * 1024 * 1024
# What records are made of is flat; Python's own limit is some hundreds.
DEEPEST = 100
PLAN_LINE = {"stream", "key", "field", "before", "after"}


class RecordBeforeSchema(InputError, RecordsWithoutSchemaException):
    """A record came before its stream's schema."""


class KeyMissing(InputError, MissingKeyPropertiesError):
    """A record has no value for a key property."""


class LineReader(GenericSingerReader[Any]):
    """Hands each message to its callback; says at which line it stopped, never what stood there.

    Accepted: blank lines, CRLF, a byte order mark, no line end at the end, and the lines of a plan
    beside messages: they go to `plan_line`. `failure` is what made it stop; the messages before it
    have been handed over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: InputError | None = None
        self.plan_line: Callable[[dict[str, Any]], None] | None = None

    @property
    def default_input(self) -> IO[Any]:
        """Standard input, as bytes: decoding is ours, and strict."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read to the end, or to the first line that is not Singer."""
        seen: Counter[str] = Counter()
        for number, line in enumerate(_lines(file_input or self.default_input), start=1):
            try:
                if line:
                    message = self.deserialize_json(line)
                    seen[self._hand_over(message, callbacks)] += 1
            except InputError as error:
                error.place = f"input line {number}"
                self.failure = error
                break
        return seen

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """One message.

        Raises:
            InputError: it is no JSON object with a type.
        """
        if len(line) > LONGEST:
            raise InputError(f"longer than {LONGEST // 2**20} MiB")
        try:
            message = loads_leniently(line)
        except NotJson:
            raise InputError("not JSON; was the input cut off?") from None
        # A look at each message would cost as much as reading it.
        if line.count(b"{") + line.count(b"[") > DEEPEST and _is_deep(message, DEEPEST):
            raise InputError(f"nested more than {DEEPEST} deep")
        if not isinstance(message, dict) or not _has_a_type(message):
            raise InputError("not a Singer message: there is no type")
        return message

    def _hand_over(
        self, message: dict[str, Any], callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> str:
        if "type" not in message and self.plan_line is not None:
            self.plan_line(message)
            return "PLAN"
        kind: str = message["type"]
        callback = callbacks.get(kind)
        if callback is None:
            raise InputError("an unknown message type; SCHEMA, RECORD and STATE are understood")
        callback(message)
        return kind


def _is_deep(value: Any, allowed: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if allowed == 0:
        return True
    inside = value.values() if isinstance(value, dict) else value
    return any(_is_deep(each, allowed - 1) for each in inside)


def _has_a_type(message: dict[str, Any]) -> bool:
    """A Singer message says what it is; a line of a plan has these names instead."""
    if "type" in message:
        return isinstance(message["type"], str)
    return message.keys() >= PLAN_LINE


def _lines(source: IO[Any]) -> Iterator[bytes]:
    """Each line without its end; one that is too long comes cut, to be refused."""
    first = True
    while line := source.readline(LONGEST + 2):
        data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        if first:
            data, first = data.removeprefix(codecs.BOM_UTF8), False
        yield data.strip(b" \t\r\n")
