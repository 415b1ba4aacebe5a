"""The goods of one SoStocked account: what is where now, and what was there on days that are over.

A row is a `Line`: a product in a market and, in the breakdown, in a warehouse. Products never
change; a sale puts another one in the place of the old, so that a day can be kept by keeping its
lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.world import Variant

INVENTORY = "sostocked_inventory"
SNAPSHOTS = "sostocked_inventory_snapshots"
WAREHOUSES = "sostocked_warehouse_inventory"
STREAMS = (INVENTORY, SNAPSHOTS, WAREHOUSES)

# The quantity that a sale changes.
LEVELS = {INVENTORY: "area_inv_stock", SNAPSHOTS: "area_inv_stock", WAREHOUSES: "warehouses"}

_AWD, _SHIPBOB = "Amazon AWD", "ShipBob GA"
_NO_WAREHOUSE = "MX"
# An aggregate that has been seen to stand in the rows of several products.
_BLED_INBOUND = 46_129
_DAYS_KEPT = 8


class Listing(NamedTuple):
    """A product in one market."""

    market: str
    stock: int
    inbound: int | None
    velocity: float
    lost_sales: float | None


class Held(NamedTuple):
    """What one warehouse has of a product."""

    name: str
    stock: int


@dataclass(slots=True, eq=False)
class Product:
    """One thing that is sold; never changed, and not frozen only because there may be a million.

    `hidden` are rows of the breakdown that were taken out.
    """

    position: int
    sku: str
    asin: str
    fn_sku: str
    name: str
    supplier: str
    gtin: str
    changed: str
    listings: tuple[Listing, ...]
    warehouses: tuple[Held, ...]
    active: bool = True
    hidden: frozenset[tuple[str, str]] = frozenset()

    def listing(self, market: str) -> Listing:
        """One market, or several joined by `+` as their sum."""
        parts = [each for each in self.listings if each.market in market.split("+")]
        if len(parts) == 1:
            return parts[0]
        return Listing(
            market,
            sum(each.stock for each in parts),
            sum(each.inbound or 0 for each in parts),
            round(sum(each.velocity for each in parts), 2),
            sum(each.lost_sales or 0 for each in parts),
        )

    def held(self, warehouse: str | None) -> int | None:
        """What a warehouse has; of `""` nothing is known, None stands for all of them."""
        if warehouse is None:
            return sum(each.stock for each in self.warehouses)
        return next((each.stock for each in self.warehouses if each.name == warehouse), None)


@dataclass(slots=True, eq=False)
class Given:
    """A row that was put in as it is; `day` is the one snapshot that has it, `""` all of them."""

    position: int
    row: Row
    day: str = ""


class Line(NamedTuple):
    """One row. `warehouse` is None outside the breakdown, and `""` where a product has none."""

    thing: Product | Given
    market: str
    warehouse: str | None


# What rows can be sorted by, and where a product has it.
SORTABLE = {
    "product_name": "name",
    "area_asins": "asin",
    "area_skus": "sku",
    "area_fn_skus": "fn_sku",
}

COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have == want,
    "EQUAL": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    "NOT IN": lambda have, want: have not in want.split(","),
}


class Wanted(NamedTuple):
    """Which rows are wanted, and in which order. `statuses` are operators with their values."""

    stream: str
    statuses: tuple[tuple[str, str], ...] = (("=", "1"),)
    with_inactive: bool = False
    collapsed: bool = False
    day: date | None = None
    order_by: str = "product_name"
    descending: bool = False

    def has(self, thing: Product | Given) -> bool:
        """Whether its rows are wanted; goods that are not active have to pass twice."""
        if isinstance(thing, Given):
            return True
        status = "1" if thing.active else "0"
        kept = thing.active or self.with_inactive
        return kept and all(COMPARE[how](status, want) for how, want in self.statuses)

    def in_order(self, lines: list[Line]) -> list[Line]:
        """Sorted; those that tie stay as they stand."""

        def text(line: Line) -> str:
            if isinstance(line.thing, Given):
                return str(line.thing.row.get(self.order_by))
            return str(getattr(line.thing, SORTABLE[self.order_by]))

        return sorted(lines, key=text, reverse=self.descending)


# A product by its place, and the market and the warehouse of one of its rows.
Place = tuple[int, str, str | None]


def place(line: Line) -> Place:
    """Which row this is, whatever its stock."""
    return line.thing.position, line.market, line.warehouse


@dataclass(slots=True)
class Shelf:
    """All goods of one account. `goods` makes them: of a day that is over, or as they are first.

    `version` counts every change.
    """

    goods: Callable[[date | None], Iterable[Product]]
    today: date
    version: int = 0
    products: dict[int, Product] = field(init=False)
    given: dict[str, dict[int, Given]] = field(init=False)
    _frozen: dict[date, tuple[Line, ...]] = field(default_factory=dict)
    _derived: dict[date, tuple[Line, ...]] = field(default_factory=dict)
    _serial: int = -1

    def __post_init__(self) -> None:
        self.products = {each.position: each for each in self.goods(None)}
        self.given = {stream: {} for stream in STREAMS}

    def roll(self, today: date) -> None:
        """Keep every day before this one as it was at its end."""
        if today <= self.today:
            return
        kept = tuple(_lines(self.products.values(), INVENTORY))
        while self.today < today:
            self._frozen[self.today] = kept
            self.today += timedelta(days=1)

    def lines(self, stream: str, day: date | None = None) -> list[Line]:
        """Every row, in the order of the catalogue; with a day the snapshot of it."""
        told = "" if day is None else day.isoformat()
        given = [
            Line(each, "", None)
            for each in self.given[stream].values()
            if each.day in {"", told} or not told
        ]
        if day is None:
            return [*_lines(self.products.values(), stream), *given]
        return [*self._of_day(day), *given]

    def sell(self, position: int, stream: str, now: str) -> None:
        """Sell one of a product in each of its markets, or out of each of its warehouses."""
        self.version += 1
        if position not in self.products:
            row, name = self.given[stream][position].row, LEVELS[stream]
            row[name] = _sold_as_given(row.get(name))
            return
        product = self.products[position]
        if stream == WAREHOUSES:
            held = tuple(each._replace(stock=_sold(each.stock)) for each in product.warehouses)
            self.products[position] = replace(product, warehouses=held)
        else:
            listed = tuple(each._replace(stock=_sold(each.stock)) for each in product.listings)
            self.products[position] = replace(product, listings=listed, changed=now)

    def remove(self, line: Line, stream: str) -> None:
        """Take one row out; a product that is left in no market is gone."""
        self.version += 1
        product = self.products.get(line.thing.position)
        if product is None:
            del self.given[stream][line.thing.position]
        elif stream == WAREHOUSES:
            hidden = product.hidden | {(line.market, line.warehouse or "")}
            self.products[product.position] = replace(product, hidden=hidden)
        else:
            markets = line.market.split("+")
            left = tuple(each for each in product.listings if each.market not in markets)
            self.products[product.position] = replace(product, listings=left)
            if not left:
                del self.products[product.position]

    def put(self, stream: str, row: Row, day: str) -> None:
        """Add one row as it is."""
        self.version += 1
        self._serial -= 1
        self.given[stream][self._serial] = Given(self._serial, row, day)

    def _of_day(self, day: date) -> tuple[Line, ...]:
        if day in self._frozen:
            return self._frozen[day]
        if day not in self._derived:
            if len(self._derived) >= _DAYS_KEPT:
                del self._derived[next(iter(self._derived))]
            self._derived[day] = tuple(_lines(self.goods(day), INVENTORY))
        return self._derived[day]


def _lines(products: Iterable[Product], stream: str) -> Iterator[Line]:
    for product in products:
        for listing in product.listings:
            if stream == WAREHOUSES:
                yield from _broken_down(product, listing.market)
            else:
                yield Line(product, listing.market, None)


def _broken_down(product: Product, market: str) -> Iterator[Line]:
    stored = () if market == _NO_WAREHOUSE else product.warehouses
    for name in [each.name for each in stored] or [""]:
        if (market, name) not in product.hidden:
            yield Line(product, market, name)


def _sold(stock: int) -> int:
    """One less; where nothing is left, a delivery has come."""
    return stock - 1 if stock > 0 else stock + 24


def _sold_as_given(value: Any) -> Any:
    try:
        sold = _sold(int(value))
    except (TypeError, ValueError, OverflowError):
        return 24
    return str(sold) if isinstance(value, str) else sold


# ---- the catalogue -------------------------------------------------------------------------------


def main_goods(size: int, day: date | None) -> Iterator[Product]:
    """One product for each variant, then some that are no longer sold, and the known example."""
    for variant in variants(size):
        yield _product(variant, _stock(variant, day))
    for number, variant in enumerate(variants(size)[::25]):
        yield _retired(_product(variant, 0), size + number)
    yield _EXAMPLE


def other_goods(size: int, day: date | None) -> Iterator[Product]:
    """What a second account sells: a few of the same things, and fewer of each."""
    for variant in variants(size)[:40]:
        yield _product(variant, _stock(variant, day) // 2)


def _stock(variant: Variant, day: date | None) -> int:
    # A quarter of the goods stands still, the others differ from day to day.
    pace = variant.position % 4
    if day is None or not pace:
        return variant.stock
    return (variant.stock + pace * day.toordinal()) % 250


def _product(variant: Variant, stock: int) -> Product:
    return Product(
        position=variant.position,
        sku=variant.sku,
        asin=variant.asin,
        fn_sku=variant.fn_sku,
        name=variant.name,
        supplier=variant.style.supplier,
        gtin=variant.gtin,
        changed=variant.changed.isoformat(" ")[:19],
        listings=tuple(_listings(variant.position, stock)),
        warehouses=tuple(_warehouses(variant.position, stock)),
    )


def _listings(position: int, stock: int) -> Iterator[Listing]:
    velocity = round(0.07 + position % 50 * 0.25, 2)
    inbound = _BLED_INBOUND if position % 27 == 5 else position % 4 * 12
    yield Listing("US", stock, inbound, velocity, position % 6 * 2.5 or None)
    if position % 3 == 2:
        yield Listing("CA", stock // 3, position % 2 * 6, round(velocity / 4, 2), None)
    if position % 25 == 4:
        yield Listing("MX", stock % 9, None, 0.07, None)


def _warehouses(position: int, stock: int) -> Iterator[Held]:
    kind = position % 5
    if kind != 4:
        yield Held(_AWD, 11 * stock)
    if kind < 2:
        yield Held(_SHIPBOB, 3 + position % 60)


def _retired(product: Product, position: int) -> Product:
    return replace(
        product,
        position=position,
        sku=f"{product.sku}-OLD",
        asin=f"B1{product.asin[2:]}",
        fn_sku=f"X1{product.fn_sku[2:]}",
        active=False,
    )


_EXAMPLE = Product(
    position=-1,
    sku="BW-1",
    asin="B000000001",
    fn_sku="X0001",
    name="Widget, Blue",
    supplier="",
    gtin="",
    changed="2024-12-30 08:00:00",
    listings=(
        Listing("US", 310, _BLED_INBOUND, 12.5, 2456.41),
        Listing("MX", 0, None, 0.07, None),
    ),
    warehouses=(Held(_AWD, 1204), Held(_SHIPBOB, 88)),
)


# ---- the cells of a row --------------------------------------------------------------------------


def cells(line: Line) -> Row:
    """The values of a row by column, quantities as numbers; a column without a value is empty.

    `warehouse` and `marketplace` are among them, though they are no columns of the document.
    """
    if isinstance(line.thing, Given):
        return dict(line.thing.row)
    product, listing = line.thing, line.thing.listing(line.market)
    return _identity(product, line) | _fba(product, listing) | _totals(product, line)


def _identity(product: Product, line: Line) -> Row:
    n = product.position
    return {
        "product_name": product.name,
        "area_asins": product.asin,
        "area_skus": product.sku,
        "area_fn_skus": product.fn_sku,
        "areas": line.market,
        "marketplace": line.market,
        "warehouse": line.warehouse,
        "supplier_name": product.supplier,
        "product_upc_barcode": product.gtin,
        "currency_code": "USD",
        "supplier_unit_price": round(2 + n % 40 * 0.25, 2) if n % 3 else None,
        "supplier_min_units_to_order": 100 + n % 5 * 50,
        "product_units_per_carton": 12 + n % 3 * 12,
        "area_workflow_total_duration": 30 + n % 4 * 15,
        "workflow_total_duration": 30,
        "area_inv_updated_at": product.changed,
        "first_seen": product.changed[:10],
        "tags": "core" if n % 10 == 0 else None,
    }


def _fba(product: Product, listing: Listing) -> Row:
    reserved = product.position % 5
    return {
        "area_inv_stock": listing.stock,
        "area_inv_reserved": reserved,
        "area_inv_stock_reserved": listing.stock + reserved,
        "area_inv_inbound": listing.inbound,
        "area_inv_total": listing.stock + reserved + (listing.inbound or 0),
        "area_forecast_velocity_adj": listing.velocity,
        "area_forecast_stock_remaining": int(listing.stock / listing.velocity),
        "product_total_lost_sales": listing.lost_sales,
        "units_shipped_t30": int(30 * listing.velocity),
    }


def _totals(product: Product, line: Line) -> Row:
    fba = sum(each.stock for each in product.listings)
    coming = sum(each.inbound or 0 for each in product.listings)
    stored, ordered = product.held(None) or 0, product.position % 6 * 10
    return {
        "warehouses": product.held(line.warehouse),
        "product_inv_fba_stock": fba,
        "product_inv_fbm_stock": stored,
        "product_inv_fbm_inbound": ordered,
        "product_inv_fbm_stock_inbound": stored + ordered,
        "product_inv_stock_total": fba + stored,
        "product_inv_total_stock_inbound": fba + stored + ordered + coming,
        "total_stock_inbound_to_fba": fba + stored + coming,
    }


# ---- rows as they should not be ------------------------------------------------------------------

# What is not a number in some rows, as if it could not be reckoned.
NOT_NUMBERS = {"area_inv_reserved", "area_forecast_velocity_adj"}


def collapsed(lines: Iterable[Line]) -> Iterator[Line]:
    """One row per product, its markets joined by `+`."""
    markets: dict[Product | Given, list[str]] = {}
    for line in lines:
        markets.setdefault(line.thing, []).append(line.market)
    for thing, names in markets.items():
        yield Line(thing, "+".join(names), None)


def double(line: Line, how: str) -> Line:
    """A second row under the key of the first: `equal`, or different in what `how` says."""
    product = line.thing
    if how == "equal" or isinstance(product, Given):
        return line
    if how == "different":
        return line._replace(thing=replace(product, fn_sku=f"{product.fn_sku}-2"))
    if how == "different_name":
        return line._replace(thing=replace(product, name=f"{product.name}, again"))
    more = tuple(each._replace(stock=each.stock + 5) for each in product.listings)
    stored = tuple(each._replace(stock=each.stock + 5) for each in product.warehouses)
    return line._replace(thing=replace(product, listings=more, warehouses=stored))


def is_nan(product: Product) -> bool:
    """Whether the rows of this product have what is not a number."""
    return product.position % 11 == 3


def make_odd(row: Row, product: Product, kinds: Iterable[str]) -> None:
    """Put odd things into the cells of a row."""
    for kind in kinds:
        if kind in _ODD:
            _ODD[kind](row, product)


def _blank_market(row: Row, product: Product) -> None:
    # Not where the market is all that tells one row from another.
    if len(product.listings) == 1 and product.position % 7 == 3:
        row["areas"] = row["marketplace"] = None


def _blank_warehouse(row: Row, product: Product) -> None:
    if len(product.warehouses) == 1:
        row["warehouse"] = None


def _scientific(row: Row, product: Product) -> None:
    if product.gtin:
        row["product_upc_barcode"] = f"{int(product.gtin):.5E}"


def _stacked(row: Row, product: Product) -> None:
    if product.position % 5 == 1:
        row["area_skus"] = f"{product.sku}\n{product.sku}-FBM"
    if product.position % 10 == 1:
        row["area_asins"] = f"{product.asin}\nB2{product.asin[2:]}"


def _broken_name(row: Row, product: Product) -> None:
    if product.position % 5 == 2:
        row["product_name"] = product.name.replace(", ", ",\n", 1)


_ODD: dict[str, Callable[[Row, Product], None]] = {
    "blank_market": _blank_market,
    "blank_warehouse": _blank_warehouse,
    "scientific": _scientific,
    "stacked_skus": _stacked,
    "line_break": _broken_name,
}
