"""What the device says is wrong with it (not worn, lead off, sensor or cuff error, low perfusion): technical, and a gate for medicine.

ALARM after `fault_s` (`perfusion_s` for low perfusion) and at least `fault_n` faulty readings in a row; over with the first sound one.
While it lasts the clinical rules get no value of the series. One word holds for the whole condition: the first of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import ALARM, END, FAULTS, NOTHING, START, UNKNOWN, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

LOW_PERFUSION = FAULTS.index("low_perfusion")


class Sensor:
    """ALARM while the device calls its own readings faulty, else NO_DATA: that it does not complain says nothing of the person."""

    rule = "sensor"
    version = 1
    stage = Stage.QUALITY
    columns: Mapping[str, Column] = {
        "fault": Column("|u1"),  # index of FAULTS, 0 = none
        "since_ns": Column("<i8", NEVER_NS),
        "run": Column("<i8"),
        "active": Column("|b1"),
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "origin": Column("|u1"),
    }
    params: Mapping[str, Column] = {
        "fault_s": Column("<f8", 60.0),
        "perfusion_s": Column("<f8", 300.0),
        "fault_n": Column("<i8", 2),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Count how long each series has been faulty; a reading without a value and without a fault changes nothing."""
        rows = window.rows
        answer = quiet(rows)
        sound = window.usable & np.isfinite(window.value)
        before = state["fault"][rows]
        if window.fault is None and not before.any():
            return answer
        fault = np.zeros(len(rows), np.uint8) if window.fault is None else window.fault
        bad = fault > 0
        begins = bad & (before == 0)
        if begins.any():
            at = rows[begins]
            state["fault"][at], state["since_ns"][at], state["run"][at] = fault[begins], window.t_ns[begins], 0
        state["run"][rows[bad]] += 1
        self._end(rows, ~bad & sound & (before > 0), state, answer)
        params, kept = window.params, state["fault"][rows]
        span_s = np.where(kept == LOW_PERFUSION, params["perfusion_s"][rows], params["fault_s"][rows])
        lasts = (window.t_ns - state["since_ns"][rows]) / 1e9 >= span_s
        starts = bad & lasts & (state["run"][rows] >= params["fault_n"][rows]) & ~state["active"][rows]
        if starts.any():
            answer.writable()
            at = rows[starts]
            state["active"][at], state["origin"][at] = True, window.origin[starts]
            state["onset_key"][at], state["onset_ns"][at] = window.key[starts], window.t_ns[starts]
            answer.change[starts] |= START
            answer.onset_key[starts], answer.onset_ns[starts] = window.key[starts], window.t_ns[starts]
        answer.verdict[state["active"][rows]] = ALARM
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Nothing: a device that falls silent is the silence's matter."""
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
        ends = over & state["active"][rows]
        if ends.any():
            answer.writable()
            at = rows[ends]
            answer.change[ends] |= END
            answer.ended_key[ends], answer.ended_ns[ends] = state["onset_key"][at], state["onset_ns"][at]
            state["active"][at] = False
        state["fault"][rows[over]] = 0


DETECTORS: tuple[Detector, ...] = (Sensor(),)
