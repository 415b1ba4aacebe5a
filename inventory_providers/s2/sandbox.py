"""S2 in memory: log-in and inventory overview as the provider's documents say.

Written from the documents alone. Where they are silent there is a switch; its off value is the
guess that the reading side makes too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

from inventory_providers.s2.shelf import (
    DOCUMENTED,
    HEADER_ORGANIZATION,
    ITEMS,
    ORGANIZATION,
    PRODUCTS,
    WAREHOUSES,
    Entry,
    Shelf,
    encoded,
    item,
    part,
    stock,
    surplus,
    surplus_rows,
)
from inventory_providers.sandbox.faults import HTML
from inventory_providers.sandbox.room import Key, Reply, Request, Row, SandboxRoom, Switch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

OVERVIEW = "/inventory/overview"
LOGIN = "/login"
EMAIL = "sandbox-user@example.com"
PASSWORD = "s2 sandbox&p@ss/w0rd+"  # noqa: S105 - opens nothing but this stand-in
USER = "0a4bc32d-2856-4736-9539-317bfd6d7888"

# The one error that the provider has published, with the blank at its end.
MESSAGE = (
    "An unexpected error occurred on our server. To help us efficiently resolve the issue, please "
    "include the following reference ID when contacting support: "
    "ee21f844-efab-44f2-809b-37d19545968b. "
)

_WEEK = 604_800
# Those that a header may name. The examples of the documents differ in it, so both work.
_ORGANIZATIONS = [ORGANIZATION, HEADER_ORGANIZATION]
_SIGNING_KEY = b"known to nobody but this stand-in"
_HEADER = {"alg": "HS256", "typ": "JWT"}
# What the document does not know, in the words of what it does: nobody may look for words alone.
_EXTRA: dict[str, Any] = {
    "request": {"page": {"items": [], "products": [{"id": None}]}, "warehouses": 4},
    "notice": 'not these: "items":[{"warehouseId":"' * 2000,
    "totals": {"items": [{"warehouseId": "", "level": {}}]},
}


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _signature(unsigned: str) -> str:
    return _segment(hmac.digest(_SIGNING_KEY, unsigned.encode(), hashlib.sha256))


def _token(version: int, end: int) -> str:
    """A JWT with the members of the published sample; `end` in seconds since 1970."""
    payload = {"aud": "s2core", "iss": "s2core", "userId": USER, "userVersion": version, "exp": end}
    unsigned = ".".join(_segment(json.dumps(each).encode()) for each in (_HEADER, payload))
    return f"{unsigned}.{_signature(unsigned)}"


def _payload(token: str) -> dict[str, Any] | None:
    """What a token of ours says; None for any other."""
    unsigned, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(unsigned).encode()):
        return None
    middle = unsigned.partition(".")[2]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


# Good until 2100.
ACCESS_TOKEN = _token(0, 4_102_444_800)


class Sandbox(SandboxRoom):
    """The provider's log-in and inventory overview.

    `overviews` and `logins` count the requests to either that came to be answered, whatever the
    answer was. `undocumented` holds the names of parameters of the overview, which has none, and
    of members of a log-in other than the two that it has. `tokens` are those issued by log-ins and
    by `issue`, in order.
    """

    name = "s2"
    switches: ClassVar[Mapping[str, Switch]] = {
        "token_life": Switch("Seconds that a token lives from its log-in", _WEEK),
        "revoke_after": Switch(
            "After so many overviews the user changes, which ends every token; -1: never", -1
        ),
        "expired_answer": Switch(
            "The status for a token that is missing, ended or not ours, with a message",
            401,
            (401, 403, 200),
        ),
        "login": Switch(
            "What a right log-in gives: a token, 401, another type, or a SUCCESS without token",
            "ok",
            ("ok", "wrong", "type_other", "no_token", "empty_token"),
        ),
        "org_count": Switch("How many organizations the user has", 1, (1, 2)),
        "org_answer": Switch(
            "For a foreign organization, or none where it takes one: a status, or no rows",
            403,
            (403, 400, "empty"),
        ),
        "items": Switch(
            "Items are added: of no listed product, with an id of 35 characters, of a key that is "
            "there, without updatedAt, without level, 40 of one time; removed: after the next "
            "answer the first item goes",
            [],
            (
                "unresolved",
                "short_id",
                "duplicate",
                "no_updated_at",
                "no_level",
                "equal_times",
                "removed",
            ),
        ),
        "duplicate_item": Switch("One product is twice in one warehouse", off=False),
        "reserved_sign": Switch(
            "The sign of reserved quantities", "negative", ("negative", "positive")
        ),
        "incoming_bumps": Switch("A change of incoming moves updatedAt", off=False),
        "missing_key": Switch(
            "This array is not in the answer", "none", ("none", "warehouses", "products", "items")
        ),
        "size": Switch("Items are made up until there are so many; these never change", 0),
        "status": Switch(
            "The next answers, one each: a status, half the JSON, or 200 with the message",
            [],
            (400, 401, 403, 404, 429, 500, 503, "truncated", "message"),
        ),
        "documented_only": Switch(
            "The stock begins again, with nothing but the document's rows", off=False
        ),
        "key_order": Switch(
            "In which order the arrays come", "documented", ("documented", "items_first")
        ),
        "extra_keys": Switch("Undocumented members stand before and between the arrays", off=False),
    }

    def reset(self) -> None:
        """Seed the catalogue again and turn every switch off."""
        self.set = {}
        self.overviews = 0
        self.logins = 0
        self.undocumented: list[str] = []
        self.tokens: list[str] = []
        self._user_version = 0
        self._seen_by_user = 0
        self._seed()

    def turn(self, name: str, value: Any) -> None:
        """Set a switch. Those that concern the stock change it at once, and back when off."""
        with self.lock:
            before = self.switch(name)
            super().turn(name, value)
            if name == "documented_only":
                self._seed()
            elif name in {"items", "duplicate_item"}:
                self._plant()
            elif name == "revoke_after":
                self._seen_by_user = 0
            elif name == "reserved_sign" and self.switch(name) != before:
                self._give_signs()

    def serves(self, path: str) -> bool:
        """The log-in, and everything below the inventory."""
        return path == LOGIN or path.startswith("/inventory/")

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here, with a long-lived token."""
        return {
            "api_url": base_url,
            "access_token": ACCESS_TOKEN,
            "organization_id": ORGANIZATION["id"],
        }

    def settings_with_login(self, base_url: str) -> dict[str, Any]:
        """A provider object that logs in here; without an organization, as one user mostly has."""
        return {"api_url": base_url, "email": EMAIL, "password": PASSWORD}

    def secrets(self) -> list[str]:
        """The long-lived token, the password, and the tokens issued so far."""
        with self.lock:
            return [ACCESS_TOKEN, PASSWORD, *self.tokens]

    def issue(self, life: int | None = None) -> str:
        """A token as from a log-in now; `life` in seconds, else that of the switch."""
        with self.lock:
            seconds = self.switch("token_life") if life is None else life
            token = _token(self._user_version, int(self.clock.now()) + seconds)
            self.tokens.append(token)
            return token

    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now: wire rows by id, or by warehouse and product."""
        with self.lock:
            rows = self._shelves[stream].rows()
            return rows | surplus_rows(self._surplus()) if stream == ITEMS else rows

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Change rows at the sandbox's clock, all at the same moment.

        An item has one less available, a product one more in its case, a warehouse another phone.
        """
        change = _CHANGES[stream]
        with self.lock:
            now = self._now()
            return self._change(stream, count, keys, lambda row: change(row, now))

    def order(self, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Ten more of these items are on their way; `incoming_bumps` says if their time moves."""
        with self.lock:
            now = self._now() if self.switch("incoming_bumps") else None
            return self._change(ITEMS, count, keys, lambda row: _ordered(row, now))

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take rows out of the catalogue, the first delivered ones first."""
        with self.lock:
            shelf = self._shelves[stream]
            chosen = shelf.choose(count)
            for entry in chosen:
                shelf.discard(entry)
            return shelf.keys(chosen)

    def put(self, stream: str, row: Row) -> None:
        """Add one wire row as it is, however wrong; a key that exists becomes a second row."""
        with self.lock:
            self._shelves[stream].add(row)

    def handle(self, request: Request) -> Reply:
        """The answer, and its effect on the stock."""
        self.overviews += request.path == OVERVIEW
        self.logins += request.path == LOGIN
        planned = self._planned()
        if planned not in {None, "truncated"}:
            return _planned_reply(planned)
        reply = self._answer(request)
        if planned:
            reply.body = reply.body[: len(reply.body) // 2]
        return reply

    def _planned(self) -> Any:
        planned = self.switch("status")
        if not planned:
            return None
        self.set["status"] = planned[1:]
        return planned[0]

    def _answer(self, request: Request) -> Reply:
        routes = {OVERVIEW: ("GET", self._overview), LOGIN: ("POST", self._log_in)}
        if request.path not in routes:
            return _failure(404)
        method, route = routes[request.path]
        return route(request) if request.method == method else _failure(405)

    # Signing in

    def _log_in(self, request: Request) -> Reply:
        told = _document(request)
        self.undocumented += [name for name in told if name not in {"email", "password"}]
        if not all(isinstance(told.get(name), str) for name in ("email", "password")):
            return _failure(400)
        right = (told["email"], told["password"]) == (EMAIL, PASSWORD)
        if not right or self.switch("login") == "wrong":
            return _failure(401)
        return _json(200, self._logged_in(self.switch("login")))

    def _logged_in(self, how: str) -> Row:
        active = how != "type_other"
        user = _user(_ORGANIZATIONS[: self.switch("org_count")])
        if not active:
            user |= {"active": False, "inactiveReason": "deactivated"}
        answer = {"type": "SUCCESS" if active else "INACTIVE", "accessToken": "", "user": user}
        if how == "no_token":
            del answer["accessToken"]
        elif how != "empty_token":
            answer["accessToken"] = self.issue()
        return answer

    def _refusal(self, request: Request) -> Reply | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self._is_good(token):
            return _failure(self.switch("expired_answer"), "Unauthorized")
        organization = request.headers.get("x-s2-organization", "")
        may_be_left_out = self.switch("org_count") == 1
        known = [each["id"] for each in _ORGANIZATIONS]
        if organization in known or (not organization and may_be_left_out):
            return None
        answer = self.switch("org_answer")
        empty: Row = {"warehouses": [], "products": [], "items": []}
        return _json(200, empty) if answer == "empty" else _failure(answer)

    def _is_good(self, token: str) -> bool:
        payload = _payload(token)
        return (
            payload is not None
            and payload["exp"] > self.clock.now()
            and payload["userVersion"] == self._user_version
            and self.switch("revoke_after") != 0
        )

    def _count_for_user(self) -> None:
        self._seen_by_user += 1
        if self._seen_by_user == self.switch("revoke_after"):
            # A token says which version of the user it was issued for.
            self._user_version += 1
            self._seen_by_user = 0

    # The overview

    def _overview(self, request: Request) -> Reply:
        self.undocumented += dict(parse_qsl(request.query, keep_blank_values=True))
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        reply = Reply(body=self._whole())
        self._count_for_user()
        for shelf in self._shelves.values():
            shelf.deliver()
        self._remove_once()
        return reply

    def _whole(self) -> bytes:
        # Written piece by piece: a large answer is never in memory twice.
        whole = io.BytesIO()
        whole.writelines(self._pieces())
        return whole.getvalue()

    def _pieces(self) -> Iterator[bytes]:
        opening = b"{"
        for member in self._members():
            yield opening
            yield from member
            opening = b","
        yield b"}"

    def _members(self) -> Iterator[Iterable[bytes]]:
        rows = {
            "warehouses": self._shelves[WAREHOUSES].texts(),
            "products": self._shelves[PRODUCTS].texts(),
            "items": chain(self._shelves[ITEMS].texts(), surplus(self._surplus())),
        }
        names = list(rows) if self.switch("key_order") == "documented" else list(rows)[::-1]
        extra = [encoded({name: value})[1:-1] for name, value in _EXTRA.items()]
        for name, other in zip(names, extra, strict=True):
            if self.switch("extra_keys"):
                yield [other]
            if name != self.switch("missing_key"):
                yield chain([b'"%b":[' % name.encode()], _with_commas(rows[name]), [b"]"])

    def _surplus(self) -> int:
        wanted: int = self.switch("size")
        return max(wanted - len(self._shelves[ITEMS]), 0)

    def _remove_once(self) -> None:
        if "removed" in self.switch("items"):
            self.set["items"] = [each for each in self.switch("items") if each != "removed"]
            self.remove(ITEMS)

    # Rows

    def _seed(self) -> None:
        self._shelves: dict[str, Shelf] = stock(0 if self.switch("documented_only") else self.size)
        self._planted: list[Entry] = []
        self._plant()
        if self.switch("reserved_sign") == "positive":
            self._give_signs()

    def _plant(self) -> None:
        shelf = self._shelves[ITEMS]
        for entry in self._planted:
            shelf.discard(entry)
        kinds = [*self.switch("items"), *["duplicate"] * self.switch("duplicate_item")]
        self._planted = [
            shelf.add(row) for kind in dict.fromkeys(kinds) for row in self._planted_rows(kind)
        ]

    def _planted_rows(self, kind: str) -> list[Row]:
        if kind == "removed":
            return []
        if kind == "duplicate":
            return [_doubled(entry.row) for entry in self._shelves[ITEMS].choose(1)]
        return _PLANTED[kind](self._now())

    def _give_signs(self) -> None:
        sign = 1 if self.switch("reserved_sign") == "positive" else -1
        for entry in self._shelves[ITEMS]:
            row = entry.row
            reserved = part(row, "level").get("reserved")
            if isinstance(reserved, int) and reserved != 0:
                row["level"]["reserved"] = sign * abs(reserved)
                entry.row = row

    def _change(
        self, stream: str, count: int, keys: list[Key] | None, changed: Callable[[Row], Row]
    ) -> list[Key]:
        shelf = self._shelves[stream]
        chosen = shelf.choose(count) if keys is None else shelf.named(keys)
        for entry in chosen:
            entry.row = changed(entry.row)
            shelf.later(entry)
        return shelf.keys(chosen)

    def _now(self) -> str:
        return f"{datetime.fromtimestamp(self.clock.now(), UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _planned_reply(planned: Any) -> Reply:
    if planned == "message":
        return _failure(200, MESSAGE)
    if planned == 503:
        return Reply(503, HTML, {"Content-Type": "text/html; charset=utf-8"})
    return _failure(planned, MESSAGE if planned == 500 else "")


def _failure(status: int, words: str = "") -> Reply:
    """The published form of an error. Apart from the one that is published, the words are ours."""
    return _json(status, {"message": words or HTTPStatus(status).phrase})


def _json(status: int, document: Row) -> Reply:
    return Reply(status, encoded(document))


def _document(request: Request) -> Row:
    """The JSON object in the body; empty where there is none, or where it is not said to be one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return {}
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _user(organizations: list[Row]) -> Row:
    """The user of the log-in's published answer."""
    return {
        "id": USER,
        "name": "test",
        "email": EMAIL,
        "active": True,
        "inactiveReason": None,
        "createdAt": "2024-04-11T02:53:07.654503Z",
        "updatedAt": "2024-06-04T01:24:31.153252Z",
        "organizations": [
            {"organization": each, "role": "ADMIN", "permissions": []} for each in organizations
        ],
        "workspaces": [],
        "hostRole": "USER",
    }


def _with_commas(pieces: Iterable[bytes]) -> Iterator[bytes]:
    comma = b""
    for piece in pieces:
        yield comma
        yield piece
        comma = b","


def _unlisted(n: int) -> str:
    """The id of a product that is not in the list."""
    return f"9e1b7a44-0d5c-4f3e-8a26-{n:012x}"


def _new_item(product: str, now: str) -> Row:
    return item(DOCUMENTED[WAREHOUSES][0]["id"], product, 8, 0, now)


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


_PLANTED: dict[str, Callable[[str], list[Row]]] = {
    "unresolved": lambda now: [_new_item(_unlisted(0), now)],
    "short_id": lambda now: [_new_item(_unlisted(1)[:-1], now)],
    "no_updated_at": lambda now: [_undated(_new_item(_unlisted(2), now))],
    "no_level": lambda now: [_without(_new_item("", now), "level")],
    "equal_times": lambda now: [_new_item(_unlisted(n), now) for n in range(3, 43)],
}


def _undated(row: Row) -> Row:
    return row | {"level": _without(row["level"], "updatedAt")}


def _doubled(row: Row) -> Row:
    """The same key with five more of it."""
    level = row["level"]
    return row | {"level": level | {"available": _amount(level, "available") + 5}}


def _called(row: Row, now: str) -> Row:
    address = part(row, "address")
    last = str(address.get("phone") or "")[-4:]
    number = int(last) + 1 if last.isdecimal() else 100
    phone = f"+1 416-555-{number:04}"
    return row | {"address": address | {"phone": phone}, "updatedAt": now}


def _packed(row: Row, now: str) -> Row:
    return row | {"casePack": _amount(row, "casePack") + 1, "updatedAt": now}


def _sold(row: Row, now: str) -> Row:
    """One less; where nothing is left, a delivery has come."""
    level = part(row, "level")
    available = _amount(level, "available")
    left = available - 1 if available > 0 else available + 24
    return row | {"level": level | {"available": left, "updatedAt": now}}


def _ordered(row: Row, now: str | None) -> Row:
    level = part(row, "level")
    moved = {} if now is None else {"updatedAt": now}
    return row | {"level": level | {"incoming": _amount(level, "incoming") + 10} | moved}


_CHANGES: dict[str, Callable[[Row, str], Row]] = {
    WAREHOUSES: _called,
    PRODUCTS: _packed,
    ITEMS: _sold,
}


def _amount(row: Row, name: str) -> int:
    value = row.get(name)
    return value if isinstance(value, int) else 0
