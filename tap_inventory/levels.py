"""The stream `inventory_levels`: made from one stream of each provider, by the same read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from inventory_providers import levels, registry
from inventory_providers.contract import ReadRequest
from inventory_providers.jsonio import loads
from tap_inventory.declared import DeclaredStream
from tap_inventory.extraction import Output, extract

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from inventory_providers.contract import LevelsOf, Page
    from tap_inventory.declared import Part
    from tap_inventory.streams import InventoryStream
    from tap_inventory.tap import TapInventory


class LevelsStream(DeclaredStream):
    """Levels of every source, each read once in a run.

    A source that is selected itself brings its levels along when it is synced; this stream comes
    after all of them, and reads the others. Each part of each source has a bookmark of its own,
    moved by the source's replication key. The SCHEMA comes before the first record.
    """

    def __init__(self, tap: TapInventory, sources: Sequence[InventoryStream]) -> None:
        self.sources = sources
        self._complete: dict[str, bool] = {}
        self._is_announced = False
        super().__init__(tap, registry.levels())
        for source in sources:
            source.levels = self

    @property
    def contexts(self) -> list[Part]:
        """The parts of all sources."""
        return [_context(source, part) for source in self.sources for part in source.parts]

    @property
    def partitions(self) -> list[Part] | None:
        """The parts of the sources that have bookmarks."""
        known = [source for source in self.sources if self.reads_changes and source.reads_changes]
        return [_context(source, part) for source in known for part in source.parts] or None

    def output(self, source: InventoryStream, part: Part | None) -> _Levels:
        """The levels of the rows of one read."""
        return _Levels(self, source, part, _context(source, part))

    def note_read(self, source: InventoryStream, *, complete: bool) -> None:
        """A source has brought its levels along, all of them or not."""
        self._complete[source.name] = complete

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        """Every record, or those of one part, decoded."""
        for source in self.sources:
            for part in source.parts:
                if context in (None, _context(source, part)):
                    output = self.output(source, part)
                    for page in source.pages(ReadRequest(partition=part or {})):
                        yield from map(loads, output.lines(page.lines))

    def sync(self, context: Any = None) -> None:  # type: ignore[misc]  # final; there is no hook
        """Read what no other stream has read in this run."""
        try:
            super().sync(context)
        finally:
            self._complete, self._is_announced = {}, False

    def emit(self, lines: Iterable[bytes]) -> int:
        """Write records that are encoded already; says how many there were."""
        if self.selected:
            self._write_schema_message()
        return super().emit(lines)

    def _write_schema_message(self) -> None:
        """Write it once, whoever is first; the version of the records that follow is known then."""
        if self._is_announced:
            return
        self._is_announced = True
        if self.emit_activate_version_messages and self._is_full_table:
            self._stream_version = self._initialized_at // 1000
        super()._write_schema_message()

    @property
    def _is_full_table(self) -> bool:
        return self.replication_method == REPLICATION_FULL_TABLE

    def _sync_records(
        self,
        context: Any = None,  # noqa: ARG002
        *,
        write_messages: bool = True,
    ) -> Generator[dict[str, Any], Any, Any]:
        """Read, write and count; a failure is noted, other sources go on."""
        if write_messages and not self.is_dropped:
            self._warn_of_shared_stock()
            for source in self.sources:
                if source.name not in self._complete:
                    self.note_read(source, complete=extract(source, self))
            if all(self._complete.values()):
                self.activate_version()
        yield from ()

    def _warn_of_shared_stock(self) -> None:
        for source in self.sources:
            if len(source.parts) > 1:
                self.logger.warning(
                    "%s: stock that the parts of %s share is in each of them; never sum over them",
                    self.name,
                    source.name,
                )


def _context(source: InventoryStream, part: Part | None) -> Part:
    return {"provider": source.room, **(part or {})}


class _Levels(Output):
    _of: LevelsOf | None = None

    @property
    def scope(self) -> Sequence[str]:
        """Also whose levels they are: under another name each of them is another row."""
        account = self.source.tap.settings.providers[self.source.room].known_as
        return [*self.source.scope, f"account {account}"]

    def _emit(self, page: Page, lines: Sequence[bytes]) -> int:  # noqa: ARG002
        return self.stream.emit(self.lines(lines)) if lines else 0

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The levels of some records, each as one line of JSON."""
        for line in lines:
            if self._of is None:
                self._of, self._encoder = self._found_out()
            for level in self._of.of(loads(line)):
                yield self._encoder.line(level)

    def _found_out(self) -> tuple[LevelsOf, levels.Encoder]:
        """Not before the first row is there: the room may look at what it has read."""
        source, declared = self.source, self.source.declared
        assert declared.levels is not None
        of = declared.levels(source.tap.session(source.room))
        account = source.tap.settings.providers[source.room].known_as
        observed_at = of.observed_at or self._began
        return of, levels.Encoder(source.room, account, declared.name, observed_at)
