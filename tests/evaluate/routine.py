"""Routine: false alarms and delay on months of simulated daily life with truth, in the product's detectors, nothing fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from analytics import rounds
from analytics.detect import bed, door, habit, inactive
from analytics.detect.base import START, Instant, Personal, Window
from analytics.table import Table
from firmware_sim.routine import Home, Truth, homes
from tests.evaluate._frame import Row, poisson, row

WHAT = "routine: 32 simulated people for 80 days (a seed never used while the rules were made), their first 3 weeks are for learning"
DATA = ()
PEOPLE, LIFE_DAYS, QUIET_DAYS = 32, 80, 21
START_S = 1_767_196_800.0  # a Monday's midnight in the simulated place
OFFSET_S = 8 * 3600.0
TICK_S = 600  # the product looks every minute
SEED = 101
GRACE_S = 2 * 86_400.0  # after a leave or a stay in hospital the days are not the usual ones
ALLOWED = {
    "routine.inactive": ("collapse", "night_fall"), "routine.no_return": ("collapse", "wander"), "routine.wander": ("wander",),
    "routine.bed": ("wander", "night_fall"),
}  # fmt: skip
SLOW = ("routine.day", "routine.steps", "routine.sleep")  # they speak of days, and an illness is what they are for
SLOW_ALLOWED = ("illness", "collapse", "night_fall", "hospital", "leave", "wander")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A rule spoke of a person (by number) at a UTC second."""

    rule: str
    person: int
    t_s: float


def detectors() -> tuple[Personal, ...]:
    """All rules of routine."""
    return cast("tuple[Personal, ...]", (*inactive.DETECTORS, *door.DETECTORS, *bed.DETECTORS, *habit.DETECTORS))


def run(lives: Sequence[Home], days: int, rules: Sequence[Personal] | None = None) -> list[Alarm]:
    """Everybody side by side; ticks every TICK_S, leaves reported as staff would."""
    said: list[Alarm] = []
    for rule in rules if rules is not None else detectors():
        said += _Run(rule, lives).go(days)
    return said


class _Run:
    """One rule over all people."""

    def __init__(self, rule: Personal, lives: Sequence[Home]) -> None:
        self.rule, self.lives = rule, lives
        count = len(lives)
        self.state, self.params = Table(rule.columns, count), Table(rule.params, count)
        if "utc_offset_s" in self.params.columns:
            self.params["utc_offset_s"][:] = OFFSET_S
        parts = {key: part for part, key in enumerate(rule.quantities)}
        listed = [
            (event.t_s, person, parts[event.quantity], event.value)
            for person, home in enumerate(lives) for event in home.events if event.quantity in parts
        ]  # fmt: skip
        listed.sort()
        self.t_s = np.array([one[0] for one in listed])
        self.person = np.array([one[1] for one in listed], dtype=np.int64)
        self.part = np.array([one[2] for one in listed], dtype=np.int8)
        self.value = np.array([one[3] for one in listed])
        self.leaves = [[(one.start_s, one.end_s) for one in home.truth if one.kind in ("leave", "hospital")] for home in lives]
        self.said: list[Alarm] = []

    def go(self, days: int) -> list[Alarm]:
        """All days."""
        edges = START_S + np.arange(0, days * 86_400 + TICK_S, TICK_S)
        at = np.searchsorted(self.t_s, edges)
        edge = 0
        while edge + 1 < len(edges):
            if at[edge] < at[edge + 1]:
                self._read(slice(at[edge], at[edge + 1]))
            self._tick(float(edges[edge + 1]), edge)
            edge += 1
        return self.said

    def _read(self, span: slice) -> None:
        for turn in rounds.split(self.person[span]):
            index = turn + span.start
            no = np.zeros(len(index), dtype=bool)
            window = Window(
                rows=self.person[index], t_ns=np.round(self.t_s[index] * 1e9).astype(np.int64), value=self.value[index], key=index + 1,
                usable=~no, doubtful=no, beyond=no.astype(np.int8), origin=no.astype(np.uint8), part=self.part[index], params=self.params,
            )  # fmt: skip
            answer = self.rule.step(window, self.state)
            for place in np.flatnonzero(answer.change & START):
                self.said.append(Alarm(rule=self.rule.rule, person=int(answer.rows[place]), t_s=float(self.t_s[index[place]])))

    def _tick(self, now_s: float, key: int) -> None:
        if "away" in self.params.columns:
            away = [any(begin <= now_s < end for begin, end in spans) for spans in self.leaves]
            self.params["away"][: len(away)] = away
        now_ns = round(now_s * 1e9)
        answer = self.rule.tick(Instant(now_ns=now_ns, key=key, listened_ns=now_ns, rows=len(self.lives)), self.state, self.params)
        for place in np.flatnonzero(answer.change & START):
            self.said.append(Alarm(rule=self.rule.rule, person=int(answer.rows[place]), t_s=now_s))


def right(alarm: Alarm, truth: Sequence[Truth]) -> bool:
    """Whether something happened that the rule is for."""
    if alarm.rule in SLOW:
        return any(
            one.start_s <= alarm.t_s <= one.end_s + (30 * 86_400.0 if alarm.rule != "routine.day" else GRACE_S)
            for one in truth if one.kind in SLOW_ALLOWED
        )  # fmt: skip
    return any(one.start_s <= alarm.t_s <= one.end_s for one in truth if one.kind in ALLOWED[alarm.rule])


def exposure_days(lives: Sequence[Home], days: int) -> float:
    """Resident-days after the learning, without leaves and hospital."""
    total = 0.0
    for home in lives:
        gone = sum(one.end_s - one.start_s for one in home.truth if one.kind in ("leave", "hospital", "collapse", "night_fall"))
        total += days - QUIET_DAYS - gone / 86_400.0
    return total


def delays(lives: Sequence[Home], said: Sequence[Alarm], kind: str, rules: Sequence[str]) -> NDArray[np.float64]:
    """Hours from each thing of a kind to the first alarm of the rules; inf where it was missed."""
    found = []
    for person, home in enumerate(lives):
        for one in home.truth:
            if one.kind == kind:
                after = [a.t_s for a in said if a.person == person and a.rule in rules and one.start_s <= a.t_s <= one.end_s]
                found.append((min(after) - one.start_s) / 3600.0 if after else np.inf)
    return np.array(found)


def table() -> list[Row]:
    """All rules on people that were never looked at before."""
    lives = homes(PEOPLE, LIFE_DAYS, start_s=START_S, quiet_days=QUIET_DAYS, seed=SEED, collapses=2, night_falls=1)
    said = run(lives, LIFE_DAYS)
    days = exposure_days(lives, LIFE_DAYS)
    false = [alarm for alarm in said if not right(alarm, lives[alarm.person].truth)]
    note = f"{days:.0f} resident-days after 3 weeks of learning"
    rows = [_rate("all rules", false, days, at_most=1.0, note=note)]
    rows += [_rate(rule.rule, [a for a in false if a.rule == rule.rule], days) for rule in detectors()]
    fallen = delays(lives, said, "collapse", ("routine.inactive", "routine.no_return"))
    met = fallen[np.isfinite(fallen)]
    rows.append(row("collapse in the day: found", float(np.isfinite(fallen).mean()), at_least=1.0, note=f"{len(fallen)} collapses"))
    rows.append(row("collapse in the day: share found within 4 hours", float((fallen < 4).mean())))
    rows.append(row("collapse in the day: hours to the alarm, median", float(np.median(met)), at_most=4.0))
    rows.append(row("collapse in the day: hours to the alarm, longest", float(met.max())))
    bed_side = delays(lives, said, "night_fall", ("routine.bed", "routine.inactive"))
    rows.append(row("fall on the way at night: hours to the alarm, median", float(np.median(bed_side)), note=f"{len(bed_side)} nights"))
    rows.append(row("fall on the way at night: longest", float(bed_side.max())))
    ill = delays(lives, said, "illness", ("routine.day",))
    rows.append(row("illness: share seen in the profile of the day", float(np.isfinite(ill).mean()), note=f"{len(ill)} illnesses"))
    night = delays(lives, said, "wander", ("routine.wander",))
    rows.append(row("door at night: found at once", float((night < 0.1).mean()), note=f"{len(night)} nights"))
    return rows


def _rate(name: str, false: Sequence[Alarm], days: float, *, at_most: float | None = None, note: str = "") -> Row:
    return row(f"{name}: false alarms in 50 resident-days", 50.0 * len(false) / days, _fifty(len(false), days), at_most=at_most, note=note)


def _fifty(count: int, days: float) -> tuple[float, float]:
    low, high = poisson(count, days / 50.0)
    return low, high
