"""Months of daily life in a flat with sensors: bed, motion, entrance door, steps, sleep; reproducible from a seed, with its truth.

A person has habits (times of rising and going to bed, a nap, outings by weekday, visitors) that vary from day to day, days of illness, and
leaves that somebody reports. What is to be found is labelled: collapses in the day and on the way to the toilet at night (nothing
moves until help comes, then days in hospital), and nights on which a confused person uses the door. Events are in UTC seconds.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

H = 3600.0
DAY = 24 * H
BLOCKED_S = 120.0  # a motion sensor sleeps after each report
REPORT_S = 1800.0  # sensors repeat their state
UNITS = {"motion": "1", "door": "1", "bed_occupied": "1", "steps": "{steps}", "sleep_total": "min"}


@dataclass(frozen=True, slots=True)
class Event:
    """A sensor says something at a UTC second."""

    t_s: float
    quantity: str
    value: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, UTC seconds: collapse, night_fall, wander, illness, leave (which staff knows), hospital (the same)."""

    kind: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class Home:
    """One person; `events` in time order and `truth` after `live`."""

    seed: int
    collapses: int = 1
    wanders: int = 1
    night_falls: int = 0
    events: list[Event] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"routine-{self.seed}")

    def live(self, start_s: float, days: int, quiet_days: int) -> Home:
        """Live so many days from a UTC second that is a local midnight; nothing is injected in the first `quiet_days`."""
        rng = self._rng
        habits = Habits.of(rng)
        plan = self._plan(days, quiet_days)
        absent, ill = 0, 0
        raw: list[Event] = []
        for number in range(days):
            local = number * DAY
            what = plan.get(number, "")
            if absent:
                absent -= 1
                continue
            if what in ("leave", "collapse", "night_fall"):
                absent = rng.randint(2, 4)
            if not ill and not what and rng.random() < 0.015:
                ill = rng.randint(2, 4)
                self.truth.append(Truth("illness", local, local + ill * DAY))
            day = Day(rng, habits, local, number % 7, ill=ill > 0)
            ill = max(0, ill - 1)
            raw += self._happens(day.events(), what, local, absent)
        self._tell(raw, start_s)
        return self

    def _plan(self, days: int, quiet_days: int) -> dict[int, str]:
        """On which day something is injected; far enough apart."""
        slots = list(range(quiet_days, days - 7, 8))
        self._rng.shuffle(slots)
        wanted = ["collapse"] * self.collapses + ["night_fall"] * self.night_falls + ["wander"] * self.wanders
        wanted += ["leave"] * max(1, days // 60)
        return dict(zip(slots, wanted, strict=False))

    def _happens(self, events: list[Event], what: str, local: float, absent: int) -> list[Event]:
        """The day as it goes, with what is injected into it."""
        rng = self._rng
        back = local + (absent + 1) * DAY - 3 * H  # home in the evening
        home = [Event(back, "door", 1), Event(back + 10, "door", 0), Event(back + 40, "motion", 1), Event(back + H, "bed_occupied", 1)]
        if what == "leave":
            at = local + rng.uniform(9, 11) * H
            self.truth.append(Truth("leave", at, back))
            return [*(e for e in events if e.t_s < at), Event(at, "door", 1), Event(at + 12, "door", 0), *home]
        if what == "collapse":
            at = local + rng.uniform(8.5, 19.5) * H
            inside = [e.t_s for e in events if e.quantity == "motion" and e.value == 1 and e.t_s < at]
            at = max(inside) + 1.0 if inside else at  # somebody who is out does not fall at home
            found = at + 7 * H if at + 7 * H < local + 21 * H else local + 32 * H  # help comes by day
            self.truth += [Truth("collapse", at, found), Truth("hospital", found, back)]
            return [*(e for e in events if e.t_s <= at), *_help(found), *home]
        if what == "night_fall":
            at, found = local + rng.uniform(1.0, 3.5) * H, local + 8 * H
            self.truth += [Truth("night_fall", at, found), Truth("hospital", found, back)]
            fall = [Event(at, "bed_occupied", 0), Event(at + 20, "motion", 1)]
            return [*(e for e in events if e.t_s < at - 1800), *fall, *_help(found), *home]
        if what == "wander":
            at = local + rng.uniform(1.0, 4.0) * H
            self.truth.append(Truth("wander", at, at + 0.5 * H))
            night = [Event(at - 60, "bed_occupied", 0), Event(at - 30, "motion", 1), Event(at, "door", 1), Event(at + 15, "door", 0)]
            night += [Event(at + 600, "door", 1), Event(at + 610, "door", 0), Event(at + 640, "motion", 1)]
            night.append(Event(at + 720, "bed_occupied", 1))
            return sorted([*(e for e in events if not at - 1800 < e.t_s < at + 1800), *night], key=lambda e: e.t_s)
        return events

    def _tell(self, raw: list[Event], start_s: float) -> None:
        """What the sensors report of it: blocked motion, repeated states, time in UTC."""
        shift = start_s
        told: list[Event] = []
        state: dict[str, tuple[float, float]] = {}  # quantity -> value, last report
        blocked = -1e9
        for event in sorted(raw, key=lambda e: e.t_s):
            for name, (value, last) in list(state.items()):
                while event.t_s - last > REPORT_S:
                    last += REPORT_S
                    told.append(Event(last, name, value))
                state[name] = (value, last)
            if event.quantity == "motion":
                if event.t_s - blocked < BLOCKED_S:
                    continue
                blocked = event.t_s
                told.append(Event(event.t_s + 60.0, "motion", 0.0))
            if event.quantity in ("bed_occupied", "door", "motion"):
                state[event.quantity] = (0.0 if event.quantity == "motion" else event.value, event.t_s)
            told.append(event)
        self.events = sorted((Event(e.t_s + shift, e.quantity, e.value) for e in told), key=lambda e: e.t_s)
        self.truth = [Truth(one.kind, one.start_s + shift, one.end_s + shift) for one in self.truth]


def _help(at: float) -> list[Event]:
    return [Event(at, "door", 1), Event(at + 20, "door", 0), Event(at + 40, "motion", 1)]


@dataclass(frozen=True, slots=True)
class Habits:
    """What a person usually does; hours of the local day."""

    rise: float
    sleep: float
    nap: float
    nap_h: float
    nap_share: float
    outings: tuple[float, ...]  # share of the days by weekday
    outing_h: float
    visitors: tuple[float, ...]
    trips: float  # to the toilet in a night
    still_min: float  # longest usual silence in an armchair
    pace: float  # steps per active minute

    @classmethod
    def of(cls, rng: random.Random) -> Habits:
        """A person."""
        usual = rng.uniform(0.2, 0.7)
        outings = [min(0.95, max(0.02, usual + rng.gauss(0, 0.15))) for _ in range(7)]
        outings[rng.randrange(5)] = 0.95  # market day
        visitors = [rng.choice([0.05, 0.1, 0.15]) for _ in range(7)]
        visitors[6] = rng.choice([0.3, 0.8])
        return cls(
            rise=rng.gauss(6.6, 0.5), sleep=rng.gauss(21.7, 0.5), nap=rng.gauss(13.0, 0.3), nap_h=rng.uniform(0.5, 1.4),
            nap_share=rng.uniform(0.3, 0.95), outings=tuple(outings), outing_h=rng.uniform(0.6, 1.8), visitors=tuple(visitors),
            trips=rng.uniform(0.4, 2.2), still_min=rng.uniform(20, 45), pace=rng.uniform(12, 35),
        )  # fmt: skip


class Day:
    """One day from midnight to midnight."""

    def __init__(self, rng: random.Random, habits: Habits, local: float, weekday: int, *, ill: bool) -> None:
        self.rng, self.habits, self.local, self.weekday, self.ill = rng, habits, local, weekday, ill
        self.found: list[Event] = []

    def say(self, hour: float, quantity: str, value: float) -> None:
        """A sensor at an hour of the day."""
        self.found.append(Event(self.local + hour * H, quantity, value))

    def events(self) -> list[Event]:
        """The day in time order."""
        rng, habits = self.rng, self.habits
        late = 0.5 if self.weekday >= 5 else 0.0
        rise = habits.rise + late + rng.gauss(0, 0.35) + (rng.uniform(0.5, 2.0) if self.ill else 0.0)
        bed = min(23.8, habits.sleep + rng.gauss(0, 0.35) - (rng.uniform(0.5, 1.5) if self.ill else 0.0))
        self._night(0.0, rise)
        self.say(rise, "bed_occupied", 0)
        self.say(rise + 0.01, "motion", 1)
        active = self._waking(rise + 0.02, bed)
        self.say(bed, "bed_occupied", 1)
        self._night(bed + 0.3, 24.0)
        self._steps(rise, bed, active)
        slept = (rise + 24 - habits.sleep) * 60 * rng.uniform(0.86, 0.96)
        self.say(rise + 0.5, "sleep_total", round(min(900.0, slept)))
        return sorted(self.found, key=lambda e: e.t_s)

    def _night(self, begin: float, end: float) -> None:
        """Trips to the toilet."""
        rng, span = self.rng, end - begin
        count = sum(rng.random() < self.habits.trips / 8 * span / 4 for _ in range(4)) if span > 1 else 0
        for at in sorted(rng.uniform(begin, end - 0.7) for _ in range(count)):
            length = min(0.5, math.exp(rng.gauss(math.log(0.11), 0.45)))
            self.say(at, "bed_occupied", 0)
            for share in (0.1, 0.5, 0.9):
                self.say(at + share * length, "motion", 1)
            self.say(at + length, "bed_occupied", 1)

    def _waking(self, begin: float, end: float) -> list[tuple[float, float]]:
        """From rising to bed; returns the spans of moving about."""
        rng, habits, hour = self.rng, self.habits, begin
        active: list[tuple[float, float]] = []
        outings = self._outings()
        visit = rng.uniform(10, 15.5) if rng.random() < habits.visitors[self.weekday] else 99.0
        nap = habits.nap + rng.gauss(0, 0.3) if self.ill or rng.random() < habits.nap_share else 99.0
        while hour < end:
            if outings and hour >= outings[0][0]:
                hour = self._out(hour, outings.pop(0)[1])
            elif hour >= visit:
                hour, visit = self._visited(hour, rng.uniform(0.7, 3.0)), 99.0
            elif hour >= nap:
                hour, nap = self._nap(hour, min(2.2, habits.nap_h * rng.uniform(0.7, 1.4) * (1.5 if self.ill else 1.0))), 99.0
            elif rng.random() < (0.25 if self.ill else 0.5):
                length = rng.uniform(0.1, 0.5)
                self._move(hour, min(end, hour + length))
                active.append((hour, min(end, hour + length)))
                hour += length
            else:
                hour = self._sit(hour, min(end, hour + rng.uniform(0.2, 1.2)))
        return active

    def _outings(self) -> list[tuple[float, float]]:
        """Begin and length of the day's outings; now and then a whole day with the family that nobody reports."""
        rng, habits = self.rng, self.habits
        if self.ill:
            return []
        if rng.random() < 1 / 120:
            return [(rng.uniform(9, 10), rng.uniform(5, 8))]
        begins = [at for at in (9.3, 15.6) if rng.random() < habits.outings[self.weekday] * (1.0 if at < 12 else 0.4)]
        return [(at + rng.gauss(0, 0.5), min(4.0, habits.outing_h * math.exp(rng.gauss(0, 0.35)))) for at in begins]

    def _move(self, begin: float, end: float) -> None:
        at = begin
        while at < end:
            self.say(at, "motion", 1)
            at += self.rng.uniform(0.5, 4.0) / 60

    def _sit(self, begin: float, end: float) -> float:
        """In an armchair: now and then a movement is seen."""
        at = begin
        while at < end:
            gap = min(self.habits.still_min * (1.6 if self.ill else 1.0), self.rng.expovariate(1 / 9.0)) / 60
            at += gap
            self.say(at, "motion", 1)
        return at

    def _nap(self, begin: float, length: float) -> float:
        in_bed = self.rng.random() < 0.6
        if in_bed:
            self.say(begin, "bed_occupied", 1)
            self.say(begin + length, "bed_occupied", 0)
        self.say(begin + length + 0.01, "motion", 1)
        return begin + length + 0.02

    def _out(self, begin: float, length: float) -> float:
        for at in (begin, begin + length):
            self.say(at, "motion", 1) if at == begin else None
            self.say(at + 0.01, "door", 1)
            self.say(at + 0.014, "door", 0)
        self.say(begin + length + 0.02, "motion", 1)
        return begin + length + 0.03

    def _visited(self, begin: float, length: float) -> float:
        for at in (begin, begin + length):
            self.say(at, "door", 1)
            self.say(at + 0.005, "door", 0)
            self.say(at + 0.02, "motion", 1)
        self._move(begin + 0.03, begin + length)
        return begin + length + 0.05

    def _steps(self, rise: float, bed: float, active: Sequence[tuple[float, float]]) -> None:
        """The counter of the wristband, once an hour; it starts anew at midnight."""
        pace = self.habits.pace * (0.4 if self.ill else 1.0) * self.rng.uniform(0.85, 1.15)
        for hour in range(math.ceil(rise), math.ceil(bed) + 1):
            walked = sum(max(0.0, min(hour, b) - a) for a, b in active)
            self.say(min(hour, 23.95), "steps", round(walked * 60 * pace))


def homes(
    people: int, days: int, *, start_s: float, quiet_days: int = 21, seed: int = 1, collapses: int = 1, wanders: int = 1,
    night_falls: int = 0,
) -> list[Home]:  # fmt: skip
    """So many people for so many days; `start_s` is a local midnight in UTC seconds."""
    found = [Home(seed * 1_000 + number, collapses=collapses, wanders=wanders, night_falls=night_falls) for number in range(people)]
    return [home.live(start_s, days, quiet_days) for home in found]


def write(found: Sequence[Home], out: Path, truth: Path | None) -> int:
    """A recording for `anxin replay` and the labels (NDJSON); returns the number of readings."""
    rows = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("device", "resident", "quantity", "unit", "t", "value"))
        for line in _lines(found):
            writer.writerow(line)
            rows += 1
    if truth is not None:
        with truth.open("w", encoding="utf-8") as file:
            for number, home in enumerate(found):
                for one in home.truth:
                    span = {"start_ms": round(one.start_s * 1000), "end_ms": round(one.end_s * 1000)}
                    file.write(json.dumps({"person": f"p{number}", "kind": one.kind} | span) + "\n")
    return rows


def _lines(found: Sequence[Home]) -> Iterator[tuple[object, ...]]:
    for number, home in enumerate(found):
        for event in home.events:
            name = f"p{number}"
            yield f"{name}-{event.quantity}", name, event.quantity, UNITS[event.quantity], round(event.t_s * 1000), event.value
