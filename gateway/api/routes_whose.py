"""Whose a measurement is: the inbox of what is nobody's, assigning and taking back, slots, check-in by staff, badges."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from gateway.api.models import Body
from gateway.api.policies import DEVICES_READ, DEVICES_WRITE, RESIDENTS_WRITE, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["whose"])
DEVICE_ID = r"^[A-Za-z0-9_-]{1,64}$"
DevicePath = Annotated[str, Path(pattern=DEVICE_ID)]
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Resident = Annotated[str, Field(min_length=1, max_length=64)]


class AssignBody(Body):
    """Whose the readings of a device at one millisecond are; `resident` null = nobody's."""

    device: str = Field(pattern=DEVICE_ID)
    t_ms: int = Field(ge=0, le=2**53)
    resident: Resident | None
    reason: str = Field(default="", max_length=200)


class SlotBody(Body):
    """Whose a user slot is from now on; null = nobody's."""

    resident: Resident | None


class CheckinBody(Body):
    """Who measures now at a shared device."""

    resident: Resident
    devices: list[Annotated[str, Field(pattern=DEVICE_ID)]] = Field(default=[], max_length=20)
    minutes: float = Field(default=5, gt=0, le=60)


class BadgeBody(Body):
    """A card with its number, or a QR code or PIN to be made."""

    kind: Literal["card", "qr", "pin"]
    card: str | None = Field(default=None, max_length=200)


@router.get("/inbox/readings", dependencies=[guard(DEVICES_READ)])
async def readings(
    request: Request,
    me: Me,
    device: Annotated[str | None, Query(pattern=DEVICE_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Measurements of shared devices that are nobody's, with the residents whose they may be and why."""
    return await doors_of(request).query.inbox.readings(me, device=device, limit=limit)


@router.get("/inbox/assigned", dependencies=[guard(DEVICES_READ)])
async def assigned(request: Request, me: Me, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> dict[str, Any]:
    """What was assigned lately, by people and by user slots."""
    return await doors_of(request).query.inbox.assigned(me, limit=limit)


@router.post("/readings/assign", dependencies=[guard(DEVICES_WRITE)])
async def assign(request: Request, me: Me, body: AssignBody) -> dict[str, Any]:
    """Say whose single readings are, nobody's before or another person's: history, alerts and the health record follow."""
    return {"assigned": await doors_of(request).commands.whose.assign(me, body.device, body.t_ms, body.resident, body.reason)}


@router.post("/readings/assigned/{assigned_id}/undo", dependencies=[guard(DEVICES_WRITE)])
async def undo(request: Request, me: Me, assigned_id: IdPath) -> dict[str, Any]:
    """Take an assignment back."""
    return {"assigned": await doors_of(request).commands.whose.undo(me, assigned_id)}


@router.put("/devices/{device_id}/slots/{user}", dependencies=[guard(DEVICES_WRITE)])
async def slot(request: Request, me: Me, device_id: DevicePath, user: Annotated[int, Path(ge=0, le=255)], body: SlotBody) -> dict[str, Any]:
    """Give a user slot of a cuff or scale to a resident from now on."""
    return {"slot": await doors_of(request).commands.whose.set_slot(me, device_id, user, body.resident)}


@router.post("/devices/{device_id}/checkin", dependencies=[guard(DEVICES_WRITE)])
async def check_in(request: Request, me: Me, device_id: DevicePath, body: CheckinBody) -> dict[str, Any]:
    """Staff say who measures at this kiosk or shared device now."""
    row = await doors_of(request).commands.whose.check_in(me, device_id, body.resident, tuple(body.devices), body.minutes * 60)
    return {"checkin": row}


@router.post("/residents/{resident_id}/badges", dependencies=[guard(RESIDENTS_WRITE)])
async def badge(request: Request, me: Me, resident_id: IdPath, body: BadgeBody) -> dict[str, Any]:
    """A card, QR code or PIN for kiosks; what was made is shown this once."""
    return await doors_of(request).commands.whose.give_badge(me, resident_id, body.kind, body.card)


@router.post("/badges/{badge_id}/revoke", dependencies=[guard(RESIDENTS_WRITE)])
async def revoke(request: Request, me: Me, badge_id: IdPath) -> dict[str, Any]:
    """It opens nothing any more."""
    return await doors_of(request).commands.whose.revoke_badge(me, badge_id)
