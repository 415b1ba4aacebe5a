"""Promise: each setting is taken or refused by its name; a value is never shown."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
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
LEVELS = CONFIG | {"levels_to": "deconetwork"}
FOR_LEVELS: dict[str, Any] = {
    "sku_map_path": "map.csv",
    "leave_out": ["unmapped"],
    "rules": {"buffer": 1},
    "levels_from": {"provider": "s2"},
}
PARTS = [(whole, name) for whole, model in settings.OBJECTS.items() for name in model.model_fields]


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
    assert (chosen.levels_to, chosen.sku_map_path) == (None, None)
    rules, source = chosen.rules, chosen.levels_from
    assert (rules.buffer, rules.floor, rules.cap, rules.percent) == (0, 0, None, 100)
    assert (source.provider, source.account, source.location_id) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "plan"),
        ("plan_page_path", "a/page"),
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


@pytest.mark.parametrize("name", ["plan_path", "undo_path", "report_path", "journal_path"])
@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"], ids=ascii)
def test_a_path_that_no_file_can_have_is_refused_by_name(name: str, path: str) -> None:
    assert f"{name} is no path" in refused(CONFIG | {name: path})


@pytest.mark.parametrize("name", ["sku_map_path", "plan_path", "dead_letter_path"])
@pytest.mark.parametrize("other", ["journal_path", "report_path", "undo_path"])
def test_no_two_files_are_one(name: str, other: str) -> None:
    told = refused(LEVELS | {name: "x/../here", other: "here"})
    assert name in told
    assert other in told
    assert "name the same file" in told


# ---- where levels go -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("levels_to", "deconetwork"),
        ("sku_map_path", "a/map.csv"),
        ("rules", settings.Rules(buffer=3, percent=12.5)),
        ("levels_from", settings.LevelsFrom(account="mine")),
    ],
)
def test_each_setting_of_levels_is_taken(name: str, value: Any) -> None:
    given = value.model_dump() if isinstance(value, settings.BaseModel) else value
    assert getattr(TargetInventory(config=LEVELS | {name: given}).own, name) == value


def test_levels_go_to_every_provider_that_takes_them() -> None:
    assert settings.takers() == ["deconetwork", "amazon_fba"]
    for name in settings.takers():
        assert settings.load({name: {}, "levels_to": name}).levels_to == name


@pytest.mark.parametrize("value", ["s2", "shipstream", "Deconetwork", "Zanzibar", ""])
def test_levels_go_to_no_other_provider(value: str) -> None:
    told = refused(CONFIG | {"levels_to": value, "rules": {"buffer": 1}})
    assert "levels_to must be deconetwork or amazon_fba" in told
    assert "Zanzibar" not in told
    assert "set levels_to" not in told


def test_levels_do_not_go_to_a_provider_that_is_not_configured() -> None:
    told = refused(CONFIG | {"levels_to": "amazon_fba"})
    assert "levels_to is amazon_fba, which is not configured" in told


@pytest.mark.parametrize("name", FOR_LEVELS)
@pytest.mark.parametrize("nowhere", [{}, {"levels_to": None}], ids=["missing", "null"])
def test_a_setting_of_levels_is_refused_where_they_go_nowhere(
    name: str, nowhere: dict[str, Any]
) -> None:
    told = refused(CONFIG | nowhere | {name: FOR_LEVELS[name]})
    assert f"{name} is for inventory_levels: set levels_to" in told


@pytest.mark.parametrize("name", ["rules", "levels_from"])
def test_an_object_of_levels_that_is_empty_is_refused_all_the_same(name: str) -> None:
    assert name in refused(CONFIG | {name: {}})


@pytest.mark.parametrize("name", ["shipstrem", "ShipStream", "deconetwrk"])
def test_a_misspelt_provider_of_levels_is_refused(name: str) -> None:
    told = refused(LEVELS | {"levels_from": {"provider": name}})
    assert "levels_from names no provider (did you mean " in told


def test_levels_may_come_from_a_provider_that_is_none_of_ours() -> None:
    assert (
        settings.load(LEVELS | {"levels_from": {"provider": "erp"}}).levels_from.provider == "erp"
    )


READ = ["--config", "--input"]
WRITTEN = ["journal_path", "dead_letter_path", "plan_path", "plan_page_path", "undo_path"]
WRITTEN += ["report_path"]


@pytest.mark.parametrize("option", READ)
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_read_is_not_written_over(tmp_path: Path, name: str, option: str) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.touch()
    chosen = settings.load(CONFIG | {"mode": "plan", name: str(tmp_path / "." / "file")})
    settings.must_spare(chosen, str(other), [str(other)])
    given = (str(file), []) if option == "--input" else (None, [str(other), str(file)])
    if (name, option) in {("dead_letter_path", "--input"), ("undo_path", "--input")}:
        settings.must_spare(chosen, *given)
        return
    with pytest.raises(ConfigError, match=f"{name} is the file of {option}"):
        settings.must_spare(chosen, *given)


def test_every_setting_of_levels_is_tested() -> None:
    assert set(FOR_LEVELS) == set(settings.FOR_LEVELS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("buffer", 0),
        ("buffer", 7),
        ("floor", 7),
        ("cap", 0),
        ("cap", 7),
        ("percent", 0),
        ("percent", 100),
        ("percent", 33.3),
    ],
)
def test_each_rule_is_taken_and_the_others_stay(name: str, value: Any) -> None:
    rules = TargetInventory(config=LEVELS | {"rules": {name: value}}).own.rules
    assert rules.model_dump() == settings.Rules().model_dump() | {name: value}


@pytest.mark.parametrize("percent", ["33.3", "0.1", "12.5", "99.9999999999999", "7", "1e-7"])
def test_a_percentage_is_exactly_what_was_written(percent: str) -> None:
    rules = settings.load(
        json.loads(
            f'{{"deconetwork": {{}}, "levels_to": "deconetwork", '
            f'"rules": {{"percent": {percent}}}}}'
        )
    ).rules
    assert rules.share == Fraction(percent) / 100


@pytest.mark.parametrize(
    "value",
    [
        0,
        False,
        "",
        [],
        "Zanzibar",
        ["buffer"],
        {"buffer": -1},
        {"buffer": "5"},
        {"buffer": 5.5},
        {"buffer": True},
        {"floor": -1},
        {"floor": "Zanzibar"},
        {"cap": -1},
        {"cap": 5.5},
        {"percent": -0.1},
        {"percent": 100.1},
        {"percent": "half"},
        {"percent": "Zanzibar"},
        {"percent": True},
        {"percent": float("nan")},
        {"percent": float("inf")},
        {"percent": 33.33333333333333},
    ],
    ids=str,
)
def test_a_rule_that_is_none_is_refused_by_name_and_never_ignored(value: Any) -> None:
    told = refused(LEVELS | {"rules": value})
    assert "rules" in told
    assert all(f"rules.{name} " in told for name in (value if isinstance(value, dict) else ()))
    assert "Zanzibar" not in told


def test_a_percentage_that_json_would_change_is_refused() -> None:
    text = (
        '{"deconetwork": {}, "levels_to": "deconetwork", "rules": {"percent": 66.6666666666666666}}'
    )
    with pytest.raises(ConfigError, match=r"rules\.percent must have at most 15 digits"):
        settings.load(json.loads(text))


def test_the_floor_is_not_above_the_cap() -> None:
    assert settings.Rules(floor=5, cap=5).cap == 5
    told = refused(LEVELS | {"rules": {"floor": 6, "cap": 5}})
    assert "rules.cap must not be below rules.floor" in told


@pytest.mark.parametrize("name", settings.LevelsFrom.model_fields)
@pytest.mark.parametrize("value", ["", 987123, True, ["Zanzibar"]], ids=str)
def test_an_origin_of_levels_that_is_no_text_is_refused_by_name(name: str, value: Any) -> None:
    told = refused(LEVELS | {"levels_from": {name: value}})
    assert f"levels_from.{name} must" in told
    assert "Zanzibar" not in told
    assert "987123" not in told


@pytest.mark.parametrize("value", ["", 987123, ["Zanzibar"], "a\0b"], ids=ascii)
def test_a_map_that_is_no_path_is_refused_by_name(value: Any) -> None:
    told = refused(LEVELS | {"sku_map_path": value})
    assert "sku_map_path" in told
    assert "Zanzibar" not in told
    assert "987123" not in told


@pytest.mark.parametrize(
    ("whole", "wrong", "hint"),
    [
        ("rules", "buffers", "buffer"),
        ("rules", "percents", "percent"),
        ("levels_from", "location", "location_id"),
        ("levels_from", "acount", "account"),
    ],
)
def test_a_misspelt_part_gets_a_hint(whole: str, wrong: str, hint: str) -> None:
    told = refused(LEVELS | {whole: {wrong: 5}})
    assert f"{whole}.{wrong} is not a setting (did you mean {hint}?)" in told


# ---- guards --------------------------------------------------------------------------------------


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
        {"max_newly_zero_percent": "half"},
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


@pytest.mark.parametrize(("whole", "name"), PARTS)
def test_a_part_that_stands_beside_its_object_is_refused_and_not_ignored(
    whole: str, name: str
) -> None:
    assert f"{name} must stand in {whole}" in refused(LEVELS | {name: 5})


def test_all_problems_are_told_at_once() -> None:
    guards = {"max_delta": -1, "max_changes": -1}
    rules = {"buffer": -1}
    told = refused(CONFIG | {"guards": guards, "rules": rules, "mode": "dry", "max_rejected": ""})
    names = ("guards.max_delta", "guards.max_changes", "rules.buffer", "mode", "max_rejected")
    for name in (*names, "set levels_to"):
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
        ("level_to", "levels_to"),
        ("sku_maps_path", "sku_map_path"),
        ("level_from", "levels_from"),
        ("rule", "rules"),
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


def test_guards_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_INVENTORY_DECONETWORK", json.dumps(DECONETWORK))
    monkeypatch.setenv("TARGET_INVENTORY_GUARDS", '{"max_delta":5,"max_newly_zero_percent":12.5}')
    guards = TargetInventory(parse_env_config=True).own.guards
    assert (guards.max_delta, guards.max_newly_zero_percent) == (5, 12.5)


def test_what_is_for_levels_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "DECONETWORK": json.dumps(DECONETWORK),
        "LEVELS_TO": "deconetwork",
        "SKU_MAP_PATH": "a/map.csv",
        "RULES": '{"buffer": 2, "percent": 33.3}',
        "LEVELS_FROM": '{"location_id": "7"}',
    }
    for name, text in variables.items():
        monkeypatch.setenv(f"TARGET_INVENTORY_{name}", text)
    own = TargetInventory(parse_env_config=True).own
    assert (own.levels_to, own.sku_map_path) == ("deconetwork", "a/map.csv")
    assert own.levels_from == settings.LevelsFrom(location_id="7")
    assert own.rules == settings.Rules(buffer=2, percent=33.3)
    assert own.rules.share == Fraction("0.333")


def told_by_the_command(monkeypatch: pytest.MonkeyPatch, variable: str) -> str:
    monkeypatch.setenv("TARGET_INVENTORY_DECONETWORK", json.dumps(DECONETWORK))
    monkeypatch.setenv(f"TARGET_INVENTORY_{variable}", "5")
    monkeypatch.setattr(sys, "argv", ["target-inventory", "--config", "ENV"])
    monkeypatch.setattr(command, "set_up_logging", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        command.click_main(COMMAND)
    return str(caught.value)


@pytest.mark.parametrize("name", ["guards", "rules", "levels_from", "levels_to"])
def test_a_setting_of_the_environment_that_is_not_understood_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{name} must be" in told_by_the_command(monkeypatch, name.upper())


@pytest.mark.parametrize(("whole", "name"), PARTS)
def test_a_part_in_a_variable_of_its_own_is_refused_and_not_ignored(
    whole: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_by_the_command(monkeypatch, f"{whole}_{name}".upper())
    variable = f"TARGET_INVENTORY_{whole.upper()}"
    assert f"{name} must stand in {whole}: {variable}='{{\"{name}\": ...}}'" in told


@pytest.mark.parametrize(
    ("name", "meant"), [("MOD", "MODE"), ("GUARD", "GUARDS"), ("MAX_REJECTD", "MAX_REJECTED")]
)
def test_a_variable_that_is_nearly_a_setting_is_refused_and_not_ignored(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"TARGET_INVENTORY_{name} is not a setting (did you mean TARGET_INVENTORY_{meant}?)"
    assert told in told_by_the_command(monkeypatch, name)


@pytest.mark.parametrize(("whole", "name"), PARTS)
def test_the_published_schema_has_every_part_of_every_object(whole: str, name: str) -> None:
    published = settings.config_schema()["properties"][whole]["properties"][name]
    assert published["description"].endswith(".")
    assert published.get("default") == getattr(settings.OBJECTS[whole](), name)


def test_the_published_schema_names_where_levels_can_go() -> None:
    published = settings.config_schema()["properties"]["levels_to"]
    assert (published["type"], published["enum"]) == ("string", settings.takers())


# ---- what --about tells --------------------------------------------------------------------------


def test_the_published_schema_is_one_and_fits_the_settings() -> None:
    schema = settings.config_schema()
    Draft202012Validator.check_schema(schema)
    assert set(settings.TargetSettings.model_fields) < set(schema["properties"])
    assert "deconetwork" in schema["properties"]
    Draft202012Validator(schema).validate(CONFIG | {"mode": "plan", "max_rejected": 2})
    Draft202012Validator(schema).validate(LEVELS | FOR_LEVELS)


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


@pytest.mark.parametrize(("given", "taken"), [("33.3", 33.3), ("50", 50), (33.3, 33.3), (0, 0)])
def test_a_share_may_come_as_text(given: Any, taken: float) -> None:
    raw = {"guards": {"max_newly_zero_percent": given, "max_unit_error_percent": given}}
    guards = settings.load(raw).guards
    assert (guards.max_newly_zero_percent, guards.max_unit_error_percent) == (taken, taken)
    rules = {"rules": {"percent": given}, "levels_to": "deconetwork", "deconetwork": {}}
    assert settings.load(rules).rules.percent == taken


@pytest.mark.parametrize("given", ["", "1e1", "-1", "101", "abc", " 5", "5.", True, [5]])
def test_other_text_is_no_share(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"guards\.max_newly_zero_percent"):
        settings.load({"guards": {"max_newly_zero_percent": given}})
