"""Readings as Observations: one by one, the pressures of one frame as a panel, a minute of a continuous quantity as its mean."""

from __future__ import annotations

from typing import Any

from devices.codes import BP_PANEL_LOINC, BP_PANEL_MDC, BY_KEY, DATA_ELEMENT_OID, MEAL_MDC, Kind, Quantity
from devices.model import Quality
from gateway.ehr.base.items import NOBODY, Row
from gateway.ehr.fhir.common import (
    ABSENT,
    CATEGORY,
    GATEWAY,
    LOINC,
    MDC,
    Settings,
    concept,
    identifier,
    key_of,
    meta,
    moment,
    place,
    system,
)
from gateway.ehr.fhir.units import quantity as in_units

PANEL = "bp"  # key of what stands for the pressures of one frame
PARTS = ("sbp", "dbp", "map")
DEVICE_ITSELF = frozenset(("battery", "rssi"))  # they tell of the device, not of a person
MINUTE_NS = 60_000_000_000
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
PROFILES = {
    "hr": "heartrate", "pulse": "heartrate", "spo2": "oxygensat", "resp": "resprate", "temp": "bodytemp", "weight": "bodyweight",
    "height": "bodyheight", PANEL: "bp",
}  # fmt: skip
GATEWAY_EXTENSION = PROFILE + "observation-gatewayDevice"

_VITAL = frozenset((*PROFILES, *PARTS, "hr_resting", "hr_max_24h", "hrv_sdnn", "rr", "cuff_pressure"))
_LABORATORY = frozenset(key for key in BY_KEY if key.startswith(("glucose", "tir_", "cgm_")) or key == "gmi")
_PROCEDURE = frozenset(("ecg", "ppg"))
_FLAGS = frozenset(("bed_occupied", "motion", "door"))
_MEALS = {1: ("餐前", "before meal"), 2: ("餐后", "after meal"), 3: ("空腹", "fasting"), 4: ("随机", "casual"), 5: ("睡前", "bedtime")}
_ERRORS = Quality.LEAD_OFF | Quality.SENSOR_ERROR | Quality.CUFF_ERROR
_SPOKEN = Quality(
    sum(word for word in Quality if word not in (Quality.NO_VALUE, Quality.WAVE, Quality.BELOW_RANGE, Quality.ABOVE_RANGE))
)  # what is said as a tag


def observation(row: Row, settings: Settings) -> dict[str, Any]:
    """An Observation of any code row, or of the panel; `row.record` is made by the feed."""
    record, key = row.record, row.record["q"]
    quality = Quality(record["quality"])
    tags = [{"system": system(settings, "quality"), "code": str(word.name).lower()} for word in quality & _SPOKEN if word.name]
    profile = [PROFILE + name for name in (["vitalsigns", PROFILES[key]] if key in PROFILES else [])] if settings.profiles else []
    made: dict[str, Any] = {"resourceType": "Observation"}
    if labels := meta(row, profile, tags):
        made["meta"] = labels
    made["extension"] = [{"url": GATEWAY_EXTENSION, "valueReference": place("Device", GATEWAY)}]
    made["identifier"] = [identifier(settings, "reading", key_of(row.key, row.resident))]
    made["status"] = "entered-in-error" if row.retracted else ("amended" if row.version > 1 and "n" in record else "final")
    made["category"] = [concept([(CATEGORY, _category(key))])]
    made["code"] = _panel_code(settings) if key == PANEL else _code(BY_KEY[key], settings, bool(record.get("cuff")))
    if row.resident != NOBODY and key not in DEVICE_ITSELF:
        made["subject"] = place("Patient", row.resident)
    else:
        made["subject"] = place("Device", row.device)
    made |= _when(row)
    made["issued"] = moment(record["r"])
    if key == PANEL:
        made["device"] = place("Device", row.device)
        made["component"] = _pressures(record, settings)
        return made
    value = round(record["sum"] / record["n"], 6) if "n" in record else record["value"]  # the mean; six decimals hide binary noise
    made |= _value(BY_KEY[key], value, quality, settings)
    made["device"] = place("Device", row.device)
    if components := [*_statistics(row, settings), *_meal(record, settings)]:
        made["component"] = components
    return made


def _when(row: Row) -> dict[str, Any]:
    record = row.record
    if "n" not in record:
        return {"effectiveDateTime": moment(row.t_ns, record["tz"])}
    start_ns = record["minute"] * MINUTE_NS
    return {"effectivePeriod": {"start": moment(start_ns, record["tz"]), "end": moment(start_ns + MINUTE_NS, record["tz"])}}


def _category(key: str) -> str:
    if key in _VITAL:
        return "vital-signs"
    if key in _LABORATORY:
        return "laboratory"
    if key in _PROCEDURE:
        return "procedure"
    if key == "news2":
        return "survey"
    return "exam" if key in DEVICE_ITSELF else "activity"


def _code(row: Quantity, settings: Settings, cuff: bool = False) -> dict[str, Any]:
    codings = [(LOINC, code) for code in row.loinc]
    if row.mdc:
        codings.append((MDC, str(row.mdc[1] if cuff and len(row.mdc) > 1 else row.mdc[0])))
    if row.de is not None:
        codings.append((f"urn:oid:{DATA_ELEMENT_OID}", row.de))
    codings.append((system(settings, "quantity"), row.key))
    return concept(codings, row.zh if settings.language == "zh" else row.en)


def _panel_code(settings: Settings) -> dict[str, Any]:
    codings = [(LOINC, BP_PANEL_LOINC), (MDC, str(BP_PANEL_MDC)), (system(settings, "quantity"), PANEL)]
    return concept(codings, "血压" if settings.language == "zh" else "Blood pressure")


def _absent(quality: Quality) -> dict[str, Any]:
    reason = "unknown"
    if quality & Quality.WAVE:
        reason = "unsupported"
    elif quality & _ERRORS:
        reason = "error"
    elif quality & Quality.NOT_WORN:
        reason = "not-performed"
    return {"dataAbsentReason": concept([(ABSENT, reason)])}


def _value(row: Quantity, value: float | None, quality: Quality, settings: Settings) -> dict[str, Any]:
    if value is None or quality & Quality.NO_VALUE:
        return _absent(quality)
    if row.kind is Kind.EVENT or row.key in _FLAGS:
        return {"valueBoolean": value != 0}
    if row.key == "meal_context":
        return {"valueCodeableConcept": _meal_concept(int(value), settings)}
    return {"valueQuantity": in_units(value, row.ucum, settings.language, _comparator(quality))}


def _comparator(quality: Quality) -> str:
    """HI and LO: the number is the end of what the sensor can show. A minute that had both says neither."""
    beyond = quality & (Quality.BELOW_RANGE | Quality.ABOVE_RANGE)
    return {Quality.BELOW_RANGE: "<", Quality.ABOVE_RANGE: ">"}.get(beyond, "")


def _pressures(record: Any, settings: Settings) -> list[dict[str, Any]]:
    """Systolic and diastolic always, the mean where it was measured."""
    found = []
    for key in PARTS:
        value, quality = record["parts"].get(key, (None, int(Quality.NO_VALUE)))
        if key == "map" and key not in record["parts"]:
            continue
        found.append({"code": _code(BY_KEY[key], settings), **_value(BY_KEY[key], value, Quality(quality), settings)})
    return found


def _statistics(row: Row, settings: Settings) -> list[dict[str, Any]]:
    """What a minute was made of."""
    record = row.record
    if "n" not in record:
        return []
    ucum, words = BY_KEY[record["q"]].ucum, system(settings, "statistic")
    found: list[dict[str, Any]] = [
        {"code": concept([(words, word)]), "valueQuantity": in_units(record[word], ucum, settings.language)} for word in ("min", "max")
    ]
    return [*found, {"code": concept([(words, "count")]), "valueInteger": record["n"]}]


def _meal(record: Any, settings: Settings) -> list[dict[str, Any]]:
    if record.get("meal") is None:
        return []
    return [{"code": _code(BY_KEY["meal_context"], settings), "valueCodeableConcept": _meal_concept(record["meal"], settings)}]


def _meal_concept(value: int, settings: Settings) -> dict[str, Any]:
    zh, en = _MEALS.get(value, ("", ""))
    codings = [(MDC, str(MEAL_MDC[value]))] if value in MEAL_MDC else []
    return concept([*codings, (system(settings, "meal"), str(value))], zh if settings.language == "zh" else en)
