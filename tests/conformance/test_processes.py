"""Real processes that are killed, stopped, slowed down, or have much to read (T17, T23 to T30)."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import signal
import struct
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.result import Result, whole_lines

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.conformance.harness import Harness

pytestmark = pytest.mark.processes


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    return iter(process.stdout.readline, b"")


def _read(process: subprocess.Popen[bytes], lines: int) -> bytes:
    return b"".join(itertools.islice(_lines(process), lines))


def _killed(tap: Harness, state: dict[str, Any] | None, after: int) -> Result:
    """A run that is killed when so many lines of it were read."""
    process = tap.start_process(state)
    head = _read(process, after)
    process.kill()
    rest, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had ended before"
    return Result(process.returncode, whole_lines(head + rest), "")


@pytest.mark.parametrize("kills", [(7, 90), (1, 450, 450)], ids=["whole", "changes"])
def test_t17_a_tap_that_is_killed_again_and_again_loses_no_row(
    tap: Harness, kills: tuple[int, ...]
) -> None:
    # The pipe takes some as well: so many more that it cannot end before it is killed.
    tap.serve_rows(sum(kills) + 1500)
    state = tap.start("full" if kills[0] == 7 else "incremental")
    before = {stream.name: tap.subject.bookmarks(state, stream) for stream in tap.streams}
    results: list[Result] = []
    for lines in itertools.accumulate(kills):
        results.append(_killed(tap, state, lines))
        state = results[-1].state or state
    last = tap.run(state)
    assert last.code == 0
    tap.assert_all_rows(*results, last)
    if any(tap.subject.bookmarks(state, stream) != before[stream.name] for stream in tap.streams):
        emitted = [len(last.records(stream.name)) for stream in tap.streams]
        whole = [len(tap.rows(stream)) for stream in tap.streams]
        assert sum(emitted) < sum(whole), "no run went on where the one before it was killed"


def test_a_stream_by_day_goes_on_where_it_was_killed(tap: Harness) -> None:
    daily = [stream for stream in tap.streams if stream.by_day]
    if not daily:
        pytest.skip(f"No stream of {tap.provider} is read day by day.")
    tap.only(daily[0])
    tap.serve_rows(4500)
    rows = len(tap.rows())
    killed = _killed(tap, None, rows // 2)
    last = tap.run(killed.state)
    assert len(last.records(tap.stream.name)) < rows
    tap.assert_all_rows(killed, last)


def _seconds_later(begin: float, seconds: float) -> None:
    time.sleep(max(begin + seconds - time.monotonic(), 0))


def test_t23_a_real_reader_that_is_slow_does_not_outlive_the_page_token(tap: Harness) -> None:
    tap.serve_rows(5000)
    tap.turn(*tap.traits.short_token)
    process = tap.start_process()
    out, begin = [], time.monotonic()
    for line in _lines(process):
        out.append(line)
        _seconds_later(begin, 0.01 * len(out))
    assert process.wait(timeout=30) == 0, tap.processes.err(process)
    assert len(out) > 5000
    assert time.monotonic() - begin >= 50
    tap.assert_complete(Result(0, b"".join(out), ""))


# Run in place of the command: what it needed at most stands in the last line on standard error.
# `ru_maxrss` would be at least what the process that started it had.
MEASURED = """
import atexit, re, sys
from pathlib import Path
from tap_inventory.__main__ import main

def report():
    peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]
    sys.stderr.write(f"peak {peak} KiB\\n")

atexit.register(report)
main()
"""
MOST_MEMORY = 150 * 1024  # KiB
LARGE = 500_000


def _peak(tap: Harness, process: subprocess.Popen[bytes]) -> int:
    said = tap.processes.err(process).splitlines()[-1]
    return int(said.removeprefix("peak ").removesuffix(" KiB"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not tell")
def test_t25_half_a_million_rows_in_one_answer_fit_into_little_memory(
    tap: Harness, record_property: Callable[[str, str], None]
) -> None:
    tap.only(tap.stream)
    tap.serve(size=2)
    tap.turn(tap.traits.large)
    (tap.processes._folder / "cwd" / "measured.py").write_text(MEASURED)
    process = tap.processes.start(["measured", *tap.arguments(tap.config)])
    seen, count = set(), 0
    for line in _lines(process):
        if line.startswith(b'{"type":"RECORD"'):
            count += 1
            seen.add(
                hashlib.blake2b(line.partition(b',"time_extracted"')[0], digest_size=8).digest()
            )
    assert process.wait(timeout=30) == 0, tap.processes.err(process)
    assert count == len(seen) >= LARGE
    assert count == len(tap.rows())
    peak = _peak(tap, process)
    record_property("note", f"{count} rows of {tap.stream.name} within {peak / 1024:.0f} MiB")
    assert peak <= MOST_MEMORY


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
    tap.assert_last_line(Result(code, b"", lines[-1]))


def test_t29_a_consumer_that_leaves_ends_the_run(tap: Harness) -> None:
    tap.serve_rows(1500)
    process = tap.start_process()
    _read(process, 100)
    assert process.stdout is not None
    process.stdout.close()
    _assert_ended(tap, process, 10, within=2)


def test_t29_a_full_disk_ends_the_run(tap: Harness) -> None:
    with Path("/dev/full").open("wb") as full:
        process = tap.start_process(stdout=full)
    _until(lambda: bool(tap.reads) or process.poll() is not None)
    _assert_ended(tap, process, 10, within=2)
    assert "No space left" in tap.processes.err(process)


@pytest.mark.parametrize(
    ("kind", "pause", "number"), [("hang", 0, signal.SIGTERM), ("trickle", 0.01, signal.SIGINT)]
)
def test_t30_a_signal_in_the_middle_of_a_page_ends_the_run(
    tap: Harness, kind: str, pause: float, number: signal.Signals
) -> None:
    state = tap.start("incremental")
    armed = tap.inject(kind, seconds=pause, skip=tap.later, times=None)
    out = tap.folder / "out.jsonl"
    with out.open("wb") as file:
        process = tap.start_process(state, stdout=file)
    _until(lambda: armed.fired > 0)
    process.send_signal(number)
    _assert_ended(tap, process, 128 + number, within=5)
    tap.assert_recovers(Result(process.returncode, out.read_bytes(), ""), state)


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


def test_t30_a_signal_while_nobody_reads_ends_the_run_with_a_whole_line(tap: Harness) -> None:
    tap.serve_rows(1500)
    process = tap.start_process()
    _until(lambda: _is_blocked(process))
    process.send_signal(signal.SIGTERM)
    _assert_ended(tap, process, 143, within=30)
    out, _ = process.communicate()
    tap.assert_recovers(Result(process.returncode, out, ""))


def test_a_run_as_a_process_says_what_the_run_inside_says(tap: Harness) -> None:
    inside, outside = tap.run(), tap.run(process=True)
    assert outside.code == 0, outside.log
    for stream in tap.streams:
        assert tap.subject.keys(inside, stream) == tap.subject.keys(outside, stream)
        assert inside.of("SCHEMA", stream.name) == outside.of("SCHEMA", stream.name)
    tap.assert_complete(outside)
    assert json.loads(outside.out.splitlines()[-1])["type"] == "STATE"
