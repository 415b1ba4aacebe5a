"""Promises of S2's levels: every item has one, its product is looked up and never guessed."""

from __future__ import annotations

import json
import logging
import tracemalloc
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import levels
from inventory_providers.contract import ReadRequest
from inventory_providers.errors import Malformed, ScratchError
from inventory_providers.jsonio import dumps, loads
from inventory_providers.s2 import PROVIDER, api, wire
from inventory_providers.s2.settings import S2Settings
from inventory_providers.spool import Scratch
from inventory_providers.stored import load
from tests.inventory_providers.fakes import NOON, FakeClock, environment, small_disk
from tests.inventory_providers.s2 import examples
from tests.inventory_providers.shop import Says, Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inventory_providers.contract import LevelsOf, Record
    from inventory_providers.levels import Level
    from inventory_providers.s2.wire import Named

_, PRODUCTS, ITEMS = PROVIDER.streams
EXAMPLE = json.loads(examples.OVERVIEW_ANSWER)
WAREHOUSE = EXAMPLE["warehouses"][0]["id"]
RECORD = {
    "warehouse_id": WAREHOUSE,
    "product_id": "f4053402-e79b-45c2-8621-377d28060888",
    "available": 0,
    "incoming": 0,
    "reserved": -13,
    "updated_at": "2024-06-03T03:40:41.743844Z",
}
MADE = timedelta(seconds=5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def shop(clock: FakeClock) -> Iterator[Shop]:
    """Answers take five seconds."""
    before = lambda: clock.step(MADE.total_seconds())  # noqa: E731 - a dataclass wants a value
    with Shop(Says(body=examples.OVERVIEW_ANSWER.encode(), before=before)) as it:
        yield it


@pytest.fixture
def session(shop: Shop, clock: FakeClock) -> Iterator[api.S2]:
    settings = S2Settings.model_validate({"api_url": shop.url, "access_token": "of the shop"})
    it = api.connect(settings, environment(clock=clock))
    yield it
    it.close()


def serve(shop: Shop, **changes: Any) -> None:
    shop.answers = [Says(body=dumps(EXAMPLE | changes))]


def read(session: api.S2, **request: Any) -> tuple[list[Level], LevelsOf | None]:
    """As a run does it: the levels are asked for when the first row has come."""
    found: list[Level] = []
    made: LevelsOf | None = None
    for page in ITEMS.read(session, ReadRequest(**request)):
        for line in page.lines:
            made = made or api.levels(session)
            found += made.of(loads(line))
    return found, made


def of(record: Record, product: Named | None = None) -> Level:
    (level,) = wire.Levels(lambda _: product, {}).of(record)
    return level


# ---- the example of the document -----------------------------------------------------------------


def test_the_items_of_the_document_two_of_which_are_of_a_known_product(session: api.S2) -> None:
    found, _ = read(session)
    names = ("location_name", "sku", "product_name", "available", "incoming", "reserved")
    assert [tuple(getattr(level, name) for name in names) for level in found] == [
        ("test warehouse", "TEST-BLACK", "SKU Black", 0, 0, 13),
        ("test warehouse", "", None, 11, 0, 7),
        ("test warehouse", "", None, 17, 0, 7),
        ("test warehouse", "", None, 9, 0, 0),
        ("test warehouse", "test", "Test Product", 0, 0, 2),
    ]
    items = EXAMPLE["items"]
    assert [(level.location_id, level.provider_item_id, level.updated_at) for level in found] == [
        (item["warehouseId"], item["level"]["productId"], item["level"]["updatedAt"])
        for item in items
    ]


def test_what_the_document_does_not_say_is_null(session: api.S2) -> None:
    found, _ = read(session)
    assert {(level.on_hand, level.backordered) for level in found} == {(None, None)}


def test_the_source_is_the_stream_of_items_and_no_place_is_a_sum() -> None:
    assert levels.source(PROVIDER) is ITEMS
    assert not PROVIDER.sums


# ---- quantities ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["available", "incoming", "reserved", "updated_at"])
def test_what_is_null_in_the_row_is_null_in_its_level(name: str) -> None:
    level = of(RECORD | {name: None})
    assert getattr(level, name) is None


@given(st.integers(-(10**20), 10**20) | st.decimals(-100, 100, places=30))
def test_reserved_is_never_negative_and_keeps_every_digit(raw: int | Decimal) -> None:
    level = of(RECORD | {"reserved": raw})
    assert level.reserved == (raw.copy_abs() if isinstance(raw, Decimal) else abs(raw))
    assert not str(level.reserved).startswith("-")


def test_a_positive_reserved_stays_as_it_is_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = wire.Levels(lambda _: None, {})
    for raw in (4, 2, -3):
        (level,) = made.of(RECORD | {"reserved": raw})
        assert level.reserved == abs(raw)
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert RECORD["product_id"] in warning.getMessage()


# ---- products and warehouses ---------------------------------------------------------------------


def test_unknown_products_are_counted_in_one_warning_with_an_example(
    session: api.S2, caplog: pytest.LogCaptureFixture
) -> None:
    read(session)
    (warning,) = (one for one in caplog.records if one.levelno == logging.WARNING)
    told = "3 items have a product id that is not in the list of products, such as "
    assert told in warning.getMessage()
    assert "440352eb-241a-4cac-834f-e0980ffc888" in warning.getMessage()


def test_each_read_counts_for_itself(session: api.S2, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        read(session)
    assert [one.getMessage().count("3 items") for one in caplog.records] == [1, 1]


def test_a_run_in_which_every_product_is_known_says_nothing(
    shop: Shop, session: api.S2, caplog: pytest.LogCaptureFixture
) -> None:
    serve(shop, items=EXAMPLE["items"][:1])
    read(session)
    assert not caplog.records


def test_a_read_whose_levels_nobody_wants_says_nothing(
    session: api.S2, caplog: pytest.LogCaptureFixture
) -> None:
    list(ITEMS.read(session, ReadRequest()))
    assert not caplog.records


@pytest.mark.parametrize(
    ("changes", "sku", "name"),
    [
        ({"sku": None, "name": None}, "", None),
        ({"sku": "", "name": ""}, "", ""),
        ({"sku": 4711, "name": 12}, "4711", "12"),
        ({"sku": "half an emoji \ud83d", "name": "tea\n茶"}, "half an emoji \ud83d", "tea\n茶"),
    ],
)
def test_a_product_is_called_what_the_list_of_products_calls_it(
    shop: Shop, session: api.S2, changes: dict[str, Any], sku: str, name: str | None
) -> None:
    serve(shop, products=[EXAMPLE["products"][3] | changes], items=EXAMPLE["items"][:1])
    ((level,), _) = read(session)
    assert (level.sku, level.product_name) == (sku, name)


def test_of_two_products_with_one_id_the_last_counts(shop: Shop, session: api.S2) -> None:
    known = EXAMPLE["products"][3]
    serve(shop, products=[known, known | {"sku": "LATER"}], items=EXAMPLE["items"][:1])
    ((level,), _) = read(session)
    assert level.sku == "LATER"


def test_a_warehouse_that_is_not_listed_has_no_name(shop: Shop, session: api.S2) -> None:
    serve(shop, warehouses=[])
    found, _ = read(session)
    assert {(level.location_id, level.location_name) for level in found} == {(WAREHOUSE, None)}


@pytest.mark.parametrize("row", [{"name": "no id"}, {"id": "p-1", "sku": []}, "no object"])
def test_a_product_that_cannot_be_read_is_an_error(shop: Shop, session: api.S2, row: Any) -> None:
    serve(shop, products=[row])
    with pytest.raises(Malformed):
        read(session)


# ---- one request, and when it was made -----------------------------------------------------------


def test_levels_cost_no_request(shop: Shop, session: api.S2) -> None:
    list(PRODUCTS.read(session, ReadRequest()))
    read(session)
    assert len(shop.asked) == session.requests == 1


def test_stock_was_seen_when_it_was_asked_for_whichever_stream_that_was(
    session: api.S2, clock: FakeClock
) -> None:
    clock.step(60)
    list(PRODUCTS.read(session, ReadRequest()))
    clock.step(60)
    _, made = read(session)
    assert made is not None
    assert made.observed_at == NOON + timedelta(seconds=60)
    assert clock.now() == NOON + timedelta(seconds=120) + MADE


def test_a_connection_test_can_have_the_level_of_its_row(session: api.S2) -> None:
    found, _ = read(session, limit=1)
    assert [level.sku for level in found] == ["TEST-BLACK"]


# ---- many products -------------------------------------------------------------------------------

LABELS = st.tuples(st.text(min_size=1, max_size=3), st.text() | st.none(), st.text() | st.none())


def index_of(rows: list[dict[str, Any]]) -> api.Products:
    with Scratch() as file:
        file.write(dumps({"products": rows}))
        return api.Products(load(file, ["products"])["products"])


def row_of(label: tuple[str, str | None, str | None]) -> dict[str, Any]:
    return dict(zip(("id", "sku", "name"), label, strict=True))


@pytest.mark.parametrize("hashed", [hash, lambda _: 0, lambda _: -1], ids=["", "all 0", "all -1"])
@given(labels=st.lists(LABELS), others=st.lists(st.text(min_size=1, max_size=3)))
def test_every_product_is_found_and_no_other_whatever_the_hashes(
    hashed: Callable[[str], int], labels: list[Any], others: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "hash", hashed, raising=False)
        index = index_of([row_of(label) for label in labels])
        known = {label[0]: wire.Named(*label) for label in labels}
        for key in [*known, *others]:
            assert index.get(key) == known.get(key)
        index.close()


def test_a_product_takes_few_bytes_of_memory() -> None:
    count = 20_000
    rows = [row_of((f"{n:036}", f"SKU-{n}", "A name of usual length " * 2)) for n in range(count)]
    tracemalloc.start()
    index = index_of(rows)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.get(f"{count - 1:036}") is not None
    index.close()
    assert held <= 32 * count + 100_000


def test_a_disk_that_is_full_is_said_to_be_full() -> None:
    rows = [row_of((f"{n}", "S" * 100, None)) for n in range(5000)]
    with Scratch() as file:
        file.write(dumps({"products": rows}))
        file.flush()
        stored = load(file, ["products"])["products"]
        with small_disk(100_000), pytest.raises(ScratchError):
            api.Products(stored)
