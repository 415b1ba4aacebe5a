"""ShipStream over the wire: JSON-RPC calls, and the reads that prove that nothing is missing.

Source: "Inventory". How to sign in, error codes and limits stand on other pages of the same site.
Errors of a method come with HTTP 200. `updatedSince` is argument 2 of inventory.list and argument 1
of inventory.detailed.
"""

from __future__ import annotations

import base64
import logging
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from inventory_providers import redaction
from inventory_providers.contract import Page, Session
from inventory_providers.errors import ConfigError, Denied, Malformed
from inventory_providers.http import Call, Door, Names, SignInAgain, TryAgain
from inventory_providers.once import each_once
from inventory_providers.shipstream import wire
from inventory_providers.spool import Spool
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

# All SKUs come in one answer: five times what is usual.
PATIENCE = 5.0
# 409 says that too many requests are under way, perhaps another tool's.
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
PAGE_OF_RECORDS = 500
MOST_LOTS = 100
WALKS, WALKS_BY_PAGE = 2, 3

# On the wire a code stands as -(32000 + code).
ACCESS_DENIED, SESSION_EXPIRED, FILTERS = 2, 5, 102
SERVER_TROUBLE = frozenset({0, 1, 603})


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
        self._door = Door(
            settings.api_url,
            names=self._names,
            environment=environment,
            sign=self._sign,
            renew=None if self._basic else self._sign_in,
            explain=self._explain,
            passing=PASSING,
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
        return None

    def _result(self, call: Call, document: Any) -> Any:
        """What a call gave; `[]` is a result, and `error` may be there and null."""
        if not isinstance(document, dict):
            kind = type(document).__name__
            raise Malformed(f"result is missing: the answer is {kind}, no object", place=NAME)
        if document.get("error") is not None:
            self._refuse(call, document["error"])
        told = document.get("id")
        if told is not None and str(told) != call.document["id"]:
            raise Malformed("the id is another request's: not the answer to ours", place=NAME)
        if "result" not in document:
            raise Malformed("result is missing in the answer", place=NAME)
        return document["result"]

    def _refuse(self, call: Call, error: Any) -> NoReturn:
        if not isinstance(error, dict):
            raise Malformed(f"refused with error {one_line(error)}", place=NAME)
        code, said = _code(error.get("code")), one_line(error.get("message"))
        cause = f"code {one_line(error.get('code'))}: {said}"
        if code == SESSION_EXPIRED and not self._basic and call.signed:
            raise SignInAgain(self._names.denied(cause))
        if code in {ACCESS_DENIED, SESSION_EXPIRED}:
            raise self._names.denied(cause)
        if code in SERVER_TROUBLE:
            raise TryAgain(cause)
        if code == FILTERS:
            raise FilterRefused(f"refused with {cause}", place=NAME)
        raise Malformed(f"refused with {cause}", place=NAME)

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

        def check(document: Any, answer: Answer) -> Listed:
            rows = self._result(call, document)
            if not isinstance(rows, Rows):
                raise Malformed(f"result is {type(rows).__name__}, not a list", place=NAME)
            return Listed(rows, self._began(answer))

        return self._door.stored(call, check, file=file, arrays=("result",))

    def _began(self, answer: Answer) -> datetime:
        """When the provider began to answer, by its clock: it may have taken long to look."""
        at_the_end = answer.date() or self.environment.clock.now().astimezone(UTC)
        began = at_the_end - timedelta(seconds=answer.elapsed)
        return began.replace(microsecond=0)


class FilterRefused(Malformed):
    """The provider does not take this filter, or this form of a time."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A stored list, and when its request began."""

    rows: Rows
    began: datetime


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
        yield _connected(session)
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
        yield _connected(session)
        return
    with tempfile.TemporaryFile() as file:
        listed = session.stored(DETAILED, [None, _updated_since(request)], file)
        yield from _pages(listed.rows, wire.detailed(listed.began), listed.began, wire.DETAILED)
    yield Page([], bookmark=listed.began)


def _list(
    session: ShipStream, arguments: list[Any], warehouse: str, began: datetime | None
) -> Generator[Page, None, datetime]:
    with tempfile.TemporaryFile() as file:
        listed = session.stored(LIST, arguments, file)
        at = began or listed.began
        yield from _pages(listed.rows, wire.inventory(warehouse, at), at, wire.INVENTORY)
    return at


def _pages(rows: Rows, reader: Reader[Row], at: datetime, name: str) -> Iterator[Page]:
    page: list[Row] = []
    for row in each_once(rows, reader, name=name):
        page.append(row)
        if len(page) == PAGE_OF_RECORDS:
            yield _page(page, at)
            page = []
    yield _page(page, at)


def _page(rows: list[Row], at: datetime) -> Page:
    lines, marks = [row.line for row in rows], [row.mark for row in rows]
    return Page(lines, [at] * len(rows), marks=marks)


def _updated_since(request: ReadRequest) -> str | None:
    """The bound in the documented form, `2008-07-01T22:38:07+00:00`; None asks for everything."""
    bound = request.lower_bound
    return None if bound is None else bound.replace(microsecond=0).isoformat()


def _connected(session: ShipStream) -> Page:
    """Enough for a connection test: the lists of SKUs cannot be cut."""
    session.call(WAREHOUSES, [])
    return Page([])


def _check_warehouses(session: ShipStream) -> None:
    """A warehouse that does not exist would silently have no rows."""
    try:
        found = session.call(WAREHOUSES, [])
    except (Malformed, Denied) as error:
        LOG.info("%s: whether the warehouses exist is not known: %s", NAME, error.message)
        return
    rows = found if isinstance(found, list) else []
    known = {str(row.get("warehouse_id")) for row in rows if isinstance(row, dict)}
    unknown = [str(one) for one in session.settings.warehouse_ids if str(one) not in known]
    if unknown and known:
        raise ConfigError(
            f"{', '.join(unknown)} is no warehouse; there are {', '.join(sorted(known))}",
            place=f"{NAME}.warehouse_ids",
        )


# ---- inventory.lots ------------------------------------------------------------------------------


def read_lots(session: ShipStream, request: ReadRequest) -> Iterator[Page]:
    """Every lot, by keyset on its number; by page where the provider does not filter by it."""
    lots = wire.Lots()
    if request.limit is not None:
        found = _ask(session, lots, {"gt": 0}, page=1, limit=min(request.limit, MOST_LOTS))
        yield Page([line for _, line in found.rows[: request.limit]])
        return
    with Spool[None]() as spool:
        try:
            _by_number(session, lots, spool)
        except (_NotObeyed, FilterRefused) as error:
            LOG.info("%s: %s; reading page by page", wire.LOTS, error)
            _by_page(session, lots, spool)
        lines: list[bytes] = []
        for line, _ in spool:
            lines.append(line)
            if len(lines) == PAGE_OF_RECORDS:
                yield Page(lines)
                lines = []
        yield Page(lines)


class _NotObeyed(Exception):
    """The provider ignores the filter or the order."""


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of inventory.lots; `total` and `pages` are of everything that matches."""

    rows: list[tuple[int, bytes]]
    total: int | None
    pages: int | None


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
    result = session.call(LOTS, [filters, options])
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
    if isinstance(value, bool) or not (str(value).isascii() and str(value).isdigit()):
        raise Malformed(f"{name} is not a whole number in the answer of {LOTS}", place=NAME)
    return int(str(value))


def _by_number(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> None:
    """Each answer begins behind the one before: nothing that goes can shift what follows."""
    for _ in range(WALKS):
        total = _one_walk(session, lots, spool)
        if total is None or len(spool) >= total:
            return
        LOG.info("%s: %d of %d lots came; reading them again", wire.LOTS, len(spool), total)
    _incomplete(len(spool), total, WALKS)


def _one_walk(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> int | None:
    """How many lots the first answer announced."""
    last, announced = 0, None
    while True:
        found = _ask(session, lots, {"gt": last}, page=1)
        announced = found.total if last == 0 else announced
        for number, line in found.rows:
            if number < last:
                raise _NotObeyed("lots do not come in the order of their numbers")
            if number == last:
                _say_twice(number)
            _keep(spool, number, line)
            last = number
        if not found.rows or found.total == len(found.rows):
            return announced


def _keep(spool: Spool[None], number: int, line: bytes) -> None:
    spool.put(str(number), line, None)


def _say_twice(number: int) -> None:
    LOG.warning("%s: lot %d comes twice; the last one wins", wire.LOTS, number)


def _by_page(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> None:
    """Walk after walk until the union is whole: a lot that goes shifts the pages behind it."""
    total: int | None = None
    for _ in range(WALKS_BY_PAGE):
        before = len(spool)
        total = _pages_of_lots(session, lots, spool)
        if len(spool) >= total if total is not None else len(spool) == before:
            return
    _incomplete(len(spool), total, WALKS_BY_PAGE)


def _pages_of_lots(session: ShipStream, lots: wire.Lots, spool: Spool[None]) -> int | None:
    page, previous = 1, None
    while True:
        found = _ask(session, lots, None, page=page)
        for number, line in found.rows:
            _keep(spool, number, line)
        numbers = [number for number, _ in found.rows]
        is_last = found.pages is not None and page >= found.pages
        if is_last or not numbers or numbers == previous:
            return found.total
        page, previous = page + 1, numbers


def _incomplete(found: int, total: int | None, walks: int) -> NoReturn:
    raise Malformed(
        f"incomplete: {found} lots found, {total} announced, after {walks} walks",
        place=wire.LOTS,
        advice="Run again when the warehouses are quieter",
    )
