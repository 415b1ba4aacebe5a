"""Promise: whatever becomes of an answer, nothing is written twice, lost, or called written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from inventory_providers.errors import Malformed
from tests.target_inventory import singer
from tests.target_inventory.singer import level, passed_on, schema, state

if TYPE_CHECKING:
    from tests.target_inventory.conftest import Run, Site

TEN = [(number, 500 + number) for number in range(10)]
ALL_TEN = {singer.key(number): value for number, value in TEN}


def _sent(site: Site) -> list[str]:
    return [change["dn_sku_id"] for change in site.applied]


def _levels(site: Site) -> dict[str, int]:
    return {key: row["inv_lvl"] for key, row in site.rows().items()}


def _assert_each_applied_once(site: Site, wanted: dict[str, int]) -> None:
    assert sorted(_sent(site)) == sorted(wanted)
    levels = _levels(site)
    assert {key: levels[key] for key in wanted} == wanted


def _assert_not_acknowledged(run: Run, code: int) -> None:
    assert (run.code, run.out) == (code, b""), run.error


# ---- answers that are lost (W03, W04) ------------------------------------------------------------

LOST = {
    "no answer": {"kind": "hang", "apply": True},
    "reset": {"kind": "reset_before_headers", "apply": True},
    "502": {"kind": "status", "status": 502, "apply": True},
    "503": {"kind": "html", "status": 503, "apply": True},
    "half an answer": {"kind": "reset_mid_body"},
    "an empty answer": {"kind": "empty", "status": 200, "apply": True},
    "a login page": {"kind": "html", "status": 200, "apply": True},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_w03_applied_and_no_answer_every_other_time(site: Site, fault: dict[str, Any]) -> None:
    site.grow()
    for skip in range(0, 12, 2):
        site.inject(skip=skip, **fault)
    wanted = {key: 1000 + n for n, key in enumerate(site.keys(250))}
    run = site.set_levels(wanted)
    assert (run.code, run.out) == (0, passed_on()), run.error
    _assert_each_applied_once(site, wanted)
    assert (run.report["written"], run.report["verified"]) == (250, 250)


@pytest.mark.parametrize("kind", ["status", "reset_before_headers"])
def test_w03_every_other_request_of_any_kind(site: Site, kind: str) -> None:
    site.grow()
    for skip in range(0, 60, 2):
        site.inject(kind, skip=skip, apply=True, method=None)
    wanted = {key: 1000 + n for n, key in enumerate(site.keys(120))}
    run = site.set_levels(wanted)
    assert (run.code, run.out) == (0, passed_on()), run.error
    _assert_each_applied_once(site, wanted)


def test_w03_the_switch_of_the_sandbox_says_the_same(site: Site) -> None:
    site.room.turn("update_lost_answer", 1)
    run = site.set_levels(TEN)
    assert (run.code, run.out) == (0, passed_on())
    assert len(run.updates) == 1, "it was sent again though it had been applied"
    _assert_each_applied_once(site, ALL_TEN)


@pytest.mark.parametrize("applied", [0, 4, 10])
def test_w04_some_of_ten_are_applied_then_the_provider_fails(site: Site, applied: int) -> None:
    site.room.turn("partial_apply", applied)
    site.room.turn("update_not_applied", 1)
    run = site.set_levels(TEN)
    assert (run.code, run.out) == (0, passed_on())
    _assert_each_applied_once(site, ALL_TEN)


def test_not_applied_is_sent_again(site: Site) -> None:
    site.room.turn("update_not_applied", 2)
    run = site.set_levels(TEN)
    assert (run.code, run.out, len(run.updates)) == (0, passed_on(), 3)
    _assert_each_applied_once(site, ALL_TEN)


def test_never_applied_stays_in_the_journal_and_a_later_run_does_it(site: Site) -> None:
    site.inject("status", status=502, times=None)
    run = site.set_levels(TEN)
    _assert_not_acknowledged(run, 5)
    assert len(run.updates) == 4, "it does not give up"
    assert (run.report["written"], run.report["unknown"]) == (0, 0)
    assert not run.letters
    assert site.journal.unfinished == list(ALL_TEN)
    site.server.clear()
    again = site.set_levels(TEN)
    assert (again.code, again.out) == (0, passed_on())
    _assert_each_applied_once(site, ALL_TEN)
    assert not site.journal.unfinished


@pytest.mark.parametrize("lost", [True, False])
def test_a_sale_right_after_the_write(site: Site, lost: bool) -> None:
    """With an answer it is written and has moved on; without one nobody can know."""
    site.room.turn("sale_in_between", 1)
    site.room.turn("update_lost_answer", int(lost))
    run = site.set_levels([(0, 500)])
    assert len(run.updates) == 1, "a sale was overwritten"
    assert site.level() == 499
    if lost:
        _assert_not_acknowledged(run, 8)
        assert (run.report["unknown"], run.report["written"]) == (1, 0)
    else:
        assert (run.code, run.out) == (0, passed_on())
        assert (run.report["written"], run.report["verified"], run.report["moved"]) == (1, 0, 1)
        assert any("changed again" in text for text in run.log)


def test_what_was_written_before_the_lost_answer_is_reported(site: Site) -> None:
    site.grow()
    site.inject("hang", skip=1, times=None)
    run = site.set_levels(dict.fromkeys(site.keys(150), 9999))
    _assert_not_acknowledged(run, 5)
    assert (run.report["planned"], run.report["written"]) == (150, 100)
    assert site.journal.statuses == {"done": 100, "sent": 50}


# ---- the provider is gone in the middle ----------------------------------------------------------


def _fail_reads_after_update(site: Site, kind: str, **details: Any) -> None:
    """From the first update on, no read is answered well."""

    def after(request: Any, _reply: Any) -> None:
        if request.method == "POST":
            site.room.after_answer = None
            site.inject(kind, method="GET", times=None, **details)

    site.room.after_answer = after


UNREADABLE = {
    "503": {"kind": "status", "status": 503},
    "reset": {"kind": "reset_before_headers"},
    "html": {"kind": "html", "status": 200},
    "403": {"kind": "status", "status": 403},
    "30001": {"kind": "body", "body": b'{"response_status":{"code":30001,"severity":"ERROR"}}'},
    "not as documented": {"kind": "body", "body": b"[]"},
}


@pytest.mark.parametrize("written", ["unanswered", "502"])
@pytest.mark.parametrize("read", UNREADABLE)
def test_an_update_that_may_have_been_applied_and_cannot_be_read_back_is_settled_by_the_next_run(
    site: Site, read: str, written: str
) -> None:
    """A provider that answers both with an error is down; otherwise the outcome is unknown."""
    _fail_reads_after_update(site, **UNREADABLE[read])
    site.room.turn("update_lost_answer", written == "unanswered")
    site.room.turn("update_not_applied", written == "502")
    run = site.set_levels(TEN)
    is_down = written == "502" and read in {"503", "reset"}
    _assert_not_acknowledged(run, 5 if is_down else 8)
    assert len(run.updates) == 1
    assert not run.letters
    assert "run again" in str(run.error).lower()
    assert site.journal.statuses == {"sent": 10}
    site.server.clear()
    site.room.turn("update_not_applied", 0)
    site.room.turn("update_lost_answer", 0)
    again = site.set_levels(TEN)
    assert (again.code, again.out) == (0, passed_on())
    assert again.report["settled"] == (10 if written == "unanswered" else 0)
    _assert_each_applied_once(site, ALL_TEN)
    assert not site.journal.unfinished


@pytest.mark.parametrize(
    ("kind", "details", "code"),
    [
        ("status", {"status": 503}, 5),
        ("reset_before_headers", {}, 5),
        ("html", {"status": 200}, 4),
        ("status", {"status": 403}, 3),
    ],
)
def test_written_but_never_read_back_is_not_acknowledged(
    site: Site, kind: str, details: dict[str, Any], code: int
) -> None:
    _fail_reads_after_update(site, kind, **details)
    run = site.set_levels(TEN)
    _assert_not_acknowledged(run, code)
    site.server.clear()
    again = site.set_levels(TEN)
    assert (again.code, again.out, again.updates) == (0, passed_on(), [])


def test_a_provider_that_is_down_is_waited_for_and_then_named(site: Site) -> None:
    site.inject("status", status=503, method=None, times=None)
    run = site.set_levels(TEN)
    _assert_not_acknowledged(run, 5)
    assert 100 < sum(site.clock.sleeps) < 140
    assert not run.updates
    assert not run.letters
    assert str(run.error).startswith("deconetwork: ")
    assert "run again" in str(run.error)


# ---- the provider is gone for good after the plan (W05) ------------------------------------------

NEWER = {singer.key(0): 500, singer.key(1): 900, singer.key(20): 77}
NEXT_INPUTS = {
    "the same": (ALL_TEN, ALL_TEN),
    "newer": (NEWER, ALL_TEN | NEWER),
    "about others": ({singer.key(20): 77}, ALL_TEN | {singer.key(20): 77}),
    "none": ({}, ALL_TEN),
}


def _refuse_connections(patch: pytest.MonkeyPatch) -> None:
    send = httpx.HTTPTransport.handle_request

    def refused(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            raise httpx.ConnectError("refused")
        return send(transport, request)

    patch.setattr(httpx.HTTPTransport, "handle_request", refused)


def goes_down(site: Site, how: str, patch: pytest.MonkeyPatch) -> None:
    """From the first write on."""
    if how == "no connection":
        _refuse_connections(patch)
    elif how == "503 on writes":
        site.inject("status", status=503, times=None)
    else:
        site.inject("status", status=503, times=None)
        site.inject("status", status=503, times=None, method="GET", skip=1)


@pytest.mark.parametrize("following", NEXT_INPUTS)
@pytest.mark.parametrize("how", ["no connection", "503 on writes", "503 on everything"])
def test_w05_the_journal_keeps_what_was_not_written_and_the_next_run_finishes_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str, following: str
) -> None:
    with monkeypatch.context() as patch:
        goes_down(site, how, patch)
        run = site.set_levels(TEN)
    _assert_not_acknowledged(run, 5)
    assert (run.letters, site.applied) == ([], [])
    assert (run.report["written"], run.report["unknown"]) == (0, 0)
    # What has left us may have been applied, or still be, for all we know.
    kept = "intended" if how == "no connection" else "sent"
    assert site.journal.statuses == {kept: 10}
    site.server.clear()
    given, wanted = NEXT_INPUTS[following]
    again = site.set_levels(given)
    assert (again.code, again.out) == (0, passed_on()), again.error
    assert any("10 unfinished writes of an earlier run" in text for text in again.log)
    _assert_each_applied_once(site, wanted)
    assert not site.journal.unfinished


def test_w05_no_connection_is_waited_for_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It means that nothing was sent: that is certain."""
    with monkeypatch.context() as patch:
        _refuse_connections(patch)
        assert site.set_levels(TEN).code == 5
    assert 100 < sum(site.clock.sleeps) < 140


def test_w05_what_was_written_before_is_not_written_again(site: Site) -> None:
    site.grow()
    wanted = {key: 1000 + n for n, key in enumerate(site.keys(250))}
    site.inject("status", status=503, times=None, skip=1)
    run = site.set_levels(wanted)
    _assert_not_acknowledged(run, 5)
    assert run.report["written"] == 100
    assert site.journal.statuses == {"done": 100, "sent": 100, "intended": 50}
    site.server.clear()
    assert site.set_levels(wanted).code == 0
    _assert_each_applied_once(site, wanted)


def test_w05_it_may_stay_away_for_several_runs(site: Site) -> None:
    site.inject("status", status=503, times=None)
    for _ in range(3):
        _assert_not_acknowledged(site.set_levels(TEN), 5)
        assert site.journal.unfinished == list(ALL_TEN)
    site.server.clear()
    assert site.run().code == 0
    _assert_each_applied_once(site, ALL_TEN)


def test_w05_an_item_that_has_moved_meanwhile_is_not_set_to_what_was_wanted_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        goes_down(site, "no connection", patch)
        site.set_levels(TEN)
    moved = site.sell(3)
    run = site.run(state())
    assert (run.code, run.out) == (7, passed_on())
    assert run.rejected == [{"dn_sku_id": singer.key(3), "inv_lvl": 503}]
    assert "has moved since" in run.reasons[0]
    assert (site.level(3), site.level(4)) == (moved, 504)
    # The letter asks for the same again, for a person who decides that it is right.
    assert site.feed_back(site.dead_letters).code == 0
    assert site.level(3) == 503


def test_w05_an_item_that_may_have_been_written_and_has_moved_is_unknown(site: Site) -> None:
    _fail_reads_after_update(site, "status", status=503)
    site.room.turn("update_lost_answer", 1)
    _assert_not_acknowledged(site.set_levels(TEN), 8)
    site.server.clear()
    moved = site.sell(3)
    run = site.run(state())
    _assert_not_acknowledged(run, 8)
    assert (run.report["settled"], run.report["unknown"]) == (9, 1)
    assert site.level(3) == moved
    # It is told once; whoever has looked at it goes on with the next input.
    assert site.set_levels([(3, 600)]).code == 0
    assert site.level(3) == 600


def test_w05_newer_records_decide_about_an_item_that_has_moved(site: Site) -> None:
    _fail_reads_after_update(site, "status", status=503)
    site.room.turn("update_lost_answer", 1)
    _assert_not_acknowledged(site.set_levels(TEN), 8)
    site.server.clear()
    site.sell(3)
    run = site.set_levels([(3, 600)])
    assert (run.code, run.out, site.level(3)) == (0, passed_on(), 600)
    assert run.report["settled"] == 9


def test_w05_what_is_left_passes_the_guards_of_the_next_run(site: Site) -> None:
    site.inject("status", status=503, times=None)
    site.set_levels(TEN)
    site.server.clear()
    run = site.run(state(), guards={"max_changes": 9})
    _assert_not_acknowledged(run, 6)
    assert not run.updates
    assert site.journal.unfinished == list(ALL_TEN), "it is forgotten"
    assert site.run(state()).code == 0
    _assert_each_applied_once(site, ALL_TEN)


def test_w05_what_is_left_is_settled_only_when_the_provider_can_be_asked(site: Site) -> None:
    site.inject("status", status=503, times=None, method=None, skip=1)
    _assert_not_acknowledged(site.set_levels(TEN), 5)
    run = site.run(state())
    _assert_not_acknowledged(run, 5)
    assert site.journal.unfinished == list(ALL_TEN)
    assert not run.updates


@pytest.mark.parametrize("status", [429, 408])
def test_a_busy_provider_did_not_take_it_so_it_is_sent_again(site: Site, status: int) -> None:
    site.inject("status", status=status, headers={"Retry-After": "20"}, times=2)
    run = site.set_levels(TEN)
    assert (run.code, run.out) == (0, passed_on())
    assert sum(site.clock.sleeps) >= 40
    _assert_each_applied_once(site, ALL_TEN)


# ---- refusals (W06) ------------------------------------------------------------------------------


def _vanish_before_the_write(site: Site, number: int) -> None:
    """The item is there when the plan is made, and gone when it is written."""

    def after(request: Any, _reply: Any) -> None:
        if request.method == "GET":
            site.room.after_answer = None
            shelf = site.room._shelf  # type: ignore[attr-defined]
            shelf.remove(shelf.by_key[singer.key(number),][0])

    site.room.after_answer = after


def _show_a_ghost(site: Site, number: int) -> None:
    """A search shows an item that an update does not know."""
    real, ghost = f'"{singer.key(number)}"'.encode(), f'"{singer.PRODUCT}_9999"'.encode()
    site.inject("edit", method="GET", times=None, edit=lambda body: body.replace(real, ghost))


@pytest.mark.parametrize("code", ["40004", "50005"])
@pytest.mark.parametrize(("partly", "place"), [(0, 0), (0, 9), (1, 4), (3, 4), (9, 9)])
def test_w06_one_of_ten_is_refused_and_nine_are_written(
    site: Site, code: str, partly: int, place: int
) -> None:
    site.room.turn("unknown_sku_code", code)
    site.room.turn("partial_apply", partly)
    _vanish_before_the_write(site, place)
    run = site.set_levels(TEN)
    assert (run.code, run.out) == (7, passed_on())
    wanted = {key: value for key, value in ALL_TEN.items() if key != singer.key(place)}
    _assert_each_applied_once(site, wanted)
    assert [letter["dn_sku_id"] for letter in run.rejected] == [singer.key(place)]
    assert code in run.reasons[0]
    assert (run.report["written"], run.report["rejected"]) == (9, 1)
    assert len(run.updates) <= 9, "it was not found by halving"
    # The next run is not blocked by it.
    again = site.set_levels([*TEN, (10, 70)])
    assert (again.code, again.out, site.level(10)) == (7, passed_on(), 70)


@pytest.mark.parametrize("code", ["40004", "50005"])
def test_w06_an_item_that_only_the_search_knows(site: Site, code: str) -> None:
    site.room.turn("unknown_sku_code", code)
    _show_a_ghost(site, 4)
    ten = {key: value for key, value in ALL_TEN.items() if key != singer.key(4)}
    run = site.set_levels(ten | {f"{singer.PRODUCT}_9999": 77})
    assert (run.code, run.out) == (7, passed_on())
    assert [letter["dn_sku_id"] for letter in run.rejected] == [f"{singer.PRODUCT}_9999"]
    _assert_each_applied_once(site, ten)


def test_an_item_that_nobody_knows_is_not_even_sent(site: Site) -> None:
    run = site.set_levels([*TEN[:9], (99, 1)])
    assert (run.code, run.out) == (7, passed_on())
    assert singer.key(99).encode() not in run.updates[0].body
    assert "dn_sku_id" in run.reasons[0]
    assert site.set_levels([(1, 1)]).code == 0


def test_a_provider_that_takes_fewer_at_once_gets_fewer(site: Site) -> None:
    site.grow()
    site.room.turn("max_batch", 7)
    wanted = {key: 1000 + n for n, key in enumerate(site.keys(100))}
    run = site.set_levels(wanted)
    assert (run.code, run.out) == (0, passed_on())
    _assert_each_applied_once(site, wanted)


def test_a_refusal_of_what_was_applied_all_the_same_counts_as_written(site: Site) -> None:
    answer = b'{"response_status":{"code":40004,"severity":"WARNING","description":"x"}}'
    site.inject("body", body=answer, apply=True, times=None)
    run = site.set_levels(TEN)
    assert (run.code, run.out, len(run.updates)) == (0, passed_on(), 1)
    assert (run.report["written"], run.report["rejected"]) == (10, 0)
    assert site.journal.statuses == {"done": 10}


def test_a_success_of_what_was_not_applied_is_found_out(site: Site) -> None:
    answer = b'{"response_status":{"code":10001,"severity":"SUCCESS","description":"."}}'
    site.inject("body", body=answer, times=None)
    run = site.set_levels(TEN)
    assert (run.code, run.out) == (7, passed_on())
    assert [letter["dn_sku_id"] for letter in run.rejected] == list(ALL_TEN)
    assert run.letters[0]["rejected"]["live"]["inv_lvl"] == site.level(0)
    assert (run.report["written"], run.report["verified"], run.report["rejected"]) == (0, 0, 10)
    assert site.journal.statuses == {"refused": 10}


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"{}", b'{"response_status":null}', b'{"response_status":{"code":"ok"}}'],
)
@pytest.mark.parametrize("applied", [True, False])
def test_an_answer_that_is_not_as_documented_says_nothing_about_the_write(
    site: Site, body: bytes, applied: bool
) -> None:
    site.inject("body", body=body, apply=applied, times=1)
    run = site.set_levels(TEN)
    assert run.code in {0, Malformed.exit_code}
    assert (run.out == passed_on()) == (run.code == 0)
    assert site.set_levels(TEN).code == 0
    _assert_each_applied_once(site, ALL_TEN)


# ---- sign-in (W18) -------------------------------------------------------------------------------


def _wrong_password(site: Site) -> None:
    site.provider = site.provider | {"password": "not-the-pass/word&1"}
    site._canaries.secrets += ("not-the-pass/word&1",)


def test_w18_a_wrong_password_costs_one_request(site: Site) -> None:
    _wrong_password(site)
    lines = [singer.record(dn_sku_id=f"{n}_1", inv_lvl=n) for n in range(10_000)]
    lines[5] = singer.raw_level(0, "-1.5")
    run = site.run(schema(), *lines, state())
    _assert_not_acknowledged(run, 3)
    assert len(run.requests) == 1
    assert not run.letters
    for name in ("deconetwork.username", "deconetwork.password"):
        assert name in str(run.error)


@pytest.mark.parametrize("code", ["30001", "31000"])
def test_w18_a_sign_in_that_is_refused_at_the_first_write(site: Site, code: str) -> None:
    site.grow()
    site.inject(
        "body",
        body=json.dumps({"response_status": {"code": int(code), "severity": "ERROR"}}).encode(),
        times=None,
    )
    run = site.set_levels(dict.fromkeys(site.keys(250), 5000))
    _assert_not_acknowledged(run, 3)
    assert len(run.updates) == 1
    assert not run.letters
    # Somebody has to do something first: nothing of it is to be sent behind anybody's back.
    assert site.journal.statuses == {"withdrawn": 250}
    assert all(write.sent_at is None for write in site.journal.writes[100:])
    site.server.clear()
    assert site.run(state()).updates == []
    assert site.set_levels(dict.fromkeys(site.keys(250), 5000)).code == 0


@pytest.mark.parametrize("status", [401, 403])
def test_w18_a_sign_in_that_is_refused_by_status(site: Site, status: int) -> None:
    site.grow()
    site.inject("status", status=status, times=None)
    run = site.set_levels(dict.fromkeys(site.keys(250), 5000))
    _assert_not_acknowledged(run, 3)
    assert len(run.updates) == 1


def test_a_redirect_carries_no_credentials_away(site: Site) -> None:
    site.inject("redirect", status=307, location="https://elsewhere.example/update", times=None)
    run = site.set_levels(TEN)
    _assert_not_acknowledged(run, 4)
    assert len(run.updates) == 1
    assert site.journal.statuses == {"withdrawn": 10}


# ---- what the provider says of itself ------------------------------------------------------------


def test_an_answer_that_repeats_the_request_leaks_nothing(site: Site) -> None:
    """The fences scan everything that the run gave out, the dead letters included."""
    password = site.provider["password"]
    echo = {"code": 50005, "severity": "ERROR", "description": f"bad: password={password}"}
    site.inject("body", body=json.dumps({"response_status": echo}).encode(), times=None)
    run = site.set_levels(TEN)
    assert (run.code, len(run.letters)) == (7, 10)
    assert "50005" in run.reasons[0]


@pytest.mark.parametrize("as_text", [True, False])
def test_codes_may_be_text(site: Site, as_text: bool) -> None:
    site.room.turn("code_as_text", as_text)
    assert site.set_levels(TEN).code == 0


def test_a_change_by_others_between_plan_and_write_is_overwritten_once(site: Site) -> None:
    """There is no condition in the provider's update: the last one to write wins."""

    def after(request: Any, _reply: Any) -> None:
        if request.method == "GET":
            site.room.after_answer = None
            site.room.touch(singer.STREAM, keys=[(singer.key(0),)])

    site.room.after_answer = after
    run = site.run(schema(), level(0, 500), state())
    assert (run.code, site.level(), len(run.updates)) == (0, 500, 1)
