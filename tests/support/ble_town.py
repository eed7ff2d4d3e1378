"""Peripherals, links and a collecting gateway for the Bluetooth tests; in one process, or the gateway in one of its own.

`python -m tests.support.ble_town '{"data": ..., "adapters": [...]}'` runs the gateway's half until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_sim.ble.radio import Room
from firmware_sim.ble.ward import BleWard
from gateway.clock import SystemClock
from gateway.collect.ble.book import Book
from gateway.collect.ble.bumble_adapter import Opened
from gateway.collect.ble.collector import BleCollector
from gateway.collect.ble.parts import Timing
from gateway.collect.ble.radio import BumbleRadio, Radio, radio
from gateway.readings import FrameRow
from gateway.registry import bindings, org
from gateway.vocabulary import SYSTEM
from tests.support.intake_node import Node

QUICK = Timing(
    connect_s=4, exchange_s=3, linger_s=0.3, burst_s=0.5, revisit_s=1, records_silence_s=3, heard_every_s=0.3, tick_s=0.1, backoff_cap_s=2,
    landing_s=5,
)  # fmt: skip


def address(number: int) -> str:
    """A random static address."""
    return f"C0:00:00:00:{number >> 8:02X}:{number & 255:02X}"


def room_radio(room: Room, *, links: int = 8) -> BumbleRadio:
    """A dongle in this room; a new one at each opening."""

    async def opener() -> Opened:
        dongle = room.plug()

        async def close() -> None:
            dongle.pull()

        return Opened(dongle, close)

    return BumbleRadio(room.name, opener, SystemClock(), links=links)


@asynccontextmanager
async def ward_of(plan: dict[str, Any], *, listen: bool = False) -> AsyncIterator[BleWard]:
    """Peripherals, powered on and living."""
    ward = BleWard(plan)
    await ward.start("127.0.0.1" if listen else None)
    life = asyncio.ensure_future(ward.run())
    try:
        yield ward
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        await ward.close()


@asynccontextmanager
async def gateway_of(
    folder: Path, radios: Sequence[Radio], devices: dict[str, str], *, timing: Timing = QUICK, **more: Any
) -> AsyncIterator[tuple[Node, BleCollector]]:
    """The collecting half of a gateway with these adapters; `devices` are entered by their addresses."""
    node = await Node(folder).start()
    enter(node, devices)
    door = BleCollector(radios, node.registry, Book(node.store, node.clock), node.clock, node.ops, timing=timing, **more)
    intake = asyncio.ensure_future(node.intake.run([door, door.calls]))
    try:
        yield node, door
    finally:
        failed = intake.exception() if intake.done() else None
        intake.cancel()
        await asyncio.gather(intake, return_exceptions=True)
        await door.close()
        await node.stop()
        if failed is not None:
            raise failed


def enter(node: Node, devices: dict[str, str]) -> None:
    """A site in Shanghai, and devices by their addresses."""
    if "S" not in node.registry.view.sites:
        node.registry.do_sync(SYSTEM, org.set_site, name="S", site_id="S")
    for device, at in devices.items():
        if device not in node.registry.view.devices:
            node.registry.do_sync(SYSTEM, bindings.set_device, device, site="S", facts={"ble_address": at})


def frames_of(node: Node) -> list[FrameRow]:
    """Everything in the journal, in order."""
    blocks = node.journal.read_sync(1, 10_000)
    return [frame for block in blocks if block.readings is not None for frame in block.readings.frames]


def links_of(node: Node, device: str) -> list[dict[str, Any]]:
    """The interruptions that were recorded of a device."""
    return [row.body for row in node.events.read_sync(0, 10_000, kinds_prefix="ble.link") if row.subject == device]


async def until(what: str, look: Callable[[], object], within_s: float = 15.0) -> None:
    """Wait for something to become true; a look that costs much is taken less often."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        began_s = time.monotonic()
        if look():
            return
        await asyncio.sleep(max(0.02, 10 * (time.monotonic() - began_s)))
    raise AssertionError(f"not within {within_s} s: {what}")


async def _serve(settings: dict[str, Any]) -> None:
    clock = SystemClock()
    radios = [radio("bumble", spec, clock, links=8) for spec in settings["adapters"]]
    timing = replace(QUICK, **settings.get("timing", {}))
    async with gateway_of(Path(settings["data"]), radios, settings["devices"], timing=timing):
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
