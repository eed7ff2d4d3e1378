"""IEEE 11073 SFLOAT and FLOAT, the GATT date-time, and a bounds-checked reader of GATT values (all little-endian).

A special value (NaN, NRes, +INF, -INF, reserved) is no number and never becomes one. Numbers are kept as mantissa and exponent, so that a
change of unit by a power of ten is exact: 51e-5 kg/L is 51 mg/dL, not 51.00000000000001.
A GATT date-time is what the device's display shows: local, without a zone. It is returned as nanoseconds since 1970 as if it were UTC;
whoever knows the zone subtracts it. Where any part is unknown (0) or impossible (month 13, 30 February, hour 24) there is no time: None.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from devices.model import DecodeError

MAX_BYTES = 512  # of an attribute's value (Core specification, Vol 3, Part F, 3.2.9)
NS_PER_S = 1_000_000_000
INT64_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Special(Enum):
    """What stands in the place of a number."""

    NAN = "not a number"
    NRES = "not at this resolution"
    POSITIVE_INFINITY = "+INF"
    NEGATIVE_INFINITY = "-INF"
    RESERVED = "reserved"


class Number(NamedTuple):
    """mantissa * 10**exponent, exactly."""

    mantissa: int
    exponent: int

    def scaled(self, power: int = 0) -> float:
        """The double nearest to the number times 10**power."""
        exponent = self.exponent + power
        return float(self.mantissa * 10**exponent) if exponent >= 0 else self.mantissa / 10**-exponent


MedFloat = Number | Special

# only the exact 16 or 32 bits are special: 0xF7FF is 204.7
_SFLOAT_SPECIAL = {
    0x07FF: Special.NAN,
    0x0800: Special.NRES,
    0x07FE: Special.POSITIVE_INFINITY,
    0x0802: Special.NEGATIVE_INFINITY,
    0x0801: Special.RESERVED,
}
_FLOAT_SPECIAL = {
    0x007FFFFF: Special.NAN,
    0x00800000: Special.NRES,
    0x007FFFFE: Special.POSITIVE_INFINITY,
    0x00800002: Special.NEGATIVE_INFINITY,
    0x00800001: Special.RESERVED,
}


def sfloat(raw: int) -> MedFloat:
    """16 bits: 4 of exponent, 12 of mantissa, both two's complement."""
    special = _SFLOAT_SPECIAL.get(raw)
    if special is not None:
        return special
    exponent, mantissa = raw >> 12, raw & 0xFFF
    return Number(mantissa - 0x1000 if mantissa & 0x800 else mantissa, exponent - 16 if exponent & 8 else exponent)


def float32(raw: int) -> MedFloat:
    """32 bits: 8 of exponent, 24 of mantissa, both two's complement."""
    special = _FLOAT_SPECIAL.get(raw)
    if special is not None:
        return special
    exponent, mantissa = raw >> 24, raw & 0xFFFFFF
    return Number(mantissa - 0x1000000 if mantissa & 0x800000 else mantissa, exponent - 256 if exponent & 128 else exponent)


def date_time_ns(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    """The device's local time in nanoseconds since 1970 as if it were UTC; None for what is no time or lies beyond int64."""
    try:
        span = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
    except ValueError:
        return None
    t_ns = (span.days * 86_400 + span.seconds) * NS_PER_S
    return t_ns if -INT64_MAX <= t_ns <= INT64_MAX else None


def encode_date_time(t_ns: int) -> bytes:
    """7 bytes of the date-time characteristic for a local time, given as if it were UTC; ValueError beyond the years 1582 to 9999."""
    seconds = t_ns // NS_PER_S
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("year: outside of the calendar") from error
    if when.year < 1582:
        raise ValueError("year: before the Gregorian calendar")
    return when.year.to_bytes(2, "little") + bytes((when.month, when.day, when.hour, when.minute, when.second))


class Reader:
    """Takes fields from the front of a GATT value; what is cut off raises a DecodeError with the field's name."""

    __slots__ = ("_at", "_data")

    def __init__(self, payload: bytes) -> None:
        if len(payload) > MAX_BYTES:
            raise DecodeError(f"too long: more than {MAX_BYTES} bytes")
        self._data = payload
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    @property
    def read(self) -> bytes:
        """Everything that has been read."""
        return self._data[: self._at]

    def take(self, size: int, name: str) -> bytes:
        """The next bytes."""
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise DecodeError(f"{name}: cut off" if self._data else "empty")
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left, "rest")

    def uint(self, size: int, name: str) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size, name), "little")

    def sint(self, size: int, name: str) -> int:
        """A signed number of `size` bytes."""
        return int.from_bytes(self.take(size, name), "little", signed=True)

    def sfloat(self, name: str) -> MedFloat:
        """An SFLOAT (2 bytes)."""
        return sfloat(self.uint(2, name))

    def float32(self, name: str) -> MedFloat:
        """A FLOAT (4 bytes)."""
        return float32(self.uint(4, name))

    def date_time(self, name: str) -> int | None:
        """A date-time (7 bytes): local, as if it were UTC, None for none."""
        data = self.take(7, name)
        return date_time_ns(data[0] | data[1] << 8, *data[2:])

    def end(self, reserved: int = 0) -> None:
        """Refuse what follows, but for fields of a later version, which reserved flag bits announce (they stand at the end)."""
        if self.left and not reserved:
            raise DecodeError("too long: something follows the last field")
