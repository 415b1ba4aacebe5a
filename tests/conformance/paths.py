"""Values inside records and rows, by the paths of a room's traits: names joined by dots."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_providers.sandbox.room import Row


def at(row: Any, path: str) -> Any:
    """The value there; None where the way to it ends."""
    for name in path.split("."):
        if not isinstance(row, dict):
            return None
        row = row.get(name)
    return row


def changed(row: Row, values: Mapping[str, Any]) -> Row:
    """The row with other values at these paths; `...` takes a value away."""
    other = deepcopy(row)
    for path, value in values.items():
        *way, name = path.split(".")
        place = other
        for step in way:
            place = place[step]
        if value is ...:
            del place[name]
        else:
            place[name] = value
    return other


def last_name(path: str) -> bytes:
    """What the value is called where it stands."""
    return path.rpartition(".")[2].encode()


def emptied(row: Any, key: tuple[str, ...], *, drop: bool) -> Any:
    """Nothing but what the key is made of; all else is null or, with `drop`, not there."""
    if not isinstance(row, dict):
        return row
    return {
        name: emptied(value, key, drop=drop) if _holds(value, key) else None
        for name, value in row.items()
        if _holds(value, key) or not drop
    }


def _holds(value: Any, key: tuple[str, ...]) -> bool:
    if isinstance(value, dict):
        return any(_holds(part, key) for part in value.values())
    return not isinstance(value, list) and str(value) in key


def same(value: Any, wire: Any) -> bool:
    """Whether a record shows what stood on the wire: a number in whatever form, or a text."""
    if value is None or wire is None:
        return value is None and wire in {None, ""}
    number, other = _number(value), _number(wire)
    return str(value) == str(wire) if None in {number, other} else number == other


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value).replace(",", ""))
    except InvalidOperation:
        return None
