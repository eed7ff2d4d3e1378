"""Irregular rhythm from RR intervals of a resident: Zhou's entropy (analytics/rhythm.py) behind a quality gate, only if it lasts.

A verdict needs 127 words of three beats without a gap, two minutes at least, of which nine tenths are clean; else WARMING (too little) or
NO_DATA (too many intervals that no heart makes). Then the entropy must stay above the threshold for `rhythm_s`, nearly always, before
anybody is told, and below for `rhythm_calm_s` before it is over. It is an observation for a doctor, never a diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics import rhythm
from analytics.detect.base import (
    ALARM,
    END,
    NO_DATA,
    NOTHING,
    OK,
    START,
    WARMING,
    Detector,
    Instant,
    Stage,
    Verdicts,
    Window,
    quiet,
    rounded,
)
from analytics.rhythm import WORDS
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

SYMBOLS = 160  # ring of intervals
CLEAN = 0.9  # share of clean intervals
GAP_S = 15.0  # without an interval: what follows is another strip
OFTEN = 0.9  # share of the beats above the threshold, averaged over `rhythm_s`


class Rhythm:
    """One row per resident; values are RR intervals in ms, many of a frame with one time."""

    rule = "rhythm"
    version = 1
    stage = Stage.PERSON
    quantities = ("rr",)
    columns: Mapping[str, Column] = {
        "symbol": Column("<i4", -1, SYMBOLS),
        "rr_ms": Column("<f4", np.nan, SYMBOLS),
        "beats": Column("<i8"),  # clean intervals since the last gap
        "span_s": Column("<f8"),  # their sum
        "clean": Column("<f8", 1.0),  # share of clean intervals, averaged over 127
        "last_ns": Column("<i8", NEVER_NS),
        "entropy": Column("<f8", np.nan),
        "above": Column("<f8"),  # share of beats above the threshold, averaged over time
        "since_ns": Column("<i8", NEVER_NS),  # first beat of the stretch above
        "since_key": Column("<i8"),
        "below_ns": Column("<i8", NEVER_NS),  # first beat of the stretch below
        "active": Column("|b1"),
        "onset_key": Column("<i8"),
        "onset_ns": Column("<i8", NEVER_NS),
        "origin": Column("|u1"),
    }  # fmt: skip
    params: Mapping[str, Column] = {
        "rhythm_words": Column("<i8", WORDS),  # at most 158
        "rhythm_threshold": Column("<f8", rhythm.THRESHOLD),
        "rhythm_least_s": Column("<f8", 120.0),  # of beats, whatever their number
        "rhythm_s": Column("<f8", 300.0),  # how long before it is said
        "rhythm_calm_s": Column("<f8", 300.0),
        "rhythm_away_s": Column("<f8", 1800.0),  # without a strip that can be judged it is not applicable any longer
    }

    def step(self, window: Window, state: Table) -> Verdicts:
        """One interval per resident."""
        answer = quiet(window.rows, WARMING)
        told = np.flatnonzero(window.usable & ~np.isnan(window.value) & (window.t_ns >= state["last_ns"][window.rows]))
        if len(told):
            self._take(window.take(told), told, state, answer)
        active = state["active"][window.rows]
        answer.verdict[active] = ALARM
        return answer

    def _take(self, window: Window, where: NDArray[np.int64], state: Table, answer: Verdicts) -> None:
        rows, t_ns, rr_s = window.rows, window.t_ns, window.value / 1000.0
        gap = (state["last_ns"][rows] == NEVER_NS) | (t_ns - state["last_ns"][rows] > GAP_S * 1e9)
        self._anew(rows[gap], state)
        state["last_ns"][rows] = t_ns
        good = rhythm.clean(rr_s)
        state["clean"][rows] += (good - state["clean"][rows]) / WORDS
        answer.verdict[where[~good]] = NO_DATA
        rows, where, window, rr_s = rows[good], where[good], window.take(good), rr_s[good]
        beats = state["beats"][rows]
        slot = beats % SYMBOLS
        state["symbol"][rows, slot], state["rr_ms"][rows, slot] = rhythm.symbols(rr_s), 1000.0 * rr_s
        state["beats"][rows] = beats + 1
        state["span_s"][rows] += rr_s
        poor = state["clean"][rows] < CLEAN
        answer.verdict[where[poor]] = NO_DATA
        params = window.params
        ready = (beats + 1 >= params["rhythm_words"][rows] + 2) & (state["span_s"][rows] >= params["rhythm_least_s"][rows]) & ~poor
        if ready.any():
            self._judge(window.take(ready), rr_s[ready], where[ready], state, answer)

    def _judge(self, window: Window, rr_s: NDArray[np.float64], where: NDArray[np.int64], state: Table, answer: Verdicts) -> None:
        rows, t_ns, params = window.rows, window.t_ns, window.params
        entropy, limit = self._entropy(rows, params["rhythm_words"][rows], state), params["rhythm_threshold"][rows]
        state["entropy"][rows] = entropy
        answer.verdict[where], answer.score[where] = OK, entropy / limit
        above = entropy > limit
        first = above & (state["since_ns"][rows] == NEVER_NS)
        state["since_ns"][rows[first]], state["since_key"][rows[first]] = t_ns[first], window.key[first]
        state["above"][rows[first]] = 1.0
        state["above"][rows] += -np.expm1(-rr_s / params["rhythm_s"][rows]) * (above - state["above"][rows])
        lost = ~state["active"][rows] & (state["above"][rows] < OFTEN)
        state["since_ns"][rows[lost]] = NEVER_NS
        fresh = ~above & (state["below_ns"][rows] == NEVER_NS)
        state["below_ns"][rows[above]] = NEVER_NS
        state["below_ns"][rows[fresh]] = t_ns[fresh]
        long = (t_ns - state["since_ns"][rows] >= params["rhythm_s"][rows] * 1e9) & (state["since_ns"][rows] != NEVER_NS)
        starts = ~state["active"][rows] & long & above
        if starts.any():
            answer.writable()
            at, here = rows[starts], where[starts]
            state["active"][at] = True
            state["onset_key"][at], state["onset_ns"][at] = state["since_key"][at], state["since_ns"][at]
            state["origin"][at] = window.origin[starts]
            answer.change[here] |= START
            answer.onset_key[here], answer.onset_ns[here] = state["onset_key"][at], state["onset_ns"][at]
        calm = (state["below_ns"][rows] != NEVER_NS) & (t_ns - state["below_ns"][rows] >= params["rhythm_calm_s"][rows] * 1e9)
        self._end(rows, where, state["active"][rows] & calm, state, answer)

    def _entropy(self, rows: Rows, size: NDArray[np.int64], state: Table) -> NDArray[np.float64]:
        found = np.empty(len(rows))
        for count in np.unique(size).tolist():  # one number, unless somebody tries another
            mine = np.flatnonzero(size == count)
            slots = (state["beats"][rows[mine]][:, None] - (count + 2) + np.arange(count + 2)) % SYMBOLS
            found[mine] = rhythm.entropy(rhythm.words(state["symbol"][rows[mine][:, None], slots]))
        return found

    def tick(self, instant: Instant, state: Table, params: Table) -> Verdicts:
        """An irregular rhythm that nobody can see any longer is over."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        gone = rows[instant.now_ns - state["last_ns"][rows] >= params["rhythm_away_s"][rows] * 1e9]
        if not len(gone):
            return NOTHING
        answer = quiet(gone)
        self._end(gone, np.arange(len(gone)), state["active"][gone], state, answer)
        return answer

    def due_ns(self, instant: Instant, state: Table, params: Table) -> int | None:
        """When the next one is out of sight."""
        rows = np.flatnonzero(state["active"][: instant.rows])
        ends = state["last_ns"][rows] + (params["rhythm_away_s"][rows] * 1e9).astype(np.int64)
        return int(ends.min()) if len(rows) else None

    def drop(self, rows: Rows, state: Table) -> Verdicts:
        """END for the rows' conditions, and a fresh start."""
        answer = quiet(rows)
        self._end(rows, np.arange(len(rows)), state["active"][rows], state, answer)
        state.reset(rows)
        return answer

    def numbers(self, row: int, state: Table) -> dict[str, float | str]:
        """Entropy, minutes, and the variability of the last 160 intervals."""
        beats = int(state["beats"][row])
        held = min(beats, SYMBOLS)
        order = np.arange(beats - held, beats) % SYMBOLS
        found = rhythm.variability(state["rr_ms"][row][order].astype(np.float64) / 1000.0)
        lasted_ns = max(0, int(state["last_ns"][row] - state["onset_ns"][row]))
        return {
            "quantity": "rr", "entropy": rounded(float(state["entropy"][row]), 2), "lasted_min": rounded(lasted_ns / 60e9),
            "hr": rounded(found.hr_bpm, 1), "rmssd_ms": rounded(found.rmssd_ms, 1), "sdnn_ms": rounded(found.sdnn_ms, 1),
            "clean_percent": rounded(100.0 * float(state["clean"][row])),
        }  # fmt: skip

    def _anew(self, rows: Rows, state: Table) -> None:
        for name, fill in (("beats", 0), ("span_s", 0.0), ("clean", 1.0), ("above", 0.0)):
            state[name][rows] = fill
        idle = rows[~state["active"][rows]]
        state["since_ns"][idle] = NEVER_NS
        state["below_ns"][rows] = NEVER_NS

    def _end(self, rows: Rows, where: NDArray[np.int64], over: NDArray[np.bool_], state: Table, answer: Verdicts) -> None:
        if not over.any():
            return
        answer.writable()
        at, here = rows[over], where[over]
        answer.change[here] |= END
        answer.ended_key[here], answer.ended_ns[here] = state["onset_key"][at], state["onset_ns"][at]
        state["active"][at] = False
        state["since_ns"][at] = NEVER_NS
        state["above"][at] = 0.0


DETECTORS: tuple[Detector, ...] = (Rhythm(),)
