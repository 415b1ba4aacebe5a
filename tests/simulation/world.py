"""The world around the writer: the provider's moods, the way there and back, the clock, kills."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.contract import Session
from inventory_providers.errors import (
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    Stopped,
    Unavailable,
    Uncertain,
)
from tests.simulation.shelf import Mark, Shelf

if TYPE_CHECKING:
    import random

    from inventory_providers.contract import Order

BEGINNING = datetime(2024, 3, 1, tzinfo=UTC)
SIGTERM = 15


class Crash(BaseException):
    """The writer is killed: nothing that it would still do happens."""


class Silence(Exception):
    """No answer came."""


class Arrival(NamedTuple):
    """A request that is under way: it gets there at a tick, however the writer fares."""

    tick: int
    order: Order
    sent: int


@dataclass(slots=True)
class Seen:
    """What one run did about an item: when it looked at it, and when it last sent for it."""

    looks: list[int] = field(default_factory=list)
    sent: int = -1

    @property
    def first(self) -> int:
        """The first look."""
        return self.looks[0] if self.looks else -1

    @property
    def last(self) -> int:
        """The last look at all."""
        return self.looks[-1] if self.looks else -1


class SimClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return BEGINNING + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """The same, as seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Waiting costs nothing."""
        self.seconds += seconds


# What may happen to a request, and how often compared with the others.
MOODS = {
    "lost": 4,
    "unanswered": 4,
    "late": 5,
    "partial": 3,
    "error_applied": 2,
    "refused_once": 2,
    "lie": 2,
    "down": 3,
    "malformed": 1,
    "denied": 1,
}


class World:
    """One schedule's provider, network, clock and fate."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.shelf = Shelf()
        self.clock = SimClock()
        self.tick = self.begun = 0
        self.faulty = True
        self.trouble = dice.choice((0.0, 0.15, 0.35, 0.6))
        self.moods = [mood for mood in MOODS if dice.random() < 0.6] or ["lost"]
        self.weights = [MOODS[mood] for mood in self.moods]
        self.hands = dice.choice((0.0, 0.0, 0.05, 0.2))
        self.looks_first = dice.random() < 0.5
        self.patience = dice.choice((1, 1, 3))
        self.resend_within = dice.choice((3600, 86_400))
        self.steps = dice.choice((0.0, 0.0, 0.1))
        self.down_until = -1
        self.under_way: list[Arrival] = []
        # What this run did, and at what ticks each item was looked at in all.
        self.seen: dict[str, Seen] = {}
        self.looks: dict[str, list[int]] = defaultdict(list)
        # What was confirmed and not carried out, and the other way round: SKU, event, tick.
        self.lies: list[tuple[str, str, int]] = []
        self.denials: list[tuple[str, str, int]] = []
        self.refusals: dict[tuple[str, str], int] = {}
        self.figures: Counter[str] = Counter()
        self.wire: list[tuple[int, dict[str, Any]]] = []
        self.sent_at: dict[tuple[str, str], float] = {}
        self.kill_at: int | None = None
        self.kill: type[BaseException] = Crash
        self._points = 0
        self.dead = False

    # ---- kills ----

    def begin(self) -> None:
        """A new run of the writer, which may not see its end."""
        self._points, self.dead, self.kill_at = 0, False, None
        self.begun = self.tick
        self.seen = {}
        self.clock.seconds += 10
        if self.faulty and self.dice.random() < 0.6:
            self.kill_at = self.dice.randrange(1, 24)
            self.kill = Stopped if self.dice.random() < 0.2 else Crash

    def point(self) -> None:
        """A moment at which the writer may be killed; after a kill nothing else happens."""
        if self.dead:
            raise Crash
        self._points += 1
        if self._points == self.kill_at:
            self.figures["crashes" if self.kill is Crash else "signals"] += 1
            self.dead = self.kill is Crash
            raise Crash if self.dead else Stopped(SIGTERM)

    # ---- time ----

    def pass_time(self) -> None:
        """What happens between two things that the writer does."""
        if self.dead:
            raise Crash
        self.tick += 1
        self.clock.seconds += 0.25
        self._arrive()
        if not self.faulty:
            return
        if self.hands and self.dice.random() < self.hands:
            self._edit()
        if self.steps and self.dice.random() < self.steps:
            self.clock.seconds += self.dice.choice((600, 5000, 100_000))

    def _arrive(self) -> None:
        due = [one for one in self.under_way if one.tick <= self.tick]
        for one in due:
            self.under_way.remove(one)
            self.figures["late arrivals"] += 1
            self.shelf.carry_out(one.order, Mark("late", self.tick, one.sent))

    def drain(self) -> None:
        """Whatever is under way gets there at last."""
        while self.under_way:
            self.pass_time()

    def _edit(self) -> None:
        sku = self.dice.choice(sorted(self.shelf.items) or [""])
        if sku[:1] not in {"S", "A"}:
            return
        self.figures["hand edits"] += 1
        level = self.shelf.items[sku]
        if sku[0] == "A":
            units = level["units"] + self.dice.choice((-3, -2, -1, 1, 2, 3))
            self.shelf.edit(sku, "units", units, self.tick)
        else:
            name = self.dice.choice(("units", "warn"))
            self.shelf.edit(sku, name, self.dice.randrange(8), self.tick)

    # ---- reading ----

    def levels(self, skus: list[str]) -> dict[tuple[str, ...], dict[str, int | None]]:
        """The live levels, if the provider answers."""
        self.pass_time()
        self._must_be_up()
        found: dict[tuple[str, ...], dict[str, int | None]] = {}
        for sku in skus:
            self.seen.setdefault(sku, Seen()).looks.append(self.tick)
            self.looks[sku].append(self.tick)
            shown = self.shelf.shown(sku)
            if shown is not None:
                found[sku,] = shown
        self.point()
        return found

    def _must_be_up(self) -> None:
        if self.tick <= self.down_until:
            self.figures["refused while down"] += 1
            raise Unavailable("the provider is down")

    # ---- writing ----

    def receive(self, order: Order) -> None:
        """One request gets there, or does not, and is answered, or is not."""
        lines, left_at = json.loads(order.body), self.clock.seconds
        self.pass_time()
        self._must_be_up()
        for line in lines:
            self.wire.append((self.tick, line))
            self.seen.setdefault(line["sku"], Seen()).sent = self.tick
            if "event" in line:
                self.sent_at.setdefault((line["sku"], line["event"]), left_at)
        mood = "fine"
        if self.faulty and self.dice.random() < self.trouble:
            (mood,) = self.dice.choices(self.moods, self.weights)
            self.figures[f"mood {mood}"] += 1
        answer: Exception | None = getattr(self, f"_{mood}")(order)
        self.point()
        if answer is not None:
            raise answer

    def _mark(self) -> Mark:
        return Mark("write", self.tick, self.tick)

    def _fine(self, order: Order) -> Exception | None:
        reason = self.shelf.first_refusal(order) if self.looks_first else None
        reason = reason or self.shelf.carry_out(order, self._mark())
        return None if reason is None else self._refused(order, reason)

    def _refused(self, order: Order, reason: str) -> Rejected:
        for line in json.loads(order.body):
            self.refusals[line["sku"], line.get("event", "")] = self.tick
        return Rejected(reason)

    def _lost(self, order: Order) -> Exception:
        return self._silence()

    def _silence(self) -> Silence:
        self.figures["lost answers"] += 1
        return Silence("no answer")

    def _unanswered(self, order: Order) -> Exception:
        self._fine(order)
        return self._silence()

    def _late(self, order: Order) -> Exception:
        copies = self.dice.choice((1, 1, 2)) if order.token is not None else 1
        for _ in range(copies):
            due = self.tick + self.dice.randrange(1, 30)
            self.under_way.append(Arrival(due, order, self.tick))
        return self._silence()

    def _partial(self, order: Order) -> Exception:
        count = len(json.loads(order.body))
        if count == 1:
            if self.dice.random() < 0.5:
                self._fine(order)
        else:
            self.shelf.carry_out(order, self._mark(), self.dice.randrange(count))
        return Uncertain("HTTP 500")

    def _error_applied(self, order: Order) -> Exception:
        answer = self._fine(order)
        if answer is None and self.dice.random() < 0.5:
            answer = self._refused(order, "an error, but it was carried out")
            for line in json.loads(order.body):
                self.denials.append((line["sku"], line.get("event", ""), self.tick))
        return answer or Uncertain("HTTP 500")

    def _refused_once(self, order: Order) -> Exception:
        return self._refused(order, "refused, this once")

    def _lie(self, order: Order) -> None:
        for line in json.loads(order.body):
            done = line["verb"] == "add" and order.token in self.shelf.tokens
            if not done:
                self.lies.append((line["sku"], line.get("event", ""), self.tick))

    def _down(self, order: Order) -> Exception:
        self.down_until = self.tick + self.dice.randrange(8)
        return Unavailable("the provider is down")

    def _malformed(self, order: Order) -> Exception:
        if self.dice.random() < 0.5:
            self._fine(order)
        return Malformed("an answer that no document knows")

    def _denied(self, order: Order) -> Exception:
        return Denied("sign-in refused")


class Connection(Session):
    """The writer's connection, with the tries that the door makes for what may be repeated."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._requests

    def close(self) -> None:
        """Nothing is held."""

    def send(self, order: Order, *, repeatable: bool) -> None:
        """Carry an order out, as a room does."""
        tries = self.world.patience if repeatable else 1
        silent = False
        while True:
            tries -= 1
            try:
                self._once(order)
            except Silence:
                silent = True
                trouble: InventoryError = Uncertain("no answer", silent=True)
            except Unavailable as error:
                trouble = error
            else:
                return
            if tries <= 0:
                break
            self.world.clock.sleep(1)
        # One who tries only once leaves the question open; one who gives up says so.
        if isinstance(trouble, Uncertain) and repeatable and self.world.patience > 1:
            raise Unavailable(trouble.message, silent=True)
        if isinstance(trouble, Unavailable) and silent:
            raise Unavailable(trouble.message, silent=True)
        raise trouble

    def _once(self, order: Order) -> None:
        self._requests += 1
        self.world.point()
        self.world.receive(order)
