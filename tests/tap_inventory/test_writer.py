"""Promise: standard output holds whole lines, and what cannot be written is no silent loss."""

from __future__ import annotations

import io
import json
import os
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from singer_sdk.singerlib.encoding.simple import RecordMessage, StateMessage

from inventory_providers import command
from inventory_providers.errors import OutputError, Stopped
from inventory_providers.jsonio import loads
from tap_inventory.writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_signal() -> Iterator[None]:
    yield
    command.SIGNALS.stop = None


class Pipe:
    """A real pipe as standard output, read in a thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, read: bool = True) -> None:
        self.reader, self.writer = os.pipe()
        self.out = os.fdopen(self.writer, "w", encoding="utf-8")
        monkeypatch.setattr("sys.stdout", self.out)
        self._chunks: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        if read:
            self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self.reader, 65536):
            self._chunks.append(chunk)

    def close_reader(self) -> None:
        os.close(self.reader)

    def text(self) -> bytes:
        self.out.close()
        if not self._thread.ident:
            self._thread.start()
        self._thread.join(timeout=10)
        os.close(self.reader)
        return b"".join(self._chunks)


def test_records_are_whole_lines_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch), LineWriter()
    writer.write_records("a_stream", [b'{"n":1}', b'{"n":2}'], NOON, None)
    writer.write_records("a_stream", [b'{"n":3}'], NOON, 5)
    writer.flush()
    messages = [json.loads(line) for line in pipe.text().splitlines()]
    assert messages == [
        {
            "type": "RECORD",
            "stream": "a_stream",
            "record": {"n": 1},
            "time_extracted": "2026-03-01T12:00:00Z",
        },
        {
            "type": "RECORD",
            "stream": "a_stream",
            "record": {"n": 2},
            "time_extracted": "2026-03-01T12:00:00Z",
        },
        {
            "type": "RECORD",
            "stream": "a_stream",
            "record": {"n": 3},
            "version": 5,
            "time_extracted": "2026-03-01T12:00:00Z",
        },
    ]


def test_the_fast_and_the_slow_way_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"a": Decimal("0.10"), "b": 2**70, "c": "\U0001f511", "d": None}
    pipe, writer = Pipe(monkeypatch), LineWriter()
    writer.write_message(RecordMessage(stream="s", record=record, time_extracted=NOON))
    writer.write_records(
        "s", [b'{"a":0.10,"b":%d,"c":"\\ud83d\\udd11","d":null}' % 2**70], NOON, None
    )
    writer.flush()
    slow, fast = (loads(line) for line in pipe.text().splitlines())
    assert slow == fast
    assert slow["record"] == record


def test_a_state_is_not_held_back_and_follows_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch), LineWriter()
    writer.write_records("s", [b"{}"] * 3, NOON, None)
    writer.write_message(StateMessage(value={"bookmarks": {}}))
    kinds = [json.loads(line)["type"] for line in pipe.text().splitlines()]
    assert kinds == ["RECORD"] * 3 + ["STATE"]


@pytest.mark.parametrize("size", [1, 3000, 4096, 5000, 70_000, 300_000])
def test_lines_of_every_length_arrive_whole(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch), LineWriter()
    records = [b'"' + b"x" * (size + n) + b'"' for n in range(5)]
    for record in records:
        writer.write_records("s", [record], NOON, None)
    writer.flush()
    found = [json.loads(line)["record"] for line in pipe.text().splitlines()]
    assert found == [json.loads(record) for record in records]


def test_the_buffer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch), LineWriter()
    for _ in range(200):
        writer.write_records("s", [b'"' + b"x" * 1000 + b'"'], NOON, None)
        assert writer._size < 80_000
    writer.flush()
    assert len(pipe.text().splitlines()) == 200


def test_a_lone_surrogate_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch), LineWriter()
    writer.write_message(RecordMessage(stream="s", record={"a": "x\ud83d"}, time_extracted=NOON))
    writer.flush()
    assert loads(pipe.text().rstrip())["record"] == {"a": "x\ud83d"}


def test_a_reader_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, writer = Pipe(monkeypatch, read=False), LineWriter()
    pipe.close_reader()
    writer.write_records("s", [b"{}"], NOON, None)
    with pytest.raises(OutputError, match="closed the pipe"):
        writer.flush()
    pipe.out.close()


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        writer = LineWriter()
        writer.write_records("s", [b"{}"], NOON, None)
        with pytest.raises(OutputError, match="No space left"):
            writer.flush()


def test_a_file_is_written_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        monkeypatch.setattr("sys.stdout", out)
        writer = LineWriter()
        writer.write_records("s", [b'"%d"' % n for n in range(20_000)], NOON, None)
        writer.flush()
    assert len((tmp_path / "out").read_bytes().splitlines()) == 20_000


def test_a_standard_output_without_a_file_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    writer = LineWriter()
    writer.write_records("s", [b'"\xc3\xa9"'], NOON, None)
    writer.flush()
    assert json.loads(out.getvalue())["record"] == "é"


def test_a_stop_while_the_reader_does_not_read_leaves_whole_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe, writer = Pipe(monkeypatch, read=False), LineWriter()
    monkeypatch.setattr("tap_inventory.writer.PATIENCE", 0.2)
    writer._lines = [b'"' + b"x" * 3000 + b'"\n'] * 100  # far more than a pipe holds
    threading.Timer(0.2, lambda: setattr(command.SIGNALS, "stop", Stopped(15))).start()
    with pytest.raises(Stopped):
        writer.flush()
    text = pipe.text()
    assert text.endswith(b"\n")
    assert all(line == b'"' + b"x" * 3000 + b'"' for line in text.splitlines())
    assert 0 < len(text.splitlines()) < 100


def test_nothing_to_write_is_nothing_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    LineWriter().flush()
