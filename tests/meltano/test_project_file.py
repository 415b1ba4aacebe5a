"""Promise: `meltano.yml` names nothing that is not there, and leaves out no setting."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from inventory_providers import registry
from inventory_providers.sandbox.command import main as sandbox_command
from inventory_providers.sandbox.room import Clock
from tap_inventory.tap import TapInventory
from target_inventory import settings as target_settings
from target_inventory.target import TargetInventory

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = ROOT / "meltano.yml"
# No credential: how the account is read.
FULL_REFRESH = "full_refresh_days"
PLUGINS = {"tap-inventory--base": TapInventory, "target-inventory": TargetInventory}

pytestmark = pytest.mark.skipif(not PROJECT.exists(), reason="the sources are not here")


@cache
def project() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(PROJECT.read_text(encoding="utf-8"))
    return loaded


def plugins() -> dict[str, dict[str, Any]]:
    return {each["name"]: each for kind in project()["plugins"].values() for each in kind}


def root(name: str) -> dict[str, Any]:
    """The plugin that has the definition."""
    plugin = plugins()[name]
    return root(plugin["inherit_from"]) if "inherit_from" in plugin else plugin


def flat(config: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def configured(environment: str) -> dict[str, dict[str, Any]]:
    """What an environment sets, by plugin."""
    (found,) = [each for each in project()["environments"] if each["name"] == environment]
    kinds = found["config"]["plugins"].values()
    return {each["name"]: each["config"] for kind in kinds for each in kind}


def about(plugin: type[TapInventory | TargetInventory]) -> dict[str, dict[str, Any]]:
    """Each setting of `--about` by its dotted name."""
    schema: dict[str, Any] = {"properties": {}}
    plugin.append_builtin_config(schema)
    added = set(schema["properties"])
    # Faker is not installed, so its configuration does nothing.
    del schema["properties"]["faker_config"]
    settings = dict(schema["properties"])
    for name, part in plugin.config_jsonschema["properties"].items():
        if name in added:
            continue  # the SDK writes into the plugin's own schema when it makes one
        inner = part.get("properties", {})
        settings |= {f"{name}.{key}": each for key, each in inner.items()} or {name: part}
    return settings


@pytest.mark.parametrize("name", PLUGINS)
def test_every_setting_of_a_plugin_is_there_and_no_other(name: str) -> None:
    settings = [each["name"] for each in plugins()[name]["settings"]]
    assert sorted(settings) == sorted(about(PLUGINS[name]))


@pytest.mark.parametrize("name", PLUGINS)
def test_every_secret_is_sensitive_and_nothing_else_is(name: str) -> None:
    sensitive = {each["name"] for each in plugins()[name]["settings"] if each.get("sensitive")}
    assert sensitive == {key for key, part in about(PLUGINS[name]).items() if part.get("secret")}
    assert len(sensitive) == 8


@pytest.mark.parametrize("name", PLUGINS)
def test_no_setting_has_a_default_that_would_be_passed_on_as_chosen(name: str) -> None:
    assert [each["name"] for each in plugins()[name]["settings"] if "value" in each] == []


@pytest.mark.parametrize("name", PLUGINS)
def test_the_capabilities_are_those_of_the_plugin(name: str) -> None:
    assert plugins()[name]["capabilities"] == [one.value for one in PLUGINS[name].capabilities]


def test_numbers_with_a_fraction_are_text_to_meltano_and_whole_ones_are_integers() -> None:
    kinds = {each["name"]: each["kind"] for each in plugins()["target-inventory"]["settings"]}
    assert kinds["rules.percent"] == kinds["guards.max_newly_zero_percent"] == "string"
    assert kinds["rules.buffer"] == kinds["guards.max_delta"] == "integer"


def test_every_configured_setting_is_one_of_its_plugin() -> None:
    chosen = [(name, plugin.get("config", {})) for name, plugin in plugins().items()]
    for environment in ("sandbox", "prod"):
        chosen += configured(environment).items()
    unknown = {
        f"{name}: {key}"
        for name, config in chosen
        for key, _ in flat(config)
        if key not in {each["name"] for each in root(name)["settings"]}
    }
    # A setting of the loader that it does not declare here.
    assert unknown == {"target-postgres: load_method"}


def test_the_credentials_of_the_sandbox_environment_are_the_sandboxs_own() -> None:
    theirs = {}
    for name in registry.PROVIDER_NAMES:
        room = import_module(f"inventory_providers.{name}.sandbox").Sandbox(Clock(), size=1)
        theirs[name] = room.settings("http://127.0.0.1:$SANDBOX_PORT")
    # A day that moves on; without it, only yesterday is read.
    del theirs["sostocked"]["snapshot_start_date"]
    ours = configured("sandbox")
    assert ours["tap-inventory"] == theirs
    for name in ("tap-inventory--levels", "tap-inventory--second", "target-inventory"):
        for provider, config in ours[name].items():
            if provider in theirs:
                assert (config | theirs[provider]).keys() >= config.keys()
                chosen = {"account", FULL_REFRESH}
                own = {key: value for key, value in config.items() if key not in chosen}
                assert own.items() <= theirs[provider].items()


def test_the_sandbox_is_on_the_port_that_it_has_without_an_option() -> None:
    (sandbox,) = [each for each in project()["environments"] if each["name"] == "sandbox"]
    (option,) = [each for each in sandbox_command.params if each.name == "port"]
    # One variable: Meltano does not put one of an environment's variables into another.
    assert sandbox["env"] == {"SANDBOX_PORT": str(option.default)}
    assert project()["default_environment"] == "sandbox"


def test_the_configuration_of_the_sandbox_is_accepted() -> None:
    text = json.dumps(configured("sandbox")).replace("$SANDBOX_PORT", "8765")
    for name, config in json.loads(text).items():
        if root(name)["name"] == "target-inventory":
            whole = plugins()[name]["config"] | config
            assert target_settings.load(whole).levels_to == "deconetwork"
        else:
            assert sorted(TapInventory(config=config).streams)


def test_prod_has_each_credential_from_a_variable_that_the_example_lists() -> None:
    values = [
        value
        for config in configured("prod").values()
        for name, value in flat(config)
        if not name.endswith(FULL_REFRESH)
    ]
    used = {match[1] for value in values if (match := re.fullmatch(r"\$(\w+)", str(value)))}
    assert len(used) == len(set(values))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_prod_has_everything_that_a_provider_requires() -> None:
    for name, config in configured("prod").items():
        for provider, chosen in config.items():
            if provider in registry.PROVIDER_NAMES:
                fields = registry.provider(provider).settings.model_fields
                required = {key for key, field in fields.items() if field.is_required()}
                assert required <= chosen.keys(), f"{name}: {provider}"


def test_who_inherits_an_account_says_so() -> None:
    """A parent's accounts come along: only the pipeline's own plan has a parent with some."""
    heirs = {
        name
        for name, plugin in plugins().items()
        for environment in ("sandbox", "prod")
        if plugin.get("inherit_from") in configured(environment)
    }
    assert heirs == {"target-inventory--plan"}


def test_jobs_and_schedules_name_what_there_is() -> None:
    jobs = {job["name"]: job["tasks"] for job in project()["jobs"]}
    assert list(jobs) == ["read", "levels", "second", "plan", "write-back"]
    for tasks in jobs.values():
        for task in tasks:
            tap, loader = task.split()
            assert root(tap)["name"] == "tap-inventory--base"
            assert loader in {each["name"] for each in project()["plugins"]["loaders"]}
    assert {schedule["job"] for schedule in project()["schedules"]} <= set(jobs)


def test_no_two_schedules_begin_at_once() -> None:
    begins = set()
    for schedule in project()["schedules"]:
        minute, hours = schedule["interval"].split()[:2]
        first, _, last = hours.partition("-")
        for hour in range(int(first), int(last or first) + 1):
            assert (hour, minute) not in begins
            begins.add((hour, minute))
    assert len(begins) == 41


def test_every_stream_that_is_selected_exists() -> None:
    chosen = {rule for plugin in plugins().values() for rule in plugin.get("select", [])}
    names = {rule.partition(".")[0] for rule in chosen}
    assert names - {"*"} <= set(registry.every_stream())


def test_each_pipeline_that_writes_has_a_journal_of_its_own() -> None:
    writers = [
        plugin
        for name, plugin in plugins().items()
        if root(name)["name"] == "target-inventory"
        and plugin.get("config", {}).get("mode") != "plan"
    ]
    journals = [plugin["config"]["journal_path"] for plugin in writers]
    assert len(set(journals)) == len(writers) > 0
    folder = journals[0].removeprefix("${MELTANO_PROJECT_ROOT}/").partition("/")[0]
    assert (ROOT / folder / ".gitignore").is_file()


def test_loaders_are_pinned() -> None:
    for loader in project()["plugins"]["loaders"]:
        pip_url = loader.get("pip_url", "-e .")
        assert pip_url == "-e ." or all("==" in part for part in pip_url.split())
