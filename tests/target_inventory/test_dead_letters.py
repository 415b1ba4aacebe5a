"""Promise: a rejected record is kept as it came, safely, and can be fed back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.jsonio import loads_leniently
from target_inventory import dead_letters
from target_inventory.dead_letters import Letter
from tests.target_inventory import singer
from tests.target_inventory.singer import STREAM, level, passed_on, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.target_inventory.conftest import Site

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _letter(number: int = 0, stream: str = STREAM) -> Letter:
    return Letter(stream, {"dn_sku_id": singer.key(number), "inv_lvl": "x"}, "because")


def _messages(path: Path) -> list[dict[str, Any]]:
    return [loads_leniently(line) for line in path.read_bytes().splitlines()]


# ---- the file ------------------------------------------------------------------------------------


def test_a_letter_is_the_record_the_reason_and_what_stood_there(tmp_path: Path) -> None:
    letter = Letter(STREAM, {"dn_sku_id": "a", "inv_lvl": Decimal("1.50")}, "no", {"inv_lvl": 3})
    dead_letters.write(tmp_path / "f", [letter], NOON)
    head, line = (tmp_path / "f").read_bytes().splitlines()
    assert json.loads(head)["type"] == "SCHEMA"
    assert b'"inv_lvl":1.50' in line
    assert json.loads(line) == {
        "type": "RECORD",
        "stream": STREAM,
        "record": {"dn_sku_id": "a", "inv_lvl": 1.5},
        "rejected": {
            "reason": "no",
            "live": {"inv_lvl": 3},
            "at": "2026-03-01T12:00:00Z",
            "place": 0,
        },
    }


def test_each_stream_has_its_schema_before_its_records(tmp_path: Path) -> None:
    streams = ["b", "a", "b", "c", "a"]
    dead_letters.write(tmp_path / "f", [_letter(stream=name) for name in streams], NOON)
    told = [(message["type"], message["stream"]) for message in _messages(tmp_path / "f")]
    for number, (kind, stream) in enumerate(told):
        assert kind == "SCHEMA" or ("SCHEMA", stream) in told[:number]
    assert sorted(stream for kind, stream in told if kind == "RECORD") == sorted(streams)


def test_letters_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    for number in range(3):
        dead_letters.write(tmp_path / "f", [_letter(number)], NOON)
    keys = [m["record"]["dn_sku_id"] for m in _messages(tmp_path / "f") if m["type"] == "RECORD"]
    assert keys == [singer.key(number) for number in range(3)]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        Decimal("1e400"),
        10**30,
        "\ud83d",
        "\x00\n\u2028",
        {"deep": [{"er": float("nan")}]},
        None,
        [],
    ],
)
def test_any_value_can_be_kept(tmp_path: Path, value: Any) -> None:
    dead_letters.write(tmp_path / "f", [Letter(STREAM, {"a": value}, "no")], NOON)
    kept = _messages(tmp_path / "f")[1]["record"]["a"]
    bare = [str(each).replace("'", "") for each in (kept, value)]
    assert kept == value or bare[0] == bare[1], "only what JSON has no number for becomes text"
    assert b"NaN" not in (tmp_path / "f").read_bytes(), "that is not JSON"


@settings(max_examples=80, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_a_letter_is_always_one_line_that_can_be_read(value: Any) -> None:
    line = Letter(STREAM, {"x": value}, "no").line(NOON)
    assert line.count(b"\n") == 1
    assert loads_leniently(line)["stream"] == STREAM


@pytest.mark.parametrize(
    "message",
    [{"rejected": "2026-03-01T12:00:00Z"}, {"rejected": None}, {"rejected": []}, {}],
)
def test_any_other_message_is_no_letter(message: dict[str, Any]) -> None:
    assert dead_letters.named_in(message) is None


def test_a_letter_tells_which_one_it_is(tmp_path: Path) -> None:
    letters = [replace(_letter(), place=place) for place in (3, 12)]
    dead_letters.write(tmp_path / "f", letters, NOON)
    names = [dead_letters.named_in(message) for message in _messages(tmp_path / "f")[1:]]
    assert names == ["2026-03-01T12:00:00Z 3", "2026-03-01T12:00:00Z 12"]
    assert names == [dead_letters.name_of(NOON, place) for place in (3, 12)]


@pytest.mark.parametrize("rejected", [{"at": 5}, {}, {"at": [], "place": {}}])
def test_a_letter_that_was_mangled_is_overtaken_by_nothing(rejected: dict[str, Any]) -> None:
    assert dead_letters.named_in({"rejected": rejected}) is None


def test_letters_that_are_replaced_are_those_of_now(tmp_path: Path) -> None:
    dead_letters.write(tmp_path / "f", [_letter(0), _letter(1)], NOON)
    dead_letters.write(tmp_path / "f", [_letter(2)], NOON, anew=True)
    keys = [m["record"]["dn_sku_id"] for m in _messages(tmp_path / "f") if m["type"] == "RECORD"]
    assert keys == [singer.key(2)]


# ---- fed back ------------------------------------------------------------------------------------


def _mend(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_mended_letters_are_written(site: Site) -> None:
    run = site.set_levels([(0, -1), (1, 51)])
    assert (run.code, len(run.letters)) == (7, 1)
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    other = site.folder / "others.jsonl"
    again = site.feed_back(site.dead_letters, dead_letter_path=str(other))
    assert (again.code, again.out, site.level(0)) == (0, b"", 50)


def test_the_letters_file_itself_can_be_fed_back_and_keeps_what_is_still_wrong(site: Site) -> None:
    site.run(schema(), level(0, -1), level(99, 1), level(1, "x"), state())
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    run = site.feed_back(site.dead_letters)
    assert (run.code, site.level(0)) == (7, 50)
    assert sorted(letter["dn_sku_id"] for letter in run.rejected) == [singer.key(1), singer.key(99)]
    # And again: they neither multiply nor vanish.
    again = site.feed_back(site.dead_letters)
    assert (again.code, again.rejected) == (7, run.rejected)


def test_letters_that_were_all_written_do_not_stay_to_be_written_again(site: Site) -> None:
    """A level of last week must not come back over this week's sales."""
    site.set_levels([(0, -1)])
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    run = site.feed_back(site.dead_letters)
    assert (run.code, site.level(0), run.rejected) == (0, 50, [])


def test_a_plan_of_the_letters_file_takes_nothing_out_of_it(site: Site) -> None:
    site.run(schema(), level(0, -1), level(99, 1), state())
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    before = site.dead_letters.read_bytes()
    run = site.feed_back(site.dead_letters, mode="plan")
    assert (run.code, run.updates) == (7, [])
    assert site.dead_letters.read_bytes() == before


def test_a_broken_line_in_the_letters_file_costs_none_of_those_behind_it(site: Site) -> None:
    site.run(schema(), level(97, 1), level(98, 2), level(99, 3), state())
    lines = site.dead_letters.read_bytes().splitlines(keepends=True)
    site.dead_letters.write_bytes(b"".join([*lines[:2], b'{"oops\n', *lines[2:]]))
    run = site.run(site.dead_letters.read_bytes(), input_path=str(site.dead_letters))
    assert run.code == 2
    for number in (97, 98, 99):
        assert singer.key(number).encode() in run.letters_file, "a record is lost"


def _lose_the_answer_and_sell(site: Site) -> None:
    site.room.turn("update_lost_answer", 1)
    site.room.turn("sale_in_between", 1)


def _fail_for_ever(site: Site) -> None:
    site.inject("status", status=502, times=None)


@pytest.mark.parametrize(("trouble", "code"), [(_lose_the_answer_and_sell, 8), (_fail_for_ever, 5)])
def test_letters_whose_outcome_is_not_known_stay_in_the_file(
    site: Site, trouble: Callable[[Site], None], code: int
) -> None:
    site.run(schema(), level(0, -1), level(99, 1), state())
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    before = site.dead_letters.read_bytes()
    trouble(site)
    run = site.feed_back(site.dead_letters)
    assert run.code == code
    assert run.letters_file == before, "a record is lost"


@pytest.mark.parametrize("status", [403, 503])
def test_letters_stay_in_the_file_when_nothing_could_be_done(site: Site, status: int) -> None:
    site.run(schema(), level(0, -1), level(99, 1), state())
    before = site.dead_letters.read_bytes()
    site.inject("status", status=status, times=None, method=None)
    run = site.feed_back(site.dead_letters)
    assert run.code in {3, 5}
    assert site.dead_letters.read_bytes() == before


def test_the_letter_of_an_item_spoken_of_twice_has_everything_that_was_wanted(site: Site) -> None:
    """Refused by the provider: the search shows an item that the update does not know."""
    ghost, real = singer.key(9999), singer.key(0)
    site.inject(
        "edit",
        method="GET",
        times=None,
        edit=lambda body: body.replace(f'"{real}"'.encode(), f'"{ghost}"'.encode()),
    )
    lines = [record(dn_sku_id=ghost, inv_warn=44), record(dn_sku_id=ghost, inv_lvl=55)]
    run = site.run(schema(), *lines, state())
    assert run.code == 7
    site.server.clear()
    site.room.put(STREAM, site.row() | {"dn_sku_id": ghost})
    assert site.feed_back(site.dead_letters).code == 0
    row = site.rows()[ghost]
    assert (row["inv_lvl"], row["inv_warn"]) == (55, 44)


# ---- files that cannot be written ----------------------------------------------------------------


def test_letters_that_cannot_be_kept_are_not_acknowledged(site: Site) -> None:
    run = site.set_levels([(0, 50), (99, 1)], dead_letter_path="/dev/full")
    assert (run.code, run.out) == (10, b"")
    again = site.set_levels([(0, 50), (99, 1)])
    assert (again.code, again.out, len(site.applied)) == (7, passed_on(), 1)


@pytest.mark.parametrize("name", ["plan_path", "report_path"])
def test_a_file_beside_the_run_that_cannot_be_written_ends_with_10(site: Site, name: str) -> None:
    run = site.set_levels([(0, 50)], **{name: "/dev/full"})
    assert (run.code, run.out) == (10, b"")
    assert "/dev/full" in str(run.error)


def test_a_plan_that_cannot_be_written_down_is_not_carried_out(site: Site) -> None:
    run = site.set_levels([(0, 50)], plan_path=str(site.folder / "missing" / "plan"))
    assert (run.code, run.updates) == (10, [])


def test_by_default_the_letters_lie_beside_the_journal(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "kept").mkdir()
    monkeypatch.chdir(site.folder)
    site.set_levels([(99, 1)], dead_letter_path=None, journal_path=None)
    assert (site.folder / "target-inventory.sqlite").exists()
    assert (site.folder / "target-inventory.dead-letters.jsonl").exists()
    journal = str(site.folder / "kept" / "stock.db")
    site.set_levels([(99, 1)], dead_letter_path=None, journal_path=journal)
    names = {path.name for path in (site.folder / "kept").iterdir()}
    assert {"stock.db", "stock.dead-letters.jsonl"} <= names


# ---- through the guards --------------------------------------------------------------------------


def _reject_by_delta(site: Site, *numbers: int, most: int = 100) -> None:
    run = site.set_levels([(number, 500 + number) for number in numbers], guards=_delta(most))
    assert (run.code, run.report["rejected"], run.updates) == (7, len(numbers), [])


def _delta(most: int) -> dict[str, int]:
    return {"max_delta": most}


def test_a_letter_of_a_guard_shows_what_stood_there_and_the_limit(site: Site) -> None:
    before = site.level(0)
    run = site.set_levels([(0, before + 101)], guards=_delta(100))
    assert run.rejected == [{"dn_sku_id": singer.key(0), "inv_lvl": before + 101}]
    assert run.letters[0]["rejected"]["live"]["inv_lvl"] == before
    assert "guards.max_delta 100" in run.reasons[0]
    assert "guards.max_delta 100" in run.reasons[0]


def test_letters_that_are_fed_back_meet_the_same_guard_again(site: Site) -> None:
    _reject_by_delta(site, 0, 1)
    run = site.feed_back(site.dead_letters, guards=_delta(100))
    assert (run.code, run.updates, len(run.letters)) == (7, [], 2)


def test_letters_that_are_fed_back_are_written_where_somebody_raises_the_limit(site: Site) -> None:
    _reject_by_delta(site, 0, 1)
    run = site.feed_back(site.dead_letters, guards=_delta(1000))
    assert (run.code, run.letters) == (0, [])
    assert (site.level(0), site.level(1)) == (500, 501)


def test_many_letters_that_are_fed_back_are_stopped_as_a_whole_and_kept(site: Site) -> None:
    for number in range(10):
        _reject_by_delta(site, number)
    before = site.dead_letters.read_bytes()
    run = site.feed_back(site.dead_letters, guards=_delta(100))
    assert (run.code, run.out, run.updates) == (6, b"", [])
    assert run.letters_file == before
    assert site.feed_back(site.dead_letters, guards={"max_newly_zero_percent": 100}).code == 0
    assert [site.level(number) for number in range(10)] == [500 + n for n in range(10)]


# ---- overtaken by newer records ------------------------------------------------------------------


def _reject_and_overtake(site: Site, *newer: bytes) -> None:
    """A record of the first item is rejected; it is mended, but newer ones come first."""
    site.run(schema(), record(dn_sku_id=singer.key(0), inv_lvl=-1, inv_warn=9), state(1))
    assert site.run(schema(), *newer, state(2)).code == 0
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')


def test_a_letter_does_not_set_again_what_newer_records_have_set(site: Site) -> None:
    _reject_and_overtake(site, level(0, 60, inv_warn=5))
    run = site.feed_back(site.dead_letters)
    assert (run.code, run.updates, run.rejected) == (0, [], [])
    assert (site.level(0), run.report["superseded"], run.report["unchanged"]) == (60, 1, 0)
    assert "1 superseded" in run.said


def test_newer_records_count_though_they_changed_nothing(site: Site) -> None:
    stands = site.level(0)
    _reject_and_overtake(site, level(0, stands))
    run = site.feed_back(site.dead_letters)
    assert (run.code, site.level(0)) == (0, stands)


def test_a_letter_still_sets_the_fields_that_no_newer_record_spoke_of(site: Site) -> None:
    _reject_and_overtake(site, level(0, 60), level(1, 61, inv_warn=7))
    run = site.feed_back(site.dead_letters)
    assert (run.code, site.level(0), site.row(0)["inv_warn"]) == (0, 60, 9)
    assert run.report["superseded"] == 0


def test_a_letter_is_not_overtaken_by_records_of_other_items(site: Site) -> None:
    _reject_and_overtake(site, level(1, 61))
    assert site.feed_back(site.dead_letters).code == 0
    assert site.level(0) == 50


def test_a_letter_is_not_overtaken_by_records_that_are_older(site: Site) -> None:
    site.set_levels([(0, 60)])
    site.set_levels([(0, -1)])
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    assert site.feed_back(site.dead_letters).code == 0
    assert site.level(0) == 50


def test_a_letter_is_not_overtaken_by_a_plan_that_nobody_carried_out(site: Site) -> None:
    site.set_levels([(0, -1)])
    site.set_levels([(0, 60)], mode="plan")
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    assert site.feed_back(site.dead_letters).code == 0
    assert site.level(0) == 50


def test_a_letter_is_not_overtaken_by_records_that_were_rejected_too(site: Site) -> None:
    site.set_levels([(0, -1)])
    site.set_levels([(0, 60)], guards={"max_delta": 1})
    first, _ = [line for line in site.dead_letters.read_bytes().splitlines() if b"RECORD" in line]
    run = site.run(schema(), first.replace(b'"inv_lvl":-1', b'"inv_lvl":50') + b"\n", state())
    assert (run.code, site.level(0)) == (0, 50)


def test_a_record_of_today_is_no_letter_and_is_written(site: Site) -> None:
    """What makes a letter of a record is the time at which it was rejected."""
    _reject_and_overtake(site, level(0, 60))
    assert site.set_levels([(0, 50)]).code == 0
    assert site.level(0) == 50


def test_a_letter_whose_time_somebody_removed_is_a_record_of_today(site: Site) -> None:
    _reject_and_overtake(site, level(0, 60))
    letters = [json.loads(line) for line in site.dead_letters.read_bytes().splitlines()]
    lines = [singer.line(letter | {"rejected": {}}) for letter in letters]
    assert site.run(*lines).code == 0
    assert site.level(0) == 50


def test_a_letter_is_overtaken_by_a_later_record_of_the_same_input(site: Site) -> None:
    site.run(schema(), level(0, -1), level(0, 60), state())
    assert site.level(0) == 60
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    run = site.feed_back(site.dead_letters)
    assert (site.level(0), run.report["superseded"]) == (60, 1)


def test_a_letter_is_not_overtaken_by_an_earlier_record_of_the_same_input(site: Site) -> None:
    site.run(schema(), level(0, 60), level(0, -1), state())
    assert site.level(0) == 60
    _mend(site.dead_letters, '"inv_lvl":-1', '"inv_lvl":50')
    site.feed_back(site.dead_letters)
    assert site.level(0) == 50
