"""Rejected records as Singer messages that can be mended and fed back with `--input`."""

from __future__ import annotations

import math
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inventory_providers.errors import OutputError
from inventory_providers.jsonio import dumps
from inventory_providers.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """One rejected record: as it came, why, and what stood at the provider then."""

    stream: str
    record: dict[str, Any]
    reason: str
    live: dict[str, Any] | None = None

    def line(self, at: datetime) -> bytes:
        """As a RECORD message; Singer readers ignore what stands besides the record."""
        message = {
            "type": "RECORD",
            "stream": self.stream,
            "record": writable(self.record),
            "rejected": {"reason": self.reason, "live": self.live, "at": rfc3339(at)},
        }
        return dumps(message) + b"\n"


def writable(value: Any) -> Any:
    """NaN and Infinity as text: JSON has no numbers for them, and text is rejected again."""
    if isinstance(value, dict):
        return {key: writable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [writable(item) for item in value]
    finite = value.is_finite() if isinstance(value, Decimal) else True
    if isinstance(value, float):
        finite = math.isfinite(value)
    return value if finite else str(value)


def write(path: Path, letters: Sequence[Letter], at: datetime, *, anew: bool = False) -> None:
    """Add the letters to the file, on disk before this returns. `anew` replaces what is there.

    Raises:
        OutputError: the file cannot be written.
    """
    lines: list[bytes] = []
    for stream in dict.fromkeys(letter.stream for letter in letters):
        schema = {"type": "object", "properties": {}}
        schema_message = {"type": "SCHEMA", "stream": stream, "schema": schema}
        lines.append(dumps(schema_message | {"key_properties": []}) + b"\n")
        lines += [letter.line(at) for letter in letters if letter.stream == stream]
    append(path, b"".join(lines), anew=anew)


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
        raise OutputError(f"cannot write {path}: {error.strerror}", place="output") from None


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
        raise OutputError(f"cannot write {path}: {error.strerror}", place="output") from None


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "ab") as file:
        file.write(data)
        file.flush()
        # A device or a pipe cannot be flushed to disk.
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fsync(file.fileno())


def is_same_file(first: Path, second: str | None) -> bool:
    """Whether the letters would be added to the very file they are read from."""
    return second is not None and first.exists() and first.samefile(second)
