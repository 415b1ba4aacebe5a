"""Promises of the command: what it shows of itself, and how it ends on a wrong line."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import registry
from tests.tap_inventory.house import CONFIG, STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Processes

pytestmark = pytest.mark.processes

TAP = "tap_inventory"


@pytest.fixture
def tap(run_process: Callable[..., Any]) -> Callable[..., Any]:
    """The command in a process of its own."""

    def run(*arguments: str, **kwargs: Any) -> Any:
        return run_process([TAP, *arguments], **kwargs)

    return run


def wants(finished: Any, code: int) -> None:
    assert finished.code == code, finished.err
    assert "Traceback" not in finished.err
    if code:
        assert finished.out == b""
        assert finished.err.splitlines()[-1].startswith("tap-inventory: ")


def test_version(tap: Callable[..., Any]) -> None:
    finished = tap("--version")
    wants(finished, 0)
    assert version("singer-inventory") in finished.out.decode()


@pytest.mark.parametrize("option", ["--version", "--about", "--discover"])
def test_what_cannot_be_shown_ends_with_10(
    option: str, processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with Path("/dev/full").open("wb") as full:
        process = processes.start([TAP, "--config", tmp_path / "config.json", option], stdout=full)
    assert process.wait(timeout=60) == 10
    assert "No space left" in processes.err(process).splitlines()[-1]


SETTINGS = [
    "start_date",
    "user_agent",
    *(
        f"{room.name}.{name}"
        for room in registry.providers()
        for name in room.settings.model_fields
    ),
]


def test_about_as_text_names_every_setting_at_the_top(tap: Callable[..., Any]) -> None:
    finished = tap("--about")
    wants(finished, 0)
    for name in SETTINGS:
        assert name.partition(".")[0] in finished.out.decode()


def test_about_as_json_names_every_setting_and_marks_the_secrets(tap: Callable[..., Any]) -> None:
    finished = tap("--about", "--format=json")
    wants(finished, 0)
    about = json.loads(finished.out)
    assert about["name"] == "tap-inventory"
    assert {"catalog", "state", "discover", "about", "stream-maps"} <= set(about["capabilities"])
    assert "batch" not in about["capabilities"]
    properties = about["settings"]["properties"]
    for room in registry.providers():
        parts = properties[room.name]["properties"]
        for name in room.settings.model_fields:
            sounds = any(word in name for word in ("password", "secret", "token"))
            assert bool(parts[name].get("secret")) == sounds, name


def test_about_as_markdown_names_every_setting(tap: Callable[..., Any]) -> None:
    finished = tap("--about", "--format=markdown")
    wants(finished, 0)
    text = finished.out.decode()
    for name in SETTINGS:
        assert f"| {name} " in text


def test_help(tap: Callable[..., Any]) -> None:
    finished = tap("--help")
    wants(finished, 0)
    for option in ("--config", "--catalog", "--state", "--discover", "--test", "--about"):
        assert option in finished.out.decode()
    told = " ".join(finished.out.decode().split())
    assert "May be given several times: a top-level key of a later file replaces" in told


def config_file(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "config.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_discover(tap: Callable[..., Any], tmp_path: Path) -> None:
    finished = tap("--config", config_file(tmp_path, CONFIG), "--discover")
    wants(finished, 0)
    entries = json.loads(finished.out)["streams"]
    assert [entry["tap_stream_id"] for entry in entries] == [STREAM, "inventory_levels"]
    assert "hunter22" not in finished.out.decode() + finished.err


@pytest.mark.parametrize(
    "document",
    ["{", "[]", "null", "", {}, {"deconetwork": {}}, {"deconetwrok": CONFIG["deconetwork"]}],
    ids=str,
)
def test_discover_with_a_wrong_configuration(
    tap: Callable[..., Any], tmp_path: Path, document: Any
) -> None:
    finished = tap("--config", config_file(tmp_path, document), "--discover")
    wants(finished, 2)
    assert "hunter22" not in finished.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--discover"],
        [],
        ["--config", "none.json"],
        ["--none-such"],
        ["--format=xml", "--about"],
        ["--test=some"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(tap: Callable[..., Any], arguments: list[str]) -> None:
    wants(tap(*arguments), 2)


def test_schemas_without_a_request(tap: Callable[..., Any], tmp_path: Path) -> None:
    finished = tap("--config", config_file(tmp_path, CONFIG), "--test=schema")
    wants(finished, 0)
    messages = [json.loads(line) for line in finished.out.splitlines()]
    told = [(message["type"], message["stream"]) for message in messages]
    assert told == [("SCHEMA", STREAM), ("SCHEMA", "inventory_levels")]


@pytest.mark.parametrize(
    ("variable", "code"),
    [
        ({"TAP_INVENTORY_DECONETWORK": json.dumps(CONFIG["deconetwork"])}, 0),
        ({"TAP_INVENTORY_DECONETWORK": '{"api_url": "ftp://x"}'}, 2),
        ({"TAP_INVENTORY_DECONETWORK": '{"password": "hunter22-env"'}, 2),
        ({"TAP_INVENTORY_DECONETWORK": "hunter22-env"}, 2),
        ({}, 2),
    ],
    ids=["good", "wrong", "not JSON", "text", "nothing"],
)
def test_the_configuration_from_the_environment(
    tap: Callable[..., Any], variable: dict[str, str], code: int
) -> None:
    finished = tap("--config=ENV", "--discover", env=variable)
    wants(finished, code)
    assert "hunter22" not in finished.out.decode() + finished.err


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("START_DAT", 2, "START_DAT is not a setting (did you mean TAP_INVENTORY_START_DATE?)"),
        ("FAKER_CONFG", 2, "(did you mean TAP_INVENTORY_FAKER_CONFIG?)"),
        ("SERVICE_HOST", 0, "left alone, since they are no settings: TAP_INVENTORY_SERVICE_HOST"),
        ("LOGLEVEL", 0, ""),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_or_left_alone_by_its_name(
    tap: Callable[..., Any], name: str, code: int, said: str
) -> None:
    good = {"TAP_INVENTORY_DECONETWORK": json.dumps(CONFIG["deconetwork"])}
    finished = tap("--config=ENV", "--discover", env={**good, f"TAP_INVENTORY_{name}": "ERROR"})
    wants(finished, code)
    assert said in finished.err
    assert ("no settings" in finished.err) == (name == "SERVICE_HOST")


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "null",
        "",
        {},
        {"streams": {}},
        {"streams": [{}]},
        {"streams": [{"tap_stream_id": 5}]},
        {"streams": [{"tap_stream_id": STREAM, "schema": []}]},
        {"streams": [{"tap_stream_id": STREAM, "schema": {}, "metadata": 5}]},
        {"streams": [{"tap_stream_id": STREAM, "schema": {}, "metadata": [{"breadcrumb": 5}]}]},
        *(
            {"streams": [{"tap_stream_id": STREAM, "schema": {}, **more}]}
            for more in (
                {"stream": "another"},
                {"stream": [STREAM]},
                {"key_properties": "dn_sku_id"},
                {"key_properties": [5]},
                {"key_properties": {}},
                {"key_properties": ["supplier"]},
                {"schema": {"properties": []}},
                {"schema": {"properties": {"dn_sku_id": 5}}},
                {"metadata": [{"breadcrumb": [5], "metadata": {}}]},
                {"metadata": [{"breadcrumb": [["x"]], "metadata": {}}]},
                {"metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": 5}}]},
                {"metadata": [{"breadcrumb": [], "metadata": {"table-key-properties": [[]]}}]},
            )
        ),
        {"streams": [{"tap_stream_id": "gone_stream", "schema": {}}]},
    ],
    ids=str,
)
def test_a_wrong_catalog(tap: Callable[..., Any], tmp_path: Path, document: Any) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    finished = tap("--config", config_file(tmp_path, CONFIG), "--catalog", str(path))
    wants(finished, 2)


def test_a_log_level_that_is_none(tap: Callable[..., Any], tmp_path: Path) -> None:
    finished = tap(
        "--config", config_file(tmp_path, CONFIG), "--discover", env={"LOGLEVEL": "LOUD"}
    )
    wants(finished, 2)
