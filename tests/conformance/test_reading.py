"""No row is lost or stale while the provider's list moves under the reader (T18 to T24)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from inventory_providers import times

if TYPE_CHECKING:
    from tests.conformance.harness import Harness, Result


def _incremental_only(reader: Harness) -> None:
    if not reader.stream.replication_key:
        pytest.skip("this stream knows no changes: every run reads everything")


def _keys(reader: Harness, result: Result) -> list[tuple[str, ...]]:
    return [reader.key(record) for record in result.records(reader.stream.name)]


def _same_second(reader: Harness, moment: float) -> None:
    """Set the provider's clock back to the second of `moment`."""
    reader.server.clock.step(int(moment) + 0.2 - reader.server.clock.now())


def test_every_row_comes_once_and_as_it_is(reader: Harness, reading: str) -> None:
    result = reader.run(reader.start(reading))
    assert result.code == 0
    reader.assert_all_rows(result)
    reader.assert_no_duplicates(result)


def test_a_second_run_emits_only_what_has_changed(reader: Harness) -> None:
    _incremental_only(reader)
    first = reader.run()
    assert reader.run(first.state).records(reader.stream.name) == []
    reader.clock.step(3600)
    changed = reader.room.touch(reader.stream.name, 5)
    second = reader.run(first.state)
    assert sorted(_keys(reader, second)) == sorted(changed)
    reader.assert_all_rows(first, second)


def test_a_run_without_changes_leaves_the_bookmark(reader: Harness) -> None:
    _incremental_only(reader)
    first = reader.run()
    second = reader.run(first.state)
    assert reader.bookmark(second) >= reader.bookmark(first)
    assert second.code == 0


def test_350_rows_that_share_one_second_all_come(reader: Harness, reading: str) -> None:
    reader.serve(size=500)
    _same_second(reader, reader.server.clock.now())
    reader.room.touch(reader.stream.name, 350)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)
    reader.assert_no_duplicates(result)


def test_350_rows_that_change_in_one_second_come_with_the_next_run(reader: Harness) -> None:
    _incremental_only(reader)
    reader.serve(size=500)
    first = reader.run()
    reader.clock.step(3600)
    _same_second(reader, reader.server.clock.now())
    changed = reader.room.touch(reader.stream.name, 350)
    second = reader.run(first.state)
    assert set(changed) <= set(_keys(reader, second))
    reader.assert_all_rows(first, second)


@pytest.mark.parametrize("date", [None, ""], ids=["null", "empty"])
def test_rows_without_a_date_come_in_a_full_read(reader: Harness, date: str | None) -> None:
    if reader.shape.date is None:
        pytest.skip("the rows of this stream have no date")
    for n in range(150):
        reader.put(n, **{reader.shape.date: date})
    result = reader.run()
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)
    key = reader.stream.replication_key
    assert any(record[key] is None for record in result.records(reader.stream.name))
    assert reader.bookmark(result) < datetime.now(UTC)


def test_t18_rows_at_the_bookmarks_second_are_not_lost(reader: Harness) -> None:
    _incremental_only(reader)
    moment = reader.server.clock.now()
    _same_second(reader, moment)
    early = reader.room.touch(reader.stream.name, 40)
    first = reader.run()
    _same_second(reader, moment)
    late = reader.room.touch(reader.stream.name, 3, keys=list(reader.rows())[-3:])
    assert not set(early) & set(late)
    second = reader.run(first.state)
    assert set(late) <= set(_keys(reader, second))
    _same_second(reader, moment)
    again = reader.room.touch(reader.stream.name, 1, keys=late[:1])
    third = reader.run(second.state)
    assert set(again) <= set(_keys(reader, third))
    reader.assert_all_rows(first, second, third)


@pytest.mark.parametrize("count", [1, 5, 20])
def test_t19_rows_that_change_after_every_page_are_neither_lost_nor_stale(
    reader: Harness, reading: str, count: int
) -> None:
    reader.serve(size=500)
    reader.after_answers(lambda: reader.room.touch(reader.stream.name, count))
    first = reader.run(reader.start(reading))
    assert first.code == 0, first.last_line
    reader.assert_all_rows(first, stale=True)
    reader.calm()
    second = reader.run(first.state)
    reader.assert_all_rows(first, second)


def test_t19_changes_that_end_before_the_read_does_are_all_in_it(
    reader: Harness, reading: str
) -> None:
    reader.serve(size=500)
    reader.after_answers(lambda: reader.room.touch(reader.stream.name, 20), times=3)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)


def test_t20_rows_that_vanish_take_no_other_with_them(reader: Harness, reading: str) -> None:
    reader.after_answers(lambda: reader.room.remove(reader.stream.name, 7), times=1)
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    assert len(reader.rows()) == 293
    reader.assert_all_rows(result)


FORMS = ("2025-12-30T10:00:00.5Z", "2025-12-30T11:30:00+02:00", "2025-12-30T10:00:00Z")
LATEST = datetime(2025, 12, 30, 10, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("forms", [FORMS, FORMS[::-1]], ids=["inverted", "mixed"])
def test_t21_the_bookmark_is_the_latest_instant_in_whatever_form(
    reader: Harness, reading: str, forms: tuple[str, ...]
) -> None:
    if reader.shape.date is None:
        pytest.skip("the rows of this stream have no date")
    for n, form in enumerate(forms):
        reader.put(n, **{reader.shape.date: form})
    result = reader.run(reader.start(reading))
    assert result.code == 0, result.last_line
    reader.assert_all_rows(result)
    assert reader.bookmark(result) == LATEST


def test_t22_a_row_from_the_future_does_not_hide_tomorrow(reader: Harness, reading: str) -> None:
    if reader.shape.date is None:
        pytest.skip("the rows of this stream have no date")
    reader.put(1, **{reader.shape.date: "2099-01-01T00:00:00"})
    first = reader.run(reader.start(reading))
    assert first.code == 0
    assert first.warned("future")
    assert reader.bookmark(first) < datetime.now(UTC) + timedelta(hours=1)
    reader.clock.step(86_400)
    changed = reader.room.touch(reader.stream.name, 2)
    second = reader.run(first.state)
    assert set(changed) <= set(_keys(reader, second))
    reader.assert_all_rows(first, second)


def test_t23_a_slow_consumer_does_not_outlive_the_page_token(tap: Harness) -> None:
    assert tap.facts.short_token
    tap.serve(size=5000)
    tap.room.turn(*tap.facts.short_token)
    result = tap.run()
    assert result.code == 0
    tap.assert_all_rows(result)


def test_t24_an_empty_page_with_a_token_is_not_the_end(tap: Harness) -> None:
    assert tap.facts.empty_page
    tap.room.turn(*tap.facts.empty_page)
    result = tap.run()
    assert result.code == 0
    tap.assert_all_rows(result)


def test_t24_the_same_token_twice_is_refused(tap: Harness) -> None:
    assert tap.facts.same_token
    tap.room.turn(*tap.facts.same_token)
    assert tap.run().code == 4


def test_the_bookmark_never_moves_back(reader: Harness) -> None:
    _incremental_only(reader)
    start = reader.state_since(times.rfc3339(datetime.now(UTC).replace(microsecond=0)))
    result = reader.run(start)
    assert reader.bookmark(result) == times.parse(
        start["bookmarks"][reader.stream.name]["replication_key_value"]
    )
