"""The long run: `python -m tests.simulation --schedules 20000 [--seed N]`."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.figures import simulate
from tests.simulation.pipeline import Pipeline
from tests.simulation.variants import VARIANTS


def main() -> int:
    """Simulate, print the figures, and end with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--variant", choices=sorted(VARIANTS), help="with a planted defect")
    chosen = parser.parse_args()
    kind = VARIANTS.get(chosen.variant, Pipeline)
    figures = simulate(range(chosen.seed, chosen.seed + chosen.schedules), kind)
    sys.stdout.write("".join(f"{line}\n" for line in figures.lines()))
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
