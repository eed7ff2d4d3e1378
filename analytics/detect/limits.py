"""Limits per resident and side: on-delay or integral, zero delay at an extreme, hysteresis, off-delay, LO/HI of the sensor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import condition
from analytics.condition import ACTIVE, CLEARING, PENDING, Changes, Input, Timing
from analytics.detect.base import ALARM, NOTHING, OK, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.table import Column, Rows, Table

COMMON = {
    "t_on_s": Column("<f8", 15.0),
    "t_off_s": Column("<f8", 15.0),
    "hold_s": Column("<f8", 120.0),  # how long a value stands for what is true now
    "hysteresis": Column("<f8"),
    "need": Column("|i1", 1),
}


class Limit:
    """A value below (side -1) or above (side +1) the limit; NaN limit = the series has none and the verdict is NO_DATA."""

    version = 1
    stage = Stage.CLINICAL

    def __init__(self, *, side: int) -> None:
        self.rule = "limit.low" if side < 0 else "limit.high"
        self._side = side
        self._limit, self._extreme, self._area = ("low", "low_extreme", "low_area") if side < 0 else ("high", "high_extreme", "high_area")
        self.columns: Mapping[str, Column] = condition.COLUMNS
        self.params: Mapping[str, Column] = COMMON | {
            self._limit: Column("<f8", np.nan),
            self._extreme: Column("<f8", np.nan),
            self._area: Column("<f8", np.inf),
        }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Judge one reading per series; unusable ones change nothing and get NO_DATA."""
        params, rows, side = window.params, window.rows, self._side
        limit = params[self._limit][rows]
        shown = window.beyond == side  # LO or HI: the true value is beyond what the sensor can show
        excess = (window.value - limit) * side  # > 0 beyond the limit, NaN without a limit or value
        excess = np.where(shown & np.isnan(window.value) & ~np.isnan(limit), 0.0, excess)  # LO without a number: by how much, nobody knows
        counts = window.usable & ~np.isnan(excess)
        bad = counts & ((excess > 0) | shown)
        answer = quiet(rows)
        answer.verdict[counts] = OK
        index = condition.busy(state, rows, bad)
        index = index[counts[index]]
        if not len(index):
            return answer
        rows, excess, shown, bad = rows[index], excess[index], shown[index], bad[index]
        deep = shown | ((window.value[index] - params[self._extreme][rows]) * side >= 0)
        seen = Input(
            key=window.key[index],
            t_ns=window.t_ns[index],
            bad=bad,
            extreme=bad & deep & ~window.doubtful[index],
            safe=~shown & (excess <= -params["hysteresis"][rows]),
            depth=np.maximum(excess, 0.0),
            origin=window.origin[index],
        )
        changes = condition.step(state, rows, seen, self._timing(params, rows))
        part = _answer(rows, changes, state)
        answer.verdict[index], answer.score[index] = part.verdict, part.score
        if changes.change.any():
            answer.writable()
            for name in ("change", "onset_key", "onset_ns", "ended_key", "ended_ns"):
                getattr(answer, name)[index] = getattr(changes, name)
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Delays that run out while no reading comes."""
        rows = condition.waiting(state, instant.rows)
        if not len(rows):
            return NOTHING
        changes = condition.tick(state, rows, instant.now_ns, self._timing(params, rows))
        changed = changes.change.nonzero()[0]
        return _answer(rows[changed], _picked(changes, changed), state)

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next delay runs out."""
        rows = condition.waiting(state, instant.rows)
        return condition.due_ns(state, rows, instant.now_ns, self._timing(params, rows)) if len(rows) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        return _answer(rows, condition.drop(state, rows), state)

    def _timing(self, params: Table, rows: Rows) -> Timing:
        return Timing(
            t_on_ns=_ns(params["t_on_s"][rows]),
            t_off_ns=_ns(params["t_off_s"][rows]),
            hold_ns=_ns(params["hold_s"][rows]),
            area=params[self._area][rows],
            need=params["need"][rows].astype(np.int64),
        )


def _ns(span_s: NDArray[np.float64]) -> NDArray[np.int64]:
    return (span_s * 1e9).astype(np.int64)


def _picked(changes: Changes, index: NDArray[np.int64]) -> Changes:
    return Changes(
        change=changes.change[index], onset_key=changes.onset_key[index], onset_ns=changes.onset_ns[index],
        ended_key=changes.ended_key[index], ended_ns=changes.ended_ns[index],
    )  # fmt: skip


def _answer(rows: Rows, changes: Changes, state: Table) -> Verdicts:
    now = state["state"][rows]
    alarm = (now == ACTIVE) | (now == CLEARING)
    score = np.where(alarm, 1.0, np.where(now == PENDING, 0.5, 0.0)).astype(np.float32)
    return _verdicts(rows, np.where(alarm, np.int8(ALARM), np.int8(OK)), score, changes)


def _verdicts(rows: Rows, verdict: NDArray[np.int8], score: NDArray[np.float32], changes: Changes) -> Verdicts:
    return Verdicts(
        rows=rows, verdict=verdict, score=score, change=changes.change, onset_key=changes.onset_key, onset_ns=changes.onset_ns,
        ended_key=changes.ended_key, ended_ns=changes.ended_ns,
    )  # fmt: skip


DETECTORS: tuple[Detector, ...] = (Limit(side=-1), Limit(side=+1))
