"""The yardstick: a tap as the SDK's documentation would have it, over `RESTStream`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseOffsetPaginator

from inventory_providers import schema_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import requests


class _Pages(BaseOffsetPaginator):
    def has_more(self, response: requests.Response) -> bool:
        """Until the announced total."""
        return self.current_value + self._page_size < int(response.json()["total"])


class Inventory(RESTStream[int]):
    """The same rows as `deconetwork_inventory`, without any care."""

    name = "deconetwork_inventory"
    path = "/api/json/manage_inventory/find"
    primary_keys = ("dn_sku_id",)
    schema = schema_files.published("deconetwork_inventory")

    @property
    def url_base(self) -> str:
        """The site."""
        return str(self.config["api_url"])

    def get_new_paginator(self) -> _Pages:
        """By offset."""
        return _Pages(start_value=0, page_size=100)

    def get_url_params(self, context: Any, next_page_token: int | None) -> dict[str, Any]:  # noqa: ARG002
        """Everything, one page."""
        login = {name: self.config[name] for name in ("username", "password")}
        page = {"limit": 100, "offset": next_page_token or 0}
        return {"field": 4, "condition": 2, "string": "0", **page, **login}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        """The rows of a page."""
        yield from response.json(parse_float=Decimal)["inventories"]


class TapPlain(Tap):
    """A tap for comparison."""

    name = "tap-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType),
        th.Property("username", th.StringType),
        th.Property("password", th.StringType),
    ).to_dict()

    def discover_streams(self) -> Sequence[Inventory]:
        """One stream."""
        return [Inventory(self)]


if __name__ == "__main__":
    TapPlain.cli()
