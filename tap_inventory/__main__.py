"""`tap-inventory`, and `python -m tap_inventory`."""

from __future__ import annotations

import os
import signal

NAME = "tap-inventory"


def main() -> None:
    """The command; it ends the process with one of the contract's exit codes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_at_once)
    # Imported here: half a second in which a Ctrl-C must not end in a traceback.
    from inventory_providers import command  # noqa: PLC0415

    command.SIGNALS.listen()
    command.run(NAME, _work)


def _stop_at_once(signum: int, frame: object) -> None:  # noqa: ARG001
    """Nothing has begun yet."""
    line = f"{NAME}: stopped by {signal.Signals(signum).name}; run again to continue\n"
    os.write(2, line.encode())
    os._exit(128 + signum)


def _work() -> int | None:
    from inventory_providers import command  # noqa: PLC0415
    from tap_inventory.command_line import COMMAND  # noqa: PLC0415

    return command.click_main(COMMAND)


if __name__ == "__main__":
    main()
