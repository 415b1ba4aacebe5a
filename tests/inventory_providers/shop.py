"""A tiny HTTP server for the tests of the door: it answers what it is told, and remembers."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Says:
    """One answer. `raw` goes out as it is; `reset` breaks the connection instead."""

    status: int = 200
    body: bytes = b'{"ok":true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    reset: bool = False
    before: Callable[[], None] = lambda: None  # runs before anything is sent
    chunks: tuple[bytes, ...] = ()
    between: Callable[[], None] = lambda: None  # runs between two chunks


class Shop:
    """Gives the answers in turn, the last one for ever; `asked` has every request."""

    def __init__(self, *answers: Says) -> None:
        self.answers = list(answers) or [Says()]
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shop._serve(self)

            do_POST = do_DELETE = do_CONNECT = do_GET  # noqa: N815 - the names of the base class

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None:
                pass  # a client that leaves is part of the tests

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.asked.append(Asked(handler.command, handler.path, headers, body))
            says = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        says.before()
        with contextlib.suppress(OSError):
            self._answer(handler, says)

    def _answer(self, handler: BaseHTTPRequestHandler, says: Says) -> None:
        if says.reset:
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            handler.connection.close()
            handler.close_connection = True
            return
        if says.raw is not None:
            handler.wfile.write(says.raw)
            handler.close_connection = True
            return
        handler.send_response(says.status)
        for name, value in says.headers.items():
            handler.send_header(name, value)
        body = b"".join(says.chunks) or says.body
        handler.send_header("Content-Length", str(len(body)))
        if says.headers.get("Connection") == "close":
            handler.close_connection = True
        handler.end_headers()
        for chunk in says.chunks or (body,):
            handler.wfile.write(chunk)
            handler.wfile.flush()
            says.between()


def document(value: Any) -> bytes:
    """A body of JSON."""
    return json.dumps(value).encode()


def refused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
