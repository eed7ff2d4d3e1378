"""Falls from raw acceleration at waist or chest, one row per wearer: said 3 s after the impact, worse if there is no recovery.

Samples of any rate of 20 Hz and more become 25 Hz (analytics/falls.py). An impact candidate is judged once its 3 s after are there, by a
logistic model with products (analytics/fitted/fall.json). Then the wearer is watched: 5 s of walking about, or of being upright as
before, are a recovery and end the watch; none within `confirm_s`, or a stream that stops, makes it worse. "I'm OK" ends the watch too.
After a gap the first 2 s are WARMING: nothing is judged without what came before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics import falls
from analytics.detect.base import ALARM, END, OK, START, UPDATE, WARMING, rounded
from analytics.falls import AFTER, BEFORE, RATE_HZ, WINDOW
from analytics.fitted import products
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

RING = 160  # samples kept: a window, and a second that came at once
TURN = RATE_HZ  # samples taken in one go
NS_PER_SAMPLE = 1_000_000_000 // RATE_HZ
CONFIRM_S = 45.0
SILENT_NS = round((CONFIRM_S + 15.0) * 1e9)  # a sensor that sends once in a while is waited for
SETTLE_S = 5.0  # after the impact; what happens in it is the fall
RECOVERED_S = 5  # seconds of being up that end the watch
UPRIGHT_RAD = 0.7
MOVING_G = 0.1
REFRACTORY_S = 10.0  # further impacts belong to the same fall
QUIET, WATCHED, HELPLESS, SILENT, OVER, FINE = range(6)  # OVER: recovered, FINE: "I'm OK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What became evident for a row: change START, UPDATE or END, and since when (impact)."""

    row: int
    change: int
    key: int
    t_ns: int
    onset_key: int
    onset_ns: int


class Falls:
    """`push` takes samples of several wearers at once, `tick` lets time pass; memory in a Table with `columns`."""

    rule = "fall"
    version = 1
    columns: ClassVar[Mapping[str, Column]] = {
        "ring": Column("<f4", 0.0, RING * 3),
        "count": Column("<i8"),  # 25 Hz samples since the last gap
        "carry": Column("<f8", 0.0, 3),
        "phase": Column("<f8"),
        "rate_hz": Column("<f8"),
        "loud": Column("<i8", -(2**40)),  # last sample beyond the candidates' level
        "end_ns": Column("<i8", NEVER_NS),
        "state": Column("|i1"),
        "onset_key": Column("<i8"),
        "onset_ns": Column("<i8", NEVER_NS),
        "impact": Column("<i8"),  # index of the sample; negative after a gap
        "upright": Column("<f4", 0.0, 3),  # direction of gravity before the fall
        "up_s": Column("|i1"),
        "peak_g": Column("<f4"),
        "tilt": Column("<f4"),
        "logit": Column("<f4"),
        "origin": Column("|u1"),
    }  # fmt: skip

    def __init__(self, model: products.Products | None = None) -> None:
        self.model = products.load("fall") if model is None else model

    def restart(self, rows: Rows, state: Table) -> None:
        """What comes next does not follow on what was there; a fall that is being watched stays so."""
        for name in ("count", "carry", "phase"):
            state[name][rows] = 0
        state["loud"][rows] = self.columns["loud"].fill
        state["impact"][rows] = -(2**40)

    def push(
        self, rows: Rows, acc_g: NDArray[np.float64], rate_hz: float, end_ns: NDArray[np.int64], key: NDArray[np.int64], state: Table
    ) -> tuple[NDArray[np.int8], list[Transition]]:
        """Samples float64[n, m, 3] (g) of rows int64[n] (unique) that end at end_ns int64[n]: verdicts int8[n] and transitions."""
        other = state["rate_hz"][rows] != rate_hz
        if other.any():
            self.restart(rows[other], state)
            state["rate_hz"][rows[other]] = rate_hz
        found: list[Transition] = []
        state["end_ns"][rows] = end_ns
        phases = state["phase"][rows]
        for phase in np.unique(phases):
            group = np.flatnonzero(phases == phase)
            mine = rows[group]
            evened = falls.even(acc_g[group], rate_hz, state["carry"][mine], float(phase))
            state["carry"][mine], state["phase"][mine] = evened.carry, evened.phase
            count = evened.samples.shape[1]
            full_ns = end_ns[group] - round(evened.phase / rate_hz * 1e9)  # end of the last whole box
            for at in range(0, count, TURN):
                part = evened.samples[:, at : at + TURN].astype(np.float32)
                part_ns = full_ns - (count - at - part.shape[1]) * NS_PER_SAMPLE
                found += self._take(mine, part, part_ns, key[group], state)
        held = state["state"][rows]
        verdict = np.where((held == WATCHED) | (held == HELPLESS) | (held == SILENT), np.int8(ALARM), np.int8(OK))
        return np.where(state["count"][rows] < WINDOW, np.where(verdict == ALARM, verdict, np.int8(WARMING)), verdict), found

    def tick(self, now_ns: int, key: int, rows: int, state: Table) -> list[Transition]:
        """Falls whose stream stopped before anybody got up."""
        watched = np.flatnonzero(state["state"][:rows] == WATCHED)
        late = watched[now_ns - state["onset_ns"][watched] >= SILENT_NS]
        state["state"][late] = SILENT
        return [self._said(int(row), UPDATE, key, now_ns, state) for row in late]

    def due_ns(self, rows: int, state: Table) -> int | None:
        """Earliest time at which `tick` could say something."""
        watched = np.flatnonzero(state["state"][:rows] == WATCHED)
        return int(state["onset_ns"][watched].min()) + SILENT_NS if len(watched) else None

    def cancel(self, row: int, key: int, t_ns: int, within_s: float, state: Table) -> Transition | None:
        """The wearer says OK: an UPDATE of a recent fall, which is not watched any longer."""
        if state["state"][row] not in (WATCHED, HELPLESS, SILENT, OVER) or t_ns - state["onset_ns"][row] > within_s * 1e9:
            return None
        state["state"][row] = FINE
        return self._said(row, UPDATE, key, t_ns, state)

    def numbers(self, row: int, state: Table) -> dict[str, float]:
        """Peak in g, turn of the body in degrees and probability in % of the row's last fall."""
        chance = 1.0 / (1.0 + np.exp(-float(state["logit"][row])))
        tilt = rounded(float(np.degrees(state["tilt"][row])))
        return {"peak_g": rounded(float(state["peak_g"][row]), 1), "tilt_deg": tilt, "percent": rounded(100 * float(chance))}

    def trace(self, row: int, state: Table) -> dict[str, list[float]]:
        """|a| in g of the window about a fall that was just said, every 0.12 s, ms from the impact."""
        size = np.sqrt((self._tail(np.array([row]), state).astype(np.float64) ** 2).sum(axis=2))[0]
        at = int(state["impact"][row] - (state["count"][row] - RING))
        if not BEFORE <= at <= RING:
            return {}
        index = np.arange(at - 48, min(at + AFTER, RING - 1) + 1, 3)
        return {"t_ms": [int(one) for one in (index - at) * (1000 // RATE_HZ)], "value": [round(float(one), 2) for one in size[index]]}

    # --- one second or less of some rows ------------------------------------------------------------------------------

    def _take(
        self, rows: Rows, part: NDArray[np.float32], end_ns: NDArray[np.int64], key: NDArray[np.int64], state: Table
    ) -> list[Transition]:
        count, size = state["count"][rows], part.shape[1]
        slots = (count[:, None] + np.arange(size)) % RING
        state["ring"].reshape(-1, RING, 3)[rows[:, None], slots] = part
        loud = np.einsum("nmk,nmk->nm", part, part) > falls.CANDIDATE_G**2
        any_loud = loud.any(axis=1)
        if any_loud.any():
            last = count + size - 1 - loud[:, ::-1].argmax(axis=1)
            state["loud"][rows[any_loud]] = last[any_loud]
        state["count"][rows] = count + size
        found: list[Transition] = []
        due = np.flatnonzero((state["loud"][rows] >= count - AFTER) & (count + size >= WINDOW))
        if len(due):
            found += self._judge(rows[due], size, end_ns[due], key[due], state)
        watched = np.flatnonzero(state["state"][rows] == WATCHED)
        for at in watched.tolist():
            found += self._watch(int(rows[at]), size, int(end_ns[at]), int(key[at]), state)
        return found

    def _judge(
        self, rows: Rows, size: int, end_ns: NDArray[np.int64], key: NDArray[np.int64], state: Table
    ) -> list[Transition]:
        """Candidates whose 3 s after became complete with the last `size` samples."""
        tails = self._tail(rows, state)
        sizes = np.sqrt((tails * tails).sum(axis=2))
        windows, whose, where = [], [], []
        for number, row in enumerate(rows.tolist()):
            oldest = max(RING - AFTER - size, RING - int(state["count"][row]) + BEFORE)
            for at in falls.candidates(sizes[number], oldest, RING - AFTER).tolist():
                windows.append(tails[number, at - BEFORE : at + AFTER + 1])
                whose.append(number)
                where.append(at)
        found: list[Transition] = []
        if not windows:
            return found
        x = falls.features(np.array(windows))
        logit = self.model.logit(x)
        for number, at, one, drawn, window in zip(whose, where, logit.tolist(), x, windows, strict=True):
            row = int(rows[number])
            impact_ns = int(end_ns[number]) - (RING - 1 - at) * NS_PER_SAMPLE
            if one < self.model.threshold or impact_ns - state["onset_ns"][row] < REFRACTORY_S * 1e9:
                continue
            if state["state"][row] in (WATCHED, HELPLESS, SILENT):
                found.append(self._said(row, END, int(key[number]), int(end_ns[number]), state))
            state["state"][row], state["up_s"][row] = WATCHED, 0
            state["impact"][row] = state["count"][row] - (RING - at)
            state["onset_key"][row], state["onset_ns"][row] = key[number], impact_ns
            state["upright"][row] = window[: BEFORE - RATE_HZ // 2].mean(axis=0)
            state["peak_g"][row], state["tilt"][row], state["logit"][row] = drawn[0], drawn[7], one
            found.append(self._said(row, START, int(key[number]), int(end_ns[number]), state))
        return found

    def _watch(self, row: int, size: int, end_ns: int, key: int, state: Table) -> list[Transition]:
        """Look at each whole second after the fall whether the wearer is up again."""
        count = int(state["count"][row])
        for second in range((count - size) // RATE_HZ + 1, count // RATE_HZ + 1):
            first = second * RATE_HZ - RATE_HZ
            t_ns = end_ns - (count - second * RATE_HZ) * NS_PER_SAMPLE
            if t_ns - state["onset_ns"][row] < (SETTLE_S + 1.0) * 1e9:
                continue
            slots = np.arange(first, first + RATE_HZ) % RING
            acc = state["ring"][row].reshape(RING, 3)[slots].astype(np.float64)
            moving = np.sqrt((acc * acc).sum(axis=1)).std() > MOVING_G
            # who was lying before, or sank down upright, shows nothing by being so again
            turned = state["tilt"][row] > UPRIGHT_RAD
            upright = turned and _turn(acc.mean(axis=0), state["upright"][row]) < UPRIGHT_RAD
            state["up_s"][row] = min(int(state["up_s"][row]) + 1, 100) if moving or upright else 0
            if state["up_s"][row] >= RECOVERED_S:
                state["state"][row] = OVER
                return [self._said(row, END, key, t_ns, state)]
            if t_ns - state["onset_ns"][row] >= CONFIRM_S * 1e9:
                state["state"][row] = HELPLESS
                return [self._said(row, UPDATE, key, t_ns, state)]
        return []

    def _tail(self, rows: Rows, state: Table) -> NDArray[np.float32]:
        """The last RING samples float32[n, RING, 3], oldest first."""
        slots = (state["count"][rows][:, None] + np.arange(RING)) % RING
        return np.asarray(state["ring"].reshape(-1, RING, 3)[rows[:, None], slots])

    def _said(self, row: int, change: int, key: int, t_ns: int, state: Table) -> Transition:
        onset_key, onset_ns = int(state["onset_key"][row]), int(state["onset_ns"][row])
        return Transition(row=row, change=change, key=key, t_ns=t_ns, onset_key=onset_key, onset_ns=onset_ns)


def _turn(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Angle between two vectors in rad."""
    size = max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-6)
    return float(np.arccos(np.clip(float(a @ b) / size, -1.0, 1.0)))
