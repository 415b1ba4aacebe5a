"""The table of what is tested for which provider has no gaps, and rooms say enough to be tested."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inventory_providers import registry
from tests.conformance import applicability
from tests.conformance.paths import at, same
from tests.conformance.subject import traits_of

if TYPE_CHECKING:
    from tests.conformance.harness import Harness

each_provider = pytest.mark.parametrize("name", registry.PROVIDER_NAMES)


def test_every_row_is_decided_for_every_provider() -> None:
    table = applicability.table(registry.PROVIDER_NAMES)
    assert table.keys() == set(applicability.ROWS)
    assert all(cells.keys() == set(registry.PROVIDER_NAMES) for cells in table.values())


@each_provider
def test_rows_are_excused_by_a_full_sentence(name: str) -> None:
    excused = traits_of(name).not_applicable
    assert excused.keys() <= set(applicability.ROWS)
    for reason in excused.values():
        assert re.fullmatch(r"[A-Z0-9].{30,}\.", reason), reason


def test_every_row_that_applies_somewhere_has_a_test() -> None:
    sources = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    tested = {f"T{number}" for number in re.findall(r"^def test_t(\d\d)_", sources, re.MULTILINE)}
    for row, cells in applicability.table(registry.PROVIDER_NAMES).items():
        assert row in tested or applicability.APPLIES not in cells.values(), row


@each_provider
def test_what_a_row_needs_is_there_unless_it_is_excused(name: str) -> None:
    traits = traits_of(name)
    needs = {
        "T01": traits.refusals,
        "T07": traits.failure,
        "T08": traits.session_lost or traits.wrong_id,
        "T09": traits.undocumented,
        "T23": traits.short_token,
        "T24": traits.empty_page and traits.same_token,
        "T25": traits.large,
    }
    for row, need in needs.items():
        assert bool(need) != (row in traits.not_applicable), row


@each_provider
def test_the_traits_speak_of_every_stream(name: str) -> None:
    declared = {stream.name for stream in registry.provider(name).streams}
    assert traits_of(name).streams.keys() == declared


def test_as_many_requests_as_the_traits_say(tap: Harness) -> None:
    tap.serve(size=300)
    assert tap.run().code == 0
    assert len(tap.reads) >= tap.traits.reads > 0
    assert tap.server.requests(tap.provider).index(tap.reads[0]) == tap.traits.sign_in


def test_the_paths_of_a_stream_lead_somewhere(reader: Harness) -> None:
    shape = reader.shape
    records = {reader.key(r): r for r in reader.run().records(reader.stream.name)}
    pairs = [*shape.levels.items(), *filter(None, (shape.number, shape.text))]
    shown = [
        {pair for pair in pairs if at(row, pair[1]) is not None}
        for key, row in reader.rows().items()
        if all(same(at(records[key], here), at(row, there)) for here, there in pairs)
    ]
    assert len(shown) == len(records)
    assert set().union(*shown) == set(pairs), "a path leads nowhere"
    lone = [path for path in (shape.key, shape.named_by, shape.date) if path is not None]
    assert all(at(reader.some_row(), path) is not None for path in lone)


def test_rows_can_be_added_changed_and_taken_away(reader: Harness) -> None:
    before = reader.rows()
    reader.put(1)
    reader.put(2)
    added = reader.rows().keys() - before.keys()
    assert len(added) >= 2
    changed = reader.room.touch(reader.stream.name, 2)
    gone = reader.room.remove(reader.stream.name, 1)
    assert not set(gone) & reader.rows().keys()
    if not reader.stream.by_day:
        assert changed
        assert gone
