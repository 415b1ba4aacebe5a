"""What is right, told from the truth alone: the source's log, the provider's shelf, the kills.

Nothing here knows how the writer works. What no client could have known is no fault of the writer;
each such exemption is as narrow as the truth allows, says why, and is counted.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.simulation.shelf import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.simulation.source import Entry
    from tests.simulation.world import Seen, World

Row = tuple[str, str | None, str, str | None]
Event = tuple[str, str]
Cell = tuple[str, str]

KILLED = -9
UNTOUCHED = Mark("start", -1)


class Letter(NamedTuple):
    """A rejected record in the dead letter file."""

    stream: str
    record: dict[str, Any]
    reason: str

    @property
    def event(self) -> Event | None:
        """The addition that it is."""
        event = self.record.get("idempotency_key")
        return None if event is None else (self.record["sku"], event)


@dataclass(slots=True)
class RunSeen:
    """One run from outside: what went in, and what came out."""

    entries: Sequence[Entry]
    state: int
    letters: list[Letter] = field(default_factory=list)
    came_out: bool = False
    unknown: int = 0


class Held(NamedTuple):
    """What must stand in a cell by the newest record acknowledged.

    `place` is that record's; `first` and `last` are the ticks of the looks at the item in the run
    that acknowledged it; `lied` says that the provider confirmed a request then and did nothing.
    """

    place: int
    value: Any
    first: int
    last: int
    lied: bool


class Oracle:
    """Watches one schedule. `wrong` has each promise that was broken, by name, with what it saw."""

    def __init__(self, world: World) -> None:
        self._world, self._shelf = world, world.shelf
        self.wrong: list[tuple[str, str]] = []
        self.exempted: Counter[str] = Counter()
        self._held: dict[Cell, Held] = {}
        self._asked: dict[Any, int] = {}
        self._buried: set[Event] = set()
        self._unknown: set[Event] = set()
        self._due: set[Event] = set()
        self._excused: dict[Event, str] = {}
        self._checked = self._lies = 0
        self._state_at = -1

    def blame(self, promise: str, what: str) -> None:
        """A promise was broken."""
        self.wrong.append((promise, what))

    def _exempt(self, why: str) -> None:
        self.exempted[why] += 1

    # ---- after each run ----

    def after_a_run(self, seen: RunSeen, code: int, rows: Sequence[Row]) -> None:
        """What was sent, and what was said of it."""
        self._check_what_was_sent(seen)
        self._look_at_unknown(rows)
        self._judge_lies(came_out=False)
        self._judge_refusals()
        if seen.unknown and code not in {8, KILLED}:
            self.blame("unknown, and not told", f"exit {code}")

    def _check_what_was_sent(self, seen: RunSeen) -> None:
        self._ask(seen.entries)
        wire, self._checked = self._world.wire[self._checked :], len(self._world.wire)
        for tick, line in wire:
            for part in _parts_of_line(line):
                self._check_sent(part, tick)

    def _ask(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for part in _parts_of_entry(entry):
                self._asked[part] = max(entry.place, self._asked.get(part, 0))

    def _check_sent(self, part: Any, tick: int) -> None:
        place = self._asked.get(part)
        if place is None:
            self.blame("sent unasked", f"{part} at {tick}")
            return
        held = self._held.get(part[:2]) if part[0] != "add" else None
        if held is not None and place < held.place and tick > held.last and part[2] != held.value:
            self.blame("sent an older level", f"{part} at {tick}, after {held}")

    def _look_at_unknown(self, rows: Sequence[Row]) -> None:
        for item, event, status, sent_at in rows:
            if status == "unknown" and sent_at is None:
                self.blame("unknown, though never sent", f"{item} {event}")
            if status == "unknown" and event is not None:
                self._unknown.add((json.loads(item)[0], event))

    # ---- when STATE comes out ----

    def when_state_comes_out(self, seen: RunSeen) -> None:
        """Everything up to it must be at the provider, or in the dead letters."""
        self._judge_lies(came_out=True)
        self._judge_refusals()
        self._bury(seen)
        for entry in seen.entries:
            if entry.stream == "additions":
                self._due.add((entry.record["sku"], entry.record["idempotency_key"]))
        for cell, (place, value) in _newest(seen.entries).items():
            item = self._world.seen.get(cell[0])
            self._held.pop(cell, None)
            if _is_lettered(cell, value, seen.letters):
                self._exempt("rejected")
            else:
                self._hold(cell, place, value, item)
        for event in sorted(self._due):
            self._check_addition(event)
        self._state_at = self._world.tick

    def _hold(self, cell: Cell, place: int, value: Any, item: Seen | None) -> None:
        if item is None:
            self.blame("acknowledged unseen", f"{cell} {value}")
            return
        lied = any(sku == cell[0] and tick > item.first for sku, _, tick in self._world.lies)
        self._held[cell] = Held(place, value, item.first, item.last, lied)
        if item.sent > item.last:
            self.blame("not read back", f"{cell} {value}")
        self._check_cell(cell)

    def _check_cell(self, cell: Cell) -> None:
        held, stands = self._held[cell], self._stands(cell)
        if stands == held.value:
            return
        mark = self._shelf.marks.get(cell, UNTOUCHED)
        why = self._why_it_may_differ(cell, held, mark)
        if why is None:
            self.blame("lost level", f"{cell} is {stands}, not {held} ({mark})")
        else:
            self._exempt(why)

    def _why_it_may_differ(self, cell: Cell, held: Held, mark: Mark) -> str | None:
        if mark.cause == "hand" and mark.tick > held.first:
            # No client can look and write in one step: who edits after the look has the last word,
            # or it cannot be told from the last word.
            return "edited by hand after the look"
        if held.lied and any(tick > held.first for tick in self._shelf.pushed[cell[0]]):
            # Confirmed, not carried out, and edited by hand: it looks like confirmed and edited.
            return "confirmed and not carried out, and edited by hand besides"
        if held.lied and cell[1] == "there" and self._shelf.written[cell][-1:] > [held.first]:
            # Created and deleted in one run, and one of the two was confirmed and not carried out:
            # it looks as if somebody had created or deleted it again.
            return "one of several steps was confirmed and not carried out"
        return self._why_it_came_late(cell, held, mark) if mark.cause == "late" else None

    def _why_it_came_late(self, cell: Cell, held: Held, mark: Mark) -> str | None:
        if mark.tick > held.last:
            # A request of ours that arrives after the last look: to any client it was lost.
            return "arrived after the last look"
        if self._was_overtaken(cell, mark):
            # Its successor was there when it was read back; nobody waits for it any more.
            return "arrived after its successor was read back"
        if cell[1] == "there" and self._has_been_undone(cell, mark):
            # Sent again because no answer came, and then both arrived, one after it was undone.
            return "a creation or deletion that was sent again arrived twice"
        return None

    def _has_been_undone(self, cell: Cell, mark: Mark) -> bool:
        ticks = (*self._shelf.pushed[cell[0]], *self._shelf.written[cell])
        return len([tick for tick in ticks if mark.sent < tick < mark.tick]) > 1

    def _was_overtaken(self, cell: Cell, mark: Mark) -> bool:
        written = [tick for tick in self._shelf.written[cell] if mark.sent < tick < mark.tick]
        looks = self._world.looks[cell[0]]
        return any(tick < look < mark.tick for tick in written for look in looks)

    def _stands(self, cell: Cell) -> Any:
        sku, name = cell
        if name == "there":
            return sku in self._shelf.items
        return self._shelf.items.get(sku, {}).get(name)

    def _bury(self, seen: RunSeen) -> None:
        for letter in seen.letters:
            if letter.event is None:
                continue
            self._buried.add(letter.event)
            if self._shelf.added[letter.event] and letter.event not in self._unknown:
                self._check_false_letter(letter.event, letter.reason)

    def _check_false_letter(self, event: Event, reason: str) -> None:
        if event[0] in self._shelf.blind:
            self._exempt("a letter for an addition that was made, whose level is never shown")
        elif self._was_pushed(*event):
            # What stands there does not tell whether an addition was made when others move it.
            self._exempt("a letter for an addition that was made, of an item that moved besides")
        elif self._was_made_before(event):
            # Made by a request of an earlier run, of which the writer was told the contrary. Now it
            # is confirmed and the level stays: to a client that does not count on its token's past
            # that looks like a lie.
            self._exempt("a letter for an addition that an earlier run had made")
        else:
            self.blame("false letter", f"{event}: {reason}")

    def _was_made_before(self, event: Event) -> bool:
        item = self._world.seen.get(event[0])
        return item is not None and self._shelf.added_at[event] < item.first

    def _was_pushed(self, sku: str, event: str) -> bool:
        """Whether anything moved its units, or did not, behind the back of this run."""
        ticks = (*self._shelf.pushed[sku], *self._misled(sku, event))
        return any(tick > self._since(sku) for tick in ticks)

    def _since(self, sku: str) -> int:
        """The first look at an item since the last STATE.

        The writer compares with what it saw when it planned; it may have done so in any run since.
        """
        looks = self._world.looks[sku]
        return next((tick for tick in looks if tick > self._state_at), self._world.tick)

    def _misled(self, sku: str, event: str) -> list[int]:
        """When the provider said the contrary of what it did, of others than this addition."""
        said = (*self._world.lies, *self._world.denials)
        return [tick for lied, other, tick in said if lied == sku and other != event]

    def _check_addition(self, event: Event) -> None:
        count = self._shelf.added[event]
        if count > 1:
            self.blame("added twice", f"{event} {count} times")
        if count >= 1 or event in self._buried or event in self._unknown:
            return
        why = self._why_it_may_lack(event)
        if why is None:
            self.blame("addition lost", f"{event}")
        else:
            self._exempt(why)

    def _why_it_may_lack(self, event: Event) -> str | None:
        return self._excused.get(event)

    def _judge_refusals(self) -> None:
        """Additions that were refused, or grew too old, while somebody else moved the item."""
        world = self._world
        for event, seconds in world.sent_at.items():
            too_old = world.clock.seconds - seconds > world.resend_within
            if too_old and self._was_pushed(*event):
                # It must not be sent again, and others move what it would be told by.
                self._excused[event] = "an addition grew too old, and a hand edit looks like it"
        for event, tick in self._world.refusals.items():
            if tick > self._world.begun and self._was_pushed(*event):
                # Refused, and the level is what it would be after it: carried out all the same,
                # or edited by hand. The answer was an error, so what stands there counts.
                self._excused[event] = "an addition was refused, and a hand edit looks like it"

    def _judge_lies(self, *, came_out: bool) -> None:
        """Additions that the provider confirmed and did not carry out: could it be seen?"""
        lies, self._lies = self._world.lies[self._lies :], len(self._world.lies)
        for sku, event, _ in lies:
            if event:
                why = self._why_it_was_believed((sku, event), came_out=came_out)
                if why is not None:
                    self._excused[sku, event] = why

    def _why_it_was_believed(self, event: Event, *, came_out: bool) -> str | None:
        sku = event[0]
        since = self._since(sku)
        if sku in self._shelf.blind:
            return "an addition was confirmed and not carried out, and its level is never shown"
        if not came_out:
            return "an addition was confirmed and not carried out, and the run did not see its end"
        written = (*self._shelf.written[sku, "units"], *self._shelf.written[sku, "there"])
        moved = [*self._shelf.pushed[sku], *written, *self._misled(*event)]
        if any(each > since for each in moved):
            return "an addition was confirmed and not carried out, and the item moved besides"
        return None

    # ---- at the end ----

    def at_the_end(self, log: Sequence[Entry], rows: Sequence[Row]) -> None:
        """Everything has come out, and everything has arrived."""
        for cell in self._held:
            self._check_cell(cell)
        for event in sorted(self._due):
            self._check_addition(event)
        for item, _, status, _ in rows:
            if status != "unknown":
                self.blame("left unfinished", f"{item} {status}")


def _is_lettered(cell: Cell, value: Any, letters: Iterable[Letter]) -> bool:
    sku, name = cell
    for letter in letters:
        if letter.record["sku"] != sku:
            continue
        if name == "there" and letter.stream in {"creations", "deletions"}:
            return True
        if letter.stream == "levels" and letter.record.get(name) == value:
            return True
    return False


def _newest(entries: Iterable[Entry]) -> dict[Cell, tuple[int, Any]]:
    newest: dict[Cell, tuple[int, Any]] = {}
    for entry in entries:
        for verb, sku, value in _cells_of(entry):
            newest[sku, verb] = (entry.place, value)
    return newest


def _cells_of(entry: Entry) -> list[tuple[str, str, Any]]:
    record = entry.record
    if entry.stream == "levels":
        return [(name, record["sku"], record[name]) for name in ("units", "warn") if name in record]
    if entry.stream == "additions":
        return []
    return [("there", record["sku"], entry.stream == "creations")]


def _parts_of_entry(entry: Entry) -> list[Any]:
    record = entry.record
    if entry.stream == "additions":
        return [("add", record["sku"], record["idempotency_key"], record["quantity"])]
    return [(sku, name, value) for name, sku, value in _cells_of(entry)]


def _parts_of_line(line: dict[str, Any]) -> list[Any]:
    sku, verb = line["sku"], line["verb"]
    if verb == "set":
        return [(sku, name, value) for name, value in line["fields"].items()]
    if verb == "add":
        return [("add", sku, line["event"], line["quantity"])]
    return [(sku, "there", verb == "create")]
