"""The plugins as Meltano knows them: settings in `meltano.yml`, definitions for the Hub."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from inventory_providers import registry
from tap_inventory.tap import TapInventory
from target_inventory.target import TargetInventory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from singer_sdk.plugin_base import PluginBase

# The Hub names a definition after its publisher; until there is one, after the distribution.
VARIANT = "singer-inventory"
KINDS = {
    "boolean": "boolean",
    "integer": "integer",
    "array": "array",
    "object": "object",
    # Meltano's `decimal` cannot be handed to a plugin; the text of a number can.
    "number": "string",
}
# What the SDK adds by itself. `faker_config` is not among it: without Faker it does nothing.
OF_THE_SDK = {
    "stream_maps": "Rename, leave out or compute streams and properties, by stream.",
    "stream_map_config": "Values that the expressions of stream_maps can use, by name.",
    "flattening_enabled": "Make a property of its own of each value in an object.",
    "flattening_max_depth": "So many levels of objects are flattened.",
    "flattening_max_key_length": "A longer name of a flattened property is shortened.",
    "flattening_separator": "Stands between the parts of the name of a flattened property.",
}
PREAMBLE = (
    "A provider of which nothing is set is off; the others need all that is required of them."
)


class Plugin(NamedTuple):
    """A plugin, where its definition for the Hub goes, and which providers it is for."""

    made_of: type[PluginBase]
    kind: str
    mark: str
    label: str
    providers: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the command."""
        return self.made_of.name

    @property
    def place(self) -> str:
        """The file of the definition, as the Hub has it."""
        return f"{self.kind}/{self.name}/{VARIANT}.yml"


def plugins() -> tuple[Plugin, Plugin]:
    """The tap and the target."""
    rooms = registry.providers()
    every = tuple(room.name for room in rooms)
    written = tuple(room.name for room in rooms if room.writes)
    return (
        Plugin(TapInventory, "extractors", "tap", "Inventory", every),
        Plugin(TargetInventory, "loaders", "target", "Inventory", written),
    )


def settings(plugin: Plugin) -> list[dict[str, Any]]:
    """The settings as the Hub has them; what stands in an object has a dotted name."""
    ours: dict[str, Any] = plugin.made_of.config_jsonschema
    theirs: dict[str, Any] = {"properties": {}}
    plugin.made_of.append_builtin_config(theirs)
    added = [
        setting(name, {**part, "description": OF_THE_SDK[name]})
        for name, part in theirs["properties"].items()
        if name in OF_THE_SDK
    ]
    return [*(setting(name, part) for name, part in _flat(ours)), *added]


def setting(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """One setting, without a default value: Meltano would pass it on as if it had been chosen."""
    made: dict[str, Any] = {"name": name, "label": _label(name, part), "kind": _kind(part)}
    if "enum" in part:
        made["options"] = [{"label": value, "value": value} for value in part["enum"]]
    if part.get("secret"):
        made["sensitive"] = True
    default = f" Default: {json.dumps(part['default'])}." if "default" in part else ""
    return made | {"description": part["description"] + default}


def _flat(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from ((f"{name}.{inner}", each) for inner, each in part["properties"].items())
        else:
            yield name, part


def _label(name: str, part: dict[str, Any]) -> str:
    whole, dot, inner = name.partition(".")
    own = str(part.get("title") or (inner or whole).replace("_", " ").capitalize())
    if not dot:
        return own
    known = whole in registry.PROVIDER_NAMES
    title = registry.provider(whole).title if known else whole.replace("_", " ").capitalize()
    return f"{title}: {own}"


def _kind(part: dict[str, Any]) -> str:
    if "enum" in part:
        return "options"
    if part.get("format") in {"date", "date-time"}:
        return "date_iso8601"
    kinds = part.get("type", "string")
    kind = next(one for one in ([kinds] if isinstance(kinds, str) else kinds) if one != "null")
    return KINDS.get(kind, "string")


def hub_definition(plugin: Plugin, project: dict[str, Any]) -> dict[str, Any]:
    """A plugin as the Hub describes it."""
    objects = plugin.made_of.config_jsonschema["properties"]
    version = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    return {
        "name": plugin.name,
        "namespace": plugin.name.replace("-", "_"),
        "variant": VARIANT,
        "label": plugin.label,
        "description": (plugin.made_of.__doc__ or "").strip(),
        "pip_url": project["name"],
        "executable": plugin.name,
        "capabilities": [str(each.value) for each in plugin.made_of.capabilities],
        "keywords": project["keywords"],
        "maintenance_status": "development",
        "quality": "unknown",
        "supported_python_versions": [
            found[1] for line in project["classifiers"] if (found := version.match(line))
        ],
        "settings_preamble": PREAMBLE,
        "settings_group_validation": [
            [f"{name}.{each}" for each in objects[name]["required"]] for name in plugin.providers
        ],
        "settings": settings(plugin),
    }


def meltano_text(text: str) -> str:
    """The project file with the settings of both plugins made anew."""
    for plugin in plugins():
        start, end = f"    # {plugin.mark}: generated\n", "\n    # end"
        pattern = re.escape(start) + ".*?" + re.escape(end)
        made = start + "\n".join(_lines(settings(plugin))) + end
        text = re.sub(pattern, lambda _, made=made: made, text, flags=re.DOTALL)
    return text


def _lines(made: list[dict[str, Any]]) -> Iterator[str]:
    """As YAML below `settings:`; a label only repeats the name."""
    for one in made:
        shown = {key: value for key, value in one.items() if key != "label"}
        yield from (f"    {line}" for line in _yaml([shown]).splitlines())


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=sys.maxsize)


def texts(root: Path) -> dict[Path, str]:
    """Every file that is made here, in whole or in part."""
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    meltano = root / "meltano.yml"
    made = {meltano: meltano_text(meltano.read_text(encoding="utf-8"))}
    for plugin in plugins():
        made[root / "hub" / plugin.place] = _yaml(hub_definition(plugin, project))
    return made
