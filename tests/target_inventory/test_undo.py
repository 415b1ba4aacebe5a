"""Promise: a plan can be carried out later, and undone, where nothing has moved since."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers.contract import Change
from target_inventory import undo
from target_inventory.plan import Planned
from tests.target_inventory import singer
from tests.target_inventory.singer import level, passed_on, record, schema, state
from tests.target_inventory.test_changeset import LIVE, WRITE
from tests.target_inventory.test_plan import CREATED, DELETED, _add, _happen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.target_inventory.conftest import Run, Site


class Files:
    """Where a site's plans and ways back lie."""

    def __init__(self, site: Site) -> None:
        self.plan, self.undo = site.folder / "plan.jsonl", site.folder / "undo.jsonl"
        self.redo = site.folder / "redo.jsonl"


@pytest.fixture
def files(site: Site) -> Files:
    return Files(site)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def line(number: int, before: Any, after: Any, field: str = "inv_lvl") -> dict[str, Any]:
    item = {"dn_sku_id": singer.key(number)}
    return {
        "stream": singer.STREAM,
        "key": item,
        "field": field,
        "before": before,
        "after": after,
    }


def levels(site: Site, *numbers: int) -> list[int]:
    return [site.level(number) for number in numbers]


# ---- the way back --------------------------------------------------------------------------------


def planned(before: Mapping[str, Any], asked: Mapping[str, Any]) -> Planned:
    return Planned(WRITE, Change(("a",), before, {**before, **asked}, asked), [])


def back(*written: Planned) -> list[tuple[str, Any, Any]]:
    found = [json.loads(text, parse_float=Decimal) for text in undo.lines(written)]
    return [(each["field"], each["before"], each["after"]) for each in found]


def test_each_field_that_was_set_goes_back() -> None:
    written = planned(LIVE, {"inv_lvl": 9, "inv_on": False, "inv_warn": 1})
    assert sorted(back(written)) == [("inv_lvl", 9, 3), ("inv_on", False, True)]


def test_a_level_that_the_provider_had_not_goes_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    unknown = planned(LIVE | {"inv_warn": None}, {"inv_warn": 5})
    assert back(unknown, planned(LIVE, {"inv_lvl": 9})) == [("inv_lvl", 9, 3)]
    assert "1 write cannot be undone, or not all of it, by undo_path: a" in caplog.text


def test_a_field_that_goes_nowhere_beside_one_that_goes_back_is_told_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert back(planned(LIVE | {"inv_warn": None}, {"inv_warn": 5, "inv_lvl": 9}))
    assert "cannot be undone" in caplog.text


def test_what_happens_once_cannot_be_undone(caplog: pytest.LogCaptureFixture) -> None:
    assert back(*_happen(CREATED, _add(2, "a"), DELETED, units=None).changes) == []
    assert "3 writes cannot be undone" in caplog.text


def test_fractions_that_stood_there_are_kept_digit_by_digit() -> None:
    exact = Decimal("0.1000000000000000000001")
    assert back(planned(LIVE | {"inv_lvl": exact}, {"inv_lvl": 9})) == [("inv_lvl", 9, exact)]


# ---- through a run -------------------------------------------------------------------------------


def test_the_levels_of_before_come_back(site: Site, files: Files) -> None:
    before = site.rows()
    site.run(
        schema(),
        level(0, 500, inv_warn=44, inv_on=False),
        level(1, before[singer.key(1)]["inv_lvl"]),
        level(2, 502),
        state(),
        undo_path=str(files.undo),
    )
    first, third = before[singer.key(0)], before[singer.key(2)]
    # The last one first: of an item that was written twice, both go back.
    assert lines(files.undo) == [
        line(2, 502, third["inv_lvl"]),
        line(0, False, True, "inv_on"),
        line(0, 500, first["inv_lvl"]),
        line(0, 44, first["inv_warn"], "inv_warn"),
    ]
    run = site.feed_back(files.undo)
    assert (run.code, run.out, len(run.updates)) == (0, b"", 1)
    dated = {"inv_last_modified": None}
    assert {key: row | dated for key, row in site.rows().items()} == {
        key: row | dated for key, row in before.items()
    }


def test_the_way_back_can_be_undone_itself(site: Site, files: Files) -> None:
    before = levels(site, 0, 1)
    site.set_levels([(0, 500), (1, 501)], undo_path=str(files.undo))
    first = files.undo.read_bytes()
    assert site.feed_back(files.undo, undo_path=str(files.redo)).code == 0
    assert levels(site, 0, 1) == before
    assert lines(files.redo) == [line(0, before[0], 500), line(1, before[1], 501)]
    assert site.feed_back(files.redo, undo_path=str(files.undo)).code == 0
    assert levels(site, 0, 1) == [500, 501]
    assert files.undo.read_bytes() == first


def test_the_way_back_can_be_fed_back_from_where_the_next_one_goes(
    site: Site, files: Files
) -> None:
    before = site.level(0)
    site.set_levels([(0, 500)], undo_path=str(files.undo))
    for wanted in (before, 500, before):
        assert site.feed_back(files.undo, undo_path=str(files.undo)).code == 0
        assert site.level(0) == wanted


def test_an_item_that_has_moved_since_stays_as_it_is(site: Site, files: Files) -> None:
    before = levels(site, 0, 1)
    site.set_levels([(0, 500), (1, 501)], undo_path=str(files.undo))
    moved = site.sell(0)
    run = site.feed_back(files.undo)
    assert (run.code, levels(site, 0, 1)) == (7, [moved, before[1]])
    assert run.rejected == [
        {"dn_sku_id": singer.key(0), "inv_lvl": before[0], "expected_inv_lvl": 500}
    ]
    assert run.reasons == [f"expected inv_lvl 500, but it is {moved}"]


def test_a_field_that_has_moved_leaves_the_other_fields_of_its_item_alone(
    site: Site, files: Files
) -> None:
    warn = site.row(0)["inv_warn"]
    site.run(schema(), level(0, 500, inv_warn=44), undo_path=str(files.undo))
    moved = site.sell(0)
    assert site.feed_back(files.undo).code == 7
    assert (site.level(0), site.row(0)["inv_warn"]) == (moved, warn)


def test_the_way_back_is_walked_once(site: Site, files: Files) -> None:
    site.set_levels([(0, 500)], undo_path=str(files.undo))
    site.feed_back(files.undo)
    run = site.feed_back(files.undo)
    assert (run.code, run.updates, run.report["unchanged"]) == (0, [], 1)


def test_after_a_failure_it_has_just_what_was_written(site: Site, files: Files) -> None:
    site.grow()
    site.inject("status", status=503, skip=1, times=None)
    keys = site.keys(150)
    run = site.set_levels(dict.fromkeys(keys, 5000), undo_path=str(files.undo))
    assert (run.code, run.report["written"]) == (5, 100)
    changed = [change["dn_sku_id"] for change in site.applied]
    assert [each["key"]["dn_sku_id"] for each in lines(files.undo)] == changed[::-1]
    assert len(changed) == 100


def test_what_was_refused_or_did_not_happen_is_not_in_it(site: Site, files: Files) -> None:
    before = site.level(1)
    success = b'{"response_status":{"code":10001,"severity":"SUCCESS","description":"."}}'
    run = site.set_levels([(99, 1), (1, 501)], undo_path=str(files.undo))
    assert (run.code, lines(files.undo)) == (7, [line(1, 501, before)])
    site.inject("body", body=success)
    lied = site.set_levels([(2, 502)], undo_path=str(files.redo))
    assert (lied.code, lines(files.redo)) == (7, [])


def test_what_was_lost_and_found_applied_is_in_it(site: Site, files: Files) -> None:
    before = site.level(0)
    site.room.turn("update_lost_answer", 1)
    assert site.set_levels([(0, 500)], undo_path=str(files.undo)).code == 0
    assert lines(files.undo) == [line(0, 500, before)]


def test_what_an_earlier_run_has_left_and_this_one_wrote_is_in_it(site: Site, files: Files) -> None:
    before = site.level(0)
    site.inject("status", status=503, times=None)
    assert site.set_levels([(0, 500)], undo_path=str(files.undo)).code == 5
    assert files.undo.read_bytes() == b""
    site.server.clear()
    assert site.run(state(), undo_path=str(files.undo)).code == 0
    assert lines(files.undo) == [line(0, 500, before)]


def test_what_an_earlier_run_is_found_to_have_written_is_in_it(site: Site, files: Files) -> None:
    before = site.level(0)
    site.inject("hang", apply=True)
    site.inject("status", status=503, times=None, method="GET", skip=1)
    assert site.set_levels([(0, 500)], undo_path=str(files.undo)).code == 8
    site.server.clear()
    run = site.run(state(), undo_path=str(files.undo))
    assert (run.code, run.report["settled"]) == (0, 1)
    assert lines(files.undo) == [line(0, 500, before)]


def test_a_plan_leaves_the_way_back_of_the_last_run_alone(site: Site, files: Files) -> None:
    site.set_levels([(0, 500)], undo_path=str(files.undo))
    before = files.undo.read_bytes()
    site.set_levels([(0, 600)], mode="plan", undo_path=str(files.undo))
    assert files.undo.read_bytes() == before


@pytest.mark.parametrize("trouble", ["provider down", "guard"])
def test_a_way_back_that_could_not_be_walked_is_not_lost(
    site: Site, files: Files, trouble: str
) -> None:
    site.set_levels([(0, 500)], undo_path=str(files.undo))
    before = files.undo.read_bytes()
    guards: dict[str, Any] = {}
    if trouble == "guard":
        guards = {"guards": {"max_changes": 0}}
    else:
        site.inject("status", status=503, method=None, times=None)
    run = site.feed_back(files.undo, undo_path=str(files.undo), **guards)
    assert run.code in {5, 6}
    assert files.undo.read_bytes() == before


def test_a_way_back_that_cannot_be_written_is_found_out_before_anything_is(site: Site) -> None:
    run = site.set_levels([(0, 500)], undo_path=str(site.folder / "missing" / "undo"))
    assert (run.code, run.updates) == (10, [])
    assert "undo" in str(run.error)


# ---- a plan as input -----------------------------------------------------------------------------


def _plan(site: Site, files: Files, *messages: bytes) -> Run:
    run = site.run(schema(), *messages, mode="plan", plan_path=str(files.plan))
    assert (run.code, run.updates) == (0, [])
    return run


def test_a_plan_that_somebody_approved_is_carried_out_as_it_is(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500, inv_warn=44, inv_on=False), level(2, 502))
    run = site.feed_back(files.plan)
    assert (run.code, run.out, len(run.updates)) == (0, b"", 1)
    first = site.row(0)
    assert (first["inv_lvl"], first["inv_warn"], first["inv_on"]) == (500, 44, False)
    assert site.level(2) == 502
    assert (run.report["read"], run.report["written"]) == (4, 2)


def test_what_has_moved_since_the_plan_is_rejected_and_the_rest_is_written(
    site: Site, files: Files
) -> None:
    _plan(site, files, level(0, 500), level(1, 501))
    moved = site.sell(0)
    run = site.feed_back(files.plan)
    assert (run.code, levels(site, 0, 1)) == (7, [moved, 501])
    assert [letter["dn_sku_id"] for letter in run.rejected] == [singer.key(0)]


def test_what_was_unknown_and_is_known_now_has_moved(site: Site, files: Files) -> None:
    ghost = {"dn_sku_id": "19617_7", "inv_warn": None}
    site.room.put(singer.STREAM, site.row() | ghost)
    _plan(site, files, record(dn_sku_id="19617_7", inv_warn=5))
    assert lines(files.plan)[0]["before"] is None
    shelf = site.room._shelf  # type: ignore[attr-defined]
    shelf.change(shelf.by_key["19617_7",][0], {"inv_warn": 9})
    run = site.feed_back(files.plan)
    assert (run.code, run.updates) == (7, [])
    assert run.reasons == ["expected inv_warn none, but it is 9"]


def test_what_stands_there_by_now_as_it_was_planned_is_unchanged(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500))
    site.put_level(500)
    run = site.feed_back(files.plan)
    assert (run.code, run.updates, run.report["unchanged"]) == (0, [], 1)


def test_a_plan_is_carried_out_once(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500))
    site.feed_back(files.plan)
    site.put_level(3)
    site.set_levels([(0, 7)])
    run = site.feed_back(files.plan)
    assert (run.code, site.level(0)) == (7, 7)


def test_a_plan_that_is_carried_out_stays_as_it_was_approved(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500), level(1, 501))
    approved = files.plan.read_bytes()
    site.put_level(7, 1)
    assert site.feed_back(files.plan, plan_path=str(files.plan)).code == 7
    assert files.plan.read_bytes() == approved


def test_where_a_run_comes_to_no_plan_none_is_left_to_be_approved(site: Site, files: Files) -> None:
    page = files.plan.with_name("plan.html")
    paths = {"plan_path": str(files.plan), "plan_page_path": str(page)}
    site.set_levels([(0, 500)], mode="plan", **paths)
    assert files.plan.stat().st_size
    site.inject("status", status=401, times=None, method=None)
    run = site.set_levels([(0, 501)], mode="plan", **paths)
    assert run.code == 3
    assert not files.plan.exists()
    assert not page.exists()
    assert "sign-in refused" in run.report["error"]


def test_a_plan_can_be_planned_again(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500), level(1, 501))
    before = files.plan.read_bytes()
    run = site.feed_back(files.plan, mode="plan", plan_path=str(files.plan))
    assert (run.code, run.updates) == (0, [])
    assert files.plan.read_bytes() == before


def test_lines_of_a_plan_stand_beside_messages_in_their_order(site: Site, files: Files) -> None:
    _plan(site, files, level(0, 500))
    run = site.run(
        schema(), level(1, 501), files.plan.read_bytes(), level(0, 600), state(), state(2)
    )
    assert (run.code, run.out) == (0, passed_on(2))
    assert levels(site, 0, 1) == [600, 501]
    # The other way round the item has moved when the line comes.
    late = site.run(schema(), level(0, 700), files.plan.read_bytes(), state())
    assert (late.code, site.level(0)) == (7, 700)


def test_a_rejected_line_of_a_plan_can_be_fed_back_as_the_record_that_it_is(
    site: Site, files: Files
) -> None:
    _plan(site, files, level(0, 500))
    before = site.level(0)
    site.put_level(77)
    assert site.feed_back(files.plan).code == 7
    site.put_level(before)
    assert site.feed_back(site.dead_letters).code == 0
    assert site.level(0) == 500


def test_the_way_back_of_an_interrupted_run_is_kept_by_the_one_that_finishes_it(
    site: Site, files: Files
) -> None:
    site.grow(300)
    before = {key: row["inv_lvl"] for key, row in site.rows().items()}
    keys = [key for key, units in before.items() if units >= 0][:250]
    wanted = {key: 5000 + number for number, key in enumerate(keys)}
    undo = {"undo_path": str(files.undo)}
    site.inject("status", skip=1, times=None)
    first = site.set_levels(wanted, **undo)
    assert (first.code, first.report["written"]) == (5, 100)
    assert len(files.undo.read_bytes().splitlines()) == 100
    site.server.clear()
    newer = {keys[0]: 9000}
    assert site.set_levels(wanted | newer, **undo).code == 0
    assert len(files.undo.read_bytes().splitlines()) == 251
    # One item went there in two steps, and comes back in two.
    assert site.feed_back(files.undo, undo_path=str(files.redo)).code == 0
    assert {key: row["inv_lvl"] for key, row in site.rows().items()} == before


def test_the_way_back_of_a_run_that_was_whole_is_replaced(site: Site, files: Files) -> None:
    for units in (500, 501):
        site.set_levels([(0, units)], undo_path=str(files.undo))
    assert len(files.undo.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"stream": 5},
        {"key": "19617_1378"},
        {"field": None},
        {"record": 5},
    ],
    ids=str,
)
def test_what_came_before_a_broken_line_of_a_plan_is_done(
    site: Site, broken: dict[str, Any]
) -> None:
    wrong = singer.line(line(1, 1, 2) | broken)
    run = site.run(schema(), level(0, 500), state(), wrong, level(1, 501))
    assert (run.code, run.out, site.level(0)) == (2, passed_on(), 500)
    assert "line 4" in str(run.error)
    assert site.level(1) != 501


@pytest.mark.parametrize("after", [None, -5, 5.5, "500", True, [], {}, 2**31], ids=str)
def test_a_value_that_must_not_be_sent_is_not_sent_by_a_plan_either(site: Site, after: Any) -> None:
    before = site.level(0)
    run = site.run(singer.line(line(0, before, after)), singer.line(line(1, site.level(1), 501)))
    assert (run.code, len(run.letters), site.level(0), site.level(1)) == (7, 1, before, 501)


def test_a_plan_cannot_write_what_is_no_level(site: Site) -> None:
    before = site.row(0)
    run = site.run(singer.line(line(0, before["product_name"], "x", "product_name")))
    assert (run.code, run.updates, site.row(0)) == (7, [], before)


@pytest.mark.parametrize(("unknown", "code"), [("fail", 2), ("ignore", 0)])
def test_a_plan_for_a_stream_that_is_unknown_is_treated_like_its_records(
    site: Site, unknown: str, code: int
) -> None:
    foreign = singer.line(line(0, 1, 2) | {"stream": "orders"})
    good = singer.line(line(1, site.level(1), 501))
    run = site.run(foreign, good, unknown_streams=unknown)
    assert run.code == code
    assert (site.level(1) == 501) == (code == 0)


def test_a_plan_for_a_provider_that_is_not_configured_is_refused_by_name(site: Site) -> None:
    add = {**line(0, None, 2, "quantity"), "stream": "amazon_fba_add_inventory", "record": {}}
    run = site.run(singer.line(add))
    assert (run.code, run.requests) == (2, [])
    assert "amazon_fba" in str(run.error)


# ---- what happens once ---------------------------------------------------------------------------


def test_a_plan_of_what_happens_once_is_carried_out_once(two: Site) -> None:
    from tests.target_inventory.test_run import SHOES, add, created, units

    plan = two.folder / "plan.jsonl"
    given = [*created(), *add(5, "a"), *add(2, "b")]
    assert two.run(*given, mode="plan", plan_path=str(plan)).code == 0
    assert units(two, SHOES) is None
    assert two.feed_back(plan).code == 0
    assert units(two, SHOES) == 7
    again = two.feed_back(plan)
    assert (again.code, units(two, SHOES), again.report["written"]) == (0, 7, 0)
