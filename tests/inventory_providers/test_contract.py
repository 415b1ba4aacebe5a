"""Promises of the small types that rooms and plugins share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

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


# ---- changes -------------------------------------------------------------------------------------

LEVEL = {"a": 1, "b": 2, "c": True}


def change(before: Any, after: Any) -> Change:
    return Change(("k",), before, after)


def test_the_fields_of_a_change_are_those_that_differ() -> None:
    assert change(LEVEL, LEVEL | {"b": 3, "c": False}).fields == ("b", "c")


def test_a_field_that_was_not_known_before_differs() -> None:
    assert change({"a": None}, {"a": 0}).fields == ("a",)


@pytest.mark.parametrize(("before", "after"), [(None, {"a": 0}), ({"a": 0}, None)])
def test_what_comes_or_goes_is_a_change_without_fields(before: Any, after: Any) -> None:
    assert change(before, after).fields == ()
    assert not change(before, after).is_none


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), (LEVEL, LEVEL), ({"a": 3}, {"a": Decimal("3.0")})]
)
def test_what_stands_there_already_is_no_change(before: Any, after: Any) -> None:
    assert change(before, after).is_none


levels = st.none() | st.fixed_dictionaries(
    {"a": st.none() | st.integers(0, 2), "b": st.integers(0, 2), "c": st.booleans()}
)


@given(levels, levels, levels)
def test_what_stands_there_is_the_old_or_the_new_or_neither(
    before: Any, after: Any, live: Any
) -> None:
    """Of fields that the change leaves alone, anybody may do what they like."""
    made = change(before, after)
    if made.is_none:
        return
    assert not (made.done(live) and made.not_begun(live))
    seen = None if live is None else {name: live[name] for name in made.fields}
    if before is not None and after is not None:
        assert made.done(live) == (seen == {name: after[name] for name in made.fields})
        assert made.not_begun(live) == (seen == {name: before[name] for name in made.fields})
    else:
        assert made.done(live) == ((live is None) == (after is None))
        assert made.not_begun(live) == ((live is None) == (before is None))
