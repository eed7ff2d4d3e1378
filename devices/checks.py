"""Checks that every payload format shares: a number in range of a known quantity in a known unit, or a DecodeError that names the key."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from math import nan
from typing import Any

from devices.codes import BY_KEY, Kind, Quantity
from devices.model import Call, CallKind, DecodeError, Quality, Sample
from devices.units import CONVERSIONS, conversion

NS_PER_MS = 1_000_000
MAX_MS = 9_223_372_036_854  # int64 nanoseconds end in the year 2262; a clock that stands before 1970 is judged by intake

# what may stand as a single value: not a waveform's sample, not what only we or the staff can know
_SINGLE: dict[str, Quantity] = {key: row for key, row in BY_KEY.items() if row.kind not in (Kind.WAVE, Kind.DERIVED)}
_SERIES: dict[str, Quantity] = {key: row for key, row in _SINGLE.items() if not key.startswith("call.")}
_WAVES: dict[str, Quantity] = {key: row for key, row in BY_KEY.items() if row.kind is Kind.WAVE}
_LIMITS: dict[str, tuple[float, float]] = {key: (row.low, row.high) for key, row in BY_KEY.items()}
_CALLS: dict[str, CallKind] = {f"call.{kind.value}": kind for kind in CallKind}
_NUMBERS = frozenset({int, float})

SINGLE_KEYS = frozenset(_SINGLE)
SERIES_KEYS = frozenset(_SERIES)
WAVE_KEYS = frozenset(_WAVES)


def wrong_quantity(key: Any, fit: frozenset[str]) -> DecodeError:
    """Why a quantity does not stand in the set that fits here; a key from outside is not repeated."""
    if key is None:
        return DecodeError("quantity: missing")
    if not isinstance(key, str):
        return DecodeError("quantity: not text")
    row = BY_KEY.get(key)
    if row is None:
        return DecodeError("quantity: unknown")
    if row.kind is Kind.DERIVED:
        return DecodeError(f"quantity: {key} is not measured by devices")
    if row.kind is Kind.WAVE:
        return DecodeError(f"quantity: {key} is a waveform")
    if fit is WAVE_KEYS:
        return DecodeError(f"quantity: {key} is not a waveform")
    return DecodeError(f"quantity: {key} cannot stand in a series")


def in_range(key: str, value: Any, unit: Any) -> float:
    """A number as received -> its canonical value within the plausible range; `key` must be a known quantity."""
    if type(value) not in _NUMBERS:
        raise DecodeError("value: missing" if value is None else "value: not a number")
    units = CONVERSIONS[key]
    rule = units[unit] if type(unit) is str and unit in units else conversion(key, unit)
    low, high = _LIMITS[key]
    try:
        number = float(value) if rule is None else rule(value)
    except OverflowError:  # an integer beyond the doubles
        raise DecodeError(f"out of range: {key}") from None
    if low <= number <= high:  # False for NaN
        return number
    raise DecodeError(f"out of range: {key}")


def sample(key: Any, value: Any, unit: Any, *, t_ns: int | None, stored: bool, quality: Quality = Quality.GOOD) -> Sample | Call:
    """One reading; a value of None needs a quality that says why. A call for help stays a call whatever form it came in."""
    if type(key) is not str or key not in _SINGLE:
        raise wrong_quantity(key, SINGLE_KEYS)
    if value is None:
        if quality is Quality.GOOD:
            raise DecodeError("value: missing")
        conversion(key, unit)
        if key in _CALLS:
            raise DecodeError("value: missing")
        return Sample(quantity=key, value=nan, t_device_ns=t_ns, stored=stored, quality=quality | Quality.NO_VALUE)
    number = in_range(key, value, unit)
    if key in _CALLS:
        return Call(call=_CALLS[key], t_device_ns=t_ns, stored=stored)
    return Sample(quantity=key, value=number, t_device_ns=t_ns, stored=stored, quality=quality)


def numbers(key: str, values: Any, unit: Any, limit: int) -> array[float]:
    """A list of numbers -> canonical doubles in range; `key` must be a known quantity."""
    if type(values) is not list:
        raise DecodeError("value: not an array")
    if not values:
        raise DecodeError("value: empty")
    if len(values) > limit:
        raise DecodeError(f"value: more than {limit} values")
    if not set(map(type, values)) <= _NUMBERS:  # true and null are not numbers
        raise DecodeError("value: not only numbers")
    rule: Callable[[float], float] | None = conversion(key, unit)
    try:
        out = array("d", values) if rule is None else array("d", map(rule, values))
    except OverflowError:
        raise DecodeError(f"out of range: {key}") from None
    low, high = _LIMITS[key]
    total = sum(out)  # NaN hides from min and max, not from the sum
    if not (low <= min(out) and max(out) <= high and total == total):
        raise DecodeError(f"out of range: {key}")
    return out


def whole(value: Any, name: str, low: int, high: int) -> int:
    """A whole number within [low, high]; true, 1.0 and text are none."""
    if type(value) is not int:
        raise DecodeError(f"{name}: missing" if value is None else f"{name}: not a whole number")
    if not low <= value <= high:
        raise DecodeError(f"{name}: out of range")
    return value


def time_ns(value: Any, name: str = "t") -> int:
    """Milliseconds since 1970 UTC -> nanoseconds."""
    return whole(value, name, -MAX_MS, MAX_MS) * NS_PER_MS


def times_ns(values: Any, count: int) -> array[int]:
    """A list of `count` times in milliseconds -> nanoseconds."""
    if type(values) is not list:
        raise DecodeError("t: not an array")
    if len(values) != count:
        raise DecodeError("t: not as many as values")
    if set(map(type, values)) != {int}:
        raise DecodeError("t: not only whole numbers")
    if min(values) < -MAX_MS or max(values) > MAX_MS:
        raise DecodeError("t: out of range")
    return array("q", [t_ms * NS_PER_MS for t_ms in values])
