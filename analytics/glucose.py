"""Glucose report: mean, spread, GMI, time in ranges, risk indices, percentiles by time of day, and the rate arrow.

Formulas take mg/dL; the product's canonical mmol/L is converted once at the door (`MGDL_PER_MMOL`). Sources: Battelino 2019 (consensus on
time in range, targets of older and high-risk people), Bergenstal 2018 (GMI), Kovatchev 2006 (LBGI and HBGI). LO and HI of a sensor are
never numbers here: they count as time very low and very high and are left out of every mean (`beyond`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices import units

MGDL_PER_MMOL = units.GLUCOSE_MG_PER_MMOL
VERY_LOW, LOW, HIGH, VERY_HIGH = 54.0, 70.0, 180.0, 250.0
PERCENTILES = (5, 25, 50, 75, 95)
DAY_MIN = 1440
SLOT_MIN = 15  # width of a slot of the daily profile
LEAST_ACTIVE = 70.0  # % of the time that a report needs
LEAST_DAYS = 14.0
LEAST_PER_SLOT = 3  # values; fewer make no percentile


@dataclass(frozen=True, slots=True)
class Target:
    """Share of the time in %: `least` or `most`; NaN where the consensus sets none."""

    least: float = np.nan
    most: float = np.nan


# "Older/high-risk": less time low matters more than more time in range.
TARGETS = {
    "standard": {"in_range": Target(least=70), "low": Target(most=4), "very_low": Target(most=1), "high": Target(most=25),
                 "very_high": Target(most=5)},
    "older": {"in_range": Target(least=50), "low": Target(most=1), "very_high": Target(most=10)},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Metrics of one span; mg/dL and %, NaN where nothing can be said. `low` includes very low, `high` includes very high."""

    count: int  # values, LO and HI included
    mean: float
    sd: float
    cv: float
    gmi: float
    very_low: float
    low: float
    in_range: float
    high: float
    very_high: float
    lbgi: float
    hbgi: float


def summary(mgdl: NDArray[np.float64], beyond: NDArray[np.int8] | None = None) -> Summary:
    """Metrics of values float64[n] in mg/dL (NaN = none); beyond int8[n]: -1 the sensor showed LO, +1 HI, whose values count for no mean.

    Shares are of the values, sd is the sample's (n - 1), gmi = 3.31 + 0.02392 mean.
    """
    side = np.zeros(len(mgdl), dtype=np.int8) if beyond is None else beyond
    value = mgdl[(side == 0) & np.isfinite(mgdl)]
    below, above = int((side < 0).sum()), int((side > 0).sum())
    count = len(value) + below + above
    if count == 0:
        return Summary(count=0, **dict.fromkeys(_NUMBERS, np.nan))
    mean = float(value.mean()) if len(value) else np.nan
    sd = float(value.std(ddof=1)) if len(value) > 1 else np.nan
    risk_low, risk_high = risk(value)

    def share(number: int) -> float:
        return 100.0 * number / count

    low, high = int((value < LOW).sum()) + below, int((value > HIGH).sum()) + above
    return Summary(
        count=count, mean=mean, sd=sd, cv=100.0 * sd / mean, gmi=3.31 + 0.02392 * mean,
        very_low=share(int((value < VERY_LOW).sum()) + below), low=share(low), in_range=share(count - low - high), high=share(high),
        very_high=share(int((value > VERY_HIGH).sum()) + above),
        lbgi=float(risk_low.mean()) if len(value) else np.nan, hbgi=float(risk_high.mean()) if len(value) else np.nan,
    )  # fmt: skip


_NUMBERS = ("mean", "sd", "cv", "gmi", "very_low", "low", "in_range", "high", "very_high", "lbgi", "hbgi")


def risk(mgdl: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Risk of low and of high glucose per value float64[n]: r = 10 f^2 with f = 1.509 (ln(G)^1.084 - 5.381), on its own side, else 0."""
    f = 1.509 * (np.log(mgdl) ** 1.084 - 5.381)
    r = 10.0 * f * f
    return np.where(f < 0, r, 0.0), np.where(f > 0, r, 0.0)


def risk_band(lbgi: float) -> str:
    """Word for LBGI: below 2.5 low, up to 5 moderate, above high; unknown for NaN."""
    if np.isnan(lbgi):
        return "unknown"
    return "low" if lbgi < 2.5 else "moderate" if lbgi <= 5.0 else "high"


def met(shares: Summary, kind: str) -> dict[str, bool | None]:
    """Whether each target of TARGETS[kind] is reached; None where there is no value."""
    found: dict[str, bool | None] = {}
    for name, target in TARGETS[kind].items():
        value = float(getattr(shares, name))
        if np.isnan(value):
            found[name] = None
        elif np.isfinite(target.least):
            found[name] = value > target.least
        else:
            found[name] = value < target.most
    return found


def profile(minute: NDArray[np.int64], mgdl: NDArray[np.float64], slot_min: int = SLOT_MIN) -> NDArray[np.float64]:
    """Percentiles by time of day float64[slots, 5] (PERCENTILES) in mg/dL; NaN where a slot has too few values.

    minute int64[n] = local minute of the day 0..1439; a slot also takes the values of its neighbours on both sides, which smooths the
    curves as the printed profiles do.
    """
    slots = DAY_MIN // slot_min
    slot = minute // slot_min % slots
    known = np.isfinite(mgdl)
    found = np.full((slots, len(PERCENTILES)), np.nan)
    for at in range(slots):
        near = known & (((slot - at + 1) % slots) <= 2)
        if near.sum() >= LEAST_PER_SLOT:
            found[at] = np.percentile(mgdl[near], PERCENTILES)
    return found


def active(minute: NDArray[np.int64], cadence_min: float, span_min: float) -> float:
    """Share of the span in % in which the sensor told anything: distinct cadence steps with a value over the steps of the span."""
    if span_min <= 0 or cadence_min <= 0:
        return float("nan")
    steps = len(np.unique((minute / cadence_min).astype(np.int64)))
    return min(100.0, 100.0 * steps * cadence_min / span_min)


def arrow(slope: float) -> str:
    """Word for the rate in mg/dL per minute: below 1 flat, to 2 slanting, to 3 straight, above double; unknown for NaN."""
    if np.isnan(slope):
        return "unknown"
    size, way = abs(slope), "up" if slope > 0 else "down"
    if size < 1.0:
        return "flat"
    return f"{way}_slight" if size < 2.0 else way if size <= 3.0 else f"{way}_double"


def rate(t_min: NDArray[np.float64], mgdl: NDArray[np.float64], span_min: float = 16.0) -> float:
    """Least-squares slope in mg/dL per minute over the last `span_min` of times float64[n] (ascending).

    NaN with fewer than two values or where they are less than 4 minutes apart.
    """
    recent = np.isfinite(mgdl) & (t_min >= (t_min[-1] - span_min if len(t_min) else 0.0))
    t, g = t_min[recent], mgdl[recent]
    if len(t) < 2 or t[-1] - t[0] < 4.0:
        return float("nan")
    off = t - t.mean()
    return float((off * (g - g.mean())).sum() / (off * off).sum())
