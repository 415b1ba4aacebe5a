"""What the stand-in of ShipStream keeps: products by warehouse, lots, and how each is told.

A view is one way of looking at a product: the sums of `inventory.list` ("0"), one warehouse of it
("1" to "3"), or `inventory.detailed`. Lots have one view of their own.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from inventory_providers.sandbox.room import Key, Row
    from inventory_providers.sandbox.world import Variant

SUMS = "0"
WAREHOUSES = ("1", "2", "3")
DETAILED = "detailed"
LOTS = "lots"
LIST_VIEWS = frozenset({SUMS, *WAREHOUSES})
PRODUCT_VIEWS = frozenset({*LIST_VIEWS, DETAILED})

# The warehouse whose stock a sale takes: its own row and the sums both change.
_SELLING = 1
_DELIVERY = 24
_BUNDLE = 3


class FilterError(ValueError):
    """A filter, an option or an argument that the provider refuses."""


class Style(NamedTuple):
    """How rows are told: the switches `numbers`, `on_hand` and `unreceived`."""

    numbers: str = "documented"
    on_hand: bool = False
    unreceived: bool = False


class Levels(NamedTuple):
    """What is where in one warehouse, in units. `virtual` is what bundles add to the offer."""

    expected: int = 0
    processed: int = 0
    putaway: int = 0
    available: int = 0
    allocated: int = 0
    reserved: int = 0
    picked: int = 0
    virtual: int = 0


_COLUMNS = ("expected", "processed", "putaway", "available", "allocated", "reserved", "picked")
_EMPTY = Levels()


def _total(parts: Iterable[Levels]) -> Levels:
    return Levels(*map(sum, zip(*parts, strict=True)))


def compact(value: Any) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


# How a quantity is written


_FORMS: dict[str, Callable[[int, int], Any]] = {
    "int": lambda value, _: value,
    "string4": lambda value, _: f"{value}.0000",
    "mixed": lambda value, place: (value, str(value), f"{value}.0000")[place % 3],
    # Half of everything: the sums stay sums.
    "fractions": lambda value, _: f"{value / 2:.4f}",
}


def _quantities(levels: Levels, style: Style, backordered: int | None) -> Row:
    form = _FORMS[style.numbers]
    told = {name: getattr(levels, name) for name in _COLUMNS}
    on_hand = sum(told.values()) - levels.expected
    if style.unreceived:
        told = {"unreceived": told.pop("expected"), **told}
    if backordered is not None:
        told["backordered"] = backordered
    told["advertised"] = levels.available + levels.virtual
    if style.on_hand:
        told["on_hand"] = on_hand
    return {f"qty_{name}": form(n, place) for place, (name, n) in enumerate(told.items())}


def _as_list(levels: Levels, style: Style, backordered: int | None = None) -> Row:
    """The document has integers here."""
    form = style._replace(numbers="int") if style.numbers == "documented" else style
    return _quantities(levels, form, backordered)


def _as_detailed(levels: Levels, style: Style, backordered: int | None = None) -> Row:
    """The document has four decimals here, and none for what is advertised."""
    if style.numbers != "documented":
        return _quantities(levels, style, backordered)
    row = _quantities(levels, style._replace(numbers="string4"), backordered)
    return row | {"qty_advertised": str(levels.available + levels.virtual)}


# The goods


@dataclass(slots=True, eq=False)
class Good(ABC):
    """Something that a view shows; `changed` is the second of its last change."""

    changed: int
    enabled: bool = True
    visible: bool = True
    _texts: dict[tuple[str, Style], bytes] = field(default_factory=dict)

    @property
    @abstractmethod
    def name(self) -> str | None:
        """The SKU or the lot's number; None where it is broken."""

    @property
    @abstractmethod
    def views(self) -> Collection[str]:
        """Where it stands."""

    @abstractmethod
    def row(self, view: str, style: Style) -> Row:
        """The row as it is sent."""

    @abstractmethod
    def sell(self) -> None:
        """One unit less; where nothing is left, a delivery has come."""

    def value(self, column: str) -> Any:
        """What a search compares; None where there is nothing."""
        return self.row(LOTS, Style()).get(column)

    def is_in(self, view: str) -> bool:
        """Whether this view shows it now."""
        return self.enabled and self.visible and view in self.views

    def text(self, view: str, style: Style) -> bytes:
        """The row as it is sent, encoded."""
        text = self._texts.get((view, style))
        if text is None:
            text = self._texts[view, style] = compact(self.row(view, style))
        return text

    def move(self, now: int | None) -> None:
        """It has changed: at `now`, or without moving its time."""
        self._texts.clear()
        if now is not None:
            self.changed = now


@dataclass(slots=True, eq=False)
class Product(Good):
    """A SKU. Its stock follows from the world's variant until it is first looked at."""

    sku: str = ""
    variant: Variant | None = None
    _stock: tuple[Levels, ...] | None = None
    _backordered: int = 0

    @property
    def name(self) -> str:
        """The SKU."""
        return self.sku

    @property
    def views(self) -> Collection[str]:
        """All that show products."""
        return PRODUCT_VIEWS

    @property
    def stock(self) -> tuple[Levels, ...]:
        """What lies in each warehouse."""
        if self._stock is None:
            assert self.variant is not None
            self._stock = _stock_of(self.variant)
            self._backordered = 0 if self.variant.stock else 5 + self.variant.position % 7
        return self._stock

    def row(self, view: str, style: Style) -> Row:
        """The row as it is sent; what is on back order belongs to no warehouse."""
        head = {"sku": self.sku}
        if view in WAREHOUSES:
            return head | _as_list(self.stock[int(view) - 1], style)
        total = _total(self.stock)
        if view == SUMS:
            return head | _as_list(total, style, self._backordered)
        split = [
            {"warehouse_id": place} | _as_detailed(levels, style)
            for place, levels in zip(WAREHOUSES, self.stock, strict=True)
        ]
        return head | _as_detailed(total, style, self._backordered) | {"detailed": split}

    def sell(self) -> None:
        """One unit of the second warehouse goes from available to allocated."""
        have = self.stock[_SELLING]
        if have.available:
            now = have._replace(available=have.available - 1, allocated=have.allocated + 1)
        else:
            now = have._replace(available=_DELIVERY)
        self._set(now)

    def bundle(self) -> None:
        """More of it is offered as part of a bundle; nothing moves on the shelves."""
        have = self.stock[_SELLING]
        self._set(have._replace(virtual=have.virtual + _BUNDLE))

    def _set(self, levels: Levels) -> None:
        stock = list(self.stock)
        stock[_SELLING] = levels
        self._stock = tuple(stock)


@dataclass(slots=True, eq=False)
class Lot(Good):
    """A lot of a product; it belongs to no warehouse."""

    number: int = 0
    words: Row = field(default_factory=dict)
    available: int = 0
    putaway: int = 0
    reserved: int = 0

    @property
    def name(self) -> str:
        """The lot's number as text."""
        return str(self.number)

    @property
    def views(self) -> Collection[str]:
        """The lots."""
        return (LOTS,)

    def row(self, view: str, style: Style) -> Row:  # noqa: ARG002 - lots have one view
        """The row as it is sent; ids follow the form of the quantities."""
        numbers = "string4" if style.numbers == "documented" else style.numbers
        bare = numbers == "int" or (numbers == "mixed" and self.number % 2 == 0)
        quantities = {
            name: _FORMS[numbers](getattr(self, name), place + self.number)
            for place, name in enumerate(("putaway", "available", "reserved"))
        }
        return {
            "lot_id": self.number if bare else str(self.number),
            **self.words,
            "is_active": 1 if bare else "1",
            **{f"qty_{name}": quantity for name, quantity in quantities.items()},
        }

    def value(self, column: str) -> Any:
        """What a search compares, without making the row."""
        return self.number if column == "lot_id" else self.words.get(column)

    def sell(self) -> None:
        """One unit goes from available to reserved."""
        if self.available:
            self.available, self.reserved = self.available - 1, self.reserved + 1
        else:
            self.available = _DELIVERY


@dataclass(slots=True, eq=False)
class Placed(Good):
    """A row that a test has put into one view, sent exactly as it is."""

    view: str = SUMS
    given: Row = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """What stands in the key's place, if it can be a key."""
        if self.view == LOTS:
            number = number_of(self.given.get("lot_id"))
            return None if number is None else str(number)
        sku = self.given.get("sku")
        return sku if isinstance(sku, str) and sku else None

    @property
    def views(self) -> Collection[str]:
        """Only where it was put."""
        return (self.view,)

    def row(self, view: str, style: Style) -> Row:  # noqa: ARG002 - it is as it is
        """The row as it was put."""
        return dict(self.given)

    def sell(self) -> None:
        """One unit less, as an integer, whatever it was before."""
        have = self.given.get("qty_available")
        left = have - 1 if isinstance(have, int) and have > 0 else _DELIVERY
        self.given = self.given | {"qty_available": left}


def number_of(value: Any) -> int | None:
    """A whole number that came as text or as a number; None where it is none."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# The shelves


class Shelf:
    """Goods in the order of the catalogue, and which of them a reader has been sent."""

    def __init__(self, goods: Iterable[Good]) -> None:
        self.goods: dict[Good, None] = dict.fromkeys(goods)
        self._delivered: dict[Good, None] = {}
        self._names: dict[str, list[Good]] | None = None

    def add(self, good: Good) -> None:
        """At the end of the catalogue."""
        self.goods[good] = None
        self._names = None

    def remove(self, good: Good) -> None:
        """For good."""
        del self.goods[good]
        self._delivered.pop(good, None)
        self._names = None

    def deliver(self, goods: Iterable[Good]) -> None:
        """A reader has been sent these."""
        self._delivered.update(dict.fromkeys(goods))

    def requeue(self, goods: Iterable[Good]) -> None:
        """Put these behind all others that were delivered, so that the next change finds others."""
        for good in goods:
            if good in self._delivered:
                del self._delivered[good]
                self._delivered[good] = None

    def first(self, count: int, views: Collection[str]) -> list[Good]:
        """The first delivered ones, or where there are none the first of the catalogue."""
        for goods in (self._delivered, self.goods):
            shown = (good for good in goods if any(map(good.is_in, views)))
            if found := list(islice(shown, count)):
                return found
        return []

    def named(self, names: Iterable[str]) -> list[Good]:
        """All with these names, in the catalogue's order; `KeyError` for a name that is not."""
        wanted = {good for name in names for good in self._by_name()[name]}
        return [good for good in self.goods if good in wanted]

    def known(self, names: Iterable[str]) -> list[str]:
        """Those of the names that there are."""
        return [name for name in names if name in self._by_name()]

    def _by_name(self) -> dict[str, list[Good]]:
        if self._names is None:
            self._names = {}
            for good in self.goods:
                if good.name is not None:
                    self._names.setdefault(good.name, []).append(good)
        return self._names


def keys_of(good: Good, views: Iterable[str]) -> Iterator[Key]:
    """Its primary keys in a stream with these views."""
    for view in views:
        if good.name is not None and good.is_in(view):
            yield (good.name, view) if view in LIST_VIEWS else (good.name,)


# The catalogue


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _widget(name: str, stock: tuple[Levels, ...], backordered: int = 0) -> Product:
    # Later than the time for which the document's request asks.
    changed = _seconds("2014-07-25T09:00:00+00:00")
    return Product(changed, sku=name, _stock=stock, _backordered=backordered)


def listed_widgets() -> list[Good]:
    """The two products of the document's `inventory.list`; how they lie apart is made."""
    one = (
        Levels(putaway=50, available=10, allocated=2, reserved=10, picked=1),
        Levels(available=12, allocated=3, reserved=6),
        _EMPTY,
    )
    five = (Levels(expected=40), Levels(reserved=2), _EMPTY)
    return [_widget("BlueWidget-1", one), _widget("BlueWidget-5", five, backordered=5)]


def detailed_widgets() -> list[Good]:
    """The same two products as the document's `inventory.detailed` has them."""
    one, five = Levels(available=8, picked=2), Levels(available=98, picked=1)
    return [
        _widget("BlueWidget-1", (one, _EMPTY, _EMPTY)),
        _widget("BlueWidget-5", (five, _EMPTY, _EMPTY)),
    ]


def documented_lots() -> list[Good]:
    """The two lots of the document."""
    return [
        _documented_lot(1, "2019-04-07", "2018-07-09T19:58:23+00:00", ["location 1"], 76),
        _documented_lot(2, "2019-04-11", "2018-07-09T19:59:03+00:00", [], 0),
    ]


def _documented_lot(
    number: int, expires: str, created: str, locations: list[str], available: int
) -> Lot:
    words = {
        "lot_number": "2018-07-09",
        "origination_date": "2018-07-09",
        "expiration_date": expires,
        "is_active": "1",
        "group_value": "2018-07-09",
        "created_at": created,
        "sku": f"product{number}",
        "name": f"product {number}",
        "locations": locations,
    }
    return Lot(_seconds(created), number=number, words=words, available=available)


def products(size: int) -> Iterator[Good]:
    """The document's two products and one for each variant of the world."""
    yield from listed_widgets()
    for variant in variants(size):
        yield Product(int(variant.changed.timestamp()), sku=variant.sku, variant=variant)


def lots(size: int) -> Iterator[Good]:
    """The document's two lots; then every second variant has one, and every sixth two."""
    yield from documented_lots()
    number = 3
    for variant in variants(size)[::2]:
        for _ in range(2 if variant.position % 6 == 0 else 1):
            yield _lot(number, variant)
            number += 1


def _stock_of(variant: Variant) -> tuple[Levels, ...]:
    n, second, third = variant.position, variant.stock // 2, variant.stock // 5
    first = variant.stock - second - third
    return (
        Levels(n % 4 * 12, 0, n % 3, first, n % 2, n % 6),
        Levels(0, n % 5, 0, second, n % 4, n % 3, n % 2, virtual=10 if n % 13 == 12 else 0),
        Levels(n % 7, 0, 0, third, 0, n % 2, n % 3),
    )


def _lot(number: int, variant: Variant) -> Lot:
    day = variant.changed.date()
    expires = None if number % 7 == 0 else str(day + timedelta(days=270 + number % 30))
    words = {
        "lot_number": str(day),
        "origination_date": str(day),
        "expiration_date": expires,
        "is_active": "1",
        "group_value": str(day),
        "created_at": variant.changed.isoformat(),
        "sku": variant.sku,
        "name": variant.name,
        "locations": [f"location {place}" for place in range(number % 3)],
    }
    changed = int(variant.changed.timestamp())
    return Lot(
        changed, number=number, words=words, available=variant.stock // 3, putaway=number % 4
    )


# Many rows at once

_BULK = "BULK-"
_BULK_LEVELS = Levels(available=7)
BULK_CHANGED = _seconds("2016-01-04T08:00:00+00:00")


def bulk_row(n: int, style: Style) -> Row:
    """The nth of many products that are there for their number only."""
    return {"sku": f"{_BULK}{n:07}"} | _as_list(_BULK_LEVELS, style, 0)


@lru_cache(maxsize=1)
def bulk(count: int, style: Style) -> bytes:
    """So many of them, encoded and joined by commas."""
    row = compact({"sku": f"{_BULK}%07d"} | _as_list(_BULK_LEVELS, style, 0))
    return b",".join([row % n for n in range(count)])


# Looking for lots

Test = Callable[[Good], bool]

_NUMBERS = frozenset({"lot_id", "is_active"})
_DATES = frozenset({"created_at", "origination_date", "expiration_date"})
_TEXTS = frozenset({"lot_number", "group_value", "sku", "name"})
_SEARCHABLE = _NUMBERS | _DATES | _TEXTS
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, want: have == want,
    "neq": lambda have, want: have != want,
    "gt": lambda have, want: have > want,
    "lt": lambda have, want: have < want,
    "gteq": lambda have, want: have >= want,
    "lteq": lambda have, want: have <= want,
    "in": lambda have, want: have in want,
    "nin": lambda have, want: have not in want,
    "starts": lambda have, want: have.startswith(want),
}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2}:\d{2})?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}", re.ASCII)
# Made; at the provider each merchant has one of its own.
MERCHANT_ZONE = timezone(timedelta(hours=-5))


def tests_of(filters: Any) -> list[Test]:
    """One test for each condition of the search filters; all must hold. `FilterError`."""
    if filters is None or filters == []:
        return []
    if not isinstance(filters, dict):
        raise FilterError
    return [test for column, conditions in filters.items() for test in _tests(column, conditions)]


def _tests(column: str, conditions: Any) -> Iterator[Test]:
    if column not in _SEARCHABLE or not isinstance(conditions, dict) or not conditions:
        raise FilterError
    to_the_second = conditions.get("datetime") is True
    for operator, want in conditions.items():
        if operator in {"from", "to"}:
            yield _within(column, operator, want, to_the_second=to_the_second)
        elif operator in {"null", "notnull"}:
            yield _has(column, wanted=operator == "notnull")
        elif operator != "datetime":
            yield _compared(column, operator, want)


def _has(column: str, *, wanted: bool) -> Test:
    return lambda good: (good.value(column) is not None) == wanted


def _compared(column: str, operator: str, want: Any) -> Test:
    compare = _COMPARE.get(operator)
    if compare is None or (operator == "starts" and column not in _TEXTS):
        raise FilterError
    many = operator in {"in", "nin"}
    if many and not isinstance(want, list):
        raise FilterError
    value = {_wanted(column, each) for each in want} if many else _wanted(column, want)

    def test(good: Good) -> bool:
        have = _searched(good, column)
        # What was put without an id can be found by any, or no test would ever see it.
        return column == "lot_id" if have is None else compare(have, value)

    return test


def _wanted(column: str, want: Any) -> Any:
    if column in _NUMBERS:
        want = number_of(want)
    elif not isinstance(want, str):
        want = None
    if want is None:
        raise FilterError
    return want


def _searched(good: Good, column: str) -> Any:
    value = good.value(column)
    if column in _NUMBERS:
        return number_of(value)
    return value if isinstance(value, str) else None


def _within(column: str, operator: str, want: Any, *, to_the_second: bool) -> Test:
    if column not in _DATES or not isinstance(want, str) or not _DAY.fullmatch(want):
        raise FilterError
    limit = want if to_the_second else want[:10]

    def test(good: Good) -> bool:
        have = _local(good.value(column))[: len(limit)]
        return have >= limit if operator == "from" else "" < have <= limit

    return test


def _local(value: Any) -> str:
    """A time as the merchant's clock shows it; a date as it is."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return value if isinstance(value, str) else ""
    return f"{datetime.fromisoformat(value).astimezone(MERCHANT_ZONE):%Y-%m-%d %H:%M:%S}"


def in_order(goods: Iterable[Good], column: Any, *, down: bool) -> list[Good]:
    """Lots sorted by a column, those without it first; by None in no order. `FilterError`."""
    if column is None:
        return sorted(goods, key=_scrambled)
    if not isinstance(column, str) or column not in _SEARCHABLE:
        raise FilterError
    nothing: Any = -1 if column in _NUMBERS else ""

    def place(good: Good) -> Any:
        have = _searched(good, column)
        return nothing if have is None else have

    return sorted(goods, key=place, reverse=down)


def _scrambled(good: Good) -> int:
    return (number_of(good.value("lot_id")) or 0) * 37 % 1009


def moment(text: Any) -> int:
    """The second of a time in the documented form `2008-07-01T22:38:07+00:00`; `FilterError`."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise FilterError
    try:
        return _seconds(text)
    except (ValueError, OverflowError):
        raise FilterError from None
