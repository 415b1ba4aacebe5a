"""Promise: the definitions for the Hub have the form that the Hub asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from inventory_providers import registry

HUB = Path(__file__).resolve().parent.parent.parent / "hub"
FILES = sorted(HUB.glob("*/*/*.yml"))

pytestmark = pytest.mark.skipif(not HUB.is_dir(), reason="the sources are not here")

# What is known of the Hub's form for plugin definitions, in our words: the fields that it requires,
# those that it knows, and the words that it has for them.
KINDS = ("oauth", "date_iso8601", "file", "email", "integer", "options", "object", "array")
CAPABILITIES = {
    "extractors": (
        *("properties", "catalog", "discover", "state", "about", "stream-maps"),
        *("schema-flattening", "activate-version", "batch", "test", "log-based"),
        "structured-logging",
    ),
    "loaders": (
        *("about", "stream-maps", "activate-version", "batch", "soft-delete", "hard-delete"),
        *("datatype-failsafe", "schema-flattening", "target-schema", "validate-records"),
        "structured-logging",
    ),
}
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
SETTING = {
    "type": "object",
    "required": ["name", "label", "kind", "description"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "label": TEXT,
        "kind": {"enum": [*KINDS, "boolean", "string"]},
        "description": TEXT,
        "sensitive": {"const": True},
        "options": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "value"],
                "additionalProperties": False,
                "properties": {"label": TEXT, "value": TEXT},
            },
        },
    },
    "if": {"properties": {"kind": {"const": "options"}}},
    "then": {"required": ["options"]},
}


def form(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name", "namespace", "variant", "label", "quality"],
        "additionalProperties": False,
        "properties": {
            **dict.fromkeys(("name", "namespace", "variant", "label", "description"), TEXT),
            **dict.fromkeys(("pip_url", "executable", "settings_preamble"), TEXT),
            "capabilities": {**TEXTS, "items": {"enum": CAPABILITIES[kind]}},
            "keywords": TEXTS,
            "maintenance_status": {
                "enum": ["active", "beta", "development", "inactive", "unknown"]
            },
            "quality": {"enum": ["gold", "silver", "bronze", "unknown"]},
            "supported_python_versions": {**TEXTS, "items": {"pattern": r"^3\.\d+$"}},
            "settings_group_validation": {"type": "array", "items": TEXTS},
            "settings": {"type": "array", "items": SETTING, "minItems": 1},
        },
    }


def load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return loaded


def test_there_is_one_for_each_plugin() -> None:
    places = [str(file.relative_to(HUB).parent) for file in FILES]
    assert places == ["extractors/tap-inventory", "loaders/target-inventory"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_definition_has_the_form_of_the_hub(file: Path) -> None:
    definition = load(file)
    schema = form(file.relative_to(HUB).parts[0])
    errors = jsonschema.Draft7Validator(schema).iter_errors(definition)
    assert [error.message for error in errors] == []
    assert definition["name"] == definition["executable"] == file.parent.name
    assert definition["variant"] == file.stem


@pytest.mark.parametrize("wrong", [{"kind": "number"}, {"kind": "options"}, {"value": 1}])
def test_the_form_refuses_what_the_hub_or_meltano_cannot_take(wrong: dict[str, Any]) -> None:
    setting = load(FILES[0])["settings"][0] | wrong
    assert not jsonschema.Draft7Validator(SETTING).is_valid(setting)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_each_group_of_required_settings_is_a_provider_and_its_settings_are_there(
    file: Path,
) -> None:
    definition = load(file)
    names = {setting["name"] for setting in definition["settings"]}
    assert len(names) == len(definition["settings"])
    rooms = [
        room.name for room in registry.providers() if room.writes or "tap" in definition["name"]
    ]
    groups = definition["settings_group_validation"]
    assert [{name.partition(".")[0] for name in group} for group in groups] == [
        {room} for room in rooms
    ]
    assert {name for group in groups for name in group} <= names
