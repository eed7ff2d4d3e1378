"""Power cuts on the history: a recording of what reaches the disk, and the examination of what cuts leave of it."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

from gateway.clock import SystemClock
from gateway.history.sqlite import COMPONENTS, SqliteSink
from gateway.history.sqlite.schema import group_of
from gateway.ops import Ops
from gateway.readings import StoredBlock
from gateway.store import Database, Writer
from tests.crash.power_cuts import Synchronous, materialise
from tests.history.twin import LINEAGE, One, feed, of_series, ones, plain, plain_line, random_blocks, sink_at
from tests.support.blocks import START_NS
from tests.support.power import LoggingVFS, Recording

CUTS_PER_RECORDING = 20
CHECKPOINT_PAGES = (10, 1000)  # by turns: often, so that cuts fall into checkpoints, too, and hardly ever: a checkpoint syncs the log
FAR_MS = 10**9
WINDOW = (START_NS // 10**6 - FAR_MS, START_NS // 10**6 + FAR_MS)


class Lost(AssertionError):
    """An acknowledged place is not in the file."""


async def record(
    recording: Recording, vfs: str, blocks: list[StoredBlock], rng: random.Random, synchronous: Synchronous, pages: int
) -> None:
    """Feed a sink on the logging disk; each group's place is acknowledged when it has moved."""
    writer = Writer(SystemClock(), Ops(), group_window_s=0)
    writer.start()
    db = Database.open(recording.root / "history.sqlite", writer, COMPONENTS, synchronous=synchronous, vfs=vfs, check=False)
    db._conn.wal_autocheckpoint(pages)
    sink = SqliteSink(db, SystemClock(), Ops())
    await sink.resume(LINEAGE, 1, 2**40)
    for block in blocks:
        await feed(sink, [block], rng)
        if rng.random() < 0.4:
            await sink.flush()
        for group, safe in enumerate(sink.tail.safe.tolist()):
            recording.ack(str(group), safe, "")
    await db.close()
    writer.close()


async def same(sink: SqliteSink, twin: list[One]) -> None:
    """The same curves and the same number of rows."""
    for device in sorted({one.device for one in twin}):
        for quantity in sorted({one.quantity for one in twin}):
            wanted = of_series(twin, device, quantity, *WINDOW)
            span = (WINDOW[0] * 10**6, WINDOW[1] * 10**6)
            assert plain_line(await sink.history.series(device, quantity, *span)) == plain(wanted)
            assert (await sink.history.envelope(device, quantity, *span)).n.sum() == sum(one.told for one in wanted)
        assert len(await sink.history.rows(device, None, 0, 2**62, 10_000)) == sum(one.single for one in twin if one.device == device)


async def examine(folder: Path, acked: list[tuple[str, int, str]], blocks: list[StoredBlock]) -> None:
    async with sink_at(folder / "history.sqlite") as sink:
        safe = sink.tail.safe.tolist()
        for group, offset, _ in acked:
            if safe[int(group)] < offset:
                raise Lost(f"group {group}: {offset} was acknowledged, {safe[int(group)]} is there")
        readings = ones(blocks)  # offsets are dense from 1
        below = [one for offset, one in enumerate(readings, 1) if offset <= safe[group_of(one.device)]]
        await same(sink, below)
        await feed(sink, [block for block in blocks if block.last > sink.safe], random.Random(1))
        await sink.flush()
        await same(sink, readings)


def run(cuts: int, seed: int) -> int:
    """So many power cuts; raises at the first that loses something; returns how many readings were compared."""
    compared, losses = _cut(cuts, seed, "FULL")
    if losses:
        raise losses[0]
    return compared


def weak(cuts: int, seed: int) -> int:
    """The same with a sink that does not wait for the disk at a commit; returns in how many cuts the examination found a loss."""
    return len(_cut(cuts, seed, "NORMAL")[1])


def _cut(cuts: int, seed: int, synchronous: Synchronous) -> tuple[int, list[Lost]]:
    rng = random.Random(seed)
    done = compared = turn = 0
    losses: list[Lost] = []
    while done < cuts:
        with tempfile.TemporaryDirectory(prefix="power-") as name:
            recording = Recording(Path(name) / "live")
            blocks = random_blocks(rng, 25)
            disk = f"history-{synchronous}-{seed}-{done}"
            vfs = LoggingVFS(disk, recording)
            try:
                asyncio.run(record(recording, disk, blocks, rng, synchronous, CHECKPOINT_PAGES[turn % len(CHECKPOINT_PAGES)]))
            finally:
                vfs.unregister()
            begin = next(index for index, op in enumerate(recording.ops) if op.kind == "ack")
            for _ in range(min(CUTS_PER_RECORDING, -(-cuts // 2), cuts - done)):
                target = Path(name) / f"cut{done}"
                acked = materialise(recording, rng.randrange(begin, len(recording.ops) + 1), target, rng)
                try:
                    asyncio.run(examine(target, acked, blocks))
                except Lost as loss:
                    losses.append(loss)
                done += 1
                compared += len(ones(blocks))
        turn += 1
    return compared, losses
