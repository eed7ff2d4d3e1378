"""Obligations of every detector in analytics/detect, found by walking the folder."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from math import inf, nan

import numpy as np
import pytest

from analytics.detect.base import Detector, Instant, Stage, Verdict, find
from analytics.table import Column
from tests.support.detecting import NS, Beat, Drive, Reading, Step

ROWS = 5
DETECTORS = find()
every = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.rule)

# Settings that make every rule speak within minutes of invented readings.
SETTINGS: dict[str, list[float]] = {
    "low": [nan, 90.0, 80.0],
    "high": [nan, 110.0, 120.0],
    "low_extreme": [nan, 70.0],
    "high_extreme": [nan, 140.0],
    "low_area": [inf, 200.0],
    "high_area": [inf, 200.0],
    "t_on_s": [0.0, 15.0, 60.0],
    "t_off_s": [0.0, 20.0],
    "hold_s": [30.0, 120.0],
    "hysteresis": [0.0, 3.0],
    "need": [1, 1, 2, 3],
    "deadline_s": [nan, 20.0, 40.0],
    "parent": [-1],
    "flat_s": [nan, 30.0],
    "flat_n": [3, 5],
    "leap": [nan, 30.0],
    "fault_s": [0.0, 20.0],
    "perfusion_s": [60.0],
    "fault_n": [1, 2],
    "signal_tau_s": [60.0, 600.0],
    "signal_age_s": [300.0, 3600.0],
    "deviation_on": [1.0, 2.0],
    "deviation_off": [0.5, 1.0],
    "deviation_persistence_s": [0.0, 60.0],
    "deviation_calm_s": [0.0, 60.0],
    "deviation_refractory_s": [0.0, 600.0],
    "max_age_s": [60.0, 600.0],
    "spo2_scale": [1, 2],
    "on_oxygen": [nan, 0.0, 1.0],
    "cvpu": [nan, 0.0, 1.0],
    "news2_on": [3, 7],
    "news2_off": [2],
    "persistence_s": [60.0, 300.0],
    "glucose_p": [0.0001],
    "glucose_warm_s": [0.0],
    "glucose_refractory_s": [600.0, 3600.0],
    "carbs_s": [60.0],
    "away": [0, 0, 0, 1],
    "life_deadline_s": [nan, 60.0],
    "inactive_floor_min": [1.0, 4.0],
    "inactive_days": [0],
    "out_floor_min": [1.0, 4.0],
    "out_days": [0.0],
    "out_least": [0],
    "night_begin_h": [0.0],
    "night_end_h": [24.0],
    "wander_days": [0],
    "wander_s": [60.0, 600.0],
    "habit_days": [1, 2],
    "habit_h": [0.3],
    "profile_floor": [0.1],
    "profile_factor": [1.0],
    "bed_begin_h": [0.0, 6.0],
    "bed_end_h": [24.0],
    "bed_floor_min": [0.5, 2.0],
    "bed_days": [0.0],
    "sample_s": [60.0, 120.0],
    "worse_p": [0.1, 0.2],
    "worse_s": [0.0, 300.0],
    "worse_warm_h": [0.0],
    "worse_gap": [0.1],
    "rhythm_words": [20],
    "rhythm_threshold": [0.02, 0.1],
    "rhythm_least_s": [0.0, 10.0],
    "rhythm_s": [1.0, 3.0],
    "rhythm_calm_s": [0.0, 2.0],
    "rhythm_away_s": [5.0, 20.0],
}
# Values and a pace that make sense to a rule: factor on the values (30..200), factor on the time between readings.
RARE = ("deviation", "glucose_soon", "rhythm", "routine.day", "routine.steps", "routine.sleep")
FITTING: dict[str, tuple[float, float]] = {"glucose_soon": (1 / 20, 1.5), "rhythm": (8.0, 0.02)} | dict.fromkeys(
    ("routine.inactive", "routine.no_return", "routine.wander", "routine.bed"), (1 / 200, 1.0)
) | {"routine.day": (1 / 200, 40.0), "routine.steps": (100.0, 40.0), "routine.sleep": (10.0, 40.0)}


def drive(detector: Detector, rng: random.Random) -> Drive:
    made = Drive(detector, ROWS)
    for name, column in detector.params.items():
        for row in range(ROWS):
            made.params[name][row] = _setting(name, column, rng)
    return made


def _setting(name: str, column: Column, rng: random.Random) -> float:
    return rng.choice(SETTINGS[name]) if name in SETTINGS else column.fill


def stream(rng: random.Random, steps: int, detector: Detector, stretch: float = 1.0) -> list[Step]:
    """Readings of a few wandering, sticking and dropping series, with ticks between; times never go back."""
    scale, slower = FITTING.get(detector.rule, (1.0, 1.0))
    stretch *= slower
    quantities = len(getattr(detector, "quantities", "1234567"))
    level = [rng.uniform(75, 125) for _ in range(ROWS)]
    t_s = 1_000_000.0
    found: list[Step] = []
    for key in range(1, steps + 1):
        t_s += stretch * rng.choice([0.0, 0.0, 1.0, 1.0, 5.0, 20.0, 90.0])
        if rng.random() < 0.25:
            found.append(Beat(t_s=t_s, key=key))
            continue
        row = rng.randrange(ROWS)
        if key == steps * 2 // 3:
            level = [at + rng.choice([-35.0, 35.0]) for at in level]  # everybody changes for good
        if key == steps * 2 // 3 + 1:
            t_s += 60
        level[row] += rng.choice([0.0, 0.0, rng.gauss(0, 2), rng.choice([-40, 40]) if rng.random() < 0.02 else 0])
        level[row] = min(max(level[row], 30.0), 200.0)
        value = nan if rng.random() < 0.05 else round(level[row])
        faulty = key % 40 < 12  # stretches, as with a device that is taken off
        found.append(
            Reading(
                row=row, t_s=t_s, value=value * scale, key=key, usable=rng.random() > 0.05, doubtful=rng.random() < 0.1,
                beyond=rng.choice([0] * 20 + [-1, 1]), part=rng.choice([0, 1, 3, 4, 6]) % quantities,
                fault=rng.choice([1, 1, 5]) if faulty else 0,
            )
        )  # fmt: skip
    return found


def cut(steps: Sequence[Step], rng: random.Random) -> Iterator[Sequence[Step]]:
    at = 0
    while at < len(steps):
        size = rng.choice([1, 2, 3, 7, 40, 200])
        yield steps[at : at + size]
        at += size


@pytest.mark.timeout(20)
@every
def test_any_split_of_the_batches_says_the_same(detector: Detector, seed: int) -> None:
    spoke = 0
    for turn in range(4):
        rng = random.Random(seed + turn)
        steps = stream(rng, 600, detector, stretch=(1.0, 10.0)[turn % 2])
        settings = rng.randrange(2**32)
        whole = drive(detector, random.Random(settings)).run([steps])
        single = drive(detector, random.Random(settings)).run([[step] for step in steps])
        pieces = drive(detector, random.Random(settings)).run(cut(steps, rng))
        assert whole.heard() == single.heard() == pieces.heard()
        assert sorted(whole.verdicts) == sorted(single.verdicts) == sorted(pieces.verdicts)
        spoke += len(whole.said)
    assert spoke, "the stream never made this detector speak: give it settings"


@every
def test_the_order_of_residents_does_not_matter(detector: Detector, seed: int) -> None:
    rng = random.Random(seed)
    steps, settings = stream(rng, 600, detector), rng.randrange(2**32)
    forth = drive(detector, random.Random(settings)).run(cut(steps, random.Random(1)))
    back = drive(detector, random.Random(settings)).run(cut(steps, random.Random(1)), flip=True)
    assert forth.heard() == back.heard()
    assert sorted(forth.verdicts) == sorted(back.verdicts)


@every
def test_a_restart_changes_nothing(detector: Detector, seed: int) -> None:
    rng = random.Random(seed)
    steps, settings = stream(rng, 600, detector), rng.randrange(2**32)
    whole = drive(detector, random.Random(settings)).run([steps])
    broken = drive(detector, random.Random(settings))
    for batch in cut(steps, rng):
        broken = broken.run([batch]).again()
    assert broken.heard() == whole.heard()
    assert sorted(broken.verdicts) == sorted(whole.verdicts)


@every
@pytest.mark.parametrize("value", [nan, inf, -inf, 0.0, 1e300])
def test_no_value_is_never_normal_and_nothing_breaks(detector: Detector, value: float) -> None:
    made = drive(detector, random.Random(1))
    steps: list[Step] = [Reading(row=at % ROWS, t_s=1_000 + at, value=value, key=at + 1, usable=False) for at in range(50)]
    made.run([[*steps, Beat(t_s=1_100, key=60)]])
    assert not {verdict for _, verdict in made.verdicts} & {int(Verdict.OK)}
    made.run([[Reading(row=0, t_s=1_200, value=value, key=61)]])  # usable by its word: must not raise or warn either


@every
def test_one_reading_is_never_enough_for_a_baseline_or_a_score(detector: Detector) -> None:
    made = Drive(detector, 1)
    made.run([[Reading(row=0, t_s=1_000, value=75.0, key=1, part=4)]])
    assert made.verdicts[0][1] in (Verdict.WARMING, Verdict.NO_DATA)
    assert not made.said


@every
def test_a_constant_series_is_not_normal_by_accident(detector: Detector) -> None:
    """Constant and beyond: whatever judges the value must not have become used to it, whatever judges the signal must say so."""
    made = drive(detector, random.Random(3))
    for name, value in (("low", 90.0), ("flat_s", 30.0), ("flat_n", 3.0), ("t_on_s", 15.0), ("need", 1.0), ("hold_s", 120.0)):
        if name in made.params.columns:
            made.params[name][:] = value
    made.run([[Reading(row=0, t_s=1_000 + at, value=60.0, key=at + 1) for at in range(600)]])
    last = made.verdicts[-1][1]
    if detector.rule in ("limit.low", "flat"):
        assert last == Verdict.ALARM
    assert np.isfinite(made.state[next(iter(made.state.columns))]).any()


@every
def test_drop_ends_what_had_started_and_nothing_else(detector: Detector, seed: int) -> None:
    rng = random.Random(seed)
    made = drive(detector, rng).run([stream(rng, 600, detector)])
    open_now: dict[int, int] = {}
    for _, row, word, onset in made.heard():
        if word == "start":
            open_now[row] = onset
        elif word == "end":
            assert open_now.pop(row) == onset
    answer = detector.drop(np.arange(ROWS), made.state)
    ended = {int(row): int(key) for row, key, change in zip(answer.rows, answer.ended_key, answer.change, strict=True) if change}
    assert ended == open_now
    assert not detector.drop(np.arange(ROWS), made.state).change.any()


@pytest.mark.timeout(60)  # a tick a second is what is compared with: many of them, and some rules seldom speak
@every
def test_ticks_that_nothing_was_due_for_can_be_left_out(detector: Detector, seed: int) -> None:
    """What a replay relies on. The score is taken at ticks, so that it gets one after every reading in both runs."""
    spoke = 0
    for turn in range(40):
        rng = random.Random(seed + turn)
        readings = [step for step in stream(rng, 70, detector, 1.0 / FITTING.get(detector.rule, (1, 1))[1]) if isinstance(step, Reading)]
        dense, sparse = (_ticking(drive(detector, random.Random(seed + turn)), readings, lazy=lazy) for lazy in (False, True))
        assert [row[1:3] for row in dense.heard()] == [row[1:3] for row in sparse.heard()]
        spoke += len(dense.said)
        if spoke > 4:
            break
    assert spoke or detector.rule in RARE  # which hardly speak in so few readings


def _ticking(run: Drive, readings: Sequence[Reading], *, lazy: bool) -> Drive:
    """Readings with a tick every second, or only where something is due."""
    now_s, key = 1_000_000.0, 10_000
    run.run([[Beat(t_s=now_s, key=key)]])
    for reading in readings:
        while now_s + 1 <= reading.t_s:
            now_s, key = now_s + 1, key + 1
            if not lazy or _due(run, now_s) or now_s + 1 > reading.t_s:  # a reading is heard at the tick before it
                run.run([[Beat(t_s=now_s, key=key)]])
        run.run([[reading]])
        if run.detector.stage is Stage.SCORE:
            now_s, key = reading.t_s, key + 1
            run.run([[Beat(t_s=now_s, key=key)]])
    return run


def _due(run: Drive, now_s: float) -> bool:
    last_ns = run._beat_ns or 0
    due_ns = run.detector.due_ns(Instant(now_ns=last_ns, key=0, listened_ns=run.listened_ns, rows=ROWS), run.state, run.params)
    return due_ns is not None and due_ns <= round(now_s * NS)
