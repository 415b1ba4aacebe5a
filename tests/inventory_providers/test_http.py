"""Promises of the one door to the network. Waits are counted on a clock that does not wait."""

from __future__ import annotations

import gzip
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import IO, TYPE_CHECKING, Any

import pytest

from inventory_providers import redaction
from inventory_providers.environment import Policy
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    ScratchError,
    Unavailable,
    Uncertain,
)
from inventory_providers.http import (
    PASSING,
    Answer,
    Call,
    Door,
    Garbled,
    Names,
    SignInAgain,
    TryAgain,
    default_user_agent,
    encode,
)
from inventory_providers.spool import Scratch
from inventory_providers.stored import Rows
from tests.inventory_providers.fakes import NOON, FakeClock, environment, small_disk
from tests.inventory_providers.shop import Says, Shop, document, refused_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GET = Call("GET", "/stock")
WRITE = Call("POST", "/stock", form=[("n", "1")], repeatable=False)
NAMES = Names("shop", ("username", "password"))
QUICK = Policy(idle=0.5, deadline=1.0, connect=2.0)


def body(document: Any, answer: Answer) -> Any:
    return document


def door(shop: Shop | str, clock: FakeClock | None = None, **kwargs: Any) -> Door:
    url = shop if isinstance(shop, str) else shop.url
    policy = kwargs.pop("policy", Policy())
    return Door(url, names=NAMES, environment=environment(policy, clock or FakeClock()), **kwargs)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    secrets, pattern = set(redaction._secrets), redaction._pattern
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
    redaction._secrets.clear()
    redaction._secrets.update(secrets)
    redaction._pattern = pattern


# ---- what is sent --------------------------------------------------------------------------------


def test_a_request_as_it_arrives() -> None:
    call = Call("GET", "/stock", query=[("a b", "c&d"), ("x[1][y]", "é")], headers={"X-One": "1"})
    with Shop() as shop, door(shop) as it:
        assert it.json(call, body) == {"ok": True}
        assert it.requests == 1
    (asked,) = shop.asked
    assert (asked.method, asked.target) == ("GET", "/stock?a%20b=c%26d&x%5B1%5D%5By%5D=%C3%A9")
    assert asked.headers["x-one"] == "1"
    assert asked.headers["user-agent"] == default_user_agent()
    assert asked.headers["user-agent"].startswith("singer-inventory/")


def test_a_form_as_it_arrives() -> None:
    with Shop() as shop, door(shop) as it:
        it.json(WRITE, body)
    (asked,) = shop.asked
    assert (asked.method, asked.body) == ("POST", b"n=1")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


def test_the_user_agent_of_the_configuration() -> None:
    with Shop() as shop:
        with Door(
            shop.url, names=NAMES, environment=replace(environment(), user_agent="mine/1")
        ) as it:
            it.json(GET, body)
        assert shop.asked[0].headers["user-agent"] == "mine/1"


@pytest.mark.parametrize("base", ["/", "", "/api/"])
def test_the_path_follows_the_base_with_one_slash(base: str) -> None:
    with Shop() as shop, door(shop.url + base) as it:
        it.json(GET, body)
    assert shop.asked[0].target == base.rstrip("/") + "/stock"


def test_credentials_are_put_in_for_each_try_and_only_then() -> None:
    tokens = iter(("one", "two"))

    def sign(call: Call) -> Call:
        return replace(call, headers={"Authorization": next(tokens)})

    with Shop(Says(503), Says()) as shop, door(shop, sign=sign) as it:
        it.json(GET, body)
    assert [asked.headers["authorization"] for asked in shop.asked] == ["one", "two"]


def test_the_pace_is_taken_before_each_try() -> None:
    takes: list[int] = []

    class Counting:
        def take(self) -> None:
            takes.append(len(shop.asked))

    with Shop(Says(503), Says(503), Says()) as shop, door(shop, pace=Counting()) as it:
        it.json(GET, body)
    assert takes == [0, 1, 2]


def test_encode_writes_a_blank_that_every_server_reads() -> None:
    assert encode([("a", "b c+d/é")]) == "a=b%20c%2Bd%2F%C3%A9"


# ---- statuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 599])
def test_a_passing_status_is_tried_again(status: int, clock: FakeClock) -> None:
    with Shop(Says(status), Says(status), Says()) as shop, door(shop, clock) as it:
        assert it.json(GET, body) == {"ok": True}
    assert len(shop.asked) == 3
    assert len(clock.slept) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_sign_in_is_asked_once_and_names_the_settings(
    status: int, clock: FakeClock
) -> None:
    with Shop(Says(status)) as shop, door(shop, clock) as it:
        with pytest.raises(Denied, match=r"shop\.username and shop\.password"):
            it.json(GET, body)
        assert len(shop.asked) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 418, 422, 451])
def test_a_status_that_nobody_documented_is_not_tried_again(status: int) -> None:
    with Shop(Says(status)) as shop, door(shop) as it:
        with pytest.raises(Malformed, match=rf"{status}.*shop\.api_url"):
            it.json(GET, body)
        assert len(shop.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Shop() as other:
        elsewhere = Says(status, headers={"Location": f"{other.url}/stock?token=1"})
        with Shop(elsewhere) as shop, door(shop) as it:
            with pytest.raises(Malformed, match=r"redirect.*shop\.api_url"):
                it.json(GET, body)
            assert len(shop.asked) == 1
        assert other.asked == []


# ---- waiting -------------------------------------------------------------------------------------


def test_retry_after_in_seconds_is_obeyed(clock: FakeClock) -> None:
    with Shop(Says(429, headers={"Retry-After": "20"}), Says()) as shop, door(shop, clock) as it:
        it.json(GET, body)
    assert clock.slept == [20]


def test_retry_after_is_obeyed_where_the_room_says_what_the_answer_means(
    clock: FakeClock,
) -> None:
    def explain(answer: Answer) -> Exception:
        return TryAgain(f"busy, HTTP {answer.status}")

    busy = Says(503, headers={"Retry-After": "20"})
    with Shop(busy, Says()) as shop, door(shop, clock, explain=explain) as it:
        it.json(GET, body)
    assert clock.slept == [20]


@pytest.mark.parametrize("value", ["t\u00f6ken", "a\nb"], ids=ascii)
def test_a_credential_that_fits_no_header_is_a_wrong_setting(value: str) -> None:
    def sign(call: Call) -> Call:
        return replace(call, headers={"Authorization": value})

    with Shop() as shop, door(shop, sign=sign) as it:
        with pytest.raises(ConfigError, match="header"):
            it.json(GET, body)
        assert not shop.asked


def test_retry_after_as_a_date_is_obeyed(clock: FakeClock) -> None:
    date = format_datetime(NOON + timedelta(seconds=45), usegmt=True)
    with Shop(Says(503, headers={"Retry-After": date}), Says()) as shop, door(shop, clock) as it:
        it.json(GET, body)
    assert clock.slept == [45]


@pytest.mark.parametrize("after", ["0", format_datetime(NOON - timedelta(seconds=45), usegmt=True)])
def test_a_provider_that_says_at_once_is_still_given_time(clock: FakeClock, after: str) -> None:
    with Shop(Says(503, headers={"Retry-After": after}), Says()) as shop, door(shop, clock) as it:
        it.json(GET, body)
    assert 0 < clock.slept[0] <= 1


@pytest.mark.parametrize("after", ["soon", "", "-5", "1.5", "²"])
def test_a_retry_after_that_is_none_is_no_reason_to_fail(after: str, clock: FakeClock) -> None:
    says = Says(503, headers={"Retry-After": after, "Connection": "close"})
    with Shop(says, Says()) as shop, door(shop, clock) as it:
        assert it.json(GET, body) == {"ok": True}
    assert len(clock.slept) == 1
    assert 0 < clock.slept[0] <= 1


def test_a_retry_after_for_ever_stops_within_the_budget(clock: FakeClock) -> None:
    with Shop(Says(429, headers={"Retry-After": "20"})) as shop, door(shop, clock) as it:
        with pytest.raises(Unavailable, match="429"):
            it.json(GET, body)
        assert len(shop.asked) == 7, "120 s of budget hold six waits of 20 s"
    assert clock.monotonic() <= 120


def test_a_retry_after_beyond_the_budget_is_not_waited_for(clock: FakeClock) -> None:
    with Shop(Says(429, headers={"Retry-After": "3600"})) as shop, door(shop, clock) as it:
        with pytest.raises(Unavailable):
            it.json(GET, body)
        assert len(shop.asked) == 1
    assert clock.slept == []


def test_503_for_90_seconds_is_survived(clock: FakeClock) -> None:
    with Shop(*[Says(503)] * 6, Says()) as shop, door(shop, clock) as it:
        assert it.json(GET, body) == {"ok": True}


def test_503_for_ever_stops_at_the_budget(clock: FakeClock) -> None:
    with Shop(Says(503)) as shop, door(shop, clock) as it:
        with pytest.raises(Unavailable, match=r"HTTP 503, \d+ times in \d+ s"):
            it.json(GET, body)
        assert 5 <= len(shop.asked) <= 20
    assert 100 <= clock.monotonic() <= 132


def test_waits_grow_and_differ(clock: FakeClock) -> None:
    with Shop(Says(503)) as shop, door(shop, clock) as it, pytest.raises(Unavailable):
        it.json(GET, body)
    assert clock.slept[0] < clock.slept[3]
    assert max(clock.slept) <= 30
    assert len(set(clock.slept)) > 3


# ---- answers that cannot be read -----------------------------------------------------------------

CUT_OFF = {
    "reset": Says(reset=True),
    "short length": Says(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"ok"'),
    "cut chunk": Says(raw=b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"ok"'),
    "cut without length": Says(raw=b'HTTP/1.1 200 OK\r\n\r\n{"ok"'),
    "no HTTP": Says(raw=b"hello\r\n\r\n"),
    "bad gzip": Says(headers={"Content-Encoding": "gzip"}, body=b"\x1f\x8b\x08\x00nonsense"),
    "cut gzip": Says(
        headers={"Content-Encoding": "gzip"}, body=gzip.compress(b'{"ok":true}' * 99)[:-20]
    ),
    "HTML": Says(body=b" <html>oops</html>"),
    "empty": Says(body=b""),
    "blank": Says(body=b" \r\n"),
    "invalid UTF-8": Says(body=b'{"ok":"\xff"}'),
    "NaN": Says(body=b'{"ok":NaN}'),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_an_answer_that_cannot_be_read_is_asked_for_again(name: str, clock: FakeClock) -> None:
    with Shop(CUT_OFF[name], Says()) as shop, door(shop, clock) as it:
        assert it.json(GET, body) == {"ok": True}
        assert len(shop.asked) == 2


@pytest.mark.parametrize(
    "name", [n for n in CUT_OFF if n not in {"reset", "short length", "cut chunk", "no HTTP"}]
)
def test_one_that_stays_so_is_malformed_after_few_tries(name: str, clock: FakeClock) -> None:
    with Shop(CUT_OFF[name]) as shop, door(shop, clock) as it:
        with pytest.raises(Malformed, match=r"shop\.api_url"):
            it.json(GET, body)
        assert len(shop.asked) == 3


def test_a_compressed_answer_is_read() -> None:
    says = Says(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b'{"ok":1}'))
    with Shop(says) as shop, door(shop) as it:
        assert it.json(GET, body) == {"ok": 1}


def test_no_answer_in_time_is_tried_again(clock: FakeClock) -> None:
    release = threading.Event()
    hang = Says(before=lambda: release.wait(5) and None)
    policy = replace(QUICK, idle=0.1)
    with Shop(hang, Says()) as shop, door(shop, clock, policy=policy) as it:
        assert it.json(GET, body) == {"ok": True}
        release.set()
        assert len(shop.asked) == 2


def test_a_trickle_ends_at_the_deadline(clock: FakeClock) -> None:
    # Each byte takes ten seconds of the clock; the idle time is never exceeded.
    trickle = Says(chunks=tuple(bytes([n]) for n in b'{"ok":1}'), between=_pause(clock))
    with Shop(trickle) as shop, door(shop, clock, policy=Policy(budget=100)) as it:
        with pytest.raises(Unavailable, match="no answer in time"):
            it.json(GET, body)
        tries = len(shop.asked)
    assert clock.monotonic() <= tries * 60 + 100


def _pause(clock: FakeClock) -> Callable[[], None]:
    gate = threading.Event()

    def pause() -> None:
        clock.step(10)
        gate.wait(0.02)  # lets the reader see each byte on its own

    return pause


def test_an_answer_beyond_the_size_is_not_read_to_its_end() -> None:
    policy = replace(QUICK, max_bytes=1024 * 1024)
    with Shop(Says(body=b'"' + b"x" * 2**22 + b'"')) as shop, door(shop, policy=policy) as it:
        with pytest.raises(Malformed, match="larger than 1 MiB"):
            it.json(GET, body)
        assert len(shop.asked) == 1


def test_a_small_body_that_grows_by_decompression_counts_as_what_it_becomes() -> None:
    policy = replace(QUICK, max_bytes=1024 * 1024)
    bomb = gzip.compress(b'"' + b"x" * 2**24 + b'"')
    says = Says(headers={"Content-Encoding": "gzip"}, body=bomb)
    with (
        Shop(says) as shop,
        door(shop, policy=policy) as it,
        pytest.raises(Malformed, match="larger than 1 MiB"),
    ):
        it.json(GET, body)


def test_nobody_listens(clock: FakeClock) -> None:
    with door(f"http://127.0.0.1:{refused_port()}", clock) as it:
        with pytest.raises(Unavailable, match="no connection"):
            it.json(GET, body)
        assert it.requests > 3


def waits(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "trying again" in line]


def test_each_wait_without_a_connection_names_the_setting_and_the_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = refused_port()
    with door(f"http://127.0.0.1:{port}") as it, pytest.raises(Unavailable):
        it.json(GET, body)
    assert len(waits(caplog)) > 3
    for line in waits(caplog):
        assert line.startswith("shop: no connection (check shop.api_url); trying again in ")
        assert line.endswith(" s, for at most 120 s")
        assert str(port) not in line


def test_a_wait_for_a_provider_that_answers_has_the_limit_and_doubts_no_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Shop(Says(503), Says()) as shop, door(shop) as it:
        it.json(replace(GET, budget=40.0), body)
    (line,) = waits(caplog)
    assert line.startswith("shop: HTTP 503; trying again in ")
    assert line.endswith(" s, for at most 40 s")


def test_a_server_that_speaks_no_tls_is_told_from_one_that_is_not_trusted() -> None:
    plain = Says(raw=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with (
        Shop(plain) as shop,
        door(shop.url.replace("http:", "https:")) as it,
        pytest.raises(Malformed, match=r"the server seems to speak no TLS there.*shop\.api_url"),
    ):
        it.json(GET, body)


# ---- what changes stock is not repeated ----------------------------------------------------------


@pytest.mark.parametrize(
    "says",
    [Says(500), Says(502), Says(503), Says(504), *CUT_OFF.values()],
    ids=["500", "502", "503", "504", *CUT_OFF],
)
def test_a_write_whose_answer_is_lost_is_uncertain_and_sent_once(
    says: Says, clock: FakeClock
) -> None:
    with Shop(says) as shop, door(shop, clock) as it:
        with pytest.raises(Uncertain, match="not known"):
            it.json(WRITE, body)
        assert len(shop.asked) == 1
    assert clock.slept == []


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_write_that_was_not_taken_is_sent_again(status: int, clock: FakeClock) -> None:
    with Shop(Says(status), Says()) as shop, door(shop, clock) as it:
        assert it.json(WRITE, body) == {"ok": True}
        assert len(shop.asked) == 2
        assert len({asked.body for asked in shop.asked}) == 1


def test_a_write_that_never_left_is_unavailable_not_uncertain(clock: FakeClock) -> None:
    with door(f"http://127.0.0.1:{refused_port()}", clock) as it, pytest.raises(Unavailable):
        it.json(WRITE, body)


def test_a_write_that_hangs_is_uncertain(clock: FakeClock) -> None:
    release = threading.Event()
    hang = Says(before=lambda: release.wait(5) and None)
    with Shop(hang) as shop, door(shop, clock, policy=replace(QUICK, idle=0.1)) as it:
        with pytest.raises(Uncertain):
            it.json(WRITE, body)
        release.set()


UNANSWERED = ("reset", "short length", "cut chunk", "no HTTP")


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_write_tells_no_answer_at_all_from_one_that_says_nothing(
    name: str, clock: FakeClock
) -> None:
    with (
        Shop(CUT_OFF[name]) as shop,
        door(shop, clock) as it,
        pytest.raises(Uncertain) as caught,
    ):
        it.json(WRITE, body)
    assert caught.value.silent == (name in UNANSWERED)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_that_gets_an_error_was_answered(status: int, clock: FakeClock) -> None:
    with (
        Shop(Says(status)) as shop,
        door(shop, clock) as it,
        pytest.raises(Uncertain) as caught,
    ):
        it.json(WRITE, body)
    assert not caught.value.silent


@pytest.mark.parametrize(
    ("answers", "silent"),
    [
        ([Says(503)], False),
        ([Says(reset=True), Says(503)], True),
        ([Says(503), Says(503), Says(reset=True), Says(503)], True),
    ],
)
def test_one_try_without_an_answer_is_remembered_when_it_gives_up(
    answers: list[Says], silent: bool, clock: FakeClock
) -> None:
    """What may be repeated is repeated; the try that nobody answered may have been carried out."""
    with (
        Shop(*answers) as shop,
        door(shop, clock) as it,
        pytest.raises(Unavailable) as caught,
    ):
        it.json(replace(WRITE, repeatable=True), body)
    assert caught.value.silent is silent


def test_what_never_left_is_not_in_doubt(clock: FakeClock) -> None:
    with (
        door(f"http://127.0.0.1:{refused_port()}", clock) as it,
        pytest.raises(Unavailable) as caught,
    ):
        it.json(WRITE, body)
    assert not caught.value.silent


# ---- the room's own check ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Malformed, Denied, Rejected])
def test_what_the_check_raises_comes_out_at_once(kind: type[InventoryError]) -> None:
    def check(document: Any, answer: Answer) -> None:
        raise kind("because")

    with Shop() as shop, door(shop) as it:
        with pytest.raises(kind, match="because"):
            it.json(GET, check)
        assert len(shop.asked) == 1


def test_the_check_can_ask_for_another_try(clock: FakeClock) -> None:
    def check(document: Any, answer: Answer) -> Any:
        if document == 1:
            raise TryAgain("busy", after=7)
        return document

    with Shop(Says(body=b"1"), Says(body=b"2")) as shop, door(shop, clock) as it:
        assert it.json(GET, check) == 2
    assert clock.slept == [7]


def test_the_check_sees_headers_and_the_providers_clock() -> None:
    says = Says(
        raw=b"HTTP/1.1 200 OK\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\n"
        b"Content-Length: 2\r\nConnection: close\r\nX-Y: z\r\n\r\n{}"
    )
    with Shop(says) as shop, door(shop) as it:
        answer = it.json(GET, lambda document, answer: answer)
    assert answer.headers["x-y"] == "z"
    assert answer.date() == NOON


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Sun, 99 Mar 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1200"],
)
def test_a_clock_that_cannot_be_read_is_none(date: str) -> None:
    assert Answer(200, {"date": date}, b"", 0.0).date() is None


def test_a_clock_without_a_zone_is_in_utc() -> None:
    date = {"date": "Sun, 01 Mar 2026 12:00:00"}
    assert Answer(200, date, b"", 0.0).date() == datetime(2026, 3, 1, 12, tzinfo=UTC)


# ---- new credentials after a 401 -----------------------------------------------------------------


def test_credentials_are_renewed_once_after_a_401() -> None:
    renewals: list[int] = []
    with Shop(Says(401), Says()) as shop, door(shop, renew=lambda: renewals.append(1)) as it:
        assert it.json(GET, body) == {"ok": True}
        assert len(shop.asked) == 2
    assert renewals == [1]


def test_a_401_after_the_renewal_is_final() -> None:
    renewals: list[int] = []
    with Shop(Says(401)) as shop, door(shop, renew=lambda: renewals.append(1)) as it:
        with pytest.raises(Denied):
            it.json(GET, body)
        assert len(shop.asked) == 2
    assert renewals == [1]


def test_each_call_may_renew() -> None:
    renewals: list[int] = []
    answers = (Says(401), Says(), Says(401), Says())
    with Shop(*answers) as shop, door(shop, renew=lambda: renewals.append(1)) as it:
        it.json(GET, body)
        it.json(GET, body)
    assert renewals == [1, 1]


def test_a_write_that_was_refused_by_401_is_sent_again_after_the_renewal() -> None:
    with Shop(Says(401), Says()) as shop, door(shop, renew=lambda: None) as it:
        assert it.json(WRITE, body) == {"ok": True}
        assert len(shop.asked) == 2


# ---- nothing from the environment ----------------------------------------------------------------


def test_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Shop() as proxy, Shop() as shop:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with door(shop) as it:
            it.json(GET, body)
        assert len(shop.asked) == 1
        assert proxy.asked == []


def test_no_credentials_from_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Shop() as shop, door(shop) as it:
        it.json(GET, body)
    assert "authorization" not in shop.asked[0].headers


def test_no_certificates_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    door("https://127.0.0.1").close()


# ---- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "says",
    [
        Says(401),
        Says(404),
        Says(302),
        Says(503),
        Says(body=b"<p>"),
        Says(body=b""),
        Says(reset=True),
    ],
    ids=lambda says: str(says.status),
)
def test_no_message_or_log_shows_url_body_or_credential(
    says: Says, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    echo = b"/stock?password=hunter22 " + says.body if says.body != b"" else b""
    says = replace(says, body=echo) if says.status != 200 else says
    call = replace(GET, query=[("password", "hunter22")], headers={"Authorization": "hunter22"})
    redaction.guard_logging()
    with (
        Shop(says) as shop,
        door(shop, clock) as it,
        caplog.at_level(logging.DEBUG),
        pytest.raises(InventoryError) as caught,
    ):
        it.json(call, body)
    shown = str(caught.value) + "".join(record.getMessage() for record in caplog.records)
    assert "hunter22" not in shown
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.place == "shop"
    assert str(caught.value).startswith("shop: ")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "shop.test", ""])
def test_a_base_that_is_no_web_address_is_a_wrong_setting(url: str) -> None:
    with door(url) as it, pytest.raises(ConfigError, match=r"shop\.api_url"):
        it.json(GET, body)


def test_many_threads_may_use_one_door() -> None:
    results: list[Any] = []
    with Shop(Says(body=document({"n": 1}))) as shop, door(shop) as it:
        threads = [
            threading.Thread(target=lambda: results.append(it.json(GET, body))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert it.requests == 8
    assert results == [{"n": 1}] * 8


# ---- bodies in a file ----------------------------------------------------------------------------

ROWS = document({"rows": [{"n": 1}, {"n": 2}], "total": 2})


def stored(it: Door, file: IO[bytes], call: Call = GET) -> Any:
    """The document of a call, with its rows read to their end."""
    found = it.stored(call, body, file=file, arrays=["rows"])
    return {**found, "rows": list(found["rows"])}


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    with Scratch() as scratch:
        yield scratch


def test_a_body_goes_into_the_file_and_its_lists_stay_there(file: IO[bytes]) -> None:
    with Shop(Says(body=ROWS)) as shop, door(shop) as it:
        found = it.stored(GET, body, file=file, arrays=["rows"])
    assert found["total"] == 2
    assert isinstance(found["rows"], Rows)
    assert list(found["rows"]) == [{"n": 1}, {"n": 2}]
    file.seek(0)
    assert file.read() == ROWS


def test_the_check_of_a_stored_body_may_ask_for_another(file: IO[bytes], clock: FakeClock) -> None:
    def check(document: Any, answer: Answer) -> Any:
        if not document["rows"]:
            raise TryAgain("not yet")
        return answer.status, list(document["rows"])

    answers = (Says(body=document({"rows": []})), Says(body=ROWS))
    with Shop(*answers) as shop, door(shop, clock) as it:
        found = it.stored(GET, check, file=file, arrays=["rows"])
    assert found == (200, [{"n": 1}, {"n": 2}])


HALF = b'{"rows":[{"n":7},{"n":8},{"n":9},{"n":10},{"n":11},{"n":12}'
BROKEN = {
    "cut off": Says(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + HALF),
    "cut off without a word": Says(raw=b"HTTP/1.1 200 OK\r\n\r\n" + HALF),
    "cut gzip": Says(
        headers={"Content-Encoding": "gzip"}, body=gzip.compress(HALF * 99 + b"]}")[:-9]
    ),
    "HTML": Says(body=b"<html>" + b"x" * 500),
    "empty": Says(body=b""),
    "503": Says(503, body=b"x" * 500),
}


@pytest.mark.parametrize("name", BROKEN)
def test_nothing_of_an_earlier_try_is_left_in_the_file(
    name: str, file: IO[bytes], clock: FakeClock
) -> None:
    with Shop(BROKEN[name], Says(body=ROWS)) as shop, door(shop, clock) as it:
        assert stored(it, file) == {"rows": [{"n": 1}, {"n": 2}], "total": 2}
        assert len(shop.asked) == 2
    file.seek(0)
    assert file.read() == ROWS


@pytest.mark.parametrize(
    ("says", "what"),
    [
        (Says(body=b"<html>"), "HTML"),
        (Says(body=b" "), "empty"),
        (Says(body=HALF), "not JSON"),
        (Says(body=b'{"rows":[NaN]}'), "NaN"),
    ],
    ids=["HTML", "empty", "cut", "NaN"],
)
def test_a_stored_body_that_cannot_be_read_is_malformed_after_few_tries(
    says: Says, what: str, file: IO[bytes], clock: FakeClock
) -> None:
    with Shop(says) as shop, door(shop, clock) as it:
        with pytest.raises(Malformed, match=rf"{what}.*3 times.*shop\.api_url"):
            stored(it, file)
        assert len(shop.asked) == 3


def test_a_refusal_is_no_body_for_the_file(file: IO[bytes]) -> None:
    said: list[bytes] = []

    def explain(answer: Answer) -> Exception:
        said.append(answer.body)
        return Malformed("as it says")

    with Shop(Says(409, body=b"because")) as shop, door(shop, explain=explain) as it:
        with pytest.raises(Malformed, match="as it says"):
            stored(it, file)
        assert len(shop.asked) == 1
    assert said == [b"because"]
    file.seek(0)
    assert file.read() == b""


def test_a_file_may_be_larger_than_memory_and_has_a_limit_of_its_own(file: IO[bytes]) -> None:
    policy = replace(QUICK, max_bytes=2**20, max_file_bytes=3 * 2**20)
    large = document({"rows": ["x" * 2**10] * 2**11})
    with Shop(Says(body=large)) as shop, door(shop, policy=policy) as it:
        assert len(stored(it, file)["rows"]) == 2**11
        with pytest.raises(Malformed, match="larger than 1 MiB"):
            it.json(GET, body)
    with Shop(Says(body=large * 2)) as shop, door(shop, policy=policy) as it:
        with pytest.raises(Malformed, match="larger than 3 MiB"):
            stored(it, file)
        assert len(shop.asked) == 1
    with (
        Shop(Says(404, body=large)) as shop,
        door(shop, policy=policy) as it,
        pytest.raises(Malformed, match="larger than 1 MiB"),
    ):
        stored(it, file)


@pytest.mark.parametrize("size", [100, 5_000, 200_000])
def test_a_full_disk_is_an_error_of_ours_and_no_fault_of_the_provider(size: int) -> None:
    says = Says(body=document({"rows": ["x" * size]}))

    def read(it: Door) -> Any:
        with Scratch() as scratch:
            return stored(it, scratch)

    with Shop(says) as shop, door(shop) as it:
        with small_disk(50), pytest.raises(ScratchError, match="temporary file") as caught:
            read(it)
        assert len(shop.asked) == 1
    assert caught.value.exit_code == 10


# ---- answers as they come ------------------------------------------------------------------------


def test_a_plain_answer_is_not_decoded() -> None:
    with Shop(Says(body=b"a,b\n1,\xff")) as shop, door(shop) as it:
        assert it.plain(GET, lambda answer: answer.body) == b"a,b\n1,\xff"


def test_a_plain_answer_that_cannot_be_read_is_treated_like_any_other(clock: FakeClock) -> None:
    def check(answer: Answer) -> bytes:
        if answer.body.startswith(b"<"):
            raise Garbled("HTML instead of CSV")
        return answer.body

    with Shop(Says(body=b"<"), Says(body=b"a,b")) as shop, door(shop, clock) as it:
        assert it.plain(GET, check) == b"a,b"
    with Shop(Says(body=b"<")) as shop, door(shop, clock) as it:
        with pytest.raises(Malformed, match="HTML instead of CSV, 3 times"):
            it.plain(GET, check)
        assert len(shop.asked) == 3


# ---- what a call may say of itself ---------------------------------------------------------------


def test_a_document_as_it_arrives() -> None:
    call = Call("POST", "/stock", document={"n": Decimal("1.10"), "big": 2**63 + 1, "é": None})
    with Shop() as shop, door(shop) as it:
        it.json(call, body)
    (asked,) = shop.asked
    assert asked.body == '{"n":1.10,"big":9223372036854775809,"é":null}'.encode()
    assert asked.headers["content-type"] == "application/json"


def test_what_is_encoded_already_arrives_byte_by_byte() -> None:
    """The body of an addition has to be the same each time, or its token is refused."""
    text = '{"n": 1.10,  "é":"\\u00e9"}'
    with Shop(Says(503), Says()) as shop, door(shop) as it:
        it.json(Call("POST", "/stock", encoded=text), body)
    assert [asked.body for asked in shop.asked] == [text.encode()] * 2
    assert {asked.headers["content-type"] for asked in shop.asked} == {"application/json"}


@pytest.mark.parametrize("empty", [{}, [], 0, False], ids=str)
def test_an_empty_document_is_a_document(empty: Any) -> None:
    with Shop() as shop, door(shop) as it:
        it.json(Call("POST", "/stock", document=empty), body)
    assert shop.asked[0].body == document(empty)


def test_a_sign_in_carries_no_credentials_of_ours_and_is_never_renewed() -> None:
    def unwanted(*_: Any) -> Any:
        pytest.fail("the sign-in itself is not signed")

    call = Call("POST", "/login", document={}, signed=False)
    with Shop(Says(401)) as shop, door(shop, sign=unwanted, renew=unwanted) as it:
        with pytest.raises(Denied, match=r"HTTP 401.*shop\.username"):
            it.json(call, body)
        assert len(shop.asked) == 1


@pytest.mark.parametrize(("patience", "tries"), [(1.0, 2), (2.0, 1)])
def test_patience_gives_each_try_more_time(
    patience: float, tries: int, clock: FakeClock, file: IO[bytes]
) -> None:
    # Nine bytes and ten seconds for each: more than a minute, less than two.
    trickle = Says(chunks=tuple(bytes([n]) for n in b'{"ok":10}'), between=_pause(clock))
    call = replace(GET, patience=patience)
    with Shop(trickle, Says(body=b'{"ok":10}')) as shop, door(shop, clock) as it:
        assert it.json(call, body) == {"ok": 10}
        assert len(shop.asked) == tries


@pytest.mark.parametrize(("budget", "most"), [(5.0, 5), (30.0, 30), (10_000.0, 120)])
def test_a_call_may_be_given_less_time_than_others_and_never_more(
    budget: float, most: float, clock: FakeClock
) -> None:
    with Shop(Says(503)) as shop, door(shop, clock) as it, pytest.raises(Unavailable):
        it.json(replace(GET, budget=budget), body)
    assert most * 0.5 <= clock.monotonic() <= most + 0.01
    assert len(shop.asked) > 2


# ---- sessions that end ---------------------------------------------------------------------------

ENDED = Denied("session expired", advice="Check shop.password")


def ending(*answers: Any) -> Callable[[Any, Answer], Any]:
    """A check for which the session has ended where the body is one of these."""

    def check(document: Any, answer: Answer) -> Any:
        if document in answers:
            raise SignInAgain(ENDED)
        return document

    return check


def test_a_session_that_ended_is_renewed_once_and_the_same_is_asked_again() -> None:
    renewals: list[int] = []
    with (
        Shop(Says(body=b"1"), Says(body=b"2")) as shop,
        door(shop, renew=lambda: renewals.append(len(shop.asked))) as it,
    ):
        assert it.json(GET, ending(1)) == 2
        assert [asked.target for asked in shop.asked] == ["/stock", "/stock"]
    assert renewals == [1]


@pytest.mark.parametrize(
    "answers",
    [
        (Says(body=b"1"),),
        (Says(401), Says(body=b"1")),
        (Says(body=b"1"), Says(401)),
        (Says(body=b"1"), Says(503), Says(body=b"1")),
    ],
    ids=["twice", "401 before", "401 after", "503 between"],
)
def test_a_session_that_ends_again_at_once_is_a_refusal(
    answers: tuple[Says, ...], clock: FakeClock
) -> None:
    renewals: list[int] = []
    with Shop(*answers) as shop, door(shop, clock, renew=lambda: renewals.append(1)) as it:
        with pytest.raises(Denied) as caught:
            it.json(GET, ending(1))
        assert len(shop.asked) == max(len(answers), 2)
    assert renewals == [1]
    assert caught.value.place == "shop"


def test_without_a_way_to_renew_it_is_a_refusal_at_once() -> None:
    with Shop(Says(body=b"1")) as shop, door(shop) as it:
        with pytest.raises(Denied, match="session expired"):
            it.json(GET, ending(1))
        assert len(shop.asked) == 1


def test_a_sign_in_is_not_renewed_for_what_its_answer_says() -> None:
    call = replace(GET, signed=False)
    with Shop(Says(body=b"1")) as shop, door(shop, renew=lambda: pytest.fail("renewed")) as it:
        with pytest.raises(Denied, match="session expired"):
            it.json(call, ending(1))
        assert len(shop.asked) == 1


def test_a_renewal_that_is_refused_is_the_end_of_it() -> None:
    def renew() -> None:
        raise Denied("wrong password", place="shop")

    with Shop(Says(401)) as shop, door(shop, renew=renew) as it:
        with pytest.raises(Denied, match="wrong password"):
            it.json(GET, body)
        assert len(shop.asked) == 1


def test_a_renewal_may_go_through_the_same_door() -> None:
    def renew() -> None:
        it.json(Call("POST", "/login", signed=False), body)

    with Shop(Says(401), Says(), Says(body=b"2")) as shop, door(shop, renew=renew) as it:
        assert it.json(GET, body) == 2
        assert [asked.target for asked in shop.asked] == ["/stock", "/login", "/stock"]


def test_403_is_no_session_that_ended() -> None:
    with Shop(Says(403)) as shop, door(shop, renew=lambda: pytest.fail("renewed")) as it:
        with pytest.raises(Denied):
            it.json(GET, body)
        assert len(shop.asked) == 1


# ---- the provider's own words for a refusal ------------------------------------------------------


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 429, 500, 503])
def test_the_rooms_own_word_for_a_refusal_comes_first(status: int, clock: FakeClock) -> None:
    def explain(answer: Answer) -> Exception:
        return Rejected(f"{answer.body.decode()} with {answer.status}")

    with Shop(Says(status, body=b"no")) as shop, door(shop, clock, explain=explain) as it:
        with pytest.raises(Rejected, match=f"no with {status}") as caught:
            it.json(GET, body)
        assert len(shop.asked) == 1
    assert caught.value.place == "shop"


def test_a_room_that_has_no_word_for_it_leaves_it_as_it_is(clock: FakeClock) -> None:
    seen: list[int] = []

    def explain(answer: Answer) -> None:
        seen.append(answer.status)

    answers = (Says(503), Says(), Says(401))
    with Shop(*answers) as shop, door(shop, clock, explain=explain) as it:
        assert it.json(GET, body) == {"ok": True}
        with pytest.raises(Denied):
            it.json(GET, body)
    assert seen == [503, 401], "a good answer needs no explanation"


def test_a_room_can_say_that_a_refusal_passes(clock: FakeClock) -> None:
    def explain(answer: Answer) -> Exception | None:
        return TryAgain("maintenance", after=9) if answer.status == 403 else None

    with Shop(Says(403), Says()) as shop, door(shop, clock, explain=explain) as it:
        assert it.json(GET, body) == {"ok": True}
    assert clock.slept == [9]


def test_a_room_can_say_that_a_refusal_means_a_session_that_ended() -> None:
    def explain(answer: Answer) -> Exception | None:
        return SignInAgain(ENDED) if answer.status == 409 else None

    renewals: list[int] = []
    with (
        Shop(Says(409), Says()) as shop,
        door(shop, explain=explain, renew=lambda: renewals.append(1)) as it,
    ):
        assert it.json(GET, body) == {"ok": True}
    assert renewals == [1]


@pytest.mark.parametrize("status", [409, 423])
def test_a_room_can_have_more_statuses_that_pass(status: int, clock: FakeClock) -> None:
    passing = PASSING | {status}
    with Shop(Says(status), Says()) as shop, door(shop, clock, passing=passing) as it:
        assert it.json(GET, body) == {"ok": True}
    assert len(clock.slept) == 1


# ---- a provider that is down ---------------------------------------------------------------------


def test_after_a_provider_was_given_up_each_call_is_tried_once_until_one_succeeds(
    clock: FakeClock,
) -> None:
    with Shop(Says(503)) as shop, door(shop, clock) as it:
        with pytest.raises(Unavailable):
            it.json(GET, body)
        first, waited = len(shop.asked), clock.monotonic()
        assert first > 3
        for _ in range(3):
            with pytest.raises(Unavailable, match="HTTP 503"):
                it.json(GET, body)
        assert len(shop.asked) == first + 3
        assert clock.monotonic() == waited
        shop.answers = [Says(), Says(503), Says()]
        assert it.json(GET, body) == {"ok": True}
        assert it.json(GET, body) == {"ok": True}, "well again, so a passing fault is survived"


def test_a_provider_that_nobody_can_reach_is_given_up_once(clock: FakeClock) -> None:
    with door(f"http://127.0.0.1:{refused_port()}", clock) as it:
        with pytest.raises(Unavailable):
            it.json(GET, body)
        before = it.requests
        with pytest.raises(Unavailable):
            it.json(WRITE, body)
        assert it.requests == before + 1


def test_an_answer_that_cannot_be_read_is_no_outage(clock: FakeClock) -> None:
    with Shop(Says(body=b"<html>")) as shop, door(shop, clock) as it:
        with pytest.raises(Malformed):
            it.json(GET, body)
        shop.answers = [Says(503), Says()]
        assert it.json(GET, body) == {"ok": True}


def test_a_call_that_gave_up_early_by_its_own_budget_is_no_outage(clock: FakeClock) -> None:
    with Shop(Says(503)) as shop, door(shop, clock) as it:
        with pytest.raises(Unavailable):
            it.json(replace(GET, budget=5.0), body)
        shop.answers = [Says(503), Says()]
        assert it.json(GET, body) == {"ok": True}


def test_a_refusal_is_no_outage(clock: FakeClock) -> None:
    with Shop(Says(404)) as shop, door(shop, clock) as it:
        with pytest.raises(Malformed):
            it.json(GET, body)
        shop.answers = [Says(503), Says()]
        assert it.json(GET, body) == {"ok": True}
