"""Promise: what a run left behind is finished, taken over or named; nothing is done twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers.contract import Change, Items, Order, Session, Wish, Write
from inventory_providers.environment import Environment
from inventory_providers.errors import Denied, Malformed, Rejected, Unavailable, Uncertain
from target_inventory.apply import Lane
from target_inventory.journal import Intended, Journal
from target_inventory.settlement import Settled, Settlement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from inventory_providers.contract import Effect, Fields, Key
    from target_inventory.journal import Status

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ACCOUNT = "shop"
KEY = ("a",)


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    moment: datetime = NOON
    sleeps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.moment += timedelta(seconds=seconds)


class Shop(Session):
    """A provider in memory; `answers` are raised one by one instead of carrying an order out."""

    def __init__(self) -> None:
        self.levels: dict[Key, Fields] = {}
        self.later: list[dict[Key, Fields]] = []
        self.sent: list[Order] = []
        self.statuses: list[list[str]] = []
        self.answers: list[Exception | None] = []
        self.looks: list[set[Key]] = []
        self.effect: dict[Key, Fields] = {}
        self.gone: list[Key] = []
        self.journal: Journal | None = None

    @property
    def requests(self) -> int:
        return len(self.sent)

    def close(self) -> None: ...

    def read(self, keys: Collection[Key]) -> Mapping[Key, Fields]:
        self.looks.append(set(keys))
        if self.later:
            self.levels = self.later.pop(0)
        return {key: self.levels[key] for key in keys if key in self.levels}

    def send(self, order: Order) -> None:
        assert self.journal is not None
        self.sent.append(order)
        self.statuses.append([entry.status for entry in self.journal.unfinished(ACCOUNT)])
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.levels |= self.effect
        for key in self.gone:
            self.levels.pop(key, None)


def _items(lag: tuple[float, ...]) -> Items:
    return Items(("sku",), "level", lambda _: ACCOUNT, lambda shop, keys: shop.read(keys), lag=lag)


def _write(effect: Effect, items: Items) -> Write:
    def parse(_: Any) -> Wish:
        raise AssertionError("what is settled was parsed long ago")

    def order(_: Any) -> Order:
        raise AssertionError("what is settled is sent as it stands in the journal")

    return Write(
        f"{effect}s", effect, "POST /", "", items, 10, parse, order, lambda shop, it: shop.send(it)
    )


class House:
    """A journal with unfinished business, and the shop that it is about."""

    def __init__(self, lag: tuple[float, ...] = ()) -> None:
        self.clock, self.shop = Clock(), Shop()
        self.journal = Journal.in_memory(self.clock.now)
        self.shop.journal = self.journal
        items = _items(lag)
        effects: tuple[Effect, ...] = ("set", "add", "create", "delete")
        self.writes = {f"{effect}s": _write(effect, items) for effect in effects}
        environment = Environment(clock=self.clock, random=Random(0))
        self.lane = Lane(self.shop, items, ACCOUNT, self.journal, environment)

    def left(
        self, effect: Effect, *changes: Change, sent: bool = True, token: str | None = None
    ) -> Order:
        """A request that an earlier run has left."""
        order = Order("POST", f"/{effect}", repr([change.key for change in changes]), token)
        (noted,) = self.journal.intend(ACCOUNT, [Intended(f"{effect}s", order, changes)])
        if sent:
            self.journal.sending(noted.request)
        return order

    def settle(
        self,
        *,
        said: Collection[str] = (),
        rejected: bool = False,
        within: timedelta = DAY,
        after: timedelta = DAY,
    ) -> Settled:
        """The next run's settlement, so long after the last, and what its plan makes of it.

        `said` is what the new input speaks of at the item `KEY`; `rejected` that it is refused.
        """
        self.clock.moment += after
        entries = self.journal.unfinished(ACCOUNT)
        settlement = Settlement(
            self.lane,
            self.writes,
            resend_within=within,
            said=lambda key: said if key == KEY else (),
        )
        self.settled = settlement.settled
        settled = settlement.settle(entries)
        settlement.decide([KEY] if rejected else [])
        return settled

    @property
    def statuses(self) -> list[Status]:
        """What the journal says, in the order of the writes."""
        found = self.journal._connection.execute("SELECT status FROM writes ORDER BY id")
        return [status for (status,) in found]


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.journal.close()


def _setting(key: str = "a", before: int = 5, after: int = 8, **extra: Any) -> Change:
    old, new = {"level": before, "warn": 1}, {"level": after, "warn": 1}
    return Change((key,), old, new, {"level": after}, extra)


def _addition(
    key: str = "a", before: int | None = 5, quantity: int = 3, event: str = "e"
) -> Change:
    after = None if before is None else before + quantity
    return Change((key,), {"level": before}, {"level": after}, {"quantity": quantity}, event=event)


CREATION = Change(KEY, None, {"level": 0}, {"name": "A"})
DELETION = Change(KEY, {"level": 0}, None)


# ---- levels --------------------------------------------------------------------------------------


def test_nothing_left_is_nothing_asked(house: House) -> None:
    assert house.settle() == Settled()
    assert house.shop.looks == []


@pytest.mark.parametrize("sent", [True, False])
def test_a_level_that_stands_there_is_done(house: House, sent: bool) -> None:
    house.left("set", _setting(), sent=sent)
    house.shop.levels = {KEY: {"level": 8, "warn": 99}}
    settled = house.settle()
    assert (len(settled.finished), house.statuses, house.shop.sent) == (1, ["done"], [])
    assert settled == Settled(finished=settled.finished)


@pytest.mark.parametrize("sent", [True, False])
def test_a_level_that_was_not_written_is_taken_over_and_not_sent_from_here(
    house: House, sent: bool
) -> None:
    change = _setting(operator="bob")
    house.left("set", change, sent=sent)
    house.shop.levels = {KEY: {"level": 5, "warn": 99}}
    settled = house.settle()
    (wanted,) = settled.wanted
    assert (wanted.number, wanted.write) == (-1, house.writes["sets"])
    assert wanted.wish == Wish(KEY, {"level": 8}, extra={"operator": "bob"})
    assert wanted.record == {"sku": "a", "level": 8, "operator": "bob"}
    assert settled.entries == [1]
    assert (settled.finished, house.shop.sent) == ([], [])
    assert house.statuses == ["sent" if sent else "intended"], "it is not over yet"


@pytest.mark.parametrize("sent", [True, False])
def test_a_level_that_moved_is_decided_by_the_new_records(house: House, sent: bool) -> None:
    house.left("set", _setting(), sent=sent)
    house.shop.levels = {KEY: {"level": 6, "warn": 1}}
    settled = house.settle(said={"level"})
    assert (settled.entries, settled.wanted, settled.finished) == ([1], [], [])
    assert (settled.letters, settled.unknown) == ([], [])


@pytest.mark.parametrize("live", [{"level": 6, "warn": 1}, None], ids=["moved", "gone"])
def test_a_level_that_was_sent_and_moved_is_unknown(house: House, live: Fields | None) -> None:
    house.left("set", _setting())
    house.shop.levels = {} if live is None else {KEY: live}
    settled = house.settle()
    (doubt,) = settled.unknown
    assert (doubt.change, house.statuses) == (_setting(), ["unknown"])
    assert settled == Settled(unknown=[doubt])


@pytest.mark.parametrize("live", [{"level": 6, "warn": 1}, None], ids=["moved", "gone"])
def test_a_level_that_was_never_sent_and_moved_is_a_letter(
    house: House, live: Fields | None
) -> None:
    house.left("set", _setting(operator="bob"), sent=False)
    house.shop.levels = {} if live is None else {KEY: live}
    settled = house.settle()
    (letter,) = settled.letters
    assert letter.record == {"sku": "a", "level": 8, "operator": "bob"}
    assert (letter.stream, letter.key, letter.live) == ("sets", KEY, live)
    assert (house.statuses, settled.unknown) == (["refused"], [])


def test_all_levels_are_looked_at_with_one_read(house: House) -> None:
    house.left("set", _setting("a"), _setting("b"))
    house.left("set", _setting("c"), sent=False)
    house.shop.levels = {(key,): {"level": 8, "warn": 1} for key in "abc"}
    assert len(house.settle().finished) == 3
    assert house.shop.looks == [{("a",), ("b",), ("c",)}]


def test_the_items_of_a_request_are_told_one_by_one(house: House) -> None:
    house.left("set", *(_setting(key) for key in "dbca"))
    levels = {"d": 8, "b": 5, "c": 6, "a": 6}
    house.shop.levels = {(key,): {"level": level, "warn": 1} for key, level in levels.items()}
    settled = house.settle(said={"level"})
    assert house.statuses == ["done", "sent", "unknown", "sent"]
    assert (len(settled.finished), settled.entries) == (1, [2, 4])


def test_only_a_level_that_was_sent_may_still_arrive(house: House) -> None:
    house.left("set", _setting("a"))
    house.left("set", _setting("b"), sent=False)
    house.shop.levels = {(key,): {"level": 5, "warn": 1} for key in "ab"}
    house.settle()
    under_way = house.journal.under_way(ACCOUNT, [("a",), ("b",), ("c",)])
    assert [change.key for change in under_way] == [("a",)]


# ---- additions -----------------------------------------------------------------------------------


def test_an_addition_is_sent_again_as_it_was(house: House) -> None:
    order = house.left("add", _addition(), token="t")
    house.shop.effect = {KEY: {"level": 8}}
    settled = house.settle()
    assert house.shop.sent == [order]
    assert house.shop.statuses == [["sent"]], "it left before the journal knew"
    assert (len(settled.finished), house.statuses) == (1, ["done"])


def test_an_addition_may_come_again_for_so_long_and_no_longer(house: House) -> None:
    house.left("add", _addition("a"), token="t")
    house.clock.moment += timedelta(seconds=1)
    house.left("add", _addition("b"), token="u")
    house.shop.levels = {("a",): {"level": 8}, ("b",): {"level": 5}}
    house.shop.effect = {("b",): {"level": 8}}
    settled = house.settle(within=DAY, after=DAY)
    assert [order.token for order in house.shop.sent] == ["u"]
    assert (len(settled.finished), house.statuses) == (2, ["done", "done"])


@pytest.mark.parametrize("change", [CREATION, DELETION], ids=["creation", "deletion"])
def test_what_was_never_sent_goes_into_the_new_plan(house: House, change: Change) -> None:
    house.left("create" if change is CREATION else "delete", change, sent=False)
    (wanted,) = house.settle().wanted
    assert (wanted.wish.key, wanted.wish.fields) == (KEY, change.asked)
    assert (house.shop.sent, house.statuses) == ([], ["intended"])


def test_an_addition_that_was_never_sent_is_never_too_old(house: House) -> None:
    house.left("add", _addition(), sent=False, token="t")
    settled = house.settle(after=400 * DAY)
    (wanted,) = settled.wanted
    assert (wanted.wish.event, wanted.wish.fields) == (_addition().event, _addition().asked)
    assert (settled.entries, house.shop.sent) == ([1], [])


def test_an_addition_that_was_never_sent_and_comes_again_is_the_new_one(house: House) -> None:
    house.left("add", _addition(), sent=False, token="t")
    settled = house.settle(said={_addition().event or ""})
    assert (settled.wanted, settled.entries, house.shop.sent) == ([], [1], [])


def test_an_old_addition_that_shows_is_done(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 8}}
    assert len(house.settle(after=2 * DAY).finished) == 1
    assert (house.shop.sent, house.statuses) == ([], ["done"])


def test_an_old_addition_that_does_not_show_is_sent(house: House) -> None:
    order = house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 5}}
    house.shop.effect = {KEY: {"level": 8}}
    assert len(house.settle(after=2 * DAY).finished) == 1
    assert (house.shop.sent, house.statuses) == ([order], ["done"])


@pytest.mark.parametrize("live", [{"level": 7}, None], ids=["moved", "gone"])
def test_an_old_addition_to_an_item_that_moved_is_unknown(
    house: House, live: Fields | None
) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {} if live is None else {KEY: live}
    settled = house.settle(after=2 * DAY)
    assert [doubt.change for doubt in settled.unknown] == [_addition()]
    assert (house.shop.sent, house.statuses) == ([], ["unknown"])


def test_an_old_addition_that_shows_late_is_waited_for() -> None:
    house = House(lag=(2, 5))
    house.left("add", _addition(), token="t")
    house.shop.later = [{KEY: {"level": 5}}, {KEY: {"level": 5}}, {KEY: {"level": 8}}]
    assert len(house.settle(after=2 * DAY).finished) == 1
    assert (house.clock.sleeps, house.shop.sent) == ([2, 5], [])
    house.journal.close()


def test_an_addition_that_is_refused_is_a_letter_that_asks_for_the_same(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 5}}
    house.shop.answers = [Rejected("no such shelf")]
    settled = house.settle(after=timedelta(0))
    (letter,) = settled.letters
    assert letter.record == {"sku": "a", "quantity": 3, "idempotency_key": "e"}
    assert (letter.reason, letter.live, letter.key) == ("no such shelf", {"level": 5}, KEY)
    assert (house.statuses, settled.finished) == (["refused"], [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Unavailable("HTTP 503"), Unavailable),
        (Unavailable("no answer", silent=True), Uncertain),
        (Uncertain("HTML"), Unavailable),
        (Uncertain("no answer", silent=True), Uncertain),
        (Denied("sign-in refused"), Denied),
    ],
)
def test_without_an_answer_nothing_is_over_and_the_rest_waits(
    house: House, answer: Any, kind: type[Exception]
) -> None:
    house.left("add", _addition("a"), token="t")
    house.left("add", _addition("b"), sent=False, token="u")
    house.left("set", _setting("c"), sent=False)
    house.shop.answers = [answer]
    with pytest.raises(kind) as caught:
        house.settle(after=timedelta(0))
    assert type(caught.value) is kind
    assert [order.token for order in house.shop.sent] == ["t"]
    assert house.statuses == ["sent", "intended", "intended"]
    if kind in {Unavailable, Uncertain}:
        assert "earlier run" in str(caught.value)
        assert "run again" in str(caught.value)


@pytest.mark.parametrize("answer", [Malformed("an odd answer"), Denied("not here", partly=True)])
def test_an_answer_that_will_be_the_same_tomorrow_does_not_stop_every_run(
    house: House, answer: Exception
) -> None:
    house.left("add", _addition("a"), token="t")
    house.left("add", _addition("b"), token="u")
    house.shop.effect = {("b",): {"level": 8}}
    house.shop.answers = [answer]
    settled = house.settle(after=timedelta(0))
    assert [doubt.change.key for doubt in settled.unknown] == [("a",)]
    assert house.statuses == ["unknown", "done"]


def test_what_was_settled_before_a_failure_is_told(house: House) -> None:
    house.left("add", _addition("a"), token="t")
    house.left("add", _addition("b"), token="u")
    house.shop.effect = {("a",): {"level": 8}}
    house.shop.answers = [None, Unavailable("HTTP 503")]
    with pytest.raises(Unavailable):
        house.settle(after=timedelta(0))
    assert (len(house.settled.finished), house.statuses) == (1, ["done", "sent"])


def test_requests_are_repeated_in_their_order_and_before_the_levels(house: House) -> None:
    house.left("set", _setting("z"))
    tokens = ["3", "1", "2"]
    for token in tokens:
        house.left("add", _addition(token, event=token), token=token)
    house.shop.levels = {("z",): {"level": 5, "warn": 1}}
    house.shop.effect = {(token,): {"level": 8} for token in tokens}
    house.settle(after=timedelta(0))
    assert [order.token for order in house.shop.sent] == tokens
    assert house.shop.looks[-1] == {("z",)}


# ---- creations and deletions ---------------------------------------------------------------------


def test_a_creation_that_shows_is_done(house: House) -> None:
    house.left("create", CREATION)
    house.shop.levels = {KEY: {"level": 4}}
    assert len(house.settle().finished) == 1
    assert (house.shop.sent, house.statuses) == ([], ["done"])


def test_a_deletion_may_always_come_again(house: House) -> None:
    order = house.left("delete", DELETION)
    house.shop.levels = {KEY: {"level": 4}}
    house.shop.gone = [KEY]
    assert len(house.settle(after=400 * DAY).finished) == 1
    assert (house.shop.sent, house.statuses) == ([order], ["done"])


@pytest.mark.parametrize("change", [CREATION, DELETION], ids=["creation", "deletion"])
def test_a_creation_or_deletion_that_does_not_show_is_sent(house: House, change: Change) -> None:
    effect: Effect = "create" if change is CREATION else "delete"
    order = house.left(effect, change)
    house.shop.levels = {} if change is CREATION else {KEY: {"level": 0}}

    if change is CREATION:
        house.shop.effect = {KEY: {"level": 0}}
    else:
        house.shop.gone = [KEY]
    assert len(house.settle().finished) == 1
    assert (house.shop.sent, house.statuses) == ([order], ["done"])


def test_a_creation_that_is_refused_because_it_is_there_is_done(house: House) -> None:
    house.left("create", CREATION)
    house.shop.later = [{}, {KEY: {"level": 0}}]
    house.shop.answers = [Rejected("there is one already")]
    settled = house.settle()
    assert (len(settled.finished), settled.letters, house.statuses) == (1, [], ["done"])


def test_a_creation_that_is_refused_is_a_letter(house: House) -> None:
    house.left("create", CREATION)
    house.shop.answers = [Rejected("no such product")]
    settled = house.settle()
    (letter,) = settled.letters
    assert (letter.record, letter.live) == ({"sku": "a", "name": "A"}, None)
    assert house.statuses == ["refused"]


def test_what_follows_a_refused_creation_is_not_sent(house: House) -> None:
    house.left("create", CREATION)
    house.left("add", _addition(before=0), token="t")
    house.left("add", _addition("b"), token="u")
    house.shop.answers = [Rejected("no such product")]
    house.shop.effect = {("b",): {"level": 8}}
    settled = house.settle()
    assert [order.path for order in house.shop.sent] == ["/create", "/add"]
    assert house.statuses == ["refused", "refused", "done"]
    assert [letter.stream for letter in settled.letters] == ["creates", "adds"]


def test_a_deletion_that_is_refused_is_a_letter(house: House) -> None:
    house.left("delete", DELETION)
    house.shop.levels = {KEY: {"level": 0}}
    house.shop.answers = [Rejected("it is in an order")]
    settled = house.settle()
    assert [letter.record for letter in settled.letters] == [{"sku": "a"}]
    assert house.statuses == ["refused"]


def test_what_was_never_sent_is_never_unknown(house: House) -> None:
    house.left("delete", DELETION, sent=False)
    house.shop.levels = {KEY: {"level": 4}}
    assert house.settle().unknown == []
    assert "unknown" not in house.statuses


def test_an_addition_that_is_refused_because_it_is_there_is_done(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 8}}
    house.shop.answers = [Rejected("this token was used")]
    settled = house.settle(after=timedelta(0))
    assert (len(settled.finished), settled.letters, house.statuses) == (1, [], ["done"])


def test_a_level_that_new_records_decide_may_still_arrive(house: House) -> None:
    house.left("set", _setting())
    house.shop.levels = {KEY: {"level": 6, "warn": 1}}
    house.settle(said={"level"})
    assert [change.key for change in house.journal.under_way(ACCOUNT, [KEY])] == [KEY]


@pytest.mark.parametrize("sent", [True, False])
def test_a_level_that_rejected_records_were_to_decide_is_told(house: House, sent: bool) -> None:
    house.left("set", _setting(), sent=sent)
    house.shop.levels = {KEY: {"level": 6, "warn": 1}}
    settled = house.settle(said={"level"}, rejected=True)
    assert settled.entries == []
    assert (len(settled.unknown), len(settled.letters)) == ((1, 0) if sent else (0, 1))
    assert house.statuses == ["unknown" if sent else "refused"]


def test_a_level_that_moved_is_not_decided_by_records_of_other_fields(house: House) -> None:
    house.left("set", _setting())
    house.shop.levels = {KEY: {"level": 6, "warn": 1}}
    assert len(house.settle(said={"warn"}).unknown) == 1


@pytest.mark.parametrize(("status", "letters"), [("refused", 1), ("unknown", 0)])
def test_what_no_run_has_told_is_told(house: House, status: Status, letters: int) -> None:
    house.left("add", _addition(), token="t")
    house.journal.end([1], status, "what went wrong")
    settled = house.settle()
    assert (len(settled.letters), len(settled.unknown)) == (letters, 1 - letters)
    assert house.shop.sent == []
    again = house.settle(said={"e"})
    assert (again.letters, again.unknown) == ([], []), "the new records ask for it again"
    house.journal.tell(ACCOUNT)
    assert house.settle() == Settled()


# ---- what it does not keep yet -------------------------------------------------------------------


def test_an_old_addition_whose_level_is_not_shown_is_unknown(house: House) -> None:
    house.left("add", _addition(before=None), token="t")
    house.shop.levels = {KEY: {"level": None}}
    assert len(house.settle(after=2 * DAY).finished) == 0
    assert house.statuses == ["unknown"]


def test_an_addition_that_is_confirmed_and_not_there_is_not_done(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 5}}
    settled = house.settle(after=timedelta(0))
    assert settled.finished == []
    assert settled.letters or settled.unknown


def test_an_old_addition_is_told_by_its_own_field_alone(house: House) -> None:
    order = house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 5, "updated_at": "today"}}
    house.settle(after=2 * DAY)
    assert house.shop.sent == [order]


def test_what_was_refused_and_then_done_is_not_told(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.journal.end([1], "refused", "not now")
    house.left("add", _addition(), token="t")
    house.journal.end([2], "done")
    assert house.settle() == Settled()


def test_a_refusal_is_no_letter_where_new_records_ask_for_the_same(house: House) -> None:
    house.left("add", _addition(), token="t")
    house.shop.levels = {KEY: {"level": 5}}
    house.shop.answers = [Rejected("not now")]
    assert house.settle(said={"e"}, after=timedelta(0)).letters == []
