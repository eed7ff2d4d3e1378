"""The device's clock: Current Time (0x2A2B), Local Time Information (0x2A0F), Date Time (0x2A08) of any service.

Facts, not readings: the collector reads them on each connection, compares `clock_ms` with its own clock and so learns `utc_offset_s` (see
base.py). `clock_ms` is local time as if it were UTC; it is left out where the device does not know the time. encode_* set a clock that
may be set.
"""

from __future__ import annotations

from devices.medfloat import NS_PER_S, Reader, encode_date_time
from devices.model import DecodeError

FACT_CHANNELS = ("gatt/1805/2a2b", "gatt/1805/2a0f", "gatt/{service}/2a08")

_NS_PER_MS = 1_000_000
_FRACTIONS_PER_S = 256
_QUARTER_S = 900
_ZONES, _UNKNOWN_ZONE = range(-48, 57), -128
_SUMMER_TIMES, _UNKNOWN_SUMMER_TIME = (0, 2, 4, 8), 255
_REASONS = ("manual", "reference", "zone", "summer_time")
_DAYS_FROM_THURSDAY = 3  # 1970-01-01 was day 4 of a week that starts with Monday = 1


def facts_of(topic: str, payload: bytes) -> dict[str, str]:
    """The device's local time, or its offset from UTC."""
    reader = Reader(payload)
    if topic.endswith("/2a0f"):
        return _offset(reader)
    local_ns = reader.date_time("date time")
    found: dict[str, str] = {}
    if topic.endswith("/2a2b"):
        reader.take(1, "day of week")
        fraction = reader.uint(1, "fractions of a second")
        reasons = reader.uint(1, "adjust reason")
        found["clock_adjusted"] = " ".join(name for place, name in enumerate(_REASONS) if reasons >> place & 1)
        if local_ns is not None:
            local_ns += fraction * NS_PER_S // _FRACTIONS_PER_S
    reader.end()
    if local_ns is not None:
        found["clock_ms"] = str(local_ns // _NS_PER_MS)
    return found


def encode_current_time(local_ns: int) -> bytes:
    """10 bytes for 0x2A2B from a local time given as if it were UTC; the reason is an external reference."""
    days, rest_ns = divmod(local_ns, 86_400 * NS_PER_S)
    day_of_week = (days + _DAYS_FROM_THURSDAY) % 7 + 1
    fraction = rest_ns % NS_PER_S * _FRACTIONS_PER_S // NS_PER_S
    return encode_date_time(local_ns) + bytes((day_of_week, fraction, 1 << _REASONS.index("reference")))


def _offset(reader: Reader) -> dict[str, str]:
    zone, summer = reader.sint(1, "time zone"), reader.uint(1, "summer time")
    reader.end()
    if zone == _UNKNOWN_ZONE or summer == _UNKNOWN_SUMMER_TIME:
        return {}
    if zone not in _ZONES or summer not in _SUMMER_TIMES:
        raise DecodeError("time zone: reserved")
    return {"utc_offset_s": str((zone + summer) * _QUARTER_S)}
