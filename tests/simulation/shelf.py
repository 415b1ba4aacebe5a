"""What really stands at the simulated provider: the truth that the oracle asks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Level = dict[str, int]


class Mark(NamedTuple):
    """How a value came to stand where it stands: by a `write`, `late`, by `hand`; and when.

    `sent` is when the request left that brought it.
    """

    cause: str
    tick: int
    sent: int = -1


@dataclass(slots=True)
class Shelf:
    """The items, the tokens that were ever seen, and what was carried out.

    `blind` items have levels that the provider never shows. `refused` are the lines that it
    refuses for good: a SKU, a SKU with a value, or the event of an addition.
    """

    items: dict[str, Level] = field(default_factory=dict)
    blind: set[str] = field(default_factory=set)
    refused: set[Any] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    added: Counter[tuple[str, str]] = field(default_factory=Counter)
    added_at: dict[tuple[str, str], int] = field(default_factory=dict)
    marks: dict[tuple[str, str], Mark] = field(default_factory=dict)
    # Per SKU the ticks at which something moved its units that is no write in its turn.
    pushed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    # Per SKU and field the ticks at which it was written in its turn.
    written: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def shown(self, sku: str) -> dict[str, int | None] | None:
        """What the provider shows of an item."""
        level = self.items.get(sku)
        if level is None:
            return None
        units = None if sku in self.blind else level["units"]
        return {"units": units, "warn": level["warn"]}

    def carry_out(self, order: Any, mark: Mark, most: int | None = None) -> str | None:
        """One request, or the first lines of it; the reason where it is refused at a line."""
        if order.token in self.tokens:
            return None
        lines = json.loads(order.body)
        for line in lines[:most]:
            reason = self._refusal(line)
            if reason is not None:
                return reason
            self._do(line, mark)
        if order.token is not None and most is None:
            self.tokens.add(order.token)
        return None

    def first_refusal(self, order: Any) -> str | None:
        """Whether a provider that looks at all lines first would refuse it."""
        if order.token is not None and order.token in self.tokens:
            return None
        return next(filter(None, map(self._refusal, json.loads(order.body))), None)

    def _refusal(self, line: dict[str, Any]) -> str | None:
        sku, verb = line["sku"], line["verb"]
        if sku in self.refused or any(part in self.refused for part in _parts(line)):
            return "the provider does not like it"
        there = sku in self.items
        if verb == "create":
            return "there is one already" if there else None
        return None if there or verb == "delete" else "there is no such item"

    def _do(self, line: dict[str, Any], mark: Mark) -> None:
        sku, verb = line["sku"], line["verb"]
        if verb == "set":
            self.items[sku] |= line["fields"]
            names = list(line["fields"])
        elif verb == "add":
            self.items[sku]["units"] += line["quantity"]
            self.added[sku, line["event"]] += 1
            self.added_at[sku, line["event"]] = mark.tick
            names = ["units"]
        else:
            self.items.pop(sku, None)
            if verb == "create":
                self.items[sku] = {"units": 0, "warn": 0}
            names = ["there"]
        self._note(sku, names, mark)

    def _note(self, sku: str, names: list[str], mark: Mark) -> None:
        for name in names:
            self.marks[sku, name] = mark
            if mark.cause == "write":
                self.written[sku, name].append(mark.tick)
        if mark.cause != "write":
            self.pushed[sku].append(mark.tick)

    def edit(self, sku: str, name: str, value: int, tick: int) -> None:
        """Somebody changes a value by hand, in the shop."""
        self.items[sku][name] = value
        self.marks[sku, name] = Mark("hand", tick)
        self.pushed[sku].append(tick)


def _parts(line: dict[str, Any]) -> list[Any]:
    sku = line["sku"]
    if line["verb"] == "set":
        return [(sku, name, value) for name, value in line["fields"].items()]
    return [(sku, line.get("event"))]
