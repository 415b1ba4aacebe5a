"""A test that asks for `bench` runs for each provider that has levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.levels import truth
from tests.levels.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=truth.SOURCES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A provider's stand-in, and the tap pointed at it."""
    with Bench(request.param) as made:
        yield made
