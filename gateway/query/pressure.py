"""Blood pressure of a span: every reading, means of day and night (or of mornings and evenings), and whether they are enough to judge.

One day is judged as an ambulatory profile (Hypertension Canada 2017: at least 20 readings by day, 7 by night, 70 % of the attempts
successful; day is 08-22 h of the site's clock). Longer spans are judged as measured at home (ESH 2021: at least 12 readings on 3 days,
mornings and evenings). Below that the answer is "cannot tell", with how many are missing; no mean is shown as if it could be judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.model import Quality
from gateway.query import past

DAY_HOURS = (8, 22)  # local hours of the day; the rest is night
NOON = 12
LEAST_DAY, LEAST_NIGHT, LEAST_SHARE = 20, 7, 0.7
LEAST_HOME, LEAST_HOME_DAYS, LEAST_PART = 12, 3, 6  # of a part (mornings, evenings): half of the whole
MOST_ROWS = 1_000
# systolic / diastolic from which the mean is high
HIGH = {"all": (130, 80), "day": (135, 85), "night": (120, 70), "home": (135, 85), "morning": (135, 85), "evening": (135, 85)}

Times = NDArray[np.int64]
Values = NDArray[np.float64]


def report(sbp: past.Joined, dbp: past.Joined, pulse: past.Joined, tz: str, *, ambulatory: bool) -> dict[str, Any]:
    """The readings (newest last) and the judgement of a span; `ambulatory` = one day, else measured at home."""
    t_ms, pairs = _paired(sbp, dbp)
    tried = len(np.union1d(sbp.t_ms, dbp.t_ms))
    beats = _at(pulse, t_ms)
    hours = past.hours_of(t_ms, tz)
    days = len({past.midnight_ms(t, tz) for t in t_ms.tolist()})
    share = len(t_ms) / tried if tried else None
    day = (hours >= DAY_HOURS[0]) & (hours < DAY_HOURS[1])
    every = np.ones(len(t_ms), bool)
    if ambulatory:
        enough = share is not None and share >= LEAST_SHARE
        parts = {"day": (day, LEAST_DAY), "night": (~day, LEAST_NIGHT), "all": (every, LEAST_DAY + LEAST_NIGHT)}
    else:
        enough = days >= LEAST_HOME_DAYS
        parts = {"morning": (hours < NOON, LEAST_PART), "evening": (hours >= NOON, LEAST_PART), "home": (every, LEAST_HOME)}
    judged = {name: _part(name, pairs[which], beats[which], least, enough) for name, (which, least) in parts.items()}
    keep = slice(max(0, len(t_ms) - MOST_ROWS), None)
    return {
        "rule": "ambulatory" if ambulatory else "home",
        "count": len(t_ms),
        "tried": tried,
        "success": None if share is None else round(share, 4),
        "days": days,
        "needs": {"day": LEAST_DAY, "night": LEAST_NIGHT, "success": LEAST_SHARE, "home": LEAST_HOME, "days": LEAST_HOME_DAYS},
        "parts": judged,
        "dipping": _dipping(judged) if ambulatory else None,
        "rows": [
            {"t_ms": t, "sbp": pair[0], "dbp": pair[1], "pulse": _plain(beat), "part": _name(bool(lit), int(hour), ambulatory)}
            for t, pair, beat, lit, hour in zip(
                t_ms[keep].tolist(), pairs[keep].tolist(), beats[keep].tolist(), day[keep].tolist(), hours[keep].tolist(), strict=True
            )
        ],
        "left_out": max(0, len(t_ms) - MOST_ROWS),
        "failed_ms": _failed(sbp)[-100:],
    }


def _name(day: bool, hour: int, ambulatory: bool) -> str:
    if ambulatory:
        return "day" if day else "night"
    return "morning" if hour < NOON else "evening"


def _paired(sbp: past.Joined, dbp: past.Joined) -> tuple[Times, Values]:
    """Times at which both pressures were told and their values float64[n, 2]; half a reading is none."""
    high, low = np.isfinite(sbp.mean), np.isfinite(dbp.mean)
    t_ms, at_high, at_low = np.intersect1d(sbp.t_ms[high], dbp.t_ms[low], return_indices=True)
    return t_ms, np.column_stack([sbp.mean[high][at_high], dbp.mean[low][at_low]])


def _at(line: past.Joined, t_ms: Times) -> Values:
    """The values of a line at exactly these times, NaN where there is none: the pulse that the cuff counted itself."""
    found = np.full(len(t_ms), np.nan)
    known = np.isfinite(line.mean)
    _, here, there = np.intersect1d(t_ms, line.t_ms[known], return_indices=True)
    found[here] = line.mean[known][there]
    return found


def _part(name: str, pairs: Values, beats: Values, least: int, enough: bool) -> dict[str, Any]:
    """One part: how many, how many it needs, the means, and whether they are high (null: cannot tell)."""
    count = len(pairs)
    means = pairs.mean(axis=0) if count else np.full(2, np.nan)
    known = beats[np.isfinite(beats)]
    valid = enough and count >= least
    top = HIGH[name]
    return {
        "count": count,
        "needs": least,
        "missing": max(0, least - count),
        "valid": valid,
        "sbp": _plain(means[0]),
        "dbp": _plain(means[1]),
        "pulse": _plain(float(known.mean())) if len(known) else None,
        "threshold": list(top),
        "high": bool(means[0] >= top[0] or means[1] >= top[1]) if valid else None,
    }


def _dipping(parts: dict[str, dict[str, Any]]) -> float | None:
    """By how many per cent the systolic mean of the night lies below that of the day; None where either cannot be judged."""
    day, night = parts["day"], parts["night"]
    if not (day["valid"] and night["valid"]):
        return None
    fall = 1.0 - float(night["sbp"]) / float(day["sbp"])
    return round(100.0 * fall, 1)


def _failed(sbp: past.Joined) -> list[int]:
    """When a measurement was tried and the cuff said that it failed."""
    if len(sbp.quality) != len(sbp.t_ms):
        return []
    silent = ~np.isfinite(sbp.mean) & ((sbp.quality & int(Quality.CUFF_ERROR)) != 0)
    times: Sequence[int] = sbp.t_ms[silent].tolist()
    return list(times)


def _plain(number: float) -> float | None:
    return round(float(number), 1) if math.isfinite(number) else None
