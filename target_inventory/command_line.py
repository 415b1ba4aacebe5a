"""The options of `target-inventory`: those that every SDK target has, with errors that end in 2."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from inventory_providers import command
from inventory_providers.errors import ConfigError
from target_inventory import settings
from target_inventory.target import TargetInventory

NAME = TargetInventory.name
PREFIX = "TARGET_INVENTORY_"


@click.command(name=NAME, help="Execute the Singer target.")
@command.plugin_options
@click.option(
    "--input",
    "input_path",
    help="A path to read messages from instead of from standard in.",
)
def COMMAND(  # noqa: N802 - a constant to its users
    *,
    version: bool,
    about: bool,
    about_format: str | None,
    config: tuple[str, ...],
    input_path: str | None,
) -> None:
    """Parse the options, do what they ask."""
    if version:
        with command.standard_output():
            TargetInventory.print_version()
        return
    if about:
        with command.standard_output():
            TargetInventory.print_about(about_format)
        return
    command.set_up_logging(NAME)
    merged, from_environment = command.read_config(config)
    if from_environment:
        settings.refuse_parts_in_environment()
    with (
        command.environment_errors(PREFIX, used=from_environment),
        command.environment_names(PREFIX, TargetInventory, used=from_environment),
    ):
        target = TargetInventory(
            config=merged, parse_env_config=from_environment, input_path=input_path
        )
    settings.must_spare(target.own, input_path, [path for path in config if path != "ENV"])
    # Until here nothing has begun: a signal ends the process at once.
    command.SIGNALS.listen()
    if input_path is None:
        if sys.stdin.isatty():
            command.say(NAME, "reading Singer messages from the terminal; end with Ctrl-D")
        target.listen()
        return
    try:
        file = Path(input_path).open("rb")  # noqa: SIM115 - only the opening is the user's mistake
    except OSError as error:
        raise ConfigError(f"cannot read {input_path}: {error.strerror}", place="input") from None
    with file:
        target.listen(file)  # type: ignore[arg-type]  # the reader takes bytes
