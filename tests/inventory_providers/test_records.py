"""Promise: every value of a row arrives exactly, or the row and the property are named."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from inventory_providers import times
from inventory_providers.errors import Malformed
from inventory_providers.jsonio import dumps, loads
from inventory_providers.records import (
    JsonText,
    Number,
    Records,
    camel,
    key_of,
    stamp,
    unchanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Maker(BaseModel):
    name: str | None
    since: datetime | None


class Place(BaseModel):
    shelf_label: str | None
    maker: Maker | None
    count: Number | None


class Thing(BaseModel):
    id: str
    label: str | None
    is_on: bool | None
    count: Number | None
    changed_at: datetime | None
    best_before: date | None
    other_ids: JsonText | None
    place: Place | None
    places: list[Place] | None
    tags: list[str] | None


NOTHING = dict.fromkeys(Thing.model_fields)
WHOLE = {
    "id": "25",
    "label": "shirt",
    "isOn": True,
    "count": Decimal("0.10"),
    "changedAt": "2024-06-03T03:40:41.743844Z",
    "bestBefore": "2018-07-09",
    "otherIds": [{"a": None}],
    "place": {"shelfLabel": "A", "maker": {"name": "Sony", "since": None}, "count": 2},
    "places": [{"shelfLabel": "B", "maker": None, "count": 0}, None],
    "tags": ["x", None],
}


def things(stream: str = "things") -> Records:
    return Records(Thing, stream=stream, wire=camel)


def made(**row: Any) -> dict[str, Any]:
    return things().record({"id": "25", **row}, "25")


# ---- complete ------------------------------------------------------------------------------------


def test_a_whole_row() -> None:
    assert things().record(WHOLE, "25") == {
        "id": "25",
        "label": "shirt",
        "is_on": True,
        "count": Decimal("0.10"),
        "changed_at": "2024-06-03T03:40:41.743844Z",
        "best_before": "2018-07-09",
        "other_ids": '[{"a":null}]',
        "place": {"shelf_label": "A", "maker": {"name": "Sony", "since": None}, "count": 2},
        "places": [{"shelf_label": "B", "maker": None, "count": 0}, None],
        "tags": ["x", None],
    }


def test_what_was_not_sent_is_null_in_the_order_of_the_model() -> None:
    assert made() == {**NOTHING, "id": "25"}
    assert list(made()) == list(Thing.model_fields)


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "id"])
def test_null_is_null(name: str) -> None:
    assert made(**{name: None}) == made()


def test_a_part_is_complete_at_every_depth() -> None:
    empty = {"shelf_label": None, "maker": None, "count": None}
    assert made(place={})["place"] == empty
    assert made(places=[{}])["places"] == [empty]
    assert made(place={"maker": {}})["place"]["maker"] == {"name": None, "since": None}


def test_what_does_not_come_from_the_wire_goes_along() -> None:
    record = things().record({"id": "25", "label": "wire"}, "25", label="ours", read_at="now")
    assert record == {**NOTHING, "id": "25", "label": "ours", "read_at": "now"}


def test_without_other_names_the_wire_has_those_of_the_records() -> None:
    row = {"name": "Sony", "since": "2024-06-03T03:40:41Z"}
    assert Records(Maker, stream="makers").record(row, "Sony") == row
    assert unchanged("shelf_label") == "shelf_label"


@pytest.mark.parametrize(
    ("name", "on_wire"),
    [
        ("id", "id"),
        ("package_length_mm", "packageLengthMm"),
        ("address1", "address1"),
        ("rma_center", "rmaCenter"),
    ],
)
def test_camel(name: str, on_wire: str) -> None:
    assert camel(name) == on_wire


# ---- exact or refused ----------------------------------------------------------------------------

numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3)
texts = st.text(max_size=8) | st.sampled_from(
    [
        "",
        "5",
        "76.0000",
        "true",
        "False",
        "1,000",
        "NaN",
        "2024-06-03",
        "2024-06-03T03:40:41.743844Z",
        "2024-06-03T05:40:41+02:00",
        "cut \ud83d",
        "a\x00b",
    ]
)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def text_arrives(value: Any, found: Any) -> bool:
    if is_number(value):
        return bool(Decimal(found) == value)
    return isinstance(value, str) and bool(found == value)


def number_arrives(value: Any, found: Any) -> bool:
    if found is None:
        return isinstance(value, str) and not value.strip()
    try:
        same = Decimal(value) == found
    except (InvalidOperation, TypeError, ValueError):
        return False
    return is_number(found) and not isinstance(value, bool) and same


def boolean_arrives(value: Any, found: Any) -> bool:
    return isinstance(found, bool) and str(value).lower() in {
        str(found).lower(),
        str(int(found)),
    }


def moment_arrives(value: Any, found: Any) -> bool:
    if found is None:
        return bool(value == "")
    return found[-1] == "Z" and times.parse(value) == times.parse(found)


def day_arrives(value: Any, found: Any) -> bool:
    if found is None:
        return bool(value == "")
    return date.fromisoformat(value) == date.fromisoformat(found)


def json_arrives(value: Any, found: Any) -> bool:
    return bool(loads(found.encode()) == value)


ARRIVES: dict[str, Callable[[Any, Any], bool]] = {
    "label": text_arrives,
    "is_on": boolean_arrives,
    "count": number_arrives,
    "changed_at": moment_arrives,
    "best_before": day_arrives,
    "other_ids": json_arrives,
}


@given(st.sampled_from(sorted(ARRIVES)), anything)
@example("count", "")
@example("other_ids", "cut \ud83d")
@example("other_ids", [Decimal("1.50"), {"a": [None, 2**70]}])
def test_any_value_of_any_property_arrives_exactly_or_is_refused_by_name(
    name: str, value: Any
) -> None:
    try:
        found = things().record({"id": "25", camel(name): value}, "row 25")[name]
    except Malformed as error:
        assert error.message.startswith(f"row row 25: {camel(name)} is ")  # noqa: PT017
        return
    assert (found is None) if value is None else ARRIVES[name](value, found)


@given(anything)
def test_a_part_that_is_no_object_is_refused_by_name(value: Any) -> None:
    if value is None or isinstance(value, dict):
        return
    with pytest.raises(Malformed, match=r"^row 25: place is \w+ where an object is documented\."):
        made(place=value)


@given(anything)
def test_a_list_that_is_none_is_refused_by_name(value: Any) -> None:
    if value is None or isinstance(value, list):
        return
    with pytest.raises(Malformed, match=r"^row 25: tags is \w+ where a list is documented\."):
        made(tags=value)


@given(st.lists(scalars))
def test_a_list_has_as_many_entries_as_were_sent(value: list[Any]) -> None:
    try:
        found = made(tags=value)["tags"]
    except Malformed as error:
        assert "tags[] is bool" in error.message  # noqa: PT017
        return
    assert len(found) == len(value)
    assert all(
        (one is None) if sent is None else text_arrives(sent, one)
        for one, sent in zip(found, value, strict=True)
    )


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"place": {"count": "many"}}, "place.count is text that is no number"),
        ({"place": {"maker": {"since": "soon"}}}, "place.maker.since is not a date-time"),
        ({"places": [{}, {"shelfLabel": []}]}, r"places\[\].shelfLabel is list"),
        ({"places": [3]}, r"places\[\] is int where an object"),
        ({"tags": [{}]}, r"tags\[\] is dict where text"),
    ],
)
def test_a_wrong_value_inside_a_part_is_named_by_its_way(row: dict[str, Any], named: str) -> None:
    with pytest.raises(Malformed, match=f"^row 25: {named}"):
        made(**row)


def test_a_rows_name_stays_on_one_line() -> None:
    with pytest.raises(Malformed) as caught:
        things().record({"id": "a\nb", "count": []}, "a\nb" + "c" * 1000)
    assert caught.value.message.startswith("row a b")
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("value", [2**63, 2**70, -(2**63), 0, Decimal("0.35708416")], ids=str)
def test_a_number_is_written_digit_by_digit(value: Any) -> None:
    assert dumps(made(count=value)["count"]) == str(value).encode()


# ---- moments -------------------------------------------------------------------------------------

moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.astimezone(UTC)
)
FORMS: dict[str, Callable[[datetime], str]] = {
    "as documented": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}",
    "whole seconds": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    "with an offset": lambda moment: moment.isoformat(),
    "a blank between": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S.%fZ}",
    "a comma": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S,%fZ}",
    "a week": lambda moment: f"{moment:%G-W%V-%uT%H:%M:%S.%fZ}",
    "milliseconds": lambda moment: moment.isoformat(timespec="milliseconds"),
    "no zone": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S.%f}",
    "compact": lambda moment: f"{moment:%Y%m%dT%H%M%S.%fZ}",
}


@given(st.sampled_from(sorted(FORMS)), moments)
@example("a week", datetime(2024, 6, 3, 3, 40, 41, 743844, tzinfo=UTC))
@example("as documented", datetime(2024, 6, 3, tzinfo=UTC))
def test_a_moment_is_written_in_one_way_however_it_came(form: str, moment: datetime) -> None:
    text = FORMS[form](moment)
    parsed = times.parse(text)
    assert abs(parsed - moment) < timedelta(seconds=1)
    assert stamp(text, parsed) == times.rfc3339(parsed)
    assert made(changedAt=text)["changed_at"] == times.rfc3339(parsed)


# ---- what the document does not know -------------------------------------------------------------


def test_unknown_properties_are_left_out_and_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    records = things("shop_things")
    row = {"id": "25", "brandNew": 1, "place": {"x": 1, "maker": {"y": 2}}, "places": [{"z": 3}]}
    with caplog.at_level(logging.WARNING):
        found = [records.record(row, "25") for _ in range(3)]
        records.record({**row, "later": None}, "26")
    assert found[0] == made(place={"maker": {}}, places=[{}])
    said = [record.getMessage() for record in caplog.records]
    names = [line.removeprefix("shop_things: left out, not in the document: ") for line in said]
    told = [name for line in names for name in line.split(", ")]
    assert sorted(told) == ["brandNew", "later", "place.maker.y", "place.x", "places[].z"]


def test_a_row_as_documented_is_nothing_to_report(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        things().record(WHOLE, "25")
    assert not caplog.records


def test_an_unknown_name_stays_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made(**{"a\nb": 1, "x" * 5000: 2})
    (line,) = [record.getMessage() for record in caplog.records]
    assert "\n" not in line
    assert len(line) < 400


# ---- keys ----------------------------------------------------------------------------------------


@given(st.text(min_size=1))
def test_a_key_is_the_text_that_came(key: str) -> None:
    assert key_of({"sku": key}, "sku", "name") == key


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "hat"}, "sku is missing in the row with name 'hat'"),
        ({"sku": None, "name": "hat"}, "sku is empty in the row with name 'hat'"),
        ({"sku": "", "name": "hat"}, "sku is empty in the row with name 'hat'"),
        ({"sku": 25, "name": "hat"}, "sku is not text in the row with name 'hat'"),
        ({"sku": [], "name": None}, "sku is not text in the row with name None"),
        ({"sku": False}, "sku is not text in the row with name None"),
        ([], "a row is not an object"),
        (None, "a row is not an object"),
        ("sku", "a row is not an object"),
    ],
    ids=json.dumps,
)
def test_a_row_without_a_key_is_named(row: Any, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        key_of(row, "sku", "name")
    assert caught.value.message == message


def test_what_names_a_row_without_a_key_stays_short() -> None:
    with pytest.raises(Malformed) as caught:
        key_of({"name": "line\n" * 1000}, "sku", "name")
    assert len(caught.value.message) < 400
