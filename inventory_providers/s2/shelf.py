"""What the stand-in of S2 has in stock: the rows of the document, and after them the shared goods.

Written from the document alone, and apart from the code that reads the answers.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inventory_providers.sandbox.room import Key, Row
    from inventory_providers.sandbox.world import Variant

WAREHOUSES = "s2_warehouses"
PRODUCTS = "s2_products"
ITEMS = "s2_inventory_items"

# The organization of the log-in's example, which owns the products of the document's example.
ORGANIZATION: Row = {
    "id": "3f424caf-0eba-4813-b3e7-7ca0393af888",
    "name": "test organization",
    "createdAt": "2024-03-05T22:17:23.520948Z",
    "updatedAt": "2024-04-09T21:15:15.615765Z",
}
# What the document's example sends in the header; its name is not in the document.
HEADER_ORGANIZATION: Row = ORGANIZATION | {
    "id": "95d73baf-76ba-4bea-86ac-1534c5e5d4aa",
    "name": "other organization",
}

_OAKVILLE: Row = {
    "id": "9cae310d-c440-4d78-bdc0-bf306ec33888",
    "organization": {
        "id": "e8b021f4-9ab3-4fc2-af71-f35930759888",
        "name": "test organization",
        "createdAt": "2024-04-01T14:09:14.732646Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z",
    },
    "name": "test warehouse",
    "address": {
        "name": "GDI",
        "company": "",
        "address1": "test warehouse Rd Unit 3",
        "address2": "",
        "city": "Oakville",
        "state": "ON",
        "postalCode": "L6L 2X8",
        "countryId": "CA",
        "phone": "",
        "email": "",
    },
    "dropshipper": True,
    "fulfillmentCenter": True,
    "rmaCenter": True,
    "unitSystem": "METRIC",
    "createdAt": "2024-04-01T14:18:10.903581Z",
    "updatedAt": "2024-04-01T14:18:10.903581Z",
}
_MARKHAM: Row = _OAKVILLE | {
    "id": "0b6eaafa-565f-4989-b3d5-98e871f9e888",
    "organization": {
        "id": "e4affb47-1971-42bb-97a3-215d9bddd888",
        "name": "Sellersoft",
        "createdAt": "2024-03-05T22:16:05.692314Z",
        "updatedAt": "2024-04-09T21:15:15.615765Z",
    },
    "name": "test Warehouse2",
    "address": _OAKVILLE["address"]
    | {
        "name": "Test",
        "company": "Ventmere",
        "address1": "145 test road",
        "city": "Markham",
        "postalCode": "L3R 8A9",
    },
    "createdAt": "2024-03-05T22:16:48.618677Z",
    "updatedAt": "2024-03-05T22:16:48.618677Z",
}

_BLUE: Row = {
    "id": "440352eb-241a-4cac-834f-e0980ffca888",
    "organization": ORGANIZATION,
    "sku": "MX03-N-BLUE",
    "brand": {
        "id": "5643b7ee-7df1-48c6-b690-1e29ffa8a888",
        "name": "",
        "nameNormalized": "",
        "createdAt": "2024-03-05T22:17:28.679732Z",
    },
    "gtin": "",
    "name": "SKU Blue",
    "remarks": "",
    "imageMain": "",
    "packageLengthMm": 1500.0,
    "packageWidthMm": 260.0,
    "packageHeightMm": 810.0,
    "shippingWeightKg": 34.0,
    "caseUnit": "CARTON",
    "casePack": 1,
    "caseLengthMm": 0.0,
    "caseWidthMm": 0.0,
    "caseHeightMm": 0.0,
    "caseWeightKg": 0.0,
    "condition": "NEW",
    "serialNumberRequired": False,
    "expiryDateRequired": False,
    "unknown": False,
    "createdAt": "2024-03-05T22:20:44.106742Z",
    "updatedAt": "2024-04-01T14:31:19.875675Z",
    "otherIds": [],
}
_TEST: Row = _BLUE | {
    "id": "3775cc37-30e7-4579-a58e-c9adda6fa888",
    "sku": "test",
    "brand": {
        "id": "e0cbbf33-cbea-4867-9fd9-5d72f22c2321",
        "name": "Sony",
        "nameNormalized": "sony",
        "createdAt": "2024-06-04T03:16:22.617577Z",
    },
    "gtin": "7045557638888",
    "name": "Test Product",
    "remarks": "test.",
    "imageMain": (
        "95d73baf-76ba-4bea-86ac-1534c5e5d4aa/2024-04-23/avatar/"
        "听雨__24_x_26.25__PFPWig_4_YXKT59pJLuoIk82VgaF.jpg"
    ),
    "packageLengthMm": 33.27078,
    "packageWidthMm": 64.29312,
    "packageHeightMm": 96.57682,
    "shippingWeightKg": 76.44365,
    "caseUnit": "EACH",
    "casePack": 2,
    "caseLengthMm": 34.340958,
    "caseWidthMm": 20.323586,
    "caseHeightMm": 12.659683,
    "caseWeightKg": 0.35708416,
    "serialNumberRequired": True,
    "expiryDateRequired": True,
    "createdAt": "2024-06-04T03:16:22.617577Z",
    "updatedAt": "2024-06-04T03:31:28.192345Z",
}
_GREY: Row = _BLUE | {
    "id": "bab7c35b-2ecb-4b40-be82-8dc1e0a86888",
    "sku": "SKU-GREY",
    "name": "SKU GREY",
    "shippingWeightKg": 35.0,
    "createdAt": "2024-03-05T22:20:44.132006Z",
    "updatedAt": "2024-04-01T14:31:19.885955Z",
}
_BLACK: Row = _BLUE | {
    "id": "f4053402-e79b-45c2-8621-377d28060888",
    "sku": "TEST-BLACK",
    "gtin": "871160888",
    "name": "SKU Black",
    "packageLengthMm": 1470.0,
    "packageWidthMm": 310.0,
    "packageHeightMm": 790.0,
    "caseUnit": "EACH",
    "casePack": 0,
    "createdAt": "2024-03-05T22:20:44.087204Z",
    "updatedAt": "2024-03-05T22:20:44.087204Z",
}
_LIGHT_GRAY: Row = _BLUE | {
    "id": "4d5ab278-86f3-4237-993b-b16a19360888",
    "sku": "S600-LIGHT-GRAY",
    "name": "SKU GRAY",
    "packageLengthMm": 1520.0,
    "packageWidthMm": 310.0,
    "packageHeightMm": 820.0,
    "shippingWeightKg": 44.0,
    "createdAt": "2024-04-01T14:31:19.830702Z",
    "updatedAt": "2024-04-01T14:31:19.830702Z",
}


def item(warehouse: str, product: str, available: int, reserved: int, updated: str) -> Row:
    """One entry of `items` as it is sent, with nothing on its way."""
    level = {
        "productId": product,
        "available": available,
        "incoming": 0,
        "reserved": reserved,
        "updatedAt": updated,
    }
    return {"warehouseId": warehouse, "level": level}


# What stands in the provider's document, under "Response Example".
DOCUMENTED: dict[str, list[Row]] = {
    WAREHOUSES: [_OAKVILLE, _MARKHAM],
    PRODUCTS: [_TEST, _BLUE, _GREY, _BLACK, _LIGHT_GRAY],
    ITEMS: [
        item(_OAKVILLE["id"], product, available, reserved, updated)
        for product, available, reserved, updated in (
            ("f4053402-e79b-45c2-8621-377d28060888", 0, -13, "2024-06-03T03:40:41.743844Z"),
            # 35 characters, and the next two are not the ids of any product: so it is printed.
            ("440352eb-241a-4cac-834f-e0980ffc888", 11, -7, "2024-06-03T03:40:41.743844Z"),
            ("bab7c35b-2ecb-4b40-be82-8dc1e0a86171", 17, -7, "2024-06-04T05:53:31.054574Z"),
            ("4d5ab278-86f3-4237-993b-b16a19360b41", 9, 0, "2024-04-01T15:06:00.817191Z"),
            ("3775cc37-30e7-4579-a58e-c9adda6fa888", 0, -2, "2024-06-04T05:53:31.054574Z"),
        )
    ],
}

EAST = "5f0c7d52-3a1e-4b86-9d47-2c81f6a0e301"
WEST = "c2a94e17-86d3-4f5b-8e20-71b5d90f4c62"
_OPENED = "2015-11-02T09:30:00.125000Z"
_NEW_WAREHOUSES: list[Row] = [
    _OAKVILLE
    | {
        "id": number,
        "organization": ORGANIZATION,
        "name": name,
        "address": _OAKVILLE["address"] | {"name": name, "address1": street, "postalCode": ""},
        "dropshipper": False,
        "rmaCenter": number == EAST,
        "createdAt": _OPENED,
        "updatedAt": _OPENED,
    }
    for number, name, street in (
        (EAST, "East warehouse", "1 East Dock Road"),
        (WEST, "West warehouse", "1 West Dock Road"),
    )
]


class Entry:
    """One row. It is made each time it is wanted, so that a large catalogue costs little."""

    __slots__ = ("_make", "_text")

    def __init__(self, make: Callable[[], Row]) -> None:
        self._make = make
        self._text: bytes | None = None

    @property
    def row(self) -> Row:
        """A copy that nobody else has."""
        return self._make()

    @row.setter
    def row(self, row: Row) -> None:
        self._make = partial(deepcopy, row)
        self._text = None

    def json(self) -> bytes:
        """As it is sent; made once."""
        if self._text is None:
            self._text = encoded(self._make())
        return self._text


class Shelf:
    """The rows of one stream in the order in which they are sent; `key_of` gives None for no key.

    Rows that a reader has been sent are remembered in the order in which they were sent first.
    """

    def __init__(self, entries: Iterable[Entry], key_of: Callable[[Row], Key | None]) -> None:
        self._entries = dict.fromkeys(entries)
        self._delivered: dict[Entry, None] = {}
        self._key_of = key_of
        self._by_key: dict[Key, list[Entry]] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def rows(self) -> dict[Key, Row]:
        """Rows by key; of two with one key the last, those without a key not at all."""
        return {key: entries[-1].row for key, entries in self._index().items()}

    def texts(self) -> Iterator[bytes]:
        """Each row as it is sent."""
        return (entry.json() for entry in self._entries)

    def add(self, row: Row) -> Entry:
        """One more row, behind the others; its key may be there already, or be none."""
        entry = Entry(partial(deepcopy, deepcopy(row)))
        self._entries[entry] = None
        self._by_key = None
        return entry

    def discard(self, entry: Entry) -> None:
        """Take a row out, if it is still there."""
        self._entries.pop(entry, None)
        self._delivered.pop(entry, None)
        self._by_key = None

    def deliver(self) -> None:
        """Remember that a reader has been sent everything."""
        self._delivered |= self._entries

    def later(self, entry: Entry) -> None:
        """Let the others come first when rows are chosen the next time."""
        if entry in self._delivered:
            del self._delivered[entry]
            self._delivered[entry] = None

    def choose(self, count: int) -> list[Entry]:
        """Rows with a key: the first delivered, then the first of those never delivered."""
        fresh = (entry for entry in self._entries if entry not in self._delivered)
        waiting = chain(self._delivered, fresh)
        return list(islice((each for each in waiting if self._key_of(each.row)), count))

    def named(self, keys: Iterable[Key]) -> list[Entry]:
        """The rows with these keys; `KeyError` for one that is not there."""
        index = self._index()
        return [entry for key in keys for entry in index[tuple(key)]]

    def keys(self, entries: Iterable[Entry]) -> list[Key]:
        """The keys of these rows, each once."""
        found = (self._key_of(entry.row) for entry in entries)
        return list(dict.fromkeys(key for key in found if key))

    def _index(self) -> dict[Key, list[Entry]]:
        if self._by_key is None:
            self._by_key = {}
            for entry in self._entries:
                if key := self._key_of(entry.row):
                    self._by_key.setdefault(key, []).append(entry)
        return self._by_key


def stock(size: int) -> dict[str, Shelf]:
    """A shelf for each stream: the documented rows, and behind them `size` of the shared goods."""
    goods = variants(size)
    new: dict[str, Iterator[Entry]] = {
        WAREHOUSES: (_kept(row) for row in _NEW_WAREHOUSES if goods),
        PRODUCTS: (Entry(partial(_product, variant)) for variant in goods),
        ITEMS: (Entry(partial(_item, *place)) for place in _places(goods)),
    }
    return {
        name: Shelf(chain(map(_kept, rows), new[name]), _KEYS[name])
        for name, rows in DOCUMENTED.items()
    }


def encoded(row: Row) -> bytes:
    """The row as JSON in UTF-8, not escaped; half a character can only be sent escaped."""
    try:
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(row, separators=(",", ":")).encode()


def part(row: Row, name: str) -> Row:
    """The object of this name in a row; empty where there is none."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


# Rows that only a very large answer has. They are not kept one by one, and so never change.

_SURPLUS = (
    b'{"warehouseId":"%b","level":{"productId":"%%08x-5eed-4c1b-9a70-%%012x","available":%%d,'
    b'"incoming":%%d,"reserved":0,"updatedAt":"2024-05-%%02dT%%02d:%%02d:%%02d.%%06dZ"}}'
    % _OAKVILLE["id"].encode()
)


def surplus(count: int) -> Iterator[bytes]:
    """So many items, as they are sent, in one warehouse and of products that are not listed."""
    for n in range(count):
        time = (n % 28 + 1, n % 24, n % 60, n // 60 % 60, n % 1_000_000)
        yield _SURPLUS % (n * 2_654_435_761 % 2**32, n, n % 250, n % 4 * 6, *time)


def surplus_rows(count: int) -> dict[Key, Row]:
    """The same items by key."""
    rows = map(json.loads, surplus(count))
    return {(row["warehouseId"], row["level"]["productId"]): row for row in rows}


def _kept(row: Row) -> Entry:
    return Entry(partial(deepcopy, row))


def _id_key(row: Row) -> Key | None:
    return _words(row.get("id"))


def _item_key(row: Row) -> Key | None:
    return _words(row.get("warehouseId"), part(row, "level").get("productId"))


_KEYS: dict[str, Callable[[Row], Key | None]] = {
    WAREHOUSES: _id_key,
    PRODUCTS: _id_key,
    ITEMS: _item_key,
}


def _words(*parts: Any) -> Key | None:
    return parts if all(isinstance(each, str) and each for each in parts) else None


def _product(variant: Variant) -> Row:
    n = variant.position
    measured, in_cartons = n % 4 != 3, n % 3 == 0
    return _BLUE | {
        "id": _product_id(variant),
        "organization": dict(ORGANIZATION),
        "sku": variant.sku,
        "brand": _brand(variant),
        "gtin": variant.gtin,
        "name": variant.name,
        "imageMain": f"{HEADER_ORGANIZATION['id']}/{variant.sku}.jpg" if n % 5 == 0 else "",
        "packageLengthMm": 280.5 + n % 7 if measured else 0.0,
        "packageWidthMm": 210.25 + n % 5 if measured else 0.0,
        "packageHeightMm": 31.75 + n % 3 if measured else 0.0,
        "shippingWeightKg": 0.35708416 + n % 6 if measured else 0.0,
        "caseUnit": "CARTON" if in_cartons else "EACH",
        "casePack": 12 if in_cartons else n % 2,
        "createdAt": _OPENED,
        "updatedAt": _changed(variant),
        "otherIds": [],
    }


def _product_id(variant: Variant) -> str:
    n = variant.position + 1
    return f"{n * 2_654_435_761 % 2**32:08x}-7a3c-4e19-8b52-{n:012x}"


def _brand(variant: Variant) -> Row:
    name = variant.style.supplier
    return {
        "id": f"8d1f60b3-4c72-4a95-b0e6-{variant.style.index % 4:012x}",
        "name": name,
        "nameNormalized": name.lower(),
        "createdAt": _OPENED,
    }


def _places(goods: Iterable[Variant]) -> Iterator[tuple[Variant, str]]:
    for variant in goods:
        yield variant, EAST
        if variant.position % 3 == 0:
            yield variant, WEST


def _item(variant: Variant, warehouse: str) -> Row:
    """A quarter of what is in two warehouses is in the second one."""
    n = variant.position
    in_west = variant.stock // 4 if n % 3 == 0 else 0
    available = in_west if warehouse == WEST else variant.stock - in_west
    row = item(warehouse, _product_id(variant), available, -(n % 7), _changed(variant))
    row["level"]["incoming"] = n % 4 * 6
    return row


def _changed(variant: Variant) -> str:
    # Neighbours that share a second share the fraction too: ties to the microsecond.
    fraction = variant.position // 3 * 7919 % 1_000_000
    return f"{variant.changed.isoformat()[:19]}.{fraction:06}Z"
