"""SoStocked: the declaration of the room."""

from __future__ import annotations

from inventory_providers.contract import Provider, Stream
from inventory_providers.sostocked import api, wire
from inventory_providers.sostocked.settings import SoStockedSettings

PROVIDER = Provider(
    name=wire.NAME,
    title="SoStocked",
    document="Inventory Export API Documentation",
    settings=SoStockedSettings,
    connect=api.connect,
    streams=(
        Stream(
            name=wire.INVENTORY.stream,
            endpoint="POST /product-inventories/export",
            description=(
                "Stock of each product in each market, as the saved view shows it now. Markets "
                "overlap, so rows must not be summed over them. The key is checked on the rows, "
                "and longer where they need it."
            ),
            model=wire.INVENTORY.model,
            primary_key=wire.INVENTORY.key,
            read=api.read_inventory,
            formed=True,
        ),
        Stream(
            name=wire.SNAPSHOTS.stream,
            endpoint="POST /inventories/export-snapshot",
            description=(
                "The same at the end of past days, one snapshot per day, up to yesterday (UTC). "
                "Incremental by the day."
            ),
            model=wire.SNAPSHOTS.model,
            primary_key=wire.SNAPSHOTS.key,
            replication_key="snapshot_date",
            read=api.read_snapshots,
            formed=True,
        ),
        Stream(
            name=wire.WAREHOUSES.stream,
            endpoint="POST /product-inventories/warehouse-breakdown-export",
            description=(
                "Stock of each product in each market and warehouse. FBA quantities stand again on "
                "each warehouse's row of a market: take them from `sostocked_inventory`."
            ),
            model=wire.WAREHOUSES.model,
            primary_key=wire.WAREHOUSES.key,
            read=api.read_warehouse_inventory,
            formed=True,
            levels=api.levels,
        ),
    ),
)
