"""Promise: whatever goes wrong between them, raises never leave more at Amazon than was wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory_providers.sandbox.server import Fault
from tests.target_inventory.test_levels import (
    AMAZON,
    TO_AMAZON,
    US,
    _at_one_marketplace,
    _lag,
    _raise,
    _show,
    _stocked,
    _units,
    at_warehouse,
)

if TYPE_CHECKING:
    from tests.target_inventory.conftest import Site

# What becomes of the requests that add: carried out or not, and what is said of it.
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "down": {"kind": "status", "status": 503, "times": None},
    "lost": {"kind": "reset_before_headers", "apply": True, "times": 1},
    "lost for good": {"kind": "reset_before_headers", "apply": True, "times": None},
    "never came": {"kind": "reset_before_headers", "apply": False, "times": 2},
    "error after": {"kind": "status", "status": 500, "apply": True, "times": 1},
}

raises = st.tuples(st.just("raise"), st.integers(0, 12), st.sampled_from(sorted(FAULTS)))
others = st.one_of(
    st.tuples(st.just("sell"), st.integers(1, 3), st.none()),
    st.tuples(st.just("show"), st.none(), st.none()),
    st.tuples(st.just("letters"), st.none(), st.none()),
    st.tuples(st.just("a day later"), st.none(), st.none()),
)
steps = raises | raises | others


class World:
    """One item at Amazon, and the largest number of units that anybody ever wanted there."""

    def __init__(self, two: Site) -> None:
        two.server.reset()
        for path in (two.journal.path, two.dead_letters):
            path.unlink(missing_ok=True)
        self._site = two
        (self._sku,) = _stocked(two)
        self._begin = self.most = _units(two, self._sku)

    def do(self, what: str, how_many: Any, fault: Any) -> None:
        """One step."""
        site = self._site
        if what == "raise":
            self.most = max(self.most, self._begin + how_many)
            if FAULTS[fault]:
                details = {"method": "POST", "path": "/items/inventory"} | FAULTS[fault]
                site.server.inject(AMAZON, Fault(**details))
            run = _raise(site, at_warehouse(self._sku, self._begin + how_many))
            site.server.clear()
            assert run.code in {0, 5, 7, 8}, run.error
        elif what == "sell":
            for item in site.server.room(AMAZON)._shelf[US].named(self._sku):  # type: ignore[attr-defined]
                item.move(-min(how_many, self.units), 0.0)
        elif what == "show":
            _show(site)
        elif what == "letters" and site.dead_letters.exists():
            site.feed_back(site.dead_letters, **TO_AMAZON, **_at_one_marketplace(site))
        elif what == "a day later":
            # By then everything shows that ever will.
            _show(site)
            site.clock.sleep(90_000)

    @property
    def units(self) -> int:
        """What can be sold, as far as it shows."""
        return _units(self._site, self._sku)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lag=st.sampled_from([0, 1, 30]), history=st.lists(steps, min_size=2, max_size=8))
def test_there_is_never_more_than_was_ever_wanted(two: Site, lag: int, history: list[Any]) -> None:
    world = World(two)
    _lag(two, lag)
    for step in history:
        world.do(*step)
        assert world.units <= world.most
    _show(two)
    assert world.units <= world.most
    # What is left is settled, and a level that is wanted then is reached.
    _lag(two, 0)
    two.clock.sleep(90_000)
    _raise(two)
    assert world.units <= world.most
    world.do("raise", 20, "none")
    assert world.units == world.most
