"""What a connection, a server or a sign-in can do wrong (T01 to T12, T16)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import certifi
import pytest
import trustme

from inventory_providers.environment import SystemClock
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tests.conftest import encodings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conformance.harness import Harness, Result

in_process_and_real = pytest.mark.parametrize(
    "process", [False, pytest.param(True, marks=pytest.mark.processes)], ids=["inside", "process"]
)


def _assert_denied(tap: Harness, result: Result) -> None:
    assert result.code == 3
    assert tap.requests == 1
    named = [f"{tap.provider}.{name}" in result.last_line for name in tap.secret_settings()]
    assert any(named), result.last_line
    assert not result.has_bookmark


@pytest.mark.parametrize("status", [401, 403])
@in_process_and_real
def test_t01_a_refused_sign_in_is_not_repeated(tap: Harness, status: int, process: bool) -> None:
    tap.inject("status", status=status, times=None)
    _assert_denied(tap, tap.run(process=process))


def test_t01_a_refusal_in_the_providers_own_words_is_one_too(tap: Harness) -> None:
    assert tap.facts.refusals
    for switch in tap.facts.refusals.values():
        tap.serve()
        tap.room.turn(*switch)
        result = tap.run()
        assert result.code == 3
        assert tap.requests == 1
        assert f"{tap.provider}." in result.last_line


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_t02_retry_after_is_waited_for(tap: Harness, form: str) -> None:
    moment = datetime.fromtimestamp(tap.server.clock.now(), UTC) + timedelta(seconds=21)
    after = "20" if form == "seconds" else format_datetime(moment, usegmt=True)
    tap.inject("status", status=429, headers={"Retry-After": after})
    result = tap.run()
    first, second, *_ = tap.server.requests(tap.provider)
    assert second.at - first.at >= 19.9
    assert result.code == 0
    tap.assert_all_rows(result)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "20"}], ids=["plain", "retry-after"])
def test_t03_a_provider_that_is_busy_for_ever_is_left_after_the_budget(
    tap: Harness, headers: dict[str, str]
) -> None:
    tap.inject("status", status=429, headers=headers, times=None)
    result = tap.run()
    assert result.code == 5
    assert result.seconds <= 1.1 * tap.policy.budget
    assert tap.requests > 3
    tap.assert_recovers(result)


@pytest.mark.processes
def test_t03_a_wait_longer_than_the_budget_is_not_begun(tap: Harness) -> None:
    tap.inject("status", status=429, headers={"Retry-After": "3600"}, times=None)
    result = tap.run(process=True)
    assert result.code == 5
    assert tap.requests == 1


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "15"}], ids=["plain", "retry-after"])
def test_t04_an_outage_of_a_minute_and_a_half_is_sat_out(
    tap: Harness, headers: dict[str, str]
) -> None:
    tap.inject("status", status=503, headers=headers, times=6)
    result = tap.run()
    assert result.code == 0
    assert sum(tap.clock.sleeps) >= (90 if headers else 15)
    tap.assert_all_rows(result)


BREAKAGES = (
    "reset_before_headers",
    "reset_mid_body",
    "short_length",
    "cut_chunked",
    "cut_plain",
    "bad_gzip",
)


@pytest.mark.parametrize("kind", BREAKAGES)
@pytest.mark.parametrize("page", [1, 2])
def test_t05_a_broken_answer_is_asked_for_again(
    tap: Harness, kind: str, page: int, reading: str
) -> None:
    armed = tap.inject(kind, skip=page - 1)
    result = tap.run(tap.start(reading))
    assert armed.fired == 1
    assert result.code == 0, result.last_line
    tap.assert_all_rows(result)
    tap.assert_no_duplicates(result)


@pytest.mark.parametrize("kind", ["html", "empty"])
def test_t06_an_unreadable_answer_passes(tap: Harness, kind: str) -> None:
    tap.inject(kind, status=200, skip=1)
    result = tap.run()
    assert result.code == 0
    tap.assert_all_rows(result)


@pytest.mark.parametrize("kind", ["html", "empty"])
@in_process_and_real
def test_t06_unreadable_answers_for_ever_are_not_an_outage(
    tap: Harness, kind: str, process: bool
) -> None:
    tap.inject(kind, status=200, times=None)
    result = tap.run(process=process)
    assert result.code == 4
    assert not result.has_bookmark


@in_process_and_real
def test_t07_an_error_with_status_200_moves_no_state(tap: Harness, process: bool) -> None:
    tap.inject("body", body=tap.facts.failure, skip=1, times=None)
    result = tap.run(process=process)
    assert result.code == 4
    assert not result.has_bookmark
    tap.assert_recovers(result)


def test_t07_an_error_within_an_incremental_read_leaves_the_state_behind_the_rows(
    tap: Harness,
) -> None:
    tap.inject("body", body=tap.facts.failure, skip=1, times=None)
    result = tap.run(tap.state_since())
    assert result.code == 4
    tap.assert_recovers(result, tap.state_since())


def test_t08_a_lost_session_is_opened_again(tap: Harness) -> None:
    tap.inject("body", body=tap.facts.session_lost, skip=1)
    result = tap.run()
    assert result.code == 0
    tap.assert_all_rows(result)


def test_t08_the_answer_to_another_request_is_refused(tap: Harness) -> None:
    tap.inject("edit", edit=tap.facts.wrong_id, times=None)
    assert tap.run().code == 4


@pytest.mark.parametrize("page", [1, 2])
def test_t09_an_undocumented_answer_is_named(tap: Harness, page: int) -> None:
    assert tap.facts.undocumented
    for name, (edit, key) in tap.facts.undocumented.items():
        tap.calm()
        tap.inject("edit", edit=edit, skip=page - 1, times=None)
        result = tap.run()
        assert result.code == 4, name
        assert key in result.last_line, name
        assert not result.has_bookmark, name


@pytest.mark.processes
def test_t09_an_undocumented_answer_is_named_by_the_command(tap: Harness) -> None:
    tap.inject("body", body=b"null", times=None)
    assert tap.run(process=True).code == 4


@pytest.mark.parametrize(("kind", "pause"), [("trickle", 0.02), ("hang", 0)])
def test_t10_an_answer_without_end_is_left(tap: Harness, kind: str, pause: float) -> None:
    tap.hurry(deadline=0.4, idle=0.2, budget=0.9, first_wait=0.05, longest_wait=0.1)
    tap.clock = SystemClock()  # type: ignore[assignment]
    tap.inject(kind, seconds=pause, times=None)
    result = tap.run()
    assert result.code == 5
    assert result.seconds <= 0.9 + 2 * 0.4
    assert tap.requests >= 2
    tap.calm()


@pytest.fixture
def elsewhere(tap: Harness) -> Iterator[SandboxServer]:
    """Another host that would answer well."""
    with SandboxServer(rooms(Clock(), names=[tap.provider])) as server:
        yield server


@pytest.mark.parametrize("status", [302, 307])
@in_process_and_real
def test_t11_no_redirect_is_followed(
    tap: Harness, elsewhere: SandboxServer, status: int, process: bool
) -> None:
    tap.inject("redirect", status=status, location=f"{elsewhere.url}/x", times=None)
    result = tap.run(process=process)
    assert result.code == 4
    assert elsewhere.connections == 0
    assert any(f"{tap.provider}.{name}" in result.last_line for name in tap.url_settings())


def _tls(identity: str, not_after: datetime | None = None) -> tuple[ssl.SSLContext, trustme.CA]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(identity, not_after=not_after).configure_cert(context)
    return context, authority


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[trustme.CA], None]:
    """Makes an authority one of those that the machine trusts."""

    def add(authority: trustme.CA) -> None:
        path = str(tmp_path / "ca.pem")
        authority.cert_pem.write_to_path(path)
        monkeypatch.setattr(certifi, "where", lambda: path)

    return add


YESTERDAY = datetime.now(UTC) - timedelta(days=1)
CERTIFICATES: dict[str, tuple[str, datetime | None, bool]] = {
    "self-signed": ("127.0.0.1", None, False),
    "wrong host": ("shop.example", None, True),
    "expired": ("127.0.0.1", YESTERDAY, True),
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
def test_t12_a_wrong_certificate_ends_the_run_at_once(
    tap: Harness, certificate: str, trust: Callable[[trustme.CA], None]
) -> None:
    identity, not_after, trusted = CERTIFICATES[certificate]
    context, authority = _tls(identity, not_after)
    if trusted:
        trust(authority)
    tap.serve(ssl_context=context)
    result = tap.run()
    assert result.code == 4
    assert result.seconds < 5
    assert not tap.clock.sleeps
    assert tap.server.connections == 1
    assert tap.requests == 0


@pytest.mark.processes
def test_t12_a_wrong_certificate_ends_the_command_at_once(tap: Harness) -> None:
    tap.serve(ssl_context=_tls("127.0.0.1")[0])
    result = tap.run(process=True)
    assert result.code == 4
    assert tap.server.connections == 1


def test_t12_a_right_certificate_is_accepted(
    tap: Harness, trust: Callable[[trustme.CA], None]
) -> None:
    context, authority = _tls("127.0.0.1")
    trust(authority)
    tap.serve(ssl_context=context)
    result = tap.run()
    assert result.code == 0, result.last_line
    tap.assert_all_rows(result)


def _echo(tap: Harness) -> bytes:
    """A page that repeats the request, every credential in every encoding."""
    mine = tap.config[tap.provider]
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in mine.items())
    forms = [form for secret in tap.room.secrets() for form in {secret, *encodings(secret)}]
    return "\n".join([f"GET /{tap.facts.read}?{query}", *forms]).encode()


ECHOES = ("denied", "not found", "once", "for ever", "html", "edit")


def _inject_echo(tap: Harness, fault: str) -> int:
    body = _echo(tap)
    headers = {"X-Echo": "; ".join(tap.room.secrets())}
    if fault in {"html", "edit"}:
        tap.inject("body" if fault == "edit" else "html", status=200, body=body, times=None)
        return 4
    status, times, code = {
        "denied": (401, None, 3),
        "not found": (404, None, 4),
        "once": (500, 1, 0),
        "for ever": (500, None, 5),
    }[fault]
    tap.inject("status", status=status, body=body, headers=headers, times=times)
    return code


@pytest.mark.parametrize("fault", ECHOES)
def test_t16_an_answer_that_repeats_the_credentials_shows_none(tap: Harness, fault: str) -> None:
    code = _inject_echo(tap, fault)
    assert tap.run().code == code


@pytest.mark.processes
@pytest.mark.parametrize("fault", ["denied", "once", "html", "reset", "redirect"])
def test_t16_the_command_shows_no_secret_at_debug(tap: Harness, fault: str) -> None:
    if fault == "reset":
        code = 0
        tap.inject("reset_mid_body")
    elif fault == "redirect":
        code = 4
        location = f"{tap.server.url}/?p={quote(tap.room.secrets()[0])}"
        tap.inject("redirect", location=location, times=None)
    else:
        code = _inject_echo(tap, fault)
    result = tap.run(process=True, env={"LOGLEVEL": "DEBUG"})
    assert result.code == code
    assert any("DEBUG" in line for line in result.log), "not at DEBUG"


@pytest.mark.parametrize("kind", [*BREAKAGES, "html", "empty"])
def test_t16_no_breakage_shows_a_secret(tap: Harness, kind: str) -> None:
    tap.inject(kind, status=200, times=None)
    assert tap.run().code in {4, 5}


@pytest.mark.parametrize("fault", [None, "once", "denied"])
def test_t16_the_tap_shows_no_secret_in_the_logs_of_a_host(tap: Harness, fault: str | None) -> None:
    """Who uses the tap as a library has logging of their own, at whatever level."""
    tap.guarded = False
    code = _inject_echo(tap, fault) if fault else 0
    assert tap.run().code == code
