"""A plan that restores the levels before a run: the plan backwards."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from inventory_providers.errors import Rejected
from target_inventory.words import item, many, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from inventory_providers.contract import Change, Write
    from target_inventory.plan import Planned

LOG = logging.getLogger("target-inventory")


def lines(written: Sequence[Planned]) -> Iterator[bytes]:
    """One line per field that was set, in the form of the plan, the last write first.

    `before` is what the run wrote: fed back with `--input`, an item that has moved since is
    rejected. What has no way back (an addition, a level that nobody knew before) is left out.
    """
    lost: list[Planned] = []
    for planned in reversed(written):
        back = _back(planned.change) if planned.write.effect == "set" else None
        if back is None or not _may_be_sent(planned.write, back):
            lost.append(planned)
            continue
        if len(back.fields) < len(planned.change.fields):
            lost.append(planned)
        yield from replace(planned, change=back).lines()
    if lost:
        LOG.warning(
            "%s cannot be undone, or not all of it, by undo_path: %s",
            many(len(lost), "write"),
            some([item(planned.change.key) for planned in reversed(lost)]),
        )


def _back(change: Change) -> Change | None:
    before, after = change.before or {}, change.after or {}
    restored = {name: before[name] for name in change.fields if before[name] is not None}
    if not restored:
        return None
    return replace(change, before=after, after={**after, **restored}, asked=restored)


def _may_be_sent(write: Write, back: Change) -> bool:
    """An oversold level, say, can be read and never written."""
    try:
        write.check(back)
    except Rejected:
        return False
    return True
