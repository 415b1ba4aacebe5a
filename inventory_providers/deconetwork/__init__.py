"""DecoNetwork: the declaration of the room."""

from __future__ import annotations

from inventory_providers.contract import Items, Provider, Publishing, Stream, Write
from inventory_providers.deconetwork import api, publish, wire
from inventory_providers.deconetwork.settings import DecoNetworkSettings

ITEMS = Items(key=("dn_sku_id",), level="inv_lvl", account=api.account, levels=api.read_levels)

UPDATE = Write(
    stream=api.STREAM,
    effect="set",
    endpoint="POST /api/json/manage_inventory/update",
    description=(
        "Sets inv_on, inv_lvl, inv_warn and inv_reorder_to, each where the record has it."
    ),
    items=ITEMS,
    batch_size=api.MOST_ROWS,
    parse=wire.to_wish,
    order=api.order_update,
    send=api.send_update,
    check=wire.check_change,
)

PROVIDER = Provider(
    name=api.NAME,
    title="DecoNetwork",
    document="Inventory Management (13 Dec 2018)",
    settings=DecoNetworkSettings,
    connect=api.connect,
    streams=(
        Stream(
            name=api.STREAM,
            endpoint="GET /api/json/manage_inventory/find",
            description=(
                "Stock of each SKU of the site, one row per product, size and color. Incremental "
                "by the date of the last change; rows without a date, and SKUs that have gone, "
                "show only in a full read (see full_refresh_days)."
            ),
            model=wire.InventoryRecord,
            primary_key=("dn_sku_id",),
            replication_key="inv_last_modified",
            read=api.read_inventory,
            full_refresh=True,
            levels=api.levels,
        ),
    ),
    writes=(UPDATE,),
    publishing=Publishing(
        through=UPDATE, effect="set", find=publish.find, check=publish.check_level
    ),
)
