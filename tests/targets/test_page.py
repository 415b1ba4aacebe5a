"""Promise: docs/targets.md speaks of what the command does, no more and no less."""

from __future__ import annotations

import json
import re

import pytest

from tests.targets import page, probes
from tests.targets.__main__ import MAPS
from tests.targets.compare import DIFFERENCES
from tests.targets.targets import NAMES, TARGETS

pytestmark = pytest.mark.skipif(not page.FILE.exists(), reason="the sources are not here")


@pytest.fixture
def text() -> str:
    return page.FILE.read_text(encoding="utf-8")


def test_it_names_the_targets_of_the_command_and_their_versions(text: str) -> None:
    assert page.versions(text) == {one.name: one.requirements for one in TARGETS}


def test_it_says_which_targets_hold_each_key_once_and_which_need_stream_maps(text: str) -> None:
    rows = {row["target"]: row for row in page.table(text, "Targets")}
    assert {name for name, row in rows.items() if row["second run"] == "upserts"} == {
        one.name for one in TARGETS if one.upserts
    }
    assert {name for name, row in rows.items() if "stream_maps" in row["set"]} == {
        one.name for one in TARGETS if one.maps
    }


def test_it_shows_the_settings_that_the_command_uses(text: str) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(shown) == {"stream_maps": MAPS}
    assert f'"file_naming_scheme": "{NAMES}"' in text


def test_it_names_differences_that_are_known_at_targets_that_are_here(text: str) -> None:
    told = page.differences(text)
    assert told.keys() <= {one.name for one in TARGETS}
    assert set.union(*told.values()) == DIFFERENCES.keys()


def test_it_says_of_each_probe_what_becomes_of_it_at_each_target(text: str) -> None:
    words = {probes.KEPT, probes.REFUSED, probes.LOST, probes.SPARSE, probes.CHANGED}
    told = page.outcomes(text)
    assert told.keys() == probes.PROBES.keys()
    for row in told.values():
        assert row.keys() == {one.name for one in TARGETS}
        assert set(row.values()) <= words | DIFFERENCES.keys()


def test_a_target_has_no_outcome_that_its_differences_do_not_say(text: str) -> None:
    differences = page.differences(text)
    for row in page.outcomes(text).values():
        for target, became in row.items():
            assert became not in DIFFERENCES or became in differences[target]
