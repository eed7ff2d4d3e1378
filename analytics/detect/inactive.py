"""No sign of life for longer than this person ever is without one at this hour: somebody may lie on the floor.

Signs are motion, steps, and a change of bed or door. The limit of an hour is `inactive_factor` times the longest silence of the last four
weeks at this hour and its neighbours, and never less than a floor. Where a bed sensor says that somebody lies in bed, the silence is
sleep: it is not learned, and only `inactive_bed_min` is too long. Silence after a door was used is an outing and belongs to
`routine.no_return`; during a leave, and while the sensors say nothing at all, nothing is counted and nothing is learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import alarm, routine
from analytics.detect.base import (
    ALARM,
    NO_DATA,
    NOTHING,
    OK,
    UNKNOWN,
    WARMING,
    Detector,
    Instant,
    Stage,
    Verdicts,
    Window,
    quiet,
    rounded,
)  # fmt: skip
from analytics.routine import DAY_NS, DAYS, HOUR_NS, NS_PER_MIN, ON
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

MOTION, DOOR, BED, STEPS = range(4)
MOST_HOURS = 26  # of one silence that are learned


class Inactive:
    """ALARM from the limit on until the next sign of life; WARMING for the first days."""

    rule = "routine.inactive"
    version = 1
    stage = Stage.PERSON
    quantities = ("motion", "door", "bed_occupied", "steps")
    columns: Mapping[str, Column] = alarm.COLUMNS | {
        "act_ns": Column("<i8", NEVER_NS),  # last sign of life
        "act_key": Column("<i8", UNKNOWN),
        "heard_ns": Column("<i8", NEVER_NS),  # last reading of any of the sensors
        "learned_ns": Column("<i8", NEVER_NS),  # the present silence is learned up to here
        "by_door": Column("|b1"),
        "absent": Column("|b1"),
        "door": Column("<f4", np.nan),
        "bed": Column("<f4", np.nan),
        "steps": Column("<f4", np.nan),
        "day": Column("<i8", -1),
        "days": Column("<i8"),
        "today": Column("<f4", np.nan, 24),  # longest silence in minutes by local hour
        "past": Column("<f4", np.nan, DAYS * 24),
        "last_origin": Column("|u1"),
        "limit_min": Column("<f4", np.nan),
    }
    params: Mapping[str, Column] = {
        "away": Column("|i1"),
        "utc_offset_s": Column("<f8"),
        "life_deadline_s": Column("<f8", np.nan),  # the sensors speak at least so often; NaN = only when something happens
        "inactive_floor_min": Column("<f8", 90.0),
        "inactive_factor": Column("<f8", 1.3),
        "inactive_days": Column("<i8", 14),
        "inactive_bed_min": Column("<f8", 840.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident: whatever moved ends the silence."""
        rows, params = window.rows, window.params
        t_ns = np.maximum(window.t_ns, state["heard_ns"][rows])
        if state["absent"][rows].any() or (params["away"][rows] != 0).any():
            self._back(rows, t_ns, window.key, state, params)
        told = window.usable & np.isfinite(window.value)
        if np.isfinite(params["life_deadline_s"][rows]).any():
            self._blind(rows[told], t_ns[told], state, params)
        state["heard_ns"][rows[told]] = t_ns[told]
        in_bed = state["bed"][rows] > ON
        moved = told & self._moved(window, told, state)
        answer = quiet(rows)
        if moved.any():
            self._sign(window, moved, t_ns, in_bed, state, answer)
        answer.verdict[:] = self._verdict(rows, t_ns, state, params)
        return answer

    def _sign(
        self, window: Window, moved: NDArray[np.bool_], t_ns: NDArray[np.int64], in_bed: NDArray[np.bool_], state: Table, answer: Verdicts
    ) -> None:
        """A sign of life: the silence before it is learned, what it had raised is over."""
        at, params = window.rows[moved], window.params
        known = state["act_ns"][at] != NEVER_NS
        self._learn(at[known], t_ns[moved][known], in_bed[moved][known], state, params)
        alarm.end(answer, np.flatnonzero(moved), at, state)
        state["act_ns"][at] = state["learned_ns"][at] = t_ns[moved]
        state["act_key"][at], state["last_origin"][at] = window.key[moved], window.origin[moved]
        part = window.part[moved]  # a wristband tells of steps wherever the person is
        state["by_door"][at] = np.where(part == STEPS, state["by_door"][at], part == DOOR)

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Compare every silence with its limit."""
        rows = np.flatnonzero(state["act_ns"][: instant.rows] != NEVER_NS)
        if not len(rows):
            return NOTHING
        now_ns = np.full(len(rows), instant.now_ns)
        answer = quiet(rows)
        self._back(rows, now_ns, np.full(len(rows), instant.key), state, params)
        gone = np.flatnonzero(state["absent"][rows])
        alarm.end(answer, gone, rows[gone], state)
        starts = np.flatnonzero(self._over(rows, now_ns, state, params) & ~state["active"][rows])
        at = rows[starts]
        alarm.start(answer, starts, at, state, state["act_key"][at], state["act_ns"][at], state["last_origin"][at])
        answer.verdict[:] = self._verdict(rows, now_ns, state, params)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When a silence reaches the limit of its hour, or the hour with another limit begins."""
        rows = np.flatnonzero((state["act_ns"][: instant.rows] != NEVER_NS) & ~state["active"][: instant.rows])
        rows = rows[(params["away"][rows] == 0) & ~state["by_door"][rows]]
        if not len(rows):
            return None
        now_ns = np.full(len(rows), instant.now_ns)
        following = now_ns + HOUR_NS - routine.local_ns(now_ns, params["utc_offset_s"][rows]) % HOUR_NS
        limit_ns = self._limit_min(rows, now_ns, state, params) * NS_PER_MIN
        reached = state["act_ns"][rows] + np.nan_to_num(limit_ns, nan=2.0**61).astype(np.int64) + 1
        at = np.where(reached > now_ns, np.minimum(reached, following), following)
        return int(at.min())

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        alarm.end(answer, np.arange(len(rows)), rows, state)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """The limit of this hour in hours, since when nothing was noticed (UTC ms), days known."""
        limit_h = rounded(float(state["limit_min"][row]) / 60.0, 1)
        return {"limit_h": limit_h, "since_ms": int(state["act_ns"][row]) // 1_000_000, "days": int(state["days"][row])}

    # --- signs of life -----------------------------------------------------------------------------------------------

    def _moved(self, window: Window, told: NDArray[np.bool_], state: Table) -> NDArray[np.bool_]:
        """bool[n]: motion, more steps than before, or another state of bed or door."""
        moved = (window.part == MOTION) & (window.value > ON)
        for part, name in ((DOOR, "door"), (BED, "bed"), (STEPS, "steps")):
            if not (window.part == part).any():
                continue
            index = np.flatnonzero((window.part == part) & told & (np.abs(np.nan_to_num(window.value)) < 1e9))
            rows, value = window.rows[index], window.value[index]
            before = state[name][rows]
            if part == STEPS:
                moved[index] = value > before  # a counter that starts anew at midnight is no step
            else:
                value = (value > ON).astype(np.float64)
                moved[index] = ~np.isnan(before) & (value != before)
            state[name][rows] = value
        return np.asarray(moved)

    def _blind(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> None:
        """Time in which the sensors owed a word is no silence of the person."""
        deadline_s = params["life_deadline_s"][rows]
        gap_ns = t_ns - state["heard_ns"][rows]
        lost_ns = gap_ns - np.nan_to_num(deadline_s * 1e9, nan=2.0**61).astype(np.int64)
        late = (state["act_ns"][rows] != NEVER_NS) & (lost_ns > 0)
        at = rows[late]
        state["act_ns"][at] += lost_ns[late]
        state["learned_ns"][at] = t_ns[late]

    def _back(self, rows: Rows, t_ns: NDArray[np.int64], key: NDArray[np.int64], state: Table, params: Table) -> None:
        """A leave ends: the silence begins now. While it lasts nothing is expected."""
        away = params["away"][rows] != 0
        back = state["absent"][rows] & ~away & (state["act_ns"][rows] != NEVER_NS)
        at = rows[back]
        state["act_ns"][at] = state["learned_ns"][at] = state["heard_ns"][at] = t_ns[back]
        state["act_key"][at] = key[back]
        state["absent"][rows] = away

    def _learn(self, rows: Rows, until_ns: NDArray[np.int64], in_bed: NDArray[np.bool_], state: Table, params: Table) -> None:
        """The silence that lasted until now, hour by hour; days that are over go to the ring."""
        skip = state["absent"][rows] | state["by_door"][rows] | state["active"][rows] | in_bed
        state["learned_ns"][rows[skip]] = until_ns[skip]
        offset_s = params["utc_offset_s"][rows]
        state["learned_ns"][rows] = np.maximum(state["learned_ns"][rows], until_ns - MOST_HOURS * HOUR_NS)
        for _ in range(MOST_HOURS + 2):
            begin = routine.local_ns(state["learned_ns"][rows], offset_s)
            self._turn(rows, begin // DAY_NS, state)
            end_ns = np.minimum(until_ns, state["learned_ns"][rows] + HOUR_NS - begin % HOUR_NS)
            silent_min = (end_ns - state["act_ns"][rows]) / NS_PER_MIN
            hour = routine.hour_of(begin)
            learn = ~skip & (end_ns > state["learned_ns"][rows])
            today = state["today"][rows, hour]
            state["today"][rows, hour] = np.where(learn, np.fmax(today, silent_min), today)
            state["learned_ns"][rows] = end_ns
            if (end_ns >= until_ns).all():
                break
        self._turn(rows, routine.local_ns(until_ns, offset_s) // DAY_NS, state)

    def _turn(self, rows: Rows, day: NDArray[np.int64], state: Table) -> None:
        """Another day begins: the former goes to the ring."""
        over = day > state["day"][rows]
        at = rows[over]
        if not len(at):
            return
        had = at[state["day"][at] >= 0]
        slots = (state["days"][had] % DAYS)[:, None] * 24 + np.arange(24)
        state["past"][had[:, None], slots] = state["today"][had]
        state["days"][had] += 1
        state["today"][at] = np.nan
        state["day"][at] = day[over]

    # --- the limit ---------------------------------------------------------------------------------------------------

    def _limit_min(self, rows: Rows, now_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.float64]:
        """Longest tolerated silence in minutes float64[n]; NaN while too few days are known."""
        hour = routine.hour_of(routine.local_ns(now_ns, params["utc_offset_s"][rows]))
        known = routine.largest(routine.near(state["past"][rows], hour))
        limit = np.fmax(params["inactive_floor_min"][rows], params["inactive_factor"][rows] * known)
        limit = np.where(state["bed"][rows] > ON, params["inactive_bed_min"][rows], limit)
        return np.asarray(np.where(state["days"][rows] >= params["inactive_days"][rows], limit, np.nan))

    def _over(self, rows: Rows, now_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.bool_]:
        limit = self._limit_min(rows, now_ns, state, params)
        state["limit_min"][rows] = limit
        until_ns = np.minimum(now_ns, self._heard_until(rows, state, params))
        silent_min = (until_ns - state["act_ns"][rows]) / NS_PER_MIN
        quiet_home = ~state["absent"][rows] & ~state["by_door"][rows]
        return np.asarray(quiet_home & (silent_min > np.where(np.isnan(limit), np.inf, limit)))

    def _heard_until(self, rows: Rows, state: Table, params: Table) -> NDArray[np.int64]:
        deadline_ns = np.nan_to_num(params["life_deadline_s"][rows] * 1e9, nan=2.0**61).astype(np.int64)
        return np.asarray(state["heard_ns"][rows] + deadline_ns)

    def _verdict(self, rows: Rows, now_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.int8]:
        told = np.where(state["days"][rows] >= params["inactive_days"][rows], np.int8(OK), np.int8(WARMING))
        blind = (state["heard_ns"][rows] == NEVER_NS) | (now_ns > self._heard_until(rows, state, params)) | state["absent"][rows]
        told = np.where(blind, np.int8(NO_DATA), told)
        return np.where(state["active"][rows], np.int8(ALARM), told)


DETECTORS: tuple[Detector, ...] = (Inactive(),)
