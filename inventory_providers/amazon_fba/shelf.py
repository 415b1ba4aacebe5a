"""The goods behind the stand-in of Amazon: which SKU stands in which marketplace, and its summary.

It counts as a part of `sandbox.py` and keeps to the same wall.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.world import Variant

US = "ATVPDKIKX0DER"
CA = "A2EUQ1WTGCTBG2"
DE = "A1PA6795UKMFR9"
FR = "A13V1IB3VIYZZH"
# The marketplaces of a pool show one and the same stock.
POOLS = ((US, CA), (DE, FR))
MARKETPLACES = (*POOLS[0], *POOLS[1])

# What breaks an address that was put together carelessly.
AWKWARD_SKUS = (
    "two words",
    "comma,inside",
    "slash/inside",
    "percent%20inside",
    "plus+inside",
    "hash#inside",
    "ampersand&inside",
    "question?inside",
    "5\" x 7' frame",
    "Gr\u00f6\u00dfe-\u0141-\u8896",
    "trailing blank ",
    # POST to its address means another operation.
    "inventory",
)

INBOUND = ("inboundWorkingQuantity", "inboundShippedQuantity", "inboundReceivingQuantity")
TERMS = ("researchingQuantityInShortTerm", "researchingQuantityInMidTerm")
LONG_TERM = "researchingQuantityInLongTerm"

Place = tuple[str, int]


@dataclass(slots=True, eq=False)
class Item:
    """One SKU of one pool: every marketplace where it is listed shows this summary.

    `changed` is the time, in seconds since 1970, of the last change that the provider counts as
    one. `serial` tells rows of one SKU apart.
    """

    sku: str
    serial: int
    changed: float
    make: Callable[[], Row]
    kept: Row | None = None
    texts: dict[bool, bytes] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where it stands in a listing."""
        return (self.sku, self.serial)

    @property
    def row(self) -> Row:
        """Its summary with all details; the caller may do with it what it likes."""
        # Summaries are made when they are asked for: a large catalogue starts at once.
        return self.make() if self.kept is None else deepcopy(self.kept)

    def json(self, *, details: bool) -> bytes:
        """The summary as it is sent."""
        if details not in self.texts:
            self.texts[details] = encoded(self.row, details=details)
        return self.texts[details]

    def sell(self, now: float) -> None:
        """One less; where nothing is left, a delivery has come."""
        self.move(-1 if _available(self.row) > 0 else 24, now)

    def move(self, quantity: int, now: float) -> None:
        """Put so many more on stock, at this time."""
        row = self.row
        _raise(row, "totalQuantity", quantity)
        _raise(row.get("inventoryDetails"), "fulfillableQuantity", quantity)
        self._keep(row | {"lastUpdatedTime": time_text(now)})
        self.changed = now

    def ship(self, quantity: int) -> None:
        """Put so many more on their way; the provider does not count that as a change."""
        row = self.row
        _raise(row, "totalQuantity", quantity)
        _raise(row.get("inventoryDetails"), INBOUND[0], quantity)
        self._keep(row)

    def _keep(self, row: Row) -> None:
        self.kept = row
        self.texts = {}


class Listing:
    """The items of one marketplace in the order of their SKUs."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = sorted(items, key=_place)

    def add(self, item: Item) -> None:
        """Put an item in its place."""
        insort(self.items, item, key=_place)

    def remove(self, item: Item) -> None:
        """Take an item out, which must be there."""
        del self.items[bisect_left(self.items, item.place, key=_place)]

    def named(self, sku: str) -> list[Item]:
        """The rows of a SKU: one, none, or more when a test has put them there."""
        return self.items[bisect_left(self.items, (sku, 0), key=_place) : self._end(sku)]

    def index(self, after: Place) -> int:
        """The index of the first item that comes after a place."""
        return bisect_right(self.items, after, key=_place)

    def _end(self, sku: str) -> int:
        return bisect_right(self.items, sku, key=lambda item: item.sku)


class _Write(NamedTuple):
    """A write that reads do not show yet, and whether its SKU stands there when they do."""

    reads: int
    place: tuple[str, str]
    stands: bool
    apply: Callable[[], None]


class Shelf:
    """All marketplaces. A pool is stocked when it is first looked at.

    Writes take `lag`: so many reads, each told by `settle`, pass before they show.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._serial = size + len(AWKWARD_SKUS)
        self._created = 0
        self._listings: dict[str, Listing] = {}
        self._lagging: list[_Write] = []

    def __getitem__(self, marketplace: str) -> Listing:
        if marketplace not in self._listings:
            pool = next(number for number, pool in enumerate(POOLS) if marketplace in pool)
            self._listings |= _stocked(self._size, pool)
        return self._listings[marketplace]

    def where(self, item: Item) -> list[str]:
        """The marketplaces where an item is listed."""
        return [m for m, listing in self._listings.items() if item in listing.named(item.sku)]

    def add(self, row: Row, marketplaces: Iterable[str], now: float) -> Item:
        """List one more row, as it is, in these marketplaces; all of them share it."""
        self._serial += 1
        sku = row.get("sellerSku")
        text = sku if isinstance(sku, str) else ""
        item = Item(text, self._serial, now, partial(deepcopy, deepcopy(row)))
        for marketplace in marketplaces:
            self[marketplace].add(item)
        return item

    def remove(self, item: Item) -> None:
        """Take an item out of every marketplace."""
        for marketplace in self.where(item):
            self[marketplace].remove(item)

    def add_second_rows(self, count: int) -> list[Item]:
        """Give so many SKUs of the first marketplace another row, wherever they are listed."""
        first = [item for item in self[US].items if item.sku][:count]
        return [self._second(item, number) for number, item in enumerate(first)]

    def add_nameless_row(self, now: float) -> Item:
        """List a row without a SKU in the first marketplace."""
        row = self[US].items[0].row
        return self.add({n: v for n, v in row.items() if n != "sellerSku"}, [US], now)

    def stands(self, marketplace: str, sku: str) -> bool:
        """Whether a SKU is listed, for the next write; reads may lag behind."""
        for write in reversed(self._lagging):
            if write.place == (marketplace, sku):
                return write.stands
        return bool(self[marketplace].named(sku))

    def create(self, marketplace: str, sku: str, name: str | None, now: float, lag: int) -> None:
        """List a new SKU with nothing on stock.

        It is stocked for this marketplace alone, even where another one has a SKU of this name.
        """
        self._created += 1
        row = _new_row(sku, name, self._created, now)

        def apply() -> None:
            self.add(row, [marketplace], now)

        self._do(_Write(lag, (marketplace, sku), stands=True, apply=apply))

    def add_units(self, marketplace: str, sku: str, quantity: int, now: float, lag: int) -> None:
        """Put so many more of a SKU on stock, in the whole pool."""

        def apply() -> None:
            for item in self[marketplace].named(sku):
                item.move(quantity, now)

        self._do(_Write(lag, (marketplace, sku), stands=True, apply=apply))

    def delete(self, marketplace: str, sku: str, lag: int) -> None:
        """Take a SKU out of one marketplace; others of the pool keep it."""

        def apply() -> None:
            for item in self[marketplace].named(sku):
                self[marketplace].remove(item)

        self._do(_Write(lag, (marketplace, sku), stands=False, apply=apply))

    def settle(self) -> None:
        """One more read begins: show the writes whose time has come."""
        waiting, self._lagging = self._lagging, []
        for write in waiting:
            if write.reads:
                self._lagging.append(write._replace(reads=write.reads - 1))
            else:
                write.apply()

    def _do(self, write: _Write) -> None:
        # No write overtakes an earlier one.
        reads = max([write.reads, *(earlier.reads for earlier in self._lagging)])
        if reads or self._lagging:
            self._lagging.append(write._replace(reads=reads))
        else:
            write.apply()

    def _second(self, item: Item, number: int) -> Item:
        row = item.row | {"fnSku": f"X00ITWO{number:03}", "condition": "UsedVeryGood"}
        second = self.add(row, self.where(item), item.changed)
        second.move(7, item.changed)
        return second


def encoded(row: Row, *, details: bool) -> bytes:
    """A summary as it is sent; without details it has no `inventoryDetails` at all."""
    if not details:
        row = {name: value for name, value in row.items() if name != "inventoryDetails"}
    return json.dumps(row).encode()


def _new_row(sku: str, name: str | None, number: int, now: float) -> Row:
    """The summary of an item that has just been created, with nothing on stock."""
    row = _row(
        sku=sku,
        name=name or "",
        codes=(f"B0INEW{number:04}", f"X00INEW{number:03}"),
        details=_details(0, 0, 0),
        updated=time_text(now),
    )
    if name is None:
        del row["productName"]
    return row


def time_text(moment: float) -> str:
    """A time as the provider writes it."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _place(item: Item) -> Place:
    return item.place


def _available(row: Row) -> int:
    details = row.get("inventoryDetails")
    told = details.get("fulfillableQuantity") if isinstance(details, dict) else None
    value = row.get("totalQuantity") if told is None else told
    return value if isinstance(value, int) else 0


def _raise(holder: Any, name: str, quantity: int) -> None:
    # What is not known stays so: a missing quantity is not 0.
    if isinstance(holder, dict) and isinstance(holder.get(name), int):
        holder[name] += quantity


# The catalogue


def _stocked(size: int, pool: int) -> dict[str, Listing]:
    items: dict[str, list[Item]] = {marketplace: [] for marketplace in POOLS[pool]}
    for variant in variants(size):
        item = _item_of(variant, pool)
        for marketplace in _homes(variant.position, pool):
            items[marketplace].append(item)
    for number, sku in enumerate(AWKWARD_SKUS):
        item = _awkward(sku, number, size, pool)
        for marketplace in POOLS[pool]:
            items[marketplace].append(item)
    return {marketplace: Listing(found) for marketplace, found in items.items()}


def _homes(position: int, pool: int) -> tuple[str, ...]:
    """Every seventh SKU is sold in one marketplace only, in turn the first and the second."""
    if position % 7 != 6:
        return POOLS[pool]
    return (POOLS[pool][position // 7 % 2],)


def _item_of(variant: Variant, pool: int) -> Item:
    make = partial(_variant_row, variant, pool)
    return Item(variant.sku, variant.position, variant.changed.timestamp(), make)


def _awkward(sku: str, number: int, size: int, pool: int) -> Item:
    changed = datetime(2025, 11, 3, 9, number, tzinfo=UTC).timestamp()
    make = partial(_awkward_row, sku, number, pool, changed)
    return Item(sku, size + number, changed, make)


def _awkward_row(sku: str, number: int, pool: int, changed: float) -> Row:
    return _row(
        sku=sku,
        name=f"Sample with an awkward SKU, {number + 1}",
        codes=(f"B0INSIDE{number:02}", f"X00INSI{number:03}"),
        details=_details(20 + 3 * number + pool, number, pool),
        updated=time_text(changed),
    )


def _variant_row(variant: Variant, pool: int) -> Row:
    position = variant.position
    labelled = position % 10 != 3  # others are stocked under the ASIN, without labels of their own
    stock = variant.stock if pool == 0 else (variant.stock * 3 + 17) % 180
    row = _row(
        sku=variant.sku,
        name=variant.name,
        codes=(variant.asin, variant.fn_sku if labelled else variant.asin),
        details=_details(stock, position, pool),
        updated="" if position % 8 == 5 else time_text(variant.changed.timestamp()),
    )
    return _uneven(row, position)


def _uneven(row: Row, position: int) -> Row:
    """What not every summary has, or has otherwise."""
    if position % 17 == 16:
        row["condition"] = "UsedVeryGood"
    if position % 50 == 7:
        row["stores"] = ["Sample Store"]
    missing = {13: "researchingQuantity", 23: "unfulfillableQuantity", 33: "reservedQuantity"}
    row["inventoryDetails"].pop(missing.get(position % 40), None)
    if position % 97 == 48:
        del row["inventoryDetails"]
    return row


def _row(*, sku: str, name: str, codes: tuple[str, str], details: Row, updated: str) -> Row:
    return {
        "asin": codes[0],
        "fnSku": codes[1],
        "sellerSku": sku,
        "condition": "NewItem",
        "inventoryDetails": details,
        "lastUpdatedTime": updated,
        "productName": name,
        "totalQuantity": _total(details),
    }


def _total(details: Row) -> int:
    # Units on their way are part of it; those of the future are not there yet.
    held: int = details["fulfillableQuantity"] + sum(details[name] for name in INBOUND)
    held += details["reservedQuantity"]["totalReservedQuantity"]
    held += details["researchingQuantity"]["totalResearchingQuantity"]
    held += details["unfulfillableQuantity"]["totalUnfulfillableQuantity"]
    return held


def _details(stock: int, number: int, pool: int) -> Row:
    details: Row = {"fulfillableQuantity": stock}
    details |= dict(zip(INBOUND, _inbound(number + pool), strict=True))
    details["reservedQuantity"] = _reserved(number % 3, number % 5 // 4 * 2, number % 11 // 10)
    details["researchingQuantity"] = _researching(number)
    details["unfulfillableQuantity"] = _unfulfillable(number)
    if number % 3 == 1:
        details["futureSupplyQuantity"] = {
            "reservedFutureSupplyQuantity": 0,
            "futureSupplyBuyableQuantity": number % 4 * 10,
        }
    return details


def _inbound(number: int) -> tuple[int, int, int]:
    return (number % 4 // 3 * 21, number % 6 // 5 * 12, number % 9 // 8 * 5)


def _reserved(customers: int, transshipment: int, processing: int) -> Row:
    return {
        "totalReservedQuantity": customers + transshipment + processing,
        "pendingCustomerOrderQuantity": customers,
        "pendingTransshipmentQuantity": transshipment,
        "fcProcessingQuantity": processing,
    }


def _researching(number: int) -> Row:
    """A list of three terms, or an empty one."""
    short, middle = number % 13 // 12, number % 19 // 18 * 2
    if not number % 2 and not short + middle:
        return {"totalResearchingQuantity": 0, "researchingQuantityBreakdown": []}
    terms = zip((*TERMS, LONG_TERM), (short, middle, 0), strict=True)
    breakdown = [{"name": name, "quantity": quantity} for name, quantity in terms]
    return {
        "totalResearchingQuantity": short + middle,
        "researchingQuantityBreakdown": breakdown,
    }


def _unfulfillable(number: int) -> Row:
    customer, defective = number % 12 // 11, number % 16 // 15 * 3
    return {
        "totalUnfulfillableQuantity": customer + defective,
        "customerDamagedQuantity": customer,
        "warehouseDamagedQuantity": 0,
        "distributorDamagedQuantity": 0,
        "carrierDamagedQuantity": 0,
        "defectiveQuantity": defective,
        "expiredQuantity": 0,
    }


# The static sandbox's answer, part of the official model until June 2024


def _documented(code: str, sku: str, name: str, levels: tuple[int, int], updated: str) -> Row:
    fulfillable, working = levels
    terms = (*TERMS, LONG_TERM) if updated else ()
    details: Row = {"fulfillableQuantity": fulfillable}
    details |= dict(zip(INBOUND, (working, 0, 0), strict=True))
    details["reservedQuantity"] = _reserved(0, 0, 0)
    details["researchingQuantity"] = {
        "totalResearchingQuantity": 0,
        "researchingQuantityBreakdown": [{"name": term, "quantity": 0} for term in terms],
    }
    details["unfulfillableQuantity"] = _unfulfillable(0)
    return _row(sku=sku, name=name, codes=(code, code), details=details, updated=updated)


_CARD_READER = "EMTEC 1 GB 60x SD Flash Memory Card with USB 2.0 Card Reader"
_CARD = (
    "Silicon Power 32GB up to 85MB/s MicroSDHC UHS-1 Class10, Elite Flash Memory Card "
    "with Adaptor (SP032GBSTHBU1V20SP)"
)
DOCUMENTED = (
    _documented("B0020MLK00", "EMTEC 1 GB", _CARD_READER, (0, 0), ""),
    _documented("B0020MLK00", "EMTEC-SdCard-reader", _CARD_READER, (0, 0), ""),
    _documented("B00T9QONN6", "Silicon Power 32GB", _CARD, (66, 21), "2018-03-31T23:40:39Z"),
)
