"""What the target may ask of Amazon, and the requests that it becomes.

Source: "FBA Inventory API v1 Reference", operations "createInventoryItem", "addInventory" and
"deleteInventoryItem". All three exist in the provider's sandbox only. An add is told from the next
by its idempotency token, which is made of the record alone.
"""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from inventory_providers import values
from inventory_providers.amazon_fba.settings import NAME, is_of_the_sandbox
from inventory_providers.contract import Order, Wish
from inventory_providers.errors import ConfigError, Rejected
from inventory_providers.http import encode
from inventory_providers.jsonio import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inventory_providers.amazon_fba.api import AmazonFba
    from inventory_providers.amazon_fba.settings import AmazonFbaSettings
    from inventory_providers.contract import Change, Key, Record

ITEMS = "/fba/inventory/v1/items"
INVENTORY = f"{ITEMS}/inventory"

# What the provider tells one addition from the next by; another name would add everything again.
TOKENS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:singer-inventory:amazon_fba:addInventory")

# As it stands in an address, of which servers usually take 8000 characters.
LONGEST_SKU = 4000


def permit(settings: AmazonFbaSettings) -> None:
    """Allow the writes where they exist.

    Raises:
        ConfigError: `sandbox` is not set, or the host is neither of the sandbox nor this machine.
    """
    if not settings.sandbox:
        raise ConfigError(
            f"Amazon has these operations only in its sandbox: set {NAME}.sandbox",
            place="configuration",
        )
    if not is_of_the_sandbox(settings.base_url):
        raise ConfigError(
            f"Amazon has these operations only in its sandbox, and {NAME}.api_url is another host",
            place="configuration",
        )


def account(settings: AmazonFbaSettings) -> str:
    """Whose items they are: those of this app's user at this host."""
    return f"{settings.base_url} {settings.client_id}"


def admit(settings: AmazonFbaSettings, key: Key) -> None:
    """Take only what belongs to a configured marketplace: any other is refused as a whole request.

    Raises:
        Rejected: it does not.
    """
    if key[0] not in settings.marketplace_ids:
        raise Rejected(f"marketplace_id is none of {NAME}.marketplace_ids")


# ---- wishes --------------------------------------------------------------------------------------


def to_create(record: Record) -> Wish:
    """The new item that a record asks for; fields that are not needed are ignored.

    Raises:
        Rejected: a field is missing, or has a value that must never reach the provider.
    """
    return Wish(_key(record), {"product_name": _text(record, "product_name")})


def to_add(record: Record) -> Wish:
    """The addition that a record asks for; `idempotency_key` tells it from the next.

    Raises:
        Rejected: as for `to_create`; also for a quantity that is not whole and above 0.
    """
    fields = {"quantity": _quantity(record.get("quantity"))}
    return Wish(_key(record), fields, event=_event(record))


def to_delete(record: Record) -> Wish:
    """The item that a record wants gone.

    Raises:
        Rejected: as for `to_create`; also for a SKU that an address takes for a step to elsewhere,
            even when it is encoded.
    """
    key = _key(record)
    if key[1] in {".", ".."}:
        raise Rejected("seller_sku has only dots: the provider has no address to delete it by")
    return Wish(key, {})


def _key(record: Record) -> Key:
    marketplace, sku = _text(record, "marketplace_id"), _text(record, "seller_sku")
    # Anything else would be several ids in one, or another parameter.
    if not (marketplace.isascii() and marketplace.isalnum()):
        raise Rejected("marketplace_id must be an id such as ATVPDKIKX0DER")
    if not is_sendable(sku):
        raise Rejected("seller_sku is too long")
    return (marketplace, sku)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Rejected(f"{name} is missing or no text")
    if not _is_clean(value):
        raise Rejected(f"{name} has a character that cannot be sent")
    return value


def _is_clean(text: str) -> bool:
    return "\0" not in text and values.can_be_encoded(text)


def is_sendable(sku: str) -> bool:
    """Whether a SKU can stand in an address."""
    return _is_clean(sku) and 0 < len(quote(sku, safe="")) <= LONGEST_SKU


def _event(record: Record) -> str:
    key = record.get("idempotency_key")
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    return _text(record, "idempotency_key")


def _quantity(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Rejected("quantity is missing or no number")
    units = values.units(value)
    if units is None or units <= 0:
        raise Rejected(f"quantity must be a whole number above 0, at most {values.MOST_UNITS}")
    return units


# ---- orders --------------------------------------------------------------------------------------


def order_create(changes: Sequence[Change]) -> Order:
    """The request for one new item."""
    (change,) = changes
    return Order("POST", ITEMS, _body(_item(change.key, productName=change.asked["product_name"])))


def order_add(changes: Sequence[Change]) -> Order:
    """The request for one addition: the same body and the same token whenever it is made.

    The provider carries out a token once. It is that of the marketplace, the SKU and `event`, and
    not of the quantity: a key that comes back with another quantity is refused, not added.
    """
    (change,) = changes
    assert change.event is not None
    item = _item(change.key, quantity=change.asked["quantity"])
    return Order(
        "POST", INVENTORY, _body({"inventoryItems": [item]}), _token(*change.key, change.event)
    )


def order_delete(changes: Sequence[Change]) -> Order:
    """The request to delete one item; its SKU stands in the path, a slash in it encoded."""
    (change,) = changes
    marketplace, sku = change.key
    query = encode([("marketplaceId", marketplace)])
    return Order("DELETE", f"{ITEMS}/{quote(sku, safe='')}?{query}")


def _item(key: Key, **more: Any) -> dict[str, Any]:
    marketplace, sku = key
    return {"sellerSku": sku, "marketplaceId": marketplace, **more}


def _body(document: dict[str, Any]) -> str:
    return dumps(document).decode()


def _token(*parts: str) -> str:
    # A list, for no character could separate texts that may hold any. In plain ASCII, which every
    # version of every encoder writes alike.
    return str(uuid.uuid5(TOKENS, json.dumps(parts, separators=(",", ":"))))


def send(session: AmazonFba, order: Order) -> None:
    """Carry out an order, whichever of the three it is; see `AmazonFba.write`."""
    session.write(order)
