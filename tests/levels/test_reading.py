"""Promise: `inventory_levels` is what the sandbox has in stock, whatever else is selected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import registry
from inventory_providers.sandbox.server import Fault
from tests.conformance.result import Result
from tests.conformance.subject import traits_of
from tests.levels import truth
from tests.levels.bench import SIZE, Bench, Table, levels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Finished

HOUR = 3600
DAY = 24 * HOUR
S2 = pytest.mark.parametrize("bench", ["s2"], indirect=True)


def _requests(bench: Bench, *streams: str) -> int:
    before = len(bench.server.received)
    bench.good(*streams)
    return len(bench.server.received) - before


def test_a_full_read_is_the_truth(bench: Bench) -> None:
    assert levels(bench.good(truth.STREAM)) == bench.truth()


def test_a_full_read_beside_the_own_stream_is_the_same(bench: Bench) -> None:
    both = bench.good(bench.source, truth.STREAM)
    assert levels(both) == bench.truth()
    assert _rows(bench, both) == _rows(bench, bench.good(bench.source))


def _rows(bench: Bench, result: Result) -> list[dict[str, Any]]:
    """What came of the own stream, but for the time of the read."""
    return [record | {"synced_at": None} for record in result.records(bench.source)]


def test_levels_cost_no_request(bench: Bench) -> None:
    alone = _requests(bench, bench.source)
    assert _requests(bench, truth.STREAM) == alone
    assert _requests(bench, bench.source, truth.STREAM) == alone


def test_levels_cost_no_request_beside_all_streams(bench: Bench) -> None:
    streams = [stream.name for stream in registry.provider(bench.room.name).streams]
    assert _requests(bench, *streams, truth.STREAM) == _requests(bench, *streams)


def test_levels_are_observed_before_they_are_asked_for(bench: Bench) -> None:
    begin = bench.clock.now()
    result = bench.good(truth.STREAM)
    last = max(request.at for request in bench.server.received)
    for record in result.records(truth.STREAM):
        observed = truth.instant(record["observed_at"])
        assert observed is not None
        assert observed.utcoffset() is not None
        assert begin.replace(microsecond=0) <= observed
        assert observed.timestamp() <= last


@S2
def test_what_was_fetched_for_another_stream_is_observed_when_it_was_fetched(bench: Bench) -> None:
    result = bench.good("s2_products", "s2_warehouses", truth.STREAM)
    (overview,) = (one for one in bench.server.received if "overview" in one.path)
    observed = {record["observed_at"] for record in result.records(truth.STREAM)}
    assert all(truth.instant(text).timestamp() <= overview.at for text in observed)  # type: ignore[union-attr]


def _table(*results: Result) -> Table:
    table = Table()
    for result in results:
        table.take(result.messages)
    return table


def _assert_current(table: Table, bench: Bench) -> None:
    due = bench.truth()
    assert table.of(due) == due


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside the own stream"])
def test_after_changes_a_second_run_completes_the_table(bench: Bench, beside: bool) -> None:
    streams = [truth.STREAM, *([bench.source] if beside else [])]
    first = bench.good(*streams)
    before = bench.truth()
    bench.clock.step(HOUR)
    assert bench.room.touch(bench.source, 3)
    bench.room.remove(bench.source, 1)
    second = bench.good(*streams, state=first.state)
    changed = {key for key, values in bench.truth().items() if values != before.get(key)}
    assert changed
    assert changed <= levels(second).keys()
    _assert_current(_table(first, second), bench)


def test_a_second_run_tells_what_changed_and_no_more(bench: Bench) -> None:
    if bench.source not in INCREMENTAL:
        pytest.skip(f"{bench.source} is read in full every time.")
    first = bench.good(truth.STREAM)
    bench.clock.step(HOUR)
    touched = {key[-1] for key in bench.room.touch(bench.source, 3)}
    items = {part for key in levels(bench.good(truth.STREAM, state=first.state)) for part in key}
    assert touched <= items
    assert len(levels(bench.good(truth.STREAM, state=first.state))) <= 4 * len(touched)


INCREMENTAL = {
    stream.name
    for stream in registry.streams().values()
    if stream.replication_key and stream.incremental
}


def test_a_run_after_which_nothing_changed_leaves_the_table_as_it_is(bench: Bench) -> None:
    first = bench.good(truth.STREAM)
    second = bench.good(truth.STREAM, state=first.state)
    assert _table(first, second).rows == bench.truth()


def test_levels_that_are_newly_selected_are_complete(bench: Bench) -> None:
    first = bench.good(bench.source)
    bench.clock.step(HOUR)
    bench.room.touch(bench.source, 2)
    second = bench.good(bench.source, truth.STREAM, state=first.state)
    assert levels(second) == bench.truth()


def test_levels_in_place_of_the_own_stream_are_complete(bench: Bench) -> None:
    first = bench.good(bench.source)
    assert levels(bench.good(truth.STREAM, state=first.state)) == bench.truth()


def _keys(bench: Bench, result: Result) -> list[tuple[str, ...]]:
    names = registry.streams()[bench.source].primary_key
    return [tuple(str(row[name]) for name in names) for row in result.records(bench.source)]


@pytest.mark.parametrize("beside", [False, True], ids=["in place", "beside"])
def test_an_own_stream_that_is_newly_selected_is_complete(bench: Bench, beside: bool) -> None:
    first = bench.good(truth.STREAM)
    bench.clock.step(HOUR)
    bench.room.touch(bench.source, 2)
    streams = [bench.source, *([truth.STREAM] if beside else [])]
    second = bench.good(*streams, state=first.state)
    assert sorted(_keys(bench, second)) == sorted(bench.room.rows(bench.source))
    if beside:
        _assert_current(_table(first, second), bench)


def test_an_own_stream_read_in_between_takes_nothing_from_the_levels(bench: Bench) -> None:
    first = bench.good(bench.source, truth.STREAM)
    bench.clock.step(HOUR)
    bench.room.touch(bench.source, 3)
    # With this the bookmark of the own stream goes ahead.
    between = bench.good(bench.source, state=first.state)
    bench.clock.step(3 * HOUR)
    last = bench.good(bench.source, truth.STREAM, state=between.state)
    _assert_current(_table(first, last), bench)


def test_full_table_gives_the_whole_truth_again(bench: Bench) -> None:
    first = bench.good(truth.STREAM)
    methods = {truth.STREAM: "FULL_TABLE"}
    assert levels(bench.good(truth.STREAM, state=first.state, methods=methods)) == bench.truth()


@S2
def test_s2_items_that_are_asked_for_their_changes_give_the_levels_that_changed(
    bench: Bench,
) -> None:
    methods = {bench.source: "INCREMENTAL"}
    first = bench.good(truth.STREAM, methods=methods)
    assert levels(first) == bench.truth()
    bench.clock.step(2 * HOUR)
    touched = bench.room.touch(bench.source, 3)
    second = bench.good(truth.STREAM, state=first.state, methods=methods)
    assert len(levels(second)) == len(touched)
    _assert_current(_table(first, second), bench)


@pytest.mark.parametrize("bench", ["amazon_fba", "deconetwork"], indirect=True)
def test_a_full_refresh_brings_what_the_providers_filter_misses(bench: Bench) -> None:
    first = bench.good(truth.STREAM)
    room: Any = bench.room
    changed = room.ship(3) if bench.room.name == "amazon_fba" else room.order(3)
    assert changed
    bench.clock.step(7 * DAY)
    second = bench.good(truth.STREAM, state=first.state)
    assert levels(second) == bench.truth()


def test_an_account_has_the_name_that_the_settings_give_it(bench: Bench) -> None:
    bench.config[bench.room.name]["account"] = "the shop"
    assert {key[1] for key in bench.truth()} == {"the shop"}
    assert levels(bench.good(truth.STREAM)) == bench.truth()


@pytest.mark.parametrize("bench", ["deconetwork"], indirect=True)
def test_a_start_date_bounds_the_levels_as_it_bounds_their_source(bench: Bench) -> None:
    changes = sorted(row["inv_last_modified"] for row in bench.room.rows(bench.source).values())
    bench.config["start_date"] = f"{changes[len(changes) // 2]}Z"
    both = bench.good(bench.source, truth.STREAM)
    items = {key[-1] for key in levels(both)}
    assert items == {key for (key,) in _keys(bench, both)}
    assert 0 < len(items) < len(changes)
    assert levels(bench.good(truth.STREAM)) == levels(both)


@pytest.mark.parametrize("bench", ["amazon_fba"], indirect=True)
@pytest.mark.parametrize("refused", ["foreign_marketplace", "no_fba"])
def test_a_marketplace_that_fails_leaves_the_levels_of_the_others(
    bench: Bench, refused: str
) -> None:
    bench.room.turn(refused, "ATVPDKIKX0DER")
    result = bench.run(truth.STREAM)
    assert result.code != 0
    assert levels(result) == bench.truth()
    bench.room.turn(refused, "")
    rest = bench.good(truth.STREAM, state=result.state)
    _assert_current(_table(result, rest), bench)


@pytest.mark.parametrize("name", registry.PROVIDER_NAMES)
def test_a_provider_that_fails_leaves_the_levels_of_the_others(name: str) -> None:
    with Bench(*registry.PROVIDER_NAMES, size=8) as bench:
        traits = traits_of(name)
        fault = Fault("body", body=traits.failure, path=traits.read, times=None)
        bench.server.inject(name, fault)
        result = bench.run(truth.STREAM)
        assert result.code == 4
        due = {key: values for key, values in bench.truth().items() if key[0] != name}
        assert levels(result) == due
        bench.server.clear()
        rest = bench.good(truth.STREAM, state=result.state)
        _assert_current(_table(result, rest), bench)


@pytest.mark.processes
def test_of_all_providers_at_once_a_real_run_tells_the_truth_and_then_the_changes(
    tmp_path: Path, run_process: Callable[..., Finished]
) -> None:
    with Bench(*registry.PROVIDER_NAMES, size=SIZE) as bench:
        catalog = bench.catalog(truth.STREAM)
        options = _options(tmp_path, config=bench.config, catalog=catalog)
        first = _ended(run_process(["tap_inventory", *options]))
        assert levels(first) == bench.truth()
        for name, source in truth.SOURCES.items():
            bench.server.room(name).touch(source, 3)
        options = _options(tmp_path, config=bench.config, catalog=catalog, state=first.state)
        second = _ended(run_process(["tap_inventory", *options]))
        _assert_current(_table(first, second), bench)


def _options(folder: Path, **documents: Any) -> list[str]:
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return [part for name in documents for part in (f"--{name}", str(folder / f"{name}.json"))]


def _ended(done: Finished) -> Result:
    assert done.code == 0, done.err
    return Result(done.code, done.out, done.err)


def test_the_last_message_is_a_state_also_where_it_says_nothing_new(bench: Bench) -> None:
    streams = (bench.source, truth.STREAM)
    full = dict.fromkeys(streams, "FULL_TABLE")
    first = bench.good(*streams, methods=full)
    second = bench.good(*streams, methods=full, state=first.state or None)
    quiet = bench.good(*streams, state=bench.good(*streams).state)
    for result in (first, second, quiet):
        kinds = [message["type"] for message in result.messages]
        assert kinds[-1] == "STATE" or "STATE" not in kinds


def test_under_another_name_of_the_account_every_level_comes(bench: Bench) -> None:
    first = bench.good(truth.STREAM)
    name = bench.room.name
    bench.config[name]["account"] = "another"
    second = bench.good(truth.STREAM, state=first.state)
    assert len(second.records(truth.STREAM)) == len(first.records(truth.STREAM))
    assert {record["account"] for record in second.records(truth.STREAM)} == {"another"}
    assert len(bench.good(truth.STREAM, state=second.state).records(truth.STREAM)) <= len(
        first.records(truth.STREAM)
    )


def test_a_map_that_drops_the_levels_leaves_their_history_for_later(bench: Bench) -> None:
    bench.config["stream_maps"] = {truth.STREAM: None}
    dropped = bench.good(bench.source, truth.STREAM)
    assert not dropped.records(truth.STREAM)
    del bench.config["stream_maps"]
    later = bench.good(bench.source, truth.STREAM, state=dropped.state)
    assert dict(map(truth.told, later.records(truth.STREAM))) == bench.truth()
