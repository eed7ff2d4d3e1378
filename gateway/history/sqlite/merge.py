"""What a flush writes: new readings of a group, merged with what the file has of the same minutes, packed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from gateway.history.sqlite.chunks import MINUTE_MS, Points, pack, unpack
from gateway.history.sqlite.schema import ERA, told
from gateway.history.sqlite.tail import Single

Key = tuple[int, int]  # series, minute
Sums = tuple[int, int, float | None, float | None, float]  # n, silent, low, high, total


@dataclass(slots=True)
class Writes:
    """Rows for the tables, ready to be written."""

    chunks: list[tuple[int, int, bytes]] = field(default_factory=list)
    sums: list[tuple[int, int, int, int, float | None, float | None, float]] = field(default_factory=list)
    readings: list[tuple[Any, ...]] = field(default_factory=list)
    frames: list[tuple[Any, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.chunks) + len(self.sums) + len(self.readings) + len(self.frames)

    def apply(self, conn: apsw.Connection) -> None:
        """Into the file; writing the same again changes nothing."""
        conn.executemany("INSERT OR REPLACE INTO chunk(series, minute, body) VALUES(?, ?, ?)", self.chunks)
        conn.executemany(
            "INSERT OR REPLACE INTO minute(series, minute, n, silent, low, high, total) VALUES(?, ?, ?, ?, ?, ?, ?)", self.sums
        )
        conn.executemany(
            "INSERT OR REPLACE INTO reading(id, series, t_ns, t_received_ns, value, quality, mark, frame) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            self.readings,
        )
        conn.executemany(
            "INSERT OR REPLACE INTO frame(id, device, channel, topic, boot_id, seq, t_received_ns, t_device_ns, payload)"
            " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.frames,
        )


def sums_of(points: Points, starts: NDArray[np.int64]) -> list[Sums]:
    """Per chunk: told values with minimum, maximum and sum, and how many said nothing."""
    if not len(starts):
        return []
    spoken = told(points.value, points.quality)
    counts = np.diff(np.append(starts, len(points)))
    n = np.add.reduceat(spoken.astype(np.int64), starts)
    low = np.minimum.reduceat(np.where(spoken, points.value, np.inf), starts)
    high = np.maximum.reduceat(np.where(spoken, points.value, -np.inf), starts)
    total = np.add.reduceat(np.where(spoken, points.value, 0.0), starts)
    rows = zip(n.tolist(), (counts - n).tolist(), low.tolist(), high.tolist(), total.tolist(), strict=True)
    return [row if row[0] else (0, row[1], None, None, 0.0) for row in rows]


def merged(conn: apsw.Connection, columns: Mapping[str, NDArray[Any]], newest: Mapping[int, int], power: Mapping[int, int]) -> Writes:
    """Chunks and sums for new packed readings (in the order of arrival); `newest` = last minute in the file per series."""
    writes = Writes()
    if not len(columns["series"]):
        return writes
    series = columns["series"].astype(np.int64)
    points = Points(*(columns[name] for name in ("t_ms", "value", "quality", "mark")))
    order = np.lexsort((points.t_ms, series))
    series, points = series[order], points.at(order)
    starts = _starts(series, points.t_ms)
    old = _existing(conn, _keys(series, points, starts), newest)
    held = [(key, body) for key, (body, _) in old.items() if body is not None]
    bare = {key: sums for key, (body, sums) in old.items() if body is None}
    if held:
        before, counts = unpack([minute for (_, minute), _ in held], [body for _, body in held])
        series = np.concatenate([np.repeat(np.array([key[0] for key, _ in held], np.int64), counts), series])
        points = Points.joined([before, points])
        order = np.lexsort((points.t_ms, series))  # stable: what was there first stays first
        series, points = series[order], points.at(order)
        starts = _starts(series, points.t_ms)
    keys = _keys(series, points, starts)
    bodies = pack(points, starts, np.array([power[number] for number, _ in keys], np.int64))
    for key, body, sums in zip(keys, bodies, sums_of(points, starts), strict=True):
        if key in bare:  # its readings are gone by age: only the sums can take what came this late
            writes.sums.append((*key, *_added(bare[key], sums)))
        else:
            writes.chunks.append((*key, body))
            writes.sums.append((*key, *sums))
    return writes


def _starts(series: NDArray[np.int64], t_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    minute = t_ms // MINUTE_MS
    change = (np.diff(series, prepend=-1) != 0) | (np.diff(minute, prepend=minute[:1]) != 0)
    return np.flatnonzero(change)


def _keys(series: NDArray[np.int64], points: Points, starts: NDArray[np.int64]) -> list[Key]:
    return list(zip(series[starts].tolist(), (points.t_ms[starts] // MINUTE_MS).tolist(), strict=True))


def _existing(conn: apsw.Connection, keys: Iterable[Key], newest: Mapping[int, int]) -> dict[Key, tuple[bytes | None, Sums]]:
    """What the file has of these minutes: (chunk or None when its readings are gone, sums)."""
    found: dict[Key, tuple[bytes | None, Sums]] = {}
    for key in keys:
        if key[1] > newest.get(key[0], -(2**62)):
            continue
        for body, *sums in conn.execute(_ONE, key):
            found[key] = (body, (sums[0], sums[1], sums[2], sums[3], sums[4]))
    return found


_ONE = """
    SELECT body, n, silent, low, high, total FROM minute LEFT JOIN chunk USING(series, minute) WHERE series = ? AND minute = ?
"""


def _added(left: Sums, right: Sums) -> Sums:
    low = [value for value in (left[2], right[2]) if value is not None]
    high = [value for value in (left[3], right[3]) if value is not None]
    return left[0] + right[0], left[1] + right[1], min(low, default=None), max(high, default=None), left[4] + right[4]


def singles(writes: Writes, rows: Sequence[Single], era: int) -> None:
    """Add single readings and their frames."""
    frames: dict[int, tuple[Any, ...]] = {}
    base = era * ERA
    for row in rows:
        frame = base + row.frame
        writes.readings.append((base + row.offset, row.series, row.t_ns, row.t_received_ns, row.value, row.quality, row.mark, frame))
        if frame not in frames:
            source = row.source
            frames[frame] = (
                frame, source.device, source.channel, source.topic, source.boot_id, source.seq, source.t_received_ns, source.t_device_ns,
                source.payload,
            )  # fmt: skip
    writes.frames.extend(frames.values())
