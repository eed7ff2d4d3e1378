"""Generic anomalies on the NAB series at hand: official and 2-fold scores of the product's features beside named baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from river import anomaly, preprocessing

from analytics import generic
from tests.evaluate._frame import Row, bootstrap, key_hash, row, save
from tests.evaluate._nab import Profile, Series, best_threshold, load, normalised, profiles, sweep, windowed_gaussian, worth
from tests.support import data_dir

WHAT = "anomalies of any series, the benchmark's own score; threshold from the other half of the files (2-fold) and the official way"
DATA = ("nab",)
MOST_PER_WEEK = 0.5  # false alarms per series and week on the training files
SPLITS = 40
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A detector on n files at m thresholds: raw scores and false alarms float64[n, m], windows hit float64[n, m]."""

    levels: F64
    raw: F64
    false: F64
    weeks: F64
    windows: F64

    def pick(self, use: NDArray[np.bool_], most_per_week: float) -> int:
        """The threshold with the best score on some files, among those with few enough false alarms there."""
        total = self.raw[use].sum(axis=0)
        few = self.false[use].sum(axis=0) / self.weeks[use].sum() <= most_per_week
        return int(np.where(few, total, -np.inf).argmax())

    def folds(self, fold: NDArray[np.int64], most_per_week: float) -> tuple[F64, F64]:
        """Raw scores and false alarms float64[n], each file with the threshold from the files of the other fold."""
        raw, false = np.zeros(len(fold)), np.zeros(len(fold))
        for number in (0, 1):
            out = fold == number
            level = self.pick(~out, most_per_week)
            raw[out], false[out] = self.raw[out, level], self.false[out, level]
        return raw, false


def sheet(series: list[Series], scores: list[F64], profile: Profile) -> Sheet:
    """All thresholds at once."""
    swept = [sweep(one, score, profile) for one, score in zip(series, scores, strict=True)]
    levels = np.unique(np.concatenate([one.thresholds for one in swept]))
    outside = []
    for one, score in zip(series, scores, strict=True):
        _, inside = worth(one, profile)
        outside.append(np.sort(score[one.probation :][inside[one.probation :] < 0]))
    return Sheet(
        levels=levels, raw=np.array([one.score[np.searchsorted(-one.thresholds, -levels, side="right") - 1] for one in swept]),
        false=np.array([len(one) - np.searchsorted(one, levels) for one in outside], dtype=np.float64),
        weeks=np.array([one.weeks for one in series]), windows=np.array([float(len(one.windows)) for one in series]),
    )  # fmt: skip


def trees(one: Series) -> F64:
    """River's half-space trees on scaled values."""
    scale, model = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1, n_trees=10, height=8)
    found = np.zeros(len(one.x))
    for at, value in enumerate(one.x.tolist()):
        scale.learn_one({"x": value})  # type: ignore[no-untyped-call]
        scaled = scale.transform_one({"x": value})  # type: ignore[no-untyped-call]
        found[at] = model.score_one(scaled)  # type: ignore[no-untyped-call]
        model.learn_one(scaled)  # type: ignore[no-untyped-call]
    return found


def table() -> list[Row]:
    """The product's sum of calibrated tails with its refractory rule, windowed Gaussian and River."""
    path = data_dir() / "nab"
    series, costs = load(path), profiles(path)
    ours = [generic.new_maximum(generic.surprise(one.t_s, one.x)) for one in series]
    plain = [windowed_gaussian(one.x) for one in series]
    standard = costs["standard"]
    mine, theirs = sheet(series, ours, standard), sheet(series, plain, standard)
    rows: list[Row] = []
    for name, key in (("standard", "standard"), ("low false positive", "reward_low_FP_rate")):
        rows += [
            row(f"official {name} score", _official(series, ours, costs[key]), note="threshold on the very labels, as the benchmark does"),
            row(f"official {name} score, windowed Gaussian", _official(series, plain, costs[key])),
        ]
    fold = np.arange(len(series)) % 2
    raw, false = mine.folds(fold, MOST_PER_WEEK)
    other, other_false = theirs.folds(fold, np.inf)  # held to few false alarms it finds nothing at all
    score = _scorer(standard)
    parts = np.column_stack([raw, other, mine.windows, false, mine.weeks])
    total = parts.sum(axis=0)
    rows += [
        row("2-fold standard score", score(total[0], total[2]), bootstrap(parts, lambda t: score(t[0], t[2])), note="files by turns"),
        row("2-fold standard score, windowed Gaussian", score(total[1], total[2]), bootstrap(parts, lambda t: score(t[1], t[2])),
            note=f"{other_false.sum() / mine.weeks.sum():.2f} false alarms per series-week"),
        row("2-fold, points above windowed Gaussian", score(total[0], total[2]) - score(total[1], total[2]),
            bootstrap(parts, lambda t: score(t[0], t[2]) - score(t[1], t[2])), at_least=15.0, note="interval over files"),
        row("official, points above windowed Gaussian", rows[0].value - rows[1].value, at_least=15.0),
        row("2-fold false alarms per series-week", total[3] / total[4], bootstrap(parts, lambda t: t[3] / t[4]), at_most=0.5,
            note=f"{total[3]:.0f} in {total[4]:.0f} series-weeks"),
    ]  # fmt: skip
    rows += _many(mine, theirs, score)
    forest = sheet(series, [trees(one) for one in series], standard)
    raw, false = forest.folds(fold, np.inf)
    rows.append(row("2-fold standard score, River HalfSpaceTrees", score(raw.sum(), total[2]),
                    note=f"{false.sum() / mine.weeks.sum():.2f} false alarms per series-week"))  # fmt: skip
    level = mine.pick(np.ones(len(series), dtype=bool), MOST_PER_WEEK)
    save("generic", {"format": 1, "kind": "threshold", "data": "nab", "keys_sha256": key_hash(one.name for one in series),
                     "threshold": float(f"{mine.levels[level]:.8g}")})  # fmt: skip
    return rows


def _official(series: list[Series], scores: list[F64], profile: Profile) -> float:
    swept = [sweep(one, score, profile) for one, score in zip(series, scores, strict=True)]
    threshold = best_threshold(swept)
    return normalised(sum(one.at(threshold) for one in swept), sum(one.windows for one in swept), profile)


def _scorer(profile: Profile) -> Callable[[float, float], float]:
    return lambda raw, windows: normalised(raw, round(windows), profile) if windows else float("nan")


def _many(mine: Sheet, theirs: Sheet, score: Callable[[float, float], float]) -> list[Row]:
    """One split in halves is luck: the mean over many."""
    rng = np.random.default_rng(0)
    windows = mine.windows.sum()
    found = []
    for _ in range(SPLITS):
        fold = rng.permutation(len(mine.weeks)) % 2
        (raw, false), (other, _) = mine.folds(fold, MOST_PER_WEEK), theirs.folds(fold, np.inf)
        found.append((score(raw.sum(), windows), score(other.sum(), windows), false.sum() / mine.weeks.sum()))
    ours, plain, rate = np.array(found).T
    low, high = np.quantile(ours, [0.025, 0.975])
    return [
        row(f"2-fold standard score, mean of {SPLITS} splits", float(ours.mean()), (float(low), float(high)), note="range over the splits"),
        row(f"the same, points above windowed Gaussian ({plain.mean():.1f})", float((ours - plain).mean())),
        row("the same, false alarms per series-week", float(rate.mean())),
    ]
