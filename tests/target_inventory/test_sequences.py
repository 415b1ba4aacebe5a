"""Promise: in whatever order things go wrong, nothing happens twice and nothing goes untold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers.sandbox.server import Fault
from tests.target_inventory import singer
from tests.target_inventory.singer import level, line, passed_on, record, schema, state
from tests.target_inventory.test_faults import goes_down

if TYPE_CHECKING:
    from pathlib import Path

    from tests.target_inventory.conftest import Run, Site

AMAZON = "amazon_fba"
US, CA = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"
SUMMARIES = "amazon_fba_inventory_summaries"
HOUR, DAY = 3600, 86_400
CREATED, ADDED, GONE = "create_inventory_item", "add_inventory", "delete_inventory_item"
BROKEN = "what comes before it for this item was refused"
NOT_KNOWN = "whether this addition was made is not known"


def _message(kind: str, sku: str, market: str = US, **values: Any) -> bytes:
    stream = f"amazon_fba_{kind}"
    columns = {"marketplace_id": {"type": "string"}, "seller_sku": {"type": "string"}}
    head = schema(stream, ("marketplace_id", "seller_sku"), **columns)
    return head + record(stream, marketplace_id=market, seller_sku=sku, **values)


def _create(sku: str) -> bytes:
    return _message(CREATED, sku, product_name="Thing")


def _add(sku: str, quantity: int, event: str, market: str = US) -> bytes:
    return _message(ADDED, sku, market, quantity=quantity, idempotency_key=event)


def _delete(sku: str) -> bytes:
    return _message(GONE, sku)


def _rows(site: Site, market: str = US) -> dict[str, dict[str, Any]]:
    found = site.server.room(AMAZON).rows(SUMMARIES).items()
    return {sku: row for (place, sku), row in found if place == market}


def _units(site: Site, sku: str, market: str = US) -> int | None:
    row = _rows(site, market).get(sku)
    return None if row is None else row["inventoryDetails"]["fulfillableQuantity"]


def _stocked(site: Site, market: str = US) -> str:
    """An item of which the provider says how much can be sold."""
    rows = _rows(site, market)
    return next(sku for sku in rows if _units(site, sku, market) is not None)


def _breaks(site: Site, kind: str, **details: Any) -> None:
    """Arm a fault at Amazon, for additions."""
    site.server.inject(AMAZON, Fault(kind, **{"path": "/items/inventory"} | details))


def _refuses(site: Site, **details: Any) -> None:
    """It does not take what it is sent, and says so as documented."""
    problem = {"code": "InvalidInput", "message": "no", "details": ""}
    body = json.dumps({"errors": [problem]}).encode()
    _breaks(site, "status", **{"status": 400, "times": None, "body": body} | details)


def _forbids(site: Site, **details: Any) -> None:
    """It says that the marketplace is none of the account's."""
    problem = {"code": "Unauthorized", "message": "Access is denied.", "details": ""}
    body = json.dumps({"errors": [problem]}).encode()
    _breaks(site, "status", status=403, times=None, body=body, **details)


def _hides(site: Site, names: tuple[str, ...] = ("inventoryDetails",)) -> None:
    """It does not send these from now on."""

    def edit(body: bytes) -> bytes:
        document = json.loads(body)
        for row in document["payload"]["inventorySummaries"]:
            for name in names:
                row.pop(name, None)
        return json.dumps(document).encode()

    _breaks(site, "edit", times=None, method="GET", path="summaries", edit=edit)


def _waits(site: Site, seconds: float) -> None:
    site.clock.sleep(seconds)


def _statuses(site: Site) -> list[str]:
    return [write.status for write in site.journal.writes]


def _kinds(run: Run) -> list[str]:
    """What the letters are about."""
    return [letter["stream"].removeprefix("amazon_fba_") for letter in run.letters]


def _events(run: Run) -> list[str]:
    return [rejected["idempotency_key"] for rejected in run.rejected]


def _assert_stopped(run: Run, code: int) -> None:
    assert (run.code, run.out) == (code, b""), run.error


def _assert_passed(run: Run, code: int = 0) -> None:
    assert (run.code, run.out) == (code, passed_on()), run.error


def _mend(path: Path, before: str, after: str) -> None:
    """Somebody mends one value in the dead letter file."""
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


# ---- an addition is made once --------------------------------------------------------------------


def test_an_addition_whose_repetition_is_refused_stays_in_doubt_and_is_never_made_twice(
    two: Site,
) -> None:
    """Neither the settings nor the provider remember it for ever; what stands there tells."""
    two.server.room(AMAZON).turn("idempotency", DAY)
    two.run(_create("A"))
    _breaks(two, "reset_before_headers", apply=True)
    _forbids(two, skip=1)
    _assert_stopped(two.run(_add("A", 5, "e1"), state()), 3)
    assert _statuses(two) == ["done", "sent"]
    two.server.clear()
    _waits(two, 3 * DAY)
    run = two.run(_add("A", 5, "e1"), state())
    _assert_passed(run)
    assert (_units(two, "A"), run.report["settled"], run.report["unchanged"]) == (5, 1, 1)
    assert _statuses(two) == ["done", "done"]


def test_tries_do_not_keep_an_addition_young(two: Site) -> None:
    """What the provider forgets after a day counts from the first sending."""
    two.server.room(AMAZON).turn("idempotency", DAY)
    two.run(_create("A"))
    _breaks(two, "status", status=503, times=None, apply=True)
    _assert_stopped(two.run(_add("A", 5, "e1"), state()), 5)
    first = two.journal.writes[-1].sent_at
    two.server.clear()
    _breaks(two, "status", status=503, times=None)
    _waits(two, 20 * HOUR)
    _assert_stopped(two.run(_add("A", 5, "e1"), state()), 5)
    assert (two.journal.writes[-1].sent_at, two.journal.writes[-1].status) == (first, "sent")
    two.server.clear()
    _waits(two, 20 * HOUR)
    _assert_passed(two.run(_add("A", 5, "e1"), state()))
    assert _units(two, "A") == 5


# ---- what comes after a refusal ------------------------------------------------------------------


@pytest.fixture
def eager(two: Site) -> Site:
    """An addition to what is not there creates it, with whatever name."""
    two.server.room(AMAZON).turn("add_unknown", "create")
    return two


def test_what_follows_a_refused_creation_is_a_letter(eager: Site) -> None:
    _refuses(eager, path="productName")
    run = eager.run(_create("A"), _add("A", 50, "e1"), _create("B"), state())
    _assert_passed(run, 7)
    assert (_kinds(run), _rows(eager).keys() & {"A", "B"}) == ([CREATED, CREATED, ADDED], set())
    assert BROKEN in run.reasons[-1]
    assert _statuses(eager) == ["refused"] * 3


def test_what_follows_a_refused_deletion_is_a_letter(two: Site) -> None:
    sku = _stocked(two)
    units = _units(two, sku)
    _refuses(two, method="DELETE", path=None)
    run = two.run(_delete(sku), _create(sku), _add(sku, 5, "e1"), _create("B"), state())
    _assert_passed(run, 7)
    assert sorted(_kinds(run)) == sorted([GONE, CREATED, ADDED])
    assert sum(BROKEN in reason for reason in run.reasons) == 2
    assert (_units(two, sku), _units(two, "B")) == (units, 0)


def test_what_follows_a_refused_creation_of_an_earlier_run_is_a_letter(eager: Site) -> None:
    _breaks(eager, "status", status=503, times=None, path="/v1/items")
    _assert_stopped(eager.run(_create("A"), _add("A", 50, "e1"), state()), 5)
    assert _statuses(eager)[-1] == "intended"
    eager.server.clear()
    _refuses(eager, path="productName")
    run = eager.run(state())
    _assert_passed(run, 7)
    assert (sorted(_kinds(run)), "A" in _rows(eager)) == (sorted([CREATED, ADDED]), False)


def test_what_follows_a_refused_deletion_of_an_earlier_run_is_a_letter(two: Site) -> None:
    sku = _stocked(two)
    units = _units(two, sku)
    _breaks(two, "status", status=503, times=None, method="DELETE", path=None)
    _assert_stopped(two.run(_delete(sku), _create(sku), _add(sku, 5, "e1"), state()), 5)
    two.server.clear()
    _refuses(two, method="DELETE", path=None)
    run = two.run(state())
    _assert_passed(run, 7)
    assert sorted(_kinds(run)) == sorted([GONE, CREATED, ADDED])
    assert sum(BROKEN in reason for reason in run.reasons) == 2
    assert _units(two, sku) == units


def test_an_addition_comes_again_after_the_item_was_created_in_the_same_input(two: Site) -> None:
    run = two.run(_add("A", 5, "k1"), _create("A"), _add("A", 5, "k1"), state())
    _assert_passed(run, 7)
    assert (_units(two, "A"), _events(run), run.report["written"]) == (5, ["k1"], 2)
    assert "no such item" in run.reasons[0]


# ---- an item of which nobody can tell how much there is ------------------------------------------


def test_a_refused_addition_to_an_item_of_unknown_quantity_is_a_letter(two: Site) -> None:
    sku = _stocked(two)
    _hides(two)
    _refuses(two)
    run = two.run(_add(sku, 50, "e1"), state())
    _assert_passed(run, 7)
    assert (_events(run), run.report["written"], _statuses(two)) == (["e1"], 0, ["refused"])


# What the provider may leave out, one by one; the last leaves nothing to tell an addition by.
HIDDEN = {
    "the details": ("inventoryDetails",),
    "all that tells": ("inventoryDetails", "totalQuantity", "lastUpdatedTime"),
}


def _old_addition(site: Site, names: tuple[str, ...], *, applied: bool) -> str:
    """Sent two days ago, and by now the provider has forgotten the token; whose it was."""
    sku = _stocked(site)
    site.server.room(AMAZON).turn("idempotency", DAY)
    _hides(site, names)
    _breaks(site, "status", status=503, times=None, apply=applied)
    _assert_stopped(site.run(_add(sku, 50, "e1"), state()), 5)
    site.server.clear()
    _hides(site, names)
    _waits(site, 2 * DAY)
    return sku


@pytest.mark.parametrize("names", HIDDEN.values(), ids=HIDDEN)
def test_an_old_addition_to_an_item_of_unknown_quantity_is_not_found_done(
    two: Site, names: tuple[str, ...]
) -> None:
    """It is carried out now, or nobody knows."""
    sku = _old_addition(two, names, applied=False)
    units = _units(two, sku)
    assert units is not None
    run = two.run(state())
    ends = {(0, units + 50, "done"), (8, units, "unknown")}
    assert (run.code, _units(two, sku), _statuses(two)[-1]) in ends


@pytest.mark.parametrize("names", HIDDEN.values(), ids=HIDDEN)
def test_an_old_addition_to_an_item_of_unknown_quantity_is_never_made_twice(
    two: Site, names: tuple[str, ...]
) -> None:
    sku = _old_addition(two, names, applied=True)
    units = _units(two, sku)
    run = two.run(state())
    assert _units(two, sku) == units
    _assert_stopped(run, 8)
    assert _statuses(two) == ["unknown"]


# ---- what cannot be settled does not stop every run for ever -------------------------------------


def _assert_told_once(site: Site, sku: str, market: str = US) -> None:
    """This run ends with 8; the later ones do not, and a letter is all that repeating brings."""
    told = site.run(schema(), level(0, 99), state())
    _assert_stopped(told, 8)
    assert (told.report["unknown"], site.level()) == (1, 99)
    _assert_passed(site.run(schema(), level(0, 98), state()))
    again = site.run(schema(), level(0, 97), _add(sku, 7, "e1", market), state())
    _assert_passed(again, 7)
    assert (site.level(), _events(again)) == (97, ["e1"])
    assert NOT_KNOWN in again.reasons[0]


def test_an_addition_that_is_always_answered_413_is_told_once_and_lets_others_pass(
    two: Site,
) -> None:
    sku = _stocked(two)
    _breaks(two, "status", status=413, times=None)
    _assert_stopped(two.run(_add(sku, 7, "e1"), state()), 4)
    assert _statuses(two) == ["sent"]
    _assert_told_once(two, sku)


def test_an_addition_whose_marketplace_is_refused_by_now_is_told_once_and_lets_others_pass(
    two: Site,
) -> None:
    sku = _stocked(two, CA)
    _breaks(two, "status", status=503, times=None)
    _assert_stopped(two.run(_add(sku, 7, "e1", CA), state()), 5)
    two.server.clear()
    _forbids(two)
    _assert_told_once(two, sku, CA)


def test_what_is_left_of_a_marketplace_that_is_no_longer_configured_is_left_alone(
    two: Site,
) -> None:
    sku = _stocked(two, CA)
    units = _units(two, sku, CA)
    _breaks(two, "status", status=503, times=None)
    _assert_stopped(two.run(_add(sku, 7, "e1", CA), state()), 5)
    two.server.clear()
    fewer = {**two.others[AMAZON], "marketplace_ids": [US]}
    run = two.run(schema(), level(0, 99), state(), amazon_fba=fewer)
    _assert_passed(run)
    assert (two.level(), _units(two, sku, CA), _statuses(two)[0]) == (99, units, "sent")
    assert any("left alone" in text and sku in text for text in run.log)
    # Once it is back, so is the addition.
    _assert_passed(two.run(state()))
    assert _units(two, sku, CA) == (units or 0) + 7


def _is_gone(site: Site, *, applied: bool, more: bytes = b"") -> str:
    """A deletion of a run that the provider kept from an end; whose item it was."""
    sku = _stocked(site)
    fault = {"method": "DELETE", "path": None, "apply": applied}
    _breaks(site, "status", status=503, times=None, **fault)
    _assert_stopped(site.run(more.replace(b"SKU", sku.encode()), _delete(sku), state()), 5)
    assert _statuses(site)[-1] == "sent"
    site.server.clear()
    return sku


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("more", [b"", _add("SKU", 5, "e1")], ids=["alone", "after an addition"])
def test_a_deletion_in_doubt_is_repeated_without_waiting(
    two: Site, more: bytes, applied: bool
) -> None:
    sku = _is_gone(two, applied=applied, more=more)
    slept = len(two.clock.sleeps)
    run = two.run(state())
    _assert_passed(run)
    assert (sku in _rows(two), run.report["settled"]) == (False, 1)
    assert sum(two.clock.sleeps[slept:]) < 2
    assert set(_statuses(two)) == {"done"}


# ---- the provider is down, and it comes again ----------------------------------------------------


def _left(site: Site, how: str, patch: pytest.MonkeyPatch) -> None:
    """The level is 3; a run that was to set it to 24 found the provider down."""
    site.put_level(3)
    with patch.context() as broken:
        goes_down(site, how, broken)
        _assert_stopped(site.set_levels([(0, 24)]), 5)
    site.server.clear()


@pytest.mark.parametrize("how", ["no connection", "503 on writes"])
def test_the_same_records_with_what_they_expect_are_carried_out_when_the_provider_is_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.put_level(3)
    given = [schema(), level(0, 24, expected_inv_lvl=3), state()]
    with monkeypatch.context() as patch:
        goes_down(site, how, patch)
        _assert_stopped(site.run(*given), 5)
    site.server.clear()
    run = site.run(*given)
    _assert_passed(run)
    assert (run.letters, site.level(), len(site.applied)) == ([], 24, 1)


@pytest.mark.parametrize("how", ["no connection", "503 on writes"])
def test_the_same_approved_plan_is_carried_out_when_the_provider_is_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    site.put_level(3)
    path = site.folder / "plan.jsonl"
    site.set_levels([(0, 24)], mode="plan", plan_path=str(path))
    with monkeypatch.context() as patch:
        goes_down(site, how, patch)
        assert site.feed_back(path).code == 5
    site.server.clear()
    run = site.feed_back(path)
    assert (run.code, run.letters, site.level(), len(site.applied)) == (0, [], 24, 1)


@pytest.mark.parametrize("how", ["no connection", "503 on writes"])
def test_a_newer_record_expects_what_stands_there_and_not_what_was_left(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    _left(site, how, monkeypatch)
    run = site.run(schema(), level(0, 10, expected_inv_lvl=3), state())
    _assert_passed(run)
    assert (run.letters, site.level(), len(site.applied)) == ([], 10, 1)


# What a new record says that does not decide the level, and whether it is a letter itself.
BESIDE: dict[str, tuple[dict[str, Any], bool]] = {
    "of another field": ({"inv_warn": 1}, False),
    "impossible": ({"inv_lvl": -5}, True),
    "expecting another level": ({"inv_lvl": 9, "expected_inv_lvl": 1000}, True),
    "going too far": ({"inv_lvl": 900}, True),
}


@pytest.mark.parametrize("how", ["no connection", "503 on writes"])
@pytest.mark.parametrize(("said", "rejected"), BESIDE.values(), ids=BESIDE)
def test_what_was_left_of_an_item_that_has_moved_is_told_unless_a_newer_record_decides_it(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], rejected: bool, how: str
) -> None:
    _left(site, how, monkeypatch)
    site.put_level(2)
    newer = record(dn_sku_id=singer.key(), **said)
    run = site.run(schema(), newer, state(), guards={"max_delta": 500})
    levels = [each["inv_lvl"] for each in run.rejected]
    if how == "no connection":
        _assert_passed(run, 7)
        assert sorted(levels) == sorted([24, said["inv_lvl"]] if rejected else [24])
    else:
        _assert_stopped(run, 8)
        assert (run.report["unknown"], len(levels)) == (1, int(rejected))
    assert site.level() == 2
    # It is told once.
    assert site.run(state()).code == 0


def test_a_refusal_that_could_not_be_told_is_told_though_the_item_is_spoken_of_again(
    two: Site,
) -> None:
    two.run(_create("A"))
    _refuses(two, path='"quantity":7')
    _breaks(two, "status", status=429, times=None, path='"quantity":8')
    stopped = two.run(_add("A", 7, "e1"), _add("A", 8, "e2"), state())
    _assert_stopped(stopped, 5)
    assert (stopped.letters, _statuses(two)[1]) == ([], "refused")
    two.server.clear()
    run = two.run(_add("A", 1, "e3"), state())
    _assert_passed(run, 7)
    assert (_events(run), _units(two, "A")) == (["e1"], 9)
    assert two.run(state()).code == 0


# ---- letters -------------------------------------------------------------------------------------

MAPPED: dict[str, Any] = {"stream_maps": {singer.STREAM: {"operator_login": "'till'"}}}


@pytest.mark.parametrize("settings", [{}, MAPPED], ids=["plain", "mapped"])
def test_a_letter_that_is_rejected_again_keeps_what_has_overtaken_it(
    site: Site, settings: dict[str, Any]
) -> None:
    wrong = site.run(schema(), level(0, "5"), level(1, "9"), state(), **settings)
    _assert_passed(wrong, 7)
    _assert_passed(site.set_levels([(0, 7)], **settings))
    _mend(site.dead_letters, '"9"', "9")
    _waits(site, 5)
    again = site.feed_back(site.dead_letters, **settings)
    assert (again.code, len(again.letters), site.level(1)) == (7, 1, 9)
    _mend(site.dead_letters, '"5"', "5")
    _waits(site, 5)
    run = site.feed_back(site.dead_letters, **settings)
    assert (run.code, run.report["superseded"], site.level(0)) == (0, 1, 7)


def test_a_letter_keeps_its_name_through_stream_maps(site: Site) -> None:
    _assert_passed(site.run(schema(), level(0, "5"), state(), **MAPPED), 7)
    _assert_passed(site.set_levels([(0, 7)], **MAPPED))
    _mend(site.dead_letters, '"5"', "5")
    run = site.feed_back(site.dead_letters, **MAPPED)
    assert (run.code, run.report["superseded"], site.level(0)) == (0, 1, 7)


def test_a_letter_that_a_stream_map_cannot_take_keeps_what_has_overtaken_it(site: Site) -> None:
    counted: dict[str, Any] = {"stream_maps": {singer.STREAM: {"inv_lvl": "int(inv_lvl)"}}}
    assert site.run(schema(), level(0, "five"), **counted).code == 7
    assert site.set_levels([(0, 7)]).code == 0
    _waits(site, 5)
    assert site.feed_back(site.dead_letters, **counted).code == 7
    _mend(site.dead_letters, '"five"', '"5"')
    _waits(site, 5)
    run = site.feed_back(site.dead_letters, **counted)
    assert (run.code, run.report["superseded"], site.level(0)) == (0, 1, 7)


@pytest.mark.parametrize("at", ["\ud800", "2026-01-02T03:04:05Ü", "", 5, None], ids=ascii)
def test_a_record_with_an_odd_mark_of_a_letter_is_a_record(site: Site, at: Any) -> None:
    message = {"type": "RECORD", "stream": singer.STREAM, "rejected": {"at": at, "place": 1}}
    values = {"dn_sku_id": singer.key(0), "inv_lvl": 24}
    run = site.run(schema(), line({**message, "record": values}), level(1, 25), state())
    _assert_passed(run)
    assert (site.level(0), site.level(1)) == (24, 25)


def test_what_is_left_at_two_providers_is_told_of_each_and_once(two: Site) -> None:
    two.run(_create("A"))
    two.inject("status", status=429, times=None)
    _breaks(two, "status", status=503, times=None)
    left = [level(0, 24), level(1, 25), _add("A", 5, "e1")]
    _assert_stopped(two.run(schema(), *left, state()), 5)
    two.server.clear()
    two.sell(0)
    two.sell(1)
    _refuses(two)
    run = two.run(schema(), level(0, 9, expected_inv_lvl=1000), state())
    _assert_passed(run, 7)
    assert sorted(each.get("inv_lvl", 0) for each in run.rejected) == [0, 9, 24, 25]
    assert len({letter["rejected"]["place"] for letter in run.letters}) == 4
    assert (run.report["rejected"], two.journal.unfinished) == (4, [])
    assert two.run(state()).code == 0


# ---- an approved plan ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ADDED, GONE])
@pytest.mark.parametrize("moved", [True, False])
def test_an_approved_addition_or_deletion_is_carried_out_only_on_what_was_seen(
    two: Site, kind: str, moved: bool
) -> None:
    two.run(_create("A"), _add("A", 3, "first"))
    path = two.folder / "plan.jsonl"
    wanted = _add("A", 5, "e1") if kind == ADDED else _delete("A")
    two.run(wanted, mode="plan", plan_path=str(path))
    if moved:
        two.run(_add("A", 500, "in between"))
    run = two.feed_back(path)
    if moved:
        assert (run.code, _kinds(run), _units(two, "A")) == (7, [kind], 503)
        assert "expected fulfillable_quantity 3, but it is 503" in run.reasons[0]
    else:
        assert (run.code, _units(two, "A")) == (0, 8 if kind == ADDED else None)


# ---- guards, read-back, how it ends --------------------------------------------------------------


def test_changes_of_no_units_do_not_hide_levels_that_go_to_zero(site: Site) -> None:
    stock = [key for key, row in site.rows().items() if row["inv_lvl"] > 0][:12]
    others = [key for key in site.rows() if key not in stock][:13]
    assert (len(stock), len(others)) == (12, 13)
    lines = [record(dn_sku_id=key, inv_lvl=0) for key in stock]
    lines += [record(dn_sku_id=key, inv_warn=77) for key in others]
    run = site.run(schema(), *lines, state())
    _assert_stopped(run, 6)
    assert (run.updates, run.report["planned"]) == ([], 25)
    assert "12 of 12" in str(run.error)


def test_an_addition_that_is_accepted_and_ignored_is_found_out_after_a_creation(two: Site) -> None:
    _breaks(two, "body", body=b"{}", times=None)
    run = two.run(_create("A"), _add("A", 50, "e1"), state())
    _assert_passed(run, 7)
    assert (_kinds(run), _units(two, "A")) == ([ADDED], 0)
    assert (run.report["written"], run.report["verified"]) == (1, 0)
    assert _statuses(two) == ["done", "unknown"]


def _falls_silent(site: Site) -> None:
    site.inject("hang", apply=True)
    site.inject("status", status=503, times=None, method="GET", skip=1)


@pytest.mark.parametrize("doubtful", ["deconetwork", AMAZON])
def test_a_doubt_at_one_provider_outweighs_that_another_is_down(two: Site, doubtful: str) -> None:
    if doubtful == AMAZON:
        two.inject("status", status=503, times=None)
        _breaks(two, "reset_before_headers", times=None, apply=True)
    else:
        _falls_silent(two)
        _breaks(two, "status", status=503, times=None)
    run = two.run(schema(), level(0, 24), _add(_stocked(two), 5, "e1"), state())
    _assert_stopped(run, 8)
    assert str(run.error).startswith(doubtful)
    other = AMAZON if doubtful == "deconetwork" else "deconetwork"
    assert any(text.startswith(other) for text in run.log)
