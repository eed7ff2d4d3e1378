"""Falls: even samples, features, the detector against a slow twin, its watch after a fall, cancellation, gaps."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics import falls
from analytics.detect.base import ALARM, END, OK, START, UPDATE, WARMING
from analytics.detect.fall import CONFIRM_S, FINE, HELPLESS, OVER, QUIET, SILENT, Falls
from analytics.falls import AFTER, BEFORE, FEATURES, WINDOW
from analytics.table import Table

F64 = NDArray[np.float64]
RATE = 50.0
LYING, UP = (0.05, 0.1, 1.0), (0.0, 1.0, 0.05)
DETECTOR = Falls()


def still(seconds: float, gravity: tuple[float, float, float], rng: np.random.Generator, noise: float = 0.02) -> F64:
    return np.asarray(np.array(gravity) + rng.normal(0, noise, (round(seconds * RATE), 3)))


def walk(seconds: float, rng: np.random.Generator) -> F64:
    t_s = np.arange(round(seconds * RATE)) / RATE
    steps = np.column_stack([0.1 * np.sin(2 * np.pi * t_s), 0.35 * np.sin(4 * np.pi * t_s), 0.15 * np.cos(2 * np.pi * t_s)])
    return np.asarray(np.array(UP) + steps + rng.normal(0, 0.03, (len(t_s), 3)))


def tumble(rng: np.random.Generator) -> F64:
    """Half a second of falling, a hard impact, a rebound: the axis of gravity changes on the way."""
    drop = np.array(UP) * np.linspace(1.0, 0.25, 25)[:, None]
    blow = np.array([[0.8, 1.2, 2.5], [1.5, 1.8, 5.5], [1.0, 1.0, 6.0], [-0.6, 0.4, 2.4], [0.4, -0.5, 0.3], [0.2, 0.6, 1.9]])
    return np.asarray(np.concatenate([drop, blow, np.array(LYING) + rng.normal(0, 0.25, (15, 3))]))


def story(after: F64, seed: int = 1) -> F64:
    rng = np.random.default_rng(seed)
    return np.concatenate([walk(8, rng), still(2, UP, rng), tumble(rng), still(5, LYING, rng), after])


def play(
    acc: F64, *, sizes: tuple[int, ...] = (25,), rate_hz: float = RATE, row: int = 0, state: Table | None = None
) -> list[tuple[int, int, int]]:
    """(sample at which it was said, change, onset in ms) of a stream in messages of these sizes by turns."""
    state = Table(DETECTOR.columns, 4) if state is None else state
    said, at, turn = [], 0, 0
    while at < len(acc):
        part = acc[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(part), turn + 1
        _, found = DETECTOR.push(np.array([row]), part[None], rate_hz, np.array([round(at / rate_hz * 1e9)]), np.array([at]), state)
        said += [(one.key, one.change, round(one.onset_ns / 1e6)) for one in found]
    return said


def slow(acc: F64, rate_hz: float) -> list[tuple[int, float]]:
    """Impacts that alarm (sample at 25 Hz, log-odds), as plain as can be: the whole recording, one candidate at a time."""
    factor = int(rate_hz // 25)
    even = [sum(np.round(acc[factor * at + j] * 4096) for j in range(factor)) / factor for at in range(len(acc) // factor)]
    even = [np.round(one + 1e-6) / 4096 for one in even]
    size = [float(np.sqrt((one**2).sum())) for one in even]
    found: list[tuple[int, float]] = []
    for at in range(BEFORE, len(even) - AFTER):
        around = size[max(0, at - 25) : at + 26]
        if size[at] <= 1.6 or size[at] < max(around) or size[at] in size[max(0, at - 25) : at]:
            continue
        logit = float(DETECTOR.model.logit(falls.features(np.array([even[at - BEFORE : at + AFTER + 1]])))[0])
        if logit >= DETECTOR.model.threshold and (not found or at - found[-1][0] >= 250):
            found.append((at, logit))
    return found


def test_a_fall_is_said_three_seconds_after_the_impact() -> None:
    acc = story(np.zeros((0, 3)))
    ((at, change, onset_ms),) = play(acc)
    assert change == START
    impact_s = 10.0 + 27 / RATE
    assert onset_ms / 1000 == pytest.approx(impact_s, abs=0.1)
    assert 3.0 <= at / RATE - impact_s <= 3.7


def test_walking_sitting_down_and_stillness_say_nothing() -> None:
    rng = np.random.default_rng(3)
    sit = np.array(UP) + np.array([0.0, 1.0, 0.2]) * np.exp(-np.linspace(-2, 2, 20) ** 2)[:, None]
    acc = np.concatenate([walk(60, rng), still(2, UP, rng), sit, still(20, UP, rng), still(30, LYING, rng, 0.0), np.zeros((500, 3))])
    assert play(acc) == []


@pytest.mark.parametrize(
    ("after", "change", "state"),
    [
        (still(60, LYING, np.random.default_rng(5)), UPDATE, HELPLESS),
        (np.concatenate([still(4, LYING, np.random.default_rng(6)), walk(20, np.random.default_rng(7))]), END, OVER),
        (np.concatenate([still(10, LYING, np.random.default_rng(6)), still(20, UP, np.random.default_rng(7))]), END, OVER),
    ],
)
def test_whoever_gets_up_and_whoever_does_not(after: F64, change: int, state: int) -> None:
    table = Table(DETECTOR.columns, 4)
    said = play(story(after), state=table)
    assert [one[1] for one in said] == [START, change]
    assert table["state"][0] == state
    if change == UPDATE:
        assert said[1][0] / RATE - said[1][2] / 1000 == pytest.approx(CONFIRM_S, abs=1.6)


def test_a_sensor_that_stops_after_a_fall_is_not_a_recovery() -> None:
    table = Table(DETECTOR.columns, 4)
    ((_, _, onset_ms),) = play(story(np.zeros((0, 3))), state=table)
    due_ns = DETECTOR.due_ns(4, table)
    assert due_ns is not None
    assert due_ns // 1_000_000 - onset_ms == pytest.approx(60_000, abs=2)
    assert DETECTOR.tick(due_ns - 1, 9, 4, table) == []
    (said,) = DETECTOR.tick(due_ns, 9, 4, table)
    assert (said.row, said.change, table["state"][0]) == (0, UPDATE, SILENT)
    assert DETECTOR.tick(due_ns + 1, 10, 4, table) == []
    assert DETECTOR.due_ns(4, table) is None


def test_i_am_ok_ends_the_watch_and_closes_nothing() -> None:
    table = Table(DETECTOR.columns, 4)
    acc = story(np.zeros((0, 3)))
    play(acc, state=table)
    now_ns = round(len(acc) / RATE * 1e9)
    assert DETECTOR.cancel(1, 5, now_ns, 3600, table) is None  # somebody else
    assert DETECTOR.cancel(0, 5, now_ns + 4000 * 10**9, 3600, table) is None  # of another time
    said = DETECTOR.cancel(0, 5, now_ns, 3600, table)
    assert said is not None
    assert (said.change, table["state"][0]) == (UPDATE, FINE)
    assert DETECTOR.tick(now_ns + 10**12, 9, 4, table) == []
    assert DETECTOR.cancel(0, 5, now_ns, 3600, table) is None  # once


def test_after_a_gap_nothing_is_judged_without_what_came_before() -> None:
    table = Table(DETECTOR.columns, 4)
    rows = np.array([0])
    verdicts, _ = DETECTOR.push(rows, np.tile(np.array(UP), (1, 20, 1)), RATE, np.array([10**9]), np.array([1]), table)
    assert verdicts.tolist() == [WARMING]
    acc = story(np.zeros((0, 3)))
    cut = round(10.3 * RATE)  # in the fall itself
    assert play(acc[:cut], state=table) == []
    DETECTOR.restart(rows, table)
    assert play(acc[cut:], state=table) == []
    assert table["state"][0] == QUIET
    verdicts, _ = DETECTOR.push(rows, np.tile(np.array(UP), (1, 50, 1)), RATE, np.array([10**12]), np.array([1]), table)
    assert verdicts.tolist() == [OK]


def test_any_split_any_company_and_a_restart_say_the_same(seed: int) -> None:
    rng = random.Random(seed)
    acc = story(still(50, LYING, np.random.default_rng(seed)), seed)
    whole = [(change, onset) for _, change, onset in play(acc, sizes=(len(acc),))]
    sizes = tuple(rng.choice([1, 3, 10, 25, 50, 77, 400]) for _ in range(40))
    assert [(change, onset) for _, change, onset in play(acc, sizes=sizes)] == whole
    assert [change for change, _ in whole] == [START, UPDATE]
    # beside others, with bytes in between
    table, said = Table(DETECTOR.columns, 3), []
    others = np.random.default_rng(seed).normal(0, 1.5, (2, len(acc), 3))
    for at in range(0, len(acc), 50):
        part = np.concatenate([others[:1, at : at + 50], acc[None, at : at + 50], others[1:, at : at + 50]])
        end_ns = np.full(3, round((at + part.shape[1]) / RATE * 1e9))
        verdicts, found = DETECTOR.push(np.array([2, 1, 0]), part, RATE, end_ns, np.full(3, at + 1), table)
        said += [(one.change, round(one.onset_ns / 1e6)) for one in found if one.row == 1]
        assert verdicts[1] == (ALARM if table["state"][1] in (1, 2) else OK) or at < 400
        again = Table(DETECTOR.columns, 3)
        again.unpack(table.pack(3))
        table = again
    assert said == whole


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 100.0])
def test_the_detector_equals_its_slow_twin(seed: int, rate_hz: float) -> None:
    rng = np.random.default_rng(seed)
    parts = [still(3, UP, rng)]
    for _ in range(6):
        parts += [walk(float(rng.uniform(4, 12)), rng), tumble(rng) * rng.uniform(0.4, 1.3), still(float(rng.uniform(4, 9)), LYING, rng)]
    acc = np.concatenate(parts)
    # the same numbers played at another rate are another movement; that is as good a test
    said = [onset_ms for _, change, onset_ms in play(acc, sizes=(7, 50, 128), rate_hz=rate_hz) if change == START]
    assert [at * 40 + 40 for at, _ in slow(acc, rate_hz)] == said


@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 31.25, 50.0, 52.0, 104.0])
def test_even_samples_do_not_depend_on_how_a_stream_was_cut(seed: int, rate_hz: float) -> None:
    rng = np.random.default_rng(seed)
    acc = rng.normal(0, 1, (2, 400, 3))
    whole = falls.even(acc, rate_hz, np.zeros((2, 3)), 0.0).samples
    carry, phase, parts, at = np.zeros((2, 3)), 0.0, [], 0
    while at < 400:
        size = int(rng.integers(1, 70))
        one = falls.even(acc[:, at : at + size], rate_hz, carry, phase)
        parts.append(one.samples)
        carry, phase, at = one.carry, one.phase, at + size
    assert np.array_equal(np.concatenate(parts, axis=1), whole)
    assert whole.shape[1] == int(400 / rate_hz * 25 + 1e-9)
    # each box is the mean of what lies in it
    fine = np.repeat(acc, 100, axis=1)
    box = 100 * rate_hz / 25
    for number in (0, 7, whole.shape[1] - 1):
        inside = fine[:, round(number * box) : round((number + 1) * box)].mean(axis=1)
        assert whole[:, number] == pytest.approx(inside, abs=2e-3)


def test_features_do_not_know_which_axis_is_which(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = np.concatenate([still(2.5, UP, rng), tumble(rng), still(5, LYING, rng)])[100 : 100 + WINDOW][None]
    drawn = falls.features(window)
    assert drawn.shape == (1, len(FEATURES))
    for _ in range(4):
        turned = window[:, :, rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
        assert falls.features(turned) == pytest.approx(drawn, abs=1e-6)
    assert np.isfinite(falls.features(np.zeros((2, WINDOW, 3)))).all()


def test_numbers_and_picture_of_a_fall() -> None:
    table = Table(DETECTOR.columns, 4)
    play(story(np.zeros((0, 3)))[: round(13.9 * RATE)], state=table)
    numbers = DETECTOR.numbers(0, table)
    assert numbers["peak_g"] > 4
    assert 60 < numbers["tilt_deg"] < 120
    assert numbers["percent"] > 50
    trace = DETECTOR.trace(0, table)
    assert len(trace["t_ms"]) == len(trace["value"]) > 30
    assert max(trace["value"]) == pytest.approx(numbers["peak_g"], abs=0.1)
