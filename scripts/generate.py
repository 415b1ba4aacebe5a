"""Writes what is made from the code: schemas, tables of the README, definitions for Meltano.

python scripts/generate.py           write
python scripts/generate.py --check   end with 1 if something is stale
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import definitions

from inventory_providers import levels, registry, schema_files
from tap_inventory import tap
from target_inventory import settings as target_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_providers.contract import Stream

ROOT = Path(__file__).resolve().parent.parent


def schema_texts() -> dict[Path, str]:
    """Every published schema by its file."""
    return {
        ROOT / "schemas" / f"{name}.json": json.dumps(schema_files.generate(stream), indent=2)
        + "\n"
        for name, stream in registry.every_stream().items()
    }


def provider_table() -> str:
    """The README's table of providers, streams and writes."""
    lines = ["| provider | stream | endpoint | key | incremental by | write |", "|" + "---|" * 6]
    for room in registry.providers():
        writes = {write.stream: write for write in room.writes}
        for stream in room.streams:
            write = writes.get(stream.name)
            cells = (
                room.title,
                f"`{stream.name}`",
                stream.endpoint,
                ", ".join(f"`{key}`" for key in stream.primary_key),
                replication(stream),
                f"{write.effect}: {write.endpoint}" if write else "none",
            )
            lines.append("| " + " | ".join(cells) + " |")
    lines.append("| " + " | ".join(levels_row()) + " |")
    return "\n".join(lines)


def levels_row() -> tuple[str, ...]:
    """The stream across all providers."""
    stream = registry.levels()
    sources = (levels.source(room) for room in registry.providers())
    takers = ", ".join(room.title for room in registry.providers() if room.publishing)
    return (
        "all",
        f"`{stream.name}`",
        "no request of its own: made from "
        + ", ".join(f"`{source.name}`" for source in sources if source is not None),
        ", ".join(f"`{key}`" for key in stream.primary_key),
        "as its sources",
        f"set, where `levels_to` says: {takers}",
    )


def replication(stream: Stream) -> str:
    """How a stream is read, in the words of the table."""
    if stream.replication_key is None:
        return "full table"
    by = f"`{stream.replication_key}`"
    return by if stream.incremental else f"full table; {by} when the catalog asks"


def settings_table() -> str:
    """The README's table of the provider settings."""
    lines = ["| setting | required | default | meaning |", "|---|---|---|---|"]
    for room in registry.providers():
        for name, field in room.settings.model_fields.items():
            required = field.is_required()
            default = "" if required else f"`{field.default}`"
            lines.append(
                f"| `{room.name}.{name}` | {'yes' if required else ''} | {default} "
                f"| {field.description} |"
            )
    return "\n".join(lines)


def plugin_table(plugin: str, schema: dict[str, Any]) -> str:
    """The README's table of a plugin's own settings."""
    lines = [f"| setting of `{plugin}` | default | meaning |", "|---|---|---|"]
    for name, part in flat(schema):
        if name.partition(".")[0] in registry.PROVIDER_NAMES:
            continue
        default = f"`{part['default']}`" if "default" in part else ""
        lines.append(f"| `{name}` | {default} | {part['description']} |")
    return "\n".join(lines)


def flat(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each setting of a plugin; what stands in an object has a dotted name."""
    for name, part in schema["properties"].items():
        if "properties" in part:
            yield from ((f"{name}.{inner}", each) for inner, each in part["properties"].items())
        else:
            yield name, part


def tables() -> dict[str, str]:
    """Each generated part of the README by its mark."""
    return {
        "providers": provider_table(),
        "settings": settings_table(),
        "tap": plugin_table("tap-inventory", tap.config_schema()),
        "target": plugin_table("target-inventory", target_settings.config_schema()),
    }


def readme_text() -> str:
    """The README with its generated parts made anew."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, table in tables().items():
        start, end = f"<!-- {name}: generated -->\n", "<!-- end -->"
        pattern = re.escape(start) + ".*?" + re.escape(end)
        made = f"{start}{table}\n{end}"
        text = re.sub(pattern, lambda _, made=made: made, text, flags=re.DOTALL)
    return text


def main() -> int:
    """Write or check."""
    stale = []
    made = {ROOT / "README.md": readme_text(), **schema_texts(), **definitions.texts(ROOT)}
    for file, text in made.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(file.relative_to(ROOT))
            if "--check" not in sys.argv:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
    for file in stale:
        print(f"{'stale' if '--check' in sys.argv else 'written'}: {file}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
