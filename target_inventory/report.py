"""What a run did, for a machine and for a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from inventory_providers.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_inventory.dead_letters import Letter


@dataclass(slots=True)
class Report:
    """Counts per outcome.

    `settled` are writes of earlier runs that are found done, `superseded` dead letters that newer
    records have overtaken, `moved` writes that were confirmed and changed again by others.
    `left_out` are levels from elsewhere that do not count here. `unmapped` and `ambiguous` are the
    SKUs of those that stand for no item, or for several. `guards` says which limits stopped the
    run.
    """

    mode: str
    read: int = 0
    settled: int = 0
    unchanged: int = 0
    superseded: int = 0
    left_out: int = 0
    planned: int = 0
    written: int = 0
    verified: int = 0
    moved: int = 0
    rejected: int = 0
    unknown: int = 0
    requests: int = 0
    seconds: float = 0.0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)

    def count_rejected(self, letters: Iterable[Letter]) -> None:
        """Add rejected records."""
        named: dict[str, dict[str, None]] = {"unmapped": {}, "ambiguous": {}}
        for letter in letters:
            self.rejected += 1
            reasons = self.rejected_by_reason
            reasons[letter.reason] = reasons.get(letter.reason, 0) + 1
            if letter.kind:
                named[letter.kind][letter.sku] = None
        self.unmapped, self.ambiguous = list(named["unmapped"]), list(named["ambiguous"])

    def line(self) -> str:
        """One line for the terminal."""
        parts = [
            f"{self.read} record{'' if self.read == 1 else 's'} read",
            f"{self.unchanged} unchanged",
        ]
        if self.mode == "plan":
            parts.append(f"{self.planned} would change (nothing was written)")
        else:
            parts += [f"{self.written} written", f"{self.verified} verified by reading back"]
        for name in ("settled", "superseded", "left_out", "moved", "rejected", "unknown"):
            if count := getattr(self, name):
                parts.append(f"{count} {name.replace('_', ' ')}")
        requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        return ", ".join([*parts, requests, f"{self.seconds:.1f} s"])

    def json(self) -> bytes:
        """The report as a file."""
        return dumps(asdict(self) | {"seconds": round(self.seconds, 3)}) + b"\n"
