"""Who is on duty: weekly shifts and exceptions on the site's own clock, exact over midnight and when summer time comes and goes."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.registry.view import Override, RotaRow, Site, Staff

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_HORIZON_DAYS = 8  # a weekly rota has a boundary within a week, if it has one at all


class Duty(Protocol):
    """The part of the registry that the rota needs."""

    @property
    def sites(self) -> Mapping[str, Site]:
        """Sites by id."""
        ...

    @property
    def staff(self) -> Mapping[str, Staff]:
        """Staff by id."""
        ...

    @property
    def rota(self) -> Mapping[str, RotaRow]:
        """Rota rows by id."""
        ...

    @property
    def overrides(self) -> Mapping[str, Override]:
        """Exceptions to the rota by id."""
        ...


class RotaError(ValueError):
    """A rota row that cannot be used; the text names the field."""


def on_duty(view: Duty, site_id: str, zone_id: str | None, role: str, t_ns: int) -> tuple[str, ...]:
    """Staff ids with `role` on duty at `t_ns` in the zone (or anywhere in the site for zone None), each once, sorted."""
    return tuple(sorted({staff_id for staff_id, served in serving(view, site_id, zone_id, t_ns) if served == role}))


def on_shift(view: Duty, site_id: str, staff_id: str, t_ns: int) -> bool:
    """Whether a person is on duty anywhere in the site, in any role."""
    return any(one == staff_id for one, _ in serving(view, site_id, None, t_ns))


def serving(view: Duty, site_id: str, zone_id: str | None, t_ns: int) -> Iterator[tuple[str, str]]:
    """(staff id, role) of everybody on duty: the rota, with those who swapped, without the absent, with those who came in addition."""
    tz = _zone(view, site_id)
    yield from with_exceptions(view, site_id, zone_id, (row for row in rows_of(view, site_id, zone_id) if covers(row, tz, t_ns)), t_ns)


def with_exceptions(view: Duty, site_id: str, zone_id: str | None, running: Iterable[RotaRow], t_ns: int) -> Iterator[tuple[str, str]]:
    """(staff id, role) of those who serve at `t_ns` where these rows of the rota run then."""
    now = [row for row in view.overrides.values() if row.site_id == site_id and row.from_ns <= t_ns < row.until_ns]
    absent = {row.staff_id for row in now if row.kind == "absent"}
    instead = {row.for_staff_id: row.staff_id for row in now if row.kind == "swap"}
    for row in running:
        person = instead.get(row.staff_id, row.staff_id)
        if person not in absent and _active(view, person):
            yield person, row.role
    for extra in now:
        here = zone_id is None or extra.zone_id is None or extra.zone_id == zone_id
        if extra.kind == "extra" and here and extra.staff_id not in absent and _active(view, extra.staff_id):
            yield extra.staff_id, extra.role


def away(view: Duty, site_id: str, staff_id: str, t_ns: int) -> bool:
    """Whether an exception takes a person off the shifts of the rota at `t_ns`."""
    return any(
        row.site_id == site_id
        and row.from_ns <= t_ns < row.until_ns
        and ((row.kind == "absent" and row.staff_id == staff_id) or (row.kind == "swap" and row.for_staff_id == staff_id))
        for row in view.overrides.values()
    )


def rostered(view: Duty, site_id: str, zone_id: str | None, role: str) -> tuple[str, ...]:
    """Staff ids that have a shift with `role` in the zone at any time, on duty now or not."""
    return tuple(sorted({row.staff_id for row in rows_of(view, site_id, zone_id) if row.role == role}))


def roles(view: Duty, site_id: str) -> frozenset[str]:
    """Roles that anybody serves in the site at any time."""
    extra = {row.role for row in view.overrides.values() if row.site_id == site_id and row.kind == "extra"}
    return frozenset(extra | {row.role for row in view.rota.values() if row.site_id == site_id})


def covers(row: RotaRow, tz: ZoneInfo, t_ns: int) -> bool:
    """Whether the row's shift runs at `t_ns`; the start belongs to it, the end does not."""
    today = _local_date(tz, t_ns)
    return any(start <= t_ns < end for start, end in _shifts(row, tz, today - _DAY, today))


def shifts_between(view: Duty, row: RotaRow, from_ns: int, until_ns: int) -> list[tuple[int, int]]:
    """(start_ns, end_ns) of the row's shifts that touch [from, until), in order."""
    tz = _zone(view, row.site_id)
    first, last = _local_date(tz, from_ns) - _DAY, _local_date(tz, until_ns)
    return [span for span in _shifts(row, tz, first, last) if span[1] > from_ns and span[0] < until_ns]


def next_change_ns(view: Duty, site_id: str, t_ns: int) -> int | None:
    """The next start or end of any shift or exception of the site after `t_ns`; None if it has none."""
    tz = _zone(view, site_id)
    today = _local_date(tz, t_ns)
    edges = (
        edge
        for row in rows_of(view, site_id, None)
        for shift in _shifts(row, tz, today - _DAY, today + _HORIZON_DAYS * _DAY)
        for edge in shift
        if edge > t_ns
    )
    exceptions = (edge for row in view.overrides.values() if row.site_id == site_id for edge in (row.from_ns, row.until_ns) if edge > t_ns)
    return min((*edges, *exceptions), default=None)


def check(row: RotaRow) -> None:
    """Raise RotaError for a row that could never be evaluated; called before it is stored."""
    for name, text in (("start", row.start), ("end", row.end)):
        _clock_time(name, text)
    for name, day in (("valid_from", row.valid_from), ("valid_to", row.valid_to)):
        if day is not None:
            _date(name, day)
    if not row.weekdays or any(day not in range(7) for day in row.weekdays):
        raise RotaError("weekdays: from 0 (Monday) to 6, at least one")


def check_window(start: str, end: str) -> None:
    """Raise RotaError for local times that cannot be read, or a window without a length."""
    if _clock_time("start", start) == _clock_time("end", end):
        raise RotaError("end: another time than the start")


def window_at(start: str, end: str, tz_name: str, t_ns: int) -> tuple[int, int] | None:
    """(start_ns, end_ns) of the daily window of local times that holds `t_ns`; None outside of it."""
    tz = zone(tz_name)
    today = _local_date(tz, t_ns)
    return next((span for span in _daily(start, end, tz, today - _DAY, today) if span[0] <= t_ns < span[1]), None)


def last_window(start: str, end: str, tz_name: str, t_ns: int) -> tuple[int, int]:
    """(start_ns, end_ns) of the daily window that ended last by `t_ns`."""
    tz = zone(tz_name)
    today = _local_date(tz, t_ns)
    return max(span for span in _daily(start, end, tz, today - 3 * _DAY, today) if span[1] <= t_ns)


def next_edge(start: str, end: str, tz_name: str, t_ns: int) -> int:
    """The next start or end of a daily window after `t_ns`."""
    tz = zone(tz_name)
    today = _local_date(tz, t_ns)
    return min(edge for span in _daily(start, end, tz, today - _DAY, today + 2 * _DAY) for edge in span if edge > t_ns)


def weekday(tz_name: str, t_ns: int) -> int:
    """Day of the week on the site's clock, Monday = 0."""
    return _local_date(zone(tz_name), t_ns).weekday()


def _daily(start: str, end: str, tz: ZoneInfo, first: date, last: date) -> Iterator[tuple[int, int]]:
    row = RotaRow(id="", site_id="", staff_id="", role="", weekdays=tuple(range(7)), start=start, end=end)
    return _shifts(row, tz, first, last)


def _active(view: Duty, staff_id: str) -> bool:
    person = view.staff.get(staff_id)
    return person is not None and person.status == "active"


def rows_of(view: Duty, site_id: str, zone_id: str | None) -> Iterator[RotaRow]:
    """Rows of a site's active staff that hold in the zone (all of them for zone None)."""
    for row in view.rota.values():
        person = view.staff.get(row.staff_id)
        if row.site_id != site_id or person is None or person.status != "active":
            continue
        if zone_id is None or row.zone_id is None or row.zone_id == zone_id:
            yield row


def _shifts(row: RotaRow, tz: ZoneInfo, first: date, last: date) -> Iterator[tuple[int, int]]:
    """(start_ns, end_ns) of the shifts that start on the local dates first..last."""
    start, end = _clock_time("start", row.start), _clock_time("end", row.end)
    overnight = end <= start
    day = first
    while day <= last:
        if day.weekday() in row.weekdays and _valid(row, day):
            # Each local time is turned into UTC by itself, so that one shift ends exactly where the next begins on every night.
            yield _utc_ns(day, start, tz), _utc_ns(day + _DAY if overnight else day, end, tz)
        day += _DAY


def _valid(row: RotaRow, day: date) -> bool:
    after = row.valid_from is None or day >= _date("valid_from", row.valid_from)
    return after and (row.valid_to is None or day <= _date("valid_to", row.valid_to))


def _zone(view: Duty, site_id: str) -> ZoneInfo:
    site = view.sites.get(site_id)
    return zone("UTC" if site is None else site.tz)


@functools.lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """An IANA time zone by name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise RotaError("tz: unknown time zone") from error


@functools.lru_cache(maxsize=512)
def _clock_time(name: str, text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise RotaError(f"{name}: a local time such as 22:00") from error


@functools.lru_cache(maxsize=512)
def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RotaError(f"{name}: a date such as 2026-11-02") from error


def _local_date(tz: ZoneInfo, t_ns: int) -> date:
    return (_EPOCH + timedelta(microseconds=t_ns // 1000)).astimezone(tz).date()


def _utc_ns(day: date, at: time, tz: ZoneInfo) -> int:
    moment = datetime.combine(day, at.replace(tzinfo=None), tzinfo=tz).astimezone(UTC)
    return ((moment - _EPOCH) // _MICROSECOND) * 1000
