"""Which of several limits holds at a moment: temporary ones over lasting ones, those of some hours over those for all day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.registry import hours
from gateway.registry.records import Limit

_SIDES = ("low", "high", "low_extreme", "high_extreme")


def holding(scopes: Iterable[Sequence[Limit]], tz: str, t_ns: int) -> Limit | None:
    """The limit that holds at `t_ns` on a clock in `tz`; scopes from the narrowest to the widest, each oldest first.

    One for some hours lies over what holds all day: a side that it leaves open is that of the limit below.
    """
    upper: Limit | None = None
    for limits in scopes:
        newest_first = list(limits)
        newest_first.reverse()
        for limit in sorted(newest_first, key=_rank):
            if not _holds(limit, tz, t_ns):
                continue
            upper = limit if upper is None else _over(upper, limit)
            if limit.from_local is None:
                return upper
    return upper


def _rank(limit: Limit) -> tuple[bool, bool]:
    return limit.expires_ns is None, limit.from_local is None


def _holds(limit: Limit, tz: str, t_ns: int) -> bool:
    if limit.expires_ns is not None and t_ns >= limit.expires_ns:
        return False
    return limit.from_local is None or limit.to_local is None or hours.covers(limit.from_local, limit.to_local, hours.zone(tz), t_ns)


def _over(upper: Limit, lower: Limit) -> Limit:
    open_sides = [side for side in _SIDES if getattr(upper, side) is None and upper.off not in (side.partition("_")[0], "both")]
    return replace(upper, **{side: getattr(lower, side) for side in open_sides}, off=_off(upper, lower))


def _off(upper: Limit, lower: Limit) -> str | None:
    """A side is off where the upper says so, or where only the lower speaks of it and says so."""
    said = {"low": (upper.low, upper.low_extreme), "high": (upper.high, upper.high_extreme)}
    off = [
        side for side, numbers in said.items()
        if upper.off in (side, "both") or (lower.off in (side, "both") and all(number is None for number in numbers))
    ]  # fmt: skip
    return "both" if len(off) == len(said) else (off[0] if off else None)
