"""The one door to the network, and the only importer of httpx.

Per request: credentials are put in at the last moment, the pace is kept, the answer is read within
a total deadline and a size cap, decoded strictly, and handed to the room's own check, for a 200 is
not yet a success. What may be repeated is repeated within a budget, `Retry-After` obeyed. Redirects
are not followed, and neither proxies nor `.netrc` are taken from the environment: both would carry
credentials to somebody else.
"""

from __future__ import annotations

import logging
import platform
import ssl
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self, TypeVar
from urllib.parse import quote, urlencode

import httpcore
import httpx

from inventory_providers import redaction
from inventory_providers.environment import DISTRIBUTION, Environment, Policy
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    Unavailable,
    Uncertain,
)
from inventory_providers.jsonio import NotJson, dumps, loads
from inventory_providers.sockets import Deadlines
from inventory_providers.spool import no_room
from inventory_providers.stored import load

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType

    from inventory_providers.pacing import Pace

T = TypeVar("T")

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_TAKEN = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Call:
    """One request, without credentials. `repeatable` is false for what changes stock.

    `document` is sent as JSON; `encoded` is JSON already. `signed` is false for the sign-in itself.
    `patience` multiplies the times that one try may take; `budget` are the seconds for all tries,
    where they are fewer than the policy's.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    form: Sequence[tuple[str, str]] | None = None
    document: Any = None
    encoded: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    signed: bool = True
    patience: float = 1.0
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case; `elapsed` is in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed: float

    def date(self) -> datetime | None:
        """The provider's clock by its `Date` header, in UTC, where it sent one."""
        return _moment(self.headers.get("date", ""))


class TryAgain(Exception):
    """A passing fault: the same request may be sent again.

    `sent` says that the provider may have carried it out, `silent` that it did not even answer.
    """

    def __init__(
        self, cause: str, *, after: float | None = None, sent: bool = True, silent: bool = False
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.after = after
        self.sent = sent
        self.silent = silent


class Garbled(TryAgain):
    """An answer came in full and cannot be read."""


class SignInAgain(Exception):
    """A token or session has ended. `denied` is what it means when a new one does not help."""

    def __init__(self, denied: Denied) -> None:
        super().__init__(denied.message)
        self.denied = denied


@dataclass(frozen=True, slots=True)
class Names:
    """How messages call the settings that the user can change."""

    provider: str
    credentials: Sequence[str]

    @property
    def api_url(self) -> str:
        """The setting that says where the provider lives."""
        return f"{self.provider}.api_url"

    @property
    def sign_in(self) -> str:
        """The settings to check when the sign-in is refused."""
        return " and ".join(f"{self.provider}.{name}" for name in self.credentials)

    def denied(self, cause: str) -> Denied:
        """The sign-in was refused; the advice names the settings to check."""
        return Denied(
            f"sign-in refused ({cause})", place=self.provider, advice=f"Check {self.sign_in}"
        )


class Door:
    """All requests to one provider. Safe to use from several threads at once.

    `sign` puts the credentials into a call just before it is sent; `renew` gets new ones after a
    401, once per call, where the provider knows such a thing. `explain` says what an answer other
    than 2xx means in the provider's own words: an exception to raise, or None for what is usual.
    After a call was given up as unavailable the next ones are tried once only, until one succeeds:
    a provider that is down shall not take its whole budget for each of its streams.
    """

    def __init__(
        self,
        base_url: str,
        *,
        names: Names,
        environment: Environment,
        sign: Callable[[Call], Call] = lambda call: call,
        renew: Callable[[], None] | None = None,
        explain: Callable[[Answer], Exception | None] = lambda _: None,
        pace: Pace | None = None,
        policy: Policy | None = None,
        passing: frozenset[int] = PASSING,
    ) -> None:
        # Here too, and not only in our commands: a host that embeds us logs what httpx says.
        redaction.guard_logging()
        self.names = names
        self.requests = 0
        self._base = base_url.rstrip("/")
        self._environment = environment
        self._policy = policy or environment.policy
        self._sign, self._renew, self._explain = sign, renew, explain
        self._pace, self._passing = pace, passing
        self._is_down = False
        self._log = logging.getLogger(f"inventory.{names.provider}")
        self._closed = False
        self._deadlines = Deadlines(environment.clock.monotonic)
        self._client = _client(base_url, self._policy, environment.user_agent, self._deadlines)
        # Whoever forgets to close a session leaves no socket behind.
        weakref.finalize(self, self._deadlines.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, also those that other threads wait on; they give up."""
        self._closed = True
        self._deadlines.close()
        self._client.close()

    def json(self, call: Call, check: Callable[[Any, Answer], T]) -> T:
        """Send `call`, decode the answer, return what `check` makes of it.

        `check` gets the decoded document; it raises `Malformed`, `Denied` or `Rejected` for what
        the provider says in a good envelope, `TryAgain` for what may pass.

        Raises:
            Denied, Malformed, Unavailable: as their names say, after the retries that make sense.
            Uncertain: for a call that is not `repeatable`, when it was sent and no answer came.
        """
        return self._tries(call, lambda answer: check(self._document(answer), answer))

    def plain(self, call: Call, check: Callable[[Answer], T]) -> T:
        """As `json`, with the answer as it came."""
        return self._tries(call, check)

    def stored(
        self,
        call: Call,
        check: Callable[[Any, Answer], T],
        *,
        file: IO[bytes],
        arrays: Collection[str],
    ) -> T:
        """As `json`, with the body in `file` and its `arrays` left there (see `stored.Rows`)."""

        def read(answer: Answer) -> T:
            try:
                document = load(file, arrays)
            except NotJson as error:
                raise Garbled(_describe(_beginning(file)) or f"not JSON: {error}") from None
            return check(document, answer)

        return self._tries(call, read, file)

    def _document(self, answer: Answer) -> Any:
        try:
            return loads(answer.body)
        except NotJson as error:
            what = _describe(answer.body) or f"not JSON: {error}"
            raise Garbled(what) from None

    def _tries(self, call: Call, check: Callable[[Answer], T], file: IO[bytes] | None = None) -> T:
        attempt = _Attempt(self._environment, self._policy, call.budget)
        renew = self._renew if call.signed else None
        while True:
            try:
                found = check(self._once(call, file))
            except TryAgain as trouble:
                self._wait_or_give_up(call, trouble, attempt)
            except SignInAgain as again:
                if renew is None:
                    again.denied.in_doubt = attempt.sent
                    raise again.denied.at(self.names.provider) from None
                renew()
                renew = None
            except InventoryError as error:
                error.in_doubt = attempt.sent
                raise
            else:
                self._is_down = False
                return found

    def _wait_or_give_up(self, call: Call, trouble: TryAgain, attempt: _Attempt) -> None:
        attempt.silent |= trouble.silent
        attempt.sent |= trouble.sent
        if not call.repeatable and trouble.sent:
            raise self._uncertain(trouble)
        wait = None if self._closed or self._is_down else attempt.next_wait(trouble)
        if wait is None:
            # Neither a short budget of its own nor an answer that cannot be read is an outage.
            self._is_down |= call.budget is None and not isinstance(trouble, Garbled)
            self._give_up(trouble, attempt)
        hint = f" (check {self.names.api_url})" if _never_began(trouble) else ""
        self._log.warning(
            "%s: %s%s; trying again in %.0f s, for at most %.0f s",
            self.names.provider,
            trouble.cause,
            hint,
            wait,
            attempt.budget,
        )
        self._environment.clock.sleep(wait)

    def _uncertain(self, trouble: TryAgain) -> Uncertain:
        return Uncertain(
            f"a write was sent and its outcome is not known ({trouble.cause})",
            place=self.names.provider,
            silent=trouble.silent,
        )

    def _give_up(self, trouble: TryAgain, attempt: _Attempt) -> NoReturn:
        times = f", {attempt.count} times in {attempt.elapsed():.0f} s" if attempt.count > 1 else ""
        tried = f"{trouble.cause}{times}"
        if isinstance(trouble, Garbled):
            raise Malformed(
                f"the answer cannot be read: {tried}",
                place=self.names.provider,
                advice=f"Check {self.names.api_url}; if it is right, ask the provider",
            )
        raise Unavailable(
            tried,
            place=self.names.provider,
            silent=attempt.silent,
            advice=f"{Unavailable.usual_advice}; if it never worked, check {self.names.api_url}"
            if _never_began(trouble)
            else None,
        )

    def _once(self, call: Call, file: IO[bytes] | None) -> Answer:
        if self._pace is not None:
            self._pace.take()
        answer = self._send(self._sign(call) if call.signed else call, file)
        self._judge(answer, call)
        return answer

    def _send(self, call: Call, file: IO[bytes] | None) -> Answer:
        headers = _headers(call)
        if not all(map(str.isascii, headers.values())):
            raise self._unsendable()
        self.requests += 1
        start = self._environment.clock.monotonic()
        policy = self._policy
        try:
            with (
                self._deadlines.within(policy.deadline * call.patience),
                self._client.stream(
                    call.method,
                    self._base + call.path + ("?" + encode(call.query) if call.query else ""),
                    content=_body(call),
                    headers=headers,
                    timeout=_timeout(policy, call.patience),
                ) as response,
            ):
                body = self._read(response, file if response.is_success else None)
                elapsed = self._environment.clock.monotonic() - start
                return Answer(response.status_code, _lower(response.headers), body, elapsed)
        except httpx.HTTPError as error:
            raise self._translated(error) from None
        except httpx.InvalidURL:
            raise ConfigError("not a URL", place=self.names.api_url) from None

    def _read(self, response: httpx.Response, file: IO[bytes] | None) -> bytes:
        """The body, or nothing where it went into the file; what is no object stays here."""
        size, most = 0, self._policy.max_bytes if file is None else self._policy.max_file_bytes
        chunks: list[bytes] = []
        take = chunks.append if file is None else _into(file)
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > most:
                raise Malformed(
                    f"the answer is larger than {most // 2**20} MiB", place=self.names.provider
                )
            take(chunk)
        return b"".join(chunks)

    def _translated(self, error: httpx.HTTPError) -> Exception:
        """What an httpx error means. Its text is not used: it holds URLs."""
        if isinstance(error, httpx.DecodingError):
            return Garbled("the compressed body is broken")
        if isinstance(error, httpx.UnsupportedProtocol):
            return ConfigError("must be an https URL", place=self.names.api_url)
        if isinstance(error, httpx.LocalProtocolError):
            return self._unsendable()
        if reason := _tls_reason(error):
            return Malformed(
                f"no trusted TLS connection ({reason})",
                place=self.names.provider,
                advice=f"Check {self.names.api_url}",
            )
        sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return TryAgain(_CAUSES.get(type(error), "the connection broke"), sent=sent, silent=sent)

    def _unsendable(self) -> ConfigError:
        return ConfigError("a setting cannot be sent in a header", place=self.names.provider)

    def _judge(self, answer: Answer, call: Call) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        after = _retry_after(answer, self._environment)
        if (reason := self._explain(answer)) is not None:
            if isinstance(reason, TryAgain) and reason.after is None:
                reason.after = after
            raise reason.at(self.names.provider) if isinstance(reason, InventoryError) else reason
        if status in self._passing or status >= 500:
            raise TryAgain(f"HTTP {status}", after=after, sent=status not in _NOT_TAKEN)
        refusal = self._refusal(status).at(self.names.provider)
        if isinstance(refusal, Denied) and status == 401 and call.signed:
            raise SignInAgain(refusal)
        raise refusal

    def _refusal(self, status: int) -> InventoryError:
        if status in {401, 403}:
            return self.names.denied(f"HTTP {status}")
        if 300 <= status < 400:
            return Malformed(
                f"redirected (HTTP {status}); redirects are not followed, they would carry the "
                "credentials along",
                advice=f"Set {self.names.api_url} to the final address",
            )
        advice = f"Check {self.names.api_url}"
        return Malformed(f"HTTP {status} is not documented here", advice=advice)


class _Attempt:
    """Counts the tries of one call and says how long to wait before the next.

    `budget` are the seconds for all of them.
    """

    def __init__(self, environment: Environment, policy: Policy, budget: float | None) -> None:
        self._clock, self._random, self._policy = environment.clock, environment.random, policy
        self.budget = policy.budget if budget is None else min(budget, policy.budget)
        self._start = self._clock.monotonic()
        self.count = 0
        self.silent = self.sent = False

    def elapsed(self) -> float:
        """Seconds since the first try began."""
        return self._clock.monotonic() - self._start

    def next_wait(self, trouble: TryAgain) -> float | None:
        """Seconds to wait, or None when it is time to give up."""
        self.count += 1
        if isinstance(trouble, Garbled) and self.count >= self._policy.garbled:
            return None
        left = self.budget - self.elapsed()
        if left <= 0 or (trouble.after or 0) > left:
            return None
        nominal = min(self._policy.first_wait * 2 ** (self.count - 1), self._policy.longest_wait)
        jittered = nominal * self._random.uniform(0.5, 1.0)
        # A provider that says "at once", or a moment that has passed, is still given time.
        return float(max(min(jittered, left), trouble.after or 0.0, 0.01))


NO_CONNECTION = "no connection"
_CAUSES: dict[type[httpx.HTTPError], str] = {
    httpx.ConnectError: NO_CONNECTION,
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "the request was not taken in time",
    httpx.RemoteProtocolError: "the answer was cut off",
}
# OpenSSL calls it the one or, in newer versions, the other.
_TLS_REASONS = dict.fromkeys(
    ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"), "the server seems to speak no TLS there"
)


def _never_began(trouble: TryAgain) -> bool:
    """Whether nobody was there to be asked: then the address may be wrong."""
    return trouble.cause.startswith(NO_CONNECTION)


def _client(
    base_url: str, policy: Policy, user_agent: str | None, backend: Deadlines
) -> httpx.Client:
    # Loading the trusted certificates costs 30 ms: not for a sandbox on plain http.
    secure = base_url.startswith("https:")
    verify = httpx.create_ssl_context(trust_env=False) if secure else _no_tls()
    transport = httpx.HTTPTransport(verify=verify, trust_env=False)
    # httpx has no parameter for it; httpcore, which it stands on, has.
    transport._pool = httpcore.ConnectionPool(ssl_context=verify, network_backend=backend)  # noqa: SLF001
    return httpx.Client(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=_timeout(policy, 1.0),
        headers={"User-Agent": user_agent or default_user_agent(), "Accept": "application/json"},
    )


def _timeout(policy: Policy, patience: float) -> httpx.Timeout:
    idle, pool = policy.idle * patience, policy.deadline * patience
    return httpx.Timeout(idle, connect=policy.connect, pool=pool)


def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def default_user_agent() -> str:
    """What the requests call themselves where `user_agent` is not set."""
    return f"{DISTRIBUTION}/{version(DISTRIBUTION)} (Language=Python/{platform.python_version()})"


def encode(pairs: Sequence[tuple[str, str]]) -> str:
    """Query or form text; a blank is `%20`, which every server reads the same way."""
    return urlencode(pairs, quote_via=quote)


def _body(call: Call) -> bytes | None:
    if call.encoded is not None:
        return call.encoded.encode()
    if call.document is not None:
        return dumps(call.document)
    return None if call.form is None else encode(call.form).encode()


def _headers(call: Call) -> dict[str, str]:
    headers = dict(call.headers)
    if call.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if call.document is not None or call.encoded is not None:
        headers["Content-Type"] = "application/json"
    return headers


def _into(file: IO[bytes]) -> Callable[[bytes], None]:
    """Fill the file anew; an earlier try may have left something there."""
    file.seek(0)
    file.truncate()

    def take(chunk: bytes) -> None:
        try:
            file.write(chunk)
            # A full disk is found out here, and not where the file is read.
            file.flush()
        except OSError as error:
            raise no_room(error) from None

    return take


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _describe(body: bytes) -> str | None:
    if not body.strip():
        return "an empty answer"
    return "HTML instead of JSON" if body.lstrip()[:1] == b"<" else None


def _beginning(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(1024)


def _retry_after(answer: Answer, environment: Environment) -> float | None:
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    moment = _moment(text)
    if moment is None:
        return None
    return max((moment - environment.clock.now()).total_seconds(), 0.0)


def _moment(text: str) -> datetime | None:
    """The moment that a header holds, in UTC, which it also means without a zone; or None."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _tls_reason(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        # These two are a connection that broke while it was being made: passing.
        broken = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
        if isinstance(error, ssl.SSLError) and not broken:
            return _TLS_REASONS.get(error.reason, error.reason) or "handshake failed"
        error = error.__cause__ or error.__context__
    return None
