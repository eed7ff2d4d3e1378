"""Figures for supervisors: never of fewer than ten people, and nothing that a subtraction would bring to light."""

from __future__ import annotations

import csv
import io
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import supervision
from gateway.clock import NS_PER_S
from gateway.figures import DAY_NS, Life
from gateway.registry import bindings, org, residents
from gateway.registry.tx import Tx
from gateway.registry.view import Place, RegistryView, Resident, Site, Stay
from gateway.supervision import OTHERS, K, Worn
from gateway.vocabulary import SYSTEM, Action, AlertKind, Outcome
from tests.support.fake_clock import FakeClock
from tests.support.house import House, house

MONDAY_NS = 1_767_542_400 * NS_PER_S  # 2026-01-05 00:00 in Shanghai is 16:00 UTC of the day before: 1_767_542_400
WEEK_NS = 7 * DAY_NS


def view_of(**sites: int) -> RegistryView:
    view = RegistryView()
    for site, count in sites.items():
        view.sites[site] = Site(id=site, name=site.title())
        for n in range(count):
            who, place = f"{site}-{n}", Place(site_id=site)
            view.residents[who] = Resident(id=who, name="x", initials="X", status="admitted", place=place)
            view._stays[who] = (Stay(from_ns=0, place=place, status="admitted"),)
    return view


def life(who: str, rule: str = "limit.hr.high", **more: Any) -> Life:
    values = {"id": f"{who}.{rule}", "raised_ns": MONDAY_NS + 1, "kind": "physiological", "priority": 2, "zone_id": "", "origin": 0}
    return Life(**{**values, "rule": rule, "site_id": who.split("-")[0], "resident_id": who, **more})


def week() -> supervision.Week:
    found = supervision.weeks("Asia/Shanghai", MONDAY_NS + WEEK_NS + supervision.SETTLE_NS, 1)[0]
    assert (found.from_ns, found.until_ns) == (MONDAY_NS, MONDAY_NS + WEEK_NS)
    return found


def test_the_running_week_and_the_day_after_are_not_told() -> None:
    end = MONDAY_NS + WEEK_NS
    for now, newest in ((end - 1, MONDAY_NS - WEEK_NS), (end + DAY_NS - 1, MONDAY_NS - WEEK_NS), (end + DAY_NS, MONDAY_NS)):
        grid = supervision.weeks("Asia/Shanghai", now, 3)
        assert [one.from_ns for one in grid] == [newest - n * WEEK_NS for n in range(3)]
        assert all(late.from_ns == early.until_ns for late, early in itertools.pairwise(grid)), "weeks never overlap"


def test_nine_people_are_withheld_and_ten_are_told() -> None:
    view = view_of(nine=9, ten=10)
    lives = [life("ten-0", kind=AlertKind.CALL.value, claimed_ns=MONDAY_NS + 30 * NS_PER_S, outcome=Outcome.HELPED.value)]
    worn = Worn(wearers=9, minutes=100.0, told=50.0, days=70, heard=35)
    few, many = supervision.cell(view, "nine", week(), [], None), supervision.cell(view, "ten", week(), lives, worn)
    assert few == {"site": "nine", "name": "Nine", "from_ms": MONDAY_NS // 10**6, "until_ms": few["until_ms"], "suppressed": True}
    assert (many["suppressed"], many["resident_days"], many["alarms"], many["per_resident_day"]) == (False, 70.0, 1, 0.014)
    assert many["within_60_s"] == {"calls": 1, "answered": 1, "share": 1.0, "goal": 0.975, "met": True}
    assert (many["wearing"], many["wearing_withheld"], many["coverage"]["share"]) == (None, True, 0.5)
    assert supervision.cell(view, "ten", week(), lives, Worn(wearers=10, minutes=9, told=3, days=1, heard=1))["wearing"]["share"] == 0.3333


@given(st.lists(st.integers(min_value=8, max_value=12), min_size=1, max_size=5), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_total_minus_what_is_shown_leaves_nothing_of_what_is_withheld(sizes: list[int], seed: int) -> None:
    """Whoever has the total and all shown cells can subtract as much as he likes."""
    rng = random.Random(seed)
    view = view_of(**{f"s{n}": size for n, size in enumerate(sizes)})
    cells = []
    for n, size in enumerate(sizes):
        lives = [life(f"s{n}-{rng.randrange(size)}", outcome=rng.choice(("helped", "false_alarm", None))) for _ in range(rng.randrange(9))]
        worn = Worn(wearers=size, minutes=10, told=rng.randrange(10), days=7, heard=3)
        cells.append(supervision.cell(view, f"s{n}", week(), lives, worn))
    total, shown = supervision.total(cells), [one for one in cells if not one["suppressed"]]
    assert total["cells"] == sum(size >= K for size in sizes)
    for name in ("alarms", "of_residents"):
        assert total[name] - sum(one[name] for one in shown) == 0
    for name, part in itertools.product(("false", "reraised"), ("of", "n")):
        assert total[name][part] - sum(one[name][part] for one in shown) == 0


rules = st.dictionaries(st.sampled_from("abcdef"), st.integers(min_value=1, max_value=14), max_size=6)


@given(rules)
@settings(max_examples=200, deadline=None)
def test_rules_are_told_of_ten_people_at_least_and_the_rest_cannot_be_told_apart(people: dict[str, int]) -> None:
    view = view_of(s=14)
    lives = [life(f"s-{n}", rule) for rule, count in people.items() for n in range(count)]
    rows = supervision.by_rule(view, lives, 98.0)
    if rows is None:
        return
    assert sum(row["alarms"] for row in rows) == len(lives)
    for row in rows:
        if row["rule"] != OTHERS:
            assert people[row["rule"]] >= K
    hidden = set(people) - {row["rule"] for row in rows}
    if hidden:
        assert len(hidden) >= 2, "the rest of one rule is that rule"
        assert max(people[rule] for rule in hidden) >= K, "here the people of all rules overlap: the most frequent one has them all"


def test_a_single_rare_rule_takes_the_smallest_shown_one_with_it_or_the_table() -> None:
    view = view_of(s=14)
    often = [life(f"s-{n}", rule) for rule, count in (("a", 14), ("b", 12)) for n in range(count)]
    assert [row["rule"] for row in supervision.by_rule(view, often, 98) or []] == ["a", "b"]
    assert [row["rule"] for row in supervision.by_rule(view, [*often, life("s-1", "rare")], 98) or []] == ["a", OTHERS]
    assert supervision.by_rule(view, [life("s-1", "rare")], 98) is None


# --- through the doors ---------------------------------------------------------------------------------------------


class Past:
    """A history in which half of all minutes were told."""

    async def told_minutes(self, spans: Any, quantity: Any) -> list[int]:
        assert {quantity(span.device) for span in spans} <= {"hr"}
        return [round((span.to_ms - span.from_ms) / 120_000) for span in spans]

    async def heard(self, spans: Any) -> list[bool]:
        return [True for _ in spans]


def _fill(tx: Tx) -> None:
    for n in range(10):
        org.set_bed(tx, site="care", label=f"5-{n:02d}", bed_id=f"b5-{n}")
        residents.admit(tx, name=f"住户{n}", bed=f"b5-{n}", resident_id=f"r{n}")
        bindings.set_device(tx, f"w{n}", quantities=("hr",), site="care")
        bindings.bind(tx, f"w{n}", resident=f"r{n}")


@pytest.mark.timeout(20)
async def test_a_supervisor_reads_and_takes_along_whole_houses_only(tmp_path: Path) -> None:
    clock = FakeClock(MONDAY_NS - 3600 * NS_PER_S)
    async with house(tmp_path, clock=clock) as home:
        home.past = Past()
        await home.registry.do(SYSTEM, _fill)
        clock.step_wall(2 * 86_400)
        await answered_call(home)
        clock.step_wall(6 * 86_400 + 2 * 3600)
        async with home.signed_in("chief") as client:
            found = (await client.get("/api/v1/supervision?weeks=2")).json()
        rows = {(row["site"], row["from_ms"] == MONDAY_NS // 10**6): row for row in found["cells"]}
        assert {key: row["suppressed"] for key, row in rows.items()} == {
            ("care", True): False, ("far", True): True, ("care", False): False, ("far", False): True,
        }  # fmt: skip
        told = rows["care", True]
        assert (told["alarms"], told["within_60_s"]["calls"], told["wearing"]["share"], told["coverage"]["share"]) == (1, 1, 0.5, 1.0)
        async with home.signed_in("inspector") as client:
            own = (await client.get("/api/v1/supervision?weeks=2")).json()
            assert {row["site"] for row in own["cells"]} == {"care"}
            assert (await client.get("/api/v1/supervision?site=far")).status_code == 403
            text = (await client.get("/api/v1/supervision.csv?weeks=2")).text
            assert (await client.get("/api/v1/residents")).status_code == 403
        lines = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
        assert {"care", "*"} == {row["site"] for row in lines}
        assert "住户" not in text
        # A correction of last week does not move what was told: a difference would be that one person.
        await home.registry.do(SYSTEM, residents.discharge, "r1", at_ns=MONDAY_NS + DAY_NS)
        async with home.signed_in("inspector") as client:
            assert (await client.get("/api/v1/supervision?weeks=2")).json()["cells"] == own["cells"]


async def answered_call(home: House) -> None:
    alert = await home.call("r1")
    await home.desk.act(Action.CLAIM, alert.id, SYSTEM)
