"""Feeds public Singer targets with all that the tap says, and looks at what arrived.

    python3 scripts/targets_check.py [--only NAME]

Needs Python 3.11 or newer, and the package index for the targets. A PostgreSQL that is installed
is started on 127.0.0.1 in a temporary folder; without one, its targets are skipped. What is
installed goes into `build/targets`. Ends with 1 if anything is not as docs/targets.md says.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap


def main() -> int:
    """Make our own environment, and run the check in it."""
    folder = bootstrap.ROOT / "build" / "targets"
    commands = bootstrap.environment(folder / "ours")
    places = ("--uv", folder / "ours-uv" / "bin" / "uv", "--environments", folder)
    command: list[str | Path] = [commands / "python", "-m", "tests.targets", *places, *sys.argv[1:]]
    return subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
