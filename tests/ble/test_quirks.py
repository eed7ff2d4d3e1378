"""Deviations of vendors over the air: what matters is what reaches the journal, each measurement once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from firmware_sim.ble.bonds import JUST_WORKS
from firmware_sim.ble.peripheral import Peripheral
from firmware_sim.ble.ward import BleWard
from tests.ble.test_records import METER, glucose_rows, plan
from tests.support.ble_town import gateway_of, room_radio, until


def quiet_ward(**more: object) -> BleWard:
    """A ward with one meter that is not on yet, so that a test may say what it is."""
    return BleWard(plan(**more))


def names(rows: list[tuple[bytes, int]]) -> set[bytes]:
    """Records without their numbers."""
    return {row[:1] + row[3:] for row, _ in rows}


def stored(folder: Path, count: int) -> bool:
    """So many readings are in the journal."""
    return len(glucose_rows(folder / "journal")) == count


def has_sent(meter: Peripheral, count: int) -> bool:
    """The meter has sent so many records in its life."""
    return len(meter.memory.sent) >= count


async def done(meter: Peripheral, visits: int) -> None:
    """Another visit has come and gone."""
    await until("a visit", lambda: meter.connects > visits and not meter.connected, 15)


@pytest.mark.timeout(60)
async def test_records_that_are_numbered_from_the_newest_on_are_each_stored_once(tmp_path: Path) -> None:
    ward = quiet_ward(records=5)
    meter = ward.devices["meter"]
    meter.label = replace(meter.label, maker="TaiDoc Technology", model="DM30b")
    meter.number_by_place()
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}):
        await until("all there", lambda: len(glucose_rows(tmp_path / "journal")) == 5, 20)
        await until("done", lambda: not meter.connected, 10)
        for _ in range(2):
            meter.measure_glucose(ward.vitals(meter), sequence=0)
            meter.number_by_place()
            visits, sent = meter.connects, len(meter.memory.sent)
            await until("the whole memory again", partial(has_sent, meter, sent + len(meter.memory.records)), 20)
            await done(meter, visits)
        rows = glucose_rows(tmp_path / "journal")
        assert len(rows) == 7
        assert names(rows) == {record.measurement[:1] + record.measurement[3:] for record in meter.memory.records}
    await ward.close()


@pytest.mark.timeout(60)
async def test_a_device_that_forgets_its_keys_is_paired_anew_each_time_and_nobody_is_called(tmp_path: Path) -> None:
    ward = quiet_ward(pairing=JUST_WORKS)
    meter = ward.devices["meter"]
    meter.shown_name = "BLEsmart_0001"
    await ward.start()
    async with gateway_of(tmp_path, [room_radio(ward.rooms["room"])], {"meter": METER}) as (node, _door):
        for count in (1, 2):
            meter.measure_glucose(ward.vitals(meter))
            await until("it is there", partial(stored, tmp_path, count), 20)
            await until("hung up", lambda: not meter.connected, 10)
            await meter.bonds.forget(meter.device)
        assert "ble.bond" not in {fault.code for fault in node.ops.faults()}
        assert node.registry.view.devices["meter"].facts.get("ble_bond") is None
    await ward.close()
