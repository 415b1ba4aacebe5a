"""The list of rooms. A new provider is one folder and one name here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from inventory_providers import levels as across
from inventory_providers.contract import Stream

if TYPE_CHECKING:
    from inventory_providers.contract import Provider, Write

PROVIDER_NAMES: tuple[str, ...] = ("sostocked", "s2", "shipstream", "deconetwork", "amazon_fba")


@cache
def provider(name: str) -> Provider:
    """The declaration of one room."""
    declared: Provider = import_module(f"inventory_providers.{name}").PROVIDER
    return declared


def providers() -> tuple[Provider, ...]:
    """All rooms, in the order of the list."""
    return tuple(provider(name) for name in PROVIDER_NAMES)


def streams() -> dict[str, Stream]:
    """Every stream of every room, by name."""
    return {stream.name: stream for room in providers() for stream in room.streams}


def levels() -> Stream:
    """The stream across all rooms, as a declaration; it is made, and cannot be read."""
    return Stream(
        name=across.STREAM,
        endpoint=across.ENDPOINT,
        description=across.DESCRIPTION,
        model=across.LevelRecord,
        primary_key=across.PRIMARY_KEY,
        read=_made,
        replication_key=across.REPLICATION_KEY,
    )


def _made(*_: object) -> NoReturn:
    raise TypeError("this stream is made from others, which can be read")


def every_stream() -> dict[str, Stream]:
    """Every stream of the tap, by name: those of the rooms, and the one across them."""
    return {**streams(), across.STREAM: levels()}


def writes() -> dict[str, tuple[Provider, Write]]:
    """Everything that can be written, by the name of the input stream."""
    return {write.stream: (room, write) for room in providers() for write in room.writes}
