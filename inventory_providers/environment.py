"""The clock and the dice, handed in from outside: no function of ours sleeps on its own."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

DISTRIBUTION = "singer-inventory"


class Clock(Protocol):
    """What of time the code may use."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long one call to a provider may take, and how often it is tried. Seconds and bytes.

    `deadline` bounds one try with its whole body, `idle` each wait for the next byte in it,
    `budget` all tries of one call with the waits between them. An answer that arrived but cannot be
    read (HTML, empty, cut off) is tried `garbled` times: it may be a passing fault, it is not an
    outage. A body is kept in memory up to `max_bytes`, one that goes to a file may be larger.
    """

    deadline: float = 60.0
    idle: float = 30.0
    connect: float = 10.0
    budget: float = 120.0
    garbled: int = 3
    first_wait: float = 1.0
    longest_wait: float = 30.0
    max_bytes: int = 64 * 1024 * 1024
    max_file_bytes: int = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Environment:
    """What a room is given besides its settings."""

    clock: Clock = field(default_factory=SystemClock)
    random: random.Random = field(default_factory=random.Random)
    policy: Policy = field(default_factory=Policy)
    user_agent: str | None = None
