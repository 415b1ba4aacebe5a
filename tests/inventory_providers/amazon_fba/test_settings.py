"""Promises of Amazon's settings: the right host, or a complaint that names the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inventory_providers import settings
from inventory_providers.amazon_fba import api
from inventory_providers.amazon_fba.settings import LWA_TOKEN, REGION_OF, AmazonFbaSettings
from inventory_providers.environment import Environment
from inventory_providers.errors import ConfigError
from inventory_providers.http import default_user_agent

if TYPE_CHECKING:
    from inventory_providers.contract import Session

US, CA, DE, JP = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1PA6795UKMFR9", "A1VC38T7YXB528"
GOOD: dict[str, Any] = {
    "client_id": "amzn1.application-oa2-client.1",
    "client_secret": "hunter22-secret",
    "refresh_token": "Atzr|hunter22-refresh",
    "marketplace_ids": [US],
}


def checked(**values: Any) -> AmazonFbaSettings:
    return AmazonFbaSettings.model_validate({**GOOD, **values})


def problems(**values: Any) -> list[str]:
    try:
        checked(**values)
    except ValidationError as error:
        return settings.explain(error, "amazon_fba", AmazonFbaSettings.model_fields)
    return []


def test_the_defaults() -> None:
    mine = checked()
    assert (mine.sandbox, mine.full_refresh_days, mine.lookback_seconds) == (False, 1, 3600)
    assert mine.base_url == "https://sellingpartnerapi-na.amazon.com"
    assert mine.lwa_url == "https://api.amazon.com"


@pytest.mark.parametrize(
    ("marketplace", "region"),
    [(US, "na"), (CA, "na"), (DE, "eu"), ("A21TJRUUN4KGV", "eu"), (JP, "fe")],
)
@pytest.mark.parametrize(("sandbox", "prefix"), [(False, ""), (True, "sandbox.")])
def test_the_host_follows_from_the_marketplaces_and_the_sandbox(
    marketplace: str, region: str, sandbox: bool, prefix: str
) -> None:
    mine = checked(marketplace_ids=[marketplace], sandbox=sandbox)
    assert mine.base_url == f"https://{prefix}sellingpartnerapi-{region}.amazon.com"


def test_every_listed_marketplace_is_known() -> None:
    assert len(REGION_OF) == 23
    for region, count in (("na", 4), ("eu", 16), ("fe", 3)):
        ids = [one for one, of in REGION_OF.items() if of == region]
        assert len(ids) == count
        assert checked(marketplace_ids=ids).base_url.endswith(f"-{region}.amazon.com")


@pytest.mark.parametrize("api_url", [None, "https://127.0.0.1:1"])
@pytest.mark.parametrize("ids", [[US, DE], [DE, JP], [JP, US, CA]])
def test_marketplaces_of_two_regions_are_refused(ids: list[str], api_url: str | None) -> None:
    values = {} if api_url is None else {"api_url": api_url}
    (problem,) = problems(marketplace_ids=ids, **values)
    assert problem.startswith("amazon_fba.marketplace_ids must be of one region")


def test_an_unknown_marketplace_needs_the_address_of_the_api() -> None:
    (problem,) = problems(marketplace_ids=["A0000000000000"])
    assert problem.startswith("amazon_fba.marketplace_ids ")
    assert "api_url" in problem
    mine = checked(marketplace_ids=["A0000000000000", US], api_url="https://api.test")
    assert mine.base_url == "https://api.test"


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([], "at least one"),
        ([US, US], "twice"),
        ([f"{US},{CA}"], "list of ids"),
        ([""], "list of ids"),
        ([" "], "list of ids"),
        ([f"{US}&x=1"], "list of ids"),
        (US, "must be a list"),
        ([1], "must hold only text"),
        ([None], "must hold only text"),
    ],
)
def test_marketplaces_that_are_none_are_refused(ids: Any, text: str) -> None:
    (problem,) = problems(marketplace_ids=ids)
    assert problem.startswith("amazon_fba.marketplace_ids")
    assert text in problem


@given(st.lists(st.text(max_size=15), max_size=3))
def test_whatever_ids_are_given_each_goes_out_as_one(ids: list[str]) -> None:
    if problems(marketplace_ids=ids, api_url="https://api.test"):
        return
    assert ids
    for one in ids:
        assert one.isascii()
        assert one.isalnum()


SANDBOXES = [
    "https://sandbox.sellingpartnerapi-na.amazon.com",
    "https://SANDBOX.sellingpartnerapi-na.amazon.com",
    "http://127.0.0.1:8765",
    "https://localhost",
]
OTHERS = [
    "https://sellingpartnerapi-na.amazon.com",
    "https://sandbox-sellingpartnerapi-na.amazon.com",
    "https://sellingpartnerapi-na.amazon.com/sandbox.",
]


@pytest.mark.parametrize("url", SANDBOXES)
def test_the_sandbox_and_this_machine_are_good_for_the_sandbox(url: str) -> None:
    assert problems(sandbox=True, api_url=url) == []


@pytest.mark.parametrize("url", OTHERS)
def test_no_other_host_is_taken_for_the_sandbox(url: str) -> None:
    (problem,) = problems(sandbox=True, api_url=url)
    assert problem.startswith("amazon_fba.api_url must be a host whose name begins with `sandbox.`")


@pytest.mark.parametrize("url", [*SANDBOXES, *OTHERS])
def test_without_sandbox_any_host_may_be_read(url: str) -> None:
    assert problems(api_url=url) == []


@pytest.mark.parametrize("url", ["https://lwa.test", "https://lwa.test/auth/o2/token"])
def test_the_address_of_the_sign_in_may_be_given_whole(url: str) -> None:
    assert checked(lwa_url=url).lwa_url + LWA_TOKEN == "https://lwa.test/auth/o2/token"


@pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token"])
@pytest.mark.parametrize("value", [None, "", 7, ["hunter22"]])
def test_a_wrong_credential_is_named_and_not_shown(name: str, value: Any) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"amazon_fba.{name} ")
    assert "hunter22" not in problem


@pytest.mark.parametrize("name", ["full_refresh_days", "lookback_seconds"])
@pytest.mark.parametrize("value", [-1, 1.5, "1", True, 10**12])
def test_a_time_that_is_none_is_refused(name: str, value: Any) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"amazon_fba.{name} ")


def test_no_complaint_shows_what_was_given() -> None:
    said = " ".join(problems(marketplace_ids=["hunter22-id"], api_url="ftp://hunter22-url"))
    assert "amazon_fba.marketplace_ids" in said
    assert "amazon_fba.api_url" in said
    assert "hunter22" not in said


# ---- the user agent ------------------------------------------------------------------------------


def connected(user_agent: str | None) -> Session:
    mine = checked(api_url="https://api.test", lwa_url="https://lwa.test")
    return api.connect(mine, Environment(user_agent=user_agent))


@pytest.mark.parametrize("length", [1, 500])
def test_a_user_agent_of_up_to_500_characters_is_taken(length: int) -> None:
    session = connected("x" * length)
    assert session.requests == 0
    session.close()


def test_a_longer_user_agent_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match="user_agent must not be longer than 500"):
        connected("x" * 501)


def test_the_usual_user_agent_has_the_prescribed_form() -> None:
    name, _, rest = default_user_agent().partition("/")
    version, _, told = rest.partition(" ")
    assert name
    assert version
    assert told.startswith("(Language=Python/")
    assert told.endswith(")")
