"""What all maps share: settings, systems, codings, times, and references that are made literal only when a target knows them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from gateway.ehr.base.items import Row

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
MDC = "urn:iso:std:iso:11073:10101"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
TEST_LABEL = {"system": ACT_REASON, "code": "HTEST", "display": "test health data"}
GATEWAY = "@gateway"  # key of the gateway's own Device

_PLACE = re.compile(r"^(\w+)/\{(.+)\}$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the house decides about its resources."""

    namespace: str = "urn:anxin"  # one per installation: identifiers start with it
    language: str = "zh"
    patient_fields: tuple[str, ...] = ()  # name, birth_date, sex: what the contract permits; the identifier always goes
    staff_names: bool = False
    notes: bool = False  # free text of those who handled an alert
    profiles: bool = False  # claim meta.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the registry says of a person or a device, or the alert desk of a message; plain values."""

    values: Mapping[str, Any]


def system(settings: Settings, word: str) -> str:
    """A system of ours."""
    return f"{settings.namespace}{':' if settings.namespace.startswith('urn:') else '/'}{word}"


def identifier(settings: Settings, word: str, value: str) -> dict[str, Any]:
    """An identifier of ours."""
    return {"system": system(settings, word), "value": value}


def place(kind: str, key: str) -> dict[str, str]:
    """A reference whose literal form only the target knows."""
    return {"reference": f"{kind}/{{{key}}}"}


def places(value: Any) -> set[tuple[str, str]]:
    """All references in a resource that are not literal yet: (kind, key)."""
    found: set[tuple[str, str]] = set()
    if isinstance(value, Mapping):
        for name, part in value.items():
            match = _PLACE.match(part) if name == "reference" and isinstance(part, str) else None
            if match is not None:
                found.add((match[1], match[2]))
            else:
                found |= places(part)
    elif isinstance(value, list):
        for part in value:
            found |= places(part)
    return found


def with_literals(value: Any, literals: Mapping[tuple[str, str], str]) -> Any:
    """The same resource with literal references."""
    if isinstance(value, Mapping):
        made = {}
        for name, part in value.items():
            match = _PLACE.match(part) if name == "reference" and isinstance(part, str) else None
            made[name] = with_literals(part, literals) if match is None else literals[match[1], match[2]]
        return made
    if isinstance(value, list):
        return [with_literals(part, literals) for part in value]
    return value


def uid(search: str) -> str:
    """A UUID made of what a resource is found by."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, search))


def key_of(key: str, resident: str) -> str:
    """Identifier value of an item; another person's is another one, and nobody can read the person from it."""
    return f"{key}-{blake2b(resident.encode(), digest_size=6).hexdigest()}"


def search_of(settings: Settings, word: str, value: str, parameter: str = "identifier") -> str:
    """The search that finds a resource of ours by its identifier; commas, bars and dollars are escaped as in every search value."""
    return f"{parameter}=" + "|".join(re.sub(r"([\\,|$])", r"\\\1", part) for part in (system(settings, word), value))


def concept(codings: Iterable[tuple[str, str]], text: str = "") -> dict[str, Any]:
    """A CodeableConcept of (system, code) pairs."""
    made: dict[str, Any] = {"coding": [{"system": name, "code": code} for name, code in codings]}
    if text:
        made["text"] = text
    return made


def moment(t_ns: int, tz: str = "UTC") -> str:
    """Time with milliseconds and the offset of the zone."""
    zone = ZoneInfo(tz)
    ms = t_ns // 1_000_000
    return (datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)).astimezone(zone).isoformat(timespec="milliseconds")


def number(value: float) -> int | float:
    """A number as JSON should show it."""
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def meta(row: Row, profiles: Iterable[str] = (), tags: Iterable[dict[str, str]] = ()) -> dict[str, Any]:
    """Labels of a resource: test data says so."""
    made: dict[str, Any] = {}
    if listed := list(profiles):
        made["profile"] = listed
    if not is_real(row):
        made["security"] = [dict(TEST_LABEL)]
    if tagged := list(tags):
        made["tag"] = tagged
    return made


def is_real(row: Row) -> bool:
    """Whether it tells of real people: live, or brought in from real records, and no test."""
    return row.origin.name in ("LIVE", "IMPORT") and not row.test
