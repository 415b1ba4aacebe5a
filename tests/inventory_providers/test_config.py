"""Promise: a wrong configuration is one message with every problem by name and no value."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_providers import config, redaction, registry
from inventory_providers.errors import ConfigError

SECRET = "hunter22-value"
DECO = {"api_url": "https://shop.test", "username": "fred123", "password": SECRET}
GOOD = {"deconetwork": DECO}


def complaint(raw: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(raw, **kwargs)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_a_good_configuration() -> None:
    loaded = config.load(
        {**GOOD, "start_date": "2026-01-01T02:00:00+02:00", "user_agent": "me/1"},
        known=("start_date", "user_agent"),
    )
    assert list(loaded.providers) == ["deconetwork"]
    assert loaded.start_date == datetime(2026, 1, 1, tzinfo=UTC)
    assert loaded.user_agent == "me/1"


def test_the_defaults() -> None:
    loaded = config.load(GOOD)
    room: Any = loaded.providers["deconetwork"]
    assert (loaded.start_date, loaded.user_agent) == (None, None)
    assert (room.max_parallel, room.full_refresh_days, room.lookback_seconds) == (4, 7, 300)


@pytest.mark.parametrize("raw", [{}, {"deconetwork": None}, {"start_date": "2026-01-01"}])
def test_without_a_provider_the_five_keys_are_named(raw: Any) -> None:
    text = complaint(raw, known=("start_date",))
    for name in ("sostocked", "s2", "shipstream", "deconetwork", "amazon_fba"):
        assert name in text


@pytest.mark.parametrize("raw", [None, [], "x", 7, True, [GOOD]])
def test_what_is_no_object(raw: Any) -> None:
    assert "must be a JSON object" in complaint(raw)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (
            "api_url",
            "http://shop.test",
            "deconetwork.api_url must be an https URL (http only to 127.0.0.1)",
        ),
        ("api_url", "ftp://shop.test", "deconetwork.api_url must be an https URL"),
        ("api_url", "", "deconetwork.api_url"),
        ("api_url", f"https://fred:{SECRET}@shop.test", "deconetwork.api_url must not contain"),
        ("api_url", None, "deconetwork.api_url must be text"),
        ("password", None, "deconetwork.password must be text"),
        ("password", 1234567890, "deconetwork.password must be text"),
        ("password", [SECRET], "deconetwork.password must be text"),
        ("password", {"value": SECRET}, "deconetwork.password must be text"),
        ("password", "", "deconetwork.password must not be empty"),
        ("username", "", "deconetwork.username must not be empty"),
        ("username", 5, "deconetwork.username must be text"),
        ("max_parallel", 0, "deconetwork.max_parallel"),
        ("max_parallel", "4", "deconetwork.max_parallel must be a whole number"),
        ("full_refresh_days", -1, "deconetwork.full_refresh_days"),
        ("lookback_seconds", -1, "deconetwork.lookback_seconds"),
        ("pasword", SECRET, "deconetwork.pasword is not a setting (did you mean password?)"),
        ("user", SECRET, "deconetwork.user is not a setting (did you mean username?)"),
        ("zzz", SECRET, "deconetwork.zzz is not a setting"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    key: str, value: Any, expected: str
) -> None:
    text = complaint({"deconetwork": {**DECO, key: value}})
    assert expected in text
    assert "1234567890" not in text
    assert "shop.test" not in text


@pytest.mark.parametrize("key", ["api_url", "username", "password"])
def test_a_missing_setting_is_named(key: str) -> None:
    rest = {name: value for name, value in DECO.items() if name != key}
    assert f"deconetwork.{key} is missing" in complaint({"deconetwork": rest})


@pytest.mark.parametrize("value", [[], "x", 7, True])
def test_a_provider_that_is_no_object(value: Any) -> None:
    assert "deconetwork must be an object" in complaint({"deconetwork": value})


def test_an_empty_object_of_a_provider_tells_all_that_is_missing() -> None:
    text = complaint({"deconetwork": {}})
    for name in ("api_url", "username", "password"):
        assert f"deconetwork.{name} is missing" in text


def test_several_problems_are_one_message() -> None:
    text = complaint(
        {"deconetwrok": DECO, "deconetwork": {"api_url": "ftp://x", "pasword": SECRET}}
    )
    for part in (
        "deconetwrok",
        "deconetwork.api_url",
        "deconetwork.pasword",
        "username is missing",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("deconetwrok", "deconetwork"),
        ("DecoNetwork", "deconetwork"),
        ("amazonfba", "amazon_fba"),
        ("start_dat", "start_date"),
    ],
)
def test_a_misspelt_key_is_named_with_what_was_meant(key: str, meant: str) -> None:
    raw = {key: DECO, **GOOD}
    assert f"{key} is not a setting (did you mean {meant}?)" in complaint(raw, known=["start_date"])


def test_what_is_no_setting_and_resembles_none_is_said_to_have_no_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config.load({**GOOD, "dry_run": SECRET, "start_date": None}, known=("start_date",))
    (said,) = caplog.messages
    assert said.endswith("without effect: dry_run")
    assert SECRET not in said


def test_a_misspelt_provider_alone_is_a_misspelling_not_a_missing_provider() -> None:
    assert "did you mean deconetwork?" in complaint({"deconetwrok": DECO})


def test_keys_of_the_other_command_are_no_mistake() -> None:
    config.load({**GOOD, "journal_path": "x", "guards": {}, "mode": "plan"})


@pytest.mark.parametrize("value", ["soon", "", 5, [], {}, True])
def test_a_start_date_that_is_none(value: Any) -> None:
    assert "start_date must be a date-time" in complaint(
        {**GOOD, "start_date": value}, known=["start_date"]
    )


@pytest.mark.parametrize("value", ["a\r\nX: y", "é", 5, ["x"], "a\x00"])
def test_a_user_agent_that_would_break_a_header(value: Any) -> None:
    assert "user_agent" in complaint({**GOOD, "user_agent": value}, known=["user_agent"])


def test_secrets_of_a_good_configuration_are_redacted_from_now_on() -> None:
    config.load(GOOD)
    assert SECRET not in redaction.redact(f"sent {SECRET}")


def test_secrets_of_a_bad_configuration_are_redacted_too() -> None:
    complaint({"deconetwork": {"password": "another-hunter22"}})
    assert "another-hunter22" not in redaction.redact("sent another-hunter22")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["deconetwork", "s2", "start_date", "user_agent", "x"]),
        json_values,
        max_size=4,
    )
    | json_values
)
def test_whatever_the_configuration_is_nothing_but_config_error_is_raised(raw: Any) -> None:
    with contextlib.suppress(ConfigError):
        config.load(raw, known=["start_date", "user_agent"])


@given(
    st.dictionaries(
        st.sampled_from([*registry.provider("deconetwork").settings.model_fields, "zzz"]),
        json_values | st.just("https://shop.test"),
    )
)
def test_whatever_a_provider_object_is_nothing_but_config_error_is_raised(raw: Any) -> None:
    with contextlib.suppress(ConfigError):
        config.load({"deconetwork": raw})
