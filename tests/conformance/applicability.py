"""Which row of the faults' table is for which provider. Anything but "applies" is the reason."""

from __future__ import annotations

APPLIES = "applies"
ROWS = tuple(f"T{n:02}" for n in range(1, 31))

# Where nothing is said, the row applies.
_EXCEPTIONS: dict[str, dict[str, str]] = {
    "deconetwork": {
        "T08": "no session and no request ids: every request carries the credentials",
        "T23": "no page token: pages are asked for by date and offset",
        "T24": "no page token: pages are asked for by date and offset",
        "T25": "no large bodies: an answer has at most 100 rows",
    },
}


def _row(row: str, providers: tuple[str, ...]) -> dict[str, str]:
    return {name: _EXCEPTIONS[name].get(row, APPLIES) for name in providers}


def table(providers: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Row -> provider -> "applies" or the reason why not; `KeyError` for an unknown provider."""
    return {row: _row(row, providers) for row in ROWS}
