"""Slow drift against the person's own baseline: EWMA z and a two-sided CUSUM of minute means, with a refractory span."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import baseline
from analytics.detect.base import ALARM, END, NOTHING, OK, START, UNKNOWN, WARMING, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

# Textbook k = .5, h = 5 holds for independent samples; minute means are not (20 per sample, see baseline.CORRELATION_MIN), so that each
# counts for its share. On synthetic heart rates (circadian, autocorrelation .95 a minute) these settings raise at most one alarm per
# resident in ten weeks and find a lasting step of three spreads in about an hour and a half (tests/bench/trend.py).
SLACK = 0.5
Z_LIMIT = 4.0  # one wild minute cannot do it alone
SETTLE = 0.2  # weight of a new independent sample in the smoothed z
Z_MIN = 1.5  # the smoothed z must agree before CUSUM may speak
Z_OVER = 0.5  # and the finding is over when the smoothed z is back within this


class Trend:
    """ALARM while the signal has left the person's baseline (either direction; `evidence["direction"]`), WARMING until that is known."""

    rule = "trend"
    version = 1
    stage = Stage.CLINICAL
    columns: Mapping[str, Column] = baseline.COLUMNS | {
        "up": Column("<f8"),
        "down": Column("<f8"),
        "zs": Column("<f8"),  # smoothed z of minute means
        "active": Column("|i1"),  # 0, +1 above, -1 below
        "onset_key": Column("<i8", UNKNOWN),
        "onset_ns": Column("<i8", UNKNOWN),
        "alarm_ns": Column("<i8", NEVER_NS),
        "origin": Column("|u1"),
    }
    params: Mapping[str, Column] = baseline.PARAMS | {
        "cusum_h": Column("<f8", 5.0),
        "refractory_s": Column("<f8", 6 * 3600.0),
        "trend_on": Column("|i1", 1),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Learn one reading per series and judge it; doubtful and unusable ones teach nothing."""
        answer = _quiet(window.rows)
        counts = window.usable & ~window.doubtful & ~np.isnan(window.value) & (window.params["trend_on"][window.rows] != 0)
        index = np.flatnonzero(counts)
        if not len(index):
            return answer
        rows, t_ns, value = window.rows[index], window.t_ns[index], window.value[index]
        opens = baseline.new_minute(state, rows, t_ns)
        if opens.any():
            self._turn(window.take(index[opens]), index[opens], state, answer)
        baseline.step(state, rows, t_ns, value, window.params)
        baseline.add_to_minute(state, rows, value)
        self._verdict(rows, index, state, window.params, answer)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Nothing: a minute is closed by the reading after it, so that silence is no evidence."""
        return NOTHING

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """Never."""
        return None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions; the baseline itself stays the person's."""
        answer = _quiet(rows)
        self._end(rows, np.arange(len(rows)), state["active"][rows] != 0, state, answer)
        for name in ("up", "down", "zs"):
            state[name][rows] = 0.0
        return answer

    def _turn(self, window: Window, index: NDArray[np.int64], state: Table, answer: Verdicts) -> None:
        """Close the minute before these readings, run CUSUM on it, and open theirs."""
        had = state["count"][window.rows] > 0
        closing = window.take(had)
        if len(closing):
            z, weight = baseline.close_minute(state, closing.rows, closing.params)
            self._cusum(closing, index[had], np.clip(z, -Z_LIMIT, Z_LIMIT), weight, state, answer)
        baseline.open_minute(state, window.rows, window.t_ns, window.params)

    def _cusum(
        self, window: Window, index: NDArray[np.int64], z: NDArray[np.float64], weight: NDArray[np.float64], state: Table, answer: Verdicts
    ) -> None:
        rows, t_ns = window.rows, window.t_ns
        smooth = state["zs"][rows] + SETTLE * weight * (z - state["zs"][rows])
        state["zs"][rows] = smooth
        active = state["active"][rows]
        rested = t_ns - state["alarm_ns"][rows] >= (window.params["refractory_s"][rows] * 1e9).astype(np.int64)
        over = (active != 0) & rested & (np.abs(smooth) < Z_OVER)
        self._end(rows, index, over, state, answer)
        free = (active == 0) & rested
        up = np.where(free, np.maximum(0.0, state["up"][rows] + weight * (z - SLACK)), 0.0)
        down = np.where(free, np.maximum(0.0, state["down"][rows] - weight * (z + SLACK)), 0.0)
        height = window.params["cusum_h"][rows]
        rises = (up > height) & (smooth > Z_MIN)
        falls = (down > height) & (smooth < -Z_MIN)
        fires = rises | falls
        state["up"][rows] = np.where(fires, 0.0, np.minimum(up, 2 * height))
        state["down"][rows] = np.where(fires, 0.0, np.minimum(down, 2 * height))
        if fires.any():
            at = rows[fires]
            state["active"][at] = np.where(rises, 1, -1)[fires]
            state["onset_key"][at] = window.key[fires]
            state["onset_ns"][at] = t_ns[fires]
            state["alarm_ns"][at] = t_ns[fires]
            state["origin"][at] = window.origin[fires]
            where = index[fires]
            answer.writable()
            answer.change[where] |= START
            answer.evidence["direction"][where] = state["active"][at]
            answer.onset_key[where] = window.key[fires]
            answer.onset_ns[where] = t_ns[fires]

    def _end(self, rows: Rows, index: NDArray[np.int64], over: NDArray[np.bool_], state: Table, answer: Verdicts) -> None:
        if not over.any():
            return
        answer.writable()
        at, where = rows[over], index[over]
        answer.change[where] |= END
        answer.evidence["direction"][where] = state["active"][at]
        answer.ended_key[where] = state["onset_key"][at]
        answer.ended_ns[where] = state["onset_ns"][at]
        state["active"][at] = 0

    def _verdict(self, rows: Rows, index: NDArray[np.int64], state: Table, params: Table, answer: Verdicts) -> None:
        ready = state["ready0"][rows] | (state["zs"][rows] != 0.0)
        verdict = np.where(ready, np.int8(OK), np.int8(WARMING))
        answer.verdict[index] = np.where(state["active"][rows] != 0, np.int8(ALARM), verdict)
        height = params["cusum_h"][rows]
        answer.score[index] = np.maximum(state["up"][rows], state["down"][rows]) / height


def _quiet(rows: Rows) -> Verdicts:
    answer = quiet(rows)
    answer.evidence = {"direction": np.zeros(len(rows), dtype=np.int8)}  # +1 above, -1 below, of a condition that starts or ends
    return answer


DETECTORS: tuple[Detector, ...] = (Trend(),)
