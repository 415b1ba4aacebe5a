"""The processes: the sandbox, the tap, and a target with its environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.targets.targets import Place, Target

COMMANDS = Path(sys.executable).parent
# A target hangs where it should fail; nothing here takes longer than a few seconds.
LONGEST = 300
HOUR = 3600
TOUCHED = 3


class FailedError(Exception):
    """A process did not do what it had to; the text is its last words."""


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that runs."""

    url: str

    def ask(self, name: str, body: dict[str, Any] | None = None) -> Any:
        """One of its own routes; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url}/__sandbox/{name}"
        with urllib.request.urlopen(url, data=data, timeout=30) as answer:
            return json.load(answer)

    def change(self, streams: Sequence[str]) -> None:
        """An hour later some rows of each stream are others."""
        self.ask("clock", {"step": HOUR})
        for stream in streams:
            self.ask("touch", {"stream": stream, "count": TOUCHED})


@contextlib.contextmanager
def sandbox(skus: int) -> Iterator[Sandbox]:
    """All providers on a free port, gone when the block ends."""
    command: list[str | Path] = [COMMANDS / "inventory-sandbox", "--port", "0", "--skus", str(skus)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is None:
            raise FailedError(f"the sandbox did not start: {line}")
        yield Sandbox(found[0])
    finally:
        process.terminate()
        process.wait(10)


def tap(config: Path, state: Any = None) -> list[bytes]:
    """What the tap says, line by line.

    Raises:
        FailedError: it did not end with 0.
    """
    command: list[str | Path] = [COMMANDS / "tap-inventory", "--config", config]
    if state is not None:
        file = config.with_suffix(".state.json")
        file.write_text(json.dumps(state, default=str))
        command += ["--state", file]
    return _run("tap-inventory", command, b"").splitlines(keepends=True)


def feed(target: Target, place: Place, lines: Sequence[bytes]) -> Any:
    """Pipe lines into a target; the last STATE that it passes on, None without one.

    Raises:
        FailedError: it did not end with 0.
    """
    config = place.folder.with_suffix(".json")
    config.write_text(json.dumps(target.config(place)))
    command: list[str | Path] = [place.commands / target.command, "--config", config]
    said = _run(target.name, command, b"".join(lines), folder=place.folder).splitlines()
    return json.loads(said[-1]) if said else None


def install(uv: Path, target: Target, folder: Path) -> Path:
    """Make the target's environment, where it is not there yet; the folder of its commands."""
    wanted = "\n".join(target.requirements)
    done = folder / "installed"
    if not done.exists() or done.read_text() != wanted:
        trust = {"UV_SYSTEM_CERTS": "true", "VIRTUAL_ENV": ""}
        make = ("venv", "--quiet", "--clear", "--no-python-downloads", "--python", sys.executable)
        _run("uv", [uv, *make, folder], b"", trust)
        python = folder / "bin" / "python"
        _run("uv", [uv, "pip", "install", "--python", python, *target.requirements], b"", trust)
        done.write_text(wanted)
    return folder / "bin"


def _run(
    name: str,
    command: Sequence[str | Path],
    given: bytes,
    env: dict[str, str] | None = None,
    folder: Path | None = None,
) -> bytes:
    ours = ("TAP_", "TARGET_", "SINGER_", "MELTANO_", "PG")
    kept = {key: text for key, text in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=kept | {"LOGLEVEL": "WARNING"} | (env or {}),
        input=given,
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        raise FailedError(f"{name} ended with {done.returncode}: {words}")
    return done.stdout
