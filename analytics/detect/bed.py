"""Out of bed at night and not back: longer than this person ever is, and sooner when nothing moves any more.

A bed sensor that says "empty" for less than `bed_hold_s` says nothing: people turn over. The limit is `bed_factor` times the longest of
the last nights' absences, at least a floor; while motion is seen somewhere the person is up, and `bed_moving` times that is allowed.
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
)
from analytics.routine import DAY_NS, HOUR_NS, NS_PER_MIN, ON
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

BED, MOTION = range(2)
ABSENCES = 64  # remembered
MOVED_NS = 10 * NS_PER_MIN


class BedExit:
    """ALARM when the person is out of bed at night for too long; over when the bed is occupied again or the night is."""

    rule = "routine.bed"
    version = 1
    stage = Stage.PERSON
    quantities = ("bed_occupied", "motion")
    columns: Mapping[str, Column] = alarm.COLUMNS | {
        "bed": Column("<f4", np.nan),
        "left_ns": Column("<i8", NEVER_NS),
        "left_key": Column("<i8", UNKNOWN),
        "moved_ns": Column("<i8", NEVER_NS),
        "first_ns": Column("<i8", NEVER_NS),
        "last_origin": Column("|u1"),
        "absences": Column("<i8"),
        "lengths": Column("<f4", np.nan, ABSENCES),  # minutes, at most to the end of the night
        "limit_min": Column("<f4", np.nan),
    }
    params: Mapping[str, Column] = {
        "away": Column("|i1"),
        "utc_offset_s": Column("<f8"),
        "bed_begin_h": Column("<f8", 22.0),
        "bed_end_h": Column("<f8", 5.0),
        "bed_hold_s": Column("<f8", 10.0),
        "bed_floor_min": Column("<f8", 20.0),
        "bed_factor": Column("<f8", 1.5),
        "bed_moving": Column("<f8", 3.0),
        "bed_days": Column("<f8", 14.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident."""
        rows, t_ns, params = window.rows, window.t_ns, window.params
        answer = quiet(rows)
        self._morning(rows, t_ns, np.arange(len(rows)), state, params, answer)
        told = window.usable & np.isfinite(window.value)
        first = told & (window.part == BED) & (state["first_ns"][rows] == NEVER_NS)
        state["first_ns"][rows[first]] = t_ns[first]
        moved = rows[told & (window.part == MOTION) & (window.value > ON)]
        state["moved_ns"][moved] = t_ns[told & (window.part == MOTION) & (window.value > ON)]
        bed = told & (window.part == BED)
        occupied = bed & (window.value > ON)
        back = occupied & (state["left_ns"][rows] != NEVER_NS)
        self._learn(rows[back], t_ns[back], state, params)
        alarm.end(answer, np.flatnonzero(occupied), rows[occupied], state)
        state["left_ns"][rows[occupied]] = NEVER_NS
        left = bed & ~occupied & (state["bed"][rows] > ON)
        state["left_ns"][rows[left]], state["left_key"][rows[left]] = t_ns[left], window.key[left]
        state["last_origin"][rows[left]] = window.origin[left]
        state["bed"][rows[bed]] = occupied[bed]
        answer.verdict[:] = self._verdict(rows, t_ns, state, params)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Compare every absence with its limit, while it is night."""
        rows = np.flatnonzero(state["left_ns"][: instant.rows] != NEVER_NS)
        if not len(rows):
            return NOTHING
        answer = quiet(rows)
        now_ns = np.full(len(rows), instant.now_ns)
        self._morning(rows, now_ns, np.arange(len(rows)), state, params, answer)
        leave = params["away"][rows] != 0
        alarm.end(answer, np.flatnonzero(leave), rows[leave], state)
        ready = self._ready(rows, now_ns, state, params) & ~leave & self._night(rows, now_ns, params)
        ready &= self._night(rows, state["left_ns"][rows], params)  # who has been up since noon is late, not missing
        starts = np.flatnonzero(ready & ~state["active"][rows] & (now_ns > self._end_ns(rows, state, params)))
        at = rows[starts]
        alarm.start(answer, starts, at, state, state["left_key"][at], state["left_ns"][at], state["last_origin"][at])
        answer.verdict[:] = self._verdict(rows, now_ns, state, params)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next absence reaches its limit, or a night begins or ends."""
        rows = np.flatnonzero(state["left_ns"][: instant.rows] != NEVER_NS)
        if not len(rows):
            return None
        now_ns = np.full(len(rows), instant.now_ns)
        ends = self._end_ns(rows, state, params)
        following = now_ns + HOUR_NS - routine.local_ns(now_ns, params["utc_offset_s"][rows]) % HOUR_NS
        return int(np.where(ends > now_ns, np.minimum(ends + 1, following), following).min())

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        alarm.end(answer, np.arange(len(rows)), rows, state)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """The limit in minutes, since when the person is out of bed (UTC ms), absences known."""
        limit_min = rounded(float(state["limit_min"][row]))
        return {"limit_min": limit_min, "since_ms": int(state["onset_ns"][row]) // 1_000_000, "absences": int(state["absences"][row])}

    def _night(self, rows: Rows, t_ns: NDArray[np.int64], params: Table) -> NDArray[np.bool_]:
        hour = routine.hour_of(routine.local_ns(t_ns, params["utc_offset_s"][rows]))
        return routine.at_night(hour, params["bed_begin_h"][rows], params["bed_end_h"][rows])

    def _morning(
        self, rows: Rows, t_ns: NDArray[np.int64], index: NDArray[np.int64], state: Table, params: Table, answer: Verdicts
    ) -> None:
        """The night in which the person got up is over: to the end of it the absence is learned, and then it is none."""
        out = state["left_ns"][rows] != NEVER_NS
        left_ns = np.where(out, state["left_ns"][rows], t_ns)
        began = self._night(rows, left_ns, params)
        local = routine.local_ns(left_ns, params["utc_offset_s"][rows])
        end_ns = local - local % DAY_NS + (params["bed_end_h"][rows] * HOUR_NS).astype(np.int64)
        end_ns = np.where(end_ns <= local, end_ns + DAY_NS, end_ns) - local + left_ns
        over = out & began & (t_ns >= end_ns)
        self._learn(rows[over], end_ns[over], state, params)
        alarm.end(answer, index[over], rows[over], state)
        state["left_ns"][rows[over]] = NEVER_NS

    def _learn(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> None:
        left_ns = state["left_ns"][rows]
        length_min = (t_ns - left_ns) / NS_PER_MIN
        real = (length_min * 60.0 >= params["bed_hold_s"][rows]) & self._night(rows, left_ns, params) & ~state["active"][rows]
        routine.push(state, "lengths", "absences", rows[real], np.minimum(length_min[real], 720.0))

    def _end_ns(self, rows: Rows, state: Table, params: Table) -> NDArray[np.int64]:
        """When the absence is too long int64[n]: the own limit, longer while something moves."""
        # the longest of all may be a morning on which somebody rose early; the third longest is a habit
        longest = np.nan_to_num(routine.largest(state["lengths"][rows], 2), nan=0.0)
        limit = np.maximum(params["bed_floor_min"][rows], params["bed_factor"][rows] * longest)
        state["limit_min"][rows] = limit
        left_ns = state["left_ns"][rows]
        still_ns = np.maximum(state["moved_ns"][rows], left_ns) + MOVED_NS
        plain = left_ns + (limit * NS_PER_MIN).astype(np.int64)
        most = left_ns + (limit * params["bed_moving"][rows] * NS_PER_MIN).astype(np.int64)
        hold = left_ns + (params["bed_hold_s"][rows] * 1e9).astype(np.int64)
        moving = state["moved_ns"][rows] > left_ns
        return np.asarray(np.maximum(hold, np.where(moving, np.minimum(np.maximum(plain, still_ns), most), plain)))

    def _ready(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.bool_]:
        first_ns = state["first_ns"][rows]
        return np.asarray((first_ns != NEVER_NS) & (t_ns - first_ns >= (params["bed_days"][rows] * DAY_NS).astype(np.int64)))

    def _verdict(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.int8]:
        ready = self._ready(rows, t_ns, state, params)
        told = np.where(np.isnan(state["bed"][rows]), np.int8(NO_DATA), np.where(ready, np.int8(OK), np.int8(WARMING)))
        return np.where(state["active"][rows], np.int8(ALARM), told)


DETECTORS: tuple[Detector, ...] = (BedExit(),)
