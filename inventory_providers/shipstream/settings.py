"""What a user configures for ShipStream."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from inventory_providers.settings import (
    ProviderSettings,
    ProviderUrl,
    Secret,
    Text,
    host_of,
)

MOST_DAYS = 36_500
MOST_SECONDS = MOST_DAYS * 86_400


def _check_ids(ids: list[int]) -> list[int]:
    if any(one < 1 for one in ids):
        raise PydanticCustomError("ids", "must be numbers of warehouses, 1 or more")
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("ids", "names a warehouse twice")
    return ids


class ShipStreamSettings(ProviderSettings):
    """ShipStream: the inventory of one merchant in its warehouses."""

    api_url: ProviderUrl = Field(
        description=(
            "The Merchant API, up to and including /api/jsonrpc, such as "
            "https://your-company.shipstream.app/api/jsonrpc."
        )
    )
    username: Text = Field(description="Name of the API user.")
    password: Secret = Field(description="Key of the API user.")
    auth: Literal["basic", "session"] = Field(
        default="basic",
        description="`basic` sends both with each request, `session` signs in once per run.",
    )
    warehouse_ids: Annotated[list[int], AfterValidator(_check_ids)] = Field(
        default=[],
        description=(
            "Warehouses for which shipstream_inventory has rows of their own, besides the one row "
            "of sums per SKU (warehouse_id 0). Each costs a request."
        ),
    )
    full_refresh_days: int = Field(
        default=1,
        ge=0,
        le=MOST_DAYS,
        description=(
            "Read everything at least every so many days: what virtual inventory does to "
            "qty_advertised may not count as a change. 0 reads everything in every run."
        ),
    )
    lookback_seconds: int = Field(
        default=600,
        ge=0,
        le=MOST_SECONDS,
        description=(
            "Overlap: an incremental read asks for what changed since so many seconds before its "
            "bookmark."
        ),
    )

    @property
    def _own_name(self) -> str:
        return f"{self.username}@{host_of(self.api_url)}"
