"""What a doctor with ten minutes asks beside the strips: blood pressure, this span against the one before, and the paper for the file."""

from __future__ import annotations

import asyncio
from typing import Any

from devices.codes import BY_KEY
from gateway.access import Action, FieldClass
from gateway.query import compare, past, pressure, scores
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.bounds import Bounds
from gateway.query.clinic import ALWAYS, RANGES, Clinic
from gateway.query.glucose import Glucose
from gateway.query.refusal import Unavailable
from gateway.query.sight import Sight, about_people, to_ms
from gateway.registry.view import Resident

COMPARED = (*ALWAYS, "pulse", "sbp", "dbp", "glucose", "glucose_cgm", "steps", "weight", "sleep_total")
MOST_SPOTS = 20_000  # readings of a cuff in a span
PAPER_POINTS = 1_200  # of a strip on paper


class Visit:
    """The reads of a visit."""

    def __init__(self, sight: Sight, clinic: Clinic, glucose: Glucose, bounds: Bounds) -> None:
        self._sight, self._clinic, self._glucose, self._bounds = sight, clinic, glucose, bounds

    # --- blood pressure ----------------------------------------------------------------------------------------------

    async def pressure(self, asker: Asker, resident_id: str, span: str) -> dict[str, Any]:
        """Every reading of the span and means with their validity; raises Missing, Unavailable."""
        resident = self._clinic.opened(asker, resident_id)
        await self._sight.looks.looked(asker, "clinic", resident.id, resident=resident.id, span=span, page="pressure")
        return await self._pressure(resident, span)

    async def _pressure(self, resident: Resident, span: str) -> dict[str, Any]:
        history = self._history()
        to = to_ms(self._sight.now_ns())
        begin, tz = to - RANGES[span][0], self._sight.tz_of(resident)
        spans = past.spans_of(self._sight.view, resident.id, begin, to)
        upper = await past.joined(history, spans, "sbp", MOST_SPOTS)
        lower = await past.joined(history, spans, "dbp", MOST_SPOTS)
        cuffs = [one for one in spans if one.device in {*upper.devices, *lower.devices}]
        beats = await past.joined(history, cuffs, "pulse", MOST_SPOTS)
        found = await asyncio.to_thread(pressure.report, upper, lower, beats, tz, ambulatory=span == "24h")
        return {"t_ms": to, "range": span, "from_ms": begin, "to_ms": to, "tz": tz, "unit": BY_KEY["sbp"].ucum, **found}

    # --- two spans ---------------------------------------------------------------------------------------------------

    async def compared(self, asker: Asker, resident_id: str, days: int) -> dict[str, Any]:
        """The last days against as many before them; raises Missing, Unavailable."""
        resident = self._clinic.opened(asker, resident_id)
        await self._sight.looks.looked(asker, "clinic", resident.id, resident=resident.id, days=days, page="compare")
        history = self._history()
        sight, now_ns = self._sight, self._sight.now_ns()
        to, tz = to_ms(now_ns), sight.tz_of(resident)
        begin, first = to - days * past.DAY_MS, to - 2 * days * past.DAY_MS
        spans = [past.spans_of(sight.view, resident.id, *edges) for edges in ((begin, to), (first, begin))]
        hours = days * 24
        told = {key: [await past.bucketed(history, one, key, past.HOUR_MS) for one in spans] for key in COMPARED}
        rows = [
            compare.quantity(BY_KEY[key], now, before, hours, tz)
            for key, (now, before) in told.items()
            if len(now[0]) or len(before[0])
        ]  # fmt: skip
        entries = await self._clinic.entries(resident)
        parts = {key: told[key] for key in scores.KEYS}
        trends = [
            compare.scores(scores.trend({key: both[side] for key, both in parts.items()}, entries, *edges))
            for side, edges in enumerate(((begin, to), (first, begin)))
        ]
        scope = resident_scope(sight.view, resident.id)
        document: dict[str, Any] = {
            "t_ms": to, "days": days, "tz": tz, "now": {"from_ms": begin, "to_ms": to}, "before": {"from_ms": first, "to_ms": begin},
            "quantities": rows, "news2": {"now": trends[0], "before": trends[1]}, "alarms": None,
        }  # fmt: skip
        if may(asker, Action.READ, scope, FieldClass.ALERTS):
            alerts = about_people(await sight.alerts_of(resident.id, first * past.NS_PER_MS, now_ns))
            edges_ns = [(a * past.NS_PER_MS, b * past.NS_PER_MS) for a, b in ((begin, to), (first, begin))]
            now_alarms, before_alarms = (compare.alarms(alerts, *edges) for edges in edges_ns)
            document["alarms"] = {"now": now_alarms, "before": before_alarms}
        return document

    # --- the paper ---------------------------------------------------------------------------------------------------

    async def paper(self, asker: Asker, resident_id: str, span: str) -> dict[str, Any]:
        """What stands on the printed report; raises Missing (also where nothing may be taken out), Unavailable."""
        resident = self._clinic.opened(asker, resident_id)
        scope = resident_scope(self._sight.view, resident.id)
        if not may(asker, Action.EXPORT, scope, FieldClass.VITALS):
            raise Missing
        await self._sight.looks.looked(asker, "clinic.pdf", resident.id, resident=resident.id, span=span)
        page, strips = await self._clinic.page(asker, resident, span, PAPER_POINTS)
        return {
            **page,
            **await asyncio.to_thread(strips),
            "pressure": await self._pressure(resident, span),
            "limits": self._bounds.rows(resident, self._sight.now_ns()) if may(asker, Action.READ, scope, FieldClass.LIMITS) else [],
            "glucose": await self._sugar(asker, resident, page["strips_told"]),
            "printed_by": asker.user.name,
        }

    async def _sugar(self, asker: Asker, resident: Resident, told: list[str]) -> dict[str, Any] | None:
        return await self._glucose.report(asker, resident.id, "14d") if "glucose_cgm" in told else None

    def _history(self) -> Any:
        history = self._sight.history
        if history is None:
            raise Unavailable("history.unavailable")
        return history
