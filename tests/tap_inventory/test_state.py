"""Promise: a wrong state is refused before the first request; a bookmark never goes back."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import registry
from inventory_providers.errors import ConfigError
from inventory_providers.times import rfc3339
from tap_inventory import state
from tap_inventory.state import OVERLAP_MOST, Bookmark, is_due

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAM = "deconetwork_inventory"
KNOWN = registry.every_stream()
KEY = "inv_last_modified"
HOUR = timedelta(hours=1)


def of(value: Any, stream: str = STREAM) -> dict[str, Any]:
    return {"bookmarks": {stream: value}}


def value(moment: Any) -> dict[str, Any]:
    return {"replication_key": KEY, "replication_key_value": moment}


GOOD: dict[str, Any] = {
    "nothing": {},
    "no bookmarks": {"bookmarks": {}},
    "an empty bookmark": of({}),
    "a bookmark": of(value("2026-02-01T00:00:00Z")),
    "an offset": of(value("2026-02-01T00:00:00+02:00")),
    "with all of ours": of(
        value("2026-02-01T00:00:00Z")
        | {"overlap": ["ab"], "scope": ["x 1"], "full_read_at": "2026-02-01T00:00:00Z"}
    ),
    "a little ahead, as clocks are": of(value(rfc3339(NOW + timedelta(minutes=59)))),
    "partitions": of(
        {"partitions": [{"context": {"marketplace_id": "A"}, **value("2026-02-01T00:00:00Z")}]}
    ),
    "a partition that is no longer configured": of({"partitions": [{"context": {"x": "gone"}}]}),
    "other top-level keys": {"bookmarks": {}, "currently_syncing": "x"},
}


@pytest.mark.parametrize("name", GOOD)
def test_a_state_that_this_tap_can_have_written(name: str) -> None:
    state.check(GOOD[name], KNOWN, NOW, {})


def test_an_unknown_stream_is_kept_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    both = {"bookmarks": {**of({})["bookmarks"], "gone_stream": {"anything": 1}}}
    with caplog.at_level(logging.WARNING):
        state.check(both, KNOWN, NOW, {})
    assert "gone_stream" in caplog.text
    assert both["bookmarks"]["gone_stream"] == {"anything": 1}


BAD: dict[str, Any] = {
    "a list": [],
    "null": None,
    "text": "x",
    "a number": 5,
    "no object bookmarks": {"streams": {}},
    "bookmarks is a list": {"bookmarks": []},
    "bookmarks is null": {"bookmarks": None},
    "another tap": {"bookmarks": {"orders": {"replication_key_value": "x"}}},
    "a stream that is a list": of([]),
    "a stream that is text": of("2026-02-01T00:00:00Z"),
    "a stream that is null": of(None),
    "a bookmark that is a number": of(value(1767225600)),
    "a bookmark that is null": of(value(None)),
    "a bookmark that is a list": of(value(["2026-02-01T00:00:00Z"])),
    "a bookmark that is true": of(value(True)),
    "an empty bookmark text": of(value("")),
    "garbage": of(value("yesterday")),
    "an impossible date": of(value("2026-02-30T00:00:00Z")),
    "no zone": of(value("2026-02-01T00:00:00")),
    "a day without a zone": of(value("2026-02-01")),
    "the future": of(value("2099-01-01T00:00:00Z")),
    "the future by its offset": of(value("2026-03-01T12:30:00-02:00")),
    "two hours ahead": of(value(rfc3339(NOW + 2 * HOUR))),
    "full_read_at in the future": of({"full_read_at": "2099-01-01T00:00:00Z"}),
    "full_read_at garbage": of({"full_read_at": 5}),
    "overlap is no list": of(value("2026-02-01T00:00:00Z") | {"overlap": "ab"}),
    "overlap of no text": of(value("2026-02-01T00:00:00Z") | {"overlap": [["ab"]]}),
    "scope is no list": of(value("2026-02-01T00:00:00Z") | {"scope": "warehouse 2"}),
    "scope of no text": of(value("2026-02-01T00:00:00Z") | {"scope": [2]}),
    "scope is null": of({"scope": None}),
    "partitions is no list": of({"partitions": {}}),
    "a partition without context": of({"partitions": [value("2026-02-01T00:00:00Z")]}),
    "a partition that is no object": of({"partitions": ["x"]}),
    "a wrong bookmark in a partition": of({"partitions": [{"context": {}, **value("x")}]}),
    "the future in a partition": of(
        {"partitions": [{"context": {}, **value("2099-01-01T00:00:00Z")}]}
    ),
    "a date-time at the edge of time": of(value("0001-01-01T00:00:00+14:00")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_state_that_is_wrong(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        state.check(BAD[name], KNOWN, NOW, {})
    assert str(caught.value).startswith("state: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["garbage", "no zone", "the future", "overlap is no list", "scope of no text"]
)
def test_the_place_in_the_state_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"bookmarks\.deconetwork_inventory\.\w+ "):
        state.check(BAD[name], KNOWN, NOW, {})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.just("2026-02-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "bookmarks",
                    *KNOWN,
                    "replication_key",
                    "replication_key_value",
                    "overlap",
                    "scope",
                    "full_read_at",
                    "partitions",
                    "context",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_the_state_is_it_is_taken_and_usable_or_refused(raw: Any) -> None:
    try:
        state.check(raw, KNOWN, NOW, {})
    except ConfigError:
        return
    for bookmark in raw.get("bookmarks", {}).values():
        if isinstance(bookmark, dict) and "partitions" not in bookmark:
            it = Bookmark(bookmark, KEY)
            assert it.since is None or it.since.tzinfo is not None
            it.widen(["x 1"])
            it.advance(NOW)
            it.finish(HOUR, full=False, now=NOW)


# ---- Bookmark ------------------------------------------------------------------------------------

moments = st.integers(min_value=0, max_value=10**6).map(lambda n: NOW - timedelta(seconds=n))


@given(st.lists(st.none() | moments, max_size=20))
def test_a_bookmark_never_goes_back(steps: list[datetime | None]) -> None:
    raw: dict[str, Any] = {}
    bookmark, highest = Bookmark(raw, KEY), None
    for step in steps:
        moved = bookmark.advance(step)
        assert moved == (step is not None and (highest is None or step > highest))
        highest = step if moved else highest
        assert bookmark.since == highest
    assert raw.get("replication_key_value") == (None if highest is None else rfc3339(highest))


def test_a_bookmark_with_an_offset_is_compared_by_the_instant() -> None:
    raw = value("2026-02-01T10:00:00+05:00")
    bookmark = Bookmark(raw, KEY)
    assert not bookmark.advance(datetime(2026, 2, 1, 4, 59, tzinfo=UTC))
    assert bookmark.advance(datetime(2026, 2, 1, 5, 1, tzinfo=UTC))
    assert raw["replication_key_value"] == "2026-02-01T05:01:00Z"


def test_a_bookmark_of_another_replication_key_is_not_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raw = {"replication_key": "other", "replication_key_value": "2026-02-01T00:00:00Z"}
    with caplog.at_level(logging.WARNING):
        assert Bookmark(raw, KEY).since is None
    assert "another replication key" in caplog.text


def lines(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def run(
    raw: dict[str, Any], rows: list[tuple[bytes, datetime | None]], **kwargs: Any
) -> list[bytes]:
    """One run over rows in the order of their dates; what it emits."""
    bookmark = Bookmark(raw, KEY)
    out = bookmark.fresh([row[0] for row in rows], [row[1] for row in rows], repeat=False)
    dates = [moment for _, moment in rows if moment is not None]
    bookmark.advance(max(dates, default=None))
    bookmark.finish(kwargs.get("lookback", HOUR), full=False, now=NOW)
    return out


def test_rows_of_the_overlap_are_emitted_once() -> None:
    raw: dict[str, Any] = {}
    first = [(line, NOW - timedelta(minutes=5)) for line in lines(1, 2, 3)]
    late = (lines(4)[0], NOW - timedelta(minutes=30))
    assert run(raw, first) == lines(1, 2, 3)
    assert run(raw, [late, *first]) == lines(4)
    assert run(raw, [late, *first]) == []


def test_a_row_of_the_overlap_that_changed_is_emitted_again() -> None:
    raw: dict[str, Any] = {}
    at = NOW - timedelta(minutes=5)
    run(raw, [(lines(1)[0], at)])
    assert run(raw, [(b'{"n":1,"more":1}', at)]) == [b'{"n":1,"more":1}']


def test_a_full_read_repeats_what_is_known() -> None:
    raw: dict[str, Any] = {}
    rows = [(lines(1)[0], NOW)]
    run(raw, rows)
    bookmark = Bookmark(raw, KEY)
    assert bookmark.fresh(lines(1), [NOW], repeat=True) == lines(1)


def test_rows_before_the_overlap_leave_no_fingerprint() -> None:
    raw: dict[str, Any] = {}
    run(raw, [(lines(1)[0], NOW - 2 * HOUR), (lines(2)[0], NOW)])
    assert len(raw["overlap"]) == 1


def test_a_bookmark_that_moves_leaves_no_fingerprints_behind_before_the_end() -> None:
    """The run may end before `finish`: what stands in the state must then not hide a row."""
    raw: dict[str, Any] = {}
    run(raw, [(lines(1)[0], NOW - HOUR)])
    bookmark = Bookmark(raw, KEY)
    bookmark.fresh(lines(2), [NOW], repeat=False)
    bookmark.advance(NOW)
    assert "overlap" not in raw


def test_what_is_forgotten_is_gone_from_the_state_and_this_run_still_knows_it() -> None:
    raw: dict[str, Any] = {}
    run(raw, [(lines(1)[0], NOW)])
    bookmark = Bookmark(raw, KEY)
    assert bookmark.forget()
    assert "overlap" not in raw
    assert not bookmark.forget()
    assert bookmark.fresh(lines(1), [NOW], repeat=False) == []


def widened(raw: dict[str, Any], *scope: str, finish: bool = True) -> bool:
    """Whether a run with this scope is to read everything because of it."""
    bookmark = Bookmark(raw, KEY)
    wider = bookmark.widen(scope)
    bookmark.advance(NOW)
    if finish:
        bookmark.finish(HOUR, full=wider, now=NOW)
    return wider


def test_a_wider_scope_is_due_once_and_a_narrower_one_is_not() -> None:
    raw = value("2026-02-01T00:00:00Z")
    steps = [("x 1",), ("x 1",), ("x 2", "x 1"), ("x 1", "x 2"), ("x 2",), (), (), ("x 1",)]
    assert [widened(raw, *step) for step in steps] == [
        *(True, False, True, False, False),
        *(False, False, True),
    ]


def test_a_run_that_does_not_end_leaves_a_wider_scope_due() -> None:
    raw = value("2026-02-01T00:00:00Z")
    assert widened(raw, "x 1", finish=False)
    assert "scope" not in raw
    assert widened(raw, "x 1")
    assert raw["scope"] == ["x 1"]


def test_without_a_bookmark_no_scope_is_wider_and_without_a_scope_none_is_kept() -> None:
    raw: dict[str, Any] = {}
    assert not widened(raw, "x 1")
    assert raw["scope"] == ["x 1"]
    bare: dict[str, Any] = {}
    assert not widened(bare)
    assert "scope" not in bare


def test_the_scope_of_another_replication_key_is_not_used() -> None:
    raw = value(rfc3339(NOW)) | {"replication_key": "other", "scope": ["x 1"]}
    assert not widened(raw, "x 2")
    assert raw["scope"] == ["x 2"]


@pytest.mark.parametrize(
    "rows", [OVERLAP_MOST - 1, OVERLAP_MOST, OVERLAP_MOST + 1, 3 * OVERLAP_MOST]
)
def test_the_state_stays_small_and_no_row_is_hidden_by_it(rows: int) -> None:
    raw: dict[str, Any] = {}
    many = [(line, NOW) for line in lines(*range(rows))]
    assert len(run(raw, many)) == rows
    assert len(raw.get("overlap", [])) <= OVERLAP_MOST
    assert (len(raw.get("overlap", [])) == rows) == (rows <= OVERLAP_MOST)
    extra = (b'{"n":"new"}', NOW)
    assert extra[0] in run(raw, [*many, extra])


rows_of_a_run = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=9), st.none() | st.integers(min_value=0, max_value=90)
    ),
    max_size=12,
)


@given(st.lists(rows_of_a_run, min_size=1, max_size=4))
def test_over_several_runs_every_version_of_a_row_is_emitted(
    runs: list[list[tuple[int, int | None]]],
) -> None:
    raw: dict[str, Any] = {}
    emitted: set[bytes] = set()
    for number, rows in enumerate(runs):
        dated = [
            (
                b'{"n":%d,"run":%d,"at":%d}' % (n, number, minutes or -1),
                None if minutes is None else NOW - timedelta(minutes=minutes),
            )
            for n, minutes in rows
        ]
        emitted |= set(run(raw, dated))
        assert {line for line, _ in dated} <= emitted


# ---- full reads ----------------------------------------------------------------------------------


def stored(since: datetime | None, full: datetime | None) -> Bookmark:
    raw = {} if since is None else value(rfc3339(since))
    return Bookmark(raw | ({} if full is None else {"full_read_at": rfc3339(full)}), KEY)


@pytest.mark.parametrize(
    ("since", "full", "days", "due"),
    [
        (None, None, 7, True),
        (NOW, NOW - timedelta(days=6), 7, False),
        (NOW, NOW - timedelta(days=7), 7, True),
        (NOW, NOW - timedelta(days=70), 7, True),
        (NOW, None, 7, False),
        (NOW, NOW, 0, True),
        (NOW, None, 0, True),
        (NOW, NOW - timedelta(hours=25), 1, True),
        (NOW, NOW - timedelta(hours=23), 1, True),
        (NOW, NOW - timedelta(hours=22), 1, False),
    ],
)
def test_when_a_full_read_is_due(
    since: datetime | None, full: datetime | None, days: int, due: bool
) -> None:
    assert is_due(stored(since, full), days, NOW) is due


def test_a_bookmark_without_the_time_of_a_full_read_gets_one_at_last() -> None:
    """A bookmark without `full_read_at` must not put the full read off for ever."""
    raw = value(rfc3339(NOW - HOUR))
    for day in range(9):
        now = NOW + timedelta(days=day)
        bookmark = Bookmark(raw, KEY)
        if is_due(bookmark, 7, now):
            return
        bookmark.finish(HOUR, full=False, now=now)
    pytest.fail("no full read in nine days")


def test_an_incremental_run_does_not_put_the_full_read_off() -> None:
    bookmark = stored(NOW, NOW - timedelta(days=3))
    before = bookmark.full_read_at
    bookmark.finish(HOUR, full=False, now=NOW)
    assert bookmark.full_read_at == before


def test_a_full_read_is_remembered() -> None:
    bookmark = stored(NOW, NOW - timedelta(days=30))
    bookmark.finish(HOUR, full=True, now=NOW)
    assert bookmark.full_read_at == NOW
