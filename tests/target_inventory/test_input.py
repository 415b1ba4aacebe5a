"""Promise: what came before a broken line is done, and a broken record stops no other one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers.deconetwork.wire import NUMBERS
from inventory_providers.errors import InventoryError
from tests.target_inventory import singer
from tests.target_inventory.singer import level, passed_on, raw_level, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.target_inventory.conftest import Run, Site

# Something that must not come back in any message.
MARK = "Zanzibar"


def _assert_stopped_at(run: Run, number: int, *, acknowledged: bytes) -> None:
    """Exit code 2 with the line's number; what came before is done; nothing of the line is told."""
    assert (run.code, run.out) == (2, acknowledged), run.error
    assert f"line {number}" in str(run.error)
    told = [str(run.error), run.said, *run.log, json.dumps(run.letters)]
    assert not [text for text in told if MARK in text]


# ---- broken lines (W09, W11, W13) ----------------------------------------------------------------

BROKEN = {
    "garbage": b"Zanzibar was here\n",
    "truncated": level(2, 60, note=MARK)[:-9],
    "half a character": level(2, 60).replace(b'"inv_lvl"', b'"Zanzibar\xe2\x82"'),
    "a list": b'["Zanzibar"]\n',
    "a number": b"5\n",
    "null": b"null\n",
    "no type": b'{"stream":"Zanzibar"}\n',
    "type null": b'{"type":null,"stream":"Zanzibar"}\n',
    "unknown type": b'{"type":"Zanzibar"}\n',
    "record null": b'{"type":"RECORD","stream":"deconetwork_inventory","record":null}\n',
    "record list": b'{"type":"RECORD","stream":"deconetwork_inventory","record":["Zanzibar"]}\n',
    "record missing": b'{"type":"RECORD","stream":"deconetwork_inventory"}\n',
    "stream missing": b'{"type":"RECORD","record":{"dn_sku_id":"Zanzibar"}}\n',
    "stream list": b'{"type":"RECORD","stream":["Zanzibar"],"record":{}}\n',
    "before its schema": record("another", note=MARK),
    "schema without schema": b'{"type":"SCHEMA","stream":"deconetwork_inventory"}\n',
    "schema without properties": b'{"type":"SCHEMA","stream":"x","schema":{"a":"Zanzibar"}}\n',
    "schema without stream": b'{"type":"SCHEMA","schema":{"properties":{}}}\n',
    "keys are no list": b'{"type":"SCHEMA","stream":"deconetwork_inventory",'
    b'"schema":{"properties":{}},"key_properties":"Zanzibar"}\n',
    "state without value": b'{"type":"STATE"}\n',
    "state null": b'{"type":"STATE","value":null}\n',
    "state text": b'{"type":"STATE","value":"Zanzibar"}\n',
    "deep nesting": b'{"type":"RECORD","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "many digits": b'{"type":"RECORD","x":' + b"9" * 5_000 + b"}\n",
    "two messages": level(2, 60).strip() + level(3, 60),
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_what_came_before_a_broken_line_is_done(site: Site, line: bytes) -> None:
    before = [site.level(number) for number in range(4)]
    run = site.run(schema(), level(0, 50), state(1), level(1, 51), line, level(3, 53), state(2))
    _assert_stopped_at(run, 5, acknowledged=passed_on(1))
    assert [site.level(number) for number in range(4)] == [50, 51, before[2], before[3]]


def test_w11_a_last_line_that_is_cut_off(site: Site) -> None:
    run = site.run(schema(), level(0, 50), state(1), level(1, 51, note=MARK)[:-20])
    _assert_stopped_at(run, 4, acknowledged=passed_on(1))
    assert site.level(0) == 50


def test_a_broken_line_with_rejected_records_before_it_keeps_both(site: Site) -> None:
    run = site.run(schema(), level(99, 1), state(1), b"Zanzibar")
    _assert_stopped_at(run, 4, acknowledged=passed_on(1))
    assert len(run.letters) == 1


def test_w13_a_line_of_a_hundred_megabytes(site: Site) -> None:
    run = site.run(schema(), level(0, 50), state(1), b'{"x":"' + b"Zanzibar" * 12_500_000 + b'"}\n')
    _assert_stopped_at(run, 4, acknowledged=passed_on(1))
    assert "MiB" in str(run.error)
    assert site.level() == 50


_watches: list[list[str]] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        for names in _watches:
            names.append(str(args[0]))


sys.addaudithook(_audit)


@contextlib.contextmanager
def _files_opened() -> Iterator[list[str]]:
    """The names of all files that are opened meanwhile."""
    names: list[str] = []
    _watches.append(names)
    try:
        yield names
    finally:
        _watches.remove(names)


def test_the_watch_on_files_sees_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with _files_opened() as names:
        (tmp_path / "a").read_bytes()
        os.close(os.open(tmp_path / "a", os.O_RDONLY))
    assert names == [str(tmp_path / "a")] * 2


@pytest.mark.parametrize("stream", [singer.STREAM, "unknown"])
def test_w09_the_file_that_a_batch_message_names_is_not_opened(site: Site, stream: str) -> None:
    secret = site.folder / "Zanzibar.jsonl.gz"
    secret.write_bytes(level(2, 60))
    message = {
        "type": "BATCH",
        "stream": stream,
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": [f"file://{secret}"],
    }
    with _files_opened() as names:
        run = site.run(schema(), level(0, 50), state(1), singer.line(message), level(1, 51))
    assert not [name for name in names if MARK in name]
    _assert_stopped_at(run, 4, acknowledged=passed_on(1))
    assert "batch_config" in str(run.error), "it does not say what to do"
    assert site.level() == 50


# ---- tolerated forms (W10, W12) ------------------------------------------------------------------


def test_w10_activate_version_deletes_nothing(site: Site) -> None:
    before = site.rows().keys()
    versions = [
        singer.line({"type": "ACTIVATE_VERSION", "stream": stream, "version": 1})
        for stream in (singer.STREAM, "never-heard-of")
    ]
    run = site.run(schema(), versions[0], level(0, 50), *versions, state())
    assert (run.code, run.out, site.level()) == (0, passed_on(), 50)
    assert site.rows().keys() == before
    assert len(site.applied) == 1


TOLERATED = {
    "blank lines": lambda data: b"\n\n  \n" + data.replace(b"\n", b"\n\n \t\n"),
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "byte order mark and a blank line": lambda data: b"\xef\xbb\xbf\r\n" + data,
    "no final newline": lambda data: data.rstrip(b"\n"),
    "blanks around": lambda data: data.replace(b"\n", b"  \n  "),
}


@pytest.mark.parametrize("form", TOLERATED.values(), ids=TOLERATED)
def test_w12_a_form_that_is_tolerated(site: Site, form: Any) -> None:
    run = site.run(form(schema() + level(0, 50) + state()))
    assert (run.code, run.out, site.level()) == (0, passed_on(), 50)


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\r\n", b"\xef\xbb\xbf"])
def test_w12_no_messages_are_no_fault(site: Site, data: bytes) -> None:
    run = site.run(data)
    assert (run.code, run.out, run.requests) == (0, b"", [])


def test_w12_only_state_is_passed_on_without_a_request(site: Site) -> None:
    run = site.run(state(1), state(2))
    assert (run.code, run.out, run.requests) == (0, passed_on(2), [])


def test_w12_a_schema_without_records_costs_no_request(site: Site) -> None:
    run = site.run(schema(), state())
    assert (run.code, run.out, run.requests) == (0, passed_on(), [])


# ---- bad values (W07) ----------------------------------------------------------------------------

BAD = (
    "-5",
    "5.5",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "true",
    "false",
    '""',
    '"5"',
    '" 5 "',
    '"1,000"',
    '"Infinity"',
    "[]",
    "[5]",
    "{}",
    "1" + "0" * 30,
    "1e30",
    "2147483648",
    "-1e-400",
    "1e-400",
    '"\\ud83d"',
)


@pytest.mark.parametrize("text", BAD)
def test_w07_a_bad_quantity_is_never_sent(site: Site, text: str) -> None:
    bad = [raw_level(n, text, field) for n, field in enumerate(NUMBERS)]
    run = site.run(schema(), *bad, level(9, 51), state())
    assert (run.code, run.out) == (7, passed_on()), run.error
    assert [change["dn_sku_id"] for change in site.applied] == [singer.key(9)]
    assert [letter["dn_sku_id"] for letter in run.rejected] == [singer.key(n) for n in range(3)]
    for field, reason in zip(NUMBERS, run.reasons, strict=True):
        assert field in reason
    # They are understood when they come back, and are as wrong as before.
    again = site.feed_back(site.dead_letters)
    assert (again.code, again.updates, again.rejected) == (7, [], run.rejected)


@pytest.mark.parametrize("line", [raw_level(0, "null"), record(dn_sku_id=singer.key(0))])
def test_w07_a_record_without_any_quantity_is_rejected(site: Site, line: bytes) -> None:
    run = site.run(schema(), line, level(1, 51), state())
    assert (run.code, len(run.letters), len(site.applied)) == (7, 1, 1)


@pytest.mark.parametrize("text", ["5.0", "5e0", "0.5e1", "5.000"])
def test_a_whole_number_may_be_written_as_a_fraction(site: Site, text: str) -> None:
    run = site.run(schema(), raw_level(0, text), state())
    assert (run.code, site.applied[0]["inv_lvl"]) == (0, "5")


@pytest.mark.parametrize(
    "line",
    [
        record(inv_lvl=5),
        record(dn_sku_id=None, inv_lvl=5),
        record(dn_sku_id="", inv_lvl=5),
        record(dn_sku_id="  ", inv_lvl=5),
        record(dn_sku_id=19617, inv_lvl=5),
        record(dn_sku_id=["19617_1378"], inv_lvl=5),
        record(dn_sku_id="19617_1378 ", inv_lvl=5),
        record(dn_sku_id="19617", inv_lvl=5),
        record(dn_sku_id="\ud83d", inv_lvl=5),
        record(dn_sku_id="\u0000", inv_lvl=5),
        record(dn_sku_id="x&password=y", inv_lvl=5),
        level(0, 5, inv_on="true"),
        level(0, 5, inv_on=1),
        level(0, 5, expected_inv_lvl="3"),
        level(0, 5, expected_inv_lvl=True),
        level(0, 5, operator_id=[1]),
        level(0, 5, operator_login=""),
        level(0, 5, operator_id=True),
    ],
)
def test_a_record_that_makes_no_sense_stops_no_other(site: Site, line: bytes) -> None:
    run = site.run(schema(), line, level(1, 51), state())
    assert (run.code, run.out) == (7, passed_on()), run.error
    assert [change["dn_sku_id"] for change in site.applied] == [singer.key(1)]
    assert run.rejected == [json.loads(line)["record"]]


@pytest.mark.parametrize("text", ["1e400", "NaN", "1" + "0" * 4000, '"\\ud83d"', '"\\u0000"'])
def test_a_strange_value_in_a_field_that_is_not_written_does_no_harm(site: Site, text: str) -> None:
    line = level(0, 50, shelf="HERE").replace(b'"HERE"', text.encode())
    run = site.run(schema(), line, state())
    assert (run.code, site.level()) == (0, 50)


@pytest.mark.parametrize("text", ["1e400", "NaN", "Infinity", "-1e400"])
def test_a_strange_expected_level_is_a_rejected_record(site: Site, text: str) -> None:
    line = level(0, 50, expected_inv_lvl="HERE").replace(b'"HERE"', text.encode())
    run = site.run(schema(), line, level(1, 51), state())
    assert (run.code, len(run.letters), site.level(1)) == (7, 1, 51)


def test_a_negative_level_is_no_fault_where_it_stands_already(site: Site) -> None:
    site.grow()
    key, row = next((k, r) for k, r in site.rows().items() if r["inv_lvl"] < 0)
    run = site.set_levels({key: row["inv_lvl"]})
    assert (run.code, run.updates, run.report["unchanged"]) == (0, [], 1)
    worse = site.set_levels({key: row["inv_lvl"] - 1})
    assert (worse.code, worse.updates) == (7, [])
    mended = site.set_levels({key: 0})
    assert (mended.code, site.rows()[key]["inv_lvl"]) == (0, 0)


# ---- max_rejected --------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "code"), [(0, 7), (1, 7), (2, 0), (3, 0)])
def test_as_many_rejected_records_as_allowed_are_no_failure(
    site: Site, allowed: int, code: int
) -> None:
    run = site.set_levels([(98, 1), (0, 50), (99, 1)], max_rejected=allowed)
    assert (run.code, run.out, site.level(), len(run.letters)) == (code, passed_on(), 50, 2)
    if code:
        assert str(site.dead_letters) in str(run.error)


# ---- streams -------------------------------------------------------------------------------------


def test_an_unknown_stream_is_refused_by_name_before_anything_is_written(site: Site) -> None:
    run = site.run(schema(), level(0, 50), state(), schema("orders", ("id",)))
    assert (run.code, run.out, run.requests) == (2, b"", [])
    for words in ("orders", singer.STREAM, "unknown_streams"):
        assert words in str(run.error)


def test_unknown_streams_can_be_ignored_with_one_warning_each(site: Site) -> None:
    def line(stream: str) -> bytes:
        return record(stream, id=1, note=MARK)

    run = site.run(
        *(schema(name, ("id",)) for name in ("orders", "customers", "orders")),
        schema(),
        *(line(name) for name in ("orders", "customers", "orders")),
        level(0, 50),
        state(),
        unknown_streams="ignore",
    )
    assert (run.code, run.out, site.level()) == (0, passed_on(), 50)
    warned = [text for text in run.log if "cannot be written" in text or "can be written" in text]
    assert sorted(text.split()[0] for text in warned) == ["customers", "orders"]
    assert not [text for text in [run.said, *run.log] if MARK in text]
    assert (run.report["read"], run.report["skipped"]) == (1, 3)


@pytest.mark.parametrize("unknown", ["fail", "ignore"])
def test_a_stream_of_a_provider_that_is_not_configured_is_refused(site: Site, unknown: str) -> None:
    run = site.run(schema(), level(0, 50), unknown_streams=unknown, deconetwork=None)
    assert (run.code, run.out, run.requests) == (2, b"", [])
    assert "deconetwork" in str(run.error)


# ---- stream maps ---------------------------------------------------------------------------------

MAP = {
    "shelf_count": {
        "__alias__": singer.STREAM,
        "__key_properties__": ["dn_sku_id"],
        "dn_sku_id": "item",
        "inv_lvl": "int(counted)",
        "__filter__": "counted is None or counted != 13",
        "__else__": None,
    }
}


def _counted(item: str, counted: Any) -> bytes:
    return record("shelf_count", item=item, counted=counted)


def _shelf_schema() -> bytes:
    text = {"type": ["string", "null"]}
    return schema("shelf_count", ("item",), item=text, counted={"type": ["integer", "null"]})


def test_a_foreign_stream_can_be_mapped(site: Site) -> None:
    lines = [_counted(singer.key(0), 50), _counted(singer.key(1), 13), _counted(singer.key(2), 52)]
    thirteen = site.level(1)
    run = site.run(_shelf_schema(), *lines, state(), stream_maps=MAP)
    assert (run.code, run.out) == (0, passed_on())
    assert [site.level(number) for number in range(3)] == [50, thirteen, 52]
    assert run.report["read"] == 2


def test_a_mapped_stream_is_not_needed_by_its_own_name(site: Site) -> None:
    with_another = MAP | {"orders": None}
    orders = schema("orders", ("id",), id={"type": "integer"})
    run = site.run(
        orders,
        _shelf_schema(),
        record("orders", id=1),
        _counted(singer.key(0), 50),
        state(),
        stream_maps=with_another,
    )
    assert (run.code, site.level()) == (0, 50), run.error


def test_a_rejected_record_of_a_mapped_stream_can_be_fed_back(site: Site) -> None:
    run = site.run(_shelf_schema(), _counted("19617_9", 50), state(), stream_maps=MAP)
    assert run.rejected == [{"dn_sku_id": "19617_9", "inv_lvl": 50}]
    site.room.put(singer.STREAM, site.row() | {"dn_sku_id": "19617_9"})
    again = site.feed_back(site.dead_letters, stream_maps=MAP)
    assert (again.code, site.rows()["19617_9"]["inv_lvl"]) == (0, 50), again.error


def test_a_record_that_a_map_fails_on_is_no_defect_of_ours(site: Site) -> None:
    try:
        run = site.run(
            _shelf_schema(),
            _counted(singer.key(0), 50),
            _counted(singer.key(1), None),
            state(),
            stream_maps=MAP,
        )
    except Exception as error:  # noqa: BLE001 - any at all would end as "unexpected"
        pytest.fail(f"ends as a defect: {type(error).__name__}")
    assert run.code in {2, 7}
    assert isinstance(run.error, InventoryError)


@pytest.mark.parametrize(
    "maps",
    [
        {"shelf_count": {"dn_sku_id": "item +* 5"}},
        {"shelf_count": {"__key_properties__": ["nothing"], "__else__": None}},
        {"shelf_count": {"dn_sku_id": 5}},
        {"shelf_count": 7},
    ],
)
def test_a_map_that_is_wrong_is_a_wrong_configuration(site: Site, maps: dict[str, Any]) -> None:
    try:
        run = site.run(_shelf_schema(), _counted(singer.key(0), 50), stream_maps=maps)
    except Exception as error:  # noqa: BLE001 - any at all would end as "unexpected"
        pytest.fail(f"ends as a defect: {type(error).__name__}")
    assert (run.code, run.requests) == (2, [])
    assert "stream_maps" in str(run.error)
