"""The wall, residents, devices, bindings and the stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sse_starlette import EventSourceResponse

from gateway.api.live import Live, TooManyStreams
from gateway.api.models import BindingBody, BindingEnd
from gateway.api.policies import DEVICES_READ, DEVICES_WRITE, REGISTRY_READ, RESIDENTS_READ, SIGNED_IN, WALL, Me, guard
from gateway.api.problems import Problem
from gateway.api.session import doors_of, token_of

router = APIRouter(tags=["ward"])
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
IdQuery = Annotated[str, Query(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


@router.get("/wall", dependencies=[guard(WALL)])
async def wall(request: Request, me: Me, site: IdQuery, zone: IdQuery | None = None) -> dict[str, Any]:
    """The wall of a site, or of one of its zones."""
    return await doors_of(request).query.wall(me, site, zone)


@router.get("/stream", dependencies=[guard(SIGNED_IN)], response_class=EventSourceResponse)
async def stream(
    request: Request,
    me: Me,
    since: Annotated[str | None, Query(max_length=100)] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """Alerts, registry changes, vitals and a heartbeat as server-sent events; goes on after Last-Event-ID or `since`."""
    live: Live = request.app.state.live
    doors = doors_of(request)
    try:
        live.admit(me)
    except TooManyStreams:
        raise Problem(429, "stream.too_many", headers={"Retry-After": "10"}) from None
    await doors.commands.opened_stream(me)
    events = live.events(me, token_of(request), last_event_id or since)
    # Our own heartbeat event replaces the library's ping; a reader that takes nothing for this long is cut.
    return EventSourceResponse(events, ping=3600, send_timeout=live.settings.send_timeout_s, headers={"Cache-Control": "no-store"})


@router.get("/residents", dependencies=[guard(RESIDENTS_READ)])
async def residents(request: Request, me: Me) -> dict[str, Any]:
    """Residents in reach."""
    return await doors_of(request).query.residents(me)


@router.get("/residents/{resident_id}", dependencies=[guard(RESIDENTS_READ)])
async def resident(request: Request, me: Me, resident_id: IdPath) -> dict[str, Any]:
    """One resident, with what the asker may see."""
    return await doors_of(request).query.resident(me, resident_id)


@router.get("/devices", dependencies=[guard(DEVICES_READ)])
async def devices(request: Request, me: Me) -> dict[str, Any]:
    """Devices in reach and whose they are."""
    return await doors_of(request).query.devices(me)


@router.get("/inbox", dependencies=[guard(DEVICES_READ)])
async def inbox(request: Request, me: Me) -> dict[str, Any]:
    """Devices that speak and belong to nobody."""
    return await doors_of(request).query.devices(me, inbox=True)


@router.get("/registry", dependencies=[guard(REGISTRY_READ)])
async def registry(request: Request, me: Me) -> dict[str, Any]:
    """Sites in reach with zones, rooms, beds, staff and rota."""
    return await doors_of(request).query.registry(me)


@router.post("/bindings", dependencies=[guard(DEVICES_WRITE)])
async def bind(request: Request, me: Me, body: BindingBody) -> dict[str, Any]:
    """Give a device to a resident or a place; where it belongs to somebody else now, that binding ends."""
    place = None if body.place is None else body.place.model_dump()
    binding = await doors_of(request).commands.registry.bind(
        me, device_id=body.device_id, resident_id=body.resident_id, place=place, from_ms=body.from_ms
    )
    return {"binding": binding}


@router.post("/bindings/{binding_id}/end", dependencies=[guard(DEVICES_WRITE)])
async def end_binding(request: Request, me: Me, binding_id: IdPath, body: BindingEnd | None = None) -> dict[str, Any]:
    """End a binding, now or at a time that has passed."""
    return {"binding": await doors_of(request).commands.registry.end_binding(me, binding_id, at_ms=None if body is None else body.at_ms)}
