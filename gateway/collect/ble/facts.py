"""What a device says of itself on each connection: maker, model, features, and its clock, compared with ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from devices import catalog
from devices.model import DecodeError
from gateway.clock import NS_PER_S
from gateway.collect.ble.parts import Parts
from gateway.registry import bindings
from gateway.registry.errors import RegistryError
from gateway.vocabulary import SYSTEM

CLOCKS = ("2a2b", "2a08")
FACTS = frozenset(channel.pattern.rpartition("/")[2] for channel in catalog.fact_channels()) - set(CLOCKS)
LONGEST = 200
SAME_CLOCK_S = 2  # a smaller change of the offset is no news
ZONES_S = 26 * 3600  # what decoders take for an offset from UTC: zones, and a clock that is some hours wrong
OWN = ("utc_offset_s", "clock_ms", "clock_error_s", "clock_read")  # settled here, never taken over as the device says them


def described(topic: str, payload: bytes) -> dict[str, str]:
    """Facts in a characteristic; none in one that cannot be read."""
    try:
        found = catalog.facts(topic, payload)
    except DecodeError:
        return {}
    return {key: value[:LONGEST] for key, value in found.items()}


async def remember(parts: Parts, device: str, facts: Mapping[str, str]) -> None:
    """Enter what has changed."""
    row = parts.registry.view.devices.get(device)
    known = {} if row is None else row.facts
    fresh = {key: value for key, value in facts.items() if known.get(key) != value}
    if row is None or not fresh:
        return
    try:
        await parts.registry.do(SYSTEM, bindings.note_facts, device, fresh)
    except RegistryError:
        parts.ops.counters["ble.facts.refused"] += 1


def zone_offset_s(parts: Parts, device: str, now_ns: int) -> int:
    """How far the clocks on the walls are ahead of UTC where the device is; 0 where that is unknown."""
    view = parts.registry.view
    place = view.place_of(device, now_ns)
    site = None if place is None else view.sites.get(place.site_id)
    if site is None and len({site.tz for site in view.sites.values()}) == 1:
        site = next(iter(view.sites.values()))
    if site is None:
        return 0
    try:
        offset = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).astimezone(ZoneInfo(site.tz)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return 0
    return 0 if offset is None else int(offset.total_seconds())


def _known(parts: Parts, device: str, key: str) -> int | None:
    row = parts.registry.view.devices.get(device)
    text = None if row is None else row.facts.get(key)
    return None if text is None else int(text)


async def assume_clock(parts: Parts, device: str) -> int:
    """What was known before, for readings that come before the clock is read; at first contact it shows the time on the wall.

    Returns the nanoseconds to add to the device's times beyond its fact `utc_offset_s`.
    """
    if _known(parts, device, "utc_offset_s") is None:
        await remember(parts, device, {"utc_offset_s": str(zone_offset_s(parts, device, parts.clock.now_ns()))})
    return -(_known(parts, device, "clock_error_s") or 0) * NS_PER_S


async def learn_clock(parts: Parts, device: str, clock_ms: int | None) -> int:
    """Compare what the device's clock shows with ours, and remember the difference; None = it has none. Returns as `assume_clock` does."""
    if clock_ms is None:
        return await assume_clock(parts, device)
    now_ns = parts.clock.now_ns()
    zone_s = zone_offset_s(parts, device, now_ns)
    ahead_s = round((clock_ms * 1_000_000 - now_ns) / NS_PER_S)
    offset_s, error_s = (ahead_s, 0) if abs(ahead_s) <= ZONES_S else (zone_s, ahead_s - zone_s)
    known_s = (_known(parts, device, "utc_offset_s") or 0) + (_known(parts, device, "clock_error_s") or 0)
    if abs(known_s - ahead_s) > SAME_CLOCK_S or _known(parts, device, "clock_read") is None:
        body = {"clock_ms": clock_ms, "now_ms": now_ns // 1_000_000, "ahead_s": ahead_s, "wrong": error_s != 0}
        await parts.book.note("ble.clock", device, body)
        await remember(parts, device, {"utc_offset_s": str(offset_s), "clock_error_s": str(error_s), "clock_read": "1"})
    return -error_s * NS_PER_S
