"""Weight Scale (0x181D): weight, body mass index, height; Body Composition (0x181B): fat, muscle, water and what else a scale estimates.

0xFFFF in the first field is a measurement that failed: no number. A measurement with a timestamp is a record from the scale's memory (it
sends what it has kept when it connects), one without is live. User 255 is nobody known. What a scale estimates from impedance it estimates
for the person whose slot is in use. A composition that comes in several packets is taken packet by packet.
"""

from __future__ import annotations

from devices.gatt.base import measured, utc_ns, words
from devices.medfloat import Number, Reader, Special
from devices.model import DecodeError, DeviceFacts, Item, Message, Quality

CHANNELS = ("gatt/181d/2a9d", "gatt/181b/2a9c")
FACT_CHANNELS = ("gatt/181d/2a9e", "gatt/181b/2a9b")

_IMPERIAL, _TIME, _USER, _BMI_AND_HEIGHT = 0x01, 0x02, 0x04, 0x08
_RESERVED, _RESERVED_COMPOSITION = 0xF0, 0xE000
_FAILED, _UNKNOWN_USER = 0xFFFF, 255
# (number per count in thousandths, unit) in the metric and in the imperial system
_MASS = ((5, "kg"), (10, "[lb_av]"))
_HEIGHT = ((1, "m"), (100, "[in_i]"))
_PERCENT, _OHM, _KILOJOULE, _BMI = ((100, "%"),) * 2, ((100, "Ohm"),) * 2, ((1000, "kJ"),) * 2, ((100, "kg/m2"),) * 2
_COMPOSITION = (  # bits 3 to 11 of the flags, in the order of the fields
    ("basal_metabolism", _KILOJOULE),
    ("muscle_percentage", _PERCENT),
    ("muscle_mass", _MASS),
    ("fat_free_mass", _MASS),
    ("soft_lean_mass", _MASS),
    ("body_water_mass", _MASS),
    ("impedance", _OHM),
    ("weight", _MASS),
    ("height", _HEIGHT),
)
_SCALE_FEATURES = ("timestamp", "multiple_users", "bmi")
_COMPOSITION_FEATURES = (
    *("timestamp", "multiple_users", "basal_metabolism", "muscle_percentage", "muscle_mass", "fat_free_mass"),
    *("soft_lean_mass", "body_water_mass", "impedance", "weight", "height"),
)


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One indication -> what the scale found, whose, when."""
    reader = Reader(payload)
    scale = topic.endswith("/2a9d")
    flags = reader.uint(1 if scale else 2, "flags")
    system = flags & _IMPERIAL
    raw = [("weight", _MASS, reader.uint(2, "weight")) if scale else ("body_fat", _PERCENT, reader.uint(2, "body fat percentage"))]
    local_ns = reader.date_time("timestamp") if flags & _TIME else None
    user = reader.uint(1, "user id") if flags & _USER else _UNKNOWN_USER
    if scale and flags & _BMI_AND_HEIGHT:
        raw += [("bmi", _BMI, reader.uint(2, "body mass index")), ("height", _HEIGHT, reader.uint(2, "height"))]
    if not scale:
        raw += [(key, units, reader.uint(2, key)) for bit, (key, units) in enumerate(_COMPOSITION, start=3) if flags >> bit & 1]
    reader.end(flags & (_RESERVED if scale else _RESERVED_COMPOSITION))

    t_ns, stored = utc_ns(local_ns, facts), bool(flags & _TIME)
    failed = raw[0][2] == _FAILED
    items: list[Item] = []
    for key, units, count in raw:
        thousandths, unit = units[system]
        if failed or (count == 0 and key in ("bmi", "height")):  # 0: the scale does not know how tall its user is
            quality = Quality.SENSOR_ERROR if failed else Quality.GOOD
            items.append(measured(key, Special.NAN, unit, t_ns=t_ns, stored=stored, quality=quality))
        else:
            items.append(measured(key, Number(count * thousandths, -3), unit, t_ns=t_ns, stored=stored))
    return Message(items=tuple(items), record=None if t_ns is None else payload, user=None if user == _UNKNOWN_USER else user)


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """What the scale can tell."""
    reader = Reader(payload)
    features = reader.uint(4, "feature")
    reader.end()
    if topic.endswith("/2a9e"):
        return {"weight_scale_features": words(features, _SCALE_FEATURES)}
    if topic.endswith("/2a9b"):
        return {"body_composition_features": words(features, _COMPOSITION_FEATURES)}
    raise DecodeError("topic: no facts are known to be in it")
