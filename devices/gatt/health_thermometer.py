"""Health Thermometer Service (0x1809): temperature measurement.

A measurement with a timestamp is a record from the thermometer's memory (it sends what it has kept when it connects), one without is live.
The place on the body (armpit, ear, finger ...) is checked and left. NaN is what a thermometer sends that found nothing to measure.
"""

from __future__ import annotations

from devices.gatt.base import measured, utc_ns
from devices.medfloat import Reader
from devices.model import DecodeError, DeviceFacts, Message

CHANNELS = ("gatt/1809/2a1c",)

_FAHRENHEIT, _TIME, _TYPE, _RESERVED = 0x01, 0x02, 0x04, 0xF8
_TYPES = range(1, 10)  # armpit, body, ear, finger, gut, mouth, rectum, toe, eardrum


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One indication -> the body's temperature, and when."""
    reader = Reader(payload)
    flags = reader.uint(1, "flags")
    temperature = reader.float32("temperature")
    local_ns = reader.date_time("timestamp") if flags & _TIME else None
    if flags & _TYPE and reader.uint(1, "temperature type") not in _TYPES:
        raise DecodeError("temperature type: reserved")
    reader.end(flags & _RESERVED)
    t_ns = utc_ns(local_ns, facts)
    item = measured("temp", temperature, "[degF]" if flags & _FAHRENHEIT else "Cel", t_ns=t_ns, stored=bool(flags & _TIME))
    return Message(items=(item,), record=None if t_ns is None else payload)
