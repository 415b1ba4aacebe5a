"""One run of the tap against a sandbox, in this process or as a real one, and what it must hold."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import sys
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import command, levels, redaction, registry
from inventory_providers.environment import Environment, Policy
from inventory_providers.errors import InventoryError
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from inventory_providers.sockets import Deadlines
from tap_inventory.command_line import COMMAND
from tap_inventory.tap import TapInventory
from tests.conformance.paths import changed
from tests.conformance.result import Result
from tests.conformance.subject import Subject, traits_of
from tests.conftest import FakeClock

if TYPE_CHECKING:
    import ssl
    import subprocess
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from inventory_providers.contract import Stream
    from inventory_providers.sandbox.room import Key, Request, Row, SandboxRoom
    from inventory_providers.sandbox.server import Armed
    from inventory_providers.sandbox.traits import Shape, Traits, Turn
    from tests.conftest import Canaries, Processes

NAME = "tap-inventory"
# SKUs: several answers where the provider has pages at all.
SIZE = 150
# What a line says that tells the user what to do; a setting's fault is its own advice.
ADVICE = re.compile(
    r"\b(check|set|run again|ask|switch|repair|remove|report|copy)\b", re.IGNORECASE
)
CONFIG_ADVICE = re.compile(
    ADVICE.pattern + r"|\b(must|is missing|is not a setting|add|make|use|give|choose)\b",
    re.IGNORECASE,
)


class Harness:
    """A provider's sandbox, and the tap pointed at it; with `stream`, one of its streams only.

    With all its streams `inventory_levels` is read as well. `asks` says that the catalog asks for
    INCREMENTAL wherever a stream knows changes; without it every stream is read as the room
    declares.
    """

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
        self.streams = (stream,) if stream else registry.provider(provider).streams
        self.canaries, self.processes, self.folder, self._patch = canaries, processes, folder, patch
        self._stack = contextlib.ExitStack()
        self._server: SandboxServer | None = None
        self.policy = Policy()
        self.guarded = True
        self.asks = True

    # ---- the provider ----

    def serve(self, size: int = SIZE, ssl_context: ssl.SSLContext | None = None) -> None:
        """A fresh sandbox with so many SKUs, in place of the one before."""
        self.close()
        clock = Clock()
        made = rooms(clock, size=size, names=[self.provider])
        self._server = SandboxServer(made, clock=clock, ssl_context=ssl_context)
        self._stack.enter_context(self._server)
        self._clock = FakeClock(clock.step)
        self._config: dict[str, Any] = {self.provider: self._server.settings(self.provider)}
        self._subject = Subject(
            self.provider, made[0], self.streams, dict(self._config[self.provider])
        )

    def _served(self) -> SandboxServer:
        """A test that is skipped before it asks for anything costs nothing."""
        if self._server is None:
            self.serve()
        assert self._server is not None
        return self._server

    @property
    def server(self) -> SandboxServer:
        """The sandbox, made when it is first asked for."""
        return self._served()

    @property
    def clock(self) -> FakeClock:
        """The tap's clock, along with which the sandbox's moves."""
        self._served()
        return self._clock

    @property
    def config(self) -> dict[str, Any]:
        """A configuration that signs in."""
        self._served()
        return self._config

    @property
    def subject(self) -> Subject:
        """The provider's streams, and the rows that they have to deliver."""
        self._served()
        return self._subject

    def configure(self, **values: Any) -> None:
        """Run with other values in the provider object from now on."""
        self._config = self.with_setting(**values)

    def only(self, stream: Stream) -> None:
        """From now on there is this one stream."""
        self.streams = self.subject.streams = (stream,)

    def serve_rows(self, wanted: int) -> None:
        """A fresh sandbox with about so many rows in all streams together, and not fewer.

        Pages are large where the room can make them so: this is for tests in real time, which is
        not to be spent on the provider's pace.
        """
        size, rows = SIZE, 0
        while rows < wanted:
            self.serve(size)
            rows = sum(len(self.rows(stream)) for stream in self.streams)
            size = math.ceil(size * wanted / rows * 1.02)
        self.turn(*self.traits.short_token)

    def close(self) -> None:
        """Stop the sandbox; raises what it broke on. What it issued must not have come out."""
        if self._server is not None:
            issued = {*self.canaries.secrets, *self.room.secrets()}
            self.canaries.secrets = tuple(issued)
        self._stack.close()

    @property
    def room(self) -> SandboxRoom:
        """The provider in memory."""
        return self.server.room(self.provider)

    @property
    def traits(self) -> Traits:
        """What the room says of itself."""
        return traits_of(self.provider)

    def turn(self, *turns: Turn | None) -> None:
        """Set switches of the room; None sets nothing."""
        for turn in turns:
            if turn is not None:
                self.room.turn(*turn)

    def _is_read(self, request: Request) -> bool:
        word = self.traits.read
        return word in request.target or word.encode() in request.body

    @property
    def reads(self) -> list[Request]:
        """The requests that read."""
        return [one for one in self.server.requests(self.provider) if self._is_read(one)]

    @property
    def others(self) -> list[Request]:
        """All other requests: sign-ins, and what is looked up besides."""
        return [one for one in self.server.requests(self.provider) if not self._is_read(one)]

    @property
    def later(self) -> int:
        """How many reads to let pass for a fault within a run: one, where there are several."""
        return 1 if self.traits.reads > 1 else 0

    @property
    def stream(self) -> Stream:
        """The stream under test; the first that knows changes, else the first."""
        return next((s for s in self.streams if s.replication_key), self.streams[0])

    @property
    def shape(self) -> Shape:
        """What the rows of that stream look like."""
        return self.traits.streams[self.stream.name]

    def inject(self, kind: str, **details: Any) -> Armed:
        """Arm a fault, for reads if nothing else is said."""
        return self.server.inject(
            self.provider, Fault(kind, **{"path": self.traits.read} | details)
        )

    def rows(self, stream: Stream | None = None) -> dict[Key, Row]:
        """What a stream has to deliver now."""
        return self.subject.rows(stream or self.stream)

    def some_row(self) -> Row:
        """A row of the stream under test."""
        return deepcopy(next(iter(self.rows().values())))

    def put(self, n: int, **values: Any) -> Row:
        """Add a row with these values, by their paths, under a key of its own; the row."""
        row = changed(self.shape.other(self.some_row(), n), values)
        self.room.put(self.stream.name, row)
        return row

    def put_all(self, path: str, values: Iterable[Any]) -> list[tuple[Key, Any]]:
        """Add a row for each of these values; all keys that came, each with its value."""
        found: list[tuple[Key, Any]] = []
        known = set(self.rows())
        for n, value in enumerate(values):
            self.put(n, **{path: value})
            new = self.rows().keys() - known
            found += [(key, value) for key in new]
            known |= new
        return found

    def after_answers(self, act: Callable[[], object], *, times: int | None = None) -> None:
        """Do this after each read, or after the first `times`; None ends it by `calm`."""
        left = [times]

        def after(request: Request, _reply: object) -> None:
            if self._is_read(request) and (left[0] is None or left[0] > 0):
                left[0] = left[0] and left[0] - 1
                act()

        self.room.after_answer = after

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.server.clear()
        self.room.after_answer = None

    # ---- what a stream must have for a test ----

    def need_changes(self) -> None:
        """Skip where a run has no bookmark to go on from."""
        if not self.stream.replication_key:
            pytest.skip(f"{self.stream.name} knows no changes: every run reads everything.")

    def need_moments(self) -> None:
        """Skip where changes are not told by a moment."""
        self.need_changes()
        if self.stream.by_day:
            pytest.skip(f"{self.stream.name} has a row per day, and a day that is over stays.")

    def need_moving_rows(self) -> None:
        """Skip where rows do not change once they are there."""
        if self.stream.by_day:
            pytest.skip(f"{self.stream.name} has a row per day, and a day that is over stays.")

    def need_days(self) -> None:
        """Skip where the bookmark is no day."""
        if not self.stream.by_day:
            pytest.skip(f"{self.stream.name} is not read day by day.")

    def date(self) -> str:
        """Where the date stands on the wire; skips where there is none."""
        if self.shape.date is None:
            pytest.skip(f"The rows of {self.stream.name} have no date of their own.")
        return self.shape.date

    def number(self) -> tuple[str, str]:
        """Where a quantity stands; skips where there is none."""
        if self.shape.number is None:
            pytest.skip(f"The rows of {self.stream.name} have no quantity.")
        return self.shape.number

    def text(self) -> tuple[str, str]:
        """Where free text stands; skips where there is none."""
        if self.shape.text is None:
            pytest.skip(f"The rows of {self.stream.name} have no free text.")
        return self.shape.text

    @property
    def keeps_bookmark(self) -> bool:
        """Whether a run leaves a bookmark of the stream under test."""
        return self.stream.replication_key is not None and (self.stream.incremental or self.asks)

    # ---- the tap ----

    def start(self, reading: str) -> dict[str, Any] | None:
        """The state to begin with: none, or for "incremental" one under which all has changed."""
        if reading == "full":
            self.asks = False
            return None
        for stream in self.streams:
            moments = stream.replication_key and not stream.by_day
            if moments and self.subject.shape(stream).date is None:
                self.room.touch(stream.name, len(self.rows(stream)))
        return self.subject.state_since()

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
        return self.captured(lambda: self._sync(config or self.config, state))

    def _sync(self, config: dict[str, Any], state: dict[str, Any] | None) -> None:
        environment = Environment(clock=self.clock, policy=self.policy)
        # A copy: the tap goes on writing into the state that it is given.
        tap = TapInventory(
            config=config,
            state=deepcopy(state),
            catalog=self.catalog(),
            environment=environment,
        )
        tap.sync_all()

    def catalog(self) -> dict[str, Any] | None:
        """What selects the streams and asks for their changes; None where that goes without."""
        asked = self.asks and any(s.replication_key and not s.incremental for s in self.streams)
        if self.subject.is_whole and not asked:
            return None
        catalog: dict[str, Any] = TapInventory(config=self.config).catalog_dict
        for entry in catalog["streams"]:
            self._select(entry)
        return catalog

    def _select(self, entry: dict[str, Any]) -> None:
        found = [s for s in self.streams if s.name == entry["tap_stream_id"]]
        (top,) = (part["metadata"] for part in entry["metadata"] if not part["breadcrumb"])
        is_levels = entry["tap_stream_id"] == levels.STREAM
        top["selected"] = self.subject.is_whole if is_levels else bool(found)
        if self.asks and found and found[0].replication_key:
            top["replication-method"] = "INCREMENTAL"

    def arguments(self, config: Any, state: Any = None) -> list[str]:
        """Command line options for a configuration and a state, given as objects or as bytes."""
        args = ["--config", self._file("config.json", config)]
        if state is not None:
            args += ["--state", self._file("state.json", state)]
        if (catalog := self.catalog()) is not None:
            args += ["--catalog", self._file("catalog.json", catalog)]
        return args

    def _file(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    def command(self, args: list[str]) -> Result:
        """The command line, in this process."""
        self._patch.setattr(sys, "argv", [NAME, *args])
        return self.captured(lambda: command.click_main(COMMAND))

    def run_process(self, args: list[str], *, env: dict[str, str] | None = None) -> Result:
        """The command line as a real process; U5 holds for its last words."""
        done = self.processes.run(["tap_inventory", *args], env=env)
        lines = done.err.splitlines()
        if not env:
            assert "Traceback" not in done.err
        result = Result(done.code, done.out, lines[-1] if lines else "", lines, done.seconds)
        return self._checked(result)

    def start_process(self, state: Any = None, **how: Any) -> subprocess.Popen[bytes]:
        """A real run that the test talks to while it goes on."""
        return self.processes.start(["tap_inventory", *self.arguments(self.config, state)], **how)

    def captured(self, work: Callable[[], object], out: io.StringIO | None = None) -> Result:
        """What some work in this process says and how it ends."""
        if self.guarded:
            redaction.guard_logging()  # as every command does first
        out = out or io.StringIO()
        begin, said = self.clock.monotonic(), len(self.canaries.records)
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
            self.assert_last_line(result)
        return result

    def assert_last_line(self, result: Result) -> None:
        """U5: it names the provider, or the file or setting, and says what to do."""
        line = result.last_line
        assert line.startswith(f"{NAME}: "), line
        places = (self.provider, "configuration", "state", "catalog", "output", "stopped by")
        assert any(place in line for place in places), line
        advice = CONFIG_ADVICE if result.code == 2 else ADVICE
        assert advice.search(line), f"no advice in: {line}"

    # ---- what must hold ----

    def key(self, record: dict[str, Any]) -> Key:
        """A record's primary key."""
        return self.subject.key(record, self.stream)

    def keys(self, result: Result) -> list[Key]:
        """The keys of what came of the stream under test."""
        return self.subject.keys(result, self.stream)

    def bookmark(self, result: Result) -> datetime:
        """The moment that the last state stands for."""
        return self.subject.bookmark(result, self.stream)

    def assert_all_rows(self, *results: Result, stale: bool = False) -> None:
        """The runs together emitted every row, and last of each what it is now."""
        self.subject.assert_all_rows(*results, stale=stale)

    def assert_complete(self, result: Result) -> None:
        """It ended well, with each row once and as it is now."""
        assert result.code == 0, result.last_line
        self.subject.assert_all_rows(result)
        self.subject.assert_no_duplicates(result)

    def assert_recovers(self, failed: Result, state: dict[str, Any] | None = None) -> None:
        """U2 and U4: with the last state, a run after the fault completes the failed one."""
        self.calm()
        rerun = self.run(failed.state or state)
        assert rerun.code == 0, rerun.last_line
        self.assert_all_rows(failed, rerun)

    # ---- settings and limits ----

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

    def patience(self) -> float:
        """How many times the policy's deadline the most patient request of a run may take."""
        within, seen = Deadlines.within, []

        def noted(deadlines: Deadlines, seconds: float) -> Any:
            seen.append(seconds)
            return within(deadlines, seconds)

        with self._patch.context() as patch:
            patch.setattr(Deadlines, "within", noted)
            assert self.run().code == 0
        return max(seen) / self.policy.deadline
