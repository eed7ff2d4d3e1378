"""The score of a worsening person: features and alarms against a slow twin, what is missing, what is said."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from analytics import fitted, score
from analytics.detect import deterioration as detect
from analytics.detect.base import PERSONAL, Verdict, find
from dashboards.pages.words import PLACEHOLDER, words
from gateway.stream.rules import PERSON_PRIORITIES
from tests.support.detecting import Beat, Drive, Reading

T0_S = 1_767_196_800.0
Told = list[tuple[float, int, float]]  # second, part, value


def slow(told: Told, ticks: int, cvpu: float) -> list[tuple[list[float], float]]:
    """Features and score at every quarter of an hour, one resident, by their definitions."""
    model = fitted.logistic("deterioration")
    found = []
    hours, fast, low, var = [0.0] * 5, [0.0] * 5, [0.0] * 5, [0.0] * 5
    points, learned = [0.0] * 6, 0.0
    ages = (1800.0, 1800.0, math.inf, 43_200.0, 1800.0, math.inf, 43_200.0)
    for tick in range(1, ticks + 1):
        now = T0_S + 900.0 * tick
        parts = [math.nan] * 7
        for part in range(7):
            said = [(t, v) for t, p, v in told if p == part and t <= now]
            if said and now - said[-1][0] <= ages[part]:
                parts[part] = said[-1][1]
        parts[score.CONSCIOUSNESS], parts[score.O2] = cvpu, math.nan
        if all(math.isnan(parts[part]) for part in detect.LEVELS):
            continue
        learned += 0.25
        known = score.news2(np.array([parts]), np.array([1], dtype=np.int8)).points[0]
        share = min(1.0, max(1 - math.exp(-0.25 / 8), 0.25 / max(learned, 0.25)))
        points = [old + share * (max(0, int(known[part])) - old) for old, part in zip(points, detect.POINTS, strict=True)]
        for at, part in enumerate(detect.LEVELS):
            x = parts[part]
            if math.isnan(x):
                continue
            if hours[at] == 0:
                fast[at] = low[at] = x
            hours[at] += 0.25
            quick = min(1.0, max(1 - math.exp(-0.25 / 6), 0.25 / hours[at]))
            calm = min(1.0, max(1 - math.exp(-0.25 / 24), 0.25 / hours[at]))
            off = x - low[at]
            fast[at] += quick * (x - fast[at])
            low[at] += calm * off
            var[at] = (1 - calm) * (var[at] + calm * off * off)
        level = [(fast[at] - detect.NORMAL[at]) / detect.STEP[at] if hours[at] else 0.0 for at in range(5)]
        change = [(fast[at] - low[at]) / detect.STEP[at] if hours[at] else 0.0 for at in range(5)]
        spread = [math.sqrt(var[at]) / detect.STEP[at] if hours[at] else 0.0 for at in range(5)]
        x_all = [*points, *level, *(v * v for v in level), *change, *(abs(v) for v in change), *spread]
        z = [min(max((v - m) / s, -5), 5) for v, m, s in zip(x_all, model.mean, model.spread, strict=True)]
        found.append((x_all, model.bias + sum(a * b for a, b in zip(z, model.weight, strict=True))))
    return found


def readings(rng: random.Random, minutes: int, worse_at: int) -> Told:
    told: Told = []
    for minute in range(0, minutes, 5):
        bad = max(0.0, min(1.0, (minute - worse_at) / 240.0))
        for part, value, step in ((score.RESP, 16 + 14 * bad, 1.0), (score.SPO2, 96 - 9 * bad, 0.7), (score.PULSE, 75 + 50 * bad, 3.0)):
            told.append((T0_S + 60.0 * minute + rng.random(), part, value + rng.gauss(0, step)))
        if minute % 240 == 0:
            told.append((T0_S + 60.0 * minute + 2, score.SBP, 130 - 40 * bad + rng.gauss(0, 5)))
            told.append((T0_S + 60.0 * minute + 3, score.TEMP, 36.6 + 2 * bad))
    return told


def drive(told: Told, ticks: int, cvpu: float = 0.0) -> tuple[Drive, list[tuple[list[float], float]]]:
    made = Drive(detect.Deterioration(), 1)
    made.params["cvpu"][:] = cvpu
    made.params["max_age_s"][:] = score.MAX_AGE_S
    seen: list[tuple[list[float], float]] = []
    at = 0
    for tick in range(1, ticks + 1):
        now = T0_S + 900.0 * tick
        while at < len(told) and told[at][0] <= now:
            made.run([[Reading(row=0, t_s=told[at][0], value=told[at][2], key=10_000 * tick + at, part=told[at][1])]])
            at += 1
        before = made.state["grid"][0]
        made.run([[Beat(t_s=now, key=10_000 * tick + 9_999)]])
        if made.state["grid"][0] != before:
            seen.append((detect.features(np.array([0]), made.state)[0].tolist(), float(made.state["logit"][0])))
    return made, seen


def test_the_score_equals_its_slow_twin_and_speaks_of_a_worsening(seed: int) -> None:
    told = readings(random.Random(seed), 24 * 60, 6 * 60)
    made, seen = drive(told, 96)
    wanted = slow(told, 96, 0.0)
    assert len(seen) == len(wanted)
    for (x, logit), (x_twin, logit_twin) in zip(seen, wanted, strict=True):
        assert x == pytest.approx(x_twin, abs=1e-9)
        assert logit == pytest.approx(logit_twin, abs=1e-9)
    begun = [(key // 10_000, word) for key, _, word, _ in made.said]
    assert [word for _, word in begun] == ["start"]
    on = math.log(fitted.logistic("deterioration").threshold / (1 - fitted.logistic("deterioration").threshold))
    above = next(at for at in range(24, 96) if all(logit > on for _, logit in seen[at : at + 9]))
    assert begun[0][0] == above + 1 + 8, "two hours above the threshold, not sooner"
    numbers = made.detector.numbers(0, made.state)  # type: ignore[attr-defined]
    assert numbers["quantity"] in ("sbp", "hr", "spo2")
    assert numbers["known"] == 6


def test_a_calm_person_and_one_of_whom_little_is_known_raise_nothing(seed: int) -> None:
    calm, _ = drive(readings(random.Random(seed), 24 * 60, 10**6), 96)
    assert not calm.said
    assert calm.verdicts[-1][1] == Verdict.OK
    few = [one for one in readings(random.Random(seed), 24 * 60, 6 * 60) if one[1] == score.PULSE]
    alone, _ = drive(few, 96, math.nan)
    assert not alone.said
    assert alone.verdicts[-1][1] == Verdict.NO_DATA, "one part of seven is no score"


def test_every_rule_of_people_has_words_for_its_numbers() -> None:
    checked = []
    for rule in find():
        if rule.stage not in PERSONAL or rule.rule not in PERSON_PRIORITIES:
            continue
        made = Drive(rule, 1)
        for name in made.state.columns:
            made.state[name][:] = 1
        told = rule.numbers(0, made.state)  # type: ignore[attr-defined]
        for lang in ("zh", "en"):
            assert set(PLACEHOLDER.findall(words(lang)[f"finding.{rule.rule}"])) <= set(told), rule.rule
        checked.append(rule.rule)
    assert {"glucose_soon", "deterioration", "routine.inactive", "routine.sleep"} <= set(checked)
