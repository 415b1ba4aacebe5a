"""Files that a run leaves behind: whole, on disk, and for their owner only."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from inventory_providers.errors import OutputError


def append(path: Path, data: bytes, *, anew: bool = False) -> None:
    """Add bytes to a file that only its owner may read, or replace it; on disk when this returns.

    Raises:
        OutputError: it cannot be written. A file that was to be replaced is then as it was.
    """
    try:
        if anew and (path.is_file() or not path.exists()):
            _replace(path, data)
        else:
            _add(path, data)
    except OSError as error:
        raise _unwritable(path, error) from None


def remove(path: Path) -> None:
    """Remove a file that will be made anew.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def must_be_writable(path: Path) -> None:
    """Find out before the stock is changed, not after.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror}",
        place="output",
        advice="Name another place in the settings, or make its folder, or room, and run again",
    )


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        _write(descriptor, data)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _add(path: Path, data: bytes) -> None:
    torn = path.is_file() and not _ends_with_a_line(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _write(descriptor, b"\n" + data if torn else data)


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "ab") as file:
        file.write(data)
        file.flush()
        # A device or a pipe cannot be flushed to disk.
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())
