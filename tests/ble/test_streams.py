"""Devices that speak all the time: many rooms, lost links, lost adapters, gaps that are shown."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.ble.peripheral import Peripheral
from gateway.clock import SystemClock
from gateway.collect.ble.radio import radio
from tests.support.ble_town import QUICK, address, frames_of, gateway_of, links_of, room_radio, until, ward_of

HEART = "gatt/180d/2a37"


def rooms(count: int, each: int, kind: str = "wearable") -> tuple[dict[str, Any], dict[str, str]]:
    """A plan and the devices' addresses."""
    plan: dict[str, Any] = {"step_s": 0.1, "advert_ms": 40, "rooms": []}
    devices: dict[str, str] = {}
    for room in range(count):
        row: dict[str, Any] = {"name": f"room-{room}", "devices": []}
        for number in range(each):
            device = f"w-{room}-{number}"
            devices[device] = address(room * 100 + number)
            row["devices"].append({"id": device, "kind": kind, "address": devices[device]})
        plan["rooms"].append(row)
    return plan, devices


async def streams_again(device: Peripheral) -> float:
    """Seconds until the device's next notification goes out."""
    before, began_s = len(device.sent[0x2A37]), time.monotonic()
    await until("streams again", lambda: device.connected and len(device.sent[0x2A37]) > before, 15)
    return time.monotonic() - began_s


@pytest.mark.timeout(30)
async def test_twenty_devices_in_four_rooms_stream_at_once(tmp_path: Path) -> None:
    plan, devices = rooms(4, 5)
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (node, door):
        began_s = time.monotonic()
        await until("all connected", lambda: sum(door.links().values()) == 20, 15)
        await until("all heard", lambda: set(devices) <= set(door.parts.heard), 10)
        print(f"20 devices streaming after {time.monotonic() - began_s:.1f} s")
        await until("three of each", lambda: min(Counter(f.device for f in frames_of(node) if f.topic == HEART).values(), default=0) >= 3)
        assert set(door.links().values()) == {5}
        await until("their models are known", lambda: all(node.registry.view.devices[d].facts.get("model") for d in devices))


@pytest.mark.timeout(30)
async def test_every_notification_that_was_sent_is_in_the_journal_once(tmp_path: Path) -> None:
    plan, devices = rooms(1, 3)
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (node, door):
        await until("all heard", lambda: set(devices) <= set(door.parts.heard), 10)
        await asyncio.sleep(0.8)
        for device in ward.devices.values():
            device.silent = True
        await asyncio.sleep(0.3)
        frames = frames_of(node)
        for name, device in ward.devices.items():
            for uuid, topic in ((0x2A37, HEART), (0x2A5F, "gatt/1822/2a5f")):
                sent = [payload for _, payload in device.sent[uuid]]
                assert len(sent) >= 4
                assert [f.payload for f in frames if f.device == name and f.topic == topic] == sent
            seqs = [f.seq for f in frames if f.device == name]
            assert seqs == list(range(len(seqs)))  # equal bytes one after the other are no repetition: each has its number


@pytest.mark.timeout(40)
async def test_a_device_that_lost_its_link_streams_again_soon_and_the_gap_is_recorded(tmp_path: Path) -> None:
    plan, devices = rooms(1, 2)
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (node, door):
        device = ward.devices["w-0-0"]
        await until("heard", lambda: "w-0-0" in door.parts.heard, 10)
        await asyncio.sleep(0.5)
        delays: list[float] = []

        def gaps() -> int:
            return sum(row["state"] == "up" for row in links_of(node, "w-0-0"))

        for number in range(1, 4):
            assert device.drop() == 1
            delays.append(await streams_again(device))
            # A link that is lost again before anything was heard over it makes one longer gap, not two.
            await until("the gap is recorded", lambda number=number: gaps() >= number, 20)  # type: ignore[misc]
        print(f"streaming again after {', '.join(f'{delay:.2f}' for delay in delays)} s")
        assert max(delays) < 5
        for row in links_of(node, "w-0-0"):
            assert row["cause"] == "link lost"
            if row["state"] == "up":
                assert 0 < row["until_ns"] - row["since_ns"] < 6e9
        assert links_of(node, "w-0-1") == []


@pytest.mark.timeout(30)
async def test_a_device_that_comes_back_after_a_while_streams_within_seconds(tmp_path: Path) -> None:
    plan, devices = rooms(1, 1, "strap")
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (_node, door):
        device = ward.devices["w-0-0"]
        await until("heard", lambda: "w-0-0" in door.parts.heard, 10)
        await device.advertise(False)
        device.drop()
        await asyncio.sleep(1.5)
        await device.advertise(True)
        assert await streams_again(device) < 5


@pytest.mark.timeout(30)
async def test_a_pulled_adapter_is_a_fault_until_it_is_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan, devices = rooms(1, 1, "strap")
    async with ward_of(plan, listen=True) as ward:
        spec = f"tcp-client:127.0.0.1:{ward.ports['room-0']}"
        async with gateway_of(tmp_path, [radio("bumble", spec, SystemClock(), links=8)], devices) as (node, door):
            faults: list[tuple[str, bool]] = []
            node.ops.listen(lambda fault: faults.append((fault.code, fault.active)))
            await until("heard", lambda: "w-0-0" in door.parts.heard, 10)
            for _ in range(2):
                ward.rooms["room-0"].unplug()
                await until("lost", lambda: faults and faults[-1] == ("ble.adapter", True), 5)
                await until("streams again", lambda: faults[-1] == ("ble.adapter", False) and "w-0-0" in door.parts.heard, 10)
            await until("recorded", lambda: [row["state"] for row in links_of(node, "w-0-0")] == ["down", "up"] * 2)
            assert {row["cause"] for row in links_of(node, "w-0-0")} <= {"link lost", "adapter lost"}
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("anxin")]
    assert [("back" in line) for line in lines] == [False, True, False, True]


@pytest.mark.timeout(30)
async def test_a_device_that_is_connected_but_says_nothing_is_connected_anew(tmp_path: Path) -> None:
    plan, devices = rooms(1, 1, "strap")
    timing = replace(QUICK, silence_s=0.8)
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room-0"])], devices, timing=timing) as (node, door):
        strap = ward.devices["w-0-0"]
        await until("heard", lambda: "w-0-0" in door.parts.heard, 10)
        strap.silent = True
        await until("given up", lambda: [row["cause"] for row in links_of(node, "w-0-0")] == ["silent"], 10)
        strap.silent = False
        await until("streams again", lambda: len(links_of(node, "w-0-0")) == 2, 10)
        assert strap.connects >= 2


@pytest.mark.timeout(30)
async def test_streams_leave_a_link_for_those_that_come_for_a_moment(tmp_path: Path) -> None:
    plan, devices = rooms(1, 3, "strap")
    plan["rooms"][0]["devices"].append({"id": "cuff", "kind": "cuff", "address": address(50)})
    devices["cuff"] = address(50)
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room-0"])], devices, links=3) as (node, door):
        cuff = ward.devices["cuff"]
        await until("two stream", lambda: len(door.parts.heard) == 2, 10)
        await until("the third is missed aloud", lambda: ("ble.links", "room-0") in {(f.code, f.subject) for f in node.ops.faults()})
        cuff.measure_pressure(ward.vitals(cuff))
        await until("the cuff is heard", lambda: any(frame.device == "cuff" for frame in frames_of(node)), 10)
        assert len(door.parts.heard) == 2
    async with gateway_of(tmp_path, [], {}) as (node, _):
        stopped = [row.body for row in node.events.read_sync(0, 1000, kinds_prefix="ble.link")]
    assert [row["cause"] for row in stopped] == ["gateway stopped"] * 2


@pytest.mark.timeout(30)
async def test_a_cuff_keeps_a_measurement_until_it_is_confirmed_and_is_visited_for_each_new_one(tmp_path: Path) -> None:
    plan, devices = rooms(1, 1, "cuff")
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (node, _door):
        cuff = ward.devices["w-0-0"]
        sent = []
        for number in range(2):
            await cuff.advertise(False)
            sent += [cuff.measure_pressure(ward.vitals(cuff), timed=bool(number))]
            await cuff.advertise(True)  # as cuffs do, for a while after a measurement
            await until("confirmed", lambda: not cuff.pending, 10)
            await until("left alone", lambda: not cuff.connected, 10)
        assert [frame.payload for frame in frames_of(node) if frame.topic == "gatt/1810/2a35"] == sent
        assert links_of(node, "w-0-0") == []  # a spot device that is away is no gap
        assert node.registry.view.devices["w-0-0"].facts["utc_offset_s"] == "28800"


@pytest.mark.timeout(30)
async def test_an_unknown_device_with_a_health_service_goes_to_the_inbox(tmp_path: Path) -> None:
    plan, devices = rooms(1, 2, "strap")
    stranger = devices.pop("w-0-1")
    async with ward_of(plan) as ward, gateway_of(tmp_path, [room_radio(room) for room in ward.rooms.values()], devices) as (node, _door):
        name = "ble-" + stranger.replace(":", "").lower()
        await until("in the inbox", lambda: name in {row.id for row in node.registry.inbox()}, 10)
        await until("its address is kept", lambda: node.registry.view.devices[name].facts.get("ble_address") == stranger)
        await until("its readings are kept", lambda: any(frame.device == name for frame in frames_of(node)))
