"""SpO2 nuisance alarms: simulated people with an oximeter that moves, slips and drops out, through the whole engine, nothing fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from devices.model import Quality
from firmware_sim.people import Person
from gateway.readings import StoredBlock, Tick
from gateway.stream.engine import Engine
from gateway.stream.rules import WATCHES
from gateway.vocabulary import Phase
from tests.evaluate._frame import Row, bootstrap, row
from tests.support.ward import NS, T0_NS, R, block_of, ward

WHAT = "SpO2 nuisance: 40 simulated people for 6 h at 1 Hz with dips, motion, slips and drop-outs; the engine beside the bare limit"
DATA = ()
PEOPLE, HOURS, SEED = 40, 6, 77
EVENT_S = 60  # a true value below the limit for this long is what must be found
GRACE_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One person: what is true and what the oximeter shows, each of length n at 1 Hz."""

    true: NDArray[np.float64]
    shown: NDArray[np.float64]
    quality: NDArray[np.uint16]


def episodes(rng: np.random.Generator, count: int, per_hour: float, low_s: float, high_s: float) -> Iterator[slice]:
    """Spans that come at random, lengths log-uniform between the two."""
    for at in rng.integers(60, count - 600, rng.poisson(per_hour * count / 3600)):
        yield slice(int(at), int(at + np.exp(rng.uniform(np.log(low_s), np.log(high_s)))))


def recording(seed: int) -> Recording:
    """A night of one person: lasting desaturations, short true dips, and four kinds of what is not true."""
    count, rng, person = HOURS * 3600, np.random.default_rng(seed), Person(id=f"p{seed}", seed=seed)
    true = np.array([person.at(T0_NS / 1e9 + second).spo2_pct for second in range(count)])
    for span in episodes(rng, count, 0.6, 75, 400):
        true[span] -= rng.uniform(8, 16) * np.clip(
            np.minimum(np.arange(span.stop - span.start), np.arange(span.stop - span.start)[::-1]) / 8, 0, 1
        )
    for span in episodes(rng, count, 4.0, 6, 18):  # an apnoea that ends by itself
        true[span] -= rng.uniform(5, 9)
    shown, quality = np.round(true + rng.normal(0, 0.4, count)), np.zeros(count, np.uint16)
    for span in episodes(rng, count, 6.0, 4, 40):  # motion: low and jumping; most devices notice
        shown[span] = np.round(rng.uniform(80, 90) + rng.normal(0, 2.5, span.stop - span.start))
        if rng.random() < 0.7:
            quality[span] |= int(Quality.MOTION)
    for span in episodes(rng, count, 4.0, 1, 3):  # a single wild value
        shown[span] = rng.integers(45, 80)
    for span in episodes(rng, count, 1.0, 20, 240):  # slipped off: first it reads low, then it says so
        shown[span.start : span.start + 6] = rng.integers(70, 85)
        later = slice(span.start + 6, span.stop)
        shown[later], quality[later] = np.nan, int(Quality.NO_VALUE | Quality.NOT_WORN)
    return Recording(true=true, shown=np.clip(shown, 21, 100), quality=quality)


def spans(low: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], low, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def alarms(recordings: list[Recording]) -> list[list[tuple[int, int]]]:
    """Per person the (start, end) of the engine's alarms in seconds."""
    names = [f"w{at}" for at in range(len(recordings))]
    made, engine = ward(*names, quantities=("spo2",), cadence_s={"spo2": 1.0}), Engine()
    engine.step(StoredBlock(first=1, tick=Tick(t_ns=T0_NS, events_offset=len(made.events))), made.events)
    template = block_of([R(device=name, key="spo2", value=97.0, t_s=0.0) for name in names])
    shown, quality = np.array([one.shown for one in recordings]), np.array([one.quality for one in recordings])
    begun: dict[str, int] = {}
    found: list[list[tuple[int, int]]] = [[] for _ in names]
    count = shown.shape[1]
    for second in range(count):
        t_ns = np.full(len(names), T0_NS + second * NS)
        readings = replace(template, value=shown[:, second], quality=quality[:, second], t_measured_ns=t_ns, t_received_ns=t_ns)
        block = StoredBlock(first=engine.offset + 1, readings=readings)
        said = engine.step(block)
        said += engine.step(StoredBlock(first=block.last + 1, tick=Tick(t_ns=T0_NS + second * NS, events_offset=len(made.events))))
        for finding in said:
            if finding.rule != "limit.spo2.low" or finding.device is None:
                continue
            if finding.phase is Phase.START:
                begun[finding.device] = second
            elif finding.phase is Phase.END and finding.device in begun:
                found[names.index(finding.device)].append((begun.pop(finding.device), second))
    for name, second in begun.items():
        found[names.index(name)].append((second, count))
    return found


def table() -> list[Row]:
    """Alarms per day beside the bare limit, and the recall of what lasts."""
    limit = WATCHES["spo2"].low
    recordings = [recording(SEED * 1_000 + at) for at in range(PEOPLE)]
    parts = []
    for one, said in zip(recordings, alarms(recordings), strict=True):
        naive = len(spans(np.nan_to_num(one.shown, nan=100.0) < limit))
        events = [(start, end) for start, end in spans(one.true < limit) if end - start >= EVENT_S]
        hit = sum(any(start < end_of + GRACE_S and start_of < end for start, end in said) for start_of, end_of in events)
        true_starts = sum(any(start <= end_of + GRACE_S and start_of <= start for start_of, end_of in events) for start, _ in said)
        parts.append([naive, len(said), len(events), hit, len(said) - true_starts])
    per_person = np.array(parts, float)
    total, days = per_person.sum(axis=0), PEOPLE * HOURS / 24

    def fewer(sums: NDArray[np.float64]) -> float:
        return float(1.0 - sums[1] / sums[0])

    def recall(sums: NDArray[np.float64]) -> float:
        return float(sums[3] / sums[2]) if sums[2] else float("nan")

    return [
        row("bare limit: alarms per day", total[0] / days, bootstrap(per_person, lambda sums: float(sums[0]) / days)),
        row("engine: alarms per day", total[1] / days, bootstrap(per_person, lambda sums: float(sums[1]) / days)),
        row("fewer alarms than the bare limit", fewer(total), bootstrap(per_person, fewer), at_least=0.60),
        row(f"recall of {total[2]:.0f} events >= 60 s", recall(total), bootstrap(per_person, recall), at_least=1.0),
        row("engine: alarms per day outside of events", total[4] / days, note="short true dips with depth, motion that looked real"),
    ]
