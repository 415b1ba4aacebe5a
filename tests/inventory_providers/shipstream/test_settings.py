"""Promises of ShipStream's settings: what is taken, and which name a complaint has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inventory_providers.config import load
from inventory_providers.errors import ConfigError
from inventory_providers.settings import json_schema
from inventory_providers.shipstream.settings import MOST_DAYS, MOST_SECONDS, ShipStreamSettings

LEAST = {
    "api_url": "https://your-company.shipstream.app/api/jsonrpc",
    "username": "reader",
    "password": "the key of the reader",
}


def checked(**more: Any) -> ShipStreamSettings:
    return ShipStreamSettings.model_validate({**LEAST, **more})


def complaint(**more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load({"shipstream": {**LEAST, **more}})
    return str(caught.value)


def test_the_defaults_are_the_promised_ones() -> None:
    it = checked()
    assert (it.auth, it.warehouse_ids) == ("basic", [])
    assert (it.full_refresh_days, it.lookback_seconds) == (1, 600)


def test_there_are_no_other_settings() -> None:
    assert set(ShipStreamSettings.model_fields) == {
        "api_url",
        "username",
        "password",
        "account",
        "auth",
        "warehouse_ids",
        "full_refresh_days",
        "lookback_seconds",
    }
    assert "shipstream.page_size" in complaint(page_size=50)


def test_only_the_password_is_a_secret() -> None:
    properties = json_schema(ShipStreamSettings)["properties"]
    assert [name for name, about in properties.items() if about.get("secret")] == ["password"]


def test_the_address_stays_as_it_is_but_for_a_slash_at_its_end() -> None:
    assert checked().api_url == LEAST["api_url"]
    assert checked(api_url=LEAST["api_url"] + "/").api_url == LEAST["api_url"]
    old = "https://warehouse.example/backend/api/jsonrpc"
    assert checked(api_url=old).api_url == old


@pytest.mark.parametrize("name", LEAST)
def test_what_is_required_is_named_where_it_is_missing(name: str) -> None:
    settings = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(ConfigError, match=f"shipstream.{name} is missing"):
        load({"shipstream": settings})
    assert f"shipstream.{name}" in complaint(**{name: ""})


@pytest.mark.parametrize("auth", ["Basic", "token", "", 1, ["basic"]])
def test_another_way_to_sign_in_is_refused(auth: Any) -> None:
    assert "shipstream.auth must be 'basic' or 'session'" in complaint(auth=auth)


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=5))
def test_warehouses_are_numbers_in_the_order_given(ids: list[int]) -> None:
    assert checked(warehouse_ids=ids).warehouse_ids == ids


@pytest.mark.parametrize(
    "ids", [[0], [-1], [2, 2], ["2"], [2.0], [True], 2, "2", {"2": 2}], ids=str
)
def test_what_is_no_list_of_warehouses_is_refused(ids: Any) -> None:
    assert "shipstream.warehouse_ids" in complaint(warehouse_ids=ids)


@pytest.mark.parametrize(
    ("name", "most"), [("full_refresh_days", MOST_DAYS), ("lookback_seconds", MOST_SECONDS)]
)
def test_times_are_whole_and_bounded(name: str, most: int) -> None:
    for right in (0, most):
        assert getattr(checked(**{name: right}), name) == right
    for wrong in (-1, most + 1, "5", 1.5, True):
        with pytest.raises(ValidationError):
            checked(**{name: wrong})
