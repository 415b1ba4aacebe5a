"""A provider that the tests of `inventory_levels` made up: its rows, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from inventory_providers import levels
from inventory_providers.contract import LevelsOf
from inventory_providers.levels import Level
from inventory_providers.times import rfc3339
from tests.tap_inventory.house import (
    CONFIG,
    ROOM,
    catalog,
    declared,
    metadata,
    of_kind,
    page,
    records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from inventory_providers.contract import Page, ReadRequest, Session, Stream
    from tests.tap_inventory.house import House

STOCK = f"{ROOM}_stock"
OTHER = "other"
OTHERS = f"{OTHER}_stock"
BOTH = {OTHER: CONFIG[ROOM]}
VERSIONS = {"emit_activate_version_messages": True}
LEVELS = levels.STREAM
KEY = "changed_at"
PAGE = 2
DAY = timedelta(days=1)
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Row(BaseModel):
    sku: str
    units: int | None
    changed_at: datetime | None


class Timeless(BaseModel):
    sku: str
    units: int | None
    synced_at: datetime | None


def one_level(record: dict[str, Any]) -> Iterator[Level]:
    """Of each row."""
    sku = record["sku"]
    moment = record.get(KEY)
    yield Level("all", sku=sku, provider_item_id=sku, available=record["units"], updated_at=moment)


@dataclass
class Shop:
    """Rows with the moment of their last change, given as that of a stream that knows changes.

    With `dated` its pages are in the order of the changes, with the time of each row and a bookmark
    each; without it rows carry no time, and only the last page has a bookmark. `asked` is what was
    asked for, `wrong` what comes instead of the last page, `told` how often it was asked for the
    levels of a read.
    """

    house: House
    name: str = STOCK
    dated: bool = True
    rows: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    asked: list[ReadRequest] = field(default_factory=list)
    told: list[Session] = field(default_factory=list)
    wrong: BaseException | None = None
    observed_at: datetime | None = None
    of: Callable[[dict[str, Any]], Iterable[Level]] = one_level

    def stream(self, **more: Any) -> Stream:
        """Its declaration."""
        self.house.delivers[self.name] = self
        how = {"replication_key": KEY if self.dated else "synced_at", "levels": self.levels}
        return declared(self.name, Row if self.dated else Timeless, "sku", **{**how, **more})

    def levels(self, session: Session) -> LevelsOf:
        """How its records become levels."""
        self.told.append(session)
        return LevelsOf(self.of, self.observed_at)

    def put(self, *skus: str, units: int = 1, undated: bool = False) -> None:
        """These rows change now, a second after another."""
        for sku in skus:
            self.house.clock.step(1)
            self.rows[sku] = units, None if undated else self.house.clock.now()

    def __call__(self, request: ReadRequest) -> Iterable[Page | BaseException]:
        """The pages of an answer, and what is wrong with it."""
        self.asked.append(request)
        pages = self._pages(request)
        return pages if self.wrong is None else [*pages[:-1], self.wrong]

    def _pages(self, request: ReadRequest) -> list[Page]:
        bound = request.lower_bound
        found = [sku for sku in self._in_order() if self._is_due(sku, bound)][: request.limit]
        parts = [found[n : n + PAGE] for n in range(0, len(found), PAGE)] or [[]]
        return [self._page(part, is_last=part is parts[-1]) for part in parts]

    def _in_order(self) -> Sequence[str]:
        """By the moment of the change, those without one first."""
        return sorted(self.rows, key=lambda sku: self.rows[sku][1] or BEGINNING)

    def _is_due(self, sku: str, bound: datetime | None) -> bool:
        moment = self.rows[sku][1]
        return bound is None or (moment is not None and moment >= bound)

    def _page(self, skus: Sequence[str], *, is_last: bool) -> Page:
        now = self.house.clock.now()
        if not self.dated:
            rows = [self._row(sku) | {"synced_at": rfc3339(now)} for sku in skus]
            return page(*rows, by=None, bookmark=now if is_last else None)
        moments = [moment for sku in skus if (moment := self.rows[sku][1])]
        rows = [self._row(sku) | {KEY: _text(self.rows[sku][1])} for sku in skus]
        return page(*rows, by=KEY, bookmark=max(moments, default=None))

    def _row(self, sku: str) -> dict[str, Any]:
        return {"sku": sku, "units": self.rows[sku][0]}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def skus(messages: list[dict[str, Any]], stream: str, provider: str | None = None) -> list[str]:
    """The SKUs of the records of a stream, in order; of the levels, those of a provider."""
    found = [
        message["record"]
        for message in messages
        if message["type"] == "RECORD" and message["stream"] == stream
    ]
    return [one["sku"] for one in found if provider in (None, one.get("provider"))]


def select(catalog: dict[str, Any], *streams: str) -> dict[str, Any]:
    """A catalog in which these streams are selected and no others."""
    for entry in catalog["streams"]:
        (top,) = (part["metadata"] for part in entry["metadata"] if not part["breadcrumb"])
        top["selected"] = entry["tap_stream_id"] in streams
    return catalog


def parts(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a state says of the levels, by provider and the names of the part."""
    found = state["bookmarks"].get(LEVELS, {}).get("partitions", [])
    return {" ".join(one["context"].values()): one for one in found}


def own(house: House, **kwargs: Any) -> list[dict[str, Any]]:
    """A run of the source alone."""
    return house.run(catalog=select(catalog(house), STOCK), **kwargs)


def only(house: House, **kwargs: Any) -> list[dict[str, Any]]:
    """A run of the levels alone."""
    return house.run(catalog=select(catalog(house), LEVELS), **kwargs)


def level_records(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of the levels."""
    return [one for one in records(messages) if "source_stream" in one]


def schemas(messages: list[dict[str, Any]]) -> list[str]:
    """The streams that had a SCHEMA, in order."""
    return [one["stream"] for one in of_kind(messages, "SCHEMA")]


def activated(messages: list[dict[str, Any]]) -> list[str]:
    """The streams of which older rows go."""
    return [one["stream"] for one in of_kind(messages, "ACTIVATE_VERSION")]


def full_table(house: House, stream: str, method: str = "FULL_TABLE") -> dict[str, Any]:
    """A catalog that asks for a stream so."""
    chosen = catalog(house)
    metadata(chosen, stream)["replication-method"] = method
    return chosen
