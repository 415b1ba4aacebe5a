"""No row is lost or stale while the provider's list moves under the reader (T18 to T24)."""

from __future__ import annotations

import io
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from inventory_providers import times

if TYPE_CHECKING:
    from tests.conformance.harness import Harness, Result


def _same_second(reader: Harness, moment: float) -> None:
    """Set the provider's clock back to the second of `moment`."""
    reader.server.clock.step(int(moment) + 0.2 - reader.server.clock.now())


def _many(reader: Harness) -> None:
    """Rows for several answers, where the provider gives several."""
    reader.serve(size=500)


def test_every_row_comes_once_and_as_it_is(reader: Harness, reading: str) -> None:
    reader.assert_complete(reader.run(reader.start(reading)))


def test_a_second_run_emits_only_what_has_changed(reader: Harness) -> None:
    reader.need_moments()
    first = reader.run()
    assert reader.run(first.state).records(reader.stream.name) == []
    reader.clock.step(3600)
    changed = reader.room.touch(reader.stream.name, 5)
    second = reader.run(first.state)
    assert sorted(reader.keys(second)) == sorted(changed)
    reader.assert_all_rows(first, second)


def test_a_run_without_changes_leaves_the_bookmark(reader: Harness) -> None:
    reader.need_changes()
    first = reader.run()
    second = reader.run(first.state)
    assert second.code == 0
    assert reader.bookmark(second) >= reader.bookmark(first)


def test_the_bookmark_never_moves_back(reader: Harness) -> None:
    reader.need_changes()
    ahead = times.rfc3339(datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=30))
    latest = reader.subject.days(reader.stream)[-1] if reader.stream.by_day else ahead
    result = reader.run(reader.subject.state_since(latest))
    assert result.code == 0
    assert reader.bookmark(result) == times.parse(latest)


def test_350_rows_that_share_one_second_all_come(reader: Harness, reading: str) -> None:
    reader.need_moving_rows()
    _many(reader)
    _same_second(reader, reader.server.clock.now())
    reader.room.touch(reader.stream.name, 350)
    reader.assert_complete(reader.run(reader.start(reading)))


def test_350_rows_that_change_in_one_second_come_with_the_next_run(reader: Harness) -> None:
    reader.need_moments()
    _many(reader)
    first = reader.run()
    reader.clock.step(3600)
    _same_second(reader, reader.server.clock.now())
    changed = reader.room.touch(reader.stream.name, 350)
    second = reader.run(first.state)
    assert set(changed) <= set(reader.keys(second))
    reader.assert_all_rows(first, second)


@pytest.mark.parametrize("none", [None, ""], ids=["null", "empty"])
def test_rows_without_a_date_come_in_a_full_read(reader: Harness, none: str | None) -> None:
    reader.put_all(reader.date(), [none] * 150)
    result = reader.run()
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)
    key = reader.stream.replication_key
    assert any(record[key] is None for record in result.records(reader.stream.name))
    assert reader.bookmark(result) < datetime.now(UTC)


def test_t18_rows_at_the_bookmarks_second_are_not_lost(reader: Harness) -> None:
    reader.need_moments()
    moment = reader.server.clock.now()
    _same_second(reader, moment)
    early = reader.room.touch(reader.stream.name, 40)
    first = reader.run()
    _same_second(reader, moment)
    late = reader.room.touch(reader.stream.name, 3, keys=list(reader.rows())[-3:])
    assert not set(early) & set(late)
    second = reader.run(first.state)
    assert set(late) <= set(reader.keys(second))
    _same_second(reader, moment)
    again = reader.room.touch(reader.stream.name, 1, keys=late[:1])
    third = reader.run(second.state)
    assert set(again) <= set(reader.keys(third))
    reader.assert_all_rows(first, second, third)


def test_t19_rows_that_change_after_every_page_are_neither_lost_nor_stale(
    reader: Harness, reading: str
) -> None:
    reader.need_moving_rows()
    _many(reader)
    state = reader.start(reading)
    counts = itertools.cycle((5, 20, 1))
    reader.after_answers(lambda: reader.room.touch(reader.stream.name, next(counts)))
    first = reader.run(state)
    assert first.code == 0, first.last_line
    reader.assert_all_rows(first, stale=True)
    reader.calm()
    second = reader.run(first.state)
    reader.assert_all_rows(first, second)


def test_t20_rows_that_vanish_take_no_other_with_them(reader: Harness, reading: str) -> None:
    reader.need_moving_rows()
    state = reader.start(reading)
    before, gone = reader.rows().keys(), set()
    reader.after_answers(lambda: gone.update(reader.room.remove(reader.stream.name, 7)), times=1)
    result = reader.run(state)
    assert result.code == 0, result.last_line
    assert gone
    assert reader.rows().keys() == before - gone
    reader.assert_all_rows(result)


FORMS = ("2025-12-30T10:00:00.5Z", "2025-12-30T11:30:00+02:00", "2025-12-30T10:00:00Z")
LATEST = datetime(2025, 12, 30, 10, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("forms", [FORMS, FORMS[::-1]], ids=["inverted", "mixed"])
def test_t21_the_bookmark_is_the_latest_instant_in_whatever_form(
    reader: Harness, reading: str, forms: tuple[str, ...]
) -> None:
    reader.put_all(reader.date(), forms)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)
    if reader.keeps_bookmark:
        assert reader.bookmark(result) == LATEST


def test_t22_a_row_from_the_future_does_not_hide_tomorrow(reader: Harness, reading: str) -> None:
    reader.put_all(reader.date(), ["2099-01-01T00:00:00Z"])
    first = reader.run(reader.start(reading))
    assert first.code == 0, first.last_line
    if reader.keeps_bookmark:
        assert first.warned("future")
        assert reader.bookmark(first) < datetime.now(UTC) + timedelta(hours=1)
    reader.clock.step(86_400)
    changed = reader.room.touch(reader.stream.name, 2)
    second = reader.run(first.state)
    assert set(changed) <= set(reader.keys(second))
    reader.assert_all_rows(first, second)


# ---- page tokens ---------------------------------------------------------------------------------


class _SlowReader(io.StringIO):
    """A consumer for whom each line takes a hundredth of a second."""

    def __init__(self, tap: Harness) -> None:
        super().__init__()
        self._tap = tap

    def write(self, text: str) -> int:
        self._tap.clock.step(0.01 * text.count("\n"))
        return super().write(text)


def test_t23_a_slow_reader_does_not_outlive_the_page_token(tap: Harness) -> None:
    tap.serve_rows(5000)
    tap.turn(*tap.traits.short_token)
    begin = tap.clock.monotonic()
    result = tap.captured(lambda: tap._sync(tap.config, None), _SlowReader(tap))
    assert tap.clock.monotonic() - begin >= 50
    assert len(result.messages) > 5000
    tap.assert_complete(result)


def test_t24_an_empty_page_with_a_token_is_not_the_end(tap: Harness) -> None:
    tap.turn(tap.traits.empty_page)
    tap.assert_complete(tap.run())


def test_t24_the_same_token_twice_is_refused(tap: Harness) -> None:
    tap.turn(tap.traits.same_token)
    result: Result = tap.run()
    assert result.code == 4, result.last_line
    assert len(tap.reads) < 100
    tap.subject.assert_earned(result)


# ---- streams by day ------------------------------------------------------------------------------


def _days(reader: Harness, *results: Result) -> list[str]:
    """The days of the records, in the order in which they came, each once."""
    key = reader.stream.replication_key
    records = [record for result in results for record in result.records(reader.stream.name)]
    return list(dict.fromkeys(record[key] for record in records))


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def test_days_come_in_order_each_with_a_state_behind_it(reader: Harness) -> None:
    reader.need_days()
    result = reader.run()
    days = reader.subject.days(reader.stream)
    assert len(days) > 2
    assert _days(reader, result) == days
    seen, at_state = [_day_before(days[0])], []
    for message in result.messages:
        if message["type"] == "RECORD":
            seen.append(message["record"][reader.stream.replication_key])
        elif message["type"] == "STATE":
            marks = reader.subject.bookmarks(message["value"], reader.stream)
            at_state += [(day, seen[-1]) for _, day in marks]
    assert {day for day, _ in at_state} >= set(days)
    assert all(day == last for day, last in at_state)


def test_the_next_day_comes_alone(reader: Harness) -> None:
    reader.need_days()
    first = reader.run()
    before = reader.rows().keys()
    assert reader.run(first.state).records(reader.stream.name) == []
    reader.clock.step(86_400)
    second = reader.run(first.state)
    new = reader.rows().keys() - before
    assert new
    assert set(reader.keys(second)) == new
    assert _days(reader, second) == reader.subject.days(reader.stream)[-1:]


def test_today_is_not_read(reader: Harness) -> None:
    reader.need_days()
    today = datetime.fromtimestamp(reader.server.clock.now(), UTC).date().isoformat()
    assert max(_days(reader, reader.run())) < today


@pytest.mark.parametrize("missed", [0, 1, 2])
def test_a_day_that_fails_stops_there_and_the_next_run_goes_on(
    reader: Harness, missed: int
) -> None:
    reader.need_days()
    days = reader.subject.days(reader.stream)
    reader.inject("status", status=500, path=days[missed], times=None)
    failed = reader.run()
    assert failed.code == 5
    assert _days(reader, failed) == days[:missed]
    marks = [day for _, day in reader.subject.bookmarks(failed.state, reader.stream)]
    assert marks == [_day_before(days[missed])] or (not marks and not missed)
    reader.calm()
    rerun = reader.run(failed.state)
    assert _days(reader, rerun) == days[missed:]
    reader.assert_all_rows(failed, rerun)


def test_days_that_nobody_asked_for_meanwhile_all_come(reader: Harness) -> None:
    reader.need_days()
    first = reader.run()
    reader.clock.step(4 * 86_400)
    second = reader.run(first.state)
    assert _days(reader, second) == reader.subject.days(reader.stream)[-4:]
    reader.assert_all_rows(first, second)
