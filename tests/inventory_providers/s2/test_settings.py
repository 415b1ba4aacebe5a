"""Promises of S2's settings: those of the contract, and a mistake is named without its value."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from inventory_providers import redaction
from inventory_providers.s2.settings import S2Settings
from inventory_providers.settings import explain, json_schema

URL = {"api_url": "https://api.s2sell.io"}
TOKEN = {"access_token": "a token of seven days"}
LOGIN = {"email": "somebody@example.com", "password": "a password, kept secret"}


def settings(**document: Any) -> S2Settings:
    return S2Settings.model_validate({**URL, **document})


def problems(**document: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        settings(**document)
    return explain(caught.value, "s2", S2Settings.model_fields)


def test_the_settings_are_those_of_the_contract() -> None:
    schema = json_schema(S2Settings)
    types = {name: part["type"] for name, part in schema["properties"].items()}
    assert types == {
        "api_url": "string",
        "access_token": "string",
        "account": "string",
        "email": "string",
        "password": "string",
        "organization_id": "string",
        "lookback_seconds": "integer",
    }
    assert schema["required"] == ["api_url"]
    assert schema["description"].startswith("S2 (Ventmere)")
    assert all(part["description"] for part in schema["properties"].values())
    secret = [name for name, part in schema["properties"].items() if part.get("secret")]
    assert secret == ["access_token", "password"]


def test_what_is_not_set() -> None:
    found = settings(**TOKEN)
    assert (found.email, found.password, found.organization_id) == (None, None, None)
    assert found.lookback_seconds == 3600


@pytest.mark.parametrize("way", [TOKEN, LOGIN], ids=["token", "login"])
def test_there_are_two_ways_in(way: dict[str, str]) -> None:
    found = settings(**way, organization_id="95d73baf-76ba-4bea-86ac-1534c5e5d4aa")
    assert found.organization_id == "95d73baf-76ba-4bea-86ac-1534c5e5d4aa"


INCOMPLETE = "s2 is incomplete: give s2.access_token, or s2.email and s2.password"
TOO_MUCH = "s2 has too much: give s2.access_token, or s2.email and s2.password"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, INCOMPLETE),
        ({"email": LOGIN["email"]}, INCOMPLETE),
        ({"password": LOGIN["password"]}, INCOMPLETE),
        ({"access_token": None, "email": None, "password": None}, INCOMPLETE),
        ({**TOKEN, **LOGIN}, TOO_MUCH),
        ({**TOKEN, "email": LOGIN["email"]}, TOO_MUCH),
        ({**TOKEN, "password": LOGIN["password"]}, TOO_MUCH),
    ],
)
def test_one_way_in_has_to_be_given_and_only_one(document: Any, problem: str) -> None:
    assert problems(**document) == [problem]


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"access_token": ""}, "s2.access_token must not be empty"),
        ({"access_token": 5}, "s2.access_token must be text"),
        ({**LOGIN, "email": ""}, "s2.email must not be empty"),
        ({**LOGIN, "email": ["x"]}, "s2.email must be text"),
        ({**LOGIN, "password": ""}, "s2.password must not be empty"),
        ({**LOGIN, "password": False}, "s2.password must be text"),
        ({**TOKEN, "organization_id": ""}, "s2.organization_id must not be empty"),
        ({**TOKEN, "organization_id": 7}, "s2.organization_id must be text"),
        ({**TOKEN, "lookback_seconds": -1}, "s2.lookback_seconds "),
        ({**TOKEN, "lookback_seconds": 1.5}, "s2.lookback_seconds must be a whole number"),
        ({**TOKEN, "lookback_seconds": "3600"}, "s2.lookback_seconds must be a whole number"),
        ({**TOKEN, "lookback_seconds": 10**12}, "s2.lookback_seconds "),
        ({**TOKEN, "acces_token": "x"}, "s2.acces_token is not a setting (did you mean access_"),
        ({**TOKEN, "api_url": "http://api.s2sell.io"}, "s2.api_url must be an https URL"),
        ({**TOKEN, "api_url": None}, "s2.api_url must be text"),
    ],
)
def test_a_wrong_setting_is_named(document: Any, names: str) -> None:
    (problem,) = problems(**document)
    assert problem.startswith(names)


@pytest.mark.parametrize("name", ["access_token", "organization_id"])
@pytest.mark.parametrize("value", ["abc\n", " abc", "abc ", "a\r\nX: y", "t\u00f6ken", "a\x00b"])
def test_what_is_sent_in_a_header_has_to_fit_there(name: str, value: str) -> None:
    """A line end from a file is the usual mistake."""
    (problem,) = problems(**{**TOKEN, name: value})
    assert problem.startswith(f"s2.{name} must be ASCII, without line ends")
    assert value.strip() not in problem


def test_the_address_is_required() -> None:
    with pytest.raises(ValidationError) as caught:
        S2Settings.model_validate(TOKEN)
    assert explain(caught.value, "s2", S2Settings.model_fields) == ["s2.api_url is missing"]


def test_the_slash_at_the_end_of_the_address_does_not_matter() -> None:
    assert settings(**{**TOKEN, "api_url": "https://api.s2sell.io/"}).api_url == URL["api_url"]


@pytest.mark.parametrize("way", [TOKEN, LOGIN], ids=["token", "login"])
def test_no_secret_is_shown(way: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    found = settings(**way)
    (secret,) = [way[name] for name in ("access_token", "password") if name in way]
    assert secret not in repr(found)
    assert secret not in str(problems(**way, nonsense=secret))
    found.register_secrets()
    assert redaction.redact(f"it is {secret}!") == f"it is {redaction.MASK}!"
