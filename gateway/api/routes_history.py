"""One quantity of one resident over a span, as numbers for a chart."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api.models import Ms
from gateway.api.policies import VITALS_READ, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["history"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Quantity = Annotated[str, Query(pattern=r"^[a-z0-9_.]{1,40}$")]


@router.get("/residents/{resident_id}/history", dependencies=[guard(VITALS_READ)], response_class=Response)
async def history(
    request: Request,
    me: Me,
    resident_id: IdPath,
    quantity: Quantity = "hr",
    from_ms: Annotated[Ms | None, Query()] = None,
    to_ms: Annotated[Ms | None, Query()] = None,
    points: Annotated[int, Query(ge=10, le=100_000)] = 2_000,
) -> Response:
    """The last day, or [from, to): all readings if there are at most `points`, else buckets with low, mean and high; gaps are listed."""
    found = await doors_of(request).query.curves.read(me, resident_id, quantity, from_ms=from_ms, until_ms=to_ms, points=points)
    body = await asyncio.to_thread(json.dumps, found, allow_nan=False, separators=(",", ":"))  # large: not on the loop
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
