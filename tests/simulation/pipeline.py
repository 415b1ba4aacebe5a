"""The pipeline: a tap's input into the real writer, run after run, through kills and faults.

The writer's parts are the product's own; only the very end of a run, where STATE comes out, is
modelled here, in the order of `TargetInventory`: `remember`, dead letters, `told`, STATE.
"""

from __future__ import annotations

import contextlib
import io
import logging
import random
import sqlite3
from functools import cache
from typing import TYPE_CHECKING

from inventory_providers.environment import Environment
from inventory_providers.errors import InventoryError, Stopped, Uncertain
from target_inventory.changeset import ChangeSet
from target_inventory.journal import Journal
from target_inventory.report import Report
from target_inventory.run import Run, Shop
from target_inventory.settings import TargetSettings
from tests.simulation.oracle import KILLED, Letter, Oracle, RunSeen
from tests.simulation.room import WRITES
from tests.simulation.source import Source
from tests.simulation.world import Connection, Crash, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from inventory_providers.contract import Write

ACCOUNT = "sim sim"
# A pipeline that is not through after so many quiet runs never will be.
QUIET_RUNS = 8


@cache
def _empty() -> bytes:
    """The journal's tables, made once by the journal itself."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(connection):
        Journal(connection, World(random.Random(0)).clock.now).create()
        return connection.serialize()


def new_connection() -> sqlite3.Connection:
    """A journal's database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty())
    connection.execute("PRAGMA synchronous = OFF")
    return connection


class SimJournal(Journal):
    """The journal, with a kill before or after each COMMIT."""

    def __init__(self, connection: sqlite3.Connection, world: World) -> None:
        super().__init__(connection, world.clock.now)
        self._world = world

    def commit(self, cursor: sqlite3.Cursor) -> None:
        """The end of each step."""
        self._world.point()
        super().commit(cursor)
        self._world.point()


class Pipeline:
    """One schedule, from its seed to its end. The planted defects are subclasses."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World(self.dice)
        self.source = Source(self.dice, self.world.shelf)
        self.oracle = Oracle(self.world)
        self.connection = new_connection()
        self.acknowledged = 0
        self.own = TargetSettings(resend_within_seconds=self.world.resend_within)

    # ---- the schedule ----

    def live(self) -> None:
        """All of it: the troubled runs, the quiet ones, and the last word."""
        try:
            for number in range(self.dice.randrange(1, 6)):
                if number == 0 or self.dice.random() < 0.6:
                    self.source.grow()
                self.once()
            self._calm_down()
            self.oracle.at_the_end(self.source.log, self._rows())
        finally:
            self.connection.close()

    def _calm_down(self) -> None:
        self.world.faulty = False
        self.world.down_until = -1
        while self.source.to_come:
            self.source.grow()
        for _ in range(QUIET_RUNS):
            code = self.once()
            if code in {0, 7} and self.acknowledged == self.source.end:
                break
        else:
            self.oracle.blame("stuck", f"no STATE after {QUIET_RUNS} quiet runs")
        self.world.drain()

    def once(self) -> int:
        """One run of the pipeline; its exit code, or that of a kill."""
        self.world.begin()
        self._begin()
        self.world.figures["runs"] += 1
        entries, state = self.source.input(self.acknowledged)
        if self.world.faulty and self.dice.random() < 0.05:
            entries, state = [], self.acknowledged
        seen = RunSeen(entries, state)
        code = self._guarded(seen)
        self.world.figures[f"exit {code}"] += 1
        if self.connection.in_transaction:
            self.connection.rollback()
        self.oracle.after_a_run(seen, code, self._rows())
        if seen.came_out:
            self.acknowledged = state
        return code

    def _begin(self) -> None:
        """What a variant does before each run."""

    def _guarded(self, seen: RunSeen) -> int:
        try:
            self.run(seen)
        except Crash:
            return KILLED
        except Stopped as stop:
            return stop.exit_code
        except InventoryError as error:
            return error.exit_code
        except Exception as error:  # noqa: BLE001 - whatever else is a defect
            self.oracle.blame("traceback", repr(error))
            return 1
        return 7 if seen.letters else 0

    def _rows(self) -> list[tuple[str, str | None, str, str | None]]:
        """What the journal has: item, event, status, and when it was last sent."""
        return self.connection.execute(
            "SELECT item, event, status, sent_at FROM writes JOIN requests ON requests.id = request"
            " WHERE status IN ('intended', 'sent', 'unknown')"
        ).fetchall()

    # ---- one run ----

    def run(self, seen: RunSeen) -> None:
        """From the input to STATE."""
        with contextlib.closing(ChangeSet(self.world.clock.now())) as changes:
            self._run(changes, seen)

    def _run(self, changes: ChangeSet, seen: RunSeen) -> None:
        writes = self.writes()
        for entry in seen.entries:
            changes.add("sim", writes[entry.stream], entry.record)
        report = Report(mode="apply", read=changes.read)
        shop = Shop("sim", "Sim", ACCOUNT, list(writes.values()), lambda: Connection(self.world))
        run = Run(
            self.own,
            [shop],
            changes,
            journal=self.journal(),
            environment=Environment(clock=self.world.clock, random=self.dice),
            report=report,
            announce=lambda _: None,
        )
        run.carry_out()
        self.finish(run, seen)

    def finish(self, run: Run, seen: RunSeen) -> None:
        """`remember`, dead letters, `told`, STATE."""
        run.remember(self.world.clock.now())
        self.world.point()
        seen.letters = [Letter(one.stream, dict(one.record), one.reason) for one in run.letters]
        self.world.point()
        run.told()
        self.world.point()
        seen.unknown = run.report.unknown
        if seen.unknown:
            raise Uncertain("outcomes that are not known")
        self.state(seen)
        self.world.point()

    def state(self, seen: RunSeen) -> None:
        """STATE comes out, and the pipeline keeps it."""
        seen.came_out = True
        self.oracle.when_state_comes_out(seen)

    def journal(self) -> Journal:
        """The journal of one run."""
        return SimJournal(self.connection, self.world)

    def writes(self) -> Mapping[str, Write]:
        """What the room can do."""
        return WRITES


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Thousands of schedules have much to complain of, and no terminal to show it on."""
    logger = logging.getLogger("target-inventory")
    before, logger.disabled = logger.disabled, True
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.disabled = before
