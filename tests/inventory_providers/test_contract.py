"""Promises of the small types that rooms and plugins share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.contract import Change, ReadRequest

JAN, FEB = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ReadRequest(), None),
        (ReadRequest(start=JAN), JAN),
        (ReadRequest(since=FEB), FEB),
        (ReadRequest(since=FEB, lookback=HOUR), FEB - HOUR),
        (ReadRequest(since=FEB, start=JAN, lookback=HOUR), FEB - HOUR),
        (ReadRequest(since=JAN, start=FEB, lookback=HOUR), FEB),
        (ReadRequest(since=FEB, start=FEB, lookback=HOUR), FEB),
        (ReadRequest(since=FEB, full=True), None),
        (ReadRequest(since=FEB, start=JAN, full=True), JAN),
        (ReadRequest(start=JAN, lookback=HOUR), JAN),
    ],
)
def test_lower_bound(request_: ReadRequest, expected: datetime | None) -> None:
    assert request_.lower_bound == expected


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.none() | moments, st.none() | moments, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_never_before_the_start_and_never_after_the_bookmark(
    since: datetime | None, start: datetime | None, lookback: timedelta
) -> None:
    bound = ReadRequest(since=since, start=start, lookback=lookback).lower_bound
    if start is not None:
        assert bound is not None
        assert bound >= start
    elif since is not None:
        assert bound == since - lookback
    else:
        assert bound is None


def test_a_bookmark_at_the_beginning_of_time_does_not_overflow() -> None:
    """`lookback_seconds` has no upper limit."""
    request = ReadRequest(since=datetime(1, 1, 1, tzinfo=UTC), lookback=timedelta(seconds=1))
    bound = request.lower_bound
    assert bound is None or bound <= datetime(1, 1, 1, tzinfo=UTC)


def test_the_fields_of_a_change_are_those_that_differ() -> None:
    change = Change("k", before={"a": 1, "b": 2, "c": True}, after={"a": 1, "b": 3, "c": False})
    assert change.fields == ("b", "c")
