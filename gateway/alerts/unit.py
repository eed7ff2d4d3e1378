"""One store transaction of the desk: rows, events, pages and reasons of a change are written together or not at all."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import apsw

from gateway import events
from gateway.alerts import faults, machine, records, storm
from gateway.alerts.actions import on_action
from gateway.alerts.case import OWNED, Act, Case, Change, Moment, NotAllowedError, Standing, Timer, Timing, Transition, Why
from gateway.alerts.policy import Policy, PolicyBook
from gateway.alerts.routing import WALL, Recipient, Routing, page_of, route, staff_of
from gateway.clock import NS_PER_S
from gateway.notify import outbox
from gateway.ops import Fault
from gateway.registry import rota
from gateway.registry.ids import uuid7
from gateway.registry.view import RotaRow, Site, Staff
from gateway.vocabulary import Action, AlertConflict, AlertKind, AlertView, Finding, Origin, Phase, Priority

SHIFT_AT_MOST_NS = 12 * 3600 * NS_PER_S  # a ladder by shift goes on after this span where there is no rota


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySnapshot:
    """The registry's part that routing reads, safe to use in the writer's thread."""

    sites: Mapping[str, Site]
    staff: Mapping[str, Staff]
    rota: Mapping[str, RotaRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What does not change while the desk runs."""

    book: PolicyBook
    channels: Collection[str]
    public_url: str = ""


class Unit:
    """The desk's work inside one transaction."""

    def __init__(self, conn: apsw.Connection, now: Moment, duty: DutySnapshot, rules: Rules) -> None:
        self._conn, self._now, self._duty, self._rules = conn, now, duty, rules
        self._storms: set[str] = set()  # site alerts whose children changed

    # --- inputs ----------------------------------------------------------------------------------------------------

    def take(self, finding: Finding, standing: Standing) -> None:
        """A finding becomes, or changes, an alert; one seen before changes nothing."""
        seen = "SELECT 1 FROM alert_findings WHERE finding_id = ? AND phase = ? AND offset = ?"
        key = (finding.id, finding.phase.value, finding.offset)
        if self._conn.execute(seen, key).fetchone() is not None:
            return
        case = self._case_for(finding, standing)
        alert_id = ""
        if case is not None:
            alert_id = case.view.id
            timing = self._timing(case.view.site_id, case.view.kind, max(case.view.priority, finding.priority))
            self._commit(self._hushed(machine.on_finding(case, finding, timing, self._now)), case)
        elif finding.phase is not Phase.END and not machine.cancelled(finding):
            alert_id = uuid7(self._now.wall_ns)
            timing = self._timing(standing.site_id, finding.kind, finding.priority)
            self._commit(self._hushed(machine.raise_case(alert_id, finding, standing, timing, self._now)), None)
        self._conn.execute("INSERT INTO alert_findings VALUES (?, ?, ?, ?, ?)", (*key, alert_id, self._now.wall_ns))
        if alert_id and finding.phase is Phase.START:
            self._fold(alert_id)

    def act(self, action: Action, alert_id: str, act: Act, version: int | None) -> AlertView:
        """A person's action; raises AlertNotFound, or AlertConflict with how it stands."""
        case = records.load(self._conn, alert_id)
        timing = self._timing(case.view.site_id, case.view.kind, case.view.priority)
        try:
            change = on_action(case, action, act, timing, self._now)
        except NotAllowedError as refusal:
            raise AlertConflict(str(refusal), case.view) from refusal
        if change is None:
            return case.view
        if version is not None and version != case.view.version:
            raise AlertConflict("version", case.view)
        if change.case.open and not case.open and self._same_open(case) is not None:
            raise AlertConflict("newer_alert", case.view)
        return self._commit(change, case)

    def time(self, alert_id: str) -> None:
        """The timers of one alert."""
        case = records.load(self._conn, alert_id)
        timing = self._timing(case.view.site_id, case.view.kind, case.view.priority)
        change = machine.on_time(case, timing, self._now)
        if change is not None:
            self._commit(change, case)

    def fault(self, fault: Fault) -> None:
        """A fault of the gateway itself is a technical alert as long as it lasts."""
        cause = faults.cause(fault)
        case = self._open_case(faults.SUBJECT, AlertKind.TECHNICAL, cause, Origin.LIVE)
        if fault.active:
            self.take(faults.finding(fault, self._now), Standing(subject=faults.SUBJECT))
        elif case is not None:
            self.end_all(case)
        else:
            self._forget_recheck(cause)

    def faults_gone(self, active: Collection[str]) -> None:
        """End the alerts of faults that an earlier run left open and that are not there any more."""
        for case in records.cases(self._conn, "SELECT body FROM alerts WHERE subject = ? AND open = 1", (faults.SUBJECT,)):
            if case.view.cause not in active and not case.view.condition_over:
                self.end_all(case)

    def _forget_recheck(self, cause: str) -> None:
        sql = "SELECT body FROM alerts WHERE subject = ? AND cause = ? AND open = 0 ORDER BY raised_ns DESC LIMIT 1"
        for case in records.cases(self._conn, sql, (faults.SUBJECT, cause)):
            self.end_all(case)

    def shift_ends(self) -> None:
        """Hand the alerts of people whose shift is over to the desk."""
        for case in records.cases(self._conn, "SELECT body FROM alerts WHERE open = 1 AND claimed_by IS NOT NULL", ()):
            if self._off_shift(case):
                timing = self._timing(case.view.site_id, case.view.kind, case.view.priority)
                self._commit(machine.on_shift_end(case, timing, self._now), case)

    def end_all(self, case: Case) -> None:
        """The condition of a case that stands for others, or for a fault, is over."""
        for finding_id in case.findings:
            current = records.load(self._conn, case.view.id)
            timing = self._timing(case.view.site_id, case.view.kind, case.view.priority)
            self._commit(machine.on_finding(current, faults.ending(current, finding_id, self._now), timing, self._now), current)

    def finish(self) -> None:
        """Bring the alerts of sites up to date with those that they speak for."""
        for alert_id in sorted(self._storms):
            case = records.load(self._conn, alert_id)
            sql = "SELECT count(DISTINCT subject) FROM alerts WHERE folded_into = ? AND open = 1"
            count = int(self._conn.execute(sql, (alert_id,)).get)
            if count == 0:
                self.end_all(case)
            elif case.view.params.get("devices") != count:
                timing = self._timing(case.view.site_id, case.view.kind, case.view.priority)
                update = storm.update(case, count, self._now)
                self._commit(machine.on_finding(case, update, timing, self._now), case)
        self._storms.clear()

    # --- finding the case ------------------------------------------------------------------------------------------

    def _case_for(self, finding: Finding, standing: Standing) -> Case | None:
        mapped = self._mapped(finding.id)
        if finding.phase is Phase.END:
            return mapped
        if mapped is not None and (mapped.open or finding.phase is Phase.UPDATE):
            return mapped
        current = self._open_case(standing.subject, finding.kind, finding.cause, finding.origin)
        return current or self._lately_resolved(finding, standing)

    def _mapped(self, finding_id: str) -> Case | None:
        sql = "SELECT alert_id FROM alert_findings WHERE finding_id = ? AND alert_id <> '' LIMIT 1"
        row = self._conn.execute(sql, (finding_id,)).fetchone()
        return None if row is None else records.load(self._conn, str(row[0]))

    def _open_case(self, subject: str, kind: AlertKind, cause: str, origin: Origin) -> Case | None:
        sql = "SELECT body FROM alerts WHERE subject = ? AND kind = ? AND cause = ? AND origin = ? AND open = 1"
        found = records.cases(self._conn, sql, (subject, kind.value, cause, int(origin)))
        return found[0] if found else None

    def _same_open(self, case: Case) -> Case | None:
        return self._open_case(case.subject, case.view.kind, case.view.cause, case.view.origin)

    def _lately_resolved(self, finding: Finding, standing: Standing) -> Case | None:
        """The same cause shortly after it was resolved, or while its condition never ended, is the same alert; a call is a new one."""
        if finding.kind is AlertKind.CALL:
            return None
        sql = (
            "SELECT body FROM alerts WHERE subject = ? AND kind = ? AND cause = ? AND origin = ? AND open = 0"
            " ORDER BY raised_ns DESC LIMIT 1"
        )
        found = records.cases(self._conn, sql, (standing.subject, finding.kind.value, finding.cause, int(finding.origin)))
        if not found:
            return None
        case = found[0]
        timing = self._timing(standing.site_id, finding.kind, finding.priority)
        recent = case.view.resolved_ns is not None and 0 <= self._now.wall_ns - case.view.resolved_ns < timing.flap_ns
        return case if recent or Timer.RECHECK in case.timers else None

    # --- policies and duty -----------------------------------------------------------------------------------------

    def _policy(self, view: AlertView) -> Policy:
        return self._rules.book.choose(view.kind, view.priority, view.site_id)

    def _timing(self, site_id: str | None, kind: AlertKind, priority: Priority) -> Timing:
        policy = self._rules.book.choose(kind, priority, site_id)
        if not policy.by_shift:
            return policy.timing()
        change_ns = None if site_id is None else rota.next_change_ns(self._duty, site_id, self._now.wall_ns)
        left_ns = SHIFT_AT_MOST_NS if change_ns is None else min(change_ns - self._now.wall_ns, SHIFT_AT_MOST_NS)
        return policy.timing(by_shift_ns=max(left_ns, NS_PER_S))

    def _off_shift(self, case: Case) -> bool:
        view = case.view
        staff_id = None if view.claimed_by is None else staff_of(self._duty, view.claimed_by)
        if view.state not in OWNED or staff_id is None or view.site_id is None or view.claimed_ns is None:
            return False
        then = rota.on_shift(self._duty, view.site_id, staff_id, view.claimed_ns)
        return then and not rota.on_shift(self._duty, view.site_id, staff_id, self._now.wall_ns)

    # --- storms ----------------------------------------------------------------------------------------------------

    def _storm_over(self, case: Case) -> Case | None:
        """The alert of the case's site, while the site is silent as a whole."""
        view = case.view
        parent = self._open_case(storm.subject(view.site_id or ""), AlertKind.TECHNICAL, storm.CAUSE, view.origin)
        return None if parent is None or parent.view.condition_over else parent

    def _hushed(self, change: Change) -> Change:
        """What will be folded into the site's alert calls nobody by itself."""
        if not storm.foldable(change.case) or self._storm_over(change.case) is None:
            return change
        return replace(change, tells=tuple(replace(tell, held=tell.held or Why.FOLDED) for tell in change.tells))

    def _fold(self, alert_id: str) -> None:
        """If many devices of a site fell silent together, one alert speaks for all of them."""
        case = records.load(self._conn, alert_id)
        if not storm.foldable(case):
            return
        view = case.view
        parent = self._storm_over(case)
        children = [case]
        if parent is None:
            since_ns = self._now.wall_ns - int(self._rules.book.storm.window_s * NS_PER_S)
            values = (view.site_id, AlertKind.TECHNICAL.value, int(view.origin), since_ns)
            sql = (
                "SELECT body FROM alerts WHERE open = 1 AND site_id = ? AND kind = ? AND origin = ? AND folded_into IS NULL"
                " AND state = 'raised' AND last_ns > ?"
            )
            children = [one for one in records.cases(self._conn, sql, values) if storm.foldable(one)]
            if len({one.subject for one in children}) < self._rules.book.storm.count:
                return
            parent = self._raise_storm(children, case)
        for child in children:
            self._commit(machine.fold(child, parent.view.id, self._now), child)
        self._storms.add(parent.view.id)

    def _raise_storm(self, children: list[Case], newest: Case) -> Case:
        finding = storm.finding(children, newest, self._now)
        standing = Standing(subject=storm.subject(newest.view.site_id or ""), site_id=newest.view.site_id)
        self.take(finding, standing)
        parent = self._mapped(finding.id)
        if parent is None:
            raise LookupError("the site's alert was not raised")
        return parent

    # --- making it durable -----------------------------------------------------------------------------------------

    def _commit(self, change: Change, before: Case | None) -> AlertView:
        conn, now, view = self._conn, self._now, change.case.view
        records.save(conn, change.case, now)
        folded = view.folded_into or (None if before is None else before.view.folded_into)
        if folded is not None:
            self._storms.add(folded)
        policy = self._policy(view)
        n = 0
        for transition in change.transitions:
            n = self._record(transition, view, policy)
        if change.void:
            outbox.void(conn, view.id, change.void, now.wall_ns)
        routing = Routing(view=self._duty, book=self._rules.book, channels=self._rules.channels, now_ns=now.wall_ns)
        for recipient in route(change.case, change.tells, policy, routing):
            self._tell(change.case, recipient, n)
        return view

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
        self._conn.execute("INSERT INTO alert_why VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        if recipient.routes:
            outbox.enqueue(self._conn, page_of(case, recipient, key, self._rules.public_url), recipient.routes, self._now.wall_ns)
