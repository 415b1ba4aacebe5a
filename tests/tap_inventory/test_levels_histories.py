"""Promise: whatever happens between runs and to runs, a stream and its levels end up right."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory_providers.errors import Unavailable
from tests.tap_inventory.house import catalog
from tests.tap_inventory.shop import LEVELS, STOCK, Shop, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tap_inventory.house import House

LATE = timedelta(seconds=60)


@dataclass(frozen=True)
class Run:
    """One run, what happened before it, and how it ends: `killed` leaves so much of its output."""

    changed: list[str] = field(default_factory=list)
    late: bool = False
    hours: float = 1
    chosen: tuple[str, ...] = (STOCK, LEVELS)
    method: str = "INCREMENTAL"
    fails: bool = False
    killed: float = 1


RUNS = st.builds(
    Run,
    changed=st.lists(st.sampled_from("abcdef"), max_size=4),
    late=st.booleans(),
    hours=st.sampled_from([0.01, 1, 24, 24 * 8]),
    chosen=st.sampled_from([(STOCK,), (LEVELS,), (STOCK, LEVELS)]),
    method=st.sampled_from(["INCREMENTAL", "INCREMENTAL", "FULL_TABLE"]),
    fails=st.booleans(),
    killed=st.sampled_from([1, 1]) | st.floats(0, 1),
)


class History:
    """One shop, one STATE, and what a target has of its two streams, run after run."""

    def __init__(self, house: House, *, dated: bool) -> None:
        self.house, self.shop = house, Shop(house, dated=dated)
        house.declare(self.shop.stream(full_refresh=True))
        self.state: dict[str, Any] = {}
        self.tables: dict[str, dict[str, int]] = {STOCK: {}, LEVELS: {}}
        self._numbers = count()

    def run(self, run: Run) -> list[dict[str, Any]]:
        """The messages that a target got of it."""
        self._change(run)
        self.shop.wrong = Unavailable("gone") if run.fails else None
        chosen = select(catalog(self.house), *run.chosen)
        self._ask(chosen, run.method)
        with suppress(Unavailable):
            self.house.run(catalog=chosen, state=self.state)
        said = self.house.messages[: round(run.killed * len(self.house.messages))]
        for message in said:
            self._take(message)
        return said

    def _change(self, run: Run) -> None:
        self.house.clock.step(run.hours * 3600)
        for sku in run.changed:
            self.shop.put(sku, units=next(self._numbers))
        if run.late and run.changed:
            units, moment = self.shop.rows[run.changed[-1]]
            assert moment is not None
            self.shop.rows[run.changed[-1]] = units, moment - LATE

    def _ask(self, chosen: dict[str, Any], method: str) -> None:
        for entry in chosen["streams"]:
            if entry["tap_stream_id"] == LEVELS:
                entry["replication_method"] = method
                (top,) = (one["metadata"] for one in entry["metadata"] if not one["breadcrumb"])
                top["replication-method"] = method

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "STATE":
            self.state = message["value"]
        elif message["type"] == "RECORD":
            record = message["record"]
            units = record["available" if message["stream"] == LEVELS else "units"]
            self.tables[message["stream"]][record["sku"]] = units

    @property
    def truth(self) -> dict[str, int]:
        """What both tables have to show in the end."""
        return {sku: units for sku, (units, _) in self.shop.rows.items()}


def _emitted(messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for message in messages:
        if message["type"] == "RECORD":
            yield message["stream"], message["record"]["sku"]


@pytest.mark.parametrize("dated", [True, False])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(RUNS, min_size=1, max_size=6))
def test_a_history_ends_with_all_that_is_in_stock(
    house: House, dated: bool, runs: list[Run]
) -> None:
    history = History(house, dated=dated)
    for run in runs:
        history.run(run)
    history.run(Run())
    assert history.tables == {STOCK: history.truth, LEVELS: history.truth}
    if dated:
        assert list(_emitted(history.run(Run(hours=0)))) == [], "nothing comes twice"


@pytest.mark.parametrize("before", [(), (STOCK,), (LEVELS,), (STOCK, LEVELS)], ids=" ".join)
@pytest.mark.parametrize("dated", [True, False])
def test_a_run_that_is_killed_at_any_line_is_made_good_by_the_next(
    house: House, dated: bool, before: tuple[str, ...]
) -> None:
    lines = 1
    for line in count():
        history = History(house, dated=dated)
        if before:
            history.run(Run(changed=list("abc"), chosen=before))
        history.run(Run(changed=list("bcdef"), killed=line / lines))
        lines = len(house.messages)
        history.run(Run())
        assert history.tables == {STOCK: history.truth, LEVELS: history.truth}, line
        if line > lines:
            break
