"""Two rules at the door: somebody who went out does not come back as usual, and a door that opens at an hour when it never does.

An outing begins with a door and ten minutes without a sign of life behind it, and counts as one for the person's history only when the
next sign of life comes with the door again: a visitor who leaves makes no outing of a resident who sits still.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import alarm, routine
from analytics.detect.base import ALARM, NO_DATA, NOTHING, OK, UNKNOWN, WARMING, Detector, Instant, Stage, Verdicts, Window, quiet, rounded
from analytics.routine import DAY_NS, DAYS, HOUR_NS, NS_PER_MIN, ON
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

DOOR, MOTION, BED = range(3)
QUANTITIES = ("door", "motion", "bed_occupied")  # no steps: a wristband tells of them wherever the person is
OUTINGS = 64  # remembered
SETTLE_NS = 10 * NS_PER_MIN
RETURN_NS = 5 * NS_PER_MIN  # between the door and the first sign of life behind it

_COMMON = {
    "away": Column("|i1"),
    "utc_offset_s": Column("<f8"),
}


class NoReturn:
    """ALARM when an outing lasts longer than the person's outings do; over at the next sign of life or with a leave."""

    rule = "routine.no_return"
    version = 1
    stage = Stage.PERSON
    quantities = QUANTITIES
    columns: Mapping[str, Column] = alarm.COLUMNS | {
        "door": Column("<f4", np.nan),
        "bed": Column("<f4", np.nan),
        "left_ns": Column("<i8", NEVER_NS),  # the door by which the person may have gone
        "left_key": Column("<i8", UNKNOWN),
        "door_ns": Column("<i8", NEVER_NS),  # last use of the door
        "first_ns": Column("<i8", NEVER_NS),
        "last_origin": Column("|u1"),
        "outings": Column("<i8"),
        "lengths": Column("<f4", np.nan, OUTINGS),  # minutes
        "limit_min": Column("<f4", np.nan),
    }
    params: Mapping[str, Column] = _COMMON | {
        "out_floor_min": Column("<f8", 300.0),
        "out_factor": Column("<f8", 1.3),
        "out_days": Column("<f8", 14.0),
        "out_least": Column("<i8", 5),  # outings that must be known; without them the night decides
        "out_night_h": Column("<f8", 22.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident."""
        rows, t_ns = window.rows, window.t_ns
        told = window.usable & np.isfinite(window.value)
        first = told & (state["first_ns"][rows] == NEVER_NS)
        state["first_ns"][rows[first]] = t_ns[first]
        used = told & _changed(window, DOOR, "door", state)
        inside = told & ((window.part == MOTION) & (window.value > ON) | _changed(window, BED, "bed", state))
        answer = quiet(rows)
        self._came(rows[inside], t_ns[inside], state)
        alarm.end(answer, np.flatnonzero(inside), rows[inside], state)
        at = rows[used]
        fresh = at[state["left_ns"][at] == NEVER_NS]
        state["left_ns"][fresh] = t_ns[used][state["left_ns"][at] == NEVER_NS]
        state["left_key"][fresh] = window.key[used][np.isin(at, fresh)]
        state["door_ns"][at], state["last_origin"][at] = t_ns[used], window.origin[used]
        answer.verdict[:] = self._verdict(rows, t_ns, state, window.params)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Compare every outing with its limit."""
        rows = np.flatnonzero(state["left_ns"][: instant.rows] != NEVER_NS)
        if not len(rows):
            return NOTHING
        answer = quiet(rows)
        now_ns = np.full(len(rows), instant.now_ns)
        leave = params["away"][rows] != 0
        alarm.end(answer, np.flatnonzero(leave), rows[leave], state)
        state["left_ns"][rows[leave]] = NEVER_NS
        starts = np.flatnonzero(~leave & ~state["active"][rows] & (now_ns > self._end_ns(rows, state, params)))
        at = rows[starts]
        alarm.start(answer, starts, at, state, state["left_key"][at], state["left_ns"][at], state["last_origin"][at])
        answer.verdict[:] = self._verdict(rows, now_ns, state, params)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next outing reaches its limit."""
        rows = np.flatnonzero((state["left_ns"][: instant.rows] != NEVER_NS) & ~state["active"][: instant.rows])
        if not len(rows):
            return None
        ends = self._end_ns(rows, state, params)
        ends = np.maximum(ends + 1, instant.now_ns + 1)[ends < 2**61]
        return int(ends.min()) if len(ends) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        alarm.end(answer, np.arange(len(rows)), rows, state)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """The limit in hours, since when the person is out (UTC ms), outings known."""
        limit_h = rounded(float(state["limit_min"][row]) / 60.0, 1)
        return {"limit_h": limit_h, "since_ms": int(state["onset_ns"][row]) // 1_000_000, "outings": int(state["outings"][row])}

    def _came(self, rows: Rows, t_ns: NDArray[np.int64], state: Table) -> None:
        """A sign of life inside: the outing, if it was one, is learned."""
        left_ns, door_ns = state["left_ns"][rows], state["door_ns"][rows]
        out = (left_ns != NEVER_NS) & (door_ns - left_ns >= SETTLE_NS) & (t_ns - door_ns <= RETURN_NS) & ~state["active"][rows]
        at = rows[out]
        routine.push(state, "lengths", "outings", at, (t_ns[out] - left_ns[out]) / NS_PER_MIN)
        state["left_ns"][rows] = NEVER_NS

    def _end_ns(self, rows: Rows, state: Table, params: Table) -> NDArray[np.int64]:
        """When the outing is too long int64[n]; far in the future where that cannot be told."""
        left_ns = state["left_ns"][rows]
        known = state["outings"][rows] >= params["out_least"][rows]
        longest = np.nan_to_num(routine.largest(state["lengths"][rows]), nan=0.0)
        limit = np.maximum(params["out_floor_min"][rows], params["out_factor"][rows] * longest)
        state["limit_min"][rows] = limit
        by_length = left_ns + (limit * NS_PER_MIN).astype(np.int64)
        local = routine.local_ns(left_ns, params["utc_offset_s"][rows])
        night_ns = local - local % DAY_NS + (params["out_night_h"][rows] * HOUR_NS).astype(np.int64)
        night_ns = np.where(night_ns < local, night_ns + DAY_NS, night_ns)
        by_night = left_ns + (night_ns - local) + (params["out_floor_min"][rows] * NS_PER_MIN).astype(np.int64)
        ready = left_ns - state["first_ns"][rows] >= (params["out_days"][rows] * DAY_NS).astype(np.int64)
        return np.asarray(np.where(ready, np.where(known, by_length, by_night), 2**62))

    def _verdict(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> NDArray[np.int8]:
        ready = t_ns - state["first_ns"][rows] >= (params["out_days"][rows] * DAY_NS).astype(np.int64)
        ready &= state["first_ns"][rows] != NEVER_NS
        return np.where(state["active"][rows], np.int8(ALARM), np.where(ready, np.int8(OK), np.int8(WARMING)))


class Wander:
    """ALARM when a door opens at night on whose nights it hardly ever does, at once; over after `wander_s` without the door."""

    rule = "routine.wander"
    version = 1
    stage = Stage.PERSON
    quantities = QUANTITIES
    columns: Mapping[str, Column] = alarm.COLUMNS | {
        "door": Column("<f4", np.nan),
        "night": Column("<i8", -1),  # local day on which the night that is looked at began
        "nights": Column("<i8"),
        "opened": Column("<f4"),  # openings in the present night
        "past": Column("<f4", np.nan, DAYS),  # openings of former nights
        "door_ns": Column("<i8", NEVER_NS),
    }
    params: Mapping[str, Column] = _COMMON | {
        "night_begin_h": Column("<f8", 23.0),
        "night_end_h": Column("<f8", 5.0),
        "wander_days": Column("<i8", 14),
        "wander_share": Column("<f8", 0.1),  # of the nights with an opening: more of them are this person's way
        "wander_many": Column("<i8", 3),  # openings that alarm all the same
        "wander_s": Column("<f8", 1800.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Take one reading per resident; only a door that opens matters."""
        rows, params = window.rows, window.params
        answer = quiet(rows)
        self._over(rows, window.t_ns, np.arange(len(rows)), state, params, answer)
        told = window.usable & np.isfinite(window.value) & (window.part == DOOR)
        self._turn(rows[told], window.t_ns[told], state, params)
        opened = told & _changed(window, DOOR, "door", state) & (window.value > ON)
        hour = routine.hour_of(routine.local_ns(window.t_ns, params["utc_offset_s"][rows]))
        opened &= routine.at_night(hour, params["night_begin_h"][rows], params["night_end_h"][rows])
        state["opened"][rows[opened]] += 1
        state["door_ns"][rows[opened]] = np.maximum(window.t_ns, state["door_ns"][rows])[opened]
        nights = np.maximum(1, np.minimum(state["nights"][rows], DAYS))
        usual = (np.nan_to_num(state["past"][rows]) > 0).sum(axis=1) / nights >= params["wander_share"][rows]
        many = state["opened"][rows] >= params["wander_many"][rows]
        ready = (state["nights"][rows] >= params["wander_days"][rows]) & (params["away"][rows] == 0)
        starts = np.flatnonzero(opened & ready & (~usual | many) & ~state["active"][rows])
        at = rows[starts]
        alarm.start(answer, starts, at, state, window.key[starts], window.t_ns[starts], window.origin[starts])
        told_of = np.where(state["nights"][rows] >= params["wander_days"][rows], np.int8(OK), np.int8(WARMING))
        told_of = np.where(state["night"][rows] < 0, np.int8(NO_DATA), told_of)
        answer.verdict[:] = np.where(state["active"][rows], np.int8(ALARM), told_of)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Calm at the door."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        if not len(rows):
            return NOTHING
        answer = quiet(rows, ALARM)
        self._over(rows, np.full(len(rows), instant.now_ns), np.arange(len(rows)), state, params, answer)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the door has been calm for long enough."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        ends = state["door_ns"][rows] + (params["wander_s"][rows] * 1e9).astype(np.int64)
        return max(int(ends.min()), instant.now_ns + 1) if len(rows) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        alarm.end(answer, np.arange(len(rows)), rows, state)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """When the door opened (UTC ms), how often this night, and on how many of the nights that are known it did."""
        known = int(min(state["nights"][row], DAYS))
        often = int((np.nan_to_num(state["past"][row]) > 0).sum())
        return {"since_ms": int(state["door_ns"][row]) // 1_000_000, "count": int(state["opened"][row]), "usual": often, "days": known}

    def _over(self, rows: Rows, t_ns: NDArray[np.int64], index: NDArray[np.int64], state: Table, params: Table, answer: Verdicts) -> None:
        calm = t_ns - state["door_ns"][rows] >= (params["wander_s"][rows] * 1e9).astype(np.int64)
        alarm.end(answer, index[calm], rows[calm], state)

    def _turn(self, rows: Rows, t_ns: NDArray[np.int64], state: Table, params: Table) -> None:
        """Another night: from noon on it is the next one."""
        local = routine.local_ns(t_ns, params["utc_offset_s"][rows])
        night = (local - DAY_NS // 2) // DAY_NS
        over = night > state["night"][rows]
        had = over & (state["night"][rows] >= 0)
        at = rows[had]
        # nights without any word of the door are not known to be calm ones
        routine.push(state, "past", "nights", at, state["opened"][at].astype(np.float64))
        state["opened"][rows[over]] = 0
        state["night"][rows[over]] = night[over]


def _changed(window: Window, part: int, name: str, state: Table) -> NDArray[np.bool_]:
    """bool[n]: the flag has another state than at its last reading."""
    index = np.flatnonzero((window.part == part) & window.usable & np.isfinite(window.value))
    rows, value = window.rows[index], (window.value[index] > ON).astype(np.float32)
    found = np.zeros(len(window), dtype=bool)
    found[index] = ~np.isnan(state[name][rows]) & (state[name][rows] != value)
    state[name][rows] = value
    return found


DETECTORS: tuple[Detector, ...] = (NoReturn(), Wander())
