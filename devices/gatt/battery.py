"""Battery Service (0x180F): Battery Level in percent."""

from __future__ import annotations

from devices.gatt.base import measured
from devices.medfloat import Number, Reader
from devices.model import DeviceFacts, Message

CHANNELS = ("gatt/180f/2a19",)


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One reading or notification -> battery level; 101 to 255 are reserved."""
    reader = Reader(payload)
    level = Number(reader.uint(1, "battery level"), 0)
    reader.end()
    return Message(items=(measured("battery", level, "%"),))
