"""Singer messages as a tap writes them, and the few items that most tests write to."""

from __future__ import annotations

import json
from typing import Any

STREAM = "deconetwork_inventory"
PRODUCT = "19617"  # has 30 items in the sandbox: 19617_1378 to 19617_1407


def key(number: int = 0) -> str:
    """An item of the first product."""
    return f"{PRODUCT}_{1378 + number}"


def schema(stream: str = STREAM, keys: tuple[str, ...] = ("dn_sku_id",), **columns: Any) -> bytes:
    """A SCHEMA message; a column is a JSON Schema."""
    properties = {"dn_sku_id": {"type": "string"}, "inv_lvl": {"type": ["integer", "null"]}}
    document = {"type": "object", "properties": columns or properties}
    return line({"type": "SCHEMA", "stream": stream, "schema": document, "key_properties": keys})


def record(stream: str = STREAM, /, **values: Any) -> bytes:
    """A RECORD message."""
    return line({"type": "RECORD", "stream": stream, "record": values})


def level(number: int, value: Any, **more: Any) -> bytes:
    """A RECORD message that sets the level of an item of the first product."""
    return record(dn_sku_id=key(number), inv_lvl=value, **more)


def raw_level(number: int, text: str, field: str = "inv_lvl") -> bytes:
    """The same with the value as JSON text, however wrong."""
    head = f'{{"type":"RECORD","stream":"{STREAM}","record":{{"dn_sku_id":"{key(number)}",'
    return f'{head}"{field}":{text}}}}}\n'.encode()


def state(value: Any = 1) -> bytes:
    """A STATE message."""
    return line({"type": "STATE", "value": {"bookmarks": {STREAM: {"version": value}}}})


def passed_on(value: Any = 1) -> bytes:
    """What the target writes when it passes that STATE on."""
    return line({"bookmarks": {STREAM: {"version": value}}})


def line(message: Any) -> bytes:
    """One message."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"
