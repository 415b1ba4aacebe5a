"""What a user configures for DecoNetwork."""

from __future__ import annotations

from pydantic import Field

from inventory_providers.settings import (
    ProviderSettings,
    ProviderUrl,
    Secret,
    Text,
    host_of,
)

MOST_DAYS = 36_500
MOST_SECONDS = MOST_DAYS * 86_400


class DecoNetworkSettings(ProviderSettings):
    """DecoNetwork: the inventory of one site, readable and writable."""

    api_url: ProviderUrl = Field(
        description="The site, such as https://shop.secure-decoration.com or its own domain."
    )
    username: Text = Field(description="User name of an account that may use the API.")
    password: Secret = Field(description="Password of that account.")
    max_parallel: int = Field(
        default=4, ge=1, le=16, description="Requests in flight while reading."
    )
    full_refresh_days: int = Field(
        default=7,
        ge=0,
        le=MOST_DAYS,
        description=(
            "Read everything at least every so many days: rows without a date and perhaps changes "
            "of the quantities on order never come incrementally. 0 reads everything in every run."
        ),
    )
    lookback_seconds: int = Field(
        default=300,
        ge=0,
        le=MOST_SECONDS,
        description=(
            "Overlap: an incremental read starts so many seconds before its bookmark, for changes "
            "that were stored late."
        ),
    )

    @property
    def _own_name(self) -> str:
        return host_of(self.api_url)
