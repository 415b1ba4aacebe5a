"""`target-inventory`, and `python -m target_inventory`."""

from __future__ import annotations

from inventory_providers import entry


def main() -> None:
    """The command; it ends the process with one of the contract's exit codes."""
    entry.main("target-inventory", "target_inventory.command_line")


if __name__ == "__main__":
    main()
