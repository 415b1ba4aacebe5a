"""Which tests cover which fault of the target, W01 to W19, and how they ended.

A test belongs to the rows that its name begins with (`test_w16_...`, `test_w01_w02_...`), and to
those of its mark: `@pytest.mark.fault("W03", "W05")`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

ROWS = {
    "W01": "killed at every journal step",
    "W02": "killed at random moments",
    "W03": "applied, then no good answer",
    "W04": "partly applied, then an error",
    "W05": "provider down after the plan",
    "W06": "one SKU of a batch unknown",
    "W07": "quantities that must not be sent",
    "W08": "one SKU several times",
    "W09": "a BATCH message",
    "W10": "an ACTIVATE_VERSION message",
    "W11": "a broken line, a cut end",
    "W12": "blank lines, CRLF, BOM, no input",
    "W13": "messages that are none",
    "W14": "a signal with a batch in flight",
    "W15": "guards",
    "W16": "a second run at the same time",
    "W17": "output that cannot be written",
    "W18": "a wrong password at the first write",
    "W19": "the tap dies in a pipe",
}
_NAME = re.compile(r"test_((?:w\d\d_)+)")


def rows_of(item: pytest.Item) -> list[str]:
    """The rows that a test covers."""
    found = _NAME.match(item.name)
    named = found[1].upper().strip("_").split("_") if found else []
    marked = [row for mark in item.iter_markers("fault") for row in mark.args]
    return [row for row in ROWS if row in {*named, *marked}]


def lines(
    reports: Iterable[tuple[str, pytest.TestReport]], *, verbose: bool = False
) -> Iterator[str]:
    """The table. `reports` are pairs of an outcome and a report."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    modules: dict[str, dict[str, None]] = defaultdict(dict)
    notes: dict[str, str] = {}
    for outcome, report in reports:
        known = {name: str(value) for name, value in report.user_properties}
        for row in known.get("faults", "").split():
            counts[row][outcome] += 1
            place = report.nodeid if verbose else report.nodeid.partition("::")[0]
            modules[row][place] = None
            notes[row] = notes.get(row) or known.get("figures", "")
    if not counts:
        return
    for row, what in ROWS.items():
        seen = ", ".join(f"{many} {outcome}" for outcome, many in counts[row].items()) or "not run"
        yield f"{row}  {what:<36} {seen}"
        if notes.get(row):
            yield f"     {notes[row]}"
        yield from (f"     {place}" for place in modules[row])
