"""Numbers in sentences."""

from __future__ import annotations


def many(count: int, noun: str) -> str:
    """`1 write`, `2 writes`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
