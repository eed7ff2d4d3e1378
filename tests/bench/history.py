"""History: ingest, bytes per reading, a day at 1 Hz and a month as 500 points; beside a row per reading, and VictoriaMetrics if it is here.

Data: one series of 30 days at 1 Hz, and 1,000 series at 1 Hz interleaved (a house of 200 beds with five quantities). Received times
jitter by some milliseconds, values move as vital signs do. All stores get the same readings in the same order.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import apsw
import httpx
import numpy as np

from gateway.clock import NS_PER_S, SystemClock
from gateway.history.base import Batch
from gateway.history.influx.client import Door
from gateway.history.influx.lines import of_block
from gateway.history.sqlite import SqliteSink
from gateway.ops import Ops
from gateway.readings import FrameRow, ReadingBlock, StoredBlock
from gateway.store import Writer
from tests.history.test_victoria import victoria
from tests.support import find_program

CLOCK = SystemClock()
DAYS = int(os.environ.get("ANXIN_BENCH_DAYS", "30"))
SERIES = 1_000
SECONDS = 300
DAY_S = 86_400
HR, SPO2 = 0, 3
ROUNDS = 15


def _block(first: int, devices: tuple[str, ...], device: np.ndarray, t_ns: np.ndarray, value: np.ndarray, quantity: int) -> StoredBlock:
    n = len(value)
    frame = FrameRow(
        device=devices[0],
        channel="mqtt",
        topic="anxin/up/x",
        boot_id="b",
        seq=first,
        t_received_ns=int(t_ns[-1]),
        t_device_ns=None,
        payload=b"",
    )
    zero = np.zeros(n, np.uint16)
    return StoredBlock(
        first=first,
        readings=ReadingBlock(
            devices=devices, frames=(frame,), device=device.astype(np.int32), quantity=np.full(n, quantity, np.int16), value=value,
            t_measured_ns=t_ns, t_received_ns=t_ns, quality=zero, mark=zero, origin=np.zeros(n, np.uint8), frame=np.zeros(n, np.int32),
        ),
    )  # fmt: skip


def long_series(begin_ns: int) -> Iterator[StoredBlock]:
    """One device for DAYS days, in blocks of ten minutes."""
    rng = np.random.default_rng(1)
    second = np.arange(DAYS * DAY_S)
    value = np.round(70 + 8 * np.sin(second / DAY_S * 2 * np.pi) + 4 * np.sin(second / 300) + rng.normal(0, 1.2, len(second)))
    t_ns = begin_ns + second * NS_PER_S + rng.integers(0, 30, len(second)) * 1_000_000
    for at in range(0, len(second), 600):
        part = slice(at, at + 600)
        yield _block(1 + at, ("long",), np.zeros(600), t_ns[part], value[part], HR)


def wide_series(first: int, begin_ns: int, seconds: int) -> Iterator[StoredBlock]:
    """All other devices, a block per fifth of a second."""
    rng = np.random.default_rng(2)
    devices = tuple(f"band-{number:04d}" for number in range(SERIES))
    level = rng.normal(96, 1, SERIES)
    parts = np.array_split(np.arange(SERIES), 5)
    for second in range(seconds):
        for fifth, part in enumerate(parts):
            level[part] += rng.normal(0, 0.2, len(part))
            t_ns = begin_ns + second * NS_PER_S + fifth * NS_PER_S // 5 + rng.integers(0, 100_000_000, len(part))
            yield _block(first, devices, part, np.sort(t_ns), np.round(level[part]), SPO2)
            first += len(part)


async def timed(name: str, question: Callable[[], Awaitable[int]]) -> float:
    """p50 in ms of a question; prints p50 and p95."""
    spans = []
    for _ in range(ROUNDS):
        begun_ns = CLOCK.monotonic_ns()
        count = await question()
        spans.append((CLOCK.monotonic_ns() - begun_ns) / 1e6)
    p50, p95 = np.percentile(spans, [50, 95])
    print(f"  {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms ({count:,} points)")
    return float(p50)


def cpu_s() -> float:
    """CPU seconds of this process so far: steadier than wall time on a machine with other work."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def chunks(folder: Path, begin_ns: int, end_ns: int, blocks: list[StoredBlock], more: list[StoredBlock]) -> dict[str, float]:
    writer = Writer(CLOCK, Ops())
    writer.start()
    sink = SqliteSink.open(folder / "history.sqlite", writer, CLOCK, Ops())
    await sink.resume("bench", 1, 2**40)
    count = sum(len(block.readings or ()) for block in blocks)
    begun_ns, begun_s = CLOCK.monotonic_ns(), cpu_s()
    for at in range(0, len(blocks), 20):
        await sink.write(Batch(blocks=tuple(blocks[at : at + 20])))
    await sink.flush()
    rate, cpu_us = count / ((CLOCK.monotonic_ns() - begun_ns) / 1e9), (cpu_s() - begun_s) / count * 1e6
    await asyncio.to_thread(lambda: apsw.Connection(str(sink._db.path)).wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
    per_reading = (folder / "history.sqlite").stat().st_size / count
    print(f"chunk store: {count:,} readings, {rate:,.0f} readings/s, {cpu_us:.2f} us of CPU and {per_reading:.2f} B per reading")

    async def day() -> int:
        return len((await sink.history.series("long", "hr", end_ns - DAY_S * NS_PER_S, end_ns)).t_ms)

    async def month() -> int:
        return len((await sink.history.envelope("long", "hr", begin_ns, end_ns, 500)).t_ms)

    found = {
        "rate": rate,
        "cpu": cpu_us,
        "bytes": per_reading,
        "day": await timed("24 h at 1 Hz", day),
        "month": await timed(f"{DAYS} d, 500", month),
    }

    async def stream() -> None:
        for at in range(0, len(more), 5):  # 1,000 readings in each 0.2 s: 5,000 readings/s
            await sink.write(Batch(blocks=tuple(more[at : at + 5])))
            await CLOCK.sleep(0.2)

    streaming = asyncio.create_task(stream())
    found["day_busy"] = await timed("24 h while 5,000/s come in", day)
    found["month_busy"] = await timed(f"{DAYS} d while 5,000/s come in", month)
    streaming.cancel()
    await asyncio.gather(streaming, return_exceptions=True)
    await sink.close()
    writer.close()
    return found


async def rows(folder: Path, begin_ns: int, end_ns: int, blocks: list[StoredBlock]) -> dict[str, float]:
    """The plain table: one row per reading."""
    conn = apsw.Connection(str(folder / "rows.sqlite"))
    conn.pragma("journal_mode", "wal")
    conn.pragma("synchronous", "FULL")
    conn.execute("CREATE TABLE r(series INTEGER, t INTEGER, value REAL, PRIMARY KEY(series, t)) WITHOUT ROWID")
    numbers: dict[str, int] = {}
    count = 0
    begun_ns, begun_s = CLOCK.monotonic_ns(), cpu_s()
    for at in range(0, len(blocks), 20):
        with conn:
            for block in blocks[at : at + 20]:
                readings = block.readings
                assert readings is not None
                series = [numbers.setdefault(readings.devices[device], len(numbers)) for device in readings.device.tolist()]
                times = (readings.t_measured_ns // 1_000_000).tolist()
                conn.executemany("INSERT OR IGNORE INTO r VALUES(?, ?, ?)", zip(series, times, readings.value.tolist(), strict=True))
                count += len(readings)
    rate, cpu_us = count / ((CLOCK.monotonic_ns() - begun_ns) / 1e9), (cpu_s() - begun_s) / count * 1e6
    conn.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    per_reading = (folder / "rows.sqlite").stat().st_size / count
    print(f"a row per reading: {rate:,.0f} readings/s, {cpu_us:.2f} us of CPU and {per_reading:.2f} B per reading")
    end_ms, bucket = end_ns // 10**6, (end_ns - begin_ns) // 10**6 // 500
    span = "series = 0 AND t >= ? AND t < ?"

    async def day() -> int:
        found = list(conn.execute(f"SELECT t, value FROM r WHERE {span}", (end_ms - DAY_S * 1000, end_ms)))  # noqa: S608 - our own text
        return len(np.array(found))

    async def month() -> int:
        text = f"SELECT t / ?, min(value), avg(value), max(value) FROM r WHERE {span} GROUP BY 1"  # noqa: S608 - our own text
        return len(list(conn.execute(text, (bucket, begin_ns // 10**6, end_ms))))

    found = {
        "rate": rate,
        "cpu": cpu_us,
        "bytes": per_reading,
        "day": await timed("24 h at 1 Hz", day),
        "month": await timed(f"{DAYS} d, 500", month),
    }
    conn.close()
    return found


async def vm(folder: Path, program: Path, begin_ns: int, end_ns: int, blocks: list[StoredBlock]) -> None:
    """The same through the InfluxDB sink's formatter and client."""
    async with victoria(program, folder) as url, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        door = Door(url=url, token="", org="-", bucket="b", timeout_s=60, gzip=False)
        count = 0
        begun_ns = CLOCK.monotonic_ns()
        for at in range(0, len(blocks), 20):
            lines = [str(text) for block in blocks[at : at + 20] for _, text in of_block(block)]
            count += len(lines)
            await door.post("\n".join(lines), CLOCK.now_ns())
        rate = count / ((CLOCK.monotonic_ns() - begun_ns) / 1e9)
        await client.get(f"{url}/internal/force_flush")
        await client.get(f"{url}/internal/force_merge")
        door.close()
        print(f"VictoriaMetrics: {rate:,.0f} readings/s, about {size(folder / 'vm') / count:.2f} B/reading")

        async def ask(text: str, since_ns: int, step_s: float) -> int:
            values: dict[str, str | int | float] = {
                "query": text,
                "start": since_ns // NS_PER_S,
                "end": end_ns // NS_PER_S,
                "step": f"{step_s}s",
                "nocache": 1,
            }
            answer = (await client.get(f"{url}/api/v1/query_range", params=values)).json()
            return sum(len(row["values"]) for row in answer["data"]["result"])

        async def day() -> int:
            answer = await client.get(
                f"{url}/api/v1/export",
                params={"match[]": 'hr_value{device="long"}', "start": (end_ns // NS_PER_S) - DAY_S, "end": end_ns // NS_PER_S},
            )
            return sum(
                len(row["values"]) for row in map(httpx.Response.json, [httpx.Response(200, text=t) for t in answer.text.splitlines()])
            )

        await timed("24 h at 1 Hz (export)", day)
        await timed(
            f"{DAYS} d, 500 (mean only)", lambda: ask('avg_over_time(hr_value{device="long"}[5184s])', begin_ns, DAYS * DAY_S / 500)
        )


async def main() -> None:
    end_ns = (CLOCK.now_ns() // NS_PER_S // 60 * 60 - 600) * NS_PER_S
    begin_ns = end_ns - DAYS * DAY_S * NS_PER_S
    blocks = list(long_series(begin_ns))
    first = blocks[-1].last + 1
    wide = list(wide_series(first, end_ns, SECONDS))
    more = list(wide_series(wide[-1].last + 1, end_ns + SECONDS * NS_PER_S, 120))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new = await chunks(folder, begin_ns, end_ns, [*blocks, *wide], more)
        old = await rows(folder, begin_ns, end_ns, [*blocks, *wide])
        ratios = {key: new[key] / old[key] for key in old}
        print(
            f"against a row per reading: ingest x{ratios['rate']:.1f}, CPU x{ratios['cpu']:.2f}, bytes x{ratios['bytes']:.2f},"
            f" 24 h x{ratios['day']:.2f}, {DAYS} d x{ratios['month']:.3f}"
        )
        program = find_program("victoria-metrics")
        if program is None:
            print("VictoriaMetrics is not installed: not measured")
        else:
            await vm(folder, program, begin_ns, end_ns, [*blocks, *wide])


if __name__ == "__main__":
    asyncio.run(main())
