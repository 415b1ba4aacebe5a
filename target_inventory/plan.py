"""The plan: every record against the live levels. Nothing is written before it is whole."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inventory_providers.contract import Change
from inventory_providers.errors import Rejected
from inventory_providers.jsonio import dumps
from target_inventory.dead_letters import Letter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from inventory_providers.contract import Fields, Record, Wish, Write
    from target_inventory.changeset import ChangeSet, Wanted

# Enough for an eye; the whole plan is in plan_path.
ROWS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Planned:
    """One intended write, and the records that ask for it."""

    write: Write
    change: Change
    records: Sequence[Record]

    def rejected(self, reason: str, live: Fields | None = None) -> list[Letter]:
        """The records as dead letters; fed back, they ask for the same again."""
        shown = dict(self.change.before if live is None else live)
        return [Letter(self.write.stream, record, reason, shown) for record in self.records]


@dataclass(slots=True)
class Plan:
    """What will be written, what stands there already, and what cannot be written."""

    changes: list[Planned] = field(default_factory=list)
    unchanged: int = 0
    letters: list[Letter] = field(default_factory=list)

    def lines(self) -> Iterator[bytes]:
        """One JSON line per changed field: stream, key, field, before, after."""
        for planned in self.changes:
            for name in planned.change.fields:
                line = {
                    "stream": planned.write.stream,
                    "key": {planned.write.key: planned.change.key},
                    "field": name,
                    "before": planned.change.before[name],
                    "after": planned.change.after[name],
                }
                yield dumps(line) + b"\n"


def make(changeset: ChangeSet, levels: Mapping[str, Fields]) -> Plan:
    """Compare what is wanted of every item with its live level."""
    plan = Plan(letters=list(changeset.letters))
    for key, wanted in changeset.items():
        live = levels.get(key)
        agreed, letters = _agree(changeset.write, wanted, live)
        plan.letters += letters
        if live is None or not agreed:
            continue
        change = _change(key, live, [one.wish for one in agreed])
        if change.fields:
            records = [one.record for one in agreed]
            plan.changes.append(Planned(changeset.write, change, records))
        else:
            plan.unchanged += len(agreed)
    return plan


def _agree(
    write: Write, wanted: Sequence[Wanted], live: Fields | None
) -> tuple[list[Wanted], list[Letter]]:
    """Which records can be carried out one after the other, and which cannot."""
    agreed: list[Wanted] = []
    letters: list[Letter] = []
    level = dict(live or {})
    for one in wanted:
        try:
            _check(write, one.wish, level if live is not None else None)
        except Rejected as error:
            shown = None if live is None else dict(live)
            letters.append(Letter(write.stream, one.record, error.message, shown))
        else:
            agreed.append(one)
            level |= one.wish.fields
    return agreed, letters


def _check(write: Write, wish: Wish, level: Fields | None) -> None:
    """Raise `Rejected` where the wish cannot be carried out on this level."""
    if level is None:
        raise Rejected(f"unknown {write.key}: the provider has no such item")
    for name, value in wish.expected.items():
        if level[name] != value:
            raise Rejected(f"expected {name} {value}, but it is {_shown(level[name])}")
    change = Change(wish.key, level, wish.fields)
    if change.fields:
        write.check(change)


def _change(key: str, live: Fields, wishes: Sequence[Wish]) -> Change:
    """All wishes for an item as one change; of each field the last value counts."""
    after: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for wish in wishes:
        after |= wish.fields
        extra |= wish.extra
    # What stands there already is not sent, so it is no business of the read-back either.
    after = {name: value for name, value in after.items() if live[name] != value}
    return Change(key, live, after, extra)


def show(changes: Sequence[Planned], title: str) -> None:
    """A table of before -> after on standard error."""
    if sys.stderr is None:
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms that a quiet run does not need
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 100)
    table = Table(title=title, title_justify="left")
    for heading in ("stream", "item", "field"):
        table.add_column(heading, overflow="fold")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    rows = [(planned, name) for planned in changes for name in planned.change.fields]
    for planned, name in rows[:ROWS_SHOWN]:
        # As Text: keys come from outside, and brackets or colons in them are no markup.
        table.add_row(*(Text(cell) for cell in _cells(planned, name)))
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(f"... and {len(rows) - ROWS_SHOWN} more; plan_path has them all")


def _cells(planned: Planned, name: str) -> tuple[str, ...]:
    before, after = planned.change.before[name], planned.change.after[name]
    numbers = not isinstance(after, bool) and before is not None
    delta = f"{after - before:+}" if numbers else ""
    return (
        planned.write.stream,
        _printable(planned.change.key),
        name,
        _shown(before),
        _shown(after),
        delta,
    )


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _printable(text: str) -> str:
    """Keys come from outside: no control characters on somebody's terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
