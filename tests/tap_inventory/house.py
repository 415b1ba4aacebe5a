"""A tap with stand-ins for its rooms: pages come from the test, nothing is requested."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from inventory_providers import registry, schema_files
from inventory_providers.contract import Page, Provider, ReadRequest, Session, Stream
from inventory_providers.times import parse, rfc3339
from tap_inventory.tap import TapInventory
from tests.inventory_providers.fakes import FakeClock, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from pydantic import BaseModel

ROOM = "deconetwork"
STREAM = "deconetwork_inventory"
CONFIG = {
    ROOM: {
        "api_url": "https://shop.test",
        "username": "fred123",
        "password": "hunter22-house",
    }
}

Delivery = Sequence[Page | BaseException]


def record(key: str, modified: datetime | None, **more: Any) -> dict[str, Any]:
    """A record of the stream with every declared property."""
    properties = registry.streams()[STREAM].model.model_fields
    date = None if modified is None else rfc3339(modified)
    return {**dict.fromkeys(properties), "dn_sku_id": key, "inv_last_modified": date, **more}


def page(*records: dict[str, Any], bookmark: datetime | None = None, **more: Any) -> Page:
    """These records as a page, dated by `by`."""
    by = more.pop("by", "inv_last_modified")
    dates = [row.get(by) for row in records] if by else []
    return Page(
        [json.dumps(row).encode() for row in records],
        [None if date is None else parse(date) for date in dates],
        bookmark,
        **more,
    )


def declared(name: str, model: type[BaseModel], *key: str, **more: Any) -> Stream:
    """A stream made up by a test; the house reads it."""
    return Stream(
        name=name,
        endpoint="GET /test",
        description="Made up.",
        model=model,
        primary_key=key,
        read=lambda _, request: iter(()),
        **more,
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
    """Runs the tap in this process.

    `pages` are what the room delivers, `asked` what was asked. A test that needs other streams
    declares them and puts what each delivers, or a function that says it, into `delivers`; `read`
    has the name and the part of each stream that was asked for, in order.
    """

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    clock: FakeClock = field(default_factory=FakeClock)
    pages: list[Page | BaseException] = field(default_factory=list)
    asked: list[ReadRequest] = field(default_factory=list)
    session: Nothing = field(default_factory=Nothing)
    delivers: dict[str, Delivery | Callable[[ReadRequest], Delivery]] = field(default_factory=dict)
    read: list[tuple[str, ...]] = field(default_factory=list)
    rooms: dict[str, Provider] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._real = registry.provider(ROOM)
        self._published = schema_files.published
        self.monkeypatch.setattr(registry, "provider", lambda name: self.rooms[name])
        self.monkeypatch.setattr(schema_files, "published", self._schema)
        self.declare(*(replace(one, levels=None) for one in self._real.streams))

    def declare(self, *streams: Stream, room: str = ROOM) -> None:
        """Let a room have these streams and no others."""
        taken = tuple(replace(one, read=partial(self._read, one.name)) for one in streams)
        self.rooms[room] = replace(
            self._real, name=room, connect=lambda *_: self.session, streams=taken
        )
        self.monkeypatch.setattr(registry, "PROVIDER_NAMES", tuple(self.rooms))

    def _schema(self, name: str) -> dict[str, Any]:
        stream = registry.every_stream()[name]
        return self._published(name) if name == STREAM else schema_files.generate(stream)

    def _read(self, name: str, session: Session, request: ReadRequest) -> Iterator[Page]:
        assert session is self.session
        self.asked.append(request)
        self.read.append((name, *request.partition.values()))
        found = self.delivers.get(name, self.pages)
        for each in found(request) if callable(found) else found:
            if isinstance(each, BaseException):
                raise each
            yield each

    def tap(self, config: dict[str, Any] | None = None, **kwargs: Any) -> TapInventory:
        """The tap, made but not run. A state that it is given is not changed by it."""
        kwargs = copy.deepcopy(kwargs)
        return TapInventory(
            config={**CONFIG, **(config or {})},
            environment=environment(clock=self.clock),
            parse_env_config=False,
            **kwargs,
        )

    def run(self, config: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """What one run writes to standard output, message by message."""
        return self.watch(self.tap(config, **kwargs).sync_all)

    def watch(self, work: Callable[[], Any]) -> list[dict[str, Any]]:
        """What is written to standard output, message by message; also kept in `messages`."""
        self.capsys.readouterr()
        try:
            work()
        finally:
            self.messages = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        return self.messages

    def days(self, number: float) -> None:
        """Let time pass."""
        self.clock.step(timedelta(days=number).total_seconds())


def settings(**changes: Any) -> dict[str, Any]:
    """A configuration whose provider object differs so."""
    return {ROOM: {**CONFIG[ROOM], **changes}}


def records(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records among the messages."""
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def of_kind(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The messages of one type."""
    return [message for message in messages if message["type"] == kind]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    """The types of the messages, in order."""
    return [message["type"] for message in messages]


def state(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The last state."""
    last: dict[str, Any] = of_kind(messages, "STATE")[-1]["value"]
    return last


def bookmark(messages: list[dict[str, Any]], stream: str) -> dict[str, Any]:
    """What the last state says of a stream."""
    found: dict[str, Any] = state(messages)["bookmarks"][stream]
    return found


def catalog(house: House) -> dict[str, Any]:
    """The catalog that `--discover` would print."""
    found: dict[str, Any] = json.loads(house.tap().catalog_json_text)
    return found


def metadata(catalog: dict[str, Any], stream: str, *breadcrumb: str) -> dict[str, Any]:
    """What a catalog says of a stream, or of a property of it."""
    (entry,) = (one for one in catalog["streams"] if one["tap_stream_id"] == stream)
    (found,) = (one for one in entry["metadata"] if tuple(one["breadcrumb"]) == breadcrumb)
    described: dict[str, Any] = found["metadata"]
    return described
