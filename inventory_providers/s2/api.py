"""S2 over the wire: signing in, and the one request that all three streams are read from.

Source: "Get Inventory List API". How to sign in and what an error looks like stands on other pages
of the same site. The answer is one object with three lists and can be large: it is kept in a file.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import weakref
from array import array
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from inventory_providers import redaction
from inventory_providers.contract import LevelsOf, Page, Session, earlier
from inventory_providers.errors import ConfigError, Denied, InventoryError, Malformed
from inventory_providers.http import PASSING, Call, Door, Names, SignInAgain, TryAgain
from inventory_providers.jsonio import NotJson, encode, loads
from inventory_providers.once import all_rows, each_once
from inventory_providers.s2 import wire
from inventory_providers.spool import Scratch, no_room
from inventory_providers.stored import Rows
from inventory_providers.values import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from inventory_providers.contract import ReadRequest
    from inventory_providers.environment import Environment
    from inventory_providers.http import Answer
    from inventory_providers.once import Reader
    from inventory_providers.s2.settings import S2Settings
    from inventory_providers.s2.wire import Named, Row

NAME = "s2"
LOGIN = "/login"
OVERVIEW = "/inventory/overview"
LISTS = ("warehouses", "products", "items")
LOG = logging.getLogger(f"inventory.{NAME}")

TOKEN_LIFE = timedelta(days=7)
# A token that ends sooner than this is replaced before it is used.
TOKEN_MARGIN = timedelta(hours=1)
# The whole inventory in one answer takes its time: five times what is usual.
PATIENCE = 5.0
PAGE_OF_RECORDS = 500
# Other endpoints of this provider cut their lists there.
SUSPICIOUS = 100
# The provider's clock is told in whole seconds, and need not be that of its database.
CLOCKS_DIFFER = timedelta(minutes=10)


def connect(settings: S2Settings, environment: Environment) -> S2:
    """A session with one organization. Nothing is requested yet."""
    return S2(settings, environment)


class S2(Session):
    """One user's view of the inventory, fetched once per run."""

    def __init__(self, settings: S2Settings, environment: Environment) -> None:
        self.settings = settings
        self.environment = environment
        with_login = settings.access_token is None
        names = Names(NAME, ("email", "password") if with_login else ("access_token",))
        self._names = names
        self._door = Door(
            settings.api_url,
            names=names,
            environment=environment,
            sign=self._sign,
            renew=self._sign_in if with_login else None,
            explain=self._explain,
        )
        self._login = Door(
            settings.api_url, names=names, environment=environment, explain=self._explain_login
        )
        self._file = Scratch()
        # Whoever forgets to close a session leaves no file open.
        weakref.finalize(self, self._file.close)
        self._overview: Overview | None = None
        self._products: Products | None = None
        self._levels: wire.Levels | None = None
        self._failure: InventoryError | None = None
        self._token = _secret(settings.access_token)
        self._token_ends: datetime | None = None
        self._organizations: list[str] = []

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._door.requests + self._login.requests

    def close(self) -> None:
        """Let go of the connections and of the file."""
        self._door.close()
        self._login.close()
        self._file.close()
        if self._products is not None:
            self._products.close()

    # ---- signing in ----

    def _sign(self, call: Call) -> Call:
        headers = {**call.headers, "Authorization": f"Bearer {self._present_token()}"}
        if self.settings.organization_id is not None:
            headers["X-S2-Organization"] = self.settings.organization_id
        return replace(call, headers=headers)

    def _present_token(self) -> str:
        now = self.environment.clock.now()
        is_over = self._token_ends is not None and self._token_ends - now < TOKEN_MARGIN
        if self._token is None or is_over:
            self._sign_in()
        assert self._token is not None
        return self._token

    def _sign_in(self) -> None:
        """Get a token for the email and the password.

        Raises:
            Denied: they are refused, whatever the HTTP status.
            ConfigError: `organization_id` is missing or is none of the user's.
        """
        document = {"email": self.settings.email, "password": _secret(self.settings.password)}
        call = Call("POST", LOGIN, document=document, signed=False)
        self._token, user = self._login.json(call, self._signed_in)
        redaction.register(self._token)
        self._token_ends = _end_of(self._token) or self.environment.clock.now() + TOKEN_LIFE
        self._choose_organization(user)

    def _signed_in(self, document: Any, _: Answer) -> tuple[str, dict[str, Any]]:
        answer = document if isinstance(document, dict) else {}
        token, user = answer.get("accessToken"), answer.get("user")
        user = user if isinstance(user, dict) else {}
        if answer.get("type") != "SUCCESS":
            said = answer.get("message") or user.get("inactiveReason")
            raise self._names.denied(
                _cause(f"type {one_line(answer.get('type')) or 'missing'}", said)
            )
        if not isinstance(token, str) or not token:
            raise self._names.denied("accessToken missing")
        return token, user

    def _choose_organization(self, user: dict[str, Any]) -> None:
        memberships = user.get("organizations")
        if not isinstance(memberships, list):
            return  # the provider's answer to the header will say what is wrong with it
        known = dict(_organizations(memberships))
        self._organizations = [f"{one_line(name)} ({one_line(key)})" for key, name in known.items()]
        wanted = self.settings.organization_id
        place = f"{NAME}.organization_id"
        if wanted is None and len(known) > 1:
            raise ConfigError(
                f"is missing: the user belongs to {self._of_user()}",
                place=place,
                advice="Set it to the one to read",
            )
        if wanted is not None and wanted not in known:
            raise ConfigError(
                f"is none of the user's organizations: {self._of_user()}",
                place=place,
                advice="Set it to one of them",
            )

    def _of_user(self) -> str:
        return ", ".join(self._organizations) or "none"

    def _explain_login(self, answer: Answer) -> Exception | None:
        if answer.status in {400, 401, 403}:
            return self._names.denied(_cause(f"HTTP {answer.status}", _message(answer.body)))
        return self._of_others(answer)

    # ---- reading ----

    def _explain(self, answer: Answer) -> Exception | None:
        cause = _cause(f"HTTP {answer.status}", _message(answer.body))
        if answer.status == 401:
            denied = self._names.denied(cause)
            if self.settings.access_token is not None:
                denied.advice = f"Check {NAME}.access_token; a token lives seven days"
            return SignInAgain(denied)
        if answer.status in {400, 403}:
            return self._of_organization(answer.status, cause)
        return self._of_others(answer)

    def _of_others(self, answer: Answer) -> Exception | None:
        """As the door takes them, with what the provider says."""
        said = _message(answer.body)
        if not said or answer.status < 400:
            return None
        cause = _cause(f"HTTP {answer.status}", said)
        if answer.status in PASSING or answer.status >= 500:
            return TryAgain(cause)
        return Malformed(cause, advice=f"Check {self._names.api_url}")

    def _of_organization(self, status: int, cause: str) -> InventoryError:
        """The organization is wrong or missing, or the user may not read it."""
        those = f" (the user's are {self._of_user()})" if self._organizations else ""
        advice = f"Check {NAME}.organization_id{those}"
        if status == 400:
            return ConfigError(f"the request was refused ({cause})", place=NAME, advice=advice)
        advice += f", and whether {self._names.sign_in} may read the inventory"
        return Denied(f"access refused ({cause})", place=NAME, advice=advice)

    def overview(self) -> Overview:
        """The one answer of this run, fetched when it is first asked for.

        Raises:
            InventoryError: it could not be had; the same for each stream, without a new request.
        """
        if self._failure is not None:
            raise copy(self._failure)
        if self._overview is None:
            try:
                self._overview = self._fetch()
            except InventoryError as error:
                # A copy: the tap writes into the other for which stream it was.
                self._failure = copy(error)
                raise
        return self._overview

    def _fetch(self) -> Overview:
        call = Call("GET", OVERVIEW, patience=PATIENCE)
        check = partial(self._checked, self.environment.clock.now())
        return self._door.stored(call, check, file=self._file, arrays=LISTS)

    def _checked(self, asked: datetime, document: Any, answer: Answer) -> Overview:
        if not isinstance(document, dict):
            raise Malformed(f"{LISTS[0]} is missing: the answer is {type(document).__name__}")
        for name in LISTS:
            _check_list(name, document)
        unknown = document.keys() - set(LISTS)
        if unknown:
            names = one_line(", ".join(sorted(unknown)))
            LOG.warning("%s: left out, not in the document: %s", NAME, names)
        lists = {name: document[name] for name in LISTS}
        if not any(map(len, lists.values())):
            LOG.warning("%s: the inventory is empty; is %s.organization_id right?", NAME, NAME)
        return Overview(lists, answer.date() or self.environment.clock.now(), asked)

    def levels(self) -> LevelsOf:
        """How items become levels, with what the lists of products and warehouses say of them.

        Raises:
            InventoryError: one of the two cannot be read.
        """
        overview = self.overview()
        with _in_list("products"):
            self._products = self._products or Products(overview.lists["products"])
        with _in_list("warehouses"):
            pieces = overview.lists["warehouses"].pieces()
            places = {one.id: one.name for piece in pieces for one in wire.named(piece)}
        self._levels = wire.Levels(self._products.get, places)
        return LevelsOf(self._levels.of, overview.asked)

    def report_levels(self) -> None:
        """Say, at the end of a read, what its levels lack."""
        if self._levels is not None:
            self._levels.report()
        self._levels = None


class Overview:
    """The answer: its three lists, the provider's clock when it came, and ours before."""

    def __init__(
        self, lists: dict[str, Rows], clock: datetime, asked: datetime | None = None
    ) -> None:
        self.lists = lists
        self.clock = clock
        self.asked = asked


# Of the hash of an id: so many bits stand in its slot, the others say which slot that is.
TAG_BITS = 24
TAG = (1 << TAG_BITS) - 1
# Bytes: what is known of a product is seldom longer.
GLANCE = 512


class Products:
    """The products by id, of those with one id the last. In memory are at most 32 bytes of each."""

    def __init__(self, rows: Rows) -> None:
        self._file = Scratch()
        # Whoever forgets to close it leaves no file open.
        weakref.finalize(self, self._file.close)
        self._end = self._flushed = 0
        # At most half of the slots are taken: by a place in the file, the tag behind it; 0 is free.
        self._slots = array("Q", [0]) * (1 << (2 * len(rows)).bit_length())
        try:
            for piece in rows.pieces():
                for product in wire.named(piece):
                    self._put(product)
            self._file.flush()
            self._flushed = self._end
        except OSError as error:
            raise no_room(error) from None

    def get(self, key: str) -> Named | None:
        """The product with this id, if there is one."""
        try:
            return self._find(key)[1]
        except OSError as error:
            raise no_room(error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _put(self, product: Named) -> None:
        slot, _ = self._find(product.id)
        line = encode(tuple(product)) + b"\n"
        self._file.write(line)
        self._slots[slot] = (self._end + 1) << TAG_BITS | hash(product.id) & TAG
        self._end += len(line)

    def _find(self, key: str) -> tuple[int, Named | None]:
        """The slot of an id, and the product that is in it."""
        number, last = hash(key), len(self._slots) - 1
        slot = number >> TAG_BITS & last
        while entry := self._slots[slot]:
            if entry & TAG == number & TAG:
                product = self._at((entry >> TAG_BITS) - 1)
                if product.id == key:
                    return slot, product
            slot = slot + 1 & last
        return slot, None

    def _at(self, place: int) -> Named:
        if place >= self._flushed:
            self._file.flush()
            self._flushed = self._end
        # Not by seeking: that would fill a buffer each time.
        size, end = GLANCE, -1
        while end < 0:
            text = os.pread(self._file.fileno(), size, place)
            size, end = size * 8, text.find(b"\n")
        return wire.Named(*loads(text[:end]))


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _check_list(name: str, document: dict[str, Any]) -> None:
    rows = document.get(name, ...)
    if not isinstance(rows, Rows):
        state = "missing" if rows is ... else f"{type(rows).__name__}, not a list"
        raise Malformed(_cause(f"{name} is {state} in the answer", document.get("message")))
    if len(rows) == SUSPICIOUS:
        LOG.warning("%s: %s has just %d entries; was the list cut?", NAME, name, SUSPICIOUS)


def _message(body: bytes) -> Any:
    """The provider's own words, with the reference that its support asks for."""
    try:
        document = loads(body)
    except NotJson:
        return None
    return document.get("message") if isinstance(document, dict) else None


def _cause(what: str, said: Any) -> str:
    words = one_line(said).strip(" .")
    return f"{what}: {words}" if words else what


def _organizations(memberships: list[Any]) -> Iterator[tuple[str, str]]:
    for membership in memberships:
        one = membership.get("organization") if isinstance(membership, dict) else None
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"], str(one.get("name", ""))


def _end_of(token: str) -> datetime | None:
    """When a token ends by its own word; the signature is the provider's business."""
    try:
        payload = token.split(".")[1]
        claims = loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ends = claims["exp"]
        if isinstance(ends, bool) or not isinstance(ends, int | Decimal):
            return None
        return datetime.fromtimestamp(float(ends), UTC)
    except (IndexError, KeyError, TypeError, OverflowError, OSError, binascii.Error, ValueError):
        return None


def read_warehouses(session: S2, request: ReadRequest) -> Iterator[Page]:
    """Every warehouse."""
    yield from _read(session, request, "warehouses", wire.warehouses())


def read_products(session: S2, request: ReadRequest) -> Iterator[Page]:
    """Every product."""
    yield from _read(session, request, "products", wire.products())


def read_items(session: S2, request: ReadRequest) -> Iterator[Page]:
    """Every item, also of unknown products; with a bookmark those that changed since.

    The provider cannot filter: the request is the same, and `start` does not apply. An item
    without a time always comes.
    """
    yield from _read(session, request, "items", wire.ItemReader())
    session.report_levels()


@contextmanager
def _in_list(name: str) -> Iterator[None]:
    """Say in which list a row is wrong: the levels of items need the other two."""
    try:
        yield
    except Malformed as error:
        raise Malformed(f"{name}: {error.message}") from None


def levels(session: S2) -> LevelsOf:
    """The level that each item tells."""
    return session.levels()


def _read(session: S2, request: ReadRequest, name: str, reader: Reader[Row]) -> Iterator[Page]:
    overview = session.overview()
    rows = overview.lists[name]
    if request.limit is not None:
        yield _page(list(islice(all_rows(rows, reader), request.limit)))
        return
    bookmark = _Bookmark(name, overview.clock + min(request.lookback, CLOCKS_DIFFER))
    bound = _bound(request)
    page: list[Row] = []
    for row in each_once(rows, reader, name=f"{NAME}: {name}"):
        bookmark.take(row.moment)
        if bound is None or row.moment is None or row.moment >= bound:
            page.append(row)
        if len(page) == PAGE_OF_RECORDS:
            yield _page(page)
            page = []
    yield _page(page, bookmark.value)


def _bound(request: ReadRequest) -> datetime | None:
    """What changed before it is left out; None for nothing."""
    if request.full or request.since is None:
        return None
    return earlier(request.since, request.lookback)


def _page(rows: list[Row], bookmark: datetime | None = None) -> Page:
    return Page([row.line for row in rows], [row.moment for row in rows], bookmark)


class _Bookmark:
    """The largest time that is not ahead of the provider's clock: tomorrow must not be hidden."""

    def __init__(self, name: str, latest: datetime) -> None:
        self._name, self._latest = name, latest
        self._warned = False
        self.value: datetime | None = None

    def take(self, moment: datetime | None) -> None:
        """Count a row's time in."""
        if moment is None or (self.value is not None and moment <= self.value):
            return
        if moment > self._latest:
            if not self._warned:
                LOG.warning(
                    "%s: a row of %s is dated in the future (%s); it does not move the bookmark",
                    NAME,
                    self._name,
                    moment.isoformat(),
                )
            self._warned = True
            return
        self.value = moment
