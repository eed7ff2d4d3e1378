"""Data quality before medicine: a signal that stands still or leaps says nothing about the person.

`screen` marks a leap that no body makes as unusable until the next reading confirms it. The detector raises a technical condition for a
flat line; while it lasts the engine gives the clinical rules no usable value, so that a frozen sensor neither raises nor ends an alert.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import ALARM, END, NOTHING, OK, START, UNKNOWN, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS


class Flat:
    """ALARM while the same value has come for `flat_s` and at least `flat_n` times; NO_DATA for series that are not judged."""

    rule = "flat"
    version = 1
    stage = Stage.QUALITY
    columns: Mapping[str, Column] = {
        "value": Column("<f8", np.nan),
        "since_ns": Column("<i8", NEVER_NS),
        "run": Column("<i8"),
        "active": Column("|b1"),
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "origin": Column("|u1"),
        "leap_value": Column("<f8", np.nan),  # the last leap
        "leap_ns": Column("<i8", NEVER_NS),
        "good_value": Column("<f8", np.nan),  # the last value that was believed
        "good_ns": Column("<i8", NEVER_NS),
    }
    params: Mapping[str, Column] = {
        "flat_s": Column("<f8", np.nan),  # NaN = standing still is normal
        "flat_n": Column("<i8", 30),
        "leap": Column("<f8", np.nan),  # NaN = any step is possible
        "leap_s": Column("<f8", 5.0),  # within this time
    }

    def screen(self, window: Window, state: Table) -> NDArray[np.bool_]:
        """bool[n]: leaps that nothing confirms yet. The second reading in a row at the new level is believed."""
        rows, value = window.rows, window.value
        counts = window.usable & ~np.isnan(value) & (window.beyond == 0)
        step = np.abs(value - state["good_value"][rows])
        leap = np.zeros(len(rows), dtype=bool)
        far = (counts & (step > window.params["leap"][rows])).nonzero()[0]
        if len(far):
            at = rows[far]
            soon = (window.t_ns[far] - state["good_ns"][at]) / 1e9 < window.params["leap_s"][at]
            # an unconfirmed leap counts as company only while it is one: the last believed value is older than it
            confirmed = np.abs(value[far] - state["leap_value"][at]) <= window.params["leap"][at]
            confirmed &= state["leap_ns"][at] > state["good_ns"][at]
            leap[far] = soon & ~confirmed
            state["leap_value"][rows[leap]] = value[leap]
            state["leap_ns"][rows[leap]] = window.t_ns[leap]
        good = counts & ~leap
        at = rows if good.all() else rows[good]
        state["good_value"][at] = value if len(at) == len(rows) else value[good]
        state["good_ns"][at] = window.t_ns if len(at) == len(rows) else window.t_ns[good]
        return leap

    def step(self, window: Window, state: Table) -> Verdicts:
        """Count how long each series has stood still; LO and HI do stand still and are no flat line."""
        rows, params = window.rows, window.params
        answer = quiet(rows)
        counts = window.usable & ~np.isnan(window.value) & ~np.isnan(params["flat_s"][rows])
        same = (window.value == state["value"][rows]) & (window.beyond == 0)
        moves = counts & ~same
        state["value"][rows[moves]] = window.value[moves]
        state["since_ns"][rows[moves]] = window.t_ns[moves]
        state["run"][rows[moves]] = 0
        state["run"][rows[counts]] += 1
        span_s = (window.t_ns - state["since_ns"][rows]) / 1e9
        flat = counts & same & (state["run"][rows] >= params["flat_n"][rows]) & (span_s >= params["flat_s"][rows])
        active = state["active"][rows]
        starts = flat & ~active
        if starts.any():
            answer.writable()
            at = rows[starts]
            state["active"][at] = True
            state["onset_key"][at] = window.key[starts]
            state["onset_ns"][at] = window.t_ns[starts]
            state["origin"][at] = window.origin[starts]
            answer.change[starts] = START
            answer.onset_key[starts] = window.key[starts]
            answer.onset_ns[starts] = window.t_ns[starts]
        self._end(rows, active & moves, state, answer)
        answer.verdict[counts] = np.where(state["active"][rows], np.int8(ALARM), np.int8(OK))[counts]
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Nothing: silence is not a flat line."""
        return NOTHING

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """Never."""
        return None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        self._end(rows, state["active"][rows], state, answer)
        state.reset(rows)
        return answer

    def _end(self, rows: Rows, over: NDArray[np.bool_], state: Table, answer: Verdicts) -> None:
        if over.any():
            answer.writable()
            at = rows[over]
            answer.change[over] = END
            answer.ended_key[over] = state["onset_key"][at]
            answer.ended_ns[over] = state["onset_ns"][at]
            state["active"][at] = False


DETECTORS: tuple[Detector, ...] = (Flat(),)
