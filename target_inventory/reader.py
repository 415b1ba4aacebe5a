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


class RecordBeforeSchema(InputError, RecordsWithoutSchemaException):
    """A record came before its stream's schema."""


class KeyMissing(InputError, MissingKeyPropertiesError):
    """A record has no value for a key property."""


class LineReader(GenericSingerReader[Any]):
    """Hands each message to its callback; says at which line it stopped, never what stood there.

    Accepted: blank lines, CRLF, a byte order mark, no line end at the end. `failure` is what made
    it stop; the messages before it have been handed over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: InputError | None = None

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
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise InputError("not a Singer message: there is no type")
        return message

    def _hand_over(
        self, message: dict[str, Any], callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> str:
        kind: str = message["type"]
        callback = callbacks.get(kind)
        if callback is None:
            raise InputError("an unknown message type; SCHEMA, RECORD and STATE are understood")
        callback(message)
        return kind


def _lines(source: IO[Any]) -> Iterator[bytes]:
    """Each line without its end; one that is too long comes cut, to be refused."""
    first = True
    while line := source.readline(LONGEST + 2):
        data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        if first:
            data, first = data.removeprefix(codecs.BOM_UTF8), False
        yield data.strip(b" \t\r\n")
