"""The simulated provider's room: its items and its four writes, as a real room declares them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from inventory_providers.contract import Items, Order, Wish, Write
from inventory_providers.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from inventory_providers.contract import Change, Fields, Key, Record
    from tests.simulation.world import Connection

FIELDS = ("units", "warn")
BATCH = 3


def _levels(session: Connection, keys: Collection[Key]) -> Mapping[Key, Fields]:
    return session.world.levels(sorted(sku for (sku,) in keys))


def _to_level(record: Record) -> Wish:
    fields = {name: record[name] for name in FIELDS if name in record}
    if any(value < 0 for value in fields.values()):
        raise Rejected("a level below zero")
    return Wish((record["sku"],), fields)


def _to_addition(record: Record) -> Wish:
    quantity = {"quantity": record["quantity"]}
    return Wish((record["sku"],), quantity, event=record["idempotency_key"])


def _to_item(record: Record) -> Wish:
    return Wish((record["sku"],), {})


def _line(verb: str, change: Change, **more: Any) -> dict[str, Any]:
    (sku,) = change.key
    return {"verb": verb, "sku": sku, **more}


def _levels_order(changes: Sequence[Change]) -> Order:
    lines = []
    for change in changes:
        after = cast("dict[str, Any]", change.after)
        lines.append(_line("set", change, fields={name: after[name] for name in change.fields}))
    return Order("POST", "/levels", json.dumps(lines))


def _addition_order(changes: Sequence[Change]) -> Order:
    (change,) = changes
    line = _line("add", change, quantity=change.asked["quantity"], event=change.event)
    return Order("POST", "/additions", json.dumps([line]), f"{change.key[0]}/{change.event}")


def _creation_order(changes: Sequence[Change]) -> Order:
    (change,) = changes
    return Order("POST", "/items", json.dumps([_line("create", change)]))


def _deletion_order(changes: Sequence[Change]) -> Order:
    (change,) = changes
    return Order("DELETE", "/items", json.dumps([_line("delete", change)]))


def send_once(session: Connection, order: Order) -> None:
    """A request that must not be repeated blindly."""
    session.send(order, repeatable=False)


def send_again(session: Connection, order: Order) -> None:
    """A request that may come twice."""
    session.send(order, repeatable=True)


ITEMS = Items(key=("sku",), level="units", account=lambda _: "sim", levels=_levels)


def _write(stream: str, effect: Any, parse: Any, order: Any, *, send: Any, batch: int = 1) -> Write:
    return Write(stream, effect, "POST /", "simulated", ITEMS, batch, parse, order, send)


WRITES = {
    write.stream: write
    for write in (
        _write("levels", "set", _to_level, _levels_order, send=send_once, batch=BATCH),
        _write("additions", "add", _to_addition, _addition_order, send=send_again),
        _write("creations", "create", _to_item, _creation_order, send=send_once),
        _write("deletions", "delete", _to_item, _deletion_order, send=send_again),
    )
}
