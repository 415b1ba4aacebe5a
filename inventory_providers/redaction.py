"""No secret leaves the process in a message, a log record or a traceback.

Secrets are registered when they become known (settings, tokens). `redact` replaces each of them,
also percent-encoded, form-encoded, JSON-escaped and Base64-encoded, and whatever stands as the
value of a parameter that is a credential by its name.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MASK = "*****"

# A shorter secret would blank out ordinary words; it is still masked where it stands as the value
# of a credential parameter.
SHORTEST = 4

_NAMES = (
    "username|password|passwd|bearer_token|access_token|refresh_token|client_secret|accesstoken"
    "|refreshtoken|clientsecret|authorization|x-amz-access-token|session_id"
)
_BY_NAME = re.compile(
    rf"""((?:{_NAMES})(?:["']?\s*(?:=|%3D|:)|["']\s*,)\s*(?:b["'])?["']?(?:(?:Bearer|Basic)\s+)?)"""
    r"""([^\s"'&,;}})\]<>]+)""",
    re.IGNORECASE,
)

_lock = threading.Lock()
_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def _forms(secret: str) -> Iterable[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote(raw)
    yield quote_plus(raw)
    yield quote(quote(raw, safe=""), safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(raw)[2:-1]
    yield raw.hex()
    yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterable[str]:
    """The part of its Base64 that is the same whatever stands before it, as in `user:password`."""
    for before in range(3):
        padded = b"\0" * before + raw
        start, end = -(-before * 4 // 3), len(padded) * 8 // 6
        yield base64.b64encode(padded).decode()[start:end]
        yield base64.urlsafe_b64encode(padded).decode()[start:end]


def register(*secrets: str | None) -> None:
    """From now on none of `secrets` stands in anything that `redact` has seen."""
    global _pattern  # noqa: PLW0603 - one process has one set of secrets
    with _lock:
        for secret in secrets:
            if secret and len(secret) >= SHORTEST:
                _secrets.update(form for form in _forms(secret) if len(form) >= SHORTEST)
        if _secrets:
            longest_first = sorted(_secrets, key=len, reverse=True)
            alternatives = "|".join(re.escape(form) for form in longest_first)
            _pattern = re.compile(alternatives, re.IGNORECASE)


def redact(text: str) -> str:
    """`text` with every registered secret, and every credential by name, replaced by `*****`."""
    if _pattern is not None:
        text = _pattern.sub(MASK, text)
    return _BY_NAME.sub(lambda match: match[1] + MASK, text)


def _redacting(factory: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        record.msg, record.args = redact(message), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        if record.exc_info:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return record

    make.redacts = True  # type: ignore[attr-defined]
    return make


def guard_logging() -> None:
    """Make every log record of this process pass through `redact`, other libraries' included.

    httpx logs each URL with its query at INFO, and one provider wants its password there: both
    httpx and httpcore are silenced below WARNING, whatever level the user asks for.
    """
    factory = logging.getLogRecordFactory()
    if not getattr(factory, "redacts", False):
        logging.setLogRecordFactory(_redacting(factory))
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
