"""Promises of reading ShipStream: nothing is lost, and every answer is taken for what it is."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inventory_providers import http, registry, stored
from inventory_providers.contract import Page, ReadRequest
from inventory_providers.environment import Policy
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    ScratchError,
    Unavailable,
)
from inventory_providers.jsonio import loads
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer
from inventory_providers.shipstream import PROVIDER, api, wire
from inventory_providers.shipstream.sandbox import PASSWORD, PATH, USERNAME, Sandbox
from inventory_providers.shipstream.settings import ShipStreamSettings
from inventory_providers.times import rfc3339
from tap_inventory import state
from tests.inventory_providers.fakes import NOON, FakeClock, environment
from tests.inventory_providers.shipstream import examples
from tests.inventory_providers.shop import Says, Shop, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOW = "2026-03-01T12:00:00Z"
LOOKBACK = timedelta(seconds=600)
READ: dict[str, Callable[[Any, ReadRequest], Iterator[Page]]] = {
    wire.INVENTORY: api.read_inventory,
    wire.DETAILED: api.read_detailed,
    wire.LOTS: api.read_lots,
}
every_stream = pytest.mark.parametrize("stream", READ)
products = pytest.mark.parametrize("stream", [wire.INVENTORY, wire.DETAILED])


def settings(url: str, **more: Any) -> ShipStreamSettings:
    account = {"username": USERNAME, "password": PASSWORD}
    return ShipStreamSettings.model_validate({"api_url": url, **account, **more})


def records(pages: Sequence[Page]) -> list[dict[str, Any]]:
    return [loads(line) for page in pages for line in page.lines]


# ---- two providers: one that says what it is told, and the stand-in ------------------------------


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as it:
        yield it


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def session(shop: Shop, clock: FakeClock) -> Iterator[api.ShipStream]:
    it = api.connect(settings(shop.url + "/api/jsonrpc"), environment(clock=clock))
    yield it
    it.close()


@pytest.fixture
def with_login(shop: Shop, clock: FakeClock) -> Iterator[api.ShipStream]:
    mine = settings(shop.url + "/api/jsonrpc", auth="session")
    it = api.connect(mine, environment(clock=clock))
    yield it
    it.close()


def good(result: Any) -> Says:
    return Says(body=document({"jsonrpc": "2.0", "result": result}))


def bad(code: Any, message: str = "no", status: int = 200) -> Says:
    error = {"code": code, "message": message, "data": None}
    return Says(status, body=document({"jsonrpc": "2.0", "id": None, "error": error}))


EXPIRED = bad(-32005, "Session expired. Try to relogin.")


class OneClock(Clock):
    """The sandbox's clock is the client's, but for what it is ahead."""

    def __init__(self, client: FakeClock, ahead: float = 0) -> None:
        super().__init__()
        self._client, self._ahead = client, ahead

    def now(self) -> float:
        return self._client.now().timestamp() + self._ahead

    def step(self, seconds: float) -> None:
        self._client.step(seconds)


class Place:
    """The stand-in, and sessions with it."""

    def __init__(self, size: int = 60, ahead: float = 0) -> None:
        self.clock = FakeClock()
        self.room = Sandbox(OneClock(self.clock, ahead), size=size)
        self.server = SandboxServer([self.room], clock=self.room.clock)
        self._sessions: list[api.ShipStream] = []

    def session(self, **more: Any) -> api.ShipStream:
        mine = settings(self.server.url + PATH, **more)
        self._sessions.append(api.connect(mine, environment(clock=self.clock)))
        return self._sessions[-1]

    def read(self, stream: str, request: ReadRequest | None = None, **more: Any) -> list[Page]:
        return list(READ[stream](self.session(**more), request or ReadRequest()))

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of all requests."""
        return [json.loads(one.body) for one in self.server.requests("shipstream")]

    @property
    def called(self) -> list[tuple[str, Any]]:
        """Every method that was called, with its arguments."""
        return [
            (one["params"][1], one["params"][2]) for one in self.asked if one["method"] == "call"
        ]

    def assert_all(self, stream: str, pages: Sequence[Page]) -> None:
        """Every row that there is came once, as it is."""
        found = {}
        for record in records(pages):
            own = record.get("warehouse_id", ())
            name = record["lot_id" if stream == wire.LOTS else "sku"]
            found[name, own] = record
        rows = {(key[0], key[1] if key[1:] else ()): row for key, row in self._rows(stream).items()}
        assert len(found) == len(records(pages))
        assert found.keys() == rows.keys()
        assert all(same(found[key], row) for key, row in rows.items())

    def _rows(self, stream: str) -> dict[Any, Any]:
        return self.room.rows(stream)

    def close(self) -> None:
        for one in self._sessions:
            one.close()
        self.server.stop()
        assert not self.server.defects


def same(record: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether a record has the quantities of a row on the wire, however they are written there."""
    if "qty_unreceived" in row:
        row = row | {"qty_expected": row["qty_unreceived"]}
    parts = zip(record.get("detailed", ()), row.get("detailed", ()), strict=True)
    return all(same(*part) for part in parts) and all(
        Decimal(row[name]) == value if name in row else value is None
        for name, value in record.items()
        if name.startswith("qty_")
    )


@pytest.fixture
def place() -> Iterator[Place]:
    it = Place()
    yield it
    it.close()


# ---- what is sent --------------------------------------------------------------------------------


def test_a_call_with_basic_credentials_has_no_session(shop: Shop, session: api.ShipStream) -> None:
    shop.answers = [good([])]
    assert session.call("warehouse.list", []) == []
    (asked,) = shop.asked
    assert (asked.method, asked.target) == ("POST", "/api/jsonrpc")
    assert asked.headers["content-type"] == "application/json"
    pair = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {pair}"
    assert json.loads(asked.body) == {
        "jsonrpc": "2.0",
        "id": "1",
        "method": "call",
        "params": [None, "warehouse.list", []],
    }


def test_each_request_has_an_id_of_its_own(shop: Shop, session: api.ShipStream) -> None:
    shop.answers = [good([])]
    for _ in range(3):
        session.call("warehouse.list", [])
    assert [json.loads(one.body)["id"] for one in shop.asked] == ["1", "2", "3"]


def test_the_sandbox_knows_everything_that_is_sent(place: Place) -> None:
    for auth in ("basic", "session"):
        for stream in READ:
            place.read(stream, ReadRequest(since=NOON), auth=auth, warehouse_ids=[2])
            place.read(stream, ReadRequest(limit=1), auth=auth)
    assert place.room.undocumented == []


def test_everything_is_asked_for_where_nothing_was_read(place: Place) -> None:
    for stream in READ:
        place.read(stream, warehouse_ids=[2, 3])
    assert place.called[:5] == [
        ("inventory.list", [None, None, None]),
        ("warehouse.list", []),
        ("inventory.list", [None, 2, None]),
        ("inventory.list", [None, 3, None]),
        ("inventory.detailed", [None, None]),
    ]
    options = {"page": 1, "limit": 100, "sort_field": "lot_id", "sort_dir": "asc"}
    assert place.called[5] == ("inventory.lots", [{"lot_id": {"gt": 0}}, options])


def test_the_time_is_the_third_argument_of_one_method_and_the_second_of_the_other(
    place: Place,
) -> None:
    request = ReadRequest(since=NOON, lookback=LOOKBACK)
    place.read(wire.INVENTORY, request, warehouse_ids=[2])
    place.read(wire.DETAILED, request)
    since = "2026-03-01T11:50:00+00:00"
    assert [one for one in place.called if one[0] != "warehouse.list"] == [
        ("inventory.list", [None, None, since]),
        ("inventory.list", [None, 2, since]),
        ("inventory.detailed", [None, since]),
    ]


@pytest.mark.parametrize(
    ("request_", "since"),
    [
        (ReadRequest(start=NOON), "2026-03-01T12:00:00+00:00"),
        (ReadRequest(since=NOON, full=True), None),
        (ReadRequest(since=NOON, start=NOON - LOOKBACK, full=True), "2026-03-01T11:50:00+00:00"),
        (ReadRequest(since=NOON.replace(microsecond=999_999)), "2026-03-01T12:00:00+00:00"),
        (
            ReadRequest(since=datetime(2014, 7, 24, 18, 51, 18, tzinfo=UTC)),
            json.loads(examples.DETAILED_REQUEST)["params"][2][1],
        ),
    ],
)
def test_the_time_has_the_form_of_the_document(
    place: Place, request_: ReadRequest, since: str | None
) -> None:
    place.read(wire.DETAILED, request_)
    assert place.called == [("inventory.detailed", [None, since])]


# ---- the examples of the documents ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "answer", "keys"),
    [
        (wire.INVENTORY, examples.LIST_ANSWER, ["BlueWidget-1", "BlueWidget-5"]),
        (
            wire.INVENTORY,
            f'{{"result":{examples.LIST_RESULT_SINCE_2025},"id":"1234","jsonrpc":"2.0"}}',
            ["BlueWidget-1", "BlueWidget-5"],
        ),
        (wire.DETAILED, examples.DETAILED_ANSWER, ["BlueWidget-1", "BlueWidget-5"]),
        (wire.LOTS, examples.LOTS_ANSWER, ["1", "2"]),
    ],
)
def test_an_answer_of_the_document_is_read(
    shop: Shop, session: api.ShipStream, stream: str, answer: str, keys: list[str]
) -> None:
    session._calls = 1233  # the examples answer request 1234
    shop.answers = [Says(body=answer.encode())]
    found = records(list(READ[stream](session, ReadRequest())))
    assert [row["lot_id" if stream == wire.LOTS else "sku"] for row in found] == keys
    assert len(shop.asked) == 1


def test_the_sign_in_of_the_document(shop: Shop, with_login: api.ShipStream) -> None:
    with_login._calls = 1232
    warehouses = f'{{"id":1233,"result":[{examples.WAREHOUSE}]}}'
    shop.answers = [Says(body=text.encode()) for text in (examples.LOGIN_ANSWER, warehouses)]
    assert with_login.call("warehouse.list", [])[0]["warehouse_id"] == 1
    login, call = (json.loads(one.body) for one in shop.asked)
    assert (login["method"], login["params"]) == ("login", [USERNAME, PASSWORD])
    assert call["params"] == ["be1c13ed4e03f0ed7f1e4053dfff9658", "warehouse.list", []]
    assert not any("authorization" in one.headers for one in shop.asked)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (examples.EXPIRED_ANSWER, Denied),
        (examples.DENIED_ANSWER, Denied),
        (examples.FILTERS_ANSWER, Malformed),
        (examples.UNPARSED_ANSWER, Malformed),
    ],
)
def test_an_error_of_the_document_is_refused(
    shop: Shop, session: api.ShipStream, answer: str, kind: type[Exception]
) -> None:
    shop.answers = [Says(body=answer.encode())]
    with pytest.raises(kind):
        session.call("warehouse.list", [])
    assert len(shop.asked) == 1


# ---- answers: the envelope -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["as_sent", "numbers", "strings", "reordered", "missing"])
@pytest.mark.parametrize("error_null", [False, True])
@pytest.mark.parametrize("auth", ["basic", "session"])
def test_every_form_of_the_envelope_is_read(
    place: Place, form: str, error_null: bool, auth: str
) -> None:
    place.room.turn("envelope", form)
    place.room.turn("error_null", error_null)
    for stream in READ:
        pages = place.read(stream, auth=auth, warehouse_ids=[2])
        place.assert_all(stream, pages)


@every_stream
def test_an_empty_list_is_a_good_answer(place: Place, stream: str) -> None:
    place.room.turn("empty", True)
    pages = place.read(stream)
    assert records(pages) == []
    assert pages[-1].bookmark == (None if stream == wire.LOTS else NOON)
    assert len(place.asked) == (2 if stream == wire.LOTS else 1)


ANSWERS: list[tuple[Any, str]] = [
    (None, "result is missing"),
    ([], "result is missing"),
    ("x", "result is missing"),
    ({}, "result is missing"),
    ({"id": "1", "error": None}, "result is missing"),
    ({"outcome": []}, "result is missing"),
    ({"id": "2", "result": []}, "another request"),
    ({"id": 11, "result": []}, "another request"),
    ({"id": [], "result": []}, "another request"),
    ({"id": True, "result": []}, "another request"),
    ({"error": [], "result": []}, "refused"),
    ({"error": "Access denied.", "result": []}, "Access denied"),
    ({"error": False, "result": []}, "refused"),
    ({"error": {}, "result": []}, "refused"),
]


@pytest.mark.parametrize(("answer", "text"), ANSWERS)
@pytest.mark.parametrize("stream", READ)
def test_an_answer_that_is_not_good_is_refused_at_once(
    shop: Shop, session: api.ShipStream, stream: str, answer: Any, text: str
) -> None:
    shop.answers = [Says(body=document(answer))]
    with pytest.raises(Malformed, match=text):
        list(READ[stream](session, ReadRequest()))
    assert len(shop.asked) == 1


@products
@pytest.mark.parametrize("result", [None, {}, {"results": []}, "none", 5, True])
def test_a_result_that_is_no_list_is_refused(
    shop: Shop, session: api.ShipStream, stream: str, result: Any
) -> None:
    shop.answers = [good(result)]
    with pytest.raises(Malformed, match="result is"):
        list(READ[stream](session, ReadRequest()))


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "results is missing"),
        ({}, "results is missing"),
        ("none", "results is missing"),
        ({"results": None}, "results is NoneType"),
        ({"results": {"0": {}}}, "results is dict"),
        ({"results": [], "totalCount": -1}, "totalCount"),
        ({"results": [], "totalCount": True}, "totalCount"),
        ({"results": [], "totalCount": "9" * 5000}, "totalCount"),
        ({"results": [], "totalCount": []}, "totalCount"),
        ({"results": [], "totalCount": 0, "numPages": "one"}, "numPages"),
        ({"results": [[]]}, "not an object"),
        ({"results": [{"lot_id": "x"}]}, "lot_id"),
    ],
)
def test_lots_that_are_not_told_as_documented_are_refused(
    shop: Shop, session: api.ShipStream, result: Any, text: str
) -> None:
    shop.answers = [good(result)]
    with pytest.raises(Malformed, match=text):
        list(api.read_lots(session, ReadRequest()))
    assert len(shop.asked) == 1


# ---- answers: the errors -------------------------------------------------------------------------

ERRORS: list[tuple[Any, str, type[InventoryError], str]] = [
    (-32002, "Access denied.", Denied, "shipstream.username and shipstream.password"),
    (-32005, "Session expired. Try to relogin.", Denied, "shipstream.password"),
    (-32003, "Invalid api path.", Malformed, "-32003: Invalid api path."),
    (-32004, "Resource path is not callable.", Malformed, "-32004"),
    (-32006, "Required parameter is missing.", Malformed, "-32006"),
    (-32102, "Unexpected error applying filters.", Malformed, "-32102"),
    (-32000, "Unexpected error applying filters.", Malformed, "-32000: Unexpected"),
    (-32700, "Parse error", Malformed, "-32700"),
    (-32600, "Invalid Request", Malformed, "-32600"),
    (-32601, "Method not found", Malformed, "-32601"),
    (-32602, "Invalid params", Malformed, "-32602"),
    ("-32002", "Access denied.", Denied, "shipstream.password"),
    (-32099, "Something\nnew", Malformed, "-32099: Something new"),
    (5, "Session expired. Try to relogin.", Malformed, "code 5"),
    (None, "no code", Malformed, "no code"),
    ([], "no code", Malformed, "no code"),
    (True, "no code", Malformed, "no code"),
    ("x" * 5000, "no code", Malformed, "xxx"),
]


@dataclass(frozen=True)
class Refusal:
    """An error in an answer, and what it means."""

    code: Any
    message: str
    kind: type[InventoryError]
    text: str


REFUSALS = [Refusal(*one) for one in ERRORS]
# With another status only what is clearly an error of the API counts as one.
CLEAR = [one for one in REFUSALS if str(one.code).startswith("-32")]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        *((200, one) for one in REFUSALS),
        *((status, one) for status in (400, 500) for one in CLEAR),
    ],
    ids=lambda one: one if isinstance(one, int) else str(one.code)[:10],
)
@products
def test_an_error_is_taken_for_what_it_means_and_not_repeated(
    shop: Shop, session: api.ShipStream, stream: str, status: int, refusal: Refusal
) -> None:
    shop.answers = [bad(refusal.code, refusal.message, status)]
    with pytest.raises(refusal.kind, match=refusal.text) as caught:
        list(READ[stream](session, ReadRequest()))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert len(shop.asked) == 1


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("code", [-32000, -32001, -32603])
def test_trouble_of_the_server_passes_or_is_an_outage(
    shop: Shop, session: api.ShipStream, clock: FakeClock, code: int, status: int
) -> None:
    shop.answers = [bad(code, "Internal error.", status)] * 3 + [good([])]
    assert records(list(api.read_detailed(session, ReadRequest()))) == []
    assert len(clock.slept) == 3
    shop.answers = [bad(code, "Internal error.", status)]
    with pytest.raises(Unavailable, match=str(code)):
        list(api.read_detailed(session, ReadRequest()))


def test_an_error_page_with_a_code_of_its_own_is_not_the_apis(
    shop: Shop, session: api.ShipStream
) -> None:
    shop.answers = [bad(500, "Internal Server Error", 500), good([])]
    assert session.call("warehouse.list", []) == []


def test_a_method_that_is_not_allowed_is_not_a_wrong_password(
    shop: Shop, session: api.ShipStream
) -> None:
    shop.answers = [good([]), bad(-32002, "Access denied.")]
    list(api.read_inventory(session, ReadRequest()))
    with pytest.raises(Denied, match=r"shipstream.username") as caught:
        list(api.read_lots(session, ReadRequest()))
    assert caught.value.partly
    assert "password" not in str(caught.value)


@every_stream
def test_what_is_refused_after_a_sign_in_is_not_the_sign_in(
    shop: Shop, with_login: api.ShipStream, stream: str
) -> None:
    shop.answers = [good("a" * 32), bad(-32002, "Access denied.")]
    with pytest.raises(Denied, match=r"shipstream.username") as caught:
        list(READ[stream](with_login, ReadRequest()))
    assert caught.value.partly
    assert len(shop.asked) == 2


@pytest.mark.parametrize("result", [[], [{"sku": "x"}], None])
def test_after_any_good_answer_a_refusal_is_of_one_method(
    shop: Shop, session: api.ShipStream, result: Any
) -> None:
    shop.answers = [good(result), bad(-32002, "Access denied.")]
    session.call("warehouse.list", [])
    with pytest.raises(Denied) as caught:
        session.call("inventory.list", [])
    assert caught.value.partly


def test_an_answer_that_is_an_error_lets_nobody_in(shop: Shop, session: api.ShipStream) -> None:
    shop.answers = [bad(-32101, "Unknown."), bad(-32002, "Access denied.")]
    with pytest.raises(Malformed):
        session.call("warehouse.list", [])
    with pytest.raises(Denied, match=r"shipstream.password") as caught:
        session.call("inventory.list", [])
    assert not caught.value.partly


@pytest.mark.parametrize("auth", ["basic", "session"])
@pytest.mark.parametrize("refusal", ["401", "code2", "code5"])
def test_refused_credentials_are_not_tried_again(place: Place, auth: str, refusal: str) -> None:
    place.room.turn("bad_auth", refusal)
    with pytest.raises(Denied, match=r"shipstream.password") as caught:
        place.read(wire.INVENTORY, auth=auth)
    assert not caught.value.partly
    assert len(place.asked) == 1


@pytest.mark.parametrize("auth", ["basic", "session"])
def test_a_wrong_password_is_refused(place: Place, auth: str) -> None:
    with pytest.raises(Denied):
        place.read(wire.INVENTORY, auth=auth, password="another one")
    assert len(place.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (401, Denied, "shipstream.password"),
        (403, Denied, "shipstream.password"),
        (404, Malformed, "shipstream.api_url"),
        (400, Malformed, "HTTP 400"),
    ],
)
def test_a_status_is_taken_for_what_it_means_and_not_repeated(
    shop: Shop, session: api.ShipStream, status: int, kind: type[Exception], text: str
) -> None:
    for number, body in enumerate([b"", b"<p>no</p>"], 1):
        shop.answers = [Says(status, body=body)]
        with pytest.raises(kind, match=text):
            list(api.read_inventory(session, ReadRequest()))
        assert len(shop.asked) == number


# ---- answers: what may pass ----------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("trouble", [409, 429, 503, "cut"])
def test_what_may_pass_is_tried_again(place: Place, stream: str, trouble: Any) -> None:
    place.room.turn("status", [trouble] * 2)
    pages = place.read(stream, warehouse_ids=[2])
    place.assert_all(stream, pages)
    assert len(place.clock.slept) == 2
    least = 2 if trouble == 429 else 0.4
    assert all(least <= seconds <= 5 for seconds in place.clock.slept)
    first, second, third, *_ = place.asked
    assert first == second == third


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_what_does_not_pass_is_an_outage(
    shop: Shop, session: api.ShipStream, clock: FakeClock, status: int
) -> None:
    shop.answers = [Says(status, body=b"<html>busy</html>")]
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        list(api.read_inventory(session, ReadRequest()))
    assert sum(clock.slept) <= Policy().budget


@pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"result":[{"sku":'])
def test_what_stays_unreadable_is_given_up(
    shop: Shop, session: api.ShipStream, body: bytes
) -> None:
    shop.answers = [Says(body=body)] * 2 + [good([])]
    assert records(list(api.read_inventory(session, ReadRequest()))) == []
    shop.answers = [Says(body=body)]
    with pytest.raises(Malformed, match=r"shipstream.api_url"):
        list(api.read_inventory(session, ReadRequest()))


def test_an_answer_with_every_sku_may_take_five_minutes_to_begin(
    monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    seen = []
    send = http.Door._send

    def noted(door: http.Door, call: http.Call, file: Any) -> http.Answer:
        seen.append(call.patience * Policy().idle)
        return send(door, call, file)

    monkeypatch.setattr(http.Door, "_send", noted)
    place.read(wire.INVENTORY)
    place.read(wire.DETAILED)
    assert min(seen) >= 300


def test_no_room_for_the_answer_is_no_fault_of_the_provider(
    monkeypatch: pytest.MonkeyPatch, session: api.ShipStream
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(ScratchError, match="No space left"):
        list(api.read_inventory(session, ReadRequest()))


# ---- sessions ------------------------------------------------------------------------------------


def test_one_sign_in_serves_the_whole_run(place: Place) -> None:
    session = place.session(auth="session", warehouse_ids=[2])
    for read in READ.values():
        list(read(session, ReadRequest()))
    assert place.room.logins == 1
    assert place.asked[0]["method"] == "login"
    sessions = {one["params"][0] for one in place.asked[1:]}
    assert sessions == {json.loads(examples.LOGIN_ANSWER)["result"]}


def test_a_session_that_has_ended_is_opened_again_and_the_call_repeated_once(place: Place) -> None:
    session = place.session(auth="session")
    list(api.read_detailed(session, ReadRequest()))
    place.clock.step(86_400)
    pages = list(api.read_detailed(session, ReadRequest()))
    place.assert_all(wire.DETAILED, pages)
    methods = [one["method"] for one in place.asked]
    assert methods == ["login", "call", "call", "login", "call"]
    before, after = place.asked[2], place.asked[4]
    assert before["params"][1:] == after["params"][1:]
    assert before["params"][0] != after["params"][0]


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_session_that_is_never_good_is_opened_twice(place: Place, status: int) -> None:
    place.room.turn("session_life", 0)
    place.room.turn("error_status", status)
    with pytest.raises(Denied, match=r"shipstream.password"):
        place.read(wire.INVENTORY, auth="session")
    assert [one["method"] for one in place.asked] == ["login", "call"] * 2


def test_a_session_may_end_amid_the_lots() -> None:
    with contextlib.closing(Place(size=900)) as place:
        place.room.turn("expire_after", 2)
        pages = place.read(wire.LOTS, auth="session")
        place.assert_all(wire.LOTS, pages)
        assert place.room.logins >= 3


@pytest.mark.parametrize("result", [None, "", [], {}, 5, True])
def test_a_sign_in_without_a_session_is_refused(
    shop: Shop, with_login: api.ShipStream, result: Any
) -> None:
    shop.answers = [good(result)]
    with pytest.raises(Malformed, match="session id"):
        with_login.call("warehouse.list", [])
    assert len(shop.asked) == 1


def test_a_session_that_cannot_be_opened_again_is_refused_as_such(
    shop: Shop, with_login: api.ShipStream
) -> None:
    shop.answers = [good("a" * 32), EXPIRED, bad(-32002, "Access denied.")]
    with pytest.raises(Denied, match=r"shipstream.password") as caught:
        with_login.call("warehouse.list", [])
    assert not caught.value.partly
    assert len(shop.asked) == 3


def test_no_session_is_shown(
    shop: Shop, with_login: api.ShipStream, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "0123456789abcdef" * 2
    shop.answers = [good(secret), bad(-32099, f"session {secret} is odd")]
    with pytest.raises(Malformed) as caught, caplog.at_level(logging.DEBUG):
        with_login.call("warehouse.list", [])
    assert secret not in str(caught.value) + caplog.text


# ---- when the read began -------------------------------------------------------------------------


@products
@pytest.mark.parametrize("seconds", [0, 1, 45, 280])
def test_a_change_while_the_query_runs_comes_with_the_next_run(
    place: Place, stream: str, seconds: int
) -> None:
    place.room.turn("slow_query", seconds)
    place.room.after_read = lambda: place.room.touch(stream, 3)
    first = place.read(stream)
    place.room.after_read = None
    place.room.turn("slow_query", 0)
    assert first[-1].bookmark == NOON
    changed = place.read(stream, ReadRequest(since=first[-1].bookmark))
    before = {(row["sku"], row.get("warehouse_id")): row for row in records(first)}
    after = {(row["sku"], row.get("warehouse_id")): row for row in records(changed)}
    assert len(after) == 3
    assert all(row["qty_available"] != before[key]["qty_available"] for key, row in after.items())


@pytest.mark.parametrize("since", ["inclusive", "exclusive"])
def test_a_change_in_the_second_of_the_bookmark_is_within_the_overlap(
    place: Place, since: str
) -> None:
    place.room.turn("since", since)
    place.room.after_read = lambda: place.room.touch(wire.DETAILED, 1)
    first = place.read(wire.DETAILED)
    place.room.after_read = None
    second = place.read(wire.DETAILED, ReadRequest(since=first[-1].bookmark, lookback=LOOKBACK))
    assert len(records(second)) == 1


@products
@pytest.mark.parametrize("skew", [-7200, -90, 0, 1800])
def test_the_time_of_the_read_is_by_the_providers_clock(stream: str, skew: int) -> None:
    with contextlib.closing(Place(ahead=skew)) as place:
        place.room.turn("slow_query", 20)
        pages = place.read(stream)
    moment = NOON + timedelta(seconds=skew)
    assert pages[-1].bookmark == moment
    assert {datetime.fromisoformat(row["synced_at"]) for row in records(pages)} == {moment}


@products
@pytest.mark.parametrize("skew", [1801, 3600, 7200, 10**9])
def test_a_read_is_never_so_far_ahead_of_our_clock_that_the_next_run_refuses_it(
    stream: str, skew: int
) -> None:
    with contextlib.closing(Place(ahead=skew)) as place:
        pages = place.read(stream)
    moment = NOON + timedelta(minutes=30)
    assert pages[-1].bookmark == moment
    assert {datetime.fromisoformat(row["synced_at"]) for row in records(pages)} == {moment}
    value = {"replication_key": "synced_at", "replication_key_value": rfc3339(moment)}
    state.check({"bookmarks": {stream: value}}, registry.streams(), NOON, {})


@pytest.mark.parametrize("skew", [-90, 600])
def test_what_the_date_says_counts_and_nothing_else(place: Place, skew: int) -> None:
    place.room.turn("date_header", f"skewed:{skew}")
    assert place.read(wire.DETAILED)[-1].bookmark == NOON + timedelta(seconds=skew)


def test_without_a_date_it_is_when_we_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*args: Any) -> Any:
        place.clock.step(70)
        return stored.load(*args)

    monkeypatch.setattr("inventory_providers.http.load", slowly)
    place.room.turn("date_header", "absent")
    place.room.turn("slow_query", 100)
    assert place.read(wire.INVENTORY)[-1].bookmark == NOON


@pytest.mark.parametrize("date", ["soon", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_a_date_that_is_none_counts_as_absent(
    shop: Shop, session: api.ShipStream, clock: FakeClock, date: str
) -> None:
    clock.step(0.75)
    body = document({"result": []})
    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(body)}\r\n\r\n"
    shop.answers = [Says(raw=head.encode() + body)]
    (page,) = [page for page in api.read_detailed(session, ReadRequest()) if page.bookmark]
    assert page.bookmark == NOON


@given(st.floats(0, 290), st.integers(0, 10**6))
def test_the_time_of_the_read_is_never_after_its_beginning(elapsed: float, begun: int) -> None:
    began = NOON + timedelta(microseconds=begun)
    date = format_datetime(began + timedelta(seconds=elapsed), usegmt=True)
    answer = http.Answer(200, {"date": date}, b"", elapsed)
    found = api._began(answer, NOON)
    assert found.microsecond == 0
    assert began - timedelta(seconds=2) < found <= began


def test_sums_and_warehouses_have_the_time_of_the_first_request(place: Place) -> None:
    place.room.turn("slow_query", 50)
    pages = place.read(wire.INVENTORY, warehouse_ids=[1, 2, 3])
    assert place.clock.now() >= NOON + timedelta(seconds=200)
    found = records(pages)
    assert {row["warehouse_id"] for row in found} == {"0", "1", "2", "3"}
    assert {row["synced_at"] for row in found} == {NOW}
    assert [page.bookmark for page in pages if page.bookmark] == [NOON]
    assert pages[-1].bookmark == NOON


@products
def test_a_read_that_breaks_leaves_no_bookmark(place: Place, stream: str) -> None:
    place.server.inject("shipstream", Fault("status", path="inventory.", status=404, skip=1))
    session = place.session(warehouse_ids=[2])
    pages: list[Page] = []
    with contextlib.suppress(Malformed):
        pages.extend(READ[stream](session, ReadRequest()))
        pages.extend(READ[stream](session, ReadRequest()))
    marks = [page.bookmark for page in pages if page.bookmark]
    assert len(marks) == (1 if stream == wire.DETAILED else 0)


@every_stream
def test_rows_have_no_time_by_which_they_could_count_as_delivered(
    place: Place, stream: str
) -> None:
    """That of the read says nothing of a row: one that went from 3 to 5 and back is news."""
    pages = place.read(stream, warehouse_ids=[2])
    assert records(pages)
    assert [page.times for page in pages if page.times] == []


def test_the_scope_is_the_warehouses_with_rows_of_their_own(place: Place) -> None:
    def scope(**more: Any) -> Sequence[str]:
        return api.scope(settings(place.server.url + PATH, **more))

    assert scope() == []
    assert set(scope(warehouse_ids=[2, 1])) > set(scope(warehouse_ids=[2]))
    scopes = {stream.name: stream.scope for stream in PROVIDER.streams}
    assert scopes == {wire.INVENTORY: api.scope, wire.DETAILED: None, wire.LOTS: None}


def test_only_a_full_read_shows_that_a_sku_is_gone(place: Place) -> None:
    first = place.read(wire.DETAILED)
    place.clock.step(3600)
    place.room.flag(["BlueWidget-1"], visible=False)
    place.room.flag(["BlueWidget-5"], enabled=False)
    since = ReadRequest(since=first[-1].bookmark, lookback=LOOKBACK)
    assert records(place.read(wire.DETAILED, since)) == []
    full = ReadRequest(since=first[-1].bookmark, lookback=LOOKBACK, full=True)
    left = {row["sku"] for row in records(place.read(wire.DETAILED, full))}
    gone = {row["sku"] for row in records(first)} - left
    assert gone == {"BlueWidget-1", "BlueWidget-5"}


@pytest.mark.parametrize("bumps", [False, True])
def test_a_full_read_shows_what_a_bundle_offers(place: Place, bumps: bool) -> None:
    place.room.turn("bom_bumps", bumps)
    first = place.read(wire.DETAILED)
    place.clock.step(3600)
    place.room.bundle(wire.DETAILED, 1)
    since = ReadRequest(since=first[-1].bookmark, lookback=LOOKBACK)
    assert len(records(place.read(wire.DETAILED, since))) == int(bumps)
    place.assert_all(wire.DETAILED, place.read(wire.DETAILED, ReadRequest(full=True)))


# ---- rows ----------------------------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("numbers", ["documented", "int", "string4", "mixed", "fractions"])
@pytest.mark.parametrize("on_hand", ["absent", "present"])
def test_quantities_arrive_in_every_form(
    place: Place, stream: str, numbers: str, on_hand: str
) -> None:
    place.room.turn("numbers", numbers)
    place.room.turn("on_hand", on_hand)
    place.room.turn("unreceived", on_hand == "present")
    place.assert_all(stream, place.read(stream, warehouse_ids=[2]))


def test_the_example_of_the_document_comes_out_of_a_read(place: Place) -> None:
    place.room.turn("documented", "list")
    pages = place.read(wire.INVENTORY)
    expected = json.loads(examples.LIST_ANSWER)["result"]
    more = {"warehouse_id": "0", "qty_on_hand": None, "synced_at": NOW}
    assert records(pages) == [row | more for row in expected]


@products
def test_of_two_rows_with_one_key_the_last_wins(
    place: Place, stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.room.put(stream, {"sku": "BlueWidget-1", "qty_available": 4711})
    found = records(place.read(stream))
    rows = [row for row in found if row["sku"] == "BlueWidget-1"]
    assert [row["qty_available"] for row in rows] == [4711]
    assert "twice" in caplog.text


def test_one_sku_in_two_warehouses_is_not_one_row(place: Place) -> None:
    pages = place.read(wire.INVENTORY, warehouse_ids=[2, 3])
    keys = [(row["sku"], row["warehouse_id"]) for row in records(pages)]
    assert len(keys) == len(set(keys)) == 3 * len({sku for sku, _ in keys})


# ---- warehouses ----------------------------------------------------------------------------------


def test_a_warehouse_that_does_not_exist_is_named(place: Place) -> None:
    with pytest.raises(ConfigError, match=r"shipstream.warehouse_ids") as caught:
        place.read(wire.INVENTORY, warehouse_ids=[2, 17, 9])
    assert "17, 9 is no warehouse; there are 1, 2, 3" in str(caught.value)
    assert ("inventory.list", [None, 2, None]) not in place.called


def test_no_warehouses_are_looked_up_where_none_are_configured(place: Place) -> None:
    place.read(wire.INVENTORY)
    assert [method for method, _ in place.called] == ["inventory.list"]


@pytest.mark.parametrize(
    "answer",
    [
        bad(-32002, "Access denied."),
        bad(-32003, "Invalid api path."),
        good([]),
        good({}),
        good(None),
        good([[], None, {"name": "Warehouse 2"}]),
    ],
)
def test_warehouses_are_read_where_none_may_be_looked_up(place: Place, answer: Says) -> None:
    fault = Fault("body", path="warehouse.list", body=answer.body, times=None)
    armed = place.server.inject("shipstream", fault)
    place.assert_all(wire.INVENTORY, place.read(wire.INVENTORY, warehouse_ids=[2]))
    assert armed.fired == 1


def test_an_outage_while_warehouses_are_looked_up_is_one(place: Place) -> None:
    fault = Fault("status", path="warehouse.list", status=503, times=None)
    place.server.inject("shipstream", fault)
    with pytest.raises(Unavailable):
        place.read(wire.INVENTORY, warehouse_ids=[2])


# ---- the connection test -------------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_a_connection_test_is_one_cheap_request(place: Place, stream: str, limit: int) -> None:
    place.room.turn("lots_gt", "code102")
    place.room.turn("limit_over", "error")
    pages = place.read(stream, ReadRequest(limit=limit), warehouse_ids=[2])
    assert len(records(pages)) == (min(limit, 62) if stream == wire.LOTS else 0) or limit == 1000
    assert all(page.bookmark is None for page in pages)
    assert len(place.called) == 1


@pytest.mark.parametrize(
    ("stream", "method"),
    [(wire.INVENTORY, "inventory.list"), (wire.DETAILED, "inventory.detailed")],
)
def test_a_connection_test_asks_the_method_of_the_stream_for_no_sku_that_there_is(
    place: Place, stream: str, method: str
) -> None:
    """Another method may be allowed where this one is not, and all SKUs are a great answer."""
    assert records(place.read(stream, ReadRequest(limit=1))) == []
    ((called, (skus, *more)),) = place.called
    assert called == method
    assert skus
    assert not set(skus) & {row["sku"] for row in records(place.read(stream))}
    assert more == []


@products
def test_a_connection_test_shows_a_method_that_is_not_allowed(
    shop: Shop, with_login: api.ShipStream, stream: str
) -> None:
    shop.answers = [good("a" * 32), bad(-32002, "Access denied.")]
    with pytest.raises(Denied, match=r"shipstream.username") as caught:
        list(READ[stream](with_login, ReadRequest(limit=1)))
    assert caught.value.partly


@every_stream
def test_a_connection_test_shows_a_wrong_password(place: Place, stream: str) -> None:
    with pytest.raises(Denied):
        place.read(stream, ReadRequest(limit=1), password="another one")


# ---- lots ----------------------------------------------------------------------------------------


@dataclass
class Lots:
    """Lots that come and go while they are read, told in one of the ways that there may be.

    Before each answer but the first the next of `happenings` takes place: the lot at this place
    leaves, None leaves all; a negative place is a lot that comes.
    """

    numbers: list[int]
    gt: str = "obeyed"
    order: str = "number"
    shape: str = "object"
    most: int = 100
    beyond: str = "empty"
    happenings: list[int | None] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        assert method == "inventory.lots"
        if self.asked and self.happenings:
            self._happen(self.happenings.pop(0))
        self.asked.append(arguments)
        filters, options = arguments
        numbers = self._matching(filters)
        limit = min(options["limit"], self.most)
        pages = -(-len(numbers) // limit)
        page = min(options["page"], pages) if self.beyond == "last" else options["page"]
        rows = [
            {"lot_id": str(number), "lot_number": "LOT"}
            for number in numbers[max(page - 1, 0) * limit :][:limit]
        ]
        if self.shape == "array":
            return rows
        return {"results": rows, "totalCount": len(numbers), "numPages": pages}

    def _matching(self, filters: Any) -> list[int]:
        text = {"number": None, "text": str}[self.order]
        numbers = sorted(self.numbers, key=text)
        if filters is None or self.gt == "ignored":
            return numbers
        if self.gt == "refused":
            raise api.FilterRefused("refused with code -32102")
        bound = filters["lot_id"]["gt"] - (self.gt == "inclusive")
        return [number for number in numbers if number > bound]

    def _happen(self, what: int | None) -> None:
        if what is not None and what < 0:
            self.numbers.append(max([*self.numbers, *self.gone, 0]) + 1)
        elif what is not None and self.numbers:
            number = self.numbers[what % len(self.numbers)]
            self.numbers.remove(number)
            self.gone.add(number)

    def read(self) -> list[int]:
        it = object.__new__(api.ShipStream)
        it.call = self.call  # type: ignore[method-assign]
        found = records(list(api.read_lots(it, ReadRequest())))
        return [int(row["lot_id"]) for row in found]

    @property
    def bounds(self) -> list[int]:
        """What the filters asked for, in order."""
        return [filters["lot_id"]["gt"] for filters, _ in self.asked if filters]

    @property
    def pages(self) -> list[int]:
        """The pages that were asked for without a filter."""
        return [options["page"] for filters, options in self.asked if filters is None]


WAYS: dict[str, Any] = {
    "gt": st.sampled_from(["obeyed", "ignored", "inclusive", "refused"]),
    "order": st.sampled_from(["number", "text"]),
    "shape": st.sampled_from(["object", "array"]),
    "beyond": st.sampled_from(["empty", "last"]),
}


@hypothesis_settings(deadline=None)
@given(
    st.builds(
        Lots,
        numbers=st.sets(st.integers(1, 1200), max_size=350).map(sorted),
        most=st.sampled_from([1, 2, 50, 99, 100]),
        **WAYS,
    )
)
@example(Lots([7], gt="ignored", shape="array"))
@example(Lots([7], gt="inclusive", shape="array"))
@example(Lots([], shape="array", beyond="last"))
def test_all_lots_come_however_they_are_told(lots: Lots) -> None:
    expected = list(lots.numbers)
    found = lots.read()
    assert sorted(found) == expected
    assert len(lots.asked) <= 4 * (len(expected) // lots.most + 3)


@hypothesis_settings(deadline=None)
@given(
    st.builds(
        Lots,
        numbers=st.integers(0, 350).map(lambda count: list(range(1, count + 1))),
        happenings=st.lists(st.none() | st.integers(-1, 349), max_size=25),
        **WAYS,
    )
)
@example(Lots([*range(1, 151)], gt="ignored", happenings=[0]))
@example(Lots([*range(1, 151)], gt="refused", happenings=[0, 0, -1]))
@example(Lots([*range(1, 351)], gt="ignored", happenings=[0, 0, 0, None, 0, 0, 0]))
def test_no_lot_that_stood_there_throughout_is_missing(lots: Lots) -> None:
    before = set(lots.numbers)
    try:
        found = lots.read()
    except Malformed as error:
        assert "incomplete" in str(error)  # noqa: PT017 - a list that never rests may be refused
        return
    assert before - lots.gone <= set(found)
    assert len(found) == len(set(found))


def test_a_lot_that_leaves_shifts_nothing_that_is_asked_for_by_number() -> None:
    lots = Lots([*range(1, 351)], happenings=[0, 0, 0, 0])
    assert lots.read() == [*range(1, 351)]
    assert lots.gone == {1, 2, 3}
    assert lots.pages == []


class LeavesAndComes(Lots):
    """For each lot that leaves another one comes."""

    def _happen(self, what: int | None) -> None:
        super()._happen(what)
        if what is not None:
            super()._happen(-1)


def test_one_walk_by_page_proves_nothing() -> None:
    """One leaves and another comes: the totals agree, and one was skipped."""
    lots = LeavesAndComes([*range(1, 151)], gt="refused", happenings=[None, 0])
    found = lots.read()
    assert set(found) == {*range(1, 152)}
    assert lots.pages[:2] == [1, 2]
    assert lots.pages.count(1) >= 2


def test_each_answer_begins_behind_the_one_before() -> None:
    lots = Lots([*range(1, 251)])
    assert lots.read() == [*range(1, 251)]
    assert lots.bounds == [0, 100, 200]
    assert {options["limit"] for _, options in lots.asked} == {100}


def test_a_short_page_is_not_the_end() -> None:
    lots = Lots([*range(1, 251)], most=30)
    assert lots.read() == [*range(1, 251)]
    assert lots.bounds == [*range(0, 241, 30)]


def test_numbers_are_compared_as_numbers() -> None:
    numbers = [8, 9, 10, 11, 98, 99, 100, 101, 998, 1000]
    lots = Lots(numbers, most=2)
    assert lots.read() == numbers
    assert lots.pages == []


def test_numbers_in_the_order_of_text_are_read_by_page() -> None:
    lots = Lots([*range(1, 251)], order="text")
    assert sorted(lots.read()) == [*range(1, 251)]
    assert lots.pages[:3] == [1, 2, 3]


@pytest.mark.parametrize("gt", ["ignored", "refused"])
def test_a_filter_that_is_not_obeyed_is_done_without(gt: str) -> None:
    lots = Lots([*range(1, 351)], gt=gt)
    assert lots.read() == [*range(1, 351)]
    assert lots.pages == [1, 2, 3, 4] * 2


def test_a_filter_that_finds_nothing_proves_nothing() -> None:
    class Blind(Lots):
        """The filter matches no lot."""

        def _matching(self, filters: Any) -> list[int]:
            return [] if filters else super()._matching(filters)

    lots = Blind([*range(1, 151)], shape="array", happenings=[None, None, 0])
    assert lots.read() == [*range(1, 151)]
    assert lots.pages.count(1) >= 2


def test_a_single_page_is_proof_enough() -> None:
    lots = Lots([*range(1, 51)], gt="refused")
    assert lots.read() == [*range(1, 51)]
    assert lots.pages == [1]


def test_a_page_that_says_that_there_are_more_is_not_all() -> None:
    class OfThePage(Lots):
        """`totalCount` is that of the page."""

        def call(self, method: str, arguments: Sequence[Any]) -> Any:
            answer = super().call(method, arguments)
            return answer | {"totalCount": len(answer["results"])}

    lots = OfThePage([*range(1, 251)])
    assert lots.read() == [*range(1, 251)]


def test_the_number_of_pages_is_not_believed_where_lots_are_missing() -> None:
    class OnePage(Lots):
        """`numPages` is that of another page size."""

        def call(self, method: str, arguments: Sequence[Any]) -> Any:
            return super().call(method, arguments) | {"numPages": 1}

    lots = OnePage([*range(1, 251)], gt="refused")
    assert lots.read() == [*range(1, 251)]
    assert lots.pages == [1, 2, 3] * 2


@pytest.mark.parametrize("gt", ["obeyed", "refused"])
def test_fewer_lots_than_announced_are_an_error(gt: str) -> None:
    class Short(Lots):
        """One more is announced than there is."""

        def call(self, method: str, arguments: Sequence[Any]) -> Any:
            answer = super().call(method, arguments)
            return answer | {"totalCount": answer["totalCount"] + 1}

    lots = Short([*range(1, 121)], gt=gt)
    with pytest.raises(Malformed, match="incomplete: 120 lots found, 121 announced") as caught:
        lots.read()
    assert "Run again" in str(caught.value)
    assert lots.bounds.count(0) == 1
    assert lots.pages.count(1) == 3


class Endless(Lots):
    """Every answer has lots that no one has seen before."""

    def call(self, method: str, arguments: Sequence[Any]) -> Any:
        self.numbers = [*range(len(self.asked) * 5 + 1, len(self.asked) * 5 + 6)]
        self.most = 5
        filters, options = arguments
        gt = self.gt if filters else "refused"
        answer = Lots(self.numbers, gt=gt, shape=self.shape)
        self.asked.append(arguments)
        result = answer.call(method, [filters, options | {"page": 1}])
        if isinstance(result, dict):
            result |= {"totalCount": 10**9, "numPages": 10**9}
        return result


@pytest.mark.parametrize("shape", ["object", "array"])
@pytest.mark.parametrize("gt", ["obeyed", "refused"])
def test_lots_without_end_are_left(monkeypatch: pytest.MonkeyPatch, gt: str, shape: str) -> None:
    monkeypatch.setattr(api, "MOST_ANSWERS", 40)
    lots = Endless([], gt=gt, shape=shape)
    with pytest.raises(Malformed, match="no end after 40 answers"):
        lots.read()
    assert len(lots.asked) <= 41


def test_of_two_lots_with_one_number_the_last_wins(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.room.put(wire.LOTS, {"lot_id": "1", "lot_number": "again"})
    found = records(place.read(wire.LOTS))
    assert [row["lot_number"] for row in found if row["lot_id"] == "1"] == ["again"]
    assert "twice" in caplog.text


@pytest.mark.parametrize("shape", ["object", "array"])
@pytest.mark.parametrize("gt", ["obeyed", "ignored", "code102"])
@pytest.mark.parametrize("code", [-32102, -32000])
def test_all_lots_of_the_sandbox_come(shape: str, gt: str, code: int) -> None:
    with contextlib.closing(Place(size=500)) as place:
        place.room.turn("lots_shape", shape)
        place.room.turn("lots_gt", gt)
        place.room.turn("code_102", code)
        pages = place.read(wire.LOTS)
        place.assert_all(wire.LOTS, pages)
        assert not any(page.bookmark for page in pages)
        filters = [arguments[0] for _, arguments in place.called]
        is_proven = gt == "obeyed" and shape == "object"
        assert (None in filters) == (not is_proven)


@pytest.mark.parametrize("shape", ["object", "array"])
@pytest.mark.parametrize("gt", ["obeyed", "ignored", "code102"])
def test_lots_that_leave_between_pages_take_none_along(shape: str, gt: str) -> None:
    with contextlib.closing(Place(size=500)) as place:
        place.room.turn("lots_shape", shape)
        place.room.turn("lots_gt", gt)
        place.room.turn("lots_shift", 5)
        found = {row["lot_id"] for row in records(place.read(wire.LOTS))}
        assert {number for (number,) in place.room.rows(wire.LOTS)} <= found


def test_a_filter_refused_for_another_reason_is_an_error(place: Place) -> None:
    fault = Fault("body", path="inventory.lots", body=bad(-32102, "no").body, times=None)
    place.server.inject("shipstream", fault)
    with pytest.raises(Malformed, match="-32102"):
        place.read(wire.LOTS)
    assert len(place.called) == 2


@every_stream
def test_rows_come_some_at_a_time(stream: str) -> None:
    with contextlib.closing(Place(size=1300)) as place:
        pages = place.read(stream)
    assert max(len(page.lines) for page in pages) == api.PAGE_OF_RECORDS
