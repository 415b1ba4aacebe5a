"""Promise: whatever a provider answers, each change ends as written, rejected or unknown, truly.

The provider here is a few lines that may refuse, lose answers, apply a part, lie, and sell stock in
between, in any order.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import registry
from inventory_providers.contract import Change, Items, Order, Session, Wish
from inventory_providers.errors import (
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    Stopped,
    Unavailable,
    Uncertain,
)
from target_inventory.apply import TRIES, Applier, Lane, Outcome
from target_inventory.changeset import Wanted, line_of
from target_inventory.journal import Journal
from target_inventory.plan import Planned
from tests.inventory_providers.fakes import FakeClock, environment
from tests.target_inventory.singer import STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from inventory_providers.contract import Effect, Fields, Key, Write

SESSION = cast("Session", None)
quick = settings(max_examples=80, deadline=None)

ACCOUNT = "a shop"
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


SAYS: dict[str, InventoryError] = {
    "refused": Rejected("refused with code 50005"),
    "lost": Uncertain("HTTP 502"),
    "silent": Uncertain("no answer in time", silent=True),
    "down": Unavailable("no connection"),
}


@dataclass
class Shop:
    """A provider with `bad` items that it always refuses, and what it was asked.

    Every step is looked at in the journal: what is sent stands there as sent.
    """

    items: int
    answers: list[Answer] = field(default_factory=list)
    bad: frozenset[str] = frozenset()
    effect: Effect = "set"
    token: str | None = None
    sent: list[list[str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)  # sent though it stood there already
    over: list[str] = field(default_factory=list)  # sent though somebody else had changed it
    reads: list[InventoryError | None] = field(default_factory=list)
    levels: dict[str, int] = field(default_factory=dict)
    lag: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self.levels = {str(n): BEFORE for n in range(self.items)}
        self.clock = FakeClock()
        self.journal = Journal.in_memory(self.clock.now)

    @property
    def write(self) -> Write:
        real = registry.writes()[STREAM][1]
        return replace(
            real,
            batch_size=BATCH if self.effect == "set" else 1,
            effect=self.effect,
            items=self.about,
            order=lambda changes: Order(
                "POST", "/", json.dumps([c.key for c in changes]), self.token
            ),
            send=self.send,
        )

    @property
    def about(self) -> Items:
        return Items(
            key=("dn_sku_id",),
            level="inv_lvl",
            account=lambda _: ACCOUNT,
            levels=self.read,
            lag=self.lag,
        )

    @property
    def changes(self) -> list[Planned]:
        before = {"inv_on": True, "inv_lvl": BEFORE}
        return [self.planned(key, before, {"inv_lvl": WANTED}) for key in self.levels]

    def planned(self, key: str, before: Fields, asked: Fields) -> Planned:
        given = {"quantity": WANTED - BEFORE} if self.effect == "add" else asked
        change = Change((key,), before, {**before, **asked}, given)
        record = {"dn_sku_id": key}
        return Planned(
            self.write, change, [Wanted(1, self.write, Wish((key,), asked), line_of(record))]
        )

    def read(self, _session: Any, keys: Collection[Key]) -> Mapping[Key, Fields]:
        error = self.reads.pop(0) if self.reads else None
        if error is not None:
            raise error
        known = [key for (key,) in keys if key in self.levels]
        return {(key,): {"inv_on": True, "inv_lvl": self.levels[key]} for key in known}

    def send(self, _session: Any, order: Order) -> None:
        keys = [key for (key,) in json.loads(order.body)]
        assert len(keys) <= BATCH
        self._must_be_in_the_journal(order)
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

    def _must_be_in_the_journal(self, order: Order) -> None:
        noted = [entry for entry in self.journal.unfinished(ACCOUNT) if entry.order == order]
        assert {entry.status for entry in noted} == {"sent"}

    def applier(self, **more: Any) -> Applier:
        lane = Lane(SESSION, self.about, ACCOUNT, self.journal, environment(clock=self.clock))
        return Applier(lane, **more)

    def apply(self, changes: Sequence[Planned] | None = None) -> Ended:
        """Intend and apply; what was raised comes back."""
        applier = self.applier()
        applier.intend(self.changes if changes is None else changes)
        try:
            applier.apply()
        except InventoryError as error:
            return Ended(applier.outcome, self, error)
        return Ended(applier.outcome, self)

    def statuses(self) -> dict[str, str]:
        """What the journal has of each item last."""
        rows = self.journal._connection.execute("SELECT item, status FROM writes ORDER BY id")
        return {json.loads(item)[0]: status for item, status in rows}


@dataclass
class Ended:
    """How it ended."""

    outcome: Outcome
    shop: Shop
    error: InventoryError | None = None

    @property
    def told(self) -> Outcome:
        """The outcome, of a run that came to its end."""
        assert self.error is None, self.error
        return self.outcome

    @property
    def kept(self) -> set[str]:
        """What the journal keeps for the next run."""
        return {entry.change.key[0] for entry in self.shop.journal.unfinished(ACCOUNT)}


def ends(outcome: Outcome) -> Counter[str]:
    """How often each change is told of."""
    return Counter(
        [
            *(planned.change.key[0] for planned in outcome.written),
            *(letter.record["dn_sku_id"] for letter in outcome.letters),
            *(doubt.change.key[0] for doubt in outcome.unknown),
        ]
    )


def written(outcome: Outcome) -> set[str]:
    return {planned.change.key[0] for planned in outcome.written}


def letters(outcome: Outcome) -> set[str]:
    return {letter.record["dn_sku_id"] for letter in outcome.letters}


def unknown(outcome: Outcome) -> set[str]:
    return {doubt.change.key[0] for doubt in outcome.unknown}


# ---- any pattern ---------------------------------------------------------------------------------

patterns = st.lists(st.booleans(), min_size=BATCH, max_size=BATCH)


def _answer(says: str, pattern: list[bool], sells: frozenset[int]) -> Answer:
    shown = "".join("x" if applied else "." for applied in pattern)
    return Answer(says, lambda place: pattern[place], sells, shown)


everything = st.just([True] * BATCH)
nobody = st.just(frozenset[int]())
honest = st.one_of(
    st.builds(_answer, st.just("ok"), everything, nobody),
    st.builds(_answer, st.sampled_from(["refused", "lost", "silent"]), patterns, nobody),
    st.builds(_answer, st.just("down"), st.just([False] * BATCH), nobody),
)
bad_items = st.frozensets(st.sampled_from("0123456789"), max_size=3)
shops = st.builds(Shop, st.integers(1, 10), st.lists(honest, max_size=12), bad_items)
selling = st.builds(
    _answer,
    st.sampled_from(["ok", "refused", "lost", "silent"]),
    patterns,
    st.frozensets(st.integers(0, BATCH - 1)),
)
any_shops = st.builds(Shop, st.integers(1, 10), st.lists(selling, max_size=12), bad_items)


@quick
@given(shops)
def test_with_honest_answers_every_change_has_one_true_end(shop: Shop) -> None:
    ended = shop.apply()
    outcome = ended.outcome
    assert ends(outcome) + Counter(ended.kept) == Counter(dict.fromkeys(shop.levels, 1))
    assert all(shop.levels[key] == WANTED for key in written(outcome))
    assert all(shop.levels[key] == BEFORE for key in letters(outcome) | ended.kept)
    assert not shop.again, "what stood there already was sent again"
    assert not shop.bad & written(outcome)
    if ended.error is None:
        assert outcome.verified == len(outcome.written)
    else:
        assert isinstance(ended.error, Unavailable)
    assert bool(ended.error) == bool(ended.kept), "something is left, and nobody said so"


@quick
@given(any_shops)
def test_whatever_is_answered_every_change_has_one_end(shop: Shop) -> None:
    ended = shop.apply()
    found = ends(ended.outcome) + Counter(ended.kept)
    assert found == Counter(dict.fromkeys(shop.levels, 1))


@quick
@given(any_shops)
def test_whatever_is_answered_the_journal_says_the_same(shop: Shop) -> None:
    ended = shop.apply()
    outcome = ended.outcome
    expected = {key: {"intended", "sent"} for key in ended.kept}
    for keys, status in (
        (written(outcome), "done"),
        (letters(outcome), "refused"),
        (unknown(outcome), "unknown"),
    ):
        expected |= {key: {status} for key in keys}
    found = shop.statuses()
    assert found.keys() == expected.keys()
    assert not [key for key, status in found.items() if status not in expected[key]]


@quick
@given(any_shops)
def test_whatever_is_answered_nothing_is_called_written_that_is_not_there(shop: Shop) -> None:
    ended = shop.apply()
    if ended.error is not None:
        return  # it was not read back
    outcome = ended.outcome
    assert not [key for key in written(outcome) if shop.levels[key] == BEFORE]
    assert outcome.verified == sum(shop.levels[key] == WANTED for key in written(outcome))
    assert outcome.moved == len(outcome.written) - outcome.verified


@quick
@given(any_shops)
def test_whatever_is_answered_nothing_is_called_rejected_that_is_there(shop: Shop) -> None:
    outcome = shop.apply().outcome
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
    ended = shop.apply()
    assert isinstance(ended.error, Unavailable | Uncertain | None)
    assert all(shop.levels[key] == WANTED for key in written(ended.outcome))
    assert ended.kept.isdisjoint(written(ended.outcome))
    if ended.error is None:
        assert not ended.kept


# ---- each pattern alone --------------------------------------------------------------------------


def test_all_is_well() -> None:
    shop = Shop(10)
    outcome = shop.apply().told
    assert [len(keys) for keys in shop.sent] == [4, 4, 2]
    assert written(outcome) == set(shop.levels)
    assert outcome.verified == 10
    assert set(shop.statuses().values()) == {"done"}


def test_all_of_it_stands_in_the_journal_before_the_first_request() -> None:
    shop = Shop(10)
    shop.applier().intend(shop.changes)
    entries = shop.journal.unfinished(ACCOUNT)
    assert [entry.status for entry in entries] == ["intended"] * 10
    assert [entry.change for entry in entries] == [planned.change for planned in shop.changes]
    assert len({entry.request for entry in entries}) == 3
    assert not shop.sent


def test_it_tells_how_far_it_has_come() -> None:
    shop, steps = Shop(10, [Answer("lost")]), list[int]()
    applier = shop.applier(advance=steps.append)
    applier.intend(shop.changes)
    applier.apply()
    assert steps == [4, 4, 2]


def test_nothing_to_do_sends_and_reads_nothing() -> None:
    shop = Shop(0, reads=[Malformed("it was read")])
    outcome = shop.apply().told
    assert (shop.sent, ends(outcome), shop.statuses()) == ([], Counter(), {})


def test_a_bad_item_is_found_by_halving_and_the_others_are_written() -> None:
    shop = Shop(4, bad=frozenset("2"))
    outcome = shop.apply().told
    assert written(outcome) == {"0", "1", "3"}
    (letter,) = outcome.letters
    assert (letter.record, letter.reason) == ({"dn_sku_id": "2"}, "refused with code 50005")
    assert letter.live == {"inv_on": True, "inv_lvl": BEFORE}
    assert shop.sent == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["3"]]


def test_what_was_applied_of_a_refused_batch_is_not_sent_again() -> None:
    shop = Shop(4, [Answer("refused", lambda place: place < 2)])
    assert written(shop.apply().told) == set("0123")
    assert shop.sent == [["0", "1", "2", "3"], ["2"], ["3"]]


def test_refused_and_applied_all_the_same_is_written() -> None:
    shop = Shop(1, [Answer("refused")])
    outcome = shop.apply().told
    assert (written(outcome), outcome.letters, len(shop.sent)) == ({"0"}, [], 1)


def test_lost_and_applied_is_written_and_not_sent_again() -> None:
    shop = Shop(4, [Answer("lost")])
    assert written(shop.apply().told) == set("0123")
    assert len(shop.sent) == 1


def test_lost_and_not_applied_is_sent_again_as_it_was() -> None:
    shop = Shop(4, [Answer("lost", lambda _place: False)])
    assert written(shop.apply().told) == set("0123")
    assert shop.sent == [["0", "1", "2", "3"]] * 2
    assert len(shop.journal.unfinished(ACCOUNT)) == 0
    assert len(shop.statuses()) == 4


def test_of_a_lost_answer_only_what_is_not_there_is_sent_again() -> None:
    shop = Shop(4, [Answer("lost", lambda place: place == 1)])
    assert written(shop.apply().told) == set("0123")
    assert shop.sent == [["0", "1", "2", "3"], ["0", "2", "3"]]


@pytest.mark.parametrize("says", ["lost", "silent"])
def test_lost_again_and_again_is_left_to_the_next_run(says: str) -> None:
    shop = Shop(6, [Answer(says, lambda _place: False)] * 20)
    ended = shop.apply()
    assert isinstance(ended.error, Unavailable)
    assert SAYS[says].message in str(ended.error)
    assert ended.kept == set("012345")
    # What was sent may still arrive.
    assert Counter(shop.statuses().values()) == {"sent": 4, "intended": 2}
    assert shop.sent == [["0", "1", "2", "3"]] * TRIES, "the others are sent all the same"
    assert ends(ended.outcome) == Counter()


def test_between_the_tries_there_is_time_to_recover() -> None:
    shop = Shop(1, [Answer("lost", lambda _place: False)] * 20)
    shop.apply()
    assert shop.clock.slept == [1, 2, 4]


@pytest.mark.parametrize("says", ["lost", "silent", "refused"])
def test_a_third_level_is_unknown_and_left_alone(says: str) -> None:
    shop = Shop(2, [Answer(says, sells=frozenset({0}))])
    outcome = shop.apply().told
    assert (unknown(outcome), written(outcome)) == ({"0"}, {"1"})
    assert len(shop.sent) == 1
    assert SAYS[says].message in outcome.unknown[0].cause


def test_a_third_level_of_what_was_refused_alone_is_simply_not_written() -> None:
    shop = Shop(1, bad=frozenset("0"))
    send = shop.send

    def refuse_and_sell(session: Any, order: Order) -> None:
        shop.levels["0"] = THIRD
        send(session, order)

    planned = replace(shop.changes[0], write=replace(shop.write, send=refuse_and_sell))
    outcome = shop.apply([planned]).told
    assert (letters(outcome), unknown(outcome)) == ({"0"}, set())
    assert len(outcome.letters) == 1


def test_success_and_a_sale_right_after_is_written_and_moved() -> None:
    shop = Shop(2, [Answer(sells=frozenset({0}))])
    outcome = shop.apply().told
    assert (written(outcome), outcome.verified, outcome.moved) == ({"0", "1"}, 1, 1)
    assert not outcome.letters


def test_success_of_what_was_not_done_is_a_letter_and_not_written() -> None:
    shop = Shop(2, [Answer(applies=lambda place: place == 0)])
    outcome = shop.apply().told
    assert (written(outcome), letters(outcome)) == ({"0"}, {"1"})
    assert outcome.verified == 1
    assert "accepted" in outcome.letters[0].reason
    assert shop.statuses() == {"0": "done", "1": "refused"}


def test_an_item_that_vanished_after_the_write_is_a_letter_and_not_written() -> None:
    shop = Shop(2)
    send = shop.send

    def send_and_lose(session: Any, order: Order) -> None:
        send(session, order)
        del shop.levels["1"]

    write = replace(shop.write, send=send_and_lose)
    changes = [replace(planned, write=write) for planned in shop.changes]
    outcome = shop.apply(changes).told
    assert (written(outcome), letters(outcome)) == ({"0"}, {"1"})


def test_a_part_of_the_fields_is_neither_written_nor_not() -> None:
    shop = Shop(1, [Answer("lost", sells=frozenset())])
    before = {"inv_on": True, "inv_lvl": BEFORE, "inv_warn": 1}
    planned = shop.planned("0", before, {"inv_lvl": WANTED, "inv_warn": 2})
    read = shop.read
    shop.read = lambda *given: {  # type: ignore[method-assign]
        key: {**level, "inv_warn": 1} for key, level in read(*given).items()
    }
    outcome = shop.apply([planned]).told
    assert (len(outcome.unknown), outcome.written) == (1, [])


@pytest.mark.parametrize(
    ("says", "error", "kind"),
    [
        ("lost", Unavailable("it is gone"), Unavailable),
        ("lost", Denied("refused"), Uncertain),
        ("lost", Malformed("not as documented"), Uncertain),
        ("silent", Unavailable("it is gone"), Uncertain),
        ("silent", Denied("refused"), Uncertain),
        ("silent", Malformed("not as documented"), Uncertain),
        ("refused", Unavailable("it is gone"), Unavailable),
    ],
)
def test_what_cannot_be_asked_about_is_left_to_the_next_run(
    says: str, error: InventoryError, kind: type[InventoryError]
) -> None:
    """Without any answer it is uncertain; a provider that answers with errors is down."""
    shop = Shop(6, [Answer(says, lambda _place: False)], reads=[error])
    ended = shop.apply()
    assert type(ended.error) is kind
    assert "run again" in str(ended.error)
    assert len(shop.sent) == 1
    assert shop.statuses() == dict.fromkeys("0123", "sent") | dict.fromkeys("45", "intended")


def test_a_provider_that_is_down_leaves_all_that_was_not_sent_to_the_next_run() -> None:
    shop = Shop(10, [Answer(), Answer("down", lambda _place: False)])
    ended = shop.apply()
    assert isinstance(ended.error, Unavailable)
    assert written(ended.outcome) == set("0123")
    assert shop.statuses() == dict.fromkeys("0123", "done") | dict.fromkeys("456789", "intended")
    assert len(shop.sent) == 2


@pytest.mark.parametrize("kind", [Denied, Malformed])
def test_an_error_that_concerns_everything_ends_the_run_and_nothing_is_left(
    kind: type[InventoryError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SAYS, "no", kind("no"))
    shop = Shop(10, [Answer(), Answer("no", lambda _place: False)])
    ended = shop.apply()
    assert type(ended.error) is kind
    assert shop.statuses() == dict.fromkeys("0123", "done") | dict.fromkeys("456789", "withdrawn")
    assert len(shop.sent) == 2


def test_an_answer_that_is_not_as_documented_says_nothing_about_what_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SAYS, "no", Malformed("no"))
    shop = Shop(4, [Answer("no", lambda place: place < 2)])
    ended = shop.apply()
    assert isinstance(ended.error, Malformed)
    assert written(ended.outcome) == set("01")
    assert shop.statuses() == dict.fromkeys("01", "done") | dict.fromkeys("23", "withdrawn")


@pytest.mark.parametrize("kind", [Stopped, KeyboardInterrupt])
def test_a_stop_withdraws_what_was_not_sent_and_keeps_what_was(
    kind: type[BaseException],
) -> None:
    shop = Shop(10)
    send = shop.send

    def stop(session: Any, order: Order) -> None:
        send(session, order)
        if len(shop.sent) == 2:
            raise kind(2)

    changes = [replace(planned, write=replace(shop.write, send=stop)) for planned in shop.changes]
    applier = shop.applier()
    applier.intend(changes)
    with pytest.raises(kind):
        applier.apply()
    expected = dict.fromkeys("0123", "done") | dict.fromkeys("4567", "sent")
    assert shop.statuses() == expected | dict.fromkeys("89", "withdrawn")


# ---- what happens once ---------------------------------------------------------------------------


@pytest.mark.parametrize(("says", "kind"), [("down", Unavailable), ("silent", Uncertain)])
def test_what_may_be_repeated_and_got_no_good_answer_stays_sent(
    says: str, kind: type[InventoryError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been repeated within the budget: any of the tries may have arrived."""
    silent = says == "silent"
    monkeypatch.setitem(SAYS, "gone", Unavailable("no answer", silent=silent))
    shop = Shop(2, [Answer("gone", lambda _place: False)], effect="add", token="t")
    ended = shop.apply()
    assert type(ended.error) is kind
    assert shop.statuses() == {"0": "sent", "1": "intended"}
    assert len(shop.sent) == 1


def test_what_happens_once_is_sent_one_by_one_in_its_order() -> None:
    shop = Shop(3, effect="add", token="t")
    assert written(shop.apply().told) == set("012")
    assert shop.sent == [["0"], ["1"], ["2"]]


def test_an_addition_that_was_refused_is_a_letter_and_the_others_are_made() -> None:
    shop = Shop(3, bad=frozenset("1"), effect="add", token="t")
    outcome = shop.apply().told
    assert (written(outcome), letters(outcome)) == ({"0", "2"}, {"1"})


def test_an_addition_whose_answer_cannot_be_read_is_repeated_whatever_stands_there() -> None:
    """The token tells; the level does not: somebody may have sold some meanwhile."""
    shop = Shop(1, [Answer("lost", sells=frozenset({0}))], effect="add", token="t")
    outcome = shop.apply().told
    assert (len(shop.sent), written(outcome), unknown(outcome)) == (2, {"0"}, set())


def test_an_addition_whose_answer_can_never_be_read_stays_sent() -> None:
    shop = Shop(2, [Answer("lost")] * 20, effect="add", token="t")
    ended = shop.apply()
    assert isinstance(ended.error, Unavailable | Uncertain)
    assert len(shop.sent) == TRIES
    assert shop.statuses() == {"0": "sent", "1": "intended"}


def test_an_addition_that_was_confirmed_and_does_not_show_is_not_to_be_made_again() -> None:
    """It may show one day: its key must not be free for a second one."""
    shop = Shop(1, [Answer(applies=lambda _place: False)], effect="add", token="t")
    outcome = shop.apply().told
    assert (letters(outcome), outcome.written) == ({"0"}, [])
    assert shop.statuses() == {"0": "unknown"}


# ---- providers that show a write later -----------------------------------------------------------


def _show_later(shop: Shop, looks: int) -> None:
    """What is read is so many looks old."""
    read, seen = shop.read, list[Any]()

    def late(session: Any, keys: Any) -> Any:
        seen.append(read(session, keys))
        old = len(seen) <= looks
        return {key: {"inv_on": True, "inv_lvl": BEFORE} for key in keys} if old else seen[-1]

    shop.read = late  # type: ignore[method-assign]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_a_write_that_shows_later_is_waited_for(looks: int) -> None:
    shop = Shop(2, lag=(2.0, 5.0))
    _show_later(shop, looks)
    outcome = shop.apply().told
    assert (outcome.verified, outcome.letters) == (2, [])
    assert shop.clock.slept == [2.0, 5.0][:looks]


def test_one_that_never_shows_is_found_out_in_the_end() -> None:
    shop = Shop(2, lag=(2.0, 5.0))
    _show_later(shop, 3)
    outcome = shop.apply().told
    assert (outcome.verified, letters(outcome)) == (0, set("01"))
    assert shop.clock.slept == [2.0, 5.0]


# ---- older writes that arrive late ---------------------------------------------------------------


def _with_ghost(shop: Shop, arrives: Callable[[], None]) -> Applier:
    """A run whose item had another level on its way, which arrives after ours."""
    before = {"inv_on": True, "inv_lvl": BEFORE}
    ghost = shop.planned("0", before, {"inv_lvl": THIRD}).change
    send = shop.send

    def send_and_arrive(session: Any, order: Order) -> None:
        send(session, order)
        arrives()

    changes = [
        replace(planned, write=replace(shop.write, send=send_and_arrive))
        for planned in shop.changes
    ]
    applier = shop.applier(ghosts=[ghost])
    applier.intend(changes)
    return applier


def test_an_older_write_that_arrives_late_is_overtaken() -> None:
    shop = Shop(2)
    applier = _with_ghost(
        shop, lambda: shop.levels.update({"0": THIRD} if len(shop.sent) == 1 else {})
    )
    outcome = applier.apply()
    assert shop.levels == {"0": WANTED, "1": WANTED}
    assert (written(outcome), outcome.verified, outcome.moved) == ({"0", "1"}, 2, 0)
    assert shop.sent == [["0", "1"], ["0"]]
    assert set(shop.statuses().values()) == {"done"}


def test_a_change_by_others_is_not_taken_for_an_older_write_of_ours() -> None:
    shop = Shop(2)
    applier = _with_ghost(shop, lambda: shop.levels.update({"0": THIRD - 1}))
    outcome = applier.apply()
    assert (shop.levels["0"], outcome.moved, len(shop.sent)) == (THIRD - 1, 1, 1)


def test_what_was_written_is_told_though_overtaking_fails() -> None:
    shop = Shop(2, [Answer(), Answer("down", lambda _place: False)])
    applier = _with_ghost(shop, lambda: shop.levels.update({"0": THIRD}))
    with pytest.raises(Unavailable):
        applier.apply()
    assert "1" in written(applier.outcome)
