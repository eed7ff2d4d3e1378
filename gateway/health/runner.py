"""Follows the journal and keeps the state of every device in memory, with a checkpoint in devices.sqlite once a minute.

It never holds the journal: a state is of now, and what the journal has dropped is no news. After a kill the journal is read again from the
checkpoint on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import apsw

from gateway.clock import NS_PER_S, Clock
from gateway.health import file, unassigned
from gateway.health.record import Record, Slot, take
from gateway.health.unassigned import Unassigned
from gateway.hearing import Hearing
from gateway.journal import Journal, JournalGone
from gateway.ops import Ops
from gateway.store import Database, StoreError, Writer, cursor

CHECKPOINT_S = 60.0
MAX_DEVICES = 20_000  # more are strangers' inventions; they are counted, not kept


class DeviceHealth:
    """All devices as they are."""

    def __init__(self, db: Database, journal: Journal, clock: Clock, ops: Ops, unassigned: Unassigned | None = None) -> None:
        self.unassigned = unassigned
        self.hearing = Hearing()
        self.rooms: Mapping[str, str] = {}  # of our own adapters
        self.records: dict[str, Record] = {}
        self.offset = 0
        self._db = db
        self._journal = journal
        self._clock = clock
        self._ops = ops
        self._dirty: set[str] = set()
        self._written_ns = 0

    @staticmethod
    def open(
        data_dir: Path, journal: Journal, writer: Writer, clock: Clock, ops: Ops, unassigned: Unassigned | None = None
    ) -> DeviceHealth:
        """Open the file and read what it knows."""
        health = DeviceHealth(Database.open(data_dir / "devices.sqlite", writer, file.COMPONENTS), journal, clock, ops, unassigned)
        health.records, place = health._db.read_sync(lambda conn: (file.load(conn, clock.now_ns()), cursor.get(conn, "journal")))
        if unassigned is not None:
            health._db.read_sync(unassigned.load)
        if place is not None and place[0] == journal.lineage:
            health.offset = place[1] + 1
        return health

    async def run(self) -> None:
        """Until cancelled."""
        self._written_ns = self._clock.monotonic_ns()
        while True:
            self.offset = max(self.offset, (await asyncio.to_thread(self._journal.extent)).first)
            try:
                async for blocks in self._journal.follow(self.offset):
                    for block in blocks:
                        if block.readings is not None:
                            if self.unassigned is not None:  # may be repeated after a kill: it settles what is not settled
                                await self.unassigned.take(block.readings)
                            self._dirty |= take(self.records, block.readings)
                        self.offset = block.last + 1  # with the counts, before anybody else gets a turn
                        await asyncio.sleep(0)  # while catching up nothing else may wait long
                    if self._clock.monotonic_ns() - self._written_ns >= CHECKPOINT_S * NS_PER_S:
                        await self.checkpoint()
                return  # the journal is closed
            except JournalGone:
                self._ops.counters["health.overtaken"] += 1

    async def checkpoint(self) -> None:
        """Write what has changed; a file that cannot be written is tried again a minute later, the journal still has it."""
        self._written_ns, now_ns = self._clock.monotonic_ns(), self._clock.now_ns()
        self._bound()
        dirty, self._dirty = self._dirty, set()
        records = [self.records[device] for device in sorted(dirty) if device in self.records]
        rows, parts = file.states(records), file.slots(records)
        place = (self._journal.lineage, self.offset - 1)
        touched = {one.device: one.touched for one in records}
        for one in records:
            one.touched = set()
        loose = [] if self.unassigned is None else self.unassigned.rows()

        def unit(conn: apsw.Connection) -> None:
            file.save(conn, rows, parts, place, now_ns)
            unassigned.save(conn, loose, now_ns)

        try:
            await self._db.write(unit, rows=len(rows) + len(parts) + len(loose) + 1)
            self._ops.clear("health.store", "devices")
        except StoreError as error:
            self._ops.fault("health.store", "devices", reason=type(error).__name__)
            self._dirty |= dirty
            if self.unassigned is not None:
                self.unassigned.again(loose)
            for one in records:
                one.touched |= touched[one.device]
        for one in self.records.values():
            one.forget(now_ns)
        if self.unassigned is not None:
            self.unassigned.forget()

    def _bound(self) -> None:
        over = len(self.records) - MAX_DEVICES
        if over > 0:
            self._ops.counters["health.left_out"] += over
            for device in sorted(self.records, key=lambda device: self.records[device].last_ns)[:over]:
                del self.records[device]

    async def course(self, device: str) -> list[tuple[int, Slot]]:
        """The ten-minute slots of a device for a week, oldest first; those of the last minute as memory has them."""
        kept = dict(await self._db.read(lambda conn: file.course(conn, device)))
        record = self.records.get(device)
        return sorted((kept | ({} if record is None else record.slots)).items())

    async def close(self) -> None:
        """Write the last checkpoint and close the file."""
        try:
            await self.checkpoint()
        finally:
            await self._db.close()
