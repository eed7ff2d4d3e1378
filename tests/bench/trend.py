"""How often the trend rule cries on clean synthetic heart rates, and how soon it finds a lasting step: behind its settings."""

from __future__ import annotations

import numpy as np

from analytics.detect.base import START, Window, find
from analytics.table import Table

PEOPLE, DAYS = 40, 12
SPREAD_BPM, SWING_BPM, STEP_BPM = 4.0, 8.0, 12.0
MINUTE_NS = 60_000_000_000


def run(correlation: float, step_bpm: float) -> tuple[float, float, float]:
    """One reading a minute: alarms per resident-week before the last day; share that found the step on it; median minutes to it."""
    (trend,) = (detector for detector in find() if detector.rule == "trend")
    params, state = Table(trend.params, PEOPLE), Table(trend.columns, PEOPLE)
    params["floor"][:PEOPLE] = 3.0
    rng, noise, rows = np.random.default_rng(3), np.zeros(PEOPLE), np.arange(PEOPLE, dtype=np.int64)
    no, zero = np.zeros(PEOPLE, dtype=bool), np.zeros(PEOPLE, dtype=np.int8)
    alarms, found = 0, np.full(PEOPLE, np.nan)
    last_day = (DAYS - 1) * 1440
    for minute in range(DAYS * 1440):
        noise = correlation * noise + rng.normal(0, SPREAD_BPM * np.sqrt(1 - correlation**2), PEOPLE)
        value = 72 + SWING_BPM * np.sin(2 * np.pi * minute / 1440) + noise + (step_bpm if minute >= last_day else 0.0)
        window = Window(
            rows=rows, t_ns=np.full(PEOPLE, minute * MINUTE_NS), value=np.round(value), key=np.full(PEOPLE, minute), usable=~no,
            doubtful=no, beyond=zero, origin=zero.astype(np.uint8), part=zero, params=params,
        )  # fmt: skip
        starts = (trend.step(window, state).change & START) != 0
        if minute < last_day:
            alarms += int(starts.sum())
        else:
            found = np.where(np.isnan(found) & starts, minute - last_day, found)
    weeks = PEOPLE * (DAYS - 1) / 7
    return alarms / weeks, float(np.mean(~np.isnan(found))), float(np.nanmedian(found)) if not np.isnan(found).all() else float("nan")


if __name__ == "__main__":
    for correlation in (0.8, 0.9, 0.95):
        per_week, share, minutes = run(correlation, STEP_BPM)
        print(
            f"autocorrelation {correlation} per minute: {per_week:.2f} alarms per resident-week; "
            f"a step of {STEP_BPM / SPREAD_BPM:g} spreads found in {share:.0%} of residents, median {minutes:.0f} min"
        )
