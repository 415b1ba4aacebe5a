"""Promise: a stream that is formed by its rows says their key before the first of them, once."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from inventory_providers.contract import Form
from inventory_providers.errors import ConfigError, Denied, Unavailable
from tests.tap_inventory.house import (
    bookmark,
    catalog,
    declared,
    kinds,
    metadata,
    of_kind,
    page,
    records,
    state,
)

if TYPE_CHECKING:
    from inventory_providers.contract import Page
    from tests.tap_inventory.house import House

FORMED = "deconetwork_formed"
USUAL = ("account", "sku")
FOUND = Form(("account", "sku", "market"), ("Marketplace", "note"))


class Place(BaseModel):
    name: str | None = Field(description="Its name.")


class Row(BaseModel):
    account: str = Field(description="The account.")
    sku: str = Field(description="The SKU.")
    market: str | None = Field(description="The market.")
    units: int | None = Field(description="How many.")
    place: Place | None = Field(description="Where.")


def row(sku: str, **more: Any) -> dict[str, Any]:
    return {
        "account": "me",
        "sku": sku,
        "market": "US",
        "units": 3,
        "place": {"name": "shelf"},
        "Marketplace": "amazon.com",
        "note": None,
    } | more


def rows(*skus: str, form: Form | None = FOUND, **more: Any) -> Page:
    return page(*(row(sku, **more) for sku in skus), by=None, form=form)


@pytest.fixture(autouse=True)
def _formed(house: House) -> None:
    house.declare(declared(FORMED, Row, *USUAL, formed=True))
    house.delivers[FORMED] = [rows("1", "2"), rows("3", form=None)]


# ---- SCHEMA --------------------------------------------------------------------------------------


def test_the_schema_comes_once_with_the_key_and_the_columns_that_were_found(house: House) -> None:
    messages = house.run()
    assert kinds(messages) == ["SCHEMA", "RECORD", "RECORD", "RECORD", "STATE"]
    assert messages[0]["key_properties"] == ["account", "sku", "market"]
    properties = messages[0]["schema"]["properties"]
    assert list(properties) == [*Row.model_fields, "Marketplace", "note"]
    assert properties["note"]["type"] == ["string", "null"]
    assert properties["note"]["description"]


def test_just_the_properties_of_the_key_are_never_null(house: House) -> None:
    house.delivers[FORMED] = [rows("1", form=Form(("sku", "units", "note"), ("note",)))]
    schema = house.run()[0]["schema"]
    assert schema["required"] == ["sku", "units", "note"]
    never_null = [name for name, part in schema["properties"].items() if "null" not in part["type"]]
    assert never_null == ["sku", "units", "note"]
    assert schema["properties"]["place"]["type"] == ["object", "null"]


def test_the_records_are_as_the_room_made_them_and_valid(house: House) -> None:
    messages = house.run()
    assert records(messages) == [row("1"), row("2"), row("3")]
    for each in records(messages):
        jsonschema.validate(each, messages[0]["schema"])


def test_nothing_read_is_a_schema_all_the_same(house: House) -> None:
    house.delivers[FORMED] = [rows()]
    messages = house.run()
    assert kinds(messages)[0] == "SCHEMA"
    assert messages[0]["key_properties"] == ["account", "sku", "market"]
    assert records(messages) == []


@pytest.mark.parametrize("error", [Unavailable("gone"), Denied("no")], ids=["gone", "denied"])
def test_a_failure_before_the_first_page_leaves_no_schema_and_no_record(
    house: House, error: Exception
) -> None:
    house.delivers[FORMED] = [error]
    with pytest.raises(type(error)):
        house.run()
    assert set(kinds(house.messages)) <= {"STATE"}


def test_a_failure_after_it_keeps_what_was_delivered(house: House) -> None:
    house.delivers[FORMED] = [rows("1"), Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run()
    assert kinds(house.messages) == ["SCHEMA", "RECORD", "STATE"]


def test_the_form_of_one_run_is_not_the_form_of_the_next(house: House) -> None:
    house.run()
    house.delivers[FORMED] = [rows("1", form=Form(USUAL))]
    schema = house.run()[0]
    assert schema["key_properties"] == list(USUAL)
    assert "note" not in schema["schema"]["properties"]
    assert schema["schema"]["properties"]["market"]["type"] == ["string", "null"]


def test_a_stream_with_a_form_may_have_a_bookmark_too(house: House) -> None:
    house.declare(declared(FORMED, Row, *USUAL, formed=True, replication_key="market"))
    at = house.clock.now()
    house.delivers[FORMED] = [page(row("1", market=None), by="market", bookmark=at, form=FOUND)]
    messages = house.run()
    assert messages[0]["bookmark_properties"] == ["market"]
    assert bookmark(messages, FORMED)["key_properties"] == ["account", "sku", "market"]
    assert bookmark(messages, FORMED)["replication_key_value"]


# ---- the options of the command ------------------------------------------------------------------


def test_discovery_and_the_schema_test_show_the_usual_key(house: House) -> None:
    (entry,) = catalog(house)["streams"]
    assert entry["key_properties"] == list(USUAL)
    (schema,) = house.watch(house.tap().write_schemas)
    assert (schema["type"], schema["key_properties"]) == ("SCHEMA", list(USUAL))
    assert house.asked == []


def test_a_connection_test_shows_the_form_too(house: House) -> None:
    messages = house.watch(house.tap().test_connections)
    assert kinds(messages)[:2] == ["SCHEMA", "RECORD"]
    assert messages[0]["key_properties"] == ["account", "sku", "market"]


# ---- catalogs ------------------------------------------------------------------------------------


def data(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a target sees of a run, without the times."""
    return [
        {key: value for key, value in message.items() if key != "time_extracted"}
        for message in messages
    ]


def test_a_catalog_that_was_discovered_changes_nothing(house: House) -> None:
    without = house.run()
    assert data(house.run(catalog=catalog(house))) == data(without)


def test_a_deselected_property_is_in_no_schema_and_no_record(house: House) -> None:
    chosen = catalog(house)
    metadata(chosen, FORMED, "properties", "units")["selected"] = False
    messages = house.run(catalog=chosen)
    assert "units" not in messages[0]["schema"]["properties"]
    assert records(messages)[0] == {k: v for k, v in row("1").items() if k != "units"}


def test_no_part_of_the_key_that_was_found_can_be_deselected(house: House) -> None:
    chosen = catalog(house)
    for name in ("market", "units"):
        metadata(chosen, FORMED, "properties", name)["selected"] = False
    messages = house.run(catalog=chosen)
    assert "market" in messages[0]["schema"]["properties"]
    assert [each["market"] for each in records(messages)] == ["US"] * 3
    assert "units" not in records(messages)[0]


def test_a_catalog_without_metadata_selects_everything(house: House) -> None:
    chosen = catalog(house)
    chosen["streams"][0]["metadata"] = []
    messages = house.run(catalog=chosen)
    assert kinds(messages)[:2] == ["SCHEMA", "RECORD"]
    assert records(messages)[0] == row("1")


def test_a_catalog_with_fewer_properties_is_obeyed(house: House) -> None:
    chosen = catalog(house)
    del chosen["streams"][0]["schema"]["properties"]["units"]
    messages = house.run(catalog=chosen)
    assert "units" not in messages[0]["schema"]["properties"]
    assert "units" not in records(messages)[0]
    assert records(messages)[0]["Marketplace"] == "amazon.com"


def test_the_key_that_was_found_is_there_also_where_the_catalog_has_it_not(house: House) -> None:
    chosen = catalog(house)
    del chosen["streams"][0]["schema"]["properties"]["market"]
    messages = house.run(catalog=chosen)
    assert messages[0]["schema"]["properties"]["market"]["type"] == "string"
    assert records(messages)[0] == row("1")


def test_a_catalog_may_have_properties_of_several_types_or_none(house: House) -> None:
    chosen = catalog(house)
    properties = chosen["streams"][0]["schema"]["properties"]
    properties["units"] = {"type": ["integer", "string", "null"]}
    properties["place"] = {}
    schema = house.run(catalog=chosen)[0]["schema"]["properties"]
    assert set(schema["units"]["type"]) == {"integer", "string", "null"}
    assert "type" not in schema["place"]


def test_a_deselected_stream_is_not_read(house: House) -> None:
    chosen = catalog(house)
    metadata(chosen, FORMED)["selected"] = False
    assert kinds(house.run(catalog=chosen)) == []
    assert house.asked == []


# ---- maps ----------------------------------------------------------------------------------------


def mapped(house: House, stream_map: Any) -> list[dict[str, Any]]:
    return house.run({"stream_maps": {FORMED: stream_map}})


def test_a_map_sees_the_columns_that_were_found(house: House) -> None:
    more = {"__alias__": "stock", "site": "Marketplace.upper()", "note": "__NULL__"}
    messages = mapped(house, more)
    assert {message["stream"] for message in messages[:-1]} == {"stock"}
    assert kinds(messages) == ["SCHEMA", "RECORD", "RECORD", "RECORD", "STATE"]
    assert messages[0]["key_properties"] == ["account", "sku", "market"]
    assert {"site", "Marketplace"} <= messages[0]["schema"]["properties"].keys()
    assert "note" not in messages[0]["schema"]["properties"]
    assert records(messages)[0]["site"] == "AMAZON.COM"
    assert "note" not in records(messages)[0]


def test_a_map_may_name_a_key_of_its_own(house: House) -> None:
    messages = mapped(house, {"__key_properties__": ["sku"]})
    assert messages[0]["key_properties"] == ["sku"]


def test_a_map_may_filter_by_a_column_that_was_found(house: House) -> None:
    house.delivers[FORMED] = [rows("1"), rows("2", form=None, Marketplace="amazon.de")]
    messages = mapped(house, {"__filter__": "Marketplace != 'amazon.com'"})
    assert [each["sku"] for each in records(messages)] == ["2"]


def test_a_map_may_drop_the_stream(house: House) -> None:
    assert set(kinds(mapped(house, None))) <= {"STATE"}


def test_flattening_reaches_the_schema_that_was_formed(house: House) -> None:
    messages = house.run({"flattening_enabled": True, "flattening_max_depth": 1})
    assert kinds(messages)[:2] == ["SCHEMA", "RECORD"]
    properties = messages[0]["schema"]["properties"]
    assert {"place__name", "Marketplace"} <= properties.keys()
    assert "place" not in properties
    assert records(messages)[0]["place__name"] == "shelf"
    assert records(messages)[0]["Marketplace"] == "amazon.com"


# ---- the key in the state ------------------------------------------------------------------------


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "its key is now" in line]


def test_the_key_is_remembered(house: House, caplog: pytest.LogCaptureFixture) -> None:
    first = house.run()
    assert state(first) == {"bookmarks": {FORMED: {"key_properties": ["account", "sku", "market"]}}}
    with caplog.at_level(logging.WARNING):
        house.run(state=state(first))
    assert warnings(caplog) == []


def test_another_key_is_said_once_and_then_remembered(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    first = house.run()
    house.delivers[FORMED] = [rows("1", form=Form(USUAL))]
    with caplog.at_level(logging.WARNING):
        second = house.run(state=state(first))
        (line,) = warnings(caplog)
        house.run(state=state(second))
    assert "account, sku, it was account, sku, market" in line
    assert len(warnings(caplog)) == 1
    assert bookmark(second, FORMED)["key_properties"] == list(USUAL)


def test_a_failure_before_the_first_page_forgets_no_key(house: House) -> None:
    first = house.run()
    house.delivers[FORMED] = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=state(first))
    assert state(house.messages) == state(first)


# ---- ACTIVATE_VERSION ----------------------------------------------------------------------------

VERSIONS = {"emit_activate_version_messages": True}


def test_older_rows_go_when_all_new_ones_have_come(house: House) -> None:
    messages = house.run(VERSIONS)
    assert [kind for kind in kinds(messages) if kind != "STATE"] == [
        "SCHEMA",
        "RECORD",
        "RECORD",
        "RECORD",
        "ACTIVATE_VERSION",
    ]
    (version,) = of_kind(messages, "ACTIVATE_VERSION")
    assert {each["version"] for each in of_kind(messages, "RECORD")} == {version["version"]}


def test_without_a_form_nothing_is_said_of_versions(house: House) -> None:
    """A target knows no stream that it was given no SCHEMA of."""
    house.delivers[FORMED] = []
    assert set(kinds(house.run(VERSIONS))) <= {"STATE"}


def test_every_line_is_json_that_a_target_can_read(house: House) -> None:
    for message in house.run(VERSIONS):
        assert json.loads(json.dumps(message)) == message
        assert message["type"] == "STATE" or message["stream"] == FORMED


# ---- what the last run found ---------------------------------------------------------------------


def test_the_key_of_the_last_run_is_told_to_the_room(house: House) -> None:
    messages = house.run()
    assert house.asked[-1].key == ()
    house.run(state=state(messages))
    assert house.asked[-1].key == FOUND.key


def test_a_map_that_does_not_fit_the_key_that_was_found_is_a_wrong_setting(house: House) -> None:
    with pytest.raises(ConfigError, match=f"stream_maps.{FORMED}"):
        house.run({"stream_maps": {FORMED: {"market": None}}})
