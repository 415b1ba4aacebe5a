"""What `inventory_levels` has to say of a sandbox's stock, reckoned from the wire rows alone.

Written from the providers' documents and apart from the code that reads them: nothing of a room's
client is imported here, so that no mistake can be made twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from inventory_providers.sandbox.room import Key, Row

    Rows = Callable[[str], Mapping[Key, Row]]
    Settings = Mapping[str, Any]
    Place = tuple[str, str, str]
    Values = dict[str, Any]
    Levels = dict[Key, Values]

STREAM = "inventory_levels"
KEY = ("provider", "account", "location_id", "sku", "provider_item_id")
QUANTITIES = ("on_hand", "available", "reserved", "incoming", "backordered")
VALUES = ("location_name", "product_name", *QUANTITIES, "updated_at", "source_stream")
PROPERTIES = {*KEY, *VALUES, "observed_at"}

SOURCES = {
    "sostocked": "sostocked_warehouse_inventory",
    "s2": "s2_inventory_items",
    "shipstream": "shipstream_inventory_detailed",
    "deconetwork": "deconetwork_inventory",
    "amazon_fba": "amazon_fba_inventory_summaries",
}


def expected(provider: str, rows: Rows, settings: Settings) -> Levels:
    """The levels of what a provider has to deliver now, by key.

    `rows` gives the wire rows of a stream by that stream's key, as `SandboxRoom.rows` does.
    """
    account = str(settings.get("account") or _ACCOUNTS[provider](settings))
    return {
        (provider, account, *place): dict.fromkeys(VALUES) | values | _source(provider)
        for place, values in _MADE[provider](rows, settings)
    }


def _source(provider: str) -> Values:
    return {"source_stream": SOURCES[provider]}


def told(record: Row) -> tuple[Key, Values]:
    """The key of a record that came, and its values as `expected` has them."""
    values = {name: record[name] for name in VALUES}
    quantities = {name: number(values[name]) for name in QUANTITIES}
    return key_of(record), values | quantities | {"updated_at": instant(values["updated_at"])}


def key_of(record: Row) -> Key:
    """The key of a record that came."""
    return tuple(record[name] for name in KEY)


def number(value: Any) -> Decimal | None:
    """A quantity in any of the forms in which they are sent; None where there is none."""
    try:
        found = Decimal(str(value).replace(",", ""))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def instant(text: str | None) -> datetime | None:
    """A moment; without a zone it is meant in UTC."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _whole(parts: Iterable[Decimal | None]) -> Decimal | None:
    """A sum; of parts that are not all known there is none."""
    total = Decimal(0)
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _host(settings: Settings) -> str:
    return urlsplit(settings["api_url"]).netloc.lower()


# ---- DecoNetwork ---------------------------------------------------------------------------------


def _deconetwork(rows: Rows, settings: Settings) -> Iterator[tuple[Place, Values]]:
    """`inv_lvl` is "the inventory on hand amount", and means nothing where it is not tracked."""
    for row in rows(SOURCES["deconetwork"]).values():
        counted = number(row.get("inv_lvl")) if row.get("inv_on") is True else None
        yield (
            (_host(settings), row.get("sku") or row["dn_sku_id"], row["dn_sku_id"]),
            {
                "product_name": row.get("product_name"),
                "on_hand": counted,
                "available": counted,
                "incoming": number(row.get("inv_on_order_total")),
                "updated_at": instant(row.get("inv_last_modified")),
            },
        )


# ---- ShipStream ----------------------------------------------------------------------------------

_SUMS = "0"
_PROMISED = ("qty_allocated", "qty_reserved", "qty_picked")
_THERE = ("qty_processed", "qty_putaway", "qty_available", *_PROMISED)


def _shipstream(rows: Rows, settings: Settings) -> Iterator[tuple[Place, Values]]:
    for row in rows(SOURCES["shipstream"]).values():
        sku = row["sku"]
        whole = _shipped(row) | {"backordered": number(row.get("qty_backordered"))}
        yield (_SUMS, sku, sku), whole
        for warehouse, entry in _warehouses(row.get("detailed")):
            yield (warehouse, sku, sku), _shipped(entry)


def _warehouses(detailed: Any) -> Iterator[tuple[str, Row]]:
    """The entries that can be told apart: from each other, and from the row of sums."""
    entries = detailed if isinstance(detailed, list) else []
    names = [_warehouse(entry) for entry in entries]
    for name, entry in zip(names, entries, strict=True):
        if name not in {"", _SUMS} and names.count(name) == 1:
            yield name, entry


def _warehouse(entry: Row) -> str:
    number_or_text = entry.get("warehouse_id")
    return "" if number_or_text is None else str(number_or_text)


def _shipped(row: Row) -> Values:
    expected_now = row["qty_expected"] if "qty_expected" in row else row.get("qty_unreceived")
    on_hand = number(row.get("qty_on_hand"))
    return {
        "on_hand": _quantity_of(row, _THERE) if on_hand is None else on_hand,
        "available": number(row.get("qty_available")),
        "reserved": _quantity_of(row, _PROMISED),
        "incoming": number(expected_now),
    }


def _quantity_of(row: Row, names: Iterable[str]) -> Decimal | None:
    return _whole(number(row.get(name)) for name in names)


# ---- Amazon --------------------------------------------------------------------------------------

_INBOUND = ("inboundWorkingQuantity", "inboundShippedQuantity", "inboundReceivingQuantity")


def _amazon_fba(rows: Rows, settings: Settings) -> Iterator[tuple[Place, Values]]:
    """`totalQuantity` counts the units in inbound shipments too."""
    for (marketplace, sku), row in rows(SOURCES["amazon_fba"]).items():
        details = row.get("inventoryDetails") or {}
        reserved = details.get("reservedQuantity") or {}
        incoming = _quantity_of(details, _INBOUND)
        total = number(row.get("totalQuantity"))
        yield (
            (marketplace, sku, row.get("fnSku") or sku),
            {
                "product_name": row.get("productName"),
                "on_hand": None if None in {total, incoming} else _less(total, incoming),
                "available": number(details.get("fulfillableQuantity")),
                "reserved": number(reserved.get("totalReservedQuantity")),
                "incoming": incoming,
                "updated_at": instant(row.get("lastUpdatedTime")),
            },
        )


def _less(total: Decimal | None, part: Decimal | None) -> Decimal:
    assert total is not None
    assert part is not None
    return total - part


# ---- S2 ------------------------------------------------------------------------------------------


def _s2(rows: Rows, settings: Settings) -> Iterator[tuple[Place, Values]]:
    """An item names a warehouse and a product; the product need not be in the list."""
    products = {row["id"]: row for row in rows("s2_products").values()}
    warehouses = {row["id"]: row for row in rows("s2_warehouses").values()}
    for row in rows(SOURCES["s2"]).values():
        level = row["level"]
        product = products.get(level["productId"], {})
        reserved = number(level.get("reserved"))
        yield (
            (row["warehouseId"], product.get("sku") or level["productId"], level["productId"]),
            {
                "location_name": warehouses.get(row["warehouseId"], {}).get("name"),
                "product_name": product.get("name"),
                "available": number(level.get("available")),
                "reserved": None if reserved is None else abs(reserved),
                "incoming": number(level.get("incoming")),
                "updated_at": instant(level.get("updatedAt")),
            },
        )


# ---- SoStocked -----------------------------------------------------------------------------------

# What names a product, besides its SKU: that of the stream's key first.
_IDS = ("area_asins", "area_fn_skus", "area_skus")


def _sostocked(rows: Rows, settings: Settings) -> Iterator[tuple[Place, Values]]:
    """A product is in a warehouse once, however many markets it is sold in."""
    found: dict[Place, Values] = {}
    quantities: dict[Place, set[Decimal]] = {}
    for row in rows(SOURCES["sostocked"]).values():
        item = next((row[name] for name in _IDS if row.get(name)), "")
        place = (row.get("warehouse") or "all", row.get("area_skus") or item, item)
        counted = number(row.get("warehouses"))
        found[place] = {
            "location_name": row.get("warehouse") or None,
            "product_name": row.get("product_name"),
        }
        quantities.setdefault(place, set()).update([] if counted is None else [counted])
    for place, values in found.items():
        (on_hand,) = quantities[place] if len(quantities[place]) == 1 else {None}
        yield place, values | {"on_hand": on_hand}


_MADE: dict[str, Callable[[Rows, Settings], Iterator[tuple[Place, Values]]]] = {
    "sostocked": _sostocked,
    "s2": _s2,
    "shipstream": _shipstream,
    "deconetwork": _deconetwork,
    "amazon_fba": _amazon_fba,
}

_ACCOUNTS: dict[str, Callable[[Settings], str]] = {
    "sostocked": lambda settings: settings["account_id"],
    "s2": lambda settings: settings.get("organization_id") or _host(settings),
    "shipstream": lambda settings: f"{settings['username']}@{_host(settings)}",
    "deconetwork": _host,
    "amazon_fba": lambda settings: settings["client_id"],
}
