"""Pocketstock over the wire. Pages have numbers; `edition` counts what joins or leaves the list."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.contract import Page, Session
from inventory_providers.errors import Malformed
from inventory_providers.http import Call, Door, Names
from inventory_providers.pocketstock import wire
from inventory_providers.spool import Spool
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_providers.contract import ReadRequest
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer
    from inventory_providers.pocketstock.settings import PocketstockSettings

NAME = "pocketstock"
STREAM = "pocketstock_items"
ITEMS = "/pocket/v1/items"
LOG = logging.getLogger(f"inventory.{NAME}")

WALKS = 5
PAGE_OF_RECORDS = 500


class Found(NamedTuple):
    """One answer. `clock` is the provider's, or ours where it did not say."""

    rows: list[Any]
    pages: int
    edition: int
    clock: datetime


def connect(settings: PocketstockSettings, environment: Environment) -> Pocketstock:
    """A session; nothing is requested yet."""
    return Pocketstock(settings, environment)


class Pocketstock(Session):
    """One list, read with one key."""

    def __init__(self, settings: PocketstockSettings, environment: Environment) -> None:
        self._key = settings.access_key.get_secret_value()
        self._now = environment.clock.now
        names = Names(NAME, ("access_key",))
        self._door = Door(settings.api_url, names=names, environment=environment, sign=self._sign)

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._door.requests

    def close(self) -> None:
        """Let go of the connections."""
        self._door.close()

    def _sign(self, call: Call) -> Call:
        return replace(call, headers={**call.headers, "X-Pocket-Key": self._key})

    def find(self, page: int, since: datetime | None) -> Found:
        """One page, of everything or of what changed at or after a moment."""
        query = [("page", str(page))]
        if since is not None:
            query.append(("since", since.astimezone(UTC).isoformat()))
        return self._door.json(Call("GET", ITEMS, query=query), self._found)

    def _found(self, document: Any, answer: Answer) -> Found:
        if not isinstance(document, dict):
            raise Malformed("items is missing: the answer is no object", place=NAME)
        if (problem := document.get("problem")) is not None:
            words = one_line(str(problem))
            if problem == "key refused":
                raise self._door.names.denied(words)
            raise Malformed(f"refused with {words}", place=NAME)
        for name, kind in (("items", list), ("pages", int), ("edition", int)):
            if type(document.get(name)) is not kind:
                raise Malformed(f"{name} is missing, or of another type", place=NAME)
        return Found(
            document["items"],
            document["pages"],
            document["edition"],
            answer.date() or self._now(),
        )


class _Moved(Exception):
    """Something joined or left the list, which shifts its pages."""


def read_items(session: Pocketstock, request: ReadRequest) -> Iterator[Page]:
    """Every item, or those that changed since the bookmark."""
    for _ in range(WALKS):
        with Spool[datetime | None]() as spool:
            try:
                bookmark = _walk(session, request, spool)
            except _Moved:
                LOG.info("%s: the list changed while it was read; reading it again", STREAM)
            else:
                yield from _pages(spool, bookmark, request.limit)
                return
    raise Malformed(f"the list changed in each of {WALKS} reads", place=STREAM)


def _walk(
    session: Pocketstock, request: ReadRequest, spool: Spool[datetime | None]
) -> datetime | None:
    """The moment up to which everything is in the spool then."""
    to_row = wire.reader(STREAM)
    first = found = session.find(1, request.lower_bound)
    number = 1
    while True:
        if found.edition != first.edition:
            raise _Moved
        for row in map(to_row, found.rows):
            if spool.get(row.key) not in {None, row.line}:
                LOG.warning("%s: %s occurs twice; the last one wins", STREAM, row.key)
            spool.put(row.key, row.line, row.changed)
        if number >= found.pages or request.limit is not None:
            return _latest(spool, first.clock)
        number += 1
        found = session.find(number, request.lower_bound)


def _latest(spool: Spool[datetime | None], clock: datetime) -> datetime | None:
    """The last change, but none after the read began: there may be others that it did not see."""
    moments = [changed for _, changed in spool if changed is not None]
    if not moments:
        return None
    if (latest := max(moments)) > clock:
        LOG.warning("%s: there are changes in the future; the bookmark stays behind them", STREAM)
    return min(latest, clock)


def _pages(
    spool: Spool[datetime | None], bookmark: datetime | None, limit: int | None
) -> Iterator[Page]:
    rows = list(spool)[:limit]
    for begin in range(0, len(rows), PAGE_OF_RECORDS):
        some = rows[begin : begin + PAGE_OF_RECORDS]
        yield Page([line for line, _ in some], [changed for _, changed in some])
    yield Page([], [], bookmark)
