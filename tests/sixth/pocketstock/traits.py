"""What the conformance suite has to be told about Pocketstock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inventory_providers.pocketstock.sandbox import STREAM
from inventory_providers.sandbox.traits import Shape, Traits

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.traits import Edit

_NUMBERED = "Pages have numbers; there is no token that could end or come twice."


def _other(row: Row, n: int) -> Row:
    return row | {"item": f"9{n:07}", "name": f"Other item {n}"}


def _renamed(name: bytes) -> Edit:
    return lambda body: body.replace(b'"%b"' % name, b'"renamed"', 1)


TRAITS = Traits(
    read="/pocket/v1/items",
    reads=3,
    refusals={"in words": ("key", "refused")},
    failure=json.dumps({"problem": "the list is being moved"}).encode(),
    undocumented={
        "null": (lambda _: b"null", "items"),
        "list": (lambda _: b"[]", "items"),
        "object": (lambda _: b"{}", "items"),
        "items renamed": (_renamed(b"items"), "items"),
        "pages renamed": (_renamed(b"pages"), "pages"),
    },
    streams={
        STREAM: Shape(
            levels={"count": "count"},
            number=("count", "count"),
            text=("name", "name"),
            key="item",
            named_by="name",
            date="changed",
            other=_other,
        )
    },
    not_applicable={
        "T08": "There is no session to lose, and no answer names the request that it is for.",
        "T23": _NUMBERED,
        "T24": _NUMBERED,
        "T25": "There are no large bodies: an answer has at most 100 rows.",
    },
)
