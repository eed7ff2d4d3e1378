"""The alert's life as a pure function: case + finding or passing of time -> case, transitions, people to tell. No clock, no I/O."""

from __future__ import annotations

from dataclasses import replace

from gateway.alerts.case import (
    MAX_FINDINGS,
    OWNED,
    Case,
    Change,
    Moment,
    Standing,
    Tell,
    Timer,
    Timing,
    Transition,
    Why,
    latches,
    momentary,
    settle,
    with_timers,
    with_view,
)
from gateway.clock import NS_PER_S
from gateway.vocabulary import NOT_APPLICABLE, Actor, AlertKind, AlertState, AlertView, Finding, Phase, Priority

RESOUND_NS = 5 * NS_PER_S  # a button pressed ten times in a row calls once, and counts ten


def raise_case(alert_id: str, finding: Finding, standing: Standing, timing: Timing, now: Moment) -> Change:
    """A new alert, announced at once."""
    view = AlertView(
        id=alert_id,
        version=0,
        state=AlertState.RAISED,
        priority=finding.priority,
        kind=finding.kind,
        rule=finding.rule,
        cause=finding.cause,
        code=finding.code,
        params=finding.params,
        resident_id=standing.resident_id,
        device_id=standing.device_id,
        site_id=standing.site_id,
        zone_id=standing.zone_id,
        place=standing.place,
        raised_ns=now.wall_ns,
        last_ns=now.wall_ns,
        count=1,
        latched=latches(finding),
        condition_over=False,
        stale=False,
        late_s=finding.late_s,
        origin=finding.origin,
        step=0,
        next_step_ns=None,
        onset_ns=finding.onset_ns,
        detected_ns=finding.t_ns,
        incident_id=standing.incident_id or alert_id,
    )
    case = Case(view=view, subject=standing.subject, initials=standing.initials)
    case = _with_finding(case, finding)
    change = _announce(case, "raised", Why.NEW, timing, now)
    if standing.owner is not None:
        # Somebody is with the resident already: that person hears it first, and alone if it is no worse.
        more = finding.kind is AlertKind.CALL or finding.priority > standing.owned_priority
        tells = (Tell(why=Why.INCIDENT, owner=standing.owner), *(change.tells if more else ()))
        change = replace(change, tells=tells)
    return settle(change, now)


def on_finding(case: Case, finding: Finding, timing: Timing, now: Moment) -> Change:
    """A finding about the case's cause; `timing` is that of the worse of both priorities."""
    if finding.phase is Phase.END:
        return _ended(case, finding, now)
    if finding.phase is Phase.UPDATE and cancelled(finding):
        return settle(_wearer_ok(case, timing, now), now)
    worse = finding.priority > case.view.priority
    repeat = finding.phase is Phase.START
    change = Change(case=_merged(case, finding, now))
    state = case.view.state
    if state is AlertState.CLEARED or state is AlertState.RESOLVED:
        change = change.then(_returns(change.case, worse, repeat, timing, now))
    else:
        change = change.then(_continues(change.case, worse, repeat, timing, now))
    return settle(change, now)


def on_time(case: Case, timing: Timing, now: Moment, *, stale: bool = False) -> Change | None:
    """All of the case's timers that are due; None if none is. `stale`: the data of its condition are not live any more."""
    due = {timer for timer, at_ns in case.timers.items() if at_ns <= now.mono_ns}
    if not due:
        return None
    change = Change(case=case)
    if Timer.SILENCE in due:
        change = change.then(end_silence(change.case, stale=stale))
    if Timer.UNFOLD in due:
        change = change.then(_unfold(change.case, timing, now))
    if Timer.RECHECK in due:
        change = change.then(_still_abnormal(change.case, timing, now))
    if Timer.REVIEW in due and change.case.view.state is AlertState.CLAIMED:
        change = change.then(disown(change.case, "reraised", Why.NOT_ARRIVED, timing, now))
    elif Timer.STEP in due:
        change = change.then(_next_rung(change.case, timing, now))
    case = with_timers(change.case, {timer: None for timer in due if change.case.timers.get(timer, now.mono_ns + 1) <= now.mono_ns})
    return settle(replace(change, case=case), now)


def fold(case: Case, into: str, now: Moment) -> Change:
    """Let the site's or the gateway's alert speak for this one: it stays on record, without a ladder of its own."""
    case = with_timers(with_view(case, folded_into=into), {Timer.STEP: None, Timer.SILENCE: None, Timer.UNFOLD: None})
    held = Tell(why=Why.FOLDED, steps=(case.view.step,), held=Why.FOLDED)
    change = Change(case=case, transitions=(Transition(kind="folded", why=Why.FOLDED, body={"into": into}),), tells=(held,), void="folded")
    return settle(change, now)


def unfold_in(case: Case, span_ns: int, now: Moment) -> Change:
    """What spoke for the case is over: if its own condition lasts for this span, it speaks for itself."""
    case = with_timers(case, {Timer.UNFOLD: now.mono_ns + span_ns})
    return settle(Change(case=case, transitions=(Transition(kind="unfolding", why=Why.CONDITION_OVER),)), now)


def speak_now(case: Case, now: Moment) -> Change:
    """What spoke for the case is over before anybody was told of it: its ladder goes on at once."""
    case = with_timers(case, {Timer.STEP: now.mono_ns})
    return settle(Change(case=case, transitions=(Transition(kind="unfolding", why=Why.SUPERSEDED),)), now)


def hand_over(case: Case, to: Actor, why: str, now: Moment) -> Change:
    """Another person becomes the owner; the clock of arriving and resolving goes on."""
    said = Transition(kind="handed_over", why=why, actor=to, body={"owner": case.view.claimed_by})
    case = with_view(case, claimed_by=to.id, claimed_name=to.name)
    return settle(Change(case=case, transitions=(said,), tells=(Tell(why=Why.HANDED_OVER, owner=to.id),)), now)


def move(case: Case, standing: Standing, now: Moment, why: Why = Why.MERGED) -> Change:
    """The resident's record was merged into another one, or the reading is another person's: the alert follows."""
    said = Transition(kind="followed", why=why, body={"from": case.view.resident_id})
    place = standing.place or case.view.place
    case = with_view(case, resident_id=standing.resident_id, site_id=standing.site_id, zone_id=standing.zone_id, place=place)
    return settle(Change(case=replace(case, subject=standing.subject, initials=standing.initials), transitions=(said,)), now)


def absorb(case: Case, other: Case, now: Moment) -> Change:
    """The same cause stood with both records of one person: this case speaks for both."""
    view, worse = case.view, other.view.priority > case.view.priority
    case = replace(case, findings=tuple(dict.fromkeys((*case.findings, *other.findings)))[-MAX_FINDINGS:])
    case = with_view(
        case,
        priority=max(view.priority, other.view.priority),
        count=view.count + other.view.count,
        last_ns=max(view.last_ns, other.view.last_ns),
        raised_ns=min(view.raised_ns, other.view.raised_ns),
        latched=view.latched or other.view.latched,
        condition_over=view.condition_over and other.view.condition_over,
    )
    tells = (Tell(why=Why.WORSE, steps=(view.step,)),) if worse and view.state is AlertState.RAISED else ()
    said = Transition(kind="absorbed", why=Why.MERGED, body={"alert": other.view.id})
    return settle(Change(case=case, transitions=(said,), tells=tells), now)


def close_merged(case: Case, into: str, now: Moment) -> Change:
    """The other alert speaks for this one from now on."""
    case = with_view(replace(case, timers={}, findings=()), state=AlertState.RESOLVED, resolved_ns=now.wall_ns)
    said = Transition(kind="resolved", why=Why.MERGED, body={"into": into})
    return settle(Change(case=case, transitions=(said,), void="merged"), now)


def disown(case: Case, kind: str, why: Why, timing: Timing, now: Moment, *, said: Transition | None = None) -> Change:
    """Take the case from its owner: back to everybody, or to `cleared` if its condition is over."""
    owner = case.view.claimed_by
    transition = said or Transition(kind=kind, why=why, body={"owner": owner})
    case = with_view(case, claimed_by=None, claimed_name=None, claimed_ns=None, arrived_ns=None)
    case = with_timers(case, {Timer.STEP: None, Timer.REVIEW: None})
    if case.view.condition_over and not case.view.latched:
        return Change(case=with_view(case, state=AlertState.CLEARED), transitions=(transition,))
    case = with_view(case, state=AlertState.RAISED)
    case = with_timers(case, {Timer.STEP: now.mono_ns + timing.gap_ns(case.view.step)})
    tell = Tell(why=why, steps=(case.view.step,), desk=why is Why.SHIFT_END, owner=owner if why is Why.NOT_ARRIVED else None)
    return Change(case=case, transitions=(transition,), tells=(tell,))


def on_shift_end(case: Case, timing: Timing, now: Moment) -> Change:
    """The owner's shift is over: the desk takes the alert back."""
    return settle(disown(case, "released", Why.SHIFT_END, timing, now), now)


def end_silence(case: Case, transition: Transition | None = None, *, stale: bool = False) -> Change:
    """Sound again; what was held back meanwhile is said now if nobody owns the alert. Stale data never count as "it is over"."""
    why = Why.SILENCE_STALE if stale else Why.SILENCE_ENDED
    case = with_view(with_timers(case, {Timer.SILENCE: None}), stale=stale)
    transition = transition or Transition(kind="unsilenced", why=why)
    tells: tuple[Tell, ...] = ()
    if case.view.state is AlertState.RAISED:
        tells = (Tell(why=why, steps=tuple(range(case.view.step + 1))),)  # rungs that were held back as well
    return Change(case=case, transitions=(transition,), tells=tells)


def restart(case: Case, kind: str, why: Why, timing: Timing, now: Moment, transition: Transition | None = None) -> Change:
    """Open the case anew, unowned, from the first rung."""
    case = with_view(
        case,
        state=AlertState.RAISED,
        step=0,
        claimed_by=None,
        claimed_name=None,
        claimed_ns=None,
        arrived_ns=None,
        resolved_ns=None,
        outcome=None,
        folded_into=None,
        wearer_ok_ns=None,
    )
    case = with_timers(case, {Timer.REVIEW: None, Timer.RECHECK: None, Timer.SILENCE: None, Timer.UNFOLD: None})
    return _announce(case, kind, why, timing, now, transition)


def cancelled(finding: Finding) -> bool:
    """Whether the wearer says "I'm OK"."""
    return finding.kind is AlertKind.CALL and (bool(finding.params.get("cancelled")) or finding.code.endswith("cancel"))


def _wearer_ok(case: Case, timing: Timing, now: Moment) -> Change:
    """The wearer says OK. It closes nothing: in time it slows the ladder once until a person confirms it; later it is only passed on."""
    said = Transition(kind="wearer_ok", why=Why.WEARER_OK)
    view, step = case.view, case.timers.get(Timer.STEP)
    in_time = 0 <= now.wall_ns - view.raised_ns <= timing.cancel_window_ns
    if view.state in OWNED:
        return Change(case=case, transitions=(said,), tells=(Tell(why=Why.WEARER_OK, owner=view.claimed_by),))
    if view.state is not AlertState.RAISED or view.wearer_ok_ns is not None or not in_time or step is None:
        return Change(case=case, transitions=(said,))
    case = with_view(case, wearer_ok_ns=now.wall_ns)
    case = with_timers(case, {Timer.STEP: max(step, now.mono_ns + timing.confirm_ns)})
    return Change(case=case, transitions=(said,), tells=(Tell(why=Why.WEARER_OK, steps=(view.step,)),))


def _unfold(case: Case, timing: Timing, now: Moment) -> Change:
    case = with_timers(case, {Timer.UNFOLD: None})
    if case.view.state is not AlertState.RAISED or case.view.folded_into is None:
        return Change(case=case)
    return restart(case, "unfolded", Why.STILL_ABNORMAL, timing, now)


def _announce(case: Case, kind: str, why: Why, timing: Timing, now: Moment, transition: Transition | None = None) -> Change:
    case = with_timers(case, {Timer.STEP: now.mono_ns + timing.gap_ns(case.view.step)})
    return Change(
        case=case,
        transitions=(transition or Transition(kind=kind, why=why),),
        tells=(Tell(why=why, steps=(case.view.step,)),),
    )


def _with_finding(case: Case, finding: Finding) -> Case:
    if momentary(finding) or finding.id in case.findings:
        return case
    return replace(case, findings=(*case.findings, finding.id)[-MAX_FINDINGS:])


def _merged(case: Case, finding: Finding, now: Moment) -> Case:
    view = case.view
    case = _with_finding(case, finding)
    worse = finding.priority > view.priority
    return with_view(
        case,
        priority=max(view.priority, finding.priority),
        rule=finding.rule if worse else view.rule,
        code=finding.code if worse or not view.code else view.code,
        params=finding.params or view.params,
        latched=view.latched or latches(finding),
        count=view.count + (finding.phase is Phase.START),
        last_ns=now.wall_ns,
        condition_over=False,
        stale=False,
        late_s=finding.late_s if finding.phase is Phase.START else view.late_s,
    )


def _continues(case: Case, worse: bool, repeat: bool, timing: Timing, now: Moment) -> Change:
    """An open case goes on: counted; a repeated call re-sounds to its owner; what is worse is said at once."""
    call = case.view.kind is AlertKind.CALL
    kind = "worsened" if worse else "repeated" if repeat else "updated"
    why = Why.WORSE if worse else Why.CALLED_AGAIN if call else Why.AGAIN
    change = Change(case=case, transitions=(Transition(kind=kind, why=why),))
    if Timer.SILENCE in case.timers and (worse or not case.silenceable):  # worse, or a sensor's floor: no silence holds that
        loud = with_timers(case, {Timer.SILENCE: None})
        change = change.then(Change(case=loud, transitions=(Transition(kind="unsilenced", why=Why.WORSE),)))
        worse = True
    if not worse and not (call and repeat):
        return change
    case = change.case
    again = case.view.wearer_ok_ns is not None and repeat  # pressed after "I'm OK": nothing is slowed any more
    if again:
        case = _sooner(with_view(case, wearer_ok_ns=None), timing, now)
    owner = case.view.claimed_by if case.view.state in OWNED else None
    soon = not again and case.told_mono_ns is not None and now.mono_ns - case.told_mono_ns < RESOUND_NS
    tell = Tell(why=why, owner=owner, steps=() if owner else (case.view.step,), held="told_just_now" if soon and not worse else "")
    if worse:
        case = _sooner(case, timing, now)
    if case.view.folded_into is not None:
        tell = replace(tell, held=Why.FOLDED)
    return change.then(Change(case=case, tells=(tell,)))


def _sooner(case: Case, timing: Timing, now: Moment) -> Case:
    """A worse priority has shorter deadlines; they never move further away."""
    spans = {AlertState.CLAIMED: timing.arrive_ns, AlertState.ARRIVED: timing.resolve_ns}
    span_ns = spans.get(case.view.state, timing.gap_ns(case.view.step))
    step = case.timers.get(Timer.STEP)
    if step is None:
        return case
    return with_timers(case, {Timer.STEP: min(step, now.mono_ns + span_ns)})


def _returns(case: Case, worse: bool, repeat: bool, timing: Timing, now: Moment) -> Change:
    """The condition is back (or lasts) after `cleared` or `resolved`."""
    view = case.view
    known = Timer.RECHECK in case.timers or not case.findings  # looked at again anyway, or an event that has happened
    if view.state is AlertState.RESOLVED and not repeat and not worse and known:
        return Change(case=case, transitions=(Transition(kind="updated", why=Why.AGAIN),))
    told = case.told_mono_ns
    unseen = view.state is AlertState.CLEARED or view.outcome is None
    if unseen and not worse and view.priority < Priority.HIGH and told is not None and now.mono_ns - told < timing.flap_ns:
        # Flapping: the ladder goes on from the last telling instead of calling the same people again.
        case = restart(case, "reraised", Why.FLAPPING, timing, now).case
        case = with_timers(with_view(case, step=view.step), {Timer.STEP: max(now.mono_ns, told + timing.gap_ns(view.step))})
        held = Tell(why=Why.FLAPPING, steps=(view.step,), held=Why.FLAPPING)
        return Change(case=case, transitions=(Transition(kind="reraised", why=Why.FLAPPING),), tells=(held,))
    return restart(case, "reraised", Why.WORSE if worse else Why.AGAIN, timing, now)


def _ended(case: Case, finding: Finding, now: Moment) -> Change:
    findings = tuple(one for one in case.findings if one != finding.id)
    case = replace(case, findings=findings)
    why = Why.NOT_APPLICABLE if NOT_APPLICABLE in finding.params else Why.CONDITION_OVER
    if findings or case.view.condition_over:
        return settle(Change(case=case, transitions=(Transition(kind="updated", why=why),)), now)
    if why is Why.NOT_APPLICABLE:
        case = with_view(case, params=case.view.params | {NOT_APPLICABLE: True})
    case = with_timers(with_view(case, condition_over=True, stale=False), {Timer.RECHECK: None, Timer.UNFOLD: None})
    change = Change(case=case, transitions=(Transition(kind=why.value, why=why),))
    folded = case.view.folded_into is not None
    if case.view.state is not AlertState.RAISED or (case.view.latched and not folded):
        return settle(change, now)
    case = with_timers(case, {Timer.STEP: None, Timer.SILENCE: None})
    if folded:
        case = with_view(case, state=AlertState.RESOLVED, resolved_ns=now.wall_ns)
        closing = Transition(kind="resolved", why=Why.FOLDED)
    else:
        case = with_view(case, state=AlertState.CLEARED)
        closing = Transition(kind="cleared", why=why)
    return settle(change.then(Change(case=case, transitions=(closing,), void="cleared")), now)


def _still_abnormal(case: Case, timing: Timing, now: Moment) -> Change:
    if case.view.state is not AlertState.RESOLVED or not case.findings:
        return Change(case=case)
    return restart(case, "reraised", Why.STILL_ABNORMAL, timing, now)


def _next_rung(case: Case, timing: Timing, now: Moment) -> Change:
    state = case.view.state
    if state is AlertState.RAISED:
        return _unclaimed(case, timing, now)
    if state not in OWNED:
        return Change(case=case)
    late = Why.NOT_ARRIVED if state is AlertState.CLAIMED else Why.NOT_RESOLVED
    span_ns = timing.repeat_ns if state is AlertState.CLAIMED else timing.resolve_ns
    step = min(case.view.step + 1, len(timing.steps_ns) - 1)
    case = with_timers(with_view(case, step=step), {Timer.STEP: now.mono_ns + span_ns})
    tell = Tell(why=late, steps=(step,), owner=case.view.claimed_by)
    return Change(case=case, transitions=(Transition(kind="escalated", why=late, body={"step": step}),), tells=(tell,))


def _unclaimed(case: Case, timing: Timing, now: Moment) -> Change:
    """All rungs that are due by now as one: after a standstill nobody is called three times, and no rung is lost."""
    last = len(timing.steps_ns) - 1
    due_ns = case.timers[Timer.STEP]
    before = step = min(case.view.step, last)
    while due_ns <= now.mono_ns and step < last:
        step += 1
        due_ns += timing.gap_ns(step)
    if due_ns <= now.mono_ns:
        due_ns = now.mono_ns + timing.repeat_ns
    steps = tuple(range(before + 1, step + 1)) or (step,)
    kind = "escalated" if step > before else "announced_again"
    case = with_timers(with_view(case, step=step), {Timer.STEP: due_ns})
    held = Why.SILENCED if Timer.SILENCE in case.timers and case.view.priority < Priority.HIGH else ""
    tell = Tell(why=Why.UNCLAIMED, steps=steps, held=held)
    return Change(case=case, transitions=(Transition(kind=kind, why=Why.UNCLAIMED, body={"steps": list(steps)}),), tells=(tell,))
