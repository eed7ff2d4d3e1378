"""Heart rhythm from RR intervals: Zhou's symbolic entropy, quality of the intervals, heart rate variability.

    s = min(floor(HR / 5), 63), HR = 60 / RR      w = s[-2] 2^12 + s[-1] 2^6 + s      of the last N = 127 words, k distinct:
    H = k / (N log2 N) Shannon(w), in bits; irregular as in atrial fibrillation if H > .639

Source: Zhou 2015, PLoS ONE 10:e0136544; the threshold was trained on another data set and is taken as published. Limits: frequent extra
beats look alike (specificity .87 on a set of arrhythmias), flutter with a regular answer looks regular. Variability: Task Force 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
WORDS = 127
THRESHOLD = 0.639
SYMBOLS = 64
LEAST_S, MOST_S = 0.24, 3.0  # 250 to 20 beats a minute: anything else is a missed or an invented beat
BLOCK = 4_096  # windows sorted at a time


@cache
def _shares(size: int) -> F64:
    """What a word that occurs c times of `size` adds to the entropy, -c/N log2(c/N), for c = 0..size."""
    share = np.arange(1, size + 1) / size
    return np.concatenate([[0.0], -share * np.log2(share)])


def symbols(rr_s: F64) -> NDArray[np.int32]:
    """Symbol of each interval int32[n] from RR in s float64[n]."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.floor(60.0 / rr_s / 5.0), SYMBOLS - 1).astype(np.int32)


def words(symbol: NDArray[np.int32]) -> NDArray[np.int32]:
    """Words int32[..., n - 2] of symbols int32[..., n]."""
    return symbol[..., :-2] << 12 | symbol[..., 1:-1] << 6 | symbol[..., 2:]


def entropy(word: NDArray[np.int32]) -> F64:
    """H float64[n] of windows of words int32[n, N], N = 127 in the publication; sorts `word` in place."""
    size = word.shape[1]
    word.sort(axis=1)
    new = np.ones(word.shape, dtype=bool)
    new[:, 1:] = word[:, 1:] != word[:, :-1]
    row, at = np.nonzero(new)
    after = np.append(at[1:], 0)
    last = np.append(row[1:] != row[:-1], True)
    run = np.where(last, size, after) - at
    shannon = np.bincount(row, weights=_shares(size)[run], minlength=len(word))
    return np.asarray(new.sum(axis=1) / (size * np.log2(size)) * shannon)


def entropies(rr_s: F64) -> F64:
    """H of the last 127 words at each beat float64[n], NaN for the first 128, which have no whole window yet."""
    found = np.full(len(rr_s), np.nan)
    if len(rr_s) < WORDS + 2:
        return found
    windows = np.lib.stride_tricks.sliding_window_view(words(symbols(rr_s)), WORDS)
    for at in range(0, len(windows), BLOCK):
        found[WORDS + 1 + at : WORDS + 1 + at + BLOCK] = entropy(np.array(windows[at : at + BLOCK]))
    return found


def centred(causal: F64) -> F64:
    """The same with each window around its beat: what was said 63 beats later; the ends keep the nearest whole window."""
    half = WORDS // 2
    found = np.full(len(causal), np.nan)
    found[: len(causal) - half] = causal[half:]
    known = np.flatnonzero(~np.isnan(found))
    if len(known):
        found[: known[0]], found[known[-1] + 1 :] = found[known[0]], found[known[-1]]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Variability:
    """Of normal intervals: mean heart rate /min, SDNN and RMSSD ms, pNN50 %, how many and which share was usable."""

    hr_bpm: float
    sdnn_ms: float
    rmssd_ms: float
    pnn50: float
    intervals: int
    usable: float


def clean(rr_s: F64) -> NDArray[np.bool_]:
    """Intervals that a heart can make, bool[n]; NaN is none."""
    return np.asarray((rr_s >= LEAST_S) & (rr_s <= MOST_S))


def variability(rr_s: F64) -> Variability:
    """Summary of intervals in s float64[n] in their order; NaN numbers where fewer than two neighbours are usable.

    Differences count only between neighbours that are both usable and differ by at most 20 % (ectopic beats are no variability).
    """
    good = clean(rr_s)
    near = good[1:] & good[:-1] & (np.abs(np.diff(rr_s)) <= 0.2 * rr_s[:-1])
    normal = good.copy()
    normal[1:] &= near | ~good[:-1]
    rr_ms, diff_ms = 1000.0 * rr_s[normal], 1000.0 * np.diff(rr_s)[near]
    few = len(diff_ms) < 2 or len(rr_ms) < 2
    return Variability(
        hr_bpm=float(60_000.0 / rr_ms.mean()) if len(rr_ms) else float("nan"),
        sdnn_ms=float("nan") if few else float(rr_ms.std(ddof=1)),
        rmssd_ms=float("nan") if few else float(np.sqrt((diff_ms * diff_ms).mean())),
        pnn50=float("nan") if few else float(100.0 * (np.abs(diff_ms) > 50.0).mean()),
        intervals=len(rr_ms),
        usable=float(good.mean()) if len(good) else 0.0,
    )
