"""Singer messages on standard output: whole lines, fast, and never silently lost."""

from __future__ import annotations

import os
import select
import stat
import time
from typing import TYPE_CHECKING, Any, TextIO

from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, StateMessage

from inventory_providers.command import SIGNALS, standard_output
from inventory_providers.errors import OutputError
from inventory_providers.jsonio import dumps
from inventory_providers.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

# A write of at most this to a pipe is all or nothing, so a stop never leaves half a line there.
PIPE_BUF = select.PIPE_BUF
BUFFER = 64 * 1024
# How long a stop waits for a reader that does not read, before it leaves the rest unsaid.
PATIENCE = 10.0


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes messages as lines of JSON, buffered, flushed at each message that is no RECORD.

    `owes_state` says that no STATE has followed the last other message.
    """

    def __init__(self) -> None:
        self.owes_state = False
        self._lines: list[bytes] = []
        self._size = 0
        self._broken = False

    def serialize_message(self, message: Message) -> bytes:
        """One message as one line."""
        return dumps(_plain(message.to_dict())) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write one message; records may wait in the buffer."""
        self._add(self.serialize_message(message))
        self.owes_state = not isinstance(message, StateMessage)
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_records(
        self, stream: str, records: Iterable[bytes], extracted: datetime, version: int | None
    ) -> None:
        """Write RECORD messages whose records are encoded already."""
        before = b'{"type":"RECORD","stream":' + dumps(stream) + b',"record":'
        after = b"" if version is None else b',"version":%d' % version
        after += b',"time_extracted":"' + rfc3339(extracted).encode() + b'"}\n'
        lines = [before + record + after for record in records]
        self._lines += lines
        self.owes_state |= bool(lines)
        self._size += sum(map(len, lines))
        if self._size >= BUFFER:
            self.flush()

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hand everything to standard output.

        Raises:
            OutputError: it is closed or full.
            Stopped: a signal came; what was written ends with a whole line.
        """
        if self._broken:
            raise OutputError("nothing more can be written", place="output")
        lines, self._lines, self._size = self._lines, [], 0
        if not lines:
            return
        try:
            with standard_output() as out:
                _hand_over(out, lines)
        except OutputError:
            self._broken = True
            raise


def _hand_over(out: TextIO, lines: list[bytes]) -> None:
    try:
        descriptor = out.fileno()
    except (OSError, ValueError, AttributeError):
        out.write(b"".join(lines).decode())
        return
    out.flush()
    with SIGNALS.deferred():
        _write(descriptor, lines)


def _write(descriptor: int, lines: list[bytes]) -> None:
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    for chunk in _chunks(lines, PIPE_BUF if is_pipe else BUFFER):
        if SIGNALS.stop is not None:
            return
        _write_chunk(descriptor, chunk)


def _chunks(lines: list[bytes], size: int) -> Iterator[bytes]:
    """Whole lines, as many as fit into `size`; a longer line alone."""
    chunk: list[bytes] = []
    length = 0
    for line in lines:
        if chunk and length + len(line) > size:
            yield b"".join(chunk)
            chunk, length = [], 0
        chunk.append(line)
        length += len(line)
    yield b"".join(chunk)


def _write_chunk(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    begun = False
    while rest:
        if not _writable(descriptor, begun=begun):
            return
        rest = rest[os.write(descriptor, rest[:PIPE_BUF] if len(chunk) > PIPE_BUF else rest) :]
        begun = True


def _writable(descriptor: int, *, begun: bool) -> bool:
    """Wait until the reader takes more; False when a stop came and there is no more patience."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    until = None
    while not poll.poll(100):
        if SIGNALS.stop is not None:
            until = until or time.monotonic() + (PATIENCE if begun else 0.5)
            if time.monotonic() >= until:
                return False
    return True


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    extracted = message.get("time_extracted")
    return message if extracted is None else message | {"time_extracted": rfc3339(extracted)}
