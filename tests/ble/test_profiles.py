"""Sensors under the skin, scales, and what nobody decodes yet: what reaches the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devices.codes import BY_KEY
from firmware_sim.ble.peripheral import Peripheral
from gateway import deadletter
from gateway.journal import JournalReader
from tests.ble.test_quirks import done
from tests.support.ble_town import address, frames_of, gateway_of, room_radio, until, ward_of

AT = address(9)


def plan(kind: str) -> dict[str, Any]:
    """One device."""
    return {"step_s": 0.1, "advert_ms": 40, "rooms": [{"name": "room", "devices": [{"id": "one", "kind": kind, "address": AT}]}]}


def values(folder: Path, key: str) -> list[tuple[float, int]]:
    """(value, time of measurement in s) of every reading of a quantity."""
    reader = JournalReader(folder / "journal")
    found = [
        (round(float(rows.value[i]), 3), int(rows.t_measured_ns[i]) // 1_000_000_000)
        for block in (reader.blocks(1, 10_000) if reader.segments() else [])
        if (rows := block.readings) is not None
        for i in range(len(rows))
        if rows.quantity[i] == BY_KEY[key].index
    ]
    reader.close()
    return found


@pytest.mark.timeout(60)
async def test_a_sensor_under_the_skin_gives_its_memory_once_and_a_new_session_is_another(tmp_path: Path) -> None:
    async with ward_of(plan("cgm")) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        sensor: Peripheral = ward.devices["one"]
        hour_ms = 3_600_000
        sensor.session_start_ms = (sensor.now_ms() - 2 * hour_ms) // 1000 * 1000
        for minutes in range(0, 120, 5):
            sensor.sense(minutes, 100 + minutes)
        await until("all there", lambda: len(values(tmp_path, "glucose_cgm")) == 24, 20)
        start_s = sensor.session_start_ms // 1000 - 8 * 3600
        assert sorted(t_s for _, t_s in values(tmp_path, "glucose_cgm")) == [start_s + 300 * place for place in range(24)]
        await until("hung up", lambda: not sensor.connected, 10)
        sent = len(sensor.memory.sent)
        sensor.sense(120, 90)
        await until("the new one", lambda: len(values(tmp_path, "glucose_cgm")) == 25, 20)
        assert set(sensor.memory.sent[sent:]) == {115, 120}, "only what is new is asked for, and the last known one as a proof"
        await until("hung up", lambda: not sensor.connected, 10)
        sensor.memory.records.clear()
        sensor.session_start_ms += 2 * hour_ms + 60_000  # another sensor: minutes and values as before, another time
        for minutes in range(0, 15, 5):
            sensor.sense(minutes, 100 + minutes)
        await until("the new session", lambda: len(values(tmp_path, "glucose_cgm")) == 28, 20)
        await done(sensor, sensor.connects)
        assert len(values(tmp_path, "glucose_cgm")) == 28
        assert not [fault for fault in node.ops.faults() if fault.code == "ble.records"]


@pytest.mark.timeout(30)
async def test_a_scale_tells_whose_weight_it_was(tmp_path: Path) -> None:
    async with ward_of(plan("scale")) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        scale = ward.devices["one"]
        sent = [scale.weigh(61.5, user=2), scale.weigh(80.0, user=3)]
        await until("both", lambda: len(values(tmp_path, "weight")) == 2, 20)
        assert [value for value, _ in values(tmp_path, "weight")] == [61.5, 80.0]
        assert [frame.payload for frame in frames_of(node) if frame.topic == "gatt/181d/2a9d"] == sent
        assert not scale.pending


@pytest.mark.timeout(30)
async def test_what_nobody_decodes_yet_is_kept_with_its_bytes(tmp_path: Path) -> None:
    async with ward_of(plan("health_sensor")) as ward, gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"one": AT}) as (node, _door):
        sensor = ward.devices["one"]
        payload = bytes.fromhex("0f0102030405060708")
        await until("listened to", lambda: sensor.connected and sensor.subscribed(0x2B8B), 15)
        await sensor.observe(payload)
        await until("a letter", lambda: len(node.store.read_sync(deadletter.listing)) == 1, 10)
        letter = node.store.read_sync(deadletter.listing)[0]
        assert (letter.device, letter.topic, letter.payload) == ("one", "gatt/1840/2b8b", payload)
