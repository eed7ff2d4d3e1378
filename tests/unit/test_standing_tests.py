"""Standing tests over weeks of a fake clock: on a real desk and outbox, with a channel that works or does not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway import standing_tests
from gateway.notify.base import DELIVERED, ChannelSettings, Outcome, Page, Verdict
from gateway.registry.view import Device
from gateway.standing_tests import Plan, StandingTests, latest_moment
from gateway.vocabulary import Action, AlertKind, Origin, Priority
from tests.support.fake_clock import NS_PER_S
from tests.timeline.ward import SITE, Ward, person, ward

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY_S = 86_400


class Channel:
    """Notes pages; works or not."""

    def __init__(self, name: str) -> None:
        self.name, self.settings = name, ChannelSettings()
        self.pages: list[Page] = []
        self.works = True

    async def notify(self, page: Page) -> Outcome:
        self.pages.append(page)
        return DELIVERED if self.works else Outcome(verdict=Verdict.REFUSED, reason="http_403")

    async def close(self) -> None:
        return

    def tests(self) -> list[Page]:
        return [page for page in self.pages if page.reason == "test.weekly"]


async def examined(home: Ward) -> tuple[StandingTests, Channel, Channel]:
    """A ward with two channels and the tests over them."""
    phone, mail = Channel("phone"), Channel("mail")
    home.notifiers = {"phone": phone, "mail": mail}
    await home.restart()
    await home.raw.write(lambda conn: conn.execute(str(standing_tests.COMPONENT.migrations[0])))
    tests = StandingTests(home.raw, home, home.desk, home.clock, home.ops, ("phone", "mail"), Plan())
    return tests, phone, mail


async def turn(home: Ward, tests: StandingTests, days: float = 0.0) -> None:
    await home.freeze(days * DAY_S)  # a jump: what is due wakes once
    await tests.turn()
    await home.wait(1)
    await tests.turn()


def overdue(home: Ward) -> set[str]:
    return {fault.subject for fault in home.ops.faults() if fault.code == "test.overdue"}


def local(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()) * NS_PER_S


def test_the_weekly_moment_on_the_sites_own_clock() -> None:
    plan = Plan()  # Wednesday 10:30
    for now, expected in (
        ("2026-11-25T10:30:00", "2026-11-25T10:30"),
        ("2026-11-25T10:29:59", "2026-11-18T10:30"),
        ("2026-12-01T23:59:59", "2026-11-25T10:30"),
    ):
        assert latest_moment(plan, "Asia/Shanghai", local(now)) == local(expected)
    berlin = ZoneInfo("Europe/Berlin")
    for day in (28, 4):  # before and after the end of summer time
        month = 10 if day == 28 else 11
        moment = datetime(2026, month, day, 10, 30, tzinfo=berlin)
        assert latest_moment(plan, "Europe/Berlin", int(moment.timestamp() + 3600) * NS_PER_S) == int(moment.timestamp()) * NS_PER_S


async def test_every_channel_is_tested_once_a_week_and_nothing_on_the_first_day(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        tests, phone, mail = await examined(home)
        await turn(home, tests)
        assert phone.tests() == mail.tests() == []
        for _ in range(15):
            await turn(home, tests, days=1)
        assert [len(one.tests()) for one in (phone, mail)] == [2, 2]
        page = phone.tests()[0]
        assert (page.origin, page.priority, page.alert_id) == (Origin.TEST, Priority.INFO, "")
        assert overdue(home) == {f"wall:{SITE}"}, "channels pass by themselves, walls do not"


async def test_a_channel_that_refuses_its_test_is_a_low_alert_until_it_works(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        tests, phone, _ = await examined(home)
        await turn(home, tests)
        phone.works = False
        await turn(home, tests, days=7)
        await turn(home, tests, days=1 / 24)
        assert "channel:phone" in overdue(home)
        alert = next(view for view in home.alerts() if view.cause == "ops.test.overdue.channel:phone")
        assert (alert.priority, alert.kind) == (Priority.LOW, AlertKind.TECHNICAL)
        phone.works = True
        await tests.start("channel", "phone")
        await turn(home, tests)
        assert "channel:phone" not in overdue(home)
        assert next(view for view in home.alerts() if view.cause == alert.cause).condition_over


async def test_a_wall_passes_when_somebody_there_answers(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        tests, _, _ = await examined(home)
        await turn(home, tests)
        await turn(home, tests, days=7)
        alert = home.alert(f"test.wall.{SITE}")
        assert (alert.origin, alert.priority, alert.site_id, alert.kind) == (Origin.TEST, Priority.LOW, SITE, AlertKind.TECHNICAL)
        assert overdue(home) == set()
        await turn(home, tests, days=1.1)
        assert overdue(home) == {f"wall:{SITE}"}
        await home.desk.act(Action.CLAIM, alert.id, person("li"))
        await turn(home, tests)
        assert overdue(home) == set()
        await turn(home, tests, days=7)
        await turn(home, tests, days=1.1)
        assert overdue(home) == {f"wall:{SITE}"}, "last week's answer is not this week's"


async def test_a_button_is_tested_by_being_pressed(tmp_path: Path) -> None:
    async with ward(tmp_path) as home:
        tests, _, _ = await examined(home)
        home.view.devices["band-wang"] = Device(id="band-wang", site_id=SITE, quantities=("call.sos",))
        home.view.devices["thermometer"] = Device(id="thermometer", site_id=SITE, quantities=("temp",))
        await turn(home, tests)
        await turn(home, tests, days=29)
        assert "button:band-wang" not in overdue(home)
        await turn(home, tests, days=1.5)
        assert {subject for subject in overdue(home) if subject.startswith("button")} == {"button:band-wang"}
        await home.call("sos")
        await turn(home, tests)
        assert not any(subject.startswith("button") for subject in overdue(home))
        rows = home.raw.read_sync(lambda conn: standing_tests.listed(conn, home.view, ("phone", "mail"), Plan(), home.clock.now_ns()))
        due = {row["subject"]: row["due_ns"] - home.clock.now_ns() for row in rows}
        assert round(due["band-wang"] / NS_PER_S / DAY_S) == 30
