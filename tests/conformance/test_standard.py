"""The SDK's own suite for taps, against the sandbox of each provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from singer_sdk.testing.runners import TapTestRunner

from inventory_providers import registry
from inventory_providers.environment import Environment
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tap_inventory.tap import TapInventory
from tests.conftest import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator


# All rows: a run that stops early has no state to show, and the suite wants one.
EVERYTHING = SuiteConfig(max_records_limit=None)


def _asking(config: dict[str, Any]) -> dict[str, Any]:
    """A catalog under which every stream that knows changes is read by them: there is a state."""
    catalog: dict[str, Any] = TapInventory(config=config).catalog_dict
    for entry in catalog["streams"]:
        if entry.get("replication_key"):
            entry["replication_method"] = "INCREMENTAL"
    return catalog


def _suite(provider: str) -> type:
    (room,) = rooms(Clock(), size=1, names=[provider])
    # The suite builds the tap at import time; nothing is asked of this address.
    nowhere = {provider: room.settings("http://127.0.0.1:1")}
    standard = get_tap_test_class(
        TapInventory,
        config=nowhere,
        suite_config=EVERYTHING,
        parse_env_config=False,
    )

    # A column that no row fills has no values that could be of another type.
    @pytest.mark.filterwarnings("ignore:No records were available to test:UserWarning")
    class Suite(standard):  # type: ignore[valid-type, misc]
        @pytest.fixture(scope="class")
        @classmethod
        def runner(cls) -> Iterator[TapTestRunner]:
            clock = Clock()
            # The suite makes one tap after another, each with a fresh idea of the provider's pace.
            environment = Environment(clock=FakeClock(clock.step))
            with SandboxServer(rooms(clock, size=300, names=[provider]), clock=clock) as server:
                config = {provider: server.settings(provider)}
                runner = TapTestRunner(
                    TapInventory,
                    config=config,
                    catalog=_asking(config),
                    suite_config=EVERYTHING,
                    parse_env_config=False,
                    environment=environment,
                )
                runner.sync_all()
                yield runner

    return Suite


for _name in registry.PROVIDER_NAMES:
    globals()[f"TestStandard_{_name}"] = _suite(_name)
