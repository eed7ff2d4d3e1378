"""Every code row maps, passes the R4 schema and our rules; golden JSON per kind in cases/."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devices.codes import QUANTITIES, Kind
from devices.model import Quality
from gateway.ehr.base.items import ItemKind, Row
from gateway.ehr.fhir import to_fhir
from gateway.ehr.fhir.check import UNITS, loinc_ok, problems
from gateway.ehr.fhir.common import Known, Settings, places, with_literals
from gateway.ehr.fhir.people import device, patient
from gateway.vocabulary import Origin
from tests.ehr.support import START_NS, reading, row, schema

CASES = Path(__file__).parent / "cases"
S = 1_000_000_000
ZH, EN = Settings(), Settings(namespace="https://house.example/anxin", language="en", profiles=True, staff_names=True, notes=True)
ALERT = {
    "state": "raised", "priority": 3, "kind": "call", "cause": "call.sos", "code": "finding.call.sos", "raised_ns": START_NS, "step": 0,
    "next_step_ns": START_NS + 30 * S, "claimed_by": None, "claimed_name": None, "claimed_ns": None, "arrived_ns": None,
    "resolved_ns": None, "outcome": None, "note": "",
}  # fmt: skip
DONE = ALERT | {
    "state": "resolved", "next_step_ns": None, "claimed_by": "u-li", "claimed_name": "Li Jing", "claimed_ns": START_NS + 20 * S,
    "arrived_ns": START_NS + 80 * S, "resolved_ns": START_NS + 300 * S, "outcome": "helped", "note": "helped back to bed",
}  # fmt: skip

MOVED: dict[str, Any] = {
    "v": 1,
    "of": "dev-1-k",
    "old": "R2",
    "targets": ["dev-1-k|R2", "dev-1-k|R1"],
    "at": START_NS,
    "tz": "UTC",
    "actor": "u1",
}


def alert(kind: ItemKind, view: dict[str, Any], **more: Any) -> Row:
    return row(kind, v=1, view=view, alert="A1", at=START_NS + 400 * S, tz="Asia/Shanghai", **more)


def literal(resource: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = with_literals(resource, {one: f"{one[0]}/{number}" for number, one in enumerate(sorted(places(resource)), 1)})
    return made


def golden() -> dict[str, dict[str, Any]]:
    minute: dict[str, Any] = {
        "v": 1,
        "q": "hr",
        "minute": START_NS // (60 * S),
        "n": 60,
        "min": 61.0,
        "max": 75.0,
        "sum": 4110.0,
        "quality": 0,
        "r": START_NS,
        "tz": "Asia/Shanghai",
    }
    parts: dict[str, Any] = {"sbp": [121.0, 0], "dbp": [79.0, 0], "map": [93.0, 0]}
    rows: dict[str, tuple[Row, Settings]] = {
        "spo2": (row(**reading("spo2", 97.0)), ZH),
        "pressure_panel": (row(**reading("bp", None, parts=parts)), EN),
        "pressure_without_diastolic": (row(**reading("bp", None, parts={"sbp": [121.0, 0], "dbp": [None, 1 | 64]})), ZH),
        "glucose_with_meal": (row(**reading("glucose", 5.6, meal=3)), ZH),
        "glucose_hi": (row(**reading("glucose", 33.3, int(Quality.ABOVE_RANGE))), EN),
        "temperature_no_value": (row(**reading("temp", None, int(Quality.NO_VALUE | Quality.SENSOR_ERROR))), ZH),
        "pulse_of_a_cuff": (row(**reading("pulse", 71.0, int(Quality.IRREGULAR_PULSE), cuff=True)), ZH),
        "fall_detected": (row(**reading("fall_detected", 1.0)), ZH),
        "battery": (row(**reading("battery", 80.0)), EN),
        "minute_of_heart_rate": (row(ItemKind.SUMMARY, **minute), ZH),
        "minute_amended": (row(ItemKind.SUMMARY, version=2, **minute), ZH),
        "entered_in_error": (row(version=2, retracted=True, **reading("spo2", 97.0)), ZH),
        "simulated": (row(origin=Origin.SIM, **reading("weight", 60.5)), ZH),
        "issue_raised": (alert(ItemKind.ISSUE, ALERT), ZH),
        "issue_resolved": (alert(ItemKind.ISSUE, DONE), EN),
        "issue_false_alarm": (alert(ItemKind.ISSUE, DONE | {"outcome": "false_alarm"}), ZH),
        "task_raised": (alert(ItemKind.TASK, ALERT), ZH),
        "task_claimed": (alert(ItemKind.TASK, DONE | {"state": "claimed", "arrived_ns": None, "resolved_ns": None}), ZH),
        "task_resolved": (alert(ItemKind.TASK, DONE), EN),
        "message": (alert(ItemKind.MESSAGE, ALERT, told=[{"id": "P-li", "name": "Li Jing"}], why="new"), ZH),
        "correction": (row(ItemKind.CORRECTION, **MOVED), ZH),
    }  # fmt: skip
    found = {name: literal(to_fhir(one, settings)) for name, (one, settings) in rows.items()}
    known = {"name": "王淑华", "birth_date": "1941-05-17", "sex": "female", "number": "A-17"}
    found["patient_identifier_only"] = patient("R1", Known(values=known), ZH)
    found["patient_named"] = patient("R1", Known(values=known), Settings(patient_fields=("name", "birth_date", "sex")))
    found["device"] = device("dev-1", Known(values={"model": "M1", "kind": "wearable", "maker": "ACME", "test": True}), ZH)
    found["gateway"] = device("@gateway", Known(values={}), ZH)
    return found


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", sorted(golden()))
def test_golden(name: str) -> None:
    made = golden()[name]
    path = CASES / f"{name}.json"
    if os.environ.get("ANXIN_WRITE_CASES"):
        path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert made == json.loads(path.read_text(encoding="utf-8"))
    assert problems(made) == []
    schema()[made["resourceType"]](made)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("key", [one.key for one in QUANTITIES])
@pytest.mark.parametrize("settings", [ZH, EN], ids=["zh", "en"])
def test_every_code_row_maps(key: str, settings: Settings) -> None:
    one = next(each for each in QUANTITIES if each.key == key)
    values: list[tuple[float | None, Quality]] = [(one.low, Quality.GOOD), (one.high, Quality.ABOVE_RANGE), (None, Quality.NO_VALUE)]
    if one.kind is Kind.WAVE:
        values = [(None, Quality.NO_VALUE | Quality.WAVE)]
    for value, quality in values:
        made = literal(to_fhir(row(**reading(key, value, int(quality))), settings))
        schema()["Observation"](made)
        assert problems(made) == []
        codes = {(coding["system"], coding["code"]) for coding in made["code"]["coding"]}
        assert {code for system, code in codes if system == "http://loinc.org"} == set(one.loinc)
        if one.mdc:
            assert ("urn:iso:std:iso:11073:10101", str(one.mdc[0])) in codes
        if one.de:
            assert ("urn:oid:2.16.156.10011.2.2.1", one.de) in codes
        if "valueQuantity" in made:
            assert made["valueQuantity"]["code"] == one.ucum


def test_vital_signs_are_exact() -> None:
    wanted = {
        "hr": ("8867-4", "/min"), "pulse": ("8867-4", "/min"), "resp": ("9279-1", "/min"), "temp": ("8310-5", "Cel"),
        "weight": ("29463-7", "kg"), "height": ("8302-2", "cm"),
    }  # fmt: skip
    for key, (loinc, ucum) in wanted.items():
        made = to_fhir(row(**reading(key, 50.0)), ZH)
        assert made["code"]["coding"][0] == {"system": "http://loinc.org", "code": loinc}
        assert made["valueQuantity"]["code"] == ucum
        assert made["category"][0]["coding"][0]["code"] == "vital-signs"
    spo2 = to_fhir(row(**reading("spo2", 97.0)), ZH)
    assert [coding["code"] for coding in spo2["code"]["coding"]][:2] == ["2708-6", "59408-5"]
    assert to_fhir(row(**reading("glucose", 5.6)), ZH)["category"][0]["coding"][0]["code"] == "laboratory"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("valueQuantity", "code"), "bpm", "quantity:ucum"), (("valueQuantity", "code"), "mm[Hg]", "unit:8867-4"),
        (("status",), "done", "binding:status"), (("status",), None, "required:status"), (("valueString",), "x", "observation:one-value"),
        (("valueQuantity",), None, "vs-2"), (("dataAbsentReason",), {"text": "x"}, "obs-6"), (("effectiveDateTime",), None, "vs-1"),
        (("effectiveDateTime",), "2026-01-01", "time:effectiveDateTime"), (("subject", "reference"), "Patient?id=x", "reference-literal"),
        (("category",), None, "required:category"), (("code", "coding", 0, "code"), "8867-5", "coding:loinc-check-digit"),
        (("identifier", 0, "value"), "", "identifier:system-and-value"), (("note",), [], "empty:note"),
        (("valueQuantity", "value"), "61", "quantity:value"), (("valueQuantity", "comparator"), "~", "quantity:comparator"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(path: tuple[Any, ...], value: Any, rule: str) -> None:
    made = json.loads(json.dumps(literal(to_fhir(row(**reading("hr", 61.0)), ZH))))
    assert problems(made) == []
    inner = made
    for part in path[:-1]:
        inner = inner[part]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    assert rule in problems(made)


def test_loinc_check_digits() -> None:
    assert all(loinc_ok(code) for code in UNITS)
    assert not any(loinc_ok(code) for code in ("8867-5", "85354-8", "x", "8867"))
