"""Pulse Oximeter Service (0x1822): spot-check and continuous measurement, features.

Of a continuous measurement the normal values count; the fast and the slow ones (other averaging times) and the pulse amplitude index are
checked and left. A spot-check with a timestamp is a record from the device's memory; its time counts only if the device says that its
clock is set. What the device calls invalid, unavailable or calibrating has no number, neither has a sensor that is off the finger.
"""

from __future__ import annotations

from devices.gatt.base import Bits, measured, quality_of, unless_zero, utc_ns, words
from devices.medfloat import Reader
from devices.model import DeviceFacts, Message, Quality

CHANNELS = ("gatt/1822/2a5e", "gatt/1822/2a5f")
FACT_CHANNELS = ("gatt/1822/2a60",)

_TIME, _CLOCK_UNSET = 0x01, 0x10  # flags of a spot-check; the fields below stand from bit 1 on
_FAST, _SLOW = 0x01, 0x02  # flags of a continuous measurement; the fields below stand from bit 2 on
_STATUS, _DEVICE, _AMPLITUDE = 0x01, 0x02, 0x04
_RESERVED = 0xE0

_INVALID = Quality.NO_VALUE | Quality.SENSOR_ERROR
_MEASUREMENT_BITS: Bits = (
    (12, _INVALID),  # calibration ongoing
    (13, Quality.NO_VALUE),  # unavailable
    (14, Quality.MOTION),  # questionable: true in company only
    (15, _INVALID),
)
_FROM_STORAGE, _DEMONSTRATION_OR_TEST = 1 << 9, 1 << 10 | 1 << 11
_DEVICE_BITS: Bits = (
    (1, Quality.SENSOR_ERROR),  # equipment malfunction
    (2, Quality.MOTION),  # signal processing irregularity
    (3, Quality.LOW_PERFUSION),  # inadequate signal
    (4, Quality.LOW_PERFUSION),  # poor signal
    (5, Quality.LOW_PERFUSION),
    (6, Quality.MOTION),  # erratic signal
    (7, Quality.LOW_PERFUSION),  # signal without pulses
    (8, Quality.MOTION),  # questionable pulse
    (10, Quality.MOTION),  # interference
    (11, Quality.NOT_WORN),  # sensor not connected to the user
    (12, Quality.SENSOR_ERROR),  # unknown sensor
    (13, Quality.NOT_WORN),  # sensor displaced
    (14, Quality.SENSOR_ERROR),  # sensor malfunction
    (15, Quality.LEAD_OFF),  # sensor disconnected from the device
)
_FEATURES = ("measurement_status", "device_status", "storage", "timestamp", "fast", "slow", "amplitude", "multiple_bonds")


def decode(topic: str, payload: bytes, facts: DeviceFacts) -> Message:
    """One indication or notification -> saturation and pulse."""
    reader = Reader(payload)
    flags = reader.uint(1, "flags")
    spot = topic.endswith("/2a5e")
    saturation, pulse = reader.sfloat("spo2"), reader.sfloat("pulse rate")
    t_ns, stored = None, False
    if spot:
        local_ns = reader.date_time("timestamp") if flags & _TIME else None
        t_ns, stored = utc_ns(None if flags & _CLOCK_UNSET else local_ns, facts), bool(flags & _TIME)
        fields = flags >> 1
    else:
        for bit, name in ((_FAST, "fast"), (_SLOW, "slow")):
            if flags & bit:
                reader.take(4, f"spo2 and pulse rate, {name}")
        fields = flags >> 2
    status = reader.uint(2, "measurement status") if fields & _STATUS else 0
    device = reader.uint(3, "device and sensor status") if fields & _DEVICE else 0
    if fields & _AMPLITUDE:
        reader.sfloat("pulse amplitude index")
    reader.end(flags & _RESERVED)

    quality = quality_of(status, _MEASUREMENT_BITS) | quality_of(device, _DEVICE_BITS)
    stored = stored or bool(status & _FROM_STORAGE)
    items = tuple(
        measured(key, unless_zero(value), unit, t_ns=t_ns, stored=stored, quality=quality)
        for key, value, unit in (("spo2", saturation, "%"), ("pulse", pulse, "/min"))
    )
    return Message(items=items, test=bool(status & _DEMONSTRATION_OR_TEST), record=None if t_ns is None else payload)


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """What the oximeter can tell, and which of its status bits mean something."""
    reader = Reader(payload)
    features = reader.uint(2, "plx features")
    found = {"plx_features": words(features, _FEATURES)}
    if features & 1:
        found["plx_measurement_status"] = f"{reader.uint(2, 'measurement status support'):#06x}"
    if features & 2:
        found["plx_device_status"] = f"{reader.uint(3, 'device and sensor status support'):#08x}"
    return found
