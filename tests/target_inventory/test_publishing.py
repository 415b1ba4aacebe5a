"""Promise: for any map, rules and stock, what stands in the shop at last is what the plan said."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.target_inventory.test_levels import (
    at_warehouse,
    levels_of,
    planned,
    put,
    shelf,
    tracked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.target_inventory.conftest import Site

# Some of them are SKUs of the shop itself, by their place in it.
SOURCES = ("BlueWidget-1", "BlueWidget-5", " blank", "Größe", "0", 0, 1, 2, 3)
TARGETS = ("no such", 0, 1, 2, 3, 4)
EVERY_CHANGE_PASSES = {
    "guards": {"max_newly_zero_percent": 100, "max_unit_error_percent": 100},
}


@dataclass(frozen=True)
class Case:
    """What is in the warehouse, how it is translated, and how much of it is published."""

    stock: Sequence[tuple[Any, int]]
    rows: Sequence[tuple[Any, Any]] | None
    rules: Mapping[str, Any]
    edits: Sequence[tuple[int, str, Any]]


rules = st.fixed_dictionaries(
    {},
    optional={
        "percent": st.sampled_from([0, 1, 33.3, 50, 66.67, 90, 99.9, 100]),
        "buffer": st.integers(0, 30),
        "cap": st.integers(10, 60),
        "floor": st.integers(0, 10),
    },
)
edits = st.tuples(st.integers(0, 4), st.just("inv_lvl"), st.integers(-5, 80)) | st.tuples(
    st.integers(0, 4), st.just("inv_on"), st.booleans()
)
cases = st.builds(
    Case,
    stock=st.lists(st.tuples(st.sampled_from(SOURCES), st.integers(-20, 200)), max_size=8),
    rows=st.none()
    | st.lists(
        st.tuples(st.sampled_from(SOURCES), st.sampled_from(TARGETS)), min_size=1, max_size=8
    ),
    rules=rules,
    edits=st.lists(edits, max_size=4),
)


class Expected:
    """What has to come of a case, told in other words than the target's."""

    def __init__(self, case: Case, skus: Sequence[str], shop: dict[str, dict[str, Any]]) -> None:
        self._skus, self._case = skus, case
        self._items = {row["sku"]: key for key, row in shop.items() if row["sku"]}
        self.levels: dict[str, int] = {}
        self.unmapped: set[str] = set()
        self.ambiguous: set[str] = set()
        self.untracked: set[str] = set()
        for sku, units in self.stock():
            target = self._target(sku)
            if target is None:
                continue
            if not shop[target]["inv_on"]:
                self.untracked.add(sku)
            else:
                self.levels[target] = self._published(units)

    def named(self, sku: Any) -> str:
        return self._skus[sku] if isinstance(sku, int) else str(sku)

    def stock(self) -> list[tuple[str, int]]:
        """What was read, the last word on each."""
        return [(self.named(sku), units) for sku, units in self._case.stock]

    def rows(self) -> list[tuple[str, str]] | None:
        """The lines of the map."""
        rows = self._case.rows
        return None if rows is None else [(self.named(a), self.named(b)) for a, b in rows]

    def _target(self, sku: str) -> str | None:
        rows = self.rows()
        if rows is not None:
            onto, into = defaultdict(set), defaultdict(set)
            for source, target in rows:
                onto[source.strip()].add(target)
                into[target].add(source.strip())
            targets = onto.get(sku, set())
            if len(targets) > 1 or any(len(into[target]) > 1 for target in targets):
                self.ambiguous.add(sku)
                return None
            sku, asked = next(iter(targets), ""), sku
            if not sku:
                self.unmapped.add(asked)
                return None
        else:
            asked = sku
        if sku not in self._items:
            self.unmapped.add(asked)
            return None
        return self._items[sku]

    def _published(self, units: int) -> int:
        told = self._case.rules
        share = Fraction(units) * Fraction(str(told.get("percent", 100))) / 100
        left = share.numerator // share.denominator - told.get("buffer", 0)
        if "cap" in told:
            left = min(left, told["cap"])
        return int(max(left, told.get("floor", 0)))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases)
def test_the_shop_is_what_the_plan_said(site: Site, case: Case) -> None:
    keys = tracked_or_not(site)
    skus = [site.rows()[key]["sku"] for key in keys]
    for number, field, value in case.edits:
        put(site, keys[number], **{field: value})
    before, shop = shelf(site), site.rows()
    expected = Expected(case, skus, shop)
    path, plan_path = site.folder / "map.csv", site.folder / "plan.jsonl"
    options: dict[str, Any] = {
        "levels_to": "deconetwork",
        "rules": dict(case.rules),
        "max_rejected": 100,
        **EVERY_CHANGE_PASSES,
    }
    if (rows := expected.rows()) is not None:
        text = "source_sku,target_sku\n" + "".join(f'"{a}","{b}"\n' for a, b in rows)
        path.write_text(text, encoding="utf-8")
        options["sku_map_path"] = str(path)
    lines = levels_of(*(at_warehouse(sku, units) for sku, units in expected.stock()))

    plan = site.run(lines, mode="plan", plan_path=str(plan_path), **options)
    assert (plan.code, plan.updates, shelf(site)) == (0, [], before)
    said = {line["key"]["dn_sku_id"]: line["after"] for line in planned(plan_path)}
    changes = {key: level for key, level in expected.levels.items() if before[key] != level}
    assert said == changes

    run = site.run(lines, **options)
    assert run.code == 0
    assert shelf(site) == before | said
    assert run.report["written"] == run.report["verified"] == len(said)
    assert set(run.report["unmapped"]) == expected.unmapped
    assert set(run.report["ambiguous"]) == expected.ambiguous
    refused = {json.loads(json.dumps(record))["sku"] for record in run.rejected}
    assert expected.unmapped | expected.ambiguous | expected.untracked <= refused

    again = site.run(lines, **options)
    assert (again.code, again.updates, shelf(site)) == (0, [], before | said)


def tracked_or_not(site: Site) -> list[str]:
    """The first items with a SKU of their own; their tracking may have been switched off."""
    site.server.reset()
    return tracked(site, 5)


@pytest.mark.parametrize("count", [0, 1])
def test_without_levels_nothing_is_planned(site: Site, count: int) -> None:
    records = [at_warehouse("no such", 5)] * count
    run = site.run(levels_of(*records), levels_to="deconetwork", max_rejected=1)
    assert (run.code, run.updates) == (0, [])
