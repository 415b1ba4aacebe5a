"""Pocketstock in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

from inventory_providers.sandbox.room import Key, Reply, Request, Row, SandboxRoom, Switch
from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM = "pocketstock_items"
ITEMS = "/pocket/v1/items"
ACCESS_KEY = "pocket k3y/&+ of the sandbox"
PAGE = 100


class Sandbox(SandboxRoom):
    """The list, in the order of the items' numbers."""

    name = "pocketstock"
    switches: ClassVar[Mapping[str, Switch]] = {
        "key": Switch("What becomes of a right key", "ok", ("ok", "refused"))
    }

    def reset(self) -> None:
        """Seed the list again and turn every switch off."""
        self.set = {}
        self._edition = 1
        self._rows: list[Row] = [
            {
                "item": variant.sku,
                "name": variant.name,
                "shelf": f"{variant.position % 7}-{variant.position % 31}",
                "count": variant.stock,
                "changed": _text(variant.changed.timestamp()),
            }
            for variant in variants(self.size)
        ]
        self._delivered: dict[Key, None] = {}

    def serves(self, path: str) -> bool:
        """The list alone."""
        return path == ITEMS

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here."""
        return {"api_url": base_url, "access_key": ACCESS_KEY}

    def secrets(self) -> list[str]:
        """The key."""
        return [ACCESS_KEY]

    def rows(self, stream: str) -> dict[Key, Row]:
        """The last row of each item."""
        _only(stream)
        with self.lock:
            return {(row["item"],): row for row in self._rows if _is_key(row.get("item"))}

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Sell one of each."""
        with self.lock:
            rows = self.rows(stream)
            chosen = keys or list(islice([*self._delivered, *rows], count))
            chosen = list(dict.fromkeys(key for key in chosen if key in rows))
            for key in chosen:
                count_now = rows[key].get("count")
                less = (count_now - 1) if isinstance(count_now, int) and count_now else 24
                place = next(n for n, row in enumerate(self._rows) if row is rows[key])
                self._rows[place] = rows[key] | {"count": less, "changed": _text(self.clock.now())}
                self._delivered.pop(key, None)
                self._delivered[key] = None
            return chosen

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take items out of the list."""
        with self.lock:
            rows = self.rows(stream)
            known = dict.fromkeys([*self._delivered, *rows])
            chosen = list(islice((key for key in known if key in rows), count))
            self._rows = [row for row in self._rows if (row.get("item"),) not in chosen]
            self._edition += 1
            return chosen

    def put(self, stream: str, row: Row) -> None:
        """Add a row, however wrong, behind all others of its number."""
        _only(stream)
        with self.lock:
            self._rows.append(row)
            self._edition += 1

    def handle(self, request: Request) -> Reply:
        """One page."""
        if request.headers.get("x-pocket-key") != ACCESS_KEY:
            return _json(401, {"problem": "no such key"})
        if self.switch("key") == "refused":
            return _json(200, {"problem": "key refused"})
        asked = parse_qs(request.query)
        rows = self._since(asked["since"][0]) if "since" in asked else self._rows
        # Sorting keeps the order of rows with one number.
        rows = sorted(rows, key=lambda row: str(row.get("item")))
        number = int(asked["page"][0])
        page = rows[(number - 1) * PAGE : number * PAGE]
        self._delivered |= {(row["item"],): None for row in page if _is_key(row.get("item"))}
        pages = -(-len(rows) // PAGE)
        return _json(200, {"edition": self._edition, "pages": pages, "items": page})

    def _since(self, text: str) -> list[Row]:
        since = _moment(text)
        return [
            row for row in self._rows if row.get("changed") and _moment(row["changed"]) >= since
        ]


def _only(stream: str) -> None:
    if stream != STREAM:
        raise KeyError(stream)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _json(status: int, document: Row) -> Reply:
    return Reply(status, json.dumps(document).encode())
