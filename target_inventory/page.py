"""The plan as one HTML page for whoever approves it: what is dangerous comes first.

The page asks for nothing over the network and can be read without its script. Names and keys come
from outside: they are escaped, what cannot be seen in them is named, and what is too long is cut.
It has less than 5 MB, whatever the plan.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cache, cached_property
from importlib import resources
from shlex import quote
from typing import TYPE_CHECKING, Any

from inventory_providers import levels
from inventory_providers.times import rfc3339
from target_inventory.levels import place_of
from target_inventory.plan import shown
from target_inventory.rules import in_words
from target_inventory.words import called, many, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from target_inventory.dead_letters import Letter
    from target_inventory.plan import Plan, Planned
    from target_inventory.report import Report
    from target_inventory.run import Shop
    from target_inventory.settings import Rules, TargetSettings

# Enough of a key to know it by; its end tells it from one that begins alike.
HEAD, TAIL = 56, 24
# A reason has a sentence of its own besides the names in it.
REASON = 300
# So much of each table: a browser shows that at once, and a mail takes it.
MOST_CHANGES, MOST_REJECTED = 4_000_000, 400_000
# So many of the records that were rejected for one reason are named.
NAMED = 20


class Risk(IntEnum):
    """What an approver has to look at first."""

    ZERO = 0
    SWITCHED = 1
    DROP = 2
    OTHER = 3
    RISE = 4


STYLES = {Risk.ZERO: "zero", Risk.SWITCHED: "switched", Risk.DROP: "drop", Risk.RISE: "rise"}


@dataclass(frozen=True)
class Row:
    """One value that changes. Only the units in stock have a risk of their own."""

    title: str
    planned: Planned
    field: str
    before: Any
    after: Any

    @property
    def is_level(self) -> bool:
        """Whether it is the units in stock."""
        return self.field == self.planned.write.items.level

    @cached_property
    def delta(self) -> Any:
        """By how much; None where that is no number. An item that goes takes its units along."""
        goes = self.is_level and self.planned.change.after is None
        before, after = self.before, 0 if goes else self.after
        return after - before if _is_number(before) and _is_number(after) else None

    @cached_property
    def share(self) -> Fraction | None:
        """The same as a part of what stood there; None where nothing did."""
        if self.delta is None or self.before <= 0:
            return None
        return Fraction(self.delta) / Fraction(self.before)

    @cached_property
    def risk(self) -> Risk:
        """What kind of change it is."""
        if isinstance(self.before, bool) or isinstance(self.after, bool):
            return Risk.SWITCHED
        if not self.is_level or self.delta is None:
            return Risk.OTHER
        if self.delta > 0:
            return Risk.RISE
        return Risk.ZERO if self.share == -1 else Risk.DROP

    @property
    def is_new(self) -> bool:
        """Whether nothing could be sold before."""
        return self.risk == Risk.RISE and self.before <= 0 < self.after

    @property
    def words(self) -> str:
        """Its risk for a person."""
        words = {Risk.ZERO: "to zero", Risk.OTHER: "other value"}
        return "newly available" if self.is_new else words.get(self.risk, self.risk.name.lower())

    @property
    def order(self) -> tuple[Any, ...]:
        """To zero, the largest part lost, the most units, and last what rises."""
        lost = -(self.share or 0) if self.risk == Risk.DROP else 0
        return (self.risk, -lost, -abs(self.delta or 0))


def rows_of(plans: Iterable[tuple[str, Plan]]) -> list[Row]:
    """Every value that changes, by risk; with each plan the name of its provider."""
    rows = [
        Row(title, planned, *cells)
        for title, plan in plans
        for planned in plan.changes
        for cells in planned.cells()
    ]
    return sorted(rows, key=lambda row: row.order)


def made(
    plans: Sequence[tuple[Shop, Plan]],
    letters: Sequence[Letter],
    report: Report,
    own: TargetSettings,
    at: datetime,
    *,
    left_out: Sequence[Letter] = (),
) -> bytes:
    """The page, as a file: UTF-8, HTML5, without a credential."""
    rows = rows_of((shop.title, plan) for shop, plan in plans)
    parts = [
        *_begin(plans, own, at),
        *_guards(report),
        *_totals(rows, report, rejected=len(letters), left_out=report.left_out + len(left_out)),
        *_rules(rows, own.rules),
        *_changes(rows, several=len(plans) > 1),
        *_reasons("rejected", "Rejected", letters),
        *_reasons("left-out", "Left out, as leave_out says", left_out),
        *_end(own),
    ]
    return "\n".join(parts).encode()


# ---- its parts -----------------------------------------------------------------------------------


def _begin(plans: Sequence[tuple[Shop, Plan]], own: TargetSettings, at: datetime) -> Iterator[str]:
    style, script = _asset("page.css"), _asset("page.js")
    counts = [f"{shop.title}: {many(len(plan.changes), 'change')}" for shop, plan in plans]
    heading = html.escape("; ".join(counts) or "Nothing to change")
    allowed = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{heading}</title>"
    yield f"<style>{style}</style></head><body>"
    yield f"<h1>{heading}</h1>"
    for shop, _ in plans:
        yield f"<p>Account: <code>{_text(shop.account, REASON)}</code></p>"
    told = "nothing is written" if own.mode == "plan" else "made before anything new was sent"
    yield f'<p class="soft">Mode {own.mode}: {told}. Made at <time>{rfc3339(at)}</time>, '
    yield "against the live levels of that moment.</p>"


def _guards(report: Report) -> Iterator[str]:
    if not report.guards:
        return
    yield '<section class="guard"><h2>A guard stops this run: nothing new is written</h2><ul>'
    yield from (f"<li>{_text(hit, REASON)}</li>" for hit in report.guards)
    yield "</ul><p>Where this is what you want, the limit has to be raised for one run.</p>"
    yield "</section>"


def _totals(rows: Sequence[Row], report: Report, *, rejected: int, left_out: int) -> Iterator[str]:
    moves = [row.delta for row in rows if row.is_level and row.delta is not None]
    totals = {
        "changes": report.planned,
        "units up": sum(move for move in moves if move > 0),
        "units down": -sum(move for move in moves if move < 0),
        "to zero": sum(row.risk == Risk.ZERO for row in rows),
        "newly available": sum(row.is_new for row in rows),
        "unchanged": report.unchanged,
        "rejected": rejected,
        "left out": left_out,
    }
    yield '<dl class="totals">'
    yield from (f"<div><dt>{name}</dt><dd>{total:,}</dd></div>" for name, total in totals.items())
    yield "</dl>"


def _rules(rows: Sequence[Row], rules: Rules) -> Iterator[str]:
    records = (row.planned.wanted[-1].record for row in rows if row.planned.is_level)
    if places := list(dict.fromkeys(place_of(record) for record in records)):
        yield f"<p>{_text(f'Published: {in_words(rules)}.', REASON)}"
        yield f"{_text(f'From: {some(places)}.', REASON)}</p>"


def _changes(rows: Sequence[Row], *, several: bool) -> Iterator[str]:
    if not rows:
        return
    is_level = any(row.planned.is_level for row in rows)
    shown_rows = _within((_row(row, several, is_level) for row in rows), MOST_CHANGES)
    yield "<h2>Changes</h2>"
    yield from _tools(rows[: len(shown_rows)])
    yield '<table id="changes">'
    yield "<caption>By risk: to zero, the largest part lost, other values, the largest rise."
    yield '</caption><thead><tr><th class="risk">risk</th>'
    yield '<th class="who">provider</th>' if several else ""
    yield '<th class="key">item</th>'
    if is_level:
        yield '<th class="key">SKU at the source</th><th class="n available">available there</th>'
    yield '<th class="field">value</th><th class="n before">before</th>'
    yield '<th class="n after">after</th><th class="n by">change</th></tr></thead><tbody>'
    yield from shown_rows
    yield "</tbody></table>"
    yield from _and_more(len(rows) - len(shown_rows), "of less risk: see plan_path")


def _tools(rows: Sequence[Row]) -> Iterator[str]:
    yield '<form id="tools" hidden><label>Find <input type="search"></label>'
    yield '<label>Risk <select><option value="">all</option>'
    yield from (f"<option>{words}</option>" for words in dict.fromkeys(row.words for row in rows))
    yield "</select></label><output></output></form>"


def _row(row: Row, several: bool, is_level: bool) -> str:  # noqa: FBT001 - columns of a table
    cells = [
        f'<tr class="{STYLES.get(row.risk, "other")}"><td class="risk">{row.words}</td>',
        f'<td class="who">{_text(row.title)}</td>' if several else "",
        f'<td class="key" dir="auto">{_text(" ".join(row.planned.change.key))}</td>',
        _source(row.planned) if is_level else "",
        f'<td class="field">{_text(row.field)}</td>',
        f'<td class="n before">{_text(shown(row.before))}</td>',
        f'<td class="n after">{_text(shown(row.after))}</td>',
        f'<td class="n by">{_move(row)}</td></tr>',
    ]
    return "".join(cells)


def _source(planned: Planned) -> str:
    if not planned.is_level:
        return '<td class="key"></td><td class="n available"></td>'
    record = planned.wanted[-1].record
    sku = called(record)
    available = _text(shown(record.get("available")))
    return f'<td class="key" dir="auto">{_text(sku)}</td><td class="n available">{available}</td>'


def _move(row: Row) -> str:
    if row.delta is None:
        return ""
    part = "" if row.share is None else f" <small>{_percent(row.share)}</small>"
    return f"{_text(f'{row.delta:+}')}{part}"


def _percent(share: Fraction) -> str:
    """Rounded toward zero: what loses nearly all of it has not lost all."""
    tenths = int(abs(share) * 1000)
    number = f"{tenths // 10:,}" if tenths >= 1000 or tenths % 10 == 0 else f"{tenths / 10}"
    return f"{'-' if share < 0 else '+'}{number} %"


def _reasons(table: str, title: str, letters: Sequence[Letter]) -> Iterator[str]:
    if not letters:
        return
    names: dict[tuple[str, str], list[str]] = {}
    for letter in letters:
        names.setdefault((letter.kind, letter.reason), []).append(_name(letter))
    counts = Counter({group: len(named) for group, named in names.items()}).most_common()
    rows = _within(
        (_group(reason, names[kind, reason]) for (kind, reason), _ in counts), MOST_REJECTED
    )
    yield f"<h2>{title}: {many(len(letters), 'record')}</h2>"
    yield f'<table id="{table}" class="reasons"><thead><tr><th>reason</th>'
    yield '<th class="n">records</th><th>which</th></tr></thead><tbody>'
    yield from rows
    yield "</tbody></table>"
    yield from _and_more(len(counts) - len(rows), "of these reasons: see report_path")


def _group(reason: str, names: Sequence[str]) -> str:
    listed = ", ".join(f"<bdi>{_text(name)}</bdi>" for name in names[:NAMED])
    more = "" if len(names) <= NAMED else f" and {len(names) - NAMED:,} more"
    count = f'<td class="n">{len(names):,}</td>'
    return f"<tr><td>{_text(reason, REASON)}</td>{count}<td>{listed}{more}</td></tr>"


def _name(letter: Letter) -> str:
    """By what somebody finds the record: the SKU of a level, the item, or its place."""
    if letter.kind or letter.stream == levels.STREAM:
        return letter.sku or f"record {letter.place}"
    return f"record {letter.place}" if letter.key is None else " ".join(letter.key)


def _and_more(count: int, where: str) -> Iterator[str]:
    if count:
        yield f"<p>and {count:,} more {where}.</p>"


def _end(own: TargetSettings) -> Iterator[str]:
    if own.mode == "plan" and own.plan_path is not None:
        yield "<h2>To carry out just this</h2>"
        command = f"target-inventory --config CONFIG --input {quote(own.plan_path)}"
        yield f"<p><code>{_text(command, len(command))}</code> with mode apply. "
        yield "What has moved since is rejected, not overwritten.</p>"
    yield f"<script>{_asset('page.js')}</script></body></html>"
    yield ""


# ---- text from outside ---------------------------------------------------------------------------


def _text(words: Any, most: int = HEAD + TAIL) -> str:
    """Text of at most about so many characters, safe in an element or an attribute."""
    text = str(words)
    if len(text) <= most:
        return _visible(text)
    tail = min(TAIL, most // 4)
    cut = len(text) - most
    return f"{_visible(text[: most - tail])}<i> ... {cut:,} more ... </i>{_visible(text[-tail:])}"


def _visible(text: str) -> str:
    """What has no shape of its own, or changes that of others, is named by its number."""
    if text.isprintable():
        return html.escape(text)
    return "".join(
        html.escape(one) if one.isprintable() else f'<b class="odd">U+{ord(one):04X}</b>'
        for one in text
    )


def _within(rows: Iterable[str], most: int) -> list[str]:
    """As many rows as come to so many bytes; no more of them are made."""
    kept: list[str] = []
    size = 0
    for row in rows:
        size += len(row.encode())
        if size > most:
            break
        kept.append(row)
    return kept


def _is_number(value: Any) -> bool:
    return value is not None and not isinstance(value, bool | str)


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What lets a browser take just this from the page, and nothing that got into it."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
