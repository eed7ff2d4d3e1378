"""NEWS2 of each resident: parts carried forward up to their age limits, alarm at 7 after 2 h, over below 5.

One row per resident; a reading is one part (`window.part`, order of score.PARTS). Scores are taken on ticks, so that parts age by
themselves. A partial score is a lower bound: it may alarm, it never reads as OK, and it never ends an alarm that a part now missing had
helped to raise.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import condition, score
from analytics.condition import ACTIVE, CLEARING, Input, Timing
from analytics.detect.base import ALARM, NO_DATA, NOTHING, OK, Detector, Instant, Stage, Verdicts, Window, quiet
from analytics.score import CONSCIOUSNESS, O2, PARTS
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

_FOREVER_NS = 2**61
_BITS = 1 << np.arange(len(PARTS), dtype=np.int64)


class Score:
    """ALARM from persistence on, OK only with all seven parts known, else NO_DATA."""

    rule = "news2"
    version = 1
    stage = Stage.SCORE
    columns: Mapping[str, Column] = condition.COLUMNS | {
        "part": Column("<f8", np.nan, len(PARTS)),
        "part_ns": Column("<i8", NEVER_NS, len(PARTS)),
        "part_origin": Column("|u1", 0, len(PARTS)),
        "known": Column("<i8"),  # bit set of parts known while the score was high
        "total": Column("|i1", -1),  # last score, -1 = none
        "total_known": Column("|i1"),
        "single3": Column("|b1"),
        "crossings": Column("<i8"),  # how often the bare score crossed the threshold: the naive rule, for comparison
    }
    params: Mapping[str, Column] = {
        "max_age_s": Column("<f8", 1800.0, len(PARTS)),
        "spo2_scale": Column("|i1", 1),
        "on_oxygen": Column("<f8", np.nan),  # entered by staff: 0 air, 1 oxygen, NaN nobody has
        "cvpu": Column("<f8", np.nan),  # entered by staff: 0 alert, 1 CVPU, NaN nobody has
        "news2_on": Column("|i1", 7),
        "news2_off": Column("|i1", 5),
        "persistence_s": Column("<f8", 2 * 3600.0),
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """Keep the newest value of each part; the verdict is that of the last tick."""
        counts = window.usable & ~np.isnan(window.value)
        rows, part = window.rows[counts], window.part[counts]
        state["part"][rows, part] = window.value[counts]
        state["part_ns"][rows, part] = window.t_ns[counts]
        state["part_origin"][rows, part] = window.origin[counts]
        answer = quiet(window.rows)
        answer.verdict[:] = self._verdict(window.rows, state)
        answer.score[:] = state["total"][window.rows] / window.params["news2_on"][window.rows]
        return answer

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """Score everybody at this moment and drive the condition."""
        if not instant.rows:
            return NOTHING
        rows = np.arange(instant.rows, dtype=np.int64)
        parts, origin = self.parts(instant.now_ns, rows, state, params)
        result = score.news2(parts, params["spo2_scale"][rows])
        on, total = params["news2_on"][rows], result.total
        had = np.where(result.points >= 0, _BITS, 0).sum(axis=1)
        high = (total >= on) & (result.known > 0)
        state["crossings"][rows[high & (state["total"][rows] < on)]] += 1
        state["known"][rows] = np.where(high, state["known"][rows] | had, state["known"][rows])
        state["total"][rows] = np.where(result.known > 0, total, -1)
        state["total_known"][rows] = result.known
        state["single3"][rows] = result.single3
        # below the threshold only because parts went missing: cannot tell, nothing moves
        told = high | ((state["known"][rows] & ~had) == 0)
        index = told.nonzero()[0]
        index = index[condition.busy(state, rows[index], high[index])]
        if not len(index):
            return NOTHING
        at, total, on = rows[index], total[index], on[index]
        seen = Input(
            key=np.full(len(at), instant.key, dtype=np.int64),
            t_ns=np.full(len(at), instant.now_ns, dtype=np.int64),
            bad=high[index],
            extreme=np.zeros(len(at), dtype=bool),
            safe=total < params["news2_off"][at],
            depth=np.maximum(total.astype(np.float64) - on, 0.0),
            origin=origin[index],
        )
        changes = condition.step(state, at, seen, _timing(params, at))
        state["known"][at] = np.where(state["state"][at] == condition.OK, 0, state["known"][at])
        changed = np.flatnonzero(changes.change)
        return Verdicts(
            rows=at[changed],
            verdict=self._verdict(at[changed], state),
            score=(state["total"][at[changed]] / on[changed]).astype(np.float32),
            change=changes.change[changed],
            onset_key=changes.onset_key[changed],
            onset_ns=changes.onset_ns[changed],
            ended_key=changes.ended_key[changed],
            ended_ns=changes.ended_ns[changed],
        )

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next part grows too old or a persistence runs out."""
        rows = np.arange(instant.rows, dtype=np.int64)
        ends = (state["part_ns"][rows] + (np.minimum(params["max_age_s"][rows], 1e9) * 1e9).astype(np.int64)) + 1
        ends = ends[ends > instant.now_ns]
        waiting = condition.waiting(state, instant.rows)
        runs_out = condition.due_ns(state, waiting, instant.now_ns, _timing(params, waiting))
        found = [int(ends.min())] if len(ends) else []
        return min([*found, *([] if runs_out is None else [runs_out])], default=None)

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        changes = condition.drop(state, rows)
        answer.change, answer.ended_key, answer.ended_ns = changes.change, changes.ended_key, changes.ended_ns
        return answer

    def parts(self, now_ns: int, rows: Rows, state: Table, params: Table) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Parts float64[n, 7] that are young enough now (else NaN), and the largest origin uint8[n] among them."""
        age_s = (now_ns - state["part_ns"][rows]) / 1e9
        values = np.where(age_s <= params["max_age_s"][rows], state["part"][rows], np.nan)
        origin = np.where(np.isnan(values), 0, state["part_origin"][rows]).max(axis=1).astype(np.uint8)
        values[:, O2] = params["on_oxygen"][rows]
        values[:, CONSCIOUSNESS] = params["cvpu"][rows]
        return values, origin

    def _verdict(self, rows: Rows, state: Table) -> NDArray[np.int8]:
        now = state["state"][rows]
        alarm = (now == ACTIVE) | (now == CLEARING)
        complete = state["total_known"][rows] == len(PARTS)
        return np.where(alarm, np.int8(ALARM), np.where(complete, np.int8(OK), np.int8(NO_DATA)))


def _timing(params: Table, rows: Rows) -> Timing:
    count = len(rows)
    return Timing(
        t_on_ns=(params["persistence_s"][rows] * 1e9).astype(np.int64),
        t_off_ns=np.zeros(count, dtype=np.int64),
        hold_ns=np.full(count, _FOREVER_NS, dtype=np.int64),
        area=np.full(count, np.inf),
        need=np.ones(count, dtype=np.int64),
    )


DETECTORS: tuple[Detector, ...] = (Score(),)
