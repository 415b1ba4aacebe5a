"""One catalogue for every room: the same goods, told in each provider's own words.

It is computed, not stored, and the same on every run: a variant's numbers follow from its position.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count as counting
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a style; the code is what is printed on the label."""

    number: int
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour of a style."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Style:
    """What a shop calls a product: one name, many sizes and colours. `index` counts from 0."""

    index: int
    number: str
    name: str
    supplier: str
    sizes: tuple[Size, ...]
    colours: tuple[Colour, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be counted. `position` counts from 0 and never changes.

    `sku`, `gtin`, `asin` and `fn_sku` are unique; the GTIN has a right check digit and lies in the
    range that no company owns.
    """

    position: int
    style: Style
    size: Size
    colour: Colour
    sku: str
    gtin: str
    stock: int
    changed: datetime

    @property
    def name(self) -> str:
        """What a list of goods calls it: the style with its size and colour."""
        return f"{self.style.name}, {self.size.name}, {self.colour.name}"

    @property
    def asin(self) -> str:
        """Its number in a marketplace's catalogue."""
        return f"B0{_code(self.position, 8)}"

    @property
    def fn_sku(self) -> str:
        """The number on the label under which a fulfilment centre keeps it."""
        return f"X00{_code(self.position, 7)}"


_DIGITS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def _code(position: int, length: int) -> str:
    """Digits and letters that look like a number drawn by lot, and are one to one."""
    base = len(_DIGITS)
    rest = (position * 2_654_435_761 + 97_531) % base**length
    out = ""
    for _ in range(length):
        rest, digit = divmod(rest, base)
        out += _DIGITS[digit]
    return out


# Medium comes first, so that the first variant is the one printed in a provider's document.
_WORN = tuple(
    Size(number, code, name)
    for number, code, name in (
        (2, "M", "Medium"),
        (3, "L", "Large"),
        (4, "XL", "Extra Large"),
        (5, "2XL", "2X Large"),
        (6, "3XL", "3X Large"),
        (1, "S", "Small"),
        (7, "XS", "Extra Small"),
        (8, "4XL", "4X Large"),
        (9, "5XL", "5X Large"),
    )
)
_ONE_SIZE = (Size(20, "OS", "One Size"),)
_VOLUMES = (Size(31, "350", "350 ml"), Size(32, "500", "500 ml"), Size(33, "750", "750 ml"))

_COLOURS = tuple(
    Colour(35345 + place, name)
    for place, name in enumerate(
        (
            "White",
            "Black",
            "Navy",
            "Red",
            "Royal Blue",
            "Forest Green",
            "Charcoal",
            "Sand",
            "Light Blue",
            "Burgundy",
            "Orange",
            "Yellow",
            "Purple",
            "Ecru",
        ),
    )
)

# name, sizes, how many of the sizes, how many of the colours
_KINDS: tuple[tuple[str, tuple[Size, ...], int, int], ...] = (
    ("T Shirt", _WORN, 6, 5),
    ("Hooded Sweatshirt", _WORN, 9, 14),  # 126 variants: more than a page of 100
    ("Enamel Mug", _VOLUMES, 2, 6),
    ("Polo Shirt", _WORN, 7, 6),
    ("Tote Bag", _ONE_SIZE, 1, 8),
    ("Long Sleeve Shirt", _WORN, 6, 4),
    ("Water Bottle", _VOLUMES, 3, 5),
    ("Cap", _ONE_SIZE, 1, 10),
    ("Apron", _ONE_SIZE, 1, 3),
    ("Rain Jacket", _WORN, 5, 4),
)
_LINES = ("Classic", "Light", "Heavy", "Organic", "Recycled", "Workwear", "Junior")
_SUPPLIERS = ("Sanmar", "Sample Supplier 2", "Sample Supplier 3", "Sample Supplier 4")

_FIRST_STYLE = 5170
_FIRST_STYLE_NAME = "ComfortSoft 50/50 Cotton/Poly T Shirt"
_FIRST_SKU = 312033
_FIRST_CHANGE = datetime(2018, 10, 1, tzinfo=UTC)
_BEGIN = datetime(2016, 1, 4, 8, tzinfo=UTC)
_SPAN = int((datetime(2025, 12, 20, tzinfo=UTC) - _BEGIN).total_seconds())


@lru_cache(maxsize=8)
def variants(count: int = 2000) -> tuple[Variant, ...]:
    """The first `count` variants; a larger catalogue begins with the smaller one."""
    return tuple(islice(_all_variants(), count))


def _all_variants() -> Iterator[Variant]:
    position = counting()
    for style in map(_style, counting()):
        for colour in style.colours:
            for size in style.sizes:
                yield _variant(next(position), style, size, colour)


def _style(index: int) -> Style:
    kind, sizes, sizes_kept, colours_kept = _KINDS[index % len(_KINDS)]
    line = _LINES[index // len(_KINDS) % len(_LINES)]
    return Style(
        index=index,
        number=str(_FIRST_STYLE + 10 * index),
        name=f"{line} {kind} {index}" if index else _FIRST_STYLE_NAME,
        supplier=_SUPPLIERS[index % len(_SUPPLIERS)],
        sizes=sizes[:sizes_kept],
        colours=_COLOURS[:colours_kept],
    )


def _variant(position: int, style: Style, size: Size, colour: Colour) -> Variant:
    return Variant(
        position=position,
        style=style,
        size=size,
        colour=colour,
        sku=str(_FIRST_SKU + position),
        gtin=_gtin(position),
        stock=(3 + 37 * position) % 250,
        changed=_changed(position),
    )


def _changed(position: int) -> datetime:
    # Three neighbours share a second: real shops import in bulk, and ties are what paging loses.
    return (
        _BEGIN + timedelta(seconds=position // 3 * 28_573_961 % _SPAN)
        if position
        else _FIRST_CHANGE
    )


def _gtin(position: int) -> str:
    # Numbers that begin with 2 are kept free for use inside a shop.
    digits = f"20{position:010d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"
