"""Segments on disk: which there are, what they hold, reading them back with every check. Needs no writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateway.journal import codec
from gateway.journal.errors import JournalCorrupt, JournalError, JournalGone
from gateway.readings import StoredBlock
from gateway.store import Component, StoreError, schema
from gateway.store.errors import is_corrupt

SUFFIX = ".sqlite"
MAX_BLOCKS = 1000  # of one read

COMPONENT = Component(
    "journal",
    (
        """
        CREATE TABLE segment(
            one INTEGER PRIMARY KEY CHECK (one = 1), lineage TEXT NOT NULL, base INTEGER NOT NULL,
            day TEXT NOT NULL, t_ns INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE block(
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, kind INTEGER NOT NULL, format INTEGER NOT NULL,
            crc INTEGER NOT NULL, t_ns INTEGER NOT NULL, body BLOB NOT NULL, CHECK (last >= first)
        ) STRICT;
        """,
    ),
)

# A damaged page can give any value back, whatever the table's definition says.
_ROW = (int, int, int, int, int, int, bytes)
_NONSENSE = "the row makes no sense"

OnCorrupt = Callable[[str, int], None]  # (segment's name, offset)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the journal."""

    path: Path
    lineage: str
    base: int  # offset of its first entry
    day: str  # "2026-11-24"
    t_ns: int  # wall time of its creation


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a full check found: problems are sentences with segment and offset; empty = all is well."""

    blocks: int
    readings: int
    ticks: int
    first: int
    head: int
    problems: tuple[str, ...]


def segment_of(conn: apsw.Connection, path: Path) -> Segment | None:
    """The segment's own row, or None for a file whose creation was never committed."""
    if schema.is_blank(conn):
        return None
    schema.check_identity(conn, path)
    row = conn.execute("SELECT lineage, base, day, t_ns FROM segment").fetchone()
    if row is None or not _are(row, (str, int, str, int)):
        raise JournalCorrupt(f"{path} has lost its place in the journal")
    return Segment(path, *row)


def last_offset(conn: apsw.Connection, base: int) -> int:
    """Offset of the last entry of a segment, base - 1 when it is empty."""
    row = conn.execute("SELECT last FROM block ORDER BY first DESC LIMIT 1").fetchone()
    if row is None:
        return base - 1
    if not _are(row, (int,)):
        raise JournalCorrupt(f"the end of the journal is damaged behind offset {base}")
    return int(row[0])


class JournalReader:
    """Reads a journal's folder; safe beside a process that writes it. Not for several threads at once."""

    def __init__(self, folder: Path, *, on_corrupt: OnCorrupt | None = None) -> None:
        self._folder = folder
        self._on_corrupt = on_corrupt
        self._segments: list[Segment] = []
        self._names: frozenset[str] = frozenset()
        self._open: tuple[Segment, apsw.Connection] | None = None

    def close(self) -> None:
        """Close the connection that is kept open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def segments(self) -> list[Segment]:
        """All committed segments, oldest first; each file's row is read once."""
        names = frozenset(path.name for path in self._folder.glob("*" + SUFFIX))
        if names != self._names:
            known = {segment.path.name: segment for segment in self._segments}
            found = [known.get(name) or self._describe(self._folder / name) for name in names]
            self._segments = sorted((segment for segment in found if segment is not None), key=lambda segment: segment.base)
            # A file without a committed row is looked at again next time.
            self._names = frozenset(segment.path.name for segment in self._segments)
            self._check_order()
        return list(self._segments)

    def blocks(self, offset: int, limit: int = 100) -> list[StoredBlock]:
        """At most `limit` blocks, oldest first, from the one that holds `offset`; [] at the head, JournalGone before the first."""
        out: list[StoredBlock] = []
        segments = self.segments()
        limit = min(limit, MAX_BLOCKS)
        if not segments:
            return out
        if offset < segments[0].base:
            raise JournalGone(f"offset {offset} is no longer in the journal, it begins at {segments[0].base}")
        for index, segment in enumerate(segments):
            following = segments[index + 1].base if index + 1 < len(segments) else None
            if following is not None and following <= offset:
                continue
            out.extend(self._segment_blocks(segment, offset, limit - len(out)))
            if len(out) >= limit:
                break
            end = out[-1].last + 1 if out else offset
            if following is not None and end != following:
                raise self._corrupt(segment, end, "ends before the next segment begins")
        return out

    def extent(self) -> tuple[int, int, tuple[str, ...], int]:
        """(first offset, head = next offset, days, bytes on disk)."""
        segments = self.segments()
        if not segments:
            return 1, 1, (), 0
        newest = segments[-1]
        with self._reading(newest, newest.base):
            head = last_offset(self._connect(newest), newest.base) + 1
        size = sum(path.stat().st_size for path in self._folder.glob("*" + SUFFIX + "*") if path.exists())
        return segments[0].base, head, tuple(segment.day for segment in segments), size

    def last_ns(self, segment: Segment) -> int:
        """Wall time of a segment's last block, or of its creation."""
        with self._reading(segment, segment.base):
            last = self._connect(segment).execute("SELECT t_ns FROM block ORDER BY first DESC LIMIT 1").get
        return last if isinstance(last, int) else segment.t_ns

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verification:
        """Read everything back; `progress(offsets_done, offsets)`. Goes on after a problem, so that all of them are named."""
        first, head, _, _ = self.extent()
        blocks = readings = ticks = 0
        problems: list[str] = []
        expected = first
        for segment in self.segments():
            for row in self._rows(segment, problems):
                if not _are(row, _ROW):
                    problems.append(f"{segment.path.name}: offset {expected}: {_NONSENSE}")
                    continue
                if row[0] != expected:
                    problems.append(f"{segment.path.name}: offset {expected} is missing, {row[0]} follows")
                expected = row[1] + 1
                blocks += 1
                try:
                    block = _decoded(row)
                except JournalError as error:
                    problems.append(f"{segment.path.name}: offset {row[0]}: {error}")
                    continue
                readings += 0 if block.readings is None else len(block.readings)
                ticks += block.tick is not None
                if progress is not None:
                    progress(row[1] - first + 1, head - first)
        if expected != head:
            problems.append(f"offset {expected} is missing, the head is {head}")
        return Verification(blocks=blocks, readings=readings, ticks=ticks, first=first, head=head, problems=tuple(problems))

    def _rows(self, segment: Segment, problems: list[str]) -> Iterator[tuple[int, int, int, int, int, int, bytes]]:
        try:
            conn = self._connect(segment)
            result = conn.execute("PRAGMA quick_check(1)").get
            if result != "ok":
                problems.append(f"{segment.path.name}: {result}")
            yield from conn.execute("SELECT first, last, kind, format, crc, t_ns, body FROM block ORDER BY first")
        except (apsw.Error, StoreError, UnicodeDecodeError) as error:
            problems.append(f"{segment.path.name}: {error}")

    def _segment_blocks(self, segment: Segment, offset: int, limit: int) -> list[StoredBlock]:
        out: list[StoredBlock] = []
        expected = max(offset, segment.base)
        with self._reading(segment, offset):
            rows = self._connect(segment).execute(
                "SELECT first, last, kind, format, crc, t_ns, body FROM block"
                " WHERE first >= coalesce((SELECT first FROM block WHERE first <= ?1 ORDER BY first DESC LIMIT 1), ?1)"
                " AND last >= ?1 ORDER BY first LIMIT ?2",
                (offset, limit),
            )
            for row in rows:
                if not _are(row, _ROW):
                    raise self._corrupt(segment, expected, _NONSENSE)
                if row[0] > expected or (out and row[0] != expected):
                    raise self._corrupt(segment, expected, f"is missing, {row[0]} follows")
                try:
                    out.append(_decoded(row))
                except JournalCorrupt as error:
                    raise self._corrupt(segment, row[0], str(error)) from error
                expected = row[1] + 1
        return out

    @contextmanager
    def _reading(self, segment: Segment, offset: int) -> Iterator[None]:
        """Errors of SQLite in words."""
        try:
            yield
        except (apsw.Error, UnicodeDecodeError) as error:
            if is_corrupt(error):
                raise self._corrupt(segment, offset, "cannot be read") from error
            raise JournalError(f"{segment.path.name} cannot be read: {error}") from error

    def _describe(self, path: Path) -> Segment | None:
        try:
            conn = _connect(path)
        except apsw.CantOpenError:
            return None  # dropped by retention since it was listed
        try:
            return segment_of(conn, path)
        except (apsw.Error, UnicodeDecodeError) as error:
            if is_corrupt(error):
                self._say(path.name, 0)
            raise JournalCorrupt(f"{path} cannot be read ({error}): move it away to go on without its readings") from error
        finally:
            conn.close()

    def _check_order(self) -> None:
        lineages = {segment.lineage for segment in self._segments}
        if len(lineages) > 1:
            raise JournalError(f"{self._folder} holds files of {len(lineages)} journals: keep those of one of them only")

    def _connect(self, segment: Segment) -> apsw.Connection:
        if self._open is None or self._open[0] != segment:
            self.close()
            self._open = (segment, _connect(segment.path))
        return self._open[1]

    def _corrupt(self, segment: Segment, offset: int, what: str) -> JournalCorrupt:
        self._say(segment.path.name, offset)
        return JournalCorrupt(f"journal {segment.path.name}, offset {offset}: {what}")

    def _say(self, name: str, offset: int) -> None:
        if self._on_corrupt is not None:
            self._on_corrupt(name, offset)


def _are(row: Sequence[object], kinds: Sequence[type]) -> bool:
    return all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))


def _decoded(row: tuple[int, int, int, int, int, int, bytes]) -> StoredBlock:
    first, last, kind, version, crc, t_ns, body = row
    if not (0 <= kind <= 255 and 0 <= version <= 65_535) or codec.seal(first, last, kind, version, t_ns, body) != crc:
        raise JournalCorrupt("the checksum does not fit")
    if kind == codec.KIND_TICK:
        block = StoredBlock(first=first, tick=codec.decode_tick(body))
    elif kind == codec.KIND_READINGS:
        block = StoredBlock(first=first, readings=codec.decode(body, version))
    else:
        raise JournalError(f"a block has kind {kind}, which this version does not know: install the newer version again")
    if block.last != last:
        raise JournalCorrupt("the block holds another number of readings than its place says")
    return block


def _connect(path: Path) -> apsw.Connection:
    conn = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    conn.set_busy_timeout(5_000)
    conn.pragma("query_only", True)
    return conn
