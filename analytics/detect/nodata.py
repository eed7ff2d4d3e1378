"""Silence by cadence, driven by ticks: a series that is expected and has not come within its deadline of listened time.

A device has a row of its own (its series name it as `parent`): a series is silent only for as long as its device still spoke, so that a
dead watch is one finding and not one per quantity, and nothing is said to be over because worse has come. Time counts only while somebody
listens: after a restart or a step of the clock no device is accused of a silence that was ours, and none gains a fresh start by it either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import ALARM, END, NO_DATA, NOTHING, OK, START, UNKNOWN, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.table import Column, Rows, Table


class NoData:
    """ALARM while an expected series is silent; NO_DATA for series that nobody expects."""

    rule = "nodata"
    version = 2
    stage = Stage.PRESENCE
    columns: Mapping[str, Column] = {
        "seen_ns": Column("<i8"),  # listened time at the last value
        "seen_at_ns": Column("<i8", UNKNOWN),  # its time
        "active": Column("|b1"),
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "origin": Column("|u1"),
    }
    params: Mapping[str, Column] = {
        "deadline_s": Column("<f8", np.nan),  # NaN = not expected
        "parent": Column("<i8", -1),  # row of the device, -1 = none
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Values arrived; a row without a value is not heard, unless the device says why: that is `sensor`'s matter."""
        answer = quiet(window.rows)
        heard = window.usable & (~np.isnan(window.value) | (window.beyond != 0))
        told = heard if window.fault is None else heard | (window.fault > 0)  # a device that says what is wrong is no silent one
        rows = window.rows[told]
        index = told.nonzero()[0]
        state["seen_ns"][rows] = window.listened_ns
        state["seen_at_ns"][rows] = window.t_ns[told]
        state["origin"][rows] = window.origin[told]
        self._end(rows, state["active"][rows], index, state, answer)
        expected = ~np.isnan(window.params["deadline_s"][window.rows])
        answer.verdict[:] = np.where(
            state["active"][window.rows], np.int8(ALARM), np.where(expected & heard, np.int8(OK), np.int8(NO_DATA))
        )
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Who has been silent for too long by now, and who is no longer."""
        wanted = self._silent(instant, state, params)
        active = state["active"][: instant.rows]
        changed = (wanted != active).nonzero()[0]
        if not len(changed):
            return NOTHING
        answer = quiet(changed)
        answer.writable()
        starts = wanted[changed]
        rows = changed[starts]
        state["active"][rows] = True
        # silent since the last value, but known by this tick: a series may fall silent under its device and again by itself
        state["onset_key"][rows] = instant.key
        never = state["seen_at_ns"][rows] == UNKNOWN
        state["onset_ns"][rows] = np.where(never, instant.now_ns, state["seen_at_ns"][rows])
        answer.change[starts] = START
        answer.verdict[starts] = ALARM
        answer.onset_key[starts] = state["onset_key"][rows]
        answer.onset_ns[starts] = state["onset_ns"][rows]
        self._end(changed, ~starts, np.arange(len(changed)), state, answer)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next deadline passes, if every moment until then is listened to."""
        count = instant.rows
        if (self._silent(instant, state, params) != state["active"][:count]).any():
            return instant.now_ns + 1
        left_ns = params["deadline_s"][:count] * 1e9 - (instant.listened_ns - state["seen_ns"][:count])
        left_ns = left_ns[left_ns >= 0]
        return int(instant.now_ns + left_ns.min()) + 1 if len(left_ns) else None

    def _silent(self, instant: Instant, state: Table, params: Table) -> NDArray[np.bool_]:
        """bool[rows]: beyond the deadline, counted up to now for a device and up to its device's last word for a series."""
        seen_ns, parent = state["seen_ns"][: instant.rows], params["parent"][: instant.rows]
        until_ns = np.where(parent >= 0, seen_ns[parent], instant.listened_ns)
        silent: NDArray[np.bool_] = (until_ns - seen_ns) / 1e9 > params["deadline_s"][: instant.rows]
        return silent

    def expect(self, rows: Rows, listened_ns: int, state: Table) -> None:
        """From now on these rows are expected: their time starts here."""
        state["seen_ns"][rows] = listened_ns

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions: nobody expects them any more."""
        answer = quiet(rows)
        self._end(rows, state["active"][rows], np.arange(len(rows)), state, answer)
        return answer

    def _end(self, rows: Rows, over: object, index: object, state: Table, answer: Verdicts) -> None:
        ends = np.asarray(over, dtype=bool)
        if not ends.any():
            return
        answer.writable()
        where = np.asarray(index, dtype=np.int64)[ends]
        at = rows[ends]
        answer.change[where] |= END
        answer.ended_key[where] = state["onset_key"][at]
        answer.ended_ns[where] = state["onset_ns"][at]
        state["active"][at] = False


DETECTORS: tuple[Detector, ...] = (NoData(),)
