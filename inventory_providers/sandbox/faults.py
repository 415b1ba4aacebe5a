"""Faults of the transport, the same for every room: what goes wrong, when, and how on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from inventory_providers.sandbox.room import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inventory_providers.sandbox.room import Request

HTML = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"
GARBAGE = b"\x1f\x8b\x08\x00this is not what gzip looks like"


class Line(Protocol):
    """One connection, as far as a fault needs it."""

    def send(self, data: bytes) -> None:
        """Send it all, at once."""

    def reset(self) -> None:
        """Break the connection so that the other side sees a reset."""

    def pause(self, seconds: float | None) -> bool:
        """Wait, without a number for ever; true when the server stopped meanwhile."""

    def head(self, reply: Reply, **framing: str) -> bytes:
        """The status line and the headers, with those that frame the body."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What shall go wrong, and when.

    It is for the requests of one room whose method is `method` and whose path, query or body holds
    `path`; it lets the first `skip` of them pass and then fires `times` times (None: for ever).
    With `apply` the room executes the request and only the answer is lost or changed; kinds that
    need the true body do so always.

    status                `status`, `headers` and `body` instead of the answer
    html, empty           `status` with an HTML page, or with nothing
    redirect              `status` if it is a 3xx, else 302, to `location`
    body                  200 with exactly the bytes of `body`
    edit                  the true body after `edit(body)`
    bad_gzip              200 that says gzip and is not
    reset_before_headers  a reset instead of an answer
    reset_mid_body        half the true body, then a reset
    short_length          half the true body under the whole length, then the end
    cut_chunked           half a chunk, then the end
    cut_plain             no length, half the true body, then the end
    trickle               the true body, one byte per `seconds`
    hang                  no answer until the server stops, or the end after `seconds` if not 0
    """

    kind: str
    times: int | None = 1
    skip: int = 0
    method: str | None = None
    path: str | None = None
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    location: str = ""
    seconds: float = 0.0
    apply: bool = False
    edit: Callable[[bytes], bytes] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of fault; there are {', '.join(KINDS)}")
        if (self.kind == "edit") != (self.edit is not None):
            raise ValueError("the kind edit, and no other, takes a callable")

    @property
    def executes(self) -> bool:
        """Whether the room sees the request."""
        return self.apply or self.kind in _OF_THE_TRUE_BODY

    def concerns(self, request: Request) -> bool:
        """Whether it is for this request at all."""
        words = self.path or ""
        held = words in request.target or words.encode() in request.body
        return self.method in {None, request.method} and held


@dataclass(slots=True)
class Armed:
    """A fault that waits for its requests: `seen` so many, `fired` so often."""

    room: str
    fault: Fault
    seen: int = 0
    fired: int = 0

    def due(self, room: str, request: Request) -> bool:
        """Count the request, and tell whether the fault is ready for it.

        Every fault counts every request that concerns it, also those that another one took:
        `skip` is the place of the first request meant.
        """
        if room != self.room or not self.fault.concerns(request):
            return False
        self.seen += 1
        left = self.fault.times is None or self.fired < self.fault.times
        return left and self.seen > self.fault.skip


def changed(fault: Fault, reply: Reply) -> Reply:
    """The answer that stands in for the true one, or the true one for kinds of the transport."""
    make = _REPLACES.get(fault.kind)
    return reply if make is None else make(fault, reply)


def spoils(kind: str) -> bool:
    """Whether this kind breaks the connection instead of the answer."""
    return kind in _SPOILS


def spoil(fault: Fault, line: Line, reply: Reply) -> None:
    """Send the answer the wrong way; the connection is of no use afterwards."""
    _SPOILS[fault.kind](fault, line, reply)


def _headers(fault: Fault, **own: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in own.items()} | dict(fault.headers)


def _status(fault: Fault, _reply: Reply) -> Reply:
    return Reply(fault.status, fault.body, _headers(fault, Content_Type="application/json"))


def _html(fault: Fault, _reply: Reply) -> Reply:
    headers = _headers(fault, Content_Type="text/html; charset=utf-8")
    return Reply(fault.status, fault.body or HTML, headers)


def _empty(fault: Fault, _reply: Reply) -> Reply:
    return Reply(fault.status, b"", _headers(fault))


def _redirect(fault: Fault, _reply: Reply) -> Reply:
    status = fault.status if fault.status // 100 == 3 else 302
    return Reply(status, fault.body, _headers(fault, Location=fault.location))


def _body(fault: Fault, _reply: Reply) -> Reply:
    return Reply(200, fault.body, _headers(fault, Content_Type="application/json"))


def _bad_gzip(fault: Fault, reply: Reply) -> Reply:
    headers = reply.headers | _headers(fault, Content_Encoding="gzip")
    return Reply(200, fault.body or GARBAGE, headers)


def _edit(fault: Fault, reply: Reply) -> Reply:
    assert fault.edit is not None
    return replace(reply, body=fault.edit(reply.body), headers=reply.headers | _headers(fault))


def _reset_before_headers(_fault: Fault, line: Line, _reply: Reply) -> None:
    line.reset()


def _reset_mid_body(fault: Fault, line: Line, reply: Reply) -> None:
    _short_length(fault, line, reply)
    line.reset()


def _short_length(_fault: Fault, line: Line, reply: Reply) -> None:
    # One byte more than nothing: an empty body must come short as well.
    head = line.head(reply, Content_Length=str(max(len(reply.body), 1)))
    line.send(head + _half(reply))


def _cut_chunked(_fault: Fault, line: Line, reply: Reply) -> None:
    size = f"{max(len(reply.body), 1):x}\r\n".encode()
    line.send(line.head(reply, Transfer_Encoding="chunked") + size + _half(reply))


def _cut_plain(_fault: Fault, line: Line, reply: Reply) -> None:
    line.send(line.head(reply, Connection="close") + _half(reply))


def _trickle(fault: Fault, line: Line, reply: Reply) -> None:
    framing = {"Content_Length": str(len(reply.body)), "Connection": "close"}
    line.send(line.head(reply, **framing))
    for place in range(len(reply.body)):
        if line.pause(fault.seconds):
            return
        line.send(reply.body[place : place + 1])


def _hang(fault: Fault, line: Line, _reply: Reply) -> None:
    line.pause(fault.seconds or None)


def _half(reply: Reply) -> bytes:
    return reply.body[: len(reply.body) // 2]


_REPLACES: dict[str, Callable[[Fault, Reply], Reply]] = {
    "status": _status,
    "html": _html,
    "empty": _empty,
    "redirect": _redirect,
    "body": _body,
    "edit": _edit,
    "bad_gzip": _bad_gzip,
}
_SPOILS: dict[str, Callable[[Fault, Line, Reply], None]] = {
    "reset_before_headers": _reset_before_headers,
    "reset_mid_body": _reset_mid_body,
    "short_length": _short_length,
    "cut_chunked": _cut_chunked,
    "cut_plain": _cut_plain,
    "trickle": _trickle,
    "hang": _hang,
}
_OF_THE_TRUE_BODY = frozenset(
    {"reset_mid_body", "short_length", "cut_chunked", "cut_plain", "trickle", "edit"}
)
KINDS: tuple[str, ...] = tuple(chain(_REPLACES, _SPOILS))
