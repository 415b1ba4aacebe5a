"""Promise: whatever a provider answers, each change ends as written, rejected or unknown, truly.

The provider here is a few lines that may refuse, lose answers, apply a part, lie, and sell stock in
between, in any order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import registry
from inventory_providers.contract import Change, Session
from inventory_providers.errors import (
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    Unavailable,
    Uncertain,
)
from target_inventory.apply import TRIES, Applier, Outcome
from target_inventory.plan import Planned
from tests.target_inventory.singer import STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from inventory_providers.contract import Fields, Write

SESSION = cast("Session", None)
quick = settings(max_examples=80, deadline=None)

BEFORE, WANTED, THIRD = 3, 9, 5
BATCH = 4


@dataclass(frozen=True)
class Answer:
    """What becomes of one request: what of it is applied, what is said, what is sold after it."""

    says: str = "ok"
    applies: Callable[[int], bool] = lambda _place: True
    sells: frozenset[int] = frozenset()
    pattern: str = ""

    def __repr__(self) -> str:
        return f"<{self.says} {self.pattern} sold {sorted(self.sells)}>"


SAYS = {
    "refused": Rejected("refused with code 50005"),
    "lost": Uncertain("no answer in time"),
}


@dataclass
class Shop:
    """A provider with `bad` items that it always refuses, and what it was asked."""

    items: int
    answers: list[Answer] = field(default_factory=list)
    bad: frozenset[str] = frozenset()
    sent: list[list[str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)  # sent though it stood there already
    over: list[str] = field(default_factory=list)  # sent though somebody else had changed it
    reads: list[InventoryError | None] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.levels = {str(n): BEFORE for n in range(self.items)}

    @property
    def write(self) -> Write:
        real = registry.writes()[STREAM][1]
        return replace(real, batch_size=BATCH, levels=self.read, send=self.send)

    @property
    def changes(self) -> list[Planned]:
        before = {"inv_on": True, "inv_lvl": BEFORE}
        return [
            Planned(self.write, Change(key, before, {"inv_lvl": WANTED}), [{"dn_sku_id": key}])
            for key in self.levels
        ]

    def read(self, _session: Any, keys: Collection[str]) -> Mapping[str, Fields]:
        error = self.reads.pop(0) if self.reads else None
        if error is not None:
            raise error
        known = [key for key in keys if key in self.levels]
        return {key: {"inv_on": True, "inv_lvl": self.levels[key]} for key in known}

    def send(self, _session: Any, changes: Sequence[Change]) -> None:
        keys = [change.key for change in changes]
        assert len(keys) <= BATCH
        self.sent.append(keys)
        self.again += [key for key in keys if self.levels[key] == WANTED]
        self.over += [key for key in keys if self.levels[key] not in {WANTED, BEFORE}]
        wrong = bool(self.bad & set(keys))
        # Without a plan for it, a batch that is refused is refused as a whole.
        plain = Answer(applies=lambda _place: not wrong)
        answer = self.answers.pop(0) if self.answers else plain
        for place, key in enumerate(keys):
            if key not in self.bad and answer.applies(place):
                self.levels[key] = THIRD if place in answer.sells else WANTED
        says = "refused" if wrong and answer.says == "ok" else answer.says
        if says in SAYS:
            raise SAYS[says]

    def apply(self) -> Outcome:
        return Applier(SESSION, self.write).apply(self.changes)


def ends(outcome: Outcome) -> Counter[str]:
    """How often each change is told of."""
    return Counter(
        [
            *(planned.change.key for planned in outcome.written),
            *(letter.record["dn_sku_id"] for letter in outcome.letters),
            *(planned.change.key for planned, _ in outcome.unknown),
        ]
    )


def written(outcome: Outcome) -> set[str]:
    return {planned.change.key for planned in outcome.written}


def letters(outcome: Outcome) -> set[str]:
    return {letter.record["dn_sku_id"] for letter in outcome.letters}


def unknown(outcome: Outcome) -> set[str]:
    return {planned.change.key for planned, _ in outcome.unknown}


# ---- any pattern ---------------------------------------------------------------------------------

patterns = st.lists(st.booleans(), min_size=BATCH, max_size=BATCH)


def _answer(says: str, pattern: list[bool], sells: frozenset[int]) -> Answer:
    shown = "".join("x" if applied else "." for applied in pattern)
    return Answer(says, lambda place: pattern[place], sells, shown)


everything = st.just([True] * BATCH)
nobody = st.just(frozenset[int]())
honest = st.one_of(
    st.builds(_answer, st.just("ok"), everything, nobody),
    st.builds(_answer, st.sampled_from(["refused", "lost"]), patterns, nobody),
)
bad_items = st.frozensets(st.sampled_from("0123456789"), max_size=3)
shops = st.builds(Shop, st.integers(1, 10), st.lists(honest, max_size=12), bad_items)
selling = st.builds(
    _answer,
    st.sampled_from(["ok", "refused", "lost"]),
    patterns,
    st.frozensets(st.integers(0, BATCH - 1)),
)
any_shops = st.builds(Shop, st.integers(1, 10), st.lists(selling, max_size=12), bad_items)


@quick
@given(shops)
def test_with_honest_answers_every_change_has_one_true_end(shop: Shop) -> None:
    outcome = shop.apply()
    assert ends(outcome) == Counter(dict.fromkeys(shop.levels, 1))
    assert all(shop.levels[key] == WANTED for key in written(outcome))
    assert all(shop.levels[key] == BEFORE for key in letters(outcome))
    assert outcome.verified == len(outcome.written)
    assert not shop.again, "what stood there already was sent again"
    assert not shop.bad & written(outcome)


@quick
@given(any_shops)
def test_whatever_is_answered_every_change_has_one_end(shop: Shop) -> None:
    outcome = shop.apply()
    assert ends(outcome) == Counter(dict.fromkeys(shop.levels, 1))


@quick
@given(any_shops)
def test_whatever_is_answered_nothing_is_called_written_that_is_not_there(shop: Shop) -> None:
    outcome = shop.apply()
    assert not [key for key in written(outcome) if shop.levels[key] == BEFORE]
    assert outcome.verified == sum(shop.levels[key] == WANTED for key in written(outcome))


@quick
@given(any_shops)
def test_whatever_is_answered_nothing_is_called_rejected_that_is_there(shop: Shop) -> None:
    outcome = shop.apply()
    assert not [key for key in letters(outcome) if shop.levels[key] == WANTED]


@quick
@given(any_shops)
def test_what_others_changed_after_a_doubtful_answer_is_not_overwritten(shop: Shop) -> None:
    shop.apply()
    assert not shop.over


@quick
@given(any_shops)
def test_it_ends_after_a_bounded_number_of_requests(shop: Shop) -> None:
    shop.apply()
    assert len(shop.sent) <= 2 * TRIES * 10 * 3


@quick
@given(shops, st.integers(0, 11))
def test_when_reading_fails_at_any_moment_nothing_is_claimed(shop: Shop, reads: int) -> None:
    shop.reads = [*[None] * reads, Unavailable("it is gone")]
    try:
        outcome = shop.apply()
    except (Unavailable, Uncertain):
        return
    assert all(shop.levels[key] == WANTED for key in written(outcome))


# ---- each pattern alone --------------------------------------------------------------------------


def test_all_is_well() -> None:
    shop = Shop(10)
    outcome = shop.apply()
    assert [len(keys) for keys in shop.sent] == [4, 4, 2]
    assert written(outcome) == set(shop.levels)
    assert outcome.verified == 10


def test_nothing_to_do_sends_and_reads_nothing() -> None:
    shop = Shop(0, reads=[Malformed("it was read")])
    outcome = shop.apply()
    assert (shop.sent, ends(outcome)) == ([], Counter())


def test_a_bad_item_is_found_by_halving_and_the_others_are_written() -> None:
    shop = Shop(4, bad=frozenset("2"))
    outcome = shop.apply()
    assert written(outcome) == {"0", "1", "3"}
    (letter,) = outcome.letters
    assert (letter.record, letter.reason) == ({"dn_sku_id": "2"}, "refused with code 50005")
    assert letter.live == {"inv_on": True, "inv_lvl": BEFORE}
    assert shop.sent == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["3"]]


def test_what_was_applied_of_a_refused_batch_is_not_sent_again() -> None:
    shop = Shop(4, [Answer("refused", lambda place: place < 2)])
    assert written(shop.apply()) == set("0123")
    assert shop.sent == [["0", "1", "2", "3"], ["2"], ["3"]]


def test_refused_and_applied_all_the_same_is_written() -> None:
    shop = Shop(1, [Answer("refused")])
    outcome = shop.apply()
    assert (written(outcome), outcome.letters, len(shop.sent)) == ({"0"}, [], 1)


def test_lost_and_applied_is_written_and_not_sent_again() -> None:
    shop = Shop(4, [Answer("lost")])
    assert written(shop.apply()) == set("0123")
    assert len(shop.sent) == 1


def test_lost_and_not_applied_is_sent_again_as_it_was() -> None:
    shop = Shop(4, [Answer("lost", lambda _place: False)])
    assert written(shop.apply()) == set("0123")
    assert shop.sent == [["0", "1", "2", "3"]] * 2


def test_lost_again_and_again_is_unknown_at_last() -> None:
    shop = Shop(1, [Answer("lost", lambda _place: False)] * 20)
    outcome = shop.apply()
    assert (unknown(outcome), written(outcome), outcome.letters) == ({"0"}, set(), [])
    assert len(shop.sent) == TRIES
    assert "no answer" in outcome.unknown[0][1]


@pytest.mark.parametrize("says", ["lost", "refused"])
def test_a_third_level_is_unknown_and_left_alone(says: str) -> None:
    shop = Shop(2, [Answer(says, sells=frozenset({0}))])
    outcome = shop.apply()
    assert (unknown(outcome), written(outcome)) == ({"0"}, {"1"})
    assert len(shop.sent) == 1


def test_success_and_a_sale_right_after_is_written_and_moved() -> None:
    shop = Shop(2, [Answer(sells=frozenset({0}))])
    outcome = shop.apply()
    assert (written(outcome), outcome.verified, outcome.moved) == ({"0", "1"}, 1, 1)
    assert not outcome.letters


def test_success_of_what_was_not_done_is_a_letter_and_not_written() -> None:
    shop = Shop(2, [Answer(applies=lambda place: place == 0)])
    outcome = shop.apply()
    assert (written(outcome), letters(outcome)) == ({"0"}, {"1"})
    assert outcome.verified == 1
    assert "accepted" in outcome.letters[0].reason


def test_an_item_that_vanished_after_the_write_is_a_letter_and_not_written() -> None:
    shop = Shop(2)
    send = shop.send

    def send_and_lose(session: Any, changes: Sequence[Change]) -> None:
        send(session, changes)
        del shop.levels["1"]

    write = replace(shop.write, send=send_and_lose)
    outcome = Applier(SESSION, write).apply(shop.changes)
    assert (written(outcome), letters(outcome)) == ({"0"}, {"1"})


def test_a_part_of_the_fields_is_neither_written_nor_not() -> None:
    before = {"inv_on": True, "inv_lvl": BEFORE, "inv_warn": 1}
    change = Change("0", before, {"inv_lvl": WANTED, "inv_warn": 2})
    live = {"0": before | {"inv_lvl": WANTED}}

    def lost(_session: Any, _changes: Any) -> None:
        raise Uncertain("no answer")

    write = replace(registry.writes()[STREAM][1], levels=lambda *_: live, send=lost)
    outcome = Applier(SESSION, write).apply([Planned(write, change, [{}])])
    assert (len(outcome.unknown), outcome.written) == (1, [])


@pytest.mark.parametrize(
    "error", [Denied("refused"), Malformed("not as documented"), Unavailable("it is gone")]
)
def test_a_lost_answer_that_cannot_be_asked_about_is_uncertain(error: InventoryError) -> None:
    shop = Shop(4, [Answer("lost", lambda _place: False)], reads=[error])
    with pytest.raises(Uncertain, match=r"(?i)run again"):
        shop.apply()
    assert len(shop.sent) == 1


@pytest.mark.parametrize("kind", [Denied, Malformed, Unavailable])
def test_an_error_that_concerns_everything_ends_the_run_at_once(
    kind: type[InventoryError],
) -> None:
    shop = Shop(10)
    sent: list[int] = []

    def fail(_session: Any, changes: Sequence[Change]) -> None:
        sent.append(len(changes))
        raise kind("no")

    with pytest.raises(kind):
        Applier(SESSION, replace(shop.write, send=fail)).apply(shop.changes)
    assert sent == [BATCH]
