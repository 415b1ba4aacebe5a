"""Promise: as a user runs it, the target ends with the right code and says what to do."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.target_inventory import singer
from tests.target_inventory.singer import level, passed_on, raw_level, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Processes
    from tests.target_inventory.conftest import Site

pytestmark = pytest.mark.processes

NAME = "target-inventory"
ADVICE = re.compile(
    r"\b(check|run again|remove|deselect|set|add|must|mend|is missing|configure|use|cannot be"
    r"|no such option|not json|cannot read|closed the pipe|cannot write|wait for"
    r"|raise the limit)\b",
    re.IGNORECASE,
)
TEN = [level(number, 500 + number) for number in range(10)]
INPUT = b"".join([schema(), *TEN, state()])


class Commands:
    """The target as a process, pointed at the site."""

    def __init__(self, site: Site, processes: Processes) -> None:
        self.site, self.processes = site, processes

    def args(self, **settings: Any) -> list[str]:
        """The command line for a configuration."""
        path = self.site.folder.parent / "config.json"
        path.write_text(json.dumps(self.site.config | settings))
        return ["target_inventory", "--config", str(path)]

    def run(self, stdin: bytes = INPUT, *more: str, **settings: Any) -> Finished:
        """To its end."""
        found = self.processes.run([*self.args(**settings), *more], stdin=stdin)
        check(found.code, found.err)
        return found

    def start(self, **how: Any) -> subprocess.Popen[bytes]:
        """A run that the test talks to while it goes on."""
        return self.processes.start(self.args(), stdin=subprocess.PIPE, **how)

    def feed(self, process: subprocess.Popen[bytes], data: bytes = INPUT) -> None:
        """The whole input, and its end."""
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.close()

    def ends(self, process: subprocess.Popen[bytes], code: int, within: float = 30) -> str:
        """Wait for it; the last line of its standard error."""
        assert process.wait(timeout=within) == code, self.processes.err(process)
        return check(code, self.processes.err(process))


def check(code: int, err: str) -> str:
    """No traceback; where it failed, a last line that is ours and says what to do."""
    assert "Traceback" not in err
    last = err.splitlines()[-1] if err.strip() else ""
    if code:
        assert last.startswith(f"{NAME}: "), err
        assert ADVICE.search(last), f"no advice in: {last}"
    return last


@pytest.fixture
def commands(site: Site, processes: Processes) -> Commands:
    return Commands(site, processes)


def _assert_applied_once(site: Site) -> None:
    assert sorted(change["dn_sku_id"] for change in site.applied) == sorted(
        map(singer.key, range(10))
    )
    assert [site.level(number) for number in range(10)] == [500 + number for number in range(10)]


def _until(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# ---- good runs -----------------------------------------------------------------------------------


def test_a_run_writes_and_passes_the_state_on(commands: Commands) -> None:
    """At DEBUG: the fences scan all of it for secrets."""
    found = commands.processes.run(commands.args(), stdin=INPUT, env={"LOGLEVEL": "DEBUG"})
    assert (found.code, found.out) == (0, passed_on())
    _assert_applied_once(commands.site)
    assert " DEBUG " in found.err
    assert "10 written, 10 verified" in check(0, found.err)


@pytest.mark.parametrize("name", ["dry_run", "plan", "sku_map", "MODE"])
def test_what_is_no_setting_is_refused_where_it_might_be_meant_to_save_a_shop(
    commands: Commands, name: str
) -> None:
    found = commands.run(**{name: "plan"})
    assert (found.code, commands.site.applied) == (2, [])
    assert f"{name} is not a setting" in found.err.splitlines()[-1]


def test_settings_of_others_are_no_mistake(commands: Commands) -> None:
    found = commands.run(add_record_metadata=True, emit_activate_version_messages=False)
    assert found.code == 0
    assert "without effect: add_record_metadata, emit_activate_version_messages" in found.err


def test_where_nobody_can_read_the_table_the_run_goes_on(commands: Commands) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", *commands.args()],
            input=INPUT,
            stdout=subprocess.PIPE,
            stderr=full,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, passed_on())
    _assert_applied_once(commands.site)


@pytest.mark.parametrize("setting", ["report_path", "plan_page_path"])
def test_the_input_is_not_written_over(commands: Commands, tmp_path: Path, setting: str) -> None:
    file = tmp_path / "counts.jsonl"
    file.write_bytes(INPUT)
    found = commands.run(b"", "--input", str(file), **{setting: str(file)})
    assert (found.code, file.read_bytes(), commands.site.applied) == (2, INPUT, [])


def test_a_journal_in_a_folder_that_is_missing_is_named(commands: Commands, tmp_path: Path) -> None:
    journal = tmp_path / "missing" / "j.sqlite"
    found = commands.run(journal_path=str(journal), dead_letter_path=None)
    assert found.code == 10
    assert f"cannot write the journal {journal}" in found.err.splitlines()[-1]


def test_tap_to_target_through_a_pipe_changes_nothing(commands: Commands) -> None:
    site, processes = commands.site, commands.processes
    before = site.rows()
    tap = processes.start(["tap_inventory", *commands.args()[1:]])
    target = processes.start(commands.args(), stdin=tap.stdout)
    assert tap.stdout is not None
    tap.stdout.close()
    out, _ = target.communicate(timeout=60)
    assert (tap.wait(timeout=30), target.returncode) == (0, 0), processes.err(target)
    assert len(out.splitlines()) == 1
    assert "deconetwork_inventory" in json.loads(out)["bookmarks"]
    assert (site.rows(), site.applied) == (before, [])
    assert "60 unchanged" in processes.err(target)


def test_the_letters_file_is_fed_back_with_input(commands: Commands) -> None:
    path = commands.site.dead_letters
    assert commands.run(schema() + level(0, -5)).code == 7
    path.write_text(path.read_text().replace('"inv_lvl":-5', '"inv_lvl":55'))
    found = commands.run(b"", "--input", str(path))
    assert (found.code, commands.site.level()) == (0, 55)


# ---- exit codes ----------------------------------------------------------------------------------


def _codes() -> dict[str, tuple[bytes, dict[str, Any], int, str]]:
    return {
        "garbage": (schema() + TEN[0] + state() + b"garbage\n", {}, 2, "line 4"),
        "cut off": (INPUT[:-9], {}, 2, "line 12"),
        "nowhere": (INPUT, {"levels_to": "amazon_fba"}, 2, "levels_to"),
        "guard": (INPUT, {"guards": {"max_changes": 9}}, 6, "guards.max_changes"),
        "rejected": (schema() + raw_level(0, "5.5") + state(), {}, 7, "letters.jsonl"),
        "letters": (schema() + level(99, 5), {"dead_letter_path": "/dev/full"}, 10, "/dev/full"),
    }


@pytest.mark.parametrize(("data", "settings", "code", "word"), _codes().values(), ids=_codes())
def test_it_ends_with_the_code_of_the_contract(
    commands: Commands, data: bytes, settings: dict[str, Any], code: int, word: str
) -> None:
    found = commands.run(data, **settings)
    assert found.code == code, found.err
    assert word in found.err.splitlines()[-1]


def test_a_wrong_password_ends_with_3(commands: Commands) -> None:
    commands.site._canaries.secrets += ("not-the-pass/word&1",)
    wrong = commands.site.provider | {"password": "not-the-pass/word&1"}
    found = commands.run(deconetwork=wrong)
    assert (found.code, found.out, len(commands.site.server.received)) == (3, b"", 1)
    assert "deconetwork.password" in found.err.splitlines()[-1]
    assert not commands.site.dead_letters.exists()


def test_an_unknown_outcome_ends_with_8_and_the_next_run_with_0(commands: Commands) -> None:
    commands.site.inject("reset_before_headers", apply=True)
    commands.site.room.turn("sale_in_between", True)
    found = commands.run()
    assert (found.code, found.out) == (8, b"")
    assert "run again" in found.err.splitlines()[-1].lower()
    commands.site.room.turn("sale_in_between", False)
    again = commands.run()
    assert (again.code, again.out) == (0, passed_on())
    assert [commands.site.level(number) for number in range(10)] == list(range(500, 510))


# ---- standard output that is closed or full (W17) ------------------------------------------------


def _rerun_writes_nothing_more(commands: Commands) -> None:
    again = commands.site.run(INPUT)
    assert (again.code, again.out) == (0, passed_on())
    _assert_applied_once(commands.site)


def test_w17_a_reader_that_has_gone_ends_the_run_with_10(commands: Commands) -> None:
    process = commands.start()
    assert process.stdout is not None
    process.stdout.close()
    commands.feed(process)
    commands.ends(process, 10)
    _rerun_writes_nothing_more(commands)


def test_w17_a_full_disk_ends_the_run_with_10(commands: Commands) -> None:
    with Path("/dev/full").open("wb") as full:
        process = commands.start(stdout=full)
    commands.feed(process)
    assert "No space left" in commands.ends(process, 10)
    _rerun_writes_nothing_more(commands)


def test_w17_a_standard_output_that_was_never_open_ends_with_10(commands: Commands) -> None:
    found = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", *commands.args()],
        input=INPUT,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        env=os.environ | {"TMPDIR": str(commands.site.folder)},
    )
    commands.site._canaries.saw("stderr", found.stderr)
    assert found.returncode == 10, found.stderr
    check(10, found.stderr.decode())
    _rerun_writes_nothing_more(commands)


# ---- signals (W14) -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("applied", "number"),
    [(True, signal.SIGTERM), (False, signal.SIGTERM), (True, signal.SIGINT)],
)
def test_w14_a_signal_with_a_batch_in_flight(
    commands: Commands, applied: bool, number: signal.Signals
) -> None:
    armed = commands.site.inject("hang", apply=applied)
    process = commands.start()
    commands.feed(process)
    _until(lambda: armed.fired > 0)
    # It is counted before it is executed.
    _until(lambda: not applied or len(commands.site.applied) == 10)
    process.send_signal(number)
    last = commands.ends(process, 128 + number, within=5)
    assert "run again" in last
    assert process.stdout is not None
    assert process.stdout.read() == b"", "acknowledged though nobody knows"
    _rerun_writes_nothing_more(commands)


def test_a_signal_while_the_input_is_open_writes_nothing(commands: Commands) -> None:
    process = commands.start()
    assert process.stdin is not None
    process.stdin.write(INPUT)
    process.stdin.flush()
    # It says nothing while it reads: give it the time to start.
    _until(lambda: _has_read_all(process))
    process.send_signal(signal.SIGINT)
    commands.ends(process, 130, within=5)
    process.stdin.close()
    assert process.stdout is not None
    assert process.stdout.read() == b""
    assert not commands.site.server.received


def _has_read_all(process: subprocess.Popen[bytes]) -> bool:
    """Whether nothing of its input is left in the pipe."""
    assert process.stdin is not None
    waiting = fcntl.ioctl(process.stdin, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", waiting)[0]) == 0


def test_w14_killed_with_a_batch_in_flight(commands: Commands) -> None:
    armed = commands.site.inject("hang", apply=True)
    process = commands.start()
    commands.feed(process)
    _until(lambda: armed.fired > 0 and len(commands.site.applied) == 10)
    process.kill()
    assert process.wait(timeout=10) == -signal.SIGKILL
    _rerun_writes_nothing_more(commands)


# ---- a second run (W16) --------------------------------------------------------------------------


def _second_run_does_nothing(commands: Commands) -> None:
    """It waits neither for the first nor for its own input, which is never closed here."""
    before, letters = len(commands.site.server.received), commands.site.dead_letters.exists()
    second = commands.start()
    last = commands.ends(second, 9, within=10)
    assert "another run holds the journal" in last
    assert second.stdout is not None
    assert second.stdout.read() == b""
    assert len(commands.site.server.received) == before
    assert commands.site.dead_letters.exists() == letters


def test_w16_a_second_run_while_the_first_reads_its_input(commands: Commands) -> None:
    first = commands.start()
    assert first.stdin is not None
    first.stdin.write(INPUT)
    first.stdin.flush()
    _until(lambda: _has_read_all(first))
    _second_run_does_nothing(commands)
    assert first.poll() is None
    first.stdin.close()
    commands.ends(first, 0)
    assert first.stdout is not None
    assert first.stdout.read() == passed_on()
    _assert_applied_once(commands.site)


@pytest.mark.parametrize("applied", [True, False])
def test_w16_a_second_run_while_the_first_waits_for_an_answer(
    commands: Commands, applied: bool
) -> None:
    armed = commands.site.inject("hang", apply=applied)
    first = commands.start()
    commands.feed(first)
    _until(lambda: armed.fired > 0)
    _second_run_does_nothing(commands)
    first.kill()
    assert first.wait(timeout=10) == -signal.SIGKILL
    _rerun_writes_nothing_more(commands)


def test_w16_a_plan_while_the_first_run_writes_says_so(commands: Commands) -> None:
    armed = commands.site.inject("hang")
    first = commands.start()
    commands.feed(first)
    _until(lambda: armed.fired > 0)
    before = len(commands.site.server.received)
    assert commands.run(mode="plan").code == 9
    assert len(commands.site.server.received) == before


# ---- a journal that cannot be kept (W17) ---------------------------------------------------------


def _nothing_was_asked(commands: Commands, found: Finished, code: int) -> None:
    assert (found.code, found.out) == (code, b""), found.err
    assert "journal" in found.err.splitlines()[-1]
    assert commands.site.server.received == []


@pytest.mark.parametrize("place", ["/proc/journal.sqlite", "/sys/journal.sqlite", "missing", "."])
def test_w17_a_journal_that_cannot_be_made_ends_with_10(commands: Commands, place: str) -> None:
    """As root, too, whom no mode stops."""
    path = str(commands.site.folder / "missing" / "journal.sqlite") if place == "missing" else place
    _nothing_was_asked(commands, commands.run(journal_path=path), 10)


def test_w17_a_journal_below_a_file_ends_with_10(commands: Commands) -> None:
    (commands.site.folder / "file").write_bytes(b"")
    path = commands.site.folder / "file" / "journal.sqlite"
    _nothing_was_asked(commands, commands.run(journal_path=str(path)), 10)


def _a_database(path: Path, mode: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("CREATE TABLE stock (sku TEXT)")
        other.commit()


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("sku,level\n" * 500),
    "database": lambda path: _a_database(path, "delete"),
    "database with a log": lambda path: _a_database(path, "wal"),
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("kind", ["text", "database", "database with a log"])
def test_w17_a_journal_path_that_is_something_else_keeps_what_is_in_it(
    commands: Commands, kind: str
) -> None:
    path = commands.site.folder / "other"
    FOREIGN[kind](path)
    before = path.read_bytes()
    _nothing_was_asked(commands, commands.run(journal_path=str(path)), 2)
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", FOREIGN)
def test_w17_a_journal_path_that_is_something_else_stays_open_to_others(
    commands: Commands, kind: str
) -> None:
    """It might be somebody's file, or /dev/null."""
    path = commands.site.folder / "other"
    FOREIGN[kind](path)
    path.chmod(0o644)
    found = commands.run(journal_path=str(path))
    assert found.code in {2, 10}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_w17_a_journal_that_cannot_grow_writes_nothing(commands: Commands) -> None:
    """A limit on the size of files stands in for a disk that is full."""
    many = b"".join([schema(), *(level(number, 500 + number) for number in range(30)), state()])
    assert commands.run(schema() + state()).code == 0
    size = commands.site.journal.path.stat().st_size // 1024
    commands.site.server.reset()
    limited = ["bash", "-c", f'ulimit -f {size}; exec "$@"', "bash"]
    found = subprocess.run(
        [*limited, sys.executable, "-m", *commands.args()],
        input=many,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | {"TMPDIR": str(commands.site.folder)},
    )
    commands.site._canaries.saw("stderr", found.stderr)
    assert (found.returncode, found.stdout) == (10, b""), found.stderr
    assert "journal" in check(10, found.stderr.decode())
    assert {request.method for request in commands.site.server.received} <= {"GET"}
    assert commands.run(many).code == 0
    assert len(commands.site.applied) == 30


# ---- options -------------------------------------------------------------------------------------


def test_version(processes: Processes) -> None:
    found = processes.run(["target_inventory", "--version"])
    assert found.code == 0
    assert re.search(rb"\d+\.\d+\.\d+", found.out)


@pytest.mark.parametrize("form", [None, "json", "markdown"])
def test_about(processes: Processes, form: str | None) -> None:
    more = [] if form is None else ["--format", form]
    found = processes.run(["target_inventory", "--about", *more])
    assert found.code == 0, found.err
    text = found.out.decode()
    for name in (NAME, "deconetwork", "mode", "journal_path", "guards", "stream_maps"):
        assert name in text
    for name in ("add_record_metadata", "batch_size_rows"):
        assert name not in text, f"{name} means nothing here"
    if form == "json":
        assert set(json.loads(text)["capabilities"]) == {"about", "stream-maps"}


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--input", "/missing/file"], "/missing/file"),
        (["--inptu", "x"], "--inptu"),
        (["--about", "--format", "xml"], "xml"),
    ],
)
def test_a_wrong_option_ends_with_2(commands: Commands, args: list[str], word: str) -> None:
    found = commands.run(b"", *args)
    assert (found.code, found.out) == (2, b"")
    assert word in found.err.splitlines()[-1]


def test_a_configuration_that_is_not_there_ends_with_2(processes: Processes) -> None:
    found = processes.run(["target_inventory", "--config", "missing.json"], stdin=INPUT)
    assert (found.code, found.out) == (2, b"")
    assert "missing.json" in check(2, found.err)


def test_without_a_configuration_it_ends_with_2(processes: Processes) -> None:
    found = processes.run(["target_inventory"], stdin=INPUT)
    assert (found.code, found.out) == (2, b"")
    assert "deconetwork" in check(2, found.err)
