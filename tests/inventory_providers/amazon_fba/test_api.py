"""Promises of reading Amazon: every row of a marketplace or an error, whatever a token does."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.amazon_fba import PROVIDER, api
from inventory_providers.amazon_fba.settings import AmazonFbaSettings
from inventory_providers.contract import ReadRequest
from inventory_providers.environment import Environment, Policy
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    Unavailable,
)
from inventory_providers.jsonio import loads
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from inventory_providers.sockets import Deadlines
from inventory_providers.times import rfc3339
from tests.conftest import FakeClock
from tests.inventory_providers import fakes
from tests.inventory_providers.amazon_fba import examples
from tests.inventory_providers.shop import Says, Shop, document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from inventory_providers.contract import Page
    from inventory_providers.sandbox.room import Reply, Request, SandboxRoom

US, CA = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"
PLACE = f"{api.STREAM} ({US})"
HOUR = timedelta(hours=1)


def rows_of(pages: Sequence[Page]) -> list[dict[str, Any]]:
    return [loads(line) for page in pages for line in page.lines]


# ---- against the sandbox -------------------------------------------------------------------------


@dataclass
class Amazon:
    """The provider in memory, and a session that signs in there on a clock that never waits."""

    server: SandboxServer
    clock: FakeClock
    session: api.AmazonFba

    @property
    def room(self) -> SandboxRoom:
        return self.server.room("amazon_fba")

    @property
    def reads(self) -> list[Request]:
        """The requests for summaries."""
        return [one for one in self.server.requests("amazon_fba") if one.method == "GET"]

    @property
    def queries(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(one.query, keep_blank_values=True)) for one in self.reads]

    @property
    def first_pages(self) -> int:
        """How often a walk was begun."""
        return sum("nextToken" not in query for query in self.queries)

    def read(self, marketplace: str = US, **request: Any) -> list[Page]:
        asked = ReadRequest(partition={"marketplace_id": marketplace}, **request)
        return list(api.read_summaries(self.session, asked))

    def truth(self, marketplace: str = US) -> set[str]:
        return {sku for place, sku in self.room.rows(api.STREAM) if place == marketplace}

    def after_pages(self, seconds: float, pages: int = 1000) -> None:
        """Let so much time pass after each page, or after the first so many."""
        ask, left = self.session.ask, [seconds] * pages

        def slowly(question: api.Question) -> api.Found:
            found = ask(question)
            self.clock.step(left.pop() if left else 0)
            return found

        self.session.ask = slowly  # type: ignore[method-assign]


def served(size: int, policy: Policy | None = None, **values: Any) -> Iterator[Amazon]:
    clock = Clock()
    made = rooms(clock, size=size, names=["amazon_fba"])
    with SandboxServer(made, clock=clock) as server:
        ours = FakeClock(clock.step)
        mine = AmazonFbaSettings.model_validate(server.settings("amazon_fba") | values)
        given_to = Environment(clock=ours, random=random.Random(7), policy=policy or Policy())
        session = api.connect(mine, given_to)
        yield Amazon(server, ours, session)
        session.close()


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    yield from served(size=160)


def skus(pages: Sequence[Page]) -> list[str]:
    return [row["seller_sku"] for row in rows_of(pages)]


def assert_complete(amazon: Amazon, pages: Sequence[Page], marketplace: str = US) -> None:
    found = skus(pages)
    assert len(found) == len(set(found))
    assert set(found) == amazon.truth(marketplace)
    assert pages[-1].bookmark is not None


def test_to_connect_requests_nothing(amazon: Amazon) -> None:
    assert amazon.server.connections == 0
    assert amazon.session.requests == 0


def test_every_marketplace_is_a_part_of_its_own(amazon: Amazon) -> None:
    mine = AmazonFbaSettings.model_validate(amazon.server.settings("amazon_fba"))
    parts = api.partitions(mine)
    assert parts == [{"marketplace_id": US}, {"marketplace_id": CA}]
    for part in parts:
        pages = amazon.read(part["marketplace_id"])
        assert_complete(amazon, pages, part["marketplace_id"])
        assert {row["marketplace_id"] for row in rows_of(pages)} == set(part.values())
    assert amazon.session.requests == len(amazon.server.requests("amazon_fba"))


def test_the_request_is_the_documented_one(amazon: Amazon) -> None:
    amazon.read()
    path, _, query = examples.READ_REQUEST.partition("?")
    assert amazon.reads[0].path == path
    assert amazon.queries[0] == dict(parse_qsl(query))
    headers = amazon.reads[0].headers
    assert headers["x-amz-access-token"].startswith("Atza|")
    assert "authorization" not in headers
    assert headers["user-agent"].startswith("singer-inventory/")
    assert amazon.room.undocumented == []  # type: ignore[attr-defined]


def test_one_sign_in_serves_all_marketplaces(amazon: Amazon) -> None:
    amazon.read(US)
    amazon.read(CA)
    assert amazon.room.sign_ins == 1  # type: ignore[attr-defined]


def test_every_page_repeats_the_first_query_and_adds_the_token(amazon: Amazon) -> None:
    since = datetime.fromtimestamp(amazon.server.clock.now(), UTC) - timedelta(days=30)
    amazon.room.touch(api.STREAM, 120)
    for request in ({}, {"since": since}):
        begin = len(amazon.queries)
        amazon.read(**request)
        first, *others = amazon.queries[begin:]
        assert len(others) > 1
        assert ("startDateTime" in first) == bool(request)
        for query in others:
            token = query.pop("nextToken")
            assert any(one in token for one in "+/=")
            assert query == first


def test_nothing_is_emitted_before_the_last_page_has_come(amazon: Amazon) -> None:
    asked = ReadRequest(partition={"marketplace_id": US})
    pages = api.read_summaries(amazon.session, asked)
    assert next(pages).lines
    before = len(amazon.reads)
    assert before == 4
    list(pages)
    assert len(amazon.reads) == before


def test_the_bookmark_comes_last_and_alone(amazon: Amazon) -> None:
    *pages, last = amazon.read()
    assert [page.bookmark for page in pages] == [None] * len(pages)
    assert last.bookmark is not None
    assert last.lines == []


def test_many_rows_come_in_pages_of_records() -> None:
    for amazon in served(size=700):
        pages = amazon.read()
        assert [len(page.lines) for page in pages][:1] == [api.PAGE_OF_RECORDS]
        assert_complete(amazon, pages)


def test_every_row_carries_the_start_of_the_walk(amazon: Amazon) -> None:
    pages = amazon.read()
    assert pages[-1].bookmark is not None
    began = rfc3339(pages[-1].bookmark)
    assert {row["synced_at"] for row in rows_of(pages)} == {began}


def test_rows_have_no_time_by_which_they_could_count_as_delivered(amazon: Amazon) -> None:
    """That of the walk says nothing of a row: one that went from 3 to 5 and back is news."""
    first = amazon.read()
    amazon.clock.step(60)
    second = amazon.read()
    assert skus(second) == skus(first)
    assert [page.times for page in [*first, *second] if page.times] == []


def test_the_awkward_skus_arrive_unharmed(amazon: Amazon) -> None:
    found = set(skus(amazon.read()))
    awkward = {"comma,inside", "slash/inside", "percent%20inside", "plus+inside", "two words"}
    assert awkward <= found


def test_a_connection_test_is_one_request_and_few_rows(amazon: Amazon) -> None:
    pages = amazon.read(limit=1)
    assert len(amazon.reads) == 1
    (row,) = rows_of(pages)
    assert row["seller_sku"] in amazon.truth()
    assert row["synced_at"]


# ---- how a walk ends -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["normal", "end_object", "end_empty", "end_null"])
def test_a_page_without_a_token_is_the_last(amazon: Amazon, end: str) -> None:
    amazon.room.turn("page", end)
    assert_complete(amazon, amazon.read())


@pytest.mark.parametrize("page", ["empty", "single"])
def test_neither_an_empty_page_nor_a_short_one_is_the_end(page: str) -> None:
    for amazon in served(size=40):
        amazon.room.turn("page", page)
        amazon.room.turn("page_size", 20)
        assert_complete(amazon, amazon.read())


@pytest.mark.parametrize("page", ["repeated_token", "poison"])
def test_a_token_that_came_before_ends_the_walk_with_an_error(amazon: Amazon, page: str) -> None:
    amazon.room.turn("page", page)
    with pytest.raises(Malformed, match="the same page token came twice") as caught:
        amazon.read()
    assert caught.value.place == PLACE
    assert len(amazon.reads) <= 3


def test_the_static_example_never_ends_and_is_not_followed_for_ever(amazon: Amazon) -> None:
    amazon.room.turn("static_example", True)
    with pytest.raises(Malformed, match="the same page token came twice"):
        amazon.read()
    assert len(amazon.reads) == 2
    assert skus(amazon.read(limit=3)) == [
        "EMTEC 1 GB",
        "EMTEC-SdCard-reader",
        "Silicon Power 32GB",
    ]


def test_a_row_that_comes_twice_at_a_border_is_emitted_once_and_counted(
    amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    amazon.room.turn("page", "duplicate")
    assert_complete(amazon, amazon.read())
    (warning,) = [one for one in caplog.messages if "twice" in one]
    assert PLACE in warning
    assert "3 rows came twice" in warning
    assert "0 of them with another fnSku" in warning


def test_of_two_rows_of_one_sku_the_last_wins_with_a_warning(
    amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    amazon.room.turn("duplicate_sku", 2)
    pages = amazon.read()
    assert_complete(amazon, pages)
    assert any("2 of them with another fnSku" in one for one in caplog.messages)
    truth = amazon.room.rows(api.STREAM)
    for row in rows_of(pages):
        assert row["fn_sku"] == truth[US, row["seller_sku"]]["fnSku"]


# ---- the token's thirty seconds ------------------------------------------------------------------


def test_a_token_that_died_begins_the_walk_again_with_nothing_of_the_first(
    amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    amazon.after_pages(31, pages=2)
    began = amazon.clock.now()
    pages = amazon.read()
    assert_complete(amazon, pages)
    assert amazon.first_pages == 3
    assert any("again from its first page" in one for one in caplog.messages)
    bookmark = pages[-1].bookmark
    assert bookmark is not None
    assert bookmark <= began


def test_a_token_that_died_by_their_clock_alone_begins_the_walk_again(amazon: Amazon) -> None:
    amazon.room.turn("clock", 31)
    assert_complete(amazon, amazon.read())
    assert amazon.first_pages == 2


def test_a_restart_keeps_the_first_start(amazon: Amazon) -> None:
    amazon.server.clock.step(-300)
    began = amazon.clock.now() - timedelta(seconds=299)
    amazon.after_pages(31, pages=1)
    pages = amazon.read()
    assert amazon.first_pages == 2
    assert pages[-1].bookmark is not None
    assert pages[-1].bookmark <= began


def test_a_token_that_died_is_not_held_against_the_next_one(amazon: Amazon) -> None:
    """Refused at the same page twice, but only the second time before its end."""
    jumps = [31]

    def jump(_request: Request, reply: Reply) -> None:
        if reply.status == 400 and jumps:
            amazon.room.turn("clock", jumps.pop())

    amazon.room.after_answer = jump
    amazon.after_pages(31, pages=1)
    assert_complete(amazon, amazon.read())
    assert amazon.first_pages == 3


def test_a_row_that_went_before_the_second_walk_is_not_in_it(amazon: Amazon) -> None:
    gone: list[str] = []

    def once(request: Request, _reply: Reply) -> None:
        if request.method == "GET" and not gone:
            gone.extend(sku for _, sku in amazon.room.remove(api.STREAM, 1))

    amazon.room.after_answer = once
    amazon.after_pages(31, pages=1)
    pages = amazon.read()
    assert gone
    assert not set(gone) & set(skus(pages))
    assert_complete(amazon, pages)


def test_after_three_restarts_it_is_given_up_loudly(amazon: Amazon) -> None:
    amazon.after_pages(31)
    with pytest.raises(
        Unavailable, match=r"page token has ended .*, in the last of 4 walks"
    ) as caught:
        amazon.read()
    assert amazon.first_pages == 4
    assert caught.value.place == PLACE
    assert "Next token is invalid or expired" in str(caught.value)


def test_a_new_token_refused_twice_at_the_same_page_has_not_expired(amazon: Amazon) -> None:
    amazon.room.turn("token_seconds", -1)
    with pytest.raises(Malformed, match="Next token is invalid or expired") as caught:
        amazon.read()
    assert amazon.first_pages == 2
    assert caught.value.place == PLACE


def test_a_token_is_used_once_where_it_is_good_for_one_use(amazon: Amazon) -> None:
    amazon.room.turn("token_single_use", True)
    amazon.server.inject("amazon_fba", Fault("reset_mid_body", path="nextToken"))
    assert_complete(amazon, amazon.read())


def test_a_busy_provider_is_waited_for_while_the_token_lives(amazon: Amazon) -> None:
    amazon.room.turn("throttle_walk", 15)
    assert_complete(amazon, amazon.read())
    assert amazon.first_pages == 1


@pytest.mark.parametrize("seconds", [40, 90])
def test_a_pause_longer_than_the_token_is_sat_out_and_the_walk_begun_again(
    amazon: Amazon, seconds: int
) -> None:
    amazon.room.turn("throttle_walk", seconds)
    assert_complete(amazon, amazon.read())
    assert amazon.first_pages >= 2


def test_nothing_is_asked_with_a_token_older_than_25_seconds(amazon: Amazon) -> None:
    amazon.room.turn("throttle_walk", 60)
    amazon.read()
    born = amazon.reads[0].at
    first_walk: list[Request] = []
    for request in amazon.reads[1:]:
        if "nextToken" not in request.query:
            break
        first_walk.append(request)
    assert len(first_walk) > 3
    # The bucket on our side may add a part of a second.
    assert all(request.at - born < 26 for request in first_walk)


def test_an_outage_of_90_seconds_before_the_first_page_is_sat_out(amazon: Amazon) -> None:
    fault = Fault("status", path="summaries", headers={"Retry-After": "15"}, times=6)
    amazon.server.inject("amazon_fba", fault)
    assert_complete(amazon, amazon.read())
    assert sum(amazon.clock.sleeps) >= 90
    assert amazon.first_pages == 7


def test_an_outage_of_90_seconds_of_the_sign_in_is_sat_out(amazon: Amazon) -> None:
    fault = Fault("status", path="o2/token", headers={"Retry-After": "15"}, times=6)
    amazon.server.inject("amazon_fba", fault)
    assert_complete(amazon, amazon.read())


def test_a_sign_in_that_fails_between_two_pages_does_not_outlive_the_token(amazon: Amazon) -> None:
    amazon.room.turn("token_life", 100)
    amazon.after_pages(24, pages=3)
    fault = Fault("status", path="o2/token", skip=1, times=7)
    armed = amazon.server.inject("amazon_fba", fault)
    assert_complete(amazon, amazon.read())
    assert armed.fired == 7
    assert amazon.first_pages == 2
    assert len(amazon.reads) == 3 + 4, "nothing was asked with the token that had died"


def test_an_outage_without_end_is_given_up(amazon: Amazon) -> None:
    fault = Fault("status", path="summaries", skip=2, times=None)
    amazon.server.inject("amazon_fba", fault)
    began = amazon.clock.monotonic()
    with pytest.raises(Unavailable, match="HTTP 503"):
        amazon.read()
    assert amazon.clock.monotonic() - began < 1.1 * (120 + 25)
    assert amazon.first_pages > 2


def test_after_an_outage_the_next_marketplace_is_tried_once(amazon: Amazon) -> None:
    amazon.server.inject("amazon_fba", Fault("status", path="summaries", times=None))
    with pytest.raises(Unavailable):
        amazon.read(US)
    before = len(amazon.reads)
    with pytest.raises(Unavailable):
        amazon.read(CA)
    assert len(amazon.reads) == before + 1


@pytest.mark.parametrize(
    "planned", [[500], [503], [502], ["reset"], [500, 503, 502, "reset"]], ids=str
)
@pytest.mark.parametrize("page", [1, 3])
def test_what_passes_is_asked_for_again(amazon: Amazon, planned: list[Any], page: int) -> None:
    def plan(request: Request, _reply: Reply) -> None:
        if request.method == "GET" and len(amazon.reads) == page - 1:
            amazon.room.turn("status", planned)

    amazon.room.after_answer = plan
    if page == 1:
        amazon.room.turn("status", planned)
    assert_complete(amazon, amazon.read())
    assert len(amazon.reads) == 4 + len(planned)


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    for amazon in served(size=20, policy=Policy(deadline=1.5)):
        amazon.room.turn("status", ["slow"])
        assert_complete(amazon, amazon.read())
        assert len(amazon.reads) == 2


def test_one_request_takes_at_most_20_seconds(
    amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[float] = []
    within = Deadlines.within

    def noted(deadlines: Deadlines, seconds: float) -> AbstractContextManager[None]:
        allowed.append(seconds)
        return within(deadlines, seconds)

    monkeypatch.setattr(Deadlines, "within", noted)
    amazon.read()
    assert len(allowed) == amazon.session.requests
    assert set(allowed) == {20.0}


def test_a_page_of_html_is_asked_for_again_and_not_for_ever(amazon: Amazon) -> None:
    amazon.server.inject("amazon_fba", Fault("html", path="nextToken", status=200))
    assert_complete(amazon, amazon.read())
    amazon.server.inject("amazon_fba", Fault("html", path="nextToken", status=200, times=None))
    with pytest.raises(Malformed, match="HTML"):
        amazon.read()


# ---- signing in ----------------------------------------------------------------------------------


def test_a_walk_that_outlives_its_access_token_goes_on(amazon: Amazon) -> None:
    amazon.room.turn("token_life", 100)
    amazon.after_pages(20)
    assert_complete(amazon, amazon.read())
    assert amazon.first_pages == 1
    assert amazon.room.sign_ins == 2  # type: ignore[attr-defined]
    assert len(amazon.reads) == 4, "renewed before its end: no request was refused"


def test_an_access_token_that_ends_early_is_renewed_once(amazon: Amazon) -> None:
    amazon.read(CA)
    before = len(amazon.reads)
    amazon.room.turn("revoked", True)

    def heal(_request: Request, reply: Reply) -> None:
        if reply.status == 403:
            amazon.room.turn("revoked", False)

    amazon.room.after_answer = heal
    assert_complete(amazon, amazon.read())
    assert len(amazon.reads) == before + 5
    assert amazon.room.sign_ins == 2  # type: ignore[attr-defined]


def test_access_tokens_that_are_always_refused_are_no_loop(amazon: Amazon) -> None:
    amazon.room.turn("revoked", True)
    with pytest.raises(Denied, match=r"amazon_fba\.refresh_token") as caught:
        amazon.read()
    assert not caught.value.partly
    assert (len(amazon.reads), amazon.room.sign_ins) == (2, 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("life", [1, 30, 61, 3600])
def test_an_access_token_is_used_however_short_its_life(life: int) -> None:
    for amazon in served(size=20):
        amazon.room.turn("token_life", life)
        assert_complete(amazon, amazon.read())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("invalid_client", ["amazon_fba.client_secret", "180 days", "Client authentication"]),
        ("invalid_grant", ["amazon_fba.refresh_token"]),
        ("not_granted", ["amazon_fba.refresh_token", "User may have revoked"]),
    ],
)
def test_a_refused_sign_in_is_not_repeated(amazon: Amazon, kind: str, words: list[str]) -> None:
    amazon.room.turn("lwa", kind)
    with pytest.raises(Denied) as caught:
        amazon.read()
    assert not caught.value.partly
    for word in words:
        assert word in str(caught.value)
    assert (len(amazon.reads), amazon.room.sign_ins) == (0, 1)  # type: ignore[attr-defined]


def test_a_sign_in_that_is_down_says_so(amazon: Amazon) -> None:
    amazon.room.turn("lwa", "503")
    with pytest.raises(Unavailable, match="Login with Amazon: HTTP 503"):
        amazon.read()
    assert amazon.room.sign_ins > 3  # type: ignore[attr-defined]
    assert len(amazon.reads) == 0


# ---- marketplaces apart --------------------------------------------------------------------------


def test_a_marketplace_of_somebody_else_is_refused_alone(amazon: Amazon) -> None:
    amazon.room.turn("foreign_marketplace", US)
    with pytest.raises(Denied) as caught:
        amazon.read(US)
    assert caught.value.partly
    assert caught.value.place == PLACE
    for name in ("marketplace_ids", "client_id", "client_secret", "refresh_token"):
        assert f"amazon_fba.{name}" in str(caught.value)
    assert (len(amazon.reads), amazon.room.sign_ins) == (1, 1)  # type: ignore[attr-defined]
    assert_complete(amazon, amazon.read(CA), CA)


def test_a_seller_without_fba_is_told_of_both_causes(amazon: Amazon) -> None:
    amazon.room.turn("no_fba", US)
    with pytest.raises(ConfigError) as caught:
        amazon.read(US)
    assert caught.value.place == PLACE
    assert "amazon_fba.marketplace_ids" in str(caught.value)
    assert "nothing in FBA" in str(caught.value)
    assert len(amazon.reads) == 1
    assert_complete(amazon, amazon.read(CA), CA)


# ---- incremental ---------------------------------------------------------------------------------


def test_an_incremental_read_asks_from_the_bookmark_less_the_overlap(amazon: Amazon) -> None:
    bookmark = amazon.read()[-1].bookmark
    amazon.clock.step(7200)
    changed = amazon.room.touch(api.STREAM, 3)
    pages = amazon.read(since=bookmark, lookback=HOUR)
    assert bookmark is not None
    assert amazon.queries[-1]["startDateTime"] == (bookmark - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert set(skus(pages)) == {sku for place, sku in changed if place == US}
    assert pages[-1].bookmark is not None
    assert pages[-1].bookmark >= bookmark + 2 * HOUR


def test_changes_of_inbound_quantities_come_only_with_a_full_read(amazon: Amazon) -> None:
    bookmark = amazon.read()[-1].bookmark
    amazon.clock.step(7200)
    shipped = {sku for place, sku in amazon.room.ship(2) if place == US}  # type: ignore[attr-defined]
    assert rows_of(amazon.read(since=bookmark, lookback=HOUR)) == []
    full = amazon.read(since=bookmark, lookback=HOUR, full=True)
    assert "startDateTime" not in amazon.queries[-1]
    inbound = {
        row["seller_sku"]: row["inventory_details"]["inbound_working_quantity"]
        for row in rows_of(full)
        if row["inventory_details"]
    }
    assert shipped <= inbound.keys()
    assert all(inbound[sku] >= 12 for sku in shipped)


@pytest.mark.parametrize("ahead", [-300, 0, 300])
def test_the_walks_start_is_the_earlier_of_the_two_clocks(amazon: Amazon, ahead: float) -> None:
    amazon.server.clock.step(ahead)
    expected = amazon.clock.now() + timedelta(seconds=min(ahead, 0))
    pages = amazon.read()
    began = pages[-1].bookmark
    assert began is not None
    assert expected - timedelta(seconds=2) <= began <= expected + timedelta(seconds=1)
    assert began.microsecond == 0
    synced_at = began.isoformat().replace("+00:00", "Z")
    assert {row["synced_at"] for row in rows_of(pages)} == {synced_at}


def test_where_the_provider_tells_no_time_ours_is_the_walks_start(amazon: Amazon) -> None:
    def untimed(_request: Request, reply: Reply) -> None:
        reply.headers["Date"] = ""

    amazon.room.after_answer = untimed
    amazon.server.clock.step(-300)
    before = amazon.clock.now().replace(microsecond=0)
    began = amazon.read()[-1].bookmark
    assert began is not None
    assert began >= before


def test_a_restart_of_an_incremental_walk_asks_the_same_again(amazon: Amazon) -> None:
    bookmark = amazon.read()[-1].bookmark
    amazon.clock.step(7200)
    amazon.room.touch(api.STREAM, 120)
    begin = len(amazon.reads)
    amazon.after_pages(31, pages=1)
    pages = amazon.read(since=bookmark, lookback=HOUR)
    assert len({query["startDateTime"] for query in amazon.queries[begin:]}) == 1
    assert pages[-1].bookmark is not None
    assert pages[-1].bookmark <= amazon.clock.now() - timedelta(seconds=31)


def test_the_provider_looks_back_18_months_at_most(amazon: Amazon) -> None:
    now = amazon.clock.now()
    for days, full in ((541, True), (539, False)):
        pages = amazon.read(since=now - timedelta(days=days))
        assert ("startDateTime" not in amazon.queries[-1]) == full
        if full:
            assert_complete(amazon, pages)


def test_a_bound_that_is_refused_as_too_old_becomes_a_full_read(
    amazon: Amazon, caplog: pytest.LogCaptureFixture
) -> None:
    """Our clock may stand behind theirs."""
    since = amazon.clock.now() - timedelta(days=530)
    amazon.server.clock.step(30 * 86_400)
    pages = amazon.read(since=since)
    assert_complete(amazon, pages)
    assert ["startDateTime" in query for query in amazon.queries[:2]] == [True, False]
    assert any("startDateTime is refused" in one for one in caplog.messages)


def slow_sign_in(clock: FakeClock, request: Request, _reply: Reply) -> None:
    if request.method == "POST":
        clock.step(1)


@pytest.mark.parametrize(("sandbox", "least"), [(True, 4 / 5), (False, 18 / 2)])
def test_all_marketplaces_keep_within_the_one_rate_of_the_account(
    sandbox: bool, least: float
) -> None:
    for amazon in served(size=500, sandbox=sandbox):
        amazon.room.turn("flavour", "sandbox" if sandbox else "production")
        # The first request arrives later than it was let go: the sign-in comes between.
        amazon.room.after_answer = partial(slow_sign_in, amazon.clock)
        for marketplace in (US, CA):
            assert_complete(amazon, amazon.read(marketplace), marketplace)
        assert amazon.reads[-1].at - amazon.reads[0].at >= least
        assert len(amazon.reads) == 20, "no answer was 429"


# ---- against answers made here -------------------------------------------------------------------


@dataclass
class Desk:
    """Answers given in turn: `lwa` to sign-ins, `shop` to reads."""

    lwa: Shop
    shop: Shop
    clock: fakes.FakeClock = field(default_factory=fakes.FakeClock)

    def session(self, **values: Any) -> api.AmazonFba:
        credentials = {
            "client_id": "amzn1.application-oa2-client.7",
            "client_secret": "secret+of the&desk",
            "refresh_token": "Atzr|refresh+of the&desk",
            "marketplace_ids": [US],
        }
        urls = {"api_url": self.shop.url, "lwa_url": self.lwa.url}
        mine = AmazonFbaSettings.model_validate(credentials | urls | values)
        return api.connect(mine, fakes.environment(clock=self.clock))

    def read(self, *answers: Says, **request: Any) -> list[Page]:
        if answers:
            self.shop.answers = list(answers)
        asked = ReadRequest(partition={"marketplace_id": US}, **request)
        session = self.session()
        try:
            return list(api.read_summaries(session, asked))
        finally:
            session.close()

    def queries(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(one.target.partition("?")[2])) for one in self.shop.asked]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Shop(Says(body=examples.LWA_ANSWER.encode())) as lwa, Shop() as shop:
        yield Desk(lwa, shop)


GRANULARITY = {"granularityType": "Marketplace", "granularityId": US}


def page(*rows: Any, token: Any = ..., **more: Any) -> Says:
    whole: dict[str, Any] = {
        "payload": {"granularity": GRANULARITY, "inventorySummaries": list(rows)}
    }
    if token is not ...:
        whole["pagination"] = {"nextToken": token}
    return Says(body=document(whole | more))


def row(sku: Any, **more: Any) -> dict[str, Any]:
    return {"sellerSku": sku, "asin": "B00T9QONN6", "fnSku": "X0000001", **more}


def refusal(status: int, body: str, **headers: str) -> Says:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Says(status, body.encode(), named)


def test_the_sign_in_is_the_documented_form(desk: Desk) -> None:
    desk.read(page())
    (asked,) = desk.lwa.asked
    assert (asked.method, asked.target) == ("POST", "/auth/o2/token")
    assert asked.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert "x-amz-access-token" not in asked.headers
    assert "authorization" not in asked.headers
    assert dict(parse_qsl(asked.body.decode(), strict_parsing=True)) == {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|refresh+of the&desk",
        "client_id": "amzn1.application-oa2-client.7",
        "client_secret": "secret+of the&desk",
    }
    assert desk.shop.asked[0].headers["x-amz-access-token"] == "Atza|..."


def test_the_static_example_comes_out_of_a_read(desk: Desk) -> None:
    answer = json.loads(examples.STATIC_ANSWER)
    del answer["pagination"]
    pages = desk.read(Says(body=document(answer)))
    assert [row["total_quantity"] for row in rows_of(pages)] == [0, 0, 87]
    assert desk.queries() == [examples.STATIC_REQUEST]


def test_start_date_bounds_incremental_reads_only(desk: Desk) -> None:
    start = fakes.NOON - timedelta(days=3)
    since = fakes.NOON - timedelta(days=9)
    for request in (
        {"start": start},
        {"start": start, "since": since, "full": True},
        {"start": start, "since": since},
        {"start": since, "since": start},
    ):
        desk.read(page(), **request)
    assert [query.get("startDateTime") for query in desk.queries()] == [
        None,
        None,
        "2026-02-26T12:00:00Z",
        "2026-02-26T12:00:00Z",
    ]


def test_a_bookmark_with_a_fraction_is_asked_for_in_whole_seconds(desk: Desk) -> None:
    desk.read(page(), since=datetime(2026, 2, 26, 12, 0, 0, 900_000, tzinfo=UTC))
    assert desk.queries()[0]["startDateTime"] == "2026-02-26T12:00:00Z"


@given(st.text(min_size=1, max_size=20), st.datetimes(timezones=st.just(UTC)))
def test_no_parameter_is_empty_and_only_the_token_differs(token: str, start: datetime) -> None:
    text = start.isoformat()
    first = api.Question(US, text)
    following = replace(first, token=token, arrived=1.0)
    assert all(value for _, value in following.query)
    assert following.query == [*first.query, ("nextToken", token)]
    assert [value for name, value in first.query if name.endswith(("Id", "Ids"))] == [US, US]


@settings(max_examples=20)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_a_token_comes_back_as_it_was_given(token: str) -> None:
    with Shop(Says(body=examples.LWA_ANSWER.encode())) as lwa, Shop() as shop:
        desk = Desk(lwa, shop)
        assert skus(desk.read(page(row("a"), token=token), page(row("b")))) == ["a", "b"]
        assert parse_qsl(shop.asked[1].target.partition("?")[2])[-1] == ("nextToken", token)


# ---- answers that are not as documented ----------------------------------------------------------

PAYLOAD = {"granularity": GRANULARITY, "inventorySummaries": []}
UNDOCUMENTED: dict[str, tuple[Any, str]] = {
    "null": (None, "payload"),
    "a list": ([], "payload"),
    "text": ("payload", "payload"),
    "nothing": ({}, "payload"),
    "payload is null": ({"payload": None}, "payload"),
    "payload is a list": ({"payload": []}, "payload"),
    "no granularity": ({"payload": {"inventorySummaries": []}}, "granularity"),
    "granularity is text": ({"payload": PAYLOAD | {"granularity": US}}, "granularity"),
    "no list": ({"payload": {"granularity": GRANULARITY}}, "inventorySummaries"),
    "the list is null": ({"payload": PAYLOAD | {"inventorySummaries": None}}, "inventorySummaries"),
    "the list is an object": (
        {"payload": PAYLOAD | {"inventorySummaries": {}}},
        "inventorySummaries",
    ),
    "another marketplace": (
        {"payload": PAYLOAD | {"granularity": GRANULARITY | {"granularityId": CA}}},
        "granularity.granularityId",
    ),
    "another granularity": (
        {"payload": PAYLOAD | {"granularity": GRANULARITY | {"granularityType": "Country"}}},
        "granularity.granularityType",
    ),
    "granularity of a wrong type": (
        {"payload": PAYLOAD | {"granularity": GRANULARITY | {"granularityId": [US]}}},
        "granularity.granularityId",
    ),
    "pagination is a list": ({"payload": PAYLOAD, "pagination": []}, "pagination"),
    "pagination is text": ({"payload": PAYLOAD, "pagination": ""}, "pagination"),
    "the token is a number": (
        {"payload": PAYLOAD, "pagination": {"nextToken": 7}},
        "pagination.nextToken",
    ),
    "the token is false": (
        {"payload": PAYLOAD, "pagination": {"nextToken": False}},
        "pagination.nextToken",
    ),
    "the token is half an emoji": (
        {"payload": PAYLOAD, "pagination": {"nextToken": "\ud83d"}},
        "pagination.nextToken",
    ),
    "errors": (json.loads(examples.FAILURE_WITH_200), "InvalidInput"),
    "errors beside rows": (
        {"payload": PAYLOAD} | json.loads(examples.FAILURE_WITH_200),
        "InvalidInput",
    ),
    "errors of another kind": ({"errors": [{"code": "InternalFailure"}]}, "InternalFailure"),
    "errors without a code": ({"errors": [{"message": "no"}], "payload": PAYLOAD}, "errors"),
    "errors are an object": ({"errors": {"code": "X"}, "payload": PAYLOAD}, "errors"),
}


@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.parametrize("name", UNDOCUMENTED)
def test_an_answer_that_is_not_as_documented_is_never_an_empty_page(
    desk: Desk, name: str, when: str
) -> None:
    answer, named = UNDOCUMENTED[name]
    before = [page(row("a"), token="t")] if when == "later" else []
    with pytest.raises(Malformed) as caught:
        desk.read(*before, Says(body=document(answer)))
    assert named in str(caught.value)
    assert caught.value.place == PLACE
    assert len(desk.shop.asked) == len(before) + 1


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pagination": None},
        {"pagination": {}},
        {"pagination": {"nextToken": None}},
        {"pagination": {"nextToken": ""}},
        {"errors": []},
        {"errors": None},
    ],
    ids=str,
)
def test_an_answer_without_a_token_and_without_errors_is_the_last(
    desk: Desk, more: dict[str, Any]
) -> None:
    assert skus(desk.read(page(row("a"), **more))) == ["a"]
    assert len(desk.shop.asked) == 1


def test_a_granularity_that_is_not_told_is_null(desk: Desk) -> None:
    payload = {"granularity": {}, "inventorySummaries": [row("a")]}
    (record,) = rows_of(desk.read(page(payload=payload)))
    assert (record["granularity_type"], record["granularity_id"]) == (None, None)
    assert record["marketplace_id"] == US


def test_what_no_document_names_is_reported_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    strange = [row("a", brandNew=1), row("b", brandNew=2)]
    payload = {"granularity": GRANULARITY, "inventorySummaries": strange, "more": 1}
    pages = desk.read(page(payload=payload, token="t"), page(row("c", brandNew=3), extra=1))
    assert skus(pages) == ["a", "b", "c"]
    assert all("brandNew" not in line.decode() for one in pages for line in one.lines)
    told = [one for one in caplog.messages if "not in the document" in one]
    for name in ("brandNew", "payload.more", "extra"):
        assert sum(name in one for one in told) == 1


def test_a_wrong_value_fails_the_marketplace_before_anything_is_emitted(desk: Desk) -> None:
    asked = ReadRequest(partition={"marketplace_id": US})
    desk.shop.answers = [page(row("a"), token="t"), page(row("b", totalQuantity="many"))]
    session = desk.session()
    with pytest.raises(Malformed, match="row b: totalQuantity"):
        next(api.read_summaries(session, asked))
    session.close()


def test_rows_without_a_sku_are_counted_and_the_others_come_without_a_bookmark(desk: Desk) -> None:
    desk.shop.answers = [
        page(row("a"), row(None, asin="B0FIRST"), row(""), row(7), "x", token="t"),
        page(row("b")),
    ]
    asked = ReadRequest(partition={"marketplace_id": US})
    session = desk.session()
    pages: list[Page] = []
    with pytest.raises(Malformed, match="4 rows have no sellerSku") as caught:
        pages.extend(api.read_summaries(session, asked))
    session.close()
    assert skus(pages) == ["a", "b"]
    assert [one.bookmark for one in pages] == [None]
    assert caught.value.place == PLACE
    assert "B0FIRST" in str(caught.value)


# ---- the table of errors -------------------------------------------------------------------------

ID = "5f0c7b0e-request"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (examples.INVALID_REQUEST, ConfigError),
        (examples.INVALID_INPUT, ConfigError),
        (examples.UNMATCHED, ConfigError),
        (examples.NO_DATE_TIME, Malformed),
        (examples.DEAD_TOKEN, Malformed),
        (examples.TOO_EARLY, ConfigError),
        ('{"errors":[{"code":"SomethingElse","message":"no"}]}', Malformed),
        ("", Malformed),
        ("<p>", Malformed),
        ("{}", Malformed),
    ],
)
def test_a_refused_first_page_is_not_repeated(
    desk: Desk, body: str, kind: type[InventoryError]
) -> None:
    with pytest.raises(kind) as caught:
        desk.read(refusal(400, body))
    assert type(caught.value) is kind
    assert len(desk.shop.asked) == 1
    assert "HTTP 400" in str(caught.value)


@pytest.mark.parametrize("body", [examples.INVALID_REQUEST, examples.INVALID_INPUT])
def test_a_refused_later_page_is_not_the_configurations_fault(desk: Desk, body: str) -> None:
    with pytest.raises(Malformed, match="InvalidInput"):
        desk.read(page(row("a"), token="t"), refusal(400, body))
    assert len(desk.shop.asked) == 2


@pytest.mark.parametrize("status", [400, 200])
def test_a_dead_token_is_recognized_in_disguise_too(desk: Desk, status: int) -> None:
    dead = refusal(status, examples.DEAD_TOKEN)
    pages = desk.read(page(row("a"), token="t"), dead, page(row("b")))
    assert skus(pages) == ["b"]


@pytest.mark.parametrize("status", [400, 200])
def test_a_bound_too_old_is_recognized_in_disguise_too(desk: Desk, status: int) -> None:
    pages = desk.read(
        refusal(status, examples.TOO_EARLY),
        page(row("b")),
        since=fakes.NOON - timedelta(days=500),
    )
    assert skus(pages) == ["b"]
    assert ["startDateTime" in query for query in desk.queries()] == [True, False]


def test_a_good_page_with_invalid_input_tells_of_both_causes(desk: Desk) -> None:
    with pytest.raises(Malformed, match="nothing in FBA") as caught:
        desk.read(refusal(200, examples.FAILURE_WITH_200))
    assert "amazon_fba.marketplace_ids" in str(caught.value)


@pytest.mark.parametrize("body", [examples.EXPIRED, examples.REVOKED])
@pytest.mark.parametrize("status", [401, 403])
def test_an_access_token_that_has_ended_is_renewed_and_the_request_repeated(
    desk: Desk, status: int, body: str
) -> None:
    desk.lwa.answers = [
        Says(body=document({"access_token": f"Atza|{n}", "expires_in": 3600})) for n in range(3)
    ]
    pages = desk.read(refusal(status, body), page(row("a"), token="t"), page(row("b")))
    assert skus(pages) == ["a", "b"]
    tokens = [one.headers["x-amz-access-token"] for one in desk.shop.asked]
    assert tokens == ["Atza|0", "Atza|1", "Atza|1"]
    assert desk.shop.asked[0].target == desk.shop.asked[1].target


def test_a_token_refused_after_it_was_renewed_is_a_refused_sign_in(desk: Desk) -> None:
    with pytest.raises(Denied, match=r"amazon_fba\.refresh_token") as caught:
        desk.read(refusal(403, examples.EXPIRED))
    assert not caught.value.partly
    assert (len(desk.shop.asked), len(desk.lwa.asked)) == (2, 2)


def test_a_refused_marketplace_is_not_a_refused_sign_in(desk: Desk) -> None:
    with pytest.raises(Denied) as caught:
        desk.read(refusal(403, examples.UNAUTHORIZED))
    assert caught.value.partly
    assert (len(desk.shop.asked), len(desk.lwa.asked)) == (1, 1)


@pytest.mark.parametrize("body", ["", "<html>", "{}", '{"message":"Forbidden"}', '{"errors":[]}'])
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_cannot_be_read_ends_at_once(desk: Desk, status: int, body: str) -> None:
    with pytest.raises(Denied, match=r"amazon_fba\.client_secret") as caught:
        desk.read(refusal(status, body))
    assert not caught.value.partly
    assert (len(desk.shop.asked), len(desk.lwa.asked)) == (1, 1)


def test_a_token_that_did_not_arrive_is_a_defect(desk: Desk) -> None:
    with pytest.raises(Malformed, match="MissingAuthenticationToken"):
        desk.read(refusal(403, examples.NO_ACCESS_TOKEN))
    assert (len(desk.shop.asked), len(desk.lwa.asked)) == (1, 1)


def test_what_is_not_there_is_given_up(desk: Desk) -> None:
    body = '{"errors":[{"code":"NotFound","message":"The specified resource does not exist."}]}'
    with pytest.raises(Malformed, match="NotFound") as caught:
        desk.read(refusal(404, body))
    assert "amazon_fba.api_url" in str(caught.value)
    assert len(desk.shop.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, examples.QUOTA_EXCEEDED),
        (500, examples.INTERNAL_FAILURE),
        (503, '{"errors":[{"code":"ServiceUnavailable"}]}'),
        (503, "<p>"),
        (502, ""),
        (504, ""),
    ],
)
def test_a_passing_failure_is_asked_for_again(desk: Desk, status: int, body: str) -> None:
    assert skus(desk.read(refusal(status, body), page(row("a")))) == ["a"]
    assert len(desk.shop.asked) == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, examples.INVALID_REQUEST), (403, examples.UNAUTHORIZED), (404, "{}"), (200, "{}")],
)
def test_the_request_id_of_a_failure_is_told(desk: Desk, status: int, body: str) -> None:
    with pytest.raises(InventoryError) as caught:
        desk.read(refusal(status, body, x_amzn_RequestId=ID))
    assert ID in str(caught.value)


def test_the_request_id_of_a_passing_failure_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    failure = refusal(500, examples.INTERNAL_FAILURE, x_amzn_RequestId=ID)
    with caplog.at_level(logging.INFO):
        desk.read(failure, page())
    assert any(ID in one and "InternalFailure" in one for one in caplog.messages)


def test_no_message_repeats_a_credential(desk: Desk) -> None:
    body = document(
        {"errors": [{"code": "Unauthorized", "details": "secret+of the&desk Atza|token-to-hide"}]}
    )
    desk.lwa.answers = [Says(body=document({"access_token": "Atza|token-to-hide"}))]
    session = desk.session()
    session._sign_in._settings.register_secrets()
    desk.shop.answers = [Says(403, body)]
    with pytest.raises(Denied) as caught:
        list(api.read_summaries(session, ReadRequest(partition={"marketplace_id": US})))
    session.close()
    assert "desk" not in str(caught.value)
    assert "hide" not in str(caught.value)


# ---- what Login with Amazon answers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, examples.INVALID_CLIENT, ["180 days", "amazon_fba.client_secret"]),
        (400, examples.INVALID_GRANT, ["amazon_fba.refresh_token"]),
        (400, examples.NOT_GRANTED, ["amazon_fba.refresh_token"]),
        (400, '{"error":"access_denied"}', ["amazon_fba.client_id", "access_denied"]),
        (400, '{"error":"invalid_request"}', ["amazon_fba.client_id"]),
        (400, '{"error":"invalid_scope"}', ["amazon_fba.client_id"]),
        (400, '{"error":"unauthorized_client"}', ["amazon_fba.client_id"]),
        (403, '{"error":"invalid_client"}', ["amazon_fba.client_secret"]),
        (200, examples.INVALID_CLIENT, ["amazon_fba.client_secret"]),
        (401, "", ["amazon_fba.client_id"]),
        (403, "<p>", ["amazon_fba.client_id"]),
    ],
)
def test_a_refusal_of_the_sign_in_names_the_setting(
    desk: Desk, status: int, body: str, words: list[str]
) -> None:
    desk.lwa.answers = [refusal(status, body)]
    with pytest.raises(Denied) as caught:
        desk.read(page())
    assert not caught.value.partly
    for word in words:
        assert word in str(caught.value)
    assert (len(desk.lwa.asked), len(desk.shop.asked)) == (1, 0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":"server_error"}'),
        (400, '{"error":"temporarily_unavailable","error_description":"later"}'),
        (200, '{"error":"server_error"}'),
        (500, '{"error":"invalid_client"}'),
        (503, "<p>"),
        (429, "{}"),
        (200, "<p>"),
        (200, ""),
    ],
)
def test_a_sign_in_that_failed_in_passing_is_tried_again(
    desk: Desk, status: int, body: str
) -> None:
    desk.lwa.answers = [refusal(status, body), Says(body=examples.LWA_ANSWER.encode())]
    assert skus(desk.read(page(row("a")))) == ["a"]
    assert (len(desk.lwa.asked), len(desk.shop.asked)) == (2, 1)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("null", "access_token"),
        ("[]", "access_token"),
        ("{}", "access_token"),
        ('{"access_token":null}', "access_token"),
        ('{"access_token":""}', "access_token"),
        ('{"access_token":["x"]}', "access_token"),
        ('{"access_token":"a\\nb"}', "access_token"),
        ('{"access_token":"gr\\u00fcn"}', "access_token"),
        ('{"access_token":"Atza|1","expires_in":"soon"}', "expires_in"),
        ('{"access_token":"Atza|1","expires_in":0}', "expires_in"),
        ('{"access_token":"Atza|1","expires_in":true}', "expires_in"),
    ],
)
def test_a_sign_in_without_a_usable_token_is_malformed(desk: Desk, body: str, named: str) -> None:
    desk.lwa.answers = [Says(body=body.encode())]
    with pytest.raises(Malformed, match=f"Login with Amazon: .*{named}"):
        desk.read(page())
    assert (len(desk.lwa.asked), len(desk.shop.asked)) == (1, 0)


@pytest.mark.parametrize("life", ["3600", 3600, 3600.5, None, ""])
def test_the_life_of_a_token_may_be_told_in_any_form_or_not_at_all(desk: Desk, life: Any) -> None:
    desk.lwa.answers = [Says(body=document({"access_token": "Atza|1", "expires_in": life}))]
    session = desk.session()
    desk.shop.answers = [page()]
    for seconds, sign_ins in ((0, 1), (3500, 1), (45, 2)):
        desk.clock.step(seconds)
        list(api.read_summaries(session, ReadRequest(partition={"marketplace_id": US})))
        assert len(desk.lwa.asked) == sign_ins
    session.close()


def test_a_redirected_sign_in_names_its_own_setting(desk: Desk) -> None:
    desk.lwa.answers = [refusal(302, "", Location="http://127.0.0.1:1/")]
    with pytest.raises(Malformed, match=r"amazon_fba\.lwa_url"):
        desk.read(page())


def test_a_404_of_the_sign_in_names_its_own_setting(desk: Desk) -> None:
    desk.lwa.answers = [refusal(404, "")]
    with pytest.raises(Malformed, match=r"amazon_fba\.lwa_url"):
        desk.read(page())


# ---- the declaration -----------------------------------------------------------------------------


def test_the_stream_is_declared_as_the_contract_says() -> None:
    (stream,) = PROVIDER.streams
    assert stream.name == "amazon_fba_inventory_summaries"
    assert stream.primary_key == ("marketplace_id", "seller_sku")
    assert stream.replication_key == "synced_at"
    assert stream.full_refresh
    for words in ("Never sum over marketplaces", "inbound", "deleted", "full_refresh_days"):
        assert words in stream.description


def test_pages_that_bring_nothing_new_do_not_go_on_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_IDLE_PAGES", 5)
    row = {"sellerSku": "A", "asin": "B1"}
    with pytest.raises(Malformed, match="pages in a row have no new SKU"):
        desk.read(*(page(row, token=f"t{number}") for number in range(50)))
    assert len(desk.shop.asked) == 7
