"""Promise: lines are taken in any form, in bounded memory, and never shown."""

from __future__ import annotations

import io
import tracemalloc
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers.errors import ConfigError, InputError
from target_inventory.reader import LONGEST, LineReader

if TYPE_CHECKING:
    from collections import Counter

RECORD = b'{"type":"RECORD","stream":"s","record":{"a":1}}'
STATE = b'{"type":"STATE","value":{}}'


class Heard:
    """A reader, and the messages that it handed over."""

    def __init__(self, *data: bytes) -> None:
        self.messages: list[dict[str, Any]] = []
        self.reader = LineReader()
        kinds = ("SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION")
        self.callbacks = dict.fromkeys(kinds, self.messages.append)
        self.seen = self.read(io.BytesIO(b"".join(data)))

    def read(self, source: Any) -> Counter[str]:
        return self.reader.process_lines(source, self.callbacks)

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def failure(self) -> str:
        return str(self.reader.failure or "")


@pytest.mark.parametrize(
    "data",
    [
        RECORD + b"\n" + STATE + b"\n",
        RECORD + b"\n" + STATE,
        RECORD + b"\r\n" + STATE + b"\r\n",
        b"\xef\xbb\xbf" + RECORD + b"\n" + STATE + b"\n",
        b"\n \n\t\r\n" + RECORD + b"\n\n\n" + STATE + b"\n\n",
        b"  " + RECORD + b"  \n\t" + STATE,
    ],
    ids=["plain", "no final newline", "CRLF", "BOM", "blank lines", "blanks"],
)
def test_a_form_that_is_tolerated(data: bytes) -> None:
    heard = Heard(data)
    assert (heard.kinds, heard.failure) == (["RECORD", "STATE"], "")
    assert heard.seen == {"RECORD": 1, "STATE": 1}


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_input_is_no_failure(data: bytes) -> None:
    heard = Heard(data)
    assert (heard.kinds, heard.failure, sum(heard.seen.values())) == ([], "", 0)


def test_a_byte_order_mark_inside_is_garbage() -> None:
    assert "line 2" in Heard(STATE + b"\n\xef\xbb\xbf" + STATE).failure


def test_text_is_taken_as_well() -> None:
    heard = Heard()
    heard.read(io.StringIO("\ufeff" + RECORD.decode() + "\n" + STATE.decode()))
    assert heard.kinds == ["RECORD", "STATE"]


@pytest.mark.parametrize(
    "line",
    [
        b"secret",
        RECORD[:-1],
        b"[1]",
        b'"secret"',
        b"{}",
        b'{"type":1}',
        b'{"type":"secret"}',
        b'{"type":"record"}',
        b"\xff\xfe",
        b'{"type":"\xff"}',
        b'{"type":"STATE","value":' + b"[" * 200_000,
    ],
)
def test_a_broken_line_stops_it_there_and_is_not_shown(line: bytes) -> None:
    heard = Heard(RECORD, b"\n\n", line, b"\n", STATE)
    assert heard.kinds == ["RECORD"]
    assert heard.failure.startswith("input line 3: ")
    assert "secret" not in heard.failure
    assert isinstance(heard.reader.failure, ConfigError), "it has to end with exit code 2"


def test_a_message_that_is_refused_stops_it_there() -> None:
    heard = Heard()

    def refuse(_message: dict[str, Any]) -> None:
        raise InputError("no")

    heard.callbacks["STATE"] = refuse
    heard.read(io.BytesIO(RECORD + b"\n" + STATE + b"\n" + RECORD))
    assert heard.kinds == ["RECORD"]
    assert heard.failure.startswith("input line 2: no")


def test_what_concerns_more_than_the_line_is_raised() -> None:
    heard = Heard()

    def refuse(_message: dict[str, Any]) -> None:
        raise ConfigError("no such stream")

    heard.callbacks["RECORD"] = refuse
    with pytest.raises(ConfigError, match="no such stream"):
        heard.read(io.BytesIO(RECORD))


# ---- the lines of a plan -------------------------------------------------------------------------

PLAN = b'{"stream":"s","key":{"k":"a"},"field":"n","before":1,"after":2}'


def _hear_plans(*lines: bytes) -> tuple[Heard, list[dict[str, Any]]]:
    heard, plans = Heard(), list[dict[str, Any]]()
    heard.reader.plan_line = plans.append
    heard.seen = heard.read(io.BytesIO(b"\n".join(lines)))
    return heard, plans


def test_the_lines_of_a_plan_stand_beside_messages() -> None:
    more = PLAN.replace(b'"field"', b'"record":{"x":0.10},"field"')
    heard, plans = _hear_plans(RECORD, PLAN, STATE, more)
    assert heard.kinds == ["RECORD", "STATE"]
    assert [plan["after"] for plan in plans] == [2, 2]
    assert plans[1]["record"] == {"x": Decimal("0.10")}
    assert heard.seen == {"RECORD": 1, "STATE": 1, "PLAN": 2}


@pytest.mark.parametrize("name", ["stream", "key", "field", "before", "after"])
def test_a_line_that_lacks_a_part_of_a_plan_is_none(name: str) -> None:
    heard, plans = _hear_plans(RECORD, PLAN.replace(f'"{name}"'.encode(), b'"x"'), PLAN)
    assert (heard.kinds, plans) == (["RECORD"], [])
    assert heard.failure.startswith("input line 2: ")


def test_a_message_that_says_its_type_is_never_taken_for_a_plan() -> None:
    heard, plans = _hear_plans(PLAN.replace(b"{", b'{"type":"SECRET",', 1))
    assert plans == []
    assert "unknown message type" in heard.failure


def test_a_line_of_a_plan_that_is_refused_stops_it_there() -> None:
    heard = Heard()

    def refuse(_line: dict[str, Any]) -> None:
        raise InputError("no")

    heard.reader.plan_line = refuse
    heard.read(io.BytesIO(RECORD + b"\n" + PLAN + b"\n" + RECORD))
    assert heard.kinds == ["RECORD"]
    assert heard.failure.startswith("input line 2: no")


# ---- bounded memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_line_is_just_as_long_as_it_says(more: int) -> None:
    frame = b'{"type":"STATE","value":{"x":""}}'
    line = frame.replace(b'""', b'"' + b"x" * (LONGEST - len(frame) + more) + b'"')
    heard = Heard(line, b"\n", STATE)
    assert heard.kinds == (["STATE", "STATE"] if not more else [])
    assert bool(heard.failure) == bool(more)


class Endless(io.RawIOBase):
    """A line that never ends."""

    def __init__(self) -> None:
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"x" * len(buffer)
        self.given += len(buffer)
        return len(buffer)


def test_a_line_without_an_end_is_given_up_in_bounded_memory() -> None:
    heard, endless = Heard(), Endless()
    tracemalloc.start()
    try:
        heard.read(io.BufferedReader(endless, 1 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "16 MiB" in heard.failure
    assert endless.given < 2 * LONGEST
    assert peak < 5 * LONGEST


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e400"])
def test_a_number_that_is_none_is_for_the_record_to_judge(text: bytes) -> None:
    heard = Heard(RECORD.replace(b"1", text))
    assert (heard.kinds, heard.failure) == (["RECORD"], "")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([RECORD, STATE, b""]), max_size=8))
def test_whatever_comes_it_stops_in_order_or_not_at_all(lines: list[bytes]) -> None:
    heard = Heard(b"\n".join(lines))
    if not heard.failure:
        assert len(heard.messages) == sum(heard.seen.values())
    assert heard.failure == "" or heard.failure.startswith("input line ")
