"""Moments: read tolerantly, kept in UTC, written in one way."""

from __future__ import annotations

from datetime import UTC, datetime


def parse(text: str) -> datetime:
    """A moment from ISO 8601 text, in UTC. Without a zone it is taken as UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """`2018-10-01T00:00:00Z` for a moment in UTC; six digits of a fraction where there is one."""
    return moment.isoformat().removesuffix("+00:00") + "Z"
