"""What families read, the consent ledger, and who looked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from gateway.api.policies import CONSENT_READ, FAMILY, GRANTS_READ, LOOKS_READ, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["family"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("/family/{resident_id}", dependencies=[guard(FAMILY)])
async def family(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """How a resident is, within what was consented to."""
    return await doors_of(request).query.family.read(me, resident_id)


@router.get("/residents/{resident_id}/consents", dependencies=[guard(CONSENT_READ)])
async def consents_of_resident(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """The ledger's rows about a resident."""
    return await doors_of(request).query.records.consents_of_resident(me, resident_id)


@router.get("/grantees/{user_id}/consents", dependencies=[guard(GRANTS_READ)])
async def consents_of_grantee(request: Request, me: Me, user_id: IdPath) -> dict[str, Any]:
    """The ledger's rows that name an account."""
    return await doors_of(request).query.records.consents_of_grantee(me, user_id)


@router.get("/residents/{resident_id}/looks", dependencies=[guard(LOOKS_READ)])
async def looks(
    request: Request,
    me: Me,
    resident_id: IdPath,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 5_000,
) -> dict[str, Any]:
    """Who looked at a resident's data."""
    return await doors_of(request).query.records.looks(me, resident_id, days=days, limit=limit)
