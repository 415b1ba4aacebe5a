"""Promise: a command ends with the contract's exit code and one line that says why."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
import pytest

from inventory_providers import command, errors, redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    factory, root = logging.getLogRecordFactory(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.setLogRecordFactory(factory)
    root.handlers[:], root.level = handlers, level
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[], int | None]:
    def work() -> int | None:
        raise error

    return work


# ---- exit codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.InputError, 2),
        (errors.Denied, 3),
        (errors.Malformed, 4),
        (errors.Unavailable, 5),
        (errors.Rejected, 7),
        (errors.Uncertain, 8),
        (errors.OutputError, 10),
    ],
)
def test_each_error_has_its_code_and_one_line(
    kind: type[errors.InventoryError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command._outcome("a-command", raising(kind("it broke", place="shop"))) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("a-command: shop: it broke")
    assert err.endswith("\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(signum: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert command._outcome("a-command", raising(errors.Stopped(signum))) == code
    assert signal.Signals(signum).name in capsys.readouterr().err


def test_a_closed_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert command._outcome("a-command", raising(BrokenPipeError())) == 10
    assert "closed the pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BrokenPipeError(), "closed the pipe"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
    ids=["closed", "full"],
)
def test_whatever_is_wrong_with_standard_output_is_an_output_error(
    error: OSError, said: str
) -> None:
    with pytest.raises(errors.OutputError, match=said), command.standard_output():
        raise error


def test_a_standard_output_that_was_never_open_is_an_output_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(errors.OutputError, match="closed"), command.standard_output():
        pytest.fail("there is nothing to write to")


def test_what_still_waits_in_a_full_standard_output_ends_with_10(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert command._outcome("a-command", lambda: full.write("x") and None) == 10
        monkeypatch.undo()
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (7, 7)])
def test_what_the_work_returns(returned: int | None, code: int) -> None:
    assert command._outcome("a-command", lambda: returned) == code


def test_a_defect_of_ours_shows_a_place_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    redaction.register("hunter22-defect")
    assert command._outcome("a-command", raising(ZeroDivisionError("hunter22-defect"))) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError in test_command.py:" in err
    assert "Traceback" not in err
    assert "hunter22" not in err
    assert err.count("\n") == 1


def test_the_last_line_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    redaction.register("hunter22-last")
    command.say("a-command", "sent hunter22-last")
    assert capsys.readouterr().err == "a-command: sent *****\n"


# ---- files of the command line -------------------------------------------------------------------

FILES: dict[str, tuple[bytes | None, str]] = {
    "not JSON": (b'{"password": "hunter22"', "not JSON"),
    "a list": (b"[]", "must hold a JSON object"),
    "null": (b"null", "must hold a JSON object"),
    "a number": (b"5", "must hold a JSON object"),
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "truncated": (b'{"bookmarks": {"a": ', "not JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8"),
    "deep": (b"[" * 100_000, "not JSON"),
    "missing": (None, "cannot read"),
    "many digits": (b'{"a": ' + b"7" * 5000 + b"}", "not JSON"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_is_named_and_not_shown(name: str, tmp_path: Path) -> None:
    content, expected = FILES[name]
    path = tmp_path / "a file.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=expected) as caught:
        command.read_json_object(str(path), "configuration")
    assert "hunter22" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).startswith("configuration: ")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="cannot read"):
        command.read_json_object(str(tmp_path), "state")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert command.read_json_object(str(path), "configuration") == {"a": 1}


def test_secrets_in_a_file_are_known_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"x": {"password": "hunter22-file"}}')
    command.read_json_object(str(path), "configuration")
    assert "hunter22-file" not in redaction.redact("hunter22-file")


def test_several_files_are_merged_and_the_later_one_wins(tmp_path: Path) -> None:
    for name, document in (("a", {"x": 1, "y": 1}), ("b", {"y": 2})):
        (tmp_path / name).write_text(json.dumps(document))
    paths = [str(tmp_path / "a"), "ENV", str(tmp_path / "b")]
    assert command.read_config(paths) == ({"x": 1, "y": 2}, True)
    assert command.read_config([]) == ({}, False)


# ---- variables of the environment ----------------------------------------------------------------

PREFIX = "A_COMMAND_"


class Plugin:
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"mode": {}, "guards": {}}}

    @staticmethod
    def append_builtin_config(schema: dict[str, Any]) -> None:
        schema["properties"]["plan_path"] = {}


def names_checked(*, used: bool = True) -> contextlib.AbstractContextManager[None]:
    return command.environment_names(PREFIX, Plugin, used=used)


@pytest.mark.parametrize(
    ("name", "meant"), [("MOD", "MODE"), ("PLANPATH", "PLAN_PATH"), ("GUARD", "GUARDS")]
)
def test_a_variable_that_is_nearly_a_setting_is_refused_with_both_names(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + name, "hunter22")
    with pytest.raises(errors.ConfigError) as caught, names_checked():
        pytest.fail("nothing shall be read")
    told = f"{PREFIX}{name} is not a setting (did you mean {PREFIX}{meant}?)"
    assert str(caught.value).startswith(f"environment: {told}")
    assert "hunter22" not in str(caught.value)


def test_every_variable_that_is_nearly_a_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOD", "GUARD"):
        monkeypatch.setenv(PREFIX + name, "x")
    with pytest.raises(errors.ConfigError, match=r"GUARDS\?\).*MODE\?\)"), names_checked():
        pytest.fail("nothing shall be read")


def test_a_variable_that_a_file_brings_meanwhile_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(errors.ConfigError, match="MODE"), names_checked():
        monkeypatch.setenv(f"{PREFIX}MOD", "x")


def test_variables_that_others_make_are_left_alone_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = ["PORT", "PORT_80_TCP", "SERVICE_HOST", "_LOAD_SCHEMA"]
    for name in [*made, "MODE", "LOGLEVEL"]:
        monkeypatch.setenv(PREFIX + name, "hunter22")
    monkeypatch.setenv("ANOTHER_COMMAND_MOD", "x")
    with names_checked():
        pass
    named = ", ".join(PREFIX + name for name in made)
    assert caplog.messages == [f"environment: left alone, since they are no settings: {named}"]


def test_where_the_environment_is_not_read_nobody_looks_at_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("MOD", "PORT"):
        monkeypatch.setenv(PREFIX + name, "x")
    with names_checked(used=False):
        pass
    assert caplog.messages == []


# ---- click ---------------------------------------------------------------------------------------


def test_a_wrong_option_is_a_wrong_configuration() -> None:
    @click.command()
    @click.option("--n", type=int)
    def parser(n: int) -> int:
        return n

    for arguments in (["--none"], ["--n", "x"], ["more"]):
        sys.argv, before = ["a-command", *arguments], sys.argv
        try:
            with pytest.raises(errors.ConfigError, match="command line"):
                command.click_main(parser)
        finally:
            sys.argv = before


# ---- logging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "level"),
    [
        ({}, "INFO"),
        ({"LOGLEVEL": "debug"}, "DEBUG"),
        ({"TAP_INVENTORY_LOGLEVEL": "WARNING", "LOGLEVEL": "DEBUG"}, "WARNING"),
    ],
)
def test_the_log_level(
    variables: dict[str, str], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGLEVEL", "TAP_INVENTORY_LOGLEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    command.set_up_logging("tap-inventory")
    assert logging.getLogger().level == logging.getLevelName(level)
    assert logging.getLogger("httpx").level == logging.WARNING


def test_a_log_level_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGLEVEL", "LOUD")
    with pytest.raises(errors.ConfigError, match="LOGLEVEL"):
        command.set_up_logging("tap-inventory")


# ---- signals -------------------------------------------------------------------------------------


def stop_myself() -> None:
    """A SIGTERM to this process; Python handles it before the next line or two."""
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(100):
        time.sleep(0.01)


def test_a_signal_stops_at_once() -> None:
    signals = command.Signals()
    signals.listen()
    with pytest.raises(errors.Stopped):
        stop_myself()
    assert signals.stop is not None


def test_a_signal_waits_for_a_step_that_must_not_be_cut() -> None:
    signals, done = command.Signals(), []
    signals.listen()

    def work() -> None:
        with signals.deferred():
            with signals.deferred():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("never")

    with pytest.raises(errors.Stopped):
        work()
    assert done == ["inner", "outer"]


def test_an_error_inside_a_deferred_step_is_not_replaced_by_the_signal() -> None:
    signals = command.Signals()
    signals.listen()

    def work() -> None:
        with signals.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


# ---- real processes ------------------------------------------------------------------------------


def process(work: str, **kwargs: Any) -> subprocess.Popen[bytes]:
    code = textwrap.dedent("""
        import sys, time, signal, os
        from inventory_providers import command, errors
        def work():
        {}
        command.SIGNALS.listen()
        command.run("a-command", work)
        """).format(textwrap.indent(textwrap.dedent(work), "    "))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **kwargs,
    )


@pytest.mark.processes
@pytest.mark.parametrize(
    ("work", "code", "last"),
    [
        ("print('done')", 0, ""),
        ("raise errors.Denied('no', place='shop')", 3, "a-command: shop: no"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)", 143, "SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)", 130, "SIGINT"),
        (
            (
                "import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
                "raise errors.Unavailable('gone')"
            ),
            5,
            "gone",
        ),
    ],
)
def test_how_a_process_ends(work: str, code: int, last: str) -> None:
    with process(work) as running:
        out, err = running.communicate(timeout=20)
    assert running.returncode == code
    assert last in (err.decode().splitlines() or [""])[-1]
    assert b"Traceback" not in err
    assert out == (b"done\n" if code == 0 else b"")


@pytest.mark.processes
def test_a_reader_that_leaves_ends_the_process_with_10_and_one_line() -> None:
    with process("while True: print('x' * 1000)") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(100)
        running.stdout.close()
        err = running.stderr.read()
        assert running.wait(timeout=20) == 10
    (line,) = err.decode().splitlines()
    assert line.startswith("a-command: output: the reader closed the pipe")


@pytest.mark.processes
def test_a_standard_error_that_is_closed_changes_no_exit_code() -> None:
    with process("sys.stderr.close()\nraise errors.Denied('no')") as running:
        running.communicate(timeout=20)
    assert running.returncode == 3
