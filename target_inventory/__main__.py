"""`target-inventory`, and `python -m target_inventory`."""

from __future__ import annotations

from inventory_providers import command


def main() -> None:
    """The command; it ends the process with one of the contract's exit codes."""
    command.SIGNALS.listen()
    command.run("target-inventory", _work)


def _work() -> int | None:
    # Imported here: a Ctrl-C during the imports ends like any other.
    from target_inventory.command_line import COMMAND  # noqa: PLC0415

    return command.click_main(COMMAND)


if __name__ == "__main__":
    main()
