"""The one condition state machine of all signals: OK -> PENDING -> ACTIVE -> CLEARING -> OK, vectorised over rows.

PENDING becomes ACTIVE after `t_on_ns` of unbroken badness, or when the area beyond the limit exceeds `area`, or at `need` bad
readings of the last three where `need` > 1 (then time does not count), or at once at an extreme value. ACTIVE becomes CLEARING at a
safe value (beyond the hysteresis) and OK after `t_off_ns` of safe values. A value stands until the next one, but at most `hold_ns`:
what happens after that is unknown, so nothing starts and nothing ends by the passing of unknown time. A step first lets the time pass
that lies between the two readings and then takes the new one; therefore it does not matter how often `tick` was called in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import END, START, UNKNOWN, UPDATE, unchanged, unknown
from analytics.table import Column, Rows, Table
from analytics.windows import NEVER_NS

NS_PER_S = 1e9
_THREE = 0b111


class State(IntEnum):
    """States of a condition."""

    OK = 0
    PENDING = 1
    ACTIVE = 2
    CLEARING = 3


OK, PENDING, ACTIVE, CLEARING = (int(state) for state in State)

COLUMNS = {
    "state": Column("|i1"),
    "since_ns": Column("<i8", NEVER_NS),  # start of PENDING or CLEARING
    "onset_key": Column("<i8", UNKNOWN),
    "onset_ns": Column("<i8", UNKNOWN),
    "last_ns": Column("<i8", NEVER_NS),  # last reading that counted
    "depth": Column("<f8"),  # how far beyond the limit the last reading was
    "area": Column("<f8"),  # integral of depth since the onset, unit x s
    "worst": Column("<f8"),  # largest depth since the onset
    "recent": Column("|u1"),  # the last three readings as bits, 1 = bad
    "extreme": Column("|u1"),  # an extreme value was seen since the onset
    "origin": Column("|u1"),  # largest origin since the onset
}


@dataclass(slots=True, kw_only=True)
class Input:
    """What the rule makes of one reading per row; all of length n."""

    key: NDArray[np.int64]
    t_ns: NDArray[np.int64]
    bad: NDArray[np.bool_]
    extreme: NDArray[np.bool_]
    safe: NDArray[np.bool_]
    depth: NDArray[np.float64]  # >= 0
    origin: NDArray[np.uint8]


@dataclass(slots=True, kw_only=True)
class Timing:
    """Settings of the rows; all of length n."""

    t_on_ns: NDArray[np.int64]
    t_off_ns: NDArray[np.int64]
    hold_ns: NDArray[np.int64]
    area: NDArray[np.float64]  # inf = the integral does not count
    need: NDArray[np.int64]  # bad readings of the last three; 1 = time decides


@dataclass(slots=True, kw_only=True)
class Changes:
    """Transitions per row, as in detect.base.Verdicts."""

    change: NDArray[np.uint8]
    onset_key: NDArray[np.int64]
    onset_ns: NDArray[np.int64]
    ended_key: NDArray[np.int64]
    ended_ns: NDArray[np.int64]

    @classmethod
    def idle(cls, count: int) -> Changes:
        """No transition for any of `count` rows, in shared read-only arrays."""
        nothing = unknown(count)
        return cls(change=unchanged(count), onset_key=nothing, onset_ns=nothing, ended_key=nothing, ended_ns=nothing)

    @classmethod
    def none(cls, count: int) -> Changes:
        """No transition yet for any of `count` rows."""
        return cls(
            change=np.zeros(count, dtype=np.uint8),
            onset_key=np.full(count, UNKNOWN, dtype=np.int64),
            onset_ns=np.full(count, UNKNOWN, dtype=np.int64),
            ended_key=np.full(count, UNKNOWN, dtype=np.int64),
            ended_ns=np.full(count, UNKNOWN, dtype=np.int64),
        )

    def start(self, at: NDArray[np.bool_], table: Table, rows: Rows) -> None:
        """Mark a start where `at`."""
        self.change[at] |= START
        self.onset_key[at] = table["onset_key"][rows[at]]
        self.onset_ns[at] = table["onset_ns"][rows[at]]

    def update(self, at: NDArray[np.bool_], table: Table, rows: Rows) -> None:
        """Mark a turn for the worse where `at`."""
        self.change[at] |= UPDATE
        self.onset_key[at] = table["onset_key"][rows[at]]
        self.onset_ns[at] = table["onset_ns"][rows[at]]

    def end(self, at: NDArray[np.bool_], table: Table, rows: Rows) -> None:
        """Mark an end where `at`."""
        self.change[at] |= END
        self.ended_key[at] = table["onset_key"][rows[at]]
        self.ended_ns[at] = table["onset_ns"][rows[at]]


def busy(table: Table, rows: Rows, bad: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions of the readings that have anything to do with a condition: all others need no step, and nearly all are others."""
    found: NDArray[np.int64] = (bad | (table["state"][rows] != OK) | (table["recent"][rows] != 0)).nonzero()[0]
    return found


def step(table: Table, rows: Rows, seen: Input, timing: Timing) -> Changes:
    """Take one reading per row (rows int64[n], unique; those that are not `busy` may be left out): transitions in the same order."""
    changes = Changes.none(len(rows))
    _advance(table, rows, seen.t_ns, timing, changes)
    _take(table, rows, seen, timing, changes)
    table["last_ns"][rows] = seen.t_ns
    table["depth"][rows] = seen.depth
    return changes


def tick(table: Table, rows: Rows, now_ns: int, timing: Timing) -> Changes:
    """Let time pass for rows; nothing but transitions changes, so that the result does not depend on how often this is called."""
    changes = Changes.none(len(rows))
    _advance(table, rows, np.full(len(rows), now_ns, dtype=np.int64), timing, changes)
    return changes


def waiting(table: Table, rows: int) -> Rows:
    """Rows whose condition can change by time alone: int64[m]."""
    state = table["state"][:rows]
    found: Rows = ((state == PENDING) | (state == CLEARING)).nonzero()[0]
    return found


def due_ns(table: Table, rows: Rows, now_ns: int, timing: Timing) -> int | None:
    """When, after now, the first of the waiting rows could move by time alone; None if none can."""
    state, last_ns = table["state"][rows], table["last_ns"][rows]
    pending = (state == PENDING) & (timing.need <= 1)
    on_ns = table["since_ns"][rows] + timing.t_on_ns
    left_s = np.full(len(rows), np.inf)
    grows = table["depth"][rows] > 0
    left_s[grows] = (timing.area - table["area"][rows])[grows] / table["depth"][rows][grows]
    area_ns = last_ns + (np.clip(left_s, 0.0, 1e9) * NS_PER_S).astype(np.int64) + 1
    ends = np.where(pending, np.minimum(on_ns, area_ns), table["since_ns"][rows] + timing.t_off_ns)
    can = (pending | (state == CLEARING)) & (ends <= last_ns + timing.hold_ns) & (ends > now_ns)
    return int(ends[can].min()) if can.any() else None


def drop(table: Table, rows: Rows) -> Changes:
    """Forget the conditions of rows; END for those that had started."""
    changes = Changes.none(len(rows))
    state = table["state"][rows]
    changes.end((state == ACTIVE) | (state == CLEARING), table, rows)
    table.reset(rows)
    return changes


def _advance(table: Table, rows: Rows, t_ns: NDArray[np.int64], timing: Timing, changes: Changes) -> None:
    """Let the time up to t_ns pass with the last value standing."""
    state = table["state"][rows]
    last_ns = table["last_ns"][rows]
    until_ns = np.minimum(t_ns, last_ns + timing.hold_ns)
    waited_ns = until_ns - table["since_ns"][rows]
    area = table["area"][rows] + table["depth"][rows] * np.maximum(until_ns - last_ns, 0) / NS_PER_S
    pending = (state == PENDING) & (timing.need <= 1)
    begins = pending & ((waited_ns >= timing.t_on_ns) | (area > timing.area))
    if begins.any():
        table["state"][rows[begins]] = ACTIVE
        changes.start(begins, table, rows)
    over = (state == CLEARING) & (waited_ns >= timing.t_off_ns)
    if over.any():
        changes.end(over, table, rows)
        _close(table, rows[over])


def _take(table: Table, rows: Rows, seen: Input, timing: Timing, changes: Changes) -> None:
    """Apply the new reading after time has passed."""
    gap_ns = seen.t_ns - table["last_ns"][rows]  # of no meaning, and not used, where nothing is under way
    dt_ns = np.clip(gap_ns, 0, timing.hold_ns)
    table["since_ns"][rows] += gap_ns.clip(min=0) - dt_ns  # time of which nothing is known counts for nothing
    recent = ((table["recent"][rows].astype(np.int64) << 1) | seen.bad) & _THREE
    table["recent"][rows] = recent
    state = table["state"][rows]

    cancelled = (state == PENDING) & ~seen.bad & ((timing.need <= 1) | (recent == 0))
    _close(table, rows[cancelled], keep_recent=True)
    fresh = (state == OK) & seen.bad
    _open(table, rows[fresh], seen, fresh)
    state = table["state"][rows]

    under_way = (state != OK) & ~fresh
    table["area"][rows[under_way]] += (table["depth"][rows] * dt_ns / NS_PER_S)[under_way]
    table["origin"][rows] = np.where(state != OK, np.maximum(table["origin"][rows], seen.origin), table["origin"][rows])
    table["worst"][rows] = np.where(state != OK, np.maximum(table["worst"][rows], seen.depth), 0.0)

    at_once = np.where(timing.need > 1, _ones(recent) >= timing.need, timing.t_on_ns <= 0)
    begins = (state == PENDING) & seen.bad & (seen.extreme | at_once | (table["area"][rows] > timing.area))
    table["state"][rows[begins]] = ACTIVE
    changes.start(begins, table, rows)
    relapses = (state == CLEARING) & ~seen.safe
    table["state"][rows[relapses]] = ACTIVE

    state = table["state"][rows]
    worse = seen.extreme & (table["extreme"][rows] == 0) & (state != OK)
    table["extreme"][rows[worse]] = 1
    changes.update(worse & ~begins & (state == ACTIVE), table, rows)
    _leave(table, rows, seen, timing, changes)


def _leave(table: Table, rows: Rows, seen: Input, timing: Timing, changes: Changes) -> None:
    """ACTIVE at a safe value begins to clear; without an off-delay it is over at once."""
    leaving = (table["state"][rows] == ACTIVE) & seen.safe
    if not leaving.any():
        return
    now = leaving & (timing.t_off_ns <= 0)
    table["state"][rows[leaving]] = CLEARING
    table["since_ns"][rows[leaving]] = seen.t_ns[leaving]
    changes.end(now, table, rows)
    _close(table, rows[now], keep_recent=True)


def _open(table: Table, rows: Rows, seen: Input, at: NDArray[np.bool_]) -> None:
    table["state"][rows] = PENDING
    table["since_ns"][rows] = seen.t_ns[at]
    table["onset_key"][rows] = seen.key[at]
    table["onset_ns"][rows] = seen.t_ns[at]
    table["area"][rows] = 0.0
    table["worst"][rows] = 0.0
    table["extreme"][rows] = 0
    table["origin"][rows] = 0


def _close(table: Table, rows: Rows, *, keep_recent: bool = False) -> None:
    table["state"][rows] = OK
    table["since_ns"][rows] = NEVER_NS
    table["area"][rows] = 0.0
    table["worst"][rows] = 0.0
    table["extreme"][rows] = 0
    table["origin"][rows] = 0
    if not keep_recent:
        table["recent"][rows] = 0


def _ones(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray((bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1))
