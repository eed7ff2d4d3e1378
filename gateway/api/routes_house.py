"""How the house is: status, ledger, dead letters, accounts, audit."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from gateway.api.models import UserBody
from gateway.api.policies import AUDIT, HOUSE, RAW_READ, SYSTEM_READ, SYSTEM_WRITE, USERS, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["house"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
RowPath = Annotated[int, Path(ge=1, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/status", dependencies=[guard(SYSTEM_READ)])
async def status(request: Request, me: Me) -> dict[str, Any]:
    """Faults, counters, progress, where the logs stand."""
    live = request.app.state.live
    return {**await doors_of(request).query.status(me), "streams": live.open_streams, "vitals_every_s": live.vitals_every_s}


@router.get("/ledger", dependencies=[guard(SYSTEM_READ)])
async def ledger(request: Request, me: Me) -> dict[str, Any]:
    """Received, stored, lost, duplicate."""
    return await doors_of(request).query.ledger(me)


@router.get("/deadletters", dependencies=[guard(HOUSE)])
async def dead_letters(
    request: Request,
    me: Me,
    limit: Limit = 100,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    reason: Annotated[str | None, Query(max_length=120)] = None,
) -> dict[str, Any]:
    """Messages that could not be decoded, newest first, without their payload."""
    return await doors_of(request).query.dead_letters(me, limit=limit, before=before, reason=reason)


@router.get("/deadletters/{letter_id}", dependencies=[guard(RAW_READ)])
async def dead_letter(request: Request, me: Me, letter_id: RowPath) -> dict[str, Any]:
    """One dead letter with its raw bytes (base64)."""
    return await doors_of(request).query.dead_letter(me, letter_id)


@router.post("/deadletters/{letter_id}/retry", dependencies=[guard(SYSTEM_WRITE)])
async def retry_dead_letter(request: Request, me: Me, letter_id: RowPath) -> dict[str, Any]:
    """Decode a dead letter again."""
    return await doors_of(request).commands.retry_dead_letter(me, letter_id)


@router.get("/users", dependencies=[guard(USERS)])
async def users(request: Request, me: Me) -> dict[str, Any]:
    """Accounts, without any secret."""
    return await doors_of(request).query.users(me)


@router.post("/users", dependencies=[guard(USERS)])
async def add_user(request: Request, me: Me, body: UserBody) -> dict[str, Any]:
    """Open an account; the one-time password is shown once."""
    return await doors_of(request).commands.add_user(me, body.model_dump())


@router.post("/users/{user_id}/disable", dependencies=[guard(USERS)])
async def disable_user(request: Request, me: Me, user_id: IdPath) -> dict[str, Any]:
    """Close an account; all its sessions and streams end."""
    await doors_of(request).commands.disable_user(me, user_id)
    return {"disabled": user_id}


@router.get("/audit", dependencies=[guard(AUDIT)])
async def audit(
    request: Request,
    me: Me,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Limit = 200,
    resident: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = None,
) -> dict[str, Any]:
    """Who looked at what and who did what."""
    return await doors_of(request).query.audit(me, after=after, limit=limit, resident=resident)
