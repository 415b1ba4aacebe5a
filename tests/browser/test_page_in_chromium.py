"""Promise: in a browser the page of a plan shows its rows, asks for nothing and runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inventory_providers import levels
from target_inventory.dead_letters import Letter
from target_inventory.report import Report
from tests.browser import chromium
from tests.browser.chromium import Chromium
from tests.target_inventory.test_page import HOSTILE, from_elsewhere, made, moved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(chromium.FOUND is None, reason="no Chromium is installed here"),
]

CHANGES = [
    moved("rises", 10, 900),
    moved("drops a little", 10, 9),
    from_elsewhere("7_1", 30, 0, sku="Widget", available=2),
    moved("drops", 10, 1),
    moved("switched", True, False, "inv_on"),
]
BY_RISK = ["7_1", "switched", "drops", "drops a little", "rises"]
ITEMS = "#changes td:nth-child(2)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Path:
    """Where to put a page; what the browser does from here on is noted anew."""
    browser.requests.clear()
    browser.troubles.clear()
    return tmp_path / "page.html"


def show(browser: Chromium, page: Path, text: str) -> None:
    """The page, and nothing but the page."""
    page.write_text(text, encoding="utf-8")
    browser.open(page)
    assert browser.requests == [page.as_uri()]
    assert browser.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
def test_every_row_is_to_be_seen_by_risk_on_any_screen(
    browser: Chromium, page: Path, width: int, scheme: str
) -> None:
    show(browser, page, made(CHANGES))
    browser.screenshot(page.with_name("page.png"), width=width, scheme=scheme)
    assert browser.texts(ITEMS) == BY_RISK
    assert browser.look("document.documentElement.scrollWidth") <= width
    background = browser.look("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_hit_of_a_guard_is_the_first_that_is_seen(browser: Chromium, page: Path) -> None:
    hits = ["12 changes, more than guards.max_changes 11"]
    show(browser, page, made(CHANGES, report=Report("plan", guards=hits)))
    (banner,) = browser.texts(".guard")
    assert hits[0] in banner
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert browser.look(top.format(".guard")) < browser.look(top.format(".totals"))


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_name_does_nothing(browser: Chromium, page: Path, key: str) -> None:
    letters = [Letter(levels.STREAM, {"sku": key}, key, kind="unmapped")]
    show(browser, page, made([from_elsewhere(key, 5, 4, sku=key, available=4)], letters))
    assert browser.look("document.title") == "DecoNetwork: 1 change"
    assert browser.look("document.querySelectorAll('script, style, h1, img, table').length") == 5
    (item,) = browser.texts(ITEMS)
    assert item == "".join(one if one.isprintable() else f"U+{ord(one):04X}" for one in key)


LOADING = '<img src="http://hostile.example/x.png" onerror="document.title = \'owned\'">'


def test_an_element_that_got_in_all_the_same_is_not_obeyed(browser: Chromium, page: Path) -> None:
    planted = f"{LOADING}<script>document.title = 'owned'</script></body>"
    page.write_text(made(CHANGES).replace("</body>", planted), encoding="utf-8")
    browser.open(page)
    assert browser.look("document.querySelectorAll('img').length") == 1
    assert browser.look("document.title") == "DecoNetwork: 5 changes"
    assert len([one for one in browser.troubles if "Content Security Policy" in one]) >= 2


def test_a_page_that_loads_or_runs_something_would_be_noticed(
    browser: Chromium, page: Path
) -> None:
    page.write_text(f"<!DOCTYPE html><title>t</title>{LOADING}", encoding="utf-8")
    browser.open(page)
    assert browser.requests == [page.as_uri(), "http://hostile.example/x.png"]
    assert browser.look("document.title") == "owned"


def test_rows_are_found_by_their_words_and_by_their_risk(browser: Chromium, page: Path) -> None:
    show(browser, page, made(CHANGES))
    browser.screenshot(page.with_name("page.png"))
    browser.click("#tools input")
    browser.write("WIDG")
    assert browser.texts(ITEMS) == ["7_1"]
    assert browser.texts("#tools output") == ["1 of 5 rows are shown"]
    browser.look("document.querySelector('#tools input').value = ''")
    chosen = "document.querySelector('#tools select')"
    browser.look(f"{chosen}.value = 'drop'; {chosen}.dispatchEvent(new Event('change'))")
    assert browser.texts(ITEMS) == ["drops", "drops a little"]


def test_a_click_on_a_heading_sorts_and_risk_brings_the_first_order_back(
    browser: Chromium, page: Path
) -> None:
    show(browser, page, made(CHANGES))
    browser.screenshot(page.with_name("page.png"))
    browser.click("#changes th.after button")
    browser.click("#changes th.after button")
    assert browser.texts(ITEMS)[:2] == ["rises", "drops a little"]
    browser.click("#changes th.key button")
    assert browser.texts(ITEMS) == sorted(BY_RISK)
    browser.click("#changes th.risk button")
    assert browser.texts(ITEMS) == BY_RISK


def test_without_its_script_everything_is_there_and_no_tool_that_does_nothing(
    browser: Chromium, page: Path
) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(browser, page, made(CHANGES))
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.texts(ITEMS) == BY_RISK
    assert browser.texts("#tools") == browser.texts("th button") == []


def test_ten_thousand_changes_are_there_at_once(browser: Chromium, page: Path) -> None:
    planned = [
        from_elsewhere(f"19617_{n}", n + 1, n // 2, sku=f"SKU-{n:05}", available=n)
        for n in range(10_000)
    ]
    show(browser, page, made(planned))
    assert browser.look("document.querySelectorAll('#changes tbody tr').length") == 10_000
    browser.click("#tools input")
    browser.write("SKU-09999")
    assert browser.texts(ITEMS) == ["19617_9999"]


def test_it_can_be_printed(browser: Chromium, page: Path) -> None:
    show(browser, page, made(CHANGES))
    browser.printed(page.with_name("page.pdf"))
    assert page.with_name("page.pdf").read_bytes().startswith(b"%PDF")
