"""Journal and writer: packing, durable appends, and how long an urgent write takes while readings stream in."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

from gateway.clock import SystemClock
from gateway.journal import Journal, codec
from gateway.ops import Ops
from gateway.store import Writer
from tests.support.blocks import make_block, with_plain_payloads

CLOCK = SystemClock()


def packing(readings: int, frames: int) -> None:
    """Readings per second of one thread."""
    block = with_plain_payloads(make_block(random.Random(1), readings, frames))
    rounds = max(5, 100_000 // readings)
    begun_ns = CLOCK.monotonic_ns()
    for _ in range(rounds):
        body = codec.encode(block)
    packed_ns = CLOCK.monotonic_ns()
    for _ in range(rounds):
        codec.decode(body, codec.FORMAT)
    done_ns = CLOCK.monotonic_ns()
    pack, unpack = (rounds * readings / (span / 1e9) for span in (packed_ns - begun_ns, done_ns - packed_ns))
    print(f"{readings} readings of {frames} frames: pack {pack:,.0f}/s, unpack {unpack:,.0f}/s, {len(body) / readings:.1f} B/reading")


async def appends(folder: Path) -> None:
    """Durable readings per second, then urgent appends beside a stream."""
    writer = Writer(CLOCK, Ops())
    writer.start()
    journal = await Journal.open(folder, writer, CLOCK, Ops())
    rng = random.Random(1)
    block, call = (with_plain_payloads(make_block(rng, *size)) for size in ((2000, 20), (1, 1)))
    begun_ns = CLOCK.monotonic_ns()
    await asyncio.gather(*(journal.append(block) for _ in range(100)))
    print(f"durable, 2,000 readings per block: {100 * 2000 / ((CLOCK.monotonic_ns() - begun_ns) / 1e9):,.0f} readings/s")

    async def stream(pause_s: float) -> None:
        while True:
            await journal.append(block)
            await CLOCK.sleep(pause_s)

    for name, count, pause_s in (("40,000 readings/s", 1, 0.05), ("as many readings as go in", 4, 0.0)):
        streams = [asyncio.create_task(stream(pause_s)) for _ in range(count)]
        spans = []
        for _ in range(300):
            await CLOCK.sleep(0.01)
            begun_ns = CLOCK.monotonic_ns()
            await journal.append(call, priority=True)
            spans.append((CLOCK.monotonic_ns() - begun_ns) / 1e6)
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        spans.sort()
        print(f"urgent append beside {name}: p50 {spans[150]:.1f} p95 {spans[285]:.1f} p99 {spans[297]:.1f} max {spans[-1]:.1f} ms")
    await journal.close()
    writer.close()


if __name__ == "__main__":
    for sizes in ((2000, 2000), (2000, 20), (10_000, 1)):
        packing(*sizes)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(appends(Path(scratch)))
