"""The core against its slow twin, and its three ways (whole ticks, batches, scans along time) against each other."""

from __future__ import annotations

import random
from math import inf, nan

import numpy as np
import pytest

from analytics.core import Core, Settings
from analytics.detect.base import ALARM, NO_DATA, OK, WARMING
from analytics.ring import Ring, median
from tests.property.slow_core import SlowCore

NS = 1_000_000_000
SETTINGS = Settings(tau_s=600.0, fast_s=60.0, floor=2.0, height=6.0, refractory_s=120.0)
SPANNED = Settings(tau_s=600.0, fast_s=60.0, floor=2.0, height=3.0, span_s=40.0, refractory_s=0.0)


def slow(settings: Settings) -> SlowCore:
    return SlowCore(
        tau=settings.tau_s, fast=settings.fast_s, floor=settings.floor, height=settings.height, span=settings.span_s,
        refractory=settings.refractory_s,
    )  # fmt: skip


def walk(rng: random.Random, count: int, series: int = 1) -> np.ndarray:
    """Levels that wander, leap and stick, float32[count, series]."""
    level, rows = [70.0] * series, []
    for _ in range(count):
        level = [at + rng.gauss(0, 1) + (rng.choice([-25, 25]) if rng.random() < 0.02 else 0.0) for at in level]
        rows.append([round(at) for at in level])
    return np.array(rows, np.float32)


@pytest.mark.parametrize("settings", [SETTINGS, SPANNED], ids=["plain", "spanned"])
@pytest.mark.parametrize("way", ["tick", "batch", "scan"])
def test_each_way_equals_the_slow_twin(settings: Settings, way: str, seed: int) -> None:
    rng = random.Random(seed)
    values = walk(rng, 500)[:, 0]
    times = np.cumsum([NS * rng.choice([0, 1, 1, 1, 5, 90]) for _ in values])
    twin, core = slow(settings), Core(1, settings, ring=True)
    expected = [at for at, (t, x) in enumerate(zip(times, values, strict=True)) if twin.take(t / NS, float(x))]
    zero = np.array([0])
    if way == "tick":
        said = [at for at, (t, x) in enumerate(zip(times, values, strict=True)) if len(core.tick(int(t), np.array([x])))]
    elif way == "batch":
        said = [at for at, (t, x) in enumerate(zip(times, values, strict=True)) if len(core.batch(zero, np.array([t]), np.array([x])))]
    else:
        said = core.scan(0, times[:200], values[:200]) + [200 + at for at in core.scan(0, times[200:], values[200:])]
    assert said == expected
    assert len(said) > 2
    assert core.lanes[:, 0] == pytest.approx([twin.m, twin.f, twin.v, twin.up, twin.down], rel=2e-3, abs=2e-3)
    assert core.ring is not None
    assert core.ring.median[0] == twin.med
    assert core.ring.spread[0] == pytest.approx(twin.spread, rel=1e-6)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("series", [7, 20_000])
def test_ticks_and_batches_in_any_mixture_are_one_story(series: int, seed: int) -> None:
    """NaN in a tick leaves its series alone; the order of the rows in a batch does not matter; neither does what was whole before."""
    rng = random.Random(seed)
    whole, pieces = Core(series, SETTINGS, ring=True), Core(series, SETTINGS, ring=True)
    noise = np.random.default_rng(seed)
    for step in range(40):
        x = noise.normal(70, 12 if step % 9 == 0 else 3, series).astype(np.float32)
        if step % 3 == 0:
            x[noise.integers(0, series, 3)] = nan
        t_ns = step * 10 * NS
        said = set(whole.tick(t_ns, x).tolist())
        told = np.flatnonzero(np.isfinite(x))
        noise.shuffle(told)
        heard: set[int] = set()
        for part in np.array_split(told, rng.choice([1, 2, 5])):
            if len(part):
                heard |= set(part[pieces.batch(part, np.full(len(part), t_ns), x[part])].tolist())
        assert said == heard
    assert np.allclose(whole.lanes, pieces.lanes, rtol=1e-5, atol=1e-5)
    assert whole.ring is not None
    assert pieces.ring is not None
    assert np.array_equal(whole.ring.median, pieces.ring.median, equal_nan=True)
    assert (whole.verdicts(500 * NS) == pieces.verdicts(500 * NS)).all()


def test_nothing_reads_as_normal_by_accident() -> None:
    core = Core(3, Settings(floor=1.0, warm_n=8, stale_s=100.0, refractory_s=50.0, height=4.0))
    assert core.verdicts(0).tolist() == [NO_DATA] * 3
    for at in range(5):
        core.batch(np.array([0, 1]), np.full(2, at * NS), np.array([70.0, 70.0], np.float32))
    assert core.verdicts(5 * NS).tolist() == [WARMING, WARMING, NO_DATA]
    for at in range(5, 20):
        core.batch(np.array([0]), np.array([at * NS]), np.array([70.0], np.float32))
    assert core.verdicts(20 * NS).tolist() == [OK, WARMING, NO_DATA]
    assert len(core.batch(np.array([0]), np.array([20 * NS]), np.array([80.0], np.float32))) == 0  # constant for 20 s, one wild value
    assert len(core.batch(np.array([0]), np.array([21 * NS]), np.array([80.0], np.float32))) == 1
    assert core.verdicts(22 * NS).tolist()[0] == ALARM
    assert core.verdicts(1_000 * NS).tolist() == [NO_DATA] * 3
    assert np.isfinite(core.lanes).all()


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_no_value_moves_nothing(bad: float) -> None:
    core = Core(2, SETTINGS)
    core.tick(NS, np.array([70, 70], np.float32))
    before = core.lanes[:, 0].copy()
    core.tick(2 * NS, np.array([bad, 71], np.float32))
    assert (core.lanes[:, 0] == before).all()
    assert np.isfinite(core.lanes).all()


def test_a_fault_does_not_poison_the_level() -> None:
    core = Core(1, Settings(tau_s=1800.0, floor=3.0))
    rng = random.Random(5)
    for at in range(3_000):
        core.tick(at * NS, np.array([70 + rng.gauss(0, 2)], np.float32))
    for at in range(3_000, 3_010):
        core.tick(at * NS, np.array([250.0], np.float32))
    assert abs(core.lanes[0, 0] - 70) < 1


def test_median_of_rows_with_gaps() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(50, 64)).astype(np.float32)
    for row in range(1, 50):
        values[row, rng.choice(64, row, replace=False)] = nan
    assert median(values.copy()) == pytest.approx(np.nanmedian(values, axis=1))


def test_the_ring_before_its_first_refresh_says_nothing() -> None:
    ring = Ring(2, 1.0)
    for at in range(15):
        ring.push(np.array([0]), np.array([at], np.float32))
    assert np.isnan(ring.z(np.array([0, 1]), np.array([1, 2], np.float32))).all()
