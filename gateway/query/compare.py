"""Two spans of equal length side by side: level, spread, hours of the day, how much is known of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import Quantity
from gateway.query import past
from gateway.vocabulary import AlertKind, AlertView

LEAST_HOURS = 12  # hours with a value; fewer make no comparison
LEAST_SHARE = 0.5  # of the hours that the better known span has

Told = tuple[NDArray[np.int64], NDArray[np.float64]]  # begins of hours that hold something, and their means


def side(told: Told, hours: int, tz: str) -> dict[str, Any]:
    """One quantity over one span: hours known, 5th, 50th and 95th percentile of the hourly means, means by local hour."""
    t_ms, mean = told
    known = np.isfinite(mean)
    t_ms, mean = t_ms[known], mean[known]
    local = past.hours_of(t_ms, tz)
    low, middle, high = np.percentile(mean, (5, 50, 95)).tolist() if len(mean) else (None, None, None)
    return {
        "hours": len(mean),
        "share": round(len(mean) / hours, 4) if hours else 0.0,
        "low": low,
        "median": middle,
        "high": high,
        "by_hour": [round(float(mean[local == hour].mean()), 3) if (local == hour).any() else None for hour in range(24)],
    }


def quantity(row: Quantity, now: Told, before: Told, hours: int, tz: str) -> dict[str, Any]:
    """Both spans of a quantity and the change of the median; the change is null where one of them is known too little."""
    one, other = side(now, hours, tz), side(before, hours, tz)
    few = min(one["hours"], other["hours"])
    comparable = few >= LEAST_HOURS and few >= LEAST_SHARE * max(one["hours"], other["hours"])
    return {
        "quantity": row.key,
        "unit": row.ucum,
        "now": one,
        "before": other,
        "comparable": comparable,
        "change": round(one["median"] - other["median"], 3) if comparable else None,
    }


def scores(bars: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of a span: how many, the highest, the median, how many of them are partial."""
    totals = [int(bar["total"]) for bar in bars]
    return {
        "count": len(totals),
        "high": max(totals, default=None),
        "median": float(np.median(totals)) if totals else None,
        "partial": sum(bool(bar["partial"]) for bar in bars),
    }


def alarms(alerts: Sequence[AlertView], from_ns: int, to_ns: int) -> dict[str, int]:
    """How many alerts were raised within [from, to), by kind."""
    inside = [alert for alert in alerts if from_ns <= alert.raised_ns < to_ns]
    return {kind.value: sum(alert.kind is kind for alert in inside) for kind in AlertKind}
