"""Promise: a mistake in the pipeline is stopped before it is written; a day's work is not."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.contract import Change, Items, Order, Wish, Write
from inventory_providers.errors import Guarded
from target_inventory import guards
from target_inventory.changeset import Wanted, line_of
from target_inventory.plan import Plan, Planned
from target_inventory.settings import Guards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from inventory_providers.contract import Effect

ITEMS = Items(key=("sku",), level="units", account=lambda _: "", levels=lambda *_: {})
# What a guard's hit is told by.
NEWLY_ZERO, UNIT_ERROR, DELTA, CHANGES = (
    "max_newly_zero_percent",
    "max_unit_error_percent",
    "max_delta",
    "max_changes",
)


def _write(effect: Effect = "set", items: Items = ITEMS) -> Write:
    return Write(
        f"{effect}s",
        effect,
        "POST /",
        "a write",
        items,
        100,
        lambda _: Wish((), {}),
        lambda _: Order("POST", "/"),
        lambda *_: None,
    )


def _planned(sku: str, before: Any, after: Any, write: Write | None = None) -> Planned:
    """One change; a level of `...` means that there is no such item."""
    write = write or _write()
    levels = [None if units is ... else {write.items.level: units} for units in (before, after)]
    change = Change((sku,), levels[0], levels[1], levels[1] or {})
    record = {"sku": sku, "units": None if after is ... else after}
    return Planned(write, change, [Wanted(1, write, Wish((sku,), {}), line_of(record))])


def _plan(moves: Iterable[tuple[Any, Any]]) -> Plan:
    return Plan([_planned(f"s{n}", *move) for n, move in enumerate(moves)])


def _hits(judgement: guards.Judgement) -> set[str]:
    names = (NEWLY_ZERO, UNIT_ERROR, DELTA, CHANGES)
    return {name for name in names if any(f"guards.{name}" in hit for hit in judgement.hits)}


def _judged(moves: Iterable[tuple[Any, Any]], **limits: Any) -> set[str]:
    return _hits(guards.judge([_plan(moves)], Guards(**limits)))


# ---- at the border -------------------------------------------------------------------------------

QUIET = [(5, 6)]
TO_ZERO = [(5, 0)]
UNITS = [(5, 500)]


@pytest.mark.parametrize(
    ("move", "name"), [(TO_ZERO, NEWLY_ZERO), (UNITS, UNIT_ERROR)], ids=["zero", "units"]
)
@pytest.mark.parametrize(
    ("many", "others", "hit"),
    [
        (9, 0, False),  # nine of nine are somebody's day's work
        (10, 0, True),
        (10, 9, True),  # more than half of nineteen
        (10, 10, False),  # exactly half
        (11, 10, True),
        (10, 11, False),
        (100, 100, False),
        (101, 100, True),
    ],
)
def test_ten_and_more_than_half_stop_the_run(
    move: list[tuple[int, int]], name: str, many: int, others: int, hit: bool
) -> None:
    assert _judged(move * many + QUIET * others) == ({name} if hit else set())


@pytest.mark.parametrize("many", [9, 10])
@pytest.mark.parametrize("others", [0, 9, 10])
def test_ten_and_more_than_half_beyond_max_delta_stop_the_run(many: int, others: int) -> None:
    plan = _plan([(0, 101)] * many + [(0, 100)] * others)
    judgement = guards.judge([plan], Guards(max_delta=100))
    stops = many == 10 and others < 10
    assert _hits(judgement) == ({DELTA} if stops else set())
    assert len(judgement.letters) == (0 if stops else many)
    assert len(plan.changes) == (many + others if stops else others)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_max_changes_is_the_most_that_is_allowed(count: int) -> None:
    assert _judged(QUIET * count, max_changes=count) == set()
    assert _judged(QUIET * (count + 1), max_changes=count) == {CHANGES}


@pytest.mark.parametrize("delta", [0, 1, 100])
@pytest.mark.parametrize("sign", [1, -1])
def test_max_delta_is_the_most_that_is_allowed(delta: int, sign: int) -> None:
    plan = _plan([(1000, 1000 + sign * delta), (1000, 1000 + sign * (delta + 1))])
    judgement = guards.judge([plan], Guards(max_delta=delta))
    assert [planned.change.key for planned in plan.changes] == [("s0",)]
    (letter,) = judgement.letters
    assert (letter.key, letter.live) == (("s1",), {"units": 1000})
    assert letter.reason == f"a change of more units than guards.max_delta {delta}"
    assert judgement.hits == []


@pytest.mark.parametrize("name", [NEWLY_ZERO, UNIT_ERROR])
@pytest.mark.parametrize(("percent", "hit"), [(99.9, True), (100, False)])
def test_a_hundred_percent_lets_everything_pass(name: str, percent: float, hit: bool) -> None:
    move = TO_ZERO if name == NEWLY_ZERO else UNITS
    assert _judged(move * 50, **{name: percent}) == ({name} if hit else set())


@pytest.mark.parametrize("name", [NEWLY_ZERO, UNIT_ERROR])
def test_zero_percent_still_needs_ten(name: str) -> None:
    move = TO_ZERO if name == NEWLY_ZERO else UNITS
    assert _judged(move * 9 + QUIET * 500, **{name: 0}) == set()
    assert _judged(move * 10 + QUIET * 500, **{name: 0}) == {name}


def test_without_changes_nothing_is_wrong() -> None:
    assert _judged([], max_changes=0, max_delta=0) == set()
    guards.judge([], Guards()).must_pass()


# ---- what counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "move", [(0, 0), (-3, 0), (None, 0), (5, None), (5, -1), (5, 1), (..., 0), (..., 5)]
)
def test_only_from_above_zero_to_zero_is_newly_zero(move: tuple[Any, Any]) -> None:
    assert NEWLY_ZERO not in _judged([move] * 20)


@pytest.mark.parametrize("move", [(1, 0), (Decimal("0.5"), 0), (5, ...), (7, Decimal("0.00"))])
def test_a_deleted_item_counts_as_zero(move: tuple[Any, Any]) -> None:
    assert _judged([move] * 20) == {NEWLY_ZERO}


@pytest.mark.parametrize(
    "move", [(3, 300), (3, 3000), (300, 3), (3000, 3), (-2, -200), (Decimal("0.07"), 7), (7, 0.07)]
)
def test_exactly_a_hundred_or_a_thousand_is_a_wrong_unit(move: tuple[Any, Any]) -> None:
    found = _judged([move] * 20)
    # 0.07 as a binary fraction is not seven hundredths: levels are exact, floats are none.
    assert found == (set() if isinstance(move[1], float) else {UNIT_ERROR})


@pytest.mark.parametrize(
    "move", [(3, 301), (3, 299), (3, 30), (3, 30_000), (0, 100), (0, 0), (None, 300), (3, None)]
)
def test_no_other_factor_is_a_wrong_unit(move: tuple[Any, Any]) -> None:
    assert UNIT_ERROR not in _judged([move] * 20)


def test_an_item_that_is_not_there_has_no_units_and_one_not_known_counts_as_none() -> None:
    plan = _plan([(..., 11), (None, 11), (11, ...), (11, None), (..., 10)])
    judgement = guards.judge([plan], Guards(max_delta=10))
    assert [letter.key for letter in judgement.letters] == [(f"s{n}",) for n in range(4)]
    assert [letter.live for letter in judgement.letters[:2]] == [None, {"units": None}]


def test_several_writes_to_an_item_are_one_move() -> None:
    create, add = _write("create"), _write("add")
    plan = Plan()
    for n in range(3):
        sku = f"s{n}"
        plan.changes += [
            _planned(sku, ..., 0, create),
            _planned(sku, 0, 60, add),
            _planned(sku, 60, 60 + n, add),
        ]
    judgement = guards.judge([plan], Guards(max_delta=61))
    assert [letter.stream for letter in judgement.letters] == ["creates", "adds", "adds"]
    assert {planned.change.key for planned in plan.changes} == {("s0",), ("s1",)}


def test_a_detour_that_comes_back_moves_nothing() -> None:
    plan = Plan()
    for n in range(20):
        plan.changes += [_planned(f"s{n}", 5, 0), _planned(f"s{n}", 0, 5, _write("add"))]
    assert _hits(guards.judge([plan], Guards(max_delta=0))) == set()


@pytest.mark.parametrize("still", [(5, 5), (None, None), (..., 0)])
def test_what_moves_no_units_does_not_thin_out_what_does(still: tuple[Any, Any]) -> None:
    assert _judged(TO_ZERO * 10 + [still] * 90) == {NEWLY_ZERO}
    assert _judged(UNITS * 10 + [still] * 90) == {UNIT_ERROR}
    assert _judged([(0, 101)] * 10 + [still] * 90, max_delta=100) == {DELTA}


def test_a_sku_of_two_providers_is_two_skus() -> None:
    other = _write(items=Items(("asin",), "stock", lambda _: "", lambda *_: {}))
    plans = [_plan(TO_ZERO * 5), Plan([_planned(f"s{n}", 5, 0, other) for n in range(5)])]
    assert _hits(guards.judge(plans, Guards())) == {NEWLY_ZERO}
    plans[1].changes.pop()
    assert _hits(guards.judge(plans, Guards())) == set()


def test_all_providers_are_judged_together() -> None:
    plans = [_plan(QUIET * 3), _plan(QUIET * 3)]
    assert _hits(guards.judge(plans, Guards(max_changes=5))) == {CHANGES}


def test_every_record_of_a_rejected_change_becomes_a_letter() -> None:
    planned = _planned("s0", 0, 500)
    first = planned.wanted[0]
    both = Planned(planned.write, planned.change, [first._replace(line=line_of({"n": 1})), first])
    judgement = guards.judge([Plan([both])], Guards(max_delta=10))
    assert [letter.record for letter in judgement.letters] == [{"n": 1}, first.record]


def test_a_hit_stops_the_run_and_says_every_limit() -> None:
    judgement = guards.judge([_plan(TO_ZERO * 12)], Guards(max_changes=3, max_delta=1))
    assert _hits(judgement) == {CHANGES, NEWLY_ZERO, DELTA}
    with pytest.raises(Guarded) as caught:
        judgement.must_pass()
    assert caught.value.exit_code == 6
    for words in ("12 changes", "12 of 12 changed SKUs", "max_newly_zero_percent 50"):
        assert words in str(caught.value), words


def test_a_plan_that_is_stopped_does_not_send_for_another_plan() -> None:
    judgement = guards.judge([_plan(TO_ZERO * 12)], Guards(max_changes=3))
    with pytest.raises(Guarded) as caught:
        judgement.must_pass("plan")
    assert "mode plan" not in str(caught.value)
    assert "raise the limit" in str(caught.value)


def test_a_limit_that_is_not_whole_is_shown_as_it_is() -> None:
    (hit,) = guards.judge([_plan(TO_ZERO * 10)], Guards(max_newly_zero_percent=12.5)).hits
    assert hit.endswith("more than guards.max_newly_zero_percent 12.5")


# ---- against another reckoning -------------------------------------------------------------------

_UNITS = st.sampled_from([..., None, -5, 0, 1, 5, 7, 100, 500, 5000, Decimal("0.05")])
_LIMITS = st.fixed_dictionaries(
    {
        "max_changes": st.none() | st.integers(0, 40),
        "max_delta": st.none() | st.sampled_from([0, 4, 5, 99, 495, 5000]),
        NEWLY_ZERO: st.sampled_from([0, 20, 50, 99.5, 100]),
        UNIT_ERROR: st.sampled_from([0, 20, 50, 99.5, 100]),
    }
)


def _plain(units: Any) -> Any:
    """The units of an item; one that is not there has none."""
    return 0 if units is ... else units


def _reckoned(moves: list[tuple[Any, Any]], limits: dict[str, Any]) -> tuple[set[str], set[int]]:
    """The guards that must hit, and which single changes must be rejected, counted on fingers."""
    counts: Counter[str] = Counter()
    far: set[int] = set()
    for number, move in enumerate(moves):
        before, after = map(_plain, move)
        if before is not None and after is not None:
            counts[NEWLY_ZERO] += before > 0 and after == 0
            pairs = [(before, after), (after, before)]
            times = any(
                Fraction(one) * factor == Fraction(two) != 0
                for one, two in pairs
                for factor in (100, 1000)
            )
            counts[UNIT_ERROR] += times
        if (
            limits["max_delta"] is not None
            and abs((after or 0) - (before or 0)) > limits["max_delta"]
        ):
            far.add(number)
    moved = len([move for move in moves if _plain(move[0]) != _plain(move[1])])
    hits = {
        name
        for name in (NEWLY_ZERO, UNIT_ERROR)
        if counts[name] >= 10 and counts[name] / moved > limits[name] / 100
    }
    if limits["max_changes"] is not None and len(moves) > limits["max_changes"]:
        hits.add(CHANGES)
    if len(far) >= 10 and len(far) * 2 > moved:
        return hits | {DELTA}, set()
    return hits, far


@given(st.lists(st.tuples(_UNITS, _UNITS), max_size=30), st.integers(0, 25), _LIMITS)
def test_the_guards_hit_where_they_should(
    moves: list[tuple[Any, Any]], zeros: int, limits: dict[str, Any]
) -> None:
    moves = moves + TO_ZERO * zeros
    plan = _plan(moves)
    judgement = guards.judge([plan], Guards(**limits))
    hits, far = _reckoned(moves, limits)
    assert _hits(judgement) == hits
    assert {letter.key for letter in judgement.letters} == {(f"s{n}",) for n in far}
    kept = {planned.change.key for planned in plan.changes}
    assert kept == {(f"s{n}",) for n in range(len(moves)) if n not in far}


def test_the_words_of_every_hit() -> None:
    plan = _plan([*TO_ZERO * 11, *UNITS * 9])
    limits = Guards(max_changes=3, max_newly_zero_percent=12.5, max_unit_error_percent=20)
    with pytest.raises(Guarded) as caught:
        guards.judge([plan], limits).must_pass()
    assert caught.value.place == "guards"
    assert caught.value.message == (
        "20 changes, more than guards.max_changes 3; "
        "11 of 20 changed SKUs would go to 0, more than guards.max_newly_zero_percent 12.5"
    )
    (hit,) = guards.judge([_plan(UNITS * 10)], Guards()).hits
    assert hit == (
        "10 of 10 changed SKUs by exactly 100 or 1000, more than guards.max_unit_error_percent 50"
    )
