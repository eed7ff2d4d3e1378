"""GATT services of the simulated devices, with the permissions that Bumble's server does not enforce by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bumble.att import ATT_Error, Attribute
from bumble.core import UUID
from bumble.gatt import Characteristic, CharacteristicValue, Service

from firmware_sim.clock import nap

READ_NOT_PERMITTED, CCCD_MISSING, IN_PROGRESS = 0x02, 0xFD, 0xFE
NONE = Attribute.Permissions(0)
_READ, _WRITE = Characteristic.Properties.READ, Characteristic.Properties.WRITE
_NOTIFY, _INDICATE = Characteristic.Properties.NOTIFY, Characteristic.Properties.INDICATE

Connection = Any  # Bumble's device connection
Value = Characteristic[bytes]


def _forbid(_connection: Connection) -> bytes:
    raise ATT_Error(READ_NOT_PERMITTED)


def notified(uuid: int) -> Value:
    """A characteristic that is notified only."""
    return Characteristic(UUID.from_16_bits(uuid), _NOTIFY, Attribute.READABLE, CharacteristicValue(read=_forbid))


def indicated(uuid: int) -> Value:
    """A characteristic that is indicated only."""
    return Characteristic(UUID.from_16_bits(uuid), _INDICATE, Attribute.READABLE, CharacteristicValue(read=_forbid))


def readable(
    uuid: int, read: bytes | Callable[[], bytes], *, notify: bool = False, write: Callable[[bytes], None] | None = None,
    pause: Callable[[], float] = lambda: 0.0,
) -> Value:  # fmt: skip
    """A characteristic that is read, its value fixed or made at each reading, after a pause; it may be written too."""

    async def answer(_connection: Connection) -> bytes:
        await nap(pause())
        return read if isinstance(read, bytes) else read()

    async def take(_connection: Connection, value: bytes) -> None:
        await nap(pause())
        if write is not None:
            write(value)

    properties, permissions = _READ | _NOTIFY if notify else _READ, Attribute.READABLE
    if write is None:
        return Characteristic(UUID.from_16_bits(uuid), properties, permissions, CharacteristicValue(read=answer))
    value = CharacteristicValue(read=answer, write=take)
    return Characteristic(UUID.from_16_bits(uuid), properties | _WRITE, permissions | Attribute.WRITEABLE, value)


def control_point(uuid: int, write: Callable[[Connection, bytes], Awaitable[None]], protection: Any = NONE) -> Value:
    """A characteristic that is written and answers by indications."""
    value = CharacteristicValue(read=_forbid, write=write)
    return Characteristic(UUID.from_16_bits(uuid), _WRITE | _INDICATE, Attribute.READABLE | Attribute.WRITEABLE | protection, value)


def written(uuid: int, write: Callable[[bytes], None]) -> Value:
    """A characteristic that is written without an answer."""
    properties = Characteristic.Properties.WRITE_WITHOUT_RESPONSE
    return Characteristic(
        UUID.from_16_bits(uuid), properties, Attribute.WRITEABLE, CharacteristicValue(write=lambda _connection, value: write(bytes(value)))
    )


def service(uuid: int, *characteristics: Value) -> Service:
    """A primary service."""
    return Service(UUID.from_16_bits(uuid), list(characteristics))


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What Device Information says."""

    maker: str = "Anxin Sim"
    model: str = "sim"
    serial: str = "0001"
    firmware: str = "1.0.0"


def device_information(label: Label, pause: Callable[[], float]) -> Service:
    """Device Information (0x180A)."""
    texts = ((0x2A29, label.maker), (0x2A24, label.model), (0x2A25, label.serial), (0x2A26, label.firmware))
    return service(0x180A, *(readable(uuid, text.encode(), pause=pause) for uuid, text in texts))
