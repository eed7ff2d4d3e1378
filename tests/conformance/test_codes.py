"""The quantity table: indexes are on disk, codes are other people's, units must be convertible."""

from __future__ import annotations

import re

import pytest

from devices.codes import BY_KEY, MEAL_MDC, QUANTITIES, Kind, Quantity, quantity
from devices.model import CallKind
from devices.units import CONVERSIONS

# The journal and the history store indexes: a key never moves. Keys of a release stand here; a row that is new since is at the end.
PINNED = """
hr pulse hrv_sdnn spo2 sbp dbp map temp resp glucose glucose_cgm weight steps sleep_total sleep_deep sleep_light sleep_rem battery
bed_occupied motion door ecg acc ppg rssi call.sos call.fall call.pull_cord call.assist call.cancel bed_exit fall_detected no_motion
property_exit enuresis smoke co_alarm hr_resting hr_max_24h steps_24h height meal_context news2 tir_very_low tir_low tir_in_range tir_high
tir_very_high glucose_mean gmi glucose_cv cgm_days cgm_active rr cuff_pressure carbs
""".split()

# Written down a second time from the sources, not copied from the table: key -> LOINC, UCUM, MDC, MDC of the unit, Chinese data element.
CODES: dict[str, tuple[str, str, str, str, str]] = {
    "hr": ("8867-4", "/min", "147842", "264864", "DE04.10.206.00"),
    "pulse": ("8867-4", "/min", "149530 149546", "264864", "DE04.10.118.00"),
    "hrv_sdnn": ("80404-7", "ms", "", "", ""),
    "spo2": ("2708-6 59408-5", "%", "150456", "262688", ""),
    "sbp": ("8480-6", "mm[Hg]", "150021", "266016", "DE04.10.174.00"),
    "dbp": ("8462-4", "mm[Hg]", "150022", "266016", "DE04.10.176.00"),
    "map": ("8478-0", "mm[Hg]", "150023", "266016", ""),
    "temp": ("8310-5", "Cel", "150364 150344", "268192", "DE04.10.186.00"),
    "resp": ("9279-1", "/min", "151562", "264928", "DE04.10.081.00"),
    "glucose": ("14743-9", "mmol/L", "160184", "266866", "DE04.50.102.00"),
    "glucose_cgm": ("105272-9", "mmol/L", "160212", "266866", ""),
    "weight": ("29463-7", "kg", "188736", "263875", "DE04.10.188.00"),
    "steps": ("55423-8", "{steps}", "8454247", "268800", ""),
    "steps_24h": ("41950-7", "{steps}", "8454247", "268800", ""),
    "sleep_total": ("93832-4", "min", "8455148", "264352", ""),
    "sleep_deep": ("93831-6", "min", "", "264352", ""),
    "sleep_light": ("93830-8", "min", "", "264352", ""),
    "sleep_rem": ("93829-0", "min", "", "264352", ""),
    "battery": ("", "%", "67996", "262688", ""),
    "hr_resting": ("40443-4", "/min", "", "264864", ""),
    "hr_max_24h": ("8873-2", "/min", "", "264864", ""),
    "height": ("8302-2", "cm", "188740", "263441", "DE04.10.167.00"),
    "meal_context": ("", "1", "8417864", "", ""),
    "fall_detected": ("", "1", "8519681", "", ""),
    "call.fall": ("", "1", "8519681", "", ""),
    "call.sos": ("", "1", "8519682", "", ""),
    "bed_exit": ("", "1", "8519691", "", ""),
    "motion": ("", "1", "8519687", "", ""),
    "no_motion": ("", "1", "8519687", "", ""),
    "property_exit": ("", "1", "8519688", "", ""),
    "enuresis": ("", "1", "8519689", "", ""),
    "smoke": ("", "1", "8519683", "", ""),
    "co_alarm": ("", "1", "8519684", "", ""),
    "news2": ("", "{score}", "", "", ""),
    "tir_very_low": ("104642-4", "%", "", "262688", ""),
    "tir_low": ("104641-6", "%", "", "262688", ""),
    "tir_in_range": ("97510-2", "%", "", "262688", ""),
    "tir_high": ("104640-8", "%", "", "262688", ""),
    "tir_very_high": ("104639-0", "%", "", "262688", ""),
    "glucose_mean": ("105273-7", "mmol/L", "", "266866", ""),
    "gmi": ("97506-0", "%", "", "262688", ""),
    "glucose_cv": ("104638-2", "%", "", "262688", ""),
    "cgm_days": ("104636-6", "d", "", "", ""),
    "cgm_active": ("104637-4", "%", "", "262688", ""),
    "rr": ("", "ms", "147240", "264338", ""),
    "cuff_pressure": ("", "mm[Hg]", "", "266016", ""),
    "carbs": ("", "g", "", "", ""),
    "bmi": ("39156-5", "kg/m2", "188752", "264099", ""),
    "body_fat": ("41982-0", "%", "188748", "262688", ""),
    "muscle_mass": ("73964-9", "kg", "", "263875", ""),
    "fat_free_mass": ("", "kg", "188756", "263875", ""),
    "soft_lean_mass": ("", "kg", "188760", "263875", ""),
    "body_water_mass": ("", "kg", "188764", "263875", ""),
    "impedance": ("", "Ohm", "", "", ""),
}


def test_indexes_never_move() -> None:
    assert [row.key for row in QUANTITIES][: len(PINNED)] == PINNED
    assert [row.index for row in QUANTITIES] == list(range(len(QUANTITIES)))
    assert len(QUANTITIES) < 2**15, "the index is an int16 on disk"
    assert len(BY_KEY) == len(QUANTITIES)


@pytest.mark.parametrize("key", CODES)
def test_codes(key: str) -> None:
    row = quantity(key)
    found = (" ".join(row.loinc), row.ucum, " ".join(map(str, row.mdc)), str(row.mdc_unit or ""), row.de or "")
    assert found == CODES[key]


def _loinc_check_digit(number: str) -> int:
    """Mod 10 (Luhn), as LOINC defines it."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return -total % 10


@pytest.mark.parametrize("row", QUANTITIES, ids=lambda row: row.key)
def test_row(row: Quantity) -> None:
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z_]+)?", row.key)
    assert row.zh
    assert row.en
    assert re.search(r"[\u4e00-\u9fff]|NEWS2", row.zh)
    for code in (*row.loinc, *(code for _, code in row.loinc_by_unit)):
        digits, _, check = code.partition("-")
        assert _loinc_check_digit(digits) == int(check), code
    assert all(0 < number < 2**32 for number in row.mdc)
    assert row.de is None or re.fullmatch(r"DE\d\d\.\d\d\.\d{3}\.\d\d", row.de)
    assert row.low <= row.high
    assert row.step > 0
    assert row.late_s > 0
    assert row.cadence_s is None or row.cadence_s > 0
    assert (row.cadence_s is not None) or row.kind is not Kind.CONTINUOUS, "continuous without a cadence: nobody would miss it"
    assert row.cadence_s is None or row.kind in (Kind.CONTINUOUS, Kind.STATUS)
    assert CONVERSIONS[row.key][row.ucum] is None, "the canonical unit needs no conversion"
    assert row.ucum not in {"bpm", "mmHg", "C"}, "no UCUM"


def test_labels_are_distinct() -> None:
    for labels in ([row.zh for row in QUANTITIES], [row.en for row in QUANTITIES]):
        assert len(set(labels)) == len(labels)


def test_calls_have_rows_of_value_one() -> None:
    assert {f"call.{kind.value}" for kind in CallKind} == {row.key for row in QUANTITIES if row.key.startswith("call.")}
    for row in QUANTITIES:
        if row.kind is Kind.EVENT:
            assert (row.low, row.high, row.ucum) == (1, 1, "1")


def test_meal_codes() -> None:
    row = quantity("meal_context")
    assert all(row.low <= value <= row.high for value in MEAL_MDC)


def test_unknown_key() -> None:
    with pytest.raises(KeyError):
        quantity("mood")
