"""The published schemas, kept to what every public target can take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from inventory_providers import registry, schema_files

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAMS = registry.every_stream()
FORBIDDEN = {
    "$ref",
    "$defs",
    "definitions",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
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
TYPES = {"string", "integer", "number", "boolean", "object", "array"}
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@pytest.fixture(params=sorted(STREAMS))
def schema(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A published schema."""
    return schema_files.published(request.param)


def _parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property and every array's items, at any depth."""
    for name, part in schema.get("properties", {}).items():
        yield f"{path}{name}", part
        yield from _parts(part, f"{path}{name}.")
        if "items" in part:
            yield f"{path}{name}[]", part["items"]
            yield from _parts(part["items"], f"{path}{name}[].")


def _kind(part: dict[str, Any]) -> str:
    named = part["type"]
    kind: str = named if isinstance(named, str) else named[0]
    return kind


def test_it_is_valid_json_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_each_property_has_one_type_with_null_last_and_keys_have_no_null(
    schema: dict[str, Any],
) -> None:
    keys = STREAMS[schema["title"]].primary_key
    for path, part in _parts(schema):
        kind = _kind(part)
        assert kind in TYPES, path
        assert part["type"] == (kind if path in keys else [kind, "null"]), path


def test_it_uses_no_word_that_targets_stumble_over(schema: dict[str, Any]) -> None:
    for path, part in [("", schema), *_parts(schema)]:
        assert not FORBIDDEN & part.keys(), path
        assert part.get("additionalProperties") is not False, path


def test_formats_are_dates_only(schema: dict[str, Any]) -> None:
    for path, part in _parts(schema):
        assert part.get("format", "date") in {"date-time", "date"}, path


def test_objects_have_properties_and_arrays_have_items(schema: dict[str, Any]) -> None:
    for path, part in _parts(schema):
        if _kind(part) == "object":
            assert part["properties"], path
        if _kind(part) == "array":
            assert part["items"]["type"], path


def test_the_keys_alone_are_required_and_more_is_allowed(schema: dict[str, Any]) -> None:
    keys = STREAMS[schema["title"]].primary_key
    assert keys
    assert schema["required"] == list(keys)


def test_names_are_unique_in_lower_snake_case(schema: dict[str, Any]) -> None:
    paths = [path for path, _ in _parts(schema)]
    flat = [path.replace(".", "__") for path in paths]
    assert len(flat) == len({name.lower() for name in flat})
    for path in paths:
        name = path.removesuffix("[]").rpartition(".")[2]
        assert NAME.fullmatch(name), path
        assert not name.startswith("_sdc_"), path
        assert "__" not in name, path
    assert NAME.fullmatch(schema["title"])


def test_every_property_is_described(schema: dict[str, Any]) -> None:
    assert schema["description"]
    for path, part in _parts(schema):
        assert part.get("description") or path.endswith("[]"), path


def test_the_replication_key_is_a_date_of_the_schema() -> None:
    for name, stream in STREAMS.items():
        if stream.replication_key:
            part = schema_files.published(name)["properties"][stream.replication_key]
            assert part["format"] in {"date-time", "date"}


def test_what_is_published_is_what_the_models_say(schema: dict[str, Any]) -> None:
    assert schema == schema_files.generate(STREAMS[schema["title"]])


def test_every_stream_is_named_after_its_provider() -> None:
    for room in registry.providers():
        assert all(stream.name.startswith(f"{room.name}_") for stream in room.streams)
