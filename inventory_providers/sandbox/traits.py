"""What the conformance suite has to be told about a room; all else it finds out by itself.

Each room has a `traits.py` beside its `sandbox.py`, with one `TRAITS`. A path leads from a record,
or from a row on the wire, to a value: names joined by dots.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inventory_providers.sandbox.room import Row

Edit = Callable[[bytes], bytes]
Turn = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One stream's rows. Pairs are paths: in the record, and in the row on the wire.

    `levels` tell one version of a row from another. `number` holds a quantity and `text` free text;
    None where the rows have none. `key` is the path, on the wire, of the key's last part that the
    row itself carries, and `named_by` that of the value by which a message names a row without it.
    `date` is the path, on the wire, of what the replication key comes from; None where it is not
    in the rows. `other` makes the nth row like this one, under a key of its own.
    """

    levels: Mapping[str, str]
    number: tuple[str, str] | None
    text: tuple[str, str] | None
    key: str
    named_by: str
    date: str | None
    other: Callable[[Row, int], Row]


@dataclass(frozen=True, slots=True)
class Traits:
    """One room.

    `read` stands in the target or the body of each request that reads, and of no other. `reads` is
    how many of them a whole run over all streams with 300 SKUs sends at least, `sign_in` how many
    requests come before the first. `refusals` are switches that make the room refuse the sign-in;
    `failure` is an error in the provider's own words with HTTP 200 that is not worth repeating.
    `undocumented` spoils the body of a good answer, and says what the message then has to name.
    `not_applicable` are rows of the faults' table (T01 to T30) with the reason, a full sentence.
    What stands below is for single rows of that table. `session` are settings, over the usual ones,
    under which the tap signs in for a session of its own; None takes a setting away.
    """

    read: str
    reads: int
    refusals: Mapping[str, Turn]
    failure: bytes
    undocumented: Mapping[str, tuple[Edit, str]]
    streams: Mapping[str, Shape]
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    sign_in: int = 0
    json: Turn | None = None  # makes answers JSON, where they usually are not
    session: Mapping[str, Any] = field(default_factory=dict)  # T08
    session_lost: bytes = b""  # T08: the answer that asks for a new sign-in
    session_status: int = 200  # T08: its status
    wrong_id: Edit | None = None  # T08: makes a body the answer to another request
    short_token: tuple[Turn, ...] = ()  # T23: page tokens live 2 s, and pages have 500 rows
    empty_page: Turn | None = None  # T24: an empty page in the middle
    same_token: Turn | None = None  # T24: the same page token twice
    large: Turn | None = None  # T25: the answer has 500,000 items
