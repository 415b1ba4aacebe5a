"""What a person at a terminal sees of a plan, and of how far it has come."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from target_inventory.plan import shown
from target_inventory.words import called

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from target_inventory.plan import Planned

# Enough for an eye; the whole plan is in plan_path.
ROWS_SHOWN = 40


def show(changes: Sequence[Planned], title: str, *, plan_path: str | None = None) -> None:
    """A table of before -> after on standard error; of a long one, the beginning."""
    if sys.stderr is None:
        return
    from rich.console import Console  # noqa: PLC0415 - 40 ms that a quiet run does not need
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # Made before it is written: where standard error is full or closed, the run goes on.
    made, seen = io.StringIO(), Console(file=sys.stderr)
    width = seen.width if sys.stderr.isatty() else 100
    console = Console(file=made, width=width, force_terminal=seen.is_terminal)
    table = Table(title=title, title_justify="left")
    rows = [(planned, *cells) for planned in changes for cells in planned.cells()]
    from_elsewhere = any(planned.is_level for planned in changes)
    for heading in ("stream", "item", "field", *(["level of"] if from_elsewhere else [])):
        table.add_column(heading, overflow="fold")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    for planned, *cells in rows[:ROWS_SHOWN]:
        # As Text: keys come from outside, and brackets or colons in them are no markup.
        named = [_origin(planned)] if from_elsewhere else []
        stream, key, name, *rest = _cells(planned, *cells)
        table.add_row(*(Text(cell) for cell in (stream, key, name, *named, *rest)))
    console.print(table)
    if len(rows) > ROWS_SHOWN:
        all_of_them = "plan_path has" if plan_path else "set plan_path to have"
        console.print(f"... and {len(rows) - ROWS_SHOWN} more; {all_of_them} them all")
    with suppress(OSError, ValueError):
        sys.stderr.write(made.getvalue())
        sys.stderr.flush()


def _cells(planned: Planned, name: str, before: Any, after: Any) -> tuple[str, ...]:
    return (
        planned.write.stream,
        printable(" ".join(planned.change.key)),
        name,
        printable(shown(before)),
        printable(shown(after)),
        f"{after - before:+}" if _is_number(before) and _is_number(after) else "",
    )


def _origin(planned: Planned) -> str:
    """The level from elsewhere that asks for it: its SKU, and how many are available there."""
    if not planned.is_level:
        return ""
    record = planned.wanted[-1].record
    return printable(f"{called(record)}: {shown(record.get('available'))} available")


def _is_number(value: Any) -> bool:
    return value is not None and not isinstance(value, bool | str)


def printable(text: str) -> str:
    """Keys come from outside: no control characters on somebody's terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


class Progress:
    """How many of the changes are written, on a terminal; anywhere else nothing."""

    def __init__(self, total: int) -> None:
        self._bar: Any = None
        self._task: Any = None
        if total and sys.stderr is not None and sys.stderr.isatty():
            self._begin(total)

    def _begin(self, total: int) -> None:
        from rich import progress  # noqa: PLC0415 - as above
        from rich.console import Console  # noqa: PLC0415

        columns = ("writing", progress.BarColumn(), progress.MofNCompleteColumn())
        console = Console(file=sys.stderr)
        self._bar = progress.Progress(
            *columns, progress.TimeElapsedColumn(), console=console, transient=True
        )
        self._task = self._bar.add_task("writing", total=total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """So many more."""
        if self._bar is not None:
            self._bar.advance(self._task, count)
