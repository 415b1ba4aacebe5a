"""The target's own settings, besides the provider objects that it shares with the tap."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inventory_providers import registry, settings
from inventory_providers.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNAL = "target-inventory.sqlite"

# Known to the contract, not yet built. A safety setting that is silently ignored would be a lie.
NOT_YET = (
    "levels_to",
    "undo_path",
    "max_age_seconds",
    "sku_map_path",
    "rules",
    "guards",
)


class TargetSettings(BaseModel):
    """What the target is told besides where to write."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)

    mode: Literal["apply", "plan"] = Field(
        default="apply",
        description="`plan` reads live levels, shows what would change and writes nothing.",
    )
    plan_path: str | None = Field(
        default=None,
        description="JSON lines, one per intended change: stream, key, field, before, after.",
    )
    report_path: str | None = Field(
        default=None, description="JSON: counts per outcome, requests, duration."
    )
    journal_path: str | None = Field(
        default=None,
        description=(
            "Where the journal of writes will be kept. This version keeps none yet: it only puts "
            "the dead letters beside it."
        ),
    )
    dead_letter_path: str | None = Field(
        default=None,
        description=(
            "Rejected records as Singer messages, with the reason; can be fed back with --input. "
            "Default: target-inventory.dead-letters.jsonl beside journal_path, or where the target "
            "runs."
        ),
    )
    unknown_streams: Literal["fail", "ignore"] = Field(
        default="fail",
        description="`ignore` skips streams that the target does not know, with one warning each.",
    )
    max_rejected: int = Field(
        default=0,
        ge=0,
        description="More rejected records than this: exit code 7 (the others are still written).",
    )

    @property
    def dead_letters(self) -> Path:
        """Where rejected records go."""
        if self.dead_letter_path is not None:
            return Path(self.dead_letter_path)
        journal = Path(self.journal_path or JOURNAL)
        return journal.with_name(f"{journal.stem}.dead-letters.jsonl")


def not_yet_in_environment() -> dict[str, Any]:
    """Settings in the environment that would not even be looked at, to be refused by name."""
    prefix = "TARGET_INVENTORY_"
    return {
        name: True
        for name in NOT_YET
        if any(variable.startswith(prefix + name.upper()) for variable in os.environ)
    }


def load(raw: Mapping[str, Any]) -> TargetSettings:
    """The target's own settings.

    Raises:
        ConfigError: by name, never with a value.
    """
    problems = [
        f"{name} is not available in this version, remove it"
        for name in NOT_YET
        if raw.get(name) is not None
    ]
    try:
        chosen = TargetSettings.model_validate(dict(raw))
    except ValidationError as error:
        problems += settings.explain(error, "", TargetSettings.model_fields)
    if problems:
        raise ConfigError("; ".join(problems), place="configuration")
    return chosen


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration, from the settings models."""
    properties: dict[str, Any] = {}
    for room in registry.providers():
        properties[room.name] = settings.json_schema(room.settings)
    properties |= settings.json_schema(TargetSettings)["properties"]
    properties["user_agent"] = {
        "type": "string",
        "title": "User agent",
        "description": "What the requests call themselves.",
    }
    return {"type": "object", "properties": properties}
