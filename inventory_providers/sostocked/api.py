"""SoStocked over the wire: how to ask for an export, and how to read one whole.

Source: "Inventory Export API Documentation". It has requests and no answer, and says of itself that
it may change; `answers` looks at what came, `walk` makes sure that it is all. The identity of the
account, a secret among it, stands in the URL of every request.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import TypeAdapter, ValidationError

from inventory_providers.contract import Form, LevelsOf, Page, Session
from inventory_providers.errors import Denied, InventoryError, Malformed, Unavailable
from inventory_providers.http import PASSING, Call, Door, Names
from inventory_providers.jsonio import loads
from inventory_providers.settings import ProviderUrl
from inventory_providers.sostocked.answers import Answers, Job, Link, NotFound
from inventory_providers.sostocked.walk import Mark, Walk, not_unique
from inventory_providers.sostocked.wire import (
    EXTENSIONS,
    IDENTITY,
    INVENTORY,
    KEY,
    NAME,
    PER_PAGE,
    SHOWN,
    SNAPSHOTS,
    WAREHOUSES,
    Converter,
    Kind,
    Levels,
    Table,
    request_body,
)
from inventory_providers.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inventory_providers.contract import ReadRequest, Record
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer
    from inventory_providers.sostocked.answers import Found
    from inventory_providers.sostocked.settings import SoStockedSettings
    from inventory_providers.sostocked.wire import Sheet

LOG = logging.getLogger(f"inventory.{NAME}")

# Where a job is asked for; a path that was seen in use, not one of the document.
DOWNLOAD = "/downloads/download/"
MOST_STEPS = 2
JOB_SECONDS = 600.0
JOB_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
# An export takes 15 s as a rule. With this the wait for a byte is 105 s: nearly two minutes, and
# yet there is a second try within the budget.
PATIENCE = 3.5
PAGE_OF_RECORDS = 500
ONE_DAY = timedelta(days=1)

Pairs = Sequence[tuple[str, str]]

_URL = TypeAdapter(ProviderUrl)


def connect(settings: SoStockedSettings, environment: Environment) -> SoStocked:
    """A session with one account. Nothing is requested yet: there is no sign-in call."""
    return SoStocked(settings, environment)


class SoStocked(Session):
    """One account, read with one token."""

    def __init__(self, settings: SoStockedSettings, environment: Environment) -> None:
        self.settings = settings
        self.environment = environment
        self._names = Names(NAME, ("bearer_token",))
        self._answers = Answers(settings.account_id)
        self._doors: dict[str, Door] = {}
        self._door = self._at(settings.api_url, is_ours=True)
        self._spellings: dict[Kind, tuple[str, ...]] = {}
        self._levels: Levels | None = None

    def levels(self) -> LevelsOf:
        """How the rows of the next read, or of the one that goes on, become levels."""
        self._levels = Levels()
        return LevelsOf(self._levels.of)

    def report_levels(self) -> None:
        """Say, at the end of a read, what its levels lack."""
        if self._levels is not None:
            self._levels.report()
        self._levels = None

    def _at(self, base: str, *, is_ours: bool) -> Door:
        if base not in self._doors:
            self._doors[base] = Door(
                base,
                names=self._names,
                environment=self.environment,
                sign=self._sign if is_ours else _unsigned,
                explain=self._answers.explain if is_ours else _explain_elsewhere,
            )
        return self._doors[base]

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return sum(door.requests for door in self._doors.values())

    def close(self) -> None:
        """Let go of the connections."""
        for door in self._doors.values():
            door.close()

    def _sign(self, call: Call) -> Call:
        mine = self.settings
        identity = [
            ("client_id", mine.client_id),
            ("client_secret", mine.client_secret.get_secret_value()),
            ("account_id", mine.account_id),
        ]
        token = f"Bearer {mine.bearer_token.get_secret_value()}"
        return replace(
            call,
            query=[*call.query, *identity],
            headers={**call.headers, "Authorization": token},
        )

    def table(self, kind: Kind, document: Record) -> Table:
        """One page of an export, wherever its rows had to be fetched from.

        Raises:
            ConfigError, Denied, Malformed, Unavailable: as their names say.
        """
        paths = self._spellings.get(kind, kind.paths)
        for path in paths:
            ask = partial(self._ask, self._door, _call("POST", path, document=document))
            try:
                found = ask()
            except NotFound:
                if path == paths[-1]:
                    raise
                LOG.info("%s: not found; trying the other spelling of its path", kind.stream)
            else:
                self._spellings[kind] = (path,)
                break
        return self._followed(found, ask)

    def _ask(self, door: Door, call: Call) -> Found:
        return door.plain(call, self._answers.read)

    def _followed(self, found: Found, ask: Callable[[], Found]) -> Table:
        """What a link or a job leads to in the end."""
        steps, polls, until = 0, 0, self.environment.clock.monotonic() + JOB_SECONDS
        while not isinstance(found, Table):
            if isinstance(found, Link):
                steps += 1
                if steps > MOST_STEPS:
                    raise Malformed("the provider's link leads to link after link")
                ask = self._behind(found.url)
            else:
                self._wait(polls, until)
                polls += 1
                ask = self._job(found, ask)
            try:
                found = ask()
            except NotFound:
                raise _is_gone(404) from None
        return found

    def _wait(self, polls: int, until: float) -> None:
        clock = self.environment.clock
        if clock.monotonic() >= until:
            raise Unavailable(f"the export was not ready within {JOB_SECONDS:.0f} s")
        clock.sleep(JOB_PAUSES[min(polls, len(JOB_PAUSES) - 1)])

    def _job(self, job: Job, ask: Callable[[], Found]) -> Callable[[], Found]:
        """How to ask for a job that is not done: by its id, or else the same again."""
        if job.id is None:
            return ask
        return partial(self._ask, self._door, _call("GET", DOWNLOAD + quote(job.id, safe="")))

    def _behind(self, link: str) -> Callable[[], Found]:
        """How to get what a link leads to: with our credentials from our own host alone."""
        base, path, query = _checked(link)
        if _origin(base) == _origin(self.settings.api_url):
            call = _call("GET", path, query=parse_qsl(query, keep_blank_values=True))
            return partial(self._ask, self._at(base, is_ours=True), call)
        # A link that is signed holds only as long as its query is left alone.
        call = _call("GET", f"{path}?{query}" if query else path)
        return partial(self._ask, self._at(base, is_ours=False), call)


def _unsigned(call: Call) -> Call:
    return call


def _call(method: str, path: str, *, document: Any = None, query: Pairs = ()) -> Call:
    return Call(
        method,
        path,
        query=query,
        document=document,
        headers={"Accept": "*/*"},
        patience=PATIENCE,
    )


def _explain_elsewhere(answer: Answer) -> Exception | None:
    """What another host refuses says nothing about our settings."""
    passes = answer.status in PASSING or answer.status >= 500
    return None if passes else _is_gone(answer.status)


def _is_gone(status: int) -> Malformed:
    return Malformed(
        f"what the provider's link or job leads to cannot be had ({status})",
        advice="Run again; nothing is skipped, the bookmark stays",
    )


def _checked(link: str) -> tuple[str, str, str]:
    """Host, path and query of a link; its host must be one that a setting might have."""
    try:
        parts = urlsplit(link)
        base = _URL.validate_python(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, ValidationError):
        base = ""
    if not base or not link.isascii() or not link.isprintable():
        raise Malformed("the provider sent a link that is no https URL")
    return base, parts.path or "/", parts.query


def _origin(url: str) -> tuple[str, str | None, int]:
    """What a browser calls the origin: credentials go to no other."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


# ---- reading -------------------------------------------------------------------------------------


def read_inventory(session: SoStocked, request: ReadRequest) -> Iterator[Page]:
    """The current view: one row per product and market ("Export Current View")."""
    return _read_now(session, request, INVENTORY)


def read_warehouse_inventory(session: SoStocked, request: ReadRequest) -> Iterator[Page]:
    """One row per product, market and warehouse ("Export Inventory with Breakdown")."""
    yield from _read_now(session, request, WAREHOUSES)
    session.report_levels()


def levels(session: SoStocked) -> LevelsOf:
    """The level in each warehouse that the rows of the breakdown tell."""
    return session.levels()


def _read_now(session: SoStocked, request: ReadRequest, kind: Kind) -> Iterator[Page]:
    export = _Export(session, kind, request)
    if request.limit is not None:
        yield export.first_rows(request.limit)
        return
    with Spool[Mark]() as spool, export.reporting():
        walk = export.walk(spool)
        yield from export.pages(walk)


def read_snapshots(session: SoStocked, request: ReadRequest) -> Iterator[Page]:
    """The days after the bookmark up to yesterday, in order ("Inventory Snapshot").

    The bookmark moves to a day when that day is complete; one that fails ends the read there. A day
    without rows may not be over where the provider is, or not be ready: it is asked for again,
    until a later one has rows.
    """
    export = _Export(session, SNAPSHOTS, request)
    if request.limit is not None:
        yield export.first_rows(request.limit, _yesterday(session))
        return
    days = _days(session, request)
    with export.reporting():
        for day in days:
            is_first = request.since is None and day == days[0]
            yield from _one_day(export, day, is_first=is_first)


def _one_day(export: _Export, day: date, *, is_first: bool) -> Iterator[Page]:
    with Spool[Mark]() as spool:
        walk = export.walk(spool, day)
        if walk.is_empty:
            told = "%s: %s has no rows; it is asked for again until a later day has some"
            LOG.warning(told, SNAPSHOTS.stream, day)
            if is_first:
                # Without a bookmark the next run would begin with a later day.
                yield Page([], [], _midnight(day - ONE_DAY))
            return
        yield from export.pages(walk, day)
        yield Page([], [], _midnight(day))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _yesterday(session: SoStocked) -> date:
    """The newest day to ask for. In which zone the provider's days are is not known."""
    return (session.environment.clock.now() - ONE_DAY).date()


def _days(session: SoStocked, request: ReadRequest) -> Sequence[date]:
    """The days to read. Never today: a day that is not over would be kept half done."""
    newest = _yesterday(session)
    begin = session.settings.snapshot_start_date
    if begin is None and request.start is not None:
        begin = request.start.date()
    if request.full or request.since is None:
        first = begin or newest
    else:
        first = request.since.date() + ONE_DAY
        again = math.ceil(request.lookback / ONE_DAY)
        earliest = min(begin or date.min, first)
        first = max(date.fromordinal(max(first.toordinal() - again, 1)), earliest)
    return [date.fromordinal(number) for number in range(first.toordinal(), newest.toordinal() + 1)]


class _Export:
    """The exports of one stream in one run. The key only ever grows longer, also over several runs.

    A day whose rows need a longer key than those before gets a new `Form`: to keep all days back
    until the last one is read would cost every day where only one cannot be had.
    """

    def __init__(self, session: SoStocked, kind: Kind, request: ReadRequest) -> None:
        self._session, self._kind = session, kind
        self._columns: set[str] = set()
        self._extras: dict[str, None] = {}
        # A target has made its table for the key of the last run.
        self._longer = sum(name in request.key for name in EXTENSIONS)
        self._form: Form | None = None
        self._odd: Counter[str] = Counter()
        self._dropped = 0

    def _fetch(self, page: int, per_page: int, day: date | None) -> Sheet:
        settings = self._session.settings
        body = request_body(settings, self._kind, page=page, per_page=per_page, day=day)
        fixed = {"account_id": settings.account_id}
        if day is not None:
            fixed["snapshot_date"] = day.isoformat()
        sheet = Converter(self._kind, fixed).sheet(self._session.table(self._kind, body))
        self._columns |= sheet.columns
        self._extras |= dict.fromkeys(sheet.extras)
        return sheet

    def walk(self, spool: Spool[Mark], day: date | None = None) -> Walk:
        """The whole export, of now or of a day, read into `spool`.

        Raises:
            InventoryError: it cannot be had, or not completely; the message names the day.
        """
        walk = Walk(
            lambda page, per_page: self._fetch(page, per_page, day), spool, name=self._kind.stream
        )
        try:
            walk.run()
        except InventoryError as error:
            if day is not None and not isinstance(error, Denied):
                error.message = f"snapshot of {day}: {error.message}"
            raise
        self._odd += walk.odd
        self._dropped += walk.dropped
        return walk

    def pages(self, walk: Walk, day: date | None = None) -> Iterator[Page]:
        """What a walk found, as records; the first page has the form where it is a new one."""
        form = self._fit([mark.identity for _, mark in walk.rows()])
        lines = (self._finished(line, mark.extras) for line, mark in walk.rows())
        while chunk := list(islice(lines, PAGE_OF_RECORDS)):
            yield Page(chunk, _times(day, len(chunk)), form=form)
            form = None
        if form is not None:
            yield Page([], form=form)

    def first_rows(self, limit: int, day: date | None = None) -> Page:
        """So many rows of the first page."""
        sheet = self._fetch(1, min(limit, PER_PAGE), day)
        rows = {row.identity: row.line for row in sheet.rows[:limit]}
        form = self._fit(list(rows))
        lines = [self._finished(line, sheet.extras) for line in rows.values()]
        return Page(lines, _times(day, len(lines)), form=form)

    def _fit(self, identities: Sequence[str]) -> Form | None:
        """The form that these rows need, too; None where the one before will do."""
        parts = [loads(identity.encode()) for identity in identities]
        while (twin := _twin(parts, self._key)) is not None:
            if self._longer == len(EXTENSIONS):
                raise not_unique(identities[twin])
            self._longer += 1
            added = self._key[-1]
            LOG.warning("%s: %s has to be a part of the key", self._kind.stream, added)
        form = Form(self._key, tuple(self._extras))
        if form == self._form:
            return None
        self._form = form
        return form

    @property
    def _key(self) -> tuple[str, ...]:
        by_marketplace = "marketplace" in self._columns and "areas" not in self._columns
        market = "marketplace" if by_marketplace else "areas"
        return (*KEY, market, *self._kind.own, *EXTENSIONS[: self._longer])

    def _finished(self, line: bytes, extras: tuple[str, ...]) -> bytes:
        """A record with `""` for blank parts of the key, and with every column of the form.

        Inside a text a quotation mark has a backslash before it, so what is replaced is a property.
        """
        for name in self._key:
            line = line.replace(b'"%s":null' % name.encode(), b'"%s":""' % name.encode(), 1)
        for name in self._extras:
            if name not in extras:
                line = line[:-1] + b',"%s":null}' % name.encode()
        return line

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Say once, at the end, what was not as expected in the rows."""
        try:
            yield
        finally:
            self._report()

    def _report(self) -> None:
        stream = self._kind.stream
        if self._dropped:
            LOG.warning("%s: %d rows came twice and were dropped", stream, self._dropped)
        for name, count in self._odd.items():
            LOG.warning("%s: %d cells of %s are no numbers; they are null", stream, count, name)
        if self._extras:
            names = ", ".join(self._extras)
            LOG.warning("%s: passed on as text, not in the document: %s", stream, names)
        missing = [name for name in SHOWN if name not in self._columns]
        if self._columns and missing:
            LOG.warning("%s: null, not sent: %s", stream, ", ".join(missing))


def _times(day: date | None, count: int) -> Sequence[datetime]:
    return () if day is None else [_midnight(day)] * count


def _twin(rows: Sequence[Sequence[str]], key: Iterable[str]) -> int | None:
    """The first row that has the same key as one before it."""
    places = [IDENTITY.index(name) for name in key if name in IDENTITY]
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows):
        parts = tuple(row[place] for place in places)
        if parts in seen:
            return number
        seen.add(parts)
    return None
