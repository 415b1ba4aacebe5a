"""Promise: one run after the other, with whatever in between, comes to what was asked for last."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from inventory_providers.errors import Stopped
from inventory_providers.sandbox.server import Fault
from inventory_providers.times import rfc3339
from tests.target_inventory import singer
from tests.target_inventory.conftest import Site
from tests.target_inventory.singer import level, passed_on, record, schema, state
from tests.target_inventory.test_faults import goes_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.conftest import Canaries
    from tests.target_inventory.conftest import Run

TEN = [(number, 500 + number) for number in range(10)]
ALL_TEN = {singer.key(number): value for number, value in TEN}


def sent(site: Site, number: int = 0) -> list[int]:
    """The levels that the provider was sent for an item, in order."""
    changes = (each for each in site.applied if each["dn_sku_id"] == singer.key(number))
    return [int(change["inv_lvl"]) for change in changes]


def assert_stopped(run: Run, code: int) -> None:
    """It ended so, and nothing was acknowledged."""
    assert (run.code, run.out) == (code, b""), run.error


# ---- 10, then 5, then 10 -------------------------------------------------------------------------


@pytest.mark.parametrize(("stands", "expected"), [(3, [10]), (5, [10]), (10, [])])
def test_10_5_10_in_one_input_ends_at_10(site: Site, stands: int, expected: list[int]) -> None:
    site.put_level(stands)
    run = site.run(schema(), level(0, 10), level(0, 5), level(0, 10), state())
    assert (run.code, site.level(0), sent(site)) == (0, 10, expected)


@pytest.mark.parametrize(
    ("by_hand", "expected"), [(None, [10, 5, 10]), (7, [10, 5, 10]), (10, [10, 5])]
)
def test_10_5_10_over_three_runs_ends_at_10_whatever_is_done_in_the_shop(
    site: Site, by_hand: int | None, expected: list[int]
) -> None:
    site.set_levels([(0, 10)])
    site.set_levels([(0, 5)])
    if by_hand is not None:
        site.put_level(by_hand)
    run = site.set_levels([(0, 10)])
    assert (run.code, run.out, site.level(0), sent(site)) == (0, passed_on(), 10, expected)


def test_the_same_level_again_after_it_was_changed_in_the_shop_is_written_again(site: Site) -> None:
    site.set_levels([(0, 10)])
    site.put_level(7)
    site.set_levels([(0, 10)])
    assert (site.level(0), sent(site)) == (10, [10, 10])


def test_10_5_10_where_the_5_never_got_out_needs_no_request(site: Site) -> None:
    site.set_levels([(0, 10)])
    site.inject("status", status=503, times=None)
    assert_stopped(site.set_levels([(0, 5)]), 5)
    site.server.clear()
    run = site.set_levels([(0, 10)])
    assert (run.code, run.out, site.level(0), sent(site)) == (0, passed_on(), 10, [10])
    assert not site.journal.unfinished


def test_10_5_10_where_nobody_knows_of_the_5_ends_at_10(site: Site) -> None:
    site.set_levels([(0, 10)])
    site.inject("hang", apply=True)
    site.inject("status", status=503, times=None, method="GET", skip=1)
    assert_stopped(site.set_levels([(0, 5)]), 8)
    site.server.clear()
    run = site.set_levels([(0, 10)])
    assert (run.code, site.level(0), sent(site)) == (0, 10, [10, 5, 10])


def test_a_newer_value_in_the_next_input_is_the_only_one_that_is_sent(site: Site) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels([(0, 5)])
    site.server.clear()
    run = site.set_levels([(0, 6)])
    assert (run.code, sent(site)) == (0, [6])
    assert site.journal.statuses == {"replaced": 1, "done": 1}


# ---- the newest value wins -----------------------------------------------------------------------

MAPS = {
    name: {
        "__alias__": singer.STREAM,
        "__key_properties__": ["dn_sku_id"],
        "dn_sku_id": "item",
        "inv_lvl": "counted",
        "__else__": None,
    }
    for name in ("shelf_count", "till")
}


def _counts(name: str) -> bytes:
    return schema(name, ("item",), item={"type": "string"}, counted={"type": "integer"})


@pytest.mark.parametrize("order", [("till", "shelf_count"), ("shelf_count", "till")])
def test_over_several_streams_the_last_one_in_the_input_wins(
    site: Site, order: tuple[str, str]
) -> None:
    first, last = order
    run = site.run(
        _counts("till"),
        _counts("shelf_count"),
        record(first, item=singer.key(), counted=10),
        record(last, item=singer.key(), counted=5),
        record(first, item=singer.key(), counted=11),
        record(last, item=singer.key(), counted=6),
        state(),
        stream_maps=MAPS,
    )
    assert (run.code, site.level(), sent(site)) == (0, 6, [6])


def test_over_a_change_of_schema_the_last_one_in_the_input_wins(site: Site) -> None:
    other = schema(keys=("dn_sku_id", "x"), dn_sku_id={"type": "string"}, x={"type": "string"})
    run = site.run(schema(), level(0, 10), other, level(0, 5), schema(), level(0, 11), other)
    assert (run.code, sent(site)) == (0, [11])


# ---- freshness -----------------------------------------------------------------------------------


def _observed(site: Site, number: int, value: int, ago: timedelta) -> bytes:
    return level(number, value, observed_at=rfc3339(site.clock.now() - ago))


def test_what_was_observed_too_long_ago_is_a_letter_and_stops_no_other(site: Site) -> None:
    before = site.level(0)
    run = site.run(
        schema(),
        _observed(site, 0, 500, timedelta(hours=2)),
        _observed(site, 1, 501, timedelta(minutes=59)),
        level(2, 502),
        state(),
        max_age_seconds=3600,
    )
    assert (run.code, run.out) == (7, passed_on())
    assert [site.level(number) for number in range(3)] == [before, 501, 502]
    assert [letter["dn_sku_id"] for letter in run.rejected] == [singer.key(0)]
    assert "max_age_seconds" in run.reasons[0]


def test_an_old_record_behind_a_new_one_does_not_win(site: Site) -> None:
    run = site.run(
        schema(),
        level(0, 500),
        _observed(site, 0, 10, timedelta(days=1)),
        max_age_seconds=3600,
    )
    assert (run.code, site.level(0)) == (7, 500)


# ---- guards --------------------------------------------------------------------------------------


def _in_stock(site: Site, count: int) -> dict[str, int]:
    """So many items with something in stock."""
    rows = site.rows().items()
    found = {key: row["inv_lvl"] for key, row in rows if row["inv_lvl"] > 0}
    assert len(found) >= count
    return dict(list(found.items())[:count])


def _to_zero(site: Site, count: int, of: int) -> dict[str, int]:
    """So many changed items, of which the first ones go to 0."""
    stock = _in_stock(site, of)
    return {key: 0 if n < count else stock[key] + 1 for n, key in enumerate(stock)}


def _times(site: Site, factor: int, count: int, of: int) -> dict[str, int]:
    """So many changed items, of which the first ones are counted in another unit."""
    stock = _in_stock(site, of)
    return {
        key: stock[key] * factor if n < count else stock[key] + 1 for n, key in enumerate(stock)
    }


def _far(site: Site, count: int, of: int) -> dict[str, int]:
    """So many changed items, of which the first ones go farther than 40 units."""
    stock = _in_stock(site, of)
    return {key: stock[key] + (41 if n < count else 40) for n, key in enumerate(stock)}


Levels = dict[str, int]
BEYOND: dict[str, tuple[Any, str, Any]] = {
    "max_changes": (lambda site: _times(site, 1, 0, 6), "max_changes", 5),
    "newly zero": (lambda site: _to_zero(site, 10, 19), "max_newly_zero_percent", 50),
    "all to zero": (lambda site: _to_zero(site, 12, 12), "max_newly_zero_percent", 99.9),
    "hundredfold": (lambda site: _times(site, 100, 10, 19), "max_unit_error_percent", 50),
    "thousandfold": (lambda site: _times(site, 1000, 10, 19), "max_unit_error_percent", 50),
    "max_delta": (lambda site: _far(site, 10, 19), "max_delta", 40),
}
WITHIN: dict[str, tuple[Any, str, Any]] = {
    "max_changes": (lambda site: _times(site, 1, 0, 5), "max_changes", 5),
    "nine to zero": (lambda site: _to_zero(site, 9, 9), "max_newly_zero_percent", 0),
    "half to zero": (lambda site: _to_zero(site, 10, 20), "max_newly_zero_percent", 50),
    "allowed to zero": (lambda site: _to_zero(site, 20, 20), "max_newly_zero_percent", 100),
    "nine hundredfold": (lambda site: _times(site, 100, 9, 9), "max_unit_error_percent", 0),
    "half hundredfold": (lambda site: _times(site, 100, 10, 20), "max_unit_error_percent", 50),
    "allowed": (lambda site: _times(site, 1000, 20, 20), "max_unit_error_percent", 100),
    "max_delta": (lambda site: _far(site, 0, 20), "max_delta", 40),
}


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize(("levels", "name", "limit"), BEYOND.values(), ids=BEYOND)
def test_a_guard_stops_the_run_before_anything_is_written(
    site: Site, levels: Callable[[Site], Levels], name: str, limit: Any, mode: str
) -> None:
    before = site.rows()
    wanted = levels(site) | {"19617_9": 5}  # unknown: rejected, and not worth a letter now
    plan = site.folder / "plan.jsonl"
    run = site.set_levels(wanted, guards={name: limit}, mode=mode, plan_path=str(plan))
    assert_stopped(run, 6)
    assert (run.updates, run.letters) == ([], [])
    assert site.rows() == before
    assert not site.journal.writes
    (hit,) = run.report["guards"]
    assert f"guards.{name}" in hit
    assert f"guards.{name}" in str(run.error)
    assert (run.report["planned"], run.report["written"]) == (len(wanted) - 1, 0)
    assert len(plan.read_bytes().splitlines()) == len(wanted) - 1, "what to look at is missing"


@pytest.mark.parametrize(("levels", "name", "limit"), WITHIN.values(), ids=WITHIN)
def test_up_to_its_limit_a_guard_lets_the_run_pass(
    site: Site, levels: Callable[[Site], Levels], name: str, limit: Any
) -> None:
    wanted = levels(site)
    run = site.set_levels(wanted, guards={name: limit})
    assert (run.code, run.out) == (0, passed_on()), run.error
    assert {key: row["inv_lvl"] for key, row in site.rows().items() if key in wanted} == wanted
    assert run.report["guards"] == []


def test_w15_a_thousand_of_a_thousand_to_0_are_stopped_without_any_setting(site: Site) -> None:
    site.grow(1200)
    run = site.set_levels(_to_zero(site, 1000, 1000))
    assert_stopped(run, 6)
    assert run.updates == []
    assert "1000 of 1000" in run.report["guards"][0]


def test_w15_grams_for_kilograms_are_stopped_without_any_setting(site: Site) -> None:
    run = site.set_levels(_times(site, 1000, 40, 40))
    assert_stopped(run, 6)
    assert run.updates == []


def test_one_change_that_goes_too_far_is_rejected_and_the_others_are_written(site: Site) -> None:
    wanted = _far(site, 9, 18)
    before = site.rows()
    run = site.set_levels(wanted, guards={"max_delta": 40})
    assert (run.code, run.out, len(run.letters)) == (7, passed_on(), 9)
    after = site.rows()
    far = [letter["dn_sku_id"] for letter in run.rejected]
    assert far == list(wanted)[:9]
    assert all(after[key] == before[key] for key in far)
    assert all(after[key]["inv_lvl"] == wanted[key] for key in list(wanted)[9:])


def test_after_a_guard_the_next_input_is_judged_by_itself(site: Site) -> None:
    assert_stopped(site.set_levels(_to_zero(site, 20, 20)), 6)
    run = site.set_levels([(0, 500)])
    assert (run.code, run.out, len(site.applied)) == (0, passed_on(), 1)


def test_a_plan_says_what_a_guard_would_stop_and_how_to_carry_it_out(site: Site) -> None:
    run = site.set_levels(_to_zero(site, 20, 20), mode="plan")
    assert_stopped(run, 6)
    assert "planned change" in run.said
    assert "guards.max_newly_zero_percent" in str(run.error)
    assert "raise the limit for that one run" in str(run.error)


def test_what_a_guard_has_stopped_is_not_shown_as_if_it_were_done(site: Site) -> None:
    run = site.set_levels(_to_zero(site, 20, 20))
    assert "20 planned changes, stopped by a guard" in run.said


# ---- a provider that says what is not so ---------------------------------------------------------

SUCCESS = b'{"response_status":{"code":10001,"severity":"SUCCESS","description":"."}}'
ERRORS = {
    "of a record": b'{"response_status":{"code":50005,"severity":"ERROR","description":"x"}}',
    "of everything": b'{"response_status":{"code":60000,"severity":"ERROR","description":"x"}}',
}


def test_success_without_effect_is_a_letter_that_can_be_fed_back(site: Site) -> None:
    before = site.level(0)
    site.inject("body", body=SUCCESS)
    run = site.set_levels(TEN)
    assert (run.code, run.out, len(run.letters)) == (7, passed_on(), 10)
    assert (run.report["written"], site.level(0)) == (0, before)
    assert site.feed_back(site.dead_letters).code == 0
    assert [site.level(number) for number in range(10)] == [value for _, value in TEN]


@pytest.mark.parametrize(("what", "code"), [("of a record", 0), ("of everything", 4)])
def test_an_error_that_has_taken_effect_is_written_and_never_sent_again(
    site: Site, what: str, code: int
) -> None:
    site.inject("body", body=ERRORS[what], apply=True)
    run = site.set_levels(TEN)
    assert run.code == code
    assert (run.report["written"], run.letters) == (10, [])
    assert site.journal.statuses == {"done": 10}
    again = site.set_levels(TEN)
    assert (again.code, again.updates, len(site.applied)) == (0, [], 10)


def test_an_error_that_concerns_everything_leaves_nothing_to_be_sent_later(site: Site) -> None:
    site.grow()
    site.inject("body", body=ERRORS["of everything"])
    run = site.set_levels(dict.fromkeys(site.keys(150), 5000))
    assert_stopped(run, 4)
    assert (len(run.updates), site.applied) == (1, [])
    assert site.journal.statuses == {"withdrawn": 150}
    assert site.run(state()).updates == []


# ---- stopped -------------------------------------------------------------------------------------


@pytest.fixture
def many(site: Site) -> dict[str, int]:
    """Levels for 250 items, which take three requests."""
    site.grow()
    return {key: 5000 + n for n, key in enumerate(site.keys(250))}


def _stop_at(
    patch: pytest.MonkeyPatch, nth: int, method: str = "POST", *, after: bool = False
) -> None:
    """A signal arrives just before the nth request of a kind leaves, or when it is answered."""
    send = httpx.HTTPTransport.handle_request
    seen = []

    def stopping(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        due = request.method == method and seen.count(method) == nth
        if due and not after:
            raise Stopped(2)
        response = send(transport, request)
        if due:
            response.close()
            raise Stopped(2)
        return response

    patch.setattr(httpx.HTTPTransport, "handle_request", stopping)


@pytest.mark.parametrize("after", [False, True])
def test_a_stop_while_writing_withdraws_what_was_not_sent(
    site: Site, many: Levels, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(patch, 2, after=after)
        run = site.set_levels(many)
    assert_stopped(run, 130)
    assert site.journal.statuses == {"done": 100, "sent": 100, "withdrawn": 50}
    assert (run.report["planned"], run.report["written"]) == (250, 100)
    again = site.set_levels(many)
    assert (again.code, again.out) == (0, passed_on())
    applied = [change["dn_sku_id"] for change in site.applied]
    assert sorted(applied) == sorted(many), "something was written twice, or not at all"


def test_after_a_stop_nothing_is_sent_behind_anybodys_back(
    site: Site, many: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(patch, 1, after=True)
        site.set_levels(many)
    run = site.run(state())
    assert (run.code, run.out, run.updates) == (0, passed_on(), [])
    assert (run.report["settled"], len(site.applied)) == (100, 100)


def test_a_stop_while_waiting_keeps_what_is_in_doubt(
    site: Site, many: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.inject("status", status=502)

    def stopped(_seconds: float) -> None:
        raise Stopped(15)

    with monkeypatch.context() as patch:
        patch.setattr(site.clock, "sleep", stopped)
        run = site.set_levels(many)
    assert_stopped(run, 143)
    assert site.journal.statuses == {"sent": 100, "withdrawn": 150}
    assert site.set_levels(many).code == 0
    assert sorted(change["dn_sku_id"] for change in site.applied) == sorted(many)


@pytest.mark.parametrize(("nth", "statuses"), [(1, {}), (2, {"done": 10})])
def test_a_stop_while_reading_leaves_nothing_unfinished(
    site: Site, monkeypatch: pytest.MonkeyPatch, nth: int, statuses: dict[str, int]
) -> None:
    """The first look is before the plan, the second is the read-back."""
    with monkeypatch.context() as patch:
        _stop_at(patch, nth, "GET")
        run = site.set_levels(TEN)
    assert_stopped(run, 130)
    assert site.journal.statuses == statuses
    again = site.set_levels(TEN)
    assert (again.code, again.out, len(site.applied)) == (0, passed_on(), 10)


def test_a_stop_while_an_earlier_run_is_settled_leaves_it_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    site.server.clear()
    with monkeypatch.context() as patch:
        _stop_at(patch, 1, "GET")
        assert_stopped(site.set_levels(TEN), 130)
    assert site.journal.unfinished == list(ALL_TEN)
    assert site.run(state()).code == 0
    assert len(site.applied) == 10


# ---- what a run leaves behind --------------------------------------------------------------------


def _denied(site: Site) -> None:
    site.inject("status", status=403, times=None)


def _redirected(site: Site) -> None:
    site.inject("redirect", status=307, location="https://elsewhere.example/", times=None)


def _down(site: Site) -> None:
    site.inject("status", status=503, times=None)


def _doubtful(site: Site) -> None:
    site.room.turn("update_lost_answer", 1)
    site.room.turn("sale_in_between", 1)


@pytest.mark.parametrize(
    ("trouble", "code"), [(_denied, 3), (_redirected, 4), (_down, 5), (_doubtful, 8)]
)
def test_the_report_is_written_though_the_run_fails(
    site: Site, trouble: Callable[[Site], None], code: int
) -> None:
    trouble(site)
    run = site.set_levels([(0, 500), (99, 1)])
    assert_stopped(run, code)
    assert (run.report["read"], run.report["planned"], run.report["rejected"]) == (2, 1, 1)
    assert run.report["written"] == 0
    assert run.report["requests"] == len(run.requests)
    assert "2 records read" in run.said


def test_the_report_is_written_though_nothing_could_be_asked(site: Site) -> None:
    site.inject("status", status=503, times=None, method=None)
    run = site.set_levels(TEN)
    assert_stopped(run, 5)
    assert (run.report["read"], run.report["planned"]) == (10, 0)
    assert run.report["seconds"] > 100


@pytest.mark.parametrize(("trouble", "code"), [(_denied, 3), (_doubtful, 8)])
def test_a_report_that_cannot_be_written_does_not_hide_why_the_run_failed(
    site: Site, trouble: Callable[[Site], None], code: int
) -> None:
    trouble(site)
    run = site.set_levels([(0, 500)], report_path="/dev/full")
    assert_stopped(run, code)


def test_a_report_of_the_last_run_is_not_taken_for_this_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.set_levels(TEN)
    with monkeypatch.context() as patch:
        _stop_at(patch, 1, "GET")
        run = site.set_levels([(0, 1)])
    assert (run.code, run.report["read"], run.report["written"]) == (130, 1, 0)


def test_what_is_in_doubt_is_named(site: Site) -> None:
    _doubtful(site)
    run = site.set_levels([(0, 500)])
    assert any(singer.key(0) in text and "outcome unknown" in text for text in run.log)


def test_the_letter_of_what_was_left_survives_a_run_that_fails_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        goes_down(site, "no connection", patch)
        assert site.set_levels([(0, 500)]).code == 5
    site.sell(0)
    site.inject("status", status=503, times=None)
    assert site.set_levels([(5, 700)]).code == 5
    site.server.clear()
    run = site.set_levels([(5, 700)])
    assert [letter["dn_sku_id"] for letter in run.rejected] == [singer.key(0)]


def test_what_nobody_can_tell_of_an_earlier_run_is_told_though_this_one_fails_later(
    site: Site,
) -> None:
    site.inject("hang", apply=True)
    site.inject("status", status=503, times=None, method="GET", skip=1)
    assert site.set_levels([(0, 500)]).code == 8
    site.server.clear()
    site.sell(0)
    site.inject("status", status=503, times=None)
    codes = [site.set_levels([(5, 700)]).code]
    site.server.clear()
    codes.append(site.set_levels([(5, 700)]).code)
    assert 8 in codes


# ---- mode plan -----------------------------------------------------------------------------------


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_plan_leaves_no_file_but_those_it_was_asked_for(site: Site) -> None:
    plan = site.folder / "plan.jsonl"
    run = site.set_levels([(0, 500), (99, 1)], mode="plan", plan_path=str(plan))
    assert run.code == 7
    assert _files(site.folder) == {"plan.jsonl", "report.json"}


def test_a_plan_settles_nothing_and_says_what_is_unfinished(site: Site) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    site.server.clear()
    before = site.journal.writes
    run = site.set_levels([(0, 700)], mode="plan")
    assert (run.code, run.updates) == (0, [])
    assert site.journal.writes == before
    (said,) = [text for text in run.log if "unfinished" in text]
    assert "10 unfinished writes" in said
    assert "would be settled before all this" in said


def test_a_plan_without_records_still_says_what_is_unfinished(site: Site) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    site.server.clear()
    run = site.run(mode="plan")
    assert (run.code, run.updates) == (0, [])
    assert any("10 unfinished writes" in text for text in run.log)


def test_a_plan_knows_what_was_added_before(two: Site) -> None:
    two.run(*created(), *add(5, "a"))
    run = two.run(*add(5, "a"), *add(6, "b"), mode="plan")
    assert (run.code, run.report["unchanged"], run.report["planned"]) == (0, 1, 1)


# ---- another account -----------------------------------------------------------------------------


def test_what_another_account_has_left_is_left_alone_and_told(
    site: Site, tmp_path: Path, canaries: Canaries
) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other", canaries)
    with other.server:
        run = other.set_levels([(0, 700)], journal_path=str(site.journal.path))
        assert (run.code, run.out, other.level(0)) == (0, passed_on(), 700)
        assert [change["dn_sku_id"] for change in other.applied] == [singer.key(0)]
    (said,) = [text for text in run.log if "left alone" in text]
    assert "10 unfinished" in said
    assert site.server.url in said
    assert site.journal.unfinished == list(ALL_TEN)
    site.server.clear()
    assert site.run(state()).code == 0
    assert len(site.applied) == 10


def test_letters_and_additions_of_another_account_do_not_count_here(
    two: Site, tmp_path: Path, canaries: Canaries
) -> None:
    two.run(*created(), *add(5, "a"))
    (tmp_path / "other").mkdir()
    other = Site(tmp_path / "other", canaries, others=["amazon_fba"])
    with other.server:
        run = other.run(*created(), *add(5, "a"), journal_path=str(two.journal.path))
        assert (run.code, units(other, SHOES)) == (0, 5)


def test_another_password_is_no_other_account(site: Site) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    site.server.clear()
    site.provider = site.provider | {"lookback_seconds": 77}
    assert site.run(state()).code == 0
    assert len(site.applied) == 10


# ---- two providers -------------------------------------------------------------------------------

US = "ATVPDKIKX0DER"
SHOES = "SHOES & socks/1"
AMAZON = "amazon_fba"


def _amazon(kind: str, **values: Any) -> list[bytes]:
    stream = f"amazon_fba_{kind}"
    keys = ("marketplace_id", "seller_sku")
    columns = {key: {"type": "string"} for key in keys}
    return [
        schema(stream, keys, **columns),
        record(stream, marketplace_id=US, seller_sku=SHOES, **values),
    ]


def created() -> list[bytes]:
    """The item that the tests of Amazon write to."""
    return _amazon("create_inventory_item", product_name="Shoes")


def add(quantity: int, event: str) -> list[bytes]:
    """An addition to it."""
    return _amazon("add_inventory", quantity=quantity, idempotency_key=event)


def units(site: Site, sku: str) -> int | None:
    """What of it is in stock at Amazon."""
    row = site.server.room(AMAZON).rows("amazon_fba_inventory_summaries").get((US, sku))
    return None if row is None else row["inventoryDetails"]["fulfillableQuantity"]


def _writes(site: Site) -> list[str]:
    written: Iterable[dict[str, Any]] = site.server.room(AMAZON).writes  # type: ignore[attr-defined]
    return [each["operation"] for each in written]


BOTH = [schema(), *[level(number, value) for number, value in TEN], *created(), *add(5, "a")]


def test_both_are_written_and_read_back(two: Site) -> None:
    run = two.run(*BOTH, state())
    assert (run.code, run.out) == (0, passed_on()), run.error
    assert (len(two.applied), _writes(two)) == (10, ["createInventoryItem", "addInventory"])
    assert units(two, SHOES) == 5
    assert (run.report["written"], run.report["verified"]) == (12, 12)
    assert run.report["requests"] == len(run.requests) + len(two.server.requests(AMAZON))


def test_where_one_cannot_be_written_the_other_is(two: Site) -> None:
    two.inject("status", status=503, times=None)
    run = two.run(*BOTH, state())
    assert_stopped(run, 5)
    assert str(run.error).startswith("deconetwork")
    assert (two.applied, units(two, SHOES)) == ([], 5)
    assert two.journal.unfinished == list(ALL_TEN)
    two.server.clear()
    again = two.run(*BOTH, state())
    assert (again.code, again.out) == (0, passed_on())
    assert (len(two.applied), units(two, SHOES), len(_writes(two))) == (10, 5, 2)


def test_where_the_other_cannot_be_written_the_one_is(two: Site) -> None:
    fault = Fault("status", status=503, times=None, path="/fba/inventory/v1/items")
    two.server.inject(AMAZON, fault)
    run = two.run(*BOTH, state())
    assert_stopped(run, 5)
    assert str(run.error).startswith(AMAZON)
    assert (len(two.applied), _writes(two)) == (10, [])
    assert two.journal.unfinished == [SHOES, SHOES]
    two.server.clear()
    again = two.run(*BOTH, state())
    assert (again.code, again.out) == (0, passed_on()), again.error
    assert (len(two.applied), units(two, SHOES), len(_writes(two))) == (10, 5, 2)


def test_where_both_fail_both_are_named(two: Site) -> None:
    two.inject("status", status=403, times=None)
    two.server.inject(AMAZON, Fault("status", status=503, times=None, path="/v1/items"))
    run = two.run(*BOTH, state())
    assert_stopped(run, 3)
    assert any(text.startswith(AMAZON) for text in run.log)


def test_where_one_cannot_even_be_read_neither_is_written(two: Site) -> None:
    """The guards judge the whole, so the whole has to be known."""
    two.server.inject(AMAZON, Fault("status", status=503, times=None, path="/fba/"))
    run = two.run(*BOTH, state())
    assert_stopped(run, 5)
    assert (two.applied, _writes(two), two.journal.writes) == ([], [], [])


def test_the_guards_count_over_both(two: Site) -> None:
    run = two.run(*BOTH, state(), guards={"max_changes": 11})
    assert_stopped(run, 6)
    assert (two.applied, _writes(two)) == ([], [])
    assert two.run(*BOTH, state(), guards={"max_changes": 12}).code == 0


def test_a_stop_at_one_withdraws_what_the_other_was_to_get(
    two: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _stop_at(patch, 2, after=True)  # the first is Amazon's sign-in
        run = two.run(*BOTH, state())
    assert_stopped(run, 130)
    assert (len(two.applied), _writes(two)) == (10, [])
    statuses = [(write.status, write.key[-1]) for write in two.journal.writes]
    assert statuses[10:] == [("withdrawn", SHOES)] * 2


def test_rejected_records_of_both_are_in_one_file(two: Site) -> None:
    run = two.run(*BOTH, level(99, 1), *add(0, "b"), state())
    assert (run.code, run.out) == (7, passed_on())
    assert [letter["stream"] for letter in run.letters] == [
        "amazon_fba_add_inventory",
        singer.STREAM,
    ]


def test_a_provider_that_no_record_is_about_is_asked_nothing(two: Site) -> None:
    assert two.set_levels(TEN).code == 0
    assert two.server.requests(AMAZON) == []


# ---- additions -----------------------------------------------------------------------------------


def test_an_addition_that_comes_again_in_later_runs_is_made_once(two: Site) -> None:
    for _ in range(3):
        run = two.run(*created(), *add(5, "a"), *add(5, "a"), state())
        assert (run.code, run.out) == (0, passed_on()), run.error
    assert (units(two, SHOES), _writes(two)) == (5, ["createInventoryItem", "addInventory"])
    assert run.report["unchanged"] == 3


def test_the_same_addition_under_another_key_is_another_addition(two: Site) -> None:
    assert two.run(*created(), *add(5, "a"), *add(5, "b"), state()).code == 0
    assert units(two, SHOES) == 10


LOST = {
    "no answer": {"kind": "hang", "apply": True},
    "reset": {"kind": "reset_before_headers", "apply": True},
    "503": {"kind": "status", "status": 503, "apply": True},
    "half an answer": {"kind": "reset_mid_body"},
    "a login page, three times": {"kind": "html", "status": 200, "apply": True, "times": 3},
    "nothing of it applied": {"kind": "status", "status": 503},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_w03_an_addition_whose_answer_is_lost_is_made_once_with_the_same_token(
    two: Site, fault: dict[str, Any]
) -> None:
    two.run(*created())
    two.server.inject(AMAZON, Fault(path="/items/inventory", **fault))
    run = two.run(*add(5, "a"), *add(2, "b"), state())
    assert (run.code, run.out) == (0, passed_on()), run.error
    assert (units(two, SHOES), _writes(two)[1:]) == (7, ["addInventory"] * 2)
    asked = [each for each in two.server.requests(AMAZON) if each.path.endswith("/inventory")]
    tokens = {each.headers["x-amzn-idempotency-token"]: each.body for each in asked}
    assert len(tokens) == 2
    assert len({(each.headers["x-amzn-idempotency-token"], each.body) for each in asked}) == 2


def test_w05_an_addition_in_doubt_is_settled_first_with_the_same_token(two: Site) -> None:
    two.run(*created())
    fault = Fault("status", status=503, times=None, path="/items/inventory", apply=True)
    two.server.inject(AMAZON, fault)
    assert_stopped(two.run(*add(5, "a"), *add(2, "b"), state()), 5)
    assert [write.status for write in two.journal.writes[1:]] == ["sent", "intended"]
    two.server.clear()
    run = two.run(*add(5, "a"), *add(2, "b"), *add(1, "c"), state())
    assert (run.code, run.out, units(two, SHOES)) == (0, passed_on(), 8)
    # What had not been sent is the new record's; its token is the same.
    assert (run.report["settled"], run.report["unchanged"], run.report["written"]) == (1, 1, 2)
    assert len({write.token for write in two.journal.writes if write.token}) == 3


# ---- odd text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "\ud83d",
        "\x00",
        "a\r\nb",
        "🙂",
        "x" * 5000,
        "a&b=c+d%20",
    ],
    ids=ascii,
)
def test_an_odd_name_of_an_operator_is_no_defect_of_ours(site: Site, text: str) -> None:
    try:
        run = site.run(schema(), level(0, 500, operator_login=text), level(1, 501), state())
    except Exception as error:  # noqa: BLE001 - any at all would end as "unexpected"
        pytest.fail(f"ends as a defect: {type(error).__name__}")
    assert (run.code in {0, 7}, run.out, site.level(1)) == (True, passed_on(), 501)


def test_an_odd_key_of_an_item_stops_no_other(site: Site) -> None:
    key = "19617_\ud83d"
    site.room.put(singer.STREAM, site.row() | {"dn_sku_id": key})
    run = site.run(schema(), record(dn_sku_id=key, inv_lvl=5), level(1, 501), state())
    assert (run.code, run.out, site.level(1)) == (7, passed_on(), 501)
