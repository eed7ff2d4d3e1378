"""What the deviation rule costs and finds on clean synthetic vital signs (circadian, autocorrelated): behind its settings."""

from __future__ import annotations

import numpy as np

from analytics.detect.base import START, Instant, Window, find
from analytics.table import Table

PEOPLE, DAYS = 40, 8
LEVELS = np.array([72.0, 96.5, 16.0])  # hr, spo2, resp
SPREADS = np.array([4.0, 0.8, 1.5])
SWINGS = np.array([8.0, 0.5, 1.0])
PARTS = (0, 2, 3)  # positions among the detector's quantities
MINUTE_NS = 60_000_000_000


def run(correlation: float, steps: tuple[float, float, float]) -> tuple[float, float, float]:
    """A reading a minute and signal; on the last day each signal leaves by so many spreads.

    Returns alarms per resident-week before the last day, share of the people found on it, median minutes until then.
    """
    (detector,) = (one for one in find() if one.rule == "deviation")
    params, state = Table(detector.params, PEOPLE), Table(detector.columns, PEOPLE)
    rng, noise, rows = np.random.default_rng(3), np.zeros((3, PEOPLE)), np.arange(PEOPLE, dtype=np.int64)
    no, zero = np.zeros(PEOPLE, dtype=bool), np.zeros(PEOPLE, dtype=np.int8)
    alarms, found, last_day = 0, np.full(PEOPLE, np.nan), (DAYS - 1) * 1440
    for minute in range(DAYS * 1440):
        noise = correlation * noise + rng.normal(0, np.sqrt(1 - correlation**2), (3, PEOPLE))
        swing = np.sin(2 * np.pi * minute / 1440)
        for at, part in enumerate(PARTS):
            value = LEVELS[at] + SWINGS[at] * swing + SPREADS[at] * (noise[at] + (steps[at] if minute >= last_day else 0.0))
            window = Window(
                rows=rows, t_ns=np.full(PEOPLE, minute * MINUTE_NS), value=np.round(value), key=np.full(PEOPLE, minute), usable=~no,
                doubtful=no, beyond=zero, origin=zero.astype(np.uint8), part=np.full(PEOPLE, part, np.int8), params=params,
            )  # fmt: skip
            detector.step(window, state)
        answer = detector.tick(Instant(now_ns=minute * MINUTE_NS, key=minute, listened_ns=0, rows=PEOPLE), state, params)
        starts = answer.rows[(answer.change & START) != 0]
        if minute < last_day:
            alarms += len(starts)
        else:
            found[starts] = np.fmin(found[starts], minute - last_day)
    known = ~np.isnan(found)
    return alarms / (PEOPLE * (DAYS - 1) / 7), float(known.mean()), float(np.median(found[known])) if known.any() else float("nan")


def main() -> None:
    """Print the table."""
    for correlation in (0.8, 0.95):
        for name, steps in (("heart rate by 3 spreads", (3.0, 0.0, 0.0)), ("all three by 2 spreads", (2.0, -2.0, 2.0))):
            per_week, share, minutes = run(correlation, steps)
            print(f"autocorrelation {correlation} per minute: {per_week:.2f} alarms per resident-week")
            print(f"    {name}: found in {share:.0%} of the people, median {minutes:.0f} min")


if __name__ == "__main__":
    main()
