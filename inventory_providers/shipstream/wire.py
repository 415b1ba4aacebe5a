"""What ShipStream's document says of inventory and lots, and how its rows become records.

Source: "Inventory", sections "Entity Properties", "inventory.list", "inventory.detailed" and
"inventory.lots". The page has two type systems: quantities come as 22, "8" and "22.0000".
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import date, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from inventory_providers.errors import Malformed
from inventory_providers.jsonio import encode
from inventory_providers.levels import Level, total
from inventory_providers.once import Reader
from inventory_providers.records import Number, Records, key_of
from inventory_providers.times import rfc3339
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_providers.contract import Record

LOG = logging.getLogger("inventory.shipstream")

INVENTORY, DETAILED, LOTS = (
    "shipstream_inventory",
    "shipstream_inventory_detailed",
    "shipstream_lots",
)
ALL_WAREHOUSES = "0"
MOST_DIGITS = 30


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Quantities(_Part):
    """The statuses in which ShipStream tracks units."""

    qty_expected: Number | None = Field(
        description=(
            "Listed on open ASNs, RMAs and other deliveries that have not yet been received."
        )
    )
    qty_processed: Number | None = Field(
        description="Counted on an ASN, RMA or other delivery but not yet put away."
    )
    qty_putaway: Number | None = Field(
        description="Received on a delivery that has not yet been committed to the inventory."
    )
    qty_available: Number | None = Field(
        description="Available for new orders. Never negative; a shortage is in qty_backordered."
    )
    qty_allocated: Number | None = Field(
        description="Allocated to existing orders but not yet reserved."
    )
    qty_reserved: Number | None = Field(
        description="Reserved to a shelf location and waiting to be picked."
    )
    qty_picked: Number | None = Field(description="Picked from the shelves but not yet shipped.")
    qty_advertised: Number | None = Field(
        description=(
            "The available quantity plus the virtual BOM quantity, which the product's virtual "
            "inventory controls. Not a level."
        )
    )
    qty_on_hand: Number | None = Field(
        description=(
            "Everything in the building: processed, put away, available, allocated, reserved and "
            "picked. Older installations do not send it."
        )
    )


class _Warehouse(_Part):
    warehouse_id: str | None = Field(description="Warehouse id.")


class WarehouseLevels(_Quantities, _Warehouse):
    """One warehouse's part of a SKU."""


class _Backordered(_Part):
    qty_backordered: Number | None = Field(
        description=(
            "Reserved by existing orders but not in stock. Not told for a single warehouse, since "
            "it is not apportioned to warehouses."
        )
    )


class _Sku(_Part):
    sku: str = Field(description="A unique identifier for a product, at most 64 characters.")


class _SkuInWarehouse(_Sku):
    warehouse_id: str = Field(
        description="The warehouse; 0 is the sum of all. Never add it to the others."
    )


class _Synced(_Part):
    synced_at: datetime | None = Field(
        description="When the read began, by the provider's clock. Rows carry no time of their own."
    )


class InventoryRecord(_Synced, _Backordered, _Quantities, _SkuInWarehouse):
    """Levels of one SKU, summed over all warehouses or in one of them."""


class _PerWarehouse(_Part):
    detailed: list[WarehouseLevels] | None = Field(
        description=(
            "The levels in each warehouse, also where they are zero. They need not add up to the "
            "whole: backordered units are not divided among warehouses."
        )
    )


class DetailedRecord(_Synced, _PerWarehouse, _Backordered, _Quantities, _Sku):
    """Levels of one SKU, global and per warehouse."""


class LotRecord(_Part):
    """Lot Properties."""

    lot_id: str = Field(description="Lot id.")
    lot_number: str | None = Field(description="Lot number. Several lots can share it.")
    origination_date: date | None = Field(description="Origination date.")
    expiration_date: date | None = Field(description="Expiration date.")
    is_active: str | None = Field(description="Whether the lot is active: 1 or 0.")
    group_value: str | None = Field(description="Group value.")
    created_at: datetime | None = Field(description="When the lot was created.")
    sku: str | None = Field(description="Product SKU.")
    name: str | None = Field(description="Product name.")
    locations: list[str] | None = Field(description="Labels of the locations that hold it.")
    qty_putaway: Number | None = Field(description="Units put away.")
    qty_available: Number | None = Field(description="Units available.")
    qty_reserved: Number | None = Field(description="Units reserved.")


class Row(NamedTuple):
    """One row as it will be emitted."""

    key: tuple[str, ...]
    line: bytes


def inventory(warehouse: str, synced_at: datetime) -> Reader[Row]:
    """Rows of inventory.list, of one warehouse or of all ("0")."""
    records = Records(InventoryRecord, stream=INVENTORY)

    def key(raw: Any) -> tuple[str, ...]:
        return key_of(raw, "sku", "qty_available"), warehouse

    def row(raw: Any) -> Row:
        named = key(raw)
        made = records.record(_renamed(raw), named[0], warehouse_id=warehouse)
        return _row(named, made, synced_at)

    return Reader(key, row)


def detailed(synced_at: datetime) -> Reader[Row]:
    """Rows of inventory.detailed."""
    records = Records(DetailedRecord, stream=DETAILED)

    def key(raw: Any) -> tuple[str, ...]:
        return (key_of(raw, "sku", "qty_available"),)

    def row(raw: Any) -> Row:
        named = key(raw)
        parts = raw.get("detailed")
        if isinstance(parts, list):
            raw = raw | {"detailed": [_renamed(part) for part in parts]}
        return _row(named, records.record(_renamed(raw), named[0]), synced_at)

    return Reader(key, row)


def _renamed(raw: Any) -> Any:
    """`qty_expected` has been called `qty_unreceived`, too."""
    if not isinstance(raw, dict) or "qty_unreceived" not in raw:
        return raw
    rest = {name: value for name, value in raw.items() if name != "qty_unreceived"}
    return {"qty_expected": raw["qty_unreceived"]} | rest


def _row(key: tuple[str, ...], record: Record, synced_at: datetime) -> Row:
    del record["synced_at"]
    line = encode(record)[:-1]
    return Row(key, line + b',"synced_at":"' + rfc3339(synced_at).encode() + b'"}')


class Lots:
    """Rows of inventory.lots."""

    def __init__(self) -> None:
        self._records = Records(LotRecord, stream=LOTS)

    def row(self, raw: Any) -> tuple[int, bytes]:
        """The lot's number and its record.

        Raises:
            Malformed: it has no number, or a value that cannot be carried over; it is named.
        """
        number = _lot_number(raw)
        return number, encode(self._records.record(raw, str(number)))


def _lot_number(raw: Any) -> int:
    """`lot_id`, which the document has as text and as a number."""
    if isinstance(raw, dict) and type(raw.get("lot_id")) is int:
        return int(raw["lot_id"])
    number = whole(key_of(raw, "lot_id", "lot_number"))
    if number is None:
        named = one_line(repr(raw.get("lot_number")))
        raise Malformed(f"lot_id is no number in the row with lot_number {named}")
    return number


def whole(text: str) -> int | None:
    """A whole number that is not negative, of a sensible length; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


# ---- levels --------------------------------------------------------------------------------------

_PARTS = ("qty_allocated", "qty_reserved", "qty_picked")
_PROMISED = itemgetter(*_PARTS)
_IN_THE_BUILDING = itemgetter("qty_processed", "qty_putaway", "qty_available", *_PARTS)


class Levels:
    """The levels of one read of inventory.detailed ("Entity Properties").

    Warehouses that cannot be told apart are left out, and so said of the first SKU.
    """

    def __init__(self) -> None:
        self._has_said = False

    def of(self, record: Record) -> Iterator[Level]:
        """The sums of a SKU as place 0, then its level in each warehouse.

        Raises:
            Malformed: a sum cannot be told exactly.
        """
        sku, parts = record["sku"], record["detailed"] or ()
        yield _level(sku, ALL_WAREHOUSES, record)
        places = [part["warehouse_id"] if part else None for part in parts]
        if not all(places) or len({ALL_WAREHOUSES, *places}) <= len(places):
            self._say_left_out(sku)
            # What stands for no warehouse counts as named once more.
            times = Counter([None, "", ALL_WAREHOUSES, *places])
            pairs = zip(parts, places, strict=True)
            parts = [part for part, place in pairs if times[place] == 1]
        for part in parts:
            yield _level(sku, part["warehouse_id"], part)

    def _say_left_out(self, sku: str) -> None:
        if not self._has_said:
            self._has_said = True
            LOG.warning(
                "%s: warehouses without an id of their own give no levels, as in the row of SKU %s",
                DETAILED,
                one_line(sku),
            )


def _level(sku: str, place: str, row: Record) -> Level:
    on_hand = row["qty_on_hand"]
    try:
        reserved = total(_PROMISED(row))
        on_hand = total(_IN_THE_BUILDING(row)) if on_hand is None else on_hand
    except Malformed as error:
        raise Malformed(f"row {one_line(sku)}: {error.message}") from None
    return Level(
        place,
        sku=sku,
        provider_item_id=sku,
        on_hand=on_hand,
        available=row["qty_available"],
        reserved=reserved,
        incoming=row["qty_expected"],
        backordered=row.get("qty_backordered"),
    )
