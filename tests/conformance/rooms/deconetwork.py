from __future__ import annotations

import json
from typing import Any

from tests.conformance.rooms import Facts, Shape


def _other(row: dict[str, Any], n: int) -> dict[str, Any]:
    return row | {"product_id": f"9{n:05}", "product_code": f"9{n:05}", "dn_sku_id": f"9{n:05}_{n}"}


def _status(code: int, severity: str, description: str) -> bytes:
    status = {"code": code, "severity": severity, "description": description}
    return json.dumps({"response_status": status}).encode()


FACTS = Facts(
    read="manage_inventory/find",
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
        "deconetwork_inventory": Shape(
            levels={"inv_lvl": "inv_lvl"},
            number="inv_lvl",
            text="product_name",
            date="inv_last_modified",
            named_by="product_id",
            other=_other,
        )
    },
)
