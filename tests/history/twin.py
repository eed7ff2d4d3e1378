"""The slow and obvious history: every reading in a list; and what drives a sink in tests."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from devices.codes import QUANTITIES, Kind
from devices.model import Quality
from gateway.clock import SystemClock
from gateway.history.base import Batch, Sink
from gateway.history.sqlite import COMPONENTS, SqliteSink
from gateway.history.sqlite.chunks import Points
from gateway.history.sqlite.schema import SILENT
from gateway.ops import Ops
from gateway.readings import FrameRow, Mark, ReadingBlock, StoredBlock
from gateway.store import Database, Writer
from tests.support.blocks import START_NS

LINEAGE = "journal-1"
Plain = tuple[int, str, int, int]  # t_ms, value, quality, mark


@dataclass(frozen=True, slots=True)
class One:
    """One reading as the twin keeps it."""

    device: str
    quantity: str
    t_ns: int
    value: float
    quality: int
    mark: int
    payload: bytes

    @property
    def t_ms(self) -> int:
        return self.t_ns // 1_000_000

    @property
    def curve(self) -> bool:
        return not self.mark & (Mark.FUTURE | Mark.RETAINED | Mark.TEST)

    @property
    def told(self) -> bool:
        return self.curve and math.isfinite(self.value) and not self.quality & SILENT

    @property
    def single(self) -> bool:
        kind = next(row.kind for row in QUANTITIES if row.key == self.quantity)
        return kind not in (Kind.CONTINUOUS, Kind.STATUS) or bool(self.mark & Mark.STORED) or not self.curve


def ones(blocks: Sequence[StoredBlock]) -> list[One]:
    """Every reading of these blocks."""
    found = []
    for block in blocks:
        readings = block.readings
        if readings is None:
            continue
        found += [
            One(
                readings.devices[readings.device[i]], QUANTITIES[readings.quantity[i]].key, int(readings.t_measured_ns[i]),
                float(readings.value[i]), int(readings.quality[i]), int(readings.mark[i]), readings.frames[readings.frame[i]].payload,
            )
            for i in range(len(readings))
        ]  # fmt: skip
    return found


def of_series(all_of_them: Sequence[One], device: str, quantity: str, from_ms: int, to_ms: int) -> list[One]:
    return [one for one in all_of_them if (one.device, one.quantity) == (device, quantity) and from_ms <= one.t_ms < to_ms]


def plain(all_of_them: Sequence[One]) -> list[Plain]:
    """What a curve has of these, comparable."""
    return sorted((one.t_ms, repr(one.value + 0.0) if one.told else "nan", one.quality, one.mark) for one in all_of_them if one.curve)


def plain_line(points: Points | object) -> list[Plain]:
    columns = [getattr(points, name).tolist() for name in ("t_ms", "value", "quality", "mark")]
    return sorted((t, repr(value + 0.0), quality, mark) for t, value, quality, mark in zip(*columns, strict=True))


def random_block(rng: random.Random, first: int, n: int, around_ns: int, spread_s: float, seq: int) -> StoredBlock:
    """Readings of a few series around a moment, with everything odd in it."""
    devices = tuple(f"dev-{number}" for number in range(rng.randint(1, 4)))
    keys = ("hr", "spo2", "temp", "steps", "glucose", "call.sos", "glucose_cgm", "ecg")
    index = {row.key: row.index for row in QUANTITIES}
    frames = tuple(
        FrameRow(
            device=devices[0], channel="mqtt", topic="anxin/up/x", boot_id="b", seq=seq + i, t_received_ns=around_ns, t_device_ns=None,
            payload=rng.randbytes(9),
        )
        for i in range(rng.randint(1, 3))
    )  # fmt: skip
    values = [
        rng.choice([float(rng.randint(40, 160)), round(rng.uniform(3, 40), 1), rng.uniform(0, 100), 72.5, math.nan, -0.0, 1e12])
        for _ in range(n)
    ]
    quality = [int(Quality.NO_VALUE) if math.isnan(value) else rng.choice([0, 0, 0, 2, 16, 256]) for value in values]
    mark = [
        rng.choice([0, 0, 0, 0, int(Mark.LATE), int(Mark.STORED), int(Mark.FUTURE), int(Mark.TEST), int(Mark.RETAINED)]) for _ in range(n)
    ]
    around = np.array([around_ns + int(rng.uniform(-spread_s, spread_s) * 1e9) for _ in range(n)], np.int64)
    return StoredBlock(
        first=first,
        readings=ReadingBlock(
            devices=devices,
            frames=frames,
            device=np.array([rng.randrange(len(devices)) for _ in range(n)], np.int32),
            quantity=np.array([index[rng.choice(keys)] for _ in range(n)], np.int16),
            value=np.array(values),
            t_measured_ns=around,
            t_received_ns=np.full(n, around_ns, np.int64),
            quality=np.array(quality, np.uint16),
            mark=np.array(mark, np.uint16),
            origin=np.array([rng.choice([0, 0, 0, 1]) for _ in range(n)], np.uint8),
            frame=np.array([rng.randrange(len(frames)) for _ in range(n)], np.int32),
        ),
    )


def random_blocks(rng: random.Random, count: int, *, first: int = 1, begin_ns: int = START_NS, step_s: float = 8.0) -> list[StoredBlock]:
    """Consecutive blocks in the order of reception; measured times wander, some are very late."""
    blocks: list[StoredBlock] = []
    t_ns = begin_ns
    for number in range(count):
        t_ns += int(rng.uniform(0, 2 * step_s) * 1e9)
        late_s = rng.choice([0.0, 0.5, 3.0, 90.0, 90.0])
        block = random_block(rng, first, rng.randint(1, 25), t_ns, late_s, number * 10)
        blocks.append(block)
        first = block.last + 1
    return blocks


def row_block(
    first: int, t_ns: int, device: str, quantity: str, values: Sequence[float], step_ms: int = 1000, mark: int = 0
) -> StoredBlock:
    """Regular readings of one series."""
    n = len(values)
    index = next(row.index for row in QUANTITIES if row.key == quantity)
    times = t_ns + np.arange(n, dtype=np.int64) * step_ms * 1_000_000
    frame = FrameRow(
        device=device, channel="mqtt", topic=f"anxin/up/{device}", boot_id="b", seq=first, t_received_ns=int(times[-1]), t_device_ns=None,
        payload=b"payload",
    )  # fmt: skip
    return StoredBlock(
        first=first,
        readings=ReadingBlock(
            devices=(device,), frames=(frame,), device=np.zeros(n, np.int32), quantity=np.full(n, index, np.int16),
            value=np.array(values, np.float64), t_measured_ns=times, t_received_ns=times, quality=np.zeros(n, np.uint16),
            mark=np.full(n, mark, np.uint16), origin=np.zeros(n, np.uint8), frame=np.zeros(n, np.int32),
        ),
    )  # fmt: skip


@asynccontextmanager
async def sink_at(
    path: Path, *, lineage: str = LINEAGE, first: int = 1, head: int = 2**40, flush: bool = False
) -> AsyncIterator[SqliteSink]:
    """A sink on a file, resumed; closed without a flush unless asked, as a crash would leave it."""
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.0)
    writer.start()
    db = Database.open(path, writer, COMPONENTS, synchronous="NORMAL", check=False)
    sink = SqliteSink(db, clock, ops)
    try:
        await sink.resume(lineage, first, head)
        yield sink
        if flush:
            await sink.flush()
    finally:
        await db.close()
        writer.close()


async def feed(sink: Sink, blocks: Sequence[StoredBlock], rng: random.Random) -> None:
    """Offer blocks in batches of any size."""
    at = 0
    while at < len(blocks):
        size = rng.randint(1, 7)
        await sink.write(Batch(blocks=tuple(blocks[at : at + size])))
        at += size
