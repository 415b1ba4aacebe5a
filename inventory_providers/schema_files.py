"""The published schemas: made from the wire models, kept in `schemas/`, shipped in the wheel."""

from __future__ import annotations

import json
import types
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from inventory_providers.contract import Stream

_HERE = Path(__file__).parent
# In a wheel the files are inside the package; in a checkout, or an editable install, beside it.
PLACES = (_HERE / "schemas", _HERE.parent / "schemas")


@cache
def _text(name: str) -> str:
    for place in PLACES:
        file = place / f"{name}.json"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"schemas/{name}.json")


def published(name: str) -> dict[str, Any]:
    """The schema of a stream as it is published. A copy: the SDK writes into it."""
    schema: dict[str, Any] = json.loads(_text(name))
    return schema


def generate(stream: Stream) -> dict[str, Any]:
    """The schema of a stream, in the plain subset that every public target reads.

    One type and null last, keys without null, no `$ref`, no `anyOf`, no limits.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": stream.name,
        "description": f"{stream.endpoint}. {stream.description}",
        "type": "object",
        "properties": _properties(stream.model, stream.primary_key),
        "required": list(stream.primary_key),
    }


def _properties(model: type[BaseModel], keys: tuple[str, ...] = ()) -> dict[str, Any]:
    made = {}
    for name, field in model.model_fields.items():
        schema = _type(field.annotation)
        if name not in keys:
            schema["type"] = [schema["type"], "null"]
        made[name] = schema | {"description": field.description or ""}
    return made


_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    Decimal: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def _type(annotation: Any) -> dict[str, Any]:
    options = [annotation]
    if get_origin(annotation) in {types.UnionType, Union}:
        options = [option for option in get_args(annotation) if option is not type(None)]
    if Decimal in options:
        return dict(_PLAIN[Decimal])
    (only,) = options
    if get_origin(only) is Annotated:
        only = get_args(only)[0]
    if get_origin(only) is list:
        items = _type(get_args(only)[0])
        return {"type": "array", "items": items | {"type": [items["type"], "null"]}}
    if isinstance(only, type) and issubclass(only, BaseModel):
        return {"type": "object", "properties": _properties(only)}
    return dict(_PLAIN[only])
