"""Pocketstock: the declaration of the room."""

from __future__ import annotations

from inventory_providers.contract import Provider, Stream
from inventory_providers.pocketstock import api, wire
from inventory_providers.pocketstock.settings import PocketstockSettings

PROVIDER = Provider(
    name=api.NAME,
    title="Pocketstock",
    document="Stock list",
    settings=PocketstockSettings,
    connect=api.connect,
    streams=(
        Stream(
            name=api.STREAM,
            endpoint="GET /pocket/v1/items",
            description="Stock of each item. Incremental by the time of the last change.",
            model=wire.Item,
            primary_key=("item",),
            replication_key="changed",
            read=api.read_items,
        ),
    ),
)
