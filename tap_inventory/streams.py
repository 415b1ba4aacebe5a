"""One Stream class for every stream that a room declares."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import Catalog, Schema
from singer_sdk.singerlib.catalog import Metadata

from inventory_providers.contract import ReadRequest
from inventory_providers.errors import ConfigError
from inventory_providers.jsonio import loads
from tap_inventory.declared import DeclaredStream
from tap_inventory.extraction import Output, extract

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from inventory_providers import contract
    from tap_inventory.declared import Part
    from tap_inventory.levels import LevelsStream
    from tap_inventory.tap import TapInventory


class InventoryStream(DeclaredStream):
    """A declared stream. `levels` is the stream that is made from it besides, if there is one."""

    levels: LevelsStream | None = None

    def __init__(self, tap: TapInventory, room: str, declared: contract.Stream) -> None:
        self.room = room
        self._is_formed = True
        super().__init__(tap, declared)

    @property
    def partitions(self) -> list[Part] | None:
        """The parts with bookmarks of their own, from the settings; None for a whole stream."""
        if self.declared.partitions is None:
            return None
        parts = self.declared.partitions(self._tap.settings.providers[self.room])
        return [dict(part) for part in parts]

    @property
    def parts(self) -> Sequence[Part | None]:
        """What is read one by one; None for the whole."""
        return self.partitions or [None]

    def output(self, source: InventoryStream, part: Part | None) -> Output:
        """All of a read, as it comes."""
        return _Itself(self, source, part, part)

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Every record of the stream, or of one part of it, decoded."""
        for page in self.pages(ReadRequest(partition=dict(context or {}))):
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

    def _sync_records(
        self,
        context: Any = None,  # noqa: ARG002
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Read, write and count; a failure is noted, other parts and other streams go on."""
        if write_messages:
            complete = self._extract()
            # A stream without a form has no SCHEMA yet.
            if complete and self._is_formed:
                self.activate_version()
        yield from ()

    def _extract(self) -> bool:
        levels = self.levels
        is_test = self.ABORT_AT_RECORD_COUNT is not None
        if levels is None or not levels.selected or levels.is_dropped or is_test:
            return not self.is_dropped and extract(self, self)
        if self.is_dropped:
            return False  # the levels are read when their turn comes
        complete = extract(self, self, levels)
        levels.note_read(self, complete=complete)
        return complete

    @property
    def scope(self) -> Sequence[str]:
        """What the settings ask for besides the usual."""
        scope = self.declared.scope
        return () if scope is None else scope(self._tap.settings.providers[self.room])

    @property
    def lookback(self) -> timedelta:
        """The overlap of an incremental read."""
        return timedelta(seconds=self._setting("lookback_seconds", 0))

    @property
    def full_refresh_days(self) -> int:
        """How often everything is read, where the room's change filter misses things."""
        return self._setting("full_refresh_days", 0)

    def _setting(self, name: str, default: int) -> int:
        return int(getattr(self._tap.settings.providers[self.room], name, default))

    def pages(self, request: ReadRequest) -> Iterator[contract.Page]:
        """What the room has; nothing is asked for before the first page is."""
        return self.declared.read(self._tap.session(self.room), request)

    def take_form(self, form: contract.Form) -> None:
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
    def known_key(self) -> tuple[str, ...]:
        """The key that the rows had in the last run, of a stream that is formed."""
        return tuple(self.known_state(None).get("key_properties", ()))

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


class _Itself(Output):
    source: InventoryStream

    def _emit(self, page: contract.Page, lines: Sequence[bytes]) -> int:
        if page.form is not None:
            self.source.take_form(page.form)
        return self.source.emit(lines)


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
