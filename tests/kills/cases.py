"""What is written while somebody kills the writer, and how the outcome is judged.

The oracle asks the sandbox and the file of the journal; it shares no code with the target. `lost`
is what was asked for and does not stand there, `doubled` what stands there more often than asked
for, or an older value that came after a newer one.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inventory_providers.sandbox.room import Clock, Reply
from inventory_providers.sandbox.server import SandboxServer, rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from inventory_providers.sandbox.room import Request, SandboxRoom

US = "ATVPDKIKX0DER"
CREATE, ADD, DELETE = "createInventoryItem", "addInventory", "deleteInventoryItem"
Meeting = Literal["lost", "before", "after"]


@dataclass
class Verdict:
    """What is wrong, each with what it is about."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        for name, many in vars(self).items():
            yield from (f"{name}: {one}" for one in many)


class Case(ABC):
    """A sandbox, and inputs for it.

    `version` 2 is what the tap gives after 1 was never acknowledged: all of it again, and newer
    records behind it.
    """

    name: ClassVar[str]
    provider: ClassVar[str]
    # How many requests that write a run has.
    usual_writes: ClassVar[int]
    # The provider may show writes later than it answers; the waiting for that is shortened.
    hurry: ClassVar[bool] = False

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        clock = Clock()
        self.server = SandboxServer(rooms(clock, size, [self.provider]), clock=clock)
        self.room: SandboxRoom = self.server.room(self.provider)
        self.before = self._levels()
        self._prepare()
        self.journal = folder / "journal.sqlite"
        self.letters = folder / "letters.jsonl"
        self.config = folder.parent / f"{folder.name}.json"
        settings = {
            self.provider: self.server.settings(self.provider),
            "journal_path": str(self.journal),
            "dead_letter_path": str(self.letters),
        }
        self.config.write_text(json.dumps(settings), encoding="utf-8")

    @abstractmethod
    def _prepare(self) -> None:
        """Choose what is written."""

    @abstractmethod
    def _levels(self) -> dict[str, int]:
        """The units of every item that stands at the provider."""

    @abstractmethod
    def _messages(self, version: int) -> Iterator[dict[str, Any]]:
        """SCHEMA and RECORD messages."""

    @abstractmethod
    def expected(self, version: int) -> dict[str, int]:
        """The levels that shall stand there after all of an input."""

    @abstractmethod
    def _judge(self, verdict: Verdict, version: int) -> None:
        """What was carried out, besides the levels."""

    @abstractmethod
    def is_write(self, request: Request) -> bool:
        """Whether a request is to change stock."""

    def input(self, version: int) -> Path:
        """The file with an input."""
        path = self.folder.parent / f"{self.folder.name}.{version}.jsonl"
        if not path.exists():
            state = {"type": "STATE", "value": {"bookmarks": {"version": version}}}
            lines = [*self._messages(version), state]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            path.write_text(text, encoding="utf-8")
        return path

    def acknowledged(self, version: int) -> bytes:
        """What the target gives out when all of it is done."""
        return (
            json.dumps({"bookmarks": {"version": version}}, separators=(",", ":")).encode() + b"\n"
        )

    def meet(self, number: int, how: Meeting, act: Callable[[], None]) -> None:
        """Call `act` when the `number`-th write from now on arrives.

        That is before it is carried out, or after it, or it gets `lost` on the way.
        """
        handle, seen = type(self.room).handle, Counter[str]()

        def hooked(request: Request) -> Reply:
            if self.is_write(request):
                seen["writes"] += 1
                if seen["writes"] == number:
                    return met(request)
            return handle(self.room, request)

        def met(request: Request) -> Reply:
            if how == "after":
                reply = handle(self.room, request)
                act()
                return reply
            act()
            return Reply(503) if how == "lost" else handle(self.room, request)

        self.room.handle = hooked  # type: ignore[method-assign]

    def leave(self) -> None:
        """No more meetings; a minute passes, as between two runs of a scheduler."""
        self.room.__dict__.pop("handle", None)
        self.server.clock.step(60)

    def writes(self) -> int:
        """How many requests to change stock have come."""
        return sum(map(self.is_write, self.server.requests(self.provider)))

    def judge(self, version: int) -> Verdict:
        """After a run that has said that all is done."""
        verdict = Verdict()
        self._judge(verdict, version)
        _compare(verdict, self.expected(version), self._levels())
        if self.letters.exists() and self.letters.read_bytes():
            verdict.other.append("there are dead letters")
        with closing(sqlite3.connect(self.journal)) as journal:
            (left,) = journal.execute(
                "SELECT count(*) FROM writes WHERE status NOT IN ('done', 'replaced', 'withdrawn')"
            ).fetchone()
        if left:
            verdict.other.append(f"{left} writes in the journal are not done")
        return verdict


def _compare(verdict: Verdict, wanted: Mapping[str, int], found: Mapping[str, int]) -> None:
    for key in sorted(wanted.keys() | found.keys()):
        want, have = wanted.get(key), found.get(key)
        if want != have:
            what = f"{key} holds {have}, not {want}"
            more = want is not None and have is not None and have > want
            (verdict.doubled if more else verdict.lost).append(what)


class Levels(Case):
    """Levels of DecoNetwork, some of them twice in one input."""

    name = "levels"
    provider = "deconetwork"
    usual_writes = 3
    count = 20

    def __init__(self, folder: Path, count: int | None = None) -> None:
        self.count = count or self.count
        super().__init__(folder, max(60, self.count + 20))

    def _levels(self) -> dict[str, int]:
        return {
            key: row["inv_lvl"] for (key,), row in self.room.rows("deconetwork_inventory").items()
        }

    def _prepare(self) -> None:
        self._keys = list(self.before)[: self.count]

    def _values(self, version: int) -> Iterator[tuple[str, int]]:
        for number, key in enumerate(self._keys):
            if number % 7 == 0:
                yield key, 100 + number
            yield key, 1000 + number
        if version > 1:
            yield from ((key, 2000 + number) for number, key in enumerate(self._keys) if number % 2)

    def _messages(self, version: int) -> Iterator[dict[str, Any]]:
        yield _schema("deconetwork_inventory", "dn_sku_id")
        for key, value in self._values(version):
            yield _record("deconetwork_inventory", dn_sku_id=key, inv_lvl=value)

    def expected(self, version: int) -> dict[str, int]:
        return self.before | dict(self._values(version))

    def is_write(self, request: Request) -> bool:
        return request.method == "POST"

    def _judge(self, verdict: Verdict, version: int) -> None:
        allowed = {key: [] for key in self._keys}  # type: dict[str, list[int]]
        for each in range(1, version + 1):
            for key, value in dict(self._values(each)).items():
                allowed[key].append(value)
        last = dict[str, int]()
        for change in self.room.updates:  # type: ignore[attr-defined]
            key, value = change["dn_sku_id"], int(change["inv_lvl"])
            if value not in allowed.get(key, ()):
                verdict.other.append(f"{key} was set to {value}, which nobody wants")
            if value < last.get(key, 0):
                verdict.doubled.append(f"{key} was set to {value} after {last[key]}")
            last[key] = value


class Additions(Case):
    """Creations, additions and deletions at Amazon; the same addition comes again and again."""

    name = "additions"
    provider = "amazon_fba"
    usual_writes = 5
    hurry = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 12)

    def _levels(self) -> dict[str, int]:
        rows = self.room.rows("amazon_fba_inventory_summaries")
        return {
            sku: row["inventoryDetails"]["fulfillableQuantity"]
            for (marketplace, sku), row in rows.items()
            if marketplace == US
        }

    def _prepare(self) -> None:
        self._old = list(self.before)[:4]

    def _orders(self, version: int) -> Iterator[tuple[str, str, int, str]]:
        """Operation, SKU, quantity and idempotency key, each that is to be carried out once."""
        first, second, third, fourth = self._old
        yield CREATE, "NEW/1", 0, ""
        yield ADD, first, 5, "a"
        yield ADD, first, 5, "b"
        yield ADD, "NEW/1", 7, "a"
        yield DELETE, third, 0, ""
        if version > 1:
            yield CREATE, "NEW/2", 0, ""
            yield ADD, second, 11, "c"
            yield ADD, "NEW/1", 13, "c"
            yield DELETE, fourth, 0, ""

    def _messages(self, version: int) -> Iterator[dict[str, Any]]:
        names = {
            CREATE: "amazon_fba_create_inventory_item",
            ADD: "amazon_fba_add_inventory",
            DELETE: "amazon_fba_delete_inventory_item",
        }
        for name in names.values():
            yield _schema(name, "marketplace_id", "seller_sku")
        for operation, sku, quantity, event in self._orders(version):
            more: dict[str, Any] = {CREATE: {"product_name": "A name"}, DELETE: {}}.get(
                operation, {"quantity": quantity, "idempotency_key": event}
            )
            message = _record(names[operation], marketplace_id=US, seller_sku=sku, **more)
            yield message
            if event == "b":
                yield message

    def expected(self, version: int) -> dict[str, int]:
        levels = dict(self.before)
        for operation, sku, quantity, _ in self._orders(version):
            if operation == DELETE:
                del levels[sku]
            else:
                levels[sku] = levels.get(sku, 0) + quantity
        return levels

    def is_write(self, request: Request) -> bool:
        return "/items" in request.path

    def _judge(self, verdict: Verdict, version: int) -> None:
        wanted = Counter((what, sku, units) for what, sku, units, _ in self._orders(version))
        found = Counter(
            (one["operation"], one["sellerSku"], one.get("quantity", 0))
            for one in self.room.writes  # type: ignore[attr-defined]
        )
        verdict.lost += map(str, (wanted - found).elements())
        verdict.doubled += map(str, (found - wanted).elements())
        bodies: dict[str, set[bytes]] = {}
        for request in self.server.requests(self.provider):
            if token := request.headers.get("x-amzn-idempotency-token"):
                bodies.setdefault(token, set()).add(request.body)
        if any(len(many) > 1 for many in bodies.values()):
            verdict.other.append("one token came with two bodies")


def _schema(stream: str, *keys: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}}
    return {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(keys)}


def _record(stream: str, **values: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": values}
