"""From the rows of an answer to the records of a model: every property, null where it was not sent.

The model says what a record looks like. What stands on the wire may be told in another form ("1"
for 1, 25 for an id); it arrives exactly, or not at all.
"""

from __future__ import annotations

import logging
import types
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from inventory_providers import times, values
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from inventory_providers.contract import Record

    Convert = Callable[[Any, str], Any]

LOG = logging.getLogger("inventory.records")

Number = int | Decimal
# For a part of which the document does not say what it looks like: JSON as text.
JsonText = Annotated[str, "JSON"]


def camel(name: str) -> str:
    """`package_length_mm` as `packageLengthMm`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def unchanged(name: str) -> str:
    """For providers whose names are those of the records."""
    return name


def key_of(row: Any, name: str, named_by: str) -> str:
    """The row's key, which has to be text.

    Raises:
        Malformed: it is missing, null, empty or no text; the message says which row by `named_by`.
    """
    if not isinstance(row, dict):
        raise Malformed("a row is not an object")
    key = row.get(name, ...)
    if isinstance(key, str) and key:
        return key
    state = "missing" if key is ... else "empty" if key is None or key == "" else "not text"
    raise Malformed(f"{name} is {state} in the row with {named_by} {row.get(named_by)!r}")


class Records:
    """Makes the records of one stream; `wire` says how a property is called on the wire.

    Properties of the wire that the model does not have are left out, and reported once.
    """

    def __init__(
        self, model: type[BaseModel], *, stream: str, wire: Callable[[str], str] = unchanged
    ) -> None:
        self._stream, self._wire = stream, wire
        self._fields = self._compiled(model)
        self._known = {on_wire for _, on_wire, _ in self._fields}
        self._reported: set[str] = set()

    def record(self, row: Record, name: str, **more: Any) -> Record:
        """The record of a row; `more` are properties that do not come from the wire.

        Raises:
            Malformed: a value cannot be carried over; the message has `name`, the row's.
        """
        if not row.keys() <= self._known:
            self._report(row.keys() - self._known)
        try:
            made = _made(row, self._fields, "")
        except Malformed as error:
            raise Malformed(f"row {name}: {error.message}") from None
        return made | more if more else made

    def _report(self, unknown: set[str]) -> None:
        new = unknown - self._reported
        self._reported |= new
        if new:
            names = ", ".join(sorted(new))
            LOG.warning("%s: left out, not in the document: %s", self._stream, names)

    def _compiled(self, model: type[BaseModel]) -> list[tuple[str, str, Convert]]:
        return [
            (name, self._wire(name), self._converter(field.annotation))
            for name, field in model.model_fields.items()
        ]

    def _converter(self, annotation: Any) -> Convert:
        kinds = [kind for kind in _options(annotation) if kind is not type(None)]
        if Decimal in kinds:
            return values.number
        (only,) = kinds
        if get_origin(only) is list:
            return _list_of(self._converter(get_args(only)[0]))
        if isinstance(only, type) and issubclass(only, BaseModel):
            return _object_of(self._compiled(only))
        return _PLAIN[only]


def _options(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in {types.UnionType, Union}
    return get_args(annotation) if is_union else (annotation,)


def _made(row: Record, fields: list[tuple[str, str, Convert]], path: str) -> Record:
    return {
        name: None if (value := row.get(on_wire)) is None else convert(value, path + on_wire)
        for name, on_wire, convert in fields
    }


def _object_of(fields: list[tuple[str, str, Convert]]) -> Convert:
    def convert(value: Any, name: str) -> Any:
        part = values.part(value, name)
        return None if part is None else _made(part, fields, f"{name}.")

    return convert


def _list_of(item: Convert) -> Convert:
    def convert(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise Malformed(f"{name} is {type(value).__name__} where a list is documented")
        return [None if each is None else item(each, f"{name}[]") for each in value]

    return convert


def _moment(value: Any, name: str) -> str | None:
    moment = values.moment(value, name)
    return None if moment is None else times.rfc3339(moment)


def _json(value: Any, _name: str) -> str:
    return dumps(value).decode()


_PLAIN: dict[Any, Convert] = {
    str: values.text,
    bool: values.boolean,
    datetime: _moment,
    date: values.day,
    JsonText: _json,
}
