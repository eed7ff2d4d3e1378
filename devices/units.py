"""Exact conversions from the units that devices send to the canonical unit of a quantity; a unit is never guessed.

Units are UCUM codes (case-sensitive), plus spellings that cannot mean anything else. Deliberately unknown: `C` (coulomb), `F` (farad),
`g` for acceleration (gram), `rpm`, `斤` (not the same everywhere), and no unit at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType

from devices.codes import QUANTITIES
from devices.model import DecodeError


@dataclass(frozen=True, slots=True)
class Conversion:
    """canonical = (value - sub) * mul / div; kept as three exact numbers so that a round figure stays round."""

    sub: float
    mul: float
    div: float

    def __call__(self, value: float) -> float:
        """The value in the canonical unit."""
        return (value - self.sub) * self.mul / self.div


GLUCOSE_MG_PER_MMOL = 18.016  # g/mol of glucose / 10: mg/dL per mmol/L
PA_PER_MMHG = 133.322  # the definition of m[Hg] in UCUM
KG_PER_LB = 0.45359237  # international avoirdupois pound, exact
STANDARD_GRAVITY = 9.80665  # m/s2, exact

_SAME: tuple[float, float, float] = (0, 1, 1)
_PER_MINUTE = (
    *("/min", "1/min", "min-1", "bpm", "次/分"),
    *("beat/min", "beats/min", "{beat}/min", "{beats}/min", "breaths/min", "{breaths}/min"),
)

# canonical unit -> spelling -> (sub, mul, div)
_TABLE: dict[str, dict[str, tuple[float, float, float]]] = {
    "/min": {**dict.fromkeys(_PER_MINUTE, _SAME), "/s": (0, 60, 1), "Hz": (0, 60, 1)},
    "mm[Hg]": {"mm[Hg]": _SAME, "mmHg": _SAME, "kPa": (0, 1000, PA_PER_MMHG), "hPa": (0, 100, PA_PER_MMHG), "Pa": (0, 1, PA_PER_MMHG)},
    "Cel": {
        **dict.fromkeys(("Cel", "degC", "°C", "℃"), _SAME),
        **dict.fromkeys(("[degF]", "degF", "°F", "℉"), (32, 5, 9)),
        "K": (273.15, 1, 1),
    },
    "%": {"%": _SAME, "[ppth]": (0, 1, 10)},
    "mmol/L": {"mmol/L": _SAME, "mmol/l": _SAME, **dict.fromkeys(("mg/dL", "mg/dl"), (0, 1, GLUCOSE_MG_PER_MMOL))},
    "kg": {
        "kg": _SAME,
        "g": (0, 1, 1000),
        **dict.fromkeys(("[lb_av]", "lb", "lbs"), (0, KG_PER_LB, 1)),
        "[stone_av]": (0, 14 * KG_PER_LB, 1),
    },
    "g": {"g": _SAME, "mg": (0, 1, 1000), "kg": (0, 1000, 1)},
    "ms": {"ms": _SAME, "s": (0, 1000, 1), "us": (0, 1, 1000)},
    "min": {"min": _SAME, "h": (0, 60, 1), "s": (0, 1, 60), "ms": (0, 1, 60_000)},
    "d": {"d": _SAME, "h": (0, 1, 24)},
    "{steps}": {"{steps}": _SAME, "{step}": _SAME, "steps": _SAME, "1": _SAME},
    "{score}": {"{score}": _SAME, "1": _SAME},
    "1": {"1": _SAME},
    "mV": {"mV": _SAME, "uV": (0, 1, 1000), "V": (0, 1000, 1)},
    "m/s2": {"m/s2": _SAME, "m/s^2": _SAME, "m/s²": _SAME, "[g]": (0, STANDARD_GRAVITY, 1)},
    "{dBm}": {"{dBm}": _SAME, "dBm": _SAME},
    "cm": {"cm": _SAME, "m": (0, 100, 1), "mm": (0, 1, 10), "[in_i]": (0, 254, 100), "[ft_i]": (0, 3048, 100)},
}

_GLUCOSE_ONLY = frozenset({"mg/dL", "mg/dl"})  # the factor holds for glucose and for nothing else


def _conversions(key: str, ucum: str) -> dict[str, Conversion | None]:
    table = _TABLE.get(ucum, {ucum: _SAME})  # a canonical unit always fits itself
    return {
        unit: None if rule == _SAME else Conversion(*rule)
        for unit, rule in table.items()
        if key.startswith("glucose") or unit not in _GLUCOSE_ONLY
    }


# quantity key -> accepted unit -> conversion (None: it is the canonical unit already)
CONVERSIONS: MappingProxyType[str, dict[str, Conversion | None]] = MappingProxyType(
    {row.key: _conversions(row.key, row.ucum) for row in QUANTITIES}
)


def conversion(key: str, unit: object) -> Conversion | None:
    """The conversion of a unit for a quantity, None where nothing is to be done; DecodeError for an unknown or missing unit."""
    units = CONVERSIONS.get(key)
    if units is None:
        raise DecodeError("quantity: unknown")
    if unit is None or unit == "":
        raise DecodeError("unit: missing")
    if not isinstance(unit, str):
        raise DecodeError("unit: not text")
    try:
        return units[unit]
    except KeyError:
        raise DecodeError(f"unit: unknown for {key}") from None


def to_canonical(key: str, value: float, unit: str | None) -> float:
    """The value in the canonical unit of `key`; it is not range-checked here."""
    rule = conversion(key, unit)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DecodeError("value: not a number")
    try:
        number = float(value)
    except OverflowError:
        raise DecodeError(f"out of range: {key}") from None
    if rule is not None:
        number = rule(number)
    if not isfinite(number):
        raise DecodeError("value: not finite")
    return number
