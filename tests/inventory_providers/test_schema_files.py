"""Promise: schemas are made from the models, found where they are, and changed by nobody.

What stands in the published ones is for `tests/conformance/test_schemas.py`.
"""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field

from inventory_providers import registry, schema_files
from inventory_providers.contract import Stream
from inventory_providers.records import JsonText

STREAMS = registry.every_stream()


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
