"""ShipStream over the wire: JSON-RPC calls, and the reads that prove that nothing is missing.

Source: "Inventory". How to sign in, error codes and limits stand on other pages of the same site.
Errors of a method come with HTTP 200. `updatedSince` is argument 2 of inventory.list and argument 1
of inventory.detailed.
"""

from __future__ import annotations

import base64
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inventory_providers import redaction
from inventory_providers.contract import LevelsOf, Page, Session
from inventory_providers.errors import ConfigError, Denied, Malformed
from inventory_providers.http import PASSING, Call, Door, Names, SignInAgain, TryAgain
from inventory_providers.jsonio import NotJson, loads
from inventory_providers.once import each_once
from inventory_providers.shipstream import wire
from inventory_providers.spool import Scratch, Spool
from inventory_providers.stored import Rows
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from inventory_providers.contract import ReadRequest
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer
    from inventory_providers.once import Reader
    from inventory_providers.shipstream.settings import ShipStreamSettings
    from inventory_providers.shipstream.wire import Row

NAME = "shipstream"
LIST, DETAILED, LOTS = "inventory.list", "inventory.detailed", "inventory.lots"
WAREHOUSES = "warehouse.list"
LOG = logging.getLogger(f"inventory.{NAME}")

# All SKUs come in one answer, which may take 300 s to begin: ten times what is usual.
PATIENCE = 10.0
# 409 says that too many requests are under way, perhaps another tool's.
BUSY = PASSING | {409}
PAGE_OF_RECORDS = 500
MOST_AHEAD = timedelta(minutes=30)
# For a connection test: the lists of SKUs cannot be cut, but asked for one that there is not.
NOBODY = ["-"]
MOST_LOTS = 100
WALKS_BY_PAGE = 3
# Of one walk over the lots: a provider that never comes to an end is left.
MOST_ANSWERS = 50_000

# On the wire a code stands as -(32000 + code).
ACCESS_DENIED, SESSION_EXPIRED, FILTERS = 2, 5, 102
SERVER_TROUBLE = frozenset({0, 1, 603})
# The number may be another one: 32102 is outside of what JSON-RPC leaves to servers.
FILTERS_SAID = "Unexpected error applying filters."


def connect(settings: ShipStreamSettings, environment: Environment) -> ShipStream:
    """A session with one merchant's warehouses. Nothing is requested yet."""
    return ShipStream(settings, environment)


class ShipStream(Session):
    """One API user, by HTTP Basic or by a session that is opened when first needed."""

    def __init__(self, settings: ShipStreamSettings, environment: Environment) -> None:
        self.settings = settings
        self.environment = environment
        self._names = Names(NAME, ("username", "password"))
        self._basic = settings.auth == "basic"
        self._session: str | None = None
        self._calls = 0
        self._is_let_in = False
        self._door = Door(
            settings.api_url,
            names=self._names,
            environment=environment,
            sign=self._sign,
            renew=None if self._basic else self._sign_in,
            explain=self._explain,
            passing=BUSY,
        )

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._door.requests

    def close(self) -> None:
        """Let go of the connections."""
        self._door.close()

    def _sign(self, call: Call) -> Call:
        if self._basic:
            pair = f"{self.settings.username}:{self.settings.password.get_secret_value()}"
            token = base64.b64encode(pair.encode()).decode()
            return replace(call, headers={**call.headers, "Authorization": f"Basic {token}"})
        if self._session is None:
            self._sign_in()
        _, *rest = call.document["params"]
        return replace(call, document=call.document | {"params": [self._session, *rest]})

    def _sign_in(self) -> None:
        """Open a session.

        Raises:
            Denied: user name and key are refused.
        """
        # A refusal is now one of the credentials, whatever was answered before.
        self._is_let_in = False
        params = [self.settings.username, self.settings.password.get_secret_value()]
        call = replace(self._request("login", params), signed=False)
        self._session = self._door.json(call, self._opened(call))
        redaction.register(self._session)

    def _opened(self, call: Call) -> Callable[[Any, Answer], str]:
        def check(document: Any, _: Answer) -> str:
            result = self._result(call, document)
            if not isinstance(result, str) or not result:
                raise Malformed("there is no session id in the answer to login", place=NAME)
            return result

        return check

    def _request(self, method: str, params: Sequence[Any]) -> Call:
        self._calls += 1
        body = {"jsonrpc": "2.0", "id": str(self._calls), "method": method, "params": params}
        return Call("POST", "", document=body)

    def _explain(self, answer: Answer) -> Exception | None:
        if answer.status in {401, 403}:
            return self._names.denied(f"HTTP {answer.status}")
        if answer.status in BUSY and answer.status != 500:
            return None
        error = _error_in(answer.body)
        return None if error is None else self._refusal(error)

    def _result(self, call: Call, document: Any) -> Any:
        """What a call gave; `[]` is a result, and `error` may be there and null."""
        if not isinstance(document, dict):
            kind = type(document).__name__
            raise Malformed(f"result is missing: the answer is {kind}, no object", place=NAME)
        if document.get("error") is not None:
            raise self._refusal(document["error"])
        told = document.get("id")
        if told is not None and str(told) != call.document["id"]:
            raise Malformed("the id is another request's: not the answer to ours", place=NAME)
        if "result" not in document:
            raise Malformed("result is missing in the answer", place=NAME)
        self._is_let_in = True
        return document["result"]

    def _refusal(self, error: Any) -> Exception:
        if not isinstance(error, dict):
            return Malformed(f"refused with error {one_line(error)}", place=NAME)
        code, said = _code(error.get("code")), one_line(error.get("message"))
        cause = f"code {one_line(error.get('code'))}: {said}"
        if code == SESSION_EXPIRED:
            # The door gives up where there is no session, and where this one is new.
            return SignInAgain(self._names.denied(cause))
        if code == ACCESS_DENIED:
            return self._denied(cause)
        if code == FILTERS or said == FILTERS_SAID:
            return FilterRefused(f"refused with {cause}", place=NAME)
        if code in SERVER_TROUBLE:
            return TryAgain(cause)
        return Malformed(f"refused with {cause}", place=NAME)

    def _denied(self, cause: str) -> Denied:
        """The same code stands for wrong credentials and for a method that is not allowed."""
        if not self._is_let_in:
            return self._names.denied(cause)
        return Denied(
            f"not allowed ({cause})",
            advice=f"See what the user in {NAME}.username may do",
            partly=True,
        )

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        """The result of a method whose answers are small.

        Raises:
            FilterRefused: code 102.
            Denied, Malformed, Unavailable: as their names say.
        """
        call = self._request("call", [None, method, list(arguments)])
        return self._door.json(call, lambda document, _: self._result(call, document))

    def stored(self, method: str, arguments: Sequence[Any], file: Any) -> Listed:
        """The result of a method that lists every SKU, left in `file`."""
        call = self._request("call", [None, method, list(arguments)])
        call = replace(call, patience=PATIENCE)
        asked = self.environment.clock.now().astimezone(UTC)

        def check(document: Any, answer: Answer) -> Listed:
            rows = self._result(call, document)
            if not isinstance(rows, Rows):
                raise Malformed(f"result is {type(rows).__name__}, not a list", place=NAME)
            return Listed(rows, _began(answer, asked))

        return self._door.stored(call, check, file=file, arrays=("result",))


class FilterRefused(Malformed):
    """The provider does not take this filter, or this form of a time, or does not obey it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A stored list, and when its request began."""

    rows: Rows
    began: datetime


def _began(answer: Answer, asked: datetime) -> datetime:
    """When the provider began to look, by its clock, or when it was asked by ours.

    Its `Date` is written when the answer begins, after a query that may have been slow.
    """
    told = answer.date()
    began = asked if told is None else told - timedelta(seconds=answer.elapsed)
    # A bookmark ahead of our clock would be refused by the next run; an earlier one only repeats.
    return min(began, asked + MOST_AHEAD).replace(microsecond=0)


def _error_in(body: bytes) -> Any:
    """The error of a method, which need not come with HTTP 200; None where there is none."""
    try:
        document = loads(body)
    except NotJson:
        return None
    error = document.get("error") if isinstance(document, dict) else None
    code = _code(error.get("code")) if isinstance(error, dict) else None
    return error if code is not None and code >= 0 else None


def _code(wire: Any) -> int | None:
    """The documented code of an error; those below -32000 are the protocol's own."""
    try:
        return -int(str(wire)) - 32000
    except ValueError:
        return None


# ---- inventory.list and inventory.detailed -------------------------------------------------------


def read_inventory(session: ShipStream, request: ReadRequest) -> Iterator[Page]:
    """Sums per SKU, then rows of each configured warehouse.

    With a bookmark, those updated since. All rows of a run have the time of its first request.
    """
    if request.limit is not None:
        session.call(LIST, [NOBODY])
        yield Page([])
        return
    since = _updated_since(request)
    began = yield from _list(session, [None, None, since], wire.ALL_WAREHOUSES, None)
    if session.settings.warehouse_ids:
        _check_warehouses(session)
    for warehouse in session.settings.warehouse_ids:
        yield from _list(session, [None, warehouse, since], str(warehouse), began)
    yield Page([], bookmark=began)


def read_detailed(session: ShipStream, request: ReadRequest) -> Iterator[Page]:
    """Every SKU with its levels in each warehouse; with a bookmark, those updated since."""
    if request.limit is not None:
        session.call(DETAILED, [NOBODY])
        yield Page([])
        return
    with Scratch() as file:
        listed = session.stored(DETAILED, [None, _updated_since(request)], file)
        yield from _pages(listed.rows, wire.detailed(listed.began), wire.DETAILED)
    yield Page([], bookmark=listed.began)


def levels(_: ShipStream) -> LevelsOf:
    """The levels that the rows of inventory.detailed tell."""
    return LevelsOf(wire.Levels().of)


def _list(
    session: ShipStream, arguments: list[Any], warehouse: str, began: datetime | None
) -> Generator[Page, None, datetime]:
    with Scratch() as file:
        listed = session.stored(LIST, arguments, file)
        at = began or listed.began
        yield from _pages(listed.rows, wire.inventory(warehouse, at), wire.INVENTORY)
    return at


def _pages(rows: Rows, reader: Reader[Row], name: str) -> Iterator[Page]:
    page: list[Row] = []
    for row in each_once(rows, reader, name=name):
        page.append(row)
        if len(page) == PAGE_OF_RECORDS:
            yield _page(page)
            page = []
    yield _page(page)


def _page(rows: list[Row]) -> Page:
    return Page([row.line for row in rows])


def scope(settings: ShipStreamSettings) -> list[str]:
    """The warehouses with rows of their own: of a new one everything is to be read once."""
    return [f"warehouse {one}" for one in settings.warehouse_ids]


def _updated_since(request: ReadRequest) -> str | None:
    """The bound in the documented form, `2008-07-01T22:38:07+00:00`; None asks for everything."""
    bound = request.lower_bound
    return None if bound is None else bound.replace(microsecond=0).isoformat()


def _check_warehouses(session: ShipStream) -> None:
    """A warehouse that does not exist would silently have no rows."""
    try:
        found = session.call(WAREHOUSES, [])
    except (Malformed, Denied) as error:
        LOG.info("%s: whether the warehouses exist is not known: %s", NAME, error.message)
        return
    rows = found if isinstance(found, list) else []
    known = {str(row["warehouse_id"]) for row in rows if _has_warehouse(row)}
    unknown = [str(one) for one in session.settings.warehouse_ids if str(one) not in known]
    if unknown and known:
        raise ConfigError(
            f"{', '.join(unknown)} is no warehouse; there are {', '.join(sorted(known))}",
            place=f"{NAME}.warehouse_ids",
        )


def _has_warehouse(row: Any) -> bool:
    return isinstance(row, dict) and row.get("warehouse_id") is not None


# ---- inventory.lots ------------------------------------------------------------------------------


def read_lots(session: ShipStream, request: ReadRequest) -> Iterator[Page]:
    """Every lot, by keyset on its number; by page where the provider does not filter by it."""
    lots = wire.Lots()
    if request.limit is not None:
        found = _ask(session, lots, None, page=1, limit=min(request.limit, MOST_LOTS))
        yield Page([line for _, line in found.rows[: request.limit]])
        return
    with Spool[None]() as spool:
        _gather(session, lots, spool)
        lines: list[bytes] = []
        for line, _ in spool:
            lines.append(line)
            if len(lines) == PAGE_OF_RECORDS:
                yield Page(lines)
                lines = []
        yield Page(lines)


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of inventory.lots; `total` and `pages` are of everything that matches."""

    rows: list[tuple[int, bytes]]
    total: int | None
    pages: int | None

    @property
    def numbers(self) -> list[int]:
        """The numbers of its lots, in order."""
        return [number for number, _ in self.rows]

    @property
    def is_whole(self) -> bool:
        """Whether nothing else matches. A page with few rows proves nothing."""
        return (self.total or 0) == len(self.rows) and (self.pages or 1) == 1


def _ask(
    session: ShipStream,
    lots: wire.Lots,
    numbers: dict[str, int] | None,
    *,
    page: int,
    limit: int = MOST_LOTS,
) -> Found:
    filters = None if numbers is None else {"lot_id": numbers}
    # The default order is by a field that lots do not have.
    options = {"page": page, "limit": limit, "sort_field": "lot_id", "sort_dir": "asc"}
    found = _found(session.call(LOTS, [filters, options]), lots)
    _report_twins(found.numbers)
    return found


def _found(result: Any, lots: wire.Lots) -> Found:
    """The document's text promises a list, its example is an object that holds one."""
    if isinstance(result, list):
        return Found([lots.row(raw) for raw in result], None, None)
    rows = result.get("results", ...) if isinstance(result, dict) else ...
    if not isinstance(rows, list):
        state = "missing" if rows is ... else f"{type(rows).__name__}, not a list"
        raise Malformed(f"results is {state} in the answer of {LOTS}", place=NAME)
    found = [lots.row(raw) for raw in rows]
    return Found(found, _count(result, "totalCount"), _count(result, "numPages"))


def _count(result: dict[str, Any], name: str) -> int | None:
    value = result.get(name)
    if value is None:
        return None
    number = None if isinstance(value, bool) else wire.whole(str(value))
    if number is None:
        raise Malformed(f"{name} is not a whole number in the answer of {LOTS}", place=NAME)
    return number


def _report_twins(numbers: list[int]) -> None:
    twins = [number for number, times in Counter(numbers).items() if times > 1]
    if twins:
        LOG.warning(
            "%s: a key occurs twice, such as %d: the last row wins, rows left out: %d",
            wire.LOTS,
            twins[0],
            len(numbers) - len(set(numbers)),
        )


@dataclass(slots=True)
class _Walk:
    """What one walk has seen; `total` is the largest that was announced."""

    numbers: set[int] = field(default_factory=set)
    total: int | None = None
    is_whole: bool = False

    def take(self, found: Found, spool: Spool[None]) -> None:
        """Keep the rows of one answer."""
        for number, line in found.rows:
            spool.put(str(number), line, None)
        self.numbers.update(found.numbers)
        if found.total is not None:
            self.total = max(found.total, self.total or 0)

    @property
    def has_all(self) -> bool:
        """Whether as many came as were announced."""
        return self.total is not None and len(self.numbers) >= self.total


def _gather(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> None:
    try:
        walk = _by_number(session, lots, spool)
    except FilterRefused as error:
        LOG.info("%s: %s; reading page by page", wire.LOTS, error.message)
        _by_page(session, lots, spool, before=set())
        return
    if not walk.has_all:
        # Too few came, or nobody says how many there are: they are read once more, another way.
        LOG.info("%s: %d lots came, %s announced", wire.LOTS, len(walk.numbers), walk.total)
        _by_page(session, lots, spool, before=walk.numbers)


def _by_number(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> _Walk:
    """Each answer begins behind the one before: nothing that goes can shift what follows."""
    walk, last = _Walk(), 0
    for _ in range(MOST_ANSWERS):
        found = _ask(session, lots, {"gt": last}, page=1)
        _check_order(found.numbers, last)
        walk.take(found, spool)
        if not found.rows or found.is_whole:
            return walk
        last = found.numbers[-1]
    raise _endless()


def _check_order(numbers: list[int], bound: int) -> None:
    if any(number <= bound for number in numbers[:1]):
        raise FilterRefused("lots come that the filter excludes")
    if numbers != sorted(numbers):
        raise FilterRefused("lots do not come in the order of their numbers")


def _by_page(session: ShipStream, lots: wire.Lots, spool: Spool[None], *, before: set[int]) -> None:
    """Walk after walk: a lot that goes shifts the pages behind it, and one is skipped.

    One walk over several pages proves nothing, and if another lot comes, `totalCount` does not even
    change. So a walk has to bring nothing that the one before it should have had.
    """
    known = set(before)
    for walk in range(1, WALKS_BY_PAGE + 1):
        seen = _pages_of_lots(session, lots, spool)
        late = any(number < max(known, default=0) for number in seen.numbers - known)
        known |= seen.numbers
        enough = not late if seen.total is None else len(known) >= seen.total
        is_second = walk > 1 or bool(before)
        if seen.is_whole or (is_second and enough and (not late or walk == WALKS_BY_PAGE)):
            return
        LOG.info("%s: %d lots came, %s announced", wire.LOTS, len(known), seen.total)
    raise Malformed(
        f"incomplete: {len(known)} lots found, {seen.total} announced, after {walk} walks",
        place=wire.LOTS,
        advice="Run again when the warehouses are quieter",
    )


def _pages_of_lots(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> _Walk:
    walk, previous = _Walk(), None
    for page in range(1, MOST_ANSWERS + 1):
        found = _ask(session, lots, None, page=page)
        walk.take(found, spool)
        walk.is_whole = page == 1 and found.is_whole
        is_last = found.pages is not None and page >= found.pages and walk.has_all
        # Beyond the last page some answer with that page again.
        if walk.is_whole or is_last or not found.rows or found.numbers == previous:
            return walk
        previous = found.numbers
    raise _endless()


def _endless() -> Malformed:
    return Malformed(f"no end after {MOST_ANSWERS} answers", place=wire.LOTS)
