"""The scoring rule of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015): windows, sigmoid by position, cost profiles, probation."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from math import erfc, exp, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
PROBATION, PROBATION_MOST = 0.15, 750


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Costs of a profile."""

    tp: float
    fp: float
    fn: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One file: seconds, values float64[n], windows as index pairs (inclusive)."""

    name: str
    t_s: F64
    x: F64
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Points at the start that do not count."""
        return min(int(PROBATION * len(self.x)), PROBATION_MOST)

    @property
    def weeks(self) -> float:
        """Time that counts."""
        return float(self.t_s[-1] - self.t_s[self.probation]) / (7 * 86_400.0)


def load(folder: Path) -> list[Series]:
    """All files that are there, by name."""
    marked = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    found = []
    for path in sorted((folder / "data").glob("*/*.csv")):
        name = path.relative_to(folder / "data").as_posix()
        with path.open(encoding="utf-8") as file:
            rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
        t_s, x = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        windows = []
        for begin, end in marked.get(name, []):
            inside = np.flatnonzero((t_s >= _seconds(begin)) & (t_s <= _seconds(end)))
            windows.append((int(inside[0]), int(inside[-1])))
        found.append(Series(name=name, t_s=t_s, x=x, windows=tuple(windows)))
    return found


def profiles(folder: Path) -> dict[str, Profile]:
    """The benchmark's profiles by name."""
    data = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
    return {
        name: Profile(tp=one["CostMatrix"]["tpWeight"], fp=one["CostMatrix"]["fpWeight"], fn=one["CostMatrix"]["fnWeight"])
        for name, one in data.items()
    }


def scaled_sigmoid(position: float) -> float:
    """+1 well before the right edge of a window (position -1 is its left edge, 0 its right one) to -1 well behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + exp(5.0 * position)) - 1.0


def worth(series: Series, profile: Profile) -> tuple[F64, NDArray[np.int64]]:
    """What a detection at each point is worth float64[n], and the window it lies in int64[n] (-1 = none)."""
    value, inside = np.zeros(len(series.x)), np.full(len(series.x), -1, dtype=np.int64)
    best = scaled_sigmoid(-1.0)
    edge = 0
    before: tuple[int, int] | None = None
    for number, (left, right) in enumerate((*series.windows, (len(series.x), len(series.x)))):
        for at in range(edge, left):
            position = None if before is None else (at - before[1]) / max(before[1] - before[0], 1)
            value[at] = profile.fp * (-1.0 if position is None else scaled_sigmoid(position))
        width = right - left + 1
        for at in range(left, min(right + 1, len(series.x))):
            value[at] = profile.tp * scaled_sigmoid(-(right - at + 1) / width) / best
            inside[at] = number
        before, edge = (left, right), right + 1
    return value, inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A file's raw score at each threshold (falling): thresholds float64[m], score float64[m]; the last is minus infinity."""

    thresholds: F64
    score: F64
    windows: int

    def at(self, threshold: float) -> float:
        """Raw score with alarms at points whose score is at least the threshold."""
        place = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return float(self.score[place])


def sweep(series: Series, score: F64, profile: Profile) -> Swept:
    """Raw scores at all thresholds at once: alarms are added from the highest score down; a window takes its best alarm."""
    value, inside = worth(series, profile)
    order = np.argsort(-score, kind="stable")
    order = order[order >= series.probation]
    best = dict.fromkeys(range(len(series.windows)), -profile.fn)
    total = -profile.fn * len(series.windows)
    thresholds, scores = [np.inf], [total]
    for at in order.tolist():
        number = int(inside[at])
        if number < 0:
            total += value[at]
        else:
            gain = max(best[number], float(value[at])) - best[number]
            best[number] += gain
            total += gain
        if score[at] == thresholds[-1]:
            scores[-1] = total
        else:
            thresholds.append(float(score[at]))
            scores.append(total)
    return Swept(thresholds=np.array(thresholds), score=np.array(scores), windows=len(series.windows))


def best_threshold(swept: list[Swept]) -> float:
    """The threshold with the highest sum of raw scores (the official way: on the very labels that are scored)."""
    levels = np.unique(np.concatenate([one.thresholds for one in swept]))
    total = np.zeros(len(levels))
    for one in swept:
        total += one.score[np.searchsorted(-one.thresholds, -levels, side="right") - 1]
    return float(levels[total.argmax()])


def normalised(raw: float, windows: int, profile: Profile) -> float:
    """100 = every window at its left edge and nothing else, 0 = no alarm at all."""
    null, perfect = -profile.fn * windows, profile.tp * windows
    return 100.0 * (raw - null) / (perfect - null)


def windowed_gaussian(x: F64) -> F64:
    """The benchmark's baseline: 1 - tail of a normal distribution with mean and sd of 6,400 points, renewed every 100."""
    held: list[float] = []
    waiting: list[float] = []
    found = np.zeros(len(x))
    total = square = 0.0
    mean, spread = 0.0, 1.0
    for at, value in enumerate(x.tolist()):
        if held:
            found[at] = 1.0 - 0.5 * erfc(abs(value - mean) / spread / sqrt(2.0))
        if len(held) < 6_400:
            held.append(value)
            total, square = total + value, square + value * value
        else:
            waiting.append(value)
            if len(waiting) < 100:
                continue
            held = held[100:] + waiting
            waiting = []
            total, square = sum(held), sum(one * one for one in held)
        mean = total / len(held)
        spread = max(sqrt(max(square / len(held) - mean * mean, 0.0)), 1e-6)
    return found


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
