"""A tap with a stand-in for its one room: pages come from the test, nothing is requested."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from inventory_providers import registry
from inventory_providers.contract import Page, Session
from inventory_providers.times import parse, rfc3339
from tap_inventory.tap import TapInventory
from tests.inventory_providers.fakes import FakeClock, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from inventory_providers.contract import ReadRequest

STREAM = "deconetwork_inventory"
CONFIG = {
    "deconetwork": {
        "api_url": "https://shop.test",
        "username": "fred123",
        "password": "hunter22-house",
    }
}


def record(key: str, modified: datetime | None, **more: Any) -> dict[str, Any]:
    """A record of the stream with every declared property."""
    properties = registry.streams()[STREAM].model.model_fields
    date = None if modified is None else rfc3339(modified)
    return {**dict.fromkeys(properties), "dn_sku_id": key, "inv_last_modified": date, **more}


def page(*records: dict[str, Any], bookmark: datetime | None = None) -> Page:
    """These records as a page."""
    dates = [row["inv_last_modified"] for row in records]
    return Page(
        [json.dumps(row).encode() for row in records],
        [None if date is None else parse(date) for date in dates],
        bookmark,
    )


class Nothing(Session):
    """A session that is never used."""

    closed = False

    @property
    def requests(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


@dataclass
class House:
    """Runs the tap in this process; `pages` are what the room delivers, `asked` what was asked."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    clock: FakeClock = field(default_factory=FakeClock)
    pages: list[Page | BaseException] = field(default_factory=list)
    asked: list[ReadRequest] = field(default_factory=list)
    session: Nothing = field(default_factory=Nothing)

    def __post_init__(self) -> None:
        real = registry.provider("deconetwork")
        stream = replace(real.streams[0], read=self._read)
        room = replace(real, connect=lambda *_: self.session, streams=(stream,))
        self.monkeypatch.setattr(registry, "provider", lambda name: room)

    def _read(self, session: Session, request: ReadRequest) -> Iterator[Page]:
        assert session is self.session
        self.asked.append(request)
        for each in self.pages:
            if isinstance(each, BaseException):
                raise each
            yield each

    def tap(self, config: dict[str, Any] | None = None, **kwargs: Any) -> TapInventory:
        """The tap, made but not run."""
        return TapInventory(
            config={**CONFIG, **(config or {})},
            environment=environment(clock=self.clock),
            parse_env_config=False,
            **kwargs,
        )

    def run(self, config: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """What one run writes to standard output, message by message."""
        tap = self.tap(config, **kwargs)
        self.capsys.readouterr()
        try:
            tap.sync_all()
        finally:
            self.messages = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        return self.messages

    def days(self, number: float) -> None:
        """Let time pass."""
        self.clock.step(timedelta(days=number).total_seconds())


def records(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records among the messages."""
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def state(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The last state."""
    last: dict[str, Any] = [m["value"] for m in messages if m["type"] == "STATE"][-1]
    return last
