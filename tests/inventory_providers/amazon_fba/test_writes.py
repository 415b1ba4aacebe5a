"""Promises of writing at Amazon: in its sandbox only, each item as it was meant, an add once."""

from __future__ import annotations

import json
import logging
import math
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inventory_providers.amazon_fba import ITEMS, PROVIDER, api, writes
from inventory_providers.contract import Change, Order, Write
from inventory_providers.environment import Policy
from inventory_providers.errors import (
    ConfigError,
    Denied,
    InventoryError,
    Malformed,
    Rejected,
    Unavailable,
    Uncertain,
)
from inventory_providers.http import encode
from inventory_providers.sandbox.room import Request
from inventory_providers.sandbox.server import Fault
from tests.inventory_providers.amazon_fba import examples
from tests.inventory_providers.amazon_fba.model import OPERATIONS, operation_of, request_errors
from tests.inventory_providers.amazon_fba.test_api import (
    CA,
    PLACE,
    US,
    Amazon,
    Desk,
    page,
    refusal,
    row,
    served,
)
from tests.inventory_providers.shop import Asked, Says, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from inventory_providers.contract import Fields, Record
    from inventory_providers.sandbox.room import Reply

CREATE, ADD, DELETE = PROVIDER.writes
OPERATION = {
    CREATE.stream: "createInventoryItem",
    ADD.stream: "addInventory",
    DELETE.stream: "deleteInventoryItem",
}
every_write = pytest.mark.parametrize("write", PROVIDER.writes, ids=lambda write: write.effect)

AWKWARD = (
    "inventory",
    "%2F",
    "%2E%2E",
    "a,b",
    ",",
    "slash/inside",
    "../summaries",
    "...",
    "trailing blank ",
    " leading blank",
    "line\nend",
    "5\" x 7' frame",
    "back\\slash",
    "a+b & c=d?#;:@",
    "\u888b-\u0141",
    "\N{ROLLING ON THE FLOOR LAUGHING}",
    "\x01\x7f\u2028",
    "{sellerSku}",
)

# What a SKU may be: everything but the two that are no address, and blanks alone.
SKUS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40)


def good(sku: str = "TEST-SKU-1", **more: Any) -> Record:
    """A record that every write accepts: each ignores what it does not need."""
    return {
        "seller_sku": sku,
        "marketplace_id": US,
        "product_name": "Test product",
        "quantity": 10,
        "idempotency_key": "key-1",
        **more,
    }


def ordered(write: Write, record: Record) -> Order:
    """The request for a record, as the target makes it."""
    wish = write.parse(record)
    change = Change(wish.key, None, None, wish.fields, wish.extra, wish.event)
    return write.order([change])


def judged(request: Request) -> list[str]:
    """What the official model says against a request."""
    if request.path == "/auth/o2/token":
        return []
    name = operation_of(request)
    return request_errors(name, request) if name else [f"no operation: {request.target}"]


def as_request(asked: Asked) -> Request:
    target, _, query = asked.target.partition("?")
    return Request(asked.method, asked.target, target, query, asked.headers, asked.body, 0.0)


class Seller(Amazon):
    """The provider in memory; what is sent to it is judged by the official model."""

    @property
    def written(self) -> list[Request]:
        """The requests that write."""
        return [one for one in self.requests if operation_of(one) in OPERATION.values()]

    @property
    def requests(self) -> list[Request]:
        return self.server.requests("amazon_fba")

    @property
    def applied(self) -> list[dict[str, Any]]:
        """What the provider has carried out."""
        return self.room.writes  # type: ignore[attr-defined, no-any-return]

    def send(self, write: Write, sku: str = "TEST-SKU-1", **more: Any) -> None:
        write.send(self.session, ordered(write, good(sku, **more)))

    def levels(self, *skus: str, marketplace: str = US) -> dict[str, Fields]:
        found = ITEMS.levels(self.session, [(marketplace, sku) for sku in skus])
        assert {place for place, _ in found} <= {marketplace}
        return {sku: level for (_, sku), level in found.items()}

    def stock(self, sku: str = "TEST-SKU-1") -> Any:
        return self.levels(sku)[sku]["fulfillable_quantity"]


def sellers(size: int = 60, policy: Policy | None = None) -> Iterator[Seller]:
    for amazon in served(size, policy):
        seller = Seller(amazon.server, amazon.clock, amazon.session)
        yield seller
        assert [wrong for one in seller.requests for wrong in judged(one)] == []
        assert seller.room.undocumented == []  # type: ignore[attr-defined]


@pytest.fixture
def seller() -> Iterator[Seller]:
    yield from sellers()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Shop(Says(body=examples.LWA_ANSWER.encode())) as lwa, Shop() as shop:
        yield Desk(lwa, shop)
        assert [wrong for one in shop.asked for wrong in judged(as_request(one))] == []


def send_at(desk: Desk, write: Write, *answers: Says, **values: Any) -> None:
    """Carry out a good record against answers that are given in turn."""
    desk.shop.answers = list(answers) or [Says(body=b"{}")]
    session = desk.session(**({"sandbox": True} | values))
    try:
        write.send(session, ordered(write, good()))
    finally:
        session.close()


def levels_at(desk: Desk, *answers: Says, skus: Sequence[str] = ("A",)) -> Mapping[Any, Fields]:
    desk.shop.answers = list(answers)
    session = desk.session()
    try:
        return ITEMS.levels(session, [(US, sku) for sku in skus])
    finally:
        session.close()


# ---- the declaration -----------------------------------------------------------------------------


@every_write
def test_a_write_is_declared_as_the_model_has_it(write: Write) -> None:
    operation = OPERATIONS[OPERATION[write.stream]]
    assert write.endpoint == f"{operation['method']} {operation['path']}"
    assert operation["sandbox_only"]
    assert write.batch_size == 1
    assert write.items is ITEMS
    assert write.description.endswith("Only in Amazon's sandbox.")


def test_every_operation_that_writes_is_declared_under_the_contracts_name() -> None:
    assert {one.stream: one.effect for one in PROVIDER.writes} == {
        "amazon_fba_create_inventory_item": "create",
        "amazon_fba_add_inventory": "add",
        "amazon_fba_delete_inventory_item": "delete",
    }
    assert {name for name, one in OPERATIONS.items() if one["sandbox_only"]} == set(
        OPERATION.values()
    )


def test_an_item_is_named_and_counted_as_the_contract_says() -> None:
    assert (ITEMS.key, ITEMS.level) == (("marketplace_id", "seller_sku"), "fulfillable_quantity")
    assert list(ITEMS.lag) == sorted(ITEMS.lag)


def test_an_account_is_told_from_others_and_holds_no_secret(desk: Desk) -> None:
    mine, theirs = desk.session(), desk.session(client_id="amzn1.application-oa2-client.8")
    assert ITEMS.account(mine.settings) == f"{desk.shop.url} amzn1.application-oa2-client.7"
    assert ITEMS.account(mine.settings) != ITEMS.account(theirs.settings)
    for secret in (mine.settings.client_secret, mine.settings.refresh_token):
        assert secret.get_secret_value() not in ITEMS.account(mine.settings)


# ---- where they are allowed ----------------------------------------------------------------------


@every_write
def test_outside_of_the_sandbox_nothing_is_requested(desk: Desk, write: Write) -> None:
    session = desk.session(sandbox=False)
    for act in (
        partial(write.permit, session.settings),
        partial(write.send, session, ordered(write, good())),
    ):
        with pytest.raises(ConfigError, match=r"only in its sandbox: set amazon_fba\.sandbox") as e:
            act()
        assert e.value.place == "configuration"
    assert (desk.shop.asked, desk.lwa.asked, session.requests) == ([], [], 0)


@pytest.mark.parametrize(
    "url", ["https://sellingpartnerapi-na.amazon.com", "https://shop.example", "https://a.sandbox."]
)
def test_another_host_is_no_sandbox_even_when_it_is_called_one(desk: Desk, url: str) -> None:
    mine = desk.session(sandbox=True).settings.model_copy(update={"api_url": url})
    with pytest.raises(ConfigError, match=r"amazon_fba\.api_url is another host"):
        writes.permit(mine)


@pytest.mark.parametrize("url", ["https://sandbox.sellingpartnerapi-eu.amazon.com", None])
def test_the_sandboxes_and_this_machine_are_allowed(desk: Desk, url: str | None) -> None:
    mine = desk.session(sandbox=True).settings
    writes.permit(mine)
    writes.permit(mine.model_copy(update={"api_url": url}))


# ---- wishes --------------------------------------------------------------------------------------


def test_a_record_becomes_a_wish_and_other_fields_do_not_matter() -> None:
    record = good(fulfillable_quantity="many", synced_at=None)
    key = (US, "TEST-SKU-1")
    create, add, delete = (write.parse(record) for write in PROVIDER.writes)
    assert (create.key, create.fields, create.event) == (
        key,
        {"product_name": "Test product"},
        None,
    )
    assert (add.key, add.fields, add.event) == (key, {"quantity": 10}, "key-1")
    assert (delete.key, delete.fields, delete.event) == (key, {}, None)
    assert all(not (one.extra or one.expected) for one in (create, add, delete))


@every_write
@pytest.mark.parametrize("sku", AWKWARD)
def test_a_sku_is_taken_as_it_stands(write: Write, sku: str) -> None:
    assert write.parse(good(sku)).key == (US, sku)


NO_TEXT = [None, "", "  \t\n", 5, True, 5.5, ["x"], {"x": 1}, b"bytes"]
UNSENDABLE = ["hunter22\0", "\0", "hunter22\ud83d", "\udc00"]
NAMES = {
    CREATE.stream: ["seller_sku", "marketplace_id", "product_name"],
    ADD.stream: ["seller_sku", "marketplace_id"],
    DELETE.stream: ["seller_sku", "marketplace_id"],
}


@every_write
@pytest.mark.parametrize("value", [*NO_TEXT, *UNSENDABLE], ids=ascii)
def test_a_text_that_is_none_is_rejected_by_its_name(write: Write, value: Any) -> None:
    for name in NAMES[write.stream]:
        with pytest.raises(Rejected, match=f"^{name} ") as caught:
            write.parse(good() | {name: value})
        assert "hunter22" not in str(caught.value)


@every_write
@pytest.mark.parametrize("missing", ["seller_sku", "marketplace_id"])
def test_a_record_without_its_key_is_rejected(write: Write, missing: str) -> None:
    record = good()
    del record[missing]
    with pytest.raises(Rejected, match=f"^{missing} is missing"):
        write.parse(record)


@every_write
@pytest.mark.parametrize("value", ["A,B", "A/B", "A&x=1", " ATVPDKIKX0DER", "\u0661", "A.B", "A%"])
def test_a_marketplace_that_is_no_id_is_rejected(write: Write, value: str) -> None:
    with pytest.raises(Rejected, match=r"^marketplace_id must be an id") as caught:
        write.parse(good(marketplace_id=value))
    assert f"{value} " not in str(caught.value)


@every_write
def test_a_sku_that_no_address_can_hold_is_rejected(write: Write) -> None:
    assert write.parse(good("x" * 4000))
    for sku in ("x" * 4001, "\u888b" * 445):
        with pytest.raises(Rejected, match=r"^seller_sku is too long$"):
            write.parse(good(sku))


@pytest.mark.parametrize("sku", [".", ".."])
def test_a_sku_of_dots_cannot_be_deleted_for_servers_take_it_for_a_step(sku: str) -> None:
    with pytest.raises(Rejected, match=r"^seller_sku has only dots"):
        DELETE.parse(good(sku))
    assert CREATE.parse(good(sku)).key == ADD.parse(good(sku)).key == (US, sku)


@pytest.mark.parametrize("value", [1, 5.0, Decimal(5), Decimal("5.0"), Decimal("2E+3"), 2**31 - 1])
def test_a_whole_quantity_is_taken_in_any_form(value: Any) -> None:
    quantity = ADD.parse(good(quantity=value)).fields["quantity"]
    assert quantity == value
    assert type(quantity) is int


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "5", [5], {}, 0, -1, 0.0, 1.5, 2**31, 10**400, 1e300),
        *(math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(Decimal("0.5"), Decimal("1E+400"), Decimal("-0"), Decimal("2147483647.5")),
    ],
    ids=str,
)
def test_any_other_quantity_is_rejected(value: Any) -> None:
    with pytest.raises(Rejected, match=r"^quantity "):
        ADD.parse(good(quantity=value))


def test_an_idempotency_key_is_text_or_a_whole_number() -> None:
    assert ADD.parse(good(idempotency_key=7)).event == "7"
    assert ADD.parse(good(idempotency_key=" 7")).event == " 7"
    for value in (None, "", "  ", True, 7.0, Decimal(7), [7], "hunter22\ud83d"):
        with pytest.raises(Rejected, match=r"^idempotency_key ") as caught:
            ADD.parse(good(idempotency_key=value))
        assert "hunter22" not in str(caught.value)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters(), max_size=8).map(lambda text: f"hunter22{text}"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@every_write
@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(good())), ANYTHING))
def test_a_record_is_a_wish_that_can_be_sent_or_rejected_by_a_name(
    write: Write, values: Record
) -> None:
    order, error = order_or_refusal(write, good() | values)
    if order is None:
        assert error.split()[0] in values
        assert "hunter22" not in error
    else:
        headers = {} if order.token is None else {"x-amzn-idempotency-token": order.token}
        asked = Asked(order.method, order.path, headers, order.body.encode())
        assert judged(as_request(asked)) == []


def order_or_refusal(write: Write, record: Record) -> tuple[Order | None, str]:
    try:
        return ordered(write, record), ""
    except Rejected as error:
        return None, str(error)


# ---- orders --------------------------------------------------------------------------------------


def test_the_orders_are_the_documented_requests() -> None:
    create, add, delete = (ordered(write, good()) for write in PROVIDER.writes)
    assert (create.method, create.path, create.token) == ("POST", examples.CREATE_PATH, None)
    assert create.body == examples.CREATE_BODY.strip()
    assert (add.method, add.path) == ("POST", examples.ADD_PATH)
    assert add.body == examples.ADD_BODY.strip()
    assert (delete.method, delete.path) == ("DELETE", examples.DELETE_TARGET)
    assert (delete.body, delete.token) == ("", None)


def test_an_idempotency_token_is_the_same_in_every_version() -> None:
    """Another one would let everything be added again."""
    assert ordered(ADD, good()).token == "27c557d2-e977-521a-a722-b9930c5bf6ab"
    awkward = good('a"\\,/\n\x7f\u888b\N{GRINNING FACE}', idempotency_key=7)
    assert ordered(ADD, awkward).token == "c66ae052-a585-5f71-9a8a-342d2a795ce5"


@given(st.tuples(SKUS, SKUS), st.tuples(SKUS, SKUS))
def test_two_additions_share_a_token_only_if_they_are_one(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    tokens = [writes._token(US, *one) for one in (first, second)]
    assert (tokens[0] == tokens[1]) == (first == second)


def test_no_text_moves_from_one_part_of_a_token_to_the_next() -> None:
    parts = [(US, "a", "b,c"), (US, "a,b", "c"), (US, 'a","b', "c"), (US + "a", "b", "c")]
    assert len({writes._token(*one) for one in parts}) == len(parts)


def test_the_token_does_not_know_the_quantity_and_the_body_does() -> None:
    one, other = (ordered(ADD, good(quantity=quantity)) for quantity in (10, 11))
    assert one.token == other.token
    assert one.body != other.body


@every_write
def test_an_order_depends_on_its_change_alone(write: Write) -> None:
    wish = write.parse(good())
    before = {"fulfillable_quantity": 3, "total_quantity": 3, "last_updated_time": None}
    changes = [
        Change(wish.key, live, after, asked=wish.fields, event=wish.event)
        for live, after in ((None, None), (before, {"fulfillable_quantity": 13}))
    ]
    assert write.order(changes[:1]) == write.order(changes[1:])


@pytest.mark.parametrize("sku", AWKWARD)
def test_the_path_of_a_delete_has_its_sku_encoded_completely(sku: str) -> None:
    path, _, query = ordered(DELETE, good(sku)).path.partition("?")
    assert path == f"/fba/inventory/v1/items/{quote(sku, safe='')}"
    assert path.count("/") == 5
    assert query == f"marketplaceId={US}"


# ---- from one end to the other -------------------------------------------------------------------


def walk_through(seller: Seller, sku: str) -> None:
    """A new item from nothing to nothing."""
    before = len(seller.applied)
    assert seller.levels(sku) == {}
    seller.send(CREATE, sku)
    created = seller.levels(sku)[sku]
    assert (created["fulfillable_quantity"], created["total_quantity"]) == (0, 0)
    assert created["last_updated_time"].endswith("Z")
    for quantity in (10, 10):
        seller.send(ADD, sku, quantity=quantity, idempotency_key=f"once for {before}")
    assert seller.stock(sku) == 10
    if sku not in {".", ".."}:
        seller.send(DELETE, sku)
        assert seller.levels(sku) == {}
        assert [one["sellerSku"] for one in seller.applied[before:]] == [sku] * 3


@pytest.mark.parametrize("sku", [*AWKWARD, ".", ".."])
def test_an_awkward_sku_is_created_stocked_and_deleted_as_itself(seller: Seller, sku: str) -> None:
    if sku in seller.truth():
        seller.send(DELETE, sku)
    others = len(seller.truth())
    walk_through(seller, sku)
    assert len(seller.truth()) - others == (sku in {".", ".."})


def test_any_sku_is_created_stocked_and_deleted_as_itself(seller: Seller) -> None:
    @settings(max_examples=40)
    @given(SKUS)
    def check(sku: str) -> None:
        assume(sku.strip() and sku not in {".", ".."} and sku not in seller.truth())
        walk_through(seller, sku)

    check()


def test_any_list_of_skus_is_found_whole(seller: Seller) -> None:
    @settings(max_examples=25)
    @given(st.lists(SKUS.filter(str.strip), min_size=1, max_size=8, unique=True))
    def check(skus: list[str]) -> None:
        assume(not {*seller.truth(), "not there"}.intersection(skus))
        for number, sku in enumerate(skus, start=1):
            details = {"fulfillableQuantity": number}
            seller.room.put(api.STREAM, {"sellerSku": sku, "inventoryDetails": details})
        found = seller.levels(*skus, "not there")
        numbers = {sku: level["fulfillable_quantity"] for sku, level in found.items()}
        assert numbers == {sku: number for number, sku in enumerate(skus, start=1)}
        seller.server.reset()

    check()


def test_what_is_sent_is_the_order_and_the_usual_headers(desk: Desk) -> None:
    for write in PROVIDER.writes:
        send_at(desk, write)
        order, asked = ordered(write, good()), desk.shop.asked[-1]
        assert (asked.method, asked.target) == (order.method, order.path)
        assert asked.body.decode() == order.body
        assert asked.headers.get("x-amzn-idempotency-token") == order.token
        assert asked.headers.get("content-type") == ("application/json" if order.body else None)
        assert asked.headers["x-amz-access-token"] == "Atza|..."
        assert "authorization" not in asked.headers


def test_an_order_is_sent_as_it_was_kept_whatever_made_it(desk: Desk) -> None:
    """After a crash it comes from the journal, written by an older version."""
    desk.shop.answers = [Says(body=b"{}")]
    order = Order("POST", examples.ADD_PATH, examples.ADD_BODY, "5f0c7b0e")
    ADD.send(desk.session(sandbox=True), order)
    (asked,) = desk.shop.asked
    assert asked.body.decode() == examples.ADD_BODY
    assert asked.headers["x-amzn-idempotency-token"] == "5f0c7b0e"


def test_the_requests_of_writes_are_counted(seller: Seller) -> None:
    seller.send(CREATE)
    seller.stock()
    assert seller.session.requests == len(seller.requests) == 3


# ---- the same order twice ------------------------------------------------------------------------


def test_an_order_that_is_sent_twice_adds_once(seller: Seller) -> None:
    seller.send(CREATE)
    order = ordered(ADD, good())
    for _ in range(3):
        ADD.send(seller.session, order)
    assert seller.stock() == 10
    seller.send(ADD, idempotency_key="key-2")
    assert seller.stock() == 20


def test_a_key_that_comes_back_with_another_quantity_is_refused(seller: Seller) -> None:
    seller.send(CREATE)
    seller.send(ADD, quantity=10)
    with pytest.raises(Rejected, match="InvalidInput"):
        seller.send(ADD, quantity=11)
    assert seller.stock() == 10


LOST = [
    Fault("status", path="/items", status=503, apply=True),
    Fault("reset_before_headers", path="/items", apply=True),
    Fault("short_length", path="/items"),
    Fault("html", path="/items", status=200, apply=True),
    Fault("empty", path="/items", status=200, apply=True),
    Fault("bad_gzip", path="/items", apply=True),
    Fault("body", path="/items", body=b"[]", apply=True),
    Fault("body", path="/items", body=b"null", apply=True),
    Fault("body", path="/items", body=b'{"errors": "none"}', apply=True),
    Fault("body", path="/items", body=b'{"errors": [{"message": "no code"}]}', apply=True),
    Fault("body", path="/items", body=examples.INTERNAL_FAILURE.encode(), apply=True),
]
lost_answers = pytest.mark.parametrize(
    "fault", LOST, ids=lambda one: f"{one.kind} {one.body.decode()[:20]}"
)


@lost_answers
def test_an_add_whose_answer_was_lost_is_sent_again_as_it_was_and_applied_once(
    seller: Seller, fault: Fault
) -> None:
    seller.send(CREATE)
    armed = seller.server.inject("amazon_fba", fault)
    seller.send(ADD)
    first, again = seller.written[1:]
    assert armed.fired == 1
    assert first.body == again.body
    assert first.headers["x-amzn-idempotency-token"] == again.headers["x-amzn-idempotency-token"]
    assert seller.stock() == 10


@lost_answers
def test_a_delete_whose_answer_was_lost_is_sent_again_and_done(
    seller: Seller, fault: Fault
) -> None:
    seller.send(CREATE)
    seller.server.inject("amazon_fba", fault)
    seller.send(DELETE)
    assert len(seller.written) == 3
    assert seller.levels("TEST-SKU-1") == {}


@lost_answers
def test_a_create_whose_answer_was_lost_is_not_sent_again(seller: Seller, fault: Fault) -> None:
    seller.server.inject("amazon_fba", fault)
    with pytest.raises(Uncertain, match="its outcome is not known") as caught:
        seller.send(CREATE)
    assert caught.value.place == "amazon_fba"
    assert len(seller.written) == 1
    assert seller.levels("TEST-SKU-1")


@pytest.mark.parametrize("write", [ADD, DELETE], ids=lambda write: write.effect)
@pytest.mark.parametrize(
    "fault", LOST[3:10], ids=lambda one: f"{one.kind} {one.body.decode()[:20]}"
)
def test_what_is_never_understood_is_neither_done_nor_refused(
    seller: Seller, write: Write, fault: Fault
) -> None:
    seller.send(CREATE)
    forever = Fault(fault.kind, None, path="/items", status=200, body=fault.body, apply=fault.apply)
    seller.server.inject("amazon_fba", forever)
    with pytest.raises(Uncertain, match=r"not known .the answer cannot be read") as caught:
        seller.send(write)
    assert caught.value.place == "amazon_fba"
    assert len(seller.written) == 1 + 3


@pytest.mark.parametrize("write", [ADD, DELETE], ids=lambda write: write.effect)
@pytest.mark.parametrize("kind", ["status", "reset_before_headers"])
def test_what_may_be_sent_again_is_so_for_the_whole_budget(
    seller: Seller, write: Write, kind: str
) -> None:
    seller.send(CREATE)
    seller.server.inject("amazon_fba", Fault(kind, None, path="/items", apply=True))
    began = seller.clock.monotonic()
    with pytest.raises(Unavailable) as caught:
        seller.send(write)
    assert 100 < seller.clock.monotonic() - began < 130
    assert caught.value.silent == (kind != "status")
    tries = seller.written[1:]
    assert len(tries) > 4
    assert (
        len({(one.target, one.body, one.headers.get("x-amzn-idempotency-token")) for one in tries})
        == 1
    )


def test_write_lost_answer_adds_once_and_creates_uncertainly() -> None:
    for seller in sellers(size=5, policy=Policy(deadline=0.3)):
        seller.room.turn("write_lost_answer", 1)
        with pytest.raises(Uncertain) as caught:
            seller.send(CREATE)
        assert caught.value.silent
        assert seller.stock() == 0
        seller.room.turn("write_lost_answer", 1)
        seller.send(ADD)
        assert seller.stock() == 10
        seller.room.turn("write_lost_answer", 1)
        seller.send(DELETE)
        assert seller.levels("TEST-SKU-1") == {}
        assert len(seller.written) == 1 + 2 + 2


@pytest.mark.parametrize("planned", [[500], [503], [502], ["reset"]], ids=str)
def test_a_create_is_not_repeated_after_a_failure_of_the_provider(
    seller: Seller, planned: list[Any]
) -> None:
    seller.levels("A")
    seller.room.turn("status", planned)
    with pytest.raises(Uncertain):
        seller.send(CREATE)
    assert len(seller.written) == 1


@every_write
def test_a_busy_provider_has_taken_nothing_and_is_asked_again(seller: Seller, write: Write) -> None:
    if write is not CREATE:
        seller.send(CREATE)
    seller.room.turn("throttle", 2)
    before = len(seller.written)
    seller.send(write)
    assert len(seller.written) == before + 3
    assert seller.applied[-1]["operation"] == OPERATION[write.stream]


def test_read_lag_passes_within_a_few_looks(seller: Seller) -> None:
    seller.send(CREATE)
    before = seller.levels("TEST-SKU-1")["TEST-SKU-1"]
    seller.room.turn("read_lag", len(ITEMS.lag))
    seller.send(ADD)
    change = Change((US, "TEST-SKU-1"), before, {**before, "fulfillable_quantity": 10})
    looks = [seller.levels("TEST-SKU-1")["TEST-SKU-1"] for _ in range(len(ITEMS.lag) + 1)]
    assert [look["fulfillable_quantity"] for look in looks] == [0] * len(ITEMS.lag) + [10]
    assert change.not_begun(looks[0])
    assert looks[-1]["total_quantity"] == 10


# ---- refusals ------------------------------------------------------------------------------------


def test_what_exists_is_not_created_again(seller: Seller) -> None:
    seller.send(CREATE)
    with pytest.raises(Rejected, match=r"HTTP 400, InvalidInput: .*exists.*, request id \w+") as e:
        seller.send(CREATE)
    assert e.value.place == "amazon_fba"
    assert len(seller.applied) == 1


@pytest.mark.parametrize("status", ["400", "404"])
def test_what_is_not_there_cannot_be_added_to(seller: Seller, status: str) -> None:
    seller.room.turn("add_unknown", status)
    with pytest.raises(Rejected, match=f"HTTP {status}, .*request id"):
        seller.send(ADD)
    assert seller.applied == []


def test_what_is_not_there_is_deleted_already(seller: Seller) -> None:
    seller.send(DELETE)
    assert len(seller.written) == 1
    assert seller.applied == []


def test_a_delete_that_is_refused_otherwise_is_not_done(seller: Seller) -> None:
    seller.room.turn("write_errors", "400")
    with pytest.raises(Rejected, match="HTTP 400"):
        seller.send(DELETE)


@pytest.mark.parametrize("write", [CREATE, ADD], ids=lambda write: write.effect)
def test_errors_in_a_good_answer_are_a_refusal(seller: Seller, write: Write) -> None:
    if write is CREATE:
        seller.send(CREATE)
    seller.room.turn("write_errors_on_200", True)
    with pytest.raises(Rejected, match=r"HTTP 200, InvalidInput: .*request id") as caught:
        seller.send(write)
    assert caught.value.place == "amazon_fba"


@every_write
@pytest.mark.parametrize("body", [b"{}", b'{"errors": null}', b'{"errors": []}', b'{"new": 1}'])
def test_an_object_without_errors_is_done(desk: Desk, write: Write, body: bytes) -> None:
    send_at(desk, write, Says(body=body))
    assert len(desk.shop.asked) == 1


@every_write
@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"message": "Not Found"}', b"[]"])
def test_a_refusal_without_the_documented_errors_says_nothing_of_the_item(
    desk: Desk, write: Write, status: int, body: bytes
) -> None:
    """It may be that of any host: nothing is deleted by it, and no record at fault."""
    with pytest.raises(Malformed, match=f"HTTP {status}.*Check amazon_fba.api_url"):
        send_at(desk, write, Says(status, body))
    assert len(desk.shop.asked) == 1


@every_write
@pytest.mark.parametrize("status", [301, 409, 413])
def test_a_status_that_is_not_documented_is_neither_done_nor_repeated(
    desk: Desk, write: Write, status: int
) -> None:
    with pytest.raises(Malformed, match=f"HTTP {status}"):
        send_at(desk, write, Says(status, examples.INVALID_INPUT.encode()))
    assert len(desk.shop.asked) == 1


@every_write
@pytest.mark.parametrize("body", [examples.EXPIRED, examples.REVOKED])
def test_an_access_token_that_has_ended_is_renewed_once(
    desk: Desk, write: Write, body: str
) -> None:
    send_at(desk, write, refusal(403, body), Says(body=b"{}"))
    assert (len(desk.shop.asked), len(desk.lwa.asked)) == (2, 2)
    first, again = desk.shop.asked
    assert (first.target, first.body) == (again.target, again.body)
    with pytest.raises(Denied, match="sign-in refused"):
        send_at(desk, write, refusal(403, body))
    assert len(desk.shop.asked) == 4


@every_write
def test_a_refused_marketplace_is_not_a_refused_sign_in(desk: Desk, write: Write) -> None:
    with pytest.raises(Denied, match=r"marketplace is refused .*request id r-1.*Product") as caught:
        send_at(desk, write, refusal(403, examples.UNAUTHORIZED, x_amzn_RequestId="r-1"))
    assert caught.value.partly
    assert caught.value.place == "amazon_fba"


@every_write
def test_a_token_that_did_not_arrive_is_a_defect(desk: Desk, write: Write) -> None:
    with pytest.raises(Malformed, match="access token did not arrive"):
        send_at(desk, write, refusal(403, examples.NO_ACCESS_TOKEN))


@every_write
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_that_cannot_be_read_is_a_refused_sign_in(
    desk: Desk, write: Write, status: int
) -> None:
    with pytest.raises(Denied, match=f"HTTP {status}"):
        send_at(desk, write, Says(status, b"<html>"))
    assert len(desk.shop.asked) == 1


@every_write
def test_production_refuses_what_is_meant_for_the_sandbox(seller: Seller, write: Write) -> None:
    seller.room.turn("flavour", "production")
    with pytest.raises(Denied):
        seller.send(write)
    assert seller.applied == []


@every_write
def test_a_refused_sign_in_sends_no_write(seller: Seller, write: Write) -> None:
    seller.room.turn("lwa", "invalid_client")
    with pytest.raises(Denied, match="180 days"):
        seller.send(write)
    assert seller.written == []


@every_write
def test_a_sign_in_that_cannot_be_read_leaves_no_doubt_about_the_write(
    seller: Seller, write: Write
) -> None:
    seller.server.inject("amazon_fba", Fault("html", None, path="o2/token", status=200))
    with pytest.raises(Malformed, match="Login with Amazon: the answer cannot be read"):
        seller.send(write)
    assert seller.written == []


def test_the_request_id_of_a_passing_failure_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    busy = refusal(429, examples.QUOTA_EXCEEDED, x_amzn_RequestId="r-7")
    send_at(desk, ADD, busy, Says(body=b"{}"))
    assert any("QuotaExceeded" in one and "request id r-7" in one for one in caplog.messages)


def test_a_sign_in_for_a_write_does_not_hurry_because_of_an_earlier_page(seller: Seller) -> None:
    seller.room.turn("page_size", 1)
    seller.levels(*sorted(seller.truth())[:2])
    seller.clock.step(4000)
    seller.server.inject("amazon_fba", Fault("status", path="o2/token"))
    seller.send(CREATE)
    assert len(seller.applied) == 1


def test_writes_keep_within_the_rate_of_the_sandbox(seller: Seller) -> None:
    for number in range(40):
        seller.send(CREATE, f"NEW-{number:02}")
    assert len(seller.written) == len(seller.applied) == 40, "no answer was 429"
    assert seller.written[-1].at - seller.written[0].at >= (40 - 15) / 5


def test_reads_and_writes_do_not_wait_for_each_other(seller: Seller) -> None:
    for number in range(14):
        seller.send(CREATE, f"NEW-{number:02}")
    slept = list(seller.clock.sleeps)
    assert seller.levels("NEW-00")
    assert seller.clock.sleeps == slept


# ---- live levels ---------------------------------------------------------------------------------


def test_levels_are_those_of_the_rows(seller: Seller) -> None:
    truth = {sku: one for (place, sku), one in seller.room.rows(api.STREAM).items() if place == US}
    found = seller.levels(*truth)
    assert found.keys() == truth.keys()
    for sku, one in truth.items():
        details = one.get("inventoryDetails", {})
        assert found[sku] == {
            "fulfillable_quantity": details.get("fulfillableQuantity"),
            "total_quantity": one["totalQuantity"],
            "last_updated_time": one["lastUpdatedTime"] or None,
        }


def test_levels_are_asked_for_by_50_at_most_in_full_and_without_a_time(seller: Seller) -> None:
    seller.levels(*(f"N-{number:03}" for number in range(120)), "a,b", "trailing ", '5"', "l\nf")
    shared = {
        "details": "true",
        "granularityType": "Marketplace",
        "granularityId": US,
        "marketplaceIds": US,
    }
    assert all(shared.items() <= query.items() for query in seller.queries)
    lists = [query["sellerSkus"].split(",") for query in seller.queries if "sellerSkus" in query]
    assert [len(one) for one in lists] == [50, 50, 20]
    alone = {query["sellerSku"] for query in seller.queries if "sellerSku" in query}
    assert alone == {"a,b", "trailing ", '5"', "l\nf"}
    names = {name for query in seller.queries for name in query}
    assert names == {*shared, "sellerSkus", "sellerSku"}


def test_one_sku_is_asked_for_by_itself(seller: Seller) -> None:
    seller.levels("two words")
    assert seller.queries[-1]["sellerSku"] == "two words"
    assert "sellerSkus" not in seller.queries[-1]


def test_no_address_of_levels_is_too_long(seller: Seller) -> None:
    skus = [f"\u888b{number:02}" * 20 for number in range(50)]
    assert seller.levels(*skus, "x" * 4000) == {}
    assert len(seller.reads) > 2
    assert max(len(one.target) for one in seller.reads) < 8000
    asked = [sku for query in seller.queries for sku in query.get("sellerSkus", "").split(",")]
    assert sorted(asked) == ["", *sorted(skus)]


def test_levels_of_nothing_need_no_request(seller: Seller) -> None:
    assert ITEMS.levels(seller.session, []) == {}
    assert seller.session.requests == 0


@pytest.mark.parametrize("sku", ["", "half \ud83d", "nul\0", "x" * 4001], ids=["", "h", "n", "x"])
def test_what_cannot_be_asked_for_is_not_there(seller: Seller, sku: str) -> None:
    assert seller.levels(sku) == {}
    assert seller.session.requests == 0
    assert seller.levels(sku, "two words").keys() == {"two words"}


def test_each_marketplace_has_levels_of_its_own(seller: Seller) -> None:
    seller.send(CREATE, "HERE")
    seller.send(CREATE, "HERE", marketplace_id=CA)
    seller.send(ADD, "HERE", marketplace_id=CA, quantity=3)
    keys = [(US, "HERE"), (CA, "HERE"), (US, "two words"), (CA, "NOT THERE")]
    found = ITEMS.levels(seller.session, keys)
    assert found.keys() == set(keys[:3])
    assert [found[key]["fulfillable_quantity"] for key in keys[:2]] == [0, 3]
    assert len(seller.reads) == 2


def test_a_sku_twice_is_asked_for_once(seller: Seller) -> None:
    found = ITEMS.levels(seller.session, [(US, "two words"), (US, "two words")])
    assert found.keys() == {(US, "two words")}
    assert seller.queries[-1]["sellerSku"] == "two words"


def test_a_sku_that_walks_hide_is_found_by_its_name(seller: Seller) -> None:
    skus = sorted(seller.truth())
    seller.room.turn("hide_skus", len(skus))
    assert seller.levels(*skus).keys() == set(skus)


def test_of_two_rows_of_a_sku_the_last_one_wins_with_a_warning(
    seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    sku = min(sku for sku in seller.truth())
    seller.room.turn("duplicate_sku", 1)
    (truth,) = (one for key, one in seller.room.rows(api.STREAM).items() if key == (US, sku))
    assert seller.stock(sku) == truth["inventoryDetails"]["fulfillableQuantity"]
    assert any(f"{PLACE}: 1 SKUs have a second row" in one for one in caplog.messages)


def test_every_page_of_levels_is_read_with_the_same_query(seller: Seller) -> None:
    seller.room.turn("page_size", 10)
    skus = [sku for sku in sorted(seller.truth()) if not api._is_alone(sku)][:35]
    assert seller.levels(*skus).keys() == set(skus)
    first, *others = seller.queries
    assert len(others) == 3
    for query in others:
        assert query.pop("nextToken")
        assert query == first


def test_levels_begin_again_when_their_token_has_died(seller: Seller) -> None:
    seller.room.turn("page_size", 10)
    seller.room.turn("clock", 31)
    skus = [sku for sku in sorted(seller.truth()) if not api._is_alone(sku)][:35]
    assert seller.levels(*skus).keys() == set(skus)
    assert seller.first_pages == 2


def test_levels_that_begin_again_keep_nothing_of_before(seller: Seller) -> None:
    seller.room.turn("page_size", 10)
    seller.room.turn("clock", 31)
    skus = [sku for sku in sorted(seller.truth()) if not api._is_alone(sku)][:35]

    def gone(request: Request, _reply: Reply) -> None:
        if "nextToken" in request.query:
            seller.room.after_answer = None
            seller.room.remove(api.STREAM, 1)

    seller.room.after_answer = gone
    assert seller.levels(*skus).keys() == set(skus) & seller.truth() != set(skus)


def test_levels_whose_token_always_dies_are_given_up(seller: Seller) -> None:
    seller.room.turn("page_size", 10)
    seller.after_pages(31)
    skus = [sku for sku in sorted(seller.truth()) if not api._is_alone(sku)][:35]
    with pytest.raises(Unavailable, match="in the last of 4 walks") as caught:
        seller.levels(*skus)
    assert caught.value.place == PLACE
    assert seller.first_pages == 4


def test_what_is_not_sent_is_null_and_never_0(desk: Desk) -> None:
    rows = [
        row("A"),
        row("B", inventoryDetails=None, totalQuantity=None, lastUpdatedTime=""),
        row("C", inventoryDetails={}, totalQuantity=7),
        row("D", inventoryDetails={"fulfillableQuantity": 0}),
    ]
    found = levels_at(desk, page(*rows), skus="ABCD")
    assert [tuple(found[US, sku].values()) for sku in "ABCD"] == [
        (None, None, None),
        (None, None, None),
        (None, 7, None),
        (0, None, None),
    ]


def test_rows_that_were_not_asked_for_are_ignored(desk: Desk) -> None:
    rows = [row("a"), row("A "), row(None), row(7), "no row", row("A", totalQuantity=3)]
    found = levels_at(desk, page(*rows))
    assert {key: level["total_quantity"] for key, level in found.items()} == {(US, "A"): 3}


def test_a_wrong_value_names_its_row_and_property(desk: Desk) -> None:
    wrong = row("A", inventoryDetails={"fulfillableQuantity": [5]})
    with pytest.raises(Malformed, match=r"row A: inventoryDetails\.fulfillableQuantity is list"):
        levels_at(desk, page(wrong))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, examples.INVALID_REQUEST), ConfigError),
        (refusal(200, examples.FAILURE_WITH_200), Malformed),
        (refusal(403, examples.UNAUTHORIZED), Denied),
        (refusal(404, examples.INVALID_REQUEST), Malformed),
        (Says(body=b"{}"), Malformed),
        (page(row("A"), errors=[{"code": "InvalidInput"}]), Malformed),
    ],
    ids=["400", "200", "403", "404", "no payload", "errors beside rows"],
)
def test_levels_that_are_refused_are_never_taken_for_missing(
    desk: Desk, answer: Says, error: type[InventoryError]
) -> None:
    with pytest.raises(error) as caught:
        levels_at(desk, answer)
    assert caught.value.place == PLACE


@settings(max_examples=60)
@given(st.lists(SKUS, min_size=1, max_size=120, unique=True))
def test_a_list_holds_every_sku_once_and_no_comma(skus: list[str]) -> None:
    lists = list(api._lists(skus))
    assert sorted(sku for one in lists for sku in one) == sorted(skus)
    for one in lists:
        assert len(one) <= 50
        pairs = dict(parse_qsl(encode(api.Question(US, skus=one).query)))
        told = pairs["sellerSkus"].split(",") if len(one) > 1 else [pairs["sellerSku"]]
        assert told == list(one)


def test_the_bodies_are_compact_json(seller: Seller) -> None:
    for sku in AWKWARD:
        body = ordered(CREATE, good(sku)).body
        told = json.loads(body)
        assert told == {"sellerSku": sku, "marketplaceId": US, "productName": "Test product"}
        assert len(body) <= len(json.dumps(told, separators=(",", ":")))
