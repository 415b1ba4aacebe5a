"""Reads stock from five providers, changes a count in a shop through a pipe, and reads again.

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

SHOP = "deconetwork_inventory"
# The provider's own example row, and two of its sizes.
COUNTED = {"19617_1378": 24, "19617_1379": 0, "19617_1380": 12}
SKUS = 500
# One of the goods that all providers have, and where each of them says how many there are.
SKU = "312034"


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


def read(commands: Path, config: Path, state: Path | None = None) -> list[dict[str, Any]]:
    """What the tap says, message by message."""
    command = [str(commands / "tap-inventory"), "--config", str(config)]
    if state is not None:
        command += ["--state", str(state)]
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


# Where a provider says how many there are of a SKU: the stream, the SKU's property, the words.
LEVELS = (
    ("SoStocked", "sostocked_inventory", "area_skus", "{area_inv_stock} at FBA in {areas}"),
    ("S2", "s2_inventory_items", "product_id", "{available} available in one warehouse"),
    (
        "ShipStream",
        "shipstream_inventory",
        "sku",
        "{qty_available} available in warehouse {warehouse_id}",
    ),
    ("DecoNetwork", SHOP, "sku", "{inv_lvl} on hand in the shop"),
    (
        "Amazon FBA",
        "amazon_fba_inventory_summaries",
        "seller_sku",
        "{inventory_details[fulfillable_quantity]} fulfillable, seen from {marketplace_id}",
    ),
)


def everywhere(messages: list[dict[str, Any]]) -> None:
    """What each provider says of one SKU."""
    products = {row["id"] for row in records(messages, "s2_products") if row["sku"] == SKU}
    for provider, stream, name, words in LEVELS:
        for row in records(messages, stream):
            if row[name] == SKU or row[name] in products:
                line(provider, words.format(**row))


def line(provider: str, text: str) -> None:
    """One provider's word."""
    say(f"    {provider:<12} {text}")


def show(rows: list[dict[str, Any]]) -> None:
    """Some rows, with the columns that matter here."""
    for row in rows:
        size, color = row["product_size"] or {}, row["product_color"] or {}
        say(
            f"    {row['dn_sku_id']:<12} {row['product_name'][:38]:<38} {size.get('name', ''):<9}"
            f" {color.get('name', ''):<12} on hand {row['inv_lvl']:>4}"
        )


def write(commands: Path, config: Path, messages: list[dict[str, Any]]) -> None:
    """Pipe the tap's own messages, with the new counts in them, into the target."""
    lines = []
    for message in messages:
        if message.get("stream") != SHOP:
            continue
        record = message.get("record")
        if record is not None:
            if record["dn_sku_id"] not in COUNTED:
                continue
            record["inv_lvl"] = COUNTED[record["dn_sku_id"]]
        lines.append(json.dumps(message))
    command = [str(commands / "target-inventory"), "--config", str(config)]
    done = subprocess.run(
        command,
        input="\n".join(lines).encode(),
        stdout=subprocess.DEVNULL,
        stderr=sys.stdout,
        check=False,
        env=quiet(),
        cwd=config.parent,
    )
    if done.returncode:
        sys.exit(f"target-inventory ended with {done.returncode}")


def story(commands: Path, folder: Path, url: str) -> None:
    """The whole way once."""
    config, state = folder / "config.json", folder / "state.json"
    with urllib.request.urlopen(f"{url}/__sandbox/config", timeout=10) as answer:  # noqa: S310
        config.write_bytes(answer.read())

    say("\n1. tap-inventory reads everything from all five:\n")
    start = time.monotonic()
    first = read(commands, config)
    for stream, rows in counts(first).items():
        say(f"    {rows:>5}  {stream}")
    say(f"\n   in {time.monotonic() - start:.1f} s. One of the SKUs, {SKU}, in each of them:\n")
    everywhere(first)
    state.write_text(json.dumps(first[-1]["value"]))

    say("\n2. Somebody counted three items in the shop. A pipe takes the counts into the target:\n")
    write(commands, config, first)

    say("\n3. tap-inventory again, with the STATE of the first run. Streams that know what changed")
    say("   give just that, the others everything:\n")
    second = read(commands, config, state)
    for stream, rows in counts(second).items():
        say(f"    {rows:>5}  {stream}")
    say()
    show(records(second, SHOP))

    say("\n4. The same counts once more. What stands there already is not written:\n")
    write(commands, config, first)


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
