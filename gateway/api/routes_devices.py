"""How devices are, for whoever looks after them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request

from gateway.api.policies import DEVICES_READ, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["devices"])
DevicePath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
IdQuery = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
State = Literal["online", "offline", "idle", "unknown", "never"]
Habit = Literal["continuous", "spot", "advert", "event"]
Need = Literal["battery", "offline", "reception", "clock", "never_heard"]


@router.get("/devices/health", dependencies=[guard(DEVICES_READ)])
async def health(
    request: Request,
    me: Me,
    site: IdQuery = None,
    state: State | None = None,
    habit: Habit | None = None,
    need: Need | None = None,
    visit: bool = False,
    retired: bool = False,
) -> dict[str, Any]:
    """Battery, reception, clock and presence of the devices in reach; with `visit` only those that somebody has to go to."""
    devices = doors_of(request).query.devices_health
    return await devices.list(me, site=site, state=state, habit=habit, need=need, visit=visit, retired=retired)


@router.get("/devices/{device_id}/health", dependencies=[guard(DEVICES_READ)])
async def health_of(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """One device, with its reception and battery of the last week."""
    return await doors_of(request).query.devices_health.one(me, device_id)
