"""kill -9 of the collecting process under 1,000 QoS 1 messages/s from real publishers, compared with the publishers' own lists."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.broker import Broker, BrokerOptions
from gateway.clock import SystemClock
from gateway.journal import JournalReader
from gateway.ops import Ops
from tests.support.mqtt_wire import free_port

KILLS = int(os.environ.get("ANXIN_KILLS", "5"))
PUBLISHERS = 4
RATE = 250  # messages/s each
READY_S = 5.0
ACK_WAIT_S = 3  # the product's is 30 s: it decides how long the test waits for the last ones, not whether they come


def start(program: str, settings: dict[str, object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", program, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip


def start_gateway(settings: dict[str, object]) -> tuple[subprocess.Popen[str], float]:
    began = time.monotonic()
    process = start("tests.support.intake_node", settings)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["ready"]
    return process, time.monotonic() - began


def wait_for_sessions(folder: Path) -> None:
    """Once its two sessions stand, what the broker acknowledges is kept."""
    ends = time.monotonic() + 20
    while len(list(folder.glob("*.session.json"))) < 2:
        assert time.monotonic() < ends
        time.sleep(0.05)


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)  # the end of its standard input tells it to stop


def frames_in(folder: Path) -> Counter[tuple[str, int]]:
    reader = JournalReader(folder / "journal")
    offset = reader.extent()[0]
    found: Counter[tuple[str, int]] = Counter()
    while blocks := reader.blocks(offset, 500):
        for block in blocks:
            for frame in block.readings.frames if block.readings is not None else ():
                found[frame.device, frame.seq or 0] += 1
        offset = blocks[-1].last + 1
    reader.close()
    return found


async def exercise(folder: Path, rng: random.Random) -> tuple[list[float], dict[str, list[int]], Counter[tuple[str, int]]]:
    broker = Broker(folder / "nats", BrokerOptions(port=free_port(), ack_wait_s=ACK_WAIT_S), lambda: (), SystemClock(), Ops())
    await broker.start()
    login = {"username": broker.username, "password": broker.password}
    settings: dict[str, object] = {"data": str(folder / "data"), "port": broker.port, "mqtt": login | {"ack_qos": 0}}
    gateway, _ = await asyncio.to_thread(start_gateway, settings)
    await asyncio.to_thread(wait_for_sessions, folder / "data" / "sessions")
    names = [f"w{i}" for i in range(PUBLISHERS)]
    publishers = [
        start("tests.support.publisher_process", {
            "port": broker.port, "login": list(login.values()), "device": name, "rate": RATE, "out": str(folder / f"{name}.json"),
        })
        for name in names
    ]  # fmt: skip
    ready: list[float] = []
    try:
        for _ in range(KILLS):
            await asyncio.sleep(rng.uniform(0.2, 1.2))
            gateway.kill()
            finish(gateway)
            gateway, took_s = await asyncio.to_thread(start_gateway, settings)
            ready.append(took_s)
        await asyncio.sleep(1.0)
    finally:
        for publisher in publishers:
            await asyncio.to_thread(finish, publisher)
    lists = {name: json.loads((folder / f"{name}.json").read_text())["acked"] for name in names}
    wanted = {(name, seq) for name, acked in lists.items() for seq in acked}
    ends = time.monotonic() + 45
    found = await asyncio.to_thread(frames_in, folder / "data")
    while not wanted <= found.keys() and time.monotonic() < ends:
        await asyncio.sleep(1.0)
        found = await asyncio.to_thread(frames_in, folder / "data")
    await asyncio.sleep(ACK_WAIT_S + 1)  # the last repetitions come now
    await asyncio.to_thread(finish, gateway)
    await broker.stop()
    return ready, lists, await asyncio.to_thread(frames_in, folder / "data")


@pytest.mark.crash
@pytest.mark.timeout(90 + 5 * KILLS)
async def test_kill_9_under_load_loses_nothing_and_stores_nothing_twice(tmp_path: Path, seed: int) -> None:
    ready, lists, found = await exercise(tmp_path, random.Random(seed))
    acked = {(name, seq) for name, numbers in lists.items() for seq in numbers}
    lost = acked - found.keys()
    twice = {key: count for key, count in found.items() if count > 1}
    print(f"{KILLS} kills, {len(acked)} acknowledged, {len(found)} stored, lost {len(lost)}, twice {len(twice)}, ready {max(ready):.1f} s")
    assert not lost, f"first {min(lost)}, last {max(lost)}"
    assert not twice, f"first {min(twice)}, last {max(twice)}"
    assert max(ready) <= 3 * READY_S  # threefold slack on a busy machine
    assert len(acked) > 200 * KILLS
