"""One Stream class for every stream that a room declares."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.singerlib.catalog import (
    REPLICATION_FULL_TABLE,
    REPLICATION_INCREMENTAL,
    Metadata,
)

from inventory_providers import schema_files
from inventory_providers.contract import ReadRequest
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    OutputError,
    ScratchError,
)
from inventory_providers.jsonio import loads
from tap_inventory.state import Bookmark, is_due

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

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
        self._is_formed = True
        super().__init__(tap, schema=schema_files.published(declared.name), name=declared.name)
        self.primary_keys = list(declared.primary_key)
        self.replication_key = declared.replication_key

    @property
    def replication_method(self) -> str:
        """As the catalog asks; else incremental where the room says so."""
        if self.forced_replication_method:
            return str(self.forced_replication_method)
        by_default = self.declared.incremental and self.declared.replication_key
        return REPLICATION_INCREMENTAL if by_default else REPLICATION_FULL_TABLE

    @property
    def partitions(self) -> list[dict[str, Any]] | None:
        """The parts with bookmarks of their own, from the settings; None for a whole stream."""
        if self.declared.partitions is None:
            return None
        parts = self.declared.partitions(self._tap.settings.providers[self.room])
        return [dict(part) for part in parts]

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take selection and replication method from a catalog; what it leaves out is as declared.

        Raises:
            ConfigError: it asks for another key, or a method that there is not.
        """
        declared = self.declared.replication_key
        super().apply_catalog(catalog)
        self.primary_keys = self.primary_keys or list(self.declared.primary_key)
        if not self.declared.formed and set(self.primary_keys) != set(self.declared.primary_key):
            raise ConfigError(
                f"{self.name} has the key {', '.join(self.declared.primary_key)}; it cannot have "
                "another",
                place="catalog",
            )
        if self.replication_key not in (None, declared):
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

    def get_batch_config(self, config: Any) -> None:  # noqa: ARG002
        """None: rows are RECORD messages, whatever `batch_config` says."""
        return

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Every record of the stream, or of one part of it, decoded."""
        for page in self._pages(ReadRequest(partition=dict(context or {}))):
            for line in page.lines:
                yield loads(line)

    def sync(self, context: Any = None) -> None:  # type: ignore[misc]  # final; there is no hook
        """Read the stream; one that is formed by its rows has its SCHEMA after the first page."""
        self._is_formed = not self.declared.formed
        try:
            super().sync(context)
        finally:
            self._is_formed = True

    def _write_schema_message(self) -> None:
        if self._is_formed:
            super()._write_schema_message()

    def _write_activate_version_message(self, full_table_version: int) -> None:
        """Left for the end: a target removes older rows, and this read may still fail."""

    def _sync_records(
        self,
        context: Any = None,  # noqa: ARG002
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Read, write and count; a failure is noted, other parts and other streams go on."""
        if write_messages:
            complete = [self._read_part(part) for part in self.partitions or (None,)]
            # A connection test reads one row; a stream without a form has no SCHEMA yet.
            is_whole = all(complete) and self._is_formed and self.ABORT_AT_RECORD_COUNT is None
            if is_whole and self._stream_version is not None:
                super()._write_activate_version_message(self._stream_version)
        yield from ()

    def _read_part(self, part: dict[str, Any] | None) -> bool:
        """Whether it was read to its end."""
        error = self._failure(part)
        if error is not None:
            self._tap.note_failure(self.room, self._place(part), error)
        self._tap.message_writer.flush()
        self._write_state_message()
        return error is None

    def _failure(self, part: dict[str, Any] | None) -> InventoryError | None:
        if (denied := self._tap.denied(self.room)) is not None:
            return Denied(
                f"not read, since the sign-in was refused ({denied.message})",
                place=self._place(part),
                advice=denied.advice,
            )
        try:
            self._read(part)
        except ScratchError as error:
            return error.at(self._place(part))
        except OutputError:
            # Nothing may follow: a STATE would speak of rows that never arrived.
            raise
        except InventoryError as error:
            return error.at(self._place(part))
        return None

    def _place(self, part: dict[str, Any] | None) -> str:
        return self.name if part is None else f"{self.name} ({', '.join(part.values())})"

    def _read(self, part: dict[str, Any] | None) -> None:
        with self.get_record_counter() as counter, self.get_sync_timer():
            bookmark = self._bookmark(part)
            if bookmark is None:
                self._forget(part)
                # Elsewhere a full table is the whole stock; of days there is no whole.
                start = self._tap.start_date if self.declared.by_day else None
                limit = self.ABORT_AT_RECORD_COUNT
                request = ReadRequest(
                    start=start, limit=limit, partition=part or {}, key=self._known_key
                )
                for page in self._pages(request):
                    counter.increment(self._emit(page.lines))
            else:
                self._read_changes(bookmark, part, counter.increment)

    def _forget(self, part: dict[str, Any] | None) -> None:
        """A full table overtakes what the last incremental run delivered."""
        state = self.get_context_state(part)
        if self.ABORT_AT_RECORD_COUNT is None and state.pop("overlap", None):
            self.state_manager.is_flushed = False
            self._write_state_message()

    def _bookmark(self, part: dict[str, Any] | None) -> Bookmark | None:
        incremental = self.replication_method == REPLICATION_INCREMENTAL
        if not incremental or self.ABORT_AT_RECORD_COUNT is not None or not self.replication_key:
            return None
        state = self.get_context_state(part)
        return Bookmark(state, self.replication_key, by_day=self.declared.by_day)

    def _read_changes(
        self, bookmark: Bookmark, part: dict[str, Any] | None, count: Callable[[int], None]
    ) -> None:
        now = self._tap.environment.clock.now()
        full = self.declared.full_refresh and is_due(bookmark, self._days, now)
        full |= bookmark.widen(self._scope)
        request = ReadRequest(
            since=bookmark.since,
            start=self._tap.start_date,
            lookback=self._lookback,
            full=full,
            partition=part or {},
            key=self._known_key,
        )
        self.logger.info("%s: reading %s", self._place(part), _described(request))
        rows = 0
        for page in self._pages(request):
            emitted = self._emit(self._fresh(bookmark, page, repeat=full))
            count(emitted)
            moved = bookmark.advance(page.bookmark)
            self.state_manager.is_flushed &= not moved
            rows += emitted
            if moved and (rows >= STATE_EVERY or self.declared.by_day):
                rows = 0
                self._write_state_message()
        bookmark.finish(self._lookback, full=full, now=now)
        self.state_manager.is_flushed = False

    def _fresh(self, bookmark: Bookmark, page: contract.Page, *, repeat: bool) -> Sequence[bytes]:
        """What of a page no earlier run has delivered, as far as its rows tell."""
        if not page.times:
            return page.lines
        fresh = bookmark.fresh(page.lines, page.times, repeat=repeat)
        if fresh and bookmark.forget():
            # Should this run be cut off: what was delivered before is then not the latest.
            self.state_manager.is_flushed = False
            self._write_state_message()
        return fresh

    @property
    def _scope(self) -> Sequence[str]:
        scope = self.declared.scope
        return () if scope is None else scope(self._tap.settings.providers[self.room])

    @property
    def _lookback(self) -> timedelta:
        return timedelta(seconds=self._setting("lookback_seconds", 0))

    @property
    def _days(self) -> int:
        return self._setting("full_refresh_days", 0)

    def _setting(self, name: str, default: int) -> int:
        return int(getattr(self._tap.settings.providers[self.room], name, default))

    def _pages(self, request: ReadRequest) -> Iterator[contract.Page]:
        for page in self.declared.read(self._tap.session(self.room), request):
            if page.form is not None:
                self._take_form(page.form)
            yield page

    def _take_form(self, form: contract.Form) -> None:
        """The key that the rows have, and what they hold besides the published properties."""
        self._note_key(form.key)
        _add_texts(self.schema, form.extra)
        chosen = self.effective_schema
        for name in (*form.key, *form.extra):
            chosen["properties"].setdefault(name, dict(self.schema["properties"][name]))
        _set_key(chosen, form.key)
        self.primary_keys = list(form.key)
        for name in form.key:
            if (found := self.metadata.get(("properties", name))) is not None:
                found.inclusion = Metadata.InclusionType.AUTOMATIC
        self._register(chosen)
        self._is_formed = True
        if self.selected:
            self._write_schema_message()

    def _register(self, schema: dict[str, Any]) -> None:
        """Tell the mapper what the stream looks like now, without what is not selected."""
        self._mask = None
        entry = self._singer_catalog_entry
        entry.schema = Schema.from_dict(schema)
        assert self._tap.mapper is not None
        try:
            self._tap.mapper.register_raw_streams_from_catalog(Catalog({self.name: entry}))
        except Exception as error:  # noqa: BLE001 - the SDK has no common class for a wrong map
            raise ConfigError(
                f"stream_maps cannot be applied to the key of the rows ({type(error).__name__})",
                place=self.name,
                advice=f"Correct stream_maps.{self.name}",
            ) from None
        self._stream_maps = None

    @property
    def _known_key(self) -> tuple[str, ...]:
        if not self.declared.formed:
            return ()
        return tuple(self.get_context_state(None).get("key_properties", ()))

    def _note_key(self, key: tuple[str, ...]) -> None:
        state = self.get_context_state(None)
        known = state.get("key_properties")
        if known is not None and known != list(key):
            self.logger.warning(
                "%s: its key is now %s, it was %s; a target may need a new table",
                self.name,
                ", ".join(key),
                ", ".join(known),
            )
        if known != list(key):
            state["key_properties"] = list(key)
            self.state_manager.is_flushed = False

    def _emit(self, lines: Iterable[bytes]) -> int:
        if not self.selected:
            return 0
        chosen = list(lines)
        if self._is_plain:
            alias = self.stream_maps[0].stream_alias
            extracted = self._tap.environment.clock.now()
            version = self._stream_version
            self._tap.message_writer.write_records(alias, chosen, extracted, version)
            self.state_manager.is_flushed &= not chosen
        else:
            for line in chosen:
                self._write_mapped(loads(line))
        return len(chosen)

    def _write_mapped(self, record: dict[str, Any]) -> None:
        try:
            self._write_record_message(record)
        except InventoryError:
            raise
        except Exception as error:  # noqa: BLE001 - an expression of the user's can raise anything
            raise ConfigError(
                f"stream_maps cannot be applied to a record ({type(error).__name__})",
                place=self.name,
                advice=f"Correct stream_maps.{self.name}",
            ) from None

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


def _add_texts(schema: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        told = "A column that the provider's document does not name, as it came."
        part = {"type": ["string", "null"], "description": told}
        schema["properties"].setdefault(name, part)


def _set_key(schema: dict[str, Any], key: tuple[str, ...]) -> None:
    """Make just the properties of the key such as are never null."""
    for name, part in schema["properties"].items():
        if "type" not in part:
            continue
        kinds = [part["type"]] if isinstance(part["type"], str) else part["type"]
        kinds = [kind for kind in kinds if kind != "null"]
        single = kinds[0] if len(kinds) == 1 else kinds
        part["type"] = single if name in key else [*kinds, "null"]
    schema["required"] = list(key)


def _shape(schema: Mapping[str, Any]) -> Any:
    """What of a schema decides how a record looks: names and types."""
    properties = schema.get("properties", {})
    return {
        name: (part.get("type"), part.get("format"), _shape(part), _shape(part.get("items") or {}))
        for name, part in properties.items()
    }
