"""Changes of the registry: places, staff, rota, residents, devices, limits, consents."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request

from gateway.api import models
from gateway.api.policies import (
    CARE_WRITE,
    CONSENT_WRITE,
    DEVICES_ADMIN,
    LIMITS_WRITE,
    REGISTRY_WRITE,
    RESIDENTS_WRITE,
    Me,
    guard,
)
from gateway.api.session import doors_of

router = APIRouter(tags=["registry"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
NS_PER_MS = 1_000_000


def _given(body: models.Body) -> dict[str, Any]:
    """Members that were sent."""
    return body.model_dump(exclude_unset=True)


def _timed(fields: dict[str, Any]) -> dict[str, Any]:
    """Members with *_ms as *_ns."""
    return {
        (f"{key[:-3]}_ns" if key.endswith("_ms") else key): (value * NS_PER_MS if key.endswith("_ms") and value is not None else value)
        for key, value in fields.items()
    }


@router.post("/registry/sites", dependencies=[guard(REGISTRY_WRITE)])
async def set_site(request: Request, me: Me, body: models.SiteBody) -> dict[str, Any]:
    """Create or replace a site."""
    return {"site": await doors_of(request).commands.registry.set_place(me, "site", _given(body))}


@router.post("/registry/zones", dependencies=[guard(REGISTRY_WRITE)])
async def set_zone(request: Request, me: Me, body: models.ZoneBody) -> dict[str, Any]:
    """Create or replace a zone."""
    return {"zone": await doors_of(request).commands.registry.set_place(me, "zone", _given(body))}


@router.post("/registry/rooms", dependencies=[guard(REGISTRY_WRITE)])
async def set_room(request: Request, me: Me, body: models.RoomBody) -> dict[str, Any]:
    """Create or replace a room."""
    return {"room": await doors_of(request).commands.registry.set_place(me, "room", _given(body))}


@router.post("/registry/beds", dependencies=[guard(REGISTRY_WRITE)])
async def set_bed(request: Request, me: Me, body: models.BedBody) -> dict[str, Any]:
    """Create or replace a bed."""
    return {"bed": await doors_of(request).commands.registry.set_place(me, "bed", _given(body))}


@router.post("/registry/staff", dependencies=[guard(REGISTRY_WRITE)])
async def set_staff(request: Request, me: Me, body: models.StaffBody) -> dict[str, Any]:
    """Create or replace a member of staff."""
    return {"staff": await doors_of(request).commands.registry.set_staff(me, _given(body))}


@router.post("/registry/rota", dependencies=[guard(REGISTRY_WRITE)])
async def set_rota(request: Request, me: Me, body: models.RotaBody) -> dict[str, Any]:
    """Create or replace a weekly shift."""
    return {"rota": await doors_of(request).commands.registry.set_rota(me, _given(body))}


@router.post("/registry/rota/{rota_id}/end", dependencies=[guard(REGISTRY_WRITE)])
async def end_rota(request: Request, me: Me, rota_id: IdPath) -> dict[str, Any]:
    """Remove a weekly shift from now on."""
    await doors_of(request).commands.registry.end_rota(me, rota_id)
    return {"ended": rota_id}


@router.post("/residents", dependencies=[guard(RESIDENTS_WRITE)])
async def admit(request: Request, me: Me, body: models.AdmitBody) -> dict[str, Any]:
    """Admit a resident."""
    return {"resident": await doors_of(request).commands.registry.admit(me, _given(body))}


@router.post("/residents/{resident_id}/observe", dependencies=[guard(CARE_WRITE)])
async def observe(request: Request, me: Me, resident_id: IdPath, body: models.ObservedBody) -> dict[str, Any]:
    """Enter consciousness, oxygen or the NEWS2 scale."""
    return {"resident": await doors_of(request).commands.registry.observe(me, resident_id, _given(body))}


@router.post("/residents/{resident_id}/merge", dependencies=[guard(RESIDENTS_WRITE)])
async def merge(request: Request, me: Me, resident_id: IdPath, body: models.MergeBody) -> dict[str, Any]:
    """Two records of one person become one: `into` lives on and takes over history, bindings and limits."""
    return {"resident": await doors_of(request).commands.registry.merge(me, resident_id, into=body.into, reason=body.reason)}


@router.post("/residents/{resident_id}/{step}", dependencies=[guard(RESIDENTS_WRITE)])
async def resident_step(
    request: Request, me: Me, resident_id: IdPath, step: Literal["move", "away", "back", "discharge", "died"], body: models.StepBody
) -> dict[str, Any]:
    """Move, away, back, discharge or died; what does not belong to the step is refused."""
    fields = _timed(_given(body))
    return {"resident": await doors_of(request).commands.registry.resident_step(me, resident_id, step, fields)}


@router.post("/devices", dependencies=[guard(DEVICES_ADMIN)])
async def set_device(request: Request, me: Me, body: models.DeviceBody) -> dict[str, Any]:
    """Enter a device, or replace what is known of it."""
    return {"device": await doors_of(request).commands.registry.set_device(me, _given(body))}


@router.post("/devices/{device_id}/retire", dependencies=[guard(DEVICES_ADMIN)])
async def retire_device(request: Request, me: Me, device_id: IdPath, body: models.ReasonBody | None = None) -> dict[str, Any]:
    """Take a device out of service."""
    reason = "" if body is None else body.reason
    return {"device": await doors_of(request).commands.registry.retire_device(me, device_id, reason=reason)}


@router.post("/devices/{device_id}/token", dependencies=[guard(DEVICES_ADMIN)])
async def issue_token(request: Request, me: Me, device_id: IdPath) -> dict[str, Any]:
    """Make a new token for a device; it is shown once and the former one is void."""
    return {"device_id": device_id, "token": await doors_of(request).commands.issue_token(me, device_id)}


@router.post("/limits", dependencies=[guard(LIMITS_WRITE)])
async def set_limit(request: Request, me: Me, body: models.LimitBody) -> dict[str, Any]:
    """Set limits of a quantity for a resident, a site or the installation."""
    return {"limit": await doors_of(request).commands.registry.set_limit(me, _timed(_given(body)))}


@router.post("/limits/{limit_id}/end", dependencies=[guard(LIMITS_WRITE)])
async def end_limit(request: Request, me: Me, limit_id: IdPath, body: models.ReasonBody) -> dict[str, Any]:
    """End a limit before it expires."""
    await doors_of(request).commands.registry.end_limit(me, limit_id, reason=body.reason)
    return {"ended": limit_id}


@router.post("/consents", dependencies=[guard(CONSENT_WRITE)])
async def set_consent(request: Request, me: Me, body: models.ConsentBody) -> dict[str, Any]:
    """Record a consent."""
    return {"consent": await doors_of(request).commands.registry.set_consent(me, _timed(_given(body)))}


@router.post("/consents/{consent_id}/withdraw", dependencies=[guard(CONSENT_WRITE)])
async def withdraw_consent(request: Request, me: Me, consent_id: IdPath) -> dict[str, Any]:
    """Withdraw a consent."""
    return {"consent": await doors_of(request).commands.registry.withdraw_consent(me, consent_id)}
