"""What the journal holds and the file does not yet: the newest readings as growing columns, bounded, for queries and for the next flush."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.history.sqlite.chunks import Points
from gateway.history.sqlite.schema import GROUPS, HIDDEN, PACKED, SINGLE
from gateway.readings import FrameRow, ReadingBlock

NS_PER_MS = 1_000_000
_COLUMNS: dict[str, Any] = {
    "series": np.int32, "group": np.int8, "offset": np.int64, "t_ms": np.int64, "value": np.float64, "quality": np.uint16,
    "mark": np.uint16,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Single:
    """A reading that becomes a row."""

    series: int
    offset: int
    t_ns: int
    t_received_ns: int
    value: float
    quality: int
    mark: int
    frame: int  # offset of the frame's first row
    source: FrameRow


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tail at one moment: columns of what is packed, and single readings; nothing of it changes any more."""

    columns: dict[str, NDArray[Any]]
    singles: tuple[Single, ...]
    lineage: str  # of the journal that the offsets belong to
    unsaved: dict[tuple[str, int, int], int]  # series (device, quantity, origin) that the file does not know yet

    def points(self, series: int, after: int) -> Points:
        """Readings of a series with offsets beyond `after`, in the order of their arrival; hidden ones are left out."""
        columns = self.columns
        chosen = np.flatnonzero((columns["series"] == series) & (columns["offset"] > after))
        packed = Points(*(columns[name][chosen] for name in ("t_ms", "value", "quality", "mark")))
        rows = [row for row in self.singles if row.series == series and row.offset > after and not row.mark & HIDDEN]
        if not rows:
            return packed
        return Points.joined([packed, of_rows([(row.t_ns, row.value, row.quality, row.mark) for row in rows])])


def of_rows(rows: list[tuple[int, float | None, int, int]]) -> Points:
    """Points of (t_ns, value, quality, mark)."""
    return Points(
        np.array([row[0] // NS_PER_MS for row in rows], np.int64),
        np.array([np.nan if row[1] is None else row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.uint16),
        np.array([row[3] for row in rows], np.uint16),
    )


class Tail:
    """Readings between the groups' places and the newest block taken; `names` gives each series its number."""

    def __init__(self, safe: int = 0, lineage: str = "") -> None:
        self.lineage = lineage
        self.unsaved: dict[tuple[str, int, int], int] = {}
        self.head = safe  # offset of the newest entry taken
        self.safe = np.full(GROUPS, safe, np.int64)  # per group: everything up to here is in the file
        self._columns = {name: np.zeros(1024, kind) for name, kind in _COLUMNS.items()}
        self._n = 0
        self._singles: list[list[Single]] = [[] for _ in range(GROUPS)]
        self._snapshot: Snapshot | None = None

    def __len__(self) -> int:
        return self._n + sum(map(len, self._singles))

    def take(self, first: int, block: ReadingBlock, series: NDArray[np.int32], groups: NDArray[np.int8]) -> int:
        """Add a block whose readings belong to `series` and `groups` (length n); returns how many were new."""
        offset = first + np.arange(len(block), dtype=np.int64)
        fresh = (offset > self.safe[groups]) & (series >= 0)
        single = ((block.mark & SINGLE) != 0) | ~PACKED[block.quantity]
        index = np.flatnonzero(fresh & ~single)
        self._append(
            {
                "series": series[index], "group": groups[index], "offset": offset[index], "t_ms": block.t_measured_ns[index] // NS_PER_MS,
                "value": block.value[index], "quality": block.quality[index], "mark": block.mark[index],
            }
        )  # fmt: skip
        rows = np.flatnonzero(fresh & single)
        if len(rows):
            self._take_singles(first, block, rows, series, groups)
        self.head = max(self.head, first + len(block) - 1)
        self._snapshot = None
        return len(index) + len(rows)

    def pass_over(self, last: int) -> None:
        """Nothing of interest up to here."""
        self.head = max(self.head, last)

    def _append(self, new: dict[str, NDArray[Any]]) -> None:
        count = len(new["series"])
        if not count:
            return
        wanted = self._n + count
        if wanted > len(self._columns["series"]):
            for name, column in self._columns.items():
                grown = np.zeros(max(wanted, 2 * len(column)), column.dtype)
                grown[: self._n] = column[: self._n]
                self._columns[name] = grown
        for name, column in self._columns.items():
            column[self._n : wanted] = new[name]
        self._n = wanted

    def _take_singles(
        self, first: int, block: ReadingBlock, rows: NDArray[np.intp], series: NDArray[np.int32], groups: NDArray[np.int8]
    ) -> None:
        frames, at = np.unique(block.frame, return_index=True)
        begins = dict(zip(frames.tolist(), (first + at).tolist(), strict=True))
        for i in rows.tolist():
            frame = int(block.frame[i])
            self._singles[int(groups[i])].append(
                Single(
                    int(series[i]), first + i, int(block.t_measured_ns[i]), int(block.t_received_ns[i]), float(block.value[i]),
                    int(block.quality[i]), int(block.mark[i]), begins[frame], block.frames[frame],
                )
            )  # fmt: skip

    def of_group(self, group: int, upto: int) -> tuple[dict[str, NDArray[Any]], list[Single]]:
        """What is not in the file of a group, up to an offset, in the order of arrival."""
        offset = self._columns["offset"][: self._n]
        chosen = np.flatnonzero((self._columns["group"][: self._n] == group) & (offset > self.safe[group]) & (offset <= upto))
        return {name: column[chosen] for name, column in self._columns.items()}, [row for row in self._singles[group] if row.offset <= upto]

    def settled(self, groups: Iterable[int], upto: int) -> None:
        """These groups are in the file up to here."""
        for group in groups:
            self.safe[group] = max(int(self.safe[group]), upto)
            self._singles[group] = [row for row in self._singles[group] if row.offset > upto]
        self._snapshot = None
        dead = self._columns["offset"][: self._n] <= self.safe[self._columns["group"][: self._n]]
        if int(dead.sum()) * 2 >= self._n:
            kept = np.flatnonzero(~dead)
            # new arrays: a snapshot may still look at the old ones
            self._columns = {name: np.append(column[kept], np.zeros(1024, column.dtype)) for name, column in self._columns.items()}
            self._n = len(kept)

    def waiting(self, upto: int) -> NDArray[np.int64]:
        """Per group: readings up to an offset that are not in the file."""
        offset, group = self._columns["offset"][: self._n], self._columns["group"][: self._n]
        live = (offset > self.safe[group]) & (offset <= upto)
        packed: NDArray[np.int64] = np.bincount(group[live], minlength=GROUPS)
        packed += np.array([sum(row.offset <= upto for row in rows) for rows in self._singles])
        return packed

    def snapshot(self) -> Snapshot:
        """The tail as it is now; cheap while nothing is added."""
        if self._snapshot is None:
            columns = {name: column[: self._n] for name, column in self._columns.items()}
            self._snapshot = Snapshot(columns, tuple(row for rows in self._singles for row in rows), self.lineage, dict(self.unsaved))
        return self._snapshot
