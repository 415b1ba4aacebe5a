"""What a run of the tap gave out, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

KINDS = {"SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION"}


def whole_lines(out: bytes) -> bytes:
    """Without what a reader cannot use: a line that was cut."""
    return out[: out.rfind(b"\n") + 1]


@dataclass
class Result:
    """One run. Numbers in `messages` are exact."""

    code: int
    out: bytes
    last_line: str
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Every line, decoded (U8: there are whole valid lines only, schemas first)."""
        assert not self.out or self.out.endswith(b"\n"), "the last line is cut"
        found = [json.loads(line, parse_float=Decimal) for line in self.out.splitlines()]
        described = set()
        for message in found:
            assert message["type"] in KINDS
            if message["type"] == "SCHEMA":
                described.add(message["stream"])
            elif message["type"] == "RECORD":
                assert message["stream"] in described, "a record before its schema"
        return found

    def of(self, kind: str, stream: str) -> list[dict[str, Any]]:
        """The messages of one kind for one stream, in order."""
        return [m for m in self.messages if m["type"] == kind and m["stream"] == stream]

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream, in order."""
        return [message["record"] for message in self.of("RECORD", stream)]

    @property
    def states(self) -> list[dict[str, Any]]:
        """Every state, in order."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any] | None:
        """The last one: where to resume."""
        return self.states[-1] if self.states else None

    def warned(self, *words: str) -> bool:
        """Whether a warning was logged that has all these words."""
        warnings = [line for line in self.log if "WARNING" in line]
        return any(all(word in line for word in words) for line in warnings)
