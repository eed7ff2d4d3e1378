"""Which row of the arrays belongs to whom: devices, their series (subject, device, quantity) and the residents' score rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.codes import QUANTITIES

WIDTH = len(QUANTITIES) + 1  # columns of the row map; the last one is the device's own series (its silence)
DEVICE = -1  # "quantity" of the device's own series: the last column
NO_ROW = -1  # not looked at yet
IGNORED = -2  # nothing watches it


@dataclass(frozen=True, slots=True)
class Series:
    """A row of the arrays. A former binding keeps its row, so that the person's baseline is there when the device comes back."""

    subject: str  # the resident, or the device where nobody wears it
    resident: str | None
    device: str
    quantity: int  # index of the quantity table, or DEVICE

    @property
    def key(self) -> str:
        """Key of the quantity; "device" for the device's own series."""
        return "device" if self.quantity == DEVICE else QUANTITIES[self.quantity].key


@dataclass(frozen=True, slots=True)
class Wearer:
    """Where a device stands now."""

    bound: bool = False
    resident: str | None = None


class Roster:
    """Assigns rows; the order of assignment follows the journal, so that every run has the same rows."""

    def __init__(self) -> None:
        self.devices: dict[str, int] = {}
        self.names: list[str] = []
        self.wearers: list[Wearer] = []
        self.rows_of: NDArray[np.int64] = np.full((16, WIDTH), NO_ROW, dtype=np.int64)
        self.bound: NDArray[np.bool_] = np.zeros(16, dtype=bool)  # by device: somebody or some place has it
        self.series: list[Series | None] = []
        self.residents: dict[str, int] = {}  # resident -> score row
        self.seats: list[str | None] = []  # score row -> resident
        self._by_key: dict[tuple[str, str, int], int] = {}
        self._free: list[int] = []
        self._free_seats: list[int] = []

    def device(self, name: str) -> int:
        """Index of a device, new ones unbound."""
        index = self.devices.get(name)
        if index is None:
            index = self.devices[name] = len(self.names)
            self.names.append(name)
            self.wearers.append(Wearer())
            if index >= len(self.rows_of):
                self.rows_of = np.concatenate([self.rows_of, np.full_like(self.rows_of, NO_ROW)])
                self.bound = np.concatenate([self.bound, np.zeros_like(self.bound)])
        return index

    def active(self, device: int) -> NDArray[np.int64]:
        """Rows of the device's present binding, by quantity, its own last."""
        rows = self.rows_of[device]
        return np.asarray(rows[rows >= 0])

    def seat(self, device: int, quantity: int) -> tuple[int, bool]:
        """Row of a series of the device's present binding, and whether it is fresh (its memory must be reset)."""
        name, wearer = self.names[device], self.wearers[device]
        series = Series(wearer.resident or name, wearer.resident, name, quantity)
        key = (series.subject, name, quantity)
        row = self._by_key.get(key)
        fresh = row is None
        if row is None:
            row = self._free.pop() if self._free else len(self.series)
            if row == len(self.series):
                self.series.append(series)
            self._by_key[key] = row
        self.series[row] = series
        self.rows_of[device, quantity] = row
        return row, fresh

    def wear(self, device: int, wearer: Wearer) -> None:
        """The device's present binding is another one: the series of the former rest."""
        self.wearers[device] = wearer
        self.bound[device] = wearer.bound
        self.rows_of[device] = NO_ROW

    def look_again(self, quantities: Sequence[int]) -> None:
        """What nothing watched may be watched now."""
        rows = self.rows_of[:, quantities]
        self.rows_of[:, quantities] = np.where(rows == IGNORED, NO_ROW, rows)

    def forget(self, row: int) -> None:
        """Free a resting row: its person is gone."""
        series = self.at(row)
        del self._by_key[series.subject, series.device, series.quantity]
        self.series[row] = None
        self._free.append(row)

    def resting(self) -> list[int]:
        """Rows that no present binding uses."""
        in_use = set(self.rows_of[: len(self.names)].ravel().tolist())
        return [row for row, series in enumerate(self.series) if series is not None and row not in in_use]

    def at(self, row: int) -> Series:
        """The series of a row in use."""
        series = self.series[row]
        if series is None:
            raise LookupError(f"row {row} is free")
        return series

    def resident(self, name: str) -> tuple[int, bool]:
        """Score row of a resident, and whether it is fresh."""
        row = self.residents.get(name)
        if row is not None:
            return row, False
        row = self._free_seats.pop() if self._free_seats else len(self.seats)
        if row == len(self.seats):
            self.seats.append(name)
        self.seats[row] = name
        self.residents[name] = row
        return row, True

    def leave(self, name: str) -> int:
        """Free a resident's score row."""
        row = self.residents.pop(name)
        self.seats[row] = None
        self._free_seats.append(row)
        return row

    def rows(self, device: NDArray[np.int64], quantity: NDArray[np.int16]) -> NDArray[np.int64]:
        """Rows int64[n] of (device index, quantity index); NO_ROW or IGNORED where there is none."""
        return np.asarray(self.rows_of[device, quantity])

    def dump(self) -> dict[str, Any]:
        """JSON-safe state."""
        return {
            "devices": self.names,
            "wearers": [[wearer.bound, wearer.resident] for wearer in self.wearers],
            "rows_of": [row.tolist() for row in self.rows_of[: len(self.names)]],
            "series": [None if row is None else [row.subject, row.resident, row.device, row.quantity] for row in self.series],
            "seats": self.seats,
            "free": self._free,
            "free_seats": self._free_seats,
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> Roster:
        """From `dump`."""
        roster = cls()
        for name, (bound, resident), rows in zip(data["devices"], data["wearers"], data["rows_of"], strict=True):
            index = roster.device(name)
            roster.wear(index, Wearer(bound, resident))
            roster.rows_of[index] = rows
        roster.series = [None if row is None else Series(*row) for row in data["series"]]
        roster._by_key = {(row.subject, row.device, row.quantity): at for at, row in enumerate(roster.series) if row is not None}
        roster.seats = list(data["seats"])
        roster.residents = {name: row for row, name in enumerate(roster.seats) if name is not None}
        roster._free = list(data["free"])
        roster._free_seats = list(data["free_seats"])
        return roster


def in_order(device: Sequence[int] | NDArray[np.int64], quantity: Iterable[int]) -> list[tuple[int, int]]:
    """Distinct (device, quantity) pairs in the order of their first appearance."""
    return list(dict.fromkeys(zip((int(index) for index in device), (int(index) for index in quantity), strict=True)))
