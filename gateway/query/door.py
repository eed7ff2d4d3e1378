"""Reads for the screens: each is one person's, allowed field by field, and audited before it is handed out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway import deadletter
from gateway.access import Action, FieldClass, Purpose, Scope, allow, site_scope
from gateway.alerts.desk import AlertDesk, recent_alerts
from gateway.audit import Audit
from gateway.care.documents import Shelf
from gateway.clock import NS_PER_S, Clock
from gateway.events import Events
from gateway.ops import Ops
from gateway.query import lists
from gateway.query.alarms import Alarms
from gateway.query.asker import Asker, Missing, Reach, alert_scope, may, resident_scope, sites_of
from gateway.query.bounds import Bounds
from gateway.query.burden import Burden
from gateway.query.care import CareReads
from gateway.query.clinic import Clinic
from gateway.query.curve import Curves
from gateway.query.devices import Devices, DeviceStates
from gateway.query.family import Family
from gateway.query.feed import Feed
from gateway.query.glucose import Glucose
from gateway.query.inbox import Found, Inbox
from gateway.query.looks import Looks
from gateway.query.machines import Machines
from gateway.query.notes import Notes
from gateway.query.people import People
from gateway.query.record import Records as HealthRecords
from gateway.query.record import RecordSource
from gateway.query.records import Records
from gateway.query.refusal import Unavailable
from gateway.query.risk import Risk
from gateway.query.shape import NS_PER_MS, alert_json, plain
from gateway.query.sight import Sight
from gateway.query.supervision import Supervision
from gateway.query.trail import Trail
from gateway.query.visit import Visit
from gateway.query.wall import LatestValues, Present, Tile, tile_json
from gateway.registry import rota
from gateway.registry.view import RegistryView
from gateway.store import Database
from gateway.vocabulary import AlertNotFound, AlertView

TREND_S = 1800
MAX_ALERTS = 500
STALLED_S = 10.0  # the alarm loop turns once a second
DUTY_ROLES = ("caregiver", "nurse", "head_nurse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the read door reads from; the optional ones are refused clearly where they are absent."""

    db: Database
    events: Events
    registry: Any  # gateway.registry.Registry: `.view` at the committed head
    audit: Audit
    latest: Callable[[], LatestValues]  # asked anew each time: a restored checkpoint brings another one
    clock: Clock
    ops: Ops
    ledger: Callable[[], Awaitable[Mapping[str, Any]]] | None = None
    status: Callable[[], Mapping[str, Any]] | None = None  # extra members of the status
    history: Callable[[], Any] | None = None  # gateway.history.sqlite.History, asked anew each time
    devices: Devices | None = None  # how devices are; None where nobody counts
    recent: Callable[[], Sequence[Any]] | None = None  # the newest blocks of the journal
    backups: Any = None  # gateway.backups.Backups
    certificates: Callable[[], Sequence[Mapping[str, Any]]] | None = None  # name, days
    record: RecordSource | None = None  # the health record, where it is kept
    stream: Any = None  # gateway.stream.rules.StreamConfig: the house's default limits
    unassigned: Found | None = None  # measurements that are nobody's
    burden_per_day: float = 1.0  # alarms per resident-day that the ward can bear
    emergency_after_s: float = 120.0  # so long after an emergency a family reads of it, if nobody has claimed it before
    shelf: Shelf | None = None  # files of documents


class Query:
    """The read door."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._looks = Looks(parts.db, parts.audit, parts.clock, parts.ops)
        self._present = Present(parts.latest)
        sight = Sight(parts=parts, looks=self._looks, present=self._present, registry=lambda: self.view)
        self.care = CareReads(sight)
        self.family = Family(sight, self.care)
        self.records = Records(sight)
        self.curves = Curves(sight)
        self.notes = Notes(sight)
        self.clinic = Clinic(sight, self.notes)
        self.risk = Risk(sight, self.clinic)
        self.glucose = Glucose(sight)
        self.bounds = Bounds(sight)
        self.visit = Visit(sight, self.clinic, self.glucose, self.bounds)
        self.record = HealthRecords(sight)
        self.alarms = Alarms(sight)
        self.burden = Burden(sight)
        self.devices_health = DeviceStates(sight)
        self.people = People(sight)
        self.machines = Machines(sight)
        self.inbox = Inbox(sight)
        self.trail = Trail(sight)
        self.supervision = Supervision(sight)
        self.feed = Feed(parts.events, parts.registry, self._present, parts.clock, self._faults)

    @property
    def view(self) -> RegistryView:
        """The registry at the committed head."""
        return self.feed.view

    def cursor(self) -> str:
        """Where the event log stands: what is read after this call holds at least everything up to here."""
        return f"{self._parts.events.lineage}:{self._parts.events.head}"

    def now_ms(self) -> int:
        """Server time, UTC milliseconds."""
        return self._parts.clock.now_ns() // NS_PER_MS

    # --- the person ------------------------------------------------------------------------------------------------

    def me(self, asker: Asker) -> dict[str, Any]:
        """Who is signed in."""
        return lists.me_json(self.view, asker)

    def reach(self, asker: Asker) -> Reach:
        """Whose vitals and which sites the person sees now."""
        return self.feed.scope(asker)

    # --- the wall --------------------------------------------------------------------------------------------------

    async def wall(self, asker: Asker, site_id: str, zone_id: str | None = None) -> dict[str, Any]:
        """The wall of a site or one of its zones; raises Missing."""
        view, now_ns = self.view, self._parts.clock.now_ns()
        zone = view.zones.get(zone_id) if zone_id is not None else None
        if site_id not in sites_of(view, asker) or (zone_id is not None and (zone is None or zone.site_id != site_id)):
            raise Missing
        shown = [tile for tile in self._present.tiles(view, now_ns) if tile.site_id == site_id and zone_id in (None, tile.zone_id)]
        seen = [tile.resident.id for tile in shown if tile.resident is not None]
        await self._looks.looked(asker, "wall", f"{site_id}/{zone_id or '*'}", residents=seen)
        cursor = self.cursor()
        alerts = [alert for alert in await self._open_alerts(asker) if _on_wall(alert, site_id, zone_id)]
        site = view.sites[site_id]
        return {
            "t_ms": now_ns // NS_PER_MS,
            "cursor": cursor,
            "site": {"id": site.id, "name": site.name, "tz": site.tz},
            "zones": [{"id": row.id, "name": row.name} for row in view.zones.values() if row.site_id == site_id],
            "beds": [self._tile(asker, tile, alerts, now_ns) for tile in shown],
            "alerts": [alert_json(view, alert) for alert in alerts],
            "silences": (await self.alarms.silences(asker, site_id))["silences"],
            "duty": self._duty(asker, site_id, zone_id, now_ns),
            "my_zones": self._zones_of(asker, site_id, now_ns),
            "faults": self._faults(asker),
        }

    def _tile(self, asker: Asker, tile: Tile, alerts: Sequence[AlertView], now_ns: int) -> dict[str, Any]:
        if tile.resident is None:
            return tile_json(tile, identity=False, vitals=None, alert_ids=())
        scope = resident_scope(self.view, tile.resident.id)
        identity = may(asker, Action.READ, scope, FieldClass.IDENTITY)
        vitals = self._present.vitals(tile, now_ns) if may(asker, Action.READ, scope, FieldClass.VITALS) else None
        of_whom = [(alert.id, alert.resident_id) for alert in alerts if alert.resident_id is not None]
        about = [alert_id for alert_id, resident_id in of_whom if self.view.canonical(resident_id) == tile.resident.id]
        return tile_json(tile, identity=identity, vitals=vitals, alert_ids=about)

    def _duty(self, asker: Asker, site_id: str, zone_id: str | None, now_ns: int) -> list[dict[str, str]]:
        if not may(asker, Action.READ, site_scope(site_id), FieldClass.STAFF):
            return []
        ids = [staff_id for role in DUTY_ROLES for staff_id in rota.on_duty(self.view, site_id, zone_id, role, now_ns)]
        rows = [self.view.staff[staff_id] for staff_id in dict.fromkeys(ids) if staff_id in self.view.staff]
        return [{"name": staff.name, "initials": staff.initials} for staff in rows]

    def _zones_of(self, asker: Asker, site_id: str, now_ns: int) -> list[str]:
        """Zones of a site in which the person who asks is on duty now."""
        own = asker.user.staff_id
        zones = [row.id for row in self.view.zones.values() if row.site_id == site_id]
        return [one for one in zones if own is not None and own in dict(rota.serving(self.view, site_id, one, now_ns))]

    def _faults(self, asker: Asker) -> list[dict[str, Any]]:
        if not may(asker, Action.READ, None, FieldClass.SYSTEM):
            return []
        rows = [{"code": fault.code, "subject": fault.subject, "params": plain(fault.params)} for fault in self._parts.ops.faults()]
        at_ns = self._parts.ops.progress_ns.get("alerts")
        if at_ns is not None and self._parts.clock.monotonic_ns() - at_ns > STALLED_S * NS_PER_S:
            # The desk that makes alerts of faults is the one that stands still: the screens must say it themselves.
            rows.append({"code": "alerts.stalled", "subject": "desk", "params": {}})
        return rows

    # --- alerts ----------------------------------------------------------------------------------------------------

    def may_see(self, asker: Asker, alert: AlertView) -> bool:
        """Whether the person may know of the alert."""
        return may(asker, Action.READ, alert_scope(self.view, alert), FieldClass.ALERTS)

    async def _open_alerts(self, asker: Asker) -> list[AlertView]:
        """Open alerts in the desk's order; what is folded into a site's alert is spoken for by that one."""
        found = await self._parts.db.read(AlertDesk.open_alerts)
        return [alert for alert in found if alert.folded_into is None and self.may_see(asker, alert)]

    async def alerts(self, asker: Asker, *, every: bool = False, limit: int = 200) -> dict[str, Any]:
        """Open alerts in the order of the queue, or all of the last ones, newest first."""
        limit = max(1, min(limit, MAX_ALERTS))
        await self._looks.looked(asker, "alerts", "all" if every else "open")
        cursor = self.cursor()
        if every:
            rows = await self._parts.db.read(lambda conn: recent_alerts(conn, MAX_ALERTS))
            found = [alert for alert in rows if self.may_see(asker, alert)]
        else:
            found = await self._open_alerts(asker)
        shown = [alert_json(self.view, alert) for alert in found[:limit]]
        return {"t_ms": self.now_ms(), "cursor": cursor, "alerts": shown, "questions": await self.care.waiting(asker)}

    async def alert_view(self, asker: Asker, alert_id: str) -> AlertView:
        """An alert that the person may know of; raises Missing."""
        try:
            alert = await self._parts.db.read(lambda conn: AlertDesk.get(conn, alert_id))
        except AlertNotFound:
            raise Missing from None
        if not self.may_see(asker, alert):
            raise Missing
        return alert

    async def alert(self, asker: Asker, alert_id: str) -> dict[str, Any]:
        """An alert with its history, its resident's last values and the trend of the last 30 minutes; raises Missing."""
        alert = await self.alert_view(asker, alert_id)
        await self._looks.looked(asker, "alert", alert.id, resident=alert.resident_id)
        history = await self._parts.db.read(lambda conn: AlertDesk.history(conn, alert_id))
        document = {"t_ms": self.now_ms(), "alert": alert_json(self.view, alert), "history": plain(history), "vitals": {}, "trend": {}}
        tile, now_ns = self._resident_tile(asker, alert), self._parts.clock.now_ns()
        if tile is not None:
            document["vitals"] = self._present.vitals(tile, now_ns).vitals
            document["trend"] = self._present.trend(tile, now_ns - TREND_S * NS_PER_S)
        return document

    def _resident_tile(self, asker: Asker, alert: AlertView) -> Tile | None:
        if alert.resident_id is None:
            return None
        wanted = self.view.canonical(alert.resident_id)
        if not may(asker, Action.READ, resident_scope(self.view, wanted), FieldClass.VITALS):
            return None
        return self._present.tile_of(self.view, wanted, self._parts.clock.now_ns())

    async def why(self, asker: Asker, alert_id: str) -> dict[str, Any]:
        """Who was told of an alert or not, by which channel, and why; raises Missing."""
        alert = await self.alert_view(asker, alert_id)
        await self._looks.looked(asker, "alert.why", alert.id, resident=alert.resident_id)
        return {"t_ms": self.now_ms(), "told": plain(await self._parts.db.read(lambda conn: AlertDesk.why(conn, alert_id)))}

    # --- the registry ----------------------------------------------------------------------------------------------

    async def residents(self, asker: Asker) -> dict[str, Any]:
        """Residents in reach."""
        await self._looks.looked(asker, "residents", "list")
        return {"t_ms": self.now_ms(), "residents": lists.resident_rows(self.view, asker)}

    async def resident(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """One resident with what the asker may see; raises Missing."""
        now_ns = self._parts.clock.now_ns()
        document = lists.resident_detail(self.view, asker, resident_id, now_ns)
        await self._looks.looked(asker, "resident", document["id"], resident=document["id"])
        if may(asker, Action.READ, resident_scope(self.view, document["id"]), FieldClass.VITALS):
            tile = self._present.tile_of(self.view, document["id"], now_ns)
            if tile is not None:
                vitals = self._present.vitals(tile, now_ns)
                document |= {"vitals": vitals.vitals, "monitoring": vitals.monitoring, "monitoring_since_ms": vitals.monitoring_since_ms}
        return {"t_ms": self.now_ms(), "resident": document}

    async def devices(self, asker: Asker, *, inbox: bool = False) -> dict[str, Any]:
        """Devices in reach, or those that speak and belong to nobody."""
        await self._looks.looked(asker, "inbox" if inbox else "devices", "list")
        return {"t_ms": self.now_ms(), "devices": lists.device_rows(self.view, asker, self._parts.clock.now_ns(), inbox=inbox)}

    async def registry(self, asker: Asker) -> dict[str, Any]:
        """Sites in reach with what is in them."""
        return {"t_ms": self.now_ms(), **lists.registry_json(self.view, asker)}

    async def users(self, asker: Asker) -> dict[str, Any]:
        """Accounts, without any secret; administrators only."""
        self._must(asker, Action.READ, None, FieldClass.USERS)
        await self._looks.looked(asker, "users", "list")
        return {"t_ms": self.now_ms(), "users": [plain(user) for user in sorted(self.view.users.values(), key=lambda user: user.login)]}

    # --- the house -------------------------------------------------------------------------------------------------

    async def audit(self, asker: Asker, *, after: int, limit: int, resident: str | None) -> dict[str, Any]:
        """Rows of the audit; reading it is for the purpose of audit, and a row of it."""
        if not allow(asker.subject, Action.READ, None, FieldClass.AUDIT, Purpose.AUDIT):
            raise Missing
        await self._looks.looked(asker, "audit", resident or "all")
        rows = await self._parts.db.read(lambda conn: self._parts.audit.rows(conn, after=after, limit=limit, resident=resident))
        return {"t_ms": self.now_ms(), "rows": [plain(row) for row in rows]}

    async def status(self, asker: Asker) -> dict[str, Any]:
        """How the gateway is: faults, counters, where the logs stand."""
        self._must(asker, Action.READ, None, FieldClass.SYSTEM)
        ops = self._parts.ops
        now_ns = self._parts.clock.monotonic_ns()
        return {
            "t_ms": self.now_ms(),
            "cursor": self.cursor(),
            "faults": self._faults(asker),
            "counters": dict(sorted(ops.counters.items())),
            "progress_age_s": {name: max(0.0, (now_ns - t_ns) / NS_PER_S) for name, t_ns in sorted(ops.progress_ns.items())},
            **(plain(self._parts.status()) if self._parts.status is not None else {}),
        }

    async def house(self, asker: Asker) -> dict[str, Any]:
        """What is to be looked after beside people; raises Missing."""
        return await self.machines.house(asker, self._faults(asker))

    async def ledger(self, asker: Asker) -> dict[str, Any]:
        """Received, stored, lost and duplicate readings; raises Unavailable where nobody keeps the ledger."""
        self._must(asker, Action.READ, None, FieldClass.SYSTEM)
        if self._parts.ledger is None:
            raise Unavailable("ledger.unavailable")
        return {"t_ms": self.now_ms(), "ledger": plain(await self._parts.ledger())}

    async def dead_letters(self, asker: Asker, *, limit: int, before: int | None, reason: str | None = None) -> dict[str, Any]:
        """Messages that could not be decoded, newest first, without their payload; raises Missing.

        They may be anybody's: they are for those who answer for the whole installation, and their bytes for fewer still.
        """
        self._must(asker, Action.READ, None, FieldClass.REGISTRY)
        await self._looks.looked(asker, "deadletters", "list")
        rows = await self._parts.db.read(lambda conn: deadletter.listing(conn, limit=limit, before=before, reason=reason))
        counts, kept = await self._parts.db.read(deadletter.counts), await self._parts.db.read(deadletter.kept)
        seen = {"may_see_bytes": may(asker, Action.READ, None, FieldClass.RAW), "letters": [_letter_json(row) for row in rows]}
        return {"t_ms": self.now_ms(), "counts": counts, "kept": kept, **seen}

    async def dead_letter(self, asker: Asker, letter_id: int) -> dict[str, Any]:
        """One dead letter with its raw bytes; raises Missing."""
        self._must(asker, Action.READ, None, FieldClass.RAW)
        row = await self._parts.db.read(lambda conn: deadletter.get(conn, letter_id))
        if row is None:
            raise Missing
        await self._looks.looked(asker, "deadletter", str(letter_id))
        document = {**_letter_json(row), "payload_base64": b64encode(row.payload).decode()}
        return {"t_ms": self.now_ms(), "letter": document}

    def _must(self, asker: Asker, action: Action, scope: Scope | None, field_class: FieldClass) -> None:
        if not may(asker, action, scope, field_class):
            raise Missing


def _letter_json(row: deadletter.StoredLetter) -> dict[str, Any]:
    document: dict[str, Any] = plain(replace(row, payload=b""))
    del document["payload"]
    return {**document, "complete": row.complete}


def _on_wall(alert: AlertView, site_id: str, zone_id: str | None) -> bool:
    """Whether an alert belongs on the wall of a site or a zone; one that belongs to no site stands on all of them."""
    if alert.site_id is None:
        return True
    return alert.site_id == site_id and zone_id in (None, alert.zone_id)
