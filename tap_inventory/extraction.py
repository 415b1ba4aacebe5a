"""One read of a stream, and every stream that is made from it.

The provider is asked once for all of them. Each has a bookmark of its own and takes at least what
it would have asked for itself (rows before `start_date` may come along); no STATE speaks of a row
that one of them has not written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

from inventory_providers.contract import ReadRequest, earlier
from inventory_providers.errors import Denied, InventoryError, OutputError, ScratchError
from tap_inventory.state import Bookmark, is_due

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from inventory_providers.contract import Page
    from tap_inventory.declared import DeclaredStream, Part
    from tap_inventory.streams import InventoryStream

# Rows between two STATE messages of a stream whose bookmark moves along.
STATE_EVERY = 1000


class Output(ABC):
    """What one stream takes of a read of `source`, and how far it has come.

    `context` names the bookmark in the state of the stream, `place` the stream in messages. Once
    it has begun, `wish` is what it would ask for if it were alone.
    """

    def __init__(
        self,
        stream: DeclaredStream,
        source: InventoryStream,
        part: Part | None,
        context: Part | None,
    ) -> None:
        self.stream, self.source = stream, source
        self.place = stream.place(context)
        self.wish = ReadRequest()
        self._part, self._context = part, context
        self._began = source.tap.environment.clock.now()
        self._bookmark: Bookmark | None = None
        self._floor: datetime | None = None
        self._is_all = self._is_dated = False

    @property
    def scope(self) -> Sequence[str]:
        """What a bookmark holds for: one that was made with less is not used."""
        return self.source.scope

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count the records and the time in the stream's metrics."""
        with self.stream.get_record_counter() as self._counter, self.stream.get_sync_timer():
            yield

    def begin(self) -> bool:
        """Look up the bookmark; says whether the state has changed."""
        if self.source.reads_changes and self.stream.reads_changes:
            self._bookmark = self._stored()
            self.wish = self._changes(self._bookmark)
            return False
        self.wish = self._everything()
        # A full table overtakes what the last incremental run delivered.
        is_test = self.stream.ABORT_AT_RECORD_COUNT is not None
        known = self.stream.known_state(self._context)
        return not is_test and known.pop("overlap", None) is not None

    def _stored(self) -> Bookmark:
        key = self.source.declared.replication_key
        assert key is not None
        state = self.stream.get_context_state(self._context)
        return Bookmark(state, key, by_day=self.source.declared.by_day)

    def _everything(self) -> ReadRequest:
        # Elsewhere a full table is the whole stock; of days there is no whole.
        start = self.source.tap.start_date if self.source.declared.by_day else None
        limit = self.stream.ABORT_AT_RECORD_COUNT
        key = self.source.known_key
        return ReadRequest(start=start, limit=limit, partition=self._part or {}, key=key)

    def _changes(self, bookmark: Bookmark) -> ReadRequest:
        source = self.source
        days = source.full_refresh_days
        full = source.declared.full_refresh and is_due(bookmark, days, self._began)
        full |= bookmark.widen(self.scope)
        return ReadRequest(
            since=bookmark.since,
            start=source.tap.start_date,
            lookback=source.lookback,
            full=full,
            partition=self._part or {},
            key=source.known_key,
        )

    def agree(self, request: ReadRequest) -> None:
        """This is asked for in the end, which may be more than the wish."""
        wish = self.wish
        self._is_all = _is_all(request)
        if self._bookmark is not None and wish.since and not wish.full and request != wish:
            self._floor = earlier(wish.since, wish.lookback)

    def choose(self, page: Page) -> Sequence[bytes]:
        """What of a page is for this stream and new to it, as far as the rows tell."""
        if self._bookmark is None or not page.times:
            return page.lines
        self._is_dated = True
        lines, moments = self._wished(page)
        return self._bookmark.fresh(lines, moments, repeat=self.wish.full)

    def _wished(self, page: Page) -> tuple[Sequence[bytes], Sequence[datetime | None]]:
        """What of a page a read for this output alone would have brought."""
        floor = self._floor
        if floor is None:
            return page.lines, page.times
        # A row without a time may have changed: some rooms always bring it.
        kept = [moment is None or moment >= floor for moment in page.times]
        return list(compress(page.lines, kept)), list(compress(page.times, kept))

    def forget(self, page: Page) -> bool:
        """Something new follows; says whether the state had fingerprints of what was before it."""
        return self._bookmark is not None and bool(page.times) and self._bookmark.forget()

    def write(self, page: Page, lines: Sequence[bytes]) -> int:
        """Write the lines of a page that were chosen; says how many records that were."""
        try:
            written = self._emit(page, lines)
        except InventoryError as error:
            error.at(self.place)
            raise
        self._counter.increment(written)
        return written

    @abstractmethod
    def _emit(self, page: Page, lines: Sequence[bytes]) -> int:
        """Make records of the lines, and write them."""

    def advance(self, moment: datetime | None) -> bool:
        """Everything up to here has been written; says whether the bookmark moved."""
        return self._bookmark is not None and self._bookmark.advance(moment)

    def finish(self) -> bool:
        """The read came to its end; says whether there is a bookmark to tell of it."""
        if self._bookmark is None:
            return False
        # Rows without times went to every output, whichever of them wanted all.
        full = self.wish.full or (self._is_all and not self._is_dated)
        self._bookmark.finish(self.source.lookback, full=full, now=self._began)
        return True


class Extraction:
    """One read of a stream, or of one part of it, for some outputs."""

    def __init__(self, source: InventoryStream, outputs: Sequence[Output]) -> None:
        self._source, self._outputs = source, outputs
        self._tap = source.tap
        self._driver = outputs[0].stream

    def run(self) -> bool:
        """Whether it came to its end; a failure is noted, other reads go on."""
        error = self._failure()
        if error is not None:
            places = [output.place for output in self._outputs]
            # The one that it is about comes first: it is named with the cause.
            places.sort(key=lambda place: place != error.place)
            self._tap.note_failure(self._source.room, places, error)
        self._tap.message_writer.flush()
        self._driver.write_state()
        return error is None

    def _failure(self) -> InventoryError | None:
        place = self._outputs[0].place
        if (denied := self._tap.denied(self._source.room)) is not None:
            return Denied(
                f"not read: {denied.message}",
                place=place,
                advice=denied.advice,
            )
        try:
            with ExitStack() as stack:
                for output in self._outputs:
                    stack.enter_context(output.measured())
                self._read()
        except ScratchError as error:
            return error.at(place)
        except OutputError:
            # Nothing may follow: a STATE would speak of rows that never arrived.
            raise
        except InventoryError as error:
            return error.at(place)
        return None

    def _read(self) -> None:
        overtaken = [output.begin() for output in self._outputs]
        if any(overtaken):
            self._driver.write_state(changed=True)
        request = union([output.wish for output in self._outputs])
        for output in self._outputs:
            output.agree(request)
        self._source.logger.info("%s: reading %s", self._outputs[0].place, _described(request))
        rows = 0
        for page in self._source.pages(request):
            rows += self._deliver(page)
            moved = [output.advance(page.bookmark) for output in self._outputs]
            self._note(moved)
            if any(moved) and (rows >= STATE_EVERY or self._source.declared.by_day):
                rows = 0
                self._driver.write_state()
        self._note([output.finish() for output in self._outputs])

    def _note(self, changes: Sequence[bool]) -> None:
        self._driver.state_manager.is_flushed &= not any(changes)

    def _deliver(self, page: Page) -> int:
        chosen = [(output, output.choose(page)) for output in self._outputs]
        forgotten = [output.forget(page) for output, lines in chosen if lines]
        if any(forgotten):
            # Should this run be cut off: what was delivered before is then not the latest.
            self._driver.write_state(changed=True)
        return sum(output.write(page, lines) for output, lines in chosen)


def extract(source: InventoryStream, *streams: DeclaredStream) -> bool:
    """Read a stream for these streams, part by part; whether all of it came to its end."""
    complete = [
        Extraction(source, [stream.output(source, part) for stream in streams]).run()
        for part in source.parts
    ]
    return all(complete)


def union(requests: Sequence[ReadRequest]) -> ReadRequest:
    """What brings everything that each of these asks for."""
    first = requests[0]
    return replace(
        first,
        since=_earliest([request.since for request in requests]),
        start=_earliest([request.start for request in requests]),
        lookback=max(request.lookback for request in requests),
        full=any(request.full for request in requests),
    )


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    """The first of them; None, which is no bound, comes before all."""
    known = [moment for moment in moments if moment is not None]
    return min(known) if len(known) == len(moments) else None


def _is_all(request: ReadRequest) -> bool:
    return request.full or request.since is None


def _described(request: ReadRequest) -> str:
    bound = request.lower_bound
    return "everything" if bound is None else f"changes since {bound.isoformat()}"
