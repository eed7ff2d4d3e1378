"""What holds a telling back: another alert that speaks for it, a silence, quiet hours. Never a call, never high priority. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alerts.actions import HIGH_SILENCE_MAX_NS
from gateway.alerts.case import Case, Change, Moment, Timer, Transition, Why, hush, with_timers, with_view
from gateway.registry.view import Quiet
from gateway.vocabulary import AlertKind, AlertState, Priority

QUIET_UP_TO = {"info": Priority.INFO, "low": Priority.LOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSilence:
    """A silence of one rule for one resident that is in force."""

    id: str
    reason: str
    author: str
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What stands around a case when it wants to say something."""

    folded: bool = False
    silence: RuleSilence | None = None
    superseded_by: str | None = None
    quiet: bool = False


def hold(change: Change, before: Case | None, around: Around, now: Moment) -> Change:
    """The change with its telling held back where that is right, and the reason on record."""
    case = change.case
    if around.folded:
        return hush(change, before, Why.FOLDED)
    if not case.silenceable:
        return change
    if around.silence is not None and case.view.state is AlertState.RAISED and Timer.SILENCE not in case.timers:
        change = _silenced(change, before, around.silence, now)
    if change.case.view.priority >= Priority.HIGH:
        return change
    if around.superseded_by is not None:
        return hush(change, before, Why.SUPERSEDED, owner_hears=True)
    return hush(change, before, Why.QUIET, owner_hears=True) if around.quiet else change


def _silenced(change: Change, before: Case | None, silence: RuleSilence, now: Moment) -> Change:
    """The rule's silence becomes the alert's own for the rest of its span; at high priority only the sound stops, and for 2 minutes."""
    until_ns = silence.until_ns
    high = change.case.view.priority >= Priority.HIGH
    if high:
        until_ns = min(until_ns, silence.from_ns + HIGH_SILENCE_MAX_NS)
    left_ns = until_ns - now.wall_ns
    if left_ns <= 0:
        return change
    case = with_timers(change.case, {Timer.SILENCE: now.mono_ns + left_ns})
    case = with_view(case, silenced_until_ns=until_ns)
    body = {"silence": silence.id, "reason": silence.reason, "author": silence.author, "span_s": left_ns / 1e9}
    said = Transition(kind="silenced", why=Why.SILENCED, body=body)
    change = Change(case=case, transitions=(*change.transitions, said), tells=change.tells, void=change.void)
    return change if high else hush(change, before, Why.SILENCED)


def supersedes(other: Case, case: Case) -> bool:
    """Whether another alert of the same resident calls louder, so that this one need not call as well."""
    if other.view.id == case.view.id or other.view.kind is AlertKind.TECHNICAL or other.view.folded_into is not None:
        return False
    louder = other.view.priority > case.view.priority
    return louder and other.view.state in (AlertState.RAISED, AlertState.CLAIMED, AlertState.ARRIVED) and not other.view.condition_over


def waits(quiet: Quiet | None, case: Case) -> bool:
    """Whether an alert is of the kind that waits for the morning."""
    return quiet is not None and case.view.kind is not AlertKind.CALL and case.view.priority <= QUIET_UP_TO[quiet.up_to]
