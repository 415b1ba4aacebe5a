"""Publishing rules: how many units `inventory_levels` put on sale, of those that are available."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inventory_providers import values
from inventory_providers.errors import Rejected

if TYPE_CHECKING:
    from target_inventory.settings import Rules


def units(value: Any) -> int:
    """The units that a record's `available` names; below zero where a source is oversold.

    Raises:
        Rejected: it is missing or null, or no whole number of at most `MOST_UNITS` in size.
    """
    if value is None:
        raise Rejected("available is missing or null: the provider does not say")
    found = values.units(value)
    if found is None:
        raise Rejected(f"available must be a whole number of at most {values.MOST_UNITS}")
    return found


def published(available: int, rules: Rules) -> int:
    """The units to publish: floor(available x percent / 100) - buffer, at most cap.

    Never below `floor`, and so never below zero. Exact, whatever the size of the numbers.
    """
    share = rules.share
    level = available * share.numerator // share.denominator - rules.buffer
    if rules.cap is not None:
        level = min(level, rules.cap)
    return max(level, rules.floor)


def in_words(rules: Rules) -> str:
    """What of the units that are available at the source is published."""
    parts = [f"{rules.percent:.15g} % of the available units, rounded down"]
    if rules.percent == 100:
        parts = ["all available units"]
    if rules.buffer:
        parts.append(f"less {rules.buffer}")
    if rules.cap is not None:
        parts.append(f"never more than {rules.cap}")
    if rules.floor:
        parts.append(f"never fewer than {rules.floor}, even where none are available")
    return ", ".join(parts)
