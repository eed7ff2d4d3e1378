"""Beginning and end of a condition that a rule decides by itself: the columns, and what is written into the verdicts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import END, START, UNKNOWN, Verdicts
from analytics.table import Column, Rows, Table

COLUMNS = {
    "active": Column("|b1"),
    "onset_key": Column("<i8", UNKNOWN),
    "onset_ns": Column("<i8", UNKNOWN),
    "origin": Column("|u1"),
}


def start(
    answer: Verdicts, index: NDArray[np.int64], rows: Rows, state: Table, key: NDArray[np.int64], t_ns: NDArray[np.int64],
    origin: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Conditions of `rows` begin; `index` are their places in the answer, key and t_ns int64[n] the onset, origin uint8[n]."""
    if not len(rows):
        return
    state["active"][rows] = True
    state["onset_key"][rows], state["onset_ns"][rows], state["origin"][rows] = key, t_ns, origin
    answer.writable()
    answer.change[index] |= START
    answer.onset_key[index], answer.onset_ns[index] = key, t_ns


def end(answer: Verdicts, index: NDArray[np.int64], rows: Rows, state: Table) -> None:
    """Conditions of `rows` that are under way end; `index` are their places in the answer."""
    over = state["active"][rows]
    if not over.any():
        return
    at, where = rows[over], index[over]
    answer.writable()
    answer.change[where] |= END
    answer.ended_key[where], answer.ended_ns[where] = state["onset_key"][at], state["onset_ns"][at]
    state["active"][at] = False
