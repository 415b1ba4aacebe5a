"""What the tests of the tap share."""

from __future__ import annotations

import pytest

from tests.tap_inventory.house import House


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> House:
    """A tap whose room delivers what the test says."""
    return House(monkeypatch, capsys)
