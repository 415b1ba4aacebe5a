"""The state: checked before the first request, for a wrong bookmark is a silently short read."""

from __future__ import annotations

import hashlib
import heapq
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from inventory_providers import registry, times
from inventory_providers.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LOG = logging.getLogger("tap-inventory")

# A bookmark may run ahead of our clock by as much as a provider's clock does.
AHEAD = timedelta(hours=1)

OVERLAP_MOST = 500

ADVICE = "Repair the state, or remove that stream from it to read it anew"


def _wrong(name: str, problem: str) -> ConfigError:
    return ConfigError(f"{name} {problem}", place="state", advice=ADVICE)


def check(state: Any, known: Collection[str], now: datetime) -> None:
    """Accept a state that this tap can have written; what is unknown in it is kept, with a warning.

    Raises:
        ConfigError: it is broken, from another tap, or ahead of the clock.
    """
    if not isinstance(state, dict):
        raise ConfigError("the state must be a JSON object", place="state")
    if not state:
        return
    bookmarks = state.get("bookmarks")
    if not isinstance(bookmarks, dict):
        raise ConfigError(
            "there is no object `bookmarks`: not a state of this tap", place="state", advice=ADVICE
        )
    if bookmarks and not any(_is_ours(name, known) for name in bookmarks):
        raise ConfigError(
            f"none of its streams is one of ours ({', '.join(sorted(known))}): "
            "the state of another tap",
            place="state",
            advice="Set --state to the file that this tap's STATE was kept in",
        )
    for stream, value in bookmarks.items():
        name = f"bookmarks.{stream}"
        if not isinstance(value, dict) or not isinstance(value.get("partitions", []), list):
            raise _wrong(name, "must be an object, its partitions a list")
        if stream not in known:
            LOG.warning("state: %s is not a stream of this tap; its bookmark is kept", stream)
        else:
            _check_stream(name, value, now)


def _is_ours(name: str, known: Collection[str]) -> bool:
    """Also where another version of this tap, or another configuration, has written it."""
    rooms = tuple(f"{key}_" for key in registry.CONFIG_KEYS)
    return name in known or name.startswith(rooms) or name == "inventory_levels"


def _check_stream(name: str, value: Any, now: datetime) -> None:
    if not isinstance(value, dict):
        raise _wrong(name, "must be an object")
    for key in ("replication_key_value", "full_read_at"):
        if key in value:
            _check_moment(f"{name}.{key}", value[key], now)
    overlap = value.get("overlap", [])
    if not isinstance(overlap, list) or not all(isinstance(mark, str) for mark in overlap):
        raise _wrong(f"{name}.overlap", "must be a list of texts")
    if not isinstance(value.get("progress_markers", {}), dict):
        raise _wrong(f"{name}.progress_markers", "must be an object")
    partitions = value.get("partitions", [])
    if not isinstance(partitions, list):
        raise _wrong(f"{name}.partitions", "must be a list")
    for number, partition in enumerate(partitions):
        if not isinstance(partition, dict) or not isinstance(partition.get("context"), dict):
            raise _wrong(f"{name}.partitions[{number}]", "must be an object with a context")
        context = partition["context"]
        LOG.warning(
            "state: %s has the partition %s, which is not configured; it is kept", name, context
        )
        _check_stream(f"{name}.partitions[{number}]", {**partition, "partitions": []}, now)


def _check_moment(name: str, value: Any, now: datetime) -> None:
    try:
        has_zone = datetime.fromisoformat(value).tzinfo is not None
        moment = times.parse(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, "is not a date-time") from None
    if not has_zone:
        raise _wrong(name, "has no time zone; a Z at its end means UTC")
    if moment > now + AHEAD:
        raise _wrong(name, "is in the future: everything until then would be skipped")


class Bookmark:
    """The part of the state that belongs to one stream, read and written in one place.

    `overlap` holds fingerprints of the rows that stand within the overlap before the bookmark. The
    next run reads them again, because something may have been stored late, and emits only those
    that it has not delivered before. With more than 500 of them none is kept: rows then repeat.
    """

    def __init__(self, state: dict[str, Any], replication_key: str) -> None:
        self._state = state
        self._key = replication_key
        if state.get("replication_key", replication_key) != replication_key:
            LOG.warning("state: the bookmark belongs to another replication key; it is not used")
            state.clear()
        self._known = frozenset(state.get("overlap", ()))
        self._latest: list[tuple[datetime, str]] = []

    @property
    def since(self) -> datetime | None:
        """The stored moment."""
        text = self._state.get("replication_key_value")
        return None if text is None else times.parse(text)

    @property
    def full_read_at(self) -> datetime | None:
        """When everything was read last."""
        text = self._state.get("full_read_at")
        return None if text is None else times.parse(text)

    def advance(self, moment: datetime | None) -> bool:
        """Move the bookmark forward, never back; says whether it moved."""
        if moment is None or (self.since is not None and moment <= self.since):
            return False
        self._state["replication_key"] = self._key
        self._state["replication_key_value"] = times.rfc3339(moment)
        self._state.pop("overlap", None)
        return True

    def fresh(
        self, lines: Sequence[bytes], moments: Sequence[datetime | None], *, repeat: bool
    ) -> list[bytes]:
        """The lines to emit: with `repeat` all, else those that no earlier run delivered."""
        out = []
        floor = self._latest[0][0] if len(self._latest) > OVERLAP_MOST else None
        for line, moment in zip(lines, moments, strict=True):
            recent = moment is not None and (floor is None or moment >= floor)
            mark = _fingerprint(line) if recent or self._known else ""
            if moment is not None and recent:
                self._remember(moment, mark)
            if repeat or mark not in self._known:
                out.append(line)
        return out

    def _remember(self, moment: datetime, mark: str) -> None:
        if len(self._latest) <= OVERLAP_MOST:
            heapq.heappush(self._latest, (moment, mark))
        else:
            heapq.heappushpop(self._latest, (moment, mark))

    def finish(self, lookback: timedelta, *, full: bool, now: datetime) -> None:
        """The stream was read to its end."""
        if full or self.full_read_at is None:
            self._state["full_read_at"] = times.rfc3339(now.astimezone(UTC).replace(microsecond=0))
        self._state.pop("overlap", None)
        if self.since is None:
            return
        self._state["replication_key"] = self._key
        within = [mark for moment, mark in self._latest if moment >= self.since - lookback]
        if within and len(within) <= OVERLAP_MOST:
            self._state["overlap"] = sorted(within)


def _fingerprint(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=8).hexdigest()


def is_due(bookmark: Bookmark, days: int, now: datetime) -> bool:
    """Whether a full read is due. One is, too, where nothing was read before."""
    if days == 0 or bookmark.since is None:
        return True
    last = bookmark.full_read_at
    return last is not None and now - last >= timedelta(days=days)
