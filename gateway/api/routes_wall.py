"""What the wall and the hand-over read beside the beds: scores of now, and whose score has changed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from gateway.api.policies import HANDOVER, WALL, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["ward"])
SiteQuery = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("/wall/risk", dependencies=[guard(WALL)])
async def risk(request: Request, me: Me, site: SiteQuery) -> dict[str, Any]:
    """NEWS2 of now of the residents of a site, by resident; partial ones are marked, unknown ones are absent."""
    return await doors_of(request).query.risk.of_site(me, site)


@router.get("/handover/scores", dependencies=[guard(HANDOVER)])
async def scores(request: Request, me: Me, site: SiteQuery) -> dict[str, Any]:
    """Residents of a site whose score differs from that of a day ago."""
    return await doors_of(request).query.risk.changed(me, site)
