"""What a run did, for a machine and for a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from inventory_providers.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_inventory.dead_letters import Letter


@dataclass(slots=True)
class Report:
    """Counts per outcome.

    `read` are the records of streams that can be written, `skipped` those of all others.
    `settled` are writes of earlier runs that are found done, `superseded` dead letters that newer
    records have overtaken, `moved` writes that were confirmed and changed again by others.
    `left_out` are levels from elsewhere that do not count here, or that are not wanted.
    `unmapped`, `ambiguous` and `untracked` are the SKUs of those that stand for no item, for
    several, or for one without tracking, whether they are left out or rejected. `guards` says
    which limits stopped the run, `error` what else ended it before its end.
    """

    mode: str
    read: int = 0
    skipped: int = 0
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
    untracked: list[str] = field(default_factory=list)
    guards: list[str] = field(default_factory=list)
    error: str | None = None

    def count_rejected(self, rejected: Sequence[Letter], left_out: Sequence[Letter] = ()) -> None:
        """Add rejected records, and those that would be if they were wanted."""
        self.rejected += len(rejected)
        self.left_out += len(left_out)
        counts = Counter(self.rejected_by_reason)
        counts.update(letter.reason for letter in rejected)
        self.rejected_by_reason = dict(counts)
        named: dict[str, dict[str, None]] = defaultdict(dict)
        for letter in chain(rejected, left_out):
            named[letter.kind][letter.sku] = None
        self.unmapped = list(named["unmapped"] | named["lost"])
        self.ambiguous, self.untracked = list(named["ambiguous"]), list(named["untracked"])

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
        for name in (
            "skipped",
            "settled",
            "superseded",
            "left_out",
            "moved",
            "rejected",
            "unknown",
        ):
            if count := getattr(self, name):
                parts.append(f"{count} {name.replace('_', ' ')}")
        requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        return ", ".join([*parts, requests, f"{self.seconds:.1f} s"])

    def json(self) -> bytes:
        """The report as a file."""
        return dumps(asdict(self) | {"seconds": round(self.seconds, 3)}) + b"\n"
