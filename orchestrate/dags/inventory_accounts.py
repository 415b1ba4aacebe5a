"""The accounts file: whose stock is read, and which levels go where. No secret stands in it."""  # noqa: INP001 - a folder of DAGs is no package

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
LOADER_CONNECTION = "inventory_loader"
SECRETIVE = ("password", "secret", "token")


@dataclass(frozen=True)
class Account:
    """One login at one provider, with a connection, a pool and a state of its own."""

    name: str
    provider: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    streams: tuple[str, ...] = ()

    @property
    def connection(self) -> str:
        """The Airflow connection whose extra is the provider object."""
        return f"inventory_{self.name}"

    @property
    def pool(self) -> str:
        """The Airflow pool that everything holds which asks this account."""
        return f"inventory_{self.name}"


@dataclass(frozen=True)
class Route:
    """The levels of one account on their way into another."""

    name: str
    source: Account
    sink: Account
    settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None

    @property
    def dag(self) -> str:
        """The DAG of the route: a question that waits in it holds up no other route."""
        return f"inventory_write_back_{self.name}"


@dataclass(frozen=True)
class Accounts:
    """The whole file."""

    accounts: tuple[Account, ...]
    routes: tuple[Route, ...]
    loader: str
    schedule: str | None


def load(path: Path) -> Accounts:
    """Read the file.

    Raises:
        ValueError: it is not as it has to be; says what and where.
        OSError: it cannot be read.
    """
    try:
        return _accounts(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _accounts(document: Any) -> Accounts:
    _only(document, {"accounts", "write_back", "loader", "schedule"}, "the file")
    accounts = tuple(_account(each) for each in document["accounts"])
    by_name = _unique({"accounts": accounts})
    routes = tuple(_route(each, by_name) for each in document.get("write_back", ()))
    _unique({"write_back": routes})
    return Accounts(
        accounts=accounts,
        routes=routes,
        loader=document["loader"],
        schedule=document.get("schedule"),
    )


def _account(given: Any) -> Account:
    _only(given, {"name", "provider", "settings", "streams"}, "an account")
    name, settings = _name(given), given.get("settings", {})
    _no_secrets(settings, name)
    return Account(name, given["provider"], settings, tuple(given.get("streams", ())))


def _route(given: Any, accounts: Mapping[str, Any]) -> Route:
    _only(given, {"name", "from", "to", "schedule", "settings"}, "a write_back")
    name, settings = _name(given), given.get("settings", {})
    _no_secrets(settings, name)
    for end in ("from", "to"):
        if given[end] not in accounts:
            raise ValueError(f"{name}: there is no account {given[end]}")
    ends = (accounts[given["from"]], accounts[given["to"]])
    return Route(name, *ends, settings, given.get("schedule"))


def _only(given: Any, known: set[str], what: str) -> None:
    if not isinstance(given, dict):
        raise TypeError(f"{what} must be an object")
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{what} has no {', '.join(unknown)}")
    required = known & {"accounts", "loader", "name", "provider", "from", "to"}
    if missing := sorted(required - set(given)):
        raise ValueError(f"{what} needs {', '.join(missing)}")


def _name(given: Mapping[str, Any]) -> str:
    name = given["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == "loader":
        raise ValueError(f"{name!r} is no name: lower-case letters, digits and _, and not loader")
    return name


def _unique(lists: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    ((what, given),) = lists.items()
    found = {each.name: each for each in given}
    if len(found) < len(given):
        raise ValueError(f"{what} have a name twice")
    return found


def _no_secrets(settings: Mapping[str, Any], name: str) -> None:
    for key in settings:
        if any(word in key for word in SECRETIVE):
            raise ValueError(f"{name}: {key} belongs into the connection, not into this file")
