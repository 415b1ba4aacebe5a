"""What an export holds: its columns, their names in an answer, and how a row becomes a record.

Source: "Inventory Export API Documentation", section "Export Current View - Request Body". It shows
a request and no answer: 115 columns, each with an id and the label that a person sees. A property
has the id for its name, wherever an answer calls the column by its id or by its label.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field, create_model

from inventory_providers import values
from inventory_providers.errors import ConfigError, Malformed
from inventory_providers.jsonio import dumps, encode
from inventory_providers.levels import EVERYWHERE, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from inventory_providers.contract import Record
    from inventory_providers.sostocked.settings import SoStockedSettings

Number = int | Decimal

NAME = "sostocked"
LOG = logging.getLogger(f"inventory.{NAME}")

# The document's request, with `show` set by us: its own example shows neither the market, nor the
# warehouse, nor most quantities.
_DATA = json.loads(Path(__file__).with_name("columns.json").read_text(encoding="utf-8"))
COLUMNS: list[dict[str, Any]] = _DATA["columns"]
IDS = tuple(column["id"] for column in COLUMNS)
NUMBERS = frozenset(_DATA["numbers"])
SHOWN = tuple(column["id"] for column in COLUMNS if column["show"])

PER_PAGE = 250

# ---- labels --------------------------------------------------------------------------------------

_ELEMENT = re.compile(r"<(\w+)\b[^>]*>.*?</\1\s*>|</?\w[^>]*>", re.DOTALL)
_AFTER_TOTAL = re.compile(r"-?[\d.,]+ (.+)")
LONGEST_SLUG = 55


def plain(label: str) -> str:
    """A label without HTML elements, whose content is a live total, and with single blanks."""
    return " ".join(_ELEMENT.sub(" ", label).split())


def _folded(label: str) -> str:
    # All 115 labels stay distinct without their case.
    return plain(label).casefold()


_BY_LABEL: dict[str, str] = {_folded(column.get("text", "")): column["id"] for column in COLUMNS}
_WITH_TOTAL: dict[str, str] = {
    _folded(column["text"]): column["id"] for column in COLUMNS if "<" in column.get("text", "")
}


def column_of(header: str) -> str | None:
    """The id of the column that an answer calls so; None for one that the request does not have.

    Never by the header's slug: that of the label `Inbound to FBA` is the id of another column.
    """
    if header in IDS:
        return header
    folded = _folded(header)
    if folded in _BY_LABEL:
        return _BY_LABEL[folded]
    # A label with a live total may come with the total as plain text.
    after = _AFTER_TOTAL.fullmatch(folded)
    return None if after is None else _WITH_TOTAL.get(after[1])


def slug(header: str) -> str:
    """A header as a property's name: lower snake_case, beginning with a letter."""
    words = re.sub(r"[^a-z0-9]+", "_", plain(header).casefold()).strip("_")[:LONGEST_SLUG]
    return words if words[:1].isalpha() else f"column_{words}".strip("_")


# ---- records -------------------------------------------------------------------------------------


def _described(column: Mapping[str, Any]) -> str:
    return plain(column.get("text", "")) or column["id"].replace("_", " ").capitalize()


def _field(column: Mapping[str, Any]) -> tuple[Any, Any]:
    kind = Number if column["id"] in NUMBERS else str
    return kind | None, Field(description=_described(column))


_OWN: dict[str, tuple[Any, Any]] = {
    "account_id": (str, Field(description="The account, as configured in `account_id`.")),
    "snapshot_date": (date, Field(description="The day of the snapshot.")),
    "marketplace": (
        str | None,
        Field(description="The market, where it comes in a column called Marketplace."),
    ),
    "warehouse": (
        str | None,
        Field(description="The warehouse that the row is about; empty for a product without one."),
    ),
}


def _model(name: str, told: str, own: Iterable[str]) -> type[BaseModel]:
    fields = {each: _OWN[each] for each in own} | {each["id"]: _field(each) for each in COLUMNS}
    made: type[BaseModel] = create_model(name, __doc__=told, **fields)
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One of the three exports. `own` is the part of the key that the other two do not have.

    `paths` are the spellings of its path, the document's first.
    """

    stream: str
    paths: tuple[str, ...]
    export_type: str
    model: type[BaseModel]
    own: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The usual key."""
        return (*KEY, "areas", *self.own)


KEY = ("account_id", "area_asins", "area_skus")
EXTENSIONS = ("area_fn_skus", "product_name")

INVENTORY = Kind(
    "sostocked_inventory",
    ("/product-inventories/export",),
    "expanded",
    _model("Inventory", "A product in one market, now.", ("account_id", "marketplace")),
)
SNAPSHOTS = Kind(
    "sostocked_inventory_snapshots",
    ("/inventories/export-snapshot",),
    "snapshot",
    _model(
        "Snapshot",
        "A product in one market, as it was on a day that is over.",
        ("account_id", "snapshot_date", "marketplace"),
    ),
    own=("snapshot_date",),
)
WAREHOUSES = Kind(
    "sostocked_warehouse_inventory",
    # The second is how a public list of endpoints spells it.
    (
        "/product-inventories/warehouse-breakdown-export",
        "/product-inventories/warehouses-breakdown-export",
    ),
    "warehouse-breakdown",
    _model(
        "WarehouseInventory",
        "A product in one market and one warehouse, now.",
        ("account_id", "marketplace", "warehouse"),
    ),
    own=("warehouse",),
)


def request_body(
    settings: SoStockedSettings,
    kind: Kind,
    *,
    page: int,
    per_page: int = PER_PAGE,
    day: date | None = None,
) -> Record:
    """What is sent for one page of an export ("Export Current View - Request Body").

    Inactive products are hidden by `with_inactive` and by the filter on `status_id`, so both give
    way for all products.
    """
    more = {
        "page": page,
        "view_id": settings.view_id,
        "columns": COLUMNS,
        "filters": [] if settings.with_inactive else _DATA["active_only"],
        "per_page": per_page,
        "export_type": kind.export_type,
        "with_inactive": int(settings.with_inactive),
        "snapshot_date": "" if day is None else day.isoformat(),
    }
    base: Record = _DATA["body"]
    return base | more


# ---- cells ---------------------------------------------------------------------------------------

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
NOT_A_NUMBER = "NaN"


def _without_separators(digits: str, name: str) -> str:
    if "," not in digits:
        return digits
    if _THOUSANDS.fullmatch(digits) is None:
        raise Malformed(f"{name} is text that is no number")
    return digits.replace(",", "")


def cell_text(cell: str, _: str) -> str | None:
    """A cell of a file as it came; null where it is blank, or a `NaN`."""
    return cell if cell.strip() and cell != NOT_A_NUMBER else None


@lru_cache(maxsize=65_536)
def cell_number(cell: str, name: str) -> Number | None:
    """A quantity or price in a cell: `1,204` is 1204, blank and `NaN` are null.

    Raises:
        Malformed: it is no number.
    """
    if cell.isdigit() and cell.isascii() and len(cell) < 18:
        return int(cell)
    digits = cell.strip()
    if digits == NOT_A_NUMBER:
        return None
    return values.number(_without_separators(digits, name), name)


def value_text(value: Any, _: str) -> str | None:
    """A value of a JSON row as text; a list or an object, which areas come in, as JSON text."""
    if value is None or type(value) is str:
        return value
    return str(value) if type(value) is int or type(value) is Decimal else dumps(value).decode()


def value_number(value: Any, name: str) -> Number | None:
    """A quantity or price of a JSON row, which may be text with separators.

    Raises:
        Malformed: it is no number; JSON has types, so this is another thing than an odd cell.
    """
    if isinstance(value, str):
        value = _without_separators(value.strip(), name)
    return values.number(value, name)


Place = tuple[int, str, "Callable[[Any, str], Any]"]


class Table(NamedTuple):
    """The rows of an answer. `names` are the columns as the answer calls them.

    `is_json` says that cells are JSON values and not texts. `total` and `pages` are what the
    answer says of the whole export, where it does.
    """

    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    is_json: bool = False
    total: int | None = None
    pages: int | None = None


class Row(NamedTuple):
    """One row as a line of JSON, and what tells it from all others (see `IDENTITY`)."""

    identity: str
    line: bytes


class Sheet(NamedTuple):
    """One page of an export.

    `columns` are the properties that it has, `extras` those that the document does not name. `odd`
    counts the cells of a column of numbers that are none.
    """

    rows: Sequence[Row]
    extras: tuple[str, ...]
    columns: frozenset[str]
    odd: Counter[str]
    total: int | None = None
    pages: int | None = None


# Everything that may be a part of the key, from the settings and the day apart.
IDENTITY = ("area_asins", "area_skus", "areas", "marketplace", "warehouse", *EXTENSIONS)


class Layout:
    """How the columns of one answer become properties of one stream.

    Raises:
        Malformed: none of them is known, or two of them are the same.
        ConfigError: neither a SKU nor an ASIN is among them.
    """

    def __init__(self, kind: Kind, names: Sequence[str]) -> None:
        self._declared = kind.model.model_fields.keys()
        self.names: list[str] = []
        self.extras: tuple[str, ...] = ()
        for header in names:
            self.names.append(self._name(header))
        self.columns = frozenset(self.names)
        if not self.columns & set(IDS):
            raise Malformed("the answer is no export: none of its columns is one of the document's")
        if not self.columns & {"area_asins", "area_skus"}:
            raise ConfigError(
                "the view has no SKU or ASIN column",
                place=f"{NAME}.view_id",
                advice="Show one of them in the view, or set another view",
            )

    def _name(self, header: str) -> str:
        own = slug(header)
        known = column_of(header)
        if known is None and own in {"marketplace", "warehouse"} & self._declared:
            known = own
        if known is not None:
            if known in self.names:
                raise Malformed(f"two columns of the answer are {known}")
            return known
        name, number = own, 1
        while name in self._declared or name in self.names:
            number += 1
            name = f"{own}_{number}"
        self.extras += (name,)
        return name


class Converter:
    """Makes a sheet of a stream's table.

    `fixed` are the properties that are the same in each row.
    """

    def __init__(self, kind: Kind, fixed: Mapping[str, str]) -> None:
        self._kind = kind
        self._template: Record = dict.fromkeys(kind.model.model_fields) | dict(fixed)
        self._odd: Counter[str] = Counter()

    def sheet(self, table: Table) -> Sheet:
        """The rows as records: every property of the stream, null where none came.

        Raises:
            Malformed, ConfigError: as `Layout`; a JSON value that does not fit, with its row.
        """
        if not table.names and not table.rows:
            return Sheet([], (), frozenset(), Counter(), table.total, table.pages)
        layout = Layout(self._kind, table.names)
        texts, numbers = (
            (value_text, value_number) if table.is_json else (cell_text, self._counted_number)
        )
        places: list[Place] = [
            (place, name, numbers if name in NUMBERS else texts)
            for place, name in enumerate(layout.names)
        ]
        template = self._template | dict.fromkeys(layout.extras)
        blank = None if table.is_json else ""
        rows = [_row(template.copy(), cells, places, blank) for cells in table.rows]
        return Sheet(rows, layout.extras, layout.columns, self._odd, table.total, table.pages)

    def _counted_number(self, cell: str, name: str) -> Number | None:
        try:
            return cell_number(cell, name)
        except Malformed:
            self._odd[name] += 1
            return None


_NAMING = frozenset({"product_name", "area_skus", "area_asins"})


def _row(record: Record, cells: Sequence[Any], places: Sequence[Place], blank: str | None) -> Row:
    try:
        for place, name, convert in places:
            cell = cells[place]
            if cell != blank:
                record[name] = convert(cell, name)
    except Malformed as error:
        told = ", ".join(str(cells[place]) for place, name, _ in places if name in _NAMING)
        raise Malformed(f"in the row of {values.one_line(told)}: {error.message}") from None
    parts = [record.get(name) or "" for name in IDENTITY]
    return Row(encode(parts).decode(), encode(record))


# ---- levels --------------------------------------------------------------------------------------

# What names a product, best first. An ASIN is there in every market and from the first day; an FN
# SKU comes with the first shipment to Amazon, and need not be the same in each region.
_NAMING_IT = ("area_asins", "area_fn_skus", "area_skus", "product_name")


@dataclass(slots=True)
class _Told:
    """What the rows of one product and warehouse have told so far."""

    units: Number | None
    markets: set[str]
    is_unclear: bool = False

    def take(self, units: Number | None, market: str) -> bool:
        """Count another row in, and say whether the level is another one now."""
        # A product stands once in a market: twice means two that nothing tells apart.
        is_again = market in self.markets
        self.markets.add(market)
        says_nothing = units is None and (self.units is None or not is_again)
        if self.is_unclear or says_nothing or (units == self.units and not is_again):
            return False
        self.is_unclear = is_again or self.units is not None
        self.units = None if self.is_unclear else units
        return True


class Levels:
    """The levels of one read of the breakdown by warehouses: its "Warehouse Stock".

    Rows come for each market and warehouse, and the stock in a warehouse is the same in all of
    them: it is one level. Where rows do not agree on it, the level comes again without a quantity.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], _Told] = {}
        self._unclear = self._nameless = 0
        self._example = ""

    def of(self, record: Record) -> tuple[Level, ...]:
        """The level of a row's product in its warehouse, where it is a new one or another."""
        place = _first(record, ("warehouse",)) or EVERYWHERE
        sku, item = _first(record, ("area_skus",)), _first(record, _NAMING_IT)
        if not item:
            self._nameless += 1
            return ()
        market, units = _first(record, ("areas", "marketplace")), record["warehouses"]
        told = self._told.get((place, sku, item))
        if told is None:
            told = self._told[place, sku, item] = _Told(units, {market})
        elif not told.take(units, market):
            return ()
        if told.is_unclear:
            self._unclear += 1
            self._example = self._example or f"SKU {sku or item} in {place}"
        level = Level(
            place,
            None if place == EVERYWHERE else place,
            sku=sku,
            provider_item_id=item,
            product_name=record["product_name"],
            on_hand=told.units,
        )
        return (level,)

    def report(self) -> None:
        """Say of how many levels the rows do not agree, and how many rows name no product."""
        if self._nameless:
            told = "%s: %d rows name no product, and give no level"
            LOG.warning(told, WAREHOUSES.stream, self._nameless)
        if self._unclear:
            LOG.warning(
                "%s: the rows of %d products in a warehouse do not agree on their stock, such as "
                "%s; it is null in their levels",
                WAREHOUSES.stream,
                self._unclear,
                values.one_line(self._example),
            )


def _first(record: Record, names: Iterable[str]) -> str:
    """The first of these properties that is not blank; empty where all are."""
    return next((text for name in names if (text := record[name]) and text.strip()), "")
