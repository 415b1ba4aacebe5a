"""Promise: a wrong accounts file is refused in words; a right one becomes accounts and routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.orchestrate.conftest import EXAMPLE, module

if TYPE_CHECKING:
    from pathlib import Path

accounts = module("inventory_accounts")
GOOD = {"loader": "target-jsonl", "accounts": [{"name": "one", "provider": "s2"}]}


def load(folder: Path, **changed: Any) -> Any:
    path = folder / "accounts.json"
    path.write_text(json.dumps(GOOD | changed))
    return accounts.load(path)


def test_the_example_is_read() -> None:
    found = accounts.load(EXAMPLE)
    assert [one.name for one in found.accounts] == ["warehouse", "shop", "fba_na"]
    (route,) = found.routes
    assert (route.source.provider, route.sink.provider) == ("shipstream", "deconetwork")
    assert (found.schedule, route.schedule) == ("@hourly", None)


def test_every_account_has_a_connection_and_a_pool_of_its_own() -> None:
    found = accounts.load(EXAMPLE).accounts
    assert [one.connection for one in found] == [one.pool for one in found]
    assert len({one.pool for one in found}) == len(found)
    assert accounts.LOADER_CONNECTION not in {one.connection for one in found}


def test_what_is_left_out_is_empty(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert (found.routes, found.schedule) == ((), None)


def account(**changed: Any) -> dict[str, Any]:
    return {"accounts": [{"name": "one", "provider": "s2"} | changed]}


def route(**changed: Any) -> dict[str, Any]:
    return {"write_back": [{"name": "back", "from": "one", "to": "one"} | changed]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"acounts": []}, "the file has no acounts"),
        ({"accounts": ["one"]}, "an account must be an object"),
        ({"accounts": [{"name": "one"}]}, "an account needs provider"),
        ({"accounts": GOOD["accounts"] * 2}, "accounts have a name twice"),
        (account(name="../one"), "is no name"),
        (account(name="One"), "is no name"),
        (account(name="loader"), "is no name"),
        (account(name=1), "is no name"),
        (account(stream=[]), "an account has no stream"),
        (account(settings={"password": "x"}), "one: password belongs into the connection"),
        (account(settings={"refresh_token": "x"}), "refresh_token belongs into the connection"),
        (route(to="two"), "back: there is no account two"),
        (route(settings={"client_secret": 1}), "back: client_secret belongs into the connection"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        load(tmp_path, **changed)
    assert str(tmp_path / "accounts.json") in str(refused.value)


def test_a_secret_in_the_file_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="password") as refused:
        load(tmp_path, **account(settings={"password": "open sesame"}))
    assert "open sesame" not in str(refused.value)
