"""Unfinished business: what a run that was cut off has left in the journal is settled first.

What may be repeated is sent again, exactly as it was, in the order in which it was intended. The
setting of a level is never repeated blindly: where it was carried out it is done, where it was not
it goes into the new change set in front of all records, and where somebody else has been at the
item since, nobody can tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from inventory_providers import levels
from inventory_providers.contract import Wish
from inventory_providers.errors import Denied, Malformed, Rejected, Unavailable, Uncertain
from target_inventory.apply import BROKEN, Doubt, is_absent
from target_inventory.changeset import Wanted, line_of
from target_inventory.plan import Planned, is_raise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from inventory_providers.contract import Fields, Key, Write
    from target_inventory.apply import Lane
    from target_inventory.dead_letters import Letter
    from target_inventory.journal import Entry, Status


@dataclass(slots=True)
class Settled:
    """What became of the unfinished business of one account.

    `wanted` goes in front of the new change set, and `entries` are the places in the journal that
    it takes over from. `finished` is what is found done.
    """

    finished: list[Planned] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    unknown: list[Doubt] = field(default_factory=list)


class Settlement:
    """Settles what one account has left.

    `said` tells what the new input speaks of at an item: names of fields, and events.
    """

    def __init__(
        self,
        lane: Lane,
        writes: Mapping[str, Write],
        *,
        resend_within: timedelta,
        said: Callable[[Key], Collection[str]] = lambda _: (),
    ) -> None:
        self._lane, self._journal, self._writes = lane, lane.journal, writes
        self._oldest = lane.environment.clock.now() - resend_within
        self._said = said
        self._undecided: list[Entry] = []
        self._broken: set[Key] = set()
        self.settled = Settled()

    def settle(self, entries: Sequence[Entry]) -> Settled:
        """All of them.

        Raises:
            Denied, Unavailable, Malformed, Uncertain: as when writing; the rest stays as it is.
        """
        untold = {entry.id for entry in self._journal.untold(self._lane.account)}
        settings = [one for one in entries if self._writes[one.stream].effect == "set"]
        others = [one for one in entries if self._writes[one.stream].effect != "set"]
        never_sent = [one for one in others if one.sent_at is None]
        others = [one for one in others if one.sent_at is not None]
        for _, request in groupby(others, key=lambda entry: entry.request):
            for entry in request:
                self._repeat(entry)
        for entry in never_sent:
            # It goes where everything new goes: planned, judged by the guards, and read back.
            if entry.change.key in self._broken:
                self._refuse(entry, BROKEN, None)
            elif entry.change.event is not None and self._is_said_again(entry):
                self.settled.entries.append(entry.id)
            else:
                self._take_over(entry)
        if settings:
            levels = self._lane.levels({entry.change.key for entry in settings})
            for entry in settings:
                self._look(entry, levels.get(entry.change.key))
        # Not before: some of it may have been made good just now.
        self._tell([one for one in self._journal.untold(self._lane.account) if one.id in untold])
        return self.settled

    def _tell(self, entries: Sequence[Entry]) -> None:
        """What a run had found out that ended before it could tell."""
        for entry in entries:
            if self._is_said_again(entry):
                continue
            if entry.status == "unknown":
                self._is_unknown(entry, entry.note)
            else:
                self._letter(entry, entry.note, entry.change.before)

    def _is_said_again(self, entry: Entry) -> bool:
        """Whether the new input asks for all of it, or for something else in its place."""
        change = entry.change
        told = {change.event} if change.event is not None else set(change.asked)
        return bool(told) and told <= set(self._said(change.key))

    # ---- what happens once: additions, creations, deletions ----

    def _repeat(self, entry: Entry) -> None:
        if entry.change.key in self._broken:
            self._refuse(entry, BROKEN, None)
        elif self._may_be_repeated(entry):
            self._send(entry)
        else:
            self._by_reading(entry)

    def _may_be_repeated(self, entry: Entry) -> bool:
        if self._writes[entry.stream].effect == "delete":
            return True
        is_young = entry.sent_at is None or entry.sent_at >= self._oldest
        return entry.order.token is not None and is_young

    def _by_reading(self, entry: Entry) -> None:
        """What stands there tells whether it was done; an addition leaves no other trace."""
        key = entry.change.key
        try:
            levels = self._lane.settled([key], lambda now: not entry.change.done(now.get(key)))
        except (Malformed, Denied) as error:
            self._no_way(entry, error)
            return
        live = levels.get(key)
        if entry.change.done(live):
            self._finish(entry)
        elif entry.change.not_begun(live):
            self._send(entry)
        else:
            self._doubt(entry, "the item has moved since, and it must not be sent again")

    def _send(self, entry: Entry) -> None:
        self._journal.sending(entry.request)
        try:
            self._writes[entry.stream].send(self._lane.session, entry.order)
        except Rejected as error:
            self._refused(entry, error.message)
        except (Unavailable, Uncertain) as error:
            raise _later(error) from None
        except (Malformed, Denied) as error:
            self._no_way(entry, error)
        else:
            self._read_back(entry)

    def _read_back(self, entry: Entry) -> None:
        """A provider that said yes and did nothing is found out here, too."""
        change, key = entry.change, entry.change.key
        levels = self._lane.settled([key], lambda live: is_absent(change, live.get(key)))
        if not is_absent(change, levels.get(key)):
            self._finish(entry)
            return
        reason = "the provider accepted the change but it is not there"
        is_addition = self._writes[entry.stream].effect == "add"
        self._refuse(entry, reason, levels.get(key), "unknown" if is_addition else "refused")

    def _no_way(self, entry: Entry, error: Malformed | Denied) -> None:
        """An answer that will be the same tomorrow must not stop every run from now on."""
        if isinstance(error, Denied) and not error.partly:
            raise error
        self._doubt(entry, error.message)

    def _refused(self, entry: Entry, reason: str) -> None:
        """Refused now: the reason may be that it was done before."""
        key = entry.change.key
        live = self._lane.levels([key]).get(key)
        is_there = self._writes[entry.stream].effect == "create" and live is not None
        if is_there or entry.change.done(live):
            self._finish(entry)
        else:
            self._refuse(entry, reason, live)

    def _refuse(
        self, entry: Entry, reason: str, live: Fields | None, status: Status = "refused"
    ) -> None:
        self._journal.end([entry.id], status, reason)
        # Where the new records ask for the same, it counts what becomes of them.
        if entry.change.event is None or not self._is_said_again(entry):
            self._letter(entry, reason, live)
        if self._writes[entry.stream].effect in {"create", "delete"}:
            self._broken.add(entry.change.key)

    # ---- levels ----

    def _look(self, entry: Entry, live: Fields | None) -> None:
        change = entry.change
        if change.done(live):
            self._finish(entry)
        elif change.not_begun(live):
            self._take_over(entry)
        elif self._is_said_again(entry):
            # The new records decide it, whatever became of the old one.
            self._undecided.append(entry)
        else:
            self._give_up(entry, live)

    def decide(self, rejected: Collection[Key | None]) -> None:
        """The plan is made: what the new records decide is replaced, unless they are rejected."""
        for entry in self._undecided:
            if entry.change.key in rejected:
                self._give_up(entry, None)
            else:
                self.settled.entries.append(entry.id)
        self._undecided = []

    def _give_up(self, entry: Entry, live: Fields | None) -> None:
        if entry.status == "sent":
            self._doubt(entry, "the item has been changed by somebody else since")
        else:
            reason = "it was not written before the run ended, and the level has moved since"
            self._refuse(entry, reason, live)

    def _take_over(self, entry: Entry) -> None:
        self.settled.wanted.append(self._wanted(entry))
        self.settled.entries.append(entry.id)

    # ---- outcomes ----

    def _finish(self, entry: Entry) -> None:
        self._journal.end([entry.id], "done", "found done by the next run")
        write = self._writes[entry.stream]
        self.settled.finished.append(Planned(write, entry.change, [self._wanted(entry)]))

    def _doubt(self, entry: Entry, cause: str) -> None:
        self._journal.end([entry.id], "unknown", cause)
        self._is_unknown(entry, cause)

    def _is_unknown(self, entry: Entry, cause: str) -> None:
        self.settled.unknown.append(Doubt(self._writes[entry.stream], entry.change, cause))

    def _letter(self, entry: Entry, reason: str, live: Fields | None) -> None:
        letter = self._wanted(entry).rejected(reason, entry.change.key, live)
        self.settled.letters.append(letter)

    def _wanted(self, entry: Entry) -> Wanted:
        """What it asks for; of an addition that was to reach a level, that level."""
        change, write = entry.change, self._writes[entry.stream]
        if is_raise(change.event) and change.after is not None:
            return self._raised(entry, write, change.after[write.items.level])
        wish = Wish(change.key, change.asked, extra=change.extra, event=change.event)
        return Wanted(-entry.id, write, wish, line_of(write.record(change)))

    @staticmethod
    def _raised(entry: Entry, write: Write, units: Any) -> Wanted:
        write = replace(write, stream=levels.STREAM, effect="raise", through=write)
        key = entry.change.key
        wish = Wish(key, {write.items.level: units})
        # As a letter it must not be an addition: that would be made whatever stands there by then.
        return Wanted(-entry.id, write, wish, line_of({"sku": key[-1], "available": units}))


def _later(error: Unavailable | Uncertain) -> Unavailable | Uncertain:
    kind = Uncertain if error.silent else Unavailable
    return kind(
        f"a write of an earlier run cannot be settled now ({error.message})",
        place=error.place,
        advice="The journal has it: run again, and it is settled before anything else",
        silent=error.silent,
    )
