"""Promise: a registered secret survives in no message, in no encoding, in no log record."""

from __future__ import annotations

import base64
import io
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import redaction
from inventory_providers.errors import InventoryError
from inventory_providers.redaction import MASK, redact, register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

USER = "fred123"


@pytest.fixture(autouse=True)
def _fresh_secrets() -> Iterator[None]:
    """Secrets are the process's own: what a test registers must not outlive it."""
    secrets, pattern = set(redaction._secrets), redaction._pattern
    yield
    redaction._secrets.clear()
    redaction._secrets.update(secrets)
    redaction._pattern = pattern


def only(secret: str) -> None:
    redaction._secrets.clear()
    redaction._pattern = None
    register(secret)


# Letters that occur in none of the texts around it below: a hit is a leak and no accident.
ODD = "§µ€ßñ漢字🔑Ω" + "QZXJK" + "97531" + " /+&=%\"'\\?#:;,.~!@$<>{}[]()|^`\t\r\n\x7f\x00"
secrets = st.text(alphabet=ODD, min_size=4, max_size=24)

ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "in a path": lambda secret: "https://shop.test/a/" + quote(secret) + "/b",
    "in a query": lambda secret: "https://shop.test/find?" + urlencode({"x": secret}),
    "in our own query": lambda secret: "?" + urlencode({"x": secret}, quote_via=quote),
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in lower case": lambda secret: quote(secret, safe="").lower(),
    "form-encoded": quote_plus,
    "percent-encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in JSON": lambda secret: json.dumps({"x": [secret]}),
    "in JSON that is not ASCII": lambda secret: json.dumps({"x": secret}, ensure_ascii=False),
    "as repr": repr,
    "as repr in a tuple": lambda secret: repr(("x", secret)),
    "as repr of bytes": lambda secret: repr(secret.encode()),
    "as Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "as URL-safe Base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "as hex": lambda secret: secret.encode().hex(),
    "as hex in capitals": lambda secret: secret.encode().hex().upper(),
}


@pytest.mark.parametrize("name", ENCODINGS)
@given(secret=secrets)
def test_no_encoding_of_a_secret_survives(name: str, secret: str) -> None:
    only(secret)
    core = ENCODINGS[name](secret)
    shown = redact(f"before {core} after")
    assert secret not in shown.removeprefix("before ").removesuffix(" after")
    for encode in (quote, quote_plus, lambda text: json.dumps(text)[1:-1], lambda t: repr(t)[1:-1]):
        assert encode(secret) not in shown.removeprefix("before ").removesuffix(" after")
    assert base64.b64encode(secret.encode()).decode().rstrip("=") not in shown
    assert MASK in shown


@pytest.mark.parametrize("user", ["a", "ab", "abc", "fred123", "x@shop.test", "漢字"])
@given(secret=st.text(alphabet="QZXJK97531§µ€ß/+&=%: ", min_size=4, max_size=24))
def test_no_base64_of_user_and_password_survives(user: str, secret: str) -> None:
    only(secret)
    token = base64.b64encode(f"{user}:{secret}".encode()).decode()
    shown = redact(f"sent {token} to the shop")
    # Part of the token may stay, for it begins with the user's name; not the part that is the
    # password's alone.
    assert token not in shown
    part = _password_part(user, secret)
    assert not part or part not in shown


TEXTS = ("in JSON", "in JSON that is not ASCII", "as repr", "as repr of bytes")


@pytest.mark.parametrize("secret", ["\xa0s3cret\xa0", '"sécrét"', "s3cret\\"])
@pytest.mark.parametrize("name", TEXTS)
def test_not_a_character_of_an_escaped_secret_is_left(name: str, secret: str) -> None:
    only(secret)
    frame = ENCODINGS[name]("@")
    before, _, after = frame.partition("@")
    form = ENCODINGS[name](secret)
    if form[0] != frame[0]:  # repr chose the other quotes
        before, after = form[0], form[-1]
    assert redact(form) == before + MASK + after


def test_a_secret_that_is_no_proper_text_is_masked() -> None:
    secret = "s3cr\ud800et"
    only(secret)
    for form in (secret, json.dumps(secret)[1:-1], secret.encode("utf-8", "surrogatepass").hex()):
        assert redact(f"<{form}>") == f"<{MASK}>"


@pytest.mark.parametrize(("before", "kept"), [(b"", 0), (b"a", 2), (b"ab", 3), (b"abc", 4)])
def test_of_base64_only_what_is_not_the_secret_alone_is_left(before: bytes, kept: int) -> None:
    secret = "s3cr3t-of-ours"[: 12 + -len(before) % 3]
    only(secret)
    token = base64.b64encode(before + secret.encode()).decode()
    assert redact(token) == token[:kept] + MASK
    longer = base64.b64encode(before + secret.encode() + b"s, and more").decode()
    assert redact(longer) == token[:kept] + MASK + longer[len(token) :]


@pytest.mark.parametrize(("length", "last"), [(12, 16), (13, 17), (14, 18)])
def test_of_base64_what_comes_after_the_secret_is_left(length: int, last: int) -> None:
    secret = "s3cr3t-of-ours"[:length]
    only(secret)
    token = base64.b64encode(secret.encode() + b"\xff, and more").decode()
    assert redact(token) == MASK + token[last:]


def _password_part(user: str, secret: str) -> str:
    """The Base64 characters that hold nothing but whole bytes of the secret."""
    before, raw = f"{user}:".encode(), secret.encode()
    skip = -len(before) % 3
    usable = (len(raw) - skip) // 3 * 3
    return base64.b64encode(raw[skip : skip + usable]).decode()


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_an_authorization_header_is_masked_by_its_name(scheme: str) -> None:
    token = base64.b64encode(b"fred123:never registered").decode()
    assert token not in redact(f"Authorization: {scheme} {token}")


@pytest.mark.parametrize(
    "text",
    [
        "?username=fred123&password=s3&limit=1",
        "?username=fred123&Password=s3&limit=1",
        '{"password": "s3"}',
        '{"password":"s3","a":1}',
        "{'password': 's3'}",
        "[('password', 's3')]",
        "password%3Ds3",
        "password: s3",
        "client_secret=s3",
        "refresh_token=s3&grant_type=x",
        "access_token=s3",
        "authorization: Bearer s3",
        "(b'authorization', b'Bearer s3')",
        "x-amz-access-token: s3",
        '"session_id":"s3"',
    ],
)
def test_a_credential_by_name_is_masked_however_short(text: str) -> None:
    shown = redact(text)
    assert "s3" not in shown
    assert MASK in shown


def test_what_is_no_secret_stays() -> None:
    only("s3cr3t!!")
    text = "deconetwork: HTTP 503; trying again in 2 s. Check deconetwork.password and the rest"
    assert redact(text) == text


def test_a_sentence_about_a_credential_can_still_be_read() -> None:
    text = "deconetwork.password, like every secret, is never shown"
    assert redact(text) == text


def test_secrets_of_three_characters_do_not_blank_out_ordinary_words() -> None:
    register("the", "", None)
    assert redact("the shop") == "the shop"


def test_the_longest_secret_goes_first() -> None:
    register("abcd", "abcdefgh")
    assert redact("abcdefgh") == MASK
    register("wxyz", "WXYZABCD")
    assert redact("WXYZABCD") == MASK


def test_errors_redact_their_own_message() -> None:
    only("s3cr3t!!")
    error = InventoryError("no: s3cr3t!!", place="shop")
    assert "s3cr3t!!" not in str(error) + repr(error) + str(error.args)


# ---- log records ---------------------------------------------------------------------------------


@pytest.fixture
def stderr() -> Iterator[io.StringIO]:
    """Everything logged by anybody at DEBUG, as a handler of a command would show it."""
    factory = logging.getLogRecordFactory()
    levels = {name: logging.getLogger(name).level for name in ("", "httpx", "httpcore")}
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    redaction.guard_logging()
    yield stream
    root.removeHandler(handler)
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


SECRET = "p@ss w0rd/&+§"


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore.connection", "urllib3", "singer_sdk.metrics", "x"]
)
@pytest.mark.parametrize(
    ("message", "args"),
    [
        (f"plain {SECRET}", ()),
        ("lazy %s", (SECRET,)),
        ("lazy %r", ({"deep": [SECRET]},)),
        ("url %s", ("https://shop.test/?" + urlencode({"a": SECRET}),)),
        ("named %(key)s", ({"key": SECRET},)),
        ("bytes %r", (SECRET.encode(),)),
    ],
)
def test_no_log_record_of_any_logger_holds_a_secret(
    stderr: io.StringIO, name: str, message: str, args: tuple[Any, ...]
) -> None:
    only(SECRET)
    logging.getLogger(name).warning(message, *args)
    _must_be_clean(stderr.getvalue())


def _must_be_clean(shown: str) -> None:
    assert MASK in shown
    for encoded in (SECRET, quote(SECRET), quote_plus(SECRET), repr(SECRET)[1:-1]):
        assert encoded not in shown


def fail_twice() -> None:
    try:
        int(f"inner {SECRET}")
    except ValueError as error:
        raise RuntimeError("https://shop.test/?" + urlencode({"a": SECRET})) from error


def test_an_exception_in_a_log_record_holds_no_secret(stderr: io.StringIO) -> None:
    only(SECRET)
    try:
        fail_twice()
    except RuntimeError:
        logging.getLogger("somebody").exception("failed with %s", SECRET)
    shown = stderr.getvalue()
    assert "RuntimeError" in shown
    assert "ValueError" in shown
    _must_be_clean(shown)


def test_the_stack_of_a_log_record_holds_no_secret(stderr: io.StringIO) -> None:
    only("_stack_of_a_log")
    logging.getLogger("somebody").warning("here", stack_info=True)
    assert "_stack_of_a_log" not in stderr.getvalue()


def test_an_exception_is_shown_as_python_shows_it(stderr: io.StringIO) -> None:
    try:
        int("no number")
    except ValueError:
        told = traceback.format_exc()
        logging.getLogger("somebody").exception("failed")
    assert stderr.getvalue() == f"ERROR somebody failed\n{told}"


def test_a_record_that_was_made_by_name_is_clean_too(stderr: io.StringIO) -> None:
    only(SECRET)
    make = logging.getLogRecordFactory()
    failed = (ValueError, ValueError(SECRET), None)
    record = make("x", logging.INFO, "x.py", 1, SECRET, (), failed, sinfo=f"Stack: {SECRET}")
    assert (record.msg, record.args, record.exc_info) == (MASK, None, None)
    assert (record.stack_info, record.exc_text) == (f"Stack: {MASK}", f"ValueError: {MASK}")


def test_everybody_else_may_speak_below_warning(stderr: io.StringIO) -> None:
    logging.getLogger("somebody").debug("hello")
    assert stderr.getvalue() == "DEBUG somebody hello\n"


def test_a_log_call_with_wrong_arguments_does_not_fail_and_shows_no_secret(
    stderr: io.StringIO,
) -> None:
    only(SECRET)
    logging.getLogger("somebody").warning("two %s %s " + SECRET, "one")  # noqa: G003 - as others do
    _must_be_clean(stderr.getvalue())


def test_httpx_and_httpcore_say_nothing_below_warning(stderr: io.StringIO) -> None:
    for name in ("httpx", "httpcore", "httpcore.http11"):
        logging.getLogger(name).info("HTTP Request: GET https://shop.test/?password=x")
        logging.getLogger(name).debug("send_request_headers.started")
    assert stderr.getvalue() == ""


def test_guarding_twice_is_guarding_once(stderr: io.StringIO) -> None:
    once = logging.getLogRecordFactory()
    redaction.guard_logging()
    assert logging.getLogRecordFactory() is once
