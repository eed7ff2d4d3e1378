"""Several alerts of several residents on a real store, against a small model of who is ill, who has what, and who was told when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway import events
from gateway.alerts import beat, records, silences
from gateway.alerts.case import OWNED, Act, Case, Moment, NotAllowedError, Standing, Timer
from gateway.alerts.policy import Address, PolicyBook
from gateway.alerts.unit import DutySnapshot, Rules, Unit
from gateway.notify import outbox
from gateway.ops import Fault
from gateway.registry.view import Override, Place, Quiet, Resident, RotaRow, Site, Staff
from gateway.vocabulary import Action, Actor, AlertConflict, AlertKind, AlertState, Finding, Outcome, Phase, Priority, Role

S = 1_000_000_000
START_NS = 1_767_225_600 * S
PEOPLE = [Actor(id="u-li"), Actor(id="u-zhao"), Actor(id="u-head", role=Role.CLINICIAN)]
RESIDENTS = ["wang", "zhou"]
CAUSES = {
    "call.sos": (AlertKind.CALL, [Priority.HIGH]),
    "spo2.low": (AlertKind.PHYSIOLOGICAL, [Priority.MEDIUM, Priority.HIGH]),
    "hr.high": (AlertKind.PHYSIOLOGICAL, [Priority.LOW, Priority.MEDIUM, Priority.HIGH]),
    "nodata.hr": (AlertKind.TECHNICAL, [Priority.LOW, Priority.MEDIUM]),
}
LONGEST_S = 600 - 180 + 1  # the widest gap of the high ladder; calls are faster


def empty_store() -> apsw.Connection:
    conn = apsw.Connection(":memory:")
    for component in (events.COMPONENT, records.COMPONENT, outbox.COMPONENT):
        for migration in component.migrations:
            if callable(migration):
                migration(conn)
            else:
                conn.execute(migration)
    return conn


class House(RuleBasedStateMachine):
    """The desk's transactions in any order."""

    @initialize()
    def begin(self) -> None:
        self.conn = empty_store()
        self.now = Moment(wall_ns=START_NS, mono_ns=10**12)
        self.offset = 0
        self.lasting: dict[tuple[str, str], Finding] = {}  # the model: conditions that last now
        place = Place(site_id="s", zone_id="z", label="3-01")
        staff = {
            who: Staff(id=who, name=who, initials="X", role="caregiver", user_id=f"u-{who}", channels={"phone": who})
            for who in ("li", "zhao")
        }
        row = {"site_id": "s", "role": "caregiver", "weekdays": tuple(range(7))}
        self.duty = DutySnapshot(
            sites={"s": Site(id="s", name="s", tz="Asia/Shanghai")},
            staff=staff,
            rota={
                "a": RotaRow(id="a", staff_id="li", start="07:00", end="19:00", **row),  # type: ignore[arg-type]
                "b": RotaRow(id="b", staff_id="zhao", start="19:00", end="07:00", **row),  # type: ignore[arg-type]
            },
            overrides={},
            groups={},
            contacts={},
            quiet={"s": Quiet(id="s", site_id="s", start="22:00", end="07:00")},
            residents={who: Resident(id=who, name=who, initials="X", status="admitted", place=place) for who in RESIDENTS},
        )
        self.desk_rules = Rules(book=PolicyBook(desk=(Address(channel="phone"),)), channels=("phone",))
        beat.adopt(self.conn, self.now)

    def unit(self) -> Unit:
        return Unit(self.conn, self.now, self.duty, self.desk_rules)

    def cases(self) -> list[Case]:
        return records.cases(self.conn, "SELECT body FROM alerts ORDER BY raised_ns, id")

    # --- what happens ----------------------------------------------------------------------------------------------

    @rule(who=st.sampled_from(RESIDENTS), cause=st.sampled_from(list(CAUSES)), worse=st.integers(0, 2), extreme=st.booleans())
    def begins(self, who: str, cause: str, worse: int, extreme: bool) -> None:
        kind, priorities = CAUSES[cause]
        self.offset += 1
        technical = kind is AlertKind.TECHNICAL
        finding = Finding(
            id=f"f{self.offset}", phase=Phase.START, rule=cause, rule_version=1, cause=cause, kind=kind,
            priority=priorities[worse % len(priorities)], resident=who, device=f"band-{who}", onset_offset=self.offset,
            onset_ns=self.now.wall_ns, offset=self.offset, t_ns=self.now.wall_ns, params={"extreme": True} if extreme else {},
        )  # fmt: skip
        subject = f"device:band-{who}" if technical else who
        self.standing = Standing(subject=subject, resident_id=who, device_id=f"band-{who}", site_id="s", zone_id="z", place="3-01")
        self.over(who, cause)
        unit = self.unit()
        unit.take(finding, self.standing)
        unit.finish()
        if kind is not AlertKind.CALL:
            self.lasting[who, cause] = finding

    @rule(who=st.sampled_from(RESIDENTS), cause=st.sampled_from(list(CAUSES)))
    def over(self, who: str, cause: str) -> None:
        finding = self.lasting.pop((who, cause), None)
        if finding is not None:
            self.offset += 1
            unit = self.unit()
            unit.take(replace(finding, phase=Phase.END, offset=self.offset, t_ns=self.now.wall_ns), Standing(subject=who))
            unit.finish()

    @rule(
        n=st.integers(0, 20), action=st.sampled_from(list(Action)), who=st.sampled_from(PEOPLE), outcome=st.sampled_from([None, *Outcome]),
        all_of_it=st.booleans(),
    )  # fmt: skip
    def person(self, n: int, action: Action, who: Actor, outcome: Outcome | None, all_of_it: bool) -> None:
        found = self.cases()
        if found:
            act = Act(actor=who, outcome=outcome, reason="why", note="note", until_ns=60 * S)
            before = found[n % len(found)]
            try:
                self.unit().act(action, before.view.id, act, None, incident=all_of_it)
            except AlertConflict:
                after = records.load(self.conn, before.view.id)
                assert after == before, "a refusal changes nothing"

    @rule(who=st.sampled_from(RESIDENTS), cause=st.sampled_from(list(CAUSES)), span=st.sampled_from([60, 1800]))
    def hush(self, who: str, cause: str, span: int) -> None:
        try:
            self.unit().silence(who, cause, PEOPLE[0], "why", span)
        except NotAllowedError:
            assert cause == "call.sos"
        else:
            assert cause != "call.sos"

    @rule(seconds=st.sampled_from([1, 30, 60, 120, 600, 3600, 30000]))
    def passing(self, seconds: int) -> None:
        """Time passes in turns of the loop, as many as there is something due."""
        end_ns = self.now.mono_ns + seconds * S
        for _ in range(400):
            due = beat.next_due(self.conn)
            mono_ns = min(end_ns, max(self.now.mono_ns, due if due is not None else end_ns))
            self.now = Moment(wall_ns=self.now.wall_ns + mono_ns - self.now.mono_ns, mono_ns=mono_ns)
            self.turn()
            if mono_ns == end_ns:
                return

    def turn(self) -> None:
        state = beat.turn(self.conn, self.now)
        for alert_id in state.due:
            unit = self.unit()
            unit.time(alert_id)
            unit.finish()
        unit = self.unit()
        unit.shift_ends()
        unit.silences_due(stepped=state.stepped)
        unit.digests()
        unit.finish()

    @rule(kind=st.sampled_from(["absent", "swap"]), hours=st.sampled_from([1, 8]))
    def exception(self, kind: str, hours: int) -> None:
        row = Override(
            id=f"o{self.offset}", site_id="s", staff_id="li", kind=kind, from_ns=self.now.wall_ns,
            until_ns=self.now.wall_ns + hours * 3600 * S, for_staff_id="zhao" if kind == "swap" else None,
        )  # fmt: skip
        self.duty = replace(self.duty, overrides={row.id: row})

    @rule(active=st.booleans(), code=st.sampled_from(["broker.down", "channel.down"]))
    def fault(self, active: bool, code: str) -> None:
        unit = self.unit()
        unit.fault(Fault(code=code, subject="x", active=active), Standing(subject="gateway", site_id="s"))
        unit.finish()

    @rule(down=st.sampled_from([0, 5, 4000]), step=st.sampled_from([0, -3600, 86400]))
    def restart(self, down: int, step: int) -> None:
        self.now = Moment(wall_ns=self.now.wall_ns + (down + step) * S, mono_ns=10**12 + self.offset)
        beat.adopt(self.conn, self.now)
        self.turn()

    # --- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_forgotten(self) -> None:
        found = self.cases()
        by_id = {case.view.id: case for case in found}
        for case in found:
            view = case.view
            if view.state is AlertState.RAISED:
                parent = by_id.get(view.folded_into or "")
                spoken_for = parent is not None and (Timer.UNFOLD in case.timers or parent.open or Timer.RECHECK in parent.timers)
                assert Timer.STEP in case.timers or spoken_for, f"{view.cause}: open, and nothing is due"
            if view.state in OWNED:
                assert Timer.STEP in case.timers, "an owner's clock runs"
                assert view.claimed_by is not None
            if Timer.SILENCE in case.timers:
                assert case.silenceable, f"{view.cause} cannot be silenced"

    @invariant()
    def what_lasts_has_an_alert_or_somebody_who_ended_it(self) -> None:
        for (who, cause), finding in self.lasting.items():
            sql = "SELECT alert_id FROM alert_findings WHERE finding_id = ? AND phase = 'start'"
            case = records.load(self.conn, str(self.conn.execute(sql, (finding.id,)).get))
            assert case.view.resident_id == who
            assert case.open or Timer.RECHECK in case.timers, f"{cause} of {who} lasts, and nobody will look again"

    @invariant()
    def high_priority_is_called_until_somebody_owns_it(self) -> None:
        for case in self.cases():
            view = case.view
            loud = view.priority >= Priority.HIGH or view.kind is AlertKind.CALL
            if view.state is not AlertState.RAISED or not loud or view.folded_into is not None:
                continue
            assert case.told_mono_ns is not None, f"{view.cause}: nobody was ever called"
            assert self.now.mono_ns - case.told_mono_ns <= LONGEST_S * S, f"{view.cause}: nobody was called for too long"

    @invariant()
    def every_step_is_an_event(self) -> None:
        counts = (
            "SELECT (SELECT count(*) FROM alert_transitions),"
            " (SELECT count(*) FROM event WHERE kind LIKE 'alert.%' AND kind <> 'alert.retimed')"
        )
        steps, told = self.conn.execute(counts).fetchone() or (0, -1)
        assert steps == told
        assert all(row["until_ns"] - row["from_ns"] <= 1800 * S for row in silences.listing(self.conn))

    def teardown(self) -> None:
        conn: Any = getattr(self, "conn", None)
        if conn is not None:
            conn.close()


TestHouse = House.TestCase
TestHouse.settings = settings(max_examples=40, stateful_step_count=25)
TestHouse = pytest.mark.timeout(90)(TestHouse)
