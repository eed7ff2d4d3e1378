"""Time lines of the ladder: who is told when, until somebody owns the alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.vocabulary import Action, AlertConflict, AlertState, Outcome, Priority
from tests.timeline.ward import ward


async def test_sos_climbs_at_30_60_120_s_and_the_last_step_repeats_until_owned(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(240)
        assert house.pages() == [
            (0, "li", "new"),
            (30, "li", "unclaimed"),
            (30, "zhao", "unclaimed"),
            (60, "zhao", "unclaimed"),
            (60, "desk", "unclaimed"),
            (120, "li", "unclaimed"),
            (120, "zhao", "unclaimed"),
            (120, "desk", "unclaimed"),
            (180, "li", "unclaimed"),
            (180, "zhao", "unclaimed"),
            (180, "desk", "unclaimed"),
            (240, "li", "unclaimed"),
            (240, "zhao", "unclaimed"),
            (240, "desk", "unclaimed"),
        ]
        assert house.alert().step == 3
        await house.claim("li")
        await house.act(Action.ARRIVE, "li")
        await house.resolve("li")
        await house.wait(3600)
        assert house.pages() == []


@pytest.mark.parametrize(("priority", "steps"), [(Priority.HIGH, [60, 180, 600]), (Priority.MEDIUM, [300, 900, 3600])])
async def test_vitals_climb_at_their_own_pace(tmp_path: Path, priority: Priority, steps: list[float]) -> None:
    async with ward(tmp_path) as house:
        await house.vital("spo2.low", priority)
        await house.wait(steps[-1])
        assert sorted({t for t, _, _ in house.pages()}) == [0, *steps]


async def test_low_priority_waits_for_the_change_of_shift(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:  # 2026-01-01 00:00 UTC is 08:00 in Shanghai
        house.staff("li", start="07:00", end="19:00")
        house.staff("night", start="19:00", end="07:00")
        await house.vital("weight.up", Priority.LOW)
        await house.wait(11 * 3600 - 1)
        assert house.told() == [("li", "new")]
        await house.wait(1)
        assert house.told() == [("night", "unclaimed"), ("zhao", "unclaimed")]


async def test_claim_stops_the_calling_but_not_the_clock_late_arrival_escalates(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(10)
        await house.claim("li")
        house.pages()
        await house.wait(59)
        assert house.pages() == []
        await house.wait(1)
        assert house.pages() == [(70, "li", "not_arrived"), (70, "zhao", "not_arrived")]
        assert house.alert().claimed_by == "u-li"


async def test_arrived_but_not_resolved_escalates_and_stays_owned(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("fall")
        await house.claim("li")
        await house.act(Action.ARRIVE, "li")
        house.pages()
        await house.wait(120)
        assert {why for _, why in house.told()} == {"not_resolved"}
        assert (house.alert().state, house.alert().claimed_by) == (AlertState.ARRIVED, "u-li")


async def test_oncall_1792_claimed_then_forgotten_is_raised_anew(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("li")
        await house.wait(240)
        alert = house.alert()
        assert (alert.state, alert.claimed_by) == (AlertState.RAISED, None)
        assert "reraised" in house.story()
        house.pages()
        await house.wait(120)
        assert house.told(), "the ladder goes on"


async def test_resolved_while_still_abnormal_is_raised_anew(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.vital("hr.high", Priority.HIGH)
        await house.claim("li")
        await house.resolve("li", outcome=Outcome.FALSE_ALARM)
        await house.wait(599)
        assert house.alert().state is AlertState.RESOLVED
        await house.wait(1)
        assert house.alert().state is AlertState.RAISED
        assert house.story()[-1] == "reraised"
        await house.resolve("li")
        await house.over(finding)
        await house.wait(3600)
        assert house.alert().state is AlertState.RESOLVED


async def test_nobody_on_duty_reaches_the_desk_and_says_why(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        house.staff("li", start="20:00", end="22:00")
        await house.call("sos")
        assert house.told() == [("desk", "new")]
        reasons = {(row["recipient"], row["told"], row["reason"]) for row in house.why()}
        assert reasons == {("li", False, "off_duty"), ("desk", True, "nobody_reachable")}


async def test_person_without_channel_is_named_and_the_desk_told(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        house.staff("li", channels=())
        await house.call("sos")
        assert house.told() == [("desk", "new")]
        assert ("li", False, "no_channel") in {(row["recipient"], row["told"], row["reason"]) for row in house.why()}


async def test_owner_asks_for_support_and_others_join(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("fall")
        await house.claim("li")
        house.pages()
        await house.act(Action.SUPPORT, "li")
        assert house.told() == [("zhao", "support")]
        await house.act(Action.SUPPORT, "zhao")
        assert house.alert().supported_by == ("u-zhao",)


async def test_release_calls_again_at_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("li")
        house.pages()
        with pytest.raises(AlertConflict, match="claimed_by_other"):
            await house.act(Action.RELEASE, "zhao")
        await house.act(Action.RELEASE, "li")
        assert house.told() == [("li", "released")]
        await house.wait(30)
        assert house.told()


async def test_reopened_by_a_person_starts_the_ladder_again(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.vital("spo2.low")
        await house.over(finding)
        await house.act(Action.SEEN, "li")
        house.pages()
        await house.act(Action.REOPEN, "zhao", note="not well")
        assert house.told() == [("li", "reopened")]
        await house.wait(300)
        assert house.told()
        with pytest.raises(AlertConflict, match="open"):
            await house.act(Action.REOPEN, "zhao")
