"""A test that asks for `tap` runs for each provider, one that asks for `reader` for each stream.

With `reading` they run once more, reading changes only, where a stream knows changes; with `page`
once more for the second answer, where there is one.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import redaction, registry
from tests.conformance import applicability
from tests.conformance.harness import Harness
from tests.conformance.subject import traits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inventory_providers.contract import Stream
    from tests.conftest import Canaries, Processes

STREAMS = {stream.name: (room, stream) for room in registry.providers() for stream in room.streams}
# They wait more than they work: begun first, they wait beside the others.
LONG = ("test_t23_a_real_reader", "test_t25_")


def _whom(name: str, chosen: str) -> list[str]:
    """What `reading` or `page` can be for a provider or a stream."""
    room, streams = name, registry.provider(name).streams if name in registry.PROVIDER_NAMES else ()
    if name in STREAMS:
        room, streams = STREAMS[name][0].name, (STREAMS[name][1],)
    if chosen == "page":
        return ["first", "second"] if traits_of(room).reads > 1 else ["first"]
    knows_changes = any(stream.replication_key for stream in streams)
    return ["full", "incremental"] if knows_changes else ["full"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The providers and streams come from the registry."""
    subject = next((name for name in ("tap", "reader") if name in metafunc.fixturenames), None)
    if subject is None:
        return
    cells: list[tuple[str, ...]] = [
        (name,) for name in (registry.PROVIDER_NAMES if subject == "tap" else STREAMS)
    ]
    names = [subject]
    for chosen in ("reading", "page"):
        if chosen in metafunc.fixturenames:
            names.append(chosen)
            cells = [(*cell, how) for cell in cells for how in _whom(cell[0], chosen)]
    metafunc.parametrize(names, cells, indirect=True, ids=["-".join(cell) for cell in cells])


def _about(item: pytest.Item) -> tuple[str, str] | None:
    """The row and the provider of a test."""
    found = re.match(r"test_t(\d\d)_", item.name)
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    if "reader" in params:
        params = params | {"tap": STREAMS[params["reader"]][0].name}
    return (f"T{found[1]}", params["tap"]) if found and "tap" in params else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the row and the provider of each test; skip rows that are not for a provider."""
    table = applicability.table(registry.PROVIDER_NAMES)
    for item in items:
        if (about := _about(item)) is None:
            continue
        row, provider = about
        item.user_properties += [("row", row), ("provider", provider)]
        if (reason := table[row][provider]) != applicability.APPLIES:
            item.add_marker(pytest.mark.skip(reason=f"{row} is not for {provider}: {reason}"))
    items.sort(key=lambda item: not item.name.startswith(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Row by provider: how many tests passed and failed, or why there are none."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    notes: dict[tuple[str, str], str] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            known = dict(report.user_properties)
            if "row" in known:
                place = known["row"], known["provider"]
                counts[place][outcome] += 1
                notes[place] = notes.get(place) or known.get("note", "")
    if not counts:
        return
    terminalreporter.section("faults by provider")
    for row, cells in applicability.table(registry.PROVIDER_NAMES).items():
        for provider, cell in cells.items():
            seen = ", ".join(f"{n} {what}" for what, n in counts[row, provider].items())
            if note := notes.get((row, provider)):
                seen += f" ({note})"
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
    room, stream = STREAMS[request.param]
    return make_harness(room.name, stream)


@pytest.fixture
def reading(request: pytest.FixtureRequest) -> str:
    """Whether everything is read, or changes since a bookmark."""
    how: str = request.param
    return how


@pytest.fixture
def page(request: pytest.FixtureRequest) -> int:
    """How many reads go well before the one that does not."""
    return ["first", "second"].index(request.param)
