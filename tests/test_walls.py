"""The walls of the house, read from the imports: who may know whom."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from inventory_providers import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKAGES = ("inventory_providers", "tap_inventory", "target_inventory")
ROOMS = registry.PROVIDER_NAMES


class Import(NamedTuple):
    """`who` imports `whom`; both are dotted names."""

    who: str
    whom: str


def imports_of(source: str, who: str, *, is_package: bool = False) -> Iterator[Import]:
    """Every import of a module, those inside functions and under `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(who, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, who, is_package=is_package)
            yield from (Import(who, f"{base}.{alias.name}") for alias in node.names)
        elif _is_import_call(node):
            yield Import(who, _first_text(node))


def _base(node: ast.ImportFrom, who: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    above = who.split(".")[: None if is_package and node.level == 1 else -node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _is_import_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in {"import_module", "__import__"}


def _first_text(node: ast.AST) -> str:
    assert isinstance(node, ast.Call)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return "by a computed name"


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the packages as they are installed, by its dotted name."""
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for file in sorted(root.rglob("*.py")):
            parts = [package, *file.relative_to(root).with_suffix("").parts]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def all_imports() -> Iterator[Import]:
    for name, file in modules():
        source = file.read_text(encoding="utf-8")
        yield from imports_of(source, name, is_package=file.name == "__init__.py")


def within(name: str, package: str) -> bool:
    """Whether a dotted name is a package or stands in it."""
    return name == package or name.startswith(f"{package}.")


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGES[0] and parts[1] in ROOMS else None


# The files of a room that belong to its stand-in.
STAND_IN = {"sandbox", "shelf", "traits"}


def is_sandbox(name: str) -> bool:
    return within(name, "inventory_providers.sandbox") or (
        room_of(name) is not None and bool(STAND_IN & set(name.split(".")[2:3]))
    )


# ---- the walls -----------------------------------------------------------------------------------


def tap_and_target(each: Import) -> bool:
    """The tap and the target never import each other."""
    tap, target = PACKAGES[1:]
    return (within(each.who, tap) and within(each.whom, target)) or (
        within(each.who, target) and within(each.whom, tap)
    )


def core_and_singer(each: Import) -> bool:
    """`inventory_providers` knows providers, never Singer, and never the plugins."""
    others = ("singer_sdk", "singer", *PACKAGES[1:])
    return within(each.who, PACKAGES[0]) and any(within(each.whom, other) for other in others)


def room_and_room(each: Import) -> bool:
    """No room imports another room."""
    mine, other = room_of(each.who), room_of(each.whom)
    return mine is not None and other is not None and mine != other


def core_and_rooms(each: Import) -> bool:
    """The core never names a room: the registry finds them."""
    outside = within(each.who, PACKAGES[0]) and room_of(each.who) is None
    return outside and room_of(each.whom) is not None


def plugins_and_rooms(each: Import) -> bool:
    """The plugins never name a room either."""
    return not within(each.who, PACKAGES[0]) and room_of(each.whom) is not None


def the_network(each: Import) -> bool:
    """Only the door imports httpx, and only it and its sockets httpcore; nobody another client."""
    clients = (
        "httpx",
        "httpcore",
        "requests",
        "urllib3",
        "aiohttp",
        "urllib.request",
        "http.client",
    )
    allowed = {
        "inventory_providers.http": {"httpx", "httpcore"},
        "inventory_providers.sockets": {"httpcore"},
    }
    if each.whom.split(".")[0] in allowed.get(each.who, ()):
        return False
    return any(within(each.whom, client) for client in clients)


def sandbox_and_product(each: Import) -> bool:
    """A stand-in shares no code with what it stands in for: they would share a mistake."""
    if not is_sandbox(each.who):
        return False
    client = room_of(each.whom) is not None and not is_sandbox(each.whom)
    core = ("http", "jsonio", "once", "paging", "records", "spool", "stored", "values")
    outside = ("httpx", "singer_sdk", *(f"inventory_providers.{name}" for name in core))
    return client or any(within(each.whom, other) for other in outside)


def product_and_sandbox(each: Import) -> bool:
    """The product runs without the sandbox."""
    return not is_sandbox(each.who) and is_sandbox(each.whom)


WALLS: dict[Callable[[Import], bool], tuple[str, str]] = {
    tap_and_target: ("tap_inventory.tap", "from target_inventory import target"),
    core_and_singer: ("inventory_providers.command", "def f():\n    import singer_sdk.typing"),
    room_and_room: (
        "inventory_providers.deconetwork.api",
        "from inventory_providers.s2 import api",
    ),
    core_and_rooms: (
        "inventory_providers.paging",
        "from inventory_providers.deconetwork import wire",
    ),
    plugins_and_rooms: ("tap_inventory.streams", "import inventory_providers.deconetwork.api"),
    the_network: ("inventory_providers.deconetwork.api", "import httpx"),
    sandbox_and_product: ("inventory_providers.deconetwork.sandbox", "from . import wire"),
    product_and_sandbox: ("tap_inventory.tap", "from inventory_providers.sandbox import server"),
}


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_no_import_goes_through_a_wall(wall: Callable[[Import], bool]) -> None:
    assert [each for each in all_imports() if wall(each)] == []


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_the_wall_would_bite(
    wall: Callable[[Import], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOMS", (*ROOMS, "s2"))
    who, source = WALLS[wall]
    assert [each for each in imports_of(source, who) if wall(each)]


@pytest.mark.parametrize(
    ("source", "whom"),
    [
        ("import a.b", "a.b"),
        ("from a import b", "a.b"),
        ("from a.b import c as d", "a.b.c"),
        ("from . import wire", "p.q.wire"),
        ("from .wire import x", "p.q.wire.x"),
        ("from .. import http", "p.http"),
        ("if TYPE_CHECKING:\n    import a", "a"),
        ("def f():\n    from a import b", "a.b"),
        ("import_module('a.b')", "a.b"),
        ("importlib.import_module('a')", "a"),
    ],
)
def test_every_kind_of_import_is_seen(source: str, whom: str) -> None:
    assert [each.whom for each in imports_of(source, "p.q.m")] == [whom]


def test_a_relative_import_of_a_package_is_its_own() -> None:
    (found,) = imports_of("from . import wire", "p.q", is_package=True)
    assert found.whom == "p.q.wire"


def test_the_modules_are_found() -> None:
    names = {name for name, _ in modules()}
    assert {"inventory_providers", "inventory_providers.http", "tap_inventory.tap"} <= names
    assert {f"inventory_providers.{room}.api" for room in ROOMS} <= names
    assert any(each.whom.startswith("httpx") for each in all_imports())
