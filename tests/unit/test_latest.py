"""What the screens see as the present."""

from __future__ import annotations

from math import isnan, nan

from gateway.readings import StoredBlock
from gateway.stream.latest import SPARK_POINTS, Latest
from tests.support.ward import NS, T0_NS, Mark, Quality, R, block_of, series


def latest_of(*readings: R) -> Latest:
    latest = Latest()
    latest.take(StoredBlock(first=1, readings=block_of(list(readings))))
    return latest


def test_the_newest_reading_stands_and_unknown_series_have_none() -> None:
    latest = latest_of(*series("w", "hr", [70.0, 71.0, 72.0]))
    last = latest.last("w", "hr")
    assert last is not None
    assert (last.value, last.t_ns) == (72.0, T0_NS + 2 * NS)
    assert latest.last("w", "spo2") is None
    assert latest.spark("x", "hr") == []


def test_late_future_and_retained_readings_never_stand_for_now() -> None:
    live = R(device="w", key="hr", value=70.0, t_s=1_000)
    others = [
        R(device="w", key="hr", value=150.0, t_s=700, mark=int(Mark.STORED | Mark.LATE)),
        R(device="w", key="hr", value=151.0, t_s=9_000, mark=int(Mark.STORED | Mark.FUTURE)),
        R(device="w", key="hr", value=152.0, t_s=1_001, mark=int(Mark.RETAINED)),
    ]
    latest = latest_of(live, *others)
    last = latest.last("w", "hr")
    assert last is not None
    assert last.value == 70.0
    spark = latest.spark("w", "hr")
    assert spark[0] == 150.0  # the late one fills its gap
    assert spark[-1] == 70.0
    assert all(isnan(point) for point in spark[1:-1])


def test_a_value_that_says_nothing_is_no_value() -> None:
    for reading in (
        R(device="w", key="hr", value=0.0, t_s=2, quality=int(Quality.LEAD_OFF)),
        R(device="w", key="hr", value=nan, t_s=2, quality=int(Quality.NO_VALUE)),
    ):
        last = latest_of(R(device="w", key="hr", value=70.0, t_s=1), reading).last("w", "hr")
        assert last is not None
        assert isnan(last.value)


def test_the_line_holds_forty_slots_and_survives_a_clock_step() -> None:
    latest = latest_of(*series("w", "hr", [float(at) for at in range(100)], every_s=30))
    assert latest.spark("w", "hr") == [float(at) for at in range(60, 100)]
    assert len(latest.spark("w", "hr")) == SPARK_POINTS
    latest.take(StoredBlock(first=500, readings=block_of([R(device="w", key="hr", value=5.0, t_s=-3_600)])))
    assert latest.spark("w", "hr") == [5.0]
    last = latest.last("w", "hr")
    assert last is not None
    assert last.value == 5.0


def test_it_survives_a_checkpoint() -> None:
    latest = latest_of(*series("w", "hr", [70.0, 71.0], every_s=30), R(device="v", key="spo2", value=97.0, t_s=1))
    again = Latest.unpack(latest.pack())
    for device, quantity in (("w", "hr"), ("v", "spo2")):
        assert again.last(device, quantity) == latest.last(device, quantity)
        assert again.spark(device, quantity) == latest.spark(device, quantity)
