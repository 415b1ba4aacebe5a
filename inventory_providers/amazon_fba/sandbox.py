"""Amazon in memory: FBA inventory v1 and the sign-in before it, as the provider's documents say.

Written from the documents alone. Where they are silent there is a switch; its off value is the
guess that the reading and writing side makes too. Bodies that no public document shows are made
here, in the provider's form.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from calendar import monthrange
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, unquote

from inventory_providers.amazon_fba.shelf import (
    CA,
    DOCUMENTED,
    MARKETPLACES,
    US,
    Item,
    Place,
    Shelf,
    encoded,
)
from inventory_providers.sandbox.faults import HTML
from inventory_providers.sandbox.room import Key, Reply, Request, Row, SandboxRoom, Switch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STREAM = "amazon_fba_inventory_summaries"
LWA_PATH = "/auth/o2/token"
ROOT = "/fba/inventory/v1/"
SUMMARIES = ROOT + "summaries"
ITEMS = ROOT + "items"
INVENTORY = ITEMS + "/inventory"
CONFIGURED = (US, CA)

CLIENT_ID = "amzn1.application-oa2-client.0c8a5e1f3b7d4c2693e0d5f1a8b47e62"
# They open nothing but this stand-in.
CLIENT_SECRET = "amzn1.oa2-cs.v1.5a1d+3c9e/f047&b2 d86e1957"  # noqa: S105
REFRESH_TOKEN = "Atzr|IwEBIKz3+sandbox/Refresh&4Qx 7uVw"  # noqa: S105

LONGEST_USER_AGENT = 500
MOST_SKUS = 50
MONTHS = 18
# Requests per second, and how many at once.
RATES = {"sandbox": (5, 15), "production": (2, 2)}
POISON = base64.b64encode(b"Got get active fnSku map InvalidInputException").decode()

GET, CREATE, ADD, DELETE = (
    "getInventorySummaries",
    "createInventoryItem",
    "addInventory",
    "deleteInventoryItem",
)
_READ_PARTS = (
    "details",
    "granularityType",
    "granularityId",
    "startDateTime",
    "sellerSkus",
    "sellerSku",
    "nextToken",
    "marketplaceIds",
)
_CREATE_PARTS = ("marketplaceId", "sellerSku", "productName")
_ADD_PARTS = ("marketplaceId", "sellerSku", "quantity")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_ENDS: dict[str, Any] = {
    "end_object": {},
    "end_empty": {"nextToken": ""},
    "end_null": {"nextToken": None},
}
_BEGIN: Place = ("", -1)
_EVERY_TIME = "; a number: so many times, true: every time"

Parameters = dict[str, str]


class _RefusedError(Exception):
    """An answer other than success; `details` is left out when it is None."""

    def __init__(
        self, status: int, code: str, message: str, details: str | None = "", **headers: str
    ) -> None:
        super().__init__(message)
        told = {"code": code, "message": message, "details": details}
        self.status = status
        self.error = {name: value for name, value in told.items() if value is not None}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def _bad_input(details: str = "") -> _RefusedError:
    return _RefusedError(400, "InvalidInput", "Invalid request, please check your input.", details)


def _bad_time() -> _RefusedError:
    details = "Query parameter [startDateTime] value is not a valid ISO date-time object."
    return _RefusedError(400, "InvalidInput", "This is an invalid input", details)


def _dead_token() -> _RefusedError:
    return _RefusedError(400, "InvalidInput", "Next token is invalid or expired")


def _denied(details: str = "") -> _RefusedError:
    message = "Access to requested resource is denied."
    return _RefusedError(403, "Unauthorized", message, details)


def _not_found() -> _RefusedError:
    return _RefusedError(404, "NotFound", "The specified resource does not exist.")


def _busy() -> _RefusedError:
    message = "You exceeded your quota for the requested resource."
    kind = "TooManyRequestsException"
    return _RefusedError(429, "QuotaExceeded", message, None, x_amzn_ErrorType=kind)


class _Query(NamedTuple):
    """What a read asks for. `skus` is None where it asks for no SKU in particular."""

    marketplace: str
    granularity: str
    details: bool
    since: float | None
    skus: tuple[str, ...] | None


class _Token(NamedTuple):
    """What a page token stands for: the page with this number begins after a place."""

    query: Parameters
    after: Place
    number: int
    at: float


@dataclass(slots=True)
class _Bucket:
    """How many requests are left at a time."""

    left: float
    at: float

    def take(self, now: float, rate: int, burst: int) -> bool:
        """Whether there is one."""
        self.left = min(burst, self.left + max(now - self.at, 0) * rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Sandbox(SandboxRoom):
    """The provider's four operations, and the sign-in.

    `sign_ins` counts the requests for an access token. `writes` holds every write that was
    applied, in order: `operation`, `marketplaceId`, `sellerSku` and, of an add, `quantity`.
    `undocumented` holds the names of parameters and of members of a body that the document does
    not know, which are ignored.
    """

    name = "amazon_fba"
    switches: ClassVar[Mapping[str, Switch]] = {
        "flavour": Switch("Which host it stands in for", "sandbox", ("sandbox", "production")),
        "static_example": Switch("Answers as the static sandbox did until 2024", off=False),
        "token_seconds": Switch("A page token lives so many seconds", 30),
        "page_size": Switch("Rows on a page", 50),
        "clock": Switch("After the next page with a token, the clock jumps so many seconds", 0),
        "page_delay": Switch("So many seconds pass after each page, on the sandbox's clock", 0),
        "throttle": Switch("Requests are answered 429" + _EVERY_TIME, 0),
        "throttle_walk": Switch("After the next page with a token, so many seconds of 429", 0),
        "page": Switch(
            "What pages do wrong, or how the last one says that it is the last",
            "normal",
            (
                "normal",
                "empty",
                "single",
                "duplicate",
                "repeated_token",
                "poison",
                "errors",
                *_ENDS,
            ),
        ),
        "token_single_use": Switch("A page token can be used once", off=False),
        "token_life": Switch("An access token lives so many seconds", 3600),
        "revoked": Switch("Every access token is refused as revoked", off=False),
        "lwa": Switch(
            "What signing in gives",
            "ok",
            ("ok", "invalid_client", "invalid_grant", "not_granted", "503"),
        ),
        "foreign_marketplace": Switch("This marketplace is not the seller's; empty: none", ""),
        "no_fba": Switch("In this marketplace the seller has no FBA; empty: none", ""),
        "rows": Switch(
            "What rows have wrong: no time anywhere, no blocks, one without a SKU, a SKU twice",
            [],
            ("no_time", "no_blocks", "no_sku", "two_rows"),
        ),
        "duplicate_sku": Switch("So many SKUs have a second row, with another fnSku", 0),
        "hide_skus": Switch("So many SKUs are in no walk; asked for by name they come", 0),
        "full_means": Switch("What no startDateTime means", "all", ("all", "18_months")),
        "bucket_scope": Switch("What shares a bucket", "seller", ("seller", "marketplace")),
        "ua_answer": Switch("The status for a refused User-Agent", 400, (400, 403)),
        "status": Switch(
            "The next answers, one each: a status (502 is HTML), reset, or slow: none at all",
            [],
            (500, 502, 503, "reset", "slow"),
        ),
        "write_errors": Switch(
            "Create of what exists and delete of what does not: 400 and 404, both 400, or both 200",
            "emulator",
            ("emulator", "400", "200"),
        ),
        "write_errors_on_200": Switch("Writes that fail say so with 200, in part", off=False),
        "write_lost_answer": Switch("Writes are applied, no answer comes" + _EVERY_TIME, 0),
        "idempotency": Switch(
            "Idempotency tokens are forgotten after so many seconds; 0: never", 0
        ),
        "add_unknown": Switch("An add for an unknown SKU", "400", ("400", "404", "create")),
        "max_items": Switch("More items in an add than this are refused; 0: no limit", 1),
        "read_lag": Switch("So many reads before a write shows", 0),
    }

    def reset(self) -> None:
        """Seed the catalogue again and turn every switch off."""
        self.set = {}
        self.sign_ins = 0
        self.writes: list[Row] = []
        self.undocumented: list[str] = []
        self._shelf = Shelf(self.size)
        self._delivered: dict[Item, None] = {}
        self._extras: list[Item] = []
        self._answers = 0
        self._busy_until = 0.0
        self._access: dict[str, float] = {}
        self._pages: dict[str, _Token] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._added: dict[str, tuple[float, Any, Reply]] = {}

    def turn(self, name: str, value: Any) -> None:
        """Set a switch. Those that add rows do it at once, and take them away when off."""
        with self.lock:
            super().turn(name, value)
            if name in {"rows", "duplicate_sku"}:
                self._add_extras()

    def serves(self, path: str) -> bool:
        """The sign-in, and everything below the address of the inventory API."""
        return path == LWA_PATH or path.startswith(ROOT)

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here."""
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
            "marketplace_ids": list(CONFIGURED),
            "sandbox": True,
            "api_url": base_url,
            "lwa_url": base_url + LWA_PATH,
        }

    def secrets(self) -> list[str]:
        """The client secret, the refresh token and every access token issued."""
        with self.lock:
            return [CLIENT_SECRET, REFRESH_TOKEN, *self._access]

    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now: wire rows with details, by marketplace and SKU.

        Of a SKU with several rows it is the last. A marketplace that is refused has none.
        """
        _only(stream)
        with self.lock:
            if self.switch("static_example"):
                return {(US, row["sellerSku"]): deepcopy(row) for row in DOCUMENTED}
            return {
                (marketplace, item.sku): self._dressed(item.row)
                for marketplace in CONFIGURED
                if marketplace not in {self.switch("foreign_marketplace"), self.switch("no_fba")}
                for item in self._walk(marketplace, self._limit(), _BEGIN)
                if item.sku
            }

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Sell one of each of `count` SKUs at the sandbox's clock, wherever they are listed.

        The keys that come back are those of every configured marketplace that shows the change.
        """
        _only(stream)
        with self.lock:
            chosen = self._chosen(count) if keys is None else self._named(keys)
            for item in chosen:
                item.sell(self.clock.now())
            self._requeue(chosen)
            return self._keys(chosen)

    def ship(self, count: int = 1) -> list[Key]:
        """Put twelve more of each of these SKUs on their way, which is not counted as a change.

        `inboundWorkingQuantity` changes and, because it includes it, `totalQuantity`;
        `startDateTime` does not find them. Chooses and returns as `touch` does.
        """
        with self.lock:
            chosen = self._chosen(count)
            for item in chosen:
                item.ship(12)
            return self._keys(chosen)

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take `count` SKUs out of every marketplace, the first delivered ones first.

        The keys that come back are those of every configured marketplace that had them.
        """
        _only(stream)
        with self.lock:
            chosen = self._chosen(count)
            keys = self._keys(chosen)
            for item in chosen:
                self._shelf.remove(item)
                self._delivered.pop(item, None)
            return keys

    def put(self, stream: str, row: Row) -> None:
        """Add one wire row as it is, however wrong; a key that exists becomes a second row.

        It is listed in the first marketplace, or in the one that its member `_marketplace` names,
        which is not sent. It counts as changed now.
        """
        _only(stream)
        with self.lock:
            row = dict(row)
            marketplace = row.pop("_marketplace", US)
            self._shelf.add(row, [marketplace], self.clock.now())

    def handle(self, request: Request) -> Reply:
        """The answer, and its effect on the stock."""
        if request.path == LWA_PATH:
            return self._signed_in(request)
        operation, sku = _operation(request)
        try:
            reply = self._broken() or self._answered(request, operation, sku)
        except _RefusedError as refusal:
            reply = _errors([refusal])
        return self._with_headers(reply, operation)

    # Login with Amazon

    def _signed_in(self, request: Request) -> Reply:
        self.sign_ins += 1
        told = self.switch("lwa")
        if told == "ok":
            told = _grant_refusal(request)
        if told:
            return _lwa_refusal(told)
        life = self.switch("token_life")
        token = f"Atza|IwEBI{_digest('access', self.sign_ins)}+/{self.sign_ins}"
        self._access[token] = self.clock.now() + life
        return _json(
            200,
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": life,
                "refresh_token": REFRESH_TOKEN,
            },
        )

    # What comes before any operation

    def _broken(self) -> Reply | None:
        planned = self.switch("status")
        if not planned:
            return None
        self.set["status"] = planned[1:]
        return _planned(planned[0])

    def _answered(self, request: Request, operation: str, sku: str) -> Reply:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        parameters = dict(pairs)
        self._check_user_agent(request)
        self._check_access(request)
        self._check_rate(operation, parameters)
        if not operation:
            raise _not_found()
        if len(parameters) < len(pairs):
            raise _bad_input()
        if operation == GET:
            return self._summaries(parameters)
        if self.switch("flavour") == "production":
            raise _denied()
        if self.switch("static_example"):
            raise _unmatched()
        reply = self._written(request, operation, parameters, sku)
        if reply.status == 200 and self._spend("write_lost_answer"):
            reply.lost = "hang"
        return reply

    def _check_user_agent(self, request: Request) -> None:
        if 0 < len(request.headers.get("user-agent", "")) <= LONGEST_USER_AGENT:
            return
        raise _denied() if self.switch("ua_answer") == 403 else _bad_input()

    def _check_access(self, request: Request) -> None:
        token = request.headers.get("x-amz-access-token")
        if not token:
            code = "MissingAuthenticationToken"
            raise _RefusedError(403, code, "Access to requested resource is denied.", None)
        ends = self._access.get(token)
        if ends is None or self.switch("revoked"):
            raise _denied("The access token you provided is revoked, malformed or invalid.")
        if self.clock.now() >= ends:
            raise _denied("The access token you provided has expired.")

    def _check_rate(self, operation: str, parameters: Parameters) -> None:
        now = self.clock.now()
        rate, burst = RATES[self.switch("flavour")]
        whole = self.switch("bucket_scope") == "seller"
        scope = (operation, "" if whole else parameters.get("marketplaceIds", ""))
        bucket = self._buckets.setdefault(scope, _Bucket(burst, now))
        if now < self._busy_until or self._spend("throttle") or not bucket.take(now, rate, burst):
            raise _busy()

    def _check_marketplace(self, marketplace: str) -> None:
        if marketplace not in MARKETPLACES or marketplace == self.switch("foreign_marketplace"):
            raise _denied()

    def _with_headers(self, reply: Reply, operation: str) -> Reply:
        self._answers += 1
        text = _digest("request", self._answers)
        request_id = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))
        reply.headers |= {"x-amzn-RequestId": request_id}
        if operation == GET and reply.status in {200, 400, 404}:
            rate, _ = RATES[self.switch("flavour")]
            reply.headers |= {"x-amzn-RateLimit-Limit": f"{rate:.1f}"}
        return reply

    # Reads

    def _summaries(self, parameters: Parameters) -> Reply:
        self._note(parameters, _READ_PARTS)
        if self.switch("static_example"):
            return _static(parameters)
        self._shelf.settle()
        query = self._query(parameters)
        if self.switch("page") == "errors":
            told = _RefusedError(200, "InvalidInput", _bad_input().error["message"], None)
            return _errors([told])
        token = self._token(parameters)
        return self._page(query, parameters, token)

    def _query(self, parameters: Parameters) -> _Query:
        for name in _READ_PARTS:
            if parameters.get(name) == "":
                raise _bad_time() if name == "startDateTime" else _bad_input()
        marketplaces = parameters.get("marketplaceIds", "").split(",")
        granularity = parameters.get("granularityId")
        right = parameters.get("granularityType") == "Marketplace" and granularity is not None
        if not right or len(marketplaces) != 1 or not marketplaces[0]:
            raise _bad_input()
        details = parameters.get("details", "false")
        if details not in {"true", "false"}:
            raise _RefusedError(400, "InvalidInput", "Invalid Input")
        self._check_marketplace(marketplaces[0])
        if marketplaces[0] == self.switch("no_fba"):
            raise _bad_input()
        since, skus = self._since(parameters), _skus(parameters)
        wanted = skus if since is None else None
        return _Query(marketplaces[0], granularity or "", details == "true", since, wanted)

    def _since(self, parameters: Parameters) -> float | None:
        if "startDateTime" not in parameters:
            return None
        since = _moment(parameters["startDateTime"])
        if since < self._months_ago():
            told = "Query startDateTime cannot not be earlier than 19"
            raise _RefusedError(400, "InvalidInput", told)
        return since

    def _months_ago(self) -> float:
        now = datetime.fromtimestamp(self.clock.now(), UTC)
        year, month = divmod(now.year * 12 + now.month - 1 - MONTHS, 12)
        day = min(now.day, monthrange(year, month + 1)[1])
        return now.replace(year=year, month=month + 1, day=day).timestamp()

    def _limit(self) -> float | None:
        """How far back a walk without `startDateTime` goes."""
        return None if self.switch("full_means") == "all" else self._months_ago()

    def _token(self, parameters: Parameters) -> _Token:
        text = parameters.get("nextToken")
        bound = {n: v for n, v in parameters.items() if n in _READ_PARTS and n != "nextToken"}
        first = _Token(bound, _BEGIN, 1, self.clock.now())
        if text is None or (text == POISON and self.switch("page") == "poison"):
            return first
        token = self._pages.get(text)
        if token is None or token.query != bound or self._age(token) > self._longest_age():
            raise _dead_token()
        if self.switch("token_single_use"):
            del self._pages[text]
        return token

    def _age(self, token: _Token) -> float:
        return self.clock.now() - token.at

    def _longest_age(self) -> float:
        return float(self.switch("token_seconds"))

    def _issued(self, token: _Token) -> str:
        while self._pages and self._age(next(iter(self._pages.values()))) > self._longest_age():
            del self._pages[next(iter(self._pages))]
        self._answers += 1
        # The first three bytes make +/+/ of it, and their number a = at the end.
        text = b"\xfb\xff\xbf" + _digest("page", self._answers)[:29].encode()
        name = base64.b64encode(text).decode()
        self._pages[name] = token
        return name

    def _page(self, query: _Query, parameters: Parameters, token: _Token) -> Reply:
        mode = self.switch("page")
        size = 1 if mode == "single" else self.switch("page_size")
        found = list(islice(self._matching(query, token.after), size + 1))
        page, more = found[:size], len(found) > size
        sent = parameters.get("nextToken")
        if (mode, token.number) == ("empty", 2) or (mode == "poison" and sent):
            page, more = [], True
        following = self._following(token, page, sent) if more else None
        if mode == "poison":
            following = POISON
        pagination = {"nextToken": following} if following else _ENDS.get(mode)
        reply = self._sent(query, page, pagination)
        self._after_page(page, more=more)
        return reply

    def _following(self, token: _Token, page: list[Item], sent: str | None) -> str:
        """The token of the next page."""
        mode = self.switch("page")
        if mode == "repeated_token" and sent:
            return sent
        last = page[-2:][0] if mode == "duplicate" else page[-1] if page else None
        after = last.place if last else token.after
        return self._issued(_Token(token.query, after, token.number + 1, self.clock.now()))

    def _matching(self, query: _Query, after: Place) -> Iterator[Item]:
        if query.skus is None:
            since = self._limit() if query.since is None else query.since
            return self._walk(query.marketplace, since, after)
        listing = self._shelf[query.marketplace]
        named = chain.from_iterable(listing.named(sku) for sku in sorted(set(query.skus)))
        return (item for item in named if item.place > after)

    def _walk(self, marketplace: str, since: float | None, after: Place) -> Iterator[Item]:
        listing = self._shelf[marketplace]
        begin = max(listing.index(after), self.switch("hide_skus"))
        items = islice(listing.items, begin, None)
        return items if since is None else (item for item in items if item.changed > since)

    def _sent(self, query: _Query, page: list[Item], pagination: Any) -> Reply:
        granularity = {"granularityType": "Marketplace", "granularityId": query.granularity}
        rows = b", ".join([self._text(item, query) for item in page])
        head = b"" if pagination is None else b'"pagination": %s, ' % _encoded(pagination)
        parts = (b"{", head, b'"payload": {"granularity": ', _encoded(granularity))
        return Reply(body=b"".join((*parts, b', "inventorySummaries": [', rows, b"]}}")))

    def _text(self, item: Item, query: _Query) -> bytes:
        mismatch = query.granularity != query.marketplace
        if not mismatch and not {"no_time", "no_blocks"}.intersection(self.switch("rows")):
            return item.json(details=query.details)
        row = self._dressed(item.row)
        if mismatch:
            row["totalQuantity"] = 0
        return encoded(row, details=query.details)

    def _dressed(self, row: Row) -> Row:
        wrong = self.switch("rows")
        if "no_time" in wrong:
            row["lastUpdatedTime"] = ""
        details = row.get("inventoryDetails")
        if "no_blocks" in wrong and isinstance(details, dict):
            for block in [name for name, value in details.items() if isinstance(value, dict)]:
                del details[block]
        return row

    def _after_page(self, page: list[Item], *, more: bool) -> None:
        for item in page:
            self._delivered.setdefault(item)
        if more:
            jump, self.set["clock"] = self.switch("clock"), 0
            self.clock.step(jump)
            busy, self.set["throttle_walk"] = self.switch("throttle_walk"), 0
            self._busy_until = self.clock.now() + busy if busy else self._busy_until
        self.clock.step(self.switch("page_delay"))

    # Writes

    def _written(self, request: Request, operation: str, parameters: Parameters, sku: str) -> Reply:
        if operation == DELETE:
            return self._delete(sku, parameters)
        self._note(parameters, ())
        document = _document(request)
        if operation == CREATE:
            return self._create(document)
        return self._add(request.headers.get("x-amzn-idempotency-token", ""), document)

    def _create(self, document: Row) -> Reply:
        self._note(document, _CREATE_PARTS)
        marketplace, sku, name = (_text_of(document, each) for each in _CREATE_PARTS)
        self._check_marketplace(marketplace)
        if self._shelf.stands(marketplace, sku):
            told = "An item with this sellerSku exists in this marketplace."
            return self._failed(_RefusedError(400, "InvalidInput", told))
        self._record(CREATE, marketplace, sku)
        self._shelf.create(marketplace, sku, name, self.clock.now(), self.switch("read_lag"))
        return _json(200, {})

    def _delete(self, sku: str, parameters: Parameters) -> Reply:
        self._note(parameters, ("marketplaceId",))
        marketplace = parameters.get("marketplaceId")
        if not marketplace:
            raise _bad_input()
        self._check_marketplace(marketplace)
        if not self._shelf.stands(marketplace, sku):
            refusal = _not_found()
            refusal.status = 400 if self.switch("write_errors") == "400" else 404
            return self._failed(refusal)
        self._record(DELETE, marketplace, sku)
        self._shelf.delete(marketplace, sku, self.switch("read_lag"))
        return _json(200, {})

    def _failed(self, refusal: _RefusedError) -> Reply:
        if self.switch("write_errors") == "200":
            return _json(200, {})
        if self.switch("write_errors_on_200"):
            refusal.status = 200
        return _errors([refusal])

    def _add(self, token: str, document: Row) -> Reply:
        if not token:
            raise _bad_input("Header [x-amzn-idempotency-token] is missing.")
        known = self._added.get(token)
        forget = self.switch("idempotency")
        if known is not None and (not forget or self.clock.now() - known[0] < forget):
            if known[1] != document:
                raise _bad_input("Header [x-amzn-idempotency-token] was used with another body.")
            return deepcopy(known[2])
        reply = self._added_items(self._items(document))
        if reply.status == 200:
            self._added[token] = (self.clock.now(), document, deepcopy(reply))
        return reply

    def _items(self, document: Row) -> list[Row]:
        self._note(document, ("inventoryItems",))
        items = document.get("inventoryItems")
        if not isinstance(items, list) or not items:
            raise _bad_input()
        largest = self.switch("max_items")
        if largest and len(items) > largest:
            raise _bad_input()
        for item in items:
            self._check_item(item)
        return items

    def _check_item(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise _bad_input()
        self._note(item, _ADD_PARTS)
        quantity = item.get("quantity")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity < 1:
            raise _bad_input()
        _text_of(item, "sellerSku")
        self._check_marketplace(_text_of(item, "marketplaceId"))

    def _added_items(self, items: list[Row]) -> Reply:
        """All of them or none, unless failures are told with 200."""
        unknown = [
            item
            for item in items
            if not self._shelf.stands(item["marketplaceId"], item["sellerSku"])
        ]
        refused = [] if self.switch("add_unknown") == "create" else unknown
        refusals = [self._unknown() for _ in refused]
        if refusals and not self.switch("write_errors_on_200"):
            return _errors(refusals)
        for item in items:
            if item not in refused:
                self._add_item(item)
        for refusal in refusals:
            refusal.status = 200
        return _errors(refusals) if refusals else _json(200, {})

    def _add_item(self, item: Row) -> None:
        marketplace, sku, quantity = (item[name] for name in _ADD_PARTS)
        now, lag = self.clock.now(), self.switch("read_lag")
        if not self._shelf.stands(marketplace, sku):
            self._shelf.create(marketplace, sku, None, now, lag)
        self._record(ADD, marketplace, sku, quantity=quantity)
        self._shelf.add_units(marketplace, sku, quantity, now, lag)

    def _record(self, operation: str, marketplace: str, sku: str, **more: Any) -> None:
        told = {"operation": operation, "marketplaceId": marketplace, "sellerSku": sku}
        self.writes.append(told | more)

    def _unknown(self) -> _RefusedError:
        if self.switch("add_unknown") == "404":
            return _not_found()
        return _RefusedError(400, "InvalidInput", "No item has this sellerSku in this marketplace.")

    # Rows

    def _chosen(self, count: int) -> list[Item]:
        if self._delivered:
            return list(islice(self._delivered, count))
        first = (islice(self._shelf[each].items, count) for each in CONFIGURED)
        return list(islice(dict.fromkeys(chain.from_iterable(first)), count))

    def _named(self, keys: list[Key]) -> list[Item]:
        found = [item for marketplace, sku in keys for item in self._shelf[marketplace].named(sku)]
        return list(dict.fromkeys(found))

    def _keys(self, items: list[Item]) -> list[Key]:
        places = ((place, item.sku) for item in items for place in self._shelf.where(item))
        return [key for key in dict.fromkeys(places) if key[0] in CONFIGURED]

    def _requeue(self, items: list[Item]) -> None:
        # So that the next touch finds others.
        for item in items:
            if item in self._delivered:
                del self._delivered[item]
                self._delivered[item] = None

    def _add_extras(self) -> None:
        for item in self._extras:
            self._shelf.remove(item)
            self._delivered.pop(item, None)
        twice = max(self.switch("duplicate_sku"), "two_rows" in self.switch("rows"))
        self._extras = self._shelf.add_second_rows(twice)
        if "no_sku" in self.switch("rows"):
            self._extras.append(self._shelf.add_nameless_row(self.clock.now()))

    # Small change

    def _spend(self, name: str) -> bool:
        left = self.switch(name)
        if left and left is not True:
            self.set[name] = left - 1
        return bool(left)

    def _note(self, names: Iterable[str], known: Iterable[str]) -> None:
        self.undocumented += [name for name in names if name not in known]


def _only(stream: str) -> None:
    if stream != STREAM:
        raise KeyError(stream)


def _operation(request: Request) -> tuple[str, str]:
    """What is asked for, empty for nothing known, and the SKU that a path names."""
    named = {("GET", SUMMARIES): GET, ("POST", ITEMS): CREATE, ("POST", INVENTORY): ADD}
    head, _, sku = request.path.rpartition("/")
    if request.method == "DELETE" and head == ITEMS and sku:
        return DELETE, unquote(sku)
    return named.get((request.method, request.path), ""), ""


def _skus(parameters: Parameters) -> tuple[str, ...] | None:
    if "sellerSkus" in parameters:
        # A comma is a comma, encoded or not.
        skus = tuple(filter(None, parameters["sellerSkus"].split(",")))
        if not 0 < len(skus) <= MOST_SKUS:
            raise _bad_input()
        return skus
    return (parameters["sellerSku"],) if "sellerSku" in parameters else None


def _moment(text: str) -> float:
    if not _DATE_TIME.fullmatch(text):
        raise _bad_time()
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise _bad_time() from None


def _document(request: Request) -> Row:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        document = json.loads(request.body) if kind == "application/json" else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _bad_input()
    return document


def _text_of(document: Row, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise _bad_input()
    return value


def _grant_refusal(request: Request) -> str:
    """What is wrong with a request for an access token; empty when nothing is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind != "application/x-www-form-urlencoded":
        return "invalid_request"
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) < len(pairs) or form.get("grant_type") != "refresh_token":
        return "invalid_request"
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        return "invalid_client"
    return "" if form.get("refresh_token") == REFRESH_TOKEN else "invalid_grant"


_BAD_GRANT = "The request has an invalid grant parameter : refresh_token"
_LWA_REFUSALS = {
    "invalid_client": (401, "invalid_client", "Client authentication failed"),
    "invalid_grant": (400, "invalid_grant", _BAD_GRANT),
    "not_granted": (
        400,
        "invalid_grant",
        f"{_BAD_GRANT}. User may have revoked or didn't grant the permission.",
    ),
    "invalid_request": (400, "invalid_request", "The request is not a grant by refresh_token"),
    "503": (503, "temporarily_unavailable", "The service is temporarily unavailable"),
}


def _lwa_refusal(kind: str) -> Reply:
    status, code, description = _LWA_REFUSALS[kind]
    return _json(status, {"error_description": description, "error": code})


def _planned(what: Any) -> Reply:
    if what in {"reset", "slow"}:
        return Reply(lost="reset_before_headers" if what == "reset" else "hang")
    if what == 502:
        return Reply(502, HTML, {"Content-Type": "text/html; charset=utf-8"})
    if what == 500:
        return _errors([_internal()])
    told = "Temporary overloading or maintenance of the server."
    return _errors([_RefusedError(503, "ServiceUnavailable", told)])


def _internal() -> _RefusedError:
    told = "We encountered an internal error. Please try again."
    return _RefusedError(500, "InternalFailure", told, None)


def _unmatched() -> _RefusedError:
    return _RefusedError(400, "InvalidInput", "Could not match input arguments", None)


def _static(parameters: Parameters) -> Reply:
    """The static sandbox knew two requests; the token of the first leads to itself."""
    if parameters.get("marketplaceIds") == "1":
        raise _internal()
    known = {"granularityType": "Marketplace", "granularityId": US}
    asked = parameters | {"nextToken": parameters.get("nextToken", "seed")}
    if asked != known | {"details": "true", "marketplaceIds": US, "nextToken": "seed"}:
        raise _unmatched()
    payload = {"granularity": known, "inventorySummaries": DOCUMENTED}
    return _json(200, {"pagination": {"nextToken": "seed"}, "payload": payload})


def _errors(refusals: list[_RefusedError]) -> Reply:
    reply = _json(refusals[0].status, {"errors": [each.error for each in refusals]})
    reply.headers |= refusals[0].headers
    return reply


def _digest(kind: str, number: int) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def _encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def _json(status: int, document: Any) -> Reply:
    return Reply(status, _encoded(document))
