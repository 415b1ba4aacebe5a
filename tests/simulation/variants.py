"""Four writers with a planted defect each; the simulation has to find them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.simulation.pipeline import Pipeline, SimJournal, new_connection
from tests.simulation.room import WRITES, send_again

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from inventory_providers.contract import Order, Write
    from target_inventory.journal import Journal, Status
    from tests.simulation.oracle import RunSeen


class WithoutJournal(Pipeline):
    """Each run begins with an empty journal."""

    def _begin(self) -> None:
        self.connection.close()
        self.connection = new_connection()


class FreshTokens(Pipeline):
    """Each attempt has a token of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._tokens = count()

    def writes(self) -> Mapping[str, Write]:
        """Those of the room, but for the token."""
        additions = WRITES["additions"]
        return {**WRITES, additions.stream: replace(additions, send=self._send)}

    def _send(self, session: Any, order: Order) -> None:
        send_again(session, replace(order, token=f"token {next(self._tokens)}"))


class StateFirst(Pipeline):
    """STATE comes out before anything is written."""

    def run(self, seen: RunSeen) -> None:
        """STATE, and all else after it."""
        self.state(seen)
        super().run(seen)

    def state(self, seen: RunSeen) -> None:
        """Once."""
        if not seen.came_out:
            super().state(seen)


class _Hasty(SimJournal):
    """What is about to be sent is done already."""

    def sending(self, request: int) -> None:
        super().sending(request)
        with self._step() as cursor:
            cursor.execute("UPDATE writes SET status = 'done' WHERE request = ?", (request,))

    def _end(
        self,
        cursor: sqlite3.Cursor,
        writes: Collection[int],
        status: Status,
        note: str | None,
    ) -> None:
        if status != "done":
            super()._end(cursor, writes, status, note)


class SettleFirst(Pipeline):
    """A write is settled in the journal before it is sent."""

    def journal(self) -> Journal:
        """The hasty one."""
        return _Hasty(self.connection, self.world)


VARIANTS: dict[str, type[Pipeline]] = {
    "no journal": WithoutJournal,
    "a fresh token per attempt": FreshTokens,
    "STATE first": StateFirst,
    "settle before send": SettleFirst,
}
