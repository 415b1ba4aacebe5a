"""Stand-ins that the unit tests share: a clock that never waits, dice that always fall the same."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from inventory_providers.environment import Environment, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """Time that passes only when somebody sleeps, or when the test says so."""

    def __init__(self, now: datetime = NOON) -> None:
        self.slept: list[float] = []
        self._start = now
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0, "nobody can sleep backwards"
        with self._lock:
            self.slept.append(seconds)
            self._seconds += seconds

    def step(self, seconds: float) -> None:
        with self._lock:
            self._seconds += seconds


def environment(policy: Policy | None = None, clock: FakeClock | None = None) -> Environment:
    """An environment in which nothing waits."""
    return Environment(
        clock=clock or FakeClock(), random=random.Random(7), policy=policy or Policy()
    )


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
