"""Promise: what is kept in a file is whole, on disk, and nobody else's business."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from inventory_providers.errors import OutputError
from target_inventory import files
from tests.inventory_providers.fakes import small_disk

LINE = b'{"a":1}\n'


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_bytes_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    for _ in range(3):
        files.append(tmp_path / "f", LINE)
    assert (tmp_path / "f").read_bytes() == LINE * 3


def test_a_line_is_not_glued_to_one_that_was_torn(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b'{"torn"')
    files.append(tmp_path / "f", LINE)
    assert (tmp_path / "f").read_bytes() == b'{"torn"\n' + LINE


def test_an_empty_file_gets_no_blank_line(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    files.append(tmp_path / "f", LINE)
    assert (tmp_path / "f").read_bytes() == LINE


@pytest.mark.parametrize("before", [None, b"", b"older\n" * 9])
def test_a_file_that_is_made_anew_holds_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    if before is not None:
        (tmp_path / "f").write_bytes(before)
    files.append(tmp_path / "f", LINE, anew=True)
    assert (tmp_path / "f").read_bytes() == LINE
    assert names(tmp_path) == ["f"]


def test_a_device_is_written_to_and_not_replaced() -> None:
    files.append(Path(os.devnull), LINE, anew=True)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.parametrize("anew", [False, True])
def test_only_the_owner_may_read_it(tmp_path: Path, anew: bool) -> None:
    before = os.umask(0)
    try:
        files.append(tmp_path / "f", LINE, anew=anew)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


@pytest.mark.parametrize("anew", [False, True])
def test_it_is_on_disk_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def recording(number: int) -> None:
        (only,) = tmp_path.iterdir()
        synced.append(only.read_bytes())
        fsync(number)

    monkeypatch.setattr(os, "fsync", recording)
    files.append(tmp_path / "f", LINE, anew=anew)
    assert synced == [LINE]


@pytest.mark.parametrize("place", ["/dev/full", "missing/folder/f", "."])
@pytest.mark.parametrize("anew", [False, True])
def test_a_file_that_cannot_be_written_says_which(
    tmp_path: Path, place: str, anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write .+: \w+") as caught:
        files.append(Path(place), LINE, anew=anew)
    assert place in str(caught.value)


def test_what_was_to_be_replaced_is_not_lost_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.append(path, LINE * 500)
    with small_disk(1000), pytest.raises(OutputError):
        files.append(path, LINE * 400, anew=True)
    assert path.read_bytes() == LINE * 500
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_file_that_can_be_written_is_left_as_it_was(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "f").write_bytes(LINE)
    files.must_be_writable(tmp_path / "f")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([LINE] if exists else [])


@pytest.mark.parametrize("place", ["missing/folder/f", "."])
def test_one_that_cannot_is_found_out_beforehand(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="cannot write") as caught:
        files.must_be_writable(Path(place))
    assert place in str(caught.value)


def test_a_stop_in_the_middle_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(number: Any) -> None:
        raise KeyboardInterrupt

    files.append(tmp_path / "f", LINE)
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        files.append(tmp_path / "f", LINE * 2, anew=True)
    assert (tmp_path / "f").read_bytes() == LINE
    assert names(tmp_path) == ["f"]
