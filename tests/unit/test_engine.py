"""The engine by scenario: what is said, when, how loudly, and what must not be said."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gateway.registry.view import RegistryView
from gateway.stream import checkpoint
from gateway.vocabulary import AlertKind, Priority
from tests.support.ward import NS, T0_NS, Mark, Origin, Phase, Quality, R, Run, Ward, block_of, said, series, ward

RULES = ("limit.", "news2", "deviation")


def clinical(run: Run) -> list[str]:
    return [words for words in said(run.findings) if words.startswith(RULES)]


def started(run: Run, values: list[float], key: str = "spo2", until_s: float = 120.0, tick_s: float = 1.0, **fields: object) -> Run:
    run.tick(0)
    run.feed(series("w", key, values, **fields), from_s=1, until_s=until_s, every_s=tick_s)  # type: ignore[arg-type]
    return run


def test_low_oxygen_alarms_after_the_delay_and_ends_beyond_the_hysteresis() -> None:
    run = started(Run(ward("w")), [97.0] * 10 + [88.0] * 30 + [91.0] * 20 + [93.0] * 30)
    assert said(run.findings) == ["limit.spo2.low start", "limit.spo2.low end"]
    start, end = run.findings
    assert start.resident == "R-w"
    assert start.device == "w"
    assert start.priority is Priority.MEDIUM
    assert start.cause == "spo2.low"
    assert start.code == "finding.limit.low"
    assert start.params["limit"] == 90.0
    assert 24.0 <= (start.t_ns - T0_NS) / NS <= 26.0  # below since second 10, delay 15 s
    assert end.id == start.id
    assert (end.t_ns - T0_NS) / NS >= 75  # 91 is not safe yet, 93 is from second 60 on


def test_a_short_dip_is_silent() -> None:
    assert not started(Run(ward("w")), [97.0] * 10 + [88.0] * 10 + [97.0] * 60).findings


def test_depth_shortens_the_delay() -> None:
    run = started(Run(ward("w")), [97.0] * 10 + [84.0] * 12 + [97.0] * 60)  # 6 % x 9 s > 50 % s
    assert said(run.findings)[0] == "limit.spo2.low start"


def test_an_extreme_value_alarms_at_once_and_loudly() -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.read(*series("w", "spo2", [97.0] * 3, every_s=10))
    (found,) = run.read(R(device="w", key="spo2", value=79.0, t_s=40))
    assert found.priority is Priority.HIGH
    assert found.latched
    assert found.onset_offset == found.offset


def test_worse_is_an_update_of_the_same_finding() -> None:
    run = started(Run(ward("w")), [88.0] * 40 + [79.0] * 5, until_s=60)
    assert said(run.findings) == ["limit.spo2.low start", "limit.spo2.low update"]
    assert run.findings[0].id == run.findings[1].id
    assert run.findings[1].priority is Priority.HIGH


def test_high_and_low_minutes_apart_are_two_findings() -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.read(R(device="w", key="glucose", value=18.0, t_s=10))
    run.tick(11)
    run.read(R(device="w", key="glucose", value=3.5, t_s=200))
    starts = [finding for finding in run.findings if finding.phase is Phase.START]
    assert [finding.rule for finding in starts] == ["limit.glucose.high", "limit.glucose.low"]
    assert len({finding.id for finding in starts}) == 2
    assert len({finding.cause for finding in starts}) == 2


@pytest.mark.parametrize(("key", "value", "quality"), [("glucose", 2.2, 0), ("glucose", 4.5, int(Quality.BELOW_RANGE)), ("spo2", 20.0, 0)])
def test_the_sensors_floor_alarms(key: str, value: float, quality: int) -> None:
    run = Run(ward("w"))
    run.tick(0)
    (found,) = run.read(R(device="w", key=key, value=value, t_s=10, quality=quality))
    assert found.rule == f"limit.{key}.low"
    assert found.priority is Priority.HIGH


@pytest.mark.parametrize(("shown", "side"), [(Quality.BELOW_RANGE, "low"), (Quality.ABOVE_RANGE, "high")])
def test_lo_and_hi_without_a_number_alarm_and_show_no_old_number(shown: Quality, side: str) -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.read(R(device="w", key="glucose", value=6.1, t_s=5))
    (found,) = run.read(R(device="w", key="glucose", value=nan, t_s=10, quality=int(shown | Quality.NO_VALUE)))
    assert (found.rule, found.priority) == (f"limit.glucose.{side}", Priority.HIGH)
    assert "value" not in found.params


def test_lo_repeated_never_becomes_a_flat_line_that_hides_it() -> None:
    run = started(Run(ward("w")), [2.2] * 60, key="glucose_cgm", every_s=300, until_s=5 * 3600, tick_s=60)
    assert "limit.glucose_cgm.low start" in said(run.findings)
    assert "limit.glucose_cgm.low end" not in said(run.findings)


@pytest.mark.parametrize("mark", [Mark.LATE | Mark.STORED, Mark.FUTURE | Mark.STORED, Mark.RETAINED])
def test_untimely_readings_neither_raise_nor_clear(mark: Mark) -> None:
    run = Run(ward("w"))
    run.tick(0)
    assert not [f for f in run.read(R(device="w", key="spo2", value=60.0, t_s=10, mark=int(mark))) if f.kind is AlertKind.PHYSIOLOGICAL]
    run.read(R(device="w", key="spo2", value=70.0, t_s=20))
    before = len(run.findings)
    run.read(*series("w", "spo2", [99.0] * 5, from_s=30, every_s=20, mark=int(mark)))
    run.tick(140)
    assert len([f for f in run.findings[before:] if f.kind is AlertKind.PHYSIOLOGICAL]) == 0


def test_a_future_reading_hides_nothing() -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.read(R(device="w", key="spo2", value=97.0, t_s=90_000, received_s=5, mark=int(Mark.FUTURE | Mark.STORED)))
    assert "limit.spo2.low start" in said(run.read(R(device="w", key="spo2", value=70.0, t_s=10)))
    assert "clock.device start" in said(run.findings)


def test_two_of_three_cuff_readings() -> None:
    run = Run(ward("w"))
    run.tick(0)
    for at, value in enumerate([120.0, 185.0, 130.0, 150.0, 188.0, 140.0, 190.0, 120.0]):
        run.read(R(device="w", key="sbp", value=value, t_s=at * 900))
        run.tick(at * 900 + 1)
    assert [words for words in said(run.findings) if "sbp" in words] == ["limit.sbp.high start", "limit.sbp.high end"]
    assert run.findings[0].t_ns == T0_NS + 6 * 900 * NS


def test_an_unusable_reading_changes_nothing() -> None:
    run = started(Run(ward("w")), [97.0, 70.0, 70.0, 70.0], quality=int(Quality.NOT_WORN), until_s=60)
    assert not run.findings
    run = started(Run(ward("w")), [nan] * 30, until_s=60)
    assert not run.findings


def test_a_leap_needs_company() -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.read(*series("w", "spo2", [97.0] * 5))
    assert not run.read(R(device="w", key="spo2", value=60.0, t_s=5))
    assert said(run.read(R(device="w", key="spo2", value=61.0, t_s=6))) == ["limit.spo2.low start"]


def test_a_frozen_sensor_is_technical_and_ends_no_alarm() -> None:
    run = Run(ward("w"))
    run.tick(0)
    run.feed(series("w", "hr", [130.0] * 60 + [80.0] * 200, every_s=30), from_s=1, until_s=8_000, every_s=30)
    words = said(run.findings)
    assert words[0] == "limit.hr.high start"
    assert "flat.hr start" in words
    flat = next(finding for finding in run.findings if finding.rule == "flat.hr")
    assert flat.kind is AlertKind.TECHNICAL
    run.read(R(device="w", key="hr", value=81.0, t_s=8_100))
    assert said(run.findings)[-1] == "flat.hr end"


def test_a_resident_has_limits_of_their_own_until_they_expire() -> None:
    made = ward("w")
    made.limit("hr", "R-w", high=140.0, duration_s=10, expires_ns=T0_NS + 600 * NS)
    run = started(Run(made), [130.0, 131.0] * 50, key="hr", until_s=100)
    assert not clinical(run)
    run.tick(700)
    run.feed(series("w", "hr", [130.0, 131.0] * 30, from_s=700), from_s=701, until_s=800)
    assert clinical(run) == ["limit.hr.high start"]


def test_scale_two_residents_have_the_lower_oxygen_limit() -> None:
    made = ward("w")
    made.resident("R-w", "observed", spo2_scale=2)
    assert not started(Run(made), [88.0] * 60).findings


def test_low_battery_is_technical() -> None:
    run = Run(ward("w"))
    run.tick(0)
    (low,) = run.read(R(device="w", key="battery", value=12.0, t_s=1))
    assert (low.rule, low.kind, low.priority) == ("battery.low", AlertKind.TECHNICAL, Priority.LOW)
    assert said(run.read(R(device="w", key="battery", value=90.0, t_s=2))) == ["battery.low end"]


@pytest.mark.parametrize(
    ("key", "rule", "priority"),
    [
        ("call.sos", "call.sos", Priority.HIGH),
        ("call.fall", "call.fall", Priority.HIGH),
        ("fall_detected", "call.fall", Priority.HIGH),
        ("call.assist", "call.assist", Priority.MEDIUM),
    ],
)
def test_a_call_is_a_finding_at_once(key: str, rule: str, priority: Priority) -> None:
    run = Run(ward("w"))
    run.tick(0)
    (call,) = run.read(R(device="w", key=key, value=1.0, t_s=1))
    assert (call.rule, call.kind, call.priority, call.latched, call.late_s) == (rule, AlertKind.CALL, priority, True, 0.0)


def test_a_late_call_pages_with_its_lateness_and_a_retained_one_does_not() -> None:
    run = Run(ward("w"))
    run.tick(0)
    (call,) = run.read(R(device="w", key="call.sos", value=1.0, t_s=-1_800, received_s=10, mark=int(Mark.STORED | Mark.LATE)))
    assert call.late_s == 1_810
    (call,) = run.read(R(device="w", key="call.sos", value=1.0, t_s=9_999, received_s=11, mark=int(Mark.STORED | Mark.FUTURE)))[:1]
    assert call.late_s == 0
    assert not [f for f in run.read(R(device="w", key="call.sos", value=1.0, t_s=12, mark=int(Mark.RETAINED))) if f.kind is AlertKind.CALL]


def test_a_call_of_an_unbound_device_and_one_before_the_first_tick() -> None:
    run = Run(Ward())
    (call,) = run.read(R(device="x", key="call.sos", value=1.0, t_s=1))
    assert call.resident is None
    assert call.device == "x"


def test_a_cancel_is_an_update_of_the_devices_own_call() -> None:
    run = Run(ward("w", "v"))
    run.tick(0)
    (call,) = run.read(R(device="w", key="call.fall", value=1.0, t_s=1))
    assert not run.read(R(device="v", key="call.cancel", value=1.0, t_s=2))
    (cancel,) = run.read(R(device="w", key="call.cancel", value=1.0, t_s=3))
    assert (cancel.id, cancel.phase, cancel.params) == (call.id, Phase.UPDATE, {"cancelled": True})
    assert not run.read(R(device="w", key="call.cancel", value=1.0, t_s=4))


def test_origin_is_the_worst_of_the_readings() -> None:
    run = started(Run(ward("w")), [88.0] * 40, origin=int(Origin.SIM), until_s=60)
    assert run.findings[0].origin is Origin.SIM
    run = Run(ward("w"))
    run.tick(0)
    (call,) = run.read(R(device="w", key="call.sos", value=1.0, t_s=1, mark=int(Mark.TEST)))
    assert call.origin is Origin.TEST


def test_readings_follow_the_binding_and_a_new_wearer_starts_clean() -> None:
    made = ward("w")
    run = started(Run(made), [88.0] * 30, until_s=40)
    assert said(run.findings) == ["limit.spo2.low start"]
    made.resident("R2")
    made.bind("w", "R2", from_s=50)
    run.tick(60)
    assert said(run.findings) == ["limit.spo2.low start", "limit.spo2.low end"]  # nobody wears it any more: the condition is over
    assert run.findings[-1].resident == "R-w"
    run.feed(series("w", "spo2", [88.0] * 20, from_s=61), from_s=62, until_s=90)
    assert run.findings[-1].resident == "R2"


def test_unbound_devices_are_not_judged() -> None:
    run = started(Run(Ward()), [60.0] * 10)
    assert not run.findings


def test_a_device_with_a_wrong_clock() -> None:
    run = Run(ward("w"))
    run.tick(0)
    (bad,) = run.read(*series("w", "hr", [70.0, 71.0], mark=int(Mark.BAD_CLOCK)))
    assert (bad.rule, bad.kind, bad.phase) == ("clock.device", AlertKind.TECHNICAL, Phase.START)
    assert not run.read(R(device="w", key="hr", value=70.0, t_s=30))
    assert said(run.read(R(device="w", key="hr", value=70.0, t_s=700))) == ["clock.device end"]


def watched(*devices: str) -> Ward:
    return ward(*devices, quantities=("hr", "spo2", "battery"), cadence_s={"hr": 5.0, "spo2": 5.0})


def test_a_checkpoint_goes_on_as_if_nothing_had_happened() -> None:
    made = watched("w")
    whole, cut = Run(made), Run(made)
    readings = [*series("w", "hr", [70.0] * 40), *series("w", "spo2", [88.0] * 40)]
    whole.feed(readings, until_s=200)
    cut.feed([r for r in readings if r.t_s < 20], until_s=20)
    data = checkpoint.snapshot(cut.engine)
    cut.engine = checkpoint.restore(data, cut.engine.view.copy())
    assert checkpoint.snapshot(cut.engine) == data
    cut.feed([r for r in readings if r.t_s >= 20], from_s=21, until_s=200)
    assert cut.findings == whole.findings
    assert "nodata.device start" in said(whole.findings)


def test_a_foreign_checkpoint_is_refused() -> None:
    run = Run(ward("w"))
    run.tick(0)
    data = checkpoint.snapshot(run.engine)
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.restore(data[:-7], run.engine.view)
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.restore(data, RegistryView())


def test_a_block_out_of_turn_is_an_error() -> None:
    run = Run(ward("w"))
    run.tick(0)
    with pytest.raises(ValueError, match="never goes back"):
        run.engine.step(run.blocks[0])


def test_news2_of_a_resident_by_parts_and_persistence() -> None:
    made = ward("w")
    made.resident("R-w", "observed", on_oxygen=True, consciousness="A")
    run = Run(made)
    run.tick(0)
    readings = [
        r for key, value in (("hr", 115.0), ("resp", 23.0), ("spo2", 93.0)) for r in series("w", key, [value, value + 1] * 200, every_s=60)
    ]
    run.feed(readings, from_s=60, until_s=3 * 3600, every_s=60)
    news = [finding for finding in run.findings if finding.rule == "news2.high"]
    assert said(news) == ["news2.high start"]
    assert news[0].params == {"score": 8, "known": 5, "of": 7, "single3": False}
    assert news[0].code == "finding.news2.partial"
    assert 7_200 <= (news[0].t_ns - T0_NS) / NS <= 7_400
    assert block_of([]).devices == ()


def test_thousands_of_values_in_one_message_are_bounded_and_hide_nothing() -> None:
    run = Run(ward("w"))
    run.tick(0)
    many = [R(device="w", key="spo2", value=97.0 - (at == 4_321) * 30, t_s=at / 100, frame=1) for at in range(5_000)]
    assert said(run.read(*many)) == []  # a leap needs company
    many = [R(device="w", key="hr", value=160.0 if at == 4_321 else 80.0 + at % 2, t_s=at / 100, frame=2) for at in range(5_000)]
    many = [replace(one, value=160.0) if 4_300 < at < 4_400 else one for at, one in enumerate(many)]
    assert "limit.hr.high start" in said(run.read(*many))
    assert run.engine.counters["thinned"] > 9_000
