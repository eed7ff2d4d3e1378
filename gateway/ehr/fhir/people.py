"""Whom and what readings are of: Patient (only what the contract permits) and Device; and why a reading moved (Provenance)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from gateway.ehr.base.items import Row
from gateway.ehr.fhir.common import (
    GATEWAY,
    OPERATION,
    TEST_LABEL,
    Known,
    Settings,
    concept,
    identifier,
    key_of,
    meta,
    moment,
    place,
    system,
)

_GENDER = {"female": "female", "male": "male", "other": "other"}


def patient(key: str, known: Known, settings: Settings) -> dict[str, Any]:
    """A resident: the identifier, and what the configuration lists."""
    values = known.values
    made: dict[str, Any] = {"resourceType": "Patient"}
    if values.get("test"):
        made["meta"] = {"security": [dict(TEST_LABEL)]}
    made["identifier"] = [identifier(settings, "resident", str(values.get("number") or key))]
    made["active"] = True
    if "name" in settings.patient_fields and values.get("name"):
        made["name"] = [{"use": "usual", "text": values["name"]}]
    if "sex" in settings.patient_fields and values.get("sex"):
        made["gender"] = _GENDER.get(values["sex"], "unknown")
    if "birth_date" in settings.patient_fields and values.get("birth_date"):
        made["birthDate"] = values["birth_date"]
    return made


def device(key: str, known: Known, settings: Settings) -> dict[str, Any]:
    """A device, or the gateway itself."""
    values = known.values
    made: dict[str, Any] = {"resourceType": "Device"}
    if values.get("test"):
        made["meta"] = {"security": [dict(TEST_LABEL)]}
    made["identifier"] = [identifier(settings, "gateway" if key == GATEWAY else "device", "gateway" if key == GATEWAY else key)]
    made["status"] = "active"
    if values.get("maker"):
        made["manufacturer"] = values["maker"]
    if values.get("serial"):
        made["serialNumber"] = values["serial"]
    if key == GATEWAY:
        made["deviceName"] = [{"name": "Anxin", "type": "model-name"}]
    elif values.get("model"):
        made["deviceName"] = [{"name": values["model"], "type": "model-name"}]
    if values.get("kind"):
        made["type"] = {"text": values["kind"]}
    return made


def correction(row: Row, settings: Settings) -> dict[str, Any]:
    """Provenance of a reading that was entered for the wrong person."""
    record = row.record
    made: dict[str, Any] = {"resourceType": "Provenance"}
    made["meta"] = meta(row, tags=[{"system": system(settings, "correction"), "code": tag_of(row)}])
    made["target"] = [place("Observation", key) for key in record["targets"]]
    made["recorded"] = moment(record["at"], record["tz"])
    made["activity"] = concept([(OPERATION, "UPDATE")])
    made["agent"] = [{"who": {"identifier": identifier(settings, "user", record["actor"])}}]
    made["entity"] = [{"role": "source", "what": {"identifier": identifier(settings, "reading", key_of(record["of"], record["old"]))}}]
    return made


def tag_of(row: Row) -> str:
    """Name of a correction; R4 gives Provenance no identifier, so that its tag is what finds it again."""
    return blake2b(f"{row.key}|{row.resident}".encode(), digest_size=16).hexdigest()
