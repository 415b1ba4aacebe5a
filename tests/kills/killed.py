"""The target as a process that kills itself at one step.

    python -m tests.kills.killed 3 before commit -- --config config.json

is `target-inventory --config config.json`, gone with SIGKILL just before its third COMMIT. With
`request` in place of `commit` it is the third request.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import uuid
from typing import Any, Literal, NamedTuple

from inventory_providers.amazon_fba import writes
from inventory_providers.environment import SystemClock
from inventory_providers.http import Door
from target_inventory.__main__ import main
from target_inventory.journal import Journal
from target_inventory.target import TargetInventory

Step = Literal["commit", "request"]
When = Literal["before", "after"]


class Strike(NamedTuple):
    """Where a run ends: before or after this step, the `number`-th of its kind."""

    number: int
    when: When
    step: Step


def arm(strike: Strike) -> None:
    """From now on this process dies there."""
    owner, name = (Journal, "commit") if strike.step == "commit" else (Door, "_send")
    real, count = getattr(owner, name), itertools.count(1)

    def struck(*args: Any, **kwargs: Any) -> Any:
        due = next(count) == strike.number
        if due and strike.when == "before":
            _die()
        found = real(*args, **kwargs)
        if due:
            _die()
        return found

    setattr(owner, name, struck)


def plant(defect: str) -> None:
    """From now on this process has a defect that the trials have to find."""
    {"state first": _state_first, "no journal": _no_journal}[defect]()


def _state_first() -> None:
    work = TargetInventory.process_endofpipe

    def hasty(target: TargetInventory) -> None:
        target._pass_state_on()
        work(target)

    TargetInventory.process_endofpipe = hasty  # type: ignore[assignment, method-assign]


def _no_journal() -> None:
    Journal.unfinished = lambda *_: []  # type: ignore[method-assign]
    Journal.event = lambda *_: None  # type: ignore[method-assign]
    writes._token = lambda *_: str(uuid.uuid4())


def hurry() -> None:
    """Waiting takes a hundredth of the time: a provider that shows writes late is waited for."""
    sleep = SystemClock.sleep
    SystemClock.sleep = lambda self, seconds: sleep(self, seconds / 100)  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    number, when, step, _, *sys.argv[1:] = sys.argv[1:]
    arm(Strike(int(number), when, step))  # type: ignore[arg-type]  # the caller's business
    main()
