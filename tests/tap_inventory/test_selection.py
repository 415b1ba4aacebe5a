"""Promise: what a catalog asks for and does not get is said in one line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from tests.tap_inventory.house import STREAM, catalog, declared, metadata, records

if TYPE_CHECKING:
    from tests.tap_inventory.house import House


class Row(BaseModel):
    sku: str


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


@pytest.mark.parametrize("streams", [[], None], ids=["no stream", "none selected"])
def test_a_run_in_which_nothing_is_selected_says_so(
    house: House, caplog: pytest.LogCaptureFixture, streams: list[Any] | None
) -> None:
    chosen = catalog(house)
    metadata(chosen, STREAM)["selected"] = False
    messages = house.run(catalog=chosen if streams is None else {"streams": streams})
    assert house.asked == []
    assert records(messages) == []
    (line,) = warnings(caplog)
    assert line.startswith("catalog: no stream is selected, so nothing is read; set selected")


def test_a_connection_test_needs_no_selection(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.tap(catalog={"streams": []}).test_connections()
    assert warnings(caplog) == []


@pytest.mark.parametrize("selected", [True, False])
def test_a_selection_beside_the_metadata_is_said_to_count_for_nothing(
    house: House, caplog: pytest.LogCaptureFixture, selected: bool
) -> None:
    chosen = catalog(house)
    del metadata(chosen, STREAM)["selected"]
    chosen["streams"][0]["selected"] = selected
    house.run(catalog=chosen)
    assert len(house.asked) == 1
    told = "catalog: selected counts in the metadata only (empty breadcrumb), not in "
    assert warnings(caplog) == [told + STREAM]


def test_a_selection_that_stands_in_the_metadata_as_well_is_no_reason_for_a_word(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = catalog(house)
    chosen["streams"][0]["selected"] = True
    house.run(catalog=chosen)
    assert warnings(caplog) == []


@pytest.mark.parametrize(("selected", "number"), [(True, 1), (False, 0)])
def test_an_incremental_read_that_cannot_be_is_said_once_where_it_is_read(
    house: House, caplog: pytest.LogCaptureFixture, selected: bool, number: int
) -> None:
    house.declare(*(declared(name, Row, "sku") for name in ("keyless", "other", "third")))
    chosen = catalog(house)
    for name in ("keyless", "other"):
        metadata(chosen, name).update({"replication-method": "INCREMENTAL", "selected": selected})
    house.run(catalog=chosen)
    told = "catalog: no replication key, so read in full and not INCREMENTAL: keyless, other"
    assert warnings(caplog) == [told] * number


def test_an_incremental_read_that_can_be_is_no_reason_for_a_word(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = catalog(house)
    metadata(chosen, STREAM)["replication-method"] = "INCREMENTAL"
    house.run(catalog=chosen)
    assert warnings(caplog) == []
