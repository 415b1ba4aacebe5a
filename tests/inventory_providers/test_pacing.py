"""Promise: never more than the burst at once, never more than the rate in the long run."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.pacing import Pace
from tests.inventory_providers.fakes import FakeClock


def test_a_burst_goes_at_once_and_then_one_by_one() -> None:
    clock = FakeClock()
    pace = Pace(per_second=2, burst=3, clock=clock)
    for _ in range(3):
        pace.take()
    assert clock.slept == []
    pace.take()
    pace.take()
    assert clock.slept == [pytest.approx(0.5)] * 2


def test_a_pause_fills_the_bucket_but_never_above_the_burst() -> None:
    clock = FakeClock()
    pace = Pace(per_second=1, burst=2, clock=clock)
    pace.take()
    clock.step(1000)
    for _ in range(2):
        pace.take()
    assert clock.slept == []
    pace.take()
    assert clock.slept == [pytest.approx(1)]


@given(
    st.floats(min_value=0.1, max_value=50),
    st.integers(min_value=1, max_value=10),
    st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=40),
)
def test_in_no_stretch_of_time_more_than_burst_and_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    clock = FakeClock()
    pace = Pace(rate, burst, clock)
    went: list[float] = []
    for gap in gaps:
        clock.step(gap)
        pace.take()
        went.append(clock.monotonic())
    for first, start in enumerate(went):
        for last in range(first, len(went)):
            assert last - first + 1 <= burst + (went[last] - start) * rate + 1e-6


def test_threads_share_one_bucket() -> None:
    waits: list[float] = []

    class Still(FakeClock):
        def sleep(self, seconds: float) -> None:
            waits.append(seconds)

    pace = Pace(per_second=1, burst=1, clock=Still())
    threads = [threading.Thread(target=pace.take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [pytest.approx(n) for n in range(1, 8)]
