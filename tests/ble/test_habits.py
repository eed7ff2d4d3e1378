"""Habits of real devices that the simulator has, one test each; what is asserted is what reached the journal.

Here: on the air only after a measurement, deleting after the transfer, telling before anybody listens, an error packet, HI and LO, no
context, slow answers, slots of users; and profiles that no other test has. Elsewhere: a link that is lost amid records (test_records),
numbers (test_numbers), clocks (test_clocks), bonds and passkeys (test_pairing), keys for one session (test_quirks).
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devices.codes import BY_KEY
from devices.model import Quality
from firmware_sim.ble import wire
from firmware_sim.ble.peripheral import Peripheral
from firmware_sim.ble.ward import BleWard
from gateway.registry import bindings
from gateway.vocabulary import SYSTEM
from tests.support.ble_town import QUICK, address, frames_of, gateway_of, room_radio, until
from tests.support.intake_node import Node

pytestmark = pytest.mark.timeout(60)
AT = address(31)
Reading = tuple[float, Quality]


def ward_with(kind: str) -> tuple[BleWard, Peripheral]:
    """One device that is not on yet."""
    device = {"id": "one", "kind": kind, "address": AT}
    plan: dict[str, Any] = {"step_s": 0.1, "advert_ms": 40, "rooms": [{"name": "room", "devices": [device]}]}
    ward = BleWard(plan)
    return ward, ward.devices["one"]


def readings(node: Node, key: str) -> list[Reading]:
    """(value, quality) of a quantity, as stored."""
    return [
        (round(float(rows.value[i]), 3), Quality(int(rows.quality[i])))
        for block in node.journal.read_sync(1, 10_000)
        if (rows := block.readings) is not None
        for i in range(len(rows))
        if rows.quantity[i] == BY_KEY[key].index
    ]


def payloads(node: Node, topic: str) -> list[bytes]:
    return [frame.payload for frame in frames_of(node) if frame.topic == topic]


def so_many(node: Node, key: str, count: int) -> bool:
    return len(readings(node, key)) == count


async def visited(device: Peripheral, times: int = 1) -> None:
    """So many more visits have come and gone."""
    before = device.connects
    await until("visits", lambda: device.connects >= before + times and not device.connected, 20)


async def test_a_cuff_that_is_on_the_air_only_after_a_measurement(tmp_path: Path) -> None:
    ward, cuff = ward_with("cuff")
    cuff.on_air, cuff.air_s = False, 2.0
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        sent = []
        for count in (1, 2):
            sent.append(cuff.measure_pressure(ward.vitals(cuff)))
            await until("it is there", lambda count=count: len(payloads(node, "gatt/1810/2a35")) == count, 15)  # type: ignore[misc]
            await until("off the air", lambda: not cuff.on_air and not cuff.connected, 10)
        assert payloads(node, "gatt/1810/2a35") == sent
        assert not cuff.pending
    await ward.close()


async def test_a_meter_that_deletes_what_it_has_sent(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    meter.memory.forgets = True
    await ward.start()
    sent = []
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        for count in (2, 4, 6):
            for number in (1, 2):  # its numbers begin again, for the memory is empty each time
                await until("nothing is reported", lambda: not meter.connected, 10)
                sent.append(meter.measure_glucose(ward.vitals(meter), sequence=number).measurement)
            await until("they are there", partial(so_many, node, "glucose", count), 20)
            await until("deleted", lambda: not meter.memory.records and not meter.connected, 10)
            await asyncio.sleep(1.1)  # no two records of one second are the same bytes
        assert sorted(payloads(node, "gatt/1808/2a18")) == sorted(sent)
    await ward.close()


async def test_a_meter_that_tells_its_newest_records_before_anybody_listens(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    meter.early = 2
    meter.fill_memory(5)
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await until("all five", partial(so_many, node, "glucose", 5), 20)
        meter.measure_glucose(ward.vitals(meter))
        await until("the new one", partial(so_many, node, "glucose", 6), 20)
        await visited(meter)
        assert sorted(payloads(node, "gatt/1808/2a18")) == sorted(record.measurement for record in meter.memory.records)
    await ward.close()


async def test_an_error_packet_with_status_0_is_a_cuff_error_without_a_number(tmp_path: Path) -> None:
    ward, cuff = ward_with("cuff")
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        cuff.keep(wire.cuff_error())
        await until("it is there", partial(so_many, node, "sbp", 1), 15)
        for key in ("sbp", "dbp", "map"):
            ((value, quality),) = readings(node, key)
            assert math.isnan(value)
            assert quality == Quality.NO_VALUE | Quality.CUFF_ERROR
    await ward.close()


async def test_hi_and_lo_are_the_ends_of_the_meters_range(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    meter.label = replace(meter.label, maker="Roche")
    for code in (wire.PLUS_INFINITY, wire.MINUS_INFINITY):
        record = meter.measure_glucose(ward.vitals(meter))
        measurement = record.measurement[:-3] + wire.special(code) + record.measurement[-1:]
        meter.memory.records[-1] = replace(record, measurement=measurement)
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await until("both", partial(so_many, node, "glucose", 2), 15)
        assert readings(node, "glucose") == [(33.3, Quality.ABOVE_RANGE), (0.6, Quality.BELOW_RANGE)]
    await ward.close()


async def test_a_context_that_is_announced_and_never_comes_holds_nothing_up(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    meter.has_context = False
    await ward.start()
    sent = [meter.measure_glucose(ward.vitals(meter), context=True).measurement for _ in range(2)]
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await until("both", partial(so_many, node, "glucose", 2), 15)
        await visited(meter)
        assert payloads(node, "gatt/1808/2a18") == sent
    await ward.close()


async def test_a_context_that_is_lost_holds_nothing_up(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    await ward.start()
    record = meter.measure_glucose(ward.vitals(meter), context=True)
    meter.memory.records[-1] = replace(record, context=None)
    meter.measure_glucose(ward.vitals(meter), context=True)
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await until("both", partial(so_many, node, "glucose", 2), 15)
        await visited(meter)
        assert payloads(node, "gatt/1808/2a18") == [record.measurement]
        assert len(payloads(node, "gatt/1808/2a18-2a34")) == 1
    await ward.close()


async def test_a_device_that_takes_two_thirds_of_each_deadline_to_answer(tmp_path: Path) -> None:
    ward, meter = ward_with("glucometer")
    meter.slow_s = 1.0
    meter.fill_memory(3)
    await ward.start()
    timing = replace(QUICK, exchange_s=1.5)
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}, timing=timing) as (node, _door):
        await until("its records", partial(so_many, node, "glucose", 3), 25)
        await until("it is known", lambda: node.registry.view.devices["one"].facts.get("firmware") == "1.0.0", 25)
        assert meter.connects == 1, "nobody lost patience"
    await ward.close()


async def test_a_scale_tells_what_somebody_weighs_to_who_knows_the_code(tmp_path: Path) -> None:
    ward, scale = ward_with("body_scale")
    scale.slots.codes = {1: 1234, 2: 777}
    await ward.start()
    mine, others = scale.weigh(61.5, user=1), scale.weigh(80.0, user=2)
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await visited(scale)
        assert payloads(node, "gatt/181b/2a9c") == [], "nobody has consented"
        node.registry.do_sync(SYSTEM, bindings.note_facts, "one", {"ble_users": "1:1234 2:9999"})
        await until("the first one's", partial(so_many, node, "weight", 1), 15)
        await until("the wrong code is told", lambda: ("ble.consent", "one") in {(f.code, f.subject) for f in node.ops.faults()})
        assert scale.pending == [others]
        node.registry.do_sync(SYSTEM, bindings.note_facts, "one", {"ble_users": "1:1234 2:0777"})
        await until("the other's", partial(so_many, node, "weight", 2), 15)
        await until("told no more", lambda: "ble.consent" not in {fault.code for fault in node.ops.faults()})
        assert payloads(node, "gatt/181b/2a9c") == [mine, others]
        assert [value for value, _ in readings(node, "body_fat")] == [24.0, 24.0]
        assert [value for value, _ in readings(node, "impedance")] == [520.0, 520.0]
    await ward.close()


async def test_a_slot_is_made_when_staff_ask_for_one(tmp_path: Path) -> None:
    ward, scale = ward_with("scale")
    scale.slots.codes = {1: 1234}
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        node.registry.do_sync(SYSTEM, bindings.note_facts, "one", {"ble_users": "new"})
        await until("a slot", lambda: len(scale.slots.codes) == 2, 15)
        await until("it is kept", lambda: node.registry.view.devices["one"].facts["ble_users"] == f"2:{scale.slots.codes[2]:04d}", 15)
        sent = scale.weigh(70.0, user=2)
        await until("its weight", partial(so_many, node, "weight", 1), 15)
        assert payloads(node, "gatt/181d/2a9d") == [sent]
        assert len(scale.slots.codes) == 2
    await ward.close()


async def test_a_thermometer(tmp_path: Path) -> None:
    ward, thermometer = ward_with("thermometer")
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        sent = [thermometer.take_temperature(36.6), thermometer.take_temperature(38.4)]
        await until("both", partial(so_many, node, "temp", 2), 15)
        assert payloads(node, "gatt/1809/2a1c") == sent
        assert readings(node, "temp") == [(36.6, Quality.GOOD), (38.4, Quality.GOOD)]
    await ward.close()


async def test_an_oximeter_with_a_memory_whose_records_have_no_numbers(tmp_path: Path) -> None:
    ward, oximeter = ward_with("spot_oximeter")
    await ward.start()
    for spo2_pct in (97, 96, 95):
        oximeter.measure_spot(spo2_pct, 64)
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        await until("all three", partial(so_many, node, "spo2", 3), 15)
        await visited(oximeter)
        oximeter.measure_spot(93, 70)
        await until("the fourth", partial(so_many, node, "spo2", 4), 15)
        await visited(oximeter, 2)
        assert [value for value, _ in readings(node, "spo2")] == [97.0, 96.0, 95.0, 93.0]
        assert "ble.records" not in {fault.code for fault in node.ops.faults()}
    await ward.close()
