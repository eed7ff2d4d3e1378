"""What the desk's decisions share inside their store transaction: rows, events, pages and reasons are written together or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import apsw

from gateway import events
from gateway.alerts import records
from gateway.alerts.case import Case, Change, Moment, Timing, Transition
from gateway.alerts.policy import Policy, PolicyBook
from gateway.alerts.routing import WALL, Recipient, Routing, page_of, route
from gateway.clock import NS_PER_S
from gateway.notify import outbox
from gateway.registry import rota
from gateway.registry.view import Contact, Group, Override, Quiet, Resident, RotaRow, Site, Staff
from gateway.vocabulary import Actor, AlertKind, AlertView, Origin, Priority

SHIFT_AT_MOST_NS = 12 * 3600 * NS_PER_S  # a ladder by shift goes on after this span where there is no rota


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySnapshot:
    """The registry's part that routing reads, safe to use in the writer's thread."""

    sites: Mapping[str, Site]
    staff: Mapping[str, Staff]
    rota: Mapping[str, RotaRow]
    overrides: Mapping[str, Override]
    groups: Mapping[str, Group]
    contacts: Mapping[str, Contact]
    quiet: Mapping[str, Quiet]
    residents: Mapping[str, Resident]
    bluetooth: Collection[str] = ()  # devices that come by Bluetooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What does not change while a unit runs."""

    book: PolicyBook
    channels: Collection[str]
    public_url: str = ""


class Transaction:
    """Finding cases, choosing policies, and making a change durable."""

    def __init__(self, conn: apsw.Connection, now: Moment, duty: DutySnapshot, rules: Rules) -> None:
        self._conn, self._now, self._duty, self._rules = conn, now, duty, rules
        self.held: Counter[str] = Counter()  # by reason: what was not said, counted after the commit

    # --- cases -----------------------------------------------------------------------------------------------------

    def _mapped(self, finding_id: str) -> Case | None:
        sql = "SELECT alert_id FROM alert_findings WHERE finding_id = ? AND alert_id <> '' LIMIT 1"
        row = self._conn.execute(sql, (finding_id,)).fetchone()
        return None if row is None else records.load(self._conn, str(row[0]))

    def _open_case(self, subject: str, kind: AlertKind, cause: str, origin: Origin) -> Case | None:
        sql = "SELECT body FROM alerts WHERE subject = ? AND kind = ? AND cause = ? AND origin = ? AND open = 1"
        found = records.cases(self._conn, sql, (subject, kind.value, cause, int(origin)))
        return found[0] if found else None

    def _open_of(self, subject: str, origin: Origin) -> list[Case]:
        """Open alerts about a subject, oldest first."""
        sql = "SELECT body FROM alerts WHERE subject = ? AND open = 1 AND origin = ? ORDER BY raised_ns, id"
        return records.cases(self._conn, sql, (subject, int(origin)))

    # --- policies --------------------------------------------------------------------------------------------------

    def _tz(self, site_id: str | None) -> str:
        site = self._duty.sites.get(site_id or "")
        return "UTC" if site is None else site.tz

    def _choose(self, kind: AlertKind, priority: Priority, site_id: str | None, zone_id: str | None) -> Policy:
        return self._rules.book.choose(kind, priority, site_id, zone_id, tz=self._tz(site_id), t_ns=self._now.wall_ns)

    def _policy(self, view: AlertView) -> Policy:
        return self._choose(view.kind, view.priority, view.site_id, view.zone_id)

    def _timing(self, site_id: str | None, kind: AlertKind, priority: Priority, zone_id: str | None = None) -> Timing:
        policy = self._choose(kind, priority, site_id, zone_id)
        if not policy.by_shift:
            return policy.timing()
        change_ns = None if site_id is None else rota.next_change_ns(self._duty, site_id, self._now.wall_ns)
        left_ns = SHIFT_AT_MOST_NS if change_ns is None else min(change_ns - self._now.wall_ns, SHIFT_AT_MOST_NS)
        return policy.timing(by_shift_ns=max(left_ns, NS_PER_S))

    def _timing_of(self, case: Case, priority: Priority | None = None) -> Timing:
        view = case.view
        return self._timing(view.site_id, view.kind, view.priority if priority is None else max(view.priority, priority), view.zone_id)

    # --- making it durable -----------------------------------------------------------------------------------------

    def _commit(self, change: Change, before: Case | None) -> AlertView:
        view = change.case.view
        records.save(self._conn, change.case, self._now)
        self._changed(change.case, before)
        policy = self._policy(view)
        n = 0
        for transition in change.transitions:
            n = self._record(transition, view, policy)
        if change.void:
            outbox.void(self._conn, view.id, change.void, self._now.wall_ns)
        self.held.update(tell.held for tell in change.tells if tell.held)
        for recipient in route(change.case, change.tells, policy, self._routing()):
            self._tell(change.case, recipient, n)
        return view

    def _changed(self, case: Case, before: Case | None) -> None:
        """A case was written; others may depend on it."""

    def _routing(self) -> Routing:
        book, channels = self._rules.book, self._rules.channels
        return Routing(view=self._duty, book=book, channels=channels, now_ns=self._now.wall_ns)

    def _record(self, transition: Transition, view: AlertView, policy: Policy) -> int:
        actor, t_ns = transition.actor, self._now.wall_ns
        body = dict(transition.body)
        event = {
            "view": records.view_to_dict(view),
            "who": {"id": actor.id, "name": actor.name},
            "why": transition.why,
            "policy": [policy.id, policy.version],
            **body,
        }
        offset = events.append(self._conn, kind=f"alert.{transition.kind}", subject=view.id, actor=actor.id, body=event, t_ns=t_ns)
        n = int(self._conn.execute("SELECT coalesce(max(n), 0) + 1 FROM alert_transitions WHERE alert_id = ?", (view.id,)).get)
        row = (view.id, n, t_ns, transition.kind, transition.why, actor.id, actor.name, offset, json.dumps(body, ensure_ascii=False))
        self._conn.execute("INSERT INTO alert_transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return n

    def _tell(self, case: Case, recipient: Recipient, n: int) -> None:
        key = f"{case.view.id}.{n}.{recipient.id}" if recipient.routes else ""
        channels = ",".join(name for name, _ in recipient.routes) or (WALL if recipient.told else "")
        reason = recipient.reason or recipient.why
        row = (case.view.id, n, recipient.id, recipient.name, self._now.wall_ns, channels, int(recipient.told), reason, key)
        names = "alert_id, n, recipient, name, t_ns, channels, told, reason, page_key"
        sql = f"INSERT INTO alert_why ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constant names
        self._conn.execute(sql, row)
        if recipient.routes:
            outbox.enqueue(self._conn, page_of(case, recipient, key, self._rules.public_url), recipient.routes, self._now.wall_ns)

    def _said(self, kind: str, subject: str, actor: Actor, body: Mapping[str, object]) -> int:
        """An event that is no alert's own."""
        return events.append(self._conn, kind=kind, subject=subject, actor=actor.id, body=dict(body), t_ns=self._now.wall_ns)
