"""What a link in a message opens: how one alert stands, and the claim. No session: the link itself is the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apsw

from gateway import links
from gateway.alerts.desk import AlertDesk
from gateway.alerts.routing import CONTACT, DESK
from gateway.audit import Audit
from gateway.clock import Clock
from gateway.commands.refusal import Kind, Refusal
from gateway.links import Link
from gateway.pins import Pins
from gateway.query import Missing
from gateway.registry import rota
from gateway.registry.attempts import TooManyAttempts
from gateway.registry.registry import Registry
from gateway.registry.view import RegistryView
from gateway.store import Database, StoreError
from gateway.vocabulary import Action, Actor, AlertConflict, AlertKind, AlertNotFound, AlertView, Role

MAX_PEOPLE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParts:
    """What links work with."""

    db: Database
    registry: Registry
    desk: AlertDesk
    audit: Audit
    pins: Pins
    clock: Clock


class LinkDoor:
    """Opens and uses links."""

    def __init__(self, parts: LinkParts) -> None:
        self._parts = parts

    async def show(self, token: str) -> dict[str, Any]:
        """How the alert stands, as little as the message said; raises Missing for what is unknown or over."""
        link, alert = await self._open(token)
        view = self._parts.registry.view
        people = _people(view, alert, self._parts.clock.now_ns()) if link.shared else []
        return {
            "alert": self._shown(view, alert),
            "shared": link.shared,
            "who": "" if link.shared else _name(view, link.recipient),
            "people": people,
            "t_ms": self._parts.clock.now_ns() // 1_000_000,
            "expires_ms": link.expires_ns // 1_000_000,
        }

    async def claim(self, token: str, staff_id: str, pin: str) -> None:
        """Claim the alert: as the one whom the link was sent to, or as the one who says who it is; raises Missing or Refusal."""
        link, alert = await self._open(token)
        who = staff_id if link.shared else link.recipient
        view = self._parts.registry.view
        if link.shared:
            await self._prove(view, alert, who, pin, peer=links.digest(token).hex()[:16])
        actor = actor_of(view, who)
        if actor is None:
            raise Refusal(Kind.UNKNOWN_PERSON, "link.who")

        def audited(conn: apsw.Connection) -> None:
            detail = {"by": "pin" if link.shared else "link"}
            self._parts.audit.append(
                conn, actor=actor.id, role="" if actor.role is None else actor.role.value, action="alert.claim", subject=alert.id,
                resident=alert.resident_id, purpose="care", detail=detail,
            )  # fmt: skip

        try:
            await self._parts.desk.act(Action.CLAIM, alert.id, actor, also=audited)
        except AlertNotFound:
            raise Missing from None
        except AlertConflict as conflict:
            raise Refusal(Kind.CONFLICT, f"alert.{conflict.reason}") from None
        except StoreError:
            raise Refusal(Kind.UNAVAILABLE, "store.unavailable", retry_s=2) from None

    async def _open(self, token: str) -> tuple[Link, AlertView]:
        now_ns = self._parts.clock.now_ns()

        def read(conn: apsw.Connection) -> tuple[Link, AlertView] | None:
            link = links.find(conn, token, now_ns)
            return None if link is None else (link, AlertDesk.get(conn, link.alert_id))

        try:
            found = await self._parts.db.read(read)
        except AlertNotFound:
            raise Missing from None
        if found is None:
            raise Missing
        return found

    async def _prove(self, view: RegistryView, alert: AlertView, staff_id: str, pin: str, *, peer: str) -> None:
        known = any(one["id"] == staff_id for one in _people(view, alert, self._parts.clock.now_ns()))
        try:
            fits = await self._parts.pins.fits(staff_id, pin, peer)
        except TooManyAttempts as error:
            raise Refusal(Kind.TOO_MANY, "session.too_many", retry_s=error.retry_after_s) from None
        if not (fits and known):
            await self._parts.db.write(
                lambda conn: self._parts.audit.append(conn, actor=staff_id, action="alert.claim", subject=alert.id, outcome="refused")
            )
            raise Refusal(Kind.UNKNOWN_PERSON, "link.pin")

    def _shown(self, view: RegistryView, alert: AlertView) -> dict[str, Any]:
        resident = None if alert.resident_id is None else view.residents.get(view.canonical(alert.resident_id))
        return {
            "state": alert.state.value,
            "priority": alert.priority.name.lower(),
            "reason": reason_of(alert),
            "place": alert.place,
            "initials": "" if resident is None else resident.initials,
            "claimed_name": alert.claimed_name or "",
            "raised_ms": alert.raised_ns // 1_000_000,
            "late_s": alert.late_s,
            "test": alert.origin.name.lower() if alert.origin.value else "",
        }


def reason_of(alert: AlertView) -> str:
    """What a message says of an alert: a call by its kind, anything else only by what to look at."""
    if alert.kind is AlertKind.CALL:
        return alert.cause
    if alert.kind is AlertKind.PHYSIOLOGICAL:
        return "resident.check"
    return "gateway.check" if alert.device_id is None and alert.resident_id is None else "device.check"


def actor_of(view: RegistryView, who: str) -> Actor | None:
    """Who acts: the account of a staff or user id where there is one, else the staff record; desk and contacts as themselves."""
    if who == DESK:
        return Actor(id=DESK, name=DESK)
    contact = view.contacts.get(who.removeprefix(CONTACT)) if who.startswith(CONTACT) else None
    if contact is not None:
        return Actor(id=who, name=contact.name)
    staff = view.staff.get(who)
    linked = None if staff is None else staff.user_id
    user = view.users.get(linked or who) or next((one for one in view.users.values() if one.staff_id == who), None)
    if user is not None:
        return Actor(id=user.id, name=user.name, role=Role(user.role)) if user.status == "active" else None
    return Actor(id=staff.id, name=staff.name) if staff is not None and staff.status == "active" else None


def _name(view: RegistryView, who: str) -> str:
    actor = actor_of(view, who)
    return "" if actor is None else actor.name


def _people(view: RegistryView, alert: AlertView, now_ns: int) -> list[dict[str, str]]:
    """Who may claim it: staff with a rota at the alert's site (all, where it has none), those on duty first."""
    rows = [row for row in view.rota.values() if alert.site_id is None or row.site_id == alert.site_id]
    here = {row.staff_id for row in rows} or set(view.staff)
    on_duty = {
        staff_id for row in rows for staff_id in rota.on_duty(view, row.site_id, alert.zone_id, row.role, now_ns)
    }  # fmt: skip
    people = [view.staff[staff_id] for staff_id in here if staff_id in view.staff and view.staff[staff_id].status == "active"]
    people.sort(key=lambda person: (person.id not in on_duty, person.name))
    return [{"id": person.id, "name": person.name} for person in people[:MAX_PEOPLE]]
