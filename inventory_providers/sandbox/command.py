"""`inventory-sandbox`: the stand-ins of all providers in a process of their own."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

import click

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import HOST, SandboxServer, rooms

_STOPS = {signal.SIGINT, signal.SIGTERM}


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="The port on 127.0.0.1; 0 takes any that is free.",
)
@click.option(
    "--skus",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    help="How many SKUs each provider has.",
)
def main(port: int, skus: int) -> None:
    """Serve a stand-in of every provider on 127.0.0.1, in memory, until stopped.

    Nothing is stored. The routes under /__sandbox/ show what it was asked and make it go wrong: GET
    /__sandbox/ lists them, with what each takes.
    """
    # Held back from here on, so that a signal finds the one place that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    server = _serve(port, skus)
    names = ", ".join(server.rooms)
    _say(f"serving {names} on {server.url} (Ctrl-C stops it)")
    stopped_by = signal.sigwait(_STOPS)
    # Every thread belongs to the sandbox and holds nothing that outlives it.
    os._exit(128 + stopped_by)


def _serve(port: int, skus: int) -> SandboxServer:
    clock = Clock()
    try:
        return SandboxServer(rooms(clock, skus), port=port, clock=clock)
    except OSError as error:
        _fail(f"cannot listen on {HOST}:{port}: {error.strerror}; choose another --port")


def _fail(line: str) -> NoReturn:
    _say(line)
    raise SystemExit(2)


def _say(line: str) -> None:
    click.echo(f"inventory-sandbox: {line}", err=True)
