"""What the tests of the tap share."""

from __future__ import annotations

import pytest

from tests.tap_inventory.house import House
from tests.tap_inventory.shop import OTHER, OTHERS, Shop


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    """A tap whose room delivers what the test says."""
    return House(monkeypatch, capsys)


@pytest.fixture
def shop(house: House) -> Shop:
    """One provider with three rows, whose stream is a source of levels."""
    made = Shop(house)
    house.declare(made.stream())
    made.put("a", "b", "c")
    return made


@pytest.fixture
def other(house: House, shop: Shop) -> Shop:
    """A second provider."""
    made = Shop(house, name=OTHERS)
    house.declare(made.stream(), room=OTHER)
    made.put("x", "y")
    return made
