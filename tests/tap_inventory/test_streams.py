"""Promises of one sync: full refreshes, bookmarks, selection, maps, and the fast path."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from pydantic import BaseModel

from inventory_providers import registry, schema_files
from inventory_providers.errors import ConfigError, Malformed, OutputError, Unavailable
from tests.tap_inventory.house import CONFIG, STREAM, declared, page, record, records, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tap_inventory.house import House

HOUR = timedelta(hours=1)
KEY = "inv_last_modified"


class Other(BaseModel):
    sku: str


def bookmark(messages: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = state(messages)["bookmarks"][STREAM]
    return found


def with_days(days: int) -> dict[str, Any]:
    return {"deconetwork": {**CONFIG["deconetwork"], "full_refresh_days": days}}


# ---- what a run writes ---------------------------------------------------------------------------


def test_a_run_writes_schema_records_and_state_in_this_order(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), record("b", None), bookmark=at)]
    messages = house.run()
    kinds = [message["type"] for message in messages]
    assert kinds[0] == "SCHEMA"
    assert kinds[-1] == "STATE"
    assert [row["dn_sku_id"] for row in records(messages)] == ["a", "b"]
    assert bookmark(messages)["replication_key_value"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert house.session.closed


def test_the_schema_message_is_the_published_schema(house: House) -> None:
    schema = house.run()[0]
    assert schema["stream"] == STREAM
    assert schema["key_properties"] == ["dn_sku_id"]
    assert schema["bookmark_properties"] == [KEY]
    published = schema_files.published(STREAM)["properties"]
    assert schema["schema"]["properties"].keys() == published.keys()
    for name, part in published.items():
        assert schema["schema"]["properties"][name]["type"] == part["type"]


def test_every_record_is_valid_and_has_every_property(house: House) -> None:
    house.pages = [page(record("a", house.clock.now(), inv_lvl=3, inv_on=True))]
    messages = house.run()
    schema = messages[0]["schema"]
    for row in records(messages):
        jsonschema.validate(row, schema)
        assert row.keys() == schema["properties"].keys()


def test_a_run_without_rows_leaves_a_state_that_is_not_empty(house: House) -> None:
    assert state(house.run()) != {}


# ---- full refreshes ------------------------------------------------------------------------------


def test_the_first_run_asks_for_everything(house: House) -> None:
    house.run()
    (asked,) = house.asked
    assert (asked.since, asked.start, asked.lower_bound, asked.limit) == (None, None, None, None)


def test_the_second_run_asks_for_changes_with_the_overlap(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    first = state(house.run())
    house.days(1)
    house.run(state=first)
    assert house.asked[1].since == at
    assert not house.asked[1].full
    assert house.asked[1].lookback == timedelta(seconds=300)
    assert house.asked[1].lower_bound == at - timedelta(seconds=300)


@pytest.mark.parametrize(("days", "full"), [(1, False), (6.9, False), (7, True), (30, True)])
def test_a_full_refresh_is_due_by_the_setting(house: House, days: float, full: bool) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    first = state(house.run())
    house.days(days)
    house.run(state=first)
    assert house.asked[1].full is full


def test_zero_days_is_every_run(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    messages = house.run(with_days(0))
    for _ in range(3):
        messages = house.run(with_days(0), state=state(messages))
        assert [row["dn_sku_id"] for row in records(messages)] == ["a"]
    assert [asked.full or asked.lower_bound is None for asked in house.asked] == [True] * 4


def test_the_full_refreshes_of_a_month_of_daily_runs(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    last = state(house.run())
    for _ in range(28):
        house.days(1)
        last = state(house.run(state=last))
    assert [number for number, asked in enumerate(house.asked) if asked.full and number] == [
        7,
        14,
        21,
        28,
    ]


def test_a_full_refresh_emits_what_was_emitted_before(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    first = state(house.run())
    assert records(house.run(state=first)) == []
    house.days(8)
    assert len(records(house.run(state=first))) == 1


def test_a_run_that_fails_does_not_count_as_a_full_refresh(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    first = state(house.run())
    house.days(8)
    house.pages = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=first)
    second = state(house.messages)
    assert (
        second["bookmarks"][STREAM].get("full_read_at")
        == bookmark([{"type": "STATE", "value": first}])["full_read_at"]
    )
    house.pages = []
    house.run(state=second)
    assert house.asked[-1].full


def test_start_date_is_handed_on(house: House) -> None:
    house.run({"start_date": "2026-01-01T01:00:00+01:00"})
    assert house.asked[0].lower_bound == datetime(2026, 1, 1, tzinfo=UTC)


# ---- failures ------------------------------------------------------------------------------------


def test_a_failure_keeps_the_bookmark_of_what_was_delivered_and_no_more(house: House) -> None:
    at = house.clock.now() - 2 * HOUR
    house.pages = [
        page(record("a", at), bookmark=at),
        page(record("b", at + HOUR)),
        Malformed("row 3 is broken"),
    ]
    with pytest.raises(Malformed, match="row 3 is broken") as caught:
        house.run()
    assert str(caught.value).startswith(f"{STREAM}: ")
    assert [row["dn_sku_id"] for row in records(house.messages)] == ["a", "b"]
    assert bookmark(house.messages)["replication_key_value"] == at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert house.session.closed


def test_a_failure_at_once_leaves_the_old_state_as_it_was(house: House) -> None:
    old = {
        "bookmarks": {
            STREAM: {"replication_key": KEY, "replication_key_value": "2026-02-01T00:00:00Z"}
        }
    }
    house.pages = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        house.run(state=old)
    assert bookmark(house.messages)["replication_key_value"] == "2026-02-01T00:00:00Z"


def test_rows_before_a_state_are_the_rows_that_it_covers(house: House) -> None:
    base = house.clock.now() - timedelta(days=2)
    moments = [base + timedelta(seconds=n) for n in range(5000)]
    house.pages = [
        page(
            *(record(str(n), moments[n]) for n in range(start, start + 500)),
            bookmark=moments[start + 499],
        )
        for start in range(0, 5000, 500)
    ]
    messages, written, states = house.run(), set(), 0
    for message in messages:
        if message["type"] == "RECORD":
            written.add(message["record"]["dn_sku_id"])
        elif message["type"] == "STATE" and STREAM in message["value"]["bookmarks"]:
            text = message["value"]["bookmarks"][STREAM].get("replication_key_value")
            if text:
                states += 1
                at = datetime.fromisoformat(text)
                assert {str(n) for n, moment in enumerate(moments) if moment <= at} <= written
    assert states >= 4, "the bookmark moves along"


# ---- state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["yesterday", 5, None, "2099-01-01T00:00:00Z", "2026-02-01T00:00:00"],
)
def test_a_wrong_state_ends_before_anything_is_asked(house: House, value: Any) -> None:
    raw = {"bookmarks": {STREAM: {"replication_key": KEY, "replication_key_value": value}}}
    with pytest.raises(ConfigError, match="state"):
        house.run(state=raw)
    assert house.asked == []


def test_the_bookmark_of_an_unknown_stream_is_kept(house: House) -> None:
    raw = {"bookmarks": {STREAM: {}, "gone_stream": {"replication_key_value": "x"}}}
    assert state(house.run(state=raw))["bookmarks"]["gone_stream"] == {"replication_key_value": "x"}


# ---- catalogs, maps, selection -------------------------------------------------------------------


def catalog_of(house: House) -> dict[str, Any]:
    catalog: dict[str, Any] = json.loads(house.tap().catalog_json_text)
    return catalog


def metadata(catalog: dict[str, Any], *breadcrumb: str) -> dict[str, Any]:
    (entry,) = catalog["streams"]
    for item in entry["metadata"]:
        if tuple(item["breadcrumb"]) == breadcrumb:
            found: dict[str, Any] = item["metadata"]
            return found
    raise KeyError(breadcrumb)


def plain(house: House, **kwargs: Any) -> bool:
    (stream,) = house.tap(**kwargs).streams.values()
    return bool(stream._is_plain)


def test_without_a_catalog_records_go_out_as_the_room_made_them(house: House) -> None:
    assert plain(house)


def test_a_catalog_that_was_discovered_changes_nothing(house: House) -> None:
    catalog = catalog_of(house)
    assert plain(house, catalog=catalog)
    house.pages = [page(record("a", house.clock.now(), inv_lvl=3))]
    assert records(house.run(catalog=catalog)) == records(house.run())


def test_discovery_tells_key_and_replication(house: House) -> None:
    catalog = catalog_of(house)
    (entry,) = catalog["streams"]
    assert entry["tap_stream_id"] == entry["stream"] == STREAM
    assert entry["key_properties"] == ["dn_sku_id"]
    assert entry["replication_key"] == KEY
    assert metadata(catalog)["selected"] is True
    assert metadata(catalog, "properties", "dn_sku_id")["inclusion"] == "automatic"


def test_a_deselected_property_is_not_emitted(house: House) -> None:
    catalog = catalog_of(house)
    metadata(catalog, "properties", "supplier")["selected"] = False
    assert not plain(house, catalog=catalog)
    house.pages = [page(record("a", house.clock.now(), supplier="Sanmar", inv_lvl=3))]
    messages = house.run(catalog=catalog)
    (row,) = records(messages)
    assert "supplier" not in row
    assert "supplier" not in messages[0]["schema"]["properties"]
    assert row["inv_lvl"] == 3


def test_a_deselected_part_of_an_object_is_not_emitted(house: House) -> None:
    catalog = catalog_of(house)
    metadata(catalog, "properties", "product_color", "properties", "name")["selected"] = False
    house.pages = [page(record("a", house.clock.now(), product_color={"id": "1", "name": "White"}))]
    (row,) = records(house.run(catalog=catalog))
    assert row["product_color"] == {"id": "1"}


def test_a_key_cannot_be_deselected(house: House) -> None:
    catalog = catalog_of(house)
    metadata(catalog, "properties", "dn_sku_id")["selected"] = False
    house.pages = [page(record("a", house.clock.now()))]
    (row,) = records(house.run(catalog=catalog))
    assert row["dn_sku_id"] == "a"


def test_a_deselected_stream_is_not_read(house: House) -> None:
    catalog = catalog_of(house)
    metadata(catalog)["selected"] = False
    house.pages = [page(record("a", house.clock.now()))]
    assert records(house.run(catalog=catalog)) == []
    assert house.asked == []


def test_full_table_by_catalog_reads_everything_and_keeps_no_bookmark(house: House) -> None:
    catalog = catalog_of(house)
    catalog["streams"][0]["replication_method"] = "FULL_TABLE"
    metadata(catalog)["forced-replication-method"] = "FULL_TABLE"
    metadata(catalog)["replication-method"] = "FULL_TABLE"
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    old = {
        "bookmarks": {
            STREAM: {"replication_key": KEY, "replication_key_value": "2026-02-01T00:00:00Z"}
        }
    }
    messages = house.run({"emit_activate_version_messages": True}, catalog=catalog, state=old)
    assert house.asked[0].lower_bound is None
    assert [row["dn_sku_id"] for row in records(messages)] == ["a"]
    kinds = [message["type"] for message in messages]
    assert "ACTIVATE_VERSION" in kinds
    version = next(m["version"] for m in messages if m["type"] == "ACTIVATE_VERSION")
    assert {m["version"] for m in messages if m["type"] == "RECORD"} == {version}


def test_a_stream_map_renames_hides_and_adds(house: House) -> None:
    maps = {STREAM: {"__alias__": "stock", "supplier": "__NULL__", "shop": "'mine'"}}
    house.pages = [page(record("a", house.clock.now(), supplier="Sanmar", inv_lvl=3))]
    messages = house.run({"stream_maps": maps})
    assert messages[0]["stream"] == "stock"
    (row,) = records(messages)
    assert "supplier" not in row
    assert (row["shop"], row["inv_lvl"]) == ("mine", 3)


def test_an_alias_alone_renames_the_records_too(house: House) -> None:
    house.pages = [page(record("a", house.clock.now()))]
    messages = house.run({"stream_maps": {STREAM: {"__alias__": "stock"}}})
    assert {m["stream"] for m in messages if m["type"] in {"SCHEMA", "RECORD"}} == {"stock"}


def test_a_filter_of_a_stream_map_drops_rows(house: House) -> None:
    maps = {STREAM: {"__filter__": "record['dn_sku_id'] != 'b'"}}
    house.pages = [page(record("a", house.clock.now()), record("b", house.clock.now()))]
    assert [row["dn_sku_id"] for row in records(house.run({"stream_maps": maps}))] == ["a"]


@pytest.mark.parametrize(
    ("expression", "error"),
    [("inv_lvl + 'x'", "TypeError"), ("int(supplier)", "ValueError"), ("1 / inv_lvl", "")],
)
def test_a_map_that_fails_on_a_record_ends_its_stream_alone(
    house: House, expression: str, error: str
) -> None:
    other = "deconetwork_other"
    house.declare(*registry.provider("deconetwork").streams, declared(other, Other, "sku"))
    house.pages = [page(record("a", house.clock.now(), inv_lvl=0, supplier="hunter22"))]
    house.delivers[other] = [page({"sku": "b"}, by=None)]
    with pytest.raises(ConfigError) as caught:
        house.run({"stream_maps": {STREAM: {"more": expression}}})
    told = str(caught.value)
    assert told.startswith(f"{STREAM}: stream_maps cannot be applied to a record ({error}")
    assert told.endswith(f"Correct stream_maps.{STREAM}")
    assert "hunter22" not in told
    assert caught.value.exit_code == 2
    assert records(house.messages) == [{"sku": "b"}]
    assert "replication_key_value" not in bookmark(house.messages)


def test_flattening(house: House) -> None:
    house.pages = [page(record("a", house.clock.now(), product_color={"id": "1", "name": "White"}))]
    messages = house.run({"flattening_enabled": True, "flattening_max_depth": 1})
    (row,) = records(messages)
    assert row["product_color__name"] == "White"
    assert "product_color" not in row
    assert "product_color__name" in messages[0]["schema"]["properties"]


def test_exact_numbers_survive_the_slow_way(house: House) -> None:
    big = 2**63 + 1
    house.pages = [page(record("a", house.clock.now(), inv_lvl=big))]
    (row,) = records(house.run({"stream_maps": {STREAM: {"shop": "'mine'"}}}))
    assert row["inv_lvl"] == big


def test_a_catalog_with_fewer_properties_is_obeyed(house: House) -> None:
    catalog = catalog_of(house)
    del catalog["streams"][0]["schema"]["properties"]["supplier"]
    assert not plain(house, catalog=catalog)
    house.pages = [page(record("a", house.clock.now(), supplier="Sanmar"))]
    (row,) = records(house.run(catalog=catalog))
    assert "supplier" not in row


# ---- settings of the SDK -------------------------------------------------------------------------


def test_batches_are_not_written_whatever_the_configuration_says(
    house: House, tmp_path: Path
) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": tmp_path.as_uri(), "prefix": "x"},
    }
    house.pages = [page(record("a", house.clock.now()))]
    messages = house.run({"batch_config": batch})
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "STATE"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["false", "true", 0, 1, [], {}, "hunter22"])
def test_a_switch_that_is_no_boolean_is_named(house: House, value: Any) -> None:
    with pytest.raises(ConfigError, match="emit_activate_version_messages must be") as caught:
        house.run({"emit_activate_version_messages": value})
    assert "hunter22" not in str(caught.value)
    assert house.asked == []


@pytest.mark.parametrize("value", [None, False])
def test_a_switch_that_is_off_or_absent_is_fine(house: House, value: Any) -> None:
    assert house.run({"emit_activate_version_messages": value})


# ---- errors in the log ---------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "said"), [(OutputError("closed"), 0), (KeyError("x"), 1)])
def test_only_a_defect_is_called_an_unhandled_error(
    house: House, caplog: pytest.LogCaptureFixture, error: Exception, said: int
) -> None:
    house.pages = [error]
    with pytest.raises(type(error)):
        house.run()
    assert caplog.text.count("unhandled error") == said


# ---- connection tests ----------------------------------------------------------------------------


def test_a_connection_test_asks_for_one_row_and_keeps_no_state(house: House) -> None:
    house.pages = [page(record("a", house.clock.now()))]
    house.tap().test_connections()
    assert [asked.limit for asked in house.asked] == [1]


def test_a_connection_test_says_which_streams_answered_without_a_row(house: House) -> None:
    house.declare(declared("with_rows", Other, "sku"), declared("without", Other, "sku"))
    house.delivers |= {"with_rows": [page({"sku": "a"}, by=None)], "without": [page(by=None)]}
    told = house.tap().test_connections()
    assert told == "2 streams answered, 1 of them without a row: without"
    house.delivers["without"] = house.delivers["with_rows"]
    assert house.tap().test_connections() == "2 streams answered"


def test_a_connection_test_counts_no_stream_that_was_not_asked(house: House) -> None:
    house.declare(declared("first", Other, "sku"), declared("dropped", Other, "sku"))
    house.delivers |= {"first": [page({"sku": "a"}, by=None)]}
    told = house.tap({"stream_maps": {"dropped": None}}).test_connections()
    assert [name for name, *_ in house.read] == ["first"]
    assert told == "1 stream answered"


def test_a_connection_test_lets_nobody_wait_for_long(house: House) -> None:
    tap = house.tap()
    usual = tap.environment.policy
    tap.test_connections()
    policy = tap.environment.policy
    assert (policy.budget, policy.connect) == (10, 5) < (usual.budget, usual.connect)
    assert (policy.idle, policy.deadline) == (usual.idle, usual.deadline)


def test_a_connection_test_fails_with_the_error_of_the_provider(house: House) -> None:
    house.pages = [Unavailable("gone")]
    with pytest.raises(Unavailable, match="gone"):
        house.tap().test_connections()


def test_a_lookback_beyond_all_time_is_a_setting_not_a_crash(house: House) -> None:
    at = house.clock.now() - HOUR
    house.pages = [page(record("a", at), bookmark=at)]
    first = state(house.run())
    config = {"deconetwork": {**CONFIG["deconetwork"], "lookback_seconds": 10**12}}
    try:
        house.run(config, state=first)
    except ConfigError as error:
        assert "lookback_seconds" in str(error)  # noqa: PT017 - either outcome is right
