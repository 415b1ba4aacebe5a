"""A client that others wrote (python-amazon-sp-api) against the sandbox, in a process of its own.

It reads where to go and as whom from standard input, and writes what came back to standard output.
"""

from __future__ import annotations

import json
import ssl
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from sp_api.api import Inventories
from sp_api.auth import AccessTokenClient
from sp_api.auth.exceptions import AuthorizationError
from sp_api.base import SellingApiException
from sp_api.util import load_all_pages


class KeyedInventories(Inventories):
    """With the header that an add needs, for which the client has no parameter."""

    key = ""

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"x-amzn-idempotency-token": self.key}


def main() -> None:
    told = json.load(sys.stdin)
    client = connected(Inventories, told)
    adding = connected(KeyedInventories, told)
    adding.key = "5f0c7b0e-0000-5000-8000-000000000001"
    answer = {
        "pages": [page.payload["inventorySummaries"] for page in all_pages(client)],
        "rate": one(client, "312034").rate_limit,
        "written": written(client, adding, told["marketplace"]),
        "found": [sku for sku in told["skus"] if rows(client, sku) == [sku]],
        "together": rows(client, ["312034", "312033"]),
        "refused": refused(client, told),
    }
    json.dump(answer, sys.stdout)


def connected(kind: type[Inventories], told: dict[str, Any]) -> Any:
    """A client of the library, with other hosts than Amazon's and another authority to trust."""
    settings = told["settings"]
    host = urlsplit(settings["lwa_url"]).netloc
    return kind(
        SimpleNamespace(
            endpoint=settings["api_url"], marketplace_id=told["marketplace"], region="local"
        ),
        refresh_token=settings["refresh_token"],
        credentials={
            "lwa_app_id": settings["client_id"],
            "lwa_client_secret": told.get("secret", settings["client_secret"]),
        },
        verify=ssl.create_default_context(cafile=told["authority"]),
        auth_token_client_class=type("Tokens", (AccessTokenClient,), {"host": host}),
    )


def all_pages(client: Inventories) -> Any:
    load = load_all_pages(throttle_by_seconds=0, next_token_param="nextToken")
    return load(client.get_inventory_summary_marketplace)(details=True)


def one(client: Inventories, sku: Any) -> Any:
    name = "sellerSku" if isinstance(sku, str) else "sellerSkus"
    return client.get_inventory_summary_marketplace(details=True, **{name: sku})


def rows(client: Inventories, sku: Any) -> list[str]:
    return [row["sellerSku"] for row in one(client, sku).payload["inventorySummaries"]]


def levels(client: Inventories, sku: str) -> list[int]:
    found = one(client, sku).payload["inventorySummaries"]
    return [row["inventoryDetails"]["fulfillableQuantity"] for row in found]


def written(client: Inventories, adding: Inventories, marketplace: str) -> list[list[int]]:
    """The levels of a new item: none yet, created, added to twice with one token, deleted."""
    sku = "new & odd/%2F+#?, \u00e9 "
    item = {"sellerSku": sku, "marketplaceId": marketplace}
    seen = [levels(client, sku)]
    client.create_inventory_item(**item, productName="Sample")
    seen.append(levels(client, sku))
    for _ in range(2):
        adding.add_inventory(inventoryItems=[item | {"quantity": 10}])
    seen.append(levels(client, sku))
    client.delete_inventory_item(sku, marketplaceId=marketplace)
    return [*seen, levels(client, sku)]


def refused(client: Inventories, told: dict[str, Any]) -> dict[str, list[Any]]:
    """What the library makes of refusals: the name of its error, and the provider's words."""
    item = {"sellerSku": "312034", "marketplaceId": told["marketplace"]}
    stranger = connected(
        Inventories,
        told | {"secret": "another", "settings": told["settings"] | {"refresh_token": "another"}},
    )
    return {
        "token": error(lambda: client.get_inventory_summary_marketplace(nextToken="seed")),
        "foreign": error(
            lambda: client.get_inventory_summary_marketplace(
                granularityId="A1AM78C64UM0Y8", marketplaceIds="A1AM78C64UM0Y8"
            )
        ),
        "exists": error(lambda: client.create_inventory_item(**item, productName="Sample")),
        "no key": error(lambda: client.add_inventory(inventoryItems=[item | {"quantity": 1}])),
        "missing": error(
            lambda: client.delete_inventory_item("nowhere", marketplaceId=told["marketplace"])
        ),
        "stranger": error(lambda: one(stranger, "312034")),
    }


def error(act: Any) -> list[Any]:
    try:
        act()
    except SellingApiException as failure:
        return [failure.code, failure.amzn_code, failure.message]
    except AuthorizationError as failure:
        return [failure.status_code, failure.error_code, failure.message]
    return []


if __name__ == "__main__":
    main()
