"""What a doctor asks beside the strips: pressures, two spans, limits that are tried, notes, absences, each against a plain twin."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from analytics.detect.base import START, Window
from analytics.detect.limits import Limit
from analytics.table import Table
from devices.codes import BY_KEY
from devices.model import Quality
from gateway import notes, outages
from gateway.history.sqlite.history import Line, Span
from gateway.query import backtest, compare, past, pressure, strips
from gateway.query.clinic import order_of
from gateway.query.record import span_of
from gateway.registry import bindings, limits, org, residents
from gateway.registry.tx import Tx
from gateway.registry.view import RegistryView
from gateway.stream.rules import StreamConfig
from gateway.vocabulary import Actor
from tests.support.house import house

HOUR = 3_600_000
DAY = 24 * HOUR
T0 = 1_790_000_000_000 // DAY * DAY


def line(times: list[int], values: list[float], quality: list[int] | None = None) -> past.Joined:
    value = np.array(values, np.float64)
    words = np.array(quality or [0] * len(times), np.uint16)
    return past.Joined(raw=True, bucket_ms=0, t_ms=np.array(times, np.int64), low=value, mean=value, high=value, quality=words)


# --- blood pressure -----------------------------------------------------------------------------------------------------


def cuff(hours: list[float], sbp: list[float], failed: list[float] = []) -> dict[str, Any]:  # noqa: B006 - never changed
    times = [T0 + round(hour * HOUR) for hour in hours]
    wrong = [T0 + round(hour * HOUR) for hour in failed]
    order = sorted([*zip(times, sbp, [0] * len(times), strict=True), *((t, math.nan, int(Quality.CUFF_ERROR)) for t in wrong)])
    upper = line([t for t, _, _ in order], [v for _, v, _ in order], [q for _, _, q in order])
    lower = line(upper.t_ms.tolist(), [v - 50 for v in upper.mean.tolist()])
    return pressure.report(upper, lower, line(times, [70.0] * len(times)), "UTC", ambulatory=max([*hours, 0]) < 24)


def test_a_day_with_enough_readings_is_judged_and_one_reading_less_is_not() -> None:
    day, night = [8 + n * 0.6 for n in range(20)], [n * 1.0 for n in range(7)]
    whole = cuff([*night, *day], [*[110.0] * 7, *[140.0] * 20])
    assert whole["parts"]["day"] | {"pulse": None} == {
        "count": 20, "needs": 20, "missing": 0, "valid": True, "sbp": 140.0, "dbp": 90.0, "pulse": None, "threshold": [135, 85],
        "high": True,
    }  # fmt: skip
    assert whole["parts"]["night"]["high"] is False
    assert whole["dipping"] == pytest.approx(100 * (1 - 110 / 140), abs=0.05)
    fewer = cuff([*night, *day[:-1]], [*[110.0] * 7, *[140.0] * 19])
    assert (fewer["parts"]["day"]["high"], fewer["parts"]["day"]["missing"], fewer["dipping"]) == (None, 1, None)
    assert fewer["parts"]["night"]["high"] is False


def test_too_many_failed_attempts_leave_nothing_to_judge() -> None:
    day, night = [8 + n * 0.6 for n in range(20)], [n * 1.0 for n in range(7)]
    found = cuff([*night, *day], [130.0] * 27, failed=[8.05 + n * 0.5 for n in range(12)])
    assert (found["tried"], found["count"]) == (39, 27)
    assert all(part["high"] is None for part in found["parts"].values())
    assert len(found["failed_ms"]) == 12


def test_at_home_it_takes_three_days() -> None:
    three = cuff([d * 24 + h for d in range(3) for h in (7, 8, 18, 19)], [130.0] * 12)
    assert (three["rule"], three["days"]) == ("home", 3)
    assert {name: part["high"] for name, part in three["parts"].items()} == {"morning": False, "evening": False, "home": False}
    two = cuff([d * 24 + h for d in range(2) for h in (7, 8, 9, 18, 19, 20)], [130.0] * 12)
    assert all(part["high"] is None for part in two["parts"].values())
    assert pressure.report(line([], []), line([], []), line([], []), "UTC", ambulatory=False)["parts"]["home"]["sbp"] is None


# --- two spans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_span_is_summed_up_as_by_hand(seed: int) -> None:
    dice = random.Random(seed)
    hours = sorted(dice.sample(range(168), 120))
    values = [dice.uniform(60, 90) for _ in hours]
    told = (T0 + np.array(hours, np.int64) * HOUR, np.array(values))
    found = compare.side(told, 168, "UTC")
    assert found["median"] == pytest.approx(statistics.median(values))
    for hour in range(24):
        same = [value for at, value in zip(hours, values, strict=True) if at % 24 == hour]
        assert found["by_hour"][hour] == (pytest.approx(statistics.fmean(same), abs=1e-3) if same else None)
    both = compare.quantity(BY_KEY["hr"], told, (told[0], told[1] + 5), 168, "UTC")
    assert both["change"] == pytest.approx(-5, abs=1e-3)
    few = compare.quantity(BY_KEY["hr"], told, (told[0][:20], told[1][:20]), 168, "UTC")
    assert (few["comparable"], few["change"]) == (False, None)


def test_the_list_begins_with_those_whose_score_rose_most() -> None:
    def row(name: str, total: int | None, change: int | None) -> dict[str, Any]:
        return {"name": name, "place": "", "change": change, "news2": None if total is None else {"total": total}}

    rows = [row("none", None, None), row("fell", 3, -2), row("high", 7, 0), row("rose", 4, 3), row("unknown", 5, None)]
    assert [one["name"] for one in sorted(rows, key=order_of)] == ["rose", "high", "unknown", "none", "fell"]


# --- limits that are tried ----------------------------------------------------------------------------------------------


def house_of_one(**limit: Any) -> RegistryView:
    """A view in which a resident has a limit of the pulse."""
    tx = Tx(None, RegistryView(), T0 * 1_000_000, Actor(id="doctor"))
    org.set_site(tx, name="S", site_id="s", tz="UTC")
    residents.admit(tx, name="r", site="s", resident_id="r", at_ns=tx.now_ns)
    bindings.set_device(tx, "band", quantities=("hr",))
    limits.set_limit(tx, quantity="hr", resident="r", reason="x", **limit)
    return tx.view


def one_after_the_other(t_ms: Any, value: Any, params: Any) -> dict[str, int]:
    """The twin: one row, one reading at a time from the first to the last, nothing cut."""
    found = {}
    for side, sign in (("low", -1), ("high", 1)):
        rule, rows = Limit(side=sign), np.zeros(1, np.int64)
        state, table = Table(rule.columns, 1), Table(rule.params, 1)
        for name in rule.params:
            if name in params:
                table[name][0] = params[name]
        starts = 0
        for at, number in zip(t_ms.tolist(), value.tolist(), strict=True):
            window = Window(
                rows=rows, t_ns=np.array([at * 1_000_000]), value=np.array([number]), key=rows, usable=np.ones(1, bool),
                doubtful=np.zeros(1, bool), beyond=np.zeros(1, np.int8), origin=np.zeros(1, np.uint8), part=np.zeros(1, np.int8),
                params=table,
            )  # fmt: skip
            starts += int((rule.step(window, state).change & START)[0] != 0)
        found[side] = starts
    return found


@pytest.mark.timeout(20)
@pytest.mark.parametrize("seed", range(2))
def test_hours_side_by_side_count_what_one_pass_counts(seed: int) -> None:
    dice = np.random.default_rng(seed)
    count = 2 * 3600
    t_ms = T0 + np.arange(count, dtype=np.int64) * 1000
    waves = 8 * np.sin(np.arange(count) / dice.uniform(20, 90)) + 6 * np.sin(np.arange(count) / dice.uniform(1000, 4000))
    value = np.round(105 + waves + dice.normal(0, 1.5, count))
    none = np.zeros(count, np.uint16)
    series = backtest.Series(t_ms=t_ms, value=value, quality=none, mark=none, cadence_s=1.0)
    view = house_of_one(high=110.0, low=100.0, duration_s=15.0, hysteresis=2.0)
    pieces = backtest.pieces(view, "r", "hr", 1.0, StreamConfig(), (T0, T0 + 3 * HOUR), T0 * 1_000_000)
    assert len(pieces) == 1
    seen: list[tuple[int, int]] = []
    found = backtest.count([series], lambda _: pieces, lambda done, total: seen.append((done, total)))
    assert found == one_after_the_other(t_ms, value, pieces[0].params)
    assert min(found.values()) > 0
    assert seen[-1][0] == seen[-1][1] > 0


def test_hours_of_a_limit_hold_only_in_their_time() -> None:
    view = house_of_one(high=100.0, duration_s=0.0, from_local="22:00", to_local="06:00")
    parts = backtest.pieces(view, "r", "hr", None, StreamConfig(), (T0, T0 + DAY), T0 * 1_000_000)
    assert [((part.from_ms - T0) // HOUR, (part.to_ms - T0) // HOUR, part.params["high"]) for part in parts] == [
        (0, 6, 100.0), (6, 22, 120.0), (22, 24, 100.0),
    ]  # fmt: skip
    values = np.full(24, 110.0)
    series = backtest.Series(
        t_ms=T0 + np.arange(24, dtype=np.int64) * HOUR, value=values, quality=np.zeros(24, np.uint16), mark=np.zeros(24, np.uint16),
        cadence_s=None,
    )  # fmt: skip
    assert backtest.count([series], lambda _: parts) == {"low": 0, "high": 2}


# --- gaps, searches, notes ----------------------------------------------------------------------------------------------


def test_a_gap_while_the_gateway_was_down_says_so() -> None:
    minute = 60_000
    told = line([0, minute, 40 * minute], [70, 71, 72])
    spans = [Span(device="d", from_ms=0, to_ms=41 * minute)]
    holes = strips.holes_of(RegistryView(), "r", spans, told, 0, 41 * minute, 30.0, [(10 * minute, 20 * minute)])
    assert [(hole["from_ms"] // minute, hole["to_ms"] // minute, hole["reason"]) for hole in holes] == [
        (1, 10, "no_signal"), (10, 20, "gateway_down"), (20, 40, "no_signal"),
    ]  # fmt: skip


def test_an_absence_is_written_once_and_grows() -> None:
    conn = apsw.Connection(":memory:")
    conn.execute(str(outages.COMPONENT.migrations[0]))
    outages.note(conn, 100, 200)
    outages.note(conn, 100, 300)
    outages.note(conn, 400, 500)
    assert outages.between(conn, 0, 350) == [outages.Outage(100, 300)]
    assert outages.between(conn, 299, 401) == [outages.Outage(100, 300), outages.Outage(400, 500)]


def test_dates_of_a_search() -> None:
    day = 86_400 * 10**9
    begin, end = span_of(["2026-11-25"], 0)
    assert end - begin == day
    assert span_of(["ge2026-11-25", "lt2026-11-26"], 0) == (begin, end)
    assert span_of(["gt2026-11-24", "le2026-11-25"], 0) == (begin, end)
    assert span_of(["ge2026-11-25T08:00:00 08:00"], 0)[0] == begin, "a plus sign arrives as a blank"
    assert span_of([], 9 * day) == (2 * day, 9 * day)
    with pytest.raises(ValueError, match="month"):
        span_of(["2026-13-45"], 0)


async def test_notes_are_taken_back_and_never_changed(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as doctor, home.signed_in("carer") as carer:
        path = "/api/v1/residents/wang/notes"
        made = (await doctor.post(path, json={"kind": "diagnosis", "text": "高血压 2 级\n2 型糖尿病"})).json()["note"]
        await carer.post(path, json={"kind": "note", "text": "睡得不好"})
        listed = (await carer.get(path)).json()["notes"]
        assert [(note["kind"], note["author_name"]) for note in listed] == [("note", "Carer"), ("diagnosis", "Doctor")]
        taken = await doctor.post(f"/api/v1/notes/{made['id']}/withdraw", json={"reason": "误录"})
        assert taken.json()["note"]["withdrawn_reason"] == "误录"
        again = await doctor.post(f"/api/v1/notes/{made['id']}/withdraw", json={"reason": "x"})
        assert (again.status_code, again.json()["code"]) == (409, "note.withdrawn")
        assert len((await carer.get(path)).json()["notes"]) == 2
        assert (await doctor.post("/api/v1/residents/zhou/notes", json={"kind": "note", "text": "x"})).status_code == 404
        assert (await doctor.post(path, json={"kind": "note", "text": " \n "})).status_code == 422
        rows = [row for row in await home.audit_rows() if row.action.startswith("note.")]
        assert [row.action for row in rows] == ["note.added", "note.added", "note.withdrawn"]
        told = [event for event in home.events.read_sync(0, 10_000) if event.kind.startswith("note.")]
        assert len(told) == 3
        assert all("糖尿病" not in str(event.body) and "误录" not in str(event.body) for event in told), "no text in the log"
        with pytest.raises(apsw.ConstraintError):
            await home.db.write(lambda conn: conn.execute("UPDATE resident_note SET text = 'x'"))
        assert len(await home.db.read(lambda conn: notes.of_residents(conn, ["wang"]))) == 2


class Week:
    """A history with one device that told a value a minute."""

    def __init__(self, device: str, value: float) -> None:
        self.device, self.value = device, value

    async def window(self, spans: list[Span], quantity: str, most: int) -> list[Line]:
        found = []
        for span in spans:
            t_ms = np.arange(span.from_ms, span.to_ms, 60_000, dtype=np.int64)
            value = np.where(t_ms // 60_000 % 600 < 3, self.value, 70.0)
            none = np.zeros(len(t_ms), np.uint16)
            found.append(Line(device=span.device, t_ms=t_ms, value=value, quality=none, mark=none))
        return found


@pytest.mark.timeout(20)
async def test_limits_are_tried_before_they_are_set(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.signed_in("doctor") as doctor:
        binding = next(one for one in home.registry.view.bindings.values() if one.resident_id == "wang")
        home.past = Week(binding.device_id, 115.0)
        path = "/api/v1/residents/wang/limits"
        rows = {row["quantity"]: row for row in (await doctor.get(path)).json()["quantities"]}
        assert (rows["hr"]["high"], rows["hr"]["source"]) == (120.0, "default")
        body = {"quantity": "hr", "reason": "x", "high": 110.0, "duration_s": 0.0}
        wrong = await doctor.post(f"{path}/preview", json={**body, "high": 5000.0})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "registry.limit.range")
        job = (await doctor.post(f"{path}/preview", json=body)).json()
        for _ in range(200):
            job = (await doctor.get(f"/api/v1/limits/preview/{job['id']}")).json()
            if job["result"] is not None:
                break
            await asyncio.sleep(0.05)
        assert job["result"]["then"]["high"] >= job["result"]["now"]["high"] == 0
        assert (await doctor.get(path)).json()["quantities"] == list(rows.values()), "nothing is saved by trying"
        async with home.signed_in("carer") as carer:
            assert (await carer.get(f"/api/v1/limits/preview/{job['id']}")).status_code == 403
            assert (await carer.get(path)).json()["may_set"] is False
