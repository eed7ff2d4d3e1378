"""Second factor, PIN, and the house's own terminals."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints

from gateway.api.models import Body, Secret
from gateway.api.policies import OPEN, SIGNED_IN, TERMINALS, USERS, Me, guard
from gateway.api.routes_session import client_of
from gateway.api.session import TERMINAL_S, doors_of, set_cookie, set_terminal, terminal_of, token_of

router = APIRouter(tags=["session"])
Digits = Annotated[str, StringConstraints(min_length=1, max_length=12, pattern=r"^[0-9 ]+$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Proof(Body):
    """The password once more."""

    password: Secret


class Code(Body):
    """What the authenticator app shows."""

    code: Digits


class NewPin(Body):
    """One's own PIN."""

    password: Secret
    pin: Digits


class PinSignIn(Body):
    """Who, and the PIN."""

    user_id: Id
    pin: Digits


class TerminalCode(Body):
    """What the house's screen showed."""

    code: Annotated[str, StringConstraints(min_length=4, max_length=20)]


class NewTerminal(Body):
    """A display or a phone of a site."""

    kind: Literal["display", "phone"]
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    site: Id


@router.get("/session/ways", dependencies=[guard(OPEN)])
async def ways(request: Request) -> dict[str, Any]:
    """What this browser's sign-in page offers beside the password."""
    return await doors_of(request).commands.entry.ways(terminal_of(request))


@router.post("/session/pin", dependencies=[guard(OPEN)])
async def sign_in_with_pin(request: Request, response: Response, body: PinSignIn) -> dict[str, Any]:
    """Start a session on a phone of the house."""
    doors = doors_of(request)
    token = await doors.commands.entry.sign_in_pin(
        terminal_of(request), body.user_id, body.pin, client=client_of(request), former=token_of(request)
    )
    set_cookie(response, doors, token)
    return {"signed_in": body.user_id}


@router.post("/session/terminal", dependencies=[guard(OPEN)])
async def become_terminal(request: Request, response: Response, body: TerminalCode) -> dict[str, Any]:
    """Make this browser a terminal of the house; a display is signed in with it, until it is revoked."""
    doors = doors_of(request)
    found = await doors.commands.entry.adopt(body.code, client=client_of(request), former=token_of(request))
    set_terminal(response, doors, found["token"])
    if found["session"]:
        set_cookie(response, doors, found["session"], max_age_s=TERMINAL_S)
    return {"terminal": found["terminal"]}


@router.get("/me/ways", dependencies=[guard(SIGNED_IN)])
async def my_ways(request: Request, me: Me) -> dict[str, Any]:
    """Which ways in this person has."""
    doors = doors_of(request)
    return {
        "second_factor": await doors.commands.entry.has_factor(me.id),
        "staff": me.user.staff_id is not None,
        "must": me.must_set_factor,
    }


@router.post("/me/pin", dependencies=[guard(SIGNED_IN)])
async def set_pin(request: Request, me: Me, body: NewPin) -> dict[str, Any]:
    """Set one's own PIN."""
    await doors_of(request).commands.entry.set_pin(me, body.password, body.pin, client=client_of(request))
    return {"set": True}


@router.post("/me/second-factor", dependencies=[guard(SIGNED_IN)])
async def begin_factor(request: Request, me: Me, body: Proof) -> dict[str, Any]:
    """A secret for the authenticator app; it counts once a code of it was shown."""
    return dict(await doors_of(request).commands.entry.begin_factor(me, body.password, client=client_of(request)))


@router.post("/me/second-factor/confirm", dependencies=[guard(SIGNED_IN)])
async def confirm_factor(request: Request, me: Me, body: Code) -> dict[str, Any]:
    """From now on every sign-in of this person asks for a code."""
    await doors_of(request).commands.entry.confirm_factor(me, body.code)
    return {"on": True}


@router.post("/me/second-factor/end", dependencies=[guard(SIGNED_IN)])
async def end_factor(request: Request, me: Me, body: Proof) -> dict[str, Any]:
    """Take one's own second factor away; all sessions end."""
    await doors_of(request).commands.entry.end_factor(me, body.password, client=client_of(request))
    return {"on": False}


@router.post("/users/{user_id}/second-factor/end", dependencies=[guard(USERS)])
async def end_factor_of(request: Request, me: Me, user_id: Id) -> dict[str, Any]:
    """Take the second factor of somebody who has lost the phone away."""
    await doors_of(request).commands.entry.end_factor_of(me, user_id)
    return {"on": False}


@router.get("/terminals", dependencies=[guard(TERMINALS)])
async def terminals(request: Request, me: Me) -> dict[str, Any]:
    """Displays and phones of the sites in reach."""
    return {"terminals": await doors_of(request).commands.entry.terminals(me)}


@router.post("/terminals", dependencies=[guard(TERMINALS)])
async def add_terminal(request: Request, me: Me, body: NewTerminal) -> dict[str, Any]:
    """Enter one; its code is shown once."""
    return await doors_of(request).commands.entry.add_terminal(me, kind=body.kind, name=body.name, site=body.site)


@router.post("/terminals/{terminal_id}/revoke", dependencies=[guard(TERMINALS)])
async def revoke_terminal(request: Request, me: Me, terminal_id: Id) -> dict[str, Any]:
    """End one at once, with what was opened on it."""
    await doors_of(request).commands.entry.revoke_terminal(me, terminal_id)
    return {"revoked": terminal_id}
