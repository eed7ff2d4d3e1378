"""Honest ages, the wall's tiles and the tails of sparklines."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import NS_PER_S
from gateway.query.vitals import VitalState, bounds_s, monitoring_of, state_of
from gateway.query.wall import SPARK_POINTS, tail
from gateway.registry import bindings, residents
from gateway.vocabulary import SYSTEM, AlertKind, Priority
from tests.support.fake_clock import FakeClock
from tests.support.house import house

HR = bounds_s(continuous=True, cadence_s=2.0, late_s=120.0)
SLOW = bounds_s(continuous=True, cadence_s=300.0, late_s=900.0)
CUFF = bounds_s(continuous=False, cadence_s=None, late_s=900.0)
DAILY = bounds_s(continuous=False, cadence_s=86_400.0, late_s=900.0)


@pytest.mark.parametrize(
    ("bounds", "value", "age_s", "bound_for_s", "state"),
    [
        (HR, 80.0, 0.0, 1e6, "live"), (HR, 80.0, 9.0, 1e6, "live"), (HR, 80.0, 9.1, 1e6, "stale"), (HR, 80.0, 120.0, 1e6, "stale"),
        (HR, 80.0, 120.1, 1e6, "lost"), (HR, 0.0, 1.0, 1e6, "live"), (HR, math.nan, 1.0, 1e6, "no_value"), (HR, None, 1.0, 1e6, "no_value"),
        (HR, math.nan, 30.0, 1e6, "stale"), (HR, math.nan, 121.0, 1e6, "lost"),
        (HR, None, None, 5.0, "warming"), (HR, None, None, 121.0, "lost"),
        (SLOW, 6.1, 605.0, 1e6, "live"), (SLOW, 6.1, 606.0, 1e6, "lost"),
        (CUFF, 130.0, 900.0, 1e6, "live"), (CUFF, 130.0, 901.0, 1e6, "stale"), (CUFF, 130.0, 1e7, 1e8, "stale"),
        (DAILY, 70.0, 100_000.0, 1e6, "live"), (DAILY, 70.0, 130_000.0, 1e6, "stale"),
    ],
)  # fmt: skip
def test_states(bounds: tuple[float, float], value: float | None, age_s: float | None, bound_for_s: float, state: str) -> None:
    live_s, lost_s = bounds
    assert state_of(value=value, age_s=age_s, bound_for_s=bound_for_s, live_s=live_s, lost_s=lost_s) == state


@given(age_s=st.floats(0, 1e6), cadence_s=st.floats(0.1, 3600), value=st.none() | st.floats())
def test_only_a_young_number_is_live(age_s: float, cadence_s: float, value: float | None) -> None:
    live_s, lost_s = bounds_s(continuous=True, cadence_s=cadence_s, late_s=120)
    state = state_of(value=value, age_s=age_s, bound_for_s=1e9, live_s=live_s, lost_s=lost_s)
    if state == "live":
        assert value is not None
        assert not math.isnan(value)
        assert age_s <= 2 * cadence_s + 5
    assert lost_s <= max(120.0, live_s)


@pytest.mark.parametrize(
    ("states", "monitoring"),
    [
        ([], "none"), (["live"], "live"), (["live", "stale"], "stale"), (["no_value"], "stale"), (["warming"], "stale"),
        (["live", "lost"], "lost"),
    ],
)  # fmt: skip
def test_monitoring_is_as_good_as_its_worst_vital(states: list[VitalState], monitoring: str) -> None:
    assert monitoring_of(states) == monitoring


POINTS = st.lists(st.none() | st.sampled_from([60.0, 61.0, 62.0]), max_size=SPARK_POINTS)


@given(old=POINTS, new=POINTS)
def test_a_screen_that_appends_tails_shows_the_new_line(old: list[float | None], new: list[float | None]) -> None:
    screen = (old + tail({"hr": old}, {"hr": new}).get("hr", []))[-SPARK_POINTS:]
    assert screen[len(screen) - len(new) :] == new
    if len(screen) > len(new):  # a line that got shorter is filled up in front, or is the end of what was there
        assert screen[: len(screen) - len(new)] in ([None] * (len(screen) - len(new)), screen[: len(screen) - len(new)])


@given(line=st.lists(st.integers(0, 10**9).map(float), min_size=1, max_size=90, unique=True), step=st.integers(1, 5))
def test_a_line_that_moves_on_sends_each_point_once(line: list[float], step: int) -> None:
    screen: list[float | None] = []
    before: list[float] = []
    for end in range(0, len(line) + 1, step):
        window = line[:end][-SPARK_POINTS:]
        fresh = tail({"hr": before}, {"hr": window}).get("hr", [])
        assert [point for point in fresh if point is not None] == window[len(window) - min(step, len(window)) :] if end else not fresh
        screen = (screen + fresh)[-SPARK_POINTS:]
        before = window
        assert [point for point in screen if point is not None] == window


async def test_the_wall_of_a_zone(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home:
        await clock.advance(60)
        home.latest.put("band-wang", "hr", 80.0, clock.now_ns())
        home.latest.put("band-wang", "spo2", 97.0, clock.now_ns())
        for point in (79.0, 80.0, 81.0):
            home.latest.put("band-wang", "hr", point, clock.now_ns())
        await home.call("wang")
        await home.call("liu", cause="spo2.low", kind=AlertKind.PHYSIOLOGICAL, priority=Priority.MEDIUM)
        await home.call("zhou")
        async with home.signed_in("carer") as client:
            wall = (await client.get("/api/v1/wall", params={"site": "care", "zone": "z-a"})).json()
            assert [bed["label"] for bed in wall["beds"]] == ["3-01", "3-02"]
            wang, liu = wall["beds"]
            assert wang["vitals"]["hr"] == {"value": 81.0, "unit": "/min", "t_ms": clock.now_ns() // 10**6, "state": "live"}
            assert wang["spark"]["hr"] == [80.0, 79.0, 80.0]  # without the point that still changes
            assert wang["monitoring"] == "live"
            assert liu["vitals"]["hr"]["state"] == "warming"
            assert [alert["resident"]["id"] for alert in wall["alerts"]] == ["wang", "liu"]
            assert wang["alert_ids"] == [wall["alerts"][0]["id"]]
            assert wall["cursor"] == f"{home.events.lineage}:{home.events.head}"
            await clock.advance(600)
            wang, liu = (await client.get("/api/v1/wall", params={"site": "care"})).json()["beds"]
            assert wang["vitals"]["hr"]["state"] == "lost"
            assert (wang["monitoring"], wang["monitoring_since_ms"]) == ("lost", (clock.now_ns() - 600 * NS_PER_S) // 10**6)
            assert liu["vitals"]["hr"]["state"] == "lost"
            assert (await client.get("/api/v1/wall", params={"site": "care", "zone": "z-far"})).status_code == 404


async def test_what_was_measured_on_somebody_else_is_not_shown(tmp_path: Path) -> None:
    clock = FakeClock()
    async with house(tmp_path, clock=clock) as home:
        await clock.advance(10)
        home.latest.put("band-wang", "hr", 150.0, clock.now_ns())
        await clock.advance(1)
        await home.registry.do(SYSTEM, bindings.bind, "band-wang", resident="liu")
        async with home.signed_in("carer") as client:
            wang, liu = (await client.get("/api/v1/wall", params={"site": "care"})).json()["beds"]
            assert wang["vitals"] == {}
            assert wang["monitoring"] == "none"
            assert "150" not in str(liu)
            for value in (70.0, 71.0, 72.0):
                await clock.advance(30)
                home.latest.put("band-wang", "hr", value, clock.now_ns())
            _, liu = (await client.get("/api/v1/wall", params={"site": "care"})).json()["beds"]
            assert liu["spark"]["hr"] == [70.0, 71.0]
            alert = await home.call("liu")
            trend = (await client.get(f"/api/v1/alerts/{alert.id}")).json()["trend"]
            assert trend["hr"]["value"] == [70.0, 71.0, 72.0]


async def test_an_empty_bed_and_a_resident_without_a_bed(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.registry.do(SYSTEM, residents.discharge, "liu")
        await home.registry.do(SYSTEM, residents.admit, name="孙美玲", site="care", resident_id="sun")
        async with home.signed_in("carer") as client:
            beds = {bed["bed_id"]: bed for bed in (await client.get("/api/v1/wall", params={"site": "care"})).json()["beds"]}
        assert beds["bed-3-02"]["resident"] is None
        assert beds["resident:sun"]["resident"]["name"] == "孙美玲"
