"""A person's usual by the hour of the day: 24 bins over 14 days, fed by means over a minute, float64.

With tau = 14 d at 1 Hz a float32 would not move at all, and a device that sends more often must not weigh more: therefore means, and not
readings. Updates are winsorised at four spreads, so that a fault does not poison the usual, and the spread has a floor per quantity, so
that quantised or constant signals do not make every step a wonder.

    span = 24 min(gap, 1 h)      a = max(1 - exp(-span / 14 d), span / (seen + span))      d = clip(mean - mu, +-4 max(sqrt(var), floor))
    mu += a d                    var = (1 - a) (var + a d^2)                               seen += span

Series are numbered row x width + signal: columns of a table that are `width` wide, seen flat (`Flat`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

NS_PER_S = 1e9
MINUTE_NS = 60_000_000_000
HOUR_S = 3600.0
HOURS = 24
CLIP = 4.0  # spreads
ROUTINE_TAU_S = 14 * 86_400.0
ROUTINE_READY_S = 2 * 86_400.0  # calendar time that a bin must have seen: two days of its hour
CORRELATION_MIN = 20  # minutes over which vital signs resemble themselves: means closer together are less than one sample each
STATE_READY = 8  # readings


def columns(width: int) -> dict[str, Column]:
    """Columns of the minute under way and the usual, for `width` signals per row."""
    return {
        "n": Column("<i8", 0, width),  # readings learned
        "oldest_ns": Column("<i8", NEVER_NS, width),
        "newest_ns": Column("<i8", NEVER_NS, width),
        "minute": Column("<i8", NEVER_NS, width),  # minute under way, UTC minutes since the epoch
        "sum_of_minute": Column("<f8", 0.0, width),
        "count": Column("<i8", 0, width),
        "m0": Column("<f8", np.nan, width),  # state as it was before the minute under way
        "v0": Column("<f8", 0.0, width),
        "ready0": Column("|b1", 0, width),
        "former": Column("<i8", NEVER_NS, width),  # the minute before that had readings
        "mu": Column("<f8", np.nan, HOURS * width),  # usual by local hour
        "var": Column("<f8", 0.0, HOURS * width),
        "seen_s": Column("<f8", 0.0, HOURS * width),  # calendar time learned per bin
    }


class Flat:
    """A table's columns as views over row x width + signal; bins of the hour stay a second axis."""

    __slots__ = ("_table", "_width")

    def __init__(self, table: Table, width: int) -> None:
        self._table = table
        self._width = width

    def __getitem__(self, name: str) -> NDArray[Any]:
        wide = self._table.columns[name].width
        return self._table[name].reshape(-1) if wide == self._width else self._table[name].reshape(-1, wide // self._width)


@dataclass(slots=True, kw_only=True)
class Minute:
    """Closed minutes, each float64[n] or bool[n]: mean, what it was compared with, z, weight as a share of an independent sample."""

    mean: NDArray[np.float64]
    level: NDArray[np.float64]
    z: NDArray[np.float64]  # 0 while no baseline is ready
    weight: NDArray[np.float64]
    usual: NDArray[np.bool_]  # compared with the usual of the hour, else with the state before the minute
    ready: NDArray[np.bool_]


def new_minute(flat: Flat, at: Rows, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[n]: the reading at t_ns opens a minute of its own."""
    return np.asarray(t_ns // MINUTE_NS != flat["minute"][at])


def close_minute(flat: Flat, at: Rows, floor: NDArray[np.float64], utc_offset_s: NDArray[np.float64]) -> Minute:
    """End the minute under way of series that have one, judge it, and teach the usual."""
    minute = flat["minute"][at]
    mean = flat["sum_of_minute"][at] / np.maximum(flat["count"][at], 1)
    hour = hour_of(minute, utc_offset_s)
    usual = flat["seen_s"][at, hour] >= ROUTINE_READY_S
    level = np.where(usual, flat["mu"][at, hour], flat["m0"][at])
    spread2 = np.where(usual, flat["var"][at, hour], flat["v0"][at])
    ready = usual | flat["ready0"][at]
    z = np.where(ready, (mean - level) / np.maximum(np.sqrt(spread2), floor), 0.0)
    _learn_routine(flat, at, hour, mean, floor)
    former = flat["former"][at]
    gap_min = np.where(former == NEVER_NS, 1, minute - former)
    flat["former"][at] = minute
    weight = np.clip(gap_min, 1, CORRELATION_MIN) / CORRELATION_MIN
    return Minute(mean=mean, level=level, z=z, weight=weight, usual=usual, ready=ready)


def open_minute(
    flat: Flat, at: Rows, t_ns: NDArray[np.int64], level: NDArray[np.float32], spread2: NDArray[np.float32], tau_s: NDArray[np.float64]
) -> None:
    """Begin a minute and remember the state as it is before the minute's first reading."""
    flat["minute"][at] = t_ns // MINUTE_NS
    flat["sum_of_minute"][at] = 0.0
    flat["count"][at] = 0
    flat["m0"][at] = level
    flat["v0"][at] = spread2
    span_s = (flat["newest_ns"][at] - flat["oldest_ns"][at]) / NS_PER_S
    flat["ready0"][at] = (flat["n"][at] >= STATE_READY) & (span_s >= tau_s / 4)


def add_to_minute(flat: Flat, at: Rows, value: NDArray[np.float64]) -> None:
    """Count finite readings into their minute."""
    flat["sum_of_minute"][at] += value
    flat["count"][at] += 1


def hour_of(minute: NDArray[np.int64], utc_offset_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Local hour of the day int64[n] of UTC minutes since the epoch."""
    return np.asarray((minute + (utc_offset_s // 60).astype(np.int64)) // 60 % HOURS, dtype=np.int64)


def _learn_routine(flat: Flat, at: Rows, hour: NDArray[np.int64], mean: NDArray[np.float64], floor: NDArray[np.float64]) -> None:
    former = flat["former"][at]
    gap_s = np.where(former == NEVER_NS, 60.0, (flat["minute"][at] - former) * 60.0)
    # a bin sees one hour of the day, so that what it learns in an hour stands for a day; a gap stands for one hour at most
    span_s = HOURS * np.clip(gap_s, 60.0, HOUR_S)
    seen_s = flat["seen_s"][at, hour]
    rate = np.maximum(-np.expm1(-span_s / ROUTINE_TAU_S), span_s / (seen_s + span_s))
    mu, var = flat["mu"][at, hour], flat["var"][at, hour]
    mu = np.where(seen_s == 0.0, mean, mu)
    spread = np.maximum(np.sqrt(var), floor)
    move = np.clip(mean - mu, -CLIP * spread, CLIP * spread)
    flat["mu"][at, hour] = mu + rate * move
    flat["var"][at, hour] = (1.0 - rate) * (var + rate * move * move)
    flat["seen_s"][at, hour] = seen_s + span_s
