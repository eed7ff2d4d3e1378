"""What clinics read: the list of residents, and one resident over a span."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api.policies import CLINIC, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["clinic"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("/clinic", dependencies=[guard(CLINIC)])
async def clinic(request: Request, me: Me) -> dict[str, Any]:
    """Residents in reach with their score and its change."""
    return await doors_of(request).query.clinic.ward(me)


@router.get("/clinic/{resident_id}", dependencies=[guard(CLINIC)], response_class=Response)
async def clinic_resident(
    request: Request, me: Me, resident_id: IdPath, span: Annotated[Literal["24h", "7d", "30d"], Query(alias="range")] = "24h"
) -> Response:
    """Strips, events, gaps and scores of one resident; large, so that it is encoded once and as it is."""
    body = await doors_of(request).query.clinic.resident(me, resident_id, span)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/residents/{resident_id}/glucose", dependencies=[guard(CLINIC)])
async def glucose(
    request: Request,
    me: Me,
    resident_id: IdPath,
    span: Annotated[Literal["7d", "14d", "30d"], Query(alias="range")] = "14d",
    goals: Annotated[Literal["standard", "older"] | None, Query()] = None,
) -> dict[str, Any]:
    """Time in ranges, means, risk, daily profile and arrow of one resident; goals default by age."""
    return await doors_of(request).query.glucose.report(me, resident_id, span, goals)
