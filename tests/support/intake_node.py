"""The collecting half of a gateway: store, events, registry, journal, identity, intake; in-process, or as a process of its own.

`python -m tests.support.intake_node '{"data": ..., "port": ...}'` prints a line of JSON once it is ready and one when it is told to stop
(end of standard input).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway import audit, deadletter, events, identity, intake
from gateway.clock import Clock, SystemClock
from gateway.collect.ble import book as ble_book
from gateway.collect.mqtt import MqttCollector, MqttOptions
from gateway.events import Events
from gateway.frames import Collector
from gateway.journal import Journal
from gateway.ops import Ops
from gateway.registry import registry as registry_module
from gateway.registry import tx
from gateway.registry.registry import Registry
from gateway.store import Database, Writer

COMPONENTS = (events.COMPONENT, tx.COMPONENT, audit.COMPONENT, deadletter.COMPONENT, ble_book.COMPONENT)


class Node:
    """Everything between the doors and the journal."""

    def __init__(self, folder: Path, clock: Clock | None = None, ops: Ops | None = None) -> None:
        self.folder = folder
        self.clock: Clock = clock or SystemClock()
        self.ops = ops or Ops()
        self.caught_up = 0

    async def start(self) -> Node:
        self.writer = Writer(self.clock, self.ops)
        self.writer.start()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = Database.open(self.folder / "store.sqlite", self.writer, COMPONENTS)
        self.events = Events(self.store, self.clock)
        self.registry: registry_module.Registry = Registry(self.store, self.events, self.clock)
        self.journal = await Journal.open(self.folder / "journal", self.writer, self.clock, self.ops)
        self.identity = identity.Identity.open(self.folder / "identity.sqlite", self.writer, self.clock, self.ops)
        letters = self.store.read_sync(deadletter.numbered)
        self.caught_up = self.identity.catch_up(self.journal, intake.hashes_of, letters)
        self.intake = intake.Intake(self.registry, self.journal, self.store, self.identity, self.clock, self.ops)
        return self

    async def stop(self) -> None:
        await self.identity.close()
        await self.journal.close()
        self.registry.close()
        await self.store.close()
        self.writer.close()

    def collectors(self, port: int, **more: Any) -> tuple[MqttCollector, MqttCollector]:
        common = {"state_dir": self.folder / "sessions", "port": port, **more}
        readings = MqttOptions(name="readings", filters=("anxin/up/+", "anxin/senml/+"), client_id="anxin-gateway", **common)
        calls = MqttOptions(name="calls", filters=("anxin/call/+",), client_id="anxin-gateway-calls", priority=True, **common)
        return MqttCollector(readings, self.clock, self.ops), MqttCollector(calls, self.clock, self.ops)


async def serve(settings: dict[str, Any]) -> None:
    node = await Node(Path(settings["data"])).start()
    doors: Sequence[Collector] = node.collectors(settings["port"], **settings.get("mqtt", {}))
    task = asyncio.create_task(node.intake.run(doors))
    checkpoints = asyncio.create_task(node.identity.run())
    print(json.dumps({"ready": True, "caught_up": node.caught_up}), flush=True)
    stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
    failed = task.exception() if task.done() else None
    task.cancel()
    checkpoints.cancel()
    await asyncio.gather(task, checkpoints, return_exceptions=True)
    for door in doors:
        await door.close()  # type: ignore[attr-defined]
    print(json.dumps({"cpu_s": time.process_time(), "failed": repr(failed) if failed else None, "counters": node.ops.counters}), flush=True)
    await node.stop()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(serve(json.loads(sys.argv[1])))
    except ImportError:
        asyncio.run(serve(json.loads(sys.argv[1])))
