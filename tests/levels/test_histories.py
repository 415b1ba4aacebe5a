"""Promise: whatever happens between runs and to runs, the table of levels ends up right."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import registry
from inventory_providers.sandbox.server import Fault
from tests.conformance.paths import changed
from tests.conformance.subject import traits_of
from tests.levels import truth
from tests.levels.bench import Bench, Table

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Key
    from tests.conformance.result import Result

SIZE = 8
HOUR = 3600
SELECTIONS = (("own",), ("levels",), ("own", "levels"))
# Elsewhere it is what is done without being asked.
METHODS = {"s2_inventory_items": "INCREMENTAL"}
EDITS = ("touch", "touch several", "put", "remove", "an hour", "a day")


@dataclass(frozen=True)
class Run:
    """One run, what happened before it, and how it ends: well, with an error, or killed."""

    edits: list[str]
    selection: tuple[str, ...]
    end: str
    share: float


RUNS = st.builds(
    Run,
    edits=st.lists(st.sampled_from(EDITS), max_size=3),
    selection=st.sampled_from(SELECTIONS),
    end=st.sampled_from(("well", "well", "error", "killed")),
    share=st.floats(0, 1),
)


@dataclass
class History:
    """One provider, one target, one STATE, run after run."""

    bench: Bench
    state: dict[str, Any] | None = None
    table: Table = field(default_factory=Table)
    own: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = count()

    def live(self, run: Run) -> None:
        """What a run is preceded by, and the run; the target takes what came before its end."""
        for edit in run.edits:
            self._edit(edit)
        names = {"own": self.bench.source, "levels": truth.STREAM}
        if run.end == "error":
            self._break(run.share)
        result = self.bench.run(
            *(names[each] for each in run.selection), state=self.state, methods=METHODS
        )
        self.bench.server.clear()
        assert result.code == 0 or run.end == "error", result.last_line
        ended_well = result.code == 0 and run.end != "killed"
        self._take(result, result.messages if ended_well else _until(result, run))
        if ended_well:
            self._check(run)

    def _edit(self, edit: str) -> None:
        room, source = self.bench.room, self.bench.source
        if edit.startswith("touch"):
            room.touch(source, 1 if edit == "touch" else 4)
        elif edit == "put":
            self._put()
        elif edit == "remove" and len(room.rows(source)) > 2:
            room.remove(source)
        else:
            self.bench.clock.step(25 * HOUR if edit == "a day" else HOUR)

    def _put(self) -> None:
        """One more row, with the time of now where rows have a time."""
        shape = traits_of(self.bench.room.name).streams[self.bench.source]
        row = deepcopy(next(iter(self.bench.room.rows(self.bench.source).values())))
        now = datetime.fromtimestamp(int(self.bench.server.clock.now()), UTC)
        written = {"inv_last_modified": f"{now:%Y-%m-%dT%H:%M:%S}"}
        dated = {} if shape.date is None else {shape.date: written.get(shape.date, f"{now:%FT%TZ}")}
        self.bench.room.put(
            self.bench.source, changed(shape.other(row, next(self._numbers)), dated)
        )

    def _break(self, share: float) -> None:
        path = traits_of(self.bench.room.name).read
        fault = Fault("status", status=503, path=path, skip=round(3 * share), times=None)
        self.bench.server.inject(self.bench.room.name, fault)

    def _take(self, result: Result, messages: list[dict[str, Any]]) -> None:
        self.table.take(messages)
        key = registry.streams()[self.bench.source].primary_key
        for message in messages:
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD" and message["stream"] == self.bench.source:
                self.own.add(tuple(str(message["record"][name]) for name in key))

    def _check(self, run: Run) -> None:
        if "levels" in run.selection:
            due = self.bench.truth()
            assert self.table.of(due) == due
        if "own" in run.selection:
            assert self.bench.room.rows(self.bench.source).keys() <= self.own


def _until(result: Result, run: Run) -> list[dict[str, Any]]:
    """What came before the end of a run that was cut off, and was noted in a STATE."""
    states = [n for n, message in enumerate(result.messages) if message["type"] == "STATE"]
    if run.end == "error":
        return result.messages[: states[-1] + 1] if states else []
    kept = round(run.share * len(states))
    return result.messages[: states[kept - 1] + 1] if kept else []


@pytest.mark.parametrize("name", truth.SOURCES)
@settings(max_examples=12)
@given(runs=st.lists(RUNS, min_size=1, max_size=4), beside=st.booleans())
def test_the_table_is_right_after_each_run_that_ends_well(
    name: str, runs: list[Run], beside: bool
) -> None:
    selection = SELECTIONS[2 if beside else 1]
    with Bench(name, size=SIZE) as bench:
        history = History(bench)
        for run in [*runs, Run([], selection, "well", 1)]:
            history.live(run)
