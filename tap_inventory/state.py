"""The state: checked before the first request, for a wrong bookmark is a silently short read."""

from __future__ import annotations

import hashlib
import heapq
import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers import registry, times
from inventory_providers.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from inventory_providers.contract import Stream

LOG = logging.getLogger("tap-inventory")

# A bookmark may run ahead of our clock by as much as a provider's clock does.
AHEAD = timedelta(hours=1)

OVERLAP_MOST = 500

TOLERANCE = timedelta(hours=1)

# What a bookmark is made of; a part's name and the key of the rows stand beside it.
MEMBERS = ("replication_key", "replication_key_value", "full_read_at", "overlap", "scope")

ADVICE = "Repair the state, or remove that stream from it to read it anew"


def _wrong(name: str, problem: str) -> ConfigError:
    return ConfigError(f"{name} {problem}", place="state", advice=ADVICE)


def check(
    state: Any,
    known: Mapping[str, Stream],
    now: datetime,
    parts: Mapping[str, Sequence[Mapping[str, str]]],
    ahead: timedelta = timedelta(0),
) -> None:
    """Accept a state that this tap can have written; what is unknown in it is kept, with a warning.

    `parts` are the partitions that are configured, by stream. Moments, not days, may lie in the
    future by `ahead`.

    Raises:
        ConfigError: it is broken, from another tap, or ahead of the clock.
    """
    # A day can have been read when it is over.
    latest = _Latest(now + ahead + AHEAD, (now - timedelta(days=1)).date())
    for stream, value in _bookmarks(state, known).items():
        name = f"bookmarks.{stream}"
        if not isinstance(value, dict) or not isinstance(value.get("partitions", []), list):
            raise _wrong(name, "must be an object, its partitions a list")
        if stream not in known:
            LOG.warning("state: %s is not a stream of this tap; its bookmark is kept", stream)
            continue
        by_day = known[stream].by_day
        _check_bookmark(name, value, latest, by_day=by_day)
        for part in _parts(name, value.get("partitions", [])):
            _check_bookmark(name, part, latest, by_day=by_day)
            if part["context"] not in parts.get(stream, ()):
                LOG.warning(
                    "state: %s has the partition %s, which is not configured; it is kept",
                    name,
                    part["context"],
                )


class _Latest(NamedTuple):
    """What a bookmark may be at most."""

    moment: datetime
    day: date


def _bookmarks(state: Any, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(state, dict):
        raise ConfigError("the state must be a JSON object", place="state")
    bookmarks = state.get("bookmarks") if state else {}
    if state.get("type") == "STATE":
        raise ConfigError(
            "it is a whole STATE message", place="state", advice="Keep only what is its value"
        )
    if not isinstance(bookmarks, dict):
        raise ConfigError(
            "there is no object `bookmarks`: not a state of this tap",
            place="state",
            advice="Give the file that this tap's STATE was kept in, or none to read everything",
        )
    if bookmarks and not any(_is_ours(name, known) for name in bookmarks):
        raise ConfigError(
            f"none of its streams is one of ours ({', '.join(sorted(known))}): "
            "the state of another tap",
            place="state",
            advice="Set --state to the file that this tap's STATE was kept in",
        )
    return bookmarks


def _is_ours(name: str, known: Collection[str]) -> bool:
    """Also where another version of this tap, or another configuration, has written it."""
    rooms = tuple(f"{key}_" for key in registry.PROVIDER_NAMES)
    return name in known or name.startswith(rooms)


def _parts(name: str, partitions: list[Any]) -> list[dict[str, Any]]:
    contexts: list[Any] = []
    for number, part in enumerate(partitions):
        context = part.get("context") if isinstance(part, dict) else None
        if not isinstance(context, dict):
            raise _wrong(f"{name}.partitions[{number}]", "must be an object with a context")
        if context in contexts:
            raise _wrong(f"{name}.partitions[{number}]", "has the context of an earlier one")
        contexts.append(context)
    return partitions


def _check_bookmark(name: str, value: dict[str, Any], latest: _Latest, *, by_day: bool) -> None:
    key = "replication_key_value"
    if key in value and by_day:
        _check_day(f"{name}.{key}", value[key], latest.day)
    elif key in value:
        _check_moment(f"{name}.{key}", value[key], latest.moment)
    if "full_read_at" in value:
        _check_moment(f"{name}.full_read_at", value["full_read_at"], latest.moment)
    for key in ("overlap", "key_properties", "scope"):
        words = value.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise _wrong(f"{name}.{key}", "must be a list of texts")
    if not isinstance(value.get("progress_markers", {}), dict):
        raise _wrong(f"{name}.progress_markers", "must be an object")


def _check_day(name: str, value: Any, latest: date) -> None:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(name, "is not a day such as 2026-01-31") from None
    if day > latest:
        raise _wrong(name, "is in the future: every day until then would be skipped")


def _check_moment(name: str, value: Any, latest: datetime) -> None:
    try:
        has_zone = datetime.fromisoformat(value).tzinfo is not None
        moment = times.parse(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, "is not a date-time") from None
    if not has_zone:
        raise _wrong(name, "has no time zone; a Z at its end means UTC")
    if moment > latest:
        raise _wrong(name, "is in the future: everything until then would be skipped")


class Bookmark:
    """The part of the state that belongs to one stream, read and written in one place.

    `overlap` holds fingerprints of the rows that stand within the overlap before the bookmark. The
    next run reads them again, because something may have been stored late, and emits only those
    that it has not delivered before. With more than 500 of them none is kept: rows then repeat.
    """

    def __init__(
        self, state: dict[str, Any], replication_key: str, *, by_day: bool = False
    ) -> None:
        self._state = state
        self._key = replication_key
        self._by_day = by_day
        if state.get("replication_key", replication_key) != replication_key:
            LOG.warning("state: the bookmark belongs to another replication key; it is not used")
            for name in MEMBERS:
                state.pop(name, None)
        self._known = frozenset(state.get("overlap", ()))
        self._latest: list[tuple[datetime, str]] = []
        self._scope: list[str] | None = None

    @property
    def since(self) -> datetime | None:
        """The stored moment; of a day, its beginning in UTC."""
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
        self._state["replication_key_value"] = self._text(moment)
        self._state.pop("overlap", None)
        return True

    def _text(self, moment: datetime) -> str:
        return moment.date().isoformat() if self._by_day else times.rfc3339(moment)

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

    def forget(self) -> bool:
        """Drop what earlier runs delivered from the state; says whether there was something."""
        return self._state.pop("overlap", None) is not None

    def widen(self, scope: Sequence[str]) -> bool:
        """Note what the settings ask for besides the usual; says whether some of it is new."""
        known = self._state.get("scope", [])
        if not set(scope) ^ set(known):
            return False
        self._scope = sorted(scope)
        return self.since is not None and bool(set(scope) - set(known))

    def _remember(self, moment: datetime, mark: str) -> None:
        if len(self._latest) <= OVERLAP_MOST:
            heapq.heappush(self._latest, (moment, mark))
        else:
            heapq.heappushpop(self._latest, (moment, mark))

    def finish(self, lookback: timedelta, *, full: bool, now: datetime) -> None:
        """The stream was read to its end."""
        if self._scope is not None:
            self._state["scope"] = self._scope
        if full or self.full_read_at is None:
            self._state["full_read_at"] = times.rfc3339(now.astimezone(UTC).replace(microsecond=0))
        self._state.pop("overlap", None)
        if self.since is None:
            return
        self._state["replication_key"] = self._key
        if not lookback and self._by_day:
            return  # a day that is over is not asked for again
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
    # What runs once a day does not run at the same second each day.
    return last is not None and now - last >= timedelta(days=days) - TOLERANCE
