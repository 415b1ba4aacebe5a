"""The server: what it sends, how it breaks, and what can be asked of it from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trustme

from inventory_providers import config
from inventory_providers.registry import PROVIDER_NAMES
from inventory_providers.sandbox.room import Clock, Key, Reply, Request, Row, SandboxRoom, Switch
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BODY = json.dumps({"rows": ["abcdefgh"] * 20}).encode()
NOW = 1_700_000_000.0


class Echo(SandboxRoom):
    """A room with one answer, which counts what it was really asked."""

    name = "echo"
    switches: ClassVar[Mapping[str, Switch]] = {
        "loud": Switch("Speaks up", off=False),
        "mode": Switch("How", "a", ("a", "b")),
        "plan": Switch("What comes next", [], (429, "reset")),
    }

    def reset(self) -> None:
        self.set = {}
        self.executed: list[str] = []
        self.stock = {str(n): n for n in range(10)}

    def serves(self, path: str) -> bool:
        return path.startswith("/echo")

    def handle(self, request: Request) -> Reply:
        self.executed.append(request.path)
        if request.path == "/echo/defect":
            raise ZeroDivisionError
        return Reply(body=BODY, lost="hang" if request.path == "/echo/lost" else "")

    def settings(self, base_url: str) -> dict[str, Any]:
        return {"api_url": base_url}

    def secrets(self) -> list[str]:
        return []

    def rows(self, stream: str) -> dict[Key, Row]:
        if stream != "echo_stock":
            raise KeyError(stream)
        return {(key,): {"id": key, "level": level} for key, level in self.stock.items()}

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        chosen = list(self.stock)[:count]
        for key in chosen:
            self.stock[key] += 1
        return [(key,) for key in chosen]

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        return [(key,) for key in list(self.stock)[:count] if self.stock.pop(key) is not None]

    def put(self, stream: str, row: Row) -> None:
        self.stock[row["id"]] = row["level"]


class Other(Echo):
    name = "other"

    def serves(self, path: str) -> bool:
        return path.startswith("/other")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def echo(clock: Clock) -> Echo:
    return Echo(clock)


@pytest.fixture
def server(echo: Echo, clock: Clock) -> Iterator[SandboxServer]:
    with SandboxServer([echo, Other(clock)], clock=clock) as running:
        yield running


def ask(
    server: SandboxServer, method: str = "GET", path: str = "/echo", body: bytes | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """One request on a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        client.request(method, path, body)
        answer = client.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        client.close()


def admin(server: SandboxServer, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    body = None if document is None else json.dumps(document).encode()
    status, answer, _ = ask(server, method, f"/__sandbox/{path}", body)
    return status, json.loads(answer)


def dial(server: SandboxServer, request: bytes = b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n") -> Any:
    """A bare connection on which one request was sent."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    sock.sendall(request)
    return sock


def listen(sock: Any) -> tuple[bytes, bool]:
    """All that comes until the end, and whether the end was a reset."""
    came = b""
    with sock:
        try:
            while piece := sock.recv(65536):
                came += piece
        except ConnectionResetError:
            return came, True
    return came, False


def until(happened: Callable[[], Any]) -> None:
    """Wait for what another thread does; as short as it can be, never for ever."""
    for _ in range(2000):
        if happened():
            return
        time.sleep(0.002)
    raise AssertionError("it did not happen")


def assert_silent(sock: socket.socket) -> None:
    """Nothing comes, and the connection stays open."""
    sock.settimeout(0.02)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    sock.settimeout(5)


def split(answer: bytes) -> tuple[str, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().lower(), body


# Serving


def test_an_answer_carries_its_length_and_the_sandboxs_own_date(
    server: SandboxServer, clock: Clock
) -> None:
    clock.step(3600)
    status, body, headers = ask(server)
    assert (status, body) == (200, BODY)
    assert headers["Content-Length"] == str(len(BODY))
    assert headers["Content-Type"] == "application/json"
    assert abs(parsedate_to_datetime(headers["Date"]).timestamp() - NOW - 3600) < 5


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        ("Fri, 01 Jan 2021 00:00:00 GMT", ["Fri, 01 Jan 2021 00:00:00 GMT"]),
        ("", []),
    ],
    ids=["another", "none"],
)
def test_an_answer_may_have_a_date_of_its_own_or_none(
    server: SandboxServer, echo: Echo, own: str, sent: list[str]
) -> None:
    echo.after_answer = lambda _, reply: reply.headers.update(Date=own)
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request("GET", "/echo")
    answer = client.getresponse()
    assert answer.read() == BODY
    assert (answer.headers.get_all("Date") or []) == sent
    client.close()


def test_one_connection_serves_many_requests(server: SandboxServer, echo: Echo) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    for n in range(5):
        client.request("POST", f"/echo/{n}", body=b"x" * n)
        assert client.getresponse().read() == BODY
    client.close()
    assert server.connections == 1
    assert echo.executed == [f"/echo/{n}" for n in range(5)]


def test_what_was_received_is_kept_as_it_came(server: SandboxServer) -> None:
    sock = dial(
        server,
        b"POST /echo/a%20b?x=1&y=%2F HTTP/1.1\r\nX-Two: a\r\nx-two: b\r\nContent-Length: 3\r\n"
        b"Connection: close\r\n\r\nabc",
    )
    listen(sock)
    [request] = server.requests("echo")
    assert (request.method, request.target) == ("POST", "/echo/a%20b?x=1&y=%2F")
    assert (request.path, request.query) == ("/echo/a%20b", "x=1&y=%2F")
    assert request.headers["x-two"] == "a, b"
    assert request.body == b"abc"
    assert abs(request.at - NOW) < 5


def test_requests_are_kept_by_room_and_strays_are_not_lost(server: SandboxServer) -> None:
    ask(server, path="/other/1")
    status, body, _ = ask(server, path="/nowhere?q=1")
    assert status == 404
    assert "error" in json.loads(body)
    assert [each.path for each in server.requests("other")] == ["/other/1"]
    assert server.requests("echo") == []
    assert [each.path for each in server.received] == ["/other/1", "/nowhere"]
    with pytest.raises(KeyError, match="third"):
        server.requests("third")


def test_http_1_0_and_connection_close_end_the_connection(server: SandboxServer) -> None:
    for request in (
        b"GET /echo HTTP/1.0\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n",
    ):
        head, body = split(listen(dial(server, request))[0])
        assert body == BODY
        assert "connection: close" in head


def test_head_has_headers_only(server: SandboxServer) -> None:
    sock = dial(server, b"HEAD /echo HTTP/1.1\r\nConnection: close\r\n\r\n")
    head, body = split(listen(sock)[0])
    assert f"content-length: {len(BODY)}" in head
    assert body == b""


def test_a_client_that_waits_for_a_go_ahead_gets_it(server: SandboxServer) -> None:
    sock = dial(server, b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
    sock.sendall(b"ok")
    assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    sock.close()
    assert server.requests("echo")[0].body == b"ok"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_not_executed(
    server: SandboxServer, echo: Echo, nonsense: bytes
) -> None:
    came, _ = listen(dial(server, nonsense))
    assert came[:12] in {b"HTTP/1.1 400", b""}  # the rest of a line too long may reset the answer
    assert echo.executed == []


def test_a_request_cut_off_is_not_executed(server: SandboxServer, echo: Echo) -> None:
    for begun in (b"POST /echo HTTP/1.1\r\nContent-Le", b"POST /echo HTTP/1.1\r\n"):
        sock = dial(server, begun)
        sock.shutdown(socket.SHUT_WR)
        assert listen(sock) == (b"", False)
    sock = dial(server, b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
    sock.shutdown(socket.SHUT_WR)
    assert listen(sock) == (b"", False)
    assert echo.executed == []


def test_the_after_answer_hook_runs_before_the_client_can_go_on(
    server: SandboxServer, echo: Echo
) -> None:
    order: list[str] = []
    echo.after_answer = lambda request, reply: order.append(f"{request.path} {reply.status}")
    ask(server)
    order.append("client")
    assert order == ["/echo 200", "client"]


def test_many_clients_at_once_lose_nothing(server: SandboxServer, echo: Echo) -> None:
    def hammer() -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        for _ in range(50):
            client.request("GET", "/echo")
            assert client.getresponse().read() == BODY
        client.close()

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests("echo")) == len(echo.executed) == 400
    assert server.connections == 8


def test_a_defect_of_a_room_ends_the_test_that_used_it(clock: Clock) -> None:
    running = SandboxServer([Echo(clock)])
    status, body, _ = ask(running, path="/echo/defect")
    assert status == 500
    assert b"ZeroDivisionError" in body
    with pytest.raises(ZeroDivisionError), running:
        pass


def test_it_listens_on_this_machine_only(server: SandboxServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server._listener.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_an_error_of_the_system(server: SandboxServer) -> None:
    with pytest.raises(OSError, match=r"(?i)in use"):
        SandboxServer([], port=server.port)


def test_stopping_wakes_idle_clients_and_frees_the_port(echo: Echo) -> None:
    running = SandboxServer([echo])
    idle = dial(running)
    idle.recv(65536)
    running.stop()
    running.stop()
    assert listen(idle)[0] == b""
    with SandboxServer([echo], port=running.port) as again:
        assert ask(again)[0] == 200
    with pytest.raises(OSError, match="refused"):
        dial(running)


def hello(server: SandboxServer, client: ssl.SSLContext) -> bytes:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    with sock, client.wrap_socket(sock, server_hostname="127.0.0.1") as secured:
        secured.sendall(b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n")
        return secured.recv(65536)


def test_tls_is_served_with_the_context_given(echo: Echo) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with SandboxServer([echo], ssl_context=context) as running:
        assert running.url == f"https://127.0.0.1:{running.port}"
        assert hello(running, trusting).endswith(BODY)
        with pytest.raises(ssl.SSLCertVerificationError):
            hello(running, ssl.create_default_context())
        listen(dial(running))  # plain text where TLS is spoken
        assert running.connections == 3
    assert echo.executed == ["/echo"]


# Faults


def test_status(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("status", status=429, headers={"Retry-After": "20"}, body=b"no"))
    status, body, headers = ask(server)
    assert (status, body, headers["Retry-After"]) == (429, b"no", "20")
    assert echo.executed == []
    assert ask(server)[:2] == (200, BODY)


@pytest.mark.parametrize("kind", ["status", "html", "empty", "redirect", "hang"])
def test_apply_executes_and_then_loses_the_answer(
    server: SandboxServer, echo: Echo, kind: str
) -> None:
    server.inject("echo", Fault(kind, status=502, apply=True, seconds=0.01))
    came, _ = listen(dial(server, b"POST /echo HTTP/1.1\r\nConnection: close\r\n\r\n"))
    assert BODY not in came
    assert echo.executed == ["/echo"]


def test_reset_before_headers(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("reset_before_headers"))
    assert listen(dial(server)) == (b"", True)
    assert echo.executed == []
    server.inject("echo", Fault("reset_before_headers", apply=True))
    assert listen(dial(server)) == (b"", True)
    assert echo.executed == ["/echo"]


def test_reset_mid_body(server: SandboxServer) -> None:
    server.inject("echo", Fault("reset_mid_body"))
    came, reset = listen(dial(server))
    assert reset
    # What had arrived before the reset may be thrown away by the system.
    assert BODY not in came


def test_short_length(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("short_length"))
    came, reset = listen(dial(server))
    head, body = split(came)
    assert f"content-length: {len(BODY)}" in head
    assert body == BODY[: len(BODY) // 2]
    assert not reset
    assert echo.executed == ["/echo"]


def test_cut_chunked(server: SandboxServer) -> None:
    server.inject("echo", Fault("cut_chunked"))
    head, body = split(listen(dial(server))[0])
    assert "transfer-encoding: chunked" in head
    assert "content-length" not in head
    size, _, rest = body.partition(b"\r\n")
    assert int(size, 16) == len(BODY)
    assert rest == BODY[: len(BODY) // 2]


def test_cut_plain(server: SandboxServer) -> None:
    server.inject("echo", Fault("cut_plain"))
    came, reset = listen(dial(server))
    head, body = split(came)
    assert "connection: close" in head
    assert "content-length" not in head
    assert body == BODY[: len(BODY) // 2]
    assert not reset


def test_bad_gzip(server: SandboxServer) -> None:
    server.inject("echo", Fault("bad_gzip"))
    status, body, headers = ask(server)
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert body.startswith(b"\x1f\x8b")
    assert len(body) == int(headers["Content-Length"])


def test_html(server: SandboxServer) -> None:
    server.inject("echo", Fault("html", status=200))
    status, body, headers = ask(server)
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert body.startswith(b"<")


def test_empty(server: SandboxServer) -> None:
    server.inject("echo", Fault("empty", status=200))
    status, body, headers = ask(server)
    assert (status, body, headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize(("asked", "sent"), [(503, 302), (302, 302), (307, 307)])
def test_redirect(server: SandboxServer, asked: int, sent: int) -> None:
    server.inject("echo", Fault("redirect", status=asked, location="http://127.0.0.1:1/x"))
    status, _, headers = ask(server)
    assert (status, headers["Location"]) == (sent, "http://127.0.0.1:1/x")


def test_trickle(server: SandboxServer) -> None:
    server.inject("echo", Fault("trickle", seconds=0.0001))
    head, body = split(listen(dial(server))[0])
    assert f"content-length: {len(BODY)}" in head
    assert body == BODY


def test_trickle_sends_one_byte_at_a_time(server: SandboxServer) -> None:
    server.inject("echo", Fault("trickle", seconds=30))
    sock = dial(server)
    head, body = split(sock.recv(65536))
    assert f"content-length: {len(BODY)}" in head
    assert body == b""
    server.stop()
    assert listen(sock)[0] == b""


def test_hang_ends_when_the_server_stops(server: SandboxServer, echo: Echo) -> None:
    armed = server.inject("echo", Fault("hang"))
    sock = dial(server)
    until(lambda: armed.fired)
    assert_silent(sock)
    server.stop()
    assert listen(sock)[0] == b""
    assert echo.executed == []


def test_hang_ends_after_its_seconds(server: SandboxServer) -> None:
    server.inject("echo", Fault("hang", seconds=0.01))
    assert listen(dial(server))[0] == b""


def test_body(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("body", body=b"\xff\x00not json"))
    assert ask(server)[:2] == (200, b"\xff\x00not json")
    assert echo.executed == []


def test_edit(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("edit", edit=lambda body: body.replace(b"rows", b"lines")))
    status, body, headers = ask(server)
    assert (status, body) == (200, BODY.replace(b"rows", b"lines"))
    assert int(headers["Content-Length"]) == len(BODY) + 1
    assert echo.executed == ["/echo"]


def test_an_answer_that_the_room_loses_is_lost(server: SandboxServer, echo: Echo) -> None:
    sock = dial(server, b"GET /echo/lost HTTP/1.1\r\n\r\n")
    until(lambda: echo.executed == ["/echo/lost"])
    with sock:
        assert_silent(sock)


def statuses(server: SandboxServer, count: int, **how: Any) -> list[int]:
    return [ask(server, **how)[0] for _ in range(count)]


def test_times_and_skip(server: SandboxServer) -> None:
    armed = server.inject("echo", Fault("status", skip=2, times=2))
    assert statuses(server, 6) == [200, 200, 503, 503, 200, 200]
    assert (armed.seen, armed.fired) == (6, 2)


def test_for_ever_is_until_cleared(server: SandboxServer) -> None:
    server.inject("echo", Fault("status", times=None))
    assert statuses(server, 3) == [503, 503, 503]
    server.clear()
    assert statuses(server, 1) == [200]


def test_the_first_that_is_ready_fires_and_all_count(server: SandboxServer) -> None:
    server.inject("echo", Fault("status", status=500))
    server.inject("echo", Fault("status", status=502))
    for place in (3, 5):
        server.inject("echo", Fault("status", status=429, skip=place))
    assert statuses(server, 7) == [500, 502, 200, 429, 200, 429, 200]


def test_a_fault_is_for_its_room_method_and_path(server: SandboxServer) -> None:
    server.inject("echo", Fault("status", method="POST", path="offset=100"))
    assert statuses(server, 1, path="/echo?offset=100") == [200]
    assert statuses(server, 1, path="/echo?offset=0", method="POST") == [200]
    assert statuses(server, 1, path="/other?offset=100", method="POST") == [200]
    assert statuses(server, 1, path="/echo?offset=100", method="POST") == [503]


def test_faulted_requests_are_recorded_too(server: SandboxServer) -> None:
    server.inject("echo", Fault("reset_before_headers"))
    listen(dial(server))
    assert len(server.requests("echo")) == 1


def test_an_impossible_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="trickle"):
        Fault("explode")
    with pytest.raises(ValueError, match="callable"):
        Fault("edit")


def test_a_fault_for_an_unknown_room_is_refused(server: SandboxServer) -> None:
    with pytest.raises(KeyError, match="third"):
        server.inject("third", Fault("hang"))


# The admin's routes


def test_health(server: SandboxServer) -> None:
    assert admin(server, "GET", "health") == (200, {"status": "ok", "rooms": ["echo", "other"]})


def test_the_configuration_has_a_provider_object_of_each_room(server: SandboxServer) -> None:
    assert admin(server, "GET", "config") == (
        200,
        {"echo": {"api_url": server.url}, "other": {"api_url": server.url}},
    )


def test_the_configuration_is_one_that_the_tap_and_the_target_take() -> None:
    clock = Clock()
    with SandboxServer(rooms(clock, 10), clock=clock) as server:
        _, answer = admin(server, "GET", "config")
    assert tuple(config.load(answer).providers) == PROVIDER_NAMES


def test_switches_are_shown_with_help_and_turned(server: SandboxServer, echo: Echo) -> None:
    status, shown = admin(server, "GET", "switches")
    assert status == 200
    assert shown["echo.loud"] == {"help": "Speaks up", "value": False, "off": False, "choices": []}
    turned = {"echo.loud": True, "echo.mode": "b", "echo.plan": ["429", "reset"]}
    assert admin(server, "POST", "switches", turned)[0] == 200
    assert echo.switch("loud") is True
    assert echo.switch("plan") == [429, "reset"]
    assert admin(server, "GET", "switches")[1]["echo.mode"]["value"] == "b"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"echo.quiet": True}, "echo.quiet"),
        ({"third.loud": True}, "third.loud"),
        ({"loud": True}, "loud"),
        ({"echo.mode": "c"}, "echo.mode must be one of a, b"),
        ({"echo.loud": "yes"}, "echo.loud"),
        ({"echo.plan": [418]}, "echo.plan"),
    ],
)
def test_a_wrong_switch_is_named_and_nothing_is_turned(
    server: SandboxServer, echo: Echo, wrong: dict[str, Any], named: str
) -> None:
    status, answer = admin(server, "POST", "switches", {"other.loud": True, **wrong})
    assert status == 400
    assert named in answer["error"]
    assert echo.set == {}
    assert server.room("other").switch("loud") is False


def test_faults_from_outside(server: SandboxServer) -> None:
    fault = {"room": "echo", "kind": "status", "status": 418, "times": None, "body": "tea"}
    assert admin(server, "POST", "faults", fault)[0] == 200
    assert ask(server)[:2] == (418, b"tea")
    assert admin(server, "DELETE", "faults")[0] == 200
    assert ask(server)[0] == 200


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"room": "third", "kind": "hang"}, "room"),
        ({"kind": "hang"}, "room"),
        ({"room": "echo", "kind": "explode"}, "kind"),
        ({"room": "echo"}, "kind"),
        ({"room": "echo", "kind": "edit"}, "callable"),
        ({"room": "echo", "kind": "edit", "edit": "x"}, "edit"),
        ({"room": "echo", "kind": "status", "staus": 500}, "staus"),
        ({"room": "echo", "kind": "status", "status": "500"}, "status"),
    ],
)
def test_a_wrong_fault_is_refused(server: SandboxServer, wrong: dict[str, Any], named: str) -> None:
    status, answer = admin(server, "POST", "faults", wrong)
    assert status == 400
    assert named in answer["error"]
    assert ask(server)[0] == 200


def test_requests_are_shown(server: SandboxServer) -> None:
    ask(server, "POST", "/echo?a=1", "b=ü".encode())
    ask(server, "GET", "/other")
    status, [shown] = admin(server, "GET", "requests?room=echo")
    assert status == 200
    assert (shown["method"], shown["target"], shown["body"]) == ("POST", "/echo?a=1", "b=ü")
    assert shown["headers"]["content-length"] == "4"
    assert admin(server, "GET", "requests?room=third")[0] == 400


def test_the_admins_own_requests_are_neither_kept_nor_faulted(server: SandboxServer) -> None:
    server.inject("echo", Fault("status", times=None))
    assert admin(server, "GET", "health")[0] == 200
    assert server.received == []


def test_rows_touch_and_remove(server: SandboxServer) -> None:
    assert admin(server, "GET", "rows?stream=echo_stock")[1]["count"] == 10
    touched = admin(server, "POST", "touch", {"stream": "echo_stock", "count": 2})
    assert touched == (200, {"keys": [["0"], ["1"]]})
    rows = admin(server, "GET", "rows?stream=echo_stock")[1]["rows"]
    assert rows[:3] == [
        {"id": "0", "level": 1},
        {"id": "1", "level": 2},
        {"id": "2", "level": 2},
    ]
    removed = admin(server, "POST", "remove", {"stream": "echo_stock", "count": 3})
    assert removed == (200, {"keys": [["0"], ["1"], ["2"]]})
    assert admin(server, "GET", "rows?stream=echo_stock")[1]["count"] == 7


@pytest.mark.parametrize("stream", ["echo_nothing", "third_stock", None])
def test_an_unknown_stream_is_refused(server: SandboxServer, stream: str | None) -> None:
    assert admin(server, "POST", "touch", {"stream": stream})[0] == 400
    assert admin(server, "GET", f"rows?stream={stream}")[0] == 400


def test_the_clock_can_be_stepped(server: SandboxServer, clock: Clock) -> None:
    status, answer = admin(server, "POST", "clock", {"step": 86400})
    assert status == 200
    assert abs(answer["now"] - NOW - 86400) < 5
    assert abs(clock.now() - NOW - 86400) < 5
    assert admin(server, "POST", "clock", {"step": "1"})[0] == 400


def test_reset_begins_again(server: SandboxServer, echo: Echo) -> None:
    server.inject("echo", Fault("status", times=None))
    echo.turn("loud", value=True)
    echo.remove("echo_stock", 5)
    ask(server)
    assert admin(server, "POST", "reset")[0] == 200
    assert server.received == []
    assert ask(server)[0] == 200
    assert echo.switch("loud") is False
    assert len(echo.rows("echo_stock")) == 10


def test_the_routes_are_listed_with_what_they_take(server: SandboxServer) -> None:
    status, listed = admin(server, "GET", "")
    assert status == 200
    for route, takes in listed.items():
        method, _, path = route.partition(" /__sandbox/")
        assert takes
        assert admin(server, method, path)[0] in {200, 400}, route
    assert {"GET /__sandbox/switches", "POST /__sandbox/switches"} <= listed.keys()
    for word in ("room", "trickle", "times", "skip"):
        assert word in listed["POST /__sandbox/faults"]
    assert "edit" not in listed["POST /__sandbox/faults"]


def test_a_route_that_is_none_tells_where_they_are_listed(server: SandboxServer) -> None:
    for method, path in (("GET", "nothing"), ("DELETE", "health")):
        assert "GET /__sandbox/ shows them all" in admin(server, method, path)[1]["error"]


def test_unknown_routes_and_methods_are_told_apart(server: SandboxServer) -> None:
    assert admin(server, "GET", "nothing")[0] == 404
    assert admin(server, "DELETE", "health")[0] == 405
    for body in (b"{", b"[]"):
        assert ask(server, "POST", "/__sandbox/reset", body)[0] == 400


# The catalogue


def test_the_catalogue_is_the_same_each_time_and_grows_at_the_end() -> None:
    assert variants(50) == variants(2000)[:50]
    assert len(variants()) == 2000
    assert [each.position for each in variants(300)] == list(range(300))


def test_skus_and_gtins_are_unique_and_well_formed() -> None:
    all_variants = variants(5000)
    assert len({each.sku for each in all_variants}) == 5000
    assert len({each.gtin for each in all_variants}) == 5000
    for each in all_variants:
        assert len(each.gtin) == 13
        weighted = zip(each.gtin, "1313131313131", strict=True)
        assert sum(int(digit) * int(weight) for digit, weight in weighted) % 10 == 0


def test_some_style_fills_more_than_a_page() -> None:
    styles = [each.style.index for each in variants()]
    assert max(styles.count(index) for index in set(styles)) > 100


def test_changes_lie_in_the_past_spread_over_years_with_ties() -> None:
    changed = [each.changed for each in variants()]
    assert {each.year for each in changed} >= set(range(2016, 2026))
    assert max(each.year for each in changed) == 2025
    assert len(set(changed)) < len(changed)


# The rooms of the registry, and the command


def test_every_provider_of_the_registry_has_a_room() -> None:
    clock = Clock()
    made = rooms(clock, 10)
    assert tuple(room.name for room in made) == PROVIDER_NAMES
    assert all(room.clock is clock and room.size == 10 for room in made)


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which does not outlive the test."""
    code = "from inventory_providers.sandbox.command import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.processes
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_serves_until_a_signal_and_ends_silently(
    stop: signal.Signals, code: int
) -> None:
    with command("--port", "0", "--skus", "7") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith(f"inventory-sandbox: serving {', '.join(PROVIDER_NAMES)} on ")
        assert line.endswith(" (Ctrl-C stops it)\n")
        port = int(line.split("http://127.0.0.1:")[1].split()[0])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        client.request("GET", "/__sandbox/rows?stream=deconetwork_inventory")
        assert json.loads(client.getresponse().read())["count"] == 7
        process.send_signal(stop)
        begun = time.monotonic()
        out, err = process.communicate(timeout=5)
        client.close()
    assert process.returncode == code
    assert time.monotonic() - begun < 3
    assert (out, err) == ("", "")


@pytest.mark.processes
def test_the_help_of_the_command_says_where_the_routes_are_listed() -> None:
    with command("--help") as process:
        out, _ = process.communicate(timeout=20)
    assert "GET /__sandbox/ lists them" in " ".join(out.split())


@pytest.mark.processes
def test_the_command_says_in_one_line_that_its_port_is_taken(server: SandboxServer) -> None:
    with command("--port", str(server.port)) as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    assert f"127.0.0.1:{server.port}" in err
