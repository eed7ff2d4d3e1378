"""The whole life cycle against invariants: never two owners, an unowned open alert always has a step due, nothing disappears silently."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.alerts import machine
from gateway.alerts.actions import HIGH_SILENCE_MAX_NS, on_action
from gateway.alerts.case import OWNED, Act, Case, Change, Moment, NotAllowedError, Standing, Timer, Timing
from gateway.alerts.policy import PolicyBook
from gateway.alerts.records import adopt, dump, parse, view_from_dict, view_to_dict
from gateway.vocabulary import Action, Actor, AlertKind, AlertState, Finding, Outcome, Phase, Priority, Role

S = 1_000_000_000
PEOPLE = [Actor(id="li"), Actor(id="zhao"), Actor(id="head", role=Role.CLINICIAN)]
CAUSES = [("call.sos", AlertKind.CALL), ("spo2.low", AlertKind.PHYSIOLOGICAL), ("nodata.hr", AlertKind.TECHNICAL)]
CLOSING = {"resolved", "seen"}
# A model of its own: which states an input may lead to. What is not named here must not happen.
LEADS: dict[str, dict[AlertState, set[AlertState]]] = {
    "finding": {
        AlertState.RAISED: {AlertState.RAISED},
        AlertState.CLAIMED: {AlertState.CLAIMED},
        AlertState.ARRIVED: {AlertState.ARRIVED},
        AlertState.CLEARED: {AlertState.RAISED},
        AlertState.RESOLVED: {AlertState.RESOLVED, AlertState.RAISED},
    },
    "over": {
        AlertState.RAISED: {AlertState.RAISED, AlertState.CLEARED, AlertState.RESOLVED},
        **{state: {state} for state in (AlertState.CLAIMED, AlertState.ARRIVED, AlertState.CLEARED, AlertState.RESOLVED)},
    },
    "time": {
        AlertState.RAISED: {AlertState.RAISED},
        AlertState.CLAIMED: {AlertState.CLAIMED, AlertState.RAISED, AlertState.CLEARED},
        AlertState.ARRIVED: {AlertState.ARRIVED},
        AlertState.CLEARED: {AlertState.CLEARED},
        AlertState.RESOLVED: {AlertState.RESOLVED, AlertState.RAISED},
    },
    "wearer": {state: {state} for state in AlertState},
}


class Life(RuleBasedStateMachine):
    """One case under findings, people, time and restarts in any order."""

    @initialize(cause=st.sampled_from(CAUSES), priority=st.sampled_from(list(Priority)))
    def begin(self, cause: tuple[str, AlertKind], priority: Priority) -> None:
        self.now = Moment(wall_ns=10**18, mono_ns=10**12)
        self.book = PolicyBook()
        self.offset = 1
        self.active: set[str] = {"f1"}
        self.heard: list[str] = []
        self.first = Finding(
            id="f1",
            phase=Phase.START,
            rule="rule",
            rule_version=1,
            cause=cause[0],
            kind=cause[1],
            priority=priority,
            resident="wang",
            device="band",
            onset_offset=1,
            onset_ns=0,
            offset=1,
            t_ns=0,
        )
        change = machine.raise_case("a1", self.first, Standing(subject="wang", site_id="s"), self.timing(priority), self.now)
        self.case: Case = change.case
        self.raised_mono = self.told_mono = self.now.mono_ns
        self.note(change)

    def timing(self, priority: Priority | None = None) -> Timing:
        wanted = self.case.view.priority if priority is None else priority
        policy = self.book.choose(self.first.kind, wanted, None)
        return policy.timing(by_shift_ns=8 * 3600 * S if policy.by_shift else None)

    def note(self, change: Change) -> None:
        self.heard.extend(transition.kind for transition in change.transitions)

    def leads(self, what: str, before: AlertState) -> None:
        assert self.case.view.state in LEADS[what][before], f"{what}: {before} became {self.case.view.state}"

    def apply(self, change: Change | None) -> None:
        if change is None:
            return
        before, after = self.case.view, change.case.view
        if any(not tell.held and (tell.steps or tell.desk) for tell in change.tells):
            self.told_mono = self.now.mono_ns
        if after.state is AlertState.RAISED and before.state is not AlertState.RAISED:
            self.raised_mono = self.now.mono_ns
        assert after.version == before.version + 1
        assert change.transitions, "every change is on record"
        assert after.priority >= before.priority
        if after.state is AlertState.RESOLVED and before.state is not AlertState.RESOLVED:
            kinds = {transition.kind for transition in change.transitions}
            assert kinds & CLOSING, "nothing ends silently"
        handed = any(transition.kind == "handed_over" for transition in change.transitions)
        if before.claimed_by and after.claimed_by and before.claimed_by != after.claimed_by and not handed:
            raise AssertionError("ownership jumped from one to another")
        self.case = change.case
        self.note(change)

    @rule(phase=st.sampled_from(list(Phase)), priority=st.sampled_from(list(Priority)), fresh=st.booleans())
    def finding(self, phase: Phase, priority: Priority, fresh: bool) -> None:
        self.offset += 1
        ident = f"f{self.offset}" if fresh and phase is Phase.START else (sorted(self.active) or ["f1"])[0]
        found = replace(self.first, id=ident, phase=phase, priority=priority, offset=self.offset)
        if phase is Phase.END:
            self.active.discard(ident)
        else:
            self.active.add(ident)
        before = self.case.view.state
        self.apply(machine.on_finding(self.case, found, self.timing(max(priority, self.case.view.priority)), self.now))
        self.leads("over" if phase is Phase.END else "finding", before)

    @precondition(lambda self: self.first.kind is AlertKind.CALL)
    @rule()
    def wearer_says_ok(self) -> None:
        self.offset += 1
        before = self.case
        found = replace(self.first, phase=Phase.UPDATE, offset=self.offset, params={"cancelled": True})
        self.apply(machine.on_finding(self.case, found, self.timing(), self.now))
        self.leads("wearer", before.view.state)
        later = self.case.timers.get(Timer.STEP, 0) - before.timers.get(Timer.STEP, 0)
        assert later <= 60 * S, "the wearer's word slows the ladder by a minute at most"

    @rule(who=st.sampled_from(PEOPLE))
    def handed(self, who: Actor) -> None:
        if self.case.view.state in OWNED and self.case.view.claimed_by != who.id:
            before = self.case.timers
            self.apply(machine.hand_over(self.case, who, "handover:1", self.now))
            assert self.case.view.claimed_by == who.id
            assert self.case.timers == before, "the clock of arriving and resolving goes on"

    @rule(
        action=st.sampled_from(list(Action)),
        who=st.sampled_from(PEOPLE),
        outcome=st.sampled_from([None, *Outcome]),
        span=st.sampled_from([None, -1, 5, 10**5]),
        reason=st.sampled_from(["", "why"]),
    )
    def person(self, action: Action, who: Actor, outcome: Outcome | None, span: int | None, reason: str) -> None:
        act = Act(actor=who, outcome=outcome, until_ns=None if span is None else span * S, reason=reason, note=reason)
        before = self.case
        try:
            change = on_action(self.case, action, act, self.timing(), self.now)
        except NotAllowedError:
            return
        self.apply(change)
        if action is Action.SILENCE:
            assert before.silenceable
        if action is Action.CLAIM:
            assert self.case.view.claimed_by == who.id
            assert before.view.state not in OWNED or before.view.claimed_by == who.id

    @rule(seconds=st.sampled_from([0, 1, 5, 30, 60, 120, 600, 3600, 30000]))
    def passing(self, seconds: int) -> None:
        self.now = Moment(wall_ns=self.now.wall_ns + seconds * S, mono_ns=self.now.mono_ns + seconds * S)
        before = self.case.view.state
        self.apply(machine.on_time(self.case, self.timing(), self.now, stale=bool(seconds % 2)))
        self.leads("time", before)
        view, timing = self.case.view, self.timing()
        if view.state is AlertState.RAISED and view.priority >= Priority.HIGH and view.folded_into is None:
            longest = max(*(timing.gap_ns(step) for step in range(len(timing.steps_ns))), timing.confirm_ns)
            quiet = self.now.mono_ns - max(self.told_mono, self.raised_mono)
            assert quiet <= longest, "high priority, unowned, and nobody was called"

    @rule()
    def shift_end(self) -> None:
        if self.case.view.state in OWNED:
            self.apply(machine.on_shift_end(self.case, self.timing(), self.now))
            assert self.case.view.claimed_by is None

    @precondition(lambda self: self.first.kind is AlertKind.TECHNICAL)
    @rule()
    def folded(self) -> None:
        if self.case.view.state is AlertState.RAISED and self.case.view.folded_into is None:
            self.apply(machine.fold(self.case, "site-alert", self.now))

    @precondition(lambda self: self.first.kind is AlertKind.TECHNICAL)
    @rule()
    def unfolding(self) -> None:
        if self.case.view.state is AlertState.RAISED and self.case.view.folded_into is not None:
            self.apply(machine.unfold_in(self.case, 150 * S, self.now))
            assert Timer.UNFOLD in self.case.timers

    @rule(down=st.sampled_from([0, 5, 4000]), step=st.sampled_from([0, -3600, 86400]))
    def restart(self, down: int, step: int) -> None:
        body = dump(self.case, self.now)
        assert parse(body) == self.case
        wall_ns = self.now.wall_ns + (down + step) * S
        after = Moment(wall_ns=wall_ns, mono_ns=10**12)
        before = {timer: due - self.now.mono_ns for timer, due in self.case.timers.items()}
        self.case = adopt(body, after, stepped_back=wall_ns < self.now.wall_ns)
        for timer, due in self.case.timers.items():
            assert due - after.mono_ns <= before[timer], "never later than the span that remained"
        assert set(self.case.timers) == set(before)
        self.now = after

    @invariant()
    def holds(self) -> None:
        case, view = self.case, self.case.view
        assert view_from_dict(view_to_dict(view)) == view
        assert (view.claimed_by is not None) == (view.state in OWNED) or view.state is AlertState.RESOLVED
        if view.state is AlertState.RAISED:
            assert Timer.STEP in case.timers or view.folded_into is not None
        if view.state in OWNED:
            assert Timer.STEP in case.timers, "an owner's clock runs"
        if view.state is AlertState.CLEARED:
            assert not view.latched
            assert view.condition_over
        if view.state is AlertState.RESOLVED and case.findings:
            assert Timer.RECHECK in case.timers or view.folded_into is not None, "a condition that lasts is looked at again"
        if Timer.SILENCE in case.timers:
            assert case.silenceable
            longest = HIGH_SILENCE_MAX_NS if view.priority >= Priority.HIGH else 1800 * S
            assert case.timers[Timer.SILENCE] - self.now.mono_ns <= longest
        assert self.heard[0] == "raised"


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=300, stateful_step_count=30)
TestLife = pytest.mark.timeout(60)(TestLife)
