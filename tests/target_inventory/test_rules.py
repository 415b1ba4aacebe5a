"""Promise: what is published follows the rules to the unit, and is never a guess."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.errors import Rejected
from inventory_providers.jsonio import dumps, loads
from inventory_providers.values import MOST_UNITS as LARGEST
from target_inventory import rules
from target_inventory.settings import Rules

EXACT = Context(prec=400)
NO_NUMBER = f"available must be a whole number of at most {LARGEST}"

# As people write them, and the same digits as a configuration file has them.
percents = st.decimals(min_value=0, max_value=100, places=6, allow_nan=False)


@st.composite
def any_rules(draw: st.DrawFn) -> tuple[Decimal, Rules]:
    percent = draw(percents)
    buffer, floor = draw(st.integers(0, 10**12)), draw(st.integers(0, 10**12))
    cap = draw(st.none() | st.integers(floor, 10**13))
    rest = {"buffer": buffer, "floor": floor} | ({} if cap is None else {"cap": cap})
    return percent, Rules(percent=float(loads(dumps(percent))), **rest)


def slowly(available: int, percent: Decimal, given_rules: Rules) -> int:
    """The same, in the words of the contract and in decimal arithmetic."""
    share = EXACT.divide(EXACT.multiply(Decimal(available), percent), Decimal(100))
    level = int(share.to_integral_value(ROUND_FLOOR, context=EXACT)) - given_rules.buffer
    if given_rules.cap is not None and level > given_rules.cap:
        level = given_rules.cap
    return max(level, given_rules.floor)


# ---- what is published ---------------------------------------------------------------------------


@given(st.integers(-(10**40), 10**40) | st.integers(-300, 300), any_rules())
def test_what_is_published_is_what_slow_arithmetic_says(
    available: int, chosen: tuple[Decimal, Rules]
) -> None:
    percent, given_rules = chosen
    assert rules.published(available, given_rules) == slowly(available, percent, given_rules)


@given(st.integers(-LARGEST, LARGEST))
def test_without_rules_what_is_available_is_published_and_nothing_where_it_is_oversold(
    available: int,
) -> None:
    assert rules.published(available, Rules()) == max(available, 0)


@given(st.integers(-(10**9), 10**9), any_rules())
def test_it_is_never_below_the_floor_and_never_above_the_cap(
    available: int, chosen: tuple[Decimal, Rules]
) -> None:
    given_rules = chosen[1]
    found = rules.published(available, given_rules)
    assert found >= given_rules.floor >= 0
    assert given_rules.cap is None or found <= given_rules.cap


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**6), any_rules())
def test_more_in_stock_never_publishes_less(
    available: int, more: int, chosen: tuple[Decimal, Rules]
) -> None:
    given_rules = chosen[1]
    assert rules.published(available + more, given_rules) >= rules.published(available, given_rules)


@pytest.mark.parametrize(
    ("available", "given_rules", "expected"),
    [
        (100, {"buffer": 2}, 98),
        (1, {"buffer": 2}, 0),
        (100, {"percent": 90}, 90),
        (9, {"percent": 90}, 8),
        (1000, {"percent": 33.3}, 333),
        (10_000, {"percent": 0.07}, 7),
        (1_000_000, {"percent": 99.9999}, 999_999),
        (100, {"percent": 0}, 0),
        (100, {"percent": 90, "buffer": 2}, 88),
        (5, {"cap": 3}, 3),
        (5, {"cap": 0}, 0),
        (0, {"floor": 1}, 1),
        (-7, {"floor": 1}, 1),
        (50, {"floor": 3, "cap": 3}, 3),
        (200, {"percent": 90, "buffer": 2, "cap": 100}, 100),
        (100, {"percent": 50, "buffer": 10, "cap": 45}, 40),
    ],
)
def test_each_rule_does_what_its_name_says_in_the_order_of_the_contract(
    available: int, given_rules: dict[str, Any], expected: int
) -> None:
    assert rules.published(available, Rules(**given_rules)) == expected


def test_a_percentage_is_the_number_that_was_written_and_not_the_float_beside_it() -> None:
    available = 10**18
    assert rules.published(available, Rules(percent=33.3)) == 333 * 10**15
    assert rules.published(available, Rules(percent=0.1)) == 10**15


# ---- what a record says --------------------------------------------------------------------------


@given(st.integers(-LARGEST, LARGEST))
def test_whole_units_are_taken_in_every_form_of_a_number(value: int) -> None:
    forms = (value, float(value), Decimal(value), Decimal(f"{value}.0"), Decimal(f"{value}0e-1"))
    for form in forms:
        found = rules.units(form)
        assert (found, type(found)) == (value, int)


@pytest.mark.parametrize("value", [2_147_483_647, -2_147_483_647])
def test_the_largest_number_is_taken_and_the_next_is_not(value: int) -> None:
    assert rules.units(value) == value
    beyond = value + (1 if value > 0 else -1)
    for form in (beyond, float(beyond), Decimal(beyond)):
        with pytest.raises(Rejected, match=NO_NUMBER):
            rules.units(form)


def test_a_level_that_the_provider_does_not_say_is_not_zero() -> None:
    with pytest.raises(Rejected) as caught:
        rules.units(None)
    assert caught.value.message == "available is missing or null: the provider does not say"
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        "",
        "5",
        " 5 ",
        "1,000",
        [],
        {},
        [5],
        5.5,
        -0.1,
        Decimal("5.5"),
        Decimal("2147483646.00000000000000000000000000000001"),
        Decimal("1e-999999"),
        Decimal("1e999999"),
        float("nan"),
        float("inf"),
        float("-inf"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        10**30,
        -(10**400),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_is_no_whole_number_is_rejected_and_never_rounded(value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        rules.units(value)
    assert caught.value.message == NO_NUMBER


# ---- what a plan says of them --------------------------------------------------------------------

ALL = "all available units"
SHARE = "% of the available units, rounded down"


@pytest.mark.parametrize(
    ("given_rules", "expected"),
    [
        ({}, ALL),
        ({"buffer": 0, "floor": 0, "percent": 100}, ALL),
        ({"percent": 100.0}, ALL),
        ({"percent": 90, "buffer": 2, "cap": 100}, f"90 {SHARE}, less 2, never more than 100"),
        ({"percent": 33.3}, f"33.3 {SHARE}"),
        ({"percent": 99.9999999999999}, f"99.9999999999999 {SHARE}"),
        ({"percent": 0}, f"0 {SHARE}"),
        ({"cap": 0}, f"{ALL}, never more than 0"),
        (
            {"floor": 5, "buffer": 1},
            f"{ALL}, less 1, never fewer than 5, even where none are available",
        ),
    ],
)
def test_the_rules_say_in_one_line_what_is_published(
    given_rules: dict[str, Any], expected: str
) -> None:
    assert rules.in_words(Rules(**given_rules)) == expected
