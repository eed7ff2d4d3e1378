"""Days of a person: local time, and rings of what the same hour of former days was like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.table import Rows, Table

NS_PER_MIN = 60_000_000_000
HOUR_NS = 60 * NS_PER_MIN
DAY_NS = 24 * HOUR_NS
DAYS = 28  # days remembered
ON = 0.5  # a flag above it is set


def local_ns(t_ns: NDArray[np.int64], utc_offset_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Local wall time int64[n] in ns of UTC times int64[n]."""
    return np.asarray(t_ns + (utc_offset_s * 1e9).astype(np.int64))


def hour_of(local: NDArray[np.int64]) -> NDArray[np.int64]:
    """Hour of the day int64[n] of local times."""
    return np.asarray(local // HOUR_NS % 24)


def at_night(hour: NDArray[np.int64], begin_h: NDArray[np.float64], end_h: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool[n]: the hour lies in [begin, end), which may go over midnight."""
    over = begin_h > end_h
    return np.asarray(np.where(over, (hour >= begin_h) | (hour < end_h), (hour >= begin_h) & (hour < end_h)))


def near(past: NDArray[np.float32], hour: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values float32[n, DAYS * 3] of the hour and its neighbours on the days of a ring float32[n, DAYS * 24]."""
    hours = (hour[:, None] + np.array([-1, 0, 1])) % 24
    slots = (np.arange(DAYS)[:, None] * 24 + hours[:, None, :]).reshape(len(hour), -1)
    return np.take_along_axis(past, slots, axis=1)


def largest(values: NDArray[np.float32], rank: int = 0) -> NDArray[np.float64]:
    """The largest (rank 0), second largest ... of each row float[n, k], NaN left out; NaN where there are too few."""
    known = np.where(np.isnan(values), -np.inf, values)
    found = np.sort(known, axis=1)[:, -1 - rank].astype(np.float64)
    return np.where(np.isinf(found), np.nan, found)


def push(state: Table, name: str, count: str, rows: Rows, value: NDArray[np.float64]) -> None:
    """Add one value per row to a ring column; `count` is the column of values ever added."""
    width = state[name].shape[1]
    state[name][rows, state[count][rows] % width] = value
    state[count][rows] += 1
