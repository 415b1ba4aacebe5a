"""A process that has everything imported and makes a run of the target in no time: it forks.

Each line on its standard input is a job. It answers with the process id at once, and with the exit
code (-9 after a SIGKILL) when the run has ended. Every run is a process of its own, with its own
files for input and output; only the import of the code is shared.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from target_inventory import command_line  # noqa: F401 - what takes long
from target_inventory.__main__ import main
from tests.kills.killed import Strike, arm, hurry, plant

FOREIGN = ("TAP_", "TARGET_", "SINGER_", "MELTANO_", "LOGLEVEL")


def serve() -> None:
    """Until its input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be(job)
        _say(pid)
        _, status = os.waitpid(pid, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _be(job: dict[str, Any]) -> NoReturn:
    """One run of the target, to the end of this process."""
    try:
        _settle(Path(job["folder"]), job["stdin"])
        if job["strike"] is not None:
            arm(Strike(*job["strike"]))
        if job["defect"] is not None:
            plant(job["defect"])
        if job["hurry"]:
            hurry()
        sys.argv = ["target-inventory", *job["args"]]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - it must not go on as a second nursery
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code)


def _settle(folder: Path, stdin: str) -> None:
    os.chdir(folder)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(FOREIGN)}
    os.environ.clear()
    os.environ |= kept | {"TMPDIR": str(folder), "HOME": str(folder)}
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name, flags in (
        (0, stdin, os.O_RDONLY),
        (1, folder / "out", writing),
        (2, folder / "err", writing),
    ):
        os.dup2(os.open(name, flags, 0o600), number)
    # What the nursery has read ahead is not for this run.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends


if __name__ == "__main__":
    serve()
