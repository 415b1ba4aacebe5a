"""JSON without losses: exact numbers, strict UTF-8, nothing that JSON does not know.

Integers of any sensible size stay integers, fractions become `Decimal`. A number that no double can
hold, NaN, Infinity, invalid UTF-8 and absurd nesting are refused, never turned into null or U+FFFD.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NoReturn

import msgspec
import simplejson


class NotJson(ValueError):
    """The bytes are no JSON that can be carried on without a loss."""


def parse_fraction(text: str) -> Decimal:
    """A number with a fraction or an exponent, digit by digit."""
    if not math.isfinite(float(text)):
        raise NotJson("a number is out of range")
    return Decimal(text)


def parse_constant(name: str) -> NoReturn:
    """NaN and Infinity, which other readers let through."""
    raise NotJson(f"{name} is not JSON")


_decoder = msgspec.json.Decoder(float_hook=parse_fraction)
_encoder = msgspec.json.Encoder(decimal_format="number")


def loads(data: bytes) -> Any:
    """The document, or `NotJson` saying what is wrong with it (never what stands in it)."""
    try:
        return _decoder.decode(data)
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _loads_slowly(data)


def _loads_slowly(data: bytes) -> Any:
    # msgspec refuses a lone surrogate (`"\ud83d"`), which is legal JSON and really occurs in
    # product names that were cut in the middle of an emoji.
    try:
        return json.loads(data.decode(), parse_float=parse_fraction, parse_constant=parse_constant)
    except UnicodeDecodeError:
        raise NotJson("not valid UTF-8") from None
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.pos}") from None
    except NotJson:
        raise
    except ValueError:
        raise NotJson("a number has too many digits") from None


def loads_leniently(data: bytes) -> Any:
    """As `loads`, but NaN, Infinity and numbers out of range come through as what they are.

    For the target's input: such a number makes one record unusable, not the whole line unreadable.
    """
    try:
        return loads(data)
    except NotJson as strict:
        try:
            return json.loads(data.decode(), parse_float=Decimal)
        except (ValueError, RecursionError):
            raise strict from None


def dumps(value: Any) -> bytes:
    """One line of JSON, without the line end. Decimals are written digit by digit.

    Raises:
        NotJson: a number in it is NaN or infinite.
    """
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        return _dumps_slowly(value)
    # The encoder writes NaN and Infinity as null, or as a Decimal spells them.
    suspicious = b"null" in line or b"NaN" in line or b"Infinity" in line
    if suspicious and _is_unwritable(value):
        raise NotJson("NaN and Infinity are not JSON")
    return line


def encode(value: Any) -> bytes:
    """As `dumps`, of a value that holds no NaN, as everything that was converted to a record."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _dumps_slowly(value)


def _is_unwritable(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_unwritable(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_is_unwritable(item) for item in value)
    if isinstance(value, Decimal):
        return not value.is_finite()
    return isinstance(value, float) and not math.isfinite(value)


def _dumps_slowly(value: Any) -> bytes:
    plain = msgspec.to_builtins(value, builtin_types=(Decimal,))
    text: str = simplejson.dumps(plain, use_decimal=True, allow_nan=False, separators=(",", ":"))
    return text.encode()
