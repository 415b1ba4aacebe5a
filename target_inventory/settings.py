"""The target's own settings, besides the provider objects that it shares with the tap."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from inventory_providers import registry, settings
from inventory_providers.errors import ConfigError
from inventory_providers.settings import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JOURNAL = "target-inventory.sqlite"
# So many digits of a number with a fraction survive JSON, whoever reads it.
MOST_DIGITS = 15


def _check_path(path: str) -> str:
    try:
        usable = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise PydanticCustomError("path", "is no path")
    return path


FilePath = Annotated[str, AfterValidator(_check_path)]


def _number_of_text(value: Any) -> Any:
    """Runners without a kind of setting for numbers with a fraction pass their text on."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", value):
        return float(value)
    return value


Percent = Annotated[float, Field(ge=0, le=100), BeforeValidator(_number_of_text)]


def takers() -> list[str]:
    """The providers that `inventory_levels` can go to."""
    return [room.name for room in registry.providers() if room.publishing is not None]


# Of the tap, which may have the same file, and of other targets made with the SDK.
ELSEWHERE = frozenset(
    {
        *("emit_activate_version_messages", "faker_config", "batch_config", "state"),
        *("flattening_enabled", "flattening_max_depth", "flattening_max_key_length"),
        *("flattening_separator", "add_record_metadata", "load_method", "default_target_schema"),
        *("target_schema", "hard_delete", "activate_version", "process_activate_version_messages"),
        *("validate_records", "batch_size_rows", "batch_wait_limit_seconds"),
    }
)


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
    max_newly_zero_percent: Percent = Field(
        default=50,
        description=(
            "More than this share of the changed SKUs going from above 0 to 0, where at least 10 "
            "do: nothing is written."
        ),
    )
    max_unit_error_percent: Percent = Field(
        default=50,
        description=(
            "More than this share of the changed SKUs multiplied or divided by exactly 100 or "
            "1000, where at least 10 are: nothing is written."
        ),
    )


class Rules(BaseModel):
    """Publishing rules for inventory_levels, applied before the guards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    buffer: int = Field(
        default=0, ge=0, description="So many units are held back, after percent was applied."
    )
    floor: int = Field(
        default=0,
        ge=0,
        description="Never fewer units than this are published, even where none are available.",
    )
    cap: int | None = Field(
        default=None, ge=0, description="Never more units than this are published."
    )
    percent: Percent = Field(
        default=100,
        description="The share of the available units to publish, rounded down to whole units.",
    )

    @field_validator("cap")
    @classmethod
    def _above_the_floor(cls, cap: int | None, info: ValidationInfo) -> int | None:
        if cap is not None and cap < info.data.get("floor", 0):
            raise PydanticCustomError("cap", "must not be below rules.floor")
        return cap

    @field_validator("percent")
    @classmethod
    def _as_it_was_written(cls, percent: float) -> float:
        if len(Decimal(str(percent)).as_tuple().digits) > MOST_DIGITS:
            raise PydanticCustomError(
                "digits", "must have at most {most} digits", {"most": MOST_DIGITS}
            )
        return percent

    @cached_property
    def share(self) -> Fraction:
        """`percent` of the whole, exactly as it was written: 33.3 percent are 333/1000."""
        return Fraction(str(self.percent)) / 100


class LevelsFrom(BaseModel):
    """Which records of inventory_levels count; the others are left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    provider: Text | None = Field(
        default=None,
        description="Only levels of this provider count; the others are left alone.",
    )
    account: Text | None = Field(
        default=None, description="Only levels of this account count; the others are left alone."
    )
    location_id: Text | None = Field(
        default=None,
        description=(
            "Only levels of this place count; the others are left alone. Without it, all places; "
            "where one is the sum of a provider's others, only that."
        ),
    )


# An object is one variable of the environment that holds JSON.
OBJECTS: dict[str, type[BaseModel]] = {
    "guards": Guards,
    "rules": Rules,
    "levels_from": LevelsFrom,
}
FOR_LEVELS = ("sku_map_path", "rules", "levels_from", "leave_out")


class TargetSettings(BaseModel):
    """What the target is told besides where to write."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)

    mode: Literal["apply", "plan"] = Field(
        default="apply",
        description="`plan` reads live levels, shows what would change and writes nothing.",
    )
    plan_path: FilePath | None = Field(
        default=None,
        description="JSON lines, one per intended change: stream, key, field, before, after.",
    )
    plan_page_path: FilePath | None = Field(
        default=None,
        description=(
            "The plan as one HTML page for whoever approves it: what is dangerous first, then what "
            "was rejected. Made before anything is sent, also where a guard stops the run."
        ),
    )
    undo_path: FilePath | None = Field(
        default=None,
        description=(
            "After an apply: a plan that restores the levels before it, in the form of the plan "
            "and usable with --input; items that have moved since are then rejected."
        ),
    )
    report_path: FilePath | None = Field(
        default=None,
        description="JSON: counts per outcome, guard hits, requests, duration.",
    )
    journal_path: FilePath | None = Field(
        default=None,
        description=(
            "SQLite file: every intended write before it is sent, and what became of it. One per "
            "pipeline. Default: target-inventory.sqlite where the target runs."
        ),
    )
    dead_letter_path: FilePath | None = Field(
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

    levels_to: str | None = Field(
        default=None, description="The provider that inventory_levels records go to."
    )
    levels_from: LevelsFrom = Field(
        default=LevelsFrom(),
        description="Which records of inventory_levels count; the others are left alone.",
    )
    sku_map_path: Annotated[FilePath, Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "CSV with the columns source_sku and target_sku: what the items of inventory_levels "
            "are called where they go. A SKU that is not in it is rejected."
        ),
    )
    leave_out: list[Literal["unmapped", "untracked"]] = Field(
        default=[],
        description=(
            "Levels of inventory_levels that are left out and counted instead of rejected: "
            "`unmapped` ones (the SKU is not in the map, or no item has it) and `untracked` ones "
            "(tracking is off for the item)."
        ),
    )
    rules: Rules = Field(
        default=Rules(),
        description="Publishing rules for inventory_levels, applied before the guards.",
    )

    @field_validator("levels_from")
    @classmethod
    def _no_misspelt_provider(cls, place: LevelsFrom) -> LevelsFrom:
        """Others than ours may send levels, too, but hardly under nearly the same name."""
        name = place.provider or ""
        hint = settings.did_you_mean(name, registry.PROVIDER_NAMES)
        if hint and name not in registry.PROVIDER_NAMES:
            raise PydanticCustomError("provider", "names no provider{hint}", {"hint": hint})
        return place

    @field_validator("levels_to")
    @classmethod
    def _takes_levels(cls, name: str | None) -> str | None:
        if name is not None and name not in takers():
            names = " or ".join(takers())
            raise PydanticCustomError("levels_to", "must be {names}", {"names": names})
        return name

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


def refuse_parts_in_environment() -> None:
    """Refuse parts of objects in variables of their own, which nobody reads.

    Raises:
        ConfigError: by name, never with a value.
    """
    problems = [
        f"{name} must stand in {whole}: TARGET_INVENTORY_{whole.upper()}='{{\"{name}\": ...}}'"
        for whole, model in OBJECTS.items()
        for name in model.model_fields
        if f"TARGET_INVENTORY_{whole}_{name}".upper() in os.environ
    ]
    if problems:
        raise ConfigError("; ".join(problems), place="environment")


def load(raw: Mapping[str, Any]) -> TargetSettings:
    """The target's own settings.

    Raises:
        ConfigError: by name, never with a value.
    """
    problems = [*_misplaced(raw), *_useless(raw)]
    try:
        chosen = TargetSettings.model_validate(dict(raw))
    except ValidationError as error:
        models: list[type[BaseModel]] = [TargetSettings, *OBJECTS.values()]
        known = [name for model in models for name in model.model_fields]
        problems += settings.explain(error, "", known)
    else:
        problems += _not_configured(chosen, raw)
    if problems:
        raise ConfigError("; ".join(problems), place="configuration")
    _must_differ(chosen)
    return chosen


def _misplaced(raw: Mapping[str, Any]) -> Iterable[str]:
    for whole, model in OBJECTS.items():
        for name in model.model_fields:
            if raw.get(name) is not None:
                yield f'{name} must stand in {whole}: {{"{whole}": {{"{name}": ...}}}}'


def _useless(raw: Mapping[str, Any]) -> Iterable[str]:
    """A safety setting that is silently without effect would be a lie."""
    for name in FOR_LEVELS:
        if raw.get(name) is not None and raw.get("levels_to") is None:
            yield f"{name} is for inventory_levels: set levels_to"


def _not_configured(chosen: TargetSettings, raw: Mapping[str, Any]) -> Iterable[str]:
    if chosen.levels_to is not None and raw.get(chosen.levels_to) is None:
        yield f"levels_to is {chosen.levels_to}, which is not configured; add its object"


def must_spare(chosen: TargetSettings, given: str | None, configurations: Iterable[str]) -> None:
    """What is read is not to be written over.

    Rejected records replace those that are fed back, and the way back from a way back may do so,
    too: both are read to their end by then. A plan that is carried out is left as it is.

    Raises:
        ConfigError: a file of ours is the input or a configuration.
    """
    may_be_input = {"dead_letter_path", "undo_path"}
    may_be_input |= {"plan_path"} if chosen.mode == "apply" else set()
    for name, path in _paths(chosen).items():
        read = [(each, "--config") for each in configurations]
        if given is not None and name not in may_be_input:
            read.append((given, "--input"))
        for other, option in read:
            if path is not None and _are_same(Path(path), Path(other)):
                raise ConfigError(f"{name} is the file of {option}", place="configuration")


def _are_same(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and first.samefile(second)


def _paths(chosen: TargetSettings) -> dict[str, str | Path | None]:
    """All that is written, and the SKU map."""
    return {
        "journal_path": chosen.journal,
        "dead_letter_path": chosen.dead_letters,
        "plan_path": chosen.plan_path,
        "plan_page_path": chosen.plan_page_path,
        "undo_path": chosen.undo_path,
        "report_path": chosen.report_path,
        "sku_map_path": chosen.sku_map_path,
    }


def _must_differ(chosen: TargetSettings) -> None:
    """One file for two things would end with neither."""
    seen: dict[Path, str] = {}
    for name, path in _paths(chosen).items():
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
    properties |= {whole: settings.json_schema(model) for whole, model in OBJECTS.items()}
    properties["levels_to"]["enum"] = takers()
    properties["user_agent"] = {
        "type": "string",
        "title": "User agent",
        "description": "What the requests call themselves.",
    }
    return {"type": "object", "properties": properties}
