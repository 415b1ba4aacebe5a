"""A token bucket on our side of the wire, so that the provider's own stays out of play."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory_providers.environment import Clock


class Pace:
    """At most `burst` requests at once and `per_second` in the long run, over all threads."""

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._tokens, self._at = float(burst), clock.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until the next request may go."""
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second) - 1
            self._at = now
            wait = -self._tokens / self._per_second
        if wait > 0:
            self._clock.sleep(wait)
