"""Figures of whole houses for those who supervise them: complete weeks only, and nothing that stands for fewer than ten people. Pure.

Why nothing can be subtracted: every site has one grid of weeks that never overlap, on its own clock, and a week is told a day after its end
and does not change any more; so no two spans differ by a few hours. Totals add up what is shown, never what is withheld. In the table of
rules a row needs ten different people; the rest is one row that stands for two rules and ten people at least, or there is no table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.clock import NS_PER_S
from gateway.figures import ANSWERED, DAY_NS, Life, percentile
from gateway.registry.view import PRESENT, RegistryView
from gateway.vocabulary import AlertKind, Origin, Outcome

K = 10
SETTLE_NS = DAY_NS  # what was raised on the last evening is judged on the next day
OTHERS = "*"
WORN = ("hr", "pulse", "spo2")  # the first of them that a device is expected to send says whether it is worn


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A site's week: local midnights of eight days, UTC ns."""

    days_ns: tuple[int, ...]

    @property
    def from_ns(self) -> int:
        """Monday, 00:00 on the site's clock."""
        return self.days_ns[0]

    @property
    def until_ns(self) -> int:
        """The next Monday."""
        return self.days_ns[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A device bound to a resident who was there: [from, until) within one local day."""

    resident_id: str
    device_id: str
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worn:
    """Minutes a wearable had, and told, in a week; days of presence of all residents, and those with any value."""

    wearers: int
    minutes: float
    told: float
    days: int
    heard: int


def weeks(tz: str, now_ns: int, count: int) -> list[Week]:
    """The last `count` complete weeks that have settled, newest first."""
    zone = ZoneInfo(tz)
    today = datetime.fromtimestamp((now_ns - SETTLE_NS) // NS_PER_S, zone).date()
    monday = today - timedelta(days=today.weekday())
    found = []
    for back in range(1, count + 1):
        first = monday - timedelta(days=7 * back)
        found.append(Week(days_ns=tuple(_midnight(first + timedelta(days=n), zone) for n in range(8))))
    return found


def _midnight(day: Any, zone: ZoneInfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * NS_PER_S


def presence(view: RegistryView, site_id: str, week: Week, statuses: Sequence[str] = PRESENT) -> dict[str, list[tuple[int, int]]]:
    """Spans in which residents were at a site, by the record that lives on."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for resident in view.residents.values():
        stays = view.stays_of(resident.id)
        for n, stay in enumerate(stays):
            end = stays[n + 1].from_ns if n + 1 < len(stays) else week.until_ns
            span = max(stay.from_ns, week.from_ns), min(end, week.until_ns)
            if stay.place.site_id == site_id and stay.status in statuses and span[0] < span[1]:
                found[view.canonical(resident.id)].append(span)
    return dict(found)


def carried(view: RegistryView, there: Mapping[str, Sequence[tuple[int, int]]], week: Week) -> Iterator[Carried]:
    """Devices of those who were there, cut at local midnights; simulated ones are not counted."""
    for binding in view.bindings.values():
        device = view.devices.get(binding.device_id)
        if binding.resident_id is None or device is None or device.origin != Origin.LIVE:
            continue
        resident_id = view.canonical(binding.resident_id)
        for start, end in there.get(resident_id, ()):
            for first, last in zip(week.days_ns, week.days_ns[1:], strict=False):
                begin = max(start, first, binding.valid_from_ns)
                over = min(end, last, week.until_ns if binding.valid_to_ns is None else binding.valid_to_ns)
                if begin < over:
                    yield Carried(resident_id=resident_id, device_id=device.id, from_ns=begin, until_ns=over)


def worn_quantity(view: RegistryView, device_id: str) -> str | None:
    """The quantity by which a wearable says that it is worn; None for any other device."""
    device = view.devices.get(device_id)
    return next((key for key in WORN if device is not None and key in device.quantities), None)


def days_of(there: Mapping[str, Sequence[tuple[int, int]]], week: Week) -> set[tuple[str, int]]:
    """(resident, local day) on which somebody was there at all."""
    return {
        (resident_id, n)
        for resident_id, spans in there.items()
        for n, (first, last) in enumerate(zip(week.days_ns, week.days_ns[1:], strict=False))
        if any(start < last and first < end for start, end in spans)
    }


def cell(view: RegistryView, site_id: str, week: Week, lives: Sequence[Life], worn: Worn | None) -> dict[str, Any]:
    """One site's week, or that it is withheld; `lives` are this site's alerts of the week."""
    site, there = view.sites[site_id], presence(view, site_id, week)
    document = {"site": site_id, "name": site.name, "from_ms": week.from_ns // 1_000_000, "until_ms": week.until_ns // 1_000_000}
    if len(there) < K:
        return {**document, "suppressed": True}
    days = sum(end - start for spans in there.values() for start, end in spans) / DAY_NS
    return {**document, "suppressed": False, **_figures(view, lives, days), **_worn(worn)}


def total(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums over the cells that are shown: what is withheld is in no sum. What does not add up (medians, rules) is left out."""
    shown = [one for one in cells if not one["suppressed"]]
    worn = [one["wearing"] for one in shown if one["wearing"] is not None]
    covered = [one["coverage"] for one in shown if one["coverage"] is not None]
    document: dict[str, Any] = {"cells": len(shown), "withheld": len(cells) - len(shown)}
    days = sum(one["resident_days"] for one in shown)
    people = sum(one["of_residents"] for one in shown)
    document |= {"resident_days": round(days, 1), "alarms": sum(one["alarms"] for one in shown), "of_residents": people}
    document["per_resident_day"] = round(people / days, 3) if days > 0 else None
    for limit_s, goal in ANSWERED:
        parts = [one[f"within_{limit_s}_s"] for one in shown]
        document[f"within_{limit_s}_s"] = _answered(sum(part["calls"] for part in parts), sum(part["answered"] for part in parts), goal)
    for name in ("false", "reraised"):
        document[name] = _share(sum(one[name]["of"] for one in shown), sum(one[name]["n"] for one in shown))
    document["coverage"] = _share(sum(one["of"] for one in covered), sum(one["n"] for one in covered)) if covered else None
    document["wearing"] = _share(sum(one["of"] for one in worn), sum(one["n"] for one in worn)) if worn else None
    return document


def _figures(view: RegistryView, lives: Sequence[Life], days: float) -> dict[str, Any]:
    heard = [life for life in lives if not life.folded]
    people = [life for life in heard if life.kind != AlertKind.TECHNICAL.value]
    calls = [life for life in heard if life.kind == AlertKind.CALL.value]
    claims = [(life.claimed_ns - life.raised_ns) / NS_PER_S for life in heard if life.claimed_ns is not None]
    judged = [life for life in heard if life.outcome not in (None, Outcome.TEST.value)]
    document: dict[str, Any] = {
        "resident_days": round(days, 1), "alarms": len(heard), "of_residents": len(people),
        "per_resident_day": round(len(people) / days, 3) if days > 0 else None,
        "claim_p50_s": percentile(claims, 0.5),
        "false": _share(len(judged), sum(life.outcome == Outcome.FALSE_ALARM.value for life in judged)),
        "reraised": _share(len(heard), sum(life.reraised for life in heard)),
        "by_rule": by_rule(view, people, days),
    }  # fmt: skip
    for limit_s, goal in ANSWERED:
        within = sum(life.claimed_ns is not None and life.claimed_ns - life.raised_ns <= limit_s * NS_PER_S for life in calls)
        document[f"within_{limit_s}_s"] = _answered(len(calls), within, goal)
    return document


def by_rule(view: RegistryView, lives: Sequence[Life], days: float) -> list[dict[str, Any]] | None:
    """Alarms by rule: rows of at least K people each; None where that cannot be without telling what is withheld."""
    groups: dict[str, list[Life]] = defaultdict(list)
    for life in lives:
        groups[life.rule].append(life)
    order = sorted(groups, key=lambda rule: (-_people(view, groups[rule]), -len(groups[rule]), rule))
    shown = [rule for rule in order if _people(view, groups[rule]) >= K]
    rest = [rule for rule in order if rule not in shown]
    while rest and shown and (len(rest) < 2 or _people(view, [life for rule in rest for life in groups[rule]]) < K):
        rest.append(shown.pop())
    if rest and (len(rest) < 2 or _people(view, [life for rule in rest for life in groups[rule]]) < K):
        return None
    rows = [(rule, groups[rule]) for rule in shown]
    if rest:
        rows.append((OTHERS, [life for rule in rest for life in groups[rule]]))
    return [
        {"rule": rule, "alarms": len(found), "per_resident_day": round(len(found) / days, 3) if days > 0 else None} for rule, found in rows
    ]


def _people(view: RegistryView, lives: Sequence[Life]) -> int:
    """How many different residents alerts are about; an alert of nobody is nobody's."""
    return len({view.canonical(life.resident_id) for life in lives if life.resident_id})


def _share(of: float, n: float) -> dict[str, Any]:
    return {"of": of, "n": n, "share": round(n / of, 4) if of > 0 else None}


def _answered(calls: int, answered: int, goal: float) -> dict[str, Any]:
    share = round(answered / calls, 4) if calls else None
    return {"calls": calls, "answered": answered, "share": share, "goal": goal, "met": None if share is None else answered >= goal * calls}


def _worn(worn: Worn | None) -> dict[str, Any]:
    """Coverage, and wearing where ten people or more wear something; `wearing_withheld` says why there is nothing."""
    if worn is None:
        return {"coverage": None, "wearing": None, "wearing_withheld": False}
    wearing = _share(round(worn.minutes), round(worn.told)) if worn.wearers >= K else None
    return {"coverage": _share(worn.days, worn.heard), "wearing": wearing, "wearing_withheld": 0 < worn.wearers < K}
