"""The stand-in of S2: what its documents promise, and every way to break it."""

from __future__ import annotations

import base64
import http.client
import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.s2.sandbox import (
    ACCESS_TOKEN,
    EMAIL,
    LOGIN,
    MESSAGE,
    OVERVIEW,
    PASSWORD,
    USER,
    Sandbox,
)
from inventory_providers.s2.shelf import (
    DOCUMENTED,
    EAST,
    HEADER_ORGANIZATION,
    ITEMS,
    ORGANIZATION,
    PRODUCTS,
    WAREHOUSES,
    WEST,
)
from inventory_providers.s2.traits import TRAITS
from inventory_providers.sandbox.room import Clock, Reply, Request
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from inventory_providers.sandbox.world import variants
from tests.inventory_providers.s2 import examples

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_750_000_000.25
NOW_TEXT = "2025-06-15T15:06:40.250000Z"
WEEK = 7 * 24 * 3600
SIGNED = {"authorization": f"Bearer {ACCESS_TOKEN}"}
JSON = {"content-type": "application/json"}
RIGHT = {"email": EMAIL, "password": PASSWORD}
ARRAYS = {WAREHOUSES: "warehouses", PRODUCTS: "products", ITEMS: "items"}
SHOWN = json.loads(examples.OVERVIEW_ANSWER)
ORGANIZATIONS = [ORGANIZATION["id"], HEADER_ORGANIZATION["id"]]
FOREIGN = "e4affb47-1971-42bb-97a3-215d9bddd888"


class StoppedClock(Clock):
    """Moves only when it is stepped."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> float:
        return self._now

    def step(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def room() -> Sandbox:
    return Sandbox(StoppedClock(), size=30)


def send(
    room: Sandbox,
    method: str = "GET",
    path: str = OVERVIEW,
    *,
    query: str = "",
    headers: Mapping[str, str] = SIGNED,
    body: bytes = b"",
) -> Reply:
    target = f"{path}?{query}" if query else path
    return room.handle(Request(method, target, path, query, headers, body, NOW))


def overview(room: Sandbox, token: str = ACCESS_TOKEN, organization: str | None = None) -> Reply:
    headers = {"authorization": f"Bearer {token}"}
    if organization is not None:
        headers["x-s2-organization"] = organization
    return send(room, headers=headers)


def whole(room: Sandbox, token: str = ACCESS_TOKEN) -> dict[str, Any]:
    """A good overview."""
    reply = overview(room, token, ORGANIZATIONS[0])
    assert reply.status == 200
    answer: dict[str, Any] = json.loads(reply.body)
    assert set(ARRAYS.values()) <= answer.keys(), answer.keys()
    return answer


def log_in(room: Sandbox, document: Any = None, headers: Mapping[str, str] = JSON) -> Reply:
    body = json.dumps(RIGHT if document is None else document).encode()
    return send(room, "POST", LOGIN, headers=headers, body=body)


def token_of(reply: Reply) -> str:
    answer = json.loads(reply.body)
    assert (reply.status, answer["type"]) == (200, "SUCCESS")
    token: str = answer["accessToken"]
    return token


def segments(token: str) -> list[Any]:
    """The header and the payload of a JWT, read as anybody would."""
    parts = token.split(".")
    assert len(parts) == 3
    padded = [part + "=" * (-len(part) % 4) for part in parts[:2]]
    return [json.loads(base64.urlsafe_b64decode(part)) for part in padded]


def is_message(reply: Reply, status: int, words: str | None = None) -> bool:
    answer = json.loads(reply.body)
    told = answer.pop("message")
    right_words = told == words if words is not None else bool(told)
    return (reply.status, answer, right_words) == (status, {}, True)


def keys_of(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["warehouseId"], each["level"]["productId"]) for each in rows]


def at(row: dict[str, Any], path: str) -> Any:
    """The value at the end of names joined by dots."""
    value: Any = row
    for name in path.split("."):
        value = value[name]
    return value


# The documents' own examples, over HTTP


def over_http(
    server: SandboxServer,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: str | None = None,
) -> tuple[int, str]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request(method, target, body, dict(headers))
    answer = client.getresponse()
    assert answer.getheader("Content-Type") == "application/json"
    text = answer.read().decode()
    client.close()
    return answer.status, text


def parts_of(example: str) -> tuple[str, str, dict[str, str], str]:
    """An example request: method, path, headers and body."""
    head, _, body = example.strip().partition("\n\n")
    first, *lines = head.splitlines()
    method, path = first.split(" ")
    return method, path, dict(line.split(": ", 1) for line in lines), body


def with_token(token: str = ACCESS_TOKEN) -> tuple[str, str, dict[str, str]]:
    """The documented request with a token in the place that is marked for it."""
    method, path, headers, _ = parts_of(examples.OVERVIEW_REQUEST)
    bearer = headers["Authorization"].replace("change_to_your_access_token", token)
    return method, path, headers | {"Authorization": bearer}


def same_json(one: Any, other: Any) -> bool:
    """Equal with the order of members and the types of numbers."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize("organizations", [1, 2])
def test_the_documents_request_gets_the_documents_answer(room: Sandbox, organizations: int) -> None:
    room.turn("documented_only", value=True)
    room.turn("org_count", organizations)
    with SandboxServer([room]) as server:
        status, text = over_http(server, *with_token())
    assert status == 200
    assert same_json(json.loads(text), SHOWN)
    assert "听雨" in text, "UTF-8, not escaped"


def test_the_documents_rows_come_first_in_every_catalogue(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        answer = json.loads(over_http(server, *with_token())[1])
    assert list(answer) == list(SHOWN)
    for name, rows in SHOWN.items():
        assert same_json(answer[name][: len(rows)], rows)
        assert len(answer[name]) > len(rows)
        assert all(each.keys() == rows[0].keys() for each in answer[name])


def test_the_documents_placeholder_is_no_token(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        method, path, headers, _ = parts_of(examples.OVERVIEW_REQUEST)
        assert over_http(server, method, path, headers)[0] == 401


def test_the_published_log_in_gets_the_published_answer(room: Sandbox) -> None:
    method, path, headers, body = parts_of(examples.LOGIN_REQUEST)
    body = body.replace('"EMAIL"', f'"{EMAIL}"').replace('"PASSWORD"', f'"{PASSWORD}"')
    with SandboxServer([room]) as server:
        status, text = over_http(server, method, path, headers, body)
        answer = json.loads(text)
        token = answer["accessToken"]
        assert over_http(server, *with_token(token))[0] == 200
    assert status == 200
    expected = json.loads(examples.LOGIN_ANSWER)
    [mine] = expected["user"]["organizations"]
    mine["organization"] |= {name: ORGANIZATION[name] for name in ("createdAt", "updatedAt")}
    expected["user"]["email"] = EMAIL
    assert same_json(answer, expected | {"accessToken": token})


def test_the_placeholders_of_the_published_log_in_are_refused(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        assert over_http(server, *parts_of(examples.LOGIN_REQUEST))[0] == 401
    assert room.tokens == []


def test_a_token_says_what_the_published_one_says(room: Sandbox) -> None:
    shown = json.loads(examples.TOKEN_PAYLOAD)
    for token in (token_of(log_in(room)), ACCESS_TOKEN):
        header, payload = segments(token)
        assert header["alg"] == "HS256"
        assert list(payload) == list(shown)
        assert same_json(payload, shown | {"userId": USER, "exp": payload["exp"]})


def test_a_token_of_the_published_end_is_good_until_then(room: Sandbox) -> None:
    end = json.loads(examples.TOKEN_PAYLOAD)["exp"]
    token = room.issue(end - int(NOW))
    assert segments(token)[1]["exp"] == end
    room.clock.step(end - NOW - 0.5)
    assert overview(room, token).status == 200
    room.clock.step(0.5)
    assert is_message(overview(room, token), 401, "Unauthorized")


def test_the_published_error_comes_as_published(room: Sandbox) -> None:
    room.turn("status", [500, "message"])
    with SandboxServer([room]) as server:
        answers = [over_http(server, *with_token()) for _ in range(3)]
    error = json.loads(examples.ERROR_ANSWER)
    assert [status for status, _ in answers] == [500, 200, 200]
    assert [json.loads(text) for _, text in answers[:2]] == [error, error]
    assert json.loads(answers[2][1]).keys() == SHOWN.keys()


# Who may read


def test_the_settings_sign_in_and_their_secrets_are_told(room: Sandbox) -> None:
    settings = room.settings("http://127.0.0.1:1")
    assert settings == {
        "api_url": "http://127.0.0.1:1",
        "access_token": ACCESS_TOKEN,
        "organization_id": ORGANIZATIONS[0],
    }
    for count in (1, 2):
        room.turn("org_count", count)
        reply = overview(room, settings["access_token"], settings["organization_id"])
        assert reply.status == 200
    assert room.secrets() == [ACCESS_TOKEN, PASSWORD]


def test_the_settings_with_a_log_in_sign_in_too(room: Sandbox) -> None:
    settings = room.settings_with_login("http://127.0.0.1:1")
    assert settings == {"api_url": "http://127.0.0.1:1", "email": EMAIL, "password": PASSWORD}
    token = token_of(log_in(room, {name: settings[name] for name in RIGHT}))
    assert overview(room, token).status == 200


def test_every_token_issued_is_told_as_a_secret(room: Sandbox) -> None:
    tokens = [token_of(log_in(room)), room.issue(60)]
    assert room.tokens == tokens
    assert room.secrets() == [ACCESS_TOKEN, PASSWORD, *tokens]
    assert len({*tokens, ACCESS_TOKEN}) == 3


def test_the_password_needs_encoding() -> None:
    assert len({PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD)}) == 4


def test_the_long_lived_token_is_the_same_in_every_sandbox(room: Sandbox) -> None:
    assert Sandbox(Clock(), size=1).secrets() == room.secrets()
    assert segments(ACCESS_TOKEN)[1]["exp"] > NOW + 50 * 365 * 24 * 3600


def _resigned(**changed: Any) -> str:
    """The long-lived token with other words under the old signature."""
    header, payload = segments(ACCESS_TOKEN)
    parts = [header, payload | changed]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
    return ".".join([*(each.rstrip("=") for each in encoded), ACCESS_TOKEN.split(".")[2]])


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        ACCESS_TOKEN,
        f"Basic {ACCESS_TOKEN}",
        f"Token {ACCESS_TOKEN}",
        f"Bearer {ACCESS_TOKEN[:-1]}",
        f"Bearer {ACCESS_TOKEN}x",
        f"Bearer {ACCESS_TOKEN.rpartition('.')[0]}.",
        f"Bearer {_resigned(userVersion=1)}",
        f"Bearer {_resigned(exp=4_102_444_801)}",
    ],
)
def test_what_is_no_token_of_ours_is_refused(room: Sandbox, authorization: str) -> None:
    assert _resigned() == ACCESS_TOKEN
    reply = send(room, headers={"authorization": authorization})
    assert is_message(reply, 401, "Unauthorized")


def test_without_a_token_nothing_is_shown(room: Sandbox) -> None:
    assert is_message(send(room, headers={}), 401)
    assert is_message(send(room, headers={"x-accesskey": ACCESS_TOKEN}), 401)


@given(st.text(st.characters(max_codepoint=255)))
def test_no_text_opens_the_door(text: str) -> None:
    room = Sandbox(StoppedClock(), size=1)
    assert send(room, headers={"authorization": f"Bearer {text}"}).status == 401


@pytest.mark.parametrize(
    "document",
    [
        RIGHT | {"password": "wrong"},
        RIGHT | {"password": ""},
        RIGHT | {"password": PASSWORD.upper()},
        RIGHT | {"email": "somebody-else@example.com"},
        {"email": PASSWORD, "password": EMAIL},
    ],
)
def test_a_wrong_log_in_gets_401_and_a_message(room: Sandbox, document: Any) -> None:
    assert is_message(log_in(room, document), 401)
    assert room.tokens == []


@pytest.mark.parametrize(
    "document",
    [{}, [], "text", {"email": EMAIL}, {"password": PASSWORD}, RIGHT | {"email": 7}, [RIGHT]],
)
def test_a_log_in_of_another_form_gets_400_and_a_message(room: Sandbox, document: Any) -> None:
    assert is_message(log_in(room, document), 400)
    assert room.tokens == []


@given(st.binary())
def test_no_body_breaks_the_log_in(body: bytes) -> None:
    room = Sandbox(StoppedClock(), size=1)
    assert is_message(send(room, "POST", LOGIN, headers=JSON, body=body), 400)


def test_a_nested_body_does_not_break_the_log_in(room: Sandbox) -> None:
    assert is_message(send(room, "POST", LOGIN, headers=JSON, body=b"[" * 100_000), 400)


def test_a_log_in_counts_only_as_json(room: Sandbox) -> None:
    for kind in ({}, {"content-type": "text/plain"}):
        assert is_message(log_in(room, headers=kind), 400)
    assert log_in(room, headers={"content-type": "application/json; charset=utf-8"}).status == 200


def test_a_token_ends_a_week_after_its_log_in(room: Sandbox) -> None:
    token = token_of(log_in(room))
    assert segments(token)[1]["exp"] == int(NOW) + WEEK
    room.clock.step(WEEK - 1)
    assert overview(room, token).status == 200
    room.clock.step(1)
    assert is_message(overview(room, token), 401)
    assert overview(room, token_of(log_in(room))).status == 200
    assert overview(room).status == 200


def test_token_life(room: Sandbox) -> None:
    early = token_of(log_in(room))
    room.turn("token_life", 60)
    token = token_of(log_in(room))
    room.clock.step(60)
    assert overview(room, token).status == 401
    assert overview(room, early).status == 200
    room.turn("token_life", 0)
    assert overview(room, token_of(log_in(room))).status == 401


def test_revoke_after(room: Sandbox) -> None:
    overview(room)
    room.turn("revoke_after", 2)
    token = token_of(log_in(room))
    assert [overview(room, token).status for _ in range(3)] == [200, 200, 401]
    assert overview(room).status == 401
    again = token_of(log_in(room))
    assert segments(again)[1]["userVersion"] == segments(token)[1]["userVersion"] + 1
    assert [overview(room, again).status for _ in range(3)] == [200, 200, 401]


def test_revoke_after_none_ends_every_token_at_once(room: Sandbox) -> None:
    room.turn("revoke_after", 0)
    assert overview(room).status == 401
    assert overview(room, token_of(log_in(room))).status == 401
    room.turn("revoke_after", -1)
    assert overview(room).status == 200


@pytest.mark.parametrize("status", [401, 403, 200])
def test_expired_answer(room: Sandbox, status: int) -> None:
    room.turn("expired_answer", status)
    for token in ("", room.issue(0)):
        assert is_message(overview(room, token), status, "Unauthorized")


def test_login(room: Sandbox) -> None:
    room.turn("login", "wrong")
    assert is_message(log_in(room), 401)
    room.turn("login", "no_token")
    answer = json.loads(log_in(room).body)
    assert (answer["type"], "accessToken" in answer) == ("SUCCESS", False)
    room.turn("login", "empty_token")
    assert token_of(log_in(room)) == ""
    assert room.tokens == []


def test_login_of_another_type_has_a_token_and_is_no_success(room: Sandbox) -> None:
    room.turn("login", "type_other")
    reply = log_in(room)
    answer = json.loads(reply.body)
    assert (reply.status, answer["type"]) == (200, "INACTIVE")
    assert answer["user"]["active"] is False
    assert answer["user"]["inactiveReason"]
    assert room.tokens == [answer["accessToken"]]
    assert is_message(log_in(room, RIGHT | {"password": "wrong"}), 401)


def organizations_of(reply: Reply) -> list[str]:
    user = json.loads(reply.body)["user"]
    return [each["organization"]["id"] for each in user["organizations"]]


def test_one_organization_needs_no_header(room: Sandbox) -> None:
    assert organizations_of(log_in(room)) == ORGANIZATIONS[:1]
    for organization in (None, "", *ORGANIZATIONS):
        assert overview(room, organization=organization).status == 200


def test_two_organizations_demand_the_header(room: Sandbox) -> None:
    room.turn("org_count", 2)
    assert organizations_of(log_in(room)) == ORGANIZATIONS
    assert is_message(overview(room), 403)
    assert is_message(overview(room, organization=""), 403)
    for organization in ORGANIZATIONS:
        assert overview(room, organization=organization).status == 200


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("organization", [FOREIGN, "test organization", "*"])
def test_a_foreign_organization_is_refused(room: Sandbox, count: int, organization: str) -> None:
    room.turn("org_count", count)
    assert is_message(overview(room, organization=organization), 403)


def test_a_bad_token_is_refused_before_the_organization_is_looked_at(room: Sandbox) -> None:
    assert is_message(overview(room, "no token", FOREIGN), 401)


def test_org_answer(room: Sandbox) -> None:
    room.turn("org_answer", 400)
    assert is_message(overview(room, organization=FOREIGN), 400)
    room.turn("org_answer", "empty")
    reply = overview(room, organization=FOREIGN)
    assert reply.status == 200
    assert json.loads(reply.body) == {"warehouses": [], "products": [], "items": []}


# What is asked


def test_requests_are_counted(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        for _ in range(3):
            over_http(server, *with_token())
        over_http(server, "GET", OVERVIEW, {})
        over_http(server, "POST", LOGIN, {})
        over_http(server, "GET", "/inventory/other", {})
        assert len(server.requests("s2")) == 6
    assert (room.overviews, room.logins) == (4, 1)


def test_parameters_of_the_overview_change_nothing_and_are_remembered(room: Sandbox) -> None:
    reply = send(room, query="limit=1&offset=&updatedSince=2024-01-01")
    assert reply.body == overview(room).body
    assert room.undocumented == ["limit", "offset", "updatedSince"]


def test_further_members_of_a_log_in_are_remembered(room: Sandbox) -> None:
    token_of(log_in(room, RIGHT | {"remember": True}))
    assert room.undocumented == ["remember"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", OVERVIEW, 405),
        ("HEAD", OVERVIEW, 405),
        ("GET", LOGIN, 405),
        ("GET", "/inventory/overview/", 404),
        ("GET", "/inventory/supply", 404),
    ],
)
def test_what_is_not_documented_is_refused(
    room: Sandbox, method: str, path: str, status: int
) -> None:
    assert room.serves(path)
    headers = SIGNED | JSON
    reply = send(room, method, path, headers=headers, body=json.dumps(RIGHT).encode())
    assert is_message(reply, status)


def test_other_paths_are_somebody_elses(room: Sandbox) -> None:
    assert not any(map(room.serves, ("/", "/inventory", "/login/", "/orders", "/inventories/x")))
    with SandboxServer([room]) as server:
        assert over_http(server, "GET", "/orders", {})[0] == 404
        assert server.requests("s2") == []


# The goods


def test_the_catalogue_has_the_goods_of_all_providers(room: Sandbox) -> None:
    answer = whole(room)
    by_sku = {each["sku"]: each for each in answer["products"][5:]}
    goods = variants(30)
    assert list(by_sku) == [variant.sku for variant in goods]
    for variant in goods:
        product = by_sku[variant.sku]
        assert (product["gtin"], product["name"]) == (variant.gtin, variant.name)


def test_what_is_available_over_the_warehouses_is_the_stock(room: Sandbox) -> None:
    answer = whole(room)
    sku_of = {each["id"]: each["sku"] for each in answer["products"]}
    available: Counter[str] = Counter()
    for each in answer["items"][5:]:
        available[sku_of[each["level"]["productId"]]] += each["level"]["available"]
    assert available == {variant.sku: variant.stock for variant in variants(30)}


def test_every_product_is_in_one_new_warehouse_and_every_third_in_both(room: Sandbox) -> None:
    answer = whole(room)
    assert [each["id"] for each in answer["warehouses"][2:]] == [EAST, WEST]
    products = [each["id"] for each in answer["products"][5:]]
    keys = keys_of(answer["items"][5:])
    assert [product for warehouse, product in keys if warehouse == EAST] == products
    assert [product for warehouse, product in keys if warehouse == WEST] == products[::3]


def test_levels_have_the_signs_and_times_of_the_document(room: Sandbox) -> None:
    levels = [each["level"] for each in whole(room)["items"]]
    assert {type(level[name]) for level in levels for name in ("available", "incoming")} == {int}
    assert max(level["reserved"] for level in levels) == 0
    assert sum(level["reserved"] < 0 for level in levels) > 20
    assert all(len(level["updatedAt"]) == 27 for level in levels)
    ties = Counter(level["updatedAt"] for level in levels[5:])
    assert len(ties) < 15
    second = variants(30)[28].changed.isoformat()[:19]
    assert [time for time in ties if time.startswith(second)]


def test_ids_are_unique(room: Sandbox) -> None:
    answer = whole(room)
    for name in ("warehouses", "products"):
        assert len({each["id"] for each in answer[name]}) == len(answer[name])
    keys = keys_of(answer["items"])
    assert len(set(keys)) == len(keys) == 5 + 30 + 10


def test_a_larger_catalogue_begins_with_the_smaller_one(room: Sandbox) -> None:
    larger = whole(Sandbox(StoppedClock(), size=40))
    for name, rows in whole(room).items():
        assert larger[name][: len(rows)] == rows


@pytest.mark.parametrize("stream", ARRAYS)
def test_rows_are_what_is_sent(room: Sandbox, stream: str) -> None:
    sent = whole(room)[ARRAYS[stream]]
    keys: list[Any] = keys_of(sent) if stream == ITEMS else [(each["id"],) for each in sent]
    assert room.rows(stream) == dict(zip(keys, sent, strict=True))
    assert list(room.rows(stream)) == keys


def test_other_streams_are_not_known(room: Sandbox) -> None:
    for stream in ("s2_orders", "deconetwork_inventory", ""):
        for ask in (room.rows, room.touch, room.remove, lambda name: room.put(name, {})):
            with pytest.raises(KeyError):
                ask(stream)


def test_what_a_test_does_to_a_row_does_not_change_the_stock(room: Sandbox) -> None:
    before = whole(room)
    for stream in ARRAYS:
        for row in room.rows(stream).values():
            for part in [row, *(each for each in row.values() if isinstance(each, dict))]:
                part.clear()
    assert whole(room) == before
    assert whole(Sandbox(StoppedClock(), size=30)) == before
    row = {"warehouseId": EAST, "level": {"productId": "mine"}}
    room.put(ITEMS, row)
    row["level"] = {}
    assert (EAST, "mine") in room.rows(ITEMS)


# Changes


@pytest.mark.parametrize("stream", ARRAYS)
def test_touched_rows_show_it_and_their_time_is_now(room: Sandbox, stream: str) -> None:
    before = room.rows(stream)
    changed = room.touch(stream, 3)
    assert changed == list(before)[:3]
    after = room.rows(stream)
    assert [key for key in before if before[key] != after[key]] == changed
    shape = TRAITS.streams[stream]
    for key in changed:
        assert at(after[key], shape.date or "updatedAt") == NOW_TEXT
        for path in shape.levels.values():
            assert at(after[key], path) != at(before[key], path)
    assert list(room.rows(stream).values()) == whole(room)[ARRAYS[stream]]


@pytest.mark.parametrize("stream", [WAREHOUSES, PRODUCTS])
def test_a_row_that_is_touched_again_has_no_level_that_it_had_before(
    room: Sandbox, stream: str
) -> None:
    [path] = TRAITS.streams[stream].levels.values()
    key = next(iter(room.rows(stream)))
    seen = []
    for _ in range(20):
        seen.append(at(room.rows(stream)[key], path))
        room.touch(stream, keys=[key])
    assert len(set(seen)) == 20


def test_a_sale_takes_one_and_a_delivery_comes_where_nothing_is_left(room: Sandbox) -> None:
    def level(key: tuple[str, ...]) -> int:
        available: int = room.rows(ITEMS)[key]["level"]["available"]
        return available

    empty, full, *_ = room.rows(ITEMS)
    assert (level(empty), level(full)) == (0, 11)
    assert room.touch(ITEMS, keys=[full, empty]) == [full, empty]
    assert (level(empty), level(full)) == (24, 10)


def test_delivered_rows_are_touched_in_turn(room: Sandbox) -> None:
    first = room.touch(ITEMS, 2)
    assert room.touch(ITEMS, 2) == first
    whole(room)
    keys = list(room.rows(ITEMS))
    assert [room.touch(ITEMS, 2) for _ in range(3)] == [keys[:2], keys[2:4], keys[4:6]]


def test_a_refused_reader_has_been_sent_nothing(room: Sandbox) -> None:
    overview(room, "no token")
    overview(room, organization=FOREIGN)
    assert room.touch(ITEMS, 2) == room.touch(ITEMS, 2)


def test_rows_that_came_after_the_last_answer_are_touched_last(room: Sandbox) -> None:
    whole(room)
    room.put(ITEMS, {"warehouseId": EAST, "level": {"productId": "new"}})
    assert room.touch(ITEMS, 46)[-1] == (EAST, "new")
    assert room.rows(ITEMS)[EAST, "new"]["level"]["available"] == 24


def test_more_rows_than_there_are_cannot_be_touched(room: Sandbox) -> None:
    assert len(room.touch(WAREHOUSES, 20)) == 4


def test_removed_rows_are_gone(room: Sandbox) -> None:
    for stream, name in ARRAYS.items():
        keys = list(room.rows(stream))
        assert room.remove(stream, 2) == keys[:2]
        assert list(room.rows(stream)) == keys[2:]
        assert len(whole(room)[name]) == len(keys) - 2
    with pytest.raises(KeyError):
        room.touch(ITEMS, keys=[keys[0]])


def test_a_key_that_exists_becomes_a_second_row_and_the_last_one_counts(room: Sandbox) -> None:
    key, row = next(iter(room.rows(ITEMS).items()))
    later = row | {"level": row["level"] | {"available": 4711}}
    room.put(ITEMS, later)
    sent = whole(room)["items"]
    assert [sent[0], sent[-1]] == [row, later]
    assert room.rows(ITEMS)[key] == later
    assert room.touch(ITEMS, keys=[key]) == [key]
    assert room.rows(ITEMS)[key]["level"]["available"] == 4710


BROKEN = [None, 12345, "", [], {}, ...]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
@pytest.mark.parametrize(
    ("stream", "path"),
    [(WAREHOUSES, "id"), (PRODUCTS, "id"), (ITEMS, "warehouseId"), (ITEMS, "level.productId")],
)
def test_rows_with_a_broken_key_are_sent_and_left_out(
    room: Sandbox, stream: str, path: str, value: Any
) -> None:
    before = room.rows(stream)
    row = next(iter(room.rows(stream).values()))
    *above, name = path.split(".")
    parent = at(row, above[0]) if above else row
    parent[name] = value
    if value is ...:
        del parent[name]
    room.put(stream, row)
    assert room.rows(stream) == before
    assert whole(room)[ARRAYS[stream]][-1] == row
    assert len(room.touch(stream, 1000)) == len(before)


@pytest.mark.parametrize("level", [None, 7, "text", []])
def test_an_item_whose_level_is_none_is_sent_as_it_is(room: Sandbox, level: Any) -> None:
    room.put(ITEMS, {"warehouseId": EAST, "level": level})
    assert whole(room)["items"][-1] == {"warehouseId": EAST, "level": level}
    assert room.touch(ITEMS, 1000)


@pytest.mark.parametrize("text", ["\ud83d cut", "\U0001f455", "a\x00b", '"items":['])
def test_any_text_can_be_sent(room: Sandbox, text: str) -> None:
    room.put(PRODUCTS, next(iter(room.rows(PRODUCTS).values())) | {"id": "mine", "name": text})
    assert whole(room)["products"][-1]["name"] == text


def test_incoming_bumps(room: Sandbox) -> None:
    before = room.rows(ITEMS)
    [key] = room.order()
    after = room.rows(ITEMS)[key]["level"]
    assert after == before[key]["level"] | {"incoming": 10}
    room.turn("incoming_bumps", value=True)
    assert room.order(keys=[key]) == [key]
    assert room.rows(ITEMS)[key]["level"] == after | {"incoming": 20, "updatedAt": NOW_TEXT}


def test_a_reset_begins_again(room: Sandbox) -> None:
    before = whole(room)
    token_of(log_in(room, RIGHT | {"x": 1}))
    room.touch(ITEMS, 5)
    room.turn("revoke_after", 1)
    room.turn("items", ["unresolved"])
    room.turn("reserved_sign", "positive")
    room.turn("documented_only", value=True)
    whole(room)
    room.reset()
    assert whole(room) == before
    assert (room.tokens, room.undocumented, room.logins) == ([], [], 0)


# Switches of the answer


def test_documented_only_is_the_documents_stock_until_it_is_off(room: Sandbox) -> None:
    before = whole(room)
    room.turn("documented_only", value=True)
    assert {stream: list(room.rows(stream).values()) for stream in ARRAYS} == DOCUMENTED
    assert room.touch(ITEMS, 1)
    room.turn("documented_only", value=False)
    assert whole(room) == before


def test_other_switches_survive_a_stock_that_begins_again(room: Sandbox) -> None:
    room.turn("items", ["unresolved"])
    room.turn("reserved_sign", "positive")
    room.turn("documented_only", value=True)
    items = whole(room)["items"]
    assert len(items) == 6
    assert [each["level"]["reserved"] for each in items] == [13, 7, 7, 0, 2, 0]


def added(room: Sandbox, *kinds: str) -> list[dict[str, Any]]:
    """The items that a value of the switch adds; it adds them once and takes them away again."""
    before = whole(room)["items"]
    for _ in range(2):
        room.turn("items", list(kinds))
    items: list[dict[str, Any]] = whole(room)["items"]
    assert items[: len(before)] == before
    room.turn("items", [])
    assert whole(room)["items"] == before
    return items[len(before) :]


def test_items_of_a_product_that_is_not_listed(room: Sandbox) -> None:
    [row] = added(room, "unresolved")
    assert row["level"]["productId"] not in {each["id"] for each in whole(room)["products"]}
    assert len(row["level"]["productId"]) == 36


def test_items_with_a_short_id(room: Sandbox) -> None:
    [row] = added(room, "short_id")
    assert len(row["level"]["productId"]) == 35


def test_items_without_their_time(room: Sandbox) -> None:
    [row] = added(room, "no_updated_at")
    assert set(row["level"]) == {"productId", "available", "incoming", "reserved"}


def test_items_without_their_level_are_not_among_the_rows(room: Sandbox) -> None:
    [row] = added(room, "no_level")
    assert row == {"warehouseId": SHOWN["warehouses"][0]["id"]}
    room.turn("items", "no_level")
    assert len(room.rows(ITEMS)) == len(whole(room)["items"]) - 1


def test_items_that_share_one_time(room: Sandbox) -> None:
    rows = added(room, "equal_times")
    assert Counter(each["level"]["updatedAt"] for each in rows) == {NOW_TEXT: 40}
    assert len(set(keys_of(rows))) == 40


def test_several_kinds_of_items_at_once(room: Sandbox) -> None:
    assert len(added(room, "unresolved", "short_id", "no_updated_at", "no_level")) == 4


@pytest.mark.parametrize("turn", [("items", ["duplicate"]), ("duplicate_item", True)])
def test_one_item_twice(room: Sandbox, turn: tuple[str, Any]) -> None:
    before = whole(room)["items"]
    room.turn(*turn)
    *items, last = whole(room)["items"]
    assert items == before
    assert keys_of([last]) == keys_of(before[:1])
    assert last["level"]["available"] == before[0]["level"]["available"] + 5
    assert room.rows(ITEMS)[keys_of([last])[0]] == last
    room.turn(turn[0], room.switches[turn[0]].off)
    assert whole(room)["items"] == before


def test_both_switches_for_a_second_item_add_one(room: Sandbox) -> None:
    before = len(whole(room)["items"])
    room.turn("duplicate_item", value=True)
    room.turn("items", ["duplicate"])
    assert len(whole(room)["items"]) == before + 1


def test_an_item_goes_after_the_next_answer_and_no_other(room: Sandbox) -> None:
    room.turn("items", ["removed", "unresolved"])
    first = whole(room)["items"]
    assert whole(room)["items"] == whole(room)["items"] == first[1:]
    assert room.switch("items") == ["unresolved"]


def test_reserved_sign(room: Sandbox) -> None:
    before = whole(room)["items"]
    room.turn("reserved_sign", "positive")
    raised = whole(room)["items"]
    assert [each["level"]["reserved"] for each in raised] == [
        -each["level"]["reserved"] for each in before
    ]
    assert list(room.rows(ITEMS).values()) == raised
    room.turn("reserved_sign", "positive")
    assert whole(room)["items"] == raised
    room.turn("reserved_sign", "negative")
    assert whole(room)["items"] == before


def test_reserved_quantities_that_a_test_put_stay_when_nothing_is_switched(room: Sandbox) -> None:
    room.put(ITEMS, {"warehouseId": EAST, "level": {"productId": "mine", "reserved": 3}})
    room.turn("reserved_sign", "negative")
    assert room.rows(ITEMS)[EAST, "mine"]["level"]["reserved"] == 3


@pytest.mark.parametrize("name", ARRAYS.values())
@pytest.mark.parametrize("order", ["documented", "items_first"])
def test_missing_key(room: Sandbox, name: str, order: str) -> None:
    before = whole(room)
    room.turn("key_order", order)
    room.turn("missing_key", name)
    answer = json.loads(overview(room).body)
    assert answer == {key: value for key, value in before.items() if key != name}


def test_key_order(room: Sandbox) -> None:
    before = whole(room)
    room.turn("key_order", "items_first")
    answer = whole(room)
    assert list(answer) == ["items", "products", "warehouses"]
    assert answer == before


def test_extra_keys_stand_before_and_between_the_arrays(room: Sandbox) -> None:
    before = whole(room)
    room.turn("extra_keys", value=True)
    answer = whole(room)
    assert list(answer) == ["request", "warehouses", "notice", "products", "totals", "items"]
    assert {name: answer[name] for name in before} == before
    assert isinstance(answer["request"], dict)
    assert len(answer["notice"]) > 1 << 16
    assert '"items":[' in answer["notice"]


def test_size_fills_the_items_up(room: Sandbox) -> None:
    before = whole(room)
    room.turn("size", 100)
    answer = whole(room)
    assert answer["items"][:45] == before["items"]
    assert len(set(keys_of(answer["items"]))) == len(answer["items"]) == 100
    assert list(room.rows(ITEMS).values()) == answer["items"]
    assert all(each.keys() == before["items"][0].keys() for each in answer["items"])
    assert {key: answer[key] for key in ("warehouses", "products")} == {
        key: before[key] for key in ("warehouses", "products")
    }
    room.turn("size", 10)
    assert whole(room) == before


def test_size_fills_up_what_is_left_of_the_documents_stock_too(room: Sandbox) -> None:
    room.turn("documented_only", value=True)
    room.turn("size", 10)
    room.remove(ITEMS, 5)
    assert len(whole(room)["items"]) == 10


def test_status_comes_once_each_and_then_all_is_well(room: Sandbox) -> None:
    good = overview(room).body
    room.turn("status", [500, 429, 503, "truncated", "message", 404])
    replies = [overview(room) for _ in range(7)]
    assert [reply.status for reply in replies] == [500, 429, 503, 200, 200, 404, 200]
    assert is_message(replies[0], 500, MESSAGE)
    assert is_message(replies[1], 429)
    assert replies[2].body.startswith(b"<")
    assert replies[2].headers["Content-Type"].startswith("text/html")
    assert replies[3].body == good[: len(good) // 2]
    assert is_message(replies[4], 200, MESSAGE)
    assert replies[6].body == good


def test_status_holds_for_the_log_in_too(room: Sandbox) -> None:
    room.turn("status", [500])
    assert is_message(log_in(room), 500, MESSAGE)
    token_of(log_in(room))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("login", "maybe"),
        ("org_count", 3),
        ("items", ["stolen"]),
        ("status", [302]),
        ("size", "many"),
        ("missing_key", "levels"),
    ],
)
def test_a_value_that_a_switch_does_not_know_is_refused(
    room: Sandbox, name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match="must be"):
        room.turn(name, value)
    assert room.switch(name) == room.switches[name].off


# What the conformance suite is told


def test_the_room_is_found_by_its_name() -> None:
    [room] = rooms(Clock(), size=3, names=["s2"])
    assert (room.name, len(room.rows(PRODUCTS))) == ("s2", 8)


def test_the_read_stands_in_the_overviews_and_in_no_log_in(room: Sandbox) -> None:
    with SandboxServer([room]) as server:
        armed = server.inject("s2", Fault("status", path=TRAITS.read, times=None))
        assert over_http(server, *with_token())[0] == 503
        over_http(server, "POST", LOGIN, JSON, json.dumps(RIGHT))
    assert (armed.seen, armed.fired) == (1, 1)


def test_each_refusal_is_one(room: Sandbox) -> None:
    for turn in TRAITS.refusals.values():
        room.reset()
        room.turn(*turn)
        assert is_message(overview(room), 401)


def test_the_failure_is_the_published_one() -> None:
    assert json.loads(TRAITS.failure) == json.loads(examples.ERROR_ANSWER)


def test_each_undocumented_answer_is_json_without_what_has_to_be_named(room: Sandbox) -> None:
    body = overview(room).body
    for edit, named in TRAITS.undocumented.values():
        answer = json.loads(edit(body))
        assert not isinstance(answer, dict) or not isinstance(answer.get(named), list)


@pytest.mark.parametrize("stream", ARRAYS)
def test_the_shapes_lead_to_what_they_say(room: Sandbox, stream: str) -> None:
    shape = TRAITS.streams[stream]
    row = next(iter(room.rows(stream).values()))
    if shape.number:
        assert type(at(row, shape.number[1])) is int
    for path in filter(None, (shape.text and shape.text[1], shape.date, shape.named_by, shape.key)):
        assert isinstance(at(row, path), str)
    before = room.rows(stream)
    for n in (1, 2):
        other = shape.other(row, n)
        assert at(other, shape.key) != at(row, shape.key)
        room.put(stream, other)
    assert len(room.rows(stream)) == len(before) + 2
    assert row == next(iter(before.values()))


def test_every_stream_has_a_shape() -> None:
    assert TRAITS.streams.keys() == ARRAYS.keys()


def test_the_large_answer_has_half_a_million_items_in_100_mb(room: Sandbox) -> None:
    assert TRAITS.large is not None
    room.turn(*TRAITS.large)
    body = overview(room).body
    assert body.count(b'"productId"') == 500_000
    assert 90_000_000 < len(body) < 110_000_000
    assert body.endswith(b"}}]}")
