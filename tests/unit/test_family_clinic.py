"""The four calm states, the own usual, strips with their gaps and reasons, scores over time: against plain sums and by hand."""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devices.codes import BY_KEY
from devices.model import Quality
from gateway.history.sqlite.history import Span
from gateway.query import past, scores, strips
from gateway.query.clinic import change_of
from gateway.query.family import handling, state_of
from gateway.query.wall import Vitals
from gateway.registry import consents
from gateway.registry.view import Place, RegistryView, Resident
from gateway.vocabulary import SYSTEM, AlertKind, AlertState, AlertView, Origin, Outcome, Priority
from tests.support.house import house

S = 1_000_000_000
NOW_NS = 1_790_000_000 * S
WHO = Resident(id="r", name="王", initials="W", status="admitted", place=Place(site_id="s"))
ALERT = AlertView(
    id="a", version=1, state=AlertState.RAISED, priority=Priority.HIGH, kind=AlertKind.CALL, rule="call.sos", cause="call.sos",
    code="finding.call.sos", params={}, resident_id="r", device_id="d", site_id="s", zone_id=None, place="3-01", raised_ns=NOW_NS - 30 * S,
    last_ns=NOW_NS, count=1, latched=True, condition_over=False, late_s=0.0, origin=Origin.LIVE, step=0, next_step_ns=None,
)  # fmt: skip


def vitals(state: str, age_s: float = 1.0, monitoring: str = "live") -> tuple[Vitals, int]:
    t_ms = NOW_NS // 1_000_000 - int(age_s * 1000)
    return Vitals(vitals={"hr": {"value": 70.0, "unit": "/min", "t_ms": t_ms, "state": state}}, monitoring=monitoring), t_ms


def state(alerts: list[AlertView], word: str = "live", age_s: float = 1.0, monitoring: str = "live", resident: Resident = WHO) -> str:
    found, t_ms = vitals(word, age_s, monitoring)
    return state_of(resident, found, t_ms, alerts, NOW_NS)


def test_silence_is_never_steady() -> None:
    assert state([]) == "steady"
    assert state([], "stale", 300, "stale") == "steady"
    assert state([], "lost", 300, "lost") == "no_data"
    assert state([], "live", 1700) == "steady", "a wearable that speaks every quarter of an hour"
    assert state([], "stale", 601) == "no_data"
    assert state([], "stale", 3600, "none") == "no_data", "a wearable that is bound but silent"
    assert state_of(WHO, Vitals(), None, [], NOW_NS) == "no_data"
    assert state([], resident=replace(WHO, status="away")) == "no_data"
    spot = Vitals(vitals={"sbp": {"value": 120.0, "unit": "mm[Hg]", "t_ms": 1, "state": "stale"}})
    assert state_of(WHO, spot, NOW_NS // 1_000_000 - 35 * 3_600_000, [], NOW_NS) == "steady"
    assert state_of(WHO, spot, NOW_NS // 1_000_000 - 37 * 3_600_000, [], NOW_NS) == "no_data"


def test_what_happens_comes_before_what_is_silent() -> None:
    assert state([ALERT]) == "changed"
    assert state([replace(ALERT, raised_ns=NOW_NS - 121 * S)]) == "handled", "the house has been told, and told again"
    assert state([replace(ALERT, state=AlertState.CLAIMED)]) == "handled"
    assert state([replace(ALERT, state=AlertState.ARRIVED)], "lost", 900, "lost") == "handled"
    assert state([replace(ALERT, kind=AlertKind.PHYSIOLOGICAL, priority=Priority.LOW)]) == "steady"
    assert state([replace(ALERT, kind=AlertKind.PHYSIOLOGICAL, priority=Priority.MEDIUM)]) == "changed"
    assert state([replace(ALERT, state=AlertState.RESOLVED)]) == "steady"


def test_handling_tells_stages_and_nothing_else() -> None:
    done = replace(ALERT, state=AlertState.RESOLVED, claimed_ns=1 * S, arrived_ns=2 * S, resolved_ns=3 * S, outcome=Outcome.HELPED)
    coming = replace(ALERT, state=AlertState.CLAIMED, claimed_ns=9 * S, claimed_name="Mei")
    assert handling([done, coming, ALERT], NOW_NS) == [
        {"stage": "coming", "t_ms": 9_000, "emergency": True, "outcome": None},
        {"stage": "done", "t_ms": 3_000, "emergency": True, "outcome": "helped"},
    ]


def test_an_emergency_is_written_when_it_is_claimed_or_after_a_while_and_closed_with_its_end() -> None:
    def stages(alert: AlertView, told_s: float = 120) -> list[tuple[str, bool, str | None]]:
        return [(one["stage"], one["emergency"], one["outcome"]) for one in handling([alert], NOW_NS, told_s)]

    assert stages(ALERT) == [], "half a minute old and nobody has claimed it"
    assert stages(ALERT, told_s=30) == [("told", True, None)]
    assert stages(replace(ALERT, kind=AlertKind.PHYSIOLOGICAL), told_s=30) == [("told", True, None)]
    mild = replace(ALERT, kind=AlertKind.PHYSIOLOGICAL, priority=Priority.MEDIUM)
    assert stages(mild, told_s=30) == []
    assert stages(replace(mild, state=AlertState.CLAIMED, claimed_ns=NOW_NS)) == [("coming", False, None)]
    assert stages(replace(ALERT, state=AlertState.CLAIMED, claimed_ns=NOW_NS)) == [("coming", True, None)]
    over = replace(ALERT, state=AlertState.CLEARED, last_ns=ALERT.raised_ns + 20 * S)
    assert stages(over) == [], "what was never begun needs no end"
    assert stages(replace(over, last_ns=ALERT.raised_ns + 121 * S)) == [("done", True, None)]
    ended = replace(ALERT, state=AlertState.RESOLVED, claimed_ns=NOW_NS, resolved_ns=NOW_NS, outcome=Outcome.HOSPITAL)
    assert stages(ended) == [("done", True, "hospital")]


@pytest.mark.parametrize("seed", range(10))
def test_the_own_usual_equals_its_slow_twin(seed: int) -> None:
    dice = random.Random(seed)
    moments = dice.sample([(day, hour) for day in range(28) for hour in range(24)], dice.randint(170, 400))
    points = [(day, hour, dice.randint(40, 120)) for day, hour in moments]
    points.sort()
    t_ms = np.array([day * past.DAY_MS + hour * past.HOUR_MS for day, hour, _ in points], np.int64)
    values = [float(value) for _, _, value in points]
    band = past.usual(t_ms, np.array(values), "UTC", BY_KEY["hr"])
    for hour in range(24):
        same = [value for (_, h, _), value in zip(points, values, strict=True) if h == hour]
        if len(same) < 3:
            assert band[hour] is None
            continue
        median = statistics.median(same)
        reach = max(1.5 * statistics.median(abs(value - median) for value in same), 1.0)
        assert band[hour] == pytest.approx((median - reach, median + reach))


def test_hours_are_the_sites_own_also_when_its_clocks_change() -> None:
    begin = 1_774_742_400_000  # 2026-03-29 00:00 UTC; Berlin goes from 02:00 to 03:00 at 01:00 UTC
    t_ms = begin + np.arange(4, dtype=np.int64) * past.HOUR_MS
    assert past.hours_of(t_ms, "Europe/Berlin").tolist() == [1, 3, 4, 5]
    assert past.hours_of(t_ms, "Asia/Shanghai").tolist() == [8, 9, 10, 11]


def line(times: list[int], values: list[float], quality: list[int] | None = None) -> past.Joined:
    value = np.array(values)
    return past.Joined(
        raw=True, bucket_ms=0, t_ms=np.array(times, np.int64), low=value, mean=value, high=value,
        quality=np.array(quality or [0] * len(times), np.uint16),
    )  # fmt: skip


def test_gaps_say_why() -> None:
    minute = 60_000
    nan = float("nan")
    told = line(
        [0, minute, 2 * minute, 10 * minute, 11 * minute, 20 * minute],
        [70, 71, nan, 72, 73, 74],
        [0, 0, int(Quality.NOT_WORN | Quality.NO_VALUE), 0, 0, 0],
    )
    spans = [Span(device="d", from_ms=0, to_ms=30 * minute)]
    holes = strips.holes_of(RegistryView(), "r", spans, told, 0, 40 * minute, 30.0)
    assert [(hole["from_ms"] // minute, hole["to_ms"] // minute, hole["reason"]) for hole in holes] == [
        (1, 10, "not_worn"), (11, 20, "no_signal"), (20, 30, "no_signal"), (30, 40, "unbound"),
    ]  # fmt: skip
    assert [hole["reason"] for hole in strips.holes_of(RegistryView(), "r", [], told, 0, 20 * minute, 30.0)] == ["unbound", "unbound"]
    document = strips.strip_json(BY_KEY["temp"], told, (None,) * 24, holes, 0, 40 * minute)
    assert (document["decimals"], document["mean"]) == (1, [700, 710, None, 720, 730, 740])
    assert document["covered"] == pytest.approx(1 - 28 / 30, abs=1e-4)
    assert np.cumsum(document["dt_ms"]).tolist() == told.t_ms.tolist()
    json.dumps(document, allow_nan=False)


def test_a_score_without_what_staff_enter_is_partial() -> None:
    now_ms = NOW_NS // 1_000_000
    seen: dict[str, dict[str, Any]] = {
        key: {"value": value, "t_ms": now_ms - 1000, "state": "live"} for key, value in (("hr", 120.0), ("spo2", 91.0), ("resp", 18.0))
    }
    score = scores.now_json(WHO, seen, now_ms)
    assert score == {"total": 5, "single3": True, "known": 3, "partial": True, "missing": ["o2", "sbp", "consciousness", "temp"]}
    seen |= {"sbp": {"value": 120.0, "t_ms": now_ms, "state": "live"}, "temp": {"value": 36.8, "t_ms": now_ms, "state": "live"}}
    score = scores.now_json(replace(WHO, on_oxygen=True, consciousness="V"), seen, now_ms)
    assert score == {"total": 10, "single3": True, "known": 7, "partial": False, "missing": []}
    old = {key: {**vital, "t_ms": now_ms - 86_400_000} for key, vital in seen.items()}
    assert scores.now_json(WHO, old, now_ms) is None, "what is a day old is no score"


def test_only_scores_of_the_same_parts_are_compared() -> None:
    one: dict[str, Any] = {"total": 3, "missing": ["o2"]}
    assert change_of(one, {"total": 1, "missing": ["o2"]}) == 2
    assert change_of(one, {"total": 1, "missing": []}) is None
    assert change_of(one, None) is None
    assert change_of(None, one) is None


@pytest.mark.parametrize(
    ("classes", "keys"),
    [
        (("vitals",), {"today", "week"}),
        (("summary",), {"state", "contact_ms", "missing"}),
        (("location",), {"place"}),
        (("alerts",), {"handling"}),
        (("documents",), {"documents"}),
        (("notes",), {"notes", "visits"}),
    ],
)
async def test_a_class_opens_its_fields_and_no_other(tmp_path: Path, classes: tuple[str, ...], keys: set[str]) -> None:
    async with house(tmp_path) as home:
        (former,) = home.registry.view.consents
        until_ns = home.clock.now_ns() + 3600 * S
        await home.registry.do(
            SYSTEM, consents.set_consent, resident="wang", grantee="u-son", classes=classes, until_ns=until_ns, giver="x"
        )
        await home.registry.do(SYSTEM, consents.withdraw_consent, former)
        home.latest.put("band-wang", "hr", 71.0, home.clock.now_ns())
        await home.call("wang")
        async with home.signed_in("son") as son:
            answer = await son.get("/api/v1/family/wang")
            assert answer.status_code == 200
            assert answer.json().keys() == {"t_ms", "tz", "resident", "scope", "desk"} | keys
            assert "sos" not in answer.text
            assert answer.json()["scope"]["classes"] == list(classes)
            assert (await son.get("/api/v1/family/zhou")).status_code == 404


async def test_the_clinic_without_a_history_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as doctor:
        answer = await doctor.get("/api/v1/clinic/wang")
        assert (answer.status_code, answer.json()["code"]) == (503, "history.unavailable")
        listed = (await doctor.get("/api/v1/clinic")).json()
        assert (listed["history"], {row["id"] for row in listed["residents"]}) == (False, {"wang", "liu"})
        assert (await doctor.get("/api/v1/clinic/wang", params={"range": "1y"})).status_code == 422
