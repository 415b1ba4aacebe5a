"""The stand-in of SoStocked: what is asked of a request, and every form of an answer."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import zipfile
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.sandbox.room import Clock, Reply, Request
from inventory_providers.sandbox.server import SandboxServer, rooms
from inventory_providers.sandbox.world import variants
from inventory_providers.sostocked.sandbox import (
    ACCOUNT_ID,
    BEARER_TOKEN,
    BREAKDOWN,
    BREAKDOWN_PLURAL,
    CLIENT_ID,
    CLIENT_SECRET,
    COLUMNS,
    EXPORT,
    OTHER_ACCOUNT_ID,
    OTHER_VIEW_ID,
    PROGRESS,
    SNAPSHOT,
    VIEW_ID,
    Sandbox,
)
from inventory_providers.sostocked.shelf import INVENTORY, SNAPSHOTS, STREAMS, WAREHOUSES
from inventory_providers.sostocked.traits import TRAITS
from tests.inventory_providers.sostocked import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOW = 1_750_000_000.75  # 2025-06-15T15:06:40Z
TODAY = date(2025, 6, 15)
YESTERDAY = "2025-06-14"
DAY = 86_400
CREDENTIALS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "account_id": ACCOUNT_ID,
}
SIGNED = {"authorization": f"Bearer {BEARER_TOKEN}"}
PATHS = {INVENTORY: EXPORT, SNAPSHOTS: SNAPSHOT, WAREHOUSES: BREAKDOWN}
QUANTITIES = ("area_inv_stock", "warehouses")


class StillClock(Clock):
    """Stands still but for its steps."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def step(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def room() -> Sandbox:
    return Sandbox(StillClock(NOW), size=300)


def body_of(stream: str, **changes: Any) -> dict[str, Any]:
    """The document's body for a stream, every column shown."""
    own: dict[str, dict[str, Any]] = {
        INVENTORY: {},
        SNAPSHOTS: {"export_type": "snapshot", "snapshot_date": YESTERDAY},
        WAREHOUSES: {"export_type": "warehouse-breakdown"},
    }
    return examples.EXPORT_BODY | {"columns": shown(*COLUMNS)} | own[stream] | changes


def shown(*names: str) -> list[dict[str, Any]]:
    return [each | {"show": int(each["id"] in names)} for each in examples.COLUMNS]


def post(
    room: Sandbox,
    path: str,
    body: Any,
    *,
    query: Mapping[str, str] = CREDENTIALS,
    headers: Mapping[str, str] = SIGNED,
    method: str = "POST",
) -> Reply:
    told = urlencode(query)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", "host": "127.0.0.1:1", **headers}
    return room.handle(Request(method, f"{path}?{told}", path, told, headers, content, NOW))


def ask(room: Sandbox, stream: str = INVENTORY, **changes: Any) -> Reply:
    return post(room, PATHS[stream], body_of(stream, **changes))


def fetch(room: Sandbox, link: str, headers: Mapping[str, str] = SIGNED) -> Reply:
    parts = urlsplit(link)
    told = {"host": parts.netloc, **headers}
    return room.handle(Request("GET", parts.path, parts.path, parts.query, told, b"", NOW))


def table(reply: Reply) -> list[dict[str, str]]:
    """The rows of a file, by header."""
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


def header(reply: Reply) -> list[str]:
    return next(csv.reader(io.StringIO(reply.body.decode(), newline="")))


def everything(room: Sandbox, stream: str = INVENTORY, **changes: Any) -> list[dict[str, str]]:
    """All pages, one after the other, until one is empty."""
    found: list[dict[str, str]] = []
    for page in range(1, 100):
        rows = table(ask(room, stream, page=page, **changes))
        if not rows:
            return found
        found += rows
    raise AssertionError("there is no end")


def label(name: str) -> str:
    text: str = COLUMNS[name].get("text", "")
    return text


def by_key(stream: str, rows: list[dict[str, str]], day: str = YESTERDAY) -> dict[Any, Any]:
    """Rows by primary key, each with its quantities."""
    last = {SNAPSHOTS: [day]}.get(stream, [])
    names = [label(name) for name in ("area_asins", "area_skus", "areas")]
    found = {}
    for row in rows:
        more = [row["Warehouse"]] if stream == WAREHOUSES else last
        key = (ACCOUNT_ID, *(row[name] for name in names), *more)
        assert key not in found
        found[key] = {name: row[label(name)] or None for name in QUANTITIES}
    return found


def truth(room: Sandbox, stream: str, day: str = YESTERDAY) -> dict[Any, Any]:
    return {
        key: {name: row[name] for name in QUANTITIES}
        for key, row in room.rows(stream).items()
        if stream != SNAPSHOTS or key[-1] == day
    }


def refusal(reply: Reply) -> tuple[int, str]:
    answer = json.loads(reply.body)
    assert answer["code"] == reply.status
    return reply.status, answer["message"]


# The document's own requests, over HTTP


def over_http(
    server: SandboxServer, path: str, body: Any, method: str = "POST"
) -> tuple[int, dict[str, str], bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    headers = {
        "Authorization": f"Bearer {BEARER_TOKEN}",
        "Content-Type": "application/json",
        "Accept": "*/*",
    }
    client.request(method, f"{path}?{urlencode(CREDENTIALS)}", json.dumps(body), headers)
    answer = client.getresponse()
    content = answer.read()
    client.close()
    return answer.status, dict(answer.getheaders()), content


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    clock = StillClock(NOW)
    with SandboxServer(rooms(clock, size=300, names=["sostocked"]), clock=clock) as running:
        yield running


@pytest.mark.parametrize("name", examples.REQUESTS)
def test_every_request_of_the_document_is_answered_with_a_file(
    server: SandboxServer, name: str
) -> None:
    path, body = examples.REQUESTS[name]
    status, headers, content = over_http(server, path, body)
    assert status == 200
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.search(r'"inventory-[0-9a-f-]{36}-48213\.csv"', headers["Content-Disposition"])
    first, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    own = ["Warehouse"] if name == "breakdown" else []
    labels = [label(each) for each in examples.SHOWN]
    assert first == labels[:5] + own + labels[5:]
    assert len(rows) == 250
    assert {len(row) for row in rows} == {len(first)}


def test_the_breakdown_that_is_known_comes_as_it_was_seen(server: SandboxServer) -> None:
    room = server.room("sostocked")
    room.turn("market_column", "marketplace")
    room.turn("cells", ["thousands"])
    columns = shown(
        *("product_name", "area_asins", "area_skus", "area_fn_skus", "warehouses"),
        *("area_inv_stock", "area_inv_inbound", "area_forecast_velocity_adj"),
        "product_total_lost_sales",
    )
    body = examples.BREAKDOWN_BODY | {"columns": columns, "per_page": 1000}
    _, _, content = over_http(server, BREAKDOWN, body)

    def told(text: str) -> list[dict[str, str]]:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return [
            {"lost" if "Total Lost" in name else name: cell for name, cell in row.items()}
            for row in rows
            if row["SKU"] == "BW-1"
        ]

    assert told(content.decode()) == told(examples.BREAKDOWN_FILE)
    assert len(told(examples.BREAKDOWN_FILE)) == 3


def test_json_rows_come_in_the_envelope_that_was_seen(server: SandboxServer) -> None:
    server.room("sostocked").turn("body", "json_rows")
    _, headers, content = over_http(server, EXPORT, examples.EXPORT_BODY)
    assert headers["Content-Type"] == "application/json"
    answer = json.loads(content)
    rows = answer.pop("data")
    assert answer == examples.ENVELOPE | {"total_pages": 2, "total": 414}
    assert list(answer) == list(examples.ENVELOPE)
    assert len(rows) == 250


def test_the_columns_are_those_of_the_document() -> None:
    assert list(COLUMNS.values()) == examples.COLUMNS
    assert len(COLUMNS) == 115
    assert {name for name in COLUMNS if COLUMNS[name]["show"]} == set(examples.SHOWN)
    assert "text" not in COLUMNS["product_total_annual_sales"]
    assert label("days_left_fba_warehouse").endswith(" ")
    for name, total in examples.LIVE_TOTALS.items():
        assert f">{total}</span>" in label(name)


def test_a_whole_run_over_http_takes_the_requests_that_the_traits_tell(
    server: SandboxServer,
) -> None:
    room = server.room("sostocked")
    assert isinstance(room, Sandbox)
    days = sorted({key[-1] for key in room.rows(SNAPSHOTS)})
    assert days == ["2025-06-12", "2025-06-13", YESTERDAY]
    walks = [(INVENTORY, ""), *((SNAPSHOTS, day) for day in days), (WAREHOUSES, "")]
    for stream, day in walks:
        for page in range(1, 100):
            body = body_of(stream, page=page, snapshot_date=day)
            _, _, content = over_http(server, PATHS[stream], body)
            if content.count(b"\r\n") == 1:
                break
    assert len(server.requests("sostocked")) == TRAITS.reads
    assert all(TRAITS.read in each.target for each in server.requests("sostocked"))


# Signing in


def test_settings_and_secrets_are_those_of_the_contract(room: Sandbox) -> None:
    assert room.settings("http://127.0.0.1:1") == {
        "api_url": "http://127.0.0.1:1",
        "bearer_token": BEARER_TOKEN,
        **CREDENTIALS,
        "view_id": VIEW_ID,
        "snapshot_start_date": "2025-06-12",
    }
    assert room.secrets() == [BEARER_TOKEN, CLIENT_SECRET]
    assert all(quote_plus(secret) != secret for secret in room.secrets())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": BEARER_TOKEN},
        {"authorization": f"bearer {BEARER_TOKEN}"},
        {"authorization": f"Bearer {BEARER_TOKEN}x"},
        {"authorization": "Basic c2FuZGJveA=="},
        {"auth0token": BEARER_TOKEN},
    ],
)
def test_a_wrong_token_is_refused(room: Sandbox, headers: dict[str, str]) -> None:
    reply = post(room, EXPORT, body_of(INVENTORY), headers=headers)
    assert refusal(reply) == (401, "Unauthenticated.")


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("value", [None, "", "wrong"])
def test_wrong_credentials_in_the_query_are_refused(
    room: Sandbox, name: str, value: str | None
) -> None:
    query = {each: told for each, told in (CREDENTIALS | {name: value}).items() if told is not None}
    reply = post(room, EXPORT, body_of(INVENTORY), query=query)
    assert refusal(reply)[0] == (403 if name == "account_id" else 401)


def test_dead_token(room: Sandbox) -> None:
    room.turn("dead_token", value=True)
    assert refusal(ask(room))[0] == 401
    room.turn("dead_token", value=False)
    assert table(ask(room))


@pytest.mark.parametrize(
    ("how", "status", "code"), [("401", 401, 401), ("403", 403, 403), ("json_code", 200, 401)]
)
def test_bad_token_answer_as_json(room: Sandbox, how: str, status: int, code: int) -> None:
    room.turn("bad_token_answer", how)
    reply = post(room, EXPORT, body_of(INVENTORY), headers={})
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


@pytest.mark.parametrize(("how", "status"), [("html_login", 200), ("redirect", 302)])
def test_bad_token_answer_as_a_page(room: Sandbox, how: str, status: int) -> None:
    room.turn("bad_token_answer", how)
    reply = post(room, EXPORT, body_of(INVENTORY), headers={})
    assert reply.status == status
    assert b'type="password"' in reply.body
    assert ("Location" in reply.headers) == (how == "redirect")


@pytest.mark.parametrize("where", ["query", "body", "headers"])
def test_credentials_in(room: Sandbox, where: str) -> None:
    room.turn("credentials_in", where)
    ways = {
        "query": lambda: post(room, EXPORT, body_of(INVENTORY)),
        "body": lambda: post(room, EXPORT, body_of(INVENTORY, **CREDENTIALS), query={}),
        "headers": lambda: post(
            room, EXPORT, body_of(INVENTORY), query={}, headers=SIGNED | CREDENTIALS
        ),
    }
    assert {way: reply().status for way, reply in ways.items()} == {
        way: 200 if way == where else 401 for way in ways
    }


def test_an_account_has_its_own_goods_and_its_own_view(room: Sandbox) -> None:
    query = CREDENTIALS | {"account_id": OTHER_ACCOUNT_ID}
    before = room.rows(INVENTORY)
    assert refusal(post(room, EXPORT, body_of(INVENTORY), query=query))[0] == 422
    other = table(post(room, EXPORT, body_of(INVENTORY, view_id=OTHER_VIEW_ID), query=query))
    mine = table(ask(room, per_page=1000))
    assert {row["SKU"] for row in other} < {row["SKU"] for row in mine}
    assert len(other) < len(mine)
    room.touch(INVENTORY, 5)
    again = table(post(room, EXPORT, body_of(INVENTORY, view_id=OTHER_VIEW_ID), query=query))
    assert [list(row.values()) for row in again] == [list(row.values()) for row in other]
    assert room.rows(INVENTORY) != before
    assert refusal(ask(room, view_id=OTHER_VIEW_ID)) == (
        422,
        "The view_id field is no view of this account",
    )


def test_every_address_that_was_asked_for_is_remembered(room: Sandbox) -> None:
    ask(room)
    post(room, "/product-inventories/read", {}, query=CREDENTIALS | {"debug": "1"})
    assert len(room.urls) == 2
    assert all(quote_plus(CLIENT_SECRET) in url for url in room.urls)


def test_an_unknown_query_parameter_is_remembered(room: Sandbox) -> None:
    query = CREDENTIALS | {"token": "x"}
    assert post(room, EXPORT, body_of(INVENTORY), query=query).status == 200
    assert room.undocumented == ["token"]


# What a request is refused for


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("stream", STREAMS)
def test_an_export_takes_post_only(room: Sandbox, stream: str, method: str) -> None:
    reply = post(room, PATHS[stream], body_of(stream), method=method)
    assert refusal(reply)[0] == 405


@pytest.mark.parametrize(
    "path", [BREAKDOWN_PLURAL, "/inventories/export", "/product-inventories/export-snapshot"]
)
def test_what_is_not_there_is_404(room: Sandbox, path: str) -> None:
    assert refusal(post(room, path, body_of(WAREHOUSES)))[0] == 404


def test_breakdown_path(room: Sandbox) -> None:
    room.turn("breakdown_path", "plural")
    assert refusal(ask(room, WAREHOUSES))[0] == 404
    assert table(post(room, BREAKDOWN_PLURAL, body_of(WAREHOUSES)))


@pytest.mark.parametrize("body", [b"", b"page=1", b"[]", b"null", b'{"page":1,}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(room: Sandbox, body: bytes) -> None:
    assert refusal(post(room, EXPORT, body))[0] == 400


def test_a_body_counts_only_under_its_content_type(room: Sandbox) -> None:
    for kind, status in (("text/plain", 400), ("application/json; charset=utf-8", 200)):
        headers = SIGNED | {"content-type": kind}
        assert post(room, EXPORT, body_of(INVENTORY), headers=headers).status == status


@pytest.mark.parametrize("name", examples.EXPORT_BODY)
def test_every_part_of_the_body_is_needed(room: Sandbox, name: str) -> None:
    body = body_of(INVENTORY)
    del body[name]
    status, message = refusal(post(room, EXPORT, body))
    assert status == 422
    assert name in message


def test_no_more_parts_are_taken(room: Sandbox) -> None:
    status, message = refusal(ask(room, download_option="current_view"))
    assert status == 422
    assert "download_option" in message


WRONG: dict[str, list[Any]] = {
    "page": [0, -1, "1", 1.0, True, None],
    "apply_custom_params": [0, True, "1"],
    "view_id": ["316582", 316583, True, None],
    "filters": [{}, [{}], [{"x": "AND", "c": "status_id", "o": "=", "v": 1}], ["status_id"]],
    "group_by": ["product_name", None],
    "order_by": ["area_inv_stock", "", None, ["product_name"]],
    "order_direction": ["asc", "", None, ["ASC"]],
    "per_page": [0, "250", 250.0, True],
    "term": ["shirt", None],
    "export_type": ["snapshot", "warehouse-breakdown", "", None, []],
    "with_inactive": [True, False, "0", 2],
    "snapshot_date": [YESTERDAY, None, 0],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_in_the_body_is_named(room: Sandbox, name: str, value: Any) -> None:
    status, message = refusal(ask(room, **{name: value}))
    assert status == 422
    assert f"The {name} field" in message


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Lost sales"},
        {"show": True},
        {"show": 2},
        {"show": "1"},
        {"params": {}},
        {"params": [1]},
        {"id": "lost_sales"},
        {"id": None},
        {"id": []},
        {"width": 5},
    ],
)
def test_a_column_that_is_not_the_documents_is_refused(
    room: Sandbox, change: dict[str, Any]
) -> None:
    columns = shown("area_skus")
    columns[8] = columns[8] | change
    status, message = refusal(ask(room, columns=columns))
    assert (status, message) == (422, "The columns field is invalid")


def test_columns_are_all_of_them_and_each_once(room: Sandbox) -> None:
    columns = shown("area_skus")
    stripped = [
        {name: part for name, part in each.items() if name != "text" or "<span" not in part}
        for each in columns
    ]
    plain = [each | {"text": each.get("text", "").strip()} for each in columns]
    for wrong in (columns[1:], [*columns, columns[0]], [], [None] * 115, stripped, plain):
        assert refusal(ask(room, columns=wrong))[0] == 422
    assert header(ask(room, columns=columns[::-1])) == ["SKU"]


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(examples.EXPORT_BODY)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
)
def test_whatever_stands_in_a_body_gets_rows_or_a_refusal(name: str, value: Any) -> None:
    assert ask(ROOM, **{name: value}).status in {200, 422}


ROOM = Sandbox(StillClock(NOW), size=5)


# Snapshots


@pytest.mark.parametrize(
    "day",
    ["", "2025-06-15", "2025-06-16", "2099-01-01", "2025-02-30", "2025-6-1", "20250601", "x"],
)
def test_a_snapshot_is_of_a_day_that_is_over(room: Sandbox, day: str) -> None:
    assert refusal(ask(room, SNAPSHOTS, snapshot_date=day))[0] == 422
    assert refusal(ask(room, SNAPSHOTS, snapshot_date=f"{YESTERDAY}T00:00:00Z"))[0] == 422


def test_a_snapshot_is_the_stock_at_the_end_of_its_day(room: Sandbox) -> None:
    room.touch(INVENTORY, 3)
    at_noon = truth(room, INVENTORY)
    room.clock.step(3600)
    assert room.touch(SNAPSHOTS, 3) == []
    at_night = truth(room, INVENTORY)
    assert at_night != at_noon
    room.clock.step(DAY)
    room.touch(INVENTORY, 7)
    kept = by_key(SNAPSHOTS, everything(room, SNAPSHOTS, snapshot_date="2025-06-15"), "2025-06-15")
    assert {key[:-1]: row for key, row in kept.items()} == at_night
    room.clock.step(5 * DAY)
    room.remove(INVENTORY, 40)
    later = everything(room, SNAPSHOTS, snapshot_date="2025-06-15")
    assert by_key(SNAPSHOTS, later, "2025-06-15") == kept


def test_days_that_nothing_happened_on_are_alike(room: Sandbox) -> None:
    room.touch(INVENTORY, 3)
    room.clock.step(4 * DAY)
    rows = room.rows(SNAPSHOTS)
    days = [(TODAY + timedelta(days=n)).isoformat() for n in range(4)]
    first, *others = ([row for key, row in rows.items() if key[-1] == day] for day in days)
    assert all(other == first for other in others)
    assert {key[-1] for key in rows} == {"2025-06-12", "2025-06-13", YESTERDAY, *days}


def test_days_before_the_sandbox_differ_for_some_goods_and_are_the_same_on_every_run(
    room: Sandbox,
) -> None:
    one, other = truth(room, SNAPSHOTS, "2025-06-13"), truth(room, SNAPSHOTS)
    pairs = zip(one.values(), other.values(), strict=True)
    same = [before == after for before, after in pairs]
    assert any(same)
    assert not all(same)
    started_later = Sandbox(StillClock(NOW + 50 * DAY), size=300)
    again = everything(started_later, SNAPSHOTS, snapshot_date=YESTERDAY)
    assert by_key(SNAPSHOTS, again) == other


def test_a_touch_of_the_snapshots_shows_when_today_is_over(room: Sandbox) -> None:
    before = room.rows(SNAPSHOTS)
    keys = [key for key in before if key[-1] == YESTERDAY][:2]
    assert room.touch(SNAPSHOTS, keys=keys) == []
    assert room.remove(SNAPSHOTS, 1) == []
    assert room.rows(SNAPSHOTS) == before
    untouched = truth(Sandbox(StillClock(NOW), size=300), INVENTORY)
    room.clock.step(DAY)
    today = truth(room, SNAPSHOTS, TODAY.isoformat())
    differ = {key[:4] for key, row in today.items() if untouched[key[:4]] != row}
    assert keys[1][:4] in differ
    assert keys[0][:4] not in {key[:4] for key in today}


def test_snapshot_lag_days(room: Sandbox) -> None:
    room.turn("snapshot_lag_days", 2)
    assert {key[-1] for key in room.rows(SNAPSHOTS)} == {"2025-06-12"}
    for day, rows in ((YESTERDAY, 0), ("2025-06-13", 0), ("2025-06-12", 250)):
        assert len(table(ask(room, SNAPSHOTS, snapshot_date=day))) == rows
    room.clock.step(DAY)
    assert {key[-1] for key in room.rows(SNAPSHOTS)} == {"2025-06-12", "2025-06-13"}


def test_snapshot_fail_on(room: Sandbox) -> None:
    room.turn("snapshot_fail_on", "2025-06-13")
    assert refusal(ask(room, SNAPSHOTS, snapshot_date="2025-06-13"))[0] == 500
    assert table(ask(room, SNAPSHOTS, snapshot_date="2025-06-12"))
    assert table(ask(room))


# What comes


@pytest.mark.parametrize("stream", STREAMS)
def test_a_walk_over_the_pages_gives_every_row_as_it_is(room: Sandbox, stream: str) -> None:
    rows = everything(room, stream)
    assert by_key(stream, rows) == truth(room, stream)
    assert len(rows) > 250


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("form", ["csv", "json_rows"])
def test_rows_are_what_is_sent_under_the_present_form(
    room: Sandbox, stream: str, form: str
) -> None:
    room.turn("body", form)
    reply = ask(room, stream, per_page=1000)
    labels = {label(name): name for name in COLUMNS} | {"Warehouse": "warehouse"}
    if form == "csv":
        plain = {re.sub(r">[0-9.,]+", ">", text): name for text, name in labels.items()}
        sent = [
            {plain[re.sub(r">[0-9.,]+", ">", text)]: cell or None for text, cell in row.items()}
            for row in table(reply)
        ]
    else:
        sent = json.loads(reply.body)["data"]
    told = [
        row for key, row in room.rows(stream).items() if stream != SNAPSHOTS or key[4] == YESTERDAY
    ]
    assert sorted(sent, key=str) == sorted(told, key=str)


def test_there_is_one_row_per_variant_and_market(room: Sandbox) -> None:
    rows = room.rows(INVENTORY)
    for variant in variants(300):
        mine = [row for row in rows.values() if row["area_skus"] == variant.sku]
        assert mine[0]["area_inv_stock"] == str(variant.stock)
        for row in mine:
            assert (row["area_asins"], row["area_fn_skus"]) == (variant.asin, variant.fn_sku)
            assert row["product_name"] == variant.name
    markets = [key[3] for key in rows]
    assert {market: markets.count(market) for market in set(markets)} == {
        "US": 301,
        "CA": 100,
        "MX": 13,
    }


def test_the_breakdown_repeats_the_numbers_of_a_market(room: Sandbox) -> None:
    rows = room.rows(WAREHOUSES)
    assert {key[-1] for key in rows} == {"Amazon AWD", "ShipBob GA", ""}
    first = [row for key, row in rows.items() if key[2] == "312033"]
    assert [row["warehouse"] for row in first] == ["Amazon AWD", "ShipBob GA"]
    assert first[0]["area_inv_stock"] == first[1]["area_inv_stock"]
    assert first[0]["warehouses"] != first[1]["warehouses"]
    for key, row in rows.items():
        assert (row["warehouses"] is None) == (key[-1] == "")
        assert key[3] != "MX" or key[-1] == ""


def test_totals_agree_with_their_parts(room: Sandbox) -> None:
    rows = list(room.rows(INVENTORY).values())
    for row in rows:
        mine = [other for other in rows if other["area_skus"] == row["area_skus"]]
        assert int(row["product_inv_fba_stock"]) == sum(int(r["area_inv_stock"]) for r in mine)
        assert row["warehouses"] == row["product_inv_fbm_stock"]


def test_only_columns_that_are_shown_come_in_the_order_sent(room: Sandbox) -> None:
    columns = shown("area_inv_stock", "area_skus", "areas")
    assert header(ask(room, columns=columns)) == ["SKU", "FBA Available Stock", "Market / Region"]
    backwards = ask(room, columns=columns[::-1])
    assert header(backwards) == ["Market / Region", "FBA Available Stock", "SKU"]


def test_headers_are_the_labels_sent_with_totals_that_move(room: Sandbox) -> None:
    first, second = header(ask(room)), header(ask(room))
    assert len(first) == 115
    for sent, before, after in zip(COLUMNS.values(), first, second, strict=True):
        text = sent.get("text", "")
        if sent["id"] not in examples.LIVE_TOTALS:
            assert before == after == text
            continue
        assert len({text, before, after}) == 3
        number = examples.LIVE_TOTALS[sent["id"]].strip()
        shape = re.escape(text).replace(re.escape(number), r"[0-9,]+(\.[0-9]{2})?")
        assert re.fullmatch(shape, before)
        assert re.fullmatch(shape, after)


def test_the_column_without_a_text_has_an_empty_header(room: Sandbox) -> None:
    columns = shown("area_skus", "product_total_annual_sales")
    assert header(ask(room, columns=columns)) == ["SKU", ""]


@pytest.mark.parametrize(
    ("where", "headers"),
    [
        ("areas", ["SKU", "Market / Region"]),
        ("marketplace", ["SKU", "Marketplace"]),
        ("both", ["SKU", "Marketplace", "Market / Region"]),
        ("none", ["SKU"]),
    ],
)
def test_market_column(room: Sandbox, where: str, headers: list[str]) -> None:
    room.turn("market_column", where)
    assert header(ask(room, columns=shown("area_skus", "areas"))) == headers
    keys = list(room.rows(INVENTORY))
    assert {key[3] for key in keys} == ({""} if where == "none" else {"US", "CA", "MX"})
    row = next(iter(room.rows(INVENTORY).values()))
    assert ("areas" in row, "marketplace" in row) == (
        where in {"areas", "both"},
        where in {"marketplace", "both"},
    )


def test_honours_show(room: Sandbox) -> None:
    room.turn("honours_show", value=False)
    names = header(ask(room, columns=shown("area_skus")))
    row = next(iter(room.rows(INVENTORY).values()))
    assert names == [label(name) for name in COLUMNS if name in row]
    assert {"SKU", "ASIN", "Market / Region", "Warehouse Stock"} < set(names)
    assert len(names) == 15


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ("sku", {"SKU"}),
        ("asin", {"ASIN"}),
        ("both", {"SKU", "ASIN"}),
        ("market", {"Market / Region"}),
    ],
)
def test_missing_columns(room: Sandbox, missing: str, gone: set[str]) -> None:
    before = header(ask(room, columns=shown("area_skus", "area_asins", "areas")))
    room.turn("missing_columns", missing)
    after = header(ask(room, columns=shown("area_skus", "area_asins", "areas")))
    assert set(before) - set(after) == gone
    part = {"sku": 2, "asin": 1, "both": 2, "market": 3}[missing]
    assert {key[part] for key in room.rows(INVENTORY)} == {""}


def test_goods_that_are_not_active_need_both_ways_to_be_asked_for(room: Sandbox) -> None:
    both: dict[str, Any] = {"with_inactive": 1, "filters": []}

    def count(**changes: Any) -> int:
        return len(table(ask(room, per_page=1000, **changes)))

    active = count()
    assert active == len(room.rows(INVENTORY)) == 414
    assert count(with_inactive=1) == count(filters=[]) == active
    everyone = table(ask(room, per_page=1000, **both))
    assert len(everyone) > active
    old = [row for row in everyone if row["SKU"].endswith("-OLD")]
    assert len(old) == len(everyone) - active
    snapshot = table(ask(room, SNAPSHOTS, per_page=1000, **both))
    assert len(snapshot) == len(everyone)


@pytest.mark.parametrize(
    ("operator", "value", "rows"),
    [
        ("=", "1", True),
        ("EQUAL", "1", True),
        ("=", "0", False),
        ("!=", "1", False),
        ("!=", "0", True),
        ("NOT IN", "0,2", True),
        ("NOT IN", "0,1", False),
    ],
)
def test_the_filter_compares_the_status(
    room: Sandbox, operator: str, value: str, *, rows: bool
) -> None:
    filters = [{"x": "AND", "c": "status_id", "o": operator, "v": value}]
    assert bool(table(ask(room, filters=filters))) is rows


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("column", ["product_name", "area_skus", "area_asins", "area_fn_skus"])
def test_rows_are_sorted_as_asked(room: Sandbox, column: str, direction: str) -> None:
    rows = everything(room, order_by=column, order_direction=direction)
    names = [row[label(column)] for row in rows]
    assert names == sorted(names, reverse=direction == "DESC")


def test_a_collapsed_export_has_one_row_per_product(room: Sandbox) -> None:
    rows = everything(room, export_type="collapsed")
    assert len(rows) == 301
    parts = room.rows(INVENTORY)
    for row in rows:
        mine = [each for key, each in parts.items() if key[2] == row["SKU"]]
        assert row["Market / Region"] == "+".join(each["areas"] for each in mine)
        total = sum(int(each["area_inv_stock"]) for each in mine)
        assert int(row["FBA Available Stock"]) == total


def test_collapsed_rows(room: Sandbox) -> None:
    room.turn("collapsed_rows", value=True)
    assert by_key(INVENTORY, everything(room)) == truth(room, INVENTORY)
    assert len(room.rows(INVENTORY)) == 301
    changed = room.touch(INVENTORY, 3)
    assert len(changed) == 3
    assert room.remove(INVENTORY, 3) != []
    assert len(room.rows(INVENTORY)) == 298
    assert len(everything(room, WAREHOUSES)) > 301


# Pages


def skus(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["SKU"], row["Market / Region"]) for row in rows]


def test_pages_are_cut_as_asked_and_end_with_an_empty_one(room: Sandbox) -> None:
    whole = skus(table(ask(room, per_page=1000)))
    pages = [skus(table(ask(room, page=page, per_page=100))) for page in range(1, 8)]
    assert [len(page) for page in pages] == [100, 100, 100, 100, 14, 0, 0]
    assert [row for page in pages for row in page] == whole
    assert ask(room, page=99, columns=shown("area_skus")).body == b"SKU\r\n"


def test_paging_ignored(room: Sandbox) -> None:
    room.turn("paging", "ignored")
    pages = [skus(table(ask(room, page=page, per_page=10))) for page in (1, 2, 50)]
    assert [len(page) for page in pages] == [414, 414, 414]
    assert pages[0] == pages[1] == pages[2]
    room.turn("body", "json_rows")
    assert json.loads(ask(room, page=2).body)["total_pages"] == 1


def test_paging_capped(room: Sandbox) -> None:
    whole = skus(everything(room))
    room.turn("paging", "capped:40")
    assert [len(table(ask(room, page=page))) for page in (1, 2, 11)] == [40, 40, 14]
    assert skus(everything(room)) == whole
    assert len(table(ask(room, per_page=7))) == 7


def test_paging_duplicate_at_border(room: Sandbox) -> None:
    whole = skus(everything(room))
    room.turn("paging", "duplicate_at_border")
    pages = [skus(table(ask(room, page=page, per_page=100))) for page in range(1, 7)]
    assert [len(page) for page in pages] == [100, 100, 100, 100, 18, 0]
    for before, after in pairwise(pages[:5]):
        assert before[-1] == after[0]
    assert list(dict.fromkeys(row for page in pages for row in page)) == whole


def test_paging_tie_shuffle_loses_rows_to_whoever_pages(room: Sandbox) -> None:
    room.turn("paging", "tie_shuffle")
    rows = everything(room, per_page=10)
    names = [row["Product Name"] for row in rows]
    assert names == sorted(names)
    assert len(rows) == 414
    assert len(set(skus(rows))) < 414


@pytest.mark.parametrize(
    ("how", "pages"), [("honoured", 5), ("capped:40", 11), ("duplicate_at_border", 5)]
)
def test_json_tells_how_many_pages_and_rows_there_are(room: Sandbox, how: str, pages: int) -> None:
    room.turn("body", "json_rows")
    room.turn("paging", how)
    for page in (1, pages):
        answer = json.loads(ask(room, page=page, per_page=100).body)
        assert (answer["total_pages"], answer["total"]) == (pages, 414)
        assert answer["data"]
    assert json.loads(ask(room, page=pages + 1, per_page=100).body)["data"] == []


def test_an_export_without_rows_has_one_page(room: Sandbox) -> None:
    room.turn("body", "json_rows")
    filters = [{"x": "AND", "c": "status_id", "o": "=", "v": "9"}]
    for how in ("honoured", "duplicate_at_border"):
        room.turn("paging", how)
        answer = json.loads(ask(room, filters=filters).body)
        assert answer == {"code": 200, "total_pages": 1, "total": 0, "data": []}


# The form of the answer


def test_body_csv_bom(room: Sandbox) -> None:
    plain = ask(room)
    room.turn("body", "csv_bom")
    marked = ask(room)
    assert marked.body.startswith(b"\xef\xbb\xbfProduct Image,")
    assert not plain.body.startswith(b"\xef")
    assert marked.body.decode("utf-8-sig").splitlines()[1:] == plain.body.decode().splitlines()[1:]


def test_body_json_rows_has_numbers_by_column_id(room: Sandbox) -> None:
    texts = room.rows(WAREHOUSES)
    room.turn("body", "json_rows")
    rows = room.rows(WAREHOUSES)
    assert texts.keys() == rows.keys()
    for key, row in rows.items():
        assert type(row["area_inv_stock"]) is int
        assert str(row["area_inv_stock"]) == texts[key]["area_inv_stock"]
        assert row["warehouses"] is None or type(row["warehouses"]) is int
        assert row["area_skus"] == texts[key]["area_skus"]


def linked(room: Sandbox, **changes: Any) -> str:
    answer = json.loads(ask(room, **changes).body)
    assert answer.keys() == {"code", "url"}
    assert answer["code"] == 200
    link: str = answer["url"]
    return link


def test_body_json_link_leads_to_the_file(room: Sandbox) -> None:
    plain = table(ask(room, page=2))
    room.turn("body", "json_link")
    link = linked(room, page=2)
    assert re.fullmatch(r"http://127.0.0.1:1/downloads/inventory-[0-9a-f-]{36}-48213\.csv", link)
    assert skus(table(fetch(room, link))) == skus(plain)
    assert refusal(fetch(room, link, {}))[0] == 401
    assert refusal(fetch(room, link + "x"))[0] == 404
    room.settings("http://shop.example/base")
    assert linked(room).startswith("http://shop.example/base/downloads/")


def test_a_file_keeps_what_was_in_it(room: Sandbox) -> None:
    room.turn("body", "json_link")
    link = linked(room)
    before = fetch(room, link).body
    room.touch(INVENTORY, 300)
    assert fetch(room, link).body == before


def test_a_link_to_another_host_takes_no_credentials(server: SandboxServer) -> None:
    room = server.room("sostocked")
    assert isinstance(room, Sandbox)
    room.turn("body", "json_link")
    room.turn("link_host", f"http://localhost:{server.port}")
    _, _, content = over_http(server, EXPORT, examples.EXPORT_BODY)
    link = json.loads(content)["url"]
    assert link.startswith(f"http://localhost:{server.port}/downloads/")
    assert len(table(fetch(room, link, {}))) == 250
    assert refusal(fetch(room, link))[0] == 400
    for name in CREDENTIALS:
        assert refusal(fetch(room, f"{link}?{name}=x", {}))[0] == 400


@pytest.mark.parametrize("status", [200, 202])
def test_body_json_job_ends_with_a_link(room: Sandbox, status: int) -> None:
    room.turn("body", "json_job")
    room.turn("job_polls", 3)
    room.turn("job_status", status)
    reply = ask(room)
    begun = json.loads(reply.body)
    assert reply.status == status
    assert begun == {"code": status, "job_id": begun["job_id"], "progress": 0}
    address = f"http://127.0.0.1:1{PROGRESS}{begun['job_id']}?{urlencode(CREDENTIALS)}"
    answers = [json.loads(fetch(room, address).body) for _ in range(4)]
    assert [answer["progress"] for answer in answers] == [34, 67, 100, 100]
    assert [list(answer) for answer in answers[:2]] == [["code", "job_id", "progress"]] * 2
    assert len(table(fetch(room, answers[2]["url"]))) == 250
    assert answers[3] == answers[2]


def test_a_file_is_not_there_before_its_job_is_done(room: Sandbox) -> None:
    room.turn("body", "json_job")
    job = json.loads(ask(room).body)["job_id"]
    file = f"http://127.0.0.1:1/downloads/inventory-{job}-48213.csv"
    assert refusal(fetch(room, file))[0] == 404
    poll = f"http://127.0.0.1:1{PROGRESS}{job}"
    assert refusal(fetch(room, poll))[0] == 401
    signed = f"{poll}?{urlencode(CREDENTIALS)}"
    assert refusal(fetch(room, signed, {}))[0] == 401
    assert refusal(fetch(room, signed.replace(job, "0")))[0] == 404
    assert refusal(post(room, f"{PROGRESS}{job}", {}))[0] == 405


@pytest.mark.parametrize("code", [401, 403, 500, 600])
def test_body_json_code_is_a_failure_with_status_200(room: Sandbox, code: int) -> None:
    room.turn("body", "json_code")
    room.turn("code", code)
    reply = ask(room)
    assert reply.status == 200
    assert json.loads(reply.body) == {"code": code, "message": "The export failed"}


def test_body_xlsx_is_a_spreadsheet(room: Sandbox) -> None:
    room.turn("body", "xlsx")
    reply = ask(room)
    assert reply.body.startswith(b"PK\x03\x04")
    assert reply.headers["Content-Type"].endswith("spreadsheetml.sheet")
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        assert "xl/workbook.xml" in archive.namelist()


def test_body_html_login(room: Sandbox) -> None:
    room.turn("body", "html_login")
    reply = ask(room)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    assert b"<form" in reply.body
    assert b'type="password"' in reply.body


def test_body_empty(room: Sandbox) -> None:
    room.turn("body", "empty")
    reply = ask(room)
    assert (reply.status, reply.body) == (200, b"")


def test_body_header_only_has_no_rows(room: Sandbox) -> None:
    room.turn("body", "header_only")
    for stream in STREAMS:
        assert table(ask(room, stream)) == []
        assert "SKU" in header(ask(room, stream))
        assert room.rows(stream) == {}


@pytest.mark.parametrize("form", Sandbox.switches["body"].choices)
def test_whatever_the_form_a_wrong_request_is_refused(room: Sandbox, form: str) -> None:
    room.turn("body", form)
    assert refusal(ask(room, page=0))[0] == 422
    assert refusal(post(room, EXPORT, body_of(INVENTORY), headers={}))[0] == 401


# Odd cells and rows


def cell(room: Sandbox, sku: str, name: str, stream: str = INVENTORY) -> str:
    rows = everything(room, stream)
    return next(row[label(name)] for row in rows if row["SKU"] == sku)


def test_cells_thousands(room: Sandbox) -> None:
    plain = truth(room, INVENTORY)
    room.turn("cells", "thousands")
    grouped = truth(room, INVENTORY)
    assert by_key(INVENTORY, everything(room)) == grouped
    stock = [row["warehouses"] for row in grouped.values()]
    assert any("," in each for each in stock)
    assert [each.replace(",", "") for each in stock] == [
        row["warehouses"] for row in plain.values()
    ]
    room.turn("body", "json_rows")
    assert all(type(row["warehouses"]) is int for row in room.rows(INVENTORY).values())


@pytest.mark.parametrize(
    ("kind", "stream", "part"), [("blank_market", INVENTORY, 3), ("blank_warehouse", WAREHOUSES, 4)]
)
def test_cells_with_a_blank_key_part(room: Sandbox, kind: str, stream: str, part: int) -> None:
    before = room.rows(stream)
    room.turn("cells", [kind])
    after = room.rows(stream)
    blank = [key for key in after if key not in before]
    assert blank
    assert {key[part] for key in blank} == {""}
    assert len(after) == len(before)
    assert by_key(stream, everything(room, stream)) == truth(room, stream)


def test_cells_nan(room: Sandbox) -> None:
    room.turn("cells", ["nan"])
    rows = everything(room)
    assert {"NaN"} < {row["Adj. Velocity"] for row in rows}
    assert {"NaN"} < {row["FBA Reserved (FC's only)"] for row in rows}
    assert "NaN" not in {row["FBA Available Stock"] for row in rows}
    room.turn("body", "json_rows")
    assert b"NaN" not in ask(room).body


def test_cells_scientific(room: Sandbox) -> None:
    sku = variants(1)[0].sku
    assert cell(room, sku, "product_upc_barcode") == variants(1)[0].gtin
    room.turn("cells", ["scientific"])
    assert re.fullmatch(r"[0-9]\.[0-9]{5}E\+12", cell(room, sku, "product_upc_barcode"))


def test_cells_stacked_skus(room: Sandbox) -> None:
    room.turn("cells", ["stacked_skus"])
    keys = list(room.rows(INVENTORY))
    assert any("\n" in key[2] for key in keys)
    assert any("\n" in key[1] for key in keys)
    assert by_key(INVENTORY, everything(room)) == truth(room, INVENTORY)


def test_cells_line_break(room: Sandbox) -> None:
    room.turn("cells", ["line_break", "thousands"])
    names = {row["Product Name"] for row in everything(room)}
    assert any("\n" in name for name in names)
    assert names == {row["product_name"] for row in room.rows(INVENTORY).values()}


@pytest.mark.parametrize(
    ("how", "differs"),
    [
        ("equal", set[str]()),
        ("different", {"area_fn_skus"}),
        ("different_name", {"product_name"}),
        ("different_stock", {"area_inv_stock", "warehouses"}),
    ],
)
@pytest.mark.parametrize("stream", STREAMS)
def test_same_key_rows(room: Sandbox, stream: str, how: str, differs: set[str]) -> None:
    room.turn("same_key_rows", how)
    room.turn("body", "json_rows")
    rows = json.loads(ask(room, stream, per_page=1000).body)["data"]
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        key = tuple(row.get(name) for name in ("area_asins", "area_skus", "areas", "warehouse"))
        groups.setdefault(key, []).append(row)
    pairs = [group for group in groups.values() if len(group) == 2]
    assert len(pairs) == 3
    for one, other in pairs:
        names = {name for name in one if one[name] != other[name]}
        assert differs <= names
        assert names == differs or how == "different_stock"


# What goes wrong before


def test_rate_limit(room: Sandbox) -> None:
    room.turn("rate_limit", 3)
    assert [ask(room).status for _ in range(4)] == [200, 200, 200, 429]
    assert ask(room).headers["Retry-After"] == "1"
    room.clock.step(1)
    assert ask(room).status == 200


def test_status_gives_one_answer_each_and_then_is_good(room: Sandbox) -> None:
    room.turn("status", [429, 500, "reset", 503, "slow"])
    assert [ask(room).status for _ in range(2)] == [429, 500]
    assert ask(room).lost == "reset_before_headers"
    assert refusal(ask(room))[0] == 503
    assert ask(room).lost == "hang"
    assert len(table(ask(room))) == 250
    assert room.switches["status"].off == []


# The room as the tests' tool


def test_every_switch_is_there() -> None:
    assert set(Sandbox.switches) >= {
        "body",
        "paging",
        "breakdown_path",
        "credentials_in",
        "honours_show",
        "collapsed_rows",
        "snapshot_lag_days",
        "bad_token_answer",
        "rate_limit",
        "cells",
        "missing_columns",
        "same_key_rows",
        "snapshot_fail_on",
        "status",
        "market_column",
    }
    assert all(switch.help for switch in Sandbox.switches.values())


def test_switches_with_wrong_names_or_values_are_refused(room: Sandbox) -> None:
    with pytest.raises(KeyError, match="page"):
        room.turn("page", 1)
    wrong = {
        "paging": ("capped:0", "capped:", "capped:x", "cap", 5),
        "body": ("json",),
        "cells": (["commas"],),
        "rate_limit": ("1",),
        "status": ([418],),
    }
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match="must be"):
                room.turn(name, value)
    assert room.set == {}


@pytest.mark.parametrize("stream", [INVENTORY, WAREHOUSES])
def test_touch_gives_the_keys_of_all_rows_that_differ_now(room: Sandbox, stream: str) -> None:
    [level] = TRAITS.streams[stream].levels.values()
    for count in (1, 20):
        before = room.rows(stream)
        changed = room.touch(stream, count)
        after = room.rows(stream)
        assert len(changed) >= count
        assert {key for key in before if before[key] != after[key]} == set(changed)
        assert all(before[key][level] != after[key][level] for key in changed)
        assert by_key(stream, everything(room, stream)) == truth(room, stream)


@pytest.mark.parametrize("stream", [INVENTORY, WAREHOUSES])
def test_touch_takes_keys(room: Sandbox, stream: str) -> None:
    wanted = [key for key in room.rows(stream) if key[-1]][7:9]
    assert set(wanted) <= set(room.touch(stream, keys=wanted))


def test_touch_sells_rows_that_were_delivered_in_turn(room: Sandbox) -> None:
    assert room.touch(INVENTORY)[0][2] == variants(1)[0].sku
    rows = table(ask(room, per_page=3, order_by="area_skus", order_direction="DESC"))
    delivered = [row["SKU"] for row in rows]
    assert delivered[0] == "BW-1"
    assert [key[2] for key in room.touch(INVENTORY, 1)] == ["BW-1", "BW-1"]
    touched = [{key[2] for key in room.touch(INVENTORY, 1)} for _ in range(2)]
    assert touched == [{"BW-1"}, {delivered[2]}]


def test_touch_moves_the_time_of_the_fba_stock_only(room: Sandbox) -> None:
    key = next(iter(room.rows(INVENTORY)))
    before = room.rows(INVENTORY)[key]["area_inv_updated_at"]
    room.touch(WAREHOUSES, 5)
    assert room.rows(INVENTORY)[key]["area_inv_updated_at"] == before
    room.touch(INVENTORY, 5)
    assert room.rows(INVENTORY)[key]["area_inv_updated_at"] == "2025-06-15 15:06:40"


@pytest.mark.parametrize("stream", [INVENTORY, WAREHOUSES])
def test_remove_takes_so_many_rows_out(room: Sandbox, stream: str) -> None:
    before = room.rows(stream)
    gone = room.remove(stream, 7)
    assert len(gone) == 7
    assert room.rows(stream).keys() == before.keys() - set(gone)
    assert by_key(stream, everything(room, stream)) == truth(room, stream)


def test_remove_takes_rows_that_were_delivered_first(room: Sandbox) -> None:
    rows = table(ask(room, order_direction="DESC", per_page=4))
    assert [key[2:4] for key in room.remove(INVENTORY, 3)] == skus(rows)[:3]
    assert [key[2:4] for key in room.remove(INVENTORY, 3)] == skus(rows)[3:]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("form", ["csv", "json_rows"])
def test_put_adds_rows_however_wrong(room: Sandbox, stream: str, form: str) -> None:
    room.turn("body", form)
    before = len(room.rows(stream))
    per_day = 3 if stream == SNAPSHOTS else 1
    first = next(iter(room.rows(stream).values()))
    shape = TRAITS.streams[stream]
    wire = shape.other(first, 1) | {"area_inv_stock": 2**63, "product_name": None}
    room.put(stream, wire)
    assert len(room.rows(stream)) == before + per_day
    key = next(key for key in room.rows(stream) if key[2] == wire["area_skus"])
    told = 2**63 if form == "json_rows" else str(2**63)
    assert room.rows(stream)[key]["area_inv_stock"] == told
    room.put(stream, first)
    room.put(stream, {"area_skus": ["a", 1], "nowhere": {"known": 1}})
    assert len(room.rows(stream)) >= before + per_day
    reply = ask(room, stream, per_page=2000)
    sent = json.loads(reply.body)["data"] if form == "json_rows" else table(reply)
    assert len(sent) == before // per_day + 3
    if form == "json_rows":
        assert {"area_skus": ["a", 1], "nowhere": {"known": 1}} in sent
        assert len(room.rows(stream)) == before + per_day
    room.touch(stream, 1000)


def test_a_row_put_into_one_day_stands_in_no_other(room: Sandbox) -> None:
    row = next(iter(room.rows(SNAPSHOTS).values()))
    other = TRAITS.streams[SNAPSHOTS].other(row, 5)
    room.put(SNAPSHOTS, other | {"snapshot_date": "2025-06-13"})
    days = [key[-1] for key in room.rows(SNAPSHOTS) if key[2] == other["area_skus"]]
    assert days == ["2025-06-13"]
    skus = [row["SKU"] for row in everything(room, SNAPSHOTS, snapshot_date="2025-06-13")]
    assert other["area_skus"] in skus
    assert other["area_skus"] not in {row["SKU"] for row in everything(room, SNAPSHOTS)}


def test_a_row_that_was_put_in_is_sold_and_removed_like_the_others(room: Sandbox) -> None:
    row = next(iter(room.rows(INVENTORY).values()))
    room.put(INVENTORY, TRAITS.streams[INVENTORY].other(row, 5) | {"area_inv_stock": "3"})
    [key] = [key for key in room.rows(INVENTORY) if key[2] == "900005"]
    assert room.touch(INVENTORY, keys=[key]) == [key]
    assert room.rows(INVENTORY)[key]["area_inv_stock"] == "2"
    ask(room, order_by="area_skus", order_direction="DESC", per_page=2000)
    assert key in room.remove(INVENTORY, 500)


def test_half_a_character_is_sent_as_it_is(room: Sandbox) -> None:
    row = next(iter(room.rows(INVENTORY).values()))
    room.put(INVENTORY, TRAITS.streams[INVENTORY].other(row, 5) | {"product_name": "cut \ud83d"})
    reply = ask(room, per_page=1000)
    assert b"cut \xed\xa0\xbd" in reply.body
    room.turn("body", "json_rows")
    sent = json.loads(ask(room, per_page=1000).body)["data"]
    assert "cut \ud83d" in {row["product_name"] for row in sent}


def test_other_makes_rows_under_keys_of_their_own(room: Sandbox) -> None:
    for stream in STREAMS:
        key, row = next(iter(room.rows(stream).items()))
        others = [TRAITS.streams[stream].other(row, n) for n in range(150)]
        assert len({other["area_skus"] for other in others}) == 150
        assert key[2] not in {other["area_skus"] for other in others}


def test_the_traits_speak_of_this_room(room: Sandbox) -> None:
    assert set(TRAITS.streams) == set(STREAMS)
    for name, value in [*TRAITS.refusals.values(), TRAITS.json or ("", "")]:
        room.switches[name].accept(value)
    good = ask(room).body
    for edit, named in TRAITS.undocumented.values():
        assert edit(good) != good
        assert named
    assert json.loads(TRAITS.failure)["code"] not in range(100, 600)


@pytest.mark.parametrize("name", TRAITS.refusals)
def test_refusals_refuse_the_very_first_request(room: Sandbox, name: str) -> None:
    room.turn(*TRAITS.refusals[name])
    reply = ask(room)
    assert reply.status == 401 or b'"code": 401' in reply.body or b"<form" in reply.body


def test_only_the_providers_own_streams_and_paths_are_served(room: Sandbox) -> None:
    for call in (room.rows, room.touch, room.remove):
        with pytest.raises(KeyError):
            call("inventory_levels")
    with pytest.raises(KeyError):
        room.put("inventory_levels", {})
    for path in ("/inventory/overview", "/api/jsonrpc", "/fba/inventory/v1/summaries", "/"):
        assert not room.serves(path)
    for path in (*PATHS.values(), BREAKDOWN_PLURAL, PROGRESS):
        assert room.serves(path)


def test_reset_begins_again(room: Sandbox) -> None:
    before = {stream: room.rows(stream) for stream in STREAMS}
    room.turn("body", "empty")
    ask(room)
    room.touch(WAREHOUSES, 5)
    room.remove(INVENTORY, 20)
    room.put(SNAPSHOTS, {"area_skus": "x"})
    room.reset()
    assert {stream: room.rows(stream) for stream in STREAMS} == before
    assert table(ask(room))
    assert len(room.urls) == 1


@pytest.mark.parametrize("size", [1, 5, 2000])
def test_every_size_has_all_streams(size: int) -> None:
    room = Sandbox(StillClock(NOW), size=size)
    columns = shown("area_asins", "area_skus", "areas", *QUANTITIES)
    for stream in STREAMS:
        sent = by_key(stream, everything(room, stream, per_page=1000, columns=columns))
        assert sent == truth(room, stream)
        present = {key[2] for key in sent}
        assert present == {variant.sku for variant in variants(size)} | {"BW-1"}
