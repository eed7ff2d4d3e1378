"""Each vectorised routine against its slow, obvious twin."""

from __future__ import annotations

import random
from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import rounds
from analytics.detect.base import Detector, find
from analytics.table import Table, TableError
from analytics.windows import WIDTH, Windows
from tests.property.slow_detectors import SlowCondition, SlowSignal, slow_rounds
from tests.support.detecting import Beat, Drive, Reading, Step


def detector(rule: str) -> Detector:
    (found,) = (one for one in find() if one.rule == rule)
    return found


steps_of_one = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 1.0, 4.0, 15.0, 31.0, 200.0]),  # seconds since the step before
        st.one_of(st.none(), st.integers(70, 130).map(float), st.sampled_from([89.0, 90.0, 91.0, 92.0, 79.0])),  # None = a tick
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200)
@given(
    steps=steps_of_one,
    side=st.sampled_from(["low", "high"]),
    t_on=st.sampled_from([0.0, 3.0, 15.0]),
    t_off=st.sampled_from([0.0, 5.0, 20.0]),
    hold=st.sampled_from([10.0, 60.0]),
    hysteresis=st.sampled_from([0.0, 2.0]),
    area=st.sampled_from([inf, 50.0]),
    need=st.sampled_from([1, 1, 2, 3]),
)
def test_limits(
    steps: list[tuple[float, float | None]], side: str, t_on: float, t_off: float, hold: float, hysteresis: float, area: float, need: int
) -> None:
    drive = Drive(detector(f"limit.{side}"), 1)
    limit, extreme = (90.0, 80.0) if side == "low" else (110.0, 125.0)
    values = {
        side: limit, f"{side}_extreme": extreme, f"{side}_area": area, "t_on_s": t_on, "t_off_s": t_off, "hold_s": hold,
        "hysteresis": hysteresis, "need": need,
    }  # fmt: skip
    for name, setting in values.items():
        drive.params[name][0] = setting
    slow = SlowCondition(t_on=t_on, t_off=t_off, hold=hold, area_limit=area, need=need)
    said, now = [], 1_000_000.0
    sign = 1 if side == "high" else -1
    for key, (wait, value) in enumerate(steps, 1):
        now += wait
        before = len(slow.said)
        if value is None:
            slow.pass_time(now)
            drive.run([[Beat(t_s=now, key=key)]])
        else:
            excess = (value - limit) * sign
            slow.take(key, now, excess > 0, excess > 0 and (value - extreme) * sign >= 0, excess <= -hysteresis, max(excess, 0.0))
            drive.run([[Reading(row=0, t_s=now, value=value, key=key)]])
        said += [(key, word, onset) for word, onset in slow.said[before:]]
    fast = [(key, word, onset) for key, _, word, onset in drive.said]
    assert fast == said


@pytest.mark.parametrize("every_s", [5.0, 60.0, 3600.0])
def test_deviation(every_s: float, seed: int) -> None:
    """Two signals of a person, each against its twin, and what their sum starts and ends."""
    rng = random.Random(seed)
    drive = Drive(detector("deviation"), 1)
    tau, age = max(1800.0, 8 * every_s), max(3600.0, 4 * every_s)
    drive.params["signal_tau_s"][0], drive.params["signal_age_s"][0] = tau, age
    settings = {"deviation_persistence_s": 60.0, "deviation_calm_s": 0.0, "deviation_refractory_s": 7200.0}
    for name, value in settings.items():
        drive.params[name][0] = value
    twins = {0: SlowSignal(tau=tau, floor=3.0), 3: SlowSignal(tau=tau, floor=1.5)}
    condition = SlowCondition(t_on=60.0, t_off=0.0, hold=1e18)
    bits: set[int] = set()
    peak, peak_at, now, level, said = 0.0, -1e18, 1_000_000.0, 70.0, []
    for key in range(1, 900):
        now += every_s * rng.choice([1, 1, 1, 2, 30])
        level += rng.gauss(0, 0.5) + (rng.choice([-40, 40]) if rng.random() < 0.01 else 0)
        part = rng.choice([0, 3])
        value = round(level + rng.gauss(0, 3), 1)
        drive.run([[Reading(row=0, t_s=now, value=value, key=2 * key, part=part), Beat(t_s=now, key=2 * key + 1)]])
        twins[part].take(now, value)
        scores = {one: score for one, twin in twins.items() if (score := twin.evidence(now, age)) is not None}
        total = sum(scores.values())
        high = total >= 3.0 and (condition.state != "ok" or now - peak_at >= 7200.0 or total > peak)
        bits |= {one for one, score in scores.items() if score > 0} if high else set()
        if high or (scores and bits <= set(scores)):
            before = len(condition.said)
            condition.take(2 * key + 1, now, high, False, total < 1.5, 0.0)
            words = [word for word, _ in condition.said[before:]]
            said += [(2 * key + 1, word) for word in words]
            if "start" in words:
                peak, peak_at = total, now
            elif condition.state in ("active", "clearing"):
                peak = max(peak, total)
            if condition.state == "ok":
                bits = set()
        assert drive.state["sum"][0] == pytest.approx(total, rel=2e-3, abs=2e-3)
    assert [(key, word) for key, _, word, _ in drive.said] == said
    for at, twin in ((0, twins[0]), (2, twins[3])):
        assert drive.state["core"][at * 5, 0] == pytest.approx(twin.m, rel=1e-4)
        assert drive.state["zs"][0, at] == pytest.approx(twin.smooth, rel=1e-3, abs=1e-3)
        for hour in range(24):
            assert drive.state["mu"].reshape(1, 5, 24)[0, at, hour] == pytest.approx(twin.mu[hour], rel=1e-9, nan_ok=True)
            assert drive.state["seen_s"].reshape(1, 5, 24)[0, at, hour] == pytest.approx(twin.seen[hour])


def test_the_slow_horizon_moves_where_float32_would_not() -> None:
    """tau = 14 d fed with minute means: a lasting change of 4 arrives; at 1 Hz in float32 it would be rounded away."""
    drive = Drive(detector("deviation"), 1)
    steps: list[Step] = []
    for day in range(28):
        for minute in range(60):
            value = 70.0 if day < 7 else 74.0
            steps.append(Reading(row=0, t_s=day * 86_400.0 + minute * 60.0, value=value, key=day * 100 + minute + 1))
    drive.run([steps])
    assert 72.5 < drive.state["mu"][0, 0] < 74.0


def test_a_burst_of_nonsense_does_not_poison_the_baseline() -> None:
    drive = Drive(detector("deviation"), 1)
    rng = random.Random(5)
    drive.run([[Reading(row=0, t_s=at * 10.0, value=70 + rng.gauss(0, 2), key=at + 1) for at in range(2_000)]])
    drive.run([[Reading(row=0, t_s=20_000.0 + at * 10.0, value=250.0, key=5_000 + at) for at in range(5)]])
    assert abs(drive.state["core"][0, 0] - 70) < 4


silences = st.lists(st.tuples(st.sampled_from([1, 5, 20, 41]), st.integers(-1, 2)), min_size=1, max_size=60)


@given(steps=silences)
def test_nodata(steps: list[tuple[int, int]]) -> None:
    """Rows 0 and 1 are series with deadlines 20 and 40 s under the device in row 2."""
    drive = Drive(detector("nodata"), 3)
    deadlines = [20.0, 40.0, 20.0]
    drive.params["deadline_s"][:3] = deadlines
    drive.params["parent"][:3] = [2, 2, -1]
    drive.run([[Beat(t_s=1_000, key=1)]])
    seen, active, said, now = [0, 0, 0], [False] * 3, [], 0
    for key, (wait, row) in enumerate(steps, 2):
        if row >= 0:
            drive.run([[Reading(row=row, t_s=1_000.0 + now, value=70.0, key=key)]])
            seen[row] = now
            if active[row]:
                active[row] = False
                said.append((key, row, "end"))
            continue
        now += wait
        drive.run([[Beat(t_s=1_000.0 + now, key=key)]])
        for one in range(3):
            until = seen[2] if one < 2 else now  # a series is silent only for as long as its device still spoke
            wanted = until - seen[one] > deadlines[one]
            if wanted != active[one]:
                active[one] = wanted
                said.append((key, one, "start" if wanted else "end"))
    assert [row[:3] for row in drive.said] == said


@given(values=st.lists(st.tuples(st.sampled_from([70.0, 71.0]), st.sampled_from([1.0, 10.0, 30.0])), min_size=1, max_size=60))
def test_flat(values: list[tuple[float, float]]) -> None:
    drive = Drive(detector("flat"), 1)
    drive.params["flat_s"][0], drive.params["flat_n"][0] = 30.0, 4
    run: list[float] = []
    last, active, now, said = nan, False, 0.0, []
    for key, (value, wait) in enumerate(values, 1):
        now += wait
        drive.run([[Reading(row=0, t_s=now, value=value, key=key)]])
        if value == last:
            run.append(now)
        else:
            run, last = [now], value
            if active:
                active = False
                said.append((key, "end"))
        if len(run) >= 4 and run[-1] - run[0] >= 30.0 and not active:
            active = True
            said.append((key, "start"))
    assert [(key, word) for key, _, word, _ in drive.said] == said


@given(values=st.lists(st.tuples(st.sampled_from([0, 0, 1, 1, 1, 5, None]), st.sampled_from([1.0, 10.0, 30.0])), min_size=1, max_size=60))
def test_sensor(values: list[tuple[int | None, float]]) -> None:
    """None = a reading without value and without reason, 0 = a sound one, 1 not worn, 5 low perfusion."""
    drive = Drive(detector("sensor"), 1)
    run: list[float] = []
    first, active, now, said = 0, False, 0.0, []
    for key, (fault, wait) in enumerate(values, 1):
        now += wait
        drive.run([[Reading(row=0, t_s=now, value=70.0 if fault == 0 else nan, key=key, usable=fault == 0, fault=fault or 0)]])
        if fault == 0:
            if active:
                said.append((key, "end"))
            first, run, active = 0, [], False
        elif fault:
            first, run = first or fault, [*run, now]
            if not active and len(run) >= 2 and run[-1] - run[0] >= (300.0 if first == 5 else 60.0):
                active = True
                said.append((key, "start"))
    assert [(key, word) for key, _, word, _ in drive.said] == said


@given(st.lists(st.integers(0, 6), max_size=80))
def test_rounds(series: list[int]) -> None:
    assert [turn.tolist() for turn in rounds.split(np.array(series, dtype=np.int64))] == slow_rounds(series)


@given(pushes=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1_000)), max_size=300))
def test_windows(pushes: list[tuple[int, int]]) -> None:
    windows, slow = Windows(1), {row: [] for row in range(5)}  # type: ignore[var-annotated]
    windows.table.ensure(5)
    for at, (row, value) in enumerate(pushes):
        windows.push(np.array([row]), np.array([at]), np.array([float(value)]))
        slow[row].append((at, value))
    for row, history in slow.items():
        t_ns, values = windows.tail(row)
        assert list(zip(t_ns.tolist(), values.tolist(), strict=True)) == history[-WIDTH:]


@given(st.integers(0, 70))
def test_tables_survive_bytes_and_refuse_others(rows: int) -> None:
    one = detector("deviation")
    table, other = Table(one.columns, 1), Table(one.columns, 1)
    table.ensure(rows)
    rng = np.random.default_rng(rows)
    table["sum"][:rows] = rng.normal(size=rows)
    table["mu"][:rows] = rng.normal(size=(rows, 120))
    table["core"][:, :rows] = rng.normal(size=(25, rows))
    data = table.pack(rows)
    assert other.unpack(data) == rows
    assert other.pack(rows) == data
    with pytest.raises(TableError):
        Table(detector("flat").columns).unpack(data)
    if rows:
        with pytest.raises(TableError):
            other.unpack(data[:-1])
    assert isnan(Table(one.columns, 4)["told"][0, 0])
