"""What the conformance suite is told about S2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from inventory_providers.s2.sandbox import EMAIL, MESSAGE, OVERVIEW, PASSWORD
from inventory_providers.s2.shelf import ITEMS, PRODUCTS, WAREHOUSES
from inventory_providers.sandbox.traits import Shape, Traits

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.traits import Edit


def _id(n: int) -> str:
    return f"0e7a11b2-91c4-4d6f-8e53-{n:012x}"


def _other_warehouse(row: Row, n: int) -> Row:
    return row | {"id": _id(n)}


def _other_product(row: Row, n: int) -> Row:
    return row | {"id": _id(n), "sku": f"OTHER-{n}"}


def _other_item(row: Row, n: int) -> Row:
    return row | {"level": row["level"] | {"productId": _id(n)}}


def _renamed(name: str) -> Edit:
    array = f'"{name}":['.encode()
    return lambda body: body.replace(array, b'"renamed":[', 1)


def _without_list(name: str, value: object) -> Edit:
    answer = {"warehouses": [], "products": [], "items": [], name: value}
    return lambda _: json.dumps(answer).encode()


TRAITS = Traits(
    read=OVERVIEW,
    reads=1,
    refusals={"the user changed": ("revoke_after", 0), "401": ("status", [401])},
    failure=json.dumps({"message": MESSAGE}).encode(),
    undocumented={
        "null": (lambda _: b"null", "warehouses"),
        "list": (lambda _: b"[]", "warehouses"),
        "object": (lambda _: b"{}", "warehouses"),
        "warehouses renamed": (_renamed("warehouses"), "warehouses"),
        "products renamed": (_renamed("products"), "products"),
        "items renamed": (_renamed("items"), "items"),
        "warehouses are text": (_without_list("warehouses", "none"), "warehouses"),
        "products are an object": (_without_list("products", {}), "products"),
        "items are null": (_without_list("items", None), "items"),
    },
    streams={
        WAREHOUSES: Shape(
            levels={"address.phone": "address.phone"},
            number=None,
            text=("name", "name"),
            key="id",
            named_by="name",
            date=None,
            other=_other_warehouse,
        ),
        PRODUCTS: Shape(
            levels={"case_pack": "casePack"},
            number=("case_pack", "casePack"),
            text=("name", "name"),
            key="id",
            named_by="name",
            date=None,
            other=_other_product,
        ),
        ITEMS: Shape(
            levels={"available": "level.available"},
            number=("available", "level.available"),
            text=None,
            key="level.productId",
            named_by="warehouseId",
            date="level.updatedAt",
            other=_other_item,
        ),
    },
    not_applicable={
        "T23": "The whole inventory comes in one answer, so there is no page token.",
        "T24": "The whole inventory comes in one answer, so there is no page token.",
    },
    # With an access token there is nothing to sign in with again.
    session={"access_token": None, "email": EMAIL, "password": PASSWORD},
    session_lost=json.dumps({"message": "Unauthorized"}).encode(),
    session_status=401,
    large=("size", 500_000),
)
