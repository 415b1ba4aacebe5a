"""One run over a change set: settle, plan, judge, write, read back; then the letters, and STATE.

The order is the promise. What earlier runs have left is settled first. The plan is made over the
whole, and the guards judge it, before anything new is sent. Nothing is acknowledged before all of
it is written, stands there already, or is in the dead letter file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from inventory_providers.errors import InventoryError, Rejected, Uncertain
from target_inventory import guards
from target_inventory.apply import Applier, Lane
from target_inventory.changeset import History
from target_inventory.dead_letters import name_of
from target_inventory.levels import NOWHERE, origin_of
from target_inventory.plan import Plan, Planner, decide
from target_inventory.screen import Progress
from target_inventory.settlement import Settled, Settlement
from target_inventory.sku_map import Lost, Unmapped
from target_inventory.words import EXAMPLES, item, many

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from inventory_providers.contract import (
        Address,
        Fields,
        Index,
        Items,
        Key,
        Session,
        Write,
    )
    from inventory_providers.environment import Environment
    from target_inventory.apply import Doubt, Outcome
    from target_inventory.changeset import ChangeSet
    from target_inventory.dead_letters import Letter
    from target_inventory.journal import Entry, Journal
    from target_inventory.levels import Levels, Origin, Source
    from target_inventory.plan import Planned
    from target_inventory.report import Report
    from target_inventory.settings import TargetSettings

LOG = logging.getLogger("target-inventory")

# For so long an addition that nobody knows the outcome of may still show.
DOUBT = timedelta(days=1)


@dataclass(slots=True)
class Shop:
    """One provider that can be written to.

    `permit` raises `ConfigError` where the settings do not allow a write, `admit` `Rejected` where
    they have nothing to do with an item. `connect` opens a session; nothing is requested yet.
    `find` looks up the items that levels from elsewhere speak of.
    """

    name: str
    title: str
    account: str
    writes: Sequence[Write]
    connect: Callable[[], Session]
    permit: Callable[[Write], None] = lambda _: None
    admit: Callable[[Key], None] = lambda _: None
    find: Callable[[Any, Collection[Address]], Index] | None = None

    @property
    def items(self) -> Items:
        """What its writes change."""
        return self.writes[0].items


@dataclass(slots=True)
class _Work:
    """What one run has to do at one shop."""

    shop: Shop
    lane: Lane
    left: Sequence[Entry] = ()
    origins: Mapping[Key, Sequence[Origin]] = field(default_factory=dict)
    seen: Mapping[Key, Fields] = field(default_factory=dict)
    settled: Settled = field(default_factory=Settled)
    settlement: Settlement | None = None
    plan: Plan = field(default_factory=Plan)
    applier: Applier | None = None

    def withdraw(self) -> None:
        """What has not been sent is not to be sent."""
        if self.applier is not None:
            self.applier.withdraw()


class Run:
    """Carries out one change set. `announce` gets the plans when they are whole."""

    def __init__(
        self,
        own: TargetSettings,
        shops: Sequence[Shop],
        changes: ChangeSet,
        *,
        journal: Journal,
        environment: Environment,
        report: Report,
        announce: Callable[[Sequence[tuple[Shop, Plan]]], None],
        levels: Levels | None = None,
        terms: Mapping[str, str] | None = None,
    ) -> None:
        self._levels = levels
        # By provider: those of the levels that come, or of a plan that is carried out.
        self._terms = terms or {}
        self._earlier: Mapping[Key, Mapping[Source, float | None]] = {}
        self._own, self._shops, self._changes = own, shops, changes
        self._journal, self._environment = journal, environment
        self._announce = announce
        self._lanes: list[_Work] = []
        self.report = report
        self.letters: list[Letter] = list(changes.letters)
        self.written: list[Planned] = []

    def carry_out(self) -> None:
        """All of it, up to the read-back.

        Raises:
            Guarded: a guard stopped it; nothing new was written.
            Denied, Unavailable, Malformed, Uncertain: no STATE may follow.
        """
        try:
            self._recall()
            self._connect()
            self._find()
            if self._own.mode == "apply":
                self._settle()
            self._plan()
            if self._own.mode == "apply":
                self._apply()
        finally:
            for lane in self._lanes:
                self.report.requests += lane.lane.session.requests
                lane.lane.session.close()

    def _recall(self) -> None:
        """What earlier runs have left in the journal about levels from elsewhere."""
        for shop in self._shops:
            if self._levels is None or self._levels.provider != shop.name:
                continue
            self._earlier = self._journal.origins(shop.account)
            self.letters = self._told_apart(self.letters)
            if self._journal.terms(shop.account) not in {None, self._levels.terms}:
                LOG.warning(
                    "%s: rules, levels_from or the SKU map are others than in the run before: what "
                    "an incremental read does not bring stays as it was published. Let the tap "
                    "read everything once: without its state",
                    shop.name,
                )

    def _told_apart(self, letters: Sequence[Letter]) -> list[Letter]:
        """What no item takes any more, though one did, is more than a SKU that belongs nowhere."""
        return [
            replace(one, kind=Lost.kind, reason=f"{one.reason}, and its level was published before")
            if one.kind == Unmapped.kind and self._source(one) in self._published
            else one
            for one in letters
        ]

    def _source(self, letter: Letter) -> Source:
        return origin_of(letter.record, self._environment.clock.now()).source

    @cached_property
    def _published(self) -> set[Source]:
        """Where levels came from that items took, as far as nobody was told that none does now."""
        nowhere = self._earlier.get(NOWHERE, {})
        return {
            source
            for key, sources in self._earlier.items()
            for source, observed in sources.items()
            if key != NOWHERE and not _is_since(nowhere, source, observed)
        }

    def _connect(self) -> None:
        for shop in self._shops:
            unfinished = self._admitted(shop, self._journal.unfinished(shop.account))
            untold = self._journal.untold(shop.account)
            wanted = self._changes.keys(shop.name) or self._changes.addresses(shop.name)
            if wanted or unfinished or untold:
                lane = Lane(
                    shop.connect(), shop.items, shop.account, self._journal, self._environment
                )
                self._lanes.append(_Work(shop, lane, unfinished))
            if unfinished:
                apply = self._own.mode == "apply"
                first = "to be settled first" if apply else "would be settled before all this"
                left = many(len(unfinished), "unfinished write")
                LOG.warning("%s: %s of an earlier run %s", shop.name, left, first)
        self._mention_others()

    @staticmethod
    def _admitted(shop: Shop, entries: Sequence[Entry]) -> list[Entry]:
        """What the settings have to do with; the rest stays where it is."""
        kept = []
        for entry in entries:
            try:
                shop.admit(entry.change.key)
            except Rejected as error:
                name = item(entry.change.key)
                LOG.warning("left alone in the journal: a write of %s: %s", name, error.message)
            else:
                kept.append(entry)
        return kept

    def _mention_others(self) -> None:
        others = self._journal.unfinished_elsewhere([shop.account for shop in self._shops])
        for account, count in others.items():
            left = many(count, "unfinished write")
            LOG.warning("left alone in the journal: %s for %s", left, account)

    @property
    def rejected(self) -> list[Letter]:
        """The letters that are kept."""
        return [one for one in self.letters if not self._is_left_out(one)]

    @property
    def goes_on(self) -> bool:
        """Whether an earlier run was cut off, and this one finishes it."""
        return any(lane.left for lane in self._lanes)

    @property
    def left_out(self) -> list[Letter]:
        """Levels from elsewhere that the settings do not want to be rejected."""
        return [one for one in self.letters if self._is_left_out(one)]

    def _is_left_out(self, letter: Letter) -> bool:
        return letter.kind in self._own.leave_out and letter.place > 0

    # ---- before anything new is sent ----

    def _find(self) -> None:
        """Which items the levels from elsewhere speak of."""
        for lane in self._lanes:
            shop, addresses = lane.shop, self._changes.addresses(lane.shop.name)
            if not addresses:
                continue
            assert shop.find is not None
            assert self._levels is not None
            index = shop.find(lane.lane.session, addresses)
            journal, before = self._journal, len(self._changes.letters)
            history = History(self._earlier, partial(journal.written_since, shop.account))
            lane.origins = self._changes.resolve(shop.name, index, self._levels, history)
            self.letters += self._told_apart(self._changes.letters[before:])
            # What is left of earlier runs is settled first, and that moves levels.
            lane.seen = {} if lane.left else index.levels
        self.report.superseded += self._changes.superseded

    def _settle(self) -> None:
        for lane in self._lanes:
            writes = {write.stream: write for write in lane.shop.writes}
            for stream in {entry.stream for entry in lane.left}:
                lane.shop.permit(writes[stream])
            settlement = Settlement(
                lane.lane,
                writes,
                resend_within=timedelta(seconds=self._own.resend_within_seconds),
                said=partial(self._changes.said, lane.shop.name),
            )
            lane.settled, lane.settlement = settlement.settled, settlement
            try:
                settlement.settle(lane.left)
            finally:
                self._count_settled(lane.settled)
            for wanted in lane.settled.wanted:
                self._changes.first(lane.shop.name, wanted)

    def _count_settled(self, settled: Settled) -> None:
        self.report.settled += len(settled.finished)
        self.written += settled.finished
        self.letters += settled.letters
        self._count_unknown(settled.unknown)

    def _plan(self) -> None:
        for lane in self._lanes:
            lane.plan = self._planned(lane)
            self.report.unchanged += lane.plan.unchanged
            self.report.superseded += lane.plan.superseded
            self.letters += self._told_apart(lane.plan.letters)
        plans = [lane.plan for lane in self._lanes]
        judgement = guards.judge(plans, self._own.guards)
        self.letters += judgement.letters
        self.report.guards = judgement.hits
        self.report.planned = sum(len(plan.changes) for plan in plans)
        self._announce([(lane.shop, lane.plan) for lane in self._lanes])
        judgement.must_pass(self._own.mode)
        for lane in self._lanes:
            if lane.settlement is not None:
                self._decide(lane, lane.settlement)

    def _planned(self, lane: _Work) -> Plan:
        journal, account = self._journal, lane.shop.account
        keys = self._changes.keys(lane.shop.name)
        if not keys:
            return Plan()
        unseen = [key for key in keys if key not in lane.seen]
        levels = {**lane.seen, **(lane.lane.levels(unseen) if unseen else {})}
        now = self._environment.clock.now()
        planner = Planner(
            lambda key, event: journal.event(account, key, event),
            lambda key, letter: journal.newer_than_letter(account, key, letter),
            lambda key: journal.in_doubt(account, key, now - DOUBT),
            run=f"{now.isoformat()} {self._environment.random.getrandbits(64):x}",
        )
        items = self._changes.items(lane.shop.name)
        watched = {letter.key for letter in self._changes.letters if letter.key is not None}
        return planner.make(items, levels, frozenset(watched | journal.lettered(account)))

    # ---- writing ----

    def _apply(self) -> None:
        try:
            with Progress(self.report.planned) as progress:
                self._intend(progress)
                failures = [error for lane in self._lanes if (error := self._write(lane))]
        except BaseException:
            for lane in self._lanes:
                lane.withdraw()
            raise
        if failures:
            # One provider's trouble does not keep the others from being written to.
            failures.sort(key=lambda error: not isinstance(error, Uncertain))
            for error in failures[1:]:
                LOG.error("%s", error)
            raise failures[0]

    def _intend(self, progress: Progress) -> None:
        for lane in self._lanes:
            self._journal.keep_origins(lane.shop.account, lane.origins)
            planned = self._changes.planned(lane.shop.name)
            self._journal.keep_origins(lane.shop.account, planned)
            keys = {planned.change.key for planned in lane.plan.changes}
            ghosts = self._journal.under_way(lane.shop.account, keys)
            lane.applier = Applier(lane.lane, ghosts=ghosts, advance=progress.advance)
            lane.applier.intend(lane.plan.changes, replaces=self._taken_over(lane))

    def _taken_over(self, lane: _Work) -> list[int]:
        """What is left of earlier runs and is in the plan now; what is rejected has letters."""
        rejected = {-letter.place: letter.reason for letter in self.letters if letter.place < 0}
        left = set(lane.settled.entries)
        for entry in left & rejected.keys():
            self._journal.end([entry], "refused", rejected[entry])
        return sorted(left - rejected.keys())

    def _decide(self, lane: _Work, settlement: Settlement) -> None:
        """What new records were to decide, and do not, for they are rejected themselves."""
        rejected = {letter.key for letter in self.letters}
        before = len(lane.settled.letters), len(lane.settled.unknown)
        settlement.decide(rejected)
        self.letters += lane.settled.letters[before[0] :]
        self._count_unknown(lane.settled.unknown[before[1] :])

    def _write(self, lane: _Work) -> InventoryError | None:
        assert lane.applier is not None
        try:
            lane.applier.apply()
        except InventoryError as error:
            return error
        finally:
            self._count(lane.applier.outcome)
        return None

    def _count(self, outcome: Outcome) -> None:
        self.report.written += len(outcome.written)
        self.report.verified += outcome.verified
        self.report.moved += outcome.moved
        self.letters += outcome.letters
        self.written += outcome.written
        self._count_unknown(outcome.unknown)

    def _count_unknown(self, doubts: Sequence[Doubt]) -> None:
        self.report.unknown += len(doubts)
        for doubt in doubts[:EXAMPLES]:
            name = item(doubt.change.key)
            LOG.error("%s %s: outcome unknown: %s", doubt.write.stream, name, doubt.cause)

    # ---- afterwards ----

    def remember(self, at: datetime) -> None:
        """Which items will have a letter of this time, and which older letters are overtaken.

        Before the letters are on disk: one that the journal does not know is never overtaken.
        """
        for lane in self._lanes:
            self._overtake(lane)
        for shop in self._shops:
            streams = {write.stream for write in shop.writes if write.is_setting}
            if self._levels is not None and self._levels.provider == shop.name:
                streams.add(self._levels.write.stream)
                self._remember_nowhere(shop, at)
            self._journal.keep_letters(
                shop.account,
                [
                    (one.key, name_of(at, one.place), self._newer(shop, one))
                    for one in self.rejected
                    if one.key is not None and one.stream in streams
                ],
            )

    def _remember_nowhere(self, shop: Shop, at: datetime) -> None:
        """What no item took is newer than the letters of before, too."""
        kinds = {Unmapped.kind, Lost.kind}
        origins = [origin_of(one.record, at) for one in self.letters if one.kind in kinds]
        self._journal.keep_origins(shop.account, {NOWHERE: origins})

    def keep_terms(self) -> None:
        """The input was read to its end: from now on these are the terms of before."""
        for shop in self._shops:
            if shop.name in self._terms:
                self._journal.keep_terms(shop.account, self._terms[shop.name])

    def told(self) -> None:
        """The letters are on disk."""
        for shop in self._shops:
            self._journal.tell(shop.account)

    def _overtake(self, lane: _Work) -> None:
        """Older letters of an item do not set again what stands there as newer records want it."""
        decided, watched = lane.plan.decided, self._journal.lettered(lane.shop.account)
        watched |= {letter.key for letter in self.letters if letter.key is not None}
        written = [] if lane.applier is None else lane.applier.outcome.written
        for planned in written:
            is_setting = planned.wanted[-1].write.is_setting
            if is_setting and planned.change.key in watched:
                decide(decided, planned.change.key, planned.wanted)
        self._journal.supersede(lane.shop.account, decided)

    def _newer(self, shop: Shop, letter: Letter) -> set[str]:
        """What later records of the same input have decided."""
        lanes = [lane for lane in self._lanes if lane.shop is shop]
        decided = lanes[0].plan.decided if lanes else {}
        if letter.key is None:
            return set()
        newer = {
            name for name, place in decided.get(letter.key, {}).items() if place > letter.place
        }
        if letter.origin is not None:
            newer |= self._journal.newer_than_letter(shop.account, letter.key, letter.origin)
        return newer


def _is_since(
    nowhere: Mapping[Source, float | None], source: Source, observed: float | None
) -> bool:
    """Whether a level of that source had nowhere to go after one that an item took."""
    if source not in nowhere:
        return False
    last = nowhere[source]
    return last is None or observed is None or last >= observed
