"""A workload on journal and store under the logging VFS, and the examination of what power cuts leave of it."""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import apsw

from gateway import events
from gateway.clock import SystemClock
from gateway.journal import Journal, JournalError, JournalReader, codec
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import Database, Lane, StoreError, Writer
from gateway.store import cursor as cursors
from tests.support.blocks import make_block
from tests.support.fake_clock import FakeClock
from tests.support.power import LoggingVFS, Recording, disk_at

Synchronous = Literal["FULL", "NORMAL"]
ROUNDS = 25
POINTS_PER_RECORDING = 25
CHECKPOINT_PAGES = 20  # often, so that cuts fall into checkpoints too
DAY_S = 86_400


@dataclass
class Report:
    """What a number of power cuts did."""

    cuts: int = 0
    corrupt: list[str] = field(default_factory=list)
    cuts_with_loss: int = 0
    lost: int = 0
    accepted: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """One line of figures."""
        return (
            f"{self.cuts} power cuts, {self.accepted} accepted units checked, {len(self.corrupt)} corrupt,"
            f" {self.lost} accepted lost in {self.cuts_with_loss} cuts; cut before: {dict(self.kinds)}"
        )


def digest_event(subject: str, body: Mapping[str, object]) -> str:
    """Digest of an event's content."""
    return hashlib.sha256(repr((subject, sorted(body.items()))).encode()).hexdigest()


def digest_block(block: StoredBlock) -> str:
    """Digest of a block with its place."""
    content = codec.encode(block.readings) if block.readings is not None else repr(block.tick).encode()
    return hashlib.sha256(b"%d:" % block.first + content).hexdigest()


async def workload(recording: Recording, vfs: str, synchronous: Synchronous, rng: random.Random) -> None:
    """Appends to the journal in both lanes, ticks, events with a cursor, days that change; acknowledged as they return."""
    clock = FakeClock()
    writer = Writer(clock, Ops(), group_window_s=0)
    writer.start()
    db = Database.open(
        recording.root / "store.sqlite", writer, (events.COMPONENT, cursors.COMPONENT), synchronous=synchronous, vfs=vfs, check=False
    )
    journal = await Journal.open(recording.root / "journal", writer, clock, Ops(), synchronous=synchronous, vfs=vfs)
    db._conn.wal_autocheckpoint(CHECKPOINT_PAGES)

    async def block(size: int, priority: bool) -> None:
        stored = await journal.append(make_block(rng, size, payload_bytes=rng.randint(0, 400)), priority=priority)
        recording.ack("journal", stored.last, digest_block(stored))

    async def event(lane: Lane) -> None:
        subject, body = f"s{rng.random()}", {"pad": "x" * rng.randint(1, 3000)}

        def unit(conn: apsw.Connection) -> int:
            offset = events.append(conn, kind="k", subject=subject, actor="a", body=body, t_ns=1)
            cursors.put(conn, "consumer", "lineage", offset)
            return offset

        recording.ack("events", await db.write(unit, lane=lane), digest_event(subject, body))

    async def tick(number: int) -> None:
        stored = await journal.tick(number, number)
        recording.ack("journal", stored.last, digest_block(stored))

    for number in range(ROUNDS):
        journal._db._conn.wal_autocheckpoint(CHECKPOINT_PAGES)
        work = [block(rng.randint(1, 400), False), block(1, True), event(Lane.GROUP), event(Lane.NOW), tick(number)]
        rng.shuffle(work)
        await asyncio.gather(*work)
        if number % 9 == 8:
            clock.step_wall(DAY_S)
    await journal.close()
    await db.close()
    writer.close()


def record(root: Path, synchronous: Synchronous, seed: int) -> Recording:
    """Run the workload once and keep what it did to the disk."""
    recording = Recording(root)
    name = f"logging-{seed}-{synchronous}"
    vfs = LoggingVFS(name, recording)
    try:
        asyncio.run(workload(recording, name, synchronous, random.Random(seed)))
    finally:
        vfs.unregister()
    return recording


def run(cuts: int, synchronous: Synchronous, seed: int, *, lying_disk: bool = False) -> Report:
    """So many power cuts over as many recordings as they need; a lying disk says "synced" and syncs nothing."""
    rng = random.Random(seed)
    report = Report()
    while report.cuts < cuts:
        with tempfile.TemporaryDirectory(prefix="power-") as folder:
            recording = record(Path(folder) / "live", synchronous, rng.randrange(2**32))
            if lying_disk:
                recording.ops = [op for op in recording.ops if op.kind not in ("sync", "names")]
            begin = next(index for index, op in enumerate(recording.ops) if op.kind == "ack")
            for _ in range(min(POINTS_PER_RECORDING, cuts - report.cuts)):
                point = rng.randrange(begin, len(recording.ops) + 1)
                target = Path(folder) / f"cut{report.cuts}"
                acked = materialise(recording, point, target, rng)
                if point < len(recording.ops):
                    report.kinds[recording.ops[point].kind] += 1
                examine(target, acked, report, restart=report.cuts % 10 == 0)
    return report


def materialise(recording: Recording, point: int, target: Path, rng: random.Random) -> list[tuple[str, int, str]]:
    """Write the files of a power cut into a folder; returns what had been acknowledged."""
    files, acked = disk_at(recording, point, rng)
    for path, content in files.items():
        copy = target / Path(path).relative_to(recording.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    return acked


def examine(folder: Path, acked: list[tuple[str, int, str]], report: Report, *, restart: bool) -> None:
    """Open what is left, check it, compare it with what was accepted."""
    report.cuts += 1
    found: dict[str, dict[int, str]] = {"events": {}, "journal": {}}
    try:
        found["events"] = events_found(folder / "store.sqlite")
        found["journal"] = blocks_found(folder / "journal")
        if restart:
            asyncio.run(start_again(folder))
    except (apsw.Error, StoreError, JournalError, AssertionError) as error:
        report.corrupt.append(f"{type(error).__name__}: {error}")
    lost = sum(found[log].get(offset) != digest for log, offset, digest in acked)
    report.accepted += len(acked)
    report.lost += lost
    report.cuts_with_loss += lost > 0


def events_found(path: Path) -> dict[int, str]:
    """Offset -> digest; the file is checked, offsets are dense, the cursor stands where its event stands."""
    conn = apsw.Connection(str(path))
    try:
        if conn.execute("SELECT count(*) FROM sqlite_schema").get == 0:
            return {}
        result = conn.execute("PRAGMA integrity_check").get
        if result != "ok":
            raise StoreError(f"store: {result}")
        rows = events.read(conn, 0, limit=10**6)
        if [row.offset for row in rows] != list(range(1, len(rows) + 1)):
            raise StoreError("the offsets of the events are not dense")
        cursor = cursors.get(conn, "consumer")
        if (0 if cursor is None else cursor[1]) != len(rows):
            raise StoreError("the cursor and its event went different ways")
        return {row.offset: digest_event(row.subject, row.body) for row in rows}
    finally:
        conn.close()


def blocks_found(folder: Path) -> dict[int, str]:
    """Last offset -> digest of each block; every check of the journal is made."""
    reader = JournalReader(folder)
    try:
        found = reader.verify()
        if found.problems:
            raise JournalError("; ".join(found.problems))
        digests: dict[int, str] = {}
        offset = 1
        while blocks := reader.blocks(offset, 100):
            digests.update((block.last, digest_block(block)) for block in blocks)
            offset = blocks[-1].last + 1
        return digests
    finally:
        reader.close()


async def start_again(folder: Path) -> None:
    """The real start after the cut: it must come up, go on at the next offset, and hold what it takes."""
    writer = Writer(SystemClock(), Ops())
    writer.start()
    try:
        db = Database.open(folder / "store.sqlite", writer, (events.COMPONENT, cursors.COMPONENT))
        head = db.read_sync(lambda conn: len(events.read(conn, 0, limit=10**6)))
        assert db.lineage
        offset = await db.write(lambda conn: events.append(conn, kind="k", subject="s", actor="a", body={}, t_ns=1))
        assert offset == head + 1
        await db.close()
        journal = await Journal.open(folder / "journal", writer, FakeClock(), Ops())
        head = journal.head
        assert (await journal.tick(1, 1)).first == head
        assert journal.read_sync(head)[0].first == head
        await journal.close()
    finally:
        writer.close()
