"""The stand-in of ShipStream: what the documents promise, and every way to break it."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.sandbox.room import Clock, Key, Reply, Request
from inventory_providers.sandbox.server import SandboxServer, rooms
from inventory_providers.sandbox.world import variants
from inventory_providers.shipstream.sandbox import (
    FIRST_SESSION,
    INVENTORY,
    INVENTORY_DETAILED,
    INVENTORY_LOTS,
    PASSWORD,
    PATH,
    USERNAME,
    WAREHOUSE_MARK,
    Sandbox,
)
from inventory_providers.shipstream.traits import SESSION_SETTINGS, TRAITS
from tests.inventory_providers.sandbox.test_server import until
from tests.inventory_providers.shipstream import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_790_000_000.75
NOW_TEXT = "2026-09-21T14:13:20+00:00"
SIGNED = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
ONE = "BlueWidget-1"
KEY = [{"lot_id": {"gt": 0}}, {"page": 1, "limit": 100, "sort_field": "lot_id"}]
AFTER_ONE = "2018-07-09 14:59:02"  # the merchant's clock, five hours behind
LIST_PARTS = ("expected", "processed", "putaway", "available", "allocated", "reserved", "picked")


@pytest.fixture
def room() -> Sandbox:
    return Sandbox(Clock(NOW), size=300)


@pytest.fixture
def server(room: Sandbox) -> Iterator[SandboxServer]:
    with SandboxServer([room], clock=room.clock) as running:
        yield running


def send(room: Sandbox, document: Any, *, authorization: str | None = SIGNED) -> Reply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"authorization": authorization} if authorization else {}
    with room.lock:
        return room.handle(Request("POST", PATH, PATH, "", headers, body, NOW))


def rpc(params: Any, *, method: str = "call", number: Any = "7", version: Any = "2.0") -> Any:
    return {"jsonrpc": version, "id": number, "method": method, "params": params}


def answer(room: Sandbox, method: str, *arguments: Any, session: str | None = None) -> Any:
    reply = send(room, rpc([session, method, list(arguments)]))
    assert reply.status == 200
    return json.loads(reply.body)


def result(room: Sandbox, method: str, *arguments: Any, session: str | None = None) -> Any:
    told = answer(room, method, *arguments, session=session)
    assert "error" not in told, told
    return told["result"]


def code(reply: Reply | dict[str, Any]) -> Any:
    told = json.loads(reply.body) if isinstance(reply, Reply) else reply
    return told["error"]["code"]


def listed(room: Sandbox, *arguments: Any) -> dict[str, dict[str, Any]]:
    return {row["sku"]: row for row in result(room, "inventory.list", *arguments)}


def detailed(room: Sandbox, *arguments: Any) -> dict[str, dict[str, Any]]:
    return {row["sku"]: row for row in result(room, "inventory.detailed", *arguments)}


def lot_ids(found: Any) -> list[str]:
    return [row["lot_id"] for row in found["results"]]


def login(room: Sandbox) -> str:
    told = json.loads(send(room, rpc([USERNAME, PASSWORD], method="login")).body)
    session: str = told["result"]
    return session


def over_http(
    server: SandboxServer, body: str | bytes, *, authorization: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    try:
        client.request("POST", PATH, body, headers)
        told = client.getresponse()
        return told.status, dict(told.getheaders()), told.read()
    finally:
        client.close()


def document(server: SandboxServer, body: str, *, authorization: str | None = None) -> Any:
    status, headers, came = over_http(server, body, authorization=authorization)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    return json.loads(came)


def open_session(server: SandboxServer) -> None:
    credentials = json.dumps([USERNAME, PASSWORD])
    body = examples.LOGIN_REQUEST.replace('["username","password"]', credentials)
    assert document(server, body) == json.loads(examples.LOGIN_ANSWER)


def same(found: Any, example: Any) -> bool:
    """Equal in value, type and the order of names."""
    return json.dumps(found) == json.dumps(example)


# The documents' own examples


def test_the_documents_login_gives_the_documents_session(server: SandboxServer) -> None:
    open_session(server)


@pytest.mark.parametrize("stock", ["none", "list"])
def test_the_documents_list_of_two_products(server: SandboxServer, stock: str) -> None:
    server.room("shipstream").turn("documented", stock)
    open_session(server)
    found = document(server, examples.LIST_TWO_REQUEST)
    assert same(found, json.loads(examples.LIST_ANSWER))


def test_the_documents_list_of_everything_is_answered(server: SandboxServer) -> None:
    open_session(server)
    assert len(document(server, examples.LIST_ALL_REQUEST)["result"]) == 302
    server.room("shipstream").turn("documented", "list")
    found = document(server, examples.LIST_ALL_REQUEST)
    assert same(found, json.loads(examples.LIST_ANSWER))


def test_the_documents_list_of_one_warehouse_has_no_back_orders(server: SandboxServer) -> None:
    open_session(server)
    found = document(server, examples.LIST_WAREHOUSE_REQUEST)["result"]
    example = json.loads(examples.LIST_ANSWER)["result"][0]
    assert len(found) == 302
    assert all([*row] == [name for name in example if name != "qty_backordered"] for row in found)


def test_the_documents_detailed_example(server: SandboxServer) -> None:
    server.room("shipstream").turn("documented", "detailed")
    open_session(server)
    found = document(server, examples.DETAILED_REQUEST)
    assert same(found, json.loads(examples.DETAILED_ANSWER))


def test_the_detailed_request_is_answered_in_every_catalogue(server: SandboxServer) -> None:
    open_session(server)
    found = document(server, examples.DETAILED_REQUEST)["result"]
    example = json.loads(examples.DETAILED_ANSWER)["result"]
    assert [[*row] for row in found] == [[*row] for row in example]
    assert [[*row] for row in found[0]["detailed"]] == [[*row] for row in example[0]["detailed"]]
    assert [row["qty_available"] for row in found] == ["22.0000", "0.0000"]


@pytest.mark.parametrize("stock", ["none", "lots"])
def test_the_documents_lots(server: SandboxServer, stock: str) -> None:
    server.room("shipstream").turn("documented", stock)
    open_session(server)
    found = document(server, examples.LOTS_REQUEST)
    assert same(found, json.loads(examples.LOTS_ANSWER))


def test_a_dead_session_gets_the_documents_error(server: SandboxServer) -> None:
    open_session(server)
    server.clock.step(86_400)
    found = document(server, examples.LIST_ALL_REQUEST)
    assert same(found, json.loads(examples.EXPIRED_ANSWER))


def test_the_present_form_of_the_list(server: SandboxServer) -> None:
    room = server.room("shipstream")
    for name, value in {"documented": "list", "numbers": "string4", "on_hand": "present"}.items():
        room.turn(name, value)
    open_session(server)
    found = document(server, examples.LIST_TWO_REQUEST)["result"]
    assert same(found, json.loads(examples.LIST_RESULT_SINCE_2025))


def test_the_documented_warehouse_is_the_first_of_three(server: SandboxServer) -> None:
    body = '{"jsonrpc":"2.0","id":"1","method":"call","params":[null,"warehouse.list",[]]}'
    found = document(server, body, authorization=SIGNED)
    assert same(found["result"][0], json.loads(examples.WAREHOUSE))
    assert [each["warehouse_id"] for each in found["result"]] == [1, 2, 3]
    assert found["id"] == "1"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [('[["BlueWidget-1","BlueWidget-5"]]', 2), ("[null,2]", 302)],
)
def test_requests_under_basic_authentication(
    server: SandboxServer, arguments: str, count: int
) -> None:
    params = f'[null,"inventory.list",{arguments}]'
    body = f'{{"jsonrpc":"2.0","id":"3","method":"call","params":{params}}}'
    assert len(document(server, body, authorization=SIGNED)["result"]) == count


def test_the_documented_time_stands_behind_the_warehouse(server: SandboxServer) -> None:
    params = '[null,"inventory.list",[null,null,"2014-07-24T18:51:18+00:00"]]'
    body = f'{{"jsonrpc":"2.0","id":"2","method":"call","params":{params}}}'
    assert len(document(server, body, authorization=SIGNED)["result"]) == 302


@pytest.mark.parametrize(
    ("body", "turn", "expected"),
    [
        ([None, "inventory.list"], ("bad_auth", "code2"), examples.DENIED_ANSWER),
        ([None, "inventory.lots", [{"x": 1}]], ("on_hand", "absent"), examples.FILTERS_ANSWER),
    ],
)
def test_the_shape_of_errors(
    server: SandboxServer, body: Any, turn: tuple[str, Any], expected: str
) -> None:
    room = server.room("shipstream")
    room.turn(*turn)
    room.turn("envelope", "reordered")
    assert same(document(server, json.dumps(rpc(body)), authorization=SIGNED), json.loads(expected))


def test_the_shape_of_a_parse_error(server: SandboxServer) -> None:
    assert same(document(server, "{"), json.loads(examples.UNPARSED_ANSWER))


# The room, as the project knows it


def test_the_registrys_way_of_making_rooms_finds_it() -> None:
    clock = Clock(NOW)
    made = rooms(clock, size=5, names=["shipstream"])
    with SandboxServer(made, clock=clock) as server:
        assert server.settings("shipstream")["api_url"] == f"{server.url}/api/jsonrpc"
        assert over_http(server, "{}")[0] == 200


def test_settings_sign_in_and_secrets_are_told(room: Sandbox) -> None:
    settings = room.settings("http://127.0.0.1:1")
    assert settings == {
        "api_url": "http://127.0.0.1:1/api/jsonrpc",
        "username": USERNAME,
        "password": PASSWORD,
        "warehouse_ids": [2],
    }
    assert room.settings_with_session("http://127.0.0.1:1") == settings | SESSION_SETTINGS
    assert room.secrets() == [PASSWORD]
    sessions = [login(room), login(room)]
    assert room.secrets() == [PASSWORD, *sessions]
    assert sessions[0] == FIRST_SESSION
    assert all(len(each) == 32 and int(each, 16) for each in sessions)
    assert len(PASSWORD) >= 8
    assert all(mark in PASSWORD for mark in "&+/ :")


def test_the_goods_are_those_of_every_provider(room: Sandbox) -> None:
    found = listed(room)
    assert [*found][2:] == [each.sku for each in variants(300)]
    wrong = [each.sku for each in variants(300) if found[each.sku]["qty_available"] != each.stock]
    assert not wrong


def test_sums_are_the_sums_of_the_warehouses(room: Sandbox) -> None:
    sums, split = listed(room), detailed(room)
    places = [listed(room, None, number) for number in (1, 2, 3)]
    for sku, row in sums.items():
        for part in (*LIST_PARTS, "advertised"):
            name = f"qty_{part}"
            inner = [float(each[name]) for each in split[sku]["detailed"]]
            assert [place[sku][name] for place in places] == inner
            assert row[name] == sum(inner) == float(split[sku][name])


def test_some_goods_are_short_and_some_are_offered_beyond_the_stock(room: Sandbox) -> None:
    rows = listed(room).values()
    assert any(row["qty_backordered"] for row in rows)
    assert all(row["qty_available"] == 0 for row in rows if row["qty_backordered"])
    assert any(row["qty_advertised"] > row["qty_available"] for row in rows)


def test_rows_are_what_a_full_read_delivers(room: Sandbox) -> None:
    expected: dict[Key, Any] = {(sku, "0"): row for sku, row in listed(room).items()}
    expected |= {(sku, "2"): row for sku, row in listed(room, None, 2).items()}
    assert room.rows(INVENTORY) == expected
    assert room.rows(INVENTORY_DETAILED) == {(sku,): row for sku, row in detailed(room).items()}
    assert room.rows(INVENTORY_LOTS) == {(row["lot_id"],): row for row in all_lots(room)}
    with pytest.raises(KeyError):
        room.rows("shipstream_nothing")


@pytest.mark.parametrize("size", [1, 2000])
def test_any_size_of_catalogue_serves(size: int) -> None:
    room = Sandbox(Clock(NOW), size=size)
    assert len(listed(room)) == len(room.rows(INVENTORY_DETAILED)) == size + 2


# HTTP and JSON-RPC


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_answered(server: SandboxServer, method: str) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request(method, PATH, headers={"Authorization": SIGNED})
    told = client.getresponse()
    assert told.status == 405
    assert told.read().startswith(b"<!DOCTYPE html>")
    client.close()


@pytest.mark.parametrize("path", ["/", "/api", "/api/jsonrpc/", "/backend/api/jsonrpc"])
def test_no_other_path_is_served(room: Sandbox, path: str) -> None:
    assert not room.serves(path)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"{'a':1}", b'{"id":NaN}', b"[" * 100_000], ids=range(6)
)
def test_a_body_that_is_not_json_is_refused(room: Sandbox, body: bytes) -> None:
    assert code(send(room, body)) == -32700


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [rpc([None, "inventory.list"])],
        rpc([None, "inventory.list"], version="1.0"),
        rpc([None, "inventory.list"], version=2),
        rpc([None, "inventory.list"], version=None),
        rpc([None, "inventory.list"], number=None),
        rpc([None, "inventory.list"], number=True),
        rpc([None, "inventory.list"], number=[1]),
    ],
)
def test_a_wrong_envelope_is_refused(room: Sandbox, wrong: Any) -> None:
    assert code(send(room, wrong)) == -32600
    assert room.calls == []


@pytest.mark.parametrize("missing", ["jsonrpc", "id"])
def test_an_envelope_needs_all_its_members(room: Sandbox, missing: str) -> None:
    whole = rpc([None, "inventory.list"])
    del whole[missing]
    assert code(send(room, whole)) == -32600


@pytest.mark.parametrize("method", ["inventory.list", "Call", None, ["call"]])
def test_there_are_two_json_rpc_methods(room: Sandbox, method: Any) -> None:
    assert code(send(room, rpc([None, "inventory.list"], method=method))) == -32601


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        [],
        [None],
        [None, 5],
        [7, "inventory.list"],
        [None, "inventory.list", {"skus": None}],
        [None, "inventory.list", [], []],
    ],
)
def test_wrong_params_are_refused(room: Sandbox, params: Any) -> None:
    assert code(send(room, rpc(params))) == -32602


@pytest.mark.parametrize("params", [[], ["sandbox-user"], [1, 2, 3]])
def test_login_takes_two_params(room: Sandbox, params: Any) -> None:
    assert code(send(room, rpc(params, method="login"))) == -32602


@pytest.mark.parametrize("method", ["inventory.nothing", "product.search", "inventory", "login"])
def test_other_methods_do_not_exist(room: Sandbox, method: str) -> None:
    assert answer(room, method)["error"] == {"code": -32003, "message": "Invalid api path."}


def test_what_the_document_does_not_know_is_ignored_and_noted(room: Sandbox) -> None:
    whole = rpc([None, "inventory.list", [ONE, None, None, 100]]) | {"extra": 1}
    assert len(json.loads(send(room, whole).body)["result"]) == 1
    assert len(lot_ids(result(room, "inventory.lots", None, {"page_size": 10}))) == 50
    result(room, "warehouse.list", 1)
    assert room.undocumented == ["extra", "argument 3", "page_size", "argument 0"]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["lot_id", "sku", "created_at", "gt", "eq", "in", "from", "null", "limit", "page", "sort_field"]
)
NEAR = st.recursive(
    JSON | WORDS | st.just("9" * 5000),
    lambda inner: st.dictionaries(WORDS, inner, max_size=2) | st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    method=st.sampled_from(["inventory.list", "inventory.detailed", "inventory.lots"]),
    arguments=st.lists(NEAR, max_size=3),
    number=st.text() | st.integers(),
)
def test_any_arguments_get_rows_or_an_error(
    method: str, arguments: list[Any], number: str | int
) -> None:
    for form in ("as_sent", "numbers", "strings"):
        SMALL.reset()
        SMALL.turn("envelope", form)
        told = json.loads(send(SMALL, rpc([None, method, arguments], number=number)).body)
        assert str(told["id"]) == str(number) or told["id"] == int(number)
        assert ("result" in told) != (told.get("error", {}).get("code") == -32102)


@given(whole=JSON | st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params"]), NEAR))
def test_any_document_that_is_no_request_gets_an_error(whole: Any) -> None:
    SMALL.reset()
    assert code(send(SMALL, whole)) in {-32600, -32601, -32602}


SMALL = Sandbox(Clock(NOW), size=5)


def test_calls_are_kept(room: Sandbox) -> None:
    result(room, "warehouse.list")
    result(room, "inventory.list", None, 2)
    send(room, rpc([None, "inventory.list"]), authorization=None)
    assert [tuple(call) for call in room.calls] == [
        ("warehouse.list", ()),
        ("inventory.list", (None, 2)),
    ]


@pytest.mark.parametrize(
    ("form", "number", "expected"),
    [
        ("as_sent", "7", [("jsonrpc", "2.0"), ("id", "7")]),
        ("as_sent", 1234, [("jsonrpc", "2.0"), ("id", 1234)]),
        ("numbers", "7", [("jsonrpc", 2.0), ("id", 7)]),
        ("numbers", "a-7", [("jsonrpc", 2.0), ("id", "a-7")]),
        ("strings", 1234, [("jsonrpc", "2.0"), ("id", "1234")]),
        ("missing", "7", [("jsonrpc", "2.0")]),
    ],
)
def test_the_envelope_of_answers(room: Sandbox, form: str, number: Any, expected: Any) -> None:
    room.turn("envelope", form)
    for arguments, payload in (([], "result"), ([5], "error")):
        found = json.loads(send(room, rpc([None, "inventory.list", arguments], number=number)).body)
        assert [*found] == [*dict(expected), payload]
        assert same({name: found[name] for name in dict(expected)}, dict(expected))


def test_the_envelope_may_stand_behind_the_result(room: Sandbox) -> None:
    room.turn("envelope", "reordered")
    room.turn("error_null", value=True)
    found = answer(room, "inventory.list", ONE)
    assert [*found] == ["result", "error", "id", "jsonrpc"]
    assert found["error"] is None


def test_good_answers_may_have_an_error_that_is_null(room: Sandbox) -> None:
    room.turn("error_null", value=True)
    found = answer(room, "inventory.list", ONE)
    assert found["error"] is None
    assert found["result"]
    assert answer(room, "inventory.list", 5)["error"]["code"] == -32102


@pytest.mark.parametrize("status", [200, 400, 500])
def test_errors_have_the_status_wanted_and_good_answers_200(room: Sandbox, status: int) -> None:
    room.turn("error_status", status)
    assert send(room, rpc([None, "inventory.nothing"])).status == status
    assert send(room, b"{").status == status
    assert send(room, rpc([None, "inventory.list", [ONE]])).status == 200


# Signing in


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!",
        "Bearer " + SIGNED.partition(" ")[2],
        "Basic " + base64.b64encode(b"sandbox-user:wrong").decode(),
        "Basic " + base64.b64encode(f"other:{PASSWORD}".encode()).decode(),
    ],
)
def test_wrong_basic_credentials_get_401(room: Sandbox, authorization: str | None) -> None:
    reply = send(room, rpc([None, "inventory.list"]), authorization=authorization)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    assert room.calls == []


def test_the_scheme_of_basic_is_read_in_any_case(room: Sandbox) -> None:
    signed = SIGNED.replace("Basic", "basic")
    assert send(room, rpc([None, "warehouse.list"]), authorization=signed).status == 200


@pytest.mark.parametrize(
    ("how", "status", "number"),
    [("401", 401, None), ("code2", 200, -32002), ("code5", 200, -32005)],
)
@pytest.mark.parametrize("signed", [SIGNED, None], ids=["right", "none"])
def test_bad_auth_refuses_everybody_in_its_way(
    room: Sandbox, how: str, status: int, number: int | None, signed: str | None
) -> None:
    room.turn("bad_auth", how)
    for request in (
        rpc([None, "inventory.list"]),
        rpc([USERNAME, PASSWORD], method="login"),
    ):
        reply = send(room, request, authorization=signed)
        assert reply.status == status
        assert number is None or code(reply) == number
    assert (room.logins, room.calls) == (0, [])


@pytest.mark.parametrize("params", [[USERNAME, "wrong"], ["wrong", PASSWORD], [PASSWORD, USERNAME]])
def test_a_wrong_login_is_denied(room: Sandbox, params: list[str]) -> None:
    assert code(send(room, rpc(params, method="login"))) == -32002
    assert room.logins == 0


def test_logins_are_counted_and_give_different_sessions(room: Sandbox) -> None:
    first, second = login(room), login(room)
    assert room.logins == 2
    assert first != second
    for session in (first, second):
        assert result(room, "inventory.list", ONE, session=session)


def test_a_session_needs_no_basic_credentials(room: Sandbox) -> None:
    session = login(room)
    reply = send(room, rpc([session, "warehouse.list"]), authorization=None)
    assert json.loads(reply.body)["result"]


@pytest.mark.parametrize("session", ["", "be1c13ed4e03f0ed7f1e4053dfff9658", "x"])
def test_a_session_that_was_not_given_out_is_no_session(room: Sandbox, session: str) -> None:
    assert answer(room, "warehouse.list", session=session)["error"]["code"] == -32005


@pytest.mark.parametrize(("turned", "life"), [(False, 86_400), (True, 10)])
def test_a_session_ends_after_its_life(room: Sandbox, turned: bool, life: int) -> None:
    if turned:
        room.turn("session_life", life)
    session = login(room)
    room.clock.step(life - 1)
    assert result(room, "warehouse.list", session=session)
    room.clock.step(2)
    assert answer(room, "warehouse.list", session=session)["error"]["code"] == -32005
    assert result(room, "warehouse.list", session=login(room))


def test_a_session_may_end_after_some_calls(room: Sandbox) -> None:
    room.turn("expire_after", 2)
    for session in (login(room), login(room)):
        for _ in range(2):
            assert result(room, "warehouse.list", session=session)
        reply = send(room, rpc([session, "warehouse.list"]))
        assert (reply.status, code(reply)) == (200, -32005)
    assert result(room, "warehouse.list")


# inventory.list and inventory.detailed


@pytest.mark.parametrize("method", ["inventory.list", "inventory.detailed"])
@pytest.mark.parametrize(
    ("skus", "expected"),
    [
        (ONE, [ONE]),
        ([ONE], [ONE]),
        (["312034", ONE, ONE], [ONE, "312034"]),
        ([ONE, "unknown"], [ONE]),
        ("unknown", []),
        ([], []),
    ],
)
def test_skus_choose(room: Sandbox, method: str, skus: Any, expected: list[str]) -> None:
    assert [row["sku"] for row in result(room, method, skus)] == expected


@pytest.mark.parametrize("params", [[], [None], [[]], [[None]], [[None, None, None]]])
def test_arguments_may_be_left_out(room: Sandbox, params: list[Any]) -> None:
    found = json.loads(send(room, rpc([None, "inventory.list", *params])).body)
    assert len(found["result"]) == 302


def test_a_single_argument_may_come_bare(room: Sandbox) -> None:
    found = json.loads(send(room, rpc([None, "inventory.list", ONE])).body)
    assert [row["sku"] for row in found["result"]] == [ONE]


WRONG = {
    "inventory.list": [
        [5],
        [True],
        [{}],
        [[ONE, 5]],
        [None, NOW_TEXT],
        [None, "2"],
        [None, 2.0],
        [None, True],
        [None, 0],
        [None, -1],
        [None, [2]],
        [None, None, 5],
        [None, None, ""],
        [None, None, "2014-07-24"],
        [None, None, "2014-07-24T18:51:18"],
        [None, None, "2014-07-24T18:51:18Z"],
        [None, None, "2014-07-24T18:51:18.5+00:00"],
        [None, None, "2014-07-24 18:51:18+00:00"],
        [None, None, "2014-13-24T18:51:18+00:00"],
    ],
    "inventory.detailed": [[5], [None, 2], [None, "2014-07-24"], [None, [NOW_TEXT]]],
}


@pytest.mark.parametrize(
    ("method", "arguments"), [(method, each) for method in WRONG for each in WRONG[method]]
)
def test_wrong_arguments_get_code_102(room: Sandbox, method: str, arguments: list[Any]) -> None:
    error = {"code": -32102, "message": "Unexpected error applying filters."}
    assert answer(room, method, *arguments)["error"] == error


def test_code_102_may_come_under_another_number(room: Sandbox) -> None:
    room.turn("code_102", -32000)
    assert answer(room, "inventory.list", None, NOW_TEXT)["error"]["code"] == -32000


def test_a_warehouse_that_is_not_has_no_rows(room: Sandbox) -> None:
    assert result(room, "inventory.list", None, 4) == []


@pytest.mark.parametrize(("since", "count"), [("inclusive", 2), ("exclusive", 0)])
@pytest.mark.parametrize(
    "text", ["2026-09-21T14:13:20+00:00", "2026-09-21T16:13:20+02:00"], ids=["UTC", "east"]
)
def test_updated_since_compares_seconds(room: Sandbox, since: str, count: int, text: str) -> None:
    room.turn("since", since)
    room.touch(INVENTORY, 2)
    for found in (
        result(room, "inventory.list", None, None, text),
        result(room, "inventory.list", None, 2, text),
        result(room, "inventory.detailed", None, text),
    ):
        assert len(found) == count
    earlier = "2026-09-21T14:13:19+00:00"
    assert len(result(room, "inventory.list", None, None, earlier)) == 2


def test_products_begin_with_the_time_of_their_variant(room: Sandbox) -> None:
    for variant in variants(30):
        text = variant.changed.isoformat()
        assert variant.sku in listed(room, None, None, text)
        room.turn("since", "exclusive")
        assert variant.sku not in listed(room, None, None, text)
        room.turn("since", "inclusive")


@pytest.mark.parametrize("flags", [{"enabled": False}, {"visible": False}])
def test_disabled_and_invisible_products_vanish_without_a_trace(
    room: Sandbox, flags: dict[str, bool]
) -> None:
    room.flag([ONE], **flags)
    for found in (listed(room), listed(room, ONE), listed(room, None, 2), detailed(room)):
        assert ONE not in found
    assert (ONE, "0") not in room.rows(INVENTORY)
    assert (ONE,) not in room.rows(INVENTORY_DETAILED)
    assert result(room, "inventory.list", None, None, NOW_TEXT) == []
    room.flag([ONE])
    assert ONE in listed(room)
    assert result(room, "inventory.list", None, None, NOW_TEXT) == []


def test_an_answer_may_be_empty(room: Sandbox) -> None:
    room.turn("empty", value=True)
    for method in ("inventory.list", "inventory.detailed", "inventory.lots"):
        assert answer(room, method) == {"jsonrpc": "2.0", "id": "7", "result": []}
    for stream in (INVENTORY, INVENTORY_DETAILED, INVENTORY_LOTS):
        assert room.rows(stream) == {}
    assert result(room, "warehouse.list")


FORMS: dict[str, tuple[Any, Any, Any]] = {
    # qty_available of a list, of a detailed and its qty_advertised
    "documented": (22, "22.0000", "22"),
    "int": (22, 22, 22),
    "string4": ("22.0000", "22.0000", "22.0000"),
    "fractions": ("11.0000", "11.0000", "11.0000"),
}


@pytest.mark.parametrize("numbers", FORMS)
def test_quantities_come_in_the_form_wanted(room: Sandbox, numbers: str) -> None:
    listed(room)  # so that another form is not taken from what was kept
    room.turn("numbers", numbers)
    row, split = listed(room, ONE)[ONE], detailed(room, ONE)[ONE]
    found = (row["qty_available"], split["qty_available"], split["qty_advertised"])
    assert same(found, FORMS[numbers])
    assert same(room.rows(INVENTORY)[ONE, "0"], row)
    assert same(room.rows(INVENTORY_DETAILED)[ONE,], split)


def test_fractions_are_broken_numbers_whose_sums_hold(room: Sandbox) -> None:
    room.turn("numbers", "fractions")
    rows = detailed(room).values()
    assert any(row["qty_available"].endswith(".5000") for row in rows)
    for row in rows:
        inner = [float(each["qty_available"]) for each in row["detailed"]]
        assert float(row["qty_available"]) == sum(inner)


def test_mixed_quantities_have_three_forms_in_a_row_and_one_value(room: Sandbox) -> None:
    plain = listed(room)
    room.turn("numbers", "mixed")
    for sku, row in listed(room).items():
        quantities = {name: value for name, value in row.items() if name != "sku"}
        assert {type(value) for value in quantities.values()} == {int, str}
        assert any(str(value).endswith(".0000") for value in quantities.values())
        assert {name: float(value) for name, value in quantities.items()} == {
            name: plain[sku][name] for name in quantities
        }


def test_on_hand_is_the_sum_of_what_is_there(room: Sandbox) -> None:
    assert "qty_on_hand" not in listed(room, ONE)[ONE]
    room.turn("on_hand", "present")
    for row in (*listed(room).values(), *listed(room, None, 2).values()):
        assert row["qty_on_hand"] == sum(row[f"qty_{part}"] for part in LIST_PARTS[1:])
    assert "qty_on_hand" in detailed(room, ONE)[ONE]["detailed"][0]


def test_expected_may_have_its_other_name(room: Sandbox) -> None:
    room.turn("unreceived", value=True)
    row = listed(room)["BlueWidget-5"]
    assert row["qty_unreceived"] == 40
    assert "qty_expected" not in row
    assert [*detailed(room, ONE)[ONE]["detailed"][0]][1] == "qty_unreceived"


def test_the_sums_can_be_large(room: Sandbox) -> None:
    room.turn("size", 5000)
    assert len(result(room, "inventory.list")) == 5302
    assert len(result(room, "inventory.list", None, 2)) == 302
    assert len(listed(room, None, None, "2016-01-04T08:00:00+00:00")) >= 5000
    assert len(listed(room, None, None, "2016-01-04T08:00:01+00:00")) <= 302
    assert len(listed(room, [ONE])) == 1
    rows = room.rows(INVENTORY)
    assert len(rows) == 5604
    found = listed(room)
    assert all(found[sku] == row for (sku, place), row in rows.items() if place == "0")


# inventory.lots


def all_lots(room: Sandbox) -> list[dict[str, Any]]:
    """The keyset walk."""
    rows: list[dict[str, Any]] = []
    while True:
        last = int(rows[-1]["lot_id"]) if rows else 0
        page = result(room, "inventory.lots", {"lot_id": {"gt": last}}, KEY[1])["results"]
        if not page:
            return rows
        rows += page


def test_there_are_several_pages_of_lots_across_lengths_of_ids(room: Sandbox) -> None:
    found = [int(row["lot_id"]) for row in all_lots(room)]
    assert found == sorted(set(found))
    assert len(found) >= 150
    assert {9, 10, 99, 100} <= set(found)


def test_some_variants_have_one_lot_and_some_two(room: Sandbox) -> None:
    counts = Counter(row["sku"] for row in all_lots(room))
    assert set(counts.values()) == {1, 2}
    numbers = Counter(row["lot_number"] for row in all_lots(room))
    assert max(numbers.values()) > 1
    assert any(row["expiration_date"] is None for row in all_lots(room))


def test_lots_come_fifty_at_a_time_with_their_number(room: Sandbox) -> None:
    total = len(room.rows(INVENTORY_LOTS))
    found = result(room, "inventory.lots")
    assert [*found] == ["results", "totalCount", "numPages"]
    assert len(found["results"]) == 50
    assert (found["totalCount"], found["numPages"]) == (total, -(-total // 50))


def test_pages_cut_the_list_and_end_empty(room: Sandbox) -> None:
    ids: list[str] = []
    for page in range(1, 5):
        ids += lot_ids(result(room, "inventory.lots", [], KEY[1] | {"page": page}))
    assert ids == [key[0] for key in room.rows(INVENTORY_LOTS)]


def test_without_a_field_lots_come_in_no_order(room: Sandbox) -> None:
    ids = [int(each) for each in lot_ids(result(room, "inventory.lots", None, {"limit": 100}))]
    assert ids != sorted(ids)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_lot_ids_are_sorted_as_numbers(room: Sandbox, direction: str) -> None:
    options = {"limit": 100, "sort_field": "lot_id", "sort_dir": direction}
    ids = [int(each) for each in lot_ids(result(room, "inventory.lots", None, options))]
    assert ids == sorted(ids, reverse=direction == "desc")


@pytest.mark.parametrize(
    "arguments",
    [
        [None, {"limit": "100"}],
        [None, {"limit": 0}],
        [None, {"page": 0}],
        [None, {"page": None}],
        [None, {"sort_dir": "down"}],
        [None, {"sort_dir": ["asc"]}],
        [None, {"sort_field": "order_id"}],
        [None, {"sort_field": "locations"}],
        [None, [100]],
        [None, "limit"],
        ["lot_id"],
        [[1]],
        [{"qty_available": {"gt": 1}}],
        [{"lot_id": 1}],
        [{"lot_id": {}}],
        [{"lot_id": {"like": 1}}],
        [{"lot_id": {"gt": "one"}}],
        [{"lot_id": {"gt": None}}],
        [{"lot_id": {"in": 1}}],
        [{"lot_id": {"starts": "1"}}],
        [{"sku": {"eq": 1}}],
        [{"sku": {"from": "2018-07-09"}}],
        [{"created_at": {"from": "2018-07"}}],
    ],
)
def test_wrong_filters_and_options_get_code_102(room: Sandbox, arguments: list[Any]) -> None:
    assert answer(room, "inventory.lots", *arguments)["error"]["code"] == -32102


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"lot_id": {"eq": 2}}, [2]),
        ({"lot_id": {"gt": 8, "lteq": 11}}, [9, 10, 11]),
        ({"lot_id": {"gteq": "9", "lt": 11}}, [9, 10]),
        ({"lot_id": {"in": [1, "2", 999_999]}}, [1, 2]),
        ({"lot_id": {"nin": [1, 2], "lt": 5}}, [3, 4]),
        ({"lot_id": {"neq": 1, "lt": 3}}, [2]),
        ({"sku": {"starts": "product"}, "name": {"eq": "product 2"}}, [2]),
        ({"expiration_date": {"null": 1}, "lot_id": {"lt": 15}}, [7, 14]),
        ({"expiration_date": {"notnull": 1}, "lot_id": {"lt": 9, "gt": 5}}, [6, 8]),
        ({"created_at": {"from": "2018-07-09 14:58:23", "to": AFTER_ONE, "datetime": True}}, [1]),
        ({"created_at": {"from": "2018-07-09", "to": "2018-07-09"}, "lot_id": {"lt": 3}}, [1, 2]),
        ({"created_at": {"to": "2018-07-08"}, "lot_id": {"lt": 3}}, []),
        ({"expiration_date": {"to": "2019-04-07"}, "sku": {"starts": "p"}}, [1]),
    ],
)  # fmt: skip
def test_filters_choose_lots(room: Sandbox, filters: Any, expected: list[int]) -> None:
    found = result(room, "inventory.lots", filters, KEY[1])
    assert [int(each) for each in lot_ids(found)] == expected
    assert found["totalCount"] == len(expected)


def test_gt_on_lots_may_be_ignored(room: Sandbox) -> None:
    room.turn("lots_gt", "ignored")
    for filters in ({"lot_id": {"gt": 5}}, {"lot_id": {"gt": 5, "lt": 4}}):
        assert lot_ids(result(room, "inventory.lots", filters, KEY[1]))[:3] == ["1", "2", "3"]
    assert lot_ids(result(room, "inventory.lots", {"lot_id": {"gteq": 5}}, KEY[1]))[0] == "5"


def test_gt_on_lots_may_be_refused(room: Sandbox) -> None:
    room.turn("lots_gt", "code102")
    assert answer(room, "inventory.lots", *KEY)["error"]["code"] == -32102
    assert result(room, "inventory.lots", None, KEY[1])["results"]


@pytest.mark.parametrize("limit", [100, 101, 500])
def test_a_limit_over_100_is_cut_or_refused(room: Sandbox, limit: int) -> None:
    assert len(lot_ids(result(room, "inventory.lots", None, {"limit": limit}))) == 100
    room.turn("limit_over", "error")
    refused = "error" in answer(room, "inventory.lots", None, {"limit": limit})
    assert refused == (limit > 100)


def test_lots_may_come_as_a_plain_array(room: Sandbox) -> None:
    shaped = result(room, "inventory.lots", *KEY)["results"]
    room.turn("lots_shape", "array")
    assert result(room, "inventory.lots", *KEY) == shaped


def test_lots_may_leave_between_pages(room: Sandbox) -> None:
    total = len(room.rows(INVENTORY_LOTS))
    room.turn("lots_shift", 2)
    pages = [result(room, "inventory.lots", None, KEY[1] | {"page": page}) for page in (1, 2, 3)]
    assert [page["totalCount"] for page in pages] == [total, total - 1, total - 2]
    seen = {lot for page in pages for lot in lot_ids(page)}
    lost = {key[0] for key in room.rows(INVENTORY_LOTS)} - seen
    assert lost == {"101", "202"}
    assert len(room.rows(INVENTORY_LOTS)) == total - 2


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("documented", ("1", "1", "76.0000")),
        ("int", (1, 1, 76)),
        ("string4", ("1", "1", "76.0000")),
        ("fractions", ("1", "1", "38.0000")),
    ],
)
def test_ids_and_flags_of_lots_follow_the_form(room: Sandbox, numbers: str, expected: Any) -> None:
    room.turn("numbers", numbers)
    [lot] = result(room, "inventory.lots", {"lot_id": {"eq": 1}})["results"]
    assert same((lot["lot_id"], lot["is_active"], lot["qty_available"]), expected)
    assert same(room.rows(INVENTORY_LOTS)["1",], lot)


def test_mixed_lots_have_ids_of_both_forms(room: Sandbox) -> None:
    room.turn("numbers", "mixed")
    assert {type(row["lot_id"]) for row in all_lots(room)} == {int, str}
    assert ("2",) in room.rows(INVENTORY_LOTS)


# Changes


def test_touch_changes_the_sums_the_warehouse_and_the_time(room: Sandbox) -> None:
    def levels() -> list[dict[str, float]]:
        views = listed(room), listed(room, None, 2), detailed(room), listed(room, None, 1)
        return [{sku: float(row["qty_available"]) for sku, row in view.items()} for view in views]

    before = levels()
    keys = room.touch(INVENTORY, 2)
    assert keys == [(ONE, "0"), (ONE, "2"), ("BlueWidget-5", "0"), ("BlueWidget-5", "2")]
    *changed, elsewhere = levels()
    for old, new in zip(before, changed, strict=False):
        assert new == old | {ONE: old[ONE] - 1, "BlueWidget-5": old["BlueWidget-5"] + 24}
    assert elsewhere == before[-1]
    assert [*listed(room, None, None, NOW_TEXT)] == [ONE, "BlueWidget-5"]


def test_touch_takes_the_rows_that_were_delivered_first_and_each_in_turn(room: Sandbox) -> None:
    result(room, "inventory.detailed", ["312040"])
    result(room, "inventory.list", ["312034", "312040"])
    assert room.touch(INVENTORY_DETAILED) == [("312040",)]
    assert room.touch(INVENTORY_DETAILED) == [("312034",)]
    assert room.touch(INVENTORY_DETAILED) == [("312040",)]
    assert room.touch(INVENTORY, keys=[("312041", "2")]) == [("312041", "0"), ("312041", "2")]
    with pytest.raises(KeyError):
        room.touch(INVENTORY, keys=[("unknown", "0")])


def test_a_change_always_shows_in_the_levels(room: Sandbox) -> None:
    for stream, shape in TRAITS.streams.items():
        for _ in range(5):
            before = room.rows(stream)
            keys = room.touch(stream, 100)
            after = room.rows(stream)
            changed = [
                key
                for key in before
                if any(before[key][name] != after[key][name] for name in shape.levels.values())
            ]
            assert sorted(changed) == sorted(keys)


def test_a_change_of_lots_shows_in_the_lots_only(room: Sandbox) -> None:
    products = room.rows(INVENTORY)
    assert room.touch(INVENTORY_LOTS, keys=[("1",)]) == [("1",)]
    assert room.rows(INVENTORY_LOTS)["1",]["qty_available"] == "75.0000"
    assert room.rows(INVENTORY) == products
    assert result(room, "inventory.list", None, None, NOW_TEXT) == []


@pytest.mark.parametrize("bumps", [False, True])
def test_a_change_of_bundles_moves_the_offer_and_perhaps_the_time(
    room: Sandbox, bumps: bool
) -> None:
    room.turn("bom_bumps", bumps)
    before = listed(room, ONE)[ONE]
    assert room.bundle(INVENTORY, keys=[(ONE, "0")]) == [(ONE, "0"), (ONE, "2")]
    assert listed(room, ONE)[ONE] == before | {"qty_advertised": 25}
    assert [*listed(room, None, None, NOW_TEXT)] == ([ONE] if bumps else [])


@pytest.mark.parametrize(
    ("stream", "gone"),
    [
        (INVENTORY, [(ONE, "0"), (ONE, "2"), ("BlueWidget-5", "0"), ("BlueWidget-5", "2")]),
        (INVENTORY_DETAILED, [(ONE,), ("BlueWidget-5",)]),
        (INVENTORY_LOTS, [("1",), ("2",)]),
    ],
)
def test_remove_takes_goods_out(room: Sandbox, stream: str, gone: list[Key]) -> None:
    before = room.rows(stream)
    assert room.remove(stream, 2) == gone
    assert room.rows(stream) == {key: row for key, row in before.items() if key not in gone}
    room.touch(stream, 3)
    assert not set(gone) & set(room.rows(stream))


@pytest.mark.parametrize("stream", TRAITS.streams)
def test_a_row_is_put_as_it_is_and_changed_now(room: Sandbox, stream: str) -> None:
    shape = TRAITS.streams[stream]
    row = shape.other(next(iter(room.rows(stream).values())), 3) | {"odd": [None]}
    before = {each: len(room.rows(each)) for each in TRAITS.streams}
    room.put(stream, row)
    assert [*room.rows(stream).values()].count(row) == 1
    assert {each: len(room.rows(each)) for each in TRAITS.streams} == before | {
        stream: before[stream] + 1
    }
    sent = {
        INVENTORY: lambda: result(room, "inventory.list", None, None, NOW_TEXT),
        INVENTORY_DETAILED: lambda: result(room, "inventory.detailed", None, NOW_TEXT),
        INVENTORY_LOTS: lambda: all_lots(room)[-1:],
    }
    assert sent[stream]() == [row]


def test_a_row_can_be_put_into_one_warehouse(room: Sandbox) -> None:
    room.put(INVENTORY, {"sku": "new", "qty_available": 1, WAREHOUSE_MARK: 2})
    assert listed(room, "new", 2) == {"new": {"sku": "new", "qty_available": 1}}
    assert listed(room, "new") == listed(room, "new", 3) == detailed(room, "new") == {}
    assert ("new", "0") not in room.rows(INVENTORY)
    assert room.rows(INVENTORY)["new", "2"] == {"sku": "new", "qty_available": 1}
    assert room.touch(INVENTORY, keys=[("new", "2")]) == [("new", "2")]
    assert room.rows(INVENTORY)["new", "2"]["qty_available"] == 0


@pytest.mark.parametrize("stream", TRAITS.streams)
def test_a_key_that_exists_becomes_a_second_row(room: Sandbox, stream: str) -> None:
    key, row = next(iter(room.rows(stream).items()))
    later = row | {"qty_available": 4711}
    room.put(stream, later)
    name = TRAITS.streams[stream].key
    arguments: dict[str, list[Any]] = {INVENTORY_LOTS: KEY}
    method = {
        INVENTORY: "inventory.list",
        INVENTORY_DETAILED: "inventory.detailed",
        INVENTORY_LOTS: "inventory.lots",
    }[stream]
    found = result(room, method, *arguments.get(stream, []))
    rows = found["results"] if stream == INVENTORY_LOTS else found
    assert [each for each in rows if each[name] == key[0]] == [row, later]
    assert room.rows(stream)[key] == later
    if stream == INVENTORY_LOTS:
        assert found["totalCount"] == len(room.rows(stream))


@pytest.mark.parametrize("stream", TRAITS.streams)
@pytest.mark.parametrize("broken", [..., None, "", [], {}, 1.5], ids=str)
def test_a_row_with_a_broken_key_is_sent_and_counts_for_nothing(
    room: Sandbox, stream: str, broken: Any
) -> None:
    before = room.rows(stream)
    name = TRAITS.streams[stream].key
    row = next(iter(before.values())) | {name: broken, "odd": "very"}
    if broken is ...:
        del row[name]
    room.put(stream, row)
    assert room.rows(stream) == before
    if stream == INVENTORY_LOTS:
        assert result(room, "inventory.lots", *KEY)["results"][0] == row
    else:
        method = "inventory.list" if stream == INVENTORY else "inventory.detailed"
        assert result(room, method)[-1] == row


def test_documented_stock_comes_and_goes(room: Sandbox) -> None:
    everything = room.rows(INVENTORY)
    room.turn("documented", "detailed")
    assert len(room.rows(INVENTORY_DETAILED)) == 2
    assert room.rows(INVENTORY_LOTS) == {}
    room.turn("documented", "lots")
    assert room.rows(INVENTORY) == {}
    room.turn("documented", "none")
    assert room.rows(INVENTORY) == everything


def test_reset_begins_again(room: Sandbox) -> None:
    before = room.rows(INVENTORY)
    login(room)
    result(room, "inventory.list", None, None, None, 1)
    room.touch(INVENTORY, 5)
    room.turn("numbers", "int")
    room.reset()
    assert room.rows(INVENTORY) == before
    assert (room.logins, room.calls, room.undocumented) == (0, [], [])
    assert room.secrets() == [PASSWORD]


# Time


def test_a_change_during_a_slow_query_is_not_in_the_answer_and_before_its_date(
    server: SandboxServer, room: Sandbox
) -> None:
    before = listed(room, ONE)[ONE]
    room.turn("slow_query", 900)
    room.after_read = lambda: room.touch(INVENTORY, keys=[(ONE, "0")])
    body = json.dumps(rpc([None, "inventory.list", [ONE]]))
    begun = room.clock.now()
    _, headers, came = over_http(server, body, authorization=SIGNED)
    date = parsedate_to_datetime(headers["Date"]).timestamp()
    assert json.loads(came)["result"] == [before]
    assert 900 <= date - int(begun) < 905
    room.after_read = None
    room.turn("slow_query", 0)
    assert listed(room, ONE)[ONE] != before
    changed = [
        second for second in (0, 440, 460, 900) if listed(room, None, None, _text(begun + second))
    ]
    assert changed == [0, 440]


def _text(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(moment))


@pytest.mark.parametrize("method", ["inventory.list", "inventory.detailed", "inventory.lots"])
def test_a_slow_query_moves_whatever_clock_it_is_given(room: Sandbox, method: str) -> None:
    steps: list[float] = []
    room.passing = steps.append
    result(room, method)
    assert sum(steps) == 0
    room.turn("slow_query", 30)
    result(room, method)
    assert sum(steps) == 30


@pytest.mark.parametrize(
    ("wanted", "skew"), [("right", 0), ("skewed:3600", 3600), ("skewed:-90", -90)]
)
@pytest.mark.parametrize("body", ["{", json.dumps(rpc([None, "warehouse.list"]))])
def test_every_answer_has_a_date_of_the_sandboxs_clock(
    server: SandboxServer, room: Sandbox, wanted: str, skew: int, body: str
) -> None:
    room.turn("date_header", wanted)
    room.clock.step(86_400)
    date = over_http(server, body, authorization=SIGNED)[1]["Date"]
    assert abs(parsedate_to_datetime(date).timestamp() - room.clock.now() - skew) < 5


def test_the_date_may_be_absent(server: SandboxServer, room: Sandbox) -> None:
    room.turn("date_header", "absent")
    assert "Date" not in over_http(server, "{")[1]


@pytest.mark.parametrize("wrong", ["left", "skewed:", "skewed:x", "skewed:1.5", 5])
def test_other_dates_are_no_choice(room: Sandbox, wrong: Any) -> None:
    with pytest.raises(ValueError, match="skewed:N"):
        room.turn("date_header", wrong)


# Limits and broken answers


def test_every_answer_has_the_limits(server: SandboxServer) -> None:
    expected = {
        "RateLimit-Limit": "600",
        "RateLimit-Remaining": "59",
        "X-Concurrency-Limit": "5",
        "X-Concurrency-Current": "1",
    }
    headers = over_http(server, "{")[1]
    assert {name: headers.get(name) for name in expected} == expected


def test_a_burst_of_60_is_let_in_and_then_ten_a_second(room: Sandbox) -> None:
    room.clock = StandingClock(NOW)
    room.reset()
    replies = [send(room, b"{") for _ in range(61)]
    assert [reply.status for reply in replies] == [200] * 60 + [429]
    assert replies[59].headers["RateLimit-Remaining"] == "0"
    assert replies[60].headers["Retry-After"] == "1"
    assert "Retry-After" not in replies[59].headers
    room.clock.step(0.5)
    assert [send(room, b"{").status for _ in range(6)] == [200] * 5 + [429]
    room.clock.step(-100)
    assert send(room, b"{").status == 429
    room.clock.step(100_000)
    assert send(room, b"{").headers["RateLimit-Remaining"] == "59"


class StandingClock(Clock):
    """Time passes only when it is stepped."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self._now = now

    def now(self) -> float:
        return self._now

    def step(self, seconds: float) -> None:
        self._now += seconds


def test_the_sixth_request_at_once_gets_409(server: SandboxServer, room: Sandbox) -> None:
    release = threading.Event()
    room.after_read = lambda: release.wait(5)
    body = json.dumps(rpc([None, "inventory.list", [ONE]]))
    replies: list[tuple[int, str]] = []

    def ask() -> None:
        status, headers, _ = over_http(server, body, authorization=SIGNED)
        replies.append((status, headers["X-Concurrency-Current"]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        until(lambda number=number: room.in_flight == number)
    release.set()
    for thread in threads:
        thread.join(5)
    assert sorted(replies) == [*((200, str(n)) for n in range(1, 6)), (409, "6")]
    assert room.in_flight == 0
    assert over_http(server, body, authorization=SIGNED)[0] == 200


def test_planned_answers_come_one_each(server: SandboxServer, room: Sandbox) -> None:
    body = json.dumps(rpc([None, "inventory.list", [ONE]]))
    room.turn("status", [409, 429, 503])
    status, headers, came = over_http(server, body, authorization=SIGNED)
    assert (status, came, headers["X-Concurrency-Current"]) == (409, b"", "6")
    assert "Retry-After" not in headers
    status, headers, came = over_http(server, body, authorization=SIGNED)
    assert (status, came, headers["Retry-After"]) == (429, b"", "2")
    assert headers["RateLimit-Remaining"] == "0"
    status, headers, came = over_http(server, body, authorization=SIGNED)
    assert (status, headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert came.startswith(b"<!DOCTYPE html>")
    assert room.calls == []
    assert over_http(server, body, authorization=SIGNED)[0] == 200


def test_a_planned_answer_may_be_cut(server: SandboxServer, room: Sandbox) -> None:
    body = json.dumps(rpc([None, "inventory.list", [ONE]]))
    room.turn("status", ["cut"])
    with pytest.raises(http.client.IncompleteRead) as cut:
        over_http(server, body, authorization=SIGNED)
    whole = over_http(server, body, authorization=SIGNED)[2]
    assert cut.value.partial == whole[: len(whole) // 2]
    assert len(room.calls) == 2


def test_what_was_kept_encoded_is_what_a_fresh_room_says(room: Sandbox) -> None:
    methods = ("inventory.list", "inventory.detailed", "inventory.lots")
    for _ in range(2):
        for method in methods:
            result(room, method)
    fresh = Sandbox(Clock(NOW), size=300)
    for stream in TRAITS.streams:
        room.touch(stream, 10, keys=[*room.rows(stream)][:10])
        fresh.touch(stream, 10, keys=[*fresh.rows(stream)][:10])
    for method in methods:
        assert result(room, method) == result(fresh, method)


# Traits


@pytest.mark.parametrize("stream", TRAITS.streams)
def test_the_paths_of_the_shapes_are_in_the_rows(room: Sandbox, stream: str) -> None:
    shape = TRAITS.streams[stream]
    for key, row in room.rows(stream).items():
        assert row[shape.key] == key[0]
        assert {shape.named_by, *shape.levels.values()} <= row.keys()
        assert shape.number is None or shape.number[1] in row
        assert shape.text is None or shape.text[1] in row
        assert shape.date is None


@pytest.mark.parametrize("stream", TRAITS.streams)
def test_other_rows_have_keys_of_their_own(room: Sandbox, stream: str) -> None:
    shape = TRAITS.streams[stream]
    rows = room.rows(stream)
    row = next(iter(rows.values()))
    made = [shape.other(row, n) for n in range(20)]
    for each in made:
        room.put(stream, each)
    assert len(room.rows(stream)) == len(rows) + 20


def test_only_reading_requests_hold_the_word_for_reading(room: Sandbox) -> None:
    for request, reads in (
        (rpc([None, "inventory.list"]), True),
        (rpc([None, "inventory.detailed"]), True),
        (rpc([None, "inventory.lots"]), True),
        (rpc([None, "warehouse.list"]), False),
        (rpc([USERNAME, PASSWORD], method="login"), False),
    ):
        assert (TRAITS.read in json.dumps(request)) == reads
        assert send(room, request).status == 200


def test_the_refusals_refuse_the_right_credentials(room: Sandbox) -> None:
    for turn in TRAITS.refusals.values():
        room.turn(*turn)
        reply = send(room, rpc([None, "inventory.list"]))
        assert reply.status == 401 or code(reply) in {-32002, -32005}


@pytest.mark.parametrize("method", ["inventory.list", "inventory.detailed", "inventory.lots"])
def test_the_edits_of_the_traits_change_what_they_say(room: Sandbox, method: str) -> None:
    body = send(room, rpc([None, method], number="77")).body
    assert TRAITS.wrong_id is not None
    other = json.loads(TRAITS.wrong_id(body))
    assert other == json.loads(body) | {"id": "of-another-request"}
    for name, (edit, _) in TRAITS.undocumented.items():
        spoilt = json.loads(edit(body))
        if name not in {"null", "list", "object"}:
            assert spoilt["id"] == "77"
            assert not isinstance(spoilt.get("result"), list), name
            assert "results" not in (spoilt.get("result") or {}), name


def test_the_bodies_of_the_traits_are_errors(room: Sandbox) -> None:
    assert json.loads(TRAITS.failure)["error"]["code"] == -32004
    session = login(room)
    room.turn("session_life", 0)
    told = json.loads(send(room, rpc([session, "warehouse.list"])).body)
    assert json.loads(TRAITS.session_lost)["error"] == told["error"]


def test_a_whole_run_sends_as_many_requests_as_told(room: Sandbox) -> None:
    pages = -(-len(room.rows(INVENTORY_LOTS)) // 100)
    assert TRAITS.reads == 2 + 1 + pages
