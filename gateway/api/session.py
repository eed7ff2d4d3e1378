"""The session cookie and the doors, as routes reach them."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from gateway.clock import Clock
from gateway.commands import Commands
from gateway.ops import Ops
from gateway.query import Query
from gateway.vocabulary import Role

LAN_COOKIE = "anxin_session"
TLS_COOKIE = "__Host-anxin_session"
MAX_TOKEN = 200
TERMINAL_S = 400 * 86_400  # browsers keep no cookie longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Everything that a route may use."""

    query: Query
    commands: Commands
    clock: Clock
    ops: Ops
    http_lan: bool
    only: frozenset[Role] = frozenset()  # a listener may be for some roles only, such as the family's; empty = for all

    def lets_in(self, role: Role) -> bool:
        """Whether this listener is for the role at all."""
        return not self.only or role in self.only

    @property
    def cookie(self) -> str:
        """Name of the session cookie; the __Host- prefix binds it to TLS and to this host."""
        return LAN_COOKIE if self.http_lan else TLS_COOKIE

    @property
    def terminal_cookie(self) -> str:
        """Name of the cookie that says which terminal this browser is."""
        return self.cookie.replace("session", "terminal")


def doors_of(request: Request) -> Doors:
    """The application's doors."""
    doors = request.app.state.doors
    if not isinstance(doors, Doors):
        raise TypeError("the application was not made by create_app")
    return doors


def token_of(request: Request) -> str:
    """The session token of the request's cookie; empty where there is none."""
    token = request.cookies.get(doors_of(request).cookie, "")
    return token if len(token) <= MAX_TOKEN and token.isascii() else ""


def set_cookie(response: Response, doors: Doors, token: str, *, max_age_s: int | None = None) -> None:
    """Hand the token to the browser: not readable by scripts, never sent by other sites' forms."""
    response.set_cookie(doors.cookie, token, path="/", secure=not doors.http_lan, httponly=True, samesite="lax", max_age=max_age_s)


def terminal_of(request: Request) -> str:
    """The terminal token of the browser; empty where it is no terminal."""
    token = request.cookies.get(doors_of(request).terminal_cookie, "")
    return token if len(token) <= MAX_TOKEN and token.isascii() else ""


def set_terminal(response: Response, doors: Doors, token: str) -> None:
    """Make this browser a terminal of the house."""
    response.set_cookie(
        doors.terminal_cookie, token, path="/", secure=not doors.http_lan, httponly=True, samesite="lax", max_age=TERMINAL_S
    )


def drop_cookie(response: Response, doors: Doors) -> None:
    """Take the cookie back."""
    response.delete_cookie(doors.cookie, path="/", secure=not doors.http_lan, httponly=True, samesite="lax")


def form_token_right(session_token: str, given: str) -> bool:
    """Compare in constant time."""
    return bool(session_token) and hmac.compare_digest(Commands.form_token(session_token).encode(), given.encode("utf-8", "replace"))
