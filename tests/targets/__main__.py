"""Every public target against the whole of what the tap says; see docs/targets.md.

`python3 scripts/targets_check.py` calls this in an environment of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory_providers import registry
from tests.targets import page, probes
from tests.targets.compare import (
    DIFFERENCES,
    Found,
    Table,
    Verdict,
    changed,
    compare,
    last_state,
    tables,
    together,
)
from tests.targets.postgres import MissingError, Postgres, server
from tests.targets.run import FailedError, Sandbox, feed, install, sandbox, tap
from tests.targets.targets import TARGETS, Place, Target

SKUS = 200
# So many examples are shown of what is wrong in a stream.
SHOWN = 3
# What docs/targets.md says to set where a target takes no empty text in a key.
MAPS = {
    "sostocked_warehouse_inventory": {"warehouse": "warehouse or 'none'"},
}


@dataclass(frozen=True)
class Runs:
    """Two runs of the tap, the second from the STATE of the first, after changes."""

    first: list[bytes]
    second: list[bytes]


@dataclass
class Trial:
    """One target: what is wrong with it, and what it did that is known of it."""

    target: Target
    wrong: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def note(self, stream: str, verdict: Verdict) -> None:
        """Count a verdict in."""
        self.known |= verdict.known.keys()
        self.wrong += [f"{stream}: {what}" for what in verdict.wrong[:SHOWN]]
        if len(verdict.wrong) > SHOWN:
            self.wrong.append(f"{stream}: ... and {len(verdict.wrong) - SHOWN} more")


def say(text: str = "") -> None:
    """A line, at once."""
    print(text, flush=True)  # noqa: T201 - what the command is for


def main() -> int:
    """Run the check; 0 when everything is as docs/targets.md says."""
    options = _options()
    chosen = [one for one in TARGETS if options.only in {None, one.name}]
    with tempfile.TemporaryDirectory(prefix="targets-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        postgres = stack.enter_context(_postgres(chosen))
        runs = _runs(folder, {one.maps for one in chosen}, options.skus)
        trials = [
            _try(one, options, folder, runs[one.maps], postgres)
            for one in chosen
            if postgres is not None or not one.postgres
        ]
    wrong = [f"{one.target.name}: {what}" for one in trials for what in one.wrong]
    say("\n".join(["", *wrong, "FAILED" if wrong else "everything is as docs/targets.md says"]))
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="targets_check.py", description=__doc__)
    parser.add_argument("--only", choices=[one.name for one in TARGETS], help="just this target")
    parser.add_argument("--skus", type=int, default=SKUS, help="SKUs of each provider")
    parser.add_argument("--uv", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--environments", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


@contextlib.contextmanager
def _postgres(chosen: list[Target]) -> Any:
    """A server where one is needed and can be had; what is left out is said."""
    wanting = [one.name for one in chosen if one.postgres]
    with contextlib.ExitStack() as stack:
        found = None
        try:
            found = stack.enter_context(server()) if wanting else None
        except MissingError as error:
            say(f"skipped: {', '.join(wanting)}: {error}")
        yield found


def _runs(folder: Path, kinds: set[bool], skus: int) -> dict[bool, Runs]:
    """Both runs of the tap, with stream maps (True) and without, at the same sandbox."""
    with sandbox(skus) as shop:
        configs = {maps: _config(folder, shop, maps=maps) for maps in kinds}
        # The newest day of the snapshots comes with the second run only.
        shop.ask("switches", {"sostocked.snapshot_lag_days": 1})
        first = {maps: tap(config) for maps, config in configs.items()}
        shop.ask("switches", {"sostocked.snapshot_lag_days": 0})
        touched = [name for name in registry.every_stream() if name != "inventory_levels"]
        shop.change(touched)
        second = {maps: tap(config, last_state(first[maps])) for maps, config in configs.items()}
    return {maps: Runs(first[maps], second[maps]) for maps in kinds}


def _config(folder: Path, shop: Sandbox, *, maps: bool) -> Path:
    config = shop.ask("config") | ({"stream_maps": MAPS} if maps else {})
    file = folder / f"tap-{maps}.json"
    file.write_text(json.dumps(config))
    return file


def _try(
    target: Target, options: argparse.Namespace, folder: Path, runs: Runs, postgres: Postgres | None
) -> Trial:
    trial, begin = Trial(target), time.monotonic()
    commands = install(options.uv, target, options.environments / target.name)
    known = page.FILE.read_text("utf-8")
    whole = _place(folder, target, "whole", commands, postgres)
    say(f"\n{target.name} ({', '.join(target.requirements)})")
    try:
        _whole(trial, whole, runs, page.differences(known)[target.name])
        _probes(trial, whole, runs.first, page.outcomes(known))
    except (FailedError, subprocess.SubprocessError) as error:
        trial.wrong.append(str(error))
    never = page.differences(known)[target.name] - trial.known
    trial.wrong += [f"docs/targets.md says {name!r}, which did not happen" for name in never]
    say(f"  {time.monotonic() - begin:.0f} s")
    return trial


def _place(
    folder: Path, target: Target, name: str, commands: Path, postgres: Postgres | None
) -> Place:
    place = folder / target.name / name
    place.mkdir(parents=True)
    schema = f"{target.name}_{name}".replace("-", "_")
    return Place(place, schema, commands, postgres)


def _whole(trial: Trial, place: Place, runs: Runs, allowed: set[str]) -> None:
    """Both runs into one place, looked at after each."""
    first, second = tables(runs.first), tables(runs.second)
    one = _load(trial, place, runs.first, first, allowed)
    second = {name: second.get(name, table.without_records()) for name, table in first.items()}
    both = {name: together(first[name], second[name]) for name in first}
    two = _load(trial, place, runs.second, both, allowed)
    head = ("stream", "rows", "columns", "changed", "then rows", "values", "then values")
    _line(*head)
    for name in sorted(first):
        news = changed(first[name], second[name])
        if not news:
            trial.wrong.append(f"{name}: nothing changed in the second run, so it proves nothing")
        a, b = one[name], two[name]
        _line(name, _of(a.rows), _of(a.columns), str(news), _of(b.rows), a.values, b.values)


def _load(
    trial: Trial, place: Place, lines: list[bytes], sent: dict[str, Table], allowed: set[str]
) -> dict[str, Verdict]:
    state = feed(trial.target, place, lines)
    if state != json.loads(json.dumps(last_state(lines), default=int)):
        trial.wrong.append(f"of the STATEs, the last one passed on is {state}, not the tap's last")
    found = trial.target.read(place)
    verdicts = {
        name: compare(
            table, found.get(name, Found()), upserts=trial.target.upserts, allowed=allowed
        )
        for name, table in sent.items()
    }
    for name, verdict in verdicts.items():
        trial.note(name, verdict)
    return verdicts


def _of(counts: tuple[int, int]) -> str:
    return "{}/{}".format(*counts)


def _line(stream: str, *cells: str) -> None:
    widths = (12, 9, 9, 12, 64, 0)
    say(
        f"  {stream:<32}"
        + "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
    )


def _probes(
    trial: Trial, whole: Place, lines: list[bytes], expected: dict[str, dict[str, str]]
) -> None:
    """Every probe into a place of its own; what becomes of it has to be what the page says."""
    for number, name in enumerate(probes.PROBES):
        folder = whole.folder.parent
        place = _place(folder.parent, trial.target, f"p{number}", whole.commands, whole.postgres)
        became = _probe(trial.target, place, probes.messages(name, lines))
        trial.known |= set(became.split(", ")) & DIFFERENCES.keys()
        say(f"  {name:<44}{became}")
        said = expected.get(name, {}).get(trial.target.name)
        if became != said:
            trial.wrong.append(f"{name}: {became}; docs/targets.md says {said}")


def _probe(target: Target, place: Place, lines: list[bytes]) -> str:
    try:
        feed(target, place, lines)
    except FailedError:
        return probes.REFUSED
    ((stream, table),) = tables(lines).items()
    return probes.outcome(table, target.read(place).get(stream), upserts=target.upserts)


if __name__ == "__main__":
    sys.exit(main())
