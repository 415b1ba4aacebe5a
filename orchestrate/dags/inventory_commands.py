"""Starts the commands, with secrets in files that live no longer than the commands do.

Nothing of Airflow and nothing of the plugins is imported, so the environment of Airflow and that
of the plugins stay apart.
"""  # noqa: INP001 - a folder of DAGs is no package

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from inventory_accounts import SECRETIVE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

TAP, TARGET = "tap-inventory", "target-inventory"
LEVELS = "inventory_levels"
UNAVAILABLE = 5
MEANINGS = {
    1: "unexpected: a defect of ours",
    2: "wrong configuration, state, catalog or input",
    3: "sign-in refused: look at the account's connection",
    4: "a provider's answer is not as documented",
    UNAVAILABLE: "provider unavailable; safe to run again",
    6: "a guard stopped the run; nothing written",
    7: "done, with more records rejected than max_rejected; they are in the dead-letter file",
    8: "the outcome of at least one write is unknown; look at the levels it names",
    9: "another run holds the journal",
    10: "output, journal or another file cannot be written",
    130: "stopped by SIGINT",
    143: "stopped by SIGTERM",
}
NOT_FOUND = 127
# How a writer ends whose reader has gone: ours, and one that SIGPIPE has ended.
LEFT_BY_ITS_READER = (10, 141)
ROWS_SHOWN, REASONS_SHOWN, WIDTH = 100, 20, 80


class CommandFailed(Exception):
    """A command ended with another code than 0; the text says which, and what it means."""

    def __init__(self, name: str, code: int) -> None:
        meaning = MEANINGS.get(code) if name in {TAP, TARGET} else None
        if code == NOT_FOUND:
            meaning = "it is not installed here; see INVENTORY_COMMANDS"
        super().__init__(f"{name} ended with {code}" + (f": {meaning}" if meaning else ""))
        self.code = code


class Commands:
    """The commands of one task, as a context manager: afterwards no file of theirs is left.

    `folder` is where they are installed; without it they are looked for on the PATH. What they
    say on standard error goes to `say`, line by line, and without the secrets of `file`.
    """

    def __init__(self, say: Callable[[str], Any], folder: str | None = None) -> None:
        self._say = say
        self._installed = folder
        self._temporary = tempfile.TemporaryDirectory(prefix="inventory-")
        self._running: list[tuple[str, subprocess.Popen[str], threading.Thread]] = []
        self._secrets: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.ended()
        self._temporary.cleanup()

    def stop(self) -> None:
        """Ask those that still run to end; they finish what may not be cut."""
        for _, process, _ in self._running:
            with suppress(ProcessLookupError):
                process.terminate()

    def file(self, name: str, content: Any) -> str:
        """A JSON file that only this user can read; its path."""
        self._secrets.update(secrets(content))
        path = Path(self._temporary.name) / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - has its mode from the start
            json.dump(content, file)
        return str(path)

    def start(
        self, name: str, *arguments: str, stdin: Any = subprocess.DEVNULL, stdout: Any
    ) -> subprocess.Popen[str]:
        """Start a command in the temporary folder, without Airflow's own variables."""
        program = name if self._installed is None else str(Path(self._installed) / name)
        try:
            process = subprocess.Popen(  # noqa: S603 - a list, no shell
                [program, *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                cwd=self._temporary.name,
                env={key: text for key, text in os.environ.items() if "AIRFLOW" not in key},
            )
        except FileNotFoundError:
            raise CommandFailed(name, NOT_FOUND) from None
        thread = threading.Thread(target=self._relay, args=(process.stderr,), daemon=True)
        thread.start()
        self._running.append((name, process, thread))
        return process

    def ended(self) -> list[tuple[str, int]]:
        """Wait for all; the name and the exit code of each, in the order of their start."""
        ends = []
        for name, process, thread in self._running:
            code = process.wait()
            thread.join()
            ends.append((name, 128 - code if code < 0 else code))
        self._running.clear()
        return ends

    def run(self, name: str, *arguments: str, stdout: Any = subprocess.DEVNULL) -> None:
        """One command to its end.

        Raises:
            CommandFailed: it did not end with 0.
        """
        self.start(name, *arguments, stdout=stdout)
        _check(*self.ended())

    def _relay(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._say(self._hidden(line.rstrip("\n")))

    def _hidden(self, line: str) -> str:
        # Airflow hides secrets in its log files, and not in what its processes print.
        for secret in sorted(self._secrets, key=len, reverse=True):
            line = line.replace(secret, "***")
        return line


def secrets(config: Any) -> Iterator[str]:
    """The texts in a configuration whose names speak of a secret, and what JSON makes of them."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from secrets(value)
            if value and isinstance(value, str) and any(word in name for word in SECRETIVE):
                yield from (value, json.dumps(value)[1:-1])


def _check(*ends: tuple[str, int]) -> None:
    for name, code in ends:
        if code:
            raise CommandFailed(name, code)


def catalog(commands: Commands, config: str, streams: Iterable[str]) -> str:
    """A catalog with only these streams; its path."""
    found = Path(commands.file("discovered.json", None))
    with found.open("w", encoding="utf-8") as file:
        commands.run(TAP, "--config", config, "--discover", stdout=file)
    wanted = set(streams)
    everything = json.loads(found.read_text(encoding="utf-8"))["streams"]
    return commands.file(
        "catalog.json", {"streams": [one for one in everything if one["tap_stream_id"] in wanted]}
    )


def tap_arguments(
    commands: Commands, config: Any, streams: Iterable[str], state: str | None
) -> list[str]:
    """How to start `tap-inventory`: for all streams, and all rows, where none are given."""
    path = commands.file("tap.json", config)
    arguments = ["--config", path]
    if streams:
        arguments += ["--catalog", catalog(commands, path, streams)]
    if state:
        # As it is: what is wrong with it is the tap's to say, and its exit code.
        kept = Path(commands.file("state.json", None))
        kept.write_text(state, encoding="utf-8")
        arguments += ["--state", str(kept)]
    return arguments


def pull(commands: Commands, arguments: list[str], loader: str, config: Any) -> str | None:
    """`tap-inventory | loader`; the last STATE that the loader passed on, None without any.

    Raises:
        CommandFailed: one of the two failed; of the tap, unless only its reader had gone.
    """
    tap = commands.start(TAP, *arguments, stdout=subprocess.PIPE)
    sink = commands.start(
        loader,
        "--config",
        commands.file("loader.json", config),
        stdin=tap.stdout,
        stdout=subprocess.PIPE,
    )
    assert tap.stdout is not None
    assert sink.stdout is not None
    # The loader alone holds this end, so that the tap notices when it leaves.
    tap.stdout.close()
    with sink.stdout:
        last = _last(sink.stdout)
    first, second = commands.ended()
    if first[1] in LEFT_BY_ITS_READER:
        _check(second)
    _check(first, second)
    return last


def _last(lines: Iterable[str]) -> str | None:
    last = None
    for line in lines:
        last = line if line.strip() else last
    return last


def states(messages: Path) -> Iterator[str]:
    """The values of the STATE messages in a file, as JSON."""
    with messages.open(encoding="utf-8") as lines:
        for line in lines:
            if '"STATE"' in line and (message := json.loads(line))["type"] == "STATE":
                yield json.dumps(message["value"])


def keep(path: Path, content: str) -> None:
    """Replace a file as a whole, or make it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(content, encoding="utf-8")
    new.replace(path)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def page(plan: Path, report: Mapping[str, Any]) -> str:
    """What is to be approved, as Markdown: ROWS_SHOWN changes at most, and what was not taken."""
    rows = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    lines = [f"**{len(rows)} changes**", "", *_table(rows[:ROWS_SHOWN])]
    if len(rows) > ROWS_SHOWN:
        lines += ["", f"... and {len(rows) - ROWS_SHOWN} more."]
    if reasons := report.get("rejected_by_reason"):
        lines += ["", "Rejected, and not written:", ""]
        shown = islice(reasons.items(), REASONS_SHOWN)
        lines += [f"- {count}: {_cell(reason)}" for reason, count in shown]
    if left_out := report.get("left_out"):
        lines += ["", f"Levels left out, and not compared: {left_out}"]
    return "\n".join([*lines, "", f"The whole plan: `{plan.with_suffix('.html')}`"])


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| item | SKU | field | before | after |"
    yield "|---|---|---|---|---|"
    for row in rows:
        item = " ".join(map(str, row["key"].values()))
        cells = (item, row.get("from", {}).get("sku"), row["field"], row["before"], row["after"])
        yield "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(value: Any) -> str:
    """A text from outside that stays text, and one cell, in Markdown."""
    text = "" if value is None else " ".join(str(value).split())
    text = text if len(text) <= WIDTH else f"{text[:WIDTH]}..."
    return re.sub(r"([\\`*\[\]<|~])", r"\\\1", text)
