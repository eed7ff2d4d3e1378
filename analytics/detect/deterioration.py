"""Slow worsening of a person: logistic over smoothed NEWS2 points, levels, and the deviation from the person's own last day.

Sampled every `sample_s`, so that it matters neither how often a device sends nor how often time is told. What is not known adds nothing:
with few parts the score stays near the average, and with fewer than `LEAST_PARTS` it cannot tell. The model
(analytics/fitted/deterioration.json) was fitted on intensive-care stays with the outcome death in hospital: it orders people by how much
they worsen; its percentage is no prognosis for a resident of a home.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import fitted, score
from analytics.detect.base import (
    ALARM,
    END,
    NO_DATA,
    NOTHING,
    OK,
    START,
    UNKNOWN,
    WARMING,
    Detector,
    Instant,
    Stage,
    Verdicts,
    Window,
    quiet,
    rounded,
)
from analytics.score import CONSCIOUSNESS, O2, PARTS
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

LEVELS = (score.RESP, score.SPO2, score.SBP, score.PULSE, score.TEMP)  # parts with a level of their own
KEYS = ("resp", "spo2", "sbp", "hr", "temp")
UNITS = ("/min", "%", "mm[Hg]", "/min", "Cel")
POINTS = (*LEVELS, CONSCIOUSNESS)
NORMAL = np.array([17.0, 96.0, 120.0, 85.0, 36.9])  # levels in these steps: only so that the numbers are of one size
STEP = np.array([5.0, 3.0, 20.0, 15.0, 0.8])
FEATURES = tuple(
    [f"points {PARTS[part]}" for part in POINTS]
    + [f"{word} {key}" for word in ("level", "level^2", "change", "|change|", "spread") for key in KEYS]
)
FAST_H, SLOW_H, POINTS_H = 6.0, 24.0, 8.0
LEAST_PARTS = 3
WIDTH = len(LEVELS)


class Deterioration:
    """ALARM while the score has been above its threshold for `worse_s`; over below the threshold's lower edge."""

    rule = "deterioration"
    version = 1
    stage = Stage.SCORE
    columns: Mapping[str, Column] = {
        "part": Column("<f8", np.nan, len(PARTS)),
        "part_ns": Column("<i8", NEVER_NS, len(PARTS)),
        "part_origin": Column("|u1", 0, len(PARTS)),
        "grid": Column("<i8", -1),  # number of the last sample
        "hours": Column("<f8", 0.0, WIDTH),  # learned per level
        "fast": Column("<f8", np.nan, WIDTH),
        "slow": Column("<f8", np.nan, WIDTH),
        "var": Column("<f8", 0.0, WIDTH),
        "points": Column("<f8", 0.0, len(POINTS)),
        "learned_h": Column("<f8"),
        "logit": Column("<f8", np.nan),
        "known": Column("|i1"),
        "above_ns": Column("<i8", NEVER_NS),
        "above_key": Column("<i8", UNKNOWN),
        "active": Column("|b1"),
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "origin": Column("|u1"),
    }
    params: Mapping[str, Column] = {
        "max_age_s": Column("<f8", 1800.0, len(PARTS)),
        "spo2_scale": Column("|i1", 1),
        "on_oxygen": Column("<f8", np.nan),
        "cvpu": Column("<f8", np.nan),
        "sample_s": Column("<f8", 900.0),
        "worse_p": Column("<f8", np.nan),  # probability that alarms; NaN = the model's own
        "worse_s": Column("<f8", 2 * 3600.0),
        "worse_warm_h": Column("<f8", 6.0),
        "worse_gap": Column("<f8", 0.7),  # log-odds between alarm and all clear
    }

    def __init__(self, model: fitted.Logistic | None = None) -> None:
        self.model = model if model is not None else fitted.logistic("deterioration")

    def step(self, window: Window, state: Table) -> Verdicts:
        """Keep the newest value of each part; the verdict is that of the last sample."""
        counts = window.usable & np.isfinite(window.value) & (np.abs(window.value) < 1e4)
        rows, part = window.rows[counts], window.part[counts]
        state["part"][rows, part] = window.value[counts]
        state["part_ns"][rows, part] = window.t_ns[counts]
        state["part_origin"][rows, part] = window.origin[counts]
        answer = quiet(window.rows)
        answer.verdict[:] = self._verdict(window.rows, state, window.params)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Take the samples that are due."""
        rows = np.arange(instant.rows, dtype=np.int64)
        grid = (instant.now_ns // _ns(params["sample_s"][rows])).astype(np.int64)
        rows = rows[grid > state["grid"][rows]]
        if not len(rows):
            return NOTHING
        parts, origin = self.parts(instant.now_ns, rows, state, params)
        state["known"][rows] = (~np.isnan(parts)).sum(axis=1)
        told = ~np.isnan(parts[:, list(LEVELS)]).all(axis=1)
        rows, parts, origin, grid = rows[told], parts[told], origin[told], grid[rows[told]]
        if not len(rows):
            return NOTHING
        self._learn(rows, parts, grid, state, params)
        state["logit"][rows] = self.model.logit(features(rows, state))
        return self._condition(rows, origin, instant, state, params)

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """The next sample of anybody of whom something is known."""
        rows = np.arange(instant.rows, dtype=np.int64)
        if not len(rows):
            return None
        span_ns = _ns(params["sample_s"][rows])
        age_ns = _ns(np.minimum(params["max_age_s"][rows][:, list(LEVELS)], 1e9))
        ends = (state["part_ns"][rows][:, list(LEVELS)] + age_ns).max(axis=1)
        following = (instant.now_ns // span_ns + 1) * span_ns
        late = instant.now_ns // span_ns > state["grid"][rows]  # told since the last sample, and that sample is still to be taken
        at = np.where(late, instant.now_ns + 1, following)
        at = at[ends >= at]
        return int(at.min()) if len(at) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        self._end(rows, np.arange(len(rows)), state["active"][rows], state, answer)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Score in %, parts known, and the level that adds most to it: its smoothed value beside that of the person's last day."""
        shares = self.model.shares(features(np.array([row]), state))[0]
        count = len(POINTS)
        of_level = [shares[at] + shares[count + at :: WIDTH].sum() for at in range(WIDTH)]
        most = int(np.argmax(np.where(state["hours"][row] > 0, of_level, -np.inf)))
        return {
            "quantity": KEYS[most], "unit": UNITS[most], "value": rounded(float(state["fast"][row, most]), 1),
            "usual": rounded(float(state["slow"][row, most]), 1), "percent": rounded(100.0 / (1.0 + np.exp(-float(state["logit"][row])))),
            "known": int(state["known"][row]), "of": len(PARTS),
        }  # fmt: skip

    def parts(self, now_ns: int, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Parts float64[n, 7] that are young enough now (else NaN), and the largest origin uint8[n] among them."""
        age_s = (now_ns - state["part_ns"][rows]) / 1e9
        values = np.where(age_s <= params["max_age_s"][rows], state["part"][rows], np.nan)
        origin = np.where(np.isnan(values), 0, state["part_origin"][rows]).max(axis=1).astype(np.uint8)
        values[:, O2] = params["on_oxygen"][rows]
        values[:, CONSCIOUSNESS] = params["cvpu"][rows]
        return values, origin

    def _learn(self, rows: Rows, parts: NDArray[np.float64], grid: NDArray[np.int64], state: Table, params: Table) -> None:
        """One sample: fast and slow averages of the levels, spread about the slow one, average of the points."""
        sample_h = params["sample_s"][rows] / 3600.0
        before = state["grid"][rows]
        dt_h = np.where(before < 0, sample_h, np.minimum((grid - before) * sample_h, SLOW_H))
        state["grid"][rows] = grid
        state["learned_h"][rows] += np.minimum(dt_h, 1.0)
        points = np.maximum(score.news2(parts, params["spo2_scale"][rows]).points[:, list(POINTS)], 0)
        share = _rate(dt_h, POINTS_H, state["learned_h"][rows])[:, None]
        state["points"][rows] += share * (points - state["points"][rows])
        x = parts[:, list(LEVELS)]
        known = ~np.isnan(x)
        new = known & (state["hours"][rows] == 0)
        state["fast"][rows] = np.where(new, x, state["fast"][rows])
        state["slow"][rows] = np.where(new, x, state["slow"][rows])
        state["hours"][rows] += np.where(known, dt_h[:, None], 0.0)
        hours = np.maximum(state["hours"][rows], 1e-9)
        fast, slow = _rate(dt_h[:, None], FAST_H, hours), _rate(dt_h[:, None], SLOW_H, hours)
        off = np.where(known, x - state["slow"][rows], 0.0)
        state["fast"][rows] += np.where(known, fast * (np.where(known, x, 0.0) - state["fast"][rows]), 0.0)
        state["slow"][rows] += slow * off
        state["var"][rows] = np.where(known, (1.0 - slow) * (state["var"][rows] + slow * off * off), state["var"][rows])

    def _condition(self, rows: Rows, origin: NDArray[np.uint8], instant: Instant, state: Table, params: Table) -> Verdicts:
        answer = quiet(rows)
        limit = params["worse_p"][rows]
        on = np.where(np.isnan(limit), _logit(self.model.threshold), _logit(np.where(np.isnan(limit), 0.5, limit)))
        logit = state["logit"][rows]
        able = self._able(rows, state, params)
        high = able & (logit > on)
        fresh = high & (state["above_ns"][rows] == NEVER_NS)
        state["above_ns"][rows[fresh]], state["above_key"][rows[fresh]] = instant.now_ns, instant.key
        gone = able & ~high & ~state["active"][rows]  # a score that cannot be told neither starts nor ends anything
        state["above_ns"][rows[gone]] = NEVER_NS
        starts = high & ~state["active"][rows] & (instant.now_ns - state["above_ns"][rows] >= _ns(params["worse_s"][rows]))
        over = able & state["active"][rows] & (logit < on - params["worse_gap"][rows])
        self._end(rows, np.arange(len(rows)), over, state, answer)
        if starts.any():
            at = rows[starts]
            state["active"][at] = True
            state["onset_key"][at], state["onset_ns"][at] = state["above_key"][at], state["above_ns"][at]
            state["origin"][at] = origin[starts]
            answer.writable()
            answer.change[starts] |= START
            answer.onset_key[starts], answer.onset_ns[starts] = state["onset_key"][at], state["onset_ns"][at]
        answer.verdict[:] = self._verdict(rows, state, params)
        return answer

    def _end(self, rows: Rows, index: NDArray[np.int64], over: NDArray[np.bool_], state: Table, answer: Verdicts) -> None:
        if not over.any():
            return
        answer.writable()
        at, where = rows[over], index[over]
        answer.change[where] |= END
        answer.ended_key[where], answer.ended_ns[where] = state["onset_key"][at], state["onset_ns"][at]
        state["active"][at] = False
        state["above_ns"][at] = NEVER_NS

    def _able(self, rows: Rows, state: Table, params: Table) -> NDArray[np.bool_]:
        return np.asarray((state["known"][rows] >= LEAST_PARTS) & (state["learned_h"][rows] >= params["worse_warm_h"][rows]))

    def _verdict(self, rows: Rows, state: Table, params: Table) -> NDArray[np.int8]:
        told = np.where(state["known"][rows] >= LEAST_PARTS, np.int8(WARMING), np.int8(NO_DATA))
        told = np.where(self._able(rows, state, params), np.int8(OK), told)
        return np.where(state["active"][rows], np.int8(ALARM), told)


def features(rows: Rows, state: Table) -> NDArray[np.float64]:
    """Features float64[n, 31] (FEATURES); what was never told is at the normal level without change."""
    known = state["hours"][rows] > 0
    level = np.where(known, (np.where(known, state["fast"][rows], 0.0) - NORMAL) / STEP, 0.0)
    change = np.where(known, (state["fast"][rows] - state["slow"][rows]) / STEP, 0.0)
    spread = np.where(known, np.sqrt(state["var"][rows]) / STEP, 0.0)
    return np.hstack([state["points"][rows], level, level * level, change, np.abs(change), spread])


def _rate(dt_h: NDArray[np.float64], tau_h: float, seen_h: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of a new value: the mean of all at first, later exponential."""
    return np.asarray(np.minimum(1.0, np.maximum(-np.expm1(-dt_h / tau_h), dt_h / np.maximum(seen_h, dt_h))))


def _logit(p: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(np.log(np.asarray(p) / (1.0 - np.asarray(p))))


def _ns(span_s: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(span_s * 1e9).astype(np.int64)


DETECTORS: tuple[Detector, ...] = (Deterioration(),)
