"""Devices and the house for operators and installers: setting up, moving, labels, dead letters of one reason, backups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from gateway.api.models import Body, Id, Line, Ms, PlaceBody
from gateway.api.policies import DEVICES_ADMIN, DEVICES_READ, DEVICES_WRITE, HOUSE, SYSTEM_WRITE, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["machines"])
DevicePath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
IdPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
ADDRESS = r"^(?:[0-9A-F]{2}:){5}[0-9A-F]{2}$"
Address = Annotated[str, StringConstraints(pattern=ADDRESS)]
AddressQuery = Annotated[str, Query(pattern=ADDRESS)]


class AddressBody(Body):
    """A device on the air."""

    address: Address


class EnterBody(AddressBody):
    """A device that was found on the air."""

    model: Line = ""
    site: Id | None = None


class AssignBody(Body):
    """Whose a device is from now (or from a moment that has passed) on; `moves` = the binding that the person saw and wants to end."""

    resident_id: Id | None = None
    place: PlaceBody | None = None
    from_ms: Ms | None = None
    worn: Literal["waist", "chest", "wrist", "finger", "hand", "ear lobe", "foot", "other"] | None = None
    agreed: bool = False  # somebody has asked the resident, or who speaks for them
    moves: Id | None = None


class Spot(Body):
    """A spot of a walk; no strength = not heard there."""

    name: Line
    rssi_dbm: Annotated[int, Field(ge=-127, le=20)] | None = None


class WalkBody(Body):
    """What was measured."""

    spots: Annotated[list[Spot], Field(max_length=12)]


class ReasonBody(Body):
    """A reason of dead letters, as the list names it."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=120)]


class BackupBody(Body):
    """With the history, without it, or as it is due."""

    history: bool | None = None


# --- on the air


@router.post("/setup/search", dependencies=[guard(DEVICES_ADMIN)])
async def search(request: Request, me: Me) -> dict[str, Any]:
    """Note for three minutes what is on the air; asked again it goes on."""
    return doors_of(request).commands.setup.search(me)


@router.get("/setup/search", dependencies=[guard(DEVICES_ADMIN)])
async def found(request: Request, me: Me) -> dict[str, Any]:
    """What has been heard, the strongest first."""
    return doors_of(request).commands.setup.found(me)


@router.delete("/setup/search", dependencies=[guard(DEVICES_ADMIN)])
async def stop_search(request: Request, me: Me) -> dict[str, Any]:
    """End the search; what was heard is forgotten."""
    doors_of(request).commands.setup.stop()
    return {"open": False}


@router.post("/setup/show", dependencies=[guard(DEVICES_ADMIN)])
async def show(request: Request, me: Me, body: AddressBody) -> dict[str, Any]:
    """Let a device blink or beep, where it can."""
    return doors_of(request).commands.setup.show(me, body.address)


@router.get("/setup/show", dependencies=[guard(DEVICES_ADMIN)])
async def showing(request: Request, me: Me, address: AddressQuery) -> dict[str, Any]:
    """How that went."""
    return doors_of(request).commands.setup.showing(me, address)


@router.post("/setup/devices", dependencies=[guard(DEVICES_ADMIN)])
async def enter(request: Request, me: Me, body: EnterBody) -> dict[str, Any]:
    """Enter a device that was found."""
    return {"device": await doors_of(request).commands.setup.enter(me, body.address, model=body.model, site=body.site)}


# --- one device


@router.get("/devices/{device_id}/detail", dependencies=[guard(DEVICES_READ)])
async def detail(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """Facts, whose it was and is, its last messages."""
    return await doors_of(request).query.machines.device(me, device_id)


@router.post("/devices/{device_id}/assign", dependencies=[guard(DEVICES_WRITE)])
async def assign(request: Request, me: Me, device_id: DevicePath, body: AssignBody) -> dict[str, Any]:
    """Give a device to a resident or place; 409 with `current` where it is somebody's and `moves` does not say so."""
    return await doors_of(request).commands.setup.assign(me, device_id, body.model_dump())


@router.post("/bindings/{binding_id}/undo", dependencies=[guard(DEVICES_WRITE)])
async def undo(request: Request, me: Me, binding_id: IdPath) -> dict[str, Any]:
    """Take a binding of today back; whoever had the device before has it again."""
    return await doors_of(request).commands.setup.undo(me, binding_id)


@router.get("/devices/{device_id}/first", dependencies=[guard(DEVICES_ADMIN)])
async def first(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """What it has sent since the asker set it up."""
    return await doors_of(request).commands.setup.first(me, device_id)


@router.post("/devices/{device_id}/walk", dependencies=[guard(DEVICES_ADMIN)])
async def begin_walk(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """Leave the device on the air for ten minutes, so that its signal can be followed through the rooms."""
    return await doors_of(request).commands.setup.walk(me, device_id, "begin", [])


@router.get("/devices/{device_id}/walk", dependencies=[guard(DEVICES_ADMIN)])
async def look_at_walk(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """How well it is heard now."""
    return await doors_of(request).commands.setup.walk(me, device_id, "look", [])


@router.put("/devices/{device_id}/walk", dependencies=[guard(DEVICES_ADMIN)])
async def keep_walk(request: Request, me: Me, device_id: DevicePath, body: WalkBody) -> dict[str, Any]:
    """Keep what was measured, and serve the device again."""
    return await doors_of(request).commands.setup.walk(me, device_id, "keep", [(spot.name, spot.rssi_dbm) for spot in body.spots])


@router.delete("/devices/{device_id}/walk", dependencies=[guard(DEVICES_ADMIN)])
async def end_walk(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """Serve it again and keep nothing."""
    return await doors_of(request).commands.setup.walk(me, device_id, "end", [])


@router.delete("/devices/{device_id}/bond", dependencies=[guard(DEVICES_ADMIN)])
async def drop_keys(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """Undo a pairing on our side."""
    return await doors_of(request).commands.setup.drop_keys(me, device_id)


@router.get("/devices/{device_id}/label.svg", dependencies=[guard(DEVICES_ADMIN)], response_class=Response)
async def label(request: Request, me: Me, device_id: DevicePath) -> Response:
    """The QR code of the device's label."""
    url = request.app.state.public_url or str(request.base_url).rstrip("/")
    return Response(doors_of(request).commands.setup.label(me, device_id, url), media_type="image/svg+xml")


# --- the house


@router.get("/house", dependencies=[guard(HOUSE)])
async def house(request: Request, me: Me) -> dict[str, Any]:
    """What is to be looked after: faults, inbox, dead letters, backup, certificates."""
    return await doors_of(request).query.house(me)


@router.get("/backups", dependencies=[guard(HOUSE)])
async def backups(request: Request, me: Me) -> dict[str, Any]:
    """Archives with what is in them, and how the one under way stands."""
    return await doors_of(request).query.machines.backups(me)


@router.post("/backups", dependencies=[guard(HOUSE)])
async def back_up(request: Request, me: Me, body: BackupBody) -> dict[str, Any]:
    """Make one now; 409 while one is being made."""
    await doors_of(request).commands.back_up(me, history=body.history)
    return await doors_of(request).query.machines.backups(me)


@router.post("/deadletters/retry", dependencies=[guard(SYSTEM_WRITE)])
async def retry_reason(request: Request, me: Me, body: ReasonBody) -> dict[str, Any]:
    """Decode all dead letters of one reason again, the oldest first."""
    return await doors_of(request).commands.retry_reason(me, body.reason)
