"""The sandbox's own routes: look at it, and make it go wrong, from another process.

`Admin` has them all, each with what it takes; GET /__sandbox/ shows them.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from inventory_providers.sandbox.faults import KINDS, Fault
from inventory_providers.sandbox.room import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_providers.sandbox.room import Request, SandboxRoom
    from inventory_providers.sandbox.server import SandboxServer

PREFIX = "/__sandbox/"

Parameters = dict[str, Any]


class _RefusedError(Exception):
    """The caller's mistake, in words for the caller."""


# A callable cannot come from another process.
_FAULT_FIELDS = {field.name: field for field in fields(Fault) if field.name != "edit"}
_TYPES: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "times": (int, type(None)),
    "skip": (int,),
    "method": (str, type(None)),
    "path": (str, type(None)),
    "status": (int,),
    "headers": (dict,),
    "body": (str,),
    "location": (str,),
    "seconds": (int, float),
    "apply": (bool,),
}
_HOW_TO_INJECT = (
    'arm a fault: {"room": NAME, "kind": KIND, ...}; kinds: '
    f"{', '.join(kind for kind in KINDS if kind != 'edit')}; may be given, too: "
    f"{', '.join(name for name in _TYPES if name != 'kind')} (times null: for ever)"
)


class Admin:
    """Answers the routes for one server."""

    def __init__(self, server: SandboxServer) -> None:
        self._server = server
        self._routes: dict[tuple[str, str], tuple[Callable[[Parameters], Any], str]] = {
            ("GET", ""): (self._listed, "these lines"),
            ("GET", "health"): (self._health, "which rooms there are"),
            ("GET", "config"): (self._config, "a configuration for the tap and the target"),
            ("GET", "switches"): (
                self._switches,
                "every switch of every room, with help and present value",
            ),
            ("POST", "switches"): (self._turn, 'turn some: {"deconetwork.no_total": true, ...}'),
            ("POST", "faults"): (self._inject, _HOW_TO_INJECT),
            ("DELETE", "faults"): (self._clear, "disarm every fault"),
            ("GET", "requests"): (
                self._requests,
                "?room=NAME: what the room was asked, credentials included",
            ),
            ("GET", "rows"): (self._rows, "?stream=NAME: what the stream has to deliver now"),
            ("POST", "touch"): (self._touch, 'change rows: {"stream": NAME, "count": 1}'),
            ("POST", "remove"): (self._remove, 'take rows away: {"stream": NAME, "count": 1}'),
            ("POST", "clock"): (self._clock, 'move the clock on: {"step": SECONDS}'),
            ("POST", "reset"): (
                self._reset,
                "begin again: fresh rows, switches off, no faults, nothing asked",
            ),
        }

    def handle(self, request: Request) -> Reply:
        """Do what the route says; 400, 404 or 405 with the reason when it cannot be done."""
        name = request.path.removeprefix(PREFIX)
        route = self._routes.get((request.method, name))
        if route is None:
            known = any(name == other for _, other in self._routes)
            told = f"no such route; GET {PREFIX} shows them all"
            return _json(405 if known else 404, {"error": told})
        try:
            return _json(200, route[0](_parameters(request)))
        except _RefusedError as error:
            return _json(400, {"error": str(error)})

    def _listed(self, _: Parameters) -> Any:
        return {f"{way} {PREFIX}{name}": text for (way, name), (_, text) in self._routes.items()}

    def _health(self, _: Parameters) -> Any:
        return {"status": "ok", "rooms": list(self._server.rooms)}

    def _config(self, _: Parameters) -> Any:
        return {name: self._server.settings(name) for name in self._server.rooms}

    def _switches(self, _: Parameters) -> Any:
        return {
            f"{room.name}.{name}": {
                "help": switch.help,
                "value": room.switch(name),
                "off": switch.off,
                "choices": list(switch.choices),
            }
            for room in self._server.rooms.values()
            for name, switch in room.switches.items()
        }

    def _turn(self, wanted: Parameters) -> Any:
        # All are looked at before the first is turned: a refused request changes nothing.
        turns = [(*self._switch(name), value) for name, value in wanted.items()]
        for room, name, value in turns:
            try:
                room.switches[name].accept(value)
            except ValueError as error:
                raise _RefusedError(f"{room.name}.{name} {error}") from None
        for room, name, value in turns:
            room.turn(name, value)
        return {f"{room.name}.{name}": room.switch(name) for room, name, _ in turns}

    def _switch(self, name: str) -> tuple[SandboxRoom, str]:
        prefix, _, switch = name.partition(".")
        room = self._server.rooms.get(prefix)
        if room is None or switch not in room.switches:
            raise _RefusedError(f"no switch {name}")
        return room, switch

    def _inject(self, wanted: Parameters) -> Any:
        room = self._room(wanted.pop("room", None))
        for name, value in wanted.items():
            if name not in _FAULT_FIELDS:
                raise _RefusedError(f"a fault has no {name}")
            if not isinstance(value, _TYPES[name]):
                raise _RefusedError(f"{name} of a fault is of another type")
        body = wanted.pop("body", "").encode()
        try:
            self._server.inject(room.name, Fault(**wanted, body=body))
        except (TypeError, ValueError) as error:
            reason = error if isinstance(error, ValueError) else "a fault needs a kind"
            raise _RefusedError(str(reason)) from None
        return {"armed": wanted["kind"]}

    def _clear(self, _: Parameters) -> Any:
        self._server.clear()
        return {}

    def _requests(self, wanted: Parameters) -> Any:
        room = self._room(wanted.get("room"))
        return [
            {
                "method": request.method,
                "target": request.target,
                "headers": dict(request.headers),
                "body": request.body.decode("utf-8", "replace"),
            }
            for request in self._server.requests(room.name)
        ]

    def _rows(self, wanted: Parameters) -> Any:
        room, stream = self._stream(wanted)
        rows = list(room.rows(stream).values())
        return {"stream": stream, "count": len(rows), "rows": rows}

    def _touch(self, wanted: Parameters) -> Any:
        room, stream = self._stream(wanted)
        return {"keys": room.touch(stream, _count(wanted))}

    def _remove(self, wanted: Parameters) -> Any:
        room, stream = self._stream(wanted)
        return {"keys": room.remove(stream, _count(wanted))}

    def _clock(self, wanted: Parameters) -> Any:
        step = wanted.get("step")
        if not isinstance(step, int | float):
            raise _RefusedError("step must be a number of seconds")
        self._server.clock.step(step)
        return {"now": self._server.clock.now()}

    def _reset(self, _: Parameters) -> Any:
        self._server.reset()
        return {}

    def _room(self, name: Any) -> SandboxRoom:
        room = self._server.rooms.get(name) if isinstance(name, str) else None
        if room is None:
            raise _RefusedError(f"room must be one of {', '.join(self._server.rooms)}")
        return room

    def _stream(self, wanted: Parameters) -> tuple[SandboxRoom, str]:
        stream = wanted.get("stream")
        for room in self._server.rooms.values():
            if isinstance(stream, str) and stream.startswith(f"{room.name}_"):
                try:
                    room.rows(stream)
                except KeyError:
                    break
                return room, stream
        raise _RefusedError("stream must be the name of a stream of a room")


def _count(wanted: Parameters) -> int:
    count = wanted.get("count", 1)
    if not isinstance(count, int) or count < 0:
        raise _RefusedError("count must be a whole number")
    return count


def _parameters(request: Request) -> Parameters:
    if request.method != "POST":
        return dict(parse_qsl(request.query))
    try:
        document = json.loads(request.body or b"{}")
    except ValueError:
        raise _RefusedError("the body must be JSON") from None
    if not isinstance(document, dict):
        raise _RefusedError("the body must be a JSON object")
    return document


def _json(status: int, document: Any) -> Reply:
    return Reply(status, json.dumps(document).encode())
