"""The stand-in of DecoNetwork: what the document promises, and every way to break it."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

from inventory_providers.deconetwork.sandbox import PASSWORD, ROOT, STREAM, USERNAME, Sandbox
from inventory_providers.sandbox.room import Clock, Reply, Request
from inventory_providers.sandbox.server import SandboxServer
from tests.inventory_providers.deconetwork import examples
from tests.inventory_providers.sandbox.test_server import assert_silent, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW = 1_750_000_000.75
NOW_TEXT = "2025-06-15T15:06:40"
FORM = "application/x-www-form-urlencoded"
SIGNED = {"username": USERNAME, "password": PASSWORD}
ALL = {"field": "4", "condition": "2", "string": "0"}
MEDIUM = "19617_1378"
LARGE = "19617_1379"


@pytest.fixture
def room() -> Sandbox:
    return Sandbox(Clock(NOW), size=300)


def send(
    room: Sandbox,
    method: str,
    name: str,
    *,
    query: str = "",
    body: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    path = ROOT + name
    target = f"{path}?{query}" if query else path
    headers = headers if headers is not None else {"content-type": FORM} if body else {}
    return room.handle(Request(method, target, path, query, headers, body.encode(), NOW))


def find(room: Sandbox, signed: Mapping[str, str] = SIGNED, /, **parameters: Any) -> dict[str, Any]:
    reply = send(room, "GET", "find", query=urlencode({**parameters, **signed}))
    assert reply.status == 200
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


def found(room: Sandbox, **parameters: Any) -> list[dict[str, Any]]:
    answer = find(room, **parameters)
    assert answer["response_status"]["code"] == 10001, answer["response_status"]
    rows: list[dict[str, Any]] = answer["inventories"]
    return rows


def everything(room: Sandbox, **parameters: Any) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    rows: list[dict[str, Any]] = []
    while page := found(room, offset=len(rows), **(parameters or ALL)):
        rows += page
    return rows


def update(room: Sandbox, *changes: Mapping[str, str], first: int = 1) -> Reply:
    """Several changes in one request."""
    form = {
        f"changes[{n}][{name}]": value
        for n, change in enumerate(changes, first)
        for name, value in change.items()
    }
    return send(room, "POST", "update", body=urlencode({**form, **SIGNED}))


def single(room: Sandbox, **change: str) -> Reply:
    return send(room, "POST", "update", body=urlencode({**change, **SIGNED}))


def code(reply: Reply | dict[str, Any]) -> Any:
    answer = json.loads(reply.body) if isinstance(reply, Reply) else reply
    return answer["response_status"]["code"]


def words(reply: Reply | dict[str, Any]) -> str:
    answer = json.loads(reply.body) if isinstance(reply, Reply) else reply
    told: str = answer["response_status"]["description"]
    return told


def row(room: Sandbox, key: str = MEDIUM) -> dict[str, Any]:
    return room.rows(STREAM)[key,]


def to_level(level: int, key: str = MEDIUM) -> dict[str, str]:
    return {"dn_sku_id": key, "inv_on": "true", "inv_lvl": str(level)}


# The document's own examples


def parameters_of(example: str) -> dict[str, str]:
    """An example request, with the credentials of the sandbox."""
    told = dict(line.split("=", 1) for line in example.splitlines())
    assert told.keys() >= SIGNED.keys()
    return {**told, **SIGNED}


def over_http(server: SandboxServer, method: str, target: str, body: str | None = None) -> Any:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    client.request(method, target, body, {"Content-Type": FORM} if body else {})
    answer = client.getresponse()
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "application/json"
    document = json.loads(answer.read())
    client.close()
    return document


def test_the_documents_search_gets_the_documents_answer() -> None:
    room = Sandbox(Clock(NOW), size=1)
    # The example asks for later than a time and shows a row of exactly that time.
    room.turn("boundary", "gt_as_ge")
    query = urlencode(parameters_of(examples.FIND_REQUEST))
    with SandboxServer([room]) as server:
        answer = over_http(server, "GET", f"/api/json/manage_inventory/find?{query}")
    assert answer == json.loads(examples.FIND_ANSWER)
    assert list(answer) == list(json.loads(examples.FIND_ANSWER))


def test_the_documents_update_gets_the_documents_answer(room: Sandbox) -> None:
    body = urlencode(parameters_of(examples.UPDATE_REQUEST))
    with SandboxServer([room]) as server:
        answer = over_http(server, "POST", "/api/json/manage_inventory/update", body)
    assert answer == json.loads(examples.UPDATE_ANSWER)
    [shown] = json.loads(examples.FIND_ANSWER)["inventories"]
    assert row(room) == shown | {
        "inv_lvl": 10,
        "inv_reorder_to": 5,
        "inv_last_modified": NOW_TEXT,
    }


def test_the_documents_row_is_in_every_catalogue(room: Sandbox) -> None:
    [shown] = json.loads(examples.FIND_ANSWER)["inventories"]
    for size in (1, 300):
        assert row(Sandbox(Clock(NOW), size=size)) == shown
    assert all(each.keys() == shown.keys() for each in room.rows(STREAM).values())


def test_the_password_needs_encoding_and_is_told_as_a_secret(room: Sandbox) -> None:
    settings = room.settings("http://127.0.0.1:1")
    assert settings == {"api_url": "http://127.0.0.1:1", **SIGNED}
    assert room.secrets() == [PASSWORD]
    assert len({PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD)}) == 4


# Signing in


@pytest.mark.parametrize(
    "signed",
    [
        {},
        {"username": USERNAME},
        {"password": PASSWORD},
        {"username": USERNAME, "password": "wrong"},
        {"username": "wrong", "password": PASSWORD},
        {"Username": USERNAME, "Password": PASSWORD},
    ],
)
def test_wrong_credentials_are_refused_with_200(room: Sandbox, signed: dict[str, str]) -> None:
    refusal = {"code": 30001, "severity": "ERROR", "description": "Authentication failed"}
    assert find(room, signed, **ALL) == {"response_status": refusal}
    reply = send(room, "POST", "update", body=urlencode({**to_level(9), **signed}))
    assert (reply.status, code(reply)) == (200, 30001)
    assert row(room)["inv_lvl"] == 3


def test_basic_authentication_does_not_count(room: Sandbox) -> None:
    headers = {"authorization": "Basic c2FuZGJveC11c2VyOnNhbmRib3g="}
    assert code(send(room, "GET", "find", query=urlencode(ALL), headers=headers)) == 30001


def test_credentials_of_an_update_may_stand_in_the_query_or_in_the_form(room: Sandbox) -> None:
    query, body = urlencode(SIGNED), urlencode(to_level(7))
    assert code(send(room, "POST", "update", query=query, body=body)) == 10001
    assert code(single(room, **to_level(8))) == 10001
    assert row(room)["inv_lvl"] == 8


def test_a_form_counts_only_under_its_content_type(room: Sandbox) -> None:
    body = urlencode({**to_level(7), **SIGNED})
    for headers in ({}, {"content-type": "application/json"}):
        assert code(send(room, "POST", "update", body=body, headers=headers)) == 30001
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert code(send(room, "POST", "update", body=body, headers=headers)) == 10001


def test_auth_switch(room: Sandbox) -> None:
    room.turn("auth", 31000)
    answer = find(room, **ALL)
    assert (code(answer), words(answer)) == (31000, "API not enabled on your site")
    room.turn("auth", "30001")
    assert code(find(room, **ALL)) == 30001


def test_an_undocumented_parameter_is_remembered(room: Sandbox) -> None:
    find(room, **ALL, skip_login_token=1)
    update(room, {**to_level(4), "level": "4"})
    assert room.undocumented == ["skip_login_token", "level"]


# What a search is refused for


@pytest.mark.parametrize(
    ("parameters", "refusal", "said"),
    [
        ({}, 50002, "No conditions specified"),
        ({"limit": "10"}, 50002, "No conditions specified"),
        ({"conditions[0][field]": "4"}, 50002, "No conditions specified"),
        ({"condition": "2", "string": "0"}, 50003, "Condition 1 'field' is missing"),
        ({"field": "4", "string": "0"}, 50003, "Condition 1 'condition' is missing"),
        (
            {
                "conditions[1][field]": "4",
                "conditions[1][condition]": "2",
                "conditions[1][string]": "0",
                "conditions[2][condition]": "1",
            },
            50003,
            "Condition 2 'field' is missing",
        ),
        ({**ALL, "field": "8"}, 50003, "Condition 1 'field' is invalid"),
        ({**ALL, "condition": "0"}, 50003, "Condition 1 'condition' is invalid"),
        ({**ALL, "condition": "7"}, 50003, "Condition 1 'condition' is invalid"),
        ({"field": "7", "condition": "3", "string": "1"}, 50003, "Condition 1 'condition' is"),
        ({"field": "7", "condition": "1", "string": "2"}, 50003, "Condition 1 'string' is"),
        ({"field": "7", "condition": "1", "string": "true"}, 50003, "Condition 1 'string' is"),
        ({"field": "1", "condition": "1"}, 50003, "Condition 1 'string' is missing"),
        ({"field": "4", "condition": "2", "string": "none"}, 50003, "Condition 1 'string' is"),
        ({"field": "5", "condition": "6"}, 50003, "date1 is invalid"),
        (
            {"field": "5", "condition": "7", "date1": "2020-01-01T00:00:00"},
            50003,
            "date2 is invalid",
        ),
        ({**ALL, "limit": "0"}, 50004, "Invalid limit or offset"),
        ({**ALL, "limit": "-1"}, 50004, "Invalid limit or offset"),
        ({**ALL, "limit": "ten"}, 50004, "Invalid limit or offset"),
        ({**ALL, "offset": "-1"}, 50004, "Invalid limit or offset"),
        ({**ALL, "sortby": "3"}, 50003, "sortby is invalid"),
    ],
)
def test_a_wrong_search_is_refused(
    room: Sandbox, parameters: dict[str, str], refusal: int, said: str
) -> None:
    answer = find(room, **parameters)
    assert code(answer) == refusal
    assert words(answer).startswith(said)
    assert list(answer) == ["response_status"]


@pytest.mark.parametrize(
    "date",
    [
        "2018-10-01T00:00:00Z",
        "2018-10-01T00:00:00+00:00",
        "2018-10-01T00:00:00.000",
        "2018-10-01 00:00:00",
        "2018-10-01",
        "2018-13-01T00:00:00",
        "",
    ],
)
def test_a_date_of_another_form_is_refused(room: Sandbox, date: str) -> None:
    assert words(find(room, field=5, condition=6, date1=date)) == "date1 is invalid"
    between = find(room, field=5, condition=7, date1="2018-10-01T00:00:00", date2=date)
    assert words(between) == "date2 is invalid"


def test_an_empty_date2_that_nobody_needs_is_accepted(room: Sandbox) -> None:
    assert found(room, field=5, condition=6, date1="2018-10-01T00:00:00", date2="")


@pytest.mark.parametrize(("method", "name"), [("GET", "update"), ("POST", "find"), ("GET", "all")])
def test_what_is_not_there_is_html(room: Sandbox, method: str, name: str) -> None:
    reply = send(room, method, name, query=urlencode({**ALL, **SIGNED}))
    assert reply.status == 404
    assert reply.body.startswith(b"<")
    assert reply.headers["Content-Type"].startswith("text/html")


def test_find_method(room: Sandbox) -> None:
    body = urlencode({**ALL, **SIGNED})
    room.turn("find_method", "post")
    assert code(send(room, "POST", "find", body=body)) == 10001
    assert send(room, "GET", "find", query=body).status == 404
    room.turn("find_method", "both")
    assert code(send(room, "POST", "find", body=body)) == 10001
    assert code(send(room, "GET", "find", query=body)) == 10001


# What a search finds


def keys(rows: list[dict[str, Any]]) -> list[str]:
    return [each["dn_sku_id"] for each in rows]


def by_hand(room: Sandbox, wanted: Any) -> set[str]:
    return {key for (key,), each in room.rows(STREAM).items() if wanted(each)}


COMPARISONS: dict[int, Callable[[Any, Any], bool]] = {
    1: lambda have, want: have == want,
    2: lambda have, want: have != want,
    3: lambda have, want: have < want,
    4: lambda have, want: have > want,
    5: lambda have, want: have <= want,
    6: lambda have, want: have >= want,
}


@pytest.mark.parametrize("condition", COMPARISONS)
@pytest.mark.parametrize(
    ("field", "column", "want"),
    [
        (1, "product_code", "5190"),
        (2, "product_name", "Classic Tote Bag 4"),
        (3, "supplier", "Sample Supplier 3"),
        (4, "product_id", "19618"),
    ],
)
def test_conditions_on_words(
    room: Sandbox, condition: int, field: int, column: str, want: str
) -> None:
    compare = COMPARISONS[condition]
    expected = by_hand(room, lambda each: compare(each[column], want))
    rows = everything(room, field=field, condition=condition, string=want)
    assert set(keys(rows)) == expected
    assert 0 < len(rows) == len(expected) < 300


@pytest.mark.parametrize("condition", COMPARISONS)
def test_conditions_on_time(room: Sandbox, condition: int) -> None:
    date = "2018-10-01T00:00:00"
    compare = COMPARISONS[condition]
    expected = by_hand(room, lambda each: compare(each["inv_last_modified"], date))
    rows = everything(room, field=5, condition=condition, date1=date, sortby=5)
    assert set(keys(rows)) == expected
    assert expected


def test_between_includes_both_ends(room: Sandbox) -> None:
    dates = sorted({each["inv_last_modified"] for each in room.rows(STREAM).values()})
    low, high = dates[10], dates[20]
    expected = by_hand(room, lambda each: low <= each["inv_last_modified"] <= high)
    rows = everything(room, field=5, condition=7, date1=low, date2=high)
    assert set(keys(rows)) == expected


def test_tracking_and_inventory_id(room: Sandbox) -> None:
    on = by_hand(room, lambda each: each["inv_on"])
    assert set(keys(everything(room, field=7, condition=1, string=1))) == on
    assert not on & set(keys(everything(room, field=7, condition=2, string=1)))
    assert keys(found(room, field=6, condition=1, string=2)) == [LARGE]


def test_several_conditions_are_joined_by_and(room: Sandbox) -> None:
    date = "2019-06-01T00:00:00"
    query = {
        "conditions[1][field]": "5",
        "conditions[1][condition]": "6",
        "conditions[1][date1]": date,
        "conditions[2][field]": "3",
        "conditions[2][condition]": "1",
        "conditions[2][string]": "Sanmar",
        "conditions[3][field]": "5",
        "conditions[3][condition]": "2",
        "conditions[3][date1]": "2020-01-01T00:00:00",
    }
    expected = by_hand(
        room, lambda each: each["inv_last_modified"] >= date and each["supplier"] == "Sanmar"
    )
    assert set(keys(everything(room, **query))) == expected
    assert expected


def test_condition_zero_is_ignored_and_brackets_may_be_encoded_or_not(room: Sandbox) -> None:
    bare = (
        "conditions[0][field]=9&conditions[1][field]=4&conditions[1][condition]=1"
        "&conditions[1][string]=19617&conditions[1][date2]=&" + urlencode(SIGNED)
    )
    encoded = bare.replace("[", "%5B").replace("]", "%5D")
    answers = [json.loads(send(room, "GET", "find", query=each).body) for each in (bare, encoded)]
    assert answers[0] == answers[1]
    assert {each["product_id"] for each in answers[0]["inventories"]} == {"19617"}


@pytest.mark.parametrize(
    ("sortby", "column"), [(1, "product_code"), (2, "product_name"), (5, "inv_last_modified")]
)
def test_sorting_is_ascending_and_stable(room: Sandbox, sortby: int, column: str) -> None:
    catalogue = [key for (key,) in room.rows(STREAM)]
    rows = everything(room, **ALL, sortby=sortby)
    assert len(rows) == 300
    places = [(each[column], catalogue.index(each["dn_sku_id"])) for each in rows]
    assert places == sorted(places)
    if sortby == 1:
        assert rows == everything(room, **ALL)


def test_limit_offset_and_total(room: Sandbox) -> None:
    whole = everything(room)
    answer = find(room, **ALL, limit=7, offset=20)
    assert answer["inventories"] == whole[20:27]
    assert answer["total"] == 300
    assert len(found(room, **ALL)) == 100
    last = find(room, **ALL, offset=290)
    assert (last["inventories"], last["total"]) == (whole[290:], 300)


def test_a_row_without_a_time_matches_no_condition_on_time(room: Sandbox) -> None:
    room.turn("null_dates", 9)
    undated = by_hand(room, lambda each: not each["inv_last_modified"])
    assert {row(room, key)["inv_last_modified"] for key in undated} == {None, ""}
    assert len(undated) == 9
    for condition in COMPARISONS:
        rows = everything(room, field=5, condition=condition, date1="2019-01-01T00:00:00")
        assert not undated & set(keys(rows))
    assert len(everything(room)) == 300
    room.turn("null_dates", 0)
    assert by_hand(room, lambda each: not each["inv_last_modified"]) == set()


# Switches of the search


def test_limit_over(room: Sandbox) -> None:
    assert len(found(room, **ALL, limit=500)) == 100
    room.turn("limit_over", "50004")
    assert code(find(room, **ALL, limit=101)) == 50004
    assert len(found(room, **ALL, limit=100)) == 100


def test_past_end(room: Sandbox) -> None:
    assert found(room, **ALL, offset=300) == []
    room.turn("past_end", 50004)
    assert code(find(room, **ALL, offset=300)) == 50004
    assert len(found(room, **ALL, offset=299)) == 1


def test_not_found(room: Sandbox) -> None:
    nobody = {"field": 4, "condition": 1, "string": 1}
    assert find(room, **nobody)["total"] == 0
    room.turn("not_found", "40004")
    assert find(room, **nobody) == {
        "response_status": {
            "code": 40004,
            "severity": "WARNING",
            "description": "Product ID Not Found",
        },
        "inventories": [],
        "total": 0,
    }


def test_no_total(room: Sandbox) -> None:
    room.turn("no_total", value=True)
    assert set(find(room, **ALL)) == {"response_status", "inventories"}


def test_sort_desc(room: Sandbox) -> None:
    upwards = everything(room, **ALL, sortby=5)
    room.turn("sort_desc", value=True)
    assert everything(room, **ALL, sortby=5) == upwards[::-1]


def test_tie_shuffle_loses_rows_to_whoever_pages_by_offset(room: Sandbox) -> None:
    room.turn("tie_shuffle", value=True)
    rows = everything(room)
    codes = [each["product_code"] for each in rows]
    assert codes == sorted(codes)
    assert len(rows) == 300
    assert len(set(keys(rows))) < 300


def test_change_between_pages(room: Sandbox) -> None:
    room.turn("change_between_pages", 3)
    before = room.rows(STREAM)
    first = found(room, **ALL, limit=5)
    after = room.rows(STREAM)
    changed = [key for (key,) in before if before[key,] != after[key,]]
    assert changed == keys(first)[:3]
    for key in changed:
        assert after[key,]["inv_last_modified"] == NOW_TEXT
        assert after[key,]["inv_lvl"] != before[key,]["inv_lvl"]
    found(room, **ALL, limit=5)
    later = room.rows(STREAM)
    changed = [key for (key,) in before if after[key,] != later[key,]]
    assert changed[-2:] == keys(first)[3:5]


def test_change_between_pages_moves_rows_that_are_sorted_by_time(room: Sandbox) -> None:
    room.turn("change_between_pages", 1)
    search = {"field": 5, "condition": 6, "date1": "2016-01-01T00:00:00", "sortby": 5}
    still = keys(everything(Sandbox(Clock(NOW), size=300), **search))
    first = keys(found(room, **search))
    second = keys(found(room, **search, offset=100))
    assert first == still[:100]
    assert second[0] == still[101]


def test_remove_after_first_page(room: Sandbox) -> None:
    room.turn("remove_after_first_page", 7)
    first = keys(found(room, **ALL))
    assert len(room.rows(STREAM)) == 293
    assert not set(first[:7]) & by_hand(room, lambda _: True)
    assert find(room, **ALL)["total"] == 293
    assert len(room.rows(STREAM)) == 293


def test_same_second(room: Sandbox) -> None:
    before = room.rows(STREAM)
    room.turn("same_second", 150)
    dates = [each["inv_last_modified"] for each in room.rows(STREAM).values()]
    second = max(set(dates), key=dates.count)
    assert dates.count(second) == 150
    answer = find(room, field=5, condition=1, date1=second)
    assert (answer["total"], len(answer["inventories"])) == (150, 100)
    room.turn("same_second", 0)
    assert room.rows(STREAM) == before


def test_switches_that_give_times_keep_later_changes(room: Sandbox) -> None:
    room.turn("same_second", 150)
    room.touch(STREAM, keys=[(LARGE,)])
    room.turn("same_second", 0)
    assert row(room, LARGE)["inv_last_modified"] == NOW_TEXT


@pytest.mark.parametrize(
    ("boundary", "greater", "at_least", "between"),
    [
        ("exact", False, True, True),
        ("gt_as_ge", True, True, True),
        ("ge_as_gt", False, False, True),
        ("between_end_exclusive", False, True, False),
    ],
)
def test_boundary(
    room: Sandbox, boundary: str, *, greater: bool, at_least: bool, between: bool
) -> None:
    room.turn("boundary", boundary)
    date = "2018-10-01T00:00:00"

    def holds(**condition: Any) -> bool:
        return MEDIUM in keys(everything(room, field=5, **condition))

    assert holds(condition=4, date1=date) is greater
    assert holds(condition=6, date1=date) is at_least
    assert holds(condition=7, date1="2018-09-30T00:00:00", date2=date) is between
    assert holds(condition=1, date1=date)


@pytest.mark.parametrize(
    ("hours", "start"), [(10, "2018-10-01T10:00:00"), (-5, "2018-09-30T19:00:00")]
)
def test_filter_offset_hours(room: Sandbox, hours: int, start: str) -> None:
    room.turn("filter_offset_hours", hours)
    later = start[:-2] + "01"
    assert MEDIUM in keys(everything(room, field=5, condition=6, date1=start))
    assert MEDIUM not in keys(everything(room, field=5, condition=6, date1=later))


def test_code_as_text(room: Sandbox) -> None:
    room.turn("code_as_text", value=True)
    assert code(find(room, **ALL)) == "10001"
    assert code(find(room)) == "50002"
    assert code(update(room, to_level(4))) == "10001"


def test_answers_follow_every_change_of_the_stock(room: Sandbox) -> None:
    for level in (11, 12):
        update(room, to_level(level))
        [first] = found(room, **ALL, limit=1)
        assert first["inv_lvl"] == level
    room.remove(STREAM, 1)
    assert find(room, **ALL)["total"] == 299
    room.put(STREAM, row(room, LARGE) | {"dn_sku_id": "new", "product_code": "0"})
    assert keys(found(room, **ALL, limit=1)) == ["new"]


# Updating


def test_several_changes_apply_and_stamp_the_clock(room: Sandbox) -> None:
    reply = update(
        room,
        to_level(10),
        {"dn_sku_id": LARGE, "inv_on": "false", "inv_warn": "7", "inv_reorder_to": "8"},
    )
    assert json.loads(reply.body) == json.loads(examples.UPDATE_ANSWER)
    assert row(room)["inv_lvl"] == 10
    assert row(room)["inv_last_modified"] == NOW_TEXT
    large = row(room, LARGE)
    assert (large["inv_on"], large["inv_warn"], large["inv_reorder_to"]) == (False, 7, 8)


def test_updates_are_remembered_as_they_were_sent(room: Sandbox) -> None:
    update(room, to_level(10), to_level(11, LARGE))
    single(room, **to_level(12), operator_login="bob123")
    assert room.updates == [
        to_level(10),
        to_level(11, LARGE),
        to_level(12) | {"operator_login": "bob123"},
    ]


def test_an_update_that_changes_nothing_moves_no_time(room: Sandbox) -> None:
    assert code(update(room, to_level(3))) == 10001
    assert row(room)["inv_last_modified"] == "2018-10-01T00:00:00"


def test_changes_zero_is_ignored_without_a_word(room: Sandbox) -> None:
    assert code(update(room, to_level(10), to_level(11, LARGE), first=0)) == 10001
    assert row(room)["inv_lvl"] == 3
    assert row(room, LARGE)["inv_lvl"] == 11
    assert code(update(room, to_level(12), first=0)) == 10001
    assert room.updates == [to_level(11, LARGE)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"dn_sku_id": MEDIUM, "inv_lvl": "4"},
        {"inv_on": "true", "inv_lvl": "4"},
        {"dn_sku_id": "", "inv_on": "true"},
        *({**to_level(4), "inv_on": text} for text in ("True", "TRUE", "1", "yes", "")),
        *(
            {**to_level(4), "inv_lvl": text}
            for text in ("4.0", "-1", "1e3", "NaN", " 4", "four", "٤", "99999999999")
        ),
        {**to_level(4), "inv_warn": "2.5"},
        {**to_level(4), "operator_id": "bob"},
    ],
)
def test_a_wrong_change_refuses_the_whole_batch(room: Sandbox, wrong: dict[str, str]) -> None:
    before = room.rows(STREAM)
    reply = update(room, to_level(9, LARGE), wrong)
    assert (code(reply), words(reply)) == (50005, "Invalid request parameters")
    assert room.rows(STREAM) == before
    assert room.updates == []


def test_an_update_without_a_change_is_refused(room: Sandbox) -> None:
    assert code(single(room)) == 50005


def test_an_unknown_sku_refuses_the_whole_batch(room: Sandbox) -> None:
    reply = update(room, to_level(9), to_level(9, "19617_1"))
    assert (code(reply), words(reply)) == (40004, "Product ID Not Found")
    assert json.loads(reply.body)["response_status"]["severity"] == "WARNING"
    assert row(room)["inv_lvl"] == 3
    room.turn("unknown_sku_code", 50005)
    assert code(update(room, to_level(9, "19617_1"))) == 50005


def test_partial_apply(room: Sandbox) -> None:
    room.turn("partial_apply", 1)
    assert code(update(room, to_level(9), to_level(9, LARGE), to_level(9, "gone"))) == 40004
    assert room.updates == [to_level(9)]
    assert row(room, LARGE)["inv_lvl"] != 9
    room.turn("partial_apply", 5)
    assert code(update(room, to_level(8), to_level(8, "gone"), to_level(8, LARGE))) == 40004
    assert room.updates == [to_level(9), to_level(8)]


def test_max_batch(room: Sandbox) -> None:
    room.turn("max_batch", 1)
    assert code(update(room, to_level(9), to_level(9, LARGE))) == 50005
    assert room.updates == []
    assert code(update(room, to_level(9))) == 10001


def test_empty_level_sets_zero(room: Sandbox) -> None:
    empty = {"dn_sku_id": MEDIUM, "inv_on": "true", "inv_lvl": "", "inv_warn": ""}
    assert code(update(room, empty)) == 10001
    assert row(room)["inv_lvl"] == 3
    room.turn("empty_level_sets_zero", value=True)
    update(room, empty)
    assert (row(room)["inv_lvl"], row(room)["inv_warn"]) == (0, 2)


def test_update_lost_answer_is_applied_and_never_answered(room: Sandbox) -> None:
    room.turn("update_lost_answer", 1)
    body = urlencode({**to_level(9), **SIGNED})
    with SandboxServer([room]) as server:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        head = f"POST {ROOT}update HTTP/1.1\r\nContent-Type: {FORM}\r\n"
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        until(lambda: row(room)["inv_lvl"] == 9)
        with sock:
            assert_silent(sock)
        assert over_http(server, "POST", f"{ROOT}update", body)


def test_update_not_applied(room: Sandbox) -> None:
    room.turn("update_not_applied", 2)
    for _ in range(2):
        assert update(room, to_level(9)).status == 502
    assert row(room)["inv_lvl"] == 3
    assert code(update(room, to_level(9))) == 10001
    room.turn("update_not_applied", value=True)
    assert [update(room, to_level(8)).status for _ in range(3)] == [502] * 3


def test_update_not_applied_with_the_first_changes_applied(room: Sandbox) -> None:
    room.turn("update_not_applied", 1)
    room.turn("partial_apply", 1)
    assert update(room, to_level(9), to_level(9, LARGE)).status == 502
    assert room.updates == [to_level(9)]


def test_sale_in_between(room: Sandbox) -> None:
    room.turn("sale_in_between", 1)
    update(room, to_level(9))
    assert row(room)["inv_lvl"] == 8
    update(room, to_level(9))
    assert row(room)["inv_lvl"] == 9


# Whole answers that go wrong


@pytest.mark.parametrize("status", [200, 503])
def test_html(room: Sandbox, status: int) -> None:
    room.turn("html", status)
    for reply in (send(room, "GET", "find"), update(room, to_level(9))):
        assert reply.status == status
        assert reply.body.startswith(b"<")
        assert reply.headers["Content-Type"].startswith("text/html")
    assert room.updates == []


def test_redirect(room: Sandbox) -> None:
    room.turn("redirect", "http://127.0.0.1:9/elsewhere")
    reply = send(room, "GET", "find")
    assert (reply.status, reply.headers["Location"]) == (302, "http://127.0.0.1:9/elsewhere")


def test_status_gives_one_answer_each_and_then_is_good(room: Sandbox) -> None:
    room.turn("status", [429, 500, "reset"])
    assert [update(room, to_level(9)).status for _ in range(2)] == [429, 500]
    assert update(room, to_level(9)).lost == "reset_before_headers"
    assert room.updates == []
    assert code(update(room, to_level(9))) == 10001
    assert room.switches["status"].off == []


# The room as the tests' tool


def test_switches_with_wrong_names_or_values_are_refused(room: Sandbox) -> None:
    with pytest.raises(KeyError, match="no_totals"):
        room.turn("no_totals", value=True)
    for name, value in (("auth", "no"), ("status", [418]), ("max_batch", "1"), ("no_total", 1)):
        with pytest.raises(ValueError, match="must be"):
            room.turn(name, value)
    assert room.set == {}


def test_every_switch_is_there() -> None:
    assert set(Sandbox.switches) >= {
        "auth",
        "limit_over",
        "no_total",
        "sort_desc",
        "tie_shuffle",
        "change_between_pages",
        "remove_after_first_page",
        "same_second",
        "null_dates",
        "boundary",
        "filter_offset_hours",
        "code_as_text",
        "partial_apply",
        "unknown_sku_code",
        "max_batch",
        "update_lost_answer",
        "update_not_applied",
        "sale_in_between",
        "empty_level_sets_zero",
        "html",
        "redirect",
        "status",
        "find_method",
        "on_order_bumps",
    }
    assert all(switch.help for switch in Sandbox.switches.values())


def test_touch_sells_rows_that_were_delivered_in_turn(room: Sandbox) -> None:
    assert room.touch(STREAM) == [(MEDIUM,)]
    assert row(room)["inv_lvl"] == 2
    found(room, **ALL, limit=3, offset=50)
    delivered = keys(found(room, **ALL, limit=3, offset=50))
    assert room.touch(STREAM, 2) == [(key,) for key in delivered[:2]]
    assert room.touch(STREAM, 2) == [(delivered[2],), (delivered[0],)]


def test_touch_gives_all_rows_one_whole_second_of_the_clock(room: Sandbox) -> None:
    room.clock.step(60)
    touched = room.touch(STREAM, 40)
    dates = {row(room, key)["inv_last_modified"] for (key,) in touched}
    assert dates == {NOW_TEXT.replace("15:06", "15:07")}
    assert all(re.fullmatch(r"[0-9T:-]{19}", date) for date in dates)


def test_order_moves_the_time_only_when_told(room: Sandbox) -> None:
    assert room.order() == [(MEDIUM,)]
    assert row(room)["inv_on_order_total"] == 15
    assert row(room)["inv_last_modified"] == "2018-10-01T00:00:00"
    room.turn("on_order_bumps", value=True)
    room.order()
    assert row(room)["inv_on_order_po"] == 24
    assert row(room)["inv_last_modified"] == NOW_TEXT


def test_put_adds_rows_however_wrong(room: Sandbox) -> None:
    room.put(STREAM, {"dn_sku_id": MEDIUM, "inv_lvl": "many", "inv_last_modified": 5})
    room.put(STREAM, {"product_code": None})
    rows = everything(room)
    assert len(rows) == 302
    assert keys([each for each in rows if "dn_sku_id" in each]).count(MEDIUM) == 2
    assert len(room.rows(STREAM)) == 300
    room.touch(STREAM, 302)


def test_only_the_providers_own_stream_is_served(room: Sandbox) -> None:
    for call in (room.rows, room.touch, room.remove):
        with pytest.raises(KeyError):
            call("inventory_levels")
    assert not room.serves("/api/json/manage_orders/find")
    assert room.serves("/api/json/manage_inventory/find")


def test_reset_begins_again(room: Sandbox) -> None:
    before = room.rows(STREAM)
    room.turn("no_total", value=True)
    room.turn("same_second", 120)
    update(room, to_level(9))
    room.remove(STREAM, 20)
    room.reset()
    assert room.rows(STREAM) == before
    assert "total" in find(room, **ALL)
    assert room.updates == []


def test_the_catalogue_holds_the_odd_rows_that_shops_have() -> None:
    rows = Sandbox(Clock(NOW)).rows(STREAM).values()
    skus = [each["sku"] for each in rows]
    assert len(rows) == 2000
    assert skus.count("") > 1
    assert any(skus.count(sku) == 2 for sku in set(skus) - {""})
    assert any(each["product_size"] is None and each["product_color"] is None for each in rows)
    assert any(not each["inv_on"] for each in rows)
    assert any(each["inv_lvl"] < 0 for each in rows)
    products = [each["product_id"] for each in rows]
    assert max(products.count(product) for product in set(products)) > 100
