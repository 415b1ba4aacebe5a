"""One HTTP/1.1 connection: read requests, send each answer in one piece, break when told to."""

from __future__ import annotations

import contextlib
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from inventory_providers.sandbox.faults import Fault, spoil, spoils
from inventory_providers.sandbox.room import Reply, Request

if TYPE_CHECKING:
    import ssl
    import threading
    from collections.abc import Callable

    from inventory_providers.sandbox.room import Clock

LONGEST_LINE = 1 << 20
LARGEST_BODY = 64 << 20

_PHRASES = {int(status): status.phrase for status in HTTPStatus}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HANDSHAKE_SECONDS = 5.0


class Answer(NamedTuple):
    """What to send, and how to spoil it, if at all."""

    reply: Reply
    fault: Fault | None = None


class UnreadableError(Exception):
    """The other side does not speak HTTP; the message says why."""


class Connection:
    """Serves one socket until either side has had enough."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        answer: Callable[[Request], Answer],
        clock: Clock,
        stopping: threading.Event,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._sock = sock
        self._answer = answer
        self._clock = clock
        self._stopping = stopping
        self._ssl_context = ssl_context
        self._reset = False
        self._method = ""
        self._last = False

    def serve(self) -> None:
        """Answer one request after the other; returns when the connection is closed."""
        # A client may leave, or talk nonsense, at any time: that is its right in a test.
        with contextlib.suppress(OSError, ValueError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._secure()
            with self._sock.makefile("rb", buffering=1 << 16) as stream:
                self._converse(cast("BinaryIO", stream))
        self._close()

    def stop(self) -> None:
        """Wake the thread that serves, from another one."""
        with contextlib.suppress(OSError):
            # Not the TLS socket's own method, which is not made for two threads.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        """Send it all, at once."""
        self._sock.sendall(data)

    def reset(self) -> None:
        """Break the connection so that the other side sees a reset."""
        self._reset = True

    def pause(self, seconds: float | None) -> bool:
        """Wait, without a number for ever; true when the server stopped meanwhile."""
        return self._stopping.wait(seconds)

    def head(self, reply: Reply, **framing: str) -> bytes:
        """The status line and the headers, with those that frame the body.

        A `Date` of the reply's own stands instead of the clock's; an empty one leaves it out.
        """
        lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Unknown')}"]
        headers = {"Date": formatdate(self._clock.now(), usegmt=True)} | reply.headers
        if not headers["Date"]:
            del headers["Date"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in framing.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _secure(self) -> None:
        if self._ssl_context is None:
            return
        self._sock.settimeout(_HANDSHAKE_SECONDS)
        secured = self._ssl_context.wrap_socket(
            self._sock, server_side=True, do_handshake_on_connect=False
        )
        self._sock = secured
        secured.do_handshake()
        secured.settimeout(None)

    def _converse(self, stream: BinaryIO) -> None:
        try:
            while self._reply(self._answer(self._read(stream))):
                pass
        except UnreadableError as error:
            self._last = True
            self._reply(Answer(Reply(400, f'{{"error": "{error}"}}'.encode())))

    def _read(self, stream: BinaryIO) -> Request:
        try:
            self._method, target, version = _line(stream).split(" ")
        except ValueError:
            raise UnreadableError("no request line") from None
        headers = _headers(stream)
        self._last = _is_last(version, headers.get("connection", "").lower())
        path, _, query = target.partition("?")
        body = self._body(stream, headers)
        return Request(self._method, target, path, query, headers, body, self._clock.now())

    def _body(self, stream: BinaryIO, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            raise UnreadableError("a request body needs a Content-Length")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            raise UnreadableError("no usable Content-Length")
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = stream.read(int(length))
        if len(body) < int(length):
            raise ConnectionError
        return body

    def _reply(self, answer: Answer) -> bool:
        """Whether the connection can go on."""
        fault = answer.fault or (Fault(answer.reply.lost) if answer.reply.lost else None)
        if fault is not None and spoils(fault.kind):
            spoil(fault, self, answer.reply)
            return False
        body = b"" if self._method == "HEAD" else answer.reply.body
        self.send(self._whole(answer.reply) + body)
        return not self._last

    def _whole(self, reply: Reply) -> bytes:
        framing = {"Content_Length": str(len(reply.body))}
        return self.head(reply, **framing, **({"Connection": "close"} if self._last else {}))

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            if self._reset:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._sock.close()


def _line(stream: BinaryIO) -> str:
    line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise UnreadableError("a line is too long")
    if not line.endswith(b"\n"):
        raise ConnectionError  # the client has gone; what it began is no request
    return line.decode("latin-1").rstrip("\r\n")


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := _line(stream):
        name, colon, value = line.partition(":")
        if not colon:
            raise UnreadableError("a header without a colon")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _is_last(version: str, wish: str) -> bool:
    return wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive")
