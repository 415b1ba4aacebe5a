"""One run is one change set: what every record wants, in input order, before a request is sent.

Guards need the whole picture, and a plan that a person approves has to be complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.contract import Wish
from inventory_providers.errors import Rejected
from inventory_providers.jsonio import dumps, loads_leniently
from inventory_providers.spool import Spool
from target_inventory.dead_letters import Letter, writable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from inventory_providers.contract import Record, Write


class Wanted(NamedTuple):
    """What one record asks for, and the record itself for a dead letter."""

    wish: Wish
    record: Record


class ChangeSet:
    """The wishes of one run for one kind of write, and the records that cannot be wishes."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.read = 0
        self.letters: list[Letter] = []
        self._spool: Spool[None] = Spool()
        self._by_item: dict[str, list[str]] = {}

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    @property
    def keys(self) -> Collection[str]:
        """The items that are spoken of."""
        return self._by_item.keys()

    def add(self, record: Any) -> None:
        """Take one record. What is wrong with it makes a dead letter, and nothing else."""
        self.read += 1
        if not isinstance(record, dict):
            self.reject(self.write.stream, record, "the record is not an object")
            return
        try:
            wish = self.write.parse(record)
        except Rejected as error:
            self.reject(self.write.stream, record, error.message)
            return
        number = str(self.read)
        self._spool.put(number, _encode(wish, record), None)
        self._by_item.setdefault(wish.key, []).append(number)

    def reject(self, stream: str, record: Any, reason: str) -> None:
        """A record that no wish can be made of."""
        kept = record if isinstance(record, dict) else {"value": record}
        self.letters.append(Letter(stream, kept, reason))

    def items(self) -> Iterator[tuple[str, list[Wanted]]]:
        """Each item with what is wanted of it, in input order."""
        for key, numbers in self._by_item.items():
            yield key, [_decode(self._spool.get(number) or b"") for number in numbers]


def _encode(wish: Wish, record: Record) -> bytes:
    parts = (wish.key, dict(wish.fields), dict(wish.expected), dict(wish.extra), writable(record))
    return dumps(parts)


def _decode(line: bytes) -> Wanted:
    *parts, record = loads_leniently(line)
    return Wanted(Wish(*parts), record)
