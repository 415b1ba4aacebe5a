"""What the sandbox asks of each room: one class `Sandbox` in `<room>/sandbox.py`."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, Any]
Key = tuple[str, ...]


class Clock:
    """The sandbox's own clock, in seconds since 1970. Starts at the real time; can be stepped."""

    def __init__(self, now: float | None = None) -> None:
        self._offset = 0.0 if now is None else now - time.time()

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time() + self._offset

    def step(self, seconds: float) -> None:
        """Move the clock."""
        self._offset += seconds


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. `target` is the raw path with its query; header names lower case."""

    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(slots=True)
class Reply:
    """One answer. The server adds `Content-Length` and, where `headers` has none, `Date`.

    `lost` names a transport fault (`hang`, `reset_before_headers`) that takes this answer away
    after it was earned; empty sends it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault switch: what it does, and its value when off.

    `choices` are all the values there are; of a list, all the values of its items.
    """

    help: str
    off: Any
    choices: tuple[Any, ...] = ()

    def accept(self, value: Any) -> Any:
        """The value as the room wants it, 30001 as "30001"; `ValueError` when it is none."""
        if isinstance(self.off, list):
            return [self._choice(item) for item in (value if isinstance(value, list) else [value])]
        if self.choices:
            return self._choice(value)
        if not isinstance(value, type(self.off)):
            raise ValueError(f"must be a value like {self.off!r}")  # noqa: TRY004 - told to users
        return value

    def _choice(self, value: Any) -> Any:
        for choice in self.choices:
            if str(choice) == str(value):
                return choice
        raise ValueError(f"must be one of {', '.join(map(str, self.choices))}")


class SandboxRoom(ABC):
    """One provider in memory: answers, refuses and remembers as its document says.

    `handle` is called under `lock`; the helpers below take it themselves.
    """

    name: ClassVar[str]
    switches: ClassVar[Mapping[str, Switch]] = {}

    def __init__(self, clock: Clock, *, size: int = 2000) -> None:
        self.clock = clock
        self.size = size
        self.lock = threading.RLock()
        self.after_answer: Callable[[Request, Reply], None] | None = None
        self.set: dict[str, Any] = {}
        self.reset()

    def switch(self, name: str) -> Any:
        """The present value of a switch."""
        return self.set.get(name, self.switches[name].off)

    def turn(self, name: str, value: Any) -> None:
        """Set a switch; `KeyError` names one that does not exist, `ValueError` what it takes."""
        value = self.switches[name].accept(value)
        with self.lock:
            self.set[name] = value

    @abstractmethod
    def reset(self) -> None:
        """Seed the catalogue again and turn every switch off."""

    @abstractmethod
    def serves(self, path: str) -> bool:
        """Whether this path is this provider's."""

    @abstractmethod
    def handle(self, request: Request) -> Reply:
        """The answer, and its effect on the stock."""

    @abstractmethod
    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here."""

    @abstractmethod
    def secrets(self) -> list[str]:
        """The credentials that no output may show."""

    @abstractmethod
    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now: wire rows by primary key."""

    @abstractmethod
    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Change the stock of `count` rows (or of `keys`) at the sandbox's clock, as a sale does.

        Which rows: those that a reader has been sent already, the first delivered first; where
        there are none, the first of the catalogue.
        """

    @abstractmethod
    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take rows out of the catalogue, the first delivered ones first."""

    @abstractmethod
    def put(self, stream: str, row: Row) -> None:
        """Add one wire row as it is, however wrong; a key that exists becomes a second row."""
