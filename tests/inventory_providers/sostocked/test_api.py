"""Promises of reading SoStocked: what comes is looked at, all of it is read, nothing is guessed."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from inventory_providers.contract import Page, ReadRequest
from inventory_providers.errors import ConfigError, Denied, InventoryError, Malformed, Unavailable
from inventory_providers.http import Answer, Garbled, TryAgain
from inventory_providers.jsonio import loads
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from inventory_providers.sostocked import PROVIDER, api, walk, wire
from inventory_providers.sostocked.answers import Answers, Job, Link, NotFound
from inventory_providers.sostocked.sandbox import (
    ACCOUNT_ID,
    BEARER_TOKEN,
    CLIENT_ID,
    CLIENT_SECRET,
    LOGIN,
)
from inventory_providers.sostocked.settings import SoStockedSettings
from inventory_providers.sostocked.wire import Table
from tests.conftest import leaks
from tests.inventory_providers.fakes import NOON, FakeClock, environment
from tests.inventory_providers.shop import Says, Shop, document
from tests.inventory_providers.sostocked.examples import (
    BREAKDOWN_FILE,
    ENVELOPE,
    REQUESTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inventory_providers.sostocked.sandbox import Sandbox

INVENTORY, SNAPSHOTS, WAREHOUSES = PROVIDER.streams
EVERY = pytest.mark.parametrize("stream", PROVIDER.streams, ids=lambda stream: stream.name)
ACCOUNT = {
    "bearer_token": BEARER_TOKEN,
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "account_id": ACCOUNT_ID,
    "view_id": 316582,
}
YESTERDAY = date(2026, 2, 28)
CSV_FILE = b"SKU,ASIN,Market / Region,FBA Available Stock\r\nBW-1,B1,US,310\r\n"


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def known(**more: Any) -> SoStockedSettings:
    return SoStockedSettings.model_validate({**ACCOUNT, **more})


@contextmanager
def connected(
    settings: SoStockedSettings, clock: FakeClock | None = None
) -> Iterator[api.SoStocked]:
    settings.register_secrets()
    session = api.connect(settings, environment(clock=clock))
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    clock = Clock(NOON.timestamp())
    with SandboxServer(rooms(clock, size=200, names=["sostocked"])) as it:
        yield it


@pytest.fixture
def room(server: SandboxServer) -> Sandbox:
    found: Any = server.room("sostocked")
    return found


@pytest.fixture
def session(server: SandboxServer) -> Iterator[api.SoStocked]:
    settings = SoStockedSettings.model_validate(server.settings("sostocked"))
    with connected(settings) as it:
        yield it


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(Says(body=CSV_FILE)) as it:
        yield it


@pytest.fixture
def at_shop(shop: Shop) -> Iterator[api.SoStocked]:
    with connected(known(api_url=shop.url)) as it:
        yield it


class Read:
    """What a read gave."""

    def __init__(self, pages: list[Page]) -> None:
        self.pages = pages
        self.rows = [loads(line) for page in pages for line in page.lines]
        self.forms = [page.form for page in pages if page.form is not None]
        self.bookmarks = [page.bookmark for page in pages if page.bookmark is not None]

    @property
    def keys(self) -> list[tuple[str, ...]]:
        return [tuple(row[name] for name in self.forms[-1].key) for row in self.rows]


def read(session: api.SoStocked, stream: Any = INVENTORY, **request: Any) -> Read:
    return Read(list(stream.read(session, ReadRequest(**request))))


def refused(session: api.SoStocked, stream: Any = INVENTORY) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        read(session, stream)
    return caught.value


# ---- the requests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "name"),
    [(INVENTORY, "current view"), (SNAPSHOTS, "snapshot"), (WAREHOUSES, "breakdown")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_has_the_documents_path_and_body_and_who_asks(
    shop: Shop, at_shop: api.SoStocked, stream: Any, name: str
) -> None:
    read(at_shop, stream)
    path, expected = REQUESTS[name]
    asked = shop.asked[0]
    assert (asked.method, urlsplit(asked.target).path) == ("POST", path)
    assert asked.headers["authorization"] == f"Bearer {BEARER_TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["accept"] == "*/*"
    assert parse_qsl(urlsplit(asked.target).query) == [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("account_id", ACCOUNT_ID),
    ]
    sent = json.loads(asked.body)
    assert sent.keys() == expected.keys()
    day = YESTERDAY.isoformat() if stream is SNAPSHOTS else ""
    assert (sent["snapshot_date"], sent["export_type"]) == (day, expected["export_type"])


@EVERY
def test_every_row_comes_once_under_the_usual_key(
    room: Sandbox, session: api.SoStocked, stream: Any
) -> None:
    found = read(session, stream)
    assert [form.key for form in found.forms] == [stream.primary_key]
    assert len(found.keys) == len(set(found.keys))
    assert set(found.keys) == set(room.rows(stream.name))
    assert room.undocumented == []


@EVERY
def test_values_are_those_of_the_cells(room: Sandbox, session: api.SoStocked, stream: Any) -> None:
    found = read(session, stream)
    rows = room.rows(stream.name)
    for key, record in zip(found.keys, found.rows, strict=True):
        for name, text in rows[key].items():
            if name in wire.NUMBERS or name not in wire.SHOWN:
                continue
            expected = text or ("" if name in found.forms[-1].key else None)
            assert record[name] == expected, name
        stock = rows[key]["area_inv_stock"]
        assert record["area_inv_stock"] == (None if stock is None else int(stock))


def test_inactive_products_come_when_they_are_asked_for(
    server: SandboxServer, session: api.SoStocked
) -> None:
    active = read(session)
    settings = SoStockedSettings.model_validate(
        server.settings("sostocked") | {"with_inactive": True}
    )
    with connected(settings) as other:
        everything = read(other)
    assert set(active.keys) < set(everything.keys)


def test_another_account_is_another_table(server: SandboxServer, session: api.SoStocked) -> None:
    other = {"account_id": "48214", "view_id": 316590}
    settings = SoStockedSettings.model_validate(server.settings("sostocked") | other)
    with connected(settings) as there:
        rows = read(there).rows
    assert {row["account_id"] for row in rows} == {"48214"}
    assert {row["account_id"] for row in read(session).rows} == {ACCOUNT_ID}


def test_a_connection_test_is_one_request_for_so_many_rows(
    room: Sandbox, session: api.SoStocked
) -> None:
    for stream in PROVIDER.streams:
        before = session.requests
        found = read(session, stream, limit=3)
        assert len(found.rows) == 3
        assert session.requests == before + 1
        assert found.forms
    assert len(room.urls) == 3


# ---- what an answer may be -----------------------------------------------------------------------


@pytest.mark.parametrize("body", ["csv", "csv_bom", "json_rows", "json_link", "json_job"])
@EVERY
def test_rows_are_found_in_each_form(
    room: Sandbox, session: api.SoStocked, stream: Any, body: str
) -> None:
    room.turn("body", body)
    found = read(session, stream)
    assert set(found.keys) == set(room.rows(stream.name))


def sniffed(body: bytes, status: int = 200, **headers: str) -> Any:
    framed = {"content-length": str(len(body))} | headers
    return Answers(ACCOUNT_ID).read(Answer(status, framed, body, 0.1))


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_an_empty_body_is_an_error_and_not_no_rows(body: bytes) -> None:
    with pytest.raises(Garbled, match="empty"):
        sniffed(body)


def test_a_header_alone_is_no_rows() -> None:
    assert sniffed(b"SKU,ASIN\r\n") == Table(("SKU", "ASIN"), [])


def test_a_spreadsheet_is_named() -> None:
    with pytest.raises(Malformed, match="the provider sent a spreadsheet, CSV expected"):
        sniffed(b"PK\x03\x04\x14\x00\x06\x00")


@pytest.mark.parametrize("form", [LOGIN, b"\n <html><form action='/x'>Log in</form></html>"])
def test_a_sign_in_page_is_a_dead_token(form: bytes) -> None:
    with pytest.raises(Denied, match="lives one year"):
        sniffed(form)


def test_any_other_page_is_maintenance_and_tried_again() -> None:
    with pytest.raises(Garbled, match="HTML"):
        sniffed(b"<!DOCTYPE html><h1>Back soon</h1>")


ROW = {"area_skus": "BW-1", "area_inv_stock": 310}


@pytest.mark.parametrize("name", ["data", "rows", "items", "inventories", "logs"])
def test_json_rows_stand_in_one_list(name: str) -> None:
    found = sniffed(document({**ENVELOPE, name: [ROW, {"area_skus": "BW-2", "notes": "n"}]}))
    assert found.names == ("area_skus", "area_inv_stock", "notes")
    assert found.rows == [["BW-1", 310, None], ["BW-2", None, "n"]]
    assert (found.is_json, found.total, found.pages) == (True, 612, 7)


def test_a_list_of_rows_may_stand_alone() -> None:
    assert sniffed(b"\xef\xbb\xbf " + document([ROW])).rows == [["BW-1", 310]]
    assert sniffed(b"[]").rows == []


@pytest.mark.parametrize("name", ["url", "link", "file", "download_url", "data"])
def test_a_link_stands_under_one_of_its_names(name: str) -> None:
    assert sniffed(document({"code": 200, name: "https://x.example/f"})) == Link(
        "https://x.example/f"
    )


@pytest.mark.parametrize(
    ("told", "job"),
    [
        ({"job_id": "a-1"}, Job("a-1")),
        ({"job_id": 17, "progress": 0}, Job("17")),
        ({"id": 17, "progress": 50}, Job("17")),
        ({"progress": 99.5}, Job()),
    ],
)
def test_a_job_has_an_id_or_a_progress(told: dict[str, Any], job: Job) -> None:
    assert sniffed(document({"code": 200, **told})) == job


@pytest.mark.parametrize(
    ("body", "job"),
    [(b"", Job()), (b"Accepted", Job()), (b'{"job_id":"7"}', Job("7")), (b"[]", Job())],
)
def test_with_status_202_anything_is_a_job(body: bytes, job: Job) -> None:
    assert sniffed(body, 202) == job


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"outcome": "done"}, "outcome"),
        ({"code": 200, "data": None}, "data"),
        ({"code": 200, "products": [ROW]}, "products"),
        ({"data": [ROW], "rows": [ROW]}, "rows"),
        ({"data": [ROW, 5]}, "data"),
        ({"url": "/downloads/1"}, "url"),
        ({"url": "https://a.example/", "link": "https://b.example/"}, "link"),
        ({"id": 5}, "id"),
        ({"progress": True}, "progress"),
        ({"job_id": None}, "job_id"),
        ({}, "nothing"),
        ([5], "no objects"),
        (["https://x.example/"], "no objects"),
    ],
    ids=str,
)
def test_json_that_nobody_knows_is_refused_with_its_names(told: Any, named: str) -> None:
    with pytest.raises(Malformed, match=named):
        sniffed(document(told))


@pytest.mark.parametrize("value", ["many", True, -1, 1.5, [7]])
@pytest.mark.parametrize("name", ["total", "total_pages"])
def test_a_total_that_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Malformed, match=f"{name} of the answer"):
        sniffed(document({"data": [ROW], name: value}))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, Denied),
        (403, Denied),
        ("401", Denied),
        (404, NotFound),
        (400, ConfigError),
        (422, ConfigError),
        (429, TryAgain),
        (500, TryAgain),
        (503, TryAgain),
        (600, Malformed),
        (418, Malformed),
        (0, Malformed),
        (None, Malformed),
        (True, Malformed),
        ("broken", Malformed),
        ([200], Malformed),
    ],
    ids=str,
)
def test_a_code_other_than_200_is_a_failure_in_disguise(code: Any, kind: type[Exception]) -> None:
    told = {"code": code, "message": "View\nof account 48213 is broken", "data": [ROW]}
    with pytest.raises(kind, match=r"View of account \*\*\*\*\* is broken"):
        sniffed(document(told))


@pytest.mark.parametrize("code", [200, "200", ...])
def test_a_good_code_is_good(code: Any) -> None:
    told = {"data": [ROW]} if code is ... else {"code": code, "data": [ROW]}
    assert sniffed(document(told)).rows == [["BW-1", 310]]


def test_the_file_that_is_known_is_read_cell_by_cell() -> None:
    body = BREAKDOWN_FILE.encode()
    plain, marked = sniffed(body), sniffed(b"\xef\xbb\xbf" + body)
    assert plain == marked
    assert len(plain.rows) == 3
    assert plain.names[-1] == "2,456.41 Total Lost Sales"
    assert plain.rows[0][0] == "Widget, Blue"


def test_line_breaks_and_quotes_may_stand_in_cells() -> None:
    body = b'SKU,Notes\r\nA,"one\r\ntwo ""three"", four\nfive"\nB,\n\n'
    assert sniffed(body).rows == [["A", 'one\r\ntwo "three", four\nfive'], ["B", ""]]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"SKU,ASIN\nA\n", "row 1 of the file has 1 cells, its header has 2"),
        (b"SKU,ASIN\nA,B\nC,D,E\n", "row 2 of the file has 3 cells, its header has 2"),
        (b'SKU,ASIN\nA,"B', "no CSV"),
        (b'SKU,ASIN\n"A"x,B\n', "no CSV"),
        (b"SKU,ASIN\nA,\xff\n", "UTF-8"),
        (b"SKU,ASIN\nA,\xed\xa0\xbd\n", "UTF-8"),
        (b'{"data":[', "not JSON"),
        (b'{"data":[{"area_inv_stock":NaN}]}', "not JSON"),
    ],
)
def test_what_cannot_be_decoded_is_tried_again_and_never_guessed(body: bytes, told: str) -> None:
    with pytest.raises(Garbled, match=told):
        sniffed(body)


def test_a_file_without_a_length_is_whole_when_its_last_line_is() -> None:
    def unframed(body: bytes) -> Any:
        return Answers(ACCOUNT_ID).read(Answer(200, {}, body, 0.1))

    assert unframed(CSV_FILE).rows
    with pytest.raises(Garbled, match="cut off"):
        unframed(CSV_FILE[:-3])
    assert sniffed(CSV_FILE[:-2]).rows == [["BW-1", "B1", "US", "310"]]


# ---- links and jobs ------------------------------------------------------------------------------


def test_a_link_to_our_host_is_followed_with_our_credentials(
    room: Sandbox, session: api.SoStocked, server: SandboxServer
) -> None:
    room.turn("body", "json_link")
    read(session)
    downloads = [one for one in server.requests("sostocked") if one.method == "GET"]
    assert downloads
    assert all(one.headers["authorization"] == f"Bearer {BEARER_TOKEN}" for one in downloads)
    assert all("client_secret=" in one.query for one in downloads)


def test_a_link_to_another_host_is_followed_without_them_and_as_it_is(
    shop: Shop, at_shop: api.SoStocked
) -> None:
    with Shop(Says(body=CSV_FILE)) as elsewhere:
        link = f"{elsewhere.url}/f%2Fa.csv?X-Sig=a%2Bb/c&e&Expires=9"
        shop.answers = [Says(body=document({"url": link}))]
        assert len(read(at_shop).rows) == 1
        asked = elsewhere.asked[0]
        assert at_shop.requests == len(shop.asked) + len(elsewhere.asked)
    assert (asked.method, asked.target) == ("GET", "/f%2Fa.csv?X-Sig=a%2Bb/c&e&Expires=9")
    assert "authorization" not in asked.headers
    sent = f"{asked.target} {asked.headers} {asked.body!r}"
    assert not leaks(sent, [BEARER_TOKEN, CLIENT_SECRET, CLIENT_ID])


def test_a_host_that_looks_like_ours_on_another_port_is_another_one(
    room: Sandbox, session: api.SoStocked, server: SandboxServer
) -> None:
    with SandboxServer(rooms(Clock(), size=1, names=["sostocked"])) as other:
        room.turn("body", "json_link")
        room.turn("link_host", other.url)
        assert isinstance(refused(session), Malformed)  # it wants a token for its files
        assert other.requests("sostocked")
        for asked in other.requests("sostocked"):
            assert "authorization" not in asked.headers
            assert asked.query == ""


@pytest.mark.parametrize(
    "link",
    [
        "http://files.example/f.csv",
        "https://user:secret@files.example/f.csv",
        "https://",
        "https://files.example:x/f",
        "https://[::1/f",
        "https://files.example/\u00fc",
        "https://files.example/a\u00a0b",
    ],
)
def test_a_link_that_no_setting_could_have_is_refused(
    shop: Shop, at_shop: api.SoStocked, link: str
) -> None:
    shop.answers = [Says(body=document({"url": link}))]
    error = refused(at_shop)
    assert isinstance(error, Malformed)
    assert "files.example" not in str(error)
    assert len(shop.asked) == 1


def test_links_are_followed_two_deep_and_no_deeper(shop: Shop, at_shop: api.SoStocked) -> None:
    again = Says(body=document({"url": f"{shop.url}/a?b=c"}))
    shop.answers = [again, again, Says(body=CSV_FILE)]
    assert read(at_shop).rows
    shop.asked.clear()
    shop.answers = [again]
    assert "link after link" in str(refused(at_shop))
    assert len(shop.asked) == 3


@pytest.mark.parametrize("status", [302, 401, 403, 404, 410])
def test_what_another_host_refuses_is_not_our_settings_fault(
    shop: Shop, at_shop: api.SoStocked, status: int
) -> None:
    with Shop(Says(status, LOGIN)) as elsewhere:
        shop.answers = [Says(body=document({"url": f"{elsewhere.url}/f"}))]
        error = refused(at_shop)
    assert isinstance(error, Malformed)
    assert f"({status})" in str(error)


def test_another_host_that_is_busy_is_asked_again(shop: Shop, at_shop: api.SoStocked) -> None:
    with Shop(Says(503), Says(429), Says(body=CSV_FILE)) as elsewhere:
        shop.answers = [Says(body=document({"url": f"{elsewhere.url}/f"}))]
        assert read(at_shop).rows


def test_a_link_at_home_that_leads_nowhere_does_not_blame_the_address(
    shop: Shop, at_shop: api.SoStocked
) -> None:
    shop.answers = [Says(body=document({"url": f"{shop.url}/f"})), Says(404)]
    error = refused(at_shop)
    assert type(error) is Malformed
    assert "api_url" not in str(error)


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_is_waited_for_on_the_clock(
    room: Sandbox, server: SandboxServer, status: int
) -> None:
    room.turn("body", "json_job")
    room.turn("job_polls", 3)
    room.turn("job_status", status)
    clock = FakeClock()
    settings = SoStockedSettings.model_validate(server.settings("sostocked"))
    with connected(settings, clock) as session:
        assert len(read(session, limit=5).rows) == 5
    assert clock.slept == [1, 2, 4]
    polls = [one for one in server.requests("sostocked") if one.method == "GET"][:3]
    assert {one.path.rpartition("/")[0] + "/" for one in polls} == {api.DOWNLOAD}


def test_a_job_without_a_number_is_asked_for_as_before(shop: Shop, at_shop: api.SoStocked) -> None:
    shop.answers = [Says(202, b""), Says(202, b""), Says(body=CSV_FILE)]
    assert read(at_shop, limit=1).rows
    assert [asked.method for asked in shop.asked] == ["POST"] * 3
    assert len({asked.body for asked in shop.asked}) == 1


def test_a_job_that_never_ends_is_left_after_ten_minutes(shop: Shop) -> None:
    shop.answers = [Says(body=document({"code": 200, "job_id": "a/b", "progress": 0}))]
    clock = FakeClock()
    with connected(known(api_url=shop.url), clock) as session:
        error = refused(session)
    assert isinstance(error, Unavailable)
    assert 600 <= sum(clock.slept) < 615
    assert len(shop.asked) < 50
    assert urlsplit(shop.asked[1].target).path == "/downloads/download/a%2Fb"


def test_a_job_that_is_lost_is_said(shop: Shop, at_shop: api.SoStocked) -> None:
    shop.answers = [Says(body=document({"job_id": "7"})), Says(404)]
    assert type(refused(at_shop)) is Malformed


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["401", "403", "html_login", "redirect", "json_code"])
def test_a_dead_token_is_named_with_what_to_do_and_not_tried_again(
    room: Sandbox, session: api.SoStocked, how: str
) -> None:
    room.turn("dead_token", True)
    room.turn("bad_token_answer", how)
    error = refused(session)
    assert isinstance(error, Denied)
    assert "sostocked.bearer_token" in str(error)
    assert "one year" in str(error)
    assert session.requests == 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_body_shows_the_providers_message(
    shop: Shop, at_shop: api.SoStocked, status: int
) -> None:
    told = {"message": f"view 1\nof {ACCOUNT_ID} with {BEARER_TOKEN} {CLIENT_ID} unknown"}
    shop.answers = [Says(status, document(told))]
    error = refused(at_shop)
    assert type(error) is ConfigError
    assert f"({status}: view 1 of ***** with ***** ***** unknown)" in str(error)
    assert "sostocked.view_id" in str(error)
    assert len(shop.asked) == 1


def test_a_refused_view_is_the_users_to_mend(server: SandboxServer) -> None:
    raw = server.settings("sostocked") | {"view_id": 5}
    with connected(SoStockedSettings.model_validate(raw)) as session:
        error = refused(session)
    assert type(error) is ConfigError


def test_a_path_that_is_not_there_names_the_address(shop: Shop, at_shop: api.SoStocked) -> None:
    shop.answers = [Says(404, b"<html>nothing</html>")]
    for stream in (INVENTORY, SNAPSHOTS):
        shop.asked.clear()
        error = refused(at_shop, stream)
        assert error.exit_code == 2
        assert "sostocked.api_url" in str(error)
        assert len(shop.asked) == 1


def test_the_breakdown_may_be_spelled_in_another_way_which_is_kept(
    room: Sandbox, session: api.SoStocked, server: SandboxServer
) -> None:
    room.turn("breakdown_path", "plural")
    found = read(session, WAREHOUSES)
    assert set(found.keys) == set(room.rows(WAREHOUSES.name))
    paths = [asked.path for asked in server.requests("sostocked")]
    assert paths[0] == "/product-inventories/warehouse-breakdown-export"
    assert set(paths[1:]) == {"/product-inventories/warehouses-breakdown-export"}


def test_neither_spelling_is_the_address_again(shop: Shop, at_shop: api.SoStocked) -> None:
    shop.answers = [Says(404)]
    error = refused(at_shop, WAREHOUSES)
    assert "sostocked.api_url" in str(error)
    assert len(shop.asked) == 2


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, 504, "reset"])
def test_what_passes_is_tried_again(room: Sandbox, session: api.SoStocked, trouble: Any) -> None:
    room.turn("status", [trouble, trouble])
    assert set(read(session).keys) == set(room.rows(INVENTORY.name))


def test_a_wait_that_the_provider_asks_for_is_kept(shop: Shop) -> None:
    clock = FakeClock()
    shop.answers = [Says(429, headers={"Retry-After": "20"}), Says(body=CSV_FILE)]
    with connected(known(api_url=shop.url), clock) as session:
        assert read(session).rows
    assert clock.slept[0] >= 20


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("is_code", [False, True])
def test_an_outage_is_given_up(shop: Shop, status: int, is_code: bool) -> None:
    told = document({"code": status, "message": "busy"})
    clock = FakeClock()
    shop.answers = [Says(body=told) if is_code else Says(status, told)]
    with connected(known(api_url=shop.url), clock) as session:
        assert isinstance(refused(session), Unavailable)
    assert len(shop.asked) > 3
    assert sum(clock.slept) <= 120


@pytest.mark.parametrize("body", [b"", b"<html>Maintenance</html>", b"SKU,ASIN\nA\n", b"{"])
def test_an_unreadable_answer_passes_or_ends_the_read(
    shop: Shop, at_shop: api.SoStocked, body: bytes
) -> None:
    shop.answers = [Says(body=body), Says(body=CSV_FILE)]
    assert read(at_shop).rows
    shop.asked.clear()
    shop.answers = [Says(body=body)]
    assert isinstance(refused(at_shop), Malformed)
    assert len(shop.asked) == 3


@pytest.mark.parametrize("body", ["xlsx", "empty"])
def test_what_cannot_be_read_is_given_up(room: Sandbox, session: api.SoStocked, body: str) -> None:
    room.turn("body", body)
    assert isinstance(refused(session), Malformed)


def test_a_redirect_is_not_followed(shop: Shop, at_shop: api.SoStocked) -> None:
    with Shop(Says(body=CSV_FILE)) as elsewhere:
        shop.answers = [Says(302, headers={"Location": f"{elsewhere.url}/x"})]
        assert isinstance(refused(at_shop), Malformed)
        assert elsewhere.asked == []


def test_neither_the_address_nor_the_account_is_ever_shown(
    shop: Shop, at_shop: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    target = f"/x?client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&account_id={ACCOUNT_ID}"
    echo = document({"code": 500, "message": f"POST {target} {BEARER_TOKEN}"})
    told = []
    for status in (200, 400, 401, 404, 500):
        shop.answers = [Says(status, echo)]
        told.append(str(refused(at_shop)))
    everything = "\n".join([*told, caplog.text])
    assert "*****" in everything
    assert not leaks(everything, [BEARER_TOKEN, CLIENT_SECRET, CLIENT_ID, ACCOUNT_ID])


# ---- paging --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paging", ["honoured", "ignored", "capped:100", "duplicate_at_border", "tie_shuffle"]
)
@pytest.mark.parametrize("body", ["csv", "json_rows"])
@EVERY
def test_no_row_is_lost_however_pages_are_cut(
    room: Sandbox, session: api.SoStocked, stream: Any, body: str, paging: str
) -> None:
    room.turn("body", body)
    room.turn("paging", paging)
    found = read(session, stream)
    assert set(found.keys) == set(room.rows(stream.name))
    assert len(found.keys) == len(set(found.keys))


def test_pages_are_asked_for_one_after_the_other(
    session: api.SoStocked, server: SandboxServer
) -> None:
    read(session)
    bodies = [json.loads(asked.body) for asked in server.requests("sostocked")]
    assert [body["page"] for body in bodies] == [1, 2, 3, 1, 2, 3]
    assert {body["per_page"] for body in bodies} == {250}


def test_a_list_that_announces_more_than_it_has_is_not_a_success(
    shop: Shop, at_shop: api.SoStocked
) -> None:
    shop.answers = [Says(body=document({"total": 2, "total_pages": 1, "rows": [ROW]}))]
    assert "1 rows found, 2 announced" in str(refused(at_shop))
    assert len(shop.asked) == 2


# ---- the key and the columns ---------------------------------------------------------------------


def test_a_blank_part_of_the_key_is_empty_text_and_other_blanks_are_null(
    room: Sandbox, session: api.SoStocked
) -> None:
    room.turn("cells", ["blank_market", "blank_warehouse", "nan", "stacked_skus"])
    found = read(session, WAREHOUSES)
    assert set(found.keys) == set(room.rows(WAREHOUSES.name))
    assert {"", "US"} <= {row["areas"] for row in found.rows}
    assert "" in {row["warehouse"] for row in found.rows}
    assert {row["marketplace"] for row in found.rows} == {None}
    assert any("\n" in row["area_skus"] or "," in row["area_skus"] for row in found.rows)


@pytest.mark.parametrize(
    ("column", "market"),
    [("areas", "areas"), ("marketplace", "marketplace"), ("both", "areas")],
)
@EVERY
def test_the_market_of_the_key_is_the_column_that_came(
    room: Sandbox, session: api.SoStocked, stream: Any, column: str, market: str
) -> None:
    room.turn("market_column", column)
    found = read(session, stream)
    own = stream.primary_key[4:]
    assert found.forms[0].key == ("account_id", "area_asins", "area_skus", market, *own)
    assert set(found.keys) == set(room.rows(stream.name))


def test_rows_of_several_markets_without_a_market_are_refused_with_an_example(
    room: Sandbox, session: api.SoStocked
) -> None:
    room.turn("missing_columns", "market")
    error = refused(session)
    assert isinstance(error, Malformed)
    assert "such as ASIN 'B0" in str(error)


@pytest.mark.parametrize("missing", ["sku", "asin"])
def test_either_the_sku_or_the_asin_will_do(
    room: Sandbox, session: api.SoStocked, missing: str
) -> None:
    room.turn("missing_columns", missing)
    found = read(session)
    assert set(found.keys) == set(room.rows(INVENTORY.name))
    assert {row[f"area_{missing}s"] for row in found.rows} == {""}


def test_a_view_without_both_is_the_users_to_mend(room: Sandbox, session: api.SoStocked) -> None:
    room.turn("missing_columns", "both")
    error = refused(session)
    assert error.exit_code == 2
    assert "the view has no SKU or ASIN column" in str(error)


def test_equal_rows_are_one_row_and_counted(
    room: Sandbox, session: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    room.turn("same_key_rows", "equal")
    found = read(session)
    assert len(found.keys) == len(set(found.keys)) == len(room.rows(INVENTORY.name))
    assert "3 rows came twice and were dropped" in caplog.text


@pytest.mark.parametrize(
    ("differ", "added"),
    [("different", ("area_fn_skus",)), ("different_name", ("area_fn_skus", "product_name"))],
)
@EVERY
def test_different_rows_under_one_key_make_the_key_longer(
    room: Sandbox, session: api.SoStocked, stream: Any, differ: str, added: tuple[str, ...]
) -> None:
    room.turn("same_key_rows", differ)
    found = read(session, stream)
    assert [form.key for form in found.forms] == [(*stream.primary_key, *added)]
    assert len(found.keys) == len(set(found.keys)) > len(room.rows(stream.name))
    assert all(isinstance(part, str) for key in found.keys for part in key)


def test_different_rows_that_no_key_tells_apart_are_refused(
    room: Sandbox, session: api.SoStocked
) -> None:
    room.turn("same_key_rows", "different_stock")
    error = refused(session)
    assert isinstance(error, Malformed)
    assert "two different rows have the same key, such as ASIN" in str(error)


def test_the_parts_that_a_longer_key_adds_are_never_null(
    shop: Shop, at_shop: api.SoStocked
) -> None:
    shop.answers = [Says(body=b"SKU,FN SKU,Product Name\nA,,x\nA,F1,\n")]
    found = read(at_shop)
    assert found.forms[0].key[-1:] == ("area_fn_skus",)
    assert [(row["area_fn_skus"], row["product_name"]) for row in found.rows] == [
        ("", "x"),
        ("F1", None),
    ]


def test_a_column_that_nobody_knows_is_passed_on_as_text(
    shop: Shop, at_shop: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    pages = [b"SKU,Warehouse,Bin No.\nA,East,007\n", b"SKU,Warehouse\nB,\n", b"SKU\n"]
    shop.answers = [Says(body=page) for page in pages * 2]
    found = read(at_shop)
    assert found.forms[0].extra == ("warehouse", "bin_no")
    assert [(row["warehouse"], row["bin_no"]) for row in found.rows] == [
        ("East", "007"),
        (None, None),
    ]
    assert found.rows[0].keys() == found.rows[1].keys()
    assert "not in the document: warehouse, bin_no" in caplog.text


def test_columns_that_were_asked_for_and_did_not_come_are_said_once(
    room: Sandbox, session: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    room.turn("honours_show", False)
    found = read(session, SNAPSHOTS)
    assert set(found.keys) == set(room.rows(SNAPSHOTS.name))
    (said,) = [line for line in caplog.messages if "null, not sent" in line]
    assert "area_inv_updated_at" in said
    assert "area_inv_stock," not in said


def test_cells_that_are_no_numbers_are_said_once_per_column(
    shop: Shop, at_shop: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    shop.answers = [Says(body=b"SKU,FBA Available Stock,MOQ\nA,many,1\nB,few,x\nC,5,2\n")]
    found = read(at_shop)
    assert [row["area_inv_stock"] for row in found.rows] == [None, None, 5]
    said = [line for line in caplog.messages if "no numbers" in line]
    assert said == [
        "sostocked_inventory: 2 cells of area_inv_stock are no numbers; they are null",
        "sostocked_inventory: 1 cells of supplier_min_units_to_order are no numbers; they are null",
    ]


def test_odd_cells_arrive_as_they_are_known_to_come(room: Sandbox, session: api.SoStocked) -> None:
    room.turn("cells", ["thousands", "scientific", "line_break", "nan"])
    found = read(session)
    assert set(found.keys) == set(room.rows(INVENTORY.name))
    assert all(row["area_inv_stock"] is None or row["area_inv_stock"] >= 0 for row in found.rows)


def test_an_export_without_rows_has_a_form_all_the_same(
    room: Sandbox, session: api.SoStocked
) -> None:
    room.turn("body", "header_only")
    found = read(session)
    assert found.rows == []
    assert [form.key for form in found.forms] == [INVENTORY.primary_key]


def test_the_form_comes_with_the_first_page_and_no_other(
    session: api.SoStocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE_OF_RECORDS", 100)
    for stream in PROVIDER.streams:
        found = read(session, stream)
        assert len(found.pages) > 1
        with_rows = [page for page in found.pages if page.lines]
        assert with_rows[0].form is not None
        assert len(found.forms) == 1


# ---- snapshots -----------------------------------------------------------------------------------


def days_asked(server: SandboxServer) -> list[str]:
    asked = [json.loads(one.body)["snapshot_date"] for one in server.requests("sostocked")]
    return list(dict.fromkeys(asked))


def test_days_come_in_order_up_to_yesterday_each_with_its_bookmark(
    session: api.SoStocked, server: SandboxServer
) -> None:
    found = read(session, SNAPSHOTS)
    days = [date(2026, 2, 26), date(2026, 2, 27), YESTERDAY]
    assert days_asked(server) == [day.isoformat() for day in days]
    assert found.bookmarks == [midnight(day) for day in days]
    delivered: list[str] = []
    for page in found.pages:
        delivered += [loads(line)["snapshot_date"] for line in page.lines]
        assert [moment.date().isoformat() for moment in page.times] == delivered[
            len(delivered) - len(page.lines) :
        ]
        if page.bookmark is not None and delivered:
            assert delivered[-1] == page.bookmark.date().isoformat()
    assert delivered == sorted(delivered)


@pytest.mark.parametrize(
    ("request_", "settings", "expected"),
    [
        ({}, {}, ["2026-02-28"]),
        ({"start": datetime(2026, 2, 27, 15, tzinfo=UTC)}, {}, ["2026-02-27", "2026-02-28"]),
        (
            {"start": datetime(2026, 2, 20, tzinfo=UTC)},
            {"snapshot_start_date": "2026-02-27"},
            ["2026-02-27", "2026-02-28"],
        ),
        ({"since": midnight(date(2026, 2, 26))}, {}, ["2026-02-27", "2026-02-28"]),
        (
            {"since": midnight(date(2026, 2, 26))},
            {"snapshot_start_date": "2026-02-28"},
            ["2026-02-27", "2026-02-28"],
        ),
        ({"since": midnight(YESTERDAY)}, {}, []),
        ({"since": midnight(date(2026, 3, 1))}, {}, []),
        (
            {"since": midnight(date(2026, 2, 26)), "full": True},
            {"snapshot_start_date": "2026-02-28"},
            ["2026-02-28"],
        ),
        ({"since": midnight(YESTERDAY), "lookback": timedelta(seconds=1)}, {}, ["2026-02-28"]),
        (
            {"since": midnight(YESTERDAY), "lookback": timedelta(days=1, seconds=1)},
            {},
            ["2026-02-27", "2026-02-28"],
        ),
        (
            {"since": midnight(YESTERDAY), "lookback": timedelta(days=90)},
            {"snapshot_start_date": "2026-02-27"},
            ["2026-02-27", "2026-02-28"],
        ),
        ({}, {"snapshot_start_date": "2026-03-01"}, []),
        ({}, {"snapshot_start_date": "2027-01-01"}, []),
    ],
)
def test_the_days_that_are_read(
    server: SandboxServer, request_: Any, settings: Any, expected: list[str]
) -> None:
    raw = {**server.settings("sostocked"), "snapshot_start_date": None, **settings}
    with connected(SoStockedSettings.model_validate(raw)) as session:
        read(session, SNAPSHOTS, **request_)
    assert days_asked(server) == expected


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (datetime(2026, 3, 1, 0, 0, tzinfo=UTC), date(2026, 2, 28)),
        (datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), date(2026, 2, 27)),
    ],
)
def test_yesterday_is_the_utc_day_of_24_hours_ago(shop: Shop, now: datetime, newest: date) -> None:
    with connected(known(api_url=shop.url), FakeClock(now)) as session:
        found = read(session, SNAPSHOTS)
    assert found.bookmarks == [midnight(newest)]


def test_an_empty_newest_day_does_not_move_the_bookmark(
    room: Sandbox, session: api.SoStocked
) -> None:
    room.turn("snapshot_lag_days", 1)
    found = read(session, SNAPSHOTS, since=midnight(date(2026, 2, 25)))
    assert found.bookmarks == [midnight(date(2026, 2, 26)), midnight(date(2026, 2, 27))]


def test_a_first_day_without_rows_leaves_a_bookmark_behind_which_no_day_is_left_out(
    server: SandboxServer, room: Sandbox
) -> None:
    """Also where the only day that it asks for has no rows yet: the next run asks for it again."""
    room.turn("snapshot_lag_days", 1)
    raw = server.settings("sostocked") | {"snapshot_start_date": None}
    with connected(SoStockedSettings.model_validate(raw)) as session:
        found = read(session, SNAPSHOTS)
    assert found.rows == []
    assert found.bookmarks == [midnight(YESTERDAY - timedelta(days=1))]


def test_an_empty_older_day_is_passed_with_the_next_one_that_has_rows(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.answers = [Says(body=b"SKU\n"), Says(body=CSV_FILE)]
    settings = known(api_url=shop.url, snapshot_start_date="2026-02-27")
    with connected(settings) as session:
        found = read(session, SNAPSHOTS)
    assert found.bookmarks == [midnight(date(2026, 2, 26)), midnight(YESTERDAY)]
    assert "2026-02-27 has no rows" in caplog.text


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_a_provider_that_is_days_late_has_every_day_read(
    room: Sandbox, server: SandboxServer, lag: int
) -> None:
    room.turn("snapshot_lag_days", lag)
    raw = server.settings("sostocked") | {"snapshot_start_date": None}
    settings, since, delivered = SoStockedSettings.model_validate(raw), None, set()
    for day in range(8):
        now = FakeClock(datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=day))
        with connected(settings, now) as session:
            found = read(session, SNAPSHOTS, since=since)
        since = max([*found.bookmarks, *([since] if since else [])])
        delivered |= {row["snapshot_date"] for row in found.rows}
        server.clock.step(86_400)
    last = date(2026, 3, 7) - timedelta(days=lag)
    wanted = {(date(2026, 2, 28) + timedelta(days=n)).isoformat() for n in range(20)}
    assert delivered == {day for day in wanted if day <= last.isoformat()}


def test_a_day_that_fails_ends_the_read_there(
    room: Sandbox, session: api.SoStocked, server: SandboxServer
) -> None:
    room.turn("snapshot_fail_on", "2026-02-27")
    pages: list[Page] = []
    with pytest.raises(Unavailable, match="snapshot of 2026-02-27"):
        pages.extend(SNAPSHOTS.read(session, ReadRequest()))
    found = Read(pages)
    assert found.bookmarks == [midnight(date(2026, 2, 26))]
    assert {row["snapshot_date"] for row in found.rows} == {"2026-02-26"}
    assert days_asked(server) == ["2026-02-26", "2026-02-27"]


def test_a_later_day_may_need_a_longer_key_which_stays(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    header = b"SKU,FN SKU\n"
    days = [b"A,F1\n", b"A,F1\nA,\n", b"A,\n"]
    shop.answers = [Says(body=header + day) for day in days for _ in range(2)]
    settings = known(api_url=shop.url, snapshot_start_date="2026-02-26")
    with connected(settings) as session:
        found = read(session, SNAPSHOTS)
    usual = ("account_id", "area_asins", "area_skus", "areas", "snapshot_date")
    assert [form.key for form in found.forms] == [usual, (*usual, "area_fn_skus")]
    assert [row["area_fn_skus"] for row in found.rows] == ["F1", "F1", "", ""]
    assert "area_fn_skus has to be a part of the key" in caplog.text
    assert len(found.bookmarks) == 3


def test_the_key_of_the_last_run_does_not_get_shorter(shop: Shop) -> None:
    usual = ("account_id", "area_asins", "area_skus", "areas")
    with connected(known(api_url=shop.url)) as session:
        found = read(session, key=(*usual, "area_fn_skus"))
    assert found.forms[0].key == (*usual, "area_fn_skus")


def test_a_later_day_may_have_another_column_which_stays(shop: Shop) -> None:
    days = [b"SKU\nA\n", b"SKU,Bin\nA,7\n", b"SKU\nA\n"]
    shop.answers = [Says(body=day) for day in days for _ in range(2)]
    settings = known(api_url=shop.url, snapshot_start_date="2026-02-26")
    with connected(settings) as session:
        found = read(session, SNAPSHOTS)
    assert [form.extra for form in found.forms] == [(), ("bin",)]
    assert [row.get("bin", "not there") for row in found.rows] == ["not there", "7", None]


def test_nothing_to_read_is_nothing_asked(session: api.SoStocked, server: SandboxServer) -> None:
    assert read(session, SNAPSHOTS, since=midnight(YESTERDAY)).pages == []
    assert server.requests("sostocked") == []


# ---- patience ------------------------------------------------------------------------------------


def test_an_export_is_given_nearly_two_minutes_and_still_a_second_try() -> None:
    policy = environment().policy
    assert 100 <= policy.idle * api.PATIENCE < policy.budget


def test_a_slow_export_is_asked_for_again(server: SandboxServer, room: Sandbox) -> None:
    server.inject("sostocked", Fault("hang", times=1))
    raw = SoStockedSettings.model_validate(server.settings("sostocked"))
    usual = environment()
    hurried = replace(usual, policy=replace(usual.policy, idle=0.05))
    session = api.connect(raw, hurried)
    try:
        assert set(read(session).keys) == set(room.rows(INVENTORY.name))
    finally:
        session.close()


def test_progress_is_logged_without_an_address(
    room: Sandbox, session: api.SoStocked, caplog: pytest.LogCaptureFixture
) -> None:
    room.turn("paging", "ignored")
    with caplog.at_level(logging.DEBUG):
        read(session)
    assert caplog.text.count("repeats an earlier one") == 1
    assert "http" not in "".join(record.getMessage() for record in caplog.records)


COMPLAINTS: dict[str, Any] = {
    "success": {"success": False, "message": "View not found", "data": []},
    "error": {"error": "timed out after 1 row", "data": [{"area_skus": "A"}]},
    "errors": {"errors": ["no such view"], "logs": []},
    "status": {"status": "error", "items": []},
    "an empty list beside a link": {"rows": [], "url": "https://files.example/x.csv"},
}


@pytest.mark.parametrize("answer", COMPLAINTS.values(), ids=COMPLAINTS)
def test_rows_beside_an_error_are_not_taken_for_all_rows(
    shop: Shop, at_shop: api.SoStocked, answer: Any
) -> None:
    shop.answers = [Says(body=document(answer))]
    assert isinstance(refused(at_shop), Malformed)


def test_a_server_that_ignores_the_page_and_cuts_at_per_page_is_found_out(
    shop: Shop, at_shop: api.SoStocked
) -> None:
    rows = [f"B{n:03},{n}\n" for n in range(600)]
    sizes = (wire.PER_PAGE, wire.PER_PAGE, wire.PER_PAGE - walk.OTHER_BORDERS)
    shop.answers = [Says(body=("ASIN,SKU\n" + "".join(rows[:size])).encode()) for size in sizes]
    assert isinstance(refused(at_shop), Malformed)
