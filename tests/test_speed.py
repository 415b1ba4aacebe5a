"""Promises: a row costs the tap at most a third of the CPU that it costs a plain SDK tap, and the
records of a run the target, beyond its start, at most a fifth of what they cost a `RecordSink`."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="the sources are not here"),
]


def test_cpu_per_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    read = importlib.import_module("read")
    # Other tests run at the same time; a busy moment is no slower code.
    tries = (read.compare(rows=8000, rounds=2) for _ in range(3))
    found = next((one for one in tries if one["per row, ours / plain"] <= 1 / 3), None)
    assert found is not None, "more than a third in each of three comparisons"


def test_cpu_and_requests_of_a_run_that_changes_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    write = importlib.import_module("write")
    # As above.
    for _ in range(3):
        found = write.compare(records=6000, differences=300, rounds=1)
        assert found["ours"].writes == 3
        assert found["plain"].writes == 6000
        if found["ours"].work <= found["plain"].work / 5:
            return
    pytest.fail("more than a fifth in each of three comparisons")
