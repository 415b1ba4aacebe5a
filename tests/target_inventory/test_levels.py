"""Promise: levels from elsewhere reach just the items that they speak of, as the plan says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import levels
from inventory_providers.sandbox.server import Fault
from tests.target_inventory import singer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_inventory.conftest import Run, Site

AMAZON = "amazon_fba"
US, CA = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"
SUMMARIES = "amazon_fba_inventory_summaries"
TO_SHOP = {"levels_to": "deconetwork"}
TO_AMAZON = {"levels_to": AMAZON}
ZERO = "0"
EARLY, LATE = "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z"


def levels_of(*records: dict[str, Any]) -> bytes:
    """Messages as the tap writes them."""
    properties = {name: {"type": ["string", "null"]} for name in levels.LevelRecord.model_fields}
    head = singer.schema(levels.STREAM, levels.PRIMARY_KEY, **properties)
    lines = [singer.record(levels.STREAM, **record) for record in records]
    return b"".join([head, *lines, singer.state()])


def at_warehouse(sku: str, available: Any, location: str = ZERO, **more: Any) -> dict[str, Any]:
    """One of ShipStream's levels."""
    place = {"provider": "shipstream", "account": "merchant", "location_id": location}
    named = {"sku": sku, "provider_item_id": sku, "available": available}
    return place | named | {"observed_at": EARLY, "source_stream": "shipstream"} | more


def tracked(site: Site, count: int) -> list[str]:
    """Keys of items that have a SKU of their own, and whose levels count."""
    rows = site.rows()
    skus = [row["sku"] for row in rows.values()]
    return [
        key
        for key, row in rows.items()
        if row["inv_on"] and row["sku"] and skus.count(row["sku"]) == 1
    ][:count]


def sku_of(site: Site, key: str) -> str:
    """The SKU of an item."""
    sku: str = site.rows()[key]["sku"]
    return sku


def shelf(site: Site) -> dict[str, int]:
    """Every level that stands in the shop."""
    return {key: row["inv_lvl"] for key, row in site.rows().items()}


def put(site: Site, key: str, **fields: Any) -> None:
    """Somebody edits an item in the shop."""
    store = site.room._shelf  # type: ignore[attr-defined]
    with site.room.lock:
        store.change(store.by_key[key,][0], fields)


def planned(path: Path) -> list[dict[str, Any]]:
    """The lines of a plan."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# ---- whose item ----------------------------------------------------------------------------------


def test_a_level_sets_the_item_with_its_sku_and_no_other(site: Site) -> None:
    (key,) = tracked(site, 1)
    before = shelf(site)
    run = site.run(levels_of(at_warehouse(sku_of(site, key), before[key] + 7)), **TO_SHOP)
    assert (run.code, run.report["written"], run.report["verified"]) == (0, 1, 1)
    assert shelf(site) == before | {key: before[key] + 7}
    assert run.out == singer.passed_on()
    again = site.run(levels_of(at_warehouse(sku_of(site, key), before[key] + 7)), **TO_SHOP)
    assert (again.code, again.report["unchanged"], again.updates) == (0, 1, [])


def test_what_was_read_to_find_the_items_is_not_read_again(site: Site) -> None:
    keys = tracked(site, 20)
    records = [at_warehouse(sku_of(site, key), 500) for key in keys]
    run = site.run(levels_of(*records), mode="plan", **TO_SHOP)
    alone = site.run(levels_of(*records[:1]), mode="plan", **TO_SHOP)
    assert run.report["planned"] == 20
    assert len(run.requests) == len(alone.requests)


def test_a_sku_that_the_shop_does_not_have_is_listed_and_kept(site: Site) -> None:
    (key,) = tracked(site, 1)
    records = [at_warehouse("no such", 5), at_warehouse(sku_of(site, key), 900)]
    run = site.run(levels_of(*records), **TO_SHOP)
    assert run.code == 7
    assert run.report["unmapped"] == ["no such"]
    assert run.reasons == ["unmapped: no item has this SKU where it goes"]
    assert run.rejected == [records[0]]
    assert any(line == f"{run.reasons[0]}: no such" for line in run.log)
    assert site.rows()[key]["inv_lvl"] == 900
    assert run.out == singer.passed_on()


def test_a_sku_of_several_items_is_listed_and_none_of_them_is_written(site: Site) -> None:
    first, second = tracked(site, 2)
    put(site, second, sku=sku_of(site, first))
    before = shelf(site)
    run = site.run(levels_of(at_warehouse(sku_of(site, first), 77)), **TO_SHOP)
    assert run.code == 7
    assert run.report["ambiguous"] == [sku_of(site, first)]
    assert run.reasons[0].startswith("ambiguous: this SKU stands for 2 items (")
    assert shelf(site) == before


@pytest.mark.parametrize("level", [0, 3, 999])
def test_where_tracking_is_off_no_level_is_set(site: Site, level: int) -> None:
    (key,) = tracked(site, 1)
    put(site, key, inv_on=False, inv_lvl=3)
    run = site.run(levels_of(at_warehouse(sku_of(site, key), level)), **TO_SHOP)
    assert run.code == 7
    assert "tracking is off" in run.reasons[0]
    assert (site.rows()[key]["inv_lvl"], site.rows()[key]["inv_on"]) == (3, False)


def test_an_id_of_another_provider_names_nothing_here(site: Site) -> None:
    named, meant = tracked(site, 2)
    before = shelf(site)
    record = at_warehouse(sku_of(site, meant), 321, provider_item_id=named)
    run = site.run(levels_of(record), **TO_SHOP)
    assert run.code == 0
    assert shelf(site) == before | {meant: 321}
    nameless = site.run(levels_of(at_warehouse("", 322, provider_item_id=named)), **TO_SHOP)
    assert (nameless.code, nameless.report["unmapped"]) == (7, [named])
    assert shelf(site) == before | {meant: 321}


@pytest.mark.parametrize("own", [{}, {"provider": "deconetwork"}])
def test_an_id_of_this_account_names_its_item(site: Site, own: dict[str, str]) -> None:
    (key,) = tracked(site, 1)
    run = site.run(levels_of({"provider_item_id": key, "available": 44, **own}), **TO_SHOP)
    assert run.code == 0
    assert site.rows()[key]["inv_lvl"] == 44


def test_an_id_of_another_account_of_the_same_provider_names_nothing_here(site: Site) -> None:
    (key,) = tracked(site, 1)
    before = shelf(site)
    other = {"provider": "deconetwork", "account": "other.example", "location_id": "other.example"}
    record = {"provider_item_id": key, "sku": "", "available": 44, **other}
    run = site.run(levels_of(record), **TO_SHOP)
    assert (run.code, shelf(site)) == (7, before)


def test_the_shops_own_levels_are_not_published_to_it_with_rules(site: Site) -> None:
    (key,) = tracked(site, 1)
    before = shelf(site)
    record = {"provider": "deconetwork", "provider_item_id": key, "available": before[key] + 9}
    run = site.run(levels_of(record), **TO_SHOP, rules={"buffer": 2})
    assert (run.code, shelf(site)) == (7, before)
    assert "again and again" in run.reasons[0]


@pytest.mark.parametrize("value", [None, "5", 5.5, True, [], 2**31])
def test_what_is_no_number_of_units_never_reaches_the_shop(site: Site, value: Any) -> None:
    (key,) = tracked(site, 1)
    run = site.run(levels_of(at_warehouse(sku_of(site, key), value)), **TO_SHOP)
    assert (run.code, run.updates) == (7, [])


def test_a_shop_takes_an_oversold_level_as_none_to_sell(site: Site) -> None:
    (key,) = tracked(site, 1)
    put(site, key, inv_lvl=5)
    run = site.run(levels_of(at_warehouse(sku_of(site, key), -4)), **TO_SHOP)
    assert (run.code, site.rows()[key]["inv_lvl"]) == (0, 0)


# ---- map and rules -------------------------------------------------------------------------------


def _map(site: Site, *rows: tuple[str, str]) -> str:
    path = site.folder / "map.csv"
    path.write_text("source_sku,target_sku\n" + "".join(f"{a},{b}\n" for a, b in rows))
    return str(path)


def test_with_a_map_only_what_stands_in_it_is_written(site: Site) -> None:
    mapped, same = tracked(site, 2)
    before = shelf(site)
    path = _map(site, ("BlueWidget-1", sku_of(site, mapped)))
    records = [at_warehouse("BlueWidget-1", 61), at_warehouse(sku_of(site, same), 62)]
    run = site.run(levels_of(*records), sku_map_path=path, **TO_SHOP)
    assert shelf(site) == before | {mapped: 61}
    assert (run.code, run.report["unmapped"]) == (7, [sku_of(site, same)])
    assert run.reasons == ["unmapped: not in the SKU map"]


def test_two_skus_that_go_to_one_item_are_ambiguous_both(site: Site) -> None:
    (key,) = tracked(site, 1)
    before = shelf(site)
    path = _map(site, ("A", sku_of(site, key)), ("B", sku_of(site, key)))
    run = site.run(levels_of(at_warehouse("A", 61)), sku_map_path=path, **TO_SHOP)
    assert (run.code, run.report["ambiguous"], shelf(site)) == (7, ["A"], before)


def test_the_plan_shows_what_is_available_and_what_is_published(site: Site) -> None:
    (key,) = tracked(site, 1)
    path = site.folder / "plan.jsonl"
    before = shelf(site)
    run = site.run(
        levels_of(at_warehouse(sku_of(site, key), 101)),
        mode="plan",
        plan_path=str(path),
        rules={"percent": 50, "buffer": 3},
        **TO_SHOP,
    )
    assert (run.code, run.updates, shelf(site)) == (0, [], before)
    (line,) = planned(path)
    assert (line["stream"], line["key"]) == (singer.STREAM, {"dn_sku_id": key})
    assert (line["field"], line["before"], line["after"]) == ("inv_lvl", before[key], 47)
    assert line["from"]["sku"] == sku_of(site, key)
    assert line["from"]["available"] == 101
    assert f"{sku_of(site, key)}: 101" in run.said
    # A narrow terminal has it on two lines.
    said = " ".join(run.said.split())
    assert "published: 50 % of the available units, rounded down, less 3" in said


def test_a_plan_is_carried_out_as_it_is_without_map_or_rules(site: Site) -> None:
    sold, kept = tracked(site, 2)
    path = site.folder / "plan.jsonl"
    records = [at_warehouse(sku_of(site, key), 200) for key in (sold, kept)]
    rules = {"percent": 50}
    site.run(levels_of(*records), mode="plan", plan_path=str(path), rules=rules, **TO_SHOP)
    put(site, sold, inv_lvl=shelf(site)[sold] + 1)
    before = shelf(site)
    run = site.feed_back(path)
    assert run.code == 7
    assert "expected inv_lvl" in run.reasons[0]
    assert shelf(site) == before | {kept: 100}


def test_the_guards_judge_what_the_rules_have_made(site: Site) -> None:
    keys = tracked(site, 12)
    for key in keys:
        put(site, key, inv_lvl=5)
    before = shelf(site)
    records = [at_warehouse(sku_of(site, key), 4) for key in keys]
    run = site.run(levels_of(*records), rules={"buffer": 4}, **TO_SHOP)
    assert (run.code, run.updates, shelf(site)) == (6, [], before)


def test_the_way_back_leads_back(site: Site) -> None:
    (key,) = tracked(site, 1)
    before, path = shelf(site), site.folder / "undo.jsonl"
    record = at_warehouse(sku_of(site, key), before[key] + 5)
    site.run(levels_of(record), undo_path=str(path), rules={"buffer": 1}, **TO_SHOP)
    assert shelf(site) == before | {key: before[key] + 4}
    assert site.feed_back(path).code == 0
    assert shelf(site) == before


# ---- places --------------------------------------------------------------------------------------


def test_of_a_sum_its_parts_are_left_out(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    records = [at_warehouse(sku, 30), at_warehouse(sku, 10, "1"), at_warehouse(sku, 20, "2")]
    run = site.run(levels_of(*records), **TO_SHOP)
    assert (run.code, run.report["left_out"], site.rows()[key]["inv_lvl"]) == (0, 2, 30)
    assert "2 left out" in run.said


def test_a_place_can_be_chosen(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    records = [at_warehouse(sku, 30), at_warehouse(sku, 10, "1"), at_warehouse(sku, 20, "2")]
    run = site.run(levels_of(*records), levels_from={"location_id": "2"}, **TO_SHOP)
    assert (run.code, run.report["left_out"], site.rows()[key]["inv_lvl"]) == (0, 2, 20)


def in_s2(sku: str, available: int, warehouse: str) -> dict[str, Any]:
    """One of S2's levels: no place is the sum of the others."""
    return at_warehouse(sku, available, warehouse, provider="s2", account="o")


def test_levels_of_several_places_are_written_from_none(site: Site) -> None:
    key, other = tracked(site, 2)
    before, sku = shelf(site), sku_of(site, key)
    records = [in_s2(sku, 30, "a"), in_s2(sku, 40, "b"), in_s2(sku_of(site, other), 50, "a")]
    run = site.run(levels_of(*records), **TO_SHOP)
    assert (run.code, run.report["ambiguous"]) == (7, [sku])
    assert run.reasons[0].startswith("ambiguous: levels of this item come from several places")
    assert "s2 o a; s2 o b" in run.reasons[0]
    assert shelf(site) == before | {other: 50}


def test_a_second_place_that_comes_in_a_later_run_is_found_out(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    assert site.run(levels_of(in_s2(sku, 30, "a")), **TO_SHOP).code == 0
    later = site.run(levels_of(in_s2(sku, 40, "b")), **TO_SHOP)
    assert (later.code, site.rows()[key]["inv_lvl"]) == (7, 30)
    # It does not count against the place that the item is published from.
    back = site.run(levels_of(in_s2(sku, 35, "a")), **TO_SHOP)
    assert (back.code, site.rows()[key]["inv_lvl"]) == (0, 35)
    chosen = site.run(levels_of(in_s2(sku, 41, "b")), levels_from={"location_id": "b"}, **TO_SHOP)
    assert (chosen.code, site.rows()[key]["inv_lvl"]) == (0, 41)
    unsaid = site.run(levels_of(in_s2(sku, 36, "a")), **TO_SHOP)
    assert (unsaid.code, site.rows()[key]["inv_lvl"]) == (7, 41)


def test_a_level_that_tells_no_place_is_of_any(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    site.run(levels_of(in_s2(sku, 30, "a")), **TO_SHOP)
    run = site.run(levels_of({"sku": sku, "available": 41}), **TO_SHOP)
    assert (run.code, site.rows()[key]["inv_lvl"]) == (0, 41)


# ---- when ----------------------------------------------------------------------------------------


def test_of_two_levels_the_later_one_in_the_input_counts(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    run = site.run(levels_of(at_warehouse(sku, 91), at_warehouse(sku, 92)), **TO_SHOP)
    assert (run.code, len(site.applied), site.rows()[key]["inv_lvl"]) == (0, 1, 92)


def test_levels_and_the_shops_own_records_keep_the_order_of_the_input(site: Site) -> None:
    (key,) = tracked(site, 1)
    level = levels_of(at_warehouse(sku_of(site, key), 91))
    direct = singer.schema() + singer.record(dn_sku_id=key, inv_lvl=33)
    assert site.run(level, direct, **TO_SHOP).code == 0
    assert site.rows()[key]["inv_lvl"] == 33
    assert site.run(direct, level, **TO_SHOP).code == 0
    assert site.rows()[key]["inv_lvl"] == 91


@pytest.mark.parametrize("observed", [None, "long ago", "2020-01-01T00:00:00Z"])
def test_a_level_that_is_not_known_to_be_fresh_is_not_written(site: Site, observed: Any) -> None:
    (key,) = tracked(site, 1)
    record = at_warehouse(sku_of(site, key), 5, observed_at=observed)
    run = site.run(levels_of(record), max_age_seconds=3600, **TO_SHOP)
    assert (run.code, run.updates) == (7, [])


def test_a_dead_letter_does_not_bring_an_older_level_back(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku, mapped = sku_of(site, key), "BlueWidget-1"
    unmapped = _map(site, ("other", "thing"))
    old = at_warehouse(mapped, 11, observed_at=EARLY)
    assert site.run(levels_of(old), sku_map_path=unmapped, **TO_SHOP).code == 7
    path = _map(site, (mapped, sku))
    new = at_warehouse(mapped, 99, observed_at=LATE)
    assert site.run(levels_of(new), sku_map_path=path, **TO_SHOP).code == 0
    run = site.feed_back(site.dead_letters, sku_map_path=path, **TO_SHOP)
    assert (run.code, run.report["superseded"], run.updates) == (0, 1, [])
    assert site.rows()[key]["inv_lvl"] == 99


def test_a_dead_letter_can_be_mended_by_the_map(site: Site) -> None:
    (key,) = tracked(site, 1)
    letter = at_warehouse("BlueWidget-1", 11)
    assert site.run(levels_of(letter), **TO_SHOP).code == 7
    path = _map(site, ("BlueWidget-1", sku_of(site, key)))
    run = site.feed_back(site.dead_letters, sku_map_path=path, **TO_SHOP)
    assert (run.code, site.rows()[key]["inv_lvl"]) == (0, 11)
    assert run.letters_file == b""


# ---- settings ------------------------------------------------------------------------------------


def test_levels_that_go_nowhere_are_refused_by_name(site: Site) -> None:
    run = site.run(levels_of(at_warehouse("x", 5)))
    assert (run.code, run.requests) == (2, [])
    assert "set it to deconetwork or amazon_fba" in str(run.error)


def test_beside_what_can_be_written_levels_that_go_nowhere_are_left_out(site: Site) -> None:
    (key,) = tracked(site, 1)
    direct = singer.schema() + singer.record(dn_sku_id=key, inv_lvl=33)
    run = site.run(levels_of(at_warehouse("x", 5)), direct, singer.state())
    assert (run.code, run.report["left_out"], site.rows()[key]["inv_lvl"]) == (0, 1, 33)
    assert any("levels_to is not set" in line for line in run.log)
    assert run.out == singer.passed_on()


# ---- Amazon: up only -----------------------------------------------------------------------------


def _units(site: Site, sku: str) -> int:
    row = site.server.room(AMAZON).rows(SUMMARIES)[US, sku]
    units: int = row["inventoryDetails"]["fulfillableQuantity"]
    return units


def _stocked(site: Site, count: int = 1) -> list[str]:
    rows = site.server.room(AMAZON).rows(SUMMARIES)
    known = [
        key for key, row in rows.items() if "fulfillableQuantity" in row.get("inventoryDetails", {})
    ]
    return [sku for place, sku in known if place == US][:count]


def _raise(two: Site, *records: dict[str, Any], **settings: Any) -> Run:
    amazon = two.others[AMAZON] | {"marketplace_ids": [US]}
    return two.run(levels_of(*records), **{AMAZON: amazon}, **TO_AMAZON, **settings)


def test_an_item_at_amazon_is_raised_by_what_it_lacks(two: Site) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    run = _raise(two, at_warehouse(sku, before + 5))
    assert (run.code, run.report["written"], run.report["verified"]) == (0, 1, 1)
    assert _units(two, sku) == before + 5
    again = _raise(two, at_warehouse(sku, before + 5))
    assert (again.code, again.report["unchanged"], again.updates) == (0, 1, [])


def test_it_is_raised_again_after_it_was_sold(two: Site) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    assert _raise(two, at_warehouse(sku, before + 5)).code == 0
    two.server.room(AMAZON).touch(SUMMARIES, keys=[(US, sku)])
    assert _units(two, sku) != before + 5
    wanted = max(_units(two, sku), before + 5) + 1
    assert _raise(two, at_warehouse(sku, wanted)).code == 0
    assert _units(two, sku) == wanted


def test_it_is_never_lowered(two: Site) -> None:
    sku = next(one for one in _stocked(two, 9) if _units(two, one) > 1)
    before = _units(two, sku)
    run = _raise(two, at_warehouse(sku, before - 1))
    assert (run.code, run.updates, _units(two, sku)) == (7, [], before)
    assert "can only be raised" in run.reasons[0]


def test_the_newest_level_counts_even_where_it_cannot_be_reached(two: Site) -> None:
    sku = next(one for one in _stocked(two, 9) if _units(two, one) > 1)
    before = _units(two, sku)
    run = _raise(two, at_warehouse(sku, before + 9), at_warehouse(sku, before - 1))
    assert (run.code, run.updates, _units(two, sku)) == (7, [], before)
    between = _raise(two, at_warehouse(sku, before + 9), at_warehouse(sku, before + 2))
    assert (between.code, _units(two, sku)) == (0, before + 2)


def test_an_item_that_amazon_does_not_have_is_not_made_up(two: Site) -> None:
    run = _raise(two, at_warehouse("no such", 5))
    assert (run.code, run.updates) == (7, [])


def test_several_marketplaces_are_refused(two: Site) -> None:
    run = two.run(levels_of(at_warehouse("x", 5)), **TO_AMAZON)
    assert run.code == 2
    assert "one marketplace" in str(run.error)


@pytest.mark.parametrize("kind", ["reset_before_headers", "hang"])
def test_a_raise_whose_answer_is_lost_is_made_once(two: Site, kind: str) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    two.server.inject(AMAZON, Fault(kind, method="POST", path="/items/inventory", apply=True))
    run = _raise(two, at_warehouse(sku, before + 5))
    assert (run.code, _units(two, sku)) == (0, before + 5)


def test_a_raise_that_is_planned_can_be_carried_out_later(two: Site) -> None:
    (sku,) = _stocked(two)
    before, path = _units(two, sku), two.folder / "plan.jsonl"
    _raise(two, at_warehouse(sku, before + 5), mode="plan", plan_path=str(path))
    (line,) = planned(path)
    assert (line["before"], line["after"]) == (before, before + 5)
    assert line["record"]["quantity"] == 5
    amazon = two.others[AMAZON] | {"marketplace_ids": [US]}
    assert two.feed_back(path, **{AMAZON: amazon}).code == 0
    assert two.feed_back(path, **{AMAZON: amazon}).code == 0
    assert _units(two, sku) == before + 5


def test_what_a_run_could_not_send_reaches_the_level_and_not_beyond(two: Site) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    down = Fault("status", method="POST", path="/items/inventory", status=503, times=None)
    two.server.inject(AMAZON, down)
    assert _raise(two, at_warehouse(sku, before + 5)).code in {5, 8}
    two.server.clear()
    run = _raise(two)
    assert (run.code, _units(two, sku)) == (0, before + 5)


# ---- Amazon: what may still show -----------------------------------------------------------------


def _lag(two: Site, reads: int) -> None:
    """So many reads before a write shows."""
    two.server.room(AMAZON).turn("read_lag", reads)


def _show(two: Site) -> None:
    """Everything shows by now."""
    for _ in range(300):
        two.server.room(AMAZON)._shelf.settle()  # type: ignore[attr-defined]


def _at_one_marketplace(two: Site) -> dict[str, Any]:
    return {AMAZON: two.others[AMAZON] | {"marketplace_ids": [US]}}


@pytest.mark.parametrize("seconds", [86_400, 0])
def test_while_a_raise_may_still_show_there_is_no_second_one(two: Site, seconds: int) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    _lag(two, 30)
    first = _raise(two, at_warehouse(sku, before + 5), resend_within_seconds=seconds)
    second = _raise(two, at_warehouse(sku, before + 5), resend_within_seconds=seconds)
    assert (first.code, second.code, second.updates) == (7, 7, [])
    assert "whether an earlier addition to it was made is not known" in second.reasons[-1]
    _show(two)
    assert _units(two, sku) == before + 5


def test_a_plan_with_a_raise_waits_for_an_earlier_one_too(two: Site) -> None:
    (sku,) = _stocked(two)
    before, path = _units(two, sku), two.folder / "plan.jsonl"
    record = at_warehouse(sku, before + 5)
    _raise(two, record, mode="plan", plan_path=str(path))
    _lag(two, 30)
    assert _raise(two, record).code == 7
    run = two.feed_back(path, **_at_one_marketplace(two))
    assert (run.code, run.updates) == (7, [])
    _show(two)
    assert _units(two, sku) == before + 5


def test_another_addition_that_shows_does_not_hide_the_doubt(two: Site) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    _lag(two, 30)
    assert _raise(two, at_warehouse(sku, before + 5)).code == 7
    _lag(two, 0)
    shelf = two.server.room(AMAZON)._shelf  # type: ignore[attr-defined]
    held, shelf._lagging = shelf._lagging, []
    stream = "amazon_fba_add_inventory"
    head = singer.schema(stream, ("seller_sku",), seller_sku={"type": "string"})
    own = singer.record(
        stream, marketplace_id=US, seller_sku=sku, quantity=1, idempotency_key="mine"
    )
    assert two.run(head + own, **_at_one_marketplace(two)).code == 0
    run = _raise(two, at_warehouse(sku, before + 5))
    assert (run.code, run.updates) == (7, [])
    shelf._lagging = held
    _show(two)
    assert _units(two, sku) == before + 6


def test_a_sale_before_a_raise_shows_does_not_make_it_done(
    two: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku = next(one for one in _stocked(two, 9) if _units(two, one) > 2)
    before = _units(two, sku)
    room = two.server.room(AMAZON)
    _lag(two, 30)

    def after(request: Any, _: Any) -> None:
        if request.method == "POST" and request.path.endswith("/items/inventory"):
            for item in room._shelf[US].named(sku):  # type: ignore[attr-defined]
                item.move(-1, 0.0)

    monkeypatch.setattr(room, "after_answer", after)
    run = _raise(two, at_warehouse(sku, before + 5))
    assert (run.code, run.report["written"]) == (7, 0)
    assert "not there" in run.reasons[0]


def test_the_letter_of_a_raise_that_was_left_asks_for_the_level(two: Site) -> None:
    (sku,) = _stocked(two)
    before = _units(two, sku)
    two.server.inject(
        AMAZON, Fault("status", method="POST", path="/items/inventory", status=503, times=None)
    )
    assert _raise(two, at_warehouse(sku, before + 5)).code in {5, 8}
    two.server.clear()
    problem = {"code": "InvalidInput", "message": "no", "details": ""}
    body = json.dumps({"errors": [problem]}).encode()
    refused = Fault("status", method="POST", path="/items/inventory", status=400, body=body)
    two.server.inject(AMAZON, refused)
    assert _raise(two).code == 7
    (letter,) = two.run(**_at_one_marketplace(two)).letters
    assert letter["stream"] == levels.STREAM
    assert letter["record"] == {"sku": sku, "available": before + 5}
    two.server.clear()
    assert _raise(two, at_warehouse(sku, before + 5)).code == 0
    again = two.feed_back(two.dead_letters, **TO_AMAZON, **_at_one_marketplace(two))
    assert (again.code, _units(two, sku)) == (0, before + 5)


def test_an_item_that_amazon_does_not_have_is_listed(two: Site) -> None:
    assert _raise(two, at_warehouse("no such", 5)).report["unmapped"] == ["no such"]


# ---- several items of one SKU where it comes from ------------------------------------------------


def test_two_items_that_share_a_sku_where_it_comes_from_are_written_from_neither(
    site: Site,
) -> None:
    (key,) = tracked(site, 1)
    before, sku = shelf(site), sku_of(site, key)
    one = in_s2(sku, 30, "a") | {"provider_item_id": "p1"}
    other = in_s2(sku, 4, "a") | {"provider_item_id": "p2"}
    run = site.run(levels_of(one, other), **TO_SHOP)
    assert (run.code, run.report["ambiguous"], shelf(site)) == (7, [sku], before)
    assert "several items have this SKU where it comes from (p1, p2)" in run.reasons[0]
    later = site.run(levels_of(one | {"available": 31, "observed_at": LATE}), **TO_SHOP)
    assert (later.code, shelf(site)) == (7, before)
    # It does not come any more: the other one has taken its place.
    much_later = one | {"available": 32, "observed_at": "2026-02-01T00:00:00Z"}
    assert site.run(levels_of(much_later), **TO_SHOP).code == 0
    assert shelf(site) == before | {key: 32}


# ---- what is left out, and old letters -----------------------------------------------------------


def test_a_letter_is_overtaken_only_by_a_level_of_its_own_place(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    b = in_s2(sku, 80, "b") | {"observed_at": LATE}
    a = in_s2(sku, 3, "a") | {"observed_at": EARLY}
    assert [site.run(levels_of(one), **TO_SHOP).code for one in (b, a)] == [0, 7]
    run = site.feed_back(site.dead_letters, levels_from={"location_id": "a"}, **TO_SHOP)
    assert (run.code, run.report["superseded"], site.rows()[key]["inv_lvl"]) == (0, 0, 3)


def test_a_letter_is_overtaken_by_whatever_was_written_since(site: Site) -> None:
    (key,) = tracked(site, 1)
    letter = {"sku": "W", "available": 11}
    assert site.run(levels_of(letter), **TO_SHOP).code == 7
    site.clock.sleep(1)
    site.set_levels({key: 50})
    path = _map(site, ("W", sku_of(site, key)))
    run = site.feed_back(site.dead_letters, sku_map_path=path, **TO_SHOP)
    assert (run.code, run.report["superseded"], site.rows()[key]["inv_lvl"]) == (0, 1, 50)


def test_letters_of_levels_that_go_nowhere_stay_letters(site: Site) -> None:
    (key,) = tracked(site, 1)
    letter = at_warehouse("W", 11)
    assert site.run(levels_of(letter), **TO_SHOP).code == 7
    direct = singer.schema() + singer.record(dn_sku_id=key, inv_lvl=33)
    run = site.run(site.dead_letters.read_bytes(), direct, input_path=str(site.dead_letters))
    assert (run.code, run.rejected, site.rows()[key]["inv_lvl"]) == (7, [letter], 33)


@pytest.mark.parametrize("name", ["provider", "account", "location_id"])
@pytest.mark.parametrize("value", [{"id": 3}, [], 0])
def test_a_place_that_is_no_text_is_one_rejected_record(site: Site, name: str, value: Any) -> None:
    (key,) = tracked(site, 1)
    wrong = at_warehouse("x", 5) | {name: value}
    run = site.run(levels_of(wrong, at_warehouse(sku_of(site, key), 44)), **TO_SHOP)
    assert (run.code, run.reasons) == (7, [f"{name} must be text"])
    assert site.rows()[key]["inv_lvl"] == 44


def test_a_part_that_counted_once_does_not_count_beside_the_sum(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku = sku_of(site, key)
    part = {"levels_from": {"location_id": "1"}}
    assert site.run(levels_of(at_warehouse(sku, 10, "1")), **part, **TO_SHOP).code == 0
    assert site.run(levels_of(at_warehouse(sku, 30)), **TO_SHOP).code == 0
    assert site.rows()[key]["inv_lvl"] == 30


@pytest.mark.parametrize("seconds", [None, 3600])
def test_a_level_of_tomorrow_is_no_fresh_one_and_overtakes_no_letter(
    site: Site, seconds: int | None
) -> None:
    (key,) = tracked(site, 1)
    record = at_warehouse(sku_of(site, key), 21, observed_at="2099-01-01T00:00:00Z")
    run = site.run(levels_of(record), max_age_seconds=seconds, **TO_SHOP)
    assert run.code == (0 if seconds is None else 7)


def test_a_plan_is_as_old_as_its_levels(site: Site) -> None:
    (key,) = tracked(site, 1)
    path = site.folder / "plan.jsonl"
    record = at_warehouse(sku_of(site, key), 500)
    site.run(levels_of(record), mode="plan", plan_path=str(path), **TO_SHOP)
    run = site.feed_back(path, max_age_seconds=3600)
    assert (run.code, run.updates) == (7, [])
    assert site.feed_back(path).code == 0
