"""The writing side: takes batches into the tail, and writes each group of devices once a minute, when that minute is over.

A group's content and its place go into the file in one transaction; groups take turns within the minute, so that no transaction is
long enough to hold up a call for help. A crash costs nothing: the journal is held from the earliest place on, and a group passes
over what is before its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from devices.codes import QUANTITIES
from gateway.clock import NS_PER_S, Clock
from gateway.history.base import Batch, Rejected, WriteResult, time_of
from gateway.history.sqlite import keep, merge
from gateway.history.sqlite.history import History
from gateway.history.sqlite.schema import COMPONENTS, GROUPS, POWER, group_of, place
from gateway.history.sqlite.tail import Snapshot, Tail
from gateway.ops import Ops
from gateway.readings import ReadingBlock, StoredBlock
from gateway.store import Database, StoreError, Writer, cursor

MINUTE_NS = 60 * NS_PER_S
TURN_NS = MINUTE_NS // (GROUPS + 1)
MAX_TAIL = 600_000  # readings in memory: two minutes of 5,000 a second
MAX_SERIES = 200_000
MAX_BATCH = 50_000
RETAIN_EVERY_S = 3600.0
CHECK_BYTES = 64 << 20


@dataclass(slots=True)
class _Place:
    """Where the file stands in the journals."""

    era: int
    lineage: str
    safe: list[int | None]


class SqliteSink:
    """history.sqlite as a sink; `history` reads it."""

    name = "sqlite"
    batch_readings = MAX_BATCH
    linger_s = 0.0

    def __init__(self, db: Database, clock: Clock, ops: Ops, *, max_tail: int = MAX_TAIL) -> None:
        self.tail = Tail()
        self.history = History(db, self._snapshot)
        self._db = db
        self._clock = clock
        self._ops = ops
        self._max_tail = max_tail
        self._era = 0
        self._lineage = ""
        self._numbers: dict[tuple[str, int, int], int] = {}
        self._groups: dict[str, int] = {}
        self._newest: dict[int, int] = {}  # last minute that is in the file, by series
        self._power: dict[int, int] = {}  # decimals of the quantity's step, by series
        self._next = 1
        self._minute = -1
        self._edge = 0  # last offset before the present minute
        self._seen_ns = 0
        self._lock = asyncio.Lock()

    @staticmethod
    def open(path: Path, writer: Writer, clock: Clock, ops: Ops, **more: Any) -> SqliteSink:
        """Open or create the file."""
        # Chunks say themselves when they are damaged; the pages of years would take longer to check than a start may.
        check = not path.exists() or path.stat().st_size <= CHECK_BYTES
        return SqliteSink(Database.open(path, writer, COMPONENTS, check=check), clock, ops, **more)

    def _snapshot(self) -> Snapshot:
        return self.tail.snapshot()

    # -- the place

    @property
    def safe(self) -> int:
        """Offset up to which every group is in the file."""
        return int(self.tail.safe.min())

    async def resume(self, lineage: str, first: int, head: int) -> int:
        """Read the groups' places; a journal that the file does not know begins a new era."""
        await self._db.write(keep.overwrite)
        known = await self._db.read(self._load)
        self._lineage, self._era = lineage, known.era
        safe = [first - 1 if offset is None else offset for offset in known.safe]
        if known.lineage != lineage:
            safe, self._era = [first - 1] * GROUPS, known.era + 1
        elif max(safe) >= head:  # the journal lost its end: its offsets are given out again
            self._ops.fault("history.journal_behind", self.name, place=max(safe), head=head)
            safe, self._era = [min(offset, head - 1) for offset in safe], known.era + 1
        if self._era != known.era:
            era = self._era

            def unit(conn: apsw.Connection) -> None:
                conn.execute("INSERT INTO era(id, lineage) VALUES(?, ?)", (era, lineage))
                for group, offset in enumerate(safe):
                    cursor.put(conn, place(group), lineage, offset)

            await self._db.write(unit)
        self.tail = Tail(min(safe), lineage)
        self.tail.safe[:] = safe
        self._edge = min(safe)
        return min(safe) + 1

    def _load(self, conn: apsw.Connection) -> _Place:
        for number, device, quantity, origin in conn.execute("SELECT id, device, quantity, origin FROM series"):
            self._numbers[device, quantity, origin] = number
            self._power[number] = int(POWER[quantity])
        self._next = max(self._power, default=0) + 1
        for number in self._power:  # the end of each series' own rows: one step down the tree
            newest = conn.execute("SELECT max(minute) FROM minute WHERE series = ?", (number,)).get
            if newest is not None:
                self._newest[number] = newest
        row = conn.execute("SELECT id, lineage FROM era ORDER BY id DESC LIMIT 1").fetchone()
        places = [cursor.get(conn, place(group)) for group in range(GROUPS)]
        era, lineage = (0, "") if row is None else (row[0], row[1])
        return _Place(era, lineage, [None if at is None or at[0] != lineage else at[1] for at in places])

    # -- taking

    async def write(self, batch: Batch) -> WriteResult:
        """Take a batch into the tail; writes what is due. A file that cannot be written is an error as soon as the tail is full."""
        if len(self.tail) >= self._max_tail:
            await self.flush()
        accepted, rejected = 0, []
        for block in batch.blocks:
            if block.last <= self.tail.head:
                continue
            self._see(block)
            if block.readings is not None:
                series, groups = self._series(block.readings)
                refused = series < 0
                if refused.any():
                    rejected += [Rejected(offset=block.first + i, reason="too many series") for i in np.flatnonzero(refused).tolist()]
                accepted += self.tail.take(block.first, block.readings, series, groups)
            self.tail.pass_over(block.last)
        await self._flush_due()
        return WriteResult(accepted=accepted, rejected=tuple(rejected))

    async def missed(self, first: int, last: int) -> None:
        """The journal has dropped these: go on behind them."""
        self.tail.settled(range(GROUPS), last)
        self.tail.pass_over(last)
        self._edge = max(self._edge, last)

    def _see(self, block: StoredBlock) -> None:
        """Follow the time of the journal; any other minute than the present one (a clock may step back) makes an edge."""
        t_ns = time_of(block)
        if t_ns // MINUTE_NS != self._minute:
            self._minute, self._edge = t_ns // MINUTE_NS, block.first - 1
        self._seen_ns = t_ns

    def _series(self, block: ReadingBlock) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Numbers of the readings' series (-1 = refused) and their groups; new series get theirs."""
        joined = (block.device.astype(np.int64) << 24) | (block.quantity.astype(np.int64) << 8) | block.origin
        kinds, inverse = np.unique(joined, return_inverse=True)
        numbers = np.zeros(len(kinds), np.int32)
        groups = np.zeros(len(kinds), np.int8)
        for at, kind in enumerate(kinds.tolist()):
            device = block.devices[kind >> 24]
            groups[at] = self._group(device)
            numbers[at] = self._number((device, (kind >> 8) & 0xFFFF, kind & 0xFF))
        return numbers[inverse], groups[inverse]

    def _group(self, device: str) -> int:
        group = self._groups.get(device)
        if group is None:
            group = self._groups[device] = group_of(device)
        return group

    def _number(self, key: tuple[str, int, int]) -> int:
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= MAX_SERIES or key[1] >= len(QUANTITIES):
                return -1
            number = self._numbers[key] = self._next
            self._next += 1
            self._power[number] = int(POWER[key[1]])
            self.tail.unsaved[key] = number
        return number

    # -- writing

    async def _flush_due(self) -> None:
        edge, turns = self._edge, (self._seen_ns % MINUTE_NS) // TURN_NS
        for group in range(min(GROUPS, turns)):
            # the first one takes the places of all that have nothing along, so that an idle house costs one commit a minute
            if self.tail.safe[group] < edge:
                await self._flush_group(group, edge)

    async def flush(self) -> None:
        """Write everything that was taken."""
        if self.safe >= self.tail.head:
            return
        for group in range(GROUPS):
            if self.tail.safe[group] < self.tail.head:
                await self._flush_group(group, self.tail.head)

    async def _flush_group(self, group: int, upto: int) -> None:
        """One transaction: a group's readings up to an offset with its place, and the places of groups that have none."""
        async with self._lock:
            if self.tail.safe[group] >= upto:  # while this waited for its turn; a place never goes back
                return
            columns, rows = self.tail.of_group(group, upto)
            idle = [other for other, count in enumerate(self.tail.waiting(upto)) if not count and self.tail.safe[other] < upto]
            newest, power, era, lineage = dict(self._newest), self._power, self._era, self._lineage

            def prepare(conn: apsw.Connection) -> merge.Writes:
                found = merge.merged(conn, columns, newest, power)
                merge.singles(found, rows, era)
                return found

            writes = await self._db.read(prepare)
            touched = {row[0] for row in writes.sums} | {row[1] for row in writes.readings}
            names = [(number, *key) for key, number in self.tail.unsaved.items() if number in touched]
            moved = [*idle, group]

            def unit(conn: apsw.Connection) -> None:
                conn.executemany("INSERT OR REPLACE INTO series(id, device, quantity, origin) VALUES(?, ?, ?, ?)", names)
                writes.apply(conn)
                for one in moved:
                    cursor.put(conn, place(one), lineage, upto)

            await self._db.write(unit, rows=len(writes) + len(names) + len(moved))
            for _, device, quantity, origin in names:
                self.tail.unsaved.pop((device, quantity, origin), None)
            for number, minute, *_ in writes.sums:
                self._newest[number] = max(self._newest.get(number, minute), minute)
            self.tail.settled(moved, upto)
            self._ops.counters["history.chunks"] += len(writes.chunks)

    # -- age and erasure

    async def retain(self, limits: keep.Limits) -> keep.Kept:
        """Drop what is older than its class is kept, a bounded piece at a time; returns what was dropped."""
        return await self._in_pieces(keep.steps(limits, self._clock.now_ns(), {number: key[1] for key, number in self._numbers.items()}))

    async def retention(self, limits: keep.Limits) -> None:
        """Retention each hour, until cancelled."""
        while True:
            await self._clock.sleep(RETAIN_EVERY_S)
            try:
                dropped = await self.retain(limits)
            except StoreError as error:
                self._ops.fault("history.retention", self.name, reason=type(error).__name__)
                continue
            self._ops.clear("history.retention", self.name)
            self._ops.counters["history.dropped_chunks"] += dropped.chunks
            self._ops.counters["history.dropped_readings"] += dropped.readings

    async def erase(self, device: str, *, from_ns: int = 0, to_ns: int = 2**62, quantity: int | None = None) -> keep.Kept:
        """Erase a device's readings (of one quantity, of a span [from, to)) with their raw bytes; what is kept is packed again."""
        await self.flush()
        chosen = sorted(number for key, number in self._numbers.items() if key[0] == device and (quantity is None or key[1] == quantity))
        found = await self._in_pieces(keep.erasures(chosen, self._power, from_ns, to_ns))
        await asyncio.to_thread(keep.empty_log, self._db.path)
        return found

    async def _in_pieces(self, steps: Iterable[Callable[[apsw.Connection], keep.Kept]]) -> keep.Kept:
        total = keep.Kept()
        for step in steps:
            async with self._lock:
                total = total.plus(await self._db.write(step))
        return total

    async def close(self) -> None:
        """Write what was taken, then close the file; what cannot be written now is in the journal still."""
        try:
            await self.flush()
        except StoreError:
            self._ops.counters["history.unwritten_at_end"] += 1
        finally:
            await self._db.close()
