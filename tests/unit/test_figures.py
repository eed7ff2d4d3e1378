"""Figures against a slow twin that reads each alert's story by itself, on hand-made and random histories."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway import figures
from gateway.clock import NS_PER_S
from gateway.figures import Span
from gateway.registry.view import Place, RegistryView, Resident, RotaRow, Site, Stay, Zone
from gateway.vocabulary import Action, Origin, Outcome, Priority
from tests.support.house import house as at_home
from tests.timeline.ward import ward

DAY = figures.DAY_NS
S = NS_PER_S


def event(t_s: float, transition: str, alert: str, **view: Any) -> tuple[int, str, str, str]:
    base = {
        "rule": "limit.spo2.low", "kind": "physiological", "priority": 3, "site_id": "home", "zone_id": "z", "origin": 0,
        "folded_into": None, "state": "raised", "outcome": None,
    }  # fmt: skip
    return round(t_s * S), f"alert.{transition}", alert, json.dumps({"view": {**base, **view}})


def house(days: float = 10.0, residents: int = 2) -> RegistryView:
    view = RegistryView()
    view.sites["home"] = Site(id="home", name="Home", tz="Asia/Shanghai")
    view.zones["z"] = Zone(id="z", site_id="home", name="3F")
    for n in range(residents):
        place = Place(site_id="home", label=str(n))
        view.residents[f"r{n}"] = Resident(id=f"r{n}", name="x", initials="X", status="admitted", place=place)
        left = Stay(from_ns=round(days * DAY), place=place, status="discharged")
        view._stays[f"r{n}"] = (Stay(from_ns=0, place=place, status="admitted"), left)
    return view


WHOLE = Span(from_ns=0, to_ns=20 * DAY, now_ns=20 * DAY)


def test_one_alert_from_raised_to_resolved() -> None:
    call = {"rule": "call.sos", "kind": "call"}
    rows = [
        event(100, "raised", "a", **call),
        event(140, "claimed", "a", **call, state="claimed"),
        event(200, "arrived", "a", **call, state="arrived"),
        event(400, "resolved", "a", **call, state="resolved", outcome="helped"),
        event(500, "raised", "b"),
        event(800, "resolved", "b", state="resolved", outcome="false_alarm"),
    ]
    found = figures.report(house(), figures.lives(rows, WHOLE), WHOLE, 0.05)
    total = found["total"]
    assert (total["resident_days"], total["alarms"], total["per_resident_day"], total["within_budget"]) == (20.0, 2, 0.1, False)
    assert total["times"] == {
        "claim": {"n": 1, "p50_s": 40.0, "p95_s": 40.0},
        "arrive": {"n": 1, "p50_s": 100.0, "p95_s": 100.0},
        "resolve": {"n": 2, "p50_s": 300.0, "p95_s": 300.0},
    }
    assert total["longest_unowned"] == {"alert_id": "b", "s": 300.0, "rule": "limit.spo2.low", "priority": "high", "still": False}
    assert total["calls"]["within_60_s"] == {"calls": 1, "answered": 1, "share": 1.0, "goal": 0.975, "met": True}
    false = {row["key"]: row["false_share"] for row in total["by_rule"]}
    assert false == {"call.sos": 0.0, "limit.spo2.low": 1.0}
    site = found["sites"][0]
    assert [row["key"] for row in site["by_zone"]] == ["3F"]
    assert [row["key"] for row in site["by_shift"]] == ["06:00"], "100 s after midnight UTC is 08:01 in Shanghai"
    assert "r0" not in json.dumps(found)


def test_drills_simulations_and_what_another_alert_speaks_for_do_not_count() -> None:
    rows = [event(1, "raised", origin.name, origin=int(origin)) for origin in Origin]
    rows += [event(2, "raised", "child"), event(3, "folded", "child", folded_into="p")]
    total = figures.report(house(), figures.lives(rows, WHOLE), WHOLE, 1)["total"]
    assert (total["alarms"], total["folded"]) == (1, 1)
    asked = figures.lives(rows, WHOLE, frozenset({int(Origin.TEST)}))
    assert [life.id for life in asked] == ["TEST"]


def test_an_unanswered_call_counts_as_soon_as_its_limit_is_over() -> None:
    rows = [event(0, "raised", "a", kind="call", rule="call.sos")]
    for now_s, expected in ((59, (0, None, None)), (60, (1, 0.0, False))):
        span = Span(from_ns=0, to_ns=DAY, now_ns=now_s * S)
        row = figures.report(house(), figures.lives(rows, span), span, 1)["total"]["calls"]["within_60_s"]
        assert (row["calls"], row["share"], row["met"]) == expected


def test_shifts_come_from_the_rota() -> None:
    view = house()
    for i, start in enumerate(("07:30", "19:30")):
        view.rota[str(i)] = RotaRow(id=str(i), site_id="home", staff_id="s", role="nurse", weekdays=(0,), start=start, end="00:00")
    assert figures.shifts_of(view, "home") == ("07:30", "19:30")
    assert figures.shift_at(("07:30", "19:30"), "Asia/Shanghai", 0) == "07:30"  # 08:00 there
    assert figures.shift_at(("09:30", "19:30"), "Asia/Shanghai", 0) == "19:30"


def test_csv_has_every_figure_and_no_formula() -> None:
    view = house()
    view.zones["z"] = Zone(id="z", site_id="home", name="=HYPERLINK(1)")
    rows = [event(0, "raised", "a")]
    text = figures.as_csv(figures.report(view, figures.lives(rows, WHOLE), WHOLE, 1))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {"site": "home", "figure": "alarms", "key": "", "name": "", "value": "1"} in lines
    assert {"site": "*", "figure": "times", "key": "claim", "name": "n", "value": "0"} in lines
    assert "'=HYPERLINK(1)" in {line["key"] for line in lines}


# --- the twin ----------------------------------------------------------------------------------------------------------


def twin(rows: list[tuple[int, str, str, str]], span: Span) -> dict[str, Any]:
    """The same numbers, each read off the stories by itself, with no state kept between them."""
    stories: dict[str, list[tuple[int, str, Any]]] = {}
    for t_ns, kind, subject, body in rows:
        stories.setdefault(subject, []).append((t_ns, kind.removeprefix("alert."), json.loads(body)["view"]))
    alive = {
        key: story for key, story in stories.items()
        if story[0][1] == "raised" and span.from_ns <= story[0][0] < span.to_ns and story[0][2]["origin"] == 0
        and all(view["folded_into"] is None for _, _, view in story)
    }  # fmt: skip

    def first(story: list[tuple[int, str, Any]], kind: str) -> float | None:
        return next(((t - story[0][0]) / S for t, k, _ in story if k == kind), None)

    def free(story: list[tuple[int, str, Any]]) -> float:
        moments = [*story, (span.now_ns, "end", {"state": "resolved"})]
        longest, since = 0, None
        for t, _, view in moments:
            if view["state"] == "raised":
                since = t if since is None else since
            elif since is not None:
                longest, since = max(longest, t - since), None
        return longest / S

    claims = sorted(x for story in alive.values() if (x := first(story, "claimed")) is not None)
    outcomes = [story[-1][2]["outcome"] for story in alive.values() if story[-1][1] == "resolved"]
    judged = [one for one in outcomes if one not in (None, "test")]
    return {
        "alarms": len(alive),
        "claims": claims,
        "longest": max((free(story) for story in alive.values()), default=None),
        "false": (sum(one == "false_alarm" for one in judged), len(judged)),
        "fast": sum(x <= 60 for story in alive.values() if story[0][2]["kind"] == "call" and (x := first(story, "claimed")) is not None),
    }


def story_of(rng: random.Random, alert: str) -> list[tuple[int, str, str, str]]:
    t = rng.uniform(0, 500)
    fixed = {
        "kind": rng.choice(["call", "physiological"]), "rule": rng.choice(["a", "b"]), "origin": rng.choice([0, 0, 0, 4]),
        "priority": rng.choice([1, 2, 3]),
    }  # fmt: skip
    rows = [event(t, "raised", alert, **fixed)]
    state, outcome, folded = "raised", None, None
    for _ in range(rng.randrange(6)):
        t += rng.choice([0, 1, rng.uniform(0, 100)])
        kind = rng.choice(["claimed", "arrived", "released", "escalated", "resolved", "folded"])
        state = {"claimed": "claimed", "arrived": "arrived", "released": "raised", "resolved": "resolved"}.get(kind, state)
        folded = "p" if kind == "folded" else folded
        outcome = rng.choice(["helped", "false_alarm", "test"]) if kind == "resolved" else outcome
        rows.append(event(t, kind, alert, **fixed, state=state, outcome=outcome, folded_into=folded))
        if kind == "resolved":
            break
    return rows


@given(st.integers(0, 2**32))
def test_the_same_as_a_slow_twin(seed: int) -> None:
    rng = random.Random(seed)
    rows = sorted((row for n in range(rng.randrange(12)) for row in story_of(rng, f"a{n}")), key=lambda row: row[0])
    span = Span(from_ns=round(rng.uniform(0, 200) * S), to_ns=round(rng.uniform(200, 600) * S), now_ns=2000 * S)
    total = figures.report(house(), figures.lives(rows, span), span, 1)["total"]
    slow = twin(rows, span)
    assert total["alarms"] == slow["alarms"]
    assert total["times"]["claim"]["n"] == len(slow["claims"])
    for name, share in (("p50_s", 0.5), ("p95_s", 0.95)):
        at_least = [x for x in slow["claims"] if sum(y <= x for y in slow["claims"]) >= share * len(slow["claims"])]
        assert total["times"]["claim"][name] == (min(at_least) if at_least else None)
    assert (None if total["longest_unowned"] is None else total["longest_unowned"]["s"]) == slow["longest"]
    assert (sum(row["false"] for row in total["by_rule"]), sum(row["judged"] for row in total["by_rule"])) == slow["false"]
    assert total["calls"]["within_60_s"]["answered"] == slow["fast"]


async def test_the_desk_writes_what_figures_read(tmp_path: Path) -> None:
    """The event log of the real desk, not one made up here."""
    async with ward(tmp_path) as home:
        await home.call("sos")
        await home.wait(20)
        await home.claim("li", "call.sos")
        await home.wait(30)
        await home.act(Action.ARRIVE, "li", "call.sos")
        await home.resolve("li", "call.sos", outcome=Outcome.FALSE_ALARM)
        await home.vital("spo2.low", Priority.HIGH)
        await home.wait(33)
        span = Span(from_ns=0, to_ns=home.clock.now_ns() + 1, now_ns=home.clock.now_ns())
        found = home.raw.read_sync(lambda conn: figures.lives(figures.read(conn, span.from_ns), span))
        total = figures.report(home.view, found, span, 1)["total"]
        assert total["alarms"] == 2
        assert total["times"]["claim"] == {"n": 1, "p50_s": 20.0, "p95_s": 20.0}
        assert total["times"]["arrive"]["p50_s"] == 50.0
        assert total["longest_unowned"]["still"]
        assert [row["false"] for row in total["by_rule"]] == [1, 0]


async def test_the_api_gives_aggregates_of_the_sites_in_reach_and_no_ids(tmp_path: Path) -> None:
    async with at_home(tmp_path) as home:
        alert = await home.call()
        await home.call("zhou")
        for who, sites in (("operator", {"care"}), ("chief", {"care", "far"})):
            async with home.signed_in(who) as client:
                found = (await client.get("/api/v1/figures")).json()
                assert {row["site"] for row in found["sites"]} == sites, who
                assert found["total"]["alarms"] == len(sites)
                for private in (alert.id, "wang", "王", "3-01", "li"):
                    assert f'"{private}"' not in json.dumps(found, ensure_ascii=False)
                table = await client.get("/api/v1/figures.csv")
                assert table.headers["content-type"] == "text/csv; charset=utf-8"
                assert table.text.startswith("\ufeffsite,figure,key,name,value\r\n")
                assert (await client.get("/api/v1/figures?from_ms=5&to_ms=5")).json()["code"] == "figures.span"
