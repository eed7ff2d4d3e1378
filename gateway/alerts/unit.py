"""One store transaction of the desk: findings, people's actions and the passing of time become changes of alerts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import apsw

from gateway.alerts import faults, handover, holds, machine, records, silences, storm
from gateway.alerts.actions import on_action
from gateway.alerts.case import OWNED, Act, Case, Change, Moment, NotAllowedError, Standing, Timer
from gateway.alerts.keeping import Keeping, _silence_body
from gateway.alerts.transaction import DutySnapshot, Rules
from gateway.clock import NS_PER_S
from gateway.ops import Fault
from gateway.registry.ids import uuid7
from gateway.vocabulary import Action, Actor, AlertConflict, AlertKind, AlertState, AlertView, Finding, Origin, Phase

__all__ = ["DutySnapshot", "Rules", "Unit"]


class Unit(Keeping):
    """The desk's work inside one transaction."""

    def __init__(self, conn: apsw.Connection, now: Moment, duty: DutySnapshot, rules: Rules) -> None:
        super().__init__(conn, now, duty, rules)
        self._parents = set()

    # --- findings --------------------------------------------------------------------------------------------------

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
            change = machine.on_finding(case, finding, self._timing_of(case, finding.priority), self._now)
            self._commit(self._held(change, case), case)
            self._quieter(change.case, case)
        elif finding.phase is not Phase.END and not machine.cancelled(finding):
            alert_id = uuid7(self._now.wall_ns)
            timing = self._timing(standing.site_id, finding.kind, finding.priority, standing.zone_id)
            change = machine.raise_case(alert_id, finding, self._among(finding, standing), timing, self._now)
            self._commit(self._held(change, None), None)
        self._conn.execute("INSERT INTO alert_findings VALUES (?, ?, ?, ?, ?)", (*key, alert_id, self._now.wall_ns))
        if alert_id and finding.phase is Phase.START:
            self._fold(alert_id)
            if standing.subject == faults.SUBJECT:
                self._fold_into_fault(alert_id)

    def _among(self, finding: Finding, standing: Standing) -> Standing:
        """Several alerts about one resident at a time are one incident; what is technical stays apart."""
        if finding.kind is AlertKind.TECHNICAL or standing.resident_id is None or standing.subject != standing.resident_id:
            return standing
        others = [one for one in self._open_of(standing.subject, finding.origin) if one.view.kind is not AlertKind.TECHNICAL]
        if not others:
            return standing
        owned = [one for one in others if one.view.state in OWNED]
        first = others[0].view
        standing = replace(standing, incident_id=first.incident_id or first.id)
        if not owned:
            return standing
        return replace(standing, owner=owned[0].view.claimed_by, owned_priority=max(one.view.priority for one in owned))

    def _held(self, change: Change, before: Case | None) -> Change:
        """The change, with what it would say held back where something else stands for it."""
        case = change.case
        if not change.tells:
            return change
        view = case.view
        silence = None
        if view.resident_id is not None and view.kind is not AlertKind.TECHNICAL:
            silence = silences.in_force(self._conn, view.resident_id, view.cause, self._now)
        others = self._open_of(case.subject, view.origin) if view.kind is AlertKind.PHYSIOLOGICAL else []
        louder = next((one.view.id for one in others if holds.supersedes(one, case)), None)
        around = holds.Around(
            folded=self._spoken_for(case) is not None,
            silence=silence,
            superseded_by=louder,
            quiet=holds.waits(self._quiet_now(view.site_id), case),
        )
        return holds.hold(change, before, around, self._now)

    def _quieter(self, case: Case, before: Case) -> None:
        """An alert that spoke for lesser ones of the same resident is over: their ladders go on at once."""
        was = before.view.state in (AlertState.RAISED, *OWNED) and not before.view.condition_over
        still = case.view.state in (AlertState.RAISED, *OWNED) and not case.view.condition_over
        if not was or still or case.view.kind is AlertKind.TECHNICAL:
            return
        for other in self._open_of(case.subject, case.view.origin):
            lesser = other.view.priority < case.view.priority and other.view.kind is AlertKind.PHYSIOLOGICAL
            if lesser and other.view.state is AlertState.RAISED and other.told_mono_ns is None and Timer.STEP in other.timers:
                self._commit(machine.speak_now(other, self._now), other)

    # --- people ----------------------------------------------------------------------------------------------------

    def act(self, action: Action, alert_id: str, act: Act, version: int | None, *, incident: bool = False) -> AlertView:
        """A person's action; raises AlertNotFound, or AlertConflict with how it stands."""
        case = records.load(self._conn, alert_id)
        try:
            change = on_action(case, action, act, self._timing_of(case), self._now)
        except NotAllowedError as refusal:
            raise AlertConflict(str(refusal), case.view) from refusal
        if change is None:
            return case.view
        if version is not None and version != case.view.version:
            raise AlertConflict("version", case.view)
        if change.case.open and not case.open and self._open_case(case.subject, case.view.kind, case.view.cause, case.view.origin):
            raise AlertConflict("newer_alert", case.view)
        view = self._commit(change, case)
        self._quieter(change.case, case)
        if incident and action is Action.CLAIM:
            self._claim_incident(view, act)
        return view

    def _claim_incident(self, view: AlertView, act: Act) -> None:
        """Whoever goes to a resident may take all that is unowned about that resident."""
        for other in self._open_of(view.resident_id or "", view.origin):
            same = other.view.incident_id == view.incident_id and other.view.kind is not AlertKind.TECHNICAL
            if same and other.view.state is AlertState.RAISED:
                change = on_action(other, Action.CLAIM, act, self._timing_of(other), self._now)
                if change is not None:
                    self._commit(change, other)

    def silence(self, resident_id: str, cause: str, actor: Actor, reason: str, span_s: float) -> dict[str, Any]:
        """Silence a rule for a resident, now and when it comes up; raises NotAllowedError."""
        row = silences.put(self._conn, resident_id, cause, actor, reason, span_s, self._now)
        self._said("silence.set", row["id"], actor, _silence_body(row))
        act = Act(actor=actor, reason=reason, until_ns=round(span_s * NS_PER_S))
        for case in self._open_of(resident_id, Origin.LIVE):
            if case.view.cause == cause and case.view.state in (AlertState.RAISED, *OWNED) and case.silenceable:
                change = on_action(case, Action.SILENCE, act, self._timing_of(case), self._now)
                if change is not None:
                    self._commit(change, case)
        return row

    def unsilence(self, silence_id: str, actor: Actor) -> dict[str, Any]:
        """End a silence before its time; what it held back is said now. Raises SilenceNotFound."""
        row = silences.end(self._conn, silence_id, actor, "person", self._now)
        self._said("silence.ended", row["id"], actor, {**_silence_body(row), "why": "person"})
        for case in self._open_of(row["resident_id"], Origin.LIVE):
            if case.view.cause == row["cause"] and Timer.SILENCE in case.timers:
                change = on_action(case, Action.UNSILENCE, Act(actor=actor), self._timing_of(case), self._now)
                if change is not None:
                    self._commit(change, case)
        return row

    def give(self, giving: handover.Giving) -> dict[str, Any]:
        """A shift hands over: what is open, claimed, silenced and failing goes on record, and the receiver is named."""
        row = handover.give(self._conn, giving, self._now)
        body = {"site_id": row["site_id"], "zone_id": row["zone_id"], "receiver": row["receiver"], "body": row["body"]}
        self._said("handover.given", row["id"], giving.giver, body)
        return row

    def accept(self, handover_id: str, actor: Actor) -> dict[str, Any]:
        """The receiver, or the desk, takes over; what the giver still owns changes hands. Raises HandoverNotFound or NotAllowedError."""
        row = handover.accept(self._conn, handover_id, actor, self._now)
        self._said("handover.accepted", row["id"], actor, {"site_id": row["site_id"], "giver": row["giver"]})
        sql = "SELECT body FROM alerts WHERE open = 1 AND claimed_by = ? AND site_id = ?"
        for case in records.cases(self._conn, sql, (row["giver"], row["site_id"])):
            if row["giver"] != actor.id and (row["zone_id"] is None or case.view.zone_id == row["zone_id"]):
                self._commit(machine.hand_over(case, actor, f"handover:{row['id']}", self._now), case)
        return row

    # --- time and faults -------------------------------------------------------------------------------------------

    def time(self, alert_id: str) -> None:
        """The timers of one alert."""
        case = records.load(self._conn, alert_id)
        stale = Timer.SILENCE in case.timers and self._stale(case)
        change = machine.on_time(case, self._timing_of(case), self._now, stale=stale)
        if change is None:
            return
        self._commit(self._held(change, case), case)
        if case.view.folded_into is not None and change.case.view.folded_into is None:
            self._fold(alert_id)

    def fault(self, fault: Fault, standing: Standing) -> None:
        """A fault of the gateway itself is a technical alert as long as it lasts."""
        cause = faults.cause(fault)
        case = self._open_case(faults.SUBJECT, AlertKind.TECHNICAL, cause, Origin.LIVE)
        if fault.active:
            self.take(faults.finding(fault, self._now), standing)
        elif case is not None:
            self._over(case)
        else:
            self._forget_recheck(cause)

    def _over(self, case: Case) -> None:
        self.end_all(case)
        if case.view.cause.startswith(storm.WAYS):
            self._unfold(case.view.id)

    def faults_gone(self, active: Collection[str]) -> None:
        """End the alerts of faults that an earlier run left open and that are not there any more."""
        for case in records.cases(self._conn, "SELECT body FROM alerts WHERE subject = ? AND open = 1", (faults.SUBJECT,)):
            if case.view.cause not in active and not case.view.condition_over:
                self._over(case)

    def _forget_recheck(self, cause: str) -> None:
        sql = "SELECT body FROM alerts WHERE subject = ? AND cause = ? AND open = 0 ORDER BY raised_ns DESC LIMIT 1"
        for case in records.cases(self._conn, sql, (faults.SUBJECT, cause)):
            self._over(case)

    # --- finding the case ------------------------------------------------------------------------------------------

    def _case_for(self, finding: Finding, standing: Standing) -> Case | None:
        mapped = self._mapped(finding.id)
        if finding.phase is Phase.END:
            return mapped
        if mapped is not None and (mapped.open or finding.phase is Phase.UPDATE):
            return mapped
        current = self._open_case(standing.subject, finding.kind, finding.cause, finding.origin)
        return current or self._lately_resolved(finding, standing)

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
