"""The journal's writing side: append, tick, follow, roll over by day, retain. Invariants: see the package."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.journal import codec
from gateway.journal.errors import JournalCorrupt, JournalError, JournalGone, JournalLocked
from gateway.journal.reader import COMPONENT, SUFFIX, JournalReader, Segment, last_offset, segment_of
from gateway.journal.ring import Ring
from gateway.ops import Ops
from gateway.readings import ReadingBlock, StoredBlock, Tick
from gateway.store import Database, Lane, StoreError, Writer, schema

FIRST_OFFSET = 1
LABEL = "journal"
FOLLOW_BLOCKS = 100
INLINE_READINGS = 256  # smaller blocks are packed on the loop: a thread costs more than the packing
ROLL_RETRY_S = 60.0
CHECK_BYTES = 64 << 20
DAY_NS = 86_400 * NS_PER_S


class Extent(NamedTuple):
    """What the journal holds."""

    first: int  # oldest offset
    head: int  # next offset
    days: tuple[str, ...]
    bytes: int


class Journal:
    """Owner of the journal's folder; of one loop."""

    def __init__(self, folder: Path, writer: Writer, clock: Clock, ops: Ops, retention_days: int, settings: _Settings) -> None:
        self.retention_days = retention_days
        self._folder = folder
        self._writer = writer
        self._clock = clock
        self._ops = ops
        self._settings = settings
        self._lock_fd = _lock(folder)
        self._reader = JournalReader(folder, on_corrupt=lambda name, offset: writer.fault("journal.corrupt", name, offset=offset))
        self._reader_lock = threading.Lock()
        self._ring = Ring()
        self._wake = asyncio.Event()
        self._order = asyncio.Lock()  # keeps packed blocks in the order of their appends
        self._door = asyncio.Lock()  # closed while the segment changes
        self._holds: dict[str, int] = {}
        self._closed = False
        self._roll_not_before_ns: int | None = None
        try:
            self._segment, self._db, self.head = self._open_newest()
        except BaseException:
            os.close(self._lock_fd)
            raise
        self.lineage = self._segment.lineage

    @staticmethod
    async def open(
        folder: Path | str,
        writer: Writer,
        clock: Clock,
        ops: Ops,
        retention_days: int = 7,
        *,
        ballast_bytes: int = 0,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        vfs: str | None = None,
    ) -> Journal:
        """Open or create; checks the newest segment's pages and finds the head."""
        folder = Path(folder)
        schema.make_folder(folder)
        settings = _Settings(ballast_bytes, synchronous, vfs)
        # In a thread: checking the pages of a day takes a while.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, Journal, folder, writer, clock, ops, retention_days, settings)

    # -- writing

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        """Store readings; durable when it returns. The block must not be changed afterwards. DiskFull, Overloaded: not stored."""
        if priority or len(block) <= INLINE_READINGS:
            body = codec.encode(block)
            if priority:
                return await self._write(codec.KIND_READINGS, body, Lane.NOW, block=block)
        async with self._order:
            if len(block) > INLINE_READINGS:
                body = await asyncio.get_running_loop().run_in_executor(None, codec.encode, block)
            future = await self._submit(codec.KIND_READINGS, body, Lane.GROUP, block=block)
        return await future

    async def tick(self, t_ns: int, events_offset: int) -> StoredBlock:
        """Store the passing of time; takes one offset."""
        tick = Tick(t_ns=t_ns, events_offset=events_offset)
        return await self._write(codec.KIND_TICK, codec.encode_tick(tick), Lane.GROUP, tick=tick)

    async def _write(
        self, kind: int, body: bytes, lane: Lane, *, block: ReadingBlock | None = None, tick: Tick | None = None
    ) -> StoredBlock:
        future = await self._submit(kind, body, lane, block=block, tick=tick)
        return await future

    async def _submit(
        self, kind: int, body: bytes, lane: Lane, *, block: ReadingBlock | None = None, tick: Tick | None = None
    ) -> asyncio.Future[StoredBlock]:
        async with self._door:
            if self._closed:
                raise JournalError("the journal is closed")
            now_ns = self._clock.now_ns()
            if self._roll_due(now_ns):
                await self._roll_over(now_ns)
            base = self._segment.base
            rows = 1 if block is None else len(block)

            def unit(conn: apsw.Connection) -> StoredBlock:
                first = last_offset(conn, base) + 1
                last = first + rows - 1
                crc = codec.seal(first, last, kind, codec.FORMAT, now_ns, body)
                conn.execute(
                    "INSERT INTO block(first, last, kind, format, crc, t_ns, body) VALUES(?, ?, ?, ?, ?, ?, ?)",
                    (first, last, kind, codec.FORMAT, crc, now_ns, body),
                )
                return StoredBlock(first=first, readings=block, tick=tick)

            return self._db.submit(unit, lane=lane, rows=rows, done=self._stored)

    def _stored(self, block: StoredBlock) -> None:
        """After the commit, on the loop, in the order of the offsets."""
        self._ring.push(block)
        self.head = block.last + 1
        if block.readings is not None:
            self._ops.counters["journal.readings"] += len(block.readings)
            self._ops.counters["journal.blocks"] += 1
        self._wake_followers()

    # -- reading

    def read_sync(self, offset: int, limit_blocks: int = FOLLOW_BLOCKS) -> list[StoredBlock]:
        """Blocks whose last >= `offset`, from the disk, oldest first; [] at the head; from any thread."""
        with self._reader_lock:
            return self._reader.blocks(offset, limit_blocks)

    async def follow(self, offset: int) -> AsyncIterator[list[StoredBlock]]:
        """Blocks from the one that holds `offset`, then each new one; waits at the head, ends when the journal is closed.

        `offset` is the next one that the consumer wants (1 = everything). The first block may begin before it.
        """
        if offset > self.head and offset > self.extent().head:
            raise JournalGone(f"offset {offset} is beyond the head {self.head}: the cursor belongs to another journal")
        while not self._closed:
            wake, head = self._wake, self.head  # taken before looking: what is stored meanwhile is for the next round
            blocks = self._ring.since(offset, FOLLOW_BLOCKS)
            if blocks is None:
                blocks = await asyncio.get_running_loop().run_in_executor(None, self.read_sync, offset, FOLLOW_BLOCKS)
            if blocks:
                offset = blocks[-1].last + 1
                yield blocks
            elif offset < head:
                raise JournalCorrupt(f"offset {offset} is missing, the head is {head}")
            else:
                await wake.wait()

    def recent(self) -> list[StoredBlock]:
        """The newest blocks that memory holds, oldest first: the last half hour of a quiet house."""
        return self._ring.newest()

    def extent(self) -> Extent:
        """What is held; looks at the disk."""
        with self._reader_lock:
            return Extent(*self._reader.extent())

    # -- retention

    def hold(self, name: str, offset: int) -> None:
        """Consumer `name` still needs everything from `offset` on; say it again as the cursor moves."""
        self._holds[name] = offset

    def release(self, name: str) -> None:
        """Consumer `name` needs nothing any more (it fills up from history)."""
        self._holds.pop(name, None)

    async def retain(self, now_ns: int) -> tuple[str, ...]:
        """Unlink segments that are too old and that nobody holds; returns their names."""
        needed = min(self._holds.values(), default=self.head)
        return await asyncio.get_running_loop().run_in_executor(None, self._retain, now_ns, needed)

    def _retain(self, now_ns: int, needed: int) -> tuple[str, ...]:
        with self._reader_lock:
            segments = self._reader.segments()
            # A clock that jumped ahead must not empty the journal: as many segments as days stay in any case.
            candidates = segments[: max(0, len(segments) - self.retention_days)]
            expired = 0
            for index, segment in enumerate(candidates):
                if segments[index + 1].base > needed:
                    break
                # A clock set back leaves times from the future behind: then the successor's age decides.
                if min(self._reader.last_ns(segment), self._reader.last_ns(segments[index + 1])) < now_ns - self.retention_days * DAY_NS:
                    expired = index + 1
            self._reader.close()
            for segment in segments[:expired]:
                _unlink(segment.path)
            return tuple(segment.path.name for segment in segments[:expired])

    # -- segments

    def _open_newest(self) -> tuple[Segment, Database, int]:
        """Newest segment, opened for writing, and the head; makes the first one in an empty folder."""
        for path in self._folder.glob("*" + SUFFIX):
            _drop_uncommitted(path)
        for path in self._folder.glob("*" + SUFFIX + "-*"):
            if not path.with_name(path.name.partition(SUFFIX)[0] + SUFFIX).exists():
                path.unlink()  # left by an unlink that a crash cut short
        segments = self._reader.segments()
        if segments:
            newest = segments[-1]
            db = self._open_segment(newest)
        else:
            newest, db = self._create_segment(str(uuid.uuid4()), FIRST_OFFSET, self._clock.now_ns())
        head = db.read_sync(lambda conn: last_offset(conn, newest.base)) + 1
        if head > newest.base:
            self._reader.blocks(head - 1, 1)  # the end of the log is read back whatever its size
        return newest, db, head

    def _create_segment(self, lineage: str, base: int, now_ns: int) -> tuple[Segment, Database]:
        day = _day(now_ns)
        path = self._folder / (day + SUFFIX)
        number = 1
        while path.exists():
            number += 1
            path = self._folder / f"{day}-{number}{SUFFIX}"
        segment = Segment(path, lineage, base, day, now_ns)
        return segment, self._open_segment(segment)

    def _open_segment(self, segment: Segment) -> Database:
        def created(conn: apsw.Connection) -> None:
            conn.execute(
                "INSERT INTO segment(one, lineage, base, day, t_ns) VALUES(1, ?, ?, ?, ?)",
                (segment.lineage, segment.base, segment.day, segment.t_ns),
            )

        return Database.open(
            segment.path,
            self._writer,
            (COMPONENT,),
            synchronous=self._settings.synchronous,
            vfs=self._settings.vfs,
            ballast_bytes=self._settings.ballast_bytes,
            ballast_path=self._folder / "ballast",
            label=LABEL,
            # Every block carries a checksum that reading verifies; the pages of a large day would take longer than a start may.
            check=not segment.path.exists() or segment.path.stat().st_size <= CHECK_BYTES,
            created=created,
        )

    def _roll_due(self, now_ns: int) -> bool:
        """A new day, or a clock that had been days ahead and is right again."""
        today, current = date.fromisoformat(_day(now_ns)), date.fromisoformat(self._segment.day)
        if current - timedelta(days=1) <= today <= current or self.head == self._segment.base:
            return False  # an empty segment is used first: two of the same base would have no order
        return self._roll_not_before_ns is None or self._clock.monotonic_ns() >= self._roll_not_before_ns

    async def _roll_over(self, now_ns: int) -> None:
        """Start the next segment; if that fails the old one goes on and it is tried again later."""
        await self._db.drain()  # then the head is the next segment's base
        loop = asyncio.get_running_loop()
        try:
            segment, db = await loop.run_in_executor(None, self._create_segment, self.lineage, self.head, now_ns)
        except StoreError as error:
            self._roll_not_before_ns = self._clock.monotonic_ns() + int(ROLL_RETRY_S * NS_PER_S)
            self._ops.fault("journal.rollover", LABEL, error=type(error).__name__)
            return
        old, self._segment, self._db = self._db, segment, db
        self._roll_not_before_ns = None
        self._ops.clear("journal.rollover", LABEL)
        await old.close()

    # -- end

    async def close(self) -> None:
        """Commit what waits, end the followers, give the folder back."""
        async with self._door:
            if self._closed:
                return
            self._closed = True
        await self._db.close()
        self._wake_followers()
        with self._reader_lock:
            self._reader.close()
        os.close(self._lock_fd)

    def _wake_followers(self) -> None:
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()


class _Settings(NamedTuple):
    """How segments are opened."""

    ballast_bytes: int
    synchronous: Literal["FULL", "NORMAL"]
    vfs: str | None


def _day(now_ns: int) -> str:
    return datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def _lock(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalLocked(f"another process writes {folder}: stop it first (`anxin status` shows it)") from error
    return fd


def _drop_uncommitted(path: Path) -> None:
    """Remove a segment whose creation a crash cut off: nothing was ever committed to it."""
    conn = apsw.Connection(str(path))
    try:
        blank = segment_of(conn, path) is None
    except (apsw.Error, StoreError, UnicodeDecodeError):
        return  # damaged, not blank: the reader names it
    finally:
        conn.close()
    if blank:
        _unlink(path)


def _unlink(path: Path) -> None:
    """The database first: side files without it are harmless, a database without its log would be an older state."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
