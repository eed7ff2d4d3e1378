"""The present for the screens: last value and a sparkline of 40 slots per (device, quantity), fed with the same blocks as the engine."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics import rounds
from analytics.table import Column, Table, TableError
from analytics.windows import NEVER_NS
from devices.codes import BY_KEY, QUANTITIES, Kind
from devices.model import Quality
from gateway.readings import Mark, ReadingBlock, StoredBlock
from gateway.stream.quality import SPEECHLESS

SPARK_POINTS = 40
KEPT_POINTS = 60  # slots of a series: the last half hour
SLOT_NS = 30 * 1_000_000_000  # a slot's point is its last value: 40 slots are twenty minutes
MAX_SERIES = 50_000  # more (device, quantity) pairs than a house has are somebody's mistake; they are counted, not kept
NO_SLOT = -1
_LENGTH = struct.Struct("<I")
_SHOWN = np.array([row.kind in (Kind.CONTINUOUS, Kind.SPOT, Kind.STATUS) for row in QUANTITIES])
_COLUMNS = {
    "value": Column("<f8", np.nan),
    "t_ns": Column("<i8", NEVER_NS),
    "received_ns": Column("<i8", NEVER_NS),
    "quality": Column("<u2"),
    "origin": Column("|u1"),
    "spark": Column("<f4", np.nan, KEPT_POINTS),
    "slot": Column("<i8", NO_SLOT, KEPT_POINTS),
    "newest": Column("<i8", NO_SLOT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The newest timely reading; `value` is NaN where the device said that it has none or that it cannot be believed."""

    value: float
    t_ns: int
    received_ns: int
    quality: int
    origin: int


class Latest:
    """Last values by (device, quantity); late readings only fill their slot of the sparkline, future and retained ones nothing."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], int] = {}
        self._table = Table(_COLUMNS)
        self.refused = 0

    def last(self, device: str, quantity: str) -> Last | None:
        """Newest timely reading of a device, None if there is none."""
        row = self._rows.get((device, BY_KEY[quantity].index))
        if row is None or self._table["t_ns"][row] == NEVER_NS:
            return None
        table = self._table
        return Last(
            value=float(table["value"][row]), t_ns=int(table["t_ns"][row]), received_ns=int(table["received_ns"][row]),
            quality=int(table["quality"][row]), origin=int(table["origin"][row]),
        )  # fmt: skip

    def spark(self, device: str, quantity: str) -> Sequence[float]:
        """Points of the last 40 slots up to the newest, oldest first; NaN where a slot has none; [] for an unknown series."""
        return [value for _, value in self._points(device, quantity, SPARK_POINTS)]

    def trend(self, device: str, quantity: str) -> Sequence[tuple[int, float]]:
        """Points of the last half hour as (start of the slot in UTC ns, value), oldest first; NaN where a slot has none."""
        return self._points(device, quantity, KEPT_POINTS)

    def _points(self, device: str, quantity: str, count: int) -> list[tuple[int, float]]:
        row = self._rows.get((device, BY_KEY[quantity].index))
        if row is None or self._table["newest"][row] == NO_SLOT:
            return []
        wanted = np.arange(int(self._table["newest"][row]) - count + 1, int(self._table["newest"][row]) + 1)
        at = wanted % KEPT_POINTS
        points = np.where(self._table["slot"][row, at] == wanted, self._table["spark"][row, at], np.float32(np.nan))
        known = np.flatnonzero(~np.isnan(points))
        first = int(known[0]) if len(known) else count
        return [(int(slot) * SLOT_NS, round(float(point), 3)) for slot, point in zip(wanted[first:], points[first:], strict=True)]

    def take(self, block: StoredBlock) -> None:
        """Take a block of the journal."""
        readings = block.readings
        if readings is None:
            return
        index = np.flatnonzero(
            ((readings.mark & (Mark.FUTURE | Mark.RETAINED)) == 0) & ((readings.quality & Quality.WAVE) == 0) & _SHOWN[readings.quantity]
        )
        keys = zip(readings.device[index].tolist(), readings.quantity[index].tolist(), strict=True)
        rows = np.array([self._row(readings.devices[device], quantity) for device, quantity in keys], dtype=np.int64)
        index, rows = index[rows >= 0], rows[rows >= 0]
        for turn in rounds.split(rows):
            self._round(readings, index[turn], rows[turn])

    def _round(self, readings: ReadingBlock, index: np.ndarray, rows: np.ndarray) -> None:
        table, t_ns = self._table, readings.t_measured_ns[index]
        told = np.isfinite(readings.value[index]) & ((readings.quality[index] & SPEECHLESS) == 0)
        value = np.where(told, readings.value[index], np.nan)
        late = (readings.mark[index] & Mark.LATE) != 0
        # a live reading is dated by its reception: older than the last one only when the clock stepped back, and then it is the present
        live = (readings.mark[index] & Mark.STORED) == 0
        newer = ~late & (live | (t_ns >= table["t_ns"][rows]))
        at = rows[newer]
        table["value"][at] = value[newer]
        table["t_ns"][at] = t_ns[newer]
        table["received_ns"][at] = readings.t_received_ns[index][newer]
        table["quality"][at] = readings.quality[index][newer]
        table["origin"][at] = readings.origin[index][newer]
        slot = t_ns // SLOT_NS
        back = newer & live & (slot < table["newest"][rows] - 1)  # the clock stepped back: the line begins anew
        table["newest"][rows[back]] = NO_SLOT
        table["slot"][rows[back]] = NO_SLOT
        fits = told & (slot > table["newest"][rows] - KEPT_POINTS)
        at, place = rows[fits], slot[fits] % KEPT_POINTS
        replaces = ~late[fits] | (table["slot"][at, place] != slot[fits])  # a late value fills a gap, it does not replace a point
        at, place = at[replaces], place[replaces]
        table["spark"][at, place] = value[fits][replaces]
        table["slot"][at, place] = slot[fits][replaces]
        table["newest"][rows[fits]] = np.maximum(table["newest"][rows[fits]], slot[fits])

    def _row(self, device: str, quantity: int) -> int:
        row = self._rows.get((device, quantity))
        if row is not None:
            return row
        if len(self._rows) >= MAX_SERIES:
            self.refused += 1
            return -1
        row = self._rows[device, quantity] = len(self._rows)
        self._table.ensure(row + 1)
        return row

    def pack(self) -> bytes:
        """Length-prefixed JSON list of [device, quantity key], then the packed table."""
        text = json.dumps([[device, QUANTITIES[quantity].key] for device, quantity in self._rows]).encode()
        return _LENGTH.pack(len(text)) + text + self._table.pack(len(self._rows))

    @classmethod
    def unpack(cls, data: bytes) -> Latest:
        """From `pack`; TableError if it was written by other code."""
        latest = cls()
        try:
            (size,) = _LENGTH.unpack_from(data)
            listed = json.loads(data[_LENGTH.size : _LENGTH.size + size])
            latest._rows = {(device, BY_KEY[key].index): row for row, (device, key) in enumerate(listed)}
        except (struct.error, ValueError, KeyError) as error:
            raise TableError("last values are not readable") from error
        latest._table.unpack(data[_LENGTH.size + size :])
        return latest
