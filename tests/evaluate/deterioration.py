"""Deterioration: AUROC of death and alarm onsets per day on physionet2012_a, 5-fold by patient, beside partial NEWS2 on the same stays."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics import fitted, score
from analytics.detect import deterioration as detect
from analytics.detect.base import START, Instant, Window
from analytics.table import Table
from tests.evaluate._frame import Row, bootstrap, key_hash, resampled, row, save
from tests.support import data_dir

WHAT = "deterioration: death in hospital from 48 hours of vital signs; stays in 5 folds, partial NEWS2 (no oxygen term) on the same stays"
DATA = ("physionet2012_a",)
FOLDS, INNER = 5, 4
HOURS = 48
SAMPLES_PER_H = 4
MAX_AGE_S = 12 * 3600.0  # the recordings are hourly at best
L2, CLIP = 1.0, 5.0
TAUGHT_H = tuple(range(12, HOURS + 1, 6))  # hours whose features the model is fitted on
LAST_H = 12
NAIVE_ON = 7
MARGIN = 0.03  # of sensitivity on the training folds, so that it is equal on stays that were not seen
H_NS = 3_600_000_000_000

# parameter of the recordings -> part, and the range that a working sensor can show
_SOURCE = {
    "RespRate": (score.RESP, 2, 80), "SaO2": (score.SPO2, 40, 100), "SysABP": (score.SBP, 30, 300), "NISysABP": (score.SBP, 30, 300),
    "HR": (score.PULSE, 15, 300), "Temp": (score.TEMP, 30, 43), "GCS": (score.CONSCIOUSNESS, 3, 15),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """n stays: ids, death in hospital bool[n], and readings by time: hour float64[m], stay int64[m], part int64[m], value float64[m]."""

    ids: tuple[str, ...]
    died: NDArray[np.bool_]
    hour: NDArray[np.float64]
    stay: NDArray[np.int64]
    part: NDArray[np.int64]
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the product's detector made of n stays, every quarter of an hour: features float32[q, n, k], able to tell bool[q, n].

    Partial NEWS2 int8[hours, n] once an hour.
    """

    features: NDArray[np.float32]
    able: NDArray[np.bool_]
    news2: NDArray[np.int8]


def load(folder: Path) -> Stays:
    """All stays with an outcome and at least one usable reading."""
    with (folder / "static_outcomes.csv").open(encoding="utf-8") as file:
        died = {str(int(float(row["RecordID"]))): row["In-hospital_death"] == "1" for row in csv.DictReader(file)}
    found: list[tuple[float, str, int, float]] = []
    with gzip.open(folder / "vitals.csv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            source = _SOURCE.get(row["Parameter"])
            if source is None or row["id"] not in died:
                continue
            part, low, high = source
            value, hour = float(row["Value"]), float(row["min"]) / 60.0
            if low <= value <= high and hour < HOURS:
                found.append((hour, row["id"], part, value))
    found.sort()
    ids = tuple(sorted({row[1] for row in found}))
    at = {name: number for number, name in enumerate(ids)}
    return Stays(
        ids=ids, died=np.array([died[name] for name in ids]), hour=np.array([row[0] for row in found]),
        stay=np.array([at[row[1]] for row in found]), part=np.array([row[2] for row in found]),
        value=np.array([row[3] for row in found]),
    )  # fmt: skip


class Ward:
    """All stays side by side in the product's detector, hour by hour."""

    def __init__(self, stays: Stays, detector: detect.Deterioration) -> None:
        self.stays, self.detector = stays, detector
        self.count = len(stays.ids)
        self.state, self.params = Table(detector.columns, self.count), Table(detector.params, self.count)
        self.params["max_age_s"][:] = MAX_AGE_S
        self.rows = np.arange(self.count)
        self.starts = np.zeros((self.count, HOURS * SAMPLES_PER_H + 1), dtype=bool)

    def run(self) -> Course:
        """Feed all readings; ticks every quarter of an hour."""
        stays, features, able, scores = self.stays, [], [], []
        for tick in range(1, HOURS * SAMPLES_PER_H + 1):
            hour = tick / SAMPLES_PER_H
            span = slice(*np.searchsorted(stays.hour, [hour - 1 / SAMPLES_PER_H, hour]))
            self._feed(span)
            now_ns = round(hour * H_NS)
            answer = self.detector.tick(Instant(now_ns=now_ns, key=tick, listened_ns=now_ns, rows=self.count), self.state, self.params)
            self.starts[answer.rows[(answer.change & START) != 0], tick] = True
            able.append(self.state["known"][self.rows] >= detect.LEAST_PARTS)
            features.append(detect.features(self.rows, self.state).astype(np.float32))
            if tick % SAMPLES_PER_H == 0:
                parts, _ = self.detector.parts(now_ns, self.rows, self.state, self.params)
                scores.append(score.news2(parts, self.params["spo2_scale"][self.rows]).total)
        return Course(features=np.array(features), able=np.array(able), news2=np.array(scores))

    def _feed(self, span: slice) -> None:
        stays = self.stays
        stay, part, value, hour = stays.stay[span], stays.part[span], stays.value[span], stays.hour[span]
        staff = part == score.CONSCIOUSNESS  # entered by staff in the product
        self.params["cvpu"][stay[staff]] = (value[staff] < 15).astype(np.float64)
        stay, part, value, hour = stay[~staff], part[~staff], value[~staff], hour[~staff]
        last = {(s, p): at for at, (s, p) in enumerate(zip(stay.tolist(), part.tolist(), strict=True))}
        index = np.array(sorted(last.values()), dtype=np.int64)
        if not len(index):
            return
        no = np.zeros(len(index), dtype=bool)
        window = Window(
            rows=stay[index], t_ns=np.round(hour[index] * H_NS).astype(np.int64), value=value[index], key=index + 1, usable=~no,
            doubtful=no, beyond=no.astype(np.int8), origin=no.astype(np.uint8), part=part[index].astype(np.int8), params=self.params,
        )  # fmt: skip
        self.detector.step(window, self.state)


def blank() -> fitted.Logistic:
    """A model that says nothing, to draw features with."""
    nothing = np.zeros(len(detect.FEATURES))
    return fitted.Logistic(
        names=detect.FEATURES, mean=nothing, spread=nothing + 1.0, weight=nothing, bias=-9.0, clip=CLIP, threshold=0.5, data="",
        keys_sha256="",
    )  # fmt: skip


# What is worse must not lower the score: a weight of the other sign is an accident of who was measured, and is left out.
WORSE = np.array(
    [1.0] * len(detect.POINTS)
    + [1.0, -1.0, -1.0, 1.0, -1.0]  # level: fast breath, low saturation, low pressure, fast pulse, cold
    + [1.0] * detect.WIDTH
    + [1.0, -1.0, -1.0, 1.0, 1.0]  # change
    + [1.0] * (2 * detect.WIDTH)
)


def train(stays: Stays, course: Course, use: NDArray[np.bool_]) -> fitted.Logistic:
    """The model of the stays of a mask bool[n]; features whose weight has the wrong sign are dropped, round by round."""
    x = np.concatenate([course.features[hour * SAMPLES_PER_H - 1][use] for hour in TAUGHT_H]).astype(np.float64)
    y = np.tile(stays.died[use].astype(np.float64), len(TAUGHT_H))
    share = np.full(len(x), 1 / len(TAUGHT_H))
    keys = key_hash(name for name, one in zip(stays.ids, use, strict=True) if one)
    kept = np.arange(x.shape[1])
    while True:
        names = [detect.FEATURES[at] for at in kept]
        model = fitted.fit(x[:, kept], y, names=names, l2=L2, clip=CLIP, data="physionet2012_a", keys_sha256=keys, weight=share)
        right = model.weight * WORSE[kept] >= 0
        if right.all():
            break
        kept = kept[right]
    weight = np.zeros(x.shape[1])
    weight[kept] = model.weight
    spread = x.std(axis=0)
    return replace(
        model, names=detect.FEATURES, weight=weight, mean=x.mean(axis=0), spread=np.where(spread > 0, spread, 1.0)
    )


def auroc(value: NDArray[np.float64], died: NDArray[np.bool_]) -> float:
    """Probability that one who died has the higher value; ties count half."""
    _, inverse, count = np.unique(value, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - count / 2.0 + 0.5)[inverse]
    ones = int(died.sum())
    return float((rank[died].sum() - ones * (ones + 1) / 2) / (ones * (len(died) - ones)))


def logits(model: fitted.Logistic, course: Course) -> NDArray[np.float64]:
    """Log-odds float64[q, n], every quarter of an hour."""
    return np.array([model.logit(quarter) for quarter in course.features])


def crossings(news2: NDArray[np.int8]) -> NDArray[np.int64]:
    """Onsets of the plain rule per stay int64[n]: every hourly crossing of the threshold."""
    high = news2 >= NAIVE_ON
    return np.asarray((high & ~np.vstack([np.zeros((1, high.shape[1]), dtype=bool), high[:-1]])).sum(axis=0))


def with_threshold(model: fitted.Logistic, logit: float) -> fitted.Logistic:
    """The model with its alarm at these log-odds."""
    return replace(model, threshold=float(1.0 / (1.0 + np.exp(-logit))))


def table() -> list[Row]:
    """The score at 48 hours against the best form of partial NEWS2, and its alarms against plain crossings at equal sensitivity."""
    stays = load(data_dir() / DATA[0])
    course = Ward(stays, detect.Deterioration(blank())).run()
    fold = np.random.default_rng(0).permutation(len(stays.ids)) % FOLDS
    ours = np.zeros((HOURS * SAMPLES_PER_H, len(stays.ids)))
    onsets = np.zeros(len(stays.ids))
    naive = crossings(course.news2)
    for out in range(FOLDS):
        inside = fold != out
        model = train(stays, course, inside)
        scores = logits(model, course)
        ours[:, ~inside] = scores[:, ~inside]
        limit = _limit(stays, course, inside, naive)
        ward = Ward(_some(stays, ~inside), detect.Deterioration(with_threshold(model, limit)))
        ward.run()
        onsets[~inside] = ward.starts.sum(axis=1)
    everybody = np.ones(len(stays.ids), dtype=bool)
    save("deterioration", with_threshold(train(stays, course, everybody), _limit(stays, course, everybody, naive)).as_json())
    return [*_ranks(stays, ours[-1], course.news2), *_onsets(stays, onsets, naive)]


def _limit(stays: Stays, course: Course, inside: NDArray[np.bool_], naive: NDArray[np.int64]) -> float:
    """Log-odds with the sensitivity of the plain rule on the stays of a mask, by models that had not seen the stay."""
    fold = np.cumsum(inside) % INNER
    scores = np.zeros((len(course.features), len(stays.ids)))
    for out in range(INNER):
        tested = inside & (fold == out)
        scores[:, tested] = logits(train(stays, course, inside & (fold != out)), course)[:, tested]
    wanted = float((naive[inside & stays.died] > 0).mean()) + MARGIN
    return equal(scores[:, inside], course.able[:, inside], stays.died[inside], wanted)


def _ranks(stays: Stays, ours: NDArray[np.float64], news2: NDArray[np.int8]) -> list[Row]:
    died = stays.died
    forms: dict[str, NDArray[np.float64]] = {
        "mean of the last 12 hours": news2[-LAST_H:].mean(axis=0), "last": news2[-1].astype(np.float64),
        "largest": news2.max(axis=0).astype(np.float64),
    }  # fmt: skip
    plain = max(forms.values(), key=lambda value: auroc(value, died))

    def gain(index: NDArray[np.int64]) -> float:
        return auroc(ours[index], died[index]) - auroc(plain[index], died[index])

    everybody = np.arange(len(died))
    rows = [
        row(f"partial NEWS2, {name}: AUROC", auroc(value, died), note=f"{len(died)} stays, {died.sum()} deaths")
        for name, value in forms.items()
    ]
    rows.append(row("our score at 48 hours: AUROC", auroc(ours, died), resampled(len(died), lambda at: auroc(ours[at], died[at]))))
    rows.append(row("our score above the best of these", gain(everybody), resampled(len(died), gain), at_least=0.02))
    return rows


def _onsets(stays: Stays, onsets: NDArray[np.float64], naive: NDArray[np.int64]) -> list[Row]:
    days = HOURS / 24
    parts = np.column_stack([onsets, naive, np.full(len(naive), days), (onsets > 0) & stays.died, (naive > 0) & stays.died, stays.died])
    parts = parts.astype(np.float64)
    total = parts.sum(axis=0)

    def part(top: int, bottom: int) -> tuple[float, tuple[float, float]]:
        return float(total[top] / total[bottom]), bootstrap(parts, lambda drawn: float(drawn[top] / drawn[bottom]))

    return [
        row("plain crossings of 7: onsets per day", *part(1, 2)),
        row("plain crossings of 7: share of the dead that had one", *part(4, 5)),
        row("our alarms: onsets per day", *part(0, 2), note="2 hours above the threshold of the training folds, product's detector"),
        row("our alarms: share of the dead that had one", *part(3, 5)),
        row("our onsets over plain ones", *part(0, 1), at_most=1 / 3),
    ]


def equal(scores: NDArray[np.float64], able: NDArray[np.bool_], died: NDArray[np.bool_], wanted: float) -> float:
    """Log-odds at which the share of the dead with an alarm is as wanted: scores float64[q, n], able bool[q, n]."""
    low, high = -6.0, 3.0
    lasts = round(float(detect.Deterioration.params["worse_s"].fill) / 900.0)
    warm = int(detect.Deterioration.params["worse_warm_h"].fill) * SAMPLES_PER_H
    for _ in range(20):
        middle = (low + high) / 2
        above = (scores[warm:] > middle) & able[warm:]
        runs = np.lib.stride_tricks.sliding_window_view(above, lasts + 1, axis=0)
        lasting = (runs.sum(axis=-1) == lasts + 1).sum(axis=0) > 0
        low, high = (middle, high) if lasting[died].mean() >= wanted else (low, middle)
    return low


def _some(stays: Stays, use: NDArray[np.bool_]) -> Stays:
    number = np.cumsum(use) - 1
    kept = use[stays.stay]
    return Stays(
        ids=tuple(name for name, one in zip(stays.ids, use, strict=True) if one), died=stays.died[use], hour=stays.hour[kept],
        stay=number[stays.stay[kept]], part=stays.part[kept], value=stays.value[kept],
    )  # fmt: skip
