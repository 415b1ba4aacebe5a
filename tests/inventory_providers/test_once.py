"""Promise: of an array of any size each key comes once, the last version, in little memory."""

from __future__ import annotations

import io
import logging
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import stored
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps
from inventory_providers.once import Reader, all_rows, each_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Whole numbers that differ by this have the same hash.
PRIME = 2**61 - 1


class Row(NamedTuple):
    key: Any
    version: int


class Recorder(logging.Handler):
    """What was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logging.getLogger("inventory.once").addHandler(self)
        return self.said

    def __exit__(self, *args: object) -> None:
        logging.getLogger("inventory.once").removeHandler(self)


def key_of(raw: Any) -> Any:
    if not raw:
        raise Malformed("a row has no key")
    return raw[0]


def reader() -> Reader[Row]:
    return Reader(key_of, lambda raw: Row(key_of(raw), raw[1]))


def array(rows: Sequence[Any]) -> stored.Rows:
    """An array as it stands in a stored document."""
    document = stored.load(io.BytesIO(b'{"rows":' + dumps(rows) + b"}"), ["rows"])
    found: stored.Rows = document["rows"]
    assert isinstance(found, stored.Rows)
    return found


def numbered(keys: Sequence[Any]) -> list[tuple[Any, int]]:
    """Rows with these keys; the version is the place."""
    return [(key, place) for place, key in enumerate(keys)]


few = st.integers(0, 4)
colliding = st.builds(lambda base, times: base + times * PRIME, few, st.integers(0, 3))
keys = st.lists(few | st.sampled_from([-1, -2]) | colliding | st.text("ab", max_size=2))


@given(keys)
def test_each_key_comes_once_in_its_last_version(keys: list[Any]) -> None:
    """Also where different keys have one hash."""
    found = list(each_once(array(numbered(keys)), reader(), name="rows"))
    assert len({row.key for row in found}) == len(found)
    assert {row.key: row.version for row in found} == dict(numbered(keys))


@given(keys)
def test_rows_whose_key_is_alone_come_in_their_order(keys: list[Any]) -> None:
    hashes = Counter(map(hash, keys))
    alone = [Row(key, place) for key, place in numbered(keys) if hashes[hash(key)] == 1]
    found = list(each_once(array(numbered(keys)), reader(), name="rows"))
    assert found[: len(alone)] == alone


@given(keys)
def test_what_is_said_is_how_many_rows_were_left_out_and_a_key_that_is_there_twice(
    keys: list[Any],
) -> None:
    with Recorder() as said:
        found = list(each_once(array(numbered(keys)), reader(), name="shop: rows"))
    count = len(keys) - len(found)
    doubled = [str(key) for key, times in Counter(keys).items() if times > 1]
    if not count:
        assert said == []
        return
    (line,) = said
    assert line.startswith("shop: rows: a key occurs twice, such as ")
    assert line.endswith(f"rows left out: {count}")
    assert line.split("such as ")[1].split(": the last")[0] in doubled


def test_different_keys_of_one_hash_are_no_twins() -> None:
    assert hash(5) == hash(5 + PRIME)
    with Recorder() as said:
        found = list(each_once(array(numbered([5, 5 + PRIME, 7])), reader(), name="rows"))
    assert {row.key for row in found} == {5, 5 + PRIME, 7}
    assert said == []


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(16, 64))
def test_it_does_not_matter_where_the_array_is_cut(keys: list[int], piece: int) -> None:
    with patch.object(stored, "PIECE", piece):
        rows = array(numbered(keys))
        found = list(each_once(rows, reader(), name="rows"))
        assert list(all_rows(rows, reader())) == [Row(*row) for row in numbered(keys)]
    assert {row.key: row.version for row in found} == dict(numbered(keys))


@given(st.lists(few, min_size=1))
def test_a_row_without_a_key_is_refused_before_the_first_row_comes(keys: list[int]) -> None:
    rows = each_once(array([*numbered(keys), []]), reader(), name="rows")
    with pytest.raises(Malformed):
        next(rows)


def test_all_rows_are_the_rows_as_they_stand_there() -> None:
    assert list(all_rows(array(numbered([1, 2, 1])), reader())) == [(1, 0), (2, 1), (1, 2)]


class Great:
    """A great array that is nowhere: its pieces are made when they are wanted."""

    def __init__(self, count: int) -> None:
        self._count = count

    def pieces(self) -> Iterator[bytes]:
        for begin in range(0, self._count, 100):
            yield dumps([(f"key {n}", n) for n in range(begin, begin + 100)])


def test_of_each_row_eight_bytes_are_kept() -> None:
    count = 40_000
    rows = each_once(Great(count), reader(), name="rows")  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # An array that grows has a little in reserve; the rest is one piece at a time.
    assert peak < count * 8 * 1.25 + 256 * 1024
