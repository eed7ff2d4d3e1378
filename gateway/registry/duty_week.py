"""Who is on duty through a span of days, as stretches in which nothing changes, and where a role that is called is nobody. Pure."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.clock import NS_PER_S
from gateway.registry import rota
from gateway.registry.rota import Duty
from gateway.registry.view import RotaRow

WEEK_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """From (inclusive) until (exclusive) the same people serve: (staff id, role), sorted."""

    from_ns: int
    until_ns: int
    serving: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch in which a role reaches nobody, in a zone or in the whole site."""

    zone_id: str | None
    role: str
    from_ns: int
    until_ns: int


def days(tz: str, t_ns: int, count: int = WEEK_DAYS) -> list[int]:
    """UTC ns of the local midnights of the week (from Monday) that holds `t_ns`, and of the end; days of 23 and 25 hours are right."""
    zone = ZoneInfo(tz)
    today = datetime.fromtimestamp(t_ns // NS_PER_S, zone).date()
    monday = today - timedelta(days=today.weekday())
    firsts = (monday + timedelta(days=n) for n in range(count + 1))
    return [round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * NS_PER_S for day in firsts]


def stretches(view: Duty, site_id: str, zone_id: str | None, from_ns: int, until_ns: int) -> list[Stretch]:
    """Stretches of [from, until); each shift is looked at once, however long the span is."""
    shifts = [(row, rota.shifts_between(view, row, from_ns, until_ns)) for row in rota.rows_of(view, site_id, zone_id)]
    now = [row for row in view.overrides.values() if row.site_id == site_id and row.from_ns < until_ns and row.until_ns > from_ns]
    found = {edge for _, spans in shifts for span in spans for edge in span} | {edge for row in now for edge in (row.from_ns, row.until_ns)}
    edges = [from_ns, *sorted(edge for edge in found if from_ns < edge < until_ns), until_ns]
    result: list[Stretch] = []
    for start, end in itertools.pairwise(edges):
        on_shift = [row for row, spans in shifts if _inside(spans, start)]
        serving = tuple(sorted(set(_serving(view, site_id, zone_id, on_shift, start))))
        if result and result[-1].serving == serving:
            result[-1] = Stretch(from_ns=result[-1].from_ns, until_ns=end, serving=serving)
        else:
            result.append(Stretch(from_ns=start, until_ns=end, serving=serving))
    return result


def gaps(found: Collection[Stretch], roles: Collection[str], zone_id: str | None) -> list[Gap]:
    """Where one of the roles is nobody."""
    result: list[Gap] = []
    for role in sorted(roles):
        since: int | None = None
        end = 0
        for stretch in found:
            here = any(served == role for _, served in stretch.serving)
            if here and since is not None:
                result.append(Gap(zone_id=zone_id, role=role, from_ns=since, until_ns=stretch.from_ns))
                since = None
            elif not here and since is None:
                since = stretch.from_ns
            end = stretch.until_ns
        if since is not None:
            result.append(Gap(zone_id=zone_id, role=role, from_ns=since, until_ns=end))
    return result


def _inside(spans: list[tuple[int, int]], t_ns: int) -> bool:
    """Whether one of the spans (sorted, start belongs to it) holds the moment; two shifts of a row may overlap on a night of 25 hours."""
    at = bisect_left(spans, (t_ns + 1, 0))
    return any(start <= t_ns < end for start, end in spans[max(0, at - 2) : at])


def _serving(view: Duty, site_id: str, zone_id: str | None, on_shift: list[RotaRow], t_ns: int) -> Iterator[tuple[str, str]]:
    yield from rota.with_exceptions(view, site_id, zone_id, on_shift, t_ns)
