"""Promise: published schemas are what the code makes, and every target reads them."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from inventory_providers import registry, schema_files
from inventory_providers.contract import Stream
from inventory_providers.records import JsonText

STREAMS = registry.streams()

FORBIDDEN = {
    "$ref",
    "$defs",
    "anyOf",
    "oneOf",
    "allOf",
    "const",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "default",
}


def nodes(schema: dict[str, Any]) -> Any:
    """Every schema in a schema."""
    yield schema
    for part in schema.get("properties", {}).values():
        yield from nodes(part)
    if "items" in schema:
        yield from nodes(schema["items"])


@pytest.mark.parametrize("name", STREAMS)
def test_published_is_generated(name: str) -> None:
    assert schema_files.published(name) == schema_files.generate(STREAMS[name])


@pytest.mark.parametrize("name", STREAMS)
def test_published_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_files.published(name))


@pytest.mark.parametrize("name", STREAMS)
def test_only_the_plain_subset(name: str) -> None:
    schema = schema_files.published(name)
    for node in nodes(schema):
        assert not FORBIDDEN & node.keys()
        assert node.get("format") in {None, "date-time", "date"}
        assert node.get("additionalProperties") is not False
        if node["type"] in ("object", ["object", "null"]):
            assert node["properties"], "an object without properties is lost by some targets"
        if "array" in node["type"]:
            assert node["items"]["type"]


@pytest.mark.parametrize("name", STREAMS)
def test_keys_are_plain_and_all_else_is_nullable(name: str) -> None:
    schema = schema_files.published(name)
    keys = list(STREAMS[name].primary_key)
    assert keys
    assert schema["required"] == keys
    for property_, part in schema["properties"].items():
        if property_ in keys:
            assert isinstance(part["type"], str)
        else:
            assert part["type"][1:] == ["null"]
        assert part["description"]
    replication_key = STREAMS[name].replication_key
    if replication_key:
        assert schema["properties"][replication_key]["format"] in {"date-time", "date"}


@pytest.mark.parametrize("name", STREAMS)
def test_names_that_every_target_takes(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    for node in nodes(schema_files.published(name)):
        names = list(node.get("properties", {}))
        assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,62}", each) for each in names)
        assert not [each for each in names if "__" in each or each.startswith("_sdc")]


class _Part(BaseModel):
    free: JsonText | None = Field(description="Anything.")


class _Open(BaseModel):
    id: str = Field(description="Key.")
    free: JsonText | None = Field(description="Anything, as text.")
    frees: list[JsonText] | None = Field(description="Each of them.")
    part: _Part | None = Field(description="A part.")


def test_a_free_form_part_is_published_as_text() -> None:
    stream = Stream("open", "GET /open", "Open.", _Open, ("id",), lambda *_: iter(()))
    properties = schema_files.generate(stream)["properties"]
    text = {"type": ["string", "null"]}
    assert properties["free"] == text | {"description": "Anything, as text."}
    assert properties["frees"]["items"] == text
    assert properties["part"]["properties"]["free"] == text | {"description": "Anything."}


def test_a_copy_is_given_away() -> None:
    name = next(iter(STREAMS))
    schema_files.published(name)["properties"].clear()
    assert schema_files.published(name)["properties"]


def test_a_stream_without_a_file_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="schemas/none_such"):
        schema_files.published("none_such")


def test_the_files_are_found_in_the_package_or_beside_it() -> None:
    (found,) = {place for place in schema_files.PLACES if place.is_dir()}
    files = {file.stem: json.loads(file.read_text("utf-8")) for file in found.glob("*.json")}
    assert files.keys() >= STREAMS.keys()
