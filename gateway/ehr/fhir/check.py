"""Our own rules for R4, for what schemas do not say: required elements, codes of required bindings, one value, LOINC with its units.

A resource that breaks a rule never leaves; it becomes a dead letter with the rule's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devices.codes import BP_PANEL_LOINC, QUANTITIES
from gateway.ehr.fhir.common import CATEGORY, LOINC, UCUM

OBSERVATION_STATUS = frozenset("registered preliminary final amended corrected cancelled entered-in-error unknown".split())
TASK_STATUS = frozenset(
    "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed entered-in-error".split()
)
EVENT_STATUS = frozenset("preparation in-progress not-done on-hold stopped completed entered-in-error unknown".split())
COMPARATORS = frozenset(("<", "<=", ">=", ">"))
PRIORITIES = frozenset("routine urgent asap stat".split())

# resource -> elements that must be there
REQUIRED: dict[str, tuple[str, ...]] = {
    "Observation": ("identifier", "status", "category", "code", "subject"),
    "DetectedIssue": ("identifier", "status", "code", "patient"),
    "Task": ("identifier", "status", "intent", "focus", "for"),
    "Communication": ("identifier", "status", "subject", "recipient", "sent"),
    "Provenance": ("target", "recorded", "agent"),
    "Patient": ("identifier",),
    "Device": ("identifier", "status"),
}
# (resource, element) -> codes that a required binding allows
BINDINGS: dict[tuple[str, str], frozenset[str]] = {
    ("Observation", "status"): OBSERVATION_STATUS,
    ("DetectedIssue", "status"): OBSERVATION_STATUS,
    ("DetectedIssue", "severity"): frozenset(("high", "moderate", "low")),
    ("Task", "status"): TASK_STATUS,
    ("Task", "intent"): frozenset("unknown proposal plan order original-order reflex-order filler-order instance-order option".split()),
    ("Task", "priority"): PRIORITIES,
    ("Communication", "status"): EVENT_STATUS,
    ("Communication", "priority"): PRIORITIES,
    ("Patient", "gender"): frozenset("male female other unknown".split()),
    ("Device", "status"): frozenset("active inactive entered-in-error unknown".split()),
}
# LOINC -> UCUM codes in which it may come; those of vital signs are what the R4 profiles fix
UNITS: dict[str, frozenset[str]] = {code: frozenset((row.ucum,)) for row in QUANTITIES for code in row.loinc}
UNITS |= {code: frozenset((unit,)) for row in QUANTITIES for unit, code in row.loinc_by_unit}
UNITS |= {"8310-5": frozenset(("Cel", "[degF]")), "29463-7": frozenset(("kg", "g", "[lb_av]")), "8302-2": frozenset(("cm", "[in_i]"))}
UCUM_CODES = frozenset(row.ucum for row in QUANTITIES) | {unit for row in QUANTITIES for unit, _ in row.loinc_by_unit}
VITAL_LOINC = frozenset(("8867-4", "9279-1", "2708-6", "8310-5", "29463-7", "8302-2", BP_PANEL_LOINC))

_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LITERAL = re.compile(r"(urn:uuid:[0-9a-f-]{36}|[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})")
_TIMES = frozenset("effectiveDateTime issued start end identifiedDateTime date authoredOn lastModified sent received recorded".split())


def problems(resource: Mapping[str, Any]) -> list[str]:
    """Names of the rules that a resource with literal references breaks."""
    kind = resource.get("resourceType")
    if kind not in REQUIRED:
        return ["resource-type"]
    found = [f"required:{name}" for name in REQUIRED[kind] if not resource.get(name)]
    found += [
        f"binding:{name}" for (of, name), codes in BINDINGS.items() if of == kind and name in resource and resource[name] not in codes
    ]
    for name, value in _walk("", resource):
        for rule in _RULES:
            if (problem := rule(name, value)) is not None:
                found.append(problem)
    if kind == "Observation":
        found += _observation(resource)
    return sorted(set(found))


def _walk(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield name, value
    if isinstance(value, Mapping):
        for inner, part in value.items():
            yield from _walk(inner, part)
    elif isinstance(value, list):
        for part in value:
            yield from _walk(name, part)


def _empty(name: str, value: Any) -> str | None:
    return f"empty:{name}" if value is None or value in ("", [], {}) else None


def _reference(name: str, value: Any) -> str | None:
    return "reference-literal" if name == "reference" and not (isinstance(value, str) and _LITERAL.fullmatch(value)) else None


def _time(name: str, value: Any) -> str | None:
    return f"time:{name}" if name in _TIMES and not (isinstance(value, str) and _WHEN.fullmatch(value)) else None


def _coding(name: str, value: Any) -> str | None:
    if name != "coding" or not isinstance(value, Mapping):
        return None
    if not value.get("system") or not value.get("code"):
        return "coding:system-and-code"
    if value["system"] == LOINC and not loinc_ok(value["code"]):
        return "coding:loinc-check-digit"
    return None


def _identifier(name: str, value: Any) -> str | None:
    if name != "identifier" or not isinstance(value, Mapping):
        return None
    return None if value.get("system") and value.get("value") else "identifier:system-and-value"


def _quantity(name: str, value: Any) -> str | None:
    if name != "valueQuantity":
        return None
    if not isinstance(value.get("value"), int | float) or isinstance(value.get("value"), bool):
        return "quantity:value"
    if value.get("system") != UCUM or value.get("code") not in UCUM_CODES:
        return "quantity:ucum"
    return None if value.get("comparator", "<") in COMPARATORS else "quantity:comparator"


_RULES: tuple[Callable[[str, Any], str | None], ...] = (_empty, _reference, _time, _coding, _identifier, _quantity)


def _observation(resource: Mapping[str, Any]) -> list[str]:
    found = []
    codes = _loinc(resource)
    effective = [name for name in resource if name.startswith("effective")]
    categories = {
        coding.get("code") for one in resource.get("category", []) for coding in one.get("coding", []) if coding.get("system") == CATEGORY
    }
    if len(effective) != 1:
        found.append("observation:one-effective")
    if not categories:
        found.append("observation:category")
    if codes & VITAL_LOINC:
        if "vital-signs" not in categories:
            found.append("vital:category")
        if not effective:
            found.append("vs-1")
    if "59408-5" in codes and "2708-6" not in codes:
        found.append("oxygensat:2708-6")
    components = resource.get("component", [])
    if BP_PANEL_LOINC in codes:
        found += [f"bp:{code}" for code in ("8480-6", "8462-4") if not any(code in _loinc(part) for part in components)]
        if _values(resource):
            found.append("bp:value")
    elif not _values(resource) and "dataAbsentReason" not in resource:
        found.append("vs-2")
    found += _one(resource, "observation")
    for part in components:
        found += _one(part, "component")
        if not _values(part) and "dataAbsentReason" not in part:
            found.append("vs-3")
    return found


def _one(part: Mapping[str, Any], where: str) -> list[str]:
    """At most one value, no reason beside it, and the unit of its LOINC."""
    found, values = [], _values(part)
    if len(values) > 1:
        found.append(f"{where}:one-value")
    if values and "dataAbsentReason" in part:
        found.append("obs-6")
    unit = part.get("valueQuantity", {}).get("code")
    return found + [f"unit:{code}" for code in _loinc(part) if unit is not None and unit not in UNITS.get(code, (unit,))]


def _values(part: Mapping[str, Any]) -> list[str]:
    return [name for name in part if name.startswith("value")]


def _loinc(part: Mapping[str, Any]) -> set[str]:
    return {coding.get("code", "") for coding in part.get("code", {}).get("coding", []) if coding.get("system") == LOINC}


def loinc_ok(code: str) -> bool:
    """Whether the digit behind the dash fits the number before it (Mod 10)."""
    match = re.fullmatch(r"(\d{1,7})-(\d)", code)
    if match is None:
        return False
    total = 0
    for place, digit in enumerate(reversed(match[1])):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return (10 - total % 10) % 10 == int(match[2])
