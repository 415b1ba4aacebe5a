"""CPU per row of `tap-inventory` beside a plain SDK tap, on the sandbox, in one run.

    python benchmarks/read.py [--rows 20000] [--rounds 3]

Both taps read the same shop in turn. CPU seconds are those of the tap's process; the cost of its
start is measured on a shop with one row and taken off for the figure per row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms

PLAIN = [sys.executable, str(Path(__file__).with_name("plain_tap.py"))]
STREAM, LEVELS = "deconetwork_inventory", "inventory_levels"
OURS = [sys.executable, "-m", "tap_inventory"]


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of one process, and the records that it wrote."""

    cpu: float
    wall: float
    records: int


def catalog(*streams: str) -> object:
    """These streams and no other."""
    chosen = [{"breadcrumb": [], "metadata": {"selected": True}}]
    return {
        "streams": [
            {"tap_stream_id": name, "stream": name, "schema": {}, "metadata": chosen}
            for name in streams
        ]
    }


def measure(command: list[str], config: object, chosen: object = None) -> Cost:
    """Run a tap once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        file.write_text(json.dumps(config))
        if chosen is not None:
            (Path(folder) / "catalog.json").write_text(json.dumps(chosen))
            command = [*command, "--catalog", str(Path(folder) / "catalog.json")]
        out = Path(folder) / "out.jsonl"
        start = time.monotonic()
        with out.open("wb") as stdout:
            environment = {**os.environ, "LOGLEVEL": "ERROR"}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            process = subprocess.Popen(
                [*command, "--config", str(file)], stdout=stdout, env=environment
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command} ended with {process.returncode}")
        records = out.read_bytes().count(b'"RECORD"')
        return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start, records)


def contest(rows: int) -> dict[str, Cost]:
    """Each contender once on a fresh shop of so many rows."""
    clock = Clock()
    with SandboxServer(rooms(clock, rows), clock=clock) as server:
        flat = server.settings("deconetwork")
        return {
            "plain": measure(PLAIN, flat),
            "ours": measure(OURS, {"deconetwork": flat}, catalog(STREAM)),
            "ours with levels": measure(OURS, {"deconetwork": flat}, catalog(STREAM, LEVELS)),
        }


def compare(rows: int, rounds: int) -> dict[str, float]:
    """Microseconds of CPU per row of both, and the ratios.

    Of each kind of run the least disturbed counts: other work on the machine only adds.
    """
    contest(1)
    starts, fulls = [contest(1) for _ in range(rounds)], [contest(rows) for _ in range(rounds)]
    for full in fulls:
        assert full["plain"].records == full["ours"].records == rows
        assert full["ours with levels"].records == 2 * rows
    whole = {name: min(full[name].cpu for full in fulls) for name in fulls[0]}
    start = {name: min(one[name].cpu for one in starts) for name in fulls[0]}
    per_row = {name: (whole[name] - start[name]) / rows * 1e6 for name in whole}
    return {
        **per_row,
        "per row, ours / plain": per_row["ours"] / per_row["plain"],
        "per row, ours with levels / plain": per_row["ours with levels"] / per_row["plain"],
        "whole process, ours / plain": whole["ours"] / whole["plain"],
    }


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    found = compare(chosen.rows, chosen.rounds)
    print(f"{chosen.rows} rows, {chosen.rounds} rounds, the best of each")
    for name, value in found.items():
        print(f"{name}: {value:.2f}" if "/" in name else f"CPU per row, {name}: {value:.0f} us")


if __name__ == "__main__":
    main()
