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
NOT_YET = ("levels_to", "sku_map_path", "rules")


class Guards(BaseModel):
    """Limits judged over the whole change set before any write."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    max_changes: int | None = Field(
        default=None, ge=0, description="More changes than this: nothing is written."
    )
    max_delta: int | None = Field(
        default=None,
        ge=0,
        description=(
            "A change of more units than this is rejected; where at least 10 are, and more than "
            "half of the changed SKUs, nothing is written."
        ),
    )
    max_newly_zero_percent: float = Field(
        default=50,
        ge=0,
        le=100,
        description=(
            "More than this share of the changed SKUs going from above 0 to 0, where at least 10 "
            "do: nothing is written."
        ),
    )
    max_unit_error_percent: float = Field(
        default=50,
        ge=0,
        le=100,
        description=(
            "More than this share of the changed SKUs multiplied or divided by exactly 100 or "
            "1000, where at least 10 are: nothing is written."
        ),
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
    undo_path: str | None = Field(
        default=None,
        description=(
            "After an apply: a plan that restores the levels before it, in the form of the plan "
            "and usable with --input; items that have moved since are then rejected."
        ),
    )
    report_path: str | None = Field(
        default=None,
        description="JSON: counts per outcome, guard hits, requests, duration.",
    )
    journal_path: str | None = Field(
        default=None,
        description=(
            "SQLite file: every intended write before it is sent, and what became of it. One per "
            "pipeline. Default: target-inventory.sqlite where the target runs."
        ),
    )
    dead_letter_path: str | None = Field(
        default=None,
        description=(
            "Rejected records as Singer messages, with the reason; can be fed back with --input. "
            "Default: a file beside the journal, with its name and .dead-letters.jsonl."
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
    max_age_seconds: int | None = Field(
        default=None,
        ge=0,
        description="Records whose observed_at is older than so many seconds are rejected.",
    )
    resend_within_seconds: int = Field(
        default=86_400,
        ge=0,
        description=(
            "An addition whose outcome is in doubt is sent again, with the same idempotency "
            "token, for so many seconds; later its outcome is told by reading, or is unknown."
        ),
    )
    guards: Guards = Field(
        default=Guards(), description="Limits judged over the whole change set before any write."
    )

    @property
    def journal(self) -> Path:
        """Where the journal is."""
        return Path(self.journal_path or JOURNAL)

    @property
    def dead_letters(self) -> Path:
        """Where rejected records go."""
        if self.dead_letter_path is not None:
            return Path(self.dead_letter_path)
        return self.journal.with_name(f"{self.journal.stem}.dead-letters.jsonl")


def not_yet_in_environment() -> dict[str, Any]:
    """Settings in the environment that would not even be looked at, to be refused by name."""
    prefix = "TARGET_INVENTORY_"
    found = {
        name: True
        for name in NOT_YET
        if any(variable.startswith(prefix + name.upper()) for variable in os.environ)
    }
    # An object is one variable that holds JSON; a part of it in a variable of its own is ignored.
    inside = (
        name for name in Guards.model_fields if f"{prefix}GUARDS_{name.upper()}" in os.environ
    )
    return found | dict.fromkeys(inside, True)


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
    problems += [
        f'{name} must stand in guards: {{"guards": {{"{name}": ...}}}}'
        for name in Guards.model_fields
        if raw.get(name) is not None
    ]
    try:
        chosen = TargetSettings.model_validate(dict(raw))
    except ValidationError as error:
        known = [*TargetSettings.model_fields, *Guards.model_fields]
        problems += settings.explain(error, "", known)
    if problems:
        raise ConfigError("; ".join(problems), place="configuration")
    _must_differ(chosen)
    return chosen


def _must_differ(chosen: TargetSettings) -> None:
    """One file for two things would end with neither."""
    paths = {
        "journal_path": chosen.journal,
        "dead_letter_path": chosen.dead_letters,
        "plan_path": chosen.plan_path,
        "undo_path": chosen.undo_path,
        "report_path": chosen.report_path,
    }
    seen: dict[Path, str] = {}
    for name, path in paths.items():
        if path is not None and not Path(path).is_char_device():
            other = seen.setdefault(Path(path).resolve(), name)
            if other != name:
                raise ConfigError(f"{name} and {other} name the same file", place="configuration")


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration, from the settings models."""
    properties: dict[str, Any] = {}
    for room in registry.providers():
        properties[room.name] = settings.json_schema(room.settings)
    properties |= settings.json_schema(TargetSettings)["properties"]
    properties["guards"] = settings.json_schema(Guards)
    properties["user_agent"] = {
        "type": "string",
        "title": "User agent",
        "description": "What the requests call themselves.",
    }
    return {"type": "object", "properties": properties}
