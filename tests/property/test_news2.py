"""NEWS2: every edge of every band, both scales, missing and stale parts."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import score
from analytics.detect.base import Verdict, find
from tests.property.slow_detectors import slow_news2
from tests.support.detecting import Beat, Drive, Reading

WELL = {"resp": 16.0, "spo2": 97.0, "o2": 0.0, "sbp": 120.0, "pulse": 70.0, "consciousness": 0.0, "temp": 37.0}

# value just on each side of every edge of the chart -> points
EDGES: dict[str, list[tuple[float, int]]] = {
    "resp": [(8, 3), (8.4, 3), (8.5, 1), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3), (60, 3), (0, 3)],
    "spo2": [(20, 3), (91, 3), (91.4, 3), (91.5, 2), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0)],
    "sbp": [(30, 3), (90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0), (219.4, 0), (219.5, 3), (220, 3)],
    "pulse": [(0, 3), (40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1), (111, 2), (130, 2), (131, 3)],
    "temp": [(35.0, 3), (35.04, 3), (35.05, 1), (35.1, 1), (36.0, 1), (36.1, 0), (37.95, 0), (38.0, 0), (38.05, 1), (38.1, 1), (39.0, 1),
             (39.1, 2), (42, 2)],
    "o2": [(0, 0), (1, 2)],
    "consciousness": [(0, 0), (1, 3)],
}  # fmt: skip

SCALE_2 = [
    *(
        (value, oxygen, points)
        for value, points in [(83, 3), (84, 2), (85, 2), (86, 1), (87, 1), (88, 0), (92, 0)]
        for oxygen in (0.0, 1.0, nan)
    ),
    *((value, 0.0, 0) for value in (93, 94, 95, 96, 97, 100)),
    *((value, 1.0, points) for value, points in [(93, 1), (94, 1), (95, 2), (96, 2), (97, 3), (100, 3)]),
    *((value, nan, -1) for value in (93, 100)),
]


def scored(parts: dict[str, float], scale: int = 1) -> score.News2:
    row = WELL | parts
    return score.news2(np.array([[row[name] for name in score.PARTS]]), np.array([scale], dtype=np.int8))


@pytest.mark.parametrize(("part", "value", "points"), [(part, value, points) for part, rows in EDGES.items() for value, points in rows])
def test_every_edge(part: str, value: float, points: int) -> None:
    result = scored({part: value})
    assert result.points[0, score.PARTS.index(part)] == points
    assert result.total[0] == points
    assert result.single3[0] == (points == 3)
    assert result.complete[0]


@pytest.mark.parametrize(("value", "oxygen", "points"), SCALE_2)
def test_scale_two(value: float, oxygen: float, points: int) -> None:
    result = scored({"spo2": value, "o2": oxygen}, 2)
    assert result.points[0, score.SPO2] == points
    assert result.known[0] == 7 - (points < 0) - (oxygen != oxygen)


@given(st.sets(st.sampled_from(score.PARTS)))
def test_missing_parts_are_named_and_never_zero_risk(missing: set[str]) -> None:
    result = scored(dict.fromkeys(missing, nan))
    assert result.known[0] == 7 - len(missing)
    assert result.complete[0] == (not missing)
    for name in missing:
        assert result.points[0, score.PARTS.index(name)] == -1


maybe = st.one_of(st.just(nan), st.integers(0, 2600).map(lambda tenths: tenths / 10))


@settings(max_examples=300)
@given(
    rows=st.lists(
        st.tuples(
            maybe, maybe, st.sampled_from([nan, 0.0, 1.0]), maybe, maybe, st.sampled_from([nan, 0.0, 1.0]),
            st.one_of(st.just(nan), st.integers(3000, 4400).map(lambda hundredths: hundredths / 100)), st.sampled_from([1, 2]),
        ),
        min_size=1,
        max_size=30,
    )
)  # fmt: skip
def test_the_table_agrees_with_the_chart_row_by_row(rows: list[tuple[float, float, float, float, float, float, float, int]]) -> None:
    result = score.news2(np.array([row[:7] for row in rows]), np.array([row[7] for row in rows], dtype=np.int8))
    for at, row in enumerate(rows):
        slow = slow_news2(*row)
        assert result.points[at].tolist() == slow
        assert result.total[at] == sum(max(points, 0) for points in slow)
        assert result.known[at] == sum(points >= 0 for points in slow)


@given(st.lists(st.floats(0, 200_000), min_size=7, max_size=7))
def test_parts_go_stale_one_by_one(ages_s: list[float]) -> None:
    values = score.fresh(np.array([[1.0] * 7]), np.array([ages_s]))
    assert (np.isnan(values[0]) == [age > limit for age, limit in zip(ages_s, score.MAX_AGE_S, strict=True)]).all()


# --- the detector over time ------------------------------------------------------------------------------------------------


def monitored(persistence_s: float = 7_200.0) -> Drive:
    (detector,) = (one for one in find() if one.rule == "news2")
    drive = Drive(detector, 1)
    drive.params["persistence_s"][0] = persistence_s
    drive.params["max_age_s"][0] = 3_600.0
    drive.params["on_oxygen"][0], drive.params["cvpu"][0] = 0.0, 0.0
    return drive


def hour(drive: Drive, from_min: int, upto_min: int, **parts: float) -> list[str]:
    """A reading of each part every ten minutes and a tick every minute; what was said, with its minute."""
    before = len(drive.said)
    for minute in range(from_min, upto_min):
        steps = []
        if minute % 10 == 0:
            steps = [
                Reading(row=0, t_s=minute * 60.0, value=value, key=minute * 20 + at, part=score.PARTS.index(name))
                for at, (name, value) in enumerate(parts.items())
            ]
        drive.run([[*steps, Beat(t_s=minute * 60.0 + 1, key=minute * 20 + 15)]])
    return [f"{word} {key // 20}" for key, _, word, _ in drive.said[before:]]


SICK = {"resp": 26.0, "spo2": 91.0, "sbp": 120.0, "pulse": 95.0, "temp": 37.0}  # 3 + 3 + 0 + 1 = 7
BETTER = SICK | {"resp": 22.0}  # 6: not below 5
FINE = {"resp": 16.0, "spo2": 97.0, "sbp": 120.0, "pulse": 70.0, "temp": 37.0}


def test_persistence_and_hysteresis() -> None:
    drive = monitored()
    assert hour(drive, 0, 60, **FINE) == []
    assert hour(drive, 60, 120, **SICK) == []
    assert hour(drive, 120, 130, **BETTER) == []  # a dip below 7 begins anew
    assert hour(drive, 130, 251, **SICK) == ["start 250"]
    assert hour(drive, 251, 300, **BETTER) == []  # 6 is not over yet
    assert hour(drive, 300, 320, **FINE) == ["end 300"]


def test_an_alarm_does_not_end_because_parts_went_stale() -> None:
    drive = monitored(persistence_s=600.0)
    assert hour(drive, 0, 30, **SICK) == ["start 10"]
    assert hour(drive, 30, 300) == []  # nothing comes any more: cannot tell
    assert drive.state["total"][0] < 5
    assert drive.state["total_known"][0] == 2
    assert hour(drive, 300, 310, pulse=70.0) == []  # one good part of three that raised it
    assert hour(drive, 310, 330, **FINE) == ["end 310"]


def test_a_partial_score_alarms_but_never_reads_as_normal() -> None:
    drive = monitored(persistence_s=600.0)
    drive.params["cvpu"][0] = nan
    assert hour(drive, 0, 20, **FINE) == []
    drive.run([[Reading(row=0, t_s=1_250.0, value=70.0, key=9_000, part=score.PULSE)]])
    assert drive.verdicts[-1][1] == Verdict.NO_DATA
    assert hour(drive, 30, 60, **SICK) == ["start 40"]
    drive.run([[Reading(row=0, t_s=3_700.0, value=70.0, key=9_999, part=score.PULSE)]])
    assert drive.verdicts[-1][1] == Verdict.ALARM
