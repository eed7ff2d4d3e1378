"""Falls in acceleration at waist or chest: even 25 Hz samples, impact candidates, features without a part for any axis of the sensor.

Candidate: |a| > 1.6 g and the largest within 1 s on both sides. Its window: 2 s before and 3 s after, 126 samples of 40 ms.
No axis has a part of its own: spreads are the largest or the sum over the axes or lie along the movement's own axes, directions count
from gravity before the impact. Position in a recording and its length are no features (they leak the answer).
Sources: reference section 5.4; Sucerquia 2017, Sensors 17:198.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
RATE_HZ = 25
BEFORE, AFTER = 2 * RATE_HZ, 3 * RATE_HZ  # samples around the impact
WINDOW = BEFORE + 1 + AFTER
ALONE = RATE_HZ  # a candidate is the largest within so many samples on both sides
CANDIDATE_G = 1.6
G_MS2 = 9.80665
LOWEST_HZ, HIGHEST_HZ = 20.0, 400.0  # slower sensors miss impacts
GRAIN = 4096.0  # samples are whole numbers of 1/4096 g: sums of them are exact, however a stream was cut

FEATURES = (
    "peak", "min2s", "min1s", "range_largest", "range", "sd_largest", "jerk", "tilt", "after_sd", "fall_integral", "impact_integral",
    "crossings", "crossings_after", "ln_after_sd", "tilt_still", "along1", "extent", "along2", "vector_jerk", "across_max", "down_max",
    "down_min", "second_peak", "near_mean", "near_sd", "across_before", "before_sd", "turn_before", "turn_after", "tilt_at_impact",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evened:
    """25 Hz samples float64[n, m, 3] and what is left over: sum float64[n, 3] of `phase` input samples of the open box."""

    samples: F64
    carry: F64
    phase: float


def even(acc_g: F64, rate_hz: float, carry: F64, phase: float) -> Evened:
    """Mean over boxes of 40 ms of samples float64[n, m, 3] at `rate_hz`, each standing for its whole period; any rate, any cuts."""
    length = rate_hz / RATE_HZ
    count = acc_g.shape[1]
    sums = np.concatenate([np.zeros_like(carry)[:, None], np.cumsum(np.round(acc_g * GRAIN), axis=1)], axis=1)
    full = int(np.floor((phase + count) / length + 1e-9))
    edges = np.minimum(np.arange(1, full + 1) * length - phase, count)
    whole = np.minimum(np.floor(edges + 1e-9).astype(np.int64), count)
    part = np.maximum(edges - whole, 0.0)
    part[part < 1e-9] = 0.0
    step = np.diff(sums, axis=1, append=sums[:, -1:])
    at = sums[:, whole] + part[:, None] * step[:, whole] + carry[:, None]
    boxes = np.diff(at, axis=1, prepend=0.0)
    left = phase + count - full * length
    return Evened(np.round(boxes / length + 1e-6) / GRAIN, sums[:, -1] + carry - (at[:, -1] if full else 0.0), left if left > 1e-9 else 0.0)


def candidates(size_g: NDArray[np.floating], first: int, last: int) -> NDArray[np.int64]:
    """Indices in [first, last) of |a| float[n] (g) that are candidates, as far as the samples on both sides are there."""
    loud = np.flatnonzero(size_g[first:last] > CANDIDATE_G) + first
    found = []
    for at in loud.tolist():
        around = size_g[max(0, at - ALONE) : at + ALONE + 1]
        if int(around.argmax()) == min(at, ALONE):  # the first of equals
            found.append(at)
    return np.array(found, dtype=np.int64)


def features(acc_g: NDArray[np.floating]) -> F64:
    """Features float64[n, 30] (FEATURES) of windows float[n, 126, 3] in g, impact at sample BEFORE."""
    acc = acc_g.astype(np.float64)
    size = np.sqrt((acc * acc).sum(axis=2))
    half = RATE_HZ // 2
    near, around = acc[:, BEFORE - half : BEFORE + half + 1], size[:, BEFORE - half : BEFORE + half + 1]
    reach = near.max(axis=1) - near.min(axis=1)
    before, after = acc[:, : BEFORE - half].mean(axis=1), acc[:, BEFORE + RATE_HZ :].mean(axis=1)
    tilt, after_sd = _angle(before, after), size[:, BEFORE + RATE_HZ :].std(axis=1)
    second = size[:, BEFORE - RATE_HZ : BEFORE]
    return np.column_stack([
        size[:, BEFORE], size[:, :BEFORE].min(axis=1), second.min(axis=1), reach.max(axis=1), np.linalg.norm(reach, axis=1),
        near.std(axis=1).max(axis=1), np.abs(np.diff(around, axis=1)).max(axis=1), tilt, after_sd,
        np.minimum(second - 1.0, 0.0).sum(axis=1) / RATE_HZ,
        np.maximum(size[:, BEFORE - 5 : BEFORE + 8] - 1.0, 0.0).sum(axis=1) / RATE_HZ,
        _crossings(size, 1.5), _crossings(size[:, BEFORE + 17 :], 1.4), np.log(after_sd + 0.01), tilt * np.exp(-2.0 * after_sd),
        *_movement(acc, size, near, around, before),
    ])  # fmt: skip


def _movement(acc: F64, size: F64, near: F64, around: F64, before: F64) -> tuple[F64, ...]:
    """The last 15 features: extents along the movement's own axes, parts along and across gravity before, turns of the body."""
    half = RATE_HZ // 2
    centred = near - near.mean(axis=1, keepdims=True)
    extent = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.transpose(0, 2, 1) @ centred / near.shape[1]), 0.0))
    down = before / np.maximum(np.linalg.norm(before, axis=1, keepdims=True), 1e-6)
    along = (acc * down[:, None]).sum(axis=2)
    across = np.sqrt(np.maximum(size * size - along * along, 0.0))
    span = slice(BEFORE - half, BEFORE + half + 1)
    return (
        extent[:, 2], np.sqrt((extent * extent).sum(axis=1)), extent[:, 1],
        np.sqrt((np.diff(near, axis=1) ** 2).sum(axis=2)).max(axis=1), across[:, span].max(axis=1), along[:, span].max(axis=1),
        along[:, span].min(axis=1), size[:, BEFORE + 8 : BEFORE + 25].max(axis=1), around.mean(axis=1), around.std(axis=1),
        across[:, BEFORE - half : BEFORE].mean(axis=1), size[:, : BEFORE - RATE_HZ].std(axis=1),
        _angle(acc[:, : BEFORE - RATE_HZ].mean(axis=1), acc[:, BEFORE - half : BEFORE].mean(axis=1)),
        _angle(acc[:, BEFORE : BEFORE + half].mean(axis=1), acc[:, BEFORE + RATE_HZ :].mean(axis=1)),
        _angle(acc[:, BEFORE - 5 : BEFORE + 6].mean(axis=1), down),
    )  # fmt: skip


def _angle(a: F64, b: F64) -> F64:
    """Angle in rad between vectors float64[n, 3]."""
    size = np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-6)
    return np.asarray(np.arccos(np.clip((a * b).sum(axis=1) / size, -1.0, 1.0)))


def _crossings(size: F64, level_g: float) -> F64:
    above = size > level_g
    return np.asarray((above[:, 1:] & ~above[:, :-1]).sum(axis=1), dtype=np.float64)
