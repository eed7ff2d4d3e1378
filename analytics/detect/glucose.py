"""Low glucose before it happens: logistic on 19 features of the last four hours, refractory span, cancelled by carbohydrates.

The limits below 3.9 and 3.0 mmol/L (70 and 54 mg/dL) and LO are the rule `limit.low`, at once; this one speaks only while the value is
still above. WARMING while the sensor is new, after a long gap, and until 45 minutes of values a quarter of an hour apart are there. The
model (analytics/fitted/glucose_soon.json) gives the probability that 15 minutes or more below 70 mg/dL begin with the next values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import fitted
from analytics.detect.base import (
    ALARM,
    END,
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
from analytics.glucose import LOW, MGDL_PER_MMOL, rate
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

NS_PER_MIN = 60_000_000_000
RING = 56  # entries at least APART_MIN apart: four hours
APART_MIN = 4.5
STEP_MIN, JITTER_MIN = 15.0, 3.0
RECENT_MIN, LONG_MIN = 107.0, 242.0
REFERENCE = 140.0  # mg/dL; x = ln(g / REFERENCE)
ASKED_BELOW = 140.0  # mg/dL: the model was fitted below it
HOVERS = float(np.log(85.0 / REFERENCE))
CGM, CARBS = 0, 1
FEATURES = (
    "x0", "s1", "s2", "s1-s2", "x0^2", "x0 s1", "min(x0+2 s1,1)", "max(-.69-x0-2 s1,0)", "after_low", "x0-x3", "mean3h-x0", "sd24h",
    "sqrt_low_share", "sin_day", "cos_day", "min4h", "share_hovering", "x0-x4", "x0-x6",
)  # fmt: skip


class LowSoon:
    """ALARM from the moment that a low is likely until it is there, is averted or the refractory span is over."""

    rule = "glucose_soon"
    version = 1
    stage = Stage.PERSON
    quantities = ("glucose_cgm", "carbs")
    columns: Mapping[str, Column] = {
        "ring_x": Column("<f4", np.nan, RING),
        "ring_ns": Column("<i8", NEVER_NS, RING),
        "entries": Column("<i8"),
        "first_ns": Column("<i8", NEVER_NS),  # of the sensor's present run
        "last_ns": Column("<i8", NEVER_NS),
        "low_ns": Column("<i8", NEVER_NS),  # last value below 70
        "learned": Column("<i8"),
        "mean3h": Column("<f8", np.nan),
        "mean24h": Column("<f8", np.nan),
        "var24h": Column("<f8", 0.05),
        "low_share": Column("<f8"),
        "carbs_ns": Column("<i8", NEVER_NS),
        "alarm_ns": Column("<i8", NEVER_NS),
        "active": Column("|b1"),
        "p": Column("<f4", np.nan),
        "mgdl": Column("<f4", np.nan),
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "origin": Column("|u1"),
    }
    params: Mapping[str, Column] = {
        "glucose_p": Column("<f8", np.nan),  # probability that alarms; NaN = the model's own
        "glucose_refractory_s": Column("<f8", 3600.0),
        "carbs_s": Column("<f8", 1800.0),  # how long carbohydrates that were logged keep the rule quiet
        "glucose_warm_s": Column("<f8", 3600.0),
        "glucose_gap_s": Column("<f8", 6 * 3600.0),  # a longer gap is a new sensor
        "utc_offset_s": Column("<f8"),
    }

    def __init__(self, model: fitted.Logistic | None = None) -> None:
        self.model = model if model is not None else fitted.logistic("glucose_soon")

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident; carbohydrates end what is under way, LO and HI are no numbers and no forecast."""
        answer = quiet(window.rows, WARMING)
        self._over(window.rows, window.t_ns, np.arange(len(window)), state, window.params, answer)
        meal = (window.part == CARBS) & window.usable & (window.value > 0)
        if meal.any():
            rows = window.rows[meal]
            state["carbs_ns"][rows] = window.t_ns[meal]
            self._end(rows, np.flatnonzero(meal), state["active"][rows], state, answer)
        told = (window.part == CGM) & window.usable & ~window.doubtful & (window.beyond == 0) & (window.value > 0) & (window.value < 100)
        told &= window.t_ns >= state["last_ns"][window.rows]
        index = np.flatnonzero(told)
        if len(index):
            self._judge(window.take(index), index, state, answer)
        rows = window.rows
        answer.verdict[state["active"][rows]] = ALARM
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """A forecast is over with its refractory span, whether values come or not."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        if not len(rows):
            return NOTHING
        answer = quiet(rows, OK)
        self._over(rows, np.full(len(rows), instant.now_ns), np.arange(len(rows)), state, params, answer)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next forecast is over."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        ends = state["alarm_ns"][rows] + _ns(params["glucose_refractory_s"][rows])
        return int(ends.min()) if len(rows) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        self._end(rows, np.arange(len(rows)), state["active"][rows], state, answer)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Value, probability in % and fall per 15 minutes (mmol/L) of a resident."""
        order = np.argsort(state["ring_ns"][row])
        t_min, x = state["ring_ns"][row][order] / NS_PER_MIN, state["ring_x"][row][order].astype(np.float64)
        slope = rate(t_min, REFERENCE * np.exp(x), 31.0)
        return {
            "quantity": "glucose_cgm", "unit": "mmol/L", "value": rounded(float(state["mgdl"][row]) / MGDL_PER_MMOL, 1),
            "percent": rounded(100 * float(state["p"][row])), "rate": rounded(15 * slope / MGDL_PER_MMOL, 2),
        }  # fmt: skip

    # --- one value ---------------------------------------------------------------------------------------------------

    def _judge(self, window: Window, index: NDArray[np.int64], state: Table, answer: Verdicts) -> None:
        rows, t_ns, params = window.rows, window.t_ns, window.params
        mgdl = np.round(window.value * MGDL_PER_MMOL, 3)  # 70 mg/dL must come back as 70
        _learn(rows, t_ns, mgdl, params, state)
        x = features(rows, t_ns, mgdl, params["utc_offset_s"][rows], state)
        warm = t_ns - state["first_ns"][rows] >= _ns(params["glucose_warm_s"][rows])
        valid = warm & ~np.isnan(x[:, 0])
        p = np.full(len(rows), np.nan)
        p[valid] = 1.0 / (1.0 + np.exp(-self.model.logit(x[valid])))
        state["p"][rows], state["mgdl"][rows] = p, mgdl
        answer.verdict[index] = np.where(valid, np.int8(OK), np.int8(WARMING))
        limit = params["glucose_p"][rows]
        limit = np.where(np.isnan(limit), self.model.threshold, limit)
        answer.score[index] = np.where(valid, p / limit, 0.0)
        low = mgdl < LOW
        self._end(rows[low], index[low], state["active"][rows[low]], state, answer)
        free = ~state["active"][rows] & (t_ns - state["alarm_ns"][rows] >= _ns(params["glucose_refractory_s"][rows]))
        fed = t_ns - state["carbs_ns"][rows] < _ns(params["carbs_s"][rows])
        starts = valid & ~low & (mgdl < ASKED_BELOW) & (p > limit) & free & ~fed
        if not starts.any():
            return
        at, where = rows[starts], index[starts]
        state["active"][at] = True
        state["alarm_ns"][at] = state["onset_ns"][at] = t_ns[starts]
        state["onset_key"][at], state["origin"][at] = window.key[starts], window.origin[starts]
        answer.writable()
        answer.change[where] |= START
        answer.onset_key[where], answer.onset_ns[where] = window.key[starts], t_ns[starts]

    def _over(
        self, rows: Rows, t_ns: NDArray[np.int64], index: NDArray[np.int64], state: Table, params: Table, answer: Verdicts
    ) -> None:
        spent = t_ns - state["alarm_ns"][rows] >= _ns(params["glucose_refractory_s"][rows])
        self._end(rows, index, state["active"][rows] & spent, state, answer)

    def _end(self, rows: Rows, index: NDArray[np.int64], over: NDArray[np.bool_], state: Table, answer: Verdicts) -> None:
        if not over.any():
            return
        answer.writable()
        at, where = rows[over], index[over]
        answer.change[where] |= END
        answer.ended_key[where], answer.ended_ns[where] = state["onset_key"][at], state["onset_ns"][at]
        state["active"][at] = False


def _learn(rows: Rows, t_ns: NDArray[np.int64], mgdl: NDArray[np.float64], params: Table, state: Table) -> None:
    """Ring, averages on three hours and a day, and the share of low values on three days."""
    last_ns = state["last_ns"][rows]
    anew = (last_ns == NEVER_NS) | (t_ns - last_ns > _ns(params["glucose_gap_s"][rows]))
    state["first_ns"][rows[anew]] = t_ns[anew]
    state["entries"][rows[anew]] = 0
    state["ring_ns"][rows[anew]] = NEVER_NS
    state["ring_x"][rows[anew]] = np.nan
    fresh = state["learned"][rows] == 0
    x = np.log(mgdl / REFERENCE)
    dt_min = np.where(fresh, STEP_MIN, np.minimum(t_ns - last_ns, 1440 * NS_PER_MIN) / NS_PER_MIN)
    state["mean3h"][rows[fresh]] = state["mean24h"][rows[fresh]] = x[fresh]
    state["mean3h"][rows] += -np.expm1(-dt_min / 180.0) * (x - state["mean3h"][rows])
    # the first values are averaged; a sensor that sends more often must not be sooner sure of itself, so that time counts, not values
    seen_min = (t_ns - state["first_ns"][rows]) / NS_PER_MIN + STEP_MIN
    day = np.maximum(-np.expm1(-dt_min / 1440.0), np.minimum(dt_min / np.maximum(seen_min, dt_min), 1.0))
    off = x - state["mean24h"][rows]
    state["mean24h"][rows] += day * off
    state["var24h"][rows] = (1.0 - day) * (state["var24h"][rows] + day * off * off)
    three = np.maximum(-np.expm1(-dt_min / 4320.0), np.minimum(dt_min / (seen_min + 19 * STEP_MIN), 1.0))
    state["low_share"][rows] += three * ((mgdl < 80.0) - state["low_share"][rows])
    state["learned"][rows] += 1
    state["last_ns"][rows] = t_ns
    state["low_ns"][rows] = np.where(mgdl < LOW, t_ns, state["low_ns"][rows])
    entries = state["entries"][rows]
    apart = (entries == 0) | (t_ns - state["ring_ns"][rows, (entries - 1) % RING] >= int(APART_MIN * NS_PER_MIN))
    at, slot = rows[apart], (entries % RING)[apart]
    state["ring_ns"][at, slot], state["ring_x"][at, slot] = t_ns[apart], x[apart]
    state["entries"][at] += 1


def features(
    rows: Rows, t_ns: NDArray[np.int64], mgdl: NDArray[np.float64], utc_offset_s: NDArray[np.float64], state: Table
) -> NDArray[np.float64]:
    """Features float64[n, 19] (FEATURES) of the value at t_ns, learned already; NaN rows without values 15, 30 and 45 +- 3 min before."""
    known = state["ring_ns"][rows] != NEVER_NS
    ago_min = np.where(known, (t_ns[:, None] - state["ring_ns"][rows]) / NS_PER_MIN, 1e9)
    ring = state["ring_x"][rows].astype(np.float64)
    x0 = np.log(mgdl / REFERENCE)
    before: dict[int, NDArray[np.float64]] = {}
    valid = np.ones(len(rows), dtype=bool)
    line = np.arange(len(rows))
    for step in (1, 2, 3, 4, 6):
        nearest = np.abs(ago_min - step * STEP_MIN).argmin(axis=1)
        before[step] = ring[line, nearest]
        if step <= 3:
            valid &= np.abs(ago_min[line, nearest] - step * STEP_MIN) <= JITTER_MIN
    s1, s2 = x0 - before[1], before[1] - before[2]
    soon = x0 + 2.0 * s1
    low_min = np.minimum((t_ns - np.maximum(state["low_ns"][rows], t_ns - 1440 * NS_PER_MIN)) / NS_PER_MIN, 1440.0)
    hour = (t_ns / 1e9 + utc_offset_s) % 86_400.0 / 86_400.0 * 2.0 * np.pi
    near, far = ago_min <= RECENT_MIN, ago_min <= LONG_MIN
    hovering = (near & (np.where(known, ring, 0.0) < HOVERS)).sum(axis=1) / np.maximum(near.sum(axis=1), 1)
    least = np.minimum(x0, np.where(far, ring, np.inf).min(axis=1))
    found = np.column_stack([
        x0, s1, s2, s1 - s2, x0 * x0, x0 * s1, np.minimum(soon, 1.0), np.maximum(-0.69 - soon, 0.0), np.exp(-low_min / 180.0),
        x0 - before[3], state["mean3h"][rows] - x0, np.sqrt(state["var24h"][rows]), np.sqrt(np.maximum(state["low_share"][rows], 0.0)),
        np.sin(hour), np.cos(hour), least, hovering, x0 - before[4], x0 - before[6],
    ])  # fmt: skip
    found[~valid] = np.nan
    return found


def _ns(span_s: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(span_s * 1e9).astype(np.int64)


DETECTORS: tuple[Detector, ...] = (LowSoon(),)
