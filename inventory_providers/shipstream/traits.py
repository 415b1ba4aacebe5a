"""What the conformance suite has to be told about ShipStream."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from inventory_providers.sandbox.traits import Edit, Shape, Traits
from inventory_providers.shipstream.sandbox import INVENTORY, INVENTORY_DETAILED, INVENTORY_LOTS

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row

# T08 needs a session: in basic mode code 5 means that the credentials are refused.
SESSION_SETTINGS = {"auth": "session"}

_ID = re.compile(rb'"id":("[^"]*"|[0-9]+)')
_IN_ONE_PIECE = (
    "There is no page token: two methods answer in one piece, lots are walked by number."
)


def _error(code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()


def _of_another_request(body: bytes) -> bytes:
    return _ID.sub(b'"id":"of-another-request"', body, count=1)


def _with_result(result: bytes) -> Edit:
    """The body with another result under the right id."""

    def edit(body: bytes) -> bytes:
        head, name, _ = body.partition(b'"result":')
        return head + name + result + b"}"

    return edit


def _without_result(body: bytes) -> bytes:
    return body.partition(b',"result":')[0] + b"}"


def _other_product(row: Row, n: int) -> Row:
    return row | {"sku": f"OTHER-{n:05}", "qty_available": 900_000 + n}


def _other_lot(row: Row, n: int) -> Row:
    number = 900_000 + n
    return row | {"lot_id": str(number), "lot_number": f"LOT-{number}"}


TRAITS = Traits(
    read="inventory.",
    # Two of inventory.list, one of inventory.detailed, three pages of lots.
    reads=6,
    refusals={
        "HTTP 401": ("bad_auth", "401"),
        "code 2": ("bad_auth", "code2"),
        "code 5": ("bad_auth", "code5"),
    },
    failure=_error(-32004, "Resource path is not callable."),
    undocumented={
        "null": (lambda _: b"null", "result"),
        "list": (lambda _: b"[]", "result"),
        "object": (lambda _: b"{}", "result"),
        "no result": (_without_result, "result"),
        "renamed": (lambda body: body.replace(b'"result":', b'"outcome":', 1), "result"),
        "result is null": (_with_result(b"null"), "result"),
        "result is an object": (_with_result(b'{"rows":[]}'), "result"),
        "result is text": (_with_result(b'"none"'), "result"),
    },
    streams={
        INVENTORY: Shape(
            levels={"qty_available": "qty_available"},
            number=("qty_available", "qty_available"),
            text=None,
            key="sku",
            named_by="qty_available",
            date=None,
            other=_other_product,
        ),
        INVENTORY_DETAILED: Shape(
            levels={"qty_available": "qty_available"},
            number=("qty_available", "qty_available"),
            text=None,
            key="sku",
            named_by="qty_available",
            date=None,
            other=_other_product,
        ),
        INVENTORY_LOTS: Shape(
            levels={"qty_available": "qty_available"},
            number=("qty_available", "qty_available"),
            text=("name", "name"),
            key="lot_id",
            named_by="lot_number",
            date=None,
            other=_other_lot,
        ),
    },
    not_applicable={
        "T21": "The rows carry no time: the bookmark is the time of the request.",
        "T22": "The rows carry no time: the bookmark is the time of the request.",
        "T23": _IN_ONE_PIECE,
        "T24": _IN_ONE_PIECE,
    },
    session=SESSION_SETTINGS,
    session_lost=_error(-32005, "Session expired. Try to relogin."),
    wrong_id=_of_another_request,
    large=("size", 500_000),
)
