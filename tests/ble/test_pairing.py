"""Pairing on Bumble: Just Works, a number that is typed, a wrong one, a bond that one side has lost, a device that nobody is pairing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.collect.ble.bumble_adapter import Opened
from gateway.collect.ble.collector import BleCollector
from gateway.collect.ble.pairing import NoPairing, PairingBusy, Step
from gateway.collect.ble.radio import BumbleRadio
from tests.support.ble_town import address, frames_of, gateway_of, until, ward_of
from tests.support.intake_node import Node

pytestmark = pytest.mark.timeout(60)
METER = address(9)


def plan(way: str) -> dict[str, Any]:
    return {"seed": 1, "advert_ms": 50, "rooms": [
        {"name": "r", "devices": [{"id": "meter", "kind": "glucometer", "address": METER, "records": 3, "pairing": way}]},
    ]}  # fmt: skip


def bonding_radio(room: Any, folder: Path) -> BumbleRadio:
    async def opener() -> Opened:
        dongle = room.plug()

        async def close() -> None:
            dongle.pull()

        return Opened(dongle, close)

    return BumbleRadio(room.name, opener, SystemClock(), links=8, bonds=folder / "bonds.json")


def step_of(door: BleCollector) -> Step | None:
    pairing = door.parts.pairings.of("meter")
    return None if pairing is None else pairing.step


def bond_fault(node: Node) -> bool:
    return any(fault.code == "ble.bond" for fault in node.ops.faults())


async def paired(door: BleCollector) -> None:
    door.parts.pairings.begin("meter", METER)
    await until("paired", lambda: step_of(door) is Step.PAIRED)


async def test_a_protected_meter_is_refused_until_somebody_pairs_it_and_then_gives_its_records(tmp_path: Path) -> None:
    async with (
        ward_of(plan("just_works")) as ward,
        gateway_of(tmp_path / "data", [bonding_radio(ward.rooms["r"], tmp_path)], {"meter": METER}) as (node, door),
    ):
        await until("somebody is asked to pair it", lambda: bond_fault(node))
        assert frames_of(node) == []
        await paired(door)
        await until("its records", lambda: sum(row.topic == "gatt/1808/2a18" for row in frames_of(node)) == 3)
        assert not bond_fault(node)
        assert node.registry.view.devices["meter"].facts["ble_bond"] == "reuse"


async def test_a_number_is_typed_and_the_bond_outlives_the_gateway(tmp_path: Path) -> None:
    async with ward_of(plan("passkey")) as ward:
        meter = ward.devices["meter"]
        radio = bonding_radio(ward.rooms["r"], tmp_path)
        async with gateway_of(tmp_path / "data", [radio], {"meter": METER}) as (node, door):
            door.parts.pairings.begin("meter", METER)
            await until("a number is asked for", lambda: step_of(door) is Step.PASSKEY and meter.bonds.display.shown is not None)
            door.parts.pairings.type("meter", meter.bonds.display.shown or 0)
            await until("paired", lambda: step_of(door) is Step.PAIRED)
            await until("its records", lambda: sum(row.topic == "gatt/1808/2a18" for row in frames_of(node)) == 3)
        meter.bonds.display.shown = None
        async with gateway_of(tmp_path / "data", [radio], {"meter": METER}) as (node, door):
            await ward.obey({"do": "measure", "device": "meter"})
            await until("the new record", lambda: sum(row.topic == "gatt/1808/2a18" for row in frames_of(node)) == 4)
            assert meter.bonds.display.shown is None, "it was paired once more"


async def test_a_wrong_number_fails_and_says_so(tmp_path: Path) -> None:
    async with ward_of(plan("passkey")) as ward:
        meter = ward.devices["meter"]
        async with gateway_of(tmp_path / "data", [bonding_radio(ward.rooms["r"], tmp_path)], {"meter": METER}) as (_, door):
            door.parts.pairings.begin("meter", METER)
            await until("a number is asked for", lambda: step_of(door) is Step.PASSKEY and meter.bonds.display.shown is not None)
            door.parts.pairings.type("meter", ((meter.bonds.display.shown or 0) + 1) % 1_000_000)
            await until("failed", lambda: step_of(door) is Step.FAILED)
            pairing = door.parts.pairings.of("meter")
            assert pairing is not None
            assert pairing.cause in ("refused", "link_lost")


async def test_a_device_that_has_lost_its_keys_is_to_be_paired_again(tmp_path: Path) -> None:
    async with (
        ward_of(plan("just_works")) as ward,
        gateway_of(tmp_path / "data", [bonding_radio(ward.rooms["r"], tmp_path)], {"meter": METER}) as (node, door),
    ):
        await paired(door)
        await ward.obey({"do": "forget", "device": "meter"})
        await ward.obey({"do": "drop", "device": "meter"})
        await until("somebody is asked to pair it", lambda: bond_fault(node))
        assert node.registry.view.devices["meter"].facts["ble_bond"] == "lost"
        await paired(door)
        await until("the fault is over", lambda: not bond_fault(node))


async def test_one_at_a_time_and_numbers_only_when_asked_for(tmp_path: Path) -> None:
    async with (
        ward_of(plan("passkey")) as ward,
        gateway_of(tmp_path / "data", [bonding_radio(ward.rooms["r"], tmp_path)], {}, strangers=False) as (_, door),
    ):
        desk = door.parts.pairings
        desk.begin("absent", address(77))
        with pytest.raises(PairingBusy):
            desk.begin("meter", METER)
        with pytest.raises(NoPairing):
            desk.type("absent", 123456)
        assert await desk.ask(METER) is None, "whoever is not being paired gets no number"
        desk.cancel("absent")
        assert desk.current() is None
