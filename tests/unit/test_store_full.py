"""No room, by SQLite's page limit: the reserve carries calls and alerts, the rest is refused clearly, all comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from gateway.clock import SystemClock
from gateway.ops import Fault, Ops
from gateway.store import Component, Database, DiskFull, Lane, Writer

NOTES = Component("notes", ("CREATE TABLE note(id INTEGER PRIMARY KEY, lane TEXT NOT NULL, body BLOB NOT NULL) STRICT",))
DISK_PAGES = 60
RESERVE_PAGES = 40


class SmallDisk:
    """A disk of so many pages, of which the reserve takes its part while it is there."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.pages = DISK_PAGES
        ballast = db.ballast
        self._release, self._ensure = ballast.release, ballast.ensure
        ballast.release = self.release  # type: ignore[method-assign]
        ballast.ensure = self.ensure  # type: ignore[method-assign]
        self._limit()

    def _limit(self) -> None:
        self.db._conn.pragma("max_page_count", self.pages if self.db.ballast.present else self.pages + RESERVE_PAGES)

    def release(self) -> None:
        self._release()
        self._limit()

    def ensure(self, spare_bytes: int) -> bool:
        if not self._ensure(spare_bytes):
            return False
        self._limit()
        return True


@pytest.fixture
def ops() -> Ops:
    return Ops()


@pytest.fixture
async def disk(tmp_path: Path, ops: Ops) -> AsyncIterator[SmallDisk]:
    writer = Writer(SystemClock(), ops, group_window_s=0)
    writer.start()
    db = Database.open(tmp_path / "store.sqlite", writer, (NOTES,), ballast_bytes=RESERVE_PAGES * 4096)
    assert db.ballast.path.stat().st_size == RESERVE_PAGES * 4096
    yield SmallDisk(db)
    await db.close()
    writer.close()


async def note(db: Database, lane: Lane, size: int = 4000) -> int:
    def unit(conn: apsw.Connection) -> int:
        return int(conn.execute("INSERT INTO note(lane, body) VALUES(?, zeroblob(?)) RETURNING id", (lane.value, size)).get)

    return await db.write(unit, lane=lane)


def ids(conn: apsw.Connection) -> list[int]:
    return [number for (number,) in conn.execute("SELECT id FROM note ORDER BY id")]


async def until_refused(db: Database, lane: Lane) -> list[int]:
    accepted = []
    for _ in range(1000):
        try:
            accepted.append(await note(db, lane))
        except DiskFull:
            return accepted
    pytest.fail("never refused")


async def fill(disk: SmallDisk) -> list[int]:
    """Write until it is refused; returns what was accepted."""
    return await until_refused(disk.db, Lane.GROUP)


@pytest.mark.timeout(20)
async def test_calls_go_on_readings_are_refused_and_all_recovers(disk: SmallDisk, ops: Ops) -> None:
    changes: list[Fault] = []
    ops.listen(changes.append)
    accepted = await fill(disk)
    assert len(accepted) > 20
    assert [(fault.code, fault.subject, fault.active) for fault in changes] == [("disk.full", "store.sqlite", True)]
    assert not disk.db.ballast.path.exists(), "the reserve is given back"
    for _ in range(10):
        accepted.append(await note(disk.db, Lane.NOW))
        with pytest.raises(DiskFull, match="free space"):
            await note(disk.db, Lane.GROUP, 10)
    assert len(changes) == 1, "said once"
    disk.pages = 500  # somebody made room
    for _ in range(100):
        if not ops.faults():
            break
        await asyncio.sleep(0.1)
    assert ops.faults() == ()
    assert disk.db.ballast.present, "the reserve stands again"
    accepted.append(await note(disk.db, Lane.GROUP))
    assert disk.db.read_sync(ids) == accepted, "everything accepted is there, nothing refused is"
    assert disk.db.read_sync(lambda conn: conn.execute("SELECT count(*) FROM meta_probe").get) == 0


@pytest.mark.timeout(20)
async def test_while_there_is_no_room_the_fault_stays(disk: SmallDisk, ops: Ops) -> None:
    changes: list[Fault] = []
    ops.listen(changes.append)
    await fill(disk)
    await asyncio.sleep(2.5)  # a few attempts
    assert len(changes) == 1
    await note(disk.db, Lane.NOW)
    with pytest.raises(DiskFull):
        await note(disk.db, Lane.GROUP)


async def test_the_priority_lane_is_refused_only_when_the_reserve_is_used_up(disk: SmallDisk) -> None:
    accepted = await fill(disk)
    accepted += await until_refused(disk.db, Lane.NOW)
    assert disk.db.read_sync(ids) == accepted


async def test_a_full_disk_refuses_everybody_of_the_transaction(disk: SmallDisk) -> None:
    accepted = [await note(disk.db, Lane.GROUP) for _ in range(3)]
    small = [disk.db.submit(lambda conn: conn.execute("INSERT INTO note(lane, body) VALUES('x', x'00')")) for _ in range(3)]
    big = disk.db.submit(lambda conn: conn.execute("INSERT INTO note(lane, body) VALUES('x', zeroblob(10000000))"))
    results = await asyncio.gather(*small, big, return_exceptions=True)
    refused = [isinstance(result, DiskFull) for result in results]
    assert refused[-1]
    stored = disk.db.read_sync(ids)
    assert len(stored) == len(accepted) + refused.count(False)


async def test_a_start_on_a_full_disk_says_so_and_serves_calls(tmp_path: Path, ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.ballast.free_bytes", lambda folder: 1000)
    writer = Writer(SystemClock(), ops, group_window_s=0)
    writer.start()
    db = Database.open(tmp_path / "store.sqlite", writer, (NOTES,), ballast_bytes=1 << 20)
    await asyncio.sleep(0)
    assert [fault.code for fault in ops.faults()] == ["disk.full"]
    with pytest.raises(DiskFull):
        await note(db, Lane.GROUP)
    assert await note(db, Lane.NOW) == 1
    await db.close()
    writer.close()


async def test_closing_a_full_database_meets_no_probe(tmp_path: Path, ops: Ops) -> None:
    """The writer thread tries a full database on its own account; one that is being closed at that moment must not end the thread."""
    writer = Writer(SystemClock(), ops, group_window_s=0)
    writer.start()
    other = Database.open(tmp_path / "other.sqlite", writer, (NOTES,))
    for number in range(20):
        db = Database.open(tmp_path / f"{number}.sqlite", writer, (NOTES,), ballast_bytes=4096)
        db._enter_full()
        tending = asyncio.create_task(asyncio.to_thread(db.tend))
        await db.close()
        await tending
        assert await note(other, Lane.GROUP) == number + 1
    await other.close()
    writer.close()


async def test_an_error_while_trying_is_a_fault_and_the_writer_lives(disk: SmallDisk, ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise apsw.IOError("disk I/O error")

    await fill(disk)
    monkeypatch.setattr("gateway.store.database.schema.Immediate", broken)
    assert await asyncio.to_thread(disk.db.tend)
    await asyncio.sleep(0)
    assert {fault.code for fault in ops.faults()} == {"disk.full", "store.write"}
    await note(disk.db, Lane.NOW)
