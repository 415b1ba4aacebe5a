"""Promise: only what differs is written, in batches, and read back; STATE comes after all of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from inventory_providers.environment import Environment
from tap_inventory.tap import TapInventory
from tests.target_inventory import singer
from tests.target_inventory.singer import level, passed_on, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_inventory.conftest import Site


def _form(body: bytes) -> dict[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))


# ---- what is written -----------------------------------------------------------------------------


def _tap_output(site: Site, capsys: pytest.CaptureFixture[str]) -> bytes:
    config = {"deconetwork": site.provider}
    TapInventory(config=config, environment=Environment(clock=site.clock)).sync_all()
    return capsys.readouterr().out.encode()


def test_the_taps_own_records_are_accepted_and_nothing_is_written(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.grow()
    messages = _tap_output(site, capsys)
    last_state = json.loads(messages.splitlines()[-1])["value"]
    run = site.run(messages)
    assert run.code == 0, run.error
    assert (run.report["unchanged"], run.report["planned"]) == (300, 0)
    # The levels of the same rows go nowhere here.
    assert (run.report["read"], run.report["left_out"]) == (600, 300)
    assert not run.updates
    assert not run.letters
    assert json.loads(run.out) == last_state


def test_a_level_of_the_taps_output_that_was_edited_is_the_only_one_written(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.grow()
    messages = _tap_output(site, capsys).splitlines(keepends=True)
    place = next(n for n, text in enumerate(messages) if singer.key(7).encode() in text)
    message = json.loads(messages[place])
    message["record"]["inv_lvl"] = 4321
    messages[place] = singer.line(message)
    run = site.run(*messages)
    assert run.code == 0
    assert [(c["dn_sku_id"], c["inv_lvl"]) for c in site.applied] == [(singer.key(7), "4321")]


def test_only_the_differing_fields_of_the_differing_items_are_sent(site: Site) -> None:
    first, second = site.row(0), site.row(1)
    run = site.run(
        schema(),
        record(
            dn_sku_id=first["dn_sku_id"],
            inv_lvl=first["inv_lvl"] + 1,
            inv_warn=first["inv_warn"],
            inv_reorder_to=first["inv_reorder_to"] + 2,
        ),
        record(dn_sku_id=second["dn_sku_id"], inv_lvl=second["inv_lvl"]),
        state(),
    )
    assert (run.code, run.out) == (0, passed_on())
    assert site.applied == [
        {
            "dn_sku_id": first["dn_sku_id"],
            "inv_on": "true",
            "inv_lvl": str(first["inv_lvl"] + 1),
            "inv_reorder_to": str(first["inv_reorder_to"] + 2),
        }
    ]


def test_all_else_at_the_provider_stays_as_it_is(site: Site) -> None:
    before = site.rows()
    site.set_levels([(3, 777)])
    after = site.rows()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {singer.key(3)}
    differing = {
        name for name in before[singer.key(3)] if site.row(3)[name] != before[singer.key(3)][name]
    }
    assert differing == {"inv_lvl", "inv_last_modified"}


@pytest.mark.parametrize("empty_sets_zero", [False, True])
def test_a_null_leaves_the_value_alone(site: Site, empty_sets_zero: bool) -> None:
    site.room.turn("empty_level_sets_zero", empty_sets_zero)
    before = site.level()
    run = site.run(schema(), level(0, None, inv_warn=99), state())
    assert run.code == 0
    assert site.applied == [{"dn_sku_id": singer.key(), "inv_on": "true", "inv_warn": "99"}]
    assert site.level() == before


@pytest.mark.parametrize("on", [True, False])
def test_without_inv_on_the_live_value_is_sent_back(site: Site, on: bool) -> None:
    key, row = next((k, r) for k, r in site.rows().items() if r["inv_on"] is on)
    site.set_levels({key: row["inv_lvl"] + 5})
    assert [change["inv_on"] for change in site.applied] == [str(on).lower()]
    assert site.rows()[key]["inv_on"] is on


def test_without_inv_on_here_and_there_nothing_is_switched(site: Site) -> None:
    site.room.put(singer.STREAM, site.row() | {"dn_sku_id": "19617_1", "inv_on": None})
    run = site.set_levels({"19617_1": 5})
    assert site.applied == [], "a switch was sent that nobody asked for"
    assert (run.code, len(run.letters)) == (7, 1)


def test_a_record_with_inv_on_decides_itself(site: Site) -> None:
    run = site.run(schema(), record(dn_sku_id=singer.key(), inv_on=False), state())
    assert run.code == 0
    assert site.row()["inv_on"] is False
    assert site.applied == [{"dn_sku_id": singer.key(), "inv_on": "false"}]


def test_the_operator_goes_along(site: Site) -> None:
    site.run(schema(), level(0, 50, operator_login="bob", operator_id=7), state())
    (change,) = site.applied
    assert (change["operator_login"], change["operator_id"]) == ("bob", "7")


def test_nothing_undocumented_is_sent(site: Site) -> None:
    site.run(schema(), level(0, 50, operator_login="bob", shelf="B7", product_name="x"), state())
    assert site.room.undocumented == []  # type: ignore[attr-defined]


def test_an_item_without_the_levels_of_its_product_is_found_in_everything(site: Site) -> None:
    site.room.put(singer.STREAM, site.row() | {"dn_sku_id": "oddly-named"})
    run = site.set_levels({"oddly-named": 12})
    assert (run.code, site.rows()["oddly-named"]["inv_lvl"]) == (0, 12)


# ---- how it is written ---------------------------------------------------------------------------


def test_changes_go_in_batches_of_at_most_a_hundred_and_are_read_back(site: Site) -> None:
    site.grow()
    wanted = {key: 1000 + n for n, key in enumerate(site.keys(250))}
    run = site.set_levels(wanted)
    assert (run.code, run.out) == (0, passed_on())
    sizes = [sum(name.endswith("[dn_sku_id]") for name in _form(u.body)) for u in run.updates]
    assert sizes == [100, 100, 50]
    assert {key: row["inv_lvl"] for key, row in site.rows().items() if key in wanted} == wanted
    assert len(site.applied) == 250
    report = run.report
    assert (report["planned"], report["written"], report["verified"]) == (250, 250, 250)
    assert run.requests[-1].method == "GET", "it was not read back"
    assert report["requests"] == len(run.requests)


def test_a_single_change_is_numbered_from_one(site: Site) -> None:
    run = site.set_levels([(0, 9)])
    assert "changes[1][dn_sku_id]" in _form(run.updates[0].body)
    assert "changes[0][dn_sku_id]" not in _form(run.updates[0].body)


def test_credentials_of_an_update_are_in_the_form_and_nowhere_else(site: Site) -> None:
    site.grow()
    run = site.set_levels(dict.fromkeys(site.keys(120), 5))
    assert len(run.updates) == 2
    for update in run.updates:
        form = _form(update.body)
        assert form["username"] == site.provider["username"]
        assert form["password"] == site.provider["password"]
        assert update.query == ""
        assert "authorization" not in update.headers
        assert update.target == "/api/json/manage_inventory/update"
        assert update.headers["content-type"] == "application/x-www-form-urlencoded"


def test_one_product_is_compared_with_one_request(site: Site) -> None:
    run = site.set_levels([(number, 5) for number in range(10)])
    assert [request.method for request in run.requests] == ["GET", "POST", "GET"]


def test_a_second_run_writes_nothing(site: Site) -> None:
    wanted = [(number, 5 + number) for number in range(10)]
    site.set_levels(wanted)
    again = site.set_levels(wanted)
    assert (again.code, again.out, again.updates) == (0, passed_on(), [])
    assert again.report["unchanged"] == 10


# ---- STATE ---------------------------------------------------------------------------------------


def test_the_latest_state_comes_once_and_last(site: Site) -> None:
    seen: list[str] = []
    site.room.after_answer = lambda request, _reply: seen.append(request.method)
    run = site.run(schema(), state(1), level(0, 50), state(2), level(1, 51), state(3))
    assert run.out == passed_on(3)
    assert seen[-1] == "GET"


def test_without_a_state_nothing_is_printed(site: Site) -> None:
    run = site.run(schema(), level(0, 50))
    assert (run.code, run.out, site.level()) == (0, b"", 50)


def test_state_follows_a_run_with_rejected_records(site: Site) -> None:
    run = site.set_levels([(0, 50), (99, 1)])
    assert (run.code, run.out, site.level()) == (7, passed_on(), 50)
    assert run.rejected == [{"dn_sku_id": singer.key(99), "inv_lvl": 1}]


def test_the_state_is_passed_on_digit_by_digit(site: Site) -> None:
    text = b'{"bookmarks":{"x":{"at":0.1000000000000000000001,"n":12345678901234567890123}}}'
    run = site.run(b'{"type":"STATE","value":' + text + b"}\n")
    assert run.out == text + b"\n"


# ---- mode: plan ----------------------------------------------------------------------------------


def _plan_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_bytes().splitlines()]


def test_a_plan_asks_shows_and_writes_nothing(site: Site) -> None:
    plan_path = site.folder / "plan.jsonl"
    before = site.rows()
    run = site.run(
        schema(),
        level(0, 50, inv_warn=9, inv_on=False),
        level(1, before[singer.key(1)]["inv_lvl"]),
        level(2, 0),
        state(),
        mode="plan",
        plan_path=str(plan_path),
    )
    assert (run.code, run.out) == (0, b"")
    assert {request.method for request in run.requests} == {"GET"}
    assert site.rows() == before
    first, third = before[singer.key(0)], before[singer.key(2)]

    def line(key: str, field: str, old: Any, new: Any) -> dict[str, Any]:
        item = {"dn_sku_id": key}
        return {"stream": singer.STREAM, "key": item, "field": field, "before": old, "after": new}

    assert _plan_lines(plan_path) == [
        line(singer.key(0), "inv_on", True, False),
        line(singer.key(0), "inv_lvl", first["inv_lvl"], 50),
        line(singer.key(0), "inv_warn", first["inv_warn"], 9),
        line(singer.key(2), "inv_lvl", third["inv_lvl"], 0),
    ]
    assert (run.report["mode"], run.report["planned"], run.report["unchanged"]) == ("plan", 2, 1)
    assert run.report["written"] == 0
    for words in ("planned changes", singer.key(0), singer.key(2), "nothing was written"):
        assert words in run.said, words
    assert f"{-third['inv_lvl']:+}" in run.said


def test_a_plan_is_what_an_apply_then_does(site: Site) -> None:
    plan_path = site.folder / "plan.jsonl"
    wanted = [(0, 50), (1, 3), (2, 0)]
    site.set_levels(wanted, mode="plan", plan_path=str(plan_path))
    planned = plan_path.read_bytes()
    site.set_levels(wanted, plan_path=str(plan_path))
    assert plan_path.read_bytes() == planned
    site.set_levels(wanted, plan_path=str(plan_path))
    assert plan_path.read_bytes() == b"", "nothing is left to change, so nothing is planned"


def test_a_plan_with_rejected_records_says_so(site: Site) -> None:
    run = site.set_levels([(0, 50), (99, 1)], mode="plan")
    assert (run.code, run.updates, run.report["rejected"]) == (7, [], 1)
    assert not run.letters, "a plan leaves nothing behind but what it was asked for"
    assert "would be rejected: 1 record " in str(run.error)
    assert any("unknown dn_sku_id" in text for text in run.log)


# ---- several records of one item -----------------------------------------------------------------


def test_w08_an_item_twice_is_one_change_with_the_last_value(site: Site) -> None:
    run = site.run(schema(), level(0, 50), level(1, 4), level(0, 51), state())
    assert run.code == 0
    # In the order of the records that decided.
    assert [(c["dn_sku_id"], c["inv_lvl"]) for c in site.applied] == [
        (singer.key(1), "4"),
        (singer.key(0), "51"),
    ]


def test_w08_a_schema_change_in_between_does_not_turn_the_order(site: Site) -> None:
    other = schema(keys=("dn_sku_id", "x"), dn_sku_id={"type": "string"}, x={"type": "string"})
    lines = [
        schema(),
        level(0, 50),
        level(20, 5),
        other,
        level(0, 51),
        schema(),
        level(0, 52),
        other,
    ]
    run = site.run(*lines, *[level(n, 7) for n in range(1, 20)], level(0, 53), state())
    assert run.code == 0
    assert [c["inv_lvl"] for c in site.applied if c["dn_sku_id"] == singer.key(0)] == ["53"]
    assert (site.level(20), run.report["read"]) == (5, 24), "what came before it is lost"


def test_w08_an_item_in_two_streams_is_one_change_with_the_last_value(site: Site) -> None:
    maps = {
        "shelf_count": {
            "__alias__": singer.STREAM,
            "dn_sku_id": "item",
            "inv_lvl": "counted",
            "__key_properties__": ["dn_sku_id"],
            "__else__": None,
        }
    }
    foreign = schema("shelf_count", ("item",), item={"type": "string"}, counted={"type": "integer"})
    run = site.run(
        schema(),
        foreign,
        level(0, 50),
        record("shelf_count", item=singer.key(0), counted=51),
        level(1, 60),
        record("shelf_count", item=singer.key(1), counted=61),
        level(1, 62),
        state(),
        stream_maps=maps,
    )
    assert run.code == 0, run.error
    sent = {change["dn_sku_id"]: change["inv_lvl"] for change in site.applied}
    assert sent == {singer.key(0): "51", singer.key(1): "62"}
    assert len(site.applied) == 2


# ---- expected levels -----------------------------------------------------------------------------


def test_a_level_that_is_not_the_expected_one_is_not_overwritten(site: Site) -> None:
    before = site.level()
    run = site.run(schema(), level(0, 50, expected_inv_lvl=before + 1), state())
    assert (run.code, run.updates, site.level()) == (7, [], before)
    assert run.rejected == [
        {"dn_sku_id": singer.key(), "inv_lvl": 50, "expected_inv_lvl": before + 1}
    ]
    assert run.letters[0]["rejected"]["live"]["inv_lvl"] == before


def test_a_level_that_is_the_expected_one_is_written(site: Site) -> None:
    run = site.run(schema(), level(0, 50, expected_inv_lvl=site.level()), state())
    assert (run.code, site.level()) == (0, 50)
