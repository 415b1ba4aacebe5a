"""Runs the DAGs in a real Airflow against the sandbox, and says what came of it.

    python3 scripts/airflow_check.py

Airflow, the plugins and a loader each get a virtual environment below `build/`; all else is in a
temporary folder and on 127.0.0.1. Takes about five minutes, most of it for Airflow's own starts.
Needs Python 3.11 or newer and a package index. Ends with 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUILD = bootstrap.ROOT / "build"
AIRFLOW, LOADER = "apache-airflow==3.3.2", ("target-jsonl==0.1.4", "setuptools<80")
PULL, ROUTE = "inventory_pull", "warehouse_to_shop"
BACK = f"inventory_write_back_{ROUTE}"
WAREHOUSE, SHOP = "shipstream_inventory_detailed", "deconetwork_inventory"
PROVIDERS = {
    "planning": "sostocked",
    "stock": "s2",
    "warehouse": "shipstream",
    "shop": "deconetwork",
    "fba": "amazon_fba",
}
SKUS, MOVED, WITHIN = 60, 5, 180
LOADER_SECRET = "what-the-loader-should-not-say"  # noqa: S105 - made up, to be searched for
SECRET_KEYS = ("password", "token", "secret")


class Check:
    """What was seen, row by row, and whether it was as it should be."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, bool]] = []
        self._begin = time.monotonic()

    def saw(self, step: str, what: str, seen: Any, *, good: bool) -> None:
        """Note it, and show it at once."""
        self._rows.append((step, what, str(seen), good))
        mark = "" if good else "   <- NOT SO"
        print(f"  {time.monotonic() - self._begin:5.0f} s  {what}: {seen}{mark}", flush=True)

    def is_so(self, step: str, what: str, *, good: bool) -> None:
        """Note whether something holds."""
        self.saw(step, what, "yes" if good else "no", good=good)

    def same(self, step: str, what: str, seen: Any, wanted: Any) -> None:
        """Note what was seen; it is good if it is what was wanted."""
        text = seen if seen == wanted else f"{seen} (wanted: {wanted})"
        self.saw(step, what, text, good=seen == wanted)

    def table(self) -> int:
        """Print everything as a table; the exit code."""
        rows = [
            (step, what, seen, "yes" if good else "NO") for step, what, seen, good in self._rows
        ]
        rows = [("run", "promise", "seen", "so"), *rows]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("| " + " | ".join(cells) + " |")
        bad = sum(not good for *_, good in self._rows)
        seconds = time.monotonic() - self._begin
        print(f"{len(self._rows) - bad} of {len(self._rows)} as they should be, {seconds:.0f} s")
        return 1 if bad else 0


class Sandbox:
    """The five providers, as seen from another process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.config: dict[str, Any] = self.ask("config")

    def ask(self, route: str, body: Any = None) -> Any:
        """One of the sandbox's own routes."""
        return call(f"{self._url}/__sandbox/{route}", body)

    def move(self, stream: str) -> set[str]:
        """MOVED rows of a stream change; the first part of their keys."""
        keys = self.ask("touch", {"stream": stream, "count": MOVED})["keys"]
        return {key[0] if isinstance(key, list) else key for key in keys}

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """What a stream has to deliver."""
        found: list[dict[str, Any]] = self.ask(f"rows?stream={stream}")["rows"]
        return found

    def levels(self) -> dict[str, int]:
        """What the shop says it has."""
        return {row["dn_sku_id"]: row["inv_lvl"] for row in self.rows(SHOP)}

    def secrets(self) -> set[str]:
        """Everything that no one may see."""
        return {
            value
            for settings in self.config.values()
            for key, value in settings.items()
            if any(word in key for word in SECRET_KEYS)
        }


def call(url: str, body: Any = None, *, token: str = "", method: str | None = None) -> Any:
    """JSON in, JSON out."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def until(what: str, look: Callable[[], Any]) -> Any:
    """Look once a second until there is something."""
    for _ in range(WITHIN):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, KeyError):
            if found := look():
                return found
        time.sleep(1)
    raise TimeoutError(f"waited {WITHIN} s for {what}")


class Airflow:
    """An Airflow of its own: a folder, a database, and its commands."""

    def __init__(self, folder: Path, commands: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.home, self.state, self.out = folder / "airflow", folder / "state", folder / "out"
        self.temporary, self._bin = folder / "tmp", folder / "bin"
        for each in (self.home, self.temporary, self._bin):
            each.mkdir()
        for name in ("tap-inventory", "target-inventory"):
            (self._bin / name).symlink_to(commands / name)
        (self._bin / "target-jsonl").symlink_to(BUILD / "target-jsonl" / "bin" / "target-jsonl")
        (folder / "accounts.json").write_text(json.dumps(self._accounts()))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.env = self._environment()
        self.said = folder / "said.txt"

    @staticmethod
    def _accounts() -> dict[str, Any]:
        names = [{"name": name, "provider": of, "settings": {}} for name, of in PROVIDERS.items()]
        # No overlap: a row that comes twice would look like one that was not kept.
        names[list(PROVIDERS).index("warehouse")]["settings"] = {"lookback_seconds": 0}
        settings = {"leave_out": ["unmapped", "untracked"]}
        route = {"name": ROUTE, "from": "warehouse", "to": "shop", "settings": settings}
        return {"loader": "target-jsonl", "accounts": names, "write_back": [route]}

    def _environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._port}"
        ours = ("AIRFLOW", "TAP_", "TARGET_", "INVENTORY_", "PYTHON", "VIRTUAL_ENV", "LOGLEVEL")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        return kept | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(bootstrap.ROOT / "orchestrate" / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "INVENTORY_ACCOUNTS": str(self.folder / "accounts.json"),
            "INVENTORY_STATE_DIR": str(self.state),
            "INVENTORY_COMMANDS": str(self._bin),
            "LOGLEVEL": "DEBUG",
            "TMPDIR": str(self.temporary),
            "PYTHONPYCACHEPREFIX": str(BUILD / "airflow" / "bytecode"),
        }

    def run(self, *arguments: str, **env: str) -> int:
        """One `airflow` command to its end; its code. What it says is kept, not shown."""
        # At DEBUG `airflow dags test` shows even what it is asked to hide.
        env = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO", **env}
        with self.said.open("ab") as said:
            return subprocess.run(
                [BUILD / "airflow" / "bin" / "airflow", *arguments],
                env=self.env | env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
                timeout=600,
            ).returncode

    def set_up(self) -> None:
        """The database, and the connections in it; the file they came from is gone again."""
        if self.run("db", "migrate"):
            raise RuntimeError("airflow db migrate failed")
        extras = {f"inventory_{name}": self.sandbox.config[of] for name, of in PROVIDERS.items()}
        extras["inventory_loader"] = {
            "destination_path": str(self.out / "{account}"),
            "do_timestamp_file": False,
            "password": LOADER_SECRET,
        }
        file = self.folder / "connections.json"
        connections = {
            name: {"conn_type": "generic", "extra": json.dumps(extra)}
            for name, extra in extras.items()
        }
        file.write_text(json.dumps(connections))
        if self.run("connections", "import", str(file)):
            raise RuntimeError("airflow connections import failed")
        file.unlink()

    def make_pools(self) -> None:
        """One for each account, by the command of docs/airflow.md."""
        page = (bootstrap.ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")
        (block,) = re.findall(r"```sh\n(for name in .*?)```", page, re.DOTALL)
        head, _, loop = block.partition(";")
        command = f"{head.partition(' in ')[0]} in {' '.join(PROVIDERS)};{loop}"
        path = f"{BUILD / 'airflow' / 'bin'}:{self.env['PATH']}"
        with self.said.open("ab") as said:
            subprocess.run(
                ["bash", "-ec", command],
                env=self.env | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=True,
                timeout=300,
            )

    def states(self) -> dict[str, str]:
        """The state of each account that has one."""
        found = self.state.glob("accounts/*/state.json")
        return {path.parent.name: path.read_text() for path in found}

    def taken(self) -> dict[str, dict[str, int]]:
        """What was loaded since the last look: rows by stream, by account."""
        rows: dict[str, dict[str, int]] = {}
        for file in sorted(self.out.glob("*/*.jsonl")):
            with file.open("rb") as lines:
                rows.setdefault(file.parent.name, {})[file.stem] = sum(1 for _ in lines)
        shutil.rmtree(self.out, ignore_errors=True)
        return rows

    def fail_once(self, command: str, code: int) -> None:
        """The next start of a command ends with a code; those after it are as they were."""
        mark = self.folder / f"{command}.failed"
        self._before(command, f'mkdir "{mark}" 2>/dev/null && exit {code}')

    def talk(self, command: str) -> None:
        """From now on a command says its configuration, as some loaders do."""
        self._before(command, 'cat "$2" >&2')

    def _before(self, command: str, line: str) -> None:
        link = self._bin / command
        real = link.resolve()
        link.unlink()
        link.write_text(f'#!/bin/sh\n{line}\nexec "{real}" "$@"\n')
        link.chmod(0o700)

    @contextlib.contextmanager
    def running(self) -> Iterator[Api]:
        """Scheduler, DAG processor and API server, no triggerer; gone when the block ends."""
        with contextlib.ExitStack() as stack, self.said.open("ab") as said:
            for part in ("api-server", "scheduler", "dag-processor"):
                process = subprocess.Popen(
                    [BUILD / "airflow" / "bin" / "airflow", part],
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
                stack.callback(end, process)
            yield Api(f"http://127.0.0.1:{self._port}", self.said)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)


class Api:
    """Airflow's public API, as its pages use it."""

    def __init__(self, url: str, said: Path) -> None:
        self._url, self._said = url, said
        found = until("the API server", lambda: call(f"{url}/auth/token"))
        self._token = found["access_token"]

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """One request."""
        return call(f"{self._url}/api/v2/{path}", body, token=self._token, method=method)

    def prepare(self) -> None:
        """The DAGs are known and not paused."""
        for dag in (PULL, BACK):
            until(dag, partial(self.ask, f"dags/{dag}"))
            self.ask(f"dags/{dag}", {"is_paused": False}, "PATCH")

    def trigger(self, dag: str) -> str:
        """Start a run; where to find it."""
        run = self.ask(f"dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
        return f"dags/{dag}/dagRuns/{quote(run, safe='')}"

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """The tasks of a run, by name."""
        found = self.ask(f"{run}/taskInstances")["task_instances"]
        return {one["task_id"]: one for one in found}

    def ended(self, run: str) -> str:
        """Wait for the end of a run; its state."""
        state: str = until(
            f"the end of {run}",
            lambda: (now := self.ask(run)["state"]) in {"success", "failed"} and now,
        )
        return state

    def asked(self, run: str) -> dict[str, Any]:
        """Wait until a run asks for approval; what it shows."""
        until("a question", lambda: self.tasks(run)["approve"]["state"] == "awaiting_input")
        # Airflow 3.3.2 fails a task that is answered before its scheduler has seen it put away.
        wanted = rf"task_id=approve, run_id={re.escape(unquote(run.rpartition('/')[2]))},.*_input"
        until("the scheduler", lambda: re.search(wanted, self._said.read_text(errors="replace")))
        found: dict[str, Any] = self.ask(f"{run}/taskInstances/approve/-1/hitlDetails")
        return found

    def answer(self, run: str, option: str) -> None:
        """What a person would click."""
        path = f"{run}/taskInstances/approve/-1/hitlDetails"
        self.ask(path, {"chosen_options": [option], "params_input": {}}, "PATCH")


def pulls(airflow: Airflow, check: Check) -> None:
    """Three runs of `inventory_pull`: all well, one refused, and on from where each of them was."""
    sandbox, step = airflow.sandbox, "1 pull, all well"
    code = airflow.run("dags", "test", PULL)
    check.same(step, "`airflow dags test` ends with", code, 0)
    rows, first = airflow.taken(), airflow.states()
    check.same(step, "accounts with a state", sorted(first), sorted(PROVIDERS))
    for account, streams in rows.items():
        mine = {name: count for name, count in streams.items() if name != "inventory_levels"}
        there = {name: len(sandbox.rows(name)) for name in mine}
        check.same(step, f"rows of {account}", mine, there)
    levels = {account: found.get("inventory_levels", 0) for account, found in rows.items()}
    check.saw(step, "inventory_levels", levels, good=all(levels.values()))

    step = "2 pull, shop refuses"
    sandbox.move(WAREHOUSE)
    sandbox.move(SHOP)
    sandbox.ask("switches", {"deconetwork.auth": "30001"})
    before = airflow.said.stat().st_size
    code = airflow.run("dags", "test", PULL)
    check.same(step, "`airflow dags test` ends with", code, 1)
    said = airflow.said.read_bytes()[before:].decode("utf-8", "replace")
    why = re.findall(r"tap-inventory ended with 3: [^\n:]*", said)
    check.saw(step, "it says", why[:1], good=bool(why))
    tries = said.count("[DAG TEST] starting task_id=pull_shop")
    check.same(step, "tries of shop", tries, 1)
    rows, second = airflow.taken(), airflow.states()
    check.is_so(step, "state of shop is as it was", good=second["shop"] == first["shop"])
    moved = {name for name, state in second.items() if state != first[name]}
    check.saw(step, "states that moved on", sorted(moved), good="warehouse" in moved)
    check.same(step, "rows of warehouse", rows["warehouse"].get(WAREHOUSE), MOVED)
    check.same(step, "rows of shop", rows.get("shop", {}), {})

    step = "3 pull, well again"
    sandbox.ask("switches", {"deconetwork.auth": "ok"})
    # The same folder by a URL: the way of an object store.
    code = airflow.run("dags", "test", PULL, INVENTORY_STATE_DIR=airflow.state.as_uri())
    check.same(step, "`airflow dags test` ends with", code, 0)
    rows, third = airflow.taken(), airflow.states()
    check.same(step, "rows of shop", rows["shop"].get(SHOP), MOVED)
    check.same(step, "rows of warehouse", rows.get("warehouse", {}).get(WAREHOUSE, 0), 0)
    check.is_so(step, "state of shop moved on", good=third["shop"] != second["shop"])


def write_back(airflow: Airflow, api: Api, check: Check) -> None:
    """Two runs of the route's DAG, the first refused, and a pull beside the second."""
    sandbox, step = airflow.sandbox, "4 write-back, refused"
    check.same(step, "import errors", api.ask("importErrors")["total_entries"], 0)
    sandbox.move(WAREHOUSE)
    levels, state = sandbox.levels(), airflow.state / "routes" / ROUTE / "state.json"
    run = api.trigger(BACK)
    question = api.asked(run)
    rows = question["body"].count("| inv_lvl |")
    check.saw(step, "changes on the page", rows, good=rows > 0)
    api.answer(run, "Reject")
    check.same(step, "the run ends as", api.ended(run), "success")
    apply = api.tasks(run)["apply"]["state"]
    check.same(step, "apply is", apply, "skipped")
    check.same(step, "levels that changed", differing(levels, sandbox.levels()), 0)
    check.is_so(step, "the route has no state yet", good=not state.exists())

    step = "5 write-back, approved"
    airflow.fail_once("tap-inventory", 5)
    run = api.trigger(BACK)
    beside = api.trigger(PULL)
    again = api.asked(run)["body"].count("| inv_lvl |")
    check.same(step, "changes on the page", again, rows)
    check.same(
        step, "levels that changed before the answer", differing(levels, sandbox.levels()), 0
    )
    api.answer(run, "Approve")
    check.same(step, "the run ends as", api.ended(run), "success")
    now = sandbox.levels()
    check.same(step, "levels that changed", differing(levels, now), rows)
    (undo,) = airflow.state.glob(f"routes/{ROUTE}/*/undo.jsonl")
    plan = planned(undo.with_name("plan.jsonl"))
    check.is_so(step, "they are those of the plan", good=plan == {key: now[key] for key in plan})
    check.is_so(step, "the route has a state", good=state.exists())
    back = planned(undo)
    check.is_so(step, "the way back leads back", good=back == {key: levels[key] for key in plan})
    check.same(step, "the pull beside it ends as", api.ended(beside), "success")
    tasks = [*api.tasks(run).values(), *api.tasks(beside).values()]
    tries = sorted(one["try_number"] for one in tasks)
    check.same(step, "tasks tried twice, for exit code 5 once", tries.count(2), 1)
    check.same(step, "tasks that held one pool at once", overlaps(tasks), 0)

    step = "6 write-back, nothing new"
    run = api.trigger(BACK)
    check.same(step, "the run ends as", api.ended(run), "success")
    states = {name: one["state"] for name, one in api.tasks(run).items()}
    wanted = {"read": "success", "plan": "skipped", "approve": "skipped", "apply": "skipped"}
    check.same(step, "tasks", dict(sorted(states.items())), dict(sorted(wanted.items())))


def differing(one: dict[str, int], other: dict[str, int]) -> int:
    """How many levels are not the same."""
    return sum(other[key] != level for key, level in one.items())


def planned(file: Path) -> dict[str, int]:
    """The level that each item shall have by a plan."""
    rows = map(json.loads, file.read_bytes().splitlines())
    return {row["key"]["dn_sku_id"]: row["after"] for row in rows}


def overlaps(tasks: list[dict[str, Any]]) -> int:
    """How often two tasks with one and the same pool of an account ran at once."""
    held = sorted(
        (one["pool"], one["start_date"], one["end_date"])
        for one in tasks
        if one["pool"] != "default_pool" and one["start_date"]
    )
    pairs = itertools.pairwise(held)
    return sum(a[0] == b[0] and b[1] < a[2] for a, b in pairs)


def forms(secret: str) -> set[bytes]:
    """A secret as it could turn up in a file."""
    escaped = json.dumps(secret)[1:-1]
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), escaped}
    plain |= {json.dumps(escaped)[1:-1], escaped.replace("/", "\\/")}
    encoded = base64.b64encode(secret.encode())[:-4]
    return {text.encode() for text in plain} | {encoded}


def hits(folder: Path, secrets: set[str]) -> list[str]:
    """The files below a folder in which a secret stands."""
    wanted = [form for secret in secrets for form in forms(secret)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if any(form in content for content in [path.read_bytes()] for form in wanted)
    ]


def leaks(airflow: Airflow, check: Check) -> None:
    """Nothing of what Airflow or the commands have left behind has a secret in it."""
    step, secrets = "7 secrets", {*airflow.sandbox.secrets(), LOADER_SECRET}
    planted = airflow.folder / "planted"
    planted.mkdir()
    (planted / "config").write_text(json.dumps(sorted(secrets)))
    check.same(step, "the search finds a planted one", hits(planted, secrets), ["config"])
    shutil.rmtree(planted)
    files = [path for path in airflow.folder.rglob("*") if path.is_file()]
    logs = [path for path in files if airflow.home / "logs" in path.parents]
    size = sum(path.stat().st_size for path in files)
    hidden = sum(b'"password": "***"' in path.read_bytes().replace(b"\\", b"") for path in logs)
    check.saw(step, "logs in which a loader's is hidden", hidden, good=hidden > 0)
    check.saw(step, "files searched", f"{len(files)}, {size:,} bytes", good=len(logs) > 10)
    check.is_so(step, "the database is among them", good=(airflow.home / "airflow.db") in files)
    check.same(step, f"files with one of {len(secrets)}", hits(airflow.folder, secrets), [])
    left = [path.name for path in airflow.temporary.glob("inventory-*")]
    check.same(step, "temporary files left", left, [])


def installed() -> Path:
    """Three environments that know nothing of each other; the folder of our commands."""
    commands = bootstrap.environment(BUILD / "demo")
    uv = BUILD / "demo-uv" / "bin" / "uv"
    for name, wanted in {"airflow": (AIRFLOW,), "target-jsonl": LOADER}.items():
        python = BUILD / name / "bin" / "python"
        if not python.exists():
            bootstrap.run(uv, "venv", "--quiet", "--python", sys.executable, BUILD / name)
        bootstrap.run(uv, "pip", "install", "--quiet", "--python", python, *wanted)
    return commands


@contextlib.contextmanager
def sandbox_of(commands: Path) -> Iterator[Sandbox]:
    """The sandbox on a free port, ended when the block ends."""
    command = [str(commands / "inventory-sandbox"), "--port", "0", "--skus", str(SKUS)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        if found is None:
            sys.exit("the sandbox did not start")
        yield Sandbox(found[0])
    finally:
        process.terminate()
        process.wait(10)


def stopped(*_: object) -> None:
    """End as a shell would say it."""
    sys.exit(128 + signal.SIGTERM)


def main() -> int:
    """Install, run, show; 0 when everything was as it should be."""
    # As an exception, so that nothing that was started is left running.
    signal.signal(signal.SIGTERM, stopped)
    print(f"Setting up {AIRFLOW}, the plugins and a loader in build/ ...", flush=True)
    commands, check = installed(), Check()
    with tempfile.TemporaryDirectory(prefix="airflow-check-") as name, sandbox_of(commands) as room:
        airflow = Airflow(Path(name), commands, room)
        try:
            airflow.set_up()
            airflow.talk("target-jsonl")
            pulls(airflow, check)
            airflow.make_pools()
            with airflow.running() as api:
                api.prepare()
                write_back(airflow, api, check)
            leaks(airflow, check)
        except (OSError, LookupError, RuntimeError, subprocess.SubprocessError) as error:
            check.saw("-", "it came to its end", repr(error), good=False)
            print(airflow.said.read_text(errors="replace")[-6000:], file=sys.stderr)
    return check.table()


if __name__ == "__main__":
    # It has no options; whoever asks for help shall not wait for minutes.
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    sys.exit(main())
