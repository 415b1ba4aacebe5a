"""Levels: what five providers say of stock in one vocabulary, the stream `inventory_levels`.

A room says how a record of one of its streams becomes levels; nothing is asked of the provider for
it. What a provider does not say is null, never 0.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Context, Decimal, Inexact
from functools import reduce
from typing import TYPE_CHECKING

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps, encode
from inventory_providers.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inventory_providers.contract import Provider, Stream

STREAM = "inventory_levels"
PRIMARY_KEY = ("provider", "account", "location_id", "sku", "provider_item_id")
REPLICATION_KEY = "observed_at"
# Where a provider does not split its stock by place.
EVERYWHERE = "all"

ENDPOINT = "Made from one stream of each provider"
DESCRIPTION = (
    "Stock in one vocabulary, one row per provider, account, place and item. It costs no request "
    "besides those of the stream it is made from. Null means that the provider does not say. Never "
    "sum over places without a look at the table in docs/levels.md: ShipStream's place 0 is the "
    "sum of its others, and Amazon reports stock that several marketplaces share in full for each."
)

Number = int | Decimal


class LevelRecord(BaseModel):
    """One item in one place."""

    model_config = ConfigDict(extra="ignore")

    provider: str = Field(description="The provider, as its key in the configuration.")
    account: str = Field(description="Whose stock it is at the provider, as the settings tell.")
    location_id: str = Field(
        description="The place; `all` where the provider does not split its stock by place."
    )
    location_name: str | None = Field(description="What the provider calls the place.")
    sku: str = Field(description="The SKU; where the provider names none, its own id of the item.")
    provider_item_id: str = Field(
        description="The provider's own id of the item; the SKU where it has none."
    )
    product_name: str | None = Field(description="What the provider calls the product.")
    on_hand: Number | None = Field(description="Units that are physically there.")
    available: Number | None = Field(description="Units that can be sold now.")
    reserved: Number | None = Field(
        description="Units that are there and promised to orders, or kept back for a while."
    )
    incoming: Number | None = Field(description="Units that are expected to arrive.")
    backordered: Number | None = Field(description="Units that are sold and not in stock.")
    updated_at: datetime | None = Field(
        description="When the level changed last, by the provider's word."
    )
    observed_at: datetime | None = Field(
        description="When it was read, by the clock of the tap: the begin of the read."
    )
    source_stream: str | None = Field(description="The stream that the row is made from.")


class Level(msgspec.Struct, frozen=True):
    """One item in one place, as a room tells it.

    Texts that are part of the key are never None; `sku` is empty where the provider names none.
    `updated_at` is a time as records have it, in RFC 3339 with a zone. Quantities are exact: int or
    Decimal.
    """

    location_id: str
    location_name: str | None = None
    sku: str = ""
    provider_item_id: str = ""
    product_name: str | None = None
    on_hand: Number | None = None
    available: Number | None = None
    reserved: Number | None = None
    incoming: Number | None = None
    backordered: Number | None = None
    updated_at: str | None = None


# No quantity has so many digits; what does is told, and not rounded.
_EXACT = Context(prec=1000, traps=[Inexact])


def total(parts: Sequence[Number | None]) -> Number | None:
    """The sum, exactly; None where one of the parts is not told.

    Raises:
        Malformed: it cannot be told exactly.
    """
    if None in parts:
        return None
    plain: Number = sum(parts)  # type: ignore[arg-type]  # there is no None among them
    if type(plain) is int:
        return plain
    try:
        return reduce(_EXACT.add, parts, Decimal(0))  # type: ignore[arg-type]
    except Inexact:
        raise Malformed("quantities have too many digits for a sum") from None


def opposite(number: Number | None) -> Number | None:
    """The same below zero instead of above, digit by digit; None stays None."""
    if not number:
        return number
    return number.copy_negate() if isinstance(number, Decimal) else -number


class Encoder:
    """Makes the lines of `inventory_levels` of one read of one stream."""

    def __init__(self, provider: str, account: str, source: str, observed_at: datetime) -> None:
        head = dumps({"provider": provider, "account": account})
        tail = dumps({"observed_at": rfc3339(observed_at), "source_stream": source})
        self._head, self._tail = head[:-1] + b",", b"," + tail[1:]

    def line(self, level: Level) -> bytes:
        """A complete record as one line of JSON, its properties in the published order."""
        if not level.sku.strip():
            # Some targets take empty text for null, which no key may be.
            level = msgspec.structs.replace(level, sku=level.provider_item_id)
        return self._head + encode(level)[1:-1] + self._tail


def source(room: Provider) -> Stream | None:
    """The stream of a room that its levels are made from; None where it tells none."""
    return next((stream for stream in room.streams if stream.levels is not None), None)
