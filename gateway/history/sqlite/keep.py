"""How long what is kept, and erasure: both in bounded pieces, each one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import numpy as np

from devices.codes import QUANTITIES, Kind
from gateway.history.sqlite.chunks import MINUTE_MS, pack, unpack
from gateway.history.sqlite.merge import sums_of
from gateway.store import StoreError

NS_PER_MS = 1_000_000
DAY_MS = 86_400_000
SERIES_AT_ONCE = 20
READINGS_AT_ONCE = 1_000
CHUNKS_AT_ONCE = 2_000
_BLANK = "UPDATE frame SET payload = NULL WHERE id = ?"
_UNUSED = "DELETE FROM frame WHERE id = ? AND NOT EXISTS (SELECT 1 FROM reading WHERE frame = frame.id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Days that each class is kept; None = for as long as the file lives."""

    raw_days: int | None = 90  # every single value of what is packed
    minute_days: int | None = 730  # minimum, mean, maximum per minute
    reading_days: int | None = None  # spot, stored and event readings with their raw bytes
    wave_days: int | None = 30  # waveforms, which are raw bytes only


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was dropped; named for what it says about the rest."""

    chunks: int = 0
    minutes: int = 0
    readings: int = 0

    def plus(self, other: Kept) -> Kept:
        """Both together."""
        return Kept(chunks=self.chunks + other.chunks, minutes=self.minutes + other.minutes, readings=self.readings + other.readings)


Step = Callable[[apsw.Connection], Kept]


def steps(limits: Limits, now_ns: int, kinds: Mapping[int, int]) -> Iterator[Step]:
    """Drop what is too old; `kinds` = quantity of each series."""
    now_ms = now_ns // NS_PER_MS
    for table, days in (("chunk", limits.raw_days), ("minute", limits.minute_days)):
        if days is None:
            continue
        before = (now_ms - days * DAY_MS) // MINUTE_MS
        numbers = sorted(kinds)
        for at in range(0, len(numbers), SERIES_AT_ONCE):
            yield from _old(table, numbers[at : at + SERIES_AT_ONCE], before)
    for number, quantity in sorted(kinds.items()):
        days = limits.wave_days if QUANTITIES[quantity].kind is Kind.WAVE else limits.reading_days
        if days is not None:
            yield from _readings(number, 0, now_ns - days * DAY_MS * NS_PER_MS, blank=False)


def _old(table: str, series: Sequence[int], before: int) -> Iterator[Step]:
    """Minutes before `before` of some series; again while there are more than one step takes."""
    statement = {
        "chunk": "DELETE FROM chunk WHERE series = ?1 AND minute IN"
        " (SELECT minute FROM chunk WHERE series = ?1 AND minute < ?2 ORDER BY minute LIMIT ?3)",
        "minute": "DELETE FROM minute WHERE series = ?1 AND minute IN"
        " (SELECT minute FROM minute WHERE series = ?1 AND minute < ?2 ORDER BY minute LIMIT ?3)",
    }[table]
    more = [True]

    def step(conn: apsw.Connection) -> Kept:
        count = 0
        for number in series:
            conn.execute(statement, (number, before, CHUNKS_AT_ONCE // SERIES_AT_ONCE * 2))
            count += conn.changes()
        more[0] = count > 0
        return Kept(chunks=count) if table == "chunk" else Kept(minutes=count)

    while more[0]:
        yield step


def _readings(series: int, from_ns: int, to_ns: int, *, blank: bool) -> Iterator[Step]:
    """Single readings of a span; frames go with their last reading, and lose their bytes with the first that is erased."""
    more = [True]

    def step(conn: apsw.Connection) -> Kept:
        gone = list(
            conn.execute(
                "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE series = ? AND t_ns >= ? AND t_ns < ? LIMIT ?)"
                " RETURNING frame",
                (series, from_ns, to_ns, READINGS_AT_ONCE),
            )
        )
        frames = [(frame,) for frame in sorted({frame for (frame,) in gone})]
        if blank:
            conn.executemany(_BLANK, frames)
        conn.executemany(_UNUSED, frames)
        more[0] = len(gone) == READINGS_AT_ONCE
        return Kept(readings=len(gone))

    while more[0]:
        yield step


def erasures(series: Sequence[int], power: Mapping[int, int], from_ns: int, to_ns: int) -> Iterator[Step]:
    """Erase a span of some series."""
    from_ms, to_ms = from_ns // NS_PER_MS, to_ns // NS_PER_MS
    for number in series:
        yield from _readings(number, from_ns, to_ns, blank=True)
        yield from _packed(number, power[number], from_ms, to_ms)


def _packed(series: int, power: int, from_ms: int, to_ms: int) -> Iterator[Step]:
    first, last = -(-from_ms // MINUTE_MS), to_ms // MINUTE_MS  # whole minutes: [first, last)
    more = [True]

    def whole(conn: apsw.Connection) -> Kept:
        found = [
            (series, minute)
            for (minute,) in conn.execute(
                "SELECT minute FROM minute WHERE series = ? AND minute >= ? AND minute < ? LIMIT ?", (series, first, last, CHUNKS_AT_ONCE)
            )
        ]
        conn.executemany("DELETE FROM chunk WHERE series = ? AND minute = ?", found)
        conn.executemany("DELETE FROM minute WHERE series = ? AND minute = ?", found)
        more[0] = len(found) == CHUNKS_AT_ONCE
        return Kept(chunks=len(found), minutes=len(found))

    def edges(conn: apsw.Connection) -> Kept:
        return Kept(chunks=sum(_cut(conn, series, power, minute, from_ms, to_ms) for minute in sorted({first - 1, last})))

    while more[0]:
        yield whole
    yield edges


def _cut(conn: apsw.Connection, series: int, power: int, minute: int, from_ms: int, to_ms: int) -> int:
    """Take a span out of one minute; 1 if anything was there. Sums whose readings are gone by age go as a whole."""
    if to_ms <= minute * MINUTE_MS or from_ms >= (minute + 1) * MINUTE_MS:
        return 0
    body = conn.execute("SELECT body FROM chunk WHERE series = ? AND minute = ?", (series, minute)).get
    if body is None:
        conn.execute("DELETE FROM minute WHERE series = ? AND minute = ?", (series, minute))
        return conn.changes()
    points, _ = unpack([minute], [body])
    left = points.at((points.t_ms < from_ms) | (points.t_ms >= to_ms))
    if len(left) == len(points):
        return 0
    conn.execute("DELETE FROM chunk WHERE series = ? AND minute = ?", (series, minute))
    conn.execute("DELETE FROM minute WHERE series = ? AND minute = ?", (series, minute))
    if len(left):
        starts = np.zeros(1, np.int64)
        conn.execute("INSERT INTO chunk(series, minute, body) VALUES(?, ?, ?)", (series, minute, pack(left, starts, np.array([power]))[0]))
        conn.execute(
            "INSERT INTO minute(series, minute, n, silent, low, high, total) VALUES(?, ?, ?, ?, ?, ?, ?)",
            (series, minute, *sums_of(left, starts)[0]),
        )
    return 1


def overwrite(conn: apsw.Connection) -> None:
    """From now on whatever is deleted or moved within the file is overwritten; erasing alone would leave copies of what was moved."""
    conn.pragma("secure_delete", 1)


def empty_log(path: Path) -> None:
    """Bring the pages home and cut the log, which still holds them as they were; blocking."""
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        conn.set_busy_timeout(10_000)
        conn.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError as error:
        raise StoreError(f"erased, but {path.name}-wal is in use and still holds old pages: erase the same again") from error
    finally:
        conn.close()
