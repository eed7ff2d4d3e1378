"""What people do to an alert, as pure functions; what the state does not allow raises NotAllowedError with a machine word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.alerts.case import (
    DESK_ROLES,
    OWNED,
    Act,
    Case,
    Change,
    Moment,
    NotAllowedError,
    Tell,
    Timer,
    Timing,
    Transition,
    Why,
    settle,
    with_timers,
    with_view,
)
from gateway.alerts.machine import disown, end_silence, restart
from gateway.clock import NS_PER_S
from gateway.vocabulary import Action, AlertState, Outcome, Priority

HIGH_SILENCE_MAX_NS = 120 * NS_PER_S


def on_action(case: Case, action: Action, act: Act, timing: Timing, now: Moment) -> Change | None:
    """The case after a person's action; None if it already stands as asked (a double click)."""
    change = _ACTIONS[action](case, act, timing, now)
    return None if change is None else settle(change, now)


def _said(kind: str, act: Act, **body: object) -> Transition:
    details = {"note": act.note, "reason": act.reason, **body}
    return Transition(kind=kind, why=Why.PERSON, actor=act.actor, body={key: value for key, value in details.items() if value})


def _owns(case: Case, act: Act) -> bool:
    return case.view.state in OWNED and case.view.claimed_by == act.actor.id


def _refuse_if_resolved(case: Case) -> None:
    if case.view.state is AlertState.RESOLVED:
        raise NotAllowedError("resolved")


def _take(case: Case, act: Act, now: Moment) -> Case:
    """Make the actor the owner; raises if somebody else is."""
    _refuse_if_resolved(case)
    if case.view.state in OWNED and not _owns(case, act):
        raise NotAllowedError("claimed_by_other")
    return with_view(
        with_timers(case, {Timer.UNFOLD: None}),  # a person has it: nothing needs to speak for it, or later for itself
        claimed_by=act.actor.id,
        claimed_name=act.actor.name,
        claimed_ns=case.view.claimed_ns or now.wall_ns,
        folded_into=None,
    )


def _claim(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if _owns(case, act):
        return None
    case = with_view(_take(case, act, now), state=AlertState.CLAIMED)
    timers = {Timer.STEP: now.mono_ns + timing.arrive_ns, Timer.REVIEW: now.mono_ns + timing.ack_timeout_ns, Timer.SILENCE: None}
    return Change(case=with_timers(case, timers), transitions=(_said("claimed", act),), void="claimed")


def _release(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if case.view.state not in OWNED:
        raise NotAllowedError("not_claimed")
    if not _owns(case, act) and act.actor.role not in DESK_ROLES:
        raise NotAllowedError("claimed_by_other")
    said = _said("released", act, owner=case.view.claimed_by)
    return disown(case, "released", Why.RELEASED, timing, now, said=said)


def _arrive(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if _owns(case, act) and case.view.state is AlertState.ARRIVED:
        return None
    case = with_view(_take(case, act, now), state=AlertState.ARRIVED, arrived_ns=now.wall_ns)
    timers = {Timer.STEP: now.mono_ns + timing.resolve_ns, Timer.REVIEW: None, Timer.SILENCE: None}
    return Change(case=with_timers(case, timers), transitions=(_said("arrived", act),), void="arrived")


def _resolve(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    _refuse_if_resolved(case)
    if not isinstance(act.outcome, Outcome):
        raise NotAllowedError("outcome_missing")
    owner = case.view.claimed_by if case.view.state in OWNED else None
    if owner is None:
        case = _take(case, act, now)
    elif not _owns(case, act) and act.actor.role not in DESK_ROLES:
        raise NotAllowedError("claimed_by_other")
    case = with_view(
        case,
        state=AlertState.RESOLVED,
        resolved_ns=now.wall_ns,
        outcome=act.outcome,
        note=act.note or case.view.note,
    )
    recheck = now.mono_ns + timing.recheck_ns if case.findings else None
    case = with_timers(case, {Timer.STEP: None, Timer.REVIEW: None, Timer.SILENCE: None, Timer.RECHECK: recheck})
    return Change(case=case, transitions=(_said("resolved", act, outcome=act.outcome.value),), void="resolved")


def _support(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    """Somebody joins the owner; from the owner, or while nobody owns it, a request for more people."""
    _refuse_if_resolved(case)
    if case.view.state in OWNED and not _owns(case, act):
        if act.actor.id in case.view.supported_by:
            return None
        case = with_view(case, supported_by=(*case.view.supported_by, act.actor.id))
        return Change(case=case, transitions=(_said("supported", act),))
    step = min(case.view.step + 1, len(timing.steps_ns) - 1)
    tell = Tell(why=Why.SUPPORT, steps=(step,), but=act.actor.id)
    return Change(case=with_view(case, step=step), transitions=(_said("support_requested", act, step=step),), tells=(tell,))


def _silence(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if not case.silenceable:
        raise NotAllowedError("cannot_be_silenced")
    if case.view.state in (AlertState.RESOLVED, AlertState.CLEARED):
        raise NotAllowedError("not_open")
    if not act.reason.strip():
        raise NotAllowedError("reason_missing")
    longest = timing.silence_max_ns
    if case.view.priority >= Priority.HIGH:
        longest = min(longest, HIGH_SILENCE_MAX_NS)
    span_ns = longest if act.until_ns is None else min(act.until_ns, longest)
    if span_ns <= 0:
        raise NotAllowedError("span_invalid")
    case = with_timers(case, {Timer.SILENCE: now.mono_ns + span_ns})
    return Change(case=case, transitions=(_said("silenced", act, span_s=span_ns / NS_PER_S),))


def _unsilence(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if Timer.SILENCE not in case.timers:
        return None
    return end_silence(case, _said("unsilenced", act))


def _reopen(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if case.view.state not in (AlertState.RESOLVED, AlertState.CLEARED):
        raise NotAllowedError("open")
    # A person says that it is not over: from now on it does not clear by itself.
    case = with_view(case, latched=True)
    return restart(case, "reopened", Why.REOPENED, timing, now, _said("reopened", act))


def _seen(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if case.view.state is not AlertState.CLEARED:
        raise NotAllowedError("not_cleared")
    case = with_view(replace(case, timers={}), state=AlertState.RESOLVED, resolved_ns=now.wall_ns, note=act.note or case.view.note)
    return Change(case=case, transitions=(_said("seen", act),), void="seen")


def _note(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    if not act.note.strip():
        raise NotAllowedError("note_missing")
    return Change(case=case, transitions=(_said("noted", act),))


def _dispatch(case: Case, act: Act, timing: Timing, now: Moment) -> Change | None:
    """Somebody was sent (`reason` says who: a colleague, the family, a responder, 120); the clock goes on until somebody is there."""
    _refuse_if_resolved(case)
    if not act.reason.strip():
        raise NotAllowedError("reason_missing")
    return Change(case=case, transitions=(_said("dispatched", act),))


_ACTIONS: dict[Action, Callable[[Case, Act, Timing, Moment], Change | None]] = {
    Action.CLAIM: _claim,
    Action.RELEASE: _release,
    Action.ARRIVE: _arrive,
    Action.RESOLVE: _resolve,
    Action.SUPPORT: _support,
    Action.SILENCE: _silence,
    Action.UNSILENCE: _unsilence,
    Action.REOPEN: _reopen,
    Action.SEEN: _seen,
    Action.NOTE: _note,
    Action.DISPATCH: _dispatch,
}
