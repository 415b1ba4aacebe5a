"""Promises of reading S2: one sign-in, one request for three streams, nothing lost, no loop."""

from __future__ import annotations

import base64
import json
import logging
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inventory_providers import redaction, times
from inventory_providers.contract import ReadRequest
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    OutputError,
    Unavailable,
)
from inventory_providers.jsonio import dumps, loads
from inventory_providers.s2 import PROVIDER, api
from inventory_providers.s2.sandbox import EMAIL, MESSAGE, PASSWORD, Sandbox
from inventory_providers.s2.settings import S2Settings
from inventory_providers.s2.shelf import ORGANIZATION
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer
from inventory_providers.stored import load
from tests.inventory_providers.fakes import NOON, FakeClock, environment
from tests.inventory_providers.s2 import examples
from tests.inventory_providers.shop import Says, Shop, document

if TYPE_CHECKING:
    from collections.abc import Iterator

WAREHOUSES, PRODUCTS, ITEMS = PROVIDER.streams
REFERENCE = "ee21f844-efab-44f2-809b-37d19545968b"
EMPTY: dict[str, Any] = {"warehouses": [], "products": [], "items": []}
HOUR = timedelta(hours=1)


class Following(Clock):
    """The provider's clock is ours."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.ours = clock

    def now(self) -> float:
        return self.ours.now().timestamp()


@dataclass
class House:
    """The stand-in, and sessions with it."""

    server: SandboxServer
    room: Sandbox
    clock: FakeClock
    sessions: list[api.S2] = field(default_factory=list)

    def session(self, **more: Any) -> api.S2:
        """With the stand-in's token; None takes a setting away."""
        return self._connected({**self.room.settings(self.server.url), **more})

    def with_login(self, **more: Any) -> api.S2:
        """With email and password."""
        return self._connected({**self.room.settings_with_login(self.server.url), **more})

    def _connected(self, document: dict[str, Any]) -> api.S2:
        kept = {name: value for name, value in document.items() if value is not None}
        self.sessions.append(connected(self.clock, **kept))
        return self.sessions[-1]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and target of every request so far."""
        return [(request.method, request.target) for request in self.server.received]


def connected(clock: FakeClock | None = None, **document: Any) -> api.S2:
    settings = S2Settings.model_validate(document)
    settings.register_secrets()
    return api.connect(settings, environment(clock=clock))


@pytest.fixture
def house() -> Iterator[House]:
    clock = FakeClock()
    room = Sandbox(Following(clock), size=30)
    with SandboxServer([room]) as server:
        it = House(server, room, clock)
        yield it
        for session in it.sessions:
            session.close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(Says(body=examples.OVERVIEW_ANSWER.encode())) as it:
        yield it


@pytest.fixture
def session(shop: Shop) -> Iterator[api.S2]:
    it = connected(api_url=shop.url, access_token="a token of the shop")
    yield it
    it.close()


@pytest.fixture
def user(shop: Shop) -> Iterator[api.S2]:
    """Of the shop, with email and password."""
    it = connected(api_url=shop.url, email=EMAIL, password=PASSWORD)
    yield it
    it.close()


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    secrets, pattern = set(redaction._secrets), redaction._pattern
    yield
    redaction._secrets.clear()
    redaction._secrets.update(secrets)
    redaction._pattern = pattern


def records(session: api.S2, stream: Any, **request: Any) -> list[dict[str, Any]]:
    pages = list(stream.read(session, ReadRequest(**request)))
    return [loads(line) for page in pages for line in page.lines]


def bookmark(session: api.S2, **request: Any) -> datetime | None:
    return list(ITEMS.read(session, ReadRequest(**request)))[-1].bookmark


def failure(session: api.S2, stream: Any = ITEMS) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        records(session, stream)
    return caught.value


def keys(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["warehouse_id"], one["product_id"]) for one in found]


# ---- the request, and the document's answer ------------------------------------------------------


def test_the_request_of_the_document(shop: Shop) -> None:
    first, *headers = examples.OVERVIEW_REQUEST.strip().splitlines()
    sent = dict(line.lower().split(": ") for line in headers)
    token = sent["authorization"].removeprefix("bearer ")
    it = connected(api_url=shop.url, access_token=token, organization_id=sent["x-s2-organization"])
    records(it, WAREHOUSES)
    it.close()
    (asked,) = shop.asked
    assert f"{asked.method} {asked.target}" == first
    assert asked.body == b""
    assert {name: asked.headers[name].lower() for name in sent} == sent


def test_without_an_organization_there_is_no_such_header(shop: Shop, session: api.S2) -> None:
    records(session, WAREHOUSES)
    assert "x-s2-organization" not in shop.asked[0].headers


def test_the_documents_answer_comes_out_of_three_reads(shop: Shop, session: api.S2) -> None:
    shown = json.loads(examples.OVERVIEW_ANSWER)
    warehouses, products, items = (records(session, stream) for stream in PROVIDER.streams)
    assert [one["id"] for one in warehouses] == [one["id"] for one in shown["warehouses"]]
    assert [one["sku"] for one in products] == [one["sku"] for one in shown["products"]]
    assert keys(items) == [(i["warehouseId"], i["level"]["productId"]) for i in shown["items"]]
    assert [one["reserved"] for one in items] == [-13, -7, -7, 0, -2]
    assert len(shop.asked) == 1


def test_nothing_is_asked_before_a_stream_is_read(house: House) -> None:
    assert house.session().requests == 0
    assert house.with_login().requests == 0
    assert house.asked == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_one_request_serves_three_streams(house: House, order: tuple[int, ...]) -> None:
    it = house.session()
    for number in order:
        assert records(it, PROVIDER.streams[number])
    assert house.asked == [("GET", "/inventory/overview")]
    assert it.requests == 1
    assert house.room.undocumented == []


def test_streams_can_be_read_at_the_same_time(house: House) -> None:
    """They share one file; none of them loses its place in it."""
    it = house.session()
    reads = [stream.read(it, ReadRequest()) for stream in PROVIDER.streams]
    found = [[line for page in read for line in page.lines] for read in zip(*reads, strict=True)]
    assert [len(lines) > 0 for lines in found] == [True]
    assert len(found[0]) == sum(len(house.room.rows(stream.name)) for stream in PROVIDER.streams)


def test_every_row_of_the_stand_in_arrives(house: House) -> None:
    it = house.session()
    for stream in PROVIDER.streams:
        found = records(it, stream)
        expected = house.room.rows(stream.name)
        assert [tuple(one[part] for part in stream.primary_key) for one in found] == list(expected)


def test_the_rows_are_those_of_every_organization(house: House) -> None:
    it = house.session()
    named = {one["organization"]["name"] for one in records(it, WAREHOUSES)}
    assert named == {"test organization", "Sellersoft"}
    assert house.room.settings("")["organization_id"] == ORGANIZATION["id"]


@pytest.mark.parametrize("order", ["documented", "items_first"])
def test_the_order_of_the_lists_and_other_members_do_not_matter(
    house: House, order: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.room.turn("key_order", order)
    house.room.turn("extra_keys", value=True)
    it = house.session()
    with caplog.at_level(logging.WARNING):
        for stream in PROVIDER.streams:
            assert len(records(it, stream)) == len(house.room.rows(stream.name))
    said = [line.getMessage() for line in caplog.records]
    assert said == ["s2: left out, not in the document: notice, request, totals"]


def test_pages_are_small_and_only_the_last_moves_the_bookmark(house: House) -> None:
    house.room.turn("size", 1200)
    pages = list(ITEMS.read(house.session(), ReadRequest()))
    assert [len(page.lines) for page in pages] == [500, 500, 200]
    assert [page.bookmark is None for page in pages] == [True, True, False]
    assert all(len(page.lines) == len(page.times) for page in pages)


def test_an_inventory_without_rows_is_read_and_said(
    shop: Shop, session: api.S2, caplog: pytest.LogCaptureFixture
) -> None:
    shop.answers = [Says(body=document(EMPTY))]
    with caplog.at_level(logging.WARNING):
        assert [records(session, stream) for stream in PROVIDER.streams] == [[], [], []]
    (said,) = [line.getMessage() for line in caplog.records]
    assert "empty" in said
    assert "s2.organization_id" in said


@pytest.mark.parametrize("limit", [1, 3])
def test_a_connection_test_is_one_request_and_few_rows(house: House, limit: int) -> None:
    it = house.session()
    for stream in PROVIDER.streams:
        (page,) = stream.read(it, ReadRequest(limit=limit))
        assert len(page.lines) == len(page.times) == limit
        assert page.bookmark is None
    assert house.room.overviews == 1


def test_close_lets_go_of_the_file_and_the_connections(house: House) -> None:
    it = house.with_login()
    records(it, ITEMS)
    it.close()
    assert it._file.closed


def test_a_temporary_file_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OutputError, match="No usable temporary directory"):
        connected(api_url="http://127.0.0.1", access_token="x")


# ---- rows that others lose -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["unresolved", "short_id", "no_updated_at", "equal_times"])
def test_items_that_are_odd_arrive(house: House, kind: str) -> None:
    house.room.turn("items", [kind])
    it = house.session()
    known = {one["id"] for one in records(it, PRODUCTS)}
    found = records(it, ITEMS)
    added = [one for one in found if one["available"] == 8 and one["product_id"] not in known]
    assert len(added) == (40 if kind == "equal_times" else 1)
    assert len(found) == len(house.room.rows(ITEMS.name))
    if kind == "short_id":
        assert len(added[0]["product_id"]) == 35
    assert (added[0]["updated_at"] is None) == (kind == "no_updated_at")


@pytest.mark.parametrize("sign", ["negative", "positive"])
def test_reserved_comes_as_it_was_sent(house: House, sign: str) -> None:
    house.room.turn("reserved_sign", sign)
    found = [one["reserved"] for one in records(house.session(), ITEMS)]
    assert found == [row["level"]["reserved"] for row in house.room.rows(ITEMS.name).values()]
    assert max(map(abs, found)) > 0
    assert all(number <= 0 if sign == "negative" else number >= 0 for number in found)


def test_an_item_without_a_level_ends_its_stream_and_no_other(house: House) -> None:
    house.room.turn("items", ["no_level"])
    it = house.session()
    error = failure(it)
    assert isinstance(error, Malformed)
    assert "level is missing" in error.message
    assert records(it, WAREHOUSES)
    assert records(it, PRODUCTS)
    assert house.room.overviews == 1


@pytest.mark.parametrize("since", [None, datetime(2000, 1, 1, tzinfo=UTC)])
def test_of_a_key_that_is_twice_the_last_row_wins(
    house: House, since: datetime | None, caplog: pytest.LogCaptureFixture
) -> None:
    house.room.turn("duplicate_item", value=True)
    with caplog.at_level(logging.WARNING):
        found = records(house.session(), ITEMS, since=since)
    expected = house.room.rows(ITEMS.name)
    assert Counter(keys(found)) == Counter(list(expected))
    levels = {key: row["level"]["available"] for key, row in expected.items()}
    assert {(o["warehouse_id"], o["product_id"]): o["available"] for o in found} == levels
    (said,) = [line.getMessage() for line in caplog.records]
    assert said.startswith("s2: items: a key occurs twice")
    assert said.endswith("rows left out: 1")


@pytest.mark.parametrize("name", ["warehouses", "products"])
def test_the_last_row_wins_in_the_other_lists_too(
    shop: Shop, session: api.S2, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": "a", "name": "old"}, {"id": "b", "name": "b"}, {"id": "a", "name": "new"}]
    shop.answers = [Says(body=document({**EMPTY, name: rows}))]
    stream = dict(zip(EMPTY, PROVIDER.streams, strict=True))[name]
    with caplog.at_level(logging.WARNING):
        found = {one["id"]: one["name"] for one in records(session, stream)}
    assert found == {"a": "new", "b": "b"}
    assert "twice" in caplog.text


@pytest.mark.parametrize("count", [99, 100, 101])
def test_a_list_of_just_a_hundred_may_have_been_cut(
    shop: Shop, session: api.S2, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": f"{n}"} for n in range(count)]
    shop.answers = [Says(body=document({**EMPTY, "products": rows}))]
    with caplog.at_level(logging.WARNING):
        assert len(records(session, PRODUCTS)) == count
    warned = [line.getMessage() for line in caplog.records if "100" in line.getMessage()]
    assert warned == (["s2: products has just 100 entries; was the list cut?"] * (count == 100))


# ---- signing in ----------------------------------------------------------------------------------


def login_answer(**changes: Any) -> dict[str, Any]:
    """The published answer, with changes."""
    return {**json.loads(examples.LOGIN_ANSWER), **changes}


def jwt(**payload: Any) -> str:
    parts = [{"alg": "HS256", "typ": "JWT"}, payload]
    return ".".join([base64.urlsafe_b64encode(dumps(part)).decode().rstrip("=") for part in parts])


def test_the_published_log_in_is_sent(house: House) -> None:
    head, _, body = examples.LOGIN_REQUEST.strip().partition("\n\n")
    method, target = head.splitlines()[0].split(" ")
    records(house.with_login(), WAREHOUSES)
    login, overview = house.server.received
    assert (login.method, login.target) == (method, target)
    assert login.headers["content-type"] == "application/json"
    assert json.loads(login.body).keys() == json.loads(body).keys()
    assert json.loads(login.body) == {"email": EMAIL, "password": PASSWORD}
    assert "authorization" not in login.headers
    assert "x-s2-organization" not in login.headers
    assert overview.headers["authorization"] == f"Bearer {house.room.tokens[0]}"
    assert house.room.undocumented == []


def test_the_published_answer_is_a_sign_in(shop: Shop, user: api.S2) -> None:
    published = login_answer(accessToken=jwt(**json.loads(examples.TOKEN_PAYLOAD)))
    shop.answers = [Says(body=document(published)), Says(body=document(EMPTY))]
    assert records(user, WAREHOUSES) == []
    assert "x-s2-organization" not in shop.asked[1].headers
    assert user._token_ends == datetime(2024, 6, 11, 1, 30, 2, tzinfo=UTC)


def test_one_log_in_serves_three_streams(house: House) -> None:
    it = house.with_login()
    for stream in PROVIDER.streams:
        assert records(it, stream)
    assert house.asked == [("POST", "/login"), ("GET", "/inventory/overview")]
    assert it.requests == 2


def test_a_token_that_was_issued_is_a_secret_from_then_on(house: House) -> None:
    records(house.with_login(), WAREHOUSES)
    (token,) = house.room.tokens
    assert redaction.redact(f"it is {token}!") == f"it is {redaction.MASK}!"


def test_a_configured_token_is_used_as_it_is(house: House) -> None:
    """Rule 1: also one that is over by its own word, and one that is no JWT."""
    it = house.session(access_token=jwt(exp=1))
    failure(it)
    assert house.server.received[0].headers["authorization"] == f"Bearer {jwt(exp=1)}"


def test_a_configured_token_that_is_refused_is_asked_once(house: House) -> None:
    it = house.session(access_token="no token of yours")
    errors = [failure(it, stream) for stream in PROVIDER.streams]
    assert house.asked == [("GET", "/inventory/overview")]
    for error in errors:
        assert isinstance(error, Denied)
        assert "401: Unauthorized" in error.message
        assert "s2.access_token" in error.advice
        assert "seven days" in error.advice
    assert not house.clock.slept


def test_a_token_that_has_ended_meanwhile_is_renewed_once(house: House) -> None:
    """Rule 3: the first token is revoked by the provider before it is used."""
    it = house.with_login()
    it._sign_in()
    house.room._user_version += 1
    assert records(it, ITEMS)
    assert [target for _, target in house.asked] == [
        "/login",
        "/inventory/overview",
        "/login",
        "/inventory/overview",
    ]
    assert not house.clock.slept


def test_a_second_401_is_final(house: House) -> None:
    house.room.turn("revoke_after", 0)
    it = house.with_login()
    errors = [failure(it, stream) for stream in PROVIDER.streams]
    assert (house.room.logins, house.room.overviews) == (2, 2)
    for error in errors:
        assert isinstance(error, Denied)
        assert "s2.email and s2.password" in error.advice
    assert not house.clock.slept


def test_a_token_is_renewed_when_less_than_an_hour_is_left(house: House) -> None:
    house.room.turn("token_life", 7200)
    it = house.with_login()
    it._present_token()
    house.clock.step(3600)
    first = it._present_token()
    assert house.room.logins == 1
    house.clock.step(1)
    assert it._present_token() != first
    assert house.room.logins == 2
    assert it._token_ends == NOON + 3 * HOUR + timedelta(seconds=1)


def test_a_token_of_a_short_life_is_used_all_the_same(house: House) -> None:
    house.room.turn("token_life", 60)
    assert records(house.with_login(), ITEMS)
    assert (house.room.logins, house.room.overviews) == (1, 1)


def test_between_two_tries_a_token_may_run_out(house: House) -> None:
    """The wait that the provider asks for is longer than the token lives."""
    house.room.turn("token_life", 60)
    house.server.inject(
        "s2", Fault("status", status=503, path="overview", headers={"Retry-After": "90"})
    )
    assert records(house.with_login(), ITEMS)
    assert house.clock.slept == [90]
    assert house.room.logins == 2


@pytest.mark.parametrize(
    "token", ["opaque", "a.b.c", jwt(), jwt(exp="soon"), jwt(exp=None), jwt(exp=True)]
)
def test_a_token_without_an_end_lives_seven_days(shop: Shop, user: api.S2, token: str) -> None:
    shop.answers = [
        Says(body=document(login_answer(accessToken=token))),
        Says(body=document(EMPTY)),
    ]
    records(user, WAREHOUSES)
    assert user._token_ends == NOON + timedelta(days=7)


@given(st.text() | st.lists(st.text(max_size=4)).map(".".join))
def test_whatever_a_token_looks_like_it_is_looked_at(token: str) -> None:
    assert isinstance(api._end_of(token), datetime | None)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.text())
def test_whatever_a_token_says_of_its_end(end: Any) -> None:
    found = api._end_of(jwt(exp=end))
    if found is not None:
        assert abs(found.timestamp() - float(end)) < 1


@given(st.one_of(st.lists(st.integers()), st.text(), st.none(), st.integers()).map(dumps))
def test_a_token_need_not_hold_an_object(payload: bytes) -> None:
    assert api._end_of("a." + base64.urlsafe_b64encode(payload).decode() + ".c") is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("wrong", "HTTP 401: Unauthorized"),
        ("type_other", "type INACTIVE: deactivated"),
        ("no_token", "accessToken missing"),
        ("empty_token", "accessToken missing"),
    ],
)
def test_a_log_in_that_gives_no_token_is_refused_and_asked_once(
    house: House, how: str, words: str
) -> None:
    """Rule 4: whatever the HTTP status."""
    house.room.turn("login", how)
    it = house.with_login()
    errors = [failure(it, stream) for stream in PROVIDER.streams]
    assert house.asked == [("POST", "/login")]
    for error in errors:
        assert isinstance(error, Denied)
        assert error.message == f"sign-in refused ({words})"
        assert error.advice == "Check s2.email and s2.password"
    assert not house.clock.slept


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_log_in_is_never_tried_again(shop: Shop, user: api.S2, status: int) -> None:
    shop.answers = [Says(status, body=document({"message": MESSAGE}))]
    error = failure(user)
    assert isinstance(error, Denied)
    assert REFERENCE in error.message
    assert len(shop.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"message": MESSAGE},
        {},
        [],
        None,
        "SUCCESS",
        login_answer(type=None),
        login_answer(type="success"),
        login_answer(type=["SUCCESS"]),
        login_answer(accessToken=None),
        login_answer(accessToken=5),
    ],
    ids=lambda answer: json.dumps(answer)[:40],
)
def test_only_a_success_with_a_token_is_a_sign_in(shop: Shop, user: api.S2, answer: Any) -> None:
    shop.answers = [Says(body=document(answer))]
    error = failure(user)
    assert isinstance(error, Denied)
    assert error.advice == "Check s2.email and s2.password"
    assert (REFERENCE in error.message) == (isinstance(answer, dict) and "message" in answer)
    assert len(shop.asked) == 1


@pytest.mark.parametrize("document_", [login_answer(user=None), login_answer(user={})])
def test_a_sign_in_that_tells_nothing_of_the_user_is_one(
    shop: Shop, user: api.S2, document_: Any
) -> None:
    shop.answers = [Says(body=document(document_)), Says(body=document(EMPTY))]
    assert records(user, WAREHOUSES) == []


def test_a_log_in_that_is_down_is_tried_again(shop: Shop, user: api.S2) -> None:
    shop.answers = [
        Says(503),
        Says(500, body=document({"message": MESSAGE})),
        Says(body=document(login_answer())),
        Says(body=document(EMPTY)),
    ]
    assert records(user, WAREHOUSES) == []
    assert [asked.target for asked in shop.asked] == ["/login"] * 3 + ["/inventory/overview"]


def test_a_log_in_that_is_not_there_is_a_wrong_address(shop: Shop, user: api.S2) -> None:
    shop.answers = [Says(404, body=document({"message": "Not Found"}))]
    error = failure(user)
    assert "HTTP 404: Not Found" in error.message
    assert error.advice == "Check s2.api_url"
    assert len(shop.asked) == 1


# ---- organizations -------------------------------------------------------------------------------

OTHER = "95d73baf-76ba-4bea-86ac-1534c5e5d4aa"
FOREIGN = "e4affb47-1971-42bb-97a3-215d9bddd888"


def test_with_one_organization_none_need_be_named(house: House) -> None:
    assert records(house.with_login(), ITEMS)
    assert "x-s2-organization" not in house.server.received[-1].headers


def test_with_several_organizations_one_has_to_be_named(house: House) -> None:
    house.room.turn("org_count", 2)
    it = house.with_login()
    for error in [failure(it, stream) for stream in PROVIDER.streams]:
        assert isinstance(error, ConfigError)
        assert error.place == "s2.organization_id"
        assert f"test organization ({ORGANIZATION['id']})" in error.message
        assert f"other organization ({OTHER})" in error.message
    assert house.asked == [("POST", "/login")]


@pytest.mark.parametrize("organization", [ORGANIZATION["id"], OTHER])
def test_the_organization_that_is_named_is_sent(house: House, organization: str) -> None:
    house.room.turn("org_count", 2)
    assert records(house.with_login(organization_id=organization), ITEMS)
    assert house.server.received[-1].headers["x-s2-organization"] == organization


@pytest.mark.parametrize("count", [1, 2])
def test_an_organization_that_is_not_the_users_is_refused(house: House, count: int) -> None:
    house.room.turn("org_count", count)
    it = house.with_login(organization_id=FOREIGN)
    error = failure(it)
    assert isinstance(error, ConfigError)
    assert error.place == "s2.organization_id"
    assert ORGANIZATION["id"] in error.message
    assert house.asked == [("POST", "/login")]


def test_of_a_user_without_organizations_none_can_be_named(shop: Shop) -> None:
    shop.answers = [Says(body=document(login_answer(user={"organizations": []})))]
    it = connected(api_url=shop.url, email=EMAIL, password=PASSWORD, organization_id=OTHER)
    error = failure(it)
    it.close()
    assert isinstance(error, ConfigError)
    assert error.message == "is none of the user's organizations: none"


@pytest.mark.parametrize(
    "organizations",
    [None, {}, "one", ...],
    ids=str,
)
def test_where_the_sign_in_lists_no_organizations_the_named_one_is_sent(
    shop: Shop, organizations: Any
) -> None:
    told = {} if organizations is ... else {"organizations": organizations}
    shop.answers = [Says(body=document(login_answer(user=told))), Says(body=document(EMPTY))]
    it = connected(api_url=shop.url, email=EMAIL, password=PASSWORD, organization_id=OTHER)
    assert records(it, ITEMS) == []
    it.close()
    assert shop.asked[-1].headers["x-s2-organization"] == OTHER


@pytest.mark.parametrize(("status", "kind"), [(400, ConfigError), (403, Denied)])
@pytest.mark.parametrize("with_login", [True, False])
def test_a_refused_organization_is_named_with_those_of_the_user(
    house: House, status: int, kind: type[InventoryError], with_login: bool
) -> None:
    it = house.with_login() if with_login else house.session()
    house.server.inject(
        "s2",
        Fault(
            "status",
            times=None,
            path="overview",
            status=status,
            body=document({"message": "not this organization"}),
        ),
    )
    errors = [failure(it, stream) for stream in PROVIDER.streams]
    assert house.room.overviews == 0
    assert len(house.asked) == 1 + with_login
    for error in errors:
        assert type(error) is kind
        assert f"HTTP {status}: not this organization" in error.message
        assert "s2.organization_id" in error.advice
        assert (ORGANIZATION["id"] in error.advice) == with_login
        if status == 403:
            credentials = "s2.email and s2.password" if with_login else "s2.access_token"
            assert credentials in error.advice


@pytest.mark.parametrize("answer", [400, 403])
def test_a_foreign_organization_with_a_token(house: House, answer: int) -> None:
    house.room.turn("org_answer", answer)
    error = failure(house.session(organization_id=FOREIGN))
    assert "s2.organization_id" in error.advice
    assert house.room.overviews == 1


def test_a_foreign_organization_that_only_has_no_rows_is_said(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.room.turn("org_answer", "empty")
    with caplog.at_level(logging.WARNING):
        assert records(house.session(organization_id=FOREIGN), ITEMS) == []
    assert "s2.organization_id" in caplog.text


# ---- answers that are not good -------------------------------------------------------------------


@pytest.mark.parametrize("name", EMPTY)
def test_a_list_that_is_missing_is_named(house: House, name: str) -> None:
    house.room.turn("missing_key", name)
    it = house.session()
    for stream in PROVIDER.streams:
        error = failure(it, stream)
        assert isinstance(error, Malformed)
        assert error.message == f"{name} is missing in the answer"
    assert house.room.overviews == 1


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("value", [None, {}, "none", 0, True], ids=json.dumps)
def test_a_list_that_is_none_is_named(shop: Shop, session: api.S2, name: str, value: Any) -> None:
    shop.answers = [Says(body=document({**EMPTY, name: value}))]
    error = failure(session)
    assert isinstance(error, Malformed)
    assert error.message.startswith(f"{name} is ")
    assert error.message.endswith("not a list in the answer")
    assert len(shop.asked) == 1


@pytest.mark.parametrize("answer", [None, [], [1], "ok", 7, {}], ids=json.dumps)
def test_an_answer_without_lists_is_no_empty_inventory(
    shop: Shop, session: api.S2, answer: Any
) -> None:
    shop.answers = [Says(body=document(answer))]
    error = failure(session)
    assert isinstance(error, Malformed)
    assert "warehouses is missing" in error.message
    assert len(shop.asked) == 1


def test_a_failure_in_disguise_is_shown_with_its_reference(house: House) -> None:
    house.room.turn("status", ["message"])
    error = failure(house.session())
    assert isinstance(error, Malformed)
    assert error.message.startswith("warehouses is missing in the answer: An unexpected error")
    assert REFERENCE in error.message
    assert house.room.overviews == 1


def test_a_dead_token_that_is_answered_with_200_is_no_empty_inventory(house: House) -> None:
    house.room.turn("expired_answer", 200)
    error = failure(house.session(access_token="ended"))
    assert error.message == "warehouses is missing in the answer: Unauthorized"


def test_a_dead_token_that_is_answered_with_403_names_the_token(house: House) -> None:
    house.room.turn("expired_answer", 403)
    error = failure(house.session(access_token="ended"))
    assert isinstance(error, Denied)
    assert "s2.access_token" in error.advice


@pytest.mark.parametrize("fault", [500, 429, 503, "truncated"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_passes_is_tried_again(house: House, fault: Any, count: int) -> None:
    house.room.turn("status", [fault] * count)
    it = house.session()
    for stream in PROVIDER.streams:
        assert len(records(it, stream)) == len(house.room.rows(stream.name))
    assert house.room.overviews == count + 1
    assert len(house.clock.slept) == count


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("words", [b"", document({"message": MESSAGE})], ids=["bare", "message"])
def test_retry_after_is_obeyed(shop: Shop, status: int, words: bytes) -> None:
    clock = FakeClock()
    shop.answers.insert(0, Says(status, body=words, headers={"Retry-After": "20"}))
    it = connected(clock, api_url=shop.url, access_token="a token of the shop")
    assert records(it, WAREHOUSES)
    it.close()
    assert clock.slept == [20]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_does_not_pass_ends_with_the_reference(
    shop: Shop, session: api.S2, status: int
) -> None:
    shop.answers = [Says(status, body=document({"message": MESSAGE}))]
    errors = [failure(session, stream) for stream in PROVIDER.streams]
    asked = len(shop.asked)
    for error in errors:
        assert isinstance(error, Unavailable)
        assert f"HTTP {status}: An unexpected error" in error.message
        assert REFERENCE in error.message
        assert ".." not in str(error)
    failure(session)
    assert len(shop.asked) == asked, "the failure is remembered, not asked for again"


def test_an_outage_takes_its_budget_once_for_three_streams(house: House) -> None:
    house.server.inject("s2", Fault("status", status=503, times=None))
    it = house.session()
    failure(it, WAREHOUSES)
    waited, asked = sum(house.clock.slept), len(house.asked)
    assert 90 < waited <= 130
    failure(it, PRODUCTS)
    failure(it, ITEMS)
    assert (sum(house.clock.slept), len(house.asked)) == (waited, asked)


def test_the_failure_that_is_remembered_is_the_same_for_each_stream(house: House) -> None:
    """Whatever the tap writes into the one that it was given."""
    house.room.turn("missing_key", "items")
    it = house.session()
    first = failure(it, WAREHOUSES)
    assert first.at("s2_warehouses").place == "s2_warehouses"
    second = failure(it, PRODUCTS)
    assert second is not first
    assert (type(second), second.message, second.advice) == (
        type(first),
        first.message,
        first.advice,
    )
    assert second.place is None


@pytest.mark.parametrize("message", ["Not Found", None, 5, ["x"], "line\nbreak"])
def test_a_wrong_address_names_the_setting(shop: Shop, session: api.S2, message: Any) -> None:
    shop.answers = [Says(404, body=document({"message": message}))]
    error = failure(session)
    assert isinstance(error, Malformed)
    assert "HTTP 404" in error.message
    assert error.advice == "Check s2.api_url"
    assert "\n" not in str(error)
    assert len(shop.asked) == 1


@pytest.mark.parametrize("status", [402, 405, 409, 410, 422])
def test_another_refusal_is_shown_in_the_providers_words(
    shop: Shop, session: api.S2, status: int
) -> None:
    shop.answers = [Says(status, body=document({"message": MESSAGE}))]
    error = failure(session)
    assert isinstance(error, Malformed)
    assert REFERENCE in error.message
    assert len(shop.asked) == 1


def test_a_redirect_is_not_followed_whatever_is_said_there(shop: Shop, session: api.S2) -> None:
    shop.answers = [Says(302, document({"message": "over there"}), {"Location": shop.url + "/x"})]
    error = failure(session)
    assert isinstance(error, Malformed)
    assert "redirect" in error.message
    assert len(shop.asked) == 1


@pytest.mark.parametrize("fault", ["truncated", "html", "empty"])
def test_an_answer_that_stays_broken_ends_the_read(house: House, fault: str) -> None:
    if fault == "truncated":
        house.room.turn("status", ["truncated"] * 9)
    else:
        house.server.inject("s2", Fault(fault, status=200, times=None))
    error = failure(house.session())
    assert isinstance(error, Malformed)
    assert "s2.api_url" in error.advice
    assert len(house.asked) == 3


def test_after_a_broken_answer_nothing_of_it_is_left(house: House) -> None:
    """A longer answer that was cut stands in the same file."""
    house.room.turn("size", 3000)
    house.room.turn("status", ["truncated"])
    it = house.session()
    house.room.after_answer = lambda *_: house.room.turn("size", 0)
    assert len(records(it, ITEMS)) == len(house.room.rows(ITEMS.name)) < 100


def test_a_providers_words_do_not_show_what_we_sent(shop: Shop, session: api.S2) -> None:
    token = "a token of the shop"
    echo = f"GET /inventory/overview Authorization: Bearer {token}\n" + "x" * 5000
    shop.answers = [Says(500, body=document({"message": echo}))]
    error = failure(session)
    assert token not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 500


# ---- incremental ---------------------------------------------------------------------------------


def items_at(*moments: datetime | str | None) -> bytes:
    texts = [m if m is None or isinstance(m, str) else stamp(m) for m in moments]
    rows = [
        {"warehouseId": "w", "level": {"productId": f"p{n}", "available": n, "updatedAt": text}}
        for n, text in enumerate(texts)
    ]
    return document({**EMPTY, "items": rows})


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_the_bookmark_is_the_largest_time(shop: Shop, session: api.S2) -> None:
    shop.answers = [Says(body=examples.OVERVIEW_ANSWER.encode())]
    assert bookmark(session) == datetime(2024, 6, 4, 5, 53, 31, 54574, tzinfo=UTC)


def test_what_changed_since_the_bookmark_comes_ties_included(house: House) -> None:
    house.room.turn("documented_only", value=True)
    since = datetime(2024, 6, 3, 3, 40, 41, 743844, tzinfo=UTC)
    it = house.session()
    assert [one["reserved"] for one in records(it, ITEMS, since=since)] == [-13, -7, -7, -2]
    later = since + timedelta(microseconds=1)
    assert [one["reserved"] for one in records(it, ITEMS, since=later)] == [-7, -2]
    assert len(records(it, ITEMS, since=later, lookback=timedelta(microseconds=1))) == 4
    assert len(records(it, ITEMS, since=later, full=True)) == 5
    assert house.room.overviews == 1


def test_the_start_date_does_not_apply(house: House) -> None:
    """The provider cannot filter by it."""
    it = house.session()
    assert len(records(it, ITEMS, start=NOON)) == len(house.room.rows(ITEMS.name))


@pytest.mark.parametrize("stream", [WAREHOUSES, PRODUCTS])
def test_the_other_streams_have_no_bookmark(house: House, stream: Any) -> None:
    pages = list(stream.read(house.session(), ReadRequest()))
    assert {page.bookmark for page in pages} == {None}
    assert stream.replication_key is None


def test_an_item_without_a_time_always_comes(shop: Shop, session: api.S2) -> None:
    shop.answers = [Says(body=items_at(NOON - 2 * HOUR, None, "", NOON - HOUR))]
    found = records(session, ITEMS, since=NOON - HOUR)
    assert [one["available"] for one in found] == [1, 2, 3]
    assert bookmark(session, since=NOON - HOUR) == NOON - HOUR


def test_times_are_compared_as_times(shop: Shop, session: api.S2) -> None:
    """As text, the first of these is the smallest."""
    moments = ["2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00.000001Z", "2026-03-01T00:00:00Z"]
    shop.answers = [Says(body=items_at(*moments))]
    since = datetime(2026, 3, 1, tzinfo=UTC)
    assert len(records(session, ITEMS, since=since)) == 3
    assert bookmark(session) == since + timedelta(microseconds=1)


@pytest.mark.parametrize("since", [None, NOON - HOUR])
def test_a_read_without_times_leaves_the_bookmark(
    shop: Shop, session: api.S2, since: datetime | None
) -> None:
    shop.answers = [Says(body=items_at(None, None))]
    assert bookmark(session, since=since) is None


@pytest.mark.parametrize("date", ["2099-01-01T00:00:00.000000Z", stamp(NOON + HOUR)])
def test_a_time_in_the_future_does_not_move_the_bookmark(
    house: House, date: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.server.inject("s2", Fault("body", body=items_at(NOON - HOUR, date, date)))
    request = ReadRequest(since=NOON - 2 * HOUR, lookback=30 * 24 * HOUR)
    with caplog.at_level(logging.WARNING):
        (page,) = ITEMS.read(house.session(), request)
    assert len(page.lines) == 3
    assert page.bookmark == NOON - HOUR
    said = [line.getMessage() for line in caplog.records]
    assert len(said) == 1
    assert date[:10] in said[0]
    assert "bookmark" in said[0]


@pytest.mark.parametrize(
    ("ahead", "lookback", "moves"),
    [(0, 0, True), (1, 0, False), (600, 3600, True), (601, 3600, False), (60, 60, True)],
)
def test_a_time_a_little_ahead_of_the_providers_clock_counts_where_the_overlap_covers_it(
    house: House, ahead: int, lookback: int, moves: bool
) -> None:
    """Its clock is told in whole seconds. A state never says more than a few minutes ahead."""
    moment = NOON + timedelta(seconds=ahead)
    house.server.inject("s2", Fault("body", body=items_at(moment)))
    found = bookmark(house.session(), since=NOON - HOUR, lookback=timedelta(seconds=lookback))
    assert found == (moment if moves else None)


def test_the_clock_that_counts_is_the_providers(house: House) -> None:
    there = NOON + timedelta(hours=5)
    ours = FakeClock()
    house.clock.step(5 * 3600)
    house.server.inject("s2", Fault("body", body=items_at(there)))
    it = connected(ours, **house.room.settings(house.server.url))
    assert bookmark(it) == there
    it.close()


def test_a_change_is_seen_by_the_next_run_and_what_is_gone_is_not(house: House) -> None:
    first = house.session()
    since = bookmark(first)
    assert since is not None
    (gone,) = house.room.remove(ITEMS.name)
    house.clock.step(60)
    touched = house.room.touch(ITEMS.name, 3)
    house.room.turn("incoming_bumps", value=True)
    ordered = house.room.order(2)
    unseen = house.room.rows(ITEMS.name).keys() - {*touched, *ordered}
    found = keys(records(house.session(), ITEMS, since=since))
    assert {*touched, *ordered} <= set(found)
    assert gone not in found
    late = {
        k
        for k in unseen
        if times.parse(house.room.rows(ITEMS.name)[k]["level"]["updatedAt"]) < since
    }
    assert not late & set(found)


def test_a_change_of_incoming_that_moves_no_time_needs_a_full_read(house: House) -> None:
    """As the description of the stream says."""
    since = bookmark(house.session())
    house.clock.step(60)
    house.room.order(1, keys=[next(iter(house.room.rows(ITEMS.name)))])
    assert since is not None
    after = since + timedelta(microseconds=1)
    assert records(house.session(), ITEMS, since=after) == []
    levels = {
        (one["warehouse_id"], one["product_id"]): one["incoming"]
        for one in records(house.session(), ITEMS)
    }
    rows = house.room.rows(ITEMS.name)
    assert levels == {key: row["level"]["incoming"] for key, row in rows.items()}
    assert not ITEMS.incremental
    assert "incoming" in ITEMS.description


moments = st.none() | st.integers(-7200, 7200).map(lambda n: NOON + timedelta(seconds=n))


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    first=st.lists(moments, max_size=12),
    later=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 3600)), max_size=6),
    lookback=st.sampled_from([0, 60, 3600, 86_400]),
)
def test_whatever_changes_between_two_runs_the_second_brings_it(
    first: list[datetime | None], later: list[tuple[int, int]], lookback: int
) -> None:
    """Rows may be dated ahead of the clock; a change is dated after the first run."""
    overlap = timedelta(seconds=lookback)
    rows = dict(enumerate(first))
    since = _read(rows, ReadRequest(lookback=overlap), NOON)[1]
    assert since is None or since <= NOON + HOUR, "the next run would refuse such a state"
    changed = {}
    for number, seconds in later:
        changed[number] = NOON + timedelta(seconds=seconds)
    seen, _ = _read(rows | changed, ReadRequest(since=since, lookback=overlap), NOON + 2 * HOUR)
    assert changed.keys() <= seen
    assert {number for number, moment in rows.items() if moment is None} - changed.keys() <= seen


def _read(
    rows: dict[int, datetime | None], request: ReadRequest, now: datetime
) -> tuple[set[int], datetime | None]:
    """The numbers that a run brings, and its bookmark. There is no network: the answer is here."""
    it = connected(FakeClock(now), api_url="http://127.0.0.1", access_token="not sent")
    answer = {
        **EMPTY,
        "items": [
            {"warehouseId": "w", "level": {"productId": f"{n}", "updatedAt": m and stamp(m)}}
            for n, m in rows.items()
        ],
    }
    it._overview = _stored(it, answer, now)
    pages = list(ITEMS.read(it, request))
    it.close()
    found = {int(loads(line)["product_id"]) for page in pages for line in page.lines}
    return found, pages[-1].bookmark


def _stored(session: api.S2, answer: Any, now: datetime) -> api.Overview:
    session._file.write(dumps(answer))
    return api.Overview(load(session._file, api.LISTS), now)
