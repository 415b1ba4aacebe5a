"""Promise: each setting is taken or refused by its name; a value is never shown."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from inventory_providers import command
from inventory_providers.errors import ConfigError
from target_inventory import settings
from target_inventory.command_line import COMMAND
from target_inventory.target import TargetInventory

DECONETWORK = {"api_url": "https://shop.example", "username": "u-name", "password": "canary-word"}
CONFIG: dict[str, Any] = {"deconetwork": DECONETWORK}
NOT_YET = {
    "levels_to": "deconetwork",
    "sku_map_path": "map.csv",
    "rules": {"buffer": 1},
}


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        TargetInventory(config=config)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_settings_there_are_defaults() -> None:
    chosen = settings.load({})
    assert (chosen.mode, chosen.unknown_streams, chosen.max_rejected) == ("apply", "fail", 0)
    assert (chosen.plan_path, chosen.report_path, chosen.journal_path) == (None, None, None)
    assert (chosen.undo_path, chosen.max_age_seconds) == (None, None)
    assert chosen.resend_within_seconds == 86_400
    assert chosen.journal == Path("target-inventory.sqlite")
    assert chosen.dead_letters == Path("target-inventory.dead-letters.jsonl")
    guards = chosen.guards
    assert (guards.max_changes, guards.max_delta) == (None, None)
    assert (guards.max_newly_zero_percent, guards.max_unit_error_percent) == (50, 50)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "plan"),
        ("plan_path", "a/plan"),
        ("report_path", "a/report"),
        ("journal_path", "a/journal"),
        ("dead_letter_path", "a/letters"),
        ("unknown_streams", "ignore"),
        ("undo_path", "a/undo"),
        ("max_rejected", 5),
        ("max_age_seconds", 0),
        ("max_age_seconds", 3600),
        ("resend_within_seconds", 0),
    ],
)
def test_each_setting_is_taken(name: str, value: Any) -> None:
    target = TargetInventory(config=CONFIG | {name: value})
    assert getattr(target.own, name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_changes", 0),
        ("max_changes", 500),
        ("max_delta", 0),
        ("max_delta", 500),
        ("max_newly_zero_percent", 0),
        ("max_newly_zero_percent", 12.5),
        ("max_newly_zero_percent", 100),
        ("max_unit_error_percent", 100),
    ],
)
def test_each_guard_is_taken_and_the_others_stay(name: str, value: Any) -> None:
    guards = TargetInventory(config=CONFIG | {"guards": {name: value}}).own.guards
    assert guards.model_dump() == settings.Guards().model_dump() | {name: value}


def test_no_guards_are_the_usual_guards() -> None:
    assert TargetInventory(config=CONFIG | {"guards": {}}).own.guards == settings.Guards()


@pytest.mark.parametrize("name", settings.Guards.model_fields)
def test_a_guard_that_is_null_is_not_set(name: str) -> None:
    guards = TargetInventory(config=CONFIG | {"guards": {name: None}}).own.guards
    assert guards == settings.Guards()


@pytest.mark.parametrize("name", settings.TargetSettings.model_fields)
def test_null_is_not_set(name: str) -> None:
    target = TargetInventory(config=CONFIG | {name: None})
    assert getattr(target.own, name) == getattr(settings.load({}), name)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"dead_letter_path": "x/y.jsonl", "journal_path": "z"}, "x/y.jsonl"),
        ({"journal_path": "a/b.sqlite"}, "a/b.dead-letters.jsonl"),
        ({"journal_path": "b"}, "b.dead-letters.jsonl"),
    ],
)
def test_the_letters_lie_where_they_are_told_or_beside_the_journal(
    given: dict[str, Any], path: str
) -> None:
    assert settings.load(given).dead_letters == Path(path)


@pytest.mark.parametrize("name", NOT_YET)
def test_a_setting_of_a_later_version_is_refused_by_name(name: str) -> None:
    told = refused(CONFIG | {name: NOT_YET[name]})
    assert name in told
    assert "not available" in told
    assert "remove it" in told
    assert TargetInventory(config=CONFIG | {name: None}) is not None, "null is not set"


def test_every_setting_of_a_later_version_is_tested() -> None:
    assert set(NOT_YET) == set(settings.NOT_YET)


@pytest.mark.parametrize("value", [{}, {"buffer": 0}, 0, False, "", []])
def test_an_empty_safety_setting_of_a_later_version_is_refused_all_the_same(value: Any) -> None:
    assert "rules" in refused(CONFIG | {"rules": value})


@pytest.mark.parametrize(
    "value",
    [
        0,
        False,
        "",
        [],
        "Zanzibar",
        ["max_delta"],
        {"max_delta": -1},
        {"max_delta": "5"},
        {"max_delta": 5.5},
        {"max_delta": True},
        {"max_changes": -1},
        {"max_changes": "Zanzibar"},
        {"max_newly_zero_percent": -0.1},
        {"max_newly_zero_percent": 100.1},
        {"max_newly_zero_percent": "50"},
        {"max_newly_zero_percent": "Zanzibar"},
        {"max_unit_error_percent": 101},
        {"max_unit_error_percent": True},
        {"max_unit_error_percent": float("nan")},
    ],
    ids=str,
)
def test_a_guard_that_is_no_limit_is_refused_by_name_and_never_ignored(value: Any) -> None:
    told = refused(CONFIG | {"guards": value})
    assert "guards" in told
    assert all(name in told for name in (value if isinstance(value, dict) else ()))
    assert "Zanzibar" not in told


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("max_change", "max_changes"),
        ("max_deltas", "max_delta"),
        ("max_newly_zero", "max_newly_zero_percent"),
    ],
)
def test_a_misspelt_guard_gets_a_hint(wrong: str, hint: str) -> None:
    told = refused(CONFIG | {"guards": {wrong: 5}})
    assert f"guards.{wrong} is not a setting (did you mean {hint}?)" in told


@pytest.mark.parametrize("name", settings.Guards.model_fields)
def test_a_guard_that_stands_beside_the_guards_is_refused_and_not_ignored(name: str) -> None:
    assert "guards" in refused(CONFIG | {name: 5})


def test_all_problems_are_told_at_once() -> None:
    guards = {"max_delta": -1, "max_changes": -1}
    told = refused(CONFIG | {"guards": guards, "rules": {}, "mode": "dry", "max_rejected": "many"})
    for name in ("guards.max_delta", "guards.max_changes", "rules", "mode", "max_rejected"):
        assert name in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "Zanzibar"),
        ("mode", "Apply"),
        ("mode", ["plan"]),
        ("unknown_streams", "Zanzibar"),
        ("max_rejected", -1),
        ("max_rejected", "Zanzibar"),
        ("max_rejected", 1.5),
        ("max_rejected", True),
        ("plan_path", 987123),
        ("report_path", ["Zanzibar"]),
        ("journal_path", {"Zanzibar": 1}),
        ("dead_letter_path", 987123),
        ("undo_path", 987123),
        ("max_age_seconds", -1),
        ("max_age_seconds", "Zanzibar"),
        ("max_age_seconds", 1.5),
        ("max_age_seconds", True),
        ("resend_within_seconds", -1),
        ("resend_within_seconds", "Zanzibar"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_not_shown(name: str, value: Any) -> None:
    told = refused(CONFIG | {name: value})
    assert name in told
    assert "Zanzibar" not in told
    assert "987123" not in told


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("moed", "mode"),
        ("dead_letters_path", "dead_letter_path"),
        ("max_reject", "max_rejected"),
        ("unknown_stream", "unknown_streams"),
        ("guard", "guards"),
        ("undo_paths", "undo_path"),
        ("max_age_second", "max_age_seconds"),
        ("deconetwrk", "deconetwork"),
    ],
)
def test_a_misspelt_setting_gets_a_hint(wrong: str, hint: str) -> None:
    told = refused(CONFIG | {wrong: "Zanzibar"})
    assert f"{wrong} is not a setting (did you mean {hint}?)" in told
    assert "Zanzibar" not in told


def test_without_a_provider_the_five_keys_are_named() -> None:
    told = refused({"mode": "plan"})
    for name in ("sostocked", "s2", "shipstream", "deconetwork", "amazon_fba"):
        assert name in told


@pytest.mark.parametrize("value", ["canary-word", ["canary-word"], 5, True])
def test_a_provider_that_is_no_object_is_refused_without_its_value(value: Any) -> None:
    told = refused({"deconetwork": value})
    assert "deconetwork" in told
    assert "canary-word" not in told


def test_a_wrong_provider_object_is_told_by_name() -> None:
    told = refused({"deconetwork": DECONETWORK | {"passwort": "canary-word", "username": 5}})
    assert "deconetwork.passwort is not a setting (did you mean password?)" in told
    assert "deconetwork.username" in told
    assert "canary-word" not in told


def test_settings_of_the_tap_in_the_same_file_are_no_mistake() -> None:
    assert TargetInventory(config=CONFIG | {"start_date": "2026-01-01T00:00:00Z"}) is not None


def test_the_user_agent_reaches_the_requests() -> None:
    assert TargetInventory(config=CONFIG | {"user_agent": "me/1"}).environment.user_agent == "me/1"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_INVENTORY_DECONETWORK", json.dumps(DECONETWORK))
    monkeypatch.setenv("TARGET_INVENTORY_MAX_REJECTED", "3")
    monkeypatch.setenv("TARGET_INVENTORY_MODE", "plan")
    target = TargetInventory(parse_env_config=True)
    assert (target.own.max_rejected, target.own.mode) == (3, "plan")
    assert "deconetwork" in target.shared.providers


SETTINGS_OF = {
    "GUARDS": "guards",
    "GUARDS_MAX_DELTA": "guards",
    "RULES": "rules",
    "RULES_BUFFER": "rules",
    "LEVELS_TO": "levels_to",
}


def test_guards_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_INVENTORY_DECONETWORK", json.dumps(DECONETWORK))
    monkeypatch.setenv("TARGET_INVENTORY_GUARDS", '{"max_delta":5,"max_newly_zero_percent":12.5}')
    guards = TargetInventory(parse_env_config=True).own.guards
    assert (guards.max_delta, guards.max_newly_zero_percent) == (5, 12.5)


@pytest.mark.parametrize(
    "variable",
    SETTINGS_OF,
)
def test_a_safety_setting_of_the_environment_that_is_not_understood_is_refused(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TARGET_INVENTORY_DECONETWORK", json.dumps(DECONETWORK))
    monkeypatch.setenv(f"TARGET_INVENTORY_{variable}", "5")
    monkeypatch.setattr(sys, "argv", ["target-inventory", "--config", "ENV"])
    monkeypatch.setattr(command, "set_up_logging", lambda _name: None)
    with pytest.raises(ConfigError, match=SETTINGS_OF[variable]):
        command.click_main(COMMAND)


@pytest.mark.parametrize("name", settings.Guards.model_fields)
def test_the_published_schema_has_every_guard(name: str) -> None:
    published = settings.config_schema()["properties"]["guards"]["properties"][name]
    assert published["description"].endswith(".")
    assert published.get("default") == getattr(settings.Guards(), name)


# ---- what --about tells --------------------------------------------------------------------------


def test_the_published_schema_is_one_and_fits_the_settings() -> None:
    schema = settings.config_schema()
    Draft202012Validator.check_schema(schema)
    assert set(settings.TargetSettings.model_fields) < set(schema["properties"])
    assert "deconetwork" in schema["properties"]
    assert not set(settings.NOT_YET) & set(schema["properties"])
    Draft202012Validator(schema).validate(CONFIG | {"mode": "plan", "max_rejected": 2})


def test_every_setting_is_described() -> None:
    for name, setting in settings.config_schema()["properties"].items():
        assert setting.get("description"), name


def test_the_password_is_marked_as_a_secret() -> None:
    provider = settings.config_schema()["properties"]["deconetwork"]
    assert provider["properties"]["password"]["secret"] is True


def test_settings_of_the_sdk_that_mean_nothing_here_are_not_offered() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    TargetInventory.append_builtin_config(schema)
    offered = set(schema["properties"])
    assert "stream_maps" in offered
    assert not offered & {
        "add_record_metadata",
        "load_method",
        "batch_size_rows",
        "validate_records",
        "batch_config",
        "activate_version",
    }
