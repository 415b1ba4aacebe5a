"""Promise: whoever approves a plan sees what is dangerous first, and nothing in it can do harm."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_providers import levels, registry
from inventory_providers.contract import Change, Wish
from target_inventory import guards, page
from target_inventory.changeset import Wanted, line_of
from target_inventory.dead_letters import Letter
from target_inventory.levels import write_of
from target_inventory.plan import Plan, Planned
from target_inventory.report import Report
from target_inventory.run import Shop
from target_inventory.settings import TargetSettings
from tests.target_inventory import singer
from tests.target_inventory.test_changeset import LIVE, WRITE
from tests.target_inventory.test_levels import TO_SHOP, at_warehouse, levels_of, sku_of, tracked
from tests.target_inventory.test_plan import CREATED, DELETED, _add, _happen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.target_inventory.conftest import Site

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
LEVEL = write_of(registry.provider("deconetwork"))
VOID = {"meta", "input", "link", "img", "br", "hr"}
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</td></tr></table><h1>Approved</h1>",
    "</script><script>document.title='owned'</script>",
    "</style><style>*{display:none}</style>",
    "' onmouseover='x' a=\"",
    "&lt;b&gt;&amp;",
    "<!--",
    "]]>",
    "javascript:alert(1)",
    "\u202eevil",
    "\u2066a\u2069",
    "a\x00b",
    "\x1b[2J",
    "\ud83d",
    "\ufeff",
    "  two  blanks  ",
    "\u05d0\u05d1 1",
]


def moved(key: str, before: Any, after: Any, name: str = "inv_lvl") -> Planned:
    level = LIVE | {name: before}
    return Planned(WRITE, Change((key,), level, level | {name: after}), [])


WAREHOUSE = {"provider": "shipstream", "account": "me@x", "location_id": "0"}


def from_elsewhere(key: str, before: int, after: int, **record: Any) -> Planned:
    wish = Wish((key,), {"inv_lvl": after})
    planned = moved(key, before, after)
    return Planned(WRITE, planned.change, [Wanted(1, LEVEL, wish, line_of(record))])


def shop(title: str = "DecoNetwork", account: str = "deconetwork https://shop.example") -> Shop:
    return Shop(title.lower(), title, account, [WRITE], connect=lambda: pytest.fail("connected"))


def made(
    changes: Iterable[Planned] = (),
    letters: Sequence[Letter] = (),
    report: Report | None = None,
    left_out: Sequence[Letter] = (),
    **own: Any,
) -> str:
    """The page of one provider."""
    plan = Plan(list(changes))
    report = report or Report("plan", planned=len(plan.changes))
    chosen = TargetSettings.model_validate({"mode": "plan"} | own)
    plans = [(shop(), plan)]
    return page.made(plans, letters, report, chosen, AT, left_out=left_out).decode()


# ---- an eye of its own ---------------------------------------------------------------------------


@dataclass
class Table:
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    """What stands on a page; an element that is not closed, or closed twice, is an error."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, Table] = {}
        self.words: list[str] = []
        self._open: list[str] = []
        self._cell: list[str] | None = None
        self.feed(text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """All that can be read, on one line."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs)["id"] or "", Table())
        elif tag == "tr" and "tbody" in self._open:
            self._table.rows.append([])
            self._table.styles.append(dict(attrs).get("class") or "")
        elif tag in {"td", "th"}:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in {"td", "th"} and self._cell is not None:
            cells = self._table.head if tag == "th" else self._table.rows[-1]
            cells.append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"style", "script"}:
            self.words.append(data)
            if self._cell is not None:
                self._cell.append(data)


def read(text: str) -> Reader:
    """The page, which must be whole HTML."""
    assert text.startswith("<!DOCTYPE html>\n")
    return Reader(text.removeprefix("<!DOCTYPE html>\n"))


def changes(text: str) -> Table:
    return read(text).tables.get("changes", Table())


def total(text: str, name: str) -> str:
    (found,) = re.findall(rf"<dt>{name}</dt><dd>(.*?)</dd>", text)
    return str(found)


# ---- what it says --------------------------------------------------------------------------------


def test_a_row_says_what_stands_there_what_would_and_by_how_much() -> None:
    table = changes(made([moved("a", 80, 60)]))
    assert table.head == ["risk", "item", "value", "before", "after", "change"]
    assert table.rows == [["drop", "a", "inv_lvl", "80", "60", "-20 -25 %"]]


@pytest.mark.parametrize(
    ("before", "after", "name", "words", "change"),
    [
        (5, 0, "inv_lvl", "to zero", "-5 -100 %"),
        (Decimal("2.5"), 1, "inv_lvl", "drop", "-1.5 -60 %"),
        (100_000, 1, "inv_lvl", "drop", "-99999 -99.9 %"),
        (0, 4, "inv_lvl", "newly available", "+4"),
        (-2, 4, "inv_lvl", "newly available", "+6"),
        (-2, 0, "inv_lvl", "rise", "+2"),
        (4, 5, "inv_lvl", "rise", "+1 +25 %"),
        (4, 4000, "inv_lvl", "rise", "+3996 +99,900 %"),
        (None, 4, "inv_lvl", "other value", ""),
        (9, 0, "inv_warn", "other value", "-9 -100 %"),
        (None, 9, "inv_warn", "other value", ""),
        (True, False, "inv_on", "switched", ""),
        (None, True, "inv_on", "switched", ""),
    ],
)
def test_each_change_has_its_risk_in_words(
    before: Any, after: Any, name: str, words: str, change: str
) -> None:
    ((risk, _, field_name, _, _, by),) = changes(made([moved("a", before, after, name)])).rows
    assert (risk, field_name, by) == (words, name, change)


def test_what_is_dangerous_comes_first() -> None:
    planned = [
        moved("rises much", 10, 900),
        moved("warns", 9, 0, "inv_warn"),
        moved("loses half of many", 1000, 500),
        moved("is new", 0, 30),
        moved("loses most", 10, 1),
        moved("to zero", 3, 0),
        moved("warns later", 9, 200, "inv_warn"),
        moved("switched", True, False, "inv_on"),
        moved("loses half of few", 10, 5),
        moved("many to zero", 300, 0),
    ]
    assert [row[1] for row in changes(made(planned)).rows] == [
        "many to zero",
        "to zero",
        "switched",
        "loses most",
        "loses half of many",
        "loses half of few",
        "warns later",
        "warns",
        "rises much",
        "is new",
    ]


def test_an_item_that_goes_takes_its_units_along() -> None:
    happened = _happen(CREATED, _add(5, "b"), DELETED, units=None)
    text = made(happened.changes)
    rows = [[row[0], *row[2:]] for row in changes(text).rows]
    assert rows == [
        ["to zero", "fulfillable_quantity", "5", "none", "-5 -100 %"],
        ["other value", "product_name", "none", "Shoes", ""],
        ["newly available", "fulfillable_quantity", "0", "5", "+5"],
    ]
    assert (total(text, "units up"), total(text, "units down")) == ("5", "5")


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-5, 5) | st.decimals(0, 9, places=1), st.integers(0, 5))
    )
)
def test_the_totals_are_those_of_the_rows_and_what_the_guards_count(
    moves: list[tuple[Any, int]],
) -> None:
    planned = [moved(f"s{n}", *move) for n, move in enumerate(moves) if move[0] != move[1]]
    text = made(planned)
    rows = changes(text).rows
    deltas = [Decimal(row[5].split()[0]) for row in rows if row[5]]
    assert total(text, "changes") == str(len(planned))
    assert Decimal(total(text, "units up")) == sum(one for one in deltas if one > 0)
    assert Decimal(total(text, "units down")) == -sum(one for one in deltas if one < 0)
    assert int(total(text, "newly available")) == sum(row[0] == "newly available" for row in rows)
    newly_zero = sum(move.is_newly_zero for move in guards._moves(planned))
    assert int(total(text, "to zero")) == newly_zero


def test_only_units_in_stock_are_counted_as_units() -> None:
    planned = [moved("a", 9, 0, "inv_warn"), moved("b", True, False, "inv_on"), moved("c", 5, 0)]
    text = made([*planned, moved("d", 0, 7, "inv_reorder_to")])
    names = ("units up", "units down", "to zero", "newly available")
    assert [total(text, name) for name in names] == ["0", "5", "1", "0"]


def test_levels_from_elsewhere_show_their_sku_what_is_available_and_the_rules() -> None:
    planned = [
        from_elsewhere("7_1", 30, 16, sku="Widget", available=20, **WAREHOUSE),
        from_elsewhere("7_2", 3, 5, sku="", provider_item_id="17", available=8, **WAREHOUSE),
        moved("7_3", 4, 5),
    ]
    text = made(planned, rules={"percent": 90, "buffer": 2, "cap": 100, "floor": 1})
    table = changes(text)
    assert table.head[2:4] == ["SKU at the source", "available there"]
    assert [row[1:4] for row in table.rows] == [
        ["7_1", "Widget", "20"],
        ["7_2", "17", "8"],
        ["7_3", "", ""],
    ]
    assert (
        "Published: 90 % of the available units, rounded down, less 2, never more than 100, "
        "never fewer than 1, even where none are available. From: shipstream me@x 0."
    ) in read(text).text


def test_without_levels_there_is_no_word_of_rules() -> None:
    text = made([moved("a", 1, 2)], rules={"buffer": 2})
    assert "Published" not in text


def test_several_providers_are_told_apart() -> None:
    plans = [
        (shop(), Plan([moved("a", 5, 4)])),
        (shop("Amazon FBA", "amazon_fba https://sandbox.example me"), Plan([moved("b", 5, 0)])),
    ]
    text = page.made(plans, [], Report("plan"), TargetSettings(), AT).decode()
    assert [row[1:3] for row in changes(text).rows] == [["Amazon FBA", "b"], ["DecoNetwork", "a"]]
    assert "Account: deconetwork https://shop.example" in read(text).text
    assert "Account: amazon_fba https://sandbox.example me" in read(text).text
    assert "DecoNetwork: 1 change; Amazon FBA: 1 change" in read(text).text


def test_it_says_when_it_was_made_and_whether_anything_is_written() -> None:
    assert "Mode plan: nothing is written. Made at 2026-01-01T09:00:00Z" in read(made()).text
    assert "Mode apply: made before anything new was sent." in read(made(mode="apply")).text


def test_hits_of_the_guards_stand_at_the_top_in_their_own_words() -> None:
    hits = ["12 of 12 changed SKUs would go to 0, more than guards.max_newly_zero_percent 50"]
    text = read(made([moved("a", 5, 0)], report=Report("plan", guards=hits))).text
    assert "A guard stops this run: nothing new is written" in text
    assert text.index(hits[0]) < text.index("units up") < text.index("to zero")
    assert "A guard stops" not in read(made([moved("a", 5, 0)])).text


def test_what_is_not_changed_is_counted() -> None:
    text = made(report=Report("plan", unchanged=12_345, left_out=6), letters=[Letter("s", {}, "r")])
    counted = [total(text, name) for name in ("unchanged", "left out", "rejected", "changes")]
    assert counted == ["12,345", "6", "1", "0"]
    assert changes(text).rows == []


def test_rejected_records_stand_under_their_reasons_the_most_frequent_first() -> None:
    letters = [
        Letter(levels.STREAM, {"sku": "A"}, "unmapped: no", kind="unmapped", place=1),
        Letter(levels.STREAM, {}, "ambiguous: 2 items", kind="ambiguous", place=2),
        Letter(levels.STREAM, {"sku": "C"}, "tracking is off", key=("7_1",), place=3),
        Letter(singer.STREAM, {"sku": "?"}, "tracking is off", key=("7_2", "x"), place=4),
        Letter(singer.STREAM, {}, "tracking is off", place=5),
    ]
    text = made([moved("a", 5, 4)], letters)
    assert read(text).tables["rejected"].rows == [
        ["tracking is off", "3", "C, 7_2 x, record 5"],
        ["unmapped: no", "1", "A"],
        ["ambiguous: 2 items", "1", "record 2"],
    ]
    assert text.index('id="changes"') < text.index('id="rejected"')


def test_what_is_left_out_by_wish_has_its_reasons_too() -> None:
    letters = [Letter(levels.STREAM, {"sku": "A"}, "unmapped: no", kind="unmapped", place=1)]
    text = made(report=Report("plan", left_out=6), left_out=letters)
    assert (total(text, "left out"), total(text, "rejected")) == ("7", "0")
    assert read(text).tables["left-out"].rows == [["unmapped: no", "1", "A"]]
    assert "rejected" not in read(text).tables


def test_many_records_of_one_reason_are_cut_and_many_reasons_too() -> None:
    one = [Letter(levels.STREAM, {"sku": f"s{n}"}, "no", kind="unmapped") for n in range(1234)]
    text = made(letters=one)
    ((_, count, which),) = read(text).tables["rejected"].rows
    assert (count, which.count(","), which[-15:]) == ("1,234", 20, " and 1,214 more")
    many = made(letters=[Letter("s", {}, f"expected {n} {'x' * 250}") for n in range(4000)])
    rows = read(many).tables["rejected"].rows
    assert 500 < len(rows) < 4000
    assert f"and {4000 - len(rows):,} more of these reasons: see report_path." in read(many).text


def test_a_plan_file_is_named_as_what_can_be_carried_out() -> None:
    path = f"my plans/{'x' * 200}.jsonl"
    assert (
        f"--input 'my plans/{'x' * 200}.jsonl' with mode apply" in read(made(plan_path=path)).text
    )
    hostile = made(plan_path="</code><img src=x>\u202e'")
    assert "img" not in {tag for tag, _ in read(hostile).tags}
    assert "U+202E" in read(hostile).text
    for text in (made(), made(plan_path=path, mode="apply")):
        assert "--input" not in text


# ---- what it cannot do ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_name_is_shown_and_changes_nothing_of_the_page(key: str) -> None:
    letters = [Letter(levels.STREAM, {"sku": key}, f"unmapped: {key}", kind="unmapped")]
    plain = [Letter(levels.STREAM, {"sku": "b"}, "unmapped: b", kind="unmapped")]
    text = made([from_elsewhere(key, 5, 4, sku=key, available=4)], letters)
    harmless = made([from_elsewhere("b", 5, 4, sku="b", available=4)], plain)
    found, usual = read(text), read(harmless)
    kept = [each for each in found.tags if each != ("b", {"class": "odd"})]
    assert kept == usual.tags
    seen = "".join(one if one.isprintable() else f"U+{ord(one):04X}" for one in key)
    assert found.tables["changes"].rows[0][1:3] == [seen, seen]
    assert found.tables["rejected"].rows[0][2] == seen


@settings(max_examples=80)
@given(key=st.text(max_size=120), sku=st.text(max_size=120))
def test_any_name_can_be_shown_and_no_character_that_cannot_be_seen(key: str, sku: str) -> None:
    text = made([from_elsewhere(key, 5, 4, sku=sku, available=4)], [Letter("s", {}, key)])
    assert all(one.isprintable() or one == "\n" for one in text)
    (row,) = changes(text).rows
    assert row[3:] == ["4", "inv_lvl", "5", "4", "-1 -20 %"]


def test_a_very_long_name_is_cut_and_says_so() -> None:
    key = "A" * 5000 + "z" * 5000
    ((_, name, *_),) = changes(made([moved(key, 5, 4)])).rows
    assert name == "A" * 60 + " ... 9,920 more ... " + "z" * 20
    assert len(made([moved(key, 5, 4)])) - len(made([moved("a", 5, 4)])) < 200


def test_nothing_on_it_points_anywhere() -> None:
    text = made([moved("a", 5, 4)], [Letter("s", {}, "r")], plan_path="p", rules={"buffer": 1})
    tags = read(text).tags
    assert not {"link", "img", "a", "iframe", "base", "object"} & {tag for tag, _ in tags}
    named = {name for _, attributes in tags for name in attributes}
    assert not named & {"src", "href", "srcset", "action", "style", "data", "background"}
    assert not any(name.startswith("on") for name in named)
    assert not re.search(r"url\(|@import|https?://(?!shop\.example)", text)


def test_the_browser_is_told_to_take_only_its_own_script_and_style() -> None:
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in read(made()).tags
        if tag == "meta" and "http-equiv" in attributes
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 2


# ---- how large it gets ---------------------------------------------------------------------------


def test_ten_thousand_changes_are_all_there() -> None:
    planned = [
        from_elsewhere(f"19617_{n}", n + 1, n // 2, sku=f"SKU-{n:05}", available=n)
        for n in range(10_000)
    ]
    text = made(planned)
    assert len(text.encode()) < 5_000_000
    assert len(changes(text).rows) == 10_000
    assert "more of less risk" not in text


@pytest.mark.parametrize("character", ["\u202e", "\U0001f4a9", '"'], ids=ascii)
def test_whatever_the_names_are_it_is_cut_where_the_risk_is_least(character: str) -> None:
    key = character * 90
    planned = [
        from_elsewhere(f"{n}{key}", 9999, n % 9999, sku=key, available=n) for n in range(5000)
    ]
    letters = [Letter("s", {}, f"{n}{key}{key}{key}") for n in range(5000)]
    text = made(planned, letters)
    assert len(text.encode()) < 5_000_000
    after = [int(level) for level in re.findall(r'<td class="n after">(\d+)</td>', text)]
    assert len(after) < 5000
    assert after == sorted(after)
    assert after[0] == 0
    assert f"<p>and {5000 - len(after):,} more of less risk: see plan_path.</p>" in text


# ---- when it is written --------------------------------------------------------------------------


def _page(site: Site) -> Path:
    return site.folder / "page.html"


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_it_is_written_in_both_modes_for_its_owner_only(site: Site, mode: str) -> None:
    before = site.level()
    run = site.set_levels([(0, before + 7), (1, -5)], mode=mode, plan_page_path=str(_page(site)))
    assert run.code == 7
    text = _page(site).read_text(encoding="utf-8")
    (row,) = changes(text).rows
    assert row[1:] == [singer.key(), "inv_lvl", f"{before}", f"{before + 7}", row[5]]
    ((reason, count, which),) = read(text).tables["rejected"].rows
    assert (count, which) == ("1", singer.key(1))
    assert reason == next(iter(run.report["rejected_by_reason"]))
    assert f"Account: deconetwork {site.provider['api_url']}" in read(text).text
    assert stat.S_IMODE(_page(site).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", ["plan", "apply"])
def test_where_a_guard_stops_the_run_it_says_so_and_shows_what_was_stopped(
    site: Site, mode: str
) -> None:
    site.grow()
    keys = [key for key, row in site.rows().items() if row["inv_lvl"] > 0][:12]
    run = site.set_levels(dict.fromkeys(keys, 0), mode=mode, plan_page_path=str(_page(site)))
    assert (run.code, run.updates) == (6, [])
    text = _page(site).read_text(encoding="utf-8")
    assert f"nothing new is written {run.report['guards'][0]}" in read(text).text
    assert total(text, "to zero") == "12"
    assert {row[0] for row in changes(text).rows} == {"to zero"}


def test_it_is_there_before_anything_is_sent(site: Site) -> None:
    site.inject("status", status=503, times=None)
    before = site.level()
    run = site.set_levels([(0, before + 7)], plan_page_path=str(_page(site)))
    assert run.code in {5, 8}
    assert changes(_page(site).read_text(encoding="utf-8")).rows[0][1] == singer.key()


def test_where_it_cannot_be_written_nothing_is_sent(site: Site) -> None:
    run = site.set_levels([(0, site.level() + 7)], plan_page_path=str(site.folder / "no" / "p"))
    assert (run.code, run.requests) == (10, [])


def test_an_older_page_is_replaced_also_where_nothing_is_to_be_done(site: Site) -> None:
    site.set_levels([(0, site.level() + 7)], mode="plan", plan_page_path=str(_page(site)))
    site.set_levels([(0, site.level())], mode="plan", plan_page_path=str(_page(site)))
    text = _page(site).read_text(encoding="utf-8")
    assert (changes(text).rows, total(text, "unchanged")) == ([], "1")
    site.set_levels([], mode="plan", plan_page_path=str(_page(site)))
    assert "Nothing to change" in read(_page(site).read_text(encoding="utf-8")).text


def test_levels_of_a_warehouse_are_shown_beside_what_is_published(site: Site) -> None:
    (key,) = tracked(site, 1)
    sku, before = sku_of(site, key), site.rows()[key]["inv_lvl"]
    options: dict[str, Any] = {"mode": "plan", "rules": {"buffer": 3}, **TO_SHOP}
    records = [at_warehouse(sku, before + 10), at_warehouse("no such", 1)]
    run = site.run(levels_of(*records), plan_page_path=str(_page(site)), **options)
    text = _page(site).read_text(encoding="utf-8")
    ((_, *cells, _),) = changes(text).rows
    assert cells == [key, sku, f"{before + 10}", "inv_lvl", f"{before}", f"{before + 7}"]
    assert read(text).tables["rejected"].rows[0][2] == "no such"
    assert run.report["unmapped"] == ["no such"]


@pytest.mark.parametrize("other", ["plan_path", "report_path", "undo_path", "journal_path"])
def test_no_other_file_may_have_its_name(site: Site, other: str) -> None:
    path = str(_page(site))
    run = site.run(singer.schema(), **{"plan_page_path": path, other: path})
    assert (run.code, run.requests) == (2, [])
    assert "plan_page_path" in str(run.error)
    assert "name the same file" in str(run.error)
