"""What a clinic reads: residents with their score and its change, and one resident's strips, events, gaps and score over time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from devices.codes import BY_KEY, Kind
from gateway import outages
from gateway.access import Action, FieldClass, scope_of
from gateway.history.sqlite.history import Span
from gateway.query import past, scores
from gateway.query.asker import Asker, Missing, may, resident_scope
from gateway.query.notes import Notes
from gateway.query.refusal import Unavailable
from gateway.query.shape import ms, person_json, plain
from gateway.query.sight import Sight, about_people, to_ms
from gateway.query.strips import holes_of, strip_json
from gateway.query.wall import Vitals
from gateway.registry.view import RegistryView, Resident
from gateway.version import VERSION
from gateway.vocabulary import AlertView

# span in ms and the most points of a strip: every reading of a day at 1 Hz; a week by the minute; a month by ten minutes
RANGES = {"24h": (past.DAY_MS, 200_000), "7d": (7 * past.DAY_MS, 10_081), "30d": (30 * past.DAY_MS, 4_321)}
ALWAYS = ("hr", "spo2", "resp", "temp")
STRIPS = (*ALWAYS, "pulse", "sbp", "dbp", "glucose", "glucose_cgm")
CHANGE_MS = past.DAY_MS
KEPT_MS = 5 * 60_000
BAND_KEPT_MS = 60 * 60_000
MAX_KEPT = 2_000
MAX_EVENTS = 400
S_NS = 1_000_000_000


class Clinic:
    """The clinic's reads."""

    def __init__(self, sight: Sight, notes: Notes) -> None:
        self._sight = sight
        self._notes = notes
        self._before: dict[str, tuple[int, dict[str, Any] | None]] = {}  # resident -> (when looked up, score of a day ago)
        self._bands: dict[tuple[str, str], tuple[int, past.Band]] = {}

    # --- the list ----------------------------------------------------------------------------------------------------

    async def ward(self, asker: Asker) -> dict[str, Any]:
        """Residents in reach whose values the asker may see, those whose score rose most first."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        seen = [
            resident for resident in view.residents.values()
            if resident.merged_into is None and may(asker, Action.READ, scope_of(view, resident.id), FieldClass.VITALS)
        ]  # fmt: skip
        await sight.looks.looked(asker, "clinic.list", "list", residents=sorted(resident.id for resident in seen))
        rows = [await self._row(resident, now_ns) for resident in seen]
        rows.sort(key=order_of)
        return {"t_ms": to_ms(now_ns), "history": sight.history is not None, "residents": rows}

    async def _row(self, resident: Resident, now_ns: int) -> dict[str, Any]:
        vitals = self._vitals(resident.id, now_ns)
        score = scores.now_json(resident, vitals.vitals, to_ms(now_ns))
        before = await self._score_before(resident, to_ms(now_ns)) if score is not None else None
        return {
            **person_json(resident),
            "place": resident.place.label,
            "site_id": resident.place.site_id,
            "age": age_of(resident, now_ns, self._sight.tz_of(resident)),
            "sex": resident.sex,
            "news2": score,
            "change": change_of(score, before),
            "monitoring": vitals.monitoring,
            "monitoring_since_ms": vitals.monitoring_since_ms,
            "vitals": vitals.vitals,
        }

    async def change(self, resident: Resident, now_ns: int) -> tuple[dict[str, Any] | None, int | None]:
        """Score of now and how it differs from that of a day ago; None where that cannot be said."""
        score = scores.now_json(resident, self._vitals(resident.id, now_ns).vitals, to_ms(now_ns))
        before = await self._score_before(resident, to_ms(now_ns)) if score is not None else None
        return score, change_of(score, before)

    def _vitals(self, resident_id: str, now_ns: int) -> Vitals:
        tile = self._sight.tile(resident_id, now_ns)
        return Vitals() if tile is None else self._sight.present.vitals(tile, now_ns)

    async def _score_before(self, resident: Resident, now_ms: int) -> dict[str, Any] | None:
        """Score of the four hours a day ago; kept for some minutes."""
        history = self._sight.history
        if history is None:
            return None
        known = self._before.get(resident.id)
        if known is not None and 0 <= now_ms - known[0] < KEPT_MS:
            return known[1]
        to = now_ms - CHANGE_MS
        spans = past.spans_of(self._sight.view, resident.id, to - scores.BAR_MS, to)
        told = {key: await past.bucketed(history, spans, key, past.QUARTER_MS) for key in scores.KEYS} if spans else {}
        bars = scores.trend(told, await self.entries(resident), to - scores.BAR_MS, to)
        found = bars[-1] if bars else None
        if len(self._before) >= MAX_KEPT:
            self._before.clear()
        self._before[resident.id] = (now_ms, found)
        return found

    async def entries(self, resident: Resident) -> list[scores.Entered]:
        """What staff entered about oxygen, consciousness and scale over time."""
        events = await self._sight.parts.registry.history(resident.id, 500)
        return [
            scores.Entered(to_ms(e.t_ns), e.body.get("spo2_scale", 1), e.body.get("on_oxygen"), e.body.get("consciousness"))
            for e in events
            if e.kind.startswith("resident.")
        ]

    # --- one resident ------------------------------------------------------------------------------------------------

    def opened(self, asker: Asker, resident_id: str) -> Resident:
        """The resident, if the asker may see the values; raises Missing."""
        scope = resident_scope(self._sight.view, resident_id)
        if scope.resident_id is None or not may(asker, Action.READ, scope, FieldClass.VITALS):
            raise Missing
        return self._sight.view.residents[scope.resident_id]

    async def resident(self, asker: Asker, resident_id: str, span: str, until_ms: int | None = None) -> bytes:
        """The page of one resident over 24h, 7d or 30d up to a moment (now) as JSON text; raises Missing, Unavailable."""
        resident = self.opened(asker, resident_id)
        await self._sight.looks.looked(asker, "clinic", resident.id, resident=resident.id, span=span)
        document, strips = await self.page(asker, resident, span, RANGES[span][1], until_ms)

        def encode() -> bytes:  # hundreds of thousands of numbers: not on the loop that alarms go through
            return _dump({**document, **strips()})

        return await asyncio.to_thread(encode)

    async def page(
        self, asker: Asker, resident: Resident, span: str, most: int, until_ms: int | None = None
    ) -> tuple[dict[str, Any], Callable[[], dict[str, Any]]]:
        """What stands on the page, and a function that makes its strips with at most so many points each; raises Unavailable."""
        sight = self._sight
        view, now_ns = sight.view, sight.now_ns()
        scope = resident_scope(view, resident.id)
        history = sight.history
        if history is None:
            raise Unavailable("history.unavailable")
        to = to_ms(now_ns) if until_ms is None else min(until_ms, to_ms(now_ns))
        begin = to - RANGES[span][0]
        spans = past.spans_of(view, resident.id, begin, to)
        alerts = await sight.alerts_of(resident.id, begin * past.NS_PER_MS, to * past.NS_PER_MS)
        down = await self._down(begin, to)
        vitals = self._vitals(resident.id, now_ns)
        shown = about_people(alerts) if may(asker, Action.READ, scope, FieldClass.ALERTS) else []
        lines = {key: await past.joined(history, spans, key, most) for key in STRIPS}
        shown_keys = [key for key in STRIPS if len(lines[key].t_ms) or key in ALWAYS]
        bands = {key: await self._band(resident, key, to_ms(now_ns)) for key in shown_keys}
        told = {key: (line.t_ms, line.mean) for key, line in lines.items()}
        document: dict[str, Any] = {
            "t_ms": to_ms(now_ns),
            "live": until_ms is None,
            "version": VERSION,
            "strips_told": shown_keys,
            "letterhead": self.letterhead(resident),
            "facts": await self._notes.facts(asker, scope),
            "may_export": may(asker, Action.EXPORT, scope, FieldClass.VITALS),
            "range": span,
            "from_ms": begin,
            "to_ms": to,
            "tz": sight.tz_of(resident),
            "resident": {
                **person_json(resident), "place": resident.place.label, "sex": resident.sex, "birth_date": resident.birth_date,
                "age": age_of(resident, now_ns, sight.tz_of(resident)), "spo2_scale": resident.spo2_scale,
                "on_oxygen": resident.on_oxygen, "consciousness": resident.consciousness,
            },
            "monitoring": vitals.monitoring,
            "monitoring_since_ms": vitals.monitoring_since_ms,
            "news2": scores.now_json(resident, vitals.vitals, to_ms(now_ns)),
            "news2_trend": scores.trend(told, await self.entries(resident), begin, to),
            "events": events_json(shown, begin),
        }  # fmt: skip

        def strips() -> dict[str, Any]:
            found = [self._strip(view, resident.id, spans, lines[key], bands[key], key, begin, to, down) for key in shown_keys]
            return {"strips": found, "covered": _mean([one["covered"] for one in found])}

        return document, strips

    async def _down(self, begin: int, to: int) -> list[tuple[int, int]]:
        """Spans in ms in which the gateway itself did not run."""
        found = await self._sight.parts.db.read(lambda conn: outages.between(conn, begin * past.NS_PER_MS, to * past.NS_PER_MS))
        return [(max(begin, to_ms(one.from_ns)), min(to, to_ms(one.to_ns))) for one in found]

    def letterhead(self, resident: Resident) -> dict[str, Any]:
        """Whose paper it is."""
        site = self._sight.view.sites.get(resident.place.site_id)
        owner = None if site is None else self._sight.view.organisations.get(site.organisation_id or "")
        return {"site": "" if site is None else site.name, "organisation": "" if owner is None else owner.name}

    def _strip(
        self, view: RegistryView, resident_id: str, spans: Sequence[Span], line: past.Joined, band: past.Band, key: str, begin: int,
        to: int, down: Sequence[tuple[int, int]],
    ) -> dict[str, Any]:  # fmt: skip
        """A quantity's strip."""
        row = BY_KEY[key]
        expecting = [span for span in spans if key in self._expected(span.device)]
        cadence_s = min((self._cadence(span.device, key) for span in expecting), default=row.cadence_s or 60.0)
        steady = row.kind is Kind.CONTINUOUS or any(self._own_cadence(span.device, key) for span in expecting)
        holes = holes_of(view, resident_id, expecting, line, begin, to, cadence_s, down) if steady else None
        return {**strip_json(row, line, band, holes, begin, to), "devices": self._devices(view, spans, line)}

    @staticmethod
    def _devices(view: RegistryView, spans: Sequence[Span], line: past.Joined) -> list[dict[str, Any]]:
        """Which devices told the line, and from when until when they were the person's."""
        found = []
        for span in spans:
            device = view.devices.get(span.device)
            if span.device in line.devices and device is not None:
                name = device.model or device.kind
                found.append({"id": device.id, "name": name, "from_ms": span.from_ms, "to_ms": span.to_ms})
        return found

    def _expected(self, device_id: str) -> tuple[str, ...]:
        device = self._sight.view.devices.get(device_id)
        return () if device is None else device.quantities

    def _own_cadence(self, device_id: str, key: str) -> float | None:
        device = self._sight.view.devices.get(device_id)
        return None if device is None else device.cadence_s.get(key)

    def _cadence(self, device_id: str, key: str) -> float:
        return self._own_cadence(device_id, key) or BY_KEY[key].cadence_s or 60.0

    async def _band(self, resident: Resident, key: str, now_ms: int) -> past.Band:
        """The person's own usual of four weeks; kept for an hour."""
        known = self._bands.get((resident.id, key))
        if known is not None and 0 <= now_ms - known[0] < BAND_KEPT_MS:
            return known[1]
        spans = past.spans_of(self._sight.view, resident.id, now_ms - past.USUAL_DAYS * past.DAY_MS, now_ms)
        t_ms, mean = await past.bucketed(self._sight.history, spans, key, past.HOUR_MS)
        band = past.usual(t_ms, mean, self._sight.tz_of(resident), BY_KEY[key])
        if len(self._bands) >= MAX_KEPT:
            self._bands.clear()
        self._bands[resident.id, key] = (now_ms, band)
        return band


def order_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Place of a resident in the list: whose score rose most, then the highest score, then those without any."""
    score, change = row["news2"], row["change"]
    known = -1 if score is None else score["total"]
    return (-(change if change is not None else 0), -known, score is None, row["place"], row["name"])


def _mean(shares: Sequence[float | None]) -> float | None:
    """Mean of the known ones."""
    known = [share for share in shares if share is not None]
    return round(sum(known) / len(known), 4) if known else None


def change_of(score: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> int | None:
    """How the score differs from the one of a day ago; None where either misses a part that the other has: that would be no change."""
    if score is None or before is None or score["missing"] != before["missing"]:
        return None
    return int(score["total"] - before["total"])


def age_of(resident: Resident, now_ns: int, tz: str) -> int | None:
    """Years of age at the site's date; None where the date of birth is not entered."""
    if resident.birth_date is None:
        return None
    born = date.fromisoformat(resident.birth_date)
    today = datetime.fromtimestamp(now_ns / 1e9, UTC).astimezone(ZoneInfo(tz)).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def events_json(alerts: Sequence[AlertView], begin_ms: int) -> list[dict[str, Any]]:
    """Alerts and who came, oldest first; the newest where there are very many."""
    found = []
    for alert in alerts:
        raised_ms = to_ms(alert.raised_ns)
        if raised_ms < begin_ms:
            continue
        found.append(
            {
                "id": alert.id, "t_ms": raised_ms, "code": alert.code, "params": plain(alert.params), "cause": alert.cause,
                "priority": plain(alert.priority), "kind": plain(alert.kind), "state": plain(alert.state), "count": alert.count,
                "claimed_name": alert.claimed_name, "claimed_ms": ms(alert.claimed_ns), "arrived_ms": ms(alert.arrived_ns),
                "resolved_ms": ms(alert.resolved_ns), "outcome": plain(alert.outcome), "drill": plain(alert.origin) != "live",
            }
        )  # fmt: skip
    return found[-MAX_EVENTS:]


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
