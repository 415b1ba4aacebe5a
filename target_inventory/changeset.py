"""One run is one change set: what every record wants, the newest value per item, before a request.

Guards need the whole picture, and a plan that a person approves has to be complete.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inventory_providers.contract import Wish
from inventory_providers.errors import Rejected
from inventory_providers.jsonio import dumps, loads
from inventory_providers.spool import Spool
from target_inventory.dead_letters import Letter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from inventory_providers.contract import Record, Write


class ChangeSet:
    """The wishes of one run for one kind of write, and the records that cannot be wishes."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.read = 0
        self.letters: list[Letter] = []
        self._spool: Spool[None] = Spool()

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    @property
    def keys(self) -> Collection[str]:
        """The items that are spoken of."""
        return list(self._spool.keys())

    def add(self, record: Any) -> None:
        """Take one record. What is wrong with it makes a dead letter, and nothing else."""
        self.read += 1
        if not isinstance(record, dict):
            self._reject({"value": record}, "the record is not an object")
            return
        try:
            wish = self.write.parse(record)
            earlier = self._spool.get(wish.key)
            merged = wish if earlier is None else _after(_decode(earlier), wish)
        except Rejected as error:
            self._reject(record, error.message)
            return
        self._spool.put(wish.key, dumps(_encode(merged, record)), None)

    def _reject(self, record: Record, reason: str) -> None:
        self.letters.append(Letter(self.write.stream, record, reason))

    def wishes(self) -> Iterator[tuple[Wish, Record]]:
        """Each item's wish, and the newest record behind it."""
        for line, _ in self._spool:
            document = loads(line)
            yield _wish(document), document["record"]


def _encode(wish: Wish, record: Record) -> dict[str, Any]:
    return {
        "key": wish.key,
        "fields": dict(wish.fields),
        "expected": dict(wish.expected),
        "extra": dict(wish.extra),
        "record": record,
    }


def _decode(line: bytes) -> Wish:
    return _wish(loads(line))


def _wish(document: dict[str, Any]) -> Wish:
    return Wish(document["key"], document["fields"], document["expected"], document["extra"])


def _after(earlier: Wish, later: Wish) -> Wish:
    """Both wishes in a row: the later value of each field wins.

    A level that the later one expects is the one that the earlier one sets, so it is compared with
    that; what the earlier one expects is then still to be compared with the live level.
    """
    expected = dict(earlier.expected)
    for name, value in later.expected.items():
        if name not in earlier.fields:
            expected[name] = value
        elif earlier.fields[name] != value:
            raise Rejected(f"expected {name} {value}, but an earlier record sets another level")
    for name in later.fields.keys() - later.expected.keys():
        expected.pop(name, None)
    fields = {**earlier.fields, **later.fields}
    return replace(later, fields=fields, expected=expected, extra={**earlier.extra, **later.extra})
