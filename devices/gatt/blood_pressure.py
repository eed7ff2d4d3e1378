"""Blood Pressure Service (0x1810): measurement, intermediate cuff pressure, features.

A cuff whose measurement failed sends NaN in all three pressures, often with status 0: it is a cuff error either way. A mean pressure of NaN
alone is usual. A measurement with a timestamp is a record from the cuff's memory (a cuff sends what it has kept when it connects), one
without is live. User 255 is nobody known. The intermediate pressure is the cuff's while it fills, never a systolic one.
"""

from __future__ import annotations

from devices.gatt.base import Bits, measured, quality_of, unless_zero, utc_ns, words
from devices.medfloat import Reader, Special
from devices.model import DeviceFacts, Item, Message, Quality

CHANNELS = ("gatt/1810/2a35", "gatt/1810/2a36")
FACT_CHANNELS = ("gatt/1810/2a49",)

_KPA, _TIME, _PULSE, _USER, _STATUS, _RESERVED = 0x01, 0x02, 0x04, 0x08, 0x10, 0xE0
_UNKNOWN_USER = 255
_STATUS_BITS: Bits = (
    (0, Quality.MOTION),  # body moved
    (1, Quality.CUFF_ERROR),  # cuff too loose
    (2, Quality.IRREGULAR_PULSE),
    (5, Quality.CUFF_ERROR),  # cuff not at the height of the heart
)
_PULSE_RANGE = (Quality.GOOD, Quality.ABOVE_RANGE, Quality.BELOW_RANGE, Quality.GOOD)  # bits 3 and 4; 3 is reserved
_FEATURES = (
    *("movement", "cuff_fit", "irregular_pulse", "pulse_range", "position", "multiple_bonds"),
    *("e2e_crc", "user_data", "user_facing_time"),
)


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One indication or notification -> pressures, pulse, whose, when."""
    reader = Reader(payload)
    flags = reader.uint(1, "flags")
    pressures = [reader.sfloat(name) for name in ("systolic", "diastolic", "mean arterial pressure")]
    local_ns = reader.date_time("timestamp") if flags & _TIME else None
    pulse = reader.sfloat("pulse rate") if flags & _PULSE else None
    user = reader.uint(1, "user id") if flags & _USER else _UNKNOWN_USER
    status = reader.uint(2, "measurement status") if flags & _STATUS else 0
    reader.end(flags & _RESERVED)

    stored, t_ns = bool(flags & _TIME), utc_ns(local_ns, facts)
    unit, quality = "kPa" if flags & _KPA else "mm[Hg]", quality_of(status, _STATUS_BITS)
    items: list[Item]
    if topic.endswith("/2a36"):
        items = [measured("cuff_pressure", pressures[0], unit, t_ns=t_ns, stored=stored, quality=quality)]
    else:
        if all(pressure is Special.NAN for pressure in pressures):
            quality |= Quality.CUFF_ERROR
        items = [
            measured(key, pressure, unit, t_ns=t_ns, stored=stored, quality=quality)
            for key, pressure in zip(("sbp", "dbp", "map"), pressures, strict=True)
        ]
    beyond = _PULSE_RANGE[status >> 3 & 3]
    if pulse is not None or beyond:
        found = None if pulse is None else unless_zero(pulse)
        items.append(measured("pulse", found, "/min", t_ns=t_ns, stored=stored, quality=quality | beyond))
    return Message(
        items=tuple(items),
        record=None if t_ns is None else payload,  # without a time the same bytes may be another measurement
        user=None if user == _UNKNOWN_USER else user,
    )


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """What the cuff can tell about a measurement."""
    reader = Reader(payload)
    features = reader.uint(2, "blood pressure feature")
    return {"blood_pressure_features": words(features, _FEATURES)}
