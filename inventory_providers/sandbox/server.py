"""The sandbox: stand-ins of all providers on 127.0.0.1, with faults on demand.

with SandboxServer(rooms(clock)) as server:
    server.inject("deconetwork", Fault("status", status=503, times=2))
    ...  # point the provider object at server.settings("deconetwork")
    assert len(server.requests("deconetwork")) == 3
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inventory_providers.sandbox.admin import PREFIX, Admin
from inventory_providers.sandbox.connection import Answer, Connection
from inventory_providers.sandbox.faults import Armed, Fault, changed
from inventory_providers.sandbox.room import Clock, Reply, Request, SandboxRoom

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

__all__ = ["Armed", "Fault", "SandboxServer", "rooms"]

HOST = "127.0.0.1"
# A sandbox may run for weeks; only the latest requests are kept.
REQUESTS_KEPT = 200_000


def rooms(
    clock: Clock, size: int = 2000, names: Iterable[str] | None = None
) -> tuple[SandboxRoom, ...]:
    """A fresh room for each name; without names, for every provider of the registry."""
    if names is None:
        names = import_module("inventory_providers.registry").PROVIDER_NAMES
    modules = (import_module(f"inventory_providers.{name}.sandbox") for name in names)
    return tuple(module.Sandbox(clock, size=size) for module in modules)


class SandboxServer:
    """Serves rooms over HTTP/1.1 on 127.0.0.1 from the moment it is made.

    `OSError` when the port is taken; port 0 takes any free one. As a context manager it ends with
    `stop`, and raises what a room broke on: a defect of the sandbox must not look like a fault of
    a provider.
    """

    def __init__(
        self,
        rooms: Sequence[SandboxRoom],
        *,
        port: int = 0,
        clock: Clock | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.rooms = {room.name: room for room in rooms}
        self.clock = clock or next((room.clock for room in rooms), Clock())
        self.connections = 0
        self.defects: list[Exception] = []
        self._ssl_context = ssl_context
        self._lock = threading.Lock()
        self._received: deque[tuple[str, Request]] = deque(maxlen=REQUESTS_KEPT)
        self._armed: list[Armed] = []
        self._stopping = threading.Event()
        self._serving: dict[Connection, threading.Thread] = {}
        self._admin = Admin(self)
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self._ssl_context else 'http'}://{HOST}:{self.port}"

    @property
    def received(self) -> list[Request]:
        """Every request that came, in order, those for no room included, the admin's not."""
        with self._lock:
            return [request for _, request in self._received]

    def requests(self, room: str) -> list[Request]:
        """What one room was asked, in order; also what a fault kept from it."""
        self._known(room)
        with self._lock:
            return [request for name, request in self._received if name == room]

    def room(self, name: str) -> SandboxRoom:
        """A room by its name."""
        return self._known(name)

    def settings(self, name: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here."""
        return self._known(name).settings(self.url)

    def inject(self, room: str, fault: Fault) -> Armed:
        """Arm a fault; what comes back tells how often it was `seen` and has `fired`."""
        armed = Armed(self._known(room).name, fault)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()

    def reset(self) -> None:
        """Begin again: fresh catalogues, switches off, no faults, nothing received."""
        self.clear()
        with self._lock:
            self._received.clear()
        for room in self.rooms.values():
            with room.lock:
                room.reset()

    def stop(self) -> None:
        """End every connection, at once, and free the port. May be called twice."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            # Wakes the thread that accepts, on every system.
            socket.create_connection((HOST, self.port), timeout=1).close()
        self._accepting.join(timeout=2)
        self._listener.close()
        with self._lock:
            serving = dict(self._serving)
        for connection in serving:
            connection.stop()
        for thread in serving.values():
            thread.join(timeout=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self.defects and error is None:
            raise self.defects[0]

    def _known(self, name: str) -> SandboxRoom:
        try:
            return self.rooms[name]
        except KeyError:
            raise KeyError(f"no room {name}; there are {', '.join(self.rooms)}") from None

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                continue  # the client left before it was taken
            if self._stopping.is_set():
                sock.close()
            else:
                self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        connection = Connection(
            sock,
            answer=self._answer,
            clock=self.clock,
            stopping=self._stopping,
            ssl_context=self._ssl_context,
        )
        thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
        with self._lock:
            self.connections += 1
            self._serving[connection] = thread
        thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                del self._serving[connection]

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(PREFIX):
            return Answer(self._guarded(self._admin.handle, request))
        room = next((room for room in self.rooms.values() if room.serves(request.path)), None)
        with self._lock:
            self._received.append((room.name if room else "", request))
        if room is None:
            return Answer(Reply(404, json.dumps({"error": "no room serves this path"}).encode()))
        fault = self._due(room.name, request)
        if fault is None:
            return Answer(self._guarded(partial(_ask, room), request))
        reply = self._guarded(partial(_ask, room), request) if fault.executes else Reply()
        return Answer(changed(fault, reply), fault)

    def _guarded(self, handler: Callable[[Request], Reply], request: Request) -> Reply:
        try:
            return handler(request)
        except Exception as error:  # noqa: BLE001 - kept for `__exit__`; a thread cannot raise it
            self.defects.append(error)
            text = f"a defect of the sandbox: {type(error).__name__}"
            return Reply(500, json.dumps({"error": text}).encode())

    def _due(self, room: str, request: Request) -> Fault | None:
        with self._lock:
            # Every fault has to count the request, so there is no stopping at the first.
            due = [armed for armed in self._armed if armed.due(room, request)]
            if not due:
                return None
            due[0].fired += 1
            return due[0].fault


def _ask(room: SandboxRoom, request: Request) -> Reply:
    with room.lock:
        reply = room.handle(request)
        if room.after_answer is not None:
            room.after_answer(request, reply)
        return reply


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it the port of a run that has just ended counts as taken for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
