"""The target: spool -> settle -> plan -> guards -> journal -> write -> read back -> STATE."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform

from inventory_providers import config, registry
from inventory_providers import levels as providers_levels
from inventory_providers.command import SIGNALS, say, standard_output
from inventory_providers.environment import DISTRIBUTION, Environment
from inventory_providers.errors import (
    ConfigError,
    InputError,
    OutputError,
    Rejected,
    Uncertain,
)
from inventory_providers.jsonio import NotJson, dumps
from inventory_providers.settings import Lazily, without_nulls
from inventory_providers.values import one_line
from target_inventory import dead_letters, files, guards, levels, page, plan, screen, settings
from target_inventory.changeset import ChangeSet
from target_inventory.journal import Journal
from target_inventory.reader import KeyMissing, LineReader, RecordBeforeSchema
from target_inventory.report import Report
from target_inventory.rules import in_words
from target_inventory.run import Run, Shop
from target_inventory.undo import lines as way_back
from target_inventory.words import EXAMPLES, many, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

    from inventory_providers.contract import Fields, Provider, Record, Wish, Write
    from inventory_providers.settings import ProviderSettings
    from target_inventory.dead_letters import Letter
    from target_inventory.levels import Levels, Origin
    from target_inventory.plan import Plan

LOG = logging.getLogger("target-inventory")
LEVELS = providers_levels.STREAM


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
        self._targets: dict[str, tuple[str, Write]] = {}
        self._levels: Levels | None = None
        self._has_levels = self._counted = False
        self._skipped = 0
        self._keys: dict[str, list[str]] = {}
        self._terms: dict[str, str] = {}
        self._elsewhere: dict[str, None] = {}
        self._warned: set[str] = set()
        self._mapped = False
        self._change_set: ChangeSet | None = None
        super().__init__(**kwargs)
        self._mapped = bool(self.config.get("stream_maps"))
        self.message_reader.plan_line = self._process_plan_line

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
        known = {*builtin["properties"], *settings.TargetSettings.model_fields}
        self.own = settings.load(raw)
        self.shared = config.load(
            raw, known={*known, "start_date", "user_agent"}, elsewhere=settings.ELSEWHERE
        )
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
        if stream in self._targets:
            return
        known = registry.writes()
        if stream == LEVELS:
            self._expect_levels()
        elif stream in known:
            room, write = known[stream]
            if room.name not in self.shared.providers:
                raise ConfigError(
                    f"{stream} goes to {room.name}, which is not configured", place="configuration"
                )
            provider = self.shared.providers[room.name]
            write.permit(provider)
            self._targets[stream] = (room.name, _admitting(write, provider))
        elif self.own.unknown_streams == "fail":
            raise ConfigError(
                f"{stream} cannot be written; these can: {', '.join(_writable())}. Deselect it "
                "in the tap, or set unknown_streams to ignore",
                place="input",
            )
        elif stream not in self._warned:
            self._warned.add(stream)
            LOG.warning("%s is not a stream that can be written: its records are skipped", stream)

    def _expect_levels(self) -> None:
        """Levels from elsewhere begin; where they go nowhere, others may."""
        self._has_levels = True
        if (provider := self.own.levels_to) is not None:
            self._levels = levels.to(provider, self.shared.providers[provider], self.own)
            self._targets[LEVELS] = (provider, self._levels.write)
            self._terms[provider] = self._levels.terms

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        stream = message_dict.get("stream")
        record = message_dict.get("record")
        if not isinstance(stream, str) or not isinstance(record, dict):
            raise InputError("a RECORD message without stream or record")
        if stream not in self._keys:
            raise RecordBeforeSchema(f"a record of {stream} before its SCHEMA")
        letter = dead_letters.named_in(message_dict)
        if self._mapped:
            self._map(stream, record, letter)
        else:
            self._take(stream, record, letter=letter)

    def _process_plan_line(self, line: dict[str, Any]) -> None:
        """A line of a plan, or of the way back: to be carried out only if nothing has moved."""
        stream, record, expected = plan.read_line(line)
        self._expect(stream)
        origin = None
        if (terms := plan.terms_of(line)) is not None and stream in self._targets:
            self._terms[self._targets[stream][0]] = terms
            origin = levels.origin_of(line["from"], self.environment.clock.now())
        self._take(stream, record, expected=expected, planned_from=origin)

    def _map(self, stream: str, record: dict[str, Any], letter: str | None) -> None:
        for stream_map in self.mapper.stream_maps[stream]:
            alias = stream_map.stream_alias
            try:
                mapped = stream_map.transform(dict(record))
            except Exception as error:  # noqa: BLE001 - the user's own expression raises it
                reason = f"stream_maps cannot be applied to it ({type(error).__name__})"
                if alias not in self._targets:
                    raise InputError(f"a record of {stream}: {reason}") from None
                self._changes.read += 1
                _, write = self._targets[alias]
                self._changes.reject(stream, record, reason, write=write, letter=letter)
                continue
            if mapped is not None:
                self._take(alias, mapped, letter=letter)

    def _take(
        self,
        stream: str,
        record: dict[str, Any],
        *,
        expected: Fields | None = None,
        letter: str | None = None,
        planned_from: Origin | None = None,
    ) -> None:
        if stream == LEVELS and (self._levels is None or not self._levels.counts(record)):
            self._leave_out(stream, record, letter)
            return
        self._counted |= stream == LEVELS
        if stream in self._targets:
            provider, write = self._targets[stream]
            self._changes.add(
                provider,
                write,
                record,
                expected=expected,
                letter=letter,
                planned_from=planned_from,
            )
            return
        missing = [key for key in self._keys.get(stream, ()) if key not in record]
        if missing:
            raise KeyMissing(f"a record of {stream} lacks its key {', '.join(missing)}")
        self._skipped += 1

    def _leave_out(self, stream: str, record: dict[str, Any], letter: str | None) -> None:
        """A level that does not count here; a dead letter stays one."""
        self._changes.read += 1
        self._changes.left_out += 1
        if len(self._elsewhere) <= levels.NAMED:
            self._elsewhere[levels.place_of(record)] = None
        if letter is not None:
            reason = "left out: not one that levels_to and levels_from want"
            self._changes.reject(stream, record, reason, letter=letter)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        if not isinstance(message_dict.get("value"), dict):
            raise InputError("a STATE message whose value is no object")
        try:
            dumps(message_dict["value"])
        except NotJson:
            raise InputError("a STATE message with a number that JSON does not have") from None
        self._latest_state = message_dict["value"]

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        LOG.debug("ACTIVATE_VERSION deletes nothing here: %s", message_dict.get("stream"))

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:  # noqa: ARG002
        raise InputError(
            "BATCH messages are refused: they name files to be read. Configure the tap without "
            "batch_config"
        )

    def _remove_old_plan(self) -> None:
        """Where this run comes to no plan, nobody shall approve the one of before."""
        for name in (self.own.plan_path, self.own.plan_page_path):
            path = Path(name or "")
            if path.is_file() and not dead_letters.is_same_file(path, self._input_path):
                files.remove(path)

    # ---- the run -------------------------------------------------------------------------------

    def listen(self, file_input: IO[str] | None = None) -> None:  # type: ignore[misc]
        """Read the input to its end and carry it out; the journal is held all the while.

        Raises:
            JournalHeld: another run holds it; nothing is read or written.
            InventoryError: as the contract's exit codes say.
        """
        self._begin()
        try:
            super().listen(file_input)
        finally:
            self._end()

    @property
    def _changes(self) -> ChangeSet:
        """What the input wants; whoever hands messages over without `listen` begins with it."""
        self._begin()
        assert self._change_set is not None
        return self._change_set

    def _begin(self) -> None:
        if self._change_set is None:
            self._journal = self._open_journal()
            try:
                self._find_room()
                self._remove_old_plan()
            except BaseException:
                self._journal.close()
                raise
            self._change_set = ChangeSet(self.environment.clock.now(), self.own.max_age_seconds)

    def _end(self) -> None:
        if self._change_set is not None:
            self._change_set.close()
            self._journal.close()
            self._change_set = None

    def _open_journal(self) -> Journal:
        now = self.environment.clock.now
        if self.own.mode == "apply" or self.own.journal.exists():
            return Journal.open(self.own.journal, now)
        return Journal.in_memory(now)

    def _find_room(self) -> None:
        """Every file that will be written can be: found out before the stock is changed."""
        own = self.own
        paths = [own.plan_path, own.plan_page_path, own.report_path]
        if own.mode == "apply":
            paths += [str(own.dead_letters), own.undo_path]
        for path in paths:
            if path is not None:
                files.must_be_writable(Path(path))

    def process_endofpipe(self) -> None:
        """The input has ended, well or not: carry out what came, then pass STATE on.

        Raises:
            InputError: a line was broken; what came before it is done and acknowledged.
            Guarded, Rejected, Uncertain: as the contract's exit codes 6, 7 and 8 say.
        """
        try:
            self._carry_out()
        finally:
            self._end()

    def _carry_out(self) -> None:
        start, changes = self.environment.clock.monotonic(), self._changes
        if self._has_levels:
            self._mention_left_out()
        report = Report(
            mode=self.own.mode,
            read=changes.read,
            left_out=changes.left_out,
            skipped=self._skipped,
        )
        run = Run(
            self.own,
            self._shops(),
            changes,
            journal=self._journal,
            environment=self.environment,
            report=report,
            announce=lambda plans: self._announce(plans, run),
            levels=self._levels,
            terms=self._terms,
        )
        try:
            run.carry_out()
        except BaseException as error:
            # What was done before something went wrong stays done, and is told.
            report.error = str(error) or type(error).__name__
            self._sum_up(run, start)
            if (trouble := self._leave_files(run)) is not None:
                LOG.error("%s", trouble)  # noqa: TRY400 - it does not hide why the run has failed
            raise
        self._sum_up(run, start)
        self._finish(run)

    def _mention_left_out(self) -> None:
        """A tap sends levels beside its other streams; but where they are all that came, it counts.

        Raises:
            ConfigError: nobody says where they go.
        """
        if self._levels is None and not self._targets:
            raise levels.nowhere()
        if self._levels is None:
            LOG.warning("%s are left out: levels_to is not set", LEVELS)
        elif self._changes.left_out:
            self._mention_places(self._levels)

    def _mention_places(self, wanted: Levels) -> None:
        """Levels came from places that do not count.

        Raises:
            ConfigError: none ever came from where `levels_from` says.
        """
        came, count = one_line(some(list(self._elsewhere), levels.NAMED)), self._changes.left_out
        if self._counted:
            LOG.info("left out: %s of places that do not count: %s", many(count, "level"), came)
            return
        earlier = [self._journal.origins(shop.account) for shop in self._shops()]
        if wanted.is_chosen and not any(wanted.has_come(known) for known in earlier):
            raise ConfigError(
                f"levels_from: no level ever came from there; these are of {came}",
                place="configuration",
            )
        LOG.warning("%s: all are left out: they are of %s", LEVELS, came)

    def _sum_up(self, run: Run, start: float) -> None:
        run.report.count_rejected(run.rejected, run.left_out)
        run.report.seconds = self.environment.clock.monotonic() - start
        say(self.name, run.report.line())

    def _shops(self) -> list[Shop]:
        """The configured providers that can be written to."""
        return [
            self._shop(room, settings)
            for room in registry.providers()
            if room.writes and (settings := self.shared.providers.get(room.name)) is not None
        ]

    def _shop(self, room: Provider, settings: ProviderSettings) -> Shop:
        return Shop(
            name=room.name,
            title=room.title,
            account=f"{room.name} {room.writes[0].items.account(settings)}",
            writes=room.writes,
            permit=lambda write: write.permit(settings),
            admit=lambda key: room.writes[0].items.admit(settings, key),
            find=None if room.publishing is None else room.publishing.find,
            connect=lambda: room.connect(settings, self.environment),
        )

    def _announce(self, plans: Sequence[tuple[Shop, Plan]], run: Run) -> None:
        # A plan that is carried out stays as it was approved.
        own_plan = self.own.plan_path
        if own_plan and not dead_letters.is_same_file(Path(own_plan), self._input_path):
            terms = None if self._levels is None else self._levels.terms
            lines = [line for _, made in plans for line in made.lines(terms)]
            files.append(Path(own_plan), b"".join(lines), anew=True)
        if self.own.plan_page_path is not None:
            now = self.environment.clock.now()
            made_page = page.made(
                plans, run.rejected, run.report, self.own, now, left_out=run.left_out
            )
            files.append(Path(self.own.plan_page_path), made_page, anew=True)
        stopped = ", stopped by a guard" if run.report.guards else ""
        planned = "planned change" if self.own.mode == "plan" or stopped else "change"
        for shop, made in plans:
            if made.changes:
                title = f"{shop.title}: {many(len(made.changes), planned)}{stopped}"
                has_levels = any(one.is_level for one in made.changes)
                if has_levels and self.own.rules != settings.Rules():
                    title = f"{title}; published: {in_words(self.own.rules)}"
                screen.show(made.changes, title, plan_path=self.own.plan_path)

    def _leave_files(self, run: Run) -> OutputError | None:
        """The report, and the way back; what went wrong with them, if anything did."""
        own = self.own
        try:
            if own.undo_path is not None and own.mode == "apply":
                self._leave_way_back(Path(own.undo_path), run)
            if own.report_path is not None:
                files.append(Path(own.report_path), run.report.json(), anew=True)
        except OutputError as error:
            return error
        return None

    @staticmethod
    def _leave_way_back(path: Path, run: Run) -> None:
        """One that leads nowhere does not replace an older one."""
        if run.written or not path.exists():
            # What an interrupted run has written goes back with what was left of it.
            earlier = path.read_bytes() if run.goes_on and path.is_file() else b""
            files.append(path, b"".join(way_back(run.written)) + earlier, anew=True)

    def _bury(self, run: Run, *, clean: bool) -> None:
        """Keep the rejected records. `clean` says that nothing else went wrong."""
        letters, path = run.rejected, self.own.dead_letters
        for reason in _reasons(letters):
            LOG.warning("%s", reason)
        for reason in _reasons(run.left_out):
            LOG.info("left out: %s", reason)
        if len(run.left_out) >= guards.MANY and run.report.read == run.report.left_out:
            LOG.warning("%s: all are left out: no item takes any of them", LEVELS)
        if self.own.mode == "plan":
            return
        fed_back = dead_letters.is_same_file(path, self._input_path)
        if fed_back and not clean:
            # The file has them all, and the rest that was not come to.
            return
        now = self.environment.clock.now()
        run.remember(now)
        if letters or fed_back:
            dead_letters.write(path, letters, now, anew=fed_back)
        run.told()
        if clean:
            run.keep_terms()
        if letters:
            LOG.warning("rejected and kept in %s: %s", path, many(len(letters), "record"))

    def _finish(self, run: Run) -> None:
        failure, report = self.message_reader.failure, run.report
        self._bury(run, clean=failure is None and not report.unknown)
        trouble = self._leave_files(run)
        if report.unknown:
            raise Uncertain(
                f"outcome not known of {many(report.unknown, 'write')}; STATE was not passed on"
            )
        if trouble is not None:
            raise trouble
        if self.own.mode == "apply":
            self._pass_state_on()
        if failure is not None:
            raise failure
        if report.rejected > self.own.max_rejected:
            raise self._too_many(report.rejected)

    def _too_many(self, rejected: int) -> Rejected:
        limit = f"max_rejected is {self.own.max_rejected}"
        if self.own.mode == "plan":
            return Rejected(f"would be rejected: {many(rejected, 'record')} ({limit})")
        may_leave_out = self._levels is not None and not self.own.leave_out
        also = "; levels that belong nowhere: leave_out" if may_leave_out else ""
        return Rejected(
            f"rejected: {many(rejected, 'record')} ({limit}), kept in {self.own.dead_letters}",
            advice=f"Mend them there and feed the file back with --input{also}",
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


def _reasons(letters: Iterable[Letter]) -> Iterator[str]:
    """Why, with how many and which, the most common reasons first."""
    groups: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for one in letters:
        stream = "" if one.kind else f"{one.stream}: rejected: "
        groups[stream, one.reason][one.name] = None
    most = sorted(groups.items(), key=lambda one: -len(one[1]))[:EXAMPLES]
    for (stream, reason), names in most:
        yield f"{stream}{reason}{_named(list(names))}"


def _named(names: Sequence[str]) -> str:
    """How many, and the first of them, for the end of a sentence."""
    known = one_line(some([name for name in names if name]))
    count = "" if len(names) == 1 else f" ({many(len(names), 'item')})"
    return f"{count}: {known}" if known else count


def _writable() -> list[str]:
    return sorted({*registry.writes(), LEVELS})


def _admitting(write: Write, provider: ProviderSettings) -> Write:
    """The same write, that takes no record for what the settings have nothing to do with."""

    def parse(record: Record) -> Wish:
        wish = write.parse(record)
        write.items.admit(provider, wish.key)
        return wish

    return replace(write, parse=parse)
