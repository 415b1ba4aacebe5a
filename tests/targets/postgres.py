"""A PostgreSQL server of our own on 127.0.0.1, in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.targets.compare import Found, loads

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "check"
PLACES = Path("/usr/lib/postgresql")


class MissingError(Exception):
    """There is no server to be had here; the text says why."""


@dataclass(frozen=True)
class Postgres:
    """A server that runs: where it is, and the one user of it."""

    binaries: Path
    port: int
    password: str

    @property
    def settings(self) -> dict[str, str | int]:
        """How a target signs in."""
        address: dict[str, str | int] = {"host": "127.0.0.1", "port": self.port}
        return address | {"user": USER, "password": self.password}

    def read(self, schema: str) -> dict[str, Found]:
        """Every table of a schema, each row by way of the server's own JSON."""
        named = f"table_schema = '{schema}' order by 1"
        lines = self._ask(
            f"select table_name || ' ' || column_name from information_schema.columns where {named}"
        )
        found: dict[str, Found] = {}
        for table, column in map(str.split, lines):
            found.setdefault(table, Found()).columns.add(column)
        for table, held in found.items():
            rows = self._ask(f'select row_to_json(t) from "{schema}"."{table}" t')
            held.rows = [loads(row) for row in rows]
        return found

    def _ask(self, query: str) -> list[str]:
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres"]
        done = subprocess.run(
            [self.binaries / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *address, "-c", query],
            env={**os.environ, "PGPASSWORD": self.password, "PGCLIENTENCODING": "UTF8"},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().split("\n")[:-1]


@contextlib.contextmanager
def server() -> Iterator[Postgres]:
    """A server with nothing in it, gone when the block ends.

    Raises:
        MissingError: it is not installed, or this is root and there is nobody else to run it.
    """
    binaries, owner = _binaries(), _owner()
    folder = Path(tempfile.mkdtemp(prefix="targets-postgres-"))
    found = Postgres(binaries, _free_port(), secrets.token_hex(16))
    (folder / "password").write_text(found.password)
    if owner:
        for path in (folder / "password", folder):
            shutil.chown(path, owner)
    try:
        with _running(found, folder, owner):
            yield found
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _running(found: Postgres, folder: Path, owner: str | None) -> Iterator[None]:
    data = folder / "data"
    options = f"-h 127.0.0.1 -p {found.port} -k {folder} -c fsync=off"
    signs_in: tuple[str | Path, ...] = (
        "-U",
        USER,
        "--pwfile",
        folder / "password",
        "--auth",
        "scram-sha-256",
    )
    plain = ["--no-sync", "--encoding", "UTF8", "--locale", "C"]
    _run(owner, folder, found.binaries / "initdb", "-D", data, *signs_in, *plain)
    control = (found.binaries / "pg_ctl", "-D", data, "-w")
    _run(owner, folder, *control, "-l", folder / "log", "-o", options, "start")
    try:
        yield
    finally:
        _run(owner, folder, *control, "-m", "immediate", "stop")


def _run(owner: str | None, folder: Path, *command: str | Path) -> None:
    # To a file, for the server holds on to whatever it was started with.
    with (folder / "said").open("wb") as said:
        subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            check=True,
            user=owner,
            extra_groups=[] if owner else None,
        )


def _binaries() -> Path:
    for folder in sorted(PLACES.glob("*/bin"), key=lambda one: one.parent.name, reverse=True):
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "psql")):
            return folder
    raise MissingError(f"no PostgreSQL in {PLACES} (the package postgresql has it)")


def _owner() -> str | None:
    """Who runs the server: whoever calls, but never root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise MissingError("PostgreSQL does not run as root, and there is no user nobody")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
