"""Amazon FBA: the declaration of the room."""

from __future__ import annotations

from inventory_providers.amazon_fba import api, publish, wire, writes
from inventory_providers.amazon_fba.settings import NAME, AmazonFbaSettings
from inventory_providers.contract import Items, Provider, Publishing, Stream, Write

ITEMS = Items(
    key=("marketplace_id", "seller_sku"),
    level="fulfillable_quantity",
    account=writes.account,
    levels=api.read_levels,
    admit=writes.admit,
    lag=(2.0, 5.0, 13.0),
)

ADD = Write(
    stream="amazon_fba_add_inventory",
    effect="add",
    endpoint="POST /fba/inventory/v1/items/inventory",
    description=(
        "Adds quantity units to the stock of seller_sku in marketplace_id. The same "
        "idempotency_key is carried out once, for ever. Only in Amazon's sandbox."
    ),
    items=ITEMS,
    batch_size=1,
    parse=writes.to_add,
    order=writes.order_add,
    send=writes.send,
    permit=writes.permit,
)

PROVIDER = Provider(
    name=NAME,
    title="Amazon FBA",
    document="FBA Inventory API v1 Reference",
    settings=AmazonFbaSettings,
    connect=api.connect,
    streams=(
        Stream(
            name=api.STREAM,
            endpoint="GET /fba/inventory/v1/summaries",
            description=(
                "Stock in Amazon's fulfillment network, one row per marketplace and seller SKU. "
                "Never sum over marketplaces: stock that several of them share is reported in "
                "full for each. total_quantity includes units in inbound shipments; sellable is "
                "inventory_details.fulfillable_quantity. A SKU that is absent from a read is not "
                "thereby deleted. Incremental by the time of the read, with a full read every "
                "full_refresh_days, because changes of inbound quantities are not detected."
            ),
            model=wire.SummaryRecord,
            primary_key=("marketplace_id", "seller_sku"),
            replication_key="synced_at",
            read=api.read_summaries,
            full_refresh=True,
            partitions=api.partitions,
            levels=api.levels,
        ),
    ),
    writes=(
        Write(
            stream="amazon_fba_create_inventory_item",
            effect="create",
            endpoint="POST /fba/inventory/v1/items",
            description=(
                "Creates an item with nothing in stock from seller_sku, marketplace_id and "
                "product_name. Only in Amazon's sandbox."
            ),
            items=ITEMS,
            batch_size=1,
            parse=writes.to_create,
            order=writes.order_create,
            send=writes.send,
            permit=writes.permit,
        ),
        ADD,
        Write(
            stream="amazon_fba_delete_inventory_item",
            effect="delete",
            endpoint="DELETE /fba/inventory/v1/items/{sellerSku}",
            description=(
                "Deletes the item seller_sku in marketplace_id; one that is not there is done. "
                "Only in Amazon's sandbox."
            ),
            items=ITEMS,
            batch_size=1,
            parse=writes.to_delete,
            order=writes.order_delete,
            send=writes.send,
            permit=writes.permit,
        ),
    ),
    publishing=Publishing(through=ADD, effect="raise", find=publish.find, permit=publish.permit),
)
