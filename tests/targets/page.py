"""What docs/targets.md says of the targets, as the command takes its word for it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "targets.md"


def table(text: str, heading: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading, by the names of its columns."""
    _, _, below = text.partition(f"\n## {heading}\n")
    section = below.split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def versions(text: str) -> dict[str, tuple[str, ...]]:
    """The targets, and what of which version is installed for each."""
    return {
        row["target"]: tuple(re.split(r",\s*", row["installed"])) for row in table(text, "Targets")
    }


def differences(text: str) -> dict[str, set[str]]:
    """The targets, and the names of what arrives differently at each."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in table(text, "What arrives differently"):
        for target in re.split(r",\s*", row["at"]):
            found[target].add(row["difference"])
    return found


def outcomes(text: str) -> dict[str, dict[str, str]]:
    """The probes, and what becomes of each at which target."""
    return {row.pop("record"): row for row in table(text, "Single records")}
