"""ShipStream's Merchant API in memory: JSON-RPC, the inventory methods and `warehouse.list`.

Written from the document alone. Where it is silent there is a switch; its off value is the guess
that the reading side makes too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import operator
import re
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from inventory_providers.sandbox.faults import HTML
from inventory_providers.sandbox.room import Clock, Key, Reply, Request, Row, SandboxRoom, Switch
from inventory_providers.shipstream.shelf import (
    BULK_CHANGED,
    DETAILED,
    LOTS,
    SUMS,
    FilterError,
    Good,
    Placed,
    Product,
    Shelf,
    Style,
    bulk,
    bulk_row,
    compact,
    detailed_widgets,
    documented_lots,
    in_order,
    keys_of,
    listed_widgets,
    lots,
    moment,
    number_of,
    products,
    tests_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

INVENTORY = "shipstream_inventory"
INVENTORY_DETAILED = "shipstream_inventory_detailed"
INVENTORY_LOTS = "shipstream_lots"
PATH = "/api/jsonrpc"
USERNAME = "sandbox-user"
PASSWORD = "sh!p k3y/&+:9Qz"  # noqa: S105 - opens nothing but this stand-in
WAREHOUSE_IDS = (2,)
# The session of the provider's document is the first that is given out.
FIRST_SESSION = "be1c13ed4e03f0ed7f1e4053dfff9658"
# In a row that is put into `shipstream_inventory`: the warehouse it belongs to. Never sent.
WAREHOUSE_MARK = "_warehouse"
DAY = 86_400

_ARGUMENTS = {"inventory.list": 3, "inventory.detailed": 2, "inventory.lots": 2}
_OPTIONS = frozenset({"page", "limit", "sort_field", "sort_dir"})
_BURST = 60
_PER_SECOND = 10
_AT_ONCE = 5
_SKEWED = re.compile(r"right|absent|skewed:-?[0-9]{1,9}")

# The first is the document's; the others are made in its form.
_WAREHOUSES: list[Row] = [
    {
        "warehouse_id": number,
        "name": f"Warehouse {number}",
        "is_active": 1,
        "address": {
            "street1": street,
            "street2": "",
            "city": city,
            "country": "US",
            "region": "NY",
            "postcode": postcode,
        },
    }
    for number, street, city, postcode in (
        (1, "4616 Crossroads Park Dr", "Liverpool", "13088"),
        (2, "2 Sample Street", "Sampletown", "00002"),
        (3, "3 Sample Street", "Sampletown", "00003"),
    )
]


class _RefusedError(Exception):
    """An `error` in the answer, by its number on the wire."""

    def __init__(self, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **more}


class _UnauthorizedError(Exception):
    """Refused before the API is reached."""


class _UnparsableError(Exception):
    """The body is not JSON."""


def _denied() -> _RefusedError:
    return _RefusedError(-32002, "Access denied.", data=None)


def _expired() -> _RefusedError:
    return _RefusedError(-32005, "Session expired. Try to relogin.")


def _bad_params() -> _RefusedError:
    return _RefusedError(-32602, "Invalid params")


class _DateHeader(Switch):
    """A switch that takes a number of seconds within its text."""

    def accept(self, value: Any) -> Any:
        """The value as it is; `ValueError` when it is none."""
        if not isinstance(value, str) or not _SKEWED.fullmatch(value):
            raise ValueError("must be right, absent, or skewed:N with N in seconds")
        return value


class Turnstile:
    """A lock that knows how many have come and not yet left, and the place of each among them.

    One thread counts once, however often it enters. The place is as it was on arrival.
    """

    def __init__(self) -> None:
        self.inside = 0
        self._lock = threading.RLock()
        self._counting = threading.Lock()
        self._mine = threading.local()

    @property
    def place(self) -> int:
        """Of the thread that asks; 1 was alone."""
        return getattr(self._mine, "place", 1)

    def __enter__(self) -> None:
        depth = getattr(self._mine, "depth", 0)
        if not depth:
            with self._counting:
                self.inside += 1
                self._mine.place = self.inside
        self._mine.depth = depth + 1
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        self._mine.depth -= 1
        if not self._mine.depth:
            self._mine.place = 1
            with self._counting:
                self.inside -= 1


class Call(NamedTuple):
    """A method that was called by somebody who was let in, with its arguments."""

    method: str
    arguments: tuple[Any, ...]


class _Envelope(NamedTuple):
    """What an answer repeats of its request."""

    version: Any = "2.0"
    id: Any = None


@dataclass(slots=True)
class _Session:
    """When it was given out, and how many calls it has let in."""

    at: float
    calls: int = 0


@dataclass(slots=True)
class _Bucket:
    """The tokens of the one API user."""

    at: float
    tokens: float = _BURST

    def take(self, now: float) -> bool:
        """Whether there was one left."""
        # The clock may have been set back.
        refill = max(now - self.at, 0.0) * _PER_SECOND
        self.at, self.tokens = now, min(self.tokens + refill, _BURST)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    @property
    def wait(self) -> int:
        """Whole seconds until there is one again."""
        return max(1, math.ceil((1 - self.tokens) / _PER_SECOND))


@dataclass(slots=True)
class _Options:
    """Search options of `inventory.lots`."""

    page: int = 1
    limit: int = 50
    sort_field: Any = None
    down: bool = False


@dataclass(slots=True)
class _Stock:
    """Products and lots."""

    products: Shelf = field(default_factory=lambda: Shelf([]))
    lots: Shelf = field(default_factory=lambda: Shelf([]))


class Sandbox(SandboxRoom):
    """The Merchant API of one merchant with three warehouses.

    `calls` holds every call that was let in, `logins` counts the sessions that were given out,
    and `undocumented` holds the names of members, arguments and options that the document does
    not know, which the provider ignores. `after_read`, where it is set, is called in each reading
    request between the look at the stock and the answer. `passing` lets the seconds of the switch
    `slow_query` go by: it steps the sandbox's clock; who has a clock of their own gives a
    function that moves both.
    """

    name = "shipstream"
    switches: ClassVar[Mapping[str, Switch]] = {
        "documented": Switch(
            "The stock is exactly that of one example of the document",
            "none",
            ("none", "list", "detailed", "lots"),
        ),
        "bad_auth": Switch(
            "Refuse even the right credentials, with HTTP 401 or this code; with none, wrong ones "
            "get HTTP 401, or code 2 at login",
            "none",
            ("none", "401", "code2", "code5"),
        ),
        "session_life": Switch("A session lives so many seconds", DAY),
        "expire_after": Switch("A session lets so many calls in; 0: any number", 0),
        "error_null": Switch('Good answers have "error": null', off=False),
        "envelope": Switch(
            "How an answer repeats id and jsonrpc: as sent, as numbers, as text, as text behind "
            "the result, or without the id",
            "as_sent",
            ("as_sent", "numbers", "strings", "reordered", "missing"),
        ),
        "numbers": Switch(
            "How quantities are written; fractions: half of everything",
            "documented",
            ("documented", "int", "string4", "mixed", "fractions"),
        ),
        "on_hand": Switch("Whether rows have qty_on_hand", "absent", ("absent", "present")),
        "unreceived": Switch("qty_expected is called qty_unreceived", off=False),
        "since": Switch(
            "Whether updatedSince takes in its own second",
            "inclusive",
            ("inclusive", "exclusive"),
        ),
        "bom_bumps": Switch("updatedSince sees a change of bundles", off=False),
        "slow_query": Switch("So many seconds go by between reading the stock and answering", 0),
        "date_header": _DateHeader("The Date header: right, absent, or skewed:N seconds", "right"),
        "lots_gt": Switch(
            "What becomes of the filter gt on lot_id", "obeyed", ("obeyed", "ignored", "code102")
        ),
        "lots_shift": Switch("After each of the next so many pages a delivered lot leaves", 0),
        "lots_shape": Switch("What inventory.lots returns", "object", ("object", "array")),
        "limit_over": Switch("A limit over 100: cut, or code 102", "cut", ("cut", "error")),
        "code_102": Switch("Code 102 on the wire", -32102, (-32102, -32000)),
        "error_status": Switch("The HTTP status of errors", 200, (200, 400, 500)),
        "size": Switch("So many more products in the sums of inventory.list, all of 2016", 0),
        "empty": Switch("Every reading answer is []", off=False),
        "status": Switch(
            "The next answers, one each: a status, or half of the true body",
            [],
            (409, 429, 503, "cut"),
        ),
    }

    def __init__(self, clock: Clock, *, size: int = 2000) -> None:
        super().__init__(clock, size=size)
        self._turnstile = Turnstile()
        self.lock = self._turnstile  # type: ignore[assignment]

    @property
    def in_flight(self) -> int:
        """How many requests have come and are not yet answered."""
        return self._turnstile.inside

    def reset(self) -> None:
        """Seed the catalogue again, turn every switch off, forget sessions and records."""
        self.set = {}
        self.calls: list[Call] = []
        self.logins = 0
        self.undocumented: list[str] = []
        self.after_read: Callable[[], object] | None = None
        self.passing: Callable[[float], object] = self.clock.step
        self._sessions: dict[str, _Session] = {}
        self._bucket = _Bucket(self.clock.now())
        self._stock = self._seed()

    def turn(self, name: str, value: Any) -> None:
        """Set a switch. `documented` seeds the stock again."""
        with self.lock:
            super().turn(name, value)
            if name == "documented":
                self._stock = self._seed()

    def _seed(self) -> _Stock:
        wanted = self.switch("documented")
        if wanted == "list":
            return _Stock(products=Shelf(listed_widgets()))
        if wanted == "detailed":
            return _Stock(products=Shelf(detailed_widgets()))
        if wanted == "lots":
            return _Stock(lots=Shelf(documented_lots()))
        return _Stock(Shelf(products(self.size)), Shelf(lots(self.size)))

    def serves(self, path: str) -> bool:
        """The one address of the API."""
        return path == PATH

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here with HTTP Basic."""
        return {
            "api_url": base_url + PATH,
            "username": USERNAME,
            "password": PASSWORD,
            "warehouse_ids": list(WAREHOUSE_IDS),
        }

    def settings_with_session(self, base_url: str) -> dict[str, Any]:
        """The same for one that signs in with `login`."""
        return self.settings(base_url) | {"auth": "session"}

    def secrets(self) -> list[str]:
        """The password and every session given out so far."""
        return [PASSWORD, *self._sessions]

    # The stock, for tests

    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now: wire rows by primary key.

        `shipstream_inventory` has the sums and the warehouses of `settings`.
        """
        shelf, views = self._place(stream)
        with self.lock:
            if self.switch("empty"):
                return {}
            style = self._style()
            found = {
                key: good.row(view, style)
                for view in views
                for good in shelf.goods
                for key in keys_of(good, [view])
            }
            return found | self._bulk_rows(views, style)

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Sell one unit of each of these goods at the sandbox's clock, all in the same second.

        `count` is of products or lots. All keys of the stream whose rows changed come back: for a
        product of `shipstream_inventory` its sums and its warehouse.
        """
        with self.lock:
            return self._change(stream, count, keys, lambda good: good.sell(), self._now())

    def bundle(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Offer three more of each of these products through bundles.

        Only `qty_advertised` changes; `bom_bumps` says whether its time does.
        """
        now = self._now() if self.switch("bom_bumps") else None
        with self.lock:
            return self._change(stream, count, keys, _bundle, now)

    def flag(self, skus: Iterable[str], *, enabled: bool = True, visible: bool = True) -> None:
        """Set the two flags of these products; their time does not change."""
        with self.lock:
            for good in self._stock.products.named(skus):
                good.enabled, good.visible = enabled, visible

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take goods out of the catalogue, the first delivered ones first; all their keys."""
        shelf, views = self._place(stream)
        with self.lock:
            chosen = shelf.first(count, views)
            gone = [key for good in chosen for key in keys_of(good, views)]
            for good in chosen:
                shelf.remove(good)
            return gone

    def put(self, stream: str, row: Row) -> None:
        """Add one wire row as it is, however wrong, changed now; a key that exists comes twice.

        It stands only where it was put: a row of `shipstream_inventory` in the sums, or in the
        warehouse that its own `WAREHOUSE_MARK` names, which is not sent.
        """
        shelf, views = self._place(stream)
        given = dict(row)
        view = str(given.pop(WAREHOUSE_MARK, views[0])) if stream == INVENTORY else views[0]
        with self.lock:
            shelf.add(Placed(self._now(), view=view, given=given))

    def _place(self, stream: str) -> tuple[Shelf, Sequence[str]]:
        views = {
            INVENTORY: (SUMS, *map(str, WAREHOUSE_IDS)),
            INVENTORY_DETAILED: (DETAILED,),
            INVENTORY_LOTS: (LOTS,),
        }[stream]
        return self._stock.lots if stream == INVENTORY_LOTS else self._stock.products, views

    def _change(
        self,
        stream: str,
        count: int,
        keys: list[Key] | None,
        how: Callable[[Good], object],
        now: int | None,
    ) -> list[Key]:
        shelf, views = self._place(stream)
        if keys is None:
            chosen = shelf.first(count, views)
        else:
            named = shelf.named(key[0] for key in keys)
            chosen = [good for good in named if any(map(good.is_in, views))]
        for good in chosen:
            how(good)
            good.move(now)
        shelf.requeue(chosen)
        return list(dict.fromkeys(key for good in chosen for key in keys_of(good, views)))

    def _bulk_rows(self, views: Iterable[str], style: Style) -> dict[Key, Row]:
        rows = (bulk_row(n, style) for n in range(self.switch("size") if SUMS in views else 0))
        return {(row["sku"], SUMS): row for row in rows}

    def _style(self) -> Style:
        on_hand = self.switch("on_hand") == "present"
        return Style(self.switch("numbers"), on_hand, self.switch("unreceived"))

    def _now(self) -> int:
        return int(self.clock.now())

    # HTTP

    def handle(self, request: Request) -> Reply:
        """The answer, with the headers that every answer has."""
        place = self._turnstile.place
        reply = self._throttled(place) or self._served(request)
        limits = {
            "RateLimit-Limit": str(_PER_SECOND * 60),
            "RateLimit-Remaining": str(int(self._bucket.tokens)),
            "X-Concurrency-Limit": str(_AT_ONCE),
            "X-Concurrency-Current": str(place),
        }
        reply.headers = self._date() | limits | reply.headers
        return reply

    def _throttled(self, place: int) -> Reply | None:
        if place > _AT_ONCE:
            return Reply(409, b"", {})
        if not self._bucket.take(self.clock.now()):
            return Reply(429, b"", {"Retry-After": str(self._bucket.wait)})
        return None

    def _date(self) -> dict[str, str]:
        wanted = self.switch("date_header")
        if wanted == "right":
            return {}
        _, _, seconds = wanted.partition(":")
        skewed = formatdate(self.clock.now() + int(seconds or 0), usegmt=True)
        return {"Date": skewed if seconds else ""}

    def _served(self, request: Request) -> Reply:
        planned = self.switch("status")
        self.set["status"] = planned[1:]
        if planned and planned[0] != "cut":
            return _planned(planned[0])
        if request.method != "POST":
            return _page(405, Allow="POST")
        if request.query:
            self.undocumented.append("query")
        reply = self._answer(request)
        if planned:
            reply.lost = "short_length"
        return reply

    # JSON-RPC

    def _answer(self, request: Request) -> Reply:
        envelope = _Envelope()
        try:
            document = _document(request.body)
            envelope = _envelope_of(document)
            self._note(document, {"jsonrpc", "id", "method", "params"})
            return self._reply(envelope, result=self._result(_checked(document), request))
        except _UnparsableError:
            error = {"code": -32700, "message": "Parse error"}
            return Reply(self.switch("error_status"), compact({"error": error, "id": None}))
        except _UnauthorizedError:
            return _page(401, **{"WWW-Authenticate": 'Basic realm="API"'})
        except _RefusedError as refusal:
            return self._reply(envelope, error=[compact(refusal.error)])
        except FilterError:
            code, words = self.switch("code_102"), "Unexpected error applying filters."
            return self._reply(envelope, error=[compact({"code": code, "message": words})])

    def _result(self, document: Row, request: Request) -> list[bytes]:
        params = document["params"]
        if document["method"] == "login":
            return [compact(self._login(params))]
        session, method, arguments = _call_of(params)
        self._let_in(session, request)
        self.calls.append(Call(method, tuple(arguments)))
        return self._called(method, arguments)

    def _reply(self, envelope: _Envelope, **payload: list[bytes]) -> Reply:
        if "result" in payload and self.switch("error_null"):
            payload["error"] = [b"null"]
        pieces: list[bytes] = []
        for name, value in self._members(envelope, payload):
            pieces += [b"," if pieces else b"{", b'"%s":' % name.encode(), *value]
        status = self.switch("error_status") if "result" not in payload else 200
        return Reply(status, b"".join([*pieces, b"}"]))

    def _members(
        self, envelope: _Envelope, payload: dict[str, list[bytes]]
    ) -> list[tuple[str, list[bytes]]]:
        form = self.switch("envelope")
        version, number = _form_of(envelope, form)
        head = [("jsonrpc", [compact(version)]), ("id", [compact(number)])]
        if form == "missing":
            del head[1]
        if form == "reordered":
            return [*payload.items(), *head[::-1]]
        return [*head, *payload.items()]

    def _note(self, names: Iterable[str], known: Iterable[str]) -> None:
        self.undocumented += [name for name in names if name not in known]

    # Signing in

    def _login(self, params: list[Any]) -> str:
        if len(params) != 2:
            raise _bad_params()
        if self.switch("bad_auth") != "none" or params != [USERNAME, PASSWORD]:
            raise self._refusal(otherwise="code2")
        session = _session(self.logins)
        self.logins += 1
        self._sessions[session] = _Session(self.clock.now())
        return session

    def _let_in(self, session: str | None, request: Request) -> None:
        if session is not None:
            self._enter(session)
        elif self.switch("bad_auth") != "none" or not _is_signed(request):
            raise self._refusal(otherwise="401")

    def _enter(self, name: str) -> None:
        session = self._sessions.get(name)
        most = self.switch("expire_after")
        if session is None or (most and session.calls >= most):
            raise _expired()
        if self.clock.now() - session.at >= self.switch("session_life"):
            raise _expired()
        session.calls += 1

    def _refusal(self, otherwise: str) -> Exception:
        wanted = self.switch("bad_auth")
        how = otherwise if wanted == "none" else wanted
        refusals: dict[str, Callable[[], Exception]] = {
            "401": _UnauthorizedError,
            "code2": _denied,
            "code5": _expired,
        }
        return refusals[how]()

    # Methods

    def _called(self, method: str, arguments: list[Any]) -> list[bytes]:
        if method == "warehouse.list":
            self._note_arguments(arguments, 0)
            return [compact(_WAREHOUSES)]
        if method not in _ARGUMENTS:
            raise _RefusedError(-32003, "Invalid api path.")
        known = _ARGUMENTS[method]
        self._note_arguments(arguments, known)
        padded = [*arguments, *[None] * known][:known]
        answer = self._searched(*padded) if method == "inventory.lots" else self._read(padded)
        self._dawdle()
        return [b"[]"] if self.switch("empty") else answer

    def _note_arguments(self, arguments: list[Any], known: int) -> None:
        self.undocumented += [f"argument {place}" for place in range(known, len(arguments))]

    def _dawdle(self) -> None:
        seconds = self.switch("slow_query")
        self.passing(seconds / 2)
        if self.after_read is not None:
            self.after_read()
        self.passing(seconds / 2)

    def _read(self, arguments: list[Any]) -> list[bytes]:
        """`inventory.list` and `inventory.detailed`: the time comes last in both."""
        skus, since = _skus(arguments[0]), arguments[-1]
        view = _view(arguments[1]) if len(arguments) == 3 else DETAILED
        begin = None if since is None else moment(since)
        shelf, style = self._stock.products, self._style()
        goods = shelf.goods if skus is None else shelf.named(shelf.known(skus))
        late = operator.gt if self.switch("since") == "exclusive" else operator.ge
        found = [
            good
            for good in goods
            if good.is_in(view) and (begin is None or late(good.changed, begin))
        ]
        shelf.deliver(found)
        texts = [good.text(view, style) for good in found]
        more = self.switch("size") if view == SUMS and skus is None else 0
        if more and (begin is None or late(BULK_CHANGED, begin)):
            texts.append(bulk(more, style))
        return [b"[", b",".join(texts), b"]"]

    def _searched(self, filters: Any, options: Any) -> list[bytes]:
        """`inventory.lots`."""
        wanted = self._options(options)
        tests = tests_of(self._without_gt(filters))
        goods = [good for good in self._stock.lots.goods if all(test(good) for test in tests)]
        ordered = in_order(goods, wanted.sort_field, down=wanted.down)
        begin = (wanted.page - 1) * wanted.limit
        page = ordered[begin : begin + wanted.limit]
        answer = self._page_of_lots(page, ordered, wanted.limit)
        self._stock.lots.deliver(page)
        if self.switch("lots_shift"):
            self.set["lots_shift"] -= 1
            self.remove(INVENTORY_LOTS)
        return answer

    def _page_of_lots(self, page: list[Good], found: list[Good], limit: int) -> list[bytes]:
        style = self._style()
        rows = b"[%s]" % b",".join([good.text(LOTS, style) for good in page])
        if self.switch("lots_shape") == "array":
            return [rows]
        # A lot that was put twice is one lot.
        total = len({good.name or id(good) for good in found})
        pages = math.ceil(len(found) / limit)
        return [b'{"results":', rows, b',"totalCount":%d,"numPages":%d}' % (total, pages)]

    def _without_gt(self, filters: Any) -> Any:
        fate = self.switch("lots_gt")
        told = filters.get("lot_id") if isinstance(filters, dict) else None
        if fate == "obeyed" or not isinstance(told, dict) or "gt" not in told:
            return filters
        if fate == "code102":
            raise FilterError
        rest = {name: want for name, want in told.items() if name != "gt"}
        others = {name: want for name, want in filters.items() if name != "lot_id"}
        return others | ({"lot_id": rest} if rest else {})

    def _options(self, options: Any) -> _Options:
        if options is None or options == []:
            return _Options()
        if not isinstance(options, dict):
            raise FilterError
        self._note(options, _OPTIONS)
        limit = _whole(options.get("limit", 50))
        if limit > 100 and self.switch("limit_over") == "error":
            raise FilterError
        direction = options.get("sort_dir", "asc")
        if direction not in ("asc", "desc"):
            raise FilterError
        page = _whole(options.get("page", 1))
        return _Options(page, min(limit, 100), options.get("sort_field"), direction == "desc")


def _bundle(good: Good) -> None:
    # What a test has put belongs to no bundle.
    if isinstance(good, Product):
        good.bundle()


# What a request says


def _document(body: bytes) -> Row:
    try:
        document = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _UnparsableError from None
    if not isinstance(document, dict):
        raise _invalid()
    return document


def _no_constant(_: str) -> None:
    raise ValueError


def _invalid() -> _RefusedError:
    return _RefusedError(-32600, "Invalid Request")


def _is_version(value: Any) -> bool:
    # The document's examples have the number; the rule wants the text.
    return value == "2.0" or (isinstance(value, float) and value == 2)


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _envelope_of(document: Row) -> _Envelope:
    version, number = document.get("jsonrpc"), document.get("id")
    return _Envelope(version if _is_version(version) else "2.0", number if _is_id(number) else None)


def _checked(document: Row) -> Row:
    if not _is_version(document.get("jsonrpc")) or not _is_id(document.get("id")):
        raise _invalid()
    if document.get("method") not in ("login", "call"):
        raise _RefusedError(-32601, "Method not found")
    if not isinstance(document.get("params"), list):
        raise _bad_params()
    return document


def _call_of(params: list[Any]) -> tuple[str | None, str, list[Any]]:
    if len(params) not in {2, 3}:
        raise _bad_params()
    session, method, arguments = (*params, [])[:3]
    right = isinstance(session, str | None) and isinstance(method, str)
    if not right or isinstance(arguments, dict):
        raise _bad_params()
    # The official client passes a single argument bare.
    return session, method, arguments if isinstance(arguments, list) else [arguments]


def _is_signed(request: Request) -> bool:
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    right = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    return scheme.lower() == "basic" and told.strip() == right


def _skus(value: Any) -> list[str] | None:
    wanted = [value] if isinstance(value, str) else value
    if wanted is not None and not _is_texts(wanted):
        raise FilterError
    return None if wanted is None else list(wanted)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _view(warehouse: Any) -> str:
    if warehouse is None:
        return SUMS
    # No warehouse has the number under which the sums are kept.
    return str(_whole(warehouse))


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise FilterError
    return value


# What an answer says


def _form_of(envelope: _Envelope, form: str) -> tuple[Any, Any]:
    version, number = envelope
    if form == "numbers":
        same = number_of(number)
        return 2.0, number if same is None else same
    if form in {"strings", "reordered"}:
        return "2.0", None if number is None else str(number)
    return version, number


def _session(number: int) -> str:
    """32 hexadecimal characters, as the provider's."""
    made = hashlib.sha256(f"{PASSWORD} {number}".encode()).hexdigest()[:32]
    return made if number else FIRST_SESSION


def _page(status: int, **headers: str) -> Reply:
    return Reply(status, HTML, {"Content-Type": "text/html; charset=utf-8"} | headers)


def _planned(status: int) -> Reply:
    if status == 409:
        return Reply(409, b"", {"X-Concurrency-Current": str(_AT_ONCE + 1)})
    if status == 429:
        return Reply(429, b"", {"Retry-After": "2", "RateLimit-Remaining": "0"})
    return _page(status)
