"""DecoNetwork over the wire: how to ask, how to read everything, how to change a level.

Source: "Inventory Management". `find` is "Inventory Search", `update` is "Update Inventory". The
provider answers errors with HTTP 200; only `response_status.code` 10001 is a success. The user name
and the password are part of every request, for `find` in its URL.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from inventory_providers.contract import LevelsOf, Order, Page, Session, earlier
from inventory_providers.deconetwork import wire
from inventory_providers.errors import Denied, InventoryError, Malformed, Rejected, Uncertain
from inventory_providers.http import Call, Door, Names, encode
from inventory_providers.paging import OffsetWalk, Slice
from inventory_providers.settings import host_of
from inventory_providers.spool import Spool
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from inventory_providers.contract import Change, Fields, Key, ReadRequest
    from inventory_providers.deconetwork.settings import DecoNetworkSettings
    from inventory_providers.deconetwork.wire import Row
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer

NAME = "deconetwork"
STREAM = "deconetwork_inventory"
FIND = "/api/json/manage_inventory/find"
UPDATE = "/api/json/manage_inventory/update"
LOG = logging.getLogger(f"inventory.{NAME}")

# The document's numbers for `field`, `condition` and `sortby`.
PRODUCT_CODE, PRODUCT_ID, DATE_MODIFIED = 1, 4, 5
IS, IS_NOT, AT_LEAST, BETWEEN = 1, 2, 6, 7

# Codes of `update` that speak of a record; every other speaks of the request or the site.
A_RECORD_IS_WRONG = frozenset({40004, 50005})

MOST_ROWS = 100  # "The maximum number of rows returned is 100."
SECOND = timedelta(seconds=1)
# For so long a second may still be moving: a bulk update that goes on while we read.
RECENT = timedelta(minutes=5)
PAGE_OF_RECORDS = 500

Pairs = list[tuple[str, str]]

# At least one condition is required; no product has the id 0.
ONE_PRODUCT: Pairs = [("field", str(PRODUCT_ID)), ("condition", str(IS))]
EVERYTHING: Pairs = [("field", str(PRODUCT_ID)), ("condition", str(IS_NOT)), ("string", "0")]


def connect(settings: DecoNetworkSettings, environment: Environment) -> DecoNetwork:
    """A session with one site. Nothing is requested yet: there is no sign-in call."""
    return DecoNetwork(settings, environment)


@dataclass(frozen=True, slots=True)
class Found:
    """One answer of `find`. `clock` is the provider's, or ours where it did not say."""

    rows: list[Any]
    total: int | None
    clock: datetime
    seconds: float = 1.0


class DecoNetwork(Session):
    """One site, read and written with one account."""

    def __init__(self, settings: DecoNetworkSettings, environment: Environment) -> None:
        self.settings = settings
        self.environment = environment
        names = Names(NAME, ("username", "password"))
        self._door = Door(settings.api_url, names=names, environment=environment, sign=self._sign)
        self._unknown: set[str] = set()

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._door.requests

    def close(self) -> None:
        """Let go of the connections."""
        self._door.close()

    def _sign(self, call: Call) -> Call:
        credentials = [
            ("username", self.settings.username),
            ("password", self.settings.password.get_secret_value()),
        ]
        if call.form is not None:
            return replace(call, form=[*call.form, *credentials])
        return replace(call, query=[*call.query, *credentials])

    def find(
        self, conditions: Pairs, *, sortby: int, limit: int = MOST_ROWS, offset: int = 0
    ) -> Found:
        """One answer of "Inventory Search".

        50004 past the end, and 40004 where one product is asked for, are answers without rows.

        Raises:
            Denied, Malformed, Unavailable: as their names say.
        """
        query = [*conditions, ("sortby", str(sortby)), ("limit", str(limit))]
        query.append(("offset", str(offset)))

        none = {50004} if offset else set()
        if conditions[:2] == ONE_PRODUCT:
            none.add(40004)

        def check(document: Any, answer: Answer) -> Found:
            return self._found(document, answer, none)

        return self._door.json(Call("GET", FIND, query=query), check)

    def _found(self, document: Any, answer: Answer, none: set[int]) -> Found:
        clock = answer.date() or self.environment.clock.now()
        status = _status(document)
        if status.code in none:
            return Found([], None, clock, answer.elapsed)
        status.must_be_good()
        rows = document.get("inventories", ...)
        if not isinstance(rows, list):
            state = "missing" if rows is ... else f"{type(rows).__name__}, not a list"
            raise Malformed(f"inventories is {state} in the answer of find", place=NAME)
        self._report_unknown(rows)
        return Found(rows, _total(document.get("total")), clock, answer.elapsed)

    def _report_unknown(self, rows: list[Any]) -> None:
        """Say once which fields of the rows are not in the document, or are missing from them."""
        if not rows or not isinstance(rows[0], dict) or rows[0].keys() == wire.DOCUMENTED:
            return
        extra = rows[0].keys() - wire.DOCUMENTED - self._unknown
        missing = wire.DOCUMENTED - rows[0].keys() - self._unknown
        self._unknown |= extra | missing
        for names, what in ((extra, "left out, not in the document"), (missing, "null, not sent")):
            if names:
                LOG.warning("%s: %s: %s", STREAM, what, ", ".join(sorted(names)))

    def update(self, order: Order) -> None:
        """Set the levels of up to 100 SKUs in one request; see `order_update`.

        Raises:
            Rejected: a record in the batch is refused; whether a part was applied is not known.
            Malformed: the whole request is refused, for a reason that is no record's.
            Uncertain: no answer came, or none that can be understood.
        """

        def check(document: Any, answer: Answer) -> None:  # noqa: ARG001
            try:
                status = _status(document)
            except Malformed as error:
                raise Uncertain(error.message, place=NAME) from None
            status.must_be_applied()

        form = parse_qsl(order.body, strict_parsing=True)
        self._door.json(Call(order.method, order.path, form=form, repeatable=False), check)


@dataclass(frozen=True, slots=True)
class Status:
    """`response_status` of an answer. Good means 10001 and no other severity than SUCCESS."""

    code: int
    severity: str
    description: str

    def _text(self) -> str:
        return f"code {self.code} {self.severity}: {self.description}".strip(": ")

    def _refused(self) -> InventoryError | None:
        if self.code == 30001:
            advice = f"Check {NAME}.username and {NAME}.password"
            return Denied(f"sign-in refused ({self._text()})", place=NAME, advice=advice)
        if self.code == 31000:
            advice = f"Switch the API on for the account of {NAME}.username"
            return Denied(self._text(), place=NAME, advice=advice)
        good = self.code == 10001 and self.severity.upper() in {"", "SUCCESS"}
        return None if good else Malformed(f"refused with {self._text()}", place=NAME)

    def must_be_good(self) -> None:
        """Raise what a reader has to do about it."""
        if (error := self._refused()) is not None:
            raise error

    def must_be_applied(self) -> None:
        """Raise what a writer has to do about it."""
        if self.code in A_RECORD_IS_WRONG or self.severity.upper() == "WARNING":
            raise Rejected(f"the provider refused it with {self._text()}", place=NAME)
        if (error := self._refused()) is not None:
            raise error


def _status(document: Any) -> Status:
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise Malformed(f"response_status is missing: the answer is {kind}, no object", place=NAME)
    raw = document.get("response_status")
    if not isinstance(raw, dict):
        raise Malformed("response_status is missing in the answer", place=NAME)
    code = raw.get("code")
    if code is None or isinstance(code, bool):
        raise Malformed("response_status.code is missing in the answer", place=NAME)
    if not _is_whole(code):
        raise Malformed("response_status.code is no number", place=NAME)
    severity, description = raw.get("severity"), raw.get("description")
    return Status(int(str(code)), str(severity or ""), one_line(description))


def _is_whole(value: Any) -> bool:
    """A whole number, or the text of one."""
    return not isinstance(value, bool) and str(value).isascii() and str(value).isdigit()


def _total(value: Any) -> int | None:
    if value is None:
        return None
    if not _is_whole(value):
        raise Malformed("total is not a whole number", place=NAME)
    return int(str(value))


def _wire(change: Change) -> Iterator[tuple[str, str]]:
    """What is sent of a change: `inv_on` always (it is required), else only what differs."""
    (key,) = change.key
    yield "dn_sku_id", key
    level = {**(change.before or {}), **(change.after or {})}
    yield "inv_on", "true" if level["inv_on"] else "false"
    for name in wire.NUMBERS:
        if name in change.fields:
            yield name, str(int(level[name]))
    yield from change.extra.items()


# ---- reading -------------------------------------------------------------------------------------


def read_inventory(session: DecoNetwork, request: ReadRequest) -> Iterator[Page]:
    """Every row, or those changed since the bookmark, each with its newest version.

    Without a bookmark and without `start_date` everything is read, rows without a date included.
    With one, rows come in the order of their date, page by page, and the bookmark moves along.

    Raises:
        Malformed: an answer is not as documented, or rows are missing for certain.
    """
    if request.limit is not None:
        yield _first_rows(session, request.limit)
    elif (bound := request.lower_bound) is None:
        yield from _Full(session, request).pages()
    else:
        yield from _Changed(session, request, bound).pages()


def levels(session: DecoNetwork) -> LevelsOf:
    """The level that each row tells; the one place is the site, by its host."""
    site = host_of(session.settings.api_url)
    return LevelsOf(lambda record: (wire.to_level(record, site),))


def _first_rows(session: DecoNetwork, limit: int) -> Page:
    found = session.find(EVERYTHING, sortby=PRODUCT_CODE, limit=min(limit, MOST_ROWS))
    rows = [wire.to_row(raw) for raw in found.rows[:limit]]
    return Page([row.line for row in rows], [row.modified for row in rows])


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _date(moment: datetime) -> str:
    """The form that the document asks for: UTC, no zone letter, whole seconds."""
    return _whole_seconds(moment).astimezone(UTC).replace(tzinfo=None).isoformat()


def _since(moment: datetime) -> Pairs:
    # "At least", not the "greater than" of the document's example: times have whole seconds, and a
    # row changed later within the bookmark's second would be lost.
    return _dated(AT_LEAST, moment)


def _dated(condition: int, moment: datetime) -> Pairs:
    return [
        ("field", str(DATE_MODIFIED)),
        ("condition", str(condition)),
        ("date1", _date(moment)),
    ]


class _Bookmark:
    """The largest date that may become the bookmark: one from the future must not hide tomorrow."""

    def __init__(self, request: ReadRequest) -> None:
        self._lookback = request.lookback
        self._clock: datetime | None = None
        self._end: datetime | None = None
        self._warned = False
        self.value: datetime | None = None

    def saw(self, found: Found) -> None:
        """Remember the provider's clock."""
        self._clock = max(found.clock, self._clock or found.clock)

    def stop_at(self, moment: datetime) -> None:
        """What is later than this has not been read."""
        self._end = moment
        self.value = None if self.value is None else min(self.value, moment)

    def is_recent(self, moment: datetime) -> bool:
        """Whether the provider may still be writing rows with this date."""
        return self._clock is None or moment > self._clock - RECENT

    def capped(self, moment: datetime) -> datetime | None:
        """A moment up to which all is delivered, unless it is in the future."""
        ahead = self._clock is not None and moment > self._clock + self._lookback
        return None if ahead else moment

    def take(self, modified: datetime | None) -> None:
        """Count a row's date in."""
        if modified is None or (self.value is not None and modified <= self.value):
            return
        if self._end is not None and modified > self._end:
            return
        # The overlap is subtracted again when the bookmark is used, so dates may run ahead of the
        # provider's clock by as much without anything being skipped.
        if self._clock is not None and modified > self._clock + self._lookback:
            self._warn(modified)
            return
        self.value = modified

    def _warn(self, modified: datetime) -> None:
        if not self._warned:
            self._warned = True
            LOG.warning(
                "%s: a row is dated in the future (%s); it does not move the bookmark",
                STREAM,
                _date(modified),
            )


class _Full:
    """Everything, by offset, and then what changed in the meantime, before a row is emitted."""

    def __init__(
        self, session: DecoNetwork, request: ReadRequest, since: datetime | None = None
    ) -> None:
        self._session, self._request, self._since = session, request, since
        self._bookmark = _Bookmark(request)
        self._spool: Spool[datetime | None] = Spool()

    def pages(self) -> Iterator[Page]:
        """All rows by key; with `since` only those changed at or after it."""
        clock = self._session.environment.clock
        start = clock.monotonic()
        with self._spool:
            self._walk()
            self._catch_up(timedelta(seconds=math.ceil(clock.monotonic() - start)))
            yield from self._emit()

    def _walk(self) -> None:
        OffsetWalk(
            self._fetch,
            key=lambda row: row.key,
            keep=self._keep,
            limit=MOST_ROWS,
            parallel=self._session.settings.max_parallel,
        ).run(STREAM)

    def _fetch(self, offset: int, limit: int) -> Slice[Row]:
        found = self._session.find(EVERYTHING, sortby=PRODUCT_CODE, limit=limit, offset=offset)
        self._bookmark.saw(found)
        return Slice([wire.to_row(raw) for raw in found.rows], found.total, found.seconds)

    def _keep(self, row: Row) -> bool:
        key, line, modified = row
        new = key not in self._spool
        known = None if new else self._spool.mark(key)
        if known is None or (modified is not None and modified >= known):
            self._spool.put(key, line, modified)
            self._bookmark.take(modified)
        return new

    def _catch_up(self, took: timedelta) -> None:
        """Read what was changed while the walk went on.

        A change after the walk began has a date of at least the largest one seen less the time the
        walk took, whatever the provider's clock says: the largest was set before the walk's end.
        """
        if (largest := self._bookmark.value) is None:
            return
        # The largest may run ahead of the provider's clock by the overlap.
        since = _whole_seconds(earlier(largest, took + self._request.lookback))
        request = replace(self._request, since=since, lookback=timedelta(0), full=False)
        try:
            # As the fallback of a read by date there is no use in asking by date again.
            if self._since is None:
                self._keep_changed(_Changed(self._session, request, since))
            proven = self._since is None
        except _NotInOrder as error:
            proven = False
            LOG.info("%s: %s; changes during the read come with the next one", STREAM, error)
        if not proven:
            self._bookmark.value = min(largest, earlier(largest, took) + self._request.lookback)

    def _keep_changed(self, changed: _Changed) -> None:
        for row in changed.rows():
            # Asked for after everything else, so the newest, even where its date went back: a row
            # that was dated in the future gets a date of today when it is sold.
            self._spool.put(row.key, row.line, row.modified)
            self._bookmark.take(row.modified)
        if changed.stopped_at is not None:
            self._bookmark.stop_at(changed.stopped_at)

    def _emit(self) -> Iterator[Page]:
        lines: list[bytes] = []
        times: list[datetime | None] = []
        for line, modified in self._spool:
            if self._since is not None and (modified is None or modified < self._since):
                continue
            lines.append(line)
            times.append(modified)
            if len(lines) == PAGE_OF_RECORDS:
                yield Page(lines, times)
                lines, times = [], []
        yield Page(lines, times, self._bookmark.value)


class _NotInOrder(Exception):
    """The provider does not filter or sort by date as its document says."""


class _Proof:
    """Whether the answers of a walk by date fit together so far.

    Two things of the document are taken on trust: that "at least" includes its date, and that
    rows come in the order of their dates. Then an answer begins with rows of the date at which
    the one before it ended, and announces no fewer rows than that one had left.
    """

    def __init__(self) -> None:
        self.holds = True
        self._announced: int | None = None
        self._left: int | None = None
        self._edge: set[str] = set()

    def saw(self, found: Found, rows: Sequence[Row]) -> None:
        """An answer came."""
        fewer = self._left is not None and (found.total or 0) < self._left
        torn = bool(self._edge) and not self._edge & {row.key for row in rows}
        self.holds &= found.total is not None and not fewer and not torn
        self._announced = found.total

    def went_on(self, rows: Sequence[Row], to: datetime) -> None:
        """The next question is for rows from the date of this answer's end on."""
        self._edge = {row.key for row in rows if row.modified and row.modified >= to}
        self._left = (self._announced or 0) - (len(rows) - len(self._edge))

    def passed(self, count: int) -> None:
        """The next question leaves out a second with so many rows."""
        self._edge = set()
        self._left = (self._announced or 0) - count


class _Changed:
    """Rows changed at or after a moment, oldest first, by keyset on the date.

    Never by offset: a row that is changed while we read moves to the end, and everything behind it
    moves up by one.
    """

    def __init__(self, session: DecoNetwork, request: ReadRequest, bound: datetime) -> None:
        self._session, self._request = session, request
        self._bound = _whole_seconds(bound)
        self._bookmark = _Bookmark(request)
        self._proof = _Proof()
        self._emitted: dict[str, tuple[datetime | None, int]] = {}
        self._expected: int | None = None
        self._began: datetime | None = None
        self.stopped_at: datetime | None = None

    def pages(self) -> Iterator[Page]:
        """The rows, with a bookmark as far as it is proven; everything, if it cannot be.

        The bookmark of a page is the date that its answer began with: all before it is delivered.
        """
        try:
            for moment, rows in self._batches():
                for row in rows:
                    self._bookmark.take(row.modified)
                proven = self._proof.holds and moment > self._bound
                yield Page(
                    [row.line for row in rows],
                    [row.modified for row in rows],
                    self._bookmark.capped(moment) if proven else None,
                )
        except _NotInOrder as error:
            LOG.warning("%s: %s; reading everything and filtering here", STREAM, error)
            yield from _Full(self._session, self._request, self._bound).pages()
        else:
            yield Page([], [], self._bookmark.value)

    def rows(self) -> Iterator[Row]:
        """The rows alone.

        Raises:
            _NotInOrder: they do not come as documented.
        """
        for _, rows in self._batches():
            yield from rows

    def _batches(self) -> Iterator[tuple[datetime, list[Row]]]:
        moment = self._bound
        while True:
            found = self._ask(_since(moment))
            rows = self._in_order(found, moment)
            self._proof.saw(found, rows)
            yield moment, self._fresh(rows)
            if _is_last(found, rows):
                break
            if not rows:
                raise _NotInOrder(f"{found.total} rows announced, none came")
            last = _whole_seconds(rows[-1].modified or moment)
            if last > moment:
                self._proof.went_on(rows, last)
                moment = last
            else:
                try:
                    second = self._one_second(moment)
                except Malformed as error:
                    self._stop_at_moving(moment, error)
                    return
                yield moment, self._fresh(second)
                self._proof.passed(len(second))
                moment += SECOND
            if self._is_ahead(moment):
                return
        self._must_be_complete()

    def _is_ahead(self, moment: datetime) -> bool:
        """Whether all that had changed when we began is delivered; the rest is for next time."""
        if self._began is None or self._expected is None:
            return False
        began = self._began + self._request.lookback + SECOND
        return moment > began and len(self._emitted) >= self._expected

    def _ask(self, conditions: Pairs) -> Found:
        found = self._session.find(conditions, sortby=DATE_MODIFIED)
        self._bookmark.saw(found)
        if self._began is None:
            self._began, self._expected = found.clock, found.total
        return found

    def _in_order(self, found: Found, moment: datetime) -> list[Row]:
        rows = [wire.to_row(raw) for raw in found.rows]
        previous = moment
        for row in rows:
            if row.modified is None or row.modified < moment:
                raise _NotInOrder("rows come that are older than asked for")
            if row.modified < previous:
                raise _NotInOrder("rows do not come in the order of their dates")
            previous = row.modified
        return rows

    def _fresh(self, rows: Iterable[Row]) -> list[Row]:
        """Those rows that were not delivered in just this version."""
        fresh: dict[str, Row] = {}
        for row in rows:
            if self._emitted.get(row.key) != (row.modified, hash(row.line)):
                if row.key in fresh:
                    LOG.warning(
                        "%s: %s occurs twice in one answer; the last one wins", STREAM, row.key
                    )
                    del fresh[row.key]
                fresh[row.key] = row
        for row in fresh.values():
            self._emitted[row.key] = (row.modified, hash(row.line))
        return list(fresh.values())

    def _one_second(self, moment: datetime) -> list[Row]:
        """All rows of one second that has more of them than one answer holds."""
        span = [*_dated(BETWEEN, moment), ("date2", _date(moment))]
        # Whether "between" includes its end is not documented.
        inclusive = self._session.find(span, sortby=PRODUCT_CODE, limit=1).rows
        conditions = span if inclusive else _dated(IS, moment)
        rows: dict[str, Row] = {}

        def fetch(offset: int, limit: int) -> Slice[Row]:
            found = self._session.find(conditions, sortby=PRODUCT_CODE, limit=limit, offset=offset)
            return Slice([wire.to_row(raw) for raw in found.rows], found.total)

        def keep(row: Row) -> bool:
            new = row.key not in rows
            rows[row.key] = row
            return new

        OffsetWalk(fetch, key=lambda row: row.key, keep=keep, limit=MOST_ROWS).run(STREAM)
        return list(rows.values())

    def _stop_at_moving(self, moment: datetime, error: Malformed) -> None:
        """The rows of a second cannot be read whole. Is it because they are being changed?

        Then the bookmark stays in that second, and the next run goes on from there.
        """
        if not self._bookmark.is_recent(moment) or not self._proof.holds:
            raise error
        LOG.warning(
            "%s: the rows of %s are being changed; the rest comes with the next run",
            STREAM,
            _date(moment),
        )
        self.stopped_at = moment
        self._bookmark.stop_at(moment)

    def _must_be_complete(self) -> None:
        """A row that matched at the start kept its date, or moved forward and was met later."""
        if self._expected is not None and len(self._emitted) < self._expected:
            raise _NotInOrder(f"{self._expected} rows announced, {len(self._emitted)} came")


def _is_last(found: Found, rows: list[Row]) -> bool:
    if found.total is not None:
        return found.total <= len(rows)
    return not rows


# ---- writing -------------------------------------------------------------------------------------


def account(settings: DecoNetworkSettings) -> str:
    """Whose stock it is: the site's, whoever signs in."""
    return settings.api_url


def read_levels(session: DecoNetwork, keys: Collection[Key]) -> Mapping[Key, Fields]:
    """The live values of these SKUs; one that does not exist is left out.

    Asked product by product where that takes fewer requests than reading the site. That a
    `dn_sku_id` begins with its product's id is seen in the document's example, not promised there:
    what is not found that way is looked for in everything.
    """
    wanted = {key for (key,) in keys}
    levels: dict[str, Fields] = {}
    questions = _cheapest(session, wanted)
    for conditions in questions:
        levels.update(_levels(session, conditions, wanted))
    if wanted - levels.keys() and questions != [EVERYTHING]:
        levels.update(_levels(session, EVERYTHING, wanted))
    return {(key,): level for key, level in levels.items()}


def _cheapest(session: DecoNetwork, keys: set[str]) -> list[Pairs]:
    # Digits only: an id that somebody mistyped must not become a question the provider refuses.
    prefixes = {key.partition("_")[0] for key in keys}
    products = sorted(prefix for prefix in prefixes if prefix.isascii() and prefix.isdigit())
    if len(products) > 1:
        total = session.find(EVERYTHING, sortby=PRODUCT_CODE, limit=1).total
        if total is None or len(products) * MOST_ROWS > total:
            return [EVERYTHING]
    return [_of_product(product) for product in products] or [EVERYTHING]


def _of_product(product: str) -> Pairs:
    return [*ONE_PRODUCT, ("string", product)]


def _levels(session: DecoNetwork, conditions: Pairs, wanted: set[str]) -> dict[str, Fields]:
    levels: dict[str, Fields] = {}

    def see(key: str, raw: Any) -> None:
        if key in wanted:
            levels[key] = wire.level_of(raw)

    look(session, conditions, see)
    return levels


def look(session: DecoNetwork, conditions: Pairs, see: Callable[[str, Any], None]) -> None:
    """Show every row that meets the conditions, with its `dn_sku_id`; some more than once.

    Raises:
        Denied, Malformed, Unavailable: as their names say.
    """
    seen: set[str] = set()

    def fetch(offset: int, limit: int) -> Slice[Any]:
        found = session.find(conditions, sortby=PRODUCT_CODE, limit=limit, offset=offset)
        return Slice(found.rows, found.total, found.seconds)

    def keep(raw: Any) -> bool:
        key = wire.key_of(raw)
        see(key, raw)
        new = key not in seen
        seen.add(key)
        return new

    walk = OffsetWalk(
        fetch,
        key=wire.key_of,
        keep=keep,
        limit=MOST_ROWS,
        parallel=session.settings.max_parallel,
    )
    walk.run(STREAM)


def order_update(changes: Sequence[Change]) -> Order:
    """The request for a batch, in the "multi change format": `n` counts from 1."""
    form: Pairs = []
    for number, change in enumerate(changes, start=1):
        form.extend((f"changes[{number}][{name}]", text) for name, text in _wire(change))
    return Order("POST", UPDATE, encode(form))


def send_update(session: DecoNetwork, order: Order) -> None:
    """Set the levels of a batch; see `DecoNetwork.update`."""
    session.update(order)
