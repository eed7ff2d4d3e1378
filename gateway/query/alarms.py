"""Reads of the alarm side: policies, who is on duty, hand-overs, silences, calls, what an ambulance asks for, and why somebody was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gateway.access import ALL_SITES, Action, FieldClass, scope_of, site_scope
from gateway.alerts import book, calls, handover, silences
from gateway.alerts import why as reasons
from gateway.alerts.policy import LANES, Policy, PolicyBook
from gateway.query.asker import Asker, Missing, alert_scope, may, resident_scope, sites_of
from gateway.query.shape import NS_PER_MS, alert_json, ms, plain
from gateway.query.sight import Sight
from gateway.registry import rota
from gateway.registry.view import RegistryView
from gateway.vocabulary import AlertView, Role

DAY_NS = 86_400 * 1_000_000_000
LONGEST_NS = 400 * DAY_NS
HOUSE = (Role.CAREGIVER.value, Role.CLINICIAN.value, Role.OPERATOR.value)  # who takes a shift over
ROOM_QUANTITIES = ("motion", "door", "bed_occupied")  # presence sensors speak as motion


class Alarms:
    """The read side of who is called."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight

    # --- policies --------------------------------------------------------------------------------------------------

    def policies(self, asker: Asker, base: PolicyBook) -> dict[str, Any]:
        """Policies that people set, of the sites in reach and of all sites, beside the installation's own; which cannot be read."""
        view = self._sight.view
        seen = set(self._sites(asker))
        rows = {key: row for key, row in view.policies.items() if row.get("site_id") is None or row["site_id"] in seen}
        return {
            "t_ms": ms(self._sight.now_ns()),
            "defaults": [policy_json(base.default(lane), lane) for lane in LANES],
            "policies": [dict(row) for _, row in sorted(rows.items())],
            "unreadable": book.problems(rows),
        }

    def _sites(self, asker: Asker) -> list[str]:
        return [one for one in sites_of(self._sight.view, asker) if may(asker, Action.READ, site_scope(one), FieldClass.STAFF)]

    # --- duty ------------------------------------------------------------------------------------------------------

    def duty(self, asker: Asker, site_id: str, at_ms: int | None) -> dict[str, Any]:
        """Who is on duty in a site at an instant, by role and zone, the exceptions around it, and when it changes next."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        if site_id not in self._sites(asker):
            raise Missing
        t_ns = now_ns if at_ms is None else at_ms * NS_PER_MS
        quiet = view.quiet.get(site_id)
        zones = [row.id for row in view.zones.values() if row.site_id == site_id]
        exceptions = [row for row in view.overrides.values() if row.site_id == site_id and row.until_ns > t_ns - DAY_NS]
        return {
            "t_ms": ms(now_ns),
            "at_ms": ms(t_ns),
            "site_id": site_id,
            "on_duty": _serving(view, site_id, None, t_ns),
            "zones": {zone_id: _serving(view, site_id, zone_id, t_ns) for zone_id in zones},
            "overrides": [plain(row) for row in sorted(exceptions, key=lambda row: (row.from_ns, row.id))],
            "groups": [plain(row) for row in view.groups.values() if row.site_id == site_id],
            "quiet": None if quiet is None else plain(quiet),
            "next_change_ms": ms(rota.next_change_ns(view, site_id, t_ns)),
        }

    # --- hand-over -------------------------------------------------------------------------------------------------

    async def handover(self, asker: Asker, site_id: str, zone_id: str | None) -> dict[str, Any]:
        """What would be handed over now, and the last hand-overs of the site."""
        view = self._sight.view
        zone = None if zone_id is None else view.zones.get(zone_id)
        allowed = may(asker, Action.ACT, site_scope(site_id), FieldClass.ALERTS)
        if site_id not in sites_of(view, asker) or not allowed or (zone_id is not None and (zone is None or zone.site_id != site_id)):
            raise Missing
        await self._sight.looks.looked(asker, "handover", site_id)
        db = self._sight.parts.db
        now = await db.read(lambda conn: handover.snapshot(conn, site_id, zone_id, asker.id))
        last = await db.read(lambda conn: handover.listing(conn, site_id))
        return {
            "t_ms": ms(self._sight.now_ns()),
            "now": now,
            "handovers": [plain(row) for row in last],
            "receivers": self._receivers(asker, site_id),
        }

    def _receivers(self, asker: Asker, site_id: str) -> list[dict[str, Any]]:
        """Accounts that can take a shift of the site over, those on duty first."""
        view, serving = self._sight.view, dict(rota.serving(self._sight.view, site_id, None, self._sight.now_ns()))
        rows = [
            {"id": user.id, "name": user.name, "role": user.role, "on_duty": user.staff_id in serving}
            for user in view.users.values()
            if user.id != asker.id and user.status == "active" and user.role in HOUSE and {site_id, ALL_SITES} & set(user.site_ids)
        ]
        return sorted(rows, key=lambda row: (not row["on_duty"], row["name"]))

    # --- silences --------------------------------------------------------------------------------------------------

    async def silences(self, asker: Asker, site_id: str | None = None) -> dict[str, Any]:
        """Silences of rules in force, of the residents in reach, or of those of one site."""
        view = self._sight.view
        rows = await self._sight.parts.db.read(silences.listing)
        seen = []
        for row in rows:
            scope = scope_of(view, row["resident_id"])
            here = scope is not None and site_id in (None, scope.site_id)
            if here and may(asker, Action.READ, scope, FieldClass.ALERTS):
                seen.append(plain(row))
        return {"t_ms": ms(self._sight.now_ns()), "silences": seen}

    # --- calls -----------------------------------------------------------------------------------------------------

    async def calls(self, asker: Asker, site_id: str | None, from_ms: int | None, to_ms: int | None, limit: int) -> dict[str, Any]:
        """The list of calls, newest first, and how fast they were answered in the same span; seven days unless said otherwise."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        until_ns = now_ns + 1 if to_ms is None else to_ms * NS_PER_MS
        since_ns = until_ns - 7 * DAY_NS if from_ms is None else max(from_ms * NS_PER_MS, until_ns - LONGEST_NS)
        if site_id is not None and site_id not in sites_of(view, asker):
            raise Missing
        await self._sight.looks.looked(asker, "calls", site_id or "all")
        rows = await self._sight.parts.db.read(lambda conn: calls.listing(conn, since_ns, until_ns))
        seen = [row for row in rows if site_id in (None, row["view"].site_id) and self._may_see(asker, row["view"])]
        figures = calls.figures(seen, now_ns)
        sites = [site_id] if site_id is not None else sites_of(view, asker)
        held = await self._sight.parts.db.read(lambda conn: reasons.held(conn, sites, since_ns, until_ns))
        shown = [{"alert": alert_json(view, row["view"]), **_call(row)} for row in seen[:limit]]
        return {"t_ms": ms(now_ns), "from_ms": ms(since_ns), "to_ms": ms(until_ns), "figures": figures, "held": held, "calls": shown}

    def _may_see(self, asker: Asker, alert: AlertView) -> bool:
        return may(asker, Action.READ, alert_scope(self._sight.view, alert), FieldClass.ALERTS)

    async def dispatch(self, asker: Asker, alert: AlertView) -> dict[str, Any]:
        """What is said to 120 and to whoever is sent: place, last known room, address, door code, medical summary, contacts."""
        view = self._sight.view
        await self._sight.looks.looked(asker, "dispatch", alert.id, resident=alert.resident_id)
        document: dict[str, Any] = {"t_ms": ms(self._sight.now_ns()), "alert": alert_json(view, alert), "place": alert.place}
        if alert.resident_id is None:
            return document
        resident = view.canonical(alert.resident_id)
        scope, home = resident_scope(view, resident), view.homes.get(resident)
        if may(asker, Action.READ, scope, FieldClass.LOCATION):
            document["last_room"] = self._last_room(resident)
            document |= {"address": "" if home is None else home.address, "door_code": "" if home is None else home.door_code}
        if may(asker, Action.READ, scope, FieldClass.CARE):
            own = [row for row in view.contacts.values() if view.canonical(row.resident_id) == resident]
            document["medical"] = "" if home is None else home.medical
            document["contacts"] = [
                {"name": row.name, "kind": row.kind, "relation": row.relation, "phone": row.phone}
                for row in sorted(own, key=lambda row: (row.kind != "family", row.order, row.id))
            ]
        return document

    def _last_room(self, resident_id: str) -> dict[str, Any] | None:
        """Where a sensor of a room last noticed the resident: the sensor's place and the time."""
        view, now_ns = self._sight.view, self._sight.now_ns()
        latest = self._sight.parts.latest()
        found: tuple[int, str] | None = None
        for device_id in view.devices_of(resident_id, now_ns):
            place = view.place_of(device_id, now_ns)
            for quantity in ROOM_QUANTITIES:
                value = latest.last(device_id, quantity)
                if place is None or value is None or not value.value >= 0.5:  # NaN is no sign of anybody
                    continue
                if found is None or value.t_ns > found[0]:
                    found = (value.t_ns, place.label)
        return None if found is None else {"t_ms": ms(found[0]), "place": found[1]}

    # --- why -------------------------------------------------------------------------------------------------------

    async def why(self, asker: Asker, resident_id: str, at_ms: int) -> dict[str, Any]:
        """A resident's minute: what stood, what was raised, who was told by which channel, what was held back, and why."""
        view = self._sight.view
        scope = scope_of(view, resident_id)
        if scope is None or scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.ALERTS):
            raise Missing
        resident, t_ns = scope.resident_id, at_ms * NS_PER_MS
        await self._sight.looks.looked(asker, "why", resident, resident=resident)
        return minute(view, resident, t_ns, await self._sight.parts.db.read(lambda conn: reasons.at(conn, view.records_of(resident), t_ns)))


def minute(view: RegistryView, resident_id: str, t_ns: int, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the desk recorded of a minute with what the registry knew: where the resident was, quiet hours, who was on duty."""
    stay = view.stay_at(resident_id, t_ns)
    document: dict[str, Any] = {"resident_id": resident_id, "status": None if stay is None else stay.status, **plain(found)}
    if stay is not None:
        site = view.sites.get(stay.place.site_id)
        quiet = view.quiet.get(stay.place.site_id)
        tz = "UTC" if site is None else site.tz
        inside = None if quiet is None else rota.window_at(quiet.start, quiet.end, tz, t_ns)
        document["quiet_hours"] = inside is not None
        document["on_duty"] = _serving(view, stay.place.site_id, stay.place.zone_id, t_ns)
    return document


def policy_json(policy: Policy, lane: str) -> dict[str, Any]:
    """A policy as it is written."""
    return {**policy.model_dump(mode="json"), "lane": lane}


def report_json(report: book.Report) -> dict[str, Any]:
    """What a check found."""
    return {
        "ok": report.ok,
        "errors": list(report.errors),
        "dead_ends": [plain(asdict(hole)) for hole in report.dead_ends],
        "holes": [plain(asdict(hole)) for hole in report.holes],
        "unstaffed": list(report.unstaffed),
    }


def _serving(view: RegistryView, site_id: str, zone_id: str | None, t_ns: int) -> list[dict[str, str]]:
    pairs = sorted(set(rota.serving(view, site_id, zone_id, t_ns)), key=lambda pair: (pair[1], pair[0]))
    rows = [(view.staff[staff_id], role) for staff_id, role in pairs]
    return [{"staff_id": person.id, "name": person.name, "initials": person.initials, "role": role} for person, role in rows]


def _call(row: Mapping[str, Any]) -> dict[str, Any]:
    view: AlertView = row["view"]
    answered = row["answered_ns"]
    return {
        "answered_ms": ms(answered),
        "answered_s": None if answered is None else round((answered - view.raised_ns) / 1e9, 1),
        "answered_by": row["answered_by"],
        "said": plain(row["said"]),
    }
