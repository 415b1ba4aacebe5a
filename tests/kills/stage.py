"""Starts runs of the target: quickly, from a nursery, or cold, as the command that a user calls."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from tests.kills.killed import Strike

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it said."""

    code: int
    out: bytes
    err: str
    seconds: float


class Stage:
    """One run at a time, each in a folder."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._pid = 0
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.nursery"],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What is in a buffer, `select` does not see.
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in (self._nursery.stdin, self._nursery.stdout):
            assert stream is not None
            stream.close()
        self._nursery.wait(timeout=PATIENCE)

    def run(
        self,
        folder: Path,
        stdin: Path,
        config: Path,
        *,
        strike: Strike | None = None,
        defect: str | None = None,
        hurry: bool = False,
        cold: bool = False,
        after: tuple[float, signal.Signals] | None = None,
    ) -> Ended:
        """A run to its end. `after` sends a signal so many seconds after the start."""
        begin = time.monotonic()
        self._started.clear()
        # A process may be killed before it opens them.
        for name in ("out", "err"):
            (folder / name).write_bytes(b"")
        args = ["--config", str(config)]
        if cold:
            ending = self._cold(folder, stdin, args)
        else:
            job = {"folder": str(folder), "stdin": str(stdin), "args": args}
            ending = self._forked(job | {"strike": strike, "defect": defect, "hurry": hurry})
        if after is not None:
            seconds, number = after
            if not select.select([ending], [], [], seconds)[0]:
                self.send(number)
        code = self._end(ending)
        seconds = time.monotonic() - begin
        return Ended(code, (folder / "out").read_bytes(), (folder / "err").read_text(), seconds)

    def send(self, number: signal.Signals) -> None:
        """A signal for the run that goes on; from any thread."""
        self._started.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _is_now(self, pid: int) -> None:
        self._pid = pid
        self._started.set()

    def _forked(self, job: dict[str, Any]) -> IO[bytes]:
        into, out = self._nursery.stdin, self._nursery.stdout
        assert into is not None
        assert out is not None
        into.write(json.dumps(job).encode() + b"\n")
        into.flush()
        self._is_now(int(_line(out)))
        return out

    def _cold(self, folder: Path, stdin: Path, args: list[str]) -> IO[bytes]:
        """The command itself; a shell tells its exit code as the nursery does."""
        with (
            stdin.open("rb") as source,
            (folder / "out").open("wb") as out,
            (folder / "err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "target_inventory", *args],
                cwd=folder,
                env=_environment() | {"TMPDIR": str(folder), "HOME": str(folder)},
                stdin=source,
                stdout=out,
                stderr=err,
            )
        self._is_now(process.pid)
        reading, writing = os.pipe()

        def tell() -> None:
            code = process.wait()
            with os.fdopen(writing, "wb") as end:
                end.write(f"{code}\n".encode())

        threading.Thread(target=tell, daemon=True).start()
        return os.fdopen(reading, "rb", buffering=0)

    def _end(self, ending: IO[bytes]) -> int:
        if not select.select([ending], [], [], PATIENCE)[0]:
            self.send(signal.SIGKILL)
            raise AssertionError(f"a run did not end in {PATIENCE} s")
        code = int(_line(ending))
        if ending is not self._nursery.stdout:
            ending.close()
        return code


def _line(source: IO[bytes]) -> bytes:
    line = source.readline()
    assert line.endswith(b"\n"), "the nursery has died"
    return line


def _environment() -> dict[str, str]:
    ours = ("TAP_", "TARGET_", "SINGER_", "MELTANO_", "LOGLEVEL")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(ROOT)}
