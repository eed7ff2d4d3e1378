"""Several readings of one series in one batch become rounds: each series at most once per round, in the order given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def split(series: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Positions of round 0, 1, ...: round k holds the k-th reading of every series; positions ascend within a round.

    series int64[n] -> list of int64[m_k], sum of m_k = n.
    """
    count = len(series)
    if count == 0:
        return []
    order = np.argsort(series, kind="stable")
    ordered = series[order]
    fresh = np.empty(count, dtype=bool)
    fresh[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    if fresh.all():
        return [np.arange(count, dtype=np.int64)]
    position = np.arange(count, dtype=np.int64)
    rank_ordered = position - np.maximum.accumulate(np.where(fresh, position, 0))
    rank = np.empty(count, dtype=np.int64)
    rank[order] = rank_ordered
    by_rank = np.argsort(rank, kind="stable").astype(np.int64)
    edges = np.cumsum(np.bincount(rank))[:-1]
    return list(np.split(by_rank, edges))
