"""From a raw configuration to checked settings, or one line that names what is wrong with it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from inventory_providers import registry, settings
from inventory_providers.errors import ConfigError
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from inventory_providers.settings import ProviderSettings

LOG = logging.getLogger("inventory")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the tap and the target have in common."""

    providers: dict[str, ProviderSettings]
    start_date: datetime | None = None
    user_agent: str | None = None


def load(
    raw: Any, *, known: Iterable[str] = (), elsewhere: Collection[str] | None = None
) -> Configuration:
    """The checked configuration. `known` are the top-level keys besides the providers.

    Other keys are said to have no effect. With `elsewhere` only those in it are, which other
    commands know, and the rest is refused.

    Raises:
        ConfigError: one message with every problem, by name; no value is shown.
    """
    settings.register_raw_secrets(raw)
    if not isinstance(raw, dict):
        raise ConfigError("must be a JSON object", place="configuration")
    every = {*registry.PROVIDER_NAMES, *known}
    problems = list(_misspelt(raw, every, elsewhere))
    objects = {name: raw[name] for name in registry.PROVIDER_NAMES if raw.get(name) is not None}
    if not objects and not problems:
        names = ", ".join(registry.PROVIDER_NAMES)
        problems.append(f"no provider is configured; add an object for at least one of: {names}")
    checked = {name: _provider(name, value, problems) for name, value in objects.items()}
    if problems:
        raise ConfigError("; ".join(problems), place="configuration")
    # One file may serve the tap and the target: a key of the other one is no mistake.
    if strange := [one_line(key) for key in raw if key not in every]:
        LOG.warning("configuration: not settings here, so without effect: %s", ", ".join(strange))
    providers = {name: value for name, value in checked.items() if value is not None}
    for provider in providers.values():
        provider.register_secrets()
    return Configuration(providers, _start_date(raw), _user_agent(raw))


def _misspelt(
    raw: Mapping[str, Any], every: Collection[str], elsewhere: Collection[str] | None
) -> Iterable[str]:
    for key in raw:
        head, dot, tail = str(key).partition(".")
        if dot and head in every:
            yield f"{key} must be written as an object: {{{head}: {{{tail}: ...}}}}"
            continue
        if key in every or (elsewhere is not None and key in elsewhere):
            continue
        if (hint := settings.did_you_mean(key, every)) or elsewhere is not None:
            yield f"{one_line(key)} is not a setting{hint}"


def _provider(name: str, value: Any, problems: list[str]) -> ProviderSettings | None:
    model = registry.provider(name).settings
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems.extend(settings.explain(error, name, model.model_fields))
        return None


def _start_date(raw: Mapping[str, Any]) -> datetime | None:
    text = raw.get("start_date")
    return None if text is None else settings.utc_moment(text, name="start_date")


def _user_agent(raw: Mapping[str, Any]) -> str | None:
    agent = raw.get("user_agent")
    if agent is None:
        return None
    usable = isinstance(agent, str) and agent.isprintable() and agent.isascii()
    if not usable or agent != agent.strip() or not agent:
        raise ConfigError("user_agent must be one line of ASCII text", place="configuration")
    return str(agent)
