"""Promise: what the pages show can be done: each name, option, place, configuration and command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inventory_providers import config, registry
from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms
from tap_inventory import tap
from target_inventory import settings
from target_inventory.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Canaries

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OPERATING, TROUBLE = DOCS / "operating.md", DOCS / "troubleshooting.md"
PROVIDERS, EXTENDING = DOCS / "providers.md", DOCS / "extending.md"
# The pages for users; how the checks are measured is not one.
PAGES = [ROOT / "README.md", *sorted({*DOCS.glob("*.md")} - {DOCS / "mutation.md"})]
EVERYWHERE = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="the sources are not here")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# ---- names ---------------------------------------------------------------------------------------


@cache
def schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The configurations of both commands."""
    return tap.config_schema()["properties"], settings.config_schema()["properties"]


@cache
def names_of_settings() -> set[str]:
    """Those of a provider with and without its name, those of another object with its name only."""
    found: set[str] = set()
    for properties in schemas():
        for name, part in properties.items():
            inner = part.get("properties", {})
            found |= {name, *(f"{name}.{each}" for each in inner)}
            found |= set(inner) if name in registry.PROVIDER_NAMES else set()
    return found


def other_names() -> set[str]:
    """What else has a name of this form: streams, their columns, what a report counts."""
    streams = registry.every_stream()
    columns = {name for stream in streams.values() for name in stream.model.model_fields}
    writes = {stream for stream, _ in registry.writes().items()}
    return {*streams, *columns, *writes, *Report.__dataclass_fields__}


# Of Singer, of what is written, of Airflow and of other targets.
SINGER = {"stream_maps", "batch_config", "key_properties", "emit_activate_version_messages"}
WRITTEN = {"idempotency_key", "expected_inv_lvl", "seller_sku", "marketplace_id"}
WRITTEN |= {"operator_id", "operator_login", "source_sku", "target_sku"}
OTHERS = {
    "README": {"inventory_details.fulfillable_quantity"},
    "airflow": {"awaiting_input", "core.default_task_retry_delay"},
    "meltano": {"tap_inventory__levels", "tap_inventory__second"},
    "targets": {"file_naming_scheme", "overwrite_behavior"},
}


def of_airflow() -> set[str]:
    """DAGs, tasks and pools, by the accounts of the example."""
    said = json.loads(read(ROOT / "orchestrate" / "accounts.example.json"))
    accounts = [account["name"] for account in said["accounts"]]
    routes = [f"inventory_write_back_{route['name']}" for route in said["write_back"]]
    tasks = {f"{kind}_{name}" for kind in ("pull", "inventory") for name in accounts}
    return {"inventory_pull", "inventory_loader", *tasks, *routes}


def unknown_names(text: str) -> set[str]:
    """Names in back quotes that are no setting, stream or column."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    # A part of a configuration in a sentence: "name": value.
    parts = set(re.findall(r"`[^`\n]*`", prose))
    keys = {key for part in parts for key in re.findall(r'"(\w+)": ', part)}
    named = keys | set(re.findall(r"`([a-z0-9]+(?:_+[a-z0-9]+)+|[a-z0-9_]+\.[a-z_]+)`", prose))
    inside = {name.partition(".")[2] for name in names_of_settings() if "." in name}
    named -= {key for key in keys if key in inside}
    known = names_of_settings() | other_names() | SINGER | WRITTEN
    files = {name for name in named if name.endswith((".json", ".jsonl", ".html", ".sh"))}
    return named - known - files - _files()


@cache
def _files() -> set[str]:
    """What is called so in the project."""
    places = ("inventory_providers", "tap_inventory", "target_inventory", "scripts", "tests")
    found = {path.name for place in places for path in (ROOT / place).rglob("*")}
    return found | {path.name for path in ROOT.iterdir()}


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    others = OTHERS.get(page.stem, set()) | (of_airflow() if page.stem == "airflow" else set())
    assert unknown_names(read(page)) - others == set()


def test_a_setting_that_does_not_exist_would_be_found() -> None:
    text = "`max_moons` `guards.max_moons` `guards.max_delta` `levels_to` `moons.py` `wire.py`"
    assert unknown_names(text) == {"max_moons", "guards.max_moons", "moons.py"}
    assert unknown_names("`max_delta`") == {"max_delta"}
    text = '`"mod": "plan"` `{"guards": {"max_delta": 5}}` `"max_moons": 1`'
    assert unknown_names(text) == {"mod", "max_moons"}


@each_page
def test_every_variable_of_the_environment_is_that_of_a_setting(page: Path) -> None:
    known = {"LOGLEVEL", *(name.replace(".", "_").upper() for name in names_of_settings())}
    # Meltano has variables for each part of an object, and for inherited plugins.
    named = re.findall(
        r"\b(?:TAP|TARGET)_INVENTORY_(?:_LEVELS_|_SECOND_)?([A-Z_]*[A-Z])", read(page)
    )
    assert set(named) <= known


@each_page
def test_every_document_that_is_shown_can_be_read(page: Path) -> None:
    for block in re.findall(r"```json\n(.*?)```", read(page), re.DOTALL):
        json.loads(block)


def of_a_provider(name: str) -> str:
    """The section of a provider in the page on how to get in."""
    title = registry.provider(name).title
    (section,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)",
        read(PROVIDERS),
        re.MULTILINE | re.DOTALL,
    )
    return section


@pytest.mark.parametrize("name", registry.PROVIDER_NAMES)
def test_what_a_provider_has_to_be_told_is_on_its_page(name: str) -> None:
    part = schemas()[0][name]
    section = of_a_provider(name)
    named = set(re.findall(r"`([a-z_]+)`", section)) & names_of_settings()
    assert set(part.get("required", [])) <= named
    # What stands there is a setting of this provider, and not of another one.
    assert named <= part["properties"].keys()


def test_the_files_of_a_new_provider_are_those_of_the_example() -> None:
    named = re.findall(r"^\d\. \*\*`(\w+\.py)`\*\*", read(EXTENDING), re.MULTILINE)
    example = {path.name for path in (ROOT / "tests" / "sixth" / "pocketstock").glob("*.py")}
    assert (sorted(named), len(named)) == (sorted(example), 6)
    assert "a folder with six small files" in read(EXTENDING)


# ---- options and places --------------------------------------------------------------------------

COMMANDS = ("tap-inventory", "target-inventory", "inventory-sandbox")
# Of Meltano.
FOREIGN = {"--environment", "--state-id-suffix", "--all", "--force", "--full-refresh"}


@cache
def options() -> set[str]:
    """Those of our commands, by what they say themselves."""
    calls = [[str(Path(sys.executable).parent / name), "--help"] for name in COMMANDS]
    calls.append([sys.executable, str(ROOT / "scripts" / "targets_check.py"), "--help"])
    said = [
        subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout
        for call in calls
    ]
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(said)))


@pytest.mark.processes
def test_every_option_that_is_shown_exists() -> None:
    shown = {
        option for page in PAGES for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", read(page))
    }
    assert len(shown) > 8
    assert shown - options() == FOREIGN


def anchors(page: Path) -> set[str]:
    """What a link can lead to on a page, by the headings, as the usual hosts make them."""
    prose = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def broken(page: Path) -> list[str]:
    """The links that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        path = (page.parent / place).resolve() if place else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", EVERYWHERE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A (b), c\n[a](#a-b-c) [b](#moon) [c](page.md) [d](moon.md) [e](https://x/y)\n"
    )
    assert broken(page) == ["#moon", "moon.md"]


# ---- commands ------------------------------------------------------------------------------------


def steps(page: Path) -> list[tuple[str, str]]:
    """Each command of the console blocks with what is shown after it."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in found)]


@pytest.fixture
def shop() -> Iterator[SandboxServer]:
    clock = Clock()
    with SandboxServer(rooms(clock, 120), clock=clock) as server:
        yield server


@pytest.mark.processes
@pytest.mark.parametrize("page", [OPERATING, TROUBLE], ids=lambda page: page.stem)
def test_the_commands_do_what_is_shown(
    shop: SandboxServer, page: Path, tmp_path: Path, canaries: Canaries
) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / "scripts").symlink_to(ROOT / "scripts")
    ran = 0
    for command, shown in steps(page):
        if command.startswith("cat "):
            (folder / command.removeprefix("cat ")).write_text(
                shown.replace("http://127.0.0.1:8765", shop.url)
            )
            continue
        done = _in_a_shell(command, folder)
        canaries.saw("stderr", done.stderr)
        canaries.saw("stdout", done.stdout)
        assert (done.returncode, shown) == (0, done.stdout), done.stderr
        ran += "inventory" in command or "pipeline" in command
    assert ran >= (9 if page == OPERATING else 2)
    if page == OPERATING:
        _must_have_done_its_day(shop, folder)


def _in_a_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    ours = ("TAP_", "TARGET_", "LOGLEVEL")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=kept | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _must_have_done_its_day(shop: SandboxServer, folder: Path) -> None:
    assert (folder / "shop.dead-letters.jsonl").read_bytes() == b""
    (line,) = [json.loads(line) for line in (folder / "back.jsonl").read_text().splitlines()]
    assert (line["key"], line["before"]) == ({"dn_sku_id": "19617_1380"}, 5)
    assert "19617_1380" in (folder / "plan.html").read_text()
    assert json.loads((folder / "planned.json").read_text())["planned"] == 1
    published = json.loads((folder / "published.json").read_text())
    assert (published["unknown"], published["guards"]) == (0, [])
    levels = shop.room("deconetwork").rows("deconetwork_inventory")
    assert levels["19617_1380",]["inv_lvl"] != line["before"]
    assert (folder / "state.json").stat().st_size > 0


# ---- configurations ------------------------------------------------------------------------------


def configurations() -> list[Any]:
    """Whole configurations on the pages, as blocks and as files that are shown."""
    found = []
    for page in PAGES:
        shown = re.findall(r"```json\n(.*?)```", read(page), re.DOTALL)
        shown += [shown for command, shown in steps(page) if command.startswith("cat ")]
        for text in shown:
            try:
                document = json.loads(text)
            except json.JSONDecodeError:
                continue
            if set(registry.PROVIDER_NAMES) & set(document):
                found.append(pytest.param(document, id=f"{page.stem}-{len(found)}"))
    return found


def test_configurations_are_found() -> None:
    assert len(configurations()) > 5


@pytest.mark.parametrize("document", configurations() if DOCS.exists() else [])
def test_a_configuration_that_is_shown_is_a_right_one(document: dict[str, Any]) -> None:
    own = {name: part for name, part in document.items() if name not in registry.PROVIDER_NAMES}
    loaded = config.load(document, known=schemas()[1].keys() | {"start_date"})
    assert set(loaded.providers) == document.keys() - own.keys()
    settings.load(document)
