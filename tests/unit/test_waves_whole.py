"""An accelerometer through the real doors' intake, the journal on disk and the stream's runner."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gateway.frames import Frame
from gateway.registry import bindings, org, residents
from gateway.store import Database
from gateway.stream import runner as stream
from gateway.stream.runner import StreamRunner
from gateway.vocabulary import SYSTEM, Finding
from tests.support.intake_node import Node
from tests.unit.test_falls import RATE, story

STEP = 50


@pytest.mark.timeout(30)
async def test_a_fall_travels_from_the_frame_to_the_finding(tmp_path: Path) -> None:
    node = await Node(tmp_path).start()
    found: list[Finding] = []
    heard = asyncio.Event()

    async def sink(more: Sequence[Finding]) -> None:
        found.extend(more)
        heard.set()

    site = await node.registry.do(SYSTEM, org.set_site, name="S", tz="Asia/Shanghai", code="S")
    person = await node.registry.do(SYSTEM, residents.admit, name="Li", site=site.id)
    await node.registry.do(SYSTEM, bindings.set_device, "belt", site=site.id, worn="waist")
    await node.registry.do(SYSTEM, bindings.bind, "belt", resident=person.id)
    db = Database.open(tmp_path / "stream.sqlite", node.writer, stream.COMPONENTS)
    runner = StreamRunner(node.journal, node.events, db, sink, node.clock, node.ops)
    task = asyncio.create_task(runner.run())
    try:
        await node.journal.tick(node.clock.now_ns(), node.events.head)
        acc = np.round(story(np.zeros((0, 3))) * 9.80665, 3)
        begun_ns = node.clock.now_ns()
        for number in range(len(acc) // STEP):
            t_ns = begun_ns + round((number + 1) * STEP / RATE * 1e9)
            values = acc[number * STEP : (number + 1) * STEP].ravel().tolist()
            wave = {"quantity": "acc", "unit": "m/s2", "rate_hz": RATE, "value": values}
            body = {"v": 1, "device": "belt", "boot_id": "b", "seq": number, "t": (t_ns - 10**9) // 10**6, "wave": wave}
            frame = Frame(channel="mqtt", topic="anxin/up/belt", payload=json.dumps(body).encode(), t_received_ns=t_ns, device="belt")
            await node.intake.take([frame])
        async with asyncio.timeout(15):
            await heard.wait()
        assert (found[0].rule, found[0].cause, found[0].resident, found[0].device) == ("fall", "call.fall", person.id, "belt")
        assert 3.0 <= (found[0].t_ns - found[0].onset_ns) / 1e9 <= 4.2
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await db.close()
        await node.stop()
