"""Sign in, sign out, who am I, change of password."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.api.models import ElderBody, LangBody, PasswordChange, SignIn
from gateway.api.policies import OPEN, SIGNED_IN, Me, guard
from gateway.api.session import doors_of, drop_cookie, set_cookie, token_of

router = APIRouter(tags=["session"])


def client_of(request: Request) -> str:
    """Address of the peer, for the limit on wrong passwords."""
    return request.client.host if request.client is not None else ""


@router.post("/session", dependencies=[guard(OPEN)])
async def sign_in(request: Request, response: Response, body: SignIn) -> dict[str, Any]:
    """Start a session; any older one of this browser ends."""
    doors = doors_of(request)
    token, asker = await doors.commands.sign_in(
        body.user, body.password, code=body.code, client=client_of(request), former=token_of(request), only=doors.only
    )
    set_cookie(response, doors, token)
    return {"me": doors.query.me(asker)}


@router.delete("/session", dependencies=[guard(SIGNED_IN)])
async def sign_out(request: Request, response: Response, me: Me) -> dict[str, Any]:
    """End this session at once, with all its streams."""
    doors = doors_of(request)
    await doors.commands.sign_out(token_of(request))
    drop_cookie(response, doors)
    return {"signed_out": me.id}


@router.get("/me", dependencies=[guard(SIGNED_IN)])
async def who_am_i(request: Request, me: Me) -> dict[str, Any]:
    """The person behind the session."""
    return doors_of(request).query.me(me)


@router.post("/me/password", dependencies=[guard(SIGNED_IN)])
async def change_password(request: Request, me: Me, body: PasswordChange) -> dict[str, Any]:
    """Change one's own password; all other sessions of the person end."""
    await doors_of(request).commands.change_password(me, token_of(request), body.old, body.new, client=client_of(request))
    return {"changed": True}


@router.post("/me/lang", dependencies=[guard(SIGNED_IN)])
async def change_language(request: Request, me: Me, body: LangBody) -> dict[str, Any]:
    """Choose the language of one's own screens and messages."""
    await doors_of(request).commands.change_language(me, body.lang)
    return {"lang": body.lang}


@router.post("/me/elder", dependencies=[guard(SIGNED_IN)])
async def change_size(request: Request, me: Me, body: ElderBody) -> dict[str, Any]:
    """Choose the large version of one's own screens, or the normal one."""
    await doors_of(request).commands.change_size(me, large=body.elder)
    return {"elder": body.elder}
