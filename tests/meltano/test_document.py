"""Promise: every command of docs/meltano.md is one that scripts/meltano_check.py runs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the sources are not here")


def test_each_command_of_the_document_is_run_by_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    check = importlib.import_module("meltano_check")
    text = (ROOT / "docs" / "meltano.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    shown = [line.removeprefix("$ ").removesuffix(" &") for line in "".join(blocks).splitlines()]
    assert sorted(shown) == sorted([*check.SET_UP, *check.COMMANDS])


def test_each_of_these_commands_is_used_by_the_check() -> None:
    source = (ROOT / "scripts" / "meltano_check.py").read_text(encoding="utf-8")
    _, _, body = source.partition("\nCOMMANDS = (")
    names, _, body = body.partition("\n)")
    for name in re.findall(r"[A-Z_]+", names):
        assert re.search(rf"(run\(|\{{){name}\b", body), name
