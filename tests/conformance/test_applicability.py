"""The table of what is tested for which provider has no gaps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory_providers import registry
from tests.conformance import applicability
from tests.conformance.rooms import facts


def test_every_row_is_decided_for_every_provider() -> None:
    table = applicability.table(registry.PROVIDER_NAMES)
    assert table.keys() == set(applicability.ROWS)
    assert all(cells.keys() == set(registry.PROVIDER_NAMES) for cells in table.values())


def test_no_row_is_excused_that_does_not_exist() -> None:
    for provider, excused in applicability._EXCEPTIONS.items():
        assert provider in registry.PROVIDER_NAMES
        assert excused.keys() <= set(applicability.ROWS)
        assert all(len(reason) > 20 for reason in excused.values())


def test_a_provider_without_an_entry_is_found() -> None:
    with pytest.raises(KeyError):
        applicability.table(("unheard_of",))


def test_every_row_that_applies_somewhere_has_a_test() -> None:
    sources = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    tested = {f"T{number}" for number in re.findall(r"^def test_t(\d\d)_", sources, re.MULTILINE)}
    for row, cells in applicability.table(registry.PROVIDER_NAMES).items():
        assert row in tested or applicability.APPLIES not in cells.values(), row


@pytest.mark.parametrize("name", registry.PROVIDER_NAMES)
def test_the_facts_speak_of_every_stream(name: str) -> None:
    declared = {stream.name for stream in registry.provider(name).streams}
    assert facts(name).streams.keys() == declared
