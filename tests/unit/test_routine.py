"""Rules of daily life: slow twins on simulated lives, what a leave pauses, what is never learned, and the whole way to a finding."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from analytics.detect import bed, door, habit, inactive
from analytics.detect.base import Verdict
from firmware_sim.routine import Event, Home, homes, write
from gateway.collect.replay import load
from gateway.replay import run_replay
from tests.support.detecting import Beat, Drive, Reading, Step
from tests.support.ward import R, Run, ward

T0_S = 1_767_196_800.0  # midnight in Shanghai
DAY = 86_400.0
TICK_S = 600.0


def steps_of(rule: object, events: list[Event], days: int) -> list[Step]:
    """The events that a rule takes, with a tick every ten minutes."""
    parts = {key: part for part, key in enumerate(rule.quantities)}  # type: ignore[attr-defined]
    found: list[tuple[float, int, Event | None]] = [(e.t_s, 0, e) for e in events if e.quantity in parts]
    found += [(T0_S + at * TICK_S, 1, None) for at in range(1, round(days * DAY / TICK_S) + 1)]
    found.sort(key=lambda one: one[:2])
    return [
        Beat(t_s=t, key=key) if e is None else Reading(row=0, t_s=t, value=e.value, key=key, part=parts[e.quantity])
        for key, (t, _, e) in enumerate(found, start=1)
    ]


def life(days: int, seed: int, **more: int) -> Home:
    (home,) = homes(1, days, start_s=T0_S, seed=seed, **more)
    return home


def starts(drive: Drive, steps: list[Step]) -> list[float]:
    """Days after the begin at which the rule spoke."""
    at = {step.key: step.t_s for step in steps}
    return [(at[key] - T0_S) / DAY for key, _, word, _ in drive.said if word == "start"]


def driven(rule: object, steps: list[Step]) -> Drive:
    drive = Drive(rule, 1)  # type: ignore[arg-type]
    drive.params["utc_offset_s"][:] = 8 * 3600
    return drive.run([steps])


def slow_inactive(steps: list[Step]) -> list[tuple[int, str]]:
    """Silences outside bed and home, hour by hour, in plain Python: (key, start or end)."""
    said: list[tuple[int, str]] = []
    last: float | None = None
    state: dict[int, float] = {}
    by_door = active = False
    maxima: dict[int, dict[int, float]] = defaultdict(dict)  # local day -> hour -> minutes

    def learn(until: float) -> None:
        assert last is not None
        at = max(last, until - 26 * 3600)
        while at < until:
            local = at + 8 * 3600
            end = min(until, at + 3600 - local % 3600)
            day, hour = int(local // DAY), int(local % DAY // 3600)
            maxima[day][hour] = max(maxima[day].get(hour, 0.0), (end - last) / 60)
            at = end

    def limit(now: float, first_day: int, days_seen: list[int]) -> float:
        if len(days_seen) < 14:
            return math.inf
        if state.get(2, 0.0) > 0.5:
            return 840.0
        hour = int((now + 8 * 3600) % DAY // 3600)
        near = [maxima[day].get((hour + shift) % 24, 0.0) for day in days_seen[-28:] for shift in (-1, 0, 1)]
        return max(90.0, 1.3 * max(near))

    closed: list[int] = []
    today: int | None = None
    for step in steps:
        if isinstance(step, Beat):
            if last is not None and not active and not by_door and (step.t_s - last) / 60 > limit(step.t_s, 0, closed):
                active = True
                said.append((step.key, "start"))
            continue
        before = state.get(step.part)
        in_bed = state.get(2, 0.0) > 0.5
        value = step.value if step.part == 3 else float(step.value > 0.5)
        other = before is not None and (value > before if step.part == 3 else value != before)
        moved = step.value > 0.5 if step.part == 0 else other
        if step.part != 0:
            state[step.part] = value
        if not moved:
            continue
        if last is not None and not (in_bed or by_door or active):
            learn(step.t_s)
        day = int((step.t_s + 8 * 3600) // DAY)
        if last is not None:
            if today is not None and day > today:
                closed += range(today, day)
            today = day
        if active:
            said.append((step.key, "end"))
            active = False
        last = step.t_s
        by_door = by_door if step.part == 3 else step.part == 1
    return said


@pytest.mark.timeout(30)
def test_silences_equal_their_slow_twin() -> None:
    home = life(24, 4, quiet_days=15, wanders=0)
    steps = steps_of(inactive.Inactive(), home.events, 24)
    fast = driven(inactive.Inactive(), steps)
    assert [(key, word) for key, _, word, _ in fast.said] == slow_inactive(steps)
    (collapse,) = [one for one in home.truth if one.kind == "collapse"]
    found = [T0_S + day * DAY for day in starts(fast, steps)]
    assert any(collapse.start_s < t < collapse.start_s + 4 * 3600 for t in found), "found within four hours"


def still(rule: object, days: int, hour: float = 9.0) -> list[Step]:
    """Motion every ten minutes from 7 to 22 on so many days; on the last one nothing after `hour`."""
    moments = [(day, at) for day in range(days) for at in range(7 * 6, 22 * 6, 2) if day < days - 1 or at / 6 <= hour]
    return steps_of(rule, [Event(T0_S + day * DAY + at * 600.0, "motion", 1.0) for day, at in moments], days)


def test_nobody_is_judged_before_he_is_known() -> None:
    rule = inactive.Inactive()
    early = driven(rule, still(rule, 8))
    assert not early.said
    assert early.verdicts[-1][1] == Verdict.WARMING
    steps = still(rule, 17)
    drive = driven(rule, steps)
    (day,) = starts(drive, steps)
    assert 16 + 10.5 / 24 <= day <= 16 + 11 / 24
    assert [word for _, _, word, _ in drive.said] == ["start"]


def test_a_leave_pauses_what_is_expected_and_teaches_nothing() -> None:
    rule = inactive.Inactive()
    steps = still(rule, 17)
    quiet_from = next(at for at, step in enumerate(steps) if step.t_s > T0_S + 16 * DAY + 9.2 * 3600)
    drive = driven(rule, steps[:quiet_from])
    drive.params["away"][:] = 1
    drive.run([steps[quiet_from:]])
    assert not drive.said
    assert drive.verdicts[-1][1] == Verdict.OK
    drive.params["away"][:] = 0
    back_s = T0_S + 17 * DAY + 10 * 3600
    drive.run([[Beat(t_s=back_s + 60 * at, key=900_000 + at) for at in range(100)]])
    ((key, _, word, _),) = drive.said
    assert (word, key) == ("start", 900_091), "ninety minutes after the return, not after the last motion before the leave"


def test_dead_sensors_are_no_silent_person() -> None:
    rule = inactive.Inactive()
    drive = Drive(rule, 1)
    drive.params["utc_offset_s"][:] = 8 * 3600
    drive.params["life_deadline_s"][:] = 3600.0
    drive.run([still(rule, 17)])
    assert not drive.said, "after an hour without any word it cannot tell"
    answer = rule._verdict(np.array([0]), np.array([round((T0_S + 17 * DAY) * 1e9)]), drive.state, drive.params)
    assert answer[0] == Verdict.NO_DATA


def door_day(day: int, leave_h: float, back_h: float | None) -> list[Event]:
    at = T0_S + day * DAY + leave_h * 3600
    found = [Event(at - 600, "motion", 1), Event(at - 30, "door", 0), Event(at, "door", 1), Event(at + 10, "door", 0)]
    if back_h is not None:
        back = at + back_h * 3600
        found += [Event(back, "door", 1), Event(back + 8, "door", 0), Event(back + 30, "motion", 1)]
    return found


def test_who_is_out_longer_than_usual_is_missed_and_a_leave_ends_that() -> None:
    rule = door.NoReturn()
    events = [event for day in range(20) for event in door_day(day, 10, 4.5 if day % 2 else 1.0)] + door_day(20, 10, None)
    steps = steps_of(rule, events, 21)
    drive = driven(rule, steps)
    (day,) = starts(drive, steps)
    assert 20 + (10 + 4.5 * 1.3) / 24 <= day <= 20 + (10 + 4.5 * 1.3 + 0.4) / 24, "1.3 times the longest of the outings"
    drive.params["away"][:] = 1
    drive.run([[Beat(t_s=T0_S + 21 * DAY + 60, key=10**6)]])
    assert [word for _, _, word, _ in drive.said] == ["start", "end"]
    assert drive.detector.numbers(0, drive.state)["outings"] == 20  # type: ignore[attr-defined]


def test_a_visitor_who_leaves_makes_no_outing() -> None:
    rule = door.NoReturn()
    events = [*door_day(0, 10, None), Event(T0_S + 10 * 3600 + 3000, "motion", 1)]
    drive = driven(rule, steps_of(rule, events, 1))
    assert drive.state["outings"][0] == 0


def test_a_door_at_night_speaks_at_once_where_that_is_rare() -> None:
    rule = door.Wander()
    rare = [event for day in range(20) for event in door_day(day, 10, 1.0)] + door_day(20, 26, None)
    steps = steps_of(rule, rare, 22)
    (day,) = starts(driven(rule, steps), steps)
    assert day == pytest.approx(21 + 2 / 24, abs=1e-6)
    usual = [event for day in range(20) for event in door_day(day, 26 if day % 3 else 10, 0.5)] + door_day(20, 26, None)
    assert not driven(rule, steps_of(rule, usual, 22)).said, "somebody who always goes out at two"


def nights(count: int, out_min: float, last_min: float) -> list[Event]:
    """To bed at 22:30, out at 2:00 for so long, up at 6:30; on the last night out for `last_min`."""
    found = []
    for day in range(count):
        at = T0_S + day * DAY
        length = (last_min if day == count - 1 else out_min) * 60
        found += [Event(at + 2 * 3600, "bed_occupied", 0), Event(at + 2 * 3600 + length, "bed_occupied", 1)]
        found += [Event(at + 6.5 * 3600, "bed_occupied", 0), Event(at + 22.5 * 3600, "bed_occupied", 1)]
    return found[1:] if found else found


@pytest.mark.parametrize(("usual_min", "alarm_min"), [(8, 20), (24, 36)])
def test_out_of_bed_at_night_is_judged_by_the_own_nights(usual_min: float, alarm_min: float) -> None:
    rule = bed.BedExit()
    steps = steps_of(rule, nights(20, usual_min, 120), 20)
    drive = driven(rule, steps)
    (day,) = starts(drive, steps)
    assert alarm_min <= (day - 19 - 2 / 24) * 1440 <= alarm_min + 10.5
    assert [word for _, _, word, _ in drive.said] == ["start", "end"]
    assert not driven(rule, steps_of(rule, nights(20, usual_min, usual_min * 1.2), 20)).said


def test_a_bed_that_flickers_and_a_day_that_is_up_late_say_nothing() -> None:
    rule = bed.BedExit()
    events = nights(20, 8, 8)
    events += [Event(T0_S + 19 * DAY + 3 * 3600 + at, "bed_occupied", at % 2) for at in range(8)]
    drive = driven(rule, steps_of(rule, sorted(events, key=lambda e: e.t_s), 20))
    assert not drive.said
    assert drive.state["lengths"][0, : drive.state["absences"][0]].min() > 1, "no flicker among what is learned"
    late = [event for event in nights(20, 8, 8) if event.t_s < T0_S + 19.8 * DAY]
    assert not driven(rule, steps_of(rule, late, 20)).said, "not yet in bed at midnight"


def test_a_day_unlike_the_others_and_a_change_of_steps() -> None:
    rule = habit.DayProfile()
    rng = np.random.default_rng(3)
    events = []
    for day in range(30):
        hours = range(7, 22) if day != 28 else range(12, 15)
        for hour in hours:
            events += [Event(T0_S + day * DAY + hour * 3600 + float(s), "motion", 1) for s in rng.uniform(0, 3600, rng.poisson(9))]
    events.sort(key=lambda e: e.t_s)
    steps = steps_of(rule, events, 31)
    drive = driven(rule, steps)
    assert [round(day, 2) for day in starts(drive, steps)] == [29.0]
    assert [word for _, _, word, _ in drive.said] == ["start", "end"]
    trend = habit.DETECTORS[1]
    walks = [Event(T0_S + day * DAY + 20 * 3600, "steps", float(rng.normal(5000 if day < 40 else 2500, 400))) for day in range(60)]
    steps = steps_of(trend, walks, 61)
    (changed, *_) = starts(driven(trend, steps), steps)
    assert 41 <= changed <= 46
    assert not driven(trend, steps_of(trend, walks[:40], 41)).said


@pytest.mark.timeout(30)
def test_a_recorded_life_is_replayed_to_findings(tmp_path: Path) -> None:
    """The whole way: simulator's file, recording, engine, finding."""
    home = Home(5)
    still_from = T0_S + 15 * DAY + 9 * 3600
    moments = [T0_S + day * DAY + at * 1800.0 for day in range(16) for at in range(14, 44)]
    home.events = [Event(t, "motion", 1.0) for t in moments if t < still_from]
    recording = tmp_path / "life.csv"
    rows = write([home], recording, tmp_path / "truth.ndjson")
    assert len(load(str(recording), tmp_path)) <= rows
    report = run_replay(str(recording), out=tmp_path / "findings.ndjson")
    text = (tmp_path / "findings.ndjson").read_text(encoding="utf-8")
    assert '"finding.routine.inactive"' in text
    assert "routine.inactive" in {row.rule for row in report.rules}


def test_a_leave_that_staff_enter_reaches_the_rules_and_no_call_is_lost() -> None:
    """Through the engine: motion sensor and pendant of one resident; the leave pauses silence, the pendant still calls at once."""
    made = ward("pir", "pendant")
    made.bind("pendant", "R-pir", name="together")
    made.device("pir", ("motion",), {"motion": 1800.0})
    run = Run(made)
    run.tick(0)
    run.read(R(device="pir", key="motion", value=1.0, t_s=5))
    seat = run.engine.roster.residents["R-pir"]
    table = run.engine.bank.residents
    assert (table["away"][seat], table["life_deadline_s"][seat], table["utc_offset_s"][seat]) == (0, 5400.0, 28_800.0)
    made.resident("R-pir", "away", t_s=60)
    run.tick(61)
    assert table["away"][seat] == 1
    called = run.read(R(device="pendant", key="call.sos", value=1.0, t_s=70))
    assert [finding.rule for finding in called] == ["call.sos"]
    made.resident("R-pir", "admitted", t_s=90)
    run.tick(91)
    assert table["away"][seat] == 0
