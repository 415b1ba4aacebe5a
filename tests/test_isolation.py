"""Promise: providers do not drag each other down. All of them are configured in each run here."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import registry
from inventory_providers.environment import Environment
from inventory_providers.errors import InventoryError
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms
from tap_inventory.tap import TapInventory
from tests.conformance.result import Result
from tests.conformance.subject import Subject
from tests.conftest import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inventory_providers.sandbox.room import Key, Row
    from tests.conftest import Canaries, Finished

SIZE = 40
HOUR = 3600


@dataclass
class House:
    """Every provider behind one address, and one tap for them all."""

    canaries: Canaries
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.server = SandboxServer(rooms(self.clock, size=SIZE), clock=self.clock)
        self.tap_clock = FakeClock(self.clock.step)
        self.config = {name: self.server.settings(name) for name in registry.PROVIDER_NAMES}
        self.subjects = {room.name: self._subject(room.name) for room in registry.providers()}

    def _subject(self, name: str) -> Subject:
        streams = registry.provider(name).streams
        return Subject(name, self.server.room(name), streams, self.config[name])

    def catalog(self) -> dict[str, Any]:
        """Every stream that knows changes is asked for them."""
        catalog: dict[str, Any] = TapInventory(config=self.config).catalog_dict
        for entry in catalog["streams"]:
            if registry.every_stream()[entry["tap_stream_id"]].replication_key:
                entry["replication_method"] = "INCREMENTAL"
        return catalog

    def run(self, state: dict[str, Any] | None = None) -> Result:
        """Sync all providers."""
        tap = TapInventory(
            config=self.config,
            state=deepcopy(state),
            catalog=self.catalog(),
            environment=Environment(clock=self.tap_clock),
        )
        out, code, line = io.StringIO(), 0, ""
        try:
            with contextlib.redirect_stdout(out):
                tap.sync_all()
        except InventoryError as error:
            code, line = error.exit_code, str(error)
        self.canaries.saw("stdout", out.getvalue())
        self.canaries.saw("error", line)
        return Result(code, out.getvalue().encode(), line)

    def change(self) -> dict[str, set[Key]]:
        """An hour later some rows of each stream change; the keys of those that differ then."""
        before = deepcopy(self.rows())
        self.tap_clock.step(HOUR)
        for subject in self.subjects.values():
            for stream in subject.streams:
                subject.room.touch(stream.name, 3)
        return {
            name: {key for key, row in rows.items() if row != before[name].get(key)}
            for name, rows in self.rows().items()
        }

    def rows(self) -> dict[str, dict[Key, Row]]:
        """What each stream has to deliver now."""
        return {
            stream.name: subject.rows(stream)
            for subject in self.subjects.values()
            for stream in subject.streams
        }

    def bookmarks(self, name: str, state: dict[str, Any] | None) -> list[Any]:
        """Where the state says that a provider's streams stand."""
        subject = self.subjects[name]
        return [subject.bookmarks(state, stream) for stream in subject.streams]


@pytest.fixture
def house(canaries: Canaries) -> Iterator[House]:
    made = House(canaries)
    with made.server:
        yield made


def _refuse(house: House, name: str) -> int:
    house.server.room(name).turn(*next(iter(house.subjects[name].traits.refusals.values())))
    return 3


def _complain(house: House, name: str) -> int:
    traits = house.subjects[name].traits
    house.server.inject(name, Fault("body", body=traits.failure, path=traits.read, times=None))
    return 4


def _fall(house: House, name: str) -> int:
    read = house.subjects[name].traits.read
    house.server.inject(name, Fault("status", status=503, path=read, times=None))
    return 5


FAILURES = {"sign-in refused": _refuse, "error in its words": _complain, "down": _fall}


@pytest.mark.processes
def test_every_row_of_every_provider_comes_once_and_then_only_changes(
    house: House, tmp_path: Path, run_process: Callable[..., Finished]
) -> None:
    files = {name: tmp_path / f"{name}.json" for name in ("config", "catalog", "state")}
    files["config"].write_text(json.dumps(house.config))
    files["catalog"].write_text(json.dumps(house.catalog()))
    options = [part for name in ("config", "catalog") for part in (f"--{name}", files[name])]
    done = run_process(["tap_inventory", *options])
    first = Result(done.code, done.out, done.err)
    assert first.code == 0, done.err
    for subject in house.subjects.values():
        subject.assert_all_rows(first)
        subject.assert_no_duplicates(first)
        subject.assert_earned(first)
    assert {m["stream"] for m in first.messages if "stream" in m} == registry.every_stream().keys()
    assert _levels(first) == set(registry.PROVIDER_NAMES)
    changed = house.change()
    files["state"].write_text(json.dumps(first.state))
    done = run_process(["tap_inventory", *options, "--state", files["state"]])
    assert done.code == 0, done.err
    _assert_only_changes(house, Result(done.code, done.out, done.err), changed)


def _assert_only_changes(house: House, result: Result, changed: dict[str, set[Key]]) -> None:
    for subject in house.subjects.values():
        for stream in subject.streams:
            due = changed[stream.name] if stream.replication_key else subject.rows(stream).keys()
            assert sorted(subject.keys(result, stream)) == sorted(due), stream.name


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", registry.PROVIDER_NAMES)
def test_one_that_fails_leaves_the_others_complete(house: House, name: str, failure: str) -> None:
    code = FAILURES[failure](house, name)
    result = house.run()
    assert result.code == code
    assert name in result.last_line
    house.subjects[name].assert_earned(result)
    assert _levels(result) >= set(registry.PROVIDER_NAMES) - {name}
    for other, subject in house.subjects.items():
        if other != name:
            subject.assert_all_rows(result)
            subject.assert_no_duplicates(result)
            subject.assert_earned(result)
            assert _all_bookmarks(subject, result)


def _levels(result: Result) -> set[str]:
    """The providers whose levels came."""
    return {record["provider"] for record in result.records("inventory_levels")}


def _all_bookmarks(subject: Subject, result: Result) -> bool:
    return all(
        len(subject.bookmarks(result.state, stream)) == len(subject.parts(stream))
        for stream in subject.streams
        if stream.replication_key
    )


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", registry.PROVIDER_NAMES)
def test_the_bookmark_of_one_that_fails_stays_and_nothing_is_lost(
    house: House, name: str, failure: str
) -> None:
    first = house.run()
    assert first.code == 0, first.last_line
    house.change()
    FAILURES[failure](house, name)
    second = house.run(first.state)
    assert house.bookmarks(name, second.state) == house.bookmarks(name, first.state)
    for other, subject in house.subjects.items():
        if other != name:
            subject.assert_all_rows(first, second)
    house.server.clear()
    room = house.server.room(name)
    for switch, _ in house.subjects[name].traits.refusals.values():
        room.turn(switch, room.switches[switch].off)
    third = house.run(second.state)
    assert third.code == 0, third.last_line
    house.subjects[name].assert_all_rows(first, second, third)


def test_of_several_that_fail_all_are_named_and_one_of_them_says_how_it_ends(house: House) -> None:
    codes = set()
    for name, fail in zip(registry.PROVIDER_NAMES, itertools.cycle((_fall, _complain))):
        codes.add(fail(house, name))
    result = house.run()
    assert result.code in codes
    assert all(name in result.last_line for name in registry.PROVIDER_NAMES)
    assert not [message for message in result.messages if message["type"] == "RECORD"]
