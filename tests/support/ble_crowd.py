"""Many chest straps in many rooms at 1 Hz, one adapter per room: what was sent against what is in the journal, and what it cost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.ble.ward import BleWard
from gateway.readings import FrameRow
from tests.support.ble_town import address, gateway_of, room_radio, until, ward_of
from tests.support.intake_node import Node

HEART, UUID = "gatt/180d/2a37", 0x2A37
EACH = 10  # peripherals of a room


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What was seen."""

    devices: int
    seconds: float
    gathered_s: float  # until all had a link and were heard
    sent: int
    missing: int
    twice: int
    shuffled: int  # devices whose readings are not in the order in which they were sent
    reconnects: int
    cpu_share: float  # of one core: simulator and gateway together

    def line(self) -> str:
        """For the report."""
        return (
            f"{self.devices} devices, all heard after {self.gathered_s:.1f} s; {self.sent} readings in {self.seconds:.0f} s, "
            f"{self.missing} missing, {self.twice} twice, {self.shuffled} shuffled, {self.reconnects} reconnects; "
            f"{self.cpu_share:.0%} of a core (simulator and gateway)"
        )


def plan_of(rooms: int) -> tuple[dict[str, Any], dict[str, str]]:
    """A plan of rooms with ten straps each, and the devices' addresses."""
    at = {f"s-{room}-{number}": address(room * EACH + number) for room in range(rooms) for number in range(EACH)}
    rows = [
        {"name": f"room-{room}", "devices": [
            {"id": f"s-{room}-{number}", "kind": "strap", "address": at[f"s-{room}-{number}"]} for number in range(EACH)
        ]}
        for room in range(rooms)
    ]  # fmt: skip
    return {"step_s": 1.0, "advert_ms": 100, "rooms": rows}, at


async def run(folder: Path, rooms: int, seconds: float, gather_s: float) -> Crowd:
    """Wait until all stream, let them for so long, and compare."""
    plan, at = plan_of(rooms)
    began_s = time.monotonic()
    async with (
        ward_of(plan) as ward,
        gateway_of(folder, [room_radio(room, links=EACH + 2) for room in ward.rooms.values()], at, links=EACH + 2) as (node, door),
    ):
        await until("all are heard", lambda: set(at) <= set(door.parts.heard), gather_s)
        gathered_s = time.monotonic() - began_s
        connects = sum(device.connects for device in ward.devices.values())
        cpu_s, steady_s = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - steady_s)
        reconnects = sum(device.connects for device in ward.devices.values()) - connects
        for device in ward.devices.values():
            device.silent = True
        await asyncio.sleep(2.0)
        return _compare(ward, node, seconds, gathered_s, reconnects, cpu_share)


def _compare(ward: BleWard, node: Node, seconds: float, gathered_s: float, reconnects: int, cpu_share: float) -> Crowd:
    held: defaultdict[str, list[bytes]] = defaultdict(list)
    for frame in _frames(node):
        if frame.topic == HEART:
            held[frame.device].append(frame.payload)
    sent = {name: [payload for _, payload in device.sent[UUID]] for name, device in ward.devices.items()}
    missing = sum((Counter(rows) - Counter(held[name])).total() for name, rows in sent.items())
    twice = sum((Counter(held[name]) - Counter(rows)).total() for name, rows in sent.items())
    return Crowd(
        devices=len(sent), seconds=seconds, gathered_s=gathered_s, sent=sum(map(len, sent.values())), missing=missing, twice=twice,
        shuffled=sum(held[name] != rows for name, rows in sent.items()), reconnects=reconnects, cpu_share=cpu_share,
    )  # fmt: skip


def _frames(node: Node) -> list[FrameRow]:
    return [frame for block in node.journal.read_sync(1, 1_000_000) if block.readings is not None for frame in block.readings.frames]
