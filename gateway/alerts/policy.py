"""Escalation policies as data: who is told when, with deadlines in seconds; for all, for a site or a zone, for hours of the day."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.alerts.case import Timing
from gateway.clock import NS_PER_S
from gateway.registry import rota
from gateway.vocabulary import AlertKind, Priority

MINUTE_S = 60.0
Lane = Literal["call", "high", "medium", "low"]
LANES: tuple[Lane, ...] = ("call", "high", "medium", "low")


class PolicyError(ValueError):
    """A policy that cannot be used; the text names the key."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Target(_Data):
    """Whom a step calls.

    role = everybody on duty with it; staff = one person; group = its people, on duty or not; contact = the resident's family or responder;
    emergency = people who then call 120 by hand, with the address before them; desk = the house's own desk.
    """

    kind: Literal["role", "staff", "group", "contact", "emergency", "desk"]
    id: str = ""  # role, staff id, group id, or kind of contact; none for the desk and the emergency

    @model_validator(mode="after")
    def _complete(self) -> Target:
        if (self.kind in ("desk", "emergency")) == bool(self.id):
            raise ValueError("an id is needed, and the desk and the emergency have none")
        return self


class Hours(_Data):
    """Hours of the site's own clock; an `end` not after `start` is on the next day, and the weekday is that of the start."""

    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    end: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)

    @model_validator(mode="after")
    def _complete(self) -> Hours:
        if self.start == self.end or not self.weekdays or any(day not in range(7) for day in self.weekdays):
            raise ValueError("two different times and at least one weekday from 0 (Monday) to 6")
        return self

    def hold(self, tz: str, t_ns: int) -> bool:
        """Whether they run at `t_ns`."""
        span = rota.window_at(self.start, self.end, tz, t_ns)
        return span is not None and rota.weekday(tz, span[0]) in self.weekdays


class Step(_Data):
    """One rung: due `delay_s` after the alert was raised and nobody owned it."""

    delay_s: float = Field(ge=0)
    targets: tuple[Target, ...] = Field(min_length=1)
    channels: tuple[str, ...] = ()  # in this order; empty = each person's own channels


class Policy(_Data):
    """A ladder with its deadlines; the last step repeats until somebody owns the alert."""

    id: str
    version: int = Field(default=1, ge=1)
    steps: tuple[Step, ...] = Field(min_length=1)
    arrive_s: float = Field(gt=0)  # claimed, not arrived: next step
    resolve_s: float = Field(gt=0)  # arrived, not resolved: next step
    repeat_s: float = Field(gt=0)  # between repeats of the last step
    ack_timeout_s: float = Field(gt=0)  # claimed, not arrived, still abnormal: raised anew
    recheck_s: float = Field(gt=0)  # resolved, still abnormal: raised anew
    silence_max_s: float = Field(gt=0, le=1800)
    flap_s: float = Field(default=300, ge=0)  # the same cause within this span is the same alert
    by_shift: bool = False  # each step at the next change of shift instead of by its delay
    fallback_to_desk: bool = True  # a step that reaches nobody calls the desk
    cancel_window_s: float = Field(default=20, ge=0, le=120)  # within it, the wearer's "I'm OK" slows the ladder once
    confirm_s: float = Field(default=60, gt=0, le=180)  # until a person has to have confirmed that
    lane: Lane | None = None  # which alerts; the four defaults are known by their place in the book
    site_id: str | None = None  # None = everywhere
    zone_id: str | None = None
    hours: Hours | None = None  # None = at any time

    @model_validator(mode="after")
    def _ordered(self) -> Policy:
        delays = [step.delay_s for step in self.steps]
        if delays[0] != 0 or any(b <= a for a, b in itertools.pairwise(delays)):
            raise ValueError("steps: the first at 0 s, each later than the one before")
        if self.zone_id is not None and self.site_id is None:
            raise ValueError("zone_id: only with its site_id")
        return self

    def timing(self, by_shift_ns: int | None = None) -> Timing:
        """Spans for the state machine; with `by_shift_ns`, rungs follow each other by that span."""
        if by_shift_ns is None:
            steps = tuple(_ns(step.delay_s) for step in self.steps)
        else:
            steps = tuple(i * by_shift_ns for i in range(len(self.steps)))
        return Timing(
            steps_ns=steps,
            arrive_ns=_ns(self.arrive_s),
            resolve_ns=_ns(self.resolve_s),
            repeat_ns=_ns(self.repeat_s) if by_shift_ns is None else by_shift_ns,
            ack_timeout_ns=_ns(self.ack_timeout_s),
            recheck_ns=_ns(self.recheck_s),
            silence_max_ns=_ns(self.silence_max_s),
            flap_ns=_ns(self.flap_s),
            cancel_window_ns=_ns(self.cancel_window_s),
            confirm_ns=_ns(self.confirm_s),
        )


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


class Address(_Data):
    """A channel and where it goes; an empty address is the channel's own."""

    channel: str
    address: str = ""


class Storm(_Data):
    """When silent devices of one site become one alert."""

    count: int = Field(default=5, ge=2)
    window_s: float = Field(default=60, gt=0)


def _steps(*delays_s: float) -> tuple[Step, ...]:
    caregiver, nurse, desk = Target(kind="role", id="caregiver"), Target(kind="role", id="nurse"), Target(kind="desk")
    rungs: tuple[tuple[Target, ...], ...] = ((caregiver,), (caregiver, nurse), (nurse, desk), (caregiver, nurse, desk))
    return tuple(Step(delay_s=delay, targets=rungs[i]) for i, delay in enumerate((0.0, *delays_s)))


def _policy(name: str, t1: float, t2: float, t3: float, silence_max_s: float, *, by_shift: bool = False) -> Policy:
    return Policy(
        id=name,
        steps=_steps(t1, t2, t3),
        arrive_s=t2,
        resolve_s=t3,
        repeat_s=t3 - t2,
        ack_timeout_s=2 * t3,
        recheck_s=t3,
        silence_max_s=silence_max_s,
        by_shift=by_shift,
    )


_CALL = _policy("call", 30, 60, 120, 120)
_HIGH = _policy("high", 60, 180, 600, 120)
_MEDIUM = _policy("medium", 5 * MINUTE_S, 15 * MINUTE_S, 60 * MINUTE_S, 1800)
_LOW = _policy("low", 8 * 60 * MINUTE_S, 16 * 60 * MINUTE_S, 24 * 60 * MINUTE_S, 1800, by_shift=True)


class PolicyBook(_Data):
    """All policies of the installation and where the desk itself is reached."""

    version: int = Field(default=1, ge=1)
    call: Policy = _CALL
    high: Policy = _HIGH
    medium: Policy = _MEDIUM
    low: Policy = _LOW
    sites: dict[str, dict[Lane, Policy]] = Field(default_factory=dict)
    own: tuple[Policy, ...] = ()  # set by people in the registry; they come first
    desk: tuple[Address, ...] = ()
    storm: Storm = Storm()

    def choose(
        self,
        kind: AlertKind,
        priority: Priority,
        site_id: str | None,
        zone_id: str | None = None,
        *,
        tz: str = "UTC",
        t_ns: int | None = None,
    ) -> Policy:
        """The policy of an alert: the one that names most of its zone, site and hour; among equals the one set last."""
        lane = lane_of(kind, priority)
        fitting = [one for one in self.own if one.lane == lane and _fits(one, site_id, zone_id, tz, t_ns)]
        if fitting:
            return max(reversed(fitting), key=lambda one: (one.zone_id is not None, one.site_id is not None, one.hours is not None))
        own = self.sites.get(site_id or "", {}).get(lane)
        if own is not None:
            return own
        return self.default(lane)

    def default(self, lane: Lane) -> Policy:
        """The installation's policy of a lane."""
        return {"call": self.call, "high": self.high, "medium": self.medium, "low": self.low}[lane]

    def policies(self) -> Iterator[tuple[str | None, Policy]]:
        """(site or None, policy) of all that is defined."""
        yield from ((None, policy) for policy in (self.call, self.high, self.medium, self.low))
        for site_id, own in self.sites.items():
            yield from ((site_id, policy) for policy in own.values())
        yield from ((policy.site_id, policy) for policy in self.own)


def lane_of(kind: AlertKind, priority: Priority) -> Lane:
    """Which ladder an alert climbs."""
    if kind is AlertKind.CALL:
        return "call"
    return "high" if priority >= Priority.HIGH else "medium" if priority >= Priority.MEDIUM else "low"


def _fits(policy: Policy, site_id: str | None, zone_id: str | None, tz: str, t_ns: int | None) -> bool:
    if policy.site_id not in (None, site_id) or policy.zone_id not in (None, zone_id):
        return False
    return policy.hours is None or (t_ns is not None and policy.hours.hold(tz, t_ns))


def from_options(options: dict[str, Any]) -> PolicyBook:
    """The book of a configuration; `ladder.<name> = [T1, T2, T3]` (seconds) stands for a default ladder with these deadlines."""
    raw = dict(options)
    ladder = raw.pop("ladder", {})
    defaults = {"call": (_CALL, 120.0), "high": (_HIGH, 120.0), "medium": (_MEDIUM, 1800.0), "low": (_LOW, 1800.0)}
    if not isinstance(ladder, dict):
        raise PolicyError("alerts.options.ladder: a table of name = [T1, T2, T3]")
    for name, spans in ladder.items():
        if name not in defaults:
            raise PolicyError(f"alerts.options.ladder.{name}: unknown ladder; call, high, medium or low")
        try:
            t1, t2, t3 = (float(span) for span in spans)
            raw.setdefault(name, _policy(name, t1, t2, t3, defaults[name][1]))
        except (TypeError, ValueError) as error:
            raise PolicyError(f"alerts.options.ladder.{name}: three rising spans in seconds") from error
    try:
        return PolicyBook.model_validate(raw)
    except ValidationError as error:
        keys = "; ".join(f"alerts.options.{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise PolicyError(keys) from error
