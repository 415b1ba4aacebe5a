"""Promise: `inventory_levels` is a stream like any other, and costs no read of its own."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from inventory_providers import levels, schema_files
from inventory_providers.errors import ConfigError
from inventory_providers.levels import Level
from inventory_providers.times import rfc3339
from tests.tap_inventory.house import (
    ROOM,
    catalog,
    declared,
    kinds,
    metadata,
    of_kind,
    settings,
    state,
)
from tests.tap_inventory.shop import (
    BOTH,
    DAY,
    KEY,
    LEVELS,
    OTHER,
    OTHERS,
    STOCK,
    VERSIONS,
    Row,
    Shop,
    full_table,
    level_records,
    only,
    own,
    parts,
    schemas,
    select,
    skus,
)

if TYPE_CHECKING:
    from tests.tap_inventory.house import House


# ---- what it is ----------------------------------------------------------------------------------


def test_it_is_selected_by_default_and_comes_after_the_streams_that_it_is_made_from(
    house: House, shop: Shop, other: Shop
) -> None:
    assert list(house.tap(BOTH).streams) == [STOCK, OTHERS, LEVELS]
    messages = house.run(BOTH)
    assert skus(messages, LEVELS, ROOM) == list("abc")
    assert skus(messages, LEVELS, OTHER) == list("xy")
    assert (len(shop.asked), len(other.asked)) == (1, 1)


def test_it_comes_last_also_where_another_stream_has_a_later_name(house: House) -> None:
    shop = Shop(house, name="zzz_stock")
    house.declare(shop.stream())
    shop.put("a")
    assert list(house.tap().streams) == ["zzz_stock", LEVELS]
    assert skus(house.run(), LEVELS) == ["a"]
    assert len(shop.asked) == 1


def test_without_a_source_there_is_no_such_stream(house: House) -> None:
    house.declare(declared(STOCK, Row, "sku"))
    assert list(house.tap().streams) == [STOCK]


def test_discovery_tells_key_and_replication(house: House, shop: Shop) -> None:
    (entry,) = [one for one in catalog(house)["streams"] if one["tap_stream_id"] == LEVELS]
    assert tuple(entry["key_properties"]) == levels.PRIMARY_KEY
    assert entry["replication_key"] == "observed_at"
    assert entry["replication_method"] == "INCREMENTAL"
    assert house.read == []


def test_the_schema_test_shows_it_without_a_request(house: House, shop: Shop) -> None:
    messages = house.watch(house.tap().write_schemas)
    assert [one["stream"] for one in of_kind(messages, "SCHEMA")] == [STOCK, LEVELS]
    assert house.read == []


def test_a_record_says_whose_level_it_is_and_where_it_is_from(house: House, shop: Shop) -> None:
    house.clock.step(60)
    read_at = rfc3339(house.clock.now())
    messages = house.run()
    first = level_records(messages)[0]
    assert first == dict.fromkeys(levels.LevelRecord.model_fields) | {
        "provider": ROOM,
        "account": "shop.test",
        "location_id": "all",
        "sku": "a",
        "provider_item_id": "a",
        "available": 1,
        "updated_at": rfc3339(shop.rows["a"][1] or shop.house.clock.now()),
        "observed_at": read_at,
        "source_stream": STOCK,
    }


def test_every_record_is_valid_and_has_every_property_in_order(house: House, shop: Shop) -> None:
    messages = house.run()
    (schema,) = [one for one in of_kind(messages, "SCHEMA") if one["stream"] == LEVELS]
    assert list(schema["schema"]["properties"]) == list(levels.LevelRecord.model_fields)
    for one in level_records(messages):
        jsonschema.validate(one, schema["schema"])
        assert list(one) == list(levels.LevelRecord.model_fields)
    assert len(level_records(messages)) == len(shop.rows)


def test_the_published_schema_is_that_of_the_model(house: House, shop: Shop) -> None:
    stream = house.tap().streams[LEVELS]
    properties = schema_files.published(LEVELS)["properties"]
    assert stream.schema["properties"].keys() == properties.keys()


def test_the_account_is_what_the_setting_says(house: House, shop: Shop) -> None:
    messages = house.run(settings(account="main shop"))
    assert {one["account"] for one in level_records(messages)} == {"main shop"}
    assert len(shop.rows) == 3


def test_a_row_may_have_several_levels_or_none_and_they_keep_their_order(
    house: House, shop: Shop
) -> None:
    def places(record: dict[str, Any]) -> list[Level]:
        number = {"a": 2, "b": 0, "c": 1}[record["sku"]]
        return [Level(f"place {n}", sku=record["sku"]) for n in range(number)]

    shop.of = places
    told = [(one["sku"], one["location_id"]) for one in level_records(house.run())]
    assert told == [("a", "place 0"), ("a", "place 1"), ("c", "place 0")]


def test_numbers_are_exact(house: House, shop: Shop) -> None:
    shop.put("a", units=2**63 + 1)
    last = level_records(house.run())[-1]
    assert (last["sku"], last["available"]) == ("a", 2**63 + 1)


def test_the_moment_of_the_observation_is_the_room_s_where_it_knows_better(
    house: House, shop: Shop
) -> None:
    shop.observed_at = house.clock.now() - DAY
    told = {one["observed_at"] for one in level_records(house.run())}
    assert told == {rfc3339(shop.observed_at)}


def test_a_room_is_asked_for_levels_once_per_read_and_not_without_a_row(
    house: House, shop: Shop
) -> None:
    first = house.run()
    assert shop.told == [house.session], "three rows on two pages"
    assert level_records(house.run(state=state(first))) == []
    assert len(shop.told) == 1


# ---- SCHEMA --------------------------------------------------------------------------------------


def test_its_schema_comes_once_before_its_first_record(
    house: House,
    shop: Shop,
    other: Shop,
) -> None:
    messages = house.run(BOTH)
    assert schemas(messages) == [STOCK, LEVELS, OTHERS]
    told = [one.get("stream") for one in messages if one["type"] in {"SCHEMA", "RECORD"}]
    assert told[:6] == [STOCK, STOCK, STOCK, LEVELS, LEVELS, LEVELS], "page by page"


def test_its_schema_comes_also_where_no_record_does(house: House, shop: Shop) -> None:
    shop.rows = {}
    assert schemas(house.run()) == [STOCK, LEVELS]


# ---- which reads are made ------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [(STOCK,), (LEVELS,), (STOCK, LEVELS)])
def test_whatever_is_selected_the_source_is_read_once(
    house: House, shop: Shop, chosen: tuple[str, ...]
) -> None:
    messages = house.run(catalog=select(catalog(house), *chosen))
    assert house.read == [(STOCK,)]
    assert schemas(messages) == list(chosen)
    assert {one["stream"] for one in of_kind(messages, "RECORD")} == set(chosen)
    assert all(skus(messages, stream) == list("abc") for stream in chosen)
    assert len(shop.told) == (LEVELS in chosen)


def test_where_nothing_is_selected_nothing_is_read(house: House, shop: Shop) -> None:
    assert kinds(house.run(catalog=select(catalog(house)))) == []
    assert house.read == []


def test_the_state_of_a_stream_that_is_not_selected_stays_as_it_was(
    house: House, shop: Shop
) -> None:
    first = state(house.run())
    shop.put("a", units=2)
    for run, stays in ((own, LEVELS), (only, STOCK)):
        after = state(run(house, state=first))
        assert after["bookmarks"][stays] == first["bookmarks"][stays]
        assert after != first


def test_a_source_that_is_not_selected_is_not_in_the_state(house: House, shop: Shop) -> None:
    assert state(only(house))["bookmarks"].keys() == {LEVELS}


# ---- catalogs and maps ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["LOG_BASED", "x", 5])
def test_a_method_that_there_is_not_is_a_wrong_catalog(
    house: House,
    shop: Shop,
    method: Any,
) -> None:
    with pytest.raises(ConfigError, match=f"{LEVELS} cannot be read"):
        house.run(catalog=full_table(house, LEVELS, method))
    assert house.read == []


def test_another_key_is_a_wrong_catalog(house: House, shop: Shop) -> None:
    chosen = catalog(house)
    (entry,) = [one for one in chosen["streams"] if one["tap_stream_id"] == LEVELS]
    entry["key_properties"] = ["sku"]
    with pytest.raises(ConfigError, match=f"{LEVELS} has the key provider, account"):
        house.run(catalog=chosen)


def test_a_catalog_with_too_few_properties_gets_those_of_the_key(
    house: House,
    shop: Shop,
) -> None:
    chosen = catalog(house)
    (entry,) = [one for one in chosen["streams"] if one["tap_stream_id"] == LEVELS]
    entry["schema"]["properties"] = {"available": {"type": ["number", "null"]}}
    del entry["key_properties"]
    told = level_keys(house.run(catalog=chosen))
    assert told == {"available", *levels.PRIMARY_KEY}


def level_keys(messages: list[dict[str, Any]]) -> set[str]:
    """The properties of the records of the levels, which all have the same."""
    told = {
        tuple(sorted(one["record"]))
        for one in of_kind(messages, "RECORD")
        if one["stream"] == LEVELS
    }
    (names,) = told
    return set(names)


def test_a_catalog_that_selects_it_without_a_source_is_a_warning(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(house)
    house.declare(shop.stream())
    chosen = catalog(house)
    house.declare(declared(STOCK, Row, "sku", replication_key=KEY))
    with caplog.at_level(logging.WARNING):
        messages = house.run(catalog=chosen)
    assert schemas(messages) == [STOCK]
    assert [line for line in caplog.messages if LEVELS in line and "not configured" in line]


def test_a_deselected_property_is_not_emitted(house: House, shop: Shop) -> None:
    chosen = catalog(house)
    metadata(chosen, LEVELS, "properties", "on_hand")["selected"] = False
    messages = house.run(catalog=chosen)
    assert level_keys(messages) == set(levels.LevelRecord.model_fields) - {"on_hand"}
    (schema,) = [one for one in of_kind(messages, "SCHEMA") if one["stream"] == LEVELS]
    assert "on_hand" not in schema["schema"]["properties"]
    assert skus(messages, STOCK) == list("abc")


def test_a_map_renames_hides_and_adds(house: House, shop: Shop) -> None:
    more = {"__alias__": "stock", "on_hand": "__NULL__", "twice": "available * 2"}
    messages = house.run({"stream_maps": {LEVELS: more}})
    told = [one["record"] for one in of_kind(messages, "RECORD") if one["stream"] == "stock"]
    assert [one["twice"] for one in told] == [2, 2, 2]
    assert not any("on_hand" in one for one in told)
    assert LEVELS not in schemas(messages)


def test_a_map_may_filter(house: House, shop: Shop) -> None:
    messages = house.run({"stream_maps": {LEVELS: {"__filter__": "sku != 'b'"}}})
    assert skus(messages, LEVELS) == ["a", "c"]
    assert skus(messages, STOCK) == list("abc")


def test_a_map_may_drop_it(house: House, shop: Shop) -> None:
    messages = house.run({"stream_maps": {LEVELS: None}})
    assert {one["stream"] for one in messages if "stream" in one} == {STOCK}


def test_flattening_leaves_it_as_it_is(house: House, shop: Shop) -> None:
    messages = house.run({"flattening_enabled": True, "flattening_max_depth": 1})
    assert level_keys(messages) == set(levels.LevelRecord.model_fields)


def test_a_map_that_fails_is_named_for_what_it_is_of_and_fails_the_read(
    house: House, shop: Shop
) -> None:
    with pytest.raises(ConfigError) as caught:
        house.run({"stream_maps": {LEVELS: {"more": "available + 'x'"}}})
    told = str(caught.value)
    assert told.startswith(f"{LEVELS} ({ROOM}): stream_maps cannot be applied to a record (Type")
    assert f"(failed too: {STOCK})" in told
    assert told.endswith(f"Correct stream_maps.{LEVELS}")
    assert "replication_key_value" not in json.dumps(state(house.messages))
    assert len(shop.asked) == 1


# ---- connection tests and metrics ----------------------------------------------------------------


def test_a_connection_test_reads_one_row_of_each_stream_and_of_each_source(
    house: House, shop: Shop, other: Shop
) -> None:
    messages = house.watch(house.tap(BOTH).test_connections)
    assert house.read == [(STOCK,), (OTHERS,), (STOCK,), (OTHERS,)]
    assert [one.limit for one in shop.asked + other.asked] == [1] * 4
    assert skus(messages, LEVELS) == ["a", "x"]
    assert schemas(messages) == [STOCK, OTHERS, LEVELS]


def test_a_connection_test_activates_no_version(house: House, shop: Shop) -> None:
    tap = house.tap(VERSIONS, catalog=full_table(house, LEVELS))
    assert "ACTIVATE_VERSION" not in kinds(house.watch(tap.test_connections))


def test_a_connection_test_keeps_the_fingerprints(house: House, shop: Shop) -> None:
    first = state(house.run())
    tap = house.tap(state=first)
    house.watch(tap.test_connections)
    assert parts(tap.state)[ROOM]["overlap"] == parts(first)[ROOM]["overlap"]


def test_each_stream_counts_its_own_records(
    house: House, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.of = lambda record: [Level(place, sku=record["sku"]) for place in "12"]
    with caplog.at_level(logging.INFO):
        house.run()
    counted = dict.fromkeys((STOCK, LEVELS), 0)
    for line in caplog.messages:
        if line.startswith("METRIC") and '"record_count"' in line:
            told = json.loads(line.partition(" ")[2])
            counted[told["tags"]["stream"]] += told["value"]
    assert counted == {STOCK: 3, LEVELS: 6}


def test_a_host_may_read_its_records(house: House, shop: Shop, other: Shop) -> None:
    stream = house.tap(BOTH).streams[LEVELS]
    assert [one["sku"] for one in stream.get_records(None)] == list("abcxy")
    told = stream.get_records({"provider": OTHER})
    assert [(one["sku"], one["source_stream"]) for one in told] == [("x", OTHERS), ("y", OTHERS)]
    assert (len(shop.asked), len(other.asked)) == (1, 2)
