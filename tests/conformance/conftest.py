"""A test that asks for `tap` runs for each provider, one that asks for `reader` for each stream."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from inventory_providers import redaction, registry
from tests.conformance import applicability
from tests.conformance.harness import Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inventory_providers.contract import Stream
    from tests.conftest import Canaries, Processes

STREAMS = {stream.name: room.name for room in registry.providers() for stream in room.streams}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The providers and streams come from the registry."""
    for name, params in (("tap", registry.PROVIDER_NAMES), ("reader", tuple(STREAMS))):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, params, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the row and the provider of each test; skip rows that are not for a provider."""
    table = applicability.table(registry.PROVIDER_NAMES)
    for item in items:
        found = re.match(r"test_t(\d\d)_", item.name)
        params = getattr(item, "callspec", None) and item.callspec.params
        provider = params and (params.get("tap") or STREAMS.get(params.get("reader", "")))
        if not found or not provider:
            continue
        row = f"T{found[1]}"
        item.user_properties += [("row", row), ("provider", provider)]
        if (reason := table[row][provider]) != applicability.APPLIES:
            item.add_marker(pytest.mark.skip(reason=f"{row} is not for {provider}: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Row by provider: how many tests passed and failed, or why there are none."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            known = dict(report.user_properties)
            if "row" in known:
                counts[known["row"], known["provider"]][outcome] += 1
    if not counts:
        return
    terminalreporter.section("faults by provider")
    for row, cells in applicability.table(registry.PROVIDER_NAMES).items():
        for provider, cell in cells.items():
            seen = ", ".join(f"{n} {what}" for what, n in counts[row, provider].items())
            state = (
                seen or "not run" if cell == applicability.APPLIES else f"not applicable: {cell}"
            )
            terminalreporter.write_line(f"{row}  {provider:<12}  {state}")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging and redaction as in a process that has just begun."""
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level = root.handlers[:], root.level
    loggers = {name: logging.getLogger(name) for name in ("httpx", "httpcore")}
    levels = {name: logger.level for name, logger in loggers.items()}
    logging.setLogRecordFactory(logging.LogRecord)
    for logger in loggers.values():
        logger.setLevel(logging.NOTSET)
    yield
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, logger in loggers.items():
        logger.setLevel(levels[name])


@pytest.fixture
def make_harness(
    canaries: Canaries,
    processes: Processes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh: None,
) -> Iterator[Callable[..., Harness]]:
    """Makes the harness, and stops its sandbox after the test."""
    with contextlib.ExitStack() as stack:

        def make(provider: str, stream: Stream | None = None) -> Harness:
            parts = {"canaries": canaries, "processes": processes, "patch": monkeypatch}
            harness = Harness(provider, stream=stream, folder=tmp_path, **parts)
            stack.callback(harness.close)
            return harness

        yield make


@pytest.fixture
def tap(request: pytest.FixtureRequest, make_harness: Callable[..., Harness]) -> Harness:
    """A provider with all its streams."""
    return make_harness(request.param)


@pytest.fixture
def reader(request: pytest.FixtureRequest, make_harness: Callable[..., Harness]) -> Harness:
    """One stream of a provider."""
    return make_harness(STREAMS[request.param], registry.streams()[request.param])


@pytest.fixture(params=["full", "incremental"])
def reading(request: pytest.FixtureRequest) -> str:
    """How streams are read; those that know no changes are read in full either way."""
    how: str = request.param
    return how
