"""Many schedules in a row, and what they came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from tests.simulation.pipeline import Pipeline, quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(slots=True)
class Figures:
    """The sums over all schedules. `wrong` has, by seed, the promises that were broken."""

    schedules: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    exempted: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def take(self, seed: int, pipeline: Pipeline) -> None:
        """Count one schedule in."""
        self.schedules += 1
        self.counts += pipeline.world.figures
        self.exempted += pipeline.oracle.exempted
        if pipeline.oracle.wrong:
            self.wrong[seed] = pipeline.oracle.wrong

    def lines(self) -> Iterator[str]:
        """For the terminal."""
        names = ("runs", "crashes", "signals", "lost answers", "late arrivals", "hand edits")
        counted = ", ".join(f"{self.counts[name]} {name}" for name in names)
        yield (
            f"simulation: {self.schedules} schedules, {counted}, "
            f"{sum(self.exempted.values())} exemptions, {len(self.wrong)} wrong; "
            f"{self.seconds:.0f} s"
        )
        for why, number in self.exempted.most_common():
            yield f"  exempt {number:6} {why}"
        yield from self._complaints()

    def _complaints(self) -> Iterator[str]:
        if not self.wrong:
            return
        promises = Counter(name for found in self.wrong.values() for name in dict(found))
        for name, number in promises.most_common():
            seed = min(seed for seed, found in self.wrong.items() if name in dict(found))
            what = dict(self.wrong[seed])[name]
            yield f"  WRONG {number:6} {name}, first with seed {seed}: {what}"
        yield f"  smallest seed: {min(self.wrong)}"


def simulate(seeds: Iterable[int], kind: type[Pipeline] = Pipeline) -> Figures:
    """Every schedule of these seeds."""
    figures, begin = Figures(), perf_counter()
    with quiet():
        for seed in seeds:
            pipeline = kind(seed)
            pipeline.live()
            figures.take(seed, pipeline)
    figures.seconds = perf_counter() - begin
    return figures


def first_wrong(
    seeds: Iterable[int], kind: type[Pipeline]
) -> tuple[int, list[tuple[str, str]]] | None:
    """How many schedules it takes to find a planted defect, and how it shows.

    A schedule that is wrong without it, too, finds nothing.
    """
    with quiet():
        for number, seed in enumerate(seeds, start=1):
            wrong = _wrong(kind(seed))
            if wrong and not _wrong(Pipeline(seed)):
                return number, wrong
    return None


def _wrong(pipeline: Pipeline) -> list[tuple[str, str]]:
    pipeline.live()
    return pipeline.oracle.wrong
