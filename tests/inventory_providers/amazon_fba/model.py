"""The official model, facts only (`model.json`), as a judge of requests and of answers."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import jsonschema

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Reply, Request

MODEL = json.loads((Path(__file__).parent / "model.json").read_text(encoding="utf-8"))
OPERATIONS: dict[str, Any] = MODEL["operations"]

# In no document, but really sent.
_UNDOCUMENTED = {"InventoryDetails": {"futureSupplyQuantity": {"type": "object"}}}
_UNDOCUMENTED_HEADERS = {"x-amzn-errortype"}


def operation_of(request: Request) -> str:
    """The operation that a request is for; empty when it is for none."""
    for name, operation in OPERATIONS.items():
        path = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(operation["path"]))
        if request.method == operation["method"] and re.fullmatch(path, request.path):
            return name
    return ""


def request_errors(name: str, request: Request) -> list[str]:
    """What the model says against a request; parameters that it does not know are none."""
    told = OPERATIONS[name]["parameters"]
    query = told.get("query", {"properties": {}})
    values = {n: _typed(query["properties"].get(n, {}), v) for n, v in _pairs(request)}
    errors = _errors(query, values) + _errors(told.get("header", {}), dict(request.headers))
    if "body" in told:
        errors += _errors(told["body"]["schema"], _json_or_none(request.body))
    return errors


def reply_errors(name: str, reply: Reply) -> list[str]:
    """What the model says against an answer: its status, its headers, and every name in it."""
    response = OPERATIONS[name]["responses"].get(str(reply.status))
    if response is None:
        return [f"status {reply.status} is not documented"]
    headers = {header.lower() for header in reply.headers if header.lower().startswith("x-")}
    wrong = (headers - _UNDOCUMENTED_HEADERS) ^ {header.lower() for header in response["headers"]}
    body = json.loads(reply.body)
    errors = [f"header {header}" for header in sorted(wrong)]
    errors += [error for row in _without_rows(body) for error in summary_errors(row)]
    return errors + _errors(response["schema"], body, strict=True)


def summary_errors(row: Any) -> list[str]:
    """What the model says against one inventory summary."""
    return _summary_errors(json.dumps(row))


@cache
def _summary_errors(text: str) -> list[str]:
    # The same rows come again and again, and are nearly all there is to judge.
    return _errors({"$ref": "#/definitions/InventorySummary"}, json.loads(text), strict=True)


def _without_rows(body: Any) -> list[Any]:
    """Take the rows out of an answer, and an empty list in their place."""
    payload = body.get("payload") if isinstance(body, dict) else None
    rows = payload.get("inventorySummaries") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(rows, list):
        return []
    payload["inventorySummaries"] = []
    return rows


def _errors(schema: dict[str, Any], value: Any, *, strict: bool = False) -> list[str]:
    # Formats are not checked: an empty `lastUpdatedTime` is no date-time, and is really sent.
    definitions = _strict() if strict else MODEL["definitions"]
    validator = jsonschema.Draft202012Validator(schema | {"definitions": definitions})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def _strict() -> dict[str, Any]:
    """The definitions, so that a name that they do not have is an error."""
    definitions: dict[str, Any] = deepcopy(MODEL["definitions"])
    for name, definition in definitions.items():
        if "properties" in definition:
            definition["properties"] |= _UNDOCUMENTED.get(name, {})
            definition["additionalProperties"] = False
    return definitions


def _pairs(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.query, keep_blank_values=True)


def _typed(schema: dict[str, Any], text: str) -> Any:
    if schema.get("type") == "array":
        return text.split(",")
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
