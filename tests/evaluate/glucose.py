"""Low glucose: event recall, false alarms per day and lead time on cgm_shanghai, 5-fold by patient, beside fixed limit and AR2."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics import fitted
from analytics.detect import glucose as detect
from analytics.detect.base import START, Window
from analytics.glucose import LOW, MGDL_PER_MMOL
from analytics.table import Table
from tests.evaluate._frame import Row, bootstrap, key_hash, row, save
from tests.support import data_dir

WHAT = "low glucose: recall of events of 15 minutes and more, false alarms per day, lead time; patients in 5 folds, 4 ways to split them"
DATA = ("cgm_shanghai",)
FOLDS, SPLITS = 5, 4
EVENT_MIN = 15.0  # shorter dips are no event
LEAD_MIN = 60.0  # an alarm this long before an event counts for it
LABEL_MIN = 20.0  # positive for the fit: an event begins within this time
REFRACTORY_MIN = 60.0
L2, CLIP = 10.0, 6.0
TARGET = 0.90  # recall on the training patients that the threshold is set for
AR2_BOUND, AR2_ALARM = 120.0, 0.05
MIN_NS = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One sensor worn by one patient: minutes of local time and mg/dL, float64[n]."""

    name: str
    patient: str
    t_min: NDArray[np.float64]
    mgdl: NDArray[np.float64]

    @property
    def days(self) -> float:
        return float(self.t_min[-1] - self.t_min[0]) / 1440.0


def load(folder: Path) -> list[Record]:
    """All recordings of the file, in the order of their names."""
    found: dict[str, list[tuple[float, float]]] = {}
    with gzip.open(folder / "shanghai_cgm.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["cgm_mgdl"]:
                at = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC)
                found.setdefault(row["rec"], []).append((at.timestamp() / 60.0, float(row["cgm_mgdl"])))
    records = []
    for name in sorted(found):
        table = np.array(sorted(found[name]))
        table = table[np.concatenate([[True], np.diff(table[:, 0]) > 0])]
        records.append(Record(name=name, patient=name.split("_")[0], t_min=table[:, 0], mgdl=table[:, 1]))
    return records


def events(record: Record) -> NDArray[np.float64]:
    """Minutes at which 15 minutes or more below 70 begin."""
    low = record.mgdl < LOW
    edge = np.flatnonzero(low & ~np.concatenate([[False], low[:-1]]))
    last = np.flatnonzero(low & ~np.concatenate([low[1:], [False]]))
    long = record.t_min[last] - record.t_min[edge] >= EVENT_MIN
    return record.t_min[edge[long]]


def alarms(record: Record, score: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Minutes of the alarms of a score, with the refractory span, while the value is not yet low."""
    found: list[float] = []
    last = -np.inf
    for t in record.t_min[(record.mgdl >= LOW) & (score > threshold)].tolist():
        if t - last >= REFRACTORY_MIN:
            found.append(t)
            last = t
    return np.array(found)


def count(record: Record, at: NDArray[np.float64]) -> tuple[int, int, int, list[float]]:
    """Events found, events, false alarms, and minutes from the first alarm to each event found."""
    hit, lead = 0, []
    right = np.zeros(len(at), dtype=bool)
    starts = events(record)
    for start in starts.tolist():
        before = (at < start) & (at >= start - LEAD_MIN)
        right |= before
        if before.any():
            hit += 1
            lead.append(float(start - at[before].min()))
    return hit, len(starts), int((~right).sum()), lead


def ar2(record: Record) -> NDArray[np.float64]:
    """Nightscout's AR2 loss toward low, per value; the grid of 5 minutes is filled in between the last two values."""
    y = np.log(record.mgdl / 140.0)
    gap = np.diff(record.t_min)
    score = np.full(len(y), -1.0)
    for at in range(1, len(y)):
        if gap[at - 1] > 20.0:
            continue
        before, now = y[at] - (y[at] - y[at - 1]) * 5.0 / gap[at - 1], y[at]
        predicted = []
        for _ in range(6):
            before, now = now, -0.723 * before + 1.716 * now
            predicted.append(140.0 * np.exp(now))
        if predicted[-1] < AR2_BOUND:
            score[at] = float(np.mean(np.log10(np.array(predicted) / AR2_BOUND) ** 2))
    return score


def run(records: list[Record], model: fitted.Logistic) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """The product's detector over the records, one row each: features float64[n, 19], P float64[n], minutes of its alarms."""
    detector = detect.LowSoon(model)
    rows = len(records)
    state, params = Table(detector.columns, rows), Table(detector.params, rows)
    x = [np.full((len(record.mgdl), len(detect.FEATURES)), np.nan) for record in records]
    p = [np.full(len(record.mgdl), np.nan) for record in records]
    said: list[list[float]] = [[] for _ in records]
    for step in range(max(len(record.mgdl) for record in records)):
        at = np.array([row for row, record in enumerate(records) if step < len(record.mgdl)])
        t_ns = np.array([round(records[row].t_min[step] * 60) * 1_000_000_000 for row in at], dtype=np.int64)
        mgdl = np.array([records[row].mgdl[step] for row in at])
        size = len(at)
        no = np.zeros(size, dtype=bool)
        window = Window(
            rows=at, t_ns=t_ns, value=mgdl / MGDL_PER_MMOL, key=np.full(size, step + 1), usable=~no, doubtful=no,
            beyond=np.zeros(size, dtype=np.int8), origin=np.zeros(size, dtype=np.uint8), part=np.zeros(size, dtype=np.int8), params=params,
        )  # fmt: skip
        answer = detector.step(window, state)
        drawn = detect.features(at, t_ns, mgdl, params["utc_offset_s"][at], state)
        for place, one in enumerate(at.tolist()):
            x[one][step], p[one][step] = drawn[place], state["p"][one]
            if answer.change[place] & START:
                said[one].append(float(records[one].t_min[step]))
    return list(zip(x, p, [np.array(one) for one in said], strict=True))


def label(record: Record) -> NDArray[np.float64]:
    """1 where an event begins within LABEL_MIN, float64[n]."""
    found = np.zeros(len(record.mgdl))
    for start in events(record).tolist():
        found[(record.t_min < start) & (record.t_min >= start - LABEL_MIN)] = 1.0
    return found


def train(records: list[Record], drawn: list[NDArray[np.float64]]) -> fitted.Logistic:
    """The model of these records; its threshold is set on scores of the same records by models that had not seen their patients."""
    patients = sorted({record.patient for record in records})
    scores: list[tuple[Record, NDArray[np.float64]]] = []
    for fold in range(FOLDS):
        out = set(patients[fold::FOLDS])
        model = _fit([(r, x) for r, x in zip(records, drawn, strict=True) if r.patient not in out])
        scores += [(r, chances(model, r, x)) for r, x in zip(records, drawn, strict=True) if r.patient in out]
    low, high = 0.005, 0.5
    for _ in range(14):
        middle = (low + high) / 2
        found = [count(record, alarms(record, score, middle)) for record, score in scores]
        recall = sum(row[0] for row in found) / max(1, sum(row[1] for row in found))
        low, high = (middle, high) if recall >= TARGET else (low, middle)
    return replace(_fit(list(zip(records, drawn, strict=True))), threshold=low)


def _fit(cases: list[tuple[Record, NDArray[np.float64]]]) -> fitted.Logistic:
    xs, ys = [], []
    for record, x in cases:
        use = ~np.isnan(x[:, 0]) & (record.mgdl >= LOW) & (record.mgdl < detect.ASKED_BELOW)
        xs.append(x[use])
        ys.append(label(record)[use])
    keys = key_hash({record.patient for record, _ in cases})
    return fitted.fit(
        np.concatenate(xs), np.concatenate(ys), names=detect.FEATURES, l2=L2, clip=CLIP, data="cgm_shanghai", keys_sha256=keys
    )


def chances(model: fitted.Logistic, record: Record, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """P per value; -1 where the rule does not ask."""
    asked = ~np.isnan(x[:, 0]) & (record.mgdl < detect.ASKED_BELOW)
    found = np.full(len(x), -1.0)
    found[asked] = 1.0 / (1.0 + np.exp(-model.logit(x[asked])))
    return found


def table() -> list[Row]:
    """The product's detector on patients that its model has not seen, and the plain rules on the same recordings."""
    records = load(data_dir() / DATA[0])
    drawn = [x for x, _, _ in run(records, blank())]
    counts = np.zeros((len(records), 4))
    leads: list[float] = []
    for split in range(SPLITS):
        for name, found in _crossed(records, drawn, split).items():
            hit, wanted, false, lead = found
            counts[name] += np.array([hit, wanted, false, records[name].days]) / SPLITS
            leads += lead
    save("glucose_soon", train(records, drawn).as_json())
    rows = _rows("forecast", records, counts, at_least=0.90, at_most=0.60)
    rows.append(row("forecast: minutes from the alarm to the event, median", float(np.median(leads)), note="a value every 15 minutes"))
    rows.append(row("forecast: the same, mean", float(np.mean(leads))))
    fixed = [-record.mgdl for record in records]
    rows += _rows("fixed limit 80 mg/dL", records, _plain(records, fixed, -80.0))
    losses = [ar2(record) for record in records]
    rows += _rows("AR2, loss .05", records, _plain(records, losses, AR2_ALARM))
    loss = _threshold(lambda at: _plain(records, losses, at), 0.90)
    return rows + _rows(f"AR2, loss {loss:.3f} for the same recall", records, _plain(records, losses, loss))


def blank() -> fitted.Logistic:
    """A model that says nothing, to draw features with."""
    nothing = np.zeros(len(detect.FEATURES))
    return fitted.Logistic(
        names=detect.FEATURES, mean=nothing, spread=nothing + 1.0, weight=nothing, bias=-9.0, clip=CLIP, threshold=0.5, data="",
        keys_sha256="",
    )  # fmt: skip


def _crossed(records: list[Record], drawn: list[NDArray[np.float64]], seed: int) -> dict[int, tuple[int, int, int, list[float]]]:
    """What the detector found in each record with the model of the other folds' patients."""
    patients = sorted({record.patient for record in records})
    order = np.random.default_rng(seed).permutation(len(patients))
    found: dict[int, tuple[int, int, int, list[float]]] = {}
    for fold in range(FOLDS):
        out = {patients[at] for at in order[fold::FOLDS]}
        inside = [at for at, record in enumerate(records) if record.patient not in out]
        tested = [at for at, record in enumerate(records) if record.patient in out]
        model = train([records[at] for at in inside], [drawn[at] for at in inside])
        for at, (_, _, said) in zip(tested, run([records[at] for at in tested], model), strict=True):
            found[at] = count(records[at], said)
    return found


def _plain(records: Sequence[Record], scores: Sequence[NDArray[np.float64]], threshold: float) -> NDArray[np.float64]:
    found = [count(record, alarms(record, score, threshold)) for record, score in zip(records, scores, strict=True)]
    return np.array([[*one[:3], record.days] for one, record in zip(found, records, strict=True)], dtype=np.float64)


def _threshold(counted: Callable[[float], NDArray[np.float64]], recall: float) -> float:
    low, high = 0.0, 0.5
    for _ in range(14):
        middle = (low + high) / 2
        total = counted(middle).sum(axis=0)
        low, high = (middle, high) if total[0] / total[1] >= recall else (low, middle)
    return low


def _rows(
    name: str, records: Sequence[Record], counts: NDArray[np.float64], *, at_least: float | None = None, at_most: float | None = None
) -> list[Row]:
    """Recall, false alarms per day and precision of counts float64[records, 4]: found, events, false, days; intervals over patients."""
    patients = sorted({record.patient for record in records})
    parts = np.array([counts[[at for at, record in enumerate(records) if record.patient == one]].sum(axis=0) for one in patients])
    hit, wanted, false, days = parts.sum(axis=0)

    def recall(total: NDArray[np.float64]) -> float:
        return float(total[0] / total[1]) if total[1] else float("nan")

    def rate(total: NDArray[np.float64]) -> float:
        return float(total[2] / total[3])

    note = f"{wanted:.0f} events, {days:.0f} days, {len(patients)} patients"
    return [
        row(f"{name}: recall", hit / wanted, bootstrap(parts, recall), at_least=at_least, note=note),
        row(f"{name}: false alarms per day", false / days, bootstrap(parts, rate), at_most=at_most),
    ]
