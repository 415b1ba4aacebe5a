"""Promise: through kills, lost answers and faults, nothing is lost, doubled or passed off as done.

The long run is `python -m tests.simulation --schedules 20000`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulation.figures import first_wrong, simulate
from tests.simulation.pipeline import Pipeline, quiet
from tests.simulation.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEDULES = 2000

# The smallest schedules of what the writer did not keep once.
ONCE_WRONG = {
    4645: "after a refused addition the next one to the item is judged by a level that never was",
    1460: "an addition that is repeated is not read back",
    4446: "what settling refuses is a letter, though the new records ask for it and it is made",
    1994: "a late setting is looked for only in the fields that the newer one changes",
    1279: "a late setting is forgotten when what replaced it is replaced",
    11008520: "a refusal in the last try withdraws what an earlier try may have carried out",
    11018422: "a late setting is forgotten when its successor was confirmed and not read back",
}


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A line on the terminal, whether or not output is captured."""
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"\n{text}")

    return line


def test_no_schedule_loses_doubles_or_invents_anything(tell: Callable[[str], None]) -> None:
    figures = simulate(range(SCHEDULES))
    lines = list(figures.lines())
    tell("\n".join(lines))
    assert not figures.wrong, "\n".join(lines)


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_a_schedule_that_was_once_wrong_stays_right(seed: int) -> None:
    assert simulate([seed]).wrong == {}


def test_every_kind_of_trouble_occurs() -> None:
    counts = simulate(range(400)).counts
    for name in ("crashes", "signals", "lost answers", "late arrivals", "hand edits"):
        assert counts[name] > 20, name
    moods = {name for name in counts if name.startswith("mood ")}
    assert len(moods) == 10, moods
    assert {name for name in counts if name.startswith("exit ")} == {
        f"exit {code}" for code in (-9, 0, 3, 4, 5, 7, 8, 143)
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_a_planted_defect_is_found(name: str, tell: Callable[[str], None]) -> None:
    found = first_wrong(range(SCHEDULES), VARIANTS[name])
    assert found is not None, f"{name} was not found in {SCHEDULES} schedules"
    number, wrong = found
    tell(f"simulation: {name}: found after {number} schedules ({wrong[0][0]})")


def test_a_schedule_is_the_same_whenever_it_is_run() -> None:
    def figures(seed: int) -> object:
        pipeline = Pipeline(seed)
        pipeline.live()
        return pipeline.world.figures, pipeline.world.wire, pipeline.world.shelf

    with quiet():
        for seed in range(50):
            assert figures(seed) == figures(seed)
