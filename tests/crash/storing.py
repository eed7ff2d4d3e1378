"""A process of its own that stores into a folder and says on its output what was accepted; killed or starved by tests.

`python -m tests.crash.storing load <folder> <seed>`   journal and events in both lanes, for ever: "journal <offset> <digest>"
`python -m tests.crash.storing limit <folder> <seed>`  the same data under a file-size limit that stands for a full disk
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw

from gateway import events
from gateway.clock import SystemClock
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import Database, DiskFull, Lane, Writer
from gateway.store import cursor as cursors
from tests.crash.power_cuts import digest_block, digest_event
from tests.support.blocks import make_block

LIMIT_BYTES = 600_000  # of any one file: the log of the database meets it first
RESERVE_BYTES = 400_000


def say(*words: object) -> None:
    """One whole line at once, so that a kill never leaves half an acknowledgement that looks whole."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Store:
    """Journal and store of a folder."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.clock, self.ops, self.rng = SystemClock(), Ops(), rng
        self.folder = folder
        self.writer = Writer(self.clock, self.ops)

    async def open(self, ballast_bytes: int = 0) -> None:
        """Open both."""
        self.writer.start()
        self.db = Database.open(
            self.folder / "store.sqlite", self.writer, (events.COMPONENT, cursors.COMPONENT), ballast_bytes=ballast_bytes
        )
        self.journal = await Journal.open(self.folder / "journal", self.writer, self.clock, self.ops, ballast_bytes=ballast_bytes)

    async def close(self) -> None:
        """Close both."""
        await self.journal.close()
        await self.db.close()
        self.writer.close()

    async def block(self, lane: Lane) -> None:
        """Store a block and say so."""
        size = 1 if lane is Lane.NOW else self.rng.randint(1, 300)
        stored = await self.journal.append(make_block(self.rng, size, payload_bytes=200), priority=lane is Lane.NOW)
        say("journal", stored.last, digest_block(stored))

    async def event(self, lane: Lane) -> None:
        """Store an event with the consumer's cursor and say so."""
        subject, body = f"s{self.rng.random()}", {"pad": "x" * self.rng.randint(1, 1000)}

        def unit(conn: apsw.Connection) -> int:
            offset = events.append(conn, kind="k", subject=subject, actor="a", body=body, t_ns=1)
            cursors.put(conn, "consumer", "lineage", offset)
            return offset

        say("events", await self.db.write(unit, lane=lane), digest_event(subject, body))


async def load(store: Store) -> None:
    """Until killed."""
    await store.open()
    say("ready")

    async def forever(store_one: Callable[[Lane], Awaitable[None]], lane: Lane) -> None:
        while True:
            await store_one(lane)

    await asyncio.gather(*(forever(one, lane) for one in (store.block, store.event) for lane in Lane for _ in range(3)))


class Room:
    """No file of this process may grow beyond a limit, which follows the reserve as the room on a disk does."""

    def __init__(self) -> None:
        self.bytes = LIMIT_BYTES

    def set(self, spare_bytes: int = 0) -> None:
        """So much for any one file."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.bytes + spare_bytes, resource.RLIM_INFINITY))

    def attach(self, db: Database) -> None:
        """Give room when the reserve is freed, take it when it is made again."""
        release, ensure = db.ballast.release, db.ballast.ensure

        def released() -> None:
            release()
            self.set(RESERVE_BYTES)

        def ensured(spare_bytes: int) -> bool:
            self.set()
            return ensure(spare_bytes)

        db.ballast.release = released  # type: ignore[method-assign]
        db.ballast.ensure = ensured  # type: ignore[method-assign]


async def until_refused(store_one: Callable[[Lane], Awaitable[None]]) -> None:
    """Fill up."""
    for _ in range(5000):
        try:
            await store_one(Lane.GROUP)
        except DiskFull:
            return
    raise RuntimeError("never refused")


async def limit(store: Store) -> None:
    """Fill up, go on with calls only, get room, go on with all."""
    room = Room()
    room.set()
    store.ops.listen(lambda fault: say("fault" if fault.active else "clear", fault.code, fault.subject))
    await store.open(ballast_bytes=RESERVE_BYTES)
    for db in (store.db, store.journal._db):
        room.attach(db)
    for store_one in (store.event, store.block):
        room.set()
        await until_refused(store_one)
        for _ in range(20):
            await store_one(Lane.NOW)
    room.bytes = 50_000_000
    for _ in range(100):
        if not store.ops.faults():
            break
        await store.clock.sleep(0.1)
    for store_one in (store.event, store.block):
        for lane in Lane:
            await store_one(lane)
    await store.close()
    say("done")


if __name__ == "__main__":
    what = {"load": load, "limit": limit}[sys.argv[1]]
    asyncio.run(what(Store(Path(sys.argv[2]), random.Random(int(sys.argv[3])))))
