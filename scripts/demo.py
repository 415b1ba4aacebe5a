"""Reads stock from five providers, and takes a warehouse's levels into a shop through a pipe.

    python3 scripts/demo.py

Everything happens on this machine: the providers are the sandbox on 127.0.0.1, on a free port. The
first run makes a virtual environment in `build/demo`; nothing is left running.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS = "inventory_levels"
WAREHOUSE, SHOP = "shipstream", "deconetwork"
SKUS = 500
# One of the goods that all providers have.
SKU = "312034"
# So many of them leave the warehouse, or come in, while we look.
MOVED = 5


def say(text: str = "") -> None:
    """A line to the reader, in step with what the commands write to standard error."""
    print(text, flush=True)


@contextlib.contextmanager
def sandbox(commands: Path) -> Iterator[str]:
    """The sandbox on a free port, ended when the block ends; its URL."""
    command = [str(commands / "inventory-sandbox"), "--port", "0", "--skus", str(SKUS)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is None:
            sys.exit(f"the sandbox did not start: {line}")
        yield found[0]
    finally:
        process.terminate()
        process.wait(10)


def read(commands: Path, config: Path) -> list[dict[str, Any]]:
    """What the tap says, message by message."""
    command = [str(commands / "tap-inventory"), "--config", str(config)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=quiet())
    if done.returncode:
        sys.exit(f"tap-inventory ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def quiet() -> dict[str, str]:
    """The environment with warnings only in the log."""
    return {**os.environ, "LOGLEVEL": "WARNING"}


def records(messages: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    """The records of a stream."""
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


def counts(messages: list[dict[str, Any]]) -> dict[str, int]:
    """How many records came of each stream."""
    return dict(Counter(m["stream"] for m in messages if m["type"] == "RECORD"))


def everywhere(messages: list[dict[str, Any]]) -> None:
    """What each provider says of one SKU, in one vocabulary."""
    line("provider", "place", "on hand", "available", "reserved", "incoming")
    names = ("on_hand", "available", "reserved", "incoming")
    for row in records(messages, LEVELS):
        if row["sku"] == SKU:
            place = row["location_name"] or row["location_id"]
            line(row["provider"], place[:36], *(row[name] for name in names))


def line(provider: str, place: str, *cells: Any) -> None:
    """One row of the table; a dash where the provider does not say."""
    told = ("-" if cell is None else str(cell) for cell in cells)
    say(f"    {provider:<12} {place:<37}" + "".join(f"{cell:>10}" for cell in told))


def move(url: str) -> None:
    """Something happens in the warehouse."""
    body = json.dumps({"stream": "shipstream_inventory_detailed", "count": MOVED}).encode()
    with urllib.request.urlopen(f"{url}/__sandbox/touch", data=body, timeout=10):  # noqa: S310
        pass


class Pipe:
    """`tap-inventory | target-inventory`: the warehouse's levels into the shop."""

    def __init__(self, commands: Path, folder: Path, config: dict[str, Any]) -> None:
        self._commands, self._folder = commands, folder
        source = self._file("warehouse.json", {WAREHOUSE: config[WAREHOUSE]})
        self._tap = [str(commands / "tap-inventory"), "--config", source]
        self._settings = {
            SHOP: config[SHOP],
            "levels_to": SHOP,
            "report_path": str(folder / "report.json"),
            # What is not known in the shop, or not tracked there, is listed and left alone.
            "leave_out": ["unmapped", "untracked"],
        }
        found = subprocess.run([*self._tap, "--discover"], capture_output=True, check=True)
        streams = json.loads(found.stdout)["streams"]
        levels = [stream for stream in streams if stream["tap_stream_id"] == LEVELS]
        self._catalog = self._file("catalog.json", {"streams": levels})

    def _file(self, name: str, content: Any) -> str:
        path = self._folder / name
        path.write_text(json.dumps(content))
        return str(path)

    def run(self, **settings: Any) -> None:
        """Both processes to their end; shows what the target says, and what it left alone."""
        config = self._file("target.json", self._settings | settings)
        target = [str(self._commands / "target-inventory"), "--config", config]
        read = [*self._tap, "--catalog", self._catalog]
        with subprocess.Popen(read, stdout=subprocess.PIPE, env=quiet()) as tap:
            done = subprocess.run(
                target,
                stdin=tap.stdout,
                stdout=subprocess.DEVNULL,
                stderr=sys.stdout,
                check=False,
                env=quiet() | {"LOGLEVEL": "ERROR"},
                cwd=self._folder,
            )
        if tap.returncode or done.returncode:
            ends = f"tap-inventory ended with {tap.returncode}, target-inventory {done.returncode}"
            sys.exit(ends)
        report = json.loads((self._folder / "report.json").read_bytes())
        places = report["left_out"]
        for kind in self._settings["leave_out"]:
            first, *others = skus = report[kind]
            say(f"    {len(skus):>5}  {kind}, left out: {first}{', ...' if others else ''}")
            places -= len(skus)
        say(f"    {places:>5}  of single warehouses, left out: place 0 is their sum")


def story(commands: Path, folder: Path, url: str) -> None:
    """The whole way once."""
    config = folder / "config.json"
    with urllib.request.urlopen(f"{url}/__sandbox/config", timeout=10) as answer:  # noqa: S310
        config.write_bytes(answer.read())

    say("\n1. tap-inventory reads everything from all five:\n")
    start = time.monotonic()
    messages = read(commands, config)
    for stream, rows in counts(messages).items():
        say(f"    {rows:>5}  {stream}")
    say(f"\n   in {time.monotonic() - start:.1f} s.")
    say(f"   {LEVELS} has one vocabulary for all of them. SKU {SKU}:\n")
    everywhere(messages)

    pipe = Pipe(commands, folder, json.loads(config.read_bytes()))
    move(url)
    say(f"\n2. The ShipStream warehouse moves {MOVED} SKUs. What would change in the shop?")
    say("   (What the shop had oversold before is made good, too.)")
    say("   tap-inventory | target-inventory, with levels_to: deconetwork and mode: plan\n")
    pipe.run(mode="plan")

    say("\n3. The same pipe writes it, and reads it back:\n")
    pipe.run()

    say("\n4. Once more. What stands there already is not written:\n")
    pipe.run()


def main() -> None:
    """Set up, tell the story, leave nothing behind but the virtual environment."""
    say("Setting up build/demo (once, about half a minute) ...")
    commands = bootstrap.environment(bootstrap.ROOT / "build" / "demo")
    with tempfile.TemporaryDirectory() as folder, sandbox(commands) as url:
        say(f"The sandbox serves five providers on {url}.")
        story(commands, Path(folder), url)
    say("\nThe sandbox is stopped. The commands are in build/demo/bin; README.md goes on.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
