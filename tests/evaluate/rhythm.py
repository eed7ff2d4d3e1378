"""Atrial fibrillation on afdb_rr: the published threshold untouched, window centred and causal; episodes by the product's detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics import rhythm
from analytics.detect.base import END, START, Window
from analytics.detect.rhythm import Rhythm
from analytics.table import Table
from tests.evaluate._frame import Row, bootstrap, poisson, row
from tests.support import data_dir

WHAT = "atrial fibrillation from RR intervals, threshold .639 as published (no fit here)"
DATA = ("afdb_rr",)
FIBRILLATION = 1
LONG_S = 600.0  # an episode that must be found


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record: RR in s, time of each beat in s, fibrillation or not, each of length n."""

    name: str
    rr_s: NDArray[np.float64]
    t_s: NDArray[np.float64]
    true: NDArray[np.bool_]


def load(path: Path) -> list[Record]:
    """All records by name."""
    with np.load(path / "afdb_rr.npz") as file:
        names = sorted({key.rsplit("_", 1)[0] for key in file.files})
        return [
            Record(name=name, rr_s=file[f"{name}_rr"].astype(np.float64), t_s=file[f"{name}_t"].astype(np.float64),
                   true=file[f"{name}_lab"] == FIBRILLATION)
            for name in names
        ]  # fmt: skip


def counted(records: list[Record], said: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Per record: beats found, beats of fibrillation, beats rightly left, other beats."""
    return np.array([
        [(one.true & alarm).sum(), one.true.sum(), (~one.true & ~alarm).sum(), (~one.true).sum()]
        for one, alarm in zip(records, said, strict=True)
    ], dtype=np.float64)  # fmt: skip


def episodes(records: list[Record]) -> list[list[tuple[float, float, float]]]:
    """(onset, alarm, end) in s of the product's findings for each record, all records side by side, beat by beat."""
    detector = Rhythm()
    count = len(records)
    state, params = Table(detector.columns, count), Table(detector.params, count)
    found: list[list[tuple[float, float, float]]] = [[] for _ in records]
    for step in range(max(len(one.rr_s) for one in records)):
        rows = np.array([at for at, one in enumerate(records) if step < len(one.rr_s)])
        t_ns = np.array([round(records[at].t_s[step] * 1e9) for at in rows])
        no = np.zeros(len(rows), dtype=bool)
        window = Window(
            rows=rows, t_ns=t_ns, value=np.array([1000.0 * records[at].rr_s[step] for at in rows]), key=np.full(len(rows), step + 1),
            usable=~no, doubtful=no, beyond=no.astype(np.int8), origin=no.astype(np.uint8), part=no.astype(np.int8), params=params,
        )  # fmt: skip
        answer = detector.step(window, state)
        for place in np.flatnonzero(answer.change).tolist():
            at, now_s = int(rows[place]), t_ns[place] / 1e9
            if answer.change[place] & START:
                found[at].append((answer.onset_ns[place] / 1e9, now_s, np.inf))
            if answer.change[place] & END:
                found[at][-1] = (*found[at][-1][:2], now_s)
    return found


def stretches(record: Record) -> list[tuple[float, float]]:
    """(begin, end) in s of the true episodes."""
    edge = np.flatnonzero(np.diff(np.concatenate([[False], record.true, [False]]).astype(np.int8)))
    return [(float(record.t_s[a]), float(record.t_s[b - 1])) for a, b in zip(edge[::2].tolist(), edge[1::2].tolist(), strict=True)]


def table() -> list[Row]:
    """Beats for both windows, the usual variability rule beside them, then episodes."""
    records = load(data_dir() / "afdb_rr")
    causal = [rhythm.entropies(one.rr_s) for one in records]
    rows: list[Row] = []
    for name, note, series in (
        ("centred", "complete public set: .9733 / .9842", [rhythm.centred(one) for one in causal]),
        ("causal", "complete public set: .9599 / .9751", causal),
    ):
        parts = counted(records, [one > rhythm.THRESHOLD for one in series])
        rows += _both(name, parts, note)
    spread = [_rmssd(one.rr_s) for one in records]
    limits = np.quantile(np.concatenate(spread), np.linspace(0.05, 0.95, 91))
    best = max(limits.tolist(), key=lambda limit: _sum(counted(records, [one > limit for one in spread])))
    rows += _both("RMSSD/mean, best limit on these very records", counted(records, [one > best for one in spread]), "baseline")
    return rows + _episodes(records)


def _both(name: str, parts: NDArray[np.float64], note: str) -> list[Row]:
    total, note = parts.sum(axis=0), f"{note}; {len(parts)} records"
    return [
        row(f"{name}: beat sensitivity", total[0] / total[1], bootstrap(parts, lambda t: t[0] / t[1]), note=note),
        row(f"{name}: beat specificity", total[2] / total[3], bootstrap(parts, lambda t: t[2] / t[3])),
    ]


def _sum(parts: NDArray[np.float64]) -> float:
    total = parts.sum(axis=0)
    return float(total[0] / total[1] + total[2] / total[3])


def _rmssd(rr_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of successive differences over the mean, of the last 128 intervals."""
    square = np.cumsum(np.concatenate([[0.0, 0.0], np.diff(rr_s) ** 2]))
    total = np.cumsum(np.concatenate([[0.0], rr_s]))
    at = np.arange(1, len(rr_s) + 1)
    before = np.maximum(at - 128, 0)
    return np.asarray(np.sqrt((square[at] - square[before]) / (at - before)) / ((total[at] - total[before]) / (at - before)))


def _episodes(records: list[Record]) -> list[Row]:
    parts = []
    for one, said in zip(records, episodes(records), strict=True):
        true = stretches(one)
        wrong = sum(not any(begin - 60 <= alarm and onset <= end + 60 for begin, end in true) for onset, alarm, _ in said)
        long = [(begin, end) for begin, end in true if end - begin >= LONG_S]
        hit = sum(any(onset <= end and alarm >= begin and alarm <= end + 300 for onset, alarm, _ in said) for begin, end in long)
        covered = sum(any(onset <= begin and stop >= end for onset, _, stop in said) for begin, end in long)
        days = (one.t_s[-1] - one.t_s[0]) / 86_400.0
        parts.append([wrong, days, max(hit, covered), len(long), len(said)])
    table_ = np.array(parts)
    total = table_.sum(axis=0)
    rate = bootstrap(table_, lambda t: t[0] / t[1])
    exact = poisson(total[0], total[1])
    return [
        row("episode false alarms per day", total[0] / total[1], (min(rate[0], exact[0]), max(rate[1], exact[1])),
            note=f"{total[0]:.0f} of {total[4]:.0f} findings in {total[1]:.1f} days touch no fibrillation; the wider of two intervals"),
        row("episodes of 10 min and more found", total[2] / max(total[3], 1), bootstrap(table_, lambda t: t[2] / max(t[3], 1)),
            note=f"{total[3]:.0f} episodes; said after 5 min that are nearly all irregular"),
    ]  # fmt: skip
