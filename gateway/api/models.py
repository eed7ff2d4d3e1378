"""Bodies that the API takes: strict types, no unknown keys, no NaN, bounded texts without control characters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_NO_CONTROL = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
RowId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SiteRef = Annotated[str, StringConstraints(pattern=r"^([*]|[A-Za-z0-9_-]{1,64})$")]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Line = Annotated[str, StringConstraints(max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$")]
Note = Annotated[str, StringConstraints(max_length=500, pattern=_NO_CONTROL)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Ms = Annotated[int, Field(ge=0, le=4_102_444_800_000)]  # until 2100
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Span = Annotated[float, Field(gt=0, le=604_800)]  # of a policy: a week at most
LocalTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]  # "22:00"


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class SignIn(Body):
    """Name and password."""

    user: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    password: Secret
    code: Annotated[str, StringConstraints(max_length=12)] = ""  # of the second factor, where one is set


class PasswordChange(Body):
    """Old and new password."""

    old: Secret
    new: Secret


class LangBody(Body):
    """Language of one's own screens."""

    lang: Literal["zh", "en"]


class ElderBody(Body):
    """Large version of one's own screens."""

    elder: bool


class Act(Body):
    """Details of an action on an alert; `version` refuses to act on what has changed since it was seen."""

    version: Annotated[int, Field(ge=0, le=2**53)] | None = None
    note: Note = ""
    outcome: Literal["helped", "false_alarm", "test", "device", "refused", "hospital", "other"] | None = None
    until_s: Seconds | None = None
    reason: Annotated[str, StringConstraints(max_length=200, pattern=_NO_CONTROL)] = ""
    incident: bool = False  # with a claim: take all that is unowned of the same incident


class PlaceBody(Body):
    """A place of a site."""

    site_id: Id
    zone_id: Id | None = None
    room_id: Id | None = None
    bed_id: Id | None = None
    label: Line = ""


class BindingBody(Body):
    """Give a device to a resident, or to a place."""

    device_id: Id
    resident_id: Id | None = None
    place: PlaceBody | None = None
    from_ms: Ms | None = None


class BindingEnd(Body):
    """End a binding, now or at a time that has passed."""

    at_ms: Ms | None = None


class SiteBody(Body):
    """A site with its IANA time zone."""

    site_id: RowId | None = None
    name: Line
    tz: Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = "Asia/Shanghai"
    kind: Literal["home", "daycare", "institution"] = "institution"
    code: Line = ""
    phone: Annotated[str, StringConstraints(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None  # of the care desk


class ZoneBody(Body):
    """A zone of a site."""

    zone_id: RowId | None = None
    site: Id
    name: Line
    code: Line = ""


class RoomBody(Body):
    """A room of a site."""

    room_id: RowId | None = None
    site: Id
    zone: Id | None = None
    name: Line
    code: Line = ""


class BedBody(Body):
    """A bed of a site."""

    bed_id: RowId | None = None
    site: Id
    zone: Id | None = None
    room: Id | None = None
    label: Line
    code: Line = ""


class StaffBody(Body):
    """A person who can be called."""

    staff_id: RowId | None = None
    name: Line
    role: Id
    initials: Line = ""
    code: Line = ""
    user_id: Id | None = None
    channels: Annotated[dict[Id, Line], Field(max_length=10)] = Field(default_factory=dict)


class RotaBody(Body):
    """A weekly shift on the site's own clock."""

    rota_id: RowId | None = None
    site: Id
    zone: Id | None = None
    staff: Id
    role: Id
    weekdays: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)]
    start: ClockTime
    end: ClockTime
    valid_from: Day | None = None
    valid_to: Day | None = None


class AdmitBody(Body):
    """A new resident."""

    resident_id: RowId | None = None
    name: Line
    initials: Line = ""
    site: Id
    zone: Id | None = None
    room: Id | None = None
    bed: Id | None = None
    code: Line = ""
    birth_date: Day | None = None
    sex: Literal["female", "male", "other"] | None = None


class StepBody(Body):
    """Details of a move, an absence, a return, a discharge or a death."""

    site: Id | None = None
    zone: Id | None = None
    room: Id | None = None
    bed: Id | None = None
    at_ms: Ms | None = None
    back_ms: Ms | None = None  # of an absence: when the person is expected back
    reason: Note = ""


class MergeBody(Body):
    """The record that lives on, and why both are the same person; there is no way back, so the reason is not optional."""

    into: Id
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_NO_CONTROL)]


class ObservedBody(Body):
    """What no sensor knows; a member that is absent stays as it is, null takes the entry back."""

    consciousness: Literal["A", "C", "V", "P", "U"] | None = None
    on_oxygen: bool | None = None
    spo2_scale: Literal[1, 2] | None = None


class DeviceBody(Body):
    """A device and what it is expected to send."""

    device_id: RowId
    model: Line = ""
    kind: Line = ""
    site: Id | None = None
    quantities: Annotated[list[Id], Field(max_length=40)] = Field(default_factory=list)
    cadence_s: Annotated[dict[Id, Seconds], Field(max_length=40)] = Field(default_factory=dict)
    worn: Literal["waist", "chest", "wrist", "finger", "hand", "ear lobe", "foot", "other"] | None = None


class ReasonBody(Body):
    """Why."""

    reason: Note = ""


class LimitBody(Body):
    """Alarm limits of one quantity."""

    quantity: Id
    reason: Note
    resident: Id | None = None
    site: Id | None = None
    low: float | None = None
    high: float | None = None
    low_extreme: float | None = None
    high_extreme: float | None = None
    duration_s: Annotated[float, Field(ge=0, le=3600)] = 15.0
    hysteresis: Annotated[float, Field(ge=0, le=1000)] = 0.0
    expires_ms: Ms | None = None
    from_local: LocalTime | None = None  # holds only between these hours of the site's own clock
    to_local: LocalTime | None = None
    off: Literal["low", "high", "both"] | None = None  # this side is switched off, the default too


class ConsentBody(Body):
    """What a resident lets one family member see, until when."""

    resident: Id
    grantee: Id
    classes: Annotated[
        list[Literal["summary", "vitals", "alerts", "location", "documents", "notes", "looks"]], Field(min_length=1, max_length=7)
    ]
    until_ms: Ms
    giver: Line
    from_ms: Ms | None = None
    text_version: Line = ""
    text_sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    legal_basis: Literal["separate_consent", "guardian_consent", "protect_life"] = "separate_consent"
    guardian: bool = False
    reason: Note = ""


class UserBody(Body):
    """A new account; its first password is made by us and shown once."""

    login: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    name: Line
    role: Literal["caregiver", "family", "clinician", "operator", "admin", "supervisor"]
    sites: Annotated[list[SiteRef], Field(max_length=100)] = Field(default_factory=list)
    residents: Annotated[list[Id], Field(max_length=500)] = Field(default_factory=list)
    staff_id: Id | None = None
    lang: Literal["zh", "en"] = "zh"


Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
Minutes = Annotated[float, Field(gt=0, le=1800)]


class TargetBody(Body):
    """Whom a step calls."""

    kind: Literal["role", "staff", "group", "contact", "emergency", "desk"]
    id: Line = ""


class RungBody(Body):
    """One rung of a policy."""

    delay_s: Annotated[float, Field(ge=0, le=604_800)]
    targets: Annotated[list[TargetBody], Field(min_length=1, max_length=20)]
    channels: Annotated[list[Id], Field(max_length=10)] = Field(default_factory=list)


class HoursBody(Body):
    """Hours of the site's own clock."""

    start: ClockTime
    end: ClockTime
    weekdays: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)] = Field(
        default_factory=lambda: [0, 1, 2, 3, 4, 5, 6]
    )


class PolicyBody(Body):
    """An escalation policy; the last step repeats until somebody owns the alert."""

    lane: Literal["call", "high", "medium", "low"]
    site_id: Id | None = None
    zone_id: Id | None = None
    hours: HoursBody | None = None
    steps: Annotated[list[RungBody], Field(min_length=1, max_length=20)]
    arrive_s: Span
    resolve_s: Span
    repeat_s: Span
    ack_timeout_s: Span
    recheck_s: Span
    silence_max_s: Minutes
    flap_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    by_shift: bool = False
    fallback_to_desk: bool = True
    cancel_window_s: Annotated[float, Field(ge=0, le=120)] = 20.0
    confirm_s: Annotated[float, Field(gt=0, le=180)] = 60.0


class OverrideBody(Body):
    """An exception to the rota."""

    override_id: RowId | None = None
    site: Id
    staff: Id
    kind: Literal["absent", "extra", "swap"]
    from_ms: Ms
    until_ms: Ms
    role: Id | None = None
    zone: Id | None = None
    for_staff: Id | None = None
    reason: Line = ""


class GroupBody(Body):
    """People who are called together."""

    group_id: RowId | None = None
    site: Id
    name: Line
    staff: Annotated[list[Id], Field(min_length=1, max_length=50)]


class ContactBody(Body):
    """Whom to call for a resident."""

    contact_id: RowId | None = None
    resident: Id
    name: Line
    kind: Literal["family", "responder"]
    relation: Line = ""
    phone: Line = ""
    channels: Annotated[dict[Id, Line], Field(max_length=10)] = Field(default_factory=dict)
    order: Annotated[int, Field(ge=1, le=99)] = 1


class HomeBody(Body):
    """What an ambulance asks for."""

    address: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    door_code: Line = ""
    medical: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class QuietBody(Body):
    """Quiet hours of a site."""

    site: Id
    start: ClockTime
    end: ClockTime
    up_to: Literal["info", "low"] = "low"


class SilenceBody(Body):
    """A silence of one rule for one resident."""

    resident: Id
    cause: Word
    reason: Annotated[str, StringConstraints(max_length=200, pattern=_NO_CONTROL)]
    until_s: Seconds | None = None


class HandoverBody(Body):
    """A shift that is handed over; without a receiver the desk takes it."""

    site: Id
    zone: Id | None = None
    receiver: Id | None = None
    note: Note = ""
