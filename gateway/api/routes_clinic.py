"""What clinics read: the list of residents, and one resident over a span."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api.policies import CLINIC, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["clinic"])
Span = Annotated[Literal["24h", "7d", "30d"], Query(alias="range")]
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("/clinic", dependencies=[guard(CLINIC)])
async def clinic(request: Request, me: Me) -> dict[str, Any]:
    """Residents in reach with their score and its change."""
    return await doors_of(request).query.clinic.ward(me)


@router.get("/clinic/{resident_id}", dependencies=[guard(CLINIC)], response_class=Response)
async def clinic_resident(
    request: Request, me: Me, resident_id: IdPath, span: Span = "24h", until_ms: Annotated[int | None, Query(ge=0, le=2**53)] = None
) -> Response:
    """Strips, events, gaps and scores of one resident up to a moment (now); large, so that it is encoded once and as it is."""
    body = await doors_of(request).query.clinic.resident(me, resident_id, span, until_ms)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/clinic/{resident_id}/pressure", dependencies=[guard(CLINIC)])
async def pressure(request: Request, me: Me, resident_id: IdPath, span: Span = "7d") -> dict[str, Any]:
    """Blood pressure: every reading, means of the parts of the day, and whether they are enough to judge."""
    return await doors_of(request).query.visit.pressure(me, resident_id, span)


@router.get("/clinic/{resident_id}/compare", dependencies=[guard(CLINIC)])
async def compared(request: Request, me: Me, resident_id: IdPath, days: Annotated[int, Query(ge=1, le=30)] = 7) -> dict[str, Any]:
    """The last days against as many before them."""
    return await doors_of(request).query.visit.compared(me, resident_id, days)


@router.get("/clinic/{resident_id}/report.pdf", dependencies=[guard(CLINIC)], response_class=Response)
async def report(
    request: Request, me: Me, resident_id: IdPath, span: Span = "24h", lang: Annotated[Literal["zh", "en"] | None, Query()] = None
) -> Response:
    """The report of a resident as PDF on A4."""
    document = await doors_of(request).query.visit.paper(me, resident_id, span)
    body = await asyncio.to_thread(_draw, document, lang or me.user.lang)
    disposition = f'inline; filename="anxin-{span}.pdf"'  # no name of anybody in the name of a file
    return Response(body, media_type="application/pdf", headers={"Cache-Control": "no-store", "Content-Disposition": disposition})


def _draw(document: dict[str, Any], lang: str) -> bytes:
    from dashboards.pages.paper import draw  # the drawing library takes its time to load

    return draw(document, lang)


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
