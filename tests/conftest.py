"""Fences around every test: no network, no waiting, no secret in anything that comes out."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import hypothesis
import pytest
import requests_mock

from inventory_providers import registry
from inventory_providers.sandbox.room import Clock as SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

# The same examples in each run: what passes here passes there, however busy the machine is.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
LONGEST_SLEEP = 0.25


# ---- secrets -------------------------------------------------------------------------------------


@cache
def canary_secrets() -> tuple[str, ...]:
    """The credentials of every sandbox: no output of any test may show them."""
    rooms = (
        import_module(f"inventory_providers.{name}.sandbox") for name in registry.PROVIDER_NAMES
    )
    return tuple(
        secret for room in rooms for secret in room.Sandbox(SandboxClock(), size=1).secrets()
    )


@cache
def encodings(secret: str) -> frozenset[str]:
    """A secret in every form in which it may turn up, all in lower case."""
    raw = secret.encode()
    forms = {
        secret,
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        raw.hex(),
        repr(secret)[1:-1],
    }
    forms |= {quote(form, safe="") for form in (quote(raw, safe=""), quote_plus(raw))}
    escaped = json.dumps(secret)[1:-1]
    forms |= {escaped, escaped.replace("/", r"\/"), json.dumps(escaped)[1:-1]}
    return frozenset(form.lower() for form in forms | set(_base64_anywhere(raw)))


def _base64_anywhere(raw: bytes) -> Iterator[str]:
    """The characters that stand in any Base64 text that `raw` is a part of, as in `user:pass`."""
    for before in range(3):
        begin, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw + bytes(3)).decode()[begin:end]


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The forms of the secrets that stand in a text."""
    lowered = text.lower()
    return [form for secret in secrets for form in sorted(encodings(secret)) if form in lowered]


@dataclass
class Canaries:
    """What one test gave out: everything captured is in here by itself, files by `watch`."""

    secrets: tuple[str, ...] = field(default_factory=canary_secrets)
    records: list[logging.LogRecord] = field(default_factory=list)
    texts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    paths: list[Path] = field(default_factory=list)

    def saw(self, name: str, text: str | bytes) -> None:
        """Count a text in."""
        self.texts[name].add(text if isinstance(text, str) else text.decode("utf-8", "replace"))

    def watch(self, path: Path) -> Path:
        """Count a file in, or every file below a folder, as it is after the test."""
        self.paths.append(path)
        return path

    def hits(self, sections: Iterable[tuple[str, str]] = ()) -> list[str]:
        """Where a secret stands."""
        seen = [(name, "\n".join(texts)) for name, texts in self.texts.items()]
        texts = [*seen, *sections, *self._files()]
        return [f"{name}: {form}" for name, text in texts for form in leaks(text, self.secrets)]

    def _files(self) -> Iterator[tuple[str, str]]:
        for path in self.paths:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    yield str(file), file.read_bytes().decode("utf-8", "replace")


CANARIES = pytest.StashKey[Canaries]()


class _Recorder(logging.Handler):
    def __init__(self, canaries: Canaries) -> None:
        super().__init__(logging.DEBUG)
        self._canaries = canaries
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._canaries.saw("log", self.format(record))
        # A copy, for the record keeps alive what its arguments and its traceback hold.
        plain = {"msg": record.getMessage(), "args": None, "exc_info": None}
        self._canaries.records.append(logging.makeLogRecord(record.__dict__ | plain))


@pytest.fixture(autouse=True)
def canaries(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canaries]:
    """The scan for secrets that follows every test; logs are taken at DEBUG."""
    found = request.node.stash[CANARIES] = Canaries()
    read = pytest.CaptureFixture.readouterr

    def recording(capture: pytest.CaptureFixture[Any]) -> Any:
        captured = read(capture)
        for name, text in captured._asdict().items():
            found.saw(f"std{name}", text)
        return captured

    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", recording)
    root, recorder = logging.getLogger(), _Recorder(found)
    level = root.level
    root.setLevel(logging.DEBUG)
    # Sixty lines for each tap that is made, all alike.
    logging.getLogger("singer_sdk.singerlib.catalog").setLevel(logging.INFO)
    root.addHandler(recorder)
    yield found
    root.removeHandler(recorder)
    root.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After the last word of a test: scan what it gave out, and fail it if a secret is there."""
    report = yield
    canaries = item.stash.get(CANARIES, None)
    if report.when == "teardown" and canaries is not None:
        hits = canaries.hits(report.sections)
        if hits and report.passed:
            report.outcome = "failed"
            report.longrepr = "a secret came out:\n" + "\n".join(sorted(set(hits)))
    return report


# ---- network and time ----------------------------------------------------------------------------


class FenceError(Exception):
    """A test did what no test may do."""


@dataclass
class Fences:
    """What went over a fence; a broad `except` cannot hide it."""

    violations: list[str] = field(default_factory=list)

    def refuse(self, what: str) -> None:
        """Note it and raise."""
        self.violations.append(what)
        raise FenceError(what)


@pytest.fixture(autouse=True)
def fences(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fences]:
    """No connection but to this machine, none through `requests`, no real waiting."""
    fence = Fences()
    _fence_sockets(fence, monkeypatch)
    if "processes" not in request.keywords:
        _fence_sleep(fence, monkeypatch)
    with requests_mock.Mocker():
        yield fence
    assert not fence.violations, fence.violations


def _fence_sockets(fence: Fences, monkeypatch: pytest.MonkeyPatch) -> None:
    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(sock: socket.socket, address: Any) -> Any:
            if sock.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in LOOPBACK:
                fence.refuse(f"connection to {address[0]}")
            return real(sock, address)

        return connect

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name not in LOOPBACK:
            fence.refuse(f"look-up of {name}")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _fence_sleep(fence: Fences, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep

    def short(seconds: float) -> None:
        if seconds > LONGEST_SLEEP:
            fence.refuse(f"a sleep of {seconds} s")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", short)


class FakeClock:
    """A clock on which waiting costs nothing; whoever `follows` is moved along."""

    def __init__(self, *follows: Callable[[float], None]) -> None:
        self.sleeps: list[float] = []
        self._follows = follows
        self._offset = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The wall clock, ahead by all that was slept."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """The monotonic clock, ahead by all that was slept."""
        return time.monotonic() + self._offset

    def sleep(self, seconds: float) -> None:
        """Move on, and remember it."""
        with self._lock:
            self.sleeps.append(seconds)
        self.step(seconds)

    def step(self, seconds: float) -> None:
        """Move on."""
        with self._lock:
            self._offset += seconds
            for follow in self._follows:
                follow(seconds)


# ---- real processes ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """How a process ended."""

    code: int
    out: bytes
    err: str
    seconds: float


class Processes:
    """Starts our commands as a user would; whatever they leave behind is scanned for secrets."""

    def __init__(self, folder: Path, bytecode: Path, canaries: Canaries) -> None:
        self._folder, self._bytecode, self._canaries = folder, bytecode, canaries
        self._started: list[subprocess.Popen[bytes]] = []
        for name in ("cwd", "tmp", "err"):
            canaries.watch(folder / name).mkdir(parents=True, exist_ok=True)

    def start(
        self,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """`python -m <args>`, with its standard error in a file (see `err`)."""
        with self._err(len(self._started)).open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", *map(str, args)],
                cwd=self._folder / "cwd",
                env=self._environment() | dict(env or {}),
                stdin=stdin,
                stdout=stdout,
                stderr=err,
            )
        self._started.append(process)
        return process

    def run(
        self,
        args: Sequence[str | Path],
        *,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Finished:
        """`python -m <args>` to its end."""
        begin = time.monotonic()
        process = self.start(
            args, env=env, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE
        )
        out, _ = process.communicate(stdin, timeout=timeout)
        self._canaries.saw("stdout of a process", out)
        seconds = time.monotonic() - begin
        return Finished(process.returncode, out, self.err(process), seconds)

    def err(self, process: subprocess.Popen[bytes]) -> str:
        """What a process said on standard error so far."""
        return self._err(self._started.index(process)).read_text(encoding="utf-8")

    def stop(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _err(self, number: int) -> Path:
        return self._folder / "err" / str(number)

    def _environment(self) -> dict[str, str]:
        ours = ("TAP_", "TARGET_", "SINGER_", "MELTANO_", "LOGLEVEL", "PYTHONDONTWRITEBYTECODE")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        # Compiling the SDK anew takes longer than most tests.
        return kept | {
            "PYTHONPYCACHEPREFIX": str(self._bytecode),
            "TMPDIR": str(self._folder / "tmp"),
            "HOME": str(self._folder / "cwd"),
        }


@pytest.fixture
def processes(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, canaries: Canaries
) -> Iterator[Processes]:
    """Real processes, gone after the test."""
    bytecode = tmp_path_factory.getbasetemp().parent / "bytecode"
    running = Processes(tmp_path / "process", bytecode, canaries)
    yield running
    running.stop()


@pytest.fixture
def run_process(processes: Processes) -> Callable[..., Finished]:
    """`run_process(["tap_inventory", "--version"], stdin=..., env=..., timeout=...)`."""
    return processes.run
