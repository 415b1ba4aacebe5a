"""What a user configures for Amazon FBA, and which host that means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from inventory_providers.settings import ProviderSettings, ProviderUrl, Secret, Text, is_loopback

if TYPE_CHECKING:
    from pydantic import ValidationInfo

NAME = "amazon_fba"
LWA_URL = "https://api.amazon.com"
LWA_TOKEN = "/auth/o2/token"  # noqa: S105 - a path
MOST_DAYS = 36_500
MOST_SECONDS = MOST_DAYS * 86_400

# One host, and one refresh token, for each of the three regions.
_REGIONS = {
    "na": ("A2EUQ1WTGCTBG2", "ATVPDKIKX0DER", "A1AM78C64UM0Y8", "A2Q3Y263D00KWC"),
    "eu": (
        "A28R8C7NBKEWEA",
        "A1RKKUPIHCS9HS",
        "A1F83G8C2ARO7P",
        "A13V1IB3VIYZZH",
        "AMEN7PMS3EDWL",
        "A1805IZSGTT6HS",
        "A1PA6795UKMFR9",
        "APJ6JRA9NG5V4",
        "A2NODRKZP88ZB9",
        "AE08WJ6YKNBMC",
        "A1C3SOZRARQ6R3",
        "ARBP9OOSHTCHU",
        "A33AVAJ2PDY3EV",
        "A17E79C6D8DWNP",
        "A2VIGQ35RCS4UG",
        "A21TJRUUN4KGV",
    ),
    "fe": ("A19VAU5U5O7RUS", "A39IBJ37TRP1C6", "A1VC38T7YXB528"),
}
REGION_OF = {marketplace: region for region, ids in _REGIONS.items() for marketplace in ids}


def _wrong(reason: str) -> PydanticCustomError:
    return PydanticCustomError(NAME, "{reason}", {"reason": reason})


def is_of_the_sandbox(url: str) -> bool:
    """Whether an address is one of the provider's sandbox, or this machine."""
    host = urlsplit(url).hostname or ""
    return host.startswith("sandbox.") or is_loopback(host)


class AmazonFbaSettings(ProviderSettings):
    """Amazon FBA: what one seller account has in Amazon's fulfillment network, in one region."""

    client_id: Text = Field(
        description=(
            "Client id of the app (Login with Amazon). It is the same for all sellers who use the "
            "app: set account, too, where several are read."
        )
    )
    client_secret: Secret = Field(
        description="Client secret of the app. It must be rotated every 180 days."
    )
    refresh_token: Secret = Field(
        description="Refresh token with which the seller authorized the app, for one region."
    )
    sandbox: bool = Field(
        default=False,
        description="Use the sandbox of the Selling Partner API, and its rate of requests.",
    )
    api_url: ProviderUrl | None = Field(
        default=None,
        description=(
            "Where the API lives. Without it, the host of the marketplaces' region; with sandbox "
            "true it must be a host whose name begins with `sandbox.`, or this machine."
        ),
    )
    lwa_url: ProviderUrl = Field(
        default=LWA_URL, description="Where Login with Amazon lives, the same for all regions."
    )
    # After the settings that decide whether these ids are enough.
    marketplace_ids: list[str] = Field(
        description=(
            "Ids of the marketplaces to read, all of one region, such as ATVPDKIKX0DER; each has "
            "its own bookmark."
        )
    )
    full_refresh_days: int = Field(
        default=1,
        ge=0,
        le=MOST_DAYS,
        description=(
            "Read everything at least every so many days: changes of inbound quantities never "
            "come incrementally. 0 reads everything in every run."
        ),
    )
    lookback_seconds: int = Field(
        default=3600,
        ge=0,
        le=MOST_SECONDS,
        description=(
            "Overlap: an incremental read starts so many seconds before its bookmark, for changes "
            "that were stored late."
        ),
    )

    @field_validator("api_url")
    @classmethod
    def _of_the_sandbox(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is not None and info.data.get("sandbox") and not is_of_the_sandbox(url):
            raise _wrong("must be a host whose name begins with `sandbox.` where sandbox is true")
        return url

    @field_validator("lwa_url")
    @classmethod
    def _without_path(cls, url: str) -> str:
        """Amazon's documents print the whole address; it means the same."""
        return url.removesuffix(LWA_TOKEN)

    @field_validator("marketplace_ids")
    @classmethod
    def _of_one_region(cls, ids: list[str], info: ValidationInfo) -> list[str]:
        if not ids:
            raise _wrong("must name at least one marketplace")
        # A comma would make one id two.
        if not all(one.isascii() and one.isalnum() for one in ids):
            raise _wrong("must be a list of ids such as ATVPDKIKX0DER")
        if len(set(ids)) < len(ids):
            raise _wrong("names a marketplace twice")
        regions = {REGION_OF.get(one) for one in ids}
        if len(regions - {None}) > 1:
            raise _wrong("must be of one region: a refresh token is good for one region only")
        if None in regions and "api_url" in info.data and info.data["api_url"] is None:
            raise _wrong("has an id that is not known here, for which api_url must be set")
        return ids

    @property
    def base_url(self) -> str:
        """Where the API lives, without a slash at the end."""
        if self.api_url is not None:
            return self.api_url
        prefix = "sandbox." if self.sandbox else ""
        return f"https://{prefix}sellingpartnerapi-{REGION_OF[self.marketplace_ids[0]]}.amazon.com"

    @property
    def _own_name(self) -> str:
        return self.client_id
