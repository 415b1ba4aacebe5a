"""Promise: the SDK's own suite for targets passes."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner

from target_inventory.target import TargetInventory

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

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


def _listen(
    runner: TargetTestRunner, *, target: TargetInventory, target_input: IO[str], finalize: bool
) -> tuple[io.StringIO, io.StringIO]:
    """As the command does it: the journal is held from the first line to the last."""
    assert finalize
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        target.listen(target_input)
    out.seek(0)
    err.seek(0)
    return out, err


class TestSdkSuite(Suite):  # type: ignore[misc, valid-type]
    """All of it."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Its journal must not be the one of whoever runs the tests.
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(TargetTestRunner, "_execute_sync", _listen)
