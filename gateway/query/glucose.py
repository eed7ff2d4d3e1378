"""A resident's glucose report: what the sensor's weeks say, by the definitions of analytics.glucose; the canonical unit is mmol/L."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics import glucose
from analytics.glucose import MGDL_PER_MMOL
from devices.codes import BY_KEY
from devices.model import Quality
from gateway.access import Action, FieldClass
from gateway.query import past
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.clinic import age_of
from gateway.query.refusal import Unavailable
from gateway.query.sight import Sight, to_ms
from gateway.registry.view import Device

RANGES = {"7d": 7 * past.DAY_MS, "14d": 14 * past.DAY_MS, "30d": 30 * past.DAY_MS}
MOST = 200_000  # readings; more of them are read as means
OLDER = 65  # years of age from which the goals of older people hold unless another kind is asked for
NOW_MS = 15 * 60_000  # an older value has no arrow
MIN_MS = 60_000
SHOWN_HIGH = 400.0  # mg/dL at which pictures end


class Glucose:
    """The glucose reads."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    async def report(self, asker: Asker, resident_id: str, span: str, goals: str | None = None) -> dict[str, Any]:
        """Shares, means, risk, profile and the arrow of now over 7d, 14d or 30d; goals standard or older. Raises Missing, Unavailable."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        scope = resident_scope(view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.VITALS):
            raise Missing
        resident = view.residents[scope.resident_id]
        await sight.looks.looked(asker, "clinic", resident.id, resident=resident.id, span=span, page="glucose")
        if sight.history is None:
            raise Unavailable("history.unavailable")
        to = to_ms(now_ns)
        begin, tz = to - RANGES[span], sight.tz_of(resident)
        spans = past.spans_of(view, resident.id, begin, to)
        line = await past.joined(sight.history, spans, "glucose_cgm", MOST)
        spots = await past.joined(sight.history, spans, "glucose", MOST)
        age = age_of(resident, now_ns, tz)
        kind = goals if goals is not None else "older" if age is None or age >= OLDER else "standard"
        usual_s = BY_KEY["glucose_cgm"].cadence_s or 300.0
        cadence_s = min((one.cadence_s.get("glucose_cgm", usual_s) for one in self._sensors(resident.id, now_ns)), default=usual_s)
        head = {"t_ms": to, "range": span, "from_ms": begin, "to_ms": to, "tz": tz, "unit": "mmol/L", "goals": kind, "age": age}
        return head | await asyncio.to_thread(report, line, spots, begin, to, tz, kind, cadence_s)

    def _sensors(self, resident_id: str, now_ns: int) -> list[Device]:
        view = self._sight.view
        devices = [view.devices[name] for name in view.devices_of(resident_id, now_ns) if name in view.devices]
        return [device for device in devices if "glucose_cgm" in device.quantities]


def report(line: past.Joined, spots: past.Joined, begin_ms: int, to_ms_: int, tz: str, kind: str, cadence_s: float) -> dict[str, Any]:
    """The numbers of a report; LO and HI count as time very low and very high and are in no mean and no percentile."""
    beyond = _beyond(line)
    told = np.isfinite(line.mean) | (beyond != 0)
    t_ms, mgdl, side = line.t_ms[told], line.mean[told] * MGDL_PER_MMOL, beyond[told]
    mgdl = np.where(side == 0, mgdl, np.nan)
    shares = glucose.summary(mgdl, side)
    step_min = max(cadence_s / 60.0, line.bucket_ms / MIN_MS)
    # the first value stands for the step before it, else fourteen days could never be full
    covered = min(float(to_ms_ - begin_ms), to_ms_ - int(t_ms[0]) + step_min * MIN_MS) / MIN_MS if len(t_ms) else 0.0
    active = glucose.active((t_ms - begin_ms) / MIN_MS, step_min, covered)
    days = covered / glucose.DAY_MIN
    spot = np.isfinite(spots.mean)
    return {
        "count": shares.count,
        "days": round(days, 2),
        "active": _plain(active),
        "enough": bool(days >= glucose.LEAST_DAYS and active >= glucose.LEAST_ACTIVE),
        "mean": _plain(shares.mean / MGDL_PER_MMOL),
        "sd": _plain(shares.sd / MGDL_PER_MMOL),
        **{name: _plain(getattr(shares, name)) for name in ("cv", "gmi", "lbgi", "hbgi")},
        "lbgi_band": glucose.risk_band(shares.lbgi),
        "bands": {name: _plain(getattr(shares, name)) for name in ("very_low", "low", "in_range", "high", "very_high")},
        "edges": {name: round(edge / MGDL_PER_MMOL, 1) for name, edge in _EDGES.items()},
        "targets": _targets(shares, kind),
        "profile": _profile(t_ms, mgdl, tz),
        "daily": _daily(t_ms, mgdl, side, tz),
        "now": _now(t_ms, mgdl, side, to_ms_),
        "spots": {"t_ms": spots.t_ms[spot].tolist()[-200:], "value": [round(v, 2) for v in spots.mean[spot].tolist()[-200:]]},
    }


_EDGES = {"very_low": glucose.VERY_LOW, "low": glucose.LOW, "high": glucose.HIGH, "very_high": glucose.VERY_HIGH}


def _beyond(line: past.Joined) -> NDArray[np.int8]:
    """-1 where the sensor said LO, +1 where it said HI, int8[n]; means of buckets say neither."""
    if not line.raw:
        return np.zeros(len(line.t_ms), dtype=np.int8)
    above, below = (line.quality & int(Quality.ABOVE_RANGE)) != 0, (line.quality & int(Quality.BELOW_RANGE)) != 0
    return np.asarray(above.astype(np.int8) - below.astype(np.int8), dtype=np.int8)


def _targets(shares: glucose.Summary, kind: str) -> list[dict[str, Any]]:
    """Each goal with its bound and whether it is reached (null: cannot tell)."""
    met = glucose.met(shares, kind)
    return [
        {"band": name, "least": _plain(target.least), "most": _plain(target.most), "met": met[name]}
        for name, target in glucose.TARGETS[kind].items()
    ]


def _profile(t_ms: NDArray[np.int64], mgdl: NDArray[np.float64], tz: str) -> dict[str, Any]:
    """Percentiles by local time of day in mmol/L; null where a slot knows too little."""
    rows = glucose.profile(_minutes(t_ms, tz), mgdl) / MGDL_PER_MMOL
    return {
        "slot_min": glucose.SLOT_MIN,
        "percentiles": list(glucose.PERCENTILES),
        "rows": [None if np.isnan(row).any() else [round(value, 2) for value in row.tolist()] for row in rows],
    }


DAILY_MIN = 5  # one point per five minutes is what sensors tell


def _daily(t_ms: NDArray[np.int64], mgdl: NDArray[np.float64], side: NDArray[np.int8], tz: str) -> list[dict[str, Any]]:
    """One strip per local day, oldest first: minutes of the day and values in mmol/L; LO and HI stand at the edge of the picture."""
    if not len(t_ms):
        return []
    minute = _minutes(t_ms, tz)
    shown = np.where(side < 0, glucose.VERY_LOW, np.where(side > 0, SHOWN_HIGH, mgdl)) / MGDL_PER_MMOL
    rough, which = np.unique(t_ms // MIN_MS - minute, return_inverse=True)  # midnight, but for the hour that a clock is changed by
    begin = np.array([past.midnight_ms(int(at) * MIN_MS + past.DAY_MS // 2, tz) for at in rough.tolist()], np.int64)[which]
    found: dict[int, dict[int, float]] = {}
    for day, at, value in zip(begin.tolist(), (minute // DAILY_MIN).tolist(), shown.tolist(), strict=True):
        if np.isfinite(value):
            found.setdefault(day, {})[at] = value
    return [
        {"t_ms": day, "minute": [at * DAILY_MIN for at in sorted(points)], "value": [round(points[at], 2) for at in sorted(points)]}
        for day, points in sorted(found.items())
    ]


def _minutes(t_ms: NDArray[np.int64], tz: str) -> NDArray[np.int64]:
    """Local minute of the day of each time; the offset is looked up once per quarter of an hour, which no zone's change cuts."""
    zone = ZoneInfo(tz)
    quarters, which = np.unique(t_ms // past.QUARTER_MS, return_inverse=True)
    found = []
    for quarter in quarters.tolist():
        offset = datetime.fromtimestamp(quarter * past.QUARTER_MS / 1000, UTC).astimezone(zone).utcoffset()
        found.append(0 if offset is None else int(offset.total_seconds()) // 60)
    offsets = np.array(found, dtype=np.int64)
    return np.asarray((t_ms // MIN_MS + (offsets[which] if len(offsets) else 0)) % glucose.DAY_MIN)


def _now(t_ms: NDArray[np.int64], mgdl: NDArray[np.float64], side: NDArray[np.int8], now_ms: int) -> dict[str, Any] | None:
    """The last value, its arrow and rate per minute; LO and HI stand in `beyond` and have no number."""
    if not len(t_ms):
        return None
    fresh = now_ms - int(t_ms[-1]) <= NOW_MS
    slope = glucose.rate(t_ms / MIN_MS, mgdl) if fresh and side[-1] == 0 else float("nan")
    return {
        "t_ms": int(t_ms[-1]),
        "value": _plain(float(mgdl[-1]) / MGDL_PER_MMOL),
        "beyond": {-1: "low", 0: None, 1: "high"}[int(side[-1])],
        "arrow": glucose.arrow(slope),
        "rate": _plain(slope / MGDL_PER_MMOL),
    }


def _plain(number: float) -> float | None:
    """Four decimals; null for what cannot be told."""
    return round(number, 4) if np.isfinite(number) else None
