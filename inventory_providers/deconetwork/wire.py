"""What DecoNetwork's document says of a row, and how a row becomes a record or a level.

Source: "Inventory Management", section "Inventory", its response example and schema. The schema
there is made from the example (every field has an `enum` of one value) and is not used as such.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from inventory_providers import times, values
from inventory_providers.contract import Wish
from inventory_providers.errors import Malformed, Rejected
from inventory_providers.jsonio import dumps
from inventory_providers.levels import Level

if TYPE_CHECKING:
    from inventory_providers.contract import Change, Record

Number = int | Decimal


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ProductSize(_Part):
    """The blank product's size."""

    option_id: str | None = Field(description="The id of the product size option.")
    name: str | None = Field(description="The option label.")
    code: str | None = Field(description="The option value.")
    sub_sizes: str | None = Field(
        description=(
            "The chosen sub sizes if the size has sub options: a JSON list as text, since the "
            "document does not say what its objects look like."
        )
    )


class ProductColor(_Part):
    """The blank product's color."""

    id: str | None = Field(description="The id of the product color.")
    name: str | None = Field(description="The name of the product color.")


class InventoryRecord(_Part):
    """Stock of one SKU (a product in one size and color) in the site."""

    product_id: str | None = Field(description="The product id.")
    product_code: str | None = Field(description="The product code.")
    product_name: str | None = Field(description="The product name.")
    supplier: str | None = Field(description="The product supplier.")
    sku: str | None = Field(description="The SKU code of the product. Not unique, may be empty.")
    vendor_sku: str | None = Field(description="The vendor's SKU code.")
    dn_sku_id: str = Field(description="The unique DecoNetwork identifier for the SKU.")
    dn_vsku_id: str | None = Field(
        description="The unique DecoNetwork identifier for the vendor SKU."
    )
    product_size: ProductSize | None = Field(description="The blank product's size.")
    product_color: ProductColor | None = Field(description="The blank product's color.")
    inv_on: bool | None = Field(
        description="True if inventory tracking is on for this SKU; if not, inv_lvl means nothing."
    )
    inv_lvl: Number | None = Field(
        description="The inventory on hand amount. Negative when oversold."
    )
    inv_warn: Number | None = Field(description="The inventory low stock warning amount.")
    inv_reorder_to: Number | None = Field(description="The inventory reorder to level amount.")
    inv_on_order_po: Number | None = Field(
        description=(
            "The amount that is currently on order via purchase orders to be allocated to orders."
        )
    )
    inv_on_order_stk: Number | None = Field(
        description=(
            "The amount that is currently on order via purchase orders to be allocated to stock."
        )
    )
    inv_on_order_total: Number | None = Field(
        description="The total amount that is currently on order via purchase orders for this SKU."
    )
    inv_last_modified: datetime | None = Field(
        description="When the inventory was last modified, in UTC. Null for a SKU never touched."
    )


DOCUMENTED = frozenset(InventoryRecord.model_fields)

_NAMES = tuple(InventoryRecord.model_fields)
_TEXTS = (
    "product_id",
    "product_code",
    "product_name",
    "supplier",
    "sku",
    "vendor_sku",
    "dn_vsku_id",
)
_QUANTITIES = (
    "inv_lvl",
    "inv_warn",
    "inv_reorder_to",
    "inv_on_order_po",
    "inv_on_order_stk",
    "inv_on_order_total",
)


class Row(NamedTuple):
    """One row as it will be emitted."""

    key: str
    line: bytes
    modified: datetime | None


def key_of(row: Any) -> str:
    """The row's `dn_sku_id`.

    Raises:
        Malformed: it is missing, null, empty or no text; the message says which row.
    """
    if not isinstance(row, dict):
        raise Malformed("a row is not an object")
    key = row.get("dn_sku_id", ...)
    if isinstance(key, str) and key:
        return key
    state = "missing" if key is ... else "empty" if key is None or key == "" else "not text"
    raise Malformed(f"dn_sku_id is {state} in the row with product_id {row.get('product_id')!r}")


_Id = int | str | None
_Size = msgspec.defstruct(
    "_Size",
    [
        ("option_id", _Id, None),
        ("name", str | None, None),
        ("code", str | None, None),
        ("sub_sizes", list[Any] | None, None),
    ],
)
_Color = msgspec.defstruct("_Color", [("id", _Id, None), ("name", str | None, None)])
_PARTS: dict[str, Any] = {
    "product_size": _Size | None,
    "product_color": _Color | None,
    "inv_on": bool | None,
} | dict.fromkeys(_QUANTITIES, int | None)
# A row whose values all have the documented type, checked by compiled code. The order of the
# fields is that of the record.
_Exact = msgspec.defstruct(
    "_Exact", [(name, _PARTS.get(name, str | None), None) for name in _NAMES]
)


def to_row(raw: Any) -> Row:
    """A row of the answer as a record: every documented property, null where it was not sent.

    Raises:
        Malformed: a value cannot be carried over; the message names the row and the property.
    """
    try:
        return _to_row_fast(msgspec.convert(raw, _Exact))
    except (msgspec.ValidationError, UnicodeEncodeError, ValueError, OverflowError):
        return _to_row_slowly(raw)


def _to_row_fast(row: Any) -> Row:
    """The same as below for a row that needs no conversions but these."""
    key, date, size, color = (
        row.dn_sku_id,
        row.inv_last_modified,
        row.product_size,
        row.product_color,
    )
    if not key:
        raise ValueError
    modified = times.parse(date) if date else None
    if modified is not None and date is not None:
        # The documented form needs only its zone.
        documented = len(date) == 19 and date[10] == "T"
        row.inv_last_modified = date + "Z" if documented else times.rfc3339(modified)
    else:
        row.inv_last_modified = None
    if size is not None:
        size.option_id = None if size.option_id is None else str(size.option_id)
        if size.sub_sizes is not None:
            size.sub_sizes = dumps(size.sub_sizes).decode() if size.sub_sizes else "[]"
    if color is not None:
        color.id = None if color.id is None else str(color.id)
    return Row(key, msgspec.json.encode(row), modified)


def _to_row_slowly(raw: Any) -> Row:
    """For every other form that is known to occur, and to say what is wrong with a row."""
    key = key_of(raw)
    record = {name: raw.get(name) for name in _NAMES}
    try:
        for name in _TEXTS:
            record[name] = values.text(record[name], name)
        for name in _QUANTITIES:
            record[name] = values.number(record[name], name)
        record["inv_on"] = values.boolean(record["inv_on"], "inv_on")
        record["product_size"] = _size(record["product_size"])
        record["product_color"] = _color(record["product_color"])
        modified = values.moment(record["inv_last_modified"], "inv_last_modified")
        record["inv_last_modified"] = None if modified is None else times.rfc3339(modified)
    except Malformed as error:
        raise Malformed(f"row {key}: {error.message}") from None
    return Row(key, dumps(record), modified)


def _size(raw: Any) -> Record | None:
    size = values.part(raw, "product_size")
    if size is None:
        return None
    sub_sizes = size.get("sub_sizes")
    return {
        "option_id": values.text(size.get("option_id"), "product_size.option_id"),
        "name": values.text(size.get("name"), "product_size.name"),
        "code": values.text(size.get("code"), "product_size.code"),
        "sub_sizes": None if sub_sizes is None else dumps(sub_sizes).decode(),
    }


def _color(raw: Any) -> Record | None:
    color = values.part(raw, "product_color")
    if color is None:
        return None
    return {
        "id": values.text(color.get("id"), "product_color.id"),
        "name": values.text(color.get("name"), "product_color.name"),
    }


def to_level(record: Record, site: str) -> Level:
    """What a record says of the stock of its SKU ("Inventory"), in the one place that a site is.

    The document knows no reservation: all that is there can be sold.
    """
    units = record["inv_lvl"] if record["inv_on"] else None
    return Level(
        site,
        sku=record["sku"] or "",
        provider_item_id=record["dn_sku_id"],
        product_name=record["product_name"],
        on_hand=units,
        available=units,
        incoming=record["inv_on_order_total"],
        updated_at=record["inv_last_modified"],
    )


# The fields that `update` can set, in the document's order.
NUMBERS = ("inv_lvl", "inv_warn", "inv_reorder_to")
WRITABLE = ("inv_on", *NUMBERS)
OPERATOR = ("operator_id", "operator_login")


def level_of(raw: dict[str, Any]) -> dict[str, Any]:
    """The live values that a write can change."""
    level: dict[str, Any] = {"inv_on": values.boolean(raw.get("inv_on"), "inv_on")}
    level |= {name: values.number(raw.get(name), name) for name in NUMBERS}
    return level


def sku_of(raw: dict[str, Any]) -> str:
    """The SKU of a row; empty where it has none."""
    return values.text(raw.get("sku"), "sku") or ""


def to_wish(record: Record) -> Wish:
    """What an input record asks for.

    Fields that are not written are ignored, so the tap's own records are accepted. Null means:
    leave it. (Section "Update Inventory".)

    Raises:
        Rejected: no key, nothing to write, or a value that must never reach the provider.
    """
    key = record.get("dn_sku_id")
    if not isinstance(key, str) or not key.strip():
        raise Rejected("dn_sku_id is missing or no text")
    if not values.can_be_encoded(key):
        raise Rejected("dn_sku_id has a character that cannot be sent")
    fields: dict[str, Any] = {}
    if record.get("inv_on") is not None:
        fields["inv_on"] = _flag(record["inv_on"], "inv_on")
    for name in NUMBERS:
        if record.get(name) is not None:
            fields[name] = _quantity(record[name], name)
    if not fields:
        raise Rejected(f"nothing to write: none of {', '.join(WRITABLE)} is given")
    return Wish((key,), fields, expected=_expected(record), extra=_operator(record))


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Rejected(f"{name} must be true or false")
    return value


def _quantity(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Rejected(f"{name} must be a number")
    units = values.units(value)
    if units is None:
        raise Rejected(f"{name} must be a whole number of at most {values.MOST_UNITS}")
    return units


def check_change(change: Change) -> None:
    """Refuse to send a level below zero, or to guess `inv_on`, which every change has to say.

    A negative level that already stands there is no change.
    """
    level = {**(change.before or {}), **(change.after or {})}
    if change.fields and level.get("inv_on") is None:
        raise Rejected("whether tracking is on is not known at the provider: give inv_on")
    for name in change.fields:
        if name in NUMBERS and level[name] < 0:
            raise Rejected(f"{name} must not be negative")


def _expected(record: Record) -> dict[str, Any]:
    """`expected_inv_lvl`, and the same for the other fields that can be written."""
    given = {name: record.get(f"expected_{name}") for name in WRITABLE}
    expected = {name: value for name, value in given.items() if value is not None}
    for name, value in expected.items():
        if name == "inv_on":
            _flag(value, "expected_inv_on")
        elif isinstance(value, bool) or not isinstance(value, int | Decimal) or not _finite(value):
            raise Rejected(f"expected_{name} must be a number")
    return expected


def _finite(value: int | Decimal) -> bool:
    return Decimal(value).is_finite()


def _operator(record: Record) -> dict[str, str]:
    given = {name: record[name] for name in OPERATOR if record.get(name) is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
            raise Rejected(f"{name} must be an id or a login")
        if not values.can_be_encoded(str(value)):
            raise Rejected(f"{name} has a character that cannot be sent")
    return {name: str(value) for name, value in given.items()}
