"""SoStocked in memory: the three exports as the provider's document asks for them.

The document shows requests only. What answers look like is known from elsewhere or guessed; each
guess has a switch, and its off value is the one that the reading side makes first.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import uuid
import zipfile
from collections import deque
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from inventory_providers.sandbox.room import Key, Reply, Request, Row, SandboxRoom, Switch
from inventory_providers.sostocked.shelf import (
    COMPARE,
    INVENTORY,
    NOT_NUMBERS,
    SNAPSHOTS,
    SORTABLE,
    STREAMS,
    WAREHOUSES,
    Given,
    Line,
    Place,
    Product,
    Shelf,
    Wanted,
    cells,
    collapsed,
    double,
    is_nan,
    main_goods,
    make_odd,
    other_goods,
    place,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from inventory_providers.sandbox.room import Clock

# They open nothing but this stand-in.
BEARER_TOKEN = "sandbox.bearer-T0ken+a/b=="  # noqa: S105
CLIENT_ID = "sandbox client+id/1"
CLIENT_SECRET = "sandbox-cl1ent s3cret/&+="  # noqa: S105
ACCOUNT_ID = "48213"
VIEW_ID = 316582
OTHER_ACCOUNT_ID = "48214"
OTHER_VIEW_ID = 316590

EXPORT = "/product-inventories/export"
SNAPSHOT = "/inventories/export-snapshot"
BREAKDOWN = "/product-inventories/warehouse-breakdown-export"
BREAKDOWN_PLURAL = "/product-inventories/warehouses-breakdown-export"
DOWNLOADS = "/downloads/"
PROGRESS = "/downloads/download/"

LOGIN = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>"
    b'<form method="post" action="/login"><input type="email" name="email">'
    b'<input type="password" name="password"><button>Sign in</button></form></body></html>'
)

# The columns of the document's example, in its order.
COLUMNS: dict[str, Row] = {
    column["id"]: column
    for column in json.loads(
        Path(__file__).with_name("sandbox_columns.json").read_text(encoding="utf-8")
    )
}
_EXPORT_TYPES = {
    INVENTORY: ("expanded", "collapsed"),
    SNAPSHOTS: ("snapshot",),
    WAREHOUSES: ("warehouse-breakdown",),
}
_CREDENTIALS = ("client_id", "client_secret", "account_id")

# What the saved view shows, where the columns of a request do not count.
_VIEW = {name for name, column in COLUMNS.items() if column["show"]} | {"areas", "warehouses"}
_NOT_COLUMNS = {"marketplace": "Marketplace", "warehouse": "Warehouse"}
_MISSING = {
    "none": set[str](),
    "sku": {"area_skus"},
    "asin": {"area_asins"},
    "both": {"area_skus", "area_asins"},
    "market": {"areas", "marketplace"},
}
_MARKET_DROPS = {
    "areas": {"marketplace"},
    "marketplace": {"areas"},
    "both": set[str](),
    "none": {"areas", "marketplace"},
}

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LIVE_TOTAL = re.compile(r"(<span[^>]*>)([0-9.,]+)(\s*</span>)")
_CAPPED = re.compile(r"capped:([1-9][0-9]{0,5})")
_CACHED_ROWS = 100_000
_FILES_KEPT = 1000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class _Paging(Switch):
    """A switch that takes `capped:N` besides its choices."""

    def accept(self, value: Any) -> Any:
        if isinstance(value, str) and _CAPPED.fullmatch(value):
            return value
        return super().accept(value)


class _RefusedError(Exception):
    """An answer other than rows."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _Page(NamedTuple):
    """Some lines, and what has to stand around them."""

    stream: str
    columns: Sequence[Row]
    lines: Sequence[Line]
    total: int
    pages: int


class Sandbox(SandboxRoom):
    """The provider's exports.

    `urls` holds the path and query of every request that came, with its credentials, in order.
    `undocumented` holds the names of query parameters that nobody knows, which are ignored.
    A row of `rows` is told by column id, plus `warehouse` and `marketplace` where these came under
    headers of their own; its values are the texts of the cells, None where a cell is empty, and
    under `json_rows` the JSON values. Where the request decides which columns come, `rows` has all
    of them. Of two rows with one key (`same_key_rows`) it has the last.
    """

    name = "sostocked"
    switches: ClassVar[Mapping[str, Switch]] = {
        "body": Switch(
            "The form of the answer",
            "csv",
            (
                *("csv", "csv_bom", "json_rows", "json_link", "json_job", "json_code"),
                *("xlsx", "html_login", "empty", "header_only"),
            ),
        ),
        "link_host": Switch("Where links lead, such as http://localhost:8765; empty: here", ""),
        "job_polls": Switch("A job is asked for so often before its link comes", 2),
        "job_status": Switch("The status with which a job begins", 200, (200, 202)),
        "code": Switch("The code in a json_code", 401, (401, 403, 404, 422, 429, 500, 600)),
        "paging": _Paging(
            "How pages are cut; also capped:N",
            "honoured",
            ("honoured", "ignored", "duplicate_at_border", "tie_shuffle"),
        ),
        "breakdown_path": Switch(
            "How the path of the breakdown is spelled", "singular", ("singular", "plural")
        ),
        "credentials_in": Switch(
            "Where client_id, client_secret and account_id are looked for",
            "query",
            ("query", "body", "headers"),
        ),
        "honours_show": Switch("Columns come as asked for, not as the view has them", off=True),
        "market_column": Switch(
            "Where the market stands",
            "areas",
            ("areas", "marketplace", "both", "none"),
        ),
        "collapsed_rows": Switch("An expanded export has one row per product", off=False),
        "snapshot_lag_days": Switch("So many of the newest days have no rows yet", 0),
        "snapshot_fail_on": Switch("The day whose snapshot gives 500, as 2025-01-31", ""),
        "dead_token": Switch("The bearer token is refused", off=False),
        "bad_token_answer": Switch(
            "What a refused token gives",
            "401",
            ("401", "403", "html_login", "redirect", "json_code"),
        ),
        "rate_limit": Switch("More requests in a second give 429; 0: no limit", 0),
        "cells": Switch(
            "Odd things in cells",
            [],
            (
                *("thousands", "blank_market", "blank_warehouse", "nan", "scientific"),
                *("stacked_skus", "line_break"),
            ),
        ),
        "missing_columns": Switch("Columns that do not come", "none", tuple(_MISSING)),
        "same_key_rows": Switch(
            "Three rows come twice, the second with another FN SKU, name or stock, or equal",
            "none",
            ("none", "equal", "different", "different_name", "different_stock"),
        ),
        "status": Switch(
            "The next answers, one each: a status, reset, or slow, which never comes",
            [],
            (400, 401, 403, 404, 422, 429, 500, 502, 503, 504, "reset", "slow"),
        ),
    }

    def __init__(self, clock: Clock, *, size: int = 2000) -> None:
        self._base_url = self._host = ""
        super().__init__(clock, size=size)

    def reset(self) -> None:
        """Seed the catalogue again and turn every switch off."""
        self.set = {}
        self.urls: deque[str] = deque(maxlen=200_000)
        self.undocumented: list[str] = []
        self._first_day = self._today() - timedelta(days=3)
        self._shelves = {
            ACCOUNT_ID: Shelf(partial(main_goods, self.size), self._today()),
            OTHER_ACCOUNT_ID: Shelf(partial(other_goods, self.size), self._today()),
        }
        self._main = self._shelves[ACCOUNT_ID]
        self._delivered: dict[str, dict[Place, None]] = {stream: {} for stream in STREAMS}
        self._found: dict[Any, tuple[int, list[Line]]] = {}
        self._encoded: dict[Any, dict[Line, bytes]] = {}
        self._files: dict[str, bytes] = {}
        self._jobs: dict[str, int] = {}
        self._seconds: deque[float] = deque()
        self._answers = 0

    def serves(self, path: str) -> bool:
        """Everything below the roots of the exports and of what they leave to be fetched."""
        return path.startswith(("/product-inventories/", "/inventories/", DOWNLOADS))

    def settings(self, base_url: str) -> dict[str, Any]:
        """A provider object for the configuration that signs in here; three days are over in it."""
        self._base_url = base_url
        return {
            "api_url": base_url,
            "bearer_token": BEARER_TOKEN,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "account_id": ACCOUNT_ID,
            "view_id": VIEW_ID,
            "snapshot_start_date": self._first_day.isoformat(),
        }

    def secrets(self) -> list[str]:
        """The token and the client secret."""
        return [BEARER_TOKEN, CLIENT_SECRET]

    def rows(self, stream: str) -> dict[Key, Row]:
        """What the stream has to deliver now; the key begins with the account, then ASIN and SKU.

        The market follows, and then the day of a snapshot or the warehouse of a breakdown.
        """
        _only(stream)
        with self.lock:
            self._roll()
            if stream != SNAPSHOTS:
                return self._table(stream, self._lines(self._main, Wanted(stream)))
            days = (self._today() - self._first_day).days
            table: dict[Key, Row] = {}
            for day in (self._first_day + timedelta(days=n) for n in range(days)):
                lines = self._lines(self._main, Wanted(stream, day=day))
                table |= self._table(stream, lines, day)
            return table

    def touch(self, stream: str, count: int = 1, *, keys: list[Key] | None = None) -> list[Key]:
        """Sell one of each chosen row's product, in all its markets or out of all its warehouses.

        Gives the keys of all rows that differ now. On the snapshots today's stock is changed, which
        shows when today is over: no row of a day that is over differs, so there are no keys.
        """
        _only(stream)
        with self.lock:
            self._roll()
            shown = INVENTORY if stream == SNAPSHOTS else stream
            lines = (
                self._choose(stream, count, sold=True)
                if keys is None
                else self._named(stream, keys)
            )
            sold = dict.fromkeys(line.thing.position for line in lines)
            before = self._of_products(shown, sold)
            for position in sold:
                self._main.sell(position, shown, self._now())
            self._requeue(stream, lines)
            after = self._of_products(shown, sold)
            changed = [key for key, row in after.items() if row != before.get(key)]
            return [] if stream == SNAPSHOTS else changed

    def remove(self, stream: str, count: int = 1) -> list[Key]:
        """Take rows out, the first delivered ones first; out of today's stock for the snapshots.

        Days that are over keep them: for the snapshots there are no keys.
        """
        _only(stream)
        with self.lock:
            self._roll()
            shown = INVENTORY if stream == SNAPSHOTS else stream
            lines = self._choose(stream, count)
            keys = list(self._table(shown, lines))
            for line in lines:
                self._main.remove(line, shown)
                self._delivered[stream].pop(place(line), None)
            return [] if stream == SNAPSHOTS else keys

    def put(self, stream: str, row: Row) -> None:
        """Add one wire row, by column id, as it is; a key that exists becomes a second row.

        A row for the snapshots stands in all of them, one with `snapshot_date` in that day's only.
        """
        _only(stream)
        with self.lock:
            self._roll()
            told = dict(row)
            day = told.pop("snapshot_date", "") if stream == SNAPSHOTS else ""
            self._main.put(stream, told, day)

    def handle(self, request: Request) -> Reply:
        """The answer."""
        self.urls.append(request.target)
        self._host = f"http://{request.headers.get('host', '')}"
        self._roll()
        try:
            self._break()
            return self._route(request)
        except _RefusedError as refusal:
            return refusal.reply

    # What goes wrong before the request is looked at

    def _break(self) -> None:
        planned = self.switch("status")
        if planned:
            self.set["status"] = planned[1:]
            raise _RefusedError(_planned(planned[0]))
        limit, now = self.switch("rate_limit"), self.clock.now()
        while self._seconds and self._seconds[0] <= now - 1:
            self._seconds.popleft()
        if limit and len(self._seconds) >= limit:
            refusal = _refused(429, "Too many requests")
            refusal.reply.headers["Retry-After"] = "1"
            raise refusal
        self._seconds.append(now)

    def _route(self, request: Request) -> Reply:
        if request.path.startswith(DOWNLOADS):
            return self._download(request)
        breakdown = BREAKDOWN if self.switch("breakdown_path") == "singular" else BREAKDOWN_PLURAL
        streams = {EXPORT: INVENTORY, SNAPSHOT: SNAPSHOTS, breakdown: WAREHOUSES}
        stream = streams.get(request.path)
        if stream is None:
            raise _refused(404, "There is nothing at this address")
        if request.method != "POST":
            raise _refused(405, "This address takes POST only")
        return self._export(stream, request)

    # Signing in

    def _check_token(self, request: Request) -> None:
        told = request.headers.get("authorization")
        if told != f"Bearer {BEARER_TOKEN}" or self.switch("dead_token"):
            raise _RefusedError(self._bad_token())

    def _bad_token(self) -> Reply:
        how = self.switch("bad_token_answer")
        if how == "html_login":
            return _html(LOGIN)
        if how == "redirect":
            return Reply(302, LOGIN, {"Content-Type": "text/html", "Location": "/login"})
        status = 200 if how == "json_code" else int(how)
        code = 401 if how == "json_code" else status
        return _json(status, _message(code, "Unauthenticated."))

    def _account(self, request: Request, body: Row) -> str:
        told = self._credentials(request, body)
        if (told.get("client_id"), told.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise _RefusedError(self._bad_token())
        account = str(told.get("account_id"))
        if account not in self._shelves:
            raise _refused(403, "This user has no such account")
        return account

    def _credentials(self, request: Request, body: Row) -> Row:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        where = self.switch("credentials_in")
        known = _CREDENTIALS if where == "query" else ()
        self.undocumented += [name for name in query if name not in known]
        if where == "body":
            return {name: body.pop(name, None) for name in _CREDENTIALS}
        if where == "headers":
            return {name: request.headers.get(name) for name in _CREDENTIALS}
        return query

    # An export

    def _export(self, stream: str, request: Request) -> Reply:
        self._check_token(request)
        body = _document(request)
        account = self._account(request, body)
        self._check(stream, account, body)
        wanted = self._wanted(stream, body)
        if stream == SNAPSHOTS and body["snapshot_date"] == self.switch("snapshot_fail_on"):
            raise _refused(500, "Server Error")
        self._answers += 1
        page = self._page(self._ordered(self._shelves[account], wanted), body, stream)
        if account == ACCOUNT_ID:
            for line in page.lines:
                self._delivered[stream].setdefault(place(line))
        return self._reply(page, account)

    def _check(self, stream: str, account: str, body: Row) -> None:
        wrong = sorted(_CHECKS.keys() ^ body.keys())
        if wrong:
            raise _refused(422, f"The body lacks, or should not have: {', '.join(wrong)}")
        for name, is_right in _CHECKS.items():
            if not is_right(body[name]):
                raise _refused(422, f"The {name} field is invalid")
        if body["export_type"] not in _EXPORT_TYPES[stream]:
            raise _refused(422, "The export_type field is not one of this address")
        if body["view_id"] != (VIEW_ID if account == ACCOUNT_ID else OTHER_VIEW_ID):
            raise _refused(422, "The view_id field is no view of this account")
        self._check_day(stream, body["snapshot_date"])

    def _check_day(self, stream: str, text: Any) -> None:
        if stream != SNAPSHOTS:
            if text != "":
                raise _refused(422, "The snapshot_date field must be empty here")
            return
        day = _day(text)
        if day is None or day >= self._today():
            raise _refused(422, "The snapshot_date field must be a day that is over")

    def _wanted(self, stream: str, body: Row) -> Wanted:
        return Wanted(
            stream,
            statuses=tuple((each["o"], each["v"]) for each in body["filters"]),
            with_inactive=body["with_inactive"] == 1,
            collapsed=body["export_type"] == "collapsed",
            day=_day(body["snapshot_date"]),
            order_by=body["order_by"],
            descending=body["order_direction"] == "DESC",
        )

    # Which rows there are

    def _lines(self, shelf: Shelf, wanted: Wanted) -> list[Line]:
        """The rows that are wanted, in the order of the catalogue."""
        newest = self._today() - timedelta(days=self.switch("snapshot_lag_days"))
        if self.switch("body") == "header_only" or (wanted.day and wanted.day >= newest):
            return []
        lines = [line for line in shelf.lines(wanted.stream, wanted.day) if wanted.has(line.thing)]
        if wanted.collapsed or (wanted.stream == INVENTORY and self.switch("collapsed_rows")):
            lines = list(collapsed(lines))
        return [*lines, *self._doubles(lines)]

    def _doubles(self, lines: list[Line]) -> list[Line]:
        how = self.switch("same_key_rows")
        if how == "none":
            return []
        return [double(line, how) for line in lines[:3]]

    def _ordered(self, shelf: Shelf, wanted: Wanted) -> list[Line]:
        """The same, sorted, and kept as long as nothing that it depends on has changed."""
        wiring = tuple(
            self.switch(name)
            for name in ("body", "collapsed_rows", "same_key_rows", "snapshot_lag_days")
        )
        shape = (id(shelf), wanted, wiring, shelf.today)
        if self._found.get(shape, (-1, []))[0] != shelf.version:
            if len(self._found) > 16:
                self._found.clear()
            self._found[shape] = (shelf.version, wanted.in_order(self._lines(shelf, wanted)))
        found = self._found[shape][1]
        return self._shuffled(found, wanted) if self.switch("paging") == "tie_shuffle" else found

    def _shuffled(self, found: list[Line], wanted: Wanted) -> list[Line]:
        dice = random.Random(self._answers)  # noqa: S311 - the same on every run
        return wanted.in_order(dice.sample(found, len(found)))

    def _page(self, found: list[Line], body: Row, stream: str) -> _Page:
        size, how, columns = body["per_page"], self.switch("paging"), self._columns(body)
        if how == "ignored":
            return _Page(stream, columns, found, len(found), 1)
        cap = _CAPPED.fullmatch(how)
        size = min(size, int(cap[1])) if cap else size
        # The last row of a page is the first of the next one, but there is no page of it alone.
        shared = 1 if how == "duplicate_at_border" and size > 1 else 0
        pages = max(1, -(-(len(found) - shared) // (size - shared)))
        begin = (size - shared) * (body["page"] - 1)
        lines = found[begin : begin + size] if body["page"] <= pages else []
        return _Page(stream, columns, lines, len(found), pages)

    # What a row looks like

    def _columns(self, body: Row) -> list[Row]:
        """The columns in the order sent, with `show` as it counts."""
        if self.switch("honours_show"):
            return list(body["columns"])
        return [each | {"show": int(each["id"] in _VIEW)} for each in body["columns"]]

    def _names(self, stream: str, columns: Iterable[Row]) -> tuple[str, ...]:
        """What comes, by id; the two that are no columns stand behind the FN SKU."""
        names: list[str] = []
        for column in columns:
            if column["show"]:
                names.append(column["id"])
            if column["id"] == "area_fn_skus":
                names += ["marketplace", *(["warehouse"] if stream == WAREHOUSES else [])]
        dropped = _MISSING[self.switch("missing_columns")]
        dropped = dropped | _MARKET_DROPS[self.switch("market_column")]
        return tuple(name for name in names if name not in dropped)

    def _row(self, line: Line, names: Iterable[str]) -> Row:
        """The values of a row by name, for JSON."""
        row = cells(line)
        if isinstance(line.thing, Given):
            told = {name: row[name] for name in names if name in row}
            unknown = row.keys() - COLUMNS.keys() - _NOT_COLUMNS.keys()
            return told | {name: row[name] for name in row if name in unknown}
        make_odd(row, line.thing, self.switch("cells"))
        return {name: row.get(name) for name in names}

    def _texts(self, line: Line, names: Iterable[str]) -> dict[str, str]:
        """The cells of a row in a file, by name."""
        row, odd = self._row(line, names), self.switch("cells")
        bare: Iterable[str] = row
        if isinstance(line.thing, Product) and "nan" in odd and is_nan(line.thing):
            row |= dict.fromkeys(row.keys() & NOT_NUMBERS, "NaN")
        if isinstance(line.thing, Product) and "thousands" in odd:
            # The number that bleeds into rows has been seen without separators.
            bare = {"area_inv_inbound"}
        return {
            name: "" if (value := row.get(name)) is None else _text(value, grouped=name not in bare)
            for name in names
        }

    def _bytes(self, line: Line, names: tuple[str, ...]) -> bytes:
        if self.switch("body") == "json_rows":
            return json.dumps(self._row(line, names)).encode()
        return _csv(self._texts(line, names).values())

    def _encode(self, page: _Page) -> list[bytes]:
        """The rows as they are sent; those of products are kept, for these never change."""
        names = self._names(page.stream, page.columns)
        shape = (self.switch("body") == "json_rows", names, tuple(self.switch("cells")))
        known = self._encoded.setdefault(shape, {})
        if len(self._encoded) > 16 or len(known) > _CACHED_ROWS:
            self._encoded.clear()
        out = []
        for line in page.lines:
            text = known.get(line)
            if text is None:
                text = self._bytes(line, names)
                if isinstance(line.thing, Product):
                    known[line] = text
            out.append(text)
        return out

    # What an answer looks like

    def _reply(self, page: _Page, account: str) -> Reply:
        form, name = self.switch("body"), self._file_name(account)
        if form in {"csv", "csv_bom", "header_only"}:
            mark = b"\xef\xbb\xbf" if form == "csv_bom" else b""
            return _attachment(mark + self._file(page), name)
        forms: dict[str, Callable[[], Reply]] = {
            "json_rows": lambda: self._json_rows(page),
            "json_link": lambda: self._later(name, self._file(page), job=False),
            "json_job": lambda: self._later(name, self._file(page), job=True),
            "json_code": lambda: _json(200, _message(self.switch("code"), "The export failed")),
            "html_login": lambda: _html(LOGIN),
            "xlsx": lambda: Reply(body=_spreadsheet(), headers={"Content-Type": _XLSX}),
            "empty": lambda: _attachment(b"", name),
        }
        return forms[form]()

    def _json_rows(self, page: _Page) -> Reply:
        head = f'{{"code":200,"total_pages":{page.pages},"total":{page.total},"data":['
        return Reply(body=b"".join((head.encode(), b",".join(self._encode(page)), b"]}")))

    def _file(self, page: _Page) -> bytes:
        labels = {each["id"]: each.get("text", "") for each in page.columns} | _NOT_COLUMNS
        names = self._names(page.stream, page.columns)
        header = _csv([self._live(labels[name]) for name in names])
        return header + b"".join(self._encode(page))

    def _live(self, label: str) -> str:
        """The label as it was sent, with what its total has become."""

        def moved(match: re.Match[str]) -> str:
            places = len(match[2].partition(".")[2])
            total = float(match[2].replace(",", "")) + self._answers
            return f"{match[1]}{total:,.{places}f}{match[3]}"

        return _LIVE_TOTAL.sub(moved, label)

    def _file_name(self, account: str) -> str:
        return f"inventory-{uuid.uuid5(uuid.NAMESPACE_URL, str(self._answers))}-{account}.csv"

    def _later(self, name: str, content: bytes, *, job: bool) -> Reply:
        if len(self._files) >= _FILES_KEPT:
            oldest = next(iter(self._files))
            del self._files[oldest]
            self._jobs.pop(oldest, None)
        self._files[name] = content
        if not job:
            return _json(200, {"code": 200, "url": self._link(name)})
        self._jobs[name] = self.switch("job_polls")
        status = self.switch("job_status")
        return _json(status, {"code": status, "job_id": _job_id(name), "progress": 0})

    def _link(self, name: str) -> str:
        return f"{self.switch('link_host') or self._base_url or self._host}{DOWNLOADS}{name}"

    def _download(self, request: Request) -> Reply:
        if request.method != "GET":
            raise _refused(405, "This address takes GET only")
        self._check_stranger(request)
        if request.path.startswith(PROGRESS):
            self._account(request, {})
            return self._progress(request.path.removeprefix(PROGRESS))
        name = request.path.removeprefix(DOWNLOADS)
        if name not in self._files or self._jobs.get(name, 0) > 0:
            raise _refused(404, "There is no such file")
        return _attachment(self._files[name], name)

    def _check_stranger(self, request: Request) -> None:
        """Files of another host are for everybody who knows the address, and for no token."""
        stranger = urlsplit(self.switch("link_host")).netloc
        if not stranger or request.headers.get("host") != stranger:
            self._check_token(request)
            return
        told = {name for name, _ in parse_qsl(request.query, keep_blank_values=True)}
        if "authorization" in request.headers or told & {*_CREDENTIALS}:
            raise _refused(400, "These credentials are for another host")

    def _progress(self, job: str) -> Reply:
        name = next((name for name in self._jobs if _job_id(name) == job), None)
        if name is None:
            raise _refused(404, "There is no such job")
        left = self._jobs[name] = max(self._jobs[name] - 1, 0)
        told: Row = {"code": 200, "job_id": job}
        if left:
            done = 100 - 100 * left // max(self.switch("job_polls"), left + 1)
            return _json(200, told | {"progress": done})
        return _json(200, told | {"progress": 100, "url": self._link(name)})

    # Rows for the tests' side

    def _table(self, stream: str, lines: Iterable[Line], day: date | None = None) -> dict[Key, Row]:
        return {key: row for key, row, _ in self._keyed(stream, lines, day)}

    def _keyed(
        self, stream: str, lines: Iterable[Line], day: date | None = None
    ) -> Iterator[tuple[Key, Row, Line]]:
        """Rows with their keys; a part that is neither text nor a whole number is no key."""
        all_shown = self.switch("honours_show")
        columns = [
            each | {"show": int(all_shown or each["id"] in _VIEW)} for each in COLUMNS.values()
        ]
        names = self._names(stream, columns)
        for line in lines:
            row = self._told(line, names)
            key = _key(stream, row, day)
            if key is not None:
                yield key, row, line

    def _told(self, line: Line, names: tuple[str, ...]) -> Row:
        if self.switch("body") == "json_rows":
            return self._row(line, names)
        return {name: text or None for name, text in self._texts(line, names).items()}

    def _of_products(self, stream: str, positions: Mapping[int, None]) -> dict[Key, Row]:
        lines = self._lines(self._main, Wanted(stream))
        return self._table(stream, [line for line in lines if line.thing.position in positions])

    def _choose(self, stream: str, count: int, *, sold: bool = False) -> list[Line]:
        """Rows that are there now, the first delivered ones first, else those of the catalogue.

        Of what is sold out of a warehouse there has to be a warehouse.
        """
        shown = INVENTORY if stream == SNAPSHOTS else stream
        lines = self._lines(self._main, Wanted(shown))
        there = {place(line): line for line in lines if not sold or line.warehouse != ""}
        delivered = [each for each in self._delivered[stream] if each in there]
        return [there[each] for each in islice(delivered or there, count)]

    def _named(self, stream: str, keys: list[Key]) -> list[Line]:
        shown = INVENTORY if stream == SNAPSHOTS else stream
        there: dict[Key, list[Line]] = {}
        for key, _, line in self._keyed(shown, self._lines(self._main, Wanted(shown))):
            there.setdefault(key, []).append(line)
        if stream == SNAPSHOTS:
            # What was there on a day that is over need not be there today.
            return [line for key in keys for line in there.get(tuple(key[:4]), ())]
        return [line for key in keys for line in there[tuple(key)]]

    def _requeue(self, stream: str, lines: list[Line]) -> None:
        # So that the next touch finds others.
        queue = self._delivered[stream]
        for line in lines:
            if place(line) in queue:
                del queue[place(line)]
                queue[place(line)] = None

    # Time

    def _today(self) -> date:
        return datetime.fromtimestamp(self.clock.now(), UTC).date()

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%S")

    def _roll(self) -> None:
        for shelf in self._shelves.values():
            shelf.roll(self._today())


def _only(stream: str) -> None:
    if stream not in STREAMS:
        raise KeyError(stream)


# ---- what a request may say ----------------------------------------------------------------------


def _document(request: Request) -> Row:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        document = json.loads(request.body) if kind == "application/json" else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _refused(400, "The body must be a JSON object")
    return document


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_bit(value: Any) -> bool:
    return type(value) is int and value in {0, 1}


def _are_columns(value: Any) -> bool:
    """All columns of the document, each once, as they are there but for `show`."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return False
    ids = [each.get("id") for each in value]
    return (
        all(isinstance(each, str) for each in ids)
        and sorted(ids) == sorted(COLUMNS)
        and all(_is_bit(each.get("show")) for each in value)
        and all(
            each | {"show": COLUMNS[each["id"]]["show"]} == COLUMNS[each["id"]] for each in value
        )
    )


def _are_filters(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.keys() == {"x", "c", "o", "v"}
        and all(isinstance(part, str) for part in each.values())
        and (each["x"], each["c"]) == ("AND", "status_id")
        and each["o"] in COMPARE
        for each in value
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "page": _is_whole,
    "apply_custom_params": lambda value: type(value) is int and value == 1,
    "view_id": _is_whole,
    "columns": _are_columns,
    "filters": _are_filters,
    "group_by": lambda value: value == "",
    "order_by": lambda value: isinstance(value, str) and value in SORTABLE,
    "order_direction": lambda value: value in ("ASC", "DESC"),
    "per_page": _is_whole,
    "term": lambda value: value == "",
    "export_type": lambda value: isinstance(value, str),
    "with_inactive": _is_bit,
    "snapshot_date": lambda value: isinstance(value, str),
}


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _key(stream: str, row: Row, day: date | None) -> Key | None:
    market = row.get("areas") if "areas" in row else row.get("marketplace")
    parts = [ACCOUNT_ID, row.get("area_asins"), row.get("area_skus"), market]
    if day is not None:
        parts.append(day.isoformat())
    if stream == WAREHOUSES:
        parts.append(row.get("warehouse"))
    if not all(part is None or type(part) in {str, int} for part in parts):
        return None
    return tuple("" if part is None else str(part) for part in parts)


# ---- what an answer is made of -------------------------------------------------------------------


def _message(code: int, text: str) -> Row:
    return {"code": code, "message": text}


def _refused(status: int, text: str) -> _RefusedError:
    return _RefusedError(_json(status, _message(status, text)))


def _planned(what: Any) -> Reply:
    if isinstance(what, str):
        return Reply(lost="hang" if what == "slow" else "reset_before_headers")
    return _json(what, _message(what, "Planned"))


def _json(status: int, document: Row) -> Reply:
    return Reply(status, json.dumps(document).encode())


def _html(page: bytes) -> Reply:
    return Reply(200, page, {"Content-Type": "text/html; charset=utf-8"})


def _attachment(body: bytes, name: str) -> Reply:
    disposition = f'attachment; filename="{name}"'
    headers = {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": disposition}
    return Reply(200, body, headers)


def _job_id(name: str) -> str:
    """The number in a file's name."""
    return name.removeprefix("inventory-").rpartition("-")[0]


def _text(value: Any, *, grouped: bool = False) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if grouped:
        return f"{value:,}"
    return str(value) if type(value) is int else json.dumps(value)


def _csv(texts: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(texts)
    # Half of a character is sent as it is, for whoever reads it to refuse.
    return out.getvalue().encode("utf-8", "surrogatepass")


def _spreadsheet() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    return out.getvalue()
