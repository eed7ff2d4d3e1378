"""The benchmark's score against the rule in plain words; the generic features against slow twins, and blind to the future."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from analytics import generic
from tests.evaluate import _nab as nab
from tests.evaluate._nab import Profile, Series
from tests.support import need

F64 = NDArray[np.float64]
STANDARD = Profile(tp=1.0, fp=0.11, fn=1.0)


def made(rng: np.random.Generator) -> Series:
    size = int(rng.integers(150, 400))
    edges = sorted(rng.choice(np.arange(size // 4, size - 2), 4, replace=False).tolist())
    t_s = np.arange(size, dtype=np.float64) * 300.0
    return Series(name="made", t_s=t_s, x=rng.normal(0, 1, size), windows=((edges[0], edges[1]), (edges[2], edges[3])))


def slow(series: Series, score: F64, threshold: float, profile: Profile) -> float:
    """The rule as the paper says it, for one threshold: the earliest alarm of a window counts, false ones by what lies before."""
    alarms = [at for at, value in enumerate(score.tolist()) if value >= threshold and at >= min(int(0.15 * len(score)), 750)]
    total = 0.0
    for left, right in series.windows:
        inside = [at for at in alarms if left <= at <= right]
        if not inside:
            total -= profile.fn
            continue
        position = -(right - inside[0] + 1) / (right - left + 1)
        total += profile.tp * (2 / (1 + exp(5 * position)) - 1) / (2 / (1 + exp(-5)) - 1)
    for at in alarms:
        if any(left <= at <= right for left, right in series.windows):
            continue
        ended = [(left, right) for left, right in series.windows if right < at]
        position = 9.0 if not ended else (at - ended[-1][1]) / (ended[-1][1] - ended[-1][0])
        total += profile.fp * (-1.0 if position > 3 else 2 / (1 + exp(5 * position)) - 1)
    return total


def test_the_sweep_equals_the_rule_at_every_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(5):
        series = made(rng)
        score = np.round(rng.exponential(1, len(series.x)), 1)  # with ties
        swept = nab.sweep(series, score, STANDARD)
        for threshold in [*np.unique(score).tolist(), 0.05, 99.0]:
            assert swept.at(threshold) == pytest.approx(slow(series, score, threshold, STANDARD), abs=1e-9)
        best = nab.best_threshold([swept])
        assert swept.at(best) == pytest.approx(max(slow(series, score, one, STANDARD) for one in [*np.unique(score).tolist(), np.inf]))


def test_perfect_none_and_the_course_of_the_sigmoid() -> None:
    series = Series(name="", t_s=np.arange(1000, dtype=np.float64) * 300.0, x=np.zeros(1000), windows=((300, 399), (600, 649)))
    score = np.zeros(1000)
    score[[300, 600]] = 1.0
    assert nab.normalised(nab.sweep(series, score, STANDARD).at(0.5), 2, STANDARD) == pytest.approx(100.0)
    assert nab.normalised(nab.sweep(series, score, STANDARD).at(2.0), 2, STANDARD) == 0.0
    assert nab.scaled_sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert nab.scaled_sigmoid(0.0) == 0.0
    assert nab.scaled_sigmoid(3.1) == -1.0
    value, inside = nab.worth(series, STANDARD)
    assert value[100] == pytest.approx(-0.11)
    assert -0.11 < value[405] < 0  # just behind a window costs little
    assert inside[[299, 300, 399, 400, 620]].tolist() == [-1, 0, 0, -1, 1]


def test_the_baseline_is_the_benchmarks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, 300)
    found = nab.windowed_gaussian(x)
    mean, spread = x[:200].mean(), x[:200].std()
    assert found[200] == pytest.approx(ndtr(abs(x[200] - mean) / spread), abs=1e-9)
    assert found[0] == 0.0


def test_real_files_have_their_windows() -> None:
    path = need("nab")
    series = nab.load(path)
    assert len(series) >= 20
    assert all(one.windows == tuple(sorted(one.windows)) for one in series)
    assert nab.profiles(path)["standard"] == STANDARD
    assert nab.profiles(path)["reward_low_FP_rate"].fp == 0.22


def wave(size: int, rng: np.random.Generator) -> tuple[F64, F64]:
    t_s = np.arange(size, dtype=np.float64) * 300.0
    return t_s, np.asarray(50 + 10 * np.sin(t_s / 86_400 * 2 * np.pi) + rng.normal(0, 1, size))


def test_features_are_blind_to_the_future(seed: int) -> None:
    t_s, x = wave(1500, np.random.default_rng(seed))
    whole = generic.features(t_s, x)
    for size in (1, 2, 21, 700, 1100):
        assert generic.features(t_s[:size], x[:size]) == pytest.approx(whole[:size], abs=1e-6)
    score = generic.surprise(t_s, x)
    assert generic.surprise(t_s[:700], x[:700]) == pytest.approx(score[:700], abs=1e-4)


def test_windows_of_the_gaussian_against_plain_sums(seed: int) -> None:
    x = np.random.default_rng(seed).normal(0, 1, 400)
    mean, spread = generic.gaussian(x, window=100, renew=10)
    for at in (2, 50, 99, 100, 105, 399):
        end = at if at < 100 else at // 10 * 10
        own = x[max(0, end - 100) : end]
        assert mean[at] == pytest.approx(own.mean())
        assert spread[at] == pytest.approx(own.std(), abs=1e-9)


def test_shape_against_all_pairs(seed: int) -> None:
    x = np.random.default_rng(seed).normal(0, 1, 120)
    _, spread = generic.gaussian(x)
    found = generic.shape(x)
    for end in (19, 20, 60, 119):
        mine = x[end - 9 : end + 1]
        others = [float(np.sqrt(((x[at : at + 10] - mine) ** 2).sum())) for at in range(end - 18)]
        assert found[end] == pytest.approx(min(min(others) / spread[end], 20.0), abs=1e-6)


def test_only_new_maxima_are_told(seed: int) -> None:
    score = np.random.default_rng(seed).integers(0, 9, 300).astype(float)
    found = generic.new_maximum(score, span=20)
    for at in range(300):
        before = score[max(0, at - 20) : at]
        assert found[at] == (score[at] if not len(before) or score[at] > before.max() else 0.0)


def test_something_strange_is_found_and_a_constant_is_not() -> None:
    t_s, x = wave(3000, np.random.default_rng(1))
    x[2500:2510] += 40
    score = generic.new_maximum(generic.surprise(t_s, x))
    assert 2500 <= int(score[450:].argmax()) + 450 < 2512
    assert not generic.surprise(t_s, np.full(3000, 7.0)).any()
    assert generic.alarms(t_s, np.full(3000, 7.0), 5.0).tolist() == []
    assert len(generic.surprise(t_s[:0], x[:0])) == 0
