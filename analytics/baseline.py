"""Personal baselines on two horizons: 30 min ("state", float64) and 14 days in 24 hour-of-day bins ("routine", float64).

The routine is fed by means over a minute, not by readings: with tau = 14 d at 1 Hz a float32 would not move at all, and a device that
sends more often must not weigh more. Updates are winsorised at four spreads, so that a fault does not poison the baseline, and the
spread has a floor per quantity, so that quantised or constant signals do not make every step a wonder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

NS_PER_S = 1e9
MINUTE_NS = 60_000_000_000
HOUR_S = 3600.0
CLIP = 4.0  # spreads
ROUTINE_TAU_S = 14 * 86_400.0
ROUTINE_READY_S = 2 * 86_400.0  # calendar time that a bin must have seen: two days of its hour
CORRELATION_MIN = 20  # minutes over which vital signs resemble themselves: means closer together are less than one sample each
STATE_READY = 8  # readings

COLUMNS = {
    "m": Column("<f8", np.nan),  # state: level
    "v": Column("<f8"),  # state: variance
    "n": Column("<i8"),  # readings learned
    "first_ns": Column("<i8", NEVER_NS),
    "last_ns": Column("<i8", NEVER_NS),
    "minute": Column("<i8", NEVER_NS),  # minute under way, UTC minutes since the epoch
    "sum": Column("<f8"),
    "count": Column("<i8"),
    "m0": Column("<f8", np.nan),  # state as it was before the minute under way
    "v0": Column("<f8"),
    "ready0": Column("|b1"),
    "former": Column("<i8", NEVER_NS),  # the minute before that had readings
    "mu": Column("<f8", np.nan, 24),  # routine: level by local hour
    "var": Column("<f8", 0.0, 24),
    "seen_s": Column("<f8", 0.0, 24),  # calendar time learned per bin
}

PARAMS = {
    "tau_s": Column("<f8", 1800.0),
    "floor": Column("<f8", 1.0),  # smallest spread, unit of the quantity
    "utc_offset_s": Column("<f8"),  # of the resident's site, for the hour of the day
}


def step(table: Table, rows: Rows, t_ns: NDArray[np.int64], value: NDArray[np.float64], params: Table) -> NDArray[np.float64]:
    """Learn one finite reading per row; returns z float64[n] against the state before it (NaN where there was none yet)."""
    level, variance = table["m"][rows], table["v"][rows]
    floor = params["floor"][rows]
    spread = np.maximum(np.sqrt(variance), floor)
    off = value - level
    z = off / spread
    dt_s = np.maximum((t_ns - table["last_ns"][rows]) / NS_PER_S, 0.0)
    learned = table["n"][rows]
    # the first readings are averaged: an exponential start would stick to the very first value for a whole tau
    rate = np.maximum(-np.expm1(-dt_s / params["tau_s"][rows]), 1.0 / (learned + 1))
    move = np.minimum(np.maximum(off, -CLIP * spread), CLIP * spread)
    new = learned == 0
    if new.any():
        move[new], level[new], rate[new] = 0.0, value[new], 0.0
        table["first_ns"][rows[new]] = t_ns[new]
    table["m"][rows] = level + rate * move
    table["v"][rows] = (1.0 - rate) * (variance + rate * move * move)
    table["n"][rows] = learned + 1
    table["last_ns"][rows] = t_ns
    return np.asarray(z, dtype=np.float64)


def state_ready(table: Table, rows: Rows, params: Table) -> NDArray[np.bool_]:
    """bool[n]: the state has seen enough readings over at least a quarter of its horizon."""
    span_s = (table["last_ns"][rows] - table["first_ns"][rows]) / NS_PER_S
    return np.asarray((table["n"][rows] >= STATE_READY) & (span_s >= params["tau_s"][rows] / 4))


def new_minute(table: Table, rows: Rows, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[n]: the reading at t_ns opens a minute of its own."""
    return np.asarray(t_ns // MINUTE_NS != table["minute"][rows])


def close_minute(table: Table, rows: Rows, params: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """End the minute under way of rows that have one, and teach the routine: (z of its mean, weight), float64[n] each.

    z is 0 while no baseline is ready; the weight is the share of an independent sample that the minute stands for. z is taken
    against the routine of the hour where that is known well enough, else against the state before the minute.
    """
    minute = table["minute"][rows]
    mean = table["sum"][rows] / np.maximum(table["count"][rows], 1)
    hour = hour_of(minute, params["utc_offset_s"][rows])
    mu, var, seen_s = table["mu"][rows, hour], table["var"][rows, hour], table["seen_s"][rows, hour]
    floor = params["floor"][rows]
    routine = seen_s >= ROUTINE_READY_S
    z = np.where(
        routine,
        (mean - mu) / np.maximum(np.sqrt(var), floor),
        (mean - table["m0"][rows]) / np.maximum(np.sqrt(table["v0"][rows]), floor),
    )
    _learn_routine(table, rows, hour, mean, params)
    former = table["former"][rows]
    gap_min = np.where(former == NEVER_NS, 1, minute - former)
    table["former"][rows] = minute
    ready = routine | table["ready0"][rows]
    return np.where(ready, z, 0.0), np.clip(gap_min, 1, CORRELATION_MIN) / CORRELATION_MIN


def open_minute(table: Table, rows: Rows, t_ns: NDArray[np.int64], params: Table) -> None:
    """Begin a minute and remember the state as it is before the minute's first reading."""
    table["minute"][rows] = t_ns // MINUTE_NS
    table["sum"][rows] = 0.0
    table["count"][rows] = 0
    table["m0"][rows] = table["m"][rows]
    table["v0"][rows] = table["v"][rows]
    table["ready0"][rows] = state_ready(table, rows, params)


def add_to_minute(table: Table, rows: Rows, value: NDArray[np.float64]) -> None:
    """Count finite readings into their minute."""
    table["sum"][rows] += value
    table["count"][rows] += 1


def hour_of(minute: NDArray[np.int64], utc_offset_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Local hour of the day int64[n] of UTC minutes since the epoch."""
    return np.asarray((minute + (utc_offset_s // 60).astype(np.int64)) // 60 % 24, dtype=np.int64)


def _learn_routine(table: Table, rows: Rows, hour: NDArray[np.int64], mean: NDArray[np.float64], params: Table) -> None:
    former = table["former"][rows]
    gap_s = np.where(former == NEVER_NS, 60.0, (table["minute"][rows] - former) * 60.0)
    # a bin sees one hour of the day, so that what it learns in an hour stands for a day; a gap stands for one hour at most
    span_s = 24.0 * np.clip(gap_s, 60.0, HOUR_S)
    seen_s = table["seen_s"][rows, hour]
    rate = np.maximum(-np.expm1(-span_s / ROUTINE_TAU_S), span_s / (seen_s + span_s))
    mu, var = table["mu"][rows, hour], table["var"][rows, hour]
    new = seen_s == 0.0
    mu = np.where(new, mean, mu)
    spread = np.maximum(np.sqrt(var), params["floor"][rows])
    move = np.clip(mean - mu, -CLIP * spread, CLIP * spread)
    table["mu"][rows, hour] = mu + rate * move
    table["var"][rows, hour] = (1.0 - rate) * (var + rate * move * move)
    table["seen_s"][rows, hour] = seen_s + span_s
