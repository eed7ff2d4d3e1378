"""The Bumble backend behaves as BlueZ does, through plain bleak; no attempt ever blocks the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from firmware_sim.ble.ward import BleWard
from gateway.clock import SystemClock
from gateway.collect.ble.bumble_adapter import Adapter, Opened
from gateway.collect.ble.bumble_backend import backend_of
from tests.support.ble_town import address, until, ward_of

pytestmark = pytest.mark.timeout(30)

STRAP, CUFF, METER = address(1), address(2), address(3)
PLAN: dict[str, Any] = {"step_s": 0.1, "advert_ms": 40, "rooms": [{"name": "room", "devices": [
    {"id": "strap", "kind": "strap", "address": STRAP}, {"id": "cuff", "kind": "cuff", "address": CUFF},
    {"id": "meter", "kind": "glucometer", "address": METER, "records": 40},
]}]}  # fmt: skip


def uuid(short: str) -> str:
    return f"0000{short}-0000-1000-8000-00805f9b34fb"


@dataclass
class Air:
    """A dongle beside three devices."""

    ward: BleWard
    adapter: Adapter
    scanner: Any
    client: Any
    seen: dict[str, BLEDevice] = field(default_factory=dict)

    async def look(self) -> None:
        async with BleakScanner(lambda device, _advert: self.seen.__setitem__(device.address, device), backend=self.scanner):
            await until("all heard", lambda: {STRAP, CUFF, METER} <= set(self.seen))

    def make(self, at: str, **more: Any) -> BleakClient:
        return BleakClient(self.seen[at], backend=self.client, **more)


@asynccontextmanager
async def air(links: int = 8) -> AsyncIterator[Air]:
    async with ward_of(PLAN) as ward:

        async def opener() -> Opened:
            dongle = ward.rooms["room"].plug()

            async def close() -> None:
                dongle.pull()

            return Opened(dongle, close)

        adapter = Adapter("test", opener, SystemClock(), links=links)
        await adapter.open()
        scanner, client = backend_of(adapter)
        found = Air(ward, adapter, scanner, client)
        await found.look()
        try:
            yield found
        finally:
            await adapter.close()


async def test_values_subscriptions_and_the_end_of_a_link() -> None:
    async with air() as sky:
        ended = asyncio.Event()
        client = sky.make(STRAP, disconnected_callback=lambda _client: ended.set())
        await client.connect()
        assert await client.read_gatt_char(uuid("2a24")) == b"sim-strap"
        assert client.mtu_size > 100
        heard: list[bytes] = []
        await asyncio.sleep(0.3)
        assert not heard  # nothing is sent before somebody subscribes
        assert 0x2A37 not in sky.ward.devices["strap"].sent
        await client.start_notify(uuid("2a37"), lambda _char, data: heard.append(bytes(data)))
        await until("heard", lambda: len(heard) >= 2)
        with pytest.raises(BleakDBusError, match="NotPermitted"):
            await client.start_notify(uuid("2a37"), lambda _char, _data: None)
        with pytest.raises(BleakGATTProtocolError) as refused:
            await client.read_gatt_char(uuid("2a37"))
        assert refused.value.code.name == "READ_NOT_PERMITTED"
        with pytest.raises(BleakDBusError, match="NotSupported"):
            await client.start_notify(uuid("2a24"), lambda _char, _data: None)
        with pytest.raises(BleakDBusError, match="NotPermitted"):
            await client.write_gatt_char(uuid("2a24"), b"x", response=True)
        sky.ward.devices["strap"].drop()
        await asyncio.wait_for(ended.wait(), 2)
        assert not client.is_connected
        with pytest.raises(BleakError):
            await client.read_gatt_char(uuid("2a24"))
        count = len(heard)
        await sky.look()
        await client.connect()
        await asyncio.sleep(0.5)
        assert len(heard) == count  # subscriptions end with the link
        await client.disconnect()


async def test_a_second_scan_is_refused_and_a_scan_that_is_over_cannot_be_stopped() -> None:
    async with air() as sky:
        first = BleakScanner(backend=sky.scanner)
        await first.start()
        with pytest.raises(BleakDBusError, match="InProgress"):
            await BleakScanner(backend=sky.scanner).start()
        await first.stop()
        with pytest.raises(BleakDBusError, match="No discovery started"):
            await first.stop()


@pytest.mark.timeout(20)
async def test_cancelled_failed_and_refused_attempts_never_block_the_next_one() -> None:
    async with air() as sky:
        strap = sky.ward.devices["strap"]
        for _ in range(2):
            await strap.advertise(False)
            waiting = asyncio.ensure_future(sky.make(STRAP).connect())
            await asyncio.sleep(0.1)
            with pytest.raises(BleakDBusError, match="InProgress"):
                await sky.make(METER).connect()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            meter = sky.make(METER)
            await meter.connect()
            await meter.disconnect()
            with pytest.raises(TimeoutError):
                await sky.make(STRAP, timeout=0.3).connect()
            await strap.advertise(True)
            strap.refuse(1)
            with pytest.raises(BleakError):
                await sky.make(STRAP).connect()
            client = sky.make(STRAP)
            await client.connect()
            assert await client.read_gatt_char(uuid("2a24")) == b"sim-strap"
            await client.disconnect()
        assert not sky.adapter.device.connections
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient(address(99), backend=sky.client).connect()


@pytest.mark.timeout(30)
async def test_an_attempt_is_given_up_by_whoever_waits_at_any_moment() -> None:
    async with air() as sky:
        for delay_s in (0.0, 0.001, 0.01, 0.03, 0.06, 0.1):
            client = sky.make(METER)
            work = asyncio.ensure_future(client.connect())
            await asyncio.sleep(delay_s)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await client.disconnect()  # the last of them come too late
            await until("the meter is free", lambda: not sky.ward.devices["meter"].connected)
        client = sky.make(METER)
        await client.connect()
        await client.disconnect()


async def test_indications_are_confirmed_and_links_are_limited() -> None:
    async with air(links=2) as sky:
        cuff = sky.ward.devices["cuff"]
        cuff.measure_pressure(sky.ward.vitals(cuff))
        client = sky.make(CUFF)
        await client.connect()
        assert len(cuff.pending) == 1
        heard: list[bytes] = []
        await client.start_notify(uuid("2a35"), lambda _char, data: heard.append(bytes(data)))
        await until("confirmed", lambda: not cuff.pending)
        assert len(heard) == 1
        second = sky.make(METER)
        await second.connect()
        with pytest.raises(BleakDBusError, match="limit"):
            await sky.make(STRAP).connect()


async def test_a_pulled_dongle_ends_everything_and_a_new_one_works() -> None:
    async with air() as sky:
        ended = asyncio.Event()
        client = sky.make(STRAP, disconnected_callback=lambda _client: ended.set())
        await client.connect()
        reading = asyncio.ensure_future(client.read_gatt_char(uuid("2a24")))
        await sky.adapter.close()
        with pytest.raises(BleakError):
            await reading
        assert ended.is_set()
        with pytest.raises(BleakError):
            await BleakScanner(backend=sky.scanner).start()
        await sky.adapter.open()
        sky.seen.clear()
        await sky.look()
        client = sky.make(STRAP)
        await client.connect()
        assert client.is_connected
