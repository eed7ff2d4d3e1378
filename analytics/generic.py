"""Any series of any device: five causal features, each calibrated by its own tail, summed; only a new maximum within a span is told.

    z      = |x - mean| / sd over the last 6,400 points, renewed every 100, at most 50
    level, season, mean20, spread20 = z of x, of x - mean of its hour of the day, of the 20-point mean, of ln of the 20-point sd
    shape  = distance of the last 10 points to the nearest earlier 10 among the last 4,000, over the sd of x, at most 20
    tail:    u = running 98 % quantile (by steps), e = mean excess over it; -log10 p = 1.7 + (s - u) / (e ln 10) above u, at most 6, else 0

One feature alone is bounded, so that it takes two to be sure. A batch form over one series: a value depends on nothing after it. The
threshold on the sum is fitted (analytics/fitted/generic.json). Source: reference section 5.5.
"""

from __future__ import annotations

from collections import deque
from math import log

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
FEATURES = ("level", "season", "mean20", "spread20", "shape")
WINDOW, RENEW, CAP = 6_400, 100, 50.0
SHAPE, HISTORY, SHAPE_CAP = 10, 4_000, 20.0
SHORT = 20
RARE = 0.02  # the tail that is calibrated
DAY_S = 86_400.0
MOST = 6.0  # of one feature
REFRACTORY = 500  # points
_RARE_LOG = 1.7  # -log10 of RARE


def gaussian(x: F64, window: int = WINDOW, renew: int = RENEW) -> tuple[F64, F64]:
    """Mean and sd float64[n] of the points before each one, at most `window`, as of the last renewal; NaN before there are two."""
    at = np.arange(len(x))
    end = np.where(at < window, at, at // renew * renew)  # a short history is renewed with every point
    begin = np.maximum(end - window, 0)
    centre = float(x[0]) if len(x) else 0.0  # keeps the sums of squares small
    sums = np.concatenate([[0.0], np.cumsum(x - centre)])
    squares = np.concatenate([[0.0], np.cumsum((x - centre) ** 2)])
    count = np.maximum(end - begin, 1)
    mean = (sums[end] - sums[begin]) / count
    spread = np.sqrt(np.maximum((squares[end] - squares[begin]) / count - mean * mean, 0.0))
    few = end - begin < 2
    return np.where(few, np.nan, mean + centre), np.where(few, np.nan, spread)


def z(x: F64) -> F64:
    """|x - mean| / sd float64[n], at most CAP; 0 while nothing is known; the sd has a floor, so that constant series do not explode."""
    mean, spread = gaussian(x)
    floor = 1e-6 * np.maximum(1.0, np.abs(np.where(np.isnan(mean), 0.0, mean)))
    return np.where(np.isnan(mean), 0.0, np.minimum(np.abs(x - mean) / np.maximum(spread, floor), CAP))


def residual(t_s: F64, x: F64, alpha: float = 0.1) -> F64:
    """x minus the smoothed mean of its hour of the day, as known before the point float64[n]; 0 for the first of an hour."""
    hour = (t_s % DAY_S // 3600.0).astype(np.int64)
    means = [float("nan")] * 24
    found = np.zeros(len(x))
    for at, (slot, value) in enumerate(zip(hour.tolist(), x.tolist(), strict=True)):
        known = means[slot]
        if known != known:
            means[slot] = value
        else:
            found[at] = value - known
            means[slot] = known + alpha * (value - known)
    return found


def shape(x: F64) -> F64:
    """Distance of the last SHAPE points to the nearest earlier window float64[n], over the sd; 0 until two do not overlap."""
    found = np.zeros(len(x))
    if len(x) < 2 * SHAPE:
        return found
    _, spread = gaussian(x)
    windows = np.lib.stride_tricks.sliding_window_view(x - float(x[0]), SHAPE)  # distances do not know the level
    norm = (windows * windows).sum(axis=1)
    last = np.arange(2 * SHAPE - 1, len(x))  # a window ends here
    for block in range(0, len(last), 256):
        ends = last[block : block + 256]
        mine = ends - SHAPE + 1
        low, high = max(0, int(mine[0]) - HISTORY), int(mine[-1]) - SHAPE + 1
        square = norm[mine][:, None] + norm[None, low:high] - 2.0 * windows[mine] @ windows[low:high].T
        other = np.arange(low, high)
        square[(other[None] > mine[:, None] - SHAPE) | (other[None] < mine[:, None] - HISTORY)] = np.inf
        nearest = np.sqrt(np.maximum(square.min(axis=1), 0.0))
        found[ends] = np.minimum(nearest / np.maximum(spread[ends], 1e-9), SHAPE_CAP)
    return found


def short(x: F64) -> tuple[F64, F64]:
    """Mean and ln of the sd of the last SHORT points float64[n] (fewer at the start)."""
    end = np.arange(1, len(x) + 1)
    begin = np.maximum(end - SHORT, 0)
    centre = float(x[0]) if len(x) else 0.0
    sums = np.concatenate([[0.0], np.cumsum(x - centre)])
    squares = np.concatenate([[0.0], np.cumsum((x - centre) ** 2)])
    mean = (sums[end] - sums[begin]) / (end - begin)
    spread = np.sqrt(np.maximum((squares[end] - squares[begin]) / (end - begin) - mean * mean, 0.0))
    return mean + centre, np.log(spread + 1e-3 * np.maximum(1e-3, np.abs(centre)))


def tail(score: F64) -> F64:
    """-log10 of the chance of a score this large float64[n], by what the series showed before."""
    found = np.zeros(len(score))
    level, excess, scale = 0.0, 0.0, 0.0
    for at, value in enumerate(score.tolist()):
        over = value - level
        if over > 0 and at:
            found[at] = _RARE_LOG + over / (max(excess, 1e-3) * log(10.0))
            excess += (over - excess) * 0.05 if excess else over
        # the quantile moves by a share of the usual size; quickly at first
        scale += (abs(value) - scale) / min(at + 1, 1_000)
        step = max(scale, 1e-6) * max(1.0 / (at + 1), 0.002) * 5.0
        level = max(level + step * ((1.0 - RARE) if over > 0 else -RARE), 0.0)  # scores are sizes: nothing is no surprise
    return found


def features(t_s: F64, x: F64) -> F64:
    """Features float64[n, 5] (FEATURES) of a series: times in s (local) and values, both float64[n]."""
    mean20, spread20 = short(x)
    return np.column_stack([
        z(x), z(residual(t_s, x)), z(mean20), z(spread20), shape(x),
    ])  # fmt: skip


def surprise(t_s: F64, x: F64) -> F64:
    """Sum of the calibrated tails float64[n]."""
    return np.asarray(np.sum([np.minimum(tail(column), MOST) for column in features(t_s, x).T], axis=0))


def alarms(t_s: F64, x: F64, threshold: float) -> NDArray[np.int64]:
    """Points that alarm int64[m]."""
    return np.flatnonzero(new_maximum(surprise(t_s, x)) >= threshold)


def new_maximum(score: F64, span: int = REFRACTORY) -> F64:
    """The score where it is larger than everything in the `span` points before, else 0, float64[n]."""
    found = np.zeros(len(score))
    peak: deque[tuple[int, float]] = deque(maxlen=span + 1)  # falling maxima of the span
    for at, value in enumerate(score.tolist()):
        while peak and peak[0][0] < at - span:
            peak.popleft()
        if not peak or value > peak[0][1]:
            found[at] = value
        while peak and peak[-1][1] <= value:
            peak.pop()
        peak.append((at, value))
    return found
