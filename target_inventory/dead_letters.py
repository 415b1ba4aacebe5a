"""Rejected records as Singer messages that can be mended and fed back with `--input`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from inventory_providers.jsonio import dumps
from inventory_providers.times import rfc3339
from target_inventory import files
from target_inventory.words import called

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from inventory_providers.contract import Key


@dataclass(frozen=True, slots=True)
class Letter:
    """One rejected record: as it came, why, and what stood at the provider then.

    `key` is the item that it speaks of, where that can be told, `place` its place in the input, and
    `origin` the name of the letter that it was before. `kind` is the list of the report that has
    its SKU.
    """

    stream: str
    record: dict[str, Any]
    reason: str
    live: dict[str, Any] | None = None
    key: Key | None = None
    place: int = 0
    origin: str | None = None
    kind: str = ""

    @property
    def sku(self) -> str:
        """By what a list names it."""
        return called(self.record)

    @property
    def name(self) -> str:
        """What a message calls it: its SKU, or the item that it speaks of; empty if it has none."""
        return self.sku if self.kind or self.key is None else " ".join(self.key)

    def line(self, at: datetime) -> bytes:
        """As a RECORD message; Singer readers ignore what stands besides the record."""
        message = {
            "type": "RECORD",
            "stream": self.stream,
            "record": writable(self.record),
            "rejected": {
                "reason": self.reason,
                "live": self.live,
                "at": rfc3339(at),
                "place": self.place,
            },
        }
        return dumps(message) + b"\n"


def name_of(at: datetime, place: int) -> str:
    """What tells a letter from all others: when it was written, and its place in that input."""
    return f"{rfc3339(at)} {place}"


def named_in(message: dict[str, Any]) -> str | None:
    """The name of a letter that is fed back; None where the message is none."""
    rejected = message.get("rejected")
    if not isinstance(rejected, dict):
        return None
    at, place = rejected.get("at"), rejected.get("place")
    is_one = isinstance(at, str) and at.isascii() and type(place) is int
    return f"{at} {place}" if is_one else None


def writable(value: Any) -> Any:
    """NaN and Infinity as text: JSON has no numbers for them, and text is rejected again."""
    if isinstance(value, dict):
        return {key: writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [writable(item) for item in value]
    finite = value.is_finite() if isinstance(value, Decimal) else True
    if isinstance(value, float):
        finite = math.isfinite(value)
    return value if finite else str(value)


def write(path: Path, letters: Sequence[Letter], at: datetime, *, anew: bool = False) -> None:
    """Add the letters to the file, on disk before this returns. `anew` replaces what is there.

    Raises:
        OutputError: the file cannot be written.
    """
    lines: list[bytes] = []
    for stream in dict.fromkeys(letter.stream for letter in letters):
        schema = {"type": "object", "properties": {}}
        schema_message = {"type": "SCHEMA", "stream": stream, "schema": schema}
        lines.append(dumps(schema_message | {"key_properties": []}) + b"\n")
        lines += [letter.line(at) for letter in letters if letter.stream == stream]
    files.append(path, b"".join(lines), anew=anew)


def is_same_file(first: Path, second: str | None) -> bool:
    """Whether the letters would be added to the very file they are read from."""
    return second is not None and first.exists() and first.samefile(second)
