"""The journal: every request that writes, before its first byte leaves, and what became of it.

A SQLite file, for its owner only, held by one run at a time. Each step is one transaction that is
on disk when the call returns. What a run that was cut off has left is `unfinished`; the next run
settles it before anything else. Additions stay for ever: the same one is carried out once.

    intended    will be sent; not a byte has left
    sent        on its way: whether it was carried out is not known yet
    done        carried out
    refused     not carried out, the provider refuses it or did nothing
    withdrawn   not sent, and it will not be
    replaced    not carried out in this request; another one has taken it over
    unknown     sent, and nobody can tell any more what became of it

What is refused or unknown counts as `untold` until a run has come to the point where its dead
letters are on disk.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from inventory_providers.contract import Change, Order
from inventory_providers.errors import ConfigError, JournalHeld, OutputError
from inventory_providers.jsonio import dumps, loads
from inventory_providers.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from inventory_providers.contract import Fields, Key

Status = Literal["intended", "sent", "done", "refused", "withdrawn", "replaced", "unknown"]

# Tells a journal from other SQLite files ("sinv"), and its tables from later ones.
APPLICATION, VERSION = 0x73696E76, 3

_TABLES = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    stream TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    token TEXT,
    intended_at TEXT NOT NULL,
    sent_at TEXT
);
CREATE TABLE writes (
    id INTEGER PRIMARY KEY,
    request INTEGER NOT NULL REFERENCES requests (id),
    item TEXT NOT NULL,
    event TEXT,
    change TEXT NOT NULL,
    status TEXT NOT NULL,
    note TEXT,
    ended_at TEXT,
    told INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX writes_unfinished ON writes (status) WHERE status IN ('intended', 'sent');
CREATE INDEX writes_untold ON writes (told) WHERE told = 0;
CREATE INDEX writes_of_item ON writes (item);
CREATE INDEX writes_of_request ON writes (request);
CREATE INDEX writes_of_event ON writes (item, event) WHERE event IS NOT NULL;
CREATE TABLE letters (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    item TEXT NOT NULL,
    letter TEXT NOT NULL,
    newer TEXT NOT NULL
);
CREATE INDEX letters_of_item ON letters (account, item);
"""

# New in version 2: where the level of an item came from, and when it was read there.
_ORIGINS = """
CREATE TABLE origins (
    account TEXT NOT NULL,
    item TEXT NOT NULL,
    place TEXT NOT NULL,
    observed REAL,
    PRIMARY KEY (account, item, place)
) WITHOUT ROWID
"""

# New in version 3: by which rules, places and SKU map the levels of an account were published last.
_TERMS = """
CREATE TABLE terms (
    account TEXT PRIMARY KEY,
    terms TEXT NOT NULL
) WITHOUT ROWID
"""
# What each version has that the one before it has not.
_NEW_TABLES = {2: _ORIGINS, 3: _TERMS}

_UNDER_WAY = """
SELECT change FROM writes JOIN requests ON requests.id = request
WHERE item = :item AND account = :account AND sent_at IS NOT NULL AND status <> 'done'
AND writes.id > (
    SELECT coalesce(max(older.id), 0) FROM writes AS older
    JOIN requests AS theirs ON theirs.id = older.request
    WHERE older.item = :item AND theirs.account = :account AND older.status = 'done'
    AND older.note IS NOT NULL
)
"""

# The same addition, or the same item, was written after all.
_DONE_SINCE = """
SELECT 1 FROM writes AS later JOIN requests AS theirs ON theirs.id = later.request
WHERE later.item = writes.item AND later.event IS writes.event AND later.id > writes.id
AND later.status = 'done' AND theirs.account = requests.account
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One write in the journal. `sent_at` is when its request was first sent, None if never."""

    id: int
    request: int
    stream: str
    order: Order
    change: Change
    status: Status
    note: str
    sent_at: datetime | None


class Intended(NamedTuple):
    """A request to be put into the journal: one order and the changes that it carries out."""

    stream: str
    order: Order
    changes: Sequence[Change]


class Noted(NamedTuple):
    """Where it stands there: the request, and each of its changes, by their ids."""

    request: int
    writes: Sequence[int]


class Journal:
    """The journal of one run. `now` is the wall clock.

    Raises, from every method:
        OutputError: the file cannot be written or read.
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
        self._connection, self._now = connection, now

    @classmethod
    def open(cls, path: Path, now: Callable[[], datetime]) -> Journal:
        """The journal in a file, which is made where there is none, and held until `close`.

        Raises:
            JournalHeld: another run holds it.
            ConfigError: the file is something else.
            OutputError: it cannot be made, read or written.
        """
        _make(path)
        connection = _connect(path)
        journal = cls(connection, now)
        # Whoever forgets to close it leaves no file held.
        weakref.finalize(journal, _let_go, connection)
        try:
            with _explained(path):
                journal._hold()
                journal._set_up(path)
            _close_to_others(path)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def in_memory(cls, now: Callable[[], datetime]) -> Journal:
        """A journal that nobody will read: for a run that writes nothing."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        journal = cls(connection, now)
        weakref.finalize(journal, _let_go, connection)
        journal.create()
        return journal

    def close(self) -> None:
        """Let go of the file."""
        _let_go(self._connection)

    def _hold(self) -> None:
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA synchronous = FULL")

    def _set_up(self, path: Path) -> None:
        (application,) = self._connection.execute("PRAGMA application_id").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            self.create()
        elif application != APPLICATION:
            raise ConfigError(f"{path} is not a journal of ours", place="journal_path")
        elif version not in range(1, VERSION + 1):
            raise ConfigError(f"{path} is of another version of this target", place="journal_path")
        else:
            self._upgrade(version)
        # Not before: the file of somebody else stays as it is.
        self._connection.execute("PRAGMA journal_mode = TRUNCATE")

    def create(self) -> None:
        """Make the tables."""
        with self._step() as cursor:
            for statement in _TABLES.split(";"):
                cursor.execute(statement)
            cursor.execute(f"PRAGMA application_id = {APPLICATION}")
            self._complete(cursor, 1)

    def _upgrade(self, version: int) -> None:
        if version < VERSION:
            with self._step() as cursor:
                self._complete(cursor, version)

    @staticmethod
    def _complete(cursor: sqlite3.Cursor, version: int) -> None:
        for newer in range(version + 1, VERSION + 1):
            cursor.execute(_NEW_TABLES[newer])
        cursor.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _step(self) -> Iterator[sqlite3.Cursor]:
        """All of it or nothing, and on disk afterwards."""
        with _explained(None):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                self.commit(cursor)
            except BaseException:
                with suppress(sqlite3.Error):
                    cursor.execute("ROLLBACK")
                raise

    def commit(self, cursor: sqlite3.Cursor) -> None:
        """The end of each step."""
        cursor.execute("COMMIT")

    # ---- writes --------------------------------------------------------------------------------

    def intend(
        self, account: str, requests: Iterable[Intended], *, replaces: Collection[int] = ()
    ) -> list[Noted]:
        """Put requests in, before any of them is sent; they take over the writes they replace."""
        with self._step() as cursor:
            self._end(cursor, replaces, "replaced", None)
            return [self._note(cursor, account, request) for request in requests]

    def _note(self, cursor: sqlite3.Cursor, account: str, intended: Intended) -> Noted:
        order = intended.order
        cursor.execute(
            "INSERT INTO requests (account, stream, method, path, body, token, intended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                account,
                intended.stream,
                order.method,
                order.path,
                order.body,
                order.token,
                rfc3339(self._now()),
            ),
        )
        request = _id(cursor)
        writes = []
        for change in intended.changes:
            cursor.execute(
                "INSERT INTO writes (request, item, event, change, status)"
                " VALUES (?, ?, ?, ?, 'intended')",
                (request, item_of(change.key), change.event, _encode(change)),
            )
            writes.append(_id(cursor))
        return Noted(request, writes)

    def sending(self, request: int) -> None:
        """From now on it may have been carried out."""
        with self._step() as cursor:
            cursor.execute(
                "UPDATE requests SET sent_at = coalesce(sent_at, ?) WHERE id = ?",
                (rfc3339(self._now()), request),
            )
            cursor.execute(
                "UPDATE writes SET status = 'sent', ended_at = NULL, note = NULL WHERE request = ?"
                " AND status IN ('intended', 'sent')",
                (request,),
            )

    def end(self, writes: Collection[int], status: Status, note: str | None = None) -> None:
        """What became of them."""
        if writes:
            with self._step() as cursor:
                self._end(cursor, writes, status, note)

    def _end(
        self, cursor: sqlite3.Cursor, writes: Collection[int], status: Status, note: str | None
    ) -> None:
        at, told = rfc3339(self._now()), status not in {"refused", "unknown"}
        cursor.executemany(
            "UPDATE writes SET status = ?, note = ?, ended_at = ?, told = ? WHERE id = ?",
            [(status, note, at, told, write) for write in writes],
        )

    def unfinished(self, account: str) -> list[Entry]:
        """The writes of an account that are intended or sent, in the order of their requests."""
        return self._entries(account, "status IN ('intended', 'sent')")

    def untold(self, account: str) -> list[Entry]:
        """Those that are refused or unknown, and that no finished run has told of."""
        return self._entries(account, f"told = 0 AND NOT EXISTS ({_DONE_SINCE})")

    def _entries(self, account: str, condition: str) -> list[Entry]:
        with _explained(None):
            found = self._connection.execute(
                "SELECT writes.id, request, stream, method, path, body, token, change, status,"  # noqa: S608 - the condition is ours
                " note, sent_at FROM writes JOIN requests ON requests.id = request"
                f" WHERE account = ? AND {condition} ORDER BY request, writes.id",
                (account,),
            ).fetchall()
        return [_entry(*row) for row in found]

    def tell(self, account: str) -> None:
        """All that is refused or unknown has been told of: the letters are on disk."""
        if self.untold(account):
            with self._step() as cursor:
                cursor.execute(
                    "UPDATE writes SET told = 1 WHERE told = 0 AND request IN"
                    " (SELECT id FROM requests WHERE account = ?)",
                    (account,),
                )

    def unfinished_elsewhere(self, accounts: Collection[str]) -> dict[str, int]:
        """How many are unfinished in each of all other accounts."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT account, count(*) FROM writes JOIN requests ON requests.id = request"
                " WHERE status IN ('intended', 'sent') GROUP BY account"
            ).fetchall()
        return {account: count for account, count in found if account not in accounts}

    def event(self, account: str, key: Key, event: str) -> tuple[Status, Fields] | None:
        """What became of an addition when it was last tried, and what it asked for."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT status, change FROM writes JOIN requests ON requests.id = request"
                " WHERE item = ? AND event = ? AND account = ? ORDER BY writes.id DESC LIMIT 1",
                (item_of(key), event, account),
            ).fetchone()
        return None if found is None else (found[0], _decode(found[1]).asked)

    def in_doubt(self, account: str, key: Key, since: datetime) -> bool:
        """Whether nobody knows what became of an addition to an item, sent after `since`."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT sent_at FROM writes JOIN requests ON requests.id = request"  # noqa: S608 - the condition is ours
                " WHERE item = ? AND account = ? AND event IS NOT NULL AND status = 'unknown'"
                f" AND sent_at IS NOT NULL AND NOT EXISTS ({_DONE_SINCE})",
                (item_of(key), account),
            ).fetchall()
        return any(datetime.fromisoformat(sent) >= since for (sent,) in found)

    def written_since(self, account: str, key: Key, at: str) -> bool:
        """Whether something was written to an item after a moment, in RFC 3339."""
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            return False
        with _explained(None):
            found = self._connection.execute(
                "SELECT ended_at FROM writes JOIN requests ON requests.id = request"
                " WHERE item = ? AND account = ? AND status = 'done' ORDER BY writes.id DESC",
                (item_of(key), account),
            ).fetchone()
        return found is not None and datetime.fromisoformat(found[0]) > moment

    def under_way(self, account: str, keys: Collection[Key]) -> list[Change]:
        """What was sent for these items, is not known to be done, and so may still arrive.

        What came before a write that was done and read back (it has a note) is past: its successor
        was seen there.
        """
        found: list[tuple[str]] = []
        with _explained(None):
            for key in sorted(keys):
                values = {"item": item_of(key), "account": account}
                found += self._connection.execute(_UNDER_WAY, values).fetchall()
        return [_decode(text) for (text,) in found]

    # ---- where levels come from ----------------------------------------------------------------

    def keep_origins(
        self, account: str, origins: Mapping[Key, Iterable[tuple[Sequence[str | None], Any]]]
    ) -> None:
        """Remember for each item the places that its levels came from, and when they were read."""
        rows = [
            (account, item_of(key), dumps(place).decode(), observed)
            for key, many in origins.items()
            for place, observed in many
        ]
        if rows:
            with self._step() as cursor:
                cursor.executemany(
                    "INSERT INTO origins VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET observed ="
                    " max(coalesce(observed, excluded.observed),"
                    " coalesce(excluded.observed, observed))",
                    rows,
                )

    def origins(self, account: str) -> dict[Key, dict[tuple[str | None, ...], float | None]]:
        """Those of each item."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT item, place, observed FROM origins WHERE account = ?", (account,)
            ).fetchall()
        known: dict[Key, dict[tuple[str | None, ...], float | None]] = {}
        for item, place, observed in found:
            places = known.setdefault(tuple(loads(item.encode())), {})
            places[tuple(loads(place.encode()))] = observed
        return known

    def keep_terms(self, account: str, terms: str) -> None:
        """Remember by which terms levels are published from now on."""
        if self.terms(account) != terms:
            with self._step() as cursor:
                cursor.execute(
                    "INSERT INTO terms VALUES (?, ?) ON CONFLICT DO UPDATE SET terms ="
                    " excluded.terms",
                    (account, terms),
                )

    def terms(self, account: str) -> str | None:
        """Those of the last run that published levels, if there was one."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT terms FROM terms WHERE account = ?", (account,)
            ).fetchone()
        return None if found is None else str(found[0])

    # ---- dead letters --------------------------------------------------------------------------

    def keep_letters(
        self, account: str, letters: Iterable[tuple[Key, str, Collection[str]]]
    ) -> None:
        """Remember dead letters: the item, the letter's name, and the fields that are overtaken."""
        rows = [
            (account, item_of(key), letter, dumps(sorted(newer)).decode())
            for key, letter, newer in letters
        ]
        if rows:
            with self._step() as cursor:
                cursor.executemany(
                    "INSERT INTO letters (account, item, letter, newer) VALUES (?, ?, ?, ?)", rows
                )

    def lettered(self, account: str) -> set[Key]:
        """The items that have a dead letter."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT DISTINCT item FROM letters WHERE account = ?", (account,)
            ).fetchall()
        return {tuple(loads(item.encode())) for (item,) in found}

    def supersede(self, account: str, fields: Mapping[Key, Collection[str]]) -> None:
        """Newer records have decided these fields: no letter of the items may set them again."""
        if not fields:
            return
        with self._step() as cursor:
            for key, names in fields.items():
                for letter, newer in cursor.execute(
                    "SELECT id, newer FROM letters WHERE account = ? AND item = ?",
                    (account, item_of(key)),
                ).fetchall():
                    joined = sorted({*loads(newer.encode()), *names})
                    cursor.execute(
                        "UPDATE letters SET newer = ? WHERE id = ?",
                        (dumps(joined).decode(), letter),
                    )

    def newer_than_letter(self, account: str, key: Key, letter: str) -> set[str]:
        """The fields of an item that newer records have decided since a letter was written."""
        with _explained(None):
            found = self._connection.execute(
                "SELECT newer FROM letters WHERE account = ? AND item = ? AND letter = ?",
                (account, item_of(key), letter),
            ).fetchall()
        return {name for (newer,) in found for name in loads(newer.encode())}


def _let_go(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.close()


def item_of(key: Key) -> str:
    """An item's key as the journal has it."""
    return dumps(list(key)).decode()


def _id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _encode(change: Change) -> str:
    parts = (change.key, change.before, change.after, change.asked, change.extra, change.event)
    return dumps([None if part is None else _plain(part) for part in parts]).decode()


def _plain(part: Any) -> Any:
    return part if isinstance(part, str | tuple) else dict(part)


def _decode(text: str) -> Change:
    key, *parts = loads(text.encode())
    return Change(tuple(key), *parts)


def _entry(  # noqa: PLR0917 - a row
    number: int,
    request: int,
    stream: str,
    method: str,
    path: str,
    body: str,
    token: str | None,
    change: str,
    status: Status,
    note: str | None,
    sent_at: str | None,
) -> Entry:
    moment = None if sent_at is None else datetime.fromisoformat(sent_at)
    order = Order(method, path, body, token)
    return Entry(number, request, stream, order, _decode(change), status, note or "", moment)


def _make(path: Path) -> None:
    """An empty file that only its owner may read, before anything is in it."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(f"{path} is no file", place="journal_path")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise _no_place(path, error) from None


def _close_to_others(path: Path) -> None:
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise _no_place(path, error) from None


def _no_place(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the journal {path}: {error.strerror}",
        place="journal_path",
        advice="Set journal_path to a file that can be written; nothing was sent",
    )


def _connect(path: Path) -> sqlite3.Connection:
    with _explained(path):
        return sqlite3.connect(path, timeout=0, isolation_level=None)


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """What SQLite says, in our terms."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            where = "" if path is None else f" {path}"
            raise JournalHeld(f"another run holds the journal{where}", place="journal") from None
        raise _unwritable(path, error) from None
    except sqlite3.DatabaseError as error:
        if path is not None and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise ConfigError(f"{path} is not a journal of ours", place="journal_path") from None
        raise _unwritable(path, error) from None


def _unwritable(path: Path | None, error: sqlite3.Error) -> OutputError:
    where = "" if path is None else f" {path}"
    return OutputError(f"the journal{where} cannot be read or written: {error}", place="journal")
