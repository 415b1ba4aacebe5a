"""From the rows of an answer to the records of a model: every property, null where it was not sent.

The model says what a record looks like. What stands on the wire may be told in another form ("1"
for 1, 25 for an id); it arrives exactly, or not at all.
"""

from __future__ import annotations

import logging
import types
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from inventory_providers import times, values
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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
    other = values.one_line(repr(row.get(named_by)))
    raise Malformed(f"{name} is {state} in the row with {named_by} {other}")


class _Field(NamedTuple):
    """A property of the model. A value of the type `usual` needs no conversion."""

    name: str
    on_wire: str
    usual: type
    convert: Convert


class _Shape(NamedTuple):
    """A model, or a part of one, and what its properties are called on the wire."""

    fields: tuple[_Field, ...]
    known: frozenset[str]


class Records:
    """Makes the records of one stream; `wire` says how a property is called on the wire.

    Properties of the wire that the model does not have are left out, and reported once; those of
    a part with a dot before them.
    """

    def __init__(
        self, model: type[BaseModel], *, stream: str, wire: Callable[[str], str] = unchanged
    ) -> None:
        self._stream, self._wire = stream, wire
        self._reported: set[str] = set()
        self._shape = self._compiled(model)

    def record(self, row: Record, name: str, **more: Any) -> Record:
        """The record of a row; `more` are properties that do not come from the wire.

        Raises:
            Malformed: a value cannot be carried over; the message has `name`, the row's.
        """
        try:
            made = self._made(row, self._shape, "")
        except Malformed as error:
            raise Malformed(f"row {values.one_line(name)}: {error.message}") from None
        return made | more if more else made

    def leave_out(self, names: Collection[str]) -> None:
        """Report properties of the wire that no record will have."""
        new = set(names) - self._reported
        self._reported |= new
        if new:
            listed = values.one_line(", ".join(sorted(new)))
            LOG.warning("%s: left out, not in the document: %s", self._stream, listed)

    def _made(self, row: Record, shape: _Shape, path: str) -> Record:
        if not row.keys() <= shape.known:
            self.leave_out([path + name for name in row.keys() - shape.known])
        made = {}
        for name, on_wire, usual, convert in shape.fields:
            value = row.get(on_wire)
            as_it_is = value is None or type(value) is usual
            made[name] = value if as_it_is else convert(value, path + on_wire)
        return made

    def _compiled(self, model: type[BaseModel]) -> _Shape:
        fields = tuple(
            _Field(name, self._wire(name), *self._converter(field.annotation))
            for name, field in model.model_fields.items()
        )
        return _Shape(fields, frozenset(field.on_wire for field in fields))

    def _converter(self, annotation: Any) -> tuple[type, Convert]:
        kinds = [kind for kind in _options(annotation) if kind is not type(None)]
        if Decimal in kinds:
            return int, values.number
        (only,) = kinds
        if get_origin(only) is list:
            _, convert = self._converter(get_args(only)[0])
            return _NONE, _list_of(convert)
        if isinstance(only, type) and issubclass(only, BaseModel):
            return _NONE, self._object_of(self._compiled(only))
        return _PLAIN[only]

    def _object_of(self, shape: _Shape) -> Convert:
        def convert(value: Any, name: str) -> Any:
            part = values.part(value, name)
            return None if part is None else self._made(part, shape, f"{name}.")

        return convert


def _options(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in {types.UnionType, Union}
    return get_args(annotation) if is_union else (annotation,)


def _list_of(item: Convert) -> Convert:
    def convert(value: Any, name: str) -> Any:
        if not isinstance(value, list):
            raise Malformed(f"{name} is {type(value).__name__} where a list is documented")
        return [None if each is None else item(each, f"{name}[]") for each in value]

    return convert


def _moment(value: Any, name: str) -> str | None:
    moment = values.moment(value, name)
    return None if moment is None else stamp(value, moment)


def stamp(text: str, moment: datetime) -> str:
    """A moment as records have it, from the text that it was parsed from."""
    # Many providers write it so themselves: six digits of a fraction, and Z.
    same = (
        len(text) == 27
        and (text[7], text[10], text[19], text[26]) == ("-", "T", ".", "Z")
        and moment.microsecond
    )
    return text if same else times.rfc3339(moment)


def _json(value: Any, _name: str) -> str:
    return dumps(value).decode()


_NONE = type(None)
_PLAIN: dict[Any, tuple[type, Convert]] = {
    str: (str, values.text),
    bool: (bool, values.boolean),
    datetime: (_NONE, _moment),
    date: (_NONE, values.day),
    JsonText: (_NONE, _json),
}
