"""The core of all baselines: two EWMA levels, spread, slope and a two-sided CUSUM per series, float32, for irregular arrivals.

    a  = 1 - exp(-dt/tau)         z = (x - m) / max(sqrt(v), floor)         zc = clip(z, -4, +4)         dc = zc max(sqrt(v), floor)
    m += a dc                     v = (1 - a) (v + a dc^2)                  f += b (x - f),  b = 1 - exp(-dt/tau_fast)
    C+ = max(0, C+ + w (zc - k))  C- = max(0, C- - w (zc + k))              w = 1, or min(dt, span) / span where samples are not independent

Updates are winsorised, so that a fault does not poison the baseline; the floor keeps constant and quantised series from making every step
a wonder. The slope is f - m. The first readings are averaged (a >= 1/(n+1)): an exponential start would stick to the very first value.

A lane is one dense array over the series. A whole tick (every series once, at one time) is done in place on slices with scratch that is
kept; a batch of some series is gathered once, done by the same kernel and scattered once; many values of one series are scanned with plain
numbers, because a numpy call costs as much as twenty of them. Source: reference formulas of EWMA/CUSUM charts; Page 1954; Crowder 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, inf, isfinite
from math import sqrt as root

import numpy as np
from numpy import add, divide, maximum, minimum, multiply, negative, sqrt, subtract
from numpy.typing import NDArray

from analytics.detect.base import ALARM, NO_DATA, OK, WARMING
from analytics.ring import Ring
from analytics.table import Rows
from analytics.windows import NEVER_NS

F32 = NDArray[np.float32]
LANES = 5
LEVEL, FAST, SPREAD2, UP, DOWN = range(LANES)
CLIP = 4.0
BLOCK = 16384  # series per pass of a whole tick: lanes and scratch of a pass stay in the second-level cache
WIDE = 2_048  # from here on a broadcast costs less than reading whole arrays of factors
NS_PER_S = 1e9


class Pass:
    """Lanes float32[5, n] and the kernel's scratch for them, as views that are made once: making views costs as much as using them.

    Bounds are whole arrays, because numpy's minimum and maximum are slow against a single number.
    """

    __slots__ = ("size", "sums", "up", "views")

    def __init__(self, lanes: F32, floor: float | F32) -> None:
        self.size, self.sums = lanes.shape[1], lanes[UP:]
        move = np.empty((LANES, self.size), np.float32)  # what is added to each lane
        self.up = move[UP]
        scale, low = np.empty(self.size, np.float32), np.full(self.size, floor, np.float32)
        top, bottom = np.full(self.size, CLIP, np.float32), np.full(self.size, -CLIP, np.float32)
        own = (lanes, lanes[LEVEL], lanes[FAST], lanes[SPREAD2], self.sums)
        moves = (move, move[LEVEL], move[FAST], move[SPREAD2], move[UP], move[DOWN])
        self.views = (*own, *moves, scale, low, top, bottom, np.zeros((2, self.size), np.float32))


def advance(at: Pass, x: F32, rates: F32, keep: F32, slack: F32) -> None:
    """One finite reading per series, x float32[n]: the lanes move in place; w z (clipped) is left in `at.up`.

    rates float32[5, 1 or n] = (a, b, a (1 - a), w, w); keep = 1 - a and slack = w k are () or (n,).
    """
    lanes, level, fast, spread2, sums, move, off, off_fast, square, z, down, scale, floor, top, bottom, zero = at.views
    subtract(x, level, off)
    subtract(x, fast, off_fast)
    sqrt(spread2, scale)
    maximum(scale, floor, out=scale)
    divide(off, scale, z)
    minimum(z, top, out=z)
    maximum(z, bottom, out=z)
    multiply(z, scale, off)
    multiply(off, off, square)
    negative(z, down)
    multiply(move, rates, move)
    multiply(spread2, keep, spread2)
    add(lanes, move, lanes)
    subtract(sums, slack, sums)
    maximum(sums, zero, out=sums)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one quantity: horizons in s, smallest spread in its unit, CUSUM, and what is needed before a verdict."""

    tau_s: float = 1800.0
    fast_s: float = 300.0
    floor: float = 1.0
    slack: float = 0.5
    height: float = 5.0
    span_s: float = 0.0  # correlation time: readings closer together count for less in CUSUM; 0 = every reading counts in full
    refractory_s: float = 3600.0
    warm_n: int = 8
    stale_s: float = inf  # beyond it a series says nothing

    def factors(self, dt_s: float, learned: int) -> tuple[float, float, float]:
        """(a, b, w) of one reading after dt_s and `learned` readings."""
        least = 1.0 / (learned + 1)
        weight = min(dt_s, self.span_s) / self.span_s if self.span_s > 0 else 1.0
        return max(-expm1(-dt_s / self.tau_s), least), max(-expm1(-dt_s / self.fast_s), least), weight


@dataclass(slots=True, kw_only=True)
class Plan:
    """Factors of one whole tick, see `advance`; `settled` = they hold for every later tick after the same time."""

    dt_ns: int
    count: int
    settled: bool
    rates: F32
    keep: F32
    slack: F32


class Core:
    """All series of one quantity. Rows are 0..series-1; state per series: 5 lanes, count, last time, last alarm, and the ring if wanted."""

    def __init__(self, series: int, settings: Settings, *, ring: bool = False) -> None:
        self.settings = settings
        self.lanes: F32 = np.zeros((LANES, series), np.float32)
        self.ring = Ring(series, settings.floor) if ring else None
        self._count = np.zeros(series, np.int32)
        self._last_ns = np.full(series, NEVER_NS, np.int64)
        self.alarm_ns = np.full(series, NEVER_NS, np.int64)
        self._passes = [Pass(self.lanes[:, at : at + BLOCK], settings.floor) for at in range(0, series, BLOCK)]
        self._even: tuple[int, int] | None = None  # (time, count) of all series after a whole tick: kept as numbers until they differ
        self._plan: Plan | None = None
        self._single = series <= BLOCK
        self._width = min(series, BLOCK)
        self._height = settings.height

    def __len__(self) -> int:
        return int(self.lanes.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes of state, scratch not counted."""
        own = (self.lanes, self._count, self._last_ns, self.alarm_ns)
        return sum(array.nbytes for array in own) + (self.ring.nbytes if self.ring is not None else 0)

    def tick(self, t_ns: int, x: F32) -> Rows:
        """Every series once at t_ns, x float32[series] (NaN = no value): rows whose CUSUM alarmed, int64[m]."""
        parts = [x] if self._single else [x[at : at + BLOCK] for at in range(0, len(x), BLOCK)]
        for part in parts:
            if not isfinite(part.dot(part)):  # a dot product costs a third of a sum, and nothing may be moved by a NaN
                told = np.flatnonzero(np.isfinite(x))
                return np.asarray(told[self.batch(told, np.full(len(told), t_ns), x[told])])
        even = self._even
        if even is None:
            even = self._evens()
            if even is None:
                return self.batch(np.arange(len(x)), np.full(len(x), t_ns), x)
        last_ns, count = even
        if count == 0:
            self.lanes[:2] = x
            last_ns = t_ns
        plan = self._plan
        if plan is None or plan.dt_ns != t_ns - last_ns or (count != plan.count and not plan.settled):
            plan = self._plan = self._planned(t_ns - last_ns, count)
        self._even = (t_ns, count + 1)
        found: list[Rows] = []
        for number, at in enumerate(self._passes):
            advance(at, parts[number], plan.rates, plan.keep, plan.slack)
            if at.sums.item(at.sums.argmax()) > self._height:  # argmax costs a third of max
                over = (at.sums > self._height).any(axis=0)
                found.append(self._alarm(np.flatnonzero(over) + number * BLOCK, t_ns))
        if self.ring is not None:
            self.ring.push_all(x)
        return np.concatenate(found) if found else _NO_ROWS

    def batch(self, rows: Rows, t_ns: NDArray[np.int64], x: F32) -> NDArray[np.int64]:
        """Some series, each at most once: rows int64[n], t_ns int64[n], x finite float32[n]; positions that alarmed, int64[m]."""
        self._spread()
        settings, count = self.settings, self._count[rows]
        dt_s = np.maximum(t_ns - self._last_ns[rows], 0) / np.float32(NS_PER_S)
        lanes = self.lanes[:, rows]
        fresh = count == 0
        if fresh.any():
            lanes[:2, fresh] = x[fresh]
            dt_s[fresh] = 0.0
        least = 1.0 / (count + 1)
        rates = np.ones((LANES, len(rows)), np.float32)
        rates[0] = np.maximum(-np.expm1(-dt_s / settings.tau_s), least)
        rates[1] = np.maximum(-np.expm1(-dt_s / settings.fast_s), least)
        keep = 1 - rates[0]
        multiply(rates[0], keep, rates[2])
        if settings.span_s > 0:
            rates[UP:] = np.minimum(dt_s, settings.span_s) / settings.span_s
        advance(Pass(lanes, settings.floor), x, rates, keep, rates[UP] * np.float32(settings.slack))
        self.lanes[:, rows] = lanes
        self._count[rows] += 1
        self._last_ns[rows] = t_ns
        if self.ring is not None:
            self.ring.push(rows, x)
        over = np.flatnonzero((lanes[UP:] > settings.height).any(axis=0))
        if len(over):
            kept = t_ns[over] - self.alarm_ns[rows[over]] >= settings.refractory_s * NS_PER_S
            self._alarm(rows[over], t_ns[over])
            over = over[kept]
        return over

    def scan(self, row: int, t_ns: NDArray[np.int64], x: F32) -> list[int]:
        """Many values of one series in the order of time, finite float32[n]: positions that alarmed. The same as n batches of one."""
        self._spread()
        settings, one = self.settings, np.float32
        count, last_ns, alarm_ns = int(self._count[row]), int(self._last_ns[row]), int(self.alarm_ns[row])
        m, f, v, up, down = (float(lane) for lane in self.lanes[:, row])
        found: list[int] = []
        for at, (now_ns, value) in enumerate(zip(t_ns.tolist(), x.tolist(), strict=True)):
            if count == 0:
                m = f = value
            a, b, weight = settings.factors(max(now_ns - last_ns, 0) / NS_PER_S if count else 0.0, count)
            scale = max(root(v), settings.floor)
            zc = min(max((value - m) / scale, -CLIP), CLIP)
            dc = zc * scale
            m, f, v = m + a * dc, f + b * (value - f), (1 - a) * (v + a * dc * dc)
            up, down = max(0.0, up + weight * (zc - settings.slack)), max(0.0, down - weight * (zc + settings.slack))
            if up > settings.height or down > settings.height:
                up = down = 0.0
                if now_ns - alarm_ns >= settings.refractory_s * NS_PER_S:
                    found.append(at)
                    alarm_ns = now_ns
            count, last_ns = count + 1, now_ns
        self.lanes[:, row] = one(m), one(f), one(v), one(up), one(down)
        self._count[row], self._last_ns[row], self.alarm_ns[row] = count, last_ns, alarm_ns
        if self.ring is not None:
            self.ring.extend(row, x)
        return found

    def slope(self) -> F32:
        """Fast minus slow level, float32[series], unit of x."""
        return np.asarray(self.lanes[FAST] - self.lanes[LEVEL])

    def verdicts(self, now_ns: int) -> NDArray[np.int8]:
        """int8[series]: NO_DATA never heard or stale, WARMING too few readings, ALARM within the refractory span, else OK."""
        self._spread()
        settings = self.settings
        silent = (self._count == 0) | ((now_ns - self._last_ns) / NS_PER_S > settings.stale_s)
        alarm = (self.alarm_ns != NEVER_NS) & ((now_ns - self.alarm_ns) / NS_PER_S < settings.refractory_s)
        verdict = np.where(alarm, np.int8(ALARM), np.where(self._count < settings.warm_n, np.int8(WARMING), np.int8(OK)))
        return np.where(silent, np.int8(NO_DATA), verdict).astype(np.int8)

    def _planned(self, dt_ns: int, count: int) -> Plan:
        """The kernel's factors: the same for every tick of a steady stream once the start is over."""
        settings = self.settings
        a, b, weight = settings.factors(dt_ns / NS_PER_S, count)
        rates = np.array([[a], [b], [a * (1 - a)], [weight], [weight]], np.float32)
        slowest = -expm1(-dt_ns / NS_PER_S / max(settings.tau_s, settings.fast_s))
        return Plan(
            dt_ns=dt_ns,
            count=count,
            settled=1.0 / (count + 1) <= slowest,
            rates=rates if self._width > WIDE else np.repeat(rates, self._width, axis=1),
            keep=np.array(1 - a, np.float32),
            slack=np.array(weight * settings.slack, np.float32),
        )

    def _alarm(self, rows: Rows, t_ns: int | NDArray[np.int64]) -> Rows:
        """CUSUM begins anew; only what is beyond the refractory span is told."""
        self.lanes[UP:, rows] = 0.0
        kept = np.flatnonzero(t_ns - self.alarm_ns[rows] >= self.settings.refractory_s * NS_PER_S)
        self.alarm_ns[rows[kept]] = t_ns if isinstance(t_ns, int) else t_ns[kept]
        return rows[kept]

    def _evens(self) -> tuple[int, int] | None:
        """The time and count of all series where they are the same; from then on these are plain numbers."""
        if (self._last_ns == self._last_ns[0]).all() and (self._count == self._count[0]).all():
            self._even = (int(self._last_ns[0]), int(self._count[0]))
        return self._even

    def _spread(self) -> None:
        """Write the plain numbers of whole ticks back into the arrays."""
        if self._even is not None:
            self._last_ns[:], self._count[:] = self._even
            self._even = None


_NO_ROWS: Rows = np.empty(0, np.int64)
