"""Promise: `tap-inventory | target-inventory` makes the shop's levels those of the warehouse."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tests.kills.stage import ROOT, _environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Canaries

WAREHOUSE, SHOP = "shipstream", "deconetwork"
DETAILED, ITEMS = "shipstream_inventory_detailed", "deconetwork_inventory"
KILLED = -9

pytestmark = pytest.mark.processes


class Ended(NamedTuple):
    tap: int
    target: int
    err: str
    report: dict[str, Any]


@dataclass
class Pipe:
    """Both commands as processes, with a sandbox between them; the shop is read by other hands."""

    folder: Path
    canaries: Canaries
    server: SandboxServer
    settings: dict[str, Any] = field(default_factory=dict)

    def run(self, *, strike: str = "", **settings: Any) -> Ended:
        """The pipe to its end. `strike` kills the target at a step of its journal."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        tap_config = self._file("tap.json", {WAREHOUSE: self.server.settings(WAREHOUSE)})
        own = {
            SHOP: self.server.settings(SHOP),
            "levels_to": SHOP,
            "unknown_streams": "ignore",
            "max_rejected": 1000,
            "journal_path": str(self.folder / "journal.sqlite"),
            "report_path": str(report),
        }
        target_config = self._file("target.json", own | self.settings | settings)
        killer = ["-m", "tests.kills.killed", *strike.split(), "--"]
        module = killer if strike else ["-m", "target_inventory"]
        tap = subprocess.Popen(
            [sys.executable, "-m", "tap_inventory", "--config", tap_config],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd=ROOT,
        )
        target = subprocess.run(
            [sys.executable, *module, "--config", target_config],
            stdin=tap.stdout,
            capture_output=True,
            env=_environment(),
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert tap.stdout is not None
        assert tap.stderr is not None
        tap.stdout.close()
        err = tap.stderr.read().decode() + target.stderr.decode()
        tap.stderr.close()
        self.canaries.saw("stderr", err)
        self.canaries.saw("stdout", target.stdout.decode())
        assert "Traceback" not in err
        told = json.loads(report.read_bytes()) if report.exists() else {}
        return Ended(tap.wait(60), target.returncode, err, told)

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)

    # ---- what stands there ----

    @property
    def stock(self) -> dict[str, int]:
        """What can be sold of each SKU, by the warehouse's own rows."""
        rows = self.server.room(WAREHOUSE).rows(DETAILED).values()
        return {row["sku"]: int(float(row["qty_available"])) for row in rows}

    @property
    def shop(self) -> dict[str, dict[str, Any]]:
        """The rows of the shop by their id."""
        return {key: row for (key,), row in self.server.room(SHOP).rows(ITEMS).items()}

    @property
    def levels(self) -> dict[str, int]:
        return {key: row["inv_lvl"] for key, row in self.shop.items()}

    def put(self, key: str, **fields: Any) -> None:
        """Somebody edits an item in the shop."""
        store = self.server.room(SHOP)._shelf  # type: ignore[attr-defined]
        store.change(store.by_key[key,][0], fields)

    def disturb(self, count: int = 40) -> None:
        """The shop is not what the warehouse says, in so many items."""
        for number, key in enumerate(list(self.shop)[:count]):
            self.put(key, inv_lvl=self.levels[key] + number + 1, inv_on=True)

    def wanted(self, translate: dict[str, str] | None = None) -> dict[str, int]:
        """The levels that have to stand in the shop, told in other words than the target's."""
        stock, shop = self.stock, self.shop
        skus = [row["sku"] for row in shop.values()]
        named = {sku: sku for sku in stock} if translate is None else translate
        onto = {target: source for source, target in named.items()}
        return {
            key: stock[onto[row["sku"]]]
            for key, row in shop.items()
            if row["inv_on"] and skus.count(row["sku"]) == 1 and onto.get(row["sku"]) in stock
        }


@pytest.fixture
def pipe(tmp_path: Path, canaries: Canaries) -> Iterator[Pipe]:
    clock = Clock()
    # Enough of them that some of the shop's SKUs stand for two items.
    with SandboxServer(rooms(clock, 600, [WAREHOUSE, SHOP]), clock=clock) as server:
        yield Pipe(tmp_path, canaries, server)


def test_every_item_that_is_known_gets_the_warehouses_level_and_no_other_moves(pipe: Pipe) -> None:
    pipe.disturb()
    before, wanted = pipe.levels, pipe.wanted()
    first = pipe.run()
    assert (first.tap, first.target) == (0, 0), first.err
    assert pipe.levels == before | wanted
    assert first.report["written"] == sum(before[key] != level for key, level in wanted.items())
    assert first.report["unmapped"] == ["BlueWidget-1", "BlueWidget-5"]
    assert "where it goes (2 items): BlueWidget-1, BlueWidget-5" in first.err
    second = pipe.run()
    assert (second.target, second.report["written"]) == (0, 0)
    assert second.report["unchanged"] == len(wanted)
    assert pipe.levels == before | wanted


def test_a_map_decides_which_items_are_meant(pipe: Pipe) -> None:
    pipe.disturb()
    keys = list(pipe.wanted())[:4]
    skus = [pipe.shop[key]["sku"] for key in keys]
    # Two change places, one gets the warehouse's own name for it.
    translate = {skus[0]: skus[1], skus[1]: skus[0], "BlueWidget-1": skus[2]}
    path = pipe.folder / "map.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source_sku", "target_sku"])
        writer.writerows(translate.items())
    before, wanted = pipe.levels, pipe.wanted(translate)
    assert list(wanted) == keys[:3]
    done = pipe.run(sku_map_path=str(path))
    assert (done.tap, done.target) == (0, 0), done.err
    assert pipe.levels == before | wanted
    assert set(done.report["unmapped"]) == pipe.stock.keys() - translate.keys()
    assert pipe.run(sku_map_path=str(path)).report["written"] == 0


def test_a_guard_that_is_hit_keeps_the_shop_as_it_is(pipe: Pipe) -> None:
    pipe.disturb()
    before, wanted = pipe.levels, pipe.wanted()
    stopped = pipe.run(guards={"max_changes": 5})
    assert stopped.target == 6
    assert pipe.levels == before
    assert pipe.run().target == 0
    assert pipe.levels == before | wanted


@pytest.mark.parametrize("strikes", [("3 before commit", "7 after commit"), ("8 after request",)])
def test_a_kill_in_the_middle_is_made_good_by_the_next_run(
    pipe: Pipe, strikes: tuple[str, ...]
) -> None:
    pipe.disturb(250)  # more than two requests
    before, wanted = pipe.levels, pipe.wanted()
    for strike in strikes:
        assert pipe.run(strike=strike).target == KILLED
        # Whatever was written by then is right.
        assert all(pipe.levels[key] in {before[key], level} for key, level in wanted.items())
    done = pipe.run()
    assert done.target == 0, done.err
    assert pipe.levels == before | wanted
    assert pipe.run().report["written"] == 0


def test_an_edit_in_the_shop_after_the_plan_is_left_alone(pipe: Pipe) -> None:
    pipe.disturb(10)
    plan = pipe.folder / "plan.jsonl"
    wanted, before = pipe.wanted(), pipe.levels
    assert pipe.run(mode="plan", plan_path=str(plan)).target == 0
    assert pipe.levels == before
    edited = json.loads(plan.read_bytes().splitlines()[0])["key"]["dn_sku_id"]
    pipe.put(edited, inv_lvl=before[edited] + 500)
    config = pipe.folder / "target.json"
    apply = json.loads(config.read_bytes()) | {"mode": "apply", "max_rejected": 0}
    config.write_text(json.dumps(apply))
    done = subprocess.run(
        [sys.executable, "-m", "target_inventory", "--config", config, "--input", plan],
        capture_output=True,
        env=_environment(),
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert pipe.levels == before | wanted | {edited: before[edited] + 500}
    # What was rejected is what the warehouse says now; the pipe decides it anew.
    assert pipe.run().target == 0
    assert pipe.levels == before | wanted
