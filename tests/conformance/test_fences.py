"""The fences around the tests bite: a leak, a connection or a wait is found."""

from __future__ import annotations

import base64
import json
import logging
import socket
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

import pytest
import requests
import requests_mock

from tests.conftest import Canaries, FakeClock, FenceError, canary_secrets, leaks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Fences, Finished, Processes

SECRET = 'planted p@ss/w0rd&+é"'
FORMS = {
    "raw": SECRET,
    "upper case": SECRET.upper(),
    "percent": quote(SECRET, safe=""),
    "percent, slash kept": quote(SECRET),
    "form": quote_plus(SECRET),
    "query": urlencode({"a": 1, "password": SECRET, "b": 2}),
    "percent twice": quote(quote(SECRET, safe=""), safe=""),
    "form twice": quote(quote_plus(SECRET), safe=""),
    "JSON": json.dumps({"p": SECRET}),
    "JSON in JSON": json.dumps(json.dumps({"p": SECRET})),
    "JSON with slashes": json.dumps(SECRET).replace("/", r"\/"),
    "repr": repr({"p": SECRET}),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "basic": base64.b64encode(f"someone:{SECRET}".encode()).decode(),
    "basic, other user": base64.b64encode(f"me:{SECRET}".encode()).decode(),
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_found_in_every_encoding(form: str) -> None:
    assert leaks(f"before {form} after", [SECRET])
    assert not leaks("before ***** after", [SECRET])


def test_there_are_secrets_to_look_for() -> None:
    assert canary_secrets()
    assert all(len(secret) >= 8 for secret in canary_secrets())


@pytest.fixture
def planted() -> Canaries:
    """A scan of its own, so that what is planted here fails nothing else."""
    return Canaries(secrets=(SECRET,))


def test_a_leak_is_found_in_what_pytest_captured(planted: Canaries) -> None:
    assert planted.hits([("Captured stderr call", f"x {SECRET} x")])
    assert not planted.hits([("Captured stderr call", "x")])


def test_a_leak_is_found_in_files(planted: Canaries, tmp_path: Path) -> None:
    planted.watch(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "state.json").write_text(SECRET)
    assert planted.hits()


def test_a_leak_is_found_in_output_that_a_test_has_read(
    canaries: Canaries, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.stdout.write("marked out\n")
    sys.stderr.write("marked err\n")
    assert capsys.readouterr().out == "marked out\n"
    assert canaries.texts["stdout"] == {"marked out\n"}
    assert canaries.texts["stderr"] == {"marked err\n"}


def test_a_leak_is_found_in_logs_at_debug(canaries: Canaries) -> None:
    logging.getLogger("some.library").debug("marked %s", "record")
    assert any("marked record" in text for text in canaries.texts["log"])


@pytest.mark.processes
def test_a_leak_is_found_in_what_a_process_leaves_behind(
    run_process: Callable[..., Finished], processes: Processes, canaries: Canaries
) -> None:
    leave = "import sys; print('marked out'); print('marked err', file=sys.stderr)"
    (processes._folder / "cwd" / "leave.py").write_text(
        f"{leave}; open(__import__('tempfile').mkstemp()[1], 'w').write('marked file')"
    )
    assert run_process(["leave"]).out == b"marked out\n"
    for mark in ("marked out", "marked err", "marked file"):
        assert replace(canaries, secrets=(mark,)).hits(), mark


def test_no_connection_leaves_this_machine(fences: Fences) -> None:
    with socket.socket() as sock, pytest.raises(FenceError):
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(FenceError):
        socket.getaddrinfo("shop.example", 443)
    assert len(fences.violations) == 2
    fences.violations.clear()


def test_nothing_goes_through_requests() -> None:
    with pytest.raises(requests_mock.NoMockAddress):
        requests.get("http://127.0.0.1:1/", timeout=1)


def test_no_test_really_waits(fences: Fences) -> None:
    with pytest.raises(FenceError):
        time.sleep(5)
    fences.violations.clear()


def test_waiting_on_the_fake_clock_costs_no_time_and_is_remembered() -> None:
    moved: list[float] = []
    clock = FakeClock(moved.append)
    before, now, begin = clock.monotonic(), clock.now(), time.monotonic()
    clock.sleep(3600)
    assert clock.monotonic() - before >= 3600
    assert (clock.now() - now).total_seconds() >= 3600
    assert clock.sleeps == moved == [3600]
    assert time.monotonic() - begin < 1
