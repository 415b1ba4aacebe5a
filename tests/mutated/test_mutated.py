"""Promise: whatever comes in, nothing insane goes out, and a bad record is only itself.

The short version; `python -m tests.mutated` is the long one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers.amazon_fba import writes
from inventory_providers.deconetwork import wire
from inventory_providers.errors import InputError, Rejected
from target_inventory.changeset import ChangeSet
from target_inventory.plan import Planner
from tests.mutated import mutations
from tests.mutated.campaign import Campaign
from tests.mutated.mutations import DECO, Line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INPUTS = 1000


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path)


def test_w07_w11_w12_w13_mutated_inputs_do_no_harm(
    campaign: Campaign, record_property: Callable[[str, str], None]
) -> None:
    figures = campaign.run(range(INPUTS))
    record_property("figures", figures.line())
    print(figures.line())  # noqa: T201 - the figures belong to the outcome
    assert figures.wrong == []
    assert figures.sent > INPUTS
    assert {0, 2, 7} <= set(figures.codes)
    # Of what stops the reading nothing can be learned about the rest.
    assert figures.codes[0] + figures.codes[7] > INPUTS / 3


def test_every_good_input_is_carried_out_in_full(campaign: Campaign) -> None:
    for seed in range(30):
        assert campaign.try_one(mutations.good_input(seed)) == []
    assert set(campaign.figures.codes) == {0}


def test_a_state_with_a_number_that_json_has_not_is_a_broken_line(campaign: Campaign) -> None:
    for number in mutations.NO_NUMBERS:
        data = f'{{"type":"STATE","value":{{"n":{number}}}}}'.encode()
        made = mutations.good_input(0)
        made.lines.append(Line(data, None, touched=True))
        assert campaign.try_one(made) == []


def test_a_line_that_is_nested_absurdly_is_a_broken_line(campaign: Campaign) -> None:
    record = f'{{"dn_sku_id":"19617_1385","inv_lvl":5,"more":{mutations.DEEP}}}'
    data = f'{{"type":"RECORD","stream":"{DECO}","record":{record}}}'.encode()
    made = mutations.good_input(0)
    made.lines += [Line(mutations.schema()), Line(data, None, touched=True)]
    assert campaign.try_one(made) == []
    assert set(campaign.figures.codes) == {2}


# ---- what the oracle finds -----------------------------------------------------------------------


def _finds(campaign: Campaign, words: str) -> None:
    for first in range(0, INPUTS, 50):
        if any(words in what for what in campaign.run(range(first, first + 50)).wrong):
            return
    pytest.fail(f"not in {campaign.figures.line()}")


@pytest.mark.parametrize("careless", [lambda value: int(float(str(value))), lambda value: value])
def test_a_careless_quantity_is_found(
    campaign: Campaign, careless: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quantity(value: Any, *_: str) -> Any:
        try:
            found = careless(value)
            str(int(Decimal(found)))
        except (ValueError, ArithmeticError, TypeError):
            raise Rejected("no number") from None
        return found

    monkeypatch.setattr(wire, "_quantity", quantity)
    monkeypatch.setattr(writes, "_quantity", quantity)
    _finds(campaign, "was sent")


def test_a_record_that_blocks_the_rest_is_found(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(*_: object, **__: object) -> None:
        raise InputError("a record is wrong")

    monkeypatch.setattr(ChangeSet, "reject", reject)
    _finds(campaign, "where only a record is bad")


def test_a_rejected_record_that_takes_others_along_is_found(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Planner.make

    def hasty(self: Planner, items: Any, *rest: Any) -> Any:
        plan = make(self, items, *rest)
        if plan.letters:
            plan.changes.clear()
        return plan

    monkeypatch.setattr(Planner, "make", hasty)
    _finds(campaign, "holds")


def test_an_exception_is_found(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(ChangeSet, "reject", broken)
    _finds(campaign, "it ended with 1")
