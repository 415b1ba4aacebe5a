"""The plan: every record against the live levels. Nothing is written before it is whole."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inventory_providers import levels
from inventory_providers.contract import Change
from inventory_providers.errors import InputError, Rejected, Untracked
from inventory_providers.jsonio import dumps
from target_inventory.sku_map import Unmapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from inventory_providers.contract import Fields, Key, Record, Wish, Write
    from target_inventory.changeset import Wanted
    from target_inventory.dead_letters import Letter
    from target_inventory.journal import Status

# How the key of an addition begins that is made to reach a level.
RAISED = f"{levels.STREAM}:"

# What the plan shows of a level from elsewhere: `available` is before the rules.
FROM = (
    "provider",
    "account",
    "location_id",
    "sku",
    "provider_item_id",
    "available",
    "observed_at",
)

# What became of an addition when it was last tried, and what it asked for.
Event = tuple["Status", "Fields"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One intended write, and the records that ask for it."""

    write: Write
    change: Change
    wanted: Sequence[Wanted]

    @property
    def number(self) -> int:
        """The place of the last of its records in the input."""
        return self.wanted[-1].number

    @property
    def is_level(self) -> bool:
        """Whether a level from elsewhere asks for it."""
        return any(one.write.stream == levels.STREAM for one in self.wanted[-1:])

    def rejected(self, reason: str, live: Fields | None = None) -> list[Letter]:
        """The records as dead letters; fed back, they ask for the same again."""
        level = self.change.before if live is None else live
        return [one.rejected(reason, self.change.key, level) for one in self.wanted]

    def lines(self, terms: str | None = None) -> Iterator[bytes]:
        """One JSON line per changed field: stream, key, field, before, after.

        What is not the setting of a level has its record, too, to be usable as input. Where a
        level from elsewhere asks for it, `from` shows that, with the terms it was planned by.
        """
        for name, before, after in self.cells():
            line = {
                "stream": self.write.stream,
                "key": self.write.items.named(self.change.key),
                "field": name,
                "before": before,
                "after": after,
            }
            if self.is_level:
                record = self.wanted[-1].record
                line["from"] = {each: record.get(each) for each in FROM}
                line["from"] |= {} if terms is None else {"terms": terms}
            if self.write.effect != "set":
                line["record"] = self._request()
            yield dumps(line) + b"\n"

    def _request(self) -> Record:
        """A record that asks for just this; a level from elsewhere asks for more than that."""
        last = self.wanted[-1]
        return last.record if last.write.through is None else self.write.record(self.change)

    def cells(self) -> Iterator[tuple[str, Any, Any]]:
        """The name of each value that changes, with the value before and after."""
        change, level = self.change, self.write.items.level
        if change.before is None:
            yield from ((name, None, value) for name, value in change.asked.items())
        elif change.after is None:
            yield level, change.before.get(level), None
        elif self.write.effect == "add" and not change.fields:
            yield "quantity", None, change.asked["quantity"]
        else:
            for name in change.fields:
                yield name, change.before[name], change.after[name]


def read_line(line: dict[str, Any]) -> tuple[str, Record, Fields]:
    """A line of a plan as input: its stream, a record that asks for it, and what must still hold.

    Raises:
        InputError: it is no such line.
    """
    stream, key, name, record = (line.get(each) for each in ("stream", "key", "field", "record"))
    if not isinstance(stream, str) or not isinstance(key, dict) or not isinstance(name, str):
        raise InputError("a line of a plan without stream, key or field")
    before, origin = line.get("before"), line.get("from")
    # What a level was when it was planned is as old as it was then.
    observed = origin.get("observed_at") if isinstance(origin, dict) else None
    seen = {} if observed is None else {"observed_at": observed}
    if record is not None:
        if not isinstance(record, dict):
            raise InputError("a line of a plan whose record is no object")
        return stream, {**record, **seen}, {} if before is None else {name: before}
    expected = {} if before is None else {f"expected_{name}": before}
    return stream, {**key, name: line.get("after"), **expected, **seen}, {name: before}


def terms_of(line: dict[str, Any]) -> str | None:
    """By which terms a level from elsewhere was planned; None where it is no line of that."""
    origin = line.get("from")
    terms = origin.get("terms") if isinstance(origin, dict) else None
    return terms if isinstance(terms, str) else None


@dataclass(slots=True)
class Plan:
    """What will be written at one provider, in the order of the input, and what will not.

    `unchanged` counts the records that ask for what stands there, `superseded` the dead letters
    that newer records have overtaken. `decided` has, of the items that have letters, the fields
    that stand there as records want them, and the place of the last of these in the input.
    """

    changes: list[Planned] = field(default_factory=list)
    unchanged: int = 0
    superseded: int = 0
    letters: list[Letter] = field(default_factory=list)
    decided: dict[Key, dict[str, int]] = field(default_factory=dict)

    def lines(self, terms: str | None = None) -> Iterator[bytes]:
        """The plan as a file; `terms` are those by which levels from elsewhere are in it."""
        for planned in self.changes:
            yield from planned.lines(terms)


class Planner:
    """Makes the plan for one provider.

    `event` tells what became of an addition in earlier runs; `newer` which fields of an item newer
    records have decided since a dead letter was written; `in_doubt` whether an addition to an item
    may still show. `run` tells this run's additions to reach a level from those of all others.
    """

    def __init__(
        self,
        event: Callable[[Key, str], Event | None] = lambda _key, _event: None,
        newer: Callable[[Key, str], set[str]] = lambda _key, _letter: set(),
        in_doubt: Callable[[Key], bool] = lambda _key: False,
        run: str = "",
    ) -> None:
        self._event, self._newer, self._in_doubt = event, newer, in_doubt
        self._run = run
        self._events: dict[tuple[Key, str], Fields] = {}

    def make(
        self,
        items: Iterable[tuple[Key, Sequence[Wanted]]],
        levels: Mapping[Key, Fields],
        watched: frozenset[Key] = frozenset(),
    ) -> Plan:
        """Compare what is wanted of every item with its live level."""
        plan = Plan()
        for key, wanted in items:
            item = _Item(key, levels.get(key), plan, watched=key in watched, run=self._run)
            for one in wanted:
                self._take(item, one)
            item.finish()
        # What earlier runs have left comes first, and in its own order.
        plan.changes.sort(key=lambda planned: (planned.number > 0, abs(planned.number)))
        return plan

    def _take(self, item: _Item, one: Wanted) -> None:
        wish = self._without_superseded(item.key, one)
        if wish is None:
            item.plan.superseded += 1
            return
        one = one._replace(wish=wish)
        try:
            if wish.event is not None and self._is_done(one):
                item.plan.unchanged += 1
                return
            if one.write.effect == "raise" or is_raise(wish.event):
                self._must_be_known(item.key)
            item.take(one)
            if wish.event is not None:
                self._events[wish.key, wish.event] = wish.fields
        except Rejected as error:
            item.reject(one, error)

    def _without_superseded(self, key: Key, one: Wanted) -> Wish | None:
        """What a dead letter still has to say."""
        if one.letter is None or not one.write.is_setting:
            return one.wish
        newer = self._newer(key, one.letter)
        kept = {name: value for name, value in one.wish.fields.items() if name not in newer}
        return replace(one.wish, fields=kept) if kept else None

    def _must_be_known(self, key: Key) -> None:
        if self._in_doubt(key):
            raise Rejected(
                "whether an earlier addition to it was made is not known, so what it lacks is not "
                "either: look at the item"
            )

    def _is_done(self, one: Wanted) -> bool:
        """Whether this very addition was made before.

        Raises:
            Rejected: its key was used for another one, or nobody knows what became of it.
        """
        wish = one.wish
        assert wish.event is not None
        status, asked = self._event(wish.key, wish.event) or (None, wish.fields)
        if (wish.key, wish.event) in self._events:
            status, asked = "done", self._events[wish.key, wish.event]
        if status == "unknown":
            raise Rejected(
                "whether this addition was made is not known: look at the item, and use a new "
                "idempotency_key if it was not"
            )
        if status == "done" and asked != wish.fields:
            raise Rejected("this idempotency_key was used with another quantity")
        return status == "done"


class _Item:
    """One item, from its live level through everything that is wanted of it."""

    def __init__(
        self, key: Key, live: Fields | None, plan: Plan, *, watched: bool, run: str
    ) -> None:
        self.key, self.plan, self._run = key, plan, run
        self._live = self._state = self._base = live
        self._watched = watched
        self._settings: list[Wanted] = []

    def take(self, one: Wanted) -> None:
        """Raise `Rejected` where it cannot be carried out on what stands there by then."""
        write, wish, state = one.write, one.wish, self._state
        if state is None and write.stream == levels.STREAM:
            raise Unmapped("unmapped: no item has this SKU where it goes")
        if state is None and write.effect in {"set", "add"}:
            name = " and ".join(write.items.key)
            raise Rejected(f"unknown {name}: the provider has no such item")
        if write.effect == "raise":
            self._must_not_sink(write.items.level, wish)
        change = Change(wish.key, state, _after(write, wish, state), wish.fields, wish.extra)
        stands_there = change.is_none and write.effect != "add"
        if not stands_there:
            _must_hold(wish, self._seen())
        if not stands_there or write.through is not None:
            # A level that means nothing is not right, even where it stands there.
            self._check(write, change)
        if stands_there:
            self._nothing(one)
            return
        if write.is_setting:
            self._settings.append(one)
        else:
            self._flush()
            self._plan(one.write, replace(change, event=wish.event), [one])
        self._state = change.after

    def _check(self, write: Write, change: Change) -> None:
        try:
            write.check(change)
        except Untracked:
            self._withdraw_levels(write.items.level)
            raise

    def _withdraw_levels(self, level: str) -> None:
        """The newest counts: an older level must not be written in its place."""
        older = [one for one in self._settings if [*one.wish.fields] == [level]]
        self.plan.superseded += sum(one.number > 0 for one in older)
        self._settings = [one for one in self._settings if one not in older]
        if self._state is not None and self._base is not None:
            self._state = {**self._state, level: self._base[level]}

    def _must_not_sink(self, level: str, wish: Wish) -> None:
        stands = (self._base or {}).get(level)
        if stands is None:
            raise Rejected(f"{level} is not known at the provider, so what it lacks is not either")
        if wish.fields[level] < stands:
            self._withdraw_levels(level)
            raise Rejected(
                f"it can only be raised: {shown(stands)} there, {shown(wish.fields[level])} wanted"
            )

    def _seen(self) -> Fields | None:
        """What a record may have expected: it knows nothing of what an earlier run has left."""
        left = all(one.number < 0 for one in self._settings)
        return self._live if left and self._base is self._live else self._state

    def reject(self, one: Wanted, error: Rejected) -> None:
        """It becomes a dead letter that shows what stands there."""
        letter = one.rejected(error.message, self.key, self._live, error.kind)
        self.plan.letters.append(letter)
        self._watched = True

    def finish(self) -> None:
        """Nothing more is wanted of it."""
        self._flush()

    def _nothing(self, one: Wanted) -> None:
        """It stands there already, or will when the settings before it are done."""
        if one.write.is_setting:
            self._settings.append(one)
        else:
            self._flush()
            self.plan.unchanged += 1

    def _flush(self) -> None:
        """All settings up to here as one change; of each field the last value counts."""
        wanted, self._settings = self._settings, []
        before, self._base = self._base, self._state
        if not wanted:
            return
        before = dict(before or {})
        after: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for one in wanted:
            after |= one.wish.fields
            extra |= one.wish.extra
        # What stands there already is not sent, so it is no business of the read-back either.
        after = {name: value for name, value in after.items() if before[name] != value}
        if after:
            write = wanted[-1].write
            change = Change(self.key, before, before | after, after, extra)
            if write.effect == "raise":
                change = raised(change, write.items.level, self._run)
            self._plan(write.through or write, change, wanted)
        else:
            self.plan.unchanged += sum(one.number > 0 for one in wanted)
            if self._watched:
                decide(self.plan.decided, self.key, wanted)

    def _plan(self, write: Write, change: Change, wanted: Sequence[Wanted]) -> None:
        self.plan.changes.append(Planned(write, change, wanted))
        self._base = change.after


def is_raise(event: str | None) -> bool:
    """Whether an addition of that key is made to reach a level."""
    return event is not None and event.startswith(RAISED)


def raised(change: Change, level: str, run: str) -> Change:
    """A new level as the addition of what it lacks, told by its run from all others."""
    assert change.before is not None
    assert change.after is not None
    lacks = change.after[level] - change.before[level]
    event = f"{RAISED} {run} {shown(change.after[level])}"
    return replace(change, asked={"quantity": lacks}, event=event)


def decide(decided: dict[Key, dict[str, int]], key: Key, wanted: Sequence[Wanted]) -> None:
    """Note which fields of an item stand there as these records want them."""
    fields = decided.setdefault(key, {})
    for one in wanted:
        fields |= dict.fromkeys(one.wish.fields, one.number)


def _must_hold(wish: Wish, state: Fields | None) -> None:
    for name, value in wish.expected.items():
        live = None if state is None else state.get(name)
        if live != value:
            raise Rejected(f"expected {name} {shown(value)}, but it is {shown(live)}")


def _after(write: Write, wish: Wish, state: Fields | None) -> Fields | None:
    """What stands there when the wish is carried out on `state`."""
    if write.effect == "create":
        return {write.items.level: 0} if state is None else state
    if write.effect == "delete" or state is None:
        return None
    if write.is_setting:
        return {**state, **wish.fields}
    return write.items.added(state, wish.fields["quantity"])


def shown(value: Any) -> str:
    """A value of a level for a person."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
