"""One run is one change set: what every record wants, in input order, before a request is sent.

Guards need the whole picture, and a plan that a person approves has to be complete. Of an item the
newest value wins, in the order of the input, whatever stream or schema it came with.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers import times
from inventory_providers.contract import Address, Wish
from inventory_providers.errors import Rejected
from inventory_providers.jsonio import NotJson, dumps, loads_leniently
from inventory_providers.spool import Spool
from target_inventory.dead_letters import Letter, writable
from target_inventory.levels import NOWHERE, key_of, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from inventory_providers.contract import Fields, Index, Key, Record, Write
    from target_inventory.levels import Levels, Origin, Source


# The clock of the tap need not be ours.
CLOCKS_DIFFER = timedelta(minutes=5)


class Wanted(NamedTuple):
    """What one record asks for, and the record itself, as JSON, for a dead letter.

    `number` is its place in the input; what an earlier run has left has the negative of its place
    in the journal. `letter` is the name of a dead letter that is fed back.
    """

    number: int
    write: Write
    wish: Wish
    line: bytes
    letter: str | None = None

    @property
    def record(self) -> Record:
        """The record as it came."""
        found: Record = loads_leniently(self.line)
        return found

    def rejected(
        self, reason: str, key: Key | None, live: Fields | None = None, kind: str = ""
    ) -> Letter:
        """The record as a dead letter that shows what stands there; it asks for the same again."""
        shown = None if live is None else dict(live)
        return Letter(
            self.write.stream, self.record, reason, shown, key, self.number, self.letter, kind
        )


class _Waiting(NamedTuple):
    """A level: its place in the input, where it came from, and the dead letter that it was."""

    number: int
    origin: Origin
    letter: str | None


class History(NamedTuple):
    """What the journal knows of earlier runs.

    `origins` are the sources of each item's levels with the time of the newest, those that no item
    took under `NOWHERE`. `written_since` tells whether an item was written after a moment.
    """

    origins: Mapping[Key, Mapping[Source, float | None]]
    written_since: Callable[[Key, str], bool]


class ChangeSet:
    """The wishes of one run, by provider, and the records that cannot be wishes."""

    def __init__(self, now: datetime, max_age_seconds: int | None = None) -> None:
        self.read = 0
        self.left_out = 0
        self.superseded = 0
        self.letters: list[Letter] = []
        self._now = now
        self._oldest = None
        if max_age_seconds is not None:
            self._oldest = now - timedelta(seconds=max_age_seconds)
        self._spool: Spool[None] = Spool()
        self._writes: dict[str, Write] = {}
        self._by_item: dict[str, dict[Key, list[int]]] = {}
        self._first: dict[str, dict[Key, list[Wanted]]] = {}
        # Levels wait here until it is known which items they speak of.
        self._waiting: dict[str, dict[Address, list[_Waiting]]] = {}
        self._origins: dict[Origin, Origin] = {}
        self._planned: dict[str, dict[Key, list[Origin]]] = {}

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    def keys(self, provider: str) -> Collection[Key]:
        """The items of a provider that are spoken of."""
        known = self._first.get(provider, {})
        return known.keys() | self._by_item.get(provider, {}).keys()

    def add(
        self,
        provider: str,
        write: Write,
        record: Any,
        *,
        expected: Fields | None = None,
        letter: str | None = None,
        planned_from: Origin | None = None,
    ) -> None:
        """Take one record. What is wrong with it makes a dead letter, and nothing else.

        `expected` are live values that must hold, besides those that the record names itself.
        `planned_from` is where a level came from that was planned before.
        """
        self.read += 1
        if not isinstance(record, dict):
            self.reject(write.stream, record, "the record is not an object")
            return
        try:
            wish = self._checked(write, record)
        except Rejected as error:
            self.reject(
                write.stream, record, error.message, write=write, letter=letter, kind=error.kind
            )
            return
        if expected:
            wish = replace(wish, expected={**wish.expected, **expected})
        self._writes[write.stream] = write
        self._spool.put(str(self.read), _encode(write, wish, record, letter), None)
        if planned_from is not None:
            self._planned.setdefault(provider, {}).setdefault(wish.key, []).append(planned_from)
        if isinstance(wish.key, Address):
            origin = origin_of(record, self._now)
            waiting = _Waiting(self.read, self._origins.setdefault(origin, origin), letter)
            self._waiting.setdefault(provider, {}).setdefault(wish.key, []).append(waiting)
        else:
            self._by_item.setdefault(provider, {}).setdefault(wish.key, []).append(self.read)

    def _checked(self, write: Write, record: Record) -> Wish:
        if self._oldest is not None and (write.through or record.get("observed_at") is not None):
            self._must_be_fresh(record.get("observed_at"))
        return write.parse(record)

    def _must_be_fresh(self, observed: Any) -> None:
        try:
            moment = times.parse(observed)
        except (TypeError, ValueError, OverflowError, AttributeError):
            raise Rejected("observed_at is missing or not a date-time") from None
        if self._oldest is not None and moment < self._oldest:
            raise Rejected("it was observed longer ago than max_age_seconds")
        if moment > self._now + CLOCKS_DIFFER:
            raise Rejected("observed_at is in the future, so nobody knows how old it is")

    def first(self, provider: str, wanted: Wanted) -> None:
        """Put in front what an earlier run has left to be done."""
        items = self._first.setdefault(provider, {})
        items.setdefault(wanted.wish.key, []).append(wanted)

    def reject(
        self,
        stream: str,
        record: Any,
        reason: str,
        *,
        write: Write | None = None,
        letter: str | None = None,
        kind: str = "",
    ) -> None:
        """A record that no wish can be made of."""
        kept = record if isinstance(record, dict) else {"value": record}
        key = _key(write, kept)
        self.letters.append(Letter(stream, kept, reason, None, key, self.read, letter, kind))

    # ---- levels from elsewhere ----

    def planned(self, provider: str) -> Mapping[Key, Sequence[Origin]]:
        """Where the levels came from that were planned before, by item."""
        return self._planned.get(provider, {})

    def addresses(self, provider: str) -> Collection[Address]:
        """What the levels for a provider call its items."""
        return self._waiting.get(provider, {}).keys()

    def resolve(
        self,
        provider: str,
        index: Index,
        levels: Levels,
        history: History,
    ) -> dict[Key, list[Origin]]:
        """Give the levels to the items that they speak of; returns where those of each came from.

        What stands for no item, for several, or comes from several places makes a dead letter.
        """
        found: dict[Key, list[_Waiting]] = defaultdict(list)
        for address, waiting in self._waiting.pop(provider, {}).items():
            try:
                found[key_of(address, index, has_map=levels.has_map)] += waiting
            except Rejected as error:
                self._refuse(waiting, error, None)
        earlier = history.origins
        nowhere = earlier.get(NOWHERE, {})
        items = self._by_item.setdefault(provider, {})
        origins: dict[Key, list[Origin]] = {}
        for key, waiting in found.items():
            before = earlier.get(key, {})
            since = partial(history.written_since, key)
            fresh = [one for one in waiting if not self._is_old(one, (before, nowhere), since)]
            try:
                levels.must_be_one(before, [one.origin for one in fresh])
            except Rejected as error:
                self._refuse(fresh, error, key)
                if before:
                    # Where the item's levels come from is known: another source does not count.
                    continue
            else:
                items[key] = sorted([*items.get(key, ()), *(one.number for one in fresh)])
            origins[key] = [one.origin for one in waiting]
        return origins

    def _is_old(
        self,
        one: _Waiting,
        before: Sequence[Mapping[Source, float | None]],
        written_since: Callable[[str], bool],
    ) -> bool:
        """Whether a dead letter tells of a level that something newer has overtaken."""
        if one.letter is None:
            return False
        observed = one.origin.observed
        known = (sources.get(one.origin.source) for sources in before)
        is_old = observed is not None and any(at is not None and observed < at for at in known)
        is_old = is_old or written_since(one.letter.rpartition(" ")[0])
        self.superseded += is_old
        return is_old

    def _refuse(self, waiting: list[_Waiting], error: Rejected, key: Key | None) -> None:
        for one in waiting:
            wanted = self._wanted(one.number, ())
            self.letters.append(wanted.rejected(error.message, key, kind=error.kind))

    def said(self, provider: str, key: Key) -> set[str]:
        """What the input speaks of at one item: names of fields, and events."""
        numbers = self._by_item.get(provider, {}).get(key, ())
        wishes = [self._wanted(number, key).wish for number in numbers]
        events = {wish.event for wish in wishes if wish.event is not None}
        return events | {name for wish in wishes if wish.event is None for name in wish.fields}

    def items(self, provider: str) -> Iterator[tuple[Key, list[Wanted]]]:
        """Each item of a provider with what is wanted of it, in input order."""
        first, by_item = self._first.get(provider, {}), self._by_item.get(provider, {})
        for key in dict.fromkeys((*first, *by_item)):
            numbers = by_item.get(key, ())
            yield key, [*first.get(key, ()), *(self._wanted(number, key) for number in numbers)]

    def _wanted(self, number: int, key: Key) -> Wanted:
        line = self._spool.get(str(number))
        assert line is not None
        head, _, record = line.partition(b"\n")
        stream, fields, expected, extra, event, letter = loads_leniently(head)
        wish = Wish(key, fields, expected, extra, event)
        return Wanted(number, self._writes[stream], wish, record, letter)


def _encode(write: Write, wish: Wish, record: Record, letter: str | None) -> bytes:
    parts = (
        write.stream,
        dict(wish.fields),
        dict(wish.expected),
        dict(wish.extra),
        wish.event,
        letter,
    )
    return dumps(parts) + b"\n" + line_of(record)


def line_of(record: Record) -> bytes:
    """A record as JSON, however wrong its values are."""
    try:
        return dumps(record)
    except NotJson:
        return dumps(writable(record))


def _key(write: Write | None, record: Record) -> Key | None:
    """The item that a record speaks of, where it can be told."""
    if write is None or write.through is not None:
        return None
    parts = [record.get(name) for name in write.items.key]
    key = tuple(part for part in parts if isinstance(part, str))
    return key if len(key) == len(parts) else None
