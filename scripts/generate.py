"""Writes what is made from the code: the schemas and the tables of the README.

python scripts/generate.py           write
python scripts/generate.py --check   end with 1 if something is stale
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from inventory_providers import registry, schema_files

ROOT = Path(__file__).resolve().parent.parent


def schema_texts() -> dict[Path, str]:
    """Every published schema by its file."""
    return {
        ROOT / "schemas" / f"{name}.json": json.dumps(schema_files.generate(stream), indent=2)
        + "\n"
        for name, stream in registry.streams().items()
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
                f"`{stream.replication_key}`" if stream.replication_key else "full table",
                f"{write.effect}: {write.endpoint}" if write else "none",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


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


def readme_text() -> str:
    """The README with its generated parts made anew."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, table in (("providers", provider_table()), ("settings", settings_table())):
        pattern = rf"(<!-- {name}: generated -->\n).*?(\n<!-- end -->)"
        text = re.sub(pattern, lambda m, t=table: m[1] + t + m[2], text, flags=re.DOTALL)
    return text


def main() -> int:
    """Write or check."""
    stale = []
    for file, text in {**schema_texts(), ROOT / "README.md": readme_text()}.items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(file.relative_to(ROOT))
            if "--check" not in sys.argv:
                file.write_text(text, encoding="utf-8")
    for file in stale:
        print(f"{'stale' if '--check' in sys.argv else 'written'}: {file}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
