"""Promise: levels that belong nowhere can be left out, and none that belongs somewhere is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import levels
from tests.target_inventory import singer
from tests.target_inventory.test_levels import (
    EARLY,
    LATE,
    TO_SHOP,
    at_warehouse,
    levels_of,
    planned,
    put,
    sku_of,
    tracked,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_inventory.conftest import Run, Site

ALL = ["unmapped", "untracked"]
OTHER_TERMS = "others than in the run before"


def map_of(path: Path, *pairs: tuple[str, str]) -> str:
    """A SKU map in a file."""
    path.write_text("".join(f"{a},{b}\n" for a, b in [("source_sku", "target_sku"), *pairs]))
    return str(path)


def with_levels_that_no_item_takes(site: Site) -> tuple[str, bytes]:
    """The key of an item that takes its level, among three whose levels have nowhere to go."""
    untracked, taken = tracked(site, 2)
    put(site, untracked, inv_on=False)
    records = [
        at_warehouse("no such", 5),
        at_warehouse(sku_of(site, untracked), 6),
        at_warehouse(sku_of(site, taken), 901),
        at_warehouse("", 7, provider_item_id=""),
    ]
    return taken, levels_of(*records)


@pytest.mark.parametrize("mode", ["plan", "apply"])
@pytest.mark.parametrize(
    ("leave_out", "left_out", "rejected"),
    [([], 0, 3), (["unmapped"], 1, 2), (["unmapped", "untracked"], 2, 1)],
)
def test_levels_that_no_item_takes_are_left_out_where_that_is_wanted(
    site: Site, mode: str, leave_out: list[str], left_out: int, rejected: int
) -> None:
    taken, given = with_levels_that_no_item_takes(site)
    run = site.run(given, mode=mode, leave_out=leave_out, **TO_SHOP)
    assert (run.code, run.report["left_out"], run.report["rejected"]) == (7, left_out, rejected)
    # Whether they are rejected or not, the report names them.
    assert run.report["unmapped"] == ["no such"]
    assert len(run.report["untracked"]) == 1
    assert sum(run.report["rejected_by_reason"].values()) == rejected
    if mode == "apply":
        assert len(run.rejected) == rejected
        assert site.rows()[taken]["inv_lvl"] == 901
        assert run.out == singer.passed_on()
    said = [line for line in run.log if line.startswith("left out: ")]
    assert len(said) == len(leave_out)


def test_a_letter_that_is_left_out_now_is_kept_no_longer(site: Site, tmp_path: Path) -> None:
    _, given = with_levels_that_no_item_takes(site)
    first = site.run(given, **TO_SHOP)
    assert len(first.rejected) == 3
    letters = tmp_path / "letters.jsonl"
    letters.write_bytes(first.letters_file)
    again = site.run(letters.read_bytes(), leave_out=["unmapped", "untracked"], **TO_SHOP)
    assert (again.report["left_out"], again.report["rejected"]) == (2, 1)


def test_what_no_item_takes_may_have_no_level_either(site: Site, tmp_path: Path) -> None:
    skus = map_of(tmp_path / "skus.csv", ("a", "b"))
    given = levels_of(at_warehouse("nobody", None))
    run = site.run(given, sku_map_path=skus, leave_out=ALL, **TO_SHOP)
    assert (run.code, run.report["left_out"]) == (0, 1)


def test_a_sku_that_the_map_leads_nowhere_is_a_mistake_and_never_left_out(
    site: Site, tmp_path: Path
) -> None:
    skus = map_of(tmp_path / "skus.csv", ("mine", "n0 such"))
    given = levels_of(at_warehouse("mine", 5), at_warehouse("another", 5))
    run = site.run(given, sku_map_path=skus, leave_out=ALL, **TO_SHOP)
    assert (run.code, run.report["rejected"], run.report["left_out"]) == (7, 1, 1)
    assert run.reasons == ["unmapped: no item has the SKU that the SKU map names for it"]
    assert run.report["unmapped"] == ["another", "mine"]


# ---- what was published before -------------------------------------------------------------------


def lose(site: Site, key: str, how: str, skus: Path) -> None:
    """An item that took levels takes them no longer."""
    if how == "shop":
        put(site, key, sku="another name")
    else:
        map_of(skus, ("x", "y"))


@pytest.mark.parametrize("how", ["shop", "map"])
def test_an_item_that_has_taken_levels_is_not_left_out_without_a_letter(
    site: Site, tmp_path: Path, how: str
) -> None:
    (key,), skus = tracked(site, 1), tmp_path / "skus.csv"
    sku = sku_of(site, key)
    settings = TO_SHOP | {"leave_out": ALL}
    if how == "map":
        settings |= {"sku_map_path": map_of(skus, (sku, sku))}
    assert site.run(levels_of(at_warehouse(sku, 77)), **settings).code == 0
    lose(site, key, how, skus)
    gone = levels_of(at_warehouse(sku, 0, observed_at=LATE))
    for mode in ("plan", "apply"):
        run = site.run(gone, mode=mode, **settings)
        assert (run.code, run.report["rejected"], run.report["unmapped"]) == (7, 1, [sku])
        assert next(iter(run.report["rejected_by_reason"])).endswith("was published before")
    # Who was told once, and lets it be, is not told again.
    again = site.run(gone, **settings)
    assert (again.code, again.report["left_out"]) == (0, 1)


def test_what_is_published_again_is_told_of_again(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    codes = []
    for hour in range(4):
        put(site, key, sku=sku if hour % 2 == 0 else "another name")
        level = at_warehouse(sku, 50 + hour, observed_at=f"2026-01-01T0{hour}:00:00Z")
        codes.append(site.run(levels_of(level), leave_out=ALL, **TO_SHOP).code)
    assert codes == [0, 7, 0, 7]


@pytest.mark.parametrize("leave_out", [[], ["unmapped"]])
def test_an_old_letter_does_not_come_after_a_newer_level_that_was_left_out(
    site: Site, leave_out: list[str]
) -> None:
    (key,) = tracked(site, 1)
    sku, before = sku_of(site, key), site.rows()[key]["inv_lvl"]
    put(site, key, sku="another name")
    site.run(levels_of(at_warehouse(sku, 50, observed_at=EARLY)), **TO_SHOP)
    newer = levels_of(at_warehouse(sku, 3, observed_at=LATE))
    site.run(newer, leave_out=leave_out, **TO_SHOP)
    put(site, key, sku=sku)
    site.feed_back(site.dead_letters, leave_out=leave_out, **TO_SHOP)
    assert site.rows()[key]["inv_lvl"] == (before if leave_out else 3)


def interrupted(site: Site, sku: str) -> None:
    """A level of 50 is under way, and nobody knows what became of it."""
    site.inject("status", status=503, times=None)
    assert site.run(levels_of(at_warehouse(sku, 50, observed_at=EARLY)), **TO_SHOP).code in {5, 8}
    site.server.clear()


@pytest.mark.parametrize("leave_out", [[], ALL])
def test_where_tracking_was_switched_off_what_was_under_way_is_not_sent_again(
    site: Site, leave_out: list[str]
) -> None:
    (key,) = tracked(site, 1)
    sku, before = sku_of(site, key), site.rows()[key]["inv_lvl"]
    interrupted(site, sku)
    put(site, key, inv_on=False)
    newer = levels_of(at_warehouse(sku, 3, observed_at=LATE))
    run = site.run(newer, leave_out=leave_out, **TO_SHOP)
    assert site.rows()[key]["inv_lvl"] == before
    assert run.code == (0 if leave_out else 7)
    assert site.journal.unfinished == []


def test_where_the_item_was_renamed_the_newer_level_is_not_lost_without_a_letter(
    site: Site,
) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    interrupted(site, sku)
    put(site, key, sku="another name")
    newer = levels_of(at_warehouse(sku, 3, observed_at=LATE))
    run = site.run(newer, leave_out=ALL, **TO_SHOP)
    assert (run.code, [record["available"] for record in run.rejected]) == (7, [3])


def test_where_all_are_left_out_it_is_said(site: Site) -> None:
    given = [at_warehouse(f"none {number}", 5) for number in range(12)]
    run = site.run(levels_of(*given), leave_out=ALL, **TO_SHOP)
    assert any("no item takes any of them" in line for line in run.log)


def test_a_place_from_which_nothing_ever_came_is_refused(site: Site) -> None:
    (key,) = tracked(site, 1)
    place = {"levels_from": {"location_id": "7"}}
    elsewhere = levels_of(at_warehouse(sku_of(site, key), 5))
    run = site.run(elsewhere, **TO_SHOP, **place)
    assert (run.code, run.out, run.updates) == (2, b"", [])
    assert "no level ever came from there; these are of shipstream merchant 0" in str(run.error)
    # Once some did, a run that brings those of others only is a usual one.
    there = at_warehouse(sku_of(site, key), 900, location="7")
    assert site.run(levels_of(there), **TO_SHOP, **place).code == 0
    again = site.run(elsewhere, **TO_SHOP, **place)
    assert (again.code, again.report["left_out"]) == (0, 1)
    assert any(line.endswith("they are of shipstream merchant 0") for line in again.log)


def test_how_many_are_of_places_that_do_not_count_is_said(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    given = [at_warehouse(sku, 900), at_warehouse(sku, 5, location="1")]
    run = site.run(levels_of(*given), **TO_SHOP)
    assert "left out: 1 level of places that do not count: shipstream merchant 1" in run.log


# ---- other rules than before ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_where_levels_are_published_by_other_rules_than_before_it_is_said(
    site: Site, mode: str, tmp_path: Path
) -> None:
    (key,) = tracked(site, 1)
    skus = tmp_path / "skus.csv"
    given = levels_of(at_warehouse(sku_of(site, key), 900))

    def others(**settings: Any) -> bool:
        said = site.run(given, **TO_SHOP, **settings).log
        return any("everything once" in line for line in said)

    assert not others()
    assert not others()
    assert not others(leave_out=["unmapped"], max_rejected=5)
    assert others(rules={"buffer": 1}, mode=mode)
    # A plan is not the last word.
    assert others(rules={"buffer": 1}) == (mode == "plan")
    assert not others(rules={"buffer": 1})
    skus.write_text(f"source_sku,target_sku\n{sku_of(site, key)},{sku_of(site, key)}\n")
    assert others(rules={"buffer": 1}, sku_map_path=str(skus))
    assert not others(rules={"buffer": 1}, sku_map_path=str(skus))
    assert others(levels_from={"provider": "shipstream"})


def test_a_run_whose_input_was_cut_off_is_not_the_last_word_on_rules(site: Site) -> None:
    (key,) = tracked(site, 1)
    given = levels_of(at_warehouse(sku_of(site, key), 900))
    site.run(given, **TO_SHOP)
    rules = {"rules": {"buffer": 1}}
    runs = [site.run(data, **TO_SHOP, **rules) for data in (given + b'{"type', given, given)]
    assert [run.code for run in runs] == [2, 0, 0]
    assert [others(run) for run in runs] == [True, True, False]


def test_rules_that_mean_the_same_are_no_others(site: Site) -> None:
    (key,) = tracked(site, 1)
    given = levels_of(at_warehouse(sku_of(site, key), 900))
    said = [
        line
        for rules in ({}, {"percent": 100}, {"percent": 100.0}, {"buffer": 0}, {})
        for line in site.run(given, rules=rules, **TO_SHOP).log
    ]
    assert not [line for line in said if OTHER_TERMS in line]


def others(run: Run) -> bool:
    return any(OTHER_TERMS in line for line in run.log)


def test_other_rules_are_said_where_no_level_comes_and_once(site: Site) -> None:
    (key,) = tracked(site, 1)
    site.run(levels_of(at_warehouse(sku_of(site, key), 900)), **TO_SHOP)
    runs = [site.run(levels_of(), rules={"buffer": 1}, **TO_SHOP) for _ in range(2)]
    assert [others(run) for run in runs] == [True, False]


def test_a_run_in_between_that_publishes_nothing_is_one_before(site: Site, tmp_path: Path) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    given = levels_of(at_warehouse(sku, 900))
    maps = [map_of(tmp_path / f"{n}.csv", ("x", "y") if n == 1 else (sku, sku)) for n in range(3)]
    runs = [site.run(given, sku_map_path=skus, leave_out=ALL, **TO_SHOP) for skus in maps]
    assert [others(run) for run in runs] == [False, True, True]


def test_a_plan_that_is_carried_out_is_a_run_by_its_rules(site: Site, tmp_path: Path) -> None:
    keys, path = tracked(site, 3), tmp_path / "plan.jsonl"
    said = []
    for number, buffer in enumerate([0, 0, 2, 2]):
        level = at_warehouse(sku_of(site, keys[0]), 900 + 10 * number)
        rules = {"rules": {"buffer": buffer}}
        run = site.run(levels_of(level), mode="plan", plan_path=str(path), **rules, **TO_SHOP)
        said.append(others(run))
        (line,) = planned(path)
        assert line["from"]["terms"]
        approved = site.run(path.read_bytes())
        assert (approved.code, approved.report["written"], others(approved)) == (0, 1, False)
    assert said == [False, False, True, False]


def test_a_plan_that_is_carried_out_tells_where_the_level_came_from(
    site: Site, tmp_path: Path
) -> None:
    (key,), path = tracked(site, 1), tmp_path / "plan.jsonl"
    sku = sku_of(site, key)
    site.run(levels_of(at_warehouse(sku, 900)), mode="plan", plan_path=str(path), **TO_SHOP)
    assert site.run(path.read_bytes()).code == 0
    elsewhere = site.run(levels_of(at_warehouse(sku, 5, location_id="7", provider="s2")), **TO_SHOP)
    assert elsewhere.code == 7
    assert "several places" in elsewhere.reasons[0]


def test_the_way_back_is_no_publishing(site: Site, tmp_path: Path) -> None:
    (key,), path = tracked(site, 1), tmp_path / "undo.jsonl"
    given = levels_of(at_warehouse(sku_of(site, key), 900))
    site.run(given, undo_path=str(path), **TO_SHOP)
    assert all("terms" not in line["from"] for line in planned(path))
    assert levels.STREAM not in path.read_text()
    assert singer.STREAM in path.read_text()
