"""Amazon FBA over the wire: how to ask, how to read before a page token dies, how to write.

Source: "FBA Inventory API v1 Reference". A page token of "getInventorySummaries" lives 30 seconds,
so the whole walk over a marketplace is fetched before a row of it is emitted. What is written, and
to which address, stands in `writes.py`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from inventory_providers import times
from inventory_providers.amazon_fba import wire, writes
from inventory_providers.amazon_fba.lwa import NAMES, PATIENCE, SignIn
from inventory_providers.amazon_fba.settings import NAME
from inventory_providers.contract import LevelsOf, Page, Session
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    Unavailable,
    Uncertain,
)
from inventory_providers.http import Call, Door, Garbled, SignInAgain, TryAgain
from inventory_providers.pacing import Pace
from inventory_providers.spool import Spool
from inventory_providers.values import can_be_encoded, one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from inventory_providers.amazon_fba.settings import AmazonFbaSettings
    from inventory_providers.contract import Fields, Key, Order, ReadRequest
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer

STREAM = "amazon_fba_inventory_summaries"
SUMMARIES = "/fba/inventory/v1/summaries"
LOG = logging.getLogger(f"inventory.{NAME}")

GRANULARITY = "Marketplace"
MARKETPLACES = f"{NAME}.marketplace_ids"
LONGEST_USER_AGENT = 500

# Requests per second and burst, for `sandbox` false and true. The bucket belongs to the account:
# all marketplaces draw on it; the writes have others than the reads. Requests do not arrive as
# evenly as they leave, so a little less than is allowed, and one less at once, keeps 429 rare.
RATES = {False: (2.0, 2), True: (5.0, 15)}
SLACK = 0.9

# Seconds. A page token is dead after 30; nothing is waited for beyond 25 of them.
TOKEN_LIFE = 25.0
YOUNG = 5.0
MOST_RESTARTS = 3

# The provider's 18 months, with some days to spare.
OLDEST = timedelta(days=540)
PAGE_OF_RECORDS = 500
# More pages in a row than this without a new SKU are no walk any more.
MOST_IDLE_PAGES = 1000

# Of `sellerSkus`: how many the document allows, and how long their list may be, in an address of
# which servers usually take 8000 characters.
MOST_SKUS = 50
LONGEST_LIST = writes.LONGEST_SKU

# Failures that are the provider's own, even where they come with a status of success.
PASSING_CODES = frozenset({"InternalFailure", "QuotaExceeded", "ServiceUnavailable"})

Pairs = list[tuple[str, str]]


def connect(settings: AmazonFbaSettings, environment: Environment) -> AmazonFba:
    """A session with one seller account. Nothing is requested yet.

    Raises:
        ConfigError: `user_agent` is longer than the provider takes.
    """
    return AmazonFba(settings, environment)


# ---- asking --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One page to ask for. Between two pages of a walk only the token changes.

    `start` is the text of `startDateTime`; with it the provider ignores `skus`. Of the answer with
    this token `arrived` is when it came, on the monotonic clock, and `born` when it was asked for:
    no token is older than that.
    """

    marketplace: str
    start: str | None = None
    token: str | None = None
    arrived: float = 0.0
    born: float = 0.0
    skus: tuple[str, ...] = ()

    @property
    def query(self) -> Pairs:
        """The parameters; an empty one is never sent, the provider refuses it."""
        pairs = [
            ("details", "true"),
            ("granularityType", GRANULARITY),
            ("granularityId", self.marketplace),
            ("marketplaceIds", self.marketplace),
        ]
        if self.start is not None:
            pairs.append(("startDateTime", self.start))
        if self.skus:
            name = "sellerSku" if len(self.skus) == 1 else "sellerSkus"
            pairs.append((name, ",".join(self.skus)))
        if self.token is not None:
            pairs.append(("nextToken", self.token))
        return pairs

    @property
    def place(self) -> str:
        """How messages call the marketplace."""
        return f"{STREAM} ({self.marketplace})"

    def left(self, now: float) -> float | None:
        """Seconds that may still be waited; None where no token is at stake."""
        return None if self.token is None else max(self.arrived + TOKEN_LIFE - now, 0.0)


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `arrived` is when it came, on the monotonic clock, `born` when it was asked for."""

    rows: Sequence[Any]
    place: wire.Place
    token: str | None
    date: datetime | None
    arrived: float
    born: float


class TokenRefused(Exception):
    """The page token is said to have ended. `young`: it cannot have."""

    def __init__(self, words: str, *, young: bool) -> None:
        super().__init__(words)
        self.words, self.young = words, young


class TooLongAgo(Exception):
    """`startDateTime` is earlier than the provider looks back."""


class NotThere(Rejected):
    """A write is about an item that does not exist."""


class AmazonFba(Session):
    """One seller account in one region. Marketplaces are read one after the other."""

    def __init__(self, settings: AmazonFbaSettings, environment: Environment) -> None:
        _check_user_agent(environment.user_agent)
        # Silence is no worse than a trickle: both may take the time of one try.
        policy = replace(environment.policy, idle=environment.policy.deadline)
        self.settings = settings
        self.environment = environment
        self._question = Question("")
        self._unknown: set[str] = set()
        self._sign_in = SignIn(settings, environment, policy)
        self._writing: Door | None = None
        self._door = Door(
            settings.base_url,
            names=NAMES,
            environment=environment,
            sign=self._sign,
            renew=self._sign_in.forget,
            explain=self._explain,
            pace=self._pace(),
            policy=policy,
        )

    def _pace(self) -> Pace:
        rate, burst = RATES[self.settings.sandbox]
        return Pace(rate * SLACK, burst - 1, self.environment.clock)

    def _doors(self) -> list[Door]:
        doors = [self._door, self._sign_in.door]
        return doors if self._writing is None else [*doors, self._writing]

    @property
    def requests(self) -> int:
        """How many requests were sent so far, those of the sign-in included."""
        return sum(door.requests for door in self._doors())

    def close(self) -> None:
        """Let go of the connections."""
        for door in self._doors():
            door.close()

    def ask(self, question: Question) -> Found:
        """One page of "getInventorySummaries".

        With a page token, waiting and retrying end before the token does.

        Raises:
            TokenRefused, TooLongAgo: the walk has to begin again.
            ConfigError, Denied, Malformed, Unavailable: as their names say.
        """
        self._question = question
        call = Call("GET", SUMMARIES, query=question.query, patience=PATIENCE, budget=self._left())
        return self._door.json(call, self._found)

    def _left(self) -> float | None:
        return self._question.left(self.environment.clock.monotonic())

    def _sign(self, call: Call) -> Call:
        return self._signed(call, self._left())

    def _signed(self, call: Call, budget: float | None) -> Call:
        token = self._sign_in.token(budget)
        return replace(call, headers={**call.headers, "x-amz-access-token": token})

    # ---- good answers ----

    def _found(self, document: Any, answer: Answer) -> Found:
        if isinstance(document, dict) and document.get("errors"):
            raise self._disguised(document, answer)
        try:
            return self._page(document, answer)
        except Malformed as error:
            error.message += f" ({_said(answer, None)})"
            raise

    def _page(self, document: Any, answer: Answer) -> Found:
        if not isinstance(document, dict):
            raise self._malformed(f"payload is missing: the answer is {_kind(document)}, no object")
        payload = _object(document, "payload", self._question)
        rows = payload.get("inventorySummaries", ...)
        if not isinstance(rows, list):
            raise self._malformed(f"inventorySummaries is {_state(rows)}")
        envelope = document.keys() - {"payload", "pagination", "errors"}
        inside = payload.keys() - {"granularity", "inventorySummaries"}
        self.report_unknown(envelope | {f"payload.{name}" for name in inside})
        arrived = self.environment.clock.monotonic()
        return Found(
            rows,
            place=self._place_of(payload),
            token=self._token_of(document),
            date=answer.date(),
            arrived=arrived,
            born=arrived - answer.elapsed,
        )

    def _place_of(self, payload: dict[str, Any]) -> wire.Place:
        """The granularity, which must be the one that was asked for, where it is told."""
        told = _object(payload, "granularity", self._question)
        asked = {"granularityType": GRANULARITY, "granularityId": self._question.marketplace}
        for name, value in asked.items():
            if told.get(name) is not None and told[name] != value:
                raise self._malformed(f"granularity.{name} is not the one that was asked for")
        return wire.Place(
            self._question.marketplace, told.get("granularityType"), told.get("granularityId")
        )

    def _token_of(self, document: dict[str, Any]) -> str | None:
        """The next page's token; None, and nothing else, is the end of the walk."""
        pagination = document.get("pagination")
        if pagination is None:
            return None
        if not isinstance(pagination, dict):
            raise self._malformed(f"pagination is {_state(pagination)}")
        token = pagination.get("nextToken")
        if token is not None and not (isinstance(token, str) and can_be_encoded(token)):
            raise self._malformed(f"pagination.nextToken is {_state(token)}")
        return token or None

    def report_unknown(self, names: Collection[str]) -> None:
        """Say once what is sent and stands in no document: it is left out."""
        if new := set(names) - self._unknown:
            self._unknown |= new
            told = one_line(", ".join(sorted(new)))
            LOG.warning("%s: left out, not in the document: %s", STREAM, told)

    # ---- refusals ----

    def _malformed(self, message: str, advice: str | None = None) -> Malformed:
        return Malformed(message, place=self._question.place, advice=advice)

    def _disguised(self, document: dict[str, Any], answer: Answer) -> Exception:
        """What `errors` in an answer with status 200 mean: never a page without rows."""
        found = wire.failure(document)
        if found is None:
            return self._malformed(f"errors is {_state(document['errors'])}")
        said = _said(answer, found)
        LOG.info("%s: %s", self._question.place, said)
        restart = self._restart(found, answer)
        return restart or self._malformed(f"errors in a good answer ({said})", _both_causes(found))

    def _explain(self, answer: Answer) -> Exception | None:
        """What an answer other than 2xx means; None leaves it to the door."""
        found = wire.failure_of(answer.body)
        said = _said(answer, found)
        LOG.info("%s: %s", self._question.place, said)
        if answer.status in {401, 403}:
            return _forbidden(found, said, self._question.place)
        if answer.status == 404:
            return self._malformed(f"no such resource ({said})", f"Check {NAMES.api_url}")
        if answer.status != 400 or found is None:
            return None
        return self._restart(found, answer) or self._bad_request(found, said)

    def _restart(self, found: wire.Failure, answer: Answer) -> Exception | None:
        words = found.words.lower()
        if "next token" in words and self._question.token is not None:
            sent = self.environment.clock.monotonic() - answer.elapsed
            return TokenRefused(found.words, young=sent - self._question.born < YOUNG)
        if "cannot not be earlier" in words and self._question.start is not None:
            return TooLongAgo(found.words)
        return None

    def _bad_request(self, found: wire.Failure, said: str) -> InventoryError:
        invalid = "InvalidInput" in found.codes and "next token" not in found.words.lower()
        # What a page was good for before cannot be the fault of the configuration.
        if invalid and self._question.token is None and "[startDateTime]" not in found.words:
            return ConfigError(
                f"the request is refused ({said})",
                place=self._question.place,
                advice=_both_causes(found),
            )
        return self._malformed(f"the request is refused ({said})")

    # ---- writing ----

    def write(self, order: Order) -> None:
        """Carry out one order of "createInventoryItem", "addInventory" or "deleteInventoryItem".

        Only an answer that says so counts as done: status 200 with an object without `errors`, and
        for a delete the documented 404, for an item that is not there is what was wanted. An order
        with a token, and a delete, is sent again within the budget as it is; nothing else is. What
        no answer was understood of is never taken for done, nor for refused.

        Raises:
            ConfigError: this is not the provider's sandbox; nothing was requested.
            Rejected: the provider refuses the item, with status 400 or 404 or with `errors`.
            Denied, Malformed: the provider refuses the request, whatever the item.
            Unavailable: an order that may be sent again had no good answer in the whole budget.
            Uncertain: any other had none, or several answers came that cannot be understood.
        """
        writes.permit(self.settings)
        door = self._door_for_writes()
        before = door.requests
        try:
            door.json(_call(order), _written)
        except NotThere:
            if order.method != "DELETE":
                raise
        except Malformed as error:
            # The door's word for several answers that came and could not be read; where nothing was
            # sent, they were those of the sign-in.
            if door.requests == before or not isinstance(error.__context__, Garbled):
                raise
            text = f"a write was sent and its outcome is not known ({error.message})"
            raise Uncertain(text, place=NAME) from None

    def _door_for_writes(self) -> Door:
        if self._writing is None:
            self._writing = Door(
                self.settings.base_url,
                names=NAMES,
                environment=self.environment,
                sign=lambda call: self._signed(call, None),
                renew=self._sign_in.forget,
                explain=_refused,
                pace=self._pace(),
            )
        return self._writing


def _check_user_agent(agent: str | None) -> None:
    if agent is not None and len(agent) > LONGEST_USER_AGENT:
        raise ConfigError(
            f"user_agent must not be longer than {LONGEST_USER_AGENT} characters for {NAME}",
            place="configuration",
        )


def _forbidden(found: wire.Failure | None, said: str, place: str) -> Exception:
    """403 is many things: a token that has ended, a marketplace of somebody else, a defect."""
    if found is None:
        return NAMES.denied(said)
    if "MissingAuthenticationToken" in found.codes:
        return Malformed(f"the access token did not arrive ({said})", place=place)
    details = found.details.lower()
    if any(word in details for word in ("expired", "revoked", "malformed")):
        return SignInAgain(NAMES.denied(said))
    return Denied(
        f"this marketplace is refused ({said})",
        place=place,
        advice=(
            f"Check that each of {MARKETPLACES} belongs to the account and the region of "
            f"{NAMES.sign_in}, and that the app has the role Product Listing"
        ),
        partly=True,
    )


def _call(order: Order) -> Call:
    """An order as a request; one that the provider carries out once may be sent again."""
    return Call(
        order.method,
        order.path,
        encoded=order.body or None,
        headers={} if order.token is None else {"x-amzn-idempotency-token": order.token},
        repeatable=order.token is not None or order.method == "DELETE",
    )


def _written(document: Any, answer: Answer) -> None:
    """Whether an answer with status 200 says that a write is done."""
    if not isinstance(document, dict):
        raise Garbled(f"the answer is {_kind(document)}, no object")
    errors = document.get("errors")
    if errors is None or errors == []:
        return
    found = wire.failure(document)
    if found is None:
        raise Garbled(f"errors is {_state(errors)}")
    said = _said(answer, found)
    LOG.info("%s: %s", NAME, said)
    if PASSING_CODES.intersection(found.codes):
        raise TryAgain(said)
    raise _rejected(said)


def _refused(answer: Answer) -> Exception | None:
    """What an answer other than 2xx to a write means; None leaves it to the door.

    A 404 without the documented body may be that of any host: nothing is deleted by it.
    """
    found = wire.failure_of(answer.body)
    said = _said(answer, found)
    LOG.info("%s: %s", NAME, said)
    if answer.status in {401, 403}:
        return _forbidden(found, said, NAME)
    kind = {400: Rejected, 404: NotThere}.get(answer.status)
    return None if found is None or kind is None else _rejected(said, kind)


def _rejected(said: str, kind: type[Rejected] = Rejected) -> Rejected:
    return kind(f"the provider refused it ({said})", place=NAME)


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _state(value: Any) -> str:
    return "missing" if value is ... else f"{_kind(value)}, not as documented"


def _object(holder: dict[str, Any], name: str, question: Question) -> dict[str, Any]:
    found = holder.get(name, ...)
    if not isinstance(found, dict):
        raise Malformed(f"{name} is {_state(found)}", place=question.place)
    return found


def _said(answer: Answer, found: wire.Failure | None) -> str:
    """An answer for a message: status, the provider's words, and the id that its support wants."""
    parts = [f"HTTP {answer.status}", found.words if found else ""]
    request = one_line(answer.headers.get("x-amzn-requestid", ""))
    parts.append(f"request id {request}" if request else "")
    return ", ".join(part for part in parts if part)


def _both_causes(found: wire.Failure) -> str | None:
    if "InvalidInput" not in found.codes:
        return None
    return (
        f"Either {MARKETPLACES} has an id that is none of this account, or the seller has nothing "
        "in FBA there, which is answered in the same way: check the ids and remove that one"
    )


# ---- reading -------------------------------------------------------------------------------------


def partitions(settings: AmazonFbaSettings) -> list[dict[str, str]]:
    """Each marketplace is read by itself, and has a bookmark of its own."""
    return [{"marketplace_id": marketplace} for marketplace in settings.marketplace_ids]


def read_summaries(session: AmazonFba, request: ReadRequest) -> Iterator[Page]:
    """Every row of one marketplace, or those changed since the bookmark.

    Nothing is emitted before the walk is complete. `start_date` bounds incremental reads only: the
    first is of everything, because changes of inbound quantities cannot be asked for.

    Raises:
        ConfigError, Denied, Malformed, Unavailable: as their names say; for this marketplace only
            where it is not the sign-in.
    """
    marketplace = request.partition["marketplace_id"]
    now = session.environment.clock.now().replace(microsecond=0)
    if request.limit is not None:
        yield _first_rows(session, marketplace, request.limit, now)
    else:
        yield from _Walk(session, Question(marketplace, _start(request, now)), now).pages()


def levels(_: AmazonFba) -> LevelsOf:
    """The level that each summary tells, in the marketplace that it was asked for."""
    return LevelsOf(lambda record: (wire.to_level(record),))


def _start(request: ReadRequest, now: datetime) -> str | None:
    """`startDateTime`, or None for everything."""
    bound = None if request.full or request.since is None else request.lower_bound
    if bound is None or bound < now - OLDEST:
        return None
    # Z, for the plus sign of an offset would have to be escaped.
    return times.rfc3339(bound.astimezone(UTC).replace(microsecond=0))


def _began(now: datetime, found: Found) -> datetime:
    """When a walk began: by our clock or the provider's, whichever is behind."""
    return now if found.date is None else min(now, found.date)


def _first_rows(session: AmazonFba, marketplace: str, limit: int, now: datetime) -> Page:
    found = session.ask(Question(marketplace))
    keep = _Kept(Spool())
    with keep.spool:
        keep.take(found, found.rows[:limit])
        return keep.page([line for line, _ in keep.spool], _began(now, found))


@dataclass(slots=True, kw_only=True)
class _Fetched(ABC):
    """What one walk has come across so far; `idle` are the last pages without a new SKU."""

    unknown: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    pages: int = 0
    idle: int = 0

    @abstractmethod
    def take(self, found: Found, rows: Sequence[Any]) -> None:
        """Keep the rows of a page."""


@dataclass(slots=True)
class _Kept(_Fetched):
    """What a walk over a marketplace has fetched so far: one row per SKU, the last one."""

    spool: Spool[int]
    twins: int = 0
    unlike: int = 0
    nameless: int = 0
    first_nameless: str = ""

    def take(self, found: Found, rows: Sequence[Any]) -> None:
        """Keep them in the spool."""
        self.pages += 1
        known = len(self.spool)
        for raw in rows:
            key = wire.key_of(raw)
            if key is None:
                self.nameless += 1
                self.first_nameless = self.first_nameless or wire.described(raw)
            else:
                row = wire.to_row(raw, found.place)
                self.unknown |= row.unknown
                self._put(key, row)
        self.idle = 0 if len(self.spool) > known else self.idle + 1

    def _put(self, key: str, row: wire.Row) -> None:
        label = hash(row.label)
        if key in self.spool:
            self.twins += 1
            self.unlike += self.spool.mark(key) != label
        self.spool.put(key, row.line, label)

    @staticmethod
    def page(lines: list[bytes], began: datetime) -> Page:
        """These rows as they are emitted."""
        synced_at = b',"synced_at":"' + times.rfc3339(began).encode() + b'"}'
        return Page([line[:-1] + synced_at for line in lines])


class _Walk:
    """One question from its first page to its last, begun again when its token dies."""

    def __init__(self, session: AmazonFba, first: Question, now: datetime) -> None:
        self._session, self._first, self._now = session, first, now
        self._began: datetime | None = None
        self._refused_young_at = 0
        self._restarts = 0

    def pages(self) -> Iterator[Page]:
        """All rows, then the bookmark."""
        while True:
            with Spool[int]() as spool:
                kept = _Kept(spool)
                if self._completes(kept):
                    yield from self._emit(kept)
                    return

    def levels(self) -> dict[str, Fields]:
        """The live values of the SKUs that were asked for, as far as they are there."""
        while True:
            live = _Live(frozenset(self._first.skus))
            if self._completes(live):
                live.report(self._first.place)
                return live.levels

    def _completes(self, kept: _Fetched) -> bool:
        """Fetch every page; where it is false, it has to be begun again with nothing of this."""
        trouble = self._trouble(kept)
        if trouble is None:
            return True
        if self._restarts == MOST_RESTARTS:
            trouble.message += f", in the last of {self._restarts + 1} walks"
            raise trouble
        self._restarts += 1
        LOG.warning(
            "%s: %s; reading it again from its first page", self._first.place, trouble.message
        )
        return False

    def _trouble(self, kept: _Fetched) -> InventoryError | None:
        """Fetch every page; what came in between, where a new walk may help."""
        try:
            self._fetch(kept)
        except TokenRefused as refused:
            self._must_have_ended(refused, kept.pages)
            text = f"the page token has ended ({refused.words})"
            return Unavailable(text, place=self._first.place)
        except TooLongAgo as refused:
            self._first = replace(self._first, start=None)
            return Malformed(f"startDateTime is refused ({refused})", place=self._first.place)
        except Unavailable as error:
            # Without a token the whole budget was spent already.
            if not kept.pages:
                raise
            return error
        return None

    def _fetch(self, kept: _Fetched) -> None:
        question = self._first
        while True:
            found = self._session.ask(question)
            self._began = self._began or _began(self._now, found)
            kept.take(found, found.rows)
            if kept.idle > MOST_IDLE_PAGES:
                raise Malformed(f"{kept.idle} pages in a row have no new SKU", place=question.place)
            self._session.report_unknown(kept.unknown)
            if found.token is None:
                return
            if found.token in kept.tokens:
                raise Malformed(
                    "the same page token came twice: this walk would never end",
                    place=question.place,
                )
            kept.tokens.add(found.token)
            question = replace(question, token=found.token, arrived=found.arrived, born=found.born)

    def _must_have_ended(self, refused: TokenRefused, page: int) -> None:
        """A token that is refused before its time, twice at the same page, has not ended."""
        if refused.young and self._refused_young_at == page:
            raise Malformed(
                f"a new page token is refused again and again ({refused.words})",
                place=self._first.place,
            )
        self._refused_young_at = page if refused.young else 0

    def _emit(self, kept: _Kept) -> Iterator[Page]:
        began = self._began or self._now
        self._report_twins(kept)
        lines: list[bytes] = []
        for line, _ in kept.spool:
            lines.append(line)
            if len(lines) == PAGE_OF_RECORDS:
                yield kept.page(lines, began)
                lines = []
        yield kept.page(lines, began)
        if kept.nameless:
            raise Malformed(
                f"{kept.nameless} rows have no sellerSku that is text, so no key (the first: "
                f"{kept.first_nameless})",
                place=self._first.place,
                advice="All others were read, the bookmark stays: ask the provider",
            )
        yield Page([], [], bookmark=began)

    def _report_twins(self, kept: _Kept) -> None:
        if kept.twins:
            LOG.warning(
                "%s: %d rows came twice in one walk, %d of them with another fnSku or condition; "
                "the last one wins",
                self._first.place,
                kept.twins,
                kept.unlike,
            )


# ---- live levels ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Live(_Fetched):
    """The live values of some SKUs; of two rows for one of them, the last."""

    wanted: frozenset[str]
    levels: dict[str, Fields] = field(default_factory=dict)
    twins: int = 0

    def take(self, found: Found, rows: Sequence[Any]) -> None:  # noqa: ARG002
        """Keep the values of the rows that were asked for; others are sent, too."""
        self.pages += 1
        known = len(self.levels)
        for raw in rows:
            key = wire.key_of(raw)
            if key in self.wanted:
                self.twins += key in self.levels
                self.levels[key] = wire.level_of(raw)
        self.idle = 0 if len(self.levels) > known else self.idle + 1

    def report(self, place: str) -> None:
        """Say that a SKU has several rows, as one in two conditions would."""
        if self.twins:
            LOG.warning("%s: %d SKUs have a second row; the last one wins", place, self.twins)


def read_levels(session: AmazonFba, keys: Collection[Key]) -> Mapping[Key, Fields]:
    """The live values of these items; one that does not exist is left out.

    They are `fulfillable_quantity`, `total_quantity` and `last_updated_time`, each None where it
    is not sent. An item that cannot be asked for, because its SKU cannot be sent, is left out, too.

    Raises:
        ConfigError, Denied, Malformed, Unavailable: as their names say.
    """
    now = session.environment.clock.now()
    found: dict[Key, Fields] = {}
    for marketplace, group in groupby(sorted(set(keys)), key=lambda key: key[0]):
        for skus in _lists([sku for _, sku in group if writes.is_sendable(sku)]):
            live = _Walk(session, Question(marketplace, skus=skus), now).levels()
            found |= {(marketplace, sku): level for sku, level in live.items()}
    return found


def _lists(skus: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Lists that can stand in one address; a SKU that no list can hold is alone."""
    several: list[str] = []
    length = 0
    for sku in skus:
        if _is_alone(sku):
            yield (sku,)
            continue
        more = len(quote(f",{sku}", safe=""))
        if len(several) == MOST_SKUS or (several and length + more > LONGEST_LIST):
            yield tuple(several)
            several, length = [], 0
        several.append(sku)
        length += more
    if several:
        yield tuple(several)


def _is_alone(sku: str) -> bool:
    """Whether a list might change a SKU: its comma, quotes, line ends, or blanks at its ends."""
    return "," in sku or '"' in sku or sku != sku.strip() or not sku.isprintable()
