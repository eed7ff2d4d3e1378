"""Time lines of an alert's life: merging, racing claims, clearing, latching, silence, flapping, storms."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.vocabulary import Action, Actor, AlertConflict, AlertKind, AlertNotFound, AlertState, Origin, Outcome, Phase, Priority, Role
from tests.timeline.ward import person, ward


async def test_two_caregivers_claim_at_once_one_wins(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        alert = house.alert()
        acts = [house.desk.act(Action.CLAIM, alert.id, person(who), version=alert.version) for who in ("li", "zhao", "chen", "wu")]
        results = await asyncio.gather(*acts, return_exceptions=True)
        winners = [r for r in results if not isinstance(r, BaseException)]
        losers = [r for r in results if isinstance(r, AlertConflict)]
        assert len(winners) == 1
        assert len(losers) == 3
        assert {loser.current.claimed_by for loser in losers} == {winners[0].claimed_by}
        assert house.story().count("claimed") == 1


async def test_a_double_click_is_no_conflict_a_stale_screen_is(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high")
        first = house.alert().version
        claimed = await house.act(Action.CLAIM, "li", version=first)
        assert await house.act(Action.CLAIM, "li", version=first) == claimed
        with pytest.raises(AlertConflict, match="version"):
            await house.act(Action.ARRIVE, "li", version=first)
        with pytest.raises(AlertNotFound):
            await house.desk.act(Action.CLAIM, "nothing", person("li"))


async def test_condition_over_before_claim_is_cleared_and_stays_until_seen(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.vital("spo2.low")
        await house.wait(20)
        await house.over(finding)
        assert house.alert().state is AlertState.CLEARED
        house.pages()
        await house.wait(24 * 3600)
        assert house.told() == []
        assert [view.state for view in house.open()] == [AlertState.CLEARED]
        await house.act(Action.SEEN, "li")
        assert house.open() == []
        assert house.story() == ["raised", "condition_over", "cleared", "seen"]


async def test_a_cleared_alert_can_still_be_claimed(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.over(await house.vital("spo2.low"))
        assert (await house.claim("li")).state is AlertState.CLAIMED


@pytest.mark.parametrize("cause", ["call.sos", "call.fall", "spo2.low"])
async def test_calls_and_high_priority_latch(tmp_path: Path, cause: str) -> None:
    async with ward(tmp_path) as house:
        kind = AlertKind.CALL if cause.startswith("call") else AlertKind.PHYSIOLOGICAL
        finding = await house.finding(cause, Priority.HIGH, kind=kind)
        await house.over(finding)
        assert house.alert().state is AlertState.RAISED
        house.pages()
        await house.wait(120)
        assert house.told(), "the ladder goes on"


async def test_nightguard_39_high_then_low_minutes_apart_are_both_announced(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        high = await house.vital("glucose.high")
        await house.wait(120)
        await house.act(Action.SILENCE, "li", reason="seen")
        await house.over(high)
        house.pages()
        await house.vital("glucose.low")
        assert house.told() == [("li", "new")]
        assert len(house.open()) == 2


async def test_second_press_of_sos_sounds_again_to_its_owner(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("zhao")
        await house.wait(20)
        house.pages()
        await house.call("sos")
        assert house.told() == [("zhao", "called_again")]
        assert (house.alert().count, len(house.open())) == (2, 1)


async def test_second_press_while_unowned_calls_the_step_again_but_ten_in_a_row_do_not(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.wait(10)
        house.pages()
        for _ in range(10):
            await house.call("sos")
        assert house.told() == [("li", "called_again")]
        assert house.alert().count == 11


async def test_sos_pressed_again_after_it_was_resolved_is_a_new_alert(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("li")
        await house.resolve("li")
        await house.wait(1)
        await house.call("sos")
        assert [view.state for view in house.alerts()] == [AlertState.RESOLVED, AlertState.RAISED]


async def test_repeats_of_a_vital_count_and_do_not_call_again(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high")
        await house.wait(10)
        house.pages()
        await house.vital("hr.high")
        assert house.told() == []
        assert house.alert().count == 2


async def test_the_same_finding_twice_is_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.call("sos")
        await house.take(finding, finding)
        assert (house.alert().count, house.story()) == (1, ["raised"])


async def test_worse_raises_the_priority_breaks_the_silence_and_shortens_the_ladder(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.vital("spo2.low", Priority.MEDIUM)
        await house.act(Action.SILENCE, "li", reason="known", until_s=600)
        house.pages()
        await house.update(finding, Priority.HIGH)
        alert = house.alert()
        assert (alert.priority, alert.silenced_until_ns, alert.latched) == (Priority.HIGH, None, True)
        assert house.told() == [("li", "worse")]
        await house.wait(60)
        assert house.told()
        await house.update(finding, Priority.LOW)
        assert house.alert().priority is Priority.HIGH


async def test_technical_and_physiological_never_mask_each_other(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high")
        await house.finding("hr.high", Priority.MEDIUM, kind=AlertKind.TECHNICAL)
        assert {view.kind for view in house.open()} == {AlertKind.PHYSIOLOGICAL, AlertKind.TECHNICAL}
        assert len(house.told()) == 2


async def test_a_drill_never_hides_a_real_call(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos", origin=Origin.TEST)
        await house.claim("li")
        house.pages()
        await house.call("sos")
        assert house.told() == [("li", "new")]
        assert [view.origin for view in house.open()] == [Origin.LIVE, Origin.TEST]


@pytest.mark.parametrize("kind", ["sos", "fall", "pull_cord"])
async def test_calls_cannot_be_silenced(tmp_path: Path, kind: str) -> None:
    async with ward(tmp_path) as house:
        await house.call(kind)
        with pytest.raises(AlertConflict, match="cannot_be_silenced"):
            await house.act(Action.SILENCE, "li", reason="noise")


async def test_silence_needs_a_reason_and_has_an_end(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high", Priority.HIGH)
        await house.vital("temp.high", Priority.MEDIUM)
        with pytest.raises(AlertConflict, match="reason_missing"):
            await house.act(Action.SILENCE, "li", "hr.high")
        with pytest.raises(AlertConflict, match="span_invalid"):
            await house.act(Action.SILENCE, "li", "hr.high", reason="x", until_s=0)
        now = house.clock.now_ns()
        high = await house.act(Action.SILENCE, "li", "hr.high", reason="on my way", until_s=9999)
        medium = await house.act(Action.SILENCE, "li", "temp.high", reason="known", until_s=9999)
        assert high.silenced_until_ns == now + 120 * 10**9
        assert medium.silenced_until_ns == now + 1800 * 10**9


async def test_silence_holds_pages_back_says_so_and_calls_when_it_ends(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("temp.high")
        await house.act(Action.SILENCE, "li", reason="doctor knows", until_s=600)
        house.pages()
        await house.wait(599)
        assert house.told() == []
        assert ("li", False, "silenced") in {(row["recipient"], row["told"], row["reason"]) for row in house.why()}
        await house.wait(1)
        assert set(house.told()) == {("li", "silence_ended"), ("zhao", "silence_ended")}
        assert house.alert().silenced_until_ns is None


async def test_high_priority_is_silent_on_the_wall_only_the_ladder_calls_on(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.vital("hr.high", Priority.HIGH)
        house.pages()
        await house.act(Action.SILENCE, "li", reason="noise")
        await house.wait(60)
        assert house.told() == [("li", "unclaimed"), ("zhao", "unclaimed")]


async def test_a_late_call_pages_with_its_lateness(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos", late_s=720.0)
        page = house.raw.read_sync(lambda conn: conn.execute("SELECT json_extract(page, '$.late_s') FROM outbox").get)
        assert page == 720.0


async def test_wearer_says_ok_closes_nothing_and_slows_the_ladder_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.call("sos")
        await house.wait(10)
        await house.update(finding, params={"cancelled": True})
        assert house.alert().state is AlertState.RAISED
        assert house.story() == ["raised", "wearer_ok"]
        assert house.told() == [("li", "new"), ("li", "wearer_ok")]
        await house.update(finding, params={"cancelled": True})
        await house.wait(59)
        assert house.told() == []
        await house.wait(1)
        assert house.told() == [("li", "unclaimed"), ("zhao", "unclaimed")]


async def test_flapping_is_one_alert_and_few_pages(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        for _ in range(20):
            finding = await house.vital("spo2.low")
            await house.wait(5)
            await house.over(finding)
            await house.wait(5)
        assert len(house.alerts()) == 1
        assert (house.alert().count, house.told()) == (20, [("li", "new")])
        assert ("li", False, "flapping") in {(row["recipient"], row["told"], row["reason"]) for row in house.why()}
        await house.vital("spo2.low")
        await house.wait(100)
        assert house.told() == [("li", "unclaimed"), ("zhao", "unclaimed")], "300 s after the last telling, flapping or not"


async def test_back_within_minutes_of_being_handled_is_announced_at_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        finding = await house.vital("spo2.low")
        await house.claim("li")
        await house.over(finding)
        await house.resolve("li")
        house.pages()
        await house.wait(100)
        await house.vital("spo2.low")
        assert house.told() == [("li", "again")]
        assert len(house.alerts()) == 1
        await house.claim("li")
        await house.resolve("li")
        await house.wait(301)


async def test_site_down_folds_into_one_alert_that_ends_with_the_last_device(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        names = [f"res{i}" for i in range(30)]
        for name in names:
            house.resident(name)
        findings = [await house.finding("nodata.hr", Priority.MEDIUM, who=name, kind=AlertKind.TECHNICAL) for name in names]
        loud = [view for view in house.open() if view.folded_into is None]
        assert [view.cause for view in loud] == ["nodata.site"]
        assert loud[0].params["devices"] == 30
        sent = house.raw.read_sync(lambda conn: conn.execute("SELECT count(*) FROM outbox WHERE state = 'pending'").get)
        assert (len(house.told()), sent) == (6, 1), "five single ones that become void, and one for the site"
        await house.wait(900)
        assert {who for who, _ in house.told()} == {"li", "zhao", "desk"}
        for finding in findings[:-1]:
            await house.over(finding)
        assert house.alert("nodata.site").state is AlertState.RAISED
        await house.over(findings[-1])
        assert [(view.cause, view.state) for view in house.open()] == [("nodata.site", AlertState.CLEARED)]


async def test_site_alert_resolved_while_devices_stay_silent_comes_back(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        for i in range(6):
            house.resident(f"res{i}")
            await house.finding("nodata.hr", Priority.MEDIUM, who=f"res{i}", kind=AlertKind.TECHNICAL)
        await house.claim("li", "nodata.site")
        await house.resolve("li", "nodata.site", Outcome.DEVICE)
        await house.wait(3600)
        assert house.alert("nodata.site").state is AlertState.RAISED


async def test_a_fault_of_the_gateway_is_a_technical_alert_while_it_lasts(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        house.ops.fault("channel.down", "mail", reason="http_500")
        await house.clock.settle()
        alert = house.alert()
        assert (alert.kind, alert.code, alert.state) == (AlertKind.TECHNICAL, "fault.channel.down", AlertState.RAISED)
        assert house.told() == [("desk", "new")]
        house.ops.clear("channel.down", "mail")
        await house.clock.settle()
        assert house.alert().state is AlertState.CLEARED


async def test_without_a_desk_an_unbound_device_and_a_fault_call_whoever_is_on_duty(tmp_path: Path) -> None:
    async with ward(tmp_path, desk_channels=()) as house:
        await house.finding("call.sos", Priority.HIGH, who=None, kind=AlertKind.CALL, device="button-7")
        assert house.told() == [("li", "new")]


async def test_unbound_device_calls_the_desk(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.finding("call.sos", Priority.HIGH, who=None, kind=AlertKind.CALL, device="button-7")
        assert house.told() == [("desk", "new")]
        assert house.alert().device_id == "button-7"


async def test_desk_may_resolve_what_a_colleague_owns_others_may_not(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.call("sos")
        await house.claim("li")
        with pytest.raises(AlertConflict, match="outcome_missing"):
            await house.act(Action.RESOLVE, "li")
        with pytest.raises(AlertConflict, match="claimed_by_other"):
            await house.resolve("zhao")
        nurse = Actor(id="u-head", name="Head", role=Role.CLINICIAN)
        await house.desk.act(Action.RESOLVE, house.alert().id, nurse, outcome=Outcome.TEST)
        assert house.alert().outcome is Outcome.TEST


async def test_an_end_without_a_beginning_is_nothing(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        await house.finding("hr.high", Priority.MEDIUM, phase=Phase.END)
        assert house.alerts() == []
        await house.finding("hr.high", Priority.MEDIUM, phase=Phase.UPDATE)
        assert house.told() == [("li", "new")], "an update without a beginning is never lost"
