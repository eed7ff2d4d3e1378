"""What of a device's characteristics concerns us, and what kind of thing each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic

from devices import catalog
from devices.gatt import record_access
from devices.model import DecodeError
from gateway.collect.ble import facts, users

UNDECODED = frozenset({"gatt/1840/2b8b", "gatt/1840/2bdd"})  # Generic Health Sensor: kept as dead letters until somebody writes a decoder
STREAMS = frozenset({"gatt/180d/2a37", "gatt/1822/2a5f"})  # a device that has one of these is expected to speak all the time


@dataclass(slots=True)
class Map:
    """The characteristics of one device."""

    readings: list[tuple[str, BleakGATTCharacteristic]] = field(default_factory=list)
    control: list[tuple[str, BleakGATTCharacteristic]] = field(default_factory=list)  # (service, record access control point)
    clock: tuple[str, BleakGATTCharacteristic] | None = None
    users: BleakGATTCharacteristic | None = None  # user control point
    facts: list[tuple[str, BleakGATTCharacteristic]] = field(default_factory=list)

    @property
    def streams(self) -> bool:
        """Whether the device is one that speaks all the time."""
        return any(topic in STREAMS for topic, _ in self.readings)


def survey(client: BleakClient) -> Map:
    """Sort the characteristics."""
    found = Map()
    for service in client.services:
        for characteristic in service.characteristics:
            topic = catalog.gatt_topic(service.uuid, characteristic.uuid)
            _, short, uuid = topic.split("/")
            if uuid == record_access.CHARACTERISTIC:
                found.control.append((short, characteristic))
            elif topic == users.TOPIC:
                found.users = characteristic
            elif uuid in facts.CLOCKS and "read" in characteristic.properties:
                found.clock = found.clock if found.clock is not None and uuid != facts.CLOCKS[0] else (topic, characteristic)
            elif uuid in facts.FACTS and "read" in characteristic.properties:
                found.facts.append((topic, characteristic))
            elif topic in UNDECODED or _is_reading(topic):
                found.readings.append((topic, characteristic))
    return found


def _is_reading(topic: str) -> bool:
    try:
        catalog.channel_of(topic)
    except DecodeError:
        return False
    return True
