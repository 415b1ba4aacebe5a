"""Carrying a plan out: send, find out what became of it, read it back.

The provider has one answer for a whole batch. Where that answer is bad, or does not come, the live
levels are read before anything is sent again: what holds the wanted level is written, what still
holds the old one was not, and what holds a third was changed by somebody else in between.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory_providers.errors import InventoryError, Malformed, Rejected, Uncertain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inventory_providers.contract import Fields, Session, Write
    from target_inventory.dead_letters import Letter
    from target_inventory.plan import Planned

LOG = logging.getLogger("target-inventory")

# How often a batch whose answer was lost is sent again, each time only what is not yet written.
TRIES = 4


@dataclass(slots=True)
class Outcome:
    """What became of the changes."""

    written: list[Planned] = field(default_factory=list)
    verified: int = 0
    moved: int = 0
    letters: list[Letter] = field(default_factory=list)
    unknown: list[tuple[Planned, str]] = field(default_factory=list)


class Applier:
    """Writes the changes of one kind to one provider, one request at a time."""

    def __init__(self, session: Session, write: Write) -> None:
        self._session, self._write = session, write
        self.outcome = Outcome()

    def apply(self, changes: Sequence[Planned]) -> Outcome:
        """Send everything in batches, then read it back.

        Raises:
            Denied, Unavailable, Malformed: the run cannot go on; no STATE may follow.
            Uncertain: so, and at least one write may or may not have been carried out.
        """
        try:
            for batch in _batches(changes, self._write.batch_size):
                self._send(batch)
            self._verify()
        except Uncertain:
            raise
        except InventoryError as error:
            if not self.outcome.unknown:
                raise
            raise self._uncertain(len(self.outcome.unknown), error) from None
        return self.outcome

    def _uncertain(self, count: int, error: InventoryError) -> Uncertain:
        return Uncertain(
            f"whether {count} writes were carried out is not known ({error.message})",
            place=error.place,
        )

    def _send(self, batch: Sequence[Planned], tries: int = TRIES) -> None:
        try:
            self._write.send(self._session, [planned.change for planned in batch])
        except Rejected as error:
            self._split(batch, error)
        except Uncertain as error:
            LOG.warning("%s; reading back before anything is sent again", error)
            self._again(batch, error, tries - 1)
        except Malformed as error:
            self._not_written(batch, error.message)
            raise
        else:
            self.outcome.written.extend(batch)

    def _split(self, batch: Sequence[Planned], error: Rejected) -> None:
        """Halve a refused batch until the bad record stands alone."""
        rest = self._not_written(batch, error.message)
        if len(batch) == 1:
            for planned in rest:
                self.outcome.letters += planned.rejected(error.message)
            return
        middle = max(len(rest) // 2, 1)
        for half in (rest[:middle], rest[middle:]):
            if half:
                self._send(half)

    def _again(self, batch: Sequence[Planned], error: Uncertain, tries: int) -> None:
        rest = self._not_written(batch, error.message)
        if rest and tries > 0:
            self._send(rest, tries)
        else:
            self.outcome.unknown.extend((planned, error.message) for planned in rest)

    def _not_written(self, batch: Sequence[Planned], cause: str) -> list[Planned]:
        """Read the items of a doubtful batch; keep those that still hold the old level."""
        try:
            levels = self._write.levels(self._session, [one.change.key for one in batch])
        except InventoryError as error:
            raise self._uncertain(len(batch), error) from None
        rest: list[Planned] = []
        for planned in batch:
            live = levels.get(planned.change.key)
            if live is None or planned.change.not_begun(live):
                rest.append(planned)
            elif planned.change.done(live):
                self.outcome.written.append(planned)
            else:
                self.outcome.unknown.append((planned, f"{cause}; the level is a third one now"))
        return rest

    def _verify(self) -> None:
        """Read back what was written. A provider that said yes and did nothing is found out."""
        written = self.outcome.written
        if not written:
            return
        levels = self._write.levels(self._session, [one.change.key for one in written])
        self.outcome.written = [
            one for one in written if self._is_there(one, levels.get(one.change.key))
        ]

    def _is_there(self, planned: Planned, live: Fields | None) -> bool:
        if live is None or planned.change.not_begun(live):
            reason = "the provider accepted the change but it is not there"
            self.outcome.letters += planned.rejected(reason, live)
            return False
        if planned.change.done(live):
            self.outcome.verified += 1
        else:
            # A sale between the write and the read-back: the write had its answer.
            self.outcome.moved += 1
            LOG.warning(
                "%s %s was changed again after it was written",
                self._write.stream,
                planned.change.key,
            )
        return True


def _batches(changes: Sequence[Planned], size: int) -> Iterator[Sequence[Planned]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]
