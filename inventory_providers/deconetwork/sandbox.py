"""DecoNetwork in memory: inventory search and update as the provider's document says.

Written from the document alone. Where it is silent there is a switch; its off value is the guess
that the reading side makes too.
"""

from __future__ import annotations

import json
import random
import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

from inventory_providers.sandbox.faults import HTML
from inventory_providers.sandbox.room import Key, Reply, Request, Row, SandboxRoom, Switch
from inventory_providers.sandbox.world import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from inventory_providers.sandbox.world import Variant

STREAM = "deconetwork_inventory"
USERNAME = "sandbox-user"
PASSWORD = "sandbox-p@ss w0rd/&+"  # noqa: S105 - opens nothing but this stand-in
ROOT = "/api/json/manage_inventory/"
PAGE = 100

# The row printed in the provider's document, as it stands there.
DOCUMENTED: Row = {
    "product_id": "19617",
    "product_code": "5170",
    "product_name": "ComfortSoft 50/50 Cotton/Poly T Shirt",
    "supplier": "Sanmar",
    "sku": "312033",
    "vendor_sku": "312033",
    "dn_sku_id": "19617_1378",
    "dn_vsku_id": "1064_1378",
    "product_size": {"option_id": 2, "name": "Medium", "code": "M", "sub_sizes": []},
    "product_color": {"id": 35345, "name": "White"},
    "inv_on": True,
    "inv_lvl": 3,
    "inv_warn": 2,
    "inv_reorder_to": 3,
    "inv_on_order_po": 4,
    "inv_on_order_stk": 1,
    "inv_on_order_total": 5,
    "inv_last_modified": "2018-10-01T00:00:00",
}

_LEVELS = ("inv_lvl", "inv_warn", "inv_reorder_to")
_NUMBER = re.compile(r"[0-9]{1,9}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_NUMBERED = re.compile(r"(conditions|changes)\[([0-9]+)\]\[(\w+)\]")
_CONDITION_PARTS = ("field", "condition", "date1", "date2", "string")
_CHANGE_PARTS = ("dn_sku_id", "inv_on", *_LEVELS, "operator_id", "operator_login")
_SEARCH_PARTS = ("limit", "offset", "sortby", "username", "password")

_DATES = 5
_TRACKED = 7
_COLUMNS = {1: "product_code", 2: "product_name", 3: "supplier"}
_BETWEEN = 7
_COMPARE: dict[int, Callable[[Any, Any], bool]] = {
    1: lambda have, want: have == want,
    2: lambda have, want: have != want,
    3: lambda have, want: have < want,
    4: lambda have, want: have > want,
    5: lambda have, want: have <= want,
    6: lambda have, want: have >= want,
}

# Rows that a real shop has too: made by hand, sharing a SKU, not counted, oversold.
_CUSTOM_STYLE = 24
_SHARED_STYLE = 23
_STYLES_PER_ROUND = 25

_EVERY_TIME = "; a number: so many times, true: every time"

Parameters = dict[str, str]


class _RefusedError(Exception):
    """An answer other than success, by the provider's own code."""

    def __init__(self, code: int, description: str, severity: str = "ERROR") -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.severity = severity


def _not_found() -> _RefusedError:
    return _RefusedError(40004, "Product ID Not Found", "WARNING")


def _bad_limit() -> _RefusedError:
    return _RefusedError(50004, "Invalid limit or offset")


def _bad_parameters() -> _RefusedError:
    return _RefusedError(50005, "Invalid request parameters")


class _Condition(NamedTuple):
    field: int
    test: int
    low: Any
    high: Any = None


class _Search(NamedTuple):
    conditions: tuple[_Condition, ...]
    sortby: int
    limit: int
    offset: int


@dataclass(slots=True, eq=False)
class _Sku:
    """One row; `serial` is its place among rows that tie, and its inventory id."""

    serial: int
    row: Row
    text: bytes | None = None

    def json(self) -> bytes:
        if self.text is None:
            self.text = json.dumps(self.row).encode()
        return self.text

    def words(self, column: str) -> str:
        value = self.row.get(column)
        return "" if value is None else str(value)

    @property
    def date(self) -> str:
        return self.words("inv_last_modified")

    @property
    def key(self) -> Key:
        return (self.words("dn_sku_id"),)


class _Shelf:
    """All rows in the orders that can be asked for. A change moves one row and sorts nothing."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.skus: list[_Sku] = []
        self.by_key: dict[Key, list[_Sku]] = {}
        self.dates: list[tuple[str, int]] = []  # of the rows in `dated`, place by place
        self.dated: list[_Sku] = []
        self.goods = 0  # counts rows that came and went
        self.changes = 0  # counts rows that changed
        self._serial = 0
        self._sorted: dict[int, tuple[int, list[_Sku]]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        self._serial += 1
        sku = _Sku(self._serial, row)
        self.skus.append(sku)
        self.by_key.setdefault(sku.key, []).append(sku)
        self._put_date(sku)
        self.goods += 1

    def remove(self, sku: _Sku) -> None:
        self.skus.remove(sku)
        self.by_key[sku.key].remove(sku)
        if not self.by_key[sku.key]:
            del self.by_key[sku.key]
        self._take_date(sku)
        self.goods += 1

    def change(self, sku: _Sku, values: Row) -> None:
        self._take_date(sku)
        sku.row = sku.row | values
        sku.text = None
        self._put_date(sku)
        self.changes += 1

    def in_order(self, sortby: int) -> list[_Sku]:
        """All rows; those that tie stand as they do in the catalogue."""
        if sortby == _DATES:
            return self.dated[:]
        goods, ordered = self._sorted.get(sortby, (-1, []))
        if goods != self.goods:
            ordered = sorted(self.skus, key=lambda sku: sku.words(_COLUMNS[sortby]))
            self._sorted[sortby] = (self.goods, ordered)
        return ordered

    def before(self, date: str) -> int:
        """How many rows have an earlier time; no time is the earliest."""
        return bisect_left(self.dates, (date,))

    def until(self, date: str) -> int:
        """How many rows have this time or an earlier one."""
        return bisect_left(self.dates, (date, self._serial + 1))

    def _put_date(self, sku: _Sku) -> None:
        stamp = (sku.date, sku.serial)
        place = bisect_left(self.dates, stamp)
        self.dates.insert(place, stamp)
        self.dated.insert(place, sku)

    def _take_date(self, sku: _Sku) -> None:
        place = bisect_left(self.dates, (sku.date, sku.serial))
        del self.dates[place], self.dated[place]


class Sandbox(SandboxRoom):
    """The provider's inventory search and update.

    `updates` holds every change that was applied, in order, as it was sent. `undocumented` holds
    the names of parameters that the document does not know, which the provider would ignore.
    """

    name = "deconetwork"
    switches: ClassVar[Mapping[str, Switch]] = {
        "auth": Switch("What signing in gives", "ok", ("ok", "30001", "31000")),
        "find_method": Switch("How find can be asked", "get", ("get", "post", "both")),
        "limit_over": Switch("A limit over 100: cut, or code 50004", "cut", ("cut", "50004")),
        "past_end": Switch(
            "An offset past the end: no rows, or code 50004", "empty", ("empty", "50004")
        ),
        "not_found": Switch(
            "A find that finds nothing: no rows, or code 40004", "empty", ("empty", "40004")
        ),
        "no_total": Switch("Answers have no total", off=False),
        "sort_desc": Switch("Answers are sorted from the largest down", off=False),
        "tie_shuffle": Switch("Rows that tie come in another order each time", off=False),
        "change_between_pages": Switch("After each find, so many delivered rows change", 0),
        "remove_after_first_page": Switch("After the next find, so many delivered rows vanish", 0),
        "same_second": Switch("So many rows have one and the same time", 0),
        "null_dates": Switch('So many rows have no time, null or ""', 0),
        "boundary": Switch(
            "How dates compare at the boundary",
            "exact",
            ("exact", "gt_as_ge", "ge_as_gt", "between_end_exclusive"),
        ),
        "filter_offset_hours": Switch("Dates of a search are compared in a zone so far off", 0),
        "on_order_bumps": Switch("A change of inv_on_order_* moves inv_last_modified", off=False),
        "code_as_text": Switch('Codes come as text: "10001"', off=False),
        "partial_apply": Switch("Of an update that fails, so many changes are applied", 0),
        "unknown_sku_code": Switch(
            "The code for an unknown dn_sku_id", "40004", ("40004", "50005")
        ),
        "max_batch": Switch("More changes than this are refused with 50005; 0: no limit", 0),
        "update_lost_answer": Switch("Updates are applied, no answer comes" + _EVERY_TIME, 0),
        "update_not_applied": Switch("Updates get 502 and are not applied" + _EVERY_TIME, 0),
        "sale_in_between": Switch("Right after an update its levels fall by one" + _EVERY_TIME, 0),
        "empty_level_sets_zero": Switch("An empty inv_lvl= sets 0", off=False),
        "html": Switch("Every answer is HTML with this status; 0: none", 0, (0, 200, 503)),
        "redirect": Switch("Every answer is a 302 to this address; empty: none", ""),
        "status": Switch(
            "The next answers, one each: a status, or reset",
            [],
            (400, 401, 403, 404, 408, 429, 500, 502, 503, 504, "reset"),
        ),
    }

    def reset(self) -> None:
        """Seed the catalogue again and turn every switch off."""
        self.set = {}
        self.updates: list[dict[str, str]] = []
        self.undocumented: list[str] = []
        self._shelf = _Shelf(_catalogue(self.size))
        self._delivered: dict[_Sku, None] = {}
        self._redated: dict[str, dict[_Sku, tuple[Any, Any]]] = {}
        self._found: dict[Any, tuple[tuple[int, int], list[_Sku]]] = {}
        self._finds = 0

    def turn(self, name: str, value: Any) -> None:
        """Set a switch. Those that give rows another time do it at once, and undo it when off."""
        with self.lock:
            super().turn(name, value)
            if name == "same_second":
                self._redate(name, self._shelf.skus[1:], lambda _: "2021-06-15T12:00:00")
            elif name == "null_dates":
                self._redate(name, self._shelf.skus[::-1], lambda n: None if n % 2 else "")

    def serves(self, path: str) -> bool:
        """Everything below the address of the inventory API."""
        return path.startswith(ROOT)

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here."""
        return {"api_url": base_url, "username": USERNAME, "password": PASSWORD}

    def secrets(self) -> list[str]:
        """The password."""
        return [PASSWORD]

    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now: wire rows by `dn_sku_id`."""
        _only(stream)
        with self.lock:
            return {sku.key: dict(sku.row) for sku in self._shelf.skus if sku.key != ("",)}

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Change the level of rows at the sandbox's clock, all in the same second."""
        _only(stream)
        with self.lock:
            chosen = self._choose(count) if keys is None else self._named(keys)
            now = self._now()
            for sku in chosen:
                self._change(sku, {"inv_lvl": _sold(sku)}, now)
            self._requeue(chosen)
            return [sku.key for sku in chosen]

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take rows out of the catalogue, the first delivered ones first."""
        _only(stream)
        with self.lock:
            chosen = self._choose(count)
            for sku in chosen:
                self._shelf.remove(sku)
                self._delivered.pop(sku, None)
            return [sku.key for sku in chosen]

    def put(self, stream: str, row: Row) -> None:
        """Add one wire row as it is, however wrong; a key that exists becomes a second row."""
        _only(stream)
        with self.lock:
            self._shelf.add(dict(row))

    def order(self, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Put ten more of each of these rows on order; `on_order_bumps` says if its time moves."""
        with self.lock:
            chosen = self._choose(count) if keys is None else self._named(keys)
            now = self._now() if self.switch("on_order_bumps") else None
            for sku in chosen:
                purchased = _amount(sku, "inv_on_order_po") + 10
                total = _amount(sku, "inv_on_order_total") + 10
                values = {"inv_on_order_po": purchased, "inv_on_order_total": total}
                self._change(sku, values, now)
            return [sku.key for sku in chosen]

    def handle(self, request: Request) -> Reply:
        """The answer, and its effect on the stock."""
        broken = self._broken()
        if broken is not None:
            return broken
        route = self._route(request)
        if route is None:
            return Reply(404, HTML, {"Content-Type": "text/html; charset=utf-8"})
        try:
            return route(request)
        except _RefusedError as refusal:
            return self._status(refusal.code, refusal.severity, refusal.description)

    # What goes wrong before the request is looked at

    def _broken(self) -> Reply | None:
        planned = self.switch("status")
        if planned:
            self.set["status"] = planned[1:]
            return _planned(planned[0])
        if self.switch("html"):
            headers = {"Content-Type": "text/html; charset=utf-8"}
            return Reply(self.switch("html"), HTML, headers)
        if self.switch("redirect"):
            return Reply(302, b"", {"Location": self.switch("redirect")})
        return None

    def _route(self, request: Request) -> Callable[[Request], Reply] | None:
        name = request.path.removeprefix(ROOT)
        if name == "update" and request.method == "POST":
            return self._update
        wanted = self.switch("find_method")
        methods = {"GET", "POST"} if wanted == "both" else {wanted.upper()}
        return self._find if name == "find" and request.method in methods else None

    def _sign_in(self, parameters: Parameters) -> None:
        told = (parameters.get("username"), parameters.get("password"))
        if self.switch("auth") == "30001" or told != (USERNAME, PASSWORD):
            raise _RefusedError(30001, "Authentication failed")
        if self.switch("auth") == "31000":
            raise _RefusedError(31000, "API not enabled on your site")

    def _note(self, parameters: Parameters, known: Iterable[str]) -> None:
        bare = (_NUMBERED.sub(r"\3", name) for name in parameters)
        self.undocumented += [name for name in bare if name not in known]

    # Find

    def _find(self, request: Request) -> Reply:
        parameters = _query(request) | _form(request)
        self._sign_in(parameters)
        self._note(parameters, {*_CONDITION_PARTS, *_SEARCH_PARTS})
        search = self._search(parameters)
        found = self._matches(search)
        if search.offset >= len(found) and search.offset and self.switch("past_end") == "50004":
            raise _bad_limit()
        if not found and self.switch("not_found") == "40004":
            raise _not_found()
        page = found[search.offset : search.offset + search.limit]
        reply = self._page(page, len(found))
        self._after_page(page)
        return reply

    def _search(self, parameters: Parameters) -> _Search:
        conditions = _conditions(parameters)
        limit = _whole(parameters.get("limit", str(PAGE)), _bad_limit())
        offset = _whole(parameters.get("offset", "0"), _bad_limit())
        if limit < 1 or (limit > PAGE and self.switch("limit_over") == "50004"):
            raise _bad_limit()
        sortby = parameters.get("sortby", "1")
        if sortby not in {"1", "2", "5"}:
            raise _RefusedError(50003, "sortby is invalid")
        return _Search(conditions, int(sortby), min(limit, PAGE), offset)

    def _matches(self, search: _Search) -> list[_Sku]:
        """Everything found, in order; kept as long as nothing that it depends on has changed."""
        self._finds += 1
        shape = (search.conditions, search.sortby, self._wiring())
        fields = {condition.field for condition in search.conditions} | {search.sortby}
        changes = self._shelf.changes if fields & {_DATES, _TRACKED} else 0
        version = (self._shelf.goods, changes)
        if self._found.get(shape, (None,))[0] != version:
            if len(self._found) > 32:
                self._found.clear()
            self._found[shape] = (version, self._select(search))
        found = self._found[shape][1]
        return self._shuffled(found, search.sortby) if self.switch("tie_shuffle") else found

    def _wiring(self) -> tuple[Any, ...]:
        names = ("sort_desc", "boundary", "filter_offset_hours")
        return tuple(self.switch(name) for name in names)

    def _select(self, search: _Search) -> list[_Sku]:
        tests = [_test(each) for each in search.conditions if each.field != _DATES]
        found = self._candidates(search)
        if tests:
            found = [sku for sku in found if all(test(sku) for test in tests)]
        return found[::-1] if self.switch("sort_desc") else found

    def _candidates(self, search: _Search) -> list[_Sku]:
        dates = [each for each in search.conditions if each.field == _DATES]
        if not dates:
            return self._shelf.in_order(search.sortby)
        skus = self._between_dates(dates)
        if search.sortby != _DATES:
            column = _COLUMNS[search.sortby]
            skus.sort(key=lambda sku: (sku.words(column), sku.serial))
        return skus

    def _between_dates(self, conditions: list[_Condition]) -> list[_Sku]:
        # A row without a time matches no condition on time, not even "is not".
        begin, end = self._shelf.until(""), len(self._shelf.dated)
        unlike = set()
        for condition in conditions:
            low, high = self._in_zone(condition.low), self._in_zone(condition.high)
            if condition.test == 2:
                unlike.add(low)
                continue
            first, last = self._range(condition.test, low, high)
            begin, end = max(begin, first), min(end, last)
        found = self._shelf.dated[begin:end]
        return [sku for sku in found if sku.date not in unlike] if unlike else found

    def _range(self, test: int, low: str, high: str) -> tuple[int, int]:
        shelf, boundary = self._shelf, self.switch("boundary")
        before, until, end = shelf.before(low), shelf.until(low), len(shelf.dated)
        if test == _BETWEEN:
            last = shelf.before if boundary == "between_end_exclusive" else shelf.until
            return before, last(high)
        return {
            1: (before, until),
            3: (0, before),
            4: (before if boundary == "gt_as_ge" else until, end),
            5: (0, until),
            6: (until if boundary == "ge_as_gt" else before, end),
        }[test]

    def _in_zone(self, date: str | None) -> str:
        hours = self.switch("filter_offset_hours")
        if not date or not hours:
            return date or ""
        return (datetime.fromisoformat(date) - timedelta(hours=hours)).isoformat()

    def _shuffled(self, found: list[_Sku], sortby: int) -> list[_Sku]:
        dice = random.Random(self._finds)  # noqa: S311 - the same on every run
        column = _COLUMNS.get(sortby, "inv_last_modified")
        mixed = dice.sample(found, len(found))
        return sorted(mixed, key=lambda sku: sku.words(column), reverse=self.switch("sort_desc"))

    def _page(self, page: list[_Sku], total: int) -> Reply:
        end = b"]}" if self.switch("no_total") else b'],"total":%d}' % total
        rows = b",".join([sku.json() for sku in page])
        head = self._status(10001, "SUCCESS", ".").body[:-1]
        return Reply(body=b"".join((head, b',"inventories":[', rows, end)))

    def _after_page(self, page: list[_Sku]) -> None:
        for sku in page:
            self._delivered.setdefault(sku)
        changing = self.switch("change_between_pages")
        if changing and self._delivered:
            self.touch(STREAM, changing)
        leaving = self.switch("remove_after_first_page")
        if leaving and page:
            self.set["remove_after_first_page"] = 0
            self.remove(STREAM, leaving)

    # Update

    def _update(self, request: Request) -> Reply:
        form = _form(request)
        self._sign_in(_query(request) | form)
        self._note(form, {*_CHANGE_PARTS, *_SEARCH_PARTS})
        changes = _changes(form)
        if self._spend("update_not_applied"):
            self._apply(changes[: self.switch("partial_apply")])
            return Reply(502, HTML, {"Content-Type": "text/html; charset=utf-8"})
        self._check_batch(changes)
        changed = self._apply(changes)
        if changed and self._spend("sale_in_between"):
            for sku in changed:
                self._change(sku, {"inv_lvl": _amount(sku, "inv_lvl") - 1}, self._now())
        reply = self._status(10001, "SUCCESS", ".")
        reply.lost = "hang" if self._spend("update_lost_answer") else ""
        return reply

    def _check_batch(self, changes: list[Parameters]) -> None:
        largest = self.switch("max_batch")
        if largest and len(changes) > largest:
            raise _bad_parameters()
        for place, change in enumerate(changes):
            refusal = self._refusal(change)
            if refusal is not None:
                self._apply(changes[: min(place, self.switch("partial_apply"))])
                raise refusal

    def _refusal(self, change: Parameters) -> _RefusedError | None:
        numbers = [change.get(name, "") for name in (*_LEVELS, "operator_id")]
        right = change.get("inv_on") in {"true", "false"} and change.get("dn_sku_id")
        if not right or not all(_NUMBER.fullmatch(number) for number in numbers if number):
            return _bad_parameters()
        if (change["dn_sku_id"],) not in self._shelf.by_key:
            return _bad_parameters() if self.switch("unknown_sku_code") == "50005" else _not_found()
        return None

    def _apply(self, changes: list[Parameters]) -> list[_Sku]:
        now = self._now()
        changed = []
        for change in changes:
            if self._refusal(change) is not None:
                break
            self.updates.append(change)
            for sku in self._shelf.by_key[change["dn_sku_id"],]:
                self._change(sku, self._values(change), now)
                changed.append(sku)
        return changed

    def _values(self, change: Parameters) -> Row:
        values: Row = {name: int(change[name]) for name in _LEVELS if change.get(name)}
        if change.get("inv_lvl") == "" and self.switch("empty_level_sets_zero"):
            values["inv_lvl"] = 0
        return values | {"inv_on": change["inv_on"] == "true"}

    # Rows

    def _change(self, sku: _Sku, values: Row, now: str | None) -> None:
        if all(sku.row.get(name) == value for name, value in values.items()):
            return
        moved = {} if now is None else {"inv_last_modified": now}
        self._shelf.change(sku, values | moved)

    def _now(self) -> str:
        now = datetime.fromtimestamp(int(self.clock.now()), UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S")

    def _choose(self, count: int) -> list[_Sku]:
        return list(islice(self._delivered or self._shelf.skus, count))

    def _named(self, keys: list[Key]) -> list[_Sku]:
        return [sku for key in keys for sku in self._shelf.by_key[tuple(key)]]

    def _requeue(self, skus: list[_Sku]) -> None:
        # So that the next touch finds others: rows that have jumped to the end move nothing more.
        for sku in skus:
            if sku in self._delivered:
                del self._delivered[sku]
                self._delivered[sku] = None

    def _redate(self, name: str, skus: list[_Sku], date: Callable[[int], str | None]) -> None:
        for sku, (before, given) in self._redated.pop(name, {}).items():
            # What was changed or removed in the meantime stays so.
            if sku in self._shelf.by_key.get(sku.key, ()) and sku.row["inv_last_modified"] == given:
                self._shelf.change(sku, {"inv_last_modified": before})
        chosen = list(enumerate(skus[: self.switch(name)]))
        self._redated[name] = {
            sku: (sku.row.get("inv_last_modified"), date(place)) for place, sku in chosen
        }
        for place, sku in chosen:
            self._shelf.change(sku, {"inv_last_modified": date(place)})

    # Answers

    def _spend(self, name: str) -> bool:
        left = self.switch(name)
        if left and left is not True:
            self.set[name] = left - 1
        return bool(left)

    def _status(self, code: int, severity: str, description: str) -> Reply:
        told = str(code) if self.switch("code_as_text") else code
        status = {"code": told, "severity": severity, "description": description}
        answer: Row = {"response_status": status}
        if severity == "WARNING":
            answer |= {"inventories": [], "total": 0}
        return Reply(body=json.dumps(answer).encode())


def _only(stream: str) -> None:
    if stream != STREAM:
        raise KeyError(stream)


def _planned(what: Any) -> Reply:
    if what == "reset":
        return Reply(lost="reset_before_headers")
    return Reply(what, b"")


def _sold(sku: _Sku) -> int:
    """One less; where nothing is left, a delivery has come."""
    level = _amount(sku, "inv_lvl")
    return level - 1 if level > 0 else level + 24


def _amount(sku: _Sku, column: str) -> int:
    value = sku.row.get(column)
    return value if isinstance(value, int) else 0


def _query(request: Request) -> Parameters:
    return dict(parse_qsl(request.query, keep_blank_values=True))


def _form(request: Request) -> Parameters:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _numbered(parameters: Parameters, group: str) -> dict[int, Parameters] | None:
    """The parts of each `group[n][...]` in the order of n, without n = 0; None when not used."""
    parts: dict[int, Parameters] = {}
    for name, value in parameters.items():
        match = _NUMBERED.fullmatch(name)
        if match is not None and match[1] == group:
            parts.setdefault(int(match[2]), {})[match[3]] = value
    if not parts:
        return None
    return {n: parts[n] for n in sorted(parts) if n}


def _conditions(parameters: Parameters) -> tuple[_Condition, ...]:
    many = _numbered(parameters, "conditions")
    if many is None:
        single = {name: parameters[name] for name in _CONDITION_PARTS if name in parameters}
        many = {1: single} if single else {}
    if not many:
        raise _RefusedError(50002, "No conditions specified")
    return tuple(_condition(n, parts) for n, parts in many.items())


def _condition(n: int, parts: Parameters) -> _Condition:
    for name in ("field", "condition"):
        if not parts.get(name):
            raise _RefusedError(50003, f"Condition {n} '{name}' is missing")
        if parts[name] not in {"1", "2", "3", "4", "5", "6", "7"}:
            raise _RefusedError(50003, f"Condition {n} '{name}' is invalid")
    field, test = int(parts["field"]), int(parts["condition"])
    if field == _DATES:
        high = _checked_date(parts, "date2") if test == _BETWEEN else None
        return _Condition(field, test, _checked_date(parts, "date1"), high)
    if test == _BETWEEN or (field == _TRACKED and test > 2):
        raise _RefusedError(50003, f"Condition {n} 'condition' is invalid")
    return _Condition(field, test, _checked_string(n, field, parts.get("string", "")))


def _checked_date(parts: Parameters, name: str) -> str:
    text = parts.get(name, "")
    if not _DATE.fullmatch(text) or not _exists(text):
        raise _RefusedError(50003, f"{name} is invalid")
    return text


def _exists(date: str) -> bool:
    try:
        datetime.fromisoformat(date)
    except ValueError:
        return False
    return True


def _checked_string(n: int, field: int, text: str) -> Any:
    if not text:
        raise _RefusedError(50003, f"Condition {n} 'string' is missing")
    if field in _COLUMNS:
        return text
    number = _whole(text, _RefusedError(50003, f"Condition {n} 'string' is invalid"))
    if field == _TRACKED and number > 1:
        raise _RefusedError(50003, f"Condition {n} 'string' is invalid")
    return number


def _whole(text: str, refusal: _RefusedError) -> int:
    if not _NUMBER.fullmatch(text):
        raise refusal
    return int(text)


def _test(condition: _Condition) -> Callable[[_Sku], bool]:
    compare, want = _COMPARE[condition.test], condition.low
    have = _have(condition.field)
    return lambda sku: compare(have(sku), want)


def _have(field: int) -> Callable[[_Sku], Any]:
    if field in _COLUMNS:
        column = _COLUMNS[field]
        return lambda sku: sku.words(column)
    if field == 4:
        return lambda sku: _number(sku.words("product_id"))
    if field == _TRACKED:
        return lambda sku: int(bool(sku.row.get("inv_on")))
    return lambda sku: sku.serial


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def _changes(form: Parameters) -> list[Parameters]:
    many = _numbered(form, "changes")
    if many is not None:
        return list(many.values())
    single = {name: form[name] for name in _CHANGE_PARTS if name in form}
    if not single:
        raise _bad_parameters()
    return [single]


def _catalogue(size: int) -> list[Row]:
    return [dict(DOCUMENTED), *(_row(variant) for variant in variants(size)[1:])][:size]


def _row(variant: Variant) -> Row:
    style, position = variant.style, variant.position
    product, number = 19617 + style.index, 1378 + position
    made_by_hand = style.index % _STYLES_PER_ROUND == _CUSTOM_STYLE
    size = {
        "option_id": variant.size.number,
        "name": variant.size.name,
        "code": variant.size.code,
        "sub_sizes": [],
    }
    colour = {"id": variant.colour.number, "name": variant.colour.name}
    return {
        "product_id": str(product),
        "product_code": style.number,
        "product_name": style.name,
        "supplier": style.supplier,
        "sku": _sku_of(variant),
        "vendor_sku": variant.sku,
        "dn_sku_id": f"{product}_{number}",
        "dn_vsku_id": f"{1064 + style.index}_{number}",
        "product_size": None if made_by_hand else size,
        "product_color": None if made_by_hand else colour,
        "inv_on": position % 9 != 8 or position < 20,
        "inv_lvl": -2 if position % 211 == 210 else variant.stock,
        "inv_warn": position % 6,
        "inv_reorder_to": 10 + position % 6,
        "inv_on_order_po": position % 4 * 6,
        "inv_on_order_stk": position % 3 * 4,
        "inv_on_order_total": position % 4 * 6 + position % 3 * 4,
        "inv_last_modified": variant.changed.strftime("%Y-%m-%dT%H:%M:%S"),
    }


def _sku_of(variant: Variant) -> str:
    kind = variant.style.index % _STYLES_PER_ROUND
    if kind == _CUSTOM_STYLE:
        return ""
    # Two variants of one number: a SKU alone does not always name one row.
    return (
        f"{variant.style.number}-{variant.position // 2}" if kind == _SHARED_STYLE else variant.sku
    )
