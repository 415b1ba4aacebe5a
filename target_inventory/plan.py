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
    from target_inventory.changeset import ChangeSet

# Enough for an eye; the whole plan is in plan_path.
ROWS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Planned:
    """One intended write, and the record that asks for it."""

    write: Write
    change: Change
    record: Record

    def rejected(self, reason: str, live: Fields | None = None) -> Letter:
        """The record as a dead letter."""
        shown = dict(self.change.before if live is None else live)
        return Letter(self.write.stream, self.record, reason, shown)


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
    """Compare every wish with the live level of its item."""
    plan = Plan(letters=list(changeset.letters))
    for wish, record in changeset.wishes():
        try:
            change = _change(changeset.write, wish, levels.get(wish.key))
        except Rejected as error:
            live = levels.get(wish.key)
            shown = None if live is None else dict(live)
            plan.letters.append(Letter(changeset.write.stream, record, error.message, shown))
            continue
        if change is None:
            plan.unchanged += 1
        else:
            plan.changes.append(Planned(changeset.write, change, record))
    return plan


def _change(write: Write, wish: Wish, live: Fields | None) -> Change | None:
    """The write that the wish takes, or None when the live level is the wanted one."""
    if live is None:
        raise Rejected(f"unknown {write.key}: the provider has no such item")
    for name, value in wish.expected.items():
        if live[name] != value:
            raise Rejected(f"expected {name} {value}, but it is {live[name]}")
    change = Change(wish.key, live, wish.fields, wish.extra)
    if not change.fields:
        return None
    write.check(change)
    return change


def show(changes: Sequence[Planned], title: str) -> None:
    """A table of before -> after on standard error."""
    from rich.console import Console  # noqa: PLC0415 - 40 ms that a quiet run does not need
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 100)
    table = Table(title=title, title_justify="left")
    for heading in ("stream", "item", "field"):
        table.add_column(heading, overflow="fold")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    rows = [(planned, name) for planned in changes for name in planned.change.fields]
    for planned, name in rows[:ROWS_SHOWN]:
        table.add_row(*_cells(planned, name))
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        console.print(f"... and {len(rows) - ROWS_SHOWN} more; plan_path has them all")


def _cells(planned: Planned, name: str) -> tuple[str, ...]:
    before, after = planned.change.before[name], planned.change.after[name]
    numbers = not isinstance(after, bool) and before is not None
    delta = f"{after - before:+}" if numbers else ""
    return (
        planned.write.stream,
        _escaped(planned.change.key),
        name,
        _shown(before),
        _shown(after),
        delta,
    )


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    """Keys come from outside: no markup, no control characters on somebody's terminal."""
    from rich.markup import escape  # noqa: PLC0415

    return escape("".join(c if c.isprintable() else "?" for c in text))
