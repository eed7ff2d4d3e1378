"""Limits for some hours of the site's own clock: 22:00 to 06:00 by night, over midnight and in both nights of the changes of the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.registry import RegistryError, hours, limits
from gateway.registry.holding import holding
from gateway.registry.records import Limit
from gateway.stream import checkpoint
from gateway.stream.engine import Engine
from gateway.stream.rules import WATCHES, StreamConfig, Watch
from gateway.vocabulary import NOT_APPLICABLE, Action, Actor, AlertState, Finding, Phase, Role
from tests.support.fake_clock import FakeClock
from tests.support.registry_house import house
from tests.support.ward import NS, T0_NS, R, Run, Ward, said, ward
from tests.timeline.ward import ward as desk

NURSE = Actor(id="U-nurse", name="Nurse", role=Role.CLINICIAN)
BERLIN, SHANGHAI = "Europe/Berlin", "Asia/Shanghai"
NIGHT = {"from_local": "22:00", "to_local": "06:00"}


def at(text: str, tz: str = SHANGHAI, fold: int = 0) -> float:
    """Seconds after the ward's zero of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz), fold=fold).timestamp() - T0_NS / NS


def night_run(tz: str = SHANGHAI, start: str = "2025-10-10 12:00", config: StreamConfig | None = None, **fields: float | str) -> Run:
    """A resident whose pulse may be 150 by day and 100 by night."""
    made = ward("band")
    made.events[0].body["tz"] = tz
    made.limit("hr", resident="R-band", high=150.0, duration_s=20.0)
    made.limit("hr", resident="R-band", high=100.0, duration_s=20.0, **(NIGHT | fields))
    run = Run(made, Engine(config=config))
    run.tick(at(start, tz))
    return run


def minute(run: Run, t_s: float, value: float = 110.0) -> list[Finding]:
    """A minute of one value with a tick before it."""
    return run.feed([R(device="band", key="hr", value=value, t_s=t_s + s) for s in range(60)], from_s=t_s, until_s=t_s + 60)


@pytest.mark.parametrize(
    ("local", "alarms"),
    [("2025-10-10 12:00", 0), ("2025-10-10 21:58", 0), ("2025-10-10 22:00", 1), ("2025-10-10 23:30", 1), ("2025-10-11 00:00", 1),
     ("2025-10-11 05:58", 1), ("2025-10-11 06:00", 0), ("2025-10-11 12:00", 0)],
)  # fmt: skip
def test_the_hours_decide_which_limit_holds(local: str, alarms: int) -> None:
    run = night_run()
    assert len([one for one in minute(run, at(local)) if one.phase is Phase.START]) == alarms


def test_at_six_the_alarm_is_no_longer_applicable_and_not_over() -> None:
    run = night_run()
    begun = minute(run, at("2025-10-11 05:59"))
    assert said(begun) == ["limit.hr.high start", "limit.hr.high end"]  # the last tick of the minute is that of six o'clock
    (end,) = (one for one in begun if one.phase is Phase.END)
    assert end.params[NOT_APPLICABLE] is True
    assert end.t_ns == T0_NS + round(at("2025-10-11 06:00") * NS)
    assert minute(run, at("2025-10-11 06:00")) == []


def test_a_normal_value_ends_it_as_over() -> None:
    run = night_run()
    minute(run, at("2025-10-10 23:30"))
    (end,) = minute(run, at("2025-10-10 23:31") + 1, value=80.0)
    assert end.phase is Phase.END
    assert NOT_APPLICABLE not in end.params


def test_what_is_beyond_both_limits_goes_on_through_the_edges() -> None:
    run = night_run()
    assert said(minute(run, at("2025-10-10 21:59"), 160.0)) == ["limit.hr.high start"]
    assert minute(run, at("2025-10-10 22:00") + 1, 160.0) == []
    assert [one for one in minute(run, at("2025-10-11 05:59") + 30, 160.0) if one.rule.startswith("limit.")] == []


def test_nothing_that_lay_before_the_hours_counts_for_their_delay() -> None:
    run = night_run()
    minute(run, at("2025-10-10 21:59"))
    (start,) = minute(run, at("2025-10-10 22:00") + 1)
    assert start.onset_ns >= T0_NS + at("2025-10-10 22:00") * NS
    assert start.t_ns - start.onset_ns >= 20 * NS


@pytest.mark.parametrize(
    ("local", "fold", "holds"),
    [
        ("2026-03-28 23:30", 0, True), ("2026-03-29 01:59", 0, True), ("2026-03-29 03:00", 0, True), ("2026-03-29 05:59", 0, True),
        ("2026-03-29 06:00", 0, False), ("2026-03-29 12:00", 0, False),  # 02:00 to 03:00 is left out
        ("2026-10-24 23:30", 0, True), ("2026-10-25 02:30", 0, True), ("2026-10-25 02:30", 1, True), ("2026-10-25 05:59", 0, True),
        ("2026-10-25 06:00", 0, False), ("2026-10-25 12:00", 0, False),  # 02:00 to 03:00 comes twice
    ],
)  # fmt: skip
def test_both_nights_of_the_changes(local: str, fold: int, holds: bool) -> None:
    t_s = at(local, BERLIN, fold)
    run = night_run(BERLIN, start=local[:10] + " 00:00")
    run.engine.tick_ns = None
    assert (Phase.START in [one.phase for one in minute(run, t_s)]) is holds


def test_the_edges_are_where_the_hours_change_and_spans_are_the_real_ones() -> None:
    zone = ZoneInfo(BERLIN)
    for day, night_h in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)):
        start_ns = T0_NS + round(at(f"{day} 22:00", BERLIN) * NS)
        end_ns = hours.next_edge_ns("22:00", "06:00", zone, start_ns)
        assert end_ns - start_ns == night_h * 3600 * NS
        assert hours.next_edge_ns("22:00", "06:00", zone, start_ns - 1) == start_ns
        moments = (start_ns - 1, start_ns, end_ns - 1, end_ns)
        assert [hours.covers("22:00", "06:00", zone, t_ns) for t_ns in moments] == [False, True, True, False]


def test_every_minute_of_a_year_is_as_a_clock_on_the_wall_says_it() -> None:
    zone = ZoneInfo(BERLIN)
    for day in range(366):
        for minute_of_day in range(0, 1440, 37):
            t_ns = T0_NS + (day * 86_400 + minute_of_day * 60) * NS
            wall = datetime.fromtimestamp(t_ns // NS, zone)
            assert hours.covers("22:00", "06:00", zone, t_ns) is (wall.hour >= 22 or wall.hour < 6), wall


def test_a_door_that_stands_open_at_ten_is_seen_without_another_word_of_it() -> None:
    made = Ward()
    made.site()
    made.device("door", ("door",))
    made.bind("door", None)
    made.limit("door", site_id="S", high=0.5, duration_s=300.0, **NIGHT)
    run = Run(made)
    nine_s = at("2025-10-10 21:00")
    run.feed([R(device="door", key="door", value=1.0, t_s=nine_s)], from_s=nine_s, until_s=nine_s + 5)
    assert run.feed([], from_s=nine_s + 6, until_s=at("2025-10-10 22:00") + 299, every_s=7) == []
    (start,) = run.feed([], from_s=at("2025-10-10 22:05"), until_s=at("2025-10-10 22:05") + 10)
    assert start.rule == "limit.door.high"
    assert 0 <= start.onset_ns / NS - T0_NS / NS - at("2025-10-10 22:00") < 7, "the first tick of the night"
    (end,) = run.feed([], from_s=at("2025-10-11 06:00"), until_s=at("2025-10-11 06:00"))
    assert end.params[NOT_APPLICABLE] is True


def test_hours_of_the_defaults() -> None:
    watch = Watch(quantity="hr", high=100.0, t_on_s=20.0, from_local="22:00", to_local="06:00")
    config = StreamConfig(watches=MappingProxyType(dict(WATCHES) | {"hr": watch}))
    for local, alarms in (("2025-10-10 12:00", 0), ("2025-10-10 23:30", 1)):
        run = Run(ward("band"), Engine(config=config))
        assert len(minute(run, at(local))) == alarms
    longer = StreamConfig(watches=MappingProxyType(dict(WATCHES) | {"hr": replace(watch, to_local="07:00")}))
    assert config.fingerprint() != longer.fingerprint()


def test_a_restart_in_the_night_changes_nothing() -> None:
    whole, cut = night_run(), night_run()
    for t_s in (at("2025-10-10 21:59"), at("2025-10-10 22:00") + 1, at("2025-10-11 05:59")):
        minute(whole, t_s)
        minute(cut, t_s)
        cut.engine = checkpoint.restore(checkpoint.snapshot(cut.engine), cut.engine.view.copy(), None)
    assert [(one.id, one.phase, one.offset, one.params) for one in cut.findings] == [
        (one.id, one.phase, one.offset, one.params) for one in whole.findings
    ]
    assert len(whole.findings) >= 2


def test_which_limit_lies_over_which() -> None:
    def limit(name: str, **fields: float | str) -> Limit:
        return Limit(id=name, quantity="hr", **fields)  # type: ignore[arg-type]

    own_day, own_night = limit("day", low=50.0, high=110.0), limit("night", high=100.0, duration_s=60.0, **NIGHT)
    house_night, passing = limit("house", high=95.0, **NIGHT), limit("passing", high=140.0, expires_ns=2**62)
    night_ns, noon_ns = (T0_NS + round(at(f"2025-10-10 {clock}") * NS) for clock in ("23:30", "12:00"))

    def names(*scopes: tuple[Limit, ...]) -> tuple[str | None, str | None]:
        night, noon = (holding(scopes, SHANGHAI, t_ns) for t_ns in (night_ns, noon_ns))
        return None if night is None else night.id, None if noon is None else noon.id

    assert names((own_night, own_day)) == ("night", "day")
    assert names((own_day,), (house_night,)) == ("day", "day")
    assert names((), (house_night,)) == ("house", None)
    assert names((own_night, own_day, passing)) == ("passing", "passing")
    found = holding(((own_night, own_day),), SHANGHAI, night_ns)
    assert found is not None
    assert (found.low, found.high, found.duration_s) == (50.0, 100.0, 60.0), "a side that the night leaves open is that of the day"


def test_hours_are_entered_whole_and_a_new_limit_ends_its_like(tmp_path: Path, clock: FakeClock) -> None:
    with house(tmp_path, clock) as home:

        def do(**fields: Any) -> Limit:
            return home.registry.do_sync(NURSE, limits.set_limit, quantity="hr", reason="by night", **fields)

        whole_day = do(high=130.0, site="S")
        first, second = do(high=110.0, site="S", **NIGHT), do(high=105.0, site="S", **NIGHT)
        assert set(home.registry.view.limits) == {whole_day.id, second.id}
        assert do(high=125.0, site="S").id in home.registry.view.limits
        assert second.id in home.registry.view.limits
        assert first.version < second.version
        for start, end in (("22:00", None), (None, "06:00"), ("22:00", "22:00"), ("24:00", "06:00"), ("22", "06:00"), ("22:00", "6:00")):
            with pytest.raises(RegistryError) as caught:
                do(high=110.0, site="S", from_local=start, to_local=end)
            assert caught.value.code == "limit.hours"


async def test_an_alert_whose_rule_ended_says_so_and_stays_until_seen(tmp_path: Path) -> None:
    async with desk(tmp_path) as home:
        finding = await home.vital("hr.high")
        await home.wait(20)
        await home.take(replace(finding, phase=Phase.END, offset=finding.offset + 1, params={NOT_APPLICABLE: True}))
        assert home.alert().state is AlertState.CLEARED
        assert home.alert().params[NOT_APPLICABLE] is True
        await home.act(Action.SEEN, "li")
        assert home.story() == ["raised", "not_applicable", "cleared", "seen"]
