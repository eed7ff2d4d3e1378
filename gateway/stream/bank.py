"""The memory of the engine: ring buffers, detector tables and parameter tables, which grow, reset, shift and pack together."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.detect.base import PERSONAL, Detector, Stage, find
from analytics.table import Column, Table
from analytics.windows import NEVER_NS, Windows

_LENGTH = struct.Struct("<Q")
_LISTENED = frozenset({"seen_ns"})  # times on the listening clock, which does not step

_META = {
    "value": Column("<f8", np.nan),
    "origin": Column("|u1"),
    "late_ns": Column("<i8", NEVER_NS),
}


class Bank:
    """All tables of the engine by series row (and by resident row for the scores)."""

    def __init__(self) -> None:
        self.detectors: tuple[Detector, ...] = find()
        self.windows = Windows()
        self.meta = Table(_META)
        self.series = Table({"resident": Column("<i8", -1)} | _params(self.detectors, scores=False))
        self.residents = Table(_params(self.detectors, scores=True))
        self.states: dict[str, Table] = {detector.rule: Table(detector.columns) for detector in self.detectors}
        self.series_rows = 0
        self.resident_rows = 0

    def stage(self, stage: Stage) -> tuple[Detector, ...]:
        """Detectors of a stage."""
        return tuple(detector for detector in self.detectors if detector.stage is stage)

    def params_of(self, detector: Detector) -> Table:
        """Parameters that the detector reads."""
        return self.residents if detector.stage in PERSONAL else self.series

    def rows_of(self, detector: Detector) -> int:
        """Rows in use for the detector."""
        return self.resident_rows if detector.stage in PERSONAL else self.series_rows

    def use_series(self, row: int, *, fresh: bool) -> None:
        """Make room for a series row; a fresh one starts without memory."""
        self.series_rows = max(self.series_rows, row + 1)
        for table in self._series_tables():
            table.ensure(self.series_rows)
            if fresh:
                table.reset(np.array([row]))

    def use_resident(self, row: int, *, fresh: bool) -> None:
        """The same for a resident's score row."""
        self.resident_rows = max(self.resident_rows, row + 1)
        for table in self._resident_tables():
            table.ensure(self.resident_rows)
            if fresh:
                table.reset(np.array([row]))

    def shift(self, delta_ns: int) -> None:
        """The wall clock stepped back: move every remembered time with it, so that spans stay what they were."""
        for table in (*self._series_tables(), *self._resident_tables()):
            table.shift([name for name in table.columns if name.endswith("_ns") and name not in _LISTENED], delta_ns)

    def pack(self) -> bytes:
        """All tables, each with its length before it, in a fixed order."""
        parts: list[bytes] = []
        for tables, rows in ((self._series_tables(), self.series_rows), (self._resident_tables(), self.resident_rows)):
            for table in tables:
                data = table.pack(rows)
                parts += (_LENGTH.pack(len(data)), data)
        return b"".join(parts)

    def unpack(self, data: bytes) -> None:
        """From `pack`; TableError or struct.error if it is something else."""
        at = 0
        for scores in (False, True):
            for table in self._resident_tables() if scores else self._series_tables():
                (size,) = _LENGTH.unpack_from(data, at)
                at += _LENGTH.size
                rows = table.unpack(data[at : at + size])
                at += size
                if scores:
                    self.resident_rows = rows
                else:
                    self.series_rows = rows

    def _series_tables(self) -> tuple[Table, ...]:
        own = (self.states[detector.rule] for detector in self.detectors if detector.stage not in PERSONAL)
        return (self.windows.table, self.meta, self.series, *own)

    def _resident_tables(self) -> tuple[Table, ...]:
        return (self.residents, *(self.states[detector.rule] for detector in self.detectors if detector.stage in PERSONAL))


def set_row(table: Table, row: int, values: Mapping[str, float]) -> None:
    """Set parameters of one row."""
    for name, value in values.items():
        table[name][row] = value


def tail(windows: Windows, row: int, size: int = 10) -> dict[str, list[float]]:
    """The last values of a series for the evidence of a finding: ms and value, oldest first."""
    t_ns, value = windows.tail(row, size)
    return {"t_ms": _plain(t_ns // 1_000_000), "value": [round(float(number), 3) for number in value]}


def _plain(numbers: NDArray[np.int64]) -> list[float]:
    return [int(number) for number in numbers]


def _params(detectors: tuple[Detector, ...], *, scores: bool) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for detector in detectors:
        if (detector.stage in PERSONAL) == scores:
            columns.update(detector.params)
    return columns
