"""Promise: a wrong setting is named, never shown; URLs that would leak credentials are refused."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from inventory_providers import redaction, registry, settings
from inventory_providers.settings import ProviderSettings, ProviderUrl, Secret, Text


class Sample(ProviderSettings):
    """A sample provider. More words."""

    api_url: ProviderUrl = Field(description="Where it is.")
    token: Secret = Field(description="The key.")
    user: Text = Field(default="me", description="Who.")
    mode: Literal["basic", "session"] = Field(default="basic", description="How.")
    ids: list[int] | None = Field(default=None, description="Which.")
    flag: bool = Field(default=False, description="Whether.")
    days: int = Field(default=1, ge=0, le=9, description="When.")
    share: float = Field(default=1, ge=0.5, le=10**10, description="How much.")
    kinds: list[Literal["a", "b"]] = Field(default=[], description="Which of them.")
    names: list[str] = Field(default=["x"], min_length=1, description="Of what.")


GOOD = {"api_url": "https://shop.test", "token": "hunter22"}


def problems(**values: Any) -> list[str]:
    try:
        Sample.model_validate({**GOOD, **values})
    except ValidationError as error:
        return settings.explain(error, "sample", Sample.model_fields)
    return []


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.test",
        "https://shop.test:8443/api/jsonrpc",
        "http://127.0.0.1:8765",
        "http://localhost:8765",
        "http://[::1]:8765",
        "http://127.8.9.1",
        "HTTPS://shop.test",
    ],
)
def test_a_good_url(url: str) -> None:
    assert problems(api_url=url) == []


def test_a_slash_at_the_end_of_a_url_goes() -> None:
    assert (
        Sample.model_validate({**GOOD, "api_url": "https://a.test/b/"}).api_url
        == "https://a.test/b"
    )


@pytest.mark.parametrize("url", ["shop.test", "//shop.test", "ftp://shop.test", "https://"])
def test_an_address_without_a_scheme_is_told_of_both(url: str) -> None:
    (problem,) = problems(api_url=url)
    assert problem == (
        "sample.api_url must be an https URL (http only to 127.0.0.1), with https:// before the "
        "host"
    )


BAD_URLS = [
    "",
    " ",
    "shop.test",
    "//shop.test",
    "ftp://shop.test",
    "file:///etc/passwd",
    "http://shop.test",
    "http://10.0.0.1",
    "http://127.0.0.1.shop.test",
    "http://localhost.shop.test",
    "http://0.0.0.0",
    "https://fred:hunter22@shop.test",
    "https://fred@shop.test",
    "https://:hunter22@shop.test",
    "https://@shop.test",
    "https://",
    "https:///path",
    "https://shop.test?password=hunter22",
    "https://shop.test#hunter22",
    "https://shop .test",
    "https://shop.test\n",
    "https://shop.test\r\nX: y",
    "https://shop.test\t",
    "https://shöp.test",
    "https://shop.test:port",
    "https://shop.test:99999",
    "https://[::1",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_would_leak_or_never_answer_is_refused(url: str) -> None:
    (problem,) = problems(api_url=url)
    assert problem.startswith("sample.api_url ")
    assert "hunter22" not in problem
    assert "fred" not in problem
    assert "shop" not in problem


@given(st.text(max_size=30))
def test_any_text_as_url_is_taken_or_refused_and_nothing_else(url: str) -> None:
    for problem in problems(api_url=url):
        assert problem.startswith("sample.api_url ")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"token": 12345678}, "sample.token must be text"),
        ({"token": ["hunter22"]}, "sample.token must be text"),
        ({"token": None}, "sample.token must be text"),
        ({"token": ""}, "sample.token must not be empty"),
        ({"user": ""}, "sample.user must not be empty"),
        ({"user": 7}, "sample.user must be text"),
        ({"flag": "yes"}, "sample.flag must be true or false"),
        ({"flag": 1}, "sample.flag must be true or false"),
        ({"days": "1"}, "sample.days must be a whole number"),
        ({"days": True}, "sample.days must be a whole number"),
        ({"days": 1.5}, "sample.days must be a whole number"),
        ({"ids": "1"}, "sample.ids must be a list"),
        ({"ids": [1, "x", 1.5]}, "sample.ids must hold only whole numbers"),
        ({"kinds": ["a", "c", 7]}, "sample.kinds must hold only 'a' or 'b'"),
        ({"kinds": "a"}, "sample.kinds must be a list"),
        ({"names": ["x", None]}, "sample.names must hold only text"),
        ({"names": []}, "sample.names must not be empty"),
        ({"days": -1}, "sample.days must be 0 or more"),
        ({"days": 10}, "sample.days must be at most 9"),
        ({"share": 0.4}, "sample.share must be 0.5 or more"),
        ({"share": 10**11}, "sample.share must be at most 10000000000"),
        ({"share": "1"}, "sample.share must be a number"),
        ({"user": "\ud800"}, "sample.user must be text in Unicode"),
        ({"mode": "Session"}, "sample.mode must be 'basic' or 'session'"),
        ({"tokem": "x"}, "sample.tokem is not a setting (did you mean token?)"),
        ({"url": "x"}, "sample.url is not a setting (did you mean api_url?)"),
        ({"zzz": "x"}, "sample.zzz is not a setting"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(values: dict[str, Any], expected: str) -> None:
    (problem,) = problems(**values)
    assert problem == expected


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("\ud800")
)
MODELS = [Sample, *(room.settings for room in registry.providers())]


@given(st.sampled_from(MODELS), ODD | st.lists(ODD, max_size=3) | st.just({}))
def test_no_word_of_the_library_reaches_the_user(model: type[ProviderSettings], value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(dict.fromkeys([*model.model_fields, "zzz"], value))
    for problem in settings.explain(caught.value, "sample", []):
        assert problem.startswith("sample")
        assert not re.search("Input|Value|should|pydantic", problem)


@pytest.mark.parametrize("days", [-1, 10, 10**30])
def test_a_number_out_of_range_is_named(days: int) -> None:
    (problem,) = problems(days=days)
    assert problem.startswith("sample.days ")
    assert str(days) not in problem.removesuffix("9").removesuffix("0")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"token": "hunter22"})
    assert settings.explain(caught.value, "sample", []) == ["sample.api_url is missing"]


@pytest.mark.parametrize("value", [None, [], "x", 7, True])
def test_a_provider_that_is_no_object_is_named(value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate(value)
    assert settings.explain(caught.value, "sample", []) == ["sample must be an object"]


def test_several_problems_are_told_at_once() -> None:
    assert len(problems(api_url="ftp://x", token="", days="x", zzz=1)) == 4


def test_settings_show_no_secret_and_cannot_be_changed() -> None:
    sample = Sample.model_validate(GOOD)
    assert "hunter22" not in repr(sample) + str(sample)
    with pytest.raises(ValidationError):
        sample.user = "x"


def test_register_secrets_makes_the_redaction_know_them() -> None:
    Sample.model_validate(GOOD | {"token": "s3cr3t of a sample"}).register_secrets()
    assert redaction.redact("a s3cr3t of a sample!") == "a *****!"


@pytest.mark.parametrize(
    "raw",
    [
        {"shop": {"password": "raw-s3cr3t"}},
        {"shop": {"Bearer_Token": "raw-s3cr3t"}},
        {"a": [{"b": {"client_secret": "raw-s3cr3t"}}]},
        {"shop": {"passwords": ["raw-s3cr3t"]}},
        {"shop": {"password": {"value": "raw-s3cr3t"}}},
    ],
)
def test_raw_secrets_are_known_before_the_configuration_is_checked(raw: Any) -> None:
    settings.register_raw_secrets(raw)
    assert "raw-s3cr3t" not in redaction.redact("x raw-s3cr3t y")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T01:00:00+01:00", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T00:00:00", "2026-01-31T00:00:00+00:00"),
    ],
)
def test_utc_moment(text: str, expected: str) -> None:
    assert settings.utc_moment(text, name="start_date").isoformat() == expected


@pytest.mark.parametrize(
    "value", ["", "soon", 20260131, None, [], True, "0001-01-01T00:00:00+14:00"]
)
def test_a_moment_that_is_none_is_named(value: Any) -> None:
    with pytest.raises(settings.ConfigError, match="start_date must be a date-time"):
        settings.utc_moment(value, name="start_date")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host: str) -> None:
    assert settings.is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.test", "128.0.0.1", "::2", "0.0.0.0", "local"])
def test_not_loopback(host: str) -> None:
    assert not settings.is_loopback(host)


# ---- the schema for Singer tools -----------------------------------------------------------------


def test_the_schema_is_plain() -> None:
    schema = settings.json_schema(Sample)
    assert schema["required"] == ["api_url", "token"]
    assert schema["additionalProperties"] is False
    assert schema["description"] == "A sample provider. More words."
    assert schema["properties"]["token"] | {"title": ""} == {
        "type": "string",
        "secret": True,
        "writeOnly": True,
        "description": "The key.",
        "title": "",
    }
    assert schema["properties"]["ids"]["type"] == "array"
    assert schema["properties"]["days"]["default"] == 1


@pytest.mark.parametrize("model", [Sample, *(room.settings for room in registry.providers())])
def test_no_schema_holds_what_singer_tools_cannot_read(model: type[ProviderSettings]) -> None:
    text = json.dumps(settings.json_schema(model))
    for word in ("$ref", "anyOf", "oneOf", "allOf", "minLength", "minimum", "const"):
        assert f'"{word}"' not in text
    for name, part in settings.json_schema(model)["properties"].items():
        assert isinstance(part["type"], str), name
        assert part["description"], name


@pytest.mark.parametrize("room", registry.providers(), ids=lambda room: room.name)
def test_every_credential_of_a_room_is_secret(room: Any) -> None:
    for name, part in settings.json_schema(room.settings)["properties"].items():
        sounds = any(word in name for word in ("password", "secret", "token"))
        assert bool(part.get("secret")) == sounds, name


def test_what_is_not_set_is_no_secret() -> None:
    settings.register_raw_secrets({"access_token": None, "password": True, "tokens": [None]})
    assert redaction.redact("None is True") == "None is True"
