"""Login with Amazon (LWA): how to get an access token, and what its refusals mean.

It is no part of the inventory document: one host for all regions, one form, and errors that are
flat, not a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_providers import redaction
from inventory_providers.amazon_fba.settings import LWA_TOKEN, NAME
from inventory_providers.errors import Denied, Malformed, Unavailable
from inventory_providers.http import Call, Door, Names, TryAgain
from inventory_providers.jsonio import NotJson, loads
from inventory_providers.values import number, one_line

if TYPE_CHECKING:
    from inventory_providers.amazon_fba.settings import AmazonFbaSettings
    from inventory_providers.environment import Environment, Policy
    from inventory_providers.http import Answer

CREDENTIALS = ("client_id", "client_secret", "refresh_token")
# 20 seconds of the usual 60 for one try: a page token lives only 30.
PATIENCE = 1 / 3
RENEW_BEFORE = 60.0  # seconds before the access token's end
USUAL_LIFE = 3600


class _LwaNames(Names):
    """As for the API, at the address of Login with Amazon."""

    @property
    def api_url(self) -> str:
        """The setting that says where Login with Amazon lives."""
        return f"{self.provider}.lwa_url"


NAMES = Names(NAME, CREDENTIALS)
LWA_NAMES = _LwaNames(NAME, CREDENTIALS)

LWA_PASSING = frozenset({"server_error", "temporarily_unavailable"})
LWA_ADVICE = {
    "invalid_client": (
        f"Check {NAME}.client_id and {NAME}.client_secret; the secret must be rotated every 180 "
        "days, and an old one is refused"
    ),
    "invalid_grant": (
        f"Check {NAME}.refresh_token; if the seller has revoked it, let the app be authorized again"
    ),
}


class SignIn:
    """Login with Amazon: an access token, in memory only, renewed before its end."""

    def __init__(
        self, settings: AmazonFbaSettings, environment: Environment, policy: Policy
    ) -> None:
        self._settings, self._clock = settings, environment.clock
        self._token = ""
        self._good_until = 0.0
        self.door = Door(
            settings.lwa_url,
            names=LWA_NAMES,
            environment=environment,
            explain=_lwa_trouble,
            policy=policy,
        )

    def token(self, budget: float | None) -> str:
        """An access token that is still good; waiting for one ends after `budget` seconds.

        Raises:
            Denied: the sign-in is refused.
            Malformed, Unavailable: as their names say.
        """
        if not self._token or self._clock.monotonic() >= self._good_until:
            self._renew(budget)
        return self._token

    def forget(self) -> None:
        """The token is not good any more."""
        self._token = ""

    def _renew(self, budget: float | None) -> None:
        asked = self._clock.monotonic()
        call = Call(
            "POST", LWA_TOKEN, form=self._form(), signed=False, patience=PATIENCE, budget=budget
        )
        try:
            self._token, life = self.door.json(call, _granted)
        except (Malformed, Unavailable) as error:
            error.message = f"Login with Amazon: {error.message}"
            raise
        # Of a very short life half is used.
        self._good_until = asked + life - min(RENEW_BEFORE, life / 2)

    def _form(self) -> list[tuple[str, str]]:
        mine = self._settings
        return [
            ("grant_type", "refresh_token"),
            ("refresh_token", mine.refresh_token.get_secret_value()),
            ("client_id", mine.client_id),
            ("client_secret", mine.client_secret.get_secret_value()),
        ]


def _granted(document: Any, _answer: Answer) -> tuple[str, float]:
    """The token and its life in seconds, from an answer with status 200."""
    if (refusal := _lwa_refusal(document)) is not None:
        raise refusal
    granted = document if isinstance(document, dict) else {}
    token, life = granted.get("access_token"), number(granted.get("expires_in"), "expires_in")
    if not isinstance(token, str) or not (token and token.isascii() and token.isprintable()):
        raise Malformed("access_token is missing in the answer, or cannot be sent", place=NAME)
    redaction.register(token)
    if life is not None and life <= 0:
        raise Malformed("expires_in is no time at all", place=NAME)
    return token, float(life or USUAL_LIFE)


def _lwa_trouble(answer: Answer) -> Exception | None:
    try:
        document = loads(answer.body)
    except NotJson:
        return None
    # A busy or broken sign-in is the door's business, whatever it says.
    refused = answer.status in {400, 401, 403}
    return _lwa_refusal(document) if refused else None


def _lwa_refusal(document: Any) -> Exception | None:
    """What a flat `{"error": ..., "error_description": ...}` means; None where there is none."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, str) or not error:
        return None
    words = one_line(f"{error}: {document.get('error_description') or ''}").removesuffix(": ")
    if error in LWA_PASSING:
        return TryAgain(f"Login with Amazon says {words}")
    advice = LWA_ADVICE.get(error, f"Check {NAMES.sign_in}")
    return Denied(f"Login with Amazon refuses ({words})", place=NAME, advice=advice)
