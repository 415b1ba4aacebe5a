"""ShipStream: the declaration of the room."""

from __future__ import annotations

from inventory_providers.contract import Provider, Stream
from inventory_providers.shipstream import api, wire
from inventory_providers.shipstream.settings import ShipStreamSettings

GONE = (
    "SKUs that were disabled, hidden or renamed are just not there any more, which only a full "
    "read can show (see full_refresh_days)."
)

PROVIDER = Provider(
    name=api.NAME,
    title="ShipStream",
    document="Merchant API, Inventory",
    settings=ShipStreamSettings,
    connect=api.connect,
    streams=(
        Stream(
            name=wire.INVENTORY,
            endpoint=api.LIST,
            description=(
                "Levels of each SKU, summed over all warehouses (warehouse_id 0), and for each of "
                f"the configured warehouses. Incremental by the time of the read. {GONE}"
            ),
            model=wire.InventoryRecord,
            primary_key=("sku", "warehouse_id"),
            replication_key="synced_at",
            read=api.read_inventory,
            full_refresh=True,
            scope=api.scope,
        ),
        Stream(
            name=wire.DETAILED,
            endpoint=api.DETAILED,
            description=(
                "Levels of each SKU, global and in each warehouse. Incremental by the time of the "
                f"read. {GONE}"
            ),
            model=wire.DetailedRecord,
            primary_key=("sku",),
            replication_key="synced_at",
            read=api.read_detailed,
            full_refresh=True,
            levels=api.levels,
        ),
        Stream(
            name=wire.LOTS,
            endpoint=api.LOTS,
            description=(
                "Every lot with its quantities. They change without a trace in created_at, so this "
                "is always read in full."
            ),
            model=wire.LotRecord,
            primary_key=("lot_id",),
            read=api.read_lots,
        ),
    ),
    sums=frozenset({wire.ALL_WAREHOUSES}),
)
