"""The tap against sandboxes, run after run, and the table that a target makes of the levels."""

from __future__ import annotations

import contextlib
import io
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from inventory_providers.environment import Environment
from inventory_providers.errors import InventoryError
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tap_inventory.tap import TapInventory
from tests.conformance.result import Result
from tests.conftest import FakeClock
from tests.levels import truth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from inventory_providers.sandbox.room import Key, SandboxRoom
    from tests.levels.truth import Levels, Values

SIZE = 60


@dataclass
class Table:
    """What a target has: the last values of each key."""

    rows: Levels = field(default_factory=dict)

    def take(self, messages: Iterable[dict[str, Any]]) -> None:
        """Upsert the levels among these messages."""
        for message in messages:
            if message["type"] == "RECORD" and message["stream"] == truth.STREAM:
                key, values = truth.told(message["record"])
                self.rows[key] = values

    def of(self, keys: Iterable[Key]) -> dict[Key, Values | None]:
        """What it has under these keys."""
        return {key: self.rows.get(key) for key in keys}


class Bench:
    """One server with some providers, and a tap that has them all in its configuration."""

    def __init__(self, *names: str, size: int = SIZE) -> None:
        clock = Clock()
        self.names = names
        self.server = SandboxServer(rooms(clock, size=size, names=names), clock=clock)
        self.clock = FakeClock(clock.step)
        self.config: dict[str, Any] = {name: self.server.settings(name) for name in names}

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def room(self) -> SandboxRoom:
        """The room, of a server with one."""
        (name,) = self.names
        return self.server.room(name)

    @property
    def source(self) -> str:
        """The stream that the levels are made from, of a server with one room."""
        return truth.SOURCES[self.room.name]

    def truth(self) -> Levels:
        """What all levels are now."""
        found: Levels = {}
        for name in self.names:
            found |= truth.expected(name, self.server.room(name).rows, self.config[name])
        return found

    @cached_property
    def _discovered(self) -> dict[str, Any]:
        catalog: dict[str, Any] = TapInventory(config=self.config).catalog_dict
        return catalog

    def catalog(self, *streams: str, methods: dict[str, str] | None = None) -> dict[str, Any]:
        """A catalog that selects these streams and no others; `methods` are asked for by name."""
        catalog = deepcopy(self._discovered)
        missing = {*streams} - {entry["tap_stream_id"] for entry in catalog["streams"]}
        assert not missing, missing
        for entry in catalog["streams"]:
            name = entry["tap_stream_id"]
            (top,) = (part["metadata"] for part in entry["metadata"] if not part["breadcrumb"])
            top["selected"] = name in streams
            if name in (methods or {}):
                top["replication-method"] = (methods or {})[name]
        return catalog

    def run(
        self,
        *streams: str,
        state: dict[str, Any] | None = None,
        methods: dict[str, str] | None = None,
    ) -> Result:
        """One run in which these streams are selected."""
        tap = TapInventory(
            config=self.config,
            state=deepcopy(state),
            catalog=self.catalog(*streams, methods=methods),
            environment=Environment(clock=self.clock),
        )
        out, code, line = io.StringIO(), 0, ""
        try:
            with contextlib.redirect_stdout(out):
                tap.sync_all()
        except InventoryError as error:
            code, line = error.exit_code, str(error)
        return Result(code, out.getvalue().encode(), line)

    def good(self, *streams: str, **how: Any) -> Result:
        """One run that must end well."""
        result = self.run(*streams, **how)
        assert result.code == 0, result.last_line
        return result


def levels(result: Result) -> Levels:
    """The levels that came, which must be each under a key of its own, and in full."""
    records = result.records(truth.STREAM)
    found = dict(map(truth.told, records))
    assert all(record.keys() == truth.PROPERTIES for record in records)
    assert all(isinstance(part, str) for key in found for part in key), "part of a key is no text"
    assert len(found) == len(records), "a key came twice"
    return found
