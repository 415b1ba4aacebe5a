"""The public targets: what to install, how each is configured, and how to read what it holds."""

from __future__ import annotations

import csv
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.targets.compare import Found, loads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.targets.postgres import Postgres

# In the environment of the target, which brings the library of its database.
READ_DUCKDB = """
import duckdb, json, sys
path, schema = sys.argv[1:]
store = duckdb.connect(path, read_only=True)
named = "select table_name from information_schema.tables where table_schema = ?"
for (table,) in store.execute(named, [schema]).fetchall():
    found = store.execute(f'select * from "{schema}"."{table}"')
    columns = [column[0] for column in found.description]
    rows = [dict(zip(columns, row)) for row in found.fetchall()]
    print(json.dumps([table, columns, rows], default=str))
"""


# Without the time in its name, the file of a run takes the place of the one before.
NAMES = "{stream_name}-{timestamp}.csv"


@dataclass(frozen=True)
class Place:
    """Where one trial's data goes: a folder, and a schema where the target has a database."""

    folder: Path
    schema: str
    commands: Path
    postgres: Postgres | None


@dataclass(frozen=True)
class Target:
    """A public target. With `upserts` it holds each key once; `maps`: it needs stream maps."""

    name: str
    requirements: tuple[str, ...]
    command: str
    config: Callable[[Place], dict[str, Any]]
    read: Callable[[Place], dict[str, Found]]
    upserts: bool = False
    postgres: bool = False
    maps: bool = False


def _read_jsonl(place: Place) -> dict[str, Found]:
    """One file per stream and run, named `<stream>-<time>.jsonl`."""
    found: dict[str, Found] = {}
    for file in sorted(place.folder.glob("*.jsonl")):
        held = found.setdefault(file.stem.rpartition("-")[0], Found())
        with file.open("rb") as lines:
            held.rows += [loads(line) for line in lines]
        held.columns |= {name for row in held.rows for name in row}
    return found


def _read_csv(place: Place) -> dict[str, Found]:
    """One file per stream and run, named `<stream>-<time>.csv`."""
    found: dict[str, Found] = {}
    for file in sorted(place.folder.glob("*.csv")):
        held = found.setdefault(file.stem.partition("-")[0], Found(text=True))
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            held.columns |= set(reader.fieldnames or ())
            held.rows += list(reader)
    return found


def _duckdb(place: Place) -> dict[str, Any]:
    path = str(place.folder / "store.duckdb")
    return {"filepath": path, "default_target_schema": place.schema}


def _read_duckdb(place: Place) -> dict[str, Found]:
    done = subprocess.run(
        [place.commands / "python", "-c", READ_DUCKDB, _duckdb(place)["filepath"], place.schema],
        capture_output=True,
        check=True,
    )
    told = (loads(line) for line in done.stdout.splitlines())
    return {table: Found(set(columns), rows) for table, columns, rows in told}


def _postgres(database: str) -> Callable[[Place], dict[str, Any]]:
    def config(place: Place) -> dict[str, Any]:
        assert place.postgres is not None
        wanted = {database: "postgres", "default_target_schema": place.schema}
        return place.postgres.settings | wanted

    return config


def _read_postgres(place: Place) -> dict[str, Found]:
    assert place.postgres is not None
    return place.postgres.read(place.schema)


TARGETS = (
    Target(
        "target-jsonl",
        ("target-jsonl==0.1.4",),
        "target-jsonl",
        lambda place: {"destination_path": str(place.folder)},
        _read_jsonl,
    ),
    Target(
        "meltanolabs-target-csv",
        ("meltanolabs-target-csv==0.5.0",),
        "target-csv",
        lambda place: {"output_path": str(place.folder), "file_naming_scheme": NAMES},
        _read_csv,
    ),
    Target(
        "target-duckdb",
        ("target-duckdb==0.8.0", "duckdb==1.2.2"),
        "target-duckdb",
        _duckdb,
        _read_duckdb,
        upserts=True,
        maps=True,
    ),
    Target(
        "meltanolabs-target-postgres",
        ("meltanolabs-target-postgres==0.8.1",),
        "target-postgres",
        _postgres("database"),
        _read_postgres,
        upserts=True,
        postgres=True,
    ),
    Target(
        "pipelinewise-target-postgres",
        ("pipelinewise-target-postgres==2.1.2",),
        "target-postgres",
        _postgres("dbname"),
        _read_postgres,
        upserts=True,
        postgres=True,
        maps=True,
    ),
)
