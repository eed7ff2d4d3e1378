"""How alarms are borne and answered: counts, shares and times of a span, from the event log alone. Drills and simulations only if asked."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import apsw

from gateway.clock import NS_PER_S
from gateway.registry.view import PRESENT, RegistryView
from gateway.vocabulary import AlertKind, AlertState, Origin, Outcome, Priority

DAY_NS = 86_400 * NS_PER_S
ANSWERED = ((60, 0.975), (180, 0.99))  # seconds, goal: telecare's key figures
SHIFTS = ("06:00", "14:00", "22:00")  # where a site's rota names no shifts
MAX_SHIFTS = 6
_OWNED = frozenset({AlertState.CLAIMED.value, AlertState.ARRIVED.value})
_OVER = frozenset({AlertState.RESOLVED.value, AlertState.CLEARED.value})


@dataclass(slots=True, kw_only=True)
class Life:
    """One alert's life as far as figures need it; times in ns, None = not (yet)."""

    id: str
    raised_ns: int
    rule: str
    kind: str
    priority: int
    site_id: str
    zone_id: str
    origin: int
    resident_id: str = ""  # to count how many people figures stand for; never said
    reraised: bool = False  # called again after somebody had owned it
    claimed_ns: int | None = None
    arrived_ns: int | None = None
    resolved_ns: int | None = None
    outcome: str | None = None
    folded: bool = False  # another alert speaks for it: it calls nobody
    unowned_ns: int = 0  # the longest span without an owner
    still_unowned: bool = False
    _free_since_ns: int | None = field(default=None, repr=False)

    def see(self, kind: str, t_ns: int, view: Mapping[str, Any]) -> None:
        """One of its events."""
        self.priority = max(self.priority, int(view["priority"]))
        self.folded = self.folded or view["folded_into"] is not None
        self.reraised = self.reraised or kind == "alert.reraised"
        if kind == "alert.claimed" and self.claimed_ns is None:
            self.claimed_ns = t_ns
        if kind == "alert.arrived" and self.arrived_ns is None:
            self.arrived_ns = t_ns
        if kind == "alert.resolved" and view["outcome"] is not None:
            self.resolved_ns, self.outcome = t_ns, view["outcome"]
        if view["state"] in _OWNED or view["state"] in _OVER:
            self._end_free(t_ns)
        elif self._free_since_ns is None:
            self._free_since_ns = t_ns

    def close(self, now_ns: int) -> None:
        """Nothing more is known: what is free is so until now."""
        if self._free_since_ns is not None:
            self.still_unowned = True
            self._end_free(now_ns)

    def _end_free(self, t_ns: int) -> None:
        if self._free_since_ns is not None:
            self.unowned_ns = max(self.unowned_ns, t_ns - self._free_since_ns)
            self._free_since_ns = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From (inclusive) until (exclusive), and now, in UTC ns."""

    from_ns: int
    to_ns: int
    now_ns: int


def lives(rows: Iterable[tuple[int, str, str, str]], span: Span, origins: frozenset[int] = frozenset({Origin.LIVE.value})) -> list[Life]:
    """Lives of the alerts raised within the span; `rows` are (t_ns, kind, subject, body) in the log's order, up to now."""
    found: dict[str, Life] = {}
    for t_ns, kind, subject, body in rows:
        life = found.get(subject)
        if life is None and (kind != "alert.raised" or not span.from_ns <= t_ns < span.to_ns):
            continue
        view = json.loads(body)["view"]
        if life is None:
            if view["origin"] not in origins:
                continue
            life = found[subject] = Life(
                id=subject, raised_ns=t_ns, rule=view["rule"], kind=view["kind"], priority=int(view["priority"]),
                site_id=view["site_id"] or "", zone_id=view["zone_id"] or "", origin=view["origin"],
                resident_id=view.get("resident_id") or "",
            )  # fmt: skip
        life.see(kind, t_ns, view)
    for life in found.values():
        life.close(span.now_ns)
    return list(found.values())


def read(conn: apsw.Connection, from_ns: int) -> Iterator[tuple[int, str, str, str]]:
    """Alert events since `from_ns`, in the log's order."""
    sql = "SELECT t_ns, kind, subject, body FROM event WHERE kind LIKE 'alert.%' AND t_ns >= ? ORDER BY \"offset\""
    yield from conn.execute(sql, (from_ns,))


def resident_days(view: RegistryView, span: Span) -> dict[str, float]:
    """Days that residents were present within the span (not beyond now), by site."""
    end_ns = min(span.to_ns, span.now_ns)
    days: dict[str, float] = defaultdict(float)
    for resident in view.residents.values():
        stays = view.stays_of(resident.id)
        for i, stay in enumerate(stays):
            until = stays[i + 1].from_ns if i + 1 < len(stays) else end_ns
            overlap = min(until, end_ns) - max(stay.from_ns, span.from_ns)
            if stay.status in PRESENT and overlap > 0:
                days[stay.place.site_id] += overlap / DAY_NS
    return dict(days)


def shifts_of(view: RegistryView, site_id: str) -> tuple[str, ...]:
    """Starts of a site's shifts, from its rota; the usual three where the rota is silent or a patchwork."""
    starts = sorted({row.start for row in view.rota.values() if row.site_id == site_id})
    return tuple(starts) if 1 < len(starts) <= MAX_SHIFTS else SHIFTS


def shift_at(starts: Sequence[str], tz: str, t_ns: int) -> str:
    """The shift that a moment lies in, by its start on the site's clock."""
    local = datetime.fromtimestamp(t_ns // NS_PER_S, UTC).astimezone(ZoneInfo(tz)).strftime("%H:%M")
    before = [start for start in starts if start <= local]
    return before[-1] if before else starts[-1]


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: the least value that `share` of all do not exceed; None of nothing."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1] if values else None


def report(
    view: RegistryView, found: Sequence[Life], span: Span, budget_per_day: float, only: Collection[str] | None = None
) -> dict[str, Any]:
    """All figures, by site (`only` these) and in total; the installation's own faults stand under the site "". No resident is named."""
    days = {site_id: span_days for site_id, span_days in resident_days(view, span).items() if only is None or site_id in only}
    sites = sorted({life.site_id for life in found} | set(days))
    rows = [
        _site(view, site_id, [life for life in found if life.site_id == site_id], days.get(site_id, 0.0), span, budget_per_day)
        for site_id in sites
    ]
    return {
        "from_ms": span.from_ns // 1_000_000,
        "to_ms": min(span.to_ns, span.now_ns) // 1_000_000,
        "sites": rows,
        "total": _figures(list(found), sum(days.values()), span, budget_per_day),
    }


def _site(view: RegistryView, site_id: str, found: list[Life], days: float, span: Span, budget: float) -> dict[str, Any]:
    site = view.sites.get(site_id)
    starts, tz = shifts_of(view, site_id), "Asia/Shanghai" if site is None else site.tz
    zones = {zone.id: zone.name for zone in view.zones.values()}
    return {
        "site": site_id,
        "name": "" if site is None else site.name,
        **_figures(found, days, span, budget),
        "by_zone": _by(found, days, lambda life: zones.get(life.zone_id, "")),
        "by_shift": _by(found, days, lambda life: shift_at(starts, tz, life.raised_ns)),
    }


def _figures(found: list[Life], days: float, span: Span, budget: float) -> dict[str, Any]:
    heard = [life for life in found if not life.folded]
    counted = [life for life in heard if life.kind != AlertKind.TECHNICAL.value]
    longest = max(heard, key=lambda life: life.unowned_ns, default=None)
    rate = _rate(len(counted), days)
    return {
        "resident_days": round(days, 3),
        "alarms": len(heard),
        "folded": len(found) - len(heard),
        "of_residents": len(counted),
        "per_resident_day": rate,
        "budget_per_resident_day": budget,
        "within_budget": None if rate is None else rate <= budget,
        "by_rule": _by(heard, days, lambda life: life.rule),
        "by_priority": _by(heard, days, lambda life: Priority(life.priority).name.lower()),
        "by_kind": _by(heard, days, lambda life: life.kind),
        "times": {
            "claim": _times(heard, lambda life: life.claimed_ns),
            "arrive": _times(heard, lambda life: life.arrived_ns),
            "resolve": _times(heard, lambda life: life.resolved_ns),
        },
        "longest_unowned": None
        if longest is None
        else {
            "alert_id": longest.id,
            "s": longest.unowned_ns / NS_PER_S,
            "rule": longest.rule,
            "priority": Priority(longest.priority).name.lower(),
            "still": longest.still_unowned,
        },
        "calls": _calls(heard, span),
    }


def _by(found: Sequence[Life], days: float, key: Callable[[Life], str]) -> list[dict[str, Any]]:
    groups: dict[str, list[Life]] = defaultdict(list)
    for life in found:
        groups[key(life)].append(life)
    rows = [
        {"key": name, "alarms": len(group), "per_resident_day": _rate(len(group), days), **_judged(group)} for name, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row["alarms"], row["key"]))


def _judged(group: Sequence[Life]) -> dict[str, Any]:
    """How many were judged by who handled them, and the share of those that was false; a test is no judgement."""
    judged = [life.outcome for life in group if life.outcome not in (None, Outcome.TEST.value)]
    false = sum(outcome == Outcome.FALSE_ALARM.value for outcome in judged)
    return {"judged": len(judged), "false": false, "false_share": round(false / len(judged), 4) if judged else None}


def _rate(count: int, days: float) -> float | None:
    return round(count / days, 4) if days > 0 else None


def _times(found: Sequence[Life], when: Callable[[Life], int | None]) -> dict[str, Any]:
    spans = [(at - life.raised_ns) / NS_PER_S for life in found if (at := when(life)) is not None]
    return {"n": len(spans), "p50_s": percentile(spans, 0.50), "p95_s": percentile(spans, 0.95)}


def _calls(found: Sequence[Life], span: Span) -> dict[str, Any]:
    """Answered (claimed) within the limits; a call younger than a limit and not yet claimed does not count for it."""
    calls = [life for life in found if life.kind == AlertKind.CALL.value]
    row: dict[str, Any] = {"calls": len(calls), "unanswered": sum(life.claimed_ns is None for life in calls)}
    for limit_s, goal in ANSWERED:
        limit_ns = limit_s * NS_PER_S
        due = [life for life in calls if life.claimed_ns is not None or span.now_ns - life.raised_ns >= limit_ns]
        within = sum(life.claimed_ns is not None and life.claimed_ns - life.raised_ns <= limit_ns for life in due)
        share = round(within / len(due), 4) if due else None
        met = None if share is None else within >= goal * len(due)
        row[f"within_{limit_s}_s"] = {"calls": len(due), "answered": within, "share": share, "goal": goal, "met": met}
    return row


def as_csv(found: Mapping[str, Any]) -> str:
    """One line per figure: site, figure, key, name, value; spreadsheets read it, formulas in names stay text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("site", "figure", "key", "name", "value"))
    for row in [*found["sites"], {"site": "*", **found["total"]}]:
        for figure, key, name, value in _flat(row):
            writer.writerow([safe(str(part)) for part in (row["site"], figure, key, name, "" if value is None else value)])
    return out.getvalue()


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for figure, value in row.items():
        if isinstance(value, list):
            for line in value:
                yield from ((figure, line["key"], name, part) for name, part in line.items() if name != "key")
        elif isinstance(value, dict):
            for key, part in value.items():
                if isinstance(part, dict):
                    yield from ((figure, key, name, inner) for name, inner in part.items())
                else:
                    yield figure, key, "", part
        elif figure != "site":
            yield figure, "", "", value


def safe(cell: str) -> str:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
