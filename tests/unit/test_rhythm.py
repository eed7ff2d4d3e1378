"""Rhythm: entropy against a twin in plain Python, the quality gate, sustained episodes, variability, the path from a heart rate frame."""

from __future__ import annotations

from collections import Counter
from math import floor, log2

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics import rhythm
from analytics.detect.base import NO_DATA, OK, WARMING
from analytics.detect.rhythm import Rhythm
from devices import catalog
from devices.model import DeviceFacts, Series
from gateway.vocabulary import AlertKind, Phase
from tests.support import need
from tests.support.detecting import Beat, Drive, Reading, Step
from tests.support.ward import R, Run, said, ward

F64 = NDArray[np.float64]


def steady(count: int, rng: np.random.Generator) -> F64:
    """Sinus rhythm with breathing."""
    return np.asarray(0.85 + 0.03 * np.sin(np.arange(count) / 4) + rng.normal(0, 0.008, count))


def chaos(count: int, rng: np.random.Generator) -> F64:
    return np.asarray(rng.uniform(0.45, 1.1, count))


def slow(rr_s: F64) -> list[float]:
    """Entropy at each beat, from the words of the formula."""
    symbol = [min(floor(60 / rr / 5), 63) for rr in rr_s.tolist()]
    word = [symbol[at - 2] * 4096 + symbol[at - 1] * 64 + symbol[at] for at in range(2, len(symbol))]
    found = [float("nan")] * len(symbol)
    for at in range(128, len(symbol)):
        counts = Counter(word[at - 128 : at - 1])
        shannon = -sum(count / 127 * log2(count / 127) for count in counts.values())
        found[at] = len(counts) / (127 * log2(127)) * shannon
    return found


def test_the_entropy_equals_its_slow_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rr_s = np.concatenate([steady(200, rng), chaos(300, rng), steady(200, rng), rng.uniform(0.1, 4.0, 100)])
    assert rhythm.entropies(rr_s) == pytest.approx(slow(rr_s), abs=1e-9, nan_ok=True)
    assert np.isnan(rhythm.entropies(rr_s[:128])).all()
    assert rhythm.entropies(rr_s[:129])[-1] == pytest.approx(slow(rr_s[:129])[-1], abs=1e-9)


def test_the_entropy_on_a_real_record_equals_its_slow_twin() -> None:
    path = need("afdb_rr")
    with np.load(path / "afdb_rr.npz") as file:
        name = min(file.files).rsplit("_", 1)[0]
        rr_s = file[f"{name}_rr"][:3000].astype(np.float64)
    assert rhythm.entropies(rr_s) == pytest.approx(slow(rr_s), abs=1e-9, nan_ok=True)


def test_the_centred_window_lies_around_its_beat() -> None:
    causal = np.concatenate([np.full(128, np.nan), np.arange(128.0, 400.0)])
    found = rhythm.centred(causal)
    assert found[200] == 263.0
    assert found[0] == 128.0  # the nearest whole window
    assert found[-1] == 399.0


def beats(rr_s: F64, from_s: float = 1000.0, key: int = 1, row: int = 0) -> list[Step]:
    t_s = from_s + np.cumsum(rr_s)
    return [Reading(row=row, t_s=float(t), value=1000 * float(rr), key=key + at) for at, (t, rr) in enumerate(zip(t_s, rr_s, strict=True))]


def test_only_what_lasts_is_said_and_it_ends_when_it_is_over(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drive = Drive(Rhythm(), 1)
    parts = [steady(400, rng), chaos(150, rng), steady(400, rng), chaos(1500, rng), steady(1200, rng)]
    drive.run([beats(np.concatenate(parts))])
    (start, end) = drive.heard()
    assert start[2] == "start"
    assert end[2:] == ("end", start[3])
    assert 950 < start[3] < 1100  # since the long stretch began, give or take a window
    assert start[0] > start[3] + 300  # five minutes of about .78 s later
    assert end[0] > 2450 + 340


def test_too_little_and_too_poor_give_no_verdict(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drive = Drive(Rhythm(), 1)
    drive.run([beats(steady(128, rng))])
    assert {verdict for _, verdict in drive.verdicts} == {WARMING}
    drive.run([beats(steady(30, rng), from_s=1000 + 128 * 0.85, key=200)])
    assert drive.verdicts[-1][1] == OK
    torn = steady(300, rng)
    torn[::5] = 0.1  # a fifth of the beats is none
    drive.run([beats(torn, from_s=1140.0, key=300)])
    assert drive.verdicts[-1][1] == NO_DATA
    drive.run([beats(steady(100, rng), from_s=1500.0, key=700)])  # after a gap another strip begins
    assert drive.verdicts[-1][1] == WARMING
    fast = Drive(Rhythm(), 1)
    fast.run([beats(np.full(250, 0.4))])  # 100 s: enough words, not enough time
    assert fast.verdicts[-1][1] == WARMING
    fast.run([beats(np.full(60, 0.4), from_s=1100.0, key=400)])
    assert fast.verdicts[-1][1] == OK


def test_a_noisy_strip_of_chaos_is_no_finding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rr_s = chaos(2000, rng)
    rr_s[rng.random(2000) < 0.2] = 0.15
    drive = Drive(Rhythm(), 1).run([beats(rr_s)])
    assert drive.heard() == []


def test_out_of_sight_it_is_over_after_a_while(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drive = Drive(Rhythm(), 1).run([beats(chaos(1000, rng))])
    last_s = 1000.0 + 1100.0
    drive.run([[Beat(t_s=last_s, key=5000)]])
    assert [row[2] for row in drive.heard()] == ["start"]
    drive.run([[Beat(t_s=last_s + 1800, key=5001)]])
    assert [row[2] for row in drive.heard()] == ["start", "end"]


def test_variability_equals_the_definitions() -> None:
    rr_s = np.array([0.8, 0.82, 0.78, 0.9, 0.1, 0.85, 0.86, 1.5, 0.84])
    found = rhythm.variability(rr_s)
    # 0.1 is no beat; 0.86 -> 1.5 -> 0.84 is an extra beat and its pause: no differences, and 1.5 and 0.84 are no normal intervals
    normal = [800, 820, 780, 900, 850, 860]
    diffs = [20, -40, 120, 10]
    assert found.intervals == 6
    assert found.hr_bpm == pytest.approx(60_000 / (sum(normal) / 6))
    mean = sum(normal) / 6
    assert found.sdnn_ms == pytest.approx((sum((x - mean) ** 2 for x in normal) / 5) ** 0.5)
    assert found.rmssd_ms == pytest.approx((sum(d * d for d in diffs) / 4) ** 0.5)
    assert found.pnn50 == pytest.approx(25.0)
    assert found.usable == pytest.approx(8 / 9)
    empty = rhythm.variability(np.array([]))
    assert np.isnan(empty.sdnn_ms)
    assert empty.usable == 0.0


def test_from_heart_rate_frames_to_a_careful_finding() -> None:
    """Two intervals a frame as the chest strap sends them; 0x10 = RR present."""
    rng = np.random.default_rng(4)
    run = Run(ward=ward("strap"))
    run.tick(0)
    t_s = 0.0
    for pair in np.round(chaos(900, rng) * 1024).astype(int).reshape(-1, 2).tolist():
        frame = bytes([0x10, 75]) + b"".join(rr.to_bytes(2, "little") for rr in pair)
        items = catalog.decode("gatt/180d/2a37", frame, DeviceFacts(device="strap")).items
        t_s += sum(pair) / 1024
        values = [value for item in items if isinstance(item, Series) for value in item.values]
        run.read(*(R(device="strap", key="rr", value=value, t_s=t_s, frame=1) for value in values))
    found = [one for one in run.findings if one.rule == "rhythm"]
    assert said(found) == ["rhythm start"]
    (one,) = found
    assert (one.kind, one.resident, one.phase, one.code) == (AlertKind.PHYSIOLOGICAL, "R-strap", Phase.START, "finding.rhythm")
    assert one.params["entropy"] > 0.639
    assert one.params["lasted_min"] >= 5
