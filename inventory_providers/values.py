"""From the values of a JSON answer to the values of a record: tolerant of form, never of loss."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from inventory_providers import times
from inventory_providers.errors import Malformed
from inventory_providers.redaction import redact

if TYPE_CHECKING:
    from datetime import datetime


def _wrong(name: str, expected: str, value: Any) -> Malformed:
    return Malformed(f"{name} is {type(value).__name__} where {expected} is documented")


def text(value: Any, name: str) -> str | None:
    """An id or a label. A number is an id that was not quoted."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise _wrong(name, "text", value)


# So many digits are a number whatever they are.
PLAIN = 18


def number(value: Any, name: str) -> int | Decimal | None:
    """A quantity, digit by digit as it came. Empty text is a quantity that was not sent.

    `"76.0000"` becomes the number; text that is no number raises `Malformed`, it is not dropped.
    """
    if value is None or type(value) is int or isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        return _number_from_text(value.strip(), name)
    raise _wrong(name, "a number", value)


def _number_from_text(digits: str, name: str) -> int | Decimal | None:
    if not digits:
        return None
    head, _, tail = digits.partition(".")
    # The usual form of a quantity, "76.0000", is read without a detour.
    if head.isascii() and head.isdigit() and len(head) <= PLAIN and not tail.strip("0"):
        return int(head)
    try:
        parsed = Decimal(digits)
    except InvalidOperation:
        raise Malformed(f"{name} is text that is no number") from None
    if not parsed.is_finite() or "_" in digits or abs(parsed.adjusted()) > 300:
        raise Malformed(f"{name} is not a usable number")
    return int(parsed) if parsed == parsed.to_integral_value() else parsed


# No shop counts more units; it is what still fits a 32-bit column at a provider.
MOST_UNITS = 2**31 - 1


def units(value: Any) -> int | None:
    """A whole number that could be a number of units, below zero too; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) > MOST_UNITS or exact != exact.to_integral_value():
        return None
    return int(exact)


_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def boolean(value: Any, name: str) -> bool | None:
    """True or false; 1, 0 and the words are taken too."""
    if value is None or type(value) is bool:
        return value
    known = _TRUTH.get(str(value).lower()) if isinstance(value, int | str) else None
    if known is None:
        raise _wrong(name, "true or false", value)
    return known


def moment(value: Any, name: str) -> datetime | None:
    """A date-time in UTC; null and `""` are no date, never the epoch. No zone means UTC."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(name, "a date-time", value)
    try:
        return times.parse(value)
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is not a date-time") from None


def day(value: Any, name: str) -> str | None:
    """A date without a time, such as `2018-07-09`; null and `""` are none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(name, "a date", value)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Malformed(f"{name} is not a date") from None


def part(value: Any, name: str) -> dict[str, Any] | None:
    """An object inside a row, or null."""
    if value is None or isinstance(value, dict):
        return value
    raise _wrong(name, "an object", value)


def can_be_encoded(words: str) -> bool:
    """Whether text can be sent: half an emoji is legal in JSON, and nowhere else."""
    return not any("\ud800" <= one <= "\udfff" for one in words)


def one_line(words: Any) -> str:
    """A provider's own words for a message: redacted before they are cut, and on one line."""
    text_of = "" if words is None else str(words)
    printable = "".join(one if one.isprintable() else " " for one in redact(text_of))
    return printable[:300]
