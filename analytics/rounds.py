"""Several readings of one series in one batch become rounds: each series at most once per round, in the order given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 128  # up to here a set of plain numbers is faster than arrays


def last_of(series: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the last entry of each series, int64[max + 1]; what does not occur holds nonsense. series int64[n] >= 0, n > 0."""
    last = np.empty(int(series.max()) + 1, dtype=np.int64)
    last[series] = np.arange(len(series), dtype=np.int64)
    return last


def first_of(series: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the first entry of each series, as `last_of`."""
    return len(series) - 1 - last_of(series[::-1])


def split(series: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions of round 0, 1, ...: round k holds the k-th reading of every series; positions ascend within a round.

    series int64[n] -> list of int64[m_k], sum of m_k = n.
    """
    count = len(series)
    if count == 0:
        return []
    position = np.arange(count, dtype=np.int64)
    if count <= SMALL and len(set(series.tolist())) == count:
        return [position]
    if (last_of(series)[series] == position).all():  # the usual batch: every series once, and no need to sort
        return [position]
    order = np.argsort(series, kind="stable")
    ordered = series[order]
    fresh = np.empty(count, dtype=bool)
    fresh[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    rank_ordered = position - np.maximum.accumulate(np.where(fresh, position, 0))
    rank = np.empty(count, dtype=np.int64)
    rank[order] = rank_ordered
    by_rank = np.argsort(rank, kind="stable").astype(np.int64)
    edges = np.cumsum(np.bincount(rank))[:-1]
    return list(np.split(by_rank, edges))
