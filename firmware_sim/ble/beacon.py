"""A device that only advertises: a button or a sensor with BTHome service data, written for the simulator alone."""

from __future__ import annotations

import asyncio

from bumble.core import AdvertisingData
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from firmware_sim.ble.radio import Room
from firmware_sim.clock import nap

SERVICE = b"\xd2\xfc"
PRESS, LONG_PRESS = 1, 4


class Beacon:
    """Advertises what it has to say for a while, then is silent."""

    def __init__(self, name: str, room: Room, *, address: str, advert_ms: float = 40.0, burst_s: float = 1.0) -> None:
        self.name = name
        self.address = address
        self.advert_ms = advert_ms
        self.burst_s = burst_s
        self.packet = 0
        self._controller = room.controller(name)
        host = Host(self._controller, AsyncPipeSink(self._controller))
        self.device = Device(name=name, address=Address(address, Address.RANDOM_DEVICE_ADDRESS), host=host)
        self._radio = asyncio.Lock()

    async def start(self) -> None:
        """Power on."""
        await self.device.power_on()

    async def close(self) -> None:
        """Power off."""
        self._controller.hang_up()
        await self.device.power_off()

    async def press(self, kind: int = PRESS, *, battery_pct: int = 93) -> bytes:
        """Somebody presses the button; returns the service data, after it has been on the air."""
        self.packet = (self.packet + 1) % 256
        return await self.say(bytes((0x44, 0x00, self.packet, 0x01, battery_pct, 0x3A, kind)))

    async def say(self, data: bytes) -> bytes:
        """Advertise this service data for a burst."""
        async with self._radio:
            self.device.advertising_data = bytes(
                AdvertisingData([(AdvertisingData.FLAGS, b"\x06"), (AdvertisingData.SERVICE_DATA_16_BIT_UUID, SERVICE + data)])
            )
            # As connectable, for Bumble's link carries no other adverts; nothing answers whoever tries.
            await self.device.start_advertising(advertising_interval_min=self.advert_ms, advertising_interval_max=self.advert_ms)
            await nap(self.burst_s)
            await self.device.stop_advertising()
        return data
