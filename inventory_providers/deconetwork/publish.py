"""How levels from elsewhere are written to DecoNetwork: by SKU, or by `dn_sku_id`.

Source: "Inventory Management", sections "Inventory Search" and "Update Inventory". There is no
search by SKU, and a SKU is neither unique nor always there: everything is read.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from inventory_providers.contract import Address, Index
from inventory_providers.deconetwork import api, wire
from inventory_providers.errors import Untracked

if TYPE_CHECKING:
    from collections.abc import Collection

    from inventory_providers.contract import Change, Fields, Key


def find(session: api.DecoNetwork, addresses: Collection[Address]) -> Index:
    """The items with these SKUs or ids, and their levels, from one read of the site."""
    wanted = set(addresses)
    met: dict[str, set[Address]] = {}
    levels: dict[Key, Fields] = {}

    def see(key: str, raw: Any) -> None:
        # A row may come again, and then it is the newer one.
        met[key] = {Address("id", key), Address("sku", wire.sku_of(raw))} & wanted
        if met[key]:
            levels[key,] = wire.level_of(raw)

    api.look(session, api.EVERYTHING, see)
    keys: dict[Address, list[Key]] = defaultdict(list)
    for key, mine in met.items():
        for address in mine:
            keys[address].append((key,))
    return Index(keys, levels)


def check_level(change: Change) -> None:
    """Refuse a level where it would mean nothing, besides what no update may send.

    Raises:
        Untracked: tracking is off for the SKU; it is not switched on.
    """
    if change.before is not None and change.before.get("inv_on") is not True:
        raise Untracked("tracking is off for it (inv_on), so a level means nothing")
    wire.check_change(change)
