"""What a user configures for Pocketstock."""

from __future__ import annotations

from pydantic import Field

from inventory_providers.settings import ProviderSettings, ProviderUrl, Secret


class PocketstockSettings(ProviderSettings):
    """Pocketstock: an invented list of stock, readable."""

    api_url: ProviderUrl = Field(description="Where the list is served.")
    access_key: Secret = Field(description="The key that the list is asked for with.")
    lookback_seconds: int = Field(
        default=60, ge=0, description="Overlap of incremental reads, for changes stored late."
    )
