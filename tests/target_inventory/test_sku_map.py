"""Promise: a SKU of the map means one item, or nothing; a file that is not right is not used."""

from __future__ import annotations

import codecs
import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers.errors import ConfigError, Rejected
from target_inventory.sku_map import Ambiguous, SkuMap, Unmapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADER = "source_sku,target_sku\n"

# Anything that a cell may hold: quotation marks, commas, line ends and emoji inside.
skus = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
    .map(str.strip)
    .filter(bool)
)
# Few, so that they meet.
few = st.sampled_from(["A", "B", "C", "a b", 'x "y"', "d,e", "f\ng", "\u00e9", "12"])
pairs = st.lists(st.tuples(few | skus, few | skus), min_size=1)


def written(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(tmp_path: Path, text: str | bytes) -> SkuMap:
    path = tmp_path / "map.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return SkuMap.read(path)


def refused(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    # Which of the maps is wrong, too.
    place = f"sku_map_path {tmp_path / 'map.csv'}"
    assert (caught.value.exit_code, caught.value.place) == (2, place)
    assert "source_sku and target_sku" in caught.value.advice
    return caught.value.message


def naively(rows: Sequence[tuple[str, str]], sku: str) -> str | type[Rejected]:
    """What a SKU stands for, by looking at every row each time."""
    targets = {target for source, target in rows if source == sku}
    if not targets:
        return Unmapped
    if len(targets) > 1 or {source for source, target in rows if target in targets} != {sku}:
        return Ambiguous
    return targets.pop()


def looked_up(found: SkuMap, sku: str) -> str | type[Rejected]:
    try:
        return found.target(sku)
    except Rejected as error:
        return type(error)


# ---- what a SKU stands for -----------------------------------------------------------------------


@given(pairs, st.lists(skus))
def test_every_look_up_is_what_a_naive_reading_of_the_rows_says(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], others: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    found = SkuMap.read(written(path, [("source_sku", "target_sku"), *rows]))
    for sku in [*(source for source, _ in rows), *(target for _, target in rows), *others]:
        assert looked_up(found, sku) == naively(rows, sku)


@given(st.data(), st.lists(st.tuples(skus, skus), min_size=1))
def test_other_columns_and_the_order_of_columns_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: list[tuple[str, str]]
) -> None:
    cells = [("source_sku", "target_sku", "name", "note"), *((*row, "n,\n", "") for row in rows)]
    order = data.draw(st.permutations(range(4)))
    shuffled = [[row[at] for at in order] for row in cells]
    found = SkuMap.read(written(tmp_path_factory.getbasetemp() / "order.csv", shuffled))
    for sku, _ in rows:
        assert looked_up(found, sku) == naively(rows, sku)


def test_a_sku_that_is_not_there_is_unmapped(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}A,B\n")
    for sku in ("B", "a", " A", "A ", "", "AA"):
        with pytest.raises(Unmapped) as caught:
            found.target(sku)
        assert caught.value.message == "unmapped: not in the SKU map"
        assert (caught.value.kind, caught.value.exit_code) == ("unmapped", 7)


def test_a_sku_with_several_targets_is_ambiguous(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}A,x\nB,z\nA,y\nA,x\n")
    with pytest.raises(Ambiguous) as caught:
        found.target("A")
    assert caught.value.message == ("ambiguous: it stands in the SKU map with 2 targets (x, y)")
    assert (caught.value.kind, caught.value.exit_code) == ("ambiguous", 7)
    assert found.target("B") == "z"


def test_all_skus_that_share_a_target_are_ambiguous(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}X,Z\nB,c\nY,Z\n")
    for sku in ("X", "Y"):
        with pytest.raises(Ambiguous, match=r"^ambiguous: X and Y both go to Z$"):
            found.target(sku)
    assert found.target("B") == "c"


def test_three_skus_that_share_a_target_are_all_named(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}X,Z\nY,Z\nW,Z\n")
    with pytest.raises(Ambiguous, match=r"^ambiguous: X, Y and W all go to Z$"):
        found.target("X")


def test_a_sku_shares_its_target_even_with_one_that_has_others_too(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}A,x\nA,y\nB,y\nC,z\n")
    with pytest.raises(Ambiguous, match="2 targets"):
        found.target("A")
    with pytest.raises(Ambiguous, match="B and A both go to y"):
        found.target("B")
    assert found.target("C") == "z"


def test_what_is_said_of_many_is_short(tmp_path: Path) -> None:
    shared = "".join(f"S{number},one\n" for number in range(1000))
    several = "".join(f"A,T{number}\n" for number in range(1000))
    found = read(tmp_path, HEADER + shared + several)
    with pytest.raises(Ambiguous, match=r": S0, S1, S2, S3, S4 and 995 more all go to one$"):
        found.target("S999")
    with pytest.raises(Ambiguous, match=r"with 1000 targets \(T0, T1, T2, T3, T4, 995 more\)$"):
        found.target("A")


def test_what_is_said_is_one_line_whatever_the_skus_are(tmp_path: Path) -> None:
    found = read(tmp_path, f'{HEADER}"A\x1b[2J\nB",{"x" * 1000}\nC,{"x" * 1000}\n')
    with pytest.raises(Ambiguous) as caught:
        found.target("C")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_the_same_line_twice_is_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEADER}A,B\nA,B\n A , B \n").target("A") == "B"


def test_a_swap_is_no_ambiguity(tmp_path: Path) -> None:
    found = read(tmp_path, f"{HEADER}A,B\nB,A\nC,C\n")
    assert [found.target(sku) for sku in "ABC"] == ["B", "A", "C"]


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "source_sku,target_sku\nA 1,b\u00e9\n",
        "source_sku,target_sku\r\nA 1,b\u00e9\r\n",
        "source_sku,target_sku\rA 1,b\u00e9\r",
        "source_sku,target_sku\nA 1,b\u00e9",
        '"source_sku","target_sku"\n"A 1","b\u00e9"\n',
        " source_sku , target_sku \n A 1 ,\tb\u00e9\u00a0\n",
        'source_sku, target_sku\nA 1, "b\u00e9"\n',
        "\n\r\n  \nsource_sku,target_sku\n\n \t\nA 1,b\u00e9\n\n\n",
        "name,target_sku,,source_sku\nShirt,b\u00e9,,A 1\n",
        '"a name\nof two lines",target_sku,source_sku\n"x\n\ny",b\u00e9,A 1\n',
        "source_sku,target_sku,name\nA 1,b\u00e9\n",
        "source_sku,target_sku\nA 1,b\u00e9,, \n",
        "Source_SKU,source_sku,target_sku\nx,A 1,b\u00e9\n",
        "source_sku,target_sku,;\nA 1,b\u00e9,;\n",
    ],
)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "BOM"])
def test_every_usual_form_of_csv_is_read(tmp_path: Path, text: str, mark: bytes) -> None:
    assert read(tmp_path, mark + text.encode()).target("A 1") == "b\u00e9"


def test_quotation_marks_and_commas_belong_to_a_sku_where_csv_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, f'{HEADER}"5"" pipe","a,b"\n6" pipe,c\n')
    assert (found.target('5" pipe'), found.target('6" pipe')) == ("a,b", "c")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*no\.csv: No such file") as caught:
        SkuMap.read(str(tmp_path / "no.csv"))
    assert (caught.value.exit_code, caught.value.place) == (2, "sku_map_path")


def test_maps_that_say_the_same_have_the_same_digest(tmp_path: Path) -> None:
    first = read(tmp_path, f"{HEADER}A,B\nC,D\nE,F\nE,G\n").digest
    assert read(tmp_path, f"{HEADER}E,F\nC,D\n\nE,G\nA,B\nA,B\n").digest == first
    others = [f"{HEADER}A,B\nC,D\nE,F\n", f"{HEADER}A,B\nC,D\nE,F\nE,H\n", f"{HEADER}A,C\n"]
    assert len({first, *(read(tmp_path, text).digest for text in others)}) == 4


def test_what_is_said_of_a_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        SkuMap.read(tmp_path / "a\x1b[2J\nb")
    assert caught.value.message.isprintable()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        SkuMap.read(tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        HEADER.encode() + b"A,caf\xe9\n",
        (HEADER + "A,B\n").encode("utf-16"),
        HEADER.encode() + b"A,\xed\xa0\xbd\n",
        HEADER.encode() + b"".join(b"A%d,B%d\n" % (n, n) for n in range(9999)) + b"\xff,B\n",
    ],
    ids=["latin-1", "utf-16", "half an emoji", "late"],
)
def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path, data: bytes) -> None:
    assert refused(tmp_path, data) == "it is not UTF-8 text"


@pytest.mark.parametrize("text", ["", "\n \n\r\n", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text) == "it is empty"


@pytest.mark.parametrize("rows", ["", "\n", "\n  \n\t\n"])
def test_a_map_without_rows_is_refused(tmp_path: Path, rows: str) -> None:
    assert refused(tmp_path, HEADER + rows) == "it has no rows"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("A,B", "source_sku is missing among its columns: A, B"),
        ("source_sku", "target_sku is missing among its columns: source_sku"),
        (
            "Source_SKU,target_sku",
            "source_sku is missing among its columns: Source_SKU, target_sku",
        ),
        (
            "source_sku,target_sku,source_sku",
            "source_sku is twice among its columns: source_sku, target_sku, source_sku",
        ),
    ],
)
def test_a_wrong_header_is_refused_and_says_what_there_is(
    tmp_path: Path, header: str, expected: str
) -> None:
    assert refused(tmp_path, f"{header}\nA,B\n") == expected


def test_of_a_strange_header_little_is_shown(tmp_path: Path) -> None:
    told = refused(tmp_path, f"\x1b[2J{'x' * 5000},y\n")
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize(
    ("separator", "called"), [(";", "semicolons"), ("\t", "tabs")], ids=["semicolon", "tab"]
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_another_separator_is_refused_by_its_name(
    tmp_path: Path, separator: str, called: str, quote: str
) -> None:
    names = ("source_sku", "name", "target_sku")
    header = separator.join(f"{quote}{name}{quote}" for name in names)
    told = refused(tmp_path, f"{header}\r\nA{separator}n{separator}B\r\n")
    assert told == f"its columns are separated by {called}, not by commas"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",B", "line 4 has no source_sku"),
        ("A,", "line 4 has no target_sku"),
        ("A", "line 4 has no target_sku"),
        ("  ,B", "line 4 has no source_sku"),
        ('A," "', "line 4 has no target_sku"),
        (",", "line 4 has no source_sku"),
        ("A,B,C", "line 4 has more cells than there are columns"),
        ("A\0,B", "line 4 has a NUL character"),
        ("A,\0", "line 4 has a NUL character"),
    ],
)
def test_a_row_that_names_no_pair_is_refused_with_its_line(
    tmp_path: Path, row: str, expected: str
) -> None:
    assert refused(tmp_path, f"{HEADER}X,Y\n\n{row}\nZ,Q\n") == expected


def test_lines_before_the_header_and_inside_of_cells_are_counted(tmp_path: Path) -> None:
    start = '\n\nsource_sku,target_sku,note\nA,B,"one\ntwo"\n'
    assert refused(tmp_path, f"{start}C,,\n") == "line 6 has no target_sku"
    told = refused(tmp_path, f"{start}C,D,,E\n")
    assert told == "line 6 has more cells than there are columns"


def test_a_row_of_separators_is_not_blank(tmp_path: Path) -> None:
    told = refused(tmp_path, "source_sku,target_sku,note\nA,B,\n,\n")
    assert told == "line 3 has no source_sku"


def test_a_comma_that_nobody_quoted_takes_no_sku_for_another(tmp_path: Path) -> None:
    told = refused(tmp_path, "name,source_sku,target_sku\nShirt, red,A,B\n")
    assert told == "line 2 has more cells than there are columns"


@pytest.mark.parametrize("row", ['"A,B', 'A,"B', '"A"x,B'])
def test_a_quotation_mark_that_is_not_closed_swallows_no_rows(tmp_path: Path, row: str) -> None:
    told = refused(tmp_path, f"{HEADER}X,Y\n{row}\nZ,Q\n")
    assert "it is no CSV" in told
    assert "line " in told


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_a_map_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    for text in (data, HEADER.encode() + data):
        path = tmp_path_factory.getbasetemp() / "whatever.csv"
        path.write_bytes(text)
        try:
            found = SkuMap.read(path)
        except ConfigError as error:
            assert error.message.isprintable()  # noqa: PT017
        else:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
            sources = [row[0].strip() for row in rows if len(row) > 1]
            assert sources
            assert all(looked_up(found, sku) is not Unmapped for sku in sources)
