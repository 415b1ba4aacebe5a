"""The long run: `python -m tests.kills --kills 200 --terms 100`. Ends with 1 if anything is wrong.

Every journal step and every request of two inputs, then so many SIGKILLs and SIGTERMs at seeded
random moments.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tests.kills.cases import Levels
from tests.kills.killed import Step, When
from tests.kills.trials import LARGE, WORKERS, every_step, randoms, shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kills.trials import Tally, Theatre


def jobs(kills: int, terms: int, seed: int) -> list[Callable[[Theatre], Tally]]:
    """What is to be done, in parts for the workers."""
    made: list[Callable[[Theatre], Tally]] = [
        partial(every_step, make=make, step=step, when=when)
        for make in (Levels, *LARGE)
        for step in get_args(Step)
        for when in get_args(When)
    ]
    for number, wanted in ((signal.SIGKILL, kills), (signal.SIGTERM, terms)):
        for worker in range(WORKERS):
            share = wanted // WORKERS + (worker < wanted % WORKERS)
            # Even and odd seeds are of the two cases; each worker has both.
            seeds = count(seed + (2 * number + worker) * 100_000)
            made.append(partial(randoms, number=number, wanted=share, seeds=seeds))
    return made


def main() -> int:
    """The figures in one line, and before it a line for each thing that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--terms", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        tally = shared(Path(folder), jobs(chosen.kills, chosen.terms, chosen.seed))
    for line in tally.wrong:
        sys.stdout.write(f"wrong: {line}\n")
    sys.stdout.write(f"{tally.line()}\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
