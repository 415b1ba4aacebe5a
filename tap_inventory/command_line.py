"""The options of `tap-inventory`: those that every SDK tap has, with errors that end in 2."""

from __future__ import annotations

from typing import Any

import click

from inventory_providers import command
from inventory_providers.errors import ConfigError
from tap_inventory.tap import TapInventory

NAME = TapInventory.name
PREFIX = "TAP_INVENTORY_"


def _catalog(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    catalog = command.read_json_object(path, "catalog")
    streams = catalog.get("streams")
    if not isinstance(streams, list) or not all(_is_entry(entry) for entry in streams):
        raise ConfigError(
            f"{path} is not a Singer catalog; make one with --discover", place="catalog"
        )
    return catalog


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("tap_stream_id"), str)
        and entry.get("stream") in (None, entry["tap_stream_id"])
        and isinstance(entry.get("schema"), dict)
        and _is_properties(entry["schema"].get("properties", {}))
        and _may_be_texts(entry.get("key_properties"))
        and isinstance(entry.get("metadata", []), list)
        and all(_is_metadata(one) for one in entry.get("metadata", []))
    )


def _is_properties(properties: Any) -> bool:
    return isinstance(properties, dict) and all(isinstance(p, dict) for p in properties.values())


def _are_texts(words: Any) -> bool:
    return isinstance(words, list) and all(isinstance(word, str) for word in words)


def _may_be_texts(words: Any) -> bool:
    return words is None or _are_texts(words)


def _is_metadata(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and _are_texts(one.get("breadcrumb"))
        and isinstance(one.get("metadata"), dict)
        and _may_be_texts(one["metadata"].get("table-key-properties"))
    )


@click.command(name=NAME, help="Execute the Singer tap.")
@command.plugin_options
@click.option("--discover", is_flag=True, help="Run the tap in discovery mode.")
@click.option(
    "--test",
    is_flag=False,
    flag_value="all",
    type=click.Choice(["all", "schema"]),
    help="Ask for at most one record of each stream; --test=schema writes the schemas only.",
)
@click.option("--catalog", help="Use a Singer catalog file with the tap.")
@click.option("--state", help="Use a bookmarks file for incremental replication.")
def COMMAND(  # noqa: N802 - a constant to its users
    *,
    version: bool,
    about: bool,
    about_format: str | None,
    config: tuple[str, ...],
    discover: bool,
    test: str | None,
    catalog: str | None,
    state: str | None,
) -> None:
    """Parse the options, do what they ask."""
    if version:
        with command.standard_output():
            TapInventory.print_version()
        return
    if about:
        with command.standard_output():
            TapInventory.print_about(about_format)
        return
    command.set_up_logging(NAME)
    merged, from_environment = command.read_config(config)
    entries = _catalog(catalog)
    bookmarks = None if state is None else command.read_json_object(state, "state")
    with (
        command.environment_errors(PREFIX, used=from_environment),
        command.environment_names(PREFIX, TapInventory, used=from_environment),
    ):
        tap = TapInventory(
            config=merged,
            parse_env_config=from_environment,
            catalog=entries,
            state=bookmarks,
            setup_mapper=not discover,
        )
    _do(tap, discover=discover, test=test)


def _do(tap: TapInventory, *, discover: bool, test: str | None) -> None:
    # Until here nothing has begun: a signal ends the process at once.
    command.SIGNALS.listen()
    if discover:
        with command.standard_output():
            tap.run_discovery()
    elif test == "schema":
        tap.write_schemas()
    elif test == "all":
        command.say(NAME, tap.test_connections())
    else:
        tap.sync_all()
