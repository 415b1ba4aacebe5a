"""What the tap has to say: a log of records that grows, and what of it comes with one input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import random

    from tests.simulation.shelf import Shelf


class Entry(NamedTuple):
    """One record of the source; `place` is where it stands in the log, from 1."""

    place: int
    stream: str
    record: dict[str, Any]


class Source:
    """The log. STATE is the place up to which an input went.

    Items are of four kinds, by their first letter: `S` have their levels set, `A` are added to, `C`
    are created first and then added to, `E` come and go. `M` does not exist at the provider.
    """

    def __init__(self, dice: random.Random, shelf: Shelf) -> None:
        self._dice, self._shelf = dice, shelf
        self.log: list[Entry] = []
        # A tap that reads rows tells only the newest of an item; one that reads a log tells all.
        self.newest_only = dice.random() < 0.4
        self.to_come = dice.randrange(1, 4)
        self._events = 0
        self._stock()

    def _stock(self) -> None:
        dice, shelf = self._dice, self._shelf
        self._set = [f"S{n}" for n in range(dice.randrange(6))]
        self._added = [f"A{n}" for n in range(dice.randrange(3))]
        self._made = ["C0"] if dice.random() < 0.3 else []
        self._passing = ["E0"] if dice.random() < 0.3 else []
        if not self._added:
            self._set = self._set or ["S0"]
        for sku in (*self._set, *self._added):
            shelf.items[sku] = {"units": dice.randrange(8), "warn": dice.randrange(4)}
        if self._added and dice.random() < 0.15:
            shelf.blind.add(self._added[0])
        if self._set and dice.random() < 0.25:
            shelf.refused.add(dice.choice(((self._set[0], "units", 3), self._set[0])))
        if dice.random() < 0.15:
            shelf.refused.add((dice.choice((*self._added, *self._set)), "k1"))
        if dice.random() < 0.08:
            self._set.append("M0")

    @property
    def end(self) -> int:
        """The place of the last record so far."""
        return len(self.log)

    def grow(self) -> None:
        """The source has changed."""
        if self.to_come == 0:
            return
        self.to_come -= 1
        if self._made and not self.log:
            self._append("creations", {"sku": "C0"})
        for _ in range(self._dice.randrange(1, 6)):
            getattr(self, f"_of_{self._pick()[0].lower()}")(self._picked)

    def _pick(self) -> str:
        choices = (*self._set, *self._added, *self._made, *self._passing)
        self._picked = self._dice.choice(choices)
        return self._picked

    def _append(self, stream: str, record: dict[str, Any]) -> None:
        self.log.append(Entry(self.end + 1, stream, record))

    def _of_s(self, sku: str) -> None:
        units, warn = self._dice.randrange(8), self._dice.randrange(4)
        record = {"sku": sku, "units": units, "warn": warn}
        if self._dice.random() < 0.03:
            record["units"] = -1
        if not self.newest_only and self._dice.random() < 0.4:
            del record[self._dice.choice(("units", "warn"))]
        self._append("levels", record)

    _of_m = _of_s

    def _of_a(self, sku: str) -> None:
        self._events += 1
        quantity = self._dice.randrange(1, 4)
        event = f"k{self._events}"
        self._append("additions", {"sku": sku, "quantity": quantity, "idempotency_key": event})

    _of_c = _of_a

    def _of_e(self, sku: str) -> None:
        self._append(self._dice.choice(("creations", "deletions")), {"sku": sku})

    def input(self, acknowledged: int) -> tuple[list[Entry], int]:
        """The records since the STATE that came out, and the STATE behind them."""
        end = self.end
        if self._dice.random() < 0.1 and end > acknowledged:
            end = self._dice.randrange(acknowledged, end) + 1
        entries = self.log[acknowledged:end]
        if self.newest_only:
            entries = _newest(entries)
        if self._dice.random() < 0.2:
            entries = self._doubled(entries)
        return entries, end

    def _doubled(self, entries: list[Entry]) -> list[Entry]:
        """Some come twice: at once where order counts, anywhere where it does not."""
        doubled: list[Entry] = []
        for entry in entries:
            doubled.append(entry)
            if self._dice.random() < 0.3:
                doubled.append(entry)
        additions = [entry for entry in entries if entry.stream == "additions"]
        if additions:
            doubled.append(self._dice.choice(additions))
        return doubled


def _newest(entries: list[Entry]) -> list[Entry]:
    last = {entry.record["sku"]: entry for entry in entries if entry.stream != "additions"}
    kept = {entry.place for entry in last.values()}
    return [entry for entry in entries if entry.stream == "additions" or entry.place in kept]
