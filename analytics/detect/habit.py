"""Days that are not like this person's days, and slow change of steps and of sleep. Judged once a day, at local midnight.

The profile of a day is the square root of the motions in each hour; its distance is the sum over 24 hours of the squared robust z
against the last four weeks, each at most `CLIP`. A distance alarms when it is far above those of the person's own former days.
Steps and sleep go day by day through a two-sided CUSUM against an average of four weeks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import alarm, routine
from analytics.detect.base import ALARM, NOTHING, OK, UNKNOWN, WARMING, Detector, Instant, Stage, Verdicts, Window, quiet, rounded
from analytics.routine import DAY_NS, DAYS, ON
from analytics.table import Column, Rows, Table

CLIP = 4.0
FLOOR = 0.75  # of the spread of an hour, in square roots of motions
MAD = 1.4826

_COMMON = alarm.COLUMNS | {
    "day": Column("<i8", -1),  # local day that is under way
    "day_key": Column("<i8", UNKNOWN),  # its first reading
    "absent": Column("|b1"),
    "days": Column("<i8"),
    "last_origin": Column("|u1"),
}
_PARAMS = {
    "away": Column("|i1"),
    "utc_offset_s": Column("<f8"),
    "habit_days": Column("<i8", 14),
}


class _Daily:
    """What the rules of this file share: days begin and end, by readings or by ticks."""

    rule = ""
    version = 1
    stage = Stage.PERSON
    quantities: tuple[str, ...] = ()
    columns: Mapping[str, Column] = _COMMON
    params: Mapping[str, Column] = _PARAMS

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident."""
        answer = quiet(window.rows)
        told = window.usable & np.isfinite(window.value) & (np.abs(np.nan_to_num(window.value)) < 1e9)
        index = np.flatnonzero(told)
        self._turn(window.rows, window.t_ns, np.arange(len(window)), state, window.params, answer)
        rows = window.rows[index]
        fresh = state["day_key"][rows] == UNKNOWN
        state["day_key"][rows[fresh]] = window.key[index][fresh]
        state["last_origin"][rows] = window.origin[index]
        self._take(rows, window.take(index), state)
        answer.verdict[:] = self._verdict(window.rows, state, window.params)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Midnight may pass without a reading."""
        rows = np.flatnonzero(state["day"][: instant.rows] >= 0)
        state["absent"][rows] |= params["away"][rows] != 0
        local = routine.local_ns(np.full(len(rows), instant.now_ns), params["utc_offset_s"][rows])
        rows = rows[local // DAY_NS > state["day"][rows]]
        if not len(rows):
            return NOTHING
        answer = quiet(rows)
        self._turn(rows, np.full(len(rows), instant.now_ns), np.arange(len(rows)), state, params, answer)
        answer.verdict[:] = self._verdict(rows, state, params)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """The next local midnight of anybody who is known."""
        rows = np.flatnonzero(state["day"][: instant.rows] >= 0)
        if not len(rows):
            return None
        ends = (state["day"][rows] + 1) * DAY_NS - routine.local_ns(np.zeros(len(rows), dtype=np.int64), params["utc_offset_s"][rows])
        return max(int(ends.min()), instant.now_ns + 1)

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        alarm.end(answer, np.arange(len(rows)), rows, state)
        state.reset(rows)
        return answer

    def _turn(
        self, rows: Rows, t_ns: NDArray[np.int64], index: NDArray[np.int64], state: Table, params: Table, answer: Verdicts
    ) -> None:
        """Close the day under way where another one has begun."""
        local = routine.local_ns(t_ns, params["utc_offset_s"][rows])
        day = local // DAY_NS
        over = day > state["day"][rows]
        whole = over & (state["day"][rows] >= 0) & ~state["absent"][rows] & (params["away"][rows] == 0)
        whole &= state["day_key"][rows] != UNKNOWN
        at = rows[whole]
        if len(at):
            bad, good = self._close(at, state, params)
            alarm.end(answer, index[whole][good], at[good], state)
            starts = bad & ~state["active"][at]
            one = at[starts]
            since_ns = state["day"][one] * DAY_NS - (local - t_ns)[whole][starts]
            alarm.start(answer, index[whole][starts], one, state, state["day_key"][one], since_ns, state["last_origin"][one])
        fresh = rows[over]
        self._open(fresh, state)
        state["day"][fresh], state["day_key"][fresh], state["absent"][fresh] = day[over], UNKNOWN, params["away"][fresh] != 0

    def _verdict(self, rows: Rows, state: Table, params: Table) -> NDArray[np.int8]:
        told = np.where(state["days"][rows] >= np.maximum(1, params["habit_days"][rows]), np.int8(OK), np.int8(WARMING))
        return np.where(state["active"][rows], np.int8(ALARM), told)

    def _take(self, rows: Rows, window: Window, state: Table) -> None:
        raise NotImplementedError

    def _close(self, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Judge the day that ends: (alarms, is as usual) bool[n] each."""
        raise NotImplementedError

    def _open(self, rows: Rows, state: Table) -> None:
        raise NotImplementedError


class DayProfile(_Daily):
    """ALARM after a day whose profile is unlike the former ones, until a day is as usual."""

    rule = "routine.day"
    quantities: tuple[str, ...] = ("motion",)
    columns: Mapping[str, Column] = _COMMON | {
        "count": Column("<f4", 0.0, 24),
        "past": Column("<f4", np.nan, DAYS * 24),
        "distances": Column("<i8"),
        "distance": Column("<f4", np.nan, DAYS),
        "last": Column("<f4", np.nan),
        "limit": Column("<f4", np.nan),
    }
    params: Mapping[str, Column] = _PARAMS | {"profile_factor": Column("<f8", 8.0), "profile_floor": Column("<f8", 60.0)}

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Distance of the day, the limit, and days known."""
        distance, limit = rounded(float(state["last"][row])), rounded(float(state["limit"][row]))
        return {"distance": distance, "limit": limit, "days": int(state["days"][row])}

    def _take(self, rows: Rows, window: Window, state: Table) -> None:
        hour = routine.hour_of(routine.local_ns(window.t_ns, window.params["utc_offset_s"][rows]))
        moved = window.value > ON
        state["count"][rows[moved], hour[moved]] += 1

    def _open(self, rows: Rows, state: Table) -> None:
        state["count"][rows] = 0.0

    def _close(self, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        today = np.sqrt(state["count"][rows].astype(np.float64))
        past = state["past"][rows].reshape(len(rows), DAYS, 24).astype(np.float64)
        known = state["days"][rows] > 0
        past[~known, 0] = today[~known]  # the first day is compared with itself
        middle = np.nanmedian(past, axis=1)
        spread = np.maximum(MAD * np.nanmedian(np.abs(past - middle[:, None]), axis=1), FLOOR)
        z = np.clip((today - middle) / spread, -CLIP, CLIP)
        distance = (z * z).sum(axis=1)
        former = state["distance"][rows].astype(np.float64)
        former[state["distances"][rows] == 0, 0] = 0.0
        usual = np.nanmedian(former, axis=1)
        width = MAD * np.nanmedian(np.abs(former - usual[:, None]), axis=1)
        limit = np.maximum(usual + params["profile_factor"][rows] * width, params["profile_floor"][rows])
        state["last"][rows], state["limit"][rows] = distance, limit
        ready = state["days"][rows] >= np.maximum(1, params["habit_days"][rows])
        slots = (state["days"][rows] % DAYS)[:, None] * 24 + np.arange(24)
        state["past"][rows[:, None], slots] = today
        state["days"][rows] += 1
        # the first distances are of a person who is hardly known
        settled = state["days"][rows] > 5
        routine.push(state, "distance", "distances", rows[settled], distance[settled])
        return ready & (distance > limit), distance <= 0.8 * limit


class Trend(_Daily):
    """ALARM when a daily number has moved away for good, in either direction; over when it is back, or has become the usual one."""

    columns: Mapping[str, Column] = _COMMON | {
        "today": Column("<f8", np.nan),
        "mean": Column("<f8", np.nan),
        "var": Column("<f8"),
        "up": Column("<f8"),
        "down": Column("<f8"),
        "smooth": Column("<f8"),  # z
        "recent": Column("<f8", np.nan),
    }
    params: Mapping[str, Column] = _PARAMS | {"habit_h": Column("<f8", 6.0), "habit_tau_days": Column("<f8", 28.0)}

    def __init__(self, rule: str, quantity: str, *, floor: float, relative: float) -> None:
        self.rule = rule
        self.quantities = (quantity,)
        self._floor, self._relative = floor, relative  # smallest spread: absolute, and as a share of the mean

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """The last days' average, the usual one, and days known."""
        recent, usual = float(state["recent"][row]), float(state["mean"][row])
        return {"quantity": self.quantities[0], "value": rounded(recent), "usual": rounded(usual), "days": int(state["days"][row])}

    def _take(self, rows: Rows, window: Window, state: Table) -> None:
        state["today"][rows] = np.fmax(state["today"][rows], window.value)  # a counter that only rises, or one number in the morning

    def _open(self, rows: Rows, state: Table) -> None:
        state["today"][rows] = np.nan

    def _close(self, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        x = state["today"][rows]
        first = np.isnan(state["mean"][rows])
        mean = np.where(first, x, state["mean"][rows])
        days = state["days"][rows]
        spread = np.maximum(np.sqrt(state["var"][rows]), np.maximum(self._floor, self._relative * np.abs(mean)))
        z = np.clip((x - mean) / spread, -CLIP, CLIP)
        ready = days >= np.maximum(1, params["habit_days"][rows])
        smooth = state["smooth"][rows] + 0.2 * (np.where(ready, z, 0.0) - state["smooth"][rows])
        free = ready & ~state["active"][rows]
        up = np.where(free, np.maximum(0.0, state["up"][rows] + z - 0.5), 0.0)
        down = np.where(free, np.maximum(0.0, state["down"][rows] - z - 0.5), 0.0)
        height = params["habit_h"][rows]
        bad = (up > height) | (down > height)
        state["up"][rows], state["down"][rows] = np.where(bad, 0.0, up), np.where(bad, 0.0, down)
        state["smooth"][rows] = smooth
        rate = np.maximum(-np.expm1(-1.0 / params["habit_tau_days"][rows]), 1.0 / (days + 1.0))
        move = np.clip(x - mean, -CLIP * spread, CLIP * spread)
        state["mean"][rows] = mean + rate * move
        state["var"][rows] = (1.0 - rate) * (state["var"][rows] + rate * move * move)
        recent = np.where(np.isnan(state["recent"][rows]), x, state["recent"][rows])
        state["recent"][rows] = recent + 0.2 * (x - recent)
        state["days"][rows] += 1
        return bad, np.abs(smooth) < 0.5


DETECTORS: tuple[Detector, ...] = (
    DayProfile(),
    Trend("routine.steps", "steps", floor=150.0, relative=0.12),
    Trend("routine.sleep", "sleep_total", floor=25.0, relative=0.05),
)
