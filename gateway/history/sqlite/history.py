"""The reading side: raw points, envelopes from the sums, rows; the newest readings come from the tail, none twice and none missing.

The tail is looked at first, then the file in one read transaction together with the groups' places: what the tail has up to a
group's place is in the file by then, what is beyond it is not. Gaps stay gaps: nothing is interpolated, and they are listed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from devices.codes import BY_KEY, QUANTITIES
from gateway.history.base import Piece
from gateway.history.sqlite import counts, reader
from gateway.history.sqlite.chunks import Points
from gateway.history.sqlite.reader import Buckets
from gateway.history.sqlite.schema import told
from gateway.history.sqlite.tail import Snapshot
from gateway.store import Database

NS_PER_MS = 1_000_000
MINUTE_MS = 60_000
MAX_POINTS = 200_000
MAX_ROWS = 10_000
MAX_BUCKETS = 20_000
PIECE_MS = 3_600_000


class TooManyPoints(ValueError):
    """More readings than asked for lie in the span, or only sums are left of it; ask for an envelope, or for a shorter span."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A device's readings of [from_ms, to_ms), UTC."""

    device: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Readings of one device: t_ms int64[n], value float64[n] (NaN = said nothing), quality and mark uint16[n]; gaps in ms."""

    device: str
    t_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]
    mark: NDArray[np.uint16]
    gaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Buckets of one device, all of length b: t_ms (begin) and n int64, low, mean, high float64 (NaN where n = 0), covered float64 0..1."""

    device: str
    bucket_ms: int
    t_ms: NDArray[np.int64]
    n: NDArray[np.int64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    covered: NDArray[np.float64]  # part of the bucket's minutes in which anything was told
    gaps: tuple[tuple[int, int], ...] = ()  # buckets without anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A single reading with what was received."""

    id: int
    device: str
    quantity: str
    origin: int
    t_ns: int
    t_received_ns: int
    value: float | None
    quality: int
    mark: int
    channel: str
    topic: str
    boot_id: str | None
    seq: int | None
    t_device_ns: int | None
    payload: bytes | None  # None = erased


class History:
    """Questions to the history; each is one read transaction in a thread."""

    def __init__(self, db: Database, tail: Callable[[], Snapshot]) -> None:
        self._db = db
        self._tail = tail

    async def series(self, device: str, quantity: str, from_ns: int, to_ns: int, max_points: int = MAX_POINTS) -> Line:
        """All readings of [from, to), oldest first; raises TooManyPoints."""
        span = Span(device=device, from_ms=from_ns // NS_PER_MS, to_ms=to_ns // NS_PER_MS)
        snapshot = self._tail()
        return await self._db.read(lambda conn: _line(conn, snapshot, span, quantity, min(max_points, MAX_POINTS), None))

    async def envelope(self, device: str, quantity: str, from_ns: int, to_ns: int, max_points: int = 500) -> Envelope:
        """At most so many buckets of [from, to)."""
        span = Span(device=device, from_ms=from_ns // NS_PER_MS, to_ms=to_ns // NS_PER_MS)
        snapshot = self._tail()
        bucket_ms = bucket_for(span.from_ms, span.to_ms, max_points)
        return (await self._db.read(lambda conn: _envelopes(conn, snapshot, [span], quantity, bucket_ms)))[0]

    async def window(
        self, spans: Sequence[Span], quantity: str, max_points: int, cadence_s: Callable[[str], float | None] = lambda _: None
    ) -> list[Line] | list[Envelope]:
        """One line per span with every reading if there are at most `max_points` in all, else envelopes on one grid."""
        if not spans:
            return []
        snapshot = self._tail()
        bucket_ms = bucket_for(min(span.from_ms for span in spans), max(span.to_ms for span in spans), max_points)

        def read(conn: apsw.Connection) -> list[Line] | list[Envelope]:
            try:
                lines, left = [], min(max_points, MAX_POINTS)
                for span in spans:
                    lines.append(_line(conn, snapshot, span, quantity, left, cadence_s(span.device)))
                    left -= len(lines[-1].t_ms)
            except TooManyPoints:
                return _envelopes(conn, snapshot, spans, quantity, bucket_ms)
            return lines

        return await self._db.read(read)

    async def pieces(self, from_ms: int, to_ms: int) -> AsyncIterator[Piece]:
        """Everything measured in [from, to), series by series, an hour at a time; for another sink that missed it."""
        known = await self._db.read(lambda conn: list(conn.execute("SELECT id, device, quantity, origin FROM series ORDER BY id")))
        for number, device, quantity, origin in known:
            for begin in range(from_ms, to_ms, PIECE_MS):
                span = (begin, min(begin + PIECE_MS, to_ms))
                found = await self._db.read(
                    partial(reader.piece, snapshot=self._tail(), device=device, series=number, from_ms=span[0], to_ms=span[1])
                )
                if len(found):
                    yield Piece(
                        device=device, quantity=QUANTITIES[quantity].key, origin=origin,
                        t_ms=found.t_ms, value=found.value, quality=found.quality, mark=found.mark,
                    )  # fmt: skip

    async def told_minutes(self, spans: Sequence[Span], quantity: Callable[[str], str]) -> list[int]:
        """Per span: minutes in which the device told a value of the quantity that `quantity` names for it; what is on the disk only."""

        def read(conn: apsw.Connection) -> list[int]:
            return [counts.told_minutes(conn, span.device, quantity(span.device), span.from_ms, span.to_ms) for span in spans]

        return await self._db.read(read)

    async def heard(self, spans: Sequence[Span]) -> list[bool]:
        """Per span: whether the device told any value of any quantity."""
        return await self._db.read(lambda conn: [counts.heard(conn, span.device, span.from_ms, span.to_ms) for span in spans])

    async def rows(self, device: str, quantity: str | None, from_ns: int, to_ns: int, limit: int = 1_000, after: int = 0) -> list[Row]:
        """Single readings measured in [from, to) with ids beyond `after`, by id; the last two minutes' may still be on their way."""
        wanted = None if quantity is None else BY_KEY[quantity].index
        values = {"device": device, "quantity": wanted, "from": from_ns, "to": to_ns, "after": after, "limit": min(limit, MAX_ROWS)}
        return await self._db.read(lambda conn: [_row(row) for row in conn.execute(_ROWS, values)])


_ROWS = """
    SELECT r.id, s.device, s.quantity, s.origin, r.t_ns, r.t_received_ns, r.value, r.quality, r.mark,
           f.channel, f.topic, f.boot_id, f.seq, f.t_device_ns, f.payload
    FROM series s JOIN reading r ON r.series = s.id JOIN frame f ON f.id = r.frame
    WHERE s.device = :device AND (:quantity IS NULL OR s.quantity = :quantity) AND r.t_ns >= :from AND r.t_ns < :to AND r.id > :after
    ORDER BY r.id LIMIT :limit
"""


def _row(row: Sequence[Any]) -> Row:
    names = (
        "id", "device", "quantity", "origin", "t_ns", "t_received_ns", "value", "quality", "mark", "channel", "topic", "boot_id", "seq",
        "t_device_ns", "payload",
    )  # fmt: skip
    values = dict(zip(names, row, strict=True))
    return Row(**{**values, "quantity": QUANTITIES[values["quantity"]].key})


def bucket_for(from_ms: int, to_ms: int, max_points: int) -> int:
    """Width of a bucket: whole minutes where it can be, so that the sums answer."""
    points = max(1, min(max_points, MAX_BUCKETS))
    # the grid is fixed to the epoch, so that a window may touch one bucket more than its length says
    rough = max(1, -(-(to_ms - from_ms) // max(1, points - 1)))
    if rough <= MINUTE_MS // 2:
        return -(-rough // 1_000) * 1_000
    return -(-rough // MINUTE_MS) * MINUTE_MS


def _line(conn: apsw.Connection, snapshot: Snapshot, span: Span, quantity: str, most: int, cadence_s: float | None) -> Line:
    if reader.only_sums(conn, snapshot, span.device, quantity, span.from_ms, span.to_ms):
        raise TooManyPoints("only sums per minute are left of this span")
    if reader.count(conn, snapshot, span.device, quantity, span.from_ms, span.to_ms, most) > most:
        raise TooManyPoints(f"more than {most} readings")
    points = reader.points(conn, snapshot, span.device, quantity, span.from_ms, span.to_ms)
    if len(points) > most:
        raise TooManyPoints(f"more than {most} readings")
    spoken = told(points.value, points.quality)
    return Line(
        device=span.device,
        t_ms=points.t_ms,
        value=np.where(spoken, points.value, np.nan),
        quality=points.quality,
        mark=points.mark,
        gaps=gaps(points.t_ms[spoken], span.from_ms, span.to_ms, cadence_s),
    )


def gaps(t_ms: NDArray[np.int64], from_ms: int, to_ms: int, cadence_s: float | None) -> tuple[tuple[int, int], ...]:
    """Spans without a told value, longer than twice the cadence and 5 s (where a wall says "stale"); none where nobody expects a value."""
    if cadence_s is None:
        return ()
    edges = np.concatenate([[from_ms], t_ms, [to_ms]])
    wide = np.flatnonzero(np.diff(edges) > 2_000 * cadence_s + 5_000)
    return tuple(zip(edges[wide].tolist(), edges[wide + 1].tolist(), strict=True))


def _envelopes(conn: apsw.Connection, snapshot: Snapshot, spans: Sequence[Span], quantity: str, bucket_ms: int) -> list[Envelope]:
    if bucket_ms % MINUTE_MS and any(reader.only_sums(conn, snapshot, span.device, quantity, span.from_ms, span.to_ms) for span in spans):
        bucket_ms = MINUTE_MS
    return [
        _envelope(span, bucket_ms, reader.buckets(conn, snapshot, span.device, quantity, span.from_ms, span.to_ms, bucket_ms))
        for span in spans
    ]


def _envelope(span: Span, bucket_ms: int, found: Buckets) -> Envelope:
    some = found.n > 0
    t_ms = (found.first + np.arange(len(found.n), dtype=np.int64)) * bucket_ms
    mean = np.divide(found.total, found.n, out=np.full(len(found.n), np.nan), where=some)
    begin, end = np.maximum(t_ms, span.from_ms), np.minimum(t_ms + bucket_ms, span.to_ms)
    minutes = np.maximum(1.0, (end - begin) / MINUTE_MS)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], some, [True]])))
    holes = tuple((int(begin[a]), int(end[b - 1])) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return Envelope(
        device=span.device,
        bucket_ms=bucket_ms,
        t_ms=t_ms,
        n=found.n,
        low=np.where(some, found.low, np.nan),
        mean=mean,
        high=np.where(some, found.high, np.nan),
        covered=np.minimum(1.0, found.minutes / minutes),
        gaps=holes,
    )


__all__ = ["Envelope", "History", "Line", "Points", "Row", "Span", "TooManyPoints", "bucket_for", "gaps"]
