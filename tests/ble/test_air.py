"""What is heard while somebody sets a device up: a list by signal, a device that shows itself, one that is left on the air for a walk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.collect.ble.air import ADDRESSES, SCAN_S, Air
from gateway.collect.ble.pairing import Step
from tests.ble.test_pairing import bonding_radio
from tests.support.ble_town import address, gateway_of, room_radio, until, ward_of
from tests.support.fake_clock import FakeClock

CUFF, METER = address(21), address(22)


def plan(**more: Any) -> dict[str, Any]:
    devices = [
        {"id": "cuff", "kind": "cuff", "address": CUFF, "blinks": True} | more,
        {"id": "meter", "kind": "glucometer", "address": METER, "records": 1},
    ]
    return {"seed": 1, "advert_ms": 50, "rooms": [{"name": "r", "devices": devices}]}


def heard(air: Air, at: str, rssi: int, *services: str, adapter: str = "hci0", name: str = "x") -> None:
    uuids = [f"0000{short}-0000-1000-8000-00805f9b34fb" for short in services]
    advert: Any = SimpleNamespace(service_uuids=uuids, service_data={}, local_name=name, rssi=rssi)
    device: Any = SimpleNamespace(address=at, name=None)
    air.heard(adapter, device, advert)


async def test_nothing_is_noted_when_nobody_looks_and_everything_is_forgotten_afterwards() -> None:
    clock = FakeClock()
    air = Air(clock)
    heard(air, CUFF, -60, "1810")
    assert air.rows() == []
    air.open()
    heard(air, METER, -80, "1808")
    heard(air, CUFF, -60, "1810")
    assert [(row.address, row.kind, row.rssi_dbm) for row in air.rows()] == [(CUFF, "cuff", -60), (METER, "glucometer", -80)]
    await clock.advance(SCAN_S + 1)
    assert not air.is_open
    assert air.rows() == []


async def test_the_strength_is_the_middle_of_the_latest_and_of_one_adapter() -> None:
    air = Air(FakeClock())
    air.open()
    for rssi in (-60, -62, -95, -61, 127):  # one outlier, one "not available"
        heard(air, CUFF, rssi, "1810")
    assert air.rows()[0].rssi_dbm in (-61, -62)
    heard(air, CUFF, -40, "1810", adapter="hci1")
    assert (air.rows()[0].adapter, air.rows()[0].rssi_dbm) == ("hci1", -40)


async def test_a_crowd_of_addresses_is_bounded() -> None:
    air = Air(FakeClock())
    air.open()
    for number in range(ADDRESSES + 50):
        heard(air, address(number), -70)
    assert len(air.rows()) == ADDRESSES


@pytest.mark.timeout(60)
async def test_a_device_shows_itself_and_another_says_that_it_cannot(tmp_path: Path) -> None:
    async with (
        ward_of(plan()) as ward,
        gateway_of(tmp_path / "data", [room_radio(ward.rooms["r"])], {"cuff": CUFF, "meter": METER}) as (_, door),
    ):
        air = door.parts.air
        air.open()
        await until("both are heard", lambda: {row.kind for row in air.rows()} >= {"cuff", "glucometer"})
        air.show(CUFF)
        await until("it blinks", lambda: ward.devices["cuff"].blinked[:1] == [2])
        assert air.showing(CUFF).state == "shown"  # type: ignore[union-attr]
        await until("and stops", lambda: ward.devices["cuff"].blinked == [2, 0])
        air.show(METER)
        await until("it cannot", lambda: air.showing(METER) is not None and air.showing(METER).state == "no_alert")  # type: ignore[union-attr]


@pytest.mark.timeout(60)
async def test_a_device_on_a_walk_is_left_on_the_air_and_served_afterwards(tmp_path: Path) -> None:
    async with (
        ward_of(plan()) as ward,
        gateway_of(tmp_path / "data", [room_radio(ward.rooms["r"])], {"meter": METER}, strangers=False) as (_, door),
    ):
        air, meter = door.parts.air, ward.devices["meter"]
        assert air.hold(METER)
        before = meter.connects
        await until("its signal is followed", lambda: air.of(METER) is not None and len(air.of(METER).samples) > 5)  # type: ignore[union-attr]
        assert not meter.connected
        assert meter.connects <= before + 1  # one may have been under way
        air.release(METER)
        await until("it is served again", lambda: meter.connects > before)


@pytest.mark.timeout(60)
async def test_a_pairing_is_undone_and_made_again(tmp_path: Path) -> None:
    async with (
        ward_of(plan(pairing="just_works")) as ward,
        gateway_of(tmp_path / "data", [bonding_radio(ward.rooms["r"], tmp_path)], {"cuff": CUFF}, strangers=False) as (_, door),
    ):
        desk = door.parts.pairings
        desk.begin("cuff", CUFF)
        await until("paired", lambda: (found := desk.of("cuff")) is not None and found.step is Step.PAIRED)
        assert CUFF.replace(":", "") in (tmp_path / "bonds.json").read_text().upper().replace(":", "")
        await door.forget(CUFF)
        assert CUFF.replace(":", "") not in (tmp_path / "bonds.json").read_text().upper().replace(":", "")
