"""Promise: the shipped pipe fails when a part of it fails, and keeps a state only when none did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import Fault, SandboxServer, rooms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Canaries

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "pipeline.sh"
STREAM = "deconetwork_inventory"
KEY = "19617_1378"
SCHEMA = {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": []}
RECORD = {"type": "RECORD", "stream": STREAM, "record": {"dn_sku_id": KEY, "inv_lvl": 77}}
STATE = {"type": "STATE", "value": {"bookmarks": {"new": 1}}}
OLD = '{"bookmarks": {}}'

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not SCRIPT.exists(), reason="this is no checkout: only the tests are here"),
]


class Ended(NamedTuple):
    code: int
    err: str

    @property
    def last(self) -> str:
        return self.err.splitlines()[-1]


class Pipe:
    """The script, with the installed commands, or a tap of our own in front of them."""

    def __init__(self, folder: Path, canaries: Canaries, server: SandboxServer) -> None:
        self.server, self._folder, self._canaries = server, folder, canaries
        self.state = canaries.watch(folder / "out") / "state.json"
        self.state.parent.mkdir()
        (folder / "bin").mkdir()
        self.tap = self.target = self.provider = server.settings("deconetwork")

    def run(self, *more: str) -> Ended:
        """To its end."""
        journal = str(self._folder / "out" / "journal.sqlite")
        configs = ({"deconetwork": self.tap}, {"deconetwork": self.target, "journal_path": journal})
        paths = [self._folder / "tap.json", self._folder / "target.json"]
        for path, config in zip(paths, configs, strict=True):
            path.write_text(json.dumps(config))
        places = [self._folder / "bin", Path(sys.executable).parent, os.environ["PATH"]]
        done = subprocess.run(
            ["bash", SCRIPT, *paths, self.state, *more],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PATH": ":".join(map(str, places))},
        )
        self._canaries.saw("stderr", done.stderr)
        assert done.stdout == ""
        # Nothing is left lying about.
        assert not list(self.state.parent.glob("state.json.*"))
        return Ended(done.returncode, done.stderr)

    def last_line(self, code: int) -> str:
        """What a failure ends with."""
        return f"pipeline: failed with {code}; {self.state} stays as it was"

    def instead_of_the_tap(self, end: str, *messages: Any) -> None:
        """A tap that says this, each a whole line, and then ends."""
        lines = "".join(f"{json.dumps(message)}\n" for message in messages)
        (self._folder / "said").write_text(lines)
        script = self._folder / "bin" / "tap-inventory"
        script.write_text(f"#!/bin/sh\ncat '{self._folder / 'said'}'\n{end}\n")
        script.chmod(0o700)

    @property
    def level(self) -> int:
        level: int = self.server.room("deconetwork").rows(STREAM)[KEY,]["inv_lvl"]
        return level


@pytest.fixture
def pipe(tmp_path: Path, canaries: Canaries) -> Iterator[Pipe]:
    clock = Clock()
    with SandboxServer(rooms(clock, 60, ["deconetwork"]), clock=clock) as server:
        yield Pipe(tmp_path, canaries, server)


def test_a_good_run_keeps_the_state_and_the_next_one_begins_there(pipe: Pipe) -> None:
    first = pipe.run()
    assert first.code == 0, first.err
    assert "the tap ended with 0, the target with 0" in first.err
    assert "stays as it was" not in first.err
    kept = json.loads(pipe.state.read_text())
    assert STREAM in kept["bookmarks"]
    assert "60 unchanged" in first.err
    second = pipe.run()
    assert second.code == 0, second.err
    assert "60 unchanged" not in second.err
    assert STREAM in json.loads(pipe.state.read_text())["bookmarks"]


def test_a_catalog_can_be_given(pipe: Pipe, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text('{"streams": []}')
    ended = pipe.run(str(catalog))
    assert "0 records read" in ended.err
    assert "60 unchanged" not in ended.err


@pytest.mark.parametrize(("end", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("exit 10", 10)])
def test_w19_a_tap_that_dies_between_two_lines_fails_the_pipe(
    pipe: Pipe, end: str, code: int
) -> None:
    pipe.state.write_text(OLD)
    pipe.instead_of_the_tap(end, SCHEMA, RECORD, STATE)
    ended = pipe.run()
    assert ended.code == code
    assert f"the tap ended with {code}, the target with 0" in ended.err
    assert ended.last == pipe.last_line(code)
    assert pipe.state.read_text() == OLD
    assert pipe.level == 77


def test_w19_a_wrong_password_of_the_tap_fails_the_pipe(pipe: Pipe) -> None:
    pipe.state.write_text(OLD)
    pipe.tap = pipe.provider | {"password": "wrong"}
    ended = pipe.run()
    assert ended.code == 3
    assert "the tap ended with 3, the target with 0" in ended.err
    assert ended.last == pipe.last_line(3)
    assert pipe.state.read_text() == OLD


def test_w19_without_a_state_before_there_is_none_afterwards(pipe: Pipe) -> None:
    pipe.instead_of_the_tap("exit 3", SCHEMA, RECORD, STATE)
    assert pipe.run().code == 3
    assert not pipe.state.exists()


def test_w19_a_target_that_fails_fails_the_pipe_with_its_code(pipe: Pipe) -> None:
    pipe.state.write_text(OLD)
    pipe.instead_of_the_tap("exit 0", SCHEMA, RECORD, STATE)
    pipe.server.inject("deconetwork", Fault("html", status=400, times=None, method="POST"))
    ended = pipe.run()
    assert ended.code == 4
    assert "the tap ended with 0, the target with 4" in ended.err
    assert ended.last == pipe.last_line(4)
    assert pipe.state.read_text() == OLD


def test_w19_a_target_that_leaves_early_is_the_cause_and_not_the_tap(pipe: Pipe) -> None:
    pipe.state.write_text(OLD)
    pipe.target = pipe.provider | {"passwort": "x"}
    # More than a pipe holds, so that the tap is still writing when its reader has gone.
    pipe.server.room("deconetwork").size = 2000
    pipe.server.reset()
    ended = pipe.run()
    assert ended.code == 2, ended.err
    assert "the tap ended with 10, the target with 2" in ended.err
    assert ended.last == pipe.last_line(2)
    assert pipe.state.read_text() == OLD


def test_a_state_that_cannot_be_written_is_found_out_first(pipe: Pipe) -> None:
    # As root, a mode would stop nobody; a name that is too long does.
    pipe.state = pipe.state.with_name("s" * 250)
    ended = pipe.run()
    assert ended.code == 10
    assert ended.last.endswith(f"{pipe.state} stays as it was")
    assert pipe.server.received == []


@pytest.mark.parametrize("folder", ["none", "tap.json"], ids=["missing", "a file"])
def test_a_folder_that_is_none_is_told_in_one_line_first(
    pipe: Pipe, tmp_path: Path, folder: str
) -> None:
    pipe.state = tmp_path / folder / "state.json"
    ended = pipe.run()
    assert ended.code == 10
    (line,) = ended.err.splitlines()
    assert line.startswith(f"pipeline: there is no folder {tmp_path / folder} for the state")
    assert pipe.server.received == []


def test_commands_that_are_not_on_the_path_are_named(tmp_path: Path) -> None:
    (tmp_path / "bash").symlink_to("/bin/bash")
    done = subprocess.run(
        [tmp_path / "bash", SCRIPT, "a.json", "b.json", "state.json"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"PATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("pipeline: tap-inventory is not on the path")


@pytest.mark.parametrize("arguments", [[], ["one", "two"], ["1", "2", "3", "4", "5"]])
def test_other_arguments_are_refused(arguments: list[str]) -> None:
    done = subprocess.run(
        ["bash", SCRIPT, *arguments], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
