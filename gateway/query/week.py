"""Seven days as a family sees them: lines by the hour, blood pressure as points, steps and sleep as days, each beside the own usual.

The own usual is the median +- 1.5 MAD of four weeks: of the same hour for lines, of all readings for points, of whole days for days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from devices.codes import BY_KEY
from gateway.history.sqlite.history import Span
from gateway.query import past

LINES = ("hr", "pulse", "spo2", "resp", "temp", "glucose", "glucose_cgm")
SAME = {"pulse": "hr", "glucose": "glucose_cgm"}  # the first says nothing beside the second
PRESSURES = ("sbp", "dbp")
DAYS = 7
WEEK_MS = DAYS * past.DAY_MS
MOST_SPOTS = 6_000
MOST_POINTS = 300  # of a picture
JUDGED = 3  # last values or days that are compared with the usual
LEAST_SHARE = 0.05  # of the median: a usual of days is no narrower than that to each side

Edges = tuple[float, float]


async def pictures(history: Any, spans: Sequence[Span], now_ms: int, tz: str) -> list[dict[str, Any]]:
    """All pictures that the week has anything for; `spans` reach back over `past.USUAL_DAYS`."""
    lines = [found for key in LINES if (found := await _line(history, spans, key, now_ms, tz)) is not None]
    shown = {found["quantity"] for found in lines}
    pressure = await _points(history, spans, now_ms)
    days = [await walked(history, spans, tz), await slept(history, spans, tz)]
    made = [line for line in lines if SAME.get(line["quantity"]) not in shown]
    made += [pressure] if pressure is not None else []
    for key, found in zip(("steps", "sleep_total"), days, strict=True):
        picture = _days(key, found, now_ms, tz)
        made += [picture] if picture is not None else []
    return made


async def _line(history: Any, spans: Sequence[Span], key: str, now_ms: int, tz: str) -> dict[str, Any] | None:
    """A week by the hour with the own usual of four weeks; None where the week holds nothing."""
    t_ms, mean = await past.bucketed(history, spans, key, past.HOUR_MS)
    recent = t_ms >= now_ms - WEEK_MS
    if not recent.any():
        return None
    band = past.usual(t_ms, mean, tz, BY_KEY[key])
    last_day = mean[t_ms >= now_ms - past.DAY_MS]
    return {
        "kind": "line",
        "quantity": key,
        "unit": BY_KEY[key].ucum,
        "from_ms": now_ms - WEEK_MS,
        "to_ms": now_ms,
        "t_ms": t_ms[recent].tolist(),
        "value": [round(value, 2) for value in mean[recent].tolist()],
        "usual": [None if edges is None else [round(edges[0], 2), round(edges[1], 2)] for edges in band],
        "lately": [round(float(last_day.min()), 2), round(float(last_day.max()), 2)] if len(last_day) else None,
        "compared": compared_hours(t_ms, mean, band, now_ms, tz),
    }


def compared_hours(t_ms: NDArray[np.int64], mean: NDArray[np.float64], band: past.Band, now_ms: int, tz: str) -> str:
    """How the last day (of few values: the last three) lay to the own usual: as_usual, higher, lower or unknown."""
    recent = t_ms >= now_ms - past.DAY_MS if len(mean) >= past.SPARSE else np.arange(len(mean)) >= len(mean) - JUDGED
    edges = [band[hour] for hour in past.hours_of(t_ms[recent], tz).tolist()]
    return compared(mean[recent].tolist(), edges)


def compared(values: Sequence[float], edges: Sequence[Edges | None]) -> str:
    """How most of the values lie to their edges; unknown where fewer than three have any."""
    sides = [(value > one[1]) - (value < one[0]) for value, one in zip(values, edges, strict=True) if one is not None]
    if len(sides) < JUDGED:
        return "unknown"
    if sides.count(1) > len(sides) / 2:
        return "higher"
    return "lower" if sides.count(-1) > len(sides) / 2 else "as_usual"


# --- points --------------------------------------------------------------------------------------------------------


async def _points(history: Any, spans: Sequence[Span], now_ms: int) -> dict[str, Any] | None:
    """Blood pressure: both values of each measurement, with the own usual of each; None where the week holds none."""
    found = {key: await past.joined(history, spans, key, MOST_SPOTS) for key in PRESSURES}
    by_time = {key: dict(zip(line.t_ms.tolist(), line.mean.tolist(), strict=True)) for key, line in found.items()}
    upper, lower = (by_time[key] for key in PRESSURES)
    times = [t for t in sorted(upper.keys() & lower.keys()) if np.isfinite(upper[t]) and np.isfinite(lower[t])]
    recent = [t for t in times if t >= now_ms - WEEK_MS]
    if not recent:
        return None
    usual = {key: past.spread(np.array([by_time[key][t] for t in times]), BY_KEY[key].step) for key in PRESSURES}
    last = times[-JUDGED:]
    sides = {key: compared([by_time[key][t] for t in last], [usual[key]] * len(last)) for key in PRESSURES}
    shown = recent[-MOST_POINTS:]
    return {
        "kind": "points",
        "quantity": "bp",
        "unit": BY_KEY["sbp"].ucum,
        "from_ms": now_ms - WEEK_MS,
        "to_ms": now_ms,
        "t_ms": shown,
        "sbp": [round(upper[t], 1) for t in shown],
        "dbp": [round(lower[t], 1) for t in shown],
        "usual": {key: None if edges is None else [round(edges[0], 1), round(edges[1], 1)] for key, edges in usual.items()},
        "count": len(recent),
        "compared": next((side for side in sides.values() if side in ("higher", "lower")), sides["sbp"]),
    }


# --- days ----------------------------------------------------------------------------------------------------------


async def walked(history: Any, spans: Sequence[Span], tz: str) -> dict[str, float]:
    """Steps by local day, over all devices: the most that one of them told, for who wears two did not walk twice as far."""
    by_day: dict[str, float] = {}
    for device in sorted({span.device for span in spans}):
        times: list[int] = []
        low: list[float] = []
        high: list[float] = []
        for span in spans:
            if span.device == device:
                points = (span.to_ms - span.from_ms) // past.QUARTER_MS + 2
                part = await history.envelope(device, "steps", span.from_ms * past.NS_PER_MS, span.to_ms * past.NS_PER_MS, points)
                told = part.n > 0
                times += part.t_ms[told].tolist()
                low += part.low[told].tolist()
                high += part.high[told].tolist()
        for day, steps in counted(times, low, high, tz).items():
            by_day[day] = max(by_day.get(day, 0.0), steps)
    return by_day


def counted(t_ms: Sequence[int], low: Sequence[float], high: Sequence[float], tz: str) -> dict[str, float]:
    """What a counter grew by on each local day, from the least and greatest of each bucket by time.

    A counter that starts anew (at midnight, after a new battery) goes on from there; how far it stood when it was first heard is not ours.
    """
    zone = ZoneInfo(tz)
    by_day: dict[str, float] = {}
    before: float | None = None
    for t, least, most in zip(t_ms, low, high, strict=True):
        day = datetime.fromtimestamp(t / 1000, UTC).astimezone(zone).date().isoformat()
        if before is None:
            grown, before = most - least, most
        elif least >= before:
            grown, before = most - before, most
        elif most < before:
            grown, before = most, most  # it had started anew before this bucket
        else:
            grown, before = most - before, least  # within it
        by_day[day] = by_day.get(day, 0.0) + grown
    return by_day


async def slept(history: Any, spans: Sequence[Span], tz: str) -> dict[str, float]:
    """Minutes of sleep by the local day on which somebody woke: the longest that was told."""
    line = await past.joined(history, spans, "sleep_total", MOST_SPOTS)
    zone = ZoneInfo(tz)
    by_day: dict[str, float] = {}
    for t, value in zip(line.t_ms.tolist(), line.high.tolist(), strict=True):
        if np.isfinite(value):
            day = datetime.fromtimestamp(t / 1000, UTC).astimezone(zone).date().isoformat()
            by_day[day] = max(by_day.get(day, 0.0), value)
    return by_day


def _days(key: str, by_day: Mapping[str, float], now_ms: int, tz: str) -> dict[str, Any] | None:
    """Seven days up to today; steps of today are still being walked and are judged by nobody."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(tz)).date()
    names = [(today - timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]
    if not any(name in by_day for name in names):
        return None
    running = key == "steps"
    whole = [by_day[day] for day in sorted(by_day) if not (running and day == today.isoformat())]
    edges = _usual_days(whole, BY_KEY[key].step)
    return {
        "kind": "days",
        "quantity": key,
        "unit": BY_KEY[key].ucum,
        "days": names,
        "value": [None if name not in by_day else round(by_day[name], 1) for name in names],
        "running": running,
        "usual": None if edges is None else [round(edges[0], 1), round(edges[1], 1)],
        "compared": compared(whole[-JUDGED:], [edges] * len(whole[-JUDGED:])),
    }


def _usual_days(values: Sequence[float], step: float) -> Edges | None:
    edges = past.spread(np.array(values, np.float64), step)
    if edges is None:
        return None
    median = float(np.median(values))
    return min(edges[0], median * (1 - LEAST_SHARE)), max(edges[1], median * (1 + LEAST_SHARE))
