"""An adapter for the Bumble backend: a controller reached through HCI (a socket, a serial line, USB, or an object in this process).

Bumble is more lenient than BlueZ; here are the limits that BlueZ sets: one scan, one connection attempt at a time, a number of links, and
nothing of a device that has not been heard lately. HCI commands are never cut off in the middle: their answers would go to the next one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)
from bumble import hci
from bumble.core import BaseBumbleError
from bumble.device import Connection, Device
from bumble.host import Host
from bumble.keys import JsonKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from gateway.clock import NS_PER_S, Clock
from gateway.collect.ble.pairing import PairingDesk

T = TypeVar("T")
LOG = logging.getLogger("anxin.ble")
LINKS = 10  # what a usual dongle holds
REMEMBERED_S = 30.0  # BlueZ forgets a device without a bond so long after it was heard
COMMAND_S = 5.0
SETTLE_S = 2.0


class Pipe(Protocol):
    """Two ends of HCI, as Bumble's host takes them."""

    source: Any
    sink: Any


@dataclass(frozen=True, slots=True)
class Opened:
    """An open pipe and what closes it."""

    pipe: Pipe
    close: Callable[[], Awaitable[None]]


Opener = Callable[[], Awaitable[Opened]]


def at(spec: str) -> Opener:
    """Opens one of Bumble's transports: tcp-client:host:port, serial:/dev/ttyX, usb:0 ..."""

    async def opener() -> Opened:
        transport = await open_transport(spec)
        return Opened(transport, transport.close)

    return opener


def in_progress() -> BleakError:
    """What BlueZ says to a second scan or connection attempt."""
    return BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"])


def failed(words: str) -> BleakError:
    """What BlueZ says in the same case."""
    return BleakDBusError("org.bluez.Error.Failed", [words])


class _Host(Host):
    """Tells when its transport is lost, and lets no packet's content into a log through an exception's traceback."""

    on_lost: Callable[[], None] | None = None

    def on_transport_lost(self) -> None:
        """The other end is gone."""
        if self.pending_response is None or not self.pending_response.done():
            super().on_transport_lost()  # type: ignore[no-untyped-call]
        if self.on_lost is not None:
            self.on_lost()

    def on_packet(self, packet: bytes) -> None:
        """A packet of the controller."""
        try:
            super().on_packet(packet)
        except Exception as error:  # noqa: BLE001 - the loop would print the packet, and what it says of a person, with it
            LOG.error("bumble: %s in a packet of %d bytes", type(error).__name__, len(packet))


class _Delegate(PairingDelegate):
    """Numbers are typed by the person who asked for this device to be paired; nobody else's device is."""

    def __init__(self, desk: PairingDesk, address: str) -> None:
        super().__init__(PairingDelegate.IoCapability.KEYBOARD_INPUT_ONLY)
        self._desk, self._address = desk, address

    async def accept(self) -> bool:
        """Only who is expected."""
        return self._desk.expects(self._address) is not None

    async def get_number(self) -> int | None:
        """The passkey."""
        return await self._desk.ask(self._address)


class Adapter:
    """One controller. `open` and `close` may be called again and again; `lost` is set when its transport has gone."""

    def __init__(self, name: str, opener: Opener, clock: Clock, *, links: int = LINKS, bonds: Path | None = None) -> None:
        self.name = name
        self.pairings = PairingDesk(clock)
        self._bonds = bonds
        self._address = bytearray(secrets.token_bytes(6))
        self._address[5] |= 0xC0  # random static
        self.clock = clock
        self.lost = asyncio.Event()
        self.scanner: object | None = None
        self.heard: dict[str, tuple[hci.Address, int]] = {}  # address -> when it was heard last
        self.on_lost: dict[object, Callable[[], None]] = {}
        self._opener = opener
        self._links = links
        self._device: Device | None = None
        self._close: Callable[[], Awaitable[None]] | None = None
        self._attempt: asyncio.Future[Any] | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._connecting = False
        logging.getLogger("bumble").setLevel(logging.CRITICAL)  # its warnings show payloads

    @property
    def device(self) -> Device:
        """Bumble's device; an error when the adapter is not there."""
        if self._device is None or self.lost.is_set():
            raise BleakBluetoothNotAvailableError("No Bluetooth adapters found.", BleakBluetoothNotAvailableReason.NO_BLUETOOTH)
        return self._device

    async def open(self) -> None:
        """Reach the controller and reset it; BleakError when that fails."""
        self.lost.clear()
        try:
            opened = await self.within(self._opener(), COMMAND_S)
        except (OSError, BaseBumbleError, TimeoutError) as error:
            raise failed(f"adapter {self.name}: {type(error).__name__}") from error
        self._close = opened.close
        host = _Host(opened.pipe.source, opened.pipe.sink)
        host.on_lost = self._on_lost
        device = Device(name="anxin", address=hci.Address(bytes(self._address), hci.Address.RANDOM_DEVICE_ADDRESS), host=host)
        if self._bonds is not None:
            device.keystore = JsonKeyStore(self.name, str(self._bonds))
        device.pairing_config_factory = self._pairing_config
        device.on("advertisement", self._on_advertisement)
        try:
            await self.within(device.power_on(), COMMAND_S)
        except (BaseBumbleError, TimeoutError) as error:
            await self.close()
            raise failed(f"adapter {self.name}: {type(error).__name__}") from error
        self._device = device

    async def close(self) -> None:
        """Drop links and transport."""
        device, self._device = self._device, None
        if device is not None and not self.lost.is_set():
            try:
                await self.within(device.reset(), COMMAND_S)  # the controller forgets its links
            except (BaseBumbleError, TimeoutError):
                pass  # closing it does the same
        self._on_lost()
        close, self._close = self._close, None
        if close is not None:
            await close()

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        """LE Secure Connections; protected against a man in the middle where the device can show a number."""
        return PairingConfig(sc=True, mitm=True, bonding=True, delegate=_Delegate(self.pairings, connection.peer_address.to_string(False)))

    async def is_bonded(self, address: str) -> bool:
        """Whether keys of this device are kept."""
        keystore = self.device.keystore
        return keystore is not None and await keystore.get(address) is not None

    def _on_lost(self) -> None:
        if not self.lost.is_set():
            self.lost.set()
            self.scanner = None
            self.heard.clear()
            for tell in list(self.on_lost.values()):
                tell()

    def _on_advertisement(self, advertisement: Any) -> None:
        address: hci.Address = advertisement.address
        self.heard[address.to_string(False)] = (address, self.clock.monotonic_ns())
        scanner = self.scanner
        if scanner is not None:
            scanner.on_advertisement(advertisement)  # type: ignore[attr-defined]

    def find(self, address: str) -> hci.Address:
        """A device that was heard lately."""
        known = self.heard.get(address.upper())
        if known is None or self.clock.monotonic_ns() - known[1] > REMEMBERED_S * NS_PER_S:
            self.heard.pop(address.upper(), None)
            raise BleakDeviceNotFoundError(address, f"Device with address {address} was not found.")
        return known[0]

    # --- work that is never cut off

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that goes on when its asker is gone; its error is taken by whoever waits, or by nobody."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()

    async def within(self, work: Awaitable[T], timeout_s: float) -> T:
        """The result of work that goes on in the background; TimeoutError when it takes too long."""

        async def run() -> T:
            return await work

        task = self.spawn(run())
        timer = asyncio.ensure_future(self.clock.sleep(timeout_s))
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if not task.done():
            raise TimeoutError
        if task.cancelled():
            raise failed("Not connected")
        return task.result()

    async def connect(self, address: hci.Address, timeout_s: float) -> Connection:
        """One attempt; a cancelled or timed-out one is taken back at the controller before this returns."""
        if self._attempt is not None and not self._attempt.done():
            await asyncio.wait((self._attempt,), timeout=SETTLE_S)  # a former attempt is being taken back
        if self._connecting or (self._attempt is not None and not self._attempt.done()):
            raise in_progress()
        device = self.device
        if len(device.connections) >= self._links:
            raise failed("le-connection-concurrent-connection-limit")
        self._connecting = True
        attempt = self.spawn(device.connect_le(address))
        lost = self.spawn(self._wait_lost())
        timer = asyncio.ensure_future(self.clock.sleep(timeout_s))
        try:
            await asyncio.wait((attempt, lost, timer), return_when=asyncio.FIRST_COMPLETED)
            if attempt.done() and not attempt.cancelled():
                return attempt.result()
        except asyncio.CancelledError:
            if attempt.done() and not attempt.cancelled() and attempt.exception() is None:
                await asyncio.shield(self.spawn(self.end(attempt.result())))  # made at the very moment of giving up: nobody else holds it
            raise
        except (BaseBumbleError, hci.HCI_Error) as error:
            raise failed("le-connection-abort-by-local") from error
        finally:
            self._connecting = False
            lost.cancel()
            timer.cancel()
            if not attempt.done():
                self._attempt = self.spawn(self._take_back(device, attempt))
                await asyncio.shield(self._attempt)
        if self.lost.is_set():
            raise failed("adapter lost")
        raise TimeoutError

    async def _wait_lost(self) -> None:
        await self.lost.wait()

    async def _take_back(self, device: Device, attempt: asyncio.Task[Connection]) -> None:
        """Cancel at the controller; a link that was made at the same moment is ended."""
        if self.lost.is_set():
            attempt.cancel()
            return
        try:
            await self.within(device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command()), COMMAND_S)
        except (BaseBumbleError, hci.HCI_Error, TimeoutError, BleakError):
            pass  # nothing was pending any more: the attempt has ended by itself
        await asyncio.wait((attempt,), timeout=SETTLE_S)
        if not attempt.done():
            attempt.cancel()
        elif not attempt.cancelled() and attempt.exception() is None:
            await self.end(attempt.result())

    async def end(self, connection: Connection) -> None:
        """Disconnect, as far as that is still possible."""
        if self._device is None or self._device.connections.get(connection.handle) is not connection:
            return  # it has ended by itself
        try:
            await self.within(self.device.disconnect(connection, hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR), COMMAND_S)
        except (BaseBumbleError, hci.HCI_Error, TimeoutError, BleakError):
            pass  # it is gone already, or the adapter is
