"""What Amazon's document says of an inventory summary, and how one becomes a record.

Source: "FBA Inventory API v1 Reference", section "Definitions"; in the model of the same API under
`definitions`. Every property there is optional, and `inventoryDetails.futureSupplyQuantity`, which
stands in no document, is really sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from inventory_providers import times, values
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import NotJson, dumps, loads
from inventory_providers.levels import Level, opposite, total
from inventory_providers.records import Number, camel

if TYPE_CHECKING:
    from inventory_providers.contract import Record


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReservedQuantity(_Part):
    """The quantity of reserved inventory."""

    total_reserved_quantity: Number | None = Field(
        description=(
            "The total number of units in Amazon's fulfillment network that are currently being "
            "picked, packed, and shipped; or are sidelined for measurement, sampling, or other "
            "internal processes."
        )
    )
    pending_customer_order_quantity: Number | None = Field(
        description="The number of units reserved for customer orders."
    )
    pending_transshipment_quantity: Number | None = Field(
        description=(
            "The number of units being transferred from one fulfillment center to another."
        )
    )
    fc_processing_quantity: Number | None = Field(
        description=(
            "The number of units that have been sidelined at the fulfillment center for additional "
            "processing."
        )
    )


class ResearchingQuantityEntry(_Part):
    """Inventory that is being confirmed, by how long that takes."""

    name: str | None = Field(
        description=(
            "The duration of the research: researchingQuantityInShortTerm for 1-10 days, "
            "researchingQuantityInMidTerm for 11-20 days, researchingQuantityInLongTerm for 21 "
            "days or longer."
        )
    )
    quantity: Number | None = Field(description="The number of units.")


class ResearchingQuantity(_Part):
    """Misplaced or warehouse damaged units that are being confirmed."""

    total_researching_quantity: Number | None = Field(
        description=(
            "The total number of units currently being researched in Amazon's fulfillment network."
        )
    )
    researching_quantity_breakdown: list[ResearchingQuantityEntry] | None = Field(
        description="A list of quantity details for items currently being researched."
    )


class UnfulfillableQuantity(_Part):
    """The quantity of unfulfillable inventory."""

    total_unfulfillable_quantity: Number | None = Field(
        description=(
            "The total number of units in Amazon's fulfillment network in unsellable condition."
        )
    )
    customer_damaged_quantity: Number | None = Field(
        description="The number of units in customer damaged disposition."
    )
    warehouse_damaged_quantity: Number | None = Field(
        description="The number of units in warehouse damaged disposition."
    )
    distributor_damaged_quantity: Number | None = Field(
        description="The number of units in distributor damaged disposition."
    )
    carrier_damaged_quantity: Number | None = Field(
        description="The number of units in carrier damaged disposition."
    )
    defective_quantity: Number | None = Field(
        description="The number of units in defective disposition."
    )
    expired_quantity: Number | None = Field(
        description="The number of units in expired disposition."
    )


class FutureSupplyQuantity(_Part):
    """Units that can be ordered before they have arrived. In no document, but sent."""

    reserved_future_supply_quantity: Number | None = Field(
        description="Units of the future supply that are reserved for customer orders."
    )
    future_supply_buyable_quantity: Number | None = Field(
        description="Units of the future supply that can still be bought."
    )


class InventoryDetails(_Part):
    """Summarized inventory details."""

    fulfillable_quantity: Number | None = Field(
        description="The item quantity that can be picked, packed, and shipped."
    )
    inbound_working_quantity: Number | None = Field(
        description=(
            "The number of units in an inbound shipment for which you have notified Amazon."
        )
    )
    inbound_shipped_quantity: Number | None = Field(
        description=(
            "The number of units in an inbound shipment that you have notified Amazon about and "
            "have provided a tracking number."
        )
    )
    inbound_receiving_quantity: Number | None = Field(
        description=(
            "The number of units that have not yet been received at an Amazon fulfillment center "
            "for processing, but are part of an inbound shipment with some units that have already "
            "been received and processed."
        )
    )
    reserved_quantity: ReservedQuantity | None = Field(
        description="The quantity of reserved inventory."
    )
    researching_quantity: ResearchingQuantity | None = Field(
        description=(
            "The number of misplaced or warehouse damaged units that are actively being confirmed "
            "at our fulfillment centers."
        )
    )
    unfulfillable_quantity: UnfulfillableQuantity | None = Field(
        description="The quantity of unfulfillable inventory."
    )
    future_supply_quantity: FutureSupplyQuantity | None = Field(
        description=(
            "Units that can be ordered before they have arrived. In no document of the provider, "
            "but sent in some rows."
        )
    )


class InventorySummary(_Part):
    """Inventory summary for a specific item, as the provider sends it."""

    asin: str | None = Field(
        description="The Amazon Standard Identification Number (ASIN) of an item. Not unique."
    )
    fn_sku: str | None = Field(
        description="Amazon's fulfillment network SKU identifier. Not unique, and may change."
    )
    seller_sku: str = Field(description="The seller SKU of the item.")
    condition: str | None = Field(
        description="The condition of the item as described by the seller (for example, NewItem)."
    )
    inventory_details: InventoryDetails | None = Field(description="Summarized inventory details.")
    last_updated_time: datetime | None = Field(
        description=(
            "The date and time that any quantity was last updated. Null for an item never touched."
        )
    )
    product_name: str | None = Field(
        description=(
            "The localized language product title of the item within the specific marketplace."
        )
    )
    total_quantity: Number | None = Field(
        description=(
            "The total number of units in an inbound shipment or in Amazon fulfillment centers. "
            "Sellable is inventory_details.fulfillable_quantity."
        )
    )
    stores: list[str] | None = Field(
        description="A list of seller-enrolled stores that apply to this seller SKU."
    )


class MarketplaceSummary(InventorySummary):
    """An inventory summary with the marketplace that it was asked for."""

    marketplace_id: str = Field(description="The marketplace that was asked for.")
    granularity_type: str | None = Field(
        description="The granularity type for the inventory aggregation level: Marketplace."
    )
    granularity_id: str | None = Field(
        description="The granularity ID for the granularity type: the marketplace ID."
    )


class SummaryRecord(MarketplaceSummary):
    """An inventory summary as it is emitted."""

    synced_at: datetime | None = Field(
        description="When the read of this marketplace began, in UTC; the same in all its rows."
    )


# ---- rows ----------------------------------------------------------------------------------------


class Place(NamedTuple):
    """What an answer says that its rows are about."""

    marketplace: str
    kind: str | None
    id: str | None


class Row(NamedTuple):
    """One row. `line` lacks only `synced_at`; `label` is what a row of the same key shares.

    `unknown` are the paths of what it holds and the document does not name.
    """

    line: bytes
    label: tuple[str | None, str | None]
    unknown: frozenset[str] = frozenset()


_Reader = Callable[[Any, str], Any]


class _Object:
    """Reads one object of the document into the properties of its model."""

    def __init__(self, model: type[BaseModel], path: str = "") -> None:
        self._fields: list[tuple[str, str, str, _Reader]] = []
        for name, field in model.model_fields.items():
            wire = camel(name)
            self._fields.append((wire, name, path + wire, _reader(field.annotation, path + wire)))
        self._names = frozenset(wire for wire, *_ in self._fields)
        self._path = path

    def __call__(self, value: Any, name: str) -> dict[str, Any] | None:
        """Every property of the model, null where it was not sent."""
        raw = values.part(value, name)
        if raw is None:
            return None
        return {key: read(raw.get(wire), path) for wire, key, path, read in self._fields}

    def unknown(self, value: Any) -> Iterator[str]:
        """The paths of what is sent and not documented."""
        if isinstance(value, dict):
            yield from (self._path + name for name in value.keys() - self._names)
            for wire, _, _, read in self._fields:
                if isinstance(read, _Object | _List):
                    yield from read.unknown(value.get(wire))


class _List:
    """Reads an array of the document, element by element."""

    def __init__(self, read: _Reader) -> None:
        self._read = read

    def __call__(self, value: Any, name: str) -> list[Any] | None:
        """The elements in their order."""
        if value is None:
            return None
        if not isinstance(value, list):
            kind = type(value).__name__
            raise Malformed(f"{name} is {kind} where a list is documented")
        return [self._read(element, name) for element in value]

    def unknown(self, value: Any) -> Iterator[str]:
        """As for an object, of every element."""
        if isinstance(value, list) and isinstance(self._read, _Object):
            for element in value:
                yield from self._read.unknown(element)


def _reader(annotation: Any, path: str) -> _Reader:
    options = [one for one in get_args(annotation) if one is not NoneType]
    if Decimal in options:
        return values.number
    only = options[0] if options and get_origin(annotation) is not list else annotation
    if get_origin(only) is list:
        return _List(_reader(get_args(only)[0], path))
    if only is datetime:
        return _moment
    return values.text if only is str else _Object(only, f"{path}.")


def _moment(value: Any, name: str) -> str | None:
    moment = values.moment(value, name)
    return None if moment is None else times.rfc3339(moment)


_SUMMARY = _Object(InventorySummary)


def key_of(raw: Any) -> str | None:
    """The row's `sellerSku`, or None where it has none that can be a key."""
    key = raw.get("sellerSku") if isinstance(raw, dict) else None
    return key if isinstance(key, str) and key else None


def level_of(raw: dict[str, Any]) -> dict[str, Any]:
    """The live values of a row that the target compares; None is what was not sent, never 0.

    Raises:
        Malformed: a value cannot be carried over; the message names the row and the property.
    """
    try:
        details = values.part(raw.get("inventoryDetails"), "inventoryDetails") or {}
        name = "inventoryDetails.fulfillableQuantity"
        return {
            "fulfillable_quantity": values.number(details.get("fulfillableQuantity"), name),
            "total_quantity": values.number(raw.get("totalQuantity"), "totalQuantity"),
            "last_updated_time": _moment(raw.get("lastUpdatedTime"), "lastUpdatedTime"),
        }
    except Malformed as error:
        raise _in_row(raw, error) from None


def described(raw: Any) -> str:
    """A row without a key, for a message."""
    if not isinstance(raw, dict):
        return f"{type(raw).__name__}, no object"
    return values.one_line(f"asin {raw.get('asin')}, fnSku {raw.get('fnSku')}")


def to_row(raw: dict[str, Any], place: Place) -> Row:
    """A summary as a record: every documented property, null where it was not sent.

    Raises:
        Malformed: a value cannot be carried over; the message names the row and the property.
    """
    try:
        return _to_row_fast(raw, place)
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError, Malformed):
        return _to_row_slowly(raw, place)


def _struct(model: type[BaseModel], *, sent: bool) -> Any:
    """A model as compiled code: as it is `sent`, or as it is emitted; all values may be missing."""
    fields = [
        (name, _struct_type(field.annotation, sent=sent) | None, None)
        for name, field in model.model_fields.items()
    ]
    if sent:
        return msgspec.defstruct(model.__name__, fields, rename=camel, forbid_unknown_fields=True)
    return msgspec.defstruct(model.__name__, fields)


def _struct_type(annotation: Any, *, sent: bool) -> Any:
    options = [one for one in get_args(annotation) if one is not NoneType]
    if Decimal in options:
        return int
    only = options[0] if options and get_origin(annotation) is not list else annotation
    if get_origin(only) is list:
        return list[_struct_type(get_args(only)[0], sent=sent) | None]  # type: ignore[misc]
    return str if only in {str, datetime} else _struct(only, sent=sent)


# A row whose values all have the documented type, and none that is not documented.
_SENT = _struct(InventorySummary, sent=True)
_EMITTED = _struct(MarketplaceSummary, sent=False)


def _to_row_fast(raw: dict[str, Any], place: Place) -> Row:
    """The same as below for a row that needs no conversions but that of its time."""
    row = msgspec.convert(msgspec.convert(raw, _SENT), _EMITTED, from_attributes=True)
    row.last_updated_time = _moment(row.last_updated_time, "lastUpdatedTime")
    row.marketplace_id = place.marketplace
    row.granularity_type, row.granularity_id = place.kind, place.id
    return Row(msgspec.json.encode(row), (row.fn_sku, row.condition))


def _to_row_slowly(raw: dict[str, Any], place: Place) -> Row:
    """For every other form, and to say what is wrong with a row."""
    try:
        record = _SUMMARY(raw, "the row")
    except Malformed as error:
        raise _in_row(raw, error) from None
    assert record is not None
    record["marketplace_id"] = place.marketplace
    record["granularity_type"], record["granularity_id"] = place.kind, place.id
    label = (record["fn_sku"], record["condition"])
    return Row(dumps(record), label, frozenset(_SUMMARY.unknown(raw)))


def _in_row(raw: dict[str, Any], error: Malformed) -> Malformed:
    return Malformed(f"row {values.one_line(raw['sellerSku'])}: {error.message}")


# ---- levels --------------------------------------------------------------------------------------

_INBOUND = ("inbound_working_quantity", "inbound_shipped_quantity", "inbound_receiving_quantity")


def to_level(record: Record) -> Level:
    """What a record says of its SKU in its marketplace ("InventorySummary", "InventoryDetails").

    `total_quantity` counts what is inbound; what is left without it is on hand, also where it
    cannot be sold.

    Raises:
        Malformed: a sum cannot be told exactly.
    """
    details = record["inventory_details"] or {}
    sku = record["seller_sku"]
    try:
        incoming = total([details.get(name) for name in _INBOUND])
        on_hand = total([record["total_quantity"], opposite(incoming)])
    except Malformed as error:
        raise Malformed(f"row {values.one_line(sku)}: {error.message}") from None
    return Level(
        record["marketplace_id"],
        sku=sku,
        provider_item_id=record["fn_sku"] or sku,
        product_name=record["product_name"],
        on_hand=on_hand,
        available=details.get("fulfillable_quantity"),
        reserved=(details.get("reserved_quantity") or {}).get("total_reserved_quantity"),
        incoming=incoming,
        updated_at=record["last_updated_time"],
    )


# ---- answers -------------------------------------------------------------------------------------


class Failure(NamedTuple):
    """`errors` of an answer: their codes, their `details`, and all of it for a message."""

    codes: tuple[str, ...]
    details: str
    words: str


def failure(document: Any) -> Failure | None:
    """What an answer says went wrong ("ErrorList"), or None where it says nothing of the kind."""
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return None
    said = [error for error in errors if isinstance(error, dict) and error.get("code")]
    if not said:
        return None
    return Failure(
        tuple(str(error["code"]) for error in said),
        " ".join(str(error.get("details") or "") for error in said),
        values.one_line("; ".join(_words(error) for error in said)),
    )


def failure_of(body: bytes) -> Failure | None:
    """The same from the body of an answer, which may be anything."""
    try:
        return failure(loads(body))
    except NotJson:
        return None


def _words(error: dict[str, Any]) -> str:
    parts = (str(error.get(name) or "") for name in ("message", "details"))
    return f"{error['code']}: {' '.join(part for part in parts if part)}".removesuffix(": ")
