"""The one place where bleak's scanners and clients are made, with the backend of the configuration."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

from gateway.clock import Clock
from gateway.collect.ble.pairing import PairingDesk

Heard = Callable[[BLEDevice, AdvertisementData], None]


class Radio(Protocol):
    """One adapter."""

    name: str

    async def open(self, pairings: PairingDesk) -> None:
        """Make it usable, its pairing agent with it; raises what its stack raises."""
        ...

    async def close(self) -> None:
        """Give it back."""
        ...

    async def gone(self) -> None:
        """Return when the adapter is known to have gone."""
        ...

    def scanner(self, heard: Heard) -> BleakScanner:
        """A scanner that is not running yet."""
        ...

    def client(self, device: BLEDevice, ended: Callable[[], None], timeout_s: float) -> BleakClient:
        """A client that is not connected yet."""
        ...


def _scanner(heard: Heard, backend: type[BaseBleakScanner] | None, bluez: Any) -> BleakScanner:
    return BleakScanner(heard, scanning_mode="active", bluez=bluez, backend=backend)


def _client(
    device: BLEDevice, ended: Callable[[], None], timeout_s: float, backend: type[BaseBleakClient] | None, bluez: Any
) -> BleakClient:
    return BleakClient(device, lambda _client: ended(), timeout=timeout_s, bluez=bluez, backend=backend)


class SystemRadio:
    """An adapter of the operating system's own stack (BlueZ on Linux), by its name: hci0."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._bluez: dict[str, str] = {"adapter": name} if name else {}
        self._agent: Any = None

    async def open(self, pairings: PairingDesk) -> None:
        """Register the pairing agent (Linux); the first scan shows whether the adapter is there."""
        if sys.platform == "linux":
            from gateway.collect.ble.agent import Agent

            self._agent = Agent(pairings)
            await self._agent.open()

    async def close(self) -> None:
        """Take the agent back."""
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.close()

    async def gone(self) -> None:
        """Return when BlueZ's daemon is gone; of other systems only the silence of the scan tells."""
        if sys.platform == "linux":
            from gateway.collect.ble.bluez import left

            await left()
        else:
            await asyncio.Event().wait()

    def scanner(self, heard: Heard) -> BleakScanner:
        """Bleak's scanner of this platform."""
        return _scanner(heard, None, self._bluez)

    def client(self, device: BLEDevice, ended: Callable[[], None], timeout_s: float) -> BleakClient:
        """Bleak's client of this platform."""
        return _client(device, ended, timeout_s, None, self._bluez)


class BumbleRadio:
    """A controller that Bumble drives, reached through HCI."""

    def __init__(self, name: str, opener: Any, clock: Clock, *, links: int, bonds: Path | None = None) -> None:
        from gateway.collect.ble.bumble_adapter import Adapter  # Bumble takes a second to load
        from gateway.collect.ble.bumble_backend import backend_of

        self.name = name
        self._adapter = Adapter(name, opener, clock, links=links, bonds=bonds)
        self._scanner_class, self._client_class = backend_of(self._adapter)

    async def open(self, pairings: PairingDesk) -> None:
        """Reach the controller and reset it."""
        self._adapter.pairings = pairings
        await self._adapter.open()

    async def close(self) -> None:
        """Drop links and transport."""
        await self._adapter.close()

    async def gone(self) -> None:
        """Return when the transport is lost."""
        await self._adapter.lost.wait()

    def scanner(self, heard: Heard) -> BleakScanner:
        """A scanner on Bumble."""
        return _scanner(heard, self._scanner_class, {})

    def client(self, device: BLEDevice, ended: Callable[[], None], timeout_s: float) -> BleakClient:
        """A client on Bumble."""
        return _client(device, ended, timeout_s, self._client_class, {})


def radio(backend: str, spec: str, clock: Clock, *, links: int, bonds: Path | None = None) -> Radio:
    """The adapter that a line of the configuration names: hci0 for bleak, one of Bumble's transports for bumble."""
    if backend == "bleak":
        return SystemRadio(spec)
    from gateway.collect.ble.bumble_adapter import at  # Bumble takes a second to load

    return BumbleRadio(spec, at(spec), clock, links=links, bonds=bonds)
