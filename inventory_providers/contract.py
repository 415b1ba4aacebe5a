"""What the outside may see of a room: its declaration, its reads and its writes.

A room is a `Provider`: a table of streams and writes, plus the functions that do them. The tap and
the target know rooms only through these types.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel

    from inventory_providers.environment import Environment
    from inventory_providers.levels import Level
    from inventory_providers.settings import ProviderSettings

Record = dict[str, Any]
Fields = Mapping[str, Any]
Key = tuple[str, ...]
Effect = Literal["set", "create", "add", "delete", "raise"]


def _options(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def earlier(moment: datetime, by: timedelta) -> datetime:
    """A moment less a time, but never before the beginning of the calendar."""
    beginning = datetime.min.replace(tzinfo=UTC)
    return beginning + max(moment - beginning - by, timedelta(0))


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """What the tap asks of a stream.

    `since` is the bookmark as it was stored, `start` the earliest change that the user wants; both
    in UTC. `lookback` is subtracted from the bookmark when it is used. `full` asks for a read that
    ignores the bookmark. `limit` is for connection tests: so many rows are enough. `partition` is
    the part of the stream to read, for a stream that has parts; `key` is the one that the rows of a
    stream that is `formed` had in the last run.
    """

    since: datetime | None = None
    start: datetime | None = None
    lookback: timedelta = timedelta(0)
    full: bool = False
    limit: int | None = None
    partition: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    @property
    def lower_bound(self) -> datetime | None:
        """The earliest change to ask for; None means everything, rows without a date included."""
        if self.full or self.since is None:
            return self.start
        bound = earlier(self.since, self.lookback)
        return bound if self.start is None else max(bound, self.start)


@dataclass(frozen=True, slots=True)
class Form:
    """What a read found out about its rows: their key, and text properties besides the model's."""

    key: tuple[str, ...]
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, in the order in which they may be emitted.

    `lines` are complete records as one line of JSON each. `times` are the values of the replication
    key, one per line, where they are the provider's; a time of the read says nothing of a row.
    `bookmark` is the moment up to which everything has been delivered with this page and the ones
    before it; None leaves it as it was. `form` comes with the first page of a stream that is
    `formed`.
    """

    lines: Sequence[bytes]
    times: Sequence[datetime | None] = ()
    bookmark: datetime | None = None
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class LevelsOf:
    """How the records of one read become levels.

    `of` makes the levels of one record, in a fixed order. `observed_at` is when the stock was
    asked for, by our own clock, where that was before the read of the stream began.
    """

    of: Callable[[Record], Iterable[Level]]
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """One endpoint of a provider's document as a stream of the tap.

    `model` says what a record looks like; the published schema is made from it. `full_refresh`
    says that the provider's change filter misses things, so that a full read is due every
    `full_refresh_days`. `incremental` is false where the catalog has to ask for it. `partitions`
    names, from the settings, the parts that are read one by one and have bookmarks of their own.
    A stream that is `formed` learns its key from its rows; `primary_key` is then what is usual.
    `scope` names what the settings ask for besides the usual: a bookmark that was made with less
    is not used. `levels` says, for one session, how its records become levels, where they do; it
    may look at what the session has read, and costs no request of its own.
    """

    name: str
    endpoint: str
    description: str
    model: type[BaseModel]
    primary_key: tuple[str, ...]
    read: Callable[[Any, ReadRequest], Iterator[Page]]
    replication_key: str | None = None
    full_refresh: bool = False
    incremental: bool = True
    partitions: Callable[[Any], Sequence[Mapping[str, str]]] | None = None
    formed: bool = False
    scope: Callable[[Any], Sequence[str]] | None = None
    levels: Callable[[Any], LevelsOf] | None = None

    @property
    def by_day(self) -> bool:
        """Whether the replication key is a day; its bookmark is then one, too."""
        key = self.replication_key
        return key is not None and date in _options(self.model.model_fields[key].annotation)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one input record asks for, all of it checked: `fields` of the item `key`.

    `expected` are live values that must hold for the wish to be carried out. `extra` goes along
    with the write and is no part of the level (an operator's name). `event` tells one addition from
    the next: the same one is carried out once, for ever.
    """

    key: Key
    fields: Fields
    expected: Fields = field(default_factory=dict)
    extra: Fields = field(default_factory=dict)
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One intended write: what stands there now, what shall stand there, and what is sent along.

    None for `before` or `after` means that there is no such item. `asked` is what the record gave;
    for an addition `after` is the sum.
    """

    key: Key
    before: Fields | None
    after: Fields | None
    asked: Fields = field(default_factory=dict)
    extra: Fields = field(default_factory=dict)
    event: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the values that differ, of an item that stays."""
        before, after = self.before, self.after
        if before is None or after is None:
            return ()
        return tuple(name for name, value in after.items() if before[name] != value)

    @property
    def is_none(self) -> bool:
        """Whether it stands there already."""
        return (self.before is None) == (self.after is None) and not self.fields

    @property
    def cannot_be_told(self) -> bool:
        """Whether nothing that stands there shows if it was made: an addition to who knows what."""
        return self.event is not None and not self.fields

    def done(self, live: Fields | None) -> bool:
        """Whether what stands there is what is wanted."""
        if live is None or self.after is None:
            return live is None and self.after is None
        if self.cannot_be_told:
            return False
        return all(live[name] == self.after[name] for name in self.fields)

    def not_begun(self, live: Fields | None) -> bool:
        """Whether what stands there is what stood there before."""
        if live is None or self.before is None:
            return live is None and self.before is None
        if self.cannot_be_told:
            return False
        return all(live[name] == self.before[name] for name in self.fields)


@dataclass(frozen=True, slots=True)
class Order:
    """One request that writes, exactly as it will be sent but for the credentials.

    `path` has the query. `token` makes the provider carry it out once, however often it comes.
    """

    method: str
    path: str
    body: str = ""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Items:
    """What the writes of a provider change: `key` names an item, `level` its units in stock.

    `levels` reads the live values of some items in full, leaving out those that do not exist.
    `account` says whose items they are, without a credential: what is unfinished there is no
    business of another account. `admit` raises `Rejected` for a key that the settings have nothing
    to do with. `lag` are the seconds to wait before each further look, where the provider shows a
    write later than it answers.
    """

    key: tuple[str, ...]
    level: str
    account: Callable[[Any], str]
    levels: Callable[[Any, Collection[Key]], Mapping[Key, Fields]]
    admit: Callable[[Any, Key], None] = lambda _settings, _key: None
    lag: tuple[float, ...] = ()

    def named(self, key: Key) -> dict[str, str]:
        """A key as a record has it."""
        return dict(zip(self.key, key, strict=True))

    def added(self, state: Fields, quantity: int) -> Fields:
        """What stands there with so many units more; nobody knows where nobody knew before."""
        units = state[self.level]
        return {**state, self.level: None if units is None else units + quantity}


@dataclass(frozen=True, slots=True)
class Write:
    """One thing that the target can do at a provider.

    `parse` turns a record into a wish, or raises `Rejected`; it never asks the provider. `check`
    raises `Rejected` for a change that must not be sent whatever the provider would say. `order`
    makes one request of at most `batch_size` changes. `send` carries it out, raising `Rejected`
    where the provider refuses it as a whole and `Uncertain` where the outcome is not known; an
    order with a token may be sent again as it is. `permit` raises `ConfigError` where the settings
    do not allow the write at all. `through` is the write that carries this one out, in whose terms
    it is planned, kept and undone; the effect "raise" sets a level by adding what it lacks.
    """

    stream: str
    effect: Effect
    endpoint: str
    description: str
    items: Items
    batch_size: int
    parse: Callable[[Record], Wish]
    order: Callable[[Sequence[Change]], Order]
    send: Callable[[Any, Order], None]
    check: Callable[[Change], None] = lambda _: None
    permit: Callable[[Any], None] = lambda _: None
    through: Write | None = None

    @property
    def is_setting(self) -> bool:
        """Whether a newer record takes the place of an older one."""
        return self.effect in {"set", "raise"}

    def record(self, change: Change) -> Record:
        """A record of this stream that asks for the same as a change."""
        event = {} if change.event is None else {"idempotency_key": change.event}
        return {**self.items.named(change.key), **change.asked, **change.extra, **event}


class Address(NamedTuple):
    """By what a level from elsewhere names an item here: its SKU, or this provider's own id."""

    kind: Literal["sku", "id"]
    text: str


@dataclass(frozen=True, slots=True)
class Index:
    """Which items stand at some addresses; `levels` are those that were read on the way."""

    keys: Mapping[Address, Sequence[Key]]
    levels: Mapping[Key, Fields] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publishing:
    """How `inventory_levels` are written to a provider.

    `through` is the write that carries them out, `effect` what becomes of an item's level. `find`
    looks addresses up; one that is not in the index stands for nothing. `check` and `permit` are
    as those of a write, and judge levels.
    """

    through: Write
    effect: Effect
    find: Callable[[Any, Collection[Address]], Index]
    check: Callable[[Change], None] = lambda _: None
    permit: Callable[[Any], None] = lambda _: None


class Session(ABC):
    """One run's signed-in connection to a provider."""

    @property
    @abstractmethod
    def requests(self) -> int:
        """How many requests were sent so far."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A room's declaration. `name` is folder, configuration key and prefix of everything.

    `sums` are the places of its levels that are sums of its other places.
    """

    name: str
    title: str
    document: str
    settings: type[ProviderSettings]
    connect: Callable[[Any, Environment], Session]
    streams: tuple[Stream, ...]
    writes: tuple[Write, ...] = ()
    publishing: Publishing | None = None
    sums: frozenset[str] = frozenset()
