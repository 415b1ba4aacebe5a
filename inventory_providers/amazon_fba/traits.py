"""What the conformance suite has to be told about Amazon's stand-in."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING

from inventory_providers.amazon_fba.sandbox import STREAM
from inventory_providers.sandbox.traits import Edit, Shape, Traits

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row


def _other(row: Row, n: int) -> Row:
    codes = {"asin": f"B0IOTH{n:04}", "fnSku": f"X00IOTH{n:03}"}
    return deepcopy(row) | codes | {"sellerSku": f"OTHER {n:05}"}


def _errors(**error: str) -> bytes:
    return json.dumps({"errors": [error]}).encode()


def _failure() -> bytes:
    return _errors(code="InvalidInput", message="Invalid request, please check your input.")


def _expired() -> bytes:
    return _errors(
        message="Access to requested resource is denied.",
        code="Unauthorized",
        details="The access token you provided has expired.",
    )


def _replaced(pattern: bytes, by: bytes) -> Edit:
    return lambda body: re.sub(pattern, by, body, count=1)


TRAITS = Traits(
    read="/fba/inventory/v1/summaries",
    # Two marketplaces with 291 rows each, 50 on a page.
    reads=12,
    sign_in=1,
    refusals={
        "invalid_client": ("lwa", "invalid_client"),
        "invalid_grant": ("lwa", "invalid_grant"),
        "not_granted": ("lwa", "not_granted"),
        "revoked": ("revoked", True),
    },
    failure=_failure(),
    undocumented={
        "null": (lambda _: b"null", "payload"),
        "list": (lambda _: b"[]", "payload"),
        "object": (lambda _: b"{}", "payload"),
        "payload is null": (lambda _: b'{"payload": null}', "payload"),
        "renamed": (_replaced(rb'"inventorySummaries"', b'"summaries"'), "inventorySummaries"),
        "list is null": (
            _replaced(rb'"inventorySummaries": \[.*\]', b'"inventorySummaries": null'),
            "inventorySummaries",
        ),
        "list is an object": (
            _replaced(rb'"inventorySummaries": \[.*\]', b'"inventorySummaries": {}'),
            "inventorySummaries",
        ),
        "another marketplace": (
            _replaced(rb'("granularityId": )"\w+"', rb'\1"A1AM78C64UM0Y8"'),
            "granularityId",
        ),
        "token is a number": (_replaced(rb'("nextToken": )"[^"]+"', rb"\g<1>7"), "nextToken"),
        "errors beside rows": (
            lambda body: _failure()[:-1] + b", " + body[1:],
            "InvalidInput",
        ),
    },
    streams={
        STREAM: Shape(
            levels={
                "inventory_details.fulfillable_quantity": "inventoryDetails.fulfillableQuantity",
                "total_quantity": "totalQuantity",
            },
            number=(
                "inventory_details.fulfillable_quantity",
                "inventoryDetails.fulfillableQuantity",
            ),
            text=("product_name", "productName"),
            key="sellerSku",
            named_by="asin",
            date=None,
            other=_other,
        )
    },
    not_applicable={
        "T21": "No time in the rows moves the bookmark, which is the start of the walk.",
        "T22": "No time in the rows moves the bookmark, which is the start of the walk.",
        "T25": "There are no large bodies: an answer has at most 50 rows.",
    },
    session_lost=_expired(),
    session_status=403,
    short_token=(("token_seconds", 2), ("page_size", 500)),
    empty_page=("page", "empty"),
    same_token=("page", "repeated_token"),
)
