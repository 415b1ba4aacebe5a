"""The table of the target's faults behind the tests, and the fixture that the kills need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kills import table
from tests.kills.stage import Stage
from tests.kills.trials import Theatre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTCOMES = ("passed", "failed", "error", "xfailed", "skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the rows of each test, wherever it stands."""
    for item in items:
        if rows := table.rows_of(item):
            item.user_properties.append(("faults", " ".join(rows)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Row by row: which modules have tests for it, and how they ended."""
    reports = [
        (outcome, report)
        for outcome in OUTCOMES
        for report in terminalreporter.stats.get(outcome, ())
        if hasattr(report, "user_properties")
    ]
    found = list(table.lines(reports, verbose=config.get_verbosity() > 0))
    if found:
        terminalreporter.section("faults of the target")
        for line in found:
            terminalreporter.write_line(line)


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    """A place for trials."""
    with Stage() as stage:
        yield Theatre(tmp_path / "trials", stage)
