"""Levels from elsewhere: which of them count, whose item each speaks of, and how many units.

A record of `inventory_levels` names an item by its SKU, which the SKU map may translate. Only a
record that is of this very account may name it by `provider_item_id`: elsewhere that id means
another item.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from inventory_providers import levels, registry, times, values
from inventory_providers.contract import Address, Key, Wish
from inventory_providers.errors import ConfigError, Rejected
from target_inventory import rules
from target_inventory.sku_map import Ambiguous, Lost, SkuMap, Unmapped
from target_inventory.words import many, some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from inventory_providers.contract import Index, Provider, Record, Write
    from inventory_providers.settings import ProviderSettings
    from target_inventory.settings import TargetSettings

# Provider, account and place, the SKU and the item's id there.
Source = tuple[str | None, ...]

PLACE = ("provider", "account", "location_id")
# Where the journal has the sources of levels that no item took.
NOWHERE: Key = ()
# An id that did not come for so long has been replaced by another one.
RECENT = timedelta(days=8)
# So many items that one SKU stands for are named.
NAMED = 3


class Origin(NamedTuple):
    """Where a level came from, and when it was read there, in seconds since 1970.

    What the record does not tell is None.
    """

    source: Source
    observed: float | None


@dataclass(frozen=True, slots=True)
class Levels:
    """The way of `inventory_levels` to one provider.

    `write` parses a record to a wish whose key is an address; the index turns it into an item's.
    `terms` is another word wherever the same records would be published in another way.
    """

    provider: str
    write: Write
    own: TargetSettings
    terms: str = ""

    @property
    def has_map(self) -> bool:
        """Whether the SKUs are those of a map."""
        return self.own.sku_map_path is not None

    @property
    def is_chosen(self) -> bool:
        """Whether the settings say where the levels come from."""
        return any(getattr(self.own.levels_from, name) is not None for name in PLACE)

    def has_come(self, earlier: Mapping[Key, Mapping[Source, float | None]]) -> bool:
        """Whether levels of earlier runs came from where the settings say."""
        return any(self._counts(source[:3]) for sources in earlier.values() for source in sources)

    def counts(self, record: Record) -> bool:
        """Whether a record is one of those that `levels_from` wants.

        Where it names no place, that is the sum of all places if the provider has one. What is no
        text is for `write` to refuse.
        """
        return self._counts(tuple(record.get(name) for name in PLACE))

    def _counts(self, place: tuple[Any, ...]) -> bool:
        wanted = [getattr(self.own.levels_from, name) for name in PLACE]
        if any(value not in (None, part) for value, part in zip(wanted, place, strict=True)):
            return False
        provider, _, location = place
        if wanted[-1] is not None or provider not in registry.PROVIDER_NAMES:
            return True
        sums = registry.provider(provider).sums
        return not sums or not isinstance(location, str) or location in sums

    def must_be_one(self, earlier: Mapping[Source, float | None], now: Sequence[Origin]) -> None:
        """Refuse to write now one place's level of an item, now another's, or another item's.

        `earlier` are the sources of earlier runs, each with the time of its newest level.

        Raises:
            Ambiguous: there are several.
        """
        sources = {*earlier, *(one.source for one in now)}
        places = {one[:3] for one in sources if any(one[:3]) and self._counts(one[:3])}
        if len(places) > 1:
            named = "; ".join(sorted(" ".join(filter(None, place)) for place in places))
            raise Ambiguous(
                f"ambiguous: levels of this item come from several places ({named}): choose one "
                "with levels_from"
            )
        items = {one.source[4] for one in now} | self._recent_items(earlier, now)
        if len(named_items := sorted(filter(None, items))) > 1:
            named = some(named_items, NAMED)
            raise Ambiguous(f"ambiguous: several items have this SKU where it comes from ({named})")

    def _recent_items(
        self, earlier: Mapping[Source, float | None], now: Sequence[Origin]
    ) -> set[str | None]:
        """The ids under which the same SKUs came of late; an incremental read brings only some."""
        skus = {one.source[3] for one in now}
        newest = max((one.observed for one in now if one.observed is not None), default=None)
        return {
            source[4]
            for source, observed in earlier.items()
            if source[3] in skus
            and self._counts(source[:3])
            and (observed is None or newest is None or observed > newest - RECENT.total_seconds())
        }


def to(provider: str, settings: ProviderSettings, own: TargetSettings) -> Levels:
    """How levels get to a provider that can be written to.

    Raises:
        ConfigError: the settings do not allow it, or the SKU map cannot be read.
    """
    room = registry.provider(provider)
    assert room.publishing is not None
    room.publishing.permit(settings)
    sku_map = None if own.sku_map_path is None else SkuMap.read(own.sku_map_path)
    parse = partial(_wish, room=room, settings=settings, own=own, sku_map=sku_map)
    return Levels(provider, replace(write_of(room), parse=parse), own, _terms(own, sku_map))


def _terms(own: TargetSettings, sku_map: SkuMap | None) -> str:
    rules, place = own.rules, own.levels_from
    said = [rules.share, rules.buffer, rules.floor, rules.cap, *(getattr(place, n) for n in PLACE)]
    text = f"{said} {sku_map and sku_map.digest}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def write_of(room: Provider) -> Write:
    """The write that levels are to a provider; it parses nothing."""
    assert room.publishing is not None
    return replace(
        room.publishing.through,
        stream=levels.STREAM,
        effect=room.publishing.effect,
        check=room.publishing.check,
        permit=room.publishing.permit,
        through=room.publishing.through,
    )


def _wish(
    record: Record,
    *,
    room: Provider,
    settings: ProviderSettings,
    own: TargetSettings,
    sku_map: SkuMap | None,
) -> Wish:
    for name in (*PLACE, "sku", "provider_item_id"):
        _must_be_text(record, name)
    is_own = _is_of(record, room.name, settings.known_as)
    # First of all whose it is: what no item takes may have any level.
    address = _address(record, room.name, is_own=is_own)
    if address.kind == "sku" and sku_map is not None:
        address = Address("sku", sku_map.target(address.text))
    units = rules.units(record.get("available"))
    published = rules.published(units, own.rules)
    if is_own and published != units:
        raise Rejected(
            "it is this account's own level, to which the rules would be applied again and again"
        )
    assert room.publishing is not None
    return Wish(address, {room.publishing.through.items.level: published})


def _must_be_text(record: Record, name: str) -> None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Rejected(f"{name} must be text")
    if value is not None and not values.can_be_encoded(value):
        raise Rejected(f"{name} has a character that cannot be sent")


def _is_of(record: Record, provider: str, account: str) -> bool:
    return record.get("provider") == provider and record.get("account") in {None, account}


def _address(record: Record, provider: str, *, is_own: bool) -> Address:
    sku, item = record.get("sku") or "", record.get("provider_item_id") or ""
    # Where an item has no id of its own, the SKU stands in its place, and the other way round.
    if item and (is_own or (record.get("provider") is None and item != sku)):
        return Address("id", item)
    if sku.strip():
        return Address("sku", sku)
    if item:
        raise Unmapped(f"unmapped: no SKU, and its provider_item_id is not one of {provider}")
    raise Rejected("neither sku nor provider_item_id is given")


def place_of(record: Record) -> str:
    """Where a level is, for a message: provider, account and place, as far as it says."""
    return " ".join(str(part) for name in PLACE if (part := record.get(name)))


def origin_of(record: Record, now: datetime) -> Origin:
    """Where a record says that its level came from; nothing was read after `now`."""
    source = tuple(record.get(name) for name in (*PLACE, "sku", "provider_item_id"))
    observed = _moment(record.get("observed_at"))
    return Origin(source, None if observed is None else min(observed, now.timestamp()))


def _moment(value: Any) -> float | None:
    try:
        return times.parse(value).timestamp()
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None


def key_of(address: Address, index: Index, *, has_map: bool) -> Key:
    """The one item at an address, which may be what the SKU map made of another one.

    Raises:
        Unmapped, Ambiguous: there is none, or there are several.
    """
    keys = index.keys.get(address, ())
    if len(keys) == 1:
        return keys[0]
    name = "SKU" if address.kind == "sku" else "provider_item_id"
    if not keys and has_map and address.kind == "sku":
        raise Lost("unmapped: no item has the SKU that the SKU map names for it")
    if not keys:
        raise Unmapped(f"unmapped: no item has this {name} where it goes")
    named = some([" ".join(key) for key in keys], NAMED)
    raise Ambiguous(f"ambiguous: this {name} stands for {many(len(keys), 'item')} ({named})")


def nowhere() -> ConfigError:
    """What is wrong where levels come and nobody says where they go."""
    names = " or ".join(room.name for room in registry.providers() if room.publishing)
    return ConfigError(
        f"{levels.STREAM} go to the provider that levels_to names: set it to {names}",
        place="configuration",
    )
