"""One run of the tap against a sandbox, in this process or as a real one, and what it must hold."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from inventory_providers import command, redaction, registry, times
from inventory_providers.environment import Environment, Policy
from inventory_providers.errors import InventoryError
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from tap_inventory.command_line import COMMAND
from tap_inventory.tap import TapInventory
from tests.conformance.rooms import facts
from tests.conftest import FakeClock

if TYPE_CHECKING:
    import ssl
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from inventory_providers.contract import Stream
    from inventory_providers.sandbox.room import Key, Row, SandboxRoom
    from inventory_providers.sandbox.server import Armed
    from tests.conformance.rooms import Shape
    from tests.conftest import Canaries, Processes

NAME = "tap-inventory"
# What a line says that tells the user what to do; a setting's fault is its own advice.
ADVICE = re.compile(r"\b(check|set|run again|ask|switch|repair|remove|report)\b", re.IGNORECASE)
CONFIG_ADVICE = re.compile(
    ADVICE.pattern + r"|\b(must|is missing|is not a setting|add|make|use|give|choose)\b",
    re.IGNORECASE,
)
LONG_AGO = "2001-01-01T00:00:00Z"


@dataclass
class Result:
    """What a run gave out and how it ended. Numbers in `messages` are exact."""

    code: int
    out: bytes
    last_line: str
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """Every line, decoded (U8: there are whole valid lines only)."""
        assert not self.out or self.out.endswith(b"\n"), "the last line is cut"
        found = [json.loads(line, parse_float=Decimal) for line in self.out.splitlines()]
        assert all(message["type"] in {"SCHEMA", "RECORD", "STATE"} | OTHER for message in found)
        described = {
            m["stream"]: n for n, m in reversed([*enumerate(found)]) if m["type"] == "SCHEMA"
        }
        for number, message in enumerate(found):
            if message["type"] == "RECORD":
                assert described[message["stream"]] < number, "a record before its schema"
        return found

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream, in order."""
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    @property
    def states(self) -> list[dict[str, Any]]:
        """Every state, in order."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any] | None:
        """The last one: where to resume."""
        return self.states[-1] if self.states else None

    @property
    def has_bookmark(self) -> bool:
        """Whether any state says that something was read."""
        bookmarks = [part for state in self.states for part in state["bookmarks"].values()]
        return any("replication_key_value" in part or "partitions" in part for part in bookmarks)

    def warned(self, *words: str) -> bool:
        """Whether a warning was logged that has all these words."""
        warnings = [line for line in self.log if "WARNING" in line]
        return any(all(word in line for word in words) for line in warnings)


OTHER = {"ACTIVATE_VERSION"}


class Harness:
    """A provider's sandbox, and the tap pointed at it; with `stream`, one of its streams only."""

    def __init__(
        self,
        provider: str,
        *,
        stream: Stream | None = None,
        canaries: Canaries,
        processes: Processes,
        folder: Path,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self.provider = provider
        self.facts = facts(provider)
        self.streams = (stream,) if stream else registry.provider(provider).streams
        self.canaries, self.processes, self.folder, self._patch = canaries, processes, folder, patch
        self._stack = contextlib.ExitStack()
        self.policy = Policy()
        self.guarded = True
        self.serve()

    # ---- the provider ----

    def serve(self, size: int = 300, ssl_context: ssl.SSLContext | None = None) -> None:
        """A fresh sandbox with so many rows, in place of the one before."""
        self._stack.close()
        clock = Clock()
        made = rooms(clock, size=size, names=[self.provider])
        self.server = SandboxServer(made, clock=clock, ssl_context=ssl_context)
        self._stack.enter_context(self.server)
        self.clock = FakeClock(clock.step)
        self.config: dict[str, Any] = {self.provider: self.server.settings(self.provider)}

    def close(self) -> None:
        """Stop the sandbox; raises what it broke on."""
        self._stack.close()

    @property
    def room(self) -> SandboxRoom:
        """The provider in memory."""
        return self.server.room(self.provider)

    @property
    def requests(self) -> int:
        """How many requests the provider got."""
        return len(self.server.requests(self.provider))

    @property
    def stream(self) -> Stream:
        """The stream under test; the first that knows changes, else the first."""
        return next((s for s in self.streams if s.replication_key), self.streams[0])

    @property
    def shape(self) -> Shape:
        """What the rows of that stream look like."""
        return self.facts.streams[self.stream.name]

    def inject(self, kind: str, **details: Any) -> Armed:
        """Arm a fault for reads."""
        return self.server.inject(self.provider, Fault(kind, path=self.facts.read, **details))

    def rows(self, stream: Stream | None = None) -> dict[Key, Row]:
        """What a stream has to deliver now."""
        return self.room.rows((stream or self.stream).name)

    def some_row(self) -> Row:
        """A row of the stream under test."""
        return dict(next(iter(self.rows().values())))

    def put(self, n: int, **values: Any) -> Row:
        """Add a row with these values under a key of its own; the row."""
        row = self.shape.other(self.some_row(), n) | values
        self.room.put(self.stream.name, row)
        return row

    def after_answers(self, act: Callable[[], object], *, times: int | None = None) -> None:
        """Do this after each answer, or after the first `times`; None ends it by `calm`."""
        left = [times]

        def after(_request: object, _reply: object) -> None:
            if left[0] is None or left[0] > 0:
                left[0] = left[0] and left[0] - 1
                act()

        self.room.after_answer = after

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.server.clear()
        self.room.after_answer = None

    # ---- the tap ----

    def state_since(self, moment: str = LONG_AGO) -> dict[str, Any]:
        """A state under which the streams that can are read incrementally."""
        read_at = times.rfc3339(datetime.now(UTC).replace(microsecond=0))
        return {
            "bookmarks": {
                stream.name: {
                    "replication_key": stream.replication_key,
                    "replication_key_value": moment,
                    "full_read_at": read_at,
                }
                for stream in self.streams
                if stream.replication_key
            }
        }

    def start(self, reading: str) -> dict[str, Any] | None:
        """The state to begin with: none, or for "incremental" one from long ago."""
        return self.state_since() if reading == "incremental" else None

    def run(
        self,
        state: dict[str, Any] | None = None,
        *,
        config: dict[str, Any] | None = None,
        process: bool = False,
        env: dict[str, str] | None = None,
    ) -> Result:
        """Sync; with `process` as a real process."""
        if process:
            return self.run_process(self.arguments(config or self.config, state), env=env)
        return self._captured(lambda: self._sync(config or self.config, state))

    def _sync(self, config: dict[str, Any], state: dict[str, Any] | None) -> None:
        environment = Environment(clock=self.clock, policy=self.policy)
        tap = TapInventory(
            config=config, state=state, catalog=self._catalog(config), environment=environment
        )
        tap.sync_all()

    def _catalog(self, config: dict[str, Any]) -> dict[str, Any] | None:
        if len(self.streams) == len(registry.provider(self.provider).streams):
            return None
        catalog: dict[str, Any] = TapInventory(config=config).catalog_dict
        for entry in catalog["streams"]:
            for part in entry["metadata"]:
                if not part["breadcrumb"]:
                    part["metadata"]["selected"] = entry["tap_stream_id"] == self.stream.name
        return catalog

    def arguments(self, config: Any, state: Any = None) -> list[str]:
        """Command line options for a configuration and a state, given as objects or as bytes."""
        args = ["--config", self._file("config.json", config)]
        if state is not None:
            args += ["--state", self._file("state.json", state)]
        return args

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def command(self, args: list[str]) -> Result:
        """The command line, in this process."""
        self._patch.setattr(sys, "argv", [NAME, *args])
        return self._captured(lambda: command.click_main(COMMAND))

    def run_process(self, args: list[str], *, env: dict[str, str] | None = None) -> Result:
        """The command line as a real process; U5 holds for its last words."""
        done = self.processes.run(["tap_inventory", *args], env=env)
        lines = done.err.splitlines()
        if not env:
            assert "Traceback" not in done.err
        result = Result(done.code, done.out, lines[-1] if lines else "", lines, done.seconds)
        return self._checked(result)

    def _captured(self, work: Callable[[], object]) -> Result:
        if self.guarded:
            redaction.guard_logging()  # as every command does first
        out, begin, said = io.StringIO(), self.clock.monotonic(), len(self.canaries.records)
        code, last_line = 0, ""
        try:
            with contextlib.redirect_stdout(out):
                work()
        except InventoryError as error:
            code, last_line = error.exit_code, f"{NAME}: {error}"
        text = out.getvalue()
        self.canaries.saw("stdout", text)
        self.canaries.saw("error", last_line)
        log = [f"{r.levelname} {r.name} {r.getMessage()}" for r in self.canaries.records[said:]]
        seconds = self.clock.monotonic() - begin
        return self._checked(Result(code, text.encode(), last_line, log, seconds))

    def _checked(self, result: Result) -> Result:
        assert result.messages is not None
        if result.code:
            self._assert_last_line(result)
        return result

    def _assert_last_line(self, result: Result) -> None:
        """U5: it names the provider, or the file or setting, and says what to do."""
        line = result.last_line
        assert line.startswith(f"{NAME}: "), line
        places = (self.provider, "configuration", "state", "catalog", "output", "stopped by")
        assert any(place in line for place in places), line
        advice = CONFIG_ADVICE if result.code == 2 else ADVICE
        assert advice.search(line), f"no advice in: {line}"

    # ---- what must hold ----

    def key(self, record: dict[str, Any], stream: Stream | None = None) -> Key:
        """A record's primary key."""
        return tuple(str(record[name]) for name in (stream or self.stream).primary_key)

    def is_current(self, record: dict[str, Any], row: Row, stream: Stream) -> bool:
        """Whether a record shows the row as it is now."""
        levels = self.facts.streams[stream.name].levels
        return all(_same(record[here], row[there]) for here, there in levels.items())

    def assert_all_rows(self, *results: Result, stale: bool = False) -> None:
        """The runs together emitted every row, and last of each what it is now."""
        for stream in self.streams:
            last = {
                self.key(record, stream): record
                for result in results
                for record in result.records(stream.name)
            }
            rows = self.rows(stream)
            assert not rows.keys() - last.keys(), f"{len(rows.keys() - last.keys())} rows lost"
            if not stale:
                old = [k for k, row in rows.items() if not self.is_current(last[k], row, stream)]
                assert not old, f"{len(old)} rows stale"

    def assert_no_duplicates(self, result: Result) -> None:
        """No key comes twice."""
        for stream in self.streams:
            keys = [self.key(record, stream) for record in result.records(stream.name)]
            assert len(keys) == len(set(keys)), f"{len(keys) - len(set(keys))} rows repeated"

    def assert_recovers(self, failed: Result, state: dict[str, Any] | None = None) -> None:
        """U2 and U4: with the last state, a run after the fault completes the failed one."""
        self.calm()
        rerun = self.run(failed.state or state)
        assert rerun.code == 0, rerun.last_line
        self.assert_all_rows(failed, rerun)

    def bookmark(self, result: Result) -> datetime:
        """The moment that the last state stands for."""
        assert result.state is not None
        return times.parse(result.state["bookmarks"][self.stream.name]["replication_key_value"])

    def with_setting(self, **values: Any) -> dict[str, Any]:
        """The configuration with other values in the provider object."""
        return {self.provider: self.config[self.provider] | values}

    def url_settings(self) -> list[str]:
        """The settings that hold an address."""
        mine = self.config[self.provider]
        return [name for name, value in mine.items() if str(value).startswith("http")]

    def secret_settings(self) -> list[str]:
        """The settings that hold a credential that no output may show."""
        secrets = self.room.secrets()
        return [name for name, value in self.config[self.provider].items() if value in secrets]

    def hurry(self, **limits: float) -> None:
        """Give up sooner."""
        self.policy = replace(self.policy, **limits)

    def start_process(self, state: Any = None, **how: Any) -> subprocess.Popen[bytes]:
        """A real run that the test talks to while it goes on."""
        return self.processes.start(["tap_inventory", *self.arguments(self.config, state)], **how)


def _same(value: Any, wire: Any) -> bool:
    if value is None or wire is None:
        return value is wire
    return Decimal(str(value)) == Decimal(str(wire))
