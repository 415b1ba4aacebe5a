"""The target: spool -> plan -> apply -> verify -> STATE."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform

from inventory_providers import config, registry
from inventory_providers.command import SIGNALS, say, standard_output
from inventory_providers.environment import DISTRIBUTION, Environment
from inventory_providers.errors import (
    ConfigError,
    InputError,
    InventoryError,
    Rejected,
    Uncertain,
)
from inventory_providers.jsonio import dumps
from inventory_providers.settings import Lazily, without_nulls
from target_inventory import dead_letters, files, plan, settings
from target_inventory.apply import Applier
from target_inventory.changeset import ChangeSet
from target_inventory.reader import KeyMissing, LineReader, RecordBeforeSchema
from target_inventory.report import Report

if TYPE_CHECKING:
    from types import FrameType

    from inventory_providers.contract import Provider, Session, Write
    from target_inventory.apply import Outcome
    from target_inventory.plan import Plan

LOG = logging.getLogger("target-inventory")


class TargetInventory(Target):
    """Writes stock to inventory providers: only what differs, and reads it back."""

    name = "target-inventory"
    package_name = DISTRIBUTION
    config_jsonschema = Lazily(settings.config_schema)
    message_reader_class = LineReader
    message_reader: LineReader
    max_parallelism = 1
    capabilities: ClassVar[Any] = [PluginCapabilities.ABOUT, PluginCapabilities.STREAM_MAPS]

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        input_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.environment = environment or Environment()
        self._input_path = input_path
        self._changesets: dict[str, ChangeSet] = {}
        self._keys: dict[str, list[str]] = {}
        self._warned: set[str] = set()
        self._letters: list[dead_letters.Letter] = []
        self._mapped = False
        super().__init__(**kwargs)
        self._mapped = bool(self.config.get("stream_maps"))

    # ---- configuration -------------------------------------------------------------------------

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Stream maps only: the SDK's other settings of targets mean tables and batches."""
        super(Target, cls).append_builtin_config(config_jsonschema)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:  # noqa: ARG002
        """Check the configuration with our own models: the SDK's messages print values.

        Raises:
            ConfigError: something is wrong; by name, never with its value.
        """
        self._config = without_nulls(self._config)
        builtin: dict[str, Any] = {"properties": {}}
        self.append_builtin_config(builtin)
        raw = dict(self._config)
        known = {*builtin["properties"], *settings.TargetSettings.model_fields, *settings.NOT_YET}
        self.shared = config.load(raw, known={*known, "start_date", "user_agent"})
        self.own = settings.load(raw)
        if raw.get("journal_path") is not None:
            LOG.warning("journal_path: this version keeps no journal of its writes yet")
        if self.shared.user_agent is not None:
            self.environment = replace(self.environment, user_agent=self.shared.user_agent)
        return []

    # ---- input ---------------------------------------------------------------------------------

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        stream, schema = message_dict.get("stream"), message_dict.get("schema")
        if not isinstance(stream, str) or not isinstance(schema, dict):
            raise InputError("a SCHEMA message without stream or schema")
        if not isinstance(schema.get("properties"), dict):
            raise InputError(f"the schema of {stream} has no properties")
        keys = message_dict.get("key_properties") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise InputError(f"the key_properties of {stream} are no list of names")
        self._keys[stream] = keys
        for alias in self._aliases(stream, schema, keys):
            self._expect(alias)

    def _aliases(self, stream: str, schema: dict[str, Any], keys: list[str]) -> list[str]:
        """The streams that the maps make of this one."""
        if not self._mapped:
            return [stream]
        try:
            self.mapper.register_raw_stream_schema(stream, schema, keys)
        except Exception as error:  # noqa: BLE001 - the SDK has no common class for a wrong map
            raise ConfigError(
                f"stream_maps cannot be applied to {stream} ({type(error).__name__})",
                place="configuration",
            ) from None
        maps = self.mapper.stream_maps[stream]
        return [one.stream_alias for one in maps if not isinstance(one, RemoveRecordTransform)]

    def _expect(self, stream: str) -> None:
        """A stream begins: known, or refused by name before anything is written."""
        if stream in self._changesets:
            return
        known = registry.writes()
        if stream in known:
            room, write = known[stream]
            if room.name not in self.shared.providers:
                raise ConfigError(
                    f"{stream} goes to {room.name}, which is not configured", place="configuration"
                )
            self._changesets[stream] = ChangeSet(write)
        elif self.own.unknown_streams == "fail":
            raise ConfigError(
                f"{stream} cannot be written; these can: {', '.join(sorted(known))}. Deselect it "
                "in the tap, or set unknown_streams to ignore",
                place="input",
            )
        elif stream not in self._warned:
            self._warned.add(stream)
            LOG.warning("%s is not a stream that can be written: its records are skipped", stream)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream")
        record = message_dict.get("record")
        if not isinstance(stream, str) or not isinstance(record, dict):
            raise InputError("a RECORD message without stream or record")
        if stream not in self._keys:
            raise RecordBeforeSchema(f"a record of {stream} before its SCHEMA")
        if self._mapped:
            self._map(stream, record)
        else:
            self._take(stream, record)

    def _map(self, stream: str, record: dict[str, Any]) -> None:
        for stream_map in self.mapper.stream_maps[stream]:
            alias = stream_map.stream_alias
            try:
                mapped = stream_map.transform(dict(record))
            except Exception as error:  # noqa: BLE001 - the user's own expression raises it
                reason = f"stream_maps cannot be applied to it ({type(error).__name__})"
                if alias not in self._changesets:
                    raise InputError(f"a record of {stream}: {reason}") from None
                self._changesets[alias].reject(stream, record, reason)
                continue
            if mapped is not None:
                self._take(alias, mapped)

    def _take(self, stream: str, record: dict[str, Any]) -> None:
        changeset = self._changesets.get(stream)
        if changeset is not None:
            changeset.add(record)
            return
        missing = [key for key in self._keys.get(stream, ()) if key not in record]
        if missing:
            raise KeyMissing(f"a record of {stream} lacks its key {', '.join(missing)}")

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        if not isinstance(message_dict.get("value"), dict):
            raise InputError("a STATE message whose value is no object")
        self._latest_state = message_dict["value"]

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        LOG.debug("ACTIVATE_VERSION deletes nothing here: %s", message_dict.get("stream"))

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:  # noqa: ARG002
        raise InputError(
            "BATCH messages are refused: they name files to be read. Configure the tap without "
            "batch_config"
        )

    # ---- the run -------------------------------------------------------------------------------

    def process_endofpipe(self) -> None:
        """The input has ended, well or not: carry out what came, then pass STATE on.

        Raises:
            InputError: a line was broken; what came before it is done and acknowledged.
            Rejected, Uncertain: as the contract's exit codes 7 and 8 say.
        """
        start = self.environment.clock.monotonic()
        report = Report(mode=self.own.mode)
        self._find_room()
        try:
            for changeset in self._changesets.values():
                self._carry_out(changeset, report)
        except InventoryError:
            # What was done before it went wrong stays done.
            say(self.name, report.line())
            raise
        finally:
            report.seconds = self.environment.clock.monotonic() - start
            for changeset in self._changesets.values():
                changeset.close()
        self._finish(report)

    def _find_room(self) -> None:
        """Every file that will be written can be: found out before the stock is changed."""
        paths = [self.own.plan_path, self.own.report_path]
        if self.own.mode == "apply":
            paths.append(str(self.own.dead_letters))
        for path in paths:
            if path is not None:
                files.must_be_writable(Path(path))

    def _carry_out(self, changeset: ChangeSet, report: Report) -> None:
        room, write = registry.writes()[changeset.write.stream]
        session = room.connect(self.shared.providers[room.name], self.environment)
        try:
            self._work_off(changeset, room, write, session, report)
        finally:
            report.requests += session.requests
            session.close()

    def _work_off(
        self, changeset: ChangeSet, room: Provider, write: Write, session: Session, report: Report
    ) -> None:
        keys = changeset.keys
        report.read += changeset.read
        made = plan.make(changeset, write.levels(session, keys) if keys else {})
        report.unchanged += made.unchanged
        report.planned += len(made.changes)
        letters = list(made.letters)
        self._announce(made, room)
        if self.own.mode == "apply":
            applier = Applier(session, write)
            try:
                applier.apply(made.changes)
            finally:
                _count(applier.outcome, report)
            letters += applier.outcome.letters
        report.count_rejected(letters)
        self._letters += letters

    def _announce(self, made: Plan, room: Provider) -> None:
        if self.own.plan_path is not None:
            path = Path(self.own.plan_path)
            files.append(path, b"".join(made.lines()), anew=True)
        if made.changes:
            title = "would change" if self.own.mode == "plan" else "changes"
            plan.show(made.changes, f"{room.title}: {len(made.changes)} {title}")

    def _bury(self, *, clean: bool) -> None:
        """Keep the rejected records. `clean` says that nothing else went wrong."""
        path = self.own.dead_letters
        for letter in self._letters[:10]:
            LOG.warning("%s: rejected: %s", letter.stream, letter.reason)
        if self.own.mode == "plan":
            return
        fed_back = dead_letters.is_same_file(path, self._input_path)
        if fed_back and not clean:
            # The file has them all, and the rest that was not come to.
            return
        if self._letters or fed_back:
            now = self.environment.clock.now()
            dead_letters.write(path, self._letters, now, anew=fed_back)
        if self._letters:
            LOG.warning("%d rejected records are in %s", len(self._letters), path)

    def _finish(self, report: Report) -> None:
        say(self.name, report.line())
        failure = self.message_reader.failure
        self._bury(clean=failure is None and not report.unknown)
        if self.own.report_path is not None:
            files.append(Path(self.own.report_path), report.json(), anew=True)
        if report.unknown:
            raise Uncertain(
                f"the outcome of {report.unknown} writes is not known; STATE was not passed on"
            )
        if self.own.mode == "apply":
            self._pass_state_on()
        if failure is not None:
            raise failure
        if report.rejected > self.own.max_rejected:
            raise self._too_many(report.rejected)

    def _too_many(self, rejected: int) -> Rejected:
        limit = f"max_rejected is {self.own.max_rejected}"
        if self.own.mode == "plan":
            return Rejected(f"{rejected} records would be rejected ({limit})")
        return Rejected(
            f"{rejected} records were rejected ({limit}); they are in {self.own.dead_letters}",
            advice="Mend them there and feed the file back with --input",
        )

    def _pass_state_on(self) -> None:
        if not self._latest_state:
            return
        with standard_output() as out:
            out.write(dumps(self._latest_state).decode() + "\n")
            out.flush()

    def _setup_signal_handlers(self) -> None:
        """Left to the command: the SDK's handler would acknowledge what was never written."""

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        SIGNALS.arrived(signum, frame)


def _count(outcome: Outcome, report: Report) -> None:
    report.written += len(outcome.written)
    report.verified += outcome.verified
    report.moved += outcome.moved
    report.unknown += len(outcome.unknown)
    for planned, cause in outcome.unknown[:10]:
        LOG.error("%s %s: outcome unknown: %s", planned.write.stream, planned.change.key, cause)
