"""Stored records: each one once, through cut links and killed gateways; only what is new the next time."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import struct
import subprocess
import sys
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devices.codes import BY_KEY
from firmware_sim.ble.peripheral import Peripheral
from firmware_sim.ble.ward import BleWard
from gateway.collect.ble.book import Book
from gateway.collect.ble.collector import BleCollector
from gateway.frames import Fate, Verdict
from gateway.journal import JournalReader
from tests.support.ble_town import QUICK, address, enter, frames_of, gateway_of, room_radio, until, ward_of
from tests.support.intake_node import Node

METER, STRAP = address(7), address(8)


def plan(**more: Any) -> dict[str, Any]:
    meter = {"id": "meter", "kind": "glucometer", "address": METER, **more}
    return {"step_s": 0.1, "advert_ms": 40, "rooms": [{"name": "room", "devices": [meter]}]}


def glucose_rows(folder: Path) -> list[tuple[bytes, int]]:
    """(raw record, time of measurement) of every glucose reading in a journal."""
    reader, index = JournalReader(folder), BY_KEY["glucose"].index
    found = []
    for block in reader.blocks(1, 10_000) if reader.segments() else []:
        rows = block.readings
        if rows is not None:
            found += [
                (rows.frames[rows.frame[i]].payload, int(rows.t_measured_ns[i])) for i in range(len(rows)) if rows.quantity[i] == index
            ]
    reader.close()
    return found


def asked_from(meter: Peripheral) -> list[int | None]:
    """First sequence of each report request but those for the newest one; None = all."""
    reports = [request for request in meter.memory.requests if request[0] == 1 and request[1] != 6]
    return [struct.unpack_from("<H", request, 3)[0] if request[1] in (3, 4) else None for request in reports]


@pytest.mark.timeout(30)
async def test_five_hundred_records_once_and_only_new_ones_later(tmp_path: Path) -> None:
    async with ward_of(plan(records=500)) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}) as (node, door):
        meter = ward.devices["meter"]
        await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) == 500, 15)
        await until("done", lambda: not meter.connected, 10)
        assert Counter(row for row, _ in glucose_rows(tmp_path / "journal")) == Counter(r.measurement for r in meter.memory.records)
        assert meter.memory.sent == list(range(1, 501))
        assert await door.parts.book.last_sequence("meter", "1808") == 500
        meter.measure_glucose(ward.vitals(meter))
        meter.measure_glucose(ward.vitals(meter), context=True)
        await until("the new ones", lambda: len(glucose_rows(tmp_path / "journal")) == 502, 10)
        await until("done", lambda: not meter.connected, 10)
        # the newest one shows that something is new, the last known one that the numbers mean what they meant
        assert meter.memory.sent[:504] == [*range(1, 501), 502, 500, 501, 502]
        assert asked_from(meter)[-1] == 500
        assert all(request[0] in (1, 4) for request in meter.memory.requests)  # nothing else is ever asked, least of all to delete
        assert await until_idle(door, meter)
        topics = {frame.topic for frame in frames_of(node)}
        assert "gatt/1808/2a18-2a34" in topics
        newest_s = max(t_ns for _, t_ns in glucose_rows(tmp_path / "journal")) / 1e9
        assert abs(newest_s - node.clock.now_ns() / 1e9) < 60  # the meter shows Shanghai's time


async def until_idle(door: Any, meter: Peripheral) -> bool:
    """Once nothing is new, nothing is fetched but the newest record, which shows it."""
    await until("no visit", lambda: not meter.connected, 10)
    sent, before = len(meter.memory.sent), meter.connects
    await until("another visit", lambda: meter.connects > before and not meter.connected, 10)
    return set(meter.memory.sent[sent:]) == {meter.memory.records[-1].sequence}


@pytest.mark.timeout(30)
async def test_links_cut_at_random_cost_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    start = plan(records=500, record_pause_s=0.001)
    async with ward_of(start) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}) as (_node, door):
        meter = ward.devices["meter"]
        for _ in range(4):
            goal = len(meter.memory.sent) + rng.randrange(5, 110)
            await until("some more", partial(has_sent, meter, meter, goal, 0), 10)
            meter.drop()
        await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) == 500, 15)
        await until("done", lambda: not meter.connected, 10)
        assert Counter(row for row, _ in glucose_rows(tmp_path / "journal")) == Counter(r.measurement for r in meter.memory.records)
        assert await door.parts.book.last_sequence("meter", "1808") == 500
        print(f"{len(meter.memory.sent)} sent in all, asked from {asked_from(meter)}")
        assert len(meter.memory.sent) < 700  # a cut costs what was on its way, not everything once more


def has_sent(meter: Peripheral, strap: Peripheral, records: int, beats: int) -> bool:
    return len(meter.memory.sent) >= records and len(strap.sent.get(0x2A37, ())) >= beats


class Process:
    """A gateway's collecting half in a process of its own."""

    def __init__(self, folder: Path, ward: BleWard) -> None:
        adapters, devices = [f"tcp-client:127.0.0.1:{ward.ports['room']}"], {"meter": METER, "strap": STRAP}
        settings = {"data": str(folder), "adapters": adapters, "devices": devices}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.ble_town", json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.mark.crash
@pytest.mark.timeout(60)
async def test_a_killed_gateway_loses_no_record_counts_none_twice_and_shows_the_gap_of_what_was_live(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    start = plan(records=500, record_pause_s=0.004)
    start["rooms"][0]["devices"].append({"id": "strap", "kind": "strap", "address": STRAP})
    async with ward_of(start, listen=True) as ward:
        meter, strap = ward.devices["meter"], ward.devices["strap"]
        for _ in range(2):
            goals = len(meter.memory.sent) + rng.randrange(20, 150), len(strap.sent.get(0x2A37, ())) + 4
            gateway = await asyncio.to_thread(Process, tmp_path, ward)
            try:
                await until("some of both", partial(has_sent, meter, strap, *goals), 20)
            finally:
                await asyncio.to_thread(gateway.kill)
            await until("links lost", lambda: not meter.connected and not strap.connected)
        async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {}) as (node, door):
            await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) >= 500, 20)
            await until("streams again", lambda: "strap" in door.parts.heard, 10)
            await asyncio.sleep(1)
            gaps = [row.body for row in node.events.read_sync(0, 1000, kinds_prefix="ble.link") if row.subject == "strap"]
            heard = {frame.payload: frame.t_received_ns for frame in frames_of(node) if frame.device == "strap"}
            times = sorted(f.t_received_ns for f in frames_of(node) if f.device == "strap" and f.topic == "gatt/180d/2a37")
        rows = Counter(row for row, _ in glucose_rows(tmp_path / "journal"))
        assert rows == Counter(record.measurement for record in meter.memory.records)
        print(f"{len(meter.memory.sent)} sent in all, asked from {asked_from(meter)}")
        assert len(meter.memory.sent) < 650  # a kill costs what was on its way
        # What the strap sent and nobody journaled lies in a gap that is recorded, and the pauses of the journal do too.
        spans = [(gap["since_ns"], gap["until_ns"]) for gap in gaps if gap["state"] == "up"]
        assert len(spans) == 2
        assert all(gap["cause"] == "gateway stopped" for gap in gaps)
        assert heard
        lost = [t_ms for t_ms, payload in strap.sent[0x2A37] if payload not in heard]
        assert all(any(since - 5e8 <= t_ms * 1e6 <= until_ns for since, until_ns in spans) for t_ms in lost)
        pauses = [(a, b) for a, b in pairwise(times) if b - a > 1.5e9]
        assert all(any(since <= a + 1e9 and until_ns >= b - 1e9 for since, until_ns in spans) for a, b in pauses)


@pytest.mark.timeout(30)
async def test_what_is_refused_is_offered_again_and_moves_nothing_on(tmp_path: Path) -> None:
    async with ward_of(plan(records=20)) as ward:
        node = await Node(tmp_path).start()
        enter(node, {"meter": METER})
        radios, book = [room_radio(ward.rooms["room"])], Book(node.store, node.clock)
        door = BleCollector(radios, node.registry, book, node.clock, node.ops, timing=QUICK)
        refusals, last = 2, []
        batches = door.batches()
        async for frames, ack in batches:
            if refusals:
                refusals -= 1
                await ack([Verdict(fate=Fate.REFUSED) for _ in frames])
                last.append(await book.last_sequence("meter", "1808"))
                continue
            await ack(await node.intake.take(frames))
            if len(glucose_rows(tmp_path / "journal")) == 20:
                break
        assert last == [None, None]
        await until("left alone", lambda: not ward.devices["meter"].connected)
        assert await book.last_sequence("meter", "1808") == 20
        assert ward.devices["meter"].memory.sent == list(range(1, 21))
        await door.close()
        await node.stop()


@pytest.mark.timeout(30)
async def test_a_cleared_memory_is_read_from_the_beginning(tmp_path: Path) -> None:
    async with ward_of(plan(records=30)) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}) as (_node, door):
        meter = ward.devices["meter"]
        await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) == 30, 15)
        await until("done", lambda: not meter.connected, 10)
        meter.memory.records.clear()
        meter.fill_memory(5, every_s=60)
        await until("new numbers", lambda: len(glucose_rows(tmp_path / "journal")) == 35, 10)
        await until("noted", lambda: not meter.connected, 10)
        assert await door.parts.book.last_sequence("meter", "1808") == 5


@pytest.mark.timeout(30)
async def test_a_meter_with_a_clock_years_wrong_is_dated_by_the_difference(tmp_path: Path) -> None:
    async with ward_of(plan()) as ward:
        meter = ward.devices["meter"]
        meter.clock.offset_ms -= 5 * 365 * 86_400_000
        meter.fill_memory(3, every_s=60)
        async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}) as (node, _door):
            await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) == 3, 15)
            ages_s = sorted(round((node.clock.now_ns() - t_ns) / 1e9) for _, t_ns in glucose_rows(tmp_path / "journal"))
            assert all(abs(age_s - wanted_s) < 15 for age_s, wanted_s in zip(ages_s, (60, 120, 180), strict=True))
            events = node.events.read_sync(0, 1000, kinds_prefix="ble.clock")
            assert [row.body["wrong"] for row in events] == [True]
