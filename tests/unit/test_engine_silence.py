"""The engine where devices fall silent or say what is wrong with them."""

from __future__ import annotations

from math import nan

import pytest

from gateway.vocabulary import AlertKind, Priority
from tests.support.ward import NS, T0_NS, Quality, R, Run, Ward, said, series, ward


def watched(*devices: str) -> Ward:
    return ward(*devices, quantities=("hr", "spo2", "battery"), cadence_s={"hr": 5.0, "spo2": 5.0})


def test_a_silent_device_is_one_finding_by_ticks_alone() -> None:
    run = Run(watched("w"))
    run.feed(series("w", "hr", range(60, 90), every_s=1), until_s=200)
    words = [words for words in said(run.findings) if words.startswith("nodata")]
    assert words == ["nodata.device start"]  # its quantities were not silent while it still spoke
    device = run.findings[-1]
    assert (device.device, device.resident, device.kind, device.priority) == ("w", "R-w", AlertKind.TECHNICAL, Priority.MEDIUM)
    assert 89 <= (device.t_ns - T0_NS) / NS <= 92
    assert said(run.read(R(device="w", key="hr", value=70.0, t_s=210))) == ["nodata.device end"]


def test_a_missing_quantity_is_not_over_because_the_whole_device_falls_silent() -> None:
    run = Run(watched("w"))
    run.feed(series("w", "hr", range(60, 160), every_s=1), until_s=250)
    assert [words for words in said(run.findings) if words.startswith("nodata")] == ["nodata.spo2 start", "nodata.device start"]


def test_a_device_that_never_spoke_is_missed_too() -> None:
    run = Run(watched("w"))
    run.feed([], until_s=70)
    assert said(run.findings) == ["nodata.device start"]


def test_not_worn_is_said_as_such_and_not_as_silence() -> None:
    run = Run(watched("w"))
    not_worn = series("w", "hr", [nan] * 100, quality=int(Quality.NO_VALUE | Quality.NOT_WORN))
    run.feed([*not_worn, *series("w", "spo2", [97.0] * 110), R(device="w", key="hr", value=70.0, t_s=105)], until_s=110)
    assert said(run.findings) == ["sensor.hr start", "sensor.hr end"]
    assert (run.findings[0].code, run.findings[0].kind) == ("finding.sensor.not_worn", AlertKind.TECHNICAL)


def test_no_value_without_a_reason_is_silence() -> None:
    run = Run(watched("w"))
    run.feed([*series("w", "hr", [nan] * 100, quality=int(Quality.NO_VALUE)), *series("w", "spo2", [97.0] * 100)], until_s=99)
    assert said(run.findings) == ["nodata.hr start"]


def test_low_perfusion_takes_the_zero_delay_away_and_after_a_while_the_value() -> None:
    run = Run(ward("w"))
    run.tick(0)
    weak = int(Quality.LOW_PERFUSION)
    run.feed([R(device="w", key="spo2", value=95.0 + at % 2, t_s=at, quality=weak) for at in range(1, 310)], until_s=310)
    assert said(run.findings) == ["sensor.spo2 start"]
    run.feed(series("w", "spo2", [75.0, 74.0] * 20, from_s=311, quality=weak), from_s=312, until_s=351)
    assert said(run.findings) == ["sensor.spo2 start"]
    run.feed(series("w", "spo2", [75.0, 74.0] * 3, from_s=352), from_s=353, until_s=359)
    assert said(run.findings)[1:] == ["limit.spo2.low start", "sensor.spo2 end"]  # by one reading: in the order of the rules


def test_a_cuff_that_fails_twice() -> None:
    run = Run(ward("w"))
    run.tick(0)
    failed = {"key": "sbp", "value": nan, "quality": int(Quality.NO_VALUE | Quality.CUFF_ERROR)}
    assert not run.read(R(device="w", t_s=1, **failed))  # type: ignore[arg-type]
    (found,) = run.read(R(device="w", t_s=90, **failed))  # type: ignore[arg-type]
    assert found.code == "finding.sensor.cuff_error"
    assert said(run.read(R(device="w", key="sbp", value=120.0, t_s=180))) == ["sensor.sbp end"]


@pytest.mark.parametrize(
    ("off", "value", "said_"), [("low", 30.0, False), ("low", 160.0, True), ("both", 160.0, False), ("high", 30.0, True)]
)
def test_a_side_that_is_switched_off_says_nothing(off: str, value: float, said_: bool) -> None:
    made = ward("w")
    made.limit("hr", "R-w", off=off)
    run = Run(made)
    run.tick(0)
    assert bool(run.read(R(device="w", key="hr", value=value, t_s=10))) is said_


def test_nobody_is_accused_of_our_own_absence() -> None:
    run = Run(watched("w"))
    run.feed([*series("w", "hr", [70.0] * 10), *series("w", "spo2", [97.0] * 10)], until_s=20)
    run.tick(4_000)  # we were down, or the clock stepped
    assert not run.findings
    run.feed([], from_s=4_001, until_s=4_080)
    assert said(run.findings) == ["nodata.device start"]


def test_away_and_discharged_residents_are_not_missed() -> None:
    made = watched("w", "v")
    made.resident("R-w", "away", t_s=0)
    made.resident("R-v", "discharged", t_s=0)
    run = Run(made)
    run.feed([], until_s=200)
    assert not run.findings


def test_a_step_back_of_the_clock_neither_hides_nor_delays() -> None:
    run = Run(watched("w"))
    run.feed([*series("w", "hr", [70.0] * 30), *series("w", "spo2", [97.0] * 30)], until_s=30)
    back = -3_600.0
    run.feed(
        [*series("w", "hr", [70.0] * 60, from_s=back), *series("w", "spo2", [88.0] * 60, from_s=back)], from_s=back + 1, until_s=back + 60
    )
    assert said(run.findings) == ["limit.spo2.low start"]
