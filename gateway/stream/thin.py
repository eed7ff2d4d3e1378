"""A bound on what one message can cost: thousands of values of one series are judged by the extremes of short stretches.

Readings of a series are judged one after the other, so that a message with thousands of timely ones would cost a round each. No vital sign
is that fast. Beyond MOST values of a series in one frame, its values in the order of time are cut into MOST / 2 stretches of equal count,
and the least and the greatest of each are judged: nothing that is beyond a limit is missed. A frame is never split between blocks, so that
the result does not depend on the blocks. History keeps all values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 256


def thinned(frame: NDArray[np.int32], rows: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions that are judged, ascending: frame and rows of n readings in the order of judgement, value float64[n] (NaN is kept)."""
    order = np.lexsort((np.arange(len(rows)), rows, frame))
    edges = np.flatnonzero((np.diff(frame[order]) != 0) | (np.diff(rows[order]) != 0)) + 1
    kept: list[NDArray[np.int64]] = []
    for group in np.split(order, edges):
        if len(group) <= MOST:
            kept.append(group)
            continue
        for part in np.array_split(group, MOST // 2):
            told = part[~np.isnan(value[part])]
            ends = [part[0]] if not len(told) else [told[value[told].argmin()], told[value[told].argmax()]]
            kept.append(np.array(ends, dtype=np.int64))
    return np.unique(np.concatenate(kept))
