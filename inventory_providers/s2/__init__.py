"""S2 (Ventmere): the declaration of the room."""

from __future__ import annotations

from inventory_providers.contract import Provider, Stream
from inventory_providers.s2 import api, wire
from inventory_providers.s2.settings import S2Settings

ENDPOINT = "GET /inventory/overview"

PROVIDER = Provider(
    name=api.NAME,
    title="S2 (Ventmere)",
    document="Get Inventory List API",
    settings=S2Settings,
    connect=api.connect,
    streams=(
        Stream(
            name=wire.WAREHOUSES,
            endpoint=ENDPOINT,
            description=(
                "List of inventory warehouses. One request per run serves this stream, s2_products "
                "and s2_inventory_items."
            ),
            model=wire.WarehouseRecord,
            primary_key=("id",),
            read=api.read_warehouses,
        ),
        Stream(
            name=wire.PRODUCTS,
            endpoint=ENDPOINT,
            description=(
                "List of products. A product that was deleted is not there any more; nothing else "
                "tells of it."
            ),
            model=wire.ProductRecord,
            primary_key=("id",),
            read=api.read_products,
        ),
        Stream(
            name=wire.ITEMS,
            endpoint=ENDPOINT,
            description=(
                "Stock per warehouse and product, also of products that the list of products does "
                "not have. Full table unless the catalog asks for INCREMENTAL: then the same "
                "request is made and what changed is emitted. That cannot show items that have "
                "gone, and whether a change of incoming moves updated_at is not documented."
            ),
            model=wire.ItemRecord,
            primary_key=("warehouse_id", "product_id"),
            replication_key="updated_at",
            incremental=False,
            read=api.read_items,
            levels=api.levels,
        ),
    ),
)
