"""What the document says of an item, and how it becomes a record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, Field

from inventory_providers import values
from inventory_providers.jsonio import dumps
from inventory_providers.records import Number, Records, key_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Item(BaseModel):
    """Stock of one item."""

    item: str = Field(description="The item's number.")
    name: str | None = Field(description="What the item is called.")
    shelf: str | None = Field(description="Where it lies.")
    count: Number | None = Field(description="How many there are.")
    changed: datetime | None = Field(description="When the count changed last, in UTC.")


class Row(NamedTuple):
    """One item as it will be emitted."""

    key: str
    line: bytes
    changed: datetime | None


def reader(stream: str) -> Callable[[Any], Row]:
    """Makes rows of what came.

    Raises:
        Malformed: a row has no number, or a value that its document does not allow.
    """
    records = Records(Item, stream=stream)

    def read(raw: Any) -> Row:
        key = key_of(raw, "item", "name")
        record = records.record(raw, key)
        return Row(key, dumps(record), values.moment(raw.get("changed"), "changed"))

    return read
