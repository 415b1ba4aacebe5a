"""Two providers in memory, behind the rooms' own parsing and encoding: no HTTP, no waiting.

They keep every value that would have gone over the wire, exactly as it was sent.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from inventory_providers.amazon_fba import api as amazon
from inventory_providers.amazon_fba import wire as amazon_wire
from inventory_providers.contract import Session
from inventory_providers.deconetwork import api as deconetwork

if TYPE_CHECKING:
    from collections.abc import Collection

    from inventory_providers.contract import Order

US = "ATVPDKIKX0DER"
NAMES = ("inv_lvl", "inv_warn", "inv_reorder_to")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Sent(NamedTuple):
    """One value on the wire: of which item, and the text that stood for it."""

    key: tuple[str, ...]
    name: str
    text: str


class _Memory(Session):
    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.count = 0

    @property
    def requests(self) -> int:
        return self.count

    def close(self) -> None:
        pass


class Shop(_Memory):
    """DecoNetwork, with eight items."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings
        self.levels = {
            f"19617_{1378 + number}": {
                "inv_on": True,
                "inv_lvl": 10 + number,
                "inv_warn": 3,
                "inv_reorder_to": 20,
            }
            for number in range(8)
        }

    def find(self, conditions: Any, *, sortby: int, limit: int = 100, offset: int = 0) -> Any:
        """All of them, or those of one product."""
        self.count += 1
        asked = conditions[-1][1]
        rows = [
            {"dn_sku_id": key, "product_id": "19617"} | level
            for key, level in self.levels.items()
            if asked in {"0", "19617"}
        ]
        return deconetwork.Found(rows[offset : offset + limit], len(rows), NOW)

    def update(self, order: Order) -> None:
        """Carry it out."""
        self.count += 1
        changes: dict[str, dict[str, str]] = {}
        for name, text in parse_qsl(order.body, keep_blank_values=True, errors="strict"):
            found = re.fullmatch(r"changes\[(\d+)\]\[(\w+)\]", name)
            assert found, name
            changes.setdefault(found[1], {})[found[2]] = text
        for change in changes.values():
            key = change.pop("dn_sku_id")
            self.sent += [Sent((key,), name, text) for name, text in change.items()]
            level = self.levels[key]
            level["inv_on"] = change["inv_on"] == "true"
            level |= {name: int(change[name]) for name in NAMES if name in change}


class Seller(_Memory):
    """Amazon's sandbox, with four items in one marketplace."""

    def __init__(self, environment: Any) -> None:
        super().__init__()
        self.environment = environment
        self.levels = {f"SKU/{number}": 10 * number for number in range(4)}
        self.added: dict[str, str] = {}

    def ask(self, question: Any) -> Any:
        """The rows of these SKUs."""
        self.count += 1
        rows = [
            {
                "sellerSku": sku,
                "inventoryDetails": {"fulfillableQuantity": self.levels[sku]},
                "totalQuantity": self.levels[sku],
                "lastUpdatedTime": "2026-01-01T00:00:00Z",
            }
            for sku in question.skus
            if sku in self.levels and question.marketplace == US
        ]
        place = amazon_wire.Place(question.marketplace, "Marketplace", question.marketplace)
        return amazon.Found(rows, place, None, NOW, 0.0, 0.0)

    def report_unknown(self, names: Collection[str]) -> None:
        """Nothing is."""

    def write(self, order: Order) -> None:
        """Carry it out; an addition once."""
        self.count += 1
        if order.method == "DELETE":
            sku = unquote(order.path.rpartition("/")[2].partition("?")[0])
            self.sent.append(Sent((US, sku), "deleted", ""))
            self.levels.pop(sku, None)
            return
        document = json.loads(order.body, parse_int=str, parse_float=str, parse_constant=str)
        if order.token is None:
            self._create(document)
        elif order.token not in self.added:
            self.added[order.token] = order.body
            self._add(document)

    def _create(self, item: dict[str, str]) -> None:
        key = (item["marketplaceId"], item["sellerSku"])
        self.sent.append(Sent(key, "product_name", item["productName"]))
        self.levels.setdefault(key[1], 0)

    def _add(self, document: dict[str, Any]) -> None:
        (item,) = document["inventoryItems"]
        key = (item["marketplaceId"], item["sellerSku"])
        self.sent.append(Sent(key, "quantity", item["quantity"]))
        self.levels[key[1]] += int(item["quantity"])
