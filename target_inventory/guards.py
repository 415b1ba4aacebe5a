"""The guards: what is wrong with a change set as a whole, before any of it is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from inventory_providers.errors import Guarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from inventory_providers.contract import Fields, Key
    from target_inventory.dead_letters import Letter
    from target_inventory.plan import Plan, Planned
    from target_inventory.settings import Guards

# Fewer SKUs than this are somebody's day's work, not a mistake in a pipeline.
MANY = 10
MOST_BEYOND_DELTA_PERCENT = 50
FOR_A_PLAN = (
    "To carry this plan out as it is, raise the limit for that one run; nothing was written"
)
# What a wrong unit does to a level: cents for euros, grams for kilograms.
FACTORS = frozenset({Fraction(100), Fraction(1000), Fraction(1, 100), Fraction(1, 1000)})


class _Move(NamedTuple):
    """The units of one SKU before and after; None where it has none, or they are not known."""

    stream: str
    key: Key
    before: Fraction | None
    after: Fraction | None

    @property
    def delta(self) -> Fraction:
        """How many units it moves; a level that is not known counts as 0."""
        return abs((self.after or Fraction(0)) - (self.before or Fraction(0)))

    @property
    def is_newly_zero(self) -> bool:
        """Whether there were some, and none are left."""
        return self.before is not None and self.before > 0 and self.after == 0

    @property
    def is_unit_error(self) -> bool:
        """Whether it looks as if somebody had taken one unit for another."""
        if not self.before or self.after is None:
            return False
        return self.after / self.before in FACTORS


@dataclass(slots=True)
class Judgement:
    """What the guards found. `hits` says which limit was exceeded, in words."""

    letters: list[Letter] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)

    def must_pass(self, mode: str = "apply") -> None:
        """Raise what a run in this mode ends with.

        Raises:
            Guarded: nothing may be written.
        """
        if self.hits:
            advice = FOR_A_PLAN if mode == "plan" else None
            raise Guarded("; ".join(self.hits), place="guards", advice=advice)


def judge(plans: Sequence[Plan], guards: Guards) -> Judgement:
    """Judge the whole change set; single changes that go too far leave the plans as letters."""
    judgement = Judgement()
    # What moves no units (a threshold, tracking) must not thin out what does.
    moves = [move for plan in plans for move in _moves(plan.changes) if move.before != move.after]
    count = sum(len(plan.changes) for plan in plans)
    if guards.max_changes is not None and count > guards.max_changes:
        judgement.hits.append(f"{count} changes, more than guards.max_changes {guards.max_changes}")
    shares = (
        ("max_newly_zero_percent", sum(move.is_newly_zero for move in moves), "would go to 0"),
        (
            "max_unit_error_percent",
            sum(move.is_unit_error for move in moves),
            "by exactly 100 or 1000",
        ),
    )
    for name, hit, words in shares:
        limit = getattr(guards, name)
        if _is_too_many(hit, len(moves), limit):
            judgement.hits.append(
                f"{hit} of {len(moves)} changed SKUs {words}, more than guards.{name} {limit:g}"
            )
    if guards.max_delta is not None:
        _judge_deltas(plans, moves, guards.max_delta, judgement)
    return judgement


def _is_too_many(hit: int, of: int, percent: float) -> bool:
    return hit >= MANY and hit * 100 > of * percent


def _judge_deltas(
    plans: Sequence[Plan], moves: Sequence[_Move], most: int, judgement: Judgement
) -> None:
    beyond = {(move.stream, move.key): move for move in moves if move.delta > most}
    if _is_too_many(len(beyond), len(moves), MOST_BEYOND_DELTA_PERCENT):
        judgement.hits.append(
            f"{len(beyond)} of {len(moves)} changed SKUs by more units than guards.max_delta {most}"
        )
        return
    for plan in plans:
        kept: list[Planned] = []
        for planned in plan.changes:
            move = beyond.get(_group(planned))
            if move is None:
                kept.append(planned)
            else:
                # One reason for all of them: each letter shows what is there and what is wanted.
                reason = f"a change of more units than guards.max_delta {most}"
                judgement.letters += planned.rejected(reason)
        plan.changes = kept


def _group(planned: Planned) -> tuple[str, Key]:
    """Whose units move: all writes to an item count together, whatever their streams."""
    return ("/".join(planned.write.items.key), planned.change.key)


def _moves(changes: Iterable[Planned]) -> list[_Move]:
    by_item: dict[tuple[str, Key], list[Planned]] = defaultdict(list)
    for planned in changes:
        by_item[_group(planned)].append(planned)
    return [
        _Move(
            *group, _units(many[0], many[0].change.before), _units(many[-1], many[-1].change.after)
        )
        for group, many in by_item.items()
    ]


def _units(planned: Planned, level: Fields | None) -> Fraction | None:
    """The units in stock; an item that is not there has none."""
    if level is None:
        return Fraction(0)
    units = level.get(planned.write.items.level)
    return None if units is None else Fraction(units)
