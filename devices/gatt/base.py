"""What the profiles share: from a field and its status bits to a sample, and from the device's wall clock to UTC.

Clocks. Health devices keep local time without a zone. Their times are read as if they were UTC, and the fact `utc_offset_s` (what the
device's clock is ahead of UTC, in whole seconds: the site's zone at the time, and the clock's own error if the collector has measured it)
is subtracted. Without the fact the clock is taken to show UTC; the collector must supply the site's zone. An identity is never made of a
corrected time: `Message.record` holds the raw bytes.
Values. A special value, a sensor that is not worn and a measurement that the device disowns have no number: NaN with NO_VALUE and the
reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import nan

from devices.checks import in_range
from devices.medfloat import INT64_MAX, NS_PER_S, MedFloat, Number, Special
from devices.model import DecodeError, DeviceFacts, Quality, Sample

MAX_UTC_OFFSET_S = 26 * 3600  # zones reach from -12 to +14 hours; the rest is the clock's own error
_WHOLE = re.compile(r"[+-]?[0-9]{1,6}")

_OF_SPECIAL = {
    Special.NAN: Quality.NO_VALUE,
    Special.NRES: Quality.NO_VALUE,
    Special.POSITIVE_INFINITY: Quality.NO_VALUE | Quality.ABOVE_RANGE,
    Special.NEGATIVE_INFINITY: Quality.NO_VALUE | Quality.BELOW_RANGE,
    Special.RESERVED: Quality.NO_VALUE | Quality.SENSOR_ERROR,
}
_OFF_BODY = Quality.NOT_WORN | Quality.LEAD_OFF

Bits = tuple[tuple[int, Quality], ...]


def quality_of(status: int, bits: Bits) -> Quality:
    """What the status bits that are set say together."""
    quality = Quality.GOOD
    for bit, meaning in bits:
        if status >> bit & 1:
            quality |= meaning
    return quality


def measured(
    key: str,
    value: MedFloat | None,
    unit: str,
    *,
    power: int = 0,
    t_ns: int | None = None,
    stored: bool = False,
    quality: Quality = Quality.GOOD,
) -> Sample:
    """A field times 10**power, in `unit`, as a sample in the canonical unit; None for a field that is absent."""
    if isinstance(value, Special):
        quality |= _OF_SPECIAL[value]
    if value is None or quality & _OFF_BODY:
        quality |= Quality.NO_VALUE
    if quality & Quality.NO_VALUE or not isinstance(value, Number):
        return Sample(quantity=key, value=nan, t_device_ns=t_ns, stored=stored, quality=quality)
    return Sample(quantity=key, value=in_range(key, value.scaled(power), unit), t_device_ns=t_ns, stored=stored, quality=quality)


def unless_zero(value: MedFloat) -> MedFloat:
    """Nothing instead of 0: no finger has a saturation of 0 % and no pulse meter a pulse of 0; devices show so that they found none."""
    return Special.NAN if isinstance(value, Number) and value.mantissa == 0 else value


def utc_ns(local_ns: int | None, facts: DeviceFacts, *, minutes: int = 0) -> int | None:
    """UTC of a device's local time that is as many minutes after `local_ns`; None where there is none."""
    text = facts.facts.get("utc_offset_s", "0")
    if _WHOLE.fullmatch(text) is None or abs(int(text)) > MAX_UTC_OFFSET_S:
        raise DecodeError("utc_offset_s: not a whole number of seconds within 26 hours")
    if local_ns is None:
        return None
    t_ns = local_ns + (minutes * 60 - int(text)) * NS_PER_S
    return t_ns if -INT64_MAX <= t_ns <= INT64_MAX else None


def words(bits: int, names: Iterable[str]) -> str:
    """Names of the bits that are set, from the lowest on, with spaces between; a bit without a name is left out."""
    return " ".join(name for place, name in enumerate(names) if bits >> place & 1 and name)
