"""The tap: configuration to streams, one session per provider, failures kept apart."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage

from inventory_providers import config, registry, schema_files, settings
from inventory_providers.command import SIGNALS
from inventory_providers.environment import DISTRIBUTION, Environment
from inventory_providers.errors import ConfigError, Denied, InventoryError
from inventory_providers.settings import without_nulls
from tap_inventory import state
from tap_inventory.declared import DeclaredStream
from tap_inventory.levels import LevelsStream
from tap_inventory.streams import InventoryStream
from tap_inventory.writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from types import FrameType

    from singer_sdk import Stream

    from inventory_providers.contract import Session

LOG = logging.getLogger("tap-inventory")
# Seconds for all tries of one call of a connection test: somebody waits for it.
TEST_BUDGET = 10.0


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the configuration, from the rooms' settings models."""
    schema = th.PropertiesList(
        th.Property(
            "start_date",
            th.DateTimeType,
            title="Start date",
            description="Earliest change to read where the provider can filter. Without it, all.",
        ),
        th.Property(
            "user_agent",
            th.StringType,
            title="User agent",
            description="What the requests call themselves.",
        ),
    ).to_dict()
    for room in registry.providers():
        schema["properties"][room.name] = settings.json_schema(room.settings)
    return schema


def completed(catalog: dict[str, Any]) -> dict[str, Any]:
    """A catalog with replication methods and keys where the SDK looks for them.

    Both may stand in the metadata; a key that stands nowhere is as declared.
    """
    known = registry.every_stream()
    entries = [dict(entry) for entry in catalog["streams"]]
    for entry in entries:
        parts = entry.get("metadata", [])
        root: dict[str, Any] = next(
            (part["metadata"] for part in parts if not part["breadcrumb"]), {}
        )
        if method := root.get("replication-method"):
            entry["replication_method"] = method
        if not entry.get("key_properties") and entry["tap_stream_id"] in known:
            declared = list(known[entry["tap_stream_id"]].primary_key)
            entry["key_properties"] = root.get("table-key-properties") or declared
        if entry["tap_stream_id"] in known:
            entry["schema"] = _with_keys(entry["schema"], entry["tap_stream_id"], entry)
    return catalog | {"streams": entries}


def _selected_beside(catalog: dict[str, Any]) -> list[str]:
    """The streams whose `selected` stands where nobody looks for it."""
    return [
        entry["tap_stream_id"]
        for entry in catalog["streams"]
        if "selected" in entry
        and not any(
            "selected" in part["metadata"]
            for part in entry.get("metadata", [])
            if not part["breadcrumb"]
        )
    ]


def _with_keys(schema: dict[str, Any], name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A catalog's schema with the properties without which a record is none, or with all."""
    published = schema_files.published(name)
    properties = schema.get("properties") or published["properties"]
    missing = [key for key in entry["key_properties"] if key not in properties]
    keys = {key: published["properties"][key] for key in missing if key in published["properties"]}
    return schema | {"properties": keys | properties}


class TapInventory(Tap):
    """Reads stock from inventory providers: one stream per endpoint, and one across all."""

    name = "tap-inventory"
    package_name = DISTRIBUTION
    config_jsonschema = settings.Lazily(config_schema)
    dynamic_catalog = True
    message_writer_class = LineWriter
    message_writer: LineWriter
    capabilities: ClassVar[Any] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
    ]

    def __init__(self, *, environment: Environment | None = None, **kwargs: Any) -> None:
        self._failures: list[tuple[str, InventoryError]] = []
        self._denied: dict[str, Denied] = {}
        self._sessions: dict[str, Session] = {}
        self.environment = environment or Environment()
        if isinstance(kwargs.get("catalog"), dict):
            if beside := _selected_beside(kwargs["catalog"]):
                told = "catalog: selected counts in the metadata only (empty breadcrumb), not in %s"
                LOG.warning(told, ", ".join(beside))
            kwargs["catalog"] = completed(kwargs["catalog"])
        super().__init__(**kwargs)
        self._check_selection()

    def _check_selection(self) -> None:
        """One catalog may serve several configurations; what nobody has is a mistake.

        Raises:
            ConfigError: a stream is selected that this tap does not have.
        """
        known = registry.every_stream()
        for name, entry in (self.input_catalog or {}).items():
            if name in self.streams or not entry.metadata.resolve_selection()[()]:
                continue
            if name not in known:
                raise ConfigError(f"{name} is selected and is not a stream here", place="catalog")
            LOG.warning("catalog: %s is selected, but its provider is not configured", name)

    def _warn_of_selection(self) -> None:
        """What a catalog asks for, and does not get."""
        if not any(stream.selected for stream in self.streams.values()):
            LOG.warning(
                "catalog: no stream is selected, so nothing is read; set selected to true in the "
                "metadata of a stream, or run without --catalog"
            )
        declared = [one for one in self.streams.values() if isinstance(one, DeclaredStream)]
        if in_vain := [stream.name for stream in declared if stream.is_asked_in_vain]:
            told = "catalog: no replication key, so read in full and not INCREMENTAL: %s"
            LOG.warning(told, ", ".join(in_vain))

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:  # noqa: ARG002
        """Check the configuration with our own models: the SDK's messages print values.

        Raises:
            ConfigError: something is wrong; by name, never with its value.
        """
        self._config = without_nulls(self._config)
        builtin: dict[str, Any] = {"properties": {}}
        self.append_builtin_config(builtin)
        known = {*builtin["properties"], "start_date", "user_agent"}
        self.settings = config.load(dict(self._config), known=known)
        if not isinstance(self._config.get("emit_activate_version_messages", False), bool):
            raise ConfigError(
                "emit_activate_version_messages must be true or false", place="configuration"
            )
        agent = self.settings.user_agent
        if agent is not None:
            self.environment = replace(self.environment, user_agent=agent)
        return []

    @property
    def start_date(self) -> datetime | None:
        """The setting `start_date`."""
        return self.settings.start_date

    def session(self, room: str) -> Session:
        """The one session with a provider in this run."""
        if room not in self._sessions:
            declared = registry.provider(room)
            self._sessions[room] = declared.connect(self.settings.providers[room], self.environment)
        return self._sessions[room]

    def discover_streams(self) -> Sequence[DeclaredStream]:
        """The streams of the providers that are configured, and the one that is made from them."""
        streams = [
            InventoryStream(self, room.name, declared)
            for room in registry.providers()
            if room.name in self.settings.providers
            for declared in room.streams
        ]
        sources = [stream for stream in streams if stream.declared.levels is not None]
        return [*streams, LevelsStream(self, sources)] if sources else streams

    def load_streams(self) -> list[Stream]:  # type: ignore[misc]  # final; there is no hook
        """By name; what is made from others comes after them, for they bring it along."""
        return sorted(super().load_streams(), key=lambda one: isinstance(one, LevelsStream))

    def setup_mapper(self) -> None:
        """Apply `stream_maps` and flattening.

        Raises:
            ConfigError: they are wrong.
        """
        try:
            super().setup_mapper()
        except InventoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK has no common class for a wrong map
            raise ConfigError(
                f"stream_maps or flattening cannot be applied ({type(error).__name__})",
                place="configuration",
            ) from None

    def load_state(self, raw: dict[str, Any]) -> None:
        """Check the state, then take it over."""
        lookbacks = [
            getattr(room, "lookback_seconds", 0) for room in self.settings.providers.values()
        ]
        ahead = timedelta(seconds=max(lookbacks, default=0))
        known = registry.every_stream()
        parts = {
            name: stream.contexts
            for name, stream in self.streams.items()
            if isinstance(stream, DeclaredStream)
        }
        state.check(raw, known, self.environment.clock.now(), parts, ahead)
        super().load_state(raw)

    def note_failure(self, room: str, streams: Sequence[str], error: InventoryError) -> None:
        """A read failed, for all of these streams; others go on, and the run ends with this."""
        if error.place == streams[0]:
            LOG.error("%s", error)
        else:
            LOG.error("%s: %s", streams[0], error)
        self._failures += [(stream, error) for stream in streams]
        if isinstance(error, Denied) and not error.partly:
            self._denied.setdefault(room, error)

    def denied(self, room: str) -> Denied | None:
        """The refused sign-in after which a provider is left alone: accounts get locked."""
        return self._denied.get(room)

    def sync_all(self) -> None:  # type: ignore[misc]  # final in the SDK, which has no such hook
        """Sync all streams; then raise the first failure, naming the others."""
        self._warn_of_selection()
        try:
            super().sync_all()
            self._end_with_state()
            self.message_writer.flush()
        finally:
            for session in self._sessions.values():
                session.close()
        self._raise_failures()

    def _end_with_state(self) -> None:
        """Some targets pass on just the last line; the SDK omits a STATE that it wrote before."""
        if self.message_writer.owes_state and self.state:
            self.message_writer.write_message(StateMessage(value=dict(self.state)))

    def _raise_failures(self) -> None:
        if not self._failures:
            return
        (_, first), *others = self._failures
        if others:
            names = ", ".join(stream for stream, _ in others)
            first.message = f"{first.message.rstrip('.')} (failed too: {names})"
        raise first

    def test_connections(self) -> str:
        """Ask for at most one record of each stream, with little patience; says what came.

        Raises:
            InventoryError: the first failure.
        """
        policy = self.environment.policy
        short = replace(
            policy,
            budget=min(policy.budget, TEST_BUDGET),
            connect=min(policy.connect, TEST_BUDGET / 2),
        )
        self.environment = replace(self.environment, policy=short)
        self.run_connection_test()
        self._raise_failures()
        return self._answered()

    def _answered(self) -> str:
        streams = [one for one in self.streams.values() if isinstance(one, DeclaredStream)]
        asked = [stream for stream in streams if not stream.is_dropped]
        empty = [stream.name for stream in asked if not stream.has_rows]
        rest = f", {len(empty)} of them without a row: {', '.join(empty)}" if empty else ""
        return f"{len(asked)} stream{'' if len(asked) == 1 else 's'} answered{rest}"

    def _setup_signal_handlers(self) -> None:
        """Left to the command: a library must not take the signals of its host."""

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        SIGNALS.arrived(signum, frame)
