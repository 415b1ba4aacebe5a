"""One Stream class for every stream that a room declares."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from inventory_providers import schema_files
from inventory_providers.contract import ReadRequest
from inventory_providers.errors import ConfigError, InventoryError, OutputError
from inventory_providers.jsonio import loads
from tap_inventory.state import Bookmark, is_due

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from singer_sdk.singerlib import Catalog

    from inventory_providers import contract
    from tap_inventory.tap import TapInventory

# Rows between two STATE messages of a stream whose bookmark moves along.
STATE_EVERY = 1000


class InventoryStream(Stream):
    """A declared stream, page by page.

    The SDK's own loop costs ten times as much per row as everything else together; it is used
    where its features are: selected properties, stream maps, flattening.
    """

    _tap: TapInventory

    def __init__(self, tap: TapInventory, room: str, declared: contract.Stream) -> None:
        self.room = room
        self.declared = declared
        super().__init__(tap, schema=schema_files.published(declared.name), name=declared.name)
        self.primary_keys = list(declared.primary_key)
        self.replication_key = declared.replication_key

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take selection and replication method from a catalog; what it leaves out is as declared.

        Raises:
            ConfigError: it asks for another replication key, or a method that there is not.
        """
        declared = self.replication_key
        super().apply_catalog(catalog)
        self.primary_keys = self.primary_keys or list(self.declared.primary_key)
        if self.replication_key not in {None, declared}:
            raise ConfigError(
                f"{self.name} cannot be read by {self.replication_key}; its replication key is "
                f"{declared or 'none'}",
                place="catalog",
            )
        self.replication_key = declared
        if self.replication_method not in {REPLICATION_INCREMENTAL, REPLICATION_FULL_TABLE}:
            raise ConfigError(
                f"{self.name} cannot be read {self.replication_method}; it must be INCREMENTAL or "
                "FULL_TABLE",
                place="catalog",
            )
        if not (self._input_schema or {}).get("properties"):
            self._input_schema = None

    def get_replication_key_signpost(self, context: Any = None) -> None:  # noqa: ARG002
        """None: the rooms cap their bookmarks by the provider's clock, which the SDK cannot see."""
        return

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Every record of the stream, decoded."""
        for page in self.declared.read(self._tap.session(self.room), ReadRequest()):
            for line in page.lines:
                yield loads(line)

    def _sync_records(
        self,
        context: Any = None,  # noqa: ARG002
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Read, write and count; a failure is noted and the other streams go on."""
        try:
            if write_messages:
                self._read()
        except OutputError:
            # Nothing may follow: a STATE would speak of rows that never arrived.
            raise
        except InventoryError as error:
            self._tap.note_failure(error.at(self.name))
        self._tap.message_writer.flush()
        self._write_state_message()
        yield from ()

    def _read(self) -> None:
        with self.get_record_counter() as counter, self.get_sync_timer():
            bookmark = self._bookmark()
            if bookmark is None:
                for page in self._pages(ReadRequest(limit=self.ABORT_AT_RECORD_COUNT)):
                    counter.increment(self._emit(page.lines))
            else:
                self._read_changes(bookmark, counter.increment)

    def _bookmark(self) -> Bookmark | None:
        incremental = self.replication_method == REPLICATION_INCREMENTAL
        if not incremental or self.ABORT_AT_RECORD_COUNT is not None or not self.replication_key:
            return None
        return Bookmark(self.get_context_state(None), self.replication_key)

    def _read_changes(self, bookmark: Bookmark, count: Any) -> None:
        now = self._tap.environment.clock.now()
        full = self.declared.full_refresh and is_due(bookmark, self._days, now)
        request = ReadRequest(
            since=bookmark.since, start=self._tap.start_date, lookback=self._lookback, full=full
        )
        self.logger.info("%s: reading %s", self.name, _described(request))
        rows = 0
        for page in self._pages(request):
            emitted = self._emit(bookmark.fresh(page.lines, page.times, repeat=full))
            count(emitted)
            moved = bookmark.advance(page.bookmark)
            self.state_manager.is_flushed &= not moved
            rows += emitted
            if moved and rows >= STATE_EVERY:
                rows = 0
                self._write_state_message()
        bookmark.finish(self._lookback, full=full, now=now)
        self.state_manager.is_flushed = False

    @property
    def _lookback(self) -> timedelta:
        return timedelta(seconds=self._setting("lookback_seconds", 0))

    @property
    def _days(self) -> int:
        return self._setting("full_refresh_days", 0)

    def _setting(self, name: str, default: int) -> int:
        return int(getattr(self._tap.settings.providers[self.room], name, default))

    def _pages(self, request: ReadRequest) -> Iterable[contract.Page]:
        return self.declared.read(self._tap.session(self.room), request)

    def _emit(self, lines: Iterable[bytes]) -> int:
        if not self.selected:
            return 0
        chosen = list(lines)
        if self._is_plain:
            alias = self.stream_maps[0].stream_alias
            extracted = self._tap.environment.clock.now()
            version = self._stream_version
            self._tap.message_writer.write_records(alias, chosen, extracted, version)
        else:
            for line in chosen:
                self._write_record_message(loads(line))
        return len(chosen)

    @property
    def _is_plain(self) -> bool:
        """Whether records go out as the room made them."""
        return (
            all(self.mask.values())
            and len(self.stream_maps) == 1
            and type(self.stream_maps[0]) is SameRecordTransform
            and not self.stream_maps[0].flattening_enabled
            and _shape(self.effective_schema) == _shape(self.schema)
        )


def _described(request: ReadRequest) -> str:
    bound: datetime | None = request.lower_bound
    return "everything" if bound is None else f"changes since {bound.isoformat()}"


def _shape(schema: Mapping[str, Any]) -> Any:
    """What of a schema decides how a record looks: names and types."""
    properties = schema.get("properties", {})
    return {
        name: (part.get("type"), part.get("format"), _shape(part), _shape(part.get("items") or {}))
        for name, part in properties.items()
    }
