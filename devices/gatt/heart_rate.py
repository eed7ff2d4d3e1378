"""Heart Rate Service (0x180D): Heart Rate Measurement with RR intervals, Body Sensor Location.

A sensor that reports contact and has none gives no number. A heart rate of 0 is asystole only from a sensor that reports contact and has
it; from one that does not report contact it means that no beat was found. RR intervals count from the first in the frame, oldest first,
in 1/1024 s; they carry no time of their own. Energy expended is checked and left: no quantity takes it.
"""

from __future__ import annotations

from array import array

from devices.gatt.base import measured, unless_zero
from devices.medfloat import Number, Reader
from devices.model import DecodeError, DeviceFacts, Item, Message, Quality, Series

CHANNELS = ("gatt/180d/2a37",)
FACT_CHANNELS = ("gatt/180d/2a38",)

_WIDE, _CONTACT, _CONTACT_REPORTED, _ENERGY, _RR, _RESERVED = 0x01, 0x02, 0x04, 0x08, 0x10, 0xE0
_MS_PER_S, _RR_PER_S = 1000, 1024
_LOCATIONS = ("other", "chest", "wrist", "finger", "hand", "ear lobe", "foot")


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One notification -> heart rate, and the RR intervals in it."""
    reader = Reader(payload)
    flags = reader.uint(1, "flags")
    rate = Number(reader.uint(2 if flags & _WIDE else 1, "heart rate"), 0)
    if flags & _ENERGY:
        reader.uint(2, "energy expended")
    intervals: list[int] = []
    if flags & _RR:  # none is usual too: no beat was complete since the last notification
        while reader.left:
            intervals.append(reader.uint(2, "rr interval"))
    reader.end(flags & _RESERVED)
    off_body = flags & _CONTACT_REPORTED and not flags & _CONTACT
    quality = Quality.NOT_WORN if off_body else Quality.GOOD
    items: list[Item] = [measured("hr", rate if flags & _CONTACT_REPORTED else unless_zero(rate), "/min", quality=quality)]
    if intervals and not off_body:  # intervals of a sensor in the air are noise
        items.append(Series(quantity="rr", values=array("d", [rr * _MS_PER_S / _RR_PER_S for rr in intervals])))
    return Message(items=tuple(items))


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """Where the sensor sits."""
    reader = Reader(payload)
    place = reader.uint(1, "body sensor location")
    reader.end()
    if place >= len(_LOCATIONS):
        raise DecodeError("body sensor location: reserved")
    return {"body_location": _LOCATIONS[place]}
