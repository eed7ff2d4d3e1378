"""Honest ages: what a last value may be called, by the quantity's own cadence. Pure."""

from __future__ import annotations

import math
from typing import Literal

VitalState = Literal["live", "stale", "lost", "no_value", "warming"]
Monitoring = Literal["live", "stale", "lost", "none"]

NO_DATA_CAP_S = 120.0  # a continuous vital is lost after twice its cadence, at most this or the cadence itself where that is longer
GRACE_S = 5.0  # radio and batching: a value is not stale for being a moment late
MONITORING_RANK: dict[Monitoring, int] = {"live": 0, "stale": 1, "lost": 2, "none": 3}


def bounds_s(*, continuous: bool, cadence_s: float | None, late_s: float) -> tuple[float, float]:
    """Ages in seconds up to which a value is live, and beyond which it is lost (inf: a spot value only grows stale)."""
    if continuous and cadence_s is not None:
        live = cadence_s * 2 + GRACE_S
        return live, max(live, NO_DATA_CAP_S)
    if cadence_s is not None:
        return cadence_s * 1.5 + GRACE_S, math.inf
    return late_s, math.inf


def state_of(*, value: float | None, age_s: float | None, bound_for_s: float, live_s: float, lost_s: float) -> VitalState:
    """The state of a last value; `age_s` None = nothing was ever received since the binding began."""
    if age_s is None:
        return "warming" if bound_for_s <= min(lost_s, NO_DATA_CAP_S) else "lost"
    if age_s > lost_s:
        return "lost"
    if value is None or math.isnan(value):
        return "no_value" if age_s <= live_s else "stale"
    return "live" if age_s <= live_s else "stale"


def monitoring_of(states: list[VitalState]) -> Monitoring:
    """How a bed is monitored: the worst of its continuous vitals; no continuous vital at all is no monitoring."""
    if not states:
        return "none"
    if "lost" in states:
        return "lost"
    if any(state in ("stale", "no_value", "warming") for state in states):
        return "stale"
    return "live"
