"""Promise: what is in the journal is whole, on disk, its owner's alone, and held by one run."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.contract import Change, Order
from inventory_providers.errors import ConfigError, InventoryError, JournalHeld, OutputError
from target_inventory.journal import APPLICATION, VERSION, Intended, Journal, item_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_inventory.journal import Status

ACCOUNT, OTHER = "shop https://one.example", "shop https://two.example"
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ORDER = Order("POST", "/update", "a=1")


class Now:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path, now: Now) -> Iterator[Journal]:
    made = Journal.open(path, now)
    yield made
    made.close()


def _change(key: str = "a", before: Any = 1, after: Any = 2, event: str | None = None) -> Change:
    return Change(
        (key,), {"level": before}, {"level": after}, {"level": after}, {"who": "bob"}, event
    )


def _intended(*changes: Change, order: Order = ORDER) -> Intended:
    return Intended("stream", order, changes)


def _statuses(journal: Journal) -> list[str]:
    rows = journal._connection.execute("SELECT status FROM writes ORDER BY id").fetchall()
    return [status for (status,) in rows]


# ---- the file ------------------------------------------------------------------------------------


def test_only_its_owner_may_read_it(journal: Journal, path: Path) -> None:
    journal.intend(ACCOUNT, [_intended(_change())])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_mode_is_that_of_no_umask(tmp_path: Path, now: Now, umask: int) -> None:
    before = os.umask(umask)
    try:
        Journal.open(tmp_path / "journal", now).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o660, 0o604])
def test_a_file_that_others_may_read_is_closed_to_them(path: Path, now: Now, mode: int) -> None:
    Journal.open(path, now).close()
    path.chmod(mode)
    Journal.open(path, now).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_written_is_there_when_it_is_opened_again(path: Path, now: Now) -> None:
    first = Journal.open(path, now)
    first.intend(ACCOUNT, [_intended(_change())])
    first.close()
    second = Journal.open(path, now)
    (entry,) = second.unfinished(ACCOUNT)
    second.close()
    assert (entry.change, entry.order, entry.status) == (_change(), ORDER, "intended")


def test_it_is_marked_as_ours(journal: Journal, path: Path) -> None:
    journal.close()
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION
    assert int.from_bytes(header[60:64], "big") == VERSION


def test_a_step_is_flushed_to_the_disk(journal: Journal) -> None:
    full = 2
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (full,)


def test_no_column_could_hold_a_credential(journal: Journal) -> None:
    names = {
        f"{table}.{row[1]}"
        for table in ("requests", "writes", "letters")
        for row in journal._connection.execute(f"PRAGMA table_info({table})")
    }
    words = ("password", "secret", "authorization", "header", "cookie", "bearer", "credential")
    assert not [name for name in names if any(word in name for word in words)]
    # The only token is the one that tells an addition from the next.
    assert {name for name in names if "token" in name} == {"requests.token"}


# ---- another run ---------------------------------------------------------------------------------


def test_a_second_run_does_not_get_it(journal: Journal, path: Path, now: Now) -> None:
    with pytest.raises(JournalHeld) as caught:
        Journal.open(path, now)
    assert caught.value.exit_code == 9
    journal.intend(ACCOUNT, [_intended(_change())])
    assert _statuses(journal) == ["intended"], "the first has lost it"


def test_a_held_journal_is_not_waited_for(
    journal: Journal, path: Path, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[float] = []
    connect = sqlite3.connect

    def spy(path: Path, *, timeout: float, isolation_level: None) -> sqlite3.Connection:
        timeouts.append(timeout)
        return connect(path, timeout=timeout, isolation_level=isolation_level)

    monkeypatch.setattr(sqlite3, "connect", spy)
    with pytest.raises(JournalHeld):
        Journal.open(path, now)
    assert timeouts == [0]


def test_closing_lets_go_of_it(path: Path, now: Now) -> None:
    Journal.open(path, now).close()
    Journal.open(path, now).close()


def test_closing_twice_is_closing_once(journal: Journal) -> None:
    journal.close()
    journal.close()


HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inventory_providers.contract import Change, Order
from target_inventory.journal import Intended, Journal

journal = Journal.open(Path(sys.argv[1]), lambda: datetime.now(UTC))
changes = [Change((str(n),), {"level": 1}, {"level": 2}) for n in range(3)]
{body}
print("ready", flush=True)
sys.stdin.read()
"""


def _holder(path: Path, body: str = "") -> subprocess.Popen[bytes]:
    """A process that holds the journal, and says so."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("{body}", body), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


@pytest.mark.processes
def test_another_process_does_not_get_it_until_the_first_is_gone(path: Path, now: Now) -> None:
    process = _holder(path)
    try:
        with pytest.raises(JournalHeld):
            Journal.open(path, now)
    finally:
        _kill(process)
    Journal.open(path, now).close()


@pytest.mark.processes
def test_a_step_is_there_after_a_kill_right_behind_it(path: Path, now: Now) -> None:
    body = "noted = journal.intend('one', [Intended('stream', Order('POST', '/'), changes)])"
    _kill(_holder(path, f"{body}\njournal.sending(noted[0].request)"))
    journal = Journal.open(path, now)
    assert [entry.status for entry in journal.unfinished("one")] == ["sent"] * 3
    journal.close()


UNFINISHED = {
    "intend": "journal.intend('one', [Intended('stream', Order('POST', '/'), changes)])",
    "replace": "journal.intend('one', [Intended('s', Order('POST', '/'), changes)], replaces=ids)",
    "sending": "journal.sending(number)",
    "end": "journal.end(ids, 'done')",
    "letters": "journal.keep_letters('one', [(('0',), 'x', []), (('1',), 'x', [])])",
    "tell": "journal.tell('one')",
    "supersede": "journal.supersede('one', {('7',): ['level']})",
}


@pytest.mark.processes
@pytest.mark.parametrize("step", UNFINISHED)
def test_a_kill_in_the_middle_of_a_step_leaves_nothing_of_it(
    path: Path, now: Now, step: str
) -> None:
    journal = Journal.open(path, now)
    journal.intend("one", [_intended(_change("0"), _change("1"))])
    journal.keep_letters("one", [(("7",), FIRST, [])])
    journal.end([journal.intend("one", [_intended(_change("2"))])[0].writes[0]], "refused")
    before = "\n".join(journal._connection.iterdump())
    journal.close()
    body = f"""
number, ids = 1, [1, 2]
def stop(cursor):
    # Its pages go to the file now, as they do when there are many.
    cursor.connection.execute("PRAGMA cache_spill = 1")
    print("ready", flush=True)
    sys.stdin.read()
journal.commit = stop
{UNFINISHED[step]}
"""
    _kill(_holder(path, body))
    journal = Journal.open(path, now)
    assert "\n".join(journal._connection.iterdump()) == before
    journal.close()


# ---- files that are something else ---------------------------------------------------------------


@pytest.mark.parametrize("content", [b"sku,level\n" * 200, b"{}", b"\0" * 4096, b"\xff\xfe" * 900])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    path: Path, now: Now, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Journal.open(path, now)
    assert (caught.value.exit_code, path.read_bytes()) == (2, content)


def test_a_file_that_is_no_journal_keeps_its_mode(path: Path, now: Now) -> None:
    path.write_bytes(b"sku,level\n" * 200)
    path.chmod(0o644)
    with pytest.raises(ConfigError):
        Journal.open(path, now)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("application", [0, 7])
def test_a_database_of_somebody_else_is_refused_and_left_alone(
    path: Path, now: Now, application: int
) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE prices (sku TEXT)")
        connection.execute(f"PRAGMA application_id = {application}")
    connection.close()
    with pytest.raises(ConfigError, match="not a journal of ours"):
        Journal.open(path, now)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("prices",)]
    connection.close()


def test_a_journal_of_a_later_version_is_refused(path: Path, now: Now) -> None:
    Journal.open(path, now).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(ConfigError, match="another version"):
        Journal.open(path, now)


@pytest.mark.parametrize(("version", "tables"), [(1, ["origins", "terms"]), (2, ["terms"])])
def test_a_journal_of_an_earlier_version_is_taken_over(
    path: Path, now: Now, version: int, tables: list[str]
) -> None:
    Journal.open(path, now).close()
    connection = sqlite3.connect(path)
    for table in tables:
        connection.execute(f"DROP TABLE {table}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    for _ in range(2):
        journal = Journal.open(path, now)
        (found,) = journal._connection.execute("PRAGMA user_version").fetchone()
        assert (found, journal.origins(ACCOUNT)) == (VERSION, {})
        journal.close()


def test_the_terms_of_the_last_run_are_kept_for_each_account(path: Path, now: Now) -> None:
    with closing(Journal.open(path, now)) as journal:
        assert journal.terms(ACCOUNT) is None
        for terms in ("a", "a", "b"):
            journal.keep_terms(ACCOUNT, terms)
    with closing(Journal.open(path, now)) as journal:
        assert (journal.terms(ACCOUNT), journal.terms("another")) == ("b", None)


def test_an_empty_file_becomes_a_journal(path: Path, now: Now) -> None:
    path.touch()
    journal = Journal.open(path, now)
    assert journal.unfinished(ACCOUNT) == []
    journal.close()


def test_a_refused_file_is_not_held(path: Path, now: Now) -> None:
    Journal.open(path, now).close()
    connection = sqlite3.connect(path, timeout=0)
    connection.execute("PRAGMA user_version = 99")
    for _ in range(2):
        with pytest.raises(ConfigError):
            Journal.open(path, now)
    connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path, now: Now) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path, tmp_path / "missing" / "journal", tmp_path / "file" / "journal"):
        with pytest.raises(OutputError) as caught:
            Journal.open(bad, now)
        assert caught.value.exit_code == 10
        assert "journal_path" in str(caught.value)


def test_a_pipe_is_refused_and_left_alone(path: Path, now: Now) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigError) as caught:
        Journal.open(path, now)
    assert caught.value.place == "journal_path"
    assert path.is_fifo()


def test_a_journal_without_room_is_an_output_error(journal: Journal) -> None:
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = _intended(_change(), order=Order("POST", "/", "x" * 100_000))
    with pytest.raises(OutputError):
        journal.intend(ACCOUNT, [large])
    assert journal.unfinished(ACCOUNT) == [], "half a step is in it"
    journal.intend(ACCOUNT, [])


# ---- steps ---------------------------------------------------------------------------------------


def test_a_write_goes_from_intended_over_sent_to_its_end(journal: Journal, now: Now) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change("a"), _change("b"))])
    entries = journal.unfinished(ACCOUNT)
    assert [(entry.status, entry.sent_at) for entry in entries] == [("intended", None)] * 2
    assert [entry.id for entry in entries] == list(noted.writes)
    now.moment += timedelta(seconds=90)
    journal.sending(noted.request)
    entries = journal.unfinished(ACCOUNT)
    assert [(entry.status, entry.sent_at) for entry in entries] == [("sent", now.moment)] * 2
    journal.end(noted.writes[:1], "done")
    assert [entry.change.key for entry in journal.unfinished(ACCOUNT)] == [("b",)]


@pytest.mark.parametrize("status", ["done", "refused", "withdrawn", "replaced", "unknown"])
def test_what_has_ended_is_not_unfinished(journal: Journal, status: Any) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change())])
    journal.end(noted.writes, status, "why")
    assert journal.unfinished(ACCOUNT) == []
    assert _statuses(journal) == [status]


def test_what_has_ended_is_not_sent_again(journal: Journal) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change("a"), _change("b"))])
    journal.end(noted.writes[:1], "refused")
    journal.sending(noted.request)
    assert _statuses(journal) == ["refused", "sent"]


def test_a_write_that_was_not_carried_out_is_intended_again(journal: Journal) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change())])
    journal.sending(noted.request)
    journal.end(noted.writes, "intended")
    (entry,) = journal.unfinished(ACCOUNT)
    assert (entry.status, entry.sent_at) == ("intended", NOON)


def test_unfinished_writes_come_in_the_order_in_which_they_were_intended(journal: Journal) -> None:
    journal.intend(ACCOUNT, [_intended(_change("c"), _change("a")), _intended(_change("b"))])
    journal.intend(ACCOUNT, [_intended(_change("0"))])
    keys = [entry.change.key[0] for entry in journal.unfinished(ACCOUNT)]
    assert keys == ["c", "a", "b", "0"]


def test_a_request_takes_over_in_one_step(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = journal.intend(ACCOUNT, [_intended(_change("a"), _change("b"))])
    with monkeypatch.context() as patch:
        patch.setattr(journal, "commit", _refuse_to_commit)
        with pytest.raises(OutputError):
            journal.intend(ACCOUNT, [_intended(_change("a"))], replaces=old.writes)
    journal._connection.rollback()
    assert _statuses(journal) == ["intended", "intended"]
    journal.intend(ACCOUNT, [_intended(_change("a"))], replaces=old.writes)
    assert _statuses(journal) == ["replaced", "replaced", "intended"]


def _refuse_to_commit(_cursor: sqlite3.Cursor) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_accounts_are_kept_apart(journal: Journal) -> None:
    journal.intend(ACCOUNT, [_intended(_change("a", event="e"))])
    journal.intend(OTHER, [_intended(_change("b"), _change("c"))])
    assert [entry.change.key for entry in journal.unfinished(ACCOUNT)] == [("a",)]
    assert journal.unfinished_elsewhere([ACCOUNT]) == {OTHER: 2}
    assert journal.unfinished_elsewhere([ACCOUNT, OTHER]) == {}
    assert journal.event(OTHER, ("a",), "e") is None


# ---- what may still arrive -----------------------------------------------------------------------


def _sent(
    journal: Journal,
    change: Change,
    status: Any = None,
    account: str = ACCOUNT,
    note: str | None = "read back",
) -> None:
    (noted,) = journal.intend(account, [_intended(change)])
    journal.sending(noted.request)
    if status is not None:
        journal.end(noted.writes, status, note)


def _arriving(journal: Journal, *keys: str) -> list[Any]:
    found = journal.under_way(ACCOUNT, [(key,) for key in keys or "a"])
    return [(change.key[0], (change.after or {})["level"]) for change in found]


@pytest.mark.parametrize("status", [None, "replaced", "unknown", "refused"])
def test_what_was_sent_and_is_not_known_to_be_done_may_still_arrive(
    journal: Journal, status: Any
) -> None:
    _sent(journal, _change(after=7), status)
    assert _arriving(journal) == [("a", 7)]


def test_what_was_never_sent_cannot_arrive(journal: Journal) -> None:
    journal.intend(ACCOUNT, [_intended(_change())])
    assert _arriving(journal) == []


def test_what_came_before_a_write_that_is_done_is_past(journal: Journal) -> None:
    _sent(journal, _change(after=7), "replaced")
    _sent(journal, _change(after=8), "done")
    _sent(journal, _change(after=9), "replaced")
    _sent(journal, _change("b", after=10), "done")
    assert _arriving(journal) == [("a", 9)]


def test_what_was_confirmed_and_not_read_back_leaves_the_older_ones_open(journal: Journal) -> None:
    _sent(journal, _change(after=7), "replaced")
    _sent(journal, _change(after=8), "done", note=None)
    assert _arriving(journal) == [("a", 7)]


def test_only_these_items_of_this_account_are_asked_for(journal: Journal) -> None:
    for key in "abc":
        _sent(journal, _change(key))
    _sent(journal, _change("a", after=5), "done", account=OTHER)
    _sent(journal, _change("d"), account=OTHER)
    assert _arriving(journal, "a", "c", "d") == [("a", 2), ("c", 2)]
    assert journal.under_way(ACCOUNT, []) == []


def test_what_was_made_good_since_has_not_to_be_told(journal: Journal) -> None:
    _sent(journal, _change(), "refused")
    _sent(journal, _change("b"), "refused")
    _sent(journal, _change(event="x"), "unknown")
    _sent(journal, _change(), "done")
    told = [(entry.change.key[0], entry.change.event) for entry in journal.untold(ACCOUNT)]
    assert told == [("b", None), ("a", "x")]


def test_a_step_that_cannot_be_committed_is_undone_and_the_next_one_works(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(journal, "commit", _refuse_to_commit)
        with pytest.raises(OutputError, match="cannot be read or written"):
            journal.intend(ACCOUNT, [_intended(_change())])
    assert _statuses(journal) == []
    journal.intend(ACCOUNT, [_intended(_change())])
    assert _statuses(journal) == ["intended"]


def test_nothing_to_end_is_no_step(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "commit", _refuse_to_commit)
    journal.end([], "done")
    journal.keep_letters(ACCOUNT, [])
    journal.tell(ACCOUNT)
    journal.supersede(ACCOUNT, {})


def test_a_journal_in_memory_does_the_same_and_leaves_no_file(
    tmp_path: Path, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal.in_memory(now)
    journal.intend(ACCOUNT, [_intended(_change())])
    assert len(journal.unfinished(ACCOUNT)) == 1
    journal.close()
    assert list(tmp_path.iterdir()) == []


# ---- additions -----------------------------------------------------------------------------------


def test_an_addition_that_was_never_tried_has_no_past(journal: Journal) -> None:
    assert journal.event(ACCOUNT, ("a",), "e") is None


def test_of_an_addition_the_last_try_counts(journal: Journal) -> None:
    asked = {"quantity": 5}
    change = Change(("a",), {"level": 1}, {"level": 6}, asked, event="e")
    tries: list[Status] = ["refused", "withdrawn", "done"]
    for status in tries:
        (noted,) = journal.intend(ACCOUNT, [_intended(change)])
        assert journal.event(ACCOUNT, ("a",), "e") == ("intended", asked)
        journal.end(noted.writes, status)
        assert journal.event(ACCOUNT, ("a",), "e") == (status, asked)
    assert journal.event(ACCOUNT, ("b",), "e") is None
    assert journal.event(ACCOUNT, ("a",), "f") is None


def test_an_addition_stays_for_ever(path: Path, now: Now) -> None:
    journal = Journal.open(path, now)
    (noted,) = journal.intend(ACCOUNT, [_intended(_change(event="e"))])
    journal.end(noted.writes, "done")
    journal.close()
    now.moment += timedelta(days=4000)
    journal = Journal.open(path, now)
    journal.intend(ACCOUNT, [_intended(_change("b"))])
    assert journal.event(ACCOUNT, ("a",), "e") == ("done", {"level": 2})
    journal.close()


# ---- dead letters --------------------------------------------------------------------------------

FIRST, SECOND = "2024-05-01T12:00:00Z 1", "2024-05-01T12:00:00Z 2"


def test_newer_records_overtake_a_letter_field_by_field(journal: Journal) -> None:
    journal.keep_letters(ACCOUNT, [(("a",), FIRST, []), (("b",), FIRST, [])])
    assert journal.lettered(ACCOUNT) == {("a",), ("b",)}
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == set()
    journal.supersede(ACCOUNT, {("a",): {"level"}})
    journal.supersede(ACCOUNT, {("a",): {"warn", "level"}, ("c",): {"level"}})
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == {"level", "warn"}
    assert journal.newer_than_letter(ACCOUNT, ("b",), FIRST) == set()


def test_a_letter_written_after_a_record_is_not_overtaken_by_it(journal: Journal) -> None:
    journal.keep_letters(ACCOUNT, [(("a",), FIRST, [])])
    journal.supersede(ACCOUNT, {("a",): {"level"}})
    journal.keep_letters(ACCOUNT, [(("a",), SECOND, [])])
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == {"level"}
    assert journal.newer_than_letter(ACCOUNT, ("a",), SECOND) == set()


def test_a_letter_may_be_overtaken_when_it_is_written(journal: Journal) -> None:
    journal.keep_letters(ACCOUNT, [(("a",), FIRST, {"warn", "level"})])
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == {"level", "warn"}


def test_letters_of_one_name_overtake_together(journal: Journal) -> None:
    journal.keep_letters(ACCOUNT, [(("a",), FIRST, ["warn"]), (("a",), FIRST, [])])
    journal.supersede(ACCOUNT, {("a",): {"level"}})
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == {"level", "warn"}


def test_a_letter_that_nobody_wrote_is_overtaken_by_nothing(journal: Journal) -> None:
    journal.supersede(ACCOUNT, {("a",): {"level"}})
    assert journal.newer_than_letter(ACCOUNT, ("a",), FIRST) == set()
    assert journal.newer_than_letter(ACCOUNT, ("a",), "yesterday'; DROP TABLE letters") == set()


def test_letters_of_another_account_are_not_ours(journal: Journal) -> None:
    journal.keep_letters(OTHER, [(("a",), FIRST, [])])
    journal.supersede(ACCOUNT, {("a",): {"level"}})
    assert journal.lettered(ACCOUNT) == set()
    assert journal.newer_than_letter(OTHER, ("a",), FIRST) == set()


# ---- what has to be told -------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["refused", "unknown"])
def test_what_went_wrong_is_untold_until_it_is_told(journal: Journal, status: Any) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change("a"), _change("b"))])
    assert journal.untold(ACCOUNT) == []
    journal.end(noted.writes[:1], status, "why")
    (entry,) = journal.untold(ACCOUNT)
    assert (entry.change.key, entry.status, entry.note) == (("a",), status, "why")
    assert journal.untold(OTHER) == []
    journal.tell(OTHER)
    assert len(journal.untold(ACCOUNT)) == 1
    journal.tell(ACCOUNT)
    assert journal.untold(ACCOUNT) == []
    assert [entry.change.key for entry in journal.unfinished(ACCOUNT)] == [("b",)]


@pytest.mark.parametrize("status", ["done", "withdrawn", "replaced", "intended"])
def test_what_went_well_has_not_to_be_told(journal: Journal, status: Any) -> None:
    (noted,) = journal.intend(ACCOUNT, [_intended(_change())])
    journal.end(noted.writes, status)
    assert journal.untold(ACCOUNT) == []


# ---- what is carried -----------------------------------------------------------------------------

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_NUMBER = st.integers(-(2**63), 2**63) | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
)
_FIELDS = st.dictionaries(_TEXT, st.none() | st.booleans() | _NUMBER | _TEXT, max_size=3)
_KEYS = st.lists(_TEXT, min_size=1, max_size=3).map(tuple)
_CHANGES = st.builds(
    Change,
    key=_KEYS,
    before=st.none() | _FIELDS,
    after=st.none() | _FIELDS,
    asked=_FIELDS,
    extra=st.dictionaries(_TEXT, _TEXT, max_size=2),
    event=st.none() | _TEXT,
)
_ORDERS = st.builds(Order, method=_TEXT, path=_TEXT, body=_TEXT, token=st.none() | _TEXT)


@given(st.lists(_CHANGES, min_size=1, max_size=3), _ORDERS)
def test_changes_and_orders_come_back_as_they_went_in(changes: list[Change], order: Order) -> None:
    journal = Journal.in_memory(lambda: NOON)
    journal.intend(ACCOUNT, [Intended("stream", order, changes)])
    entries = journal.unfinished(ACCOUNT)
    for change in changes:
        if change.event is not None:
            assert journal.event(ACCOUNT, change.key, change.event) is not None
    journal.close()
    assert [entry.change for entry in entries] == changes
    assert {entry.order for entry in entries} == {order}


@pytest.mark.parametrize(
    "text", ["nul \0 inside", "\N{GRINNING FACE}", "\u202eleft", "'; --", '"', "", " ", "\n"]
)
def test_awkward_text_is_carried_whole(journal: Journal, text: str) -> None:
    change = Change((text, "x"), {text: text}, None, event=text)
    order = Order("POST", text, text, text)
    journal.intend(text, [Intended(text, order, [change])])
    (entry,) = journal.unfinished(text)
    assert (entry.change, entry.order, entry.stream) == (change, order, text)
    assert journal.event(text, (text, "x"), text) == ("intended", {})
    journal.keep_letters(text, [((text, "x"), text, [text])])
    assert journal.newer_than_letter(text, (text, "x"), text) == {text}


@pytest.mark.parametrize(
    "number", [2**63, -(2**63), 2**31 - 1, 0, Decimal("76.5"), Decimal("0.10")]
)
def test_numbers_keep_every_digit(journal: Journal, number: Any) -> None:
    journal.intend(ACCOUNT, [_intended(_change(before=number, after=number))])
    (entry,) = journal.unfinished(ACCOUNT)
    assert entry.change.before is not None
    found = entry.change.before["level"]
    assert (found, str(found), type(found)) == (number, str(number), type(number))


def test_keys_that_only_look_alike_are_two_items(journal: Journal) -> None:
    keys = [("a", "b"), ("a,b",), ('a","b',), ("a", "b", "")]
    assert len(set(map(item_of, keys))) == len(keys)
    journal.keep_letters(ACCOUNT, [(key, FIRST, []) for key in keys])
    journal.supersede(ACCOUNT, {keys[0]: {"level"}})
    newer = [journal.newer_than_letter(ACCOUNT, key, FIRST) for key in keys]
    assert newer == [{"level"}, set(), set(), set()]


# ---- what a refusal says -------------------------------------------------------------------------


def _refusal(path: Path, now: Now) -> tuple[str, str | None, str]:
    with pytest.raises(InventoryError) as caught:
        Journal.open(path, now)
    return type(caught.value).__name__, caught.value.place, caught.value.message


def test_a_refusal_names_the_file_and_the_setting(path: Path, now: Now) -> None:
    path.write_bytes(b"sku,level\n" * 200)
    ours = ("ConfigError", "journal_path", f"{path} is not a journal of ours")
    assert _refusal(path, now) == ours
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE prices (sku TEXT)")
    assert _refusal(path, now) == ours
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    later = f"{path} is of another version of this target"
    assert _refusal(path, now) == ("ConfigError", "journal_path", later)
    connection.close()


def test_a_held_journal_is_named(journal: Journal, path: Path, now: Now) -> None:
    held = ("JournalHeld", "journal", f"another run holds the journal {path}")
    assert _refusal(path, now) == held


def test_a_place_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path, now: Now) -> None:
    path = tmp_path / "missing" / "journal"
    with pytest.raises(OutputError) as caught:
        Journal.open(path, now)
    assert str(caught.value) == (
        f"journal_path: cannot write the journal {path}: No such file or directory. "
        "Set journal_path to a file that can be written; nothing was sent"
    )


def test_only_a_file_that_others_may_read_is_closed_to_them(
    path: Path, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    Journal.open(path, now).close()
    monkeypatch.setattr(type(path), "chmod", refuse)
    Journal.open(path, now).close()
    os.chmod(path, 0o644)  # noqa: PTH101 - the method is replaced
    kind, place, message = _refusal(path, now)
    assert (kind, place) == ("OutputError", "journal_path")
    assert message == f"cannot write the journal {path}: Operation not permitted"


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError])
@pytest.mark.parametrize("where", ["connect", "_set_up"])
def test_what_sqlite_says_when_it_is_opened_is_passed_on(
    path: Path, now: Now, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], where: str
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise kind("malformed")

    monkeypatch.setattr(sqlite3 if where == "connect" else Journal, where, fail)
    told = f"the journal {path} cannot be read or written: malformed"
    assert _refusal(path, now) == ("OutputError", "journal", told)


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError])
def test_what_sqlite_says_in_a_step_is_passed_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(_cursor: sqlite3.Cursor) -> None:
        raise kind("disk I/O error")

    monkeypatch.setattr(journal, "commit", fail)
    with pytest.raises(OutputError) as caught:
        journal.intend(ACCOUNT, [_intended(_change())])
    assert caught.value.place == "journal"
    assert caught.value.message == "the journal cannot be read or written: disk I/O error"


def test_a_step_that_fails_half_way_is_taken_back_and_the_next_one_goes(journal: Journal) -> None:
    def broken() -> Iterator[Intended]:
        yield _intended(_change("a"))
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        journal.intend(ACCOUNT, broken())
    (noted,) = journal.intend(ACCOUNT, [_intended(_change("b"))])
    (entry,) = journal.unfinished(ACCOUNT)
    assert (entry.change.key, entry.request, entry.note) == (("b",), noted.request, "")


def test_fields_of_any_kind_of_mapping_are_carried(journal: Journal) -> None:
    fields = MappingProxyType({"level": 1})
    journal.intend(ACCOUNT, [_intended(Change(("a",), fields, fields, fields, fields))])
    assert journal.unfinished(ACCOUNT)[0].change == Change(
        ("a",), dict(fields), dict(fields), dict(fields), dict(fields)
    )


def test_letting_go_of_a_broken_file_is_no_failure(now: Now) -> None:
    class Broken(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            raise sqlite3.OperationalError("disk I/O error")

    Journal(sqlite3.connect(":memory:", factory=Broken), now).close()
