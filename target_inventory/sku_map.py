"""The SKU map: what an item of the source is called where its level goes."""

from __future__ import annotations

import csv
import hashlib
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from inventory_providers.errors import ConfigError, Rejected
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from _csv import Reader as Rows
    from collections.abc import Collection, Iterable, Iterator
    from typing import TextIO

    # A dictionary for a set that keeps the order of the file.
    Groups = dict[str, dict[str, None]]

SOURCE, TARGET = COLUMNS = ("source_sku", "target_sku")
PLACE = "sku_map_path"
ADVICE = f"It must be CSV in UTF-8, with commas and a first line that names {SOURCE} and {TARGET}"
# What spreadsheets write instead of commas.
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}
# More names than this help nobody to find the lines.
NAMES_SHOWN = 5


class Unmapped(Rejected):
    """The SKU does not stand in the map."""

    kind: ClassVar[str] = "unmapped"


class Lost(Unmapped):
    """No item takes it, and one should: the map names it, or its level was published before."""

    kind: ClassVar[str] = "lost"


class Ambiguous(Rejected):
    """The map does not tell one item for the SKU, or one SKU for the item."""

    kind: ClassVar[str] = "ambiguous"


class SkuMap:
    """Source SKUs with the one target SKU that each stands for. The same pair twice is one."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._target: dict[str, str] = {}
        self._several: Groups = {}
        for source, target in pairs:
            known = self._target.setdefault(source, target)
            if known != target:
                self._several.setdefault(source, {known: None})[target] = None
        # Most maps share nothing, and this is the quickest way to see it.
        distinct = len(set(self._target.values()))
        one_each = distinct == len(self._target) and not self._several
        self._shared: Groups = {} if one_each else self._find_shared()

    def _find_shared(self) -> Groups:
        """The targets that several sources go to, with these."""
        others = ((source, target) for source, many in self._several.items() for target in many)
        first_source: dict[str, str] = {}
        shared: Groups = {}
        for source, target in chain(self._target.items(), others):
            first = first_source.setdefault(target, source)
            if first != source:
                shared.setdefault(target, {first: None})[source] = None
        return shared

    @classmethod
    def read(cls, path: str | Path) -> SkuMap:
        """The map in a CSV file with the columns `source_sku` and `target_sku`, in any order.

        Other columns are ignored, blank lines skipped, blanks around a cell dropped. UTF-8, with
        or without a byte order mark.

        Raises:
            ConfigError: it cannot be read, is no such CSV, has no rows, or a row that lacks a SKU.
        """
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as file:
                return cls(_pairs(file))
        except UnicodeDecodeError:
            raise _wrong("it is not UTF-8 text").at(f"{PLACE} {one_line(path)}") from None
        except ConfigError as error:
            raise error.at(f"{PLACE} {one_line(path)}") from None
        except OSError as error:
            raise ConfigError(
                f"cannot read {one_line(path)}: {error.strerror}",
                place=PLACE,
                advice="Correct it; a relative path begins where the target runs",
            ) from None

    @property
    def digest(self) -> str:
        """The same for maps that say the same, in whatever order."""
        several = {(source, target) for source, many in self._several.items() for target in many}
        said = repr(sorted(several.union(self._target.items())))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()

    def target(self, sku: str) -> str:
        """The target SKU of a source SKU.

        Raises:
            Unmapped: it does not stand in the map.
            Ambiguous: it has several targets there, or shares its target with other SKUs.
        """
        if sku not in self._target:
            raise Unmapped("unmapped: not in the SKU map")
        several = self._several.get(sku)
        if several is not None:
            raise Ambiguous(
                f"ambiguous: it stands in the SKU map with {len(several)} targets "
                f"({', '.join(_shown(several))})"
            )
        target = self._target[sku]
        sources = self._shared.get(target)
        if sources is not None:
            raise Ambiguous(f"ambiguous: {_all_of(sources)} go to {one_line(target)}")
        return target


def _shown(names: Collection[str]) -> list[str]:
    shown = [one_line(name) for name in islice(names, NAMES_SHOWN)]
    return shown if len(names) <= NAMES_SHOWN else [*shown, f"{len(names) - NAMES_SHOWN} more"]


def _all_of(names: Collection[str]) -> str:
    *others, last = _shown(names)
    return f"{', '.join(others)} and {last} {'both' if len(names) == 2 else 'all'}"


# ---- the file ------------------------------------------------------------------------------------


def _wrong(message: str) -> ConfigError:
    return ConfigError(message, advice=ADVICE)


def _pairs(file: TextIO) -> Iterator[tuple[str, str]]:
    skipped, first = _first_line(file)
    # Not strict, a quotation mark that is never closed would swallow the rest of the file.
    rows = csv.reader(chain([first], file), strict=True, skipinitialspace=True)
    try:
        yield from _pairs_of(rows, skipped)
    except csv.Error as error:
        line = skipped + rows.line_num
        raise _wrong(f"it is no CSV, as line {line} shows at the latest ({error})") from None


def _first_line(file: TextIO) -> tuple[int, str]:
    """The first line that is not blank, and how many were."""
    found = next(((at, line) for at, line in enumerate(file) if line.strip()), None)
    if found is None:
        raise _wrong("it is empty")
    for separator, called in OTHER_SEPARATORS.items():
        if set(COLUMNS) <= {name.strip(' "\r\n') for name in found[1].split(separator)}:
            raise _wrong(f"its columns are separated by {called}, not by commas")
    return found


def _pairs_of(rows: Rows, skipped: int) -> Iterator[tuple[str, str]]:
    header = _header(next(rows))
    source, target, width = header.index(SOURCE), header.index(TARGET), len(header)
    found = False
    for row in rows:
        if len(row) != width:
            if _is_blank(row):
                continue
            row = _fitted(row, width, skipped + rows.line_num)  # noqa: PLW2901
        pair = ours, theirs = row[source].strip(), row[target].strip()
        if not ours or not theirs or "\0" in ours or "\0" in theirs:
            raise _wrong(f"line {skipped + rows.line_num} {_trouble(pair)}")
        found = True
        yield pair
    if not found:
        raise _wrong("it has no rows")


def _header(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    for name in COLUMNS:
        if names.count(name) != 1:
            state = "twice" if name in names else "missing"
            raise _wrong(f"{name} is {state} among its columns: {one_line(', '.join(names))}")
    return names


def _trouble(pair: tuple[str, str]) -> str:
    for name, sku in zip(COLUMNS, pair, strict=True):
        if not sku:
            return f"has no {name}"
    return "has a NUL character"


def _is_blank(row: list[str]) -> bool:
    return len(row) <= 1 and not any(cell.strip() for cell in row)


def _fitted(row: list[str], width: int, line: int) -> list[str]:
    """A row as wide as the header; a comma that nobody quoted would take one SKU for another."""
    if any(cell.strip() for cell in row[width:]):
        raise _wrong(f"line {line} has more cells than there are columns")
    return row[:width] + [""] * (width - len(row))
