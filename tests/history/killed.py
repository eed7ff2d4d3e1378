"""A process that stores into a journal and its history until it is killed: `python -m tests.history.killed <folder> <seed>`."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.history.base import HistoryRunner
from gateway.history.sqlite import SqliteSink
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.store import Writer
from tests.history.twin import random_blocks
from tests.support.blocks import START_NS


async def load(folder: Path, rng: random.Random) -> None:
    """Until killed; the journal's time runs fast, so that groups take their turns all the time."""
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.0)
    writer.start()
    journal = await Journal.open(folder / "journal", writer, clock, ops)
    sink = SqliteSink.open(folder / "history.sqlite", writer, clock, ops)
    running = asyncio.create_task(HistoryRunner(journal, sink, clock, ops).run())

    async def flushes() -> None:
        while True:
            await clock.sleep(rng.uniform(0.0, 0.05))
            await sink.flush()

    flushing = asyncio.create_task(flushes())
    print("ready", flush=True)
    number = 0
    while not running.done() and not flushing.done():
        number += 1
        for block in random_blocks(rng, 50, begin_ns=START_NS + (journal.head % 1000) * 10**9):
            assert block.readings is not None
            await journal.append(block.readings)


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1]), random.Random(int(sys.argv[2]))))
