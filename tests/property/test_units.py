"""Conversions against exact fractions, and what is never guessed."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codes import QUANTITIES
from devices.model import DecodeError
from devices.units import CONVERSIONS, to_canonical

# key, value, unit -> canonical, by hand
KNOWN = [
    ("glucose", 180.16, "mg/dL", Fraction(10)),
    ("glucose_cgm", 18.016, "mg/dL", Fraction(1)),
    ("glucose", 5.5, "mmol/L", Fraction("5.5")),
    ("temp", 98.6, "[degF]", Fraction(37)),
    ("temp", -40, "degF", Fraction(-40)),
    ("temp", 212, "[degF]", Fraction(100)),
    ("temp", 310.15, "K", Fraction(37)),
    ("sbp", 133.322, "kPa", Fraction(1000)),
    ("sbp", 16, "kPa", Fraction(16000) / Fraction("133.322")),
    ("dbp", 80, "mmHg", Fraction(80)),
    ("weight", 100, "[lb_av]", Fraction("45.359237")),
    ("weight", 61500, "g", Fraction("61.5")),
    ("weight", 1, "[stone_av]", Fraction("6.35029318")),
    ("sleep_total", 7.5, "h", Fraction(450)),
    ("sleep_rem", 90, "s", Fraction("1.5")),
    ("hr", 72, "bpm", Fraction(72)),
    ("hr", 1.2, "Hz", Fraction(72)),
    ("hrv_sdnn", 0.05, "s", Fraction(50)),
    ("acc", 1, "[g]", Fraction("9.80665")),
    ("ecg", 1250, "uV", Fraction("1.25")),
    ("height", 1.68, "m", Fraction(168)),
    ("height", 10, "[in_i]", Fraction("25.4")),
    ("rssi", -60, "dBm", Fraction(-60)),
]


@pytest.mark.parametrize(("key", "value", "unit", "wanted"), KNOWN)
def test_known(key: str, value: float, unit: str, wanted: Fraction) -> None:
    assert to_canonical(key, value, unit) == pytest.approx(float(wanted), rel=1e-14)


@pytest.mark.parametrize(
    ("key", "unit"),
    [("temp", "C"), ("temp", "F"), ("temp", "cel"), ("acc", "g"), ("hr", "rpm"), ("sbp", "mmhg"), ("glucose", "%"), ("weight", "斤"),
     ("spo2", "1"), ("hr", "BPM"), ("glucose_mean", "g/L"), ("hrv_sdnn", "mg/dL"), ("hr", ""), ("hr", None), ("mood", "1"),
     ("hr", " /min")],
)  # fmt: skip
def test_never_guessed(key: str, unit: str | None) -> None:
    with pytest.raises(DecodeError):
        to_canonical(key, 1.0, unit)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "72", None, 10**400, 1e308])
def test_not_a_number(value: float) -> None:
    with pytest.raises(DecodeError):
        to_canonical("hr", value, "Hz")


PAIRS = sorted((row.key, unit) for row in QUANTITIES for unit in CONVERSIONS[row.key])


@given(st.sampled_from(PAIRS), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_monotonic_and_exact(pair: tuple[str, str], first: float, second: float) -> None:
    key, unit = pair
    low, high = sorted((first, second))
    assert to_canonical(key, low, unit) <= to_canonical(key, high, unit), "a larger reading must stay larger"
    rule = CONVERSIONS[key][unit]
    sub, mul, div = (Fraction(0), Fraction(1), Fraction(1)) if rule is None else map(Fraction, (rule.sub, rule.mul, rule.div))
    assert to_canonical(key, first, unit) == pytest.approx(float((Fraction(first) - sub) * mul / div), rel=1e-12, abs=1e-9)


@given(st.sampled_from(PAIRS), st.integers(-1000, 1000))
def test_whole_numbers_in_canonical_units_are_untouched(pair: tuple[str, str], value: int) -> None:
    key, unit = pair
    if CONVERSIONS[key][unit] is None:
        assert to_canonical(key, value, unit) == value
