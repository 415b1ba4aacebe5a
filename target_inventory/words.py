"""Numbers and items in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inventory_providers.contract import Key, Record

# So many are named in the log; the report counts them all.
EXAMPLES = 10


def many(count: int, noun: str) -> str:
    """`1 write`, `2 writes`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def some(names: Sequence[str], most: int = EXAMPLES) -> str:
    """The first of them."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def item(key: Key) -> str:
    """An item for a message: its key comes from outside."""
    return one_line(" ".join(key))


def called(record: Record) -> str:
    """By what a message names a level from elsewhere: its SKU, or the item's id; empty for none."""
    return str(record.get("sku") or record.get("provider_item_id") or "")
