"""The values that the alert state machine works on: a case, its timers, and what a change asks the desk to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from gateway.vocabulary import SYSTEM, Actor, AlertKind, AlertState, AlertView, Finding, Priority, Role

OWNED = frozenset({AlertState.CLAIMED, AlertState.ARRIVED})
DESK_ROLES = frozenset({Role.CLINICIAN, Role.OPERATOR, Role.ADMIN})  # may release or resolve what somebody else owns
MAX_FINDINGS = 64  # conditions kept apart per alert; more only count
NEVER_SILENT = ("call.", "fall")
MOMENTARY = ("call.", "fall", "bed_exit")  # causes that happen and have no end


class Timer(StrEnum):
    """What a case waits for."""

    STEP = "step"  # next rung, late arrival or late resolution
    SILENCE = "silence"  # the silence ends
    REVIEW = "review"  # claimed and forgotten
    RECHECK = "recheck"  # resolved while the condition lasts
    UNFOLD = "unfold"  # what spoke for it is over; it speaks for itself if it lasts


class Why(StrEnum):
    """Why a transition happened or a page goes out."""

    NEW = "new"
    AGAIN = "again"
    CALLED_AGAIN = "called_again"
    WORSE = "worse"
    UNCLAIMED = "unclaimed"
    NOT_ARRIVED = "not_arrived"
    NOT_RESOLVED = "not_resolved"
    STILL_ABNORMAL = "still_abnormal"
    SILENCE_ENDED = "silence_ended"
    SHIFT_END = "shift_end"
    RELEASED = "released"
    REOPENED = "reopened"
    SUPPORT = "support"
    FLAPPING = "flapping"
    PERSON = "person"
    CONDITION_OVER = "condition_over"
    NOT_APPLICABLE = "not_applicable"
    WEARER_OK = "wearer_ok"
    FOLDED = "folded"
    SILENCED = "silenced"
    SILENCE_STALE = "silence_ended_stale"
    HANDED_OVER = "handed_over"
    INCIDENT = "incident"
    MERGED = "merged"
    REATTRIBUTED = "reattributed"
    SUPERSEDED = "superseded"
    QUIET = "quiet_hours"
    AWAY = "away"
    DELIVERED = "delivered"


class NotAllowedError(ValueError):
    """The state does not allow the action; `args[0]` is a machine word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now, on both clocks: wall time for stamps, monotonic time for spans."""

    wall_ns: int
    mono_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A policy's spans in nanoseconds; `steps_ns` counts from the raise, its first is 0."""

    steps_ns: tuple[int, ...]
    arrive_ns: int
    resolve_ns: int
    repeat_ns: int
    ack_timeout_ns: int
    recheck_ns: int
    silence_max_ns: int
    flap_ns: int
    cancel_window_ns: int = 0
    confirm_ns: int = 0

    def gap_ns(self, step: int) -> int:
        """Span from a rung to the next, or to its own repeat if it is the last."""
        if step + 1 < len(self.steps_ns):
            return self.steps_ns[step + 1] - self.steps_ns[step]
        return self.repeat_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a finding belongs, as the registry knows it when the alert is raised."""

    subject: str  # what the cause is about: a resident, a device, a site or the gateway
    resident_id: str | None = None
    device_id: str | None = None
    site_id: str | None = None
    zone_id: str | None = None
    place: str = ""
    initials: str = ""
    incident_id: str | None = None  # of the resident's open alerts
    owner: str | None = None  # who is with the resident already because of one of them
    owned_priority: Priority = Priority.INFO  # the worst that this person knows of


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An alert with what only the machine needs; times of `timers` and `told_mono_ns` are monotonic."""

    view: AlertView
    subject: str
    initials: str = ""
    timers: Mapping[Timer, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()  # conditions that last, oldest first
    told_mono_ns: int | None = None  # when somebody was last told

    @property
    def open(self) -> bool:
        """Whether it stands on the wall."""
        return self.view.state is not AlertState.RESOLVED

    @property
    def silenceable(self) -> bool:
        """Calls, falls and values beyond the extreme limit, where a sensor's floor counts too, can only be claimed."""
        view = self.view
        return view.kind is not AlertKind.CALL and not view.cause.startswith(NEVER_SILENT) and not view.params.get("extreme")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A person's action with its details."""

    actor: Actor
    note: str = ""
    outcome: Any = None
    until_ns: int | None = None  # span of a silence
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of an alert's life for the record."""

    kind: str
    why: str
    actor: Actor = SYSTEM
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """People to be told: those of some rungs, the owner, the desk; `held` names why they are not told after all."""

    why: Why
    steps: tuple[int, ...] = ()
    owner: str | None = None
    desk: bool = False
    held: str = ""
    but: str | None = None  # the user who asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The case after an input, with what to record, whom to tell, and why pages not yet sent are void."""

    case: Case
    transitions: tuple[Transition, ...] = ()
    tells: tuple[Tell, ...] = ()
    void: str = ""

    def then(self, other: Change) -> Change:
        """This change followed by another one of the same case."""
        return Change(
            case=other.case,
            transitions=self.transitions + other.transitions,
            tells=self.tells + other.tells,
            void=other.void or self.void,
        )


def momentary(finding: Finding) -> bool:
    """Whether the finding is an event without an end, rather than a condition that lasts."""
    return finding.kind is AlertKind.CALL or finding.cause.startswith(MOMENTARY)


def latches(finding: Finding) -> bool:
    """Whether the signal stays after the condition is over."""
    return finding.latched or momentary(finding) or finding.priority >= Priority.HIGH


def with_view(case: Case, **fields: Any) -> Case:
    """The case with fields of its view replaced."""
    return replace(case, view=replace(case.view, **fields))


def with_timers(case: Case, timers: Mapping[Timer, int | None]) -> Case:
    """The case with timers set (monotonic ns) or, where None, dropped."""
    merged = {**case.timers, **timers}
    return replace(case, timers={timer: due for timer, due in merged.items() if due is not None})


def hush(change: Change, before: Case | None, why: Why, *, owner_hears: bool = False) -> Change:
    """Hold back what the change would say, or all but what its owner hears; the earlier telling stays the last one."""
    tells = tuple(tell if owner_hears and tell.owner is not None else replace(tell, held=tell.held or why) for tell in change.tells)
    if not all(tell.held for tell in tells) or not tells:
        return replace(change, tells=tells)
    told_mono_ns, told_ns = (None, None) if before is None else (before.told_mono_ns, before.view.told_ns)
    return replace(change, tells=tells, case=with_view(replace(change.case, told_mono_ns=told_mono_ns), told_ns=told_ns))


def settle(change: Change, now: Moment, told: bool | None = None) -> Change:
    """Finish a change: one version further, wall times of the timers shown in the view, the time of telling kept."""
    case = change.case
    shift_ns = now.wall_ns - now.mono_ns
    step, silence = case.timers.get(Timer.STEP), case.timers.get(Timer.SILENCE)
    if told if told is not None else any(not tell.held for tell in change.tells):
        case = with_view(replace(case, told_mono_ns=now.mono_ns), told_ns=case.view.told_ns or now.wall_ns)
    case = with_view(
        case,
        version=case.view.version + 1,
        next_step_ns=None if step is None else step + shift_ns,
        silenced_until_ns=None if silence is None else silence + shift_ns,
    )
    return replace(change, case=case)
