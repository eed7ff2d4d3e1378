"""Who is where with which device: a fold over registry events, so that every reader gets the same picture at the same event offset."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bed, room, zone or home of a site; any id below the site may be absent."""

    site_id: str
    zone_id: str | None = None
    room_id: str | None = None
    bed_id: str | None = None
    label: str = ""  # what a caregiver calls it: "3-01", "101 室"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A home, day centre or institution with its IANA time zone."""

    id: str
    name: str
    tz: str = "Asia/Shanghai"
    kind: str = "institution"  # home | daycare | institution


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A resident as of now; `status` is admitted, away, discharged, died or merged."""

    id: str
    name: str
    initials: str
    status: str
    place: Place
    spo2_scale: int = 1  # NEWS2 scale 2 only where a clinician prescribed it
    on_oxygen: bool | None = None  # None = nobody has entered it
    consciousness: str | None = None  # "A" or "C", "V", "P", "U"; None = nobody has entered it
    merged_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device known to the registry; `quantities` are what it is expected to send, with its cadence where it differs."""

    id: str
    model: str = ""
    kind: str = ""
    site_id: str | None = None
    origin: int = 0  # vocabulary.Origin
    status: str = "active"  # inbox | active | retired
    quantities: tuple[str, ...] = ()
    cadence_s: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Device -> resident (or place only) for a span of time; `valid_to_ns` None = still valid."""

    id: str
    device_id: str
    resident_id: str | None
    place: Place | None
    valid_from_ns: int
    valid_to_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Alarm limits of one quantity for a resident, or for all of a site or installation where resident_id is None."""

    id: str
    quantity: str
    resident_id: str | None = None
    site_id: str | None = None
    low: float | None = None
    high: float | None = None
    low_extreme: float | None = None  # zero delay
    high_extreme: float | None = None
    duration_s: float = 15.0
    hysteresis: float = 0.0
    author: str = ""
    reason: str = ""
    expires_ns: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """A person who can be called; `channels` maps a channel's name to this person's address on it (empty = the channel's own)."""

    id: str
    name: str
    initials: str
    role: str  # a role of the rota: "caregiver", "nurse", "head_nurse"
    user_id: str | None = None  # who signs in as this person
    channels: dict[str, str] = field(default_factory=dict)
    status: str = "active"  # active | retired


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaRow:
    """A weekly shift on the site's own clock; an `end` not after `start` ends on the next day."""

    id: str
    site_id: str
    staff_id: str
    role: str
    weekdays: tuple[int, ...]  # local days on which the shift starts, Monday = 0
    start: str  # "22:00"
    end: str  # "06:00"; equal to start = 24 hours
    zone_id: str | None = None  # None = the whole site
    valid_from: str | None = None  # first local date on which the shift starts, "2026-11-02"
    valid_to: str | None = None  # last local date on which it starts
