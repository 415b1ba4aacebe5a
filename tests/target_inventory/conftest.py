"""A site to write to: the sandbox of a provider, and the target pointed at it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sqlite3
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from inventory_providers import redaction
from inventory_providers.environment import Environment, Policy
from inventory_providers.errors import InventoryError, Stopped
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from target_inventory.target import TargetInventory
from tests.conftest import FakeClock
from tests.target_inventory import singer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from inventory_providers.sandbox.room import Request, SandboxRoom
    from inventory_providers.sandbox.server import Armed
    from tests.conftest import Canaries

NAME = "deconetwork"


@dataclass
class Run:
    """How a run of the target ended, and what it left behind."""

    code: int
    out: bytes
    said: str
    error: InventoryError | Stopped | None
    log: list[str]
    requests: list[Request]
    letters_file: bytes
    report: dict[str, Any]

    @cached_property
    def letters(self) -> list[dict[str, Any]]:
        """The messages in the dead letter file that hold a record."""
        found = [json.loads(each, parse_float=Decimal) for each in self.letters_file.splitlines()]
        return [message for message in found if message["type"] == "RECORD"]

    @property
    def updates(self) -> list[Request]:
        """The requests that were to change something."""
        return [request for request in self.requests if request.method != "GET"]

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The records in the dead letter file."""
        return [letter["record"] for letter in self.letters]

    @property
    def reasons(self) -> list[str]:
        """Why they are there."""
        return [letter["rejected"]["reason"] for letter in self.letters]


class Noted(NamedTuple):
    """One write in the journal; `key` is the item's, `sent_at` None where it never left."""

    status: str
    key: tuple[str, ...]
    stream: str
    account: str
    request: int
    token: str | None
    body: str
    sent_at: str | None
    note: str | None


class Kept:
    """The journal as it lies on disk after a run, read by other hands than the target's."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def writes(self) -> list[Noted]:
        """Every write, in the order in which they were intended."""
        return [
            Noted(status, tuple(json.loads(item)), *rest)
            for status, item, *rest in self._rows(
                "SELECT status, item, stream, account, request, token, body, sent_at, note"
                " FROM writes JOIN requests ON requests.id = request ORDER BY writes.id"
            )
        ]

    @property
    def statuses(self) -> Counter[str]:
        """How many writes have come to what."""
        return Counter(write.status for write in self.writes)

    @property
    def unfinished(self) -> list[str]:
        """The last part of the key of each item that the next run has to settle first."""
        return [write.key[-1] for write in self.writes if write.status in {"intended", "sent"}]

    @property
    def letters(self) -> dict[str, list[str]]:
        """The items with a dead letter, and the fields that newer records decided since."""
        rows = self._rows("SELECT item, newer FROM letters ORDER BY id")
        return {json.loads(item)[-1]: json.loads(newer) for item, newer in rows}

    def _rows(self, query: str) -> list[Any]:
        if not self.path.exists():
            return []
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        with contextlib.closing(connection):
            return connection.execute(query).fetchall()


class Site:
    """One site in memory, and one journal over all runs. Every run checks what must always hold.

    Other providers may stand beside it: name them.
    """

    def __init__(
        self, folder: Path, canaries: Canaries, size: int = 60, others: Sequence[str] = ()
    ) -> None:
        # What the target writes; the configuration, which holds a password, lies elsewhere.
        self.folder = canaries.watch(folder / "out")
        self.folder.mkdir()
        self.dead_letters = self.folder / "letters.jsonl"
        self.journal = Kept(self.folder / "journal.sqlite")
        self._canaries = canaries
        clock = Clock()
        self.server = SandboxServer(rooms(clock, size=size, names=[NAME, *others]), clock=clock)
        self.room: SandboxRoom = self.server.room(NAME)
        self.clock = FakeClock(clock.step)
        # A request that hangs costs real time; waiting between requests costs none.
        self.policy = Policy(idle=0.4, connect=2.0)
        self.provider = self.server.settings(NAME)
        self.others = {name: self.server.settings(name) for name in others}

    @property
    def config(self) -> dict[str, Any]:
        """A configuration that leaves its files in the test's folder."""
        return {
            NAME: self.provider,
            **self.others,
            "journal_path": str(self.journal.path),
            "dead_letter_path": str(self.dead_letters),
            "report_path": str(self.folder / "report.json"),
        }

    # ---- the provider ----

    def grow(self, size: int = 300) -> None:
        """Begin again with more items, of more products."""
        self.room.size = size
        self.server.reset()

    @property
    def applied(self) -> list[dict[str, str]]:
        """Every change that the provider carried out, in order, as it was sent."""
        updates: list[dict[str, str]] = self.room.updates  # type: ignore[attr-defined]
        return updates

    def rows(self) -> dict[str, dict[str, Any]]:
        """What stands at the provider."""
        return {key: row for (key,), row in self.room.rows(singer.STREAM).items()}

    def row(self, number: int = 0) -> dict[str, Any]:
        """An item of the first product."""
        return self.rows()[singer.key(number)]

    def level(self, number: int = 0) -> int:
        """Its level."""
        found: int = self.row(number)["inv_lvl"]
        return found

    def sell(self, number: int = 0) -> int:
        """Somebody else changes an item; its level afterwards."""
        self.room.touch(singer.STREAM, keys=[(singer.key(number),)])
        return self.level(number)

    def put_level(self, level: int, number: int = 0) -> None:
        """Somebody sets the level of an item in the shop, by hand."""
        shelf = self.room._shelf  # type: ignore[attr-defined]
        with self.room.lock:
            shelf.change(shelf.by_key[singer.key(number),][0], {"inv_lvl": level})

    def keys(self, count: int) -> list[str]:
        """So many items, of several products where one has not enough."""
        return list(self.rows())[:count]

    def inject(self, kind: str, **details: Any) -> Armed:
        """Arm a fault for updates; `method=None` for every request."""
        return self.server.inject(NAME, Fault(kind, **{"method": "POST"} | details))

    # ---- the target ----

    def run(self, *messages: bytes, input_path: str | None = None, **settings: Any) -> Run:
        """The target with these lines on its input."""
        source = io.BytesIO(b"".join(messages))
        before = len(self.server.requests(NAME))
        logged = len(self._canaries.records)
        out, err = io.StringIO(), io.StringIO()
        error: InventoryError | Stopped | None = None
        (self.folder / "report.json").unlink(missing_ok=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                self._listen(source, self.config | settings, input_path)
            except (InventoryError, Stopped) as caught:
                error = caught
        self._canaries.saw("stdout", out.getvalue())
        self._canaries.saw("stderr", f"{err.getvalue()}\n{error}")
        assert all(isinstance(json.loads(text), dict) for text in out.getvalue().splitlines())
        assert not out.getvalue() or out.getvalue().endswith("\n")
        path = Path((self.config | settings)["dead_letter_path"] or "")
        return Run(
            code=0 if error is None else error.exit_code,
            out=out.getvalue().encode(),
            said=err.getvalue(),
            error=error,
            log=[record.getMessage() for record in self._canaries.records[logged:]],
            requests=self.server.requests(NAME)[before:],
            letters_file=path.read_bytes() if path.is_file() else b"",
            report=self._report(),
        )

    def _listen(self, source: io.BytesIO, config: dict[str, Any], input_path: str | None) -> None:
        environment = Environment(clock=self.clock, policy=self.policy)
        target = TargetInventory(config=config, environment=environment, input_path=input_path)
        target.listen(source)  # type: ignore[arg-type]  # the reader takes bytes

    def feed_back(self, path: Path, **settings: Any) -> Run:
        """The target with `--input` naming a file."""
        return self.run(path.read_bytes(), input_path=str(path), **settings)

    def set_levels(
        self, levels: dict[str, int] | Iterable[tuple[int, int]], **settings: Any
    ) -> Run:
        """Set levels, by key or by number of the first product's items, and a STATE behind them."""
        if isinstance(levels, dict):
            lines = [singer.record(dn_sku_id=key, inv_lvl=value) for key, value in levels.items()]
        else:
            lines = [singer.level(number, value) for number, value in levels]
        return self.run(singer.schema(), *lines, singer.state(), **settings)

    def _report(self) -> dict[str, Any]:
        path = self.folder / "report.json"
        report: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        return report


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging and redaction as in a process that has just begun."""
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    factory, levels = logging.getLogRecordFactory(), {}
    for name in ("httpx", "httpcore"):
        levels[name] = logging.getLogger(name).level
        # Their lines hold URLs; the command silences them (see the tests with processes).
        logging.getLogger(name).setLevel(logging.WARNING)
    yield
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def site(tmp_path: Path, canaries: Canaries) -> Iterator[Site]:
    """A site with 60 items."""
    made = Site(tmp_path, canaries)
    with made.server:
        yield made


@pytest.fixture
def two(tmp_path: Path, canaries: Canaries) -> Iterator[Site]:
    """The same beside another provider that can be written to."""
    made = Site(tmp_path, canaries, others=["amazon_fba"])
    with made.server:
        yield made
