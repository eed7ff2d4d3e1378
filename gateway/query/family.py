"""What a family reads: one of four calm states, when data came last, today in numbers, a week beside the person's own usual.

Nothing here is an alert, a limit or a warning; what the consent does not open is not in the answer at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from devices.codes import BY_KEY, Kind
from gateway.access import Action, FieldClass, Scope
from gateway.query import past, week
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.care import CareReads
from gateway.query.ledger import standing
from gateway.query.shape import ms
from gateway.query.sight import Sight, about_people, to_ms
from gateway.query.wall import Tile, Vitals
from gateway.registry.consents import EMERGENCY
from gateway.registry.view import Resident
from gateway.vocabulary import AlertKind, AlertState, AlertView, Priority

S_NS = 1_000_000_000
SILENT_S = 600.0  # wearables whose values are late by their own cadence: longer without any is "no data"
SPOT_SILENT_S = 36 * 3600.0  # a cuff or a scale speaks once a day
TOLD_AFTER_S = 120.0  # an unclaimed call is "being handled" by then, unless the configuration says otherwise
TODAY = ("sleep_total", "steps", "sbp", "dbp", "temp", "weight", "glucose", "glucose_cgm")
CACHE_MS = 10 * 60_000
MAX_KEPT = 500


class Family:
    """The family's reads."""

    def __init__(self, sight: Sight, care: CareReads) -> None:
        self._sight, self._care = sight, care
        self._weeks: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    async def read(self, asker: Asker, resident_id: str) -> dict[str, Any]:
        """The page of one resident; raises Missing where no consent opens anything."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        scope = resident_scope(view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.IDENTITY):
            raise Missing
        resident = view.residents[scope.resident_id]
        await sight.looks.looked(asker, "family", resident.id, resident=resident.id)
        sees = {word for word in FieldClass if may(asker, Action.READ, scope, word)}
        document: dict[str, Any] = {
            "t_ms": to_ms(now_ns),
            "tz": sight.tz_of(resident),
            "resident": {"id": resident.id, "name": resident.name},
            "scope": self._scope(asker, scope, now_ns),
        }
        tile = sight.tile(resident.id, now_ns)
        vitals = sight.present.vitals(tile, now_ns) if tile is not None else Vitals()
        if FieldClass.LOCATION in sees:
            document["place"] = {"label": resident.place.label, "status": resident.status}
        if sees & {FieldClass.SUMMARY, FieldClass.ALERTS}:
            alerts = about_people(await sight.alerts_of(resident.id, now_ns - 24 * 3600 * S_NS, now_ns))
            document |= self._summary(resident, vitals, alerts, now_ns) if FieldClass.SUMMARY in sees else {}
            told_s = sight.parts.emergency_after_s
            document |= {"handling": handling(alerts, now_ns, told_s)} if FieldClass.ALERTS in sees else {}
        if FieldClass.VITALS in sees:
            document["today"] = await self._today(resident, tile, now_ns)
            document["week"] = await self._week(resident, now_ns)
        return document | await self._care.family(asker, scope, sees)

    def _scope(self, asker: Asker, scope: Scope, now_ns: int) -> dict[str, Any]:
        """What this person may see, since when, until when, and who said so."""
        rows = [
            row for row in self._sight.view.consents_of(asker.id, scope.resident_id or "")
            if standing(row, now_ns) == "live" and row.purpose == asker.purpose
        ]  # fmt: skip
        return {
            "classes": sorted({word for row in rows for word in row.classes}),
            "emergency": any(row.legal_basis == EMERGENCY for row in rows),
            "consents": [
                {
                    "classes": list(row.classes), "giver": row.giver, "guardian": row.guardian, "from_ms": ms(row.from_ns),
                    "until_ms": ms(row.until_ns), "relation": row.relation, "text_version": row.text_version,
                    "emergency": row.legal_basis == EMERGENCY,
                }
                for row in sorted(rows, key=lambda row: (row.until_ns, row.id))
            ],
        }  # fmt: skip

    def _summary(self, resident: Resident, vitals: Vitals, alerts: Sequence[AlertView], now_ns: int) -> dict[str, Any]:
        contacts = [vital["t_ms"] for vital in vitals.vitals.values() if vital["t_ms"] is not None and vital["value"] is not None]
        contact_ms = max(contacts, default=None)
        worn = [key for key in vitals.vitals if BY_KEY[key].kind is Kind.CONTINUOUS]
        missing = [key for key in worn if vitals.vitals[key]["state"] == "lost"]
        return {
            "state": state_of(resident, vitals, contact_ms, alerts, now_ns, self._sight.parts.emergency_after_s),
            "contact_ms": contact_ms,
            "missing": missing,
        }

    async def _today(self, resident: Resident, tile: Tile | None, now_ns: int) -> list[dict[str, Any]]:
        """Numbers of today: the last one of each quantity, and how many there were where somebody measures."""
        tz, now_ms = self._sight.tz_of(resident), to_ms(now_ns)
        since_ms = past.midnight_ms(now_ms, tz)
        history = self._sight.history
        found: list[dict[str, Any]] = []
        spans = past.spans_of(self._sight.view, resident.id, since_ms, now_ms + 1)
        for key in TODAY:
            if history is None or not spans:
                break
            line = await past.joined(history, spans, key, 2_000)
            known = np.flatnonzero(np.isfinite(line.mean))
            if len(known):
                found.append(self._figure(key, float(line.mean[known[-1]]), int(line.t_ms[known[-1]]), len(known)))
        await self._walked_today(resident, found, now_ms, tz)
        have = {figure["quantity"] for figure in found}
        latest = self._sight.present.vitals(tile, now_ns).vitals if tile is not None else {}
        for key in TODAY:
            vital = latest.get(key)
            if key not in have and vital is not None and vital["value"] is not None and (vital["t_ms"] or 0) >= since_ms:
                found.append(self._figure(key, vital["value"], vital["t_ms"], 1))
        return found

    async def _walked_today(self, resident: Resident, found: list[dict[str, Any]], now_ms: int, tz: str) -> None:
        """Steps are what a counter grew by today, not what it shows."""
        for figure in found:
            if figure["quantity"] == "steps":
                spans = past.spans_of(self._sight.view, resident.id, past.midnight_ms(now_ms, tz) - past.DAY_MS, now_ms + 1)
                by_day = await week.walked(self._sight.history, spans, tz)
                figure["value"] = round(by_day.get(max(by_day, default=""), figure["value"]))

    def _figure(self, key: str, value: float, t_ms: int, count: int) -> dict[str, Any]:
        return {"quantity": key, "value": round(value, 3), "unit": BY_KEY[key].ucum, "t_ms": t_ms, "count": count}

    async def _week(self, resident: Resident, now_ns: int) -> list[dict[str, Any]]:
        """Seven days in pictures; kept for some minutes, since a page asks again and again."""
        history, now_ms = self._sight.history, to_ms(now_ns)
        if history is None:
            return []
        known = self._weeks.get(resident.id)
        if known is not None and 0 <= now_ms - known[0] < CACHE_MS:
            return known[1]
        spans = past.spans_of(self._sight.view, resident.id, now_ms - past.USUAL_DAYS * past.DAY_MS, now_ms)
        made = await week.pictures(history, spans, now_ms, self._sight.tz_of(resident))
        if len(self._weeks) >= MAX_KEPT:
            self._weeks.clear()
        self._weeks[resident.id] = (now_ms, made)
        return made


def state_of(
    resident: Resident, vitals: Vitals, contact_ms: int | None, alerts: Sequence[AlertView], now_ns: int, told_s: float = TOLD_AFTER_S
) -> str:
    """One of four: steady, changed (care is looking), handled (care is with the person), no_data. Silence is never steady."""
    open_now = [alert for alert in alerts if alert.state in (AlertState.RAISED, AlertState.CLAIMED, AlertState.ARRIVED)]
    if any(_handled(alert, now_ns, told_s) for alert in open_now):
        return "handled"
    if any(alert.priority >= Priority.MEDIUM or alert.kind is AlertKind.CALL for alert in open_now):
        return "changed"
    worn = [vital["state"] for key, vital in vitals.vitals.items() if BY_KEY[key].kind is Kind.CONTINUOUS]
    if resident.status != "admitted" or contact_ms is None:
        return "no_data"
    silent_s = (to_ms(now_ns) - contact_ms) / 1000
    if worn and "live" not in worn and ("stale" not in worn or silent_s > SILENT_S):
        return "no_data"
    if not worn and silent_s > SPOT_SILENT_S:
        return "no_data"
    return "steady"


def _handled(alert: AlertView, now_ns: int, told_s: float) -> bool:
    if alert.state in (AlertState.CLAIMED, AlertState.ARRIVED):
        return True
    return is_emergency(alert) and now_ns - alert.raised_ns >= told_s * S_NS


def is_emergency(alert: AlertView) -> bool:
    """A call for help, whoever made it, or what the house is called for at once."""
    return alert.kind is AlertKind.CALL or alert.priority is Priority.HIGH


def handling(alerts: Sequence[AlertView], now_ns: int, told_s: float = TOLD_AFTER_S) -> list[dict[str, Any]]:
    """How care goes about it, newest first; what it was about is for a talk, not for a screen.

    An emergency is written as soon as somebody has claimed it, or after `told_s`; it is closed with how it ended.
    """
    found = []
    for alert in alerts:
        stage, at_ns = _stage(alert, now_ns, told_s)
        if stage:
            outcome = alert.outcome.value if stage == "done" and alert.outcome is not None else None
            found.append({"stage": stage, "t_ms": ms(at_ns), "emergency": is_emergency(alert), "outcome": outcome})
    return sorted(found, key=lambda entry: entry["t_ms"] or 0, reverse=True)[:10]


def _stage(alert: AlertView, now_ns: int, told_s: float) -> tuple[str, int]:
    """told, coming, there or done, and since when; empty where nobody has done anything yet and nothing need be said."""
    claimed = alert.claimed_ns is not None or alert.arrived_ns is not None
    late = is_emergency(alert) and now_ns - alert.raised_ns >= told_s * S_NS
    if alert.state in (AlertState.RESOLVED, AlertState.CLEARED):
        ended_ns = alert.resolved_ns or alert.claimed_ns or alert.last_ns
        told = is_emergency(alert) and ended_ns - alert.raised_ns >= told_s * S_NS  # what was begun is brought to its end
        return ("done", ended_ns) if claimed or told else ("", 0)
    if alert.state is AlertState.ARRIVED:
        return "there", alert.arrived_ns or alert.raised_ns
    if alert.state is AlertState.CLAIMED:
        return "coming", alert.claimed_ns or alert.raised_ns
    return ("told", alert.raised_ns) if late else ("", 0)
