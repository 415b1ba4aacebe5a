"""What a user configures for SoStocked."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema
from pydantic_core import PydanticCustomError

from inventory_providers import redaction
from inventory_providers.settings import ProviderSettings, ProviderUrl, Secret, Text

MOST_SECONDS = 36_500 * 86_400

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _to_day(value: Any) -> Any:
    if value is None or type(value) is date:
        return value
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("day", "must be a day such as 2026-01-31")


def _check_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise PydanticCustomError("token", "must be one line of ASCII text")
    if token.lower().startswith("bearer "):
        raise PydanticCustomError("token", "must be the token alone, without the word Bearer")
    return value


Day = Annotated[
    date, BeforeValidator(_to_day), WithJsonSchema({"type": "string", "format": "date"})
]
Token = Annotated[Secret, AfterValidator(_check_token)]


class SoStockedSettings(ProviderSettings):
    """SoStocked: the inventory of one account, as a saved view shows it; for reading only."""

    api_url: ProviderUrl = Field(
        default="https://api.sostocked.com",
        description="Where the API lives. The provider's document names no host.",
    )
    bearer_token: Token = Field(
        description="The token that the browser sends as `Authorization: Bearer`. Lives one year."
    )
    client_id: Text = Field(description="`client_id` of the browser's requests.")
    client_secret: Secret = Field(description="`client_secret` of the browser's requests.")
    account_id: Text = Field(description="The account to read. Every record has it.")
    view_id: int = Field(description="The saved view to export; it decides which products come.")
    with_inactive: bool = Field(
        default=False, description="Read all products, not only the active ones."
    )
    snapshot_start_date: Day | None = Field(
        default=None,
        description=(
            "First day of `sostocked_inventory_snapshots`. Without it, and without `start_date`, "
            "only yesterday."
        ),
    )
    lookback_seconds: int = Field(
        default=0,
        ge=0,
        le=MOST_SECONDS,
        description=(
            "Overlap, in whole days, rounded up: snapshots of so much time before the bookmark "
            "are read again, for an account whose past snapshots change."
        ),
    )

    def register_secrets(self) -> None:
        """Make the redaction know every secret in here, and what stands in the URL with them."""
        super().register_secrets()
        redaction.register(self.client_id)

    @property
    def _own_name(self) -> str:
        return self.account_id
