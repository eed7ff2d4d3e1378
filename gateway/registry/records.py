"""What the registry knows about, as frozen rows; `view` re-exports them all."""

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
class Organisation:
    """Who runs the sites."""

    id: str
    name: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A home, day centre or institution with its IANA time zone."""

    id: str
    name: str
    tz: str = "Asia/Shanghai"
    kind: str = "institution"  # home | daycare | institution
    code: str = ""  # the house's own short name, unique in the installation; CSV files refer to it
    organisation_id: str | None = None
    phone: str = ""  # of the care desk, as families read it


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A floor, wing or day room: what a shift is responsible for."""

    id: str
    site_id: str
    name: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room of a site."""

    id: str
    site_id: str
    name: str
    zone_id: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """A bed, or the one place of a single home; `label` is what is written on the door."""

    id: str
    site_id: str
    label: str
    zone_id: str | None = None
    room_id: str | None = None
    code: str = ""


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
    code: str = ""  # the house's own number, unique among residents
    birth_date: str | None = None  # "1941-05-17"
    sex: str | None = None  # "female", "male", "other"; None = not entered
    back_ns: int | None = None  # of somebody who is away: when he or she is expected back; None = nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Where a resident was from `from_ns` until the next stay, and in which status."""

    from_ns: int
    place: Place
    status: str


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
    first_seen_ns: int | None = None  # set for a device that spoke before anybody entered it


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Device -> resident (or place only) for a span of time; `valid_to_ns` None = still valid, equal to the start = withdrawn."""

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
    from_local: str | None = None  # "22:00": holds only between these hours of the site's own clock; None = all day
    to_local: str | None = None  # "06:00"
    off: str | None = None  # "low", "high" or "both": that side is switched off, the default too


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
    code: str = ""  # the house's own number, unique among staff


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """An exception to the rota for a span of time: absent, extra, or one person in the place of another."""

    id: str
    site_id: str
    staff_id: str
    kind: str  # absent | extra | swap
    from_ns: int
    until_ns: int
    role: str = ""  # of an extra
    zone_id: str | None = None  # of an extra; None = the whole site
    for_staff_id: str | None = None  # of a swap: whose shifts
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People of a site who are called together, on duty or not."""

    id: str
    site_id: str
    name: str
    staff_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody outside the house who is called for one resident: family, or a responder of the community."""

    id: str
    resident_id: str
    name: str
    kind: str  # family | responder
    relation: str = ""
    phone: str = ""
    channels: dict[str, str] = field(default_factory=dict)
    order: int = 1  # who is called first


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What an ambulance needs to know of a resident who lives at home."""

    id: str  # the resident's
    resident_id: str
    address: str = ""
    door_code: str = ""
    medical: str = ""  # illnesses, medicines, allergies in a few lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours of a site in which what is not urgent waits for the morning."""

    id: str  # the site's
    site_id: str
    start: str  # "22:00" on the site's clock
    end: str  # "07:00"
    up_to: str = "low"  # the highest priority that waits: info | low


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who signs in, without any secret; what the role may see is narrowed to these sites and residents."""

    id: str
    login: str
    name: str
    role: str  # vocabulary.Role
    site_ids: tuple[str, ...] = ()
    resident_ids: tuple[str, ...] = ()
    staff_id: str | None = None
    lang: str = "zh"
    status: str = "active"  # active | disabled
    elder: bool | None = None  # screens in the large version; None: never chosen, the role decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a resident (or the guardian) lets one person see, from when until when; never deleted, only withdrawn."""

    id: str
    resident_id: str
    grantee_id: str  # a user
    classes: tuple[str, ...]  # access.FieldClass words
    from_ns: int
    until_ns: int  # consent always ends
    purpose: str = "family"
    giver: str = ""  # who consented: the resident or the named guardian
    text_version: str = ""  # the text that was signed
    text_sha256: str = ""
    legal_basis: str = "separate_consent"  # consents.BASES: why this may be shown at all
    guardian: bool = False  # the giver is the guardian, not the resident
    relation: str = ""  # of the grantee to the resident; "self" = the resident's own account
    reason: str = ""  # of an emergency: what life is protected from
    recorded_by: str = ""  # who entered the row
    recorded_ns: int = 0
    withdrawn_ns: int | None = None
    withdrawn_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkin:
    """Somebody showed a card, a QR code or a PIN at a shared device: what it measures until then is this person's."""

    id: str
    kiosk_id: str
    resident_id: str
    device_ids: tuple[str, ...]
    from_ns: int
    until_ns: int
    how: str  # card | qr | pin | staff


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Whose the readings of one device at one millisecond are, by the word of a person or of a user slot; a binding stands beside it."""

    id: str
    device_id: str
    t_ms: int
    resident_id: str | None  # None = nobody's
    former_id: str | None  # whose they were before
    user: int | None = None  # the slot of the device in which it stood
    reason: str = ""
    by: str = ""
    undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Whose a user slot of a shared device is from `from_ns` on; nobody's where resident_id is None."""

    id: str  # device.slot
    device_id: str
    user: int
    resident_id: str | None
    from_ns: int
