"""Ways in beside the password: the second factor, the PIN on a terminal of the house, and the terminals themselves."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import segno

from gateway.access import Action, FieldClass, Scope
from gateway.clock import Clock
from gateway.commands.refusal import Kind, Refusal
from gateway.pins import PinError, Pins
from gateway.query import Asker, Forbidden, Missing
from gateway.query.asker import may
from gateway.registry import factors, terminals
from gateway.registry.accounts import Accounts, SignInRefused
from gateway.registry.attempts import Attempts, TooManyAttempts
from gateway.registry.errors import NotFoundError
from gateway.registry.registry import Registry
from gateway.registry.tx import Tx
from gateway.registry.view import User
from gateway.store import Database
from gateway.vocabulary import Actor, Role

Do = Callable[[Any, Callable[[Tx], Any]], Awaitable[Any]]
PIN_ROLES = (Role.CAREGIVER,)  # who changes limits or accounts shows a password and, where asked, a code


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryParts:
    """What these doors work with."""

    db: Database
    registry: Registry
    accounts: Accounts
    pins: Pins
    clock: Clock


class EntryCommands:
    """Second factor, PIN, terminals."""

    def __init__(self, parts: EntryParts, do: Do) -> None:
        self._parts, self._do = parts, do
        self._attempts = Attempts(parts.db, parts.clock)

    # --- the second factor -----------------------------------------------------------------------------------------

    async def begin_factor(self, asker: Asker, password: str, *, client: str) -> dict[str, str]:
        """A secret for the person's authenticator app, as text, address and QR code (SVG)."""
        await self._prove(asker, password, client)
        secret = await self._do(asker.actor, lambda tx: factors.begin(tx, asker.id))
        uri = factors.uri(secret, asker.user.login)
        return {"secret": secret, "uri": uri, "svg": qr(uri)}

    async def confirm_factor(self, asker: Asker, code: str) -> None:
        """Let the factor count: the app has shown a right code."""
        await self._do(asker.actor, lambda tx: factors.confirm(tx, asker.id, code))

    async def end_factor(self, asker: Asker, password: str, *, client: str) -> None:
        """Take one's own factor away; all one's sessions end."""
        await self._prove(asker, password, client)
        await self._do(asker.actor, lambda tx: factors.remove(tx, asker.id))

    async def end_factor_of(self, asker: Asker, user_id: str) -> None:
        """Take the factor of somebody who has lost the phone away."""
        if not may(asker, Action.WRITE, None, FieldClass.USERS):
            raise Forbidden
        if user_id not in self._parts.registry.view.users:
            raise Missing
        await self._do(asker.actor, lambda tx: factors.remove(tx, user_id))

    async def has_factor(self, user_id: str) -> bool:
        """Whether this person's sign-in asks for a code."""
        return await self._parts.db.read(lambda conn: factors.is_on(conn, user_id))

    # --- the PIN ---------------------------------------------------------------------------------------------------

    async def set_pin(self, asker: Asker, password: str, pin: str, *, client: str) -> None:
        """Set one's own PIN, for terminals of the house and for links in group chats."""
        if asker.user.staff_id is None or asker.role not in PIN_ROLES:
            raise Refusal(Kind.INVALID, "pin.not_staff")
        await self._prove(asker, password, client)
        try:
            await self._parts.pins.give(asker.actor, asker.user.staff_id, pin)
        except PinError:
            raise Refusal(Kind.INVALID, "pin.weak") from None

    async def ways(self, token: str) -> dict[str, Any]:
        """What the sign-in page of this browser offers: on a phone of the house, the names of its staff who have a PIN."""
        terminal = None if not token else await self._parts.db.read(lambda conn: terminals.of_cookie(conn, token))
        if terminal is None or terminal.kind != "phone":
            return {"terminal": None, "people": []}
        having = await self._parts.pins.having()
        people = [
            {"id": user.id, "name": user.name}
            for user in self._parts.registry.view.users.values()
            if _signs_in_with_pin(user, terminal, having)
        ]
        return {"terminal": {"name": terminal.name}, "people": sorted(people, key=lambda one: (one["name"], one["id"]))}

    async def sign_in_pin(self, token: str, user_id: str, pin: str, *, client: str, former: str) -> str:
        """Start a session on a phone of the house; raises Refusal. Returns the session's token."""
        terminal = None if not token else await self._parts.db.read(lambda conn: terminals.of_cookie(conn, token))
        user = self._parts.registry.view.users.get(user_id)
        having = await self._parts.pins.having()
        if terminal is None or user is None or user.staff_id is None or not _signs_in_with_pin(user, terminal, having):
            raise Refusal(Kind.UNKNOWN_PERSON, "session.refused")
        try:
            if not await self._parts.pins.fits(user.staff_id, pin, client):
                raise Refusal(Kind.UNKNOWN_PERSON, "session.pin_refused")
            signed = await self._parts.accounts.open(user, former_token=former or None, terminal_id=terminal.id)
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None
        except SignInRefused:
            raise Refusal(Kind.UNKNOWN_PERSON, "session.refused") from None
        now_ns = self._parts.clock.now_ns()
        await self._parts.db.write(lambda conn: terminals.used(conn, terminal.id, now_ns))
        return signed.token

    # --- terminals -------------------------------------------------------------------------------------------------

    async def add_terminal(self, asker: Asker, *, kind: str, name: str, site: str) -> dict[str, Any]:
        """Enter a display or a phone; the code is shown once and typed there."""
        self._must(asker, site)
        terminal, code = await self._do(asker.actor, lambda tx: terminals.add(tx, kind=kind, name=name, site=site))
        return {"terminal": terminals.shown(terminal), "code": code}

    async def terminals(self, asker: Asker) -> list[dict[str, Any]]:
        """The terminals of the sites in reach."""
        found = await self._parts.db.read(terminals.listing)
        return [terminals.shown(one) for one in found if may(asker, Action.READ, Scope(site_id=one.site_id), FieldClass.STAFF)]

    async def revoke_terminal(self, asker: Asker, terminal_id: str) -> None:
        """End a terminal at once, with what was opened on it."""
        found = {one.id: one for one in await self._parts.db.read(terminals.listing)}
        if terminal_id not in found:
            raise Missing
        self._must(asker, found[terminal_id].site_id)
        await self._do(asker.actor, lambda tx: terminals.revoke(tx, terminal_id))

    async def adopt(self, code: str, *, client: str, former: str) -> dict[str, Any]:
        """Make this browser the terminal of a code; returns its token and, for a display, a session's token."""
        try:
            keys = await self._attempts.begin("terminal", client)
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None
        token = secrets.token_urlsafe(32)
        try:
            terminal = await self._parts.registry.do(
                Actor(id="terminal"),
                lambda tx: terminals.adopt(tx, code.replace("-", "").replace(" ", "").upper(), terminals.digest(token)),
            )
        except NotFoundError:
            raise Refusal(Kind.UNKNOWN_PERSON, "terminal.code_refused") from None
        await self._attempts.succeeded(keys)
        session = ""
        if terminal.user_id is not None:
            user = self._parts.registry.view.users[terminal.user_id]
            session = (await self._parts.accounts.open(user, former_token=former or None, terminal_id=terminal.id)).token
        return {"token": token, "session": session, "terminal": {"kind": terminal.kind, "name": terminal.name}}

    # --- small ones ------------------------------------------------------------------------------------------------

    async def _prove(self, asker: Asker, password: str, client: str) -> None:
        try:
            await self._parts.accounts.prove(asker.id, password, peer=client)
        except SignInRefused:
            raise Refusal(Kind.INVALID, "registry.password.wrong", params={"field": "password"}) from None
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None

    def _must(self, asker: Asker, site: str) -> None:
        scope = Scope(site_id=site)
        if site not in self._parts.registry.view.sites or not may(asker, Action.READ, scope, FieldClass.STAFF):
            raise Missing
        if not may(asker, Action.WRITE, scope, FieldClass.STAFF):
            raise Forbidden


def qr(text: str) -> str:
    """A QR code as an SVG drawing without any reference to elsewhere."""
    drawing: str = segno.make(text, error="m", micro=False).svg_inline(scale=6, border=3, dark="#000", light="#fff", omitsize=True)
    return drawing


def _signs_in_with_pin(user: User, terminal: terminals.Terminal, having: frozenset[str]) -> bool:
    here = terminal.site_id in user.site_ids or "*" in user.site_ids
    return here and user.status == "active" and Role(user.role) in PIN_ROLES and user.staff_id in having


__all__ = ["EntryCommands", "EntryParts", "qr"]
