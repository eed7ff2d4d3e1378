"""`python -m tests.soak stall`: what takes readings stands still for 60 s (ANXIN_STALL_S) while the broker's patience is 30 s.

The embedded broker sends again what is not acknowledged; that must stay a bounded number, cost nothing twice, and never hold up a call.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from gateway.broker import Broker, BrokerOptions
from gateway.clock import SystemClock
from gateway.ledger import recount
from gateway.ops import Ops
from gateway.readings import ReadingBlock, StoredBlock
from tests.support.intake_node import Node
from tests.support.mqtt_wire import Publisher, free_port

STALL_S = float(os.environ.get("ANXIN_STALL_S", "60"))
ACK_WAIT_S, WINDOW = 30, 4_000  # what a house runs with
RATE, BEFORE_S, AFTER_S = 200, 5.0, 10.0  # messages a second: 12,000 in a minute, three windows
CALL_EVERY_S = 1.0
DRAIN_S, CALL_LIMIT_S = 60.0, 1.0


class Valve:
    """A journal that readings have to wait for; calls have not."""

    def __init__(self, node: Node) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.calls: dict[int, float] = {}  # sequence -> when it was durable
        self._journal = node.journal
        node.intake._journal = self

    async def append(self, block: ReadingBlock, *, priority: bool = False) -> StoredBlock:
        if not priority:
            await self.open.wait()
        stored = await self._journal.append(block, priority=priority)
        if priority:
            self.calls.update((frame.seq, time.monotonic()) for frame in block.frames if frame.seq is not None)
        return stored


@dataclass
class Device:
    """Sends at its rate whatever happens, from a thread; `sent` is what has left it, `acked` what the broker has taken."""

    port: int
    login: tuple[str, str]
    name: str
    rate: float
    span_s: float
    is_call: bool = False
    left: dict[int, float] = field(default_factory=dict)
    acked: int = 0
    longest_s: float = 0.0  # between a message and the next sign of the broker

    def run(self) -> None:
        publisher = Publisher(self.port, self.name, *self.login, 90.0)
        kind, body = ("call", {"call": {"kind": "sos"}}) if self.is_call else ("up", {"quantity": "hr", "value": 60, "unit": "/min"})
        began = time.monotonic()
        for seq in range(round(self.rate * self.span_s)):
            time.sleep(max(0.0, began + seq / self.rate - time.monotonic()))
            message = {"v": 1, "device": self.name, "boot_id": "b", "seq": seq, "t": None, **body}
            self.left[seq] = time.monotonic()
            publisher.send(f"anxin/{kind}/{self.name}", json.dumps(message).encode(), seq)
            self._hear(publisher, 0.0)
        ends = time.monotonic() + DRAIN_S
        while publisher.waiting and time.monotonic() < ends:
            self._hear(publisher, 1.0)
        publisher.close()

    def _hear(self, publisher: Publisher, wait_s: float) -> None:
        before = len(publisher.acked)
        publisher.take_acks(wait_s)
        for seq in publisher.acked[before:]:
            self.longest_s = max(self.longest_s, time.monotonic() - self.left[seq])
        self.acked = len(publisher.acked)


def rss_mib() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def stall(node: Node, valve: Valve, devices: list[Device]) -> tuple[float, float]:
    """Run it; returns the seconds from the end of the stall until all is stored, and the memory that was taken meanwhile in MiB."""
    threads = [threading.Thread(target=device.run, daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    await asyncio.sleep(BEFORE_S)
    before = highest = rss_mib()
    valve.open.clear()
    for _ in range(round(STALL_S)):
        await asyncio.sleep(1.0)
        highest = max(highest, rss_mib())
    stored_then, over = node.ops.counters["intake.stored"], time.monotonic()
    valve.open.set()
    caught_up: float | None = None
    due = {device.name: 0 for device in devices}
    while time.monotonic() - over < AFTER_S + DRAIN_S:
        await asyncio.sleep(0.05)
        highest = max(highest, rss_mib())
        due = {device.name: len(device.left) for device in devices}
        behind = sum(due.values()) - node.ops.counters["intake.stored"]
        if caught_up is None and node.ops.counters["intake.stored"] > stored_then and behind <= RATE * 0.5:
            caught_up = time.monotonic() - over
        if behind == 0 and not any(thread.is_alive() for thread in threads):
            break
    await asyncio.sleep(2.0)  # what is still on its way a second time
    return (DRAIN_S if caught_up is None else caught_up), highest - before


def report(node: Node, valve: Valve, devices: list[Device], drained_s: float, grown_mib: float) -> bool:
    """Print what happened; whether it may."""
    readings, calls = devices
    counters = node.ops.counters
    found = recount(node.journal)
    redelivered = counters["mqtt.readings.redelivered"]
    waits = sorted(valve.calls[seq] - left for seq, left in calls.left.items() if seq in valve.calls)
    rounds = int(STALL_S // ACK_WAIT_S) + 1
    rows: list[tuple[str, object, bool]] = [
        ("readings sent, acknowledged by the broker", (len(readings.left), readings.acked), readings.acked == len(readings.left)),
        ("messages stored, of", (counters["intake.stored"], len(readings.left) + len(calls.left)),
         counters["intake.stored"] == len(readings.left) + len(calls.left)),
        ("stored twice", found.twice, found.twice == 0),
        (f"sent again by the broker (at most {rounds} windows of {WINDOW:,})", redelivered, redelivered <= rounds * WINDOW),
        ("of these, that reached the intake", counters["intake.duplicate"], counters["intake.duplicate"] <= WINDOW),
        ("caught up after the stall, s", round(drained_s, 2), drained_s < DRAIN_S),
        ("calls stored, of", (len(waits), len(calls.left)), len(waits) == len(calls.left)),
        ("slowest call, from the button to the disk, s", round(waits[-1], 3) if waits else None, bool(waits) and waits[-1] < CALL_LIMIT_S),
        ("longest wait of a device for its PUBACK, s", round(readings.longest_s, 3), readings.longest_s < ACK_WAIT_S),
        ("memory taken during the stall, MiB", round(grown_mib, 1), grown_mib < 200),
        ("faults at the end", [fault.code for fault in node.ops.faults()], not node.ops.faults()),
    ]  # fmt: skip
    print(f"stall of {STALL_S:.0f} s, {RATE} readings/s, ack_wait {ACK_WAIT_S} s, window {WINDOW:,}")
    for name, value, fine in rows:
        print(f"  {'ok ' if fine else 'BAD'} {name}: {value}")
    return all(fine for _, _, fine in rows)


async def main() -> int:
    """The whole run."""
    with tempfile.TemporaryDirectory(prefix="anxin-stall-") as room:
        folder = Path(room)
        broker = Broker(
            folder / "nats", BrokerOptions(port=free_port(), ack_wait_s=ACK_WAIT_S, in_flight=WINDOW), lambda: (), SystemClock(), Ops(),
            expects=("readings", "calls"),
        )  # fmt: skip
        await broker.start()
        node = await Node(folder / "data").start()
        login = (broker.username, broker.password)
        doors = node.collectors(broker.port, username=login[0], password=login[1], in_flight=WINDOW, ack_qos=0)
        task = asyncio.create_task(node.intake.run(doors))
        while not all(each._link._up for each in doors):  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.05)
        valve = Valve(node)
        span_s = BEFORE_S + STALL_S + AFTER_S
        devices = [
            Device(broker.port, login, "wearable", RATE, span_s),
            Device(broker.port, login, "button", 1 / CALL_EVERY_S, span_s, is_call=True),
        ]
        try:
            fine = report(node, valve, devices, *await stall(node, valve, devices))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for each in doors:
                await each.close()
            await node.stop()
            await broker.stop()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
