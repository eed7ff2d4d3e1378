"""Reads for those who run the house: residents with all that is entered of them, beds, staff, the week's duty, versions of policies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.access import Action, FieldClass, scope_of, site_scope
from gateway.alerts.policy import LANES, PolicyBook
from gateway.query.asker import Asker, Missing, may, resident_scope, sites_of
from gateway.query.shape import NS_PER_MS, ms, plain
from gateway.query.sight import Sight
from gateway.registry import duty_week, residents, rota
from gateway.registry.errors import RegistryError
from gateway.registry.tx import history
from gateway.registry.view import PRESENT, RegistryView, Resident
from gateway.vocabulary import Role

MAX_VERSIONS = 200
_STEPS = {
    "resident.admitted": "admitted", "resident.moved": "moved", "resident.away": "away", "resident.discharged": "discharged",
    "resident.died": "died", "resident.merged": "merged", "resident.corrected": "corrected",
}  # fmt: skip


class People:
    """The registry as operators and administrators work with it."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    # --- residents -------------------------------------------------------------------------------------------------

    async def residents(self, asker: Asker) -> dict[str, Any]:
        """Residents in reach, those who left too, with who is away longer than said."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        await self._sight.looks.looked(asker, "residents", "house")
        rows = [row for row in view.residents.values() if row.merged_into is None and _entered_by(asker, view, row.id)]
        rows.sort(key=lambda row: (row.status not in PRESENT, row.place.site_id, row.place.label, row.name))
        return {"t_ms": ms(now_ns), "residents": [resident_json(view, row, now_ns) for row in rows]}

    async def resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """One resident with contacts, what an ambulance asks for, devices and every step since the admission; raises Missing."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        row = self._resident(asker, resident_id)
        await self._sight.looks.looked(asker, "resident", row.id, resident=row.id)
        home = view.homes.get(row.id)
        contacts = [one for one in view.contacts.values() if view.canonical(one.resident_id) == row.id]
        events = await self._sight.parts.db.read(lambda conn: history(conn, row.id))
        steps = [_step(view, event) for event in events if event.kind in _STEPS]
        return {
            "t_ms": ms(now_ns),
            "resident": resident_json(view, row, now_ns),
            "home": {"address": "", "door_code": "", "medical": ""} if home is None else plain(home),
            "contacts": [plain(one) for one in sorted(contacts, key=lambda one: (one.order, one.name))],
            "devices": [{"id": device, "kind": view.devices[device].kind} for device in view.devices_of(row.id, now_ns)],
            "steps": steps[::-1],
        }

    def _resident(self, asker: Asker, resident_id: str) -> Resident:
        view = self._sight.view
        scope = resident_scope(view, resident_id)
        if scope.resident_id is None or not _entered_by(asker, view, scope.resident_id):
            raise Missing
        return view.residents[scope.resident_id]

    async def merge_preview(self, asker: Asker, resident_id: str, into: str) -> dict[str, Any]:
        """What would follow into the other record, and what forbids it; nothing is written."""
        row, target = self._resident(asker, resident_id), self._resident(asker, into)
        view, now_ns = self._sight.view, self._sight.now_ns()
        refused: str | None = None
        try:
            await asyncio.to_thread(self._sight.parts.registry.rehearse, asker.actor, lambda tx: residents.merge(tx, row.id, target.id))
        except RegistryError as error:
            refused = f"registry.{error.code}"
        own_limits = {limit.quantity for limit in view.limits.values() if limit.resident_id == row.id}
        return {
            "t_ms": ms(now_ns),
            "from": resident_json(view, row, now_ns),
            "into": resident_json(view, target, now_ns),
            "refused": refused,
            "devices": list(view.devices_of(row.id, now_ns)),
            "limits": sorted(quantity for quantity in own_limits if not view.limits_of(target.id, None, quantity)),
            "limits_left": sorted(quantity for quantity in own_limits if view.limits_of(target.id, None, quantity)),
            "contacts": sum(view.canonical(one.resident_id) == row.id for one in view.contacts.values()),
            "consents": sum(view.canonical(one.resident_id) == row.id and one.withdrawn_ns is None for one in view.consents.values()),
            "undo": False,  # histories of two people cannot be told apart again once they have gone on as one
        }

    # --- places and staff ------------------------------------------------------------------------------------------

    async def beds(self, asker: Asker) -> dict[str, Any]:
        """Beds in reach, free or whose; who may not know whose hears only that it is taken."""
        view = self._sight.view
        inside = {one for one in sites_of(view, asker) if may(asker, Action.READ, site_scope(one), FieldClass.REGISTRY)}
        await self._sight.looks.looked(asker, "beds", "list")
        rows = [bed for bed in view.beds.values() if bed.site_id in inside]
        found = []
        for bed in sorted(rows, key=lambda bed: (bed.site_id, bed.zone_id or "", bed.label)):
            occupant = view.occupant(bed.id)
            seen = occupant is not None and may(asker, Action.READ, scope_of(view, occupant), FieldClass.IDENTITY)
            name = view.residents[occupant].name if occupant is not None and seen else ""
            zone, room = view.zones.get(bed.zone_id or ""), view.rooms.get(bed.room_id or "")
            found.append(
                {
                    "id": bed.id, "label": bed.label, "site_id": bed.site_id, "zone_id": bed.zone_id, "room_id": bed.room_id,
                    "zone": "" if zone is None else zone.name, "room": "" if room is None else room.name, "code": bed.code,
                    "taken": occupant is not None, "occupant": name,
                }
            )  # fmt: skip
        return {"t_ms": ms(self._sight.now_ns()), "beds": found}

    def staff(self, asker: Asker) -> dict[str, Any]:
        """Everybody who can be called, with the ways to reach them, for those who enter staff."""
        view = self._sight.view
        if not any(may(asker, Action.WRITE, site_scope(one), FieldClass.STAFF) for one in sites_of(view, asker)):
            return {"t_ms": ms(self._sight.now_ns()), "staff": []}
        rows = sorted(view.staff.values(), key=lambda row: (row.status != "active", row.name))
        logins = {user.id: user.login for user in view.users.values() if user.status == "active"}
        return {"t_ms": ms(self._sight.now_ns()), "staff": [{**plain(row), "login": logins.get(row.user_id or "", "")} for row in rows]}

    # --- duty ------------------------------------------------------------------------------------------------------

    async def week(self, asker: Asker, site_id: str, at_ms: int | None, base: PolicyBook) -> dict[str, Any]:
        """Who is on duty through the site's week that holds the moment, and where a role that alarms call is nobody; raises Missing."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        if site_id not in sites_of(view, asker) or not may(asker, Action.READ, site_scope(site_id), FieldClass.STAFF):
            raise Missing
        t_ns = now_ns if at_ms is None else at_ms * NS_PER_MS
        return await asyncio.to_thread(_week, view, site_id, t_ns, now_ns, base)  # arithmetic on a view that never changes

    # --- policies and consents -------------------------------------------------------------------------------------

    async def versions(self, asker: Asker, policy_id: str) -> dict[str, Any]:
        """Every version of a policy, newest first, with who set it and when; raises Missing."""
        view = self._sight.view
        seen = {one for one in sites_of(view, asker) if may(asker, Action.READ, site_scope(one), FieldClass.STAFF)}
        events = await self._sight.parts.db.read(lambda conn: history(conn, policy_id, MAX_VERSIONS))
        rows = [event for event in events if event.kind in ("policy.set", "policy.ended")]
        if not rows or any(event.body.get("site_id") not in {None, *seen} for event in rows):
            raise Missing
        return {
            "t_ms": ms(self._sight.now_ns()),
            "versions": [
                {"at_ms": ms(event.t_ns), "by": _name(view, event.actor), "ended": event.kind == "policy.ended", "policy": event.body}
                for event in rows[::-1]
            ],
        }

    def choices(self, asker: Asker, channels: tuple[str, ...], base: PolicyBook) -> dict[str, Any]:
        """What a policy can name: roles, people, groups and channels in reach."""
        view = self._sight.view
        seen = [one for one in sites_of(view, asker) if may(asker, Action.READ, site_scope(one), FieldClass.STAFF)]
        active = [row for row in view.staff.values() if row.status == "active"]
        roles = {role for one in seen for role in rota.roles(view, one)} | {row.role for row in active}
        return {
            "t_ms": ms(self._sight.now_ns()),
            "channels": sorted(channels),
            "roles": sorted(roles | _called(base, view, None)),
            "staff": [{"id": row.id, "name": row.name} for row in active if seen],
            "groups": [{"id": row.id, "name": row.name, "site_id": row.site_id} for row in view.groups.values() if row.site_id in seen],
        }

    async def grantees(self, asker: Asker) -> dict[str, Any]:
        """Family accounts that a consent can name: those of residents in reach, and those of nobody yet."""
        view = self._sight.view
        await self._sight.looks.looked(asker, "grantees", "list")
        found = []
        for user in sorted(view.users.values(), key=lambda user: user.name):
            own = [one for one in user.resident_ids if may(asker, Action.READ, scope_of(view, one), FieldClass.CONSENT)]
            if user.role == Role.FAMILY and user.status == "active" and (own or not user.resident_ids):
                found.append({"id": user.id, "name": user.name, "login": user.login, "residents": own})
        return {"t_ms": ms(self._sight.now_ns()), "grantees": found}


def _entered_by(asker: Asker, view: RegistryView, resident_id: str) -> bool:
    return may(asker, Action.WRITE, scope_of(view, resident_id), FieldClass.IDENTITY)


def resident_json(view: RegistryView, row: Resident, now_ns: int) -> dict[str, Any]:
    """A resident as the house's own list has it: no vitals, no care."""
    site = view.sites.get(row.place.site_id)
    return {
        "id": row.id, "name": row.name, "initials": row.initials, "status": row.status, "code": row.code, "birth_date": row.birth_date,
        "sex": row.sex, "place": plain(row.place), "site": "" if site is None else site.name, "back_ms": ms(row.back_ns),
        "overdue": row.status == "away" and row.back_ns is not None and row.back_ns <= now_ns,
    }  # fmt: skip


def _step(view: RegistryView, event: Any) -> dict[str, Any]:
    body: Mapping[str, Any] = event.body
    into = view.residents.get(str(body.get("merged_into")))
    back = event.kind == "resident.moved" and body.get("status") == "admitted" and _was_away(view, event)
    return {
        "step": "back" if back else _STEPS[event.kind],
        "at_ms": ms(body.get("at_ns") or event.t_ns), "entered_ms": ms(event.t_ns), "by": _name(view, event.actor),
        "place": body["place"].get("label", "") if body.get("place") else "", "reason": body.get("reason", ""),
        "back_ms": ms(body.get("back_ns")), "into": "" if into is None else into.name,
    }  # fmt: skip


def _was_away(view: RegistryView, event: Any) -> bool:
    before = [stay for stay in view.stays_of(event.subject) if stay.from_ns < event.body.get("at_ns", event.t_ns)]
    return bool(before) and before[-1].status == "away"


def _name(view: RegistryView, actor: str) -> str:
    user = view.users.get(actor)
    return actor if user is None else user.name


def _called(base: PolicyBook, view: RegistryView, site_id: str | None) -> set[str]:
    """Roles that the policies of a site call (or of all sites)."""
    found = {target.id for lane in LANES for step in base.default(lane).steps for target in step.targets if target.kind == "role"}
    for row in view.policies.values():
        if site_id is None or row.get("site_id") in (None, site_id):
            found |= {
                str(target.get("id")) for step in row.get("steps", ()) for target in step.get("targets", ()) if target.get("kind") == "role"
            }
    return found


def _week(view: RegistryView, site_id: str, t_ns: int, now_ns: int, base: PolicyBook) -> dict[str, Any]:
    tz = view.sites[site_id].tz
    days = duty_week.days(tz, t_ns)
    zones = sorted((row for row in view.zones.values() if row.site_id == site_id), key=lambda row: row.name)
    needed = _called(base, view, site_id)
    whole = duty_week.stretches(view, site_id, None, days[0], days[-1])
    gaps = duty_week.gaps(whole, needed, None)
    empty = {(gap.role, gap.from_ns, gap.until_ns) for gap in gaps}
    for zone in zones:
        own = duty_week.gaps(duty_week.stretches(view, site_id, zone.id, days[0], days[-1]), needed, zone.id)
        gaps += [gap for gap in own if (gap.role, gap.from_ns, gap.until_ns) not in empty]  # said for the whole site already
    roles = sorted(needed | {role for stretch in whole for _, role in stretch.serving})
    return {
        "t_ms": ms(now_ns), "tz": tz, "site_id": site_id, "days_ms": [ms(day) for day in days], "roles": roles, "called": sorted(needed),
        "zones": [{"id": zone.id, "name": zone.name} for zone in zones],
        "stretches": [
            {
                "from_ms": ms(row.from_ns), "until_ms": ms(row.until_ns),
                "serving": [{"id": who, "name": view.staff[who].name, "role": role} for who, role in row.serving],
            }
            for row in whole
        ],
        "gaps": [plain(gap) for gap in sorted(gaps, key=lambda gap: (gap.from_ns, gap.role, gap.zone_id or ""))],
    }  # fmt: skip
