"""NEWS2 of a person: now from the last values, and over the past from means of four hours; what is not known makes it partial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.score import PARTS, fresh, news2
from gateway.query import past
from gateway.registry.view import Resident

BAR_MS = 4 * past.HOUR_MS
KEYS = ("resp", "spo2", "sbp", "hr", "pulse", "temp")
FROM_DEVICES = {"resp": ("resp",), "spo2": ("spo2",), "sbp": ("sbp",), "pulse": ("hr", "pulse"), "temp": ("temp",)}


Told = tuple[NDArray[np.int64], NDArray[np.float64]]  # times in ms and values of one quantity, equal length


@dataclass(frozen=True, slots=True)
class Entered:
    """What staff entered about a person at `t_ms`; None = not entered."""

    t_ms: int
    scale: int
    on_oxygen: bool | None
    consciousness: str | None


def now_json(resident: Resident, vitals: Mapping[str, Mapping[str, Any]], now_ms: int) -> dict[str, Any] | None:
    """NEWS2 of this moment; None where nothing at all is known."""
    parts, age_s = np.full((1, len(PARTS)), np.nan), np.full((1, len(PARTS)), np.inf)
    for index, part in enumerate(PARTS):
        for key in FROM_DEVICES.get(part, ()):
            vital = vitals.get(key)
            if vital is not None and vital["value"] is not None and vital["t_ms"] is not None and np.isnan(parts[0, index]):
                parts[0, index], age_s[0, index] = vital["value"], max(0.0, (now_ms - vital["t_ms"]) / 1000)
    parts = fresh(parts, age_s)
    entered = Entered(now_ms, resident.spo2_scale, resident.on_oxygen, resident.consciousness)
    return _score(parts, [entered])[0]


def _score(parts: NDArray[np.float64], entered: Sequence[Entered]) -> list[dict[str, Any] | None]:
    """Scores of n moments; parts float64[n, 7] hold what devices said, oxygen and consciousness come from what was entered by then."""
    parts[:, PARTS.index("o2")] = [np.nan if e.on_oxygen is None else float(e.on_oxygen) for e in entered]
    parts[:, PARTS.index("consciousness")] = [np.nan if e.consciousness is None else float(e.consciousness != "A") for e in entered]
    result = news2(parts, np.array([e.scale for e in entered], np.int8))
    found: list[dict[str, Any] | None] = []
    for row in range(len(entered)):
        known = int(result.known[row])
        if known == 0:
            found.append(None)
            continue
        found.append(
            {
                "total": int(result.total[row]),
                "single3": bool(result.single3[row]),
                "known": known,
                "partial": known < len(PARTS),
                "missing": [part for part, points in zip(PARTS, result.points[row].tolist(), strict=True) if points < 0],
            }
        )
    return found


def trend(told_by: Mapping[str, Told], entries: Sequence[Entered], from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """One score per four hours of [from, to) in which a device said anything; entries by time."""
    first, last = from_ms // BAR_MS, (to_ms - 1) // BAR_MS
    parts = np.full((last - first + 1, len(PARTS)), np.nan)
    for index, part in enumerate(PARTS):
        for key in reversed(FROM_DEVICES.get(part, ())):
            means = _means(told_by[key], first, len(parts)) if key in told_by else parts[:, index]
            parts[:, index] = np.where(np.isfinite(means), means, parts[:, index])
    told = np.isfinite(parts).any(axis=1)
    begins = [(first + row) * BAR_MS for row in range(len(parts))]
    entered = [_entered_by(entries, begin + BAR_MS) for begin in begins]
    return [
        {"t_ms": begin, "until_ms": begin + BAR_MS, **score}
        for begin, score, any_told in zip(begins, _score(parts, entered), told.tolist(), strict=True)
        if any_told and score is not None
    ]


def _means(told: Told, first: int, size: int) -> NDArray[np.float64]:
    """Mean of each four hours; NaN where nothing was told."""
    t_ms, value = told
    at = t_ms // BAR_MS - first
    inside = (at >= 0) & (at < size) & np.isfinite(value)
    n = np.bincount(at[inside], minlength=size)
    total = np.bincount(at[inside], weights=value[inside], minlength=size)
    means: NDArray[np.float64] = np.divide(total, n, out=np.full(size, np.nan), where=n > 0)
    return means


def _entered_by(entries: Sequence[Entered], t_ms: int) -> Entered:
    known = [entry for entry in entries if entry.t_ms < t_ms]
    return known[-1] if known else Entered(t_ms, 1, None, None)
