"""Promise: the report counts every outcome."""

from __future__ import annotations

import json

from target_inventory.dead_letters import Letter
from target_inventory.report import Report


def test_a_quiet_run_is_one_short_line() -> None:
    report = Report("apply", read=1, unchanged=1, requests=1, seconds=0.04)
    assert report.line() == (
        "1 record read, 1 unchanged, 0 written, 0 verified by reading back, 1 request, 0.0 s"
    )


def test_what_went_wrong_is_in_the_line() -> None:
    report = Report(
        "apply",
        read=9,
        settled=4,
        superseded=3,
        planned=8,
        written=5,
        verified=4,
        moved=1,
        rejected=2,
        unknown=1,
        requests=7,
        seconds=12.34,
    )
    assert report.line() == (
        "9 records read, 0 unchanged, 5 written, 4 verified by reading back, 4 settled, "
        "3 superseded, 1 moved, 2 rejected, 1 unknown, 7 requests, 12.3 s"
    )


def test_a_plan_says_that_nothing_was_written() -> None:
    line = Report("plan", read=2, planned=2).line()
    assert "2 would change (nothing was written)" in line
    assert "verified" not in line


def test_rejected_records_are_counted_by_their_reason() -> None:
    report = Report("apply")
    report.count_rejected([Letter("s", {}, "a"), Letter("s", {}, "b"), Letter("s", {}, "a")])
    assert (report.rejected, report.rejected_by_reason) == (3, {"a": 2, "b": 1})
    report.count_rejected([Letter("t", {}, "a")])
    assert (report.rejected, report.rejected_by_reason) == (4, {"a": 3, "b": 1})


def test_what_is_left_out_is_no_rejected_record_and_is_named_all_the_same() -> None:
    report = Report("apply", left_out=5)
    kept = Letter("s", {"sku": "A"}, "why", kind="untracked")
    report.count_rejected([kept], [Letter("s", {"sku": "B"}, "why", kind="unmapped")])
    assert (report.rejected, report.left_out, report.rejected_by_reason) == (1, 6, {"why": 1})
    assert (report.unmapped, report.untracked, report.ambiguous) == (["B"], ["A"], [])


def test_the_file_has_every_count() -> None:
    report = Report("apply", read=2, written=1, seconds=1.23456)
    data = report.json()
    assert data.endswith(b"}\n")
    assert json.loads(data) == {
        "mode": "apply",
        "read": 2,
        "skipped": 0,
        "settled": 0,
        "unchanged": 0,
        "superseded": 0,
        "left_out": 0,
        "planned": 0,
        "written": 1,
        "verified": 0,
        "moved": 0,
        "rejected": 0,
        "unknown": 0,
        "requests": 0,
        "seconds": 1.235,
        "rejected_by_reason": {},
        "unmapped": [],
        "ambiguous": [],
        "untracked": [],
        "guards": [],
        "error": None,
    }


def test_the_file_says_which_guards_stopped_the_run() -> None:
    report = Report("apply", guards=["12 changes, more than guards.max_changes 11"])
    assert json.loads(report.json())["guards"] == ["12 changes, more than guards.max_changes 11"]
