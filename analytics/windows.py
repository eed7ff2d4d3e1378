"""Ring buffers of all series: the last W readings of each, struct of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.table import Column, Rows, Table

WIDTH = 64  # readings per series: a minute at 1 Hz, an hour at one a minute; 64 x 12 bytes per series

NEVER_NS = -(2**62)  # "no reading yet": older than anything, and differences to it do not overflow


class Windows:
    """float32 values and int64 times of the last WIDTH readings of each series (row)."""

    __slots__ = ("table",)

    def __init__(self, capacity: int = 16) -> None:
        self.table = Table(
            {
                "value": Column("<f4", np.nan, WIDTH),
                "t_ns": Column("<i8", NEVER_NS, WIDTH),
                "count": Column("<i8"),  # readings ever pushed; the next slot is count % WIDTH
                "last_ns": Column("<i8", NEVER_NS),
            },
            capacity,
        )

    def push(self, rows: Rows, t_ns: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Add one reading to each of `rows` (each row at most once): int64[n], int64[n], float64[n]."""
        count = self.table["count"]
        slot = count[rows] % WIDTH
        self.table["value"][rows, slot] = value
        self.table["t_ns"][rows, slot] = t_ns
        count[rows] += 1
        self.table["last_ns"][rows] = t_ns

    def tail(self, row: int, size: int = WIDTH) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The last `size` readings of one series, oldest first: int64[m] times, float32[m] values, m <= size."""
        count = int(self.table["count"][row])
        size = min(size, count, WIDTH)
        slots = np.arange(count - size, count) % WIDTH
        return self.table["t_ns"][row, slots], self.table["value"][row, slots]
