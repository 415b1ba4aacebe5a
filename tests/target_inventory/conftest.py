"""A site to write to: the sandbox of a provider, and the target pointed at it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import redaction
from inventory_providers.environment import Environment, Policy
from inventory_providers.errors import InventoryError
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from target_inventory.target import TargetInventory
from tests.conftest import FakeClock
from tests.target_inventory import singer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    error: InventoryError | None
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


class Site:
    """One site in memory. Every run checks what must hold for all of them."""

    def __init__(self, folder: Path, canaries: Canaries, size: int = 60) -> None:
        # What the target writes; the configuration, which holds a password, lies elsewhere.
        self.folder = canaries.watch(folder / "out")
        self.folder.mkdir()
        self.dead_letters = self.folder / "letters.jsonl"
        self._canaries = canaries
        clock = Clock()
        self.server = SandboxServer(rooms(clock, size=size, names=[NAME]), clock=clock)
        self.room: SandboxRoom = self.server.room(NAME)
        self.clock = FakeClock(clock.step)
        # A request that hangs costs real time; waiting between requests costs none.
        self.policy = Policy(idle=0.4, connect=2.0)
        self.provider = self.server.settings(NAME)

    @property
    def config(self) -> dict[str, Any]:
        """A configuration that leaves its files in the test's folder."""
        return {
            NAME: self.provider,
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
        error = None
        (self.folder / "report.json").unlink(missing_ok=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                self._listen(source, self.config | settings, input_path)
            except InventoryError as caught:
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
