"""The long versions of the gates over the writer: simulation, kills, mutated input.

    python3 scripts/gates.py

Takes about half an hour on two quiet cores; the tests have a short version of each. Needs Python
3.11 or newer and nothing else. Ends with 1 if anything was lost, doubled or insane.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

# Other schedules each time: those of the short version are always the same.
SEED = random.randrange(10**9)  # noqa: S311
GATES = (
    ("tests.simulation", "--schedules", "20000", "--seed", str(SEED)),
    ("tests.mutated", "--inputs", "10000"),
    ("tests.kills", "--kills", "200", "--terms", "100"),
)


def main() -> int:
    """Run them one after the other; 0 when all of them held."""
    commands = bootstrap.environment(bootstrap.ROOT / "build" / "check", groups=("dev",))
    held = True
    for gate in GATES:
        print(f"-- {' '.join(gate)} ...", flush=True)
        begin = time.monotonic()
        command = [commands / "python", "-m", *gate]
        held &= subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode == 0
        print(f"-- {time.monotonic() - begin:.0f} s", flush=True)
    print("all gates held" if held else "FAILED", flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
