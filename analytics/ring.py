"""Median and median absolute deviation of the last 64 readings of each series, from a ring of float32, refreshed every 16 of the series.

    zr = |x - med| / max(1.4826 MAD, floor)

The ring lies slot by slot over all series, so that a whole tick writes one dense row. "Every 16" counts the readings of a series and not
the calls, so that no split of the batches changes a result. The floor keeps quantised signals (MAD = 0) from making everything a wonder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.table import Rows

WIDTH = 64
REFRESH = 16
SIGMA = 1.4826  # MAD of a normal distribution -> its standard deviation
BLOCK = 4_096  # series per refresh: 1 MiB of ring at a time


class Ring:
    """The last WIDTH readings of each series and the median and spread of what was there at the last refresh (NaN before the first)."""

    def __init__(self, series: int, floor: float) -> None:
        self.floor = np.float32(floor)
        self.values = np.full((WIDTH, series), np.nan, np.float32)
        self.median = np.full(series, np.nan, np.float32)
        self.spread = np.full(series, np.nan, np.float32)  # max(1.4826 MAD, floor)
        self._count = np.zeros(series, np.int64)
        self._even: int | None = 0  # count of all series while it is the same

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.values.nbytes + self.median.nbytes + self.spread.nbytes + self._count.nbytes

    def push_all(self, x: NDArray[np.float32]) -> None:
        """One reading of every series, float32[series]."""
        if self._even is None:
            self.push(np.arange(len(x)), x)
            return
        self.values[self._even % WIDTH] = x
        self._even += 1
        if self._even % REFRESH == 0:
            for at in range(0, len(x), BLOCK):
                self._refresh(slice(at, at + BLOCK))

    def push(self, rows: Rows, x: NDArray[np.float32]) -> None:
        """One reading of some series, each at most once: rows int64[n], float32[n]."""
        if self._even is not None:
            self._count[:] = self._even
            self._even = None
        count = self._count[rows]
        self.values[count % WIDTH, rows] = x
        self._count[rows] = count + 1
        due = rows[(count + 1) % REFRESH == 0]
        if len(due):
            self._refresh(due)

    def extend(self, row: int, x: NDArray[np.float32]) -> None:
        """Many readings of one series in order, float32[n]; the same as n pushes."""
        if self._even is not None:
            self._count[:] = self._even
            self._even = None
        count = int(self._count[row])
        due = (count + len(x)) // REFRESH * REFRESH - count  # readings up to the last refresh among them
        if due > 0:
            self._write(row, count, x[:due])
            self._refresh(np.array([row]))
        self._write(row, count + max(due, 0), x[max(due, 0) :])
        self._count[row] = count + len(x)

    def _write(self, row: int, count: int, x: NDArray[np.float32]) -> None:
        kept = x[-WIDTH:]
        self.values[(count + len(x) - len(kept) + np.arange(len(kept))) % WIDTH, row] = kept

    def z(self, rows: Rows | slice, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """|x - median| / spread float32[n] of rows; NaN until the first refresh."""
        return np.asarray(np.abs(x - self.median[rows]) / self.spread[rows])

    def _refresh(self, rows: Rows | slice) -> None:
        middle = median(np.array(self.values[:, rows].T, order="C"))  # a copy always: sorting a view would shuffle the ring
        self.median[rows] = middle
        off = np.abs(self.values[:, rows] - middle)
        self.spread[rows] = np.maximum(median(np.array(off.T, order="C")) * np.float32(SIGMA), self.floor)


def median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of each row of float32[n, WIDTH] without its NaN (which may be any but all), float32[n]; sorts `values` in place."""
    values.sort(axis=1)  # NaN last
    if not np.isnan(values[:, -1]).any():
        return np.asarray((values[:, WIDTH // 2 - 1] + values[:, WIDTH // 2]) * np.float32(0.5))
    known = (~np.isnan(values)).sum(axis=1)
    row = np.arange(len(values))
    return np.asarray((values[row, (known - 1) // 2] + values[row, known // 2]) * np.float32(0.5))
