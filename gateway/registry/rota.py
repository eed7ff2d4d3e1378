"""Who is on duty: weekly shifts on the site's own clock, exact over midnight and through the changes of summer time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.registry.view import RotaRow, Site, Staff

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


class RotaError(ValueError):
    """A rota row that cannot be used; the text names the field."""


def on_duty(view: Duty, site_id: str, zone_id: str | None, role: str, t_ns: int) -> tuple[str, ...]:
    """Staff ids with `role` on duty at `t_ns` in the zone (or anywhere in the site for zone None), each once, sorted."""
    found = {row.staff_id for row in _rows(view, site_id, zone_id) if row.role == role and covers(row, _zone(view, site_id), t_ns)}
    return tuple(sorted(found))


def on_shift(view: Duty, site_id: str, staff_id: str, t_ns: int) -> bool:
    """Whether a person is on duty anywhere in the site, in any role."""
    tz = _zone(view, site_id)
    return any(row.staff_id == staff_id and covers(row, tz, t_ns) for row in _rows(view, site_id, None))


def rostered(view: Duty, site_id: str, zone_id: str | None, role: str) -> tuple[str, ...]:
    """Staff ids that have a shift with `role` in the zone at any time, on duty now or not."""
    return tuple(sorted({row.staff_id for row in _rows(view, site_id, zone_id) if row.role == role}))


def covers(row: RotaRow, tz: ZoneInfo, t_ns: int) -> bool:
    """Whether the row's shift runs at `t_ns`; the start belongs to it, the end does not."""
    today = _local_date(tz, t_ns)
    return any(start <= t_ns < end for start, end in _shifts(row, tz, today - _DAY, today))


def next_change_ns(view: Duty, site_id: str, t_ns: int) -> int | None:
    """The next start or end of any shift of the site after `t_ns`; None if it has no shifts."""
    tz = _zone(view, site_id)
    today = _local_date(tz, t_ns)
    edges = (
        edge
        for row in _rows(view, site_id, None)
        for shift in _shifts(row, tz, today - _DAY, today + _HORIZON_DAYS * _DAY)
        for edge in shift
        if edge > t_ns
    )
    return min(edges, default=None)


def check(row: RotaRow) -> None:
    """Raise RotaError for a row that could never be evaluated; called before it is stored."""
    for name, text in (("start", row.start), ("end", row.end)):
        _clock_time(name, text)
    for name, day in (("valid_from", row.valid_from), ("valid_to", row.valid_to)):
        if day is not None:
            _date(name, day)
    if not row.weekdays or any(day not in range(7) for day in row.weekdays):
        raise RotaError("weekdays: from 0 (Monday) to 6, at least one")


def _rows(view: Duty, site_id: str, zone_id: str | None) -> Iterator[RotaRow]:
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
