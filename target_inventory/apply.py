"""Carrying a plan out at one provider: send, find out what became of it, read it back.

The provider has one answer for a whole request. Where that answer is bad, or does not come, a
request with a token is sent again as it is; for all others the live levels are read before anything
is sent again: what holds the wanted level is written, what still holds the old one was not, and
what holds a third was changed by somebody else in between. Each step is in the journal before the
next begins.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.errors import (
    InventoryError,
    Malformed,
    OutputError,
    Rejected,
    Unavailable,
    Uncertain,
)
from target_inventory.journal import Intended
from target_inventory.words import EXAMPLES, item, many

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from inventory_providers.contract import Change, Fields, Items, Key, Order, Session, Write
    from inventory_providers.environment import Environment
    from target_inventory.dead_letters import Letter
    from target_inventory.journal import Journal, Status
    from target_inventory.plan import Planned

LOG = logging.getLogger("target-inventory")

# How often a batch whose answer was lost is sent again, each time only what is not yet written.
TRIES = 4
SEEN = "read back"
BROKEN = "not sent: what comes before it for this item was refused"


class Doubt(NamedTuple):
    """A write whose outcome nobody can tell, and why."""

    write: Write
    change: Change
    cause: str


@dataclass(slots=True)
class Outcome:
    """What became of the changes."""

    written: list[Planned] = field(default_factory=list)
    verified: int = 0
    moved: int = 0
    letters: list[Letter] = field(default_factory=list)
    unknown: list[Doubt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lane:
    """Where one provider's writes go, one request at a time."""

    session: Session
    items: Items
    account: str
    journal: Journal
    environment: Environment

    def levels(self, keys: Collection[Key]) -> Mapping[Key, Fields]:
        """The live levels of some items."""
        return self.items.levels(self.session, keys)

    def settled(
        self, keys: Collection[Key], waits_for: Callable[[Mapping[Key, Fields]], bool]
    ) -> Mapping[Key, Fields]:
        """The levels, read again where the provider may show what is waited for only later."""
        levels = self.levels(keys)
        for seconds in self.items.lag:
            if not waits_for(levels):
                break
            self.environment.clock.sleep(seconds)
            levels = self.levels(keys)
        return levels


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, as it stands in the journal."""

    number: int
    write: Write
    order: Order
    batch: Sequence[Planned]

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending it twice is the same as sending it once."""
        return self.order.token is not None or self.write.effect == "delete"


class Applier:
    """Writes the changes for one provider.

    `ghosts` are changes of earlier runs that had not arrived when their levels were read: one that
    arrives late is not somebody else's change.
    """

    def __init__(
        self,
        lane: Lane,
        *,
        ghosts: Sequence[Change] = (),
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._lane, self._journal = lane, lane.journal
        self._advance = advance
        self._ghosts: dict[Key, list[Change]] = defaultdict(list)
        for ghost in ghosts:
            self._ghosts[ghost.key].append(ghost)
        self._requests: list[_Request] = []
        # What stood there before the first change to each item, and how many units were refused.
        self._before: dict[Key, Fields | None] = {}
        self._lacking: dict[Key, Any] = defaultdict(int)
        # Where each change stands in the journal, and which of these have not been sent.
        self._entries: dict[int, int] = {}
        self._unsent: set[int] = set()
        # Items whose creation or deletion was refused: what was to follow it makes no sense.
        self._broken: set[Key] = set()
        self.outcome = Outcome()

    def intend(self, changes: Sequence[Planned], *, replaces: Collection[int] = ()) -> None:
        """Put all that will be sent into the journal, in place of what is left of earlier runs."""
        for planned in changes:
            self._before.setdefault(planned.change.key, planned.change.before)
        self._requests = self._noted(list(_batches(changes)), replaces)

    def _noted(
        self, batches: Sequence[Sequence[Planned]], replaces: Collection[int]
    ) -> list[_Request]:
        if not batches and not replaces:
            return []
        intended = [_intended(batch) for batch in batches]
        noted = self._journal.intend(self._lane.account, intended, replaces=replaces)
        self._unsent.difference_update(replaces)
        requests = []
        for batch, (_, order, _), (number, entries) in zip(batches, intended, noted, strict=True):
            requests.append(_Request(number, batch[0].write, order, batch))
            self._entries |= dict(zip(map(id, batch), entries, strict=True))
            self._unsent.update(entries)
        return requests

    def _ids(self, some: Iterable[Planned]) -> list[int]:
        return [self._entries[id(planned)] for planned in some]

    def _end(self, some: Sequence[Planned], status: Status, note: str | None = None) -> None:
        self._journal.end(self._ids(some), status, note)

    def apply(self) -> Outcome:
        """Send everything that is intended, then read it back.

        Raises:
            Denied, Unavailable, Malformed: the run cannot go on; no STATE may follow.
            Uncertain: so, and at least one write may or may not have been carried out.
        """
        try:
            for request in self._requests:
                if request.batch[0].change.key in self._broken:
                    self._leave_out(request.batch)
                else:
                    self._send(request)
            self._verify()
        except (Unavailable, Uncertain):
            # What has not been sent stays intended: the next run finishes it first.
            raise
        except BaseException:
            self.withdraw()
            raise
        return self.outcome

    def withdraw(self) -> None:
        """Somebody has to do something first: what has not been sent is not to be sent."""
        with suppress(OutputError):
            self._journal.end(sorted(self._unsent), "withdrawn", "the run ended before")
            self._unsent.clear()

    def _send(self, request: _Request, tries: int = TRIES) -> None:
        batch = request.batch
        self._journal.sending(request.number)
        self._unsent.difference_update(self._ids(batch))
        try:
            request.write.send(self._lane.session, request.order)
        except Rejected as error:
            self._split(request, error)
        except Uncertain as error:
            self._again(request, error, tries - 1)
        except Unavailable as error:
            raise self._not_now(request, error) from None
        except Malformed as error:
            if not request.may_be_repeated:
                self._end(self._not_written(batch, error), "withdrawn", error.message)
            raise
        except InventoryError as error:
            # An earlier try of the same may have been carried out, or still be.
            if not error.in_doubt and tries == TRIES:
                self._end(batch, "withdrawn", error.message)
            raise
        else:
            self._done(batch)

    def _leave_out(self, batch: Sequence[Planned]) -> None:
        self._unsent.difference_update(self._ids(batch))
        self._refuse(batch, BROKEN)

    def _refuse(self, some: Sequence[Planned], reason: str) -> None:
        self._end(some, "refused", reason)
        for planned in some:
            self.outcome.letters += planned.rejected(reason)
            if planned.write.effect == "add":
                self._lacking[planned.change.key] += planned.change.asked["quantity"]
            if planned.write.effect in {"create", "delete"}:
                self._broken.add(planned.change.key)

    def _done(self, batch: Sequence[Planned]) -> None:
        self._end(batch, "done")
        self.outcome.written.extend(batch)
        self._advance(len(batch))

    def _not_now(self, request: _Request, error: Unavailable) -> InventoryError:
        """The provider is down. What may be repeated may have been carried out all the same."""
        if request.may_be_repeated:
            return _in_doubt(request.batch, error, error)
        self._end(request.batch, "intended")
        return error

    def _split(self, request: _Request, error: Rejected) -> None:
        """Halve a refused batch until the bad record stands alone."""
        batch = request.batch
        if len(batch) == 1:
            self._refuse(self._not_written(batch, error, refused=True), error.message)
            return
        rest = self._not_written(batch, error)
        middle = max(len(rest) // 2, 1)
        halves = [half for half in (rest[:middle], rest[middle:]) if half]
        for half in self._noted(halves, self._ids(rest)):
            self._send(half)

    def _again(self, request: _Request, error: Uncertain, tries: int) -> None:
        if request.may_be_repeated:
            if tries == 0:
                raise _in_doubt(request.batch, error, error)
            self._wait(tries)
            self._send(request, tries)
            return
        LOG.warning("%s; reading back before anything is sent again", error)
        rest = self._not_written(request.batch, error)
        if not rest:
            return
        if tries == 0:
            # It stays `sent` in the journal: it may still arrive.
            raise Unavailable(
                f"not carried out in {TRIES} tries: {many(len(rest), 'write')} ({error.message})",
                place=error.place,
            )
        self._wait(tries)
        if len(rest) < len(request.batch):
            (request,) = self._noted([rest], self._ids(rest))
        self._send(request, tries)

    def _wait(self, tries: int) -> None:
        self._lane.environment.clock.sleep(2.0 ** (TRIES - tries - 1))

    def _not_written(
        self, batch: Sequence[Planned], cause: InventoryError, *, refused: bool = False
    ) -> list[Planned]:
        """Read the items of a doubtful batch; keep those that do not hold what is wanted.

        What holds neither the old value nor the wanted one is unknown; unless it was `refused`, by
        itself: then it is simply not written.
        """
        levels = self._levels_in_doubt(batch, cause, patiently=not refused)
        rest: list[Planned] = []
        written: list[Planned] = []
        for planned in batch:
            change, live = self._by_now(planned), levels.get(planned.change.key)
            if change.done(live):
                written.append(planned)
            elif live is None or refused or change.not_begun(live):
                rest.append(planned)
            else:
                doubt = f"{cause.message}; what stands there is neither the old value nor the new"
                self._end([planned], "unknown", doubt)
                self.outcome.unknown.append(Doubt(planned.write, change, doubt))
        self._done(written)
        return rest

    def _by_now(self, planned: Planned) -> Change:
        """The change, without the additions before it that were refused."""
        lacking, change = self._lacking[planned.change.key], planned.change
        if not lacking or not change.fields:
            return change
        level = planned.write.items.level
        before, after = (
            {**fields, level: fields[level] - lacking}
            for fields in (change.before or {}, change.after or {})
        )
        return replace(change, before=before, after=after)

    def _levels_in_doubt(
        self, batch: Sequence[Planned], cause: InventoryError, *, patiently: bool
    ) -> Mapping[Key, Fields]:
        def not_there(levels: Mapping[Key, Fields]) -> bool:
            done = (one.change.done(levels.get(one.change.key)) for one in batch)
            return patiently and not all(done)

        try:
            return self._lane.settled([one.change.key for one in batch], not_there)
        except InventoryError as error:
            raise _in_doubt(batch, cause, error) from None

    # ---- reading back ----

    def _verify(self) -> None:
        """Read back what was written. A provider that said yes and did nothing is found out."""
        items = _by_item(self.outcome.written)
        if not items:
            return
        whole = {key: _whole(planned, self._before[key]) for key, planned in items.items()}
        levels = self._lane.settled(
            list(whole), lambda live: any(is_absent(whole[key], live.get(key)) for key in whole)
        )
        late = [key for key, change in whole.items() if self._is_ghost(change, levels.get(key))]
        if late:
            levels = self._overtake(late, items, levels)
        for key, planned in items.items():
            self._judge(whole[key], planned, levels.get(key))
        self._end(self.outcome.written, "done", SEEN)

    def _judge(self, change: Change, all_of_it: Sequence[Planned], live: Fields | None) -> None:
        if not _can_be_told(change):
            return
        if change.done(live):
            self.outcome.verified += len(all_of_it)
        elif live is None or is_absent(change, live) or self._may_show(change, all_of_it, live):
            self._lied(all_of_it, live)
        else:
            # A sale between the write and the read-back: the write had its answer.
            self.outcome.moved += len(all_of_it)
            if self.outcome.moved <= EXAMPLES:
                LOG.warning("%s was changed again after it was written", item(change.key))

    def _may_show(self, change: Change, all_of_it: Sequence[Planned], live: Fields) -> bool:
        """Whether there is less than before an addition: perhaps a sale, and no addition yet."""
        level = self._lane.items.level
        before, now = (change.before or {}).get(level), live[level]
        only_additions = all(planned.write.effect == "add" for planned in all_of_it)
        return only_additions and before is not None and now is not None and now < before

    def _lied(self, all_of_it: Sequence[Planned], live: Fields | None) -> None:
        if live is not None:
            all_of_it = [planned for planned in all_of_it if planned.write.effect != "create"]
        reason = "the provider accepted the change but it is not there"
        if self._lane.items.lag:
            reason += f", {sum(self._lane.items.lag):g} s later: look before you send it again"
        # An addition may still show one day; its key must not be used for a second one.
        additions = [planned for planned in all_of_it if planned.write.effect == "add"]
        self._end(additions, "unknown", reason)
        self._end(
            [planned for planned in all_of_it if planned.write.effect != "add"], "refused", reason
        )
        gone = set(map(id, all_of_it))
        self.outcome.written = [one for one in self.outcome.written if id(one) not in gone]
        for planned in all_of_it:
            self.outcome.letters += planned.rejected(reason, live)

    def _is_ghost(self, change: Change, live: Fields | None) -> bool:
        """Whether an older change of ours came after the newer one, in whatever field."""
        wanted = change.after
        if live is None or wanted is None:
            return False
        older = [(ghost.fields, ghost.after or {}) for ghost in self._ghosts[change.key]]
        return any(
            live[name] == after[name] != wanted[name] for names, after in older for name in names
        )

    def _overtake(
        self,
        late: Sequence[Key],
        items: Mapping[Key, Sequence[Planned]],
        levels: Mapping[Key, Fields],
    ) -> Mapping[Key, Fields]:
        """An older change of ours has arrived after a newer one: the newer one is sent again."""
        LOG.warning("arrived late: %s, sent again what is newer", many(len(late), "older write"))
        written, self.outcome.written = self.outcome.written, []
        again = []
        for key in late:
            last = items[key][-1]
            again.append(replace(last, change=replace(last.change, before=levels[key])))
        try:
            for request in self._noted(list(_batches(again)), ()):
                self._send(request)
        finally:
            self.outcome.written = written
        return self._lane.levels(list(items))


def is_absent(change: Change, live: Fields | None) -> bool:
    """Whether what stands there is what stood there before, and not what is wanted."""
    return change.not_begun(live) and not change.done(live)


def _can_be_told(change: Change) -> bool:
    """Whether what stands there shows that the change was made."""
    return bool(change.fields) or (change.before is None) != (change.after is None)


def _whole(all_of_it: Sequence[Planned], before: Fields | None) -> Change:
    """All writes to one item as one change, without what was refused in between.

    After a creation it is what came upon it.
    """
    first, after = all_of_it[0].change, before
    for planned in all_of_it:
        after = _carried_out(planned, after)
    is_new = first.before is None and len(all_of_it) > 1 and after is not None
    return replace(all_of_it[-1].change, before=first.after if is_new else before, after=after)


def _carried_out(planned: Planned, state: Fields | None) -> Fields | None:
    if planned.write.effect != "add" or state is None:
        return planned.change.after
    return planned.write.items.added(state, planned.change.asked["quantity"])


def _by_item(changes: Iterable[Planned]) -> dict[Key, list[Planned]]:
    items: dict[Key, list[Planned]] = {}
    for planned in changes:
        items.setdefault(planned.change.key, []).append(planned)
    return items


def _in_doubt(
    batch: Sequence[Planned], cause: InventoryError, error: InventoryError
) -> InventoryError:
    """Writes were sent and nobody can be asked what became of them: the journal keeps them.

    A provider that answers with an error is down; one that does not answer leaves us in doubt.
    """
    silent = getattr(cause, "silent", False) or not isinstance(error, Unavailable)
    kind = Uncertain if silent else Unavailable
    causes = "; ".join(dict.fromkeys((cause.message, error.message)))
    return kind(
        f"not known yet whether it was carried out: {_named(batch)} ({causes})",
        place=error.place,
        advice="The journal has it: run again, and it is settled before anything else",
    )


def _named(batch: Sequence[Planned]) -> str:
    """How many, and the first of them."""
    items = ", ".join(item(planned.change.key) for planned in batch[:3])
    return f"{many(len(batch), 'write')}, of {items}{', ...' if len(batch) > 3 else ''}"


def _intended(batch: Sequence[Planned]) -> Intended:
    changes = [planned.change for planned in batch]
    write = batch[0].write
    return Intended(write.stream, write.order(changes), changes)


def _batches(changes: Iterable[Planned]) -> Iterator[Sequence[Planned]]:
    """As many as one request takes, in their order, each of one stream."""
    for _, group in groupby(changes, key=lambda planned: planned.write.stream):
        same = list(group)
        size = same[0].write.batch_size
        yield from (same[start : start + size] for start in range(0, len(same), size))
