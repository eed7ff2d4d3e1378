"""Glucose: report numbers against the definitions, LO and HI, arrows; the forecast against a slow twin; the door that shows it."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from analytics import fitted, glucose
from analytics.detect import glucose as detect
from analytics.glucose import MGDL_PER_MMOL
from devices.model import Quality
from gateway.query import past
from gateway.query.glucose import report
from tests.evaluate.glucose_report import profile_twin, twin
from tests.support.detecting import Drive, Reading
from tests.support.house import house

T0_S = 1_767_196_800.0


@pytest.mark.parametrize("case", range(5))
def test_the_report_equals_the_definitions(case: int, seed: int) -> None:
    rng = random.Random(seed + case)
    edges = [40, 53, 54, 69, 70, 100, 180, 181, 250, 251, 400]
    mgdl = [max(40.0, float(rng.choice(edges)) if rng.random() < 0.3 else rng.gauss(130, 40)) for _ in range(500)]
    minute = [rng.randrange(1440) for _ in mgdl]
    found = glucose.summary(np.array(mgdl))
    assert {name: getattr(found, name) for name in twin(mgdl)} == pytest.approx(twin(mgdl), abs=1e-9)
    drawn = glucose.profile(np.array(minute), np.array(mgdl))
    assert np.allclose(drawn, np.array(profile_twin(minute, mgdl)), atol=1e-9, equal_nan=True)


def test_three_values_by_hand() -> None:
    """70, 100 and 190 mg/dL: mean 120, sd sqrt(3900), and the risk of 70 alone is low."""
    found = glucose.summary(np.array([70.0, 100.0, 190.0]))
    assert (found.mean, found.sd, found.gmi) == pytest.approx((120.0, 62.449979984, 6.1804))
    assert (found.low, found.in_range, found.high) == pytest.approx((0.0, 200 / 3, 100 / 3))
    low = 10 * (1.509 * (math.log(70) ** 1.084 - 5.381)) ** 2
    also = 10 * (1.509 * (math.log(100) ** 1.084 - 5.381)) ** 2
    assert found.lbgi == pytest.approx((low + also) / 3)
    assert low == pytest.approx(7.7, abs=0.1)  # the risk function's published value at 70 mg/dL


def test_lo_and_hi_are_time_and_never_numbers() -> None:
    found = glucose.summary(np.array([np.nan, 100.0, np.nan, 100.0]), np.array([-1, 0, 1, 0], dtype=np.int8))
    assert (found.count, found.mean, found.very_low, found.low, found.very_high, found.in_range) == (4, 100.0, 25.0, 25.0, 25.0, 50.0)
    nothing = glucose.summary(np.array([np.nan]))
    assert nothing.count == 0
    assert math.isnan(nothing.mean)
    assert set(glucose.met(nothing, "older").values()) == {None}
    assert glucose.met(found, "older") == {"in_range": False, "low": False, "very_high": False}
    assert glucose.met(glucose.summary(np.full(10, 100.0)), "standard") == dict.fromkeys(glucose.TARGETS["standard"], True)


@pytest.mark.parametrize(
    ("slope", "word"),
    [(0.0, "flat"), (0.99, "flat"), (1.0, "up_slight"), (-1.5, "down_slight"), (2.0, "up"), (-3.0, "down"), (3.01, "up_double"),
     (-9.0, "down_double"), (math.nan, "unknown")],
)  # fmt: skip
def test_arrows(slope: float, word: str) -> None:
    assert glucose.arrow(slope) == word
    t = np.arange(0.0, 20.0, 5.0)
    if not math.isnan(slope):
        assert glucose.rate(t, 100 + slope * t) == pytest.approx(slope)
    assert math.isnan(glucose.rate(t[:1], t[:1]))


def test_risk_bands_and_use_of_the_sensor() -> None:
    assert [glucose.risk_band(x) for x in (2.49, 2.5, 5.0, 5.01, math.nan)] == ["low", "moderate", "moderate", "high", "unknown"]
    assert glucose.active(np.arange(0, 720, 5), 5, 1440) == pytest.approx(50.0)
    assert glucose.active(np.repeat(np.arange(0, 1440, 5), 3), 5, 1440) == 100.0


# --- the forecast -----------------------------------------------------------------------------------------------------


def slow_features(told: list[tuple[float, float]]) -> list[float] | None:
    """Features of the last of (minute, mg/dL), by their definitions over the whole past; None where it cannot be told."""
    now = told[-1][0]
    x = [(t, math.log(g / 140)) for t, g in told]
    x0 = x[-1][1]

    def ago(minutes: float) -> tuple[float, float]:
        return min(x, key=lambda one: abs(now - one[0] - minutes))

    if any(abs(now - ago(m)[0] - m) > 3 for m in (15, 30, 45)):
        return None
    x1, x2, x3, x4, x6 = (ago(m)[1] for m in (15, 30, 45, 60, 90))
    s1, s2, soon = x0 - x1, x1 - x2, x0 + 2 * (x0 - x1)
    lows = [t for t, g in told if g < 70]
    since = min(1440.0, now - lows[-1]) if lows else 1440.0
    mean3 = mean24 = x[0][1]
    var, share = 0.05, 0.0
    for at, (t, value) in enumerate(x):
        dt = 15.0 if at == 0 else min(1440.0, t - x[at - 1][0])
        mean3 += (1 - math.exp(-dt / 180)) * (value - mean3)
        seen = t - x[0][0] + 15
        day = max(1 - math.exp(-dt / 1440), min(1.0, dt / max(seen, dt)))
        off = value - mean24
        mean24 += day * off
        var = (1 - day) * (var + day * off * off)
        share += max(1 - math.exp(-dt / 4320), min(1.0, dt / (seen + 285))) * ((told[at][1] < 80) - share)
    near = [value for t, value in x if now - t <= 107]
    far = [value for t, value in x if now - t <= 242]
    hour = (now * 60) % 86_400 / 86_400 * 2 * math.pi
    hovering = sum(value < math.log(85 / 140) for value in near) / len(near)
    return [
        x0, s1, s2, s1 - s2, x0 * x0, x0 * s1, min(soon, 1), max(-0.69 - soon, 0), math.exp(-since / 180), x0 - x3, mean3 - x0,
        math.sqrt(var), math.sqrt(share), math.sin(hour), math.cos(hour), min(far), hovering, x0 - x4, x0 - x6,
    ]  # fmt: skip


def walk(rng: random.Random, count: int, step_min: float) -> list[tuple[float, float]]:
    level, told = 95.0, []
    for at in range(count):
        # Drawn to 86 mg/dL, so that every walk comes near a low several times.
        level = min(max(level + 0.01 * step_min * (86 - level) + rng.gauss(0, 2.0 * math.sqrt(step_min)), 45), 190)
        told.append((T0_S / 60 + at * step_min + rng.uniform(-0.2, 0.2), float(round(level))))
    return told


@pytest.mark.parametrize("step_min", [5.0, 15.0])
def test_the_forecast_equals_its_slow_twin(step_min: float, seed: int) -> None:
    """Same alarms, same ends: refractory span of an hour, over at a low, quiet after carbohydrates."""
    rng = random.Random(seed)
    model = fitted.logistic("glucose_soon")
    told = walk(rng, 800, step_min)
    carbs = {rng.randrange(800): 20.0 for _ in range(6)}
    drive = Drive(detect.LowSoon(), 1)
    wanted, fed, last, active = [], -1e9, -1e9, False
    for at, (t, g) in enumerate(told):
        key = 10 * at + 1
        if at in carbs:
            drive.run([[Reading(row=0, t_s=t * 60 - 1, value=carbs[at], key=key, part=1)]])
            fed = t - 1 / 60
            if active:
                wanted.append((key, "end"))
                active = False
        drive.run([[Reading(row=0, t_s=t * 60, value=g / MGDL_PER_MMOL, key=key + 1, part=0)]])
        x = slow_features(told[: at + 1]) if t - told[0][0] >= 60 else None
        if active and (t - last >= 60 or g < 70):
            wanted.append((key + 1, "end"))
            active = False
        if x is None or not 70 <= g < 140 or t - last < 60 or t - fed < 30:
            continue
        z = [min(max((v - m) / s, -6), 6) for v, m, s in zip(x, model.mean, model.spread, strict=True)]
        p = 1 / (1 + math.exp(-(model.bias + sum(a * b for a, b in zip(z, model.weight, strict=True)))))
        assert abs(p - model.threshold) > 1e-9
        if p > model.threshold:
            wanted.append((key + 1, "start"))
            last, active = t, True
    assert [(key, word) for key, _, word, _ in drive.said] == wanted
    assert [word for _, word in wanted].count("start") >= 2
    numbers = drive.detector.numbers(0, drive.state)  # type: ignore[attr-defined]
    assert numbers["value"] == pytest.approx(told[-1][1] / MGDL_PER_MMOL, abs=0.05)


def test_a_new_sensor_and_a_long_gap_are_warmed_up() -> None:
    drive = Drive(detect.LowSoon(), 1)
    drive.params["glucose_p"][:] = 1e-6
    falling = [Reading(row=0, t_s=T0_S + 300 * at, value=(110 - 1.2 * at) / MGDL_PER_MMOL, key=at + 1) for at in range(30)]
    drive.run([falling])
    (start, *_) = [key for key, _, word, _ in drive.said if word == "start"]
    assert start == 13  # the thirteenth value is the first one after an hour
    again = [Reading(row=0, t_s=T0_S + 9 * 3600 + 300 * at, value=5.0, key=100 + at) for at in range(14)]
    said = len(drive.said)
    drive.run([again[:12]])
    assert all(word == "end" for _, _, word, _ in drive.said[said:])
    drive.run([again[12:]])
    assert drive.said[-1][2] == "start"


# --- the door ---------------------------------------------------------------------------------------------------------


def line(t_ms: list[int], mmol: list[float], quality: list[int]) -> past.Joined:
    value = np.array(mmol)
    return past.Joined(
        raw=True, bucket_ms=0, t_ms=np.array(t_ms, np.int64), low=value, mean=value, high=value, quality=np.array(quality, np.uint16)
    )


def test_the_page_has_what_the_sensor_said() -> None:
    now = 1_767_225_600_000  # 08:00 in Shanghai
    t_ms = [now - 5 * 60_000 * (4032 - at) for at in range(4032)]
    quality = [0] * 4032
    mmol = [6.0 + 0.001 * (at % 288) for at in range(4032)]
    mmol[100], quality[100] = float("nan"), int(Quality.BELOW_RANGE)
    mmol[-4:] = [5.5, 6.0, 6.5, 7.0]
    empty = line([], [], [])
    found = report(line(t_ms, mmol, quality), empty, now - 14 * past.DAY_MS, now, "Asia/Shanghai", "older", 300.0)
    assert found["enough"]
    assert (found["count"], found["bands"]["very_low"]) == (4032, round(100 / 4032, 4))
    assert found["mean"] == pytest.approx(float(np.nanmean(mmol)), abs=1e-4)
    assert found["now"]["arrow"] == "up_slight"
    rows = found["profile"]["rows"]
    assert len(rows) == 96
    assert rows[0][2] == pytest.approx(_median_at(t_ms, mmol, 0), abs=0.005)
    assert {goal["band"]: goal["met"] for goal in found["targets"]} == {"in_range": True, "low": True, "very_high": True}
    none = report(empty, empty, now - 14 * past.DAY_MS, now, "Asia/Shanghai", "older", 300.0)
    assert (none["count"], none["mean"], none["now"], none["enough"]) == (0, None, None, False)
    lo = report(line(t_ms[:1], [float("nan")], [int(Quality.BELOW_RANGE)]), empty, t_ms[0], t_ms[0] + 1, "UTC", "older", 300.0)
    assert (lo["now"]["beyond"], lo["now"]["value"], lo["now"]["arrow"], lo["mean"]) == ("low", None, "unknown", None)


def _median_at(t_ms: list[int], mmol: list[float], slot: int) -> float:
    near = []
    for t, value in zip(t_ms, mmol, strict=True):
        local = datetime.fromtimestamp(t / 1000 + 8 * 3600, UTC)
        if ((local.hour * 60 + local.minute) // 15 - slot) % 96 in (95, 0, 1) and not math.isnan(value):
            near.append(value)
    return float(np.median(near))


async def test_only_clinics_read_it_and_without_a_history_it_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.signed_in("doctor") as doctor:
            answer = await doctor.get("/api/v1/residents/wang/glucose")
            assert (answer.status_code, answer.json()["code"]) == (503, "history.unavailable")
            assert (await doctor.get("/api/v1/residents/zhou/glucose")).status_code == 404
            assert (await doctor.get("/api/v1/residents/wang/glucose", params={"range": "1y"})).status_code == 422
        async with home.signed_in("son") as son:
            assert (await son.get("/api/v1/residents/wang/glucose")).status_code == 403
