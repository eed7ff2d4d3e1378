"""Pairing a Bluetooth device, for the installer's wizard: begin, look, type the number that the device shows, give up."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field

from gateway.api.models import Body
from gateway.api.policies import DEVICES_ADMIN, Me, guard
from gateway.api.session import doors_of

router = APIRouter(tags=["devices"])
DevicePath = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class PairBody(Body):
    """Where the device is heard, if the gateway does not know it yet."""

    address: str | None = Field(default=None, pattern=r"^(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")


class PasskeyBody(Body):
    """What the device shows."""

    passkey: int = Field(ge=0, le=999_999)


@router.post("/devices/{device_id}/pairing", dependencies=[guard(DEVICES_ADMIN)])
async def begin(request: Request, me: Me, device_id: DevicePath, body: PairBody) -> dict[str, Any]:
    """Wait for the device to be on the air, pair with it, and prove the bond."""
    return {"pairing": await doors_of(request).commands.pairing.begin(me, device_id, body.address)}


@router.get("/devices/{device_id}/pairing", dependencies=[guard(DEVICES_ADMIN)])
async def state(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """The step at which it stands, and why it failed."""
    return {"pairing": await doors_of(request).commands.pairing.state(me, device_id)}


@router.post("/devices/{device_id}/pairing/passkey", dependencies=[guard(DEVICES_ADMIN)])
async def passkey(request: Request, me: Me, device_id: DevicePath, body: PasskeyBody) -> dict[str, Any]:
    """The number that the device shows."""
    return {"pairing": await doors_of(request).commands.pairing.type(me, device_id, body.passkey)}


@router.delete("/devices/{device_id}/pairing", dependencies=[guard(DEVICES_ADMIN)])
async def cancel(request: Request, me: Me, device_id: DevicePath) -> dict[str, Any]:
    """Give it up."""
    return {"pairing": await doors_of(request).commands.pairing.cancel(me, device_id)}
