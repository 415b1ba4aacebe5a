"""Promise: one slug everywhere, and a declaration that holds together."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import registry
from inventory_providers.sandbox.room import Clock
from inventory_providers.settings import ProviderSettings

if TYPE_CHECKING:
    from inventory_providers.contract import Provider

ROOMS = registry.providers()
each_room = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)


def test_no_room_is_listed_twice() -> None:
    assert len(set(registry.PROVIDER_NAMES)) == len(registry.PROVIDER_NAMES)


def test_a_room_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        registry.provider("none_such")


@each_room
def test_one_slug_everywhere(room: Provider) -> None:
    assert room.name in registry.PROVIDER_NAMES
    assert issubclass(room.settings, ProviderSettings)
    assert room.settings.__module__ == f"inventory_providers.{room.name}.settings"
    assert hasattr(import_module(f"inventory_providers.{room.name}.sandbox"), "Sandbox")
    for stream in room.streams:
        assert stream.name.startswith(f"{room.name}_")
    for write in room.writes:
        assert write.stream.startswith(f"{room.name}_")
    assert room.title
    assert room.document


@each_room
def test_streams_hold_together(room: Provider) -> None:
    for stream in room.streams:
        fields = stream.model.model_fields
        assert stream.primary_key
        assert set(stream.primary_key) <= fields.keys()
        assert stream.replication_key is None or stream.replication_key in fields
        assert (
            stream.endpoint.partition(" ")[0] in {"GET", "POST", "DELETE"} or "." in stream.endpoint
        )
        assert stream.description.endswith(".")
        if stream.full_refresh:
            assert "full_refresh_days" in room.settings.model_fields
        if stream.replication_key:
            assert "lookback_seconds" in room.settings.model_fields


@each_room
def test_writes_hold_together(room: Provider) -> None:
    for write in room.writes:
        assert write.effect in {"set", "create", "add", "delete"}
        assert write.batch_size >= 1
        assert write.items.key
        assert write.items.level
        assert write.endpoint.partition(" ")[0] in {"GET", "POST", "DELETE"}
        assert write.description.endswith(".")


@each_room
def test_all_writes_of_a_room_are_about_the_same_items(room: Provider) -> None:
    """Of several records for one item, whatever their streams, the target makes one history."""
    assert len({id(write.items) for write in room.writes}) <= 1


@each_room
def test_what_may_happen_only_once_goes_alone(room: Provider) -> None:
    """A request that is left in the journal is sent again for each write in it."""
    for write in room.writes:
        assert write.effect == "set" or write.batch_size == 1


@each_room
def test_whose_items_they_are_is_told_without_a_credential(room: Provider) -> None:
    stand_in = import_module(f"inventory_providers.{room.name}.sandbox").Sandbox(Clock(), size=1)
    url = "http://127.0.0.1:9"
    settings = room.settings.model_validate(stand_in.settings(url))
    elsewhere = room.settings.model_validate(stand_in.settings("http://127.0.0.1:10"))
    for write in room.writes:
        account = write.items.account(settings)
        assert url in account
        assert account != write.items.account(elsewhere)
        assert not [secret for secret in stand_in.secrets() if secret in account]


@each_room
def test_every_setting_is_described_and_every_default_stated(room: Provider) -> None:
    for name, field in room.settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_names_are_unique_over_all_rooms() -> None:
    streams = [stream.name for room in ROOMS for stream in room.streams]
    writes = [write.stream for room in ROOMS for write in room.writes]
    assert len(set(streams)) == len(streams) == len(registry.streams())
    assert len(set(writes)) == len(writes) == len(registry.writes())


CONTRACT = {
    "deconetwork_inventory": (
        "GET /api/json/manage_inventory/find",
        ("dn_sku_id",),
        "inv_last_modified",
    ),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_what_the_contract_fixes(name: str) -> None:
    stream: Any = registry.streams()[name]
    assert (stream.endpoint, stream.primary_key, stream.replication_key) == CONTRACT[name]


WRITES = {
    "deconetwork_inventory": ("set", "POST /api/json/manage_inventory/update", ("dn_sku_id",)),
    "amazon_fba_create_inventory_item": (
        "create",
        "POST /fba/inventory/v1/items",
        ("marketplace_id", "seller_sku"),
    ),
    "amazon_fba_add_inventory": (
        "add",
        "POST /fba/inventory/v1/items/inventory",
        ("marketplace_id", "seller_sku"),
    ),
    "amazon_fba_delete_inventory_item": (
        "delete",
        "DELETE /fba/inventory/v1/items/{sellerSku}",
        ("marketplace_id", "seller_sku"),
    ),
}


def test_what_the_contract_fixes_of_writes() -> None:
    found = {
        name: (write.effect, write.endpoint, write.items.key)
        for name, (_, write) in registry.writes().items()
    }
    assert found == WRITES


def test_connecting_asks_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    from tests.inventory_providers.fakes import environment

    samples = {
        "deconetwork": {"api_url": "https://shop.test", "username": "u", "password": "p"},
    }
    with caplog.at_level(logging.DEBUG):
        for room in ROOMS:
            if room.name in samples:
                session = room.connect(
                    room.settings.model_validate(samples[room.name]), environment()
                )
                assert session.requests == 0
                session.close()
