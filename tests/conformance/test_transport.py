"""What a connection, a server or a sign-in can do wrong (T01 to T12, T16)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import certifi
import pytest
import trustme

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tests.conftest import encodings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conformance.harness import Harness, Result


def _assert_not_repeated(tap: Harness) -> None:
    """One request; where there is a sign-in, one more after a new one; each part for itself."""
    tries = 2 if tap.traits.sign_in else 1
    parts = max(len(tap.subject.parts(stream)) for stream in tap.streams)
    assert len(tap.reads) <= tries * parts
    assert len(tap.others) <= tries * parts * tap.traits.sign_in
    assert not tap.clock.sleeps, "it waited and tried again"


def _assert_denied(tap: Harness, result: Result) -> None:
    assert result.code == 3, result.last_line
    assert f"{tap.provider}." in result.last_line
    tap.subject.assert_earned(result)
    _assert_not_repeated(tap)


@pytest.mark.parametrize("status", [401, 403])
def test_t01_a_refused_sign_in_is_not_repeated(tap: Harness, status: int) -> None:
    tap.inject("status", status=status, times=None)
    result = tap.run()
    _assert_denied(tap, result)
    named = [f"{tap.provider}.{name}" in result.last_line for name in tap.secret_settings()]
    assert any(named), result.last_line


@pytest.mark.processes
def test_t01_the_command_does_not_repeat_it_either(tap: Harness) -> None:
    tap.inject("status", status=401, times=None)
    _assert_denied(tap, tap.run(process=True))


def test_t01_a_refusal_in_the_providers_own_words_is_one_too(tap: Harness) -> None:
    for switch in tap.traits.refusals.values():
        tap.serve()
        tap.turn(switch)
        _assert_denied(tap, tap.run())


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_t02_retry_after_is_waited_for(tap: Harness, form: str) -> None:
    moment = datetime.fromtimestamp(tap.server.clock.now(), UTC) + timedelta(seconds=21)
    after = "20" if form == "seconds" else format_datetime(moment, usegmt=True)
    tap.inject("status", status=429, headers={"Retry-After": after})
    result = tap.run()
    first, second, *_ = tap.reads
    assert second.at - first.at >= 19.9
    tap.assert_complete(result)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "20"}], ids=["plain", "retry-after"])
def test_t03_a_provider_that_is_busy_for_ever_is_left_after_the_budget(
    tap: Harness, headers: dict[str, str]
) -> None:
    tap.inject("status", status=429, headers=headers, times=None)
    result = tap.run()
    assert result.code == 5
    assert result.seconds <= 1.1 * tap.policy.budget
    assert len(tap.reads) > 3
    tap.assert_recovers(result)


@pytest.mark.processes
def test_t03_a_wait_longer_than_the_budget_is_not_begun(tap: Harness) -> None:
    tap.inject("status", status=429, headers={"Retry-After": "3600"}, times=None)
    result = tap.run(process=True)
    assert result.code == 5
    assert len(tap.reads) <= tap.subject.reading_parts


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "15"}], ids=["plain", "retry-after"])
def test_t04_an_outage_of_a_minute_and_a_half_is_sat_out(
    tap: Harness, headers: dict[str, str]
) -> None:
    tap.inject("status", status=503, headers=headers, times=6)
    result = tap.run()
    assert sum(tap.clock.sleeps) >= (90 if headers else 15)
    tap.assert_complete(result)


BREAKAGES = (
    "reset_before_headers",
    "reset_mid_body",
    "short_length",
    "cut_chunked",
    "cut_plain",
    "bad_gzip",
)


@pytest.mark.parametrize("kind", BREAKAGES)
def test_t05_a_broken_answer_is_asked_for_again(tap: Harness, kind: str, page: int) -> None:
    armed = tap.inject(kind, skip=page)
    result = tap.run()
    assert armed.fired == 1
    tap.assert_complete(result)


@pytest.mark.parametrize("kind", ["reset_mid_body", "cut_plain", "bad_gzip"])
def test_t05_so_it_is_within_an_incremental_read(tap: Harness, kind: str) -> None:
    state = tap.start("incremental")
    armed = tap.inject(kind, skip=tap.later)
    result = tap.run(state)
    assert armed.fired == 1
    tap.assert_complete(result)


@pytest.mark.parametrize("kind", ["html", "empty"])
def test_t06_an_unreadable_answer_passes(tap: Harness, kind: str) -> None:
    armed = tap.inject(kind, status=200, skip=tap.later)
    result = tap.run()
    assert armed.fired == 1
    tap.assert_complete(result)


@pytest.mark.parametrize("kind", ["html", "empty"])
def test_t06_unreadable_answers_for_ever_are_not_an_outage(tap: Harness, kind: str) -> None:
    tap.inject(kind, status=200, times=None)
    result = tap.run()
    assert result.code == 4
    tap.subject.assert_earned(result)


def test_t07_an_error_with_status_200_moves_no_state(tap: Harness) -> None:
    tap.inject("body", body=tap.traits.failure, skip=tap.later, times=None)
    result = tap.run()
    assert result.code == 4
    tap.subject.assert_earned(result)
    tap.assert_recovers(result)


def test_t07_an_error_at_once_leaves_no_bookmark(tap: Harness) -> None:
    tap.inject("body", body=tap.traits.failure, times=None)
    result = tap.run()
    assert result.code == 4
    tap.subject.assert_earned(result)
    assert not any(result.records(stream.name) for stream in tap.streams)


def test_t07_an_error_within_an_incremental_read_leaves_the_state_behind_the_rows(
    tap: Harness,
) -> None:
    state = tap.start("incremental")
    tap.inject("body", body=tap.traits.failure, skip=tap.later, times=None)
    result = tap.run(state)
    assert result.code == 4
    tap.assert_recovers(result, state)


def test_t08_a_lost_session_is_opened_again(tap: Harness) -> None:
    if not tap.traits.session_lost:
        pytest.skip(f"{tap.provider} has no session that could be lost.")
    tap.configure(**tap.traits.session)
    assert tap.run().code == 0
    usual = len(tap.others)
    status, body = tap.traits.session_status, tap.traits.session_lost
    armed = tap.inject("status", status=status, body=body, skip=tap.later)
    result = tap.run()
    assert armed.fired == 1
    assert len(tap.others) == 2 * usual + 1
    tap.assert_complete(result)


def test_t08_a_session_that_is_always_lost_is_opened_again_once(tap: Harness) -> None:
    if not tap.traits.session_lost:
        pytest.skip(f"{tap.provider} has no session that could be lost.")
    tap.configure(**tap.traits.session)
    status, body = tap.traits.session_status, tap.traits.session_lost
    # Not for ever: a tap that never gave up would not be noticed.
    tap.inject("status", status=status, body=body, times=100)
    result = tap.run()
    assert result.code == 3, result.last_line
    assert len(tap.reads) <= 2 * tap.subject.reading_parts
    tap.subject.assert_earned(result)


def test_t08_the_answer_to_another_request_is_refused(tap: Harness) -> None:
    if tap.traits.wrong_id is None:
        pytest.skip(f"The answers of {tap.provider} do not name the request that they are for.")
    tap.inject("edit", edit=tap.traits.wrong_id, times=None)
    assert tap.run().code == 4


def test_t09_an_undocumented_answer_is_named(tap: Harness, page: int) -> None:
    for name, (edit, key) in tap.traits.undocumented.items():
        tap.calm()
        armed = tap.inject("edit", edit=edit, skip=page, times=None)
        result = tap.run()
        assert armed.fired, name
        assert result.code == 4, (name, result.last_line)
        assert key in result.last_line, (name, result.last_line)
        tap.subject.assert_earned(result)


@pytest.mark.parametrize(("kind", "pause"), [("trickle", 0.02), ("hang", 0)])
def test_t10_an_answer_without_end_is_left(tap: Harness, kind: str, pause: float) -> None:
    patience, begun = tap.patience(), len(tap.reads)
    limits = {"deadline": 0.4 / patience, "idle": 0.2 / patience}
    tap.hurry(**limits, budget=0.9, first_wait=0.05, longest_wait=0.1)
    tap.inject(kind, seconds=pause, times=None)
    result = tap.run()
    assert result.code == 5, result.last_line
    # The last try of the first call may begin with the budget's end; all others are tried once.
    busy_machine = 2.0
    assert result.seconds <= 0.9 + 0.4 + 0.4 * tap.subject.reading_parts + busy_machine
    assert len(tap.reads) - begun >= 2
    tap.calm()


@pytest.fixture
def elsewhere(tap: Harness) -> Iterator[SandboxServer]:
    """Another host that would answer well."""
    with SandboxServer(rooms(Clock(), size=1, names=[tap.provider])) as server:
        yield server


def _assert_not_followed(tap: Harness, elsewhere: SandboxServer, result: Result) -> None:
    assert result.code == 4
    assert elsewhere.connections == 0
    assert any(f"{tap.provider}.{name}" in result.last_line for name in tap.url_settings())


@pytest.mark.parametrize("status", [302, 307])
def test_t11_no_redirect_is_followed(tap: Harness, elsewhere: SandboxServer, status: int) -> None:
    tap.inject("redirect", status=status, location=f"{elsewhere.url}/x", times=None)
    _assert_not_followed(tap, elsewhere, tap.run())


def test_t11_none_of_the_sign_in_is_followed_either(tap: Harness, elsewhere: SandboxServer) -> None:
    if not tap.traits.sign_in:
        pytest.skip(f"{tap.provider} has no request for signing in.")
    tap.inject("redirect", path=None, status=307, location=f"{elsewhere.url}/x", times=None)
    _assert_not_followed(tap, elsewhere, tap.run())
    assert not tap.reads


@pytest.mark.processes
def test_t11_the_command_follows_none(tap: Harness, elsewhere: SandboxServer) -> None:
    tap.inject("redirect", status=307, location=f"{elsewhere.url}/x", times=None)
    _assert_not_followed(tap, elsewhere, tap.run(process=True))


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
    assert tap.server.connections <= tap.subject.reading_parts
    assert not tap.server.received


@pytest.mark.processes
def test_t12_a_wrong_certificate_ends_the_command_at_once(tap: Harness) -> None:
    tap.serve(ssl_context=_tls("127.0.0.1")[0])
    result = tap.run(process=True)
    assert result.code == 4
    assert tap.server.connections <= tap.subject.reading_parts


def test_t12_a_right_certificate_is_accepted(
    tap: Harness, trust: Callable[[trustme.CA], None]
) -> None:
    context, authority = _tls("127.0.0.1")
    trust(authority)
    tap.serve(ssl_context=context)
    result = tap.run()
    tap.assert_complete(result)


def _echo(tap: Harness) -> bytes:
    """A page that repeats the request, every credential in every encoding."""
    mine = tap.config[tap.provider]
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in mine.items())
    forms = [form for secret in tap.room.secrets() for form in {secret, *encodings(secret)}]
    return "\n".join([f"GET /{tap.traits.read}?{query}", *forms]).encode()


def _inject_echo(tap: Harness, fault: str) -> set[int]:
    """Arm it; the exit codes that it may end with."""
    body = _echo(tap)
    details: dict[str, Any] = {"headers": {"X-Echo": "; ".join(tap.room.secrets())}, "body": body}
    location = f"{tap.server.url}/?p={quote(tap.room.secrets()[0])}"
    kind, more, codes = ECHOES[fault]
    tap.inject(kind, **details | {"location": location, "times": None} | more)
    return codes


ECHOES: dict[str, tuple[str, dict[str, Any], set[int]]] = {
    "denied": ("status", {"status": 401}, {3}),
    "not found": ("status", {"status": 404}, {2, 4}),  # a wrong address, or a wrong answer
    "once": ("status", {"status": 500, "times": 1}, {0}),
    "for ever": ("status", {"status": 500}, {5}),
    "html": ("html", {"status": 200}, {4}),
    "answer": ("body", {}, {4}),
    "redirect": ("redirect", {}, {4}),
}


@pytest.mark.parametrize("fault", ECHOES)
def test_t16_an_answer_that_repeats_the_credentials_shows_none(tap: Harness, fault: str) -> None:
    codes = _inject_echo(tap, fault)
    assert tap.run().code in codes


@pytest.mark.processes
def test_t16_the_command_shows_no_secret_at_debug(tap: Harness) -> None:
    codes = _inject_echo(tap, "denied")
    result = tap.run(process=True, env={"LOGLEVEL": "DEBUG"})
    assert result.code in codes
    assert any("DEBUG" in line for line in result.log), "not at DEBUG"


@pytest.mark.parametrize("kind", [*BREAKAGES, "html", "empty"])
def test_t16_no_breakage_shows_a_secret(tap: Harness, kind: str) -> None:
    tap.inject(kind, status=200, times=None)
    assert tap.run().code in {4, 5}


@pytest.mark.parametrize("fault", [None, "once", "denied"])
def test_t16_the_tap_shows_no_secret_in_the_logs_of_a_host(tap: Harness, fault: str | None) -> None:
    """Who uses the tap as a library has logging of their own, at whatever level."""
    tap.guarded = False
    codes = _inject_echo(tap, fault) if fault else {0}
    assert tap.run().code in codes
