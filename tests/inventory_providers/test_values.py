"""Promise: values of an answer become values of a record without a loss, or are refused by name."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import redaction, values
from inventory_providers.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable

numbers = st.integers() | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(None, None), ("", ""), ("a", "a"), (2, "2"), (2**70, str(2**70)), (Decimal("1.50"), "1.50")],
)
def test_text(raw: Any, expected: str | None) -> None:
    assert values.text(raw, "sku") == expected


@given(numbers)
def test_a_number_stays_as_it_is(value: int | Decimal) -> None:
    assert values.number(value, "inv_lvl") is value


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9))
def test_a_number_as_text_is_the_number(value: Decimal) -> None:
    if value == 0 or abs(value.adjusted()) <= 300:
        assert values.number(f" {value} ", "inv_lvl") == value


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("76.0000", 76),
        ("0.1", Decimal("0.1")),
        ("-0", 0),
        ("9007199254740993", 2**53 + 1),
        (str(2**63), 2**63),
        ("-5", -5),
    ],
)
def test_number(raw: Any, expected: int | Decimal | None) -> None:
    found = values.number(raw, "inv_lvl")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
        ("true", True),
        ("False", False),
    ],
)
def test_boolean(raw: Any, expected: bool | None) -> None:
    assert values.boolean(raw, "inv_on") is expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("2018-10-01T00:00:00", datetime(2018, 10, 1, tzinfo=UTC)),
        ("2018-10-01T00:00:00Z", datetime(2018, 10, 1, tzinfo=UTC)),
        ("2018-10-01T02:00:00+02:00", datetime(2018, 10, 1, tzinfo=UTC)),
        ("2018-10-01T00:00:00.5Z", datetime(2018, 10, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_moment(raw: Any, expected: datetime | None) -> None:
    assert values.moment(raw, "inv_last_modified") == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("2018-07-09", "2018-07-09"),
        ("20180709", "2018-07-09"),
        ("2018-W28-1", "2018-07-09"),
    ],
)
def test_day(raw: Any, expected: str | None) -> None:
    assert values.day(raw, "expiration_date") == expected


@given(st.dates())
def test_a_day_as_it_is_usually_written_stays_as_it_is(day: date) -> None:
    assert values.day(day.isoformat(), "expiration_date") == day.isoformat()


@pytest.mark.parametrize("raw", [None, {}, {"id": 1}])
def test_part(raw: Any) -> None:
    assert values.part(raw, "product_size") is raw


REFUSED: list[tuple[Callable[[Any, str], Any], Any]] = [
    *((values.text, raw) for raw in (True, [], {})),
    *(
        (values.number, raw)
        for raw in (
            True,
            False,
            [],
            {},
            "abc",
            "1,000",
            "NaN",
            "Infinity",
            "-inf",
            "1_000",
            "1e400",
            "1e-400",
            "0x10",
            "1 2",
            "--1",
        )
    ),
    *((values.boolean, raw) for raw in ("yes", "", 2, -1, [], {}, Decimal(1))),
    *(
        (values.moment, raw)
        for raw in (
            0,
            1538352000,
            True,
            [],
            {},
            "yesterday",
            "2018-13-01T00:00:00",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
        )
    ),
    *(
        (values.day, raw)
        for raw in (
            0,
            20180709,
            True,
            [],
            {},
            "today",
            "0000-00-00",
            "2018-02-30",
            "2018-07-09T00:00:00Z",
            "2018-07-09 ",
        )
    ),
    *((values.part, raw) for raw in ("", 0, [], True)),
]


@pytest.mark.parametrize(("read", "raw"), REFUSED)
def test_what_is_not_as_documented_is_refused_by_name(
    read: Callable[[Any, str], Any], raw: Any
) -> None:
    with pytest.raises(Malformed) as caught:
        read(raw, "inv_lvl")
    assert "inv_lvl" in str(caught.value)


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(Malformed) as caught:
        values.number("hunter22", "inv_lvl")
    assert "hunter22" not in str(caught.value)


@given(st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.none()))
def test_nothing_but_malformed_is_ever_raised(raw: Any) -> None:
    for read in (
        values.text,
        values.number,
        values.boolean,
        values.moment,
        values.day,
        values.part,
    ):
        with contextlib.suppress(Malformed):
            read(raw, "x")


# ---- the provider's own words --------------------------------------------------------------------


@given(st.text() | st.none() | st.integers() | st.lists(st.text()))
def test_words_for_a_message_are_on_one_short_line(words: Any) -> None:
    line = values.one_line(words)
    assert line.isprintable()
    assert len(line) <= 300


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (None, ""),
        ("", ""),
        ("not found", "not found"),
        ("a\nb\x1bc\u2028d", "a b c d"),
        ("cut \ud83d", "cut  "),
        ("听雨 \U0001f455", "听雨 \U0001f455"),
        (5, "5"),
        ({"a": None}, "{'a': None}"),
    ],
)
def test_words_stay_as_they_are_but_for_what_cannot_be_printed(words: Any, line: str) -> None:
    assert values.one_line(words) == line


def test_words_are_redacted_before_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a secret at the end would not be recognised any more."""
    secret = "made for this test alone"
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    redaction.register(secret)
    for before in range(300 - len(secret), 310):
        line = values.one_line("x" * before + secret)
        assert secret[:8] not in line
        assert line == ("x" * before + redaction.MASK)[:300]
