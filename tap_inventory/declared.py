"""What every stream of the tap has in common: what a catalog may ask of it, and its messages."""

from __future__ import annotations

import logging
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.mapper import RemoveRecordTransform, SameRecordTransform
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from inventory_providers import schema_files
from inventory_providers.errors import ConfigError, InventoryError
from inventory_providers.jsonio import loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk.singerlib import Catalog

    from inventory_providers import contract
    from tap_inventory.extraction import Output
    from tap_inventory.streams import InventoryStream
    from tap_inventory.tap import TapInventory

Part = dict[str, Any]


class DeclaredStream(Stream):
    """A stream whose records come as lines of JSON, made elsewhere. `has_rows` says that some came.

    The SDK's own loop costs ten times as much per row as everything else together; it is used
    where its features are: selected properties, stream maps, flattening.
    """

    _tap: TapInventory

    def __init__(self, tap: TapInventory, declared: contract.Stream) -> None:
        self.declared = declared
        self.has_rows = False
        super().__init__(tap, schema=schema_files.published(declared.name), name=declared.name)
        self.primary_keys = list(declared.primary_key)
        self.replication_key = declared.replication_key

    @property
    def tap(self) -> TapInventory:
        """The tap that the stream belongs to."""
        return self._tap

    @abstractmethod
    def output(self, source: InventoryStream, part: Part | None) -> Output:
        """What the stream takes of one read of a source."""

    @property
    def replication_method(self) -> str:
        """As the catalog asks; else incremental where the room says so."""
        if self.forced_replication_method:
            return str(self.forced_replication_method)
        by_default = self.declared.incremental and self.declared.replication_key
        return REPLICATION_INCREMENTAL if by_default else REPLICATION_FULL_TABLE

    @property
    def reads_changes(self) -> bool:
        """Whether a bookmark counts; for a connection test none does."""
        return (
            self.replication_method == REPLICATION_INCREMENTAL
            and self.replication_key is not None
            and self.ABORT_AT_RECORD_COUNT is None
        )

    @property
    def is_dropped(self) -> bool:
        """Whether a stream map lets none of its records through: it is then as not selected."""
        return all(isinstance(one, RemoveRecordTransform) for one in self.stream_maps)

    @property
    def is_asked_in_vain(self) -> bool:
        """Whether the catalog asks for changes where nothing tells what has changed."""
        wished = self.forced_replication_method == REPLICATION_INCREMENTAL
        return self.selected and wished and self.replication_key is None

    @property
    def contexts(self) -> list[Part]:
        """The parts that may have bookmarks of their own in the state."""
        return self.partitions or []

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

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:
        """Log a message, but not that an error is unhandled which ends the run in its own words."""
        is_ours = isinstance(sys.exception(), InventoryError)
        if not (is_ours and message.startswith("An unhandled error")):
            super().log(message, *args, level=level, **kwargs)

    def get_replication_key_signpost(self, context: Any = None) -> None:  # noqa: ARG002
        """None: the rooms cap their bookmarks by the provider's clock, which the SDK cannot see."""
        return

    def get_batch_config(self, config: Any) -> None:  # noqa: ARG002
        """None: rows are RECORD messages, whatever `batch_config` says."""
        return

    def place(self, context: Part | None) -> str:
        """What messages call the stream, or a part of it."""
        return self.name if context is None else f"{self.name} ({', '.join(context.values())})"

    def known_state(self, context: Part | None) -> dict[str, Any]:
        """What the state says of the stream or a part; where that is nothing, it stays so."""
        found: dict[str, Any] = self.tap_state.get("bookmarks", {}).get(self.name, {})
        if context is None:
            return found
        parts: list[dict[str, Any]] = found.get("partitions", [])
        return next((part for part in parts if part["context"] == context), {})

    def write_state(self, *, changed: bool = False) -> None:
        """Write STATE where something has changed since the last one."""
        self.state_manager.is_flushed &= not changed
        self._write_state_message()

    def _write_activate_version_message(self, full_table_version: int) -> None:
        """Left for the end: a target removes older rows, and this read may still fail."""

    def activate_version(self) -> None:
        """Every row was read; a connection test has read just one, and removes none."""
        if self._stream_version is not None and self.ABORT_AT_RECORD_COUNT is None:
            super()._write_activate_version_message(self._stream_version)

    def emit(self, lines: Iterable[bytes]) -> int:
        """Write records that are encoded already; says how many there were."""
        if not self.selected:
            return 0
        chosen = list(lines)
        self.has_rows |= bool(chosen)
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


def _shape(schema: Mapping[str, Any]) -> Any:
    """What of a schema decides how a record looks: names and types."""
    properties = schema.get("properties", {})
    return {
        name: (part.get("type"), part.get("format"), _shape(part), _shape(part.get("items") or {}))
        for name, part in properties.items()
    }
