"""Promise: a document in a file is read in pieces, and is what it would be read at once."""

from __future__ import annotations

import io
import json
import tracemalloc
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inventory_providers import stored
from inventory_providers.jsonio import NotJson, loads
from inventory_providers.stored import Rows, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GREAT = ("rows", "more")


def small(piece: int, glance: int = 1, largest: int = 2**20) -> Any:
    """Sizes at which a border falls everywhere."""
    return mock.patch.multiple(stored, PIECE=piece, GLANCE=glance, LARGEST=largest)


def whole(document: Any) -> Any:
    """A document with its great arrays read to their end."""
    if not isinstance(document, dict):
        return document
    return {
        name: list(value) if isinstance(value, Rows) else value for name, value in document.items()
    }


def outcome(read: Callable[[], Any]) -> str:
    """What comes out, with types and order, or that nothing does."""
    try:
        return repr(read())
    except NotJson:
        return "not JSON"


def at_once(text: bytes) -> str:
    return outcome(lambda: loads(text))


def in_pieces(text: bytes) -> str:
    return outcome(lambda: whole(load(io.BytesIO(text), GREAT)))


# ---- any document --------------------------------------------------------------------------------

blanks = st.sampled_from(["", "", "", " ", "\n  ", "\t\r\n"])
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][-+]?[0-9]{1,3})?", fullmatch=True
)
awkward = st.text(st.sampled_from('{}[]",:\\ },\n\x00é€🔑a1'), max_size=12) | st.text(max_size=5)
strings = st.builds(json.dumps, awkward, ensure_ascii=st.booleans()) | st.sampled_from(
    [r'"\ud83d"', r'"\ud83d\udd11"', r'"\u0000\/"']
)


def _list(items: list[tuple[str, str, str]], left: str = "[", right: str = "]") -> str:
    return left + ",".join("".join(item) for item in items) + right


def _lists(inner: st.SearchStrategy[str], most: int = 4) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(blanks, inner, blanks), max_size=most).map(_list)


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.builds("{}{}:{}{}".format, strings, blanks, blanks, inner)
    return st.lists(st.tuples(blanks, member, blanks), max_size=3).map(
        lambda members: _list(members, "{", "}")
    )


values = st.recursive(
    st.sampled_from(["null", "true", "false"]) | numbers | strings,
    lambda inner: _lists(inner) | _objects(inner),
    max_leaves=8,
)
# Of one kind, as the rows of a provider are, or of all kinds.
arrays = st.one_of(_lists(one, 8) for one in (_objects(values), _lists(values), strings, values))


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """An object with great arrays, other members before, between and behind, as text."""
    names = draw(st.permutations([*GREAT, "total", "", "ro\\u0077s "]))
    members = []
    for name in names[: draw(st.integers(0, len(names)))]:
        value = draw(arrays | values if name in GREAT else values)
        members.append(
            (draw(blanks), f'"{name}"{draw(blanks)}:{draw(blanks)}{value}', draw(blanks))
        )
    return (draw(blanks) + _list(members, "{", "}") + draw(blanks)).encode()


pieces = st.integers(1, 40)


@settings(deadline=None)
@given(documents(), pieces, pieces)
@example(b'{"rows":[1.5,2e7],"total":1e3}', 9, 1)
@example(b'{"rows":[{"a":1}],"more":[{"a":"},"},{"b":{"c":1}}]}', 12, 1)
def test_any_document_is_what_it_would_be_at_once(text: bytes, piece: int, glance: int) -> None:
    with small(piece, glance):
        assert in_pieces(text) == at_once(text)


@settings(deadline=None)
@given(documents(), pieces)
def test_the_pieces_of_an_array_are_arrays_and_together_the_whole(text: bytes, piece: int) -> None:
    expected = outcome(lambda: loads(text))
    with small(piece):
        try:
            document = load(io.BytesIO(text), GREAT)
        except NotJson:
            assert expected == "not JSON"
            return
        for rows in document.values():
            if isinstance(rows, Rows):
                cut = [loads(each) for each in rows.pieces()]
                assert [row for each in cut for row in each] == list(rows)
                assert len(rows) == sum(map(len, cut))
                assert all(cut), "an empty piece is a read for nothing"


@settings(deadline=None)
@given(documents(), pieces)
def test_arrays_can_be_read_again_and_side_by_side(text: bytes, piece: int) -> None:
    with small(piece):
        try:
            document = load(io.BytesIO(text), GREAT)
        except NotJson:
            return
        great = [rows for rows in document.values() if isinstance(rows, Rows)]
        alone = [list(rows) for rows in great]
        side_by_side: list[list[Any]] = [[] for _ in great]
        for line in zip_longest(*great, fillvalue=...):
            for kept, row in zip(side_by_side, line, strict=True):
                kept.extend([] if row is ... else [row])
        assert repr(side_by_side) == repr(alone) == repr([list(rows) for rows in great])


@settings(deadline=None)
@given(documents(), pieces)
def test_each_element_is_shown_once_and_in_order_while_it_is_checked(
    text: bytes, piece: int
) -> None:
    shown: dict[str, list[Any]] = {}
    with small(piece):
        try:
            document = load(
                io.BytesIO(text),
                GREAT,
                lambda name, found: shown.setdefault(name, []).extend(found),
            )
        except NotJson:
            return
        great = {name: list(rows) for name, rows in document.items() if isinstance(rows, Rows)}
    assert repr({name: rows for name, rows in great.items() if rows}) == repr(shown)


# ---- what is no document -------------------------------------------------------------------------


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A document with something cut off, left out, put in or replaced."""
    text = draw(documents() | values.map(str.encode))
    begin = draw(st.integers(0, len(text)))
    end = draw(st.sampled_from([begin, begin + 1, len(text)]) | st.integers(begin, len(text)))
    noise = st.sampled_from(
        [b"", b",", b"]", b"}", b'"', b"[", b":", b"-", b".", b"e", b"\\", b"7"]
    )
    return text[:begin] + draw(noise | st.binary(max_size=3)) + text[end:]


def _names_a_list_twice(text: bytes) -> bool:
    pairs: list[tuple[str, Any]] = []

    def hook(members: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = members  # the outermost object ends last
        return dict(members)

    json.loads(text, object_pairs_hook=hook)
    names = [name for name, _ in pairs]
    return any(names.count(name) > 1 for name in GREAT)


@settings(deadline=None)
@given(broken(), pieces)
@example(b"[1] x", 40)
@example(b'{"rows":[,1]}', 3)
@example(b'{"rows":[1,]}', 3)
@example(b'{"rows":[1],}', 3)
@example(b'{"rows":[{}]} {', 3)
@example(b'{"rows":[1 2]}', 3)
@example(b'\xef\xbb\xbf{"rows":[]}', 3)
@example(b"", 3)
@example(b'{"rows":["\xe2\x82"', 3)
def test_a_broken_document_is_refused_exactly_when_it_would_be_at_once(
    text: bytes, piece: int
) -> None:
    with small(piece):
        found, expected = in_pieces(text), at_once(text)
    if found != expected:
        assert found == "not JSON"
        assert _names_a_list_twice(text)


@settings(deadline=None)
@given(documents(), st.integers(1, 8), pieces)
def test_a_document_that_is_cut_off_is_none(text: bytes, missing: int, piece: int) -> None:
    text = text.rstrip()[:-missing]
    with small(piece):
        assert in_pieces(text) == "not JSON"


SPOILT = {
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "out of range": b"1e400",
    "a long number out of range": b"1" + b"0" * 400 + b".5",
    "digits": b"7" * 5000,
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "depth without an end": b'{"a":' * 100_000,
    "UTF-8": b'"\xff"',
    "a surrogate in UTF-8": b'"\xed\xa0\xbd"',
    "a control character": b'"\n"',
    "a cut escape": b'"\\u12"',
    "a leading zero": b"01",
    "a bare point": b"1.",
    "a comment": b"1/**/",
    "single quotes": b"'a'",
    "cut off": b'"a',
}
PLACES = {
    "a row": b'{"rows":[{"a":1},%b,{"a":2}]}',
    "in a row": b'{"rows":[{"a":1},{"b":%b},{"a":2}]}',
    "the first": b'{"rows":[%b,{"a":2}]}',
    "the last": b'{"rows":[{"a":2},%b]}',
    "a member": b'{"x":%b,"rows":[]}',
    "the document": b"%b",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", SPOILT)
@pytest.mark.parametrize("piece", [7, stored.PIECE])
def test_what_cannot_be_carried_on_is_refused(what: str, place: str, piece: int) -> None:
    text = PLACES[place] % SPOILT[what]
    assert at_once(text) == "not JSON"
    with small(piece, glance=stored.GLANCE):
        assert in_pieces(text) == "not JSON"


EXACT = {
    "long fractions": b"0.1000000000000000055511151231257827021181583404541015625",
    "2^63 + 1": b"9223372036854775809",
    "a large number": b"7" * 4000,
    "a long number that an exponent makes small": b"1" + b"0" * 5000 + b"e-5000",
    "minus nothing": b"-0",
    "a lone surrogate": rb'"\ud83d"',
    "an emoji": '"🔑"'.encode(),
    "an escaped emoji": rb'"\ud83d\udd11"',
    "NUL": rb'"\u0000"',
    "an end of everything": rb'"},],\"]}"',
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", EXACT)
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 64, stored.PIECE])
def test_what_is_exact_stays_exact(what: str, place: str, piece: int) -> None:
    text = PLACES[place] % EXACT[what]
    assert at_once(text) != "not JSON"
    with small(piece):
        assert in_pieces(text) == at_once(text)


def test_the_reason_is_said_and_nothing_of_the_document() -> None:
    for what in SPOILT.values():
        with pytest.raises(NotJson) as caught:
            whole(load(io.BytesIO(b'{"rows":[{"secret":"hunter22"},%b]}' % what), GREAT))
        assert str(caught.value)
        assert "hunter22" not in str(caught.value)


# ---- names that stand twice ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b'{"rows":[1],"rows":[2]}',
        b'{"rows":[1],"rows":null}',
        b'{"rows":null,"rows":[1]}',
        b'{"rows":[],"x":1,"ro\\u0077s":[]}',
    ],
)
def test_no_list_is_lost_because_its_name_stands_twice(text: bytes) -> None:
    with pytest.raises(NotJson, match="twice"):
        load(io.BytesIO(text), GREAT)


def test_of_any_other_member_the_last_one_counts() -> None:
    text = b'{"total":1,"rows":[{"a":1,"a":2}],"total":2}'
    assert in_pieces(text) == at_once(text) == "{'total': 2, 'rows': [{'a': 2}]}"


# ---- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ['{"rows":[%s]}', '{"rows":[{"a":1},%s,{"a":1}]}', '{"x":%s}'])
def test_one_value_may_be_so_large_and_no_larger(place: str) -> None:
    with small(piece=64, glance=16, largest=1000):
        fits = (place % json.dumps("x" * 998)).encode()
        assert in_pieces(fits) == at_once(fits)
        with pytest.raises(NotJson, match="larger than"):
            load(io.BytesIO((place % json.dumps("x" * 999)).encode()), GREAT)


def test_a_great_array_is_not_one_value() -> None:
    text = json.dumps({"rows": [{"n": n} for n in range(500)]}).encode()
    with small(piece=64, glance=16, largest=100):
        assert in_pieces(text) == at_once(text)


class Counting(io.BytesIO):
    """A file that counts what is read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


NESTED = {"sku": "x" * 20, "places": [{"id": n, "on_hand": n} for n in range(8)], "u": {"a": {}}}
SHAPES: dict[str, Any] = {
    "flat": {"id": "x" * 30, "name": "},{" * 9, "level": 5, "rate": 2.5},
    "nested": NESTED,
    "blank": {},
    "lists": [[1], [2, [3]]],
    "numbers": 12345.5,
    "texts": 'a","b',
    "long": {"text": "y" * 30_000},
}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """How many bytes are read, decoded and parsed to load a document."""
    done = [0]
    real_text = stored._Window._text

    def counting_loads(data: bytes) -> Any:
        done[0] += len(data)
        return loads(data)

    def counting_text(window: Any, size: int, **kwargs: Any) -> str:
        text = real_text(window, size, **kwargs)
        done[0] += len(text)
        return text

    monkeypatch.setattr(stored, "loads", counting_loads)
    monkeypatch.setattr(stored._Window, "_text", counting_text)

    def measure(text: bytes) -> int:
        file, done[0] = Counting(text), 0
        load(file, GREAT)
        return done[0] + file.taken

    return measure


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_grows_as_the_document_does(shape: str, work: Callable[[bytes], int]) -> None:
    row = json.dumps(SHAPES[shape]).encode()

    def text(size: int) -> bytes:
        rows = b",".join([row] * (size // len(row)))
        return b'{"rows":[%b],"more":[{"a":{}},{"b":[]}]}' % rows

    with small(piece=8192, glance=stored.GLANCE):
        little, much = work(text(2**18)), work(text(2**20))
    assert much < 6 * little, "four times the document; with its square it were sixteen times"
    assert much < 16 * 2**20


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_the_memory_does_not_grow_with_the_document(shape: str) -> None:
    row = json.dumps(SHAPES[shape]).encode()
    file = io.BytesIO(b'{"rows":[' + b",".join([row] * (2**20 // len(row))) + b"]}")
    count = 2**20 // len(row)
    with small(piece=8192, glance=stored.GLANCE):
        tracemalloc.start()
        document = load(file, GREAT)
        assert sum(1 for _ in document["rows"]) == len(document["rows"]) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**19


def test_no_piece_is_much_larger_than_it_should_be() -> None:
    text = json.dumps({"rows": [NESTED] * 500}).encode()
    with small(piece=1024, glance=64):
        rows = load(io.BytesIO(text), GREAT)["rows"]
        sizes = [len(each) for each in rows.pieces()]
    assert max(sizes) <= 2 * 1024 + 2
    assert len(sizes) < 2 * len(text) / 1024


def _rows(numbers: range) -> Iterator[bytes]:
    return (b'{"n":%d}' % number for number in numbers)


def test_a_file_that_was_read_before_is_read_from_its_beginning() -> None:
    file = io.BytesIO(b'{"rows":[%b]}' % b",".join(_rows(range(5))))
    file.read()
    assert [row["n"] for row in load(file, GREAT)["rows"]] == list(range(5))


def test_what_is_no_list_under_a_great_name_is_read_as_it_is() -> None:
    text = b'{"rows":{"a":[1]},"more":null}'
    assert load(io.BytesIO(text), GREAT) == {"rows": {"a": [1]}, "more": None}


def test_lists_that_were_not_named_are_lists() -> None:
    assert load(io.BytesIO(b'{"rows":[1],"x":[2]}'), ["x"])["rows"] == [1]
