"""Promises of SoStocked's settings: the contract's names, strict values, and none of them shown."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from inventory_providers import redaction
from inventory_providers.settings import explain, json_schema
from inventory_providers.sostocked.settings import SoStockedSettings

LEAST: dict[str, Any] = {
    "bearer_token": "settings-token-of-a-year",
    "client_id": "settings-client-id",
    "client_secret": "settings-client-secret",
    "account_id": "48213",
    "view_id": 316582,
}


def accepted(**changes: Any) -> SoStockedSettings:
    return SoStockedSettings.model_validate(LEAST | changes)


def complaint(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        accepted(**changes)
    return "; ".join(explain(caught.value, "sostocked", SoStockedSettings.model_fields))


def test_names_and_defaults_are_the_contracts() -> None:
    known = accepted()
    assert set(SoStockedSettings.model_fields) == {
        "api_url",
        "bearer_token",
        "client_id",
        "client_secret",
        "account_id",
        "account",
        "view_id",
        "with_inactive",
        "snapshot_start_date",
        "lookback_seconds",
    }
    assert known.api_url == "https://api.sostocked.com"
    assert known.with_inactive is False
    assert known.snapshot_start_date is None
    assert known.lookback_seconds == 0


@pytest.mark.parametrize("name", LEAST)
def test_what_the_requests_need_is_required(name: str) -> None:
    without = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(ValidationError):
        SoStockedSettings.model_validate(without)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("view_id", "316582"),
        ("view_id", True),
        ("account_id", 48213),
        ("account_id", ""),
        ("client_id", ""),
        ("with_inactive", 1),
        ("lookback_seconds", -1),
        ("lookback_seconds", 10**12),
        ("api_url", "http://api.sostocked.com"),
        ("credentials_in", "body"),
        ("export_type", "collapsed"),
        ("timezone", "UTC"),
    ],
)
def test_a_value_of_another_kind_is_named(name: str, value: Any) -> None:
    assert f"sostocked.{name} " in complaint(**{name: value})


@pytest.mark.parametrize(
    "token",
    ["Bearer abcdefgh", "bearer abcdefgh", " abcdefgh", "abcdefgh\n", "abc\ndefgh", "abcdefgü", ""],
)
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    told = complaint(bearer_token=token)
    assert told.startswith("sostocked.bearer_token must")
    assert "abc" not in told


def test_a_day_is_a_day() -> None:
    day = date(2025, 1, 31)
    assert accepted(snapshot_start_date="2025-01-31").snapshot_start_date == day
    assert accepted(snapshot_start_date=None).snapshot_start_date is None


@pytest.mark.parametrize(
    "value",
    ["2025-02-30", "20250131", "2025-1-31", "2025-01-31T00:00:00Z", "yesterday", "", 20250131, []],
)
def test_what_is_no_day_is_refused(value: Any) -> None:
    assert complaint(snapshot_start_date=value) == (
        "sostocked.snapshot_start_date must be a day such as 2026-01-31"
    )


def test_everything_that_signs_in_is_known_to_the_redaction() -> None:
    accepted().register_secrets()
    for name in ("bearer_token", "client_id", "client_secret"):
        assert LEAST[name] not in redaction.redact(f"it is {LEAST[name]}")


def test_the_schema_says_what_is_secret_and_what_is_a_day() -> None:
    properties = json_schema(SoStockedSettings)["properties"]
    assert {name for name, part in properties.items() if part.get("secret")} == {
        "bearer_token",
        "client_secret",
    }
    assert properties["snapshot_start_date"]["format"] == "date"
