"""Promise: the SDK's own suite for targets passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class

from target_inventory.target import TargetInventory

if TYPE_CHECKING:
    from pathlib import Path

# Its streams are tables of its own invention; nothing is requested.
CONFIG = {
    "deconetwork": {
        "api_url": "http://127.0.0.1:9",
        "username": "nobody",
        "password": "of-the-sdk-suite",
    },
    "unknown_streams": "ignore",
}

Suite = get_target_test_class(TargetInventory, config=CONFIG, parse_env_config=False)


class TestSdkSuite(Suite):  # type: ignore[misc, valid-type]
    """All of it."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
