"""One finding where a person leaves their own baseline: all vital signs together, each against its own usual.

Each signal has two horizons: the state of the last half hour (core.py, float32, winsorised) and the usual of the hour of the day over 14
days (baseline.py). A minute's mean is judged against the usual where that is known well enough, else against the state before the minute:

    zs += .2 w (clip(z, +-6) - zs)              smoothed over independent samples; w = min(dt, 20 min) / 20 min, see baseline.py
    u  += .05 w ([|zs| > u] - .02)              running 98 % quantile of |zs| of this person and signal (stochastic approximation)
    e  += .05 w (|zs| - u - e) above u          mean excess
    s   = 0 up to u, else 1.7 + (|zs| - u) / (e ln 10)        about -log10 p, 1.7 = 2 %
    S   = sum of s over the signals heard lately

S >= `on` for `persistence_s` alarms, S < `off` for `calm_s` ends it; within `refractory_s` of the last alarm only a new maximum counts.
So a person whose heart rate always wanders needs more of it, and two signals that each are a little odd say more than one. Missing signals
neither raise nor end anything. Source: reference formulas (tail calibration, sum of detectors, new maximum); constants are ours, see
tests/bench/deviation.py for what they cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import numpy as np
from numpy.typing import NDArray

from analytics import baseline, condition
from analytics.condition import ACTIVE, CLEARING, Input, Timing
from analytics.core import DOWN, LANES, LEVEL, SPREAD2, UP, Pass, advance
from analytics.detect.base import ALARM, NO_DATA, NOTHING, OK, WARMING, Detector, Instant, Stage, Verdicts, Window, quiet, rounded
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

SIGNALS = ("hr", "spo2", "resp", "temp", "sbp")
COUNT = len(SIGNALS)
FLOORS = np.array([3.0, 1.0, 1.5, 0.15, 5.0], dtype=np.float32)  # smallest spread, unit of the signal
STEPS = np.array([1.0, 1.0, 1.0, 0.1, 1.0])  # resolution of the numbers that are told
FAST_S = 300.0
CUSUM_SPAN_S = 1200.0
Z_LIMIT = 6.0
SETTLE = 0.2
Z_MIN = 1.5  # a signal within this is never evidence
LEARN, SHARE = 0.05, 0.02
TAIL_0, EXCESS_0 = 1.5, 0.5  # before anything is known of the person
EXCESS_MIN, EXCESS_MAX = 0.2, 2.0
LOG_SHARE = 1.7
SCORE_MAX = 6.0  # of one signal
ABSURD = 1e6  # beyond it nothing is a vital sign, and float32 would end
_FOREVER_NS = 2**61
_BITS = 1 << np.arange(COUNT, dtype=np.int64)
_NS = 1_000_000_000


class Deviation:
    """ALARM while the signals together are far from the person's own baseline; WARMING until any signal has one."""

    rule = "deviation"
    version = 1
    stage = Stage.PERSON
    quantities = ("hr", "pulse", "spo2", "resp", "temp", "sbp")
    separate = np.array([0, 0, 1, 2, 3, 4])  # signal of each quantity: signals do not depend on each other's order
    columns: Mapping[str, Column] = (
        condition.COLUMNS
        | baseline.columns(COUNT)
        | {
            "core": Column("<f4", 0.0, COUNT * LANES, lanes=True),
            "told": Column("<f8", np.nan, COUNT),  # last minute's mean
            "told_ns": Column("<i8", NEVER_NS, COUNT),
            "level": Column("<f8", np.nan, COUNT),  # what it was compared with
            "usual": Column("|b1", 0, COUNT),  # ... was the usual of the hour
            "zs": Column("<f8", 0.0, COUNT),
            "odd_ns": Column("<i8", NEVER_NS, COUNT),  # |zs| beyond Z_MIN since
            "tail": Column("<f8", TAIL_0, COUNT),
            "excess": Column("<f8", EXCESS_0, COUNT),
            "heard_origin": Column("|u1", 0, COUNT),
            "judged": Column("|b1", 0, COUNT),  # there was a baseline to judge against
            "bits": Column("<i8"),  # signals that took part in the present condition
            "sum": Column("<f8"),
            "peak": Column("<f8"),
            "peak_ns": Column("<i8", NEVER_NS),
        }
    )
    params: Mapping[str, Column] = {
        "signal_tau_s": Column("<f8", 1800.0, COUNT),
        "signal_age_s": Column("<f8", 3600.0, COUNT),  # how long a signal's last minute stands for now
        "utc_offset_s": Column("<f8"),
        "deviation_on": Column("<f8", 3.0),
        "deviation_off": Column("<f8", 1.5),
        "deviation_persistence_s": Column("<f8", 600.0),
        "deviation_calm_s": Column("<f8", 1800.0),
        "deviation_refractory_s": Column("<f8", 12 * 3600.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Learn one reading per person and signal; doubtful and unusable ones teach nothing. The verdict is that of the last tick."""
        answer = quiet(window.rows)
        counts = window.usable & ~window.doubtful & (np.abs(window.value) < ABSURD)  # False for NaN
        index = counts.nonzero()[0]
        if len(index):
            self._learn(window if len(index) == len(counts) else window.take(index), state)
        answer.verdict[:] = self._verdict(window.rows, state)
        answer.score[:] = state["sum"][window.rows] / window.params["deviation_on"][window.rows]
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Sum up everybody at this moment and drive the condition."""
        if not instant.rows:
            return NOTHING
        rows = np.arange(instant.rows, dtype=np.int64)
        scores, fresh = self.scores(instant.now_ns, rows, state, params)
        total = scores.sum(axis=1)
        state["sum"][rows] = total
        rested = instant.now_ns - state["peak_ns"][rows] >= _ns(params["deviation_refractory_s"][rows])
        under_way = state["state"][rows] != condition.OK
        high = (total >= params["deviation_on"][rows]) & (under_way | rested | (total > state["peak"][rows]))
        took = np.where(scores > 0, _BITS, 0).sum(axis=1)
        state["bits"][rows] = np.where(high, state["bits"][rows] | took, state["bits"][rows])
        # lower only because a signal went missing, or nothing heard at all: cannot tell, nothing moves
        told = high | ((state["bits"][rows] & ~np.where(fresh, _BITS, 0).sum(axis=1)) == 0) & fresh.any(axis=1)
        index = told.nonzero()[0]
        index = index[condition.busy(state, rows[index], high[index])]
        if not len(index):
            return NOTHING
        at, total, high = rows[index], total[index], high[index]
        seen = Input(
            key=np.full(len(at), instant.key, dtype=np.int64),
            t_ns=np.full(len(at), instant.now_ns, dtype=np.int64),
            bad=high,
            extreme=np.zeros(len(at), dtype=bool),
            safe=total < params["deviation_off"][at],
            depth=np.zeros(len(at)),
            origin=np.where(fresh[index], state["heard_origin"][at], 0).max(axis=1).astype(np.uint8),
        )
        changes = condition.step(state, at, seen, _timing(params, at))
        self._remember(at, total, instant.now_ns, changes.change, state)
        changed = changes.change.nonzero()[0]
        return Verdicts(
            rows=at[changed],
            verdict=self._verdict(at[changed], state),
            score=(total[changed] / params["deviation_on"][at[changed]]).astype(np.float32),
            change=changes.change[changed],
            onset_key=changes.onset_key[changed],
            onset_ns=changes.onset_ns[changed],
            ended_key=changes.ended_key[changed],
            ended_ns=changes.ended_ns[changed],
        )

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next signal grows too old or a delay runs out."""
        rows = np.arange(instant.rows, dtype=np.int64)
        ends = (state["told_ns"][rows] + _ns(params["signal_age_s"][rows])) + 1
        ends = ends[ends > instant.now_ns]
        waiting = condition.waiting(state, instant.rows)
        runs_out = condition.due_ns(state, waiting, instant.now_ns, _timing(params, waiting))
        rests = state["peak_ns"][rows] + _ns(params["deviation_refractory_s"][rows])
        rests = rests[(rests > instant.now_ns) & (state["sum"][rows] >= params["deviation_on"][rows])]
        found = [int(some.min()) for some in (ends, rests) if len(some)]
        return min([*found, *([] if runs_out is None else [runs_out])], default=None)

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        changes = condition.drop(state, rows)
        answer.change, answer.ended_key, answer.ended_ns = changes.change, changes.ended_key, changes.ended_ns
        return answer

    def scores(self, now_ns: int, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """(evidence s float64[n, 5] of the signals heard lately, heard lately bool[n, 5])."""
        size, tail = np.abs(state["zs"][rows]), np.maximum(state["tail"][rows], Z_MIN)
        score = LOG_SHARE + (size - tail) / (state["excess"][rows] * log(10))
        fresh = now_ns - state["told_ns"][rows] <= _ns(params["signal_age_s"][rows])
        fresh &= state["judged"][rows]
        return np.where(fresh & (size > tail), np.minimum(score, SCORE_MAX), 0.0), fresh

    def signals(self, row: int, state: Table) -> list[dict[str, float | str | int]]:
        """The signals that take part in a row's condition, the oddest first: value, level, z, since and what they were compared with."""
        found: list[dict[str, float | str | int]] = []
        size = np.abs(state["zs"][row])
        for at in np.argsort(-size, kind="stable"):
            if not int(state["bits"][row]) & int(_BITS[at]) or size[at] < Z_MIN:
                continue
            step = float(STEPS[at])
            found.append(
                {
                    "quantity": SIGNALS[at],
                    "direction": "up" if state["zs"][row, at] > 0 else "down",
                    "value": round(round(float(state["told"][row, at]) / step) * step, 1),
                    "level": round(round(float(state["level"][row, at]) / step) * step, 1),
                    "z": round(float(state["zs"][row, at]), 2),
                    "since_ms": int(state["odd_ns"][row, at]) // 1_000_000,
                    "baseline": "usual" if state["usual"][row, at] else "state",
                }
            )
        return found

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Numbers of the row's present condition for the sentence: up to three signals, numbered from the second on."""
        found: dict[str, float | str] = {"score": rounded(float(state["sum"][row]), 1)}
        for at, signal in enumerate(self.signals(row, state)[:3], start=1):
            suffix = "" if at == 1 else str(at)
            found |= {f"{name}{suffix}": signal[name] for name in ("quantity", "direction", "value", "level", "baseline")}
        return found

    def _learn(self, window: Window, state: Table) -> None:
        rows, signal, t_ns = window.rows, self.separate[window.part], window.t_ns
        at = rows * COUNT + signal
        flat = baseline.Flat(state, COUNT)
        opens = baseline.new_minute(flat, at, t_ns)
        if opens.any():
            index = opens.nonzero()[0]
            self._turn(window if len(index) == len(opens) else window.take(index), at[index], signal[index], flat, state)
        lanes = state["core"].reshape(COUNT, LANES, -1)
        block = np.ascontiguousarray(lanes[signal, :, rows].T)
        count = flat["n"][at]
        fresh = count == 0
        if fresh.any():
            block[:2, fresh] = window.value[fresh]
            flat["oldest_ns"][at[fresh]] = t_ns[fresh]
        dt_s = np.where(fresh, 0.0, np.maximum(t_ns - flat["newest_ns"][at], 0) / _NS)
        least = 1.0 / (count + 1)
        rates = np.empty((LANES, len(at)), np.float32)
        rates[LEVEL] = np.maximum(-np.expm1(-dt_s / window.params["signal_tau_s"][rows, signal]), least)
        rates[1] = np.maximum(-np.expm1(-dt_s / FAST_S), least)
        keep = 1 - rates[LEVEL]
        np.multiply(rates[LEVEL], keep, rates[SPREAD2])
        rates[UP:] = np.minimum(dt_s, CUSUM_SPAN_S) / CUSUM_SPAN_S
        advance(Pass(block, FLOORS[signal]), window.value.astype(np.float32), rates, keep, rates[DOWN] * np.float32(0.5))
        lanes[signal, :, rows] = block.T
        flat["n"][at] = count + 1
        flat["newest_ns"][at] = t_ns
        baseline.add_to_minute(flat, at, window.value)
        state["heard_origin"].reshape(-1)[at] = window.origin

    def _turn(self, window: Window, at: Rows, signal: NDArray[np.int64], flat: baseline.Flat, state: Table) -> None:
        """Close the minute before these readings, judge it, and open theirs."""
        rows, params = window.rows, window.params
        had = flat["count"][at] > 0
        if had.any():
            closing, owner, of = at[had], rows[had], signal[had]
            judged = baseline.close_minute(flat, closing, FLOORS[of].astype(np.float64), params["utc_offset_s"][owner])
            flat["told"][closing], flat["told_ns"][closing] = judged.mean, window.t_ns[had]
            flat["level"][closing], flat["usual"][closing], flat["judged"][closing] = judged.level, judged.usual, judged.ready
            self._judge(closing, np.clip(judged.z, -Z_LIMIT, Z_LIMIT), judged.weight, window.t_ns[had], judged.ready, flat)
        lanes = state["core"].reshape(COUNT, LANES, -1)
        level, spread2 = lanes[signal, LEVEL, rows], lanes[signal, SPREAD2, rows]
        baseline.open_minute(flat, at, window.t_ns, level, spread2, params["signal_tau_s"][rows, signal])

    def _judge(
        self, at: Rows, z: NDArray[np.float64], weight: NDArray[np.float64], t_ns: NDArray[np.int64], ready: NDArray[np.bool_],
        flat: baseline.Flat,
    ) -> None:  # fmt: skip
        smooth = flat["zs"][at]
        smooth += SETTLE * weight * (z - smooth)
        flat["zs"][at] = smooth
        size, was = np.abs(smooth), flat["odd_ns"][at]
        flat["odd_ns"][at] = np.where(size < Z_MIN, NEVER_NS, np.where(was == NEVER_NS, t_ns, was))
        tail, excess, rate = flat["tail"][at], flat["excess"][at], np.where(ready, LEARN * weight, 0.0)
        over = size > tail
        flat["excess"][at] = np.clip(excess + np.where(over, rate * (size - tail - excess), 0.0), EXCESS_MIN, EXCESS_MAX)
        flat["tail"][at] = tail + rate * (over - SHARE)

    def _remember(self, rows: Rows, total: NDArray[np.float64], now_ns: int, change: NDArray[np.uint8], state: Table) -> None:
        """The maximum of an alarm, from which a new one within the refractory span is measured."""
        active = (state["state"][rows] == ACTIVE) | (state["state"][rows] == CLEARING)
        starts = active & ((change & 1) != 0)
        peak = np.where(starts, total, np.where(active, np.maximum(state["peak"][rows], total), state["peak"][rows]))
        state["peak"][rows] = peak
        state["peak_ns"][rows[starts]] = now_ns
        over = state["state"][rows] == condition.OK
        state["bits"][rows[over]] = 0

    def _verdict(self, rows: Rows, state: Table) -> NDArray[np.int8]:
        now = state["state"][rows]
        alarm = (now == ACTIVE) | (now == CLEARING)
        heard = (state["told_ns"][rows] != NEVER_NS).any(axis=1)
        ready = state["judged"][rows].any(axis=1)
        silent = np.where(heard, np.int8(WARMING), np.int8(NO_DATA))
        return np.where(alarm, np.int8(ALARM), np.where(ready, np.int8(OK), silent)).astype(np.int8)


def _ns(span_s: NDArray[np.float64]) -> NDArray[np.int64]:
    return (np.minimum(span_s, 1e9) * 1e9).astype(np.int64)


def _timing(params: Table, rows: Rows) -> Timing:
    count = len(rows)
    return Timing(
        t_on_ns=_ns(params["deviation_persistence_s"][rows]),
        t_off_ns=_ns(params["deviation_calm_s"][rows]),
        hold_ns=np.full(count, _FOREVER_NS, dtype=np.int64),
        area=np.full(count, np.inf),
        need=np.ones(count, dtype=np.int64),
    )


DETECTORS: tuple[Detector, ...] = (Deviation(),)
