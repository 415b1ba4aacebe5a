"""The stand-in of Amazon: what the documents promise, and every way to break it."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.amazon_fba.sandbox import (
    ADD,
    CLIENT_ID,
    CLIENT_SECRET,
    CONFIGURED,
    CREATE,
    DELETE,
    GET,
    INVENTORY,
    ITEMS,
    LWA_PATH,
    POISON,
    REFRESH_TOKEN,
    STREAM,
    SUMMARIES,
    Sandbox,
)
from inventory_providers.amazon_fba.shelf import AWKWARD_SKUS, CA, DE, FR, MARKETPLACES, US
from inventory_providers.amazon_fba.traits import TRAITS
from inventory_providers.sandbox.room import Clock, Reply, Request
from inventory_providers.sandbox.server import SandboxServer, rooms
from inventory_providers.sandbox.world import variants
from tests.inventory_providers.amazon_fba import examples
from tests.inventory_providers.amazon_fba.model import (
    OPERATIONS,
    operation_of,
    reply_errors,
    request_errors,
    summary_errors,
)
from tests.inventory_providers.sandbox.test_server import assert_silent, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from inventory_providers.sandbox.room import Row

NOW = datetime(2026, 6, 15, 15, 6, 40, 750_000, tzinfo=UTC).timestamp()
NOW_TEXT = "2026-06-15T15:06:40Z"
GRANT = {
    "grant_type": "refresh_token",
    "refresh_token": REFRESH_TOKEN,
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
}
JSON = {"content-type": "application/json"}


class Still(Clock):
    """A clock that goes on when it is stepped, and else stands."""

    def __init__(self, now: float = NOW) -> None:
        super().__init__()
        self._now = now

    def now(self) -> float:
        return self._now

    def step(self, seconds: float) -> None:
        self._now += seconds


@dataclass
class Seller:
    """One application that talks to a room; the model judges everything that is said."""

    room: Sandbox
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sign_in()

    def sign_in(self) -> None:
        answer = json.loads(lwa(self.room).body)
        self.token = answer["access_token"]
        self.headers = {"x-amz-access-token": self.token, "user-agent": "test/1 (Language=Python)"}

    def send(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        judged: bool = True,
    ) -> Reply:
        path, _, query = target.partition("?")
        headers = self.headers | dict(headers or {})
        sent = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        request = Request(method, target, path, query, headers, sent, self.room.clock.now())
        reply = self.room.handle(request)
        if judged:
            judge(request, reply)
        return reply

    def ask(self, marketplace: str = US, /, **parameters: str) -> Reply:
        """A read with details."""
        return self.send("GET", f"{SUMMARIES}?{urlencode(self.query(marketplace, **parameters))}")

    @staticmethod
    def query(marketplace: str = US, /, **parameters: str) -> dict[str, str]:
        named = {"granularityId": marketplace, "marketplaceIds": marketplace}
        return {"details": "true", "granularityType": "Marketplace"} | named | parameters

    def page(self, marketplace: str = US, /, **parameters: str) -> tuple[list[Row], str]:
        """One page: its rows, and the token of the next one or nothing."""
        reply = self.ask(marketplace, **parameters)
        assert reply.status == 200, reply.body
        answer = json.loads(reply.body)
        granularity = {"granularityType": "Marketplace", "granularityId": marketplace}
        assert answer["payload"]["granularity"] == granularity
        rows = answer["payload"]["inventorySummaries"]
        return rows, answer.get("pagination", {}).get("nextToken", "")

    def pages(self, marketplace: str = US, /, **parameters: str) -> Iterator[list[Row]]:
        """A walk to its end; between pages the clock goes on, so that the bucket fills again."""
        rows, token = self.page(marketplace, **parameters)
        yield rows
        while token:
            self.room.clock.step(0.2)
            rows, token = self.page(marketplace, **parameters, nextToken=token)
            yield rows

    def walk(self, marketplace: str = US, /, **parameters: str) -> list[Row]:
        return [row for page in self.pages(marketplace, **parameters) for row in page]

    def find(self, sku: str, marketplace: str = US) -> Row | None:
        rows, _ = self.page(marketplace, sellerSku=sku)
        return rows[-1] if rows else None

    def create(self, sku: str, marketplace: str = US, name: str = "Sample") -> Reply:
        body = {"sellerSku": sku, "marketplaceId": marketplace, "productName": name}
        return self.send("POST", ITEMS, body, headers=JSON)

    def add(self, sku: str, quantity: Any, key: str, marketplace: str = US) -> Reply:
        item = {"sellerSku": sku, "marketplaceId": marketplace, "quantity": quantity}
        return self.add_body({"inventoryItems": [item]}, key)

    def add_body(self, body: Any, key: str) -> Reply:
        headers = JSON | ({"x-amzn-idempotency-token": key} if key else {})
        return self.send("POST", INVENTORY, body, headers=headers)

    def delete(self, sku: str, marketplace: str = US) -> Reply:
        target = f"{ITEMS}/{quote(sku, safe='')}?marketplaceId={marketplace}"
        return self.send("DELETE", target)


def judge(request: Request, reply: Reply) -> None:
    """Every answer is one of the model; what the model does not allow to ask is refused."""
    name = operation_of(request)
    if not name or reply.lost:
        return
    assert reply_errors(name, reply) == []
    if reply.status == 200:
        assert request_errors(name, request) == []


def lwa(
    room: Sandbox,
    form: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    if headers is None:
        headers = {name.lower(): value for name, value in examples.LWA_HEADERS.items()}
    body = urlencode(GRANT if form is None else form).encode()
    target = f"{LWA_PATH}?{query}" if query else LWA_PATH
    return room.handle(Request(method, target, LWA_PATH, query, headers, body, NOW))


def told(reply: Reply) -> Any:
    return json.loads(reply.body)


def assert_refused(reply: Reply, status: int, example: str) -> None:
    assert (reply.status, told(reply)) == (status, json.loads(example))


@pytest.fixture
def room() -> Sandbox:
    return Sandbox(Still(), size=300)


@pytest.fixture
def seller(room: Sandbox) -> Seller:
    return Seller(room)


def skus(rows: list[Row]) -> list[str]:
    return [row["sellerSku"] for row in rows]


def level(row: Row | None) -> tuple[int, int]:
    assert row is not None
    return row["inventoryDetails"]["fulfillableQuantity"], row["totalQuantity"]


# The documents' own examples, over HTTP


def over_http(
    server: SandboxServer,
    method: str,
    target: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request(method, target, body, dict(headers or {}))
    answer = client.getresponse()
    assert answer.getheader("Content-Type") == "application/json"
    document = json.loads(answer.read())
    client.close()
    return answer.status, document


def signed_headers(server: SandboxServer) -> dict[str, str]:
    status, answer = over_http(
        server, "POST", LWA_PATH, urlencode(GRANT), headers=examples.LWA_HEADERS
    )
    assert status == 200
    return examples.READ_HEADERS | {"x-amz-access-token": answer["access_token"]}


def test_the_static_sandboxs_request_gets_its_answer(room: Sandbox) -> None:
    room.turn("static_example", value=True)
    shown = json.loads(examples.STATIC_ANSWER)
    assert f"{SUMMARIES}?{urlencode(examples.STATIC_REQUEST)}" == examples.READ_REQUEST
    with SandboxServer([room]) as server:
        headers = signed_headers(server)
        status, answer = over_http(server, "GET", examples.READ_REQUEST, headers=headers)
        again = f"{examples.READ_REQUEST}&nextToken=seed"
        assert over_http(server, "GET", again, headers=headers) == (200, shown)
    assert (status, answer) == (200, shown)
    assert json.dumps(answer) == json.dumps(shown)
    rows = shown["payload"]["inventorySummaries"]
    assert list(room.rows(STREAM).values()) == rows


def test_the_static_sandbox_fails_for_marketplace_1(room: Sandbox) -> None:
    room.turn("static_example", value=True)
    with SandboxServer([room]) as server:
        target = f"{SUMMARIES}?{urlencode(examples.STATIC_FAILURE_REQUEST)}"
        status, answer = over_http(server, "GET", target, headers=signed_headers(server))
    assert (status, answer) == (500, json.loads(examples.INTERNAL_FAILURE))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"details": "false"}, {"nextToken": "other"}, {"sellerSku": "EMTEC 1 GB"}],
)
def test_the_static_sandbox_matches_nothing_else(
    seller: Seller, parameters: dict[str, str]
) -> None:
    seller.room.turn("static_example", value=True)
    asked = seller.ask(CA) if not parameters else seller.ask(**parameters)
    assert_refused(asked, 400, examples.UNMATCHED)
    assert_refused(seller.create("TEST-SKU-1"), 400, examples.UNMATCHED)


def test_the_documents_read_gets_the_first_page(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        headers = signed_headers(server)
        status, answer = over_http(server, "GET", examples.READ_REQUEST, headers=headers)
    assert status == 200
    assert answer.keys() == json.loads(examples.STATIC_ANSWER).keys()
    assert answer["payload"].keys() == json.loads(examples.STATIC_ANSWER)["payload"].keys()
    assert len(answer["payload"]["inventorySummaries"]) == 50


def test_the_documents_writes_create_add_and_delete(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        headers = signed_headers(server) | {"Content-Type": "application/json"}
        body, path = examples.CREATE_BODY, examples.CREATE_PATH
        assert over_http(server, "POST", path, body, headers) == (200, {})
        with_key = headers | examples.ADD_HEADERS
        body, path = examples.ADD_BODY, examples.ADD_PATH
        assert over_http(server, "POST", path, body, with_key) == (200, {})
        created = room.rows(STREAM)[US, "TEST-SKU-1"]
        assert over_http(server, "DELETE", examples.DELETE_TARGET, headers=headers) == (200, {})
    assert created["productName"] == "Test product"
    assert level(created) == (10, 10)
    assert (US, "TEST-SKU-1") not in room.rows(STREAM)


def test_every_refusal_of_a_read_is_told_over_http_in_the_documented_words(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        headers = signed_headers(server)
        without = {"User-Agent": headers["User-Agent"]}
        read = examples.READ_REQUEST
        refusals: list[tuple[str, dict[str, str], int, str]] = [
            (read, without, 403, examples.NO_ACCESS_TOKEN),
            (read, headers | {"x-amz-access-token": "Atza|x"}, 403, examples.REVOKED),
            (f"{read}&nextToken=seed", headers, 400, examples.DEAD_TOKEN),
            (f"{read}&startDateTime=", headers, 400, examples.NO_DATE_TIME),
            (f"{read}&startDateTime=2001-01-01T00:00:00Z", headers, 400, examples.TOO_EARLY),
            (read.replace("details=true", "details=1"), headers, 400, examples.INVALID_INPUT),
            (SUMMARIES, headers, 400, examples.INVALID_REQUEST),
            (read.replace(US, "A1AM78C64UM0Y8"), headers, 403, examples.UNAUTHORIZED),
        ]
        for target, sent, status, example in refusals:
            answer = over_http(server, "GET", target, headers=sent)
            assert answer == (status, json.loads(example)), target
        room.clock.step(3600)
        expired = over_http(server, "GET", read, headers=headers)
        assert expired == (403, json.loads(examples.EXPIRED))


# Signing in


def test_signing_in_gives_the_documented_answer_and_counts(room: Sandbox) -> None:
    reply = lwa(room)
    shown = json.loads(examples.LWA_ANSWER)
    answer = told(reply)
    assert reply.status == 200
    assert list(answer) == list(shown)
    same = ("token_type", "expires_in")
    assert [answer[name] for name in same] == [shown[name] for name in same]
    assert answer["access_token"].startswith("Atza|")
    assert answer["refresh_token"] == REFRESH_TOKEN
    lwa(room)
    assert room.sign_ins == 2


@pytest.mark.parametrize(
    ("form", "status", "example"),
    [
        (GRANT | {"client_secret": "wrong"}, 401, examples.INVALID_CLIENT),
        (GRANT | {"client_id": "wrong"}, 401, examples.INVALID_CLIENT),
        (GRANT | {"refresh_token": "Atzr|wrong"}, 400, examples.INVALID_GRANT),
    ],
)
def test_wrong_credentials_are_refused(
    room: Sandbox, form: dict[str, str], status: int, example: str
) -> None:
    assert_refused(lwa(room, form), status, example)
    assert room.secrets() == [CLIENT_SECRET, REFRESH_TOKEN]


@pytest.mark.parametrize(
    "how",
    [
        {"form": {}},
        {"form": GRANT | {"grant_type": "client_credentials"}},
        {"method": "GET"},
        {"headers": JSON},
        {"headers": {}},
        {"form": {}, "query": urlencode(GRANT)},
    ],
    ids=["nothing", "other grant", "GET", "JSON", "no type", "in the query"],
)
def test_a_grant_comes_as_a_form_in_the_body_only(room: Sandbox, how: dict[str, Any]) -> None:
    reply = lwa(room, **how)
    assert (reply.status, told(reply)["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("value", "status", "example"),
    [
        ("invalid_client", 401, examples.INVALID_CLIENT),
        ("invalid_grant", 400, examples.INVALID_GRANT),
        ("not_granted", 400, examples.NOT_GRANTED),
    ],
)
def test_lwa_switch(room: Sandbox, value: str, status: int, example: str) -> None:
    room.turn("lwa", value)
    assert_refused(lwa(room), status, example)
    room.turn("lwa", 503)
    reply = lwa(room)
    assert (reply.status, told(reply)["error"]) == (503, "temporarily_unavailable")


def test_the_settings_sign_in_and_their_secrets_are_told(seller: Seller) -> None:
    settings = seller.room.settings("http://127.0.0.1:1")
    assert settings == {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
        "marketplace_ids": [US, CA],
        "sandbox": True,
        "api_url": "http://127.0.0.1:1",
        "lwa_url": "http://127.0.0.1:1/auth/o2/token",
    }
    seller.sign_in()
    secrets = seller.room.secrets()
    assert secrets[:2] == [CLIENT_SECRET, REFRESH_TOKEN]
    assert len(set(secrets)) == 4
    assert seller.token == secrets[-1]
    for secret in secrets:
        assert len({secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}) >= 3


def test_an_access_token_lives_an_hour(seller: Seller) -> None:
    seller.room.clock.step(3599)
    assert seller.ask().status == 200
    seller.room.clock.step(1)
    assert_refused(seller.ask(), 403, examples.EXPIRED)
    seller.sign_in()
    assert seller.ask().status == 200


def test_token_life_switch(room: Sandbox) -> None:
    room.turn("token_life", 5)
    seller = Seller(room)
    assert told(lwa(room))["expires_in"] == 5
    room.clock.step(5)
    assert_refused(seller.ask(), 403, examples.EXPIRED)


def test_revoked_switch(seller: Seller) -> None:
    seller.room.turn("revoked", value=True)
    assert_refused(seller.ask(), 403, examples.REVOKED)
    seller.sign_in()
    assert_refused(seller.ask(), 403, examples.REVOKED)
    seller.room.turn("revoked", value=False)
    assert seller.ask().status == 200


def test_the_access_token_counts_in_its_own_header_only(seller: Seller) -> None:
    seller.headers = {
        "user-agent": "test",
        "authorization": f"Bearer {seller.token}",
    }
    assert_refused(seller.ask(), 403, examples.NO_ACCESS_TOKEN)
    seller.headers["x-amz-access-token"] = f"Bearer {seller.token}"
    assert_refused(seller.ask(), 403, examples.REVOKED)


def test_a_signature_does_not_matter(seller: Seller) -> None:
    seller.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=x, Signature=y"
    assert seller.ask().status == 200


@pytest.mark.parametrize("status", [400, 403])
def test_the_user_agent_is_required_and_not_too_long(seller: Seller, status: int) -> None:
    seller.room.turn("ua_answer", status)
    for wrong in ("", "x" * 501):
        seller.headers["user-agent"] = wrong
        assert seller.ask().status == status
    for right in (examples.LISTED_USER_AGENT, "x" * 500):
        seller.headers["user-agent"] = right
        assert seller.ask().status == 200
    del seller.headers["user-agent"]
    assert seller.ask().status == status


# What a read is refused for


WITHOUT = object()


def changed(**parameters: Any) -> str:
    query = Seller.query() | parameters
    return f"{SUMMARIES}?{urlencode({n: v for n, v in query.items() if v is not WITHOUT})}"


@pytest.mark.parametrize(
    ("parameters", "example"),
    [
        ({"granularityType": WITHOUT}, examples.INVALID_REQUEST),
        ({"granularityType": "marketplace"}, examples.INVALID_REQUEST),
        ({"granularityType": ""}, examples.INVALID_REQUEST),
        ({"granularityId": WITHOUT}, examples.INVALID_REQUEST),
        ({"granularityId": ""}, examples.INVALID_REQUEST),
        ({"marketplaceIds": WITHOUT}, examples.INVALID_REQUEST),
        ({"marketplaceIds": ""}, examples.INVALID_REQUEST),
        ({"marketplaceIds": f"{US},{CA}"}, examples.INVALID_REQUEST),
        ({"marketplaceIds": f"{US},"}, examples.INVALID_REQUEST),
        ({"details": "1"}, examples.INVALID_INPUT),
        ({"details": "0"}, examples.INVALID_INPUT),
        ({"details": "True"}, examples.INVALID_INPUT),
        ({"details": ""}, examples.INVALID_REQUEST),
        ({"nextToken": ""}, examples.INVALID_REQUEST),
        ({"sellerSku": ""}, examples.INVALID_REQUEST),
        ({"sellerSkus": ""}, examples.INVALID_REQUEST),
        ({"sellerSkus": ","}, examples.INVALID_REQUEST),
        ({"sellerSkus": ",".join(f"S{n}" for n in range(51))}, examples.INVALID_REQUEST),
        ({"startDateTime": ""}, examples.NO_DATE_TIME),
        ({"startDateTime": "yesterday"}, examples.NO_DATE_TIME),
        ({"startDateTime": "2026-06-01"}, examples.NO_DATE_TIME),
        ({"startDateTime": "2026-06-01T00:00:00"}, examples.NO_DATE_TIME),
        ({"startDateTime": "2026-02-30T00:00:00Z"}, examples.NO_DATE_TIME),
        ({"startDateTime": "2026-06-01 00:00:00Z"}, examples.NO_DATE_TIME),
        ({"startDateTime": "2024-12-15T15:06:40Z"}, examples.TOO_EARLY),
    ],
)
def test_a_wrong_parameter_is_refused(
    seller: Seller, parameters: dict[str, Any], example: str
) -> None:
    assert_refused(seller.send("GET", changed(**parameters)), 400, example)


def test_a_parameter_comes_once(seller: Seller) -> None:
    for more in (f"marketplaceIds={CA}", "sellerSkus=312033&sellerSkus=312034", "details=true"):
        reply = seller.send("GET", f"{changed()}&{more}")
        assert_refused(reply, 400, examples.INVALID_REQUEST)


@pytest.mark.parametrize("text", ["2024-12-15T15:06:41Z", "2026-06-15T17:06:40.5+02:00"])
def test_a_time_within_18_months_is_accepted(seller: Seller, text: str) -> None:
    assert seller.ask(startDateTime=text).status == 200


def test_a_plus_in_a_time_is_a_blank_unless_it_is_encoded(seller: Seller) -> None:
    target = f"{changed()}&startDateTime=2026-06-15T17:06:40+02:00"
    assert_refused(seller.send("GET", target), 400, examples.NO_DATE_TIME)
    assert seller.send("GET", target.replace("+", "%2B")).status == 200


def test_an_undocumented_parameter_is_remembered_and_means_nothing(seller: Seller) -> None:
    first, token = seller.page()
    assert seller.page(NextToken=token)[0] == first
    assert seller.room.undocumented == ["NextToken"]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/fba/inventory/v1/summary"),
        ("POST", SUMMARIES),
        ("GET", ITEMS),
        ("GET", f"{ITEMS}/312033"),
        ("PUT", INVENTORY),
        ("DELETE", ITEMS),
        ("DELETE", f"{ITEMS}/"),
        ("DELETE", f"{ITEMS}/slash/inside?marketplaceId={US}"),
    ],
)
def test_what_is_no_operation_is_not_found(seller: Seller, method: str, target: str) -> None:
    reply = seller.send(method, target)
    assert (reply.status, told(reply)["errors"][0]["code"]) == (404, "NotFound")
    assert seller.room.writes == []


@given(
    parameters=st.dictionaries(
        st.sampled_from([*OPERATIONS[GET]["parameters"]["query"]["properties"], "other"]),
        st.one_of(
            st.sampled_from(["true", "false", "Marketplace", US, DE, NOW_TEXT, "312033,312034"]),
            st.text(max_size=20),
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_the_answer_is_one_of_the_model(parameters: dict[str, str]) -> None:
    seller = Seller(Sandbox(Still(), size=30))
    full = seller.query() | parameters
    for query in (parameters, full):
        try:
            text = urlencode(query)
        except UnicodeEncodeError:
            continue
        seller.send("GET", f"{SUMMARIES}?{text}")  # judged there


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, '{"payload":{"granularity":{},"inventorySummaries":[{"asn":"x"}]}}', "asn"),
        (200, '{"payload":{"granularity":{},"inventorySummaries":[{"asin":7}]}}', "asin"),
        (200, '{"payload":{"inventorySummaries":[]}}', "granularity"),
        (200, '{"payload":{"granularity":{}}}', "inventorySummaries"),
        (200, '{"pagination":{"nextToken":null}}', "nextToken"),
        (400, '{"errors":[{"message":"x"}]}', "code"),
        (401, "{}", "401"),
        (403, "{}", "x-amzn-ratelimit-limit"),
    ],
)
def test_the_judge_of_answers_would_bite(status: int, body: str, wrong: str) -> None:
    headers = {"x-amzn-RequestId": "1", "x-amzn-RateLimit-Limit": "5.0"}
    errors = reply_errors(GET, Reply(status, body.encode(), headers))
    assert errors
    assert wrong in errors[0]


@pytest.mark.parametrize(
    ("method", "target", "body", "wrong"),
    [
        ("GET", SUMMARIES, "", "granularityType"),
        ("GET", f"{SUMMARIES}?{urlencode(Seller.query(details='1'))}", "", "details"),
        ("GET", f"{SUMMARIES}?{urlencode(Seller.query(f'{US},{CA}'))}", "", "marketplaceIds"),
        ("POST", ITEMS, '{"sellerSku":"x","marketplaceId":"y"}', "productName"),
        ("POST", INVENTORY, '{"inventoryItems":[]}', "idempotency"),
        ("DELETE", f"{ITEMS}/x", "", "marketplaceId"),
    ],
)
def test_the_judge_of_requests_would_bite(method: str, target: str, body: str, wrong: str) -> None:
    path, _, query = target.partition("?")
    request = Request(method, target, path, query, {}, body.encode(), NOW)
    assert wrong in request_errors(operation_of(request), request)[0]


# Rows


def test_without_details_a_row_has_no_inventory_details(seller: Seller) -> None:
    full, _ = seller.page()
    for target in (changed(details="false"), changed(details=WITHOUT)):
        short = told(seller.send("GET", target))["payload"]["inventorySummaries"]
        left_out = [{n: v for n, v in r.items() if n != "inventoryDetails"} for r in full]
        assert short == left_out


@pytest.mark.parametrize("marketplace", MARKETPLACES)
def test_a_walk_gives_every_row_once_in_the_order_of_the_skus(
    seller: Seller, marketplace: str
) -> None:
    pages = list(seller.pages(marketplace))
    assert [len(page) for page in pages[:-1]] == [50] * (len(pages) - 1)
    found = skus([row for page in pages for row in page])
    assert found == sorted(set(found))
    world = {variant.sku for variant in variants(300)}
    assert set(found) <= world | set(AWKWARD_SKUS)
    assert set(AWKWARD_SKUS) < set(found)
    assert len(found) == 291


def test_the_truth_is_what_walks_of_the_configured_marketplaces_give(seller: Seller) -> None:
    rows = {(place, row["sellerSku"]): row for place in (US, CA) for row in seller.walk(place)}
    assert seller.room.rows(STREAM) == rows
    assert list(seller.room.rows(STREAM)) == list(rows)


def test_every_sku_of_the_world_stands_in_every_region(seller: Seller) -> None:
    world = {variant.sku for variant in variants(300)}
    for first, second in ((US, CA), (DE, FR)):
        one, other = set(skus(seller.walk(first))), set(skus(seller.walk(second)))
        assert one | other == world | set(AWKWARD_SKUS)
        assert len(one ^ other) == 42


def test_the_marketplaces_of_a_pool_show_one_quantity(seller: Seller) -> None:
    by_place = {place: {r["sellerSku"]: r for r in seller.walk(place)} for place in MARKETPLACES}
    for first, second in ((US, CA), (DE, FR)):
        shared = by_place[first].keys() & by_place[second].keys()
        assert all(by_place[first][sku] == by_place[second][sku] for sku in shared)
    everywhere = set.intersection(*map(set, by_place.values()))
    totals = [[by_place[p][sku]["totalQuantity"] for sku in everywhere] for p in (US, DE)]
    assert totals[0] != totals[1]


def test_the_rows_tell_of_the_goods_of_the_world(seller: Seller) -> None:
    rows = {**{r["sellerSku"]: r for p in (CA, US) for r in seller.walk(p)}}
    for variant in variants(300):
        row = rows[variant.sku]
        assert (row["asin"], row["productName"]) == (variant.asin, variant.name)
        assert row["fnSku"] in {variant.fn_sku, variant.asin}
    assert len({row["asin"] for row in rows.values()}) == len(rows)


def test_the_rows_have_every_form_that_a_row_may_have(seller: Seller) -> None:
    rows = seller.walk()
    details = [row["inventoryDetails"] for row in rows if "inventoryDetails" in row]
    assert 0 < len(rows) - len(details) < 10
    for block in ("reservedQuantity", "researchingQuantity", "unfulfillableQuantity"):
        assert 0 < sum(block not in each for each in details) < 15
    supply = [d["futureSupplyQuantity"] for d in details if "futureSupplyQuantity" in d]
    assert 0 < len(supply) < len(details)
    assert json.loads(examples.FUTURE_SUPPLY)["futureSupplyQuantity"] in supply
    lists = [
        len(each["researchingQuantity"]["researchingQuantityBreakdown"])
        for each in details
        if "researchingQuantity" in each
    ]
    assert set(lists) == {0, 3}
    assert {row["condition"] for row in rows} == {"NewItem", "UsedVeryGood"}
    assert 0 < sum(row["lastUpdatedTime"] == "" for row in rows) < 50
    assert 0 < sum(row["fnSku"] == row["asin"] for row in rows) < 50
    assert 0 < sum("stores" in row for row in rows) < 10


def test_a_total_is_the_sum_of_what_it_includes(seller: Seller) -> None:
    whole = ("reservedQuantity", "researchingQuantity", "unfulfillableQuantity")
    checked = 0
    for row in seller.walk():
        details = row.get("inventoryDetails", {})
        if not all(block in details for block in whole):
            continue
        numbers = [value for value in details.values() if isinstance(value, int)]
        totals = [n for b in whole for k, n in details[b].items() if k.startswith("total")]
        assert row["totalQuantity"] == sum(numbers) + sum(totals)
        for block in ("reservedQuantity", "unfulfillableQuantity"):
            total, *parts = details[block].values()
            assert total == sum(parts)
        breakdown = details["researchingQuantity"]["researchingQuantityBreakdown"]
        assert sum(part["quantity"] for part in breakdown) == totals[1]
        checked += 1
    assert checked > 250


def test_a_marketplace_other_than_the_granularity_gives_zeros(seller: Seller) -> None:
    answer = told(seller.ask(granularityId=CA))
    rows = answer["payload"]["inventorySummaries"]
    assert {row["totalQuantity"] for row in rows} == {0}
    assert answer["payload"]["granularity"]["granularityId"] == CA


def test_two_sandboxes_are_alike(seller: Seller) -> None:
    rows = seller.room.rows(STREAM)
    assert Sandbox(Still(NOW + 5), size=300).rows(STREAM) == rows
    small = Sandbox(Still(), size=30).rows(STREAM)
    assert {key: rows[key] for key in small} == small


# Asking for SKUs


@pytest.mark.parametrize("sku", AWKWARD_SKUS)
@pytest.mark.parametrize("blank", [quote, quote_plus], ids=["%20", "+"])
def test_an_awkward_sku_is_found_when_it_is_encoded_once(
    seller: Seller, sku: str, blank: Any
) -> None:
    encoded = blank(sku, safe="")
    reply = seller.send("GET", f"{changed()}&sellerSku={encoded}")
    assert skus(told(reply)["payload"]["inventorySummaries"]) == [sku]
    if quote(encoded) != encoded:
        again = seller.send("GET", f"{changed()}&sellerSku={quote(encoded)}")
        assert told(again)["payload"]["inventorySummaries"] == []


def test_skus_come_as_one_list_that_knows_no_comma(seller: Seller) -> None:
    wanted = ["trailing blank ", "312033", "plus+inside", "nowhere"]
    rows, token = seller.page(sellerSkus=",".join(wanted))
    assert (skus(rows), token) == (["312033", "plus+inside", "trailing blank "], "")
    for encoded in ("comma,inside", "comma%2Cinside"):
        reply = seller.send("GET", f"{changed()}&sellerSkus={encoded},312033")
        assert skus(told(reply)["payload"]["inventorySummaries"]) == ["312033"]
    fifty = [variant.sku for variant in variants(300)][:50]
    assert len(seller.page(sellerSkus=",".join(fifty))[0]) == 47


def test_a_time_silences_the_skus_and_their_list_the_single_one(seller: Seller) -> None:
    one, two = {"sellerSku": "312033"}, {"sellerSkus": "312034,312036"}
    assert skus(seller.page(**one)[0]) == ["312033"]
    assert skus(seller.page(**one, **two)[0]) == ["312034", "312036"]
    seller.room.touch(STREAM, keys=[(US, "312038")])
    late = {"startDateTime": "2026-06-15T00:00:00Z"}
    assert skus(seller.page(**one, **two, **late)[0]) == ["312038"]


# Changes


def test_a_change_shows_in_the_whole_pool_and_is_found_by_its_time(seller: Seller) -> None:
    room = seller.room
    before = {place: seller.find("312034", place) for place in MARKETPLACES}
    room.clock.step(60)
    assert room.touch(STREAM, keys=[(CA, "312034")]) == [(US, "312034"), (CA, "312034")]
    after = {place: seller.find("312034", place) for place in MARKETPLACES}
    for place in (US, CA):
        have, had = level(after[place]), level(before[place])
        assert have == (had[0] - 1, had[1] - 1)
        assert after[place] is not None
        assert after[place]["lastUpdatedTime"] == "2026-06-15T15:07:40Z"
        assert skus(seller.walk(place, startDateTime=NOW_TEXT)) == ["312034"]
        # Later than the time given, not at it.
        assert seller.walk(place, startDateTime="2026-06-15T15:07:40.750000Z") == []
    assert [after[place] for place in (DE, FR)] == [before[place] for place in (DE, FR)]
    assert seller.walk(DE, startDateTime=NOW_TEXT) == []


def test_what_is_on_its_way_changes_without_a_trace(seller: Seller) -> None:
    key = (US, "312033")
    before = seller.room.rows(STREAM)[key]
    seller.find("312033")
    assert seller.room.ship(1) == [key, (CA, "312033")]
    after = seller.room.rows(STREAM)[key]
    assert after["totalQuantity"] == before["totalQuantity"] + 12
    working = [row["inventoryDetails"]["inboundWorkingQuantity"] for row in (before, after)]
    assert working == [0, 12]
    assert after["lastUpdatedTime"] == before["lastUpdatedTime"]
    assert seller.walk(startDateTime="2026-06-15T00:00:00Z") == []
    assert seller.find("312033") == after


def test_touch_takes_the_first_that_was_delivered_then_others(seller: Seller) -> None:
    seller.find("312040")
    seller.find("312038")
    assert seller.room.touch(STREAM) == [(US, "312040"), (CA, "312040")]
    assert seller.room.touch(STREAM) == [(US, "312038"), (CA, "312038")]
    assert seller.room.touch(STREAM, 2)[::2] == [(US, "312040"), (US, "312038")]


def test_touch_before_any_read_takes_the_first_of_the_catalogue(room: Sandbox) -> None:
    keys = room.touch(STREAM, 3)
    first = [sku for _, sku in list(room.rows(STREAM))[:3]]
    assert list(dict.fromkeys(sku for _, sku in keys)) == first
    assert room.touch(STREAM, 0) == []


def test_a_sku_of_one_marketplace_is_one_key(room: Sandbox) -> None:
    assert room.touch(STREAM, keys=[(US, "312039")]) == [(US, "312039")]
    assert room.touch(STREAM, keys=[(CA, "312046")]) == [(CA, "312046")]


def test_a_touched_row_without_time_has_one_and_an_empty_shelf_is_filled(room: Sandbox) -> None:
    rows = room.rows(STREAM)
    untouched = next(key for key, row in rows.items() if row["lastUpdatedTime"] == "")
    empty = next(k for k, r in rows.items() if "inventoryDetails" in r and level(r)[0] == 0)
    room.touch(STREAM, keys=[untouched, empty])
    after = room.rows(STREAM)
    assert after[untouched]["lastUpdatedTime"] == NOW_TEXT
    assert level(after[empty])[0] == 24


def test_a_row_without_details_changes_in_its_total_only(room: Sandbox) -> None:
    key = next(key for key, row in room.rows(STREAM).items() if "inventoryDetails" not in row)
    before = room.rows(STREAM)[key]["totalQuantity"]
    room.touch(STREAM, keys=[key])
    after = room.rows(STREAM)[key]
    assert after["totalQuantity"] == before - 1
    assert "inventoryDetails" not in after


def test_removed_rows_are_gone_everywhere(seller: Seller) -> None:
    seller.find("312040")
    assert seller.room.remove(STREAM) == [(US, "312040"), (CA, "312040")]
    assert seller.find("312040") is None
    assert seller.find("312040", CA) is None
    assert seller.find("312040", DE) is not None
    removed = seller.room.remove(STREAM, 2)
    assert not set(removed) & seller.room.rows(STREAM).keys()


def test_a_row_is_put_as_it_is_into_one_marketplace(seller: Seller) -> None:
    room = seller.room
    room.put(STREAM, {"sellerSku": "mine", "totalQuantity": "many"})
    room.put(STREAM, {"sellerSku": "mine", "_marketplace": DE, "condition": "UsedGood"})
    assert room.rows(STREAM)[US, "mine"] == {"sellerSku": "mine", "totalQuantity": "many"}
    assert seller.find("mine", DE) == {"sellerSku": "mine", "condition": "UsedGood"}
    assert (CA, "mine") not in room.rows(STREAM)


def test_reset_begins_again(seller: Seller) -> None:
    before = seller.room.rows(STREAM)
    seller.create("mine")
    seller.room.touch(STREAM, 5)
    seller.room.turn("flavour", "production")
    seller.room.reset()
    assert seller.room.rows(STREAM) == before
    assert (seller.room.switch("flavour"), seller.room.writes) == ("sandbox", [])
    assert_refused(seller.ask(), 403, examples.REVOKED)


def test_there_is_no_other_stream(room: Sandbox) -> None:
    for ask in (room.rows, room.touch, room.remove):
        with pytest.raises(KeyError):
            ask("amazon_fba_orders")
    with pytest.raises(KeyError):
        room.put("amazon_fba_orders", {})


@pytest.mark.parametrize("sku", [None, 7, "", ["312033"]])
def test_a_row_with_a_broken_key_is_sent_but_not_counted(room: Sandbox, sku: Any) -> None:
    before = room.rows(STREAM)
    room.put(STREAM, {"sellerSku": sku, "asin": "B0BROKEN00"})
    assert room.rows(STREAM) == before
    target = f"{SUMMARIES}?{urlencode(Seller.query())}"
    rows = told(Seller(room).send("GET", target, judged=False))["payload"]["inventorySummaries"]
    assert rows[0] == {"sellerSku": sku, "asin": "B0BROKEN00"}


def test_of_two_rows_with_one_key_both_are_sent_and_the_last_one_counts(seller: Seller) -> None:
    row = seller.room.rows(STREAM)[US, "312034"]
    seller.room.put(STREAM, row | {"totalQuantity": 4711})
    rows, _ = seller.page(sellerSku="312034")
    assert rows == [row, row | {"totalQuantity": 4711}]
    assert seller.room.rows(STREAM)[US, "312034"]["totalQuantity"] == 4711
    assert seller.room.rows(STREAM)[CA, "312034"] == row


# Pages


def test_a_token_needs_encoding_and_works_encoded_once(seller: Seller) -> None:
    first, token = seller.page()
    assert all(mark in token for mark in "+/=")
    following = {}
    for encode in (quote, quote_plus):
        reply = seller.send("GET", f"{changed()}&nextToken={encode(token, safe='')}")
        following = told(reply)
        assert following["payload"]["inventorySummaries"][0]["sellerSku"] > first[-1]["sellerSku"]
    for wrong in (token, quote(quote(token, safe=""), safe=""), token + "A"):
        reply = seller.send("GET", f"{changed()}&nextToken={wrong}")
        assert_refused(reply, 400, examples.DEAD_TOKEN)


def test_a_token_is_dead_after_30_seconds(seller: Seller) -> None:
    _, token = seller.page()
    seller.room.clock.step(30)
    assert seller.ask(nextToken=token).status == 200
    seller.room.clock.step(0.1)
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)


@pytest.mark.parametrize(
    "other",
    [
        {"startDateTime": WITHOUT},
        {"startDateTime": "2026-06-01T00:00:01Z"},
        {"details": "false"},
        {"details": WITHOUT},
        {"marketplaceIds": CA},
        {"granularityId": CA},
        {"sellerSku": "312033"},
    ],
)
def test_a_token_belongs_to_the_whole_query(seller: Seller, other: dict[str, Any]) -> None:
    seller.room.touch(STREAM, 60)
    since = {"startDateTime": "2026-06-01T00:00:00Z"}
    rows, token = seller.page(**since)
    assert len(rows) == 50
    reply = seller.send("GET", changed(**since | {"nextToken": token} | other))
    assert_refused(reply, 400, examples.DEAD_TOKEN)
    assert len(seller.page(**since, nextToken=token)[0]) == 10


def test_a_token_can_be_used_again_unless_it_is_for_single_use(seller: Seller) -> None:
    _, token = seller.page()
    second, _ = seller.page(nextToken=token)
    assert seller.page(nextToken=token)[0] == second
    seller.room.turn("token_single_use", value=True)
    assert seller.page(nextToken=token)[0] == second
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)


def test_a_token_outlives_the_access_token(seller: Seller) -> None:
    seller.room.clock.step(3599)
    _, token = seller.page()
    seller.room.clock.step(2)
    assert_refused(seller.ask(nextToken=token), 403, examples.EXPIRED)
    seller.sign_in()
    assert len(seller.page(nextToken=token)[0]) == 50


def test_token_seconds_and_page_size_switches(seller: Seller) -> None:
    seller.room.turn("token_seconds", 2)
    seller.room.turn("page_size", 500)
    assert len(seller.page()[0]) == 291
    seller.room.turn("page_size", 200)
    _, token = seller.page()
    seller.room.clock.step(2.1)
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)


def test_the_list_is_live(seller: Seller) -> None:
    first, token = seller.page()
    seller.delete(first[0]["sellerSku"])
    seller.create("000")
    seller.create("zzz")
    second, _ = seller.page(nextToken=token)
    assert second[0]["sellerSku"] > first[-1]["sellerSku"]
    assert "zzz" in skus(seller.walk())


def test_a_walk_by_time_has_pages_too(seller: Seller) -> None:
    keys = seller.room.touch(STREAM, 120)
    pages = list(seller.pages(startDateTime="2026-06-15T00:00:00Z"))
    assert [len(page) for page in pages[:2]] == [50, 50]
    assert {(US, sku) for page in pages for sku in skus(page)} == {k for k in keys if k[0] == US}


def everything_but(seller: Seller, mode: str) -> list[list[Row]]:
    seller.room.turn("page", mode)
    return list(seller.pages())


def test_page_switch_for_pages_that_are_odd_but_complete(seller: Seller) -> None:
    normal = list(seller.pages())
    rows = [row for page in normal for row in page]
    empty = everything_but(seller, "empty")
    assert [len(page) for page in empty[:4]] == [50, 0, 50, 50]
    assert [row for page in empty for row in page] == rows
    single = everything_but(seller, "single")
    assert [len(page) for page in single] == [1] * len(rows)
    twice = everything_but(seller, "duplicate")
    assert twice[0][-1] == twice[1][0]
    found = [row for page in twice for row in page]
    assert len(found) == len(rows) + len(twice) - 1
    assert list({row["sellerSku"]: row for row in found}.values()) == rows


def test_page_switch_for_an_empty_page_after_a_first_that_nearly_was_all(seller: Seller) -> None:
    seller.room.turn("page", "empty")
    seller.room.turn("page_size", 290)
    assert [len(page) for page in seller.pages()] == [290, 0, 1]


@pytest.mark.parametrize(
    ("mode", "pagination"),
    [
        ("end_object", {}),
        ("end_empty", {"nextToken": ""}),
        ("end_null", {"nextToken": None}),
        ("normal", WITHOUT),
    ],
)
def test_page_switch_for_the_end(seller: Seller, mode: str, pagination: Any) -> None:
    seller.room.turn("page", mode)
    first, token = seller.page()
    assert len(first) == 50
    assert token
    target = changed(sellerSku="312033")
    answer = told(seller.send("GET", target, judged=mode != "end_null"))
    assert len(answer["payload"]["inventorySummaries"]) == 1
    assert answer.get("pagination", WITHOUT) == pagination


def test_page_switch_repeated_token(seller: Seller) -> None:
    seller.room.turn("page", "repeated_token")
    first, token = seller.page()
    second, again = seller.page(nextToken=token)
    assert again == token
    assert second != first
    assert seller.page(nextToken=again) == (second, token)


def test_page_switch_poison(seller: Seller) -> None:
    seller.room.turn("page", "poison")
    rows, token = seller.page()
    assert len(rows) == 50
    assert base64.b64decode(token).decode() == examples.POISON_TEXT
    assert seller.page(nextToken=token) == ([], POISON)
    assert seller.page(nextToken=token) == ([], POISON)


def test_page_switch_errors(seller: Seller) -> None:
    seller.room.turn("page", "errors")
    assert_refused(seller.ask(), 200, examples.FAILURE_WITH_200)


def test_clock_switch_kills_the_next_token_once(seller: Seller) -> None:
    seller.room.turn("clock", 31)
    _, token = seller.page()
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)
    assert len(seller.walk()) == 291


def test_page_delay_switch_passes_time_after_every_page(seller: Seller) -> None:
    seller.room.turn("page_delay", 10)
    assert len(seller.walk()) == 291
    assert seller.room.clock.now() >= NOW + 60
    seller.room.turn("page_delay", 31)
    _, token = seller.page()
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)


# Limits


def test_the_sandbox_flavour_gives_15_at_once_then_5_a_second(seller: Seller) -> None:
    replies = [seller.ask() for _ in range(16)]
    assert [reply.status for reply in replies] == [200] * 15 + [429]
    assert_refused(replies[-1], 429, examples.QUOTA_EXCEEDED)
    assert replies[-1].headers["x-amzn-ErrorType"] == "TooManyRequestsException"
    assert replies[0].headers["x-amzn-RateLimit-Limit"] == "5.0"
    seller.room.clock.step(0.4)
    assert [seller.ask().status for _ in range(3)] == [200, 200, 429]
    # Each operation has a bucket of its own.
    assert seller.create("mine").status == 200


def test_the_production_flavour_gives_2_at_once_then_2_a_second(seller: Seller) -> None:
    seller.room.turn("flavour", "production")
    replies = [seller.ask(place) for place in (US, CA, DE)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[0].headers["x-amzn-RateLimit-Limit"] == "2.0"
    seller.room.clock.step(0.5)
    assert [seller.ask().status for _ in range(2)] == [200, 429]
    seller.room.clock.step(-60)
    assert seller.ask().status == 429


def test_bucket_scope_switch(seller: Seller) -> None:
    seller.room.turn("bucket_scope", "marketplace")
    seller.room.turn("flavour", "production")
    assert [seller.ask(place).status for place in (US, CA, US, CA, US)] == [200] * 4 + [429]


def test_throttle_switch(seller: Seller) -> None:
    seller.room.turn("throttle", 2)
    assert [seller.ask().status for _ in range(3)] == [429, 429, 200]
    seller.room.turn("throttle", value=True)
    assert [seller.ask().status for _ in range(3)] == [429, 429, 429]


def test_throttle_walk_switch_outlasts_a_token(seller: Seller) -> None:
    seller.room.turn("throttle_walk", 40)
    _, token = seller.page()
    seller.room.clock.step(39)
    assert_refused(seller.ask(nextToken=token), 429, examples.QUOTA_EXCEEDED)
    seller.room.clock.step(2)
    assert_refused(seller.ask(nextToken=token), 400, examples.DEAD_TOKEN)
    assert len(seller.walk()) == 291


def test_every_answer_has_a_request_id_of_its_own(seller: Seller) -> None:
    replies = [seller.ask(), seller.ask(nextToken="x"), seller.create("mine"), seller.delete("no")]
    replies += [seller.send("GET", ITEMS)]
    ids = {reply.headers["x-amzn-RequestId"] for reply in replies}
    assert len(ids) == 5


# Other switches


@pytest.mark.parametrize("place", [US, FR])
def test_foreign_marketplace_switch(seller: Seller, place: str) -> None:
    seller.room.turn("foreign_marketplace", place)
    assert_refused(seller.ask(place), 403, examples.UNAUTHORIZED)
    assert_refused(seller.create("mine", place), 403, examples.UNAUTHORIZED)
    assert_refused(seller.add("312033", 1, "k", place), 403, examples.UNAUTHORIZED)
    assert_refused(seller.delete("312033", place), 403, examples.UNAUTHORIZED)
    assert seller.ask(CA).status == 200
    assert {key[0] for key in seller.room.rows(STREAM)} == set(CONFIGURED) - {place}


def test_no_fba_switch(seller: Seller) -> None:
    seller.room.turn("no_fba", CA)
    assert_refused(seller.ask(CA), 400, examples.INVALID_REQUEST)
    assert seller.ask().status == 200
    assert {key[0] for key in seller.room.rows(STREAM)} == {US}


def test_rows_switch_takes_times_and_blocks_away(seller: Seller) -> None:
    rows = seller.walk()
    seller.room.turn("rows", ["no_time", "no_blocks"])
    bare = seller.walk()
    assert {row["lastUpdatedTime"] for row in bare} == {""}
    kept = {n for row in bare for n in row.get("inventoryDetails", {})}
    assert kept == {"fulfillableQuantity", "inboundWorkingQuantity"} | {
        "inboundShippedQuantity",
        "inboundReceivingQuantity",
    }
    assert [row for key, row in seller.room.rows(STREAM).items() if key[0] == US] == bare
    seller.room.turn("rows", [])
    assert seller.walk() == rows


def test_rows_switch_adds_a_row_without_a_sku(seller: Seller) -> None:
    before = seller.room.rows(STREAM)
    seller.room.turn("rows", "no_sku")
    nameless = [row for row in seller.walk() if "sellerSku" not in row]
    assert len(nameless) == 1
    assert nameless[0]["asin"]
    assert seller.room.rows(STREAM) == before
    seller.room.turn("rows", [])
    assert all("sellerSku" in row for row in seller.walk())


@pytest.mark.parametrize(("switch", "value"), [("rows", ["two_rows"]), ("duplicate_sku", 3)])
def test_second_rows_have_another_fn_sku_and_count(seller: Seller, switch: str, value: Any) -> None:
    before = seller.room.rows(STREAM)
    seller.room.turn(switch, value)
    count = 1 if switch == "rows" else value
    rows = seller.walk()
    assert len(rows) == 291 + count
    pairs = [(a, b) for a, b in pairwise(rows) if a["sellerSku"] == b["sellerSku"]]
    assert len(pairs) == count
    for first, second in pairs:
        assert first["fnSku"] != second["fnSku"]
        assert first["condition"] != second["condition"]
        assert level(second) == (level(first)[0] + 7, level(first)[1] + 7)
        assert seller.room.rows(STREAM)[US, second["sellerSku"]] == second
    assert len({second["fnSku"] for _, second in pairs}) == count
    seller.room.turn(switch, [] if switch == "rows" else 0)
    assert seller.room.rows(STREAM) == before


def test_hide_skus_switch(seller: Seller) -> None:
    first = skus(seller.walk())[:3]
    seller.room.turn("hide_skus", 3)
    seen = skus(seller.walk())
    assert not set(first) & set(seen)
    assert len(seen) == 288
    assert {sku for place, sku in seller.room.rows(STREAM) if place == US} == set(seen)
    assert skus(seller.page(sellerSkus=",".join(first))[0]) == first


def test_full_means_switch(seller: Seller) -> None:
    seller.room.turn("full_means", "18_months")
    rows = seller.walk()
    assert 0 < len(rows) < 150
    recent = datetime(2024, 12, 15, tzinfo=UTC)
    old = {v.sku for v in variants(300) if v.changed < recent}
    assert not old & set(skus(rows))
    assert {sku for place, sku in seller.room.rows(STREAM) if place == US} == set(skus(rows))
    assert seller.find(min(old)) is not None


def test_status_switch_spends_itself(seller: Seller) -> None:
    seller.room.turn("status", [500, 503, 502, "reset", "slow"])
    assert_refused(seller.ask(), 500, examples.INTERNAL_FAILURE)
    assert seller.ask().status == 503
    page = seller.send("GET", changed(), judged=False)
    assert (page.status, page.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert [seller.ask().lost for _ in range(2)] == ["reset_before_headers", "hang"]
    assert seller.ask().status == 200


# Writes


def test_a_created_item_is_empty_and_stands_in_one_marketplace(seller: Seller) -> None:
    sku = 'new & odd/%2F+#?," \u00e9 '
    reply = seller.create(sku, CA, "A sample")
    assert (reply.status, told(reply)) == (200, {})
    row = seller.find(sku, CA)
    assert row is not None
    assert (row["productName"], row["lastUpdatedTime"]) == ("A sample", NOW_TEXT)
    assert level(row) == (0, 0)
    assert summary_errors(row) == []
    assert [seller.find(sku, place) for place in (US, DE, FR)] == [None] * 3
    assert seller.room.rows(STREAM)[CA, sku] == row
    assert skus(seller.walk(CA, startDateTime="2026-06-15T00:00:00Z")) == [sku]
    assert seller.room.writes == [
        {"operation": CREATE, "marketplaceId": CA, "sellerSku": sku},
    ]


def test_created_items_have_codes_of_their_own(seller: Seller) -> None:
    for n in range(3):
        seller.create(f"mine {n}")
    rows = [seller.find(f"mine {n}") for n in range(3)]
    assert len({row["asin"] for row in rows if row} | {row["fnSku"] for row in rows if row}) == 6


def test_what_exists_is_not_created_again(seller: Seller) -> None:
    before = seller.room.rows(STREAM)
    reply = seller.create("312033")
    assert (reply.status, told(reply)["errors"][0]["code"]) == (400, "InvalidInput")
    # SKU 312046 is only sold in the other marketplace.
    assert seller.create("312046").status == 200
    after = seller.room.rows(STREAM)
    assert {k for k in after if after[k] != before.get(k)} == {(US, "312046")}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[" * 100_000,
        [],
        {},
        {"sellerSku": "x", "marketplaceId": US},
        {"sellerSku": "x", "productName": "y"},
        {"marketplaceId": US, "productName": "y"},
        {"sellerSku": 5, "marketplaceId": US, "productName": "y"},
        {"sellerSku": "", "marketplaceId": US, "productName": "y"},
        {"sellerSku": "x", "marketplaceId": [US], "productName": "y"},
        {"sellerSku": "x", "marketplaceId": US, "productName": None},
    ],
)
def test_a_wrong_body_creates_nothing(seller: Seller, body: Any) -> None:
    reply = seller.send("POST", ITEMS, body, headers=JSON)
    assert_refused(reply, 400, examples.INVALID_REQUEST)
    assert seller.room.writes == []


def test_a_body_counts_only_under_its_content_type(seller: Seller) -> None:
    body = json.loads(examples.CREATE_BODY)
    for headers in ({}, {"content-type": "text/plain"}):
        reply = seller.send("POST", ITEMS, body, headers=headers)
        assert_refused(reply, 400, examples.INVALID_REQUEST)
    headers = {"content-type": "application/json; charset=utf-8"}
    assert seller.send("POST", ITEMS, body, headers=headers).status == 200


def test_members_that_are_not_documented_mean_nothing(seller: Seller) -> None:
    body = json.loads(examples.CREATE_BODY) | {"marketplaceIds": [US]}
    assert seller.send("POST", ITEMS, body, headers=JSON).status == 200
    assert seller.room.undocumented == ["marketplaceIds"]


def test_an_add_adds_to_what_is_there_in_the_whole_pool(seller: Seller) -> None:
    before = {place: level(seller.find("312034", place)) for place in MARKETPLACES}
    seller.room.clock.step(60)
    reply = seller.add("312034", 10, "key-1")
    assert (reply.status, told(reply)) == (200, {})
    for place in MARKETPLACES:
        more = 10 if place in {US, CA} else 0
        had = before[place]
        assert level(seller.find("312034", place)) == (had[0] + more, had[1] + more)
    assert skus(seller.walk(CA, startDateTime=NOW_TEXT)) == ["312034"]
    told_of = {"operation": ADD, "marketplaceId": US, "sellerSku": "312034", "quantity": 10}
    assert seller.room.writes == [told_of]


def test_an_add_is_applied_once_for_each_token(seller: Seller) -> None:
    had, _ = level(seller.find("312034"))
    for _ in range(3):
        assert seller.add("312034", 10, "key-1").status == 200
    seller.room.clock.step(10 * 365 * 86_400)
    seller.sign_in()
    assert seller.add("312034", 10, "key-1").status == 200
    assert level(seller.find("312034"))[0] == had + 10
    assert seller.add("312034", 10, "key-2").status == 200
    assert level(seller.find("312034"))[0] == had + 20


def test_a_token_with_another_body_is_refused(seller: Seller) -> None:
    had, _ = level(seller.find("312034"))
    seller.add("312034", 10, "key-1")
    for sku, quantity, place in (("312034", 11, US), ("312034", 10, CA), ("312036", 10, US)):
        reply = seller.add(sku, quantity, "key-1", place)
        assert reply.status == 400
        assert "idempotency" in told(reply)["errors"][0]["details"]
    assert level(seller.find("312034"))[0] == had + 10


def test_a_refused_add_uses_no_token_up(seller: Seller) -> None:
    assert seller.add("mine", 5, "key-1").status == 400
    seller.create("mine")
    assert seller.add("mine", 5, "key-1").status == 200
    assert level(seller.find("mine")) == (5, 5)


def test_an_add_needs_its_token(seller: Seller) -> None:
    body = json.loads(examples.ADD_BODY)
    seller.create("TEST-SKU-1")
    for headers in (JSON, JSON | {"x-amzn-idempotency-token": ""}):
        reply = seller.send("POST", INVENTORY, body, headers=headers, judged=False)
        assert reply.status == 400
        assert "x-amzn-idempotency-token" in told(reply)["errors"][0]["details"]
    assert level(seller.find("TEST-SKU-1")) == (0, 0)


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 5.0, True, "5", None, [5]])
def test_a_wrong_quantity_is_refused(seller: Seller, quantity: Any) -> None:
    assert_refused(seller.add("312034", quantity, "key-1"), 400, examples.INVALID_REQUEST)
    assert seller.room.writes == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inventoryItems": []},
        {"inventoryItems": {}},
        {"inventoryItems": ["312034"]},
        {"inventoryItems": [{"sellerSku": "312034", "quantity": 1}]},
        {"inventoryItems": [{"marketplaceId": US, "quantity": 1}]},
        {"inventoryItems": [{"sellerSku": 312034, "marketplaceId": US, "quantity": 1}]},
        {"inventoryItems": [{"sellerSku": "312034", "marketplaceId": US}]},
    ],
)
def test_a_wrong_body_adds_nothing(seller: Seller, body: Any) -> None:
    assert_refused(seller.add_body(body, "key-1"), 400, examples.INVALID_REQUEST)
    assert seller.room.writes == []


@pytest.mark.parametrize("sku", AWKWARD_SKUS)
def test_an_awkward_sku_is_deleted_by_its_encoded_path(seller: Seller, sku: str) -> None:
    reply = seller.delete(sku)
    assert (reply.status, told(reply)) == (200, {})
    assert seller.find(sku) is None
    assert seller.find(sku, CA) is not None
    assert seller.room.writes == [{"operation": DELETE, "marketplaceId": US, "sellerSku": sku}]
    assert seller.delete(sku).status == 404


def test_a_plus_in_a_path_is_a_plus(seller: Seller) -> None:
    assert seller.send("DELETE", f"{ITEMS}/plus+inside?marketplaceId={US}").status == 200
    assert seller.send("DELETE", f"{ITEMS}/two+words?marketplaceId={US}").status == 404


def test_a_delete_needs_its_marketplace(seller: Seller) -> None:
    for query in ("", "?marketplaceId=", f"?marketplaceIds={US}"):
        reply = seller.send("DELETE", f"{ITEMS}/312033{query}")
        assert_refused(reply, 400, examples.INVALID_REQUEST)
    assert seller.find("312033") is not None


def test_a_missing_item_cannot_be_deleted(seller: Seller) -> None:
    reply = seller.delete("nowhere")
    assert (reply.status, told(reply)["errors"][0]["code"]) == (404, "NotFound")
    assert seller.delete("312046").status == 404  # only sold in the other marketplace


def test_a_deleted_item_can_be_created_again_and_is_empty(seller: Seller) -> None:
    seller.delete("312033")
    assert seller.add("312033", 1, "key-1").status == 400
    seller.create("312033")
    assert level(seller.find("312033")) == (0, 0)
    assert level(seller.find("312033", CA)) != (0, 0)


def test_production_takes_no_writes(seller: Seller) -> None:
    seller.room.turn("flavour", "production")
    for reply in (seller.create("mine"), seller.add("312033", 1, "k"), seller.delete("312033")):
        assert_refused(reply, 403, examples.UNAUTHORIZED)
    assert seller.room.writes == []


def test_write_errors_switch(seller: Seller) -> None:
    seller.room.turn("write_errors", 400)
    assert [seller.create("312033").status, seller.delete("nowhere").status] == [400, 400]
    seller.room.turn("write_errors", "200")
    replies = [seller.create("312033"), seller.delete("nowhere")]
    assert [(reply.status, told(reply)) for reply in replies] == [(200, {})] * 2
    assert seller.room.writes == []


def test_write_errors_on_200_switch(seller: Seller) -> None:
    seller.room.turn("write_errors_on_200", value=True)
    seller.room.turn("max_items", 0)
    had, _ = level(seller.find("312034"))
    for reply in (seller.create("312033"), seller.delete("nowhere")):
        assert reply.status == 200
        assert len(told(reply)["errors"]) == 1
    items = [
        {"sellerSku": sku, "marketplaceId": US, "quantity": 5} for sku in ("nowhere", "312034")
    ]
    reply = seller.add_body({"inventoryItems": items}, "key-1")
    assert (reply.status, len(told(reply)["errors"])) == (200, 1)
    assert told(seller.add_body({"inventoryItems": items}, "key-1")) == told(reply)
    assert level(seller.find("312034"))[0] == had + 5


def test_an_add_of_several_is_applied_whole_or_not_at_all(seller: Seller) -> None:
    items = [
        {"sellerSku": sku, "marketplaceId": US, "quantity": 5} for sku in ("312034", "nowhere")
    ]
    seller.room.turn("max_items", 2)
    assert seller.add_body({"inventoryItems": items}, "key-1").status == 400
    assert seller.room.writes == []
    assert seller.add_body({"inventoryItems": items[:1] * 2}, "key-2").status == 200
    assert len(seller.room.writes) == 2


def test_max_items_switch(seller: Seller) -> None:
    item = {"sellerSku": "312034", "marketplaceId": US, "quantity": 5}
    two, three = {"inventoryItems": [item] * 2}, {"inventoryItems": [item] * 3}
    assert_refused(seller.add_body(two, "key-1"), 400, examples.INVALID_REQUEST)
    seller.room.turn("max_items", 2)
    assert seller.add_body(two, "key-1").status == 200
    assert seller.add_body(three, "key-2").status == 400


def test_idempotency_switch(seller: Seller) -> None:
    seller.room.turn("idempotency", 60)
    had, _ = level(seller.find("312034"))
    seller.add("312034", 1, "key-1")
    seller.room.clock.step(59)
    seller.add("312034", 1, "key-1")
    assert level(seller.find("312034"))[0] == had + 1
    seller.room.clock.step(1)
    seller.add("312034", 1, "key-1")
    assert level(seller.find("312034"))[0] == had + 2


def test_add_unknown_switch(seller: Seller) -> None:
    assert seller.add("mine", 5, "key-1").status == 400
    seller.room.turn("add_unknown", 404)
    assert seller.add("mine", 5, "key-1").status == 404
    seller.room.turn("add_unknown", "create")
    assert seller.add("mine", 5, "key-1").status == 200
    row = seller.find("mine")
    assert level(row) == (5, 5)
    assert row is not None
    assert "productName" not in row


def test_write_lost_answer_switch(seller: Seller) -> None:
    seller.room.turn("write_lost_answer", 1)
    assert seller.create("312033").lost == ""  # nothing was applied
    assert seller.create("mine").lost == "hang"
    assert seller.find("mine") is not None
    assert seller.delete("mine").lost == ""


def test_read_lag_switch(seller: Seller) -> None:
    seller.room.turn("read_lag", 2)
    had = level(seller.find("312034"))
    seller.create("mine")
    seller.add("mine", 4, "key-1")
    seller.delete("312036")
    seller.add("312034", 1, "key-2")
    # The next write knows better than a read.
    assert seller.create("mine").status == 400
    assert seller.delete("312036").status == 404
    assert seller.find("mine") is None
    assert seller.find("312036") is not None
    assert level(seller.find("mine")) == (4, 4)
    assert seller.find("312036") is None
    assert level(seller.find("312034")) == (had[0] + 1, had[1] + 1)


def test_no_write_overtakes_an_earlier_one(seller: Seller) -> None:
    seller.room.turn("read_lag", 1)
    seller.create("mine")
    seller.room.turn("read_lag", 0)
    seller.add("mine", 4, "key-1")
    assert seller.find("mine") is None
    assert level(seller.find("mine")) == (4, 4)


# The whole


def test_a_lost_write_hangs_and_is_applied_once(room: Sandbox) -> None:
    seller = Seller(room)
    room.turn("write_lost_answer", 1)
    had = level(seller.find("312034"))
    item = {"sellerSku": "312034", "marketplaceId": US, "quantity": 10}
    body = json.dumps({"inventoryItems": [item]})
    with SandboxServer([room]) as server:
        headers = signed_headers(server) | {"Content-Type": "application/json"}
        headers["x-amzn-idempotency-token"] = "key-1"
        lines = [f"POST {INVENTORY} HTTP/1.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall("\r\n".join([*lines, "", body]).encode())
            until(lambda: room.writes)
            assert_silent(sock)
        assert over_http(server, "POST", INVENTORY, body, headers) == (200, {})
    assert level(room.rows(STREAM)[US, "312034"]) == (had[0] + 10, had[1] + 10)


def test_the_path_of_a_sku_reaches_the_room_as_it_was_sent(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        headers = signed_headers(server)
        for sku in AWKWARD_SKUS:
            target = f"{ITEMS}/{quote(sku, safe='')}?marketplaceId={US}"
            assert over_http(server, "DELETE", target, headers=headers) == (200, {}), sku
    assert [write["sellerSku"] for write in room.writes] == list(AWKWARD_SKUS)


def test_the_server_finds_the_room_by_its_name() -> None:
    with SandboxServer(rooms(Clock(), size=5, names=["amazon_fba"])) as server:
        assert server.settings("amazon_fba")["lwa_url"] == f"{server.url}{LWA_PATH}"
        room = server.room("amazon_fba")
        assert room.serves(LWA_PATH)
        assert room.serves(SUMMARIES)
        assert room.serves(f"{ITEMS}/x")
        assert not room.serves("/auth/o2/tokens")
        assert not room.serves("/fba/inventory/v2/summaries")


def test_every_switch_has_help_and_accepts_its_own_values(room: Sandbox) -> None:
    for name, switch in room.switches.items():
        assert switch.help
        for value in (switch.off, *switch.choices):
            room.turn(name, value)
    with pytest.raises(KeyError):
        room.turn("tokens", 1)
    with pytest.raises(ValueError, match="must be one of"):
        room.turn("page", "other")


def test_the_traits_name_switches_and_values_that_exist(room: Sandbox) -> None:
    turns = [*TRAITS.refusals.values(), *TRAITS.short_token, TRAITS.empty_page, TRAITS.same_token]
    for turn in turns:
        assert turn is not None
        room.turn(*turn)
    assert TRAITS.streams.keys() == {STREAM}


def test_every_refusal_of_the_traits_refuses(room: Sandbox) -> None:
    for turn in TRAITS.refusals.values():
        room.reset()
        seller = Seller(room)
        room.turn(*turn)
        assert {lwa(room).status, seller.ask().status} & {400, 401, 403}


def test_a_whole_read_sends_what_the_traits_say(seller: Seller) -> None:
    assert len([page for place in CONFIGURED for page in seller.pages(place)]) == TRAITS.reads
    assert TRAITS.read in SUMMARIES


def test_the_traits_spoil_a_good_answer(seller: Seller) -> None:
    body = seller.ask().body
    for name, (edit, _) in TRAITS.undocumented.items():
        spoilt = edit(body)
        json.loads(spoilt)
        assert spoilt != body, name
    assert json.loads(TRAITS.failure) == json.loads(examples.FAILURE_WITH_200)
    assert json.loads(TRAITS.session_lost) == json.loads(examples.EXPIRED)


def test_another_row_of_the_traits_is_one_of_the_model(room: Sandbox) -> None:
    shape = TRAITS.streams[STREAM]
    row = next(iter(room.rows(STREAM).values()))
    others = [shape.other(row, n) for n in range(3)]
    assert all(summary_errors(other) == [] for other in others)
    names = (shape.key, shape.named_by)
    assert all(len({other[name] for other in [row, *others]}) == 4 for name in names)
    others[0]["inventoryDetails"]["fulfillableQuantity"] = "spoilt"
    assert row["inventoryDetails"]["fulfillableQuantity"] != "spoilt"
    for _, wire in [*shape.levels.items(), shape.number, shape.text]:
        assert all(part for part in wire.split("."))


def test_the_default_catalogue_has_the_worlds_2000_skus() -> None:
    room = Sandbox(Still())
    room.turn("page_size", 5000)
    seller = Seller(room)
    assert len(seller.page()[0]) == 1870
