"""What a user configures for S2."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from inventory_providers.settings import (
    ProviderSettings,
    ProviderUrl,
    Secret,
    Text,
    host_of,
)

MOST_SECONDS = 36_500 * 86_400


class S2Settings(ProviderSettings):
    """S2 (Ventmere): the warehouses, products and inventory of one organization."""

    api_url: ProviderUrl = Field(
        description="Where the API is; Ventmere tells its customers the address."
    )
    access_token: Secret | None = Field(
        default=None,
        description="An access token, used as it is. It lives seven days. Or email and password.",
    )
    email: Text | None = Field(
        default=None, description="The user to sign in as, where there is no access_token."
    )
    password: Secret | None = Field(default=None, description="Password of that user.")
    organization_id: Text | None = Field(
        default=None,
        description=(
            "The organization to read, for a user who belongs to several; sent as "
            "X-S2-Organization."
        ),
    )
    lookback_seconds: int = Field(
        default=3600,
        ge=0,
        le=MOST_SECONDS,
        description=(
            "Overlap: an incremental read of s2_inventory_items emits what changed since so many "
            "seconds before its bookmark. It costs no request."
        ),
    )

    @field_validator("access_token", "organization_id")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise PydanticCustomError(
                "header",
                "must be ASCII, without line ends or blanks around it: it is sent as it is",
            )
        return value

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        login = (self.email, self.password)
        if self.access_token is None and None in login:
            raise PydanticCustomError(
                "credentials", "is incomplete: give s2.access_token, or s2.email and s2.password"
            )
        if self.access_token is not None and login != (None, None):
            raise PydanticCustomError(
                "credentials", "has too much: give s2.access_token, or s2.email and s2.password"
            )
        return self

    @property
    def _own_name(self) -> str:
        return self.organization_id or host_of(self.api_url)
