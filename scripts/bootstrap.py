"""A virtual environment with exactly what `uv.lock` names. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command quietly; show what it said if it fails, and end."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(map(str, command))}")


def environment(folder: Path, *, groups: tuple[str, ...] = ()) -> Path:
    """Make or refresh the environment in `folder`; the folder of its commands."""
    if sys.version_info < OLDEST:
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    tools = folder.with_name(f"{folder.name}-uv")
    if not (tools / "bin" / "uv").exists():
        run(sys.executable, "-m", "venv", "--clear", tools)
        run(tools / "bin" / "python", "-m", "pip", "install", "--quiet", "uv>=0.9")
    wanted = [part for group in groups for part in ("--group", group)] or ["--no-dev"]
    run(
        tools / "bin" / "uv",
        "sync",
        "--frozen",
        "--quiet",
        "--compile-bytecode",
        "--no-python-downloads",
        "--python",
        sys.executable,
        *wanted,
        # The certificates that the system trusts: those of a company network are among them.
        env={
            "UV_PROJECT_ENVIRONMENT": str(folder),
            "VIRTUAL_ENV": "",
            "UV_SYSTEM_CERTS": "true",
        },
    )
    return folder / "bin"
