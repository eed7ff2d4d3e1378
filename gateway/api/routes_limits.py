"""Limits of a resident: what holds, and what other limits would have done on the last days."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from gateway.api.models import LimitBody
from gateway.api.policies import LIMITS_READ, LIMITS_WRITE, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["limits"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
JobPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
NS_PER_MS = 1_000_000


@router.get("/residents/{resident_id}/limits", dependencies=[guard(LIMITS_READ)])
async def limits(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """What holds for each quantity, who set it, and until when."""
    return await doors_of(request).query.bounds.of_resident(me, resident_id)


@router.post("/residents/{resident_id}/limits/preview", dependencies=[guard(LIMITS_WRITE)])
async def preview(request: Request, me: Me, resident_id: IdPath, body: LimitBody) -> dict[str, Any]:
    """Begin a back-test: what these limits would have raised in the last week instead of those of now; nothing is saved."""
    fields = body.model_dump(exclude_unset=True, exclude={"resident", "site"})
    expires_ms = fields.pop("expires_ms", None)
    if expires_ms is not None:
        fields["expires_ns"] = expires_ms * NS_PER_MS
    return doors_of(request).commands.limits.preview(me, resident_id, fields)


@router.get("/limits/preview/{job}", dependencies=[guard(LIMITS_WRITE)])
async def preview_state(request: Request, me: Me, job: JobPath) -> dict[str, Any]:
    """How far a back-test is, and what it found."""
    return doors_of(request).query.bounds.state(me, job)
