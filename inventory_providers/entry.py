"""The first lines of a command: the standard library only, so that a Ctrl-C is obeyed at once."""

from __future__ import annotations

import os
import signal
from importlib import import_module


def main(name: str, module: str) -> None:
    """Run the click command `COMMAND` of `module`; ends the process with a contract exit code."""

    def stop_at_once(signum: int, frame: object) -> None:  # noqa: ARG001
        line = f"{name}: stopped by {signal.Signals(signum).name}; run again to continue\n"
        os.write(2, line.encode())
        os._exit(128 + signum)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_at_once)
    # Imported here: half a second in which nothing has begun yet. A command that begins something
    # listens to signals itself from then on (`command.SIGNALS`).
    from inventory_providers import command  # noqa: PLC0415

    command.run(name, lambda: command.click_main(import_module(module).COMMAND))
