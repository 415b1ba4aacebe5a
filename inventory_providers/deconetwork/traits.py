"""What the conformance suite has to be told about DecoNetwork."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inventory_providers.deconetwork.sandbox import STREAM
from inventory_providers.sandbox.traits import Shape, Traits

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row

_BY_DATE_AND_OFFSET = "There is no page token: pages are asked for by date and offset."


def _other(row: Row, n: int) -> Row:
    return row | {"product_id": f"9{n:05}", "product_code": f"9{n:05}", "dn_sku_id": f"9{n:05}_{n}"}


def _status(code: int, severity: str, description: str) -> bytes:
    status = {"code": code, "severity": severity, "description": description}
    return json.dumps({"response_status": status}).encode()


TRAITS = Traits(
    read="manage_inventory/find",
    reads=4,
    refusals={"30001": ("auth", "30001"), "31000": ("auth", "31000")},
    failure=_status(50003, "ERROR", "Condition 2 'field' is missing"),
    undocumented={
        "null": (lambda _: b"null", "response_status"),
        "list": (lambda _: b"[]", "response_status"),
        "object": (lambda _: b"{}", "response_status"),
        "renamed": (lambda body: body.replace(b'"inventories"', b'"inventory"'), "inventories"),
        "list is null": (
            lambda _: _status(10001, "SUCCESS", ".")[:-1] + b',"inventories":null}',
            "inventories",
        ),
        "warning": (lambda body: body.replace(b'"SUCCESS"', b'"WARNING"', 1), "WARNING"),
    },
    streams={
        STREAM: Shape(
            levels={"inv_lvl": "inv_lvl"},
            number=("inv_lvl", "inv_lvl"),
            text=("product_name", "product_name"),
            key="dn_sku_id",
            named_by="product_id",
            date="inv_last_modified",
            other=_other,
        )
    },
    not_applicable={
        "T08": "There is no session, every request carries the credentials, and no request has an "
        "id that an answer could miss.",
        "T23": _BY_DATE_AND_OFFSET,
        "T24": _BY_DATE_AND_OFFSET,
        "T25": "There are no large bodies: an answer has at most 100 rows.",
    },
)
