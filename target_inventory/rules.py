"""Publishing rules: how many units `inventory_levels` put on sale, of those that are available."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from inventory_providers.errors import Rejected

if TYPE_CHECKING:
    from target_inventory.settings import Rules

# No shop counts more; it is what still fits a 32-bit column at the providers.
LARGEST = 2**31 - 1


def units(value: Any) -> int:
    """The units that a record's `available` names; below zero where a source is oversold.

    Raises:
        Rejected: it is missing or null, or no whole number of at most `LARGEST` in size.
    """
    if value is None:
        raise Rejected("available is missing or null: the provider does not say")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _no_units()
    exact = Decimal(value)
    if not exact.is_finite() or not -LARGEST <= exact <= LARGEST:
        raise _no_units()
    if exact != exact.to_integral_value():
        raise _no_units()
    return int(exact)


def _no_units() -> Rejected:
    return Rejected(f"available must be a whole number of at most {LARGEST}")


def published(available: int, rules: Rules) -> int:
    """The units to publish: floor(available x percent / 100) - buffer, at most cap.

    Never below `floor`, and so never below zero. Exact, whatever the size of the numbers.
    """
    share = rules.share
    level = available * share.numerator // share.denominator - rules.buffer
    if rules.cap is not None:
        level = min(level, rules.cap)
    return max(level, rules.floor)
