"""Devices that only advertise: each press of a button in the journal once and at once, whatever else is going on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from devices.adverts import bthome
from devices.codes import quantity
from firmware_sim.ble.beacon import LONG_PRESS, Beacon
from firmware_sim.ble.radio import Room
from gateway.clock import NS_PER_S
from gateway.collect.ble.adverts import PAUSE_S, SAME_S, Once
from gateway.readings import FrameRow
from tests.support.ble_town import address, frames_of, gateway_of, room_radio, until
from tests.support.intake_node import Node

SOS = quantity("call.sos").index


def presses(node: Node) -> list[bytes]:
    """Payloads of the adverts in the journal."""
    return [frame.payload for frame in frames_of(node) if frame.topic == "advert/fcd2"]


@pytest.mark.timeout(30)
async def test_each_press_is_one_call_although_it_is_advertised_many_times(tmp_path: Path) -> None:
    room = Room("r")
    button = Beacon("b", room, address=address(1), burst_s=0.5)
    stranger = Beacon("s", room, address=address(2), burst_s=0.5)
    await button.start()
    await stranger.start()
    async with gateway_of(tmp_path, [room_radio(room)], {"button-1": address(1)}) as (node, _door):
        await asyncio.sleep(0.5)  # until the adapter scans
        began_s = time.monotonic()
        pressing = asyncio.ensure_future(button.press())
        await until("the first call is kept", lambda: presses(node), 10)
        print(f"press -> journal {time.monotonic() - began_s:.3f} s")
        sent = [await pressing, await button.press(), await button.press(LONG_PRESS)]
        await stranger.press()
        sent.append(await button.say(bytes.fromhex("40006301611a01")))  # no button: the ordinary lane
        await until("all four are kept", lambda: len(presses(node)) >= 4, 10)
        assert presses(node) == sent
        frames: list[FrameRow] = [frame for frame in frames_of(node) if frame.topic == "advert/fcd2"]
        assert {frame.device for frame in frames} == {"button-1"}
        assert {frame.channel for frame in frames} == {"ble-advert"}
        calls = [
            int(index)
            for block in node.journal.read_sync(1, 10_000)
            if block.readings is not None
            for index in block.readings.quantity
            if index == SOS
        ]
        assert len(calls) == 3
    await button.close()
    await stranger.close()


def test_what_is_the_same_event() -> None:
    press, bare = bytes.fromhex("44000101613a01"), bytes.fromhex("4001613a01")
    s = NS_PER_S
    once = Once()
    assert bthome.is_told_apart(press)
    assert not bthome.is_told_apart(bare)
    assert once.is_new("a", "advert/fcd2", press, 0)
    assert once.is_new("b", "advert/fcd2", press, 0)
    assert not once.is_new("a", "advert/fcd2", press, 1 * s)
    assert not once.is_new("a", "advert/fcd2", press, int((PAUSE_S + 10) * s)), "it has its number: a late echo"
    assert once.is_new("a", "advert/fcd2", press, int((SAME_S + 1) * s)), "numbers come again"
    assert once.is_new("a", "advert/fcd2", bare, 100 * s)
    assert not once.is_new("a", "advert/fcd2", bare, 102 * s)
    assert not once.is_new("a", "advert/fcd2", bare, 104 * s), "still the same burst"
    assert once.is_new("a", "advert/fcd2", bare, int((104 + PAUSE_S + 1) * s)), "pressed again"


def test_what_may_call_does_not_wait() -> None:
    assert bthome.may_call(bytes.fromhex("44000101613a01"))
    assert bthome.may_call(bytes.fromhex("41a47266c95f7300112233782372 14"))
    assert not bthome.may_call(bytes.fromhex("40016102ca09"))
    assert not bthome.may_call(b"")
