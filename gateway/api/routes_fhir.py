"""A small read-only FHIR R4 door for clinicians: a person's Observations as the health record gets them, and the Patient."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api.policies import CLINIC, OPEN, Me, guard
from gateway.api.problems import Problem
from gateway.api.session import doors_of
from gateway.query.record import MOST, Wanted, span_of

router = APIRouter(prefix="/fhir", tags=["fhir"])
MEDIA_TYPE = "application/fhir+json"
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Patient = Annotated[str, Query(pattern=r"^(Patient/)?[A-Za-z0-9_.:-]{1,64}$")]
Moment = Annotated[str, Query(pattern=r"^(ge|gt|le|lt|eq)?[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.Z +-]{5,30})?$")]
Date = Annotated[list[Moment], Query(max_length=4)]


def _fhir(document: dict[str, Any]) -> Response:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode(), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


@router.get("/metadata", dependencies=[guard(OPEN)])
async def metadata(request: Request) -> Response:
    """What this door can do: a CapabilityStatement without anything about anybody."""
    parameters = [
        {"name": "patient", "type": "reference"}, {"name": "date", "type": "date"}, {"name": "code", "type": "token"},
    ]  # fmt: skip
    resources: list[dict[str, Any]] = [
        {"type": "Observation", "interaction": [{"code": "search-type"}], "searchParam": parameters},
        {"type": "Patient", "interaction": [{"code": "read"}]},
    ]
    return _fhir(
        {
            "resourceType": "CapabilityStatement", "status": "active", "date": "2026-11-25", "kind": "instance", "fhirVersion": "4.0.1",
            "format": ["json"], "implementation": {"description": "Anxin"}, "rest": [{"mode": "server", "resource": resources}],
        }
    )  # fmt: skip


@router.get("/Patient/{patient}", dependencies=[guard(CLINIC)])
async def patient_of(request: Request, me: Me, patient: IdPath) -> Response:
    """A resident, with what the configuration lets go to the record."""
    return _fhir(await doors_of(request).query.record.patient(me, patient))


@router.get("/Observation", dependencies=[guard(CLINIC)])
async def observations(
    request: Request,
    me: Me,
    patient: Patient,
    date: Date = [],  # noqa: B006 - FastAPI copies it
    code: Annotated[str, Query(pattern=r"^([^|]{0,100}\|)?[A-Za-z0-9_.-]{0,64}$")] = "",
    count: Annotated[int, Query(alias="_count", ge=1, le=MOST)] = 100,
    after: Annotated[str, Query(alias="_after", pattern=r"^([0-9]{1,20}\.[0-9]{1,20})?$")] = "",
) -> Response:
    """Observations of a resident within dates (the last week without any), oldest first, in pages; `code` is a quantity of ours."""
    doors = doors_of(request)
    try:
        begin, end = span_of(date, doors.clock.now_ns())
    except ValueError:
        raise Problem(422, "request.invalid") from None
    t_ns, item = (int(part) for part in after.split(".")) if after else (0, 0)
    wanted = Wanted(from_ns=begin, to_ns=end, code=code.rpartition("|")[2], count=count, after=(t_ns, item))
    bundle, more = await doors.query.record.observations(me, patient.removeprefix("Patient/"), wanted)
    bundle["link"] = [{"relation": "self", "url": _url(patient, date, code, count, after)}]
    if more is not None:
        bundle["link"].append({"relation": "next", "url": _url(patient, date, code, count, f"{more[0]}.{more[1]}")})
    return _fhir(bundle)


def _url(patient: str, dates: list[str], code: str, count: int, after: str) -> str:
    pairs = [("patient", patient), *(("date", date) for date in dates), ("_count", str(count))]
    pairs += [(name, value) for name, value in (("code", code), ("_after", after)) if value]
    return f"/fhir/Observation?{urlencode(pairs)}"
