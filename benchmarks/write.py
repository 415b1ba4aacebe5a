"""CPU and requests of `target-inventory` beside a plain SDK target, on the sandbox, in one run.

    python benchmarks/write.py [--records 20000] [--differences 300] [--rounds 1]

Both get the same input: the records that the tap reads from the shop, some of them with another
level. CPU seconds are those of the whole process; those of its start, with an input without
records, are shown beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms

PLAIN = [sys.executable, str(Path(__file__).with_name("plain_target.py"))]
OURS = [sys.executable, "-m", "target_inventory"]
STREAM = "deconetwork_inventory"
TAP = [sys.executable, "-m", "tap_inventory"]
SHOP = "deconetwork"


@dataclass(frozen=True)
class Cost:
    """CPU and wall seconds of one process, and the requests that it sent."""

    cpu: float
    wall: float
    reads: int
    writes: int
    start: float = 0.0

    @property
    def work(self) -> float:
        """CPU seconds beyond those of the start."""
        return self.cpu - self.start


def prepare(folder: Path, records: int, differences: int) -> Path:
    """The tap's own messages, with so many levels that are one higher."""
    clock = Clock()
    with SandboxServer(rooms(clock, records, names=[SHOP]), clock=clock) as server:
        config = folder / "tap.json"
        config.write_text(json.dumps({SHOP: server.settings(SHOP)}))
        command = [*TAP, "--config", str(config)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=_quiet())
    lines = []
    # Spread over the shop, as a day's counts are.
    every, seen = max(records // differences, 1), 0
    for line in done.stdout.splitlines():
        message: dict[str, Any] = json.loads(line)
        if message.get("stream") not in {None, STREAM}:
            continue  # the levels of the same rows
        if message["type"] == "RECORD":
            seen += 1
            if seen % every == 1 % every and seen // every < differences:
                message["record"]["inv_lvl"] = max(message["record"]["inv_lvl"] or 0, 0) + 1
        lines.append(json.dumps(message))
    file = folder / "input.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def measure(command: list[str], source: Path, records: int, *, nested: bool) -> Cost:
    """Run a target once on a fresh shop."""
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as name,
        SandboxServer(rooms(clock, records, names=[SHOP]), clock=clock) as server,
        source.open("rb") as stdin,
    ):
        file = Path(name) / "config.json"
        flat = server.settings(SHOP)
        file.write_text(json.dumps({SHOP: flat} if nested else flat))
        start = time.monotonic()
        process = subprocess.Popen(
            [*command, "--config", str(file)],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            env=_quiet(),
            cwd=name,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{command} ended with {process.returncode}")
        asked = [request.method for request in server.requests(SHOP)]
        writes = sum(method != "GET" for method in asked)
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(cpu, time.monotonic() - start, len(asked) - writes, writes)


def _quiet() -> dict[str, str]:
    environment = {**os.environ, "LOGLEVEL": "ERROR"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def compare(records: int, differences: int, rounds: int) -> dict[str, Cost]:
    """The cheapest run of each: other work on the machine only adds."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        source = prepare(Path(name), records, differences)
        nothing = Path(name) / "nothing.jsonl"
        nothing.touch()
        for who, command in (("ours", OURS), ("plain", PLAIN)):
            nested = who == "ours"
            costs = [measure(command, source, records, nested=nested) for _ in range(rounds)]
            cheapest = min(costs, key=lambda cost: cost.cpu)
            start = measure(command, nothing, 1, nested=nested).cpu
            found[who] = replace(cheapest, start=start)
    return found


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--differences", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    found = compare(chosen.records, chosen.differences, chosen.rounds)
    print(f"{chosen.records} records, {chosen.differences} differences")
    for name, cost in found.items():
        print(
            f"{name}: {cost.cpu:.2f} s CPU ({cost.start:.2f} s of it to start), {cost.wall:.1f} s, "
            f"{cost.writes} requests that write, {cost.reads} that read"
        )
    ours, plain = found["ours"], found["plain"]
    whole, work = ours.cpu / plain.cpu, ours.work / plain.work
    print(f"CPU, ours / plain: {whole:.3f}; without the start {work:.3f}")


if __name__ == "__main__":
    main()
