"""Sockets that know when they have to be done.

A read timeout bounds the wait for the next byte. A server that sends a byte now and then, headers
included, would hold a request for ever; here each wait is bounded by what is left of the request's
own deadline. And all sockets of a session can be closed at once, also under a waiting thread.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator


class Deadlines(httpcore.NetworkBackend):
    """Opens connections whose every wait ends with the deadline that is set in the same thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._real = httpcore.SyncBackend()
        self._local = threading.local()
        self._open: set[BoundedStream] = set()
        self._closed = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All that this thread waits for in here ends after so many seconds."""
        self._local.until = self._monotonic() + seconds
        try:
            yield
        finally:
            self._local.until = None

    def left(self, timeout: float | None, error: type[Exception]) -> float | None:
        """How long a wait may still be; raises `error` when there is no time left."""
        until = getattr(self._local, "until", None)
        if until is None:
            return timeout
        left: float = until - self._monotonic()
        if left <= 0:
            raise error("deadline")
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, within the deadline."""
        bounded = self.left(timeout, httpcore.ConnectTimeout)
        stream = self._real.connect_tcp(host, port, bounded, local_address, socket_options)
        return self.keep(BoundedStream(stream, self))

    def keep(self, stream: BoundedStream) -> BoundedStream:
        """Remember a stream, to be closed with the others."""
        with self._lock:
            self._open.add(stream)
            closed = self._closed
        if closed:
            stream.abort()
            raise httpcore.ConnectError("closed")
        return stream

    def forget(self, stream: BoundedStream) -> None:
        """A stream was closed."""
        with self._lock:
            self._open.discard(stream)

    def close(self) -> None:
        """Close every connection, also those that a thread waits on, and open no other."""
        with self._lock:
            self._closed = True
            streams = list(self._open)
        for stream in streams:
            stream.abort()


class BoundedStream(httpcore.NetworkStream):
    """A connection whose waits are bounded."""

    def __init__(self, stream: httpcore.NetworkStream, backend: Deadlines) -> None:
        self._stream, self._backend = stream, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes, or none at the end."""
        return self._stream.read(max_bytes, self._backend.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of the buffer."""
        self._stream.write(buffer, self._backend.left(timeout, httpcore.WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The same connection under TLS."""
        bounded = self._backend.left(timeout, httpcore.ConnectTimeout)
        secured = self._stream.start_tls(ssl_context, server_hostname, bounded)
        self._backend.forget(self)
        return self._backend.keep(BoundedStream(secured, self._backend))

    def get_extra_info(self, info: str) -> Any:
        """What the real stream knows."""
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        """Close it, as its owner."""
        self._backend.forget(self)
        self._stream.close()

    def abort(self) -> None:
        """Close it under whoever waits on it."""
        sock = self._stream.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        self.close()
