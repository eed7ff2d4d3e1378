"""An alert as a finding (DetectedIssue), as something to do (Task), and as a message to people (Communication)."""

from __future__ import annotations

from typing import Any

from devices.codes import BY_KEY
from gateway.ehr.base.items import Row
from gateway.ehr.fhir.common import GATEWAY, Settings, concept, identifier, meta, moment, place, system
from gateway.vocabulary import AlertState, Outcome, Priority

_SEVERITY = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low", Priority.INFO: "low"}
_URGENCY = {Priority.HIGH: "stat", Priority.MEDIUM: "urgent", Priority.LOW: "routine", Priority.INFO: "routine"}
_TASK = {
    AlertState.RAISED: "requested",
    AlertState.CLAIMED: "accepted",
    AlertState.ARRIVED: "in-progress",
    AlertState.RESOLVED: "completed",
    AlertState.CLEARED: "cancelled",  # the condition ended before anybody came
}
WRONG = "entered-in-error"  # the alert was of a reading that is not this person's
_NOT_SO = (Outcome.FALSE_ALARM, Outcome.TEST)


def issue(row: Row, settings: Settings) -> dict[str, Any]:
    """The alert as it stands now; preliminary until a person has ended it."""
    view = row.record["view"]
    made = _begin("DetectedIssue", row)
    made["identifier"] = [identifier(settings, "alert", row.key)]
    made["status"] = WRONG if row.retracted else _issue_status(view)
    made["code"] = _cause(view, settings)
    made["severity"] = _SEVERITY[Priority(view["priority"])]
    made["patient"] = place("Patient", row.resident)
    made["identifiedDateTime"] = moment(view["raised_ns"], row.record["tz"])
    made["author"] = place("Device", GATEWAY)
    if row.device:
        made["implicated"] = [place("Device", row.device)]
    if steps := _mitigation(row, settings):
        made["mitigation"] = steps
    return made


def _issue_status(view: Any) -> str:
    if view["state"] in (AlertState.RESOLVED, AlertState.CLEARED):
        return "cancelled" if view["outcome"] in _NOT_SO else "final"
    return "preliminary"


def _mitigation(row: Row, settings: Settings) -> list[dict[str, Any]]:
    view, words = row.record["view"], system(settings, "alert-action")
    found = []
    for word, at_ns in (("claimed", view["claimed_ns"]), ("arrived", view["arrived_ns"]), ("resolved", view["resolved_ns"])):
        if at_ns is None:
            continue
        codings = [(words, word)]
        if word == "resolved" and view["outcome"] is not None:
            codings.append((system(settings, "outcome"), view["outcome"]))
        step: dict[str, Any] = {"action": concept(codings), "date": moment(at_ns, row.record["tz"])}
        if word == "resolved" and settings.notes and view["note"]:
            step["action"]["text"] = view["note"]
        if view["claimed_by"]:
            step["author"] = _person(view["claimed_by"], view["claimed_name"], settings)
        found.append(step)
    return found


def task(row: Row, settings: Settings) -> dict[str, Any]:
    """The same alert as a job: who owns it, until when."""
    record = row.record
    view, tz = record["view"], record["tz"]
    made = _begin("Task", row)
    made["identifier"] = [identifier(settings, "task", row.key)]
    made["status"] = WRONG if row.retracted else _TASK[AlertState(view["state"])]
    made["businessStatus"] = concept([(system(settings, "escalation"), str(view["step"]))])
    made["intent"] = "order"
    made["priority"] = _URGENCY[Priority(view["priority"])]
    made["code"] = _cause(view, settings)
    made["focus"] = place("DetectedIssue", record["alert"])
    made["for"] = place("Patient", row.resident)
    made["authoredOn"] = moment(view["raised_ns"], tz)
    made["lastModified"] = moment(record["at"], tz)
    made["requester"] = place("Device", GATEWAY)
    if view["claimed_by"]:
        made["owner"] = _person(view["claimed_by"], view["claimed_name"], settings)
    span = {"start": view["arrived_ns"], "end": view["resolved_ns"] if view["arrived_ns"] is not None else None}
    if period := {name: moment(t_ns, tz) for name, t_ns in span.items() if t_ns is not None}:
        made["executionPeriod"] = period
    if view["next_step_ns"] is not None and made["status"] in ("requested", "accepted", "in-progress"):
        made["restriction"] = {"period": {"end": moment(view["next_step_ns"], tz)}}
    return made


def message(row: Row, settings: Settings) -> dict[str, Any]:
    """That people were told of an alert."""
    record = row.record
    view = record["view"]
    made = _begin("Communication", row)
    made["identifier"] = [identifier(settings, "message", row.key)]
    made["status"] = WRONG if row.retracted else "completed"
    made["category"] = [concept([("http://terminology.hl7.org/CodeSystem/communication-category", "alert")])]
    made["priority"] = _URGENCY[Priority(view["priority"])]
    made["subject"] = place("Patient", row.resident)
    made["topic"] = _cause(view, settings)
    made["about"] = [place("DetectedIssue", record["alert"])]
    made["sent"] = moment(record["at"], record["tz"])
    made["recipient"] = [_person(one["id"], one["name"], settings) for one in record["told"]]
    made["sender"] = place("Device", GATEWAY)
    made["reasonCode"] = [concept([(system(settings, "why"), record["why"])])]
    return made


def _begin(kind: str, row: Row) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": kind}
    if labels := meta(row):
        made["meta"] = labels
    return made


def _person(person_id: str, name: str | None, settings: Settings) -> dict[str, Any]:
    """A member of staff: by identifier, since the record of staff is not ours to keep."""
    made: dict[str, Any] = {"identifier": identifier(settings, "staff", person_id)}
    if settings.staff_names and name:
        made["display"] = name
    return made


def _cause(view: Any, settings: Settings) -> dict[str, Any]:
    """What it is about, in code; in words the quantity, or the call."""
    cause = view["cause"]
    found = BY_KEY.get(cause) or BY_KEY.get(cause.split(".")[0])
    text = "" if found is None else (found.zh if settings.language == "zh" else found.en)
    return concept([(system(settings, "cause"), cause), (system(settings, "kind"), view["kind"])], text)
