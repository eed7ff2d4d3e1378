"""Figures of alarms and answers, as JSON and as a table for spreadsheets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.api.policies import FIGURES, Me, guard
from gateway.api.problems import Problem
from gateway.api.session import doors_of

router = APIRouter(tags=["figures"])
DAY_MS = 86_400_000
Moment = Annotated[int | None, Query(ge=0, le=2**53)]


def _span(request: Request, from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
    """The span asked for; the last seven days without one."""
    until = doors_of(request).query.now_ms() if to_ms is None else to_ms
    since = until - 7 * DAY_MS if from_ms is None else from_ms
    if since >= until:
        raise Problem(422, "figures.span")
    return since, until


@router.get("/figures", dependencies=[guard(FIGURES)])
async def figures(request: Request, me: Me, from_ms: Moment = None, to_ms: Moment = None) -> dict[str, Any]:
    """Alarms per resident-day, shares judged false, times to claim, arrive and resolve, answered calls; drills never count."""
    return await doors_of(request).query.burden.figures(me, *_span(request, from_ms, to_ms))


@router.get("/figures.csv", dependencies=[guard(FIGURES)])
async def figures_csv(request: Request, me: Me, from_ms: Moment = None, to_ms: Moment = None) -> Response:
    """The same, one figure per line."""
    text = await doors_of(request).query.burden.csv(me, *_span(request, from_ms, to_ms))
    headers = {"Content-Disposition": 'attachment; filename="figures.csv"'}
    return Response("\ufeff" + text, media_type="text/csv; charset=utf-8", headers=headers)
