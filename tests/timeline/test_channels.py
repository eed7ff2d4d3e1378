"""Time lines of the outbox: failing, slow and full channels, fall-back, quotas, restarts; every page once by its key."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import apsw
import pytest

from gateway.clock import SystemClock
from gateway.notify import outbox
from gateway.notify.base import DELIVERED, ChannelSettings, Notifier, Outcome, Page, Verdict, make
from gateway.ops import Ops
from gateway.store import Database, DiskFull, Lane, Writer
from gateway.vocabulary import Action, AlertKind, Priority
from tests.support.receivers import HANG, HttpReceiver, until
from tests.timeline.ward import Ward, ward

FAIL = Outcome(verdict=Verdict.RETRY, reason="http_500")
REFUSE = Outcome(verdict=Verdict.REFUSED, reason="http_403")


@dataclass
class Phone:
    """A channel with scripted outcomes that notes what it delivered when."""

    name: str
    house: Ward
    outcome: Outcome = DELIVERED
    settings: ChannelSettings = field(default_factory=ChannelSettings)
    hang: bool = False
    tried: list[float] = field(default_factory=list)
    delivered: list[tuple[float, str]] = field(default_factory=list)
    bug: bool = False

    async def notify(self, page: Page) -> Outcome:
        self.tried.append(self.house.seconds(self.house.clock.now_ns()))
        if self.bug:
            raise KeyError("a bug in a channel")
        if self.hang:
            await asyncio.Event().wait()
        if self.outcome is DELIVERED:
            self.delivered.append((self.tried[-1], page.recipient))
        return self.outcome

    async def close(self) -> None:
        return


async def phones(house: Ward) -> tuple[Phone, Phone]:
    """Restart the ward with two scripted channels."""
    phone, mail = Phone("phone", house), Phone("mail", house)
    house.notifiers = {"phone": phone, "mail": mail}
    await house.restart()
    house.start_ns = house.clock.now_ns()
    return phone, mail


async def test_high_priority_falls_over_to_the_next_channel_at_once(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.outcome = FAIL
        await house.call("sos")
        assert phone.tried == [0]
        assert mail.delivered == [(0, "li")]


async def test_medium_priority_tries_again_before_it_goes_to_the_next_channel(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.outcome = FAIL
        await house.vital("temp.high")
        await house.wait(30)
        assert len(phone.tried) == outbox.SWITCH_AFTER
        assert len(mail.delivered) == 1
        assert mail.delivered[0][0] > 0


async def test_backoff_grows_and_is_capped_and_the_page_arrives_in_the_end(tmp_path: Path) -> None:
    async with ward(tmp_path, desk_channels=()) as house:
        phone, _ = await phones(house)
        house.staff("li", channels=("phone",))
        phone.outcome = FAIL
        await house.call("sos")
        await house.claim("li")  # void: no ladder in the way of the next one
        await house.vital("hr.high", Priority.HIGH, who="wang")
        await house.wait(59)
        gaps = [b - a for a, b in zip(phone.tried[1:], phone.tried[2:], strict=False)]
        assert gaps == sorted(gaps) or max(gaps) <= 30
        assert 4 <= len(phone.tried) <= 20  # two pages: the call's, and that this very channel is down
        phone.outcome = DELIVERED
        await house.wait(31)
        assert phone.delivered


async def test_channel_down_is_a_technical_alert_and_ends_when_it_is_back(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, _ = await phones(house)
        phone.outcome = FAIL
        for n in range(5):
            await house.call("sos", who=f"r{n}")
        alert = house.alert("ops.channel.down.phone")
        assert alert.kind is AlertKind.TECHNICAL
        phone.outcome = DELIVERED
        await house.wait(120)
        assert house.alert("ops.channel.down.phone").condition_over


async def test_refused_by_one_channel_goes_to_the_other_and_by_all_is_said(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.outcome = REFUSE
        await house.call("sos")
        assert mail.delivered == [(0, "li")]
        mail.outcome = REFUSE
        await house.call("fall")
        pages = [row["page"]["state"] for row in house.why("call.fall") if row["page"]]
        assert pages == ["refused"]
        assert house.alert("ops.channel.refused.mail").kind is AlertKind.TECHNICAL


async def test_hanging_channel_times_out_and_a_bug_in_a_channel_stops_nobody(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.hang = True
        await house.call("sos")
        await house.wait(10)
        assert list(mail.delivered) == [(10, "li")]
        phone.hang, phone.bug = False, True
        await house.call("fall")
        assert list(mail.delivered) == [(10, "li"), (10, "li")]


async def test_quota_keeps_a_reserve_for_high_priority_and_says_quota(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, _ = await phones(house)
        phone.settings = ChannelSettings(rate_per_min=6, burst=6, reserve=2)
        house.outbox._channels["phone"].bucket.settings = phone.settings  # type: ignore[union-attr]
        house.outbox._channels["phone"].bucket.tokens = 6.0  # type: ignore[union-attr]
        house.staff("li", channels=("phone",))
        for n in range(6):
            await house.vital(f"cause{n}")
        assert len(phone.delivered) == 4
        waiting = [row["page"]["reason"] for row in house.why("cause5") if row["page"]]
        assert waiting == ["quota"]
        await house.call("sos")
        await house.call("fall")
        assert len(phone.delivered) == 6, "the reserve"
        await house.claim("li", "call.sos")
        await house.act(Action.ARRIVE, "li", "call.sos")
        await house.claim("li", "call.fall")
        await house.act(Action.ARRIVE, "li", "call.fall")
        await house.wait(100)
        assert len(phone.delivered) == 8, "the rest as the quota allows"


async def test_what_nobody_needs_any_more_is_not_sent(tmp_path: Path) -> None:
    async with ward(tmp_path, desk_channels=()) as house:
        phone, mail = await phones(house)
        phone.outcome = mail.outcome = FAIL
        await house.call("sos")
        await house.claim("zhao")
        phone.outcome = mail.outcome = DELIVERED
        await house.wait(30)
        assert phone.delivered == mail.delivered == []
        states = {(row["page"]["state"], row["page"]["reason"]) for row in house.why() if row["page"]}
        assert states == {("void", "claimed")}


async def test_a_newer_page_takes_the_place_of_one_not_yet_sent(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.outcome = mail.outcome = FAIL
        await house.call("sos")
        await house.wait(200)
        pending = house.raw.read_sync(
            lambda conn: (
                conn.execute("SELECT count(*) FROM outbox WHERE state = 'pending' AND alert_id = ?", (house.alert("call.sos").id,)).get
            )
        )
        assert pending == 3, "one for each person, whatever the ladder repeats"
        phone.outcome = DELIVERED
        await house.wait(30)
        assert Counter(who for _, who in phone.delivered)["li"] <= 3


async def test_unknown_channel_is_refused_not_tried_for_ever(tmp_path: Path) -> None:
    async with ward(tmp_path, channels=("phone", "mail")) as house:
        house.notifiers = {"other": Phone("other", house)}
        await house.restart()
        await house.call("sos")
        assert [row["page"]["reason"] for row in house.why() if row["page"]] == ["no_such_channel"]


# --- real clock, real HTTP ---------------------------------------------------------------------------------------------


def page(n: int, priority: Priority = Priority.MEDIUM) -> Page:
    return Page(key=f"key-{n}", alert_id=f"alert-{n}", priority=priority, reason="device.check", why="new", recipient="li")


@dataclass
class Running:
    """An outbox on the machine's clock with its store."""

    folder: Path
    notifiers: dict[str, Notifier]
    ops: Ops = field(default_factory=Ops)

    async def __aenter__(self) -> Self:
        clock = SystemClock()
        self.writer = Writer(clock, self.ops)
        self.db = Database.open(self.folder / "store.sqlite", self.writer, (outbox.COMPONENT,), synchronous="NORMAL")
        self.writer.start()
        self.box = outbox.Outbox(self.db, clock, self.ops, self.notifiers, random.Random(1))
        self.task = asyncio.create_task(self.box.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.db.close()
        self.writer.close()

    async def put(self, *pages: Page, routes: tuple[str, ...] = ("hook",)) -> None:
        def unit(conn: apsw.Connection) -> None:
            for one in pages:
                outbox.enqueue(conn, one, [(name, "") for name in routes], 0)

        await self.db.write(unit)
        self.box.wake()

    def count(self, state: str) -> int:
        return int(self.db.read_sync(lambda conn: conn.execute("SELECT count(*) FROM outbox WHERE state = ?", (state,)).get))


def hook(receiver: HttpReceiver, **settings: Any) -> Notifier:
    return make("hook", {"type": "webhook", "url": receiver.url, "timeout_s": 0.2, "rate_per_min": 1e6, "burst": 1000, **settings})


async def test_server_answers_500_429_nothing_then_recovers_all_drains_once_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BACKOFF_BASE_S", 0.02)
    receiver = await HttpReceiver(deque([500, 429, HANG, 503, HANG, 500, 429, 500, 500] * 2)).start()
    notifier = hook(receiver)
    async with Running(tmp_path, {"hook": notifier}) as running:
        await running.put(*(page(n) for n in range(60)))
        await until(lambda: running.count("sent") == 60, 4)
        assert running.count("pending") == 0
        accepted = Counter(request.headers["idempotency-key"] for request in receiver.accepted)
        assert set(accepted) == {f"key-{n}" for n in range(60)}
        assert max(accepted.values()) == 1
        assert running.ops.faults() == ()
    await notifier.close()
    await receiver.close()


async def test_killed_between_sent_and_marked_sent_repeats_with_the_same_key(tmp_path: Path) -> None:
    receiver = await HttpReceiver().start()
    notifier = hook(receiver)
    async with Running(tmp_path, {"hook": notifier}) as running:
        stuck = asyncio.Event()

        async def never(item: outbox.Item, state: str, reason: str, channel: str) -> None:
            stuck.set()
            await asyncio.Event().wait()

        running.box._finish = never  # type: ignore[method-assign]
        await running.put(page(1))
        await stuck.wait()
    async with Running(tmp_path, {"hook": notifier}) as running:
        await until(lambda: running.count("sent") == 1)
    assert [request.headers["idempotency-key"] for request in receiver.accepted] == ["key-1", "key-1"]
    await notifier.close()
    await receiver.close()


async def test_store_that_refuses_the_record_does_not_make_people_hear_it_twice(tmp_path: Path) -> None:
    receiver = await HttpReceiver().start()
    notifier = hook(receiver)
    async with Running(tmp_path, {"hook": notifier}) as running:
        write: Callable[..., Any] = running.db.write
        refused = 0

        async def full(unit: Callable[[apsw.Connection], Any], *, lane: Lane = Lane.GROUP, rows: int = 1) -> Any:
            nonlocal refused
            if refused < 3:
                refused += 1
                raise DiskFull("no room")
            return await write(unit, lane=lane, rows=rows)

        await running.put(page(1))
        running.db.write = full  # type: ignore[method-assign]
        await until(lambda: running.count("sent") == 1, 4)
    assert len(receiver.accepted) == 1
    await notifier.close()
    await receiver.close()


async def test_slow_low_priority_pages_leave_a_slot_for_high_priority(tmp_path: Path) -> None:
    slow = await HttpReceiver(then=HANG).start()
    notifier = make("hook", {"type": "webhook", "url": slow.url, "timeout_s": 60, "rate_per_min": 1e6, "burst": 1000, "parallel": 3})
    async with Running(tmp_path, {"hook": notifier}) as running:
        await running.put(*(page(n) for n in range(20)))
        await until(lambda: len(slow.requests) == 2)
        await running.put(page(99, Priority.HIGH))
        await until(lambda: len(slow.requests) == 3)
        assert slow.requests[-1].headers["idempotency-key"] == "key-99"
    await notifier.close()
    await slow.close()


async def test_actions_do_not_wait_for_channels(tmp_path: Path) -> None:
    async with ward(tmp_path) as house:
        phone, mail = await phones(house)
        phone.hang = mail.hang = True
        await house.call("sos")
        await house.act(Action.CLAIM, "li")
        assert house.alert().claimed_by == "u-li"
