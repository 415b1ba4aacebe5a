"""What came back: rows, a link to them, a job that is not done, or something that is none of these.

The provider's document shows no answer at all, so nothing is taken for granted: the body is looked
at, in a fixed order, and what is not known ends the read.
"""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, quote_plus

from inventory_providers.errors import ConfigError, Denied, Malformed
from inventory_providers.http import PASSING, Garbled, TryAgain
from inventory_providers.jsonio import NotJson, loads
from inventory_providers.redaction import MASK
from inventory_providers.sostocked.wire import NAME, Table
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inventory_providers.http import Answer

_BOM = b"\xef\xbb\xbf"
_ZIP = b"PK\x03\x04"
# So much of a page is looked at for a sign-in form.
_GLANCE = 64 * 1024
_SIGN_IN = re.compile(rb"<form\b.*(password|log ?in|sign ?in)", re.DOTALL | re.IGNORECASE)
_URL = re.compile(r"https?://\S+", re.IGNORECASE)

LISTS = ("data", "rows", "items", "inventories", "logs")
LINKS = ("url", "link", "file", "download_url", "data")
FAILED = frozenset({"error", "fail", "failed", "failure"})


class Link(NamedTuple):
    """Where the rows can be had."""

    url: str


class Job(NamedTuple):
    """The export is being made. `id` is None where the answer has none."""

    id: str | None = None


Found = Table | Link | Job


class NotFound(ConfigError):
    """Nothing is at this path."""


class Answers:
    """Reads answers. The account's number, which stands in every URL, is never shown."""

    def __init__(self, account_id: str) -> None:
        self._hidden = {account_id, quote(account_id, safe=""), quote_plus(account_id)}

    def read(self, answer: Answer) -> Found:
        """What an answer with a good status holds.

        Raises:
            Denied: it is a sign-in page.
            Garbled: it is empty, HTML, or cannot be decoded.
            Malformed: it is none of the forms that are known; the message says what came.
        """
        if answer.status == 202:
            return _job_of_202(answer.body)
        body = answer.body.removeprefix(_BOM).lstrip()
        if not body:
            raise Garbled("an empty answer")
        if body.startswith(_ZIP):
            raise Malformed("the provider sent a spreadsheet, CSV expected")
        if body[:1] == b"<":
            raise _sign_in_page() if _is_sign_in(body) else Garbled("HTML instead of an export")
        if body[:1] in {b"{", b"["}:
            return self._json(body)
        return _csv(answer)

    def explain(self, answer: Answer) -> Exception | None:
        """What an answer with another status means, where that is not the usual."""
        if 300 <= answer.status < 400 and _is_sign_in(answer.body):
            return _sign_in_page()
        if answer.status in {400, 401, 403, 404, 422}:
            return _refusal(answer.status, self._words(_message(answer.body)))
        return None

    def _words(self, words: Any) -> str:
        """The provider's own words, ready to stand behind something else; or nothing."""
        text = one_line(words).strip()
        for hidden in self._hidden:
            text = text.replace(hidden, MASK)
        return f": {text}" if text else ""

    def _json(self, body: bytes) -> Found:
        try:
            document = loads(body)
        except NotJson as error:
            raise Garbled(f"not JSON: {error}") from None
        if isinstance(document, list) and _is_rows(document):
            return _table(document)
        if isinstance(document, dict):
            self._must_be_good(document)
            if (found := _in_object(document)) is not None:
                return found
        raise Malformed(f"the answer is not one that is known{self._words(_shape(document))}")

    def _must_be_good(self, document: Mapping[str, Any]) -> None:
        """HTTP 200 is not yet a success: a `code` means what the HTTP status of its number does."""
        code = document.get("code", 200)
        if str(code) == "200":
            self._must_not_complain(document)
            return
        words = self._words(document.get("message"))
        number = int(code) if re.fullmatch(r"[1-9]\d\d", str(code)) else 0
        raise _refusal(number, words) or _failure(number, f"code{self._words(code)}{words}")

    def _must_not_complain(self, document: Mapping[str, Any]) -> None:
        """Rows beside an error are not all rows, and none of them is no empty view."""
        said = [key for key in ("error", "errors") if document.get(key)]
        said += ["success"] if document.get("success") is False else []
        said += ["status"] if str(document.get("status")).lower() in FAILED else []
        if said:
            words = self._words(_complaint(document))
            raise Malformed(f"the export failed, say its {' and '.join(said)}{words}")


def _failure(number: int, told: str) -> Exception:
    if number in PASSING:
        return TryAgain(told)
    return Malformed(f"the export failed with {told}")


def _refusal(status: int, words: str) -> Exception | None:
    """What a status, or a code of the same number, means that is worth no second try."""
    if status in {401, 403}:
        return _denied(f"{status}{words}")
    if status == 404:
        return NotFound(
            f"nothing is there (404{words})",
            place=f"{NAME}.api_url",
            advice="Check the address; if it is right, the provider has changed its API",
        )
    if status in {400, 422}:
        return ConfigError(
            f"the request was refused ({status}{words})",
            place=NAME,
            advice=f"Check {NAME}.view_id; if it is right, the provider has changed its API",
        )
    return None


def _denied(cause: str) -> Denied:
    return Denied(
        f"token refused ({cause})",
        place=NAME,
        advice=(
            f"It lives one year: copy a new one from the browser into {NAME}.bearer_token, and "
            f"check {NAME}.account_id"
        ),
    )


def _sign_in_page() -> Denied:
    return _denied("the answer is a sign-in page")


def _is_sign_in(body: bytes) -> bool:
    return _SIGN_IN.search(body[:_GLANCE]) is not None


def _message(body: bytes) -> Any:
    """The words of an error's body; nothing where it is no JSON object."""
    try:
        document = loads(body)
    except NotJson:
        return None
    return _complaint(document) if isinstance(document, dict) else None


def _complaint(document: Mapping[str, Any]) -> Any:
    return next((document[key] for key in ("message", "error", "errors") if key in document), None)


# ---- JSON ----------------------------------------------------------------------------------------


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _in_object(document: dict[str, Any]) -> Found | None:
    lists = [key for key in LISTS if _is_rows(document.get(key))]
    links = [document[key] for key in LINKS if _is_url(document.get(key))]
    # Of an empty list beside a link nobody can say which of them is the answer.
    if len(lists) == 1 and not (links and not document[lists[0]]):
        total, pages = (_count(document, key) for key in ("total", "total_pages"))
        return _table(document[lists[0]], total, pages)
    if len(set(links)) == 1 and not lists:
        return Link(links[0])
    return None if lists or links else _job(document)


def _table(rows: list[dict[str, Any]], total: int | None = None, pages: int | None = None) -> Table:
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = [[row.get(name) for name in names] for row in rows]
    return Table(names, cells, is_json=True, total=total, pages=pages)


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def _count(document: Mapping[str, Any], key: str) -> int | None:
    value = document.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or re.fullmatch(r"\d{1,15}", str(value)) is None:
        raise Malformed(f"{key} of the answer is not a whole number")
    return int(value)


def _job(document: Mapping[str, Any]) -> Job | None:
    """A job that is not done, told by its id or by how far it is."""
    progress = document.get("progress")
    has_progress = isinstance(progress, int | Decimal) and not isinstance(progress, bool)
    job = document.get("job_id", document.get("id") if has_progress else None)
    if isinstance(job, str | int) and not isinstance(job, bool) and job != "":
        return Job(str(job))
    return Job() if has_progress else None


def _job_of_202(body: bytes) -> Job:
    """With this status any answer is a job, whatever its body."""
    try:
        document = loads(body)
    except NotJson:
        return Job()
    return (_job(document) if isinstance(document, dict) else None) or Job()


def _shape(document: Any) -> str:
    """What can be said of a document without its values."""
    if isinstance(document, dict):
        return one_line(f"an object with {', '.join(document) or 'nothing in it'}")
    return "a list whose elements are no objects"


# ---- CSV -----------------------------------------------------------------------------------------


def _csv(answer: Answer) -> Table:
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Garbled("the file is not valid UTF-8") from None
    if not _is_whole(answer, text):
        raise Garbled("the file was cut off")
    try:
        lines = [cells for cells in csv.reader(io.StringIO(text, newline=""), strict=True) if cells]
    except csv.Error as error:
        raise Garbled(f"no CSV: {error}") from None
    header, *rows = lines
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            raise Garbled(
                f"row {number} of the file has {len(cells)} cells, its header has {len(header)}"
            )
    return Table(tuple(header), rows)


def _is_whole(answer: Answer, text: str) -> bool:
    """An answer that says neither its length nor its end is whole if it ends with a line."""
    framed = {"content-length", "transfer-encoding"} & answer.headers.keys()
    return bool(framed) or text.endswith(("\n", "\r"))
