"""How levels from elsewhere are written to Amazon's sandbox: an item's units can be raised only.

Source: "FBA Inventory API v1 Reference", operations "getInventorySummaries" and "addInventory".
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from inventory_providers.amazon_fba import api, writes
from inventory_providers.amazon_fba.settings import NAME
from inventory_providers.contract import Address, Index, ReadRequest
from inventory_providers.errors import ConfigError
from inventory_providers.jsonio import loads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from inventory_providers.amazon_fba.settings import AmazonFbaSettings
    from inventory_providers.contract import Key, Record


def permit(settings: AmazonFbaSettings) -> None:
    """Allow levels where the writes exist, and where it is plain which marketplace is meant.

    Raises:
        ConfigError: it is not the sandbox, or several marketplaces are configured.
    """
    writes.permit(settings)
    if len(settings.marketplace_ids) > 1:
        raise ConfigError(
            f"inventory_levels go to one marketplace: leave one in {NAME}.marketplace_ids",
            place="configuration",
        )


def find(session: api.AmazonFba, addresses: Collection[Address]) -> Index:
    """The items with these seller SKUs, or with these fulfilment network SKUs where they have one.

    A seller SKU is the key, so nothing is read for it; for the others, everything is.
    """
    (marketplace,) = session.settings.marketplace_ids
    keys: dict[Address, list[Key]] = defaultdict(list)
    labels = {address for address in addresses if address.kind == "id"}
    for address in set(addresses) - labels:
        keys[address].append((marketplace, address.text))
    for record in _summaries(session, marketplace) if labels else ():
        address = Address("id", record["fn_sku"] or record["seller_sku"])
        if address in labels:
            keys[address].append((marketplace, record["seller_sku"]))
    return Index(keys)


def _summaries(session: api.AmazonFba, marketplace: str) -> Iterator[Record]:
    request = ReadRequest(partition={"marketplace_id": marketplace})
    for page in api.read_summaries(session, request):
        yield from map(loads, page.lines)
