"""Checks of what people type: each returns the clean value or raises RegistryError naming the field."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.registry.errors import RegistryError

NAME_LIMIT = 80
NOTE_LIMIT = 500
CODE_LIMIT = 40
IDENT = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def text(field: str, value: str, *, limit: int = NAME_LIMIT, empty: bool = False) -> str:
    """One line of text without control characters, stripped and in NFC."""
    clean = unicodedata.normalize("NFC", value).strip()
    if not clean and not empty:
        raise RegistryError("text.empty", field=field)
    if len(clean) > limit:
        raise RegistryError("text.long", field=field, limit=limit)
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in clean):
        raise RegistryError("text.control", field=field)
    return clean


def code(field: str, value: str) -> str:
    """House's own short name of something; may be empty."""
    return text(field, value, limit=CODE_LIMIT, empty=True)


def ident(field: str, value: str) -> str:
    """An id: letters, digits, - and _, at most 64; safe in topics, paths and URLs."""
    if IDENT.fullmatch(value) is None:
        raise RegistryError("id.invalid", field=field)
    return value


def word(field: str, value: str, allowed: Collection[str]) -> str:
    """One of the allowed words."""
    if value not in allowed:
        raise RegistryError("word.unknown", field=field, allowed=", ".join(sorted(allowed)))
    return value


def time_zone(value: str) -> str:
    """Name of an IANA time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RegistryError("tz.unknown", field="tz", value=value[:40]) from error
    return value


def finite(field: str, value: float | None) -> float | None:
    """A finite number, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        raise RegistryError("number.invalid", field=field)
    return float(value)


def past_day(field: str, value: str | None, now_ns: int) -> str | None:
    """An ISO date that is not after today (UTC plus the earliest time zone), or None."""
    if value is None or value == "":
        return None
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise RegistryError("date.invalid", field=field) from error
    if day > (_EPOCH + timedelta(microseconds=now_ns // 1000, hours=14)).date():
        raise RegistryError("date.future", field=field)
    return day.isoformat()


def past_time(field: str, at_ns: int | None, now_ns: int) -> int:
    """A time that has come, in ns; None means now."""
    if at_ns is None:
        return now_ns
    if at_ns > now_ns:
        raise RegistryError("time.future", field=field)
    if at_ns < 0:
        raise RegistryError("time.invalid", field=field)
    return at_ns


def local_time_ns(field: str, value: str, tz: str) -> int:
    """UTC ns of "2026-11-02 22:00" on the site's clock, or of ISO 8601 with an offset of its own."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise RegistryError("time.invalid", field=field) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(tz))
    return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000


def iso(t_ns: int | None) -> str:
    """UTC time for a message, to the second; None = open."""
    return "…" if t_ns is None else (_EPOCH + timedelta(microseconds=t_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def initials(name: str) -> str:
    """Short form for messages that must not carry the name: "王*" or "JS"."""
    parts = name.split()
    if parts and all(part[:1].isascii() for part in parts):
        return "".join(part[0].upper() for part in parts)[:4]
    return f"{name[:1]}*"
