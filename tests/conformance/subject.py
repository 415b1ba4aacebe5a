"""One provider's streams: what they have to deliver, and whether they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from inventory_providers import config, levels, registry, times
from tests.conformance.paths import at, same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from inventory_providers.contract import Stream
    from inventory_providers.sandbox.room import Key, Row, SandboxRoom
    from inventory_providers.sandbox.traits import Shape, Traits
    from tests.conformance.result import Result

LONG_AGO = "2001-01-01T00:00:00Z"
Part = dict[str, str]


def traits_of(provider: str) -> Traits:
    """What a room says of itself."""
    known: Traits = import_module(f"inventory_providers.{provider}.traits").TRAITS
    return known


@dataclass
class Subject:
    """Some streams of a provider, and its stand-in, whose rows are the truth."""

    provider: str
    room: SandboxRoom
    streams: tuple[Stream, ...]
    settings: Mapping[str, Any]

    @cached_property
    def traits(self) -> Traits:
        """What the room says of itself."""
        return traits_of(self.provider)

    def shape(self, stream: Stream) -> Shape:
        """What a stream's rows look like."""
        return self.traits.streams[stream.name]

    def rows(self, stream: Stream) -> dict[Key, Row]:
        """What a stream has to deliver now."""
        return self.room.rows(stream.name)

    def key(self, record: Mapping[str, Any], stream: Stream) -> Key:
        """A record's primary key."""
        return tuple(str(record[name]) for name in stream.primary_key)

    def keys(self, result: Result, stream: Stream) -> list[Key]:
        """The primary keys of what came, in order."""
        return [self.key(record, stream) for record in result.records(stream.name)]

    def parts(self, stream: Stream) -> list[Part]:
        """The partitions of a stream; one without a name where it has none."""
        if stream.partitions is None:
            return [{}]
        checked = config.load({self.provider: dict(self.settings)}).providers[self.provider]
        return [dict(part) for part in stream.partitions(checked)]

    @property
    def reading_parts(self) -> int:
        """How many times the tap begins to read something."""
        return sum(len(self.parts(stream)) for stream in self.streams)

    @property
    def is_whole(self) -> bool:
        """Whether these are all streams of the provider; `inventory_levels` is then read, too."""
        return len(self.streams) == len(registry.provider(self.provider).streams)

    # ---- states ----

    def state_since(self, moment: str | None = None) -> dict[str, Any]:
        """A state under which the streams that know changes are read from there on.

        Without a moment it is long ago, so that everything has changed since.
        """
        known = [stream for stream in self.streams if stream.replication_key]
        marks = {one.name: self._bookmark(one, moment or self.beginning(one)) for one in known}
        sources = [one for one in known if one.levels is not None]
        if self.is_whole and sources:
            parts = [part for one in sources for part in self._of_levels(marks[one.name])]
            marks[levels.STREAM] = {"partitions": parts}
        return {"bookmarks": marks}

    def _of_levels(self, mark: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What the state says of the levels where they are as far as their source."""
        for part in mark.get("partitions", [mark]):
            yield part | {"context": {"provider": self.provider, **part.get("context", {})}}

    def _bookmark(self, stream: Stream, value: str) -> dict[str, Any]:
        read_at = times.rfc3339(datetime.now(UTC).replace(microsecond=0))
        mark = {
            "replication_key": stream.replication_key,
            "replication_key_value": value,
            "full_read_at": read_at,
        }
        if stream.partitions is None:
            return mark
        return {"partitions": [{"context": part} | mark for part in self.parts(stream)]}

    def beginning(self, stream: Stream) -> str:
        """A bookmark before everything that the stream has to deliver."""
        if stream.by_day:
            return (date.fromisoformat(min(self.days(stream))) - timedelta(days=1)).isoformat()
        if self.shape(stream).date is None:
            return times.rfc3339(datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))
        return LONG_AGO

    def days(self, stream: Stream) -> list[str]:
        """The days that a stream by day has to deliver, in order."""
        return sorted(
            {self._named(stream, key)[stream.replication_key] for key in self.rows(stream)}
        )

    def _named(self, stream: Stream, key: Key) -> dict[str | None, str]:
        return dict(zip(stream.primary_key, key, strict=True))

    def bookmarks(self, state: Mapping[str, Any] | None, stream: Stream) -> list[tuple[Part, str]]:
        """Each configured part's bookmark, where it has one."""
        mark = (state or {"bookmarks": {}})["bookmarks"].get(stream.name, {})
        entries = [mark] if stream.partitions is None else mark.get("partitions", [])
        known = self.parts(stream)
        return [
            (context, entry["replication_key_value"])
            for entry in entries
            if (context := entry.get("context", {})) in known and "replication_key_value" in entry
        ]

    def bookmark(self, result: Result, stream: Stream) -> datetime:
        """The moment that the last state stands for; the earliest of a stream with parts."""
        found = self.bookmarks(result.state, stream)
        assert len(found) == len(self.parts(stream)), "a bookmark is missing"
        return min(times.parse(text) for _, text in found)

    # ---- what must hold ----

    def is_current(self, record: Mapping[str, Any], row: Row, stream: Stream) -> bool:
        """Whether a record shows the row as it is now."""
        levels = self.shape(stream).levels
        return all(same(at(record, here), at(row, there)) for here, there in levels.items())

    def assert_all_rows(self, *results: Result, stale: bool = False) -> None:
        """The runs together emitted every row, and last of each what it is now."""
        for stream in self.streams:
            last = {
                self.key(record, stream): record
                for result in results
                for record in result.records(stream.name)
            }
            rows = self.rows(stream)
            lost = rows.keys() - last.keys()
            assert not lost, f"{stream.name}: {len(lost)} rows lost, such as {min(lost)}"
            if not stale:
                old = [k for k, row in rows.items() if not self.is_current(last[k], row, stream)]
                assert not old, f"{stream.name}: {len(old)} rows stale, such as {min(old)}"

    def assert_no_duplicates(self, result: Result) -> None:
        """No key comes twice."""
        for stream in self.streams:
            keys = self.keys(result, stream)
            assert len(keys) == len(set(keys)), f"{len(keys) - len(set(keys))} rows repeated"

    def assert_earned(self, result: Result) -> None:
        """U4, for a run without a state: what a bookmark stands for was delivered."""
        for stream in self.streams:
            came = set(self.keys(result, stream))
            for part, value in self.bookmarks(result.state, stream):
                due = set(self._due(stream, part, value))
                assert due <= came, f"{stream.name}: a bookmark, but {len(due - came)} rows did not"

    def _due(self, stream: Stream, part: Part, value: str) -> Iterable[Key]:
        for key in self.rows(stream):
            named = self._named(stream, key)
            too_late = stream.by_day and named[stream.replication_key] > value
            if part.items() <= named.items() and not too_late:
                yield key
