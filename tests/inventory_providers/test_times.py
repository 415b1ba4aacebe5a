"""Promise: moments are read tolerantly, kept in UTC, written in one way that sorts as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import times

zones = st.builds(
    timezone, st.integers(min_value=-14 * 60, max_value=14 * 60).map(lambda m: timedelta(minutes=m))
)
aware = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants it so
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=zones,
)
in_utc = aware.map(lambda moment: moment.astimezone(UTC))


@given(aware)
def test_the_same_instant_in_utc(moment: datetime) -> None:
    parsed = times.parse(moment.isoformat())
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


@given(in_utc)
def test_what_is_written_is_read_back(moment: datetime) -> None:
    assert times.parse(times.rfc3339(moment)) == moment


@given(in_utc, in_utc)
def test_whole_seconds_sort_as_text(one: datetime, other: datetime) -> None:
    """Singer compares bookmarks as text."""
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert (times.rfc3339(one) < times.rfc3339(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-10-01T00:00:00", "2018-10-01T00:00:00Z"),
        ("2018-10-01T00:00:00Z", "2018-10-01T00:00:00Z"),
        ("2018-10-01T02:00:00+02:00", "2018-10-01T00:00:00Z"),
        ("2018-10-01T00:00:00.5Z", "2018-10-01T00:00:00.500000Z"),
        ("2018-10-01 00:00:00", "2018-10-01T00:00:00Z"),
        ("2018-10-01", "2018-10-01T00:00:00Z"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert times.rfc3339(times.parse(text)) == expected


@pytest.mark.parametrize("text", ["", "now", "1538352000", "2018-10-01T25:00:00", "2018-02-30"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is Python's own
        times.parse(text)
