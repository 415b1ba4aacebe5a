"""Real processes that are killed, stopped, or lose their reader (T17, T29, T30)."""

from __future__ import annotations

import fcntl
import json
import signal
import struct
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.harness import Result

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.conformance.harness import Harness

pytestmark = pytest.mark.processes


def _whole_lines(out: bytes) -> bytes:
    return out[: out.rfind(b"\n") + 1]


def _read(process: subprocess.Popen[bytes], lines: int) -> bytes:
    assert process.stdout is not None
    return b"".join(process.stdout.readline() for _ in range(lines))


@pytest.mark.parametrize(("every", "kills"), [(1, 1), (7, 1), (90, 2), (450, 3)])
def test_t17_a_tap_that_is_killed_again_and_again_loses_no_row(
    tap: Harness, reading: str, every: int, kills: int
) -> None:
    tap.serve(size=1800)
    state, results = tap.start(reading), []
    for kill in range(1, kills + 1):
        process = tap.start_process(state)
        head = _read(process, every * kill)
        process.kill()
        rest, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        results.append(Result(process.returncode, _whole_lines(head + rest), ""))
        state = results[-1].state or state
    last = tap.run(state)
    assert last.code == 0
    tap.assert_all_rows(*results, last)
    if every * kills > 1000 and reading == "incremental":
        emitted = len(last.records(tap.stream.name))
        assert emitted < 1800, "no run went on where the one before it was killed"


def _until(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _assert_ended(tap: Harness, process: subprocess.Popen[bytes], code: int, within: float) -> None:
    begin = time.monotonic()
    assert process.wait(timeout=30) == code, tap.processes.err(process)
    assert time.monotonic() - begin <= within
    lines = tap.processes.err(process).splitlines()
    assert "Traceback" not in tap.processes.err(process)
    tap._assert_last_line(Result(code, b"", lines[-1]))


def test_t29_a_consumer_that_leaves_ends_the_run(tap: Harness) -> None:
    tap.serve(size=1500)
    process = tap.start_process()
    _read(process, 100)
    assert process.stdout is not None
    process.stdout.close()
    _assert_ended(tap, process, 10, within=2)


def test_t29_a_full_disk_ends_the_run(tap: Harness) -> None:
    with Path("/dev/full").open("wb") as full:
        process = tap.start_process(stdout=full)
    _until(lambda: tap.requests > 0 or process.poll() is not None)
    _assert_ended(tap, process, 10, within=2)
    assert "No space left" in tap.processes.err(process)


def _messages(process: subprocess.Popen[bytes]) -> Result:
    out, _ = process.communicate()
    result = Result(process.returncode, out, "")
    assert result.messages is not None
    return result


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("kind", "pause"), [("hang", 0), ("trickle", 0.01)])
def test_t30_a_signal_in_the_middle_of_a_page_ends_the_run(
    tap: Harness, kind: str, pause: float, number: signal.Signals
) -> None:
    state = tap.state_since()
    armed = tap.inject(kind, seconds=pause, skip=1, times=None)
    process = tap.start_process(state)
    _until(lambda: armed.fired > 0)
    process.send_signal(number)
    _assert_ended(tap, process, 128 + number, within=5)
    stopped = _messages(process)
    tap.assert_recovers(stopped, state)


def test_t30_a_signal_during_the_start_ends_the_run(tap: Harness) -> None:
    process = tap.start_process()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) in {143, -signal.SIGTERM}
    assert "Traceback" not in tap.processes.err(process)


def _waiting_in(process: subprocess.Popen[bytes]) -> int:
    """How many bytes stand in the pipe."""
    assert process.stdout is not None
    counted = fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", counted)[0])


def _is_blocked(process: subprocess.Popen[bytes]) -> bool:
    before = _waiting_in(process)
    time.sleep(0.2)
    return 0 < before == _waiting_in(process) and before > 50_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_t30_a_signal_while_nobody_reads_ends_the_run_with_a_whole_line(
    tap: Harness, number: signal.Signals
) -> None:
    tap.serve(size=1500)
    process = tap.start_process()
    _until(lambda: _is_blocked(process))
    process.send_signal(number)
    _assert_ended(tap, process, 128 + number, within=30)
    tap.assert_recovers(_messages(process))


def test_a_run_as_a_process_says_what_the_run_inside_says(tap: Harness) -> None:
    inside, outside = tap.run(), tap.run(process=True)
    assert outside.code == 0, outside.log
    for stream in tap.streams:
        assert inside.records(stream.name) == outside.records(stream.name)
    assert json.loads(outside.out.splitlines()[-1])["type"] == "STATE"
