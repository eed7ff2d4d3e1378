"""The same sink into Debian's VictoriaMetrics: every reading once, also after the whole batch was sent again."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.clock import NS_PER_S, SystemClock
from gateway.history.base import Batch
from gateway.history.influx import InfluxSink, build
from gateway.ops import Ops
from gateway.store import Writer
from tests.history.twin import row_block
from tests.support import need

READY_S = 15.0


@asynccontextmanager
async def victoria(program: Path, folder: Path) -> AsyncIterator[str]:
    """A server of our own on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    options = [
        f"-storageDataPath={folder / 'vm'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-memory.allowedBytes=256MB",
    ]
    clock = SystemClock()
    process = await asyncio.to_thread(lambda: subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            until_ns = clock.monotonic_ns() + int(READY_S * NS_PER_S)
            while True:
                try:
                    if (await client.get(f"{url}/health")).status_code == 200:
                        break
                except httpx.TransportError:
                    if clock.monotonic_ns() > until_ns or process.poll() is not None:
                        raise
                await clock.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


async def exported(url: str) -> dict[tuple[str, str], dict[int, float]]:
    """(metric, device) -> ms -> value of everything that the server holds."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{url}/internal/force_flush")
        answer = await client.get(f"{url}/api/v1/export", params={"match[]": '{__name__!=""}'})
    found: dict[tuple[str, str], dict[int, float]] = {}
    for text in answer.text.splitlines():
        row = json.loads(text)
        key = (row["metric"]["__name__"], row["metric"]["device"])
        found.setdefault(key, {}).update(zip(row["timestamps"], row["values"], strict=True))
    return found


@pytest.mark.timeout(40)
async def test_victoria_metrics_has_every_reading(tmp_path: Path) -> None:
    program = need("victoria-metrics")
    clock, ops = SystemClock(), Ops()
    writer = Writer(clock, ops, group_window_s=0.0)
    writer.start()
    begin_ns = (clock.now_ns() // NS_PER_S - 3600) * NS_PER_S
    blocks = [
        row_block(1, begin_ns, "band-1", "hr", [60.0 + i % 7 for i in range(600)]),
        row_block(601, begin_ns, "band 2,x=y", "spo2", [97.0 - i % 3 for i in range(300)], step_ms=2000),
    ]
    async with victoria(program, tmp_path) as url:
        sink: InfluxSink = build({"url": url, "bucket": "ward"}, tmp_path, writer, clock, ops)
        await sink.resume("journal-1", 1, 2**40)
        await sink.write(Batch(blocks=tuple(blocks)))
        assert sink.safe == 900
        sink.safe = 0  # as after a kill between the 204 and the place
        await sink.write(Batch(blocks=tuple(blocks)))
        await sink.close()
        found = await exported(url)
    begin_ms = begin_ns // 10**6
    assert found["hr_value", "band-1"] == {begin_ms + 1000 * i: 60.0 + i % 7 for i in range(600)}
    assert found["spo2_value", "band 2,x=y"] == {begin_ms + 2000 * i: 97.0 - i % 3 for i in range(300)}
    writer.close()
