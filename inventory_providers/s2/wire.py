"""What S2's document says of its three lists, and how their rows become records.

Source: "Get Inventory List API", section "Response Body" and the objects after it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from inventory_providers import times, values
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import encode, loads
from inventory_providers.levels import Level, opposite
from inventory_providers.once import Reader
from inventory_providers.records import JsonText, Number, Records, camel, key_of, stamp
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from inventory_providers.contract import Record

WAREHOUSES, PRODUCTS, ITEMS = "s2_warehouses", "s2_products", "s2_inventory_items"
LOG = logging.getLogger("inventory.s2")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Organization(_Part):
    """Organization Object."""

    id: str | None = Field(description="Unique identifier for the organization.")
    name: str | None = Field(description="Name of the organization.")
    created_at: datetime | None = Field(description="When the organization was created.")
    updated_at: datetime | None = Field(description="When the organization was last updated.")


class Address(_Part):
    """Address Object."""

    name: str | None = Field(description="The name associated with the address.")
    company: str | None = Field(description="Company name.")
    address1: str | None = Field(description="Primary street address.")
    address2: str | None = Field(description="Additional address information.")
    city: str | None = Field(description="City name.")
    state: str | None = Field(description="State or province.")
    postal_code: str | None = Field(description="Postal or ZIP code.")
    country_id: str | None = Field(description='Country code in ISO 3166-1 alpha-2, such as "CA".')
    phone: str | None = Field(description="Contact phone number.")
    email: str | None = Field(description="Contact email address.")


class Brand(_Part):
    """Brand Object."""

    id: str | None = Field(description="Unique identifier for the brand.")
    name: str | None = Field(description="Brand name.")
    name_normalized: str | None = Field(description="Normalized version of the brand name.")
    created_at: datetime | None = Field(description="When the brand was created.")


class WarehouseRecord(_Part):
    """Warehouse Object."""

    id: str = Field(description="Unique identifier for the warehouse.")
    organization: Organization | None = Field(
        description="Information about the warehouse's organization."
    )
    name: str | None = Field(description="Name of the warehouse.")
    address: Address | None = Field(description="Physical address of the warehouse.")
    dropshipper: bool | None = Field(description="Whether the warehouse is a dropshipper.")
    fulfillment_center: bool | None = Field(
        description="Whether the warehouse is a fulfillment center."
    )
    rma_center: bool | None = Field(description="Whether the warehouse is an RMA center.")
    unit_system: str | None = Field(description='Unit system used, such as "METRIC".')
    created_at: datetime | None = Field(description="When the warehouse was created.")
    updated_at: datetime | None = Field(description="When the warehouse was last updated.")


class ProductRecord(_Part):
    """Product Object."""

    id: str = Field(description="Unique identifier for the product.")
    organization: Organization | None = Field(description="Organization that owns the product.")
    sku: str | None = Field(description="Stock keeping unit.")
    brand: Brand | None = Field(description="Brand information.")
    gtin: str | None = Field(description="Global Trade Item Number.")
    name: str | None = Field(description="Product name.")
    remarks: str | None = Field(description="Additional remarks about the product.")
    image_main: str | None = Field(
        description="URL of the main product image, or the key under which it is stored."
    )
    package_length_mm: Number | None = Field(
        description="Package length in millimeters. 0 stands for unknown, here and below."
    )
    package_width_mm: Number | None = Field(description="Package width in millimeters.")
    package_height_mm: Number | None = Field(description="Package height in millimeters.")
    shipping_weight_kg: Number | None = Field(description="Shipping weight in kilograms.")
    case_unit: str | None = Field(
        description='Unit of measurement for cases, such as "EACH" or "CARTON".'
    )
    case_pack: Number | None = Field(description="Number of items per case.")
    case_length_mm: Number | None = Field(description="Case length in millimeters.")
    case_width_mm: Number | None = Field(description="Case width in millimeters.")
    case_height_mm: Number | None = Field(description="Case height in millimeters.")
    case_weight_kg: Number | None = Field(description="Case weight in kilograms.")
    condition: str | None = Field(description='Product condition, such as "NEW".')
    serial_number_required: bool | None = Field(description="Whether serial number is required.")
    expiry_date_required: bool | None = Field(description="Whether expiry date is required.")
    unknown: bool | None = Field(description="Whether the product is unknown to the provider.")
    created_at: datetime | None = Field(description="When the product was created.")
    updated_at: datetime | None = Field(description="When the product was last updated.")
    other_ids: JsonText | None = Field(
        description=(
            "List of other identifiers associated with the product: a JSON list as text, since the "
            "document does not say what its entries look like."
        )
    )


class ItemRecord(_Part):
    """Item Object, with its Level Object in one row."""

    warehouse_id: str = Field(
        description="Identifier of the warehouse where the inventory is located."
    )
    product_id: str = Field(
        description="Identifier of the product. It need not be among the products."
    )
    available: Number | None = Field(description="Units available of the product.")
    incoming: Number | None = Field(description="Units expected to arrive.")
    reserved: Number | None = Field(
        description="Units reserved for orders, as sent: negative, by all that is known."
    )
    updated_at: datetime | None = Field(description="When the level was last updated.")


class Row(NamedTuple):
    """One row as it will be emitted."""

    key: tuple[str, ...]
    line: bytes
    moment: datetime | None


def warehouses() -> Reader[Row]:
    """Rows of `warehouses`."""
    return _plain(WAREHOUSES, WarehouseRecord)


def products() -> Reader[Row]:
    """Rows of `products`."""
    return _plain(PRODUCTS, ProductRecord)


def _plain(stream: str, model: type[BaseModel]) -> Reader[Row]:
    records = Records(model, stream=stream, wire=camel)

    def key(raw: Any) -> tuple[str, ...]:
        return (key_of(raw, "id", "name"),)

    def row(raw: Any) -> Row:
        named = key(raw)
        return Row(named, encode(records.record(raw, named[0])), None)

    return Reader(key, row)


_Level: Any = msgspec.defstruct(
    "_Level",
    [
        ("productId", str),
        ("available", int | None, None),
        ("incoming", int | None, None),
        ("reserved", int | None, None),
        ("updatedAt", str | None, None),
    ],
    forbid_unknown_fields=True,
)
_Item: Any = msgspec.defstruct(
    "_Item", [("warehouseId", str), ("level", _Level)], forbid_unknown_fields=True
)
_LevelKey: Any = msgspec.defstruct("_LevelKey", [("productId", str)])
_ItemKey: Any = msgspec.defstruct("_ItemKey", [("warehouseId", str), ("level", _LevelKey)])
_Line: Any = msgspec.defstruct(
    "_Line",
    [
        ("warehouse_id", str),
        ("product_id", str),
        ("available", int | None),
        ("incoming", int | None),
        ("reserved", int | None),
        ("updated_at", str | None),
    ],
)
_items: Any = msgspec.json.Decoder(list[_Item])
_item_keys: Any = msgspec.json.Decoder(list[_ItemKey])
_NOT_PLAIN = (msgspec.DecodeError, UnicodeError, ValueError, OverflowError)


class ItemReader(Reader[Row]):
    """Rows of `items`: there can be very many, so the documented form is read by compiled code."""

    def __init__(self) -> None:
        super().__init__(_item_key, self._slowly)
        self._records = Records(ItemRecord, stream=ITEMS, wire=_in_item)

    def keys(self, piece: bytes) -> Iterator[Hashable]:
        """The primary key of each item."""
        try:
            keys = [_key(item) for item in _item_keys.decode(piece)]
        except _NOT_PLAIN:
            return super().keys(piece)
        return iter(keys)

    def rows(self, piece: bytes) -> Iterator[Row]:
        """Each item as a record, `level` beside `warehouse_id`."""
        try:
            rows = [_quickly(item) for item in _items.decode(piece)]
        except _NOT_PLAIN:
            return super().rows(piece)
        return iter(rows)

    def _slowly(self, raw: Any) -> Row:
        key = _item_key(raw)
        self._records.leave_out(raw.keys() - {"warehouseId", "level"})
        level = {f"level.{name}": value for name, value in raw["level"].items()}
        record = self._records.record({"warehouseId": key[0], **level}, ", ".join(key))
        moment = values.moment(level.get("level.updatedAt"), "level.updatedAt")
        return Row(key, encode(record), moment)


def _in_item(name: str) -> str:
    return "warehouseId" if name == "warehouse_id" else f"level.{camel(name)}"


def _item_key(raw: Any) -> tuple[str, str]:
    if not isinstance(raw, dict):
        raise Malformed("a row is not an object")
    level, warehouse = raw.get("level"), raw.get("warehouseId")
    if not isinstance(level, dict):
        state = "missing" if level is None else "no object"
        raise Malformed(
            f"level is {state} in the item with warehouseId {one_line(repr(warehouse))}"
        )
    product = key_of({**level, "warehouseId": warehouse}, "productId", "warehouseId")
    return key_of({**raw, "productId": product}, "warehouseId", "productId"), product


def _key(item: Any) -> tuple[str, str]:
    key = (item.warehouseId, item.level.productId)
    if not all(key):
        raise ValueError("the other way says which part is empty")
    return key


def _quickly(item: Any) -> Row:
    key, level = _key(item), item.level
    text = level.updatedAt
    moment = times.parse(text) if text else None
    updated = None if moment is None else stamp(text, moment)
    line = _Line(*key, level.available, level.incoming, level.reserved, updated)
    return Row(key, encode(line), moment)


# ---- levels --------------------------------------------------------------------------------------


class Named(NamedTuple):
    """What a level needs to know of a product or, without an SKU, of a warehouse."""

    id: str
    sku: str | None
    name: str | None


_Label: Any = msgspec.defstruct(
    "_Label", [("id", str), ("sku", str | None, None), ("name", str | None, None)]
)
_labels: Any = msgspec.json.Decoder(list[_Label])


def named(piece: bytes) -> Iterator[Named]:
    """Each product or warehouse of a JSON list.

    Raises:
        Malformed: it has no id, or its SKU or name is no text.
    """
    try:
        labels = [Named(one.id, one.sku, one.name) for one in _labels.decode(piece)]
    except _NOT_PLAIN:
        return map(_named_slowly, loads(piece))
    return iter(labels)


def _named_slowly(raw: Any) -> Named:
    key = key_of(raw, "id", "name")
    try:
        return Named(key, values.text(raw.get("sku"), "sku"), values.text(raw.get("name"), "name"))
    except Malformed as error:
        raise Malformed(f"row {one_line(key)}: {error.message}") from None


class Levels:
    """The levels of one read of `items` ("Level Object").

    `product` finds a product by its id, `places` has the names of the warehouses.
    """

    def __init__(
        self, product: Callable[[str], Named | None], places: Mapping[str, str | None]
    ) -> None:
        self._product, self._places = product, places
        self._unknown = 0
        self._example = ""
        self._has_said = False

    def of(self, record: Record) -> tuple[Level]:
        """The level of an item, also of a product that the list of products does not have."""
        key, warehouse = record["product_id"], record["warehouse_id"]
        product = self._product(key)
        if product is None:
            self._unknown += 1
            self._example = self._example or key
        level = Level(
            warehouse,
            self._places.get(warehouse),
            sku=(product.sku or "") if product else "",
            provider_item_id=key,
            product_name=product.name if product else None,
            available=record["available"],
            reserved=self._reserved(record["reserved"], key),
            incoming=record["incoming"],
            updated_at=record["updated_at"],
        )
        return (level,)

    def _reserved(self, raw: Number | None, key: str) -> Number | None:
        """Units; the provider's own examples have them negative, or 0."""
        if raw is None or raw > 0:
            if raw and not self._has_said:
                self._has_said = True
                told = "%s: reserved is above 0, such as of product %s; in levels it stays as it is"
                LOG.warning(told, ITEMS, one_line(key))
            return raw
        return opposite(raw)

    def report(self) -> None:
        """Say of how many items the product is not known."""
        if self._unknown:
            LOG.warning(
                "%s: %d items have a product id that is not in the list of products, such as %s; "
                "their levels have it for a SKU",
                ITEMS,
                self._unknown,
                one_line(self._example),
            )
