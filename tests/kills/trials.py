"""Trials: a run of the target is ended somewhere, and an ordinary run of the same input follows."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from tests.conftest import Canaries
from tests.kills.cases import Additions, Levels, Meeting
from tests.kills.killed import Step, Strike, When
from tests.kills.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.kills.cases import Case, Verdict
    from tests.kills.stage import Ended

WORKERS = 2
KILLED, STOPPED = -signal.SIGKILL, 128 + signal.SIGTERM


@dataclass
class Tally:
    """What many trials came to; `wrong` has one line for each thing that must not be."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        seconds = self.seconds + other.seconds
        return Tally(self.counts + other.counts, self.wrong + other.wrong, seconds)

    def line(self) -> str:
        """The figures."""
        c = self.counts
        return (
            f"{c['steps']} SIGKILLs at steps, {c['kills']} SIGKILLs at random, "
            f"{c['terms']} SIGTERMs; {c['runs']} runs, {c['unfinished']} with unfinished writes "
            f"before them: {c['lost']} lost, {c['doubled']} doubled, {c['other']} otherwise wrong, "
            f"in {self.seconds:.0f} s"
        )


class Trial:
    """One sandbox, one journal, some runs that are ended, and one that is not."""

    def __init__(self, case: Case, stage: Stage, label: str) -> None:
        self.case, self._stage, self._label = case, stage, label
        self.version = 1
        self.tally = Tally()

    def run(self, **how: Any) -> Ended:
        """A run; whenever it acknowledges, all of it must stand there by then."""
        case = self.case
        ended = self._stage.run(
            case.folder,
            case.input(self.version),
            case.config,
            hurry=case.hurry,
            **how,
        )
        self.tally.counts["runs"] += 1
        if ended.out:
            self._must(ended.out == case.acknowledged(self.version), "another STATE came out")
            self._blame(case.judge(self.version), "STATE was out")
        elif ended.code == 0:
            self._must(False, "it ended with 0 and without STATE")
        self.tally.counts["unfinished"] += "unfinished write" in ended.err
        self._must("Traceback" not in ended.err, f"a traceback: {ended.err[-300:]}")
        case.leave()
        return ended

    def finish(self, **how: Any) -> None:
        """The ordinary run afterwards."""
        ended = self.run(**how)
        self._must(ended.code == 0, f"the rerun ended with {ended.code}: {ended.err[-300:]}")
        self._blame(self.case.judge(self.version), "after the rerun")

    def ended_by(self, ended: Ended, *allowed: int) -> None:
        """How a run that was ended may end."""
        self._must(ended.code in allowed, f"it ended with {ended.code}: {ended.err[-300:]}")

    def _blame(self, verdict: Verdict, when: str) -> None:
        for name, many in vars(verdict).items():
            self.tally.counts[name] += len(many)
        self.tally.wrong += [f"{self._label}: {when}: {one}" for one in verdict]

    def _must(self, right: bool, otherwise: str) -> None:
        if not right:
            self.tally.counts["other"] += 1
            self.tally.wrong.append(f"{self._label}: {otherwise}")


class Theatre:
    """Makes trials in folders of their own; whatever they leave is scanned for secrets."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self._folder, self.stage = folder, stage
        self._count = 0

    @contextmanager
    def trial(self, make: Callable[[Path], Case], label: str) -> Iterator[Trial]:
        """A fresh one; it is judged by its tally."""
        self._count += 1
        folder = self._folder / str(self._count)
        (folder / "run").mkdir(parents=True)
        case = make(folder / "run")
        canaries = Canaries()
        with case.server:
            trial = Trial(case, self.stage, label)
            yield trial
        canaries.watch(folder / "run")
        if hits := canaries.hits():
            trial._must(False, f"a secret came out: {hits}")
        if not trial.tally.wrong:
            shutil.rmtree(folder)


# ---- every step (W01) ----------------------------------------------------------------------------


def every_step(theatre: Theatre, make: Callable[[Path], Case], step: Step, when: When) -> Tally:
    """Kill before or after each step of a kind, until a run has no more of them."""
    tally = Tally()
    for number in count(1):
        one = at_step(theatre, make, Strike(number, when, step))
        tally += one
        if not one.counts["steps"]:
            break
    return tally


def at_step(
    theatre: Theatre,
    make: Callable[[Path], Case],
    strike: Strike,
    defect: str | None = None,
) -> Tally:
    """One run that is killed there, if it comes there; all runs have the `defect`."""
    label = f"{strike.when} {strike.step} {strike.number}"
    with theatre.trial(make, label) as trial:
        ended = trial.run(strike=strike, defect=defect)
        trial.ended_by(ended, KILLED, 0)
        trial.tally.counts["steps"] += ended.code == KILLED
        trial.finish(defect=defect)
    return trial.tally


# ---- at random (W02) -----------------------------------------------------------------------------


class Ending(NamedTuple):
    """How many runs are ended in one trial, and with what."""

    seed: int
    number: signal.Signals
    cold: bool = False


def at_random(
    theatre: Theatre, make: Callable[[Path], Case], ending: Ending, usual: float
) -> Tally:
    """A seeded trial: up to three runs are ended, each somewhere; `usual` are a run's seconds."""
    dice = random.Random(ending.seed)
    with theatre.trial(make, f"seed {ending.seed} {ending.number.name}") as trial:
        for _ in range(dice.randint(1, 3)):
            _end_one(trial, ending, dice, usual)
            if dice.random() < 0.3:
                trial.version = 2
        trial.finish()
    return trial.tally


def _end_one(trial: Trial, ending: Ending, dice: random.Random, usual: float) -> None:
    number = ending.number
    received = len(trial.case.server.received)
    if dice.random() < 0.5:
        ended = trial.run(after=(dice.uniform(0, usual), number), cold=ending.cold)
    else:
        how: Meeting = dice.choice(get_args(Meeting))
        trial.case.meet(
            dice.randint(1, trial.case.usual_writes), how, lambda: trial._stage.send(number)
        )
        ended = trial.run()
    if number == signal.SIGKILL:
        trial.ended_by(ended, KILLED, 0)
        trial.tally.counts["kills"] += ended.code == KILLED
        return
    # Before the first line of Python nobody obeys a signal but the kernel.
    begun = len(trial.case.server.received) > received
    trial.ended_by(ended, *((STOPPED, 0) if begun else (STOPPED, 0, -signal.SIGTERM)))
    trial.tally.counts["terms"] += ended.code != 0


# ---- many ----------------------------------------------------------------------------------------

LARGE = (partial(Levels, count=240), Additions)
COLD = 10


def usual_seconds(theatre: Theatre, make: Callable[[Path], Case]) -> float:
    """How long a run takes that nobody ends."""
    with theatre.trial(make, "undisturbed") as trial:
        ended = trial.run()
    assert (ended.code, trial.tally.wrong) == (0, []), (ended, trial.tally.wrong)
    return ended.seconds


def randoms(theatre: Theatre, number: signal.Signals, wanted: int, seeds: Iterator[int]) -> Tally:
    """Until so many signals have ended a run; every tenth trial starts the command cold."""
    usual = [usual_seconds(theatre, make) for make in LARGE]
    tally = Tally()
    name = "kills" if number == signal.SIGKILL else "terms"
    while tally.counts[name] < wanted:
        seed = next(seeds)
        which = seed % len(LARGE)
        # Most of a cold start is the import of the code, in which nothing has begun.
        cold = seed // 2 % COLD == 0
        seconds = usual[which] + (1.0 if cold else 0.0)
        tally += at_random(theatre, LARGE[which], Ending(seed, number, cold=cold), seconds)
    return tally


def shared(folder: Path, jobs: Sequence[Callable[[Theatre], Tally]]) -> Tally:
    """The jobs by two workers, each on a stage of its own."""
    begin = time.monotonic()

    def work(numbered: tuple[int, Callable[[Theatre], Tally]]) -> Tally:
        number, job = numbered
        with Stage() as stage:
            return job(Theatre(folder / str(number), stage))

    with ThreadPoolExecutor(WORKERS) as pool:
        tally = sum(pool.map(work, enumerate(jobs)), Tally())
    tally.seconds = time.monotonic() - begin
    return tally
