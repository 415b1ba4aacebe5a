"""What the suite has to be told about each room; everything else it finds out by itself."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inventory_providers.sandbox.room import Row


@dataclass(frozen=True)
class Shape:
    """One stream's rows. Properties are the record's, fields those of the row on the wire."""

    levels: Mapping[str, str]  # properties that tell one version of a row from the other: fields
    number: str  # a field, and property, that holds a quantity
    text: str  # a field, and property, that holds free text
    date: str | None  # the field that the replication key comes from
    named_by: str  # the field by which a message names a row that has no key
    other: Callable[[Row, int], Row]  # the nth row like this one, under a key of its own


@dataclass(frozen=True)
class Facts:
    """One room."""

    read: str  # what stands in the path of each read
    refusals: Mapping[str, tuple[str, Any]]  # switches that make the room refuse the sign-in
    failure: bytes  # an error in the provider's own words, with HTTP 200
    undocumented: Mapping[str, tuple[Callable[[bytes], bytes], str]]  # spoils a body: what is named
    streams: Mapping[str, Shape]
    session_lost: bytes = b""  # the answer that asks for a new sign-in
    wrong_id: Callable[[bytes], bytes] | None = None  # makes it the answer to another request
    short_token: tuple[str, Any] | None = None  # the switch under which page tokens live 2 s
    empty_page: tuple[str, Any] | None = None  # that makes a page in the middle come empty
    same_token: tuple[str, Any] | None = None  # that gives one page token twice


def facts(name: str) -> Facts:
    """What is known about a room."""
    known: Facts = import_module(f"tests.conformance.rooms.{name}").FACTS
    return known
