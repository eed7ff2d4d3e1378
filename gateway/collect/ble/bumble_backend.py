"""A bleak backend on Bumble: scanner and client classes over one adapter, as strict as BlueZ, with BlueZ's errors.

Bleak takes classes, not objects: `backend_of` makes a pair of them for each adapter.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar, cast

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName, gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError, BleakGATTProtocolErrorCode
from bleak.uuids import normalize_uuid_str
from bumble.att import ATT_Error
from bumble.core import AdvertisingData, BaseBumbleError
from bumble.device import Connection, Peer

from gateway.collect.ble.bumble_adapter import Adapter, failed, in_progress

T = TypeVar("T")
MTU = 517
PAIR_S = 70.0
DISCOVER_S = 10.0
_UUID_LISTS = (
    (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, 2),
    (AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, 2),
    (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, 16),
    (AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, 16),
)
_NAMES = (AdvertisingData.COMPLETE_LOCAL_NAME, AdvertisingData.SHORTENED_LOCAL_NAME)
_SERVICE_DATA, _MAKER_DATA = AdvertisingData.SERVICE_DATA_16_BIT_UUID, AdvertisingData.MANUFACTURER_SPECIFIC_DATA


def backend_of(adapter: Adapter) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """The classes that bleak is given for this adapter."""
    scanner = type("BleakScannerBumble", (BumbleScanner,), {"adapter": adapter})
    client = type("BleakClientBumble", (BumbleClient,), {"adapter": adapter})
    return cast("type[BaseBleakScanner]", scanner), cast("type[BaseBleakClient]", client)


def _not_permitted(what: str) -> BleakError:
    return BleakDBusError("org.bluez.Error.NotPermitted", [f"{what} not permitted"])


def _uuid(raw: bytes) -> str:
    """A UUID as bleak writes it; not through Bumble's class, which remembers every one that it has ever seen."""
    return normalize_uuid_str(raw[::-1].hex()) if len(raw) in (2, 4) else str(uuid.UUID(bytes=raw[::-1]))


class BumbleScanner(BaseBleakScanner):
    """One scan at a time per adapter."""

    adapter: ClassVar[Adapter]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        **_kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode != "passive"

    async def start(self) -> None:
        """Scan; an error of BlueZ's kind if somebody scans already."""
        adapter = self.adapter
        device = adapter.device
        if adapter.scanner is not None:
            raise in_progress()
        adapter.scanner = self
        self.seen_devices = {}
        try:
            await adapter.within(device.start_scanning(active=self._active), 5.0)
        except (BaseBumbleError, TimeoutError) as error:
            adapter.scanner = None
            raise failed(f"scan: {type(error).__name__}") from error

    async def stop(self) -> None:
        """Stop; an error if this scan has ended by itself."""
        adapter = self.adapter
        if adapter.scanner is not self:
            raise failed("No discovery started")
        adapter.scanner = None
        try:
            await adapter.within(adapter.device.stop_scanning(), 5.0)
        except (BaseBumbleError, TimeoutError) as error:
            raise failed(f"scan: {type(error).__name__}") from error

    def on_advertisement(self, advertisement: Any) -> None:
        """One advert, as the adapter heard it."""
        data: AdvertisingData = advertisement.data
        found = (
            _uuid(raw[at : at + size])
            for kind, size in _UUID_LISTS
            for raw in data.get_all(kind, raw=True)
            for at in range(0, len(raw) - size + 1, size)
        )
        uuids = list(dict.fromkeys(found))
        if not self.is_allowed_uuid(uuids):
            return
        names = [raw.decode(errors="replace") for kind in _NAMES for raw in data.get_all(kind, raw=True)]
        heard = AdvertisementData(
            local_name=names[0] if names else None,
            manufacturer_data={int.from_bytes(raw[:2], "little"): raw[2:] for raw in data.get_all(_MAKER_DATA, raw=True) if len(raw) >= 2},
            service_data={_uuid(raw[:2]): raw[2:] for raw in data.get_all(_SERVICE_DATA, raw=True) if len(raw) >= 2},
            service_uuids=uuids, tx_power=None, rssi=advertisement.rssi, platform_data=(),
        )  # fmt: skip
        address = advertisement.address.to_string(False)
        device = self.create_or_update_device(address, address, heard.local_name, None, heard)
        self.call_detection_callbacks(device, heard)


class BumbleClient(BaseBleakClient):
    """One connection."""

    adapter: ClassVar[Adapter]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        services: set[str] | None = None,
        **_kwargs: Any,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self._name = address_or_ble_device.name if isinstance(address_or_ble_device, BLEDevice) else None
        self._wanted = services
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._ended = asyncio.Event()
        self._listening: dict[int, Callable[[bytes], None]] = {}  # handle -> what hears it
        self._proxies: dict[int, Any] = {}  # handle -> Bumble's characteristic or descriptor

    @property
    def name(self) -> str:
        """The advertised name, else the address."""
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        """The negotiated MTU."""
        return 23 if self._connection is None else int(self._connection.att_mtu)

    @property
    def is_connected(self) -> bool:
        """Whether the link stands."""
        return self._connection is not None and not self._ended.is_set()

    # --- link

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect and discover; the device must have been heard lately, and no other attempt may be on its way."""
        if self.is_connected:
            raise BleakError("Client is already connected")
        adapter = self.adapter
        address = adapter.find(self.address)
        self._ended = asyncio.Event()
        connection = await adapter.connect(address, float(kwargs.get("timeout", self._timeout)))
        self._connection = connection
        connection.on("disconnection", self._on_ended)
        adapter.on_lost[self] = self._on_ended
        try:
            if pair:
                await self.pair()
            elif await adapter.is_bonded(str(connection.peer_address)):  # as BlueZ does: the stored keys are used at once
                await self._do(connection.encrypt(), 10.0, "org.bluez.Error.AuthenticationFailed")
            self._peer = Peer(connection)
            await self._do(self._discover(self._peer), DISCOVER_S)
        except BaseException:
            self._disconnected_callback, callback = None, self._disconnected_callback
            await adapter.end(connection)
            self._on_ended()
            self._disconnected_callback = callback
            raise

    def _on_ended(self, _reason: int = 0) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self.adapter.on_lost.pop(self, None)
        self._listening.clear()
        self._peer = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        """End the link; nothing happens where there is none."""
        if self._connection is not None and not self._ended.is_set():
            await self.adapter.end(self._connection)
            self._on_ended()

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        """Exchange keys: Just Works, or with a number where the device shows one."""
        await self._do(self._there().pair(), PAIR_S, "org.bluez.Error.AuthenticationFailed")

    async def unpair(self) -> None:
        """Forget the bond and the link."""
        device = self.adapter.device
        if device.keystore is not None:
            name = self.address if self._connection is None else str(self._connection.peer_address)
            if await self.adapter.is_bonded(name):
                await self.adapter.within(device.keystore.delete(name), 5.0)
        await self.disconnect()

    def _there(self) -> Connection:
        if self._connection is None or self._ended.is_set():
            raise BleakError("Not connected")
        return self._connection

    async def _discover(self, peer: Peer) -> None:
        await peer.request_mtu(MTU)
        services = BleakGATTServiceCollection()
        for found in await peer.discover_services():
            name = _uuid(found.uuid.to_bytes())
            if self._wanted is not None and name not in self._wanted:
                continue
            service = BleakGATTService(found, found.handle, name)
            services.add_service(service)
            for proxy in await found.discover_characteristics():
                names: list[CharacteristicPropertyName] = list(gatt_char_props_to_strs(int(proxy.properties)))
                made = BleakGATTCharacteristic(proxy, proxy.handle, _uuid(proxy.uuid.to_bytes()), names, lambda: self.mtu_size - 3, service)
                services.add_characteristic(made)
                self._proxies[proxy.handle] = proxy
                for descriptor in await proxy.discover_descriptors():
                    services.add_descriptor(BleakGATTDescriptor(descriptor, descriptor.handle, _uuid(descriptor.type.to_bytes()), made))
                    self._proxies[descriptor.handle] = descriptor
        self.services = services

    async def _do(self, work: Coroutine[Any, Any, T], timeout_s: float = 40.0, other_error: str = "org.bluez.Error.Failed") -> T:
        """An exchange with the device: its ATT errors, and the end of the link in the middle of it, as BlueZ tells them."""
        adapter = self.adapter
        task = adapter.spawn(work)
        ended = asyncio.ensure_future(self._ended.wait())
        timer = asyncio.ensure_future(adapter.clock.sleep(timeout_s))
        try:
            await asyncio.wait((task, ended, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            timer.cancel()
        if not task.done():
            raise BleakError("disconnected") if self._ended.is_set() else TimeoutError
        if task.cancelled():
            raise BleakError("disconnected")
        try:
            return task.result()
        except ATT_Error as error:
            raise BleakGATTProtocolError(BleakGATTProtocolErrorCode(error.error_code)) from error
        except BaseBumbleError as error:
            raise BleakDBusError(other_error, [type(error).__name__]) from error

    # --- values

    def _peer_there(self) -> Peer:
        self._there()
        if self._peer is None:
            raise BleakError("Not connected")
        return self._peer

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_kwargs: Any) -> bytearray:
        """Read from the device."""
        peer = self._peer_there()
        if "read" not in characteristic.properties:
            raise BleakGATTProtocolError(BleakGATTProtocolErrorCode.READ_NOT_PERMITTED)
        return bytearray(await self._do(peer.read_value(characteristic.handle)))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_kwargs: Any) -> bytearray:
        """Read from the device."""
        return bytearray(await self._do(self._peer_there().read_value(descriptor.handle)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """Write; only in a way that the characteristic offers."""
        peer = self._peer_there()
        if ("write" if response else "write-without-response") not in characteristic.properties:
            raise _not_permitted("Write")
        await self._do(peer.write_value(characteristic.handle, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        """Write; the client configuration is start_notify's and stop_notify's."""
        if descriptor.uuid == normalize_uuid_str("2902"):
            raise _not_permitted("Write")
        await self._do(self._peer_there().write_value(descriptor.handle, bytes(data), with_response=True))

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any) -> None:
        """Listen; until the device has taken the configuration nothing is heard, and twice is an error."""
        peer = self._peer_there()
        handle = characteristic.handle
        if not {"notify", "indicate"} & set(characteristic.properties):
            raise BleakDBusError("org.bluez.Error.NotSupported", ["Operation is not supported"])
        if handle in self._listening:
            raise BleakDBusError("org.bluez.Error.NotPermitted", ["Already notifying"])

        def heard(value: bytes) -> None:
            callback(bytearray(value))

        self._listening[handle] = heard
        try:
            await self._do(peer.subscribe(self._proxies[handle], heard))
        except BaseException:
            self._listening.pop(handle, None)
            raise

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Listen no more."""
        peer = self._peer_there()
        heard = self._listening.pop(characteristic.handle, None)
        if heard is None:
            raise failed("No notify session started")
        await self._do(peer.unsubscribe(self._proxies[characteristic.handle], heard))
