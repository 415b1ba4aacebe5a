"""The long run: `python -m tests.mutated --inputs 10000`. Ends with 1 if anything is wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.mutated.campaign import Campaign


def main() -> int:
    """The figures in one line, and before it a line for each thing that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutated")
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutated-") as folder:
        campaign = Campaign(Path(folder))
        figures = campaign.run(range(chosen.seed, chosen.seed + chosen.inputs))
    for line in figures.wrong:
        sys.stdout.write(f"wrong: {line}\n")
    sys.stdout.write(f"{figures.line()}\n")
    return 1 if figures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
