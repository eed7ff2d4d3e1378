"""Struct of arrays: one row per series, named columns that grow by doubling, packed to bytes and back."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
_NO_TIME = -(2**61)  # below it a time stands for "never"
_HEAD = struct.Struct("<I")


class TableError(ValueError):
    """Packed bytes do not fit the columns that the code has now."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: numpy dtype, what a fresh row holds, and `width` > 0 for a small vector per row.

    `lanes` = the vector lies across: shape (width, capacity), so that each of its numbers is one dense array over the series.
    """

    dtype: str
    fill: float = 0
    width: int = 0
    lanes: bool = False

    def shape(self, rows: int) -> tuple[int, ...]:
        """Shape of the array of `rows` rows."""
        if not self.width:
            return (rows,)
        return (self.width, rows) if self.lanes else (rows, self.width)

    def first(self, array: NDArray[Any], rows: int) -> NDArray[Any]:
        """The first `rows` rows of an array of this column, as a view."""
        return array[:, :rows] if self.lanes else array[:rows]


class Table:
    """Columns of equal length; a row is claimed once and stays where it is.

    `table[name]` is the whole array, shape (capacity,), (capacity, width) or, for lanes, (width, capacity): index it by rows, never keep it
    (growing replaces it).
    """

    __slots__ = ("_arrays", "capacity", "columns")

    def __init__(self, columns: Mapping[str, Column], capacity: int = 16) -> None:
        self.columns = dict(columns)
        self.capacity = capacity
        self._arrays: dict[str, NDArray[Any]] = {name: _blank(column, capacity) for name, column in self.columns.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def ensure(self, rows: int) -> None:
        """Make room for `rows` rows."""
        if rows <= self.capacity:
            return
        capacity = self.capacity
        while capacity < rows:
            capacity *= 2
        for name, column in self.columns.items():
            grown = _blank(column, capacity)
            column.first(grown, self.capacity)[...] = self._arrays[name]
            self._arrays[name] = grown
        self.capacity = capacity

    def reset(self, rows: Rows) -> None:
        """Give rows back the values of fresh ones."""
        for name, column in self.columns.items():
            self._arrays[name][(slice(None), rows) if column.lanes else rows] = column.fill

    def shift(self, names: Collection[str], delta_ns: int) -> None:
        """Move int64 time columns by delta_ns; "never" and "unknown" stay."""
        for name in names:
            column = self._arrays[name]
            column[column > _NO_TIME] += delta_ns

    def pack(self, rows: int) -> bytes:
        """The first `rows` rows: length-prefixed JSON header {rows, columns: [[name, dtype, width, lanes]]}, then raw columns."""
        listed = [[name, column.dtype, column.width, column.lanes] for name, column in self.columns.items()]
        head = json.dumps({"rows": rows, "columns": listed}).encode()
        parts = [_HEAD.pack(len(head)), head]
        parts.extend(column.first(self._arrays[name], rows).tobytes() for name, column in self.columns.items())
        return b"".join(parts)

    def unpack(self, data: bytes) -> int:
        """Take over packed rows; returns their number. TableError if the columns differ."""
        try:
            (size,) = _HEAD.unpack_from(data)
            head = json.loads(data[_HEAD.size : _HEAD.size + size])
            rows = int(head["rows"])
            listed = [[name, column.dtype, column.width, column.lanes] for name, column in self.columns.items()]
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise TableError("packed table has no readable header") from error
        if head["columns"] != listed:
            raise TableError("packed table has other columns")
        self.ensure(rows)
        at = _HEAD.size + size
        for name, column in self.columns.items():
            count = rows * max(1, column.width)
            width = np.dtype(column.dtype).itemsize * count
            if at + width > len(data):
                raise TableError("packed table is cut short")
            flat = np.frombuffer(data, dtype=column.dtype, count=count, offset=at)
            column.first(self._arrays[name], rows)[...] = flat.reshape(column.shape(rows))
            at += width
        return rows


def _blank(column: Column, rows: int) -> NDArray[Any]:
    return np.full(column.shape(rows), column.fill, dtype=column.dtype)
