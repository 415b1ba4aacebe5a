"""What the conformance suite has to be told about SoStocked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from inventory_providers.sandbox.traits import Shape, Traits
from inventory_providers.sostocked.shelf import LEVELS, STREAMS

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row
    from inventory_providers.sandbox.traits import Edit


def _other(row: Row, n: int) -> Row:
    goods = {"area_asins": f"B9{n:08}", "area_skus": f"9{n:05}", "area_fn_skus": f"X09{n:07}"}
    return row | goods


def _instead(document: Any) -> Edit:
    body = json.dumps(document).encode()
    return lambda _: body


def _shape(stream: str) -> Shape:
    return Shape(
        levels={LEVELS[stream]: LEVELS[stream]},
        number=("area_inv_stock", "area_inv_stock"),
        text=("product_name", "product_name"),
        key="area_skus",
        named_by="product_name",
        date=None,
        other=_other,
    )


_ENVELOPE = {"code": 200, "total_pages": 1, "total": 1}

TRAITS = Traits(
    read="export",
    # Two pages and an empty one, for each of three days, and three pages and an empty one.
    reads=16,
    refusals={
        "dead token": ("dead_token", True),
        "code 401 with status 200": ("body", "json_code"),
        "sign-in page with status 200": ("body", "html_login"),
    },
    failure=json.dumps({"code": 600, "message": "The export failed"}).encode(),
    undocumented={
        "object": (_instead({"outcome": "done"}), "outcome"),
        "another list": (_instead(_ENVELOPE | {"products": [{"area_skus": "1"}]}), "products"),
        "list is null": (_instead(_ENVELOPE | {"data": None}), "data"),
        "spreadsheet": (lambda _: b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "spreadsheet"),
    },
    streams={stream: _shape(stream) for stream in STREAMS},
    json=("body", "json_rows"),
    not_applicable={
        "T08": "There is no session to lose, and no answer names the request that it is for.",
        "T18": "Rows are never compared with a moment: the only bookmark is a day that is over, "
        "and the two other streams read everything in every run.",
        "T21": "No row has a date that anything follows from; a snapshot's day stands in the "
        "request.",
        "T22": "No row has a date that anything follows from; a snapshot's day stands in the "
        "request, and only a day that is over is asked for.",
        "T23": "Pages have numbers, and nothing about them expires.",
        "T24": "Pages have numbers: there is no token that an empty page could carry on with, or "
        "that could come twice.",
        "T25": "An answer has at most the 250 rows of a page; where paging is ignored it has the "
        "rows of one saved view of one seller.",
        "T28": "A row without SKU, ASIN or market is a good one, its key has an empty part "
        "instead; and two different rows under one key widen the key or end the run, so that "
        "no last one can win.",
    },
)
