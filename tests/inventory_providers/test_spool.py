"""Promise: the newest line of each key comes back, in the order of first arrival, however many."""

from __future__ import annotations

import contextlib
import os
import stat
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.errors import ScratchError
from inventory_providers.spool import Scratch, Spool
from tests.inventory_providers.fakes import small_disk

if TYPE_CHECKING:
    from pathlib import Path

puts = st.lists(
    st.tuples(st.text(max_size=3), st.binary(max_size=50), st.none() | st.integers()), max_size=40
)


@given(puts, st.sampled_from([1, 64, 1_000_000]))
def test_it_behaves_as_a_dictionary(
    items: list[tuple[str, bytes, int | None]], memory: int
) -> None:
    expected: dict[str, tuple[bytes, int | None]] = {}
    with Spool[int | None](in_memory=memory) as spool:
        for key, line, mark in items:
            assert (key in spool) == (key in expected)
            spool.put(key, line, mark)
            expected[key] = (line, mark)
            assert spool.mark(key) == mark
            assert len(spool) == len(expected)
        assert list(spool) == list(expected.values())
        assert list(spool) == list(expected.values()), "it can be read twice"


def test_an_unknown_key_has_no_mark() -> None:
    with Spool[int]() as spool:
        assert spool.mark("a") is None


def test_it_can_grow_while_it_is_read() -> None:
    with Spool[int]() as spool:
        spool.put("a", b"1", 1)
        rows = iter(spool)
        assert next(rows) == (b"1", 1)
        spool.put("a", b"22", 2)
        assert list(spool) == [(b"22", 2)]


def test_rows_beyond_the_memory_go_to_disk_and_come_back() -> None:
    rows, size = 5_000, 2_000
    with Spool[int](in_memory=10_000) as spool:
        tracemalloc.start()
        for number in range(rows):
            spool.put(str(number), b"x" * size + str(number).encode(), number)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < rows * size / 2, "the lines themselves are not in memory"
        assert [mark for _, mark in spool] == list(range(rows))
        assert all(line == b"x" * size + str(mark).encode() for line, mark in spool)


def test_its_file_is_closed_with_the_block() -> None:
    with Spool[int](in_memory=0) as spool:
        spool.put("a", b"1", 1)
    with pytest.raises(ValueError, match="closed"):
        spool.put("b", b"1", 1)


@pytest.mark.parametrize("size", [100, 5_000, 20_000])
def test_a_full_disk_is_said_wherever_it_is_found_out(size: int) -> None:
    def fill(spool: Spool[int]) -> list[tuple[bytes, int]]:
        for number in range(20):
            spool.put(str(number), b"x" * size, number)
        return list(spool)

    with (
        small_disk(1_000),
        pytest.raises(ScratchError, match="temporary file"),
        Spool[int](0) as it,
    ):
        fill(it)


@pytest.mark.parametrize("size", [1, 20_000])
def test_closing_a_scratch_file_hides_no_error_behind_another(size: int) -> None:
    def broken() -> None:
        with small_disk(0), Scratch() as file:
            with contextlib.suppress(OSError):
                file.write(b"x" * size)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()


def test_a_scratch_file_that_cannot_be_made_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(ScratchError, match="temporary file"):
        Scratch()


def test_a_scratch_file_has_no_name_and_is_for_its_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Scratch() as file:
        file.write(b"x")
        file.flush()
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077 == 0
        assert list(tmp_path.iterdir()) == []
