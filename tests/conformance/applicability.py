"""Which row of the faults' table is for which provider. Anything but "applies" is the reason."""

from __future__ import annotations

from tests.conformance.subject import traits_of

APPLIES = "applies"
ROWS = tuple(f"T{n:02}" for n in range(1, 31))


def table(providers: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Row -> provider -> "applies" or the reason why not."""
    excused = {name: traits_of(name).not_applicable for name in providers}
    return {row: {name: excused[name].get(row, APPLIES) for name in providers} for row in ROWS}
