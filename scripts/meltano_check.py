"""Runs the commands of docs/meltano.md with a real Meltano, and counts what arrived.

    python3 scripts/meltano_check.py

In a copy of the working tree, against a sandbox on a free port. Needs Python 3.11 or newer, and the
package index for Meltano and the loaders. Meltano goes into `build/meltano`. target-postgres is
tried where MELTANO_CHECK_POSTGRES is the URL of an empty database. Ends with 1 if anything is not
as expected.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("meltano==4.4.1", "uv")
POSTGRES = "MELTANO_CHECK_POSTGRES"
# Done here in another way: Meltano is kept in `build` from one check to the next.
SET_UP = (
    "python3 -m venv .venv-meltano",
    f".venv-meltano/bin/pip install {' '.join(PACKAGES)}",
    'export PATH="$PWD/.venv-meltano/bin:$PATH"',
)
INSTALL = "meltano install"
SANDBOX = "meltano invoke tap-inventory--base:sandbox --skus 500"
READ_AND_LEVELS = "meltano run read levels"
COUNT_LINES = "wc -l output/sandbox-tap_inventory/*.jsonl"
COUNT_LEVELS = (
    '.meltano/loaders/target-duckdb/venv/bin/python -c "import duckdb; stock = duckdb.connect('
    "'output/sandbox-stock.duckdb'); stock.sql('select location_id, count(*), sum(available) from "
    "tap_inventory__levels.inventory_levels group by 1 order by 1').show()\""
)
READ = "meltano run read"
PLAN = "meltano run plan"
WRITE_BACK = "meltano run write-back"
APPROVED = "meltano invoke target-inventory --input output/sandbox-plan.jsonl"
KEEP_UNDO = "cp output/sandbox-undo.jsonl output/back.jsonl"
UNDO = "meltano invoke target-inventory --input output/back.jsonl"
PERCENT = "TARGET_INVENTORY_RULES_PERCENT=33.3 meltano run plan"
SECOND = "meltano run second"
FILL_IN = "cp .env.example .env && chmod 600 .env"
TEST_PROD = "meltano --environment=prod invoke tap-inventory --test"
READ_PROD = "meltano --environment=prod run read"
LIST_TAP = "meltano --environment=prod config list --all tap-inventory"
LIST_TARGET = "meltano --environment=prod config list --all target-inventory"
STATES = "meltano state list"
INTO_POSTGRES = "meltano --environment=prod run tap-inventory target-postgres"
MOVE = (
    "curl -s http://127.0.0.1:8765/__sandbox/touch "
    """-d '{"stream": "shipstream_inventory_detailed", "count": 10}'"""
)
# What the document shows, line by line.
COMMANDS = (
    *(INSTALL, SANDBOX, READ_AND_LEVELS, COUNT_LINES, COUNT_LEVELS, READ, INTO_POSTGRES),
    *(MOVE, PLAN, WRITE_BACK, APPROVED, KEEP_UNDO, UNDO, PERCENT, SECOND, FILL_IN, TEST_PROD),
    *(READ_PROD, LIST_TAP, LIST_TARGET, STATES),
)

LEVELS = "inventory_levels"
# The stock moves in the warehouse, and a shop has it in its own hands, too.
WAREHOUSE, SHOP = "shipstream_inventory_detailed", "deconetwork_inventory"
MOVED = {WAREHOUSE: 5, SHOP: 3}
# Providers whose address is among the variables of `prod`: the others would be asked for real.
ADDRESSED = ("s2", "shipstream", "deconetwork")

VALID = """
import importlib.resources, json, jsonschema, pathlib, sys, yaml
schema = json.loads((importlib.resources.files("meltano") / "schemas/meltano.schema.json").read_text())
validator = jsonschema.validators.validator_for(schema)(schema)
errors = validator.iter_errors(yaml.safe_load(pathlib.Path("meltano.yml").read_text()))
sys.exit("\\n".join(error.message for error in errors))
"""  # noqa: E501 - a program on its own
COUNT_DUCKDB = """
import duckdb, json, sys
found = duckdb.connect("output/sandbox-stock.duckdb", read_only=True).execute(f"select count(*) from {sys.argv[1]}")
print(found.fetchone()[0])
"""  # noqa: E501 - a program on its own
COUNT_POSTGRES = """
import psycopg, sys
with psycopg.connect(sys.argv[1].replace("+psycopg", "")) as connection:
    print(connection.execute(f"select count(*) from {sys.argv[2]}").fetchone()[0])
"""


class Seen(NamedTuple):
    """One line of the table."""

    what: str
    expected: Any
    saw: Any

    @property
    def right(self) -> bool:
        """Whether it is as expected."""
        return bool(self.expected == self.saw)


class Project:
    """A copy of the working tree, in which commands are run as a newcomer would."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self._port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.table: list[Seen] = []
        self.output = ""
        copy_sources(folder)
        project = folder / "meltano.yml"
        text = project.read_text(encoding="utf-8")
        project.write_text(text.replace("SANDBOX_PORT: '8765'", f"SANDBOX_PORT: '{port}'"))

    def expect(self, what: str, expected: Any, saw: Any) -> None:
        """A line of the table, shown at once."""
        seen = Seen(what, expected, saw)
        self.table.append(seen)
        print(f"   {'ok   ' if seen.right else 'WRONG'} {what}: {saw}", end="", flush=True)
        print("" if seen.right else f", not {expected}", flush=True)

    def run(self, command: str, code: int = 0, **env: str) -> str:
        """A command as it stands in the document, to its end; what it said."""
        print(f"$ {command}", flush=True)
        begin = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", command.replace(":8765/", f":{self._port}/")],
            cwd=self.folder,
            env=environment() | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.output += done.stdout
        if done.returncode != code:
            print(done.stdout[-4000:])
        seconds = time.monotonic() - begin
        self.expect(
            f"{command.partition(' -c ')[0]} (in {seconds:.0f} s) ends with", code, done.returncode
        )
        return done.stdout

    def ask(self, plugin: str, program: str, *args: str) -> str:
        """What a program says that is run by the Python of a loader, or of Meltano."""
        home = self.folder / f".meltano/loaders/{plugin}/venv" if plugin else HOME
        done = subprocess.run(
            [home / "bin" / "python", "-c", program, *args],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    def lines(self) -> Counter[str]:
        """How many rows target-jsonl has got, by stream."""
        found: Counter[str] = Counter()
        for file in (self.folder / "output").glob("*-tap_inventory/*.jsonl"):
            stream = re.sub(r"-\d{8}T\d{6}$", "", file.stem)
            found[stream] += len(file.read_bytes().splitlines())
        return found

    def duckdb(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.ask("target-duckdb", COUNT_DUCKDB, table))

    def json(self, name: str) -> list[dict[str, Any]]:
        """The lines of a file in `output`."""
        text = (self.folder / "output" / f"sandbox-{name}").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def sandbox(self, route: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the sandbox, or change it."""
        data = None if body is None else json.dumps(body).encode()
        place = f"{self.url}/__sandbox/{route}"
        with urllib.request.urlopen(place, data=data, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def there(self, stream: str) -> int:
        """How many rows the sandbox has."""
        # Of snapshots one for each product: without a start, only yesterday is read.
        counted = stream.removesuffix("_snapshots")
        return int(self.sandbox(f"rows?stream={counted}")["count"])

    def shop(self) -> dict[str, int]:
        """The live levels of the shop."""
        rows = self.sandbox(f"rows?stream={SHOP}")["rows"]
        return {row["dn_sku_id"]: row["inv_lvl"] for row in rows}

    def due(self) -> dict[str, int]:
        """What the warehouse has of each tracked item of which the shop says something else."""
        stock = self.sandbox(f"rows?stream={WAREHOUSE}")["rows"]
        there = {row["sku"]: int(float(row["qty_available"])) for row in stock}
        return {
            row["dn_sku_id"]: there[row["sku"]]
            for row in self.sandbox(f"rows?stream={SHOP}")["rows"]
            if row["inv_on"] and there.get(row["sku"], row["inv_lvl"]) != row["inv_lvl"]
        }

    def secrets(self) -> list[str]:
        """The credentials of the sandbox."""
        words = ("password", "secret", "token")
        return [
            value
            for provider in self.sandbox("config").values()
            for name, value in provider.items()
            if any(word in name for word in words)
        ]


HOME = bootstrap.ROOT / "build" / "meltano"


def environment() -> dict[str, str]:
    """As a newcomer has it: Meltano in the path, no setting of anything."""
    example = (bootstrap.ROOT / ".env.example").read_text(encoding="utf-8")
    ours = set(re.findall(r"^#? ?(\w+)=", example, re.MULTILINE))
    foreign = ("MELTANO_", "TAP_", "TARGET_", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and name not in ours
    }
    return kept | {"PATH": f"{HOME / 'bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


def set_up() -> None:
    """Meltano in an environment of its own, once."""
    if not (HOME / "bin" / "meltano").exists():
        bootstrap.run(sys.executable, "-m", "venv", "--clear", HOME)
        bootstrap.run(HOME / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES)


def copy_sources(folder: Path) -> None:
    """What is in the checkout, and what is new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=bootstrap.ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, target = bootstrap.ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serving(project: Project) -> Iterator[None]:
    """The sandbox, started by Meltano, ended with the block."""
    print(f"$ {SANDBOX} &", flush=True)
    process = subprocess.Popen(
        SANDBOX.split(),
        cwd=project.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(project, process)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait_for(project: Project, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1500):
        with contextlib.suppress(urllib.error.URLError):
            project.sandbox("health")
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    sys.exit("the sandbox did not start")


def reading(project: Project) -> None:
    """Everything, then what has changed."""
    project.run(READ_AND_LEVELS)
    first = project.lines()
    for stream in sorted(first - Counter([LEVELS])):
        if stream != LEVELS:
            project.expect(
                f"rows of {stream} in target-jsonl", project.there(stream), first[stream]
            )
    from_warehouse = sum(row["provider"] == "shipstream" for row in _levels(project))
    project.expect(
        f"rows of {LEVELS} of ShipStream in target-duckdb, as many as in target-jsonl",
        from_warehouse,
        project.duckdb(f"tap_inventory__levels.{LEVELS}"),
    )
    project.run(COUNT_LINES)
    project.run(COUNT_LEVELS)
    for stream, count in MOVED.items():
        project.sandbox("touch", {"stream": stream, "count": count})
    project.run(READ)
    second = project.lines() - first
    for stream, count in MOVED.items():
        project.expect(
            f"rows of {stream} in the second run, as many as moved", count, second[stream]
        )


def _levels(project: Project) -> Iterator[dict[str, Any]]:
    for file in (project.folder / "output" / "sandbox-tap_inventory").glob(f"{LEVELS}-*.jsonl"):
        yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


def second_account(project: Project) -> None:
    """Its rows are beside those of the first."""
    project.run(SECOND)
    project.expect(
        "rows of the second account in target-duckdb",
        project.there(SHOP),
        project.duckdb(f"tap_inventory__second.{LEVELS} where account = 'second shop'"),
    )


def publishing(project: Project) -> None:
    """Plan, write-back, and both ways once more by file."""
    project.run(MOVE)
    before, due = project.shop(), project.due()
    project.run(PLAN)
    page = (project.folder / "output" / "sandbox-plan.html").read_text(encoding="utf-8")
    project.expect("changes on the page of the plan", len(due), page.count('<td class="risk">'))
    planned = {line["key"]["dn_sku_id"]: line["after"] for line in project.json("plan.jsonl")}
    project.expect("what differs is planned, and nothing else", expected=True, saw=planned == due)
    project.expect("there is more than one change", expected=True, saw=len(planned) > 1)
    project.expect("levels that the plan has written", 0, _differing(before, project.shop()))
    project.run(WRITE_BACK)
    after = before | planned
    project.expect(
        f"levels that are not as planned ({len(planned)} were)",
        0,
        _differing(after, project.shop()),
    )
    project.expect("written, by the report", len(planned), _report(project, "written"))
    project.run(WRITE_BACK)
    project.expect("written by the second write-back", 0, _report(project, "written"))
    project.run(KEEP_UNDO)
    project.run(UNDO)
    # What cannot be written is not in the way back.
    below = sum(before[key] < 0 for key in planned)
    project.expect("lines of the way back", len(planned) - below, _report(project, "read"))
    project.expect(
        "levels that are not as before: those that were below 0",
        below,
        _differing(before, project.shop()),
    )
    project.run(APPROVED)
    project.expect("levels that are not as approved", 0, _differing(after, project.shop()))


def _differing(some: dict[str, int], others: dict[str, int]) -> int:
    return sum(some[key] != others[key] for key in some | others)


def _report(project: Project, outcome: str) -> Any:
    return project.json("report.json")[0][outcome]


def fractions(project: Project) -> None:
    """A number with a fraction, from the environment to the target."""
    project.run(PERCENT)
    lines = project.json("plan.jsonl")
    wrong = [line for line in lines if line["after"] != line["from"]["available"] * 333 // 1000]
    project.expect(f"levels that are not 33.3 percent ({len(lines)} are planned)", 0, len(wrong))
    project.expect("there are more than 100", expected=True, saw=len(lines) > 100)


def failing(project: Project) -> None:
    """A provider that refuses the password makes the run fail."""
    table = f"tap_inventory__levels.{LEVELS}"
    before = project.duckdb(table)
    project.sandbox("switches", {"shipstream.bad_auth": "401"})
    said = project.run(LEVELS_ALONE, code=1)
    project.sandbox("switches", {"shipstream.bad_auth": "none"})
    project.expect("the log says why", expected=True, saw="tap-inventory: shipstream" in said)
    project.expect("rows that came or went", 0, project.duckdb(table) - before)


# Not in the document: it is there to fail.
LEVELS_ALONE = "meltano run levels"


def production(project: Project) -> None:
    """Accounts from `.env`; a provider without any is off; state in a place of one's own."""
    project.expect(
        "states that are kept", ["levels", "read", "second", "write-back"], _states(project)
    )
    project.run(FILL_IN)
    fill_in(project)
    project.run(TEST_PROD)
    first = project.lines()
    project.run(READ_PROD)
    new = project.lines() - first
    providers = {
        name for name in project.sandbox("config") for stream in new if stream.startswith(name)
    }
    project.expect("providers that prod has read", sorted(ADDRESSED), sorted(providers))
    kept = [file.read_text() for file in (project.folder / "state").rglob("state.json")]
    project.expect("states in the folder of one's own", 1, len(kept))
    said = project.run(LIST_TAP) + project.run(LIST_TARGET)
    project.expect("secrets are shown as (redacted)", expected=True, saw="(redacted)" in said)


PIPELINES = {
    "tap-inventory-to-target-jsonl": "read",
    "tap-inventory--levels-to-target-duckdb": "levels",
    "tap-inventory--second-to-target-duckdb": "second",
    "tap-inventory--levels-to-target-inventory": "write-back",
}


def _states(project: Project) -> list[str]:
    said = project.run(STATES)
    found = re.findall(r"^sandbox:(\S+)", said, re.MULTILINE)
    return sorted(PIPELINES.get(name, name) for name in found)


def fill_in(project: Project) -> None:
    """The variables of `.env`, as far as the sandbox has an account for them."""
    file = project.folder / ".env"
    text = file.read_text(encoding="utf-8")
    for provider in ADDRESSED:
        for name, value in project.sandbox("config")[provider].items():
            variable = f"{provider}_{name}".upper()
            text = text.replace(f"\n{variable}=\n", f"\n{variable}='{value}'\n")
    place = project.folder / "state"
    place.mkdir()
    file.write_text(f"{text}MELTANO_STATE_BACKEND_URI=file://{place}\n", encoding="utf-8")


def postgres(project: Project) -> None:
    """The same into PostgreSQL, where there is one."""
    url = os.environ.get(POSTGRES)
    if url is None:
        print(f"$ {INTO_POSTGRES}\n   skipped: {POSTGRES} names no database", flush=True)
        return
    project.run(INTO_POSTGRES, POSTGRES_URL=url)
    found = project.ask("target-postgres", COUNT_POSTGRES, url, f"tap_inventory.{SHOP}")
    project.expect(f"rows of {SHOP} in target-postgres", str(project.there(SHOP)), found)


def story(project: Project) -> None:
    """The whole of it, in the order in which one step serves the next."""
    project.expect("what Meltano's schema finds in meltano.yml", "", project.ask("", VALID))
    project.run(INSTALL)
    with serving(project):
        reading(project)
        second_account(project)
        publishing(project)
        fractions(project)
        failing(project)
        production(project)
        postgres(project)
        shown = [secret for secret in project.secrets() if secret in project.output]
        project.expect("secrets in all that was said", 0, len(shown))


def main() -> int:
    """Set up, run, and print the table."""
    begin = time.monotonic()
    print("-- build/meltano ...", flush=True)
    set_up()
    with tempfile.TemporaryDirectory(prefix="meltano-check-") as name:
        project = Project(Path(name), free_port())
        story(project)
    used = os.times()
    wrong = [seen for seen in project.table if not seen.right]
    print(f"\n| {'what':<80} | expected | saw |\n|---|---|---|")
    for seen in project.table:
        verdict = "" if seen.right else " WRONG"
        print(f"| {seen.what:<80} | {seen.expected} | {seen.saw}{verdict} |")
    cpu = used.children_user + used.children_system
    print(
        f"{len(project.table) - len(wrong)} of {len(project.table)} as expected, in "
        f"{time.monotonic() - begin:.0f} s, {cpu:.0f} s of CPU"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    # It has no options; whoever asks for help shall not wait for minutes.
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
