"""Amazon FBA: the declaration of the room."""

from __future__ import annotations

from inventory_providers.amazon_fba import api, wire
from inventory_providers.amazon_fba.settings import NAME, AmazonFbaSettings
from inventory_providers.contract import Provider, Stream

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
        ),
    ),
)
