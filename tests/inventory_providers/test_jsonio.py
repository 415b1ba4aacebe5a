"""Promise: what cannot be carried on without a loss is refused; everything else is exact."""

from __future__ import annotations

import contextlib
import json
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.jsonio import NotJson, dumps, encode, loads

any_text = st.text(alphabet=st.characters(), max_size=20)  # lone surrogates and NUL included
fractions = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**300)).filter(
    lambda value: abs(value.adjusted()) < 300
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_a_document_comes_back_as_it_was(document: Any) -> None:
    assert loads(dumps(document)) == document


@given(documents)
def test_what_is_written_is_one_line_of_utf8_that_others_read_too(document: Any) -> None:
    line = dumps(document)
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line.decode()) == document


@given(st.integers(min_value=-(10**4000), max_value=10**4000))
def test_integers_of_thousands_of_digits_stay_exact(value: int) -> None:
    assert loads(str(value).encode()) == value
    assert type(loads(str(value).encode())) is int
    assert dumps(value) == str(value).encode()


@pytest.mark.parametrize(
    "value", [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30]
)
def test_integers_at_the_borders_of_machines_stay_exact(value: int) -> None:
    text = f'{{"a":[{value}]}}'.encode()
    assert dumps(loads(text)) == text


@given(fractions)
def test_decimals_stay_exact(value: Decimal) -> None:
    back = loads(dumps(value))
    assert back == value
    assert isinstance(back, int | Decimal)


@pytest.mark.parametrize(
    "text",
    [
        b"0.1",
        b"76.0000",
        b"12345678901234567.8901",
        b"-0.0",
        b"1e5",
        b"1E-7",
        b"0.30000000000000004",
    ],
)
def test_a_number_is_written_digit_by_digit_as_it_came(text: bytes) -> None:
    value = loads(text)
    assert not isinstance(value, float)
    assert Decimal(dumps(value).decode()) == Decimal(text.decode())
    assert (
        Decimal(dumps(value).decode()).as_tuple().digits == Decimal(text.decode()).as_tuple().digits
    )


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud83d"',
        '"a\\ud83d"',
        '"\\udc00\\ud800"',
        '"\\u0000"',
        '"\U0001f511"',
        '"\\ud83d\\udd11"',
        '"שלום"',
    ],
)
def test_text_stays_exact(text: str) -> None:
    value = loads(text.encode())
    assert value == json.loads(text)
    assert loads(dumps(value)) == value
    assert "�" not in value


def test_exact_numbers_survive_beside_a_lone_surrogate() -> None:
    """The slow way must be as exact as the fast one."""
    document = loads(b'{"a":"\\ud83d","b":0.10000000000000000001,"c":18446744073709551617}')
    assert document == {"a": "\ud83d", "b": Decimal("0.10000000000000000001"), "c": 2**64 + 1}
    assert loads(dumps(document)) == document


REFUSED = {
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "1e400": b'{"a":1e400}',
    "-1e400": b'{"a":-1e400}',
    "1e400 beside a surrogate": b'{"b":"\\ud83d","a":1e400}',
    "NaN beside a surrogate": b'{"b":"\\ud83d","a":NaN}',
    "5,000 digits": b'{"a":' + b"7" * 5000 + b"}",
    "5,000 digits beside a surrogate": b'{"b":"\\ud83d","a":' + b"7" * 5000 + b"}",
    "5,000 digits with a fraction": b'{"a":' + b"7" * 5000 + b".5}",
    "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 lists beside a surrogate": b'["\\ud83d",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "cut UTF-8": b'{"a":"\xc3"}',
    "encoded surrogate": b'{"a":"\xed\xa0\xbd"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "latin-1": '{"a":"ñ"}'.encode("latin-1"),
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "nothing": b"",
    "blank": b"  \n",
    "cut off": b'{"a":[1,2',
    "two documents": b"{} {}",
    "HTML": b"<html>",
    "single quotes": b"{'a':1}",
    "a control character in text": b'"a\nb"',
    "a leading zero": b"[01]",
    "a leading plus": b"[+1]",
    "a trailing comma": b"[1,]",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(NotJson):
        loads(REFUSED[name])


@given(st.binary(max_size=40))
def test_bytes_are_read_or_refused_and_nothing_else_happens(data: bytes) -> None:
    with contextlib.suppress(NotJson):
        loads(data)


def test_a_refusal_shows_nothing_of_the_document() -> None:
    with pytest.raises(NotJson) as caught:
        loads(b'{"password":"hunter22", x')
    assert "hunter22" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_deep_nesting_below_the_limit_is_no_accident_of_the_stack() -> None:
    assert loads(b"[" * 200 + b"]" * 200)
    assert sys.getrecursionlimit() < 100_000


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), float("nan"), float("inf")]
)
def test_nothing_that_is_no_json_is_written(value: Any) -> None:
    """Neither as a bare word that readers choke on, nor silently as null."""
    with pytest.raises((ValueError, TypeError)):
        dumps({"a": value})


def test_a_cut_emoji_in_an_object_of_our_own_is_carried_on() -> None:
    class Level(msgspec.Struct):
        name: str
        units: Decimal

    line = encode(Level("cut \ud83d", Decimal("1.50")))
    assert line == b'{"name":"cut \\ud83d","units":1.50}'
