"""Questions to history.sqlite inside one read transaction, joined with the tail. Pure but for the connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw
import numpy as np
from numpy.typing import NDArray

from devices.codes import BY_KEY
from gateway.history.sqlite.chunks import MINUTE_MS, Points, unpack
from gateway.history.sqlite.schema import HIDDEN, group_of, place, told
from gateway.history.sqlite.tail import NS_PER_MS, Snapshot, of_rows
from gateway.store import cursor

SEEK_MINUTES = 8


@dataclass(slots=True)
class Buckets:
    """Sums per bucket, from bucket number `first` on: n, minutes int64[b], low, high, total float64[b]."""

    first: int
    n: NDArray[np.int64]
    minutes: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    total: NDArray[np.float64]


def _series(conn: apsw.Connection, snapshot: Snapshot, device: str, quantity: str) -> Iterator[int]:
    """Numbers of the series of a device and quantity, of every origin; those that only the tail knows included."""
    index = BY_KEY[quantity].index
    seen = set()
    for (number,) in conn.execute("SELECT id FROM series WHERE device = ? AND quantity = ? ORDER BY origin", (device, index)):
        seen.add(number)
        yield number
    for key, number in snapshot.unsaved.items():
        if key[:2] == (device, index) and number not in seen:
            yield number


def _newer(conn: apsw.Connection, snapshot: Snapshot, device: str, series: int, from_ms: int, to_ms: int) -> Points:
    """What the file does not hold yet."""
    at = cursor.get(conn, place(group_of(device)))
    found = snapshot.points(series, -1 if at is None or at[0] != snapshot.lineage else at[1])
    return found.at((found.t_ms >= from_ms) & (found.t_ms < to_ms)) if len(found) else found


def only_sums(conn: apsw.Connection, snapshot: Snapshot, device: str, quantity: str, from_ms: int, to_ms: int) -> bool:
    """Whether the single values of some minute of the span are gone by age, and only its sums are left."""
    for series in _series(conn, snapshot, device, quantity):
        sums = conn.execute(
            "SELECT min(minute) FROM minute WHERE series = ? AND minute >= ? AND minute <= ?",
            (series, from_ms // MINUTE_MS, (to_ms - 1) // MINUTE_MS),
        ).get
        if sums is not None:
            oldest = conn.execute("SELECT min(minute) FROM chunk WHERE series = ?", (series,)).get
            if oldest is None or sums < oldest:
                return True
    return False


def count(conn: apsw.Connection, snapshot: Snapshot, device: str, quantity: str, from_ms: int, to_ms: int, most: int) -> int:
    """About how many readings a span has, at most a minute's too few; stops counting rows beyond `most`."""
    found = 0
    for series in _series(conn, snapshot, device, quantity):
        found += (
            conn.execute(
                "SELECT sum(n + silent) FROM minute WHERE series = ? AND minute > ? AND minute < ?",
                (series, from_ms // MINUTE_MS, to_ms // MINUTE_MS),
            ).get
            or 0
        )
        found += conn.execute(
            "SELECT count(*) FROM (SELECT 1 FROM reading WHERE series = ? AND t_ns >= ? AND t_ns < ? AND (mark & ?) = 0 LIMIT ?)",
            (series, from_ms * NS_PER_MS, to_ms * NS_PER_MS, HIDDEN, most + 1),
        ).get
        found += len(_newer(conn, snapshot, device, series, from_ms, to_ms))
    return found


def points(conn: apsw.Connection, snapshot: Snapshot, device: str, quantity: str, from_ms: int, to_ms: int) -> Points:
    """Every reading of [from, to), by time."""
    parts = []
    for series in _series(conn, snapshot, device, quantity):
        parts.append(_packed(conn, series, from_ms, to_ms))
        parts.append(_rows(conn, series, from_ms, to_ms))
        parts.append(_newer(conn, snapshot, device, series, from_ms, to_ms))
    joined = Points.joined([part for part in parts if len(part)])
    if (np.diff(joined.t_ms) >= 0).all():
        return joined
    return joined.at(np.argsort(joined.t_ms, kind="stable"))


def piece(conn: apsw.Connection, snapshot: Snapshot, device: str, series: int, from_ms: int, to_ms: int) -> Points:
    """Every reading of one series of [from, to), by time."""
    parts = [
        _packed(conn, series, from_ms, to_ms),
        _rows(conn, series, from_ms, to_ms),
        _newer(conn, snapshot, device, series, from_ms, to_ms),
    ]
    joined = Points.joined([part for part in parts if len(part)])
    return joined.at(np.argsort(joined.t_ms, kind="stable"))


def _packed(conn: apsw.Connection, series: int, from_ms: int, to_ms: int) -> Points:
    """Readings of [from, to) from chunks."""
    found = list(
        conn.execute(
            "SELECT minute, body FROM chunk WHERE series = ? AND minute >= ? AND minute <= ? ORDER BY minute",
            (series, from_ms // MINUTE_MS, (to_ms - 1) // MINUTE_MS),
        )
    )
    all_of_them, _ = unpack([row[0] for row in found], [row[1] for row in found])
    low, high = np.searchsorted(all_of_them.t_ms, [from_ms, to_ms])
    return all_of_them.at(slice(int(low), int(high)))


def _rows(conn: apsw.Connection, series: int, from_ms: int, to_ms: int) -> Points:
    """Single readings of [from, to), without those that may hide nothing (future, retained, test)."""
    return of_rows(
        list(
            conn.execute(
                "SELECT t_ns, value, quality, mark FROM reading WHERE series = ? AND t_ns >= ? AND t_ns < ? AND (mark & ?) = 0"
                " ORDER BY t_ns, id",
                (series, from_ms * NS_PER_MS, to_ms * NS_PER_MS, HIDDEN),
            )
        )
    )


def buckets(conn: apsw.Connection, snapshot: Snapshot, device: str, quantity: str, from_ms: int, to_ms: int, bucket_ms: int) -> Buckets:
    """Sums of [from, to) on the grid of whole multiples of `bucket_ms`; of whole minutes from their sums alone where the grid allows."""
    first = from_ms // bucket_ms
    size = max(0, -(-to_ms // bucket_ms) - first)
    found = Buckets(
        first, np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, np.inf), np.full(size, -np.inf), np.zeros(size)
    )
    for series in _series(conn, snapshot, device, quantity):
        if bucket_ms % MINUTE_MS == 0:
            begin, end = -(-from_ms // MINUTE_MS), to_ms // MINUTE_MS
            _add_minutes(conn, found, series, begin, end, bucket_ms // MINUTE_MS)
            edges = [(from_ms, min(begin * MINUTE_MS, to_ms)), (max(end * MINUTE_MS, from_ms), to_ms)]
            if begin > end:  # inside one minute
                edges = [(from_ms, to_ms)]
        else:
            edges = [(from_ms, to_ms)]
        for low, high in edges:
            if low < high:
                _add_points(found, _packed(conn, series, low, high), bucket_ms)
        _add_points(found, _rows(conn, series, from_ms, to_ms), bucket_ms)
        _add_points(found, _newer(conn, snapshot, device, series, from_ms, to_ms), bucket_ms)
    return found


_SUMS = "sum(n), min(low), max(high), sum(total), count(low) FROM minute"  # low is NULL where nothing was told
_BUCKET = f"SELECT ?4, {_SUMS} WHERE series = ?1 AND minute >= ?2 AND minute < ?3"
_GROUPED = f"SELECT minute / ?, {_SUMS} WHERE series = ? AND minute >= ? AND minute < ? GROUP BY 1"


def _add_minutes(conn: apsw.Connection, found: Buckets, series: int, begin: int, end: int, width: int) -> None:
    """Sums of whole minutes [begin, end); `width` = minutes of a bucket."""
    if width >= SEEK_MINUTES:  # seeking to each bucket is cheaper than sorting all minutes into groups
        spans = ((series, max(at, begin), min(at + width, end), at // width) for at in range(begin // width * width, end, width))
        rows = [row for row in conn.executemany(_BUCKET, spans) if row[1] is not None]
    else:
        rows = list(conn.execute(_GROUPED, (width, series, begin, end)))
    if not rows:
        return
    number, n, low, high, total, minutes = zip(*rows, strict=True)
    at = np.array(number, np.int64) - found.first
    found.n[at] += np.array(n, np.int64)
    found.minutes[at] += np.array(minutes, np.int64)
    found.low[at] = np.fmin(found.low[at], np.array(low, np.float64))
    found.high[at] = np.fmax(found.high[at], np.array(high, np.float64))
    found.total[at] += np.array(total, np.float64)


def _add_points(found: Buckets, points: Points, bucket_ms: int) -> None:
    points = points.at(told(points.value, points.quality))
    if not len(points):
        return
    at = points.t_ms // bucket_ms - found.first
    np.add.at(found.n, at, 1)
    np.add.at(found.total, at, points.value)
    np.minimum.at(found.low, at, points.value)
    np.maximum.at(found.high, at, points.value)
    if bucket_ms < MINUTE_MS:  # then a bucket counts as one
        np.add.at(found.minutes, np.unique(at), 1)
    else:
        minutes = np.unique(points.t_ms // MINUTE_MS)
        np.add.at(found.minutes, minutes * MINUTE_MS // bucket_ms - found.first, 1)
