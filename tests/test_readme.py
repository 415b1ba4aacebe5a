"""Promise: what the README shows is what happens, word for word but for ports and seconds."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inventory_providers.sandbox.room import Clock
from inventory_providers.sandbox.server import SandboxServer, rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Finished

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not README.exists(), reason="the sources are not here"),
]


def consoles() -> list[str]:
    """The console blocks of the README."""
    return re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def shown(command: str) -> str:
    """What the README shows after a command."""
    (block,) = [block for block in consoles() if f"$ {command}\n" in block]
    return block.split(f"$ {command}\n", 1)[1].split("\n$ ", 1)[0]


@pytest.fixture
def shop() -> Iterator[SandboxServer]:
    clock = Clock()
    with SandboxServer(rooms(clock, 500), clock=clock) as server:
        yield server


def timeless(text: str) -> list[str]:
    """Lines without ports and seconds; the dots stand for what is left out."""
    text = re.sub(r":\d{4,5}\b", ":PORT", text)
    text = re.sub(r"\b\d+\.\d s\b", "N s", text)
    return [line.strip() for line in text.splitlines() if line.strip() not in {"", "..."}]


@pytest.mark.skipif(not (ROOT / "scripts").exists(), reason="the sources are not here")
def test_the_first_command_prints_what_the_readme_shows(
    shop: SandboxServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    demo = importlib.import_module("demo")
    demo.story(Path(sys.executable).parent, tmp_path, shop.url)
    printed = timeless(capfd.readouterr().out)
    expected = timeless(shown("python3 scripts/demo.py"))
    # The first two lines are about the set-up, which the tests have behind them.
    assert [line for line in expected[2:] if line not in printed] == []


def test_the_commands_of_the_use_section_work(
    shop: SandboxServer, tmp_path: Path, run_process: Callable[..., Finished]
) -> None:
    config = json.loads(shown("cat config.json"))
    assert config["deconetwork"] | {"api_url": shop.url} == shop.settings("deconetwork")
    config["deconetwork"]["api_url"] = shop.url
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "counts.jsonl").write_text(shown("cat counts.jsonl"))

    lines = [line[2:] for block in consoles() for line in block.splitlines() if line[:2] == "$ "]
    commands = [line for line in lines if re.match(r"\.venv/bin/(tap|target)-inventory ", line)]
    assert len(commands) == 3
    for line in commands:
        command, _, into = line.removeprefix(".venv/bin/").partition(" > ")
        program, *arguments = shlex.split(command)
        done = run_process([program.replace("-", "_"), *(_in(tmp_path, one) for one in arguments)])
        assert done.code == 0, done.err
        if into:
            (tmp_path / into).write_bytes(done.out)
    assert shop.room("deconetwork").rows("deconetwork_inventory")["19617_1378",]["inv_lvl"] == 25
    stock = (tmp_path / "stock.jsonl").read_bytes()
    for stream in ("deconetwork_inventory", "inventory_levels"):
        head = f'{{"type":"RECORD","stream":"{stream}"'.encode()
        assert stock.count(head) == 500


def _in(folder: Path, argument: str) -> str:
    return str(folder / argument) if argument.endswith((".json", ".jsonl")) else argument
