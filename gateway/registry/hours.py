"""Hours of the day on a site's own clock: from "22:00" to "06:00", exact over midnight and through the changes of summer time."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def covers(start: str, end: str, tz: ZoneInfo, t_ns: int) -> bool:
    """Whether `t_ns` lies in the hours; the start belongs to them, the end does not."""
    today = local_date(tz, t_ns)
    return any(begins <= t_ns < ends for begins, ends in _spans(start, end, tz, today - DAY, today))


def valid(start: str | None, end: str | None) -> bool:
    """Whether both are hours of the day, and not the same."""
    return start is not None and end is not None and start != end and all(HOURS.fullmatch(at) is not None for at in (start, end))


def next_edge_ns(start: str, end: str, tz: ZoneInfo, t_ns: int) -> int:
    """The next start or end of the hours after `t_ns`."""
    today = local_date(tz, t_ns)
    return min(edge for span in _spans(start, end, tz, today - DAY, today + DAY) for edge in span if edge > t_ns)


def _spans(start: str, end: str, tz: ZoneInfo, first: date, last: date) -> Iterator[tuple[int, int]]:
    begins, ends = time.fromisoformat(start), time.fromisoformat(end)
    day = first
    while day <= last:
        yield span_ns(day, begins, ends, tz)
        day += DAY


def span_ns(day: date, start: time, end: time, tz: ZoneInfo) -> tuple[int, int]:
    """UTC ns of the hours that start on a local day; an end not after the start is on the next day.

    Each local time is turned into UTC by itself, so that one span ends exactly where the next begins on every night.
    """
    return utc_ns(day, start, tz), utc_ns(day + DAY if end <= start else day, end, tz)


def local_date(tz: ZoneInfo, t_ns: int) -> date:
    """The date on the site's clock."""
    return (_EPOCH + timedelta(microseconds=t_ns // 1000)).astimezone(tz).date()


def utc_ns(day: date, at: time, tz: ZoneInfo) -> int:
    """UTC ns of a local time: the first of two in autumn; in spring, what is left out counts on from the hour before."""
    moment = datetime.combine(day, at.replace(tzinfo=None), tzinfo=tz).astimezone(UTC)
    return ((moment - _EPOCH) // _MICROSECOND) * 1000


@functools.lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """An IANA time zone by name. Names are checked when a site is entered; one that this machine does not know must not stop the stream."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
