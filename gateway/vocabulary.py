"""Words that the whole gateway shares: enumerations and immutable views, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any


class Origin(IntEnum):
    """Where a record came from; only LIVE reaches figures and a real health record."""

    LIVE = 0
    SIM = 1
    REPLAY = 2
    IMPORT = 3
    TEST = 4


class Priority(IntEnum):
    """Alarm priority (IEC 60601-1-8 terms); larger is worse."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class AlertKind(StrEnum):
    """Physiological and technical conditions are never merged; calls have a lane of their own."""

    PHYSIOLOGICAL = "physiological"
    TECHNICAL = "technical"
    CALL = "call"


class AlertState(StrEnum):
    """Main states of an alert; side records (escalated, supported, silenced) stand beside them."""

    RAISED = "raised"
    CLAIMED = "claimed"
    ARRIVED = "arrived"
    RESOLVED = "resolved"
    CLEARED = "cleared"  # the condition ended before anyone came; stays until seen


class Outcome(StrEnum):
    """How an alert ended, by the person who handled it."""

    HELPED = "helped"
    FALSE_ALARM = "false_alarm"
    TEST = "test"
    DEVICE = "device"
    REFUSED = "refused"
    HOSPITAL = "hospital"
    OTHER = "other"


class Action(StrEnum):
    """What a person can do to an alert."""

    CLAIM = "claim"
    RELEASE = "release"
    ARRIVE = "arrive"
    RESOLVE = "resolve"
    SUPPORT = "support"
    SILENCE = "silence"
    UNSILENCE = "unsilence"
    REOPEN = "reopen"
    SEEN = "seen"  # dismiss a CLEARED alert
    NOTE = "note"  # say something about it
    DISPATCH = "dispatch"  # somebody was sent: a colleague, the family, a responder, 120


class Role(StrEnum):
    """Roles of people who sign in; deny by default."""

    CAREGIVER = "caregiver"
    FAMILY = "family"
    CLINICIAN = "clinician"
    OPERATOR = "operator"
    ADMIN = "admin"
    SUPERVISOR = "supervisor"  # figures of whole houses, nobody's own data
    DISPLAY = "display"  # a screen on the wall, which shows and does nothing


class Phase(StrEnum):
    """Phase of a finding: one START per onset, at most one END."""

    START = "start"
    UPDATE = "update"
    END = "end"


NOT_APPLICABLE = "not_applicable"  # parameter of an END: the rule no longer applies, nothing normal was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What detection says: deterministic, no sentences (code + params), no clock of its own."""

    id: str  # from (resident or device, rule, onset offset); the same in every replay
    phase: Phase
    rule: str  # e.g. "limit.spo2.low", "call.sos", "nodata.hr", "trend.hr", "news2.high"
    rule_version: int
    cause: str  # what merges: one open alert per (subject, cause), e.g. "spo2.low", "call.sos"
    kind: AlertKind
    priority: Priority
    resident: str | None
    device: str | None
    onset_offset: int  # journal offset
    onset_ns: int
    offset: int
    t_ns: int
    late_s: float = 0.0
    latched: bool = False
    origin: Origin = Origin.LIVE
    code: str = ""  # message code for the screens, e.g. "finding.limit.low"
    params: dict[str, Any] = field(default_factory=dict)  # numbers and keys for the sentence
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a person's user id, or "system"."""

    id: str
    name: str = ""
    role: Role | None = None


SYSTEM = Actor(id="system", name="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """An alert as everybody else sees it; `version` guards decisions that can race."""

    id: str
    version: int
    state: AlertState
    priority: Priority
    kind: AlertKind
    rule: str
    cause: str
    code: str
    params: dict[str, Any]
    resident_id: str | None
    device_id: str | None
    site_id: str | None
    zone_id: str | None
    place: str  # "3-01" or the last known room; empty if unknown
    raised_ns: int
    last_ns: int  # last repeat
    count: int
    latched: bool
    condition_over: bool
    late_s: float
    origin: Origin
    step: int  # escalation step reached
    next_step_ns: int | None
    claimed_by: str | None = None
    claimed_name: str | None = None
    claimed_ns: int | None = None
    arrived_ns: int | None = None
    resolved_ns: int | None = None
    outcome: Outcome | None = None
    note: str = ""
    silenced_until_ns: int | None = None
    supported_by: tuple[str, ...] = ()
    folded_into: str | None = None  # the site's or the gateway's alert that speaks for this one
    onset_ns: int | None = None  # when the condition began
    detected_ns: int | None = None  # when the data said so: the alarm condition delay lies between the two
    told_ns: int | None = None  # when somebody was first called: the signal generation delay lies before it
    delivered_ns: int | None = None  # when a channel first took a page: the transmission delay lies before it
    incident_id: str | None = None  # the first of the resident's alerts that are one matter
    wearer_ok_ns: int | None = None  # the wearer said "I'm OK" in time; a person has to confirm it
    stale: bool = False  # its data are no longer live: nobody knows whether the condition lasts


class AlertNotFound(LookupError):
    """No such alert, or not one that the asker may know."""


class AlertConflict(RuntimeError):
    """Somebody else was first, or the state does not allow the action; `current` tells how it stands."""

    def __init__(self, reason: str, current: AlertView) -> None:
        super().__init__(reason)
        self.reason = reason
        self.current = current
