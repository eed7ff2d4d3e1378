"""Time lines over restarts, standstills, clock steps, shift ends and the nights on which clocks change."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.registry.view import Site
from gateway.vocabulary import Action, AlertState, Priority
from tests.support.fake_clock import FakeClock
from tests.timeline.ward import SITE, at, ward


async def test_ha_94857_claimed_stays_claimed_over_a_restart_and_is_not_announced_again(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("li")
        await house.act(Action.ARRIVE, "li")
        house.pages()
        await house.restart(down_s=5)
        await house.wait(60)
        assert house.told() == []
        assert house.alert().claimed_by == "u-li"
        assert house.story() == ["raised", "claimed", "arrived"]


async def test_steps_resume_when_due_after_a_restart(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(40)
        house.pages()
        await house.restart(down_s=5)
        assert house.told() == []
        await house.wait(14)
        assert house.told() == []
        await house.wait(1)
        assert house.told() == [("zhao", "unclaimed"), ("desk", "unclaimed")]


async def test_steps_overdue_after_a_long_stop_run_at_once_and_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(10)
        house.pages()
        await house.restart(down_s=600)
        assert sorted(house.told()) == [("desk", "unclaimed"), ("li", "unclaimed"), ("zhao", "unclaimed")]
        assert house.story() == ["raised", "escalated"]
        assert house.alert().step == 3
        await house.wait(60)
        assert len(house.told()) == 3


async def test_late_timers_after_a_standstill_fire_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:  # a process that is stopped and continued: nobody wakes until the time is over
        await house.call("sos")
        await house.wait(10)
        house.pages()
        await house.freeze(95)
        assert sorted(set(house.told())) == [("desk", "unclaimed"), ("li", "unclaimed"), ("zhao", "unclaimed")]
        assert house.story() == ["raised", "escalated"]
        await house.wait(15)
        assert house.story() == ["raised", "escalated", "escalated"], "120 s after the call, as ever"


async def test_restart_while_the_wall_clock_went_back_goes_on_at_once_rather_than_late(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(10)
        house.pages()
        await house.restart(down_s=30, wall_step_s=-3600)
        assert house.told() == [("li", "unclaimed"), ("zhao", "unclaimed")]


async def test_restart_with_a_clock_a_little_back_is_never_late_by_more_than_it_was_down(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high", Priority.MEDIUM)
        await house.wait(100)
        house.pages()
        await house.restart(down_s=50, wall_step_s=-20)
        await house.wait(200)
        assert house.told(), "due 300 s after the raise; at the latest when the persisted span is over"


@pytest.mark.parametrize("step_s", [-3600.0, 86400.0])
async def test_wall_clock_step_moves_no_timer_but_the_times_shown(tmp_path: Path, step_s: float) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(10)
        shown = house.alert().next_step_ns or 0
        version = house.alert().version
        house.clock.step_wall(step_s)
        await house.wait(600 - 10)  # the next beat notices; steps at 30, 60, 120 s came by monotonic time
        kinds = house.story()
        assert kinds[:4] == ["raised", "escalated", "escalated", "escalated"]
        assert kinds.count("announced_again") == 8
        alert = house.alert()
        assert alert.version >= version
        assert abs((alert.next_step_ns or 0) - house.clock.now_ns()) <= 60 * 10**9
        assert shown
        stepped = house.raw.read_sync(lambda conn: conn.execute("SELECT count(*) FROM event WHERE kind = 'clock.stepped'").get)
        assert stepped == 1


async def test_retimed_view_is_an_event_and_keeps_the_version(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("weight.up", Priority.LOW)
        before = house.alert()
        house.clock.step_wall(-3600)
        await house.wait(601)
        after = house.alert()
        assert after.version == before.version
        assert (after.next_step_ns or 0) - (before.next_step_ns or 0) == -3600 * 10**9
        assert house.raw.read_sync(lambda conn: conn.execute("SELECT count(*) FROM event WHERE kind = 'alert.retimed'").get) == 1


async def test_silence_and_recheck_survive_a_restart(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("temp.high")
        await house.act(Action.SILENCE, "li", reason="known", until_s=600)
        house.resident("zhou", "3-02")
        await house.vital("hr.high", Priority.HIGH, who="zhou")
        await house.claim("li", "hr.high")
        await house.resolve("li", "hr.high")
        house.pages()
        await house.restart(down_s=300)
        await house.wait(299)
        assert house.told() == []
        await house.wait(2)
        assert {why for _, why in house.told()} == {"silence_ended", "still_abnormal"}


async def test_fault_of_an_earlier_run_that_did_not_come_back_is_over(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        house.ops.fault("broker.down", "mqtt")
        house.ops.fault("channel.down", "mail")
        await house.clock.settle()
        await house.restart(down_s=5)
        house.ops.fault("channel.down", "mail")
        await house.wait(601)
        assert house.alert("ops.broker.down.mqtt").condition_over
        assert house.alert("ops.channel.down.mail").state is AlertState.RAISED
        assert house.alert("ops.channel.down.mail").count == 2


async def test_shift_end_hands_claims_to_the_desk_and_calls_those_who_come_on(tmp_path: Path) -> None:
    clock = FakeClock(at(10, 59))  # 18:59 in Shanghai
    async with ward(tmp_path, clock=clock) as house:
        house.staff("li", start="07:00", end="19:00")
        house.staff("night", start="19:00", end="07:00")
        await house.vital("hr.high", Priority.MEDIUM)
        await house.claim("li")
        house.pages()
        await house.wait(600)  # the next beat after 19:00
        alert = house.alert()
        assert (alert.state, alert.claimed_by) == (AlertState.RAISED, None)
        assert house.told()[:2] == [("night", "shift_end"), ("desk", "shift_end")]
        assert house.story()[-1] == "released"


async def test_shift_end_after_the_condition_is_over_leaves_it_to_be_seen(tmp_path: Path) -> None:
    async with ward(tmp_path, clock=FakeClock(at(10, 59))) as house:
        house.staff("li", start="07:00", end="19:00")
        finding = await house.vital("hr.high", Priority.MEDIUM)
        await house.claim("li")
        await house.over(finding)
        house.pages()
        await house.wait(600)
        assert house.alert().state is AlertState.CLEARED
        assert house.told() == []


async def test_zzyl_night_window_matches_at_2330(tmp_path: Path) -> None:
    async with ward(tmp_path, clock=FakeClock(at(15, 30))) as house:  # 23:30 in Shanghai
        house.staff("li", start="07:00", end="19:00")
        house.staff("night", start="22:00", end="06:00")
        await house.call("sos")
        assert house.told() == [("night", "new")]


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])  # Europe/Berlin 2026: an hour less, an hour more
async def test_dst_night_calls_exactly_one_shift_at_every_quarter(tmp_path: Path, month: int, day: int) -> None:
    async with ward(tmp_path, clock=FakeClock(at(20, 0, day=day - 1, month=month))) as house:
        house.view.sites[SITE] = Site(id=SITE, name="Haus", tz="Europe/Berlin")
        house.staff("li", start="22:00", end="02:30")
        house.staff("zhang", start="02:30", end="22:00")
        called = []
        for quarter in range(12 * 4):
            await house.call("sos", who="wang")
            called.append([who for who, why in house.told() if why == "new"])
            await house.resolve("li")
            await house.wait(900)
            assert quarter >= 0
        assert all(len(people) == 1 for people in called)
        assert {people[0] for people in called} == {"li", "zhang"}
